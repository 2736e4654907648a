/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/jwks.h"

#include "base/buf.h"
#include "base/encode.h"

#define MAX_NUMBER_BYTES 1024 /* an RSA key of 8192 bits */
#define MAX_NUMBER_TEXT 1366
#define MAX_TEXT 1024

struct key {
    struct pn_str kty, kid, alg, crv, use, n, e, x, y;
};
static const struct pn_field key_fields[] = {
    PN_FIELD(key, kty, STRING, .required = true, .max = 32),
    PN_FIELD(key, kid, STRING, .max = MAX_TEXT),
    PN_FIELD(key, alg, STRING, .max = 32),
    PN_FIELD(key, crv, STRING, .max = 32),
    PN_FIELD(key, use, STRING, .max = 32),
    PN_FIELD(key, n, STRING, .max = MAX_NUMBER_TEXT),
    PN_FIELD(key, e, STRING, .max = MAX_NUMBER_TEXT),
    PN_FIELD(key, x, STRING, .max = MAX_NUMBER_TEXT),
    PN_FIELD(key, y, STRING, .max = MAX_NUMBER_TEXT),
};
struct key_set {
    struct pn_list keys;
};
static const struct pn_field key_set_fields[] = {
    PN_FIELD(key_set, keys, OBJECTS, .required = true, .max = PN_KUBE_JWKS_MAX,
             .shape = PN_SHAPE(key)),
};

static bool decode(struct pn_arena *arena, struct pn_str text, struct pn_str *out)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(MAX_NUMBER_BYTES);

    if (text.len == 0)
        return false;
    if (!pn_base64url_decode(text, &bytes))
        return false;
    *out = pn_arena_copy(arena, pn_buf_str(&bytes));
    return true;
}

static bool take(struct pn_arena *arena, const struct key *key, struct pn_kube_jwk *out)
{
    *out =
        (struct pn_kube_jwk){ .kty = key->kty, .kid = key->kid, .alg = key->alg, .crv = key->crv };
    if (key->use.len > 0 && !pn_str_is(key->use, "sig"))
        return false;
    if (pn_str_is(key->kty, "RSA"))
        return decode(arena, key->n, &out->n) && decode(arena, key->e, &out->e);
    return pn_str_is(key->kty, "EC") && decode(arena, key->x, &out->x) &&
           decode(arena, key->y, &out->y);
}

bool pn_kube_jwks_parse(struct pn_arena *arena, struct pn_str body, struct pn_list *out,
                        struct pn_err *err)
{
    struct pn_kube_jwk *keys;
    struct key_set set;

    if (!pn_shape_parse(PN_SHAPE(key_set), arena, body, &set, err))
        return pn_recast(err, PN_PROTOCOL, "The cluster's keys are no JSON Web Key Set");
    keys = pn_new(arena, struct pn_kube_jwk, set.keys.count);
    *out = (struct pn_list){ .items = keys };
    for (size_t i = 0; i < set.keys.count; i++)
        out->count += take(arena, (const struct key *)set.keys.items + i, &keys[out->count]);
    return true;
}

struct discovery {
    struct pn_str issuer;
};
static const struct pn_field discovery_fields[] = {
    PN_FIELD(discovery, issuer, STRING, .required = true, .min = 1, .max = MAX_TEXT),
};

bool pn_kube_discovery_parse(struct pn_arena *arena, struct pn_str body, struct pn_str *issuer,
                             struct pn_err *err)
{
    struct discovery found;

    if (!pn_shape_parse(PN_SHAPE(discovery), arena, body, &found, err))
        return pn_recast(err, PN_PROTOCOL, "The cluster does not say which issuer it is");
    *issuer = found.issuer;
    return true;
}
