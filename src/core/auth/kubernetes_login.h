/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_KUBERNETES_LOGIN_H
#define PN_CORE_AUTH_KUBERNETES_LOGIN_H

#include "core/auth/kubernetes_auth.h"

/*
 * A workload logs in with its service account token (identity-auth.md §7): the cluster vouches for it, the
 * allow-lists of the identity let it in, and it gets an access token. `slug` names the organization it
 * should be for; absent: the identity's own.
 *
 * Errors:  PN_NOT_FOUND        no such identity, or it does not have the method; no such organization
 *          PN_UNAUTHENTICATED  the token or the reviewer is not accepted; audience
 *          PN_FORBIDDEN        namespace or name not allowed
 *          PN_BAD_REQUEST      the cluster could not be asked (§8.1, named)
 *          PN_RATE_LIMITED     too many rejected tokens at this cluster
 * Threads: worker, slow lane.
 */
bool pn_kubernetes_login_grant(struct pn_call *call, struct pn_str identity,
                               const struct pn_secret *jwt, struct pn_str slug,
                               struct pn_grant *out, struct pn_err *err) PN_CHECKED;

#endif
