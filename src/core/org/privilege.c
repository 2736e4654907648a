/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/privilege.h"

#include "core/org/names.h"
#include "core/org/project_member.h"
#include "core/org/rules.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/random.h"

#define COLUMNS                                                                               \
    "SELECT v.id, v.member_id, m.identity_id, m.project_id, v.slug, v.rules, v.is_temporary," \
    " v.temporary_range, v.starts_ms, v.ends_ms, v.created_ms, v.updated_ms, v.version"       \
    " FROM project_privileges v JOIN project_members m ON m.id = v.member_id"                 \
    " JOIN projects p ON p.id = m.project_id AND p.org_id = $org"
#define MISSING_ID "No privilege has the ID '%s'"

/* ---- reading ---- */

static struct pn_privilege read_privilege(struct pn_query *q, struct pn_arena *arena)
{
    bool is_temporary = pn_column_int(q, 6) != 0;

    return (struct pn_privilege){
        .id = pn_column_uuid(q, 0),
        .projectMembershipId = pn_column_uuid(q, 1),
        .identityId = pn_column_uuid(q, 2),
        .projectId = pn_column_uuid(q, 3),
        .slug = pn_column_str(q, 4, arena),
        .permissions = pn_column_str(q, 5, arena),
        .isTemporary = is_temporary,
        .temporaryMode = is_temporary ? PN_LIT("relative") : PN_NONE,
        .temporaryRange = pn_column_str(q, 7, arena),
        .temporaryAccessStartTime = pn_column_int(q, 8),
        .temporaryAccessEndTime = pn_column_int(q, 9),
        .createdAt = pn_column_int(q, 10),
        .updatedAt = pn_column_int(q, 11),
        .version = pn_column_int(q, 12),
    };
}

/* Of one identity in one project; `slug` absent: all. */
static bool read_all(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                     struct pn_str slug, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_privilege));
    struct pn_query *q =
        pn_query(call->conn, COLUMNS " WHERE m.project_id = $project AND m.identity_id = $identity"
                                     " AND ($slug IS NULL OR v.slug = $slug)"
                                     " ORDER BY v.created_ms, v.id LIMIT $most");

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$project", project);
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_str(q, "$slug", slug);
    pn_bind_int(q, "$most", PN_PRIVILEGE_MAX);
    while (pn_query_next(q))
        *(struct pn_privilege *)pn_rows_add(&rows) = read_privilege(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

/* A membership that is not there has no privileges, and says so. `identity` may be the membership's id too. */
static bool read_member(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                        struct pn_str slug, struct pn_list *out, struct pn_err *err)
{
    struct pn_project_member member;

    return pn_project_member_get(call, project, PN_MEMBER_IDENTITIES, identity, &member, err) &&
           read_all(call, project, member.identityId, slug, out, err);
}

bool pn_privilege_list(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                       struct pn_list *out, struct pn_err *err)
{
    return read_member(call, project, identity, PN_NONE, out, err);
}

bool pn_privilege_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                              struct pn_str slug, struct pn_privilege *out, struct pn_err *err)
{
    struct pn_list found;

    if (!read_member(call, project, identity, slug, &found, err))
        return false;
    if (found.count == 0)
        return pn_fail(err, PN_NOT_FOUND, "The identity has no privilege '%.*s' in this project",
                       PN_ARG(pn_str_slice(slug, 0, 64)));
    *out = *(const struct pn_privilege *)found.items;
    return true;
}

static bool find(struct pn_call *call, struct pn_uuid id, struct pn_privilege *out,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS " WHERE v.id = $id");
    bool is_found;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_privilege(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, MISSING_ID, pn_uuid_format(id).text);
}

bool pn_privilege_get(struct pn_call *call, struct pn_uuid id, struct pn_privilege *out,
                      struct pn_err *err)
{
    if (!find(call, id, out, err))
        return false;
    return pn_permit_project(call, out->projectId, "identity", "read", err) ||
           pn_permit_hide(err, MISSING_ID, pn_uuid_format(id).text);
}

/* ---- the boundary ---- */

/* What it allows and what it forbids is for who may do both. */
static bool permit_rules(struct pn_call *call, const struct pn_privilege *p, const char *what,
                         struct pn_rules *rules, struct pn_err *err)
{
    return pn_rules_parse(call->arena, "project", p->permissions, rules, err) &&
           pn_permit_rules(call, p->projectId, rules, what, p->slug, err) &&
           pn_permit_release(call, p->projectId, rules, what, p->slug, err);
}

static const char held_sql[] =
    COLUMNS " WHERE m.identity_id = $identity AND ($project IS NULL OR m.project_id = $project)"
            " AND (v.is_temporary = 0 OR $now < v.ends_ms) ORDER BY v.id";

bool pn_privilege_permit_held(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                              struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_privilege));
    struct pn_query *q = pn_query(call->conn, held_sql);

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_uuid(q, "$project", project);
    pn_bind_int(q, "$now", call->now_ms);
    while (pn_query_next(q))
        *(struct pn_privilege *)pn_rows_add(&rows) = read_privilege(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < rows.list.count; i++) {
        const struct pn_privilege *p = (const struct pn_privilege *)rows.list.items + i;
        struct pn_rules rules;

        if (pn_rules_parse(call->arena, "project", p->permissions, &rules, err) &&
            pn_permit_rules(call, p->projectId, &rules, "grant the privilege", p->slug, err))
            continue;
        return pn_permit_elsewhere(err);
    }
    return true;
}

/* ---- writing ---- */

struct change {
    struct pn_call *call;
    const char *event;
    struct pn_privilege *privilege;
    struct pn_str packed;
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_privilege *p = c->privilege;
    struct pn_arena *arena = c->call->arena;
    const struct pn_trail trail = {
        .type = c->event,
        .project_id = p->projectId,
        .fields = { { "privilegeId", pn_uuid_str(arena, p->id) },
                    { "slug", p->slug },
                    { "identityId", pn_uuid_str(arena, p->identityId) },
                    { "membershipId", pn_uuid_str(arena, p->projectMembershipId) },
                    { "temporaryRange", p->temporaryRange } },
    };

    return pn_trail_write(tx, c->call, &trail, err);
}

/* What has changed is what the identity may do: a session that it no longer may have ends. */
static bool settle(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    return pn_pam_session_close_forbidden(
               tx, c->call, c->privilege->projectId, c->privilege->projectMembershipId,
               PN_LIT("No longer allowed to use the project's accounts"), err) &&
           record(tx, c, err);
}

static void bind_term(struct pn_query *q, const struct pn_privilege *p)
{
    pn_bind_int(q, "$temporary", p->isTemporary);
    pn_bind_str(q, "$range", p->isTemporary ? p->temporaryRange : PN_NONE);
    if (p->isTemporary) {
        pn_bind_int(q, "$starts", p->temporaryAccessStartTime);
        pn_bind_int(q, "$ends", p->temporaryAccessEndTime);
    } else {
        pn_bind_null(q, "$starts");
        pn_bind_null(q, "$ends");
    }
}

static void bind_content(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->privilege->id);
    pn_bind_str(q, "$slug", c->privilege->slug);
    pn_bind_str(q, "$rules", c->privilege->permissions);
    pn_bind_bytes(q, "$packed", c->packed);
    pn_bind_int(q, "$now", c->privilege->updatedAt);
    bind_term(q, c->privilege);
}

static bool run_unique(struct pn_query *q, const struct change *c, int64_t *changed,
                       struct pn_err *err)
{
    if (pn_query_run(q, changed, err))
        return true;
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "The identity has a privilege '%.*s' already",
                           PN_ARG(c->privilege->slug))
               : false;
}

/* Whether the membership is still there, and has room. */
static bool check_member(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT count(v.id) FROM project_members m LEFT JOIN project_privileges v"
                     " ON v.member_id = m.id WHERE m.id = $member GROUP BY m.id");
    int64_t count = -1;

    pn_bind_uuid(q, "$member", c->privilege->projectMembershipId);
    if (pn_query_next(q))
        count = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    if (count < 0)
        return pn_fail(err, PN_NOT_FOUND, "The identity is no longer a member of this project");
    return count < PN_PRIVILEGE_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "An identity has at most %d privileges in a project",
                   PN_PRIVILEGE_MAX);
}

static bool insert(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    pn_db_touch(tx, c->privilege->identityId);
    if (!check_member(tx, c, err))
        return false;
    q = pn_query(tx, "INSERT INTO project_privileges (id, member_id, slug, rules, packed,"
                     " is_temporary, temporary_range, starts_ms, ends_ms, version, created_ms,"
                     " updated_ms) VALUES ($id, $member, $slug, $rules, $packed, $temporary,"
                     " $range, $starts, $ends, 1, $now, $now)");
    pn_bind_uuid(q, "$member", c->privilege->projectMembershipId);
    bind_content(q, c);
    return run_unique(q, c, NULL, err) && settle(tx, c, err);
}

static bool update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE project_privileges SET slug = $slug, rules = $rules,"
                     " packed = $packed, is_temporary = $temporary, temporary_range = $range,"
                     " starts_ms = $starts, ends_ms = $ends, version = version + 1,"
                     " updated_ms = $now WHERE id = $id AND version = $version");
    int64_t changed;

    pn_db_touch(tx, c->privilege->identityId);
    bind_content(q, c);
    pn_bind_int(q, "$version", c->privilege->version);
    if (!run_unique(q, c, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_CONFLICT, "Somebody else has just changed this privilege");
    return settle(tx, c, err);
}

static bool erase(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "DELETE FROM project_privileges WHERE id = $id AND version = $version");
    int64_t changed;

    pn_db_touch(tx, c->privilege->identityId);
    pn_bind_uuid(q, "$id", c->privilege->id);
    pn_bind_int(q, "$version", c->privilege->version);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_CONFLICT, "Somebody else has just changed this privilege");
    return settle(tx, c, err);
}

/* Parses what the client sent, once: its packed form is what is asked from now on. */
static bool pack(struct change *c, const char *what, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    struct pn_rules rules;

    if (!permit_rules(c->call, c->privilege, what, &rules, err))
        return false;
    pn_rules_pack(&rules, &packed);
    if (packed.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The rules of a privilege take at most %d bytes",
                       PN_RULES_MAX_PACKED);
    c->packed = pn_arena_copy(c->call->arena, pn_buf_str(&packed));
    return true;
}

/* What has a term may be given another range or beginning alone; the rest of it stays. */
static struct pn_privilege_in term_of(const struct pn_privilege_in *in,
                                      const struct pn_privilege *now)
{
    struct pn_privilege_in term = *in;

    if (in->has_term || !now->isTemporary)
        return term;
    term.has_term = in->temporaryRange.len > 0 || in->temporaryAccessStartTime != 0;
    term.isTemporary = true;
    if (in->temporaryRange.len == 0)
        term.temporaryRange = now->temporaryRange;
    if (in->temporaryAccessStartTime == 0)
        term.temporaryAccessStartTime = now->temporaryAccessStartTime;
    return term;
}

static bool take_term(struct pn_call *call, const struct pn_privilege_in *in,
                      struct pn_privilege *out, struct pn_err *err)
{
    const struct pn_privilege_in term = term_of(in, out);

    if (!term.has_term)
        return true;
    out->isTemporary = term.isTemporary;
    out->temporaryMode = term.isTemporary ? PN_LIT("relative") : PN_NONE;
    out->temporaryRange = term.isTemporary ? term.temporaryRange : PN_NONE;
    out->temporaryAccessStartTime = term.isTemporary ? term.temporaryAccessStartTime : 0;
    out->temporaryAccessEndTime = 0;
    return !term.isTemporary ||
           pn_project_member_term(call, out->temporaryRange, &out->temporaryAccessStartTime,
                                  &out->temporaryAccessEndTime, err);
}

bool pn_privilege_create(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                         const struct pn_privilege_in *in, struct pn_privilege *out,
                         struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = "create-identity-project-additional-privilege",
                        .privilege = out };
    struct pn_project_member member;

    if (!pn_project_member_touch(call, project, PN_MEMBER_IDENTITIES, identity, "edit", &member,
                                 err))
        return false;
    *out = (struct pn_privilege){ .id = pn_random_uuid(),
                                  .projectMembershipId = member.id,
                                  .identityId = member.identityId,
                                  .projectId = project,
                                  .slug = in->slug.ptr != NULL
                                              ? in->slug
                                              : pn_name_to_slug(call->arena, PN_LIT("privilege")),
                                  .permissions = in->permissions,
                                  .createdAt = call->now_ms,
                                  .updatedAt = call->now_ms,
                                  .version = 1 };
    return take_term(call, in, out, err) && pack(&c, "create the privilege", err) &&
           pn_db_write(call->db, insert, &c, err);
}

/* One that may be changed: what it says now, and all else that its identity may do there, is within the actor's own. */
static bool find_own(struct change *c, struct pn_uuid id, const char *what, struct pn_err *err)
{
    struct pn_project_member member;

    if (!pn_privilege_get(c->call, id, c->privilege, err) ||
        !pn_project_member_touch(c->call, c->privilege->projectId, PN_MEMBER_IDENTITIES,
                                 c->privilege->identityId, "edit", &member, err))
        return false;
    return pack(c, what, err);
}

bool pn_privilege_change(struct pn_call *call, struct pn_uuid id, const struct pn_privilege_in *in,
                         struct pn_privilege *out, struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = "update-identity-project-additional-privilege",
                        .privilege = out };

    if (!find_own(&c, id, "change the privilege", err))
        return false;
    out->slug = in->slug.ptr != NULL ? in->slug : out->slug;
    out->permissions = in->permissions.ptr != NULL ? in->permissions : out->permissions;
    out->updatedAt = call->now_ms;
    if (!take_term(call, in, out, err) || !pack(&c, "change the privilege", err) ||
        !pn_db_write(call->db, update, &c, err))
        return false;
    out->version++;
    return true;
}

bool pn_privilege_delete(struct pn_call *call, struct pn_uuid id, struct pn_privilege *out,
                         struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = "delete-identity-project-additional-privilege",
                        .privilege = out };

    return find_own(&c, id, "delete the privilege", err) && pn_db_write(call->db, erase, &c, err);
}
