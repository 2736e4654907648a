/* SPDX-License-Identifier: Apache-2.0 */
#include "client/road.h"

#include "net/dial.h"
#include "net/tls.h"

#define RELAY_PORT 8443
#define DIAL_MS 5000
#define HANDSHAKE_MS 10000

static const char *const ordinary_alpn[] = { "h2", "http/1.1", NULL };
static const char *const upgrade_alpn[] = { "http/1.1", NULL };

struct pn_road {
    struct pn_loop *loop;
    const struct pn_access *access;
    struct pn_tls_context *ordinary, *upgrade;
    struct pn_origin *origin;
    const char *server_name;
    struct attempt *attempts; /* under way */
};

/* One connection being opened: endpoint by endpoint. */
struct attempt {
    struct pn_road *road;
    struct pn_connect *connect; /* NULL: the pool has let go of it */
    bool is_upgrade;
    size_t next_endpoint;
    struct pn_dial *dial;
    struct pn_stream *tls; /* during the handshake */
    struct pn_err last;
    struct attempt *next, **link;
};

static void attempt_next(struct attempt *attempt);

static size_t endpoint_count(const struct pn_access *access)
{
    return access->relays.count + (access->direct_address.len > 0 ? 1 : 0);
}

static struct pn_str endpoint_at(const struct pn_access *access, size_t index)
{
    if (access->direct_address.len > 0)
        return index == 0 ? access->direct_address : access->relays.items[index - 1];
    return access->relays.items[index];
}

static void attempt_end(struct attempt *attempt)
{
    *attempt->link = attempt->next;
    if (attempt->next != NULL)
        attempt->next->link = attempt->link;
    pn_heap_free(attempt);
}

static void on_secured(void *owner, struct pn_stream *tls, const struct pn_err *err)
{
    struct attempt *attempt = owner;

    attempt->tls = NULL;
    if (err != NULL) {
        attempt->last = *err;
        attempt_next(attempt);
        return;
    }
    pn_connect_done(attempt->connect, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"));
    attempt_end(attempt);
}

static void on_dialed(void *owner, struct pn_stream *socket, const struct pn_err *err)
{
    struct attempt *attempt = owner;
    struct pn_road *road = attempt->road;

    attempt->dial = NULL;
    if (err != NULL) {
        attempt->last = *err;
        attempt_next(attempt);
        return;
    }
    pn_err_clear(&attempt->last);
    if (!pn_tls_start(attempt->is_upgrade ? road->upgrade : road->ordinary, socket,
                      road->server_name, HANDSHAKE_MS, on_secured, attempt, &attempt->tls,
                      &attempt->last))
        attempt_next(attempt);
}

/* The next endpoint, or the end: the last failure is the one to tell. */
static void attempt_next(struct attempt *attempt)
{
    const struct pn_access *access = attempt->road->access;
    struct pn_endpoint endpoint;

    while (attempt->next_endpoint < endpoint_count(access)) {
        struct pn_str text = endpoint_at(access, attempt->next_endpoint++);

        pn_err_clear(&attempt->last);
        if (!pn_endpoint_parse(text, RELAY_PORT, &endpoint, &attempt->last))
            continue;
        attempt->dial = pn_dial(attempt->road->loop, &endpoint, DIAL_MS, on_dialed, attempt);
        return;
    }
    if (attempt->last.code == PN_OK)
        pn_fail(&attempt->last, PN_UNREACHABLE, "no relay leads to the gateway");
    pn_recast(&attempt->last, PN_UNREACHABLE,
              "the gateway cannot be reached: is it running, and is its relay?");
    pn_connect_failed(attempt->connect, &attempt->last);
    attempt_end(attempt);
}

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

bool pn_road_new(struct pn_loop *loop, const struct pn_access *access, struct pn_road **out,
                 struct pn_err *err)
{
    struct pn_road *road = pn_heap_new(sizeof *road);
    const struct pn_origin_config origin = { .connect = on_connect,
                                             .context = road,
                                             .max_connections = 8,
                                             .streams_per_connection = 200,
                                             .max_waiting = 1000,
                                             .idle_timeout_ms = (int64_t)10 * 60 * 1000 };

    road->loop = loop;
    road->access = access;
    road->server_name = pn_cstr(access->arena, access->server_name);
    if (!make_context(access, ordinary_alpn, &road->ordinary, err) ||
        !make_context(access, upgrade_alpn, &road->upgrade, err)) {
        pn_road_free(road);
        return false;
    }
    road->origin = pn_origin_new(loop, &origin);
    *out = road;
    return true;
}

void pn_road_free(struct pn_road *road)
{
    if (road == NULL)
        return;
    if (road->origin != NULL)
        pn_origin_free(road->origin);
    while (road->attempts != NULL) {
        struct attempt *attempt = road->attempts;

        if (attempt->dial != NULL)
            pn_dial_cancel(attempt->dial);
        pn_stream_close(attempt->tls);
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
