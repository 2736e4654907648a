/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/ability.h"

#include "base/reader.h"
#include "core/org/builtin.h"
#include "db/cache.h"

#include <string.h>

/*
 * Which roles an actor has in a project. Built-in ones are in memory (builtin.c), those of custom roles packed
 * in the row of the role. All of it is remembered as the rows said it, so that a warm check costs neither a
 * statement nor parsing; README.md says why a right that was taken away is gone with the next request.
 */

/* A role that holds now, with its rules when it is a custom one; or a privilege, which has rules and an id alone. */
struct held {
    struct pn_str slug, packed;
    struct pn_uuid privilege; /* zero: a role */
};

/* What is gathered from rows, and for how long it holds: roles come and go at times of their own. */
struct gathered {
    struct pn_ability *ability;
    struct pn_buf
        *entry; /* for the cache: of each u16 slug, its privilege's id, u32 packed rules */
    int64_t until_ms;
};

/* As the client sent them: what no packed form of this version is there for. A service token's are its own. */
static bool parse_rules(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                        struct pn_str slug, struct pn_rules *out, struct pn_err *err)
{
    struct pn_str json = PN_LIT("[]");
    struct pn_query *q;

    if (call->actor.kind == PN_ACTOR_SERVICE) {
        q = pn_query(call->conn, "SELECT rules FROM service_tokens WHERE id = $actor");
        pn_bind_uuid(q, "$actor", call->actor.id);
    } else {
        q = pn_query(call->conn,
                     "SELECT rules FROM roles WHERE scope_id = $scope AND slug = $slug");
        pn_bind_uuid(q, "$scope", scope_id);
        pn_bind_str(q, "$slug", slug);
    }
    if (pn_query_next(q))
        json = pn_column_str(q, 0, call->arena);
    return pn_query_end(q, err) && pn_rules_parse(call->arena, scope, json, out, err);
}

bool pn_ability_rules(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                      struct pn_str slug, struct pn_str packed, struct pn_rules *out,
                      struct pn_err *err)
{
    struct pn_err ignored = { 0 };

    return pn_rules_unpack(call->arena, packed, out, &ignored) ||
           parse_rules(call, scope, scope_id, slug, out, err);
}

static bool privilege_rules(const struct pn_call *call, const struct held *held,
                            struct pn_rules *out, struct pn_err *err)
{
    struct pn_err ignored = { 0 };
    struct pn_str json = PN_LIT("[]");
    struct pn_query *q;

    if (pn_rules_unpack(call->arena, held->packed, out, &ignored))
        return true;
    q = pn_query(call->conn, "SELECT rules FROM project_privileges WHERE id = $id");
    pn_bind_uuid(q, "$id", held->privilege);
    if (pn_query_next(q))
        json = pn_column_str(q, 0, call->arena);
    return pn_query_end(q, err) && pn_rules_parse(call->arena, "project", json, out, err);
}

/* A role that is gone allows nothing. */
static bool add_role(struct pn_call *call, struct pn_uuid project_id, struct pn_ability *a,
                     const struct held *held, struct pn_err *err)
{
    bool is_role = pn_uuid_is_zero(held->privilege);
    const struct pn_builtin *builtin = is_role ? pn_builtin_find("project", held->slug) : NULL;
    struct pn_rules *rules;

    if (a->count == PN_PERMIT_MAX_ROLES)
        return true;
    if (builtin != NULL) {
        a->roles[a->count++] = &builtin->rules;
        return true;
    }
    if (held->packed.ptr == NULL)
        return true;
    rules = pn_new(call->arena, struct pn_rules, 1);
    a->roles[a->count++] = rules;
    return is_role
               ? pn_ability_rules(call, "project", project_id, held->slug, held->packed, rules, err)
               : privilege_rules(call, held, rules, err);
}

static struct pn_ability *ability_new(struct pn_call *call)
{
    struct pn_ability *a = pn_new(call->arena, struct pn_ability, 1);

    a->is_platform = call->actor.kind == PN_ACTOR_PLATFORM;
    a->roles = pn_new(call->arena, const struct pn_rules *, PN_PERMIT_MAX_ROLES);
    return a;
}

/* ---- remembered ---- */

/* The key: a mark that no other kind of entry begins with, and whose roles where. The organisation is the project's. */
struct key {
    char mark[2];
    struct pn_uuid actor, org, project;
};

static struct pn_str make_key(const struct pn_call *call, struct pn_uuid project_id,
                              struct key *out)
{
    *out = (struct key){
        .mark = "r:", .actor = call->actor.id, .org = call->actor.org_id, .project = project_id
    };
    return pn_str_of(out, sizeof(*out));
}

static void keep_role(struct gathered *g, const struct held *held)
{
    pn_buf_add_be(g->entry, held->slug.len, 2);
    pn_buf_add(g->entry, held->slug);
    pn_buf_add(g->entry, pn_str_of(held->privilege.bytes, sizeof(held->privilege.bytes)));
    pn_buf_add_be(g->entry, held->packed.len, 4);
    pn_buf_add(g->entry, held->packed);
}

/*
 * A pattern costs its length times that of what it is matched with: who makes rules could hold up a loop, and all who
 * are served by it, for a tenth of a second with each read. Rules of more bytes than these are for workers to ask.
 */
#define MAX_LOOP_BYTES ((size_t)1024)

/* NULL: not remembered, not any more, or not for here. */
static struct pn_ability *find_remembered(struct pn_call *call, struct pn_uuid project_id)
{
    struct pn_ability *a = ability_new(call);
    struct pn_err ignored = { 0 };
    struct pn_reader r;
    struct pn_str bytes;
    struct key key;

    if (call->cache == NULL || a->is_platform ||
        !pn_cache_get(call->cache, make_key(call, project_id, &key), call->now_ms, call->arena,
                      &bytes) ||
        (bytes.len > MAX_LOOP_BYTES && !pn_db_may_wait(call->conn, &ignored)))
        return NULL;
    r = pn_reader_of(bytes);
    while (r.rest.len > 0) {
        struct pn_err err = { 0 };
        struct held held = { .slug = pn_read_str(&r, pn_read_u16(&r)) };
        struct pn_str privilege = pn_read_str(&r, sizeof(held.privilege.bytes));
        size_t packed_len = pn_read_u32(&r);

        if (packed_len > 0)
            held.packed = pn_read_str(&r, packed_len);
        pn_assert(!r.is_short);
        memcpy(held.privilege.bytes, privilege.ptr, privilege.len);
        if (!add_role(call, project_id, a, &held, &err))
            return NULL;
    }
    return a;
}

/* ---- from the rows ---- */

/*
 * Ids of users and identities never meet, so one statement serves both. After its roles, what an identity may do beside
 * them: of all rules the last that speaks decides. In one statement, for all of them are of one moment.
 */
static const char ability_sql[] =
    "SELECT m.id, r.role, c.packed, r.is_temporary, r.starts_ms, r.ends_ms, NULL, 0 AS part,"
    " r.position AS place, r.id AS tie FROM projects p"
    " LEFT JOIN project_members m ON m.project_id = p.id AND (m.user_id = $actor OR m.identity_id "
    "= $actor)"
    " LEFT JOIN project_member_roles r ON r.member_id = m.id"
    " AND (r.is_temporary = 0 OR $now < r.ends_ms)"
    " LEFT JOIN roles c ON c.scope_id = p.id AND c.slug = r.role"
    " WHERE p.id = $project AND p.org_id = $org UNION ALL"
    " SELECT m.id, '', v.packed, v.is_temporary, v.starts_ms, v.ends_ms, v.id, 1, v.created_ms,"
    " v.id FROM project_members m JOIN projects p ON p.id = m.project_id AND p.org_id = $org"
    " JOIN project_privileges v ON v.member_id = m.id AND (v.is_temporary = 0 OR $now < v.ends_ms)"
    " WHERE m.project_id = $project AND m.identity_id = $actor ORDER BY part, place, tie";

/* A service token is a member of its project with one role, which has no name. */
static const char token_sql[] =
    "SELECT t.id, CASE WHEN t.id IS NULL THEN NULL ELSE '' END, t.packed, 0, 0, 0, NULL"
    " FROM projects p LEFT JOIN service_tokens t ON t.project_id = p.id AND t.id = $actor"
    " WHERE p.id = $project AND p.org_id = $org";

/* Whether the row's role holds now; when that changes, what is remembered has its end. */
static bool holds_now(struct pn_query *q, const struct pn_call *call, struct gathered *g)
{
    int64_t starts_ms, change_ms;

    if (pn_column_int(q, 3) == 0)
        return true;
    starts_ms = pn_column_int(q, 4);
    change_ms = call->now_ms < starts_ms ? starts_ms : pn_column_int(q, 5);
    if (change_ms < g->until_ms)
        g->until_ms = change_ms;
    return starts_ms <= call->now_ms;
}

static bool gather_role(struct pn_call *call, struct pn_uuid project_id, struct pn_query *q,
                        struct gathered *g, struct pn_err *err)
{
    struct held held;

    if (pn_column_is_null(q, 1) || !holds_now(q, call, g))
        return true;
    held = (struct held){ .slug = pn_column_str(q, 1, call->arena),
                          .packed = pn_column_bytes(q, 2, call->arena),
                          .privilege = pn_column_uuid(q, 6) };
    keep_role(g, &held);
    return add_role(call, project_id, g->ability, &held, err);
}

static bool gather(struct pn_call *call, struct pn_uuid project_id, struct gathered *g,
                   struct pn_err *err)
{
    bool is_token = call->actor.kind == PN_ACTOR_SERVICE;
    struct pn_query *q = pn_query(call->conn, is_token ? token_sql : ability_sql);
    bool has_project = false, is_member = false, is_read = true;

    pn_bind_uuid(q, "$actor", call->actor.id);
    pn_bind_uuid(q, "$project", project_id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    if (!is_token)
        pn_bind_int(q, "$now", call->now_ms);
    while (is_read && pn_query_next(q)) {
        has_project = true;
        is_member = is_member || !pn_column_is_null(q, 0);
        is_read = gather_role(call, project_id, q, g, err);
    }
    if (!pn_query_end(q, is_read ? err : &(struct pn_err){ 0 }) || !is_read)
        return false;
    if (!has_project)
        return pn_fail(err, PN_NOT_FOUND, "Project with ID '%s' not found",
                       pn_uuid_format(project_id).text);
    if (!is_member && !g->ability->is_platform)
        return pn_fail(err, PN_PERMISSION,
                       is_token ? "This service token is not of this project"
                                : "You are not a member of this project");
    return true;
}

static void remember(struct pn_call *call, struct pn_uuid project_id, uint64_t version,
                     const struct gathered *g)
{
    struct key key;

    if (call->cache != NULL && !g->entry->is_full && !g->ability->is_platform)
        pn_cache_put(call->cache, make_key(call, project_id, &key),
                     &(struct pn_cache_entry){ .id = call->actor.id,
                                               .version = version,
                                               .from_ms = call->now_ms,
                                               .until_ms = g->until_ms,
                                               .bytes = pn_buf_str(g->entry) });
}

static bool read_ability(struct pn_call *call, struct pn_uuid project_id,
                         struct pn_ability *ability, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf entry = pn_buf_init(PN_CACHE_MAX_ENTRY);
    struct gathered g = { .ability = ability, .entry = &entry, .until_ms = INT64_MAX };
    uint64_t version = PN_CACHE_NEVER;

    if (call->cache != NULL)
        version = pn_cache_begin(call->cache, call->conn, call->actor.id);
    if (!gather(call, project_id, &g, err))
        return false;
    remember(call, project_id, version, &g);
    return true;
}

bool pn_ability_load(struct pn_call *call, struct pn_uuid project_id, const struct pn_ability **out,
                     struct pn_err *err)
{
    struct pn_ability *ability = find_remembered(call, project_id);

    if (ability == NULL) {
        ability = ability_new(call);
        if (!read_ability(call, project_id, ability, err))
            return false;
    }
    *out = ability;
    return true;
}
