/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <string.h>

/* Open addressing with linear probing; at most three quarters of the slots are taken or dead. */

#define FIRST_SLOTS ((size_t)16) /* a power of two, as every later count */

struct slot {
    uint64_t hash;
    char *key; /* NULL: never used, or dead when is_dead */
    size_t key_len;
    void *value;
    bool is_dead;
};

struct pn_map {
    struct slot *slots;
    size_t slot_count, count, dead;
    uint8_t seed[16];
};

/* The process's hash key, set once in main before there are threads. */
static uint8_t process_seed[16] = "postern-map-seed";

void pn_map_seed(const uint8_t key[16])
{
    memcpy(process_seed, key, sizeof(process_seed));
}

static uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (size_t i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* SipHash-2-4: Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
uint64_t pn_map_hash(const uint8_t key[16], struct pn_str text)
{
    const uint8_t *in = (const uint8_t *)text.ptr;
    uint64_t k0 = load_le64(key);
    uint64_t k1 = load_le64(key + 8);
    uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
    size_t whole = text.len & ~(size_t)7;
    uint64_t last = (uint64_t)text.len << 56;

    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = load_le64(in + i);

        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t i = whole; i < text.len; i++)
        last |= (uint64_t)in[i] << (8 * (i - whole));
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct pn_map *pn_map_new(void)
{
    struct pn_map *map = pn_heap_new(sizeof(*map));

    memcpy(map->seed, process_seed, sizeof(map->seed));
    map->slot_count = FIRST_SLOTS;
    map->slots = pn_heap_new(FIRST_SLOTS * sizeof(*map->slots));
    return map;
}

void pn_map_free(struct pn_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->slot_count; i++)
        pn_heap_free(map->slots[i].key);
    pn_heap_free(map->slots);
    pn_heap_free(map);
}

/* The slot that holds `key`, or the never used one where the search ends. */
static struct slot *find(const struct pn_map *map, uint64_t hash, struct pn_str key)
{
    for (size_t i = hash & (map->slot_count - 1);; i = (i + 1) & (map->slot_count - 1)) {
        struct slot *slot = &map->slots[i];

        if (slot->key == NULL && !slot->is_dead)
            return slot;
        if (slot->key != NULL && slot->hash == hash &&
            pn_str_eq(pn_str_of(slot->key, slot->key_len), key))
            return slot;
    }
}

void *pn_map_get(const struct pn_map *map, struct pn_str key)
{
    return find(map, pn_map_hash(map->seed, key), key)->value;
}

/* Makes room for one more; the dead go. */
static void make_room(struct pn_map *map)
{
    struct slot *old = map->slots;
    size_t old_count = map->slot_count;
    size_t bytes;

    if (map->count + map->dead + 1 <= map->slot_count / 4 * 3)
        return;
    if (map->count + 1 > map->slot_count / 2)
        map->slot_count *= 2;
    if (!pn_mul(map->slot_count, sizeof(*old), &bytes))
        pn_die("a map is larger than memory");
    map->slots = pn_heap_new(bytes);
    map->dead = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].key != NULL)
            *find(map, old[i].hash, pn_str_of(old[i].key, old[i].key_len)) = old[i];
    }
    pn_heap_free(old);
}

void *pn_map_put(struct pn_map *map, struct pn_str key, void *value)
{
    uint64_t hash = pn_map_hash(map->seed, key);
    struct slot *slot = find(map, hash, key);
    void *before = slot->value;

    pn_assert(value != NULL);
    if (slot->key == NULL) {
        make_room(map);
        slot = find(map, hash, key);
        slot->hash = hash;
        slot->key = pn_heap_new(key.len + 1);
        slot->key_len = key.len;
        if (key.len > 0)
            memcpy(slot->key, key.ptr, key.len);
        map->count++;
    }
    slot->value = value;
    return before;
}

void *pn_map_remove(struct pn_map *map, struct pn_str key)
{
    struct slot *slot = find(map, pn_map_hash(map->seed, key), key);
    void *before = slot->value;

    if (slot->key == NULL)
        return NULL;
    pn_heap_free(slot->key);
    *slot = (struct slot){ .is_dead = true };
    map->count--;
    map->dead++;
    return before;
}

size_t pn_map_count(const struct pn_map *map)
{
    return map->count;
}

bool pn_map_next(const struct pn_map *map, size_t *at, struct pn_str *key, void **value)
{
    while (*at < map->slot_count) {
        const struct slot *slot = &map->slots[(*at)++];

        if (slot->key == NULL)
            continue;
        *key = pn_str_of(slot->key, slot->key_len);
        *value = slot->value;
        return true;
    }
    return false;
}
