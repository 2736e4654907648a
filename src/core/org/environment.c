/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/environment.h"

#include "core/lease/lease.h"
#include "core/org/permission.h"
#include "core/rows.h"
#include "core/secret/below.h"
#include "core/trail.h"
#include "crypto/random.h"

#define COLUMNS "e.id, e.project_id, e.name, e.slug, e.position, e.created_ms, e.updated_ms"

static struct pn_environment_row read_row(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_environment_row){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .slug = pn_column_str(q, 3, arena),
        .position = pn_column_int(q, 4),
        .createdAt = pn_column_int(q, 5),
        .updatedAt = pn_column_int(q, 6),
    };
}

#define MISSING "Environment '%.*s' not found"

static bool refuse_missing(struct pn_str what, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, MISSING, PN_ARG(pn_str_slice(what, 0, 64)));
}

/* ---- reading ---- */

static bool read_all(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid project,
                     struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_environment_row));
    struct pn_query *q = pn_query(conn, "SELECT " COLUMNS " FROM environments e"
                                        " WHERE e.project_id = $project ORDER BY e.position, e.id");

    pn_bind_uuid(q, "$project", project);
    while (pn_query_next(q))
        *(struct pn_environment_row *)pn_rows_add(&rows) = read_row(q, arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

static struct pn_environment_row *find_id(struct pn_list all, struct pn_uuid id)
{
    struct pn_environment_row *rows = all.items;

    for (size_t i = 0; i < all.count; i++)
        if (pn_uuid_eq(rows[i].id, id))
            return &rows[i];
    return NULL;
}

static struct pn_environment_row *find_slug(struct pn_list all, struct pn_str slug)
{
    struct pn_environment_row *rows = all.items;

    for (size_t i = 0; i < all.count; i++)
        if (pn_str_eq(rows[i].slug, slug))
            return &rows[i];
    return NULL;
}

static bool take(const struct pn_environment_row *row, struct pn_str asked,
                 struct pn_environment_row *out, struct pn_err *err)
{
    if (row == NULL)
        return refuse_missing(asked, err);
    *out = *row;
    return true;
}

/* The project of an environment that is only known by its id. */
static bool find_project(struct pn_call *call, struct pn_uuid id, struct pn_uuid *project,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT e.project_id FROM environments e"
                                              " JOIN projects p ON p.id = e.project_id"
                                              " WHERE e.id = $id AND p.org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *project = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return is_found || refuse_missing(pn_uuid_str(call->arena, id), err);
}

bool pn_environment_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                        struct pn_environment_row *out, struct pn_err *err)
{
    const struct pn_str asked = pn_uuid_str(call->arena, id);
    const bool is_alone = pn_uuid_is_zero(project);
    struct pn_list all;

    if (is_alone && !find_project(call, id, &project, err))
        return false;
    if (!pn_permit_project(call, project, "environments", "read", err))
        return is_alone && pn_permit_hide(err, MISSING, PN_ARG(asked));
    return read_all(call->conn, call->arena, project, &all, err) &&
           take(find_id(all, id), asked, out, err);
}

bool pn_environment_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                                struct pn_environment_row *out, struct pn_err *err)
{
    struct pn_list all;

    return pn_permit_project(call, project, "environments", "read", err) &&
           read_all(call->conn, call->arena, project, &all, err) &&
           take(find_slug(all, slug), slug, out, err);
}

bool pn_environment_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                         struct pn_err *err)
{
    return pn_permit_project(call, project, "environments", "read", err) &&
           read_all(call->conn, call->arena, project, out, err);
}

/* ---- changing ---- */

struct change {
    const struct pn_call *call;
    struct pn_uuid project, id;
    const struct pn_environment_change *want;
    struct pn_environment_row *row;
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = type,
            .project_id = c->project,
            .fields = { { "environmentId", pn_uuid_str(arena, c->row->id) },
                        { "name", c->row->name },
                        { "slug", c->row->slug },
                        { "position",
                          pn_arena_printf(arena, "%lld", (long long)c->row->position) } } },
        err);
}

static bool set_position(struct pn_db_conn *tx, struct pn_uuid id, int64_t position,
                         struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE environments SET position = $position WHERE id = $id");

    pn_bind_int(q, "$position", position);
    pn_bind_uuid(q, "$id", id);
    return pn_query_run(q, NULL, err);
}

/* Numbers them 1, 2, 3 …, with the changed one where it is wanted (0: it is gone); the others keep their order. */
static bool renumber(struct pn_db_conn *tx, const struct change *c, int64_t wanted,
                     struct pn_err *err)
{
    const struct pn_environment_row *rows;
    struct pn_list all;
    int64_t next = 1;

    if (!read_all(tx, c->call->arena, c->project, &all, err))
        return false;
    if (wanted > (int64_t)all.count)
        wanted = (int64_t)all.count;
    rows = all.items;
    for (size_t i = 0; i < all.count; i++) {
        if (pn_uuid_eq(rows[i].id, c->id))
            continue;
        if (next == wanted)
            next++;
        if (rows[i].position != next && !set_position(tx, rows[i].id, next, err))
            return false;
        next++;
    }
    if (wanted == 0)
        return true;
    c->row->position = wanted;
    return set_position(tx, c->id, wanted, err);
}

static bool refuse_taken(struct pn_str slug, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "Environment with slug '%.*s' already exists",
                           PN_ARG(slug))
               : false;
}

static bool insert(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "INSERT INTO environments (id, project_id, name, slug, position, created_ms,"
                     " updated_ms) VALUES ($id, $project, $name, $slug, $position, $now, $now)");

    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$project", c->project);
    pn_bind_str(q, "$name", c->row->name);
    pn_bind_str(q, "$slug", c->row->slug);
    pn_bind_int(q, "$position", c->row->position);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) || refuse_taken(c->row->slug, err);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_list all;

    if (!read_all(tx, c->call->arena, c->project, &all, err))
        return false;
    if (all.count >= PN_ENVIRONMENT_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "A project has at most %d environments",
                       PN_ENVIRONMENT_MAX);
    c->row->position = (int64_t)all.count + 1;
    return insert(tx, c, err) && pn_place_create_root(tx, c->id, c->call->now_ms, err) &&
           renumber(tx, c, c->want->position > 0 ? c->want->position : c->row->position, err) &&
           note(tx, c, "create-environment", err);
}

bool pn_environment_create(struct pn_call *call, struct pn_uuid project,
                           const struct pn_environment_change *want, struct pn_environment_row *out,
                           struct pn_err *err)
{
    struct change c = {
        .call = call, .project = project, .id = pn_random_uuid(), .want = want, .row = out
    };

    if (!pn_permit_project(call, project, "environments", "create", err))
        return false;
    *out = (struct pn_environment_row){ .id = c.id,
                                        .projectId = project,
                                        .name = want->name,
                                        .slug = want->slug,
                                        .createdAt = call->now_ms,
                                        .updatedAt = call->now_ms };
    return pn_db_write(call->db, write_create, &c, err);
}

static bool find_in_write(struct pn_db_conn *tx, struct change *c, struct pn_err *err)
{
    struct pn_list all;

    return read_all(tx, c->call->arena, c->project, &all, err) &&
           take(find_id(all, c->id), pn_uuid_str(c->call->arena, c->id), c->row, err);
}

static struct pn_place root_of(const struct change *c, struct pn_str slug)
{
    return (struct pn_place){
        .project_id = c->project, .environment_id = c->id, .environment = slug, .path = PN_LIT("/")
    };
}

/* A slug that changes, changes what conditions say of all that is in the environment. */
static bool permit_slug(struct pn_db_conn *tx, const struct change *c, struct pn_str from,
                        struct pn_err *err)
{
    const struct pn_place root = root_of(c, from);

    return pn_str_eq(from, c->row->slug) ||
           pn_below_may_move(c->call, tx, &root, c->row->slug, root.path, err);
}

static bool update(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE environments SET name = $name, slug = $slug, updated_ms = $now WHERE id = $id");

    pn_bind_uuid(q, "$id", c->id);
    pn_bind_str(q, "$name", c->row->name);
    pn_bind_str(q, "$slug", c->row->slug);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) || refuse_taken(c->row->slug, err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_str from;

    if (!find_in_write(tx, c, err))
        return false;
    from = c->row->slug;
    if (c->want->name.ptr != NULL)
        c->row->name = c->want->name;
    if (c->want->slug.ptr != NULL)
        c->row->slug = c->want->slug;
    c->row->updatedAt = c->call->now_ms;
    return permit_slug(tx, c, from, err) && update(tx, c, err) &&
           (c->want->position == 0 || renumber(tx, c, c->want->position, err)) &&
           note(tx, c, "update-environment", err);
}

bool pn_environment_update(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           const struct pn_environment_change *want, struct pn_environment_row *out,
                           struct pn_err *err)
{
    struct change c = { .call = call, .project = project, .id = id, .want = want, .row = out };

    return pn_permit_project(call, project, "environments", "edit", err) &&
           pn_db_write(call->db, write_update, &c, err);
}

/* Folders, secrets and imports in it go by their foreign keys; leases when they have ended. */
static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_place root;
    struct pn_query *q;

    if (!find_in_write(tx, c, err) ||
        !pn_lease_end_below(tx, c->call->arena, c->id, PN_LIT("/"), err))
        return false;
    root = root_of(c, c->row->slug);
    if (!pn_below_may_delete(c->call, tx, &root, err))
        return false;
    q = pn_query(tx, "DELETE FROM environments WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && renumber(tx, c, 0, err) &&
           note(tx, c, "delete-environment", err);
}

bool pn_environment_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           struct pn_environment_row *out, struct pn_err *err)
{
    struct change c = { .call = call, .project = project, .id = id, .row = out };

    return pn_permit_project(call, project, "environments", "delete", err) &&
           pn_db_write(call->db, write_delete, &c, err);
}
