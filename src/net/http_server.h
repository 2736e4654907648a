/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_HTTP_SERVER_H
#define PN_NET_HTTP_SERVER_H

#include "base/buf.h"
#include "net/bytes.h"
#include "net/exchange.h"
#include "net/h2_pipe.h"

/*
 * Inside the HTTP server: what its two protocols share. A connection lives as long as its stream or
 * any of its exchanges; an exchange until its owner closes the body. So a dead connection is a
 * connection without a stream whose exchanges all fail.
 */
struct pn_http_ops {
    void (*respond)(struct pn_exchange *exchange, const struct pn_http_head *head);
    /* The whole body of a head with Content-Length, and its end. */
    void (*write_all)(struct pn_exchange *exchange, struct pn_str body);
    void (*step)(struct pn_http_conn *conn,
                 unsigned events); /* the stream is ready, or `soon` came */
    void (*drain)(struct pn_http_conn *conn);
    void (*break_exchanges)(struct pn_http_conn *conn, const struct pn_err *why);
    void (*timeout)(struct pn_http_conn *conn);
    void (*drop)(struct pn_http_conn *conn); /* the protocol's own memory, before the stream goes */
};

struct pn_http_conn {
    const struct pn_http_ops *ops;
    struct pn_http_server *server;
    struct pn_stream *stream; /* NULL: dead */
    struct pn_http_conn *next, **at;
    void *user;
    struct pn_task soon;
    struct pn_timer timer;
    size_t exchanges; /* not yet closed by their owners */
    char peer_ip[64];
};

struct pn_http_server {
    struct pn_loop *loop;
    struct pn_http_server_config config;
    struct pn_http_conn *conns;
    size_t alive; /* memory still held */
    struct exchange *spare;
    size_t spare_count;
    struct pn_buf wire; /* where heads are printed and frames made, between two callbacks empty */
    bool is_draining, is_freed;
};

/* An exchange of either protocol; the last members are HTTP/2's. */
struct exchange {
    struct pn_exchange public; /* first */
    struct exchange *next, **at;
    struct pn_http_head head;
    struct pn_err *err;
    bool is_new;       /* the handler has not seen it */
    bool is_told;      /* the owner has heard of the failure */
    bool is_abandoned; /* the owner has closed it; the stream is still sending its end */
    struct pn_h2_body h2;
};

static inline struct exchange *exchange_of(const struct pn_stream *body)
{
    return pn_container_of(body, struct exchange, public.body);
}

/*
 * Tells the owner of an exchange what is possible of what it wants, and once that it failed. True: it
 * is to be told again in the next iteration (unless it has closed the exchange by then).
 */
bool pn_http_exchange_tell(struct exchange *x, unsigned possible);

struct exchange *pn_http_exchange_new(struct pn_http_conn *conn, const struct pn_stream_ops *ops);
void pn_http_exchange_free(struct exchange *x);

void pn_http_conn_init(struct pn_http_conn *conn, const struct pn_http_ops *ops,
                       struct pn_http_server *server, struct pn_stream *stream,
                       struct pn_str peer_ip, void *user);
/* The one death: closes the stream (politely only if it was finished), fails the exchanges. */
void pn_http_conn_die(struct pn_http_conn *conn, const struct pn_err *why);
/* After an exchange went: frees a dead connection that has no more. */
void pn_http_conn_release(struct pn_http_conn *conn);

struct pn_http_conn *pn_http_h1_new(struct pn_http_server *server, struct pn_stream *stream,
                                    struct pn_str peer_ip, void *user);
struct pn_http_conn *pn_http_h2_new(struct pn_http_server *server, struct pn_stream *stream,
                                    struct pn_str peer_ip, void *user);

#endif
