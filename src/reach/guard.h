/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_REACH_GUARD_H
#define PN_REACH_GUARD_H

#include "base/ip.h"
#include "net/resolve.h"

/*
 * Which addresses are not called, whoever asks (identity-auth.md §6.3, D10): those of this machine, link-local
 * ones and the metadata services of clouds, what is no address of one host, and IPv6 addresses that carry an
 * IPv4 one through a translator or tunnel where it cannot be judged. Private addresses are fine: clusters live
 * there. What the operator allows is an exception; our own listeners are none.
 */
#define PN_REACH_GUARD_PORTS 8
#define PN_REACH_GUARD_RULES 24

struct pn_reach_guard {
    struct pn_net refused[PN_REACH_GUARD_RULES]; /* as guard.c lists them */
    struct pn_net_list allowed;
    uint16_t ports[PN_REACH_GUARD_PORTS]; /* that we listen on */
    size_t port_count;
};

void pn_reach_guard_init(struct pn_reach_guard *guard,
                         const struct pn_net_list *allowed); /* NULL: none */

/* For pn_fetcher_config.check; `guard` is a struct pn_reach_guard. PN_BAD_REQUEST. */
bool pn_reach_guard_check(void *guard, const struct pn_addresses *addresses, struct pn_err *err)
    PN_CHECKED;

#endif
