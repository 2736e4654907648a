/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_DB_CACHE_H
#define PN_DB_CACHE_H

#include "db/db.h"

/*
 * What watched rows said, remembered under a key for all threads of the process, so that who asks next
 * needs no SQL. An entry is about an id: it holds as long as that id's version (db.h) is what it was before the rows
 * were read, and between two times. Bounded in number and bytes; of the four entries that share a place the
 * longest unused one goes, and what holds no more goes in turn. Why what is stale is never seen: README.md.
 *
 *     if (pn_cache_get(cache, key, now_ms, arena, &bytes)) …
 *     version = pn_cache_begin(cache, conn, id);     before the rows are read
 *     pn_cache_put(cache, key, &(struct pn_cache_entry){ id, version, now_ms, until_ms, bytes });
 *
 * Threads: any.
 */
struct pn_cache;
#define PN_CACHE_ENTRIES 262144
#define PN_CACHE_BYTES ((size_t)96 << 20)
#define PN_CACHE_MAX_ENTRY ((size_t)16 << 10) /* key and bytes; what is larger is not kept */
#define PN_CACHE_SALT_BYTES 16

/* `salt`: random, so that nobody outside can choose what shares a place. */
struct pn_cache *pn_cache_new(struct pn_db *db, size_t entries, size_t max_bytes,
                              const uint8_t salt[PN_CACHE_SALT_BYTES]);
void pn_cache_free(struct pn_cache *cache);
struct pn_str pn_cache_salt(const struct pn_cache *cache);

/* Copies the bytes into `arena`, aligned for any type. False: read the rows. */
bool pn_cache_get(struct pn_cache *cache, struct pn_str key, int64_t now_ms, struct pn_arena *arena,
                  struct pn_str *bytes);

#define PN_CACHE_NEVER UINT64_MAX /* a version that nothing ever has */
/*
 * The version of `id`, to be asked for before its rows are read. PN_CACHE_NEVER where `conn` is in the midst of
 * another query: it might still see the rows of before that version; and where it is a write's, whose rows may yet be
 * undone.
 */
uint64_t pn_cache_begin(const struct pn_cache *cache, const struct pn_db_conn *conn,
                        struct pn_uuid id);
struct pn_cache_entry {
    struct pn_uuid id;
    uint64_t version;
    int64_t from_ms, until_ms; /* holds at from_ms, which is now, and no longer at until_ms */
    struct pn_str bytes;
};
void pn_cache_put(struct pn_cache *cache, struct pn_str key, const struct pn_cache_entry *entry);

#endif
