/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/org.h"

#include "core/audit/audit.h"
#include "core/org/permission.h"
#include "core/org/role.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "json/writer.h"

#define MAX_MEMBERS 2000

#define SELECT_MEMBERS                                                                  \
    "SELECT m.id, m.org_id, m.user_id, m.role, m.status, m.invite_email, m.is_active, " \
    "m.created_ms,"                                                                     \
    " u.email, u.first_name, u.last_name, u.is_email_verified, c.id"                    \
    " FROM org_members m LEFT JOIN users u ON u.id = m.user_id"                         \
    " LEFT JOIN roles c ON c.scope_id = m.org_id AND c.slug = m.role WHERE m.org_id = $org"

static struct pn_org_member read_member(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_org_member m = {
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .userId = pn_column_uuid(q, 2),
        .role = pn_column_str(q, 3, arena),
        .status = pn_column_str(q, 4, arena),
        .inviteEmail = pn_column_str(q, 5, arena),
        .isActive = pn_column_int(q, 6) != 0,
        .createdAt = pn_column_int(q, 7),
        .email = pn_column_str(q, 8, arena),
        .firstName = pn_column_str(q, 9, arena),
        .lastName = pn_column_str(q, 10, arena),
        .isEmailVerified = pn_column_int(q, 11) != 0,
        .roleId = pn_column_uuid(q, 12),
    };

    if (m.email.ptr == NULL)
        m.email = m.inviteEmail;
    return m;
}

static bool enter(struct pn_call *call, struct pn_uuid org_id, const char *action,
                  struct pn_err *err)
{
    if (!pn_uuid_eq(org_id, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    return pn_permit_org(call, "member", action, err);
}

bool pn_org_members(struct pn_call *call, struct pn_uuid org_id, struct pn_list *out,
                    struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_org_member));
    struct pn_query *q;

    if (!enter(call, org_id, "read", err))
        return false;
    q = pn_query(call->conn, SELECT_MEMBERS " ORDER BY m.created_ms, m.id LIMIT $most");
    pn_bind_uuid(q, "$org", org_id);
    pn_bind_int(q, "$most", MAX_MEMBERS);
    while (pn_query_next(q))
        *(struct pn_org_member *)pn_rows_add(&rows) = read_member(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_org_member_find(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                        struct pn_org_member *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, SELECT_MEMBERS " AND m.id = $id");
    bool is_found;

    pn_bind_uuid(q, "$org", org_id);
    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_member(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_NOT_FOUND, "Membership with ID '%s' not found", pn_uuid_format(id).text);
}

bool pn_org_member_get(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                       struct pn_org_member *out, struct pn_err *err)
{
    return enter(call, org_id, "read", err) && pn_org_member_find(call, org_id, id, out, err);
}

bool pn_org_member_own(struct pn_call *call, struct pn_org_member *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, SELECT_MEMBERS " AND m.user_id = $user");
    bool is_found;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$user", call->actor.id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_member(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_FORBIDDEN, "You are not a member of this organization");
}

bool pn_org_join(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org_join *join,
                 struct pn_err *err)
{
    struct pn_query *q;

    if (!pn_role_require(tx, "org", join->org_id, join->role, err))
        return false;
    q = pn_query(
        tx, "INSERT INTO org_members (id, org_id, user_id, invite_email, invite_hash, "
            "invite_expires_ms,"
            " role, status, is_active, created_ms, updated_ms)"
            " VALUES ($id, $org, $user, $email, $hash, $expires, $role, $status, 1, $now, $now)");

    pn_bind_uuid(q, "$id", join->id);
    pn_bind_uuid(q, "$org", join->org_id);
    pn_bind_uuid(q, "$user", join->user_id);
    pn_bind_str(q, "$email", join->invite_email);
    pn_bind_bytes(q, "$hash", join->invite_hash);
    if (join->invite_hash.ptr != NULL)
        pn_bind_int(q, "$expires", join->invite_expires_ms);
    else
        pn_bind_null(q, "$expires");
    pn_bind_str(q, "$role", join->role);
    pn_bind_str(q, "$status",
                join->invite_hash.ptr != NULL ? PN_LIT("invited") : PN_LIT("accepted"));
    pn_bind_int(q, "$now", call->now_ms);
    return pn_query_run(q, NULL, err);
}

struct change {
    const struct pn_call *call;
    const char *event;
    const struct pn_org_member *member; /* as it was read */
    size_t count;                       /* of members that are deleted at once */
    struct pn_str role;                 /* what is wanted; absent: as it is */
    int is_active;                      /* -1: as it is */
};

/* As it is now. The boundary was asked about the role that was read: with another one it is somebody else's to touch. */
static bool read_again(struct pn_db_conn *tx, const struct change *c, struct pn_org_member *out,
                       struct pn_err *err)
{
    struct pn_call now = pn_call_within(c->call, tx);

    return pn_org_member_find(&now, c->member->orgId, c->member->id, out, err) &&
           (pn_str_eq(out->role, c->member->role) ||
            pn_fail(err, PN_CONFLICT, "Somebody else has just changed this membership"));
}

static bool record(struct pn_db_conn *tx, const struct change *c, const struct pn_org_member *m,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "membershipId", m->id);
    pn_write_uuid(&w, "userId", m->userId);
    pn_write_str(&w, "email", m->email);
    pn_write_str(&w, "role", m->role);
    pn_write_bool(&w, "isActive", m->isActive);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){
                              .type = c->event, .org_id = m->orgId, .metadata = pn_buf_str(&json) },
                          err);
}

/* An organisation without an admin could never be managed again. Runs after the change. */
static bool check_admin_is_left(struct pn_db_conn *tx, struct pn_uuid org_id, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT 1 FROM org_members WHERE org_id = $org AND role = 'admin'"
                     " AND status = 'accepted' AND is_active = 1 LIMIT 1");
    bool is_left;

    pn_bind_uuid(q, "$org", org_id);
    is_left = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_left ||
           pn_fail(err, PN_BAD_REQUEST,
                   "The last administrator of an organization cannot be removed or demoted");
}

/* Whoever left, or was switched off, loses what is still open (an invitation has no user yet). */
static bool close_sessions(struct pn_db_conn *tx, const struct change *c,
                           const struct pn_org_member *m, struct pn_err *err)
{
    return pn_uuid_is_zero(m->userId) ||
           pn_pam_session_close_owner(tx, c->call, m->userId,
                                      PN_LIT("No longer a member of the organization"), err);
}

static bool update_member(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_org_member m;
    struct pn_query *q;

    if (!read_again(tx, c, &m, err))
        return false;
    m.role = c->role.ptr != NULL ? c->role : m.role;
    m.isActive = c->is_active < 0 ? m.isActive : c->is_active != 0;
    if (!pn_role_require(tx, "org", m.orgId, m.role, err))
        return false;
    q = pn_query(tx, "UPDATE org_members SET role = $role, is_active = $active, updated_ms = $now"
                     " WHERE id = $id AND org_id = $org");
    pn_bind_str(q, "$role", m.role);
    pn_bind_int(q, "$active", m.isActive);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", m.id);
    pn_bind_uuid(q, "$org", m.orgId);
    return pn_query_run(q, NULL, err) && check_admin_is_left(tx, m.orgId, err) &&
           close_sessions(tx, c, &m, err) && record(tx, c, &m, err);
}

bool pn_org_member_change(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                          struct pn_str role, int is_active, struct pn_org_member *out,
                          struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = "update-org-membership",
                        .member = out,
                        .role = role,
                        .is_active = is_active };

    if (!enter(call, org_id, "edit", err) || !pn_org_member_find(call, org_id, id, out, err))
        return false;
    if (!pn_permit_grant_org(call, out->role, err) ||
        (role.ptr != NULL && !pn_permit_grant_org(call, role, err)))
        return false;
    return pn_db_write(call->db, update_member, &c, err) &&
           pn_org_member_find(call, org_id, id, out, err);
}

/* Memberships of the organisation's projects go with the one of the organisation. */
static const char *const leave_sql[] = {
    "DELETE FROM project_members WHERE user_id = $user AND project_id IN (SELECT id FROM projects "
    "WHERE org_id = $org)",
    "DELETE FROM org_members WHERE user_id = $user AND org_id = $org",
};

/* An account that an invitation made, and nobody has claimed, goes with the last invitation. */
static bool forget_unclaimed(struct pn_db_conn *tx, struct pn_uuid user, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "DELETE FROM users WHERE id = $user AND password_hash IS NULL"
                     " AND NOT EXISTS (SELECT 1 FROM org_members WHERE user_id = $user)");

    pn_bind_uuid(q, "$user", user);
    return pn_query_run(q, NULL, err);
}

static bool delete_rows(struct pn_db_conn *tx, const struct pn_org_member *m, struct pn_err *err)
{
    struct pn_query *q;

    for (size_t i = 0; !pn_uuid_is_zero(m->userId) && i < PN_COUNT(leave_sql); i++) {
        q = pn_query(tx, leave_sql[i]);
        pn_bind_uuid(q, "$user", m->userId);
        pn_bind_uuid(q, "$org", m->orgId);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    q = pn_query(
        tx,
        "DELETE FROM org_members WHERE id = $id AND org_id = $org"); /* invitations have no user */
    pn_bind_uuid(q, "$id", m->id);
    pn_bind_uuid(q, "$org", m->orgId);
    return pn_query_run(q, NULL, err);
}

static bool delete_one(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_org_member m;
    bool was_admin;

    if (!read_again(tx, c, &m, err) || !delete_rows(tx, &m, err) ||
        !close_sessions(tx, c, &m, err) || !forget_unclaimed(tx, m.userId, err) ||
        !record(tx, c, &m, err))
        return false;
    was_admin = pn_str_is(m.role, "admin") && pn_str_is(m.status, "accepted") && m.isActive;
    return !was_admin || check_admin_is_left(tx, m.orgId, err);
}

bool pn_org_member_erase(struct pn_db_conn *tx, const struct pn_call *call,
                         const struct pn_org_member *member, struct pn_err *err)
{
    struct pn_call inside = *call; /* whoever takes it away, the records are the organisation's */
    const struct change c = { .call = &inside, .event = "delete-org-membership", .member = member };

    inside.actor.org_id = member->orgId;
    return delete_one(tx, &c, err);
}

static bool delete_members(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *all = context;

    for (size_t i = 0; i < all->count; i++) {
        struct change one = *all;

        one.member = &all->member[i];
        if (!delete_one(tx, &one, err))
            return false;
    }
    return true;
}

bool pn_org_member_delete(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                          struct pn_org_member *out, struct pn_err *err)
{
    struct pn_list one;

    if (!pn_org_members_delete(call, org_id, &id, 1, &one, err))
        return false;
    *out = *(struct pn_org_member *)one.items;
    return true;
}

bool pn_org_members_delete(struct pn_call *call, struct pn_uuid org_id, const struct pn_uuid *ids,
                           size_t count, struct pn_list *out, struct pn_err *err)
{
    struct pn_org_member *members = pn_new(call->arena, struct pn_org_member, count);
    struct change c = {
        .call = call, .event = "delete-org-membership", .member = members, .count = count
    };

    if (!enter(call, org_id, "delete", err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!pn_org_member_find(call, org_id, ids[i], &members[i], err) ||
            !pn_permit_grant_org(call, members[i].role, err))
            return false;
    *out = (struct pn_list){ .items = members, .count = count };
    return pn_db_write(call->db, delete_members, &c, err);
}
