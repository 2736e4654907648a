/* SPDX-License-Identifier: Apache-2.0 */
#include "net/origin.h"

#include "net/h1_pipe.h"

#define MAX_INTERIM 16 /* 1xx heads before the answer */

/* One request at a time; between requests the connection is idle and watched. */
struct h1_conn {
    struct pn_origin_conn base; /* first */
    struct pn_h1_pipe pipe;
    struct request *r;
    unsigned interim;
    bool is_kept; /* the answer leaves the connection usable */
    bool is_upgraded;
};

static struct h1_conn *h1_of(const struct pn_origin_conn *conn)
{
    return (struct h1_conn *)(uintptr_t)conn;
}

static struct h1_conn *h1_of_body(const struct pn_stream *body)
{
    return h1_of(request_of(body)->conn);
}

static void soon(struct h1_conn *conn)
{
    pn_loop_soon(conn->base.origin->loop, &conn->base.soon);
}

static void die(struct h1_conn *conn, const char *message)
{
    struct pn_err err = { 0 };

    if (conn->pipe.err != NULL)
        err = *conn->pipe.err;
    else
        pn_fail(&err, PN_UNREACHABLE, "%s", message);
    pn_origin_conn_die(&conn->base, &err);
}

static bool is_answered(const struct h1_conn *conn)
{
    return conn->r != NULL && conn->r->state == REQUEST_ANSWERED;
}

static unsigned h1_possible(const struct request *r)
{
    const struct h1_conn *conn = h1_of(r->conn);
    unsigned events = 0;

    if (is_answered(conn) &&
        (conn->pipe.body.is_done || conn->pipe.in.len > 0 || conn->pipe.err != NULL))
        events |= PN_WANT_READ;
    if (pn_h1_pipe_is_writable(&conn->pipe))
        events |= PN_WANT_WRITE;
    return events;
}

static void update(struct h1_conn *conn)
{
    unsigned wants = conn->pipe.is_blocked ? PN_WANT_WRITE : 0;

    if (conn->base.stream == NULL)
        return;
    if (!is_answered(conn) ||
        (conn->r->public.body.wants & PN_WANT_READ & ~h1_possible(conn->r)) != 0)
        wants |= PN_WANT_READ;
    if (conn->r != NULL && (conn->r->public.body.wants & h1_possible(conn->r)) != 0)
        pn_request_wake(conn->r);
    if ((conn->pipe.out.len > 0 && !conn->pipe.is_blocked) || conn->pipe.err != NULL)
        soon(conn);
    pn_stream_want(conn->base.stream, wants);
}

/* ---- the request ---- */

static void frame_request(struct h1_conn *conn, struct pn_http_head *head)
{
    if (head->is_last) {
        conn->pipe.writing = PN_H1_WRITE_DONE;
    } else if (head->content_length >= 0) {
        conn->pipe.left = (uint64_t)head->content_length;
        conn->pipe.writing = head->content_length > 0 ? PN_H1_WRITE_LENGTH : PN_H1_WRITE_DONE;
    } else {
        head->is_chunked = true;
        conn->pipe.writing = PN_H1_WRITE_CHUNKS;
    }
}

static bool h1_send(struct pn_origin_conn *base, struct request *r)
{
    struct h1_conn *conn = h1_of(base);
    struct pn_buf *wire = &base->origin->wire;
    struct pn_http_head head = *r->head;

    pn_timer_stop(&base->timer);
    conn->r = r;
    conn->interim = 0;
    conn->is_kept = false;
    conn->pipe.body = (struct pn_h1_body){ .framing = PN_H1_UNTIL_CLOSE };
    frame_request(conn, &head);
    pn_buf_clear(wire);
    if (pn_h1_print_request(&head, wire))
        pn_bytes_add(&conn->pipe.out, base->origin->loop, wire->ptr, wire->len);
    else
        pn_h1_pipe_fail(&conn->pipe, PN_INTERNAL, "the request head cannot be sent");
    if (head.is_last)
        pn_h1_pipe_flush(&conn->pipe);
    update(conn);
    return true;
}

/* ---- the answer ---- */

static void take_answer(struct h1_conn *conn, struct pn_http_head *head)
{
    struct request *r = conn->r;

    if (head->status == 101) {
        conn->is_upgraded = true;
        conn->pipe.body = (struct pn_h1_body){ .framing = PN_H1_UNTIL_CLOSE };
        conn->pipe.writing = PN_H1_WRITE_RAW;
    } else {
        conn->pipe.body = pn_h1_body_of(head);
        conn->is_kept = !head->wants_close && !conn->base.is_dedicated &&
                        conn->pipe.body.framing != PN_H1_UNTIL_CLOSE;
    }
    conn->base.was_used = true;
    r->state = REQUEST_ANSWERED;
    pn_request_drop_head(r);
    r->public.events->response(r->public.owner, &r->public, head);
    pn_arena_reset(conn->base.origin->arena);
}

/* False: an interim head, which nobody wants. A 101 must name the protocol that was asked for. */
static bool is_final(struct h1_conn *conn, const struct pn_http_head *head)
{
    struct pn_str wanted = conn->r->head->upgrade;

    if (head->status == 101 && (wanted.len == 0 || !pn_str_ieq(head->upgrade, wanted))) {
        pn_h1_pipe_fail(&conn->pipe, PN_UPSTREAM, "the server switched protocols unasked");
        return false;
    }
    if (head->status >= 200 || head->status == 101)
        return true;
    if (++conn->interim > MAX_INTERIM)
        pn_h1_pipe_fail(&conn->pipe, PN_UPSTREAM, "too many interim answers");
    return false;
}

static void receive_head(struct h1_conn *conn, bool may_read)
{
    struct pn_arena *arena = conn->base.origin->arena;
    struct pn_err err = { 0 };
    struct pn_http_head head;
    struct pn_str bytes;
    size_t used = 0;
    ssize_t got = pn_h1_pipe_peek(&conn->pipe, may_read, &bytes);
    enum pn_h1_result result;

    if (got == PN_STREAM_AGAIN)
        return;
    if (got <= 0) {
        die(conn, "the server closed the connection without an answer");
        return;
    }
    result = pn_h1_parse_response(bytes, arena, conn->r->head->method, &head, &used, &err);
    if (result == PN_H1_DONE)
        pn_h1_head_keep(&head, bytes, used, arena);
    pn_h1_pipe_used(&conn->pipe, bytes, result == PN_H1_DONE ? used : 0);
    if (result == PN_H1_BAD) {
        (void)pn_recast(&err, PN_UPSTREAM, "the server's answer is not HTTP");
        pn_h1_pipe_break(&conn->pipe, &err);
    } else if (result == PN_H1_MORE && conn->pipe.is_ended) {
        pn_h1_pipe_fail(&conn->pipe, PN_UNREACHABLE,
                        "the connection ended in the middle of a head");
    }
    if (result == PN_H1_DONE && is_final(conn, &head)) {
        take_answer(conn, &head);
        return;
    }
    pn_arena_reset(arena);
    if (conn->pipe.err != NULL)
        die(conn, "");
    else if (result == PN_H1_DONE && conn->pipe.in.len > 0)
        receive_head(conn, false);
}

/* ---- steps ---- */

/* Nothing may come on an idle connection but its end. */
static void watch_idle(struct h1_conn *conn)
{
    struct pn_str bytes;
    ssize_t got = pn_h1_pipe_peek(&conn->pipe, true, &bytes);

    if (got == PN_STREAM_AGAIN)
        return;
    (void)pn_stream_finish(conn->base.stream);
    die(conn, "the idle connection ended");
}

static void h1_step(struct pn_origin_conn *base, unsigned events)
{
    struct h1_conn *conn = h1_of(base);

    if (events & PN_WANT_WRITE)
        pn_h1_pipe_unblock(&conn->pipe);
    pn_h1_pipe_flush(&conn->pipe);
    if (conn->pipe.err != NULL) {
        die(conn, "");
        return;
    }
    if (conn->r == NULL && (events & PN_WANT_READ) != 0) {
        watch_idle(conn);
    } else if (conn->r != NULL && !is_answered(conn)) {
        receive_head(conn, (events & PN_WANT_READ) != 0);
    } else if (conn->r != NULL) {
        struct pn_stream *body = &conn->r->public.body;

        events = ((events & PN_WANT_READ) | h1_possible(conn->r)) & body->wants;
        if (events != 0)
            body->ready(body->owner, body, events);
    }
    update(conn);
}

static void h1_timeout(struct pn_origin_conn *base)
{
    (void)pn_stream_finish(base->stream);
    die(h1_of(base), "the connection was idle too long");
}

/* ---- the request's stream ---- */

static ssize_t h1_read(struct pn_stream *body, void *out, size_t len)
{
    struct h1_conn *conn = h1_of_body(body);
    ssize_t got;

    if (!is_answered(conn))
        return PN_STREAM_AGAIN;
    got = pn_h1_pipe_read(&conn->pipe, out, len);
    if (got == PN_STREAM_FAILED)
        update(conn);
    return got;
}

static ssize_t h1_write(struct pn_stream *body, const void *bytes, size_t len)
{
    struct h1_conn *conn = h1_of_body(body);
    ssize_t sent;

    if (conn->pipe.writing == PN_H1_WRITE_DONE)
        return PN_STREAM_FAILED;
    sent = pn_h1_pipe_write(&conn->pipe, bytes, len);
    if (sent > 0)
        request_of(body)->has_sent_body = true;
    update(conn);
    return sent;
}

static bool h1_finish(struct pn_stream *body)
{
    struct h1_conn *conn = h1_of_body(body);
    bool is_done = pn_h1_pipe_finish(&conn->pipe);

    update(conn);
    return is_done;
}

static void h1_want(struct pn_stream *body, unsigned wants PN_UNUSED)
{
    update(h1_of_body(body));
}

static const struct pn_err *h1_error(const struct pn_stream *body)
{
    const struct request *r = request_of(body);

    return r->err != NULL || r->conn == NULL ? r->err : h1_of(r->conn)->pipe.err;
}

static const struct pn_stream_ops h1_body_ops = {
    .name = "http/1 request",
    .read = h1_read,
    .write = h1_write,
    .finish = h1_finish,
    .want = h1_want,
    .close = pn_request_close,
    .error = h1_error,
};

/* ---- the connection ---- */

/* To the front: the connection used last is the first to be used again. */
static void make_idle(struct h1_conn *conn)
{
    struct pn_origin_conn *base = &conn->base;
    struct pn_origin *origin = base->origin;

    *base->at = base->next;
    if (base->next != NULL)
        base->next->at = base->at;
    base->next = origin->conns;
    base->at = &origin->conns;
    if (base->next != NULL)
        base->next->at = &base->next;
    origin->conns = base;
    pn_timer_start(origin->loop, &base->timer, origin->config.idle_timeout_ms);
    pn_origin_hand_out(origin);
}

static void h1_close_request(struct request *r)
{
    struct h1_conn *conn = h1_of(r->conn);
    bool is_whole = is_answered(conn) && conn->pipe.err == NULL && conn->pipe.body.is_done &&
                    conn->pipe.writing == PN_H1_WRITE_DONE && conn->pipe.out.len == 0;

    conn->r = NULL;
    r->conn = NULL;
    if (is_whole && conn->is_kept && conn->pipe.in.len == 0 && !conn->pipe.is_ended) {
        make_idle(conn);
        update(conn);
        return;
    }
    if (is_whole)
        (void)pn_stream_finish(conn->base.stream);
    die(conn, "the exchange is over");
}

static void h1_lose_requests(struct pn_origin_conn *base, const struct pn_err *why)
{
    struct h1_conn *conn = h1_of(base);
    struct request *r = conn->r;

    conn->r = NULL;
    if (r != NULL && r->state == REQUEST_SENT)
        pn_request_lost(r, false, why);
    else if (r != NULL)
        pn_request_fail(r, why);
}

static void h1_drop(struct pn_origin_conn *base)
{
    pn_h1_pipe_drop(&h1_of(base)->pipe);
}

static size_t h1_load(const struct pn_origin_conn *base)
{
    return h1_of(base)->r != NULL;
}

static size_t h1_most(struct pn_origin_conn *base PN_UNUSED)
{
    return 1;
}

static const struct pn_origin_ops h1_ops = {
    .send = h1_send,
    .step = h1_step,
    .close_request = h1_close_request,
    .possible = h1_possible,
    .lose_requests = h1_lose_requests,
    .timeout = h1_timeout,
    .drop = h1_drop,
    .load = h1_load,
    .most = h1_most,
};

struct pn_origin_conn *pn_origin_h1_new(struct pn_origin *origin, struct pn_stream *stream)
{
    struct h1_conn *conn = pn_heap_new(sizeof(*conn));

    conn->base.ops = &h1_ops;
    conn->base.body_ops = &h1_body_ops;
    conn->pipe.stream = stream;
    pn_origin_conn_init(&conn->base, origin, stream);
    pn_timer_start(origin->loop, &conn->base.timer, origin->config.idle_timeout_ms);
    update(conn);
    return &conn->base;
}
