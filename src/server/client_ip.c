/* SPDX-License-Identifier: Apache-2.0 */
#include "server/client_ip.h"

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
struct pn_str pn_client_ip(const struct pn_net_list *proxies, struct pn_str peer,
                           const struct pn_http_head *head)
{
    struct pn_str client = peer;
    struct pn_ip ip;

    if (proxies == NULL || !pn_ip_parse(peer, &ip) || !pn_net_list_has(proxies, &ip))
        return peer;
    for (size_t i = head->count; i > 0; i--) {
        struct pn_str list = head->fields[i - 1].value;

        if (!pn_str_iis(head->fields[i - 1].name, "x-forwarded-for"))
            continue;
        while (list.len > 0) {
            client = cut_last(&list);
            if (!pn_ip_parse(client, &ip))
                return peer;
            if (!pn_net_list_has(proxies, &ip))
                return client;
        }
    }
    return client;
}
