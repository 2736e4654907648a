/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_HTTP_H2_H
#define PN_HTTP_H2_H

#include "base/buf.h"
#include "http/head.h"

/*
 * An HTTP/2 connection without I/O, around nghttp2: bytes in, bytes out, events by callback. Server,
 * client and tunnel (which is a client whose TCP side was accepted) share it.
 *
 * Received DATA is handed to on_data at once and counts against the stream window until
 * pn_h2_consumed; the connection window is returned on receipt, so one slow stream never stalls the
 * others. Outgoing DATA is pulled: pn_h2_resume says a stream has something (or its end), then
 * `pull` fills frames inside pn_h2_output.
 */
struct pn_h2;

struct pn_h2_config {
    bool is_server;
    uint32_t max_streams;         /* that the peer may open; 250 for clients of the gateway */
    uint32_t stream_window_bytes; /* receive buffer = stream window */
    uint32_t connection_window_bytes;
    uint32_t max_frame_bytes;   /* DATA we send: 16375 fills a TLS record */
    uint32_t resets_per_second; /* stream resets tolerated before GOAWAY; 0 = nghttp2's default */
};

enum { PN_H2_PULL_AGAIN = -1, PN_H2_PULL_FAILED = -2 };

struct pn_h2_events {
    /* A request (server) or response (client) head; 1xx heads come too, is_last false. `head` lives
     * until the callback returns. False resets the stream. `stream_user` is what set_user gave. */
    bool (*on_head)(void *owner, int32_t stream, void *stream_user,
                    const struct pn_http_head *head);
    void (*on_data)(void *owner, int32_t stream, void *stream_user, const char *bytes, size_t len);
    void (*on_end)(void *owner, int32_t stream, void *stream_user); /* the peer's END_STREAM */
    /* Last event of a stream; error_code 0 = both sides ended. Also for streams never sent. */
    void (*on_close)(void *owner, int32_t stream, void *stream_user, uint32_t error_code);
    /* Fills at most `max` bytes; sets *is_end with or after the last. >= 0, or PN_H2_PULL_*. */
    ptrdiff_t (*pull)(void *owner, int32_t stream, void *stream_user, char *out, size_t max,
                      bool *is_end);
    void (*on_goaway)(void *owner, int32_t last_stream, uint32_t error_code);
    void (*on_pong)(void *owner);
};

bool pn_h2_new(const struct pn_h2_config *config, const struct pn_h2_events *events, void *owner,
               struct pn_h2 **out, struct pn_err *err) PN_CHECKED;
void pn_h2_free(struct pn_h2 *h2);

/* Bytes from the peer. False: the connection must end (flush output first). */
bool pn_h2_input(struct pn_h2 *h2, struct pn_str bytes, struct pn_err *err) PN_CHECKED;
/* Appends what shall be sent, until nothing is left or `out` holds soft_max; true if more is left. */
bool pn_h2_output(struct pn_h2 *h2, struct pn_buf *out, size_t soft_max);
bool pn_h2_wants_output(struct pn_h2 *h2);
/* No streams and no wish to read or write: it may be closed. */
bool pn_h2_is_over(struct pn_h2 *h2);

/* Client: opens a stream; its id, or -1 (no ids or streams left: open another connection). */
int32_t pn_h2_request(struct pn_h2 *h2, const struct pn_http_head *head, void *stream_user,
                      struct pn_err *err);
/* Server: answers; head->is_last ends the stream. 1xx and final heads alike. */
bool pn_h2_respond(struct pn_h2 *h2, int32_t stream, const struct pn_http_head *head,
                   struct pn_err *err) PN_CHECKED;
void pn_h2_set_user(struct pn_h2 *h2, int32_t stream, void *stream_user);
void pn_h2_resume(struct pn_h2 *h2, int32_t stream);
void pn_h2_consumed(struct pn_h2 *h2, int32_t stream, size_t bytes);
/* Gives one stream another receive window than the configured one: a small one for all, more for who reads. */
void pn_h2_set_window(struct pn_h2 *h2, int32_t stream, uint32_t window_bytes);
/* RST_STREAM: 0 = NO_ERROR (answered before the body was read), 8 = CANCEL, 2 = INTERNAL_ERROR. */
void pn_h2_reset(struct pn_h2 *h2, int32_t stream, uint32_t error_code);
void pn_h2_ping(struct pn_h2 *h2);
void pn_h2_goaway(struct pn_h2 *h2, uint32_t error_code); /* no new streams; running ones finish */
uint32_t pn_h2_peer_max_streams(struct pn_h2 *h2);
size_t pn_h2_open_streams(struct pn_h2 *h2);

#endif
