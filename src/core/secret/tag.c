/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/tag.h"

#include "core/org/permission.h"
#include "core/rows.h"
#include "core/secret/below.h"
#include "core/trail.h"
#include "crypto/random.h"

#define COLUMNS                                                                            \
    "t.id, t.project_id, t.slug, t.color, t.created_by, t.created_by_type, t.created_ms, " \
    "t.updated_ms"

static struct pn_tag read_row(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_tag tag = {
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .slug = pn_column_str(q, 2, arena),
        .color = pn_column_str(q, 3, arena),
        .createdBy = pn_column_uuid(q, 4),
        .createdByActorType = pn_column_str(q, 5, arena),
        .createdAt = pn_column_int(q, 6),
        .updatedAt = pn_column_int(q, 7),
    };

    tag.name = tag.slug;
    return tag;
}

/* The one row of a query, or PN_NOT_FOUND. */
static bool read_one(struct pn_query *q, struct pn_arena *arena, struct pn_str asked,
                     struct pn_tag *out, struct pn_err *err)
{
    bool is_found = pn_query_next(q);

    if (is_found)
        *out = read_row(q, arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_NOT_FOUND, "Tag '%.*s' not found", PN_ARG(pn_str_slice(asked, 0, 64)));
}

static bool find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid project,
                 struct pn_uuid id, struct pn_tag *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT " COLUMNS " FROM secret_tags t WHERE t.id = $id"
                                        " AND t.project_id = $project");

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$project", project);
    return read_one(q, arena, pn_uuid_str(arena, id), out, err);
}

bool pn_tag_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id, struct pn_tag *out,
                struct pn_err *err)
{
    return pn_permit_project(call, project, "tags", "read", err) &&
           find(call->conn, call->arena, project, id, out, err);
}

bool pn_tag_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                        struct pn_tag *out, struct pn_err *err)
{
    struct pn_query *q;

    if (!pn_permit_project(call, project, "tags", "read", err))
        return false;
    q = pn_query(call->conn, "SELECT " COLUMNS " FROM secret_tags t WHERE t.slug = $slug"
                             " AND t.project_id = $project");
    pn_bind_str(q, "$slug", slug);
    pn_bind_uuid(q, "$project", project);
    return read_one(q, call->arena, slug, out, err);
}

bool pn_tag_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                 struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_tag));
    struct pn_query *q;

    if (!pn_permit_project(call, project, "tags", "read", err))
        return false;
    q = pn_query(call->conn, "SELECT " COLUMNS " FROM secret_tags t WHERE t.project_id = $project"
                             " ORDER BY t.slug");
    pn_bind_uuid(q, "$project", project);
    while (pn_query_next(q))
        *(struct pn_tag *)pn_rows_add(&rows) = read_row(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

/* ---- changing ---- */

struct change {
    const struct pn_call *call;
    struct pn_uuid project, id;
    struct pn_str slug, color;
    struct pn_tag *row;
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = type,
                            .project_id = c->project,
                            .fields = { { "tagId", pn_uuid_str(c->call->arena, c->row->id) },
                                        { "slug", c->row->slug } } },
        err);
}

static bool refuse_taken(struct pn_str slug, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "A tag with the slug '%.*s' already exists",
                           PN_ARG(slug))
               : false;
}

static bool check_room(struct pn_db_conn *tx, struct pn_uuid project, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT count(*) FROM secret_tags WHERE project_id = $project");
    int64_t count;

    pn_bind_uuid(q, "$project", project);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    return count < PN_TAG_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "A project has at most %d tags", PN_TAG_MAX);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!check_room(tx, c->project, err))
        return false;
    q = pn_query(tx, "INSERT INTO secret_tags (id, project_id, slug, color, created_by,"
                     " created_by_type, created_ms, updated_ms)"
                     " VALUES ($id, $project, $slug, $color, $by, $kind, $now, $now)");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$project", c->project);
    pn_bind_str(q, "$slug", c->slug);
    pn_bind_str(q, "$color", c->color);
    pn_bind_uuid(q, "$by", c->row->createdBy);
    pn_bind_str(q, "$kind", c->row->createdByActorType);
    pn_bind_int(q, "$now", c->call->now_ms);
    return (pn_query_run(q, NULL, err) || refuse_taken(c->slug, err)) &&
           note(tx, c, "create-tag", err);
}

bool pn_tag_create(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                   struct pn_str color, struct pn_tag *out, struct pn_err *err)
{
    struct change c = { .call = call,
                        .project = project,
                        .id = pn_random_uuid(),
                        .slug = slug,
                        .color = color,
                        .row = out };

    if (!pn_permit_project(call, project, "tags", "create", err))
        return false;
    *out = (struct pn_tag){ .id = c.id,
                            .projectId = project,
                            .slug = slug,
                            .name = slug,
                            .color = color,
                            .createdBy = call->actor.id,
                            .createdByActorType = call->actor.kind == PN_ACTOR_USER
                                                      ? PN_LIT("user")
                                                      : PN_LIT("identity"),
                            .createdAt = call->now_ms,
                            .updatedAt = call->now_ms };
    return pn_db_write(call->db, write_create, &c, err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!find(tx, c->call->arena, c->project, c->id, c->row, err))
        return false;
    if (c->slug.ptr != NULL && !pn_str_eq(c->slug, c->row->slug)) {
        if (!pn_below_may_retag(c->call, tx, c->project, c->id, c->slug, err))
            return false;
        c->row->slug = c->row->name = c->slug;
    }
    if (c->color.ptr != NULL)
        c->row->color = c->color;
    c->row->updatedAt = c->call->now_ms;
    q = pn_query(tx, "UPDATE secret_tags SET slug = $slug, color = $color, updated_ms = $now"
                     " WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_str(q, "$slug", c->row->slug);
    pn_bind_str(q, "$color", c->row->color);
    pn_bind_int(q, "$now", c->call->now_ms);
    return (pn_query_run(q, NULL, err) || refuse_taken(c->row->slug, err)) &&
           note(tx, c, "update-tag", err);
}

bool pn_tag_update(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                   struct pn_str slug, struct pn_str color, struct pn_tag *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .project = project, .id = id, .slug = slug, .color = color, .row = out
    };

    return pn_permit_project(call, project, "tags", "edit", err) &&
           pn_db_write(call->db, write_update, &c, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!find(tx, c->call->arena, c->project, c->id, c->row, err) ||
        !pn_below_may_retag(c->call, tx, c->project, c->id, PN_NONE, err))
        return false;
    q = pn_query(tx, "DELETE FROM secret_tags WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "delete-tag", err);
}

bool pn_tag_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                   struct pn_tag *out, struct pn_err *err)
{
    struct change c = { .call = call, .project = project, .id = id, .row = out };

    return pn_permit_project(call, project, "tags", "delete", err) &&
           pn_db_write(call->db, write_delete, &c, err);
}
