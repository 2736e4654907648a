/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/cluster_keys.h"

#include <string.h>

#include "crypto/jws.h"
#include "kube/jwks.h"

struct named_key {
    char *kid; /* "" when it has none */
    struct pn_jws_key *key;
};

struct pn_cluster_keys {
    unsigned references; /* atomic */
    size_t count;
    struct named_key keys[PN_KUBE_JWKS_MAX];
};

static struct pn_jws_key *make_key(const struct pn_kube_jwk *jwk)
{
    struct pn_err ignored = { 0 };
    struct pn_jws_key *key = NULL;
    bool done = pn_str_is(jwk->kty, "RSA")
                    ? pn_jws_key_rsa(jwk->n, jwk->e, &key, &ignored)
                    : pn_jws_key_ec(jwk->crv, jwk->x, jwk->y, &key, &ignored);

    return done ? key : NULL;
}

struct pn_cluster_keys *pn_cluster_keys_new(struct pn_list jwks)
{
    struct pn_cluster_keys *keys = pn_heap_new(sizeof(*keys));
    const struct pn_kube_jwk *from = jwks.items;

    keys->references = 1;
    for (size_t i = 0; i < jwks.count && keys->count < PN_KUBE_JWKS_MAX; i++) {
        struct named_key *to = &keys->keys[keys->count];

        to->key = make_key(&from[i]);
        if (to->key == NULL)
            continue;
        to->kid = pn_heap_new(from[i].kid.len + 1);
        if (from[i].kid.len > 0)
            memcpy(to->kid, from[i].kid.ptr, from[i].kid.len);
        keys->count++;
    }
    if (keys->count > 0)
        return keys;
    pn_cluster_keys_drop(keys);
    return NULL;
}

struct pn_cluster_keys *pn_cluster_keys_hold(struct pn_cluster_keys *keys)
{
    if (keys != NULL)
        __atomic_add_fetch(&keys->references, 1, __ATOMIC_ACQ_REL);
    return keys;
}

void pn_cluster_keys_drop(struct pn_cluster_keys *keys)
{
    if (keys == NULL || __atomic_sub_fetch(&keys->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        pn_heap_free(keys->keys[i].kid);
        pn_jws_key_free(keys->keys[i].key);
    }
    pn_heap_free(keys);
}

bool pn_cluster_keys_know(const struct pn_cluster_keys *keys, struct pn_str kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (pn_str_is(kid, keys->keys[i].kid))
            return true;
    return false;
}

bool pn_cluster_keys_verify(const struct pn_cluster_keys *keys,
                            const struct pn_service_token *token)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (token->kid.len > 0 && !pn_str_is(token->kid, keys->keys[i].kid))
            continue;
        if (pn_jws_verify(keys->keys[i].key, token->alg, token->signed_text, token->signature))
            return true;
    }
    return false;
}
