/* SPDX-License-Identifier: Apache-2.0 */
#include "net/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One request, whatever the setting holds: a line, three fields at most, and the empty line. */
static void check_ask(const struct pn_egress *egress, const struct pn_endpoint *to)
{
    pn_auto(pn_buf_drop) struct pn_buf ask = pn_buf_init_wiped(PN_EGRESS_MAX_BYTES);
    struct pn_str rest, line;
    int lines = 0;

    pn_egress_ask(egress, to, &ask);
    pn_assert(!ask.is_full && pn_str_ends(pn_buf_str(&ask), PN_LIT("\r\n\r\n")));
    rest = pn_buf_str(&ask);
    while (pn_str_cut(&rest, '\n', &line))
        lines++;
    pn_assert(lines == 5 || lines == 6);
}

static void check_ways(const struct pn_egress *egress)
{
    static const struct pn_endpoint loopback[] = {
        { .host = "127.0.0.1", .port = 1 },
        { .host = "::1", .port = 1 },
        { .host = "localhost", .port = 1 },
    };
    static const struct pn_endpoint others[] = {
        { .host = "kube.example.com", .port = 6443 },
        { .host = "10.0.0.1", .port = 443 },
        { .host = "2001:db8::1", .port = 443 },
    };

    for (size_t i = 0; i < PN_COUNT(loopback); i++)
        pn_assert(pn_egress_proxy(egress, &loopback[i]) == NULL);
    for (size_t i = 0; i < PN_COUNT(others); i++) {
        if (pn_egress_proxy(egress, &others[i]) != NULL)
            check_ask(egress, &others[i]);
    }
}

/* An answer opens the way at its last byte and no sooner: nothing of the peer's is taken for the proxy's. */
static void check_answer(struct pn_str answer)
{
    const struct pn_endpoint to = { .host = "kube.example.com", .port = 6443 };
    struct pn_err err = { 0 };
    enum pn_egress_verdict verdict;

    if (answer.len > PN_EGRESS_MAX_BYTES)
        return;
    verdict = pn_egress_answer(answer, &to, &err);
    pn_assert((verdict == PN_EGRESS_REFUSED) == (err.code != PN_OK));
    if (verdict != PN_EGRESS_OPEN)
        return;
    for (size_t len = answer.len > 64 ? answer.len - 64 : 0; len < answer.len; len++)
        pn_assert(pn_egress_answer(pn_str_slice(answer, 0, len), &to, &err) == PN_EGRESS_MORE);
}

/* HTTPS_PROXY, NO_PROXY and what a proxy answers: a line each, and the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str rest = pn_str_of(data, size), proxy = PN_NONE, no_proxy = PN_NONE;
    struct pn_egress *egress;
    struct pn_err err = { 0 };

    (void)pn_str_cut(&rest, '\n', &proxy);
    (void)pn_str_cut(&rest, '\n', &no_proxy);
    if (pn_egress_parse(proxy, no_proxy, &egress, &err)) {
        check_ways(egress);
        pn_egress_free(egress);
    }
    check_answer(rest);
    return 0;
}
