/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_JWKS_H
#define PN_KUBE_JWKS_H

#include "base/err.h"
#include "json/shape.h"

/* The public keys of a cluster's service account issuer (RFC 7517): GET /openid/v1/jwks. */
#define PN_KUBE_JWKS_PATH "/openid/v1/jwks"
#define PN_KUBE_DISCOVERY_PATH "/.well-known/openid-configuration"
#define PN_KUBE_JWKS_MAX 64

struct pn_kube_jwk {
    struct pn_str kty, kid, alg, crv;
    struct pn_str n, e, x, y; /* bytes; absent ones PN_NONE */
};

/* Keys for other uses than signing, and of kinds we do not know, are left out. Errors: PN_PROTOCOL. */
bool pn_kube_jwks_parse(struct pn_arena *arena, struct pn_str body, struct pn_list *out,
                        struct pn_err *err) PN_CHECKED; /* of pn_kube_jwk */

/* The issuer that the discovery document names. Errors: PN_PROTOCOL. */
bool pn_kube_discovery_parse(struct pn_arena *arena, struct pn_str body, struct pn_str *issuer,
                             struct pn_err *err) PN_CHECKED;

#endif
