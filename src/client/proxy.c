/* SPDX-License-Identifier: Apache-2.0 */
#include "client/proxy.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "client/door.h"
#include "client/road.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "kube/requestinfo.h"
#include "kube/status.h"
#include "net/dial.h"
#include "net/forward.h"
#include "net/tls.h"

#define BEARER_BYTES 32
#define HANDSHAKE_MS 10000
#define PROBE_MS 20000
#define MAX_PROBE_ANSWER_BYTES ((size_t)16 * 1024)
#define MAX_CONNECTIONS 256
#define STATUS_BYTES ((size_t)16 << 10)
#define CANCEL_POLL_MS 100
#define CERTIFICATE_EARLY_MS 60000
#define CERTIFICATE_LATE_MS \
    ((int64_t)24 * 3600 * 1000) /* so that kubectl hears of the session's end */

static const char *const local_alpn[] = { "h2", "http/1.1", NULL };

/* The first request: is the road open? */
struct probe {
    struct pn_request *request; /* NULL: over */
    struct pn_timer timer;
    int status;
    struct pn_buf answer; /* why not */
};

struct pn_proxy {
    const struct pn_access *access;
    struct pn_loop *loop;
    bool is_running; /* the loop has its thread, and all below `port` is the thread's */
    struct pn_arena *arena;
    struct pn_secret *bearer;
    struct pn_cert authority, local; /* of 127.0.0.1; the authority's key is gone at once */
    struct pn_str prefix;            /* "/ACCOUNT_ID" */
    uint16_t port;

    struct pn_tls_context *tls;
    struct pn_door *door;
    const char *directory;
    struct pn_str server_name;
    struct pn_http_server *server;
    struct pn_road *road;
    struct guest *guests;
    unsigned open;
    struct probe probe;
    _Atomic bool is_closed;     /* nobody enters any more */
    _Atomic unsigned forwarded; /* requests on their way */

    /* What pn_proxy_start waits for. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_settled;
    struct pn_err failure;
};

static void settle(struct pn_proxy *proxy, const struct pn_err *failure)
{
    pthread_mutex_lock(&proxy->lock);
    if (failure != NULL)
        proxy->failure = *failure;
    proxy->is_settled = true;
    pthread_cond_broadcast(&proxy->changed);
    pthread_mutex_unlock(&proxy->lock);
}

/* False when cancelled. */
static bool await(struct pn_proxy *proxy, bool (*is_cancelled)(void))
{
    bool is_settled, is_over = false;

    pthread_mutex_lock(&proxy->lock);
    while (!proxy->is_settled && !is_over) {
        int64_t until_ns = pn_clock_mono_ns() + (int64_t)CANCEL_POLL_MS * 1000000;
        struct timespec until = { .tv_sec = until_ns / 1000000000,
                                  .tv_nsec = until_ns % 1000000000 };

        pthread_cond_timedwait(&proxy->changed, &proxy->lock, &until);
        is_over = is_cancelled != NULL && is_cancelled();
    }
    is_settled = proxy->is_settled;
    pthread_mutex_unlock(&proxy->lock);
    return is_settled;
}

/* ---- one request ---- */

static void answer_status(struct pn_exchange *exchange, int status, const char *message)
{
    struct pn_kube_reply reply =
        pn_kube_reply(exchange->arena, exchange->request, status, 0, pn_str_from(message));

    pn_exchange_answer(exchange, &reply.head, reply.body);
}

static bool is_own_host(const struct pn_proxy *proxy, struct pn_str authority)
{
    char name[2][32];

    snprintf(name[0], sizeof name[0], "127.0.0.1:%u", proxy->port);
    snprintf(name[1], sizeof name[1], "localhost:%u", proxy->port);
    return pn_str_iis(authority, name[0]) || pn_str_iis(authority, name[1]);
}

/* Some programs name themselves where browsers name the page: what is nobody's page but this proxy's. */
static bool is_own_origin(const struct pn_proxy *proxy, const struct pn_http_head *request)
{
    static const struct pn_str scheme = PN_LIT_INIT("https://");
    struct pn_str value = pn_http_field_get(request, "origin");

    return pn_http_field_count(request, "origin") == 1 && pn_str_istarts(value, scheme) &&
           is_own_host(proxy, pn_str_slice(value, scheme.len, value.len));
}

static bool has_bearer(const struct pn_proxy *proxy, const struct pn_http_head *request)
{
    struct pn_str value = pn_http_field_get(request, "authorization");

    return pn_http_field_count(request, "authorization") == 1 &&
           pn_str_istarts(value, PN_LIT("Bearer ")) &&
           pn_secret_eq(proxy->bearer, pn_str_slice(value, 7, value.len));
}

static bool is_below(struct pn_str target, struct pn_str prefix)
{
    return pn_str_starts(target, prefix) &&
           (target.len == prefix.len || target.ptr[prefix.len] == '/' ||
            target.ptr[prefix.len] == '?');
}

/* Who may not pass: another program or user of this machine, a web page, a foreign kubeconfig. */
static const char *objection(const struct pn_proxy *proxy, const struct pn_http_head *request,
                             int *status)
{
    *status = 403;
    if (!is_own_host(proxy, request->authority))
        return "this proxy answers only to its own address";
    if (pn_http_field_count(request, "origin") > 0 && !is_own_origin(proxy, request))
        return "this proxy does not serve web pages";
    *status = 401;
    if (!has_bearer(proxy, request))
        return "the session's kubeconfig is needed to use this proxy";
    if (pn_clock_wall_ms() >= proxy->access->expires_ms)
        return "the session has expired: run `postern pam access` again";
    *status = 403;
    if (proxy->is_closed)
        return "the session has ended";
    if (!is_below(request->target, proxy->prefix))
        return "this kubeconfig belongs to another session (kubectl proxy: --append-server-path)";
    return NULL;
}

/* The bearer stays here; everything else end-to-end goes on, for the gateway to judge. */
static struct pn_http_head upstream_head(const struct pn_proxy *proxy, struct pn_exchange *exchange)
{
    const struct pn_http_head *in = exchange->request;
    struct pn_http_head out = {
        .method = in->method,
        .target = in->target,
        .scheme = PN_LIT("https"),
        .authority = proxy->access->server_name,
        .fields = pn_new(exchange->arena, struct pn_http_field, in->count),
        .content_length = in->content_length,
        .is_last = in->is_last,
        .upgrade = in->upgrade,
    };

    for (size_t i = 0; i < in->count; i++) {
        struct pn_str name = in->fields[i].name;

        if (!pn_http_is_hop_by_hop(name) && !pn_str_iis(name, "authorization") &&
            !pn_http_field_has_token(in, "connection", name))
            out.fields[out.count++] = in->fields[i];
    }
    return out;
}

static void on_refused(void *proxy PN_UNUSED, struct pn_exchange *exchange,
                       const struct pn_err *err)
{
    answer_status(exchange, pn_kube_code(err), err->message);
}

static bool on_broken(void *proxy PN_UNUSED, const struct pn_err *err, struct pn_buf *status)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(STATUS_BYTES);
    struct pn_str sentence =
        pn_arena_printf(arena, "the connection to the gateway broke: %.160s", err->message);

    return pn_buf_add(status, pn_kube_status(arena, pn_kube_code(err), sentence));
}

static void on_done(void *proxy_, const struct pn_forward_result *result PN_UNUSED)
{
    struct pn_proxy *proxy = proxy_;

    proxy->forwarded--;
}

static const struct pn_forward_events forward_events = { .refused = on_refused,
                                                         .broken = on_broken,
                                                         .done = on_done };

/* What an end may need to know; a request that is not understood here is the gateway's to refuse. */
static struct pn_farewell_facts facts_of(const struct pn_proxy *proxy, struct pn_exchange *exchange)
{
    struct pn_str path =
        pn_str_slice(exchange->request->target, proxy->prefix.len, exchange->request->target.len);
    struct pn_request_info info;
    struct pn_err ignored = { 0 };

    if (!pn_request_info_parse(exchange->arena, exchange->request->method, path, &info, &ignored))
        return (struct pn_farewell_facts){ 0 };
    return (struct pn_farewell_facts){ .verb = info.verb, .subresource = info.subresource };
}

static void on_request(void *context, struct pn_exchange *exchange)
{
    struct pn_proxy *proxy = context;
    struct pn_farewell_facts facts;
    struct pn_http_head head;
    int status;
    const char *sentence = objection(proxy, exchange->request, &status);

    if (sentence != NULL) {
        answer_status(exchange, status, sentence);
        return;
    }
    head = upstream_head(proxy, exchange);
    facts = facts_of(proxy, exchange);
    proxy->forwarded++;
    pn_forward_start(exchange, pn_road_origin(proxy->road), &head, &facts, 0, &forward_events,
                     proxy);
}

static struct pn_str error_body(struct pn_arena *arena, int status, const char *message)
{
    return pn_kube_status(arena, status, pn_str_from(message));
}

/* ---- connections ---- */

/* A connection until its handshake is done. */
struct guest {
    struct pn_proxy *proxy;
    struct pn_stream *tls;
    struct guest *next, **at;
};

static void forget_guest(struct guest *guest)
{
    *guest->at = guest->next;
    if (guest->next != NULL)
        guest->next->at = guest->at;
    pn_heap_free(guest);
}

static void on_closed(void *context, void *conn_user PN_UNUSED)
{
    struct pn_proxy *proxy = context;

    proxy->open--;
}

static void on_handshake(void *owner, struct pn_stream *tls, const struct pn_err *err)
{
    struct guest *guest = owner;
    struct pn_proxy *proxy = guest->proxy;

    forget_guest(guest);
    if (err != NULL)
        proxy->open--;
    else
        pn_http_serve(proxy->server, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"),
                      PN_LIT("127.0.0.1"), NULL);
}

static void receive(struct pn_proxy *proxy, struct pn_stream *socket)
{
    struct guest *guest = pn_heap_new(sizeof *guest);
    struct pn_err err = { 0 };

    guest->proxy = proxy;
    guest->at = &proxy->guests;
    guest->next = proxy->guests;
    if (guest->next != NULL)
        guest->next->at = &guest->next;
    proxy->guests = guest;
    proxy->open++;
    if (pn_tls_start(proxy->tls, socket, NULL, HANDSHAKE_MS, on_handshake, guest, &guest->tls,
                     &err))
        return;
    proxy->open--;
    forget_guest(guest);
}

static void on_accept(void *owner, int fd, struct pn_str peer_ip PN_UNUSED)
{
    struct pn_proxy *proxy = owner;
    struct pn_stream *socket;
    struct pn_err err = { 0 };

    if (!pn_socket_stream(proxy->loop, fd, &socket, &err))
        return;
    if (proxy->open < MAX_CONNECTIONS)
        receive(proxy, socket);
    else
        pn_stream_close(socket);
}

/* ---- the first request ---- */

static void probe_over(struct pn_proxy *proxy, const struct pn_err *failure)
{
    struct pn_request *request = proxy->probe.request;

    proxy->probe.request = NULL;
    pn_timer_stop(&proxy->probe.timer);
    settle(proxy, failure); /* before the request goes: the failure may be its */
    if (request != NULL)
        pn_stream_close(&request->body);
}

/* The gateway's sentence is the message of a Kubernetes Status. */
static void probe_refused(struct pn_proxy *proxy)
{
    pn_auto(pn_value_freep) struct pn_value *status = NULL;
    struct pn_err ignored = { 0 }, err = { 0 };
    struct pn_str message = PN_NONE;

    if (pn_value_parse(pn_buf_str(&proxy->probe.answer), &status, &ignored))
        message = pn_value_str(pn_value_get(status, "message"));
    if (message.len > 0)
        pn_fail(&err, pn_code_of_status(proxy->probe.status), "%.*s", PN_ARG(message));
    else
        pn_fail(&err, pn_code_of_status(proxy->probe.status),
                "the gateway refused the session (%d)", proxy->probe.status);
    probe_over(proxy, &err);
}

static void probe_readable(void *owner, struct pn_stream *body, unsigned events PN_UNUSED)
{
    struct pn_proxy *proxy = owner;
    char bytes[4096];
    ssize_t got;

    while ((got = pn_stream_read(body, bytes, sizeof bytes)) > 0) {
        if (!pn_buf_add_bytes(&proxy->probe.answer, bytes, (size_t)got))
            break;
    }
    if (got != PN_STREAM_AGAIN)
        probe_refused(proxy);
}

static void probe_response(void *owner, struct pn_request *request, const struct pn_http_head *head)
{
    struct pn_proxy *proxy = owner;

    proxy->probe.status = head->status;
    if (head->status == 200) {
        probe_over(proxy, NULL);
        return;
    }
    pn_stream_set_owner(&request->body, probe_readable, proxy);
    pn_stream_want(&request->body, PN_WANT_READ);
}

static void probe_failed(void *owner, struct pn_request *request PN_UNUSED,
                         const struct pn_err *err)
{
    probe_over(owner, err);
}

static void probe_late(struct pn_timer *timer)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_TIMEOUT, "the gateway did not answer within %d seconds", PROBE_MS / 1000);
    probe_over(pn_container_of(timer, struct pn_proxy, probe.timer), &err);
}

static const struct pn_request_events probe_events = { probe_response, probe_failed };

static void probe_start(struct pn_proxy *proxy)
{
    const struct pn_http_head head = {
        .method = PN_LIT("GET"),
        .target = pn_arena_printf(proxy->arena, "%.*s" PN_ROAD_READY_PATH, PN_ARG(proxy->prefix)),
        .scheme = PN_LIT("https"),
        .authority = proxy->access->server_name,
        .content_length = -1,
        .is_last = true,
    };

    proxy->probe.timer.run = probe_late;
    pn_timer_start(proxy->loop, &proxy->probe.timer, PROBE_MS);
    proxy->probe.request =
        pn_origin_request(pn_road_origin(proxy->road), &head, &probe_events, proxy);
}

/* ---- life ---- */

static bool open_local(struct pn_proxy *proxy, struct pn_err *err)
{
    const struct pn_tls_settings settings = { .is_server = true,
                                              .chain_pem = proxy->local.pem,
                                              .key_pem = proxy->local.key,
                                              .alpn = local_alpn,
                                              .alpn_may_be_absent = true,
                                              .has_tickets = true };
    const struct pn_http_server_config http = { .request = on_request,
                                                .closed = on_closed,
                                                .error_body = error_body,
                                                .context = proxy,
                                                .head_timeout_ms = 32000,
                                                .idle_timeout_ms = 90000,
                                                .max_streams = 250 };
    const struct pn_door_config door = { .port = proxy->port,
                                         .session_id = proxy->access->session_id,
                                         .directory = proxy->directory,
                                         .accepted = on_accept,
                                         .owner = proxy };

    if (!pn_tls_context_new(&settings, &proxy->tls, err) ||
        !pn_door_open(proxy->loop, &door, &proxy->door, err))
        return false;
    proxy->port = pn_door_port(proxy->door);
    proxy->server = pn_http_server_new(proxy->loop, &http);
    return true;
}

/* Clients first, then the road that their requests are on. */
static void close_all(struct pn_proxy *proxy)
{
    if (proxy->probe.request != NULL)
        probe_over(proxy, NULL);
    pn_door_close(proxy->door);
    while (proxy->guests != NULL) {
        pn_stream_close(proxy->guests->tls);
        forget_guest(proxy->guests);
    }
    pn_http_server_free(proxy->server);
    pn_road_free(proxy->road);
    pn_tls_context_free(proxy->tls);
}

/* A root that signs one leaf, and nothing after that. */
static bool mint(struct pn_proxy *proxy, struct pn_err *err)
{
    const struct pn_str ip = PN_LIT("127.0.0.1");
    const struct pn_str names[] = { proxy->server_name, PN_LIT("localhost") };
    const int64_t now = pn_clock_wall_ms();
    struct pn_cert_request request = { .kind = PN_CERT_ROOT,
                                       .common_name = PN_LIT("Postern local proxy"),
                                       .organization = PN_LIT("this machine"),
                                       .not_before_ms = now - CERTIFICATE_EARLY_MS,
                                       .not_after_ms =
                                           proxy->access->expires_ms + CERTIFICATE_LATE_MS };

    if (proxy->access->expires_ms <= now)
        return pn_fail(err, PN_FORBIDDEN, "the session has expired already: is the clock right?");
    if (!pn_x509_issue(proxy->arena, &request, NULL, &proxy->authority, err))
        return false;
    request.kind = PN_CERT_SERVER;
    request.common_name = ip;
    request.dns = names;
    request.dns_count = PN_COUNT(names);
    request.ips = &ip;
    request.ip_count = 1;
    if (!pn_x509_issue(proxy->arena, &request, &proxy->authority, &proxy->local, err))
        return false;
    pn_secret_freep(&proxy->authority.key); /* nothing else can be signed for this machine */
    return true;
}

static struct pn_proxy *make(const struct pn_proxy_config *config)
{
    struct pn_proxy *proxy = pn_heap_new(sizeof *proxy);
    pthread_condattr_t clock;

    proxy->access = config->access;
    proxy->port = config->port;
    proxy->directory = config->directory;
    proxy->arena = pn_arena_new((size_t)64 * 1024);
    proxy->prefix = pn_arena_printf(proxy->arena, "/%.*s", PN_ARG(config->access->account_id));
    proxy->server_name = pn_door_name(proxy->arena, config->access->session_id);
    proxy->probe.answer = pn_buf_init(MAX_PROBE_ANSWER_BYTES);
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&proxy->changed, &clock);
    pthread_condattr_destroy(&clock);
    return proxy;
}

/* The loop is ours until it has its thread. */
static bool open_loop(struct pn_proxy *proxy, struct pn_err *err)
{
    if (!pn_loop_new(&proxy->loop, err) ||
        !pn_road_new(proxy->loop, proxy->access, &proxy->road, err) || !open_local(proxy, err))
        return false;
    probe_start(proxy);
    proxy->is_running = pn_loop_start(proxy->loop, "proxy", err);
    return proxy->is_running;
}

static bool run(struct pn_proxy *proxy, const struct pn_proxy_config *config, struct pn_err *err)
{
    proxy->bearer = pn_secret_new(pn_random_token(proxy->arena, "", BEARER_BYTES), err);
    if (proxy->bearer == NULL || !mint(proxy, err) || !open_loop(proxy, err))
        return false;
    if (!await(proxy, config->is_cancelled))
        return pn_fail(err, PN_TIMEOUT, "cancelled");
    if (proxy->failure.code == PN_OK)
        return true;
    *err = proxy->failure;
    return false;
}

bool pn_proxy_start(const struct pn_proxy_config *config, struct pn_proxy **out, struct pn_err *err)
{
    struct pn_proxy *proxy = make(config);

    if (run(proxy, config, err)) {
        *out = proxy;
        return true;
    }
    pn_proxy_stop(proxy);
    return false;
}

void pn_proxy_close_door(struct pn_proxy *proxy)
{
    proxy->is_closed = true;
}

unsigned pn_proxy_open_requests(const struct pn_proxy *proxy)
{
    return proxy->forwarded;
}

void pn_proxy_stop(struct pn_proxy *proxy)
{
    if (proxy == NULL)
        return;
    if (proxy->is_running) {
        pn_loop_stop(proxy->loop);
        pn_loop_join(proxy->loop);
    }
    if (proxy->loop != NULL)
        close_all(proxy);
    pn_loop_free(proxy->loop);
    pn_buf_drop(&proxy->probe.answer);
    pn_secret_free(proxy->authority.key);
    pn_secret_free(proxy->local.key);
    pn_secret_free(proxy->bearer);
    pn_arena_free(proxy->arena);
    pthread_cond_destroy(&proxy->changed);
    pthread_mutex_destroy(&proxy->lock);
    pn_heap_free(proxy);
}

struct pn_str pn_proxy_server_name(const struct pn_proxy *proxy)
{
    return proxy->server_name;
}

uint16_t pn_proxy_port(const struct pn_proxy *proxy)
{
    return proxy->port;
}

struct pn_str pn_proxy_ca_pem(const struct pn_proxy *proxy)
{
    return proxy->authority.pem;
}

const struct pn_secret *pn_proxy_bearer(const struct pn_proxy *proxy)
{
    return proxy->bearer;
}
