/* SPDX-License-Identifier: Apache-2.0 */
#include "server/feeds.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "json/writer.h"
#include "server/envelope.h"

#include <string.h>

#define LOOKS_AT_ONCE \
    4 /* of the fast lane: a change that concerns all must not keep requests waiting */
#define RETRY_MS 100 /* the lane is full */
#define LOOK_BUDGET ((size_t)8 << 20)
#define PING "event: ping\n\n"

/*
 * RESTING until something changes or its timer says so; QUEUED for a look; LOOKING, on a worker, who alone has the
 * subscription; SENDING what was found; ENDED: only a worker still has it.
 */
enum feed_state { RESTING, QUEUED, LOOKING, SENDING, ENDED, FEED_STATES };

static const bool may_become[FEED_STATES][FEED_STATES] = {
    [RESTING] = { [QUEUED] = true, [SENDING] = true, [ENDED] = true },
    [QUEUED] = { [LOOKING] = true, [SENDING] = true, [ENDED] = true },
    [LOOKING] = { [RESTING] = true, [QUEUED] = true, [SENDING] = true, [ENDED] = true },
    [SENDING] = { [RESTING] = true, [QUEUED] = true, [ENDED] = true },
};

struct feed {
    struct pn_job job;   /* first: to the worker */
    struct pn_task done; /* and back */
    struct pn_feeds *feeds;
    struct feed *next, **at; /* in feeds->all */
    struct feed *behind;     /* in the queue */
    struct pn_subscription *subscription;
    struct pn_exchange *exchange; /* NULL: ENDED */
    struct pn_timer timer;
    enum feed_state state;
    bool is_at_work; /* a worker has it: LOOKING, or ENDED meanwhile */
    bool is_pinged;  /* the look is to say something in any case */
    bool is_last;    /* a look was refused: what is being sent is the end */

    struct pn_buf page; /* of the last look, from here on; what is not sent yet */
    size_t sent;
    bool has_more;
    struct pn_err err; /* with is_last */
    char id[PN_REQUEST_ID_BYTES];
};

struct pn_feeds {
    struct pn_dispatch_parts parts;
    struct feed *all, *first, **last; /* the queue: first to last */
    size_t count, at_work;
    struct pn_task wake;   /* rows have changed */
    struct pn_timer retry; /* the lane was full */
    bool is_draining, is_stopped;
};

static void set_state(struct feed *f, enum feed_state state)
{
    pn_assert(may_become[f->state][state]);
    f->state = state;
}

/* ---- life ---- */

/* On the writer's thread. */
static void on_change(void *feeds_)
{
    struct pn_feeds *feeds = feeds_;

    pn_loop_post(feeds->parts.loop, &feeds->wake);
}

static void link_feed(struct pn_feeds *feeds, struct feed *f)
{
    f->next = feeds->all;
    f->at = &feeds->all;
    if (f->next != NULL)
        f->next->at = &f->next;
    feeds->all = f;
    atomic_fetch_add(&feeds->parts.metrics->subscriptions, 1);
    if (feeds->count++ == 0)
        pn_db_on_change(feeds->parts.db, on_change, feeds);
}

static void unlink_feed(struct feed *f)
{
    struct pn_feeds *feeds = f->feeds;

    *f->at = f->next;
    if (f->next != NULL)
        f->next->at = f->at;
    atomic_fetch_sub(&feeds->parts.metrics->subscriptions, 1);
    if (--feeds->count == 0)
        pn_db_on_change(feeds->parts.db, NULL, NULL);
}

static void leave_queue(struct feed *f)
{
    struct feed **at = &f->feeds->first;

    while (*at != f)
        at = &(*at)->behind;
    *at = f->behind;
    if (f->behind == NULL)
        f->feeds->last = at;
}

static void release(struct feed *f)
{
    if (f->is_at_work)
        return; /* back_on_loop is to come */
    unlink_feed(f);
    pn_buf_drop(&f->page);
    pn_subscription_free(f->subscription);
    pn_heap_free(f);
}

/* The one death. What was not finished the client sees as broken off. */
static void end(struct feed *f, const char *why)
{
    if (f->state == ENDED)
        return;
    pn_log(PN_INFO, "subscription-ended", PN_F_STR("reqId", pn_str_of(f->id, sizeof(f->id))),
           PN_F_TEXT("why", why));
    if (f->state == QUEUED)
        leave_queue(f);
    set_state(f, ENDED);
    pn_timer_stop(&f->timer);
    pn_stream_close(&f->exchange->body);
    f->exchange = NULL;
    release(f);
}

/* ---- looking ---- */

static void run_on_worker(struct pn_job *job, void *worker)
{
    struct feed *f = (struct feed *)(void *)job;
    const struct pn_dispatch_parts *parts = &f->feeds->parts;
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(LOOK_BUDGET);
    struct pn_call call = { .arena = arena,
                            .deadline_ms = pn_clock_mono_ms() + parts->settings->request_timeout,
                            .now_ms = pn_clock_wall_ms(),
                            .request_id = pn_str_of(f->id, sizeof(f->id)),
                            .db = parts->db,
                            .conn = pn_dispatch_worker_conn(worker),
                            .keyring = parts->keyring,
                            .cache = parts->cache,
                            .settings = parts->settings };

    f->has_more = false;
    if (f->is_pinged)
        pn_buf_add_text(&f->page, PING);
    f->is_last = !pn_subscription_look(f->subscription, &call, &f->page, &f->has_more, &f->err);
    pn_loop_post(parts->loop, &f->done);
}

static void look_at_next(struct pn_feeds *feeds)
{
    while (feeds->first != NULL && feeds->at_work < LOOKS_AT_ONCE && !feeds->is_stopped) {
        struct feed *f = feeds->first;

        if (!pn_lane_submit(feeds->parts.fast, &f->job)) {
            pn_timer_start(feeds->parts.loop, &feeds->retry, RETRY_MS);
            return;
        }
        leave_queue(f);
        set_state(f, LOOKING);
        f->is_at_work = true;
        feeds->at_work++;
    }
}

static void on_retry(struct pn_timer *timer)
{
    look_at_next(pn_container_of(timer, struct pn_feeds, retry));
}

static void look(struct feed *f)
{
    pn_timer_stop(&f->timer);
    set_state(f, QUEUED);
    f->behind = NULL;
    *f->feeds->last = f;
    f->feeds->last = &f->behind;
    look_at_next(f->feeds);
}

/* Until the next ping or the token's end. Rows that changed while something was said are looked at now. */
static void rest(struct feed *f)
{
    const int64_t left_ms = pn_subscription_ends_ms(f->subscription) - pn_clock_wall_ms();

    if (pn_subscription_is_stale(f->subscription, f->feeds->parts.db)) {
        look(f);
        return;
    }
    set_state(f, RESTING);
    pn_timer_start(f->feeds->parts.loop, &f->timer,
                   left_ms >= PN_FEED_PING_MS ? PN_FEED_PING_MS
                   : left_ms > 0              ? left_ms
                                              : 0);
}

/* ---- saying ---- */

/* The end of the answer, for the client a clean one. */
static void finish(struct feed *f)
{
    if (!pn_stream_finish(&f->exchange->body)) {
        pn_stream_want(&f->exchange->body, PN_WANT_WRITE);
        return;
    }
    end(f, f->is_last ? f->err.message : "the server stops");
}

/* What was said is said: is there more? */
static void go_on(struct feed *f)
{
    pn_buf_drop(&f->page);
    f->page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);
    f->sent = 0;
    f->is_pinged = false;
    if (f->has_more)
        look(f);
    else
        rest(f);
}

static void say(struct feed *f)
{
    struct pn_stream *stream = &f->exchange->body;

    while (f->sent < f->page.len) {
        ssize_t taken = pn_stream_write(stream, f->page.ptr + f->sent, f->page.len - f->sent);

        if (taken == PN_STREAM_FAILED) {
            end(f, "the client has left");
            return;
        }
        if (taken == PN_STREAM_AGAIN) {
            pn_stream_want(stream, PN_WANT_WRITE);
            return;
        }
        f->sent += (size_t)taken;
    }
    if (f->is_last || f->feeds->is_draining) {
        finish(f);
        return;
    }
    pn_stream_want(stream, 0);
    go_on(f);
}

static void start_saying(struct feed *f)
{
    set_state(f, SENDING);
    pn_timer_start(f->feeds->parts.loop, &f->timer, PN_FEED_STALL_MS);
    say(f);
}

static void add_refusal(struct pn_buf *page, const struct pn_err *err)
{
    const bool is_ours = err->code == PN_INTERNAL || err->code == PN_IO || err->code == PN_BUSY;
    struct pn_writer w;

    pn_buf_add_text(page, "event: error\ndata: ");
    w = pn_writer_of(page);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "message", is_ours ? "Something went wrong" : err->message);
    pn_write_end(&w);
    pn_buf_add_text(page, "\n\n");
}

/* The look was refused: the client is told why, and nothing else. */
static void refuse(struct feed *f)
{
    if (f->err.code == PN_INTERNAL || f->err.code == PN_IO)
        pn_log(PN_ERROR, "subscription-failed", PN_F_STR("reqId", pn_str_of(f->id, sizeof(f->id))),
               PN_F_ERR(&f->err));
    pn_buf_clear(&f->page);
    add_refusal(&f->page, &f->err);
}

static void back_on_loop(struct pn_task *task)
{
    struct feed *f = pn_container_of(task, struct feed, done);
    struct pn_feeds *feeds = f->feeds;

    f->is_at_work = false;
    feeds->at_work--;
    look_at_next(feeds);
    if (f->state == ENDED) {
        release(f);
        return;
    }
    if (f->is_last)
        refuse(f);
    if (f->page.len > 0 || feeds->is_draining)
        start_saying(f);
    else
        go_on(f);
}

/* ---- what happens to it ---- */

static void on_ready(void *feed, struct pn_stream *stream, unsigned events)
{
    struct feed *f = feed;

    (void)events;
    if (pn_stream_error(stream) != NULL)
        end(f, "the client has left");
    else if (f->state == SENDING)
        say(f);
    else
        pn_stream_want(stream, 0);
}

static void on_timer(struct pn_timer *timer)
{
    struct feed *f = pn_container_of(timer, struct feed, timer);

    if (f->state == SENDING) {
        end(f, "the client reads too slowly");
        return;
    }
    f->is_pinged = true;
    look(f);
}

static void on_wake(struct pn_task *task)
{
    struct pn_feeds *feeds = pn_container_of(task, struct pn_feeds, wake);

    for (struct feed *f = feeds->all; f != NULL && !feeds->is_stopped; f = f->next) {
        if (f->state == RESTING && pn_subscription_is_stale(f->subscription, feeds->parts.db))
            look(f);
    }
}

/* ---- all of them ---- */

struct pn_feeds *pn_feeds_new(const struct pn_dispatch_parts *parts)
{
    struct pn_feeds *feeds = pn_heap_new(sizeof(*feeds));

    feeds->parts = *parts;
    feeds->last = &feeds->first;
    feeds->wake.run = on_wake;
    feeds->retry.run = on_retry;
    return feeds;
}

bool pn_feeds_admit(const struct pn_feeds *feeds, const struct pn_subscription *subscription,
                    struct pn_err *err)
{
    size_t of_actor = 0, of_project = 0;

    if (feeds->count >= PN_FEEDS_MAX)
        return pn_fail(err, PN_BUSY, "The server has as many subscriptions as it takes");
    for (const struct feed *f = feeds->all; f != NULL; f = f->next) {
        bool has_same_actor;

        if (!pn_subscription_is_of(f->subscription, subscription, &has_same_actor))
            continue;
        of_project++;
        of_actor += has_same_actor;
    }
    if (of_actor >= PN_FEEDS_PER_ACTOR)
        return pn_fail(err, PN_RATE_LIMITED,
                       "You have %d live subscriptions to this project already",
                       PN_FEEDS_PER_ACTOR);
    return of_project < PN_FEEDS_PER_PROJECT ||
           pn_fail(err, PN_RATE_LIMITED, "This project has %d live subscriptions already",
                   PN_FEEDS_PER_PROJECT);
}

void pn_feeds_add(struct pn_feeds *feeds, struct pn_subscription *subscription,
                  struct pn_exchange *exchange, struct pn_str request_id)
{
    struct feed *f = pn_heap_new(sizeof(*f));

    pn_assert(request_id.len == sizeof(f->id));
    f->feeds = feeds;
    f->subscription = subscription;
    f->exchange = exchange;
    f->job.run = run_on_worker;
    f->done.run = back_on_loop;
    f->timer.run = on_timer;
    f->page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);
    memcpy(f->id, request_id.ptr, sizeof(f->id));
    f->state = SENDING; /* the head */
    link_feed(feeds, f);
    pn_stream_set_owner(&exchange->body, on_ready, f);
    pn_stream_want(&exchange->body, 0);
    if (pn_stream_error(&exchange->body) != NULL)
        end(f, "the client has left");
    else
        say(f);
}

void pn_feeds_drain(struct pn_feeds *feeds)
{
    struct feed *next;

    feeds->is_draining = true;
    for (struct feed *f = feeds->all; f != NULL; f = next) {
        next = f->next;
        if (f->state == QUEUED)
            leave_queue(f);
        if (f->state == QUEUED || f->state == RESTING)
            start_saying(f);
    }
}

void pn_feeds_stop(struct pn_feeds *feeds)
{
    struct feed *next;

    if (feeds == NULL)
        return;
    feeds->is_stopped = true;
    pn_timer_stop(&feeds->retry);
    for (struct feed *f = feeds->all; f != NULL; f = next) {
        next = f->next;
        end(f, "the server stops");
    }
    pn_db_on_change(feeds->parts.db, NULL, NULL);
}

size_t pn_feeds_count(const struct pn_feeds *feeds)
{
    return feeds->count;
}

void pn_feeds_free(struct pn_feeds *feeds)
{
    if (feeds == NULL)
        return;
    while (feeds->all != NULL) {
        feeds->all->is_at_work = false;
        release(feeds->all);
    }
    pn_heap_free(feeds);
}
