/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_RELAY_OUTER_H
#define PN_RELAY_OUTER_H

#include "base/uuid.h"
#include "loop/loop.h"
#include "relay/relay_home.h"

/*
 * Infisical's own clients, on one loop (doc/protocol/tunnel.md, O1–O4): they speak TLS with the relay,
 * and inside it TLS with the gateway. The relay ends the first, learns from the certificate which gateway
 * is meant, and what is inside comes out of a socketpair, to be passed on like any other client.
 */
struct pn_outers;

struct pn_outers_events {
    /* The descriptor inside is the owner's; the address's place stays with the connection outside. */
    void (*inside)(void *owner, int fd, const char *ip, struct pn_uuid gateway);
    /* The connection is gone; the address's place is the owner's again. `why` is NULL after `inside`. */
    void (*over)(void *owner, const char *ip, const char *why);
};

/* `events` outlive it. */
struct pn_outers *pn_outers_new(struct pn_loop *loop, const struct pn_outers_events *events,
                                void *owner);
/* After pn_outers_abort(…, false). NULL is fine. */
void pn_outers_free(struct pn_outers *outers);
/* The relay's own certificate and whose clients it takes, from now on. */
void pn_outers_identify(struct pn_outers *outers, const struct pn_relay_identity *identity);
/* Takes a connection whose ClientHello can still be read, and its address's place. */
void pn_outers_take(struct pn_outers *outers, int fd, const char *ip);
bool pn_outers_are_none(const struct pn_outers *outers);
/* Closes handshakes only, or everything; `over` is called for each. */
void pn_outers_abort(struct pn_outers *outers, bool only_handshakes);

#endif
