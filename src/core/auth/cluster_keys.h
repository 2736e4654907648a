/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_CLUSTER_KEYS_H
#define PN_CORE_AUTH_CLUSTER_KEYS_H

#include "json/shape.h"
#include "kube/service_token.h"

/* The public keys of a cluster at one time; counted, and never changed once made. Thread-safe. */
struct pn_cluster_keys;

/* From a list of struct pn_kube_jwk; NULL when none of them can be used. */
struct pn_cluster_keys *pn_cluster_keys_new(struct pn_list jwks);
struct pn_cluster_keys *pn_cluster_keys_hold(struct pn_cluster_keys *keys); /* NULL is fine */
void pn_cluster_keys_drop(struct pn_cluster_keys *keys);

bool pn_cluster_keys_know(const struct pn_cluster_keys *keys, struct pn_str kid);
/* Is the token's signature of one of them? With a key id only that one is tried. */
bool pn_cluster_keys_verify(const struct pn_cluster_keys *keys,
                            const struct pn_service_token *token);

#endif
