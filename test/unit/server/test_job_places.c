/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "server/jobs/places.h"

#define THREADS 16

static size_t room(struct pn_job_places *places, const char *name)
{
    return pn_job_place_room(pn_job_places_find(places, pn_str_from(name)), THREADS);
}

PN_TEST(a_place_that_answers_has_all_threads_but_two)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = pn_job_places_find(places, PN_LIT("a"));

    CHECK_EQ(room(places, "a"), 14);
    for (int i = 0; i < 14; i++)
        pn_job_place_entered(a);
    CHECK_EQ(room(places, "a"), 0);
    CHECK_EQ(room(places, "b"), 14);
    pn_job_place_left(a, true);
    CHECK_EQ(room(places, "a"), 1);
    CHECK_EQ(pn_job_place_room(a, 1), 0);
    pn_job_places_free(places);
}

PN_TEST(a_silent_place_has_one_until_it_answers)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = pn_job_places_find(places, PN_LIT("a"));

    pn_job_place_entered(a);
    pn_job_place_entered(a);
    pn_job_place_left(a, false);
    CHECK_EQ(room(places, "a"), 0);
    pn_job_place_left(a, false);
    CHECK_EQ(room(places, "a"), 1);
    pn_job_places_tidy(places);
    CHECK_EQ(room(places, "a"), 1);
    a = pn_job_places_find(places, PN_LIT("a"));
    pn_job_place_entered(a);
    CHECK_EQ(room(places, "a"), 0);
    pn_job_place_left(a, true);
    CHECK_EQ(room(places, "a"), 14);
    pn_job_places_free(places);
}

PN_TEST(few_threads_still_serve_a_place)
{
    struct pn_job_places *places = pn_job_places_new();
    struct pn_job_place *a = pn_job_places_find(places, PN_LIT("a"));

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
    struct pn_job_place *a = pn_job_places_find(places, PN_LIT("a"));

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
    struct pn_job_place *a = pn_job_places_find(places, PN_LIT("a"));

    pn_job_place_entered(a);
    (void)pn_job_places_find(places, PN_LIT("b"));
    pn_job_places_tidy(places);
    CHECK(pn_job_places_find(places, PN_LIT("a")) == a);
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
        place = pn_job_places_find(places, pn_str_from(name));
        pn_job_place_entered(place);
        pn_job_place_left(place, false);
    }
    pn_job_places_tidy(places);
    CHECK(room(places, "place-0") == 14 || room(places, "place-4999") == 14);
    pn_job_places_free(places);
}

PN_TEST_MAIN(T(a_place_that_answers_has_all_threads_but_two),
             T(a_silent_place_has_one_until_it_answers), T(few_threads_still_serve_a_place),
             T(more_is_looked_for_when_half_have_left), T(tidying_keeps_whoever_is_somewhere),
             T(silent_places_are_not_remembered_without_end))
