/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity/boundary.h"

#include "core/org/permission.h"
#include "core/org/privilege.h"
#include "core/rows.h"

#define MAX_ROLES 1000 /* of an identity in projects, that somebody else is compared with */

struct held {
    struct pn_uuid project;
    struct pn_str role;
};

/* Its roles in projects that hold now or will. */
static bool list_held(struct pn_call *call, struct pn_uuid identity, struct pn_list *out,
                      struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct held));
    struct pn_query *q =
        pn_query(call->conn, "SELECT m.project_id, r.role FROM project_members m"
                             " JOIN project_member_roles r ON r.member_id = m.id"
                             " WHERE m.identity_id = $identity AND r.role <> 'no-access'"
                             " AND (r.is_temporary = 0 OR r.ends_ms > $now)"
                             " ORDER BY m.project_id, r.id LIMIT $most");

    pn_bind_uuid(q, "$identity", identity);
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_int(q, "$most", MAX_ROLES);
    while (pn_query_next(q))
        *(struct held *)pn_rows_add(&rows) =
            (struct held){ pn_column_uuid(q, 0), pn_column_str(q, 1, call->arena) };
    *out = rows.list;
    return pn_query_end(q, err);
}

/* Rights in projects come from roles there, not from the organisation's: they count one by one. */
static bool check_projects(struct pn_call *call, struct pn_uuid identity, struct pn_err *err)
{
    const struct held *held;
    struct pn_list all;

    if (!list_held(call, identity, &all, err))
        return false;
    if (all.count == MAX_ROLES)
        return pn_fail(err, PN_BOUNDARY, "This identity has more roles than can be compared");
    held = all.items;
    for (size_t i = 0; i < all.count; i++) {
        if (pn_permit_grant(call, held[i].project, held[i].role, err))
            continue;
        return pn_permit_elsewhere(err);
    }
    return true;
}

bool pn_identity_boundary(struct pn_call *call, const struct pn_identity *identity,
                          const char *action, struct pn_err *err)
{
    struct pn_err refused = { 0 };

    if (identity->isInstanceAdmin && !call->actor.is_super_admin)
        return pn_fail(err, PN_BOUNDARY,
                       "Only an instance administrator may do this to this identity");
    if (pn_uuid_is_zero(identity->projectId)
            ? pn_permit_org(call, "identity", action, &refused)
            : pn_permit_project(call, identity->projectId, "identity", action, &refused))
        return true;
    return pn_permit_grant_org(call, identity->role, err) &&
           check_projects(call, identity->id, err) &&
           pn_privilege_permit_held(call, (struct pn_uuid){ 0 }, identity->id, err);
}
