/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/spdy.h"

#include "base/reader.h"

#include <zlib.h>

#define HEAD_BYTES 8
#define CONTROL_BIT 0x8000
#define VERSION 3
#define STREAM_MASK 0x7fffffff
#define SYN_STREAM_FIXED 10 /* bytes before the header block */

enum place { IN_HEAD, IN_CONTROL, IN_SKIPPED, IN_DATA };

struct pn_spdy_scan {
    const struct pn_spdy_events *events;
    void *owner;
    bool is_bad, reads_headers, is_inflating;
    enum place place;
    uint8_t head[HEAD_BYTES];
    size_t head_len;
    uint16_t type;   /* of the control frame under way */
    uint32_t stream; /* of the data frame under way */
    uint8_t flags;
    uint32_t left;         /* of its payload */
    struct pn_buf control; /* payload of a control frame that is read */
    z_stream zlib;
};

struct pn_spdy_scan *pn_spdy_scan_new(bool reads_headers, const struct pn_spdy_events *events,
                                      void *owner)
{
    struct pn_spdy_scan *scan = pn_heap_new(sizeof(*scan));

    scan->events = events;
    scan->owner = owner;
    scan->reads_headers = reads_headers;
    scan->control = pn_buf_init(PN_SPDY_MAX_BLOCK + SYN_STREAM_FIXED);
    if (reads_headers) {
        pn_assert(inflateInit(&scan->zlib) == Z_OK);
        scan->is_inflating = true;
    }
    return scan;
}

void pn_spdy_scan_stop_headers(struct pn_spdy_scan *scan)
{
    if (scan->is_inflating)
        (void)inflateEnd(&scan->zlib);
    scan->is_inflating = false;
}

void pn_spdy_scan_free(struct pn_spdy_scan *scan)
{
    if (scan == NULL)
        return;
    pn_spdy_scan_stop_headers(scan);
    pn_buf_drop(&scan->control);
    pn_heap_free(scan);
}

/* ---- header blocks ---- */

/* The next block of the connection's one zlib stream. It ends where a sync flush ends. */
static bool inflate_block(struct pn_spdy_scan *scan, struct pn_str block, struct pn_buf *out)
{
    char *room = pn_buf_room(out, PN_SPDY_MAX_INFLATED);
    int result;

    pn_assert(room != NULL);
    scan->zlib.next_in = (z_const Bytef *)(uintptr_t)block.ptr;
    scan->zlib.avail_in = (uInt)block.len;
    scan->zlib.next_out = (Bytef *)room;
    scan->zlib.avail_out = PN_SPDY_MAX_INFLATED;
    result = inflate(&scan->zlib, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT) {
        if (inflateSetDictionary(&scan->zlib, (const Bytef *)pn_spdy_dictionary.ptr,
                                 (uInt)pn_spdy_dictionary.len) != Z_OK)
            return false;
        result = inflate(&scan->zlib, Z_SYNC_FLUSH);
    }
    pn_buf_grew(out, PN_SPDY_MAX_INFLATED - scan->zlib.avail_out);
    return result == Z_OK && scan->zlib.avail_in == 0 && scan->zlib.avail_out > 0;
}

static bool read_headers(struct pn_str inflated, struct pn_spdy_header *headers, size_t *count)
{
    struct pn_reader r = pn_reader_of(inflated);
    uint32_t stated = pn_read_u32(&r);

    if (stated > PN_SPDY_MAX_HEADERS)
        return false;
    for (*count = 0; *count < stated && !r.is_short; (*count)++) {
        headers[*count].name = pn_read_str(&r, pn_read_u32(&r));
        headers[*count].value = pn_read_str(&r, pn_read_u32(&r));
    }
    return pn_read_done(&r);
}

/* SYN_STREAM and HEADERS carry blocks of the client's zlib stream; both have to be inflated, in order. */
static bool take_block(struct pn_spdy_scan *scan, size_t fixed)
{
    pn_auto(pn_buf_drop) struct pn_buf inflated = pn_buf_init(PN_SPDY_MAX_INFLATED);
    struct pn_str payload = pn_buf_str(&scan->control);
    struct pn_reader r = pn_reader_of(payload);
    uint32_t stream = pn_read_u32(&r) & STREAM_MASK;
    struct pn_spdy_header headers[PN_SPDY_MAX_HEADERS];
    size_t count;

    if (payload.len < fixed || !scan->is_inflating ||
        !inflate_block(scan, pn_str_slice(payload, fixed, payload.len), &inflated) ||
        !read_headers(pn_buf_str(&inflated), headers, &count))
        return false;
    if (scan->type == PN_SPDY_SYN_STREAM && scan->events->opened != NULL)
        scan->events->opened(scan->owner, stream, headers, count);
    if ((scan->flags & PN_SPDY_FIN) != 0 && scan->events->data != NULL)
        scan->events->data(scan->owner, stream, PN_NONE, true);
    return true;
}

static bool take_reset(struct pn_spdy_scan *scan)
{
    struct pn_reader r = pn_reader_of(pn_buf_str(&scan->control));
    uint32_t stream = pn_read_u32(&r) & STREAM_MASK;

    (void)pn_read_u32(&r); /* the status */
    if (!pn_read_done(&r))
        return false;
    if (scan->events->reset != NULL)
        scan->events->reset(scan->owner, stream);
    return true;
}

static bool take_control(struct pn_spdy_scan *scan)
{
    switch (scan->type) {
    case PN_SPDY_SYN_STREAM: return take_block(scan, SYN_STREAM_FIXED);
    case PN_SPDY_SYN_REPLY:
    case PN_SPDY_HEADERS: return take_block(scan, 4);
    default: return take_reset(scan);
    }
}

/* ---- frames ---- */

static bool is_read(const struct pn_spdy_scan *scan)
{
    switch (scan->type) {
    case PN_SPDY_SYN_STREAM:
    case PN_SPDY_SYN_REPLY:
    case PN_SPDY_HEADERS: return scan->reads_headers;
    default: return scan->type == PN_SPDY_RST_STREAM;
    }
}

static bool begin_control(struct pn_spdy_scan *scan, uint16_t version)
{
    if (version != VERSION || scan->left > PN_SPDY_MAX_CONTROL)
        return false;
    if (!is_read(scan)) {
        scan->place = scan->left > 0 ? IN_SKIPPED : IN_HEAD;
        return true;
    }
    scan->place = IN_CONTROL;
    return scan->left > 0 && scan->left <= PN_SPDY_MAX_BLOCK + SYN_STREAM_FIXED;
}

static void give_data(struct pn_spdy_scan *scan, struct pn_str run)
{
    bool is_end = scan->left == 0 && (scan->flags & PN_SPDY_FIN) != 0;

    if (scan->left == 0)
        scan->place = IN_HEAD;
    if (scan->events->data != NULL)
        scan->events->data(scan->owner, scan->stream, run, is_end);
}

static bool begin_frame(struct pn_spdy_scan *scan)
{
    struct pn_reader r = pn_reader_of(pn_str_of(scan->head, HEAD_BYTES));
    uint16_t high = pn_read_u16(&r), low = pn_read_u16(&r);

    scan->head_len = 0;
    scan->flags = pn_read_u8(&r);
    scan->left = pn_read_u24(&r);
    if ((high & CONTROL_BIT) != 0) {
        scan->type = low;
        return begin_control(scan, (uint16_t)(high & ~CONTROL_BIT));
    }
    scan->stream = (uint32_t)high << 16 | low;
    if (scan->stream == 0)
        return false;
    scan->place = IN_DATA;
    if (scan->left == 0)
        give_data(scan, PN_NONE);
    return true;
}

static struct pn_str take(struct pn_str *bytes, size_t most)
{
    struct pn_str run = pn_str_slice(*bytes, 0, most);

    *bytes = pn_str_slice(*bytes, run.len, bytes->len);
    return run;
}

static bool take_some(struct pn_spdy_scan *scan, struct pn_str *bytes)
{
    struct pn_str run;

    if (scan->place == IN_HEAD) {
        scan->head[scan->head_len++] = (uint8_t)take(bytes, 1).ptr[0];
        return scan->head_len < HEAD_BYTES || begin_frame(scan);
    }
    run = take(bytes, scan->left);
    scan->left -= (uint32_t)run.len;
    switch (scan->place) {
    case IN_DATA: give_data(scan, run); return true;
    case IN_CONTROL:
        pn_buf_add(&scan->control, run);
        if (scan->left > 0)
            return true;
        scan->place = IN_HEAD;
        if (!take_control(scan))
            return false;
        pn_buf_drop(
            &scan->control); /* streams are opened once in a while: no memory is kept for it */
        scan->control = pn_buf_init(PN_SPDY_MAX_BLOCK + SYN_STREAM_FIXED);
        return true;
    case IN_SKIPPED: scan->place = scan->left > 0 ? IN_SKIPPED : IN_HEAD; return true;
    case IN_HEAD: break;
    }
    return true;
}

bool pn_spdy_scan_feed(struct pn_spdy_scan *scan, struct pn_str bytes)
{
    while (!scan->is_bad && bytes.len > 0)
        scan->is_bad = !take_some(scan, &bytes);
    return !scan->is_bad;
}

bool pn_spdy_scan_is_between(const struct pn_spdy_scan *scan)
{
    return !scan->is_bad && scan->place == IN_HEAD && scan->head_len == 0;
}

/* ---- what we say ourselves ---- */

bool pn_spdy_add_data(struct pn_buf *out, uint32_t stream, bool is_end, struct pn_str payload)
{
    pn_assert(payload.len <= PN_SPDY_MAX_DATA);
    pn_buf_add_be(out, stream & STREAM_MASK, 4);
    pn_buf_add_be(out, is_end ? PN_SPDY_FIN : 0, 1);
    pn_buf_add_be(out, payload.len, 3);
    return pn_buf_add(out, payload);
}

bool pn_spdy_add_goaway(struct pn_buf *out, uint32_t last_good_stream)
{
    pn_buf_add_be(out, CONTROL_BIT | VERSION, 2);
    pn_buf_add_be(out, PN_SPDY_GOAWAY, 2);
    pn_buf_add_be(out, HEAD_BYTES, 4); /* no flags, length 8 */
    pn_buf_add_be(out, last_good_stream & STREAM_MASK, 4);
    return pn_buf_add_be(out, 0, 4); /* status: ok */
}
