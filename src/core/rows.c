/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rows.h"

#include "base/buf.h"

#include <string.h>

#define FIRST_ROWS 8

void *pn_rows_add(struct pn_rows *rows)
{
    if (rows->list.count == rows->capacity) {
        /* Twice: of an arena, which keeps what is outgrown, that takes least. */
        size_t capacity = rows->capacity == 0 ? FIRST_ROWS : rows->capacity * 2;
        void *grown;

        grown = pn_arena_array(rows->arena, rows->item_bytes, capacity, _Alignof(max_align_t));
        if (rows->list.count > 0)
            memcpy(grown, rows->list.items, rows->list.count * rows->item_bytes);
        rows->list.items = grown;
        rows->capacity = capacity;
    }
    return (char *)rows->list.items + rows->list.count++ * rows->item_bytes;
}

void pn_rows_add_all(struct pn_rows *rows, struct pn_list list)
{
    if (rows->list.count == 0) {
        rows->list = list;
        rows->capacity = list.count;
        return;
    }
    for (size_t i = 0; i < list.count; i++)
        memcpy(pn_rows_add(rows), (const char *)list.items + i * rows->item_bytes,
               rows->item_bytes);
}

struct pn_str pn_rows_like(struct pn_arena *arena, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf pattern = pn_buf_init(2048);

    pn_buf_add_byte(&pattern, '%');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' || text.ptr[i] == '_' || text.ptr[i] == '\\')
            pn_buf_add_byte(&pattern, '\\');
        pn_buf_add_byte(&pattern, text.ptr[i]);
    }
    pn_buf_add_byte(&pattern, '%');
    return pn_arena_copy(arena, pn_buf_str(&pattern));
}
