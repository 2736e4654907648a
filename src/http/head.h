/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_HTTP_HEAD_H
#define PN_HTTP_HEAD_H

#include "base/arena.h"
#include "base/err.h"

/* Limits of a header block (kube-proxying.md §18). */
#define PN_HTTP_MAX_HEAD_BYTES ((size_t)64 * 1024)
#define PN_HTTP_MAX_FIELDS 100
#define PN_HTTP_MAX_TARGET_BYTES ((size_t)16 * 1024)

struct pn_http_field {
    struct pn_str name, value; /* from HTTP/2: lower case; from HTTP/1: as sent */
};

/*
 * The head of a request or response, of either protocol version: what a codec parsed or shall
 * print. Slices borrow from the codec's buffer; valid until its owner says.
 */
struct pn_http_head {
    struct pn_str method;            /* request */
    struct pn_str target;            /* request: origin-form "/path?query"; CONNECT: authority */
    struct pn_str scheme, authority; /* request: authority = Host or :authority */
    int status;                      /* response; 0 in requests */
    struct pn_http_field *fields;    /* without pseudo fields, Host, and framing (below); hop-by-hop
                                          ones are left in when parsed and never printed */
    size_t count;
    int64_t content_length; /* -1: none */
    bool is_chunked;        /* HTTP/1: Transfer-Encoding: chunked */
    bool is_last;           /* no body follows (HTTP/2 END_STREAM; HTTP/1 derived) */
    bool wants_close;       /* HTTP/1: the connection ends after this message */
    bool expects_continue;
    bool is_http10;        /* HTTP/1.0 peer: no chunks towards it, no keep-alive */
    struct pn_str upgrade; /* HTTP/1: value of Upgrade when Connection lists it; else PN_NONE */
};

/* The first field of that name (ASCII case folded), or PN_NONE. */
struct pn_str pn_http_field_get(const struct pn_http_head *head, const char *name);
size_t pn_http_field_count(const struct pn_http_head *head, const char *name);
/* Is `token` in the comma-separated list(s) of that field? */
bool pn_http_field_has_token(const struct pn_http_head *head, const char *name,
                             struct pn_str token);
/* RFC 9110 token and field value (no CR, LF, NUL). */
bool pn_http_is_token(struct pn_str name);
bool pn_http_is_value(struct pn_str value);
/* Origin-form: "/" and then visible ASCII without "#", at most PN_HTTP_MAX_TARGET_BYTES. */
bool pn_http_is_target(struct pn_str target);
/* Characters of a Host or :authority: no user info, no path, not empty. */
bool pn_http_is_authority(struct pn_str authority);
/* Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, … (RFC 9110 §7.6.1). */
bool pn_http_is_hop_by_hop(struct pn_str name);
const char *pn_http_reason(int status);
/* Has a response of that status to that method no body, whatever its fields say (RFC 9112 §6.3)? */
bool pn_http_is_bodiless(int status, struct pn_str method);
/* A copy whose every byte lives in `arena`. */
struct pn_http_head *pn_http_head_copy(struct pn_arena *arena, const struct pn_http_head *head);

#endif
