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

/* ---- the two tables ---- */

static bool expire_sessions(struct pn_call *call, struct pn_err *err)
{
    return pn_pam_session_expire_due(call->db, call->conn, call->now_ms, NULL, err);
}

static const struct chore {
    const char *name;
    int64_t every_ms;
    bool (*run)(struct pn_call *call, struct pn_err *err);
} chores[] = {
    { "expire-sessions", 1000, expire_sessions },
    { "sweep-logins", 60000, pn_login_sweep },
    { "keep-clock", 60000, pn_job_keep_clock },
    { "prune-audit-log", 600000, pn_audit_prune },
};

/* Ends what its row is about, or has the row say when it is tried again. */
static const struct kind {
    const char *name;
    bool (*run)(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                struct pn_err *err);
} kinds[] = {
    { PN_JOB_LEASE, pn_lease_run_job },
    { PN_JOB_SWEEP, pn_sweep_run_job },
};

/* ---- one process's engine ---- */

/* Where something was due at the last look around. */
struct where_due {
    struct pn_job_where where;
    bool is_served;
};

struct pn_jobs {
    struct pn_jobs_config config;
    struct pn_db_conn *conn; /* of the looking thread, like what follows */
    struct pn_arena *arena, *where_arena;
    struct where_due *wheres; /* in where_arena */
    size_t where_count, where_at;
    int64_t found_ms; /* monotonic */
    struct pn_lane *lane;
    struct pn_job_places *places;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, is_woken;
    size_t in_flight;                           /* under `lock` */
    int64_t due_ms[PN_COUNT(chores)], stats_ms; /* monotonic */
    bool is_failing[PN_COUNT(chores)];
};

struct worker {
    struct pn_db_conn *conn;
    struct pn_arena *arena;
};

/* A claimed row on its way to a worker. */
struct task {
    struct pn_job job; /* first */
    struct pn_jobs *jobs;
    const struct kind *kind;
    struct pn_uuid id;
    int64_t claim;
    struct pn_job_place *place;
};

static struct pn_call call_of(const struct pn_jobs *jobs, struct pn_db_conn *conn,
                              struct pn_arena *arena, const char *name)
{
    const struct pn_jobs_config *c = &jobs->config;

    return (struct pn_call){ .arena = arena,
                             .deadline_ms = pn_clock_mono_ms() + c->settings->request_timeout,
                             .now_ms = pn_clock_wall_ms(),
                             .actor = { .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") },
                             .request_id = pn_str_from(name),
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

static size_t threads_of(const struct pn_jobs *jobs)
{
    const int64_t threads = jobs->config.settings->job_threads;

    return threads > 0 ? (size_t)threads : 1;
}

static void finish(struct task *task, bool has_answered)
{
    struct pn_jobs *jobs = task->jobs;

    pthread_mutex_lock(&jobs->lock);
    pn_job_place_left(task->place, has_answered);
    jobs->in_flight--;
    if (pn_job_place_is_half_empty(task->place, threads_of(jobs))) {
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

/* A stop does not wait for what was only queued: its claim is released by the next start. */
static void run_task(struct pn_job *job, void *worker)
{
    struct task *task = (struct task *)(void *)job;
    struct worker *w = worker;
    struct pn_metrics *metrics = task->jobs->config.metrics;
    struct pn_err err = { 0 };
    bool has_answered = true;

    if (!is_stopping(task->jobs) && is_connected(w, task->jobs->config.db)) {
        struct pn_call call = call_of(task->jobs, w->conn, w->arena, task->kind->name);

        atomic_fetch_add(&metrics->job_runs, 1);
        if (!task->kind->run(&call, task->id, task->claim, &has_answered, &err)) {
            atomic_fetch_add(&metrics->job_failures, 1);
            pn_log(PN_WARN, "job-failed", PN_F_TEXT("job", task->kind->name),
                   PN_F_TEXT("id", pn_uuid_format(task->id).text), PN_F_ERR(&err));
        }
        pn_arena_reset(w->arena);
    }
    finish(task, has_answered);
}

/* ---- looking for what is due ---- */

static const struct kind *kind_of(struct pn_str name)
{
    for (size_t i = 0; i < PN_COUNT(kinds); i++)
        if (pn_str_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

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
static size_t room_at(const struct pn_jobs *jobs, const struct pn_job_place *place)
{
    const size_t most = threads_of(jobs) * PN_JOBS_PER_THREAD,
                 all = jobs->in_flight < most ? most - jobs->in_flight : 0,
                 may = place != NULL ? pn_job_place_room(place, threads_of(jobs)) : all;

    return all < may ? all : may;
}

static size_t room_of(struct pn_jobs *jobs, const struct claims *claims)
{
    size_t room;

    pthread_mutex_lock(&jobs->lock);
    room = room_at(jobs, NULL);
    pthread_mutex_unlock(&jobs->lock);
    return claims->count + room < MAX_CLAIMS ? room : MAX_CLAIMS - claims->count;
}

/* It counts from here on: the next place of the same organisation has that much less room. */
static void add_claim(struct pn_jobs *jobs, struct claims *claims, const struct pn_job_row *row,
                      struct pn_job_place *place)
{
    claims->items[claims->count].row = *row;
    claims->items[claims->count++].place = place;
    pthread_mutex_lock(&jobs->lock);
    pn_job_place_entered(place);
    jobs->in_flight++;
    pthread_mutex_unlock(&jobs->lock);
}

static void drop_claim(struct pn_jobs *jobs, struct pn_job_place *place)
{
    pthread_mutex_lock(&jobs->lock);
    pn_job_place_unentered(place);
    jobs->in_flight--;
    pthread_mutex_unlock(&jobs->lock);
}

/* As many of a place as it may have at once. */
static bool look_at(struct pn_jobs *jobs, struct where_due *at, struct claims *claims,
                    struct pn_err *err)
{
    const size_t room = room_of(jobs, claims);
    const struct pn_job_row *rows;
    struct pn_job_place *place;
    struct pn_list due;
    size_t may;

    pthread_mutex_lock(&jobs->lock);
    place = pn_job_places_find(jobs->places, &at->where);
    may = room_at(jobs, place);
    pthread_mutex_unlock(&jobs->lock);
    may = may < room ? may : room;
    if (may == 0)
        return true;
    if (!pn_job_due(jobs->conn, jobs->arena, &at->where, claims->now_ms, (int64_t)may, &due, err))
        return false;
    at->is_served = due.count < may; /* not before the next list */
    rows = due.items;
    for (size_t i = 0; i < due.count; i++)
        if (kind_of(rows[i].kind) != NULL) /* otherwise of a newer program */
            add_claim(jobs, claims, &rows[i], place);
    return true;
}

/* Where something is due, found anew every tick: a worker that is done looks at what was found. */
static bool find_due(struct pn_jobs *jobs, int64_t now_ms, struct pn_err *err)
{
    const struct pn_job_where *wheres;
    struct pn_list list;

    if (pn_clock_mono_ms() < jobs->found_ms + TICK_MS)
        return true;
    jobs->found_ms = pn_clock_mono_ms();
    jobs->where_count = jobs->where_at = 0;
    pn_arena_reset(jobs->where_arena);
    if (!pn_job_due_where(jobs->conn, jobs->where_arena, now_ms, MAX_PLACES, &list, err))
        return false;
    wheres = list.items;
    jobs->wheres = pn_new(jobs->where_arena, struct where_due, list.count);
    for (size_t i = 0; i < list.count; i++)
        jobs->wheres[i].where = wheres[i];
    jobs->where_count = list.count;
    return true;
}

/* Each place in turn, from behind the one that was served last, once round. */
static bool look(struct pn_jobs *jobs, struct claims *claims, struct pn_err *err)
{
    if (!find_due(jobs, claims->now_ms, err))
        return false;
    for (size_t i = 0; i < jobs->where_count && room_of(jobs, claims) > 0; i++) {
        struct where_due *at = &jobs->wheres[jobs->where_at];

        jobs->where_at = (jobs->where_at + 1) % jobs->where_count;
        if (!at->is_served && !look_at(jobs, at, claims, err))
            return false;
    }
    return true;
}

static void start_task(struct pn_jobs *jobs, const struct pn_job_row *row,
                       struct pn_job_place *place, int64_t claim)
{
    struct task *task = pn_heap_new(sizeof(*task));

    *task = (struct task){ .job = { .run = run_task },
                           .jobs = jobs,
                           .kind = kind_of(row->kind),
                           .id = row->id,
                           .claim = claim,
                           .place = place };
    if (pn_lane_submit(jobs->lane, &task->job))
        return;
    drop_claim(jobs, place); /* claimed in vain: its claim ends by itself */
    pn_heap_free(task);
}

static bool claim_due(struct pn_jobs *jobs, struct claims *claims, struct pn_err *err)
{
    return look(jobs, claims, err) &&
           (claims->count == 0 || pn_db_write(jobs->config.db, write_claims, claims, err));
}

static void run_due(struct pn_jobs *jobs)
{
    struct claims *claims = pn_new(jobs->arena, struct claims, 1);
    struct pn_err err = { 0 };
    bool is_written;

    pthread_mutex_lock(&jobs->lock);
    pn_job_places_tidy(jobs->places);
    pthread_mutex_unlock(&jobs->lock);
    claims->now_ms = pn_clock_lease_ms();
    is_written = claim_due(jobs, claims, &err);
    if (!is_written)
        pn_log(PN_WARN, "jobs-not-claimed", PN_F_ERR(&err));
    for (size_t i = 0; i < claims->count; i++) {
        if (is_written && claims->items[i].claim > 0)
            start_task(jobs, &claims->items[i].row, claims->items[i].place, claims->items[i].claim);
        else
            drop_claim(jobs, claims->items[i].place);
    }
}

/* ---- chores ---- */

struct outcome {
    const char *name;
    struct pn_err *failure; /* NULL: it went well again */
    int64_t due_ms;
};

static bool write_outcome(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct outcome *o = context;

    return o->failure != NULL
               ? pn_job_note_chore(tx, o->name, o->due_ms, pn_str_from(o->failure->message),
                                   pn_clock_lease_ms(), err)
               : pn_job_forget_chore(tx, o->name, err);
}

/* A chore has a row while it fails, for who looks. */
static void note_outcome(struct pn_jobs *jobs, size_t i, struct pn_err *failure)
{
    struct outcome outcome = { .name = chores[i].name,
                               .failure = failure->code != PN_OK ? failure : NULL,
                               .due_ms = pn_clock_lease_ms() + chores[i].every_ms };
    struct pn_err ignored = { 0 };

    if (outcome.failure == NULL && !jobs->is_failing[i])
        return;
    jobs->is_failing[i] = outcome.failure != NULL;
    (void)!pn_db_write(jobs->config.db, write_outcome, &outcome, &ignored);
}

static void run_chore(struct pn_jobs *jobs, size_t i)
{
    struct pn_call call = call_of(jobs, jobs->conn, jobs->arena, chores[i].name);
    struct pn_err err = { 0 };

    if (!chores[i].run(&call, &err)) {
        atomic_fetch_add(&jobs->config.metrics->job_failures, 1);
        pn_log(PN_WARN, "job-failed", PN_F_TEXT("job", chores[i].name), PN_F_ERR(&err));
    }
    note_outcome(jobs, i, &err);
}

static void run_chores(struct pn_jobs *jobs)
{
    for (size_t i = 0; i < PN_COUNT(chores); i++) {
        if (pn_clock_mono_ms() < jobs->due_ms[i])
            continue;
        jobs->due_ms[i] = pn_clock_mono_ms() + chores[i].every_ms;
        run_chore(jobs, i);
        pn_arena_reset(jobs->arena);
    }
}

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

/* ---- the looking thread ---- */

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

static void *work(void *jobs_)
{
    struct pn_jobs *jobs = jobs_;

    pthread_setname_np(pthread_self(), "jobs");
    do {
        run_due(jobs);
        pn_arena_reset(jobs->arena);
        run_chores(jobs);
        keep_stats(jobs);
    } while (wait_tick(jobs));
    return NULL;
}

/* ---- life ---- */

static void jobs_free(struct pn_jobs *jobs)
{
    pn_lane_free(jobs->lane);
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

static bool write_release(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_job_release_all(tx, err);
}

static bool start(struct pn_jobs *jobs, struct pn_err *err)
{
    const struct pn_jobs_config *c = &jobs->config;
    const struct pn_lane_config lane = { .name = "job",
                                         .threads = (unsigned)threads_of(jobs),
                                         .queue_max = MAX_CLAIMS + threads_of(jobs) * 4,
                                         .worker_new = worker_new,
                                         .worker_free = worker_free };
    int code;

    if (!pn_db_connect(c->db, &jobs->conn, err) || !pn_job_load_clock(jobs->conn, err) ||
        !pn_db_write(c->db, write_release, NULL, err) || !pn_lane_new(&lane, &jobs->lane, err))
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
