/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_HTTP_H1_H
#define PN_HTTP_H1_H

#include "base/buf.h"
#include "http/head.h"

/*
 * HTTP/1.1 without I/O (RFC 9112), strict: obs-fold, bare CR, NUL, whitespace before a colon,
 * repeated Host / Content-Length / Transfer-Encoding, Content-Length with Transfer-Encoding, a
 * transfer coding other than a single "chunked", HTTP/1.0 requests with Transfer-Encoding,
 * absolute-form, authority-form (but CONNECT) and asterisk-form targets are all refused.
 */
enum pn_h1_result { PN_H1_MORE, PN_H1_DONE, PN_H1_BAD };

/*
 * Parses a head at the front of `bytes`. DONE: *used tells its length; slices point into `bytes`,
 * fields into `arena`. MORE: needs more (past the limits it says BAD). BAD: err has the sentence.
 */
enum pn_h1_result pn_h1_parse_request(struct pn_str bytes, struct pn_arena *arena,
                                      struct pn_http_head *head, size_t *used, struct pn_err *err);
/* `method` is the request's: a HEAD response has no body. 1xx other than 101 are the caller's to skip. */
enum pn_h1_result pn_h1_parse_response(struct pn_str bytes, struct pn_arena *arena,
                                       struct pn_str method, struct pn_http_head *head,
                                       size_t *used, struct pn_err *err);

/* How the end of a body is known. */
enum pn_h1_framing { PN_H1_NO_BODY, PN_H1_LENGTH, PN_H1_CHUNKED, PN_H1_UNTIL_CLOSE };

struct pn_h1_body {
    enum pn_h1_framing framing;
    uint64_t left;       /* of the length, or of the chunk */
    uint8_t state;       /* chunk parser */
    uint16_t line_bytes; /* of the size line or trailer: bounded */
    bool is_done;
};

struct pn_h1_body pn_h1_body_of(const struct pn_http_head *head);
/*
 * Takes framing off: reads from `in`, sets *data to the next run of body bytes inside it (perhaps
 * empty) and *used to what was taken. MORE: feed more; DONE: the body is over (rest of `in` is the
 * next message's); BAD: malformed. Trailers are read and dropped. Call again while MORE and *used > 0.
 */
enum pn_h1_result pn_h1_body_read(struct pn_h1_body *body, struct pn_str in, size_t *used,
                                  struct pn_str *data, struct pn_err *err);
/* The transport ended: is that a proper end of this body? */
bool pn_h1_body_may_end(const struct pn_h1_body *body);

/* Appends a head. Framing fields are written from content_length / is_chunked / wants_close / upgrade. */
bool pn_h1_print_request(const struct pn_http_head *head, struct pn_buf *out);
bool pn_h1_print_response(const struct pn_http_head *head, struct pn_buf *out);
/* The line before `len` bytes of a chunk ("1f\r\n"); after them comes "\r\n"; the end is "0\r\n\r\n". */
#define PN_H1_CHUNK_LINE_BYTES 20
size_t pn_h1_chunk_line(size_t len, char out[PN_H1_CHUNK_LINE_BYTES]);

#endif
