/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/end.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/auth/clusters.h"
#include "core/job/job.h"
#include "crypto/random.h"

#define MAX_DETAILS 255
#define RETRYING " - Retrying automatically"
#define UNDO_MS 10000 /* of one run: four deletes of 3 s at most, none that hangs for long */
#define ALERT_AT 3
#define FIRST_CLEANING_MS 30000 /* intents are tried at this pace for an hour */
#define HOUR_MS INT64_C(3600000)

/* From the first failure on (D22); then every four hours. */
static const int64_t tries_ms[] = { 0, 30000, 120000, 600000, 3600000 };
#define LATER_MS (4 * HOUR_MS)

int64_t pn_lease_next_try(int64_t failures, int64_t since_ms, int64_t now_ms)
{
    const int64_t spread_ms = LATER_MS / 5;
    int64_t due_ms;

    if (failures <= (int64_t)PN_COUNT(tries_ms)) {
        due_ms = since_ms + tries_ms[failures > 0 ? failures - 1 : 0];
        return due_ms > now_ms ? due_ms : now_ms;
    }
    return now_ms + LATER_MS - spread_ms + pn_random_below((uint32_t)(2 * spread_ms));
}

/* ---- the cluster ---- */

/* Only what a stored token may be sent to: the same place, verified in the same way. */
static bool borrow_newest(struct pn_call *call, struct pn_uuid config_id,
                          const struct pn_lease_plan *plan, struct pn_lease_config *config,
                          struct pn_err *err)
{
    pn_auto(pn_lease_config_drop) struct pn_lease_config newest = { .credentialType = -1 };
    struct pn_uuid id;

    if (!pn_config_newest(call->conn, plan->dynamic_secret_id, &id, err) || pn_uuid_is_zero(id) ||
        pn_uuid_eq(id, config_id) || !pn_config_open(call, id, &newest, err))
        return false;
    if (newest.clusterToken == NULL || pn_lease_config_is_moved(config, &newest) ||
        !pn_str_eq(pn_lease_config_place(call->arena, config),
                   pn_lease_config_place(call->arena, &newest)))
        return false;
    pn_secret_freep(&config->clusterToken);
    config->clusterToken = pn_take(&newest.clusterToken);
    return true;
}

bool pn_lease_undo(struct pn_call *call, struct pn_uuid config_id, struct pn_lease_plan *plan,
                   enum pn_provider_fault *fault, struct pn_err *err)
{
    pn_auto(pn_lease_config_drop) struct pn_lease_config config = { .credentialType = -1 };
    struct pn_err refusal = { 0 }, ignored = { 0 };

    *fault = PN_PROVIDER_NO_FAULT;
    if (plan->object_count == 0)
        return true;
    if (!pn_config_open(call, config_id, &config, err))
        return false;
    if (pn_provider_revoke(call, &config, plan, fault, &refusal))
        return true;
    if (*fault == PN_PROVIDER_DENIED && borrow_newest(call, config_id, plan, &config, &ignored)) {
        pn_err_clear(&refusal);
        if (pn_provider_revoke(call, &config, plan, fault, &refusal))
            return true;
    }
    *err = refusal;
    return false;
}

/*
 * Requests take turns at a cluster (core/auth/cluster_turns.h), so that ends at a dead one do not take the lane either:
 * who gets none leaves it to the job, which is due at once and has threads of its own. Jobs have no turns.
 */
static bool undo_in_turn(struct pn_call *call, struct pn_lease *lease,
                         enum pn_provider_fault *fault, struct pn_err *err)
{
    pn_auto(pn_lease_config_drop) struct pn_lease_config config = { .credentialType = -1 };
    struct pn_cluster_place place;
    bool done;

    *fault = PN_PROVIDER_NO_ROAD;
    if (call->clusters == NULL || lease->plan.object_count == 0)
        return pn_lease_undo(call, lease->config_id, &lease->plan, fault, err);
    if (!pn_config_open(call, lease->config_id, &config, err))
        return false;
    place = pn_lease_config_turn(call->arena, &config);
    if (!pn_clusters_enter(call, &place, err))
        return pn_recast(err, PN_BAD_REQUEST, "Too many requests of this cluster at once");
    done = pn_lease_undo(call, lease->config_id, &lease->plan, fault, err);
    pn_clusters_leave(call, &place, pn_provider_has_answered(*fault));
    return done;
}

/* ---- rows ---- */

struct ending {
    struct pn_call *call;
    struct pn_lease *lease;
    struct pn_lease_ending *of;
    struct pn_str cause; /* why it failed; PN_NONE: it did not */
    bool is_first;       /* out: an intent whose cleaning begins with this run */
    int64_t failures;    /* out */
};

static bool read_again(struct pn_db_conn *tx, struct ending *e, bool *is_ours, struct pn_err *err)
{
    if (!pn_job_holds(tx, PN_JOB_LEASE, e->lease->id, e->of->claim, is_ours, err))
        return false;
    return !*is_ours || pn_lease_row_find(tx, e->call->arena, e->lease->id, e->lease, is_ours, err);
}

static bool set_state(struct pn_lease *lease, enum pn_lease_state to, struct pn_err *err)
{
    if (!pn_lease_state_may(lease->state, to))
        return pn_fail(err, PN_INTERNAL, "Something went wrong") ||
               pn_within(err, "a lease that is %s cannot become %s",
                         pn_lease_state_name(lease->state), pn_lease_state_name(to));
    pn_log(PN_DEBUG, "lease-state", PN_F_TEXT("lease", pn_uuid_format(lease->id).text),
           PN_F_TEXT("from", pn_lease_state_name(lease->state)),
           PN_F_TEXT("to", pn_lease_state_name(to)));
    lease->state = to;
    lease->status = pn_str_from(pn_lease_state_status(to));
    lease->updatedAt = pn_clock_lease_ms();
    return true;
}

/* Its end begins, unless it was renewed since it was claimed. */
static bool write_begin(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct ending *e = context;
    struct pn_lease *lease = e->lease;
    bool is_ours;

    if (!read_again(tx, e, &is_ours, err))
        return false;
    e->of->is_overtaken = !is_ours;
    if (!is_ours)
        return true;
    if (lease->state == PN_LEASE_PENDING &&
        pn_clock_lease_ms() < lease->createdAt + PN_LEASE_INTENT_MS) {
        e->of->is_overtaken = true;
        return pn_job_move(tx, PN_JOB_LEASE, lease->id, lease->createdAt + PN_LEASE_INTENT_MS, err);
    }
    if (lease->state == PN_LEASE_PENDING) {
        e->is_first = true;
        return set_state(lease, PN_LEASE_CLEANING, err) && pn_lease_row_update(tx, lease, err);
    }
    if (lease->state != PN_LEASE_ACTIVE && lease->state != PN_LEASE_FAILED)
        return true;
    return set_state(lease, PN_LEASE_REVOKING, err) && pn_lease_row_update(tx, lease, err);
}

/* Which status a dynamic secret that is being deleted shows (§1.4). */
static bool read_status(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, bool *is_leaving,
                        struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT 1 FROM dynamic_secrets WHERE id = $id AND status IS NOT NULL");

    pn_bind_uuid(q, "$id", dynamic_secret);
    *is_leaving = pn_query_next(q);
    return pn_query_end(q, err);
}

bool pn_lease_settle(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
{
    bool is_leaving;
    int64_t left = 0;

    if (!read_status(tx, dynamic_secret, &is_leaving, err))
        return false;
    /* Counted for who leaves only: ten thousand that end together would each count all others. */
    if (is_leaving && (!pn_lease_row_count(tx, dynamic_secret, &left, err) ||
                       (left == 0 && !pn_dynamic_row_delete(tx, dynamic_secret, err))))
        return false;
    return pn_config_prune(tx, dynamic_secret, err);
}

static struct pn_lease_event event_of(const struct ending *e, const char *type)
{
    struct pn_lease_event event = pn_lease_event_alone(type, e->lease);

    if (e->of->has_scope) {
        event.environment = e->of->scope.place.environment;
        event.path = e->of->scope.place.path;
    }
    event.has_forced = !e->of->is_automatic;
    event.is_forced = e->of->is_forced;
    event.reason = e->of->is_automatic ? PN_LIT("expired or revoked by the platform") : PN_NONE;
    return event;
}

/* An intent that came to nothing has no record of its end: nobody was told of it. */
static bool write_gone(struct pn_db_conn *tx, struct ending *e, struct pn_err *err)
{
    struct pn_lease *lease = e->lease;
    struct pn_lease_event event = event_of(e, "delete-dynamic-secret-lease");
    bool was_shown = pn_lease_state_is_shown(lease->state);

    if (e->cause.ptr != NULL) {
        event.has_abandoned = true;
        event.reason = e->cause;
    }
    if (!set_state(lease, PN_LEASE_GONE, err))
        return false;
    e->of->is_gone = true;
    return pn_lease_row_delete(tx, lease->id, err) &&
           pn_job_drop(tx, PN_JOB_LEASE, lease->id, err) &&
           pn_lease_settle(tx, lease->dynamicSecretId, err) &&
           (!was_shown || pn_lease_record(tx, e->call, &event, err));
}

/*
 * Nobody knows when its maker stopped: the cluster may carry out what a killed server asked for last, and one that was
 * stopped for a while goes on. So what was clean once is looked at again when all that could come has come.
 */
static bool write_once_more(struct pn_db_conn *tx, const struct ending *e, struct pn_err *err)
{
    return pn_lease_row_update(tx, e->lease, err) &&
           pn_job_move(tx, PN_JOB_LEASE, e->lease->id, pn_clock_lease_ms() + PN_LEASE_INTENT_MS,
                       err);
}

static struct pn_str details_of(const struct ending *e)
{
    const char *tail = e->of->is_automatic ? RETRYING : "";
    struct pn_str text = pn_arena_printf(
        e->call->arena, "Failed to revoke lease from provider: %.*s", PN_ARG(e->cause));
    size_t most = MAX_DETAILS - strlen(tail);

    if (text.len > most) {
        while (most > 0 && ((uint8_t)text.ptr[most] & 0xc0) == 0x80)
            most--;
        text.len = most;
    }
    return pn_arena_printf(e->call->arena, "%.*s%s", PN_ARG(text), tail);
}

static bool write_retry(struct pn_db_conn *tx, struct ending *e, struct pn_err *err)
{
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_lease *lease = e->lease;
    struct pn_job_row job;
    int64_t since_ms, due_ms;
    bool is_there;

    if (!pn_job_find(tx, e->call->arena, PN_JOB_LEASE, lease->id, &job, &is_there, err))
        return false;
    since_ms = job.failing_since_ms > 0 ? job.failing_since_ms : now_ms;
    e->failures = job.attempts + 1;
    due_ms = lease->state == PN_LEASE_CLEANING && now_ms - since_ms < HOUR_MS
                 ? now_ms + FIRST_CLEANING_MS
                 : pn_lease_next_try(e->failures, since_ms, now_ms);
    return pn_job_fail(tx, PN_JOB_LEASE, lease->id, e->of->claim, due_ms, e->cause, now_ms, err);
}

static bool write_failed(struct pn_db_conn *tx, struct ending *e, struct pn_err *err)
{
    struct pn_lease *lease = e->lease;
    struct pn_lease_event event = event_of(e, "fail-dynamic-secret-lease");
    bool is_leaving;

    if (!write_retry(tx, e, err))
        return false;
    if (lease->state == PN_LEASE_CLEANING)
        return pn_lease_row_update(tx, lease, err);
    if (!set_state(lease, PN_LEASE_FAILED, err))
        return false;
    lease->statusDetails = details_of(e);
    event.reason = e->cause;
    if (!pn_lease_row_update(tx, lease, err) ||
        !read_status(tx, lease->dynamicSecretId, &is_leaving, err))
        return false;
    if (is_leaving && !pn_dynamic_row_set_status(tx, lease->dynamicSecretId,
                                                 pn_lease_state_status(PN_LEASE_FAILED),
                                                 lease->statusDetails, err))
        return false;
    /* The first failure, and the one that somebody should look at; not every try for ever. */
    return (e->failures != 1 && e->failures != ALERT_AT) ||
           pn_lease_record(tx, e->call, &event, err);
}

static bool write_end(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct ending *e = context;
    const struct pn_lease_plan plan = e->lease->plan; /* as the cluster left it */
    bool is_ours;

    if (!read_again(tx, e, &is_ours, err))
        return false;
    e->of->is_overtaken = !is_ours;
    if (!is_ours)
        return true;
    e->lease->plan = plan;
    if (e->cause.ptr != NULL && !e->of->is_forced)
        return write_failed(tx, e, err);
    return e->is_first ? write_once_more(tx, e, err) : write_gone(tx, e, err);
}

/* ---- the whole ---- */

static void log_end(const struct ending *e)
{
    const struct pn_uuid_text id = pn_uuid_format(e->lease->id);

    if (e->of->is_overtaken)
        pn_log(PN_DEBUG, "lease-end-overtaken", PN_F_TEXT("lease", id.text));
    else if (e->of->is_gone)
        pn_log(PN_INFO, "lease-ended", PN_F_TEXT("lease", id.text),
               PN_F_STR("account", e->lease->externalEntityId));
    else if (e->cause.ptr == NULL)
        pn_log(PN_INFO, "lease-intent-cleaned", PN_F_TEXT("lease", id.text),
               PN_F_STR("account", e->lease->externalEntityId));
    else
        pn_log(e->failures >= ALERT_AT ? PN_ERROR : PN_WARN, "lease-not-revoked",
               PN_F_TEXT("lease", id.text), PN_F_STR("account", e->lease->externalEntityId),
               PN_F_INT("failures", e->failures), PN_F_STR("cause", e->cause));
}

/* What was in doubt is looked at again by every later run: its objects may have come since. */
static void forget_what_was_gone(struct pn_lease *lease)
{
    for (size_t i = 0; i < lease->plan.object_count; i++)
        lease->plan.objects[i].is_gone = false;
}

bool pn_lease_end(struct pn_call *call, struct pn_lease *lease, struct pn_lease_ending *ending,
                  struct pn_err *err)
{
    const int64_t most_ms = pn_clock_mono_ms() + UNDO_MS, deadline_ms = call->deadline_ms;
    struct ending e = { .call = call, .lease = lease, .of = ending };
    enum pn_provider_fault fault = PN_PROVIDER_NO_FAULT;
    struct pn_err refusal = { 0 };

    if (!pn_db_write(call->db, write_begin, &e, err))
        return false;
    if (ending->is_overtaken)
        return true;
    if (lease->state == PN_LEASE_CLEANING)
        forget_what_was_gone(lease);
    call->deadline_ms = call->deadline_ms < most_ms ? call->deadline_ms : most_ms;
    if (!undo_in_turn(call, lease, &fault, &refusal))
        e.cause = pn_arena_copy(call->arena, pn_str_from(refusal.message));
    call->deadline_ms = deadline_ms;
    ending->has_answered = pn_provider_has_answered(fault);
    if (!pn_db_write(call->db, write_end, &e, err))
        return false;
    log_end(&e);
    return true;
}
