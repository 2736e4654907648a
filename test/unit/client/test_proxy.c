/* SPDX-License-Identifier: Apache-2.0 */
/* The local proxy between a pretend kubectl (our own HTTP client) and a pretend gateway. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/answer.h"
#include "client/host.h"
#include "client/proxy.h"

#define GATEWAY_NAME "g.gateway.postern.internal"
#define PREFIX "/" ACCOUNT_ID

/* ---- kubectl: one request at a time, on the test's own thread ---- */

struct caller {
    struct pn_loop *loop;
    struct pn_tls_context *tls;
    struct pn_origin *origin;
    uint16_t port;
    const char *name; /* NULL: "127.0.0.1" */
    bool speaks_h2;
    struct pn_connect *connect;
    struct pn_request *request;
    int status; /* 0: no answer */
    struct pn_buf body;
    const char *say; /* after a 101; the echo is read into body */
};

static void caller_secured(void *c_, struct pn_stream *tls, const struct pn_err *err)
{
    struct caller *c = c_;

    if (err != NULL)
        pn_connect_failed(c->connect, err);
    else
        pn_connect_done(c->connect, tls, pn_str_is(pn_str_from(pn_tls_alpn(tls)), "h2"));
}

static void caller_dialed(void *c_, struct pn_stream *socket, const struct pn_err *err)
{
    struct caller *c = c_;
    struct pn_stream *tls;
    struct pn_err failure = { 0 };

    if (err != NULL)
        pn_connect_failed(c->connect, err);
    else
        CHECK_OK(pn_tls_start(c->tls, socket, c->name != NULL ? c->name : "127.0.0.1", 10000,
                              caller_secured, c, &tls, &failure),
                 failure);
}

static void caller_connect(void *c_, struct pn_connect *connect, bool wants_h1 PN_UNUSED)
{
    struct caller *c = c_;
    struct pn_endpoint to = { .host = "127.0.0.1", .port = c->port };

    c->connect = connect;
    pn_dial(c->loop, &to, 10000, caller_dialed, c);
}

static void caller_readable(void *c_, struct pn_stream *body, unsigned events PN_UNUSED)
{
    struct caller *c = c_;
    char bytes[4096];
    ssize_t got;

    while ((got = pn_stream_read(body, bytes, sizeof bytes)) > 0)
        pn_buf_add_bytes(&c->body, bytes, (size_t)got);
    if (got != PN_STREAM_AGAIN || (c->say != NULL && c->body.len == strlen(c->say)))
        pn_loop_stop(c->loop);
}

static void caller_response(void *c_, struct pn_request *request, const struct pn_http_head *head)
{
    struct caller *c = c_;

    c->status = head->status;
    pn_stream_set_owner(&request->body, caller_readable, c);
    pn_stream_want(&request->body, PN_WANT_READ);
    if (head->status == 101)
        CHECK_EQ(pn_stream_write(&request->body, c->say, strlen(c->say)), strlen(c->say));
}

static void caller_failed(void *c_, struct pn_request *request PN_UNUSED,
                          const struct pn_err *err PN_UNUSED)
{
    pn_loop_stop(((struct caller *)c_)->loop);
}

static const struct pn_request_events caller_events = { caller_response, caller_failed };

static void caller_up(struct caller *c, const struct pn_proxy *proxy, bool speaks_h2)
{
    static const char *const h2[] = { "h2", "http/1.1", NULL }, *const h1[] = { "http/1.1", NULL };
    struct pn_tls_settings settings = { .trust_pem = pn_proxy_ca_pem(proxy),
                                        .alpn = speaks_h2 ? h2 : h1 };
    struct pn_origin_config origin = { .connect = caller_connect, .context = c };
    struct pn_err err = { 0 };

    *c = (struct caller){ .port = pn_proxy_port(proxy), .body = pn_buf_init(1 << 20) };
    CHECK_OK(pn_loop_new(&c->loop, &err), err);
    CHECK_OK(pn_tls_context_new(&settings, &c->tls, &err), err);
    c->origin = pn_origin_new(c->loop, &origin);
}

static void caller_down(struct caller *c)
{
    pn_origin_free(c->origin);
    pn_tls_context_free(c->tls);
    pn_loop_free(c->loop);
    pn_buf_drop(&c->body);
}

static int caller_ask(struct caller *c, const struct pn_http_head *head)
{
    c->status = 0;
    pn_buf_clear(&c->body);
    c->request = pn_origin_request(c->origin, head, &caller_events, c);
    pn_loop_run(c->loop);
    pn_stream_close(&c->request->body);
    return c->status;
}

/* ---- the gateway ---- */

static void echo(void *exchange_, struct pn_stream *body, unsigned events PN_UNUSED)
{
    struct pn_exchange *exchange = exchange_;
    char bytes[4096];
    ssize_t got = pn_stream_read(body, bytes, sizeof bytes);

    if (got > 0)
        CHECK_EQ(pn_stream_write(body, bytes, (size_t)got), got);
    else if (got != PN_STREAM_AGAIN)
        pn_stream_close(&exchange->body);
}

static void on_broken(void *exchange_, struct pn_stream *body PN_UNUSED, unsigned events PN_UNUSED)
{
    pn_stream_close(&((struct pn_exchange *)exchange_)->body);
}

/* Ready; echoes upgrades; never answers /slow; answers the rest as scripted. */
static void gateway_handle(struct host *host, struct pn_exchange *exchange)
{
    const struct pn_http_head *in = exchange->request;
    struct pn_http_head switched = { .status = 101, .upgrade = in->upgrade, .content_length = -1 };

    if (in->upgrade.ptr != NULL) {
        pn_stream_set_owner(&exchange->body, echo, exchange);
        pn_exchange_respond(exchange, &switched);
        pn_stream_want(&exchange->body, PN_WANT_READ);
    } else if (pn_str_ends(in->target, PN_LIT("/slow"))) {
        pn_stream_set_owner(&exchange->body, on_broken, exchange);
        pthread_mutex_lock(&host->lock);
        host->calls++;
        pthread_mutex_unlock(&host->lock);
    } else {
        host_answer_next(host, exchange);
    }
}

struct stage {
    const char *directory; /* where it shares its port; NULL: it does not */
    struct host gateway;
    struct pn_cert client;
    struct answer answer;
    struct pn_access access;
    struct pn_proxy *proxy;
};

static void read_access(struct stage *s)
{
    struct pn_buf json = pn_buf_init(1 << 17);
    struct pn_value *value;
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse(answer_print(&s->answer, &json), &value, &err), err);
    CHECK_OK(pn_access_read(value, &s->access, &err), err);
    pn_value_free(value);
    pn_buf_drop(&json);
}

static void up(struct stage *s)
{
    *s = (struct stage){ 0 };
    host_up(&s->gateway, GATEWAY_NAME, true);
    s->gateway.handle = gateway_handle;
    HOST_SAYS(&s->gateway, { 200, "{\"status\":\"ready\"}" }, { 200, "{\"items\":[]}" });
    s->client = certs_leaf(&s->gateway.certs, PN_CERT_CLIENT, "user", 3600000);
    s->answer = answer_good();
    s->answer.server_name = GATEWAY_NAME;
    s->answer.relay = s->gateway.address;
    s->answer.certificate = s->client.pem;
    s->answer.key = pn_secret_reveal(s->client.key);
    s->answer.trust = s->gateway.certs.root.pem;
}

static bool start(struct stage *s, uint16_t port, struct pn_err *err)
{
    struct pn_proxy_config config = { .access = &s->access,
                                      .port = port,
                                      .directory = s->directory };

    read_access(s);
    if (pn_proxy_start(&config, &s->proxy, err))
        return true;
    pn_access_drop(&s->access);
    return false;
}

static void down(struct stage *s)
{
    pn_proxy_stop(s->proxy);
    pn_access_drop(&s->access);
    host_down(&s->gateway);
    pn_secret_free(s->client.key);
}

/* A request as the kubeconfig would have it made; then bent by the test. */
struct call {
    struct pn_http_head head;
    struct pn_http_field fields[8];
    char authority[64], bearer[128], target[256], origin[128];
};

static struct call *call_good(const struct stage *s, const char *path)
{
    struct call *call = pn_heap_new(sizeof *call);

    snprintf(call->authority, sizeof call->authority, "127.0.0.1:%u", pn_proxy_port(s->proxy));
    snprintf(call->bearer, sizeof call->bearer, "Bearer %.*s",
             PN_ARG(pn_secret_reveal(pn_proxy_bearer(s->proxy))));
    snprintf(call->target, sizeof call->target, PREFIX "%s", path);
    call->fields[0] = (struct pn_http_field){ PN_LIT("authorization"), pn_str_from(call->bearer) };
    call->head = (struct pn_http_head){ .method = PN_LIT("GET"),
                                        .scheme = PN_LIT("https"),
                                        .authority = pn_str_from(call->authority),
                                        .target = pn_str_from(call->target),
                                        .fields = call->fields,
                                        .count = 1,
                                        .content_length = -1,
                                        .is_last = true };
    return call;
}

static void add_field(struct call *call, const char *name, const char *value)
{
    call->fields[call->head.count++] =
        (struct pn_http_field){ pn_str_from(name), pn_str_from(value) };
}

/* ---- what passes ---- */

PN_TEST(a_request_reaches_the_gateway_without_the_bearer)
{
    for (int h2 = 0; h2 < 2; h2++) {
        struct caller caller;
        struct call *call;
        struct pn_err err = { 0 };
        struct stage s;

        up(&s);
        CHECK_OK(start(&s, 0, &err), err);
        CHECK_STR(pn_str_from(s.gateway.last), "GET " PREFIX "/.well-known/postern-ready");
        caller_up(&caller, s.proxy, h2 == 1);
        call = call_good(&s, "/api/v1/pods?limit=500");
        CHECK_EQ(caller_ask(&caller, &call->head), 200);
        CHECK_STR(pn_buf_str(&caller.body), "{\"items\":[]}");
        CHECK_STR(pn_str_from(s.gateway.last), "GET " PREFIX "/api/v1/pods?limit=500");
        CHECK_STR(pn_str_from(s.gateway.authorization), "");
        pn_heap_free(call);
        caller_down(&caller);
        down(&s);
    }
}

PN_TEST(an_upgrade_carries_bytes_both_ways)
{
    struct caller caller;
    struct call *call;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_OK(start(&s, 0, &err), err);
    caller_up(&caller, s.proxy, false);
    caller.say = "any bytes \x01\x02 of any protocol";
    call = call_good(&s, "/api/v1/namespaces/n/pods/p/exec");
    call->head.upgrade = PN_LIT("SPDY/3.1");
    call->head.is_last = false;
    CHECK_EQ(caller_ask(&caller, &call->head), 101);
    CHECK_STR(pn_buf_str(&caller.body), caller.say);
    pn_heap_free(call);
    caller_down(&caller);
    down(&s);
}

/*
 * Three sessions at one port, whichever of them the kernel gives a connection to; then one goes, and the others
 * go on at that port. Each has a bearer of its own, so that a connection to another one were a 401.
 */
PN_TEST(sessions_share_a_port)
{
    static const char *const ids[] = { SESSION_ID, ACCOUNT_ID, OTHER_ID };
    char directory[] = "/tmp/pn-proxy-XXXXXX";
    struct stage stages[PN_COUNT(ids)];
    struct pn_err err = { 0 };

    CHECK(mkdtemp(directory) != NULL);
    for (size_t i = 0; i < PN_COUNT(ids); i++) {
        up(&stages[i]);
        stages[i].directory = directory;
        stages[i].answer.session_id = ids[i];
        CHECK_OK(start(&stages[i], i == 0 ? 0 : pn_proxy_port(stages[0].proxy), &err), err);
        CHECK_EQ(pn_proxy_port(stages[i].proxy), pn_proxy_port(stages[0].proxy));
    }
    for (size_t turn = 0; turn < 60; turn++) {
        struct stage *s = &stages[turn % (turn < 30 ? 3 : 2)];
        struct call *call;
        struct caller caller;
        char name[80];

        if (turn == 30) {
            pn_proxy_stop(stages[2].proxy);
            stages[2].proxy = NULL;
        }
        call = call_good(s, "/version");
        caller_up(&caller, s->proxy, turn % 2 == 0);
        snprintf(name, sizeof name, "%.*s", PN_ARG(pn_proxy_server_name(s->proxy)));
        caller.name = name;
        CHECK_EQ(caller_ask(&caller, &call->head), 200);
        caller_down(&caller);
        pn_heap_free(call);
    }
    for (size_t i = 0; i < PN_COUNT(ids); i++)
        down(&stages[i]);
    CHECK_EQ(rmdir(directory), 0); /* nothing was left in it */
}

PN_TEST(a_dead_address_is_passed_over)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.answer.direct = "127.0.0.1:1";
    CHECK_OK(start(&s, 0, &err), err);
    down(&s);
}

/* As a relay whose process is stopped: the kernel takes the connection, nobody answers. */
PN_TEST(a_silent_address_is_passed_over_in_time)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof at;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char address[32];
    int64_t begun_ms;
    struct pn_err err = { 0 };
    struct stage s;

    CHECK(bind(silent, (struct sockaddr *)&at, len) == 0 && listen(silent, 8) == 0);
    CHECK(getsockname(silent, (struct sockaddr *)&at, &len) == 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    up(&s);
    s.answer.direct = address;
    begun_ms = pn_clock_mono_ms();
    CHECK_OK(start(&s, 0, &err), err);
    CHECK(pn_clock_mono_ms() - begun_ms < 10000); /* as long as one handshake may take elsewhere */
    down(&s);
    close(silent);
}

/* ---- what does not ---- */

static void foreign_host(struct call *call)
{
    call->head.authority = PN_LIT("rebound.example:443");
}
static void other_port(struct call *call)
{
    call->head.authority = PN_LIT("127.0.0.1:1");
}
static void web_page(struct call *call)
{
    add_field(call, "origin", "https://127.0.0.1");
}
static void add_origin(struct call *call, const char *before, const char *behind)
{
    snprintf(call->origin, sizeof call->origin, "%s%s%s", before, call->authority, behind);
    add_field(call, "origin", call->origin);
}
static void like_its_own(struct call *call)
{
    add_origin(call, "https://", ".evil.example");
}
static void without_tls(struct call *call)
{
    add_origin(call, "http://", "");
}
static void two_origins(struct call *call)
{
    add_origin(call, "https://", "");
    add_field(call, "origin", "https://evil.example");
}
static void no_bearer(struct call *call)
{
    call->head.count = 0;
}
static void wrong_bearer(struct call *call)
{
    call->fields[0].value = PN_LIT("Bearer 0000000000000000000000000000000000000000000");
}
static void empty_bearer(struct call *call)
{
    call->fields[0].value = PN_LIT("Bearer");
}
static void basic(struct call *call)
{
    call->fields[0].value = PN_LIT("Basic YTpi");
}
static void two_bearers(struct call *call)
{
    add_field(call, "authorization", call->bearer);
}
static void other_account(struct call *call)
{
    call->head.target = PN_LIT("/" OTHER_ID "/api");
}
static void longer_account(struct call *call)
{
    call->head.target = PN_LIT(PREFIX "x/api");
}
static void no_account(struct call *call)
{
    call->head.target = PN_LIT("/api/v1/pods");
}

PN_TEST(strangers_are_refused_here)
{
    static const struct {
        void (*bend)(struct call *call);
        int status;
    } cases[] = {
        { foreign_host, 403 },  { other_port, 403 },     { web_page, 403 },   { no_bearer, 401 },
        { wrong_bearer, 401 },  { empty_bearer, 401 },   { basic, 401 },      { two_bearers, 401 },
        { other_account, 403 }, { longer_account, 403 }, { no_account, 403 }, { like_its_own, 403 },
        { without_tls, 403 },   { two_origins, 403 },
    };
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_OK(start(&s, 0, &err), err);
    for (size_t i = 0; i < 2 * PN_COUNT(cases); i++) {
        struct call *call = call_good(&s, "/version");
        struct caller caller;

        caller_up(&caller, s.proxy, i % 2 == 1);
        cases[i / 2].bend(call);
        CHECK_EQ(caller_ask(&caller, &call->head), cases[i / 2].status);
        CHECK(caller.body.len > 0);
        caller_down(&caller);
        pn_heap_free(call);
    }
    CHECK_EQ(host_calls(&s.gateway), 1); /* the first question, and nothing since */
    down(&s);
}

/* Some programs call themselves by the address they ask: with the bearer that is nobody's page. */
PN_TEST(its_own_address_is_no_stranger)
{
    struct caller caller;
    struct call *call;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_OK(start(&s, 0, &err), err);
    call = call_good(&s, "/version");
    add_origin(call, "https://", "");
    caller_up(&caller, s.proxy, false);
    CHECK_EQ(caller_ask(&caller, &call->head), 200);
    pn_heap_free(call);
    caller_down(&caller);
    down(&s);
}

PN_TEST(nothing_passes_after_the_expiry)
{
    struct caller caller;
    struct call *call;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_OK(start(&s, 0, &err), err);
    call = call_good(&s, "/version");
    caller_up(&caller, s.proxy, true);
    CHECK_EQ(caller_ask(&caller, &call->head), 200);
    s.access.expires_ms = pn_clock_wall_ms(); /* between two requests: the proxy's thread sleeps */
    CHECK_EQ(caller_ask(&caller, &call->head), 401);
    pn_heap_free(call);
    caller_down(&caller);
    down(&s);
}

/* ---- roads that do not open ---- */

PN_TEST(the_gateway_s_sentence_is_told)
{
    static const struct {
        int status;
        const char *body;
        enum pn_code code;
        const char *message;
    } cases[] = {
        { 403, "{\"kind\":\"Status\",\"message\":\"the session has ended\"}", PN_FORBIDDEN,
          "the session has ended" },
        { 401, "{\"message\":\"expired\"}", PN_UNAUTHENTICATED, "expired" },
        { 503, "no JSON", PN_BUSY, "the gateway refused the session (503)" },
        { 502, "", PN_UPSTREAM, "the gateway refused the session (502)" },
        { 302, "", PN_UPSTREAM, "the gateway refused the session (302)" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_err err = { 0 };
        struct stage s;

        up(&s);
        HOST_SAYS(&s.gateway, { cases[i].status, cases[i].body });
        CHECK(!start(&s, 0, &err));
        CHECK_STR(pn_str_from(err.message), cases[i].message);
        CHECK_EQ(err.code, cases[i].code);
        down(&s);
    }
}

PN_TEST(nobody_there)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.answer.direct = "127.0.0.1:1";
    s.answer.relay = "127.0.0.1:1";
    CHECK_FAILS(start(&s, 0, &err), err, UNREACHABLE);
    down(&s);
}

PN_TEST(another_server_there)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.answer.server_name = "other.gateway.postern.internal";
    CHECK_FAILS(start(&s, 0, &err), err, UNREACHABLE);
    CHECK_EQ(host_calls(&s.gateway), 0);
    down(&s);
}

PN_TEST(a_key_that_is_none)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.answer.key = PN_LIT("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    CHECK(!start(&s, 0, &err));
    down(&s);
}

PN_TEST(a_session_that_is_over_already)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.answer.expires_ms = pn_clock_wall_ms() - 1000;
    CHECK_FAILS(start(&s, 0, &err), err, FORBIDDEN);
    down(&s);
}

PN_TEST(a_port_that_is_taken)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_FAILS(start(&s, pn_listener_port(s.gateway.listener), &err), err, CONFLICT);
    down(&s);
}

static bool at_once(void)
{
    return true;
}

static void never(struct host *host, struct pn_exchange *exchange)
{
    (void)host;
    pn_stream_set_owner(&exchange->body, on_broken, exchange);
}

PN_TEST(waiting_can_be_cancelled)
{
    struct pn_proxy_config config = { .is_cancelled = at_once };
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    s.gateway.handle = never;
    read_access(&s);
    config.access = &s.access;
    CHECK_FAILS(pn_proxy_start(&config, &s.proxy, &err), err, TIMEOUT);
    s.proxy = NULL;
    down(&s);
}

/* ---- the end, in the middle of everything ---- */

static void on_begun(struct pn_timer *timer)
{
    (void)timer;
}

PN_TEST(stopping_aborts_what_is_open)
{
    struct pn_timer alive = { .run = on_begun };
    struct caller caller;
    struct call *call;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    CHECK_OK(start(&s, 0, &err), err);
    caller_up(&caller, s.proxy, true);
    call = call_good(&s, "/slow");
    caller.request = pn_origin_request(caller.origin, &call->head, &caller_events, &caller);
    while (host_calls(&s.gateway) < 2) { /* until the gateway has it */
        pn_timer_start(caller.loop, &alive, 5);
        pn_loop_stop(caller.loop);
        pn_loop_run(caller.loop);
    }
    pn_timer_stop(&alive);
    pn_proxy_stop(s.proxy);
    s.proxy = NULL;
    pn_loop_run(caller.loop); /* until it fails */
    CHECK_EQ(caller.status, 0);
    pn_stream_close(&caller.request->body);
    pn_heap_free(call);
    caller_down(&caller);
    down(&s);
}

PN_TEST_MAIN(T(a_request_reaches_the_gateway_without_the_bearer),
             T(an_upgrade_carries_bytes_both_ways), T(sessions_share_a_port),
             T(a_dead_address_is_passed_over), T(a_silent_address_is_passed_over_in_time),
             T(its_own_address_is_no_stranger), T(strangers_are_refused_here),
             T(nothing_passes_after_the_expiry), T(the_gateway_s_sentence_is_told), T(nobody_there),
             T(another_server_there), T(a_key_that_is_none), T(a_session_that_is_over_already),
             T(a_port_that_is_taken), T(waiting_can_be_cancelled), T(stopping_aborts_what_is_open))
