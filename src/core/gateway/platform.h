/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_PLATFORM_H
#define PN_CORE_GATEWAY_PLATFORM_H

#include "core/gateway/pki.h"
#include "core/gateway/tunnels.h"

/*
 * The server as a client of a gateway (doc/protocol/platform-road.md): which gateway, how to reach it, and the
 * certificate it knows us by. No permission is checked: who may call which cluster is the caller's.
 */
#define PN_PLATFORM_LEAF_MS (INT64_C(3600) * 1000)

struct pn_platform_gateway {
    struct pn_uuid id;
    struct pn_str name;
    struct pn_tunnels_road road;
};
/* A gateway of the organisation with a road to it. PN_NOT_FOUND: none of that id; PN_UNREACHABLE: no road. */
bool pn_platform_find(struct pn_call *call, struct pn_uuid org, struct pn_uuid gateway,
                      struct pn_platform_gateway *out, struct pn_err *err) PN_CHECKED;

struct pn_platform_leaf {
    struct pn_str chain, key;  /* leaf and intermediate; PKCS#8: in call->arena, which is wiped */
    struct pn_str trust;       /* what the gateway's own certificate chains to */
    struct pn_str server_name; /* whom we must find there */
    int64_t not_after_ms;
};
bool pn_platform_issue(struct pn_call *call, struct pn_uuid org, struct pn_uuid gateway,
                       struct pn_platform_leaf *out, struct pn_err *err) PN_CHECKED;

#endif
