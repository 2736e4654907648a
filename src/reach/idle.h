/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_REACH_IDLE_H
#define PN_REACH_IDLE_H

#include "crypto/hash.h"
#include "net/fetch.h"

/*
 * Connections that wait for the next request to the same place under the same trust. Who has one has it alone,
 * so that a slow answer holds up nobody. Any worker.
 */
struct pn_idle_pool;
struct pn_idle_pool *pn_idle_pool_new(void);
void pn_idle_pool_clear(struct pn_idle_pool *pool); /* closes what waits now */
void pn_idle_pool_free(struct pn_idle_pool *pool);

struct pn_idle {
    struct pn_idle *next;
    uint8_t key[PN_SHA256_BYTES]; /* place and trust */
    struct pn_fetcher *fetcher;
    int64_t since_ms, until_ms; /* until_ms: not used again after it */
};
/* Takes the fetcher. `until_ms` is monotonic; INT64_MAX for no end. */
struct pn_idle *pn_idle_new(const uint8_t key[PN_SHA256_BYTES], struct pn_fetcher *fetcher,
                            int64_t until_ms);
void pn_idle_free(struct pn_idle *idle);
/* One that waits, or NULL. */
struct pn_idle *pn_idle_take(struct pn_idle_pool *pool, const uint8_t key[PN_SHA256_BYTES]);
/*
 * Gives it back: for PN_FETCH_MAX_IDLE_MS, as one of the newest 64. Then it is closed, whether somebody asks for it or not,
 * as it is within a second when the other side ends it.
 */
void pn_idle_keep(struct pn_idle_pool *pool, struct pn_idle *idle);

#endif
