/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/attach.h"

#include "core/org/permission.h"
#include "db/db.h"

static const char gateway_sql[] = "SELECT 1 FROM gateways WHERE id = $id AND org_id = $org";
static const char pool_sql[] = "SELECT 1 FROM gateway_pools WHERE id = $id AND org_id = $org";

static bool find(struct pn_call *call, const char *sql, const char *what, struct pn_uuid id,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, sql);
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_there ||
           pn_fail(err, PN_NOT_FOUND, "%s with ID %s not found", what, pn_uuid_format(id).text);
}

bool pn_attach_permit(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid pool,
                      struct pn_err *err)
{
    if (!pn_uuid_is_zero(pool) && !pn_permit_org(call, "gateway-pool", "attach-gateway-pools", err))
        return false;
    return pn_uuid_is_zero(gateway) || pn_permit_org(call, "gateway", "attach-gateways", err);
}

bool pn_attach_check(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid pool,
                     struct pn_err *err)
{
    if (!pn_uuid_is_zero(pool) && !find(call, pool_sql, "Gateway pool", pool, err))
        return false;
    if (!pn_uuid_is_zero(gateway) && !find(call, gateway_sql, "Gateway", gateway, err))
        return false;
    return pn_attach_permit(call, gateway, pool, err);
}
