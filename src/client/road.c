/* SPDX-License-Identifier: Apache-2.0 */
#include "client/road.h"

#include "net/dial.h"
#include "net/tls.h"

#define RELAY_PORT 8443
#define DIAL_MS 5000
#define HANDSHAKE_MS 10000
/* Of an endpoint behind which another waits: one that is gone costs a person little. The last one gets all. */
#define IMPATIENT_DIAL_MS 1000
#define IMPATIENT_HANDSHAKE_MS 1500
#define PING_MS 2000
#define MAX_ENDPOINTS (PN_ACCESS_RELAYS_MAX + 1)

static const char *const ordinary_alpn[] = { "h2", "http/1.1", NULL };
static const char *const upgrade_alpn[] = { "http/1.1", NULL };

struct pn_road {
    struct pn_loop *loop;
    struct pn_endpoint endpoints[MAX_ENDPOINTS];
    size_t endpoint_count;
    size_t first; /* the endpoint that led to the gateway last time */
    struct pn_tls_context *ordinary, *upgrade;
    struct pn_origin *origin;
    const char *server_name;
    struct attempt *attempts; /* under way */
};

/* One connection being opened: endpoint by endpoint. */
struct attempt {
    struct pn_road *road;
    struct pn_connect *connect;
    bool is_upgrade;
    size_t tried; /* endpoints */
    struct pn_dial *dial;
    struct pn_stream *tls; /* during the handshake */
    struct pn_err last;
    struct attempt *next, **link;
};

static void attempt_next(struct attempt *attempt);

static void attempt_end(struct attempt *attempt)
{
    *attempt->link = attempt->next;
    if (attempt->next != NULL)
        attempt->next->link = attempt->link;
    pn_heap_free(attempt);
}

static size_t endpoint_now(const struct attempt *attempt)
{
    return (attempt->road->first + attempt->tried) % attempt->road->endpoint_count;
}

static bool is_last(const struct attempt *attempt)
{
    return attempt->tried + 1 == attempt->road->endpoint_count;
}

static void attempt_failed(struct attempt *attempt, const struct pn_err *err)
{
    attempt->last = *err;
    attempt->tried++;
    attempt_next(attempt);
}

static void on_secured(void *owner, struct pn_stream *tls, const struct pn_err *err)
{
    struct attempt *attempt = owner;

    attempt->tls = NULL;
    if (err != NULL) {
        attempt_failed(attempt, err);
        return;
    }
    attempt->road->first = endpoint_now(attempt);
    pn_connect_done(attempt->connect, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"));
    attempt_end(attempt);
}

static void on_dialed(void *owner, struct pn_stream *socket, const struct pn_err *err)
{
    struct attempt *attempt = owner;
    struct pn_road *road = attempt->road;
    struct pn_err refused = { 0 };

    attempt->dial = NULL;
    if (err != NULL)
        attempt_failed(attempt, err);
    else if (!pn_tls_start(attempt->is_upgrade ? road->upgrade : road->ordinary, socket,
                           road->server_name,
                           is_last(attempt) ? HANDSHAKE_MS : IMPATIENT_HANDSHAKE_MS, on_secured,
                           attempt, &attempt->tls, &refused))
        attempt_failed(attempt, &refused);
}

/* The next endpoint, or the end: the last failure is the one to tell. */
static void attempt_next(struct attempt *attempt)
{
    struct pn_road *road = attempt->road;

    if (attempt->tried < road->endpoint_count) {
        attempt->dial = pn_dial(road->loop, &road->endpoints[endpoint_now(attempt)],
                                is_last(attempt) ? DIAL_MS : IMPATIENT_DIAL_MS, on_dialed, attempt);
        return;
    }
    pn_recast(&attempt->last, PN_UNREACHABLE, "the gateway cannot be reached: %s",
              attempt->last.message);
    pn_connect_failed(attempt->connect, &attempt->last);
    attempt_end(attempt);
}

/* Never fails from inside: the pool is in the middle of something. */
static void on_connect(void *context, struct pn_connect *connect, bool wants_h1)
{
    struct pn_road *road = context;
    struct attempt *attempt = pn_heap_new(sizeof *attempt);

    attempt->road = road;
    attempt->connect = connect;
    attempt->is_upgrade = wants_h1;
    attempt->link = &road->attempts;
    attempt->next = road->attempts;
    if (attempt->next != NULL)
        attempt->next->link = &attempt->next;
    road->attempts = attempt;
    attempt_next(attempt);
}

static bool make_context(const struct pn_access *access, const char *const *alpn,
                         struct pn_tls_context **out, struct pn_err *err)
{
    const struct pn_tls_settings settings = { .chain_pem = access->certificate_pem,
                                              .key_pem = access->key_pem,
                                              .trust_pem = access->trust_pem,
                                              .alpn = alpn };

    return pn_tls_context_new(&settings, out, err);
}

static bool add_endpoint(struct pn_road *road, struct pn_str text, struct pn_err *err)
{
    if (!pn_endpoint_parse(text, RELAY_PORT, &road->endpoints[road->endpoint_count], err))
        return pn_within(err, "the server's answer");
    road->endpoint_count++;
    return true;
}

/* The gateway's own address is the shortest way. */
static bool list_endpoints(struct pn_road *road, const struct pn_access *access, struct pn_err *err)
{
    if (access->direct_address.len > 0 && !add_endpoint(road, access->direct_address, err))
        return false;
    for (size_t i = 0; i < access->relays.count && i < PN_ACCESS_RELAYS_MAX; i++) {
        if (!add_endpoint(road, access->relays.items[i], err))
            return false;
    }
    return road->endpoint_count > 0 ||
           pn_fail(err, PN_UNREACHABLE, "no relay leads to the gateway");
}

bool pn_road_new(struct pn_loop *loop, const struct pn_access *access, struct pn_road **out,
                 struct pn_err *err)
{
    struct pn_road *road = pn_heap_new(sizeof *road);
    const struct pn_origin_config origin = { .connect = on_connect,
                                             .context = road,
                                             .max_connections = 8,
                                             .streams_per_connection = 200,
                                             .max_waiting = 1000,
                                             .ping_ms = PING_MS,
                                             .idle_timeout_ms = (int64_t)10 * 60 * 1000 };

    road->loop = loop;
    road->server_name = pn_cstr(access->arena, access->server_name);
    if (!list_endpoints(road, access, err) ||
        !make_context(access, ordinary_alpn, &road->ordinary, err) ||
        !make_context(access, upgrade_alpn, &road->upgrade, err)) {
        pn_road_free(road);
        return false;
    }
    road->origin = pn_origin_new(loop, &origin);
    *out = road;
    return true;
}

/* The pool goes first; then what was being opened for it is given back. */
void pn_road_free(struct pn_road *road)
{
    struct pn_err err = { 0 };

    if (road == NULL)
        return;
    pn_fail(&err, PN_UNREACHABLE, "the road is closed");
    pn_origin_free(road->origin);
    while (road->attempts != NULL) {
        struct attempt *attempt = road->attempts;

        if (attempt->dial != NULL)
            pn_dial_cancel(attempt->dial);
        pn_stream_close(attempt->tls);
        pn_connect_failed(attempt->connect, &err);
        attempt_end(attempt);
    }
    pn_tls_context_free(road->ordinary);
    pn_tls_context_free(road->upgrade);
    pn_heap_free(road);
}

struct pn_origin *pn_road_origin(struct pn_road *road)
{
    return road->origin;
}
