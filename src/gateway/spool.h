/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_SPOOL_H
#define PN_GATEWAY_SPOOL_H

#include "base/buf.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * The spool holds events until the server has them (doc/protocol/gateway-pipeline.md, "The record on
 * its way home"). Each loop is a *writer* with segments of its own; a *recording* is one session's
 * sequence of events, shared by the loops through one counter. An event is appended by a loop without
 * a system call or a lock; one thread syncs; the upload thread reads back through gateway/outbox.h.
 */
struct pn_spool;
struct pn_recording;

struct pn_spool_config {
    const char *directory;       /* made 0700 */
    const struct pn_secret *key; /* 32 bytes; copied */
    unsigned writers;
    uint64_t max_bytes;   /* of the segment files */
    size_t segment_bytes; /* 0: 4 MiB */
    /* The sync thread has synced events somebody waits for (pn_spool_want_synced). */
    void (*synced)(void *context, unsigned writer);
    void *context;
};

/* Takes over what an earlier run left (then pn_outbox_new, before anything is appended). PN_IO: not writable. */
bool pn_spool_open(const struct pn_spool_config *config, struct pn_spool **out, struct pn_err *err)
    PN_CHECKED;
/* Syncs and ends. Nobody appends or uploads any more. */
void pn_spool_close(struct pn_spool *spool);

/* The session's recording, continued where it ended; kept until the given time at least. Counted. Any thread. */
struct pn_recording *pn_spool_recording(struct pn_spool *spool, struct pn_uuid session,
                                        int64_t keep_until_ms);
void pn_spool_release(struct pn_spool *spool, struct pn_recording *recording);
/* When something happened in the session last, on whatever loop (monotonic); what idle limits go by. */
void pn_recording_touch(struct pn_recording *recording, int64_t now_ms);
int64_t pn_recording_active(const struct pn_recording *recording);
/* True for the first caller only: for the event that says a session is over. */
bool pn_recording_ends_now(struct pn_recording *recording);

/*
 * An event is the JSON text of an object with members: pn_spool_begin makes room for its number, then
 * the object is appended, then pn_spool_append makes `"seq":N` its first member.
 */
void pn_spool_begin(struct pn_buf *event);
enum pn_spool_kind {
    PN_SPOOL_REQUEST,
    PN_SPOOL_RESPONSE
}; /* a response may pass the limit a little */

/*
 * Appends. *ticket (may be NULL) is what pn_spool_is_synced takes.
 * Errors:  PN_BUSY       the spool or the disk is full
 *          PN_TOO_LARGE  the event is larger than any we build
 *          PN_IO         the disk failed earlier: nothing more is accepted
 * Threads: the writer's loop. No system call but for a new segment (one in thousands).
 */
bool pn_spool_append(struct pn_spool *spool, unsigned writer, struct pn_recording *recording,
                     enum pn_spool_kind kind, struct pn_buf *event, uint64_t *ticket,
                     struct pn_err *err) PN_CHECKED;
bool pn_spool_is_synced(const struct pn_spool *spool, unsigned writer, uint64_t ticket);
/* Asks for a sync at once and for a call of `synced` after it. */
void pn_spool_want_synced(struct pn_spool *spool, unsigned writer);

struct pn_spool_status {
    uint64_t bytes, max_bytes; /* of segment files */
    bool is_broken;
};
struct pn_spool_status pn_spool_status(struct pn_spool *spool);

#endif
