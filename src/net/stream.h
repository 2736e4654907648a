/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_STREAM_H
#define PN_NET_STREAM_H

#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

/*
 * A bidirectional byte stream on one loop: a socket, a TLS layer over another stream, one CONNECT
 * stream of a tunnel, the body of an HTTP exchange (request one way, response the other), or an
 * upgraded connection. All look the same, so one pump joins any two.
 *
 * Non-blocking and pulled: the owner reads and writes; pn_stream_want asks for a call of `ready`
 * when that can succeed. Readiness is level-triggered: `ready` is called again and again (once per
 * loop iteration) while a wanted direction is possible. `ready` is never called from inside a call
 * the owner makes on that stream. Backpressure is not reading.
 *
 * Half-close is a state: pn_stream_finish ends our direction cleanly (FIN, close_notify, END_STREAM,
 * last chunk) and reading goes on. One death: pn_stream_close works in any state, once; what was not
 * finished is aborted so that the peer sees a failure, never a polite end. After it the memory is
 * gone (later, on the loop) and `ready` is never called again.
 */
enum { PN_STREAM_AGAIN = -1, PN_STREAM_FAILED = -2 };
enum { PN_WANT_READ = 1, PN_WANT_WRITE = 2 };

struct pn_stream;
typedef void pn_stream_ready_fn(void *owner, struct pn_stream *stream, unsigned events);

struct pn_stream_ops {
    const char *name;
    ssize_t (*read)(struct pn_stream *s, void *out, size_t len);
    ssize_t (*write)(struct pn_stream *s, const void *bytes, size_t len);
    bool (*finish)(struct pn_stream *s); /* false: not yet (AGAIN); ask again when writable */
    void (*want)(struct pn_stream *s, unsigned wants);
    void (*close)(struct pn_stream *s);
    const struct pn_err *(*error)(const struct pn_stream *s); /* why it FAILED */
};

/* Embedded first in each kind of stream. */
struct pn_stream {
    const struct pn_stream_ops *ops;
    struct pn_loop *loop;
    pn_stream_ready_fn *ready;
    void *owner;
    unsigned wants;
};

static inline void pn_stream_set_owner(struct pn_stream *s, pn_stream_ready_fn *ready, void *owner)
{
    s->ready = ready;
    s->owner = owner;
}

/* > 0 bytes; 0 the peer ended its direction cleanly; PN_STREAM_AGAIN; PN_STREAM_FAILED. */
static inline ssize_t pn_stream_read(struct pn_stream *s, void *out, size_t len)
{
    return s->ops->read(s, out, len);
}

/* How many bytes were taken (may be fewer than len), PN_STREAM_AGAIN or PN_STREAM_FAILED. */
static inline ssize_t pn_stream_write(struct pn_stream *s, const void *bytes, size_t len)
{
    return s->ops->write(s, bytes, len);
}

static inline bool pn_stream_finish(struct pn_stream *s)
{
    return s->ops->finish(s);
}

static inline void pn_stream_want(struct pn_stream *s, unsigned wants)
{
    if (s->wants != wants)
        s->ops->want(s, s->wants = wants);
}

static inline void pn_stream_close(struct pn_stream *s)
{
    if (s != NULL)
        s->ops->close(s);
}

static inline const struct pn_err *pn_stream_error(const struct pn_stream *s)
{
    return s->ops->error(s);
}

/* A socket as a stream; takes the descriptor (non-blocking from here on, TCP_NODELAY). */
bool pn_socket_stream(struct pn_loop *loop, int fd, struct pn_stream **out, struct pn_err *err)
    PN_CHECKED;
/* For the socket under a tunnel: little unsent data, so that bulk does not delay keystrokes; BBR where there is. */
void pn_socket_tune_tunnel(struct pn_stream *socket);

#endif
