/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/map.h"
#include "dies.h"

#include <stdio.h>

static int values[20000];

static struct pn_str key_of(char text[16], int number)
{
    return pn_str_of(text, (size_t)snprintf(text, 16, "key-%d", number));
}

/* Appendix A of the SipHash paper: key 00..0f, input 00..0e. */
PN_TEST(hashes_as_the_paper_says)
{
    uint8_t key[16];
    uint8_t text[15];

    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        text[i] = i;
    CHECK(pn_map_hash(key, pn_str_of(text, 15)) == UINT64_C(0xa129ca6149be45e5));
    CHECK(pn_map_hash(key, PN_NONE) == UINT64_C(0x726fdb47dd0e0e31));
}

PN_TEST(puts_gets_and_replaces)
{
    struct pn_map *map = pn_map_new();

    CHECK(pn_map_put(map, PN_LIT("a"), &values[1]) == NULL);
    CHECK(pn_map_get(map, PN_LIT("a")) == &values[1]);
    CHECK(pn_map_put(map, PN_LIT("a"), &values[2]) == &values[1]);
    CHECK(pn_map_get(map, PN_LIT("a")) == &values[2]);
    CHECK(pn_map_put(map, PN_LIT("a\0"), &values[3]) == NULL);
    CHECK(pn_map_put(map, PN_NONE, &values[4]) == NULL);
    CHECK(pn_map_get(map, PN_LIT("")) == &values[4]);
    CHECK_EQ(pn_map_count(map), 3);
    pn_map_free(map);
}

PN_TEST(a_miss_is_null)
{
    struct pn_map *map = pn_map_new();

    CHECK(pn_map_get(map, PN_LIT("a")) == NULL);
    CHECK(pn_map_remove(map, PN_LIT("a")) == NULL);
    pn_map_put(map, PN_LIT("a"), &values[1]);
    CHECK(pn_map_get(map, PN_LIT("A")) == NULL);
    CHECK(pn_map_get(map, PN_LIT("a ")) == NULL);
    CHECK(pn_map_remove(map, PN_LIT("a")) == &values[1]);
    CHECK(pn_map_get(map, PN_LIT("a")) == NULL);
    CHECK(pn_map_remove(map, PN_LIT("a")) == NULL);
    CHECK_EQ(pn_map_count(map), 0);
    pn_map_free(map);
    pn_map_free(NULL);
}

PN_TEST(keys_are_copied)
{
    struct pn_map *map = pn_map_new();
    char key[] = "abc";

    pn_map_put(map, pn_str_from(key), &values[1]);
    key[0] = 'x';
    CHECK(pn_map_get(map, PN_LIT("abc")) == &values[1]);
    pn_map_free(map);
}

PN_TEST(holds_many_and_finds_each)
{
    struct pn_map *map = pn_map_new();
    char text[16];

    for (int i = 0; i < 20000; i++)
        pn_map_put(map, key_of(text, i), &values[i]);
    for (int i = 0; i < 20000; i += 2)
        CHECK(pn_map_remove(map, key_of(text, i)) == &values[i]);
    for (int i = 0; i < 20000; i++)
        CHECK(pn_map_get(map, key_of(text, i)) == (i % 2 == 0 ? NULL : &values[i]));
    CHECK_EQ(pn_map_count(map), 10000);
    pn_map_free(map);
}

/* Connections come and go for years: the dead must not fill the table, or a search would not end. */
PN_TEST(coming_and_going_does_not_fill_it)
{
    struct pn_map *map = pn_map_new();
    char text[16];

    for (int i = 0; i < 200000; i++) {
        pn_map_put(map, key_of(text, i), &values[1]);
        CHECK(pn_map_remove(map, key_of(text, i)) == &values[1]);
    }
    CHECK_EQ(pn_map_count(map), 0);
    CHECK(pn_map_get(map, PN_LIT("absent")) == NULL);
    pn_map_free(map);
}

PN_TEST(visits_each_once_and_may_remove_it)
{
    struct pn_map *map = pn_map_new();
    char text[16];
    bool seen[1000] = { false };
    size_t at = 0;
    struct pn_str key;
    void *value;

    for (int i = 0; i < 1000; i++)
        pn_map_put(map, key_of(text, i), &values[i]);
    while (pn_map_next(map, &at, &key, &value)) {
        size_t number = (size_t)((int *)value - values);

        CHECK(pn_str_eq(key, key_of(text, (int)number)));
        CHECK(!seen[number]);
        seen[number] = true;
        if (number % 3 == 0)
            CHECK(pn_map_remove(map, key_of(text, (int)number)) == value);
    }
    for (int i = 0; i < 1000; i++)
        CHECK(seen[i]);
    CHECK_EQ(pn_map_count(map), 666);
    at = 0;
    pn_map_free(map);
    map = pn_map_new();
    CHECK(!pn_map_next(map, &at, &key, &value));
    pn_map_free(map);
}

PN_TEST(a_new_seed_leaves_older_maps_alone)
{
    struct pn_map *old = pn_map_new();
    struct pn_map *new;

    pn_map_put(old, PN_LIT("a"), &values[1]);
    pn_map_seed((const uint8_t[16]){ 1, 2, 3 });
    new = pn_map_new();
    pn_map_put(new, PN_LIT("a"), &values[2]);
    CHECK(pn_map_get(old, PN_LIT("a")) == &values[1]);
    CHECK(pn_map_get(new, PN_LIT("a")) == &values[2]);
    pn_map_free(old);
    pn_map_free(new);
}

static void put_nothing(void)
{
    pn_map_put(pn_map_new(), PN_LIT("a"), NULL);
}

PN_TEST(a_null_value_is_misuse)
{
    CHECK(dies(put_nothing));
}

PN_TEST_MAIN(T(hashes_as_the_paper_says), T(puts_gets_and_replaces), T(a_miss_is_null),
             T(keys_are_copied), T(holds_many_and_finds_each), T(coming_and_going_does_not_fill_it),
             T(visits_each_once_and_may_remove_it), T(a_new_seed_leaves_older_maps_alone),
             T(a_null_value_is_misuse))
