/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_USER_H
#define PN_CORE_ORG_USER_H

#include "base/call.h"
#include "base/secret.h"
#include "db/db.h"
#include "json/shape.h"

/* People. Addresses are lower case. Members carry the wire's names. */
struct pn_user {
    struct pn_uuid id;
    struct pn_str email, username, firstName, lastName;
    bool superAdmin;
    int64_t createdAt;
};

/* For write functions; PN_BAD_REQUEST when the address is taken. */
bool pn_user_insert(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_user *user,
                    struct pn_str password_hash, struct pn_err *err) PN_CHECKED;

/*
 * An account without a password, which an invitation to a project has made so that there is somebody to be a member:
 * its person, who has the invitation's code, gives it one. For write functions; PN_BAD_REQUEST when it has one.
 */
bool pn_user_claim(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_user *user,
                   struct pn_str password_hash, struct pn_err *err) PN_CHECKED;
/* The account of that address that nobody has claimed; zero: there is none. */
bool pn_user_find_unclaimed(struct pn_db_conn *conn, struct pn_str email, struct pn_uuid *out,
                            struct pn_err *err) PN_CHECKED;

/*
 * Ours: an instance administrator makes an account that can log in at once, member of the
 * administrator's organisation and, when `project` is not zero, of that project.
 */
struct pn_user_new {
    struct pn_str email, first_name, last_name, org_role, project_role;
    const struct pn_secret *password;
    struct pn_uuid project_id;
};
bool pn_user_create(struct pn_call *call, const struct pn_user_new *in, struct pn_user *out,
                    struct pn_err *err) PN_CHECKED;
/* Instance administrators only: PN_FORBIDDEN. `search` in the address; of pn_user. */
bool pn_user_list(struct pn_call *call, struct pn_str search, bool admins_only, int64_t offset,
                  int64_t limit, struct pn_list *out, int64_t *total, struct pn_err *err)
    PN_CHECKED;
/* For callers that have checked their right. PN_NOT_FOUND. */
bool pn_user_find(struct pn_call *call, struct pn_uuid id, struct pn_user *out, struct pn_err *err)
    PN_CHECKED;
bool pn_user_require_super(const struct pn_call *call, struct pn_err *err) PN_CHECKED;

#endif
