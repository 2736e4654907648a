/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity/identity.h"

#include "core/audit/audit.h"
#include "core/auth/method.h"
#include "core/identity/boundary.h"
#include "core/org/permission.h"
#include "core/org/project_member.h"
#include "core/org/role.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "db/db.h"
#include "json/writer.h"

#define MAX_METADATA_BYTES ((size_t)512 << 10)
#define MAX_METHODS 16
#define SEPARATOR "\n" /* of texts in a list that SQL looks into */

#define COLUMNS                                                                                \
    "SELECT i.id, i.org_id, i.name, i.role, i.is_instance_admin, i.has_delete_protection,"     \
    " i.created_ms, i.updated_ms, r.id, r.name, r.description, r.rules, l.method, l.last_ms, " \
    "i.project_id"                                                                             \
    " FROM identities i LEFT JOIN roles r ON r.scope_id = i.org_id AND r.slug = i.role"        \
    " LEFT JOIN identity_logins l ON l.identity_id = i.id"

static struct pn_identity read_identity(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_identity){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .role = pn_column_str(q, 3, arena),
        .isInstanceAdmin = pn_column_int(q, 4) != 0,
        .hasDeleteProtection = pn_column_int(q, 5) != 0,
        .createdAt = pn_column_int(q, 6),
        .updatedAt = pn_column_int(q, 7),
        .roleId = pn_column_uuid(q, 8),
        .role_name = pn_column_str(q, 9, arena),
        .role_description = pn_column_str(q, 10, arena),
        .role_rules = pn_column_str(q, 11, arena),
        .lastLoginAuthMethod = pn_column_str(q, 12, arena),
        .lastLoginTime = pn_column_int(q, 13),
        .projectId = pn_column_uuid(q, 14),
    };
}

/* A change of one identity: what the write functions share. */
struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_identity *identity;
    bool has_metadata;
    struct pn_project_member *member; /* NULL: of no project yet */
    const struct pn_identity_in *in;  /* of a change: the rest stays */
    struct pn_str role;               /* that it had when the boundary was asked */
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_METADATA_BYTES);
    const struct pn_identity_metadata *items = c->identity->metadata.items;
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityId", c->identity->id);
    pn_write_str(&w, "name", c->identity->name);
    pn_write_str(&w, "role", c->identity->role);
    pn_write_bool(&w, "hasDeleteProtection", c->identity->hasDeleteProtection);
    if (c->has_metadata) {
        pn_write_array(&w, "metadata");
        for (size_t i = 0; i < c->identity->metadata.count; i++) {
            pn_write_object(&w, NULL);
            pn_write_str(&w, "key", items[i].key);
            pn_write_str(&w, "value", items[i].value);
            pn_write_end(&w);
        }
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_assert(!json.is_full);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->identity->orgId,
                                                    .project_id = c->identity->projectId,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool replace_metadata(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_identity_metadata *items = c->identity->metadata.items;
    struct pn_query *q;

    q = pn_query(tx, "DELETE FROM identity_metadata WHERE identity_id = $identity");
    pn_bind_uuid(q, "$identity", c->identity->id);
    if (!pn_query_run(q, NULL, err))
        return false;
    for (size_t i = 0; i < c->identity->metadata.count; i++) {
        q = pn_query(tx, "INSERT INTO identity_metadata (id, identity_id, position, key, value)"
                         " VALUES ($id, $identity, $position, $key, $value)");
        pn_bind_uuid(q, "$id", items[i].id);
        pn_bind_uuid(q, "$identity", c->identity->id);
        pn_bind_int(q, "$position", (int64_t)i);
        pn_bind_str(q, "$key", items[i].key);
        pn_bind_str(q, "$value", items[i].value);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

/* The request's metadata, each with an id of its own. */
static struct pn_list number_metadata(struct pn_arena *arena, struct pn_list from)
{
    struct pn_identity_metadata *items = pn_new(arena, struct pn_identity_metadata, from.count);
    const struct pn_identity_metadata *wanted = from.items;

    for (size_t i = 0; i < from.count; i++) {
        items[i] = wanted[i];
        items[i].id = pn_random_uuid();
    }
    return (struct pn_list){ .items = items, .count = from.count };
}

/* ---- making and changing ---- */

static bool insert_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!pn_role_require(tx, "org", c->identity->orgId, c->identity->role, err))
        return false;
    q = pn_query(tx, "INSERT INTO identities (id, org_id, project_id, name, role,"
                     " is_instance_admin, has_delete_protection, created_ms, updated_ms)"
                     " VALUES ($id, $org, $project, $name, $role, 0, $protected, $now, $now)");

    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    pn_bind_uuid(q, "$project", c->identity->projectId);
    pn_bind_str(q, "$name", c->identity->name);
    pn_bind_str(q, "$role", c->identity->role);
    pn_bind_int(q, "$protected", c->identity->hasDeleteProtection);
    pn_bind_int(q, "$now", c->identity->createdAt);
    if (!pn_query_run(q, NULL, err))
        return false;
    return (!c->has_metadata || replace_metadata(tx, c, err)) && record(tx, c, err) &&
           (c->member == NULL || pn_project_member_write(tx, c->call, c->member, err));
}

static struct pn_identity new_identity(const struct pn_call *call, const struct pn_identity_in *in,
                                       struct pn_uuid project, struct pn_str role)
{
    return (struct pn_identity){ .id = pn_random_uuid(),
                                 .orgId = call->actor.org_id,
                                 .projectId = project,
                                 .name = in->name,
                                 .role = role,
                                 .hasDeleteProtection = in->hasDeleteProtection,
                                 .metadata = number_metadata(call->arena, in->metadata),
                                 .createdAt = call->now_ms,
                                 .updatedAt = call->now_ms };
}

bool pn_identity_make(struct pn_call *call, const struct pn_identity_in *in,
                      struct pn_identity *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .event = "create-identity", .identity = out, .has_metadata = in->has_metadata
    };
    struct pn_str role = in->role.ptr != NULL ? in->role : PN_LIT("no-access");

    if (!pn_permit_org(call, "identity", "create", err) || !pn_permit_grant_org(call, role, err))
        return false;
    *out = new_identity(call, in, (struct pn_uuid){ 0 }, role);
    return pn_db_write(call->db, insert_identity, &c, err);
}

bool pn_identity_make_in(struct pn_call *call, struct pn_uuid project,
                         const struct pn_identity_in *in, const struct pn_project_role *roles,
                         size_t role_count, struct pn_identity *out, struct pn_err *err)
{
    const struct pn_project_role none = { .role = PN_LIT("no-access") };
    struct pn_project_member member = { 0 };
    struct change c = { .call = call,
                        .event = "create-identity",
                        .identity = out,
                        .has_metadata = in->has_metadata,
                        .member = &member };

    *out = new_identity(call, in, project, PN_LIT("no-access"));
    if (!pn_project_member_plan(call, project, role_count > 0 ? roles : &none,
                                role_count > 0 ? role_count : 1, &member, err))
        return false;
    member.identityId = out->id;
    member.name = out->name;
    return pn_db_write(call->db, insert_identity, &c, err);
}

#define MISSING "Failed to find identity with ID %s"

static bool look_up(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                    bool *is_found, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS " WHERE i.id = $id AND i.org_id = $org");

    *out = (struct pn_identity){ 0 };
    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    *is_found = pn_query_next(q);
    if (*is_found)
        *out = read_identity(q, call->arena);
    return pn_query_end(q, err);
}

bool pn_identity_find(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                      struct pn_err *err)
{
    bool is_found;

    return look_up(call, id, out, &is_found, err) &&
           (is_found || pn_fail(err, PN_NOT_FOUND, MISSING, pn_uuid_format(id).text));
}

/* False without an error: it is as if it were not there. */
static bool permit_in_project(struct pn_call *call, const struct pn_identity *identity,
                              const char *action, struct pn_err *err)
{
    struct pn_err unseen = { 0 };

    if (pn_permit_project(call, identity->projectId, "identity", action, err))
        return true;
    if (err->code == PN_PERMISSION &&
        !pn_permit_project(call, identity->projectId, "identity", "read", &unseen))
        pn_err_clear(err);
    return false;
}

bool pn_identity_permit(struct pn_call *call, struct pn_uuid id, const char *action,
                        struct pn_identity *out, struct pn_err *err)
{
    bool is_found;

    if (!look_up(call, id, out, &is_found, err))
        return false;
    if (!pn_uuid_is_zero(out->projectId)) {
        if (permit_in_project(call, out, action, err))
            return true;
        if (err->code != PN_OK)
            return false;
        is_found = false;
    }
    return pn_permit_org(call, "identity", action, err) &&
           (is_found || pn_fail(err, PN_NOT_FOUND, MISSING, pn_uuid_format(id).text));
}

bool pn_identity_permit_in(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           const char *action, struct pn_identity *out, struct pn_err *err)
{
    return pn_permit_project(call, project, "identity", action, err) &&
           pn_identity_find(call, id, out, err) &&
           (pn_uuid_eq(out->projectId, project) ||
            pn_fail(err, PN_NOT_FOUND, MISSING, pn_uuid_format(id).text));
}

/* Who may not grant what it has may not take it over by a change either, nor its protection from it. */
static bool may_touch(struct pn_call *call, const struct pn_identity *identity, struct pn_err *err)
{
    return pn_permit_grant_org(call, identity->role, err) &&
           pn_identity_boundary(call, identity, "grant-privileges", err);
}

/* As it is now. With another role than the boundary was asked about it is somebody else's to touch. */
static bool read_again(struct pn_db_conn *tx, const struct change *c, struct pn_identity *out,
                       struct pn_err *err)
{
    struct pn_call now = pn_call_within(c->call, tx);

    return pn_identity_find(&now, c->identity->id, out, err) &&
           (pn_str_eq(out->role, c->role) ||
            pn_fail(err, PN_CONFLICT, "Somebody else has just changed this identity"));
}

/* What is not given stays as it is now, not as the caller saw it. */
static bool merge(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_identity_in *in = c->in;
    struct pn_identity now;

    if (!read_again(tx, c, &now, err))
        return false;
    c->identity->name = in->name.ptr != NULL ? in->name : now.name;
    c->identity->role = in->role.ptr != NULL ? in->role : now.role;
    c->identity->hasDeleteProtection =
        in->has_protection ? in->hasDeleteProtection : now.hasDeleteProtection;
    return true;
}

static bool update_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!merge(tx, c, err) ||
        !pn_role_require(tx, "org", c->identity->orgId, c->identity->role, err))
        return false;
    q = pn_query(tx, "UPDATE identities SET name = $name, role = $role,"
                     " has_delete_protection = $protected, updated_ms = $now"
                     " WHERE id = $id AND org_id = $org");

    pn_db_touch(tx, c->identity->id);
    pn_bind_str(q, "$name", c->identity->name);
    pn_bind_str(q, "$role", c->identity->role);
    pn_bind_int(q, "$protected", c->identity->hasDeleteProtection);
    pn_bind_int(q, "$now", c->identity->updatedAt);
    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    if (!pn_query_run(q, NULL, err))
        return false;
    return (!c->has_metadata || replace_metadata(tx, c, err)) && record(tx, c, err);
}

bool pn_identity_edit(struct pn_call *call, struct pn_uuid id, const struct pn_identity_in *in,
                      struct pn_identity *out, struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = "update-identity",
                        .identity = out,
                        .has_metadata = in->has_metadata,
                        .in = in };

    if (!pn_identity_permit(call, id, "edit", out, err) || !may_touch(call, out, err))
        return false;
    if (in->role.ptr != NULL && !pn_uuid_is_zero(out->projectId))
        return pn_fail(err, PN_BAD_REQUEST,
                       "An identity of a project has no role in the organization");
    if (in->role.ptr != NULL && !pn_permit_grant_org(call, in->role, err))
        return false;
    c.role = out->role;
    out->metadata = number_metadata(call->arena, in->metadata);
    out->updatedAt = call->now_ms;
    return pn_auth_method_list(call->conn, call->arena, id, &out->authMethods, err) &&
           pn_db_write(call->db, update_identity, &c, err);
}

/* ---- reading ---- */

static bool read_metadata(struct pn_call *call, struct pn_identity *identity, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_identity_metadata));
    struct pn_query *q =
        pn_query(call->conn, "SELECT id, key, value FROM identity_metadata"
                             " WHERE identity_id = $identity ORDER BY position LIMIT $most");

    pn_bind_uuid(q, "$identity", identity->id);
    pn_bind_int(q, "$most", PN_IDENTITY_MAX_METADATA);
    while (pn_query_next(q))
        *(struct pn_identity_metadata *)pn_rows_add(&rows) =
            (struct pn_identity_metadata){ .id = pn_column_uuid(q, 0),
                                           .key = pn_column_str(q, 1, call->arena),
                                           .value = pn_column_str(q, 2, call->arena) };
    identity->metadata = rows.list;
    return pn_query_end(q, err);
}

static bool read_lockouts(struct pn_call *call, struct pn_identity *identity, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_str));
    struct pn_query *q =
        pn_query(call->conn, "SELECT DISTINCT a.method FROM identity_auths a JOIN auth_lockouts k"
                             " ON k.auth_id = a.id WHERE a.identity_id = $identity"
                             " AND k.locked_until_ms > $now ORDER BY a.method LIMIT $most");

    pn_bind_uuid(q, "$identity", identity->id);
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_int(q, "$most", MAX_METHODS);
    while (pn_query_next(q))
        *(struct pn_str *)pn_rows_add(&rows) = pn_column_str(q, 0, call->arena);
    identity->activeLockoutAuthMethods =
        (struct pn_strs){ .items = rows.list.items, .count = rows.list.count };
    return pn_query_end(q, err);
}

static bool describe(struct pn_call *call, struct pn_identity *identity, struct pn_err *err)
{
    return read_metadata(call, identity, err) && read_lockouts(call, identity, err) &&
           pn_auth_method_list(call->conn, call->arena, identity->id, &identity->authMethods, err);
}

/* ---- deleting ---- */

/* Its sessions end while they can still be told from others: their rows forget a deleted owner. */
static bool leave_projects(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM project_members WHERE identity_id = $id");

    pn_bind_uuid(q, "$id", c->identity->id);
    return pn_query_run(q, NULL, err) &&
           pn_pam_session_close_owner(tx, c->call, c->identity->id,
                                      PN_LIT("The machine identity was deleted"), err);
}

static bool delete_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_identity now;
    struct pn_query *q;

    if (!read_again(tx, c, &now, err))
        return false;
    if (now.hasDeleteProtection)
        return pn_fail(err, PN_BAD_REQUEST, "Identity has delete protection");
    if (!leave_projects(tx, c, err))
        return false;
    q = pn_query(tx, "DELETE FROM identities WHERE id = $id AND org_id = $org");
    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_identity_delete(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                        struct pn_err *err)
{
    struct change c = { .call = call, .event = "delete-identity", .identity = out };

    if (!pn_identity_permit(call, id, "delete", out, err) || !may_touch(call, out, err))
        return false;
    c.role = out->role;
    return describe(call, out, err) && pn_db_write(call->db, delete_identity, &c, err);
}

bool pn_identity_get(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                     struct pn_err *err)
{
    return pn_identity_permit(call, id, "read", out, err) && describe(call, out, err);
}

/* ---- lists ---- */

#define WHERE                                                                            \
    " WHERE i.org_id = $org AND COALESCE(i.project_id, $org) = COALESCE($project, $org)" \
    " AND lower(i.name) LIKE $like ESCAPE '\\'"                                          \
    " AND ($name IS NULL OR i.name = $name) AND ($role IS NULL OR i.role = $role)"       \
    " AND ($names IS NULL OR replace($names, '" SEPARATOR "' || i.name || '" SEPARATOR   \
    "', '') <> $names)"                                                                  \
    " AND ($roles IS NULL OR replace($roles, '" SEPARATOR "' || i.role || '" SEPARATOR   \
    "', '') <> $roles)"
#define WINDOW " LIMIT $limit OFFSET $offset"

static const char *const list_sql[] = {
    [PN_IDENTITY_BY_NAME] = COLUMNS WHERE " ORDER BY i.name, i.id" WINDOW,
    [PN_IDENTITY_BY_NAME_DOWN] = COLUMNS WHERE " ORDER BY i.name DESC, i.id" WINDOW,
    [PN_IDENTITY_BY_ROLE] = COLUMNS WHERE " ORDER BY i.role, i.name, i.id" WINDOW,
    [PN_IDENTITY_BY_ROLE_DOWN] = COLUMNS WHERE " ORDER BY i.role DESC, i.name, i.id" WINDOW,
};

/* Each text between separators, so that one is found whole or not at all. */
static struct pn_str join(struct pn_arena *arena, struct pn_strs texts)
{
    struct pn_str all = PN_NONE;

    for (size_t i = 0; i < texts.count; i++)
        all = pn_arena_printf(arena, "%.*s" SEPARATOR "%.*s" SEPARATOR, PN_ARG(all),
                              PN_ARG(texts.items[i]));
    return all;
}

static void bind_search(struct pn_call *call, struct pn_query *q,
                        const struct pn_identity_search *s)
{
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$project", s->project);
    pn_bind_str(q, "$like", pn_pam_like(call->arena, s->contains));
    pn_bind_str(q, "$name", s->name);
    pn_bind_str(q, "$role", s->role);
    pn_bind_str(q, "$names", join(call->arena, s->names));
    pn_bind_str(q, "$roles", join(call->arena, s->roles));
}

static bool count(struct pn_call *call, const struct pn_identity_search *s, int64_t *total,
                  struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT count(*) FROM identities i" WHERE);

    bind_search(call, q, s);
    if (pn_query_next(q))
        *total = pn_column_int(q, 0);
    return pn_query_end(q, err);
}

bool pn_identity_list(struct pn_call *call, const struct pn_identity_search *search,
                      struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_identity));
    struct pn_query *q;

    if (!(pn_uuid_is_zero(search->project)
              ? pn_permit_org(call, "identity", "read", err)
              : pn_permit_project(call, search->project, "identity", "read", err)) ||
        !count(call, search, total, err))
        return false;
    q = pn_query(call->conn, list_sql[search->order]);
    bind_search(call, q, search);
    pn_bind_int(q, "$limit", search->limit);
    pn_bind_int(q, "$offset", search->offset);
    while (pn_query_next(q))
        *(struct pn_identity *)pn_rows_add(&rows) = read_identity(q, call->arena);
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        if (!describe(call, (struct pn_identity *)out->items + i, err))
            return false;
    }
    return true;
}
