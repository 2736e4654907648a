/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_SEGMENT_H
#define PN_GATEWAY_SEGMENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * One file of the spool (doc/protocol/gateway-pipeline.md): sealed records one after another, in a
 * preallocated, mapped file. Made by anyone, appended to by one loop, read by the upload thread.
 */
#define PN_SEGMENT_HEADER_BYTES ((size_t)64)
#define PN_RECORD_HEADER_BYTES ((size_t)32)

struct pn_segment {
    char *path;
    int fd;
    uint32_t number; /* in the file's name; grows over the life of the directory */
    uint8_t *map;    /* NULL once it is retired and indexed */
    size_t bytes;
    struct pn_secret *key;
    _Atomic size_t used;     /* by the writer: everything before is committed */
    _Atomic bool is_retired; /* no more appends */
    _Atomic bool is_done;    /* all its records are home: the sync thread may delete it */
    size_t synced;           /* sync thread */
    size_t scanned;          /* upload thread: index holds what is before */
    uint64_t unacked; /* upload thread: records whose acknowledgement is not in the ledger yet */
};

/* What a record says of itself before it is opened. */
struct pn_record {
    struct pn_uuid session;
    uint64_t seq;
    size_t at, bytes; /* place in the segment, with header and padding */
};

/* A fresh file of `bytes`, preallocated. PN_BUSY: the disk is full. */
bool pn_segment_new(const char *directory, uint32_t number, unsigned writer, size_t bytes,
                    const struct pn_secret *spool_key, struct pn_segment **out, struct pn_err *err)
    PN_CHECKED;
/* One that an earlier run left; retired. PN_PROTOCOL when it is no segment. */
bool pn_segment_open(const char *directory, uint32_t number, const struct pn_secret *spool_key,
                     struct pn_segment **out, struct pn_err *err) PN_CHECKED;
void pn_segment_free(struct pn_segment *segment);   /* the file stays */
void pn_segment_delete(struct pn_segment *segment); /* the file goes too */
void pn_segment_unmap(struct pn_segment *segment);

size_t pn_segment_record_bytes(size_t plain_len);
bool pn_segment_has_room(const struct pn_segment *segment, size_t plain_len);
/* Seals and commits; there is room. Threads: the writer's. */
void pn_segment_append(struct pn_segment *segment, struct pn_uuid session, uint64_t seq,
                       struct pn_str plain);
/* The record at `at` of a mapped segment: none (yet), a committed one, or bytes that cannot be one. */
enum pn_segment_found { PN_SEGMENT_NONE, PN_SEGMENT_RECORD, PN_SEGMENT_DAMAGE };
enum pn_segment_found pn_segment_peek(const struct pn_segment *segment, size_t at,
                                      struct pn_record *out);

/*
 * Appends the plain bytes of the record at `at` to `out`. `window` is the caller's read buffer, kept
 * between calls; to see what was appended after it was filled, forget it (window->segment = NULL).
 * PN_INTERNAL when the record was altered, moved or torn.
 */
struct pn_segment_window {
    struct pn_buf buf;
    const struct pn_segment *segment;
    size_t at;
};
bool pn_segment_read(const struct pn_segment *segment, size_t at, struct pn_uuid session,
                     uint64_t seq, struct pn_segment_window *window, struct pn_buf *out,
                     struct pn_err *err) PN_CHECKED;

#endif
