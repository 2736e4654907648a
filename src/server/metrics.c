/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "sys/sys.h"

void pn_metrics_answered(struct pn_metrics *metrics, int status, int64_t duration_us)
{
    int class = status / 100;

    atomic_fetch_add(&metrics->by_class[class >= 0 && class < 6 ? class : 5], 1);
    atomic_fetch_add(&metrics->duration_us, duration_us);
}

static void print(struct pn_buf *out, const char *name, const char *type, const char *help,
                  long long value)
{
    pn_buf_addf(out, "# HELP postern_%s %s\n# TYPE postern_%s %s\npostern_%s %lld\n", name, help,
                name, type, name, value);
}

static void print_requests(struct pn_metrics *metrics, struct pn_buf *out)
{
    long long total = 0, us = atomic_load(&metrics->duration_us);

    pn_buf_add_text(out,
                    "# HELP postern_http_requests_total Requests answered, by class of status.\n"
                    "# TYPE postern_http_requests_total counter\n");
    for (int i = 2; i < 6; i++) {
        long long count = atomic_load(&metrics->by_class[i]);

        total += count;
        pn_buf_addf(out, "postern_http_requests_total{status=\"%dxx\"} %lld\n", i, count);
    }
    pn_buf_addf(
        out,
        "# HELP postern_http_request_duration_seconds Time from a request's head to its answer.\n"
        "# TYPE postern_http_request_duration_seconds summary\n"
        "postern_http_request_duration_seconds_sum %lld.%06lld\n"
        "postern_http_request_duration_seconds_count %lld\n",
        us / 1000000, us % 1000000, total);
}

void pn_metrics_print(struct pn_metrics *metrics, struct pn_db *db, struct pn_buf *out)
{
    const struct pn_db_stats stats = pn_db_stats(db);

    print_requests(metrics, out);
    print(out, "http_requests_in_progress", "gauge", "Requests in progress.",
          atomic_load(&metrics->in_progress));
    print(out, "subscriptions", "gauge", "Live subscriptions to projects' events.",
          atomic_load(&metrics->subscriptions));
    print(out, "http_refused_busy_total", "counter",
          "Requests answered 503 because a queue was full.", atomic_load(&metrics->refused_busy));
    print(out, "http_refused_rate_total", "counter", "Requests answered 429.",
          atomic_load(&metrics->refused_rate));
    print(out, "db_writes_total", "counter", "Write functions run.", stats.writes);
    print(out, "db_batches_total", "counter", "Commits.", stats.batches);
    print(out, "db_failures_total", "counter", "Write functions that failed.", stats.failures);
    print(out, "db_queue", "gauge", "Writes that wait.", stats.queue_now);
    print(out, "job_runs_total", "counter", "Runs of jobs.", atomic_load(&metrics->job_runs));
    print(out, "job_failures_total", "counter", "Runs that could not be finished.",
          atomic_load(&metrics->job_failures));
    print(out, "jobs_waiting", "gauge",
          "Jobs that are or will be due: live leases and sessions, and what recurs.",
          atomic_load(&metrics->jobs_waiting));
    print(out, "jobs_failing", "gauge",
          "Jobs whose last run failed: credentials not revoked, mostly.",
          atomic_load(&metrics->jobs_failing));
    print(out, "job_lag_milliseconds", "gauge", "How long the oldest due job has waited.",
          atomic_load(&metrics->job_lag_ms));
    print(out, "process_resident_bytes", "gauge", "Resident memory.", pn_process_resident_bytes());
    print(out, "process_open_files", "gauge", "Open descriptors.", pn_process_open_files());
}
