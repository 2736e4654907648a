/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include "net/h1_pipe.h"

#define AHEAD_BYTES ((size_t)16 * 1024)      /* of the next request, read while one is served */
#define DRAIN_MAX_BYTES ((size_t)256 * 1024) /* of a request body that nobody wanted */
/* What arrives after our last word: clients that read no answer before they have sent all. */
#define LINGER_MAX_BYTES ((size_t)32 << 20)
#define DRAIN_MS 5000
#define LINGER_MS 2000

/*
 * One request after another. WAITING for a head; BUSY while its exchange is open; SENDING what the
 * closed exchange left; DRAINING the rest of the request's body; LINGERING: our last byte is said, and
 * the peer shall read it before the connection goes (kube-proxying.md §11.1).
 */
enum h1_state { WAITING, BUSY, SENDING, DRAINING, LINGERING, H1_STATES };

static const bool may_become[H1_STATES][H1_STATES] = {
    [WAITING] = { [BUSY] = true, [SENDING] = true, [LINGERING] = true },
    [BUSY] = { [SENDING] = true, [LINGERING] = true },
    [SENDING] = { [WAITING] = true, [DRAINING] = true, [LINGERING] = true },
    [DRAINING] = { [WAITING] = true, [LINGERING] = true },
};

struct h1_conn {
    struct pn_http_conn base; /* first */
    struct pn_h1_pipe pipe;
    struct exchange *x;
    enum h1_state state;
    size_t discarded;   /* while draining or lingering */
    bool is_head_begun; /* the head's timer is running */
    bool is_kept;       /* another request may follow */
    bool is_upgraded;
    bool has_continued;  /* 100 Continue was sent */
    bool is_half_closed; /* our direction is finished */
};

static struct h1_conn *h1_of(struct pn_http_conn *conn)
{
    return (struct h1_conn *)conn;
}

static struct h1_conn *h1_of_body(struct pn_stream *body)
{
    return h1_of(exchange_of(body)->public.conn);
}

static bool is_dead(const struct h1_conn *conn)
{
    return conn->base.stream == NULL;
}

static void set_state(struct h1_conn *conn, enum h1_state state)
{
    pn_assert(may_become[conn->state][state]);
    conn->state = state;
}

static void set_timer(struct h1_conn *conn, int64_t after_ms)
{
    pn_timer_start(conn->base.server->loop, &conn->base.timer, after_ms);
}

static void soon(struct h1_conn *conn)
{
    pn_loop_soon(conn->base.server->loop, &conn->base.soon);
}

static void die(struct h1_conn *conn, enum pn_code code, const char *message)
{
    struct pn_err err = { 0 };

    if (is_dead(conn))
        return;
    if (conn->pipe.err != NULL)
        err = *conn->pipe.err;
    else
        pn_fail(&err, code, "%s", message);
    pn_http_conn_die(&conn->base, &err);
}

/* ---- what is possible, and what we wish from below ---- */

static unsigned possible(const struct h1_conn *conn)
{
    unsigned events = 0;

    if (conn->pipe.body.is_done || conn->pipe.in.len > 0 || conn->pipe.err != NULL)
        events |= PN_WANT_READ;
    if (pn_h1_pipe_is_writable(&conn->pipe))
        events |= PN_WANT_WRITE;
    return events;
}

/* While the request has been read to its end, the stream is watched for the client's leaving. */
static bool watches_client(const struct h1_conn *conn)
{
    return conn->pipe.body.is_done && !conn->is_upgraded && conn->pipe.in.len < AHEAD_BYTES;
}

static unsigned wishes(const struct h1_conn *conn)
{
    unsigned wants = conn->pipe.is_blocked ? PN_WANT_WRITE : 0;

    switch (conn->state) {
    case WAITING: return wants | PN_WANT_READ;
    case BUSY:
        if (watches_client(conn) ||
            (conn->x->public.body.wants & PN_WANT_READ & ~possible(conn)) != 0)
            wants |= PN_WANT_READ;
        return wants;
    case SENDING: return wants;
    case LINGERING: return conn->is_half_closed ? PN_WANT_READ : PN_WANT_READ | PN_WANT_WRITE;
    case DRAINING: return wants | PN_WANT_READ;
    case H1_STATES: break;
    }
    return 0;
}

static void update(struct h1_conn *conn)
{
    if (is_dead(conn))
        return;
    if (conn->state == BUSY && (conn->x->public.body.wants & possible(conn)) != 0)
        soon(conn);
    if (conn->pipe.out.len > 0 && !conn->pipe.is_blocked)
        soon(conn);
    pn_stream_want(conn->base.stream, wishes(conn));
}

/* ---- ends of requests and of the connection ---- */

static void linger(struct h1_conn *conn)
{
    struct pn_str bytes;

    if (conn->state != LINGERING) {
        set_state(conn, LINGERING);
        conn->discarded = 0;
        set_timer(conn, LINGER_MS);
    }
    if (!conn->is_half_closed)
        conn->is_half_closed = pn_stream_finish(conn->base.stream);
    for (int round = 0; round < 8; round++) {
        ssize_t got;

        pn_bytes_drop(&conn->pipe.in, conn->base.server->loop);
        got = pn_h1_pipe_peek(&conn->pipe, true, &bytes);
        if (got == PN_STREAM_AGAIN)
            return;
        conn->discarded += got > 0 ? (size_t)got : 0;
        if (got <= 0 || conn->discarded > LINGER_MAX_BYTES) {
            die(conn, PN_UNREACHABLE, "the connection ended");
            return;
        }
    }
}

static void await_request(struct h1_conn *conn)
{
    if (conn->base.server->is_draining && conn->pipe.in.len == 0) {
        linger(conn);
        return;
    }
    set_state(conn, WAITING);
    conn->pipe.writing = PN_H1_WRITE_NOTHING;
    conn->is_head_begun = false;
    set_timer(conn, conn->base.server->config.idle_timeout_ms);
    if (conn->pipe.in.len > 0)
        soon(conn);
}

/* The request's body was not wanted: read it off, so that the next request can be found. */
static void drain_body(struct h1_conn *conn)
{
    for (int round = 0; round < 8; round++) {
        ssize_t got = pn_h1_pipe_read(&conn->pipe, pn_loop_scratch(conn->base.server->loop),
                                      PN_LOOP_SCRATCH_BYTES);

        if (got == PN_STREAM_AGAIN)
            return;
        if (got == PN_STREAM_FAILED) {
            die(conn, PN_UNREACHABLE, "the connection broke");
            return;
        }
        conn->discarded += (size_t)got;
        if (got == 0 && conn->is_kept) {
            await_request(conn);
            return;
        }
        if (got == 0 || conn->discarded > DRAIN_MAX_BYTES) {
            linger(conn);
            return;
        }
    }
    soon(conn);
}

static void finish_response(struct h1_conn *conn)
{
    if (!pn_h1_pipe_flush(&conn->pipe)) {
        set_timer(conn, conn->base.server->config.idle_timeout_ms);
        return;
    }
    if (conn->pipe.err != NULL) {
        die(conn, PN_UNREACHABLE, "the connection broke");
    } else if (!conn->is_kept) {
        linger(conn);
    } else if (conn->pipe.body.is_done) {
        await_request(conn);
    } else {
        set_state(conn, DRAINING);
        conn->discarded = 0;
        set_timer(conn, DRAIN_MS);
        drain_body(conn);
    }
}

/* ---- heads out ---- */

static bool print_head(struct h1_conn *conn, const struct pn_http_head *head)
{
    struct pn_buf *wire = &conn->base.server->wire;

    pn_buf_clear(wire);
    if (!pn_h1_print_response(head, wire))
        return pn_h1_pipe_fail(&conn->pipe, PN_INTERNAL, "the response head cannot be sent");
    pn_bytes_add(&conn->pipe.out, conn->base.server->loop, wire->ptr, wire->len);
    return true;
}

/* Decides framing and persistence of a final response. */
static void frame_response(struct h1_conn *conn, struct pn_http_head *head)
{
    const struct pn_http_head *request = &conn->x->head;
    struct pn_h1_pipe *pipe = &conn->pipe;

    conn->is_kept = !request->wants_close && !head->wants_close && !conn->base.server->is_draining;
    if (!pipe->body.is_done &&
        (pipe->body.left > DRAIN_MAX_BYTES || (request->expects_continue && !conn->has_continued)))
        conn->is_kept = false;
    if (pn_http_is_bodiless(head->status, request->method) || head->is_last ||
        head->content_length == 0) {
        if (!pn_http_is_bodiless(head->status, request->method))
            head->content_length = 0;
        pipe->writing = PN_H1_WRITE_DONE;
    } else if (head->content_length > 0) {
        pipe->writing = PN_H1_WRITE_LENGTH;
        pipe->left = (uint64_t)head->content_length;
    } else if (request->is_http10) {
        pipe->writing = PN_H1_WRITE_RAW;
        conn->is_kept = false;
    } else {
        pipe->writing = PN_H1_WRITE_CHUNKS;
        head->is_chunked = true;
    }
    head->wants_close = !conn->is_kept;
}

static void h1_respond(struct pn_exchange *exchange, const struct pn_http_head *head)
{
    struct h1_conn *conn = h1_of(exchange->conn);
    struct pn_http_head copy = *head;

    copy.is_chunked = copy.wants_close = false;
    copy.upgrade = PN_NONE;
    if (head->status == 101) {
        pn_assert(head->upgrade.len > 0);
        copy.upgrade = head->upgrade;
        conn->is_upgraded = true;
        conn->is_kept = false;
        conn->pipe.body = (struct pn_h1_body){ .framing = PN_H1_UNTIL_CLOSE };
        conn->pipe.writing = PN_H1_WRITE_RAW;
    } else if (head->status >= 200) {
        copy.wants_close = head->wants_close;
        frame_response(conn, &copy);
    }
    print_head(conn, &copy);
    update(conn);
}

static void h1_write_all(struct pn_exchange *exchange, struct pn_str body)
{
    struct h1_conn *conn = h1_of(exchange->conn);

    if (conn->pipe.writing == PN_H1_WRITE_LENGTH)
        pn_h1_pipe_write_all(&conn->pipe, body);
}

/* ---- heads in ---- */

static struct pn_str error_body(struct pn_http_server *server, struct pn_arena *arena, int status,
                                const char *message)
{
    if (server->config.error_body == NULL)
        return PN_NONE;
    return server->config.error_body(arena, status, message);
}

/* Answers what is not a request, and ends the connection. */
static void reject(struct h1_conn *conn, struct pn_arena *arena, int status, const char *message)
{
    struct pn_http_field type = { PN_LIT("Content-Type"), PN_LIT("application/json") };
    struct pn_str body = error_body(conn->base.server, arena, status, message);
    struct pn_http_head head = { .status = status,
                                 .fields = &type,
                                 .count = body.len > 0,
                                 .wants_close = true,
                                 .content_length = (int64_t)body.len };

    pn_timer_stop(&conn->base.timer);
    print_head(conn, &head);
    pn_bytes_add(&conn->pipe.out, conn->base.server->loop, body.ptr, body.len);
    conn->is_kept = false;
    set_state(conn, SENDING);
    finish_response(conn);
}

static const struct pn_stream_ops h1_body_ops;

static void begin(struct h1_conn *conn, struct exchange *x)
{
    pn_timer_stop(&conn->base.timer);
    set_state(conn, BUSY);
    conn->x = x;
    conn->pipe.body = pn_h1_body_of(&x->head);
    conn->has_continued = false;
    conn->base.server->config.request(conn->base.server->config.context, &x->public);
}

static void head_unfinished(struct h1_conn *conn)
{
    if (conn->pipe.is_ended)
        die(conn, PN_UNREACHABLE, "the connection ended in the middle of a head");
    else if (!conn->is_head_begun)
        set_timer(conn, conn->base.server->config.head_timeout_ms);
    conn->is_head_begun = true;
}

static void receive_head(struct h1_conn *conn, bool may_read)
{
    struct pn_err err = { 0 };
    enum pn_h1_result result;
    struct pn_str bytes;
    struct exchange *x;
    size_t used = 0;
    ssize_t got = pn_h1_pipe_peek(&conn->pipe, may_read, &bytes);

    if (got == PN_STREAM_AGAIN)
        return;
    if (got <= 0) {
        if (got == 0)
            (void)pn_stream_finish(conn->base.stream);
        die(conn, PN_UNREACHABLE, "the client has left");
        return;
    }
    x = pn_http_exchange_new(&conn->base, &h1_body_ops);
    result = pn_h1_parse_request(bytes, x->public.arena, &x->head, &used, &err);
    if (result == PN_H1_DONE) {
        pn_h1_head_keep(&x->head, bytes, used, x->public.arena);
        pn_h1_pipe_used(&conn->pipe, bytes, used);
        begin(conn, x);
        return;
    }
    pn_h1_pipe_used(&conn->pipe, bytes, 0);
    if (result == PN_H1_MORE)
        head_unfinished(conn);
    else
        reject(conn, x->public.arena, err.code == PN_TOO_LARGE ? 431 : 400, err.message);
    pn_http_exchange_free(x);
}

/* ---- steps ---- */

/* Bytes of a next request are kept for later; the end of the stream means that the client gave up. */
static bool client_is_there(struct h1_conn *conn)
{
    struct pn_str bytes;
    ssize_t got = pn_h1_pipe_peek(&conn->pipe, true, &bytes);

    if (got > 0)
        pn_h1_pipe_used(&conn->pipe, bytes, 0);
    if (!conn->pipe.is_ended && got != PN_STREAM_FAILED)
        return true;
    die(conn, PN_UNREACHABLE, "the client has left");
    return false;
}

static void serve(struct h1_conn *conn, unsigned events)
{
    if ((events & PN_WANT_READ) != 0 && watches_client(conn)) {
        events &= ~(unsigned)PN_WANT_READ;
        if (!client_is_there(conn))
            return;
    }
    pn_h1_pipe_flush(&conn->pipe);
    if (conn->pipe.err != NULL) {
        die(conn, PN_UNREACHABLE, "the connection broke");
        return;
    }
    pn_http_exchange_tell(conn->x, (events & PN_WANT_READ) | possible(conn));
}

static void h1_step(struct pn_http_conn *base, unsigned events)
{
    struct h1_conn *conn = h1_of(base);

    if (is_dead(conn)) {
        if (pn_http_exchange_tell(conn->x, 0))
            soon(conn);
        return;
    }
    if (events & PN_WANT_WRITE)
        pn_h1_pipe_unblock(&conn->pipe);
    switch (conn->state) {
    case WAITING: receive_head(conn, (events & PN_WANT_READ) != 0); break;
    case BUSY: serve(conn, events); break;
    case SENDING: finish_response(conn); break;
    case DRAINING: drain_body(conn); break;
    case LINGERING: linger(conn); break;
    case H1_STATES: break;
    }
    update(conn);
}

static void h1_timeout(struct pn_http_conn *base)
{
    struct h1_conn *conn = h1_of(base);

    if (conn->state == WAITING && conn->pipe.in.len > 0) {
        pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(64 * 1024);

        reject(conn, arena, 408, "the request did not arrive in time");
        update(conn);
        return;
    }
    if (conn->state == WAITING)
        (void)pn_stream_finish(conn->base.stream);
    die(conn, PN_TIMEOUT, "the connection was idle too long");
}

/* ---- the exchange's body ---- */

/* The owner begins to read, or wishes to: now the client may send. */
static void invite_body(struct h1_conn *conn)
{
    struct exchange *x = conn->x;

    if (!x->head.expects_continue || conn->has_continued || x->public.is_answered ||
        conn->pipe.in.len > 0)
        return;
    conn->has_continued = true;
    pn_bytes_add(&conn->pipe.out, x->public.body.loop, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    pn_h1_pipe_flush(&conn->pipe);
}

static ssize_t h1_read(struct pn_stream *body, void *out, size_t len)
{
    struct h1_conn *conn = h1_of_body(body);
    struct exchange *x = exchange_of(body);

    if (x->err != NULL)
        return PN_STREAM_FAILED;
    invite_body(conn);
    return pn_h1_pipe_read(&conn->pipe, out, len);
}

static ssize_t h1_write(struct pn_stream *body, const void *bytes, size_t len)
{
    struct h1_conn *conn = h1_of_body(body);
    ssize_t sent;

    if (exchange_of(body)->err != NULL)
        return PN_STREAM_FAILED;
    pn_assert(exchange_of(body)->public.is_answered);
    sent = pn_h1_pipe_write(&conn->pipe, bytes, len);
    update(conn);
    return sent;
}

static bool h1_finish(struct pn_stream *body)
{
    struct h1_conn *conn = h1_of_body(body);
    bool is_done;

    if (exchange_of(body)->err != NULL)
        return true;
    is_done = pn_h1_pipe_finish(&conn->pipe);
    update(conn);
    return is_done;
}

static void h1_want(struct pn_stream *body, unsigned wants)
{
    struct h1_conn *conn = h1_of_body(body);

    if (is_dead(conn)) {
        soon(conn);
        return;
    }
    if (wants & PN_WANT_READ)
        invite_body(conn);
    update(conn);
}

static void h1_close(struct pn_stream *body)
{
    struct h1_conn *conn = h1_of_body(body);
    struct exchange *x = exchange_of(body);
    bool is_whole = x->err == NULL && x->public.is_answered &&
                    conn->pipe.writing == PN_H1_WRITE_DONE && conn->pipe.err == NULL;

    conn->x = NULL;
    pn_http_exchange_free(x);
    if (is_dead(conn)) {
        pn_http_conn_release(&conn->base);
        return;
    }
    if (!is_whole || conn->is_upgraded) {
        die(conn, PN_UNREACHABLE, "the exchange was aborted");
        return;
    }
    set_state(conn, SENDING);
    finish_response(conn);
    update(conn);
}

static const struct pn_err *h1_error(const struct pn_stream *body)
{
    const struct exchange *x = exchange_of(body);

    return x->err != NULL ? x->err : h1_of(x->public.conn)->pipe.err;
}

static const struct pn_stream_ops h1_body_ops = {
    .name = "http/1 exchange",
    .read = h1_read,
    .write = h1_write,
    .finish = h1_finish,
    .want = h1_want,
    .close = h1_close,
    .error = h1_error,
};

/* ---- the connection ---- */

static void h1_break_exchanges(struct pn_http_conn *base, const struct pn_err *why)
{
    struct h1_conn *conn = h1_of(base);

    if (conn->x == NULL)
        return;
    conn->x->err = pn_heap_new(sizeof(*why));
    *conn->x->err = *why;
}

static void h1_drop(struct pn_http_conn *base)
{
    pn_h1_pipe_drop(&h1_of(base)->pipe);
}

static void h1_drain(struct pn_http_conn *base)
{
    struct h1_conn *conn = h1_of(base);

    conn->is_kept = false;
    if (conn->state != WAITING || conn->pipe.in.len > 0)
        return;
    linger(conn);
    update(conn);
}

static const struct pn_http_ops h1_ops = {
    .respond = h1_respond,
    .write_all = h1_write_all,
    .step = h1_step,
    .drain = h1_drain,
    .break_exchanges = h1_break_exchanges,
    .timeout = h1_timeout,
    .drop = h1_drop,
};

struct pn_http_conn *pn_http_h1_new(struct pn_http_server *server, struct pn_stream *stream,
                                    struct pn_str peer_ip, void *user)
{
    struct h1_conn *conn = pn_heap_new(sizeof(*conn));

    pn_http_conn_init(&conn->base, &h1_ops, server, stream, peer_ip, user);
    conn->pipe.stream = stream;
    conn->is_head_begun = true; /* a connection without a first request is as good as a slow one */
    set_timer(conn, server->config.head_timeout_ms);
    update(conn);
    return &conn->base;
}
