/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "server/jobs/places.h"

#define THREADS 16

static struct pn_job_place *find_of(struct pn_job_places *places, uint8_t org, const char *name)
{
    const struct pn_job_where where = { .org_id = { { org } }, .place = pn_str_from(name) };

    return pn_job_places_find(places, &where);
}

static struct pn_job_place *find(struct pn_job_places *places, const char *name)
{
    return find_of(places, 1, name);
}

static size_t room(struct pn_job_places *places, const char *name)
{
    return pn_job_place_room(find(places, name), THREADS);
}

PN_TEST(a_place_that_answers_has_all_threads_but_two)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    CHECK_EQ(room(places, "a"), 14);
    for (int i = 0; i < 14; i++)
        pn_job_place_entered(a);
    CHECK_EQ(room(places, "a"), 0);
    CHECK_EQ(room(places, "b"), 0); /* the organisation's own */
    CHECK_EQ(pn_job_place_room(find_of(places, 2, "a"), THREADS), 14);
    pn_job_place_left(a, true);
    CHECK_EQ(room(places, "a"), 1);
    CHECK_EQ(room(places, "b"), 1);
    CHECK_EQ(room(places, ""), 32);
    CHECK_EQ(pn_job_place_room(a, 1), 0);
    pn_job_places_free(places);
}

PN_TEST(a_silent_place_has_one_until_it_answers)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    pn_job_place_entered(a);
    pn_job_place_entered(a);
    pn_job_place_left(a, false);
    CHECK_EQ(room(places, "a"), 0);
    pn_job_place_left(a, false);
    CHECK_EQ(room(places, "a"), 1);
    pn_job_places_tidy(places);
    CHECK_EQ(room(places, "a"), 1);
    a = find(places, "a");
    pn_job_place_entered(a);
    CHECK_EQ(room(places, "a"), 0);
    pn_job_place_left(a, true);
    CHECK_EQ(room(places, "a"), 14);
    pn_job_places_free(places);
}

static void silence(struct pn_job_places *places, uint8_t org, const char *name)
{
    struct pn_job_place *place = find_of(places, org, name);

    pn_job_place_entered(place);
    pn_job_place_left(place, false);
}

/* However many dead clusters one has, a quarter of the threads is with them, and nothing of it is another's. */
PN_TEST(dead_places_of_one_organisation_hold_up_no_other)
{
    struct pn_job_places *places = pn_job_places_new();
    size_t entered = 0;
    char name[32];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "dead-%d", i);
        silence(places, 1, name);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "dead-%d", i);
        if (room(places, name) == 0)
            continue;
        pn_job_place_entered(find(places, name));
        entered++;
    }
    CHECK_EQ(entered, 4);
    CHECK_EQ(room(places, "alive"), 10);
    silence(places, 2, "dead-0"); /* the same cluster, of another */
    CHECK_EQ(pn_job_place_room(find_of(places, 2, "dead-0"), THREADS), 1);
    CHECK_EQ(pn_job_place_room(find_of(places, 2, "alive"), THREADS), 14);
    pn_job_places_free(places);
}

/* It was full when it fell silent: those count until they are back; who answers is free again. */
PN_TEST(what_falls_silent_counts_by_who_is_there)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    silence(places, 1, "b");
    for (int i = 0; i < 6; i++)
        pn_job_place_entered(a);
    CHECK_EQ(room(places, "b"), 1);
    pn_job_place_left(a, false);
    CHECK_EQ(room(places, "b"), 0); /* five at a silent place */
    pn_job_place_unentered(a);
    CHECK_EQ(room(places, "b"), 0);
    pn_job_place_left(a, true);
    CHECK_EQ(room(places, "b"), 1);
    CHECK_EQ(room(places, "a"), 11);
    pn_job_places_free(places);
}

PN_TEST(few_threads_still_serve_a_place)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    CHECK_EQ(pn_job_place_room(a, 1), 1);
    CHECK_EQ(pn_job_place_room(a, 2), 1);
    CHECK_EQ(pn_job_place_room(a, 3), 1);
    CHECK_EQ(pn_job_place_room(a, 4), 2);
    CHECK_EQ(room(places, ""), 32);
    pn_job_places_free(places);
}

PN_TEST(more_is_looked_for_when_half_have_left)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    for (int i = 0; i < 14; i++)
        pn_job_place_entered(a);
    for (int i = 0; i < 6; i++) {
        pn_job_place_left(a, true);
        CHECK(!pn_job_place_is_half_empty(a, THREADS));
    }
    pn_job_place_left(a, true);
    CHECK(pn_job_place_is_half_empty(a, THREADS));
    for (int i = 0; i < 6; i++)
        pn_job_place_left(a, false);
    CHECK(!pn_job_place_is_half_empty(a, THREADS)); /* of a silent one the last one's end counts */
    pn_job_place_left(a, false);
    CHECK(pn_job_place_is_half_empty(a, THREADS));
    pn_job_places_free(places);
}

PN_TEST(tidying_keeps_whoever_is_somewhere)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = find(places, "a");

    pn_job_place_entered(a);
    (void)find(places, "b");
    pn_job_places_tidy(places);
    CHECK(find(places, "a") == a);
    CHECK_EQ(room(places, "a"), 13);
    pn_job_place_left(a, true);
    pn_job_places_tidy(places);
    CHECK_EQ(room(places, "a"), 14);
    pn_job_places_free(places);
}

PN_TEST(silent_places_are_not_remembered_without_end)
{
    struct pn_job_places *places = pn_job_places_new();
    char name[32];

    for (int i = 0; i < 5000; i++) {
        struct pn_job_place *place;

        snprintf(name, sizeof(name), "place-%d", i);
        place = find(places, name);
        pn_job_place_entered(place);
        pn_job_place_left(place, false);
    }
    pn_job_places_tidy(places);
    CHECK(room(places, "place-0") == 14 || room(places, "place-4999") == 14);
    pn_job_places_free(places);
}

PN_TEST_MAIN(T(a_place_that_answers_has_all_threads_but_two),
             T(a_silent_place_has_one_until_it_answers),
             T(dead_places_of_one_organisation_hold_up_no_other),
             T(what_falls_silent_counts_by_who_is_there), T(few_threads_still_serve_a_place),
             T(more_is_looked_for_when_half_have_left), T(tidying_keeps_whoever_is_somewhere),
             T(silent_places_are_not_remembered_without_end))
