/* SPDX-License-Identifier: Apache-2.0 */
/* References in values: each lies inside the text, they follow one another, and what they name has no empty part. */
#include <stdlib.h>

#include "core/secret/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new((size_t)16 << 20);
    struct pn_str text = pn_str_of(data, size);
    struct pn_reference found;
    size_t from, to;

    while (pn_reference_find(arena, text, &from, &to, &found)) {
        if (to > text.len || to < from + 4 || text.ptr[from] != '$' || text.ptr[to - 1] != '}')
            abort();
        if (found.key.ptr != NULL && found.key.len == 0)
            abort();
        if (found.environment.ptr != NULL &&
            (found.environment.len == 0 || found.path.len == 0 || found.path.ptr[0] != '/'))
            abort();
        text = pn_str_slice(text, to, text.len);
    }
    pn_arena_free(arena);
    return 0;
}
