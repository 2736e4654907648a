/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <zlib.h>

#include "wire/farewell.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

#define STATUS PN_LIT("{\"status\":\"Failure\"}")
#define SENTENCE PN_LIT("the session has ended")

static struct pn_farewell_facts websocket(const char *subresource, const char *protocol)
{
    return (struct pn_farewell_facts){ .verb = PN_LIT("get"),
                                       .subresource = pn_str_from(subresource),
                                       .status = 101,
                                       .upgrade = PN_LIT("websocket"),
                                       .protocol = pn_str_from(protocol) };
}

static struct pn_farewell_facts spdy(const char *subresource, const char *protocol)
{
    return (struct pn_farewell_facts){ .verb = PN_LIT("create"),
                                       .subresource = pn_str_from(subresource),
                                       .status = 101,
                                       .upgrade = PN_LIT("SPDY/3.1"),
                                       .protocol = pn_str_from(protocol),
                                       .streams = 3 };
}

PN_TEST(kind_follows_from_request_and_answer)
{
    static const struct {
        const char *verb, *subresource, *upgrade, *protocol, *content_type;
        int status;
        enum pn_farewell_kind kind;
    } rows[] = {
        { "get", "exec", "websocket", "v5.channel.k8s.io", "", 101, PN_FAREWELL_CHANNELS },
        { "get", "attach", "WebSocket", "v4.base64.channel.k8s.io", "", 101, PN_FAREWELL_CHANNELS },
        { "get", "exec", "websocket", "", "", 101, PN_FAREWELL_CHANNELS },
        { "get", "exec", "websocket", "v9.unheard.of", "", 101, PN_FAREWELL_MESSAGES },
        { "get", "portforward", "websocket", "SPDY/3.1+portforward.k8s.io", "", 101,
          PN_FAREWELL_TUNNEL },
        { "get", "portforward", "websocket", "v4.channel.k8s.io", "", 101,
          PN_FAREWELL_PORT_CHANNELS },
        { "get", "log", "websocket", "binary.k8s.io", "", 101, PN_FAREWELL_MESSAGES },
        { "create", "exec", "SPDY/3.1", "v4.channel.k8s.io", "", 101, PN_FAREWELL_STREAMS },
        { "create", "portforward", "spdy/3.1", "portforward.k8s.io", "", 101, PN_FAREWELL_PORTS },
        { "create", "proxy", "SPDY/3.1", "", "", 101, PN_FAREWELL_NONE },
        { "create", "exec", "SPDY/3.1", "v4.channel.k8s.io", "", 403, PN_FAREWELL_NONE },
        { "watch", "", "", "", "application/json", 200, PN_FAREWELL_WATCH },
        { "watch", "", "", "", "application/json;as=Table;v=v1;g=meta.k8s.io", 200,
          PN_FAREWELL_WATCH },
        { "watch", "", "", "", "application/vnd.kubernetes.protobuf", 200, PN_FAREWELL_NONE },
        { "get", "log", "", "", "text/plain", 200, PN_FAREWELL_NONE },
        { "list", "", "", "", "application/json", 200, PN_FAREWELL_NONE },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct pn_farewell_facts facts = {
            .verb = pn_str_from(rows[i].verb),
            .subresource = pn_str_from(rows[i].subresource),
            .status = rows[i].status,
            .upgrade = pn_str_from(rows[i].upgrade),
            .protocol = pn_str_from(rows[i].protocol),
            .content_type = pn_str_from(rows[i].content_type),
        };
        struct pn_farewell *farewell = pn_farewell_new(&facts);

        CHECK_EQ(pn_farewell_kind(farewell), rows[i].kind);
        pn_farewell_free(farewell);
    }
}

static struct pn_buf words_of(struct pn_farewell *farewell)
{
    struct pn_buf out = pn_buf_init(4096);

    CHECK(pn_farewell_is_possible(farewell));
    CHECK(pn_farewell_add(farewell, STATUS, SENTENCE, &out));
    return out;
}

static void says(const struct pn_farewell_facts *facts, struct pn_str want)
{
    struct pn_farewell *farewell = pn_farewell_new(facts);
    pn_auto(pn_buf_drop) struct pn_buf out = words_of(farewell);

    CHECK(out.len >= want.len);
    assert_memory_equal(out.ptr, want.ptr, want.len);
    pn_farewell_free(farewell);
}

PN_TEST(channel_3_carries_the_status_then_the_close)
{
    const struct pn_farewell_facts v5 = websocket("exec", "v5.channel.k8s.io");
    const struct pn_farewell_facts v1 = websocket("exec", "channel.k8s.io");
    const struct pn_farewell_facts text = websocket("exec", "v4.base64.channel.k8s.io");

    says(&v5, PN_LIT("\x82\x15\x03{\"status\":\"Failure\"}\x88\x02\x03\xe8"));
    says(&v1, PN_LIT("\x82\x16\x03the session has ended\x88\x02\x03\xe8"));
    says(&text, PN_LIT("\x81\x1d"
                       "3eyJzdGF0dXMiOiJGYWlsdXJlIn0=\x88\x02\x03\xe8"));
}

PN_TEST(other_websockets_hear_it_in_the_close)
{
    const struct pn_farewell_facts log = websocket("log", "binary.k8s.io");
    const struct pn_farewell_facts ports = websocket("portforward", "v4.channel.k8s.io");

    says(&log, PN_LIT("\x88\x17\x03\xf0the session has ended"));
    says(&ports, PN_LIT("\x82\x16\x01the session has ended\x88\x17\x03\xf0the session has ended"));
}

PN_TEST(nothing_is_said_inside_a_message_or_after_the_close)
{
    const struct pn_farewell_facts facts = websocket("exec", "v5.channel.k8s.io");
    struct pn_farewell *farewell = pn_farewell_new(&facts);

    pn_farewell_down(farewell, BYTES(0x82, 0x02, 0x01));
    CHECK(!pn_farewell_is_possible(farewell));
    CHECK(!pn_farewell_is_lost(farewell));
    pn_farewell_down(farewell, BYTES('x'));
    CHECK(pn_farewell_is_possible(farewell));
    pn_farewell_down(farewell, BYTES(0x88, 0x02, 0x03, 0xe8));
    CHECK(pn_farewell_is_lost(farewell));
    pn_farewell_free(farewell);
}

PN_TEST(garbage_is_a_reset)
{
    const struct pn_farewell_facts ws = websocket("exec", "v5.channel.k8s.io");
    const struct pn_farewell_facts old = spdy("exec", "v4.channel.k8s.io");
    struct pn_farewell *a = pn_farewell_new(&ws), *b = pn_farewell_new(&old);

    pn_farewell_down(a, PN_LIT("HTTP/1.1 200 OK"));
    pn_farewell_up(b, BYTES(0x80, 9, 0, 1, 0, 0, 0, 10));
    CHECK(pn_farewell_is_lost(a) && !pn_farewell_is_possible(a));
    CHECK(pn_farewell_is_lost(b) && !pn_farewell_is_possible(b));
    pn_farewell_free(a);
    pn_farewell_free(b);
}

PN_TEST(watch_gets_an_error_event_on_a_line_of_its_own)
{
    const struct pn_farewell_facts facts = { .verb = PN_LIT("watch"),
                                             .status = 200,
                                             .content_type = PN_LIT("application/json") };
    struct pn_farewell *farewell = pn_farewell_new(&facts);

    pn_farewell_down(farewell, PN_LIT("{\"type\":"));
    CHECK(!pn_farewell_is_possible(farewell));
    pn_farewell_down(farewell, PN_LIT("\"ADDED\"}\n"));
    {
        pn_auto(pn_buf_drop) struct pn_buf out = words_of(farewell);

        CHECK_STR(pn_buf_str(&out), "{\"type\":\"ERROR\",\"object\":{\"status\":\"Failure\"}}\n");
    }
    pn_farewell_free(farewell);
}

/* ---- SPDY: what a client sends, with its own zlib stream ---- */

struct opener {
    z_stream zlib;
    struct pn_buf out;
};

static void open_stream(struct opener *o, uint32_t id, const char *type)
{
    pn_auto(pn_buf_drop) struct pn_buf block = pn_buf_init(256);
    char packed[512];

    pn_buf_add(&block, PN_LIT("\0\0\0\1\0\0\0\x0a"
                              "streamtype"));
    pn_buf_add_be(&block, strlen(type), 4);
    pn_buf_add_text(&block, type);
    o->zlib.next_in = (Bytef *)block.ptr;
    o->zlib.avail_in = (uInt)block.len;
    o->zlib.next_out = (Bytef *)packed;
    o->zlib.avail_out = sizeof(packed);
    CHECK_EQ(deflate(&o->zlib, Z_SYNC_FLUSH), Z_OK);
    pn_buf_add_be(&o->out, 0x80030001, 4);
    pn_buf_add_be(&o->out, 10 + sizeof(packed) - o->zlib.avail_out, 4);
    pn_buf_add_be(&o->out, id, 4);
    pn_buf_add_be(&o->out, 0, 4);
    pn_buf_add_be(&o->out, 0, 2);
    pn_buf_add_bytes(&o->out, packed, sizeof(packed) - o->zlib.avail_out);
}

static void opener_start(struct opener *o)
{
    memset(o, 0, sizeof(*o));
    o->out = pn_buf_init(1 << 20);
    CHECK_EQ(deflateInit(&o->zlib, 9), Z_OK);
    CHECK_EQ(deflateSetDictionary(&o->zlib, (const Bytef *)pn_spdy_dictionary.ptr, 1423), Z_OK);
}

static void opener_stop(struct opener *o)
{
    deflateEnd(&o->zlib);
    pn_buf_drop(&o->out);
}

PN_TEST(error_stream_carries_the_status_and_outputs_end)
{
    const struct pn_farewell_facts facts = spdy("exec", "v4.channel.k8s.io");
    struct pn_farewell *farewell = pn_farewell_new(&facts);
    pn_auto(pn_buf_drop) struct pn_buf want = pn_buf_init(1024);
    struct opener client;

    opener_start(&client);
    CHECK(!pn_farewell_is_possible(farewell)); /* no error stream yet */
    open_stream(&client, 1, "error");
    open_stream(&client, 3, "stdin");
    open_stream(&client, 5, "stdout");
    pn_farewell_up(farewell, pn_buf_str(&client.out));
    pn_spdy_add_data(&want, 1, true, STATUS);
    pn_spdy_add_data(&want, 5, true, PN_NONE);
    pn_spdy_add_goaway(&want, 5);
    {
        pn_auto(pn_buf_drop) struct pn_buf out = words_of(farewell);

        CHECK(pn_str_eq(pn_buf_str(&out), pn_buf_str(&want)));
    }
    pn_buf_clear(&client.out);
    open_stream(&client, 7, "stderr"); /* one more than it said: nobody inflates it */
    pn_farewell_up(farewell, pn_buf_str(&client.out));
    CHECK(pn_farewell_is_lost(farewell));
    opener_stop(&client);
    pn_farewell_free(farewell);
}

static struct pn_buf ports_open(struct pn_farewell *farewell, bool is_tunnel)
{
    struct pn_buf want = pn_buf_init(1024);
    pn_auto(pn_buf_drop) struct pn_buf down = pn_buf_init(1024);
    pn_auto(pn_buf_drop) struct pn_buf framed = pn_buf_init(2048);
    struct opener client;

    opener_start(&client);
    open_stream(&client, 1, "error");
    open_stream(&client, 3, "data");
    open_stream(&client, 5, "error");
    open_stream(&client, 7, "data");
    pn_spdy_add_data(&down, 3, false, PN_LIT("some bytes"));
    pn_spdy_add_data(&down, 1, true, PN_NONE);
    pn_spdy_add_data(&down, 3, true, PN_NONE); /* the first connection is over */
    if (is_tunnel) {
        pn_buf_add(&framed, BYTES(0x82, 0xfe));
        pn_buf_add_be(&framed, client.out.len, 2);
        pn_buf_add_be(&framed, 0, 4);
        pn_buf_add(&framed, pn_buf_str(&client.out));
        pn_farewell_up(farewell, pn_buf_str(&framed));
        pn_buf_clear(&framed);
        pn_ws_add(&framed, PN_WS_BINARY, pn_buf_str(&down));
        pn_farewell_down(farewell, pn_buf_str(&framed));
    } else {
        pn_farewell_up(farewell, pn_buf_str(&client.out));
        pn_farewell_down(farewell, pn_buf_str(&down));
    }
    opener_stop(&client);
    pn_spdy_add_data(&want, 5, true, SENTENCE);
    pn_spdy_add_data(&want, 7, true, PN_NONE);
    pn_spdy_add_goaway(&want, 7);
    return want;
}

PN_TEST(each_open_connection_of_a_port_forward_hears_it)
{
    const struct pn_farewell_facts facts = spdy("portforward", "portforward.k8s.io");
    struct pn_farewell *farewell = pn_farewell_new(&facts);
    pn_auto(pn_buf_drop) struct pn_buf want = ports_open(farewell, false);
    pn_auto(pn_buf_drop) struct pn_buf out = words_of(farewell);

    CHECK(pn_str_eq(pn_buf_str(&out), pn_buf_str(&want)));
    pn_farewell_free(farewell);
}

PN_TEST(tunnel_says_it_inside_a_message)
{
    const struct pn_farewell_facts facts = websocket("portforward", "SPDY/3.1+portforward.k8s.io");
    struct pn_farewell *farewell = pn_farewell_new(&facts);
    pn_auto(pn_buf_drop) struct pn_buf inner = ports_open(farewell, true);
    pn_auto(pn_buf_drop) struct pn_buf want = pn_buf_init(2048);
    pn_auto(pn_buf_drop) struct pn_buf out = words_of(farewell);

    pn_ws_add(&want, PN_WS_BINARY, pn_buf_str(&inner));
    pn_ws_add_close(&want, 1008, SENTENCE);
    CHECK(pn_str_eq(pn_buf_str(&out), pn_buf_str(&want)));
    pn_farewell_free(farewell);
}

PN_TEST(streams_are_bounded)
{
    const struct pn_farewell_facts facts = spdy("portforward", "portforward.k8s.io");
    struct pn_farewell *farewell = pn_farewell_new(&facts);
    struct opener client;

    opener_start(&client);
    for (uint32_t id = 1; id <= 2001; id += 2) {
        pn_buf_clear(&client.out);
        open_stream(&client, id, "data");
        CHECK(!pn_farewell_is_lost(farewell));
        pn_farewell_up(farewell, pn_buf_str(&client.out));
    }
    CHECK(pn_farewell_is_lost(farewell));
    opener_stop(&client);
    pn_farewell_free(farewell);
}

PN_TEST_MAIN(T(kind_follows_from_request_and_answer),
             T(channel_3_carries_the_status_then_the_close),
             T(other_websockets_hear_it_in_the_close),
             T(nothing_is_said_inside_a_message_or_after_the_close), T(garbage_is_a_reset),
             T(watch_gets_an_error_event_on_a_line_of_its_own),
             T(error_stream_carries_the_status_and_outputs_end),
             T(each_open_connection_of_a_port_forward_hears_it), T(tunnel_says_it_inside_a_message),
             T(streams_are_bounded))
