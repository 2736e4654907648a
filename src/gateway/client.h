/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_CLIENT_H
#define PN_GATEWAY_CLIENT_H

#include "gateway/word.h"
#include "gateway/worker.h"

/* A client's connection: TLS, and from its certificate the session it belongs to. */
struct pn_client {
    struct pn_worker *worker;
    struct pn_client *next, **at;
    struct pn_stream *tls;      /* while the handshake runs */
    struct pn_http_conn *conn;  /* after it, or */
    struct pn_word *word;       /* what it is told before it goes */
    struct pn_session *session; /* NULL: the certificate has expired */
    uint64_t link;              /* the number of the link it came by; 0: none */
    bool is_leaving;            /* its link drains */
    char ip[46];
};

/*
 * Takes a stream with a client behind it: a socket (`link` 0), or one stream of the tunnel of that link.
 * On the worker's loop.
 */
void pn_client_accept(struct pn_worker *worker, struct pn_stream *stream, uint64_t link,
                      struct pn_str ip);
/* Clients that came by the link finish what runs and are told to take another road for the rest. */
void pn_client_drain_link(struct pn_worker *worker, uint64_t link);
/* The HTTP server's word that the connection is over. */
void pn_client_closed(void *worker, void *client);
/* Cancels handshakes and words (connections are the HTTP server's). */
void pn_client_close_all(struct pn_worker *worker);

/*
 * Who a client is, from its certificate (DER): its session, when the certificate ends. PN_FORBIDDEN
 * unless it was made for this gateway and organisation, and for a session with a Kubernetes account.
 */
struct pn_claim {
    struct pn_uuid session;
    int64_t not_after_ms;
};
/* Is it the server itself (doc/protocol/platform-road.md), for this gateway and organisation? PN_FORBIDDEN. */
bool pn_client_check_platform(struct pn_arena *arena, struct pn_str der,
                              const struct pn_identity *identity, struct pn_err *err) PN_CHECKED;
bool pn_client_read_claim(struct pn_arena *arena, struct pn_str der,
                          const struct pn_identity *identity, struct pn_claim *out,
                          struct pn_err *err) PN_CHECKED;

#endif
