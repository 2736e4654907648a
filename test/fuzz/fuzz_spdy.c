/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY/3.1 in flight: whole or byte by byte, the same is seen. First byte: are headers read? */
#include <stdlib.h>

#include "wire/spdy.h"

struct seen {
    uint64_t sum;
};

static void mix(struct seen *seen, struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++)
        seen->sum = seen->sum * 31 + (uint8_t)text.ptr[i];
}

static void on_opened(void *seen_, uint32_t stream, const struct pn_spdy_header *headers,
                      size_t count)
{
    struct seen *seen = seen_;

    if (count > PN_SPDY_MAX_HEADERS)
        abort();
    seen->sum = seen->sum * 31 + stream;
    for (size_t i = 0; i < count; i++) {
        mix(seen, headers[i].name);
        mix(seen, headers[i].value);
    }
}

static void on_data(void *seen_, uint32_t stream, struct pn_str run, bool is_end)
{
    struct seen *seen = seen_;

    mix(seen, run);
    if (is_end)
        seen->sum = seen->sum * 31 + stream;
}

static void on_reset(void *seen_, uint32_t stream)
{
    struct seen *seen = seen_;

    seen->sum = seen->sum * 37 + stream;
}

static const struct pn_spdy_events events = { on_opened, on_data, on_reset };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen a = { 0 }, b = { 0 };
    struct pn_spdy_scan *whole, *bytewise;
    struct pn_str bytes;

    if (size == 0)
        return 0;
    whole = pn_spdy_scan_new((data[0] & 1) != 0, &events, &a);
    bytewise = pn_spdy_scan_new((data[0] & 1) != 0, &events, &b);
    bytes = pn_str_of(data + 1, size - 1);
    (void)pn_spdy_scan_feed(whole, bytes);
    for (size_t i = 0; i < bytes.len; i++)
        (void)pn_spdy_scan_feed(bytewise, pn_str_slice(bytes, i, i + 1));
    if (a.sum != b.sum || pn_spdy_scan_is_between(whole) != pn_spdy_scan_is_between(bytewise))
        abort();
    pn_spdy_scan_free(whole);
    pn_spdy_scan_free(bytewise);
    return 0;
}
