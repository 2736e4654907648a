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
    struct pn_strs warnings; /* shown, not stored: pn_auth_method_warnings */
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
 * action permitted (pn_identity_permit). `boundary` (NULL: only reads) names the action under the privilege boundary: who
 * does not hold it must be allowed all that the identity is, in the organisation and in its projects
 * (repointing a method is acting as it).
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

/* What is odd about its addresses (D14); `others`: the method's own list, or PN_NONE. */
struct pn_strs pn_auth_method_warnings(struct pn_arena *arena, const struct pn_token_terms *terms,
                                       struct pn_str others);

/*
 * The record of a look at a method's configuration or credentials, as of any read (core/audit/reads.h).
 * `what` names the member for `id`; NULL: there is none.
 */
bool pn_auth_method_note_read(struct pn_call *call, const char *event, struct pn_uuid identity,
                              const char *what, struct pn_uuid id, struct pn_err *err) PN_CHECKED;
/*
 * The record of a login that was refused, where the identity is known: who, from where and why, in the
 * words of the answer. Queued as that of a read. What was refused because there was too much of it is not
 * recorded: there is no bound to it.
 */
void pn_auth_method_note_refusal(struct pn_call *call, const char *event, struct pn_uuid org,
                                 struct pn_uuid identity, const struct pn_err *why);

#endif
