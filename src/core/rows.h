/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ROWS_H
#define PN_CORE_ROWS_H

#include "base/arena.h"
#include "json/shape.h"

/*
 * The rows of a query as a list that grows as they come: a list of one costs one, not its limit.
 *
 *     struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_org));
 *     while (pn_query_next(q)) *(struct pn_org *)pn_rows_add(&rows) = read_org(q, call->arena);
 *     *out = rows.list;
 */
struct pn_rows {
    struct pn_arena *arena;
    struct pn_list list;
    size_t item_bytes, capacity;
};

static inline struct pn_rows pn_rows_of(struct pn_arena *arena, size_t item_bytes)
{
    return (struct pn_rows){ .arena = arena, .item_bytes = item_bytes };
}

/* Room for one more, zeroed; earlier pointers into the list are then stale. */
void *pn_rows_add(struct pn_rows *rows);
/* All of a list of the same arena, which is given up: the first is taken as it is. */
void pn_rows_add_all(struct pn_rows *rows, struct pn_list list);

/* "%text%" for LIKE … ESCAPE '\\', with what LIKE treats specially taken literally. */
struct pn_str pn_rows_like(struct pn_arena *arena, struct pn_str text);

#endif
