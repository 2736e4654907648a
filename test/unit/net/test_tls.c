/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"
#include "streams.h"

#include "net/tls.h"

/* Two ends of one TLS connection over loopback. */
struct side {
    struct pn_tls_context *context;
    struct pn_stream *pending; /* handshaking */
    struct pn_stream *tls;
    struct pn_err err;
    bool is_done;
};

struct world {
    struct pn_loop *loop;
    struct certs certs;
    struct pn_cert server_cert;
    struct pn_tls_settings server_settings, client_settings;
    struct side server, client;
    struct pn_stream *lower[2];
    int waiting;
};

static struct world world_new(void)
{
    struct world w = { .loop = loop_new(), .certs = certs_new() };

    w.server_cert = certs_leaf(&w.certs, PN_CERT_SERVER, "kube.example.com", 600000);
    w.server_settings = (struct pn_tls_settings){ .is_server = true,
                                                  .chain_pem = w.server_cert.pem,
                                                  .key_pem = w.server_cert.key,
                                                  .trust_pem = w.certs.root.pem };
    w.client_settings = (struct pn_tls_settings){ .trust_pem = w.certs.root.pem };
    return w;
}

static void note_done(void *world_, struct pn_stream *tls, const struct pn_err *err,
                      struct side *side)
{
    struct world *w = world_;

    CHECK(!side->is_done);
    CHECK((tls != NULL) == (err == NULL));
    side->is_done = true;
    side->pending = NULL;
    side->tls = tls;
    if (err != NULL)
        side->err = *err;
    if (--w->waiting == 0)
        pn_loop_stop(w->loop);
}

static void on_server(void *world_, struct pn_stream *tls, const struct pn_err *err)
{
    note_done(world_, tls, err, &((struct world *)world_)->server);
}

static void on_client(void *world_, struct pn_stream *tls, const struct pn_err *err)
{
    note_done(world_, tls, err, &((struct world *)world_)->client);
}

static void shake(struct world *w, const char *name)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&w->server_settings, &w->server.context, &err), err);
    CHECK_OK(pn_tls_context_new(&w->client_settings, &w->client.context, &err), err);
    stream_pair(w->loop, w->lower);
    w->waiting = 2;
    CHECK_OK(pn_tls_start(w->server.context, w->lower[1], NULL, 5000, on_server, w,
                          &w->server.pending, &err),
             err);
    CHECK_OK(pn_tls_start(w->client.context, w->lower[0], name, 5000, on_client, w,
                          &w->client.pending, &err),
             err);
    CHECK(loop_run_for(w->loop, 20000));
}

static void world_free(struct world *w)
{
    pn_stream_close(w->server.tls);
    pn_stream_close(w->client.tls);
    pn_tls_context_free(w->server.context);
    pn_tls_context_free(w->client.context);
    pn_loop_free(w->loop);
    pn_secret_free(w->server_cert.key);
    certs_free(&w->certs);
    CHECK_EQ(pn_secret_pool_used(), 0);
}

static void transfer(struct world *w, struct end *a, struct end *b)
{
    int pending = 2;

    a->pending = b->pending = &pending;
    a->seed = b->peer_seed = 1;
    b->seed = a->peer_seed = 2;
    end_start(a, w->client.tls);
    end_start(b, w->server.tls);
    CHECK(loop_run_for(w->loop, 30000));
    w->client.tls = a->stream;
    w->server.tls = b->stream;
    CHECK(!a->is_wrong && !b->is_wrong);
}

PN_TEST(bytes_and_half_close_go_both_ways)
{
    struct world w = world_new();
    struct end a = { .to_send = 5000000 }, b = { .to_send = 10 };

    shake(&w, "kube.example.com");
    CHECK(w.client.tls != NULL && w.server.tls != NULL);
    CHECK_STR(pn_str_from(pn_tls_server_name(w.server.tls)), "kube.example.com");
    CHECK_STR(pn_str_from(pn_tls_alpn(w.server.tls)), "");
    transfer(&w, &a, &b);
    CHECK(a.is_ended && b.is_ended);
    CHECK_EQ(a.received, 10);
    CHECK_EQ(b.received, 5000000);
    world_free(&w);
}

PN_TEST(a_server_with_a_ticket_half_closes_too)
{
    struct world w = world_new();
    struct end a = { .to_send = 10 }, b = { .to_send = 3000000 };

    w.server_settings.has_tickets = true;
    shake(&w, "kube.example.com");
    transfer(&w, &a, &b);
    CHECK(a.is_ended && b.is_ended);
    CHECK_EQ(a.received, 3000000);
    world_free(&w);
}

PN_TEST(an_ip_literal_is_verified_and_not_sent)
{
    struct world w = world_new();

    shake(&w, "127.0.0.1");
    CHECK(w.client.tls != NULL);
    CHECK_STR(pn_str_from(pn_tls_server_name(w.server.tls)), "");
    world_free(&w);
}

PN_TEST(close_without_finish_is_a_failure_for_the_peer)
{
    struct world w = world_new();
    struct end a = { .is_finished = true };
    int pending = 1;

    shake(&w, "kube.example.com");
    CHECK_EQ(pn_stream_write(w.server.tls, "half", 4), 4);
    pn_stream_close(w.server.tls);
    w.server.tls = NULL;
    a.pending = &pending;
    end_start(&a, w.client.tls);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK(a.is_failed && !a.is_ended);
    CHECK_EQ(a.err.code, PN_UNREACHABLE);
    w.client.tls = a.stream;
    world_free(&w);
}

PN_TEST(an_end_without_close_notify_is_truncation)
{
    struct world w = world_new();
    struct end a = { .is_finished = true };
    int pending = 1;

    shake(&w, "kube.example.com");
    CHECK(pn_stream_finish(w.lower[1])); /* somebody on the way sends a FIN */
    a.pending = &pending;
    end_start(&a, w.client.tls);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK(a.is_failed && !a.is_ended);
    CHECK_STR(pn_str_from(a.err.message), "the connection was cut off");
    w.client.tls = a.stream;
    world_free(&w);
}

static void stop_after_two(void *calls_, struct pn_stream *stream, unsigned events)
{
    int *calls = calls_;

    CHECK_EQ(events, PN_WANT_READ);
    if (++*calls == 2)
        pn_loop_stop(stream->loop);
}

PN_TEST(bytes_inside_the_tls_layer_keep_it_ready)
{
    struct world w = world_new();
    int calls = 0;
    char byte;

    shake(&w, "kube.example.com");
    CHECK_EQ(pn_stream_write(w.server.tls, "abcdef", 6), 6);
    pn_stream_set_owner(w.client.tls, stop_after_two, &calls);
    for (int i = 0; i < 6; i++) {
        calls = 0;
        pn_stream_want(w.client.tls, PN_WANT_READ);
        CHECK(loop_run_for(
            w.loop, 20000)); /* twice in a row, though the socket is empty after the first byte */
        pn_stream_want(w.client.tls, 0);
        CHECK_EQ(pn_stream_read(w.client.tls, &byte, 1), 1);
        CHECK(byte == 'a' + i);
    }
    calls = 0;
    pn_stream_want(w.client.tls, PN_WANT_READ);
    CHECK(!loop_run_for(w.loop, 20)); /* and silence when all is read */
    CHECK_EQ(calls, 0);
    world_free(&w);
}

PN_TEST(a_stalled_reader_bounds_the_writer)
{
    struct world w = world_new();
    struct end a = { .to_send = 1u << 30 };
    struct end b = { .may_not_read = true, .is_finished = true };

    shake(&w, "kube.example.com");
    end_start(&a, w.client.tls);
    end_start(&b, w.server.tls);
    loop_until_stalled(w.loop, &a);
    CHECK(a.sent < 32 << 20); /* socket buffers and 68 KiB */
    world_free(&w);
}

static void fails_with(struct world *w, const char *name, enum pn_code code, const char *message)
{
    shake(w, name);
    CHECK(w->client.tls == NULL && w->server.tls == NULL);
    CHECK_EQ(w->client.err.code, code);
    CHECK_STR(pn_str_from(w->client.err.message), message);
}

PN_TEST(a_certificate_for_another_name_is_refused)
{
    struct world w = world_new();

    fails_with(&w, "other.example.com", PN_UNREACHABLE,
               "the certificate of other.example.com is for another name");
    world_free(&w);
}

PN_TEST(a_certificate_for_another_address_is_refused_without_naming_it)
{
    struct world w = world_new();

    fails_with(&w, "127.0.0.2", PN_UNREACHABLE,
               "the certificate of the server is for another name");
    CHECK(strstr(w.client.err.trace, "127.0.0.2") != NULL);
    world_free(&w);
}

PN_TEST(an_unknown_authority_is_refused)
{
    struct world w = world_new();
    struct certs other = certs_new();

    w.client_settings.trust_pem = other.root.pem;
    shake(&w, "kube.example.com");
    CHECK_EQ(w.client.err.code, PN_UNREACHABLE);
    CHECK(strstr(w.client.err.message, "the certificate of kube.example.com is not trusted: ") !=
          NULL);
    CHECK_STR(pn_str_from(w.server.err.message),
              "the peer does not know the authority that signed our certificate");
    certs_free(&other);
    world_free(&w);
}

PN_TEST(insecure_accepts_anything)
{
    struct world w = world_new();

    w.client_settings = (struct pn_tls_settings){ .is_insecure = true };
    shake(&w, "other.example.com");
    CHECK(w.client.tls != NULL);
    world_free(&w);
}

PN_TEST(an_expired_server_is_refused)
{
    struct world w = world_new();
    struct pn_cert expired = certs_leaf(&w.certs, PN_CERT_SERVER, "kube.example.com", -60000);

    w.server_settings.chain_pem = expired.pem;
    w.server_settings.key_pem = expired.key;
    fails_with(&w, "kube.example.com", PN_UNREACHABLE,
               "the certificate of kube.example.com has expired");
    pn_secret_free(expired.key);
    world_free(&w);
}

static const char *const h2_h1[] = { "h2", "http/1.1", NULL };
static const char *const h1[] = { "http/1.1", NULL };
static const char *const other_alpn[] = { "gopher", NULL };

PN_TEST(alpn_follows_the_servers_preference)
{
    struct world w = world_new();
    static const char *const h1_h2[] = { "http/1.1", "h2", NULL };

    w.server_settings.alpn = h2_h1;
    w.client_settings.alpn = h1_h2;
    shake(&w, "kube.example.com");
    CHECK_STR(pn_str_from(pn_tls_alpn(w.client.tls)), "h2");
    CHECK_STR(pn_str_from(pn_tls_alpn(w.server.tls)), "h2");
    world_free(&w);
}

PN_TEST(an_unknown_alpn_is_alert_120)
{
    struct world w = world_new();

    w.server_settings.alpn = h2_h1;
    w.server_settings.alpn_may_be_absent = true;
    w.client_settings.alpn = other_alpn;
    fails_with(&w, "kube.example.com", PN_UNREACHABLE,
               "the peer does not speak this protocol (ALPN)");
    CHECK_EQ(w.client.err.cause, 120);
    world_free(&w);
}

PN_TEST(an_absent_alpn_passes_only_when_allowed)
{
    struct world w = world_new();

    w.server_settings.alpn = h1;
    w.server_settings.alpn_may_be_absent = true;
    shake(&w, "kube.example.com");
    CHECK(w.client.tls != NULL);
    CHECK_STR(pn_str_from(pn_tls_alpn(w.server.tls)), "");
    world_free(&w);

    w = world_new();
    w.server_settings.alpn = h1;
    fails_with(&w, "kube.example.com", PN_UNREACHABLE,
               "the peer does not speak this protocol (ALPN)");
    world_free(&w);
}

/* A handshake with a client certificate; TLS 1.3 clients hear of a refusal at their first read. */
static void shake_with(struct world *w, const struct pn_cert *client)
{
    w->client_settings.chain_pem = client->pem;
    w->client_settings.key_pem = client->key;
    shake(w, "kube.example.com");
}

PN_TEST(a_client_certificate_is_seen_by_the_server)
{
    struct world w = world_new();
    struct pn_cert client = certs_leaf(&w.certs, PN_CERT_CLIENT, "ada", 600000);
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    w.server_settings.requires_client_certificate = true;
    shake_with(&w, &client);
    CHECK_OK(pn_x509_read(w.certs.arena, pn_tls_peer_der(w.server.tls, w.certs.arena), &info, &err),
             err);
    CHECK_STR(info.common_name, "ada");
    CHECK(!pn_tls_peer_has_expired(w.server.tls));
    CHECK(pn_tls_peer_der(w.client.tls, w.certs.arena).len > 0);
    pn_secret_free(client.key);
    world_free(&w);
}

PN_TEST(a_missing_client_certificate_is_refused_and_the_client_hears_why)
{
    struct world w = world_new();
    struct end a = { .is_finished = true };
    int pending = 1;

    w.server_settings.requires_client_certificate = true;
    shake(&w, "kube.example.com");
    CHECK(w.server.tls == NULL);
    CHECK_STR(pn_str_from(w.server.err.message), "the client sent no certificate");
    CHECK(w.client.tls != NULL);
    a.pending = &pending;
    end_start(&a, w.client.tls);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK(a.is_failed);
    CHECK_STR(pn_str_from(a.err.message), "the peer wants a client certificate and we have none");
    w.client.tls = a.stream;
    world_free(&w);
}

PN_TEST(a_wanted_client_certificate_may_be_missing)
{
    struct world w = world_new();

    w.server_settings.wants_client_certificate = true;
    shake(&w, "kube.example.com");
    CHECK(w.server.tls != NULL);
    CHECK(pn_tls_peer_der(w.server.tls, w.certs.arena).ptr == NULL);
    world_free(&w);
}

PN_TEST(a_client_of_another_authority_is_refused_even_when_expiry_is_accepted)
{
    struct world w = world_new();
    struct certs other = certs_new();
    struct pn_cert client = certs_leaf(&other, PN_CERT_CLIENT, "ada", -60000);

    w.server_settings.requires_client_certificate = true;
    w.server_settings.accepts_expired_client = true;
    shake_with(&w, &client);
    CHECK(w.server.tls == NULL);
    CHECK_EQ(w.server.err.code, PN_UNREACHABLE);
    CHECK(strstr(w.server.err.message, "the certificate of the client is not trusted") != NULL);
    pn_secret_free(client.key);
    certs_free(&other);
    world_free(&w);
}

PN_TEST(a_server_certificate_is_no_client_certificate)
{
    struct world w = world_new();
    struct pn_cert client = certs_leaf(&w.certs, PN_CERT_SERVER, "kube.example.com", 600000);

    w.server_settings.requires_client_certificate = true;
    shake_with(&w, &client);
    CHECK(w.server.tls == NULL);
    pn_secret_free(client.key);
    world_free(&w);
}

PN_TEST(an_expired_client_passes_only_when_accepted_and_is_remembered)
{
    struct world w = world_new();
    struct pn_cert client = certs_leaf(&w.certs, PN_CERT_CLIENT, "ada", -60000);

    w.server_settings.requires_client_certificate = true;
    w.server_settings.accepts_expired_client = true;
    shake_with(&w, &client);
    CHECK(w.server.tls != NULL);
    CHECK(pn_tls_peer_has_expired(w.server.tls));
    pn_secret_free(client.key);
    world_free(&w);

    w = world_new();
    client = certs_leaf(&w.certs, PN_CERT_CLIENT, "ada", -60000);
    w.server_settings.requires_client_certificate = true;
    shake_with(&w, &client);
    CHECK(w.server.tls == NULL);
    CHECK_STR(pn_str_from(w.server.err.message), "the certificate of the client has expired");
    pn_secret_free(client.key);
    world_free(&w);
}

PN_TEST(a_silent_peer_runs_into_the_deadline)
{
    struct world w = world_new();
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&w.client_settings, &w.client.context, &err), err);
    stream_pair(w.loop, w.lower);
    w.waiting = 1;
    CHECK_OK(pn_tls_start(w.client.context, w.lower[0], "x.example.com", 20, on_client, &w,
                          &w.client.pending, &err),
             err);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK_EQ(w.client.err.code, PN_TIMEOUT);
    pn_stream_close(w.lower[1]);
    world_free(&w);
}

PN_TEST(garbage_is_not_tls)
{
    struct world w = world_new();
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&w.server_settings, &w.server.context, &err), err);
    stream_pair(w.loop, w.lower);
    CHECK_EQ(pn_stream_write(w.lower[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    w.waiting = 1;
    CHECK_OK(pn_tls_start(w.server.context, w.lower[1], NULL, 5000, on_server, &w,
                          &w.server.pending, &err),
             err);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK_EQ(w.server.err.code, PN_PROTOCOL);
    CHECK_STR(pn_str_from(w.server.err.message), "the peer does not speak TLS");
    pn_stream_close(w.lower[0]);
    world_free(&w);
}

/* Before its first step, when its time is up at once, and while it waits for an answer. */
PN_TEST(a_handshake_can_be_cancelled)
{
    static const int64_t allowed_ms[] = { 1, 600000 };
    struct world w = world_new();
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&w.client_settings, &w.client.context, &err), err);
    for (size_t i = 0; i < PN_COUNT(allowed_ms); i++) {
        stream_pair(w.loop, w.lower);
        w.waiting = 1;
        CHECK_OK(pn_tls_start(w.client.context, w.lower[0], "x.example.com", allowed_ms[i],
                              on_client, &w, &w.client.pending, &err),
                 err);
        if (i > 0)
            CHECK(!loop_run_for(w.loop, 5));
        pn_stream_close(w.client.pending);
        CHECK(!loop_run_for(w.loop, 20));
        CHECK(!w.client.is_done);
        pn_stream_close(w.lower[1]);
    }
    world_free(&w);
}

PN_TEST(broken_settings_are_refused_with_a_sentence)
{
    struct world w = world_new();
    struct pn_tls_context *context = NULL;
    struct pn_err err = { 0 };
    struct pn_tls_settings settings = w.server_settings;

    settings.chain_pem = PN_LIT("nothing");
    CHECK_FAILS(pn_tls_context_new(&settings, &context, &err), err, BAD_REQUEST);
    settings = w.server_settings;
    settings.key_pem = w.certs.root.key;
    CHECK(!pn_tls_context_new(&settings, &context, &err));
    CHECK_STR(pn_str_slice(pn_str_from(err.message), 0, 54),
              "the private key does not belong to the certificate: ke");
    pn_err_clear(&err);
    settings = w.client_settings;
    settings.trust_pem = PN_LIT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    CHECK_FAILS(pn_tls_context_new(&settings, &context, &err), err, BAD_REQUEST);
    world_free(&w);
}

/* A context made on the loop has a library of its own: it must shake hands, and go without a leak. */
struct on_loop {
    struct pn_task task;
    struct world *world;
};

static void make_and_shake(struct pn_task *task)
{
    struct world *w = ((struct on_loop *)task)->world;
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(&w->server_settings, &w->server.context, &err), err);
    CHECK_OK(pn_tls_context_new(&w->client_settings, &w->client.context, &err), err);
    stream_pair(w->loop, w->lower);
    CHECK_OK(pn_tls_start(w->server.context, w->lower[1], NULL, 5000, on_server, w,
                          &w->server.pending, &err),
             err);
    CHECK_OK(pn_tls_start(w->client.context, w->lower[0], "kube.example.com", 5000, on_client, w,
                          &w->client.pending, &err),
             err);
}

PN_TEST(contexts_of_a_loop_thread_live_in_their_own_library)
{
    struct world w = world_new();
    struct on_loop start = { .task.run = make_and_shake, .world = &w };
    struct pn_err err = { 0 };

    w.waiting = 2;
    pn_loop_post(w.loop, &start.task);
    CHECK_OK(pn_loop_start(w.loop, "tls", &err), err);
    pn_loop_join(w.loop);
    CHECK(w.client.tls != NULL && w.server.tls != NULL);
    world_free(&w);
}

PN_TEST_MAIN(T(bytes_and_half_close_go_both_ways), T(a_server_with_a_ticket_half_closes_too),
             T(an_ip_literal_is_verified_and_not_sent),
             T(close_without_finish_is_a_failure_for_the_peer),
             T(an_end_without_close_notify_is_truncation),
             T(bytes_inside_the_tls_layer_keep_it_ready), T(a_stalled_reader_bounds_the_writer),
             T(a_certificate_for_another_name_is_refused),
             T(a_certificate_for_another_address_is_refused_without_naming_it),
             T(an_unknown_authority_is_refused), T(insecure_accepts_anything),
             T(an_expired_server_is_refused), T(alpn_follows_the_servers_preference),
             T(an_unknown_alpn_is_alert_120), T(an_absent_alpn_passes_only_when_allowed),
             T(a_client_certificate_is_seen_by_the_server),
             T(a_missing_client_certificate_is_refused_and_the_client_hears_why),
             T(a_wanted_client_certificate_may_be_missing),
             T(a_client_of_another_authority_is_refused_even_when_expiry_is_accepted),
             T(a_server_certificate_is_no_client_certificate),
             T(an_expired_client_passes_only_when_accepted_and_is_remembered),
             T(a_silent_peer_runs_into_the_deadline), T(garbage_is_not_tls),
             T(a_handshake_can_be_cancelled), T(broken_settings_are_refused_with_a_sentence),
             T(contexts_of_a_loop_thread_live_in_their_own_library))
