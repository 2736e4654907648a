/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/places.h"

#include "base/map.h"

#define KEPT 4096 /* silent places that are remembered while nobody is there */
#define LEFT_FOR_OTHERS 2
#define QUEUED_PER_THREAD 2

struct pn_job_place {
    size_t running;
    bool is_server, is_silent;
};

struct pn_job_places {
    struct pn_map *by_name;
};

struct pn_job_places *pn_job_places_new(void)
{
    struct pn_job_places *places = pn_heap_new(sizeof(*places));

    places->by_name = pn_map_new();
    return places;
}

void pn_job_places_free(struct pn_job_places *places)
{
    size_t at = 0;
    struct pn_str name;
    void *place;

    if (places == NULL)
        return;
    while (pn_map_next(places->by_name, &at, &name, &place))
        pn_heap_free(place);
    pn_map_free(places->by_name);
    pn_heap_free(places);
}

void pn_job_places_tidy(struct pn_job_places *places)
{
    const bool is_full = pn_map_count(places->by_name) > KEPT;
    size_t at = 0;
    struct pn_str name;
    void *entry;

    while (pn_map_next(places->by_name, &at, &name, &entry)) {
        const struct pn_job_place *place = entry;

        if (place->running > 0 || (place->is_silent && !is_full))
            continue;
        (void)pn_map_remove(places->by_name, name);
        pn_heap_free(entry);
    }
}

struct pn_job_place *pn_job_places_find(struct pn_job_places *places, struct pn_str name)
{
    struct pn_job_place *place = pn_map_get(places->by_name, name);

    if (place != NULL)
        return place;
    place = pn_heap_new(sizeof(*place));
    place->is_server = name.len == 0;
    (void)pn_map_put(places->by_name, name, place);
    return place;
}

static size_t most_of(const struct pn_job_place *place, size_t threads)
{
    if (place->is_server)
        return threads * QUEUED_PER_THREAD;
    if (place->is_silent)
        return 1;
    return threads > LEFT_FOR_OTHERS ? threads - LEFT_FOR_OTHERS : 1;
}

size_t pn_job_place_room(const struct pn_job_place *place, size_t threads)
{
    const size_t most = most_of(place, threads);

    return place->running < most ? most - place->running : 0;
}

bool pn_job_place_is_half_empty(const struct pn_job_place *place, size_t threads)
{
    return place->running <= most_of(place, threads) / 2;
}

void pn_job_place_entered(struct pn_job_place *place)
{
    place->running++;
}

void pn_job_place_left(struct pn_job_place *place, bool has_answered)
{
    pn_assert(place->running > 0);
    place->running--;
    place->is_silent = !has_answered;
}
