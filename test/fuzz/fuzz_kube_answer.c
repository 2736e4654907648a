/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster answers: reviews, keys, failures; and the tokens that clients bring. */
#include "kube/jwks.h"
#include "kube/names.h"
#include "kube/scrub.h"
#include "kube/service_token.h"
#include "kube/token_review.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void try_review(struct pn_arena *arena, struct pn_str input)
{
    struct pn_kube_review review;
    struct pn_err err = { 0 };
    struct pn_str ns, name;

    if (!pn_kube_token_review_parse(arena, input, &review, &err)) {
        must(err.code == PN_PROTOCOL);
        return;
    }
    if (pn_kube_service_account_split(review.username, &ns, &name))
        must(pn_kube_is_label(ns) && pn_kube_is_subdomain(name));
}

static void try_keys(struct pn_arena *arena, struct pn_str input)
{
    struct pn_str issuer;
    struct pn_list keys;
    struct pn_err err = { 0 };

    if (pn_kube_jwks_parse(arena, input, &keys, &err))
        must(keys.count <= PN_KUBE_JWKS_MAX);
    pn_err_clear(&err);
    if (pn_kube_discovery_parse(arena, input, &issuer, &err))
        must(issuer.len > 0);
}

static void try_token(struct pn_arena *arena, struct pn_str input)
{
    struct pn_service_token token;
    struct pn_err err = { 0 };

    if (pn_service_token_parse(arena, input, &token, &err))
        must(token.alg.ptr != NULL && token.signature.len > 0 &&
             pn_str_starts(input, token.signed_text));
    else
        must(err.code == PN_UNAUTHENTICATED);
}

/* Nothing that is scrubbed holds a JWT or a control character any more, and what was clean stays as it was. */
static void try_scrub(struct pn_arena *arena, struct pn_str input)
{
    struct pn_str clean = pn_kube_scrub(arena, input, NULL, 0);

    must(pn_str_eq(pn_kube_scrub(arena, clean, NULL, 0), clean));
    for (size_t i = 0; i < clean.len; i++)
        must((uint8_t)clean.ptr[i] >= 0x20 && clean.ptr[i] != 0x7f);
    must(pn_kube_cut(arena, clean, 64).len <= 64 + 14);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str input = pn_str_of(data, size);
    struct pn_arena *arena = pn_arena_new((size_t)8 << 20);

    if (size <= 65536) {
        try_review(arena, input);
        try_keys(arena, input);
        try_token(arena, input);
        try_scrub(arena, input);
        (void)pn_kube_answer_text(arena, PN_LIT("text/plain"), input);
    }
    pn_arena_free(arena);
    return 0;
}
