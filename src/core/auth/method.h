/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_METHOD_H
#define PN_CORE_AUTH_METHOD_H

#include "core/auth/access_token.h"
#include "core/identity/identity.h"

/*
 * The auth methods of an identity: one row each in identity_auths, which every method has; what is a
 * method's own is in its own table, whose key is the id of this row (universal_auths, …; ON DELETE
 * CASCADE). Tokens name this row: deleting it ends all that the method issued, and a method attached
 * again is another row.
 */
struct pn_auth_method {
    struct pn_uuid id, identityId;
    struct pn_token_terms terms;
    int64_t createdAt, updatedAt;
};

/* `out->id` is zero when the identity does not have it. */
bool pn_auth_method_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid identity,
                         const char *method, struct pn_auth_method *out, struct pn_err *err)
    PN_CHECKED;
/* Names, in order of attachment. */
bool pn_auth_method_list(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid identity,
                         struct pn_strs *out, struct pn_err *err) PN_CHECKED;

/* For write functions. Insert: pn_db_is_duplicate(err) when it was attached meanwhile. */
bool pn_auth_method_insert(struct pn_db_conn *tx, const char *method,
                           const struct pn_auth_method *row, struct pn_err *err) PN_CHECKED;
bool pn_auth_method_update(struct pn_db_conn *tx, const struct pn_auth_method *row,
                           struct pn_err *err) PN_CHECKED;
bool pn_auth_method_delete(struct pn_db_conn *tx, const struct pn_auth_method *row,
                           struct pn_err *err) PN_CHECKED;

/*
 * The identity whose methods or tokens are asked about or changed: in the actor's organisation, the
 * action permitted. `boundary` (NULL: only reads) names the action under the privilege boundary: who
 * does not hold it must be allowed all that the identity is (repointing a method is acting as it).
 *
 * Errors:  PN_PERMISSION, PN_NOT_FOUND "Failed to find identity with ID …", PN_BOUNDARY
 */
bool pn_auth_method_subject(struct pn_call *call, struct pn_uuid identity, const char *action,
                            const char *boundary, struct pn_identity *out, struct pn_err *err)
    PN_CHECKED;

/*
 * The `organizationSlug` of a login: absent, empty or the slug of the identity's own organisation; there are
 * no sub-organisations to select. Errors: PN_NOT_FOUND.
 */
bool pn_auth_method_check_slug(struct pn_call *call, struct pn_uuid org, struct pn_str slug,
                               struct pn_err *err) PN_CHECKED;

#endif
