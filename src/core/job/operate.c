/* SPDX-License-Identifier: Apache-2.0 */
#include "core/job/operate.h"

#include "base/clock.h"
#include "core/org/user.h"
#include "core/trail.h"

bool pn_job_look(struct pn_call *call, bool is_failing_only, int64_t limit, struct pn_list *out,
                 struct pn_err *err)
{
    return pn_user_require_super(call, err) &&
           pn_job_list(call->conn, call->arena, is_failing_only, limit, out, err);
}

struct retry {
    struct pn_call *call;
    enum pn_job_kind kind;
    struct pn_uuid id;
    struct pn_job_row *row;
};

/*
 * What has not failed is not tried again but done too early: a lease that lives would end, and what a creation in
 * doubt left would be found clean before it came.
 */
static bool check_failed(const struct retry *r, struct pn_err *err)
{
    char due[PN_CLOCK_ISO_BYTES];

    if (r->row->failing_since_ms > 0)
        return true;
    pn_clock_iso(r->row->due_ms, due);
    return pn_fail(err, PN_BAD_REQUEST, "The job %s %s has not failed: it is due at %s",
                   pn_job_kind_name(r->kind), pn_uuid_format(r->id).text, due);
}

static bool hasten(struct pn_db_conn *tx, const struct retry *r, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE jobs SET due_ms = $now WHERE kind = $kind AND id = $id");

    r->row->due_ms = pn_clock_lease_ms();
    pn_bind_int(q, "$now", r->row->due_ms);
    pn_bind_str(q, "$kind", r->row->kind_name);
    pn_bind_uuid(q, "$id", r->id);
    return pn_query_run(q, NULL, err);
}

static bool write_retry(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct retry *r = context;
    bool is_there;

    if (!pn_job_find(tx, r->call->arena, r->kind, r->id, r->row, &is_there, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "There is no job %s %s", pn_job_kind_name(r->kind),
                       pn_uuid_format(r->id).text);
    if (!check_failed(r, err) || !hasten(tx, r, err))
        return false;
    return pn_trail_write(
        tx, r->call,
        &(struct pn_trail){ .type = "retry-job",
                            .fields = { { "kind", r->row->kind_name },
                                        { "id", pn_uuid_str(r->call->arena, r->id) },
                                        { "lastError", r->row->last_error } } },
        err);
}

bool pn_job_retry(struct pn_call *call, struct pn_str kind, struct pn_uuid id,
                  struct pn_job_row *out, struct pn_err *err)
{
    struct retry r = { .call = call, .id = id, .row = out };

    if (!pn_user_require_super(call, err))
        return false;
    if (!pn_job_kind_parse(kind, &r.kind))
        return pn_fail(err, PN_NOT_FOUND, "There is no such kind of jobs");
    return pn_db_write(call->db, write_retry, &r, err);
}
