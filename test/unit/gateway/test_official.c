/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "gateway/official.h"

/* A client of Infisical's that opens one connection under one protocol and listens. */
struct probe {
    struct world *world;
    struct pn_tls_context *context;
    struct pn_dial *dial;
    struct pn_stream *tls;
    char said[PN_WORD_BYTES];
    size_t len;
    bool is_over, has_ended; /* ended: properly */
    int alert;
};

static void probe_over(struct probe *p)
{
    p->is_over = true;
    pn_loop_stop(p->world->loop);
}

static void probe_ready(void *probe_, struct pn_stream *stream, unsigned events)
{
    struct probe *p = probe_;
    ssize_t got = pn_stream_read(stream, p->said + p->len, sizeof(p->said) - p->len);

    (void)events;
    if (got > 0)
        p->len += (size_t)got;
    if (got > 0 || got == PN_STREAM_AGAIN)
        return;
    p->has_ended = got == 0;
    if (got == PN_STREAM_FAILED)
        p->alert = pn_stream_error(stream)->cause;
    pn_stream_want(stream, 0);
    probe_over(p);
}

static void probe_on_tls(void *probe_, struct pn_stream *tls, const struct pn_err *err)
{
    struct probe *p = probe_;

    if (err != NULL) {
        p->tls = NULL;
        p->alert = err->cause;
        probe_over(p);
        return;
    }
    pn_stream_set_owner(tls, probe_ready, p);
    pn_stream_want(tls, PN_WANT_READ);
}

static void probe_on_dial(void *probe_, struct pn_stream *socket, const struct pn_err *failure)
{
    struct probe *p = probe_;
    char name[128];
    struct pn_err err = { 0 };

    CHECK(failure == NULL);
    p->dial = NULL;
    (void)snprintf(name, sizeof(name), "%s.gateway.postern.internal",
                   pn_uuid_format(p->world->gateway_id).text);
    CHECK_OK(pn_tls_start(p->context, socket, name, 10000, probe_on_tls, p, &p->tls, &err), err);
}

/* Until the gateway has ended it. */
static struct probe probe(struct world *w, const char *alpn, const struct pn_cert *cert)
{
    const char *const names[] = { alpn, NULL };
    const struct pn_tls_settings settings = { .chain_pem = world_pem_pair(w, cert, &w->client_ca),
                                              .key_pem = cert->key,
                                              .trust_pem =
                                                  world_pem_pair(w, &w->gateway_ca, &w->root),
                                              .alpn = names };
    struct pn_endpoint to = { .host = "127.0.0.1",
                              .port = pn_gateway_status(w->gateway).listen_port };
    struct probe p = { .world = w };
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&settings, &p.context, &err), err);
    p.dial = pn_dial(w->loop, &to, 10000, probe_on_dial, &p);
    while (!p.is_over)
        pn_loop_run(w->loop);
    pn_stream_close(p.tls);
    pn_tls_context_free(p.context);
    return p;
}

static struct pn_cert cert_of(struct world *w, struct pn_uuid gateway, int64_t until_ms)
{
    return world_client_cert(w, gateway, w->session, until_ms - 7200000, until_ms);
}

#define GET(w, path, ...) \
    call_run((w), (struct ask){ .method = "GET", .target = (path), __VA_ARGS__ })

/* C-43 to C-46: to the byte, and then the end; nothing is asked of server or cluster for it. */
/* C-43…46, and C-49: a TCP proxy is none of them. */
PN_TEST(what_is_said_under_each_protocol)
{
    static const char capabilities[] =
        "{\"gatewayName\":\"gw\",\"supportedResourceTypes\":[\"kubernetes\"]}";
    struct world w;
    struct pn_cert cert;
    struct probe p;

    world_new(&w);
    cert = cert_of(&w, w.gateway_id, pn_clock_wall_ms() + 600000);
    p = probe(&w, PN_OFFICIAL_HEALTH, &cert);
    CHECK(p.has_ended);
    CHECK_STR(pn_str_of(p.said, p.len), "{\"status\":\"ok\",\"heartbeatTTL\":180}\n");
    p = probe(&w, PN_OFFICIAL_PING, &cert);
    CHECK(p.has_ended);
    CHECK_STR(pn_str_of(p.said, p.len), "PONG\n");
    p = probe(&w, PN_OFFICIAL_CAPABILITIES, &cert);
    CHECK(p.has_ended);
    CHECK(p.len > 4 && memcmp(p.said, "\0\0\0", 3) == 0 && (size_t)p.said[3] == p.len - 4);
    CHECK(pn_str_search(pn_str_of(p.said, p.len), pn_str_from(strchr(capabilities, ','))) > 0);
    p = probe(&w, "infisical-tcp-proxy", &cert);
    CHECK_EQ(p.len, 0);
    CHECK_EQ(p.alert, 120);
    CHECK_EQ(w.questions, 0);
    CHECK_EQ(w.cluster_requests, 0);
    pn_secret_free(cert.key);
    world_free(&w);
}

/* C-58; and what an expired certificate opens for HTTP, an answer, it does not open here. */
PN_TEST(who_has_no_session_here_is_told_nothing)
{
    static const char *const alpns[] = { PN_OFFICIAL_HEALTH, PN_OFFICIAL_PING,
                                         PN_OFFICIAL_CAPABILITIES, PN_OFFICIAL_CANCELLATION };
    struct world w;
    struct pn_cert foreign, expired;
    struct call *call;

    world_new(&w);
    foreign = cert_of(&w, w.account, pn_clock_wall_ms() + 600000);
    expired = cert_of(&w, w.gateway_id, pn_clock_wall_ms() - 1000);
    for (size_t i = 0; i < PN_COUNT(alpns); i++) {
        struct probe a = probe(&w, alpns[i], &foreign), b = probe(&w, alpns[i], &expired);

        CHECK(!a.has_ended && a.len == 0);
        CHECK(!b.has_ended && b.len == 0);
    }
    call = GET(&w, "/api/v1/pods"); /* nobody has ended it */
    CHECK_EQ(call->status, 200);
    call_end(call);
    pn_secret_free(foreign.key);
    pn_secret_free(expired.key);
    world_free(&w);
}

/* The server says to the end that the session lives: the gateway needs nobody to end it on both its loops. */
PN_TEST(a_cancellation_ends_the_session_on_every_loop)
{
    struct world w;
    struct pn_cert cert;
    struct call *watches[4], *after;
    struct probe p;

    world_new(&w);
    for (size_t i = 0; i < PN_COUNT(watches); i++) { /* loops take turns */
        watches[i] = GET(&w, "/api/v1/pods?watch=1", .wanted = 5);
        CHECK_EQ(watches[i]->status, 200);
    }
    cert = cert_of(&w, w.gateway_id, w.expires_ms);
    p = probe(&w, PN_OFFICIAL_CANCELLATION, &cert);
    CHECK(p.has_ended && p.len == 0);
    for (size_t i = 0; i < PN_COUNT(watches); i++) {
        while (!watches[i]->is_over)
            pn_loop_run(w.loop);
        call_end(watches[i]);
    }
    for (int i = 0; i < 2; i++) {
        after = GET(&w, "/api/v1/pods");
        CHECK_EQ(after->status, 403);
        CHECK(pn_str_search(pn_buf_str(&after->body), PN_LIT("Ended by its client")) > 0);
        call_end(after);
    }
    pn_secret_free(cert.key);
    world_free(&w);
}

/* A server that is away hears of all ends when it is back, and is tried once a second, not once per session. */
PN_TEST(ends_are_told_when_the_server_is_back)
{
    enum { SESSIONS = 6, ROUNDS = 3 };
    struct world w;
    int64_t begun_ms;

    world_new(&w);
    world_lock(&w);
    w.is_home_away = true;
    world_unlock(&w);
    begun_ms = pn_clock_mono_ms();
    for (size_t i = 0; i < SESSIONS; i++) {
        struct pn_cert cert;

        w.session = pn_random_uuid();
        cert = cert_of(&w, w.gateway_id, w.expires_ms);
        (void)probe(&w, PN_OFFICIAL_CANCELLATION, &cert);
        pn_secret_free(cert.key);
    }
    world_lock(&w);
    while (w.ends < ROUNDS)
        pthread_cond_wait(&w.changed, &w.lock);
    CHECK(pn_clock_mono_ms() - begun_ms >= (ROUNDS - 1) * 1000);
    CHECK_EQ(w.ends_heard, 0);
    w.is_home_away = false;
    while (w.ends_heard < SESSIONS)
        pthread_cond_wait(&w.changed, &w.lock);
    world_unlock(&w);
    world_free(&w);
}

PN_TEST_MAIN(T(what_is_said_under_each_protocol), T(who_has_no_session_here_is_told_nothing),
             T(a_cancellation_ends_the_session_on_every_loop),
             T(ends_are_told_when_the_server_is_back))
