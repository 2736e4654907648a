/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/project_member.h"

#include "base/clock.h"
#include "core/audit/audit.h"
#include "core/auth/method.h"
#include "core/org/names.h"
#include "core/org/org.h"
#include "core/org/permission.h"
#include "core/org/privilege.h"
#include "core/org/role.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "json/writer.h"

#define MAX_MEMBERS 1000

/* What differs between people and machine identities. */
static const struct kind {
    const char *subject; /* of the permission */
    const char *noun;
    const char *list_sql, *get_sql;
    const char *added, *changed, *removed; /* events */
} kinds[] = {
#define COLUMNS_USER                                                                            \
    "SELECT m.id, m.project_id, m.user_id, m.identity_id, u.email, u.first_name, u.last_name, " \
    "m.created_ms, m.updated_ms, NULL, NULL, NULL, NULL, NULL, NULL, NULL"                      \
    " FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project_id = $project"
#define COLUMNS_IDENTITY                                                                      \
    "SELECT m.id, m.project_id, m.user_id, m.identity_id, i.name, NULL, NULL, m.created_ms, " \
    "m.updated_ms, p.name, p.type, i.org_id, i.has_delete_protection, l.method, l.last_ms, "  \
    "i.project_id"                                                                            \
    " FROM project_members m JOIN projects p ON p.id = m.project_id"                          \
    " JOIN identities i ON i.id = m.identity_id"                                              \
    " LEFT JOIN identity_logins l ON l.identity_id = i.id WHERE m.project_id = $project"
    [PN_MEMBER_USERS] = { "member", "user", COLUMNS_USER " ORDER BY u.email LIMIT $most",
                          COLUMNS_USER " AND (m.id = $id OR m.user_id = $id)", "add-project-member",
                          "update-user-project-role", "remove-project-member" },
    [PN_MEMBER_IDENTITIES] = { "identity", "identity",
                               COLUMNS_IDENTITY " ORDER BY i.name, i.id LIMIT $most",
                               COLUMNS_IDENTITY " AND (m.id = $id OR m.identity_id = $id)",
                               "create-identity-project-membership",
                               "update-identity-project-membership",
                               "delete-identity-project-membership" },
};

static struct pn_project_member read_member(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_project_member){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .userId = pn_column_uuid(q, 2),
        .identityId = pn_column_uuid(q, 3),
        .name = pn_column_str(q, 4, arena),
        .firstName = pn_column_str(q, 5, arena),
        .lastName = pn_column_str(q, 6, arena),
        .createdAt = pn_column_int(q, 7),
        .updatedAt = pn_column_int(q, 8),
        .project_name = pn_column_str(q, 9, arena),
        .project_type = pn_column_str(q, 10, arena),
        .identity_org = pn_column_uuid(q, 11),
        .hasDeleteProtection = pn_column_int(q, 12) != 0,
        .lastLoginAuthMethod = pn_column_str(q, 13, arena),
        .lastLoginTime = pn_column_int(q, 14),
        .identity_project = pn_column_uuid(q, 15),
    };
}

static bool read_roles(struct pn_call *call, struct pn_project_member *member, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_project_role));
    struct pn_query *q =
        pn_query(call->conn, "SELECT r.id, r.role, r.is_temporary, r.temporary_range, r.starts_ms, "
                             "r.ends_ms, c.id, c.name"
                             " FROM project_member_roles r LEFT JOIN roles c ON c.scope_id = "
                             "$project AND c.slug = r.role"
                             " WHERE r.member_id = $member ORDER BY r.position, r.id LIMIT $most");

    pn_bind_uuid(q, "$member", member->id);
    pn_bind_uuid(q, "$project", member->projectId);
    pn_bind_int(q, "$most", PN_PROJECT_MAX_ROLES);
    while (pn_query_next(q)) {
        struct pn_project_role *r = pn_rows_add(&rows);

        *r = (struct pn_project_role){
            .id = pn_column_uuid(q, 0),
            .role = pn_column_str(q, 1, call->arena),
            .isTemporary = pn_column_int(q, 2) != 0,
            .temporaryRange = pn_column_str(q, 3, call->arena),
            .temporaryAccessStartTime = pn_column_int(q, 4),
            .temporaryAccessEndTime = pn_column_int(q, 5),
            .customRoleId = pn_column_uuid(q, 6),
            .customRoleName = pn_column_str(q, 7, call->arena),
        };
        r->word = r->role;
        if (!pn_uuid_is_zero(r->customRoleId)) {
            r->customRoleSlug = r->role;
            r->word = PN_LIT("custom");
        }
        r->temporaryMode = r->isTemporary ? PN_LIT("relative") : PN_NONE;
    }
    member->roles = rows.list;
    if (!pn_query_end(q, err))
        return false;
    return pn_uuid_is_zero(member->identityId) ||
           pn_auth_method_list(call->conn, call->arena, member->identityId, &member->authMethods,
                               err);
}

static bool read_all_roles(struct pn_call *call, struct pn_list *members, struct pn_err *err)
{
    for (size_t i = 0; i < members->count; i++) {
        if (!read_roles(call, (struct pn_project_member *)members->items + i, err))
            return false;
    }
    return true;
}

bool pn_project_member_list(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                            struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_project_member));
    struct pn_query *q;

    if (!pn_permit_project(call, project, kinds[kind].subject, "read", err))
        return false;
    q = pn_query(call->conn, kinds[kind].list_sql);
    pn_bind_uuid(q, "$project", project);
    pn_bind_int(q, "$most", MAX_MEMBERS);
    while (pn_query_next(q))
        *(struct pn_project_member *)pn_rows_add(&rows) = read_member(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err) && read_all_roles(call, out, err);
}

static bool find_member(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                        struct pn_uuid id, struct pn_project_member *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, kinds[kind].get_sql);
    bool is_found;

    pn_bind_uuid(q, "$project", project);
    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_member(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "No membership of this project has the ID '%s'",
                       pn_uuid_format(id).text);
    return read_roles(call, out, err);
}

bool pn_project_member_get(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                           struct pn_uuid id, struct pn_project_member *out, struct pn_err *err)
{
    return pn_permit_project(call, project, kinds[kind].subject, "read", err) &&
           find_member(call, project, kind, id, out, err);
}

static bool find_user(struct pn_call *call, struct pn_uuid project, struct pn_str email,
                      struct pn_project_member *out, bool *is_found, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS_USER " AND u.email = $email");

    pn_bind_uuid(q, "$project", project);
    pn_bind_str(q, "$email", email);
    *is_found = pn_query_next(q);
    if (*is_found)
        *out = read_member(q, call->arena);
    return pn_query_end(q, err) && (!*is_found || read_roles(call, out, err));
}

bool pn_project_member_get_by_email(struct pn_call *call, struct pn_uuid project,
                                    struct pn_str email, struct pn_project_member *out,
                                    struct pn_err *err)
{
    bool is_found;

    if (!pn_permit_project(call, project, "member", "read", err) ||
        !find_user(call, project, email, out, &is_found, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "%.*s is not a member of this project",
                               PN_ARG(pn_str_slice(email, 0, 100)));
}

bool pn_project_member_everywhere(struct pn_call *call, struct pn_uuid of, struct pn_list *out,
                                  struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_project_member));
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT m.id, m.project_id, m.user_id, m.identity_id, COALESCE(u.email, i.name),"
        " u.first_name, u.last_name, m.created_ms, m.updated_ms, p.name, p.type, i.org_id,"
        " i.has_delete_protection, l.method, l.last_ms, i.project_id"
        " FROM project_members m JOIN projects p ON p.id = m.project_id"
        " LEFT JOIN users u ON u.id = m.user_id LEFT JOIN identities i ON i.id = m.identity_id"
        " LEFT JOIN identity_logins l ON l.identity_id = i.id"
        " WHERE p.org_id = $org AND (m.user_id = $of OR m.identity_id = $of)"
        " ORDER BY p.name, p.id LIMIT $most");

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$of", of);
    pn_bind_int(q, "$most", MAX_MEMBERS);
    while (pn_query_next(q))
        *(struct pn_project_member *)pn_rows_add(&rows) = read_member(q, call->arena);
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        if (!read_roles(call, (struct pn_project_member *)out->items + i, err))
            return false;
    }
    return true;
}

#define MISSING_ID "No membership has the ID '%s'"

bool pn_project_member_by_id(struct pn_call *call, enum pn_member_kind kind, struct pn_uuid id,
                             struct pn_project_member *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT m.project_id FROM project_members m"
                                              " JOIN projects p ON p.id = m.project_id"
                                              " WHERE m.id = $id AND p.org_id = $org");
    struct pn_uuid project = { 0 };

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    if (pn_query_next(q))
        project = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    if (pn_uuid_is_zero(project))
        return pn_fail(err, PN_NOT_FOUND, MISSING_ID, pn_uuid_format(id).text);
    return pn_project_member_get(call, project, kind, id, out, err) ||
           pn_permit_hide(err, MISSING_ID, pn_uuid_format(id).text);
}

/* ---- writing ---- */

static bool insert_role(struct pn_db_conn *tx, struct pn_uuid project, struct pn_uuid member,
                        size_t position, const struct pn_project_role *role, struct pn_err *err)
{
    struct pn_query *q;

    if (!pn_role_require(tx, "project", project, role->role, err))
        return false;
    q = pn_query(tx,
                 "INSERT INTO project_member_roles (id, member_id, role, position, is_temporary,"
                 " temporary_range, starts_ms, ends_ms)"
                 " VALUES ($id, $member, $role, $position, $temporary, $range, $starts, $ends)");

    pn_bind_uuid(q, "$id", pn_uuid_is_zero(role->id) ? pn_random_uuid() : role->id);
    pn_bind_uuid(q, "$member", member);
    pn_bind_str(q, "$role", role->role);
    pn_bind_int(q, "$position", (int64_t)position);
    pn_bind_int(q, "$temporary", role->isTemporary);
    pn_bind_str(q, "$range", role->isTemporary ? role->temporaryRange : PN_NONE);
    if (role->isTemporary) {
        pn_bind_int(q, "$starts", role->temporaryAccessStartTime);
        pn_bind_int(q, "$ends", role->temporaryAccessEndTime);
    } else {
        pn_bind_null(q, "$starts");
        pn_bind_null(q, "$ends");
    }
    return pn_query_run(q, NULL, err);
}

static bool insert_member(struct pn_db_conn *tx, const struct pn_call *call,
                          const struct pn_project_join *join, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO project_members (id, project_id, user_id, identity_id, created_ms, updated_ms)"
        " VALUES ($id, $project, $user, $identity, $now, $now)");

    pn_bind_uuid(q, "$id", join->id);
    pn_bind_uuid(q, "$project", join->project_id);
    pn_bind_uuid(q, "$user", join->user_id);
    pn_bind_uuid(q, "$identity", join->identity_id);
    pn_bind_int(q, "$now", call->now_ms);
    if (pn_query_run(q, NULL, err))
        return true;
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST, "Already a member of this project");
    return false;
}

bool pn_project_member_insert(struct pn_db_conn *tx, const struct pn_call *call,
                              const struct pn_project_join *join, struct pn_err *err)
{
    if (!insert_member(tx, call, join, err))
        return false;
    for (size_t i = 0; i < join->role_count; i++) {
        if (!insert_role(tx, join->project_id, join->id, i,
                         &(struct pn_project_role){ .role = join->roles[i] }, err))
            return false;
    }
    return true;
}

struct change {
    const struct pn_call *call;
    enum pn_member_kind kind;
    const char *event;
    struct pn_project_member *members;
    size_t count;
};

static bool record(struct pn_db_conn *tx, const struct change *c, const struct pn_project_member *m,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(16384);
    struct pn_writer w = pn_writer_of(&json);
    const struct pn_project_role *roles = m->roles.items;

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "membershipId", m->id);
    if (c->kind == PN_MEMBER_USERS) {
        pn_write_uuid(&w, "userId", m->userId);
        pn_write_str(&w, "email", m->name);
    } else {
        pn_write_uuid(&w, "identityId", m->identityId);
        pn_write_str(&w, "name", m->name);
    }
    pn_write_array(&w, "roles");
    for (size_t i = 0; i < m->roles.count; i++)
        pn_write_str(&w, NULL, roles[i].role);
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->call->actor.org_id,
                                                    .project_id = m->projectId,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool insert_roles(struct pn_db_conn *tx, const struct pn_project_member *m,
                         struct pn_err *err)
{
    const struct pn_project_role *roles = m->roles.items;

    for (size_t i = 0; i < m->roles.count; i++) {
        if (!insert_role(tx, m->projectId, m->id, i, &roles[i], err))
            return false;
    }
    return true;
}

/* Of the two ids one is zero. */
static struct pn_uuid actor_of(const struct pn_project_member *m)
{
    return pn_uuid_is_zero(m->userId) ? m->identityId : m->userId;
}

/* What all of these writes change is what the members may do, and nobody else. */
static void touch_members(struct pn_db_conn *tx, const struct change *c)
{
    for (size_t i = 0; i < c->count; i++)
        pn_db_touch(tx, actor_of(&c->members[i]));
}

static bool insert_members(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    touch_members(tx, c);
    for (size_t i = 0; i < c->count; i++) {
        const struct pn_project_member *m = &c->members[i];
        const struct pn_project_join join = { .id = m->id,
                                              .project_id = m->projectId,
                                              .user_id = m->userId,
                                              .identity_id = m->identityId };

        if (!insert_member(tx, c->call, &join, err) || !insert_roles(tx, m, err) ||
            !record(tx, c, m, err))
            return false;
    }
    return true;
}

bool pn_project_member_term(const struct pn_call *call, struct pn_str range, int64_t *start_ms,
                            int64_t *end_ms, struct pn_err *err)
{
    int64_t range_ms;

    if (!pn_clock_parse_duration(range, &range_ms) || range_ms <= 0)
        return pn_fail(err, PN_BAD_REQUEST, "temporaryRange must be a duration such as 2h");
    if (*start_ms == 0)
        *start_ms = call->now_ms;
    return !__builtin_add_overflow(*start_ms, range_ms, end_ms) ||
           pn_fail(err, PN_BAD_REQUEST, "temporaryRange is too long");
}

/* Are these roles real, and may the actor hand them out? Fills the times of temporary ones. */
static bool check_roles(struct pn_call *call, struct pn_uuid project, struct pn_project_role *roles,
                        size_t count, struct pn_err *err)
{
    size_t permanent = 0;

    for (size_t i = 0; i < count; i++) {
        if (!pn_permit_grant(call, project, roles[i].role, err))
            return false;
        if (!roles[i].isTemporary) {
            permanent++;
            continue;
        }
        roles[i].temporaryMode = PN_LIT("relative");
        if (!pn_project_member_term(call, roles[i].temporaryRange,
                                    &roles[i].temporaryAccessStartTime,
                                    &roles[i].temporaryAccessEndTime, err))
            return false;
    }
    return permanent > 0 || pn_fail(err, PN_BAD_REQUEST, "At least one role must not be temporary");
}

static struct pn_list copy_roles(struct pn_arena *arena, const struct pn_project_role *roles,
                                 size_t count)
{
    struct pn_project_role *copy = pn_new(arena, struct pn_project_role, count);

    for (size_t i = 0; i < count; i++) {
        copy[i] = roles[i];
        copy[i].id = pn_random_uuid();
    }
    return (struct pn_list){ .items = copy, .count = count };
}

/* The user of that address who belongs to the actor's organisation, or is invited to it. */
static bool find_in_org(struct pn_call *call, struct pn_str email, struct pn_project_member *out,
                        bool *is_there, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT u.id, u.email, u.first_name, u.last_name FROM users u"
        " JOIN org_members o ON o.user_id = u.id AND o.org_id = $org WHERE u.email = $email");
    bool is_found;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$email", email);
    is_found = pn_query_next(q);
    if (is_found) {
        out->userId = pn_column_uuid(q, 0);
        out->name = pn_column_str(q, 1, call->arena);
        out->firstName = pn_column_str(q, 2, call->arena);
        out->lastName = pn_column_str(q, 3, call->arena);
    }
    *is_there = is_found;
    return pn_query_end(q, err);
}

static bool find_org_user(struct pn_call *call, struct pn_str email, struct pn_project_member *out,
                          struct pn_err *err)
{
    bool is_there;

    if (!find_in_org(call, email, out, &is_there, err))
        return false;
    return is_there || pn_fail(err, PN_BAD_REQUEST,
                               "%.*s is not a member of this organization: invite them first",
                               PN_ARG(pn_str_slice(email, 0, 100)));
}

struct held {
    struct pn_uuid project;
    struct pn_str role;
};

static bool list_unclaimed(struct pn_call *call, struct pn_str email, struct pn_list *out,
                           struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct held));
    struct pn_query *q =
        pn_query(call->conn, "SELECT DISTINCT m.project_id, r.role FROM users u"
                             " JOIN project_members m ON m.user_id = u.id"
                             " JOIN projects p ON p.id = m.project_id AND p.org_id = $org"
                             " JOIN project_member_roles r ON r.member_id = m.id"
                             " WHERE u.email = $email AND u.password_hash IS NULL");

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$email", email);
    while (pn_query_next(q))
        *(struct held *)pn_rows_add(&rows) =
            (struct held){ pn_column_uuid(q, 0), pn_column_str(q, 1, call->arena) };
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_project_member_permit_claim(struct pn_call *call, struct pn_str email, struct pn_err *err)
{
    struct pn_err refused = { 0 };
    struct pn_list roles;

    if (!list_unclaimed(call, email, &roles, err))
        return false;
    if (roles.count == 0 ||
        pn_permit_org(call, "organization-admin-console", "access-all-projects", &refused))
        return true;
    for (size_t i = 0; i < roles.count; i++) {
        const struct held *h = (const struct held *)roles.items + i;

        if (pn_permit_grant(call, h->project, h->role, err))
            continue;
        if (err->code != PN_BOUNDARY && err->code != PN_PERMISSION)
            return false;
        return pn_recast(err, PN_BOUNDARY,
                         "%.*s is invited to projects with roles that you may not give",
                         PN_ARG(pn_str_slice(email, 0, 100)));
    }
    return true;
}

/* Of the addresses those that nobody in the organisation has. */
static bool list_strangers(struct pn_call *call, struct pn_strs emails, struct pn_strs *out,
                           struct pn_err *err)
{
    *out = (struct pn_strs){ .items = pn_new(call->arena, struct pn_str, emails.count) };
    for (size_t i = 0; i < emails.count; i++) {
        struct pn_project_member found;
        bool is_there;

        if (!find_in_org(call, emails.items[i], &found, &is_there, err))
            return false;
        if (!is_there && pn_name_is_email(emails.items[i]))
            out->items[out->count++] = emails.items[i];
    }
    return true;
}

/* Who may not invite is told whom they cannot add, as when nobody could be invited. */
static bool invite_strangers(struct pn_call *call, struct pn_strs emails, struct pn_list *out,
                             struct pn_err *err)
{
    struct pn_strs strangers;
    struct pn_err refused = { 0 };

    *out = (struct pn_list){ 0 };
    if (!list_strangers(call, emails, &strangers, err))
        return false;
    if (strangers.count == 0 || strangers.count > PN_ORG_MAX_INVITES ||
        !pn_permit_org(call, "member", "create", &refused))
        return true;
    return pn_org_invite(call, call->actor.org_id, strangers, PN_LIT("no-access"), true, out, err);
}

bool pn_project_member_add_users(struct pn_call *call, struct pn_uuid project,
                                 struct pn_strs emails, struct pn_strs roles, struct pn_list *out,
                                 struct pn_list *invites, struct pn_err *err)
{
    struct pn_project_role *wanted = pn_new(call->arena, struct pn_project_role, roles.count);
    struct change c = { .call = call,
                        .kind = PN_MEMBER_USERS,
                        .event = kinds[PN_MEMBER_USERS].added,
                        .count = emails.count,
                        .members = pn_new(call->arena, struct pn_project_member, emails.count) };

    for (size_t i = 0; i < roles.count; i++)
        wanted[i].role = roles.items[i];
    if (!pn_permit_project(call, project, "member", "create", err) ||
        !check_roles(call, project, wanted, roles.count, err) ||
        !invite_strangers(call, emails, invites, err))
        return false;
    for (size_t i = 0; i < emails.count; i++) {
        struct pn_project_member *m = &c.members[i];

        *m = (struct pn_project_member){ .id = pn_random_uuid(),
                                         .projectId = project,
                                         .createdAt = call->now_ms,
                                         .updatedAt = call->now_ms,
                                         .roles = copy_roles(call->arena, wanted, roles.count) };
        if (!find_org_user(call, emails.items[i], m, err))
            return false;
    }
    *out = (struct pn_list){ .items = c.members, .count = c.count };
    return pn_db_write(call->db, insert_members, &c, err) && read_all_roles(call, out, err);
}

static bool has_text(const struct pn_strs *list, struct pn_str text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (pn_str_eq(list->items[i], text))
            return true;
    }
    return false;
}

bool pn_project_member_add_missing(struct pn_call *call, struct pn_uuid project,
                                   struct pn_strs emails, struct pn_strs roles, struct pn_err *err)
{
    struct pn_strs missing = { .items = pn_new(call->arena, struct pn_str, emails.count) };
    struct pn_list members, invites;

    if (!pn_permit_project(call, project, "member", "create", err))
        return false;
    for (size_t i = 0; i < emails.count; i++) {
        struct pn_project_member there;
        bool is_there;

        if (has_text(&missing, emails.items[i]))
            continue;
        if (!find_user(call, project, emails.items[i], &there, &is_there, err))
            return false;
        if (!is_there)
            missing.items[missing.count++] = emails.items[i];
    }
    return missing.count == 0 ||
           pn_project_member_add_users(call, project, missing, roles, &members, &invites, err);
}

/* Another project's own is nobody's to add. */
static bool find_org_identity(struct pn_call *call, struct pn_uuid id, struct pn_uuid project,
                              struct pn_str *name, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT name FROM identities WHERE id = $id AND org_id = $org"
                             " AND COALESCE(project_id, $project) = $project");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$project", project);
    is_found = pn_query_next(q);
    if (is_found)
        *name = pn_column_str(q, 0, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_NOT_FOUND, "Identity with ID '%s' not found", pn_uuid_format(id).text);
}

bool pn_project_member_available(struct pn_call *call, struct pn_uuid project,
                                 const struct pn_available_page *page, struct pn_list *out,
                                 struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_available));
    struct pn_query *q;

    if (!pn_permit_project(call, project, "identity", "create", err))
        return false;
    q = pn_query(call->conn, "SELECT i.id, i.name FROM identities i WHERE i.org_id = $org"
                             " AND i.project_id IS NULL"
                             " AND lower(i.name) LIKE $like ESCAPE '\\'"
                             " AND NOT EXISTS (SELECT 1 FROM project_members m"
                             " WHERE m.project_id = $project AND m.identity_id = i.id)"
                             " ORDER BY i.name, i.id LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$project", project);
    pn_bind_str(q, "$like", pn_rows_like(call->arena, page->contains));
    pn_bind_int(q, "$limit", page->limit);
    pn_bind_int(q, "$offset", page->offset);
    while (pn_query_next(q))
        *(struct pn_available *)pn_rows_add(&rows) =
            (struct pn_available){ pn_column_uuid(q, 0), pn_column_str(q, 1, call->arena) };
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_project_member_plan(struct pn_call *call, struct pn_uuid project,
                            const struct pn_project_role *roles, size_t role_count,
                            struct pn_project_member *out, struct pn_err *err)
{
    *out = (struct pn_project_member){ .id = pn_random_uuid(),
                                       .projectId = project,
                                       .createdAt = call->now_ms,
                                       .updatedAt = call->now_ms,
                                       .roles = copy_roles(call->arena, roles, role_count) };
    return pn_permit_project(call, project, "identity", "create", err) &&
           check_roles(call, project, out->roles.items, role_count, err);
}

bool pn_project_member_write(struct pn_db_conn *tx, const struct pn_call *call,
                             struct pn_project_member *member, struct pn_err *err)
{
    struct change c = { .call = call,
                        .kind = PN_MEMBER_IDENTITIES,
                        .event = kinds[PN_MEMBER_IDENTITIES].added,
                        .members = member,
                        .count = 1 };

    return insert_members(tx, &c, err);
}

bool pn_project_member_add_identity(struct pn_call *call, struct pn_uuid project,
                                    struct pn_uuid identity, const struct pn_project_role *roles,
                                    size_t role_count, struct pn_project_member *out,
                                    struct pn_err *err)
{
    struct change c = { .call = call,
                        .kind = PN_MEMBER_IDENTITIES,
                        .event = kinds[PN_MEMBER_IDENTITIES].added,
                        .members = out,
                        .count = 1 };

    if (!pn_project_member_plan(call, project, roles, role_count, out, err))
        return false;
    out->identityId = identity;
    return find_org_identity(call, identity, project, &out->name, err) &&
           pn_db_write(call->db, insert_members, &c, err) && read_roles(call, out, err);
}

/* A project without an admin could never be managed again. Runs after the change. */
static bool check_admin_is_left(struct pn_db_conn *tx, struct pn_uuid project, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "SELECT 1 FROM project_members m JOIN project_member_roles r ON r.member_id = m.id"
            " WHERE m.project_id = $project AND r.role = 'admin' AND r.is_temporary = 0 LIMIT 1");
    bool is_left;

    pn_bind_uuid(q, "$project", project);
    is_left = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_left || pn_fail(err, PN_BAD_REQUEST,
                              "The last administrator of a project cannot be removed or demoted");
}

/* Who is demoted keeps no cluster. (A temporary role that runs out ends no session: its own time does.) */
static bool close_sessions(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    return pn_pam_session_close_forbidden(tx, c->call, c->members->projectId, c->members->id,
                                          PN_LIT("No longer allowed to use the project's accounts"),
                                          err);
}

static bool replace_roles(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_project_member *m = c->members;
    struct pn_query *q;

    touch_members(tx, c);
    q = pn_query(tx, "DELETE FROM project_member_roles WHERE member_id = $member");
    pn_bind_uuid(q, "$member", m->id);
    if (!pn_query_run(q, NULL, err) || !insert_roles(tx, m, err) ||
        !check_admin_is_left(tx, m->projectId, err))
        return false;
    q = pn_query(tx, "UPDATE project_members SET updated_ms = $now WHERE id = $id");
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", m->id);
    return pn_query_run(q, NULL, err) && close_sessions(tx, c, err) && record(tx, c, m, err);
}

/* Nobody touches the membership of who may do more than they may themselves. */
static bool check_held_roles(struct pn_call *call, const struct pn_project_member *m,
                             struct pn_err *err)
{
    const struct pn_project_role *roles = m->roles.items;

    for (size_t i = 0; i < m->roles.count; i++) {
        if (!pn_permit_grant(call, m->projectId, roles[i].role, err))
            return false;
    }
    return pn_uuid_is_zero(m->identityId) ||
           pn_privilege_permit_held(call, m->projectId, m->identityId, err);
}

bool pn_project_member_touch(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                             struct pn_uuid id, const char *action, struct pn_project_member *out,
                             struct pn_err *err)
{
    return pn_permit_project(call, project, kinds[kind].subject, action, err) &&
           find_member(call, project, kind, id, out, err) && check_held_roles(call, out, err);
}

bool pn_project_member_set_roles(struct pn_call *call, struct pn_uuid project,
                                 enum pn_member_kind kind, struct pn_uuid id,
                                 const struct pn_project_role *roles, size_t role_count,
                                 struct pn_project_member *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .kind = kind, .event = kinds[kind].changed, .members = out, .count = 1
    };

    if (!pn_project_member_touch(call, project, kind, id, "edit", out, err))
        return false;
    out->roles = copy_roles(call->arena, roles, role_count);
    return check_roles(call, project, out->roles.items, role_count, err) &&
           pn_db_write(call->db, replace_roles, &c, err) && read_roles(call, out, err);
}

static bool delete_members(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    touch_members(tx, c);
    for (size_t i = 0; i < c->count; i++) {
        const struct pn_project_member *m = &c->members[i];
        struct pn_query *q = pn_query(tx, "DELETE FROM project_members WHERE id = $id");

        pn_bind_uuid(q, "$id", m->id);
        if (!pn_query_run(q, NULL, err) ||
            !pn_pam_session_close_owner(tx, c->call, actor_of(m),
                                        PN_LIT("No longer a member of the project"), err) ||
            !record(tx, c, m, err))
            return false;
    }
    return c->count == 0 || check_admin_is_left(tx, c->members->projectId, err);
}

bool pn_project_member_remove(struct pn_call *call, struct pn_uuid project,
                              enum pn_member_kind kind, struct pn_uuid id,
                              struct pn_project_member *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .kind = kind, .event = kinds[kind].removed, .members = out, .count = 1
    };

    if (!pn_project_member_touch(call, project, kind, id, "delete", out, err))
        return false;
    if (!pn_uuid_is_zero(out->identity_project))
        return pn_fail(err, PN_BAD_REQUEST,
                       "This identity belongs to the project: delete it instead");
    return pn_db_write(call->db, delete_members, &c, err);
}

bool pn_project_member_remove_users(struct pn_call *call, struct pn_uuid project,
                                    struct pn_strs emails, struct pn_list *out, struct pn_err *err)
{
    struct change c = { .call = call,
                        .kind = PN_MEMBER_USERS,
                        .event = kinds[PN_MEMBER_USERS].removed,
                        .members = pn_new(call->arena, struct pn_project_member, emails.count),
                        .count = emails.count };

    if (!pn_permit_project(call, project, "member", "delete", err))
        return false;
    for (size_t i = 0; i < emails.count; i++) {
        bool is_found;

        if (!find_user(call, project, emails.items[i], &c.members[i], &is_found, err))
            return false;
        if (!is_found)
            return pn_fail(err, PN_BAD_REQUEST, "%.*s is not a member of this project",
                           PN_ARG(pn_str_slice(emails.items[i], 0, 100)));
        if (!check_held_roles(call, &c.members[i], err))
            return false;
    }
    *out = (struct pn_list){ .items = c.members, .count = c.count };
    return pn_db_write(call->db, delete_members, &c, err);
}

static bool check_project(struct pn_call *call, struct pn_uuid project, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT 1 FROM projects WHERE id = $id AND org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", project);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Project with ID '%s' not found",
                               pn_uuid_format(project).text);
}

/* A membership that is there keeps its identity and loses its roles. */
static bool take_project(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "DELETE FROM project_members WHERE project_id = $project AND user_id = $user");

    pn_bind_uuid(q, "$project", c->members->projectId);
    pn_bind_uuid(q, "$user", c->members->userId);
    return pn_query_run(q, NULL, err) && insert_members(tx, context, err);
}

bool pn_project_member_take(struct pn_call *call, struct pn_uuid project,
                            struct pn_project_member *out, struct pn_err *err)
{
    const struct pn_project_role admin = { .role = PN_LIT("admin") };
    struct change c = { .call = call,
                        .kind = PN_MEMBER_USERS,
                        .event = "org-admin-accessed-project",
                        .members = out,
                        .count = 1 };
    bool is_found;

    if (!pn_permit_org(call, "organization-admin-console", "access-all-projects", err) ||
        !check_project(call, project, err) ||
        !find_user(call, project, call->actor.name, out, &is_found, err))
        return false;
    if (!is_found)
        *out = (struct pn_project_member){ .id = pn_random_uuid(),
                                           .projectId = project,
                                           .createdAt = call->now_ms };
    out->updatedAt = call->now_ms;
    out->roles = copy_roles(call->arena, &admin, 1);
    return find_org_user(call, call->actor.name, out, err) &&
           pn_db_write(call->db, take_project, &c, err) && read_roles(call, out, err);
}
