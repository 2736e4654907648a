/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_REACH_GUARD_H
#define PN_REACH_GUARD_H

#include "net/resolve.h"

/*
 * Which addresses are never called, whoever asks (identity-auth.md §6.3, D10): link-local ones and the
 * metadata services of clouds, what is no address of one host, and this server's own listeners. Private
 * addresses are fine: clusters live there.
 */
#define PN_REACH_GUARD_PORTS 8

struct pn_reach_guard {
    uint16_t ports[PN_REACH_GUARD_PORTS]; /* that we listen on */
    size_t count;
};

/* For pn_fetcher_config.check; `guard` is a struct pn_reach_guard. PN_BAD_REQUEST. */
bool pn_reach_guard_check(void *guard, const struct pn_addresses *addresses, struct pn_err *err)
    PN_CHECKED;

#endif
