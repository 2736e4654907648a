/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct pn_lane {
    struct pn_lane_config config;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct pn_job *first, **end;
    size_t queued;
    unsigned idle;  /* threads that wait for a job */
    bool is_waking; /* one of them has been woken and has not looked yet */
    bool is_stopping;
    unsigned started;
    pthread_t threads[];
};

/*
 * Whether to wake a thread for what is queued; the caller holds the mutex, and signals after it has
 * let go. One is woken at a time, and wakes the next one if there is more: a burst of short jobs is
 * then done by few threads, without a switch for each.
 */
static bool must_wake(struct pn_lane *lane)
{
    if (lane->first == NULL || lane->idle == 0 || lane->is_waking)
        return false;
    lane->is_waking = true;
    return true;
}

static void await_job(struct pn_lane *lane)
{
    lane->idle++;
    while (lane->first == NULL && !lane->is_stopping) {
        pthread_cond_wait(&lane->more, &lane->mutex);
        lane->is_waking = false;
    }
    lane->idle--;
}

static struct pn_job *next_job(struct pn_lane *lane)
{
    struct pn_job *job;
    bool wakes;

    pthread_mutex_lock(&lane->mutex);
    await_job(lane);
    job = lane->first;
    if (job != NULL) {
        lane->first = job->next;
        if (lane->first == NULL)
            lane->end = &lane->first;
        lane->queued--;
    }
    wakes = must_wake(lane);
    pthread_mutex_unlock(&lane->mutex);
    if (wakes)
        pthread_cond_signal(&lane->more);
    return job;
}

static void *work(void *lane_)
{
    struct pn_lane *lane = lane_;
    void *worker =
        lane->config.worker_new != NULL ? lane->config.worker_new(lane->config.context) : NULL;
    char name[16];

    snprintf(name, sizeof(name), "%s", lane->config.name);
    pthread_setname_np(pthread_self(), name);
    for (struct pn_job *job; (job = next_job(lane)) != NULL;)
        job->run(job, worker);
    if (lane->config.worker_free != NULL)
        lane->config.worker_free(worker);
    return NULL;
}

bool pn_lane_new(const struct pn_lane_config *config, struct pn_lane **out, struct pn_err *err)
{
    struct pn_lane *lane = pn_heap_new(sizeof(*lane) + config->threads * sizeof(pthread_t));
    sigset_t all, before;
    int code = 0;

    lane->config = *config;
    lane->end = &lane->first;
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->more, NULL);
    sigfillset(&all); /* signals are for the loop that watches them */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (lane->started < config->threads &&
           (code = pthread_create(&lane->threads[lane->started], NULL, work, lane)) == 0)
        lane->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        pn_lane_free(lane);
        return pn_fail_cause(err, PN_IO, code, "no threads for the %s lane", config->name);
    }
    *out = lane;
    return true;
}

bool pn_lane_submit(struct pn_lane *lane, struct pn_job *job)
{
    pthread_mutex_lock(&lane->mutex);

    bool is_taken = !lane->is_stopping && lane->queued < lane->config.queue_max;
    bool wakes = false;

    if (is_taken) {
        job->next = NULL;
        *lane->end = job;
        lane->end = &job->next;
        lane->queued++;
        wakes = must_wake(lane);
    }
    pthread_mutex_unlock(&lane->mutex);
    if (wakes)
        pthread_cond_signal(&lane->more);
    return is_taken;
}

void pn_lane_stop(struct pn_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->is_stopping = true;
    pthread_cond_broadcast(&lane->more);
    pthread_mutex_unlock(&lane->mutex);
    while (lane->started > 0)
        pthread_join(lane->threads[--lane->started], NULL);
}

void pn_lane_free(struct pn_lane *lane)
{
    if (lane == NULL)
        return;
    pn_lane_stop(lane);
    pthread_cond_destroy(&lane->more);
    pthread_mutex_destroy(&lane->mutex);
    pn_heap_free(lane);
}

size_t pn_lane_queued(struct pn_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);

    size_t queued = lane->queued;

    pthread_mutex_unlock(&lane->mutex);
    return queued;
}
