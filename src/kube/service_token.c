/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/service_token.h"

#include "base/encode.h"

#define MAX_CLAIM 1024
#define MAX_AUDIENCES 64
#define MAX_SECONDS INT64_C(253402300799) /* the end of the year 9999 */

struct header {
    struct pn_str alg, kid;
};
static const struct pn_field header_fields[] = {
    PN_FIELD(header, alg, STRING, .required = true, .max = 16),
    PN_FIELD(header, kid, STRING, .max = MAX_CLAIM),
};

struct named {
    struct pn_str name, uid;
};
static const struct pn_field named_fields[] = {
    PN_FIELD(named, name, STRING, .max = MAX_CLAIM),
    PN_FIELD(named, uid, STRING, .max = MAX_CLAIM),
};
struct nested {
    struct pn_str namespace;
    struct named serviceaccount, pod;
    bool has_account, has_pod;
};
static const struct pn_field nested_fields[] = {
    PN_FIELD(nested, namespace, STRING, .max = MAX_CLAIM),
    PN_FIELD(nested, serviceaccount, OBJECT, .shape = PN_SHAPE(named),
             .has_offset = offsetof(struct nested, has_account)),
    PN_FIELD(nested, pod, OBJECT, .shape = PN_SHAPE(named), .is_nullable = true,
             .has_offset = offsetof(struct nested, has_pod)),
};
struct claims {
    struct pn_str iss, sub, jti, aud, flat_namespace, flat_name, flat_uid;
    int64_t exp, nbf, iat;
    struct nested kubernetes;
    bool has_kubernetes;
};
static const struct pn_field claims_fields[] = {
    PN_FIELD(claims, iss, STRING, .max = MAX_CLAIM),
    PN_FIELD(claims, sub, STRING, .max = MAX_CLAIM),
    PN_FIELD(claims, jti, STRING, .max = MAX_CLAIM),
    PN_FIELD(claims, aud, RAW),
    PN_FIELD(claims, exp, INT, .max = MAX_SECONDS),
    PN_FIELD(claims, nbf, INT, .max = MAX_SECONDS),
    PN_FIELD(claims, iat, INT, .max = MAX_SECONDS),
    { .name = "kubernetes.io",
      .kind = PN_KIND_OBJECT,
      .offset = offsetof(struct claims, kubernetes),
      .has_offset = offsetof(struct claims, has_kubernetes),
      .shape = PN_SHAPE(nested) },
    { .name = "kubernetes.io/serviceaccount/namespace",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct claims, flat_namespace),
      .max = MAX_CLAIM },
    { .name = "kubernetes.io/serviceaccount/service-account.name",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct claims, flat_name),
      .max = MAX_CLAIM },
    { .name = "kubernetes.io/serviceaccount/service-account.uid",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct claims, flat_uid),
      .max = MAX_CLAIM },
};

/* `aud` is one string or a list of them (RFC 7519 §4.1.3): made a member, so that a shape reads it. */
struct audience_list {
    struct pn_strs aud;
};
static const struct pn_field audience_list_fields[] = {
    PN_FIELD(audience_list, aud, STRINGS, .max = MAX_AUDIENCES, .item_max = MAX_CLAIM),
};

static bool refuse(struct pn_err *err)
{
    if (err->code != PN_OK)
        return pn_recast(err, PN_UNAUTHENTICATED, "The service account token is malformed");
    return pn_fail(err, PN_UNAUTHENTICATED, "The service account token is malformed");
}

static bool decode(struct pn_arena *arena, struct pn_str text, struct pn_str *out)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(PN_SERVICE_TOKEN_MAX_BYTES);

    if (!pn_base64url_decode(text, &bytes) || bytes.len == 0)
        return false;
    *out = pn_arena_copy(arena, pn_buf_str(&bytes));
    return true;
}

static bool parse_audiences(struct pn_arena *arena, struct pn_str json, struct pn_strs *out,
                            struct pn_err *err)
{
    bool is_list = json.len > 0 && json.ptr[0] == '[';
    struct audience_list list;

    *out = (struct pn_strs){ 0 };
    if (json.len == 0)
        return true;
    if (!pn_shape_parse(
            PN_SHAPE(audience_list), arena,
            pn_arena_printf(arena, is_list ? "{\"aud\":%.*s}" : "{\"aud\":[%.*s]}", PN_ARG(json)),
            &list, err))
        return false;
    *out = list.aud;
    return true;
}

static void take_claims(const struct claims *c, struct pn_service_token *out)
{
    out->issuer = c->iss;
    out->subject = c->sub;
    out->jti = c->jti;
    out->expires_s = c->exp;
    out->not_before_s = c->nbf;
    out->issued_s = c->iat;
    out->namespace = c->has_kubernetes ? c->kubernetes.namespace : c->flat_namespace;
    out->name = c->has_kubernetes ? c->kubernetes.serviceaccount.name : c->flat_name;
    out->uid = c->has_kubernetes ? c->kubernetes.serviceaccount.uid : c->flat_uid;
    out->pod_name = c->has_kubernetes ? c->kubernetes.pod.name : PN_NONE;
}

bool pn_service_token_parse(struct pn_arena *arena, struct pn_str text,
                            struct pn_service_token *out, struct pn_err *err)
{
    struct pn_str rest = text, parts[3], header_json, claims_json;
    struct header header;
    struct claims claims;

    *out = (struct pn_service_token){ 0 };
    if (text.len == 0 || text.len > PN_SERVICE_TOKEN_MAX_BYTES)
        return refuse(err);
    for (size_t i = 0; i < PN_COUNT(parts); i++)
        if (!pn_str_cut(&rest, '.', &parts[i]))
            return refuse(err);
    if (rest.ptr != NULL || !decode(arena, parts[0], &header_json) ||
        !decode(arena, parts[1], &claims_json) || !decode(arena, parts[2], &out->signature) ||
        !pn_shape_parse(PN_SHAPE(header), arena, header_json, &header, err) ||
        !pn_shape_parse(PN_SHAPE(claims), arena, claims_json, &claims, err) ||
        !parse_audiences(arena, claims.aud, &out->audiences, err))
        return refuse(err);
    out->alg = header.alg;
    out->kid = header.kid;
    out->signed_text = pn_str_slice(text, 0, parts[0].len + 1 + parts[1].len);
    take_claims(&claims, out);
    return true;
}
