/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_DOOR_H
#define PN_CLIENT_DOOR_H

#include "net/dial.h"

/*
 * The one local port of all sessions of a person, so that each cluster's URL stays what it was and kubectl's
 * cache of it warm. Whoever has a session listens there: the kernel lets sockets of one user share a port and
 * gives a connection to any of them, so none is special, and the port is held until the last one goes. The
 * ClientHello names the session that is meant (pn_door_name, the tls-server-name of its kubeconfig); a
 * connection that belongs to another is handed over as it is, unread, by a socket in the runtime directory
 * (0700). The session's own process ends its TLS: keys and bearers never leave it.
 *
 * A hello that names nobody is served where it came, and refused there for want of the bearer; one that names
 * a session which is gone is closed. When a session ends, what the kernel had given it for others still reaches
 * them, if they take it at once. Of 256 who have said nothing the oldest makes room. Threads: everything on `loop`.
 */
struct pn_door;

struct pn_door_config {
    uint16_t port;            /* 0: a free one */
    struct pn_str session_id; /* a UUID */
    const char *directory;    /* where sessions find each other; NULL: nothing is shared */
    pn_accept_fn *accepted;   /* gets connections of this session, their bytes unread */
    void *owner;
};
/* Errors: PN_CONFLICT (another program or user has the port), PN_IO. */
bool pn_door_open(struct pn_loop *loop, const struct pn_door_config *config, struct pn_door **out,
                  struct pn_err *err) PN_CHECKED;
uint16_t pn_door_port(const struct pn_door *door);
void pn_door_close(struct pn_door *door); /* NULL is fine */

/* "SESSION.local.postern.internal" */
struct pn_str pn_door_name(struct pn_arena *arena, struct pn_str session_id);

#endif
