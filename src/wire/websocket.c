/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket.h"

#include "base/reader.h"

#include <string.h>

#define FINAL 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126
#define LENGTH_64 127
#define UNMASK_BYTES 4096

static bool is_known(uint8_t opcode)
{
    return opcode <= PN_WS_BINARY || (opcode >= PN_WS_CLOSE && opcode <= PN_WS_PONG);
}

static bool is_control(const struct pn_ws_frame *frame)
{
    return frame->opcode >= PN_WS_CLOSE;
}

/* The shortest form or none: two ways to write a length are two ways to read one. */
static bool read_length(struct pn_reader *r, uint8_t small, uint64_t *out)
{
    switch (small) {
    case LENGTH_16: *out = pn_read_u16(r); return r->is_short || *out >= LENGTH_16;
    case LENGTH_64:
        *out = pn_read_u64(r);
        return r->is_short || (*out > UINT16_MAX && *out <= INT64_MAX);
    default: *out = small; return true;
    }
}

enum pn_ws_result pn_ws_parse(struct pn_str bytes, struct pn_ws_frame *out, size_t *used)
{
    struct pn_reader r = pn_reader_of(bytes);
    uint8_t first = pn_read_u8(&r), second = pn_read_u8(&r);

    *out = (struct pn_ws_frame){ .opcode = first & OPCODE,
                                 .is_final = (first & FINAL) != 0,
                                 .is_masked = (second & MASKED) != 0 };
    if (r.is_short)
        return PN_WS_MORE;
    if ((first & RESERVED) != 0 || !is_known(out->opcode) ||
        !read_length(&r, second & LENGTH, &out->length))
        return PN_WS_BAD;
    if (is_control(out) && (!out->is_final || (second & LENGTH) > PN_WS_MAX_CONTROL))
        return PN_WS_BAD;
    if (out->is_masked) {
        struct pn_str mask = pn_read_str(&r, sizeof(out->mask));

        if (mask.len == sizeof(out->mask))
            memcpy(out->mask, mask.ptr, mask.len);
    }
    if (r.is_short)
        return PN_WS_MORE;
    *used = bytes.len - r.rest.len;
    return PN_WS_DONE;
}

bool pn_ws_add(struct pn_buf *out, enum pn_ws_opcode opcode, struct pn_str payload)
{
    pn_buf_add_be(out, FINAL | (unsigned)opcode, 1);
    if (payload.len < LENGTH_16) {
        pn_buf_add_be(out, payload.len, 1);
    } else if (payload.len <= UINT16_MAX) {
        pn_buf_add_be(out, LENGTH_16, 1);
        pn_buf_add_be(out, payload.len, 2);
    } else {
        pn_buf_add_be(out, LENGTH_64, 1);
        pn_buf_add_be(out, payload.len, 8);
    }
    return pn_buf_add(out, payload);
}

bool pn_ws_add_close(struct pn_buf *out, uint16_t code, struct pn_str reason)
{
    char payload[PN_WS_MAX_CONTROL] = { (char)(code >> 8), (char)(code & 0xff) };
    size_t len = reason.len < sizeof(payload) - 2 ? reason.len : sizeof(payload) - 2;

    while (len < reason.len && len > 0 && ((uint8_t)reason.ptr[len] & 0xc0) == 0x80)
        len--;
    if (len > 0)
        memcpy(payload + 2, reason.ptr, len);
    return pn_ws_add(out, PN_WS_CLOSE, pn_str_of(payload, len + 2));
}

/* ---- in flight ---- */

/* A message's frames: one with an opcode, then continuations; control frames may stand between them. */
static bool takes_its_turn(struct pn_ws_scan *scan)
{
    if (is_control(&scan->frame))
        return true;
    if ((scan->frame.opcode == PN_WS_CONTINUATION) != scan->is_open)
        return false;
    scan->is_open = !scan->frame.is_final;
    return true;
}

static bool take_head(struct pn_ws_scan *scan, struct pn_str *bytes)
{
    while (bytes->len > 0) {
        size_t used;

        scan->head[scan->head_len++] = (uint8_t)bytes->ptr[0];
        *bytes = pn_str_slice(*bytes, 1, bytes->len);
        switch (pn_ws_parse(pn_str_of(scan->head, scan->head_len), &scan->frame, &used)) {
        case PN_WS_MORE: continue;
        case PN_WS_BAD: return false;
        case PN_WS_DONE: break;
        }
        scan->head_len = 0;
        scan->at = 0;
        scan->is_inside = true;
        return scan->frame.is_masked == scan->is_from_client && takes_its_turn(scan);
    }
    return true;
}

static void give(struct pn_ws_scan *scan, struct pn_str run, pn_ws_part_fn *part, void *owner)
{
    char plain[UNMASK_BYTES];

    if (part == NULL)
        return;
    if (!scan->frame.is_masked || run.len == 0) {
        part(owner, &scan->frame, scan->at, run);
        return;
    }
    for (size_t i = 0; i < run.len; i++)
        plain[i] = (char)((uint8_t)run.ptr[i] ^ scan->frame.mask[(scan->at + i) % 4]);
    part(owner, &scan->frame, scan->at, pn_str_of(plain, run.len));
}

static void take_payload(struct pn_ws_scan *scan, struct pn_str *bytes, pn_ws_part_fn *part,
                         void *owner)
{
    uint64_t left = scan->frame.length - scan->at;
    size_t len = bytes->len < left ? bytes->len : (size_t)left;

    if (scan->frame.is_masked && len > UNMASK_BYTES)
        len = UNMASK_BYTES;
    give(scan, pn_str_slice(*bytes, 0, len), part, owner);
    *bytes = pn_str_slice(*bytes, len, bytes->len);
    scan->at += len;
    scan->is_inside = scan->at < scan->frame.length;
}

bool pn_ws_scan_feed(struct pn_ws_scan *scan, struct pn_str bytes, pn_ws_part_fn *part, void *owner)
{
    while (!scan->is_bad && bytes.len > 0) {
        scan->is_bad = !scan->is_inside && !take_head(scan, &bytes);
        if (!scan->is_bad && scan->is_inside && (bytes.len > 0 || scan->frame.length == 0))
            take_payload(scan, &bytes, part, owner);
    }
    return !scan->is_bad;
}

bool pn_ws_scan_is_between(const struct pn_ws_scan *scan)
{
    return !scan->is_bad && !scan->is_inside && !scan->is_open && scan->head_len == 0;
}
