/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "http/h1.h"
#include "net/tls_context.h"

#define MAX_BODY_BYTES ((size_t)16 << 20)
#define MAX_INTERIM_HEADS 8
#define READ_BYTES 16384
#define SMALL_BODY_BYTES ((size_t)8192)

enum { WAITS_READ = -1, WAITS_WRITE = -2, BROKEN = -3 };

/* One connection: a descriptor, perhaps with TLS on it, and what was read but not used yet. */
struct connection {
    int fd; /* -1 = none */
    SSL *ssl;
    struct pn_buf in;
    bool was_used;      /* a request was answered on it: it may be dead without our knowing */
    int64_t used_at_ms; /* when the last answer ended, on the monotonic clock */
};

struct pn_fetcher {
    struct pn_url url;
    char *prefix;
    char authority[280];
    char *user_agent;
    char *server_name;
    const char *alpn;           /* must be negotiated; NULL: no matter */
    struct pn_tls_context *tls; /* NULL for http:// */
    BIO_METHOD *bio_method;
    pn_dial_check_fn *check;
    void *check_context;
    struct connection connection;
    struct pn_fetch_fault fault;
};

/* ---- OpenSSL on a descriptor, without SIGPIPE ---- */

static int fd_read(BIO *bio, char *out, size_t len, size_t *count)
{
    ssize_t got = recv((int)(intptr_t)BIO_get_data(bio), out, len, 0);

    BIO_clear_retry_flags(bio);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    BIO_set_flags(bio, got == 0 ? BIO_FLAGS_IN_EOF : 0);
    *count = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static int fd_write(BIO *bio, const char *bytes, size_t len, size_t *count)
{
    ssize_t sent = send((int)(intptr_t)BIO_get_data(bio), bytes, len, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    *count = sent > 0 ? (size_t)sent : 0;
    return sent > 0;
}

static long fd_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

/* ---- the connection ---- */

static void disconnect(struct connection *c)
{
    if (c->ssl != NULL && c->was_used) {
        SSL_shutdown(c->ssl); /* says goodbye; whether it is heard does not matter */
        ERR_clear_error();
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->was_used = false;
    pn_buf_clear(&c->in);
}

static bool wait_for(const struct connection *c, ssize_t what, int64_t deadline_ms,
                     struct pn_err *err)
{
    struct pollfd fd = { .fd = c->fd, .events = what == WAITS_READ ? POLLIN : POLLOUT };

    for (;;) {
        int64_t left_ms = deadline_ms - pn_clock_mono_ms();
        int ready = left_ms > 0 ? poll(&fd, 1, left_ms < 60000 ? (int)left_ms : 60000) : 0;

        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return pn_fail_cause(err, PN_IO, errno, "cannot wait for the server: %s",
                                 strerror(errno));
        if (left_ms <= 0)
            return pn_fail(err, PN_TIMEOUT, "the server did not answer in time");
    }
}

static ssize_t outcome_of_ssl(const struct connection *c, int done)
{
    switch (SSL_get_error(c->ssl, done)) {
    case SSL_ERROR_WANT_READ: return WAITS_READ;
    case SSL_ERROR_WANT_WRITE: return WAITS_WRITE;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return BROKEN;
    }
}

static ssize_t try_read(const struct connection *c, char *out, size_t len)
{
    size_t count = 0;

    if (c->ssl == NULL) {
        ssize_t got = recv(c->fd, out, len, 0);

        return got >= 0 ? got : errno == EAGAIN || errno == EINTR ? WAITS_READ : BROKEN;
    }
    ERR_clear_error();

    int done = SSL_read_ex(c->ssl, out, len, &count);

    return done == 1 ? (ssize_t)count : outcome_of_ssl(c, done);
}

static ssize_t try_write(const struct connection *c, const char *bytes, size_t len)
{
    size_t count = 0;

    if (c->ssl == NULL) {
        ssize_t sent = send(c->fd, bytes, len, MSG_NOSIGNAL);

        return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR ? WAITS_WRITE : BROKEN;
    }
    ERR_clear_error();

    int done = SSL_write_ex(c->ssl, bytes, len, &count);

    return done == 1 ? (ssize_t)count : outcome_of_ssl(c, done);
}

static bool fail_broken(const struct connection *c, struct pn_err *err)
{
    if (c->ssl != NULL)
        return pn_tls_context_fail(c->ssl, NULL, err);
    return pn_fail_cause(err, PN_UNREACHABLE, errno, "the connection to the server broke");
}

/* What was wrong with the certificate, in the classes that help a person to mend it. */
static int certificate_fault(SSL *ssl)
{
    long verdict = SSL_get_verify_result(ssl);

    switch (verdict) {
    case X509_V_OK: return PN_CERT_NO_FAULT;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return PN_CERT_SELF_SIGNED;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_HAS_EXPIRED: return PN_CERT_UNVERIFIED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        return sk_X509_num(SSL_get_peer_cert_chain(ssl)) == 1 ? PN_CERT_UNVERIFIED : PN_CERT_OTHER;
    default: return PN_CERT_OTHER;
    }
}

static bool check_alpn(const struct pn_fetcher *fetcher, struct pn_err *err)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    if (fetcher->alpn == NULL)
        return true;
    SSL_get0_alpn_selected(fetcher->connection.ssl, &name, &len);
    return pn_str_is(pn_str_of(name, len), fetcher->alpn) ||
           pn_fail(err, PN_PROTOCOL, "what answers there does not speak %s", fetcher->alpn);
}

static bool shake_hands(struct pn_fetcher *fetcher, int64_t deadline_ms, struct pn_err *err)
{
    struct connection *c = &fetcher->connection;
    BIO *bio = BIO_new(fetcher->bio_method);
    ssize_t outcome;

    BIO_set_data(bio, (void *)(intptr_t)c->fd);
    BIO_set_init(bio, 1);
    c->ssl = SSL_new(fetcher->tls->ssl_ctx);
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_connect_state(c->ssl);
    if (!pn_tls_context_expect(fetcher->tls, c->ssl, fetcher->server_name, err))
        return false;
    for (;;) {
        ERR_clear_error();

        int done = SSL_do_handshake(c->ssl);

        if (done == 1)
            return check_alpn(fetcher, err);
        outcome = outcome_of_ssl(c, done);
        if (outcome != WAITS_READ && outcome != WAITS_WRITE) {
            fetcher->fault.certificate = certificate_fault(c->ssl);
            return pn_tls_context_fail(c->ssl, fetcher->server_name, err);
        }
        if (!wait_for(c, outcome, deadline_ms, err))
            return false;
    }
}

static bool open_connection(struct pn_fetcher *fetcher, int64_t deadline_ms, struct pn_err *err)
{
    const struct pn_dial_guard guard = { fetcher->check, fetcher->check_context };
    struct connection *c = &fetcher->connection;
    bool is_resolved;

    fetcher->fault = (struct pn_fetch_fault){ 0 };
    c->fd = pn_dial_blocking(&fetcher->url.endpoint, deadline_ms, &guard, &is_resolved, err);
    fetcher->fault.phase = is_resolved ? PN_FETCH_CONNECT : PN_FETCH_RESOLVE;
    if (c->fd < 0)
        return false;
    fetcher->fault.phase = PN_FETCH_TLS;
    if (fetcher->tls != NULL && !shake_hands(fetcher, deadline_ms, err)) {
        disconnect(c);
        return false;
    }
    fetcher->fault.phase = PN_FETCH_HTTP;
    return true;
}

static bool is_idle_too_long(const struct connection *c)
{
    return c->was_used && pn_clock_mono_ms() - c->used_at_ms >= PN_FETCH_MAX_IDLE_MS;
}

/*
 * A kept-alive connection on which something waits has been ended by the server (or talks nonsense). One that was idle
 * for long may be ended just as the next request is on its way, and a POST would be lost with it.
 */
static bool is_stale(const struct connection *c)
{
    char byte;

    return c->fd >= 0 && (is_idle_too_long(c) ||
                          recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN);
}

static bool send_all(const struct connection *c, struct pn_str bytes, int64_t deadline_ms,
                     size_t *sent, struct pn_err *err)
{
    while (bytes.len > 0) {
        ssize_t count = try_write(c, bytes.ptr, bytes.len);

        if (count == BROKEN || count == 0)
            return fail_broken(c, err);
        if (count < 0) {
            if (!wait_for(c, count, deadline_ms, err))
                return false;
            continue;
        }
        *sent += (size_t)count;
        bytes = pn_str_slice(bytes, (size_t)count, bytes.len);
    }
    return true;
}

/* More bytes into c->in. *has_ended: the server ended the connection, properly or not. */
static bool receive(struct connection *c, int64_t deadline_ms, bool *has_ended, struct pn_err *err)
{
    char *room = pn_buf_room(&c->in, READ_BYTES);

    *has_ended = false;
    if (room == NULL)
        return pn_fail(err, PN_PROTOCOL, "the server sent more than fits");
    for (;;) {
        ssize_t count = try_read(c, room, READ_BYTES);

        if (count > 0)
            pn_buf_grew(&c->in, (size_t)count);
        if (count >= 0) {
            *has_ended = count == 0;
            return true;
        }
        if (count == BROKEN)
            return fail_broken(c, err);
        if (!wait_for(c, count, deadline_ms, err))
            return false;
    }
}

/* ---- one request and its answer ---- */

struct attempt {
    struct pn_fetcher *fetcher;
    const struct pn_fetch *request;
    struct pn_arena *arena;
    size_t sent;       /* bytes of the request */
    bool has_received; /* anything of an answer */
};

/* The head, in wiped memory: it carries the bearer. */
static bool print_head(const struct attempt *a, struct pn_buf *out, struct pn_err *err)
{
    const struct pn_fetch *request = a->request;
    const struct pn_fetcher *fetcher = a->fetcher;
    size_t count = 0;
    struct pn_http_field *fields = pn_new(a->arena, struct pn_http_field, request->field_count + 4);
    pn_auto(pn_buf_drop) struct pn_buf bearer = pn_buf_init_wiped(PN_HTTP_MAX_HEAD_BYTES);
    struct pn_http_head head = {
        .method = pn_str_from(request->method),
        .target = pn_arena_printf(a->arena, "%.*s%.*s", PN_ARG(fetcher->url.prefix),
                                  PN_ARG(request->path)),
        .authority = pn_str_from(fetcher->authority),
        .fields = fields,
        .content_length = request->body.ptr != NULL ? (int64_t)request->body.len : -1,
    };

    if (fetcher->user_agent != NULL)
        fields[count++] =
            (struct pn_http_field){ PN_LIT("User-Agent"), pn_str_from(fetcher->user_agent) };
    /* JSON, but a cluster's keys are of a type of their own (RFC 7517). */
    fields[count++] =
        (struct pn_http_field){ PN_LIT("Accept"), PN_LIT("application/json, */*;q=0.1") };
    if (request->body.ptr != NULL)
        fields[count++] =
            (struct pn_http_field){ PN_LIT("Content-Type"), request->content_type != NULL
                                                                ? pn_str_from(request->content_type)
                                                                : PN_LIT("application/json") };
    if (request->bearer != NULL) {
        pn_buf_add(&bearer, PN_LIT("Bearer "));
        pn_buf_add(&bearer, pn_secret_reveal(request->bearer));
        fields[count++] = (struct pn_http_field){ PN_LIT("Authorization"), pn_buf_str(&bearer) };
    }
    for (size_t i = 0; i < request->field_count; i++)
        fields[count++] = request->fields[i];
    head.count = count;
    if (bearer.is_full || !pn_h1_print_request(&head, out))
        return pn_fail(err, PN_BAD_REQUEST, "the request cannot be written as HTTP");
    return true;
}

static bool send_request(struct attempt *a, struct pn_buf *head, struct pn_err *err)
{
    const struct connection *c = &a->fetcher->connection;
    struct pn_str body = a->request->body;

    if (body.len <= SMALL_BODY_BYTES && pn_buf_add(head, body)) /* one record, one send */
        body = PN_NONE;
    return send_all(c, pn_buf_str(head), a->request->deadline_ms, &a->sent, err) &&
           send_all(c, body, a->request->deadline_ms, &a->sent, err);
}

/* Reads heads until a final one; it is parsed from a copy in the arena, which outlives the buffer. */
static bool receive_head(struct attempt *a, struct pn_http_head *out, struct pn_err *err)
{
    struct connection *c = &a->fetcher->connection;
    struct pn_str method = pn_str_from(a->request->method);

    for (int interim = 0; interim < MAX_INTERIM_HEADS;) {
        size_t used = 0;
        bool has_ended;
        enum pn_h1_result result =
            c->in.len > 0
                ? pn_h1_parse_response(pn_buf_str(&c->in), a->arena, method, out, &used, err)
                : PN_H1_MORE;

        if (result == PN_H1_BAD)
            return false;
        if (result == PN_H1_DONE) {
            struct pn_str copy = pn_arena_copy(a->arena, pn_str_of(c->in.ptr, used));

            result = pn_h1_parse_response(copy, a->arena, method, out, &used, err);
            pn_assert(result == PN_H1_DONE);
            pn_buf_consume(&c->in, used);
            if (out->status == 101)
                return pn_fail(err, PN_PROTOCOL,
                               "the server switched protocols without being asked");
            if (out->status >= 200)
                return true;
            interim++;
            continue;
        }
        if (!receive(c, a->request->deadline_ms, &has_ended, err))
            return false;
        if (has_ended && c->in.len == 0)
            return pn_fail(err, PN_UNREACHABLE,
                           "the server closed the connection without an answer");
        if (has_ended)
            return pn_fail(err, PN_PROTOCOL, "the server's answer ends in the middle");
        a->has_received = true;
    }
    return pn_fail(err, PN_PROTOCOL, "the server sends interim answers without end");
}

static bool receive_body(struct attempt *a, struct pn_h1_body *framing, struct pn_buf *body,
                         struct pn_err *err)
{
    struct connection *c = &a->fetcher->connection;

    while (!framing->is_done) {
        size_t used = 0;
        struct pn_str data = PN_NONE;
        bool has_ended;

        if (c->in.len > 0) {
            if (pn_h1_body_read(framing, pn_buf_str(&c->in), &used, &data, err) == PN_H1_BAD)
                return false;
            if (data.len > 0 && !pn_buf_add(body, data))
                return pn_fail(err, PN_TOO_LARGE, "the server's answer is larger than %zu bytes",
                               body->max_bytes);
            pn_buf_consume(&c->in, used);
            if (used > 0)
                continue;
        }
        if (!receive(c, a->request->deadline_ms, &has_ended, err))
            return false;
        if (has_ended && pn_h1_body_may_end(framing))
            return true;
        if (has_ended)
            return pn_fail(err, PN_PROTOCOL, "the server's answer ends in the middle");
    }
    return true;
}

static bool receive_answer(struct attempt *a, struct pn_fetched *out, struct pn_err *err)
{
    struct connection *c = &a->fetcher->connection;
    size_t max_bytes =
        a->request->max_body_bytes != 0 ? a->request->max_body_bytes : MAX_BODY_BYTES;
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(max_bytes);

    if (!receive_head(a, &out->head, err))
        return false;

    struct pn_h1_body framing = pn_h1_body_of(&out->head);

    if (framing.framing == PN_H1_LENGTH && framing.left > max_bytes)
        return pn_fail(err, PN_TOO_LARGE, "the server's answer is larger than %zu bytes",
                       max_bytes);
    if (!receive_body(a, &framing, &body, err))
        return false;
    out->status = out->head.status;
    out->body = pn_arena_copy(a->arena, pn_buf_str(&body));
    c->was_used = true;
    c->used_at_ms = pn_clock_mono_ms();
    if (out->head.wants_close || framing.framing == PN_H1_UNTIL_CLOSE || c->in.len > 0)
        disconnect(c);
    return true;
}

static bool is_repeatable(const struct attempt *a)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };

    if (a->sent == 0 || a->request->is_repeatable)
        return true;
    for (size_t i = 0; i < PN_COUNT(methods); i++)
        if (strcmp(a->request->method, methods[i]) == 0)
            return true;
    return false;
}

static int64_t connect_by(const struct pn_fetch *request)
{
    return request->connect_by_ms != 0 && request->connect_by_ms < request->deadline_ms
               ? request->connect_by_ms
               : request->deadline_ms;
}

static bool try_once(struct attempt *a, struct pn_fetched *out, struct pn_err *err)
{
    struct connection *c = &a->fetcher->connection;
    pn_auto(pn_buf_drop) struct pn_buf head =
        pn_buf_init_wiped(PN_HTTP_MAX_HEAD_BYTES + SMALL_BODY_BYTES);

    if (!print_head(a, &head, err))
        return false;
    if (c->fd < 0 && !open_connection(a->fetcher, connect_by(a->request), err))
        return false;
    if (!send_request(a, &head, err)) {
        struct pn_err ignored = { 0 };

        /* A server may refuse (413, 401) and close before it has read all: its answer counts. */
        if (a->sent > 0 && err->code != PN_TIMEOUT && receive_answer(a, out, &ignored)) {
            pn_err_clear(err);
            disconnect(c);
            return true;
        }
        return false;
    }
    return receive_answer(a, out, err);
}

bool pn_fetch(struct pn_fetcher *fetcher, const struct pn_fetch *request, struct pn_arena *arena,
              struct pn_fetched *out, struct pn_err *err)
{
    struct attempt attempt = { .fetcher = fetcher, .request = request, .arena = arena };
    struct connection *c = &fetcher->connection;

    pn_on_worker();
    if (is_stale(c))
        disconnect(c);

    bool was_used = c->was_used;

    if (try_once(&attempt, out, err))
        return true;
    disconnect(c);
    if (was_used && !attempt.has_received && err->code == PN_UNREACHABLE &&
        is_repeatable(&attempt)) {
        attempt = (struct attempt){ .fetcher = fetcher, .request = request, .arena = arena };
        pn_err_clear(err);
        if (try_once(&attempt, out, err))
            return true;
        disconnect(c);
    }
    return pn_within(err, "%s %.*s", request->method, PN_ARG(request->path));
}

/* ---- life ---- */

bool pn_fetcher_new(const struct pn_fetcher_config *config, struct pn_fetcher **out,
                    struct pn_err *err)
{
    const char *const alpn[] = { config->alpn != NULL ? config->alpn : "http/1.1", NULL };
    const struct pn_tls_settings settings = { .chain_pem = config->chain_pem,
                                              .key_pem = config->key_pem,
                                              .trust_pem = config->trust_pem,
                                              .is_insecure = config->is_insecure,
                                              .alpn = alpn };
    struct pn_fetcher *fetcher = pn_heap_new(sizeof(*fetcher));
    const struct pn_endpoint *at = &config->url.endpoint;
    bool is_v6 = strchr(at->host, ':') != NULL,
         is_default = at->port == (config->url.is_tls ? 443 : 80);

    fetcher->url = config->url;
    fetcher->prefix = pn_heap_new(config->url.prefix.len + 1);
    memcpy(fetcher->prefix, config->url.prefix.len > 0 ? config->url.prefix.ptr : "",
           config->url.prefix.len);
    fetcher->url.prefix = pn_str_of(fetcher->prefix, config->url.prefix.len);
    snprintf(fetcher->authority, sizeof(fetcher->authority), is_v6 ? "[%s]" : "%s", at->host);
    if (!is_default)
        snprintf(fetcher->authority + strlen(fetcher->authority), 8, ":%u", at->port);
    fetcher->user_agent = config->user_agent != NULL ? pn_heap_copy(config->user_agent) : NULL;
    fetcher->check = config->check;
    fetcher->check_context = config->check_context;
    fetcher->server_name =
        pn_heap_copy(config->server_name != NULL ? config->server_name : at->host);
    fetcher->alpn = config->alpn;
    fetcher->connection.fd = -1;
    fetcher->connection.in = pn_buf_init_wiped(PN_HTTP_MAX_HEAD_BYTES + READ_BYTES);
    if (config->url.is_tls) {
        fetcher->bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "descriptor");
        BIO_meth_set_read_ex(fetcher->bio_method, fd_read);
        BIO_meth_set_write_ex(fetcher->bio_method, fd_write);
        BIO_meth_set_ctrl(fetcher->bio_method, fd_ctrl);
    }
    if (config->url.is_tls && !pn_tls_context_new(&settings, &fetcher->tls, err)) {
        pn_fetcher_free(fetcher);
        return false;
    }
    *out = fetcher;
    return true;
}

bool pn_fetcher_is_stale(const struct pn_fetcher *fetcher)
{
    return is_stale(&fetcher->connection);
}

struct pn_fetch_fault pn_fetcher_fault(const struct pn_fetcher *fetcher)
{
    return fetcher->fault;
}

void pn_fetcher_free(struct pn_fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    disconnect(&fetcher->connection);
    pn_buf_drop(&fetcher->connection.in);
    pn_tls_context_free(fetcher->tls);
    BIO_meth_free(fetcher->bio_method);
    pn_heap_free(fetcher->user_agent);
    pn_heap_free(fetcher->server_name);
    pn_heap_free(fetcher->prefix);
    pn_heap_free(fetcher);
}
