/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_TLS_CONTEXT_H
#define PN_NET_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* The inside of a context, for the two who speak TLS with it: tls.c (on loops) and fetch.c (blocking). */
struct pn_tls_context {
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    struct tls_library *library;
    unsigned references; /* atomic */
    bool is_server;
    bool is_insecure;
    uint8_t *alpn; /* wire form */
    size_t alpn_len;
    char **alpn_names;
    size_t alpn_count;
};

/* tls.c: how OpenSSL reads from and writes to a stream. */
BIO_METHOD *pn_tls_bio_method(void);

struct pn_tls_context *pn_tls_context_hold(struct pn_tls_context *context);

/* Who we talk to: sets SNI and the name (or IP literal) that the peer's certificate must carry. */
bool pn_tls_context_expect(const struct pn_tls_context *context, SSL *ssl, const char *server_name,
                           struct pn_err *err) PN_CHECKED;

/*
 * Turns what OpenSSL says after a failed call (its error queue, which this empties, and the
 * certificate's verdict) into an error. `server_name` may be NULL.
 */
bool pn_tls_context_fail(SSL *ssl, const char *server_name, struct pn_err *err);

/* Called by the certificate check when it lets an expired client leaf pass. */
void pn_tls_context_note_expired(SSL *ssl);

#endif
