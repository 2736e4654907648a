/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/platform.h"

#include "db/db.h"
#include "kube/road.h"

bool pn_platform_find(struct pn_call *call, struct pn_uuid org, struct pn_uuid gateway,
                      struct pn_platform_gateway *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT name FROM gateways WHERE id = $id AND org_id = $org");
    struct pn_platform_gateway found = { .id = gateway };
    bool is_there;

    pn_bind_uuid(q, "$id", gateway);
    pn_bind_uuid(q, "$org", org);
    is_there = pn_query_next(q);
    if (is_there)
        found.name = pn_column_str(q, 0, call->arena);
    if (!pn_query_end(q, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found", pn_uuid_format(gateway).text);
    if (!pn_tunnels_find(call, gateway, &found.road, err))
        return false;
    if (!found.road.is_open)
        return pn_fail(err, PN_UNREACHABLE, "gateway '%.*s' has no live tunnel",
                       PN_ARG(found.name));
    *out = found;
    return true;
}

bool pn_platform_issue(struct pn_call *call, struct pn_uuid org, struct pn_uuid gateway,
                       struct pn_platform_leaf *out, struct pn_err *err)
{
    struct pn_str id = pn_uuid_str(call->arena, gateway);
    const struct pn_cert_extension extension = { PN_ROAD_OID, PN_LIT(PN_ROAD_EXTENSION) };
    const struct pn_cert_request request = {
        .kind = PN_CERT_CLIENT,
        .common_name = pn_arena_printf(call->arena, PN_ROAD_CN "%.*s", PN_ARG(id)),
        .unit = PN_LIT(PN_ROAD_UNIT),
        .extensions = &extension,
        .extension_count = 1,
        .not_after_ms = call->now_ms + PN_PLATFORM_LEAF_MS,
    };
    struct pn_pki_leaf leaf;

    if (!pn_pki_issue(call, org, PN_AUTHORITY_CLIENT, request, &leaf, err) ||
        !pn_pki_chain(call, org, PN_AUTHORITY_GATEWAY, &out->trust, err))
        return pn_within(err, "the platform's certificate");
    out->chain =
        pn_arena_printf(call->arena, "%.*s%.*s", PN_ARG(leaf.certificate), PN_ARG(leaf.issuer));
    out->key = leaf.key;
    out->server_name = pn_arena_printf(call->arena, "%.*s.gateway.postern.internal", PN_ARG(id));
    out->not_after_ms = leaf.not_after_ms;
    return true;
}
