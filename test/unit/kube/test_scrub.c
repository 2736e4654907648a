/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/scrub.h"

static struct pn_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = pn_arena_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pn_arena_free(arena);
    return 0;
}

#define JWT "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl-_"

static struct pn_str scrub(const char *text)
{
    return pn_kube_scrub(arena, pn_str_from(text), NULL, 0);
}

PN_TEST(kh15_what_looks_like_a_jwt_is_hidden)
{
    CHECK_STR(scrub("bad token " JWT "!"), "bad token [REDACTED]!");
    CHECK_STR(scrub(JWT), "[REDACTED]");
    CHECK_STR(scrub("x" JWT " " JWT), "x[REDACTED] [REDACTED]");
    CHECK_STR(scrub("eyJ12345678"), "[REDACTED]");
    CHECK_STR(scrub("eyJ1234567"), "eyJ1234567");
    CHECK_STR(scrub("eyJ12345678."), "[REDACTED]");
    CHECK_STR(scrub("eyJ12345678.a.b.c"), "[REDACTED].c");
    CHECK_STR(scrub("eyJ12345678..x"), "[REDACTED]");
    CHECK_STR(scrub(""), "");
    CHECK_STR(scrub("nothing here"), "nothing here");
}

PN_TEST(kh16_an_opaque_reviewer_token_is_hidden_by_its_letters)
{
    struct pn_err err = { 0 };
    struct pn_secret *reviewer = pn_secret_new(PN_LIT("opaque/token=="), &err);
    struct pn_secret *tiny = pn_secret_new(PN_LIT("a"), &err);
    const struct pn_secret *const secrets[] = { NULL, reviewer, tiny };

    CHECK_STR(pn_kube_scrub(arena, PN_LIT("no opaque/token== for a opaque/token=="), secrets, 3),
              "no [REDACTED] for a [REDACTED]");
    pn_secret_free(reviewer);
    pn_secret_free(tiny);
}

PN_TEST(kh17_scrubbed_before_it_is_cut)
{
    char text[1200];
    struct pn_str out;

    memset(text, 'x', sizeof(text));
    memcpy(text + 1010, " " JWT " ", sizeof(" " JWT " ") - 1);
    out = pn_kube_cut(arena, pn_kube_scrub(arena, pn_str_of(text, sizeof(text)), NULL, 0), 1024);
    CHECK(pn_str_search(out, PN_LIT("eyJ")) < 0);
    CHECK(pn_str_ends(out, PN_LIT("...[truncated]")));
    CHECK_EQ(out.len, 1024 + 14);
    CHECK_STR(pn_kube_cut(arena, PN_LIT("short"), 1024), "short");
    CHECK_STR(pn_kube_cut(arena, PN_LIT("a\xe2\x82\xac"), 3), "a...[truncated]");
}

PN_TEST(nothing_speaks_to_a_terminal)
{
    CHECK_STR(scrub("a\x1b[31mb\r\n\tc\x7f"), "a [31mb   c ");
    CHECK_STR(scrub("\xc2\x9b"
                    "1m \xc2\xa0 \xc3\xa4"),
              " 1m \xc2\xa0 \xc3\xa4");
    CHECK_STR(scrub("\xc2"), "\xc2");
    CHECK_STR(pn_kube_scrub(arena, PN_LIT("a\0b"), NULL, 0), "a b");
}

PN_TEST_MAIN(cmocka_unit_test_setup_teardown(nothing_speaks_to_a_terminal, set_up, tear_down),
             cmocka_unit_test_setup_teardown(kh15_what_looks_like_a_jwt_is_hidden, set_up,
                                             tear_down),
             cmocka_unit_test_setup_teardown(kh16_an_opaque_reviewer_token_is_hidden_by_its_letters,
                                             set_up, tear_down),
             cmocka_unit_test_setup_teardown(kh17_scrubbed_before_it_is_cut, set_up, tear_down))
