/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes on an open stream, any bytes either way: whenever a farewell is possible, what the client got
 * before it and the farewell together end between two frames. First byte: the kind; then runs, each with
 * a byte that says direction and length.
 */
#include <stdlib.h>

#include "wire/farewell.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

static const struct pn_farewell_facts kinds[] = {
    { .subresource = PN_LIT_INIT("exec"),
      .status = 101,
      .upgrade = PN_LIT_INIT("websocket"),
      .protocol = PN_LIT_INIT("v5.channel.k8s.io") },
    { .subresource = PN_LIT_INIT("exec"),
      .status = 101,
      .upgrade = PN_LIT_INIT("SPDY/3.1"),
      .protocol = PN_LIT_INIT("v4.channel.k8s.io"),
      .streams = 4 },
    { .subresource = PN_LIT_INIT("portforward"),
      .status = 101,
      .upgrade = PN_LIT_INIT("SPDY/3.1"),
      .protocol = PN_LIT_INIT("portforward.k8s.io") },
    { .subresource = PN_LIT_INIT("portforward"),
      .status = 101,
      .upgrade = PN_LIT_INIT("websocket"),
      .protocol = PN_LIT_INIT("SPDY/3.1+portforward.k8s.io") },
    { .verb = PN_LIT_INIT("watch"),
      .status = 200,
      .content_type = PN_LIT_INIT("application/json") },
};

static void check_words(enum pn_farewell_kind kind, struct pn_str words)
{
    struct pn_ws_scan ws = { .is_from_client = false };
    struct pn_spdy_scan *spdy;
    static const struct pn_spdy_events none = { 0 };

    switch (kind) {
    case PN_FAREWELL_CHANNELS:
    case PN_FAREWELL_TUNNEL:
        if (!pn_ws_scan_feed(&ws, words, NULL, NULL) || !pn_ws_scan_is_between(&ws))
            abort();
        return;
    case PN_FAREWELL_STREAMS:
    case PN_FAREWELL_PORTS:
        spdy = pn_spdy_scan_new(false, &none, NULL);
        if (!pn_spdy_scan_feed(spdy, words) || !pn_spdy_scan_is_between(spdy))
            abort();
        pn_spdy_scan_free(spdy);
        return;
    default:
        if (words.len == 0 || words.ptr[words.len - 1] != '\n')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_farewell *farewell;
    struct pn_str rest = pn_str_of(data, size);

    if (size == 0)
        return 0;
    farewell = pn_farewell_new(&kinds[data[0] % PN_COUNT(kinds)]);
    rest = pn_str_slice(rest, 1, rest.len);
    while (rest.len > 0) {
        uint8_t what = (uint8_t)rest.ptr[0];
        struct pn_str run = pn_str_slice(rest, 1, 1 + (size_t)(what >> 1) * 4);

        rest = pn_str_slice(rest, 1 + run.len, rest.len);
        if ((what & 1) != 0)
            pn_farewell_up(farewell, run);
        else
            pn_farewell_down(farewell, run);
        if (pn_farewell_is_possible(farewell)) {
            pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init((size_t)1 << 20);

            if (!pn_farewell_add(farewell, PN_LIT("{}"), PN_LIT("over"), &out))
                abort();
            check_words(pn_farewell_kind(farewell), pn_buf_str(&out));
        }
    }
    pn_farewell_free(farewell);
    return 0;
}
