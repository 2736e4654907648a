/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster answers when objects and tokens are made in it: what is let in has what we go by. */
#include "kube/access_review.h"
#include "kube/object.h"
#include "kube/token_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_object(struct pn_arena *arena, struct pn_str input)
{
    struct pn_kube_meta meta;
    struct pn_err err = { 0 };

    if (pn_kube_object_parse(arena, input, &meta, &err))
        pn_assert(meta.name.len > 0 && meta.uid.len > 0 && meta.uid.len <= 4 * 128);
    else
        pn_assert(err.code == PN_PROTOCOL);
}

static void try_list(struct pn_arena *arena, struct pn_str input)
{
    struct pn_list list;
    struct pn_str next;
    struct pn_err err = { 0 };

    if (!pn_kube_list_parse(arena, input, &list, &next, &err)) {
        pn_assert(err.code == PN_PROTOCOL);
        return;
    }
    pn_assert(list.count <= PN_KUBE_LIST_MAX && (next.ptr == NULL || next.len > 0));
    for (size_t i = 0; i < list.count; i++)
        pn_assert(((const struct pn_kube_meta *)list.items)[i].uid.len > 0);
}

static void try_token(struct pn_arena *arena, struct pn_str input)
{
    struct pn_kube_token token;
    struct pn_err err = { 0 };

    if (pn_kube_token_request_parse(arena, input, &token, &err))
        pn_assert(token.token.len > 0 && token.issued_s > 0 && token.expires_s > token.issued_s);
    else
        pn_assert(err.code == PN_PROTOCOL);
}

static void try_reviews(struct pn_arena *arena, struct pn_str input)
{
    struct pn_str username;
    struct pn_err err = { 0 };
    bool may;

    if (!pn_kube_access_review_parse(arena, input, &may, &err))
        pn_assert(err.code == PN_PROTOCOL);
    pn_err_clear(&err);
    if (pn_kube_self_review_parse(arena, input, &username, &err))
        pn_assert(username.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str input = pn_str_of(data, size);
    struct pn_arena *arena = pn_arena_new((size_t)16 << 20);

    if (size <= 65536) {
        try_object(arena, input);
        try_list(arena, input);
        try_token(arena, input);
        try_reviews(arena, input);
    }
    pn_arena_free(arena);
    return 0;
}
