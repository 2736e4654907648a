/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_WIRE_SPDY_H
#define PN_WIRE_SPDY_H

#include "base/buf.h"
#include "base/err.h"

/*
 * SPDY/3.1 as Kubernetes speaks it (kube-proxying.md §8): read in flight, as the bytes come; never
 * re-framed. Only what is written here is written: data and GOAWAY need no header compression.
 */
enum pn_spdy_type {
    PN_SPDY_SYN_STREAM = 1,
    PN_SPDY_SYN_REPLY = 2,
    PN_SPDY_RST_STREAM = 3,
    PN_SPDY_SETTINGS = 4,
    PN_SPDY_PING = 6,
    PN_SPDY_GOAWAY = 7,
    PN_SPDY_HEADERS = 8,
    PN_SPDY_WINDOW_UPDATE = 9,
};
enum { PN_SPDY_FIN = 1 };

/* Limits (GHSA-pc3f-x583-g7j2 is what happens without): over them the direction is bad. */
#define PN_SPDY_MAX_CONTROL ((uint32_t)1 << 20)   /* bytes of a control frame that is skipped */
#define PN_SPDY_MAX_BLOCK ((uint32_t)64 << 10)    /* bytes of a header block, compressed */
#define PN_SPDY_MAX_INFLATED ((uint32_t)16 << 10) /* … and inflated */
#define PN_SPDY_MAX_HEADERS 64                    /* in a block */
#define PN_SPDY_MAX_DATA \
    (((uint32_t)1 << 24) - 1) /* bytes of a data frame: what its length can say */

struct pn_spdy_header {
    struct pn_str name, value;
};

/* What is seen; members may be NULL. Texts and runs are valid during the call. */
struct pn_spdy_events {
    /* SYN_STREAM, when the scan reads headers. */
    void (*opened)(void *owner, uint32_t stream, const struct pn_spdy_header *headers,
                   size_t count);
    /* A run of a data frame; is_end: the last of the stream in this direction. Empty frames are one empty run. */
    void (*data)(void *owner, uint32_t stream, struct pn_str run, bool is_end);
    void (*reset)(void *owner, uint32_t stream); /* RST_STREAM */
};

/*
 * One direction of a connection. With `reads_headers` it inflates what opens streams (a zlib stream over the
 * whole connection, about 40 KiB), without it passes over them.
 */
struct pn_spdy_scan;
struct pn_spdy_scan *pn_spdy_scan_new(bool reads_headers, const struct pn_spdy_events *events,
                                      void *owner);
void pn_spdy_scan_free(struct pn_spdy_scan *scan);
/* No more streams are expected: gives the inflater's memory back. A SYN_STREAM after it is bad. */
void pn_spdy_scan_stop_headers(struct pn_spdy_scan *scan);
/* Takes bytes in any pieces. False, from then on, when they are no SPDY/3.1 or pass a limit. */
bool pn_spdy_scan_feed(struct pn_spdy_scan *scan, struct pn_str bytes);
/* Between two frames: here a frame of ours would be understood. */
bool pn_spdy_scan_is_between(const struct pn_spdy_scan *scan);

/* Append whole frames; false once `out` is full. */
bool pn_spdy_add_data(struct pn_buf *out, uint32_t stream, bool is_end, struct pn_str payload);
bool pn_spdy_add_goaway(struct pn_buf *out, uint32_t last_good_stream);

/* The preset dictionary of header blocks: 1,423 bytes (SPDY/3 §2.6.10.1). */
extern const struct pn_str pn_spdy_dictionary;

#endif
