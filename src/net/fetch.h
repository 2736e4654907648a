/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_FETCH_H
#define PN_NET_FETCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/secret.h"
#include "http/head.h"
#include "net/dial.h"

/*
 * The blocking HTTP/1.1 client of workers and the CLI: one origin, one kept-alive connection at a
 * time, deadlines everywhere. Not shared between threads. Never follows redirects.
 */
struct pn_fetcher;

struct pn_fetcher_config {
    struct pn_url url;
    struct pn_str trust_pem; /* absent: the system's CAs */
    bool is_insecure;
    const char *user_agent;
    pn_dial_check_fn *check; /* of the addresses that are dialled; NULL: all are fine */
    void *check_context;
    struct pn_str chain_pem; /* our certificate, leaf first, where the server asks for one */
    const struct pn_secret *key_pem; /* needed until pn_fetcher_new returns */
    const char *server_name;         /* verified instead of the URL's host; NULL: that one */
    const char *alpn;                /* what must be negotiated; NULL: "http/1.1", or nothing */
};
bool pn_fetcher_new(const struct pn_fetcher_config *config, struct pn_fetcher **out,
                    struct pn_err *err) PN_CHECKED;
void pn_fetcher_free(struct pn_fetcher *fetcher);

struct pn_fetch {
    const char *method;
    struct pn_str path;                 /* origin-form below the URL's prefix */
    const struct pn_http_field *fields; /* added ones */
    size_t field_count;
    const struct pn_secret *bearer; /* NULL = none */
    struct pn_str body;             /* ptr NULL = none; sent with content_type */
    const char *content_type;       /* NULL = application/json */
    int64_t deadline_ms;            /* monotonic */
    int64_t connect_by_ms;          /* likewise, of a new connection with its TLS; 0: deadline_ms */
    size_t max_body_bytes;          /* of the answer; 0 = 16 MiB */
    bool is_repeatable;             /* although its method does not say so */
};
struct pn_fetched {
    int status;
    struct pn_http_head head; /* arena */
    struct pn_str body;       /* arena */
};
/* No connection is used after so long a rest: servers, and what stands between, drop theirs after a minute or more. */
#define PN_FETCH_MAX_IDLE_MS 50000

/*
 * One request. A dead kept-alive connection is replaced once, when the request can be repeated (GET,
 * HEAD, PUT, DELETE, is_repeatable, or nothing was sent yet).
 * Errors: PN_UNREACHABLE (no connection, TLS refused: trace says why), PN_TIMEOUT, PN_PROTOCOL
 * (not HTTP), PN_TOO_LARGE. A status ≥ 400 is not an error here.
 * Threads: worker.
 */
bool pn_fetch(struct pn_fetcher *fetcher, const struct pn_fetch *request, struct pn_arena *arena,
              struct pn_fetched *out, struct pn_err *err) PN_CHECKED;

/* Between requests: the server has ended the connection, or it rested for too long. A look that waits for nothing, from any thread. */
bool pn_fetcher_is_stale(const struct pn_fetcher *fetcher);

/* How far the last request came that failed without an answer, for messages that tell causes apart. */
struct pn_fetch_fault {
    enum { PN_FETCH_RESOLVE, PN_FETCH_CONNECT, PN_FETCH_TLS, PN_FETCH_HTTP } phase;
    /* TLS: was it the certificate? Unverified: expired, or a leaf that came alone from an unknown issuer. */
    enum { PN_CERT_NO_FAULT, PN_CERT_SELF_SIGNED, PN_CERT_UNVERIFIED, PN_CERT_OTHER } certificate;
};
struct pn_fetch_fault pn_fetcher_fault(const struct pn_fetcher *fetcher);

#endif
