/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/jobs.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/audit/prune.h"
#include "core/auth/login.h"
#include "core/pam/session.h"
#include "db/db.h"
#include "json/settings.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define TICK_MS 1000
#define JOB_BUDGET ((size_t)4 << 20)

static bool expire_sessions(struct pn_call *call, struct pn_err *err)
{
    return pn_pam_session_expire_due(call->db, call->conn, call->now_ms, NULL, err);
}

static const struct job {
    const char *name;
    int64_t every_ms;
    bool (*run)(struct pn_call *call, struct pn_err *err);
} jobs_table[] = {
    { "expire-sessions", 1000, expire_sessions },
    { "sweep-logins", 60000, pn_login_sweep },
    { "prune-audit-log", 600000, pn_audit_prune },
};

struct pn_jobs {
    struct pn_jobs_config config;
    struct pn_db_conn *conn;
    struct pn_arena *arena;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping;
    int64_t due_ms[PN_COUNT(jobs_table)]; /* monotonic */
};

/* Sleeps a tick; false when it is time to end. */
static bool wait_tick(struct pn_jobs *jobs)
{
    struct timespec until;
    bool is_stopping;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TICK_MS / 1000;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->is_stopping &&
           pthread_cond_timedwait(&jobs->stop, &jobs->lock, &until) != ETIMEDOUT)
        continue;
    is_stopping = jobs->is_stopping;
    pthread_mutex_unlock(&jobs->lock);
    return !is_stopping;
}

static void run_job(struct pn_jobs *jobs, const struct job *job)
{
    struct pn_err err = { 0 };
    struct pn_call call = { .arena = jobs->arena,
                            .deadline_ms =
                                pn_clock_mono_ms() + jobs->config.settings->request_timeout,
                            .now_ms = pn_clock_wall_ms(),
                            .actor = { .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") },
                            .request_id = pn_str_from(job->name),
                            .db = jobs->config.db,
                            .conn = jobs->conn,
                            .keyring = jobs->config.keyring,
                            .settings = jobs->config.settings };

    if (!job->run(&call, &err))
        pn_log(PN_WARN, "job-failed", PN_F_TEXT("job", job->name), PN_F_ERR(&err));
    pn_arena_reset(jobs->arena);
}

static void *work(void *jobs_)
{
    struct pn_jobs *jobs = jobs_;

    pthread_setname_np(pthread_self(), "jobs");
    while (wait_tick(jobs)) {
        for (size_t i = 0; i < PN_COUNT(jobs_table); i++) {
            if (pn_clock_mono_ms() < jobs->due_ms[i])
                continue;
            jobs->due_ms[i] = pn_clock_mono_ms() + jobs_table[i].every_ms;
            run_job(jobs, &jobs_table[i]);
        }
    }
    return NULL;
}

static void jobs_free(struct pn_jobs *jobs)
{
    if (jobs->conn != NULL)
        pn_db_disconnect(jobs->conn);
    pn_arena_free(jobs->arena);
    pthread_cond_destroy(&jobs->stop);
    pthread_mutex_destroy(&jobs->lock);
    pn_heap_free(jobs);
}

bool pn_jobs_start(const struct pn_jobs_config *config, struct pn_jobs **out, struct pn_err *err)
{
    struct pn_jobs *jobs = pn_heap_new(sizeof(*jobs));
    pthread_condattr_t attributes;
    int code = 0;

    jobs->config = *config;
    jobs->arena = pn_arena_new(JOB_BUDGET);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pn_db_connect(config->db, &jobs->conn, err)) {
        code = pthread_create(&jobs->thread, NULL, work, jobs);
        if (code == 0) {
            *out = jobs;
            return true;
        }
        (void)pn_fail_cause(err, PN_INTERNAL, code, "no thread for jobs");
    }
    jobs_free(jobs);
    return false;
}

void pn_jobs_stop(struct pn_jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->is_stopping = true;
    pthread_cond_signal(&jobs->stop);
    pthread_mutex_unlock(&jobs->lock);
    pthread_join(jobs->thread, NULL);
    jobs_free(jobs);
}
