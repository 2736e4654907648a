/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_RELAYS_H
#define PN_CORE_GATEWAY_RELAYS_H

#include "base/call.h"
#include "core/gateway/enrol.h"
#include "json/shape.h"

/* Relays of an organisation (contract pam-gateway.md §5, doc/protocol/gateway-rest.md L1–L3). All
 * functions: worker. */
#define PN_RELAYS_MAX 1000 /* in one organisation */
#define PN_RELAYS_PORT 8443

struct pn_relays_view {
    struct pn_uuid id, orgId, identityId; /* identityId: always none */
    struct pn_str name, host;             /* host:port */
    int64_t createdAt, updatedAt, heartbeat, healthAlertedAt;
    bool isHealthy, canRevoke; /* heard of within 30 s; enrolled */
    struct pn_str authMethod;  /* JSON */
};

/* Permissions: org relay:create-relays, :list-relays, :edit-relays, :delete-relays. `host` is a name or
 * address, with or without a port. Errors: PN_BAD_REQUEST, PN_NOT_FOUND, PN_PERMISSION. */
bool pn_relays_create(struct pn_call *call, struct pn_str name, struct pn_str host,
                      struct pn_relays_view *out, struct pn_err *err) PN_CHECKED;
bool pn_relays_list(struct pn_call *call, struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_relays_get(struct pn_call *call, struct pn_uuid id, struct pn_relays_view *out,
                   struct pn_err *err) PN_CHECKED;
/* Where clients dial it; its certificate follows at its next connect. */
bool pn_relays_move(struct pn_call *call, struct pn_uuid id, struct pn_str host,
                    struct pn_relays_view *out, struct pn_err *err) PN_CHECKED;
bool pn_relays_mint(struct pn_call *call, struct pn_uuid id, struct pn_enrol *out,
                    struct pn_err *err) PN_CHECKED;
bool pn_relays_revoke(struct pn_call *call, struct pn_uuid id, struct pn_err *err) PN_CHECKED;
bool pn_relays_delete(struct pn_call *call, struct pn_uuid id, struct pn_relays_view *out,
                      struct pn_err *err) PN_CHECKED;

struct pn_relays_gateway {
    struct pn_uuid id;
    struct pn_str name;
};
/* Gateways with a live tunnel to it: a list of struct pn_relays_gateway. */
bool pn_relays_gateways(struct pn_call *call, struct pn_uuid id, struct pn_list *out,
                        struct pn_err *err) PN_CHECKED;

/* Public: uses the token up and gives an access token. Errors: PN_UNAUTHENTICATED. */
bool pn_relays_enrol(struct pn_call *call, struct pn_str token, struct pn_enrol_grant *out,
                     struct pn_err *err) PN_CHECKED;

struct pn_relays_connection {
    struct pn_str name, host;
    struct pn_str certificate, key, issuer, client_chain, relay_client_chain; /* PEM */
    int64_t certificate_expires_ms;
};
/* As the relay itself (call->actor). */
bool pn_relays_connect(struct pn_call *call, struct pn_relays_connection *out, struct pn_err *err)
    PN_CHECKED;
/* `refused`: ids, of those gateways whose tunnels the relay is to close (core/gateway/tunnels.h). */
bool pn_relays_heartbeat(struct pn_call *call, const struct pn_uuid *gateways, size_t count,
                         struct pn_strs *refused, struct pn_err *err) PN_CHECKED;

#endif
