/* SPDX-License-Identifier: Apache-2.0 */
#include "server/client_ip.h"

bool pn_proxies_parse(struct pn_str text, struct pn_proxies *out, struct pn_err *err)
{
    struct pn_str piece;

    *out = (struct pn_proxies){ 0 };
    while (text.len > 0 && pn_str_cut(&text, ',', &piece)) {
        piece = pn_str_trim(piece);
        if (out->count == PN_PROXIES_MAX)
            return pn_fail(err, PN_USAGE, "trusted-proxies: more than %d networks", PN_PROXIES_MAX);
        if (!pn_net_parse(piece, &out->nets[out->count++]))
            return pn_fail(err, PN_USAGE, "trusted-proxies: %.*s is no address or network",
                           PN_ARG(pn_str_slice(piece, 0, 64)));
    }
    return true;
}

static bool is_proxy(const struct pn_proxies *proxies, const struct pn_ip *ip)
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (pn_net_has(&proxies->nets[i], ip))
            return true;
    }
    return false;
}

/* The last piece of a list, taken off it. */
static struct pn_str cut_last(struct pn_str *list)
{
    size_t at = list->len;
    struct pn_str piece;

    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    piece = pn_str_trim(pn_str_slice(*list, at, list->len));
    list->len = at > 0 ? at - 1 : 0;
    return piece;
}

/* Proxies append, in the field or as one more of it: so from the last to the first. */
struct pn_str pn_client_ip(const struct pn_proxies *proxies, struct pn_str peer,
                           const struct pn_http_head *head)
{
    struct pn_str client = peer;
    struct pn_ip ip;

    if (proxies == NULL || !pn_ip_parse(peer, &ip) || !is_proxy(proxies, &ip))
        return peer;
    for (size_t i = head->count; i > 0; i--) {
        struct pn_str list = head->fields[i - 1].value;

        if (!pn_str_iis(head->fields[i - 1].name, "x-forwarded-for"))
            continue;
        while (list.len > 0) {
            client = cut_last(&list);
            if (!pn_ip_parse(client, &ip))
                return peer;
            if (!is_proxy(proxies, &ip))
                return client;
        }
    }
    return client;
}
