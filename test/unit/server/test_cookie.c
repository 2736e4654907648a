/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "server/cookie.h"

static void check_value(const char *header, const char *value)
{
    CHECK_STR(pn_cookie_get(pn_str_from(header), "jid"), value);
}

PN_TEST(the_first_cookie_of_the_name_counts)
{
    check_value("jid=abc", "abc");
    check_value("a=b; jid=abc; jid=def", "abc");
    check_value("a=b;jid=a=b=;c=d", "a=b=");
    check_value(" ; ;jid=x", "x");
    check_value("jid=", "");
}

PN_TEST(what_only_looks_like_it_does_not)
{
    static const char *const others[] = { "",       "jid",         "xjid=a",   "jidx=a",
                                          "JID=a",  "a=jid=b",     "=jid",     ";;;",
                                          "=;=;=a", "jid =a; b=c", "\"jid\"=a" };

    for (size_t i = 0; i < PN_COUNT(others); i++)
        CHECK(pn_cookie_get(pn_str_from(others[i]), "jid").ptr == NULL);
    CHECK(pn_cookie_get(PN_NONE, "jid").ptr == NULL);
}

PN_TEST(a_cookie_is_out_of_reach_of_scripts_and_other_sites)
{
    struct pn_arena *arena = pn_arena_new(4096);

    CHECK_STR(pn_cookie_set(arena, PN_LIT("abc"), 60),
              "jid=abc; HttpOnly; Secure; SameSite=Strict; Path=/api; Max-Age=60");
    CHECK_STR(pn_cookie_set(arena, PN_NONE, 60),
              "jid=; HttpOnly; Secure; SameSite=Strict; Path=/api; Max-Age=0");
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(the_first_cookie_of_the_name_counts), T(what_only_looks_like_it_does_not),
             T(a_cookie_is_out_of_reach_of_scripts_and_other_sites))
