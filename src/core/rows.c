/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rows.h"

#include <string.h>

#define FIRST_ROWS 8

void *pn_rows_add(struct pn_rows *rows)
{
    if (rows->list.count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? FIRST_ROWS : rows->capacity * 2;
        void *grown =
            pn_arena_array(rows->arena, rows->item_bytes, capacity, _Alignof(max_align_t));

        if (rows->list.count > 0)
            memcpy(grown, rows->list.items, rows->list.count * rows->item_bytes);
        rows->list.items = grown;
        rows->capacity = capacity;
    }
    return (char *)rows->list.items + rows->list.count++ * rows->item_bytes;
}
