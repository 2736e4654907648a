/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_MAP_H
#define PN_BASE_MAP_H

#include "base/str.h"

/* A hash map from byte strings (copied) to pointers (borrowed); SipHash with a random key. */
struct pn_map;

struct pn_map *pn_map_new(void);
void pn_map_free(struct pn_map *map);
void *pn_map_get(const struct pn_map *map, struct pn_str key); /* NULL when absent */
/* Returns the value that was there before, or NULL. `value` must not be NULL. */
void *pn_map_put(struct pn_map *map, struct pn_str key, void *value);
void *pn_map_remove(struct pn_map *map, struct pn_str key);
size_t pn_map_count(const struct pn_map *map);
/* Visits all: start with *at = 0; false at the end. Removing the visited entry is allowed. */
bool pn_map_next(const struct pn_map *map, size_t *at, struct pn_str *key, void **value);
/* In main, from crypto/random: the hash key. Before that a fixed key is used (tests). */
void pn_map_seed(const uint8_t key[16]);
/* The hash itself, SipHash-2-4. */
uint64_t pn_map_hash(const uint8_t key[16], struct pn_str text);

#endif
