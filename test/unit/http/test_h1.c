/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "http/h1.h"

static struct pn_arena *arena;

static int make_arena(void **state)
{
    *state = arena = pn_arena_new(1024 * 1024);
    return 0;
}

static int free_arena(void **state)
{
    pn_arena_free(*state);
    return 0;
}

static enum pn_h1_result request(struct pn_str text, struct pn_http_head *head)
{
    struct pn_err err = { 0 };
    size_t used = 0;
    enum pn_h1_result result = pn_h1_parse_request(text, arena, head, &used, &err);

    if (result == PN_H1_BAD)
        CHECK(err.code == PN_PROTOCOL || err.code == PN_TOO_LARGE);
    if (result == PN_H1_DONE)
        CHECK_EQ(used, text.len);
    return result;
}

static enum pn_h1_result response(struct pn_str text, const char *method, struct pn_http_head *head)
{
    struct pn_err err = { 0 };
    size_t used = 0;
    enum pn_h1_result result =
        pn_h1_parse_response(text, arena, pn_str_from(method), head, &used, &err);

    if (result == PN_H1_DONE)
        CHECK_EQ(used, text.len);
    return result;
}

PN_TEST(request_is_taken_apart)
{
    struct pn_http_head head;

    CHECK_EQ(
        request(PN_LIT("POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-Y:  v w\t\r\ncontent-length: 5\r\n"
                       "Expect: 100-Continue\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
                       "SPDY/3.1\r\n\r\n"),
                &head),
        PN_H1_DONE);
    CHECK_STR(head.method, "POST");
    CHECK_STR(head.target, "/a?b");
    CHECK_STR(head.authority, "h:1");
    CHECK_STR(head.upgrade, "SPDY/3.1");
    CHECK_EQ(head.content_length, 5);
    CHECK_EQ(head.status, 0);
    CHECK(head.expects_continue && !head.is_last && !head.is_chunked && !head.wants_close);
    CHECK_EQ(head.count, 3);
    CHECK_STR(head.fields[0].name, "X-Y");
    CHECK_STR(head.fields[0].value, "v w");
}

PN_TEST(request_kinds_are_told_apart)
{
    struct pn_http_head head;

    CHECK_EQ(request(PN_LIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), &head), PN_H1_DONE);
    CHECK(head.is_last && head.content_length == -1 && head.upgrade.ptr == NULL);
    CHECK_EQ(request(PN_LIT("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n"), &head), PN_H1_DONE);
    CHECK(head.upgrade.ptr == NULL);
    CHECK_EQ(request(PN_LIT("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"), &head),
             PN_H1_DONE);
    CHECK(head.wants_close);
    CHECK_EQ(request(PN_LIT("GET / HTTP/1.0\r\n\r\n"), &head), PN_H1_DONE);
    CHECK(head.wants_close && head.is_http10);
    CHECK_EQ(
        request(PN_LIT("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"), &head),
        PN_H1_DONE);
    CHECK(head.is_chunked && !head.is_last);
    CHECK_EQ(request(PN_LIT("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n"), &head),
             PN_H1_DONE);
    CHECK_STR(head.target, "a.b:443");
    CHECK_EQ(request(PN_LIT("GET //evil/ HTTP/1.1\r\nHost: h\r\n\r\n"), &head), PN_H1_DONE);
    CHECK_STR(head.target, "//evil/");
    CHECK_EQ(request(PN_LIT("GET / HTTP/1.1\r\nHost:\r\nA: \xff\x80\r\n\r\n"), &head), PN_H1_DONE);
}

PN_TEST(bad_requests_are_refused)
{
    static const struct pn_str lines[] = {
        PN_LIT_INIT("GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET x:@evil/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET evil:80 HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("CONNECT /p HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("CONNECT u@h:1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET /\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.2\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET / http/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("G(T / HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT(" GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("\x16\x03\x01"),
        PN_LIT_INIT("GET / HTTP/1.1\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\n\r\n"),
        PN_LIT_INIT("\nGET"),
        PN_LIT_INIT("GET / HTTP/1.1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h/p\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA\tb: c\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\tA: b\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nnocolon\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n: v\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA\0: c\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\x7f\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        PN_LIT_INIT(
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        PN_LIT_INIT(
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n"),
        PN_LIT_INIT("GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
        PN_LIT_INIT(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n"),
    };
    struct pn_http_head head;

    for (size_t i = 0; i < PN_COUNT(lines); i++)
        if (request(lines[i], &head) != PN_H1_BAD)
            fail_msg("accepted: %.*s", PN_ARG(lines[i]));
}

/* Cut anywhere, a good head is unfinished, never bad and never done. */
PN_TEST(every_prefix_of_a_request_wants_more)
{
    struct pn_str text =
        PN_LIT("GET /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nA: b\r\n\r\nrest");
    struct pn_err err = { 0 };
    struct pn_http_head head;
    size_t used;

    for (size_t len = 0; len < text.len - 4; len++)
        CHECK_EQ(request(pn_str_slice(text, 0, len), &head), PN_H1_MORE);
    CHECK_EQ(pn_h1_parse_request(text, arena, &head, &used, &err), PN_H1_DONE);
    CHECK_EQ(used, text.len - 4);
}

PN_TEST(limits_hold)
{
    struct pn_buf big = pn_buf_init(256 * 1024);
    struct pn_http_head head;
    struct pn_err err = { 0 };
    size_t used;

    pn_buf_add_text(&big, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 99; i++)
        pn_buf_add_text(&big, "A: b\r\n");
    pn_buf_add_text(&big, "\r\n");
    CHECK_EQ(request(pn_buf_str(&big), &head), PN_H1_DONE);
    CHECK_EQ(head.count, 99); /* and Host */
    big.len -= 2;
    pn_buf_add_text(&big, "A: b\r\n\r\n");
    CHECK_EQ(pn_h1_parse_request(pn_buf_str(&big), arena, &head, &used, &err), PN_H1_BAD);
    CHECK_EQ(err.code, PN_TOO_LARGE);
    pn_err_clear(&err);

    pn_buf_clear(&big);
    pn_buf_add_text(&big, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
    while (big.len < PN_HTTP_MAX_HEAD_BYTES - 1)
        pn_buf_add_byte(&big, 'a');
    CHECK_EQ(pn_h1_parse_request(pn_buf_str(&big), arena, &head, &used, &err), PN_H1_MORE);
    pn_buf_add_byte(&big, 'a');
    CHECK_EQ(pn_h1_parse_request(pn_buf_str(&big), arena, &head, &used, &err), PN_H1_BAD);
    CHECK_EQ(err.code, PN_TOO_LARGE);
    pn_err_clear(&err);

    pn_buf_clear(&big);
    pn_buf_add_text(&big, "GET /");
    while (big.len < PN_HTTP_MAX_TARGET_BYTES + 5)
        pn_buf_add_byte(&big, 'a');
    pn_buf_add_text(&big, " HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_EQ(pn_h1_parse_request(pn_buf_str(&big), arena, &head, &used, &err), PN_H1_BAD);
    CHECK_EQ(err.code, PN_TOO_LARGE);
    pn_buf_drop(&big);
}

PN_TEST(response_is_taken_apart)
{
    struct pn_http_head head;

    CHECK_EQ(response(PN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n"), "GET", &head),
             PN_H1_DONE);
    CHECK_EQ(head.status, 200);
    CHECK_EQ(head.content_length, 3);
    CHECK(!head.is_last && !head.wants_close);
    CHECK_EQ(pn_h1_body_of(&head).framing, PN_H1_LENGTH);
    CHECK_EQ(response(PN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), "HEAD", &head),
             PN_H1_DONE);
    CHECK(head.is_last && pn_h1_body_of(&head).is_done);
    CHECK_EQ(response(PN_LIT("HTTP/1.1 304\r\n\r\n"), "GET", &head), PN_H1_DONE);
    CHECK(head.is_last);
    CHECK_EQ(response(PN_LIT("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                             "websocket\r\n\r\n"),
                      "GET", &head),
             PN_H1_DONE);
    CHECK_STR(head.upgrade, "websocket");
    CHECK_EQ(response(PN_LIT("HTTP/1.1 500 \r\nConnection: close\r\n\r\n"), "GET", &head),
             PN_H1_DONE);
    CHECK(head.wants_close);
    CHECK_EQ(pn_h1_body_of(&head).framing, PN_H1_UNTIL_CLOSE);
}

PN_TEST(bad_responses_are_refused)
{
    static const struct pn_str lines[] = {
        PN_LIT_INIT("HTTP/1.1 20 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 2000 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 099 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 600 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1  200 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 +20 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/3.1 200 OK\r\n\r\n"),
        PN_LIT_INIT("ICY 200 OK\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 200 a\0b\r\n\r\n"),
        PN_LIT_INIT("\0"),
        PN_LIT_INIT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        PN_LIT_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    };
    struct pn_http_head head;

    for (size_t i = 0; i < PN_COUNT(lines); i++)
        if (response(lines[i], "GET", &head) != PN_H1_BAD)
            fail_msg("accepted: %.*s", PN_ARG(lines[i]));
}

/* Reads a body in pieces of `step` bytes; the text of it, or NULL when malformed or not over. */
static const char *read_body(struct pn_h1_body body, struct pn_str in, size_t step, size_t *taken)
{
    static char text[256];
    size_t len = 0, at = 0, used;
    struct pn_err err = { 0 };
    struct pn_str data;

    for (;;) {
        enum pn_h1_result result =
            pn_h1_body_read(&body, pn_str_slice(in, at, at + step), &used, &data, &err);

        if (result == PN_H1_BAD)
            return NULL;
        memcpy(text + len, data.ptr != NULL ? data.ptr : "", data.len);
        len += data.len;
        at += used;
        if (result == PN_H1_DONE)
            break;
        if (used == 0)
            return NULL;
    }
    text[len] = '\0';
    *taken = at;
    return text;
}

PN_TEST(chunked_body_is_the_same_however_it_is_cut)
{
    struct pn_str in = PN_LIT("4\r\nWiki\r\n5;a=\"b\"\r\npedia\r\nA\r\n in chunks\r\n0\r\nTrailer: "
                              "x\r\nB: c\r\n\r\nNEXT");
    struct pn_h1_body body = { .framing = PN_H1_CHUNKED };
    size_t taken;

    for (size_t step = 1; step <= in.len; step++) {
        const char *text = read_body(body, in, step, &taken);

        CHECK(text != NULL);
        CHECK_STR(pn_str_from(text), "Wikipedia in chunks");
        CHECK_EQ(taken, in.len - 4);
    }
}

PN_TEST(malformed_chunks_are_refused)
{
    static const struct pn_str bodies[] = {
        PN_LIT_INIT("\r\n"),
        PN_LIT_INIT(";x\r\n"),
        PN_LIT_INIT("g\r\n"),
        PN_LIT_INIT("4 \r\nWiki"),
        PN_LIT_INIT("0x4\r\nWiki"),
        PN_LIT_INIT("+4\r\nWiki"),
        PN_LIT_INIT("4\nWiki"),
        PN_LIT_INIT("4\r\nWikiX"),
        PN_LIT_INIT("4\r\nWiki\n"),
        PN_LIT_INIT("4\r\nWiki\rX"),
        PN_LIT_INIT("4\rX"),
        PN_LIT_INIT("4;\x01\r\n"),
        PN_LIT_INIT("0\r\n\n"),
        PN_LIT_INIT("0\r\n\rX"),
        PN_LIT_INIT("0\r\n: x\r\n\r\n"),
        PN_LIT_INIT("0\r\nA\0\r\n"),
        PN_LIT_INIT("0\r\n A: x\r\n"),
        PN_LIT_INIT("10000000000000000\r\n"),
        PN_LIT_INIT("8000000000000000\r\n"),
        PN_LIT_INIT("4;\nWiki"),
    };
    size_t taken;

    for (size_t i = 0; i < PN_COUNT(bodies); i++) {
        struct pn_h1_body body = { .framing = PN_H1_CHUNKED };
        struct pn_err err = { 0 };
        struct pn_str data;
        size_t used;
        enum pn_h1_result result = PN_H1_MORE;

        CHECK(read_body(body, bodies[i], 1, &taken) == NULL);
        for (struct pn_str in = bodies[i]; in.len > 0 && result == PN_H1_MORE;
             in = pn_str_slice(in, used, in.len))
            result = pn_h1_body_read(&body, in, &used, &data, &err);
        if (result != PN_H1_BAD)
            fail_msg("accepted: %.*s", PN_ARG(bodies[i]));
    }
}

PN_TEST(chunk_lines_and_trailers_are_bounded)
{
    struct pn_h1_body body = { .framing = PN_H1_CHUNKED };
    struct pn_err err = { 0 };
    struct pn_str data;
    enum pn_h1_result result;
    size_t used;
    unsigned count = 0;

    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("1;"), &used, &data, &err), PN_H1_MORE);
    do
        result = pn_h1_body_read(&body, PN_LIT("x"), &used, &data, &err);
    while (result == PN_H1_MORE && ++count < 100000);
    CHECK_EQ(result, PN_H1_BAD);
    CHECK(count < 2000);

    pn_err_clear(&err);
    body = (struct pn_h1_body){ .framing = PN_H1_CHUNKED };
    count = 0;
    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("0\r\n"), &used, &data, &err), PN_H1_MORE);
    do
        result = pn_h1_body_read(&body, PN_LIT("A: b\r\n"), &used, &data, &err);
    while (result == PN_H1_MORE && ++count < 100000);
    CHECK_EQ(result, PN_H1_BAD);
    CHECK(count < 4000);
}

PN_TEST(bodies_of_a_length_end_there)
{
    struct pn_h1_body body = { .framing = PN_H1_LENGTH, .left = 5 };
    struct pn_err err = { 0 };
    struct pn_str data;
    size_t used;

    CHECK(!pn_h1_body_may_end(&body));
    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("abc"), &used, &data, &err), PN_H1_MORE);
    CHECK_EQ(used, 3);
    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("deGET"), &used, &data, &err), PN_H1_DONE);
    CHECK_STR(data, "de");
    CHECK_EQ(used, 2);
    CHECK(pn_h1_body_may_end(&body));
    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("GET"), &used, &data, &err), PN_H1_DONE);
    CHECK_EQ(used, 0);

    body = (struct pn_h1_body){ .framing = PN_H1_UNTIL_CLOSE };
    CHECK_EQ(pn_h1_body_read(&body, PN_LIT("abc"), &used, &data, &err), PN_H1_MORE);
    CHECK_STR(data, "abc");
    CHECK(pn_h1_body_may_end(&body));
    body = (struct pn_h1_body){ .framing = PN_H1_CHUNKED };
    CHECK(!pn_h1_body_may_end(&body));
}

PN_TEST(what_is_printed_can_be_read)
{
    struct pn_http_field fields[] = {
        { PN_LIT_INIT("A"), PN_LIT_INIT("b") },
        { PN_LIT_INIT("Connection"), PN_LIT_INIT("A") },
        { PN_LIT_INIT("Content-Length"), PN_LIT_INIT("77") },
        { PN_LIT_INIT("host"), PN_LIT_INIT("evil") },
        { PN_LIT_INIT("Empty"), PN_LIT_INIT("") },
    };
    struct pn_http_head head = { .method = PN_LIT("POST"),
                                 .target = PN_LIT("/x"),
                                 .authority = PN_LIT("h"),
                                 .fields = fields,
                                 .count = PN_COUNT(fields),
                                 .content_length = 7 };
    struct pn_buf out = pn_buf_init(4096);
    struct pn_http_head back;

    CHECK(pn_h1_print_request(&head, &out));
    CHECK_STR(pn_buf_str(&out),
              "POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\nEmpty: \r\nContent-Length: 7\r\n\r\n");
    CHECK_EQ(request(pn_buf_str(&out), &back), PN_H1_DONE);
    CHECK_EQ(back.count, 2);
    pn_buf_clear(&out);

    head.is_chunked = true;
    head.content_length = -1;
    head.upgrade = PN_LIT("websocket");
    head.expects_continue = true;
    CHECK(pn_h1_print_request(&head, &out));
    CHECK_EQ(request(pn_buf_str(&out), &back), PN_H1_DONE);
    CHECK(back.is_chunked && back.expects_continue);
    CHECK_STR(back.upgrade, "websocket");
    pn_buf_clear(&out);

    head = (struct pn_http_head){ .status = 200, .content_length = 12, .wants_close = true };
    CHECK(pn_h1_print_response(&head, &out));
    CHECK_STR(pn_buf_str(&out),
              "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n");
    pn_buf_clear(&out);
    head =
        (struct pn_http_head){ .status = 101, .content_length = 0, .upgrade = PN_LIT("SPDY/3.1") };
    CHECK(pn_h1_print_response(&head, &out));
    CHECK_STR(
        pn_buf_str(&out),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    pn_buf_drop(&out);
}

PN_TEST(nothing_can_be_smuggled_into_a_printed_head)
{
    struct pn_http_field field = { PN_LIT_INIT("A"), PN_LIT_INIT("b\r\nImpersonate-User: root") };
    struct pn_http_head head = { .method = PN_LIT("GET"),
                                 .target = PN_LIT("/"),
                                 .authority = PN_LIT("h"),
                                 .fields = &field,
                                 .count = 1,
                                 .content_length = -1,
                                 .status = 200 };
    struct pn_buf out = pn_buf_init(4096), small = pn_buf_init(40);

    CHECK(!pn_h1_print_request(&head, &out));
    CHECK(!pn_h1_print_response(&head, &out));
    field = (struct pn_http_field){ PN_LIT("A: b\r\nC"), PN_LIT("d") };
    CHECK(!pn_h1_print_request(&head, &out));
    head.count = 0;
    head.target = PN_LIT("/ HTTP/1.1\r\nX: y\r\n\r\n");
    CHECK(!pn_h1_print_request(&head, &out));
    head.target = PN_LIT("/");
    head.authority = PN_LIT("h\r\nX: y");
    CHECK(!pn_h1_print_request(&head, &out));
    head.authority = PN_LIT("h");
    head.upgrade = PN_LIT("x\r\ny");
    CHECK(!pn_h1_print_request(&head, &out));
    head.upgrade = PN_LIT("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    CHECK(!pn_h1_print_request(&head, &small));
    pn_buf_drop(&out);
    pn_buf_drop(&small);
}

PN_TEST(chunk_line_is_hex)
{
    char line[PN_H1_CHUNK_LINE_BYTES];

    CHECK_STR(pn_str_of(line, pn_h1_chunk_line(0, line)), "0\r\n");
    CHECK_STR(pn_str_of(line, pn_h1_chunk_line(15, line)), "f\r\n");
    CHECK_STR(pn_str_of(line, pn_h1_chunk_line(16, line)), "10\r\n");
    CHECK_STR(pn_str_of(line, pn_h1_chunk_line(0x123456789abcdef0, line)), "123456789abcdef0\r\n");
    CHECK_STR(pn_str_of(line, pn_h1_chunk_line(SIZE_MAX, line)), "ffffffffffffffff\r\n");
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, make_arena, free_arena)
PN_TEST_MAIN(T(request_is_taken_apart), T(request_kinds_are_told_apart),
             T(bad_requests_are_refused), T(every_prefix_of_a_request_wants_more), T(limits_hold),
             T(response_is_taken_apart), T(bad_responses_are_refused),
             T(chunked_body_is_the_same_however_it_is_cut), T(malformed_chunks_are_refused),
             T(chunk_lines_and_trailers_are_bounded), T(bodies_of_a_length_end_there),
             T(what_is_printed_can_be_read), T(nothing_can_be_smuggled_into_a_printed_head),
             T(chunk_line_is_hex))
