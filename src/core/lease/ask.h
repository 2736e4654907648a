/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_ASK_H
#define PN_CORE_LEASE_ASK_H

#include "core/lease/provider.h"
#include "kube/reach.h"

/*
 * One request to the cluster of a configuration, by its road and with its credential, and what came of it. At
 * most 3 s, never beyond call->deadline_ms. A 429 that says when to come again is repeated once if there is time.
 */
#define PN_LEASE_ASK_MS 3000

struct pn_lease_asked {
    int status; /* 0: there was no answer */
    struct pn_str body, warning;
};

/*
 * True for a success (2xx) alone. Errors: PN_BAD_REQUEST with *fault: the cluster's own sentence, or the
 * transport's; credentials are taken out.
 */
bool pn_lease_ask(struct pn_call *call, const struct pn_lease_config *config,
                  const struct pn_reach_request *request, struct pn_lease_asked *out,
                  enum pn_provider_fault *fault, struct pn_err *err) PN_CHECKED;

/* Who the cluster says that is; PN_NONE where it does not say it (Kubernetes before 1.28). */
struct pn_str pn_lease_ask_who(struct pn_call *call, const struct pn_lease_config *config);

#endif
