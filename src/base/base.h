/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_BASE_H
#define PN_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every file may rely on: attributes, scoped cleanup, asserts and checked arithmetic. */

#define PN_CHECKED __attribute__((warn_unused_result))
#define PN_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define PN_UNUSED __attribute__((unused))
#define PN_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* pn_auto(pn_buf_drop) struct pn_buf b: `drop(&b)` runs when b's scope ends, on every return. */
#define pn_auto(drop) __attribute__((cleanup(drop)))

/* Hands a pointer over: returns it and leaves NULL behind for the cleanup. */
#define pn_take(pointer)                               \
    __extension__({                                    \
        __typeof__(*(pointer)) pn_taken_ = *(pointer); \
        *(pointer) = NULL;                             \
        pn_taken_;                                     \
    })

/* The struct of `type` whose `member` is at `pointer`. */
#define pn_container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* States what only our own bug can break; stays in release builds; unreachable from any input. */
#define pn_assert(truth) ((truth) ? (void)0 : pn_assert_failed(#truth, __FILE__, __LINE__))
void pn_assert_failed(const char *truth, const char *file, int line) __attribute__((noreturn));

/* Ends the process after a line on stderr: out of memory, or a broken machine. */
void pn_die(const char *why) __attribute__((noreturn));

/* Sums and products of numbers that came from outside: false when the result does not fit. */
static inline PN_CHECKED bool pn_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline PN_CHECKED bool pn_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* The only way to the heap outside base/: never NULL, zeroed; pn_heap_free accepts NULL. */
void *pn_heap_new(size_t bytes) __attribute__((malloc, returns_nonnull));
void *pn_heap_grow(void *memory, size_t old_bytes, size_t new_bytes)
    __attribute__((returns_nonnull));
void pn_heap_free(void *memory);
char *pn_heap_copy(const char *text) __attribute__((returns_nonnull));

/* Overwrites memory in a way the compiler keeps. */
void pn_wipe(void *memory, size_t bytes);

#endif
