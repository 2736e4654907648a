/* SPDX-License-Identifier: Apache-2.0 */
#include "http_peer.h"

#include "base/clock.h"
#include "net/exchange.h"

struct world {
    struct stage stage;
    struct pn_http_server *server;
    int closed, failed, finished, requests;
    int flooded_kib; /* that /flood could write */
    int next_fd;
    bool next_is_h2;
    int64_t head_timeout_ms, idle_timeout_ms;
};

static struct world w;

/* ---- handlers: one per path ---- */

struct job {
    struct pn_exchange *x;
    char held[8192];
    size_t len;
    size_t count;
    bool has_ended;
};

static void job_end(struct job *job, int *counter)
{
    struct pn_exchange *x = job->x;

    pn_heap_free(job);
    pn_stream_close(&x->body);
    tell(&w.stage, counter);
}

static void echo_ready(void *job_, struct pn_stream *body, unsigned events PN_UNUSED)
{
    struct job *job = job_;

    for (;;) {
        if (job->len == 0 && !job->has_ended) {
            ssize_t got = pn_stream_read(body, job->held, sizeof(job->held));

            if (got == PN_STREAM_FAILED) {
                job_end(job, &w.failed);
                return;
            }
            if (got == PN_STREAM_AGAIN) {
                pn_stream_want(body, PN_WANT_READ);
                return;
            }
            job->has_ended = got == 0;
            job->len = (size_t)got;
        }
        if (job->len == 0 && pn_stream_finish(body)) {
            job_end(job, &w.finished);
            return;
        }
        ssize_t sent = job->len > 0 ? pn_stream_write(body, job->held, job->len) : PN_STREAM_AGAIN;

        if (sent == PN_STREAM_FAILED) {
            job_end(job, &w.failed);
            return;
        }
        if (sent == PN_STREAM_AGAIN) {
            pn_stream_want(body, PN_WANT_WRITE);
            return;
        }
        memmove(job->held, job->held + sent, job->len - (size_t)sent);
        job->len -= (size_t)sent;
    }
}

static void echo(struct pn_exchange *x, struct job *job)
{
    struct pn_http_head head = { .status = 200, .content_length = -1 };

    pn_exchange_respond(x, &head);
    pn_stream_set_owner(&x->body, echo_ready, job);
    pn_stream_want(&x->body, PN_WANT_READ);
}

static void upgrade(struct pn_exchange *x, struct job *job)
{
    struct pn_http_head head = { .status = 101,
                                 .content_length = -1,
                                 .upgrade = x->request->upgrade };

    pn_exchange_respond(x, &head);
    pn_stream_set_owner(&x->body, echo_ready, job);
    pn_stream_want(&x->body, PN_WANT_READ);
}

/* Reads the body to its end, then says how much it was. */
static void sink_ready(void *job_, struct pn_stream *body, unsigned events PN_UNUSED)
{
    struct job *job = job_;
    struct pn_http_head head = { .status = 200 };
    char bytes[8192], text[32];
    ssize_t got;

    while ((got = pn_stream_read(body, bytes, sizeof(bytes))) > 0)
        job->count += (size_t)got;
    if (got == PN_STREAM_AGAIN)
        return;
    if (got == PN_STREAM_FAILED) {
        job_end(job, &w.failed);
        return;
    }
    snprintf(text, sizeof(text), "%zu", job->count);
    pn_exchange_answer(job->x, &head, pn_str_from(text));
    pn_heap_free(job);
    tell(&w.stage, &w.finished);
}

static void sink(struct pn_exchange *x, struct job *job)
{
    pn_stream_set_owner(&x->body, sink_ready, job);
    pn_stream_want(&x->body, PN_WANT_READ);
}

/* Writes as much as it may, and never ends. */
static void flood_ready(void *job_, struct pn_stream *body, unsigned events PN_UNUSED)
{
    static const char zeros[16384];
    struct job *job = job_;
    ssize_t sent;

    while ((sent = pn_stream_write(body, zeros, sizeof(zeros))) > 0)
        job->count += (size_t)sent;
    __atomic_store_n(&w.flooded_kib, (int)(job->count / 1024), __ATOMIC_RELEASE);
    if (sent == PN_STREAM_FAILED)
        job_end(job, &w.failed);
}

static void flood(struct pn_exchange *x, struct job *job)
{
    struct pn_http_head head = { .status = 200, .content_length = -1 };

    pn_exchange_respond(x, &head);
    pn_stream_set_owner(&x->body, flood_ready, job);
    pn_stream_want(&x->body, PN_WANT_WRITE);
}

static void hold_ready(void *job, struct pn_stream *body, unsigned events PN_UNUSED)
{
    const struct pn_err *err = pn_stream_error(body);

    CHECK(err != NULL && err->code == PN_UNREACHABLE);
    job_end(job, &w.failed);
}

static void hold(struct pn_exchange *x, struct job *job)
{
    pn_stream_set_owner(&x->body, hold_ready, job); /* and want nothing */
}

static void abort_half_way(struct pn_exchange *x, struct job *job)
{
    struct pn_http_head head = { .status = 200, .content_length = -1 };

    pn_exchange_respond(x, &head);
    CHECK_EQ(pn_stream_write(&x->body, "part", 4), 4);
    job_end(job, &w.finished);
}

static void short_of_length(struct pn_exchange *x, struct job *job)
{
    struct pn_http_head head = { .status = 200, .content_length = 10 };

    pn_exchange_respond(x, &head);
    CHECK_EQ(pn_stream_write(&x->body, "part", 4), 4);
    (void)pn_stream_finish(&x->body);
    job_end(job, &w.finished);
}

static void never_answer(struct pn_exchange *x PN_UNUSED, struct job *job)
{
    job_end(job, &w.finished);
}

static void answer(struct pn_exchange *x, int status, const char *body)
{
    struct pn_http_field fields[] = { { PN_LIT("X-Target"), x->request->target },
                                      { PN_LIT("Connection"), PN_LIT("X-Target") } };
    struct pn_http_head head = { .status = status, .fields = fields, .count = 2 };

    pn_exchange_answer(x, &head, pn_str_from(body));
    tell(&w.stage, &w.finished);
}

static void on_request(void *context PN_UNUSED, struct pn_exchange *x)
{
    static const struct {
        const char *path;
        void (*start)(struct pn_exchange *x, struct job *job);
    } handlers[] = { { "/echo", echo },          { "/upgrade", upgrade },
                     { "/sink", sink },          { "/flood", flood },
                     { "/hold", hold },          { "/abort", abort_half_way },
                     { "/never", never_answer }, { "/short", short_of_length } };

    tell(&w.stage, &w.requests);
    for (size_t i = 0; i < PN_COUNT(handlers); i++)
        if (pn_str_is(x->request->target, handlers[i].path)) {
            struct job *job = pn_heap_new(sizeof(*job));

            job->x = x;
            handlers[i].start(x, job);
            return;
        }
    if (pn_str_is(x->request->target, "/empty"))
        answer(x, 204, "");
    else if (pn_str_is(x->request->target, "/big")) {
        static char big[300000];

        memset(big, 'b', sizeof(big) - 1);
        answer(x, 200, big);
    } else
        answer(x, 200, "hello");
}

/* ---- the world ---- */

static void on_closed(void *context PN_UNUSED, void *user)
{
    CHECK(user == &w);
    tell(&w.stage, &w.closed);
}

static struct pn_str error_body(struct pn_arena *arena, int status, const char *message)
{
    CHECK(message[0] != '\0');
    return pn_arena_printf(arena, "{\"code\":%d}", status);
}

static void make_server(void *argument PN_UNUSED)
{
    struct pn_http_server_config config = { .request = on_request,
                                            .closed = on_closed,
                                            .error_body = error_body,
                                            .head_timeout_ms = w.head_timeout_ms,
                                            .idle_timeout_ms = w.idle_timeout_ms };

    w.server = pn_http_server_new(w.stage.loop, &config);
}

static void free_server(void *argument PN_UNUSED)
{
    pn_http_server_free(w.server);
    w.server = NULL;
}

static int open_world(void **state PN_UNUSED)
{
    w = (struct world){ 0 };
    stage_open(&w.stage);
    on_stage(&w.stage, make_server, NULL);
    return 0;
}

static int close_world(void **state PN_UNUSED)
{
    on_stage(&w.stage, free_server, NULL);
    stage_close(&w.stage);
    return 0;
}

static void serve_next(void *argument PN_UNUSED)
{
    struct pn_stream *stream;
    struct pn_err err = { 0 };

    CHECK_OK(pn_socket_stream(w.stage.loop, w.next_fd, &stream, &err), err);
    pn_http_serve(w.server, stream, w.next_is_h2, PN_LIT("192.0.2.1"), &w);
}

static int connect_to(bool is_h2)
{
    int fds[2];

    tcp_pair(fds);
    w.next_fd = fds[1];
    w.next_is_h2 = is_h2;
    on_stage(&w.stage, serve_next, NULL);
    return fds[0];
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define HELLO(path) "HTTP/1.1 200 OK\r\nX-Target: " path "\r\nContent-Length: 5\r\n\r\nhello"

/* ---- HTTP/1 ---- */

PN_TEST(requests_follow_each_other_on_one_connection)
{
    int fd = connect_to(false);

    say(fd, GET("/1"));
    EXPECT(fd, HELLO("/1"));
    say(fd, GET("/2") GET("/3") GET("/empty") "HEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n" GET("/5"));
    EXPECT(fd,
           HELLO("/2") HELLO(
               "/3") "HTTP/1.1 204 No Content\r\nX-Target: /empty\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nX-Target: /4\r\nContent-Length: 5\r\n\r\n" HELLO("/5"));
    say(fd, "GET /6 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT(
        fd,
        "HTTP/1.1 200 OK\r\nX-Target: /6\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    EXPECT_END(fd);
    close(fd);
    AWAIT(&w.stage, w.closed, 1);
}

PN_TEST(a_head_may_come_byte_by_byte)
{
    int fd = connect_to(false);

    for (const char *c = GET("/slow"); *c != '\0'; c++)
        CHECK_EQ(send(fd, c, 1, 0), 1);
    EXPECT(fd, HELLO("/slow"));
    close(fd);
}

#define BOTH                                                                 \
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: " \
    "chunked\r\n\r\n0\r\n\r\n"

PN_TEST(what_is_not_http_gets_400_and_the_end)
{
    static const char *const bad[] = {
        "GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET x:@evil/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        BOTH,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "\x16\x03\x01\x02",
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        int fd = connect_to(false);

        say(fd, bad[i]);
        EXPECT(
            fd,
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 12\r\n"
            "Connection: close\r\n\r\n{\"code\":400}");
        EXPECT_END(fd);
        close(fd);
    }
    CHECK_EQ(w.requests, 0);
}

/* A valid request before the malformed one is served; nothing behind it is. */
PN_TEST(nothing_behind_garbage_is_looked_at)
{
    int fd = connect_to(false);

    say(fd, GET("/1") "GARBAGE\r\n" GET("/2"));
    EXPECT(fd, HELLO("/1") "HTTP/1.1 400 Bad Request\r\n");
    read_head(fd);
    EXPECT(fd, "{\"code\":400}");
    EXPECT_END(fd);
    CHECK_EQ(w.requests, 1);
    close(fd);
}

PN_TEST(a_head_too_large_gets_431)
{
    static char line[70000];
    int fd = connect_to(false);

    memset(line, 'a', sizeof(line) - 1);
    say(fd, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
    say(fd, line);
    EXPECT(fd, "HTTP/1.1 431 ");
    close(fd);
}

static void nothing(void *argument PN_UNUSED)
{
}

/* Time passes only here, and only until the server does something about it: so long. */
static int64_t time_until_heard(int fd)
{
    struct pollfd heard = { .fd = fd, .events = POLLIN };
    int64_t passed_ms = 0;

    for (; poll(&heard, 1, 0) == 0; passed_ms += 10) {
        pn_clock_advance(10);
        on_stage(&w.stage, nothing, NULL);
    }
    return passed_ms;
}

PN_TEST(a_slow_head_gets_408_and_an_idle_connection_its_end)
{
    int fd;

    on_stage(&w.stage, free_server, NULL);
    w.head_timeout_ms = 50;
    w.idle_timeout_ms = 90;
    on_stage(&w.stage, make_server, NULL);
    pn_clock_freeze(pn_clock_wall_ms(), pn_clock_mono_ms());
    fd = connect_to(false);
    say(fd, "GET / HT");
    CHECK(time_until_heard(fd) >= 50);
    EXPECT(fd, "HTTP/1.1 408 Request Timeout\r\n");
    close(fd);
    fd = connect_to(false);
    CHECK(time_until_heard(fd) >= 50);
    EXPECT_END(fd);
    close(fd);
    fd = connect_to(false);
    say(fd, GET("/1"));
    EXPECT(fd, HELLO("/1"));
    CHECK(time_until_heard(fd) >= 90);
    EXPECT_END(fd);
    close(fd);
    pn_clock_release();
}

PN_TEST(bodies_come_whole_in_either_framing)
{
    int fd = connect_to(false);

    say(fd, "POST /sink HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5");
    say(fd, "POST /sink HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
            "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n");
    say(fd, "0\r\nTrailer: x\r\n\r\n" GET("/next"));
    EXPECT(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n13" HELLO("/next"));
    close(fd);
}

PN_TEST(an_echo_streams_both_ways)
{
    int fd = connect_to(false);

    say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    say(fd, "6\r\nsecond\r\n");
    EXPECT(fd, "6\r\nsecond\r\n");
    say(fd, "0\r\n\r\n");
    EXPECT(fd, "0\r\n\r\n");
    say(fd, GET("/1"));
    EXPECT(fd, HELLO("/1"));
    close(fd);
}

PN_TEST(a_malformed_chunk_fails_the_exchange)
{
    int fd = connect_to(false);

    say(fd, "POST /sink HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    AWAIT(&w.stage, w.failed, 1);
    CHECK(is_reset(fd));
    close(fd);
}

PN_TEST(continue_is_sent_when_the_handler_reads)
{
    int fd = connect_to(false);

    say(fd, "POST /sink HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abc");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3");
    /* A handler that answers without reading sends none, and nobody knows whether a body follows. */
    say(fd, "POST /lazy HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nX-Target: /lazy\r\nContent-Length: 5\r\nConnection: "
               "close\r\n\r\nhello");
    EXPECT_END(fd);
    close(fd);
}

PN_TEST(an_unread_body_is_drained_when_it_is_small)
{
    int fd = connect_to(false);

    say(fd, "POST /lazy HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    EXPECT(fd, HELLO("/lazy"));
    say(fd, "123456789" GET("/next"));
    EXPECT(fd, HELLO("/next"));
    say(fd, "POST /lazy HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nX-Target: /lazy\r\nContent-Length: 5\r\nConnection: "
               "close\r\n\r\nhello");
    EXPECT_END(fd);
    close(fd);
}

PN_TEST(an_upgrade_carries_raw_bytes_with_early_ones_and_half_close)
{
    int fd = connect_to(false);

    say(fd, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: "
            "SPDY/3.1\r\n\r\nearly\n");
    EXPECT(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
               "SPDY/3.1\r\n\r\nearly\n");
    say(fd, "GET / HTTP/1.1\r\n\r\n"); /* not a request any more */
    EXPECT(fd, "GET / HTTP/1.1\r\n\r\n");
    shutdown(fd, SHUT_WR);
    EXPECT_END(fd);
    AWAIT(&w.stage, w.finished, 1);
    AWAIT(&w.stage, w.closed, 1);
    CHECK_EQ(w.requests, 1);
    close(fd);
}

PN_TEST(an_aborted_answer_never_looks_whole)
{
    static const char *const paths[] = { GET("/abort"), GET("/short"), GET("/never") };

    for (size_t i = 0; i < PN_COUNT(paths); i++) {
        int fd = connect_to(false);

        say(fd, paths[i]);
        CHECK(is_reset(fd));
        close(fd);
    }
}

PN_TEST(http_1_0_is_answered_until_the_end)
{
    int fd = connect_to(false);

    say(fd, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    EXPECT_END(fd);
    close(fd);
}

PN_TEST(a_large_answer_arrives_whole)
{
    int fd = connect_to(false);
    size_t total = 0;
    char bytes[8192];

    say(fd, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(has(read_head(fd), "Content-Length: 299999\r\n"));
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0; total += (size_t)n)
        CHECK(bytes[0] == 'b' && bytes[n - 1] == 'b');
    CHECK_EQ(total, 299999);
    close(fd);
}

PN_TEST(handlers_hear_of_clients_that_leave)
{
    int fd = connect_to(false);

    say(fd, GET("/hold"));
    AWAIT(&w.stage, w.requests, 1);
    close(fd);
    AWAIT(&w.stage, w.failed, 1);
    AWAIT(&w.stage, w.closed, 1);
}

PN_TEST(a_reader_that_stalls_costs_little)
{
    int fd = connect_to(false), small = 8192;
    char byte;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    say(fd, GET("/flood"));
    CHECK_EQ(recv(fd, &byte, 1, 0), 1);
    for (int i = 0; i < 20; i++) { /* the server is alive, and the flood has come to rest */
        int other = connect_to(false);

        say(other, GET("/1"));
        EXPECT(other, HELLO("/1"));
        close(other);
    }
    CHECK(__atomic_load_n(&w.flooded_kib, __ATOMIC_ACQUIRE) < 8 * 1024); /* mostly the kernel's */
    close(fd);
    AWAIT(&w.stage, w.failed, 1);
}

static void drain(void *argument PN_UNUSED)
{
    pn_http_server_drain(w.server);
}

PN_TEST(draining_ends_the_idle_and_lets_the_busy_finish)
{
    int idle = connect_to(false), busy = connect_to(false);

    say(idle, GET("/1"));
    EXPECT(idle, HELLO("/1"));
    say(busy, "POST /sink HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
    AWAIT(&w.stage, w.requests, 2);
    on_stage(&w.stage, drain, NULL);
    EXPECT_END(idle);
    say(busy, "bc");
    EXPECT(busy, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n3");
    EXPECT_END(busy);
    close(idle);
    close(busy);
}

PN_TEST(freeing_the_server_fails_what_is_open)
{
    int one = connect_to(false), two = connect_to(true);
    struct h2_peer *p = peer_new(two, false, 100);

    say(one, GET("/hold"));
    peer_ask(p, "GET", "/hold", true);
    peer_flush(p);
    AWAIT(&w.stage, w.requests, 2);
    on_stage(&w.stage, free_server, NULL);
    CHECK_EQ(w.failed, 2);
    CHECK_EQ(w.closed, 2);
    CHECK(is_reset(one));
    close(one);
    peer_free(p);
}

/* ---- HTTP/2 ---- */

/* A request that was reset before anybody looked at it costs nothing more (CVE-2023-44487). */
PN_TEST(h2_a_request_that_is_gone_is_not_begun)
{
    static const char reset[] = "\0\0\4\3\0\0\0\0\1\0\0\0\10"; /* RST_STREAM 1, CANCEL */
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(1 << 16);
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t next;

    CHECK_EQ(peer_ask(p, "GET", "/hold", true), 1);
    pn_h2_output(p->h2, &wire, SIZE_MAX);
    pn_buf_add_bytes(&wire, reset, sizeof(reset) - 1);
    CHECK_EQ(send(p->fd, wire.ptr, wire.len, MSG_NOSIGNAL), (ssize_t)wire.len);
    next = peer_ask(p, "GET", "/1", true);
    PEER_UNTIL(p, p->streams[next].is_closed);
    CHECK_STR(peer_body(p, next), "hello");
    CHECK_EQ(__atomic_load_n(&w.requests, __ATOMIC_ACQUIRE), 1);
    peer_free(p);
}

PN_TEST(h2_requests_share_a_connection)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "GET", "/1", true), b = peer_ask(p, "POST", "/sink", false);
    int32_t c = peer_ask(p, "GET", "/empty", true), d = peer_ask(p, "GET", "/big", true);
    int32_t e = peer_ask(p, "HEAD", "/big", true);

    p->streams[b].to_send = PN_LIT("some bytes");
    p->streams[b].may_end = true;
    pn_h2_resume(p->h2, b);
    PEER_UNTIL(p, p->streams[a].is_closed && p->streams[b].is_closed && p->streams[c].is_closed &&
                      p->streams[d].is_closed && p->streams[e].is_closed);
    CHECK_STR(peer_body(p, a), "hello");
    CHECK_STR(peer_body(p, b), "10");
    CHECK_EQ(p->streams[c].status, 204);
    CHECK_EQ(p->streams[d].received, 299999);
    CHECK_EQ(p->streams[e].received, 0);
    for (int32_t i = a; i <= e; i += 2)
        CHECK(p->streams[i].code == 0 && p->streams[i].is_ended);
    peer_free(p);
    AWAIT(&w.stage, w.closed, 1);
}

PN_TEST(h2_echo_streams_both_ways)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "POST", "/echo", false);

    p->streams[a].to_send = PN_LIT("first");
    pn_h2_resume(p->h2, a);
    PEER_UNTIL(p, p->streams[a].received == 5);
    p->streams[a].to_send = PN_LIT("second");
    p->streams[a].may_end = true;
    pn_h2_resume(p->h2, a);
    PEER_UNTIL(p, p->streams[a].is_closed);
    CHECK_STR(peer_body(p, a), "firstsecond");
    CHECK_EQ(p->streams[a].code, 0);
    peer_free(p);
}

/* END_STREAM, then RST_STREAM(NO_ERROR): the client shall stop sending and keep the answer. */
PN_TEST(h2_answers_before_the_end_of_the_request)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "POST", "/lazy", false);

    PEER_UNTIL(p, p->streams[a].is_closed);
    CHECK(p->streams[a].is_ended);
    CHECK_EQ(p->streams[a].code, 0);
    CHECK_STR(peer_body(p, a), "hello");
    peer_free(p);
}

PN_TEST(h2_aborts_are_resets)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "GET", "/abort", true), b = peer_ask(p, "GET", "/never", true);

    PEER_UNTIL(p, p->streams[a].is_closed && p->streams[b].is_closed);
    CHECK(!p->streams[a].is_ended && p->streams[a].code == 2);
    CHECK(!p->streams[b].is_ended && p->streams[b].code == 8);
    peer_free(p);
}

PN_TEST(h2_handlers_hear_of_resets)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "GET", "/hold", true);

    peer_flush(p);
    AWAIT(&w.stage, w.requests, 1);
    pn_h2_reset(p->h2, a, 8);
    peer_flush(p);
    AWAIT(&w.stage, w.failed, 1);
    peer_ask(p, "GET", "/hold", true);
    peer_flush(p);
    AWAIT(&w.stage, w.requests, 2);
    peer_free(p);
    AWAIT(&w.stage, w.failed, 2);
}

/* One stream's window is shut: its handler stops, its neighbours and PING go on. */
PN_TEST(h2_a_stalled_stream_stops_alone)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t flooded, a;

    p->consumes = false;
    flooded = peer_ask(p, "GET", "/flood", true);
    PEER_UNTIL(p, p->streams[flooded].received == 65536);
    CHECK(__atomic_load_n(&w.flooded_kib, __ATOMIC_ACQUIRE) <= 64 + 64 + 16);
    for (int i = 0; i < 5; i++) {
        a = peer_ask(p, "GET", "/1", true);
        PEER_UNTIL(p, p->streams[a].is_closed);
        CHECK_STR(peer_body(p, a), "hello");
    }
    pn_h2_ping(p->h2);
    PEER_UNTIL(p, p->pongs == 1);
    CHECK(__atomic_load_n(&w.flooded_kib, __ATOMIC_ACQUIRE) <= 64 + 64 + 16);
    pn_h2_consumed(p->h2, flooded, 65536);
    PEER_UNTIL(p, p->streams[flooded].received == 131072);
    peer_free(p);
    AWAIT(&w.stage, w.failed, 1);
}

/* A body that its handler does not read is taken up to the stream's window. */
PN_TEST(h2_an_unread_body_is_bounded)
{
    static char big[1 << 20];
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t held = peer_ask(p, "POST", "/hold", false), a;

    p->streams[held].to_send = pn_str_of(big, sizeof(big));
    pn_h2_resume(p->h2, held);
    a = peer_ask(p, "POST", "/sink", false);
    p->streams[a].to_send = pn_str_of(big, sizeof(big));
    p->streams[a].may_end = true;
    pn_h2_resume(p->h2, a);
    PEER_UNTIL(p, p->streams[a].is_closed);
    CHECK_STR(peer_body(p, a), "1048576");
    CHECK_EQ(p->streams[held].to_send.len, sizeof(big) - 256 * 1024);
    peer_free(p);
    AWAIT(&w.stage, w.failed, 1);
}

PN_TEST(h2_draining_says_goaway_and_finishes)
{
    struct h2_peer *p = peer_new(connect_to(true), false, 100);
    int32_t a = peer_ask(p, "POST", "/sink", false);

    peer_flush(p);
    AWAIT(&w.stage, w.requests, 1);
    on_stage(&w.stage, drain, NULL);
    PEER_UNTIL(p, p->goaways == 1);
    p->streams[a].may_end = true;
    pn_h2_resume(p->h2, a);
    PEER_UNTIL(p, p->streams[a].is_closed);
    CHECK_STR(peer_body(p, a), "0");
    while (peer_turn(p))
        ;
    peer_free(p);
    AWAIT(&w.stage, w.closed, 1);
}

PN_TEST(h2_garbage_ends_the_connection)
{
    int fd = connect_to(true);
    char bytes[4096];

    say(fd, GET("/1") GET("/1"));
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    close(fd);
    AWAIT(&w.stage, w.closed, 1);
    CHECK_EQ(w.requests, 0);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
PN_TEST_MAIN(T(requests_follow_each_other_on_one_connection), T(a_head_may_come_byte_by_byte),
             T(what_is_not_http_gets_400_and_the_end), T(nothing_behind_garbage_is_looked_at),
             T(a_head_too_large_gets_431), T(a_slow_head_gets_408_and_an_idle_connection_its_end),
             T(bodies_come_whole_in_either_framing), T(an_echo_streams_both_ways),
             T(a_malformed_chunk_fails_the_exchange), T(continue_is_sent_when_the_handler_reads),
             T(an_unread_body_is_drained_when_it_is_small),
             T(an_upgrade_carries_raw_bytes_with_early_ones_and_half_close),
             T(an_aborted_answer_never_looks_whole), T(http_1_0_is_answered_until_the_end),
             T(a_large_answer_arrives_whole), T(handlers_hear_of_clients_that_leave),
             T(a_reader_that_stalls_costs_little),
             T(draining_ends_the_idle_and_lets_the_busy_finish),
             T(freeing_the_server_fails_what_is_open), T(h2_a_request_that_is_gone_is_not_begun),
             T(h2_requests_share_a_connection), T(h2_echo_streams_both_ways),
             T(h2_answers_before_the_end_of_the_request), T(h2_aborts_are_resets),
             T(h2_handlers_hear_of_resets), T(h2_a_stalled_stream_stops_alone),
             T(h2_an_unread_body_is_bounded), T(h2_draining_says_goaway_and_finishes),
             T(h2_garbage_ends_the_connection))
