/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_WIRE_WEBSOCKET_H
#define PN_WIRE_WEBSOCKET_H

#include "base/buf.h"
#include "base/err.h"

/*
 * WebSocket frames (RFC 6455 §5) as Kubernetes uses them: no extensions, client to server masked, server
 * to client not. Read in flight, as the bytes come; never re-framed (kube-proxying.md §7).
 */
enum pn_ws_opcode {
    PN_WS_CONTINUATION = 0,
    PN_WS_TEXT = 1,
    PN_WS_BINARY = 2,
    PN_WS_CLOSE = 8,
    PN_WS_PING = 9,
    PN_WS_PONG = 10,
};
#define PN_WS_MAX_HEAD 14
#define PN_WS_MAX_CONTROL 125

struct pn_ws_frame {
    uint8_t opcode; /* enum pn_ws_opcode */
    bool is_final, is_masked;
    uint8_t mask[4];
    uint64_t length; /* of the payload, bytes */
};

enum pn_ws_result { PN_WS_MORE, PN_WS_DONE, PN_WS_BAD };
/*
 * The head of a frame at the front of `bytes`; `*used` is its length when done. Bad: reserved bits or
 * opcodes, control frames in pieces or over 125 bytes, a length that is not the shortest form or over 2^63.
 */
enum pn_ws_result pn_ws_parse(struct pn_str bytes, struct pn_ws_frame *out, size_t *used);

/* Appends one whole unmasked frame, as a server sends it. False once `out` is full. */
bool pn_ws_add(struct pn_buf *out, enum pn_ws_opcode opcode, struct pn_str payload);
/* A close frame; the reason is cut to what fits at a character's border. */
bool pn_ws_add_close(struct pn_buf *out, uint16_t code, struct pn_str reason);

/* One direction of a connection. Zeroed, but for is_from_client, is the start. */
struct pn_ws_scan {
    bool is_from_client; /* frames must be masked, or must not */
    bool is_bad;
    bool is_open;   /* a message has begun and its last frame has not */
    bool is_inside; /* a frame's payload is under way */
    struct pn_ws_frame frame;
    uint64_t at; /* bytes of the payload that have passed */
    uint8_t head[PN_WS_MAX_HEAD];
    size_t head_len;
};
/*
 * A run of payload, unmasked, valid during the call; `at` is its place in the frame. Frames without
 * payload come as one empty run.
 */
typedef void pn_ws_part_fn(void *owner, const struct pn_ws_frame *frame, uint64_t at,
                           struct pn_str payload);

/* Takes bytes in any pieces. False, from then on, when they are no WebSocket frames. `part` may be NULL. */
bool pn_ws_scan_feed(struct pn_ws_scan *scan, struct pn_str bytes, pn_ws_part_fn *part,
                     void *owner);
/* Between two messages: here a message of ours would be understood. */
bool pn_ws_scan_is_between(const struct pn_ws_scan *scan);

#endif
