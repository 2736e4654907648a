/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <string.h>

#define SPARE_EXCHANGES 64
#define EXCHANGE_BUDGET_BYTES ((size_t)1024 * 1024)
#define WIRE_MAX_BYTES ((size_t)512 * 1024) /* 64 KiB of frames and one more, or a printed head */

/* ---- exchanges ---- */

struct exchange *pn_http_exchange_new(struct pn_http_conn *conn, const struct pn_stream_ops *ops)
{
    struct pn_http_server *server = conn->server;
    struct exchange *x = server->spare;
    struct pn_arena *arena;

    if (x != NULL) {
        server->spare = x->next;
        server->spare_count--;
    } else {
        x = pn_heap_new(sizeof(*x));
        x->public.arena = pn_arena_new(EXCHANGE_BUDGET_BYTES);
    }
    arena = x->public.arena;
    *x = (struct exchange){ .public = { .body = { .ops = ops, .loop = server->loop },
                                        .conn = conn,
                                        .arena = arena,
                                        .request = &x->head,
                                        .peer_ip = pn_str_from(conn->peer_ip) } };
    conn->exchanges++;
    return x;
}

void pn_http_exchange_free(struct exchange *x)
{
    struct pn_http_server *server = x->public.conn->server;

    x->public.conn->exchanges--;
    pn_heap_free(x->err);
    if (server->spare_count == SPARE_EXCHANGES) {
        pn_arena_free(x->public.arena);
        pn_heap_free(x);
        return;
    }
    pn_arena_reset(x->public.arena);
    x->next = server->spare;
    server->spare = x;
    server->spare_count++;
}

bool pn_http_exchange_tell(struct exchange *x, unsigned possible)
{
    struct pn_stream *body = &x->public.body;
    unsigned events = (x->err != NULL ? PN_WANT_READ | PN_WANT_WRITE : possible) & body->wants;
    bool is_news = x->err != NULL && !x->is_told;

    x->is_told = x->err != NULL;
    if (events == 0 && (!is_news || body->ready == NULL))
        return false;
    body->ready(body->owner, body, events != 0 ? events : PN_WANT_READ);
    return events != 0;
}

void pn_exchange_respond(struct pn_exchange *exchange, const struct pn_http_head *head)
{
    struct exchange *x = exchange_of(&exchange->body);

    pn_on_loop(exchange->body.loop);
    pn_assert(!exchange->is_answered);
    exchange->is_answered = head->status >= 200 || head->status == 101;
    if (exchange->conn->stream != NULL && x->err == NULL)
        exchange->conn->ops->respond(exchange, head);
}

void pn_exchange_answer(struct pn_exchange *exchange, const struct pn_http_head *head,
                        struct pn_str body)
{
    struct exchange *x = exchange_of(&exchange->body);
    bool is_bodiless = pn_http_is_bodiless(head->status, exchange->request->method);
    struct pn_http_head copy = *head;

    copy.is_last = is_bodiless || body.len == 0;
    copy.content_length = head->status == 204 || head->status == 304 ? -1 : (int64_t)body.len;
    pn_exchange_respond(exchange, &copy);
    if (!copy.is_last && exchange->conn->stream != NULL && x->err == NULL)
        exchange->conn->ops->write_all(exchange, body);
    pn_stream_close(&exchange->body);
}

/* ---- connections ---- */

static void forget_server(struct pn_http_server *server)
{
    while (server->spare != NULL) {
        struct exchange *x = server->spare;

        server->spare = x->next;
        pn_arena_free(x->public.arena);
        pn_heap_free(x);
    }
    pn_buf_drop(&server->wire);
    pn_heap_free(server);
}

/* The last of a connection: its stream and its exchanges are gone. */
static void reap(struct pn_http_conn *conn)
{
    struct pn_http_server *server = conn->server;

    *conn->at = conn->next;
    if (conn->next != NULL)
        conn->next->at = conn->at;
    server->alive--;
    if (!server->is_freed && server->config.closed != NULL)
        server->config.closed(server->config.context, conn->user);
    pn_heap_free(conn);
    if (server->is_freed && server->alive == 0)
        forget_server(server);
}

static void on_soon(struct pn_task *task)
{
    struct pn_http_conn *conn = pn_container_of(task, struct pn_http_conn, soon);

    if (conn->stream != NULL || conn->exchanges > 0)
        conn->ops->step(conn, 0);
    else
        reap(conn);
}

static void on_ready(void *conn_, struct pn_stream *stream PN_UNUSED, unsigned events)
{
    struct pn_http_conn *conn = conn_;

    conn->ops->step(conn, events);
}

static void on_timer(struct pn_timer *timer)
{
    struct pn_http_conn *conn = pn_container_of(timer, struct pn_http_conn, timer);

    conn->ops->timeout(conn);
}

void pn_http_conn_init(struct pn_http_conn *conn, const struct pn_http_ops *ops,
                       struct pn_http_server *server, struct pn_stream *stream,
                       struct pn_str peer_ip, void *user)
{
    size_t len = peer_ip.len < sizeof(conn->peer_ip) ? peer_ip.len : sizeof(conn->peer_ip) - 1;

    conn->ops = ops;
    conn->server = server;
    conn->stream = stream;
    conn->user = user;
    conn->soon.run = on_soon;
    conn->timer.run = on_timer;
    if (len > 0)
        memcpy(conn->peer_ip, peer_ip.ptr, len);
    conn->next = server->conns;
    conn->at = &server->conns;
    if (conn->next != NULL)
        conn->next->at = &conn->next;
    server->conns = conn;
    server->alive++;
    pn_stream_set_owner(stream, on_ready, conn);
}

void pn_http_conn_die(struct pn_http_conn *conn, const struct pn_err *why)
{
    struct pn_stream *stream = conn->stream;

    if (stream == NULL)
        return;
    pn_timer_stop(&conn->timer);
    conn->ops->break_exchanges(conn, why);
    conn->ops->drop(conn);
    conn->stream = NULL;
    pn_stream_close(stream);
    pn_loop_soon(conn->server->loop, &conn->soon);
}

void pn_http_conn_release(struct pn_http_conn *conn)
{
    if (conn->stream == NULL && conn->exchanges == 0)
        pn_loop_soon(conn->server->loop, &conn->soon);
}

struct pn_http_conn *pn_http_serve(struct pn_http_server *server, struct pn_stream *stream,
                                   bool is_h2, struct pn_str peer_ip, void *conn_user)
{
    pn_on_loop(server->loop);
    pn_assert(!server->is_freed);
    return (is_h2 ? pn_http_h2_new : pn_http_h1_new)(server, stream, peer_ip, conn_user);
}

void pn_http_conn_abort(struct pn_http_conn *conn)
{
    struct pn_err err = { 0 };

    pn_on_loop(conn->server->loop);
    pn_fail(&err, PN_UNREACHABLE, "the connection was aborted");
    pn_http_conn_die(conn, &err);
}

void *pn_http_conn_user(const struct pn_http_conn *conn)
{
    return conn->user;
}

/* ---- the server ---- */

struct pn_http_server *pn_http_server_new(struct pn_loop *loop,
                                          const struct pn_http_server_config *config)
{
    struct pn_http_server *server = pn_heap_new(sizeof(*server));

    pn_assert(config->request != NULL);
    server->loop = loop;
    server->config = *config;
    if (server->config.head_timeout_ms <= 0)
        server->config.head_timeout_ms = 32 * 1000;
    if (server->config.idle_timeout_ms <= 0)
        server->config.idle_timeout_ms = 90 * 1000;
    if (server->config.max_streams == 0)
        server->config.max_streams = 250;
    server->wire = pn_buf_init(WIRE_MAX_BYTES);
    return server;
}

void pn_http_conn_drain(struct pn_http_conn *conn)
{
    pn_on_loop(conn->server->loop);
    if (conn->stream != NULL)
        conn->ops->drain(conn);
}

void pn_http_server_drain(struct pn_http_server *server)
{
    pn_on_loop(server->loop);
    server->is_draining = true;
    for (struct pn_http_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        pn_http_conn_drain(conn);
    }
}

/*
 * Kills the connections and tells the owners of exchanges at once, so that all is usually gone when
 * this returns. What an owner still holds then keeps its memory, and the server's, until closed.
 */
void pn_http_server_free(struct pn_http_server *server)
{
    if (server == NULL)
        return;
    pn_on_loop(server->loop);
    for (struct pn_http_conn *conn = server->conns; conn != NULL; conn = conn->next)
        pn_http_conn_abort(conn);
    for (struct pn_http_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        if (conn->exchanges > 0)
            conn->ops->step(conn, 0);
        next = conn->next;
        if (conn->exchanges > 0)
            continue;
        pn_loop_unsoon(server->loop, &conn->soon);
        reap(conn);
    }
    server->is_freed = true;
    if (server->alive == 0)
        forget_server(server);
}
