/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "http/h2.h"

/* Two ends of one connection, joined by shuttle(); each writes down what happened. */
struct end {
    struct pn_h2 *h2;
    char log[4096];
    struct pn_buf body;    /* of what `stream` received */
    int32_t stream;        /* the last one with a head */
    struct pn_str to_send; /* what pull gives */
    bool may_end;          /* pull says end after to_send */
    bool fails_pull;
    bool refuses; /* on_head says false */
    bool consumes;
    uint64_t received;
};

static void note(struct end *e, const char *what, int32_t stream, uint64_t number)
{
    size_t at = strlen(e->log);

    snprintf(e->log + at, sizeof(e->log) - at, "%s %d %llu;", what, stream,
             (unsigned long long)number);
}

static bool on_head(void *owner, int32_t stream, void *user PN_UNUSED,
                    const struct pn_http_head *head)
{
    struct end *e = owner;

    note(e, head->is_last ? "last" : "head", stream, (uint64_t)head->status);
    e->stream = stream;
    return !e->refuses;
}

static void on_data(void *owner, int32_t stream, void *user PN_UNUSED, const char *bytes,
                    size_t len)
{
    struct end *e = owner;

    e->received += len;
    pn_buf_add_bytes(&e->body, bytes, len);
    if (e->consumes)
        pn_h2_consumed(e->h2, stream, len);
}

static void on_end(void *owner, int32_t stream, void *user PN_UNUSED)
{
    note(owner, "end", stream, 0);
}

static void on_close(void *owner, int32_t stream, void *user PN_UNUSED, uint32_t code)
{
    note(owner, "close", stream, code);
}

static ptrdiff_t pull(void *owner, int32_t stream PN_UNUSED, void *user PN_UNUSED, char *out,
                      size_t max, bool *is_end)
{
    struct end *e = owner;
    size_t len = e->to_send.len < max ? e->to_send.len : max;

    if (e->fails_pull)
        return PN_H2_PULL_FAILED;
    if (len == 0 && !e->may_end)
        return PN_H2_PULL_AGAIN;
    if (len > 0)
        memcpy(out, e->to_send.ptr, len);
    e->to_send = pn_str_slice(e->to_send, len, e->to_send.len);
    *is_end = e->may_end && e->to_send.len == 0;
    return (ptrdiff_t)len;
}

static void on_goaway(void *owner, int32_t last_stream, uint32_t code)
{
    note(owner, "goaway", last_stream, code);
}

static void on_pong(void *owner)
{
    note(owner, "pong", 0, 0);
}

static const struct pn_h2_events events = { on_head, on_data,   on_end, on_close,
                                            pull,    on_goaway, on_pong };

static struct end server, client;

static int make_ends(void **state PN_UNUSED)
{
    struct pn_h2_config config = { .is_server = true,
                                   .max_streams = 3,
                                   .stream_window_bytes = 65536,
                                   .connection_window_bytes = 1 << 20 };
    struct pn_err err = { 0 };

    server = client = (struct end){ .body = pn_buf_init(1 << 22), .may_end = true };
    CHECK_OK(pn_h2_new(&config, &events, &server, &server.h2, &err), err);
    config.is_server = false;
    CHECK_OK(pn_h2_new(&config, &events, &client, &client.h2, &err), err);
    return 0;
}

static int free_ends(void **state PN_UNUSED)
{
    pn_h2_free(server.h2);
    pn_h2_free(client.h2);
    pn_buf_drop(&server.body);
    pn_buf_drop(&client.body);
    return 0;
}

/* Carries what `from` has to say to `to`; the number of bytes. */
static size_t carry(struct end *from, struct end *to)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(1 << 22);
    struct pn_err err = { 0 };

    pn_h2_output(from->h2, &wire, SIZE_MAX);
    CHECK_OK(pn_h2_input(to->h2, pn_buf_str(&wire), &err), err);
    return wire.len;
}

static void shuttle(void)
{
    while (carry(&client, &server) + carry(&server, &client) > 0)
        ;
}

static struct pn_http_field fields[] = { { PN_LIT_INIT("Accept"), PN_LIT_INIT("x") },
                                         { PN_LIT_INIT("Connection"), PN_LIT_INIT("dropped") } };

static struct pn_http_head request_head(const char *method, bool is_last)
{
    return (struct pn_http_head){ .method = pn_str_from(method),
                                  .target = PN_LIT("/p?q"),
                                  .authority = PN_LIT("h:1"),
                                  .fields = fields,
                                  .count = PN_COUNT(fields),
                                  .content_length = -1,
                                  .is_last = is_last };
}

static int32_t ask(const char *method, bool is_last)
{
    struct pn_http_head head = request_head(method, is_last);
    struct pn_err err = { 0 };
    int32_t stream = pn_h2_request(client.h2, &head, &client, &err);

    CHECK(stream > 0);
    return stream;
}

static void answer(int32_t stream, int status, bool is_last)
{
    struct pn_http_head head = { .status = status, .content_length = -1, .is_last = is_last };
    struct pn_err err = { 0 };

    CHECK_OK(pn_h2_respond(server.h2, stream, &head, &err), err);
}

static bool look_at_head(void *owner, int32_t stream, void *user, const struct pn_http_head *head)
{
    CHECK_STR(head->method, "GET");
    CHECK_STR(head->target, "/p?q");
    CHECK_STR(head->authority, "h:1");
    CHECK_STR(head->scheme, "https");
    CHECK_EQ(head->count, 1);
    CHECK_STR(head->fields[0].name, "accept");
    CHECK_STR(head->fields[0].value, "x");
    CHECK_EQ(head->content_length, 12);
    return on_head(owner, stream, user, head);
}

PN_TEST(head_arrives_as_it_was_sent)
{
    struct pn_h2_config config = { .is_server = true,
                                   .max_streams = 3,
                                   .stream_window_bytes = 65536,
                                   .connection_window_bytes = 65536 };
    struct pn_h2_events looking = events;
    struct pn_http_head head = request_head("GET", false);
    struct pn_err err = { 0 };

    looking.on_head = look_at_head;
    pn_h2_free(server.h2);
    CHECK_OK(pn_h2_new(&config, &looking, &server, &server.h2, &err), err);
    head.content_length = 12;
    client.to_send = PN_LIT("twelve bytes");
    CHECK(pn_h2_request(client.h2, &head, NULL, &err) > 0);
    shuttle();
    CHECK_STR(pn_buf_str(&server.body), "twelve bytes");
    CHECK_STR(pn_str_from(server.log), "head 1 0;end 1 0;");
}

PN_TEST(request_and_answer)
{
    ask("GET", true);
    shuttle();
    CHECK_STR(pn_str_from(server.log), "last 1 0;end 1 0;");
    answer(1, 103, false);
    server.to_send = PN_LIT("hello");
    answer(1, 200, false);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "head 1 103;head 1 200;end 1 0;close 1 0;");
    CHECK_STR(pn_buf_str(&client.body), "hello");
    CHECK_STR(pn_str_from(server.log), "last 1 0;end 1 0;close 1 0;");
    CHECK_EQ(pn_h2_open_streams(server.h2), 0);
    CHECK_EQ(pn_h2_open_streams(client.h2), 0);
}

PN_TEST(connect_has_only_an_authority)
{
    struct pn_http_head head = { .method = PN_LIT("CONNECT"),
                                 .target = PN_LIT("g:443"),
                                 .content_length = -1 };
    struct pn_err err = { 0 };

    client.may_end = false;
    client.to_send = PN_LIT("up");
    CHECK(pn_h2_request(client.h2, &head, NULL, &err) > 0);
    shuttle();
    server.may_end = false;
    server.to_send = PN_LIT("down");
    answer(1, 200, false);
    shuttle();
    CHECK_STR(pn_buf_str(&server.body), "up");
    CHECK_STR(pn_buf_str(&client.body), "down");
    client.may_end = server.may_end = true;
    pn_h2_resume(client.h2, 1);
    pn_h2_resume(server.h2, 1);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "head 1 200;end 1 0;close 1 0;");
}

/* A reader that does not return its window stops its own stream and no other. */
PN_TEST(a_stalled_stream_stops_alone)
{
    static char big[600000];
    int32_t first = ask("POST", false);

    client.to_send = pn_str_of(big, sizeof(big));
    shuttle();
    CHECK_EQ(server.received, 65536);
    pn_h2_consumed(server.h2, first, 65536);
    shuttle();
    CHECK_EQ(server.received, 131072);
    server.consumes = true;
    client.may_end = false;
    ask("POST", false);
    shuttle();
    CHECK_EQ(server.received, 600000 - 0);
}

PN_TEST(resets_reach_the_other_side)
{
    ask("GET", true);
    shuttle();
    pn_h2_reset(server.h2, 1, 2);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "close 1 2;");
    CHECK_STR(pn_str_from(server.log), "last 1 0;end 1 0;close 1 2;");
    ask("POST", false);
    shuttle();
    server.fails_pull = true;
    answer(3, 200, false);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "close 1 2;head 3 200;close 3 2;");
}

/* Answered before the request's body was read: the answer first, all of it, then RST_STREAM(NO_ERROR). */
PN_TEST(no_error_waits_for_the_answer)
{
    client.may_end = false;
    ask("POST", false);
    shuttle();
    server.to_send = PN_LIT("no");
    answer(1, 413, false);
    pn_h2_reset(server.h2, 1, 0);
    shuttle();
    CHECK_STR(pn_buf_str(&client.body), "no");
    CHECK_STR(pn_str_from(client.log), "head 1 413;end 1 0;close 1 0;");
    CHECK_EQ(pn_h2_open_streams(server.h2), 0);
}

PN_TEST(a_stream_never_sent_is_closed_too)
{
    int32_t stream = ask("GET", true);

    pn_h2_reset(client.h2, stream, 8);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "close 1 8;");
    CHECK_EQ(pn_h2_open_streams(client.h2), 0);
    CHECK_STR(pn_str_from(server.log), "");
}

PN_TEST(streams_are_limited_by_the_peer)
{
    struct pn_http_head head = request_head("GET", true);
    struct pn_err err = { 0 };

    shuttle();
    CHECK_EQ(pn_h2_peer_max_streams(client.h2), 3);
    for (int i = 0; i < 3; i++)
        ask("GET", true);
    CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
    CHECK_EQ(err.code, PN_BUSY);
}

PN_TEST(goaway_refuses_what_came_later)
{
    struct pn_http_head head = request_head("GET", true);
    struct pn_err err = { 0 };

    ask("GET", true);
    shuttle();
    pn_h2_goaway(server.h2, 0);
    ask("GET", true); /* crosses the GOAWAY */
    carry(&server, &client);
    CHECK_STR(pn_str_from(client.log), "goaway 1 0;");
    shuttle();
    CHECK_STR(pn_str_from(client.log), "goaway 1 0;close 3 7;");
    CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
    CHECK(!pn_h2_is_over(client.h2));
    answer(1, 200, true);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "goaway 1 0;close 3 7;last 1 200;end 1 0;close 1 0;");
    CHECK(pn_h2_is_over(client.h2) && pn_h2_is_over(server.h2));
}

PN_TEST(refused_heads_reset_the_stream)
{
    server.refuses = true;
    ask("GET", true);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "close 1 7;");
    CHECK_STR(pn_str_from(server.log), "last 1 0;");
    CHECK_EQ(pn_h2_open_streams(server.h2), 0);
}

PN_TEST(pings_are_answered)
{
    pn_h2_ping(client.h2);
    shuttle();
    CHECK_STR(pn_str_from(client.log), "pong 0 0;");
}

PN_TEST(heads_are_limited)
{
    static char big[70000];
    struct pn_http_field many[PN_HTTP_MAX_FIELDS + 1],
        large = { PN_LIT("a"), pn_str_of(big, 40000) };
    struct pn_http_field two[2] = { large, large };
    struct pn_http_head head = request_head("GET", true);
    struct pn_err err = { 0 };

    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < PN_COUNT(many); i++)
        many[i] = (struct pn_http_field){ PN_LIT("a"), PN_LIT("b") };
    head.fields = many;
    head.count = PN_COUNT(many);
    CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
    pn_err_clear(&err);
    head.count--;
    CHECK(pn_h2_request(client.h2, &head, NULL, &err) > 0);
    shuttle();
    CHECK_STR(pn_str_from(server.log), "last 1 0;end 1 0;");
    head.fields = two;
    head.count = 2;
    CHECK(pn_h2_request(client.h2, &head, NULL, &err) > 0);
    shuttle();
    CHECK_STR(pn_str_from(server.log), "last 1 0;end 1 0;");
    CHECK(strncmp(client.log, "close 3 ", 8) == 0);
}

PN_TEST(malformed_heads_never_leave)
{
    static const struct pn_str bad[] = { PN_LIT_INIT("b\r\nc"), PN_LIT_INIT("b\0c"),
                                         PN_LIT_INIT("\x7f") };
    struct pn_http_head head = request_head("GET", true);
    struct pn_http_field field = { PN_LIT("a"), PN_NONE };
    struct pn_err err = { 0 };

    head.fields = &field;
    head.count = 1;
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        field.value = bad[i];
        CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
        pn_err_clear(&err);
    }
    head.count = 0;
    head.target = PN_LIT("*");
    CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
    pn_err_clear(&err);
    head.target = PN_LIT("/");
    head.authority = PN_NONE;
    CHECK_EQ(pn_h2_request(client.h2, &head, NULL, &err), -1);
}

PN_TEST(garbage_ends_the_connection)
{
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_h2_input(server.h2, PN_LIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), &err), err,
                PROTOCOL);
}

/* RST_STREAM floods (CVE-2023-44487): after the burst the server goes away. */
PN_TEST(rapid_resets_end_the_connection)
{
    struct pn_h2_config config = { .is_server = true,
                                   .max_streams = 3,
                                   .stream_window_bytes = 65536,
                                   .connection_window_bytes = 65536,
                                   .resets_per_second = 10 };
    struct pn_err err = { 0 };
    unsigned count = 0;

    pn_h2_free(server.h2);
    CHECK_OK(pn_h2_new(&config, &events, &server, &server.h2, &err), err);
    while (strstr(client.log, "goaway") == NULL && ++count < 100) {
        struct pn_http_head head = request_head("GET", true);
        int32_t stream = pn_h2_request(client.h2, &head, NULL, &err);

        client.log[0] = server.log[0] = '\0';
        carry(&client, &server);
        pn_h2_reset(client.h2, stream, 8);
        shuttle();
    }
    CHECK(count > 30 && count < 60);
    CHECK(pn_h2_is_over(server.h2));
}

PN_TEST(trailers_are_dropped)
{
    /* HEADERS of a GET without END_STREAM, then HEADERS with END_STREAM: a trailer "x: y". */
    static const uint8_t wire[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\0\4\0\0\0\0\0"
                                  "\0\0\6\1\4\0\0\0\1\x83\x84\x87\x41\1h"
                                  "\0\0\5\1\5\0\0\0\1\0\1x\1y";
    struct pn_err err = { 0 };

    CHECK_OK(pn_h2_input(server.h2, pn_str_of(wire, sizeof(wire) - 1), &err), err);
    CHECK_STR(pn_str_from(server.log), "head 1 0;end 1 0;");
}

PN_TEST(contradicting_host_is_refused)
{
    static const uint8_t wire[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\0\4\0\0\0\0\0"
                                  "\0\0\xd\1\5\0\0\0\1\x82\x84\x87\x41\1h\0\4host\1i";
    struct pn_err err = { 0 };

    CHECK_OK(pn_h2_input(server.h2, pn_str_of(wire, sizeof(wire) - 1), &err), err);
    CHECK_STR(pn_str_from(server.log), "");
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, make_ends, free_ends)
PN_TEST_MAIN(T(head_arrives_as_it_was_sent), T(request_and_answer),
             T(connect_has_only_an_authority), T(a_stalled_stream_stops_alone),
             T(resets_reach_the_other_side), T(no_error_waits_for_the_answer),
             T(a_stream_never_sent_is_closed_too), T(streams_are_limited_by_the_peer),
             T(goaway_refuses_what_came_later), T(refused_heads_reset_the_stream),
             T(pings_are_answered), T(heads_are_limited), T(malformed_heads_never_leave),
             T(garbage_ends_the_connection), T(rapid_resets_end_the_connection),
             T(trailers_are_dropped), T(contradicting_host_is_refused))
