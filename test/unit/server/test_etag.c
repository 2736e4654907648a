/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "server/etag.h"

static struct pn_keyring *keyring(void)
{
    struct pn_keyring *made;
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_new(PN_LIT("0123456789abcdef0123456789abcdef"), &made, &err), err);
    return made;
}

PN_TEST(equal_bodies_have_equal_tags_and_others_do_not)
{
    struct pn_keyring *keys = keyring();
    char a[PN_ETAG_BYTES], b[PN_ETAG_BYTES], c[PN_ETAG_BYTES];

    pn_etag_make(keys, PN_LIT("{\"secrets\":[]}"), a);
    pn_etag_make(keys, PN_LIT("{\"secrets\":[]}"), b);
    pn_etag_make(keys, PN_LIT("{\"secrets\":[1]}"), c);
    CHECK_STR(pn_str_from(a), b);
    CHECK(strcmp(a, c) != 0);
    CHECK(a[0] == '"' && a[PN_ETAG_BYTES - 2] == '"' && strlen(a) == PN_ETAG_BYTES - 1);
    pn_keyring_free(keys);
}

PN_TEST(another_key_gives_another_tag)
{
    struct pn_keyring *keys = keyring(), *other;
    struct pn_err err = { 0 };
    char a[PN_ETAG_BYTES], b[PN_ETAG_BYTES];

    CHECK_OK(pn_keyring_new(PN_LIT("another-root-key-of-32-bytes-00!"), &other, &err), err);
    pn_etag_make(keys, PN_LIT("yes"), a);
    pn_etag_make(other, PN_LIT("yes"), b);
    CHECK(strcmp(a, b) != 0);
    pn_keyring_free(keys);
    pn_keyring_free(other);
}

PN_TEST(if_none_match_is_a_list)
{
    static const struct {
        const char *header;
        bool matches;
    } cases[] = {
        { "\"a\"", true },   { "W/\"a\"", true }, { "\"b\", \"a\"", true },
        { "*", true },       { " \"a\" ", true }, { "\"b\",W/\"a\"", true },
        { "", false },       { "\"b\"", false },  { "a", false },
        { "\"a", false },    { "\"A\"", false },  { "w/\"a\"", false },
        { "\"a\"x", false }, { ",,,", false },    { "W/", false },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++)
        CHECK_EQ(pn_etag_matches(pn_str_from(cases[i].header), "\"a\""), cases[i].matches);
    CHECK(!pn_etag_matches(PN_NONE, "\"a\""));
}

PN_TEST_MAIN(T(equal_bodies_have_equal_tags_and_others_do_not), T(another_key_gives_another_tag),
             T(if_none_match_is_a_list))
