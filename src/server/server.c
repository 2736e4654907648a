/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/audit/audit.h"
#include "core/auth/clusters.h"
#include "core/org/instance.h"
#include "core/scope.h"
#include "core/watched.h"
#include "crypto/random.h"
#include "db/cache.h"
#include "net/dial.h"
#include "net/tls.h"
#include "server/client_ip.h"
#include "server/dispatch.h"
#include "server/feeds.h"
#include "server/gateway_road.h"
#include "server/jobs/jobs.h"
#include "reach/reach.h"
#include "server/routes.h"
#include "server/trust.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT 8200
#define HANDSHAKE_MS 10000
#define HEAD_TIMEOUT_MS 32000
#define IDLE_TIMEOUT_MS 90000
#define MAX_STREAMS 250
#define DRAIN_TICK_MS 10
#define LANE_SHARE 2 /* of the slow lane, one cluster takes one part in so many */
#define PLATFORM_BUDGET ((size_t)8 << 20)

struct pn_server {
    const struct pn_settings *settings; /* = &effective */
    struct pn_settings effective;       /* the configured ones; borrows their texts */
    struct pn_arena *arena;             /* what lives as long as the server */
    int lock_fd;
    struct pn_keyring *keyring;
    struct pn_cache *cache;
    struct pn_net_list proxies, cluster_nets;
    struct pn_db *db;
    struct pn_router *router;
    struct pn_limiter *limiter;
    struct pn_metrics metrics;
    struct pn_lane *fast, *slow;
    struct pn_jobs *jobs;
    struct pn_gateway_road *road;
    struct pn_reacher *reacher;
    struct pn_clusters *clusters;

    struct pn_loop *loop; /* from here on: the loop's, once it runs */
    struct pn_trust trust;
    struct pn_tls_context *tls;
    struct pn_feeds *feeds;
    struct pn_dispatcher *dispatcher;
    struct pn_http_server *http;
    struct pn_listener *listener;
    struct arrival *arrivals;
    size_t open; /* connections, with those in their handshake */
    struct pn_task drain;
    struct pn_timer drain_timer;
    int64_t drain_until_ms;
    bool is_running;
    uint16_t port;
    char url[300];
};

/* ---- connections ---- */

/* A connection in its handshake. */
struct arrival {
    struct pn_server *server;
    struct arrival *next, **at;
    struct pn_stream *tls;
    char ip[64];
};

static struct arrival *arrival_new(struct pn_server *server, struct pn_str peer_ip)
{
    struct arrival *a = pn_heap_new(sizeof(*a));

    snprintf(a->ip, sizeof(a->ip), "%.*s", PN_ARG(peer_ip));
    a->server = server;
    a->next = server->arrivals;
    a->at = &server->arrivals;
    if (a->next != NULL)
        a->next->at = &a->next;
    server->arrivals = a;
    server->open++;
    return a;
}

static void arrival_free(struct arrival *a)
{
    *a->at = a->next;
    if (a->next != NULL)
        a->next->at = a->at;
    pn_heap_free(a);
}

static void on_closed(void *context, void *server_)
{
    struct pn_server *server = server_;

    (void)context;
    server->open--;
}

static void on_handshake(void *owner, struct pn_stream *tls, const struct pn_err *err)
{
    struct arrival *a = owner;
    struct pn_server *server = a->server;

    if (tls != NULL) {
        (void)pn_http_serve(server->http, tls, strcmp(pn_tls_alpn(tls), "h2") == 0,
                            pn_str_from(a->ip), server);
    } else {
        pn_log(PN_DEBUG, "handshake-failed", PN_F_TEXT("ip", a->ip), PN_F_ERR(err));
        server->open--;
    }
    arrival_free(a);
}

static void refuse(struct arrival *a, const struct pn_err *err)
{
    pn_log(PN_WARN, "connection-refused", PN_F_TEXT("ip", a->ip), PN_F_ERR(err));
    a->server->open--;
    arrival_free(a);
}

static bool begin(struct arrival *a, int fd, struct pn_err *err)
{
    struct pn_server *server = a->server;
    struct pn_stream *socket;

    if (!pn_socket_stream(server->loop, fd, &socket, err))
        return false;
    if (server->open > (size_t)server->settings->max_connections) {
        pn_stream_close(socket);
        return pn_fail(err, PN_BUSY, "too many connections");
    }
    return pn_tls_start(server->tls, socket, NULL, HANDSHAKE_MS, on_handshake, a, &a->tls, err);
}

static void on_accepted(void *owner, int fd, struct pn_str peer_ip)
{
    struct arrival *a = arrival_new(owner, peer_ip);
    struct pn_err err = { 0 };

    if (!begin(a, fd, &err))
        refuse(a, &err);
}

/* ---- stopping ---- */

static void on_drain_tick(struct pn_timer *timer)
{
    struct pn_server *server = pn_container_of(timer, struct pn_server, drain_timer);

    const size_t left =
        pn_dispatcher_in_progress(server->dispatcher) + pn_feeds_count(server->feeds);

    if (left == 0 || pn_clock_mono_ms() >= server->drain_until_ms)
        pn_loop_stop(server->loop);
    else
        pn_timer_start(server->loop, &server->drain_timer, DRAIN_TICK_MS);
}

static void on_drain(struct pn_task *task)
{
    struct pn_server *server = pn_container_of(task, struct pn_server, drain);

    pn_listener_close(server->listener);
    server->listener = NULL;
    pn_http_server_drain(server->http);
    pn_feeds_drain(server->feeds);
    server->drain_until_ms = pn_clock_mono_ms() + server->settings->drain_timeout;
    server->drain_timer.run = on_drain_tick;
    pn_timer_start(server->loop, &server->drain_timer, DRAIN_TICK_MS);
}

/* ---- starting ---- */

static bool open_state(struct pn_server *server, struct pn_err *err)
{
    const struct pn_settings *settings = server->settings;
    const struct pn_db_config config = {
        .path = pn_arena_printf(server->arena, "%s/postern.db", settings->data).ptr,
        .migrations = pn_core_migrations,
        .migration_count = pn_core_migration_count,
        .watched = pn_core_watched,
    };
    uint8_t salt[PN_CACHE_SALT_BYTES];
    struct pn_db_conn *conn;
    bool done;

    if (!pn_dir_make(settings->data, 0700, err))
        return pn_within(err, "making the data directory");
    server->lock_fd =
        pn_file_lock(pn_arena_printf(server->arena, "%s/lock", settings->data).ptr, 0, err);
    if (server->lock_fd < 0 && err->code == PN_BUSY)
        return pn_recast(err, PN_IO, "%s is in use by another server", settings->data);
    if (server->lock_fd < 0)
        return false;
    if (!pn_trust_keyring(server->arena, settings, &server->keyring, err) ||
        !pn_db_open(&config, &server->db, err) || !pn_db_connect(server->db, &conn, err))
        return false;
    pn_random_bytes(salt, sizeof(salt));
    server->cache = pn_cache_new(server->db, PN_CACHE_ENTRIES, PN_CACHE_BYTES, salt);
    done = pn_instance_ensure(server->db, conn, err);
    pn_db_disconnect(conn);
    return done;
}

static bool start_lane(struct pn_server *server, const char *name, int64_t threads,
                       struct pn_lane **out, struct pn_err *err)
{
    const struct pn_lane_config config = { .name = name,
                                           .threads = threads > 0 ? (unsigned)threads : 1,
                                           .queue_max = (size_t)server->settings->queue,
                                           .worker_new = pn_dispatch_worker_new,
                                           .worker_free = pn_dispatch_worker_free,
                                           .context = server->db };

    return pn_lane_new(&config, out, err);
}

static struct pn_limiter *make_limiter(const struct pn_settings *s)
{
    const int64_t limits[PN_RATES] = { [PN_RATE_READ] = s->rate_read,
                                       [PN_RATE_WRITE] = s->rate_write,
                                       [PN_RATE_LOGIN] = s->rate_login,
                                       [PN_RATE_ENROL] = s->rate_enrol,
                                       [PN_RATE_ACCESS] = s->rate_access };

    return s->rate_limits && !s->dev ? pn_limiter_new(limits) : NULL;
}

static bool read_nets(const char *setting, const char *text, struct pn_net_list *out,
                      struct pn_err *err)
{
    return pn_net_list_parse(pn_str_from(text), out, err) || pn_within(err, "setting %s", setting);
}

/* Whoever tries us out has their cluster on the same machine. */
static const char *cluster_networks(const struct pn_settings *s)
{
    return s->dev && s->cluster_networks[0] == '\0' ? "127.0.0.0/8,::1" : s->cluster_networks;
}

static bool start_workers(struct pn_server *server, struct pn_err *err)
{
    const struct pn_settings *settings = server->settings;

    if (!pn_router_new(pn_route_tables, &server->router, err) ||
        !read_nets("trusted-proxies", settings->trusted_proxies, &server->proxies, err) ||
        !read_nets("cluster-networks", cluster_networks(settings), &server->cluster_nets, err))
        return false;
    server->limiter = make_limiter(settings);
    server->road = pn_gateway_road_new();
    server->reacher =
        pn_reacher_new(&(struct pn_reacher_config){ .pod_directory = settings->pod_identity,
                                                    .gateways = pn_gateway_road_port(server->road),
                                                    .allowed = &server->cluster_nets });
    server->clusters =
        pn_clusters_new(settings->verdict_cache, (unsigned)(settings->slow_threads / LANE_SHARE));
    return start_lane(server, "fast", settings->fast_threads, &server->fast, err) &&
           start_lane(server, "slow", settings->slow_threads, &server->slow, err);
}

static bool make_tls(struct pn_server *server, struct pn_str host, struct pn_err *err)
{
    static const char *const alpn[] = { "h2", "http/1.1", NULL };
    struct pn_tls_settings tls = {
        .is_server = true, .has_tickets = true, .alpn = alpn, .alpn_may_be_absent = true
    };

    if (!pn_trust_certificates(server->arena, server->settings, host, &server->trust, err))
        return false;
    tls.chain_pem = server->trust.chain_pem;
    tls.key_pem = server->trust.key_pem;
    return pn_tls_context_new(&tls, &server->tls, err);
}

static void make_http(struct pn_server *server)
{
    struct pn_dispatch_parts parts = {
        .loop = server->loop,
        .router = server->router,
        .settings = server->settings,
        .db = server->db,
        .keyring = server->keyring,
        .cache = server->cache,
        .limiter = server->limiter,
        .proxies = &server->proxies,
        .metrics = &server->metrics,
        .fast = server->fast,
        .slow = server->slow,
        .reach = pn_reacher_port(server->reacher),
        .clusters = server->clusters,
    };
    struct pn_http_server_config config = {
        .request = pn_dispatch,
        .closed = on_closed,
        .error_body = pn_dispatch_error_body,
        .head_timeout_ms = HEAD_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .max_streams = MAX_STREAMS,
    };

    parts.feeds = server->feeds = pn_feeds_new(&parts);
    server->dispatcher = pn_dispatcher_new(&parts);
    config.context = server->dispatcher;
    server->http = pn_http_server_new(server->loop, &config);
}

/* The address under which a client on this machine reaches what listens everywhere. */
static void make_url(struct pn_server *server, const char *host)
{
    bool is_any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    const char *shown = is_any ? "127.0.0.1" : host;

    server->port = pn_listener_port(server->listener);
    snprintf(server->url, sizeof(server->url),
             strchr(shown, ':') != NULL ? "https://[%s]:%u" : "https://%s:%u", shown, server->port);
}

/* What we listen on is no cluster; the relay of --dev listens where the settings say. */
static void own_listeners(struct pn_server *server)
{
    struct pn_err ignored = { 0 };
    struct pn_endpoint relay;

    pn_reacher_own(server->reacher, server->port);
    if (server->settings->dev &&
        pn_endpoint_parse(pn_str_from(server->settings->relay_listen), 0, &relay, &ignored))
        pn_reacher_own(server->reacher, relay.port);
}

static bool start_serving(struct pn_server *server, struct pn_err *err)
{
    struct pn_endpoint at;

    if (!pn_endpoint_parse(pn_str_from(server->settings->listen), DEFAULT_PORT, &at, err))
        return pn_within(err, "setting listen");
    if (!pn_loop_new(&server->loop, err) || !make_tls(server, pn_str_from(at.host), err))
        return false;
    make_http(server);
    if (!pn_listen(server->loop, &at, on_accepted, server, &server->listener, err))
        return false;
    make_url(server, at.host);
    own_listeners(server);
    if (server->effective.public_url[0] == '\0')
        server->effective.public_url = server->url; /* links that are handed out lead here */
    server->drain.run = on_drain;
    server->is_running = pn_loop_start(server->loop, "server", err);
    return server->is_running;
}

bool pn_server_start(const struct pn_server_config *config, struct pn_server **out,
                     struct pn_err *err)
{
    struct pn_server *server = pn_heap_new(sizeof(*server));
    struct pn_jobs_config jobs;

    server->effective = *config->settings;
    server->settings = &server->effective;
    server->arena = pn_arena_new((size_t)1 << 20);
    server->lock_fd = -1;
    if (!open_state(server, err) || !start_workers(server, err) || !start_serving(server, err)) {
        pn_server_stop(server);
        return false;
    }
    jobs = (struct pn_jobs_config){ .db = server->db,
                                    .keyring = server->keyring,
                                    .settings = server->settings,
                                    .reach = pn_reacher_port(server->reacher),
                                    .metrics = &server->metrics };
    if (!pn_jobs_start(&jobs, &server->jobs, err)) {
        pn_server_stop(server);
        return false;
    }
    pn_log(PN_INFO, "server-listening", PN_F_TEXT("url", server->url),
           PN_F_TEXT("data", config->settings->data));
    *out = server;
    return true;
}

void pn_server_hang_up(struct pn_server *server)
{
    pn_gateway_road_hang_up(server->road);
}

/* What outlasted the drain ends, and comes back to its requests while they are there; no other is begun. */
static void stop_lanes(struct pn_server *server)
{
    if (server->slow != NULL)
        pn_lane_stop(server->slow);
    if (server->fast != NULL)
        pn_lane_stop(server->fast);
    if (server->loop != NULL)
        pn_loop_drain(server->loop);
}

/* The reverse of starting; takes a server that started half. */
void pn_server_stop(struct pn_server *server)
{
    if (server == NULL)
        return;
    if (server->is_running) {
        pn_loop_post(server->loop, &server->drain);
        pn_loop_join(server->loop);
    }
    pn_jobs_stop(server->jobs);
    pn_feeds_stop(server->feeds);
    stop_lanes(server);
    pn_listener_close(server->listener);
    while (server->arrivals != NULL) {
        pn_stream_close(server->arrivals->tls);
        arrival_free(server->arrivals);
    }
    pn_reacher_free(server->reacher);
    pn_gateway_road_free(server->road);
    pn_clusters_free(server->clusters);
    pn_dispatcher_free(server->dispatcher);
    pn_http_server_free(server->http);
    pn_lane_free(server->slow);
    pn_lane_free(server->fast);
    pn_tls_context_free(server->tls);
    pn_trust_drop(&server->trust);
    pn_loop_free(server->loop);
    pn_feeds_free(server->feeds);
    pn_limiter_free(server->limiter);
    pn_router_free(server->router);
    pn_cache_free(server->cache);
    pn_db_close(server->db);
    pn_keyring_free(server->keyring);
    if (server->lock_fd >= 0)
        pn_file_unlock(server->lock_fd);
    pn_arena_free(server->arena);
    pn_log(PN_INFO, "server-stopped");
    pn_heap_free(server);
}

bool pn_server_verify_audit(const struct pn_settings *settings, int64_t *rows, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    const struct pn_db_config config = {
        .path = pn_arena_printf(arena, "%s/postern.db", settings->data).ptr,
        .migrations = pn_core_migrations,
        .migration_count = pn_core_migration_count,
    };
    struct pn_db_conn *conn;
    struct pn_db *db;
    bool done;

    if (!pn_file_exists(config.path))
        return pn_fail(err, PN_NOT_FOUND, "There is no database in %s", settings->data);
    if (!pn_db_open(&config, &db, err))
        return false;
    done = pn_db_connect(db, &conn, err);
    if (done) {
        done = pn_audit_verify(conn, rows, err);
        pn_db_disconnect(conn);
    }
    pn_db_close(db);
    return done;
}

uint16_t pn_server_port(const struct pn_server *server)
{
    return server->port;
}

const char *pn_server_url(const struct pn_server *server)
{
    return server->url;
}

const char *pn_server_ca_file(const struct pn_server *server)
{
    return server->trust.ca_file;
}

bool pn_server_call(struct pn_server *server,
                    bool (*run)(struct pn_call *call, void *context, struct pn_err *err),
                    void *context, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(PLATFORM_BUDGET);
    struct pn_call call = { .arena = arena,
                            .deadline_ms = pn_clock_mono_ms() + server->settings->request_timeout,
                            .now_ms = pn_clock_wall_ms(),
                            .actor = { .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") },
                            .request_id = PN_LIT("platform"),
                            .db = server->db,
                            .keyring = server->keyring,
                            .settings = server->settings,
                            .reach = pn_reacher_port(server->reacher),
                            .clusters = server->clusters };
    bool done;

    if (!pn_db_connect(server->db, &call.conn, err))
        return false;
    done = run(&call, context, err);
    pn_db_disconnect(call.conn);
    return done;
}
