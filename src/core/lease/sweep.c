/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/sweep.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/auth/clusters.h"
#include "core/job/job.h"
#include "core/lease/end.h"
#include "core/lease/orphans.h"
#include "core/lease/record.h"
#include "core/org/instance.h"
#include "core/rows.h"

#define RIGHT "delete-root-credential"
#define PACE_MS 1000 /* between two pages */
#define RUN_MS 10000 /* of one page: no new delete after that; the rest of it is next */
#define LOOK_MS 8000 /* as a lease that is made: clients wait for ten seconds */
#define LOOK_MAX 500 /* shown at most */
#define PAGE_BUDGET ((size_t)4 << 20)
#define MAX_PAGES 100000 /* five million objects: a list that never ends */
#define MAX_FAILURES 5   /* of one page: then somebody has to look */

/* ---- rows ---- */

#define COLUMNS                                                                             \
    "dynamic_secret_id, config_id, org_id, project_id, environment, path, name, requester," \
    " state, step, next, pages, removed, error, started_ms, ended_ms"

static bool find_sweep(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                       struct pn_sweep *out, bool *is_there, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS " FROM lease_sweeps WHERE dynamic_secret_id = $id");

    pn_bind_uuid(q, "$id", id);
    *is_there = pn_query_next(q);
    if (*is_there)
        *out = (struct pn_sweep){ .dynamicSecretId = pn_column_uuid(q, 0),
                                  .config_id = pn_column_uuid(q, 1),
                                  .org_id = pn_column_uuid(q, 2),
                                  .project_id = pn_column_uuid(q, 3),
                                  .environment = pn_column_str(q, 4, arena),
                                  .path = pn_column_str(q, 5, arena),
                                  .name = pn_column_str(q, 6, arena),
                                  .requester = pn_column_str(q, 7, arena),
                                  .state = pn_column_str(q, 8, arena),
                                  .step = pn_column_int(q, 9),
                                  .next = pn_column_str(q, 10, arena),
                                  .pages = pn_column_int(q, 11),
                                  .removed = pn_column_int(q, 12),
                                  .error = pn_column_str(q, 13, arena),
                                  .startedAt = pn_column_int(q, 14),
                                  .endedAt = pn_column_int(q, 15) };
    return pn_query_end(q, err);
}

static bool put_sweep(struct pn_db_conn *tx, const struct pn_sweep *row, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO lease_sweeps (" COLUMNS ") VALUES ($id, $config, $org, $project,"
            " $environment, $path, $name, $requester, $state, $step, $next, $pages, $removed,"
            " $error, $started, $ended) ON CONFLICT (dynamic_secret_id) DO UPDATE SET"
            " config_id = $config, environment = $environment, path = $path, name = $name,"
            " requester = $requester, state = $state, step = $step, next = $next,"
            " pages = $pages, removed = $removed, error = $error, started_ms = $started,"
            " ended_ms = $ended");

    pn_bind_uuid(q, "$id", row->dynamicSecretId);
    pn_bind_uuid(q, "$config", row->config_id);
    pn_bind_uuid(q, "$org", row->org_id);
    pn_bind_uuid(q, "$project", row->project_id);
    pn_bind_str(q, "$environment", row->environment);
    pn_bind_str(q, "$path", row->path);
    pn_bind_str(q, "$name", row->name);
    pn_bind_str(q, "$requester", row->requester);
    pn_bind_str(q, "$state", row->state);
    pn_bind_int(q, "$step", row->step);
    pn_bind_str(q, "$next", row->next);
    pn_bind_int(q, "$pages", row->pages);
    pn_bind_int(q, "$removed", row->removed);
    pn_bind_str(q, "$error", row->error);
    pn_bind_int(q, "$started", row->startedAt);
    if (row->endedAt > 0)
        pn_bind_int(q, "$ended", row->endedAt);
    else
        pn_bind_null(q, "$ended");
    return pn_query_run(q, NULL, err);
}

static bool is_running(const struct pn_sweep *row)
{
    return pn_str_is(row->state, "running");
}

/* ---- for who asks ---- */

struct asking {
    struct pn_call *call;
    struct pn_lease_scope scope;
    struct pn_dynamic_secret secret;
    struct pn_lease_config config;
    struct pn_orphans_in in;
};

static bool begin(struct asking *a, const struct pn_lease_at *at, struct pn_str name,
                  struct pn_err *err)
{
    struct pn_call *call = a->call;

    return pn_lease_scope_open(call, at, PN_LEASE_WORDS_CHANGE, &a->scope, err) &&
           pn_lease_scope_secret(call, &a->scope, name, &a->secret, err) &&
           pn_lease_scope_permit(call, &a->scope, a->secret.metadata, RIGHT, err);
}

static bool find_instance(struct pn_call *call, struct pn_orphans_in *in, struct pn_err *err)
{
    if (!pn_instance_id(call->conn, &in->instance_id, err))
        return false;
    return !pn_uuid_is_zero(in->instance_id) || /* it would be everybody's label */
           pn_fail(err, PN_INTERNAL, "The instance has no id");
}

static bool open_cluster(struct asking *a, struct pn_err *err)
{
    a->in.config = &a->config;
    return find_instance(a->call, &a->in, err) &&
           pn_config_open(a->call, a->secret.config_id, &a->config, err);
}

static void keep_orphans(struct pn_arena *arena, struct pn_rows *rows, const struct pn_list *page)
{
    const struct pn_orphan *orphans = page->items;

    for (size_t i = 0; i < page->count; i++) {
        struct pn_orphan *kept = pn_rows_add(rows);

        *kept = orphans[i];
        kept->object.name = pn_arena_copy(arena, orphans[i].object.name);
        kept->object.uid = pn_arena_copy(arena, orphans[i].object.uid);
    }
}

/* A page's own memory: what is kept of it is copied. */
static bool look_at_page(struct asking *a, struct pn_orphans_at *at, struct pn_rows *rows,
                         bool *has_answered, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(PAGE_BUDGET);
    struct pn_call call = *a->call;
    enum pn_provider_fault fault;
    struct pn_list page;

    call.arena = arena;
    if (!pn_orphans_page(&call, &a->in, at, &page, &fault, err)) {
        *has_answered = pn_provider_has_answered(fault);
        err->details = pn_arena_copy(a->call->arena, err->details);
        return false;
    }
    keep_orphans(a->call->arena, rows, &page);
    at->next = pn_arena_copy(a->call->arena, at->next);
    return true;
}

static bool look_at_all(struct asking *a, struct pn_list *out, bool *is_complete,
                        bool *has_answered, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(a->call->arena, sizeof(struct pn_orphan));
    const int64_t until_ms = pn_clock_mono_ms() + LOOK_MS;
    struct pn_orphans_at at = { 0 };

    while (!pn_orphans_is_end(&a->in, &at) && rows.list.count < LOOK_MAX &&
           pn_clock_mono_ms() < until_ms)
        if (!look_at_page(a, &at, &rows, has_answered, err))
            return false;
    *is_complete = pn_orphans_is_end(&a->in, &at);
    *out = rows.list;
    return true;
}

static struct pn_lease_event event_of(const struct asking *a, const char *type)
{
    return pn_lease_event_of(type, &a->scope, &a->secret, NULL);
}

static bool look_in_turn(struct asking *a, struct pn_list *out, bool *is_complete,
                         struct pn_err *err)
{
    const struct pn_cluster_place place = pn_lease_config_turn(a->call->arena, &a->config);
    bool done, has_answered = true;

    if (!pn_clusters_enter(a->call, &place, err))
        return false;
    done = look_at_all(a, out, is_complete, &has_answered, err);
    pn_clusters_leave(a->call, &place, has_answered);
    return done;
}

bool pn_sweep_look(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                   struct pn_list *out, bool *is_complete, struct pn_err *err)
{
    struct asking a = { .call = call, .config = { .credentialType = -1 } };
    struct pn_lease_event event;
    bool done;

    if (!begin(&a, at, name, err))
        return false;
    done = open_cluster(&a, err) && look_in_turn(&a, out, is_complete, err);
    pn_lease_config_drop(&a.config);
    if (!done)
        return false;
    event = event_of(&a, "list-dynamic-secret-orphans");
    event.count = (int64_t)out->count;
    return pn_lease_record_read(call, &event, err);
}

struct starting {
    struct asking *asking;
    struct pn_sweep *row;
    struct pn_job_where where;
};

static bool write_start(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct starting *s = context;
    const struct pn_lease_event event = event_of(s->asking, "start-dynamic-secret-sweep");
    struct pn_call *call = s->asking->call;
    struct pn_dynamic_secret now;
    struct pn_sweep before;
    bool is_there;

    if (!pn_dynamic_row_get(tx, call->arena, s->row->dynamicSecretId, &now, &is_there, err))
        return false;
    if (!is_there || !pn_uuid_eq(now.config_id, s->row->config_id))
        return pn_fail(err, PN_CONFLICT,
                       "The dynamic secret was changed at the same time. Try again");
    if (!find_sweep(tx, call->arena, s->row->dynamicSecretId, &before, &is_there, err))
        return false;
    if (is_there && is_running(&before))
        return pn_fail(err, PN_CONFLICT, "A sweep of this dynamic secret is running");
    return put_sweep(tx, s->row, err) &&
           pn_job_put(tx, PN_JOB_SWEEP, s->row->dynamicSecretId, &s->where, s->row->startedAt,
                      s->row->startedAt, err) &&
           pn_lease_record(tx, call, &event, err);
}

static struct pn_sweep new_sweep(const struct asking *a)
{
    const struct pn_place *place = &a->scope.place;
    const struct pn_call *call = a->call;

    return (struct pn_sweep){ .dynamicSecretId = a->secret.id,
                              .state = PN_LIT("running"),
                              .startedAt = pn_clock_lease_ms(),
                              .config_id = a->secret.config_id,
                              .org_id = call->actor.org_id,
                              .project_id = place->project_id,
                              .environment = place->environment,
                              .path = place->path,
                              .name = a->secret.name,
                              .requester = pn_uuid_str(call->arena, call->actor.id) };
}

/* Asked first: what may not be listed is said to who starts it, with what mends it. */
static bool start_sweep(struct asking *a, struct pn_sweep *out, struct pn_err *err)
{
    struct starting s = { .asking = a, .row = out };
    struct pn_list ignored;
    bool is_complete;

    if (!open_cluster(a, err) || !look_in_turn(a, &ignored, &is_complete, err))
        return false;
    *out = new_sweep(a);
    s.where =
        (struct pn_job_where){ out->org_id, pn_lease_config_place(a->call->arena, &a->config) };
    return pn_db_write(a->call->db, write_start, &s, err);
}

bool pn_sweep_start(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                    struct pn_sweep *out, struct pn_err *err)
{
    struct asking a = { .call = call, .config = { .credentialType = -1 } };
    bool done = begin(&a, at, name, err) && start_sweep(&a, out, err);

    pn_lease_config_drop(&a.config);
    return done;
}

bool pn_sweep_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                  struct pn_sweep *out, struct pn_err *err)
{
    struct asking a = { .call = call };
    bool is_there;

    if (!begin(&a, at, name, err) ||
        !find_sweep(call->conn, call->arena, a.secret.id, out, &is_there, err))
        return false;
    return is_there || pn_fail(err, PN_NOT_FOUND, "Nobody has swept for this dynamic secret");
}

/* ---- a page of it ---- */

struct run {
    struct pn_call *call;
    struct pn_sweep *row;
    struct pn_uuid id;
    int64_t claim;
    struct pn_list page; /* of struct pn_orphan: the first `removed` are gone */
    size_t removed;
    struct pn_orphans_at at; /* behind this page */
    bool is_end, is_final;   /* is_final: it fails for good */
    struct pn_str cause;     /* PN_NONE: it went well */
};

static bool write_drop(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct run *r = context;

    return pn_job_drop(tx, PN_JOB_SWEEP, r->id, err);
}

static bool record(struct pn_db_conn *tx, const struct run *r, const char *type,
                   struct pn_str reason, struct pn_err *err)
{
    const struct pn_sweep *row = r->row;
    const struct pn_lease_event event = { .type = type,
                                          .org_id = row->org_id,
                                          .project_id = row->project_id,
                                          .environment = row->environment,
                                          .path = row->path,
                                          .name = row->name,
                                          .secret_id = row->dynamicSecretId,
                                          .requester = row->requester,
                                          .orphans = r->page.items,
                                          .orphan_count = r->removed,
                                          .count = row->removed,
                                          .reason = reason };

    return pn_lease_record(tx, r->call, &event, err);
}

/* What a page took away, if anything. */
static bool record_page(struct pn_db_conn *tx, const struct run *r, struct pn_err *err)
{
    return r->removed == 0 || record(tx, r, "sweep-dynamic-secret-orphans", PN_NONE, err);
}

static bool write_over(struct pn_db_conn *tx, struct run *r, const char *state, struct pn_err *err)
{
    r->row->state = pn_str_from(state);
    r->row->endedAt = pn_clock_lease_ms();
    r->row->error = r->cause;
    return put_sweep(tx, r->row, err) && pn_job_drop(tx, PN_JOB_SWEEP, r->id, err) &&
           record(tx, r,
                  r->cause.ptr != NULL ? "fail-dynamic-secret-sweep"
                                       : "complete-dynamic-secret-sweep",
                  r->cause, err);
}

/* The same page again, later; what was taken away of it is not in it any more. */
static bool write_failure(struct pn_db_conn *tx, struct run *r, struct pn_err *err)
{
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_job_row job;
    int64_t since_ms;
    bool is_there;

    if (!pn_job_find(tx, r->call->arena, PN_JOB_SWEEP, r->id, &job, &is_there, err))
        return false;
    if (r->is_final || job.attempts + 1 >= MAX_FAILURES)
        return write_over(tx, r, "failed", err);
    since_ms = job.failing_since_ms > 0 ? job.failing_since_ms : now_ms;
    r->row->error = r->cause;
    return put_sweep(tx, r->row, err) && record_page(tx, r, err) &&
           pn_job_fail(tx, PN_JOB_SWEEP, r->id, r->claim,
                       pn_lease_next_try(job.attempts + 2, since_ms, now_ms), r->cause, now_ms,
                       err);
}

static bool write_page(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct run *r = context;
    bool is_ours;

    if (!pn_job_holds(tx, PN_JOB_SWEEP, r->id, r->claim, &is_ours, err))
        return false;
    if (!is_ours)
        return true;
    if (r->cause.ptr != NULL)
        return write_failure(tx, r, err);
    if (r->is_end)
        return write_over(tx, r, "done", err);
    return put_sweep(tx, r->row, err) && record_page(tx, r, err) &&
           pn_job_move(tx, PN_JOB_SWEEP, r->id, pn_clock_lease_ms() + PACE_MS, err);
}

static bool remove_page(struct run *r, const struct pn_lease_config *config,
                        enum pn_provider_fault *fault, struct pn_err *err)
{
    const int64_t until_ms = pn_clock_mono_ms() + RUN_MS;
    const struct pn_orphan *orphans = r->page.items;

    while (r->removed < r->page.count && pn_clock_mono_ms() < until_ms) {
        if (!pn_orphan_remove(r->call, config, &orphans[r->removed], fault, err))
            return false;
        r->removed++;
    }
    return true;
}

/* Where the next run begins: behind the page, or at what time was too short for. */
static void note_page(struct run *r)
{
    const bool is_whole = r->cause.ptr == NULL && r->removed == r->page.count;

    r->row->removed += (int64_t)r->removed;
    r->row->pages++;
    r->row->error = PN_NONE;
    r->is_end = r->is_end && is_whole;
    if (!is_whole)
        return;
    r->row->step = r->at.step;
    r->row->next = r->at.next;
}

static void refuse_for_good(struct run *r, const char *why)
{
    r->is_final = true;
    r->cause = pn_str_from(why);
}

/* The cluster's part. False only for what is ours to fail with. */
static bool sweep_page(struct run *r, bool *has_answered, struct pn_err *err)
{
    pn_auto(pn_lease_config_drop) struct pn_lease_config config = { .credentialType = -1 };
    struct pn_orphans_in in = { .config = &config };
    enum pn_provider_fault fault = PN_PROVIDER_NO_FAULT;
    struct pn_err refusal = { 0 };

    if (!find_instance(r->call, &in, err) ||
        !pn_config_open(r->call, r->row->config_id, &config, err))
        return false;
    r->at = (struct pn_orphans_at){ r->row->step, r->row->next };
    if (!pn_orphans_page(r->call, &in, &r->at, &r->page, &fault, &refusal) ||
        !remove_page(r, &config, &fault, &refusal))
        r->cause = pn_arena_copy(r->call->arena, pn_str_from(refusal.message));
    *has_answered = pn_provider_has_answered(fault);
    r->is_end = pn_orphans_is_end(&in, &r->at);
    return true;
}

static bool run_page(struct run *r, bool *has_answered, struct pn_err *err)
{
    struct pn_dynamic_secret secret;
    bool is_there;

    if (!pn_dynamic_row_get(r->call->conn, r->call->arena, r->id, &secret, &is_there, err))
        return false;
    if (!is_there || !pn_uuid_eq(secret.config_id, r->row->config_id))
        refuse_for_good(r, "The dynamic secret was changed meanwhile");
    else if (r->row->pages >= MAX_PAGES)
        refuse_for_good(r, "The cluster's lists do not end");
    else if (!sweep_page(r, has_answered, err))
        return false;
    note_page(r);
    if (!pn_db_write(r->call->db, write_page, r, err))
        return false;
    pn_log(r->cause.ptr != NULL ? PN_WARN : PN_INFO, "lease-sweep",
           PN_F_TEXT("dynamic-secret", pn_uuid_format(r->id).text),
           PN_F_INT("removed", (int64_t)r->removed), PN_F_STR("state", r->row->state),
           PN_F_STR("cause", r->cause));
    return true;
}

bool pn_sweep_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                      struct pn_err *err)
{
    struct pn_sweep row;
    struct run r = { .call = call, .row = &row, .id = id, .claim = claim };
    bool is_there;

    if (!find_sweep(call->conn, call->arena, id, &row, &is_there, err))
        return false;
    if (!is_there || !is_running(&row))
        return pn_db_write(call->db, write_drop, &r, err);
    return run_page(&r, has_answered, err);
}
