/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_KUBERNETES_REVIEW_H
#define PN_CORE_AUTH_KUBERNETES_REVIEW_H

#include "core/auth/cluster_turns.h"
#include "core/auth/kubernetes_auth.h"
#include "kube/token_review.h"

/* What Kubernetes Auth asks a cluster, and how it says why it got no answer (identity-auth.md §6.3, §8.1). */

/* What a person may be told: a stranger at the login is not shown the cluster's address. */
enum pn_review_audience { PN_REVIEW_FOR_STRANGERS, PN_REVIEW_FOR_ADMINISTRATORS };

/* The road and whose credential travels it (§7.4): from auth, whose reviewer is open. */
struct pn_reach_to pn_kubernetes_road(const struct pn_kubernetes_auth *auth);

/* Where workers wait when the cluster does not answer: the organisation's gateway or pool, or else its host. */
struct pn_cluster_place pn_kubernetes_place(const struct pn_kubernetes_auth *auth);

/*
 * Has the cluster review `jwt`. `out` is what it said: the verdict is the caller's to draw. *has_answered, also when
 * it fails: something came back.
 *
 * Errors:  PN_BAD_REQUEST, PN_UNAUTHENTICATED, named as the tables of §8.1 have it; scrubbed
 * Threads: worker, slow lane. At most 10 s.
 */
bool pn_kubernetes_review(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                          const struct pn_secret *jwt, struct pn_kube_review *out,
                          bool *has_answered, struct pn_err *err) PN_CHECKED;

/* GET of the cluster's public keys (kube/jwks.h), as the reviewer or, without one, as `jwt`. */
bool pn_kubernetes_fetch_keys(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                              const struct pn_secret *jwt, int64_t timeout_ms, struct pn_list *keys,
                              struct pn_err *err) PN_CHECKED;

/* The probes at attach and update (§6.3): is it an API server, and may the reviewer review? */
bool pn_kubernetes_probe_version(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                                 struct pn_err *err) PN_CHECKED;
bool pn_kubernetes_probe_review(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                                struct pn_err *err) PN_CHECKED;

#endif
