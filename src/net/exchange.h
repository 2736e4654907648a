/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_EXCHANGE_H
#define PN_NET_EXCHANGE_H

#include "http/head.h"
#include "net/stream.h"

/*
 * HTTP on streams, server and client alike. An exchange is one request with its response; its body
 * is a stream: on the server reading gives the request's body and writing sends the response's; on
 * the client the other way round. After a 101 the same stream carries the raw bytes of the new
 * protocol. pn_stream_close on a body that is not finished both ways aborts the exchange (HTTP/1:
 * connection closed without the last chunk; HTTP/2: RST_STREAM).
 *
 * A body stream tells its owner once that it has failed (client or server gone) even when nothing is
 * wanted of it: who waits for the one side must hear that the other has left.
 */

/* ---- server ---- */
struct pn_http_server; /* settings and handler, per loop */
struct pn_http_conn;   /* one client connection */
struct pn_exchange;

struct pn_http_server_config {
    /* A complete head has come. The exchange lives until its body stream is closed; `request` until
     * then too. The handler must answer, close, or hold on to it. */
    void (*request)(void *context, struct pn_exchange *exchange);
    /* The connection ended (all its exchanges are closed before). `conn_user` from pn_http_serve. */
    void (*closed)(void *context, void *conn_user);
    /* Malformed HTTP/1: an answer body for 400 (and 431, 413, 408) in this surface's error form. */
    struct pn_str (*error_body)(struct pn_arena *arena, int status, const char *message);
    void *context;
    int64_t head_timeout_ms; /* 32 s */
    int64_t idle_timeout_ms; /* 90 s between requests */
    uint32_t max_streams;    /* HTTP/2; 250 */
};
struct pn_http_server *pn_http_server_new(struct pn_loop *loop,
                                          const struct pn_http_server_config *config);
/* Stops accepting requests: HTTP/2 GOAWAY, HTTP/1 Connection: close; running exchanges finish. */
void pn_http_server_drain(struct pn_http_server *server);
void pn_http_server_free(struct pn_http_server *server); /* aborts what is still open */

/* Serves HTTP on a stream that is ready for it (TLS done); takes it. is_h2 by ALPN. */
struct pn_http_conn *pn_http_serve(struct pn_http_server *server, struct pn_stream *stream,
                                   bool is_h2, struct pn_str peer_ip, void *conn_user);
/* The same as pn_http_server_drain for this connection alone. */
void pn_http_conn_drain(struct pn_http_conn *conn);
/* Aborts the connection and all its exchanges (their body streams FAIL); `closed` is called. */
void pn_http_conn_abort(struct pn_http_conn *conn);
void *pn_http_conn_user(const struct pn_http_conn *conn);

struct pn_exchange {
    struct pn_stream body; /* first: &exchange->body is the stream */
    struct pn_http_conn *conn;
    struct pn_arena *arena; /* of this exchange */
    const struct pn_http_head *request;
    struct pn_str peer_ip;
    bool is_h2;
    bool is_answered;
    void *user; /* the handler's */
};
/*
 * Sends the response head, once (1xx heads before it, as often as needed). head->is_last: no body;
 * else content_length or, without one, chunks / DATA. Hop-by-hop fields are the server's own.
 * A 101 (HTTP/1 only) turns the body into raw bytes both ways.
 */
void pn_exchange_respond(struct pn_exchange *exchange, const struct pn_http_head *head);
/* Head with Content-Length, body and end in one go; closes the exchange when it is out. */
void pn_exchange_answer(struct pn_exchange *exchange, const struct pn_http_head *head,
                        struct pn_str body);

/* ---- client ---- */
struct pn_origin; /* a pool of connections to one server with one identity, on one loop */

/*
 * Opens one connection for the pool: dial, tunnel, TLS, as the owner likes; calls pn_origin_opened
 * once (perhaps later). wants_h1: for an upgrade; offer no h2.
 */
struct pn_connect;
typedef void pn_connect_fn(void *context, struct pn_connect *connect, bool wants_h1);
void pn_connect_done(struct pn_connect *connect, struct pn_stream *stream, bool is_h2);
void pn_connect_failed(struct pn_connect *connect, const struct pn_err *err);

struct pn_origin_config {
    pn_connect_fn *connect;
    void *context;
    unsigned max_connections;        /* HTTP/1 and HTTP/2 together; upgrades come on top */
    unsigned streams_per_connection; /* HTTP/2: another connection is opened above this (80) */
    size_t max_waiting;              /* requests waiting for a connection; over it PN_BUSY */
    int64_t idle_timeout_ms;         /* 90 s */
    int64_t ping_ms; /* HTTP/2: dead when nothing comes for that long after a ping (30 s) */
};
struct pn_origin *pn_origin_new(struct pn_loop *loop, const struct pn_origin_config *config);
/* Aborts everything; requests still open FAIL. */
void pn_origin_free(struct pn_origin *origin);

struct pn_request;
struct pn_request_events {
    /* A response head (1xx other than 101 are dropped). The body stream then reads the response. */
    void (*response)(void *owner, struct pn_request *request, const struct pn_http_head *head);
    /* No response will come: no connection, reset, garbage. The request's stream must still be closed. */
    void (*failed)(void *owner, struct pn_request *request, const struct pn_err *err);
};
struct pn_request {
    /* first: writing sends the request's body, reading gives the response's */
    struct pn_stream body;
    void *owner;
    const struct pn_request_events *events;
    /* may be repeated on a fresh connection when a kept-alive one proves dead */
    bool is_idempotent;
};
/*
 * Sends a request. `head` (scheme, authority, method, target, fields; content_length or is_chunked
 * for HTTP/1 framing; is_last without body; upgrade for an upgrade on its own connection) is copied.
 * Events come from the loop, never from inside this call.
 */
struct pn_request *pn_origin_request(struct pn_origin *origin, const struct pn_http_head *head,
                                     const struct pn_request_events *events, void *owner);

#endif
