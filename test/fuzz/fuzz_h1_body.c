/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a chunked body in pieces of 1..step bytes; result, the body and where it ended. */
static enum pn_h1_result read_all(struct pn_str in, size_t step, struct pn_buf *out, size_t *end)
{
    struct pn_h1_body body = { .framing = PN_H1_CHUNKED };
    struct pn_err err = { 0 };
    struct pn_str data;
    size_t used;

    for (*end = 0;; *end += used) {
        enum pn_h1_result result =
            pn_h1_body_read(&body, pn_str_slice(in, *end, *end + step), &used, &data, &err);

        pn_assert(used <= step && data.len <= used);
        pn_buf_add(out, data);
        if (result != PN_H1_MORE || used == 0) {
            *end += used;
            return result;
        }
    }
}

/* However the bytes are cut: the same body, the same verdict at the same place. */
static void check_cuts(struct pn_str in)
{
    pn_auto(pn_buf_drop) struct pn_buf whole = pn_buf_init(1 << 20);
    size_t end;
    enum pn_h1_result result = read_all(in, in.len + 1, &whole, &end);

    for (size_t step = 1; step <= 7; step += 2) {
        pn_auto(pn_buf_drop) struct pn_buf cut = pn_buf_init(1 << 20);
        size_t cut_end;

        pn_assert(read_all(in, step, &cut, &cut_end) == result);
        pn_assert(pn_str_eq(pn_buf_str(&whole), pn_buf_str(&cut)));
        pn_assert(result != PN_H1_DONE || end == cut_end);
    }
}

/* Any bytes, cut into chunks by their own values, come back. */
static void check_round_trip(struct pn_str bytes)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(1 << 20), back = pn_buf_init(1 << 20);
    char line[PN_H1_CHUNK_LINE_BYTES];
    size_t end;

    for (size_t at = 0, len; at < bytes.len; at += len) {
        len = 1 + (uint8_t)bytes.ptr[at] % 31;
        if (len > bytes.len - at)
            len = bytes.len - at;
        pn_buf_add_bytes(&wire, line, pn_h1_chunk_line(len, line));
        pn_buf_add(&wire, pn_str_slice(bytes, at, at + len));
        pn_buf_add_text(&wire, "\r\n");
    }
    pn_buf_add_text(&wire, "0\r\n\r\n");
    pn_assert(read_all(pn_buf_str(&wire), 13, &back, &end) == PN_H1_DONE);
    pn_assert(end == wire.len && pn_str_eq(pn_buf_str(&back), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    check_cuts(pn_str_of(data, size));
    check_round_trip(pn_str_of(data, size));
    return 0;
}
