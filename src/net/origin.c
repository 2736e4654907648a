/* SPDX-License-Identifier: Apache-2.0 */
#include "net/origin.h"

#define SPARE_REQUESTS 64
#define REQUEST_BUDGET_BYTES ((size_t)512 * 1024)
#define WIRE_MAX_BYTES ((size_t)512 * 1024)
#define MAX_REFUSALS 3

static const struct pn_stream_ops waiting_ops;

/* ---- memory ---- */

static void release(struct pn_origin *origin)
{
    if (--origin->holders > 0 || !origin->is_freed)
        return;
    while (origin->spare != NULL) {
        struct request *r = origin->spare;

        origin->spare = r->next;
        pn_heap_free(r);
    }
    while (origin->arena_count > 0)
        pn_arena_free(origin->arenas[--origin->arena_count]);
    pn_loop_unsoon(origin->loop, &origin->soon);
    pn_arena_free(origin->arena);
    pn_buf_drop(&origin->wire);
    pn_heap_free(origin);
}

static void on_request_soon(struct pn_task *task);

static struct request *new_request(struct pn_origin *origin)
{
    struct request *r = origin->spare;

    if (r != NULL) {
        origin->spare = r->next;
        origin->spare_count--;
    } else {
        r = pn_heap_new(sizeof(*r));
    }
    *r = (struct request){ .public.body = { .ops = &waiting_ops, .loop = origin->loop },
                           .origin = origin,
                           .soon.run = on_request_soon,
                           .arena = origin->arena_count > 0 ? origin->arenas[--origin->arena_count]
                                                            : pn_arena_new(REQUEST_BUDGET_BYTES) };
    r->all_next = origin->all;
    r->all_at = &origin->all;
    if (r->all_next != NULL)
        r->all_next->all_at = &r->all_next;
    origin->all = r;
    origin->holders++;
    return r;
}

void pn_origin_keep_arena(struct pn_origin *origin, struct pn_arena *arena)
{
    if (arena == NULL)
        return;
    if (origin->arena_count == PN_ORIGIN_ARENAS) {
        pn_arena_free(arena);
        return;
    }
    pn_arena_reset(arena);
    origin->arenas[origin->arena_count++] = arena;
}

void pn_request_drop_head(struct request *r)
{
    r->head = NULL;
    pn_origin_keep_arena(r->origin, r->arena);
    r->arena = NULL;
}

void pn_request_free(struct request *r)
{
    struct pn_origin *origin = r->origin;

    *r->all_at = r->all_next;
    if (r->all_next != NULL)
        r->all_next->all_at = r->all_at;
    pn_loop_unsoon(origin->loop, &r->soon);
    pn_bytes_drop(&r->h2.in, origin->loop);
    pn_bytes_drop(&r->h2.out, origin->loop);
    pn_heap_free(r->err);
    pn_request_drop_head(r);
    if (origin->spare_count < SPARE_REQUESTS) {
        r->next = origin->spare;
        origin->spare = r;
        origin->spare_count++;
    } else {
        pn_heap_free(r);
    }
    release(origin);
}

/* ---- what a request's owner hears ---- */

static unsigned possible(const struct request *r)
{
    if (r->err != NULL)
        return PN_WANT_READ | PN_WANT_WRITE;
    if (r->conn != NULL)
        return r->conn->ops->possible(r);
    return r->state == REQUEST_ANSWERED && r->h2.is_closed ? PN_WANT_READ | PN_WANT_WRITE : 0;
}

void pn_request_wake(struct request *r)
{
    pn_loop_soon(r->origin->loop, &r->soon);
}

static void tell(struct request *r)
{
    struct pn_stream *body = &r->public.body;
    unsigned events = possible(r) & body->wants;
    bool is_news = r->err != NULL && !r->is_told;

    r->is_told = r->err != NULL;
    if (is_news && r->state == REQUEST_FAILED) {
        r->public.events->failed(r->public.owner, &r->public, r->err);
        return;
    }
    if (events != 0)
        pn_request_wake(r); /* again and again, as long as it is possible and wanted */
    if (events != 0 || (is_news && body->ready != NULL))
        body->ready(body->owner, body, events != 0 ? events : PN_WANT_READ);
}

static void on_request_soon(struct pn_task *task)
{
    tell(pn_container_of(task, struct request, soon));
}

void pn_request_fail(struct request *r, const struct pn_err *why)
{
    r->conn = NULL;
    r->public.body.ops = &waiting_ops;
    if (r->err == NULL) {
        r->err = pn_heap_new(sizeof(*r->err));
        *r->err = *why;
    }
    if (r->state != REQUEST_ANSWERED)
        r->state = REQUEST_FAILED;
    pn_request_wake(r);
}

/* ---- the queue ---- */

static void push_waiting(struct request *r, bool is_first)
{
    struct pn_origin *origin = r->origin;

    r->state = REQUEST_WAITING;
    r->conn = NULL;
    r->public.body.ops = &waiting_ops;
    origin->waiting_count++;
    r->at = is_first ? &origin->waiting : origin->waiting_end;
    r->next = *r->at;
    *r->at = r;
    if (r->next != NULL)
        r->next->at = &r->next;
    else
        origin->waiting_end = &r->next;
}

static void pop_waiting(struct request *r)
{
    struct pn_origin *origin = r->origin;

    origin->waiting_count--;
    *r->at = r->next;
    if (r->next != NULL)
        r->next->at = r->at;
    else
        origin->waiting_end = r->at;
    r->next = NULL;
}

void pn_origin_hand_out(struct pn_origin *origin)
{
    if (origin->waiting != NULL)
        pn_loop_soon(origin->loop, &origin->soon);
}

/* A kept-alive connection that proved dead seldom dies alone. */
static void drop_idle(struct pn_origin *origin)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_UNREACHABLE, "the connection was idle");
    for (struct pn_origin_conn *conn = origin->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->stream != NULL && !conn->is_h2 && conn->ops->load(conn) == 0)
            pn_origin_conn_die(conn, &err);
    }
}

void pn_request_lost(struct request *r, bool is_refused, const struct pn_err *why)
{
    bool is_stale =
        r->conn != NULL && r->conn->was_used && r->public.is_idempotent && r->retries == 0;

    if (r->state != REQUEST_SENT || r->has_sent_body || r->head == NULL ||
        r->head->upgrade.ptr != NULL || r->origin->is_freed ||
        !(is_stale || (is_refused && r->retries < MAX_REFUSALS))) {
        pn_request_fail(r, why);
        return;
    }
    r->retries++;
    r->h2 = (struct pn_h2_body){ 0 };
    push_waiting(r, true);
    if (!is_refused)
        drop_idle(r->origin);
    pn_origin_hand_out(r->origin);
}

/* ---- connections ---- */

static void connect_one(struct pn_origin *origin, struct request *upgrade)
{
    struct pn_connect *connect = pn_heap_new(sizeof(*connect));

    connect->origin = origin;
    connect->upgrade = upgrade;
    connect->is_dedicated = upgrade != NULL;
    connect->next = origin->connects;
    connect->at = &origin->connects;
    if (connect->next != NULL)
        connect->next->at = &connect->next;
    origin->connects = connect;
    origin->holders++;
    if (upgrade != NULL) {
        upgrade->connect = connect;
        upgrade->state = REQUEST_CONNECTING;
    } else {
        origin->connect_count++;
    }
    origin->config.connect(origin->config.context, connect, upgrade != NULL);
}

static void end_connect(struct pn_connect *connect)
{
    struct pn_origin *origin = connect->origin;

    *connect->at = connect->next;
    if (connect->next != NULL)
        connect->next->at = connect->at;
    if (connect->upgrade != NULL)
        connect->upgrade->connect = NULL;
    if (!connect->is_dedicated)
        origin->connect_count--;
    pn_heap_free(connect);
}

static bool send_on(struct pn_origin_conn *conn, struct request *r)
{
    r->conn = conn;
    r->state = REQUEST_SENT;
    r->public.body.ops = conn->body_ops;
    if (conn->ops->send(conn, r))
        return true;
    r->conn = NULL;
    r->public.body.ops = &waiting_ops;
    return false;
}

void pn_connect_done(struct pn_connect *connect, struct pn_stream *stream, bool is_h2)
{
    struct pn_origin *origin = connect->origin;
    struct request *upgrade = connect->upgrade;
    bool is_dedicated = connect->is_dedicated;
    struct pn_origin_conn *conn;

    pn_on_loop(origin->loop);
    pn_assert(!is_dedicated || !is_h2);
    end_connect(connect);
    if (origin->is_freed || (is_dedicated && upgrade == NULL)) {
        pn_stream_close(stream);
        release(origin);
        return;
    }
    origin->holders--; /* the connection holds now */
    conn = (is_h2 ? pn_origin_h2_new : pn_origin_h1_new)(origin, stream);
    conn->is_dedicated = is_dedicated;
    if (!is_dedicated) {
        origin->conn_count++;
        origin->speaks_h1 = !is_h2;
        pn_origin_hand_out(origin);
        return;
    }
    if (!send_on(conn, upgrade))
        pn_assert(false);
}

static void fail_waiting(struct pn_origin *origin, const struct pn_err *err)
{
    while (origin->waiting != NULL) {
        struct request *r = origin->waiting;

        pop_waiting(r);
        pn_request_fail(r, err);
    }
}

void pn_connect_failed(struct pn_connect *connect, const struct pn_err *err)
{
    struct pn_origin *origin = connect->origin;
    struct request *upgrade = connect->upgrade;
    bool is_dedicated = connect->is_dedicated;

    pn_on_loop(origin->loop);
    end_connect(connect);
    if (upgrade != NULL)
        pn_request_fail(upgrade, err);
    else if (!is_dedicated && origin->conn_count == 0 && origin->connect_count == 0)
        fail_waiting(origin, err);
    release(origin);
}

static void on_conn_soon(struct pn_task *task)
{
    struct pn_origin_conn *conn = pn_container_of(task, struct pn_origin_conn, soon);
    struct pn_origin *origin = conn->origin;

    if (conn->stream != NULL) {
        conn->ops->step(conn, 0);
        return;
    }
    *conn->at = conn->next;
    if (conn->next != NULL)
        conn->next->at = conn->at;
    pn_heap_free(conn);
    release(origin);
}

static void on_conn_ready(void *conn_, struct pn_stream *stream PN_UNUSED, unsigned events)
{
    struct pn_origin_conn *conn = conn_;

    conn->ops->step(conn, events);
}

static void on_conn_timer(struct pn_timer *timer)
{
    struct pn_origin_conn *conn = pn_container_of(timer, struct pn_origin_conn, timer);

    conn->ops->timeout(conn);
}

void pn_origin_conn_init(struct pn_origin_conn *conn, struct pn_origin *origin,
                         struct pn_stream *stream)
{
    conn->origin = origin;
    conn->stream = stream;
    conn->soon.run = on_conn_soon;
    conn->timer.run = on_conn_timer;
    conn->next = origin->conns;
    conn->at = &origin->conns;
    if (conn->next != NULL)
        conn->next->at = &conn->next;
    origin->conns = conn;
    origin->holders++;
    pn_stream_set_owner(stream, on_conn_ready, conn);
}

void pn_origin_conn_die(struct pn_origin_conn *conn, const struct pn_err *why)
{
    struct pn_stream *stream = conn->stream;

    if (stream == NULL)
        return;
    conn->stream = NULL;
    conn->is_closing = true;
    pn_timer_stop(&conn->timer);
    if (!conn->is_dedicated)
        conn->origin->conn_count--;
    conn->ops->lose_requests(conn, why);
    conn->ops->drop(conn);
    pn_stream_close(stream);
    pn_loop_soon(conn->origin->loop, &conn->soon);
    pn_origin_hand_out(conn->origin);
}

/* ---- handing out ---- */

/* The newest HTTP/1 connection that is free, or the HTTP/2 one with the fewest requests. */
static struct pn_origin_conn *pick(struct pn_origin *origin, bool *is_crowded)
{
    struct pn_origin_conn *best = NULL;
    size_t best_load = 0;

    for (struct pn_origin_conn *conn = origin->conns; conn != NULL; conn = conn->next) {
        size_t load;

        if (conn->stream == NULL || conn->is_dedicated || conn->is_closing)
            continue;
        load = conn->ops->load(conn);
        if (load >= conn->ops->most(conn) || (best != NULL && load >= best_load))
            continue;
        best = conn;
        best_load = load;
        if (load == 0)
            break;
    }
    *is_crowded =
        best == NULL || (best->is_h2 && best_load >= origin->config.streams_per_connection);
    return best;
}

/*
 * How many more connections are worth opening: one until we know what the server speaks, one at a
 * time for HTTP/2, one for each who waits for HTTP/1.
 */
static void connect_more(struct pn_origin *origin)
{
    size_t wanted = origin->speaks_h1 ? origin->waiting_count : 1;

    /* An attempt may fail at once, and with it all who wait: so the attempts are counted. */
    for (size_t tried = origin->connect_count; tried < wanted; tried++) {
        if (origin->conn_count + origin->connect_count >= origin->config.max_connections)
            return;
        connect_one(origin, NULL);
    }
}

static void hand_out(struct pn_origin *origin)
{
    bool is_crowded = false;

    while (origin->waiting != NULL) {
        struct pn_origin_conn *conn = pick(origin, &is_crowded);
        struct request *r = origin->waiting;

        if (conn == NULL)
            break;
        pop_waiting(r);
        if (!send_on(conn, r)) {
            push_waiting(r, true);
            conn->is_closing = true;
        }
    }
    if (is_crowded)
        connect_more(origin);
}

static void on_origin_soon(struct pn_task *task)
{
    struct pn_origin *origin = pn_container_of(task, struct pn_origin, soon);

    if (!origin->is_freed)
        hand_out(origin);
}

struct pn_request *pn_origin_request(struct pn_origin *origin, const struct pn_http_head *head,
                                     const struct pn_request_events *events, void *owner)
{
    struct request *r = new_request(origin);
    struct pn_err err = { 0 };

    pn_on_loop(origin->loop);
    pn_assert(!origin->is_freed && events->response != NULL && events->failed != NULL);
    r->public.owner = owner;
    r->public.events = events;
    r->public.is_idempotent = pn_str_is(head->method, "GET") || pn_str_is(head->method, "HEAD") ||
                              pn_str_is(head->method, "PUT") || pn_str_is(head->method, "DELETE") ||
                              pn_str_is(head->method, "OPTIONS");
    r->head = pn_http_head_copy(r->arena, head);
    if (head->upgrade.ptr != NULL) {
        connect_one(origin, r);
        return &r->public;
    }
    if (origin->waiting_count >= origin->config.max_waiting && origin->config.max_waiting > 0) {
        pn_fail(&err, PN_BUSY, "too many requests are waiting for a connection");
        pn_request_fail(r, &err);
        return &r->public;
    }
    push_waiting(r, false);
    hand_out(origin);
    return &r->public;
}

/* ---- a request without a connection ---- */

static ssize_t waiting_read(struct pn_stream *body, void *out PN_UNUSED, size_t len PN_UNUSED)
{
    return request_of(body)->err != NULL ? PN_STREAM_FAILED : PN_STREAM_AGAIN;
}

static ssize_t waiting_write(struct pn_stream *body, const void *bytes PN_UNUSED,
                             size_t len PN_UNUSED)
{
    return request_of(body)->err != NULL ? PN_STREAM_FAILED : PN_STREAM_AGAIN;
}

static bool waiting_finish(struct pn_stream *body)
{
    return request_of(body)->err != NULL;
}

void pn_request_want(struct pn_stream *body, unsigned wants)
{
    struct request *r = request_of(body);

    if ((possible(r) & wants) != 0)
        pn_request_wake(r);
}

void pn_request_close(struct pn_stream *body)
{
    struct request *r = request_of(body);

    if (r->state == REQUEST_WAITING)
        pop_waiting(r);
    else if (r->conn != NULL)
        r->conn->ops->close_request(r);
    if (r->connect != NULL)
        r->connect->upgrade = NULL;
    pn_request_free(r);
}

const struct pn_err *pn_request_error(const struct pn_stream *body)
{
    return request_of(body)->err;
}

static const struct pn_stream_ops waiting_ops = {
    .name = "http request",
    .read = waiting_read,
    .write = waiting_write,
    .finish = waiting_finish,
    .want = pn_request_want,
    .close = pn_request_close,
    .error = pn_request_error,
};

/* ---- the origin ---- */

struct pn_origin *pn_origin_new(struct pn_loop *loop, const struct pn_origin_config *config)
{
    struct pn_origin *origin = pn_heap_new(sizeof(*origin));

    pn_assert(config->connect != NULL);
    origin->loop = loop;
    origin->config = *config;
    if (origin->config.max_connections == 0)
        origin->config.max_connections = 64;
    if (origin->config.streams_per_connection == 0)
        origin->config.streams_per_connection = 80;
    if (origin->config.idle_timeout_ms <= 0)
        origin->config.idle_timeout_ms = 90 * 1000;
    if (origin->config.ping_ms <= 0)
        origin->config.ping_ms = 30 * 1000; /* common load balancers cut quiet streams after 60 s */
    origin->waiting_end = &origin->waiting;
    origin->soon.run = on_origin_soon;
    origin->arena = pn_arena_new(REQUEST_BUDGET_BYTES);
    origin->wire = pn_buf_init(WIRE_MAX_BYTES);
    origin->holders = 1;
    return origin;
}

/* Owners are told at once; what they still hold then keeps the memory until closed. */
void pn_origin_free(struct pn_origin *origin)
{
    struct pn_err err = { 0 };

    if (origin == NULL)
        return;
    pn_on_loop(origin->loop);
    origin->is_freed = true;
    pn_fail(&err, PN_UNREACHABLE, "the connections were closed");
    for (struct pn_origin_conn *conn = origin->conns; conn != NULL; conn = conn->next)
        pn_origin_conn_die(conn, &err);
    fail_waiting(origin, &err);
    for (struct pn_connect *connect = origin->connects; connect != NULL; connect = connect->next)
        if (connect->upgrade != NULL) {
            pn_request_fail(connect->upgrade, &err);
            connect->upgrade->connect = NULL;
            connect->upgrade = NULL;
        }
    for (struct request *r = origin->all, *next; r != NULL; r = next) {
        next = r->all_next;
        tell(r);
    }
    release(origin);
}
