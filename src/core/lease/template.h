/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_TEMPLATE_H
#define PN_CORE_LEASE_TEMPLATE_H

#include "base/arena.h"
#include "base/err.h"

/*
 * What a service account made for a lease is called: literal text and values between {{ }} (or {{{ }}}), a subset of
 * Handlebars.
 *
 *     variables   randomUsername  unixTimestamp  identity.name  dynamicSecret.name  dynamicSecret.type
 *     functions   random 8   truncate x 5   replace x 'a' 'b'   uppercase x   lowercase x     x: a variable or 'text'
 *
 * Whatever comes out is folded to a name that Kubernetes takes: lower case, all but letters and digits a hyphen, no two in
 * a row, none at the ends, at most 52 characters. Without a random part of 8 characters in it that is left whole it
 * gets one at its end, so that two leases are never called the same. Without a template: "dynamic-secret-sa-" and 10.
 */
#define PN_TEMPLATE_MAX_CHARS 255
#define PN_TEMPLATE_MAX_NAME 52

struct pn_template_values {
    struct pn_str identity_name, secret_name, secret_type;
    int64_t now_s;
};

/* Whether it is a template that can be expanded. Errors: PN_VALIDATION, the message says what is wrong where. */
bool pn_template_check(struct pn_str text, struct pn_err *err) PN_CHECKED;

/* A new name; empty `text`: the default. Errors: as above. */
bool pn_template_expand(struct pn_arena *arena, struct pn_str text,
                        const struct pn_template_values *values, struct pn_str *name,
                        struct pn_err *err) PN_CHECKED;

#endif
