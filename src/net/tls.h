/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_TLS_H
#define PN_NET_TLS_H

#include "base/arena.h"
#include "base/secret.h"
#include "net/stream.h"

/*
 * TLS as a filter over any stream. A context is made per loop, from the same settings; TLS 1.2 up,
 * 1.3 preferred, AES-128-GCM first, X25519 first. Contexts made while a loop runs, on its thread,
 * share one OSSL_LIB_CTX of that thread, so that handshakes on several loops do not meet in a lock;
 * made elsewhere they use the process's.
 */
struct pn_tls_context;

struct pn_tls_settings {
    bool is_server;
    struct pn_str chain_pem; /* own certificate, leaf first; may be absent for clients */
    const struct pn_secret *key_pem;
    struct pn_str trust_pem;          /* CAs; absent for a client: the system's */
    bool is_insecure;                 /* client: accept any certificate (flag of the resource) */
    bool wants_client_certificate;    /* server: ask for one, against trust_pem */
    bool requires_client_certificate; /* … and fail without */
    /* server: an expired client leaf passes (its session answers 401) */
    bool accepts_expired_client;
    bool is_tls13_only;
    bool has_tickets;        /* server: one session ticket */
    const char *const *alpn; /* in order of preference, NULL-terminated; NULL = none */
    bool alpn_may_be_absent; /* server: no ALPN offered is fine; an unknown one is alert 120 */
};

bool pn_tls_context_new(const struct pn_tls_settings *settings, struct pn_tls_context **out,
                        struct pn_err *err) PN_CHECKED;
/* Streams in use keep it alive (counted). */
void pn_tls_context_free(struct pn_tls_context *context);

/*
 * Finish sends close_notify and then ends the lower stream's direction too. An end of the lower
 * stream without close_notify is FAILED: bytes may have been cut off. Each stream keeps at most 68 KiB
 * of unsent records, in memory held only while they wait.
 *
 * Starts a handshake over `lower`, which it takes. `server_name` is a client's SNI and verified name
 * (an IP literal is verified as such and not sent). `done` is called once: with the stream ready for
 * use, or with the failure (then the stream is already gone). Deadline in ms from now. Closing *out
 * before that cancels: `done` is not called.
 *
 * Errors of `done`: PN_UNREACHABLE with a sentence a person can act on (certificate not trusted, for
 * another name, expired; peer refused ours), PN_TIMEOUT, PN_PROTOCOL (not TLS, nothing in common).
 */
typedef void pn_tls_done_fn(void *owner, struct pn_stream *tls, const struct pn_err *err);
bool pn_tls_start(struct pn_tls_context *context, struct pn_stream *lower, const char *server_name,
                  int64_t deadline_ms, pn_tls_done_fn *done, void *owner, struct pn_stream **out,
                  struct pn_err *err) PN_CHECKED;

/* What was negotiated; valid while the stream is. */
const char *pn_tls_alpn(const struct pn_stream *tls);        /* "" when none */
const char *pn_tls_server_name(const struct pn_stream *tls); /* SNI received; "" when none */
/* The peer's leaf as DER in the arena; PN_NONE without one. */
struct pn_str pn_tls_peer_der(const struct pn_stream *tls, struct pn_arena *arena);
/* Accepted only by accepts_expired_client. */
bool pn_tls_peer_has_expired(const struct pn_stream *tls);

/*
 * Peeks at a ClientHello without TLS state: SNI and whether `alpn` is offered. MORE when incomplete.
 * For the relay, which passes most connections on untouched. Limits: 16 KiB, 64 extensions.
 */
enum pn_hello_result { PN_HELLO_MORE, PN_HELLO_DONE, PN_HELLO_BAD };
struct pn_hello {
    char server_name[256]; /* lower case; "" when none */
    bool has_alpn;         /* `alpn` was offered */
};
enum pn_hello_result pn_tls_peek(struct pn_str bytes, const char *alpn, struct pn_hello *out);
/*
 * The same of a connection on the current loop, whose bytes stay for whoever serves it. After MORE the kernel wakes
 * the poll when there is more than now (SO_RCVLOWAT); DONE takes that back. BAD too when no more will come;
 * *why, for the log, says what was wrong.
 */
enum pn_hello_result pn_tls_peek_socket(struct pn_loop *loop, int fd, const char *alpn,
                                        struct pn_hello *out, const char **why);

#endif
