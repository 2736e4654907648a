/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/audit/prune.h"
#include "core/auth/login.h"
#include "core/job/job.h"
#include "core/lease/lease.h"
#include "core/lease/sweep.h"
#include "core/pam/session.h"
#include "json/settings.h"
#include "loop/lane.h"
#include "server/jobs/places.h"
#include "server/metrics.h"

#define TICK_MS 500
#define STATS_MS 5000
#define JOB_BUDGET ((size_t)4 << 20)
#define MAX_CLAIMS 256
#define MAX_PLACES 2048 /* in one list: each organisation's longest waiting first */
#define WHERE_BUDGET ((size_t)4 << 20)

/* ---- the table ---- */

/* What is done when a row is due: */
static const struct kind {
    /* ends what the row is about, and has it say when it is tried again, or dropped; */
    bool (*run)(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                struct pn_err *err);
    /* or what recurs, finds its work itself, and does no harm twice. */
    bool (*recur)(struct pn_call *call, struct pn_err *err);
    int64_t every_ms;
} kinds[PN_JOB_KIND_COUNT] = {
    [PN_JOB_LEASE] = { .run = pn_lease_run_job },
    [PN_JOB_SWEEP] = { .run = pn_sweep_run_job },
    [PN_JOB_SESSION] = { .run = pn_pam_session_run_job },
    [PN_JOB_LOGINS] = { .recur = pn_login_sweep, .every_ms = 60000 },
    [PN_JOB_CLOCK] = { .recur = pn_job_keep_clock, .every_ms = 60000 },
    [PN_JOB_AUDIT] = { .recur = pn_audit_prune, .every_ms = 600000 },
};

/* ---- one process's engine ---- */

/* Where something was due at the last look around. */
struct where_due {
    struct pn_job_where where;
    bool is_served;
};

/*
 * Threads, and where they have something to do. What needs rows alone has threads of its own: sessions end on time
 * whatever clusters do, and beside what recurs, of which each kind holds one thread at most.
 */
enum { OWN, FAR, CREWS };
#define OWN_THREADS 8
struct crew {
    struct pn_lane *lane;
    size_t threads, in_flight; /* in_flight: under the lock */
    struct where_due *wheres;  /* in where_arena */
    size_t where_count, where_at;
};

struct pn_jobs {
    struct pn_jobs_config config;
    struct pn_db_conn *conn; /* of the looking thread, like what follows */
    struct pn_arena *arena, *where_arena;
    int64_t found_ms, stats_ms; /* monotonic */
    struct crew crews[CREWS];
    struct pn_job_places *places;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, is_woken;
};

struct worker {
    struct pn_db_conn *conn;
    struct pn_arena *arena;
};

/* A claimed row on its way to a worker. */
struct task {
    struct pn_job job; /* first */
    struct pn_jobs *jobs;
    struct crew *crew;
    enum pn_job_kind kind;
    struct pn_uuid id;
    int64_t claim;
    struct pn_job_place *place;
};

static struct pn_call call_of(const struct pn_jobs *jobs, struct pn_db_conn *conn,
                              struct pn_arena *arena, enum pn_job_kind kind)
{
    const struct pn_jobs_config *c = &jobs->config;

    return (struct pn_call){ .arena = arena,
                             .deadline_ms = pn_clock_mono_ms() + c->settings->request_timeout,
                             .now_ms = pn_clock_wall_ms(),
                             .actor = { .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") },
                             .request_id = pn_str_from(pn_job_kind_name(kind)),
                             .db = c->db,
                             .conn = conn,
                             .keyring = c->keyring,
                             .settings = c->settings,
                             .reach = c->reach };
}

/* ---- workers ---- */

static void *worker_new(void *unused)
{
    struct worker *w = pn_heap_new(sizeof(*w));

    (void)unused;
    w->arena = pn_arena_new(JOB_BUDGET);
    return w;
}

/* With its first job: threads that have nothing to do cost next to nothing. */
static bool is_connected(struct worker *w, struct pn_db *db)
{
    struct pn_err err = { 0 };

    if (w->conn == NULL && !pn_db_connect(db, &w->conn, &err))
        pn_log(PN_ERROR, "job-without-database", PN_F_ERR(&err));
    return w->conn != NULL;
}

static void worker_free(void *worker)
{
    struct worker *w = worker;

    if (w == NULL)
        return;
    if (w->conn != NULL)
        pn_db_disconnect(w->conn);
    pn_arena_free(w->arena);
    pn_heap_free(w);
}

static void finish(struct task *task, bool has_answered)
{
    struct pn_jobs *jobs = task->jobs;

    pthread_mutex_lock(&jobs->lock);
    pn_job_place_left(task->place, has_answered);
    task->crew->in_flight--;
    if (pn_job_place_is_half_empty(task->place, task->crew->threads)) {
        jobs->is_woken = true;
        pthread_cond_signal(&jobs->wake);
    }
    pthread_mutex_unlock(&jobs->lock);
    pn_heap_free(task);
}

static bool is_stopping(struct pn_jobs *jobs)
{
    bool stopping;

    pthread_mutex_lock(&jobs->lock);
    stopping = jobs->is_stopping;
    pthread_mutex_unlock(&jobs->lock);
    return stopping;
}

struct outcome {
    const struct task *task;
    const struct pn_err *failure; /* NULL: it went well */
    int64_t due_ms;
};

static bool write_outcome(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct outcome *o = context;
    const struct task *t = o->task;

    return o->failure == NULL
               ? pn_job_again(tx, t->kind, t->id, t->claim, o->due_ms, err)
               : pn_job_fail(tx, t->kind, t->id, t->claim, o->due_ms,
                             pn_str_from(o->failure->message), pn_clock_lease_ms(), err);
}

/* Who cannot write it down either is tried again when the claim ends. */
static void settle(const struct task *task, const struct pn_err *failure)
{
    const int64_t every_ms = kinds[task->kind].every_ms;
    struct outcome outcome = { .task = task,
                               .failure = failure,
                               .due_ms = pn_clock_lease_ms() +
                                         (every_ms > 0 ? every_ms : PN_JOB_CLAIM_MS) };
    struct pn_err err = { 0 };

    if (!pn_db_write(task->jobs->config.db, write_outcome, &outcome, &err))
        pn_log(PN_WARN, "job-not-settled", PN_F_TEXT("job", pn_job_kind_name(task->kind)),
               PN_F_ERR(&err));
}

static void run_kind(const struct task *task, struct worker *w, bool *has_answered)
{
    struct pn_call call = call_of(task->jobs, w->conn, w->arena, task->kind);
    struct pn_metrics *metrics = task->jobs->config.metrics;
    const struct kind *kind = &kinds[task->kind];
    struct pn_err err = { 0 };
    bool done;

    atomic_fetch_add(&metrics->job_runs, 1);
    done = kind->run != NULL ? kind->run(&call, task->id, task->claim, has_answered, &err)
                             : kind->recur(&call, &err);
    if (!done) {
        atomic_fetch_add(&metrics->job_failures, 1);
        pn_log(PN_WARN, "job-failed", PN_F_TEXT("job", pn_job_kind_name(task->kind)),
               PN_F_TEXT("id", pn_uuid_format(task->id).text), PN_F_ERR(&err));
    }
    if (!done || kind->run == NULL)
        settle(task, done ? NULL : &err);
}

/* A stop does not wait for what was only queued: its claim is released by the next start. */
static void run_task(struct pn_job *job, void *worker)
{
    struct task *task = (struct task *)(void *)job;
    struct worker *w = worker;
    bool has_answered = true;

    if (!is_stopping(task->jobs) && is_connected(w, task->jobs->config.db)) {
        run_kind(task, w, &has_answered);
        pn_arena_reset(w->arena);
    }
    finish(task, has_answered);
}

/* ---- looking for what is due ---- */

struct claims {
    struct {
        struct pn_job_row row;
        struct pn_job_place *place;
        int64_t claim;
    } items[MAX_CLAIMS];
    size_t count;
    int64_t now_ms;
};

static bool write_claims(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct claims *c = context;

    for (size_t i = 0; i < c->count; i++)
        if (!pn_job_claim(tx, c->items[i].row.kind, c->items[i].row.id, c->now_ms,
                          &c->items[i].claim, err))
            return false;
    return true;
}

/* How many more may be claimed: of all, and of a place. Under the lock. */
static size_t room_at(const struct crew *crew, const struct pn_job_place *place)
{
    const size_t most = crew->threads * PN_JOBS_PER_THREAD,
                 all = crew->in_flight < most ? most - crew->in_flight : 0,
                 may = place != NULL ? pn_job_place_room(place, crew->threads) : all;

    return all < may ? all : may;
}

static size_t room_of(struct pn_jobs *jobs, const struct crew *crew, const struct claims *claims)
{
    size_t room;

    pthread_mutex_lock(&jobs->lock);
    room = room_at(crew, NULL);
    pthread_mutex_unlock(&jobs->lock);
    return claims->count + room < MAX_CLAIMS ? room : MAX_CLAIMS - claims->count;
}

/* It counts from here on: the next place of the same organisation has that much less room. */
static void add_claim(struct pn_jobs *jobs, struct crew *crew, struct claims *claims,
                      const struct pn_job_row *row, struct pn_job_place *place)
{
    claims->items[claims->count].row = *row;
    claims->items[claims->count++].place = place;
    pthread_mutex_lock(&jobs->lock);
    pn_job_place_entered(place);
    crew->in_flight++;
    pthread_mutex_unlock(&jobs->lock);
}

static void drop_claim(struct pn_jobs *jobs, struct crew *crew, struct pn_job_place *place)
{
    pthread_mutex_lock(&jobs->lock);
    pn_job_place_unentered(place);
    crew->in_flight--;
    pthread_mutex_unlock(&jobs->lock);
}

/* As many of a place as it may have at once. */
static bool look_at(struct pn_jobs *jobs, struct crew *crew, struct where_due *at,
                    struct claims *claims, struct pn_err *err)
{
    const size_t room = room_of(jobs, crew, claims);
    const struct pn_job_row *rows;
    struct pn_job_place *place;
    struct pn_list due;
    size_t may;

    pthread_mutex_lock(&jobs->lock);
    place = pn_job_places_find(jobs->places, &at->where);
    may = room_at(crew, place);
    pthread_mutex_unlock(&jobs->lock);
    may = may < room ? may : room;
    if (may == 0)
        return true;
    if (!pn_job_due(jobs->conn, jobs->arena, &at->where, claims->now_ms, (int64_t)may, &due, err))
        return false;
    at->is_served = due.count < may; /* not before the next list */
    rows = due.items;
    for (size_t i = 0; i < due.count; i++)
        add_claim(jobs, crew, claims, &rows[i], place);
    return true;
}

static void add_where(struct pn_jobs *jobs, const struct pn_job_where *where)
{
    struct crew *crew = &jobs->crews[where->place.len == 0 ? OWN : FAR];

    crew->wheres[crew->where_count++].where = *where;
}

/* Where something is due, found anew every tick: a worker that is done looks at what was found. */
static bool find_due(struct pn_jobs *jobs, int64_t now_ms, struct pn_err *err)
{
    const struct pn_job_where *wheres;
    struct pn_list list;

    if (pn_clock_mono_ms() < jobs->found_ms + TICK_MS)
        return true;
    jobs->found_ms = pn_clock_mono_ms();
    for (size_t i = 0; i < CREWS; i++)
        jobs->crews[i].where_count = jobs->crews[i].where_at = 0;
    pn_arena_reset(jobs->where_arena);
    if (!pn_job_due_where(jobs->conn, jobs->where_arena, now_ms, MAX_PLACES, &list, err))
        return false;
    wheres = list.items;
    for (size_t i = 0; i < CREWS; i++)
        jobs->crews[i].wheres = pn_new(jobs->where_arena, struct where_due, list.count);
    for (size_t i = 0; i < list.count; i++)
        add_where(jobs, &wheres[i]);
    return true;
}

/* Each place in turn, from behind the one that was served last, once round. */
static bool look(struct pn_jobs *jobs, struct crew *crew, struct claims *claims, struct pn_err *err)
{
    for (size_t i = 0; i < crew->where_count && room_of(jobs, crew, claims) > 0; i++) {
        struct where_due *at = &crew->wheres[crew->where_at];

        crew->where_at = (crew->where_at + 1) % crew->where_count;
        if (!at->is_served && !look_at(jobs, crew, at, claims, err))
            return false;
    }
    return true;
}

static void start_task(struct pn_jobs *jobs, struct crew *crew, const struct pn_job_row *row,
                       struct pn_job_place *place, int64_t claim)
{
    struct task *task = pn_heap_new(sizeof(*task));

    *task = (struct task){ .job = { .run = run_task },
                           .jobs = jobs,
                           .crew = crew,
                           .kind = row->kind,
                           .id = row->id,
                           .claim = claim,
                           .place = place };
    if (pn_lane_submit(crew->lane, &task->job))
        return;
    drop_claim(jobs, crew, place); /* claimed in vain: its claim ends by itself */
    pn_heap_free(task);
}

static bool claim_due(struct pn_jobs *jobs, struct crew *crew, struct claims *claims,
                      struct pn_err *err)
{
    return find_due(jobs, claims->now_ms, err) && look(jobs, crew, claims, err) &&
           (claims->count == 0 || pn_db_write(jobs->config.db, write_claims, claims, err));
}

static void run_due(struct pn_jobs *jobs, struct crew *crew)
{
    struct claims *claims = pn_new(jobs->arena, struct claims, 1);
    struct pn_err err = { 0 };
    bool is_written;

    claims->now_ms = pn_clock_lease_ms();
    is_written = claim_due(jobs, crew, claims, &err);
    if (!is_written)
        pn_log(PN_WARN, "jobs-not-claimed", PN_F_ERR(&err));
    for (size_t i = 0; i < claims->count; i++) {
        if (is_written && claims->items[i].claim > 0)
            start_task(jobs, crew, &claims->items[i].row, claims->items[i].place,
                       claims->items[i].claim);
        else
            drop_claim(jobs, crew, claims->items[i].place);
    }
}

/* ---- the looking thread ---- */

static void keep_stats(struct pn_jobs *jobs)
{
    struct pn_metrics *metrics = jobs->config.metrics;
    struct pn_err ignored = { 0 };
    struct pn_job_stats stats;

    if (pn_clock_mono_ms() < jobs->stats_ms)
        return;
    jobs->stats_ms = pn_clock_mono_ms() + STATS_MS;
    if (!pn_job_stats(jobs->conn, pn_clock_lease_ms(), &stats, &ignored))
        return;
    atomic_store(&metrics->jobs_waiting, stats.waiting);
    atomic_store(&metrics->jobs_failing, stats.failing);
    atomic_store(&metrics->job_lag_ms, stats.lag_ms);
}

/* Sleeps a tick, or until a worker is free; false when it is time to end. */
static bool wait_tick(struct pn_jobs *jobs)
{
    struct timespec until;
    bool goes_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->is_stopping && !jobs->is_woken &&
           pthread_cond_timedwait(&jobs->wake, &jobs->lock, &until) != ETIMEDOUT)
        continue;
    jobs->is_woken = false;
    goes_on = !jobs->is_stopping;
    pthread_mutex_unlock(&jobs->lock);
    return goes_on;
}

static void tidy(struct pn_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    pn_job_places_tidy(jobs->places);
    pthread_mutex_unlock(&jobs->lock);
}

static void *work(void *jobs_)
{
    struct pn_jobs *jobs = jobs_;

    pthread_setname_np(pthread_self(), "jobs");
    do {
        tidy(jobs);
        for (size_t i = 0; i < CREWS; i++) {
            run_due(jobs, &jobs->crews[i]);
            pn_arena_reset(jobs->arena);
        }
        keep_stats(jobs);
    } while (wait_tick(jobs));
    return NULL;
}

/* ---- life ---- */

static void jobs_free(struct pn_jobs *jobs)
{
    for (size_t i = 0; i < CREWS; i++)
        pn_lane_free(jobs->crews[i].lane);
    if (jobs->conn != NULL)
        pn_db_disconnect(jobs->conn);
    pn_job_places_free(jobs->places);
    pn_arena_free(jobs->arena);
    pn_arena_free(jobs->where_arena);
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    pn_heap_free(jobs);
}

static struct pn_jobs *jobs_new(const struct pn_jobs_config *config)
{
    struct pn_jobs *jobs = pn_heap_new(sizeof(*jobs));
    pthread_condattr_t attributes;

    jobs->config = *config;
    jobs->arena = pn_arena_new(JOB_BUDGET);
    jobs->where_arena = pn_arena_new(WHERE_BUDGET);
    jobs->found_ms = -TICK_MS;
    jobs->places = pn_job_places_new();
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return jobs;
}

static bool write_start(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    if (!pn_job_release_all(tx, err))
        return false;
    for (size_t i = 0; i < PN_JOB_KIND_COUNT; i++)
        if (kinds[i].recur != NULL &&
            !pn_job_recur(tx, (enum pn_job_kind)i, pn_clock_lease_ms(), err))
            return false;
    return true;
}

static bool hire(struct crew *crew, const char *name, size_t threads, struct pn_err *err)
{
    const struct pn_lane_config lane = { .name = name,
                                         .threads = (unsigned)threads,
                                         .queue_max = MAX_CLAIMS + threads * 4,
                                         .worker_new = worker_new,
                                         .worker_free = worker_free };

    crew->threads = threads;
    return pn_lane_new(&lane, &crew->lane, err);
}

static bool start(struct pn_jobs *jobs, struct pn_err *err)
{
    const struct pn_jobs_config *c = &jobs->config;
    const int64_t threads = c->settings->job_threads;
    int code;

    if (!pn_db_connect(c->db, &jobs->conn, err) || !pn_job_load_clock(jobs->conn, err) ||
        !pn_db_write(c->db, write_start, NULL, err) ||
        !hire(&jobs->crews[OWN], "job-own", OWN_THREADS, err) ||
        !hire(&jobs->crews[FAR], "job", threads > 0 ? (size_t)threads : 1, err))
        return false;
    code = pthread_create(&jobs->thread, NULL, work, jobs);
    return code == 0 || pn_fail_cause(err, PN_INTERNAL, code, "no thread for jobs");
}

bool pn_jobs_start(const struct pn_jobs_config *config, struct pn_jobs **out, struct pn_err *err)
{
    struct pn_jobs *jobs = jobs_new(config);

    if (!start(jobs, err)) {
        jobs_free(jobs);
        return false;
    }
    *out = jobs;
    return true;
}

void pn_jobs_stop(struct pn_jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->is_stopping = true;
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    pthread_join(jobs->thread, NULL);
    jobs_free(jobs);
}
