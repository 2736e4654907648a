/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ADMINISTRATION_H
#define PN_CORE_ORG_ADMINISTRATION_H

#include "base/call.h"
#include "core/org/org.h"
#include "core/org/user.h"
#include "json/shape.h"

/*
 * What the instance's administrators see and do across organisations (platform.md §3.4). Every function
 * begins with pn_user_require_super: PN_FORBIDDEN for everybody else. Lists are paged: `limit` ≤ 100.
 */
struct pn_admin_member {
    struct pn_uuid membershipId;
    struct pn_str role, status;
    struct pn_uuid user_id;
    struct pn_str email, firstName, lastName;
};
struct pn_admin_project {
    struct pn_uuid id;
    struct pn_str name, slug;
    int64_t createdAt;
};
struct pn_admin_org {
    struct pn_org org;
    struct pn_list members;  /* of pn_admin_member; the first PN_ADMIN_MAX_LISTED */
    struct pn_list projects; /* of pn_admin_project; the same */
};
#define PN_ADMIN_MAX_LISTED 200
bool pn_admin_orgs(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                   struct pn_list *out, int64_t *total, struct pn_err *err) PN_CHECKED;

/*
 * An organisation for others: who has an account becomes its administrator, who has none is invited;
 * `invites` (of pn_org_invite) has the codes of those.
 */
bool pn_admin_org_create(struct pn_call *call, struct pn_str name, struct pn_strs emails,
                         struct pn_org *out, struct pn_list *invites, struct pn_err *err)
    PN_CHECKED;
/* As pn_org_delete, of any organisation. PN_NOT_FOUND. */
bool pn_admin_org_delete(struct pn_call *call, struct pn_uuid id, struct pn_org *out,
                         struct pn_err *err) PN_CHECKED;

/*
 * People go with their memberships, sessions and personal secrets; what they did stays on record. All or none.
 * PN_BAD_REQUEST: the actor, or the last administrator of an organisation or of the instance. Of pn_user.
 */
bool pn_admin_users_delete(struct pn_call *call, const struct pn_uuid *ids, size_t count,
                           struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_admin_member_delete(struct pn_call *call, struct pn_uuid org, struct pn_uuid membership,
                            struct pn_org_member *out, struct pn_err *err) PN_CHECKED;
/* The actor, a person, administers the organisation, member of it or not; on record there. PN_NOT_FOUND. */
bool pn_admin_org_access(struct pn_call *call, struct pn_uuid org, struct pn_org_member *out,
                         struct pn_err *err) PN_CHECKED;
/* All that is remembered of rows is read anew. */
bool pn_admin_forget(struct pn_call *call, struct pn_str what, struct pn_err *err) PN_CHECKED;

struct pn_admin_identity {
    struct pn_uuid id;
    struct pn_str name;
    bool isInstanceAdmin;
};
bool pn_admin_identities(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                         struct pn_list *out, int64_t *total, struct pn_err *err) PN_CHECKED;

/* Gives or takes the right itself. The last person who has it keeps it: PN_BAD_REQUEST. */
bool pn_admin_user_right(struct pn_call *call, struct pn_uuid id, bool is_admin,
                         struct pn_user *out, struct pn_err *err) PN_CHECKED;
bool pn_admin_identity_drop_right(struct pn_call *call, struct pn_uuid id,
                                  struct pn_admin_identity *out, struct pn_err *err) PN_CHECKED;

#endif
