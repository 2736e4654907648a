/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_PUMP_H
#define PN_NET_PUMP_H

#include "net/stream.h"

/*
 * Copies bytes between two streams until both directions have ended cleanly, or one failed. Takes
 * both streams. Half-close is passed on. Bounded: while one side cannot take bytes the other is not
 * read; at most 64 KiB wait per direction, in memory held only then; at most 8 rounds per wake-up.
 */
struct pn_pump;

struct pn_pump_end {
    bool is_clean;           /* both directions ended with a proper end */
    uint64_t a_to_b, b_to_a; /* bytes */
    struct pn_err err;       /* when not clean */
};
/* Called once, after both streams have been closed; frees nothing of the owner's. */
typedef void pn_pump_done_fn(void *owner, const struct pn_pump_end *end);

struct pn_pump *pn_pump_start(struct pn_stream *a, struct pn_stream *b, pn_pump_done_fn *done,
                              void *owner);
/* Aborts both streams; `done` is not called. */
void pn_pump_cancel(struct pn_pump *pump);
uint64_t pn_pump_bytes(const struct pn_pump *pump, bool a_to_b);

#endif
