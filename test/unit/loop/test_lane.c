/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

#include "loop/lane.h"
#include "loop/loop.h"

struct counting_job {
    struct pn_job job;
    sem_t *may_go; /* NULL = at once */
    sem_t *is_running;
    unsigned *count;
};

static void count(struct pn_job *job, void *worker)
{
    struct counting_job *c = (struct counting_job *)job;

    pn_on_worker();
    CHECK(worker != NULL);
    if (c->is_running != NULL)
        sem_post(c->is_running);
    if (c->may_go != NULL)
        sem_wait(c->may_go);
    __atomic_add_fetch(c->count, 1, __ATOMIC_SEQ_CST);
}

static void *worker_new(void *context)
{
    __atomic_add_fetch((unsigned *)context, 1, __ATOMIC_SEQ_CST);
    return context;
}

static void worker_free(void *worker)
{
    __atomic_sub_fetch((unsigned *)worker, 1, __ATOMIC_SEQ_CST);
}

PN_TEST(every_job_runs_and_free_waits_for_them)
{
    struct counting_job jobs[500];
    unsigned ran = 0, workers = 0;
    struct pn_err err = { 0 };
    struct pn_lane *lane = NULL;
    const struct pn_lane_config config = { .name = "test",
                                           .threads = 3,
                                           .queue_max = 500,
                                           .worker_new = worker_new,
                                           .worker_free = worker_free,
                                           .context = &workers };

    CHECK_OK(pn_lane_new(&config, &lane, &err), err);
    for (size_t i = 0; i < PN_COUNT(jobs); i++) {
        jobs[i] = (struct counting_job){ .job.run = count, .count = &ran };
        CHECK(pn_lane_submit(lane, &jobs[i].job));
    }
    pn_lane_free(lane);
    CHECK_EQ(ran, 500);
    CHECK_EQ(workers, 0);
}

PN_TEST(a_full_queue_refuses_at_once)
{
    struct counting_job jobs[4];
    unsigned ran = 0, workers = 0;
    sem_t may_go, is_running;
    struct pn_err err = { 0 };
    struct pn_lane *lane = NULL;
    const struct pn_lane_config config = { .name = "test",
                                           .threads = 1,
                                           .queue_max = 2,
                                           .worker_new = worker_new,
                                           .worker_free = worker_free,
                                           .context = &workers };

    sem_init(&may_go, 0, 0);
    sem_init(&is_running, 0, 0);
    CHECK_OK(pn_lane_new(&config, &lane, &err), err);
    for (size_t i = 0; i < PN_COUNT(jobs); i++)
        jobs[i] = (struct counting_job){ .job.run = count,
                                         .count = &ran,
                                         .may_go = &may_go,
                                         .is_running = i == 0 ? &is_running : NULL };
    CHECK(pn_lane_submit(lane, &jobs[0].job));
    sem_wait(&is_running); /* the worker has taken it: the queue is empty */
    CHECK(pn_lane_submit(lane, &jobs[1].job));
    CHECK(pn_lane_submit(lane, &jobs[2].job));
    CHECK_EQ(pn_lane_queued(lane), 2);
    CHECK(!pn_lane_submit(lane, &jobs[3].job));
    for (int i = 0; i < 3; i++)
        sem_post(&may_go);
    pn_lane_free(lane);
    CHECK_EQ(ran, 3);
}

PN_TEST_MAIN(T(every_job_runs_and_free_waits_for_them), T(a_full_queue_refuses_at_once))
