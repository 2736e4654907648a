/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "kube/road.h"
#include "net/fetch.h"

/* How a caller shows itself; what is not set is as the platform does it. */
struct guise {
    const char *alpn, *common_name, *unit, *extension;
    bool has_session, has_expired, is_others_organization;
    struct pn_uuid gateway; /* zero: this one */
};

static struct pn_fetched fetched;
static struct pn_reach_answer answer;
static enum pn_reach_fault fault;
static struct pn_err err;

static struct pn_cert disguise(struct world *w, struct guise g)
{
    struct pn_uuid org = w->org;
    struct pn_str session =
        pn_arena_printf(w->arena, "{\"sessionId\":\"%s\",\"resourceType\":\"kubernetes\"}",
                        pn_uuid_format(w->session).text);
    struct pn_cert_extension extensions[] = {
        { PN_ROAD_OID, pn_str_from(g.extension != NULL ? g.extension : PN_ROAD_EXTENSION) },
        { "1.3.6.1.4.1.12345.100.3", session },
    };
    struct pn_cert_request r = { .extensions = extensions,
                                 .extension_count = g.has_session ? 2 : 1,
                                 .unit = pn_str_from(g.unit != NULL ? g.unit : PN_ROAD_UNIT) };
    struct pn_str name = pn_arena_printf(
        w->arena, "%s%s", g.common_name != NULL ? g.common_name : PN_ROAD_CN,
        pn_uuid_format(pn_uuid_is_zero(g.gateway) ? w->gateway_id : g.gateway).text);
    struct pn_cert cert;

    if (g.has_expired) {
        r.not_before_ms = pn_clock_wall_ms() - 7200000;
        r.not_after_ms = pn_clock_wall_ms() - 3600000;
    }
    if (g.is_others_organization)
        w->org = pn_random_uuid();
    cert = world_issue(w, PN_CERT_CLIENT, pn_cstr(w->arena, name), &w->client_ca, r);
    w->org = org;
    return cert;
}

static struct pn_fetcher *fetcher_of(struct world *w, struct guise g)
{
    struct pn_cert cert = disguise(w, g);
    struct pn_str name = pn_arena_printf(w->arena, "%s.gateway.postern.internal",
                                         pn_uuid_format(w->gateway_id).text);
    struct pn_fetcher_config config = {
        .url = { .endpoint = { .host = "127.0.0.1",
                               .port = pn_gateway_status(w->gateway).listen_port },
                 .is_tls = true },
        .chain_pem = world_pem_pair(w, &cert, &w->client_ca),
        .key_pem = cert.key,
        .trust_pem = world_pem_pair(w, &w->gateway_ca, &w->root),
        .server_name = pn_cstr(w->arena, name),
        .alpn = g.alpn != NULL ? g.alpn : PN_ROAD_ALPN,
    };
    struct pn_fetcher *fetcher;

    pn_err_clear(&err);
    CHECK_OK(pn_fetcher_new(&config, &fetcher, &err), err);
    pn_secret_free(cert.key);
    return fetcher;
}

/* In a guise; false: no HTTP came back. */
static bool send_as(struct world *w, struct guise g, const char *method, const char *path,
                    struct pn_str body)
{
    struct pn_fetch fetch = { .method = method,
                              .path = pn_str_from(path),
                              .body = body,
                              .deadline_ms = pn_clock_mono_ms() + 20000 };
    struct pn_fetcher *fetcher = fetcher_of(w, g);
    bool done = pn_fetch(fetcher, &fetch, w->arena, &fetched, &err);

    pn_fetcher_free(fetcher);
    return done;
}

static bool post(struct world *w, struct guise g, const char *path, struct pn_str body)
{
    return send_as(w, g, "POST", path, body);
}

static bool ask(struct world *w, const struct pn_reach_to *to,
                const struct pn_reach_request *request)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_ROAD_MAX_BYTES);
    struct pn_reach_request timed = *request;

    timed.timeout_ms = timed.timeout_ms > 0 ? timed.timeout_ms : 10000;
    timed.max_body_bytes = 65536;
    pn_road_print_request(to, &timed, &json);
    if (!post(w, (struct guise){ 0 }, PN_ROAD_PATH, pn_buf_str(&json)))
        print_error("%s: %s\n", err.message, err.trace);
    CHECK_EQ(fetched.status, 200);
    pn_err_clear(&err);
    return pn_road_parse_answer(w->arena, fetched.body, &answer, &fault, &err);
}

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static void pod_make(struct world *w, struct pn_str ca_pem)
{
    char path[128], port[8];

    (void)snprintf(path, sizeof(path), "%s/pod", w->directory);
    CHECK_OK(pn_dir_make(path, 0700, &err), err);
    (void)snprintf(path, sizeof(path), "%s/pod/token", w->directory);
    CHECK_OK(pn_file_write(path, PN_LIT("pod-token\n"), 0600, &err), err);
    (void)snprintf(path, sizeof(path), "%s/pod/ca.crt", w->directory);
    CHECK_OK(pn_file_write(path, ca_pem, 0600, &err), err);
    (void)snprintf(port, sizeof(port), "%u", w->cluster.port);
    setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT_HTTPS", port, 1);
}

PN_TEST(c52_as_the_gateway_with_its_pods_token_at_its_own_cluster)
{
    struct world w;
    struct pn_reach_to to = { .as = PN_REACH_AS_GATEWAY };
    struct pn_reach_request request = { .method = "GET", .path = PN_LIT("/api/v1/x?y=a%2Fb") };

    world_new(&w);
    pod_make(&w, w.root.pem);
    CHECK_OK(ask(&w, &to, &request), err);
    CHECK_EQ(answer.status, 200);
    CHECK_STR(answer.body, "{\"kind\":\"PodList\"}");
    CHECK(has(w.seen, "GET /api/v1/x?y=a%2Fb\n")); /* C-55 */
    CHECK(has(w.seen, "Authorization: Bearer pod-token\n"));
    CHECK(!has(w.seen, "Impersonate"));
    request.impersonate = PN_LIT("system:serviceaccount:dev:ci");
    CHECK_OK(ask(&w, &to, &request), err);
    CHECK(has(w.seen, "Impersonate-User: system:serviceaccount:dev:ci\n"));
    world_free(&w);
}

PN_TEST(c54_as_a_bearer_at_a_given_host_under_a_given_ca)
{
    struct world w;
    struct pn_secret *bearer = pn_secret_new(PN_LIT("reviewer"), &err);
    struct pn_reach_to to = { 0 };
    struct pn_reach_request request = {
        .method = "POST", .path = PN_LIT("/apis/a"), .body = PN_LIT("{}"), .bearer = bearer
    };

    world_new(&w);
    to.host = pn_str_from(w.cluster_url);
    to.ca_pem = w.root.pem;
    CHECK_OK(ask(&w, &to, &request), err);
    CHECK(has(w.seen, "POST /apis/a\n"));
    CHECK(has(w.seen, "Authorization: Bearer reviewer\n"));
    to.ca_pem = w.other_root.pem;
    CHECK(!ask(&w, &to, &request));
    CHECK(fault == PN_REACH_SELF_SIGNED || fault == PN_REACH_BAD_CHAIN || fault == PN_REACH_OTHER);
    to.is_insecure = true;
    CHECK_OK(ask(&w, &to, &request), err);
    request = (struct pn_reach_request){ .method = "GET", .path = PN_LIT("/api/forbidden") };
    CHECK_OK(ask(&w, &to, &request), err); /* a status is an answer */
    CHECK_EQ(answer.status, 403);
    CHECK(!has(w.seen, "Authorization"));
    request.path = PN_LIT("/openapi");
    CHECK_OK(ask(&w, &to, &request), err); /* so is a redirect */
    CHECK_EQ(answer.status, 301);
    pn_secret_free(bearer);
    world_free(&w);
}

PN_TEST(what_goes_wrong_is_said)
{
    struct world w;
    struct pn_reach_request request = { .method = "GET", .path = PN_LIT("/") };
    struct pn_reach_to to = { .as = PN_REACH_AS_GATEWAY };

    world_new(&w);
    unsetenv("KUBERNETES_SERVICE_HOST");
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_GATEWAY_FAULT);
    CHECK(has(err.message, "KUBERNETES_SERVICE_HOST"));
    to = (struct pn_reach_to){ .host = PN_LIT("https://127.0.0.1:1") };
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_REFUSED);
    to.host = PN_LIT("https://nowhere.invalid");
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_NO_NAME);
    to.host = PN_LIT("ftp://a");
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_BAD_HOST);
    to = (struct pn_reach_to){ .host = pn_str_from(w.cluster_url), .ca_pem = w.root.pem };
    request = (struct pn_reach_request){ .method = "GET",
                                         .path = PN_LIT("/api/hang"),
                                         .timeout_ms = 100 };
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_TIMED_OUT);
    world_free(&w);
}

PN_TEST(metadata_and_the_gateway_itself_are_no_targets)
{
    struct world w;
    struct pn_reach_request request = { .method = "GET", .path = PN_LIT("/") };
    const char *const bad[] = { "http://169.254.169.254", "https://[fd00:ec2::254]",
                                "https://[::ffff:169.254.169.254]", "http://0.0.0.0", NULL };
    char own[64];

    world_new(&w);
    (void)snprintf(own, sizeof(own), "https://127.0.0.1:%u",
                   pn_gateway_status(w.gateway).listen_port);
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        struct pn_reach_to to = { .host = pn_str_from(bad[i] != NULL ? bad[i] : own) };

        CHECK(!ask(&w, &to, &request));
        CHECK_EQ(fault, PN_REACH_BAD_HOST);
    }
    world_free(&w);
}

#define REQUEST \
    "{\"as\":\"gateway\",\"method\":\"GET\",\"path\":\"/\",\"timeoutMs\":9000,\"maxBodyBytes\":9}"

/* With no ALPN the platform's certificate opens nothing: what a session's gets there is HTTP/1.1. */
PN_TEST(c47_the_platform_without_an_alpn_is_closed)
{
    struct world w;
    struct pn_cert cert;
    struct call *call;

    world_new(&w);
    pod_make(&w, w.root.pem);
    cert = disguise(&w, (struct guise){ 0 });
    call = call_run(
        &w, (struct ask){ .method = "GET", .target = PN_ROAD_PATH, .is_h1 = true, .cert = &cert });
    CHECK_EQ(call->status, 0);
    CHECK(call->is_failed);
    call_end(call);
    CHECK_EQ(w.questions, 0);
    CHECK_EQ(w.cluster_requests, 0);
    pn_secret_free(cert.key);
    world_free(&w);
}

PN_TEST(c50_c58_nobody_else_runs_an_errand)
{
    const struct guise guises[] = {
        { .common_name = "user:" },
        { .common_name = "identity:" },
        { .common_name = "platform" },
        { .unit = "gateway-client" },
        { .extension = "{\"type\":\"user\"}" },
        { .has_session = true },
        { .common_name = "user:", .unit = "gateway-client", .has_session = true },
        { .has_expired = true },
        { .is_others_organization = true },
        { .gateway = { { 1 } } },
        /* and the platform has no other business here, with a session's ALPN or none */
        { .alpn = "http/1.1" },
        { .alpn = "h2" },
    };
    struct world w;

    world_new(&w);
    pod_make(&w, w.root.pem);
    for (size_t i = 0; i < PN_COUNT(guises); i++) {
        if (post(&w, guises[i], PN_ROAD_PATH, PN_LIT(REQUEST)))
            print_error("guise %zu: %d\n", i, fetched.status);
        CHECK(err.code != PN_OK);
    }
    CHECK_EQ(w.cluster_requests, 0);
    CHECK(post(&w, (struct guise){ 0 }, PN_ROAD_PATH, PN_LIT(REQUEST))); /* the way that works */
    CHECK_EQ(fetched.status, 200);
    CHECK_EQ(w.cluster_requests, 1);
    world_free(&w);
}

#define THREADS 8 /* of the gateway's for errands */

struct busy {
    pthread_t thread;
    struct pn_fetcher *fetcher;
    struct pn_str body;
};

static void *keep_busy(void *busy_)
{
    struct busy *b = busy_;
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_fetch fetch = { .method = "POST",
                              .path = PN_LIT(PN_ROAD_PATH),
                              .body = b->body,
                              .deadline_ms = pn_clock_mono_ms() + PN_ROAD_MAX_MS };
    struct pn_fetched got;
    struct pn_err why = { 0 };

    (void)!pn_fetch(b->fetcher, &fetch, arena, &got, &why);
    pn_fetcher_free(b->fetcher);
    return NULL;
}

/* A request to the cluster that takes a thread of the gateway's for so long, or until the cluster ends. */
static void begin_to_hang(struct world *w, struct busy *busy, int64_t timeout_ms)
{
    const struct pn_reach_to to = { .host = pn_str_from(w->cluster_url), .ca_pem = w->root.pem };
    const struct pn_reach_request hang = {
        .method = "GET", .path = PN_LIT("/api/hang"), .timeout_ms = timeout_ms, .max_body_bytes = 99
    };
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_ROAD_MAX_BYTES);
    unsigned before;

    pn_road_print_request(&to, &hang, &json);
    busy->body = pn_arena_copy(w->arena, pn_buf_str(&json));
    busy->fetcher = fetcher_of(w, (struct guise){ 0 });
    world_lock(w);
    before = w->cluster_requests;
    CHECK_EQ(pthread_create(&busy->thread, NULL, keep_busy, busy), 0);
    while (w->cluster_requests == before)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

/*
 * Its time runs from when it was asked: one that waited too long for a thread is not begun. The first thread that is
 * free is the last that was taken: all that happens in between has four seconds.
 */
PN_TEST(an_errand_that_is_too_late_is_not_run)
{
    struct world w;
    struct busy busy[THREADS];
    struct pn_reach_to to = { 0 };
    const struct pn_reach_request request = { .method = "GET",
                                              .path = PN_LIT("/api/pods"),
                                              .timeout_ms = 100 };

    world_new(&w);
    to = (struct pn_reach_to){ .host = pn_str_from(w.cluster_url), .ca_pem = w.root.pem };
    for (size_t i = 0; i < THREADS; i++)
        begin_to_hang(&w, &busy[i], i < THREADS - 1 ? PN_ROAD_MAX_MS : 4000);
    CHECK(!ask(&w, &to, &request));
    CHECK_EQ(fault, PN_REACH_TIMED_OUT);
    CHECK_EQ(w.cluster_requests, THREADS);
    site_end(&w.cluster);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(busy[i].thread, NULL);
    world_free(&w);
}

/* What the server asks on a connection that waited. */
PN_TEST(a_sign_of_life_is_given_and_asks_nobody)
{
    struct world w;

    world_new(&w);
    CHECK(send_as(&w, (struct guise){ 0 }, "GET", PN_ROAD_PATH, PN_NONE));
    CHECK_EQ(fetched.status, 200);
    CHECK(send_as(&w, (struct guise){ 0 }, "PUT", PN_ROAD_PATH, PN_LIT(REQUEST)));
    CHECK_EQ(fetched.status, 405);
    CHECK(!send_as(&w, (struct guise){ .unit = "gateway-client" }, "GET", PN_ROAD_PATH, PN_NONE));
    CHECK_EQ(w.cluster_requests, 0);
    world_free(&w);
}

PN_TEST(what_is_no_request_is_refused)
{
    struct world w;
    struct pn_buf big = pn_buf_init(PN_ROAD_MAX_BYTES + 2);

    world_new(&w);
    CHECK(post(&w, (struct guise){ 0 }, "/", PN_LIT(REQUEST)));
    CHECK_EQ(fetched.status, 404);
    CHECK(post(&w, (struct guise){ 0 }, "/api/v1/pods", PN_LIT(REQUEST)));
    CHECK_EQ(fetched.status, 404);
    CHECK(post(&w, (struct guise){ 0 }, PN_ROAD_PATH, PN_LIT("{}")));
    CHECK_EQ(fetched.status, 400);
    while (pn_buf_add_byte(&big, ' '))
        ;
    CHECK(post(&w, (struct guise){ 0 }, PN_ROAD_PATH, pn_buf_str(&big)));
    CHECK_EQ(fetched.status, 413);
    pn_buf_drop(&big);
    world_free(&w);
}

PN_TEST_MAIN(T(c52_as_the_gateway_with_its_pods_token_at_its_own_cluster),
             T(c54_as_a_bearer_at_a_given_host_under_a_given_ca), T(what_goes_wrong_is_said),
             T(metadata_and_the_gateway_itself_are_no_targets),
             T(c47_the_platform_without_an_alpn_is_closed), T(c50_c58_nobody_else_runs_an_errand),
             T(a_sign_of_life_is_given_and_asks_nobody), T(an_errand_that_is_too_late_is_not_run),
             T(what_is_no_request_is_refused))
