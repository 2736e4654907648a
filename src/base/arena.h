/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_ARENA_H
#define PN_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

/*
 * Memory of one call (request or job): allocated piece by piece, freed at once. Allocation never
 * returns NULL. A soft budget sets a sticky flag, which the dispatcher turns into one error; twice
 * the budget aborts, because sizes are bounded before allocating.
 */
struct pn_arena;

struct pn_arena *pn_arena_new(size_t budget_bytes);
void pn_arena_free(struct pn_arena *arena);
void pn_arena_freep(struct pn_arena **arena);
/* Frees everything but keeps the first block for the next call; contents are wiped. */
void pn_arena_reset(struct pn_arena *arena);
bool pn_arena_is_over(const struct pn_arena *arena);
size_t pn_arena_used(const struct pn_arena *arena);
/*
 * Room for `bytes` more within the budget: asked before taking in what comes from outside piece by piece, of
 * which nobody knows how much there is. pn_column_str and pn_column_bytes (db/db.h) ask it themselves.
 * Errors: PN_TOO_LARGE.
 */
bool pn_arena_require(const struct pn_arena *arena, size_t bytes, struct pn_err *err) PN_CHECKED;

void *pn_arena_alloc(struct pn_arena *arena, size_t bytes, size_t align)
    __attribute__((returns_nonnull));
/* `count` zeroed objects of `type`. */
#define pn_new(arena, type, count) \
    ((type *)pn_arena_array((arena), sizeof(type), (count), _Alignof(type)))
void *pn_arena_array(struct pn_arena *arena, size_t size, size_t count, size_t align)
    __attribute__((returns_nonnull));

struct pn_str pn_arena_copy(struct pn_arena *arena, struct pn_str s);
struct pn_str pn_arena_printf(struct pn_arena *arena, const char *format, ...) PN_PRINTF(2, 3);
/* The only bridge to C strings: NULL when `s` holds a NUL byte. */
const char *pn_cstr(struct pn_arena *arena, struct pn_str s);

#endif
