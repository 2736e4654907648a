/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_OUTBOX_H
#define PN_GATEWAY_OUTBOX_H

#include "gateway/segment.h"
#include "gateway/spool.h"

/*
 * The upload thread's view of the spool: what waits, in batches whose boundaries survive a crash.
 *
 *     pn_outbox_collect(outbox);             index what the loops have appended
 *     pn_outbox_plan(outbox, &err);          fix boundaries, on disk; forget what is home
 *     while (pn_outbox_next(outbox, &batch)) post it, then pn_outbox_acked or pn_outbox_failed
 *
 * Threads: one, not a loop.
 */
struct pn_outbox;

#define PN_BATCH_MAX_BYTES ((size_t)512 * 1024)

struct pn_batch {
    struct pn_recording *recording;
    struct pn_uuid session;
    uint64_t first, end; /* offsets of events, end exclusive */
    struct pn_str body;  /* JSON array; valid until the next call */
};

/* Reads the ledger: what an earlier run had planned is sent with the same boundaries. */
struct pn_outbox *pn_outbox_new(struct pn_spool *spool);
void pn_outbox_free(struct pn_outbox *outbox);

void pn_outbox_collect(struct pn_outbox *outbox);
bool pn_outbox_plan(struct pn_outbox *outbox, struct pn_err *err) PN_CHECKED;
/* The next batch of any session that is not held back at `now_ms` (monotonic); false when none is left. */
bool pn_outbox_next(struct pn_outbox *outbox, int64_t now_ms, struct pn_batch *out);
void pn_outbox_acked(struct pn_outbox *outbox, const struct pn_batch *batch);
/* Nothing of this session until then. */
void pn_outbox_hold(struct pn_outbox *outbox, const struct pn_batch *batch, int64_t until_ms);
/* The server will never take it: the session's planned events are given up. */
void pn_outbox_drop(struct pn_outbox *outbox, const struct pn_batch *batch);
/* Events indexed and not acknowledged. */
uint64_t pn_outbox_waiting(const struct pn_outbox *outbox);

#endif
