/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_EGRESS_H
#define PN_NET_EGRESS_H

#include "base/buf.h"
#include "net/dial.h"

/*
 * By which way a connection goes out: directly, or through the HTTP proxy that HTTPS_PROXY names (also
 * https_proxy; the capital one goes first), by CONNECT. Every dial of this program asks here. NO_PROXY lists
 * what is dialled directly, by the rules of Go's httpproxy, so that kubectl and we take the same way:
 *
 *   example.com    it and all names below it         10.0.0.0/8, fd00::/8    a network
 *   .example.com   the names below it alone          10.0.0.1, ::1           an address
 *   *.example.com  likewise                          *                       everything
 *
 * each, but a network and "*", perhaps with ":port"; an entry that is none of these matches nothing. Loopback
 * (localhost and below, 127.0.0.0/8, ::1) is never proxied. A name goes to the proxy as it is: it is not
 * resolved here, so what it leads to cannot be checked here either.
 */
struct pn_egress;

/* "[http://][user[:password]@]host[:port]". Errors: PN_USAGE; the text, which may hold a password, is not in them. */
bool pn_egress_parse(struct pn_str proxy, struct pn_str no_proxy, struct pn_egress **out,
                     struct pn_err *err) PN_CHECKED;
void pn_egress_free(struct pn_egress *egress);
void pn_egress_freep(struct pn_egress **egress);

/* That of the process: the environment as it is at the first call. Any thread. Errors: those of pn_egress_parse. */
bool pn_egress_of_process(const struct pn_egress **out, struct pn_err *err) PN_CHECKED;

/* Whom to dial instead of `to`; NULL: `to` itself. */
const struct pn_endpoint *pn_egress_proxy(const struct pn_egress *egress,
                                          const struct pn_endpoint *to);

/* ---- the proxy's protocol (RFC 9110 §9.3.6), without I/O ---- */

#define PN_EGRESS_MAX_BYTES ((size_t)16 * 1024) /* of a request, and of an answer's heads */

/* `out` must be wiped: it gets the password. */
void pn_egress_ask(const struct pn_egress *egress, const struct pn_endpoint *to,
                   struct pn_buf *out);

/*
 * All that came of the answer so far. OPEN: what follows is between us and `to`. REFUSED: `err` says why,
 * PN_UNREACHABLE, or PN_PROTOCOL when that is no proxy; nothing that the proxy wrote is in it.
 * A proxy that speaks before it was spoken to is refused: in TLS it is the client who begins.
 */
enum pn_egress_verdict { PN_EGRESS_MORE, PN_EGRESS_OPEN, PN_EGRESS_REFUSED };
enum pn_egress_verdict pn_egress_answer(struct pn_str bytes, const struct pn_endpoint *to,
                                        struct pn_err *err);

#endif
