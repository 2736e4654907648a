/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <string.h>

#include <openssl/err.h>

#include "net/tls_context.h"

#define RECORD_BYTES ((size_t)16384)
#define RECORD_ROOM (RECORD_BYTES + 256) /* a record with header, padding and tag: RFC 8446 §5.2 */
#define MAX_SERVER_NAME 255

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };

/* What only the handshake needs; freed after it. */
struct handshake {
    struct pn_timer deadline;
    struct tls_stream *tls;
    pn_tls_done_fn *done;
    void *owner;
    char server_name[MAX_SERVER_NAME + 1];
};

struct tls_stream {
    struct pn_stream stream;
    struct pn_stream *lower;
    struct pn_tls_context *context;
    SSL *ssl;
    struct pn_task soon; /* bytes inside OpenSSL do not wake a poll */
    struct handshake *handshake;
    struct pn_err *err;
    char *out; /* leased while records wait to be sent */
    size_t out_at, out_len;
    enum tls_state state;
    bool is_starved;     /* OpenSSL needs bytes from below before it can give more */
    bool is_ended;       /* close_notify received */
    bool is_finished;    /* close_notify made; being sent while `out` holds something */
    bool has_lower_fin;  /* … and the lower direction is ended */
    bool is_lower_ended; /* EOF from below */
    bool is_lower_broken;
    bool has_expired; /* the client's leaf */
};

static struct tls_stream *tls_of(const struct pn_stream *stream)
{
    return pn_container_of(stream, struct tls_stream, stream);
}

/* ---- the BIO between OpenSSL and the lower stream ---- */

static int bio_read(BIO *bio, char *out, size_t len, size_t *count)
{
    struct tls_stream *tls = BIO_get_data(bio);
    ssize_t got = pn_stream_read(tls->lower, out, len);

    BIO_clear_retry_flags(bio);
    *count = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return 1;
    if (got == PN_STREAM_AGAIN)
        BIO_set_retry_read(bio);
    tls->is_lower_ended = got == 0;
    tls->is_lower_broken = got == PN_STREAM_FAILED;
    return 0;
}

/* Gathers records; flush() sends them with as few writes as possible. */
static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *count)
{
    struct tls_stream *tls = BIO_get_data(bio);
    size_t room;

    BIO_clear_retry_flags(bio);
    if (tls->out == NULL)
        tls->out = pn_loop_lease(tls->stream.loop);
    room = PN_LOOP_LEASE_BYTES - tls->out_len;
    *count = len < room ? len : room;
    if (*count == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    memcpy(tls->out + tls->out_len, bytes, *count);
    tls->out_len += *count;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_stream *tls = BIO_get_data(bio);

    (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return tls->is_lower_ended || tls->is_lower_broken;
    default: return 0;
    }
}

BIO_METHOD *pn_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

/* ---- below: sending, wishes, failure ---- */

static void fail_from_lower(struct tls_stream *tls)
{
    tls->state = TLS_FAILED;
    if (tls->err != NULL)
        return;
    tls->err = pn_heap_new(sizeof(*tls->err));
    *tls->err = *pn_stream_error(tls->lower);
}

static void fail_from_openssl(struct tls_stream *tls)
{
    tls->state = TLS_FAILED;
    if (tls->err != NULL)
        return;
    if (tls->is_lower_broken) {
        fail_from_lower(tls);
        return;
    }
    tls->err = pn_heap_new(sizeof(*tls->err));
    (void)pn_tls_context_fail(tls->ssl, tls->handshake != NULL ? tls->handshake->server_name : NULL,
                              tls->err);
}

/* Sends what waits. True when nothing is left. */
static bool flush(struct tls_stream *tls)
{
    while (tls->out_at < tls->out_len) {
        ssize_t sent =
            pn_stream_write(tls->lower, tls->out + tls->out_at, tls->out_len - tls->out_at);

        if (sent == PN_STREAM_AGAIN)
            return false;
        if (sent == PN_STREAM_FAILED) {
            tls->is_lower_broken = true;
            fail_from_lower(tls);
            break;
        }
        tls->out_at += (size_t)sent;
    }
    pn_loop_unlease(tls->stream.loop, tls->out);
    tls->out = NULL;
    tls->out_at = tls->out_len = 0;
    if (tls->is_finished && !tls->has_lower_fin && tls->state != TLS_FAILED)
        tls->has_lower_fin = pn_stream_finish(tls->lower);
    return true;
}

/* What can be done now without a word from below. */
static unsigned possible(const struct tls_stream *tls)
{
    bool is_over = tls->state == TLS_FAILED;
    unsigned events = 0;

    if (is_over || tls->is_ended || (!tls->is_starved && SSL_has_pending(tls->ssl)))
        events |= PN_WANT_READ;
    if (is_over || (tls->out == NULL && (!tls->is_finished || tls->has_lower_fin)))
        events |= PN_WANT_WRITE;
    return events & tls->stream.wants;
}

static void update_wants(struct tls_stream *tls)
{
    unsigned lower = 0;

    if (tls->state == TLS_OPEN) {
        if (tls->stream.wants & ~possible(tls) & PN_WANT_READ)
            lower |= PN_WANT_READ;
        if (tls->out != NULL || (tls->is_finished && !tls->has_lower_fin))
            lower |= PN_WANT_WRITE;
    }
    pn_stream_want(tls->lower, lower);
    if (possible(tls))
        pn_loop_soon(tls->stream.loop, &tls->soon);
}

/* ---- the handshake ---- */

static void forget(struct tls_stream *tls)
{
    if (tls->handshake != NULL)
        pn_timer_stop(&tls->handshake->deadline);
    pn_heap_free(tls->handshake);
    pn_loop_unsoon(tls->stream.loop, &tls->soon);
    pn_loop_unlease(tls->stream.loop, tls->out);
    pn_stream_close(tls->lower);
    SSL_free(tls->ssl);
    pn_tls_context_free(tls->context);
    pn_heap_free(tls->err);
    pn_heap_free(tls);
}

/* Reports the failure and dies; an alert for the peer goes out first, if there is room. */
static void give_up(struct tls_stream *tls)
{
    pn_tls_done_fn *done = tls->handshake->done;
    void *owner = tls->handshake->owner;
    struct pn_err err = *tls->err;

    if (!tls->is_lower_broken && flush(tls) && !tls->is_lower_broken)
        (void)pn_stream_finish(tls->lower);
    forget(tls);
    done(owner, NULL, &err);
}

static void empty(STACK_OF(X509) * certificates)
{
    while (sk_X509_num(certificates) > 0)
        X509_free(sk_X509_pop(certificates));
}

/*
 * The chain has been verified, and only the leaf is asked for again. OpenSSL keeps both the chain that was sent
 * and the one that was built until the end of the connection; each certificate weighs as much as the rest of an
 * idle connection of ours.
 */
static void forget_chain(SSL *ssl)
{
    empty(SSL_get_peer_cert_chain(ssl));
    empty(SSL_get0_verified_chain(ssl));
}

static void step_handshake(struct tls_stream *tls)
{
    ERR_clear_error();

    int done = SSL_do_handshake(tls->ssl);
    int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, done);

    if (done != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        fail_from_openssl(tls);
    if (tls->state != TLS_FAILED)
        flush(tls);
    if (tls->state == TLS_FAILED) {
        give_up(tls);
        return;
    }
    if (done != 1) {
        pn_stream_want(tls->lower, (why == SSL_ERROR_WANT_READ ? PN_WANT_READ : 0U) |
                                       (tls->out != NULL ? PN_WANT_WRITE : 0U));
        return;
    }

    pn_tls_done_fn *report = tls->handshake->done;
    void *owner = tls->handshake->owner;

    pn_timer_stop(&tls->handshake->deadline);
    pn_heap_free(tls->handshake);
    tls->handshake = NULL;
    tls->state = TLS_OPEN;
    forget_chain(tls->ssl);
    update_wants(tls);
    report(owner, &tls->stream, NULL);
}

static void on_deadline(struct pn_timer *timer)
{
    struct tls_stream *tls = pn_container_of(timer, struct handshake, deadline)->tls;

    tls->state = TLS_FAILED;
    tls->err = pn_heap_new(sizeof(*tls->err));
    (void)pn_fail(tls->err, PN_TIMEOUT, "the TLS handshake took too long");
    tls->is_lower_broken = true; /* no last words */
    give_up(tls);
}

/* ---- readiness ---- */

static void on_lower_ready(void *tls_, struct pn_stream *lower, unsigned events)
{
    struct tls_stream *tls = tls_;
    unsigned ready;

    (void)lower;
    if (events & PN_WANT_READ)
        tls->is_starved = false;
    if (tls->state == TLS_HANDSHAKE) {
        step_handshake(tls);
        return;
    }
    if (events & PN_WANT_WRITE)
        flush(tls);
    ready = possible(tls) | (events & PN_WANT_READ & tls->stream.wants);
    update_wants(tls);
    if (ready != 0)
        tls->stream.ready(tls->stream.owner, &tls->stream, ready); /* may be its end */
}

static void on_soon(struct pn_task *task)
{
    struct tls_stream *tls = pn_container_of(task, struct tls_stream, soon);
    unsigned ready;

    if (tls->state == TLS_HANDSHAKE) {
        step_handshake(tls);
        return;
    }
    ready = possible(tls);
    update_wants(tls); /* asks for the next round before the owner can end us */
    if (ready != 0)
        tls->stream.ready(tls->stream.owner, &tls->stream, ready);
}

/* ---- the stream ---- */

static ssize_t tls_read(struct pn_stream *stream, void *out, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    size_t total = 0;

    pn_on_loop(stream->loop);
    pn_assert(tls->state != TLS_HANDSHAKE);
    if (tls->state == TLS_FAILED)
        return PN_STREAM_FAILED;
    if (tls->is_ended)
        return 0;
    ERR_clear_error();
    while (total < len) {
        size_t count = 0;
        int done = SSL_read_ex(tls->ssl, (char *)out + total, len - total, &count);

        total += count;
        if (done == 1 && SSL_has_pending(tls->ssl))
            continue;
        if (done == 1)
            break;

        int why = SSL_get_error(tls->ssl, done);

        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            tls->is_starved = true;
        else if (why == SSL_ERROR_ZERO_RETURN)
            tls->is_ended = true;
        else
            fail_from_openssl(tls);
        break;
    }
    if (tls->out != NULL && tls->out_at == 0)
        flush(tls); /* answers that reading made: key updates, alerts */
    if (stream->wants != 0)
        update_wants(tls);
    if (total > 0)
        return (ssize_t)total;
    if (tls->state == TLS_FAILED)
        return PN_STREAM_FAILED;
    return tls->is_ended ? 0 : PN_STREAM_AGAIN;
}

static ssize_t tls_write(struct pn_stream *stream, const void *bytes, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    size_t total = 0;

    pn_on_loop(stream->loop);
    pn_assert(tls->state != TLS_HANDSHAKE && !tls->is_finished);
    if (tls->out != NULL)
        flush(tls);
    ERR_clear_error();
    while (tls->state == TLS_OPEN && total < len &&
           (tls->out == NULL || PN_LOOP_LEASE_BYTES - tls->out_len >= RECORD_ROOM)) {
        size_t piece = len - total < RECORD_BYTES ? len - total : RECORD_BYTES;
        size_t count = 0;

        if (SSL_write_ex(tls->ssl, (const char *)bytes + total, piece, &count) != 1) {
            fail_from_openssl(tls);
            break;
        }
        total += count;
    }
    if (tls->state == TLS_OPEN && tls->out != NULL && tls->out_at == 0 && total > 0)
        flush(tls);
    if (tls->out != NULL)
        update_wants(tls);
    if (tls->state == TLS_FAILED)
        return PN_STREAM_FAILED;
    return total > 0 ? (ssize_t)total : PN_STREAM_AGAIN;
}

static bool tls_finish(struct pn_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    pn_on_loop(stream->loop);
    if (tls->state == TLS_FAILED)
        return true;
    if (!tls->is_finished) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl); /* makes close_notify; does not wait for theirs */
        ERR_clear_error();
        tls->is_finished = true;
    }
    flush(tls);
    update_wants(tls);
    return tls->has_lower_fin || tls->state == TLS_FAILED;
}

static void tls_want(struct pn_stream *stream, unsigned wants)
{
    (void)wants;
    if (tls_of(stream)->state != TLS_HANDSHAKE)
        update_wants(tls_of(stream));
}

static void tls_close(struct pn_stream *stream)
{
    pn_on_loop(stream->loop);
    forget(tls_of(stream)); /* the lower stream aborts unless tls_finish has ended it */
}

static const struct pn_err *tls_error(const struct pn_stream *stream)
{
    return tls_of(stream)->err;
}

static const struct pn_stream_ops tls_ops = {
    .name = "tls",
    .read = tls_read,
    .write = tls_write,
    .finish = tls_finish,
    .want = tls_want,
    .close = tls_close,
    .error = tls_error,
};

bool pn_tls_start(struct pn_tls_context *context, struct pn_stream *lower, const char *server_name,
                  int64_t deadline_ms, pn_tls_done_fn *done, void *owner, struct pn_stream **out,
                  struct pn_err *err)
{
    struct tls_stream *tls = pn_heap_new(sizeof(*tls));
    struct handshake *handshake = pn_heap_new(sizeof(*handshake));
    struct pn_loop *loop = lower->loop;
    BIO *bio;

    pn_on_loop(loop);
    tls->stream.ops = &tls_ops;
    tls->stream.loop = loop;
    tls->lower = lower;
    tls->context = pn_tls_context_hold(context);
    tls->soon.run = on_soon;
    tls->handshake = handshake;
    handshake->tls = tls;
    handshake->done = done;
    handshake->owner = owner;
    handshake->deadline.run = on_deadline;
    tls->ssl = SSL_new(context->ssl_ctx);
    pn_assert(tls->ssl != NULL);
    SSL_set_app_data(tls->ssl, tls);
    bio = BIO_new(context->bio_method);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    if (context->is_server)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    if (server_name != NULL && strlen(server_name) > MAX_SERVER_NAME) {
        (void)pn_fail(err, PN_BAD_REQUEST, "the server's name is too long");
        forget(tls);
        return false;
    }
    if (server_name != NULL) {
        memcpy(handshake->server_name, server_name, strlen(server_name) + 1);
        if (!context->is_server && !pn_tls_context_expect(context, tls->ssl, server_name, err)) {
            forget(tls);
            return false;
        }
    }
    pn_stream_set_owner(lower, on_lower_ready, tls);
    pn_timer_start(loop, &handshake->deadline, deadline_ms);
    pn_loop_soon(loop, &tls->soon);
    *out = &tls->stream;
    return true;
}

void pn_tls_context_note_expired(SSL *ssl)
{
    struct tls_stream *tls = SSL_get_app_data(ssl);

    tls->has_expired = true;
}

/* ---- what was negotiated ---- */

const char *pn_tls_alpn(const struct pn_stream *stream)
{
    const struct tls_stream *tls = tls_of(stream);
    const uint8_t *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    for (size_t i = 0; i < tls->context->alpn_count; i++)
        if (strlen(tls->context->alpn_names[i]) == len &&
            memcmp(tls->context->alpn_names[i], name, len) == 0)
            return tls->context->alpn_names[i];
    return "";
}

const char *pn_tls_server_name(const struct pn_stream *stream)
{
    const char *name = SSL_get_servername(tls_of(stream)->ssl, TLSEXT_NAMETYPE_host_name);

    return name != NULL ? name : "";
}

struct pn_str pn_tls_peer_der(const struct pn_stream *stream, struct pn_arena *arena)
{
    X509 *leaf = SSL_get0_peer_certificate(tls_of(stream)->ssl);
    int len = leaf != NULL ? i2d_X509(leaf, NULL) : 0;

    if (len <= 0)
        return PN_NONE;

    uint8_t *der = pn_new(arena, uint8_t, (size_t)len);
    uint8_t *end = der;

    i2d_X509(leaf, &end);
    return pn_str_of(der, (size_t)len);
}

bool pn_tls_peer_has_expired(const struct pn_stream *stream)
{
    return tls_of(stream)->has_expired;
}
