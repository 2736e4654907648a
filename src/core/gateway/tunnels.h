/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_TUNNELS_H
#define PN_CORE_GATEWAY_TUNNELS_H

#include "base/call.h"
#include "json/shape.h"

/*
 * Which gateway can be reached how: relays report their tunnels, gateways their direct address. What
 * was last heard within PN_TUNNELS_FRESH_MS counts, and nothing else is meant by "connected".
 */
#define PN_TUNNELS_FRESH_MS (INT64_C(30) * 1000)
#define PN_TUNNELS_MAX 1000 /* in one report */

/*
 * Replaces what this relay (the actor) said before. Gateways that are not enrolled in the relay's
 * organisation (deleted, revoked, somebody else's) do not count: they go to `refused`, which has room
 * for `count`.
 */
bool pn_tunnels_report(struct pn_db_conn *tx, const struct pn_call *call,
                       const struct pn_uuid *gateways, size_t count, struct pn_uuid *refused,
                       size_t *refused_count, struct pn_err *err) PN_CHECKED;

struct pn_tunnels_road {
    struct pn_strs relays;        /* host:port, by name */
    struct pn_str direct_address; /* PN_NONE without a fresh one */
    bool is_open;                 /* one of them at least */
};
bool pn_tunnels_find(struct pn_call *call, struct pn_uuid gateway, struct pn_tunnels_road *out,
                     struct pn_err *err) PN_CHECKED;

#endif
