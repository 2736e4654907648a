/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/org/glob.h"

#include <string.h>

PN_TEST(globs_match_what_they_say)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        { "a", "a", true },
        { "a", "A", false },
        { "a", "ab", false },
        { "*", "", true },
        { "*", "prod", true },
        { "*", "a/b", false },
        { "prod-*", "prod-1", true },
        { "prod-*", "prod-", true },
        { "prod-*", "prod", false },
        { "*-prod", "eu-prod", true },
        { "a*b*c", "aXbYc", true },
        { "a*b*c", "aXbY", false },
        { "?", "x", true },
        { "?", "", false },
        { "?", "/", false },
        { "?", "\xc3\xa4", true },
        { "[a-c]x", "bx", true },
        { "[a-c]x", "dx", false },
        { "[^a-c]x", "dx", true },
        { "[^a-c]x", "ax", false },
        { "[^a]", "/", false },
        { "[a-]", "-", true },
        { "\\*", "*", true },
        { "\\*", "x", false },
        { "/apps/*", "/apps/x", true },
        { "/apps/*", "/apps/x/y", false },
        { "/apps/*", "/apps", false },
        { "/apps/*/db", "/apps/x/db", true },
        { "/apps/*/db", "/apps/x/y/db", false },
        { "/apps/**", "/apps", true },
        { "/apps/**", "/apps/x", true },
        { "/apps/**", "/apps/x/y/z", true },
        { "/apps/**", "/apps2", false },
        { "/apps/**", "/app", false },
        { "/apps/**/db", "/apps/db", true },
        { "/apps/**/db", "/apps/x/y/db", true },
        { "/apps/**/db", "/apps/xdb", false },
        { "/**", "/", true },
        { "/**", "/a/b", true },
        { "/**/db", "/db", true },
        { "**", "", true },
        { "**", "/a/b", true },
        { "**/db", "db", true },
        { "**/db", "a/b/db", true },
        { "**/db", "adb", false },
        { "/apps**", "/apps/x", true }, /* `**` crosses wherever it stands */
        { "/a**z", "/a/b/z", true },
        { "/.hidden", "/.hidden", true },
        { "/*", "/.hidden", true },
        { "/a/**/**", "/a/b", true },
        { "***", "a/b", true },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        if (pn_glob_match(pn_str_from(rows[i].pattern), pn_str_from(rows[i].text)) !=
            rows[i].matches)
            fail_msg("%s on '%s'", rows[i].pattern, rows[i].text);
    }
}

PN_TEST(braces_become_patterns)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_strs out;

    CHECK(pn_glob_expand(arena, PN_LIT("/a/*"), &out));
    CHECK_EQ(out.count, 1);
    CHECK_STR(out.items[0], "/a/*");
    CHECK(pn_glob_expand(arena, PN_LIT("/{a,bc,}/{x,y}"), &out));
    CHECK_EQ(out.count, 6);
    CHECK_STR(out.items[0], "/a/x");
    CHECK_STR(out.items[3], "/bc/y");
    CHECK_STR(out.items[5], "//y");
    CHECK(pn_glob_expand(arena, PN_LIT("{a\\,b,c}"), &out));
    CHECK_EQ(out.count, 2);
    CHECK(pn_glob_match(out.items[0], PN_LIT("a,b")));
}

PN_TEST(what_is_not_understood_is_refused)
{
    static const char *const rows[] = {
        "",
        "!a",
        "!(a)",
        "@(a|b)",
        "a|b",
        "(a)",
        "[",
        "[]",
        "[a",
        "[!a]",
        "[[:digit:]]",
        "[a/b]",
        "\\",
        "a\\",
        "{a",
        "a}",
        "{a}",
        "{1..3}",
        "{a,{b,c}}",
        "]",
        "[a\\]]",
        "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", /* 64 of them */
        "{a,b}{a}{b}{c}{d}{e}{f}{g}{h}",
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    char longest[PN_GLOB_MAX_BYTES + 1];
    struct pn_strs out;

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        if (pn_glob_expand(arena, pn_str_from(rows[i]), &out))
            fail_msg("'%s' is taken", rows[i]);
    }
    memset(longest, 'a', sizeof(longest));
    CHECK(pn_glob_expand(arena, pn_str_of(longest, PN_GLOB_MAX_BYTES), &out));
    CHECK(!pn_glob_expand(arena, pn_str_of(longest, PN_GLOB_MAX_BYTES + 1), &out));
    CHECK(!pn_glob_expand(arena, pn_str_of("a\0b", 3), &out));
    CHECK(!pn_glob_match(PN_LIT("["), PN_LIT("[")));
}

/* What takes others exponential time: 4 KiB under the worst pattern must be a matter of milliseconds. */
PN_TEST(no_pattern_is_slow)
{
    char pattern[PN_GLOB_MAX_BYTES], text[4096];

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = "a*"[i % 2];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '!';
    CHECK(!pn_glob_match(pn_str_of(pattern, sizeof(pattern) - 1), pn_str_of(text, sizeof(text))));
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = "**/a"[i % 4];
    CHECK(!pn_glob_match(pn_str_of(pattern, sizeof(pattern)), pn_str_of(text, sizeof(text))));
}

PN_TEST(literal_heads_end_at_the_first_sign)
{
    CHECK_EQ(pn_glob_literal(PN_LIT("/a/b*")), 4);
    CHECK_EQ(pn_glob_literal(PN_LIT("/a/b")), 4);
    CHECK_EQ(pn_glob_literal(PN_LIT("?")), 0);
    CHECK_EQ(pn_glob_literal(PN_LIT("a\\*")), 1);
    CHECK_EQ(pn_glob_literal(PN_LIT("")), 0);
}

PN_TEST_MAIN(T(globs_match_what_they_say), T(braces_become_patterns),
             T(what_is_not_understood_is_refused), T(no_pattern_is_slow),
             T(literal_heads_end_at_the_first_sign))
