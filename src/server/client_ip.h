/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_CLIENT_IP_H
#define PN_SERVER_CLIENT_IP_H

#include "base/ip.h"
#include "http/head.h"

/*
 * From where a request comes (identity-auth.md §11.7, §15 D14): the peer of the connection, unless it is a
 * proxy that the operator has named; then the last hop of X-Forwarded-For that is none. No other
 * header is ever read.
 */
/* A slice of `peer` or of the head. A header with anything but addresses counts as absent (IP-08). */
struct pn_str pn_client_ip(const struct pn_net_list *proxies, struct pn_str peer,
                           const struct pn_http_head *head);

#endif
