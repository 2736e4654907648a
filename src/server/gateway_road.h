/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_GATEWAY_ROAD_H
#define PN_SERVER_GATEWAY_ROAD_H

#include "kube/reach.h"

/*
 * The road to clusters behind gateways (doc/protocol/platform-road.md): what stands behind call->reach
 * when a gateway or a pool is named. Connections are kept for the next request to the same gateway.
 */
struct pn_gateway_road;

struct pn_gateway_road *pn_gateway_road_new(void);
void pn_gateway_road_free(struct pn_gateway_road *road); /* NULL is fine */
/* Closes the connections that wait, so that a relay or gateway that stops need not wait for us. */
void pn_gateway_road_hang_up(struct pn_gateway_road *road);
const struct pn_reach_port *pn_gateway_road_port(struct pn_gateway_road *road);

#endif
