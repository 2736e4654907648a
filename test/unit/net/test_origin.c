/* SPDX-License-Identifier: Apache-2.0 */
#include "http_peer.h"

#include "net/dial.h"
#include "net/exchange.h"

/* The client under test runs on the stage; the test plays the server on accepted sockets. */
struct world {
    struct stage stage;
    struct pn_origin *origin;
    int listener;
    uint16_t port;
    bool is_h2;
    bool refuses; /* every connection attempt fails */
    int connects, h1_connects;
    size_t max_waiting;
    unsigned max_connections;
    int64_t idle_timeout_ms, ping_ms;
};

static struct world w;

/* One request and what became of it. */
struct ask {
    const char *method, *target, *upgrade;
    const char *body; /* NULL: none; sent and finished */
    bool is_chunked;
    bool holds; /* does not read until released */
    struct pn_request *request;
    size_t sent;
    bool is_finished;
    int answered, failed, ended, broken;
    int status;
    char text[4096];
    size_t len;
    char field[64];
    struct pn_err err;
};

static void ask_work(struct ask *ask)
{
    struct pn_stream *body = &ask->request->body;
    unsigned wants = 0;
    ssize_t n;

    while (ask->body != NULL && ask->sent < strlen(ask->body)) {
        n = pn_stream_write(body, ask->body + ask->sent, strlen(ask->body) - ask->sent);
        if (n <= 0) {
            wants |= PN_WANT_WRITE;
            break;
        }
        ask->sent += (size_t)n;
    }
    if (ask->body != NULL && ask->sent == strlen(ask->body) && !ask->is_finished) {
        ask->is_finished = pn_stream_finish(body);
        wants |= ask->is_finished ? 0 : PN_WANT_WRITE;
    }
    while (ask->answered > 0 && ask->ended == 0 && ask->broken == 0 && !ask->holds) {
        n = pn_stream_read(body, ask->text + ask->len, sizeof(ask->text) - ask->len);
        if (n == PN_STREAM_AGAIN) {
            wants |= PN_WANT_READ;
            break;
        }
        if (n > 0) {
            ask->len += (size_t)n;
            sem_post(&w.stage.news);
            continue;
        }
        if (n == PN_STREAM_FAILED)
            ask->err = *pn_stream_error(body);
        tell(&w.stage, n == 0 ? &ask->ended : &ask->broken);
    }
    pn_stream_want(body, wants);
}

static void on_ready(void *ask, struct pn_stream *body PN_UNUSED, unsigned events PN_UNUSED)
{
    ask_work(ask);
}

static void on_response(void *ask_, struct pn_request *request, const struct pn_http_head *head)
{
    struct ask *ask = ask_;
    struct pn_str field = pn_http_field_get(head, "x-field");

    CHECK(request == ask->request && ask->answered == 0 && ask->failed == 0);
    ask->status = head->status;
    snprintf(ask->field, sizeof(ask->field), "%.*s", PN_ARG(field));
    tell(&w.stage, &ask->answered);
    ask_work(ask);
}

static void on_failed(void *ask_, struct pn_request *request, const struct pn_err *err)
{
    struct ask *ask = ask_;

    CHECK(request == ask->request && ask->answered == 0 && ask->failed == 0);
    ask->err = *err;
    tell(&w.stage, &ask->failed);
}

static const struct pn_request_events events = { on_response, on_failed };

static void start_ask(void *ask_)
{
    struct ask *ask = ask_;
    struct pn_http_field field = { PN_LIT("X-Sent"), PN_LIT("yes") };
    struct pn_http_head head = { .method = pn_str_from(ask->method),
                                 .target = pn_str_from(ask->target),
                                 .authority = PN_LIT("h"),
                                 .scheme = PN_LIT("https"),
                                 .fields = &field,
                                 .count = 1,
                                 .content_length = ask->body != NULL && !ask->is_chunked
                                                       ? (int64_t)strlen(ask->body)
                                                       : -1,
                                 .is_last = ask->body == NULL || ask->upgrade != NULL,
                                 .upgrade = pn_str_from(ask->upgrade) };

    if (ask->upgrade != NULL)
        head.content_length = -1;
    ask->request = pn_origin_request(w.origin, &head, &events, ask);
    CHECK(ask->answered == 0 && ask->failed == 0);
    pn_stream_set_owner(&ask->request->body, on_ready, ask);
    pn_stream_want(&ask->request->body,
                   ask->body != NULL && ask->upgrade == NULL ? PN_WANT_WRITE : 0);
}

static void close_ask(void *ask_)
{
    struct ask *ask = ask_;

    if (ask->request != NULL)
        pn_stream_close(&ask->request->body);
    ask->request = NULL;
}

static void release_ask(void *ask_)
{
    ((struct ask *)ask_)->holds = false;
    ask_work(ask_);
}

static struct ask ask_for(const char *method, const char *target)
{
    return (struct ask){ .method = method, .target = target };
}

static void start(struct ask *ask)
{
    on_stage(&w.stage, start_ask, ask);
}

/* Waits for the end of the answer and lets go of the request. */
static void finish(struct ask *ask, const char *text)
{
    AWAIT(&w.stage, ask->ended, 1);
    CHECK_STR(pn_str_of(ask->text, ask->len), text);
    on_stage(&w.stage, close_ask, ask);
}

static void fails(struct ask *ask, enum pn_code code)
{
    AWAIT(&w.stage, ask->failed, 1);
    CHECK_EQ(ask->err.code, code);
    on_stage(&w.stage, close_ask, ask);
}

/* ---- connections ---- */

static void on_dialled(void *connect, struct pn_stream *socket, const struct pn_err *err)
{
    if (socket != NULL)
        pn_connect_done(connect, socket, w.is_h2);
    else
        pn_connect_failed(connect, err);
}

static void on_dialled_h1(void *connect, struct pn_stream *socket, const struct pn_err *err)
{
    if (socket != NULL)
        pn_connect_done(connect, socket, false);
    else
        pn_connect_failed(connect, err);
}

static void connect_to(void *context, struct pn_connect *connect, bool wants_h1)
{
    struct pn_endpoint to = { "127.0.0.1", w.port };
    struct pn_err err = { 0 };

    CHECK(context == &w);
    w.connects++;
    w.h1_connects += wants_h1;
    if (w.refuses) {
        pn_fail(&err, PN_UNREACHABLE, "no way");
        pn_connect_failed(connect, &err);
        return;
    }
    pn_dial(w.stage.loop, &to, 5000, wants_h1 ? on_dialled_h1 : on_dialled, connect);
}

static void make_origin(void *argument PN_UNUSED)
{
    struct pn_origin_config config = { .connect = connect_to,
                                       .context = &w,
                                       .max_connections = w.max_connections,
                                       .streams_per_connection = 4,
                                       .max_waiting = w.max_waiting,
                                       .idle_timeout_ms = w.idle_timeout_ms,
                                       .ping_ms = w.ping_ms };

    w.origin = pn_origin_new(w.stage.loop, &config);
}

static void free_origin(void *argument PN_UNUSED)
{
    pn_origin_free(w.origin);
    w.origin = NULL;
}

static int open_world(void **state PN_UNUSED)
{
    w = (struct world){ .max_waiting = 10, .max_connections = 2 };
    stage_open(&w.stage);
    w.listener = listen_any(&w.port);
    on_stage(&w.stage, make_origin, NULL);
    return 0;
}

static void remake_origin(void)
{
    on_stage(&w.stage, free_origin, NULL);
    on_stage(&w.stage, make_origin, NULL);
}

static int close_world(void **state PN_UNUSED)
{
    on_stage(&w.stage, free_origin, NULL);
    stage_close(&w.stage);
    close(w.listener);
    return 0;
}

static int accept_one(void)
{
    int fd = accept(w.listener, NULL, NULL);

    CHECK(fd >= 0);
    socket_patience(fd);
    return fd;
}

#define SENT(method, target) method " " target " HTTP/1.1\r\nHost: h\r\nX-Sent: yes\r\n\r\n"
#define OK(length, text) "HTTP/1.1 200 OK\r\nX-Field: f\r\nContent-Length: " length "\r\n\r\n" text

/* ---- HTTP/1 ---- */

PN_TEST(one_connection_serves_request_after_request)
{
    int fd = -1;

    for (int i = 0; i < 100; i++) {
        struct ask ask = ask_for("GET", "/1");

        start(&ask);
        if (fd < 0)
            fd = accept_one();
        EXPECT(fd, SENT("GET", "/1"));
        say(fd, OK("2", "hi"));
        finish(&ask, "hi");
        CHECK_EQ(ask.status, 200);
        CHECK_STR(pn_str_from(ask.field), "f");
    }
    CHECK_EQ(w.connects, 1);
    close(fd);
}

PN_TEST(every_framing_of_an_answer_ends_properly)
{
    struct ask chunked = ask_for("GET", "/c"), none = ask_for("GET", "/n"),
               head = ask_for("HEAD", "/h");
    struct ask until = ask_for("GET", "/u");
    int fd;

    start(&chunked);
    fd = accept_one();
    EXPECT(fd, SENT("GET", "/c"));
    say(fd, "HTTP/1.1 103 Early Hints\r\nX-Field: no\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Enc");
    say(fd, "oding: chunked\r\n\r\n3\r\nabc\r\n");
    say(fd, "2\r\nde\r\n0\r\nTrailer: dropped\r\n\r\n");
    finish(&chunked, "abcde");
    start(&none);
    EXPECT(fd, SENT("GET", "/n"));
    say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    finish(&none, "");
    start(&head);
    EXPECT(fd, SENT("HEAD", "/h"));
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
    finish(&head, "");
    start(&until);
    EXPECT(fd, SENT("GET", "/u"));
    say(fd, "HTTP/1.1 200 OK\r\n\r\nto the end");
    AWAIT(&w.stage, until.answered, 1);
    close(fd);
    finish(&until, "to the end");
    CHECK_EQ(w.connects, 1);
}

PN_TEST(bodies_are_sent_in_either_framing)
{
    struct ask length = ask_for("POST", "/l"), chunks = ask_for("POST", "/c");
    int fd;

    length.body = "payload";
    start(&length);
    fd = accept_one();
    EXPECT(fd, "POST /l HTTP/1.1\r\nHost: h\r\nX-Sent: yes\r\nContent-Length: 7\r\n\r\npayload");
    say(fd, OK("0", ""));
    finish(&length, "");
    chunks.body = "payload";
    chunks.is_chunked = true;
    start(&chunks);
    EXPECT(fd, "POST /c HTTP/1.1\r\nHost: h\r\nX-Sent: yes\r\nTransfer-Encoding: "
               "chunked\r\n\r\n7\r\npayload\r\n0\r\n\r\n");
    say(fd, OK("0", ""));
    finish(&chunks, "");
    close(fd);
}

PN_TEST(a_body_cut_short_is_a_failure)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n"
    };

    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        struct ask ask = ask_for("GET", "/1");
        int fd;

        start(&ask);
        fd = accept_one();
        EXPECT(fd, SENT("GET", "/1"));
        say(fd, answers[i]);
        AWAIT(&w.stage, ask.answered, 1);
        close(fd);
        AWAIT(&w.stage, ask.broken, 1);
        CHECK_EQ(ask.ended, 0);
        on_stage(&w.stage, close_ask, &ask);
    }
}

PN_TEST(what_is_not_an_answer_fails_the_request)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    };

    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        struct ask ask = ask_for("POST", "/1");
        int fd;

        start(&ask);
        fd = accept_one();
        read_head(fd);
        say(fd, answers[i]);
        AWAIT(&w.stage, ask.failed, 1);
        CHECK(ask.err.code == PN_UPSTREAM || ask.err.code == PN_PROTOCOL);
        on_stage(&w.stage, close_ask, &ask);
        close(fd);
    }
}

PN_TEST(a_dead_kept_connection_is_replaced_once)
{
    struct ask first = ask_for("GET", "/1"), again = ask_for("GET", "/2"),
               post = ask_for("POST", "/3");
    int fd, fresh;

    start(&first);
    fd = accept_one();
    EXPECT(fd, SENT("GET", "/1"));
    say(fd, OK("2", "hi"));
    finish(&first, "hi");
    start(&again);
    EXPECT(fd, SENT("GET", "/2"));
    close(fd); /* it was dying when the request came */
    fresh = accept_one();
    EXPECT(fresh, SENT("GET", "/2"));
    say(fresh, OK("2", "ho"));
    finish(&again, "ho");
    start(&post);
    read_head(fresh);
    close(fresh);
    fails(&post, PN_UNREACHABLE); /* perhaps it was done: nobody may do it twice */
    CHECK_EQ(w.connects, 2);
}

PN_TEST(a_fresh_connection_that_dies_is_a_failure)
{
    struct ask ask = ask_for("GET", "/1");
    int fd;

    start(&ask);
    fd = accept_one();
    EXPECT(fd, SENT("GET", "/1"));
    close(fd);
    fails(&ask, PN_UNREACHABLE);
    CHECK_EQ(w.connects, 1);
}

PN_TEST(connections_are_limited_and_others_wait_their_turn)
{
    struct ask asks[4];
    int fds[2];

    for (int i = 0; i < 4; i++) {
        asks[i] = ask_for("GET", "/1");
        start(&asks[i]);
    }
    fds[0] = accept_one();
    EXPECT(fds[0], SENT("GET", "/1"));
    fds[1] = accept_one();
    EXPECT(fds[1], SENT("GET", "/1"));
    CHECK_EQ(w.connects, 2);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++) {
            say(fds[i], OK("2", "hi"));
            finish(&asks[round * 2 + i], "hi");
            if (round == 0)
                EXPECT(fds[i], SENT("GET", "/1"));
        }
    CHECK_EQ(w.connects, 2);
    close(fds[0]);
    close(fds[1]);
}

static void start_four(void *asks_)
{
    struct ask *asks = asks_;

    for (int i = 0; i < 4; i++) {
        asks[i] = ask_for("GET", "/1");
        start_ask(&asks[i]);
    }
}

PN_TEST(too_many_waiting_are_refused)
{
    struct ask asks[4];

    w.max_waiting = 3;
    w.max_connections = 1;
    remake_origin();
    on_stage(&w.stage, start_four, asks); /* before any connection is there */
    fails(&asks[3], PN_BUSY);
    for (int i = 0; i < 3; i++)
        on_stage(&w.stage, close_ask, &asks[i]);
}

PN_TEST(a_connection_that_cannot_be_opened_fails_all_who_wait)
{
    struct ask a = ask_for("GET", "/1"), b = ask_for("GET", "/2"), c = ask_for("GET", "/3");

    w.refuses = true;
    c.upgrade = "websocket";
    start(&a);
    start(&b);
    start(&c);
    fails(&a, PN_UNREACHABLE);
    fails(&b, PN_UNREACHABLE);
    fails(&c, PN_UNREACHABLE);
}

PN_TEST(an_upgrade_has_its_own_connection)
{
    struct ask ask = ask_for("GET", "/exec"), other = ask_for("GET", "/exec");
    int fd;

    w.is_h2 = true; /* upgrades ask for HTTP/1.1 all the same */
    ask.upgrade = other.upgrade = "websocket";
    ask.body = "to the server";
    start(&ask);
    fd = accept_one();
    EXPECT(fd, "GET /exec HTTP/1.1\r\nHost: h\r\nX-Sent: yes\r\nConnection: Upgrade\r\nUpgrade: "
               "websocket\r\n\r\n");
    say(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n\r\nearly");
    EXPECT(fd, "to the server");
    EXPECT_END(fd); /* half-close */
    say(fd, " and late");
    shutdown(fd, SHUT_WR);
    finish(&ask, "early and late");
    CHECK_EQ(w.h1_connects, 1);
    close(fd);
    start(&other);
    fd = accept_one();
    read_head(fd);
    say(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    finish(&other, "no"); /* an ordinary answer */
    CHECK_EQ(other.status, 403);
    EXPECT_END(fd);
    close(fd);
}

PN_TEST(a_request_let_go_is_aborted)
{
    struct ask ask = ask_for("GET", "/watch");
    int fd;

    start(&ask);
    fd = accept_one();
    EXPECT(fd, SENT("GET", "/watch"));
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    AWAIT(&w.stage, ask.answered, 1);
    on_stage(&w.stage, close_ask, &ask);
    CHECK(is_reset(fd));
    close(fd);
}

PN_TEST(idle_connections_end)
{
    struct ask ask = ask_for("GET", "/1");
    int fd;

    w.idle_timeout_ms = 50;
    remake_origin();
    start(&ask);
    fd = accept_one();
    EXPECT(fd, SENT("GET", "/1"));
    say(fd, OK("2", "hi"));
    finish(&ask, "hi");
    EXPECT_END(fd);
    close(fd);
}

PN_TEST(freeing_the_origin_fails_what_is_open)
{
    struct ask sent = ask_for("GET", "/1"), waiting = ask_for("GET", "/2");
    int fd;

    w.max_connections = 1;
    remake_origin();
    start(&sent);
    start(&waiting);
    fd = accept_one();
    read_head(fd);
    on_stage(&w.stage, free_origin, NULL);
    fails(&sent, PN_UNREACHABLE);
    fails(&waiting, PN_UNREACHABLE);
    close(fd);
}

/* ---- HTTP/2 ---- */

static void reply(struct h2_peer *p, int32_t id, int status, const char *text)
{
    struct pn_http_head head = { .status = status, .content_length = -1 };
    struct pn_err err = { 0 };

    p->streams[id].to_send = pn_str_from(text);
    p->streams[id].may_end = true;
    CHECK_OK(pn_h2_respond(p->h2, id, &head, &err), err);
    peer_flush(p);
}

PN_TEST(h2_requests_share_a_connection)
{
    struct ask asks[3];
    struct h2_peer *p;

    w.is_h2 = true;
    for (int i = 0; i < 3; i++) {
        asks[i] = ask_for("POST", "/1");
        asks[i].body = "payload";
        start(&asks[i]);
    }
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended && p->streams[3].is_ended && p->streams[5].is_ended);
    for (int i = 2; i >= 0; i--) {
        CHECK_STR(peer_body(p, 1 + 2 * i), "payload");
        reply(p, 1 + 2 * i, 200, "hi");
        finish(&asks[i], "hi");
    }
    CHECK_EQ(w.connects, 1);
    peer_free(p);
}

PN_TEST(h2_another_connection_is_opened_above_the_limit)
{
    struct ask asks[6];
    struct h2_peer *p, *q;

    w.is_h2 = true;
    asks[0] = ask_for("GET", "/0");
    start(&asks[0]);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    for (int i = 1; i < 6; i++) {
        asks[i] = ask_for("GET", "/1");
        start(&asks[i]);
    }
    q = peer_new(accept_one(), true, 100); /* the fifth asked for it, and did not wait */
    PEER_UNTIL(p, p->streams[9].is_ended);
    CHECK_EQ(w.connects, 2);
    for (int i = 0; i < 6; i++)
        on_stage(&w.stage, close_ask, &asks[i]);
    peer_free(p);
    peer_free(q);
}

PN_TEST(h2_the_limit_of_the_server_is_kept)
{
    struct ask asks[3];
    struct h2_peer *p;

    w.is_h2 = true;
    w.max_connections = 1;
    remake_origin();
    asks[0] = ask_for("GET", "/0");
    start(&asks[0]);
    p = peer_new(accept_one(), true, 2);
    PEER_UNTIL(p, p->streams[1].is_ended);
    reply(p, 1, 200, "hi");
    finish(&asks[0], "hi");
    for (int i = 0; i < 3; i++) {
        asks[i] = ask_for("GET", "/1");
        start(&asks[i]);
    }
    PEER_UNTIL(p, p->streams[3].is_ended && p->streams[5].is_ended);
    CHECK(!p->streams[7].is_ended);
    reply(p, 3, 200, "hi");
    finish(&asks[0], "hi");
    PEER_UNTIL(p, p->streams[7].is_ended);
    on_stage(&w.stage, close_ask, &asks[1]);
    on_stage(&w.stage, close_ask, &asks[2]);
    peer_free(p);
}

/* What the server says it did not look at goes to another connection, unseen by the owner. */
PN_TEST(h2_goaway_moves_what_was_not_seen)
{
    struct ask first = ask_for("GET", "/1"), second = ask_for("POST", "/2"),
               third = ask_for("GET", "/3");
    struct h2_peer *p, *q;

    w.is_h2 = true;
    start(&first);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    pn_h2_goaway(p->h2, 0);
    start(&second); /* its HEADERS and the GOAWAY cross */
    peer_flush(p);
    q = peer_new(accept_one(), true, 100);
    PEER_UNTIL(q, q->streams[1].is_ended);
    CHECK_STR(pn_str_from(q->streams[1].target), "/2");
    reply(q, 1, 200, "two");
    finish(&second, "two");
    start(&third);
    PEER_UNTIL(q, q->streams[3].is_ended);
    reply(q, 3, 200, "three");
    finish(&third, "three");
    reply(p, 1, 200, "one"); /* the stream that was seen finishes where it was */
    finish(&first, "one");
    CHECK_EQ(w.connects, 2);
    peer_free(p);
    peer_free(q);
}

PN_TEST(h2_refused_streams_are_sent_again)
{
    struct ask ask = ask_for("POST", "/1");
    struct h2_peer *p;

    w.is_h2 = true;
    start(&ask);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    pn_h2_reset(p->h2, 1, 7);
    PEER_UNTIL(p, p->streams[3].is_ended);
    reply(p, 3, 200, "hi");
    finish(&ask, "hi");
    peer_free(p);
}

PN_TEST(h2_resets_are_failures)
{
    struct ask early = ask_for("GET", "/1"), late = ask_for("GET", "/2");
    struct pn_http_head head = { .status = 200, .content_length = -1 };
    struct pn_err err = { 0 };
    struct h2_peer *p;

    w.is_h2 = true;
    start(&early);
    start(&late);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended && p->streams[3].is_ended);
    pn_h2_reset(p->h2, 1, 2);
    CHECK_OK(pn_h2_respond(p->h2, 3, &head, &err), err);
    peer_flush(p);
    fails(&early, PN_UNREACHABLE);
    AWAIT(&w.stage, late.answered, 1);
    pn_h2_reset(p->h2, 3, 2);
    peer_flush(p);
    AWAIT(&w.stage, late.broken, 1);
    on_stage(&w.stage, close_ask, &late);
    peer_free(p);
}

PN_TEST(h2_a_request_let_go_is_cancelled)
{
    struct ask ask = ask_for("GET", "/watch");
    struct h2_peer *p;

    w.is_h2 = true;
    start(&ask);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    on_stage(&w.stage, close_ask, &ask);
    PEER_UNTIL(p, p->streams[1].is_closed);
    CHECK_EQ(p->streams[1].code, 8);
    peer_free(p);
}

/* It takes requests and never answers: what is open fails, and what was begun elsewhere does not wait for it. */
PN_TEST(h2_a_server_that_falls_silent_is_given_up)
{
    struct ask early = ask_for("POST", "/1"), late = ask_for("GET", "/watch");
    struct pn_http_head head = { .status = 200, .content_length = -1 };
    struct pn_err err = { 0 };
    struct h2_peer *p;

    w.is_h2 = true;
    w.ping_ms = 50;
    remake_origin();
    start(&early);
    start(&late);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended && p->streams[3].is_ended);
    CHECK_OK(pn_h2_respond(p->h2, 3, &head, &err), err);
    peer_flush(p);
    AWAIT(&w.stage, late.answered, 1);
    fails(&early, PN_TIMEOUT);
    AWAIT(&w.stage, late.broken, 1);
    CHECK_EQ(late.err.code, PN_TIMEOUT);
    on_stage(&w.stage, close_ask, &late);
    peer_free(p);
}

/* Its twin: busy is not silent. */
PN_TEST(h2_a_server_that_answers_pings_may_take_its_time)
{
    struct ask ask = ask_for("POST", "/1");
    struct h2_peer *p;

    w.is_h2 = true;
    w.ping_ms = 300;
    remake_origin();
    start(&ask);
    p = peer_new(accept_one(), true, 100);
    for (int turns = 0; turns < 5; turns++) /* of which four bring a PING, and nothing else */
        CHECK(peer_turn(p));
    CHECK_EQ(told(&ask.failed), 0);
    reply(p, 1, 200, "at last");
    finish(&ask, "at last");
    CHECK_EQ(w.connects, 1);
    peer_free(p);
}

/* An answer nobody reads is held up to the window; its neighbours go on. */
PN_TEST(h2_an_unread_answer_stops_alone)
{
    static char big[1 << 20];
    struct ask held = ask_for("GET", "/1"), other = ask_for("GET", "/2");
    struct h2_peer *p;

    w.is_h2 = true;
    held.holds = true;
    memset(big, 'b', sizeof(big) - 1);
    start(&held);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    reply(p, 1, 200, big);
    start(&other);
    PEER_UNTIL(p, p->streams[3].is_ended);
    reply(p, 3, 200, "hi");
    finish(&other, "hi");
    CHECK(p->streams[1].to_send.len >= sizeof(big) - 1 - 256 * 1024);
    CHECK(p->streams[1].to_send.len > 0);
    on_stage(&w.stage, close_ask, &held);
    peer_free(p);
}

/* The server says all, then GOAWAY and the end: what came is readable afterwards. */
PN_TEST(h2_a_whole_answer_outlives_its_connection)
{
    struct ask ask = ask_for("GET", "/1");
    struct h2_peer *p;

    w.is_h2 = true;
    ask.holds = true;
    start(&ask);
    p = peer_new(accept_one(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    reply(p, 1, 200, "last words");
    pn_h2_goaway(p->h2, 0);
    peer_flush(p);
    shutdown(p->fd, SHUT_WR);
    while (peer_turn(p)) /* the client ends it too */
        ;
    AWAIT(&w.stage, ask.answered, 1);
    on_stage(&w.stage, release_ask, &ask);
    finish(&ask, "last words");
    peer_free(p);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
PN_TEST_MAIN(T(one_connection_serves_request_after_request),
             T(every_framing_of_an_answer_ends_properly), T(bodies_are_sent_in_either_framing),
             T(a_body_cut_short_is_a_failure), T(what_is_not_an_answer_fails_the_request),
             T(a_dead_kept_connection_is_replaced_once),
             T(a_fresh_connection_that_dies_is_a_failure),
             T(connections_are_limited_and_others_wait_their_turn), T(too_many_waiting_are_refused),
             T(a_connection_that_cannot_be_opened_fails_all_who_wait),
             T(an_upgrade_has_its_own_connection), T(a_request_let_go_is_aborted),
             T(idle_connections_end), T(freeing_the_origin_fails_what_is_open),
             T(h2_requests_share_a_connection), T(h2_another_connection_is_opened_above_the_limit),
             T(h2_the_limit_of_the_server_is_kept), T(h2_goaway_moves_what_was_not_seen),
             T(h2_refused_streams_are_sent_again), T(h2_resets_are_failures),
             T(h2_a_request_let_go_is_cancelled), T(h2_a_server_that_falls_silent_is_given_up),
             T(h2_a_server_that_answers_pings_may_take_its_time),
             T(h2_an_unread_answer_stops_alone), T(h2_a_whole_answer_outlives_its_connection))
