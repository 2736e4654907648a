/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/passage.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "crypto/random.h"
#include "gateway/event.h"
#include "gateway/upstream.h"
#include "kube/headers.h"
#include "kube/names.h"
#include "kube/requestinfo.h"
#include "kube/status.h"
#include "net/forward.h"

#include <string.h>

#define ACCOUNT_LEN 36
#define DEADLINE_MS 70000 /* to a head: an API server's own limit is 60 s, and its 504 says more */
#define MAX_WAITING 1024
#define MAX_SPARE 256
#define STATUS_BYTES ((size_t)16 << 10)
#define ID_RANDOM_BYTES 10
#define READY_PATH "/.well-known/postern-ready"

struct pn_passage {
    struct pn_passage *next, **at; /* of the session's open ones; of a waiting list: next alone */
    struct pn_worker *worker;
    struct pn_session *session;
    struct pn_exchange *exchange; /* ours until forwarding takes it */
    struct pn_forward *forward;
    struct pn_http_head head;      /* to send, in the exchange's arena */
    struct pn_own_pod *pod;        /* whose token stands in it, until it is sent */
    struct pn_str path;            /* the target without the account */
    struct pn_str client_prefix;   /* "/ACCOUNT", or "" */
    struct pn_farewell_facts what; /* for its end; in the exchange's arena */
    bool is_long_running, is_ended;
    int64_t started_ns;
    uint64_t ticket;     /* of the request's record */
    int answered_status; /* what the gateway said itself; 0: nothing */
    struct pn_uuid_text id;
    char upgrade[16];
    char headers[1024]; /* of the response, as JSON */
    char prefix[ACCOUNT_LEN + 2];
};

/* ---- memory: a passage outlives its exchange, and there are many ---- */

static struct pn_uuid new_id(struct pn_worker *worker)
{
    if (worker->random_left < ID_RANDOM_BYTES) {
        pn_random_bytes(worker->random, sizeof(worker->random));
        worker->random_left = sizeof(worker->random);
    }
    worker->random_left -= ID_RANDOM_BYTES;
    return pn_uuid_v7(pn_clock_wall_ms(), worker->random + worker->random_left);
}

static struct pn_passage *new_passage(struct pn_worker *worker, struct pn_exchange *exchange)
{
    struct pn_passage *passage = worker->spare;

    if (passage != NULL) {
        worker->spare = passage->next;
        worker->spare_count--;
        memset(passage, 0, offsetof(struct pn_passage, headers));
        passage->headers[0] = '\0';
    } else {
        passage = pn_heap_new(sizeof(*passage));
    }
    passage->worker = worker;
    passage->exchange = exchange;
    passage->session = ((struct pn_client *)pn_http_conn_user(exchange->conn))->session;
    passage->started_ns = pn_clock_mono_ns();
    passage->id = pn_uuid_format(new_id(worker));
    exchange->user = passage;
    return passage;
}

static void free_passage(struct pn_passage *passage)
{
    struct pn_worker *worker = passage->worker;

    pn_own_pod_unref(pn_take(&passage->pod));
    if (worker->spare_count >= MAX_SPARE) {
        pn_heap_free(passage);
        return;
    }
    passage->next = worker->spare;
    worker->spare = passage;
    worker->spare_count++;
}

void pn_passage_free_spares(struct pn_worker *worker)
{
    while (worker->spare != NULL) {
        struct pn_passage *passage = worker->spare;

        worker->spare = passage->next;
        pn_heap_free(passage);
    }
}

/* ---- answers of our own ---- */

static void answer(struct pn_exchange *exchange, const struct pn_err *why)
{
    struct pn_kube_reply reply =
        pn_kube_reply(exchange->arena, exchange->request, pn_kube_code(why),
                      why->code == PN_BUSY ? 1 : 0, pn_str_from(why->message));

    pn_exchange_answer(exchange, &reply.head, reply.body);
}

static void lose(const struct pn_passage *passage, const struct pn_err *err)
{
    pn_log(PN_WARN, "event-lost", PN_F_TEXT("request", passage->id.text), PN_F_ERR(err));
}

static bool record_request(struct pn_passage *passage, const struct pn_request_info *info,
                           bool is_forwarded, struct pn_err *err)
{
    struct pn_worker *worker = passage->worker;
    struct pn_event_request event = {
        .id = pn_str_of(passage->id.text, ACCOUNT_LEN),
        .is_forwarded = is_forwarded,
        .head = passage->exchange->request,
        .url = passage->path,
        .info = info,
        .upgrade = pn_str_from(passage->upgrade),
        .arena = passage->exchange->arena,
    };

    pn_event_request(&worker->event, &event);
    return pn_spool_append(worker->shared->spool, worker->index, passage->session->recording,
                           PN_SPOOL_REQUEST, &worker->event, &passage->ticket, err);
}

static bool is_impersonating(const struct pn_passage *passage)
{
    const struct pn_grant *grant = passage->session->grant;

    return grant != NULL && grant->impersonate.len > 0;
}

static void record_response(struct pn_passage *passage, const struct pn_forward_result *result,
                            bool is_forwarded)
{
    struct pn_worker *worker = passage->worker;
    struct pn_event_response event = {
        .id = pn_str_of(passage->id.text, ACCOUNT_LEN),
        .is_forwarded = is_forwarded,
        .headers = pn_str_from(passage->headers),
        .status = result->status != 0 ? result->status : passage->answered_status,
        .duration_ms = (pn_clock_mono_ns() - passage->started_ns) / 1000000,
        .request_bytes = result->request_bytes,
        .response_bytes = result->response_bytes,
        .is_upgraded = result->is_upgraded,
        .upgrade = pn_str_from(passage->upgrade),
        .error = pn_str_from(result->err.message),
    };
    struct pn_err err = { 0 };

    if (event.status == 403 && event.error.len == 0 && is_forwarded && is_impersonating(passage))
        event.error = PN_LIT("the cluster refused: the account's service account has no right to "
                             "this, or the gateway may not impersonate it");

    pn_event_response(&worker->event, &event);
    if (!pn_spool_append(worker->shared->spool, worker->index, passage->session->recording,
                         PN_SPOOL_RESPONSE, &worker->event, NULL, &err))
        lose(passage, &err);
}

/* Before anything was forwarded. What happened within a live session is on record, denied or not. */
static void refuse(struct pn_passage *passage, const struct pn_request_info *info,
                   const struct pn_err *why)
{
    struct pn_forward_result result = { .status = pn_kube_code(why), .err = *why };
    struct pn_err err = { 0 };

    if (passage->session != NULL && passage->session->state == PN_SESSION_LIVE &&
        why->code != PN_BUSY) {
        if (record_request(passage, info, false, &err))
            record_response(passage, &result, false);
        else
            lose(passage, &err);
    }
    answer(passage->exchange, why);
    free_passage(passage);
}

/* ---- forwarding ---- */

static void link_passage(struct pn_passage *passage)
{
    struct pn_session *session = passage->session;

    passage->next = session->passages;
    passage->at = &session->passages;
    if (passage->next != NULL)
        passage->next->at = &passage->next;
    session->passages = passage;
}

static void unlink_passage(struct pn_passage *passage)
{
    *passage->at = passage->next;
    if (passage->next != NULL)
        passage->next->at = passage->at;
}

struct pn_str pn_passage_location(struct pn_arena *arena, struct pn_str location,
                                  struct pn_str origin, struct pn_str base,
                                  struct pn_str client_prefix)
{
    struct pn_str path = location;

    if (pn_str_istarts(path, origin)) {
        path = pn_str_slice(path, origin.len, path.len);
        if (path.len == 0)
            path = PN_LIT("/");
    }
    if (path.len == 0 || path.ptr[0] != '/' || pn_str_starts(path, PN_LIT("//")))
        return location; /* relative, or another server's: not ours to change */
    if (base.len > 0 && pn_str_starts(path, base) &&
        (path.len == base.len || path.ptr[base.len] == '/'))
        path = pn_str_slice(path, base.len, path.len);
    return pn_arena_printf(arena, "%.*s%.*s", PN_ARG(client_prefix), PN_ARG(path));
}

/*
 * The cluster's 403 passes as it is, but it has two causes, and the one that is Postern's to mend is seen
 * by nobody else: kubectl prints a Warning.
 */
static void add_hint(struct pn_passage *passage, struct pn_http_head *out)
{
    struct pn_arena *arena = passage->exchange->arena;
    struct pn_http_field *fields = pn_new(arena, struct pn_http_field, out->count + 1);
    struct pn_str namespace, name, own = passage->worker->identity->name;

    if (!pn_kube_service_account_split(passage->session->grant->impersonate, &namespace, &name))
        return;
    memcpy(fields, out->fields, out->count * sizeof(*fields));
    fields[out->count] = (struct pn_http_field){
        PN_LIT("warning"),
        pn_arena_printf(
            arena,
            "299 - \"Postern acts here as the service account %.*s/%.*s. Either its gateway may "
            "not impersonate it: apply what 'postern gateway manifest %.*s --rules --impersonate "
            "%.*s/%.*s' prints; or that account has no right to this\"",
            PN_ARG(namespace), PN_ARG(name), PN_ARG(own), PN_ARG(namespace), PN_ARG(name))
    };
    out->fields = fields;
    out->count++;
}

static void look_at_status(struct pn_passage *passage, int status, struct pn_http_head *out)
{
    if (!is_impersonating(passage))
        return;
    if (status == 403)
        add_hint(passage, out);
    else if (status == 401) /* of the gateway itself: its token may just have been renewed */
        pn_control_doubt_pod(passage->worker->shared->control);
}

static void on_response(void *passage_, const struct pn_http_head *in, struct pn_http_head *out)
{
    struct pn_passage *passage = passage_;
    const struct pn_upstream *upstream = passage->session->upstream;
    struct pn_buf *scratch = &passage->worker->event;

    look_at_status(passage, in->status, out);
    pn_buf_clear(scratch);
    pn_event_headers(scratch, in);
    if (scratch->len < sizeof(passage->headers)) {
        memcpy(passage->headers, scratch->ptr, scratch->len);
        passage->headers[scratch->len] = '\0';
    }
    for (size_t i = 0; i < out->count && upstream != NULL; i++)
        if (pn_str_iis(out->fields[i].name, "location"))
            out->fields[i].value = pn_passage_location(
                passage->exchange->arena, out->fields[i].value,
                pn_arena_printf(passage->exchange->arena, "%s://%s",
                                upstream->url.is_tls ? "https" : "http", upstream->authority),
                upstream->prefix, passage->client_prefix);
}

/* A sentence for each way a cluster can fail; its address is the operator's business. */
static void explain(const struct pn_err *err, struct pn_err *out)
{
    *out = (struct pn_err){ 0 };
    switch (err->code) {
    case PN_TIMEOUT:
        (void)pn_fail(out, PN_TIMEOUT, "the cluster's API server did not answer in time: %.160s",
                      err->message);
        return;
    case PN_BUSY:
        (void)pn_fail(out, PN_BUSY, "too many requests wait for the cluster's API server");
        return;
    default:
        (void)pn_fail(out, PN_UNREACHABLE,
                      "the gateway cannot reach the cluster's API server: %.160s", err->message);
        return;
    }
}

static void on_refused(void *passage_, struct pn_exchange *exchange, const struct pn_err *err)
{
    struct pn_passage *passage = passage_;
    struct pn_err why = *err;

    if (!passage->is_ended) /* else the session's own sentence */
        explain(err, &why);
    passage->answered_status = pn_kube_code(&why);
    answer(exchange, &why);
}

static bool on_broken(void *passage, const struct pn_err *err, struct pn_buf *status)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(STATUS_BYTES);
    struct pn_str sentence = pn_arena_printf(
        arena, "the connection to the cluster's API server broke: %.160s", err->message);

    (void)passage;
    return pn_buf_add(status, pn_kube_status(arena, pn_kube_code(err), sentence));
}

static void on_done(void *passage_, const struct pn_forward_result *result)
{
    struct pn_passage *passage = passage_;

    struct pn_session *session = passage->session;

    record_response(passage, result, true);
    unlink_passage(passage);
    free_passage(passage);
    pn_session_passage_over(session);
}

static void forward(struct pn_passage *passage)
{
    static const struct pn_forward_events events = {
        .response = on_response, .refused = on_refused, .broken = on_broken, .done = on_done
    };
    bool has_deadline = !passage->is_long_running && passage->upgrade[0] == '\0';

    link_passage(passage);
    if (passage->session->grant->idle_ms > 0)
        pn_recording_touch(passage->session->recording, pn_clock_mono_ms());
    atomic_fetch_add_explicit(&passage->worker->requests, 1, memory_order_relaxed);
    passage->forward =
        pn_forward_start(passage->exchange, passage->session->upstream->origin, &passage->head,
                         &passage->what, has_deadline ? DEADLINE_MS : 0, &events, passage);
    pn_own_pod_unref(pn_take(&passage->pod)); /* the head has been copied */
}

uint64_t pn_passage_bytes(const struct pn_session *session)
{
    uint64_t bytes = 0;

    for (const struct pn_passage *p = session->passages; p != NULL; p = p->next)
        bytes += pn_forward_bytes(p->forward);
    return bytes;
}

void pn_passage_end_all(struct pn_session *session, const struct pn_err *why)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(STATUS_BYTES);
    struct pn_str status = pn_kube_status(arena, pn_kube_code(why), pn_str_from(why->message));
    struct pn_passage *next;

    for (struct pn_passage *passage = session->passages; passage != NULL; passage = next) {
        next = passage->next;
        passage->is_ended = true;
        pn_forward_end(passage->forward, why, status);
    }
}

/* ---- record ---- */

/* Recorded, but never forwarded. */
static void give_up(struct pn_passage *passage, const struct pn_err *why)
{
    struct pn_forward_result result = { .status = pn_kube_code(why), .err = *why };

    record_response(passage, &result, true);
    answer(passage->exchange, why);
    free_passage(passage);
}

static struct pn_passage *take_strict(struct pn_worker *worker)
{
    struct pn_passage *passage = worker->strict;

    worker->strict = passage->next;
    if (worker->strict == NULL)
        worker->strict_end = &worker->strict;
    return passage;
}

void pn_passage_refuse_strict(struct pn_worker *worker)
{
    struct pn_err why = { 0 };

    (void)pn_fail(&why, PN_BUSY, "the gateway is stopping");
    while (worker->strict != NULL)
        give_up(take_strict(worker), &why);
}

void pn_passage_run_synced(struct pn_worker *worker)
{
    struct pn_err broken = { 0 };

    if (pn_spool_status(worker->shared->spool).is_broken)
        (void)pn_fail(&broken, PN_BUSY,
                      "the request cannot be recorded: the gateway's disk has failed");
    while (worker->strict != NULL) {
        struct pn_passage *passage = worker->strict;

        if (broken.code == PN_OK &&
            !pn_spool_is_synced(worker->shared->spool, worker->index, passage->ticket)) {
            pn_spool_want_synced(worker->shared->spool, worker->index);
            return;
        }
        (void)take_strict(worker);
        if (broken.code != PN_OK)
            give_up(passage, &broken);
        else if (passage->session->state != PN_SESSION_LIVE)
            give_up(passage, &passage->session->end);
        else
            forward(passage);
    }
}

static void wait_for_sync(struct pn_passage *passage)
{
    struct pn_worker *worker = passage->worker;

    passage->next = NULL;
    *worker->strict_end = passage;
    worker->strict_end = &passage->next;
    pn_spool_want_synced(worker->shared->spool, worker->index);
}

/* No record, no request. */
static bool record(struct pn_passage *passage, const struct pn_request_info *info,
                   struct pn_err *err)
{
    struct pn_err why = { 0 };

    if (record_request(passage, info, true, &why))
        return true;
    lose(passage, &why);
    return pn_fail(err, PN_BUSY, "the request cannot be recorded, so it is not forwarded: %.160s",
                   why.message);
}

/* ---- understand ---- */

bool pn_passage_split_account(struct pn_arena *arena, struct pn_str target, struct pn_uuid *account,
                              struct pn_str *rest)
{
    struct pn_str segment = pn_str_slice(target, 1, 1 + ACCOUNT_LEN);

    *rest = pn_str_slice(target, 1 + ACCOUNT_LEN, target.len);
    if (segment.len < ACCOUNT_LEN || !pn_uuid_parse(segment, account))
        return false;
    if (rest->len == 0)
        *rest = PN_LIT("/");
    else if (rest->ptr[0] == '?')
        *rest = pn_arena_printf(arena, "/%.*s", PN_ARG(*rest));
    return rest->ptr[0] == '/';
}

static bool take_account(struct pn_passage *passage, struct pn_err *err)
{
    struct pn_str target = passage->exchange->request->target;
    struct pn_uuid account;

    passage->path = target;
    if (!pn_passage_split_account(passage->exchange->arena, target, &account, &passage->path)) {
        passage->path = target;
        return true;
    }
    if (!pn_uuid_eq(account, passage->session->grant->account))
        return pn_fail(err, PN_FORBIDDEN,
                       "this address belongs to another account than the session does");
    memcpy(passage->prefix, target.ptr, 1 + ACCOUNT_LEN);
    passage->client_prefix = pn_str_of(passage->prefix, 1 + ACCOUNT_LEN);
    return true;
}

/* Who acts: the account's token, or the gateway's own pod as somebody else. */
static bool take_credentials(struct pn_passage *passage, struct pn_kube_upstream *upstream,
                             struct pn_err *err)
{
    const struct pn_grant *grant = passage->session->grant;
    struct pn_own_pod *own = passage->worker->pod;

    if (grant->authorization != NULL) {
        upstream->authorization = pn_secret_reveal(grant->authorization);
        return true;
    }
    if (own == NULL)
        return pn_fail(err, PN_IO, "the gateway has no identity of its own in the cluster");
    passage->pod = pn_own_pod_ref(own);
    upstream->authorization = pn_secret_reveal(own->authorization);
    upstream->impersonate = grant->impersonate;
    upstream->must_impersonate = true;
    return true;
}

static bool build_head(struct pn_passage *passage, const struct pn_request_info *info,
                       struct pn_err *err)
{
    struct pn_exchange *exchange = passage->exchange;
    const struct pn_upstream *to = passage->session->upstream;
    struct pn_kube_upstream upstream = {
        .scheme = to->url.is_tls ? PN_LIT("https") : PN_LIT("http"),
        .authority = pn_str_from(to->authority),
        .target = passage->path,
        .audit_id = pn_str_of(passage->id.text, ACCOUNT_LEN),
        .client_ip = exchange->peer_ip,
        .is_opaque = info->is_opaque,
    };

    if (!take_credentials(passage, &upstream, err))
        return false;
    if (to->prefix.len > 0)
        upstream.target =
            pn_arena_printf(exchange->arena, "%.*s%.*s", PN_ARG(to->prefix), PN_ARG(passage->path));
    if (!pn_kube_upstream_head(exchange->arena, exchange->request, &upstream, &passage->head, err))
        return false;
    memcpy(passage->upgrade, passage->head.upgrade.len > 0 ? passage->head.upgrade.ptr : "",
           passage->head.upgrade.len < sizeof(passage->upgrade) ? passage->head.upgrade.len : 0);
    return true;
}

static bool is_ready_question(const struct pn_passage *passage)
{
    return pn_str_is(passage->path, READY_PATH) &&
           pn_str_is(passage->exchange->request->method, "GET");
}

static void answer_ready(struct pn_passage *passage)
{
    struct pn_str body = PN_LIT("{\"status\":\"ready\"}\n");
    struct pn_http_head head = pn_kube_status_head(passage->exchange->arena, 200, 0, body);

    pn_exchange_answer(passage->exchange, &head, body);
    free_passage(passage);
}

static bool query_says(const struct pn_passage *passage, struct pn_str query, const char *key)
{
    struct pn_str value;

    return pn_query_get(passage->exchange->arena, query, key, &value) &&
           (pn_str_is(value, "true") || pn_str_is(value, "1"));
}

/* How many streams exec and attach open over SPDY: the error stream, and what the query asks for. */
static unsigned count_streams(const struct pn_passage *passage)
{
    static const char *const asked[] = { "stdin", "stdout", "stderr", "tty" /* resize */ };
    ptrdiff_t mark = pn_str_find(passage->path, '?');
    struct pn_str query = PN_NONE;
    unsigned count = 1;

    if (mark >= 0)
        query = pn_str_slice(passage->path, (size_t)mark + 1, passage->path.len);
    for (size_t i = 0; i < PN_COUNT(asked); i++)
        count += query_says(passage, query, asked[i]) ? 1 : 0;
    return count;
}

/* The session is live: the pipeline of one request. */
static void run(struct pn_passage *passage)
{
    struct pn_request_info info;
    struct pn_err err = { 0 };

    if (!take_account(passage, &err)) {
        refuse(passage, NULL, &err);
        return;
    }
    if (is_ready_question(passage)) {
        answer_ready(passage);
        return;
    }
    if (!pn_request_info_parse(passage->exchange->arena, passage->exchange->request->method,
                               passage->path, &info, &err)) {
        refuse(passage, NULL, &err);
        return;
    }
    passage->is_long_running = info.is_long_running;
    passage->what = (struct pn_farewell_facts){
        .verb = info.verb,
        .subresource = info.subresource,
        .streams =
            pn_str_iis(passage->exchange->request->upgrade, "SPDY/3.1") ? count_streams(passage) : 0
    };
    if (!build_head(passage, &info, &err) || !record(passage, &info, &err))
        refuse(passage, &info, &err);
    else if (passage->worker->shared->is_recording_strict)
        wait_for_sync(passage);
    else
        forward(passage);
}

/* ---- arrive ---- */

static void wait_for_credentials(struct pn_passage *passage)
{
    struct pn_session *session = passage->session;
    struct pn_err why = { 0 };

    if (session->waiting_count >= MAX_WAITING) {
        (void)pn_fail(&why, PN_BUSY, "too many requests wait for this session");
        refuse(passage, NULL, &why);
        return;
    }
    passage->next = NULL;
    *session->waiting_end = passage;
    session->waiting_end = &passage->next;
    session->waiting_count++;
    pn_session_ask(session);
}

static struct pn_passage *take_waiting(struct pn_session *session)
{
    struct pn_passage *passage = session->waiting;

    if (passage == NULL)
        return NULL;
    session->waiting = passage->next;
    if (session->waiting == NULL)
        session->waiting_end = &session->waiting;
    session->waiting_count--;
    return passage;
}

void pn_passage_run_waiting(struct pn_session *session)
{
    struct pn_passage *passage;

    while ((passage = take_waiting(session)) != NULL) {
        if (session->state == PN_SESSION_LIVE)
            run(passage);
        else
            refuse(passage, NULL, &session->end);
    }
}

void pn_passage_refuse_waiting(struct pn_session *session, const struct pn_err *why)
{
    struct pn_passage *passage;

    while ((passage = take_waiting(session)) != NULL)
        refuse(passage, NULL, why);
}

static void refuse_expired(struct pn_passage *passage)
{
    struct pn_err why = { 0 };

    (void)pn_fail(&why, PN_UNAUTHENTICATED,
                  "the session's certificate has expired: open a new one with 'postern kube login' "
                  "or 'postern pam access'");
    refuse(passage, NULL, &why);
}

void pn_passage_begin(void *worker, struct pn_exchange *exchange)
{
    struct pn_passage *passage = new_passage(worker, exchange);

    if (passage->session == NULL) {
        refuse_expired(passage);
        return;
    }
    switch (passage->session->state) {
    case PN_SESSION_NEW:
    case PN_SESSION_ASKING: wait_for_credentials(passage); return;
    case PN_SESSION_LIVE: run(passage); return;
    case PN_SESSION_ENDED: refuse(passage, NULL, &passage->session->end); return;
    }
}
