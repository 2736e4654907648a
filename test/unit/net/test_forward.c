/* SPDX-License-Identifier: Apache-2.0 */
#include "http_peer.h"

#include "net/dial.h"
#include "net/forward.h"

/* client (the test) -- server, forward, origin (on the stage) -- upstream (the test) */
struct world {
    struct stage stage;
    struct pn_http_server *server;
    struct pn_origin *origin;
    struct pn_forward *forward;
    int listener;
    uint16_t port;
    bool client_is_h2, upstream_is_h2, is_unreachable, aborts_in_response;
    struct pn_farewell_facts what;
    int64_t deadline_ms;
    int next_fd;
    int started, responses, refusals, done;
    struct pn_forward_result result;
};

static struct world w;

static void on_response(void *owner PN_UNUSED, const struct pn_http_head *in,
                        struct pn_http_head *out)
{
    struct pn_err err = { 0 };

    CHECK_EQ(in->status, out->status);
    tell(&w.stage, &w.responses);
    if (!w.aborts_in_response)
        return;
    pn_fail(&err, PN_FORBIDDEN, "no more");
    pn_forward_abort(w.forward, &err);
}

static void on_refused(void *owner PN_UNUSED, struct pn_exchange *exchange,
                       const struct pn_err *err)
{
    struct pn_http_head head = { .status = pn_code_status(err->code) };

    tell(&w.stage, &w.refusals);
    pn_exchange_answer(exchange, &head, PN_LIT("refused"));
}

static bool on_broken(void *owner, const struct pn_err *err, struct pn_buf *status)
{
    CHECK(owner == &w);
    CHECK(err->code != PN_OK);
    return pn_buf_add(status, PN_LIT("{}"));
}

static void on_done(void *owner, const struct pn_forward_result *result)
{
    CHECK(owner == &w);
    w.result = *result;
    w.forward = NULL;
    tell(&w.stage, &w.done);
}

static const struct pn_forward_events events = {
    .response = on_response, .refused = on_refused, .broken = on_broken, .done = on_done
};

static void on_request(void *context PN_UNUSED, struct pn_exchange *x)
{
    struct pn_http_field field = { PN_LIT("Impersonate-User"), PN_LIT("jane") };
    struct pn_http_head head = *x->request;

    head.fields = &field;
    head.count = 1;
    head.expects_continue = head.wants_close = false;
    w.forward = pn_forward_start(x, w.origin, &head, &w.what, w.deadline_ms, &events, &w);
    tell(&w.stage, &w.started);
}

static void on_dialled(void *connect, struct pn_stream *socket, const struct pn_err *err)
{
    if (socket != NULL)
        pn_connect_done(connect, socket, w.upstream_is_h2);
    else
        pn_connect_failed(connect, err);
}

static void connect_to(void *context PN_UNUSED, struct pn_connect *connect, bool wants_h1 PN_UNUSED)
{
    struct pn_endpoint to = { "127.0.0.1", w.port };
    struct pn_err err = { 0 };

    pn_fail(&err, PN_UNREACHABLE, "no way");
    if (w.is_unreachable)
        pn_connect_failed(connect, &err);
    else
        pn_dial(w.stage.loop, &to, 5000, on_dialled, connect);
}

static void make_both(void *argument PN_UNUSED)
{
    struct pn_http_server_config server = { .request = on_request };
    struct pn_origin_config origin = { .connect = connect_to,
                                       .max_connections = 4,
                                       .max_waiting = 10 };

    w.server = pn_http_server_new(w.stage.loop, &server);
    w.origin = pn_origin_new(w.stage.loop, &origin);
}

static void free_both(void *argument PN_UNUSED)
{
    pn_http_server_free(w.server);
    pn_origin_free(w.origin);
}

static int open_world(void **state PN_UNUSED)
{
    w = (struct world){ 0 };
    stage_open(&w.stage);
    w.listener = listen_any(&w.port);
    on_stage(&w.stage, make_both, NULL);
    return 0;
}

static int close_world(void **state PN_UNUSED)
{
    on_stage(&w.stage, free_both, NULL);
    stage_close(&w.stage);
    close(w.listener);
    return 0;
}

static void serve_next(void *argument PN_UNUSED)
{
    struct pn_stream *stream;
    struct pn_err err = { 0 };

    CHECK_OK(pn_socket_stream(w.stage.loop, w.next_fd, &stream, &err), err);
    pn_http_serve(w.server, stream, w.client_is_h2, PN_LIT("192.0.2.1"), &w);
}

static int client_new(void)
{
    int fds[2];

    tcp_pair(fds);
    w.next_fd = fds[1];
    on_stage(&w.stage, serve_next, NULL);
    return fds[0];
}

static int upstream_new(void)
{
    int fd = accept(w.listener, NULL, NULL);

    CHECK(fd >= 0);
    socket_patience(fd);
    return fd;
}

#define GET "GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n"
#define GOT "GET /x?y HTTP/1.1\r\nHost: h\r\nImpersonate-User: jane\r\n\r\n"

PN_TEST(a_request_and_its_answer)
{
    int client = client_new(), upstream;

    say(client, "GET /x?y HTTP/1.1\r\nHost: h\r\nImpersonate-User: root\r\nConnection: "
                "Impersonate-User\r\n\r\n");
    upstream = upstream_new();
    EXPECT(upstream, GOT);
    say(upstream, "HTTP/1.1 200 OK\r\nA: b\r\nHop: dropped\r\nKeep-Alive: 5\r\nConnection: "
                  "keep-alive, hop\r\n"
                  "Content-Length: 5\r\n\r\nhello");
    EXPECT(client, "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello");
    AWAIT(&w.stage, w.done, 1);
    CHECK(w.result.is_clean && !w.result.is_upgraded);
    CHECK_EQ(w.result.status, 200);
    CHECK_EQ(w.result.response_bytes, 5);
    say(client, GET); /* both connections are used again */
    EXPECT(upstream, GOT);
    say(upstream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    EXPECT(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    close(client);
    close(upstream);
}

PN_TEST(bodies_stream_both_ways)
{
    int client = client_new(), upstream;

    say(client, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    upstream = upstream_new();
    EXPECT(upstream, "POST /x HTTP/1.1\r\nHost: h\r\nImpersonate-User: jane\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n"
                     "3\r\nabc\r\n");
    say(client, "0\r\nImpersonate-User: root\r\n\r\n");
    EXPECT(upstream, "0\r\n\r\n"); /* trailers end here */
    say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT(
        client,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); /* a watch without an event yet */
    say(upstream, "2\r\nde\r\n");
    EXPECT(client, "2\r\nde\r\n");
    say(upstream, "0\r\nX: y\r\n\r\n");
    EXPECT(client, "0\r\n\r\n");
    AWAIT(&w.stage, w.done, 1);
    CHECK(w.result.is_clean);
    CHECK_EQ(w.result.request_bytes, 3);
    CHECK_EQ(w.result.response_bytes, 2);
    close(client);
    close(upstream);
}

PN_TEST(continue_waits_for_the_upstream)
{
    int client = client_new(), upstream;

    say(client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    upstream = upstream_new();
    EXPECT(client, "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "abc");
    EXPECT(upstream,
           "POST /x HTTP/1.1\r\nHost: h\r\nImpersonate-User: jane\r\nContent-Length: 3\r\n\r\nabc");
    say(upstream, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    EXPECT(client, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    close(client);
    close(upstream);
}

#define UPGRADE "GET /exec HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

PN_TEST(an_upgrade_joins_the_two)
{
    int client = client_new(), upstream;

    say(client, UPGRADE "early");
    upstream = upstream_new();
    EXPECT(upstream,
           "GET /exec HTTP/1.1\r\nHost: h\r\nImpersonate-User: jane\r\nConnection: Upgrade\r\n"
           "Upgrade: websocket\r\n\r\n");
    say(upstream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                  "websocket\r\nA: b\r\n\r\nhi");
    EXPECT(client, "HTTP/1.1 101 Switching Protocols\r\nA: b\r\nConnection: Upgrade\r\nUpgrade: "
                   "websocket\r\n\r\nhi");
    EXPECT(upstream, "early");
    shutdown(client, SHUT_WR);
    EXPECT_END(upstream);
    say(upstream, " after half-close");
    EXPECT(client, " after half-close");
    shutdown(upstream, SHUT_WR);
    EXPECT_END(client);
    AWAIT(&w.stage, w.done, 1);
    CHECK(w.result.is_clean && w.result.is_upgraded);
    CHECK_EQ(w.result.status, 101);
    CHECK_EQ(w.result.request_bytes, 5);
    CHECK_EQ(w.result.response_bytes, 19);
    close(client);
    close(upstream);
}

/* CVE-2018-1002105: only a real 101 gives the client a raw connection. */
PN_TEST(only_101_upgrades)
{
    static const char *const answers[] = { "200 OK", "302 Found", "204 No Content" };

    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        char line[128];
        int client = client_new(), upstream;

        say(client, UPGRADE);
        upstream = upstream_new();
        read_head(upstream);
        snprintf(line, sizeof(line),
                 "HTTP/1.1 %s\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", answers[i]);
        say(upstream, line);
        EXPECT(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\nrefused");
        EXPECT_END(upstream); /* and nothing of the client's ever came */
        close(client);
        close(upstream);
    }
    AWAIT(&w.stage, w.done, 3);
    CHECK(!w.result.is_clean && !w.result.is_upgraded);
}

/* A backend behind pods/proxy answers what it likes: it must not choose the protocol, nor kill us. */
PN_TEST(a_101_must_name_what_was_asked_for)
{
    static const char *const fields[] = { "", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n",
                                          "Connection: Upgrade\r\nUpgrade: h2c\r\n" };

    for (size_t i = 0; i < PN_COUNT(fields); i++) {
        char answer[128];
        int client = client_new(), upstream;

        say(client, UPGRADE);
        upstream = upstream_new();
        read_head(upstream);
        snprintf(answer, sizeof(answer), "HTTP/1.1 101 Switching Protocols\r\n%s\r\n", fields[i]);
        say(upstream, answer);
        EXPECT(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\nrefused");
        CHECK(is_reset(upstream));
        close(client);
        close(upstream);
    }
    AWAIT(&w.stage, w.done, 4);
    CHECK(!w.result.is_upgraded);
}

/* Writes until nobody takes more. */
static size_t fill(int fd)
{
    static const char bytes[65536];
    struct pollfd wish = { .fd = fd, .events = POLLOUT };
    size_t filled = 0;

    while (poll(&wish, 1, 200) == 1) {
        ssize_t n = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);

        CHECK(n > 0 || errno == EAGAIN);
        filled += n > 0 ? (size_t)n : 0;
    }
    return filled;
}

/* What was read of the body and could not be sent before the 101 is sent after it. */
PN_TEST(an_upgrade_loses_no_byte_of_a_body)
{
    static char bytes[65536];
    int client = client_new(), upstream;
    size_t filled, received = 0;
    ssize_t n;

    say(client, "POST /exec HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                "Content-Length: 1000000000\r\n\r\n");
    upstream = upstream_new();
    read_head(upstream);
    filled = fill(client);
    say(upstream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                  "websocket\r\n\r\n");
    shutdown(client, SHUT_WR);
    while ((n = recv(upstream, bytes, sizeof(bytes), 0)) > 0)
        received += (size_t)n;
    CHECK_EQ(n, 0);
    CHECK_EQ(received, filled);
    close(client);
    close(upstream);
    AWAIT(&w.stage, w.done, 1);
}

PN_TEST(a_denied_upgrade_is_passed_on_as_an_answer)
{
    int client = client_new(), upstream;

    say(client, UPGRADE);
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    EXPECT(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.status, 403);
    EXPECT_END(upstream); /* its connection is not kept, whatever the backend thinks */
    close(client);
    close(upstream);
}

PN_TEST(an_abort_upstream_is_an_abort_for_the_client)
{
    int client = client_new(), upstream;

    say(client, GET);
    upstream = upstream_new();
    EXPECT(upstream, GOT);
    say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    EXPECT(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    close(upstream);
    CHECK(is_reset(client));
    AWAIT(&w.stage, w.done, 1);
    CHECK(!w.result.is_clean);
    CHECK_EQ(w.result.err.code, PN_UNREACHABLE);
    CHECK_EQ(w.result.response_bytes, 3);
    close(client);
}

PN_TEST(a_client_that_leaves_is_an_abort_upstream)
{
    int client = client_new(), upstream;

    say(client, GET);
    upstream = upstream_new();
    EXPECT(upstream, GOT);
    close(client); /* before the answer */
    CHECK(is_reset(upstream));
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.refusals, 0);
    close(upstream);
    client = client_new();
    say(client, GET);
    upstream = upstream_new();
    EXPECT(upstream, GOT);
    say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    close(client); /* in the middle of a quiet watch */
    CHECK(is_reset(upstream));
    AWAIT(&w.stage, w.done, 2);
    CHECK(!w.result.is_clean);
    close(upstream);
}

PN_TEST(no_upstream_is_refused)
{
    int client = client_new();

    w.is_unreachable = true;
    say(client, GET);
    EXPECT(client, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\nrefused");
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.status, 0);
    CHECK_EQ(w.result.err.code, PN_UNREACHABLE);
    close(client);
}

PN_TEST(a_slow_upstream_is_refused)
{
    int client = client_new(), upstream;

    w.deadline_ms = 50;
    say(client, GET);
    upstream = upstream_new();
    EXPECT(client, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 7\r\n\r\nrefused");
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.err.code, PN_TIMEOUT);
    CHECK(is_reset(upstream));
    close(client);
    close(upstream);
}

static void end_now(void *argument PN_UNUSED)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_FORBIDDEN, "the session has ended");
    pn_forward_end(w.forward, &err, PN_LIT("{}"));
}

PN_TEST(an_owner_may_end_it_before_the_answer_and_after)
{
    int client = client_new(), upstream;

    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    on_stage(&w.stage, end_now, NULL);
    EXPECT(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrefused");
    CHECK(is_reset(upstream));
    close(upstream);
    AWAIT(&w.stage, w.done, 1);
    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    EXPECT(client, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    on_stage(&w.stage, end_now, NULL);
    CHECK(is_reset(client));
    CHECK(is_reset(upstream));
    AWAIT(&w.stage, w.done, 2);
    CHECK_EQ(w.result.err.code, PN_FORBIDDEN);
    close(client);
    close(upstream);
}

static void reset(int fd)
{
    const struct linger now = { .l_onoff = 1 };

    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}

static void open_exec(int *client, int *upstream)
{
    w.what = (struct pn_farewell_facts){ .verb = PN_LIT("get"), .subresource = PN_LIT("exec") };
    *client = client_new();
    say(*client, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    *upstream = upstream_new();
    read_head(*upstream);
    say(*upstream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                   "Upgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n");
    read_head(*client);
}
#define FAREWELL "\x82\x03\x03{}\x88\x02\x03\xe8"

PN_TEST(a_farewell_waits_for_its_place_and_ends_properly)
{
    int client, upstream;

    open_exec(&client, &upstream);
    say(upstream, "\x82\x04\x01"
                  "ab");
    EXPECT(client, "\x82\x04\x01"
                   "ab");
    on_stage(&w.stage, end_now, NULL);
    say(client, "typed after the end");
    say(upstream, "c\x82\x02\x01"
                  "d");
    EXPECT(client, "c" FAREWELL);
    EXPECT_END(client);
    CHECK(is_reset(upstream));
    CHECK_EQ(told(&w.done), 0); /* the client still has to read it */
    close(client);
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.request_bytes, 0);
    CHECK_EQ(w.result.err.code, PN_FORBIDDEN);
    close(upstream);
}

PN_TEST(a_farewell_is_said_at_once_where_it_can_be)
{
    int client, upstream;

    open_exec(&client, &upstream);
    on_stage(&w.stage, end_now, NULL);
    EXPECT(client, FAREWELL);
    EXPECT_END(client);
    on_stage(&w.stage, end_now, NULL); /* twice is once */
    close(client);
    AWAIT(&w.stage, w.done, 1);
    close(upstream);
}

PN_TEST(without_a_place_for_a_farewell_it_is_a_reset)
{
    int client, upstream;

    open_exec(&client, &upstream);
    say(upstream, "\x82\x04\x01"
                  "ab");
    EXPECT(client, "\x82\x04\x01"
                   "ab");
    on_stage(&w.stage, end_now, NULL);
    CHECK(is_reset(client));
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.err.code, PN_FORBIDDEN);
    close(client);
    close(upstream);
}

PN_TEST(a_farewell_ends_a_watch_with_its_last_chunk)
{
    int client = client_new(), upstream;

    w.what.verb = PN_LIT("watch");
    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n");
    read_head(client);
    EXPECT(client, "2\r\na\n\r\n");
    on_stage(&w.stage, end_now, NULL);
    EXPECT(client, "1d\r\n{\"type\":\"ERROR\",\"object\":{}}\n\r\n0\r\n\r\n");
    AWAIT(&w.stage, w.done, 1);
    CHECK(is_reset(upstream));
    close(client);
    close(upstream);
}

/* An API server that breaks off: who waits reads why, if there is a place for it; what was cut in a frame is cut off. */
PN_TEST(an_upstream_that_breaks_off_is_explained)
{
    for (int in_frame = 0; in_frame < 2; in_frame++) {
        int client, upstream;

        open_exec(&client, &upstream);
        say(upstream, in_frame ? "\x82\x04\x01"
                                 "ab"
                               : "\x82\x03\x01"
                                 "ab");
        if (in_frame) {
            EXPECT(client, "\x82\x04\x01"
                           "ab");
        } else {
            EXPECT(client, "\x82\x03\x01"
                           "ab");
        }
        reset(upstream);
        if (in_frame) {
            CHECK(is_reset(client));
        } else {
            EXPECT(client, FAREWELL);
            EXPECT_END(client);
        }
        close(client);
        AWAIT(&w.stage, w.done, in_frame + 1);
        CHECK(!w.result.is_clean);
        CHECK_EQ(w.result.err.code, PN_UNREACHABLE);
    }
}

PN_TEST(a_watch_that_breaks_off_ends_with_an_error)
{
    int client = client_new(), upstream;

    w.what.verb = PN_LIT("watch");
    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n");
    read_head(client);
    EXPECT(client, "2\r\na\n\r\n");
    reset(upstream);
    EXPECT(client, "1d\r\n{\"type\":\"ERROR\",\"object\":{}}\n\r\n0\r\n\r\n");
    AWAIT(&w.stage, w.done, 1);
    CHECK(!w.result.is_clean);
    close(client);
}

PN_TEST(an_owner_may_abort_from_the_response)
{
    int client = client_new(), upstream;

    w.aborts_in_response = true;
    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    CHECK(is_reset(client));
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.err.code, PN_FORBIDDEN);
    close(client);
    close(upstream);
}

PN_TEST(an_answer_before_the_end_of_the_request_is_passed_on)
{
    int client = client_new(), upstream;

    say(client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc");
    upstream = upstream_new();
    read_head(upstream);
    say(upstream, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    EXPECT(client,
           "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    EXPECT_END(client);
    AWAIT(&w.stage, w.done, 1);
    CHECK_EQ(w.result.status, 413);
    close(client);
    close(upstream);
}

/* The client does not read: the upstream's bytes stop as well, soon. */
PN_TEST(a_stalled_client_stops_the_upstream)
{
    static char zeros[65536];
    int client = client_new(), upstream, small = 8192;
    size_t taken = 0;
    ssize_t n;

    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    say(client, GET);
    upstream = upstream_new();
    read_head(upstream);
    setsockopt(upstream, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    EXPECT(client, "HTTP/1.1 200 OK\r\n");
    for (struct pollfd p = { .fd = upstream, .events = POLLOUT }; poll(&p, 1, 300) == 1;) {
        n = send(upstream, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            taken += (size_t)n;
    }
    CHECK(taken < 32 * 1024 * 1024); /* what both kernels take; ours is 64 KiB */
    close(client);
    CHECK(is_reset(upstream));
    close(upstream);
}

/* ---- HTTP/2 on either side ---- */

PN_TEST(h2_client_h1_upstream)
{
    struct h2_peer *p;
    int32_t a, b;
    int one, two;

    w.client_is_h2 = true;
    p = peer_new(client_new(), false, 100);
    a = peer_ask(p, "GET", "/x?y", true);
    peer_flush(p);
    one = upstream_new();
    EXPECT(one, GOT);
    b = peer_ask(p, "POST", "/z", false); /* no length: chunks upstream */
    p->streams[b].to_send = PN_LIT("body");
    p->streams[b].may_end = true;
    peer_flush(p);
    two = upstream_new();
    EXPECT(two, "POST /z HTTP/1.1\r\nHost: h\r\nImpersonate-User: jane\r\nTransfer-Encoding: "
                "chunked\r\n\r\n");
    EXPECT(two, "4\r\nbody\r\n0\r\n\r\n");
    say(two, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n");
    PEER_UNTIL(p, p->streams[b].is_closed);
    CHECK_STR(peer_body(p, b), "two");
    say(one, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
    close(one);
    PEER_UNTIL(p, p->streams[a].is_closed);
    CHECK_STR(peer_body(p, a), "until the end");
    CHECK_EQ(p->streams[a].code, 0);
    peer_free(p);
    close(two);
}

PN_TEST(h1_client_h2_upstream)
{
    struct pn_http_head head = { .status = 200, .content_length = -1 };
    int client = client_new();
    struct h2_peer *p;
    struct pn_err err = { 0 };

    w.upstream_is_h2 = true;
    say(client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    p = peer_new(upstream_new(), true, 100);
    PEER_UNTIL(p, p->streams[1].is_ended);
    CHECK_STR(peer_body(p, 1), "body");
    p->streams[1].to_send = PN_LIT("answer");
    CHECK_OK(pn_h2_respond(p->h2, 1, &head, &err), err);
    peer_flush(p);
    EXPECT(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\n");
    pn_h2_reset(p->h2, 1, 2); /* in the middle of it */
    peer_flush(p);
    CHECK(is_reset(client));
    AWAIT(&w.stage, w.done, 1);
    CHECK(!w.result.is_clean);
    close(client);
    peer_free(p);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
PN_TEST_MAIN(
    T(a_request_and_its_answer), T(bodies_stream_both_ways), T(continue_waits_for_the_upstream),
    T(an_upgrade_joins_the_two), T(only_101_upgrades), T(a_101_must_name_what_was_asked_for),
    T(an_upgrade_loses_no_byte_of_a_body), T(a_denied_upgrade_is_passed_on_as_an_answer),
    T(an_abort_upstream_is_an_abort_for_the_client), T(a_client_that_leaves_is_an_abort_upstream),
    T(no_upstream_is_refused), T(a_slow_upstream_is_refused),
    T(an_owner_may_end_it_before_the_answer_and_after),
    T(a_farewell_waits_for_its_place_and_ends_properly),
    T(a_farewell_is_said_at_once_where_it_can_be), T(without_a_place_for_a_farewell_it_is_a_reset),
    T(a_farewell_ends_a_watch_with_its_last_chunk), T(an_upstream_that_breaks_off_is_explained),
    T(a_watch_that_breaks_off_ends_with_an_error), T(an_owner_may_abort_from_the_response),
    T(an_answer_before_the_end_of_the_request_is_passed_on), T(a_stalled_client_stops_the_upstream),
    T(h2_client_h1_upstream), T(h1_client_h2_upstream))
