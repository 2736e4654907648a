/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/lease.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/auth/clusters.h"
#include "core/job/job.h"
#include "core/lease/end.h"
#include "core/lease/issues.h"
#include "core/lease/outputs.h"
#include "core/lease/record.h"
#include "core/lease/ttl.h"
#include "core/org/instance.h"
#include "crypto/random.h"
#include "json/settings.h"

#define CREATE_MS 8000 /* below the 10 s after which a client tries again (D21) */
#define UNDO_MS 5000
#define SOON_MS 30000
#define SKEW_MS 60000
#define DEFAULT_LIMIT 10000

/* ---- length ---- */

static bool find_length(struct pn_call *call, const struct pn_dynamic_secret *secret,
                        struct pn_str wanted, int64_t *ttl_ms, int64_t *max_ms, struct pn_err *err)
{
    const struct pn_str text = wanted.len > 0 ? wanted : secret->defaultTTL;
    const char *fault = pn_ttl_fault(text, ttl_ms);
    struct pn_issues issues;

    *max_ms = 0;
    if (fault != NULL) {
        pn_issues_begin(&issues);
        pn_issues_add(&issues, "ttl", fault);
        return pn_issues_end(&issues, call->arena, err);
    }
    if (secret->maxTTL.len > 0 && pn_ttl_fault(secret->maxTTL, max_ms) != NULL)
        *max_ms = 0;
    return true;
}

/* ---- creation ---- */

struct making {
    struct pn_call *call;
    struct pn_lease_scope scope;
    struct pn_dynamic_secret *secret;
    struct pn_lease *lease;
    struct pn_lease_config config;
    struct pn_provider_want want;
    struct pn_lease_token token;
    unsigned outputs;
    int64_t started_ms;
};

static int64_t limit_of(const struct pn_call *call)
{
    return call->settings != NULL && call->settings->lease_limit > 0 ? call->settings->lease_limit
                                                                     : DEFAULT_LIMIT;
}

/* What was read before is looked at again where nothing changes under it. */
static bool check_secret(struct pn_db_conn *tx, struct making *m, struct pn_err *err)
{
    struct pn_dynamic_secret now;
    int64_t count;
    bool is_there;

    if (!pn_dynamic_row_get(tx, m->call->arena, m->secret->id, &now, &is_there, err))
        return false;
    if (!is_there || !pn_uuid_eq(now.config_id, m->secret->config_id))
        return pn_fail(err, PN_CONFLICT,
                       "The dynamic secret was changed at the same time. Try again");
    if (now.status.ptr != NULL)
        return pn_fail(err, PN_BAD_REQUEST, "The dynamic secret '%.*s' is being deleted",
                       PN_ARG(now.name));
    if (!pn_lease_row_count(tx, now.id, &count, err))
        return false;
    return count < limit_of(m->call) ||
           pn_fail(err, PN_BAD_REQUEST, "Max lease limit reached. Limit: %lld",
                   (long long)limit_of(m->call));
}

/* A lease without objects is ended without its cluster, so nothing of a dead one holds it up. */
static struct pn_job_where where_of(struct making *m)
{
    return (struct pn_job_where){ m->lease->org_id,
                                  m->lease->plan.object_count > 0
                                      ? pn_lease_config_place(m->call->arena, &m->config)
                                      : PN_LIT("") };
}

static bool write_intent(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct making *m = context;
    const struct pn_job_where where = where_of(m);

    return check_secret(tx, m, err) && pn_lease_row_insert(tx, m->lease, err) &&
           pn_job_put(tx, PN_JOB_LEASE, m->lease->id, &where, m->started_ms + PN_LEASE_INTENT_MS,
                      m->started_ms, err);
}

static bool refuse_gone(struct pn_err *err)
{
    return pn_fail(err, PN_CONFLICT, "The dynamic secret was deleted at the same time");
}

static bool read_pending(struct pn_db_conn *tx, const struct making *m, struct pn_err *err)
{
    struct pn_lease now;
    bool is_there;

    if (!pn_lease_row_find(tx, m->call->arena, m->lease->id, &now, &is_there, err))
        return false;
    return (is_there && now.state == PN_LEASE_PENDING) || refuse_gone(err);
}

/* What a lease is of may have gone, or begun to go, while the cluster worked. */
static bool read_wanted(struct pn_db_conn *tx, const struct making *m, struct pn_err *err)
{
    struct pn_dynamic_secret now;
    bool is_there;

    if (!read_pending(tx, m, err) ||
        !pn_dynamic_row_get(tx, m->call->arena, m->secret->id, &now, &is_there, err))
        return false;
    return (is_there && now.status.ptr == NULL) || refuse_gone(err);
}

/* The names of the first intent are somebody else's: others, in the same row. */
static bool write_other_names(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct making *m = context;

    return read_pending(tx, m, err) && pn_lease_row_update(tx, m->lease, err) &&
           pn_job_move(tx, PN_JOB_LEASE, m->lease->id, m->started_ms + PN_LEASE_INTENT_MS, err);
}

/* What makes nothing in the cluster leaves nothing behind: its first row is written when there is a token. */
static bool needs_intent(const struct making *m)
{
    return m->lease->plan.object_count > 0;
}

static bool keep_made(struct pn_db_conn *tx, struct making *m, struct pn_err *err)
{
    const struct pn_job_where where = where_of(m);
    const struct pn_lease *lease = m->lease;

    if (!needs_intent(m))
        return check_secret(tx, m, err) && pn_lease_row_insert(tx, lease, err) &&
               pn_job_put(tx, PN_JOB_LEASE, lease->id, &where, lease->expireAt, m->started_ms, err);
    return read_wanted(tx, m, err) && pn_lease_row_update(tx, lease, err) &&
           pn_job_move(tx, PN_JOB_LEASE, lease->id, lease->expireAt, err);
}

static bool write_active(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct making *m = context;
    struct pn_lease *lease = m->lease;
    struct pn_lease_event event =
        pn_lease_event_of("create-dynamic-secret-lease", &m->scope, m->secret, lease);

    pn_assert(pn_lease_state_may(PN_LEASE_PENDING, PN_LEASE_ACTIVE));
    event.warning = m->token.warning;
    lease->state = PN_LEASE_ACTIVE;
    return keep_made(tx, m, err) && pn_lease_record(tx, m->call, &event, err);
}

static bool write_forgotten(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct making *m = context;

    return pn_lease_row_delete(tx, m->lease->id, err) &&
           pn_job_drop(tx, PN_JOB_LEASE, m->lease->id, err) &&
           pn_lease_settle(tx, m->lease->dynamicSecretId, err);
}

struct leftover {
    struct making *m;
    int64_t due_ms;
};

/* May be called for a row that a job has got to meanwhile: then it is the job's. */
static bool write_leftover(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct leftover *l = context;
    struct pn_lease now;
    bool is_there;

    if (!pn_lease_row_find(tx, l->m->call->arena, l->m->lease->id, &now, &is_there, err))
        return false;
    if (!is_there || (now.state != PN_LEASE_PENDING && now.state != PN_LEASE_CLEANING))
        return true;
    now.state = PN_LEASE_CLEANING;
    now.plan = l->m->lease->plan;
    return pn_lease_row_update(tx, &now, err) &&
           pn_job_move(tx, PN_JOB_LEASE, now.id, l->due_ms, err);
}

/*
 * Takes back what a failed creation left, inline; what cannot be confirmed, or may still come about, is left
 * to the job. The row stays until then; it is shown to nobody.
 */
static void take_back(struct making *m, enum pn_provider_fault fault)
{
    const struct pn_lease_plan made = m->lease->plan;
    const bool is_in_doubt = fault == PN_PROVIDER_IN_DOUBT;
    struct pn_err refusal = { 0 }, failure = { 0 };
    struct leftover left = { .m = m };
    bool is_undone, is_written;

    m->call->deadline_ms = pn_clock_mono_ms() + UNDO_MS;
    is_undone = pn_lease_undo(m->call, m->lease->config_id, &m->lease->plan, &fault, &refusal);
    if (is_undone && !is_in_doubt) {
        is_written = pn_db_write(m->call->db, write_forgotten, m, &failure);
    } else {
        m->lease->plan = made;
        left.due_ms = pn_clock_lease_ms() + (is_in_doubt ? PN_LEASE_INTENT_MS : SOON_MS);
        is_written = pn_db_write(m->call->db, write_leftover, &left, &failure);
        pn_log(PN_WARN, "lease-left-over", PN_F_TEXT("lease", pn_uuid_format(m->lease->id).text),
               PN_F_STR("account", m->lease->externalEntityId), PN_F_ERR(&refusal));
    }
    if (!is_written) /* the intent is still there, and due */
        pn_log(PN_ERROR, "lease-intent-kept", PN_F_TEXT("lease", pn_uuid_format(m->lease->id).text),
               PN_F_ERR(&failure));
}

static bool say_failed(struct making *m, struct pn_err *err)
{
    struct pn_str cause = pn_arena_copy(m->call->arena, pn_str_from(err->message));

    if (err->code != PN_BAD_REQUEST)
        return false;
    return pn_recast(err, PN_BAD_REQUEST, "Failed to create lease from provider: %.*s",
                     PN_ARG(cause));
}

static bool plan(struct making *m, struct pn_err *err)
{
    struct pn_lease *lease = m->lease;

    if (!pn_provider_plan(m->call, &m->config, &m->want, &lease->plan, err))
        return say_failed(m, err);
    lease->externalEntityId = lease->plan.account;
    return true;
}

/* The cluster's part. On a name that is taken, once more with others (case 99). */
static bool make(struct making *m, enum pn_provider_fault *fault, struct pn_err *err)
{
    struct pn_err ignored = { 0 };
    enum pn_provider_fault undone;

    if (pn_provider_create(m->call, &m->config, &m->lease->plan, &m->token, fault, err))
        return true;
    if (*fault != PN_PROVIDER_TAKEN)
        return false;
    if (!pn_lease_undo(m->call, m->lease->config_id, &m->lease->plan, &undone, &ignored))
        return false;
    pn_err_clear(err);
    return plan(m, err) && pn_db_write(m->call->db, write_other_names, m, err) &&
           pn_provider_create(m->call, &m->config, &m->lease->plan, &m->token, fault, err);
}

static void note_skew(const struct making *m)
{
    int64_t skew_ms = m->token.issued_ms - pn_clock_wall_ms();

    if (m->token.issued_ms > 0 && (skew_ms > SKEW_MS || skew_ms < -SKEW_MS))
        pn_log(PN_WARN, "cluster-clock-differs", PN_F_INT("ms", skew_ms),
               PN_F_STR("place", pn_lease_config_place(m->call->arena, &m->config)));
}

/* The token's life counts from before it was asked for, by our own clock (D5). */
static void take_token(struct making *m)
{
    struct pn_lease *lease = m->lease;

    lease->token_end_ms = m->started_ms + m->token.lives_ms;
    if (lease->expireAt > lease->token_end_ms)
        lease->expireAt = lease->token_end_ms;
    lease->jti = m->token.jti;
    lease->updatedAt = pn_clock_lease_ms();
    note_skew(m);
}

static bool make_and_keep(struct making *m, enum pn_provider_fault *fault, struct pn_err *err)
{
    const int64_t deadline_ms = m->call->deadline_ms, most_ms = pn_clock_mono_ms() + CREATE_MS;

    m->call->deadline_ms = deadline_ms < most_ms ? deadline_ms : most_ms;
    if (make(m, fault, err)) {
        take_token(m);
        if (pn_db_write(m->call->db, write_active, m, err))
            return true;
        m->lease->state = PN_LEASE_PENDING;
    } else {
        (void)say_failed(m, err);
    }
    if (needs_intent(m))
        take_back(m, *fault);
    return false;
}

static bool intend(struct making *m, struct pn_err *err)
{
    return needs_intent(m) ? pn_db_write(m->call->db, write_intent, m, err)
                           : check_secret(m->call->conn, m, err);
}

/* A dead cluster does not take the lane: core/auth/cluster_turns.h. */
static bool make_in_turn(struct making *m, struct pn_err *err)
{
    const struct pn_cluster_place place = pn_lease_config_turn(m->call->arena, &m->config);
    enum pn_provider_fault fault = PN_PROVIDER_NO_ROAD; /* nobody was asked yet */
    bool done;

    if (!pn_clusters_enter(m->call, &place, err))
        return pn_recast(err, PN_RATE_LIMITED, /* which clients try again by themselves */
                         "Too many leases of this cluster at once. Please try again in 1 seconds");
    done = intend(m, err) && make_and_keep(m, &fault, err);
    pn_clusters_leave(m->call, &place, pn_provider_has_answered(fault));
    return done;
}

static struct pn_lease new_lease(struct making *m, struct pn_str namespace)
{
    const struct pn_place *place = &m->scope.place;
    struct pn_arena *arena = m->call->arena;

    return (struct pn_lease){
        .id = m->want.lease_id,
        .dynamicSecretId = m->secret->id,
        .config_id = m->secret->config_id,
        .org_id = m->call->actor.org_id,
        .project_id = place->project_id,
        .environment = place->environment,
        .path = place->path,
        .name = m->secret->name,
        .state = PN_LEASE_PENDING,
        .version = 1,
        .expireAt = m->started_ms + m->want.ttl_ms,
        .createdAt = m->started_ms,
        .updatedAt = m->started_ms,
        .config = namespace.ptr != NULL
                      ? pn_arena_printf(arena, "{\"namespace\":\"%.*s\"}", PN_ARG(namespace))
                      : PN_NONE,
    };
}

static bool start(struct making *m, const struct pn_lease_want *want, struct pn_err *err)
{
    struct pn_dynamic_secret *secret = m->secret;

    m->started_ms = pn_clock_lease_ms();
    m->want = (struct pn_provider_want){ .lease_id = pn_random_uuid(),
                                         .dynamic_secret_id = secret->id,
                                         .dynamic_secret_name = secret->name,
                                         .namespace = want->namespace,
                                         .usernameTemplate = secret->usernameTemplate,
                                         .now_ms = m->started_ms };
    if (!pn_instance_id(m->call->conn, &m->want.instance_id, err) ||
        !find_length(m->call, secret, want->ttl, &m->want.ttl_ms, &m->want.max_ttl_ms, err))
        return false;
    if (m->want.max_ttl_ms > 0 && m->want.ttl_ms > m->want.max_ttl_ms)
        return pn_fail(err, PN_BAD_REQUEST, "TTL cannot be larger than max TTL");
    if (secret->status.ptr != NULL)
        return pn_fail(err, PN_BAD_REQUEST, "The dynamic secret '%.*s' is being deleted",
                       PN_ARG(secret->name));
    *m->lease = new_lease(m, PN_NONE);
    if (!plan(m, err))
        return false;
    if (want->namespace.ptr != NULL) /* one of the configured ones: the plan would have refused */
        m->lease->config = new_lease(m, m->lease->plan.namespace).config;
    return make_in_turn(m, err);
}

/* Who is not shown where the cluster is hears it only where the dynamic secret says so. */
static bool read_outputs(struct making *m, const struct pn_lease_want *want, struct pn_err *err)
{
    const struct pn_list metadata = m->secret->metadata;
    struct pn_issues issues;
    unsigned given;

    pn_issues_begin(&issues);
    if (!pn_lease_outputs_read(m->config.outputs, &given) ||
        !pn_lease_outputs_read(want->has_outputs ? want->outputs : m->config.outputs, &m->outputs))
        pn_issues_add(&issues, "config.outputs", PN_LEASE_OUTPUTS_RULE);
    if (!pn_issues_end(&issues, m->call->arena, err))
        return false;
    if (!(m->outputs & ~given & PN_LEASE_OUTPUT_KUBECONFIG))
        return true;
    if (!pn_lease_scope_permit(m->call, &m->scope, metadata, "read-root-credential", err) ||
        !pn_lease_scope_permit(m->call, &m->scope, metadata, "edit-root-credential", err))
        return false;
    return m->config.url.len > 0 || pn_fail(err, PN_BAD_REQUEST, PN_LEASE_OUTPUTS_URL);
}

bool pn_lease_create(struct pn_call *call, const struct pn_lease_want *want, struct pn_lease *lease,
                     struct pn_dynamic_secret *secret, struct pn_lease_data *data,
                     struct pn_err *err)
{
    struct making m = {
        .call = call, .lease = lease, .secret = secret, .config = { .credentialType = -1 }
    };
    bool done;

    if (!pn_lease_scope_open(call, &want->at, PN_LEASE_WORDS_LEASE, &m.scope, err) ||
        !pn_lease_scope_secret(call, &m.scope, want->dynamicSecretName, secret, err) ||
        !pn_lease_scope_permit(call, &m.scope, secret->metadata, "lease", err) ||
        !pn_config_open(call, secret->config_id, &m.config, err))
        return false;
    done = read_outputs(&m, want, err) && start(&m, want, err);
    pn_lease_config_drop(&m.config);
    if (!done)
        return false;
    data->TOKEN = m.token.token;
    pn_lease_outputs_fill(call->arena, m.outputs, &m.config, lease, data);
    secret->inputs = PN_NONE;
    call->if_lost = (struct pn_undo){ .write = pn_lease_write_lost, .id = lease->id };
    return true;
}

/* ---- reading ---- */

bool pn_lease_list(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                   struct pn_list *out, struct pn_err *err)
{
    struct pn_dynamic_secret secret;
    struct pn_lease_scope scope;
    struct pn_lease_event event;

    if (!pn_lease_scope_open(call, at, PN_LEASE_WORDS_LEASE, &scope, err) ||
        !pn_lease_scope_secret(call, &scope, name, &secret, err) ||
        !pn_lease_scope_permit(call, &scope, secret.metadata, "lease", err) ||
        !pn_lease_row_list(call->conn, call->arena, secret.id, INT64_MAX, out, err))
        return false;
    event = pn_lease_event_of("list-dynamic-secret-leases", &scope, &secret, NULL);
    event.count = (int64_t)out->count;
    return pn_lease_record_read(call, &event, err);
}

static bool find(struct pn_call *call, const struct pn_lease_at *at, enum pn_lease_words words,
                 struct pn_str id, struct pn_lease_scope *scope, struct pn_lease *lease,
                 struct pn_dynamic_secret *secret, struct pn_err *err)
{
    return pn_lease_scope_open(call, at, words, scope, err) &&
           pn_lease_scope_lease(call, scope, id, lease, secret, err);
}

bool pn_lease_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                  struct pn_lease *lease, struct pn_dynamic_secret *secret, struct pn_err *err)
{
    struct pn_lease_scope scope;
    struct pn_lease_event event;

    if (!find(call, at, PN_LEASE_WORDS_GET, id, &scope, lease, secret, err))
        return false;
    secret->inputs = PN_NONE;
    event = pn_lease_event_of("get-dynamic-secret-lease", &scope, secret, lease);
    return pn_lease_record_read(call, &event, err);
}

/* ---- renewal ---- */

struct renewal {
    struct pn_call *call;
    struct pn_lease_scope scope;
    struct pn_dynamic_secret *secret;
    struct pn_lease *lease;
    int64_t ttl_ms, max_ms;
};

/* The texts are what clients look for to make a new lease instead (D6). */
static bool check_renewal(const struct renewal *r, int64_t end_ms, struct pn_err *err)
{
    const struct pn_lease *lease = r->lease;
    char ends[PN_CLOCK_ISO_BYTES];

    if (lease->state != PN_LEASE_ACTIVE || lease->expireAt <= pn_clock_lease_ms())
        return pn_fail(err, PN_BAD_REQUEST,
                       "Dynamic secret lease with ID '%s' is over and cannot be renewed",
                       pn_uuid_format(lease->id).text);
    if (r->max_ms > 0 && end_ms > lease->createdAt + r->max_ms)
        return pn_fail(
            err, PN_BAD_REQUEST,
            "The requested renewal would exceed the maximum allowed lease duration. Please"
            " choose a shorter TTL. TTL cannot be larger than max ttl");
    if (end_ms <= lease->token_end_ms)
        return true;
    pn_clock_iso(lease->token_end_ms, ends);
    return pn_fail(
        err, PN_BAD_REQUEST,
        "TTL cannot be larger than max ttl: the token of this lease ends at %s and cannot"
        " be made longer. Create a new lease",
        ends);
}

static bool write_renewal(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct renewal *r = context;
    struct pn_lease_event event;
    bool is_there;

    if (!pn_lease_row_find(tx, r->call->arena, r->lease->id, r->lease, &is_there, err))
        return false;
    if (!is_there)
        return pn_lease_refuse_missing(pn_uuid_str(r->call->arena, r->lease->id), err);
    if (!check_renewal(r, r->lease->expireAt + r->ttl_ms, err))
        return false;
    r->lease->expireAt += r->ttl_ms;
    r->lease->version++;
    r->lease->updatedAt = pn_clock_lease_ms();
    event = pn_lease_event_of("renew-dynamic-secret-lease", &r->scope, r->secret, r->lease);
    return pn_lease_row_update(tx, r->lease, err) &&
           pn_job_move(tx, PN_JOB_LEASE, r->lease->id, r->lease->expireAt, err) &&
           pn_lease_record(tx, r->call, &event, err);
}

bool pn_lease_renew(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                    struct pn_str ttl, struct pn_lease *out, struct pn_err *err)
{
    struct pn_dynamic_secret secret;
    struct renewal r = { .call = call, .secret = &secret, .lease = out };

    return find(call, at, PN_LEASE_WORDS_LEASE, id, &r.scope, out, &secret, err) &&
           find_length(call, &secret, ttl, &r.ttl_ms, &r.max_ms, err) &&
           pn_db_write(call->db, write_renewal, &r, err);
}

/* ---- revocation ---- */

struct taking {
    struct pn_uuid id;
    int64_t claim;
};

static bool write_take(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct taking *t = context;

    return pn_job_take(tx, PN_JOB_LEASE, t->id, pn_clock_lease_ms(), &t->claim, err);
}

bool pn_lease_revoke(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                     bool is_forced, struct pn_lease *out, struct pn_err *err)
{
    struct pn_lease_ending ending = { .is_forced = is_forced, .has_scope = true };
    struct pn_dynamic_secret secret;
    struct pn_lease before;
    struct taking taking;
    bool is_there;

    if (!find(call, at, PN_LEASE_WORDS_LEASE, id, &ending.scope, out, &secret, err))
        return false;
    taking = (struct taking){ .id = out->id };
    if (!pn_db_write(call->db, write_take, &taking, err))
        return false;
    ending.claim = taking.claim;
    before = *out;
    if (!pn_lease_end(call, out, &ending, err))
        return false;
    if (!ending.is_overtaken)
        return true;
    /* Another ends it at this moment: what became of it is the answer, or what it was. */
    if (!pn_lease_row_find(call->conn, call->arena, before.id, out, &is_there, err))
        return false;
    if (!is_there)
        *out = before;
    return true;
}

struct dropping {
    struct pn_uuid id;
};

static bool write_drop_job(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct dropping *d = context;

    return pn_job_drop(tx, PN_JOB_LEASE, d->id, err);
}

bool pn_lease_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                      struct pn_err *err)
{
    struct pn_lease_ending ending = { .claim = claim, .is_automatic = true, .has_answered = true };
    struct pn_lease lease;
    bool is_there, done;

    *has_answered = ending.has_answered;
    if (!pn_lease_row_find(call->conn, call->arena, id, &lease, &is_there, err))
        return false;
    if (!is_there)
        return pn_db_write(call->db, write_drop_job, &(struct dropping){ id }, err);
    done = pn_lease_end(call, &lease, &ending, err);
    *has_answered = ending.has_answered;
    return done;
}

/* ---- what goes with its folder ---- */

#define BELOW                                                                      \
    "(SELECT d.id FROM dynamic_secrets d JOIN folders f ON f.id = d.folder_id"     \
    " WHERE f.environment_id = $environment AND ($path = '/' OR f.path = $path OR" \
    " (f.path > $low AND f.path < $high)))"
#define IN_PROJECT                                                             \
    "(SELECT d.id FROM dynamic_secrets d JOIN folders f ON f.id = d.folder_id" \
    " JOIN environments e ON e.id = f.environment_id WHERE e.project_id = $project)"
/* Intents end at their own time: their maker sees that they are not wanted, or their job comes when all is quiet. */
#define DUE                                                                                 \
    "UPDATE jobs SET due_ms = $now, claim = claim + 1, claimed_until_ms = 0, attempts = 0," \
    " failing_since_ms = NULL, last_error = NULL WHERE kind = 'lease' AND id IN"            \
    " (SELECT l.id FROM leases l WHERE l.state NOT IN ('pending', 'cleaning')"              \
    " AND l.dynamic_secret_id IN "
#define UNUSED                                                           \
    "DELETE FROM lease_configs WHERE NOT EXISTS (SELECT 1 FROM leases l" \
    " WHERE l.config_id = lease_configs.id) AND dynamic_secret_id IN "

static void bind_below(struct pn_query *q, struct pn_arena *arena, struct pn_uuid environment,
                       struct pn_str path)
{
    pn_bind_uuid(q, "$environment", environment);
    pn_bind_str(q, "$path", path);
    pn_bind_str(q, "$low", pn_arena_printf(arena, "%.*s/", PN_ARG(path)));
    pn_bind_str(q, "$high", pn_arena_printf(arena, "%.*s0", PN_ARG(path)));
}

bool pn_lease_end_below(struct pn_db_conn *tx, struct pn_arena *arena, struct pn_uuid environment,
                        struct pn_str path, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, DUE BELOW ")");

    bind_below(q, arena, environment, path);
    pn_bind_int(q, "$now", pn_clock_lease_ms());
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, UNUSED BELOW);
    bind_below(q, arena, environment, path);
    return pn_query_run(q, NULL, err);
}

bool pn_lease_end_all(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, DUE "($secret))");

    pn_bind_uuid(q, "$secret", dynamic_secret);
    pn_bind_int(q, "$now", pn_clock_lease_ms());
    return pn_query_run(q, NULL, err);
}

bool pn_lease_end_project(struct pn_db_conn *tx, struct pn_uuid project, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, DUE IN_PROJECT ")");

    pn_bind_uuid(q, "$project", project);
    pn_bind_int(q, "$now", pn_clock_lease_ms());
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, UNUSED IN_PROJECT);
    pn_bind_uuid(q, "$project", project);
    return pn_query_run(q, NULL, err);
}

bool pn_lease_refuse_org(struct pn_db_conn *tx, struct pn_uuid org, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM leases WHERE org_id = $org");
    int64_t count = 0;

    pn_bind_uuid(q, "$org", org);
    if (pn_query_next(q))
        count = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return count == 0 ||
           pn_fail(
               err, PN_BAD_REQUEST,
               "The organization has %lld leases in clusters, which only it can end. Delete their"
               " dynamic secrets first",
               (long long)count);
}

bool pn_lease_write_lost(struct pn_db_conn *tx, void *id, struct pn_err *err)
{
    const struct pn_uuid *lease = id;

    return pn_job_move(tx, PN_JOB_LEASE, *lease, pn_clock_lease_ms(), err);
}
