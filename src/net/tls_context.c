/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_context.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "loop/loop.h"

#define READ_BUFFER_BYTES (64 * 1024) /* one recv brings several records */
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
#define GROUPS "X25519:P-256:P-384:P-521"
#define MAX_CHAIN_DEPTH 6
#define ALERT_CODE(reason) ((reason)-SSL_AD_REASON_OFFSET)

/* One OSSL_LIB_CTX per loop thread, alive while the thread or a context uses it. */
struct tls_library {
    OSSL_LIB_CTX *lib; /* NULL = the process's */
    unsigned references;
};

static pthread_key_t library_key;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_drop(void *library_)
{
    struct tls_library *library = library_;

    if (library == NULL || __atomic_sub_fetch(&library->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    OSSL_LIB_CTX_free(library->lib);
    pn_heap_free(library);
}

static void make_library_key(void)
{
    pthread_key_create(&library_key, library_drop);
}

static struct tls_library *library_of_thread(void)
{
    if (!pn_loop_is_any())
        return NULL;
    pthread_once(&library_once, make_library_key);

    struct tls_library *library = pthread_getspecific(library_key);

    if (library == NULL) {
        library = pn_heap_new(sizeof(*library));
        library->lib = OSSL_LIB_CTX_new();
        library->references = 1;
        pthread_setspecific(library_key, library);
    }
    __atomic_add_fetch(&library->references, 1, __ATOMIC_ACQ_REL);
    return library;
}

static bool fail_openssl(struct pn_err *err, enum pn_code code, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);

    ERR_clear_error();
    return pn_fail(err, code, "%s%s%s", what, reason != NULL ? ": " : "",
                   reason != NULL ? reason : "");
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static bool load_chain(struct pn_tls_context *context, OSSL_LIB_CTX *lib, struct pn_str pem,
                       struct pn_err *err)
{
    pn_auto(free_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    int count = 0;

    for (;; count++) {
        X509 *certificate = X509_new_ex(lib, NULL);

        if (PEM_read_bio_X509(bio, &certificate, NULL, NULL) == NULL) {
            X509_free(certificate);
            break;
        }

        long done = count == 0 ? SSL_CTX_use_certificate(context->ssl_ctx, certificate)
                               : SSL_CTX_add1_chain_cert(context->ssl_ctx, certificate);

        X509_free(certificate);
        if (done != 1)
            return fail_openssl(err, PN_BAD_REQUEST, "the certificate cannot be used");
    }
    ERR_clear_error(); /* "no start line" is how PEM says the end */
    if (count == 0)
        return pn_fail(err, PN_BAD_REQUEST, "there is no PEM certificate in the certificate chain");
    return true;
}

static int no_password(char *out, int size, int is_writing, void *user)
{
    (void)out, (void)size, (void)is_writing, (void)user;
    return -1; /* never ask on the terminal */
}

static bool load_key(struct pn_tls_context *context, OSSL_LIB_CTX *lib, const struct pn_secret *pem,
                     struct pn_err *err)
{
    struct pn_str bytes = pn_secret_reveal(pem);
    pn_auto(free_bio) BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
    pn_auto(free_key) EVP_PKEY *key =
        PEM_read_bio_PrivateKey_ex(bio, NULL, no_password, NULL, lib, NULL);

    if (key == NULL)
        return fail_openssl(err, PN_BAD_REQUEST, "the private key is not readable PEM");
    if (SSL_CTX_use_PrivateKey(context->ssl_ctx, key) != 1 ||
        SSL_CTX_check_private_key(context->ssl_ctx) != 1)
        return fail_openssl(err, PN_BAD_REQUEST,
                            "the private key does not belong to the certificate");
    return true;
}

static bool load_trust(struct pn_tls_context *context, OSSL_LIB_CTX *lib, struct pn_str pem,
                       struct pn_err *err)
{
    pn_auto(free_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl_ctx);
    int count = 0;

    for (;; count++) {
        X509 *certificate = X509_new_ex(lib, NULL);

        if (PEM_read_bio_X509(bio, &certificate, NULL, NULL) == NULL) {
            X509_free(certificate);
            break;
        }
        X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
    }
    ERR_clear_error();
    if (count == 0)
        return pn_fail(err, PN_BAD_REQUEST, "there is no PEM certificate among the trusted ones");
    /* As Go does: a CA that somebody trusts need not be a root. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

static int check_certificate(int is_fine, X509_STORE_CTX *check)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx());

    if (is_fine || X509_STORE_CTX_get_error(check) != X509_V_ERR_CERT_HAS_EXPIRED ||
        X509_STORE_CTX_get_error_depth(check) != 0)
        return is_fine;
    X509_STORE_CTX_set_error(check, X509_V_OK);
    pn_tls_context_note_expired(ssl);
    return 1;
}

static int choose_alpn(SSL *ssl, const uint8_t **chosen, uint8_t *chosen_len,
                       const uint8_t *offered, unsigned offered_len, void *context_)
{
    const struct pn_tls_context *context = context_;

    (void)ssl;
    /* Despite its name this takes the first of ours that is among theirs. */
    if (SSL_select_next_proto((uint8_t **)chosen, chosen_len, context->alpn,
                              (unsigned)context->alpn_len, offered,
                              offered_len) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* alert 120 */
}

static int refuse_without_alpn(SSL *ssl, int *alert, void *context)
{
    const uint8_t *data;
    size_t len;

    (void)context;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                  &len))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static void set_alpn(struct pn_tls_context *context, const struct pn_tls_settings *settings)
{
    size_t len = 0, count = 0;

    for (const char *const *name = settings->alpn; *name != NULL; name++, count++)
        len += 1 + strlen(*name);
    context->alpn = pn_heap_new(len);
    context->alpn_names = pn_heap_new(count * sizeof(*context->alpn_names));
    for (const char *const *name = settings->alpn; *name != NULL; name++) {
        size_t name_len = strlen(*name);

        pn_assert(name_len > 0 && name_len < 256);
        context->alpn[context->alpn_len++] = (uint8_t)name_len;
        memcpy(context->alpn + context->alpn_len, *name, name_len);
        context->alpn_len += name_len;
        context->alpn_names[context->alpn_count++] = pn_heap_copy(*name);
    }
    if (!settings->is_server) {
        SSL_CTX_set_alpn_protos(context->ssl_ctx, context->alpn, (unsigned)len);
        return;
    }
    SSL_CTX_set_alpn_select_cb(context->ssl_ctx, choose_alpn, context);
    if (!settings->alpn_may_be_absent)
        SSL_CTX_set_client_hello_cb(context->ssl_ctx, refuse_without_alpn, context);
}

static void set_common(SSL_CTX *ctx, const struct pn_tls_settings *settings)
{
    SSL_CTX_set_min_proto_version(ctx, settings->is_tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_ciphersuites(ctx, CIPHERS_13);
    SSL_CTX_set_cipher_list(ctx, CIPHERS_12);
    SSL_CTX_set1_groups_list(ctx, GROUPS);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_BYTES);
    SSL_CTX_set_verify_depth(ctx, MAX_CHAIN_DEPTH);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

static void set_server(SSL_CTX *ctx, const struct pn_tls_settings *settings)
{
    int verify = SSL_VERIFY_NONE;

    if (settings->wants_client_certificate || settings->requires_client_certificate)
        verify = SSL_VERIFY_PEER;
    if (settings->requires_client_certificate)
        verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, verify, settings->accepts_expired_client ? check_certificate : NULL);
    if (settings->has_tickets) {
        SSL_CTX_set_num_tickets(ctx, 1);
        SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"postern", 7);
    } else {
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
}

static bool set_up(struct pn_tls_context *context, const struct pn_tls_settings *settings,
                   struct pn_err *err)
{
    OSSL_LIB_CTX *lib = context->library != NULL ? context->library->lib : NULL;

    context->ssl_ctx =
        SSL_CTX_new_ex(lib, NULL, settings->is_server ? TLS_server_method() : TLS_client_method());
    if (context->ssl_ctx == NULL)
        return fail_openssl(err, PN_INTERNAL, "no TLS context");
    set_common(context->ssl_ctx, settings);
    if (settings->is_server)
        set_server(context->ssl_ctx, settings);
    else
        SSL_CTX_set_verify(context->ssl_ctx,
                           settings->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (settings->chain_pem.ptr != NULL && (!load_chain(context, lib, settings->chain_pem, err) ||
                                            !load_key(context, lib, settings->key_pem, err)))
        return false;
    if (settings->trust_pem.ptr != NULL && !load_trust(context, lib, settings->trust_pem, err))
        return false;
    if (settings->trust_pem.ptr == NULL && !settings->is_server && !settings->is_insecure)
        SSL_CTX_set_default_verify_paths(context->ssl_ctx);
    if (settings->alpn != NULL)
        set_alpn(context, settings);
    return true;
}

bool pn_tls_context_new(const struct pn_tls_settings *settings, struct pn_tls_context **out,
                        struct pn_err *err)
{
    struct pn_tls_context *context = pn_heap_new(sizeof(*context));

    context->library = library_of_thread();
    context->bio_method = pn_tls_bio_method();
    context->references = 1;
    context->is_server = settings->is_server;
    context->is_insecure = settings->is_insecure;
    if (!set_up(context, settings, err)) {
        pn_tls_context_free(context);
        return false;
    }
    *out = context;
    return true;
}

struct pn_tls_context *pn_tls_context_hold(struct pn_tls_context *context)
{
    __atomic_add_fetch(&context->references, 1, __ATOMIC_ACQ_REL);
    return context;
}

void pn_tls_context_free(struct pn_tls_context *context)
{
    if (context == NULL || __atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    SSL_CTX_free(context->ssl_ctx);
    BIO_meth_free(context->bio_method);
    for (size_t i = 0; i < context->alpn_count; i++)
        pn_heap_free(context->alpn_names[i]);
    pn_heap_free(context->alpn_names);
    library_drop(context->library);
    pn_heap_free(context->alpn);
    pn_heap_free(context);
}

static bool is_ip_literal(const char *name)
{
    uint8_t address[16];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

bool pn_tls_context_expect(const struct pn_tls_context *context, SSL *ssl, const char *server_name,
                           struct pn_err *err)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_ip = is_ip_literal(server_name);
    int done = 1;

    if (!is_ip)
        done = (int)SSL_set_tlsext_host_name(ssl, server_name);
    if (done == 1 && !context->is_insecure) {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        done = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, server_name)
                     : X509_VERIFY_PARAM_set1_host(param, server_name, 0);
    }
    return done == 1
               ? true
               : fail_openssl(err, PN_BAD_REQUEST, "the server's name cannot be used for TLS");
}

/* Alerts of the peer that a person can act on (RFC 8446 §6.2). */
static const struct {
    int alert;
    const char *sentence;
} alert_sentences[] = {
    { SSL_AD_HANDSHAKE_FAILURE, "the peer shares no way of encrypting with us" },
    { SSL_AD_PROTOCOL_VERSION, "the peer does not speak a TLS version that we accept" },
    { SSL_AD_BAD_CERTIFICATE, "the peer refused our certificate" },
    { SSL_AD_UNSUPPORTED_CERTIFICATE, "the peer refused our certificate as of the wrong kind" },
    { SSL_AD_CERTIFICATE_REVOKED, "the peer refused our certificate as revoked" },
    { SSL_AD_CERTIFICATE_EXPIRED, "the peer refused our certificate as expired" },
    { SSL_AD_CERTIFICATE_UNKNOWN, "the peer refused our certificate" },
    { SSL_AD_UNKNOWN_CA, "the peer does not know the authority that signed our certificate" },
    { SSL_AD_ACCESS_DENIED, "the peer refused us" },
    { TLS13_AD_CERTIFICATE_REQUIRED, "the peer wants a client certificate and we have none" },
    { SSL_AD_UNRECOGNIZED_NAME, "the peer does not serve this name" },
    { SSL_AD_NO_APPLICATION_PROTOCOL, "the peer does not speak this protocol (ALPN)" },
};

static const char *sentence_of_alert(int alert)
{
    for (size_t i = 0; i < PN_COUNT(alert_sentences); i++)
        if (alert_sentences[i].alert == alert)
            return alert_sentences[i].sentence;
    return NULL;
}

static bool fail_certificate(SSL *ssl, const char *server_name, long verdict, struct pn_err *err)
{
    bool has_name = server_name != NULL && !is_ip_literal(server_name);
    const char *whose = SSL_is_server(ssl) ? "the client" : has_name ? server_name : "the server";
    const char *why = X509_verify_cert_error_string(verdict);

    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        (void)pn_fail_cause(err, PN_UNREACHABLE, (int)verdict,
                            "the certificate of %s is for another name", whose);
    else if (verdict == X509_V_ERR_CERT_HAS_EXPIRED)
        (void)pn_fail_cause(err, PN_UNREACHABLE, (int)verdict, "the certificate of %s has expired",
                            whose);
    else if (verdict == X509_V_ERR_CERT_NOT_YET_VALID)
        (void)pn_fail_cause(err, PN_UNREACHABLE, (int)verdict,
                            "the certificate of %s is not valid yet: check both clocks", whose);
    else
        (void)pn_fail_cause(err, PN_UNREACHABLE, (int)verdict,
                            "the certificate of %s is not trusted: %s", whose, why);
    return server_name != NULL && !has_name ? pn_within(err, "TLS to %s", server_name) : false;
}

bool pn_tls_context_fail(SSL *ssl, const char *server_name, struct pn_err *err)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    const char *text = ERR_reason_error_string(error);
    long verdict = SSL_get_verify_result(ssl);

    ERR_clear_error();
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
        return fail_certificate(ssl, server_name, verdict, err);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING || error == 0)
        return pn_fail(err, PN_UNREACHABLE, "the connection was cut off");
    if (reason > SSL_AD_REASON_OFFSET) {
        const char *sentence = sentence_of_alert(ALERT_CODE(reason));

        return pn_fail_cause(err, PN_UNREACHABLE, ALERT_CODE(reason), "%s",
                             sentence != NULL ? sentence
                             : text != NULL   ? text
                                              : "the peer sent a TLS alert");
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return pn_fail(err, PN_PROTOCOL, "the client sent no certificate");
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
        reason == SSL_R_HTTPS_PROXY_REQUEST)
        return pn_fail(err, PN_PROTOCOL, "the peer does not speak TLS");
    return pn_fail(err, PN_PROTOCOL, "TLS failed: %s", text != NULL ? text : "unknown reason");
}
