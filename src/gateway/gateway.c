/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "gateway/client.h"
#include "gateway/errand.h"
#include "gateway/upload.h"
#include "gateway/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS 10000
#define LINGER_MS 5000
#define DEFAULT_SPOOL_BYTES ((uint64_t)1 << 30)
#define MAX_LOOPS 64

struct pn_gateway {
    struct pn_shared shared;
    struct pn_state state;
    char *server_url, *server_ca_pem, *pod_directory;
    uint64_t spool_max_bytes;
    struct pn_upload *upload; /* from the first certificates on; set by control */
    struct pn_worker *workers[MAX_LOOPS];
    struct pn_loop *loops[MAX_LOOPS];
    unsigned count;
    struct pn_listener *listener; /* loop 0's */
    unsigned next_worker;         /* loop 0's: whose turn it is to take a client */
    struct pn_endpoint listen_at;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting_for;  /* lock: workers that have not reported yet */
    uint16_t listen_port;  /* lock */
    struct pn_err failure; /* lock: of a step that was waited for */
    bool is_up;            /* lock: spool and upload are there */
};

/* A piece of news for one loop. */
struct message {
    struct pn_task task;
    struct pn_gateway *gateway;
    struct pn_worker *worker;
    struct pn_identity *identity;
    struct pn_own_pod *pod;
    struct pn_err why;
    struct pn_ended ended;
    int fd;
    char ip[46];
};

static void post(struct pn_gateway *gateway, unsigned index, void (*run)(struct pn_task *task),
                 struct message text)
{
    struct message *message = pn_heap_new(sizeof(*message));

    *message = text;
    message->task = (struct pn_task){ .run = run };
    message->gateway = gateway;
    message->worker = gateway->workers[index];
    pn_loop_post(gateway->loops[index], &message->task);
}

static struct message *message_of(struct pn_task *task)
{
    return pn_container_of(task, struct message, task);
}

/* ---- waiting for the loops ---- */

static void expect(struct pn_gateway *gateway, unsigned reports)
{
    pthread_mutex_lock(&gateway->lock);
    gateway->waiting_for = reports;
    pthread_mutex_unlock(&gateway->lock);
}

static void report(struct pn_gateway *gateway)
{
    pthread_mutex_lock(&gateway->lock);
    if (gateway->waiting_for > 0)
        gateway->waiting_for--;
    pthread_cond_broadcast(&gateway->changed);
    pthread_mutex_unlock(&gateway->lock);
}

/* True when all have reported in time. */
static bool await_reports(struct pn_gateway *gateway, int64_t within_ms)
{
    int64_t due_ms = pn_clock_mono_ms() + within_ms;
    struct timespec until = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };
    bool is_done;

    pthread_mutex_lock(&gateway->lock);
    while (gateway->waiting_for > 0 &&
           pthread_cond_timedwait(&gateway->changed, &gateway->lock, &until) == 0)
        ;
    is_done = gateway->waiting_for == 0;
    pthread_mutex_unlock(&gateway->lock);
    return is_done;
}

static void note_over(struct pn_worker *worker)
{
    report(worker->user);
}

/* ---- clients without a relay ---- */

static void run_adopt(struct pn_task *task)
{
    struct message *message = message_of(task);
    struct pn_stream *socket;
    struct pn_err err = { 0 };

    if (pn_socket_stream(message->worker->loop, message->fd, &socket, &err))
        pn_client_accept(message->worker, socket, 0, pn_str_from(message->ip));
    else
        pn_log(PN_WARN, "client-lost", PN_F_ERR(&err));
    pn_heap_free(message);
}

static void on_accept(void *gateway_, int fd, struct pn_str peer_ip)
{
    struct pn_gateway *gateway = gateway_;
    struct message message = { .fd = fd };

    (void)snprintf(message.ip, sizeof(message.ip), "%.*s", PN_ARG(peer_ip));
    post(gateway, gateway->next_worker++ % gateway->count, run_adopt, message);
}

static void run_listen(struct pn_task *task)
{
    struct message *message = message_of(task);
    struct pn_gateway *gateway = message->gateway;
    struct pn_err err = { 0 };

    if (pn_listen(gateway->loops[0], &gateway->listen_at, on_accept, gateway, &gateway->listener,
                  &err)) {
        pthread_mutex_lock(&gateway->lock);
        gateway->listen_port = pn_listener_port(gateway->listener);
        pthread_mutex_unlock(&gateway->lock);
    }
    pthread_mutex_lock(&gateway->lock);
    gateway->failure = err;
    pthread_mutex_unlock(&gateway->lock);
    report(gateway);
    pn_heap_free(message);
}

static bool start_listening(struct pn_gateway *gateway, const struct pn_gateway_config *config,
                            char address[300], struct pn_err *err)
{
    address[0] = '\0';
    if (config->listen.len == 0)
        return true;
    if (!pn_endpoint_parse(config->listen, 0, &gateway->listen_at, err))
        return pn_within(err, "--listen");
    expect(gateway, 1);
    post(gateway, 0, run_listen, (struct message){ 0 });
    (void)await_reports(gateway, 10000);
    if (gateway->failure.code != PN_OK) {
        *err = gateway->failure;
        return pn_within(err, "--listen");
    }
    pn_errands_own(gateway->shared.errands, gateway->listen_port);
    if (config->direct_address.len > 0)
        (void)snprintf(address, 300, "%.*s", PN_ARG(config->direct_address));
    else
        (void)snprintf(address, 300,
                       strchr(gateway->listen_at.host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                       gateway->listen_at.host, gateway->listen_port);
    return true;
}

/* ---- what control says ---- */

static void run_identity(struct pn_task *task)
{
    struct message *message = message_of(task);
    struct pn_err err = { 0 };

    if (!pn_worker_set_identity(message->worker, message->identity, &err))
        pn_log(PN_ERROR, "certificates-unusable", PN_F_ERR(&err));
    pn_identity_unref(message->identity);
    pn_heap_free(message);
}

static void on_spool_synced(void *gateway_, unsigned writer)
{
    struct pn_gateway *gateway = gateway_;

    pn_worker_synced(gateway->workers[writer]);
}

static void on_session_over(void *gateway_)
{
    struct pn_gateway *gateway = gateway_;

    pn_upload_poke(gateway->upload);
}

static bool open_spool(struct pn_gateway *gateway, const struct pn_identity *identity,
                       struct pn_err *err)
{
    char directory[4096];
    struct pn_spool_config config = {
        .directory = directory,
        .key = identity->spool_key,
        .writers = gateway->count,
        .max_bytes = gateway->spool_max_bytes,
        .synced = on_spool_synced,
        .context = gateway,
    };

    (void)snprintf(directory, sizeof(directory), "%s/spool", gateway->state.directory);
    return pn_spool_open(&config, &gateway->shared.spool, err);
}

/* The first certificates: now there is a key for the spool, and requests can be recorded. */
static bool bring_up(struct pn_gateway *gateway, const struct pn_identity *identity,
                     struct pn_err *err)
{
    struct pn_home *home;

    if (!open_spool(gateway, identity, err))
        return false;
    if (!pn_home_new(pn_str_from(gateway->server_url), pn_str_from(gateway->server_ca_pem), &home,
                     err))
        return false;
    if (!pn_home_set_token(home, gateway->state.access_token, err)) {
        pn_home_free(home);
        return false;
    }
    return pn_upload_start(home, pn_outbox_new(gateway->shared.spool), &gateway->upload, err);
}

static void on_identity(void *gateway_, struct pn_identity *identity)
{
    struct pn_gateway *gateway = gateway_;
    struct pn_err err = { 0 };

    if (!gateway->is_up && !bring_up(gateway, identity, &err)) {
        pn_log(PN_ERROR, "gateway-cannot-record", PN_F_ERR(&err));
        pn_spool_close(gateway->shared.spool);
        gateway->shared.spool = NULL;
    }
    pthread_mutex_lock(&gateway->lock);
    gateway->is_up = err.code == PN_OK;
    gateway->failure = err;
    pthread_mutex_unlock(&gateway->lock);
    if (!gateway->is_up)
        return;
    for (unsigned i = 0; i < gateway->count; i++)
        post(gateway, i, run_identity, (struct message){ .identity = pn_identity_ref(identity) });
}

static void run_pod(struct pn_task *task)
{
    struct message *message = message_of(task);

    pn_worker_set_pod(message->worker, message->pod, &message->why);
    pn_own_pod_unref(message->pod);
    pn_heap_free(message);
}

static void on_pod(void *gateway_, struct pn_own_pod *pod, const struct pn_err *why)
{
    struct pn_gateway *gateway = gateway_;
    struct message message = { 0 };

    if (why != NULL)
        message.why = *why;
    for (unsigned i = 0; i < gateway->count; i++) {
        message.pod = pod != NULL ? pn_own_pod_ref(pod) : NULL;
        post(gateway, i, run_pod, message);
    }
}

static void run_ended(struct pn_task *task)
{
    struct message *message = message_of(task);

    pn_worker_end_session(message->worker, message->ended.session,
                          pn_str_from(message->ended.reason));
    pn_heap_free(message);
}

static void on_ended(void *gateway_, const struct pn_ended *ended)
{
    struct pn_gateway *gateway = gateway_;

    for (unsigned i = 0; i < gateway->count; i++)
        post(gateway, i, run_ended, (struct message){ .ended = *ended });
}

static unsigned count_tunnels(void *gateway_)
{
    struct pn_gateway *gateway = gateway_;
    unsigned tunnels = 0;

    for (unsigned i = 0; i < gateway->count; i++)
        tunnels += atomic_load(&gateway->workers[i]->tunnels);
    return tunnels;
}

/* ---- start ---- */

static bool start_loops(struct pn_gateway *gateway, unsigned count, struct pn_err *err)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "pn-gateway-%u", i);
        if (!pn_loop_new(&gateway->loops[i], err))
            return false;
        gateway->workers[i] = pn_worker_new(&gateway->shared, gateway->loops[i], i);
        gateway->workers[i]->user = gateway;
        if (!pn_loop_start(gateway->loops[i], name, err)) {
            pn_worker_free(gateway->workers[i]);
            pn_loop_free(gateway->loops[i]);
            return false;
        }
        gateway->count++;
    }
    return true;
}

static char *copy_text(struct pn_str text)
{
    char *copy = pn_heap_new(text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static struct pn_gateway *new_gateway(const struct pn_gateway_config *config)
{
    struct pn_gateway *gateway = pn_heap_new(sizeof(*gateway));
    struct pn_uuid_text process = pn_uuid_format(pn_random_uuid());
    pthread_condattr_t clock;

    gateway->server_url = copy_text(config->server_url);
    gateway->server_ca_pem =
        config->server_ca_pem.len > 0 ? copy_text(config->server_ca_pem) : NULL;
    gateway->pod_directory =
        config->pod_directory != NULL ? pn_heap_copy(config->pod_directory) : NULL;
    gateway->spool_max_bytes =
        config->spool_max_bytes > 0 ? config->spool_max_bytes : DEFAULT_SPOOL_BYTES;
    gateway->state.lock_fd = -1;
    gateway->shared.is_recording_strict = config->is_recording_strict;
    gateway->shared.session_ended = on_session_over;
    gateway->shared.session_cancelled = on_ended;
    gateway->shared.context = gateway;
    memcpy(gateway->shared.process, process.text, sizeof(gateway->shared.process));
    (void)pthread_mutex_init(&gateway->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&gateway->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    return gateway;
}

static bool start_control(struct pn_gateway *gateway, const struct pn_gateway_config *config,
                          const char *address, struct pn_err *err)
{
    struct pn_control_config control = {
        .server_url = pn_str_from(gateway->server_url),
        .server_ca_pem = pn_str_from(gateway->server_ca_pem),
        .relay_name = config->relay_name,
        .direct_address = pn_str_from(address),
        .state = &gateway->state,
        .identity = on_identity,
        .pod_directory = gateway->pod_directory,
        .pod = on_pod,
        .ended = on_ended,
        .context = gateway,
    };

    if (!pn_control_start(&control, &gateway->shared.control, err))
        return false;
    pthread_mutex_lock(&gateway->lock);
    *err = gateway->failure; /* the spool's */
    pthread_mutex_unlock(&gateway->lock);
    return err->code == PN_OK;
}

static bool start(struct pn_gateway *gateway, const struct pn_gateway_config *config,
                  struct pn_err *err)
{
    unsigned loops = config->loops > 0 ? config->loops : 1;
    char address[300];

    if (loops > MAX_LOOPS)
        return pn_fail(err, PN_USAGE, "a gateway has at most %d loops", MAX_LOOPS);
    return pn_state_open(config->state_dir, &gateway->state, err) &&
           pn_errands_new(gateway->pod_directory, &gateway->shared.errands, err) &&
           pn_control_enrol(config->server_url, config->server_ca_pem, &gateway->state,
                            config->enrol_token, err) &&
           start_loops(gateway, loops, err) && start_listening(gateway, config, address, err) &&
           start_control(gateway, config, address, err);
}

bool pn_gateway_start(const struct pn_gateway_config *config, struct pn_gateway **out,
                      struct pn_err *err)
{
    struct pn_gateway *gateway = new_gateway(config);

    if (!start(gateway, config, err)) {
        pn_gateway_stop(gateway);
        return pn_within(err, "gateway %.*s", PN_ARG(config->name));
    }
    pn_log(PN_INFO, "gateway-started", PN_F_STR("name", config->name),
           PN_F_INT("port", gateway->listen_port), PN_F_INT("loops", gateway->count));
    *out = gateway;
    return true;
}

/* ---- stop ---- */

static void run_drain(struct pn_task *task)
{
    struct message *message = message_of(task);

    if (message->worker->index == 0 && message->gateway->listener != NULL) {
        pn_listener_close(message->gateway->listener);
        message->gateway->listener = NULL;
    }
    pn_worker_drain(message->worker, note_over);
    pn_heap_free(message);
}

static void run_close(struct pn_task *task)
{
    struct message *message = message_of(task);

    pn_worker_close(message->worker, note_over);
    pn_heap_free(message);
}

static void tell_all(struct pn_gateway *gateway, void (*run)(struct pn_task *task),
                     int64_t within_ms)
{
    expect(gateway, gateway->count);
    for (unsigned i = 0; i < gateway->count; i++)
        post(gateway, i, run, (struct message){ 0 });
    if (!await_reports(gateway, within_ms))
        pn_log(PN_WARN, "gateway-stop-late", PN_F_INT("afterMs", within_ms));
}

static void stop_loops(struct pn_gateway *gateway)
{
    for (unsigned i = 0; i < gateway->count; i++) {
        pn_loop_stop(gateway->loops[i]);
        pn_loop_join(gateway->loops[i]);
        pn_loop_free(gateway->loops[i]);
        pn_worker_free(gateway->workers[i]);
    }
}

void pn_gateway_stop(struct pn_gateway *gateway)
{
    if (gateway == NULL)
        return;
    tell_all(gateway, run_drain, DRAIN_MS);
    if (gateway->shared.control != NULL)
        pn_control_stop(gateway->shared.control);
    tell_all(gateway, run_close, DRAIN_MS);
    pn_errands_free(gateway->shared.errands);
    stop_loops(gateway);
    pn_control_free(gateway->shared.control);
    pn_upload_stop(gateway->upload, LINGER_MS);
    pn_spool_close(gateway->shared.spool);
    pn_state_close(&gateway->state);
    (void)pthread_mutex_destroy(&gateway->lock);
    (void)pthread_cond_destroy(&gateway->changed);
    pn_heap_free(gateway->server_url);
    pn_heap_free(gateway->server_ca_pem);
    pn_heap_free(gateway->pod_directory);
    pn_heap_free(gateway);
}

struct pn_gateway_status pn_gateway_status(struct pn_gateway *gateway)
{
    struct pn_gateway_status status = { .id = gateway->state.gateway_id };
    struct pn_control_status control = pn_control_status(gateway->shared.control);
    bool is_up;

    pthread_mutex_lock(&gateway->lock);
    is_up = gateway->is_up;
    status.listen_port = gateway->listen_port;
    pthread_mutex_unlock(&gateway->lock);
    status.is_connected = is_up && control.is_connected;
    status.sessions = control.sessions;
    status.certificate_expires_ms = control.certificate_expires_ms;
    status.tunnels = count_tunnels(gateway);
    for (unsigned i = 0; i < gateway->count; i++)
        status.requests += atomic_load(&gateway->workers[i]->requests);
    if (is_up) {
        status.spool_bytes = pn_spool_status(gateway->shared.spool).bytes;
        status.events_waiting = pn_upload_waiting(gateway->upload);
    }
    return status;
}
