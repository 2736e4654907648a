/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_H1_PIPE_H
#define PN_NET_H1_PIPE_H

#include "base/buf.h"
#include "http/h1.h"
#include "net/bytes.h"
#include "net/stream.h"

/*
 * An HTTP/1 message in each direction over one stream: what server and client connections have in
 * common. Takes framing off what arrives, puts it around what goes, and gathers small writes, so that
 * a head and the start of its body leave in one piece. Private to net/.
 */
enum pn_h1_writing {
    PN_H1_WRITE_NOTHING, /* no head printed yet */
    PN_H1_WRITE_LENGTH,
    PN_H1_WRITE_CHUNKS,
    PN_H1_WRITE_RAW,  /* until the end of the stream: upgrades, HTTP/1.0 */
    PN_H1_WRITE_DONE, /* the message is complete */
};

struct pn_h1_pipe {
    struct pn_stream *stream;
    struct pn_bytes in;     /* received, not used */
    struct pn_bytes out;    /* to be sent */
    struct pn_h1_body body; /* that arrives */
    uint64_t left;          /* of PN_H1_WRITE_LENGTH */
    enum pn_h1_writing writing;
    bool is_ended;      /* the peer ended the stream */
    bool is_blocked;    /* the stream took no more: pn_h1_pipe_unblock when it is writable again */
    struct pn_err *err; /* why nothing more works */
};

/* Heap memory only; the stream stays the caller's. */
void pn_h1_pipe_drop(struct pn_h1_pipe *pipe);

/*
 * Bytes for a head parser: what waits, together with what one read of the stream gives when
 * `may_read`. Without any: 0 the stream ended, PN_STREAM_AGAIN or PN_STREAM_FAILED. Afterwards
 * pn_h1_pipe_used says how many the parser took; only then may the loop's scratch be used.
 */
ssize_t pn_h1_pipe_peek(struct pn_h1_pipe *pipe, bool may_read, struct pn_str *bytes);
void pn_h1_pipe_used(struct pn_h1_pipe *pipe, struct pn_str bytes, size_t used);
/* Lets a head that was parsed out of `bytes` borrow from a copy in the arena instead. */
void pn_h1_head_keep(struct pn_http_head *head, struct pn_str bytes, size_t used,
                     struct pn_arena *arena);

/* As pn_stream_read, _write and _finish, of the bodies. */
ssize_t pn_h1_pipe_read(struct pn_h1_pipe *pipe, void *out, size_t len);
ssize_t pn_h1_pipe_write(struct pn_h1_pipe *pipe, const void *bytes, size_t len);
bool pn_h1_pipe_finish(struct pn_h1_pipe *pipe);
/* Takes a whole body, however large, and ends it. */
void pn_h1_pipe_write_all(struct pn_h1_pipe *pipe, struct pn_str bytes);
/* May the owner write? Never more than this waits, but for heads and pn_h1_pipe_write_all. */
bool pn_h1_pipe_is_writable(const struct pn_h1_pipe *pipe);

static inline void pn_h1_pipe_unblock(struct pn_h1_pipe *pipe)
{
    pipe->is_blocked = false;
}
/* Sends what waits: true when nothing is left (or never will be: see err). */
bool pn_h1_pipe_flush(struct pn_h1_pipe *pipe);
/* Sets err once; false. */
bool pn_h1_pipe_fail(struct pn_h1_pipe *pipe, enum pn_code code, const char *message);
void pn_h1_pipe_break(struct pn_h1_pipe *pipe, const struct pn_err *err);

#endif
