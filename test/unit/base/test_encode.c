/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/encode.h"

typedef bool add_fn(struct pn_buf *out, struct pn_str bytes);
typedef bool decode_fn(struct pn_str text, struct pn_buf *out);

static void check_pair(add_fn *add, decode_fn *decode, struct pn_str bytes, const char *text)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    pn_auto(pn_buf_drop) struct pn_buf back = pn_buf_init(4096);

    CHECK(add(&out, bytes));
    CHECK_STR(pn_buf_str(&out), text);
    CHECK(decode(pn_buf_str(&out), &back));
    CHECK(pn_str_eq(pn_buf_str(&back), bytes));
}

static void check_refused(decode_fn *decode, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);

    pn_buf_add_text(&out, "before");
    CHECK(!decode(text, &out));
    CHECK_STR(pn_buf_str(&out), "before"); /* nothing half done */
}

PN_TEST(base64_by_the_vectors_of_rfc_4648)
{
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT(""), "");
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT("f"), "Zg==");
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT("fo"), "Zm8=");
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT("foo"), "Zm9v");
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT("foob"), "Zm9vYg==");
    check_pair(pn_base64_add, pn_base64_decode, PN_LIT("foobar"), "Zm9vYmFy");
    check_pair(pn_base64_add, pn_base64_decode, BYTES(0xfb, 0xff, 0xfe), "+//+");
    check_pair(pn_base64url_add, pn_base64url_decode, BYTES(0xfb, 0xff, 0xfe), "-__-");
    check_pair(pn_base64url_add, pn_base64url_decode, PN_LIT("f"), "Zg");
    check_pair(pn_base64url_add, pn_base64url_decode, PN_LIT("fo"), "Zm8");
}

PN_TEST(base32_of_rfc_4648)
{
    static const char *const cases[][2] = { { "", "" },
                                            { "f", "MY" },
                                            { "fo", "MZXQ" },
                                            { "foo", "MZXW6" },
                                            { "foob", "MZXW6YQ" },
                                            { "fooba", "MZXW6YTB" },
                                            { "foobar", "MZXW6YTBOI" } };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(64);

        CHECK(pn_base32_add(&out, pn_str_from(cases[i][0])));
        CHECK_STR(pn_buf_str(&out), cases[i][1]);
    }
}

PN_TEST(base64_refuses_second_spellings)
{
    static const char *const bad[] = { "Zg",     "Zg=",      "Zg===", "Z===", "====",     "Zm9=v",
                                       "Zm9v=",  "Zm9v====", "Zh==",  "Zm9=", "Zg==Zg==", " Zg==",
                                       "Zg==\n", "Zm9-",     "Zm9_",  "Zm\0v" };
    static const char *const bad_url[] = { "Z",   "Zg==", "Zm8=",    "Zh",
                                           "Zm9", "+///", "Zm9v Zg", "Zm9vY" };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        check_refused(pn_base64_decode, pn_str_from(bad[i]));
    for (size_t i = 0; i < PN_COUNT(bad_url); i++)
        check_refused(pn_base64url_decode, pn_str_from(bad_url[i]));
    check_refused(pn_base64_decode, PN_LIT("Zm\0v"));
}

PN_TEST(hex_both_cases_in_lower_case_out)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(16);

    check_pair(pn_hex_add, pn_hex_decode, BYTES(0x00, 0x9a, 0xff), "009aff");
    CHECK(pn_hex_decode(PN_LIT("9AfF"), &out));
    CHECK(pn_str_eq(pn_buf_str(&out), BYTES(0x9a, 0xff)));
    CHECK_EQ(pn_hex_digit('g'), -1);
    CHECK_EQ(pn_hex_digit('\0'), -1);
}

PN_TEST(hex_refuses_the_rest)
{
    static const char *const bad[] = { "0", "0g", "g0", "0x00", " 00", "00 ", "abc" };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        check_refused(pn_hex_decode, pn_str_from(bad[i]));
}

PN_TEST(percent_escapes_all_but_unreserved)
{
    check_pair(pn_percent_add, pn_percent_decode, PN_LIT("aZ09-._~"), "aZ09-._~");
    check_pair(pn_percent_add, pn_percent_decode, PN_LIT("a b/c?&=+%\xc3\xa4"),
               "a%20b%2Fc%3F%26%3D%2B%25%C3%A4");
    check_pair(pn_percent_add, pn_percent_decode, PN_LIT("\0"), "%00");
}

PN_TEST(percent_decodes_once)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(64);

    CHECK(pn_percent_decode(PN_LIT("%252e+%2f%2F"), &out));
    CHECK_STR(pn_buf_str(&out), "%2e+//");
}

PN_TEST(percent_refuses_broken_escapes)
{
    static const char *const bad[] = { "%", "%2", "%zz", "%2g", "%%20", "a%", "% 2" };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        check_refused(pn_percent_decode, pn_str_from(bad[i]));
}

PN_TEST(what_does_not_fit_adds_nothing)
{
    static add_fn *const adders[] = { pn_base64_add, pn_base64url_add, pn_hex_add, pn_base32_add };
    static decode_fn *const decoders[] = { pn_base64_decode, pn_base64url_decode, pn_hex_decode,
                                           pn_percent_decode };

    for (size_t i = 0; i < PN_COUNT(adders); i++) {
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(3);

        CHECK(!adders[i](&out, PN_LIT("foobar")));
        CHECK_EQ(out.len, 0);
        CHECK(out.is_full);
    }
    for (size_t i = 0; i < PN_COUNT(decoders); i++) {
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1);

        CHECK(!decoders[i](PN_LIT("abcdabcd"), &out));
        CHECK_EQ(out.len, 0);
    }
}

PN_TEST(query_gives_the_first_value)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 16);
    struct pn_str query = PN_LIT("a=1&b=x+y%2Bz&a=2&empty=&flag&%63=3&=nameless");
    struct pn_str value = PN_NONE;

    CHECK(pn_query_get(arena, query, "a", &value));
    CHECK_STR(value, "1");
    CHECK(pn_query_get(arena, query, "b", &value));
    CHECK_STR(value, "x y+z");
    CHECK(pn_query_get(arena, query, "c", &value)); /* a name may be escaped too */
    CHECK_STR(value, "3");
    CHECK(pn_query_get(arena, query, "empty", &value));
    CHECK(value.len == 0 && value.ptr != NULL);
    CHECK(pn_query_get(arena, query, "flag", &value));
    CHECK_EQ(value.len, 0);
}

PN_TEST(query_says_what_is_absent_or_broken)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 16);
    struct pn_str value = PN_NONE;

    CHECK(!pn_query_get(arena, PN_LIT("a=1"), "b", &value));
    CHECK(!pn_query_get(arena, PN_LIT("a=1"), "A", &value));
    CHECK(!pn_query_get(arena, PN_NONE, "a", &value));
    CHECK(!pn_query_get(arena, PN_LIT("a=%zz&a=1"), "a", &value));
    CHECK(!pn_query_get(arena, PN_LIT("%zz=1"), "zz", &value));
    CHECK(value.ptr == NULL);
}

PN_TEST(json_escapes_what_would_end_the_string)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(256);

    CHECK(pn_json_escape_add(&out, PN_LIT("a\"\\\b\f\n\r\t\x1f\x7f\0")));
    CHECK_STR(pn_buf_str(&out), "a\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7f\\u0000");
    pn_buf_clear(&out);
    CHECK(pn_json_escape_add(&out, PN_LIT("\xc3\xa4\xc3(\xf0\x9f\x98\x80\xf0\x9f\xe2\x82")));
    CHECK_STR(
        pn_buf_str(&out),
        "\xc3\xa4\xef\xbf\xbd(\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

/* Words of eight bytes are looked at whole: wherever in them the byte stands, and in the rest that is no word. */
PN_TEST(json_quotes_a_text_wherever_its_special_byte_stands)
{
    static const struct {
        char byte;
        const char *escaped;
    } cases[] = { { '"', "\\\"" },       { '\\', "\\\\" }, { '\0', "\\u0000" },
                  { '\x1f', "\\u001f" }, { '\n', "\\n" },  { '\xff', "\xef\xbf\xbd" },
                  { 'x', "x" },          { ' ', " " },     { '\x7f', "\x7f" } };

    for (size_t len = 0; len <= 27; len++) {
        for (size_t at = 0; at < len * PN_COUNT(cases); at++) {
            pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(256), wanted = pn_buf_init(256);
            size_t place = at / PN_COUNT(cases), what = at % PN_COUNT(cases);
            char text[27];

            memset(text, 'a', sizeof(text));
            text[place] = cases[what].byte;
            pn_buf_add_byte(&wanted, '"');
            pn_buf_add_bytes(&wanted, text, place);
            pn_buf_add_text(&wanted, cases[what].escaped);
            pn_buf_add_bytes(&wanted, text + place + 1, len - place - 1);
            pn_buf_add_byte(&wanted, '"');
            CHECK(pn_json_quote_add(&out, pn_str_of(text, len)));
            CHECK_STR(pn_buf_str(&out), pn_buf_cstr(&wanted));
        }
    }
}

PN_TEST(json_quotes_add_nothing_that_does_not_fit)
{
    for (size_t max = 0; max < 12; max++) {
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(max);

        CHECK_EQ(pn_json_quote_add(&out, PN_LIT("012345678")), max >= 11);
        CHECK_EQ(out.is_full, max < 11);
        CHECK(out.len <= max);
    }
}

PN_TEST_MAIN(T(base64_by_the_vectors_of_rfc_4648), T(base32_of_rfc_4648),
             T(base64_refuses_second_spellings), T(hex_both_cases_in_lower_case_out),
             T(hex_refuses_the_rest), T(percent_escapes_all_but_unreserved),
             T(percent_decodes_once), T(percent_refuses_broken_escapes),
             T(what_does_not_fit_adds_nothing), T(query_gives_the_first_value),
             T(query_says_what_is_absent_or_broken), T(json_escapes_what_would_end_the_string),
             T(json_quotes_a_text_wherever_its_special_byte_stands),
             T(json_quotes_add_nothing_that_does_not_fit))
