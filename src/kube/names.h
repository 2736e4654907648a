/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_NAMES_H
#define PN_KUBE_NAMES_H

#include "base/arena.h"
#include "base/err.h"

/* A namespace (RFC 1123 label) and a service account (RFC 1123 subdomain). */
bool pn_kube_is_label(struct pn_str name);
bool pn_kube_is_subdomain(struct pn_str name);
/* What the API server tells objects apart by: letters, digits and '-', at most 63. It makes UUIDs. */
bool pn_kube_is_uid(struct pn_str uid);

/*
 * "system:serviceaccount:NAMESPACE:NAME": how a service account is called as a user. PN_BAD_REQUEST
 * unless both are names as above, so that no colon in one can make it somebody else's.
 */
bool pn_kube_service_account(struct pn_arena *arena, struct pn_str namespace, struct pn_str name,
                             struct pn_str *out, struct pn_err *err) PN_CHECKED;
/* The reverse: false unless `user` is exactly of that form, names included. Slices point into `user`. */
bool pn_kube_service_account_split(struct pn_str user, struct pn_str *namespace,
                                   struct pn_str *name) PN_CHECKED;

#endif
