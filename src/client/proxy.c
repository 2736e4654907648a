/* SPDX-License-Identifier: Apache-2.0 */
#include "client/proxy.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "client/road.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "kube/status.h"
#include "net/dial.h"
#include "net/forward.h"
#include "net/tls.h"

#define BEARER_BYTES 32
#define HANDSHAKE_MS 10000
#define PROBE_MS 20000
#define MAX_CONNECTIONS 256
#define CERTIFICATE_MS ((int64_t)36 * 3600 * 1000)

static const char *const local_alpn[] = { "h2", "http/1.1", NULL };

struct pn_proxy {
    const struct pn_access *access;
    struct pn_loop *loop;
    struct pn_arena *arena;
    struct pn_secret *bearer;
    struct pn_cert local; /* of 127.0.0.1, its own root */
    struct pn_str prefix; /* "/ACCOUNT_ID" */
    uint16_t port;

    /* On the loop. */
    struct pn_tls_context *tls;
    struct pn_listener *listener;
    struct pn_http_server *server;
    struct pn_road *road;
    unsigned open;

    /* The loop thread's answers to pn_proxy_start and pn_proxy_stop. */
    struct pn_task begin, end;
    struct pn_timer probe_timer;
    struct pn_request *probe;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_settled;
    struct pn_err failure;
};

static void settle(struct pn_proxy *proxy, const struct pn_err *failure)
{
    pthread_mutex_lock(&proxy->lock);
    if (!proxy->is_settled && failure != NULL)
        proxy->failure = *failure;
    proxy->is_settled = true;
    pthread_cond_broadcast(&proxy->changed);
    pthread_mutex_unlock(&proxy->lock);
}

static void await(struct pn_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->is_settled)
        pthread_cond_wait(&proxy->changed, &proxy->lock);
    proxy->is_settled = false;
    pthread_mutex_unlock(&proxy->lock);
}

/* ---- one request ---- */

struct passage {
    struct pn_proxy *proxy;
    bool is_refused;
};

static void answer_status(struct pn_exchange *exchange, int status, const char *message)
{
    struct pn_str body = pn_kube_status(exchange->arena, status, pn_str_from(message));
    struct pn_http_head head = pn_kube_status_head(exchange->arena, status, 0, body);

    pn_exchange_answer(exchange, &head, body);
}

static bool is_own_host(const struct pn_proxy *proxy, struct pn_str authority)
{
    char name[2][32];

    snprintf(name[0], sizeof name[0], "127.0.0.1:%u", proxy->port);
    snprintf(name[1], sizeof name[1], "localhost:%u", proxy->port);
    return pn_str_iis(authority, name[0]) || pn_str_iis(authority, name[1]);
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
    if (pn_http_field_count(request, "origin") > 0)
        return "this proxy does not serve web pages";
    *status = 401;
    if (!has_bearer(proxy, request))
        return "the session's kubeconfig is needed to use this proxy";
    if (pn_clock_wall_ms() >= proxy->access->expires_ms)
        return "the session has expired: run `postern pam access` again";
    *status = 403;
    if (!is_below(request->target, proxy->prefix))
        return "this kubeconfig belongs to another session";
    return NULL;
}

/* The bearer stays here; everything else end-to-end goes on, for the gateway to judge. */
static struct pn_http_head upstream_head(const struct pn_proxy *proxy, struct pn_exchange *exchange)
{
    const struct pn_http_head *in = exchange->request;
    struct pn_http_head out = *in;

    out.scheme = PN_LIT("https");
    out.authority = proxy->access->server_name;
    out.wants_close = false;
    out.fields = pn_new(exchange->arena, struct pn_http_field, in->count);
    out.count = 0;
    for (size_t i = 0; i < in->count; i++) {
        struct pn_str name = in->fields[i].name;

        if (pn_http_is_hop_by_hop(name) || pn_str_iis(name, "authorization") ||
            pn_http_field_has_token(in, "connection", name))
            continue;
        out.fields[out.count++] = in->fields[i];
    }
    return out;
}

static void on_refused(void *owner, struct pn_exchange *exchange, const struct pn_err *err)
{
    (void)owner;
    answer_status(exchange, pn_kube_code(err), err->message);
}

static void on_done(void *owner, const struct pn_forward_result *result)
{
    (void)result;
    pn_heap_free(owner);
}

static void on_response(void *owner, const struct pn_http_head *in, struct pn_http_head *out)
{
    (void)owner;
    (void)in;
    (void)out;
}

static const struct pn_forward_events passage_events = { on_response, on_refused, on_done };

static void on_request(void *context, struct pn_exchange *exchange)
{
    struct pn_proxy *proxy = context;
    struct passage *passage;
    struct pn_http_head head;
    int status;
    const char *sentence = objection(proxy, exchange->request, &status);

    if (sentence != NULL) {
        answer_status(exchange, status, sentence);
        return;
    }
    passage = pn_heap_new(sizeof *passage);
    passage->proxy = proxy;
    head = upstream_head(proxy, exchange);
    pn_forward_start(exchange, pn_road_origin(proxy->road), &head, 0, &passage_events, passage);
}

static struct pn_str error_body(struct pn_arena *arena, int status, const char *message)
{
    return pn_kube_status(arena, status, pn_str_from(message));
}

/* ---- connections ---- */

static void on_closed(void *context, void *conn_user)
{
    struct pn_proxy *proxy = context;

    (void)conn_user;
    proxy->open--;
}

static void on_handshake(void *owner, struct pn_stream *tls, const struct pn_err *err)
{
    struct pn_proxy *proxy = owner;

    if (err != NULL) {
        proxy->open--;
        return;
    }
    pn_http_serve(proxy->server, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"),
                  PN_LIT("127.0.0.1"), NULL);
}

static void on_accept(void *owner, int fd, struct pn_str peer_ip)
{
    struct pn_proxy *proxy = owner;
    struct pn_stream *socket, *tls;
    struct pn_err err = { 0 };

    (void)peer_ip;
    if (!pn_socket_stream(proxy->loop, fd, &socket, &err))
        return;
    if (proxy->open >= MAX_CONNECTIONS) {
        pn_stream_close(socket);
        return;
    }
    proxy->open++;
    if (!pn_tls_start(proxy->tls, socket, NULL, HANDSHAKE_MS, on_handshake, proxy, &tls, &err))
        proxy->open--;
}

/* ---- the first request: is the road open? ---- */

static void probe_over(struct pn_proxy *proxy, const struct pn_err *failure)
{
    struct pn_request *probe = proxy->probe;

    proxy->probe = NULL;
    pn_timer_stop(&proxy->probe_timer);
    if (probe != NULL)
        pn_stream_close(&probe->body);
    settle(proxy, failure);
}

static void probe_response(void *owner, struct pn_request *request, const struct pn_http_head *head)
{
    struct pn_proxy *proxy = owner;
    struct pn_err err = { 0 };

    (void)request;
    if (head->status < 300) {
        probe_over(proxy, NULL);
        return;
    }
    pn_fail(&err, pn_code_of_status(head->status), "the gateway refused the session (%d)",
            head->status);
    probe_over(proxy, &err);
}

static void probe_failed(void *owner, struct pn_request *request, const struct pn_err *err)
{
    (void)request;
    probe_over(owner, err);
}

static void probe_late(struct pn_timer *timer)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_TIMEOUT, "the gateway did not answer within %d seconds", PROBE_MS / 1000);
    probe_over(pn_container_of(timer, struct pn_proxy, probe_timer), &err);
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

    proxy->probe_timer.run = probe_late;
    pn_timer_start(proxy->loop, &proxy->probe_timer, PROBE_MS);
    proxy->probe = pn_origin_request(pn_road_origin(proxy->road), &head, &probe_events, proxy);
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
    struct pn_endpoint at = { .host = "127.0.0.1", .port = proxy->port };

    if (!pn_tls_context_new(&settings, &proxy->tls, err) ||
        !pn_listen(proxy->loop, &at, on_accept, proxy, &proxy->listener, err))
        return false;
    proxy->port = pn_listener_port(proxy->listener);
    proxy->server = pn_http_server_new(proxy->loop, &http);
    return true;
}

static void begin(struct pn_task *task)
{
    struct pn_proxy *proxy = pn_container_of(task, struct pn_proxy, begin);
    struct pn_err err = { 0 };

    if (open_local(proxy, &err) && pn_road_new(proxy->loop, proxy->access, &proxy->road, &err))
        probe_start(proxy);
    else
        settle(proxy, &err);
}

static void end(struct pn_task *task)
{
    struct pn_proxy *proxy = pn_container_of(task, struct pn_proxy, end);

    if (proxy->probe != NULL)
        probe_over(proxy, NULL);
    if (proxy->listener != NULL)
        pn_listener_close(proxy->listener);
    if (proxy->server != NULL)
        pn_http_server_free(proxy->server);
    if (proxy->road != NULL)
        pn_road_free(proxy->road);
    pn_tls_context_free(proxy->tls);
    settle(proxy, NULL);
}

static bool mint(struct pn_proxy *proxy, struct pn_err *err)
{
    const struct pn_str ip = PN_LIT("127.0.0.1"), name = PN_LIT("localhost");
    const int64_t now = pn_clock_wall_ms();
    const struct pn_cert_request root = { .kind = PN_CERT_ROOT,
                                          .common_name = PN_LIT("Postern local proxy"),
                                          .organization = PN_LIT("this machine"),
                                          .not_before_ms = now - 60000,
                                          .not_after_ms = now + CERTIFICATE_MS };
    const struct pn_cert_request leaf = { .kind = PN_CERT_SERVER,
                                          .common_name = PN_LIT("127.0.0.1"),
                                          .organization = PN_LIT("this machine"),
                                          .dns = &name,
                                          .dns_count = 1,
                                          .ips = &ip,
                                          .ip_count = 1,
                                          .not_before_ms = now - 60000,
                                          .not_after_ms = now + CERTIFICATE_MS };
    struct pn_cert authority = { 0 };
    bool done = pn_x509_issue(proxy->arena, &root, NULL, &authority, err) &&
                pn_x509_issue(proxy->arena, &leaf, &authority, &proxy->local, err);

    /* The authority's key is gone at once: nothing else can be signed for this machine. */
    pn_secret_free(authority.key);
    if (done)
        proxy->local.pem = pn_arena_printf(proxy->arena, "%.*s%.*s", PN_ARG(proxy->local.pem),
                                           PN_ARG(authority.pem));
    return done;
}

bool pn_proxy_start(const struct pn_proxy_config *config, struct pn_proxy **out, struct pn_err *err)
{
    struct pn_proxy *proxy = pn_heap_new(sizeof *proxy);

    proxy->access = config->access;
    proxy->port = config->port;
    proxy->arena = pn_arena_new((size_t)64 * 1024);
    proxy->prefix = pn_arena_printf(proxy->arena, "/%.*s", PN_ARG(config->access->account_id));
    proxy->begin.run = begin;
    proxy->end.run = end;
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_cond_init(&proxy->changed, NULL);
    proxy->bearer = pn_secret_new(pn_random_token(proxy->arena, "", BEARER_BYTES), err);
    if (proxy->bearer == NULL || !mint(proxy, err) || !pn_loop_new(&proxy->loop, err) ||
        !pn_loop_start(proxy->loop, "proxy", err)) {
        pn_proxy_stop(proxy);
        return false;
    }
    pn_loop_post(proxy->loop, &proxy->begin);
    await(proxy);
    if (proxy->failure.code != PN_OK) {
        *err = proxy->failure;
        pn_proxy_stop(proxy);
        return false;
    }
    *out = proxy;
    return true;
}

void pn_proxy_stop(struct pn_proxy *proxy)
{
    if (proxy == NULL)
        return;
    if (proxy->loop != NULL) {
        pn_loop_post(proxy->loop, &proxy->end);
        await(proxy);
        pn_loop_stop(proxy->loop);
        pn_loop_join(proxy->loop);
        pn_loop_free(proxy->loop);
    }
    pn_secret_free(proxy->local.key);
    pn_secret_free(proxy->bearer);
    pn_arena_free(proxy->arena);
    pthread_cond_destroy(&proxy->changed);
    pthread_mutex_destroy(&proxy->lock);
    pn_heap_free(proxy);
}

uint16_t pn_proxy_port(const struct pn_proxy *proxy)
{
    return proxy->port;
}

struct pn_str pn_proxy_ca_pem(const struct pn_proxy *proxy)
{
    return proxy->local.pem;
}

const struct pn_secret *pn_proxy_bearer(const struct pn_proxy *proxy)
{
    return proxy->bearer;
}
