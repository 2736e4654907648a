/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_CLUSTER_TURNS_H
#define PN_CORE_AUTH_CLUSTER_TURNS_H

#include "base/err.h"
#include "crypto/hash.h"

/*
 * How many workers may be with one cluster at a time, so that a dead one does not take the whole lane.
 * Who finds all turns taken waits for a moment, in the order of coming, which is enough while the cluster answers; when none
 * comes back in it, the cluster is stuck, and whoever comes next is refused at once, until it answers. Thread-safe.
 */
struct pn_cluster_turns;

#define PN_TURN_PATIENCE_MS 250

/* Where the workers go: an organisation's host and port, gateway or pool, hashed. */
struct pn_cluster_place {
    uint8_t bytes[PN_SHA256_BYTES];
};

struct pn_cluster_turns *pn_cluster_turns_new(unsigned most); /* for each place; at least 1 */
void pn_cluster_turns_free(struct pn_cluster_turns *turns);   /* NULL is fine */

/* Every turn that was taken is given back. Errors: PN_BUSY. Blocks for PN_TURN_PATIENCE_MS at most. */
bool pn_cluster_turns_take(struct pn_cluster_turns *turns, const struct pn_cluster_place *place,
                           int64_t deadline_ms, struct pn_err *err) PN_CHECKED;
void pn_cluster_turns_give(struct pn_cluster_turns *turns, const struct pn_cluster_place *place,
                           bool has_answered);

#endif
