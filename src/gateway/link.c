/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/link.h"

#include "base/log.h"
#include "crypto/random.h"
#include "gateway/client.h"
#include "net/tunnel.h"

#include <string.h>

#define DIAL_MS 10000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define RELAY_PORT 8443

enum link_state { LINK_WAITING, LINK_DIALING, LINK_OPEN, LINK_DRAINING, LINK_CLOSED };

static const bool link_may[5][5] = {
    [LINK_WAITING] = { [LINK_DIALING] = true, [LINK_CLOSED] = true },
    [LINK_DIALING] = { [LINK_WAITING] = true, [LINK_OPEN] = true, [LINK_CLOSED] = true },
    [LINK_OPEN] = { [LINK_WAITING] = true, [LINK_DRAINING] = true, [LINK_CLOSED] = true },
    [LINK_DRAINING] = { [LINK_CLOSED] = true },
};

struct pn_link {
    struct pn_worker *worker;
    struct pn_link *next, **at;
    uint64_t number; /* from 1 */
    enum link_state state;
    struct pn_endpoint relay;
    struct pn_timer redial;
    int64_t backoff_ms;
    bool is_named; /* in the identity of now */
    struct pn_dial *dial;
    struct pn_stream *tls; /* while the handshake runs */
    struct pn_tunnel *tunnel;
};

static void set_state(struct pn_link *link, enum link_state to)
{
    static const char *const names[] = { "waiting", "dialing", "open", "draining", "closed" };

    pn_assert(link_may[link->state][to]);
    pn_log(PN_DEBUG, "link-state", PN_F_TEXT("relay", link->relay.host),
           PN_F_TEXT("from", names[link->state]), PN_F_TEXT("to", names[to]));
    link->state = to;
}

static void free_link(struct pn_link *link)
{
    set_state(link, LINK_CLOSED);
    pn_timer_stop(&link->redial);
    if (link->dial != NULL)
        pn_dial_cancel(link->dial);
    pn_stream_close(link->tls);
    if (link->tunnel != NULL)
        atomic_fetch_sub(&link->worker->tunnels, 1);
    pn_tunnel_free(link->tunnel);
    *link->at = link->next;
    if (link->next != NULL)
        link->next->at = link->at;
    pn_heap_free(link);
}

/* Between the half and the whole of a time that doubles: gateways do not come back all at once. */
static void retry_later(struct pn_link *link, const struct pn_err *why)
{
    int64_t wait_ms;

    link->backoff_ms = link->backoff_ms == 0 ? BACKOFF_MIN_MS : link->backoff_ms * 2;
    if (link->backoff_ms > BACKOFF_MAX_MS)
        link->backoff_ms = BACKOFF_MAX_MS;
    wait_ms = link->backoff_ms / 2 + pn_random_below((uint32_t)(link->backoff_ms / 2 + 1));
    if (why != NULL)
        pn_log(PN_WARN, "tunnel-down", PN_F_TEXT("relay", link->relay.host),
               PN_F_INT("retryMs", wait_ms), PN_F_ERR(why));
    set_state(link, LINK_WAITING);
    pn_timer_start(link->worker->loop, &link->redial, wait_ms);
}

static void on_incoming(void *link_, struct pn_tunnel *tunnel, struct pn_stream *stream,
                        struct pn_str client_ip)
{
    struct pn_link *link = link_;

    (void)tunnel;
    pn_client_accept(link->worker, stream, link->number, client_ip);
}

static void add_link(struct pn_worker *worker, const struct pn_endpoint *relay);

/*
 * The relay leaves: what runs here goes on, its clients take another road for what is new, and another link
 * looks for it (or what stands in for it).
 */
static void on_draining(void *link_, struct pn_tunnel *tunnel)
{
    struct pn_link *link = link_;

    (void)tunnel;
    if (link->state != LINK_OPEN)
        return;
    pn_log(PN_INFO, "tunnel-draining", PN_F_TEXT("relay", link->relay.host));
    set_state(link, LINK_DRAINING);
    pn_client_drain_link(link->worker, link->number);
    if (!link->worker->is_draining)
        add_link(link->worker, &link->relay);
}

static void on_closed(void *link_, struct pn_tunnel *tunnel, const struct pn_err *why)
{
    struct pn_link *link = link_;

    (void)tunnel;
    link->tunnel = NULL;
    atomic_fetch_sub(&link->worker->tunnels, 1);
    if (link->state == LINK_DRAINING || !link->is_named) {
        free_link(link);
        return;
    }
    retry_later(link, why);
}

static const struct pn_tunnel_events tunnel_events = { .incoming = on_incoming,
                                                       .draining = on_draining,
                                                       .closed = on_closed };

static void on_tls(void *link_, struct pn_stream *tls, const struct pn_err *err)
{
    struct pn_link *link = link_;
    struct pn_err why = { 0 };

    link->tls = NULL;
    if (err != NULL) {
        retry_later(link, err);
        return;
    }
    if (strcmp(pn_tls_alpn(tls), PN_TUNNEL_ALPN) != 0) {
        pn_stream_close(tls);
        (void)pn_fail(&why, PN_PROTOCOL, "what answers there is no relay");
        retry_later(link, &why);
        return;
    }
    if (!pn_tunnel_gateway_side(tls, link->worker->shared->process, link->worker->index,
                                &tunnel_events, link, &link->tunnel, &why)) {
        retry_later(link, &why);
        return;
    }
    link->backoff_ms = 0;
    atomic_fetch_add(&link->worker->tunnels, 1);
    set_state(link, LINK_OPEN);
    pn_log(PN_INFO, "tunnel-open", PN_F_TEXT("relay", link->relay.host),
           PN_F_INT("index", link->worker->index));
}

static void on_dial(void *link_, struct pn_stream *socket, const struct pn_err *err)
{
    struct pn_link *link = link_;
    struct pn_err why = { 0 };

    link->dial = NULL;
    if (err != NULL)
        retry_later(link, err);
    else if (!pn_tls_start(link->worker->tunnel_tls, socket, link->relay.host, DIAL_MS, on_tls,
                           link, &link->tls, &why))
        retry_later(link, &why);
}

static void on_redial(struct pn_timer *timer)
{
    struct pn_link *link = pn_container_of(timer, struct pn_link, redial);

    set_state(link, LINK_DIALING);
    link->dial = pn_dial(link->worker->loop, &link->relay, DIAL_MS, on_dial, link);
}

static struct pn_link *find_link(struct pn_worker *worker, const struct pn_endpoint *relay)
{
    for (struct pn_link *link = worker->links; link != NULL; link = link->next)
        if (link->state != LINK_DRAINING && link->relay.port == relay->port &&
            strcmp(link->relay.host, relay->host) == 0)
            return link;
    return NULL;
}

static void add_link(struct pn_worker *worker, const struct pn_endpoint *relay)
{
    struct pn_link *link = pn_heap_new(sizeof(*link));

    link->worker = worker;
    link->number = ++worker->links_made;
    link->relay = *relay;
    link->is_named = true;
    link->redial.run = on_redial;
    link->next = worker->links;
    link->at = &worker->links;
    if (link->next != NULL)
        link->next->at = &link->next;
    worker->links = link;
    pn_timer_start(worker->loop, &link->redial, 0);
}

static void retire(struct pn_link *link)
{
    link->is_named = false;
    if (link->state == LINK_OPEN) {
        set_state(link, LINK_DRAINING);
        pn_tunnel_drain(link->tunnel);
        pn_client_drain_link(link->worker, link->number);
    } else if (link->state != LINK_DRAINING) {
        free_link(link);
    }
}

void pn_link_set_all(struct pn_worker *worker, const struct pn_identity *identity)
{
    struct pn_link *link, *next;

    for (link = worker->links; link != NULL; link = link->next)
        link->is_named = link->state == LINK_DRAINING;
    for (size_t i = 0; i < identity->relay_count; i++) {
        struct pn_endpoint relay;
        struct pn_err err = { 0 };

        if (!pn_endpoint_parse(identity->relays[i].host, RELAY_PORT, &relay, &err)) {
            pn_log(PN_WARN, "relay-address", PN_F_STR("host", identity->relays[i].host),
                   PN_F_ERR(&err));
            continue;
        }
        link = find_link(worker, &relay);
        if (link != NULL)
            link->is_named = true;
        else
            add_link(worker, &relay);
    }
    for (link = worker->links; link != NULL; link = next) {
        next = link->next;
        if (!link->is_named)
            retire(link);
    }
}

void pn_link_drain_all(struct pn_worker *worker)
{
    struct pn_link *next;

    for (struct pn_link *link = worker->links; link != NULL; link = next) {
        next = link->next;
        retire(link);
    }
}

void pn_link_free_all(struct pn_worker *worker)
{
    while (worker->links != NULL)
        free_link(worker->links);
}
