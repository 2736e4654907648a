/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_RESOLVE_H
#define PN_NET_RESOLVE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/dial.h"

/* Names to addresses, on the resolver lane: two threads for the whole process, made on first use. */
#define PN_RESOLVE_MAX 8

struct pn_addresses {
    size_t count;
    struct {
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } at;
        socklen_t len;
    } list[PN_RESOLVE_MAX];
};

/* An IP literal needs no lane: true, and one address. */
bool pn_resolve_literal(const struct pn_endpoint *endpoint, struct pn_addresses *out);

/* `done` runs on the loop, once, unless cancelled; never from inside pn_resolve. */
struct pn_resolve;
typedef void pn_resolve_fn(void *owner, const struct pn_addresses *addresses,
                           const struct pn_err *err);
struct pn_resolve *pn_resolve(struct pn_loop *loop, const struct pn_endpoint *endpoint,
                              pn_resolve_fn *done, void *owner);
void pn_resolve_cancel(struct pn_resolve *resolve);

/* Waits. Threads: worker. */
bool pn_resolve_blocking(const struct pn_endpoint *endpoint, int64_t deadline_ms,
                         struct pn_addresses *out, struct pn_err *err) PN_CHECKED;

#endif
