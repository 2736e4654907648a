/* SPDX-License-Identifier: Apache-2.0 */
/* What happens at its time, for who operates the instance. Ours alone: Infisical has no such view. */
#include "core/job/operate.h"
#include "server/route.h"

struct shown {
    struct pn_uuid id, organizationId;
    struct pn_str kind, place, lastError;
    int64_t dueAt, attempts, failingSince, createdAt;
    bool isRunning;
};
static const struct pn_field shown_fields[] = {
    PN_FIELD(shown, kind, STRING),
    PN_FIELD(shown, id, UUID),
    PN_FIELD(shown, organizationId, UUID, .doc = "null: the server's own"),
    PN_FIELD(shown, place, STRING,
             .doc = "What it needs: a cluster, gateway or pool; \"\": nothing else"),
    PN_FIELD(shown, dueAt, TIME),
    PN_FIELD(shown, isRunning, BOOL),
    PN_FIELD(shown, attempts, INT, .doc = "That failed"),
    PN_FIELD(shown, failingSince, TIME),
    PN_FIELD(shown, lastError, STRING),
    PN_FIELD(shown, createdAt, TIME),
};
static const struct pn_shape shown = PN_SHAPE_OF(shown);

static struct shown show(const struct pn_job_row *row)
{
    return (struct shown){ .id = row->id,
                           .kind = row->kind_name,
                           .organizationId = row->where.org_id,
                           .place = row->where.place,
                           .lastError = row->last_error,
                           .dueAt = row->due_ms,
                           .attempts = row->attempts,
                           .failingSince = row->failing_since_ms,
                           .createdAt = row->created_ms,
                           .isRunning = row->claimed_until_ms > 0 };
}

struct list_in {
    bool failing;
    int64_t limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, failing, BOOL, .doc = "Only those whose last run failed"),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_JOB_MAX_LISTED, .has_fallback = true,
             .fallback = 100),
};
struct list_out {
    struct pn_list jobs;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, jobs, OBJECTS, .shape = &shown),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_job_row *rows;
    struct pn_list found;
    struct shown *views;

    if (!pn_job_look(call, in->failing, in->limit, &found, err))
        return false;
    rows = found.items;
    views = pn_new(call->arena, struct shown, found.count);
    for (size_t i = 0; i < found.count; i++)
        views[i] = show(&rows[i]);
    out->jobs = (struct pn_list){ .items = views, .count = found.count };
    return true;
}

struct retry_in {
    struct pn_str kind;
    struct pn_uuid id;
};
static const struct pn_field retry_in_fields[] = {
    PN_FIELD(retry_in, kind, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(retry_in, id, UUID, .required = true),
};
struct retry_out {
    struct shown job;
};
static const struct pn_field retry_out_fields[] = {
    PN_FIELD(retry_out, job, OBJECT, .shape = &shown),
};

static bool retry(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct retry_in *in = in_;
    struct retry_out *out = out_;
    struct pn_job_row row;

    if (!pn_job_retry(call, in->kind, in->id, &row, err))
        return false;
    out->job = show(&row);
    return true;
}

const struct pn_route pn_jobs_routes[] = {
    { PN_GET, "/api/v1/admin/jobs", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "instance administrator", .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out),
      .handle = list, .doc = "What is to happen at its time, failing jobs first" },
    { PN_POST, "/api/v1/admin/jobs/:kind/:id/retry", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .permission = "instance administrator", .audit = "retry-job", .in = PN_SHAPE(retry_in),
      .out = PN_SHAPE(retry_out), .handle = retry, .doc = "Has a job that failed tried now" },
    { 0 },
};
