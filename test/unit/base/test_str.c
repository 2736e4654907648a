/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

PN_TEST(compares_bytes)
{
    CHECK(pn_str_eq(PN_LIT("a\0b"), pn_str_of("a\0b", 3)));
    CHECK(!pn_str_eq(PN_LIT("a\0b"), PN_LIT("a\0c")));
    CHECK(!pn_str_eq(PN_LIT("a"), PN_LIT("ab")));
    CHECK(pn_str_eq(PN_NONE, PN_LIT("")));
    CHECK(pn_str_is(PN_LIT("abc"), "abc"));
    CHECK(!pn_str_is(PN_LIT("abc"), "abC"));
    CHECK(pn_str_is(PN_NONE, NULL));
}

PN_TEST(folds_only_ascii_case)
{
    CHECK(pn_str_iis(PN_LIT("Content-TYPE"), "content-type"));
    CHECK(!pn_str_iis(PN_LIT("content_type"), "content-type"));
    CHECK(!pn_str_iis(PN_LIT("@"), "`")); /* 0x40 and 0x60 differ in the bit of case */
    CHECK(!pn_str_iis(PN_LIT("\xc3\x84"), "\xc3\xa4"));
}

PN_TEST(orders_bytewise_then_by_length)
{
    CHECK(pn_str_cmp(PN_LIT("a"), PN_LIT("b")) < 0);
    CHECK(pn_str_cmp(PN_LIT("ab"), PN_LIT("a")) > 0);
    CHECK(pn_str_cmp(PN_LIT("\x7f"), PN_LIT("\x80")) < 0);
    CHECK_EQ(pn_str_cmp(PN_NONE, PN_LIT("")), 0);
}

PN_TEST(finds_ends_and_needles)
{
    struct pn_str s = PN_LIT("namespaces/prod");

    CHECK(pn_str_starts(s, PN_LIT("name")));
    CHECK(!pn_str_starts(s, PN_LIT("Name")));
    CHECK(pn_str_istarts(s, PN_LIT("Name")));
    CHECK(pn_str_ends(s, PN_LIT("/prod")));
    CHECK(!pn_str_ends(PN_LIT("prod"), s));
    CHECK(pn_str_starts(PN_NONE, PN_NONE));
    CHECK_EQ(pn_str_find(s, '/'), 10);
    CHECK_EQ(pn_str_find(s, 'x'), -1);
    CHECK_EQ(pn_str_find(PN_NONE, 'x'), -1);
    CHECK_EQ(pn_str_search(s, PN_LIT("/prod")), 10);
    CHECK_EQ(pn_str_search(s, PN_LIT("/prod/")), -1);
    CHECK_EQ(pn_str_search(PN_NONE, PN_LIT("a")), -1);
    CHECK_EQ(pn_str_search(PN_NONE, PN_NONE), 0);
}

PN_TEST(slices_are_clamped)
{
    CHECK_STR(pn_str_slice(PN_LIT("abc"), 1, 2), "b");
    CHECK_STR(pn_str_slice(PN_LIT("abc"), 1, 99), "bc");
    CHECK_STR(pn_str_slice(PN_LIT("abc"), 9, 99), "");
    CHECK_STR(pn_str_slice(PN_LIT("abc"), 2, 1), "");
    CHECK(pn_str_slice(PN_NONE, 1, 2).ptr == NULL);
    CHECK_STR(pn_str_trim(PN_LIT(" \t a b\r\n")), "a b");
    CHECK_STR(pn_str_trim(PN_LIT(" \n")), "");
    CHECK_STR(pn_str_trim(PN_LIT("\va")), "\va");
}

PN_TEST(cut_gives_every_piece_once)
{
    struct pn_str rest = PN_LIT("a,,b");
    struct pn_str piece;

    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK_STR(piece, "a");
    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK_STR(piece, "");
    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK_STR(piece, "b");
    CHECK(!pn_str_cut(&rest, ',', &piece));

    rest = PN_LIT("");
    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK_EQ(piece.len, 0);
    CHECK(!pn_str_cut(&rest, ',', &piece));

    rest = PN_LIT("a,");
    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK(pn_str_cut(&rest, ',', &piece));
    CHECK_EQ(piece.len, 0);
    CHECK(!pn_str_cut(&rest, ',', &piece));
}

PN_TEST(reads_decimals_up_to_their_limits)
{
    uint64_t u = 7;
    int64_t i = 7;

    CHECK(pn_str_u64(PN_LIT("0"), &u) && u == 0);
    CHECK(pn_str_u64(PN_LIT("18446744073709551615"), &u) && u == UINT64_MAX);
    CHECK(pn_str_i64(PN_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
    CHECK(pn_str_i64(PN_LIT("9223372036854775807"), &i) && i == INT64_MAX);
    CHECK(pn_str_i64(PN_LIT("-0"), &i) && i == 0);
}

PN_TEST(refuses_what_is_no_decimal)
{
    static const char *const bad[] = { "",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "0x1",
                                       "1.0",
                                       "-",
                                       "--1",
                                       "1e3",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t u = 7;
    int64_t i = 7;

    for (size_t n = 0; n < PN_COUNT(bad); n++) {
        CHECK(!pn_str_u64(pn_str_from(bad[n]), &u));
        CHECK(!pn_str_i64(pn_str_from(bad[n]), &i));
    }
    CHECK(!pn_str_u64(PN_LIT("-1"), &u));
    CHECK(!pn_str_i64(PN_LIT("9223372036854775808"), &i));
    CHECK(!pn_str_i64(PN_LIT("-9223372036854775809"), &i));
    CHECK(!pn_str_u64(PN_LIT("1\0"), &u));
    CHECK_EQ(u, 7);
    CHECK_EQ(i, 7);
}

PN_TEST(accepts_well_formed_utf8)
{
    CHECK(pn_str_is_utf8(PN_NONE));
    CHECK(pn_str_is_utf8(PN_LIT("plain\x7f")));
    CHECK(pn_str_is_utf8(PN_LIT("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 "
                                "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
    CHECK_EQ(pn_str_utf8_step(PN_LIT("\xe2\x82\xac"
                                     "1")),
             3);
}

PN_TEST(refuses_ill_formed_utf8)
{
    static const char *const bad[] = {
        "\x80",             /* continuation alone */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* over U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc2",
        "\xe2\x82",
        "\xf0\x90\x80",
        "\xc2\x41",
        "\xe2\x82\x41",
    };

    for (size_t n = 0; n < PN_COUNT(bad); n++) {
        CHECK(!pn_str_is_utf8(pn_str_from(bad[n])));
        CHECK_EQ(pn_str_utf8_step(pn_str_from(bad[n])), 0);
    }
}

PN_TEST(printable_is_ascii_without_controls)
{
    CHECK(pn_str_is_printable(PN_LIT(" ~aZ0")));
    CHECK(!pn_str_is_printable(PN_LIT("a\n")));
    CHECK(!pn_str_is_printable(PN_LIT("\x7f")));
    CHECK(!pn_str_is_printable(PN_LIT("\xc3\xa4")));
    CHECK(!pn_str_is_printable(PN_LIT("\0")));
}

PN_TEST_MAIN(T(compares_bytes), T(folds_only_ascii_case), T(orders_bytewise_then_by_length),
             T(finds_ends_and_needles), T(slices_are_clamped), T(cut_gives_every_piece_once),
             T(reads_decimals_up_to_their_limits), T(refuses_what_is_no_decimal),
             T(accepts_well_formed_utf8), T(refuses_ill_formed_utf8),
             T(printable_is_ascii_without_controls))
