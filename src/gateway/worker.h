/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_WORKER_H
#define PN_GATEWAY_WORKER_H

#include "base/map.h"
#include "gateway/control.h"
#include "gateway/pod.h"
#include "gateway/spool.h"
#include "loop/loop.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "net/tls.h"

/*
 * One loop of the gateway and everything that lives on it: clients, sessions, passages, roads to
 * clusters. Nothing here is touched by another thread but through the functions marked so.
 */

struct pn_passage;
struct pn_session;
struct pn_client;
struct pn_upstream;
struct pn_upstream_trust;
struct pn_upstream_dial;
struct pn_link;
struct pn_errands;

/* What all workers share; does not change while they run. */
struct pn_shared {
    struct pn_control *control;
    struct pn_spool *spool;
    struct pn_errands *errands; /* threads for calls of the platform */
    bool is_recording_strict;
    char process[37];                     /* names this run to relays */
    void (*session_ended)(void *context); /* an upload may be due; NULL: nobody cares */
    /* A session's own client has ended it here: it ends on every loop. Any thread. */
    void (*session_cancelled)(void *context, const struct pn_ended *ended);
    void *context;
};

struct pn_worker {
    const struct pn_shared *shared;
    struct pn_loop *loop;
    unsigned index;
    struct pn_identity *identity;
    struct pn_tls_context *tls;        /* towards clients */
    struct pn_tls_context *tunnel_tls; /* towards relays; NULL: no relays */
    struct pn_own_pod *pod; /* NULL: not needed yet, or none, for the reason in `no_pod` */
    struct pn_err no_pod;
    struct pn_http_server *http;
    struct pn_http_server *platform; /* for the server itself: calls to clusters */
    struct pn_map *sessions;         /* by 16 bytes of id */
    struct pn_client *clients;
    struct pn_upstream_trust *trusts;
    struct pn_upstream_dial *dials;
    struct pn_link *links;
    uint64_t links_made;      /* so far: a link's number is never another's */
    struct pn_passage *spare; /* memory of passages that are over */
    size_t spare_count;
    struct pn_passage *strict, **strict_end; /* their records are on the way to the disk */
    struct pn_buf event;                     /* where events are built; empty between two */
    uint8_t random[1024]; /* for the ids of requests: the kernel is asked once for many */
    size_t random_left;
    struct pn_timer sweep;
    struct pn_timer leaving; /* while draining or closing */
    void (*over)(struct pn_worker *worker);
    void *user; /* the owner's */
    struct pn_task synced;
    bool is_draining;
    _Atomic uint64_t requests; /* forwarded */
    _Atomic unsigned connections, tunnels;
};

/* Threads: before the loop runs. */
struct pn_worker *pn_worker_new(const struct pn_shared *shared, struct pn_loop *loop,
                                unsigned index);
/* On the loop, as all below. Certificates as of now; old connections keep theirs. */
bool pn_worker_set_identity(struct pn_worker *worker, struct pn_identity *identity,
                            struct pn_err *err) PN_CHECKED;
/*
 * The gateway's own identity in its cluster as of now, or why there is none any more: then the sessions
 * that stand on it end.
 */
void pn_worker_set_pod(struct pn_worker *worker, struct pn_own_pod *pod, const struct pn_err *why);
/* A session is over. */
void pn_worker_end_session(struct pn_worker *worker, struct pn_uuid session, struct pn_str reason);
/* No new connections or tunnels; running requests finish; `over` is called once when the last has. */
void pn_worker_drain(struct pn_worker *worker, void (*over)(struct pn_worker *worker));
/*
 * Resets what is left and frees what lives on the loop; `over` is called (on the loop) when all is
 * gone. Then the loop may be stopped, and pn_worker_free called.
 */
void pn_worker_close(struct pn_worker *worker, void (*over)(struct pn_worker *worker));
/* Any thread, after the loop has stopped. */
void pn_worker_free(struct pn_worker *worker);
/* The sync thread has news for requests that wait (strict). Any thread. */
void pn_worker_synced(struct pn_worker *worker);

#endif
