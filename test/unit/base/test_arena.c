/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/arena.h"
#include "dies.h"

struct thing {
    int64_t number;
    char byte;
};

PN_TEST(objects_are_zeroed_and_aligned)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);

    for (int i = 0; i < 1000; i++) {
        char *odd = pn_arena_alloc(arena, 1 + (size_t)i % 7, 1);
        struct thing *things = pn_new(arena, struct thing, 3);

        CHECK_EQ((uintptr_t)things % _Alignof(struct thing), 0);
        CHECK(things[2].number == 0 && things[2].byte == 0);
        memset(things, 0xff, 3 * sizeof(*things));
        memset(odd, 0xff, 1);
    }
    CHECK(pn_new(arena, struct thing, 0) != NULL);
}

PN_TEST(pieces_do_not_overlap)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 22);
    char *piece[200];
    size_t len = 1;

    for (size_t i = 0; i < 200; i++) {
        len = len * 7 % 9001;
        piece[i] = pn_arena_alloc(arena, len, 1);
        memset(piece[i], (int)i, len);
    }
    len = 1;
    for (size_t i = 0; i < 200; i++) {
        len = len * 7 % 9001;
        for (size_t j = 0; j < len; j++)
            CHECK_EQ((uint8_t)piece[i][j], i);
    }
}

PN_TEST(reset_gives_zeroed_memory_again)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    char *first = pn_arena_alloc(arena, 100, 1);

    memset(first, 'x', 100);
    memset(pn_arena_alloc(arena, 100000, 1), 'x', 100000);
    CHECK_EQ(pn_arena_used(arena), 100100);
    pn_arena_reset(arena);
    CHECK_EQ(pn_arena_used(arena), 0);
    CHECK(pn_arena_alloc(arena, 100, 1) == first); /* the first block stays */
    for (int i = 0; i < 100; i++)
        CHECK_EQ(first[i], 0);
}

PN_TEST(the_budget_is_soft_and_sticky)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1000);

    struct pn_err err = { 0 };

    CHECK_OK(pn_arena_require(arena, 1000, &err), err);
    CHECK_FAILS(pn_arena_require(arena, 1001, &err), err, TOO_LARGE);
    CHECK_FAILS(pn_arena_require(arena, SIZE_MAX, &err), err, TOO_LARGE);
    pn_arena_alloc(arena, 1000, 1);
    CHECK(!pn_arena_is_over(arena));
    CHECK_OK(pn_arena_require(arena, 0, &err), err);
    CHECK_FAILS(pn_arena_require(arena, 1, &err), err, TOO_LARGE);
    pn_arena_alloc(arena, 1, 1);
    CHECK(pn_arena_is_over(arena));
    pn_arena_alloc(arena, 900, 1);
    CHECK(pn_arena_is_over(arena));
    pn_arena_reset(arena);
    CHECK(!pn_arena_is_over(arena));
}

static void use_thrice_the_budget(void)
{
    struct pn_arena *arena = pn_arena_new(1000);

    pn_arena_alloc(arena, 3000, 1);
}

static void ask_for_more_than_memory(void)
{
    struct pn_arena *arena = pn_arena_new(1000);

    (void)pn_new(arena, struct thing, SIZE_MAX / 8);
}

static void ask_for_nearly_all_memory(void)
{
    struct pn_arena *arena = pn_arena_new(SIZE_MAX);

    pn_arena_alloc(arena, SIZE_MAX - 8, 1);
}

PN_TEST(what_is_not_bounded_ends_the_process)
{
    CHECK(dies(use_thrice_the_budget));
    CHECK(dies(ask_for_more_than_memory));
    CHECK(dies(ask_for_nearly_all_memory));
}

PN_TEST(copies_text)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    char text[] = "abc";
    struct pn_str copy = pn_arena_copy(arena, pn_str_from(text));

    text[0] = 'x';
    CHECK_STR(copy, "abc");
    CHECK_STR(pn_arena_printf(arena, "%s-%05d", "n", 42), "n-00042");
    CHECK_STR(pn_arena_printf(arena, "%s", ""), "");
    CHECK_STR(pn_str_from(pn_cstr(arena, pn_str_slice(PN_LIT("abcdef"), 0, 3))), "abc");
    CHECK_STR(pn_arena_copy(arena, PN_NONE), "");
    CHECK(pn_arena_copy(arena, PN_NONE).ptr != NULL);
}

/* What is printed is tried in the block's rest first: none of it stays there. */
PN_TEST(text_longer_than_the_rest_of_a_block_leaves_no_trace)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    char *first = pn_arena_alloc(arena, 4000, 1);

    struct pn_str text = pn_arena_printf(arena, "%0200d", 7);

    CHECK_EQ(text.len, 200);
    CHECK_EQ(text.ptr[199], '7');
    CHECK_EQ(strspn(text.ptr, "0"), 199);
    CHECK_EQ(pn_arena_used(arena), 4201);
    for (int i = 4000; i < 4096; i++)
        CHECK_EQ(first[i], 0);
    pn_arena_reset(arena);
    (void)pn_arena_alloc(arena, 4096, 1); /* no rest at all */
    CHECK_STR(pn_arena_printf(arena, "%d", 42), "42");
    pn_arena_reset(arena);
    (void)pn_arena_alloc(arena, 4093, 1); /* exactly room enough, with its end */
    CHECK_STR(pn_arena_printf(arena, "%d", 42), "42");
    CHECK(pn_arena_printf(arena, "%d", 43).ptr != first + 4096);
}

PN_TEST(a_c_string_has_no_nul_inside)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);

    CHECK(pn_cstr(arena, PN_LIT("a\0b")) == NULL);
    CHECK(pn_cstr(arena, PN_LIT("a\0")) == NULL);
    CHECK(pn_cstr(arena, PN_NONE) != NULL);
    pn_arena_free(NULL);
}

PN_TEST_MAIN(T(objects_are_zeroed_and_aligned), T(pieces_do_not_overlap),
             T(reset_gives_zeroed_memory_again), T(the_budget_is_soft_and_sticky),
             T(what_is_not_bounded_ends_the_process), T(copies_text),
             T(text_longer_than_the_rest_of_a_block_leaves_no_trace),
             T(a_c_string_has_no_nul_inside))
