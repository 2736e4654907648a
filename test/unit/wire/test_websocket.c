/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "wire/websocket.h"

static enum pn_ws_result parse(struct pn_str bytes, struct pn_ws_frame *frame)
{
    size_t used = 0;
    enum pn_ws_result result = pn_ws_parse(bytes, frame, &used);

    if (result == PN_WS_DONE)
        CHECK_EQ(used, bytes.len);
    return result;
}

PN_TEST(head_is_read_in_each_form)
{
    struct pn_ws_frame frame;

    CHECK_EQ(parse(BYTES(0x82, 0x03), &frame), PN_WS_DONE);
    CHECK(frame.is_final && !frame.is_masked);
    CHECK_EQ(frame.opcode, PN_WS_BINARY);
    CHECK_EQ(frame.length, 3);
    CHECK_EQ(parse(BYTES(0x01, 126, 0x01, 0x00), &frame), PN_WS_DONE);
    CHECK(!frame.is_final);
    CHECK_EQ(frame.length, 256);
    CHECK_EQ(parse(BYTES(0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4), &frame), PN_WS_DONE);
    CHECK(frame.is_masked);
    CHECK_EQ(frame.length, 65536);
    CHECK_EQ(frame.mask[3], 4);
}

PN_TEST(head_that_is_short_asks_for_more)
{
    static const uint8_t head[] = { 0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4 };
    struct pn_ws_frame frame;

    for (size_t len = 0; len < sizeof(head); len++)
        CHECK_EQ(parse(pn_str_of(head, len), &frame), PN_WS_MORE);
}

PN_TEST(heads_that_no_server_sends_are_refused)
{
    struct pn_ws_frame frame;

    CHECK_EQ(parse(BYTES(0xc2, 0x00), &frame), PN_WS_BAD);            /* RSV1: compression */
    CHECK_EQ(parse(BYTES(0x83, 0x00), &frame), PN_WS_BAD);            /* reserved opcode */
    CHECK_EQ(parse(BYTES(0x8b, 0x00), &frame), PN_WS_BAD);            /* reserved control */
    CHECK_EQ(parse(BYTES(0x09, 0x00), &frame), PN_WS_BAD);            /* ping in pieces */
    CHECK_EQ(parse(BYTES(0x89, 126, 0x00, 0x80), &frame), PN_WS_BAD); /* long ping */
    CHECK_EQ(parse(BYTES(0x82, 126, 0x00, 125), &frame), PN_WS_BAD);  /* not the shortest */
    CHECK_EQ(parse(BYTES(0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff), &frame), PN_WS_BAD);
    CHECK_EQ(parse(BYTES(0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0), &frame), PN_WS_BAD);
}

struct seen {
    char bytes[256];
    size_t len, runs;
};

static void see(void *seen_, const struct pn_ws_frame *frame, uint64_t at, struct pn_str payload)
{
    struct seen *seen = seen_;

    CHECK(at + payload.len <= frame->length);
    seen->runs++;
    for (size_t i = 0; i < payload.len; i++)
        seen->bytes[seen->len++] = payload.ptr[i];
}

/* "Hello" masked, RFC 6455 §5.7, then a ping within a message of two frames. */
static const uint8_t from_client[] = { 0x81, 0x85,    0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f,
                                       0x4d, 0x51,    0x58, 0x02, 0x81, 1,    2,    3,
                                       4,    'a' ^ 1, 0x89, 0x80, 9,    9,    9,    9,
                                       0x80, 0x81,    0,    0,    0,    0,    'b' };

PN_TEST(scan_unmasks_in_any_pieces)
{
    for (size_t piece = 1; piece <= sizeof(from_client); piece++) {
        struct pn_ws_scan scan = { .is_from_client = true };
        struct seen seen = { .len = 0 };

        for (size_t at = 0; at < sizeof(from_client); at += piece)
            CHECK(pn_ws_scan_feed(
                &scan, pn_str_slice(pn_str_of(from_client, sizeof(from_client)), at, at + piece),
                see, &seen));
        CHECK_STR(pn_str_of(seen.bytes, seen.len), "Helloab");
        CHECK(pn_ws_scan_is_between(&scan));
    }
}

PN_TEST(scan_knows_where_a_message_ends)
{
    struct pn_ws_scan scan = { .is_from_client = false };

    CHECK(pn_ws_scan_is_between(&scan));
    CHECK(pn_ws_scan_feed(&scan, BYTES(0x02), NULL, NULL));
    CHECK(!pn_ws_scan_is_between(&scan)); /* in a head */
    CHECK(pn_ws_scan_feed(&scan, BYTES(0x01), NULL, NULL));
    CHECK(!pn_ws_scan_is_between(&scan)); /* in a payload */
    CHECK(pn_ws_scan_feed(&scan, BYTES('x'), NULL, NULL));
    CHECK(!pn_ws_scan_is_between(&scan)); /* between two frames of one message */
    CHECK(pn_ws_scan_feed(&scan, BYTES(0x80, 0x00), NULL, NULL));
    CHECK(pn_ws_scan_is_between(&scan));
}

PN_TEST(scan_refuses_what_is_out_of_turn_and_stays_so)
{
    struct pn_ws_scan lone = { .is_from_client = false };
    struct pn_ws_scan nested = { .is_from_client = false };
    struct pn_ws_scan masked = { .is_from_client = false };
    struct pn_ws_scan bare = { .is_from_client = true };

    CHECK(!pn_ws_scan_feed(&lone, BYTES(0x80, 0x00), NULL, NULL));
    CHECK(!pn_ws_scan_feed(&lone, BYTES(0x82, 0x00), NULL, NULL));
    CHECK(!pn_ws_scan_is_between(&lone));
    CHECK(!pn_ws_scan_feed(&nested, BYTES(0x02, 0x00, 0x82, 0x00), NULL, NULL));
    CHECK(!pn_ws_scan_feed(&masked, BYTES(0x82, 0x80, 0, 0, 0, 0), NULL, NULL));
    CHECK(!pn_ws_scan_feed(&bare, BYTES(0x82, 0x00), NULL, NULL));
}

PN_TEST(what_is_written_is_read_back)
{
    static const size_t lengths[] = { 0, 1, 125, 126, 65535, 65536, 100000 };
    static char payload[100000];

    for (size_t i = 0; i < PN_COUNT(lengths); i++) {
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(200000);
        struct pn_ws_scan scan = { .is_from_client = false };

        CHECK(pn_ws_add(&out, PN_WS_BINARY, pn_str_of(payload, lengths[i])));
        CHECK(pn_ws_scan_feed(&scan, pn_buf_str(&out), NULL, NULL));
        CHECK(pn_ws_scan_is_between(&scan));
        CHECK_EQ(scan.frame.length, lengths[i]);
    }
}

PN_TEST(close_reason_is_cut_between_characters)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1024);
    char reason[200];

    memset(reason, 'a', sizeof(reason));
    memcpy(reason + 122, "\xc3\xa9", 2);
    CHECK(pn_ws_add_close(&out, 1008, pn_str_of(reason, sizeof(reason))));
    CHECK_EQ(out.len, 2 + 2 + 122);
    CHECK_EQ((uint8_t)out.ptr[2] << 8 | (uint8_t)out.ptr[3], 1008);
}

PN_TEST_MAIN(T(head_is_read_in_each_form), T(head_that_is_short_asks_for_more),
             T(heads_that_no_server_sends_are_refused), T(scan_unmasks_in_any_pieces),
             T(scan_knows_where_a_message_ends), T(scan_refuses_what_is_out_of_turn_and_stays_so),
             T(what_is_written_is_read_back), T(close_reason_is_cut_between_characters))
