/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/secret/change.h"
#include "core/secret/filter.h"
#include "server/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct pn_str piece, struct pn_str text)
{
    return piece.ptr == NULL ||
           (piece.ptr >= text.ptr && piece.ptr + piece.len <= text.ptr + text.len);
}

/* What a filter found lies in its text, within the limits; one that asks for something hides the bare. */
static void try_filter(struct pn_str text)
{
    const struct pn_secret_item bare = { .version = 1 };
    struct pn_secrets_filter filter;
    struct pn_err err = { 0 };

    if (!pn_secrets_filter_parse(text, text, &filter, &err)) {
        pn_err_clear(&err);
        if (!pn_secrets_filter_parse(PN_NONE, text, &filter, &err))
            return;
    }
    for (size_t i = 0; i < filter.tag_count; i++) {
        if (filter.tags[i].len == 0 || !is_inside(filter.tags[i], text))
            abort();
    }
    for (size_t i = 0; i < filter.pair_count; i++) {
        if ((filter.pairs[i].key.ptr == NULL && filter.pairs[i].value.ptr == NULL) ||
            !is_inside(filter.pairs[i].key, text) || !is_inside(filter.pairs[i].value, text))
            abort();
    }
    if (pn_secrets_filter_match(&filter, &bare) != (filter.tag_count + filter.pair_count == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str text = pn_str_of(data, size), once;
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);

    try_filter(text);
    once = pn_secrets_normalize(arena, text);
    if (once.len > size || !pn_str_eq(once, pn_secrets_normalize(arena, once)))
        abort();
    if (pn_etag_matches(text, "\"a-tag\"") && pn_str_search(text, PN_LIT("\"a-tag\"")) < 0 &&
        pn_str_find(text, '*') < 0)
        abort();
    pn_arena_free(arena);
    return 0;
}
