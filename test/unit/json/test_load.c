/* SPDX-License-Identifier: Apache-2.0 */
#include "json/tree.h"

#include "check.h"
#include "json/shape.h"

#include <string.h>

/* Our reader and jansson's own say the same of a text: refused by both, or the same tree. Theirs lets a NUL end a word or number. */
static void compare(struct pn_str text, unsigned flags)
{
    size_t theirs_flags = JSON_REJECT_DUPLICATES | (flags & PN_TREE_ANY ? JSON_DECODE_ANY : 0);
    pn_auto(pn_tree_freep) json_t *ours = NULL;
    pn_auto(pn_tree_freep) json_t *theirs = NULL;
    struct pn_err err = { 0 };

    pn_tree_prepare();
    ours = pn_tree_load(text, flags, &err);
    if (pn_str_find(text, '\0') < 0)
        theirs = json_loadb(text.ptr, text.len, theirs_flags, NULL);
    if ((ours == NULL) != (theirs == NULL) || (ours != NULL && !json_equal(ours, theirs)))
        fail_msg("read otherwise (%zu bytes, flags %u): %.*s", text.len, flags, PN_ARG(text));
    CHECK_EQ(err.code, ours == NULL ? PN_BAD_REQUEST : PN_OK);
}

static void compare_both(struct pn_str text)
{
    compare(text, 0);
    compare(text, PN_TREE_ANY);
}

static const char *const texts[] = {
    "",
    " ",
    "{}",
    " [ ] ",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "01",
    "-",
    "1.",
    ".5",
    "1.5e3",
    "1E+2",
    "1e-400",
    "1e400",
    "-1e400",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890.5",
    "\"a\"",
    "\"unended",
    "\"\\",
    "\"\\u12",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00 \\u00e9 \\u20ac \\/ \\b\\f\\n\\r\\t\\\\ \\\"\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83dx\"",
    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"",
    "\"\xc3(\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xc0\x80\"",
    "\"12345678\x1f\"",
    "\"12345678\x7f\"",
    "{\"a\":1,\"b\":[true,null,-2.5e-3,{\"c\":\"\\u0041x\"}],\"a b\":\"long enough for words\"}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"a\":{\"a\":1},\"\":\"\"}",
    "{\"\\u0061\\u0062\":{\"\\n\":[\"\\t\"]},\"ab\":1}",
    "[1,2,]",
    "[1 2]",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":1,}",
    "[truefalse]",
    "[nul]",
    "{\"a\":1} x",
    "\xef\xbb\xbf{}",
};

PN_TEST(reads_as_jansson_does)
{
    for (size_t i = 0; i < PN_COUNT(texts); i++)
        compare_both(pn_str_from(texts[i]));
}

/* Each with one byte taken, put in or put instead, at each place; and each beginning. */
PN_TEST(reads_as_jansson_does_what_is_nearly_json)
{
    static const char bytes[] = "\"\\{}[]:,0-.eEtu/ \n\x00\x1f\x7f\xc3\xa9\xf0";

    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        size_t len = strlen(texts[i]);

        for (size_t at = 0; at <= len; at++) {
            char near[256];

            compare_both(pn_str_of(texts[i], at));
            memcpy(near, texts[i], at);
            memcpy(near + at, texts[i] + at + (at < len), len - at);
            if (at < len)
                compare_both(pn_str_of(near, len - 1));
            for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
                memcpy(near, texts[i], len + 1);
                near[at] = bytes[b];
                compare_both(pn_str_of(near, at < len ? len : len + 1));
                memcpy(near + at + 1, texts[i] + at, len - at);
                compare_both(pn_str_of(near, len + 1));
            }
        }
    }
}

PN_TEST(a_text_is_as_deep_as_the_limit_and_no_deeper)
{
    char text[2 * PN_JSON_MAX_DEPTH + 2];
    struct pn_err err = { 0 };
    pn_auto(pn_tree_freep) json_t *tree = NULL;

    for (size_t depth = PN_JSON_MAX_DEPTH; depth <= PN_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        pn_tree_freep(&tree);
        tree = pn_tree_load(pn_str_of(text, 2 * depth), 0, &err);
        CHECK_EQ(tree != NULL, depth == PN_JSON_MAX_DEPTH);
    }
    CHECK_STR(pn_str_from(err.message), "JSON is nested more than 32 deep");
}

PN_TEST(says_where_and_not_what)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "{\n  \"\xc3\xa4\": hunter2\n}", "Invalid JSON (line 2, column 8)" },
        { "{\"a\": 1, \"a\": 2}", "Invalid JSON: a member occurs twice (line 1, column 13)" },
        { "[1, 2", "Invalid JSON (line 1, column 6)" },
        { "", "Invalid JSON (line 1, column 1)" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_err err = { 0 };

        CHECK(pn_tree_load(pn_str_from(cases[i].text), 0, &err) == NULL);
        CHECK_STR(pn_str_from(err.message), cases[i].message);
    }
}

PN_TEST_MAIN(T(reads_as_jansson_does), T(reads_as_jansson_does_what_is_nearly_json),
             T(a_text_is_as_deep_as_the_limit_and_no_deeper), T(says_where_and_not_what))
