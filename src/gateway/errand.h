/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_ERRAND_H
#define PN_GATEWAY_ERRAND_H

#include "gateway/worker.h"

/*
 * What the server asks a gateway to do for it: one request to a cluster
 * (doc/protocol/platform-road.md). Read on the loop, run by a thread that may block, answered on the loop.
 */
struct pn_errands;
bool pn_errands_new(const char *pod_directory, struct pn_errands **out, struct pn_err *err)
    PN_CHECKED;
/* Our own listener is no target. Before the first request. */
void pn_errands_own(struct pn_errands *errands, uint16_t port);
/* What runs comes to its end, 30 s at most; before the loops stop, which are told. NULL is fine. */
void pn_errands_free(struct pn_errands *errands);

/* For pn_http_server_config: the context is the worker. */
void pn_errand_begin(void *worker, struct pn_exchange *exchange);

#endif
