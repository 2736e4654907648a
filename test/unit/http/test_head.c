/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "http/head.h"

static struct pn_http_field fields[] = {
    { PN_LIT_INIT("Accept"), PN_LIT_INIT("a, b ,c") },
    { PN_LIT_INIT("X"), PN_LIT_INIT("1") },
    { PN_LIT_INIT("accept"), PN_LIT_INIT("d") },
    { PN_LIT_INIT("Empty"), PN_LIT_INIT("") },
};
static const struct pn_http_head head = { .fields = fields, .count = PN_COUNT(fields) };

PN_TEST(get_finds_the_first_of_any_case)
{
    CHECK_STR(pn_http_field_get(&head, "ACCEPT"), "a, b ,c");
    CHECK_STR(pn_http_field_get(&head, "empty"), "");
    CHECK(pn_http_field_get(&head, "empty").ptr != NULL);
    CHECK(pn_http_field_get(&head, "Accep").ptr == NULL);
    CHECK_EQ(pn_http_field_count(&head, "accept"), 2);
    CHECK_EQ(pn_http_field_count(&head, "none"), 0);
}

PN_TEST(has_token_looks_into_every_list)
{
    CHECK(pn_http_field_has_token(&head, "accept", PN_LIT("B")));
    CHECK(pn_http_field_has_token(&head, "accept", PN_LIT("d")));
    CHECK(!pn_http_field_has_token(&head, "accept", PN_LIT("a, b")));
    CHECK(!pn_http_field_has_token(&head, "accept", PN_LIT("")));
    CHECK(!pn_http_field_has_token(&head, "x", PN_LIT("b")));
}

PN_TEST(tokens_are_rfc_9110)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool wanted = c > 0x20 && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;

        CHECK_EQ(pn_http_is_token(pn_str_of(&byte, 1)), wanted);
    }
    CHECK(pn_http_is_token(PN_LIT("Impersonate_User")));
    CHECK(!pn_http_is_token(PN_LIT("")));
    CHECK(!pn_http_is_token(PN_LIT("a b")));
}

/* Every byte at every place of a word: the wide check agrees with the narrow one. */
PN_TEST(values_refuse_control_bytes_wherever_they_stand)
{
    char text[20];

    for (size_t at = 0; at < sizeof(text); at++)
        for (int c = 0; c < 256; c++) {
            memset(text, 'v', sizeof(text));
            text[at] = (char)c;
            CHECK_EQ(pn_http_is_value(pn_str_of(text, sizeof(text))),
                     c == '\t' || (c >= 0x20 && c != 0x7f));
        }
    CHECK(pn_http_is_value(PN_LIT("")));
    CHECK(!pn_http_is_value(PN_LIT("\t1234567890\n")));
}

PN_TEST(targets_are_origin_form)
{
    CHECK(pn_http_is_target(PN_LIT("/")));
    CHECK(pn_http_is_target(PN_LIT("//evil/")));
    CHECK(pn_http_is_target(PN_LIT("/a?b=%20{x}")));
    CHECK(!pn_http_is_target(PN_LIT("")));
    CHECK(!pn_http_is_target(PN_LIT("*")));
    CHECK(!pn_http_is_target(PN_LIT("x:@evil/")));
    CHECK(!pn_http_is_target(PN_LIT("http://evil/")));
    CHECK(!pn_http_is_target(PN_LIT("/a#b")));
    CHECK(!pn_http_is_target(PN_LIT("/a b")));
    CHECK(!pn_http_is_target(PN_LIT("/\xc3\xa4")));
    CHECK(!pn_http_is_target(PN_LIT("/\0")));
}

PN_TEST(authorities_have_no_user_and_no_path)
{
    CHECK(pn_http_is_authority(PN_LIT("a.b:1")));
    CHECK(pn_http_is_authority(PN_LIT("[::1]:443")));
    CHECK(!pn_http_is_authority(PN_LIT("")));
    CHECK(!pn_http_is_authority(PN_LIT("u@h")));
    CHECK(!pn_http_is_authority(PN_LIT("h/p")));
    CHECK(!pn_http_is_authority(PN_LIT("h?p")));
    CHECK(!pn_http_is_authority(PN_LIT("h h")));
}

PN_TEST(hop_by_hop_fields_are_known_in_any_case)
{
    static const char *const names[] = {
        "Connection",       "keep-alive",          "TE",
        "Proxy-Connection", "Proxy-Authenticate",  "Trailer",
        "upgrade",          "Proxy-Authorization", "TRANSFER-ENCODING"
    };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        CHECK(pn_http_is_hop_by_hop(pn_str_from(names[i])));
    CHECK(!pn_http_is_hop_by_hop(PN_LIT("Date")));
    CHECK(!pn_http_is_hop_by_hop(PN_LIT("Connectio")));
    CHECK(!pn_http_is_hop_by_hop(PN_LIT("")));
}

PN_TEST(a_copy_shares_nothing)
{
    char name[] = "Name", value[] = "value", target[] = "/t";
    struct pn_http_field one = { pn_str_from(name), pn_str_from(value) };
    struct pn_http_head from = { .method = PN_LIT("GET"),
                                 .target = pn_str_from(target),
                                 .fields = &one,
                                 .count = 1,
                                 .content_length = 7 };
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_http_head *copy = pn_http_head_copy(arena, &from);

    name[0] = value[0] = target[0] = '#';
    CHECK_STR(copy->fields[0].name, "Name");
    CHECK_STR(copy->fields[0].value, "value");
    CHECK_STR(copy->target, "/t");
    CHECK_EQ(copy->content_length, 7);
    CHECK(copy->upgrade.ptr == NULL);
    pn_arena_free(arena);
}

PN_TEST(reasons_and_bodies_follow_the_status)
{
    CHECK_STR(pn_str_from(pn_http_reason(404)), "Not Found");
    CHECK_STR(pn_str_from(pn_http_reason(599)), "");
    CHECK(pn_http_is_bodiless(204, PN_LIT("GET")));
    CHECK(pn_http_is_bodiless(304, PN_LIT("GET")));
    CHECK(pn_http_is_bodiless(200, PN_LIT("HEAD")));
    CHECK(pn_http_is_bodiless(200, PN_LIT("CONNECT")));
    CHECK(!pn_http_is_bodiless(403, PN_LIT("CONNECT")));
    CHECK(!pn_http_is_bodiless(200, PN_LIT("GET")));
}

PN_TEST_MAIN(T(get_finds_the_first_of_any_case), T(has_token_looks_into_every_list),
             T(tokens_are_rfc_9110), T(values_refuse_control_bytes_wherever_they_stand),
             T(targets_are_origin_form), T(authorities_have_no_user_and_no_path),
             T(hop_by_hop_fields_are_known_in_any_case), T(a_copy_shares_nothing),
             T(reasons_and_bodies_follow_the_status))
