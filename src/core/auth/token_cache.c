/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/token_cache.h"

#include "crypto/hash.h"
#include "crypto/keyring.h"
#include "crypto/random.h"
#include "db/db.h"

#include <pthread.h>
#include <string.h>

#define WAYS 4 /* entries that share a place; the longest unused one goes */
#define LOCKS 64
#define MAX_TEXT_BYTES 2048 /* names and roles above it are not kept */

const char *const pn_token_cache_tables[] = {
    "users",          "login_sessions", "org_members", "identities", "identity_tokens",
    "identity_auths", "client_secrets", "gateways",    "relays",     NULL,
};

struct entry {
    uint8_t key[PN_SHA256_BYTES];
    uint64_t version, used_at;
    struct pn_token_facts facts; /* its texts and networks follow in the same piece of memory */
    struct pn_net nets[];
};

struct place {
    struct entry *ways[WAYS];
    uint64_t uses;
};

struct pn_token_cache {
    struct pn_db *db;
    uint8_t salt[PN_SHA256_BYTES];
    size_t count;
    pthread_mutex_t locks[LOCKS];
    struct place *places;
};

struct pn_token_cache *pn_token_cache_new(struct pn_db *db, size_t entries)
{
    struct pn_token_cache *cache = pn_heap_new(sizeof(*cache));

    cache->db = db;
    cache->count = entries < WAYS ? 1 : entries / WAYS;
    cache->places = pn_heap_new(cache->count * sizeof(*cache->places));
    pn_random_bytes(cache->salt, sizeof(cache->salt));
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void pn_token_cache_free(struct pn_token_cache *cache)
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

/* Where a key belongs, locked. */
static struct place *enter(struct pn_token_cache *cache, const uint8_t key[PN_SHA256_BYTES],
                           pthread_mutex_t **lock)
{
    uint64_t number;
    size_t at;

    memcpy(&number, key, sizeof(number));
    at = (size_t)(number % cache->count);
    *lock = &cache->locks[at % LOCKS];
    pthread_mutex_lock(*lock);
    return &cache->places[at];
}

static struct entry **find(struct place *place, const uint8_t key[PN_SHA256_BYTES])
{
    for (size_t w = 0; w < WAYS; w++) {
        if (place->ways[w] != NULL && pn_hash_equal(pn_str_of(place->ways[w]->key, PN_SHA256_BYTES),
                                                    pn_str_of(key, PN_SHA256_BYTES)))
            return &place->ways[w];
    }
    return NULL;
}

static void copy_out(const struct entry *entry, struct pn_arena *arena, struct pn_token_facts *out)
{
    *out = entry->facts;
    out->actor.name = pn_arena_copy(arena, out->actor.name);
    if (out->actor.org_role.ptr != NULL)
        out->actor.org_role = pn_arena_copy(arena, out->actor.org_role);
    out->nets.items = pn_new(arena, struct pn_net, out->nets.count);
    if (out->nets.count > 0)
        memcpy(out->nets.items, entry->nets, out->nets.count * sizeof(struct pn_net));
}

bool pn_token_cache_get(struct pn_token_cache *cache, struct pn_call *call, struct pn_str bearer,
                        struct pn_token_facts *out)
{
    uint8_t key[PN_SHA256_BYTES];
    struct entry **at;
    struct place *place;
    pthread_mutex_t *lock;
    bool holds = false;

    if (bearer.len > PN_TOKEN_MAX_BYTES)
        return false;
    pn_hash_hmac(pn_str_of(cache->salt, sizeof(cache->salt)), bearer, key);
    place = enter(cache, key, &lock);
    at = find(place, key);
    if (at != NULL) {
        const struct pn_token_facts *facts = &(*at)->facts;

        holds = (*at)->version == pn_db_version(cache->db, facts->actor.id) &&
                (facts->expires_ms == 0 || facts->expires_ms > call->now_ms);
        (*at)->used_at = ++place->uses;
        if (holds)
            copy_out(*at, call->arena, out);
    }
    pthread_mutex_unlock(lock);
    return holds;
}

static struct pn_str put_text(char **end, struct pn_str text)
{
    char *at = *end;

    if (text.ptr == NULL)
        return PN_NONE;
    memcpy(at, text.ptr, text.len);
    *end += text.len;
    return pn_str_of(at, text.len);
}

static struct entry *entry_new(const uint8_t key[PN_SHA256_BYTES], uint64_t version,
                               const struct pn_token_facts *facts)
{
    size_t nets_bytes = facts->nets.count * sizeof(struct pn_net);
    struct entry *entry = pn_heap_new(sizeof(*entry) + nets_bytes + facts->actor.name.len +
                                      facts->actor.org_role.len);
    char *end = (char *)entry->nets + nets_bytes;

    memcpy(entry->key, key, PN_SHA256_BYTES);
    entry->version = version;
    entry->facts = *facts;
    entry->facts.nets.items = NULL; /* they are in nets[] */
    if (nets_bytes > 0)
        memcpy(entry->nets, facts->nets.items, nets_bytes);
    entry->facts.actor.name = put_text(&end, facts->actor.name);
    entry->facts.actor.org_role = put_text(&end, facts->actor.org_role);
    return entry;
}

/* The key's own way, else a free one, else the longest unused. */
static struct entry **choose(struct place *place, const uint8_t key[PN_SHA256_BYTES])
{
    struct entry **at = find(place, key);
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

void pn_token_cache_put(struct pn_token_cache *cache, struct pn_str bearer, uint64_t version,
                        const struct pn_token_facts *facts)
{
    uint8_t key[PN_SHA256_BYTES];
    pthread_mutex_t *lock;
    struct place *place;
    struct entry *entry, **at;

    if (facts->actor.name.len + facts->actor.org_role.len > MAX_TEXT_BYTES)
        return;
    pn_hash_hmac(pn_str_of(cache->salt, sizeof(cache->salt)), bearer, key);
    entry = entry_new(key, version, facts);
    place = enter(cache, key, &lock);
    at = choose(place, key);
    entry->used_at = ++place->uses;
    pn_heap_free(*at);
    *at = entry;
    pthread_mutex_unlock(lock);
}
