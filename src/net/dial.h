/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_DIAL_H
#define PN_NET_DIAL_H

#include "net/stream.h"

struct pn_arena;

/*
 * "host:port", "[v6]:port"; `host` without brackets. Host is a DNS name or IP literal; port 0..65535,
 * where 0 (to listen: any free one) cannot be dialled. default_port is taken when none is given.
 */
struct pn_endpoint {
    char host[256];
    uint16_t port;
};
bool pn_endpoint_parse(struct pn_str text, uint16_t default_port, struct pn_endpoint *out,
                       struct pn_err *err) PN_CHECKED;
/* "https://host[:port][/prefix]"; no user info, query or fragment. prefix has no trailing slash. */
struct pn_url {
    struct pn_endpoint endpoint;
    bool is_tls;
    struct pn_str prefix; /* into the text */
};
bool pn_url_parse(struct pn_str text, struct pn_url *out, struct pn_err *err) PN_CHECKED;

/*
 * Connects from a loop, directly or through the proxy of net/egress.h: names are resolved on the
 * resolver lane (one small process-wide lane, the only caller of getaddrinfo), addresses tried in
 * turn until deadline_ms from now. `done` gets the socket stream or the failure (PN_UNREACHABLE,
 * PN_TIMEOUT; PN_PROTOCOL, PN_USAGE: the proxy, or its setting), once, never from inside pn_dial.
 */
struct pn_dial;
typedef void pn_dial_fn(void *owner, struct pn_stream *socket, const struct pn_err *err);
struct pn_dial *pn_dial(struct pn_loop *loop, const struct pn_endpoint *to, int64_t deadline_ms,
                        pn_dial_fn *done, void *owner);
void pn_dial_cancel(struct pn_dial *dial); /* `done` will not be called */

/*
 * For who must see the addresses of `to` before anything is sent to them: what was resolved and
 * checked is what is connected to. Refuses with `err`; one bad address refuses all. A name that a
 * proxy resolves has no addresses to see: then only an IP literal is checked.
 */
struct pn_addresses;
typedef bool pn_dial_check_fn(void *context, const struct pn_addresses *addresses,
                              struct pn_err *err);
struct pn_dial_guard {
    pn_dial_check_fn *check; /* NULL: all are fine */
    void *context;
};
/*
 * Blocking: a connected, non-blocking descriptor, or -1; errors as above. `deadline_ms` is monotonic.
 * `guard` may be NULL, and so may `is_resolved`: did it come as far as connecting?
 * Threads: worker.
 */
int pn_dial_blocking(const struct pn_endpoint *to, int64_t deadline_ms,
                     const struct pn_dial_guard *guard, bool *is_resolved, struct pn_err *err);

/*
 * A listening socket on a loop. Accepts until descriptors run out, then pauses for 100 ms: clean
 * refusal by the backlog, then recovery. Limits on open connections are the owner's.
 */
struct pn_listener;
/* `fd` is non-blocking and the callee's; `peer_ip` lives until the call returns. */
typedef void pn_accept_fn(void *owner, int fd, struct pn_str peer_ip);
bool pn_listen(struct pn_loop *loop, const struct pn_endpoint *at, pn_accept_fn *accepted,
               void *owner, struct pn_listener **out, struct pn_err *err) PN_CHECKED;
/* At a port that other processes of this user may share: the kernel gives each connection to one of them. */
bool pn_listen_shared(struct pn_loop *loop, const struct pn_endpoint *at, pn_accept_fn *accepted,
                      void *owner, struct pn_listener **out, struct pn_err *err) PN_CHECKED;
/*
 * Another loop that accepts from the same socket, made on that loop's thread. `first_fd` is
 * pn_listener_fd of the first listener; it is duplicated, so the two close independently.
 */
bool pn_listen_also(struct pn_loop *loop, int first_fd, pn_accept_fn *accepted, void *owner,
                    struct pn_listener **out, struct pn_err *err) PN_CHECKED;
uint16_t pn_listener_port(const struct pn_listener *listener);
int pn_listener_fd(const struct pn_listener *listener);
void pn_listener_close(struct pn_listener *listener);
/* Accepts what the kernel holds already, and would reset when the socket is closed: before that, at a shared port. */
void pn_listener_empty(struct pn_listener *listener);

#endif
