/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/random.h"

#include "base/clock.h"
#include "check.h"

PN_TEST(bytes_differ_and_all_are_written)
{
    uint8_t a[4096] = { 0 }, b[4096] = { 0 };
    bool is_zero_everywhere = true;

    pn_random_bytes(a, sizeof(a));
    pn_random_bytes(b, sizeof(b));
    CHECK(!pn_str_eq(pn_str_of(a, sizeof(a)), pn_str_of(b, sizeof(b))));
    for (size_t i = sizeof(a) - 32; i < sizeof(a); i++)
        is_zero_everywhere = is_zero_everywhere && a[i] == 0;
    CHECK(!is_zero_everywhere);
}

PN_TEST(below_reaches_every_number_and_no_other)
{
    unsigned seen[5] = { 0 };

    for (int i = 0; i < 2000; i++) {
        uint32_t number = pn_random_below(5);

        CHECK(number < 5);
        seen[number]++;
    }
    for (size_t i = 0; i < PN_COUNT(seen); i++)
        CHECK(seen[i] > 250); /* 400 expected; 250 is eight standard deviations away */
    CHECK_EQ(pn_random_below(1), 0);
}

PN_TEST(uuids_of_a_thread_sort_as_they_were_made)
{
    struct pn_uuid last;

    pn_clock_freeze(1700000000000, 0);
    last = pn_random_uuid();
    for (int i = 0; i < 1000; i++) {
        struct pn_uuid next = pn_random_uuid();

        CHECK(memcmp(last.bytes, next.bytes, sizeof(next.bytes)) < 0);
        last = next;
    }
    pn_clock_release();
}

PN_TEST(uuids_are_version_7_and_sort_by_time)
{
    struct pn_uuid early, late;

    pn_clock_freeze(1700000000000, 0);
    early = pn_random_uuid();
    CHECK(!pn_uuid_eq(early, pn_random_uuid()));
    pn_clock_advance(1);
    late = pn_random_uuid();
    pn_clock_release();
    CHECK_EQ(early.bytes[6] >> 4, 7);
    CHECK_EQ(early.bytes[8] >> 6, 2);
    CHECK(memcmp(early.bytes, late.bytes, 6) < 0);
}

PN_TEST(tokens_have_prefix_and_length)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_str a = pn_random_token(arena, "pt_", 32), b = pn_random_token(arena, "pt_", 32);

    CHECK(pn_str_starts(a, PN_LIT("pt_")));
    CHECK_EQ(a.len, 3 + 43);
    CHECK(!pn_str_eq(a, b));
    CHECK(pn_str_find(a, '=') < 0 && pn_str_find(a, '+') < 0 && pn_str_find(a, '/') < 0);
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(bytes_differ_and_all_are_written), T(below_reaches_every_number_and_no_other),
             T(uuids_are_version_7_and_sort_by_time), T(uuids_of_a_thread_sort_as_they_were_made),
             T(tokens_have_prefix_and_length))
