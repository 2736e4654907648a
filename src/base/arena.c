/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BYTES ((size_t)4096)
#define MAX_BLOCK_BYTES ((size_t)64 * 1024)

/* Memory in a block beyond `used` is zero: it comes so from the heap and reset wipes it again. */
struct block {
    struct block *next; /* the one made before it */
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
};

struct pn_arena {
    struct block *newest; /* the list ends with the first block */
    size_t used, budget;
};

static struct block *new_block(struct block *next, size_t size)
{
    struct block *block;
    size_t bytes;

    if (!pn_add(sizeof(*block), size, &bytes))
        pn_die("a piece of a call is larger than memory");
    block = pn_heap_new(bytes);
    block->next = next;
    block->size = size;
    return block;
}

static void free_block(struct block *block)
{
    pn_wipe(block->bytes, block->used);
    pn_heap_free(block);
}

struct pn_arena *pn_arena_new(size_t budget_bytes)
{
    struct pn_arena *arena = pn_heap_new(sizeof(*arena));

    arena->budget = budget_bytes;
    arena->newest = new_block(NULL, FIRST_BYTES);
    return arena;
}

void pn_arena_reset(struct pn_arena *arena)
{
    while (arena->newest->next != NULL) {
        struct block *next = arena->newest->next;

        free_block(arena->newest);
        arena->newest = next;
    }
    pn_wipe(arena->newest->bytes, arena->newest->used);
    arena->newest->used = 0;
    arena->used = 0;
}

void pn_arena_free(struct pn_arena *arena)
{
    if (arena == NULL)
        return;
    pn_arena_reset(arena);
    pn_heap_free(arena->newest);
    pn_heap_free(arena);
}

void pn_arena_freep(struct pn_arena **arena)
{
    pn_arena_free(*arena);
    *arena = NULL;
}

bool pn_arena_is_over(const struct pn_arena *arena)
{
    return arena->used > arena->budget;
}

bool pn_arena_require(const struct pn_arena *arena, size_t bytes, struct pn_err *err)
{
    return (!pn_arena_is_over(arena) && bytes <= arena->budget - arena->used) ||
           pn_fail(err, PN_TOO_LARGE, "The answer is too large: ask for less at once");
}

size_t pn_arena_used(const struct pn_arena *arena)
{
    return arena->used;
}

/* Counts against the budget; past twice the budget somebody did not bound a size. */
static void account(struct pn_arena *arena, size_t bytes)
{
    if (!pn_add(arena->used, bytes, &arena->used) || arena->used / 2 > arena->budget)
        pn_die("a call used more than twice its memory budget");
}

void *pn_arena_alloc(struct pn_arena *arena, size_t bytes, size_t align)
{
    struct block *block = arena->newest;
    size_t from = (block->used + align - 1) & ~(align - 1);
    size_t size;

    pn_assert(align > 0 && (align & (align - 1)) == 0 && align <= _Alignof(max_align_t));
    account(arena, bytes);
    if (from > block->size || bytes > block->size - from) {
        size = block->size < MAX_BLOCK_BYTES ? block->size * 2 : MAX_BLOCK_BYTES;
        block = arena->newest = new_block(block, bytes > size ? bytes : size);
        from = 0;
    }
    block->used = from + bytes;
    return block->bytes + from;
}

void *pn_arena_array(struct pn_arena *arena, size_t size, size_t count, size_t align)
{
    size_t bytes;

    if (!pn_mul(size, count, &bytes))
        pn_die("an array of a call is larger than memory");
    return pn_arena_alloc(arena, bytes, align);
}

struct pn_str pn_arena_copy(struct pn_arena *arena, struct pn_str s)
{
    char *copy = pn_arena_alloc(arena, s.len + 1, 1); /* terminated, for the debugger's sake */

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return pn_str_of(copy, s.len);
}

/* Printed where it shall stand; a second time only when what is left of the block was too little. */
struct pn_str pn_arena_printf(struct pn_arena *arena, const char *format, ...)
{
    struct block *block = arena->newest;
    char *here = block->bytes + block->used, *text;
    size_t room = block->size - block->used;
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(here, room, format, args);
    va_end(args);
    pn_assert(len >= 0);
    if ((size_t)len >= room)
        pn_wipe(here, room);
    text = pn_arena_alloc(arena, (size_t)len + 1, 1);
    if (text == here)
        return pn_str_of(text, (size_t)len);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return pn_str_of(text, (size_t)len);
}

const char *pn_cstr(struct pn_arena *arena, struct pn_str s)
{
    if (pn_str_find(s, '\0') >= 0)
        return NULL;
    return pn_arena_copy(arena, s).ptr;
}
