/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_TUNNEL_H
#define PN_NET_TUNNEL_H

#include "net/stream.h"

/*
 * A tunnel between relay and gateway (doc/protocol/tunnel.md): many client connections as CONNECT
 * streams of one HTTP/2 connection whose roles are turned round. Each is a pn_stream: half-close passes
 * through, an abort is RST_STREAM, a reader that stalls stops its own stream only.
 */
struct pn_tunnel;

#define PN_TUNNEL_ALPN "postern-tunnel/1"
#define PN_TUNNEL_PING_MS 2000
#define PN_TUNNEL_MISSED_MAX 2
#define PN_TUNNEL_PROCESS_BYTES 65

/* Events come from the loop, never from inside a call of the owner's; any of them may free the tunnel. */
struct pn_tunnel_events {
    /* Relay side, once: the gateway has said which of its tunnels this is. */
    void (*hello)(void *owner, struct pn_tunnel *tunnel, const char *process, unsigned index);
    /* Gateway side: a client. The stream is the owner's. `client_ip` lives until the call returns. */
    void (*incoming)(void *owner, struct pn_tunnel *tunnel, struct pn_stream *stream,
                     struct pn_str client_ip);
    /* The peer wants to leave: nothing new; running streams go on. May be NULL. */
    void (*draining)(void *owner, struct pn_tunnel *tunnel);
    /* Last: the tunnel is gone. Streams that were open FAIL and are still their owners' to close.
     * `why` is NULL after a drain. */
    void (*closed)(void *owner, struct pn_tunnel *tunnel, const struct pn_err *why);
};

/* Both take `lower`, a TLS stream whose handshake is done. */
bool pn_tunnel_relay_side(struct pn_stream *lower, const struct pn_tunnel_events *events,
                          void *owner, struct pn_tunnel **out, struct pn_err *err) PN_CHECKED;
/* `process`: 1–64 printable characters, the same for all tunnels of this process. */
bool pn_tunnel_gateway_side(struct pn_stream *lower, const char *process, unsigned index,
                            const struct pn_tunnel_events *events, void *owner,
                            struct pn_tunnel **out, struct pn_err *err) PN_CHECKED;

/*
 * Relay side: one more client of `gateway` (its id). Writing may begin at once.
 * Errors: PN_BUSY (draining, or no stream left).
 */
bool pn_tunnel_open(struct pn_tunnel *tunnel, struct pn_str gateway, struct pn_str client_ip,
                    struct pn_stream **out, struct pn_err *err) PN_CHECKED;

/* Says GOAWAY; `closed` follows when the last stream has ended. */
void pn_tunnel_drain(struct pn_tunnel *tunnel);
/* Aborts all streams (they FAIL); `closed` is not called. NULL is fine. */
void pn_tunnel_free(struct pn_tunnel *tunnel);
/* Bytes received on streams and not read yet. */
size_t pn_tunnel_held_bytes(const struct pn_tunnel *tunnel);

#endif
