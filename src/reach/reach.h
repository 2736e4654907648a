/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_REACH_REACH_H
#define PN_REACH_REACH_H

#include "base/err.h"
#include "base/ip.h"
#include "kube/reach.h"

/*
 * How this server reaches clusters: what stands behind call->reach (kube/reach.h). The direct road is
 * here: one resolution, its addresses checked and pinned, connections kept for the next request to the
 * same host under the same CA. The road through gateways is another port, asked when the call names one.
 */
struct pn_reacher;

struct pn_reacher_config {
    const char *pod_directory; /* own pod token and CA; "" or NULL: where Kubernetes puts them */
    const struct pn_reach_port *gateways; /* NULL: there is no such road */
    const struct pn_net_list *allowed;    /* exceptions from reach/guard.h; copied; NULL: none */
};
struct pn_reacher *pn_reacher_new(const struct pn_reacher_config *config);
void pn_reacher_free(struct pn_reacher *reacher);

/* A listener of ours: is not called as a cluster. Before the first request; at most 8. */
void pn_reacher_own(struct pn_reacher *reacher, uint16_t port);

const struct pn_reach_port *pn_reacher_port(struct pn_reacher *reacher);

#endif
