/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/trusted_ip.h"
#include "server/client_ip.h"

/*
 * Addresses, networks and forwarded hops: what is stored of a list reads back as the same networks, a network
 * holds its own first address, and a client is the peer or an address.
 */
static void check_net(struct pn_str text)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = NULL;
    struct pn_trusted_ip item = { .ipAddress = text };
    struct pn_err err = { 0 };
    struct pn_nets nets;
    struct pn_net net;
    struct pn_str json;

    if (!pn_net_parse(text, &net))
        return;
    pn_assert(net.bits <= 128 && pn_net_has(&net, &net.first));
    arena = pn_arena_new((size_t)1 << 20);
    pn_assert(pn_trusted_ips_normalize(arena, (struct pn_list){ .items = &item, .count = 1 }, &json,
                                       &err));
    pn_assert(pn_trusted_ips_read(arena, json, &nets, &err));
    pn_assert(nets.count == 1
                  ? nets.items[0].bits == net.bits && pn_net_has(&nets.items[0], &net.first)
                  : net.bits == 0);
}

static void check_hops(struct pn_str text)
{
    const struct pn_str peer = PN_LIT("10.0.0.1");
    struct pn_http_field field = { PN_LIT("x-forwarded-for"), text };
    const struct pn_http_head head = { .fields = &field, .count = 1 };
    struct pn_net_list proxies;
    struct pn_err err = { 0 };
    struct pn_str client;
    struct pn_ip ip;

    pn_assert(pn_net_list_parse(PN_LIT("10.0.0.0/8,::1"), &proxies, &err));
    client = pn_client_ip(&proxies, peer, &head);
    pn_assert(pn_ip_parse(client, &ip));
    client = pn_client_ip(NULL, peer, &head);
    pn_assert(pn_str_eq(client, peer));
    if (pn_net_list_parse(text, &proxies, &err))
        pn_assert(proxies.count <= PN_NET_LIST_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_net(pn_str_of(data, size));
    check_hops(pn_str_of(data, size));
    return 0;
}
