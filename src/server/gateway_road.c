/* SPDX-License-Identifier: Apache-2.0 */
#include "server/gateway_road.h"

#include "base/clock.h"
#include "core/gateway/platform.h"
#include "core/gateway/pools.h"
#include "kube/road.h"
#include "reach/idle.h"

#define TIMEOUT_MS 10000
#define GRACE_MS 500 /* the gateway's own sentence about a time-out needs time to arrive */
#define MAX_ANSWER_BYTES ((size_t)64 * 1024)
#define MAX_USE_MS (INT64_C(30) * 60 * 1000)
#define CONNECT_MS 2000 /* of a way that another may stand in for; through a relay, with TLS */
#define QUIET_MS 1000   /* a connection that waited longer may lead nowhere by now */
#define RELAY_PORT 8443

struct pn_gateway_road {
    struct pn_reach_port port; /* first: what calls hold */
    struct pn_idle_pool *idle;
};

/* One call: to one gateway or, one after the other, to members of a pool. */
struct errand {
    struct pn_gateway_road *road;
    struct pn_call *call;
    const struct pn_reach_to *to;
    const struct pn_reach_request *request;
    struct pn_reach_answer *out;
    enum pn_reach_fault *fault;
    struct pn_uuid org;
    int64_t deadline_ms;
    int64_t until_ms; /* of the member that is asked now */
    bool is_last_way; /* there is none to try after the one that is tried now */
};

/* How it went: answered; over, with a reason; not a word came back, another way may do better. */
enum outcome { DONE, FAILED, NO_ROAD };

/* ---- one connection ---- */

static void key_of(const struct errand *e, struct pn_uuid gateway, struct pn_str address,
                   uint8_t key[PN_SHA256_BYTES])
{
    pn_hash_sha256(
        pn_arena_printf(e->call->arena, "%s|%.*s", pn_uuid_format(gateway).text, PN_ARG(address)),
        key);
}

static bool open_fetcher(struct errand *e, struct pn_uuid gateway, struct pn_str address,
                         struct pn_fetcher **out, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *key = NULL;
    struct pn_platform_leaf leaf;
    struct pn_fetcher_config config = { .url = { .is_tls = true, .prefix = PN_LIT("") },
                                        .user_agent = "postern/" PN_VERSION,
                                        .alpn = PN_ROAD_ALPN };

    if (!pn_endpoint_parse(address, RELAY_PORT, &config.url.endpoint, err) ||
        !pn_platform_issue(e->call, e->org, gateway, &leaf, err))
        return false;
    key = pn_secret_new(leaf.key, err);
    if (key == NULL)
        return false;
    config.chain_pem = leaf.chain;
    config.key_pem = key;
    config.trust_pem = leaf.trust;
    config.server_name = pn_cstr(e->call->arena, leaf.server_name);
    return pn_fetcher_new(&config, out, err);
}

static bool new_connection(struct errand *e, struct pn_uuid gateway, struct pn_str address,
                           struct pn_idle **out, struct pn_err *err)
{
    uint8_t key[PN_SHA256_BYTES];
    struct pn_fetcher *fetcher;

    if (!open_fetcher(e, gateway, address, &fetcher, err))
        return false;
    key_of(e, gateway, address, key);
    *out = pn_idle_new(key, fetcher, pn_clock_mono_ms() + MAX_USE_MS);
    return true;
}

/* A relay that fell silent keeps its connections: one that waited shows that it lives before it gets a request. */
static bool is_alive(struct errand *e, struct pn_idle *connection, struct pn_err *err)
{
    int64_t now_ms = pn_clock_mono_ms(), by_ms = now_ms + CONNECT_MS;
    struct pn_fetch sign = { .method = "GET",
                             .path = PN_LIT(PN_ROAD_PATH),
                             .deadline_ms = by_ms < e->until_ms ? by_ms : e->until_ms };
    struct pn_fetched fetched;

    return now_ms - connection->since_ms < QUIET_MS ||
           pn_fetch(connection->fetcher, &sign, e->call->arena, &fetched, err);
}

/* NULL without an error: none waits. An error: one did, and leads nowhere. */
static struct pn_idle *take_kept(struct errand *e, struct pn_uuid gateway, struct pn_str address,
                                 struct pn_err *err)
{
    uint8_t key[PN_SHA256_BYTES];
    struct pn_idle *kept;

    key_of(e, gateway, address, key);
    kept = pn_idle_take(e->road->idle, key);
    if (kept == NULL || is_alive(e, kept, err))
        return kept;
    pn_idle_free(kept);
    return NULL;
}

/* ---- one gateway ---- */

/* Whoever accepts and then says nothing must not use up the time of the ways that remain. */
static int64_t connect_by(const struct errand *e)
{
    return e->is_last_way ? e->until_ms : pn_clock_mono_ms() + CONNECT_MS;
}

static bool post(struct errand *e, struct pn_fetcher *fetcher, struct pn_fetched *out,
                 struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_ROAD_MAX_BYTES);
    struct pn_reach_request request = *e->request;
    struct pn_fetch fetch = { .method = "POST",
                              .path = PN_LIT(PN_ROAD_PATH),
                              .deadline_ms = e->until_ms,
                              .connect_by_ms = connect_by(e),
                              .max_body_bytes = 2 * PN_ROAD_MAX_BODY,
                              .is_repeatable = request.is_repeatable };
    int64_t left_ms = e->until_ms - GRACE_MS - pn_clock_mono_ms();

    request.timeout_ms = left_ms < 1 ? 1 : left_ms > PN_ROAD_MAX_MS ? PN_ROAD_MAX_MS : left_ms;
    if (request.max_body_bytes == 0)
        request.max_body_bytes = MAX_ANSWER_BYTES;
    pn_road_print_request(e->to, &request, &json);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the request is too large");
    fetch.body = pn_buf_str(&json);
    return pn_fetch(fetcher, &fetch, e->call->arena, out, err);
}

/* A request that got so far may have been done: it is in doubt, and not asked of another unless it may be. */
static enum outcome lose(struct errand *e, struct pn_idle *connection, const struct pn_err *err)
{
    const bool is_in_doubt =
        pn_fetcher_fault(connection->fetcher).phase == PN_FETCH_HTTP && !e->request->is_repeatable;

    pn_idle_free(connection);
    *e->fault = is_in_doubt ? PN_REACH_OTHER : PN_REACH_NO_GATEWAY;
    if (err->code == PN_TIMEOUT)
        *e->fault = PN_REACH_TIMED_OUT;
    return is_in_doubt ? FAILED : NO_ROAD;
}

static enum outcome read_answer(struct errand *e, const struct pn_fetched *fetched,
                                struct pn_err *err)
{
    if (fetched->status == 200)
        return pn_road_parse_answer(e->call->arena, fetched->body, e->out, e->fault, err) ? DONE
                                                                                          : FAILED;
    if (fetched->status == 503) {
        (void)pn_fail(err, PN_BUSY, "the gateway has too much to do");
        return NO_ROAD;
    }
    *e->fault = PN_REACH_OTHER;
    (void)pn_fail(err, PN_PROTOCOL, "the gateway answered %d: is it of another version?",
                  fetched->status);
    return FAILED;
}

static enum outcome ask(struct errand *e, struct pn_uuid gateway, struct pn_str address,
                        struct pn_err *err)
{
    struct pn_idle *connection = take_kept(e, gateway, address, err);
    struct pn_fetched fetched;

    *e->fault = PN_REACH_NO_GATEWAY;
    if (connection == NULL && err->code != PN_OK && !e->is_last_way)
        return NO_ROAD;
    pn_err_clear(err);
    if (connection == NULL && !new_connection(e, gateway, address, &connection, err))
        return FAILED;
    if (!post(e, connection->fetcher, &fetched, err))
        return lose(e, connection, err);
    pn_idle_keep(e->road->idle, connection);
    return read_answer(e, &fetched, err);
}

/* By every relay that holds a tunnel of it, then directly. */
static enum outcome ask_gateway(struct errand *e, const struct pn_platform_gateway *gateway,
                                struct pn_err *err)
{
    const struct pn_tunnels_road *road = &gateway->road;
    size_t ways = road->relays.count + (road->direct_address.len > 0);
    enum outcome outcome = NO_ROAD;

    for (size_t i = 0; i < ways && outcome == NO_ROAD; i++) {
        struct pn_str address =
            i < road->relays.count ? road->relays.items[i] : road->direct_address;

        pn_err_clear(err);
        e->is_last_way = i + 1 == ways && e->until_ms == e->deadline_ms;
        outcome = ask(e, gateway->id, address, err);
    }
    if (outcome == NO_ROAD && *e->fault == PN_REACH_NO_GATEWAY)
        (void)pn_recast(err, PN_UNREACHABLE, "gateway '%.*s' does not answer",
                        PN_ARG(gateway->name));
    return outcome;
}

/* ---- the gateway, or the members of the pool ---- */

static bool list_members(struct errand *e, struct pn_list *out, struct pn_err *err)
{
    struct pn_uuid *one;

    *e->fault = PN_REACH_NO_GATEWAY;
    if (!pn_uuid_is_zero(e->to->gateway_id)) {
        one = pn_new(e->call->arena, struct pn_uuid, 1);
        *one = e->to->gateway_id;
        *out = (struct pn_list){ one, 1 };
        return true;
    }
    if (pn_uuid_is_zero(e->to->pool_id))
        return pn_fail(err, PN_BAD_REQUEST, "neither a gateway nor a pool is named");
    if (!pn_pools_reachable(e->call, e->org, e->to->pool_id, out, err))
        return false;
    return out->count > 0 ||
           pn_fail(err, PN_UNREACHABLE, "no gateway of the pool has a live tunnel");
}

/* A member's failure is no reason not to ask the next one, unless the request itself is at fault. */
static bool may_go_on(const struct errand *e, enum outcome outcome)
{
    return outcome == NO_ROAD ||
           (outcome == FAILED && e->request->is_repeatable && *e->fault != PN_REACH_BAD_HOST);
}

static enum outcome ask_member(struct errand *e, struct pn_uuid id, struct pn_err *err)
{
    struct pn_platform_gateway gateway;

    pn_err_clear(err);
    *e->fault = PN_REACH_NO_GATEWAY;
    if (pn_platform_find(e->call, e->org, id, &gateway, err))
        return ask_gateway(e, &gateway, err);
    return err->code == PN_UNREACHABLE ? NO_ROAD : FAILED;
}

static bool ask_members(struct errand *e, struct pn_list members, struct pn_err *err)
{
    const struct pn_uuid *ids = members.items;
    enum outcome outcome = NO_ROAD;

    for (size_t i = 0; i < members.count && may_go_on(e, outcome); i++) {
        int64_t now_ms = pn_clock_mono_ms();

        e->until_ms =
            i + 1 == members.count ? e->deadline_ms : now_ms + (e->deadline_ms - now_ms) / 2;
        outcome = ask_member(e, ids[i], err);
    }
    return outcome == DONE;
}

static bool reach(const struct pn_reach_port *port, struct pn_call *call,
                  const struct pn_reach_to *to, const struct pn_reach_request *request,
                  struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *err)
{
    struct errand e = { .road = pn_container_of(port, struct pn_gateway_road, port),
                        .call = call,
                        .to = to,
                        .request = request,
                        .out = out,
                        .fault = fault,
                        .org = pn_uuid_is_zero(to->org_id) ? call->actor.org_id : to->org_id };
    struct pn_list members;

    e.deadline_ms = pn_clock_mono_ms() + GRACE_MS +
                    (request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS);
    if (e.deadline_ms > call->deadline_ms)
        e.deadline_ms = call->deadline_ms;
    return list_members(&e, &members, err) && ask_members(&e, members, err);
}

struct pn_gateway_road *pn_gateway_road_new(void)
{
    struct pn_gateway_road *road = pn_heap_new(sizeof(*road));

    road->port.send = reach;
    road->idle = pn_idle_pool_new();
    return road;
}

void pn_gateway_road_free(struct pn_gateway_road *road)
{
    if (road == NULL)
        return;
    pn_idle_pool_free(road->idle);
    pn_heap_free(road);
}

void pn_gateway_road_hang_up(struct pn_gateway_road *road)
{
    pn_idle_pool_clear(road->idle);
}

const struct pn_reach_port *pn_gateway_road_port(struct pn_gateway_road *road)
{
    return &road->port;
}
