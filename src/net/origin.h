/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_ORIGIN_H
#define PN_NET_ORIGIN_H

#include "base/buf.h"
#include "net/bytes.h"
#include "net/exchange.h"
#include "net/h2_pipe.h"

/*
 * Inside the HTTP client: what its two protocols share. A request waits, is on a connection, or has
 * failed; it lives until its owner closes the stream. The origin's memory lives as long as any
 * request, connection or connection attempt.
 */
#define PN_ORIGIN_ARENAS 32

struct pn_origin_conn;
struct request;

struct pn_origin_ops {
    bool (*send)(struct pn_origin_conn *conn,
                 struct request *r); /* false: this connection takes no more */
    void (*step)(struct pn_origin_conn *conn, unsigned events);
    void (*close_request)(struct request *r); /* the owner is done with it: let go of it */
    unsigned (*possible)(const struct request *r);
    void (*lose_requests)(struct pn_origin_conn *conn,
                          const struct pn_err *why); /* the stream is going */
    void (*timeout)(struct pn_origin_conn *conn);
    void (*drop)(struct pn_origin_conn *conn); /* the protocol's memory */
    size_t (*load)(const struct pn_origin_conn *conn);
    size_t (*most)(struct pn_origin_conn *conn); /* requests it may carry */
};

struct pn_origin_conn {
    const struct pn_origin_ops *ops;
    const struct pn_stream_ops *body_ops;
    struct pn_origin *origin;
    struct pn_stream *stream; /* NULL: dead, waiting for `soon` to free it */
    struct pn_origin_conn *next, **at;
    struct pn_task soon;
    struct pn_timer timer;
    bool is_h2;
    bool is_dedicated; /* to one upgrade */
    bool is_closing;   /* takes no new requests */
    bool was_used;     /* an answer has come over it: a failure now may mean that it was stale */
};

/* A connection that the owner is opening. */
struct pn_connect {
    struct pn_origin *origin;
    struct request *upgrade; /* whose it will be, or NULL */
    struct pn_connect *next, **at;
    bool is_dedicated;
};

struct pn_origin {
    struct pn_loop *loop;
    struct pn_origin_config config;
    struct pn_origin_conn *conns;
    struct pn_connect *connects;
    struct request *waiting, **waiting_end; /* in order of arrival */
    struct request *all;
    size_t conn_count, connect_count; /* without upgrades */
    size_t waiting_count;
    size_t holders;      /* requests, connections and attempts that point here */
    struct pn_task soon; /* hands waiting requests out */
    struct request *spare;
    size_t spare_count;
    struct pn_arena *arenas[PN_ORIGIN_ARENAS]; /* for the next requests */
    size_t arena_count;
    struct pn_arena *arena; /* of a response head, during its callback */
    struct pn_buf wire;
    bool speaks_h1; /* the last connection did */
    bool is_freed;
};

enum request_state {
    REQUEST_WAITING,
    REQUEST_CONNECTING,
    REQUEST_SENT,
    REQUEST_ANSWERED,
    REQUEST_FAILED
};

struct request {
    struct pn_request public; /* first */
    struct pn_origin *origin;
    struct pn_origin_conn *conn; /* while SENT or ANSWERED and the connection lives */
    struct pn_connect *connect;  /* while CONNECTING */
    struct request *next, **at;  /* waiting, or (HTTP/2) on the connection */
    struct request *all_next, **all_at;
    enum request_state state;
    struct pn_arena *arena;    /* of `head`; given back when the answer has come */
    struct pn_http_head *head; /* the request's; HTTP/2: then the answer's */
    struct pn_err *err;
    struct pn_task soon;
    unsigned retries;
    bool has_sent_body; /* some bytes of it: cannot be repeated */
    bool is_told;       /* of its failure */
    bool has_news;      /* HTTP/2: the answer's head has not been delivered */
    struct pn_h2_body h2;
};

static inline struct request *request_of(const struct pn_stream *body)
{
    return pn_container_of(body, struct request, public.body);
}

/* To be called when a request's owner may hear something. */
void pn_request_wake(struct request *r);
void pn_request_fail(struct request *r, const struct pn_err *why);
/*
 * The connection was lost before an answer: sends the request again when that is safe, else fails
 * it. `is_refused`: the server has said that it did not look at it.
 */
void pn_request_lost(struct request *r, bool is_refused, const struct pn_err *why);
/* The head is not needed any more. */
void pn_request_drop_head(struct request *r);
void pn_request_free(struct request *r);
void pn_origin_keep_arena(struct pn_origin *origin,
                          struct pn_arena *arena); /* for another request */
/* Of every request's stream, with and without a connection. */
void pn_request_want(struct pn_stream *body, unsigned wants);
void pn_request_close(struct pn_stream *body);
const struct pn_err *pn_request_error(const struct pn_stream *body);

void pn_origin_conn_init(struct pn_origin_conn *conn, struct pn_origin *origin,
                         struct pn_stream *stream);
void pn_origin_conn_die(struct pn_origin_conn *conn, const struct pn_err *why);
/* Something became free: waiting requests may go. */
void pn_origin_hand_out(struct pn_origin *origin);

struct pn_origin_conn *pn_origin_h1_new(struct pn_origin *origin, struct pn_stream *stream);
struct pn_origin_conn *pn_origin_h2_new(struct pn_origin *origin, struct pn_stream *stream);

#endif
