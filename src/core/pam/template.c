/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/template.h"

#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/trail.h"
#include "crypto/random.h"

#define SELECT_VIEW                                                                       \
    "SELECT t.id, t.project_id, t.name, t.description, t.max_duration_s, t.needs_reason," \
    " t.gateway_id, t.gateway_pool_id, t.created_ms, t.updated_ms,"                       \
    " (SELECT count(*) FROM pam_accounts a WHERE a.template_id = t.id) FROM pam_templates t "

static struct pn_pam_template read_view(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_pam_template){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .description = pn_column_str(q, 3, arena),
        .max_duration_s = pn_column_int(q, 4),
        .needs_reason = pn_column_int(q, 5) != 0,
        .gatewayId = pn_column_uuid(q, 6),
        .gatewayPoolId = pn_column_uuid(q, 7),
        .createdAt = pn_column_int(q, 8),
        .updatedAt = pn_column_int(q, 9),
        .accountCount = pn_column_int(q, 10),
    };
}

static bool refuse_missing(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Template %s not found", pn_uuid_format(id).text);
}

static bool read_one(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                     struct pn_pam_template *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT_VIEW "JOIN projects p ON p.id = t.project_id"
                                                    " WHERE t.id = $id AND p.org_id = $org");
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (is_there)
        *out = read_view(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_there || refuse_missing(id, err);
}

bool pn_pam_template_find(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                          struct pn_uuid project, struct pn_pam_template *out, struct pn_err *err)
{
    return read_one(conn, call, id, out, err) &&
           (pn_uuid_eq(out->projectId, project) || refuse_missing(id, err));
}

/* Finds it, for an actor who may read it; others are told that it does not exist. */
static bool find(struct pn_call *call, struct pn_uuid id, const char *action,
                 struct pn_pam_template *out, struct pn_err *err)
{
    struct pn_err refusal = { 0 };

    if (!read_one(call->conn, call, id, out, err))
        return false;
    if (!pn_permit_project(call, out->projectId, "pam-resources", "read", &refusal))
        return refuse_missing(id, err);
    return pn_permit_project(call, out->projectId, "pam-resources", action, err);
}

/* ---- changes ---- */

struct change {
    struct pn_call *call;
    struct pn_uuid id;
    const struct pn_pam_template_change *want;
    struct pn_pam_template row;
};

static struct pn_pam_cluster way_of(const struct pn_pam_template *row)
{
    return (struct pn_pam_cluster){ .gateway_id = row->gatewayId, .pool_id = row->gatewayPoolId };
}

static void apply(struct pn_pam_template *row, const struct pn_pam_template_change *want)
{
    struct pn_pam_cluster way = way_of(row);

    if (want->has_name)
        row->name = want->name;
    if (want->has_description)
        row->description = want->description.len > 0 ? want->description : PN_NONE;
    if (want->has_policies) {
        row->max_duration_s = want->max_duration_s;
        row->needs_reason = want->needs_reason;
    }
    pn_pam_cluster_apply(&way, &want->way);
    row->gatewayId = way.gateway_id;
    row->gatewayPoolId = way.pool_id;
}

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;
    struct pn_str most = pn_arena_printf(arena, "%lld", (long long)c->row.max_duration_s);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = type,
            .project_id = c->row.projectId,
            .fields = { { "templateId", pn_uuid_str(arena, c->id) },
                        { "name", c->row.name },
                        { "maxSessionDuration", c->row.max_duration_s > 0 ? most : PN_NONE },
                        { "requireReason", c->row.needs_reason ? PN_LIT("true") : PN_NONE },
                        { "gatewayId", pn_uuid_is_zero(c->row.gatewayId)
                                           ? PN_NONE
                                           : pn_uuid_str(arena, c->row.gatewayId) },
                        { "gatewayPoolId", pn_uuid_is_zero(c->row.gatewayPoolId)
                                               ? PN_NONE
                                               : pn_uuid_str(arena, c->row.gatewayPoolId) } } },
        err);
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_str(q, "$name", c->row.name);
    pn_bind_str(q, "$description", c->row.description);
    pn_bind_int(q, "$most", c->row.max_duration_s);
    pn_bind_int(q, "$reason", c->row.needs_reason);
    pn_bind_uuid(q, "$gateway", c->row.gatewayId);
    pn_bind_uuid(q, "$pool", c->row.gatewayPoolId);
    pn_bind_int(q, "$now", c->call->now_ms);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    const struct pn_pam_cluster way = way_of(&c->row);
    struct pn_query *q;

    if (!pn_pam_cluster_check_way(tx, c->call, &way, err))
        return false;
    q = pn_query(tx, "INSERT INTO pam_templates (id, project_id, name, description, max_duration_s,"
                     " needs_reason, gateway_id, gateway_pool_id, created_ms, updated_ms) VALUES"
                     " ($id, $project, $name, $description, $most, $reason, $gateway, $pool, $now,"
                     " $now)");
    bind_row(q, c);
    pn_bind_uuid(q, "$project", c->row.projectId);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-template-create", err);
}

static bool is_taken(const struct change *c, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST,
                           "A template named %.*s already exists in this project",
                           PN_ARG(c->row.name))
               : false;
}

bool pn_pam_template_create(struct pn_call *call, const struct pn_pam_template_change *change,
                            struct pn_pam_template *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .want = change };

    if (!pn_permit_project(call, change->project_id, "pam-resources", "create", err) ||
        !pn_pam_cluster_check(call, &change->way, err))
        return false;
    c.row.projectId = change->project_id;
    apply(&c.row, change);
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(&c, err);
    return read_one(call->conn, call, c.id, out, err);
}

bool pn_pam_template_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_template *out,
                         struct pn_err *err)
{
    return find(call, id, "read", out, err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_pam_cluster before, after;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    before = way_of(&c->row);
    apply(&c->row, c->want);
    after = way_of(&c->row);
    if (!pn_pam_cluster_check_way(tx, c->call, &after, err))
        return false;
    q = pn_query(tx, "UPDATE pam_templates SET name = $name, description = $description,"
                     " max_duration_s = $most, needs_reason = $reason, gateway_id = $gateway,"
                     " gateway_pool_id = $pool, updated_ms = $now WHERE id = $id");
    bind_row(q, c);
    if (!pn_query_run(q, NULL, err) || !note(tx, c, "pam-template-update", err))
        return false;
    return pn_pam_cluster_eq(&before, &after) ||
           pn_pam_session_close_template(tx, c->call, c->id,
                                         PN_LIT("The account's template was changed"), err);
}

bool pn_pam_template_update(struct pn_call *call, struct pn_uuid id,
                            const struct pn_pam_template_change *change,
                            struct pn_pam_template *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .want = change };

    if (!find(call, id, "edit", out, err) || !pn_pam_cluster_check(call, &change->way, err))
        return false;
    if (!pn_db_write(call->db, write_update, &c, err))
        return is_taken(&c, err);
    return read_one(call->conn, call, id, out, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    if (c->row.accountCount > 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Template %.*s is used by %lld accounts: give them another one first",
                       PN_ARG(c->row.name), (long long)c->row.accountCount);
    q = pn_query(tx, "DELETE FROM pam_templates WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-template-delete", err);
}

bool pn_pam_template_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_template *out,
                            struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    return find(call, id, "delete", out, err) && pn_db_write(call->db, write_delete, &c, err);
}

/* ---- list ---- */

#define LIST_WHERE "WHERE t.project_id = $project AND lower(t.name) LIKE $like ESCAPE '\\'"

static void bind_page(struct pn_query *q, struct pn_call *call, const struct pn_pam_page *page)
{
    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_str(q, "$like", pn_pam_like(call->arena, page->search));
}

bool pn_pam_template_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                          int64_t *total, struct pn_err *err)
{
    struct pn_pam_template *rows;
    struct pn_query *q;

    if (!pn_permit_project(call, page->project_id, "pam-resources", "read", err))
        return false;
    q = pn_query(call->conn, "SELECT count(*) FROM pam_templates t " LIST_WHERE);
    bind_page(q, call, page);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    rows = pn_new(call->arena, struct pn_pam_template, PN_PAM_PAGE_MAX);
    *out = (struct pn_list){ .items = rows };
    q = pn_query(call->conn, SELECT_VIEW LIST_WHERE " ORDER BY t.name LIMIT $limit OFFSET $offset");
    bind_page(q, call, page);
    pn_bind_int(q, "$limit", page->limit < PN_PAM_PAGE_MAX ? page->limit : PN_PAM_PAGE_MAX);
    pn_bind_int(q, "$offset", page->offset);
    while (out->count < PN_PAM_PAGE_MAX && pn_query_next(q))
        rows[out->count++] = read_view(q, call->arena);
    return pn_query_end(q, err);
}
