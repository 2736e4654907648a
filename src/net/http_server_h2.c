/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#define STREAM_WINDOW_BYTES (256U * 1024)           /* kube-proxying.md §18: per-stream buffer */
#define CONNECTION_WINDOW_BYTES (16U * 1024 * 1024) /* returned on receipt: never the limit */
#define RECORD_PAYLOAD 16375U /* with its frame header it fills a TLS record */
#define READ_ROUNDS 4

enum { NO_ERROR = 0, INTERNAL_ERROR = 2, CANCEL = 8 };

struct h2_conn {
    struct pn_http_conn base; /* first */
    struct pn_h2_pipe pipe;
    struct exchange *open;   /* owned by a handler */
    struct exchange *fading; /* closed by it, still sending */
    struct exchange *cursor; /* whose turn is next in tell_owners */
    bool is_flushed;         /* all that could be sent was */
};

static struct h2_conn *h2_of(struct pn_http_conn *conn)
{
    return (struct h2_conn *)conn;
}

static struct h2_conn *h2_of_body(struct pn_stream *body)
{
    return h2_of(exchange_of(body)->public.conn);
}

static bool is_dead(const struct h2_conn *conn)
{
    return conn->base.stream == NULL;
}

static void link_exchange(struct exchange **list, struct exchange *x)
{
    x->next = *list;
    x->at = list;
    if (x->next != NULL)
        x->next->at = &x->next;
    *list = x;
}

static void unlink_exchange(struct exchange *x)
{
    struct h2_conn *conn = h2_of(x->public.conn);

    if (conn->cursor == x)
        conn->cursor = x->next;
    *x->at = x->next;
    if (x->next != NULL)
        x->next->at = x->at;
}

static void forget(struct exchange *x)
{
    struct pn_loop *loop = x->public.body.loop;

    pn_bytes_drop(&x->h2.in, loop);
    pn_bytes_drop(&x->h2.out, loop);
    unlink_exchange(x);
    pn_http_exchange_free(x);
}

/* The session has something to say, or an owner something to hear. */
static void soon(struct h2_conn *conn)
{
    pn_loop_soon(conn->base.server->loop, &conn->base.soon);
}

static void say(struct h2_conn *conn)
{
    conn->is_flushed = false;
    soon(conn);
}

/* ---- what nghttp2 tells. Handlers are called later, from the step: these only take notes. ---- */

static const struct pn_stream_ops h2_body_ops;

static bool on_head(void *owner, int32_t stream, void *stream_user PN_UNUSED,
                    const struct pn_http_head *head)
{
    struct h2_conn *conn = owner;
    struct exchange *x;

    if (conn->base.server->is_draining)
        return false;
    x = pn_http_exchange_new(&conn->base, &h2_body_ops);
    x->head = *pn_http_head_copy(x->public.arena, head);
    x->public.is_h2 = true;
    x->is_new = true;
    x->h2.id = stream;
    link_exchange(&conn->open, x);
    pn_h2_set_user(conn->pipe.h2, stream, x);
    return true;
}

static void on_data(void *owner, int32_t stream, void *stream_user, const char *bytes, size_t len)
{
    struct h2_conn *conn = owner;
    struct exchange *x = stream_user;

    if (x == NULL || x->is_abandoned)
        pn_h2_consumed(conn->pipe.h2, stream, len);
    else
        pn_bytes_add(&x->h2.in, conn->base.server->loop, bytes, len);
}

static void on_end(void *owner PN_UNUSED, int32_t stream PN_UNUSED, void *stream_user)
{
    struct exchange *x = stream_user;

    if (x != NULL)
        x->h2.is_in_ended = true;
}

static void break_exchange(struct exchange *x, const struct pn_err *why)
{
    if (x->err != NULL)
        return;
    x->err = pn_heap_new(sizeof(*why));
    *x->err = *why;
}

static void on_close(void *owner PN_UNUSED, int32_t stream PN_UNUSED, void *stream_user,
                     uint32_t error_code)
{
    struct exchange *x = stream_user;
    struct pn_err err = { 0 };

    if (x == NULL)
        return;
    x->h2.is_closed = true;
    if (x->is_abandoned) {
        forget(x);
        return;
    }
    if (error_code == NO_ERROR && x->h2.is_in_ended && x->h2.is_out_ended)
        return;
    pn_fail_cause(&err, PN_UNREACHABLE, (int)error_code, "the client reset the stream");
    break_exchange(x, &err);
}

static ptrdiff_t pull(void *owner, int32_t stream PN_UNUSED, void *stream_user, char *out,
                      size_t max, bool *is_end)
{
    struct h2_conn *conn = owner;
    struct exchange *x = stream_user;

    return x != NULL ? pn_h2_body_pull(&x->h2, conn->base.server->loop, out, max, is_end)
                     : PN_H2_PULL_FAILED;
}

static const struct pn_h2_events h2_events = {
    .on_head = on_head, .on_data = on_data, .on_end = on_end, .on_close = on_close, .pull = pull
};

/* ---- steps ---- */

static unsigned possible(const struct exchange *x)
{
    if (x->err != NULL)
        return PN_WANT_READ | PN_WANT_WRITE;
    return (pn_h2_body_is_readable(&x->h2) ? (unsigned)PN_WANT_READ : 0U) |
           (pn_h2_body_is_writable(&x->h2) ? (unsigned)PN_WANT_WRITE : 0U);
}

/*
 * New exchanges go to the handler unless the client has taken them back, others hear what is possible.
 * Owners may close any of them meanwhile.
 */
static void tell_owners(struct h2_conn *conn)
{
    for (struct exchange *x = conn->open; x != NULL; x = conn->cursor) {
        conn->cursor = x->next;
        if (x->is_new && x->err != NULL) {
            forget(x);
        } else if (x->is_new) {
            x->is_new = false;
            conn->base.server->config.request(conn->base.server->config.context, &x->public);
        } else {
            pn_http_exchange_tell(x, possible(x));
        }
    }
}

static bool has_work(const struct h2_conn *conn)
{
    for (const struct exchange *x = conn->open; x != NULL; x = x->next)
        if (x->is_new || (x->err != NULL && !x->is_told) ||
            (possible(x) & x->public.body.wants) != 0)
            return true;
    return false;
}

static void flush(struct h2_conn *conn)
{
    conn->is_flushed = pn_h2_pipe_flush(&conn->pipe, &conn->base.server->wire);
}

static void read_input(struct h2_conn *conn)
{
    struct pn_err err = { 0 };

    for (int round = 0; round < READ_ROUNDS; round++) {
        ssize_t got = pn_h2_pipe_read(&conn->pipe, &err);

        if (got > 0)
            continue;
        if (got == PN_STREAM_AGAIN)
            return;
        if (got == 0)
            pn_fail(&err, PN_UNREACHABLE, "the client has left");
        flush(conn); /* the GOAWAY that says why */
        (void)pn_stream_finish(conn->base.stream);
        pn_http_conn_die(&conn->base, &err);
        return;
    }
}

static void set_idle_timer(struct h2_conn *conn)
{
    if (pn_h2_open_streams(conn->pipe.h2) > 0)
        pn_timer_stop(&conn->base.timer);
    else if (conn->base.timer.heap_at == 0)
        pn_timer_start(conn->base.server->loop, &conn->base.timer,
                       conn->base.server->config.idle_timeout_ms);
}

static void end_if_over(struct h2_conn *conn)
{
    struct pn_err err = { 0 };

    if (!pn_h2_is_over(conn->pipe.h2) || conn->pipe.out.len > 0)
        return;
    pn_fail(&err, PN_UNREACHABLE, "the connection ended");
    (void)pn_stream_finish(conn->base.stream);
    pn_http_conn_die(&conn->base, &err);
}

static void h2_step(struct pn_http_conn *base, unsigned events)
{
    struct h2_conn *conn = h2_of(base);

    if (events & PN_WANT_READ)
        read_input(conn);
    tell_owners(conn);
    if (!is_dead(conn) && (!conn->is_flushed || pn_h2_wants_output(conn->pipe.h2)))
        flush(conn);
    if (!is_dead(conn))
        end_if_over(conn);
    if (has_work(conn))
        soon(conn);
    if (is_dead(conn))
        return;
    set_idle_timer(conn);
    pn_stream_want(conn->base.stream,
                   PN_WANT_READ | (conn->is_flushed ? 0U : (unsigned)PN_WANT_WRITE));
}

/* ---- the exchange ---- */

static void h2_respond(struct pn_exchange *exchange, const struct pn_http_head *head)
{
    struct h2_conn *conn = h2_of(exchange->conn);
    struct exchange *x = exchange_of(&exchange->body);
    struct pn_http_head copy = *head;
    struct pn_err err = { 0 };

    pn_assert(head->status != 101);
    if (head->status >= 200) {
        copy.is_last = head->is_last || pn_http_is_bodiless(head->status, x->head.method);
        x->h2.may_write = !copy.is_last;
        x->h2.is_out_ended = copy.is_last;
    }
    if (!pn_h2_respond(conn->pipe.h2, x->h2.id, &copy, &err)) {
        break_exchange(x, &err);
        pn_h2_reset(conn->pipe.h2, x->h2.id, INTERNAL_ERROR);
    }
    say(conn);
}

static void h2_write_all(struct pn_exchange *exchange, struct pn_str body)
{
    struct h2_conn *conn = h2_of(exchange->conn);
    struct exchange *x = exchange_of(&exchange->body);

    pn_bytes_add(&x->h2.out, exchange->body.loop, body.ptr, body.len);
    x->h2.is_out_ended = true;
    pn_h2_resume(conn->pipe.h2, x->h2.id);
    say(conn);
}

/* The owner begins to read, or wishes to: now the client may send. */
static void invite_body(struct exchange *x)
{
    static const struct pn_http_head go_on = { .status = 100, .content_length = -1 };

    if (x->err != NULL || !x->head.expects_continue || x->public.is_answered)
        return;
    x->head.expects_continue = false;
    if (!pn_h2_body_is_readable(&x->h2))
        pn_exchange_respond(&x->public, &go_on);
}

static ssize_t h2_read(struct pn_stream *body, void *out, size_t len)
{
    struct h2_conn *conn = h2_of_body(body);
    struct exchange *x = exchange_of(body);
    ssize_t got;

    if (x->err != NULL)
        return PN_STREAM_FAILED;
    invite_body(x);
    got = pn_h2_body_read(&x->h2, body->loop, conn->pipe.h2, out, len);
    if (got > 0)
        say(conn); /* the window that was returned */
    return got;
}

static ssize_t h2_write(struct pn_stream *body, const void *bytes, size_t len)
{
    struct h2_conn *conn = h2_of_body(body);
    struct exchange *x = exchange_of(body);
    ssize_t taken;

    if (x->err != NULL)
        return PN_STREAM_FAILED;
    taken = pn_h2_body_write(&x->h2, body->loop, conn->pipe.h2, bytes, len);
    if (taken > 0)
        say(conn);
    return taken;
}

static bool h2_finish(struct pn_stream *body)
{
    struct h2_conn *conn = h2_of_body(body);
    struct exchange *x = exchange_of(body);

    if (x->err != NULL)
        return true;
    say(conn);
    return pn_h2_body_finish(&x->h2, conn->pipe.h2);
}

static void h2_want(struct pn_stream *body, unsigned wants)
{
    if (wants & PN_WANT_READ)
        invite_body(exchange_of(body));
    if ((possible(exchange_of(body)) & wants) != 0)
        soon(h2_of_body(body));
}

/*
 * Answered to the end: what is still to be sent goes without the owner, and a client that is still
 * sending is told to stop. Else the stream is reset.
 */
static void h2_close(struct pn_stream *body)
{
    struct h2_conn *conn = h2_of_body(body);
    struct exchange *x = exchange_of(body);

    if (is_dead(conn) || x->h2.is_closed || x->err != NULL) {
        if (!is_dead(conn) && !x->h2.is_closed)
            pn_h2_set_user(conn->pipe.h2, x->h2.id, NULL);
        forget(x);
        pn_http_conn_release(&conn->base);
        return;
    }
    if (!x->h2.is_out_ended) {
        pn_h2_set_user(conn->pipe.h2, x->h2.id, NULL);
        pn_h2_reset(conn->pipe.h2, x->h2.id, x->public.is_answered ? INTERNAL_ERROR : CANCEL);
        forget(x);
    } else {
        x->is_abandoned = true;
        body->wants = 0;
        unlink_exchange(x);
        link_exchange(&conn->fading, x);
        pn_bytes_drop(&x->h2.in, body->loop);
        if (!x->h2.is_in_ended)
            pn_h2_reset(conn->pipe.h2, x->h2.id, NO_ERROR);
    }
    say(conn);
}

static const struct pn_err *h2_error(const struct pn_stream *body)
{
    return exchange_of(body)->err;
}

static const struct pn_stream_ops h2_body_ops = {
    .name = "http/2 exchange",
    .read = h2_read,
    .write = h2_write,
    .finish = h2_finish,
    .want = h2_want,
    .close = h2_close,
    .error = h2_error,
};

/* ---- the connection ---- */

/* What no handler has seen yet dies with the connection. */
static void h2_break_exchanges(struct pn_http_conn *base, const struct pn_err *why)
{
    struct h2_conn *conn = h2_of(base);

    for (struct exchange *x = conn->open, *next; x != NULL; x = next) {
        next = x->next;
        if (x->is_new)
            forget(x);
        else
            break_exchange(x, why);
    }
    while (conn->fading != NULL)
        forget(conn->fading);
}

static void h2_drop(struct pn_http_conn *base)
{
    pn_h2_pipe_drop(&h2_of(base)->pipe);
}

static void h2_drain(struct pn_http_conn *base)
{
    struct h2_conn *conn = h2_of(base);

    pn_h2_goaway(conn->pipe.h2, NO_ERROR);
    say(conn);
}

static void h2_timeout(struct pn_http_conn *base)
{
    h2_drain(base); /* idle: with the GOAWAY out the session is over */
}

static const struct pn_http_ops h2_ops = {
    .respond = h2_respond,
    .write_all = h2_write_all,
    .step = h2_step,
    .drain = h2_drain,
    .break_exchanges = h2_break_exchanges,
    .timeout = h2_timeout,
    .drop = h2_drop,
};

struct pn_http_conn *pn_http_h2_new(struct pn_http_server *server, struct pn_stream *stream,
                                    struct pn_str peer_ip, void *user)
{
    struct pn_h2_config config = { .is_server = true,
                                   .max_streams = server->config.max_streams,
                                   .stream_window_bytes = STREAM_WINDOW_BYTES,
                                   .connection_window_bytes = CONNECTION_WINDOW_BYTES,
                                   .max_frame_bytes = RECORD_PAYLOAD };
    struct h2_conn *conn = pn_heap_new(sizeof(*conn));
    struct pn_err err = { 0 };

    pn_http_conn_init(&conn->base, &h2_ops, server, stream, peer_ip, user);
    conn->pipe.stream = stream;
    if (!pn_h2_new(&config, &h2_events, conn, &conn->pipe.h2, &err))
        pn_die("no memory for an HTTP/2 session");
    pn_timer_start(server->loop, &conn->base.timer, server->config.head_timeout_ms);
    pn_stream_want(stream, PN_WANT_READ);
    say(conn);
    return &conn->base;
}
