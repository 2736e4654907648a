/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_ROAD_H
#define PN_CLIENT_ROAD_H

#include "client/access.h"
#include "net/exchange.h"

/*
 * The road from a client to its gateway: the gateway's own address when it has one, else a relay,
 * tried in the order of the access answer; inside it TLS to the gateway itself with the session's
 * certificate. One HTTP/2 connection for ordinary requests, an HTTP/1.1 one for each upgrade.
 * A relay that dies, or falls silent under a request (found by ping within 4 s), is passed over by the
 * next connection: a new request waits at most 5 s for it. The endpoint that led there last is tried first.
 * Threads: everything on `loop`.
 */
struct pn_road;

/* Answered by the gateway itself, for a live session: 200. Never forwarded, never recorded. */
#define PN_ROAD_READY_PATH "/.well-known/postern-ready"

/* `access` is borrowed until pn_road_free. */
bool pn_road_new(struct pn_loop *loop, const struct pn_access *access, struct pn_road **out,
                 struct pn_err *err) PN_CHECKED;
void pn_road_free(struct pn_road *road);
struct pn_origin *pn_road_origin(struct pn_road *road);

#endif
