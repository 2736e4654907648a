/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

#define V4_BITS 96 /* of ::ffff:0:0 */

static bool is_v6(struct pn_str text)
{
    return pn_str_find(text, ':') >= 0;
}

bool pn_ip_parse(struct pn_str text, struct pn_ip *out)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    char copy[PN_IP_MAX_TEXT + 1];

    if (text.len == 0 || text.len > PN_IP_MAX_TEXT || pn_str_find(text, '\0') >= 0)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (is_v6(text))
        return inet_pton(AF_INET6, copy, out->bytes) == 1;
    memcpy(out->bytes, mapped, sizeof(mapped));
    return inet_pton(AF_INET, copy, out->bytes + sizeof(mapped)) == 1;
}

bool pn_net_parse(struct pn_str text, struct pn_net *out)
{
    struct pn_str prefix = text, address;
    uint64_t bits;
    bool has_v6;

    if (!pn_str_cut(&prefix, '/', &address) || !pn_ip_parse(address, &out->first))
        return false;
    has_v6 = is_v6(address);
    bits = has_v6 ? 128 : 32;
    if (prefix.ptr != NULL &&
        (prefix.len > 3 || !pn_str_u64(prefix, &bits) || bits > (has_v6 ? 128 : 32)))
        return false;
    out->bits = (uint8_t)(has_v6 ? bits : bits + V4_BITS);
    return true;
}

bool pn_net_has(const struct pn_net *net, const struct pn_ip *ip)
{
    size_t whole = net->bits / 8, rest = net->bits % 8;

    if (memcmp(net->first.bytes, ip->bytes, whole) != 0)
        return false;
    return rest == 0 || ((net->first.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest)) == 0;
}

bool pn_net_list_parse(struct pn_str text, struct pn_net_list *out, struct pn_err *err)
{
    struct pn_str piece;

    *out = (struct pn_net_list){ 0 };
    while (text.len > 0 && pn_str_cut(&text, ',', &piece)) {
        piece = pn_str_trim(piece);
        if (out->count == PN_NET_LIST_MAX)
            return pn_fail(err, PN_USAGE, "more than %d networks", PN_NET_LIST_MAX);
        if (!pn_net_parse(piece, &out->nets[out->count++]))
            return pn_fail(err, PN_USAGE, "%.*s is no address or network",
                           PN_ARG(pn_str_slice(piece, 0, 64)));
    }
    return true;
}

bool pn_net_list_has(const struct pn_net_list *list, const struct pn_ip *ip)
{
    for (size_t i = 0; i < list->count; i++) {
        if (pn_net_has(&list->nets[i], ip))
            return true;
    }
    return false;
}
