/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_ADDRESS_H
#define PN_BASE_ADDRESS_H

#include "base/arena.h"

/* Where a program listens, as people type it: a host name or an IP address, and a port. */
struct pn_address {
    struct pn_str host; /* IPv6 without its brackets; borrowed from the text */
    uint16_t port;
    bool is_ip, is_ip6;
};

#define PN_ADDRESS_MAX_BYTES 261 /* 253 of a name, brackets, colon and port */

/*
 * "host", "host:port", "192.0.2.1:8443", "[2001:db8::1]:8443". Without a port takes `default_port`;
 * 0 means that the port must be there. False for user names, paths, numbers that look like an
 * address but are none ("256.1.1.1"), and everything else.
 */
bool pn_address_parse(struct pn_str text, uint16_t default_port, struct pn_address *out) PN_CHECKED;
/* "host:port", with brackets around IPv6. */
struct pn_str pn_address_text(struct pn_arena *arena, const struct pn_address *address);

#endif
