/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_GATEWAYS_H
#define PN_CORE_GATEWAY_GATEWAYS_H

#include "base/call.h"
#include "core/gateway/enrol.h"
#include "json/shape.h"

/*
 * Gateways: created by people, enrolled once with a token, from then on principals of their own
 * (contract pam-gateway.md §3.3, doc/protocol/gateway-rest.md G1–G3). All functions: worker.
 */
#define PN_GATEWAYS_MAX 1000 /* in one organisation */
#define PN_GATEWAY_SPOOL_KEY_BYTES 32

/* A gateway as the API shows it. */
struct pn_gateways_view {
    struct pn_uuid id, orgId, identityId; /* identityId: always none, gateways own themselves */
    struct pn_str name;
    int64_t createdAt, updatedAt, heartbeat;
    /* "healthy", "failed", or none before the first heartbeat */
    struct pn_str lastHealthCheckStatus;
    struct pn_str directAddress;
    bool canRevoke, isConnected; /* enrolled; reachable through a relay or directly right now */
    int64_t connectedResourcesCount;
    struct pn_str authMethod; /* JSON */
};

/* Permissions: org gateway:create-gateways, :list-gateways, :edit-gateways, :delete-gateways.
 * Errors: PN_BAD_REQUEST (name taken, limit), PN_NOT_FOUND, PN_PERMISSION. */
bool pn_gateways_create(struct pn_call *call, struct pn_str name, struct pn_gateways_view *out,
                        struct pn_err *err) PN_CHECKED;
bool pn_gateways_list(struct pn_call *call, struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_gateways_get(struct pn_call *call, struct pn_uuid id, struct pn_gateways_view *out,
                     struct pn_err *err) PN_CHECKED;
/* A new enrolment token; an unused earlier one stops working. */
bool pn_gateways_mint(struct pn_call *call, struct pn_uuid id, struct pn_enrol *out,
                      struct pn_err *err) PN_CHECKED;
/* Every access and enrolment token dies and live sessions through it end. *had: it was enrolled. */
bool pn_gateways_revoke(struct pn_call *call, struct pn_uuid id, bool *had, struct pn_err *err)
    PN_CHECKED;
/* Refused while resources use it. */
bool pn_gateways_delete(struct pn_call *call, struct pn_uuid id, struct pn_gateways_view *out,
                        struct pn_err *err) PN_CHECKED;

/* Public: uses the token up and gives an access token. Errors: PN_UNAUTHENTICATED. */
bool pn_gateways_enrol(struct pn_call *call, struct pn_str token, struct pn_enrol_grant *out,
                       struct pn_err *err) PN_CHECKED;

struct pn_gateways_relay {
    struct pn_uuid id;
    struct pn_str name, host;
};
struct pn_gateways_connection {
    struct pn_str certificate, key, issuer, client_chain, relay_chain; /* PEM */
    int64_t certificate_expires_ms;
    struct pn_gateways_relay *relays;
    size_t relay_count;
    struct pn_str spool_key; /* bytes */
    struct pn_str direct_address;
};
/* As the gateway itself (call->actor). `relay_name` PN_NONE: all relays, the fresh ones first. */
bool pn_gateways_connect(struct pn_call *call, struct pn_str relay_name,
                         struct pn_str direct_address, struct pn_gateways_connection *out,
                         struct pn_err *err) PN_CHECKED;
/* Fills `relays` (struct pn_gateways_relay) with those that a connect would give now, perhaps none. */
bool pn_gateways_heartbeat(struct pn_call *call, struct pn_str relay_name,
                           struct pn_str direct_address, struct pn_list *relays, struct pn_err *err)
    PN_CHECKED;
bool pn_gateways_spool_key(struct pn_call *call, struct pn_str *out, struct pn_err *err) PN_CHECKED;

#endif
