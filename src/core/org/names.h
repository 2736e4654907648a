/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_NAMES_H
#define PN_CORE_ORG_NAMES_H

#include "base/arena.h"

/* Forms of names (platform.md §17.1); usable as pn_field.check. */
bool pn_name_is_email(struct pn_str text); /* local@domain, ≤ 254, printable, no spaces */
bool pn_name_is_slug(struct pn_str text);  /* lower-case letters, digits, single hyphens inside */
bool pn_name_is_project_slug(struct pn_str text); /* the same with underscores */
bool pn_name_is_resource(struct pn_str text);     /* letters, digits, '-', '_', space; 1–64 */

/* A slug from a name: what does not fit becomes '-'; a random suffix of 4 makes it unlike others. */
struct pn_str pn_name_to_slug(struct pn_arena *arena, struct pn_str name);

#endif
