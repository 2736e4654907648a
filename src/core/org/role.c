/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/role.h"

#include "core/org/builtin.h"
#include "core/org/subjects.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/random.h"
#include "json/writer.h"

#define COLUMNS \
    "id, org_id, project_id, name, slug, description, rules, version, created_ms, updated_ms"

static const struct scope {
    const char *name, *created, *changed, *deleted; /* events */
} org_scope = { "org", "create-org-role", "update-org-role", "delete-org-role" },
  project_scope = { "project", "create-project-role", "update-project-role",
                    "delete-project-role" };

static const struct scope *scope_of(struct pn_uuid project)
{
    return pn_uuid_is_zero(project) ? &org_scope : &project_scope;
}

static struct pn_uuid scope_id(const struct pn_call *call, struct pn_uuid project)
{
    return pn_uuid_is_zero(project) ? call->actor.org_id : project;
}

static bool enter(struct pn_call *call, struct pn_uuid project, const char *action,
                  struct pn_err *err)
{
    return pn_uuid_is_zero(project) ? pn_permit_org(call, "role", action, err)
                                    : pn_permit_project(call, project, "role", action, err);
}

/* ---- built-in roles, as if they were rows ---- */

/* Always the same, and no random UUID's: its time is 1970. */
static struct pn_uuid builtin_id(size_t index)
{
    struct pn_uuid id = { .bytes = { [6] = 0x40, [8] = 0x80, [15] = (uint8_t)(index + 1) } };

    return id;
}

static void write_rule(struct pn_writer *w, struct pn_str subject, struct pn_str actions)
{
    struct pn_str action;

    pn_write_object(w, NULL);
    pn_write_str(w, "subject", subject);
    pn_write_array(w, "action");
    while (pn_str_cut(&actions, ' ', &action))
        pn_write_str(w, NULL, action);
    pn_write_end(w);
    pn_write_end(w);
}

/* "*" is shown as all that it stands for: clients do not know it. */
static struct pn_str print_rules(struct pn_arena *arena, const struct pn_builtin *b)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(32768);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < b->rules.count; i++) {
        const struct pn_rule *rule = &b->rules.items[i];

        if (!pn_str_is(rule->subject, "*"))
            write_rule(&w, rule->subject, rule->actions);
        for (size_t s = 0; s < pn_subject_count && pn_str_is(rule->subject, "*"); s++) {
            if (pn_str_is(pn_str_from(b->scope), pn_subjects[s].scope))
                write_rule(&w, pn_str_from(pn_subjects[s].name),
                           pn_str_from(pn_subjects[s].actions));
        }
    }
    pn_write_end(&w);
    pn_assert(!json.is_full);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct pn_role show_builtin(const struct pn_call *call, struct pn_uuid project,
                                   const struct pn_builtin *b)
{
    return (struct pn_role){ .id = builtin_id((size_t)(b - pn_builtins)),
                             .orgId = call->actor.org_id,
                             .projectId = project,
                             .name = pn_str_from(b->name),
                             .slug = pn_str_from(b->slug),
                             .description = pn_str_from(b->description),
                             .permissions = print_rules(call->arena, b),
                             .version = 1,
                             .is_builtin = true };
}

/* ---- reading ---- */

static struct pn_role read_role(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_role){ .id = pn_column_uuid(q, 0),
                             .orgId = pn_column_uuid(q, 1),
                             .projectId = pn_column_uuid(q, 2),
                             .name = pn_column_str(q, 3, arena),
                             .slug = pn_column_str(q, 4, arena),
                             .description = pn_column_str(q, 5, arena),
                             .permissions = pn_column_str(q, 6, arena),
                             .version = pn_column_int(q, 7),
                             .createdAt = pn_column_int(q, 8),
                             .updatedAt = pn_column_int(q, 9) };
}

bool pn_role_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                  struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_role));
    struct pn_query *q;

    if (!enter(call, project, "read", err))
        return false;
    for (size_t i = 0; i < pn_builtin_count; i++) {
        if (pn_str_is(pn_str_from(pn_builtins[i].scope), scope_of(project)->name))
            *(struct pn_role *)pn_rows_add(&rows) = show_builtin(call, project, &pn_builtins[i]);
    }
    q = pn_query(call->conn,
                 "SELECT " COLUMNS " FROM roles WHERE scope_id = $scope ORDER BY slug LIMIT $most");
    pn_bind_uuid(q, "$scope", scope_id(call, project));
    pn_bind_int(q, "$most", PN_ROLE_MAX);
    while (pn_query_next(q))
        *(struct pn_role *)pn_rows_add(&rows) = read_role(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

/* By id or by slug, whichever is not absent. */
static bool find_role(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                      struct pn_str slug, struct pn_role *out, struct pn_err *err)
{
    struct pn_query *q;
    bool is_found;

    for (size_t i = 0; i < pn_builtin_count; i++) {
        const struct pn_builtin *b = &pn_builtins[i];

        if (pn_str_is(pn_str_from(b->scope), scope_of(project)->name) &&
            (pn_str_is(slug, b->slug) || pn_uuid_eq(id, builtin_id(i)))) {
            *out = show_builtin(call, project, b);
            return true;
        }
    }
    q = pn_query(call->conn, "SELECT " COLUMNS
                             " FROM roles WHERE scope_id = $scope AND (id = $id OR slug = $slug)");
    pn_bind_uuid(q, "$scope", scope_id(call, project));
    pn_bind_uuid(q, "$id", id);
    pn_bind_str(q, "$slug", slug);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_role(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Role '%.*s' not found",
                               PN_ARG(slug.ptr != NULL ? pn_str_slice(slug, 0, 64)
                                                       : pn_uuid_str(call->arena, id)));
}

bool pn_role_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                 struct pn_role *out, struct pn_err *err)
{
    return enter(call, project, "read", err) && find_role(call, project, id, PN_NONE, out, err);
}

bool pn_role_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                         struct pn_role *out, struct pn_err *err)
{
    return enter(call, project, "read", err) &&
           find_role(call, project, (struct pn_uuid){ 0 }, slug, out, err);
}

bool pn_role_own(struct pn_call *call, struct pn_role *out, struct pn_err *err)
{
    const struct pn_uuid none = { 0 };

    return find_role(call, none, none, call->actor.org_role, out, err);
}

#define MISSING_ID "Role '%s' not found"

static bool find_project(struct pn_call *call, struct pn_uuid id, struct pn_uuid *project,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT project_id FROM roles WHERE id = $id AND "
                                              "org_id = $org AND project_id IS NOT NULL");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *project = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, MISSING_ID, pn_uuid_format(id).text);
}

bool pn_role_get_alone(struct pn_call *call, struct pn_uuid id, struct pn_role *out,
                       struct pn_err *err)
{
    struct pn_uuid project;

    if (!find_project(call, id, &project, err))
        return false;
    return pn_role_get(call, project, id, out, err) ||
           pn_permit_hide(err, MISSING_ID, pn_uuid_format(id).text);
}

/* ---- writing ---- */

struct change {
    struct pn_call *call;
    const char *event;
    struct pn_uuid project;
    struct pn_role *role;
    struct pn_str packed;
    struct pn_str old_slug;
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_trail trail = { .type = c->event,
                                    .project_id = c->project,
                                    .fields = {
                                        { "roleId", pn_uuid_str(c->call->arena, c->role->id) },
                                        { "slug", c->role->slug },
                                        { "name", c->role->name },
                                        { "description", c->role->description } } };

    return pn_trail_write(tx, c->call, &trail, err);
}

static bool check_count(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM roles WHERE scope_id = $scope");
    int64_t count;

    pn_bind_uuid(q, "$scope", scope_id(c->call, c->project));
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    return count < PN_ROLE_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "There are %d roles already, more are not possible",
                   PN_ROLE_MAX);
}

static void bind_role(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->role->id);
    pn_bind_str(q, "$slug", c->role->slug);
    pn_bind_str(q, "$name", c->role->name);
    pn_bind_str(q, "$description", c->role->description);
    pn_bind_str(q, "$rules", c->role->permissions);
    pn_bind_bytes(q, "$packed", c->packed);
    pn_bind_int(q, "$now", c->role->updatedAt);
}

static bool run_unique(struct pn_query *q, const struct change *c, int64_t *changed,
                       struct pn_err *err)
{
    if (pn_query_run(q, changed, err))
        return true;
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "A role with the slug '%.*s' exists already",
                           PN_ARG(c->role->slug))
               : false;
}

static bool insert_role(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!check_count(tx, c, err))
        return false;
    q = pn_query(tx, "INSERT INTO roles (id, scope_id, org_id, project_id, slug, name, description,"
                     " rules, packed, version, created_ms, updated_ms) VALUES ($id, $scope, $org,"
                     " $project, $slug, $name, $description, $rules, $packed, 1, $now, $now)");
    pn_bind_uuid(q, "$scope", scope_id(c->call, c->project));
    pn_bind_uuid(q, "$org", c->role->orgId);
    pn_bind_uuid(q, "$project", c->project);
    bind_role(q, c);
    return run_unique(q, c, NULL, err) && record(tx, c, err);
}

/* Parses what the client sent, once: its packed form is what is asked from now on. */
static bool pack(struct change *c, struct pn_str permissions, const char *what, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    struct pn_rules rules;

    if (!pn_rules_parse(c->call->arena, scope_of(c->project)->name, permissions, &rules, err) ||
        !pn_permit_rules(c->call, c->project, &rules, what, c->role->slug, err))
        return false;
    pn_rules_pack(&rules, &packed);
    if (packed.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The rules of a role take at most %d bytes",
                       PN_RULES_MAX_PACKED);
    c->role->permissions = permissions;
    c->packed = pn_arena_copy(c->call->arena, pn_buf_str(&packed));
    return true;
}

static bool check_slug(const struct change *c, struct pn_str slug, struct pn_err *err)
{
    return !pn_builtin_is_reserved(scope_of(c->project)->name, slug) ||
           pn_fail(err, PN_BAD_REQUEST, "The slug '%.*s' is that of a built-in role",
                   PN_ARG(pn_str_slice(slug, 0, 64)));
}

bool pn_role_create(struct pn_call *call, struct pn_uuid project, const struct pn_role_new *in,
                    struct pn_role *out, struct pn_err *err)
{
    struct change c = { call, scope_of(project)->created, project, out, PN_NONE, PN_NONE };

    if (!enter(call, project, "create", err) || !check_slug(&c, in->slug, err))
        return false;
    *out = (struct pn_role){ .id = pn_random_uuid(),
                             .orgId = call->actor.org_id,
                             .projectId = project,
                             .name = in->name,
                             .slug = in->slug,
                             .description = in->description,
                             .version = 1,
                             .createdAt = call->now_ms,
                             .updatedAt = call->now_ms };
    return pack(&c, in->permissions.ptr != NULL ? in->permissions : PN_LIT("[]"), "create the role",
                err) &&
           pn_db_write(call->db, insert_role, &c, err);
}

/* Who holds a role, by its slug. */
static const char *const org_rename_sql[] = {
    "UPDATE org_members SET role = $slug WHERE org_id = $scope AND role = $old",
    "UPDATE identities SET role = $slug WHERE org_id = $scope AND role = $old",
};
static const char *const project_rename_sql[] = {
    "UPDATE project_member_roles SET role = $slug WHERE role = $old AND member_id IN"
    " (SELECT id FROM project_members WHERE project_id = $scope)",
};
static const char org_holders_sql[] =
    "SELECT 1 FROM org_members WHERE org_id = $scope AND role = $old UNION ALL"
    " SELECT 1 FROM identities WHERE org_id = $scope AND role = $old LIMIT 1";
static const char project_holders_sql[] =
    "SELECT 1 FROM project_member_roles r JOIN project_members m ON m.id = r.member_id"
    " WHERE m.project_id = $scope AND r.role = $old LIMIT 1";

static bool rename_role(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    bool is_org = pn_uuid_is_zero(c->project);
    const char *const *sql = is_org ? org_rename_sql : project_rename_sql;
    size_t count = is_org ? PN_COUNT(org_rename_sql) : PN_COUNT(project_rename_sql);

    if (pn_str_eq(c->old_slug, c->role->slug))
        return true;
    for (size_t i = 0; i < count; i++) {
        struct pn_query *q = pn_query(tx, sql[i]);

        pn_bind_uuid(q, "$scope", scope_id(c->call, c->project));
        pn_bind_str(q, "$slug", c->role->slug);
        pn_bind_str(q, "$old", c->old_slug);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

static bool update_role(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE roles SET slug = $slug, name = $name, description = $description,"
                     " rules = $rules, packed = $packed, version = version + 1, updated_ms = $now"
                     " WHERE id = $id AND version = $version");
    int64_t changed;

    bind_role(q, c);
    pn_bind_int(q, "$version", c->role->version);
    if (!run_unique(q, c, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_CONFLICT, "Somebody else has just changed this role");
    return rename_role(tx, c, err) &&
           (pn_uuid_is_zero(c->project) ||
            pn_pam_session_close_forbidden(tx, c->call, c->project, (struct pn_uuid){ 0 },
                                           PN_LIT("No longer allowed by a role that has changed"),
                                           err)) &&
           record(tx, c, err);
}

/* A role that may be changed: a custom one that neither allows nor forbids anything beyond the actor. */
static bool find_own(struct change *c, struct pn_uuid id, const char *action, const char *what,
                     struct pn_err *err)
{
    struct pn_rules rules;

    if (!enter(c->call, c->project, action, err) ||
        !find_role(c->call, c->project, id, PN_NONE, c->role, err))
        return false;
    if (c->role->is_builtin)
        return pn_fail(err, PN_BAD_REQUEST, "The role '%.*s' is built in", PN_ARG(c->role->slug));
    c->old_slug = c->role->slug;
    return pn_rules_parse(c->call->arena, scope_of(c->project)->name, c->role->permissions, &rules,
                          err) &&
           pn_permit_release(c->call, c->project, &rules, what, c->role->slug, err) &&
           pack(c, c->role->permissions, what, err);
}

bool pn_role_change(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                    const struct pn_role_new *in, struct pn_role *out, struct pn_err *err)
{
    struct change c = { call, scope_of(project)->changed, project, out, PN_NONE, PN_NONE };

    if (!find_own(&c, id, "edit", "change the role", err) ||
        (in->slug.ptr != NULL && !check_slug(&c, in->slug, err)))
        return false;
    out->slug = in->slug.ptr != NULL ? in->slug : out->slug;
    out->name = in->name.ptr != NULL ? in->name : out->name;
    out->description = in->description.ptr != NULL ? in->description : out->description;
    out->updatedAt = call->now_ms;
    if (in->permissions.ptr != NULL && !pack(&c, in->permissions, "change the role", err))
        return false;
    if (!pn_db_write(call->db, update_role, &c, err))
        return false;
    out->version++;
    return true;
}

static bool delete_role(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    bool is_org = pn_uuid_is_zero(c->project);
    struct pn_query *q = pn_query(tx, is_org ? org_holders_sql : project_holders_sql);
    bool is_held;

    pn_bind_uuid(q, "$scope", scope_id(c->call, c->project));
    pn_bind_str(q, "$old", c->old_slug);
    is_held = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    if (is_held)
        return pn_fail(err, PN_BAD_REQUEST,
                       "The role '%.*s' is in use: take it from its holders first",
                       PN_ARG(c->old_slug));
    q = pn_query(tx, "DELETE FROM roles WHERE id = $id");
    pn_bind_uuid(q, "$id", c->role->id);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_role_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                    struct pn_role *out, struct pn_err *err)
{
    struct change c = { call, scope_of(project)->deleted, project, out, PN_NONE, PN_NONE };

    return find_own(&c, id, "delete", "delete the role", err) &&
           pn_db_write(call->db, delete_role, &c, err);
}

bool pn_role_require(struct pn_db_conn *tx, const char *scope, struct pn_uuid scope_id_,
                     struct pn_str slug, struct pn_err *err)
{
    struct pn_query *q;
    bool is_there;

    if (pn_builtin_find(scope, slug) != NULL)
        return true;
    q = pn_query(tx, "SELECT 1 FROM roles WHERE scope_id = $scope AND slug = $slug");
    pn_bind_uuid(q, "$scope", scope_id_);
    pn_bind_str(q, "$slug", slug);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_there || pn_fail(err, PN_BAD_REQUEST, "Role %.*s does not exist",
                               PN_ARG(pn_str_slice(slug, 0, 64)));
}
