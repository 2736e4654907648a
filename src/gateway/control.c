/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/random.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEARTBEAT_MS 10000
#define SYNC_MS 1000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define SYNC_MAX 10000
/* The kubelet renews a pod's token well before it ends; issue 5 wants the new one within 60 s. */
#define POD_MS 10000
#define POD_DOUBT_MS 1000
/* Files are renamed into their place; one that is still missing after so many tries is gone. */
#define POD_FAILURES 3
#define POD_RETRY_MS 2000

struct held {
    struct pn_uuid session;
    unsigned refs;
    struct pn_grant
        *grant; /* what one loop has been told serves the others, also while the server is away */
};

/* An end that the server has not heard of. */
struct report {
    struct report *next;
    struct pn_uuid session;
    char reason[200];
};

struct pn_control {
    struct pn_control_config config;
    char *relay_name, *direct_address;
    struct pn_home *home;
    struct pn_identity *identity;              /* the thread's */
    int64_t heartbeat_at, sync_at, connect_at; /* the thread's; monotonic */
    int64_t report_at;                         /* the thread's, likewise; not before */
    int64_t backoff_ms;                        /* the thread's */
    struct pn_own_pod *pod;                    /* the thread's, as the next two */
    int64_t pod_at, pod_read_ms;               /* due: 0 until a grant needs it; last read */
    unsigned pod_failures;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct pn_ask *asks, **asks_end; /* lock, as all below */
    struct report *reports;
    struct pn_map *held;
    bool is_stopping, is_connected, has_pod, doubts_pod;
    int64_t certificate_expires_ms;
};

static void lock(struct pn_control *control)
{
    pthread_mutex_lock(&control->lock);
}

static void unlock(struct pn_control *control)
{
    pthread_mutex_unlock(&control->lock);
}

/* Up to half as long again, so that gateways do not come back all at once. */
static int64_t with_jitter(int64_t ms)
{
    return ms + pn_random_below((uint32_t)(ms / 2 + 1));
}

static void note(struct pn_control *control, const char *what, bool is_done,
                 const struct pn_err *err)
{
    bool is_reached = is_done || !pn_home_is_away(err), was;

    lock(control);
    was = control->is_connected;
    control->is_connected = is_reached && control->identity != NULL;
    unlock(control);
    if (!is_done && (was || is_reached))
        pn_log(is_reached ? PN_ERROR : PN_WARN, is_reached ? "server-refused" : "server-away",
               PN_F_TEXT("call", what), PN_F_ERR(err));
    else if (is_done && !was)
        pn_log(PN_INFO, "server-reached", PN_F_TEXT("call", what));
}

/* ---- G1 to G3 ---- */

bool pn_control_enrol(struct pn_str server_url, struct pn_str server_ca_pem, struct pn_state *state,
                      const struct pn_secret *one_time, struct pn_err *err)
{
    struct pn_secret *token = NULL;
    struct pn_uuid gateway_id;
    struct pn_home *home;
    bool is_enrolled;

    if (pn_state_is_enrolled_with(state, one_time))
        return true;
    if (one_time == NULL)
        return pn_fail(err, PN_USAGE,
                       "this gateway is not enrolled: give it its one-time token (--token-file)");
    if (!pn_home_new(server_url, server_ca_pem, &home, err))
        return false;
    is_enrolled = pn_home_enrol(home, one_time, &token, &gateway_id, err);
    pn_home_free(home);
    return is_enrolled && pn_state_save(state, one_time, token, gateway_id, err);
}

/* Certificates are renewed at two thirds of their life; a failed try comes again, the old ones serve meanwhile. */
static void plan_renewal(struct pn_control *control)
{
    int64_t life_ms = control->identity->not_after_ms - control->identity->not_before_ms;
    int64_t left_ms = control->identity->not_before_ms + life_ms * 2 / 3 - pn_clock_wall_ms();

    control->backoff_ms = 0;
    control->connect_at =
        pn_clock_mono_ms() + (left_ms > BACKOFF_MIN_MS ? left_ms : BACKOFF_MIN_MS);
}

static void plan_retry(struct pn_control *control)
{
    control->backoff_ms = control->backoff_ms == 0 ? BACKOFF_MIN_MS : control->backoff_ms * 2;
    if (control->backoff_ms > BACKOFF_MAX_MS)
        control->backoff_ms = BACKOFF_MAX_MS;
    control->connect_at = pn_clock_mono_ms() + with_jitter(control->backoff_ms);
}

static bool connect_once(struct pn_control *control, struct pn_err *err)
{
    struct pn_identity *identity;
    bool is_done = pn_home_connect(control->home, pn_str_from(control->relay_name),
                                   pn_str_from(control->direct_address), &identity, err);

    if (is_done) {
        pn_identity_unref(control->identity);
        control->identity = identity;
        lock(control);
        control->certificate_expires_ms = identity->not_after_ms;
        unlock(control);
        plan_renewal(control);
    } else {
        plan_retry(control);
    }
    note(control, "connect", is_done, err);
    if (is_done)
        control->config.identity(control->config.context, control->identity);
    return is_done;
}

static void heartbeat(struct pn_control *control)
{
    struct pn_err err = { 0 };
    bool has_news = false;
    bool is_done =
        pn_home_heartbeat(control->home, pn_str_from(control->relay_name),
                          pn_str_from(control->direct_address), control->identity, &has_news, &err);

    note(control, "heartbeat", is_done, &err);
    control->heartbeat_at = pn_clock_mono_ms() + HEARTBEAT_MS;
    if (has_news)
        control->connect_at = pn_clock_mono_ms();
}

/* ---- the pod's identity ---- */

/* While false, grants that need it come from the thread, which tells the loops of the pod first. */
static void set_has_pod(struct pn_control *control, bool has_pod)
{
    lock(control);
    control->has_pod = has_pod;
    unlock(control);
}

static void publish_pod(struct pn_control *control, struct pn_own_pod *pod,
                        const struct pn_err *why)
{
    if (pod == NULL)
        pn_log(PN_ERROR, "pod-identity-unusable", PN_F_ERR(why));
    else
        pn_log(PN_INFO, "pod-identity", PN_F_STR("server", pod->pod.url));
    set_has_pod(control, false);
    control->config.pod(control->config.context, pod, why);
    set_has_pod(control, pod != NULL);
    pn_own_pod_unref(control->pod);
    control->pod = pod;
}

/* Tells the loops what has changed; a failure only when there was nothing, or it lasts. */
static void read_pod(struct pn_control *control)
{
    struct pn_own_pod *fresh = NULL;
    struct pn_err err = { 0 };

    control->pod_read_ms = pn_clock_mono_ms();
    control->pod_at = control->pod_read_ms + POD_MS;
    if (pn_own_pod_read(control->config.pod_directory, &fresh, &err)) {
        control->pod_failures = 0;
        if (control->pod != NULL && pn_own_pod_is_same(control->pod, fresh))
            pn_own_pod_unref(fresh);
        else
            publish_pod(control, fresh, NULL);
        return;
    }
    control->pod_at = control->pod_read_ms + POD_RETRY_MS;
    if (control->pod == NULL || ++control->pod_failures >= POD_FAILURES)
        publish_pod(control, NULL, &err);
    else
        pn_log(PN_WARN, "pod-identity-unreadable", PN_F_ERR(&err));
}

void pn_control_doubt_pod(struct pn_control *control)
{
    lock(control);
    control->doubts_pod = true;
    pthread_cond_signal(&control->wake);
    unlock(control);
}

/* With the lock held. */
static int64_t pod_due(const struct pn_control *control)
{
    int64_t soonest = control->pod_read_ms + POD_DOUBT_MS;

    return control->doubts_pod && soonest < control->pod_at ? soonest : control->pod_at;
}

static void read_pod_if_due(struct pn_control *control)
{
    bool is_due;

    lock(control);
    is_due = control->pod_at != 0 && pn_clock_mono_ms() >= pod_due(control);
    if (is_due)
        control->doubts_pod = false;
    unlock(control);
    if (is_due)
        read_pod(control);
}

/* ---- G4 ---- */

static struct pn_str key_of(const struct pn_uuid *session)
{
    return pn_str_of(session->bytes, sizeof(session->bytes));
}

/* For the loops that ask after the first; with the lock held. */
static void keep_grant(struct pn_control *control, struct pn_grant *grant)
{
    struct held *held = pn_map_get(control->held, key_of(&grant->session));

    if (held == NULL)
        return;
    pn_grant_unref(held->grant);
    held->grant = pn_grant_ref(grant);
}

static void forget_grant(struct pn_control *control, struct pn_uuid session)
{
    struct held *held;

    lock(control);
    held = pn_map_get(control->held, key_of(&session));
    if (held != NULL)
        pn_grant_unref(pn_take(&held->grant));
    unlock(control);
}

static struct pn_ask *next_ask(struct pn_control *control)
{
    struct pn_ask *ask;

    lock(control);
    ask = control->asks;
    if (ask != NULL) {
        control->asks = ask->next;
        if (control->asks == NULL)
            control->asks_end = &control->asks;
    }
    unlock(control);
    return ask;
}

static void answer(struct pn_control *control, struct pn_ask *ask)
{
    bool is_done = pn_home_credentials(control->home, ask->session, &ask->grant, &ask->err);

    note(control, "credentials", is_done || !pn_home_is_away(&ask->err), &ask->err);
    if (is_done && ask->grant->impersonate.len > 0 && control->pod == NULL)
        read_pod(control); /* the loops hear of it before they have the grant */
    if (is_done) {
        lock(control);
        keep_grant(control, ask->grant);
        unlock(control);
    }
    pn_loop_post(ask->loop, &ask->done);
}

/* True when there is nothing to wait for. */
static bool answer_at_once(struct pn_control *control, struct pn_ask *ask)
{
    const struct held *held = pn_map_get(control->held, key_of(&ask->session));

    if (control->is_stopping)
        return !pn_fail(&ask->err, PN_BUSY, "the gateway is stopping");
    if (held == NULL || held->grant == NULL ||
        (held->grant->impersonate.len > 0 && !control->has_pod))
        return false;
    ask->grant = pn_grant_ref(held->grant);
    return true;
}

void pn_control_ask(struct pn_control *control, struct pn_ask *ask)
{
    bool is_answered;

    ask->next = NULL;
    lock(control);
    is_answered = answer_at_once(control, ask);
    if (!is_answered) {
        *control->asks_end = ask;
        control->asks_end = &ask->next;
        pthread_cond_signal(&control->wake);
    }
    unlock(control);
    if (is_answered)
        pn_loop_post(ask->loop, &ask->done);
}

/* ---- G5 ---- */

void pn_control_hold(struct pn_control *control, struct pn_uuid session)
{
    struct held *held;

    lock(control);
    held = pn_map_get(control->held, key_of(&session));
    if (held == NULL) {
        held = pn_heap_new(sizeof(*held));
        held->session = session;
        (void)pn_map_put(control->held, key_of(&session), held);
        pthread_cond_signal(&control->wake);
    }
    held->refs++;
    unlock(control);
}

void pn_control_release(struct pn_control *control, struct pn_uuid session)
{
    struct held *held;

    lock(control);
    held = pn_map_get(control->held, key_of(&session));
    pn_assert(held != NULL);
    if (--held->refs == 0) {
        (void)pn_map_remove(control->held, key_of(&session));
        pn_grant_unref(held->grant);
        pn_heap_free(held);
    }
    unlock(control);
}

static struct pn_uuid *list_held(struct pn_control *control, size_t *count)
{
    struct pn_uuid *list;
    size_t at = 0;
    struct pn_str key;
    void *held;

    *count = 0;
    lock(control);
    list = pn_heap_new(pn_map_count(control->held) * sizeof(*list) + 1);
    while (pn_map_next(control->held, &at, &key, &held))
        list[(*count)++] = ((struct held *)held)->session;
    unlock(control);
    return list;
}

/* The server does not know us any more: nothing may go on in its name. */
static void end_all(struct pn_control *control, const struct pn_uuid *sessions, size_t count)
{
    struct pn_ended ended = { .reason = "the gateway has been removed" };

    for (size_t i = 0; i < count; i++) {
        ended.session = sessions[i];
        forget_grant(control, sessions[i]);
        control->config.ended(control->config.context, &ended);
    }
}

static void sync_some(struct pn_control *control, const struct pn_uuid *sessions, size_t count)
{
    struct pn_ended *ended = pn_heap_new(count * sizeof(*ended));
    struct pn_err err = { 0 };
    size_t ended_count = 0;
    bool is_done = pn_home_sync(control->home, sessions, count, ended, &ended_count, &err);

    note(control, "sync", is_done, &err);
    for (size_t i = 0; is_done && i < ended_count; i++) {
        forget_grant(control, ended[i].session);
        control->config.ended(control->config.context, &ended[i]);
    }
    if (!is_done &&
        (err.code == PN_UNAUTHENTICATED || err.code == PN_TOKEN || err.code == PN_FORBIDDEN))
        end_all(control, sessions, count);
    pn_heap_free(ended);
}

static void sync_sessions(struct pn_control *control)
{
    size_t count;
    struct pn_uuid *sessions = list_held(control, &count);

    for (size_t at = 0; at < count; at += SYNC_MAX)
        sync_some(control, sessions + at, count - at < SYNC_MAX ? count - at : SYNC_MAX);
    pn_heap_free(sessions);
    control->sync_at = pn_clock_mono_ms() + SYNC_MS;
}

/* ---- G7 ---- */

void pn_control_report_end(struct pn_control *control, struct pn_uuid session, struct pn_str reason)
{
    struct report *report = pn_heap_new(sizeof(*report));

    report->session = session;
    (void)snprintf(report->reason, sizeof(report->reason), "%.*s", PN_ARG(reason));
    forget_grant(control, session);
    lock(control);
    report->next = control->reports;
    control->reports = report;
    pthread_cond_signal(&control->wake);
    unlock(control);
}

static struct report *take_reports(struct pn_control *control)
{
    struct report *reports;

    lock(control);
    reports = control->reports;
    control->reports = NULL;
    unlock(control);
    return reports;
}

/* Back to the others, and `last` after them: one that always fails holds up nobody. */
static void keep_reports(struct pn_control *control, struct report *rest, struct report *last)
{
    struct report **end = &rest;

    while (*end != NULL)
        end = &(*end)->next;
    *end = last;
    lock(control);
    last->next = control->reports;
    control->reports = rest;
    unlock(control);
}

/*
 * A server that refuses has its own opinion of the session; one that is away is told later, and not
 * asked in the name of each session whether it is still away: this thread has other work.
 */
static void report_ends(struct pn_control *control)
{
    struct report *next;

    control->report_at = pn_clock_mono_ms() + SYNC_MS;
    for (struct report *report = take_reports(control); report != NULL; report = next) {
        struct pn_err err = { 0 };
        bool is_done =
            pn_home_end(control->home, report->session, pn_str_from(report->reason), &err);

        next = report->next;
        note(control, "end", is_done, &err);
        if (!is_done && pn_home_is_away(&err)) {
            keep_reports(control, next, report);
            return;
        }
        pn_heap_free(report);
    }
}

/* ---- the thread ---- */

static int64_t next_due(const struct pn_control *control, bool has_sessions)
{
    int64_t due = control->connect_at;

    if (control->identity != NULL && control->heartbeat_at < due)
        due = control->heartbeat_at;
    if (has_sessions && control->sync_at < due)
        due = control->sync_at;
    if (control->reports != NULL && control->report_at < due)
        due = control->report_at;
    if (control->pod_at != 0 && pod_due(control) < due)
        due = pod_due(control);
    return due;
}

/* Waits for a question or the next due time; false when it is time to end. */
static bool wait_for_work(struct pn_control *control)
{
    bool goes_on;

    lock(control);
    while (!control->is_stopping && control->asks == NULL) {
        int64_t due_ms = next_due(control, pn_map_count(control->held) > 0);
        struct timespec until = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };

        if (pn_clock_mono_ms() >= due_ms)
            break;
        (void)pthread_cond_timedwait(&control->wake, &control->lock, &until);
    }
    goes_on = !control->is_stopping;
    unlock(control);
    return goes_on;
}

static void *run(void *control_)
{
    struct pn_control *control = control_;
    struct pn_ask *ask;

    while (wait_for_work(control)) {
        int64_t now_ms = pn_clock_mono_ms();
        struct pn_err err = { 0 };

        while ((ask = next_ask(control)) != NULL)
            answer(control, ask);
        if (now_ms >= control->sync_at)
            sync_sessions(control);
        if (control->identity != NULL && now_ms >= control->heartbeat_at)
            heartbeat(control);
        if (now_ms >= control->report_at)
            report_ends(control);
        read_pod_if_due(control);
        if (now_ms >= control->connect_at)
            (void)connect_once(control, &err);
    }
    return NULL;
}

static void free_control(struct pn_control *control)
{
    struct report *next;

    for (struct report *report = control->reports; report != NULL; report = next) {
        next = report->next;
        pn_heap_free(report);
    }
    pn_home_free(control->home);
    pn_identity_unref(control->identity);
    pn_own_pod_unref(control->pod);
    pn_map_free(control->held);
    (void)pthread_mutex_destroy(&control->lock);
    (void)pthread_cond_destroy(&control->wake);
    pn_heap_free(control->relay_name);
    pn_heap_free(control->direct_address);
    pn_heap_free(control);
}

static char *copy_text(struct pn_str text)
{
    char *copy = pn_heap_new(text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static struct pn_control *new_control(const struct pn_control_config *config)
{
    struct pn_control *control = pn_heap_new(sizeof(*control));
    pthread_condattr_t clock;

    control->config = *config;
    control->asks_end = &control->asks;
    control->held = pn_map_new();
    control->heartbeat_at = pn_clock_mono_ms() + HEARTBEAT_MS;
    control->relay_name = copy_text(config->relay_name);
    control->direct_address = copy_text(config->direct_address);
    (void)pthread_mutex_init(&control->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&control->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    return control;
}

/* Away is no reason not to start; refused is. */
static bool begin(struct pn_control *control, struct pn_err *err)
{
    struct pn_err why = { 0 };
    int failure;

    if (!pn_home_new(control->config.server_url, control->config.server_ca_pem, &control->home,
                     err) ||
        !pn_home_set_token(control->home, control->config.state->access_token, err))
        return false;
    if (!connect_once(control, &why) && !pn_home_is_away(&why)) {
        *err = why;
        return false;
    }
    failure = pthread_create(&control->thread, NULL, run, control);
    if (failure != 0)
        return pn_fail_cause(err, PN_INTERNAL, failure, "cannot start the control thread");
    (void)pthread_setname_np(control->thread, "pn-control");
    return true;
}

bool pn_control_start(const struct pn_control_config *config, struct pn_control **out,
                      struct pn_err *err)
{
    struct pn_control *control = new_control(config);

    *out = control; /* the first `identity` already needs it */
    if (begin(control, err))
        return true;
    free_control(control);
    *out = NULL;
    return false;
}

void pn_control_stop(struct pn_control *control)
{
    struct pn_ask *ask;

    lock(control);
    control->is_stopping = true;
    pthread_cond_signal(&control->wake);
    unlock(control);
    (void)pthread_join(control->thread, NULL);
    while ((ask = next_ask(control)) != NULL) {
        (void)pn_fail(&ask->err, PN_BUSY, "the gateway is stopping");
        pn_loop_post(ask->loop, &ask->done);
    }
}

void pn_control_free(struct pn_control *control)
{
    if (control != NULL)
        free_control(control);
}

struct pn_control_status pn_control_status(struct pn_control *control)
{
    struct pn_control_status status;

    lock(control);
    status =
        (struct pn_control_status){ control->is_connected, (unsigned)pn_map_count(control->held),
                                    control->certificate_expires_ms };
    unlock(control);
    return status;
}
