/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_H2_PIPE_H
#define PN_NET_H2_PIPE_H

#include "base/buf.h"
#include "http/h2.h"
#include "net/bytes.h"
#include "net/stream.h"

/*
 * An HTTP/2 session over a stream, and the body of one of its streams: what server and client
 * connections have in common. Private to net/.
 */
struct pn_h2_pipe {
    struct pn_stream *stream;
    struct pn_h2 *h2;
    struct pn_bytes out; /* made, but the stream would not take it */
};

/* One read and its input. > 0, 0 the peer ended the stream, PN_STREAM_AGAIN or PN_STREAM_FAILED (err). */
ssize_t pn_h2_pipe_read(struct pn_h2_pipe *pipe, struct pn_err *err);
/*
 * Sends what the session has to say. `wire` is memory to make frames in. True: all is out; false:
 * the rest waits for the stream. A failure of the stream shows when it is read.
 */
bool pn_h2_pipe_flush(struct pn_h2_pipe *pipe, struct pn_buf *wire);
void pn_h2_pipe_drop(struct pn_h2_pipe *pipe);

/* One stream's two directions. */
struct pn_h2_body {
    int32_t id;
    struct pn_bytes in;  /* received: at most the stream window */
    struct pn_bytes out; /* to be framed */
    bool may_write;      /* a head without END_STREAM went */
    bool is_in_ended;    /* END_STREAM came */
    bool is_out_ended;   /* the owner finished */
    bool is_closed;      /* nghttp2 has forgotten the stream */
};

/* As pn_stream_read and _write. `h2` may be NULL when the stream is closed. */
ssize_t pn_h2_body_read(struct pn_h2_body *body, struct pn_loop *loop, struct pn_h2 *h2, void *out,
                        size_t len);
ssize_t pn_h2_body_write(struct pn_h2_body *body, struct pn_loop *loop, struct pn_h2 *h2,
                         const void *bytes, size_t len);
/* END_STREAM after what was written; false: no head has gone yet. */
bool pn_h2_body_finish(struct pn_h2_body *body, struct pn_h2 *h2);
bool pn_h2_body_is_readable(const struct pn_h2_body *body);
bool pn_h2_body_is_writable(const struct pn_h2_body *body);
ptrdiff_t pn_h2_body_pull(struct pn_h2_body *body, struct pn_loop *loop, char *out, size_t max,
                          bool *is_end);

#endif
