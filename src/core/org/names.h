/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_NAMES_H
#define PN_CORE_ORG_NAMES_H

#include "base/arena.h"

/* Forms of names (platform.md §17.1); usable as pn_field.check. */
bool pn_name_is_email(struct pn_str text); /* local@domain, ≤ 254, printable, no spaces */
bool pn_name_is_slug(struct pn_str text);  /* lower-case letters, digits, single hyphens inside */
bool pn_name_is_project_slug(struct pn_str text); /* the same with underscores */
bool pn_name_is_resource(struct pn_str text);     /* letters, digits, '-', '_', space; 1–64 */

/*
 * The rules as they are declared (PN_FIELD(…, STRING, .max = 64, PN_NAME_SLUG)) and as they are told: one sentence
 * for each, whoever asks.
 */
#define PN_NAME_SLUG \
    .check = pn_name_is_slug, .rule = "Use lower-case letters, digits and single hyphens inside"
#define PN_NAME_PROJECT_SLUG          \
    .check = pn_name_is_project_slug, \
    .rule = "Use lower-case letters, digits and single hyphens or underscores inside"
#define PN_NAME_RESOURCE \
    .check = pn_name_is_resource, .rule = "Use letters, digits, spaces, hyphens and underscores"
#define PN_NAME_EMAIL .check = pn_name_is_email, .rule = "Invalid email"

/* A slug from a name: what does not fit becomes '-'; a random suffix of 4 makes it unlike others. */
struct pn_str pn_name_to_slug(struct pn_arena *arena, struct pn_str name);

#endif
