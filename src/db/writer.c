/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

/*
 * One thread writes. It takes everything that is queued as one batch: BEGIN, each write in a
 * savepoint, COMMIT with its sync, and only then the answers. While one batch syncs, the next one
 * gathers, so batches grow with the load. Nobody who waits is made to wait longer for that; only
 * writes that nobody waits for are left to gather a moment, so that each is not a commit of its own.
 */
#define BATCH_MAX 2000
#define GATHER_MS 5
#define GATHER_MAX 256
#define QUEUE_MAX_DEFAULT 4096
#define WAL_PAGES_WISH 1024  /* 4 MiB: ask for a checkpoint */
#define WAL_PAGES_MUST 16384 /* 64 MiB: readers and load kept it from finishing; help it */

struct job {
    struct job *next;
    pn_write_fn *write;         /* or: */
    pn_write_all_fn *write_all; /* with others that have the same */
    void *context;
    void (*done)(void *context, const struct pn_err *err);
    struct pn_err err;
    sem_t answered; /* of a waiting caller */
    bool is_later;  /* nobody waits; on the heap */
};

struct pn_writer {
    struct pn_db *db;
    struct pn_db_conn *conn;
    struct pn_checkpoint *checkpoint;
    size_t queue_max;
    bool runs_twice;
    pthread_t thread;
    int wal_pages, wal_wished;    /* after the last commit; when last wished for */
    struct job *batch[BATCH_MAX]; /* the writer thread's, as what follows */
    struct job *rest[BATCH_MAX], *together[BATCH_MAX];
    void *contexts[BATCH_MAX];
    struct pn_touched touched;

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t changed;
    struct job *first, **last;
    size_t awaited; /* of those queued */
    bool is_stopping;
    struct pn_db_stats stats;
};

static bool exec(struct pn_writer *writer, const char *sql, struct pn_err *err)
{
    return pn_query_run(pn_query(writer->conn, sql), NULL, err);
}

static bool is_in_transaction(struct pn_writer *writer)
{
    return !sqlite3_get_autocommit(writer->conn->handle);
}

static void roll_back(struct pn_writer *writer)
{
    struct pn_err ignored = { 0 }; /* after a fault SQLite has rolled back by itself */

    if (is_in_transaction(writer))
        (void)exec(writer, "ROLLBACK", &ignored);
}

/* One write, or several together: `jobs` are one, or have the same write_all */

static bool call_write(struct pn_writer *writer, struct job *const *jobs, size_t count,
                       struct pn_err *err)
{
    if (jobs[0]->write != NULL)
        return jobs[0]->write(writer->conn, jobs[0]->context, err);
    for (size_t i = 0; i < count; i++)
        writer->contexts[i] = jobs[i]->context;
    return jobs[0]->write_all(writer->conn, writer->contexts, count, err);
}

static bool attempt(struct pn_writer *writer, struct job *const *jobs, size_t count,
                    struct pn_err *err)
{
    bool done;

    pn_touched_begin(&writer->touched);
    done = call_write(writer, jobs, count, err);
    pn_touched_end(&writer->touched);
    pn_assert(writer->conn->open_queries == 0); /* each pn_query has its end */
    if (done)
        pn_err_clear(err); /* one that it had foreseen */
    else if (err->code == PN_OK)
        pn_fail(err, PN_INTERNAL, "a write failed and did not say why");
    return done;
}

/* Runs the write in a savepoint that stays if it did its work, or never (a rehearsal). */
static bool run_in_savepoint(struct pn_writer *writer, struct job *const *jobs, size_t count,
                             bool may_stay, struct pn_err *err)
{
    struct pn_err fault = { 0 };
    bool done;

    if (!exec(writer, "SAVEPOINT one", err))
        return false;
    done = attempt(writer, jobs, count, err);
    if (!is_in_transaction(writer))
        return false; /* a full or broken disk: SQLite has undone all of it */
    if ((!(done && may_stay) && !exec(writer, "ROLLBACK TO one", &fault)) ||
        !exec(writer, "RELEASE one", &fault)) {
        roll_back(writer);
        if (err->code == PN_OK)
            *err = fault;
        return false;
    }
    return done;
}

/* The first of them has the error of all. */
static void run_once(struct pn_writer *writer, struct job **jobs, size_t count)
{
    struct pn_err rehearsed = { 0 }, *err = &jobs[0]->err;

    if (writer->runs_twice)
        (void)run_in_savepoint(writer, jobs, count, false, &rehearsed);
    if (is_in_transaction(writer))
        (void)run_in_savepoint(writer, jobs, count, true, err);
    if (!is_in_transaction(writer) && err->code == PN_OK) {
        *err = rehearsed;
        if (rehearsed.code == PN_OK)
            pn_fail(err, PN_IO, "The database gave the transaction up; check its disk");
    }
}

static void run_together(struct pn_writer *writer, struct job **jobs, size_t count)
{
    run_once(writer, jobs, count);
    if (count == 1 || jobs[0]->err.code == PN_OK)
        return;
    pn_err_clear(&jobs[0]->err);
    for (size_t i = 0; i < count && is_in_transaction(writer); i++)
        run_once(writer, &jobs[i], 1);
}

/* One batch */

/* Those that had no error of their own fail with the batch. */
static void fail_all(struct job **jobs, size_t count, const struct pn_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->err.code == PN_OK)
            jobs[i]->err = *err;
    }
}

static bool has_success(struct job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->err.code == PN_OK)
            return true;
    }
    return false;
}

/* Takes those with the same function out of `jobs`, into writer->together. */
static size_t take_alike(struct pn_writer *writer, struct job **jobs, size_t *count)
{
    pn_write_all_fn *write_all = jobs[0]->write_all;
    size_t taken = 0, left = 0;

    for (size_t i = 0; i < *count; i++) {
        if (jobs[i]->write_all == write_all)
            writer->together[taken++] = jobs[i];
        else
            jobs[left++] = jobs[i];
    }
    *count = left;
    return taken;
}

/* In the order they came, but for those that are written together: they come last. */
static void run_all(struct pn_writer *writer, struct job **jobs, size_t count)
{
    struct job **rest = writer->rest;
    size_t rest_count = 0;

    for (size_t i = 0; i < count && is_in_transaction(writer); i++) {
        if (jobs[i]->write != NULL)
            run_once(writer, &jobs[i], 1);
        else
            rest[rest_count++] = jobs[i];
    }
    while (rest_count > 0 && is_in_transaction(writer)) {
        size_t alike = take_alike(writer, rest, &rest_count);

        run_together(writer, writer->together, alike);
    }
}

static void run_batch(struct pn_writer *writer, struct job **jobs, size_t count)
{
    struct pn_err err = { 0 };

    if (!exec(writer, "BEGIN IMMEDIATE", &err)) {
        fail_all(jobs, count, &err);
        return;
    }
    run_all(writer, jobs, count);
    if (!is_in_transaction(writer)) { /* it died on the way, and with it all that was done in it */
        if (count == 1)
            return;
        for (size_t i = 0; i < count; i++) { /* alone, so that only the guilty one fails */
            pn_err_clear(&jobs[i]->err);
            run_batch(writer, &jobs[i], 1);
        }
        return;
    }
    if (!has_success(jobs, count) || !exec(writer, "COMMIT", &err)) {
        roll_back(writer);
        fail_all(jobs, count, &err);
    }
}

/* The queue */

static bool may_gather(const struct pn_writer *writer)
{
    return writer->awaited == 0 && writer->stats.queue_now < GATHER_MAX && !writer->is_stopping;
}

/* Waits for the first job, and for others while nobody waits for those that are there. */
static void gather(struct pn_writer *writer)
{
    struct timespec until;

    while (writer->first == NULL && !writer->is_stopping)
        pthread_cond_wait(&writer->changed, &writer->lock);
    if (!may_gather(writer))
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (may_gather(writer) &&
           pthread_cond_timedwait(&writer->changed, &writer->lock, &until) == 0)
        ;
}

/* Moves up to BATCH_MAX jobs from the queue into `batch`; 0 at the end. The caller holds the lock. */
static size_t take_queued(struct pn_writer *writer)
{
    size_t count = 0;

    while (writer->first != NULL && count < BATCH_MAX) {
        writer->awaited -= writer->first->is_later ? 0 : 1;
        writer->batch[count++] = writer->first;
        writer->first = writer->first->next;
    }
    return count;
}

static size_t take_batch(struct pn_writer *writer)
{
    size_t count;

    pthread_mutex_lock(&writer->lock);
    gather(writer);
    count = take_queued(writer);
    if (writer->first == NULL)
        writer->last = &writer->first;
    writer->stats.queue_now -= (int64_t)count;
    pthread_mutex_unlock(&writer->lock);
    return count;
}

static void count_batch(struct pn_writer *writer, size_t count)
{
    pthread_mutex_lock(&writer->lock);
    writer->stats.batches++;
    for (size_t i = 0; i < count; i++) {
        if (writer->batch[i]->err.code == PN_OK)
            writer->stats.writes++;
        else
            writer->stats.failures++;
    }
    pthread_mutex_unlock(&writer->lock);
}

/*
 * A waiting caller's job is gone once it is answered; what is left in `batch` is nobody's. No lock is held
 * or asked for: all that wake up would queue for it.
 */
static void answer_waiting(struct pn_writer *writer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = writer->batch[i];

        if (job->is_later)
            continue;
        writer->batch[i] = NULL;
        sem_post(&job->answered);
    }
}

static void answer_later(struct pn_writer *writer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = writer->batch[i];

        if (job == NULL)
            continue;
        if (job->done != NULL)
            job->done(job->context, job->err.code != PN_OK ? &job->err : NULL);
        pn_heap_free(job);
    }
}

static void tend_wal(struct pn_writer *writer)
{
    if (writer->wal_pages < writer->wal_wished)
        writer->wal_wished = 0; /* it began anew */
    if (writer->wal_pages - writer->wal_wished > WAL_PAGES_WISH) {
        writer->wal_wished = writer->wal_pages;
        pn_checkpoint_wish(writer->checkpoint);
    }
    if (writer->wal_pages > WAL_PAGES_MUST)
        (void)sqlite3_wal_checkpoint_v2(writer->conn->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                        NULL);
}

static int note_wal_pages(void *writer_, sqlite3 *handle, const char *name, int pages)
{
    struct pn_writer *writer = writer_;

    (void)handle, (void)name;
    writer->wal_pages = pages;
    return SQLITE_OK;
}

static void *run(void *writer_)
{
    struct pn_writer *writer = writer_;
    size_t count;

    while ((count = take_batch(writer)) > 0) {
        run_batch(writer, writer->batch, count);
        pn_touched_publish(&writer->touched, writer->db); /* before any answer */
        count_batch(writer, count);
        answer_waiting(writer, count);
        answer_later(writer, count);
        tend_wal(writer);
    }
    return NULL;
}

/* Takes the job in; the caller holds the lock. */
static bool enqueue(struct pn_writer *writer, struct job *job, struct pn_err *err)
{
    if (writer->is_stopping)
        return pn_fail(err, PN_BUSY, "The database is closing");
    if (writer->stats.queue_now >= (int64_t)writer->queue_max)
        return pn_fail(err, PN_BUSY, "Too many changes are waiting to be written; try again");
    *writer->last = job;
    writer->last = &job->next;
    writer->stats.queue_now++;
    writer->awaited += job->is_later ? 0 : 1;
    if (writer->stats.queue_now == 1 || !may_gather(writer))
        pthread_cond_signal(&writer->changed);
    return true;
}

bool pn_db_write(struct pn_db *db, pn_write_fn *write, void *context, struct pn_err *err)
{
    struct pn_writer *writer = db->writer;
    struct job job = { .write = write, .context = context };
    bool is_queued;

    pn_assert(!pthread_equal(pthread_self(), writer->thread)); /* it would wait for itself */
    sem_init(&job.answered, 0, 0);
    pthread_mutex_lock(&writer->lock);
    is_queued = enqueue(writer, &job, err);
    pthread_mutex_unlock(&writer->lock);
    while (is_queued && sem_wait(&job.answered) != 0)
        ; /* a signal came */
    sem_destroy(&job.answered);
    if (is_queued && job.err.code != PN_OK)
        *err = job.err;
    return is_queued && job.err.code == PN_OK;
}

static bool enqueue_later(struct pn_writer *writer, const struct job *with, struct pn_err *err)
{
    struct job *job = pn_heap_new(sizeof(*job));
    bool is_queued;

    *job = *with;
    job->is_later = true;
    pthread_mutex_lock(&writer->lock);
    is_queued = enqueue(writer, job, err);
    pthread_mutex_unlock(&writer->lock);
    if (!is_queued)
        pn_heap_free(job);
    return is_queued;
}

bool pn_db_write_later(struct pn_db *db, pn_write_fn *write, void *context,
                       void (*done)(void *context, const struct pn_err *err), struct pn_err *err)
{
    return enqueue_later(db->writer,
                         &(struct job){ .write = write, .context = context, .done = done }, err);
}

bool pn_db_write_together(struct pn_db *db, pn_write_all_fn *write, void *context,
                          void (*done)(void *context, const struct pn_err *err), struct pn_err *err)
{
    return enqueue_later(
        db->writer, &(struct job){ .write_all = write, .context = context, .done = done }, err);
}

struct pn_db_stats pn_db_stats(struct pn_db *db)
{
    struct pn_db_stats stats;

    pthread_mutex_lock(&db->writer->lock);
    stats = db->writer->stats;
    pthread_mutex_unlock(&db->writer->lock);
    return stats;
}

bool pn_writer_new(const struct pn_db_config *config, struct pn_db *db, struct pn_db_conn *conn,
                   struct pn_writer **out, struct pn_err *err)
{
    struct pn_checkpoint *checkpoint;
    struct pn_writer *writer;
    pthread_condattr_t by_mono;
    sigset_t all, before;
    int result;

    if (!pn_checkpoint_new(db, &checkpoint, err))
        return false;
    writer = pn_heap_new(sizeof(*writer));
    writer->db = db;
    writer->conn = conn;
    writer->checkpoint = checkpoint;
    writer->queue_max = config->queue_max > 0 ? config->queue_max : QUEUE_MAX_DEFAULT;
    writer->runs_twice = config->run_twice;
    writer->last = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&by_mono);
    pthread_condattr_setclock(&by_mono, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->changed, &by_mono);
    pthread_condattr_destroy(&by_mono);
    sqlite3_wal_hook(conn->handle, note_wal_pages, writer);
    pn_touched_watch(conn, &writer->touched, config->watched);
    *out = writer;    /* before the thread starts: it may call back */
    sigfillset(&all); /* signals are for main's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        pn_die("cannot start the database's writer thread");
    return true;
}

void pn_writer_free(struct pn_writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pn_checkpoint_free(writer->checkpoint);
    pn_conn_close(writer->conn);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    pn_heap_free(writer);
}
