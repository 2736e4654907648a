/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/token_request.h"

#include "json/writer.h"
#include "kube/service_token.h"

void pn_kube_token_request_print(const struct pn_kube_token_request *request, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", "authentication.k8s.io/v1");
    pn_write_text(&w, "kind", "TokenRequest");
    pn_write_object(&w, "spec");
    pn_write_int(&w, "expirationSeconds", request->expires_s);
    if (request->audiences.count > 0) {
        pn_write_array(&w, "audiences");
        for (size_t i = 0; i < request->audiences.count; i++)
            pn_write_str(&w, NULL, request->audiences.items[i]);
        pn_write_end(&w);
    }
    if (request->secret_uid.len > 0) {
        pn_write_object(&w, "boundObjectRef");
        pn_write_text(&w, "apiVersion", "v1");
        pn_write_text(&w, "kind", "Secret");
        pn_write_str(&w, "name", request->secret_name);
        pn_write_str(&w, "uid", request->secret_uid);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
}

struct status {
    struct pn_str token;
    int64_t expirationTimestamp;
};
static const struct pn_field status_fields[] = {
    PN_FIELD(status, token, STRING, .required = true, .min = 1, .max = PN_SERVICE_TOKEN_MAX_BYTES),
    PN_FIELD(status, expirationTimestamp, TIME, .required = true),
};
struct answer {
    struct status status;
};
static const struct pn_field answer_fields[] = {
    PN_FIELD(answer, status, OBJECT, .shape = PN_SHAPE(status), .required = true),
};

bool pn_kube_token_request_parse(struct pn_arena *arena, struct pn_str body,
                                 struct pn_kube_token *out, struct pn_err *err)
{
    struct pn_service_token claims;
    struct answer answer;

    if (!pn_shape_parse(PN_SHAPE(answer), arena, body, &answer, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected TokenRequest response");
    if (!pn_service_token_parse(arena, answer.status.token, &claims, err))
        return pn_recast(err, PN_PROTOCOL, "The cluster's token cannot be read");
    if (claims.issued_s <= 0 || claims.expires_s <= claims.issued_s)
        return pn_fail(err, PN_PROTOCOL, "The cluster's token has no beginning or no end");
    *out = (struct pn_kube_token){ .token = answer.status.token,
                                   .jti = claims.jti,
                                   .issued_s = claims.issued_s,
                                   .expires_s = claims.expires_s,
                                   .shown_ms = answer.status.expirationTimestamp };
    return true;
}
