/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rows.h"

#include "check.h"

static struct pn_list numbers(struct pn_arena *arena, int64_t from, size_t count)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(int64_t));

    for (size_t i = 0; i < count; i++)
        *(int64_t *)pn_rows_add(&rows) = from + (int64_t)i;
    return rows.list;
}

/* Lists of every small length after one another, and rows after them: none is lost, none moves. */
PN_TEST(lists_and_rows_come_after_one_another)
{
    for (size_t first = 0; first < 20; first++) {
        for (size_t second = 0; second < 20; second++) {
            pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
            struct pn_rows rows = pn_rows_of(arena, sizeof(int64_t));
            const int64_t *all;

            pn_rows_add_all(&rows, numbers(arena, 0, first));
            pn_rows_add_all(&rows, numbers(arena, (int64_t)first, second));
            *(int64_t *)pn_rows_add(&rows) = (int64_t)(first + second);
            CHECK_EQ(rows.list.count, first + second + 1);
            all = rows.list.items;
            for (size_t i = 0; i < rows.list.count; i++)
                CHECK_EQ(all[i], (int64_t)i);
        }
    }
}

PN_TEST_MAIN(T(lists_and_rows_come_after_one_another))
