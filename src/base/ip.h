/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_IP_H
#define PN_BASE_IP_H

#include "base/err.h"
#include "base/str.h"

/*
 * Addresses and networks as text and as bits. An IPv4 address is held as the IPv6 address that maps it
 * (::ffff:a.b.c.d), so that one comparison serves both: ::/0 holds every IPv4 address, 0.0.0.0/0 no
 * IPv6 one.
 */
struct pn_ip {
    uint8_t bytes[16];
};
struct pn_net {
    struct pn_ip first;
    uint8_t bits; /* 0..128, of the mapped form */
};

#define PN_IP_MAX_TEXT 45

/* Numbers only: no names, zones, brackets, ports or spaces. */
bool pn_ip_parse(struct pn_str text, struct pn_ip *out) PN_CHECKED;
/* An address, or address/prefix with the prefix in decimal; bits beyond the prefix are ignored. */
bool pn_net_parse(struct pn_str text, struct pn_net *out) PN_CHECKED;
bool pn_net_has(const struct pn_net *net, const struct pn_ip *ip);

/* What an operator lists: "10.0.0.0/8,2001:db8::1"; empty: none. */
#define PN_NET_LIST_MAX 32
struct pn_net_list {
    struct pn_net nets[PN_NET_LIST_MAX];
    size_t count;
};
/* Errors: PN_USAGE names what is no network. */
bool pn_net_list_parse(struct pn_str text, struct pn_net_list *out, struct pn_err *err) PN_CHECKED;
bool pn_net_list_has(const struct pn_net_list *list, const struct pn_ip *ip);

#endif
