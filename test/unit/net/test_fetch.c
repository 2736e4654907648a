/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"
#include "streams.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/buf.h"
#include "net/fetch.h"
#include "net/tls.h"

/*
 * A scripted server: for each connection, answers to send after each request head (and body of
 * `body_bytes`). It runs in a thread with plain sockets; what it received is kept.
 */
struct script {
    const char *answers[4]; /* up to NULL; then it closes */
    size_t body_bytes;
    bool resets; /* instead of answering */
};

struct server {
    int listening;
    uint16_t port;
    struct script connections[4];
    size_t count;
    char received[4][8192];
    sem_t ends; /* connections whose end the client's system has acknowledged */
    pthread_t thread;
};

static bool read_request(int fd, char *out, size_t size, size_t body_bytes)
{
    size_t len = 0;
    char *head_end = NULL;

    while ((head_end = strstr(out, "\r\n\r\n")) == NULL ||
           len < (size_t)(head_end + 4 - out) + body_bytes) {
        ssize_t got = read(fd, out + len, size - 1 - len);

        if (got <= 0)
            return false;
        len += (size_t)got;
        out[len] = '\0';
    }
    return true;
}

static void *serve(void *server_)
{
    struct server *s = server_;
    const struct linger until_acknowledged = { .l_onoff = 1, .l_linger = 5 };

    for (size_t i = 0; i < s->count; i++) {
        const struct script *script = &s->connections[i];
        int fd = accept(s->listening, NULL, NULL);

        for (size_t k = 0; script->answers[k] != NULL; k++) {
            s->received[i][0] = '\0';
            if (!read_request(fd, s->received[i], sizeof(s->received[i]), script->body_bytes))
                break;
            if (write(fd, script->answers[k], strlen(script->answers[k])) < 0)
                break;
        }
        if (script->resets)
            (void)read_request(fd, s->received[i], 100, 0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &until_acknowledged, sizeof(until_acknowledged));
        close(fd);
        sem_post(&s->ends);
    }
    return NULL;
}

static void server_start(struct server *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    s->listening = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(s->listening, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(s->listening, 8), 0);
    CHECK_EQ(getsockname(s->listening, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    while (s->count < PN_COUNT(s->connections) &&
           (s->connections[s->count].answers[0] != NULL || s->connections[s->count].resets))
        s->count++;
    CHECK_EQ(sem_init(&s->ends, 0, 0), 0);
    CHECK_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listening);
    sem_destroy(&s->ends);
}

struct client {
    struct pn_arena *arena;
    struct pn_fetcher *fetcher;
    struct pn_err err;
    struct pn_fetched got;
};

static struct client client_new(uint16_t port, const char *scheme, struct pn_str trust_pem)
{
    struct client c = { .arena = pn_arena_new(4 << 20) };
    struct pn_fetcher_config config = { .user_agent = "test/1", .trust_pem = trust_pem };
    struct pn_str url = pn_arena_printf(c.arena, "%s://127.0.0.1:%u/base/", scheme, port);

    CHECK_OK(pn_url_parse(url, &config.url, &c.err), c.err);
    CHECK_OK(pn_fetcher_new(&config, &c.fetcher, &c.err), c.err);
    return c;
}

static void client_free(struct client *c)
{
    pn_fetcher_free(c->fetcher);
    pn_arena_free(c->arena);
}

static bool get(struct client *c, const char *method, const char *path)
{
    const struct pn_fetch request = { .method = method,
                                      .path = pn_str_from(path),
                                      .deadline_ms = pn_clock_mono_ms() + 20000 };

    return pn_fetch(c->fetcher, &request, c->arena, &c->got, &c->err);
}

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

PN_TEST(one_connection_serves_many_requests)
{
    struct server s = { .connections = { { .answers = { OK5, OK5, OK5 } } } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(get(&c, "GET", "/api?x=1"), c.err);
        CHECK_EQ(c.got.status, 200);
        CHECK_STR(c.got.body, "hello");
    }
    client_free(&c);
    server_end(&s);
    CHECK(strstr(s.received[0], "GET /base/api?x=1 HTTP/1.1\r\nHost: 127.0.0.1:") == s.received[0]);
    CHECK(strstr(s.received[0], "\r\nUser-Agent: test/1\r\n") != NULL);
    CHECK(strstr(s.received[0], "Content-Length") == NULL);
}

PN_TEST(body_bearer_and_fields_are_sent)
{
    struct server s = { .connections = { { .answers = { "HTTP/1.1 204 No Content\r\n\r\n" },
                                           .body_bytes = 7 } } };
    struct client c;
    struct pn_err err = { 0 };
    struct pn_secret *bearer = pn_secret_new(PN_LIT("s3cret"), &err);
    const struct pn_http_field field = { PN_LIT("X-Test"), PN_LIT("yes") };

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);

    const struct pn_fetch request = { .method = "POST",
                                      .path = PN_LIT("/login"),
                                      .body = PN_LIT("{\"a\":1}"),
                                      .bearer = bearer,
                                      .fields = &field,
                                      .field_count = 1,
                                      .deadline_ms = pn_clock_mono_ms() + 20000 };

    CHECK_OK(pn_fetch(c.fetcher, &request, c.arena, &c.got, &c.err), c.err);
    CHECK_EQ(c.got.status, 204);
    CHECK_EQ(c.got.body.len, 0);
    client_free(&c);
    server_end(&s);
    CHECK(strstr(s.received[0], "\r\nAuthorization: Bearer s3cret\r\n") != NULL);
    CHECK(strstr(s.received[0], "\r\nContent-Type: application/json\r\n") != NULL);
    CHECK(strstr(s.received[0], "\r\nContent-Length: 7\r\n") != NULL);
    CHECK(strstr(s.received[0], "\r\nX-Test: yes\r\n") != NULL);
    CHECK(strstr(s.received[0], "\r\n\r\n{\"a\":1}") != NULL);
    pn_secret_free(bearer);
}

PN_TEST(every_framing_is_understood)
{
    struct server
        s = { .connections = {
                  { .answers = { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early "
                                 "Hints\r\n\r\nHTTP/1.1 200 OK\r\n"
                                 "Transfer-Encoding: "
                                 "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" /* to HEAD */,
                                 "HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nuntil close" } },
              } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_OK(get(&c, "GET", "/"), c.err);
    CHECK_STR(c.got.body, "abcde");
    CHECK_OK(get(&c, "HEAD", "/"), c.err);
    CHECK_EQ(c.got.head.content_length, 999);
    CHECK_EQ(c.got.body.len, 0);
    CHECK_OK(get(&c, "GET", "/"), c.err); /* 404 is an answer, not an error */
    CHECK_EQ(c.got.status, 404);
    CHECK_STR(c.got.body, "until close");
    CHECK_STR(pn_http_field_get(&c.got.head, "x"), "y");
    client_free(&c);
    server_end(&s);
}

PN_TEST(a_dead_kept_alive_connection_is_replaced)
{
    struct server s = { .connections = { { .answers = { OK5 } }, { .answers = { OK5 } } } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_OK(get(&c, "GET", "/1"), c.err);
    sem_wait(&s.ends); /* a POST that was on its way would not be repeated */
    CHECK_OK(get(&c, "POST", "/2"), c.err);
    client_free(&c);
    server_end(&s);
}

/* Its server is about to end it, or what stands between has forgotten it: neither can be seen from here. */
PN_TEST(a_connection_that_was_idle_for_long_is_not_used_again)
{
    struct server s = { .connections = { { .answers = { OK5, OK5, OK5 } },
                                         { .answers = { OK5 } } } };
    struct client c;

    server_start(&s);
    pn_clock_freeze(1700000000000, 1000);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_OK(get(&c, "POST", "/1"), c.err);
    pn_clock_advance(PN_FETCH_MAX_IDLE_MS - 1);
    CHECK_OK(get(&c, "POST", "/2"), c.err);
    pn_clock_advance(PN_FETCH_MAX_IDLE_MS);
    CHECK_OK(get(&c, "POST", "/3"), c.err);
    pn_clock_release();
    CHECK(strstr(s.received[0], "POST /base/3 ") == NULL);
    client_free(&c);
    server_end(&s);
    CHECK(strstr(s.received[1], "POST /base/3 ") == s.received[1]);
}

PN_TEST(a_get_is_repeated_once_when_its_old_connection_dies_under_it)
{
    struct server s = { .connections = { { .answers = { OK5 }, .resets = true },
                                         { .answers = { OK5 } } } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_OK(get(&c, "GET", "/1"), c.err);
    CHECK_OK(get(&c, "GET", "/2"), c.err);
    client_free(&c);
    server_end(&s);
    CHECK(strstr(s.received[1], "GET /base/2 ") == s.received[1]);
}

PN_TEST(a_post_is_never_repeated)
{
    struct server s = { .connections = { { .answers = { OK5 }, .resets = true } } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_OK(get(&c, "GET", "/1"), c.err);
    CHECK_FAILS(get(&c, "POST", "/2"), c.err, UNREACHABLE);
    client_free(&c);
    server_end(&s);
}

PN_TEST(broken_answers_are_errors)
{
    static const struct {
        const char *answer;
        enum pn_code code;
    } bad[] = {
        { "NOT HTTP\r\n\r\n", PN_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", PN_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", PN_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", PN_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", PN_TOO_LARGE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n"
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n0\r\n\r\n",
          PN_TOO_LARGE },
        { "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
          PN_PROTOCOL },
        { "HTTP/1.1 200", PN_PROTOCOL },
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        struct server s = { .connections = { { .answers = { bad[i].answer } } } };
        struct client c;

        server_start(&s);
        c = client_new(s.port, "http", PN_NONE);

        const struct pn_fetch request = { .method = "GET",
                                          .path = PN_LIT("/"),
                                          .max_body_bytes = 50,
                                          .deadline_ms = pn_clock_mono_ms() + 20000 };

        CHECK(!pn_fetch(c.fetcher, &request, c.arena, &c.got, &c.err));
        CHECK_EQ(c.err.code, bad[i].code);
        client_free(&c);
        server_end(&s);
    }
}

PN_TEST(a_path_that_is_no_path_is_not_sent)
{
    struct server s = { .connections = { { .answers = { OK5 } } } };
    struct client c;

    server_start(&s);
    c = client_new(s.port, "http", PN_NONE);
    CHECK_FAILS(get(&c, "GET", "/a\r\nX: y"), c.err, BAD_REQUEST);
    CHECK_OK(get(&c, "GET", "/"), c.err);
    client_free(&c);
    server_end(&s);
}

PN_TEST(a_silent_server_runs_into_the_deadline)
{
    int fds[2] = { socket(AF_INET, SOCK_STREAM, 0), -1 };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    struct client c;

    CHECK_EQ(bind(fds[0], (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(fds[0], 8), 0); /* the kernel accepts; nobody ever reads */
    CHECK_EQ(getsockname(fds[0], (struct sockaddr *)&at, &len), 0);
    for (int i = 0; i < 2; i++) {
        const struct pn_fetch request = { .method = "GET",
                                          .path = PN_LIT("/"),
                                          .deadline_ms = pn_clock_mono_ms() + 30 };

        c = client_new(ntohs(at.sin_port), i == 0 ? "http" : "https", PN_NONE);
        CHECK_FAILS(pn_fetch(c.fetcher, &request, c.arena, &c.got, &c.err), c.err, TIMEOUT);
        client_free(&c);
    }
    /* A bound for the connection alone leaves the rest of the time to whoever is asked next. */
    {
        int64_t begun_ms = pn_clock_mono_ms();
        const struct pn_fetch request = { .method = "GET",
                                          .path = PN_LIT("/"),
                                          .deadline_ms = begun_ms + 60000,
                                          .connect_by_ms = begun_ms + 30 };

        c = client_new(ntohs(at.sin_port), "https", PN_NONE);
        CHECK_FAILS(pn_fetch(c.fetcher, &request, c.arena, &c.got, &c.err), c.err, TIMEOUT);
        CHECK(pn_clock_mono_ms() - begun_ms < 30000);
        client_free(&c);
    }
    close(fds[0]);
}

/* ---- TLS: our own TLS server on a loop thread, which answers each connection once ---- */

struct tls_server {
    struct pn_loop *loop;
    struct pn_tls_context *context;
    struct pn_listener *listener;
    struct pn_stream *tls, *pending;
    struct pn_task stop;
    size_t handshakes;
};

static void answer(void *server_, struct pn_stream *stream, unsigned events)
{
    char bytes[4096];
    ssize_t count = pn_stream_read(stream, bytes, sizeof(bytes));

    (void)events;
    if (count > 0)
        CHECK_EQ(pn_stream_write(stream, OK5, sizeof(OK5) - 1), sizeof(OK5) - 1);
    if (count == 0 || count == PN_STREAM_FAILED) {
        ((struct tls_server *)server_)->tls = NULL;
        pn_stream_close(stream);
    }
}

static void on_tls(void *server_, struct pn_stream *tls, const struct pn_err *err)
{
    struct tls_server *s = server_;

    (void)err;
    s->tls = tls;
    s->pending = NULL;
    s->handshakes += tls != NULL;
    if (tls != NULL) {
        pn_stream_set_owner(tls, answer, s);
        pn_stream_want(tls, PN_WANT_READ);
    }
}

static void on_accepted(void *server_, int fd, struct pn_str peer_ip)
{
    struct tls_server *s = server_;
    struct pn_err err = { 0 };

    (void)peer_ip;
    CHECK_OK(
        pn_tls_start(s->context, stream_of(s->loop, fd), NULL, 20000, on_tls, s, &s->pending, &err),
        err);
}

static void on_stop(struct pn_task *task)
{
    struct tls_server *s = pn_container_of(task, struct tls_server, stop);

    pn_stream_close(s->pending);
    pn_stream_close(s->tls);
    pn_listener_close(s->listener);
    pn_loop_stop(s->loop);
}

static void tls_server_start(struct tls_server *s, const struct pn_cert *cert)
{
    const struct pn_tls_settings settings = { .is_server = true,
                                              .chain_pem = cert->pem,
                                              .key_pem = cert->key };
    const struct pn_endpoint at = { .host = "127.0.0.1" };
    struct pn_err err = { 0 };

    s->loop = loop_new();
    s->stop.run = on_stop;
    CHECK_OK(pn_tls_context_new(&settings, &s->context, &err), err);
    CHECK_OK(pn_listen(s->loop, &at, on_accepted, s, &s->listener, &err), err);
}

static void tls_server_end(struct tls_server *s)
{
    pn_loop_post(s->loop, &s->stop);
    pn_loop_join(s->loop);
    pn_tls_context_free(s->context);
    pn_loop_free(s->loop);
}

PN_TEST(https_works_and_is_verified)
{
    struct certs certs = certs_new(), other = certs_new();
    struct pn_cert cert = certs_leaf(&certs, PN_CERT_SERVER, "a.example.com", 600000);
    struct tls_server s = { 0 };
    struct client c;
    struct pn_err err = { 0 };

    tls_server_start(&s, &cert);

    uint16_t port = pn_listener_port(s.listener);

    CHECK_OK(pn_loop_start(s.loop, "server", &err), err);
    c = client_new(port, "https", certs.root.pem);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(get(&c, "GET", "/"), c.err);
        CHECK_STR(c.got.body, "hello");
    }
    client_free(&c);

    c = client_new(port, "https", other.root.pem);
    CHECK_FAILS(get(&c, "GET", "/"), c.err, UNREACHABLE);
    client_free(&c);

    c = client_new(port, "http", PN_NONE); /* plain HTTP to a TLS port */
    CHECK(!get(&c, "GET", "/"));
    client_free(&c);
    tls_server_end(&s);
    CHECK_EQ(
        s.handshakes,
        1); /* three requests, one handshake; the foreign client saw our certificate and left */
    pn_secret_free(cert.key);
    certs_free(&certs);
    certs_free(&other);
}

PN_TEST_MAIN(T(one_connection_serves_many_requests), T(body_bearer_and_fields_are_sent),
             T(every_framing_is_understood), T(a_dead_kept_alive_connection_is_replaced),
             T(a_connection_that_was_idle_for_long_is_not_used_again),
             T(a_get_is_repeated_once_when_its_old_connection_dies_under_it),
             T(a_post_is_never_repeated), T(broken_answers_are_errors),
             T(a_path_that_is_no_path_is_not_sent), T(a_silent_server_runs_into_the_deadline),
             T(https_works_and_is_verified))
