/* SPDX-License-Identifier: Apache-2.0 */
#include "json/outline.h"

#include "check.h"

static const char *const names[] = { "list", "word" };

struct read {
    struct pn_arena *arena;
    struct pn_str text;
    struct pn_outline_member list, word;
    size_t end;
};

static struct read outline(const char *yaml)
{
    struct read r = { .arena = pn_arena_new(1 << 20), .text = pn_str_from(yaml) };
    struct pn_outline_member members[2];
    struct pn_err err = { 0 };

    CHECK_OK(pn_outline_read(r.arena, r.text, names, 2, members, &r.end, &err), err);
    r.list = members[0];
    r.word = members[1];
    return r;
}

static struct pn_str item(const struct read *r, size_t i)
{
    CHECK(i < r->list.count);
    return pn_str_slice(r->text, r->list.items[i].from, r->list.items[i].to);
}

PN_TEST(items_are_whole_lines)
{
    struct read r = outline("# é\nlist:\n  - name: a # one\n    x: {y: [1,\n      2]}\n\n"
                            "  - {z: 1, name: \"b\\u0021\"}\n  - &k\n    - name: inner\nword: w\n");

    CHECK_EQ(r.list.kind, PN_OUTLINE_LIST);
    CHECK_EQ(r.list.indent, 2);
    CHECK_EQ(r.list.count, 3);
    CHECK_STR(r.list.items[0].name, "a");
    CHECK_STR(item(&r, 0), "  - name: a # one\n    x: {y: [1,\n      2]}\n");
    CHECK_STR(r.list.items[1].name, "b!");
    CHECK_STR(item(&r, 1), "  - {z: 1, name: \"b\\u0021\"}\n");
    CHECK(r.list.items[2].name.ptr == NULL);
    CHECK_EQ(r.word.kind, PN_OUTLINE_SCALAR);
    CHECK_STR(pn_str_slice(r.text, r.word.from, r.word.to), "w");
    CHECK_EQ(r.end, r.text.len);
    pn_arena_free(r.arena);
}

PN_TEST(a_block_scalar_ends_its_item)
{
    struct read r = outline("list:\n- name: a\n  t: |\n    x\n    y\n- name: b\nmore: 1\n");

    CHECK_STR(item(&r, 0), "- name: a\n  t: |\n    x\n    y\n");
    CHECK_STR(item(&r, 1), "- name: b\n");
    pn_arena_free(r.arena);
}

PN_TEST(kinds)
{
    static const struct {
        const char *yaml;
        enum pn_outline_kind list, word;
    } cases[] = {
        { "", PN_OUTLINE_ABSENT, PN_OUTLINE_ABSENT },
        { "# only this\n", PN_OUTLINE_ABSENT, PN_OUTLINE_ABSENT },
        { "---\n", PN_OUTLINE_ABSENT, PN_OUTLINE_ABSENT },
        { "a: {list: [1], word: x}\n", PN_OUTLINE_ABSENT, PN_OUTLINE_ABSENT },
        { "list:\nword:\n", PN_OUTLINE_EMPTY, PN_OUTLINE_EMPTY },
        { "list: []\nword: ~\n", PN_OUTLINE_EMPTY, PN_OUTLINE_EMPTY },
        { "list: null\nword: ''\n", PN_OUTLINE_EMPTY, PN_OUTLINE_SCALAR },
        { "list: [1]\nword: |\n  x\n", PN_OUTLINE_OTHER, PN_OUTLINE_OTHER },
        { "list: &a\n- x\nword: *a\n", PN_OUTLINE_OTHER, PN_OUTLINE_OTHER },
        { "list: !!seq\n- x\nword: !!str x\n", PN_OUTLINE_OTHER, PN_OUTLINE_OTHER },
        { "list: {a: 1}\nword: [a]\n", PN_OUTLINE_OTHER, PN_OUTLINE_OTHER },
        { "list:\n-\n  name: a\nword: \"x\"\n", PN_OUTLINE_OTHER, PN_OUTLINE_SCALAR },
        { "list:\n- ? a\n- name: b\nword: x\n", PN_OUTLINE_OTHER, PN_OUTLINE_SCALAR },
        { "list:\n- a\n- ? name\n? word\n", PN_OUTLINE_OTHER, PN_OUTLINE_OTHER },
        { "? list\n? word\n: x\n", PN_OUTLINE_OTHER, PN_OUTLINE_SCALAR },
        { "list:\n- name:\n- \nword:\n", PN_OUTLINE_LIST, PN_OUTLINE_EMPTY },
        { "list: x\n\"word\": 'it''s'\n", PN_OUTLINE_SCALAR, PN_OUTLINE_SCALAR },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct read r = outline(cases[i].yaml);

        CHECK_EQ(r.list.kind, cases[i].list);
        CHECK_EQ(r.word.kind, cases[i].word);
        pn_arena_free(r.arena);
    }
}

PN_TEST(where_more_may_be_appended)
{
    struct read r = outline("a: 1\nb:\n- x # last\n...\n# after\n");

    CHECK_STR(pn_str_slice(r.text, r.end, r.text.len), "...\n# after\n");
    pn_arena_free(r.arena);
    r = outline("a: 1");
    CHECK_EQ(r.end, 4);
    pn_arena_free(r.arena);
}

PN_TEST(what_is_refused)
{
    static const char *const bad[] = {
        "- a\n",
        "{\"list\": []}\n",
        " a: 1\n",
        "text\n",
        "a: 1\n---\nb: 2\n",
        "list: []\nlist: []\n",
        "? [a]\n: b\n",
        "a: [\n",
        "\tlist: 1\n",
        "a: \"\xff\"\n",
        "a: 1\rb: 2\n",
        "a: \"x\xe2\x80\xa8y\"\n",
        "a: \"x\xc2\x85y\"\n",
        "\xef\xbb\xbf\x61: 1\n",
        "a: *nobody\n: b: c\n",
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        struct pn_arena *arena = pn_arena_new(1 << 20);
        struct pn_outline_member members[2];
        size_t end;
        struct pn_err err = { 0 };

        CHECK_FAILS(pn_outline_read(arena, pn_str_from(bad[i]), names, 2, members, &end, &err), err,
                    BAD_REQUEST);
        pn_arena_free(arena);
    }
}

PN_TEST_MAIN(T(items_are_whole_lines), T(a_block_scalar_ends_its_item), T(kinds),
             T(where_more_may_be_appended), T(what_is_refused))
