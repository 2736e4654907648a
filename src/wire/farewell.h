/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_WIRE_FAREWELL_H
#define PN_WIRE_FAREWELL_H

#include "base/buf.h"

/*
 * How an open stream of Kubernetes is ended so that the person reads why and kubectl fails: a Status on the
 * channel where the client looks for one. A polite close without it reads as success (kube-proxying.md §7.2).
 *
 * It watches what passes, both ways, and knows when a word of ours would be understood: between two
 * frames of what the client got. Nothing that passes is changed.
 */
enum pn_farewell_kind {
    PN_FAREWELL_NONE,          /* no way to say it: reset */
    PN_FAREWELL_WATCH,         /* JSON lines: an event of type ERROR */
    PN_FAREWELL_CHANNELS,      /* WebSocket, exec and attach: channel 3 */
    PN_FAREWELL_STREAMS,       /* SPDY, exec and attach: the stream `error` */
    PN_FAREWELL_PORTS,         /* SPDY, port-forward: each connection's `error` */
    PN_FAREWELL_TUNNEL,        /* the same inside WebSocket messages */
    PN_FAREWELL_PORT_CHANNELS, /* WebSocket, legacy port-forward: channel 1 */
    PN_FAREWELL_MESSAGES,      /* any other WebSocket: the close frame's reason */
};

/* What decides it, of the request and the answer that went to the client. */
struct pn_farewell_facts {
    struct pn_str verb, subresource; /* as kube/requestinfo has them */
    int status;
    struct pn_str upgrade; /* of a 101 */
    struct pn_str
        protocol; /* the one that was chosen: Sec-WebSocket-Protocol or X-Stream-Protocol-Version */
    struct pn_str content_type; /* of a 200 */
    unsigned streams;           /* SPDY exec and attach: how many the client opens; 0: unknown */
};

struct pn_farewell;
/* NULL when the kind is NONE. */
struct pn_farewell *pn_farewell_new(const struct pn_farewell_facts *facts);
void pn_farewell_free(struct pn_farewell *farewell);
enum pn_farewell_kind pn_farewell_kind(const struct pn_farewell *farewell);

/* What came from the client, and what goes to it, in order, in any pieces. */
void pn_farewell_up(struct pn_farewell *farewell, struct pn_str bytes);
void pn_farewell_down(struct pn_farewell *farewell, struct pn_str bytes);

/* Takes what goes down to the first place where a word of ours would be understood; returns how much. */
size_t pn_farewell_down_to_gap(struct pn_farewell *farewell, struct pn_str bytes);

/* Would a word of ours be understood now? */
bool pn_farewell_is_possible(const struct pn_farewell *farewell);
/* No hope that it will be: what passed is not what it should be. */
bool pn_farewell_is_lost(const struct pn_farewell *farewell);

/*
 * Appends the last bytes the client gets. `status` is a metav1.Status, Failure, as JSON; `sentence` its
 * message, for channels that carry plain text. False once `out` is full. Needs pn_farewell_is_possible.
 */
bool pn_farewell_add(const struct pn_farewell *farewell, struct pn_str status,
                     struct pn_str sentence, struct pn_buf *out);

#endif
