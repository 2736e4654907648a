/* SPDX-License-Identifier: Apache-2.0 */
#include "net/origin.h"

#define STREAM_WINDOW_BYTES (256U * 1024)
#define CONNECTION_WINDOW_BYTES (16U * 1024 * 1024) /* returned on receipt: never the limit */
#define RECORD_PAYLOAD 16375U /* with its frame header it fills a TLS record */
#define READ_ROUNDS 4

enum { NO_ERROR = 0, REFUSED_STREAM = 7, CANCEL = 8 };

struct h2_conn {
    struct pn_origin_conn base; /* first */
    struct pn_h2_pipe pipe;
    struct request *open;
    struct request *cursor; /* whose turn is next in tell_owners */
    size_t count;
    int64_t idle_since_ms;
    bool is_flushed;
    bool awaits_pong;
};

static struct h2_conn *h2_of(const struct pn_origin_conn *conn)
{
    return (struct h2_conn *)(uintptr_t)conn;
}

static void say(struct h2_conn *conn)
{
    conn->is_flushed = false;
    pn_loop_soon(conn->base.origin->loop, &conn->base.soon);
}

static void link_request(struct h2_conn *conn, struct request *r)
{
    r->next = conn->open;
    r->at = &conn->open;
    if (r->next != NULL)
        r->next->at = &r->next;
    conn->open = r;
    conn->count++;
}

static void unlink_request(struct h2_conn *conn, struct request *r)
{
    if (conn->cursor == r)
        conn->cursor = r->next;
    *r->at = r->next;
    if (r->next != NULL)
        r->next->at = r->at;
    r->next = NULL;
    if (--conn->count == 0)
        conn->idle_since_ms = pn_loop_now_ms(conn->base.origin->loop);
}

static unsigned h2_possible(const struct request *r)
{
    return (r->state == REQUEST_ANSWERED && pn_h2_body_is_readable(&r->h2) ? (unsigned)PN_WANT_READ
                                                                           : 0U) |
           (pn_h2_body_is_writable(&r->h2) ? (unsigned)PN_WANT_WRITE : 0U);
}

/* ---- what nghttp2 tells. Owners are called later, from the step: these only take notes. ---- */

static bool on_head(void *owner PN_UNUSED, int32_t stream PN_UNUSED, void *stream_user,
                    const struct pn_http_head *head)
{
    struct request *r = stream_user;

    if (r == NULL || head->status < 200 || r->has_news)
        return r != NULL && head->status != 101;
    pn_arena_reset(r->arena); /* of the request's head */
    r->head = pn_http_head_copy(r->arena, head);
    r->has_news = true;
    return true;
}

static void on_data(void *owner, int32_t stream, void *stream_user, const char *bytes, size_t len)
{
    struct h2_conn *conn = owner;
    struct request *r = stream_user;

    if (r != NULL)
        pn_bytes_add(&r->h2.in, conn->base.origin->loop, bytes, len);
    else
        pn_h2_consumed(conn->pipe.h2, stream, len);
}

static void on_end(void *owner PN_UNUSED, int32_t stream PN_UNUSED, void *stream_user)
{
    struct request *r = stream_user;

    if (r != NULL)
        r->h2.is_in_ended = true;
}

static void on_close(void *owner, int32_t stream PN_UNUSED, void *stream_user, uint32_t error_code)
{
    struct h2_conn *conn = owner;
    struct request *r = stream_user;
    struct pn_err err = { 0 };

    if (r == NULL)
        return;
    r->h2.is_closed = true;
    if (error_code == NO_ERROR && r->h2.is_in_ended)
        return;
    pn_fail_cause(&err, PN_UNREACHABLE, (int)error_code, "the server reset the stream");
    unlink_request(conn, r);
    if (r->state == REQUEST_SENT && !r->has_news)
        pn_request_lost(r, error_code == REFUSED_STREAM, &err);
    else
        pn_request_fail(r, &err);
}

static ptrdiff_t pull(void *owner, int32_t stream PN_UNUSED, void *stream_user, char *out,
                      size_t max, bool *is_end)
{
    struct h2_conn *conn = owner;
    struct request *r = stream_user;

    return r != NULL ? pn_h2_body_pull(&r->h2, conn->base.origin->loop, out, max, is_end)
                     : PN_H2_PULL_FAILED;
}

static void on_goaway(void *owner, int32_t last_stream PN_UNUSED, uint32_t error_code PN_UNUSED)
{
    struct h2_conn *conn = owner;

    conn->base.is_closing = true; /* new requests go elsewhere, running ones finish */
}

static void on_pong(void *owner)
{
    ((struct h2_conn *)owner)->awaits_pong = false;
}

static const struct pn_h2_events h2_events = { .on_head = on_head,
                                               .on_data = on_data,
                                               .on_end = on_end,
                                               .on_close = on_close,
                                               .pull = pull,
                                               .on_goaway = on_goaway,
                                               .on_pong = on_pong };

/* ---- steps ---- */

static void deliver_head(struct request *r)
{
    struct h2_conn *conn = h2_of(r->conn);
    struct pn_http_head *head = r->head;

    struct pn_arena *arena = r->arena;

    r->has_news = false;
    r->state = REQUEST_ANSWERED;
    r->arena = NULL;
    conn->base.was_used = true;
    r->public.events->response(r->public.owner, &r->public, head);
    pn_origin_keep_arena(conn->base.origin, arena);
}

/* Owners may close any of the requests meanwhile. */
static void tell_owners(struct h2_conn *conn)
{
    for (struct request *r = conn->open; r != NULL; r = conn->cursor) {
        struct pn_stream *body = &r->public.body;
        unsigned events;

        conn->cursor = r->next;
        if (r->has_news) {
            deliver_head(r);
            continue;
        }
        events = h2_possible(r) & body->wants;
        if (events != 0)
            body->ready(body->owner, body, events);
    }
}

static bool has_work(const struct h2_conn *conn)
{
    for (const struct request *r = conn->open; r != NULL; r = r->next)
        if (r->has_news || (h2_possible(r) & r->public.body.wants) != 0)
            return true;
    return false;
}

static void flush(struct h2_conn *conn)
{
    conn->is_flushed = pn_h2_pipe_flush(&conn->pipe, &conn->base.origin->wire);
}

static void read_input(struct h2_conn *conn)
{
    struct pn_err err = { 0 };

    for (int round = 0; round < READ_ROUNDS; round++) {
        ssize_t got = pn_h2_pipe_read(&conn->pipe, &err);

        conn->awaits_pong &= got <= 0; /* whatever comes is a sign of life */
        if (got > 0)
            continue;
        if (got == PN_STREAM_AGAIN)
            return;
        if (got == 0)
            pn_fail(&err, PN_UNREACHABLE, "the server closed the connection");
        tell_owners(conn); /* answers that came just before */
        if (conn->base.stream == NULL)
            return;
        flush(conn);
        (void)pn_stream_finish(conn->base.stream);
        pn_origin_conn_die(&conn->base, &err);
        return;
    }
}

static void end_if_over(struct h2_conn *conn)
{
    struct pn_err err = { 0 };
    bool is_unused = conn->base.is_closing && conn->count == 0;

    if ((!pn_h2_is_over(conn->pipe.h2) && !is_unused) || conn->pipe.out.len > 0)
        return;
    pn_fail(&err, PN_UNREACHABLE, "the connection ended");
    (void)pn_stream_finish(conn->base.stream);
    pn_origin_conn_die(&conn->base, &err);
}

static void h2_step(struct pn_origin_conn *base, unsigned events)
{
    struct h2_conn *conn = h2_of(base);

    if (events & PN_WANT_READ)
        read_input(conn);
    if (base->stream != NULL)
        tell_owners(conn);
    if (base->stream != NULL && (!conn->is_flushed || pn_h2_wants_output(conn->pipe.h2)))
        flush(conn);
    if (base->stream != NULL)
        end_if_over(conn);
    if (base->stream == NULL)
        return;
    if (has_work(conn))
        pn_loop_soon(base->origin->loop, &base->soon);
    if (!base->is_closing)
        pn_origin_hand_out(base->origin); /* a stream may have become free */
    pn_stream_want(base->stream, PN_WANT_READ | (conn->is_flushed ? 0U : (unsigned)PN_WANT_WRITE));
}

/* Every ping_ms: a quiet connection is kept alive while it has requests, found dead, or closed as idle. */
static void h2_timeout(struct pn_origin_conn *base)
{
    struct h2_conn *conn = h2_of(base);
    struct pn_err err = { 0 };

    if (conn->awaits_pong)
        h2_step(base, PN_WANT_READ); /* after a sleep of the whole machine it may just lie there */
    if (base->stream == NULL)
        return;
    if (conn->awaits_pong) {
        pn_fail(&err, PN_TIMEOUT, "the server does not answer pings");
        pn_origin_conn_die(base, &err);
        return;
    }
    pn_timer_start(base->origin->loop, &base->timer, base->origin->config.ping_ms);
    if (conn->count > 0) {
        conn->awaits_pong = true;
        pn_h2_ping(conn->pipe.h2);
    } else if (pn_loop_now_ms(base->origin->loop) - conn->idle_since_ms >=
               base->origin->config.idle_timeout_ms) {
        base->is_closing = true;
        pn_h2_goaway(conn->pipe.h2, NO_ERROR);
    }
    say(conn);
}

/* ---- a request ---- */

static bool h2_send(struct pn_origin_conn *base, struct request *r)
{
    struct h2_conn *conn = h2_of(base);
    struct pn_err err = { 0 };
    int32_t id = pn_h2_request(conn->pipe.h2, r->head, r, &err);

    if (id < 0 && err.code == PN_BUSY)
        return false;
    if (id < 0) {
        pn_request_fail(r, &err);
        return true;
    }
    r->h2 = (struct pn_h2_body){ .id = id,
                                 .may_write = !r->head->is_last,
                                 .is_out_ended = r->head->is_last };
    link_request(conn, r);
    say(conn); /* requests of one iteration leave in one write */
    return true;
}

static ssize_t h2_read(struct pn_stream *body, void *out, size_t len)
{
    struct request *r = request_of(body);
    struct h2_conn *conn = h2_of(r->conn);
    ssize_t got;

    if (r->state != REQUEST_ANSWERED)
        return PN_STREAM_AGAIN;
    got = pn_h2_body_read(&r->h2, body->loop, conn != NULL ? conn->pipe.h2 : NULL, out, len);
    if (got > 0 && conn != NULL && !r->h2.is_closed)
        say(conn); /* the window that was returned */
    return got;
}

static ssize_t h2_write(struct pn_stream *body, const void *bytes, size_t len)
{
    struct request *r = request_of(body);
    struct h2_conn *conn = h2_of(r->conn);
    ssize_t taken =
        pn_h2_body_write(&r->h2, body->loop, conn != NULL ? conn->pipe.h2 : NULL, bytes, len);

    if (taken > 0)
        r->has_sent_body = true;
    if (taken > 0 && conn != NULL && !r->h2.is_closed)
        say(conn);
    return taken;
}

static bool h2_finish(struct pn_stream *body)
{
    struct request *r = request_of(body);
    struct h2_conn *conn = h2_of(r->conn);

    if (r->h2.is_closed)
        return true;
    say(conn);
    return pn_h2_body_finish(&r->h2, conn->pipe.h2);
}

static const struct pn_stream_ops h2_body_ops = {
    .name = "http/2 request",
    .read = h2_read,
    .write = h2_write,
    .finish = h2_finish,
    .want = pn_request_want,
    .close = pn_request_close,
    .error = pn_request_error,
};

static void h2_close_request(struct request *r)
{
    struct h2_conn *conn = h2_of(r->conn);

    unlink_request(conn, r);
    if (!r->h2.is_closed) {
        pn_h2_set_user(conn->pipe.h2, r->h2.id, NULL);
        if (!r->h2.is_in_ended || !r->h2.is_out_ended || r->h2.out.len > 0)
            pn_h2_reset(conn->pipe.h2, r->h2.id, CANCEL);
    }
    say(conn);
}

/* ---- the connection ---- */

/* Answers that came whole stay readable without the connection. */
static void h2_lose_requests(struct pn_origin_conn *base, const struct pn_err *why)
{
    struct h2_conn *conn = h2_of(base);

    while (conn->open != NULL) {
        struct request *r = conn->open;

        unlink_request(conn, r);
        if (r->state == REQUEST_SENT && !r->has_news) {
            pn_request_lost(r, false, why);
        } else if (r->state == REQUEST_ANSWERED && r->h2.is_in_ended) {
            r->h2.is_closed = true;
            r->conn = NULL;
            pn_request_wake(r);
        } else {
            pn_request_fail(r, why);
        }
    }
}

static void h2_drop(struct pn_origin_conn *base)
{
    pn_h2_pipe_drop(&h2_of(base)->pipe);
}

static size_t h2_load(const struct pn_origin_conn *base)
{
    return pn_h2_open_streams(h2_of(base)->pipe.h2);
}

static size_t h2_most(struct pn_origin_conn *base)
{
    return pn_h2_peer_max_streams(h2_of(base)->pipe.h2);
}

static const struct pn_origin_ops h2_ops = {
    .send = h2_send,
    .step = h2_step,
    .close_request = h2_close_request,
    .possible = h2_possible,
    .lose_requests = h2_lose_requests,
    .timeout = h2_timeout,
    .drop = h2_drop,
    .load = h2_load,
    .most = h2_most,
};

struct pn_origin_conn *pn_origin_h2_new(struct pn_origin *origin, struct pn_stream *stream)
{
    struct pn_h2_config config = { .stream_window_bytes = STREAM_WINDOW_BYTES,
                                   .connection_window_bytes = CONNECTION_WINDOW_BYTES,
                                   .max_frame_bytes = RECORD_PAYLOAD };
    struct h2_conn *conn = pn_heap_new(sizeof(*conn));
    struct pn_err err = { 0 };

    conn->base.ops = &h2_ops;
    conn->base.body_ops = &h2_body_ops;
    conn->base.is_h2 = true;
    conn->pipe.stream = stream;
    conn->idle_since_ms = pn_loop_now_ms(origin->loop);
    if (!pn_h2_new(&config, &h2_events, conn, &conn->pipe.h2, &err))
        pn_die("no memory for an HTTP/2 session");
    pn_origin_conn_init(&conn->base, origin, stream);
    pn_timer_start(origin->loop, &conn->base.timer, origin->config.ping_ms);
    pn_stream_want(stream, PN_WANT_READ);
    say(conn);
    return &conn->base;
}
