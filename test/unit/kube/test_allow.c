/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/allow.h"

/* identity-auth.md §9, D7: the cases by number; with our decisions where the contract names them. */
static const struct {
    const char *id, *list, *value;
    bool is_match;
} cases[] = {
    { "GM-01", "default,prod", "prod", true },
    { "GM-01", " default , prod ", "prod", true },
    { "GM-02", "default,", "default", true },
    { "GM-03", "default,", "prod", false },
    { "GM-04", ",default", "default", true },
    { "GM-05", "a,,b", "a", true },
    { "GM-05", "a,,b", "b", true },
    { "GM-06", " ", "default", false },
    { "GM-07", "*", "default", true },
    { "GM-07", "**", "default", true },
    { "GM-07", "***", "default", true },
    { "GM-08", "dev-*", "dev-1", true },
    { "GM-08", "dev-*", "dev-", true },
    { "GM-08", "dev-*", "dev", false },
    { "GM-08", "dev-*", "xdev-1", false },
    { "GM-08", "dev-*", "DEV-1", false },
    { "GM-09", "*-dev", "team-dev", true },
    { "GM-09", "*dev*", "xdevx", true },
    { "GM-09", "a*b*c", "aXbYc", true },
    { "GM-09", "a*b*c", "aXbY", false },
    { "GM-10", "dev-?", "dev-1", true },
    { "GM-10", "dev-?", "dev-12", false },
    { "GM-11", "dev-[0-9]", "dev-5", true },
    { "GM-11", "[a-c]*", "beta", true },
    { "GM-11", "dev-[[:digit:]]", "dev-4", true },
    { "GM-11", "dev-[^0-9]", "dev-a", true },
    { "GM-11", "dev-[^0-9]", "dev-1", false },
    { "GM-12", "dev-[!0-9]", "dev-a", false },
    { "GM-13", "{dev,prod}", "dev", true }, /* the split knows braces: what was visibly meant */
    { "GM-13", "{dev,prod}", "{dev", false },
    { "GM-14", "dev-{1..3}", "dev-2", true },
    { "GM-14", "dev-{1..3}", "dev-4", false },
    { "GM-14", "dev-{8..12}", "dev-10", true },
    { "GM-14", "dev-{c..a}", "dev-b", true },
    { "GM-15", "(dev|prod)", "prod", true },
    { "GM-15", "@(dev|prod)", "prod", true },
    { "GM-15", "@(dev|prod)", "devprod", false },
    { "GM-15", "+(dev)", "devdev", true },
    { "GM-15", "+(dev)", "", false },
    { "GM-15", "?(dev-)app", "app", true },
    { "GM-15", "?(dev-)app", "dev-dev-app", false },
    { "GM-15", "*(ab|c)d", "abcabd", true },
    { "GM-15", "dev-+([0-9])", "dev-42", true },
    { "GM-16", "a|b", "a", false },
    { "GM-17", "!(kube-*)", "default", true },
    { "GM-17", "!(kube-*)", "kube-system", false },
    { "GM-17", "!kube-system", "default", true },
    { "GM-17", "!kube-system", "kube-system", false },
    { "GM-18", "!kube-system,kube-system", "kube-system", true },
    { "GM-19", "!", "default", true },
    { "GM-19", "!!default", "default", true },
    { "GM-19", "!!default", "other", false },
    { "GM-20", "^dev-.*$", "dev-1", false },
    { "GM-20", "dev-\\d+", "123", false },
    { "GM-20", "/^dev/", "dev", false },
    { "GM-21", "a.b", "axb", false },
    { "GM-21", "a.b", "a.b", true },
    { "GM-21", "dev.*", "dev.x", true },
    { "GM-21", "dev.*", "dev-1", false },
    { "GM-22", "[", "default", false },
    { "GM-22", "(", "default", false },
    { "GM-22", "dev-[a-", "default", false },
    { "GM-23", "\"default\"", "default", true },
    { "GM-23", "./default", "default", true },
    { "GM-24", "default/", "default", false },
    { "GM-24", "dev-*/", "dev-1", false },
    { "empty", "", "anything", true },
    { "escape", "a\\*b", "a*b", true },
    { "escape", "a\\*b", "axb", false },
    { "class", "[]]", "]", true },
    { "class", "[a-]", "-", true },
    { "nested", "a+(b|c(d|e))f", "abcdcef", true },
    { "nested", "a+(b|c(d|e))f", "acf", false },
    { "nested", "+(+(a)b)", "aababab", true },
    { "nested", "*(*(*(a)))", "aaaa", true },
    { "not within", "a!(b)c", "axc", true },
    { "not within", "a!(b)c", "abc", false },
    { "not twice", "!(!(kube-*))", "kube-system", true },
    { "not twice", "!(!(kube-*))", "default", false },
    { "not or", "@(x|!(a))", "b", true },
    { "not or", "@(x|!(a))", "a", false },
    { "not, several", "!(kube-system|default)", "default", false },
    { "not, several", "!(kube-system|default)", "prod", true },
};

PN_TEST(the_contracts_cases)
{
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        bool is_match = pn_allow_matches(pn_str_from(cases[i].list), pn_str_from(cases[i].value));

        if (is_match != cases[i].is_match)
            print_error("%s: \"%s\" %s \"%s\"\n", cases[i].id, cases[i].list,
                        is_match ? "matches" : "does not match", cases[i].value);
        CHECK_EQ(is_match, cases[i].is_match);
    }
}

PN_TEST(what_cannot_be_read_is_refused_when_it_is_written)
{
    static const char *const bad[] = { "[",   "(",        "dev-[a-",
                                       "a)",  "a,[b",     "\"a",
                                       "{a",  "a\\",      "[b-a]",
                                       "+(a", "{0..999}", " ",
                                       ",",   "!(a",      "!(((((((((((((((((a)))))))))))))))))" };
    static const char *const good[] = { "",      "default", "a,,b",          "!(a|b)", "{a,b}",
                                        "[[:x]", "{1..3}",  "dev-{a,b}-*,c", "!",      "(|a)" };
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_allow_check(pn_str_from(bad[i]), &err), err, BAD_REQUEST);
    for (size_t i = 0; i < PN_COUNT(good); i++)
        CHECK_OK(pn_allow_check(pn_str_from(good[i]), &err), err);
}

PN_TEST(a_list_of_negations_allows_what_nobody_thought_of)
{
    CHECK(pn_allow_is_negative(PN_LIT("!a")));
    CHECK(pn_allow_is_negative(PN_LIT(" !(a), !b ,")));
    CHECK(!pn_allow_is_negative(PN_LIT("!a,b")));
    CHECK(!pn_allow_is_negative(PN_LIT("")));
}

/* What makes backtracking matchers take minutes. */
PN_TEST(no_glob_takes_long)
{
    static const char *const slow[] = { "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                                        "+(+(+(+(+(+(a))))))b", "*(*(*(*(*(*(*(a|aa)))))))b",
                                        "!(*(*(a|aa))b)!(*(*(a|aa))b)c",
                                        "+(a|a|a|a|a|a|a|a)+(a|aa)b" };
    char value[254];

    memset(value, 'a', sizeof(value));
    for (size_t i = 0; i < PN_COUNT(slow); i++)
        for (int k = 0; k < 20; k++)
            CHECK(!pn_allow_matches(pn_str_from(slow[i]), pn_str_of(value, 253)));
    CHECK(!pn_allow_matches(PN_LIT("*"), pn_str_of(value, 254)));
}

PN_TEST_MAIN(T(the_contracts_cases), T(what_cannot_be_read_is_refused_when_it_is_written),
             T(a_list_of_negations_allows_what_nobody_thought_of), T(no_glob_takes_long))
