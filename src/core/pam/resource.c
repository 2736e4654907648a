/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/resource.h"

#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/trail.h"
#include "crypto/random.h"

#define SELECT_VIEW                                                                      \
    "SELECT r.id, r.project_id, r.gateway_id, r.name, g.name, r.url, r.ca_certificate, " \
    "r.is_verified,"                                                                     \
    " (SELECT count(*) FROM pam_accounts a WHERE a.resource_id = r.id), r.created_ms, "  \
    "r.updated_ms, r.gateway_pool_id, gp.name, r.description"                            \
    " FROM pam_resources r LEFT JOIN gateways g ON g.id = r.gateway_id"                  \
    " LEFT JOIN gateway_pools gp ON gp.id = r.gateway_pool_id "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_pam_resource *out)
{
    struct pn_str url = pn_column_str(q, 5, arena);

    *out = (struct pn_pam_resource){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .gatewayId = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .gatewayName = pn_column_str(q, 4, arena),
        .resourceType = PN_LIT("kubernetes"),
        .connectionDetails = { .url = url.len > 0 ? url : PN_NONE,
                               .sslCertificate = pn_column_str(q, 6, arena),
                               .sslRejectUnauthorized = pn_column_int(q, 7) != 0 },
        .accountCount = pn_column_int(q, 8),
        .createdAt = pn_column_int(q, 9),
        .updatedAt = pn_column_int(q, 10),
        .gatewayPoolId = pn_column_uuid(q, 11),
        .gatewayPoolName = pn_column_str(q, 12, arena),
        .description = pn_column_str(q, 13, arena),
    };
}

static bool refuse_missing(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Resource %s not found", pn_uuid_format(id).text);
}

static bool read_one(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                     struct pn_pam_resource *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT_VIEW "JOIN projects p ON p.id = r.project_id"
                                                    " WHERE r.id = $id AND p.org_id = $org");
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (is_there)
        read_view(q, call->arena, out);
    if (!pn_query_end(q, err))
        return false;
    return is_there || refuse_missing(id, err);
}

bool pn_pam_resource_find(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                          struct pn_uuid project, struct pn_pam_resource *out, struct pn_err *err)
{
    return read_one(conn, call, id, out, err) &&
           (pn_uuid_eq(out->projectId, project) || refuse_missing(id, err));
}

/* Finds it, for an actor who may read it; others are told that it does not exist. */
static bool find(struct pn_call *call, struct pn_uuid id, const char *action,
                 struct pn_pam_resource *out, struct pn_err *err)
{
    struct pn_err refusal = { 0 };

    if (!read_one(call->conn, call, id, out, err))
        return false;
    if (!pn_permit_project(call, out->projectId, "pam-resources", "read", &refusal))
        return refuse_missing(id, err);
    return pn_permit_project(call, out->projectId, "pam-resources", action, err);
}

struct change {
    struct pn_call *call;
    struct pn_uuid id;
    const struct pn_pam_resource_change *want;
    struct pn_pam_resource row;
};

static struct pn_str id_or_none(struct pn_arena *arena, struct pn_uuid id)
{
    return pn_uuid_is_zero(id) ? PN_NONE : pn_uuid_str(arena, id);
}

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = type,
            .project_id = c->row.projectId,
            .fields = { { "resourceId", pn_uuid_str(arena, c->id) },
                        { "resourceType", PN_LIT("kubernetes") },
                        { "name", c->row.name },
                        { "url", c->row.connectionDetails.url },
                        { "gatewayId", id_or_none(arena, c->row.gatewayId) },
                        { "gatewayPoolId", id_or_none(arena, c->row.gatewayPoolId) },
                        { "connectionTest", c->row.connectionTest.status } } },
        err);
}

static struct pn_pam_cluster cluster_of(const struct pn_pam_resource *row)
{
    return (struct pn_pam_cluster){ .connection = row->connectionDetails,
                                    .gateway_id = row->gatewayId,
                                    .pool_id = row->gatewayPoolId };
}

static void apply(struct pn_pam_resource *row, const struct pn_pam_resource_change *want)
{
    struct pn_pam_cluster cluster = cluster_of(row);

    if (want->has_name)
        row->name = want->name;
    if (want->has_description)
        row->description = want->description.len > 0 ? want->description : PN_NONE;
    pn_pam_cluster_apply(&cluster, &want->cluster);
    row->connectionDetails = cluster.connection;
    row->gatewayId = cluster.gateway_id;
    row->gatewayPoolId = cluster.pool_id;
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$gateway", c->row.gatewayId);
    pn_bind_uuid(q, "$pool", c->row.gatewayPoolId);
    pn_bind_str(q, "$name", c->row.name);
    pn_bind_str(q, "$description", c->row.description);
    pn_bind_str(q, "$url",
                c->row.connectionDetails.url.ptr != NULL ? c->row.connectionDetails.url
                                                         : PN_LIT(""));
    pn_bind_int(q, "$verified", c->row.connectionDetails.sslRejectUnauthorized);
    pn_bind_str(q, "$ca", c->row.connectionDetails.sslCertificate);
    pn_bind_int(q, "$now", c->call->now_ms);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    const struct pn_pam_cluster cluster = cluster_of(&c->row);
    struct pn_query *q;

    if (!pn_pam_cluster_check_way(tx, c->call, &cluster, err))
        return false;
    q = pn_query(
        tx,
        "INSERT INTO pam_resources (id, project_id, gateway_id, gateway_pool_id, name, description,"
        " type, url, is_verified, ca_certificate, created_ms, updated_ms) VALUES ($id, $project,"
        " $gateway, $pool, $name, $description, 'kubernetes', $url, $verified, $ca, $now, $now)");
    bind_row(q, c);
    pn_bind_uuid(q, "$project", c->row.projectId);
    return pn_query_run(q, NULL, err) &&
           note(tx, c, c->want->is_folder ? "pam-folder-create" : "pam-resource-create", err);
}

static bool is_taken(const struct change *c, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "A %s named %.*s already exists in this project",
                           c->want->is_folder ? "folder" : "resource", PN_ARG(c->row.name))
               : false;
}

/* Tried as it will be, before it is stored: nothing is written for what cannot work. */
static bool try_cluster(struct change *c, struct pn_err *err)
{
    const struct pn_pam_cluster cluster = cluster_of(&c->row);
    const struct pn_pam_probe probe = { .cluster = &cluster, .is_skipped = c->want->skips_test };

    return pn_pam_probe(c->call, &probe, &c->row.connectionTest, err);
}

static bool read_saved(struct change *c, struct pn_pam_resource *out, struct pn_err *err)
{
    const struct pn_pam_probe_result test = c->row.connectionTest;

    if (!read_one(c->call->conn, c->call, c->id, out, err))
        return false;
    out->connectionTest = test;
    out->has_test = test.status.ptr != NULL;
    return true;
}

bool pn_pam_resource_create(struct pn_call *call, const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .want = change };

    if (!pn_permit_project(call, change->project_id, "pam-resources", "create", err) ||
        !pn_pam_cluster_check(call, &change->cluster, err))
        return false;
    c.row.projectId = change->project_id;
    apply(&c.row, change);
    if (!try_cluster(&c, err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(&c, err);
    return read_saved(&c, out, err);
}

bool pn_pam_resource_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                         struct pn_err *err)
{
    return find(call, id, "read", out, err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    const struct pn_pam_probe_result test = c->row.connectionTest;
    struct pn_pam_cluster before, after;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    before = cluster_of(&c->row);
    apply(&c->row, c->want);
    c->row.connectionTest = test;
    after = cluster_of(&c->row);
    if (!pn_pam_cluster_check_way(tx, c->call, &after, err))
        return false;
    q = pn_query(tx, "UPDATE pam_resources SET gateway_id = $gateway, gateway_pool_id = $pool,"
                     " name = $name, description = $description, url = $url, is_verified ="
                     " $verified, ca_certificate = $ca, updated_ms = $now WHERE id = $id");
    bind_row(q, c);
    if (!pn_query_run(q, NULL, err) ||
        !note(tx, c, c->want->is_folder ? "pam-folder-update" : "pam-resource-update", err))
        return false;
    return pn_pam_cluster_eq(&before, &after) ||
           pn_pam_session_close_resource(tx, c->call, c->id, PN_LIT("The resource was changed"),
                                         err);
}

static bool is_same_cluster(const struct pn_pam_resource *a, const struct pn_pam_resource *b)
{
    const struct pn_pam_cluster one = cluster_of(a), other = cluster_of(b);

    return pn_pam_cluster_eq(&one, &other);
}

bool pn_pam_resource_update(struct pn_call *call, struct pn_uuid id,
                            const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .want = change };

    if (!find(call, id, "edit", out, err) || !pn_pam_cluster_check(call, &change->cluster, err))
        return false;
    c.row = *out;
    apply(&c.row, change);
    if (!is_same_cluster(out, &c.row) && !try_cluster(&c, err))
        return false;
    if (!pn_db_write(call->db, write_update, &c, err))
        return is_taken(&c, err);
    return read_saved(&c, out, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err) ||
        !pn_pam_session_close_resource(tx, c->call, c->id, PN_LIT("The resource was deleted"), err))
        return false;
    q = pn_query(tx, "DELETE FROM pam_resources WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-resource-delete", err);
}

bool pn_pam_resource_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                            struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    return find(call, id, "delete", out, err) && pn_db_write(call->db, write_delete, &c, err);
}

static bool write_delete_folder(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    if (c->row.accountCount > 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Folder %.*s has %lld accounts: delete them or move them first",
                       PN_ARG(c->row.name), (long long)c->row.accountCount);
    q = pn_query(tx, "DELETE FROM pam_resources WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-folder-delete", err);
}

bool pn_pam_folder_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                          struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    return find(call, id, "delete", out, err) &&
           pn_db_write(call->db, write_delete_folder, &c, err);
}

#define LIST_WHERE "WHERE r.project_id = $project AND lower(r.name) LIKE $like ESCAPE '\\'"

static bool count_all(struct pn_call *call, const struct pn_pam_page *page, struct pn_str like,
                      int64_t *total, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT count(*) FROM pam_resources r " LIST_WHERE);

    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_str(q, "$like", like);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

bool pn_pam_resource_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                          int64_t *total, struct pn_err *err)
{
    struct pn_str like = pn_pam_like(call->arena, page->search);
    struct pn_pam_resource *rows;
    struct pn_query *q;

    if (!pn_permit_project(call, page->project_id, "pam-resources", "read", err) ||
        !count_all(call, page, like, total, err))
        return false;
    rows = pn_new(call->arena, struct pn_pam_resource, PN_PAM_PAGE_MAX);
    *out = (struct pn_list){ .items = rows };
    q = pn_query(call->conn, page->is_descending ? SELECT_VIEW LIST_WHERE
                                 " ORDER BY r.name DESC LIMIT $limit OFFSET $offset"
                                                 : SELECT_VIEW LIST_WHERE
                                 " ORDER BY r.name LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_str(q, "$like", like);
    pn_bind_int(q, "$limit", page->limit < PN_PAM_PAGE_MAX ? page->limit : PN_PAM_PAGE_MAX);
    pn_bind_int(q, "$offset", page->offset);
    while (out->count < PN_PAM_PAGE_MAX && pn_query_next(q))
        read_view(q, call->arena, &rows[out->count++]);
    return pn_query_end(q, err);
}

/* ---- the project of the current form ---- */

bool pn_pam_project_of(struct pn_call *call, struct pn_uuid wanted, struct pn_uuid *out,
                       struct pn_err *err)
{
    struct pn_query *q;
    int count = 0;

    *out = wanted;
    if (!pn_uuid_is_zero(wanted))
        return true;
    q = pn_query(call->conn,
                 "SELECT p.id FROM projects p WHERE p.org_id = $org AND p.type = 'pam' AND EXISTS"
                 " (SELECT 1 FROM project_members m WHERE m.project_id = p.id"
                 " AND (m.user_id = $actor OR m.identity_id = $actor)) LIMIT 2");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$actor", call->actor.id);
    for (; pn_query_next(q); count++)
        *out = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return count == 1 || pn_fail(err, PN_BAD_REQUEST,
                                 count == 0 ? "You are a member of no project for Kubernetes access"
                                            : "Several of your projects are for Kubernetes access: "
                                              "add projectId");
}
