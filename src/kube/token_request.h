/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_TOKEN_REQUEST_H
#define PN_KUBE_TOKEN_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "json/shape.h"

/*
 * authentication.k8s.io/v1 TokenRequest: POST …/serviceaccounts/NAME/token. The API server refuses less than
 * 600 s (pkg/apis/authentication/validation) and silently shortens what is more than its own maximum.
 */
#define PN_KUBE_TOKEN_MIN_S 600

/* Without audiences: the API server's own. secret_uid PN_NONE: not bound to a Secret. */
struct pn_kube_token_request {
    int64_t expires_s;
    struct pn_strs audiences;
    struct pn_str secret_name, secret_uid;
};
void pn_kube_token_request_print(const struct pn_kube_token_request *request, struct pn_buf *out);

struct pn_kube_token {
    struct pn_str token, jti; /* jti PN_NONE: it has none */
    int64_t issued_s, expires_s;
    int64_t shown_ms; /* status.expirationTimestamp */
};
/*
 * Reads the answer and the claims of the token in it, which nobody has verified: the API server that signed
 * it is who told us. Errors: PN_PROTOCOL when it is no answer or no token with a beginning and an end.
 */
bool pn_kube_token_request_parse(struct pn_arena *arena, struct pn_str body,
                                 struct pn_kube_token *out, struct pn_err *err) PN_CHECKED;

#endif
