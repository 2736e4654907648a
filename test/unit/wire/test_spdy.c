/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <zlib.h>

#include "wire/spdy.h"

struct seen {
    uint32_t opened, ended, reset;
    char name[64], value[64], data[64];
    size_t data_len, count;
};

static void copy(char to[64], struct pn_str text)
{
    size_t len = text.len < 63 ? text.len : 63;

    memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void on_opened(void *seen_, uint32_t stream, const struct pn_spdy_header *headers,
                      size_t count)
{
    struct seen *seen = seen_;

    seen->opened = stream;
    seen->count = count;
    if (count > 0) {
        copy(seen->name, headers[0].name);
        copy(seen->value, headers[0].value);
    }
}

static void on_data(void *seen_, uint32_t stream, struct pn_str run, bool is_end)
{
    struct seen *seen = seen_;

    if (run.len > 0)
        memcpy(seen->data + seen->data_len, run.ptr, run.len);
    seen->data_len += run.len;
    if (is_end)
        seen->ended = stream;
}

static void on_reset(void *seen_, uint32_t stream)
{
    struct seen *seen = seen_;

    seen->reset = stream;
}

static const struct pn_spdy_events events = { on_opened, on_data, on_reset };

static bool feed(struct pn_spdy_scan *scan, struct pn_str bytes, size_t piece)
{
    bool is_good = true;

    for (size_t at = 0; at < bytes.len; at += piece)
        is_good = pn_spdy_scan_feed(scan, pn_str_slice(bytes, at, at + piece));
    return is_good;
}

/* The contract's vector: the client opens stream 1 with `streamtype: error` (kube-proxying.md §8). */
static const uint8_t opens_error[] = { 0x80, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x28, 0x00, 0x00,
                                       0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x78, 0xf9,
                                       0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0xa6, 0x23, 0x46, 0x70, 0x3a,
                                       0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x85, 0x16, 0x25, 0xac, 0xa9,
                                       0xa0, 0x80, 0x06, 0x00, 0x00, 0x00, 0xff, 0xff };

PN_TEST(vector_of_the_contract_is_read_in_any_pieces)
{
    for (size_t piece = 1; piece <= sizeof(opens_error); piece++) {
        struct seen seen = { .opened = 0 };
        struct pn_spdy_scan *scan = pn_spdy_scan_new(true, &events, &seen);

        CHECK(feed(scan, pn_str_of(opens_error, sizeof(opens_error)), piece));
        CHECK(pn_spdy_scan_is_between(scan));
        CHECK_EQ(seen.opened, 1);
        CHECK_EQ(seen.count, 1);
        CHECK_STR(pn_str_from(seen.name), "streamtype");
        CHECK_STR(pn_str_from(seen.value), "error");
        pn_spdy_scan_free(scan);
    }
}

PN_TEST(dictionary_is_the_one_of_the_draft)
{
    CHECK_EQ(pn_spdy_dictionary.len, 1423);
    CHECK_EQ(adler32(adler32(0, NULL, 0), (const Bytef *)pn_spdy_dictionary.ptr, 1423), 0xE3C6A7C2);
}

/* A writer of header blocks, as a client has one: one zlib stream for all of them. */
struct client {
    z_stream zlib;
    struct pn_buf out;
};

static void client_start(struct client *c)
{
    memset(c, 0, sizeof(*c));
    CHECK_EQ(deflateInit(&c->zlib, Z_BEST_COMPRESSION), Z_OK);
    CHECK_EQ(deflateSetDictionary(&c->zlib, (const Bytef *)pn_spdy_dictionary.ptr, 1423), Z_OK);
    c->out = pn_buf_init(1 << 20);
}

static void client_stop(struct client *c)
{
    deflateEnd(&c->zlib);
    pn_buf_drop(&c->out);
}

static void client_opens(struct client *c, uint32_t stream, struct pn_str block)
{
    static char packed[100000];

    c->zlib.next_in = (Bytef *)(uintptr_t)block.ptr;
    c->zlib.avail_in = (uInt)block.len;
    c->zlib.next_out = (Bytef *)packed;
    c->zlib.avail_out = sizeof(packed);
    CHECK_EQ(deflate(&c->zlib, Z_SYNC_FLUSH), Z_OK);
    pn_buf_add_be(&c->out, 0x80030001, 4);
    pn_buf_add_be(&c->out, 10 + sizeof(packed) - c->zlib.avail_out, 4);
    pn_buf_add_be(&c->out, stream, 4);
    pn_buf_add_be(&c->out, 0, 4);
    pn_buf_add_be(&c->out, 0, 2);
    pn_buf_add_bytes(&c->out, packed, sizeof(packed) - c->zlib.avail_out);
}

static void block_of(struct pn_buf *block, unsigned headers, size_t value_len)
{
    pn_buf_add_be(block, headers, 4);
    for (unsigned i = 0; i < headers; i++) {
        pn_buf_add_be(block, 1, 4);
        pn_buf_add_text(block, "n");
        pn_buf_add_be(block, value_len, 4);
        for (size_t j = 0; j < value_len; j++)
            pn_buf_add_byte(block, 'v');
    }
}

static bool opens(unsigned headers, size_t value_len, unsigned streams)
{
    pn_auto(pn_buf_drop) struct pn_buf block = pn_buf_init(1 << 20);
    struct seen seen = { .opened = 0 };
    struct pn_spdy_scan *scan = pn_spdy_scan_new(true, &events, &seen);
    struct client client;
    bool is_good;

    block_of(&block, headers, value_len);
    client_start(&client);
    for (uint32_t i = 0; i < streams; i++)
        client_opens(&client, 2 * i + 1, pn_buf_str(&block));
    is_good = pn_spdy_scan_feed(scan, pn_buf_str(&client.out));
    if (is_good)
        CHECK_EQ(seen.opened, 2 * streams - 1);
    client_stop(&client);
    pn_spdy_scan_free(scan);
    return is_good;
}

PN_TEST(header_blocks_are_one_stream_and_bounded)
{
    CHECK(opens(0, 0, 1));
    CHECK(opens(3, 10, 200));
    CHECK(opens(64, 10, 1));
    CHECK(!opens(65, 10, 1));
    CHECK(opens(1, 16 * 1024 - 14, 1));
    CHECK(!opens(1, 16 * 1024, 1));
    CHECK(!opens(1, 900000, 1)); /* a kilobyte that inflates to a megabyte */
}

PN_TEST(block_that_lies_about_its_headers_is_bad)
{
    static const char *const blocks[] = {
        "\0\0\0\2\0\0\0\1n\0\0\0\1v",         /* two stated, one there */
        "\0\0\0\1\0\0\0\1n\0\0\0\1vX",        /* more than stated */
        "\0\0\0\1\xff\xff\xff\xffn\0\0\0\1v", /* a length beyond the end */
    };
    static const size_t lengths[] = { 14, 15, 14 };

    for (size_t i = 0; i < PN_COUNT(blocks); i++) {
        struct pn_spdy_scan *scan = pn_spdy_scan_new(true, &events, &(struct seen){ .opened = 0 });
        struct client client;

        client_start(&client);
        client_opens(&client, 1, pn_str_of(blocks[i], lengths[i]));
        CHECK(!pn_spdy_scan_feed(scan, pn_buf_str(&client.out)));
        CHECK(!pn_spdy_scan_is_between(scan));
        client_stop(&client);
        pn_spdy_scan_free(scan);
    }
}

PN_TEST(data_ends_and_resets_are_told)
{
    for (size_t piece = 1; piece < 40; piece++) {
        struct seen seen = { .opened = 0 };
        struct pn_spdy_scan *scan = pn_spdy_scan_new(false, &events, &seen);
        pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1024);

        CHECK(pn_spdy_add_data(&out, 5, false, PN_LIT("one")));
        CHECK(pn_spdy_add_data(&out, 5, true, PN_NONE));
        pn_buf_add(&out, BYTES(0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1)); /* PING */
        pn_buf_add(&out, BYTES(0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 5));
        CHECK(pn_spdy_add_goaway(&out, 5));
        CHECK(feed(scan, pn_buf_str(&out), piece));
        CHECK(pn_spdy_scan_is_between(scan));
        CHECK_STR(pn_str_of(seen.data, seen.data_len), "one");
        CHECK_EQ(seen.ended, 5);
        CHECK_EQ(seen.reset, 7);
        pn_spdy_scan_free(scan);
    }
}

static bool takes(struct pn_str bytes, bool reads_headers)
{
    struct seen seen = { .opened = 0 };
    struct pn_spdy_scan *scan = pn_spdy_scan_new(reads_headers, &events, &seen);
    bool is_good = pn_spdy_scan_feed(scan, bytes);

    pn_spdy_scan_free(scan);
    return is_good;
}

PN_TEST(frames_over_their_limits_are_bad)
{
    CHECK(!takes(BYTES(0x80, 2, 0, 1, 0, 0, 0, 10), true));   /* SPDY/2 */
    CHECK(!takes(BYTES(0x80, 3, 0, 1, 0, 0, 0, 0), true));    /* no stream */
    CHECK(!takes(BYTES(0x80, 3, 0, 1, 0, 1, 0, 11), true));   /* block over 64 KiB */
    CHECK(!takes(BYTES(0x80, 3, 0, 4, 0, 0x10, 0, 1), true)); /* SETTINGS over 1 MiB */
    CHECK(takes(BYTES(0x80, 3, 0, 4, 0, 0x10, 0, 0), true));
    CHECK(!takes(BYTES(0, 0, 0, 0, 0, 0, 0, 1), true));                /* data of no stream */
    CHECK(!takes(BYTES(0x80, 3, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1), true)); /* short reset */
    CHECK(!takes(BYTES(0x80, 3, 0, 1, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2), true));
}

PN_TEST(headers_after_their_end_are_bad)
{
    struct seen seen = { .opened = 0 };
    struct pn_spdy_scan *scan = pn_spdy_scan_new(true, &events, &seen);

    pn_spdy_scan_stop_headers(scan);
    CHECK(!pn_spdy_scan_feed(scan, pn_str_of(opens_error, sizeof(opens_error))));
    pn_spdy_scan_free(scan);
}

PN_TEST_MAIN(T(vector_of_the_contract_is_read_in_any_pieces), T(dictionary_is_the_one_of_the_draft),
             T(header_blocks_are_one_stream_and_bounded),
             T(block_that_lies_about_its_headers_is_bad), T(data_ends_and_resets_are_told),
             T(frames_over_their_limits_are_bad), T(headers_after_their_end_are_bad))
