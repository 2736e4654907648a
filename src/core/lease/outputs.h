/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_OUTPUTS_H
#define PN_CORE_LEASE_OUTPUTS_H

#include "core/lease/lease.h"

/*
 * What a lease gives: its token, and what else was asked for, by the request or by its dynamic secret (D18). The wire's
 * names. Strings all of them: clients take nothing else.
 */
struct pn_lease_data {
    struct pn_str TOKEN, KUBECONFIG, NAMESPACE, SERVICE_ACCOUNT,
        EXPIRES_AT; /* PN_NONE: not asked for */
};

/* Bits of what was asked for. */
enum {
    PN_LEASE_OUTPUT_KUBECONFIG = 1,
    PN_LEASE_OUTPUT_NAMESPACE = 2,
    PN_LEASE_OUTPUT_SERVICE_ACCOUNT = 4,
    PN_LEASE_OUTPUT_EXPIRES_AT = 8,
};
#define PN_LEASE_OUTPUTS_RULE "Must be a list of KUBECONFIG, NAMESPACE, SERVICE_ACCOUNT, EXPIRES_AT"
#define PN_LEASE_OUTPUTS_URL "KUBECONFIG says where the cluster is: url is needed"
#define PN_LEASE_MAX_OUTPUTS 16

/* False when one of the names is none of them. TOKEN may be among them, and is given always. */
bool pn_lease_outputs_read(struct pn_strs names, unsigned *out) PN_CHECKED;

/* Fills in `data` beside its token. A kubeconfig is JSON of one line, which is YAML: it goes where other values go. */
void pn_lease_outputs_fill(struct pn_arena *arena, unsigned which,
                           const struct pn_lease_config *config, const struct pn_lease *lease,
                           struct pn_lease_data *data);

#endif
