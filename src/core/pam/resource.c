/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/resource.h"

#include "core/gateway/pools.h"
#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/trail.h"
#include "crypto/random.h"
#include "crypto/x509.h"

#define SELECT_VIEW                                                                      \
    "SELECT r.id, r.project_id, r.gateway_id, r.name, g.name, r.url, r.ca_certificate, " \
    "r.is_verified,"                                                                     \
    " (SELECT count(*) FROM pam_accounts a WHERE a.resource_id = r.id), r.created_ms, "  \
    "r.updated_ms, r.gateway_pool_id, gp.name"                                           \
    " FROM pam_resources r LEFT JOIN gateways g ON g.id = r.gateway_id"                  \
    " LEFT JOIN gateway_pools gp ON gp.id = r.gateway_pool_id "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_pam_resource *out)
{
    *out = (struct pn_pam_resource){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .gatewayId = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .gatewayName = pn_column_str(q, 4, arena),
        .resourceType = PN_LIT("kubernetes"),
        .connectionDetails = { .url = pn_column_str(q, 5, arena),
                               .sslCertificate = pn_column_str(q, 6, arena),
                               .sslRejectUnauthorized = pn_column_int(q, 7) != 0 },
        .accountCount = pn_column_int(q, 8),
        .createdAt = pn_column_int(q, 9),
        .updatedAt = pn_column_int(q, 10),
        .gatewayPoolId = pn_column_uuid(q, 11),
        .gatewayPoolName = pn_column_str(q, 12, arena),
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

static bool check_ca(struct pn_call *call, struct pn_str pem, struct pn_err *err)
{
    struct pn_err fault = { 0 };
    size_t count;

    if (pem.len == 0 || pn_x509_check_bundle(pem, &count, &fault))
        return true;
    return pn_pam_invalid(call->arena, "connectionDetails.sslCertificate", fault.message, err);
}

static bool check_change(struct pn_call *call, const struct pn_pam_resource_change *change,
                         struct pn_err *err)
{
    if (change->has_ca && !check_ca(call, change->ca_certificate, err))
        return false;
    if (!pn_uuid_is_zero(change->gateway_id) && !pn_uuid_is_zero(change->pool_id))
        return pn_pam_invalid(call->arena, "gatewayPoolId",
                              "Cannot specify both a gateway and a gateway pool", err);
    if (!pn_uuid_is_zero(change->pool_id) &&
        !pn_permit_org(call, "gateway-pool", "attach-gateway-pools", err))
        return false;
    return pn_uuid_is_zero(change->gateway_id) ||
           pn_permit_org(call, "gateway", "attach-gateways", err);
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
                        { "gatewayPoolId", id_or_none(arena, c->row.gatewayPoolId) } } },
        err);
}

/* The gateway must be of the same organisation; the foreign key alone does not know that. */
static bool check_gateway(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q;
    bool is_there;

    if (!pn_uuid_is_zero(c->row.gatewayPoolId))
        return pn_pools_check(tx, c->call, c->row.gatewayPoolId, err);
    if (pn_uuid_is_zero(c->row.gatewayId))
        return true;
    q = pn_query(tx, "SELECT 1 FROM gateways WHERE id = $id AND org_id = $org");
    pn_bind_uuid(q, "$id", c->row.gatewayId);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found",
                       pn_uuid_format(c->row.gatewayId).text);
    return true;
}

static void apply(struct pn_pam_resource *row, const struct pn_pam_resource_change *want)
{
    if (want->has_name)
        row->name = want->name;
    if (want->has_url)
        row->connectionDetails.url = want->url;
    if (want->has_verified)
        row->connectionDetails.sslRejectUnauthorized = want->is_verified;
    if (want->has_ca)
        row->connectionDetails.sslCertificate =
            want->ca_certificate.len > 0 ? want->ca_certificate : PN_NONE;
    if (want->has_gateway)
        row->gatewayId = want->gateway_id;
    if (want->has_pool)
        row->gatewayPoolId = want->pool_id;
    if (!pn_uuid_is_zero(want->gateway_id)) /* one stands for the other */
        row->gatewayPoolId = (struct pn_uuid){ { 0 } };
    if (!pn_uuid_is_zero(want->pool_id))
        row->gatewayId = (struct pn_uuid){ { 0 } };
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$gateway", c->row.gatewayId);
    pn_bind_uuid(q, "$pool", c->row.gatewayPoolId);
    pn_bind_str(q, "$name", c->row.name);
    pn_bind_str(q, "$url", c->row.connectionDetails.url);
    pn_bind_int(q, "$verified", c->row.connectionDetails.sslRejectUnauthorized);
    pn_bind_str(q, "$ca", c->row.connectionDetails.sslCertificate);
    pn_bind_int(q, "$now", c->call->now_ms);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!check_gateway(tx, c, err))
        return false;
    q = pn_query(
        tx,
        "INSERT INTO pam_resources (id, project_id, gateway_id, gateway_pool_id, name, type, url, "
        "is_verified, ca_certificate,"
        " created_ms, updated_ms) VALUES ($id, $project, $gateway, $pool, $name, "
        "'kubernetes', $url, $verified,"
        " $ca, $now, $now)");
    bind_row(q, c);
    pn_bind_uuid(q, "$project", c->row.projectId);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-resource-create", err);
}

static bool is_taken(struct pn_str name, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST,
                           "A resource named %.*s already exists in this project", PN_ARG(name))
               : false;
}

bool pn_pam_resource_create(struct pn_call *call, const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .want = change };

    if (!pn_permit_project(call, change->project_id, "pam-resources", "create", err) ||
        !check_change(call, change, err))
        return false;
    c.row.projectId = change->project_id;
    apply(&c.row, change);
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(c.row.name, err);
    return read_one(call->conn, call, c.id, out, err);
}

bool pn_pam_resource_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                         struct pn_err *err)
{
    return find(call, id, "read", out, err);
}

/* Is it still the cluster, and the way to it, that live sessions were opened for? */
static bool is_same_cluster(const struct pn_pam_resource *a, const struct pn_pam_resource *b)
{
    return pn_uuid_eq(a->gatewayId, b->gatewayId) &&
           pn_str_eq(a->connectionDetails.url, b->connectionDetails.url) &&
           pn_str_eq(a->connectionDetails.sslCertificate, b->connectionDetails.sslCertificate) &&
           a->connectionDetails.sslRejectUnauthorized == b->connectionDetails.sslRejectUnauthorized;
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_pam_resource before;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    before = c->row;
    apply(&c->row, c->want);
    if (!check_gateway(tx, c, err))
        return false;
    q = pn_query(tx, "UPDATE pam_resources SET gateway_id = $gateway, gateway_pool_id = $pool, "
                     "name = $name, url = $url, "
                     "is_verified = $verified,"
                     " ca_certificate = $ca, updated_ms = $now WHERE id = $id");
    bind_row(q, c);
    if (!pn_query_run(q, NULL, err) || !note(tx, c, "pam-resource-update", err))
        return false;
    return is_same_cluster(&before, &c->row) ||
           pn_pam_session_close_resource(tx, c->call, c->id, PN_LIT("The resource was changed"),
                                         err);
}

bool pn_pam_resource_update(struct pn_call *call, struct pn_uuid id,
                            const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .want = change };

    if (!find(call, id, "edit", out, err) || !check_change(call, change, err))
        return false;
    if (!pn_db_write(call->db, write_update, &c, err))
        return is_taken(c.row.name, err);
    return read_one(call->conn, call, id, out, err);
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
    q = pn_query(call->conn, SELECT_VIEW LIST_WHERE " ORDER BY r.name LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_str(q, "$like", like);
    pn_bind_int(q, "$limit", page->limit < PN_PAM_PAGE_MAX ? page->limit : PN_PAM_PAGE_MAX);
    pn_bind_int(q, "$offset", page->offset);
    while (out->count < PN_PAM_PAGE_MAX && pn_query_next(q))
        read_view(q, call->arena, &rows[out->count++]);
    return pn_query_end(q, err);
}
