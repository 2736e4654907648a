/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/tunnels.h"

#include "db/db.h"

#define MAX_RELAYS 64 /* of one gateway, in an answer */

static bool add_one(struct pn_db_conn *tx, const struct pn_call *call, struct pn_uuid gateway,
                    bool *is_known, struct pn_err *err)
{
    int64_t changed;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO tunnels (relay_id, gateway_id, seen_ms) SELECT $relay, id, $now"
                     " FROM gateways WHERE id = $gateway AND org_id = $org AND is_enrolled = 1"
                     " ON CONFLICT (relay_id, gateway_id) DO UPDATE SET seen_ms = $now");

    pn_bind_uuid(q, "$relay", call->actor.id);
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_uuid(q, "$gateway", gateway);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    *is_known = changed > 0;
    return true;
}

bool pn_tunnels_report(struct pn_db_conn *tx, const struct pn_call *call,
                       const struct pn_uuid *gateways, size_t count, struct pn_uuid *refused,
                       size_t *refused_count, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM tunnels WHERE relay_id = $relay");

    pn_bind_uuid(q, "$relay", call->actor.id);
    if (!pn_query_run(q, NULL, err))
        return false;
    *refused_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_known;

        if (!add_one(tx, call, gateways[i], &is_known, err))
            return false;
        if (!is_known)
            refused[(*refused_count)++] = gateways[i];
    }
    return true;
}

static bool find_relays(struct pn_call *call, struct pn_uuid gateway, struct pn_strs *out,
                        struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT r.host FROM tunnels t JOIN relays r ON r.id = t.relay_id"
                             " WHERE t.gateway_id = $gateway AND t.seen_ms > $since"
                             " ORDER BY r.name LIMIT $limit");

    pn_bind_uuid(q, "$gateway", gateway);
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_int(q, "$limit", MAX_RELAYS);
    *out = (struct pn_strs){ .items = pn_new(call->arena, struct pn_str, MAX_RELAYS) };
    while (out->count < MAX_RELAYS && pn_query_next(q))
        out->items[out->count++] = pn_column_str(q, 0, call->arena);
    return pn_query_end(q, err);
}

static bool find_direct(struct pn_call *call, struct pn_uuid gateway, struct pn_str *out,
                        struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT direct_address FROM gateways WHERE id = $gateway"
                             " AND is_enrolled = 1 AND direct_heartbeat_ms > $since");

    pn_bind_uuid(q, "$gateway", gateway);
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    *out = pn_query_next(q) ? pn_column_str(q, 0, call->arena) : PN_NONE;
    return pn_query_end(q, err);
}

bool pn_tunnels_find(struct pn_call *call, struct pn_uuid gateway, struct pn_tunnels_road *out,
                     struct pn_err *err)
{
    struct pn_tunnels_road road = { 0 };

    if (!find_relays(call, gateway, &road.relays, err) ||
        !find_direct(call, gateway, &road.direct_address, err))
        return pn_within(err, "looking for the gateway's tunnels");
    road.is_open = road.relays.count > 0 || road.direct_address.ptr != NULL;
    *out = road;
    return true;
}
