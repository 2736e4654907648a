/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_SPOOL_INNER_H
#define PN_GATEWAY_SPOOL_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "gateway/segment.h"
#include "gateway/spool.h"

/* What spool.c (append and sync) and outbox.c (index and upload) share. */

#define PN_SPOOL_MAX_SEGMENTS 8192

/* Where an event is: slot + 1 of its segment; 0 = not (yet) there. */
struct pn_place {
    uint32_t slot1, at;
};

struct pn_recording {
    struct pn_uuid session;
    _Atomic uint64_t next_seq; /* loops */
    _Atomic bool has_ended;    /* loops */
    _Atomic int64_t active_ms; /* loops; monotonic */
    unsigned refs;             /* spool->lock */
    int64_t keep_until_ms;     /* spool->lock */

    /* The upload thread's. saved ≤ acked ≤ planned; places[i] is event saved + i. */
    uint64_t saved; /* acknowledged, and the ledger on disk says so */
    uint64_t acked, planned;
    uint64_t gone_before; /* of an earlier run: what is missing below will not come */
    struct pn_place *places;
    size_t place_count, place_room;
    bool is_in_ledger;
    int64_t retry_at_ms; /* monotonic; refused by the server until then */
};

struct pn_writer_lane {
    struct pn_segment *current;
    _Atomic(struct pn_segment *) spare; /* the sync thread keeps one ready */
    _Atomic bool wants_spare;
    _Atomic uint64_t appended, synced; /* tickets */
    _Atomic bool wants_notice;
};

struct pn_spool {
    char *directory;
    struct pn_secret *key, *ledger_key;
    uint64_t max_bytes;
    size_t segment_bytes;
    void (*synced)(void *context, unsigned writer);
    void *context;
    struct pn_writer_lane *lanes;
    unsigned lane_count;
    _Atomic uint64_t bytes;
    _Atomic bool is_broken, is_dirty;

    pthread_mutex_t lock; /* of all below */
    struct pn_segment *slots[PN_SPOOL_MAX_SEGMENTS];
    size_t slot_end; /* all used slots are below */
    uint32_t next_number;
    struct pn_map *recordings; /* by the 16 bytes of the session's id */

    pthread_t sync_thread;
    pthread_mutex_t sync_lock;
    pthread_cond_t sync_wake;
    bool is_urgent, is_stopping; /* sync_lock */
};

/* With spool->lock held. */
struct pn_recording *pn_spool_find(struct pn_spool *spool, struct pn_uuid session);
void pn_spool_poke(struct pn_spool *spool, bool is_urgent);

#endif
