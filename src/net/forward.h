/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_FORWARD_H
#define PN_NET_FORWARD_H

#include "base/buf.h"
#include "net/exchange.h"
#include "wire/farewell.h"

/*
 * Forwards one exchange to an origin and the answer back: the road of the gateway and of the local
 * proxy. The caller has built the upstream head (an allow-list, never the client's edited); forward
 * moves bodies both ways with bounded memory, lets only a real 101 switch protocols (6.1 of
 * kube-proxying.md), passes 1xx-to-final heads, half-close and aborts, and never follows a redirect.
 */
struct pn_forward;

struct pn_forward_result {
    int status; /* 0: no response was sent by the origin */
    uint64_t request_bytes, response_bytes;
    bool is_upgraded;
    bool is_clean;     /* both directions ended properly */
    struct pn_err err; /* when not clean */
};

struct pn_forward_events {
    /*
     * The origin's response head, to be turned into what the client gets: `out` starts as a copy
     * without hop-by-hop fields, in the exchange's arena; change it in place.
     */
    void (*response)(void *owner, const struct pn_http_head *in, struct pn_http_head *out);
    /* No response: answer the client in your own form (pn_exchange_answer); the exchange is still open. */
    void (*refused)(void *owner, struct pn_exchange *exchange, const struct pn_err *err);
    /*
     * The origin broke off what it had begun. Fills `status` as pn_forward_end takes it: it is said if there is a
     * place for it at this moment, else the client is cut off too. NULL, or false: cut off in any case.
     */
    bool (*broken)(void *owner, const struct pn_err *err, struct pn_buf *status);
    /* Over, for the record; called once, last. */
    void (*done)(void *owner, const struct pn_forward_result *result);
};

/*
 * Takes the exchange. `what` says of the request what its end may need (verb, subresource, streams, in the
 * exchange's arena); NULL: it ends without a word. `deadline_ms` until the response head, 0 = none (watches, logs, upgrades).
 */
struct pn_forward *pn_forward_start(struct pn_exchange *exchange, struct pn_origin *origin,
                                    const struct pn_http_head *head,
                                    const struct pn_farewell_facts *what, int64_t deadline_ms,
                                    const struct pn_forward_events *events, void *owner);
/* Of both directions, so far. */
uint64_t pn_forward_bytes(const struct pn_forward *forward);
/* Aborts both sides: upgrades and half-sent answers are reset, never closed politely; `done` follows. */
void pn_forward_abort(struct pn_forward *forward, const struct pn_err *why);
/*
 * Before the response: answers the client through `refused`. Later: nothing more goes up; within a second
 * the client gets `status` (a metav1.Status, Failure, as JSON) where it looks for one and a proper end, and
 * has two seconds to read it; where there is no place for it, as abort.
 */
void pn_forward_end(struct pn_forward *forward, const struct pn_err *why, struct pn_str status);

#endif
