/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_GATEWAY_WORLD_H
#define PN_TEST_UNIT_GATEWAY_WORLD_H

/*
 * A gateway between things that can be made to fail: a server (fake: enrol, connect, credentials,
 * sync, event batches), a cluster (fake: what it received is kept), and a client. Real ones stand in
 * test/integ; these are here for faults.
 */
#include "check.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/encode.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "gateway/gateway.h"
#include "json/value.h"
#include "json/writer.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "net/tls.h"
#include "sys/sys.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define TOKEN "cluster-token-that-nobody-may-see"
#define ENROL "gwe_one-time"
#define MAX_BATCHES 64

struct site {
    struct pn_loop *loop;
    struct pn_listener *listener;
    struct pn_http_server *http;
    struct pn_tls_context *tls;
    struct pn_task stop;
    uint16_t port;
    bool is_ready;
    struct world *world;
};

struct batch {
    char session[37];
    uint64_t first;
    struct pn_buf body;
};

struct world {
    struct pn_arena *arena;
    struct pn_cert root, other_root, gateway_ca, client_ca, gateway_leaf, site_leaf, other_leaf;
    struct pn_uuid org, gateway_id, session, account;
    char directory[64];
    struct site home, cluster;
    struct pn_gateway *gateway;
    bool is_strict;
    struct pn_loop *loop; /* the client's: this thread's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned enrolments, questions, ends, ends_heard; /* lock, as all below */
    bool is_home_away, is_session_over, is_session_unknown, is_insecure, has_wrong_ca,
        is_batch_refused;
    int64_t expires_ms;
    struct batch batches[MAX_BATCHES];
    size_t batch_count;
    unsigned cluster_requests;
    char seen[8192]; /* the head the cluster received last, a field per line */
    char cluster_url[64];
    const char *namespace, *service_account; /* whom the gateway acts as; NULL: by the token */
};

static inline void world_lock(struct world *w)
{
    pthread_mutex_lock(&w->lock);
}

static inline void world_unlock(struct world *w)
{
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* ---- certificates ---- */

static inline struct pn_cert world_issue(struct world *w, enum pn_cert_kind kind, const char *name,
                                         const struct pn_cert *by, struct pn_cert_request r)
{
    struct pn_cert cert;
    struct pn_err err = { 0 };
    const char *org = pn_uuid_format(w->org).text;

    r.kind = kind;
    r.common_name = pn_str_from(name);
    r.organization = pn_arena_copy(w->arena, pn_str_from(org));
    if (r.not_after_ms == 0) {
        r.not_before_ms = pn_clock_wall_ms() - 60000;
        r.not_after_ms = pn_clock_wall_ms() + 86400000;
    }
    CHECK_OK(pn_x509_issue(w->arena, &r, by, &cert, &err), err);
    return cert;
}

/* A session's certificate; `gateway` is whose it was made for. */
static inline struct pn_cert world_client_cert(struct world *w, struct pn_uuid gateway,
                                               struct pn_uuid session, int64_t from_ms,
                                               int64_t until_ms)
{
    struct pn_str json =
        pn_arena_printf(w->arena, "{\"sessionId\":\"%s\",\"resourceType\":\"kubernetes\"}",
                        pn_uuid_format(session).text);
    struct pn_cert_extension extension = { "1.3.6.1.4.1.12345.100.3", json };
    struct pn_str name = pn_arena_printf(w->arena, "user:%s", pn_uuid_format(gateway).text);
    struct pn_cert_request r = { .extensions = &extension,
                                 .extension_count = 1,
                                 .unit = PN_LIT("gateway-client"),
                                 .not_before_ms = from_ms,
                                 .not_after_ms = until_ms };

    return world_issue(w, PN_CERT_CLIENT, pn_cstr(w->arena, name), &w->client_ca, r);
}

static inline void world_make_certs(struct world *w)
{
    struct pn_str loopback = PN_LIT("127.0.0.1");
    struct pn_str dns = pn_arena_printf(w->arena, "%s.gateway.postern.internal",
                                        pn_uuid_format(w->gateway_id).text);
    struct pn_cert_request at_loopback = { .ips = &loopback, .ip_count = 1 };
    struct pn_cert_request named = { .dns = &dns, .dns_count = 1 };

    w->root = world_issue(w, PN_CERT_ROOT, "root", NULL, (struct pn_cert_request){ 0 });
    w->other_root = world_issue(w, PN_CERT_ROOT, "other root", NULL, (struct pn_cert_request){ 0 });
    w->gateway_ca =
        world_issue(w, PN_CERT_INTERMEDIATE, "gateways", &w->root, (struct pn_cert_request){ 0 });
    w->client_ca =
        world_issue(w, PN_CERT_INTERMEDIATE, "clients", &w->root, (struct pn_cert_request){ 0 });
    w->gateway_leaf = world_issue(w, PN_CERT_GATEWAY, "gateway", &w->gateway_ca, named);
    w->site_leaf = world_issue(w, PN_CERT_SERVER, "site", &w->root, at_loopback);
}

/* ---- sites: the fake server and the fake cluster ---- */

static inline void site_on_tls(void *site_, struct pn_stream *tls, const struct pn_err *err)
{
    struct site *site = site_;

    if (err == NULL)
        (void)pn_http_serve(site->http, tls, strcmp(pn_tls_alpn(tls), "h2") == 0,
                            PN_LIT("127.0.0.1"), site);
}

static inline void site_on_accept(void *site_, int fd, struct pn_str ip)
{
    struct site *site = site_;
    struct pn_stream *socket, *tls;
    struct pn_err err = { 0 };

    (void)ip;
    if (pn_socket_stream(site->loop, fd, &socket, &err))
        (void)!pn_tls_start(site->tls, socket, NULL, 10000, site_on_tls, site, &tls, &err);
}

static inline void site_stop(struct pn_task *task)
{
    struct site *site = pn_container_of(task, struct site, stop);

    pn_listener_close(site->listener);
    pn_http_server_free(site->http);
    pn_tls_context_free(site->tls);
    pn_loop_stop(site->loop);
}

static inline struct pn_str site_error(struct pn_arena *arena, int status, const char *message)
{
    return pn_arena_printf(arena, "%d %s", status, message);
}

static inline void site_closed(void *context, void *user)
{
    (void)context;
    (void)user;
}

static inline void site_start(struct site *site, struct world *w, const char *name,
                              void (*request)(void *, struct pn_exchange *))
{
    static const char *const alpn[] = { "h2", "http/1.1", NULL };
    struct pn_http_server_config config = { .request = request,
                                            .closed = site_closed,
                                            .error_body = site_error,
                                            .context = site,
                                            .head_timeout_ms = 10000,
                                            .idle_timeout_ms = 60000,
                                            .max_streams = 100 };
    struct pn_tls_settings tls = { .is_server = true,
                                   .chain_pem = w->site_leaf.pem,
                                   .key_pem = w->site_leaf.key,
                                   .alpn = alpn,
                                   .alpn_may_be_absent = true };
    struct pn_endpoint at = { .host = "127.0.0.1" };
    struct pn_err err = { 0 };

    site->world = w;
    site->stop.run = site_stop;
    CHECK_OK(pn_loop_new(&site->loop, &err), err);
    CHECK_OK(pn_tls_context_new(&tls, &site->tls, &err), err);
    at.port = site->port; /* the second time: the same one */
    CHECK_OK(pn_listen(site->loop, &at, site_on_accept, site, &site->listener, &err), err);
    site->port = pn_listener_port(site->listener);
    site->http = pn_http_server_new(site->loop, &config);
    CHECK_OK(pn_loop_start(site->loop, name, &err), err);
    site->is_ready = true;
}

static inline void site_end(struct site *site)
{
    if (!site->is_ready)
        return;
    pn_loop_post(site->loop, &site->stop);
    pn_loop_join(site->loop);
    pn_loop_free(site->loop);
    site->is_ready = false;
}

static inline void site_answer(struct pn_exchange *e, int status, struct pn_str body)
{
    struct pn_http_field type = { PN_LIT("content-type"), PN_LIT("application/json") };
    struct pn_http_head head = { .status = status,
                                 .fields = &type,
                                 .count = 1,
                                 .content_length = (int64_t)body.len,
                                 .is_last = body.len == 0 };

    pn_exchange_answer(e, &head, body);
}

/* ---- the fake server ---- */

static inline struct pn_str world_pem_pair(struct world *w, const struct pn_cert *a,
                                           const struct pn_cert *b)
{
    return pn_arena_printf(w->arena, "%.*s%.*s", PN_ARG(a->pem), PN_ARG(b->pem));
}

static inline void home_connect(struct world *w, struct pn_exchange *e)
{
    struct pn_buf out = pn_buf_init(65536);
    struct pn_writer j = pn_writer_of(&out);
    uint8_t key[32] = { 7 };

    pn_write_object(&j, NULL);
    pn_write_uuid(&j, "gatewayId", w->gateway_id);
    pn_write_text(&j, "gatewayName", "test");
    pn_write_array(&j, "relays");
    pn_write_end(&j);
    pn_write_object(&j, "pki");
    pn_write_str(&j, "serverCertificate", w->gateway_leaf.pem);
    pn_write_str(&j, "serverPrivateKey", pn_secret_reveal(w->gateway_leaf.key));
    pn_write_str(&j, "serverCertificateChain", w->gateway_ca.pem);
    pn_write_str(&j, "clientCertificateChain", world_pem_pair(w, &w->client_ca, &w->root));
    pn_write_str(&j, "relayCertificateChain", w->root.pem);
    pn_write_end(&j);
    pn_write_base64(&j, "spoolKey", pn_str_of(key, sizeof(key)));
    pn_write_end(&j);
    site_answer(e, 200, pn_arena_copy(e->arena, pn_buf_str(&out)));
    pn_buf_drop(&out);
}

static inline void home_credentials(struct world *w, struct pn_exchange *e)
{
    struct pn_buf out = pn_buf_init(65536);
    struct pn_writer j = pn_writer_of(&out);

    w->questions++;
    if (w->is_session_unknown || w->is_session_over) {
        site_answer(e, w->is_session_unknown ? 404 : 400,
                    w->is_session_unknown
                        ? PN_LIT("{\"message\":\"Session not found\"}")
                        : PN_LIT("{\"message\":\"Session is not "
                                 "active\",\"details\":{\"reason\":\"ended by alice\"}}"));
        return;
    }
    pn_write_object(&j, NULL);
    pn_write_object(&j, "credentials");
    pn_write_text(&j, "url", w->cluster_url);
    pn_write_bool(&j, "sslRejectUnauthorized", !w->is_insecure);
    pn_write_str(&j, "sslCertificate", w->has_wrong_ca ? w->other_root.pem : w->root.pem);
    if (w->service_account != NULL) {
        pn_write_text(&j, "authMethod", "gateway-kubernetes-auth");
        pn_write_text(&j, "namespace", w->namespace);
        pn_write_text(&j, "serviceAccountName", w->service_account);
    } else {
        pn_write_text(&j, "authMethod", "service-account-token");
        pn_write_text(&j, "serviceAccountToken", TOKEN);
    }
    pn_write_end(&j);
    pn_write_object(&j, "session");
    pn_write_uuid(&j, "id", w->session);
    pn_write_uuid(&j, "accountId", w->account);
    pn_write_time(&j, "expiresAt", w->expires_ms);
    pn_write_end(&j);
    pn_write_end(&j);
    site_answer(e, 200, pn_arena_copy(e->arena, pn_buf_str(&out)));
    pn_buf_drop(&out);
}

static inline void home_sync(struct world *w, struct pn_exchange *e)
{
    if (w->is_session_over)
        site_answer(
            e, 200,
            pn_arena_printf(
                e->arena,
                "{\"ended\":[{\"id\":\"%s\",\"status\":\"ended\",\"reason\":\"ended by alice\"}]}",
                pn_uuid_format(w->session).text));
    else
        site_answer(e, 200, PN_LIT("{\"ended\":[]}"));
}

/* A body on its way in; the answer follows its end. */
struct home_body {
    struct world *world;
    struct pn_exchange *exchange;
    struct pn_buf bytes;
};

static inline void home_keep_batch(struct world *w, struct pn_exchange *e, struct pn_buf body)
{
    struct batch *batch = &w->batches[w->batch_count++];
    struct pn_str offset = PN_NONE, query = e->request->target, path;

    pn_assert(w->batch_count < MAX_BATCHES);
    (void)pn_str_cut(&query, '?', &path);
    (void)pn_query_get(e->arena, query, "startOffset", &offset);
    pn_assert(pn_str_u64(offset, &batch->first));
    (void)snprintf(batch->session, sizeof(batch->session), "%.36s",
                   path.ptr + strlen("/api/v1/pam/sessions/"));
    batch->body = body;
    site_answer(e, 200, PN_LIT("{\"ok\":true}"));
}

static inline void home_read_body(void *body_, struct pn_stream *stream, unsigned events)
{
    struct home_body *body = body_;
    char bytes[4096];
    ssize_t got;

    (void)events;
    while ((got = pn_stream_read(stream, bytes, sizeof(bytes))) > 0)
        pn_buf_add_bytes(&body->bytes, bytes, (size_t)got);
    if (got == PN_STREAM_AGAIN)
        return;
    pn_stream_want(stream, 0);
    world_lock(body->world);
    if (got == 0)
        home_keep_batch(body->world, body->exchange, body->bytes);
    else
        pn_stream_close(stream);
    world_unlock(body->world);
    pn_heap_free(body);
}

static inline void home_request(void *site_, struct pn_exchange *e)
{
    struct world *w = ((struct site *)site_)->world;
    struct pn_str path = e->request->target;

    world_lock(w);
    w->ends += pn_str_ends(path, PN_LIT("/end"));
    if (w->is_home_away) {
        pn_stream_close(&e->body);
    } else if (pn_str_ends(path, PN_LIT("/enroll"))) {
        w->enrolments++;
        site_answer(e, 200,
                    pn_arena_printf(e->arena, "{\"accessToken\":\"access\",\"gatewayId\":\"%s\"}",
                                    pn_uuid_format(w->gateway_id).text));
    } else if (!pn_str_is(pn_http_field_get(e->request, "authorization"), "Bearer access")) {
        site_answer(e, 401, PN_LIT("{\"message\":\"no token\"}"));
    } else if (pn_str_ends(path, PN_LIT("/connect"))) {
        home_connect(w, e);
    } else if (pn_str_ends(path, PN_LIT("/credentials"))) {
        home_credentials(w, e);
    } else if (pn_str_ends(path, PN_LIT("/sync"))) {
        home_sync(w, e);
    } else if (pn_str_search(path, PN_LIT("/event-batches?")) > 0) {
        struct home_body *body = pn_heap_new(sizeof(*body));

        *body = (struct home_body){ w, e, pn_buf_init(1 << 20) };
        pn_stream_set_owner(&e->body, home_read_body, body);
        pn_stream_want(&e->body, PN_WANT_READ);
    } else if (pn_str_ends(path, PN_LIT("/heartbeat"))) {
        site_answer(e, 200, PN_LIT("{\"message\":\"ok\",\"relays\":[]}"));
    } else {
        w->ends_heard += pn_str_ends(path, PN_LIT("/end"));
        site_answer(e, 200, PN_LIT("{\"message\":\"ok\"}"));
    }
    world_unlock(w);
}

/* ---- the fake cluster ---- */

static inline void cluster_note(struct world *w, const struct pn_http_head *head)
{
    struct pn_buf out = { 0 };

    out = pn_buf_init(sizeof(w->seen) - 1);
    pn_buf_addf(&out, "%.*s %.*s\n:authority: %.*s\n", PN_ARG(head->method), PN_ARG(head->target),
                PN_ARG(head->authority));
    for (size_t i = 0; i < head->count; i++)
        pn_buf_addf(&out, "%.*s: %.*s\n", PN_ARG(head->fields[i].name),
                    PN_ARG(head->fields[i].value));
    memset(w->seen, 0, sizeof(w->seen));
    memcpy(w->seen, out.ptr, out.len);
    w->cluster_requests++;
    pn_buf_drop(&out);
}

/* Says everything back after a 101, until the client ends. */
static inline void cluster_echo(void *exchange, struct pn_stream *stream, unsigned events)
{
    char bytes[512];
    ssize_t got = pn_stream_read(stream, bytes, sizeof(bytes));

    (void)exchange;
    (void)events;
    if (got > 0)
        (void)!pn_stream_write(stream, bytes, (size_t)got);
    else if (got == 0)
        (void)!pn_stream_finish(stream), pn_stream_close(stream);
    else if (got == PN_STREAM_FAILED)
        pn_stream_close(stream);
}

/* A stream that stays open until somebody breaks it. */
static inline void cluster_hold(void *exchange, struct pn_stream *stream, unsigned events)
{
    char bytes[64];

    (void)exchange;
    (void)events;
    if (pn_stream_read(stream, bytes, sizeof(bytes)) == PN_STREAM_FAILED)
        pn_stream_close(stream);
    else
        pn_stream_want(stream, 0);
}

static inline void cluster_upgrade(struct pn_exchange *e)
{
    struct pn_http_head head = { .status = 101,
                                 .upgrade = e->request->upgrade,
                                 .content_length = -1 };

    pn_exchange_respond(e, &head);
    pn_stream_set_owner(&e->body, cluster_echo, e);
    pn_stream_want(&e->body, PN_WANT_READ);
}

static inline void cluster_request(void *site_, struct pn_exchange *e)
{
    struct world *w = ((struct site *)site_)->world;
    struct pn_str path = e->request->target;
    struct pn_http_field location = { PN_LIT("location"), PN_LIT("/openapi/v3/new?hash=1") };
    struct pn_http_head head = { .status = 200, .content_length = -1 };

    world_lock(w);
    cluster_note(w, e->request);
    world_unlock(w);
    if (pn_str_search(path, PN_LIT("watch=1")) > 0) {
        pn_exchange_respond(e, &head);
        (void)!pn_stream_write(&e->body, "event", 5);
        pn_stream_set_owner(&e->body, cluster_hold, e);
        pn_stream_want(&e->body, PN_WANT_READ);
    } else if (pn_str_search(path, PN_LIT("/hang")) > 0) {
        pn_stream_set_owner(&e->body, cluster_hold, e);
        pn_stream_want(&e->body, PN_WANT_READ);
    } else if (pn_str_search(path, PN_LIT("/exec")) > 0) {
        cluster_upgrade(e);
    } else if (pn_str_search(path, PN_LIT("/forbidden")) > 0) {
        site_answer(e, 403, PN_LIT("{\"kind\":\"Status\",\"code\":403}"));
    } else if (pn_str_search(path, PN_LIT("/unauthorized")) > 0) {
        site_answer(e, 401, PN_LIT("{\"kind\":\"Status\",\"code\":401}"));
    } else if (pn_str_search(path, PN_LIT("/openapi")) >= 0) {
        head = (struct pn_http_head){
            .status = 301, .fields = &location, .count = 1, .is_last = true, .content_length = 0
        };
        pn_exchange_answer(e, &head, PN_NONE);
    } else {
        site_answer(e, 200, PN_LIT("{\"kind\":\"PodList\"}"));
    }
}

/* ---- the client ---- */

struct call {
    struct world *world;
    struct pn_tls_context *tls;
    struct pn_origin *origin;
    struct pn_request *request;
    struct pn_connect *connect;
    int status;
    struct pn_buf body;
    char location[256];
    char type[64], warning[512];
    bool is_over, is_failed; /* failed: aborted, not ended */
    size_t wanted;           /* bytes after which the loop stops */
    const char *first_bytes; /* sent after a 101 */
};

static inline void call_on_tls(void *call_, struct pn_stream *tls, const struct pn_err *err)
{
    struct call *call = call_;

    if (err != NULL)
        pn_connect_failed(call->connect, err);
    else
        pn_connect_done(call->connect, tls, strcmp(pn_tls_alpn(tls), "h2") == 0);
}

static inline void call_on_dial(void *call_, struct pn_stream *socket, const struct pn_err *err)
{
    struct call *call = call_;
    struct pn_stream *tls;
    struct pn_err why = { 0 };
    char name[128];

    (void)snprintf(name, sizeof(name), "%s.gateway.postern.internal",
                   pn_uuid_format(call->world->gateway_id).text);
    if (err != NULL)
        pn_connect_failed(call->connect, err);
    else if (!pn_tls_start(call->tls, socket, name, 10000, call_on_tls, call, &tls, &why))
        pn_connect_failed(call->connect, &why);
}

static inline void call_connect(void *call_, struct pn_connect *connect, bool wants_h1)
{
    struct call *call = call_;
    struct pn_endpoint to = { .host = "127.0.0.1",
                              .port = pn_gateway_status(call->world->gateway).listen_port };

    (void)wants_h1;
    call->connect = connect;
    (void)pn_dial(call->world->loop, &to, 10000, call_on_dial, call);
}

static inline void call_read(void *call_, struct pn_stream *stream, unsigned events)
{
    struct call *call = call_;
    char bytes[4096];
    ssize_t got = pn_stream_read(stream, bytes, sizeof(bytes));

    (void)events;
    if (got > 0)
        pn_buf_add_bytes(&call->body, bytes, (size_t)got);
    if (got == 0 || got == PN_STREAM_FAILED) {
        call->is_over = true;
        call->is_failed = got == PN_STREAM_FAILED;
        pn_stream_want(stream, 0);
    }
    if (call->is_over || (call->wanted > 0 && call->body.len >= call->wanted))
        pn_loop_stop(call->world->loop);
}

static inline void call_response(void *call_, struct pn_request *request,
                                 const struct pn_http_head *head)
{
    struct call *call = call_;
    struct pn_str location = pn_http_field_get(head, "location"),
                  type = pn_http_field_get(head, "content-type"),
                  warning = pn_http_field_get(head, "warning");

    call->status = head->status;
    (void)snprintf(call->location, sizeof(call->location), "%.*s", PN_ARG(location));
    (void)snprintf(call->type, sizeof(call->type), "%.*s", PN_ARG(type));
    (void)snprintf(call->warning, sizeof(call->warning), "%.*s", PN_ARG(warning));
    pn_stream_set_owner(&request->body, call_read, call);
    pn_stream_want(&request->body, PN_WANT_READ);
    if (head->status == 101 && call->first_bytes != NULL)
        (void)!pn_stream_write(&request->body, call->first_bytes, strlen(call->first_bytes));
}

static inline void call_failed(void *call_, struct pn_request *request, const struct pn_err *err)
{
    struct call *call = call_;

    (void)request;
    (void)err;
    call->is_over = call->is_failed = true;
    pn_loop_stop(call->world->loop);
}

struct ask {
    const char *method, *target, *upgrade;
    struct pn_http_field fields[4];
    const struct pn_cert *cert; /* NULL: the session's, made now */
    size_t wanted;
    bool is_h1;
};

static inline struct call *call_start(struct world *w, struct ask ask)
{
    static const char *const any[] = { "h2", NULL };
    static const struct pn_request_events events = { call_response, call_failed };
    struct call *call = pn_heap_new(sizeof(*call));
    struct pn_cert cert = ask.cert != NULL
                              ? *ask.cert
                              : world_client_cert(w, w->gateway_id, w->session,
                                                  pn_clock_wall_ms() - 60000, w->expires_ms);
    struct pn_tls_settings tls = { .chain_pem = world_pem_pair(w, &cert, &w->client_ca),
                                   .key_pem = cert.key,
                                   .trust_pem = world_pem_pair(w, &w->gateway_ca, &w->root),
                                   .alpn = ask.is_h1 || ask.upgrade != NULL ? NULL : any };
    struct pn_origin_config origin = { .connect = call_connect,
                                       .context = call,
                                       .max_connections = 1,
                                       .streams_per_connection = 10,
                                       .max_waiting = 10,
                                       .idle_timeout_ms = 1000 };
    struct pn_http_head head = { .method = pn_str_from(ask.method),
                                 .target = pn_str_from(ask.target),
                                 .scheme = PN_LIT("https"),
                                 .authority = PN_LIT("gateway"),
                                 .fields = ask.fields,
                                 .content_length = -1,
                                 .is_last = true,
                                 .upgrade = pn_str_from(ask.upgrade) };
    struct pn_err err = { 0 };

    while (head.count < 4 && ask.fields[head.count].name.ptr != NULL)
        head.count++;
    call->world = w;
    call->wanted = ask.wanted;
    call->body = pn_buf_init(1 << 20);
    CHECK_OK(pn_tls_context_new(&tls, &call->tls, &err), err);
    call->origin = pn_origin_new(w->loop, &origin);
    call->request = pn_origin_request(call->origin, &head, &events, call);
    if (ask.cert == NULL)
        pn_secret_free(cert.key);
    return call;
}

static inline void call_end(struct call *call)
{
    pn_stream_close(&call->request->body);
    pn_origin_free(call->origin);
    pn_tls_context_free(call->tls);
    pn_buf_drop(&call->body);
    pn_heap_free(call);
}

/* Runs until the answer is there (or the first `wanted` bytes of it). */
static inline struct call *call_run(struct world *w, struct ask ask)
{
    struct call *call = call_start(w, ask);

    pn_loop_run(w->loop);
    return call;
}

/* ---- life ---- */

static inline bool world_try_gateway(struct world *w, struct pn_err *err)
{
    struct pn_secret *token = pn_secret_new(PN_LIT(ENROL), err);
    char url[64], pod[80];
    struct pn_gateway_config config = { .server_url = PN_NONE,
                                        .server_ca_pem = w->root.pem,
                                        .name = PN_LIT("test"),
                                        .enrol_token = token,
                                        .state_dir = w->directory,
                                        .listen = PN_LIT("127.0.0.1:0"),
                                        .pod_directory = pod,
                                        .loops = 2,
                                        .is_recording_strict = w->is_strict };
    bool is_started;

    (void)snprintf(pod, sizeof(pod), "%s/pod", w->directory);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", w->home.port);
    config.server_url = pn_str_from(url);
    is_started = pn_gateway_start(&config, &w->gateway, err);
    pn_secret_free(token);
    return is_started;
}

static inline void world_start_gateway(struct world *w)
{
    struct pn_err err = { 0 };

    CHECK_OK(world_try_gateway(w, &err), err);
}

static inline void world_start_cluster(struct world *w)
{
    site_start(&w->cluster, w, "cluster", cluster_request);
    world_lock(w);
    (void)snprintf(w->cluster_url, sizeof(w->cluster_url), "https://127.0.0.1:%u", w->cluster.port);
    world_unlock(w);
}

static inline void world_new(struct world *w)
{
    struct pn_err err = { 0 };

    memset(w, 0, sizeof(*w));
    pn_log_init(PN_ERROR, 2, "test");
    w->arena = pn_arena_new(8 << 20);
    w->org = pn_random_uuid();
    w->gateway_id = pn_random_uuid();
    w->session = pn_random_uuid();
    w->account = pn_random_uuid();
    w->expires_ms = pn_clock_wall_ms() + 3600000;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    (void)snprintf(w->directory, sizeof(w->directory), "/tmp/pn-gateway-XXXXXX");
    CHECK(mkdtemp(w->directory) != NULL);
    world_make_certs(w);
    CHECK_OK(pn_loop_new(&w->loop, &err), err);
    site_start(&w->home, w, "home", home_request);
    world_start_cluster(w);
    world_start_gateway(w);
}

static inline void world_stop_gateway(struct world *w)
{
    pn_gateway_stop(w->gateway);
    w->gateway = NULL;
}

static inline void world_free(struct world *w)
{
    char command[128];
    char *argv[] = { (char *)"rm", (char *)"-rf", command, NULL };

    world_stop_gateway(w);
    site_end(&w->home);
    site_end(&w->cluster);
    pn_loop_free(w->loop);
    (void)snprintf(command, sizeof(command), "%s", w->directory);
    (void)pn_process_run(argv, (char *[]){ NULL });
    for (size_t i = 0; i < w->batch_count; i++)
        pn_buf_drop(&w->batches[i].body);
    pn_secret_free(w->root.key);
    pn_secret_free(w->other_root.key);
    pn_secret_free(w->gateway_ca.key);
    pn_secret_free(w->client_ca.key);
    pn_secret_free(w->gateway_leaf.key);
    pn_secret_free(w->site_leaf.key);
    pn_arena_free(w->arena);
}

/* All events that have come, as one list, in their order and without a gap. With the lock. */
static inline struct pn_value *world_events(struct world *w)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(1 << 22);
    struct pn_value *events;
    struct pn_err err = { 0 };

    pn_buf_add_text(&json, "[");
    for (size_t i = 0; i < w->batch_count; i++) {
        struct pn_str list = pn_buf_str(&w->batches[i].body);

        pn_buf_add_text(&json, i == 0 ? "" : ",");
        pn_buf_add(&json, pn_str_slice(list, 1, list.len - 1));
    }
    pn_buf_add_text(&json, "]");
    CHECK_OK(pn_value_parse(pn_buf_str(&json), &events, &err), err);
    for (size_t i = 0; i < pn_value_count(events); i++)
        CHECK_EQ(pn_value_int(pn_value_get(pn_value_item(events, i), "seq"), -1), i);
    return events;
}

/* Waits until the server has at least so many; in how many batches they come is the gateway's business. */
static inline void world_await_events(struct world *w, size_t least)
{
    world_lock(w);
    for (;;) {
        pn_auto(pn_value_freep) struct pn_value *events = world_events(w);

        if (pn_value_count(events) >= least)
            break;
        pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

#endif
