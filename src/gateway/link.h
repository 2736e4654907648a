/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_LINK_H
#define PN_GATEWAY_LINK_H

#include "gateway/worker.h"

/*
 * A link keeps one tunnel from this loop to one relay: dials, redials with back-off and jitter, takes
 * the clients that come through it.
 */

/* Makes the links those of the identity's relays: new ones are dialled, unnamed ones drain. */
void pn_link_set_all(struct pn_worker *worker, const struct pn_identity *identity);
/* No new clients through the tunnels, no redialling. */
void pn_link_drain_all(struct pn_worker *worker);
void pn_link_free_all(struct pn_worker *worker);

#endif
