/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/upstream.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define DIAL_MS 10000
#define PING_MS \
    5000 /* an API server that says nothing is noticed within 10 s: PING, and 5 s later nothing */
#define IDLE_MS 90000
/* As many as a session may bring: over HTTP/1.1 each watch holds one on either side. */
#define MAX_CONNECTIONS 1024
#define STREAMS_PER_CONNECTION 80
#define MAX_WAITING 4096

/* TLS contexts for one set of CAs; counted by the roads that use them. */
struct pn_upstream_trust {
    struct pn_upstream_trust *next;
    unsigned refs;
    char *ca_pem;
    bool is_insecure;
    struct pn_tls_context *any, *h1; /* h1: for upgrades, made when first needed */
};

/* A connection on its way. It does not know its road, which may be gone before it is open. */
struct pn_upstream_dial {
    struct pn_worker *worker;
    struct pn_upstream_dial *next, **at;
    struct pn_connect *connect;
    struct pn_upstream_trust *trust; /* NULL: no TLS */
    bool wants_h1;
    char host[256];
    struct pn_dial *dial;
    struct pn_stream *tls;
};

/* ---- trust ---- */

static bool make_context(const struct pn_upstream_trust *trust, bool wants_h1,
                         struct pn_tls_context **out, struct pn_err *err)
{
    static const char *const any[] = { "h2", "http/1.1", NULL }, *const h1[] = { "http/1.1", NULL };
    struct pn_tls_settings settings = {
        .trust_pem = pn_str_from(trust->ca_pem),
        .is_insecure = trust->is_insecure,
        .alpn = wants_h1 ? h1 : any,
    };

    return pn_tls_context_new(&settings, out, err);
}

static void drop_trust(struct pn_worker *worker, struct pn_upstream_trust *trust)
{
    struct pn_upstream_trust **at = &worker->trusts;

    if (trust == NULL || --trust->refs > 0)
        return;
    while (*at != trust)
        at = &(*at)->next;
    *at = trust->next;
    pn_tls_context_free(trust->any);
    pn_tls_context_free(trust->h1);
    pn_heap_free(trust->ca_pem);
    pn_heap_free(trust);
}

static bool take_trust(struct pn_worker *worker, const struct pn_upstream_target *target,
                       struct pn_upstream_trust **out, struct pn_err *err)
{
    struct pn_upstream_trust *trust;

    for (trust = worker->trusts; trust != NULL; trust = trust->next)
        if (trust->is_insecure == target->is_insecure &&
            pn_str_eq(pn_str_from(trust->ca_pem), target->ca_pem)) {
            trust->refs++;
            *out = trust;
            return true;
        }
    trust = pn_heap_new(sizeof(*trust));
    trust->refs = 1;
    trust->is_insecure = target->is_insecure;
    if (target->ca_pem.len > 0) {
        trust->ca_pem = pn_heap_new(target->ca_pem.len + 1);
        memcpy(trust->ca_pem, target->ca_pem.ptr, target->ca_pem.len);
    }
    trust->next = worker->trusts;
    worker->trusts = trust;
    if (!make_context(trust, false, &trust->any, err)) {
        drop_trust(worker, trust);
        return pn_within(err, "the cluster's CA certificate");
    }
    *out = trust;
    return true;
}

/* ---- opening a connection ---- */

static void unlink_dial(struct pn_upstream_dial *dial)
{
    *dial->at = dial->next;
    if (dial->next != NULL)
        dial->next->at = dial->at;
    drop_trust(dial->worker, dial->trust);
    pn_heap_free(dial);
}

static void fail_dial(struct pn_upstream_dial *dial, const struct pn_err *err)
{
    pn_log(PN_WARN, "cluster-unreachable", PN_F_TEXT("host", dial->host), PN_F_ERR(err));
    pn_connect_failed(dial->connect, err);
    unlink_dial(dial);
}

static void on_tls(void *dial_, struct pn_stream *tls, const struct pn_err *err)
{
    struct pn_upstream_dial *dial = dial_;

    dial->tls = NULL;
    if (err != NULL) {
        fail_dial(dial, err);
        return;
    }
    pn_connect_done(dial->connect, tls, strcmp(pn_tls_alpn(tls), "h2") == 0);
    unlink_dial(dial);
}

static bool start_tls(struct pn_upstream_dial *dial, struct pn_stream *socket, struct pn_err *err)
{
    struct pn_upstream_trust *trust = dial->trust;

    if (dial->wants_h1 && trust->h1 == NULL && !make_context(trust, true, &trust->h1, err)) {
        pn_stream_close(socket);
        return false;
    }
    return pn_tls_start(dial->wants_h1 ? trust->h1 : trust->any, socket, dial->host, DIAL_MS,
                        on_tls, dial, &dial->tls, err);
}

static void on_dial(void *dial_, struct pn_stream *socket, const struct pn_err *err)
{
    struct pn_upstream_dial *dial = dial_;
    struct pn_err why = { 0 };

    dial->dial = NULL;
    if (err != NULL) {
        fail_dial(dial, err);
    } else if (dial->trust == NULL) {
        pn_connect_done(dial->connect, socket, false);
        unlink_dial(dial);
    } else if (!start_tls(dial, socket, &why)) {
        fail_dial(dial, &why);
    }
}

static void connect_to(void *upstream_, struct pn_connect *connect, bool wants_h1)
{
    struct pn_upstream *upstream = upstream_;
    struct pn_worker *worker = upstream->worker;
    struct pn_upstream_dial *dial = pn_heap_new(sizeof(*dial));

    dial->worker = worker;
    dial->connect = connect;
    dial->wants_h1 = wants_h1;
    dial->trust = upstream->trust;
    if (dial->trust != NULL)
        dial->trust->refs++;
    memcpy(dial->host, upstream->url.endpoint.host, sizeof(dial->host));
    dial->next = worker->dials;
    dial->at = &worker->dials;
    if (dial->next != NULL)
        dial->next->at = &dial->next;
    worker->dials = dial;
    dial->dial = pn_dial(worker->loop, &upstream->url.endpoint, DIAL_MS, on_dial, dial);
}

void pn_upstream_cancel_all(struct pn_worker *worker)
{
    struct pn_err why = { 0 };

    (void)pn_fail(&why, PN_BUSY, "the gateway is stopping");
    while (worker->dials != NULL) {
        struct pn_upstream_dial *dial = worker->dials;

        if (dial->dial != NULL)
            pn_dial_cancel(dial->dial);
        pn_stream_close(dial->tls);
        pn_connect_failed(dial->connect, &why);
        unlink_dial(dial);
    }
}

/* ---- the road ---- */

static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

static void print_authority(struct pn_upstream *upstream)
{
    const struct pn_endpoint *to = &upstream->url.endpoint;
    bool is_v6 = strchr(to->host, ':') != NULL;
    const char *open = is_v6 ? "[" : "", *close = is_v6 ? "]" : "";

    if (to->port == (upstream->url.is_tls ? 443 : 80))
        (void)snprintf(upstream->authority, sizeof(upstream->authority), "%s%s%s", open, to->host,
                       close);
    else
        (void)snprintf(upstream->authority, sizeof(upstream->authority), "%s%s%s:%u", open,
                       to->host, close, to->port);
}

static bool set_up(struct pn_upstream *upstream, const struct pn_upstream_target *target,
                   struct pn_err *err)
{
    struct pn_origin_config config = {
        .connect = connect_to,
        .context = upstream,
        .max_connections = MAX_CONNECTIONS,
        .streams_per_connection = STREAMS_PER_CONNECTION,
        .max_waiting = MAX_WAITING,
        .idle_timeout_ms = IDLE_MS,
        .ping_ms = PING_MS,
    };

    if (!pn_url_parse(pn_str_from(upstream->text), &upstream->url, err))
        return pn_within(err, "the account's URL");
    if (!upstream->url.is_tls && !is_this_machine(upstream->url.endpoint.host))
        return pn_fail(err, PN_BAD_REQUEST,
                       "its URL is http://, where the token would travel in the clear");
    if (upstream->url.is_tls && !take_trust(upstream->worker, target, &upstream->trust, err))
        return false;
    print_authority(upstream);
    upstream->prefix = upstream->url.prefix;
    upstream->origin = pn_origin_new(upstream->worker->loop, &config);
    return true;
}

bool pn_upstream_new(struct pn_worker *worker, const struct pn_upstream_target *target,
                     struct pn_upstream **out, struct pn_err *err)
{
    struct pn_upstream *upstream = pn_heap_new(sizeof(*upstream));

    upstream->worker = worker;
    upstream->text = pn_heap_new(target->url.len + 1);
    memcpy(upstream->text, target->url.ptr, target->url.len);
    if (!set_up(upstream, target, err)) {
        pn_upstream_free(upstream);
        return false;
    }
    *out = upstream;
    return true;
}

bool pn_upstream_set_trust(struct pn_upstream *upstream, const struct pn_upstream_target *target,
                           struct pn_err *err)
{
    struct pn_upstream_trust *trust;

    if (upstream->trust == NULL)
        return true; /* no TLS, on this machine */
    if (!take_trust(upstream->worker, target, &trust, err))
        return false;
    drop_trust(upstream->worker, upstream->trust);
    upstream->trust = trust;
    return true;
}

void pn_upstream_free(struct pn_upstream *upstream)
{
    if (upstream == NULL)
        return;
    if (upstream->origin != NULL)
        pn_origin_free(upstream->origin);
    drop_trust(upstream->worker, upstream->trust);
    pn_heap_free(upstream->text);
    pn_heap_free(upstream);
}
