/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/pools.h"

#include "core/gateway/tunnels.h"
#include "core/org/permission.h"
#include "core/trail.h"
#include "crypto/random.h"

/* A heartbeat counts twice as long as it promises (contract §4, "ours"). */
#define HEARTBEAT_TTL_S (PN_TUNNELS_FRESH_MS / 2000)

/* The same as connected in core/gateway/gateways.c. */
#define IS_CONNECTED                                                                  \
    "(g.is_enrolled = 1 AND (COALESCE(g.direct_heartbeat_ms, 0) > $since OR EXISTS (" \
    "SELECT 1 FROM tunnels t WHERE t.gateway_id = g.id AND t.seen_ms > $since)))"

/* What names the pool: of Kubernetes access, machine identities that log in by their cluster's word, leases. */
#define REFERRERS                                                                              \
    "(SELECT r.id AS id, r.project_id AS project_id, r.name AS name, 'pam-resource' AS kind,"  \
    " r.gateway_pool_id AS pool_id FROM pam_resources r UNION ALL"                             \
    " SELECT a.id, a.project_id, a.name, 'pam-account', a.gateway_pool_id FROM pam_accounts a" \
    " UNION ALL SELECT t.id, t.project_id, t.name, 'pam-template', t.gateway_pool_id"          \
    " FROM pam_templates t UNION ALL"                                                          \
    " SELECT i.id, NULL, i.name, 'kubernetes-auth', k.pool_id FROM kubernetes_auths k"         \
    " JOIN identity_auths a ON a.id = k.auth_id JOIN identities i ON i.id = a.identity_id"     \
    " UNION ALL SELECT DISTINCT l.dynamic_secret_id, NULL, COALESCE(d.name, '(deleted)'),"     \
    " 'dynamic-secret', l.pool_id FROM lease_configs l LEFT JOIN dynamic_secrets d"            \
    " ON d.id = l.dynamic_secret_id WHERE l.pool_id IS NOT NULL) f "

#define SELECT_VIEW                                               \
    "SELECT p.id, p.org_id, p.name, p.created_ms, p.updated_ms,"  \
    " (SELECT count(*) FROM " REFERRERS "WHERE f.pool_id = p.id)" \
    " FROM gateway_pools p WHERE p.org_id = $org "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_pool *out)
{
    *out = (struct pn_pool){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .createdAt = pn_column_int(q, 3),
        .updatedAt = pn_column_int(q, 4),
        .connectedResourcesCount = pn_column_int(q, 5),
    };
}

static bool read_members(const struct pn_call *call, struct pn_db_conn *conn, struct pn_pool *pool,
                         struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT g.id, g.name, g.heartbeat_ms, " IS_CONNECTED
                       " FROM gateway_pool_members m JOIN gateways g ON g.id = m.gateway_id"
                       " WHERE m.pool_id = $pool ORDER BY g.name LIMIT $limit");
    struct pn_pool_gateway *members =
        pn_new(call->arena, struct pn_pool_gateway, PN_POOL_MEMBERS_MAX);

    pool->gateways = (struct pn_list){ .items = members };
    pool->memberGatewayIds.items = pn_new(call->arena, struct pn_str, PN_POOL_MEMBERS_MAX);
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_uuid(q, "$pool", pool->id);
    pn_bind_int(q, "$limit", PN_POOL_MEMBERS_MAX);
    while (pool->gateways.count < PN_POOL_MEMBERS_MAX && pn_query_next(q)) {
        struct pn_pool_gateway *member = &members[pool->gateways.count++];

        *member = (struct pn_pool_gateway){ .id = pn_column_uuid(q, 0),
                                            .name = pn_column_str(q, 1, call->arena),
                                            .heartbeat = pn_column_int(q, 2),
                                            .isConnected = pn_column_int(q, 3) != 0 };
        member->heartbeatTTL = member->isConnected ? HEARTBEAT_TTL_S : 0;
        pool->memberCount++;
        pool->healthyMemberCount += member->isConnected;
        pool->memberGatewayIds.items[pool->memberGatewayIds.count++] =
            pn_uuid_str(call->arena, member->id);
    }
    return pn_query_end(q, err);
}

static bool refuse_missing(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Gateway pool with ID %s not found", pn_uuid_format(id).text);
}

static bool find_of(const struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid org,
                    struct pn_uuid id, struct pn_pool *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT_VIEW "AND p.id = $id");
    bool is_there;

    pn_bind_uuid(q, "$org", org);
    pn_bind_uuid(q, "$id", id);
    is_there = pn_query_next(q);
    if (is_there)
        read_view(q, call->arena, out);
    if (!pn_query_end(q, err))
        return false;
    return is_there ? read_members(call, conn, out, err) : refuse_missing(id, err);
}

static bool find(const struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid id,
                 struct pn_pool *out, struct pn_err *err)
{
    return find_of(call, conn, call->actor.org_id, id, out, err);
}

/* ---- reading ---- */

bool pn_pools_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_pool *pools = pn_new(call->arena, struct pn_pool, PN_POOLS_MAX);
    struct pn_query *q;

    if (!pn_permit_org(call, "gateway-pool", "list-gateway-pools", err))
        return false;
    *out = (struct pn_list){ .items = pools };
    q = pn_query(call->conn, SELECT_VIEW "ORDER BY p.name LIMIT $limit");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$limit", PN_POOLS_MAX);
    while (out->count < PN_POOLS_MAX && pn_query_next(q))
        read_view(q, call->arena, &pools[out->count++]);
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < out->count; i++)
        if (!read_members(call, call->conn, &pools[i], err))
            return false;
    return true;
}

bool pn_pools_get(struct pn_call *call, struct pn_uuid id, struct pn_pool *out, struct pn_err *err)
{
    return pn_permit_org(call, "gateway-pool", "list-gateway-pools", err) &&
           find(call, call->conn, id, out, err);
}

bool pn_pools_check(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid pool,
                    struct pn_err *err)
{
    struct pn_pool found;

    return find(call, conn, pool, &found, err);
}

bool pn_pools_referrers(struct pn_call *call, struct pn_uuid id, struct pn_list *out,
                        struct pn_err *err)
{
    struct pn_pool_referrer *rows;
    struct pn_pool pool;
    struct pn_query *q;

    if (!pn_pools_get(call, id, &pool, err))
        return false;
    rows = pn_new(call->arena, struct pn_pool_referrer, PN_SHAPE_ITEMS);
    *out = (struct pn_list){ .items = rows };
    q = pn_query(call->conn, "SELECT f.id, f.project_id, f.name, f.kind FROM " REFERRERS
                             "WHERE f.pool_id = $pool ORDER BY f.name, f.id LIMIT $limit");
    pn_bind_uuid(q, "$pool", id);
    pn_bind_int(q, "$limit", PN_SHAPE_ITEMS);
    while (out->count < PN_SHAPE_ITEMS && pn_query_next(q))
        rows[out->count++] = (struct pn_pool_referrer){ .id = pn_column_uuid(q, 0),
                                                        .projectId = pn_column_uuid(q, 1),
                                                        .name = pn_column_str(q, 2, call->arena),
                                                        .kind = pn_column_str(q, 3, call->arena) };
    return pn_query_end(q, err);
}

static void shuffle(struct pn_uuid *ids, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = pn_random_below((uint32_t)i);
        struct pn_uuid kept = ids[i - 1];

        ids[i - 1] = ids[other];
        ids[other] = kept;
    }
}

bool pn_pools_reachable(struct pn_call *call, struct pn_uuid org, struct pn_uuid pool,
                        struct pn_list *out, struct pn_err *err)
{
    struct pn_uuid *ids = pn_new(call->arena, struct pn_uuid, PN_POOL_MEMBERS_MAX);
    const struct pn_pool_gateway *members;
    struct pn_pool found;

    if (!find_of(call, call->conn, org, pool, &found, err))
        return false;
    members = found.gateways.items;
    *out = (struct pn_list){ .items = ids };
    for (size_t i = 0; i < found.gateways.count; i++)
        if (members[i].isConnected)
            ids[out->count++] = members[i].id;
    shuffle(ids, out->count);
    return true;
}

/* ---- changes ---- */

struct change {
    struct pn_call *call;
    struct pn_uuid id, gateway;
    struct pn_str name;
    struct pn_pool pool; /* as it was */
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = type,
                            .fields = { { "poolId", pn_uuid_str(arena, c->id) },
                                        { "name", c->name },
                                        { "gatewayId", pn_uuid_is_zero(c->gateway)
                                                           ? PN_NONE
                                                           : pn_uuid_str(arena, c->gateway) } } },
        err);
}

/* The pool as it is, whose name the record carries. */
static bool load(struct pn_db_conn *tx, struct change *c, struct pn_err *err)
{
    if (!find(c->call, tx, c->id, &c->pool, err))
        return false;
    c->name = c->pool.name;
    return true;
}

static bool check_count(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM gateway_pools WHERE org_id = $org");
    int64_t count;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    return count < PN_POOLS_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "An organisation has at most %d gateway pools",
                   PN_POOLS_MAX);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!check_count(tx, c->call, err))
        return false;
    q = pn_query(tx, "INSERT INTO gateway_pools (id, org_id, name, created_ms, updated_ms)"
                     " VALUES ($id, $org, $name, $now, $now)");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    pn_bind_str(q, "$name", c->name);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) && note(tx, c, "gateway-pool-create", err);
}

static bool is_taken(struct pn_str name, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "A gateway pool named %.*s already exists",
                           PN_ARG(name))
               : false;
}

bool pn_pools_create(struct pn_call *call, struct pn_str name, struct pn_pool *out,
                     struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .name = name };

    if (!pn_permit_org(call, "gateway-pool", "create-gateway-pools", err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(name, err);
    return find(call, call->conn, c.id, out, err);
}

static bool write_rename(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!find(c->call, tx, c->id, &c->pool, err))
        return false;
    q = pn_query(tx, "UPDATE gateway_pools SET name = $name, updated_ms = $now WHERE id = $id");
    pn_bind_str(q, "$name", c->name);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "gateway-pool-update", err);
}

bool pn_pools_rename(struct pn_call *call, struct pn_uuid id, struct pn_str name,
                     struct pn_pool *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .name = name };

    if (!pn_permit_org(call, "gateway-pool", "edit-gateway-pools", err))
        return false;
    if (!pn_db_write(call->db, write_rename, &c, err))
        return is_taken(name, err);
    return find(call, call->conn, id, out, err);
}

/* The first of those that name it, for who wants to delete it. */
static bool find_first(struct pn_db_conn *tx, const struct change *c, struct pn_str *kind,
                       struct pn_str *name, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT CASE f.kind WHEN 'pam-resource' THEN 'resource'"
                     " WHEN 'pam-account' THEN 'account' WHEN 'pam-template' THEN 'template'"
                     " WHEN 'kubernetes-auth' THEN 'identity'"
                     " WHEN 'dynamic-secret' THEN 'dynamic secret' ELSE f.kind END,"
                     " f.name FROM " REFERRERS
                     "WHERE f.pool_id = $pool ORDER BY f.kind DESC, f.name LIMIT 1");

    *kind = *name = PN_NONE;
    pn_bind_uuid(q, "$pool", c->id);
    if (pn_query_next(q)) {
        *kind = pn_column_str(q, 0, c->call->arena);
        *name = pn_column_str(q, 1, c->call->arena);
    }
    return pn_query_end(q, err);
}

static bool check_unused(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    int64_t count = c->pool.connectedResourcesCount;
    struct pn_str kind, name;

    if (count == 0)
        return true;
    if (!find_first(tx, c, &kind, &name, err))
        return false;
    if (count == 1)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Gateway pool %.*s is used by the %.*s %.*s: give it another first",
                       PN_ARG(c->name), PN_ARG(kind), PN_ARG(name));
    return pn_fail(err, PN_BAD_REQUEST,
                   "Gateway pool %.*s is used by %lld others (the %.*s %.*s, …): give them another"
                   " first",
                   PN_ARG(c->name), (long long)count, PN_ARG(kind), PN_ARG(name));
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!load(tx, c, err))
        return false;
    if (!check_unused(tx, c, err))
        return false;
    q = pn_query(tx, "DELETE FROM gateway_pools WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "gateway-pool-delete", err);
}

bool pn_pools_delete(struct pn_call *call, struct pn_uuid id, struct pn_pool *out,
                     struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "gateway-pool", "delete-gateway-pools", err) ||
        !pn_db_write(call->db, write_delete, &c, err))
        return false;
    *out = c.pool;
    return true;
}

/* ---- members ---- */

static bool check_gateway(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT 1 FROM gateways WHERE id = $id AND org_id = $org");
    bool is_there;

    pn_bind_uuid(q, "$id", c->gateway);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_there || pn_fail(err, PN_NOT_FOUND, "Gateway with ID %s not found",
                               pn_uuid_format(c->gateway).text);
}

static bool write_add(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;
    int64_t added;

    if (!load(tx, c, err) || !check_gateway(tx, c, err))
        return false;
    if (c->pool.memberCount >= PN_POOL_MEMBERS_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "A pool has at most %d gateways", PN_POOL_MEMBERS_MAX);
    q = pn_query(tx,
                 "INSERT INTO gateway_pool_members (pool_id, gateway_id, created_ms)"
                 " VALUES ($pool, $gateway, $now) ON CONFLICT (pool_id, gateway_id) DO NOTHING");
    pn_bind_uuid(q, "$pool", c->id);
    pn_bind_uuid(q, "$gateway", c->gateway);
    pn_bind_int(q, "$now", c->call->now_ms);
    if (!pn_query_run(q, &added, err))
        return false;
    return added == 0 || note(tx, c, "gateway-pool-add-member", err);
}

bool pn_pools_add(struct pn_call *call, struct pn_uuid id, struct pn_uuid gateway,
                  struct pn_pool *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .gateway = gateway };

    return pn_permit_org(call, "gateway-pool", "edit-gateway-pools", err) &&
           pn_permit_org(call, "gateway", "attach-gateways", err) &&
           pn_db_write(call->db, write_add, &c, err) && find(call, call->conn, id, out, err);
}

static bool write_remove(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;
    int64_t removed;

    if (!load(tx, c, err))
        return false;
    q = pn_query(tx, "DELETE FROM gateway_pool_members WHERE pool_id = $pool"
                     " AND gateway_id = $gateway");
    pn_bind_uuid(q, "$pool", c->id);
    pn_bind_uuid(q, "$gateway", c->gateway);
    if (!pn_query_run(q, &removed, err))
        return false;
    if (removed == 0)
        return pn_fail(err, PN_NOT_FOUND, "Gateway with ID %s is not in the pool",
                       pn_uuid_format(c->gateway).text);
    return note(tx, c, "gateway-pool-remove-member", err);
}

bool pn_pools_remove(struct pn_call *call, struct pn_uuid id, struct pn_uuid gateway,
                     struct pn_pool *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .gateway = gateway };

    return pn_permit_org(call, "gateway-pool", "edit-gateway-pools", err) &&
           pn_db_write(call->db, write_remove, &c, err) && find(call, call->conn, id, out, err);
}
