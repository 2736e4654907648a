/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "loop/lane.h"

#define RESOLVER_THREADS 2
#define RESOLVER_QUEUE_MAX 256

/* Shared by the asker and the lane; the last of the two frees it. */
struct pn_resolve {
    struct pn_job job;
    struct pn_task task;
    struct pn_loop *loop; /* NULL: somebody waits on `is_ready` */
    pn_resolve_fn *done;
    void *owner;
    struct pn_endpoint endpoint;
    struct pn_addresses addresses;
    struct pn_err err;
    pthread_mutex_t mutex;
    pthread_cond_t is_ready;
    bool has_result, is_abandoned;
};

static struct pn_lane *lane;
static pthread_once_t lane_once = PTHREAD_ONCE_INIT;

static void make_lane(void)
{
    const struct pn_lane_config config = { .name = "resolver",
                                           .threads = RESOLVER_THREADS,
                                           .queue_max = RESOLVER_QUEUE_MAX };
    struct pn_err err = { 0 };

    if (!pn_lane_new(&config, &lane, &err))
        pn_die(err.message);
}

bool pn_resolve_literal(const struct pn_endpoint *endpoint, struct pn_addresses *out)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(endpoint->port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(endpoint->port) };

    out->count = 1;
    if (inet_pton(AF_INET, endpoint->host, &v4.sin_addr) == 1) {
        out->list[0].at.v4 = v4;
        out->list[0].len = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, endpoint->host, &v6.sin6_addr) == 1) {
        out->list[0].at.v6 = v6;
        out->list[0].len = sizeof(v6);
        return true;
    }
    out->count = 0;
    return false;
}

static void look_up(const struct pn_endpoint *endpoint, struct pn_addresses *out,
                    struct pn_err *err)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    int code = getaddrinfo(endpoint->host, NULL, &hints, &found);

    out->count = 0;
    if (code != 0) {
        (void)pn_fail_cause(err, PN_UNREACHABLE, code, "the name %s cannot be resolved: %s",
                            endpoint->host,
                            code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
        return;
    }
    for (struct addrinfo *a = found; a != NULL && out->count < PN_RESOLVE_MAX; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            memcpy(&out->list[out->count].at.v4, a->ai_addr, sizeof(struct sockaddr_in));
            out->list[out->count].at.v4.sin_port = htons(endpoint->port);
        } else if (a->ai_family == AF_INET6) {
            memcpy(&out->list[out->count].at.v6, a->ai_addr, sizeof(struct sockaddr_in6));
            out->list[out->count].at.v6.sin6_port = htons(endpoint->port);
        } else {
            continue;
        }
        out->list[out->count++].len = a->ai_addrlen;
    }
    freeaddrinfo(found);
    if (out->count == 0)
        (void)pn_fail(err, PN_UNREACHABLE, "the name %s has no address", endpoint->host);
}

static void resolve_free(struct pn_resolve *resolve)
{
    pthread_cond_destroy(&resolve->is_ready);
    pthread_mutex_destroy(&resolve->mutex);
    pn_heap_free(resolve);
}

static void run_lookup(struct pn_job *job, void *worker)
{
    struct pn_resolve *resolve = pn_container_of(job, struct pn_resolve, job);

    (void)worker;
    look_up(&resolve->endpoint, &resolve->addresses, &resolve->err);
    pthread_mutex_lock(&resolve->mutex);

    bool is_abandoned = resolve->is_abandoned;

    resolve->has_result = true;
    /* Under the mutex: once abandoned the loop may be gone, so posting after unlocking were too late. */
    if (!is_abandoned && resolve->loop != NULL)
        pn_loop_post(resolve->loop, &resolve->task);
    pthread_cond_signal(&resolve->is_ready);
    pthread_mutex_unlock(&resolve->mutex);
    if (is_abandoned)
        resolve_free(resolve);
}

static void report(struct pn_task *task)
{
    struct pn_resolve *resolve = pn_container_of(task, struct pn_resolve, task);

    pthread_mutex_lock(&resolve->mutex); /* the lane may still be inside its last lines */
    pthread_mutex_unlock(&resolve->mutex);
    if (!resolve->is_abandoned)
        resolve->done(resolve->owner, &resolve->addresses,
                      resolve->err.code != PN_OK ? &resolve->err : NULL);
    resolve_free(resolve);
}

static struct pn_resolve *resolve_new(const struct pn_endpoint *endpoint)
{
    struct pn_resolve *resolve = pn_heap_new(sizeof(*resolve));
    pthread_condattr_t monotonic;

    pthread_once(&lane_once, make_lane);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&resolve->mutex, NULL);
    pthread_cond_init(&resolve->is_ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
    resolve->endpoint = *endpoint;
    resolve->job.run = run_lookup;
    resolve->task.run = report;
    return resolve;
}

struct pn_resolve *pn_resolve(struct pn_loop *loop, const struct pn_endpoint *endpoint,
                              pn_resolve_fn *done, void *owner)
{
    struct pn_resolve *resolve = resolve_new(endpoint);

    pn_on_loop(loop);
    resolve->loop = loop;
    resolve->done = done;
    resolve->owner = owner;
    if (!pn_lane_submit(lane, &resolve->job)) {
        (void)pn_fail(&resolve->err, PN_BUSY, "too many names are being resolved");
        resolve->has_result = true;
        pn_loop_post(loop, &resolve->task);
    }
    return resolve;
}

void pn_resolve_cancel(struct pn_resolve *resolve)
{
    pthread_mutex_lock(&resolve->mutex);
    resolve->is_abandoned = true; /* the lane frees it or, when it has posted, the loop */
    pthread_mutex_unlock(&resolve->mutex);
}

bool pn_resolve_blocking(const struct pn_endpoint *endpoint, int64_t deadline_ms,
                         struct pn_addresses *out, struct pn_err *err)
{
    pn_on_worker();
    if (pn_resolve_literal(endpoint, out))
        return true;

    struct pn_resolve *resolve = resolve_new(endpoint);
    const struct timespec until = { .tv_sec = deadline_ms / 1000,
                                    .tv_nsec = (deadline_ms % 1000) * 1000000 };

    if (!pn_lane_submit(lane, &resolve->job)) {
        resolve_free(resolve);
        return pn_fail(err, PN_BUSY, "too many names are being resolved");
    }
    pthread_mutex_lock(&resolve->mutex);
    while (!resolve->has_result &&
           pthread_cond_timedwait(&resolve->is_ready, &resolve->mutex, &until) != ETIMEDOUT)
        continue;

    bool has_result = resolve->has_result;

    resolve->is_abandoned = !has_result;
    pthread_mutex_unlock(&resolve->mutex);
    if (!has_result)
        return pn_fail(err, PN_TIMEOUT, "the name %s was not resolved in time", endpoint->host);
    *out = resolve->addresses;

    bool is_found = resolve->err.code == PN_OK;

    if (!is_found)
        *err = resolve->err;
    resolve_free(resolve);
    return is_found;
}
