/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/places.h"

#include "base/map.h"

#define KEPT 4096 /* silent places that are remembered while nobody is there */
#define MAX_NAME ((size_t)4096)
#define LEFT_FOR_OTHERS 2
#define SILENT_SHARE 4 /* one of so many threads for what does not answer */

/* One organisation's, while it has places. */
struct org {
    struct pn_uuid id;
    size_t places, running, silent; /* silent: how many of the running are at places that are */
};

struct pn_job_place {
    struct org *org;
    size_t running;
    bool is_server, is_silent;
};

struct pn_job_places {
    struct pn_map *by_name, *orgs;
};

struct pn_job_places *pn_job_places_new(void)
{
    struct pn_job_places *places = pn_heap_new(sizeof(*places));

    places->by_name = pn_map_new();
    places->orgs = pn_map_new();
    return places;
}

/* ---- organisations ---- */

static struct pn_str key_of(const struct pn_uuid *id)
{
    return pn_str_of(id->bytes, sizeof(id->bytes));
}

static struct org *join(struct pn_job_places *places, struct pn_uuid id)
{
    struct org *org = pn_map_get(places->orgs, key_of(&id));

    if (org == NULL) {
        org = pn_heap_new(sizeof(*org));
        org->id = id;
        (void)pn_map_put(places->orgs, key_of(&id), org);
    }
    org->places++;
    return org;
}

static void leave(struct pn_job_places *places, struct org *org)
{
    if (--org->places > 0)
        return;
    (void)pn_map_remove(places->orgs, key_of(&org->id));
    pn_heap_free(org);
}

/* ---- places ---- */

static void forget(struct pn_job_places *places, struct pn_job_place *place)
{
    leave(places, place->org);
    pn_heap_free(place);
}

void pn_job_places_free(struct pn_job_places *places)
{
    size_t at = 0;
    struct pn_str name;
    void *place;

    if (places == NULL)
        return;
    while (pn_map_next(places->by_name, &at, &name, &place))
        forget(places, place);
    pn_map_free(places->by_name);
    pn_map_free(places->orgs);
    pn_heap_free(places);
}

void pn_job_places_tidy(struct pn_job_places *places)
{
    const bool is_full = pn_map_count(places->by_name) > KEPT;
    size_t at = 0;
    struct pn_str name;
    void *entry;

    while (pn_map_next(places->by_name, &at, &name, &entry)) {
        struct pn_job_place *place = entry;

        if (place->running > 0 || (place->is_silent && !is_full))
            continue;
        (void)pn_map_remove(places->by_name, name);
        forget(places, place);
    }
}

static struct pn_job_place *new_place(struct pn_job_places *places,
                                      const struct pn_job_where *where)
{
    struct pn_job_place *place = pn_heap_new(sizeof(*place));

    place->is_server = where->place.len == 0;
    place->org = join(places, where->org_id);
    return place;
}

struct pn_job_place *pn_job_places_find(struct pn_job_places *places,
                                        const struct pn_job_where *where)
{
    pn_auto(pn_buf_drop) struct pn_buf key = pn_buf_init(MAX_NAME);
    struct pn_job_place *place;

    pn_buf_add(&key, key_of(&where->org_id));
    pn_buf_add(&key, pn_str_slice(where->place, 0, MAX_NAME - sizeof(where->org_id.bytes)));
    place = pn_map_get(places->by_name, pn_buf_str(&key));
    if (place != NULL)
        return place;
    place = new_place(places, where);
    (void)pn_map_put(places->by_name, pn_buf_str(&key), place);
    return place;
}

/* ---- who is where ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t rest(size_t most, size_t taken)
{
    return taken < most ? most - taken : 0;
}

static size_t all_but_some(size_t threads)
{
    return threads > LEFT_FOR_OTHERS ? threads - LEFT_FOR_OTHERS : 1;
}

static size_t most_of(const struct pn_job_place *place, size_t threads)
{
    if (place->is_server)
        return threads * PN_JOBS_PER_THREAD;
    return place->is_silent ? 1 : all_but_some(threads);
}

size_t pn_job_place_room(const struct pn_job_place *place, size_t threads)
{
    const size_t room = rest(most_of(place, threads), place->running),
                 of_org = rest(all_but_some(threads), place->org->running),
                 silent = threads > SILENT_SHARE ? threads / SILENT_SHARE : 1;

    if (place->is_server)
        return room;
    if (!place->is_silent)
        return least(room, of_org);
    return least(least(room, of_org), rest(silent, place->org->silent));
}

static void move(struct pn_job_place *place, bool is_in)
{
    place->running = is_in ? place->running + 1 : place->running - 1;
    if (place->is_server)
        return;
    place->org->running = is_in ? place->org->running + 1 : place->org->running - 1;
    if (place->is_silent)
        place->org->silent = is_in ? place->org->silent + 1 : place->org->silent - 1;
}

static void hear(struct pn_job_place *place, bool is_silent)
{
    if (place->is_server || place->is_silent == is_silent)
        return;
    place->is_silent = is_silent;
    place->org->silent =
        is_silent ? place->org->silent + place->running : place->org->silent - place->running;
}

bool pn_job_place_is_half_empty(const struct pn_job_place *place, size_t threads)
{
    return place->running <= most_of(place, threads) / 2;
}

void pn_job_place_entered(struct pn_job_place *place)
{
    move(place, true);
}

void pn_job_place_unentered(struct pn_job_place *place)
{
    pn_assert(place->running > 0);
    move(place, false);
}

void pn_job_place_left(struct pn_job_place *place, bool has_answered)
{
    pn_job_place_unentered(place);
    hear(place, !has_answered);
}
