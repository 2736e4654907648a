/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_FIND_H
#define PN_CORE_LEASE_FIND_H

#include "core/lease/row.h"
#include "core/org/permission.h"
#include "core/secret/place.h"

/* From what a request names to rows, in the contract's order: project, rights, folder, dynamic secret, lease. */

/* Which words say that something is missing: they differ from route to route (§1.7). */
enum pn_lease_words {
    PN_LEASE_WORDS_CHANGE, /* R1–R3 */
    PN_LEASE_WORDS_READ,   /* R4, R5 */
    PN_LEASE_WORDS_LEASE,  /* R6–R10 */
    PN_LEASE_WORDS_GET,    /* R11 */
};

struct pn_lease_scope {
    struct pn_place place; /* the folder is not looked up yet */
    const struct pn_ability *ability;
    enum pn_lease_words words;
};

/* Project and rights. Errors: PN_NOT_FOUND, PN_PERMISSION (no member), PN_BAD_REQUEST (path). */
bool pn_lease_scope_open(struct pn_call *call, const struct pn_lease_at *at,
                         enum pn_lease_words words, struct pn_lease_scope *out, struct pn_err *err)
    PN_CHECKED;
bool pn_lease_scope_folder(struct pn_call *call, struct pn_lease_scope *scope, struct pn_err *err)
    PN_CHECKED;
bool pn_lease_scope_secret(struct pn_call *call, struct pn_lease_scope *scope, struct pn_str name,
                           struct pn_dynamic_secret *out, struct pn_err *err) PN_CHECKED;
/* The lease of that id, if its dynamic secret is in the scope's folder, and who asks may lease it. */
bool pn_lease_scope_lease(struct pn_call *call, struct pn_lease_scope *scope, struct pn_str id,
                          struct pn_lease *lease, struct pn_dynamic_secret *secret,
                          struct pn_err *err) PN_CHECKED;

/* May the actor do it with that dynamic secret? Metadata: what conditions may name. */
bool pn_lease_scope_may(const struct pn_lease_scope *scope, struct pn_list metadata,
                        const char *action);
bool pn_lease_scope_permit(struct pn_call *call, const struct pn_lease_scope *scope,
                           struct pn_list metadata, const char *action, struct pn_err *err)
    PN_CHECKED;

/* Raises PN_NOT_FOUND in the contract's words: always false. */
bool pn_lease_refuse_missing(struct pn_str id, struct pn_err *err) PN_CHECKED;

#endif
