/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "dies.h"

PN_TEST(memory_comes_zeroed_and_grows_zeroed)
{
    char *memory = pn_heap_new(8);

    CHECK(memcmp(memory, "\0\0\0\0\0\0\0\0", 8) == 0);
    memset(memory, 'x', 8);
    memory = pn_heap_grow(memory, 8, 16);
    CHECK(memcmp(memory, "xxxxxxxx\0\0\0\0\0\0\0\0", 16) == 0);
    memory = pn_heap_grow(memory, 16, 4);
    CHECK(memcmp(memory, "xxxx", 4) == 0);
    pn_heap_free(memory);
    pn_heap_free(NULL);
    memory = pn_heap_new(0);
    CHECK(memory != NULL);
    pn_heap_free(memory);
    memory = pn_heap_copy("text");
    CHECK_STR(pn_str_from(memory), "text");
    pn_heap_free(memory);
}

PN_TEST(take_hands_over_once)
{
    int number = 7;
    int *pointer = &number;

    CHECK(pn_take(&pointer) == &number);
    CHECK(pointer == NULL);
    CHECK(pn_take(&pointer) == NULL);
}

PN_TEST(checked_arithmetic_says_when_it_does_not_fit)
{
    size_t out = 7;

    CHECK(pn_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    CHECK(!pn_add(SIZE_MAX, 1, &out));
    CHECK(pn_mul(SIZE_MAX / 2, 2, &out) && out == SIZE_MAX - 1);
    CHECK(!pn_mul(SIZE_MAX / 2, 3, &out));
}

PN_TEST(wipes)
{
    char text[] = "secret";

    pn_wipe(text, 6);
    CHECK(memcmp(text, "\0\0\0\0\0\0", 7) == 0);
    pn_wipe(NULL, 0);
}

static void assert_what_is_false(void)
{
    pn_assert(1 + 1 == 3);
}

static void die(void)
{
    pn_die("because");
}

static void live(void)
{
    pn_assert(1 + 1 == 2);
}

PN_TEST(asserts_end_the_process)
{
    CHECK(dies(assert_what_is_false));
    CHECK(dies(die));
    CHECK(!dies(live));
}

PN_TEST_MAIN(T(memory_comes_zeroed_and_grows_zeroed), T(take_hands_over_once),
             T(checked_arithmetic_says_when_it_does_not_fit), T(wipes), T(asserts_end_the_process))
