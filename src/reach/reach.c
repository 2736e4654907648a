/* SPDX-License-Identifier: Apache-2.0 */
#include "reach/reach.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "kube/host.h"
#include "net/fetch.h"
#include "reach/guard.h"
#include "reach/idle.h"
#include "sys/pod.h"

#define TIMEOUT_MS 10000
#define MAX_ANSWER_BYTES ((size_t)64 * 1024)
#define POD_FRESH_MS 30000 /* contract §13: a renewed token counts within 60 s */

struct pn_reacher {
    struct pn_reach_port port; /* first: what calls hold */
    struct pn_reacher_config config;
    struct pn_reach_guard guard;
    struct pn_idle_pool *idle;
    pthread_mutex_t mutex; /* of all below */
    struct pn_pod pod;
    int64_t pod_read_ms; /* 0: not read */
};

/* ---- where to ---- */

static void key_of(struct pn_call *call, const struct pn_reach_to *to, uint8_t key[PN_SHA256_BYTES])
{
    struct pn_str text = pn_arena_printf(call->arena, "%zu:%.*s|%d|%.*s", to->host.len,
                                         PN_ARG(to->host), to->is_insecure, PN_ARG(to->ca_pem));

    pn_hash_sha256(text, key);
}

static bool url_of(struct pn_str text, struct pn_url *out, struct pn_err *err)
{
    struct pn_kube_host host;

    if (!pn_kube_host_parse(text, &host, err))
        return false;
    *out = (struct pn_url){ .is_tls = host.is_tls, .prefix = host.prefix };
    out->endpoint.port = host.address.port;
    snprintf(out->endpoint.host, sizeof(out->endpoint.host), "%.*s", PN_ARG(host.address.host));
    return true;
}

static bool connect_to(struct pn_reacher *r, const struct pn_reach_to *to, struct pn_fetcher **out,
                       struct pn_err *err)
{
    struct pn_fetcher_config config = { .trust_pem = to->ca_pem.len > 0 ? to->ca_pem : PN_NONE,
                                        .is_insecure = to->is_insecure,
                                        .user_agent = "postern/" PN_VERSION,
                                        .check = pn_reach_guard_check,
                                        .check_context = &r->guard };

    return url_of(to->host, &config.url, err) && pn_fetcher_new(&config, out, err);
}

/* ---- one request ---- */

static enum pn_reach_fault fault_of(const struct pn_fetcher *fetcher, const struct pn_err *err)
{
    struct pn_fetch_fault fault = pn_fetcher_fault(fetcher);

    if (err->code == PN_TIMEOUT)
        return PN_REACH_TIMED_OUT;
    switch (fault.phase) {
    case PN_FETCH_RESOLVE:
        return err->code == PN_BAD_REQUEST ? PN_REACH_BAD_HOST
               : err->code == PN_BUSY      ? PN_REACH_OTHER
                                           : PN_REACH_NO_NAME;
    case PN_FETCH_CONNECT: return err->cause == ECONNREFUSED ? PN_REACH_REFUSED : PN_REACH_OTHER;
    case PN_FETCH_TLS:
        switch (fault.certificate) {
        case PN_CERT_SELF_SIGNED: return PN_REACH_SELF_SIGNED;
        case PN_CERT_UNVERIFIED: return PN_REACH_BAD_CHAIN;
        case PN_CERT_NO_FAULT:
        case PN_CERT_OTHER: return PN_REACH_OTHER;
        }
        return PN_REACH_OTHER;
    case PN_FETCH_HTTP: return PN_REACH_OTHER;
    }
    return PN_REACH_OTHER;
}

/* `299 - "text"`; what has no quotes is none. Quoted pairs inside are left as they are. */
static struct pn_str warning_text(struct pn_str value)
{
    ptrdiff_t from = pn_str_find(value, '"'), to;

    if (from < 0)
        return PN_NONE;
    value = pn_str_slice(value, (size_t)from + 1, value.len);
    to = pn_str_find(value, '"');
    return to > 0 ? pn_str_slice(value, 0, (size_t)to) : PN_NONE;
}

static void read_answer(const struct pn_fetched *fetched, struct pn_reach_answer *out)
{
    int64_t retry_s;

    *out = (struct pn_reach_answer){
        .status = fetched->status,
        .status_text = pn_str_from(pn_http_reason(fetched->status)),
        .content_type = pn_http_field_get(&fetched->head, "content-type"),
        .body = fetched->body,
        .warning = warning_text(pn_http_field_get(&fetched->head, "warning")),
    };
    if (pn_str_i64(pn_http_field_get(&fetched->head, "retry-after"), &retry_s) && retry_s > 0)
        out->retry_after_s = retry_s;
}

static bool fetch(struct pn_call *call, struct pn_fetcher *fetcher,
                  const struct pn_reach_request *request, struct pn_reach_answer *out,
                  enum pn_reach_fault *fault, struct pn_err *err)
{
    int64_t until_ms =
        pn_clock_mono_ms() + (request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS);
    const struct pn_http_field impersonate = { PN_LIT("Impersonate-User"), request->impersonate };
    const struct pn_fetch what = {
        .method = request->method,
        .path = request->path,
        .fields = &impersonate,
        .field_count = request->impersonate.len > 0,
        .bearer = request->bearer,
        .body = request->body,
        .content_type = request->content_type,
        .deadline_ms = until_ms < call->deadline_ms ? until_ms : call->deadline_ms,
        .max_body_bytes = request->max_body_bytes > 0 ? request->max_body_bytes : MAX_ANSWER_BYTES,
        .is_repeatable = request->is_repeatable,
    };
    struct pn_fetched fetched;

    if (!pn_fetch(fetcher, &what, call->arena, &fetched, err)) {
        *fault = fault_of(fetcher, err);
        return false;
    }
    read_answer(&fetched, out);
    *fault = PN_REACH_NO_FAULT;
    return true;
}

static bool send_directly(struct pn_reacher *r, struct pn_call *call, const struct pn_reach_to *to,
                          const struct pn_reach_request *request, struct pn_reach_answer *out,
                          enum pn_reach_fault *fault, struct pn_err *err)
{
    uint8_t key[PN_SHA256_BYTES];
    struct pn_idle *connection;
    struct pn_fetcher *fetcher;
    bool done;

    key_of(call, to, key);
    connection = pn_idle_take(r->idle, key);
    if (connection == NULL) {
        if (!connect_to(r, to, &fetcher, err)) {
            *fault = PN_REACH_BAD_HOST;
            return false;
        }
        connection = pn_idle_new(key, fetcher, INT64_MAX);
    }
    done = fetch(call, connection->fetcher, request, out, fault, err);
    pn_idle_keep(r->idle, connection);
    return done;
}

/* ---- as our own pod ---- */

static bool refresh_pod(struct pn_reacher *r, struct pn_err *err)
{
    int64_t now_ms = pn_clock_mono_ms();
    const char *directory = r->config.pod_directory;
    struct pn_pod fresh;

    if (r->pod_read_ms != 0 && now_ms - r->pod_read_ms < POD_FRESH_MS)
        return true;
    if (!pn_pod_read(directory != NULL && directory[0] != '\0' ? directory : NULL, &fresh, err)) {
        pn_pod_drop(&r->pod);
        r->pod_read_ms = 0;
        return false;
    }
    pn_pod_drop(&r->pod);
    r->pod = fresh;
    r->pod_read_ms = now_ms;
    return true;
}

static bool copy_pod(struct pn_reacher *r, struct pn_call *call, struct pn_reach_to *to,
                     struct pn_secret **token, struct pn_err *err)
{
    bool done;

    pthread_mutex_lock(&r->mutex);
    done = refresh_pod(r, err);
    if (done) {
        to->host = pn_arena_copy(call->arena, r->pod.url);
        to->ca_pem = pn_arena_copy(call->arena, r->pod.ca_pem);
        *token = pn_secret_copy(r->pod.token, err);
        done = *token != NULL;
    }
    pthread_mutex_unlock(&r->mutex);
    return done;
}

/* The cluster did not take our token: it may have been renewed since we read it. */
static void doubt_pod(struct pn_reacher *r)
{
    pthread_mutex_lock(&r->mutex);
    r->pod_read_ms = 0;
    pthread_mutex_unlock(&r->mutex);
}

static bool send_as_server(struct pn_reacher *r, struct pn_call *call, const struct pn_reach_to *to,
                           const struct pn_reach_request *request, struct pn_reach_answer *out,
                           enum pn_reach_fault *fault, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_reach_request with_token = *request;
    struct pn_reach_to own = *to;

    if (!copy_pod(r, call, &own, &token, err)) {
        *fault = PN_REACH_BAD_HOST;
        return pn_recast(err, PN_UNREACHABLE, "its own pod identity cannot be used: %s",
                         err->message);
    }
    with_token.bearer = token;
    own.is_insecure = false;
    if (!send_directly(r, call, &own, &with_token, out, fault, err))
        return false;
    if (out->status == 401)
        doubt_pod(r);
    return true;
}

/* ---- the port ---- */

static bool reach(const struct pn_reach_port *port, struct pn_call *call,
                  const struct pn_reach_to *to, const struct pn_reach_request *request,
                  struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *err)
{
    struct pn_reacher *r = pn_container_of(port, struct pn_reacher, port);
    const struct pn_reach_port *gateways = r->config.gateways;

    *fault = PN_REACH_OTHER;
    if (to->as == PN_REACH_AS_GATEWAY || !pn_uuid_is_zero(to->gateway_id) ||
        !pn_uuid_is_zero(to->pool_id)) {
        *fault = PN_REACH_NO_GATEWAY;
        if (gateways == NULL) /* never directly instead */
            return pn_fail(err, PN_UNREACHABLE, "this server reaches no gateways");
        return gateways->send(gateways, call, to, request, out, fault, err);
    }
    if (to->as == PN_REACH_AS_SERVER)
        return send_as_server(r, call, to, request, out, fault, err);
    return send_directly(r, call, to, request, out, fault, err);
}

struct pn_reacher *pn_reacher_new(const struct pn_reacher_config *config)
{
    struct pn_reacher *r = pn_heap_new(sizeof(*r));

    r->port.send = reach;
    r->config = *config;
    pn_reach_guard_init(&r->guard, config->allowed);
    r->idle = pn_idle_pool_new();
    pthread_mutex_init(&r->mutex, NULL);
    return r;
}

void pn_reacher_free(struct pn_reacher *r)
{
    if (r == NULL)
        return;
    pn_idle_pool_free(r->idle);
    pn_pod_drop(&r->pod);
    pthread_mutex_destroy(&r->mutex);
    pn_heap_free(r);
}

void pn_reacher_own(struct pn_reacher *r, uint16_t port)
{
    pn_assert(r->guard.port_count < PN_REACH_GUARD_PORTS);
    if (port != 0)
        r->guard.ports[r->guard.port_count++] = port;
}

const struct pn_reach_port *pn_reacher_port(struct pn_reacher *r)
{
    return &r->port;
}
