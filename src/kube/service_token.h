/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_SERVICE_TOKEN_H
#define PN_KUBE_SERVICE_TOKEN_H

#include "base/buf.h"
#include "base/err.h"
#include "json/shape.h"

/*
 * A service account token as it is written: a compact JWS (RFC 7515) whose claims are those of
 * Kubernetes, in the nested form of projected tokens or the flat one of old Secrets. Nothing here is
 * verified: who reads this must check the signature, or have the API server do so.
 */
#define PN_SERVICE_TOKEN_MAX_BYTES 8192

struct pn_service_token {
    struct pn_str alg, kid;
    struct pn_str signed_text;     /* header and claims as they were signed; into the text */
    struct pn_str signature;       /* bytes */
    struct pn_str issuer, subject; /* "system:serviceaccount:NAMESPACE:NAME" */
    struct pn_strs audiences;
    struct pn_str namespace, name, uid, pod_name; /* of kubernetes.io; absent: PN_NONE */
    struct pn_str jti;                            /* its own name; PN_NONE */
    int64_t expires_s, not_before_s, issued_s;    /* 0: absent */
};

/*
 * Takes the token apart, into the arena (which then holds claims, not the token: give it one that is
 * wiped). Errors: PN_UNAUTHENTICATED when it is no JWS or its claims have other types than they must.
 */
bool pn_service_token_parse(struct pn_arena *arena, struct pn_str text,
                            struct pn_service_token *out, struct pn_err *err) PN_CHECKED;

#endif
