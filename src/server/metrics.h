/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_METRICS_H
#define PN_SERVER_METRICS_H

#include "base/buf.h"
#include "db/db.h"

#include <stdatomic.h>

/* Counters of this process, for GET /metrics in Prometheus' text form. */
struct pn_metrics {
    atomic_llong by_class[6]; /* answers by first digit of the status */
    atomic_llong duration_us; /* of all answers together */
    atomic_llong in_progress;
    atomic_llong subscriptions; /* live */
    atomic_llong refused_busy, refused_rate;
    atomic_llong job_runs, job_failures;                 /* of this process */
    atomic_llong jobs_waiting, jobs_failing, job_lag_ms; /* rows, looked at every few seconds */
};

void pn_metrics_answered(struct pn_metrics *metrics, int status, int64_t duration_us);
void pn_metrics_print(struct pn_metrics *metrics, struct pn_db *db, struct pn_buf *out);

#endif
