/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways that stand in for each other. Spec: pam-gateway §4. */
#include "core/gateway/pools.h"
#include "core/org/names.h"
#include "server/routes.h"

static const struct pn_field pn_pool_gateway_fields[] = {
    PN_FIELD(pn_pool_gateway, id, UUID),
    PN_FIELD(pn_pool_gateway, name, STRING),
    PN_FIELD(pn_pool_gateway, heartbeat, TIME),
    PN_FIELD(pn_pool_gateway, heartbeatTTL, INT, .doc = "Seconds; 0 while it cannot be reached"),
    PN_FIELD(pn_pool_gateway, isConnected, BOOL),
};
static const struct pn_shape gateway_shape = PN_SHAPE_OF(pn_pool_gateway);

static const struct pn_field pn_pool_fields[] = {
    PN_FIELD(pn_pool, id, UUID),
    PN_FIELD(pn_pool, orgId, UUID),
    PN_FIELD(pn_pool, name, STRING),
    PN_FIELD(pn_pool, memberCount, INT),
    PN_FIELD(pn_pool, healthyMemberCount, INT, .doc = "With a live tunnel"),
    PN_FIELD(pn_pool, memberGatewayIds, STRINGS),
    PN_FIELD(pn_pool, connectedResourcesCount, INT),
    PN_FIELD(pn_pool, gateways, OBJECTS, .shape = &gateway_shape),
    PN_FIELD(pn_pool, createdAt, TIME),
    PN_FIELD(pn_pool, updatedAt, TIME),
};
static const struct pn_shape pool_shape = PN_SHAPE_OF(pn_pool);

struct one_in {
    struct pn_uuid poolId;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, poolId, UUID, .required = true),
};

/* ---- pools ---- */

struct name_in {
    struct pn_uuid poolId;
    struct pn_str name;
};
#define NAME_FIELD                                                                       \
    PN_FIELD(name_in, name, STRING, .required = true, .min = 1, .max = PN_POOL_NAME_MAX, \
             PN_NAME_SLUG)

static const struct pn_field create_in_fields[] = { NAME_FIELD };
static const struct pn_shape create_shape = { "create_in", sizeof(struct name_in), create_in_fields,
                                              PN_COUNT(create_in_fields) };
static const struct pn_field name_in_fields[] = {
    PN_FIELD(name_in, poolId, UUID, .required = true),
    NAME_FIELD,
};

static bool create(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct name_in *in = in_;

    return pn_pools_create(call, in->name, out, err);
}

static bool rename_pool(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct name_in *in = in_;

    return pn_pools_rename(call, in->poolId, in->name, out, err);
}

struct list_out {
    struct pn_list pools;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, pools, OBJECTS, .shape = &pool_shape),
};

static bool list(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct list_out *out = out_;

    (void)in;
    return pn_pools_list(call, &out->pools, err);
}

static bool get(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_pools_get(call, in->poolId, out, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_pools_delete(call, in->poolId, out, err);
}

/* ---- members ---- */

struct member_in {
    struct pn_uuid poolId, gatewayId;
};
static const struct pn_field member_in_fields[] = {
    PN_FIELD(member_in, poolId, UUID, .required = true),
    PN_FIELD(member_in, gatewayId, UUID, .required = true),
};

static bool add(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct member_in *in = in_;

    return pn_pools_add(call, in->poolId, in->gatewayId, out, err);
}

static bool remove_member(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct member_in *in = in_;

    return pn_pools_remove(call, in->poolId, in->gatewayId, out, err);
}

/* ---- what names it ---- */

static const struct pn_field pn_pool_referrer_fields[] = {
    PN_FIELD(pn_pool_referrer, id, UUID),
    PN_FIELD(pn_pool_referrer, projectId, UUID),
    PN_FIELD(pn_pool_referrer, name, STRING),
    PN_FIELD(pn_pool_referrer, kind, STRING),
};
static const struct pn_shape referrer_shape = PN_SHAPE_OF(pn_pool_referrer);

struct referrers_out {
    struct pn_list resources;
};
static const struct pn_field referrers_out_fields[] = {
    PN_FIELD(referrers_out, resources, OBJECTS, .shape = &referrer_shape),
};

static bool referrers(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct referrers_out *out = out_;

    return pn_pools_referrers(call, in->poolId, &out->resources, err);
}

#define POOL "/api/v1/gateway-pools/:poolId"

const struct pn_route pn_gateway_pools_routes[] = {
    { PN_POST, "/api/v1/gateway-pools", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway-pool:create-gateway-pools",
      .audit = "gateway-pool-create", .in = &create_shape, .out = &pool_shape, .handle = create,
      .doc = "Creates a pool without gateways." },
    { PN_GET, "/api/v1/gateway-pools", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org gateway-pool:list-gateway-pools",
      .out = PN_SHAPE(list_out), .is_top_array = true, .handle = list,
      .doc = "Lists the organization's pools by name." },
    { PN_GET, POOL, .access = PN_BY_PEOPLE, .rate = PN_RATE_READ, .lane = PN_LANE_FAST,
      .permission = "org gateway-pool:list-gateway-pools", .in = PN_SHAPE(one_in),
      .out = &pool_shape, .handle = get, .doc = "Shows a pool with its gateways." },
    { PN_PATCH, POOL, .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST,
      .permission = "org gateway-pool:edit-gateway-pools", .audit = "gateway-pool-update",
      .in = PN_SHAPE(name_in), .out = &pool_shape, .handle = rename_pool,
      .doc = "Renames a pool." },
    { PN_DELETE, POOL, .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST,
      .permission = "org gateway-pool:delete-gateway-pools", .audit = "gateway-pool-delete",
      .in = PN_SHAPE(one_in), .out = &pool_shape, .handle = delete,
      .doc = "Deletes a pool that nothing names." },
    { PN_POST, POOL "/memberships", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway-pool:edit-gateway-pools",
      .audit = "gateway-pool-add-member", .in = PN_SHAPE(member_in), .out = &pool_shape,
      .handle = add, .doc = "Puts a gateway into a pool." },
    { PN_DELETE, POOL "/memberships/:gatewayId", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway-pool:edit-gateway-pools",
      .audit = "gateway-pool-remove-member", .in = PN_SHAPE(member_in), .out = &pool_shape,
      .handle = remove_member, .doc = "Takes a gateway out of a pool." },
    { PN_GET, POOL "/resources", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ, .lane = PN_LANE_FAST,
      .permission = "org gateway-pool:list-gateway-pools", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(referrers_out), .handle = referrers, .doc = "What names the pool." },
    { 0 },
};
