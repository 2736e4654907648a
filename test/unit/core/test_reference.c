/* SPDX-License-Identifier: Apache-2.0 */
/* How references are read (platform.md §10.6); what they expand to is in test/contract/secrets-expansion. */
#include "check.h"

#include "core/secret/reference.h"

static struct pn_arena *arena;

static int make_arena(void **state)
{
    *state = arena = pn_arena_new(1 << 20);
    return 0;
}

static int free_arena(void **state)
{
    pn_arena_free(*state);
    return 0;
}

PN_TEST(references_name_place_and_key)
{
    static const struct {
        const char *text, *environment, *path, *key;
    } rows[] = {
        { "${KEY}", NULL, NULL, "KEY" },     { "${ KEY }", NULL, NULL, "KEY" },
        { "${dev.KEY}", "dev", "/", "KEY" }, { "${dev.a.b.KEY}", "dev", "/a/b", "KEY" },
        { "${${KEY}", NULL, NULL, "${KEY" }, { "${@other.dev.KEY}", NULL, NULL, NULL },
        { "${dev..KEY}", NULL, NULL, NULL }, { "${.KEY}", NULL, NULL, NULL },
        { "${KEY.}", NULL, NULL, NULL },     { "${ }", NULL, NULL, NULL },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        struct pn_reference found;
        size_t from, to;

        CHECK(pn_reference_find(arena, pn_str_from(rows[i].text), &from, &to, &found));
        CHECK_EQ(from, 0);
        CHECK_EQ(to, strlen(rows[i].text));
        CHECK(pn_str_eq(found.environment, pn_str_from(rows[i].environment)));
        CHECK(pn_str_eq(found.path, pn_str_from(rows[i].path)));
        CHECK(pn_str_eq(found.key, pn_str_from(rows[i].key)));
        CHECK_EQ(found.key.ptr == NULL, rows[i].key == NULL);
    }
}

PN_TEST(the_first_one_is_found_where_it_stands)
{
    struct pn_reference found;
    size_t from, to;

    CHECK(pn_reference_find(arena, PN_LIT("a $ { ${} ${X} ${Y}"), &from, &to, &found));
    CHECK_EQ(from, 10);
    CHECK_EQ(to, 14);
    CHECK_STR(found.key, "X");
}

PN_TEST(what_is_none_is_none)
{
    static const char *const texts[] = { "", "${", "$", "${}", "${}${}", "}{$", "${open", "$${" };

    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        struct pn_reference found;
        size_t from, to;

        CHECK(!pn_reference_find(arena, pn_str_from(texts[i]), &from, &to, &found));
    }
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, make_arena, free_arena)
PN_TEST_MAIN(T(references_name_place_and_key), T(the_first_one_is_found_where_it_stands),
             T(what_is_none_is_none))
