/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "relay/port.h"
#include "relay/relay_home.h"

#define MAX_LOOPS 64
#define MAX_PER_ADDRESS 4096
#define GRACE_MS 10000
#define HEARTBEAT_MS 10000
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 30000
#define MAX_REPORTED \
    ((size_t)1000) /* gateways in one heartbeat: doc/protocol/gateway-rest.md, L3 */

struct pn_relay {
    struct pn_relay_home *home;
    struct pn_secret *one_time;
    struct pn_port_shared shared;
    struct pn_loop *loops[MAX_LOOPS];
    struct pn_port *ports[MAX_LOOPS];
    unsigned loop_count, running_count;
    uint16_t port;
    pthread_t control;
    bool has_control;

    /* The control thread's own. */
    int64_t connect_due_ms, heartbeat_due_ms;
    int64_t retry_ms;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    bool is_stopping, has_changed, is_connected;
    int64_t certificate_expires_ms;
    struct pn_uuid id;
};

/* ---- the control thread: certificates and heartbeats ---- */

static void on_changed(void *relay_)
{
    struct pn_relay *relay = relay_;

    pthread_mutex_lock(&relay->mutex);
    relay->has_changed = true;
    pthread_cond_signal(&relay->wake);
    pthread_mutex_unlock(&relay->mutex);
}

static void set_connected(struct pn_relay *relay, const struct pn_err *failure)
{
    pthread_mutex_lock(&relay->mutex);

    bool was_connected = relay->is_connected;

    relay->is_connected = failure == NULL;
    relay->id = pn_relay_home_id(relay->home);
    pthread_mutex_unlock(&relay->mutex);
    if (failure != NULL && was_connected)
        pn_log(pn_relay_home_is_away(failure) ? PN_WARN : PN_ERROR, "relay-server-lost",
               PN_F_ERR(failure));
    if (failure == NULL && !was_connected)
        pn_log(PN_INFO, "relay-server-found", PN_F_TEXT("relay", pn_uuid_format(relay->id).text));
}

static int64_t next_retry(struct pn_relay *relay)
{
    int64_t wait_ms = relay->retry_ms / 2 + pn_random_below((uint32_t)relay->retry_ms);

    relay->retry_ms = relay->retry_ms * 2 < RETRY_MAX_MS ? relay->retry_ms * 2 : RETRY_MAX_MS;
    return wait_ms;
}

/* Enrols if need be, asks for certificates and hands them to the loops. */
static bool connect_once(struct pn_relay *relay, struct pn_err *err)
{
    struct pn_relay_identity *identity = NULL;
    int64_t now_ms = pn_clock_mono_ms(), life_ms;

    relay->connect_due_ms = now_ms + next_retry(relay);
    if (!pn_relay_home_enrol(relay->home, relay->one_time, err) ||
        !pn_relay_home_connect(relay->home, &identity, err)) {
        set_connected(relay, err);
        return false;
    }
    set_connected(relay, NULL);
    for (unsigned i = 0; i < relay->loop_count; i++)
        pn_port_identify(relay->ports[i], identity);
    life_ms = identity->not_after_ms - pn_clock_wall_ms();
    pthread_mutex_lock(&relay->mutex);
    relay->certificate_expires_ms = identity->not_after_ms;
    pthread_mutex_unlock(&relay->mutex);
    pn_relay_identity_free(identity);
    relay->retry_ms = RETRY_FIRST_MS;
    relay->connect_due_ms =
        now_ms + (life_ms > 3 * RETRY_FIRST_MS ? life_ms / 3 * 2 : RETRY_MAX_MS);
    return true;
}

static bool heartbeat(struct pn_relay *relay, struct pn_err *err)
{
    struct pn_uuid *gateways = pn_heap_new(MAX_REPORTED * sizeof(*gateways));
    size_t count = pn_registry_gateways(relay->shared.registry, gateways, MAX_REPORTED);
    bool is_heard = pn_relay_home_heartbeat(relay->home, gateways, &count, err);

    for (size_t i = 0; is_heard && i < count; i++)
        for (unsigned j = 0; j < relay->loop_count; j++)
            pn_port_expel(relay->ports[j], gateways[i]);
    pn_heap_free(gateways);
    relay->heartbeat_due_ms = pn_clock_mono_ms() + HEARTBEAT_MS;
    set_connected(relay, is_heard ? NULL : err);
    return is_heard;
}

/* Waits until something is due. False: the relay stops. */
static bool wait_for_work(struct pn_relay *relay, bool *has_changed)
{
    int64_t due_ms = relay->connect_due_ms < relay->heartbeat_due_ms ? relay->connect_due_ms
                                                                     : relay->heartbeat_due_ms;
    const struct timespec until = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };
    bool is_stopping;

    pthread_mutex_lock(&relay->mutex);
    while (!relay->is_stopping && !relay->has_changed && pn_clock_mono_ms() < due_ms)
        pthread_cond_timedwait(&relay->wake, &relay->mutex, &until);
    *has_changed = relay->has_changed;
    relay->has_changed = false;
    is_stopping = relay->is_stopping;
    pthread_mutex_unlock(&relay->mutex);
    return !is_stopping;
}

static void *control(void *relay_)
{
    struct pn_relay *relay = relay_;
    bool has_changed;

    pthread_setname_np(pthread_self(), "relay-control");
    while (wait_for_work(relay, &has_changed)) {
        struct pn_err err = { 0 };
        int64_t now_ms = pn_clock_mono_ms();

        if (now_ms >= relay->connect_due_ms && !connect_once(relay, &err))
            pn_log(PN_WARN, "relay-connect-failed", PN_F_ERR(&err));
        pn_err_clear(&err);
        if ((has_changed || now_ms >= relay->heartbeat_due_ms) &&
            relay->certificate_expires_ms != 0)
            (void)heartbeat(relay, &err);
        else if (now_ms >= relay->heartbeat_due_ms)
            relay->heartbeat_due_ms = now_ms + HEARTBEAT_MS;
    }
    return NULL;
}

/* ---- life ---- */

static bool open_ports(struct pn_relay *relay, const struct pn_relay_config *config,
                       struct pn_err *err)
{
    struct pn_endpoint at;

    if (!pn_endpoint_parse(config->listen, 8443, &at, err))
        return pn_within(err, "relay: listen");
    for (unsigned i = 0; i < relay->loop_count; i++)
        if (!pn_loop_new(&relay->loops[i], err) ||
            !pn_port_new(relay->loops[i], i, &relay->shared, &at,
                         i > 0 ? pn_port_fd(relay->ports[0]) : -1, &relay->ports[i], err))
            return pn_within(err, "relay");
    relay->port = pn_port_number(relay->ports[0]);
    return true;
}

static bool start_threads(struct pn_relay *relay, struct pn_err *err)
{
    char name[24];

    while (relay->running_count < relay->loop_count) {
        (void)snprintf(name, sizeof(name), "relay-%u", relay->running_count);
        if (!pn_loop_start(relay->loops[relay->running_count], name, err))
            return false;
        relay->running_count++;
    }
    if (pthread_create(&relay->control, NULL, control, relay) != 0)
        return pn_fail(err, PN_IO, "no thread for the relay");
    relay->has_control = true;
    return true;
}

static struct pn_relay *relay_new(const struct pn_relay_config *config)
{
    struct pn_relay *relay = pn_heap_new(sizeof(*relay));
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&relay->mutex, NULL);
    pthread_cond_init(&relay->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    relay->loop_count = config->loops == 0          ? 1
                        : config->loops < MAX_LOOPS ? config->loops
                                                    : MAX_LOOPS;
    relay->retry_ms = RETRY_FIRST_MS;
    relay->shared.registry = pn_registry_new();
    relay->shared.addresses = pn_addresses_open_new(
        config->max_per_address != 0 ? config->max_per_address : MAX_PER_ADDRESS);
    relay->shared.ports = relay->ports;
    relay->shared.changed = on_changed;
    relay->shared.context = relay;
    return relay;
}

static bool start(struct pn_relay *relay, const struct pn_relay_config *config, struct pn_err *err)
{
    if (config->enrol_token != NULL &&
        (relay->one_time = pn_secret_copy(config->enrol_token, err)) == NULL)
        return false;
    if (!pn_relay_home_new(config->server_url, config->server_ca_pem, config->state_dir,
                           &relay->home, err) ||
        !open_ports(relay, config, err))
        return false;
    if (!connect_once(relay, err)) {
        if (!pn_relay_home_is_away(err))
            return false;
        pn_log(PN_WARN, "relay-connect-failed", PN_F_ERR(err));
        pn_err_clear(err);
    }
    return start_threads(relay, err);
}

bool pn_relay_start(const struct pn_relay_config *config, struct pn_relay **out, struct pn_err *err)
{
    struct pn_relay *relay = relay_new(config);

    if (!start(relay, config, err)) {
        pn_relay_stop(relay);
        return false;
    }
    pn_log(PN_INFO, "relay-started", PN_F_STR("name", config->name), PN_F_INT("port", relay->port),
           PN_F_INT("loops", relay->loop_count));
    *out = relay;
    return true;
}

void pn_relay_stop(struct pn_relay *relay)
{
    if (relay == NULL)
        return;
    for (unsigned i = 0; i < relay->running_count; i++)
        pn_port_stop(relay->ports[i], GRACE_MS);
    for (unsigned i = 0; i < relay->running_count; i++)
        pn_loop_join(relay->loops[i]);
    pthread_mutex_lock(&relay->mutex);
    relay->is_stopping = true;
    pthread_cond_signal(&relay->wake);
    pthread_mutex_unlock(&relay->mutex);
    if (relay->has_control)
        pthread_join(relay->control, NULL);
    /* Posted work may still name a port of another loop: first all loops run dry, then ports go. */
    for (unsigned i = 0; i < relay->loop_count; i++)
        if (relay->loops[i] != NULL)
            pn_loop_drain(relay->loops[i]);
    for (unsigned i = 0; i < relay->loop_count; i++)
        pn_port_free(relay->ports[i]);
    for (unsigned i = 0; i < relay->loop_count; i++)
        pn_loop_free(relay->loops[i]);
    pn_addresses_open_free(relay->shared.addresses);
    pn_registry_free(relay->shared.registry);
    pn_relay_home_free(relay->home);
    pn_secret_free(relay->one_time);
    pthread_cond_destroy(&relay->wake);
    pthread_mutex_destroy(&relay->mutex);
    pn_heap_free(relay);
}

uint16_t pn_relay_port(const struct pn_relay *relay)
{
    return relay->port;
}

struct pn_relay_status pn_relay_status(struct pn_relay *relay)
{
    struct pn_relay_status status = {
        .tunnels = __atomic_load_n(&relay->shared.tunnels, __ATOMIC_RELAXED),
        .clients = __atomic_load_n(&relay->shared.clients, __ATOMIC_RELAXED),
        .accepted = __atomic_load_n(&relay->shared.accepted, __ATOMIC_RELAXED),
        .refused = __atomic_load_n(&relay->shared.refused, __ATOMIC_RELAXED),
    };

    pthread_mutex_lock(&relay->mutex);
    status.id = relay->id;
    status.is_connected = relay->is_connected;
    status.certificate_expires_ms = relay->certificate_expires_ms;
    pthread_mutex_unlock(&relay->mutex);
    return status;
}
