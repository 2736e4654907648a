/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/worker.h"

#include "base/log.h"
#include "gateway/client.h"
#include "gateway/errand.h"
#include "gateway/link.h"
#include "gateway/official.h"
#include "gateway/passage.h"
#include "gateway/session.h"
#include "gateway/upstream.h"
#include "kube/road.h"
#include "kube/status.h"

#define HEAD_TIMEOUT_MS 32000
#define IDLE_TIMEOUT_MS 90000
#define MAX_STREAMS 250
#define MAX_EVENT_BYTES ((size_t)512 * 1024)
#define SWEEP_MS 30000
#define LEAVING_STEP_MS 20
#define HOW_ON "open a new one with 'postern kube login' or 'postern pam access'"

static struct pn_str error_body(struct pn_arena *arena, int status, const char *message)
{
    return pn_kube_status(arena, status, pn_str_from(message));
}

static void on_sweep(struct pn_timer *timer)
{
    struct pn_worker *worker = pn_container_of(timer, struct pn_worker, sweep);

    pn_session_sweep(worker);
    pn_timer_start(worker->loop, &worker->sweep, SWEEP_MS);
}

static void on_synced(struct pn_task *task)
{
    pn_passage_run_synced(pn_container_of(task, struct pn_worker, synced));
}

void pn_worker_synced(struct pn_worker *worker)
{
    pn_loop_post(worker->loop, &worker->synced);
}

struct pn_worker *pn_worker_new(const struct pn_shared *shared, struct pn_loop *loop,
                                unsigned index)
{
    struct pn_worker *worker = pn_heap_new(sizeof(*worker));

    worker->shared = shared;
    worker->loop = loop;
    worker->index = index;
    worker->sessions = pn_map_new();
    worker->strict_end = &worker->strict;
    worker->event = pn_buf_init(MAX_EVENT_BYTES);
    worker->sweep.run = on_sweep;
    worker->synced.run = on_synced;
    return worker;
}

/* ---- certificates ---- */

static bool make_client_side(const struct pn_identity *identity, struct pn_tls_context **out,
                             struct pn_err *err)
{
    static const char *const alpn[] = { "h2",
                                        "http/1.1",
                                        PN_ROAD_ALPN,
                                        PN_OFFICIAL_PROXY,
                                        PN_OFFICIAL_CAPABILITIES,
                                        PN_OFFICIAL_CANCELLATION,
                                        PN_OFFICIAL_HEALTH,
                                        PN_OFFICIAL_PING,
                                        NULL };
    struct pn_tls_settings settings = {
        .is_server = true,
        .chain_pem = identity->chain,
        .key_pem = identity->key,
        .trust_pem = identity->client_trust,
        .wants_client_certificate = true,
        .requires_client_certificate = true,
        .accepts_expired_client = true, /* answered 401 with a sentence, not with an alert */
        .alpn = alpn,
        .alpn_may_be_absent = true, /* upgrades of kubectl offer none */
    };

    return pn_tls_context_new(&settings, out, err);
}

static bool make_relay_side(const struct pn_identity *identity, struct pn_tls_context **out,
                            struct pn_err *err)
{
    static const char *const alpn[] = { "postern-tunnel/1", NULL };
    struct pn_tls_settings settings = {
        .chain_pem = identity->chain,
        .key_pem = identity->key,
        .trust_pem = identity->relay_trust,
        .is_tls13_only = true,
        .alpn = alpn,
    };

    *out = NULL;
    return identity->relay_count == 0 || pn_tls_context_new(&settings, out, err);
}

static void start_http(struct pn_worker *worker)
{
    struct pn_http_server_config config = {
        .request = pn_passage_begin,
        .closed = pn_client_closed,
        .error_body = error_body,
        .context = worker,
        .head_timeout_ms = HEAD_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .max_streams = MAX_STREAMS,
    };

    worker->http = pn_http_server_new(worker->loop, &config);
    config.request = pn_errand_begin;
    worker->platform = pn_http_server_new(worker->loop, &config);
    pn_timer_start(worker->loop, &worker->sweep, SWEEP_MS);
}

bool pn_worker_set_identity(struct pn_worker *worker, struct pn_identity *identity,
                            struct pn_err *err)
{
    struct pn_tls_context *tls, *tunnel_tls;

    pn_on_loop(worker->loop);
    if (worker->is_draining)
        return true;
    if (!make_client_side(identity, &tls, err))
        return false;
    if (!make_relay_side(identity, &tunnel_tls, err)) {
        pn_tls_context_free(tls);
        return false;
    }
    pn_tls_context_free(worker->tls);
    pn_tls_context_free(worker->tunnel_tls);
    pn_identity_unref(worker->identity);
    worker->tls = tls;
    worker->tunnel_tls = tunnel_tls;
    worker->identity = pn_identity_ref(identity);
    if (worker->http == NULL)
        start_http(worker);
    pn_link_set_all(worker, identity);
    return true;
}

void pn_worker_set_pod(struct pn_worker *worker, struct pn_own_pod *pod, const struct pn_err *why)
{
    pn_on_loop(worker->loop);
    pn_own_pod_unref(worker->pod);
    worker->pod = pod != NULL ? pn_own_pod_ref(pod) : NULL;
    worker->no_pod = pod != NULL ? (struct pn_err){ 0 } : *why;
    pn_session_pod_changed(worker);
}

void pn_worker_end_session(struct pn_worker *worker, struct pn_uuid id, struct pn_str reason)
{
    struct pn_session *session =
        pn_map_get(worker->sessions, pn_str_of(id.bytes, sizeof(id.bytes)));
    struct pn_err why = { 0 };

    pn_on_loop(worker->loop);
    if (session == NULL)
        return;
    (void)pn_fail(&why, PN_FORBIDDEN, "the session has ended (%.*s): " HOW_ON, PN_ARG(reason));
    pn_session_end(session, &why);
}

/* ---- the end ---- */

static void call_over(struct pn_worker *worker)
{
    void (*over)(struct pn_worker *) = worker->over;

    worker->over = NULL;
    pn_timer_stop(&worker->leaving);
    over(worker);
}

static void on_drain_step(struct pn_timer *timer)
{
    struct pn_worker *worker = pn_container_of(timer, struct pn_worker, leaving);

    if (atomic_load(&worker->connections) == 0)
        call_over(worker);
    else
        pn_timer_start(worker->loop, &worker->leaving, LEAVING_STEP_MS);
}

void pn_worker_drain(struct pn_worker *worker, void (*over)(struct pn_worker *worker))
{
    pn_on_loop(worker->loop);
    worker->is_draining = true;
    worker->over = over;
    pn_link_drain_all(worker);
    if (worker->http != NULL) {
        pn_http_server_drain(worker->http);
        pn_http_server_drain(worker->platform);
    }
    worker->leaving.run = on_drain_step;
    on_drain_step(&worker->leaving);
}

static void on_close_step(struct pn_timer *timer)
{
    struct pn_worker *worker = pn_container_of(timer, struct pn_worker, leaving);

    if (pn_session_has_passages(worker) || atomic_load(&worker->connections) > 0) {
        pn_timer_start(worker->loop, &worker->leaving, 1);
        return;
    }
    pn_session_free_all(worker);
    pn_tls_context_free(worker->tls);
    pn_tls_context_free(worker->tunnel_tls);
    worker->tls = worker->tunnel_tls = NULL;
    call_over(worker);
}

void pn_worker_close(struct pn_worker *worker, void (*over)(struct pn_worker *worker))
{
    struct pn_err why = { 0 };

    pn_on_loop(worker->loop);
    (void)pn_fail(&why, PN_BUSY, "the gateway is stopping");
    worker->is_draining = true;
    worker->over = over;
    pn_timer_stop(&worker->sweep);
    pn_passage_refuse_strict(worker);
    pn_session_abort_all(worker, &why);
    pn_client_close_all(worker);
    pn_upstream_cancel_all(worker);
    if (worker->http != NULL) {
        pn_http_server_free(worker->http);
        pn_http_server_free(worker->platform);
    }
    worker->http = worker->platform = NULL;
    pn_link_free_all(worker);
    worker->leaving.run = on_close_step;
    pn_timer_start(worker->loop, &worker->leaving, 0);
}

void pn_worker_free(struct pn_worker *worker)
{
    if (worker == NULL)
        return;
    pn_passage_free_spares(worker);
    pn_map_free(worker->sessions);
    pn_identity_unref(worker->identity);
    pn_own_pod_unref(worker->pod);
    pn_buf_drop(&worker->event);
    pn_heap_free(worker);
}
