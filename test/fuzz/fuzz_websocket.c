/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames in flight: whole or byte by byte, the same is seen. First byte: whose direction. */
#include <stdlib.h>

#include "wire/websocket.h"

struct seen {
    uint64_t sum, bytes;
};

static void see(void *seen_, const struct pn_ws_frame *frame, uint64_t at, struct pn_str payload)
{
    struct seen *seen = seen_;

    if (at + payload.len > frame->length)
        abort();
    for (size_t i = 0; i < payload.len; i++)
        seen->sum = seen->sum * 31 + (uint8_t)payload.ptr[i] + frame->opcode;
    seen->bytes += payload.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_ws_scan whole = { .is_bad = false }, bytewise;
    struct seen a = { 0, 0 }, b = { 0, 0 };
    struct pn_str bytes;

    if (size == 0)
        return 0;
    whole.is_from_client = (data[0] & 1) != 0;
    bytewise = whole;
    bytes = pn_str_of(data + 1, size - 1);
    (void)pn_ws_scan_feed(&whole, bytes, see, &a);
    for (size_t i = 0; i < bytes.len; i++)
        (void)pn_ws_scan_feed(&bytewise, pn_str_slice(bytes, i, i + 1), see, &b);
    if (a.sum != b.sum || a.bytes != b.bytes || whole.is_bad != bytewise.is_bad ||
        pn_ws_scan_is_between(&whole) != pn_ws_scan_is_between(&bytewise))
        abort();
    return 0;
}
