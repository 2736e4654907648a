/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/client_ip.h"
#include "server/envelope.h"
#include "server/feeds.h"

#include <string.h>

#define DEFAULT_MAX_BODY ((size_t)1 << 20)
#define CALL_BUDGET ((size_t)48 << 20)
#define BODY_TIMEOUT_MS 30000
#define BUSY_RETRY_S 1
#define STREAM_RETRY_S 30
#define KEPT_ARENAS 16
#define MAX_FIELDS 10

struct pn_dispatcher {
    struct pn_dispatch_parts parts;
    struct pn_db_conn *nowhere;           /* what the loop itself may ask */
    struct pn_arena *arenas[KEPT_ARENAS]; /* of finished requests, for the next ones */
    size_t arena_count;
    struct request *requests; /* in progress */
    size_t in_progress;
};

/* One request from its head to its answer. Owned by the loop; a worker has it while its job runs. */
struct request {
    struct pn_job job;   /* first: to the worker */
    struct pn_task done; /* and back */
    struct pn_dispatcher *dispatcher;
    struct request *next, **at; /* in dispatcher->requests */
    struct pn_exchange *exchange;
    struct pn_arena *arena;
    struct pn_timer body_timer;
    struct pn_match match;
    struct pn_buf body;
    struct pn_request_facts facts;
    struct pn_answer answer;
    struct pn_limit limit;
    int64_t began_ns;
    int64_t retry_s; /* 0: no Retry-After */
    bool is_lost;    /* the client left while a worker had it */
    char id[PN_REQUEST_ID_BYTES];
};

/* ---- life ---- */

static struct pn_arena *take_arena(struct pn_dispatcher *d)
{
    return d->arena_count > 0 ? d->arenas[--d->arena_count] : pn_arena_new(CALL_BUDGET);
}

static void give_arena(struct pn_dispatcher *d, struct pn_arena *arena)
{
    pn_arena_reset(arena);
    if (d->arena_count < KEPT_ARENAS)
        d->arenas[d->arena_count++] = arena;
    else
        pn_arena_free(arena);
}

struct pn_dispatcher *pn_dispatcher_new(const struct pn_dispatch_parts *parts)
{
    struct pn_dispatcher *d = pn_heap_new(sizeof(*d));

    d->parts = *parts;
    d->nowhere = pn_db_nowhere(parts->db);
    return d;
}

size_t pn_dispatcher_in_progress(const struct pn_dispatcher *d)
{
    return d->in_progress;
}

static struct request *request_new(struct pn_dispatcher *d, struct pn_exchange *exchange)
{
    struct request *r = pn_heap_new(sizeof(*r));

    r->dispatcher = d;
    r->exchange = exchange;
    r->arena = take_arena(d);
    r->began_ns = pn_clock_mono_ns();
    pn_request_id_make(r->id);
    r->facts = (struct pn_request_facts){
        .request_id = pn_str_of(r->id, sizeof(r->id)),
        .ip = pn_client_ip(d->parts.proxies, exchange->peer_ip, exchange->request),
        .user_agent = pn_http_field_get(exchange->request, "user-agent"),
        .authorization = pn_http_field_get(exchange->request, "authorization"),
        .has_api_key = pn_http_field_get(exchange->request, "x-api-key").ptr != NULL,
        .content_type = pn_http_field_get(exchange->request, "content-type"),
        .if_none_match = pn_http_field_get(exchange->request, "if-none-match"),
        .cookie = pn_http_field_get(exchange->request, "cookie"),
    };
    r->next = d->requests;
    r->at = &d->requests;
    if (r->next != NULL)
        r->next->at = &r->next;
    d->requests = r;
    d->in_progress++;
    atomic_fetch_add(&d->parts.metrics->in_progress, 1);
    return r;
}

static void request_free(struct request *r)
{
    struct pn_dispatcher *d = r->dispatcher;

    pn_timer_stop(&r->body_timer);
    pn_buf_drop(&r->body);
    pn_buf_drop(&r->answer.body);
    pn_subscription_free(r->answer.subscription);
    give_arena(d, r->arena);
    *r->at = r->next;
    if (r->next != NULL)
        r->next->at = r->at;
    d->in_progress--;
    atomic_fetch_sub(&d->parts.metrics->in_progress, 1);
    pn_heap_free(r);
}

/* ---- answering ---- */

static const char *actor_kind(enum pn_actor_kind kind)
{
    switch (kind) {
    case PN_ACTOR_NONE: return "none";
    case PN_ACTOR_USER:
    case PN_ACTOR_MFA: return "user";
    case PN_ACTOR_IDENTITY: return "identity";
    case PN_ACTOR_GATEWAY: return "gateway";
    case PN_ACTOR_RELAY: return "relay";
    case PN_ACTOR_SERVICE: return "service";
    case PN_ACTOR_PLATFORM: return "platform";
    }
    return "none";
}

/* The route's pattern, never the path: paths and queries may carry what must not be logged. */
static void log_request(const struct request *r, int64_t us)
{
    const struct pn_answer *a = &r->answer;
    const struct pn_uuid_text actor = pn_uuid_format(a->actor.id);
    const char *route = r->match.route != NULL ? r->match.route->path : "-";
    const char *kind = actor_kind(a->actor.kind);

    if (a->err.code == PN_INTERNAL || a->err.code == PN_IO)
        pn_log(PN_ERROR, "request-failed", PN_F_STR("reqId", r->facts.request_id),
               PN_F_TEXT("route", route), PN_F_ERR(&a->err));
    else if (a->err.code != PN_OK)
        pn_log(PN_DEBUG, "request-refused", PN_F_STR("reqId", r->facts.request_id),
               PN_F_TEXT("route", route), PN_F_ERR(&a->err));
    pn_log(PN_INFO, "request", PN_F_STR("reqId", r->facts.request_id),
           PN_F_STR("method", r->exchange->request->method), PN_F_TEXT("route", route),
           PN_F_INT("status", a->status), PN_F_INT("us", us), PN_F_TEXT("actor", kind),
           PN_F_TEXT("actorId", a->actor.kind != PN_ACTOR_NONE ? actor.text : ""),
           PN_F_STR("ip", r->facts.ip));
}

struct fields {
    struct pn_http_field items[MAX_FIELDS];
    size_t count;
};

static void add_field(struct fields *f, const char *name, struct pn_str value)
{
    pn_assert(f->count < MAX_FIELDS);
    f->items[f->count++] = (struct pn_http_field){ pn_str_from(name), value };
}

static void add_number(struct fields *f, struct pn_arena *arena, const char *name, int64_t number)
{
    add_field(f, name, pn_arena_printf(arena, "%lld", (long long)number));
}

static struct pn_str list_methods(struct pn_arena *arena, unsigned allowed)
{
    struct pn_str list = PN_NONE;

    for (unsigned i = 0; i < PN_METHODS; i++) {
        if ((allowed & (1U << i)) != 0)
            list = pn_arena_printf(arena, "%.*s%s%s", PN_ARG(list), list.len > 0 ? ", " : "",
                                   pn_method_name((enum pn_method)i));
    }
    return list;
}

static void make_fields(struct request *r, struct fields *f)
{
    const struct pn_answer *a = &r->answer;

    add_field(f, "content-type", pn_str_from(a->content_type));
    add_field(f, "x-request-id", r->facts.request_id);
    add_field(f, "cache-control",
              a->subscription != NULL ? PN_LIT("no-cache") : PN_LIT("no-store"));
    if (a->subscription != NULL)
        add_field(f, "x-accel-buffering", PN_LIT("no"));
    if (a->etag[0] != '\0')
        add_field(f, "etag", pn_str_from(a->etag));
    if (a->set_cookie.len > 0)
        add_field(f, "set-cookie", a->set_cookie);
    if (r->retry_s > 0)
        add_number(f, r->arena, "retry-after", r->retry_s);
    if (a->status == 405)
        add_field(f, "allow", list_methods(r->arena, r->match.allowed));
    if (r->limit.limit > 0) {
        add_number(f, r->arena, "x-ratelimit-limit", r->limit.limit);
        add_number(f, r->arena, "x-ratelimit-remaining", r->limit.remaining);
        add_number(f, r->arena, "x-ratelimit-reset", r->limit.reset_s);
    }
}

/* On the writer's thread. */
static void undone(void *undo_, const struct pn_err *err)
{
    struct pn_undo *undo = undo_;

    if (err != NULL)
        pn_log(PN_ERROR, "lost-answer-not-undone", PN_F_TEXT("id", pn_uuid_format(undo->id).text),
               PN_F_ERR(err));
    pn_heap_free(undo);
}

static bool write_undo(struct pn_db_conn *tx, void *undo_, struct pn_err *err)
{
    struct pn_undo *undo = undo_;

    return undo->write(tx, &undo->id, err);
}

/* The client will never see what was made for it. The loop does not wait for the commit. */
static void undo_lost(struct request *r)
{
    struct pn_undo *undo = pn_heap_new(sizeof(*undo));
    struct pn_err err = { 0 };

    *undo = r->answer.if_lost;
    if (!pn_db_write_later(r->dispatcher->parts.db, write_undo, undo, undone, &err))
        undone(undo, &err);
}

/* The head goes out at once; what follows is the feed's. */
static void answer_with_stream(struct request *r, struct pn_http_head *head)
{
    struct pn_feeds *feeds = r->dispatcher->parts.feeds;

    head->content_length = -1;
    pn_exchange_respond(r->exchange, head);
    pn_feeds_add(feeds, pn_take(&r->answer.subscription), r->exchange, r->facts.request_id);
}

/* The one end of a request. */
static void answer(struct request *r)
{
    int64_t us = (pn_clock_mono_ns() - r->began_ns) / 1000;
    struct fields fields = { .count = 0 };
    struct pn_http_head head;

    make_fields(r, &fields);
    head = (struct pn_http_head){ .status = r->answer.status,
                                  .fields = fields.items,
                                  .count = fields.count,
                                  .content_length = (int64_t)r->answer.body.len };
    pn_metrics_answered(r->dispatcher->parts.metrics, r->answer.status, us);
    log_request(r, us);
    if (r->is_lost && r->answer.if_lost.write != NULL)
        undo_lost(r);
    if (r->answer.subscription != NULL)
        answer_with_stream(r, &head);
    else
        pn_exchange_answer(r->exchange, &head, pn_buf_str(&r->answer.body));
    request_free(r);
}

/* Answers with r->answer.err. */
static void refuse(struct request *r)
{
    struct pn_answer *a = &r->answer;

    a->status = pn_code_status(a->err.code);
    a->content_type = "application/json; charset=utf-8";
    a->body = pn_buf_init(8192);
    pn_envelope_print(&a->err, r->facts.request_id, &a->body);
    answer(r);
}

static void refuse_busy(struct request *r)
{
    atomic_fetch_add(&r->dispatcher->parts.metrics->refused_busy, 1);
    r->retry_s = BUSY_RETRY_S;
    (void)pn_fail(&r->answer.err, PN_BUSY, "The server is busy. Try again in a moment");
    refuse(r);
}

/* ---- the call ---- */

struct worker {
    struct pn_db_conn *conn;
};

void *pn_dispatch_worker_new(void *db)
{
    struct worker *w = pn_heap_new(sizeof(*w));
    struct pn_err err = { 0 };

    if (!pn_db_connect(db, &w->conn, &err))
        pn_log(PN_ERROR, "worker-without-database", PN_F_ERR(&err));
    return w;
}

void pn_dispatch_worker_free(void *worker)
{
    struct worker *w = worker;

    if (w != NULL && w->conn != NULL)
        pn_db_disconnect(w->conn);
    pn_heap_free(w);
}

struct pn_db_conn *pn_dispatch_worker_conn(void *worker)
{
    return ((struct worker *)worker)->conn;
}

static void run_on_worker(struct pn_job *job, void *worker)
{
    struct request *r = (struct request *)(void *)job;
    struct worker *w = worker;

    pn_dispatch_run(&r->dispatcher->parts, w->conn, r->arena, &r->match, &r->facts, &r->answer);
    pn_loop_post(r->dispatcher->parts.loop, &r->done);
}

/* Rights it had; there is no room. */
static void refuse_stream(struct request *r)
{
    pn_subscription_free(pn_take(&r->answer.subscription));
    r->retry_s = STREAM_RETRY_S;
    refuse(r);
}

static void back_on_loop(struct pn_task *task)
{
    struct request *r = pn_container_of(task, struct request, done);

    if (r->answer.err.code == PN_BUSY || r->answer.err.code == PN_RATE_LIMITED)
        r->retry_s = BUSY_RETRY_S;
    if (r->answer.subscription != NULL &&
        !pn_feeds_admit(r->dispatcher->parts.feeds, r->answer.subscription, &r->answer.err))
        refuse_stream(r);
    else
        answer(r);
}

/*
 * The client has left while a worker has the request, with its words in the exchange's memory: nothing is
 * freed under the worker's hands, and the answer finds out that nobody waits for it.
 */
static void on_left(void *request, struct pn_stream *stream, unsigned events)
{
    struct request *r = request;

    (void)events;
    if (pn_stream_error(stream) != NULL)
        r->is_lost = true;
    pn_stream_want(stream, 0);
}

/* The call where it is, from memory alone. False: nothing has been done. */
static bool run_from_memory(struct request *r)
{
    struct pn_db_conn *nowhere = r->dispatcher->nowhere;

    pn_dispatch_run(&r->dispatcher->parts, nowhere, r->arena, &r->match, &r->facts, &r->answer);
    if (!pn_db_was_asked(nowhere))
        return true;
    pn_buf_drop(&r->answer.body);
    r->answer = (struct pn_answer){ .status = 0 };
    return false;
}

/* Everything of the request is here. */
static void start_call(struct request *r)
{
    const struct pn_dispatch_parts *parts = &r->dispatcher->parts;
    struct pn_lane *lane = r->match.route->lane == PN_LANE_SLOW ? parts->slow : parts->fast;

    pn_timer_stop(&r->body_timer);
    r->facts.body = pn_buf_str(&r->body);
    if (r->match.route->lane == PN_LANE_INLINE) {
        pn_dispatch_run(parts, NULL, r->arena, &r->match, &r->facts, &r->answer);
        answer(r);
        return;
    }
    if (r->match.route->lane == PN_LANE_MEMORY && run_from_memory(r)) {
        back_on_loop(&r->done);
        return;
    }
    r->job.run = run_on_worker;
    r->done.run = back_on_loop;
    pn_stream_set_owner(&r->exchange->body, on_left, r);
    if (!pn_lane_submit(lane, &r->job))
        refuse_busy(r);
}

/* ---- the body ---- */

static size_t max_body(const struct pn_route *route)
{
    return route->max_body_bytes != 0 ? route->max_body_bytes : DEFAULT_MAX_BODY;
}

static void refuse_body(struct request *r)
{
    (void)pn_fail(&r->answer.err, PN_TOO_LARGE, "The body is larger than %zu bytes",
                  max_body(r->match.route));
    refuse(r);
}

static void abandon(struct request *r)
{
    pn_stream_close(&r->exchange->body);
    request_free(r);
}

void pn_dispatcher_free(struct pn_dispatcher *d)
{
    if (d == NULL)
        return;
    while (d->requests != NULL)
        abandon(d->requests);
    for (size_t i = 0; i < d->arena_count; i++)
        pn_arena_free(d->arenas[i]);
    pn_db_disconnect(d->nowhere);
    pn_heap_free(d);
}

static void body_is_late(struct pn_timer *timer)
{
    abandon(pn_container_of(timer, struct request, body_timer));
}

static void read_body(void *owner, struct pn_stream *stream, unsigned events)
{
    struct request *r = owner;
    char *scratch = pn_loop_scratch(r->dispatcher->parts.loop);

    (void)events;
    for (;;) {
        ssize_t got = pn_stream_read(stream, scratch, PN_LOOP_SCRATCH_BYTES);

        if (got == PN_STREAM_AGAIN)
            return pn_stream_want(stream, PN_WANT_READ);
        pn_stream_want(stream, 0);
        if (got == PN_STREAM_FAILED)
            return abandon(r);
        if (got == 0)
            return start_call(r);
        if (!pn_buf_add_bytes(&r->body, scratch, (size_t)got))
            return refuse_body(r);
    }
}

static void start_body(struct request *r)
{
    const struct pn_http_head *head = r->exchange->request;
    size_t most = max_body(r->match.route);

    if (head->content_length > 0 && (uint64_t)head->content_length > most) {
        refuse_body(r);
        return;
    }
    r->body = pn_buf_init_wiped(most);
    r->body_timer.run = body_is_late;
    pn_timer_start(r->dispatcher->parts.loop, &r->body_timer, BODY_TIMEOUT_MS);
    pn_stream_set_owner(&r->exchange->body, read_body, r);
    read_body(r, &r->exchange->body, 0);
}

/* ---- the head ---- */

static bool is_within_rate(struct request *r)
{
    const struct pn_dispatch_parts *parts = &r->dispatcher->parts;

    if (parts->limiter == NULL ||
        pn_limiter_take(parts->limiter, r->facts.ip, r->match.route->rate, &r->limit))
        return true;
    atomic_fetch_add(&parts->metrics->refused_rate, 1);
    r->retry_s = r->limit.reset_s;
    return pn_fail(&r->answer.err, PN_RATE_LIMITED,
                   "Rate limit exceeded. Please try again in %lld seconds",
                   (long long)r->limit.reset_s);
}

void pn_dispatch(void *dispatcher, struct pn_exchange *exchange)
{
    struct pn_dispatcher *d = dispatcher;
    struct request *r = request_new(d, exchange);
    const struct pn_http_head *head = exchange->request;

    if (d->in_progress > (size_t)d->parts.settings->max_requests) {
        refuse_busy(r);
        return;
    }
    if (!pn_router_match(d->parts.router, head->method, head->target, r->arena, &r->match,
                         &r->answer.err) ||
        !is_within_rate(r)) {
        refuse(r);
        return;
    }
    start_body(r);
}

struct pn_str pn_dispatch_error_body(struct pn_arena *arena, int status, const char *message)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(4096);
    char id[PN_REQUEST_ID_BYTES];
    struct pn_err err = { 0 };

    pn_request_id_make(id);
    (void)pn_fail(&err, pn_code_of_status(status), "%s", message);
    pn_envelope_print(&err, pn_str_of(id, sizeof(id)), &body);
    return pn_arena_copy(arena, pn_buf_str(&body));
}
