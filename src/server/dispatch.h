/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_DISPATCH_H
#define PN_SERVER_DISPATCH_H

#include "crypto/keyring.h"
#include "db/db.h"
#include "json/settings.h"
#include "loop/lane.h"
#include "net/exchange.h"
#include "server/etag.h"
#include "server/limiter.h"
#include "server/metrics.h"
#include "server/router.h"

/*
 * From an exchange to its answer: find the route, count the client's requests, read the body up to
 * the route's limit, cross once to a lane's worker (authenticate, fill the input, call the handler,
 * print), cross back, answer, log. One per loop; what it points to is shared and outlives it.
 */
struct pn_dispatcher;
struct pn_feeds;

struct pn_dispatch_parts {
    struct pn_loop *loop;
    const struct pn_router *router;
    const struct pn_settings *settings;
    struct pn_db *db;
    struct pn_keyring *keyring;
    struct pn_cache *cache;            /* NULL: none */
    struct pn_limiter *limiter;        /* NULL: no limits */
    const struct pn_net_list *proxies; /* NULL: none are believed */
    struct pn_metrics *metrics;
    struct pn_lane *fast, *slow;
    const struct pn_reach_port *reach; /* to clusters; NULL: nowhere */
    struct pn_clusters *clusters;
    struct pn_feeds *feeds; /* for routes that answer with a stream */
};

struct pn_dispatcher *pn_dispatcher_new(const struct pn_dispatch_parts *parts);
/* After its lanes, before the HTTP server: aborts what is still in progress. */
void pn_dispatcher_free(struct pn_dispatcher *dispatcher);
/* For pn_http_server_config: context is the dispatcher. Threads: its loop. */
void pn_dispatch(void *dispatcher, struct pn_exchange *exchange);
struct pn_str pn_dispatch_error_body(struct pn_arena *arena, int status, const char *message);
size_t pn_dispatcher_in_progress(const struct pn_dispatcher *dispatcher);

/* What a lane's thread holds: its own connection. `context` is the struct pn_db. */
void *pn_dispatch_worker_new(void *db);
void pn_dispatch_worker_free(void *worker);
struct pn_db_conn *pn_dispatch_worker_conn(void *worker);

/*
 * The call of a request whose route is known, without transport: what a worker runs. Tests and the
 * fuzzer use it. Prints the answer's body; the status is returned.
 */
struct pn_request_facts {
    struct pn_str request_id, ip, user_agent;
    struct pn_str authorization; /* value of the header, or PN_NONE */
    bool has_api_key;            /* X-API-Key was sent */
    struct pn_str content_type, body;
    struct pn_str if_none_match;
    struct pn_str cookie; /* value of the header, or PN_NONE */
};
struct pn_answer {
    int status;
    const char *content_type;
    struct pn_buf body;
    char etag[PN_ETAG_BYTES]; /* "": none */
    struct pn_str set_cookie; /* PN_NONE: none */
    struct pn_undo if_lost;
    struct pn_subscription *subscription; /* what the stream is of; NULL: the answer is the body */
    struct pn_actor actor;
    struct pn_err err; /* for the log; code PN_OK when the answer is no error */
};
void pn_dispatch_run(const struct pn_dispatch_parts *parts, struct pn_db_conn *conn,
                     struct pn_arena *arena, const struct pn_match *match,
                     const struct pn_request_facts *facts, struct pn_answer *out);

/* For GET /metrics: the counters of the server that runs this call. */
void pn_dispatch_metrics(struct pn_call *call, struct pn_buf *out);

#endif
