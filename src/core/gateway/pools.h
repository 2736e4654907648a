/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_POOLS_H
#define PN_CORE_GATEWAY_POOLS_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * Gateway pools (contract pam-gateway.md §4): gateways that stand in for each other. Whoever names a pool
 * gets a member with a live tunnel. All functions: worker.
 */
#define PN_POOLS_MAX 100 /* in one organisation */
#define PN_POOL_NAME_MAX 32
#define PN_POOL_MEMBERS_MAX 100

struct pn_pool_gateway {
    struct pn_uuid id;
    struct pn_str name;
    int64_t heartbeat, heartbeatTTL; /* seconds; 0 while it cannot be reached */
    bool isConnected;
};
/* A pool as the API shows it. */
struct pn_pool {
    struct pn_uuid id, orgId;
    struct pn_str name;
    int64_t memberCount, healthyMemberCount, connectedResourcesCount, createdAt, updatedAt;
    struct pn_strs memberGatewayIds;
    struct pn_list gateways; /* of struct pn_pool_gateway */
};

/*
 * Permissions: org gateway-pool:list-gateway-pools, create-…, edit-…, delete-…; to put a gateway in also
 * gateway:attach-gateways. Errors: PN_BAD_REQUEST (name taken, limits, in use), PN_NOT_FOUND,
 * PN_PERMISSION.
 */
bool pn_pools_create(struct pn_call *call, struct pn_str name, struct pn_pool *out,
                     struct pn_err *err) PN_CHECKED;
bool pn_pools_list(struct pn_call *call, struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_pools_get(struct pn_call *call, struct pn_uuid id, struct pn_pool *out, struct pn_err *err)
    PN_CHECKED;
bool pn_pools_rename(struct pn_call *call, struct pn_uuid id, struct pn_str name,
                     struct pn_pool *out, struct pn_err *err) PN_CHECKED;
/* Refused while something names it. */
bool pn_pools_delete(struct pn_call *call, struct pn_uuid id, struct pn_pool *out,
                     struct pn_err *err) PN_CHECKED;
/* A gateway that is in already stays in; one that is not cannot be taken out (PN_NOT_FOUND). */
bool pn_pools_add(struct pn_call *call, struct pn_uuid id, struct pn_uuid gateway,
                  struct pn_pool *out, struct pn_err *err) PN_CHECKED;
bool pn_pools_remove(struct pn_call *call, struct pn_uuid id, struct pn_uuid gateway,
                     struct pn_pool *out, struct pn_err *err) PN_CHECKED;

/* What names the pool: a list of struct pn_pool_referrer. */
struct pn_pool_referrer {
    struct pn_uuid id, projectId;
    struct pn_str name;
    struct pn_str
        kind; /* "pam-resource", …-account, …-template; of an identity "kubernetes-auth"; "dynamic-secret" */
};
bool pn_pools_referrers(struct pn_call *call, struct pn_uuid id, struct pn_list *out,
                        struct pn_err *err) PN_CHECKED;

/* ---- for who names a pool ---- */

/*
 * Members of the organisation's pool that can be reached now, in random order: a list of struct
 * pn_uuid, perhaps empty. PN_NOT_FOUND: no such pool. No permission is checked.
 */
bool pn_pools_reachable(struct pn_call *call, struct pn_uuid org, struct pn_uuid pool,
                        struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* Is it a pool of the actor's organisation? PN_NOT_FOUND. For write functions too. */
bool pn_pools_check(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid pool,
                    struct pn_err *err) PN_CHECKED;

#endif
