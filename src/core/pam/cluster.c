/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/cluster.h"

#include "core/gateway/attach.h"
#include "core/gateway/pools.h"
#include "core/pam/rules.h"
#include "crypto/x509.h"

static bool check_ca(struct pn_call *call, struct pn_str pem, struct pn_err *err)
{
    struct pn_err fault = { 0 };
    size_t count;

    if (pem.len == 0 || pn_x509_check_bundle(pem, &count, &fault))
        return true;
    return pn_pam_invalid(call->arena, "connectionDetails.sslCertificate", fault.message, err);
}

bool pn_pam_cluster_check(struct pn_call *call, const struct pn_pam_cluster_change *change,
                          struct pn_err *err)
{
    if (change->has_ca && !check_ca(call, change->ca_certificate, err))
        return false;
    if (!pn_uuid_is_zero(change->gateway_id) && !pn_uuid_is_zero(change->pool_id))
        return pn_pam_invalid(call->arena, "gatewayPoolId",
                              "Cannot specify both a gateway and a gateway pool", err);
    return pn_attach_permit(call, change->gateway_id, change->pool_id, err);
}

void pn_pam_cluster_apply(struct pn_pam_cluster *cluster,
                          const struct pn_pam_cluster_change *change)
{
    if (change->has_url)
        cluster->connection.url = change->url;
    if (change->has_verified)
        cluster->connection.sslRejectUnauthorized = change->is_verified;
    if (change->has_ca)
        cluster->connection.sslCertificate =
            change->ca_certificate.len > 0 ? change->ca_certificate : PN_NONE;
    if (change->has_gateway)
        cluster->gateway_id = change->gateway_id;
    if (change->has_pool)
        cluster->pool_id = change->pool_id;
    if (!pn_uuid_is_zero(change->gateway_id)) /* one stands for the other */
        cluster->pool_id = (struct pn_uuid){ { 0 } };
    if (!pn_uuid_is_zero(change->pool_id))
        cluster->gateway_id = (struct pn_uuid){ { 0 } };
}

bool pn_pam_cluster_check_way(struct pn_db_conn *tx, const struct pn_call *call,
                              const struct pn_pam_cluster *cluster, struct pn_err *err)
{
    struct pn_query *q;
    bool is_there;

    if (!pn_uuid_is_zero(cluster->pool_id))
        return pn_pools_check(tx, call, cluster->pool_id, err);
    if (pn_uuid_is_zero(cluster->gateway_id))
        return true;
    q = pn_query(tx, "SELECT 1 FROM gateways WHERE id = $id AND org_id = $org");
    pn_bind_uuid(q, "$id", cluster->gateway_id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found",
                       pn_uuid_format(cluster->gateway_id).text);
    return true;
}

bool pn_pam_cluster_eq(const struct pn_pam_cluster *a, const struct pn_pam_cluster *b)
{
    return pn_uuid_eq(a->gateway_id, b->gateway_id) && pn_uuid_eq(a->pool_id, b->pool_id) &&
           pn_str_eq(a->connection.url, b->connection.url) &&
           pn_str_eq(a->connection.sslCertificate, b->connection.sslCertificate) &&
           a->connection.sslRejectUnauthorized == b->connection.sslRejectUnauthorized;
}

static bool has_way(const struct pn_pam_cluster *cluster)
{
    return !pn_uuid_is_zero(cluster->gateway_id) || !pn_uuid_is_zero(cluster->pool_id);
}

struct pn_pam_cluster pn_pam_cluster_choose(const struct pn_pam_clusters *from)
{
    const struct pn_pam_cluster *own = &from->own;
    const struct pn_pam_cluster *way = has_way(own)                  ? own
                                       : has_way(&from->of_template) ? &from->of_template
                                                                     : &from->of_resource;

    return (struct pn_pam_cluster){
        .connection = own->connection.url.len > 0 ? own->connection : from->of_resource.connection,
        .gateway_id = way->gateway_id,
        .pool_id = way->pool_id,
    };
}

/* Of the columns url, is_verified, ca_certificate. */
static struct pn_pam_connection read_connection(struct pn_query *q, int first,
                                                struct pn_arena *arena)
{
    struct pn_str url = pn_column_str(q, first, arena);

    return (struct pn_pam_connection){ .url = url.len > 0 ? url : PN_NONE,
                                       .sslRejectUnauthorized = pn_column_int(q, first + 1) != 0,
                                       .sslCertificate = pn_column_str(q, first + 2, arena) };
}

struct pn_pam_clusters pn_pam_cluster_read(struct pn_query *q, int first, struct pn_arena *arena)
{
    return (struct pn_pam_clusters){
        .own = { .connection = read_connection(q, first, arena),
                 .gateway_id = pn_column_uuid(q, first + 3),
                 .pool_id = pn_column_uuid(q, first + 4) },
        .of_template = { .gateway_id = pn_column_uuid(q, first + 5),
                         .pool_id = pn_column_uuid(q, first + 6) },
        .of_resource = { .connection = read_connection(q, first + 7, arena),
                         .gateway_id = pn_column_uuid(q, first + 10),
                         .pool_id = pn_column_uuid(q, first + 11) },
    };
}
