/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "gateway/event.h"
#include "gateway/passage.h"
#include "gateway/upstream.h"

#include <stdio.h>

#define MAX_CONNECTIONS 1024
/* A timer runs at most this long ahead, so that a changed wall clock is noticed. */
#define EXPIRY_STEP_MS ((int64_t)60000)
#define IDLE_STEP_MS ((int64_t)10000)
#define HOW_ON "open a new one with 'postern kube login' or 'postern pam access'"

static const bool session_may[4][4] = {
    [PN_SESSION_NEW] = { [PN_SESSION_ASKING] = true, [PN_SESSION_ENDED] = true },
    [PN_SESSION_ASKING] = { [PN_SESSION_NEW] = true,
                            [PN_SESSION_LIVE] = true,
                            [PN_SESSION_ENDED] = true },
    [PN_SESSION_LIVE] = { [PN_SESSION_ENDED] = true },
};

static void set_state(struct pn_session *session, enum pn_session_state to)
{
    static const char *const names[] = { "new", "asking", "live", "ended" };
    struct pn_uuid_text id = pn_uuid_format(session->id);

    pn_assert(session_may[session->state][to]);
    pn_log(PN_DEBUG, "session-state", PN_F_TEXT("session", id.text),
           PN_F_TEXT("from", names[session->state]), PN_F_TEXT("to", names[to]));
    session->state = to;
}

static struct pn_str key_of(const struct pn_uuid *id)
{
    return pn_str_of(id->bytes, sizeof(id->bytes));
}

static void release_hold(struct pn_session *session)
{
    if (session->is_held)
        pn_control_release(session->worker->shared->control, session->id);
    session->is_held = false;
}

/* ---- the end ---- */

static void record_end(struct pn_session *session)
{
    struct pn_worker *worker = session->worker;
    struct pn_uuid_text id = pn_uuid_format(pn_random_uuid());
    struct pn_err err = { 0 };

    if (session->recording == NULL || !pn_recording_ends_now(session->recording))
        return;
    pn_event_session_end(&worker->event, pn_str_from(id.text), pn_str_from(session->end.message));
    if (!pn_spool_append(worker->shared->spool, worker->index, session->recording,
                         PN_SPOOL_RESPONSE, &worker->event, NULL, &err))
        pn_log(PN_WARN, "event-lost", PN_F_ERR(&err));
    if (worker->shared->session_ended != NULL)
        worker->shared->session_ended(worker->shared->context);
}

/* Credentials go first, unconditionally: whatever else is slow, nothing new gets through. */
static void drop_credentials(struct pn_session *session)
{
    pn_grant_unref(session->grant);
    session->grant = NULL;
}

/* Streams that wait for a place to say why they end still read from the cluster. */
static void drop_road(struct pn_session *session)
{
    pn_upstream_free(session->upstream);
    session->upstream = NULL;
}

void pn_session_passage_over(struct pn_session *session)
{
    if (session->state == PN_SESSION_ENDED && session->passages == NULL)
        drop_road(session);
}

void pn_session_end(struct pn_session *session, const struct pn_err *why)
{
    struct pn_uuid_text id = pn_uuid_format(session->id);

    if (session->state == PN_SESSION_ENDED)
        return;
    set_state(session, PN_SESSION_ENDED);
    session->end = *why;
    pn_log(PN_INFO, "session-ended", PN_F_TEXT("session", id.text), PN_F_ERR(why));
    pn_timer_stop(&session->expiry);
    pn_timer_stop(&session->idle);
    release_hold(session);
    drop_credentials(session);
    pn_passage_refuse_waiting(session, why);
    pn_passage_end_all(session, why);
    pn_session_passage_over(session);
    record_end(session);
}

/* Nothing was asked and no byte passed, on any loop, for as long as the account allows. */
static void end_idle(struct pn_session *session)
{
    struct pn_err why = { 0 };
    char reason[80];

    (void)snprintf(reason, sizeof(reason), "No activity for %lld seconds",
                   (long long)(session->grant->idle_ms / 1000));
    (void)pn_fail(&why, PN_FORBIDDEN, "the session has ended (%s): " HOW_ON, reason);
    pn_control_report_end(session->worker->shared->control, session->id, pn_str_from(reason));
    pn_session_end(session, &why);
}

static void on_idle(struct pn_timer *timer)
{
    struct pn_session *session = pn_container_of(timer, struct pn_session, idle);
    int64_t now_ms = pn_clock_mono_ms(), idle_ms = session->grant->idle_ms, step_ms = idle_ms / 4;
    uint64_t bytes = pn_passage_bytes(session);

    if (bytes != session->idle_bytes)
        pn_recording_touch(session->recording, now_ms);
    session->idle_bytes = bytes;
    if (now_ms - pn_recording_active(session->recording) >= idle_ms)
        end_idle(session);
    else
        pn_timer_start(session->worker->loop, &session->idle,
                       step_ms < IDLE_STEP_MS ? step_ms : IDLE_STEP_MS);
}

static void expire(struct pn_session *session)
{
    struct pn_err why = { 0 };

    (void)pn_fail(&why, PN_UNAUTHENTICATED, "the session has expired: " HOW_ON);
    pn_session_end(session, &why);
}

static void on_expiry(struct pn_timer *timer)
{
    struct pn_session *session = pn_container_of(timer, struct pn_session, expiry);
    int64_t left_ms = session->grant->expires_ms - pn_clock_wall_ms();

    if (left_ms <= 0)
        expire(session);
    else
        pn_timer_start(session->worker->loop, &session->expiry,
                       left_ms < EXPIRY_STEP_MS ? left_ms : EXPIRY_STEP_MS);
}

/* ---- credentials ---- */

static bool has_own_identity(const struct pn_session *session)
{
    return session->grant != NULL && session->grant->impersonate.len > 0;
}

static void no_identity(const struct pn_err *cause, struct pn_err *out)
{
    (void)pn_fail(out, PN_IO,
                  "the gateway has no identity of its own in the cluster to act with: %.180s",
                  cause->message);
}

/* The account's cluster; or, whatever its resource says, the one whose pod the gateway is. */
static bool find_target(const struct pn_session *session, struct pn_upstream_target *out,
                        struct pn_err *err)
{
    const struct pn_grant *grant = session->grant;
    const struct pn_own_pod *own = session->worker->pod;

    if (!has_own_identity(session)) {
        *out = (struct pn_upstream_target){ grant->url, grant->ca_pem, grant->is_insecure };
        return true;
    }
    if (own == NULL) {
        no_identity(&session->worker->no_pod, err);
        return false;
    }
    *out = (struct pn_upstream_target){ .url = own->pod.url, .ca_pem = own->pod.ca_pem };
    return true;
}

static bool open_upstream(struct pn_session *session, struct pn_err *err)
{
    struct pn_upstream_target target;

    if (!find_target(session, &target, err))
        return false;
    return pn_upstream_new(session->worker, &target, &session->upstream, err) ||
           pn_recast(err, PN_UPSTREAM, "the gateway cannot use the account's cluster: %.160s",
                     err->message);
}

static void renew_trust(struct pn_session *session)
{
    struct pn_upstream_target target;
    struct pn_err why = { 0 };

    if (!find_target(session, &target, &why) ||
        !pn_upstream_set_trust(session->upstream, &target, &why))
        pn_session_end(session, &why);
}

void pn_session_pod_changed(struct pn_worker *worker)
{
    size_t at = 0;
    struct pn_str key;
    void *session;

    while (pn_map_next(worker->sessions, &at, &key, &session))
        if (((struct pn_session *)session)->state == PN_SESSION_LIVE && has_own_identity(session))
            renew_trust(session);
}

static void go_live(struct pn_session *session)
{
    struct pn_err why = { 0 };

    if (!open_upstream(session, &why)) {
        pn_log(PN_ERROR, "cluster-unusable", PN_F_ERR(&why));
        drop_credentials(session);
        set_state(session, PN_SESSION_NEW);
        pn_passage_refuse_waiting(session, &why);
        return;
    }
    if (session->recording == NULL)
        session->recording = pn_spool_recording(session->worker->shared->spool, session->id,
                                                session->grant->expires_ms);
    set_state(session, PN_SESSION_LIVE);
    on_expiry(&session->expiry);
    if (session->grant != NULL && session->grant->idle_ms > 0) {
        pn_recording_touch(session->recording, pn_clock_mono_ms());
        on_idle(&session->idle);
    }
    pn_passage_run_waiting(session);
}

/* The server does not know it, or not any more: 403. It is away: 503, and the next request asks again. */
static void take_refusal(struct pn_session *session, const struct pn_err *refusal)
{
    struct pn_err why = { 0 };

    if (refusal->code == PN_BAD_REQUEST || refusal->code == PN_NOT_FOUND) {
        (void)pn_fail(&why, PN_FORBIDDEN, "the session has ended (%.100s): " HOW_ON,
                      refusal->message);
        pn_session_end(session, &why);
        return;
    }
    pn_log(PN_WARN, "credentials-unavailable", PN_F_ERR(refusal));
    (void)pn_fail(&why, PN_BUSY,
                  "the gateway cannot ask the Postern server about this session right now: try "
                  "again shortly");
    set_state(session, PN_SESSION_NEW);
    pn_passage_refuse_waiting(session, &why);
}

static void on_answer(struct pn_task *task)
{
    struct pn_ask *ask = pn_container_of(task, struct pn_ask, done);
    struct pn_session *session = pn_container_of(ask, struct pn_session, ask);

    if (session->state == PN_SESSION_ENDED) {
        pn_grant_unref(pn_take(&ask->grant));
    } else if (ask->grant != NULL && session->worker->http != NULL) {
        session->grant = pn_take(&ask->grant);
        go_live(session);
    } else {
        pn_grant_unref(pn_take(&ask->grant));
        take_refusal(session, &ask->err);
    }
    ask->loop = NULL; /* answered */
}

void pn_session_ask(struct pn_session *session)
{
    if (session->state != PN_SESSION_NEW)
        return;
    set_state(session, PN_SESSION_ASKING);
    session->ask = (struct pn_ask){ .session = session->id,
                                    .loop = session->worker->loop,
                                    .done.run = on_answer };
    pn_control_ask(session->worker->shared->control, &session->ask);
}

/* ---- life ---- */

static struct pn_session *find(struct pn_worker *worker, struct pn_uuid id)
{
    struct pn_session *session = pn_map_get(worker->sessions, key_of(&id));

    if (session != NULL)
        return session;
    session = pn_heap_new(sizeof(*session));
    session->worker = worker;
    session->id = id;
    session->expiry.run = on_expiry;
    session->idle.run = on_idle;
    session->waiting_end = &session->waiting;
    (void)pn_map_put(worker->sessions, key_of(&id), session);
    pn_control_hold(worker->shared->control, id);
    session->is_held = true;
    return session;
}

void pn_session_cancel(struct pn_worker *worker, struct pn_uuid id, int64_t not_after_ms)
{
    struct pn_session *session = find(worker, id);
    struct pn_ended ended = { .session = id, .reason = "Ended by its client" };
    struct pn_err why = { 0 };

    if (session->not_after_ms <
        not_after_ms) /* the tombstone stays as long as a certificate opens it */
        session->not_after_ms = not_after_ms;
    if (session->state == PN_SESSION_ENDED)
        return;
    (void)pn_fail(&why, PN_FORBIDDEN, "the session has ended (%s): " HOW_ON, ended.reason);
    pn_control_report_end(worker->shared->control, id, pn_str_from(ended.reason));
    pn_session_end(session, &why);
    worker->shared->session_cancelled(worker->shared->context, &ended);
}

bool pn_session_join(struct pn_worker *worker, struct pn_uuid id, int64_t not_after_ms,
                     struct pn_session **out, struct pn_err *err)
{
    struct pn_session *session = find(worker, id);

    if (session->connections >= MAX_CONNECTIONS)
        return pn_fail(err, PN_BUSY, "the session has %d connections already", MAX_CONNECTIONS);
    session->connections++;
    if (session->not_after_ms < not_after_ms)
        session->not_after_ms = not_after_ms;
    pn_session_ask(session);
    *out = session;
    return true;
}

void pn_session_leave(struct pn_session *session)
{
    pn_assert(session->connections > 0);
    session->connections--;
}

static void free_session(struct pn_session *session)
{
    struct pn_worker *worker = session->worker;

    pn_timer_stop(&session->expiry);
    pn_timer_stop(&session->idle);
    release_hold(session);
    drop_credentials(session);
    drop_road(session);
    pn_spool_release(worker->shared->spool, session->recording);
    (void)pn_map_remove(worker->sessions, key_of(&session->id));
    pn_heap_free(session);
}

/* An ask under way is the control thread's: its session stays. */
static bool is_needed(const struct pn_session *session, int64_t now_ms)
{
    return session->connections > 0 || session->passages != NULL || session->waiting != NULL ||
           session->ask.loop != NULL || session->not_after_ms > now_ms;
}

void pn_session_sweep(struct pn_worker *worker)
{
    int64_t now_ms = pn_clock_wall_ms();
    size_t at = 0;
    struct pn_str key;
    void *session;

    while (pn_map_next(worker->sessions, &at, &key, &session))
        if (!is_needed(session, now_ms))
            free_session(session);
}

void pn_session_abort_all(struct pn_worker *worker, const struct pn_err *why)
{
    size_t at = 0;
    struct pn_str key;
    void *session;

    while (pn_map_next(worker->sessions, &at, &key, &session)) {
        pn_passage_refuse_waiting(session, why);
        pn_passage_end_all(session, why);
    }
}

bool pn_session_has_passages(const struct pn_worker *worker)
{
    size_t at = 0;
    struct pn_str key;
    void *session;

    while (pn_map_next(worker->sessions, &at, &key, &session))
        if (((struct pn_session *)session)->passages != NULL ||
            ((struct pn_session *)session)->ask.loop != NULL)
            return true;
    return false;
}

void pn_session_free_all(struct pn_worker *worker)
{
    size_t at = 0;
    struct pn_str key;
    void *session;

    while (pn_map_next(worker->sessions, &at, &key, &session))
        free_session(session);
}
