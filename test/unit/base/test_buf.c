/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "dies.h"

PN_TEST(appends_every_form)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);

    CHECK(pn_buf_add(&buf, PN_LIT("a")));
    CHECK(pn_buf_add(&buf, PN_NONE));
    CHECK(pn_buf_add_bytes(&buf, "bc", 2));
    CHECK(pn_buf_add_text(&buf, "d"));
    CHECK(pn_buf_add_byte(&buf, ' '));
    CHECK(pn_buf_add_u64(&buf, UINT64_MAX));
    CHECK(pn_buf_add_byte(&buf, ' '));
    CHECK(pn_buf_add_i64(&buf, INT64_MIN));
    CHECK(pn_buf_add_i64(&buf, 0));
    CHECK(pn_buf_addf(&buf, " %s-%d", "x", 7));
    CHECK_STR(pn_buf_str(&buf), "abcd 18446744073709551615 -92233720368547758080 x-7");
    CHECK_STR(pn_str_from(pn_buf_cstr(&buf)),
              "abcd 18446744073709551615 -92233720368547758080 x-7");
}

PN_TEST(appends_big_endian)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(64);

    CHECK(pn_buf_add_be(&buf, 0x01, 1));
    CHECK(pn_buf_add_be(&buf, 0x0203, 2));
    CHECK(pn_buf_add_be(&buf, 0x040506, 3));
    CHECK(pn_buf_add_be(&buf, 0x0708090a0b0c0d0e, 8));
    CHECK(pn_buf_add_be(&buf, 7, 0));
    CHECK(pn_str_eq(pn_buf_str(&buf), BYTES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)));
}

PN_TEST(grows_up_to_its_maximum_and_no_further)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(1000);

    for (int i = 0; i < 100; i++)
        CHECK(pn_buf_add_text(&buf, "0123456789"));
    CHECK(!buf.is_full);
    CHECK(!pn_buf_add_byte(&buf, 'x'));
    CHECK(buf.is_full);
    CHECK_EQ(buf.len, 1000);
    CHECK_EQ(strlen(pn_buf_cstr(&buf)), 1000); /* the terminator has its place */
}

PN_TEST(full_is_sticky_and_appends_nothing)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4);

    CHECK(pn_buf_add_text(&buf, "ab"));
    CHECK(!pn_buf_add_text(&buf, "cde"));
    CHECK(!pn_buf_add_byte(&buf, 'c')); /* would fit, but the text would have a hole */
    CHECK(!pn_buf_add_u64(&buf, 1));
    CHECK(!pn_buf_add_i64(&buf, -1));
    CHECK(!pn_buf_addf(&buf, "%d", 1));
    CHECK(!pn_buf_add_be(&buf, 1, 1));
    CHECK(pn_buf_room(&buf, 1) == NULL);
    CHECK_STR(pn_buf_str(&buf), "ab");
    pn_buf_clear(&buf);
    CHECK(pn_buf_add_text(&buf, "abcd"));
}

PN_TEST(a_number_that_does_not_fit_leaves_no_sign)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(2);

    CHECK(!pn_buf_add_i64(&buf, -10));
    CHECK_EQ(buf.len, 0);
}

PN_TEST(gives_room_within_the_maximum)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(300);
    char *room = pn_buf_room(&buf, 300);

    CHECK(room != NULL);
    memset(room, 'x', 300);
    pn_buf_grew(&buf, 299);
    CHECK(pn_buf_room(&buf, 1) == room + 299);
    CHECK(pn_buf_room(&buf, 2) == NULL);
    CHECK(!buf.is_full); /* asking is no failure */
    CHECK(pn_buf_room(&buf, SIZE_MAX) == NULL);
}

PN_TEST(consumes_from_the_front)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(64);

    pn_buf_add_text(&buf, "abcdef");
    pn_buf_consume(&buf, 2);
    CHECK_STR(pn_buf_str(&buf), "cdef");
    pn_buf_consume(&buf, 0);
    pn_buf_consume(&buf, 4);
    CHECK_EQ(buf.len, 0);
}

PN_TEST(a_wiped_buffer_leaves_nothing_behind)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init_wiped(4096);

    pn_buf_add_text(&buf, "secret-secret");
    pn_buf_consume(&buf, 7);
    CHECK(memcmp(buf.ptr + 6, "\0\0\0\0\0\0\0", 7) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(pn_buf_add_text(&buf, "0123456789")); /* grows by copying */
    CHECK(pn_str_starts(pn_buf_str(&buf), PN_LIT("secret0123456789")));
    pn_buf_clear(&buf);
    for (size_t i = 0; i < buf.capacity; i++)
        CHECK_EQ(buf.ptr[i], 0);
}

PN_TEST(an_empty_buffer_is_empty_text)
{
    struct pn_buf zero = { 0 };
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(0);

    CHECK_STR(pn_buf_str(&buf), "");
    CHECK(pn_buf_str(&buf).ptr != NULL);
    CHECK_STR(pn_str_from(pn_buf_cstr(&buf)), "");
    CHECK(pn_buf_add_text(&buf, ""));
    CHECK(!pn_buf_add_byte(&buf, 'x'));
    pn_buf_drop(&zero);
    pn_buf_drop(NULL);
}

PN_TEST(a_dropped_buffer_may_be_used_again)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(8);

    pn_buf_add_text(&buf, "123456789");
    pn_buf_drop(&buf);
    CHECK(pn_buf_add_text(&buf, "12345678"));
}

static void consume_too_much(void)
{
    struct pn_buf buf = pn_buf_init(8);

    pn_buf_add_text(&buf, "ab");
    pn_buf_consume(&buf, 3);
}

static void grow_without_room(void)
{
    struct pn_buf buf = pn_buf_init(8);

    pn_buf_grew(&buf, 1);
}

PN_TEST(misuse_is_caught)
{
    CHECK(dies(consume_too_much));
    CHECK(dies(grow_without_room));
}

PN_TEST_MAIN(T(appends_every_form), T(appends_big_endian),
             T(grows_up_to_its_maximum_and_no_further), T(full_is_sticky_and_appends_nothing),
             T(a_number_that_does_not_fit_leaves_no_sign), T(gives_room_within_the_maximum),
             T(consumes_from_the_front), T(a_wiped_buffer_leaves_nothing_behind),
             T(an_empty_buffer_is_empty_text), T(a_dropped_buffer_may_be_used_again),
             T(misuse_is_caught))
