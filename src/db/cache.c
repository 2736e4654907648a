/* SPDX-License-Identifier: Apache-2.0 */
#include "db/cache.h"

#include "base/map.h"
#include "db/sqlite.h"

#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#define WAYS 4
#define LOCKS 64

/* The bytes follow, and then the key. */
struct kept {
    uint64_t hash, version, used_at;
    struct pn_uuid id;
    int64_t from_ms, until_ms;
    size_t len, key_len;
    alignas(max_align_t) char bytes[];
};

struct place {
    struct kept *ways[WAYS];
    uint64_t uses;
};

struct pn_cache {
    struct pn_db *db;
    uint8_t salt[PN_CACHE_SALT_BYTES];
    size_t count, max_bytes;
    _Atomic size_t used_bytes, swept;
    pthread_mutex_t locks[LOCKS];
    struct place *places;
};

struct pn_cache *pn_cache_new(struct pn_db *db, size_t entries, size_t max_bytes,
                              const uint8_t salt[PN_CACHE_SALT_BYTES])
{
    struct pn_cache *cache = pn_heap_new(sizeof(*cache));

    cache->db = db;
    cache->count = entries < WAYS ? 1 : entries / WAYS;
    cache->max_bytes = max_bytes;
    cache->places = pn_heap_new(cache->count * sizeof(*cache->places));
    memcpy(cache->salt, salt, sizeof(cache->salt));
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void pn_cache_free(struct pn_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->count; i++) {
        for (size_t w = 0; w < WAYS; w++)
            pn_heap_free(cache->places[i].ways[w]);
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    pn_heap_free(cache->places);
    pn_heap_free(cache);
}

struct pn_str pn_cache_salt(const struct pn_cache *cache)
{
    return pn_str_of(cache->salt, sizeof(cache->salt));
}

static size_t size_of(const struct kept *kept)
{
    return kept == NULL ? 0 : sizeof(*kept) + kept->len + kept->key_len;
}

/* Where a hash belongs, locked. */
static struct place *enter(struct pn_cache *cache, uint64_t hash, pthread_mutex_t **lock)
{
    size_t at = (size_t)(hash % cache->count);

    *lock = &cache->locks[at % LOCKS];
    pthread_mutex_lock(*lock);
    return &cache->places[at];
}

static struct kept **find(struct place *place, uint64_t hash, struct pn_str key)
{
    for (size_t w = 0; w < WAYS; w++) {
        const struct kept *kept = place->ways[w];

        if (kept != NULL && kept->hash == hash &&
            pn_str_eq(pn_str_of(kept->bytes + kept->len, kept->key_len), key))
            return &place->ways[w];
    }
    return NULL;
}

static bool holds(const struct pn_cache *cache, const struct kept *kept, int64_t now_ms)
{
    return kept->version == pn_db_version(cache->db, kept->id) && kept->from_ms <= now_ms &&
           now_ms < kept->until_ms;
}

bool pn_cache_get(struct pn_cache *cache, struct pn_str key, int64_t now_ms, struct pn_arena *arena,
                  struct pn_str *bytes)
{
    uint64_t hash = pn_map_hash(cache->salt, key);
    pthread_mutex_t *lock;
    struct place *place = enter(cache, hash, &lock);
    struct kept **at = find(place, hash, key);
    bool is_found = at != NULL && holds(cache, *at, now_ms);

    if (is_found) {
        char *copy = pn_arena_alloc(arena, (*at)->len, alignof(max_align_t));

        memcpy(copy, (*at)->bytes, (*at)->len);
        *bytes = pn_str_of(copy, (*at)->len);
        (*at)->used_at = ++place->uses;
    }
    pthread_mutex_unlock(lock);
    return is_found;
}

uint64_t pn_cache_begin(const struct pn_cache *cache, const struct pn_db_conn *conn,
                        struct pn_uuid id)
{
    return conn->open_queries == 0 && conn->touched == NULL ? pn_db_version(cache->db, id)
                                                            : PN_CACHE_NEVER;
}

/* The key's own way, else a free one, else the longest unused. */
static struct kept **choose(struct place *place, uint64_t hash, struct pn_str key)
{
    struct kept **at = find(place, hash, key);
    size_t oldest = 0;

    if (at != NULL)
        return at;
    for (size_t w = 0; w < WAYS; w++) {
        if (place->ways[w] == NULL)
            return &place->ways[w];
        if (place->ways[w]->used_at < place->ways[oldest]->used_at)
            oldest = w;
    }
    return &place->ways[oldest];
}

static struct kept *kept_new(uint64_t hash, struct pn_str key, const struct pn_cache_entry *entry)
{
    struct kept *kept = pn_heap_new(sizeof(*kept) + entry->bytes.len + key.len);

    *kept = (struct kept){ .hash = hash,
                           .version = entry->version,
                           .id = entry->id,
                           .from_ms = entry->from_ms,
                           .until_ms = entry->until_ms,
                           .len = entry->bytes.len,
                           .key_len = key.len };
    if (entry->bytes.len > 0)
        memcpy(kept->bytes, entry->bytes.ptr, entry->bytes.len);
    memcpy(kept->bytes + kept->len, key.ptr, key.len);
    return kept;
}

/* Nobody asks again for most of what holds no more (a token that is over): each put looks at one place, in turn. */
static void sweep(struct pn_cache *cache, int64_t now_ms)
{
    pthread_mutex_t *lock;
    struct place *place = enter(cache, atomic_fetch_add(&cache->swept, 1), &lock);

    for (size_t w = 0; w < WAYS; w++) {
        if (place->ways[w] == NULL || holds(cache, place->ways[w], now_ms))
            continue;
        atomic_fetch_sub(&cache->used_bytes, size_of(place->ways[w]));
        pn_heap_free(place->ways[w]);
        place->ways[w] = NULL;
    }
    pthread_mutex_unlock(lock);
}

/* Room is made by the sweep and by who replaces; when there is none, what is there stays. */
void pn_cache_put(struct pn_cache *cache, struct pn_str key, const struct pn_cache_entry *entry)
{
    uint64_t hash = pn_map_hash(cache->salt, key);
    struct kept *fresh, *gone, **at;
    pthread_mutex_t *lock;
    struct place *place;
    size_t more;

    if (entry->version == PN_CACHE_NEVER || entry->bytes.len > PN_CACHE_MAX_ENTRY ||
        key.len > PN_CACHE_MAX_ENTRY - entry->bytes.len)
        return;
    sweep(cache, entry->from_ms);
    fresh = gone = kept_new(hash, key, entry);
    more = size_of(fresh);
    place = enter(cache, hash, &lock);
    at = choose(place, hash, key);
    if (atomic_load(&cache->used_bytes) + more <= cache->max_bytes + size_of(*at)) {
        atomic_fetch_add(&cache->used_bytes, more - size_of(*at));
        fresh->used_at = ++place->uses;
        gone = *at;
        *at = fresh;
    }
    pthread_mutex_unlock(lock);
    pn_heap_free(gone);
}
