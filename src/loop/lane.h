/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_LOOP_LANE_H
#define PN_LOOP_LANE_H

#include "base/base.h"
#include "base/err.h"

/*
 * A lane: worker threads with one bounded queue. FAST lanes use the database only, SLOW lanes may
 * call out; each has its own threads, so that a dead cluster cannot starve reads.
 */
struct pn_lane;

struct pn_job {
    /* On a worker; `worker` is what worker_new gave. */
    void (*run)(struct pn_job *job, void *worker);
    struct pn_job *next;
};

struct pn_lane_config {
    const char *name;
    unsigned threads;
    size_t queue_max;
    void *(*worker_new)(void *context); /* per thread, for example a database connection */
    void (*worker_free)(void *worker);
    void *context;
};

bool pn_lane_new(const struct pn_lane_config *config, struct pn_lane **out, struct pn_err *err)
    PN_CHECKED;
/* False when the queue is full or the lane is stopping: answer 503 with Retry-After at once. */
bool pn_lane_submit(struct pn_lane *lane, struct pn_job *job) PN_CHECKED;
/* Runs what is queued, then ends the threads; nothing more is taken. A second time does nothing. */
void pn_lane_stop(struct pn_lane *lane);
void pn_lane_free(struct pn_lane *lane); /* stops it first */
size_t pn_lane_queued(struct pn_lane *lane);

#endif
