/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CLIENT_HOST_H
#define PN_TEST_UNIT_CLIENT_HOST_H

/* An HTTPS server on loopback with a thread of its own: a pretend Postern server, or gateway. */
#include <pthread.h>
#include <stdio.h>

#include "check.h"
#include "net/certs.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "net/tls.h"

#define HOST_ANSWERS 8

struct host_answer {
    int status;
    const char *body;
};

struct host {
    struct certs certs;
    struct pn_cert leaf;
    struct pn_loop *loop;
    struct pn_tls_context *tls;
    struct pn_listener *listener;
    struct pn_http_server *http;
    char address[64], url[80];
    void (*handle)(struct host *host, struct pn_exchange *exchange);
    void *user;

    pthread_mutex_t lock;
    struct host_answer answers[HOST_ANSWERS]; /* in turn; the last one again and again */
    size_t answer_count, calls;
    char last[512];          /* "GET /path" */
    char authorization[256]; /* of the last request */
};

/* The scripted answer; what came is kept for the test. */
static inline void host_answer_next(struct host *host, struct pn_exchange *exchange)
{
    const struct pn_http_head *in = exchange->request;
    struct pn_str token = pn_http_field_get(in, "authorization");
    struct pn_http_field field = { PN_LIT("content-type"), PN_LIT("application/json") };
    struct pn_http_head head = { .fields = &field, .count = 1 };
    struct host_answer answer;

    pthread_mutex_lock(&host->lock);
    answer = host->answers[host->calls < host->answer_count ? host->calls : host->answer_count - 1];
    host->calls++;
    snprintf(host->last, sizeof host->last, "%.*s %.*s", PN_ARG(in->method), PN_ARG(in->target));
    snprintf(host->authorization, sizeof host->authorization, "%.*s", PN_ARG(token));
    pthread_mutex_unlock(&host->lock);
    head.status = answer.status;
    pn_exchange_answer(exchange, &head, pn_str_from(answer.body));
}

static inline void host_on_request(void *host_, struct pn_exchange *exchange)
{
    struct host *host = host_;

    host->handle(host, exchange);
}

static inline struct pn_str host_error_body(struct pn_arena *arena, int status, const char *message)
{
    return pn_arena_printf(arena, "{\"status\":%d,\"message\":\"%s\"}", status, message);
}

static inline void host_on_secured(void *host_, struct pn_stream *tls, const struct pn_err *err)
{
    struct host *host = host_;

    if (err == NULL)
        pn_http_serve(host->http, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"),
                      PN_LIT("127.0.0.1"), NULL);
}

static inline void host_on_accept(void *host_, int fd, struct pn_str ip PN_UNUSED)
{
    struct host *host = host_;
    struct pn_stream *socket, *tls;
    struct pn_err err = { 0 };

    CHECK_OK(pn_socket_stream(host->loop, fd, &socket, &err), err);
    CHECK_OK(pn_tls_start(host->tls, socket, NULL, 10000, host_on_secured, host, &tls, &err), err);
}

static const char *const host_alpn[] = { "h2", "http/1.1", NULL };

/* `name` is what its certificate is for, besides 127.0.0.1. */
static inline void host_up(struct host *host, const char *name, bool wants_client_certificate)
{
    struct pn_endpoint at = { .host = "127.0.0.1" };
    struct pn_http_server_config config = { .request = host_on_request,
                                            .error_body = host_error_body,
                                            .context = host };
    struct pn_tls_settings settings = { .is_server = true, .alpn = host_alpn };
    struct pn_err err = { 0 };

    *host = (struct host){ .certs = certs_new(), .handle = host_answer_next };
    pthread_mutex_init(&host->lock, NULL);
    host->leaf = certs_leaf(&host->certs, PN_CERT_SERVER, name, 3600000);
    settings.chain_pem = host->leaf.pem;
    settings.key_pem = host->leaf.key;
    settings.alpn_may_be_absent = true;
    settings.trust_pem = wants_client_certificate ? host->certs.root.pem : PN_NONE;
    settings.wants_client_certificate = wants_client_certificate;
    settings.requires_client_certificate = wants_client_certificate;
    CHECK_OK(pn_loop_new(&host->loop, &err), err);
    CHECK_OK(pn_tls_context_new(&settings, &host->tls, &err), err);
    CHECK_OK(pn_listen(host->loop, &at, host_on_accept, host, &host->listener, &err), err);
    host->http = pn_http_server_new(host->loop, &config);
    snprintf(host->address, sizeof host->address, "127.0.0.1:%u", pn_listener_port(host->listener));
    snprintf(host->url, sizeof host->url, "https://%s", host->address);
    CHECK_OK(pn_loop_start(host->loop, "host", &err), err);
}

static inline void host_says(struct host *host, const struct host_answer *answers, size_t count)
{
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; i < count; i++)
        host->answers[i] = answers[i];
    host->answer_count = count;
    host->calls = 0;
    pthread_mutex_unlock(&host->lock);
}
#define HOST_SAYS(host, ...)                                       \
    host_says((host), (const struct host_answer[]){ __VA_ARGS__ }, \
              PN_COUNT(((const struct host_answer[]){ __VA_ARGS__ })))

static inline size_t host_calls(struct host *host)
{
    size_t calls;

    pthread_mutex_lock(&host->lock);
    calls = host->calls;
    pthread_mutex_unlock(&host->lock);
    return calls;
}

static inline void host_down(struct host *host)
{
    pn_loop_stop(host->loop);
    pn_loop_join(host->loop);
    pn_listener_close(host->listener);
    pn_http_server_free(host->http);
    pn_tls_context_free(host->tls);
    pn_loop_free(host->loop);
    pn_secret_free(host->leaf.key);
    certs_free(&host->certs);
    pthread_mutex_destroy(&host->lock);
}

#endif
