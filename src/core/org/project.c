/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/project.h"

#include "core/audit/audit.h"
#include "core/lease/lease.h"
#include "core/org/names.h"
#include "core/org/permission.h"
#include "core/org/project_member.h"
#include "core/scope.h"
#include "core/pam/session.h"
#include "core/secret/place.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "json/writer.h"

#define MAX_PROJECTS 1000
#define MAX_ENVIRONMENTS 100
#define COLUMNS                                                                        \
    "p.id, p.org_id, p.name, p.description, p.slug, p.type, p.has_delete_protection, " \
    "p.created_ms, p.updated_ms, p.audit_retention_days, p.auto_capitalization"

static const struct {
    const char *name, *slug;
} default_environments[] = { { "Development", "dev" },
                             { "Staging", "staging" },
                             { "Production", "prod" } };

static struct pn_project read_project(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_project){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .description = pn_column_str(q, 3, arena),
        .slug = pn_column_str(q, 4, arena),
        .type = pn_column_str(q, 5, arena),
        .hasDeleteProtection = pn_column_int(q, 6) != 0,
        .createdAt = pn_column_int(q, 7),
        .updatedAt = pn_column_int(q, 8),
        .has_auditLogsRetentionDays = !pn_column_is_null(q, 9),
        .auditLogsRetentionDays = pn_column_int(q, 9),
        .autoCapitalization = pn_column_int(q, 10) != 0,
    };
}

static bool read_environments(struct pn_call *call, struct pn_project *project, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_environment));
    struct pn_query *q =
        pn_query(call->conn, "SELECT id, name, slug FROM environments WHERE project_id = $project"
                             " ORDER BY position, id LIMIT $most");

    pn_bind_uuid(q, "$project", project->id);
    pn_bind_int(q, "$most", MAX_ENVIRONMENTS);
    while (pn_query_next(q))
        *(struct pn_environment *)pn_rows_add(&rows) = (struct pn_environment){
            .id = pn_column_uuid(q, 0),
            .name = pn_column_str(q, 1, call->arena),
            .slug = pn_column_str(q, 2, call->arena),
        };
    project->environments = rows.list;
    return pn_query_end(q, err);
}

struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_project *project;
    struct pn_uuid member_id;
    const struct pn_project_change *in; /* of a change: the rest stays */
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(8192);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "id", c->project->id);
    pn_write_str(&w, "name", c->project->name);
    pn_write_str(&w, "slug", c->project->slug);
    pn_write_str(&w, "type", c->project->type);
    if (c->project->has_auditLogsRetentionDays)
        pn_write_int(&w, "auditLogsRetentionDays", c->project->auditLogsRetentionDays);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->project->orgId,
                                                    .project_id = c->project->id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool insert_environments(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_environment *items = c->project->environments.items;

    for (size_t i = 0; i < c->project->environments.count; i++) {
        struct pn_query *q =
            pn_query(tx, "INSERT INTO environments (id, project_id, name, slug, position, "
                         "created_ms, updated_ms)"
                         " VALUES ($id, $project, $name, $slug, $position, $now, $now)");

        pn_bind_uuid(q, "$id", items[i].id);
        pn_bind_uuid(q, "$project", c->project->id);
        pn_bind_str(q, "$name", items[i].name);
        pn_bind_str(q, "$slug", items[i].slug);
        pn_bind_int(q, "$position", (int64_t)i + 1);
        pn_bind_int(q, "$now", c->call->now_ms);
        if (!pn_query_run(q, NULL, err) ||
            !pn_place_create_root(tx, items[i].id, c->call->now_ms, err))
            return false;
    }
    return true;
}

static bool insert_row(struct pn_db_conn *tx, const struct pn_project *p, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO projects (id, org_id, name, description, slug, type, has_delete_protection,"
        " created_ms, updated_ms)"
        " VALUES ($id, $org, $name, $description, $slug, $type, $protected, $now, $now)");

    pn_bind_uuid(q, "$id", p->id);
    pn_bind_uuid(q, "$org", p->orgId);
    pn_bind_str(q, "$name", p->name);
    pn_bind_str(q, "$description", p->description);
    pn_bind_str(q, "$slug", p->slug);
    pn_bind_str(q, "$type", p->type);
    pn_bind_int(q, "$protected", p->hasDeleteProtection);
    pn_bind_int(q, "$now", p->createdAt);
    if (pn_query_run(q, NULL, err))
        return true;
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST,
                         "A project with the slug %.*s exists in this organization",
                         PN_ARG(p->slug));
    return false;
}

static bool insert_project(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_actor *actor = &c->call->actor;
    struct pn_project_join join = {
        .id = c->member_id, .project_id = c->project->id, .roles = &PN_LIT("admin"), .role_count = 1
    };

    if (actor->kind == PN_ACTOR_IDENTITY)
        join.identity_id = actor->id;
    else
        join.user_id = actor->id;
    return insert_row(tx, c->project, err) &&
           pn_scope_create(tx, c->call->keyring, c->project->id, err) &&
           insert_environments(tx, c, err) && pn_project_member_insert(tx, c->call, &join, err) &&
           record(tx, c, err);
}

static void add_default_environments(struct pn_arena *arena, struct pn_project *project)
{
    struct pn_environment *items =
        pn_new(arena, struct pn_environment, PN_COUNT(default_environments));

    for (size_t i = 0; i < PN_COUNT(default_environments); i++)
        items[i] = (struct pn_environment){ .id = pn_random_uuid(),
                                            .name = pn_str_from(default_environments[i].name),
                                            .slug = pn_str_from(default_environments[i].slug) };
    project->environments =
        (struct pn_list){ .items = items, .count = PN_COUNT(default_environments) };
}

bool pn_project_create(struct pn_call *call, const struct pn_project_new *in,
                       struct pn_project *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .event = "create-project", .project = out, .member_id = pn_random_uuid()
    };

    if (!pn_permit_org(call, "workspace", "create", err))
        return false;
    *out = (struct pn_project){
        .id = pn_random_uuid(),
        .orgId = call->actor.org_id,
        .name = in->name,
        .description = in->description,
        .slug = in->slug.len > 0 ? in->slug : pn_name_to_slug(call->arena, in->name),
        .type = in->type,
        .hasDeleteProtection = in->has_delete_protection,
        .createdAt = call->now_ms,
        .updatedAt = call->now_ms,
    };
    if (in->has_default_environments)
        add_default_environments(call->arena, out);
    return pn_db_write(call->db, insert_project, &c, err);
}

static bool find_project(struct pn_call *call, struct pn_uuid id, struct pn_project *out,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT " COLUMNS " FROM projects p WHERE p.id = $id AND p.org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_project(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Project with ID '%s' not found",
                       pn_uuid_format(id).text);
    return read_environments(call, out, err);
}

bool pn_project_get(struct pn_call *call, struct pn_uuid id, struct pn_project *out,
                    struct pn_err *err)
{
    const struct pn_ability *ability;

    return pn_ability_load(call, id, &ability, err) && find_project(call, id, out, err);
}

bool pn_project_get_by_slug(struct pn_call *call, struct pn_str slug, struct pn_project *out,
                            struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT id FROM projects WHERE slug = $slug AND org_id = $org");
    struct pn_uuid id = { 0 };
    bool is_found;

    pn_bind_str(q, "$slug", slug);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        id = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Project with slug '%.*s' not found",
                       PN_ARG(pn_str_slice(slug, 0, 100)));
    return pn_project_get(call, id, out, err);
}

static bool read_projects(struct pn_call *call, struct pn_query *q, struct pn_list *out,
                          struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_project));

    while (pn_query_next(q))
        *(struct pn_project *)pn_rows_add(&rows) = read_project(q, call->arena);
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        if (!read_environments(call, (struct pn_project *)out->items + i, err))
            return false;
    }
    return true;
}

bool pn_project_list(struct pn_call *call, struct pn_str type, struct pn_list *out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT " COLUMNS
        " FROM projects p WHERE p.org_id = $org AND ($type IS NULL OR p.type = $type)"
        " AND EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = p.id"
        " AND (m.user_id = $actor OR m.identity_id = $actor)) ORDER BY p.name, p.id LIMIT $most");

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$type", type);
    pn_bind_uuid(q, "$actor", call->actor.id);
    pn_bind_int(q, "$most", MAX_PROJECTS);
    return read_projects(call, q, out, err);
}

#define ALL_FROM " FROM projects p WHERE p.org_id = $org AND lower(p.name) LIKE $like ESCAPE '\\'"

static bool count_all(struct pn_call *call, struct pn_str like, int64_t *total, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT count(*)" ALL_FROM);

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$like", like);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

bool pn_project_list_all(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                         struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_str like = pn_rows_like(call->arena, search);
    struct pn_query *q;

    if (!pn_permit_org(call, "organization-admin-console", "access-all-projects", err) ||
        !count_all(call, like, total, err))
        return false;
    q = pn_query(call->conn,
                 "SELECT " COLUMNS ALL_FROM " ORDER BY p.name, p.id LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$like", like);
    pn_bind_int(q, "$limit", limit);
    pn_bind_int(q, "$offset", offset);
    return read_projects(call, q, out, err);
}

/* What is not given stays as it is now, not as the caller saw it. */
static bool merge(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_project_change *in = c->in;
    struct pn_call now = pn_call_within(c->call, tx);
    struct pn_project *p = c->project;

    if (!find_project(&now, p->id, p, err))
        return false;
    p->name = in->name.ptr != NULL ? in->name : p->name;
    p->description = in->description.ptr != NULL ? in->description : p->description;
    p->slug = in->slug.ptr != NULL ? in->slug : p->slug;
    p->hasDeleteProtection =
        in->has_delete_protection < 0 ? p->hasDeleteProtection : in->has_delete_protection != 0;
    p->autoCapitalization =
        in->auto_capitalization < 0 ? p->autoCapitalization : in->auto_capitalization != 0;
    p->updatedAt = c->call->now_ms;
    return true;
}

static bool update_project(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_project *p = c->project;
    struct pn_query *q;

    if (!merge(tx, c, err))
        return false;
    q = pn_query(tx, "UPDATE projects SET name = $name, description = $description, slug = $slug,"
                     " has_delete_protection = $protected, auto_capitalization = $capitals,"
                     " updated_ms = $now WHERE id = $id");
    pn_bind_str(q, "$name", p->name);
    pn_bind_str(q, "$description", p->description);
    pn_bind_str(q, "$slug", p->slug);
    pn_bind_int(q, "$protected", p->hasDeleteProtection);
    pn_bind_int(q, "$capitals", p->autoCapitalization);
    pn_bind_int(q, "$now", p->updatedAt);
    pn_bind_uuid(q, "$id", p->id);
    if (pn_query_run(q, NULL, err))
        return record(tx, c, err);
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST,
                         "A project with the slug %.*s exists in this organization",
                         PN_ARG(p->slug));
    return false;
}

bool pn_project_change(struct pn_call *call, struct pn_uuid id, const struct pn_project_change *in,
                       struct pn_project *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "update-project", .project = out, .in = in };

    return pn_permit_project(call, id, "settings", "edit", err) &&
           find_project(call, id, out, err) && pn_db_write(call->db, update_project, &c, err);
}

static bool update_retention(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(
        tx, "UPDATE projects SET audit_retention_days = $days, updated_ms = $now WHERE id = $id");

    if (c->project->has_auditLogsRetentionDays)
        pn_bind_int(q, "$days", c->project->auditLogsRetentionDays);
    else
        pn_bind_null(q, "$days");
    pn_bind_int(q, "$now", c->project->updatedAt);
    pn_bind_uuid(q, "$id", c->project->id);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_project_set_retention(struct pn_call *call, struct pn_uuid id, int64_t days,
                              struct pn_project *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "update-project", .project = out };

    if (!pn_permit_project(call, id, "workspace", "edit", err) || !find_project(call, id, out, err))
        return false;
    out->has_auditLogsRetentionDays = days > 0;
    out->auditLogsRetentionDays = days;
    out->updatedAt = call->now_ms;
    return pn_db_write(call->db, update_retention, &c, err);
}

static bool delete_project(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;
    int64_t changed;

    if (!pn_pam_session_close_project(tx, c->call, c->project->id,
                                      PN_LIT("The project was deleted"), err) ||
        !pn_lease_end_project(tx, c->project->id, err))
        return false;
    q = pn_query(tx, "DELETE FROM projects WHERE id = $id AND has_delete_protection = 0");
    pn_bind_uuid(q, "$id", c->project->id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_FORBIDDEN, "This project is protected against deletion");
    q = pn_query(tx, "DELETE FROM scope_keys WHERE scope_id = $id");
    pn_bind_uuid(q, "$id", c->project->id);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_project_delete(struct pn_call *call, struct pn_uuid id, struct pn_project *out,
                       struct pn_err *err)
{
    struct change c = { .call = call, .event = "delete-project", .project = out };

    if (!pn_permit_project(call, id, "workspace", "delete", err) ||
        !find_project(call, id, out, err))
        return false;
    return pn_db_write(call->db, delete_project, &c, err);
}
