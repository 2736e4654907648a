/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static bool says(struct call *call, const char *what)
{
    bool is_there = pn_str_search(pn_buf_str(&call->body), pn_str_from(what)) >= 0;

    if (!is_there)
        print_error("%d, not \"%s\": %.*s\n", call->status, what, PN_ARG(pn_buf_str(&call->body)));
    return is_there;
}

#define GET(w, path, ...) \
    call_run((w), (struct ask){ .method = "GET", .target = (path), __VA_ARGS__ })

PN_TEST(request_goes_through_with_our_headers_and_is_recorded)
{
    struct world w;
    struct call *call;
    struct pn_value *events;
    char audit[64];

    world_new(&w);
    call = GET(&w, "/api/v1/namespaces/dev/pods?limit=5",
               .fields = { { PN_LIT("authorization"), PN_LIT("Bearer mine") },
                           { PN_LIT("user-agent"), PN_LIT("kubectl/v1") },
                           { PN_LIT("x-remote-user"), PN_LIT("root") } });
    CHECK_EQ(call->status, 200);
    CHECK_STR(pn_buf_str(&call->body), "{\"kind\":\"PodList\"}");
    CHECK(!call->is_failed);
    CHECK(has(w.seen, "GET /api/v1/namespaces/dev/pods?limit=5\n"));
    CHECK(has(w.seen, "authorization: Bearer " TOKEN "\n"));
    CHECK(!has(w.seen, "Bearer mine"));
    CHECK(!has(w.seen, "x-remote-user"));
    CHECK(has(w.seen, "x-forwarded-for: 127.0.0.1\n"));
    CHECK(has(w.seen, "user-agent: kubectl/v1\n"));
    call_end(call);
    world_await_events(&w, 1);
    world_stop_gateway(&w); /* what was left is uploaded */
    CHECK_STR(pn_str_from(w.batches[0].session), pn_uuid_format(w.session).text);
    CHECK_EQ(w.batches[0].first, 0);
    events = world_events(&w);
    CHECK_EQ(pn_value_count(events), 2);
    CHECK_STR(pn_value_str(pn_value_at(events, "0.eventType")), "request");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.verb")), "list");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.namespace")), "dev");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.resource")), "pods");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.url")), "/api/v1/namespaces/dev/pods?limit=5");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.headers.User-Agent.0")), "kubectl/v1");
    CHECK_STR(pn_value_str(pn_value_at(events, "0.headers.Authorization.0")), "[redacted]");
    CHECK_STR(pn_value_str(pn_value_at(events, "1.eventType")), "response");
    CHECK_STR(pn_value_str(pn_value_at(events, "1.status")), "200 OK");
    CHECK_EQ(pn_value_int(pn_value_at(events, "1.responseBytes"), 0), 18);
    (void)snprintf(audit, sizeof(audit), "audit-id: %.*s\n",
                   PN_ARG(pn_value_str(pn_value_at(events, "1.auditId"))));
    CHECK(has(w.seen, audit));
    for (size_t i = 0; i < w.batch_count; i++) {
        CHECK(pn_str_search(pn_buf_str(&w.batches[i].body), PN_LIT(TOKEN)) < 0);
        CHECK(pn_str_search(pn_buf_str(&w.batches[i].body), PN_LIT("mine")) < 0);
    }
    pn_value_free(events);
    world_free(&w);
}

PN_TEST(account_prefix_is_taken_off_and_put_back)
{
    struct world w;
    struct call *call;
    char path[128];

    world_new(&w);
    (void)snprintf(path, sizeof(path), "/%s/openapi/v3", pn_uuid_format(w.account).text);
    call = GET(&w, path);
    CHECK_EQ(call->status, 301);
    CHECK(has(w.seen, "GET /openapi/v3\n"));
    (void)snprintf(path, sizeof(path), "/%s/openapi/v3/new?hash=1", pn_uuid_format(w.account).text);
    CHECK_STR(pn_str_from(call->location), path);
    call_end(call);
    (void)snprintf(path, sizeof(path), "/%s/api/v1/pods", pn_uuid_format(w.session).text);
    call = GET(&w, path, .is_h1 = true);
    CHECK_EQ(call->status, 403);
    CHECK(says(call, "another account"));
    call_end(call);
    (void)snprintf(path, sizeof(path), "/%s/.well-known/postern-ready",
                   pn_uuid_format(w.account).text);
    call = GET(&w, path);
    CHECK_EQ(call->status, 200);
    CHECK(says(call, "\"ready\""));
    CHECK_EQ(w.cluster_requests, 1);
    call_end(call);
    world_free(&w);
}

PN_TEST(hostile_requests_do_not_reach_the_cluster)
{
    struct world w;
    struct call *call;

    world_new(&w);
    call = GET(&w, "/api/v1/pods", .fields = { { PN_LIT("impersonate-user"), PN_LIT("admin") } });
    CHECK_EQ(call->status, 403);
    CHECK(says(call, "\"reason\":\"Forbidden\""));
    CHECK(says(call, "impersonation"));
    CHECK_STR(pn_str_from(call->type), "application/json");
    call_end(call);
    call = GET(&w, "/api/v1/namespaces/dev/pods/a%2Fexec");
    CHECK_EQ(call->status, 400);
    CHECK(says(call, "encoded slash"));
    call_end(call);
    CHECK_EQ(w.cluster_requests, 0);
    world_await_events(&w, 1); /* denied, and on record */
    world_free(&w);
}

PN_TEST(end_of_a_session_answers_and_resets)
{
    struct world w;
    struct call *watch, *hang, *after;

    world_new(&w);
    watch = GET(&w, "/api/v1/pods?watch=1", .wanted = 5);
    CHECK_EQ(watch->status, 200);
    hang = call_start(&w, (struct ask){ .method = "GET", .target = "/api/v1/hang" });
    world_lock(&w);
    w.is_session_over = true;
    world_unlock(&w);
    while (!watch->is_over || !hang->is_over)
        pn_loop_run(w.loop);
    CHECK(watch->is_failed); /* not a clean end, which would read as success */
    CHECK_EQ(hang->status, 403);
    CHECK(says(hang, "ended by alice"));
    after = GET(&w, "/api/v1/pods");
    CHECK_EQ(after->status, 403);
    CHECK(says(after, "\"kind\":\"Status\""));
    call_end(after);
    call_end(hang);
    call_end(watch);
    world_free(&w);
}

/* An exec: bytes both ways after the cluster's 101, and a reset, not an end, when the session is over. */
PN_TEST(end_of_a_session_resets_upgrades)
{
    struct world w;
    struct call *call;

    world_new(&w);
    call = call_start(&w, (struct ask){ .method = "GET",
                                        .target = "/api/v1/namespaces/d/pods/p/exec",
                                        .upgrade = "SPDY/3.1",
                                        .wanted = 4 });
    call->first_bytes = "ping";
    pn_loop_run(w.loop);
    CHECK_EQ(call->status, 101);
    CHECK_STR(pn_buf_str(&call->body), "ping");
    world_lock(&w);
    w.is_session_over = true;
    world_unlock(&w);
    while (!call->is_over)
        pn_loop_run(w.loop);
    CHECK(call->is_failed);
    call_end(call);
    world_free(&w);
}

PN_TEST(expired_certificate_is_401_and_another_gateways_is_refused)
{
    struct world w;
    struct call *call;
    struct pn_cert expired, foreign;

    world_new(&w);
    expired = world_client_cert(&w, w.gateway_id, w.session, pn_clock_wall_ms() - 7200000,
                                pn_clock_wall_ms() - 3600000);
    call = GET(&w, "/api/v1/pods", .cert = &expired);
    CHECK_EQ(call->status, 401);
    CHECK(says(call, "\"reason\":\"Unauthorized\""));
    call_end(call);
    foreign = world_client_cert(&w, w.account, w.session, pn_clock_wall_ms() - 60000,
                                pn_clock_wall_ms() + 60000);
    call = GET(&w, "/api/v1/pods", .cert = &foreign);
    CHECK_EQ(call->status, 0);
    CHECK(call->is_failed);
    call_end(call);
    CHECK_EQ(w.questions, 0);
    CHECK_EQ(w.cluster_requests, 0);
    pn_secret_free(expired.key);
    pn_secret_free(foreign.key);
    world_free(&w);
}

/* One that ends as soon as this machine lets a watch begin in it. */
static struct call *watch_short_session(struct world *w)
{
    struct call *watch;

    for (int64_t life_ms = 1500;; life_ms *= 2) {
        w->session = pn_random_uuid();
        w->expires_ms = pn_clock_wall_ms() + life_ms;
        watch = GET(w, "/api/v1/pods?watch=1", .wanted = 5);
        if (watch->status == 200)
            return watch;
        CHECK(life_ms < 20000);
        call_end(watch);
    }
}

PN_TEST(session_expires_by_itself)
{
    struct world w;
    struct call *watch;

    world_new(&w);
    watch = watch_short_session(&w);
    while (!watch->is_over)
        pn_loop_run(w.loop);
    CHECK(watch->is_failed);
    call_end(watch);
    world_free(&w);
}

PN_TEST(server_away_keeps_known_sessions_and_their_events)
{
    struct world w;
    struct call *call;
    struct pn_uuid known, unknown = pn_random_uuid();
    struct pn_cert cert;

    world_new(&w);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    world_await_events(&w, 2);
    world_lock(&w);
    w.is_home_away = true;
    world_unlock(&w);
    call = GET(&w, "/api/v1/pods/known");
    CHECK_EQ(call->status, 200);
    call_end(call);
    known = w.session;
    cert = world_client_cert(&w, w.gateway_id, unknown, pn_clock_wall_ms() - 60000,
                             pn_clock_wall_ms() + 60000);
    call = GET(&w, "/api/v1/pods", .cert = &cert);
    CHECK_EQ(call->status, 503);
    CHECK(says(call, "\"reason\":\"ServiceUnavailable\""));
    call_end(call);
    world_lock(&w);
    w.is_home_away = false;
    world_unlock(&w);
    world_await_events(&w, 4);
    world_lock(&w);
    for (size_t i = 0; i < w.batch_count; i++)
        CHECK_STR(pn_str_from(w.batches[i].session), pn_uuid_format(known).text);
    world_unlock(&w);
    pn_secret_free(cert.key);
    world_free(&w);
}

PN_TEST(unknown_session_is_403)
{
    struct world w;
    struct call *call;

    world_new(&w);
    w.is_session_unknown = true;
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 403);
    CHECK(says(call, "Session not found"));
    call_end(call);
    world_free(&w);
}

PN_TEST(cluster_faults_are_sentences_without_its_address)
{
    struct world w;
    struct call *call;
    char port[16];

    world_new(&w);
    site_end(&w.cluster);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 502);
    CHECK(says(call, "cannot reach the cluster's API server"));
    (void)snprintf(port, sizeof(port), "%u", w.cluster.port);
    CHECK(pn_str_search(pn_buf_str(&call->body), pn_str_from(port)) < 0);
    CHECK(pn_str_search(pn_buf_str(&call->body), PN_LIT("127.0.0.1")) < 0);
    call_end(call);
    world_start_cluster(&w); /* and it is back */
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    world_free(&w);
}

PN_TEST(cluster_with_another_ca_is_not_spoken_to)
{
    struct world w;
    struct call *call;

    world_new(&w);
    w.has_wrong_ca = true;
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 502);
    CHECK(says(call, "\"reason\":\"InternalError\""));
    CHECK_EQ(w.cluster_requests, 0);
    call_end(call);
    world_free(&w);
}

PN_TEST(restart_does_not_enrol_again_and_goes_on_counting)
{
    struct world w;
    struct call *call;
    struct pn_value *events;

    world_new(&w);
    call = GET(&w, "/api/v1/pods");
    call_end(call);
    world_stop_gateway(&w);
    world_start_gateway(&w);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    world_stop_gateway(&w);
    CHECK_EQ(w.enrolments, 1);
    events = world_events(&w);
    CHECK_EQ(pn_value_count(events), 4);
    pn_value_free(events);
    world_free(&w);
}

PN_TEST(strict_recording_forwards_what_is_on_disk)
{
    struct world w;
    struct call *call;

    world_new(&w);
    world_stop_gateway(&w);
    w.is_strict = true;
    world_start_gateway(&w);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    world_free(&w);
}

PN_TEST(second_gateway_on_the_same_directory_is_refused)
{
    struct world w;
    struct pn_gateway *first;
    struct pn_err err = { 0 };

    world_new(&w);
    first = w.gateway;
    CHECK(!world_try_gateway(&w, &err));
    w.gateway = first;
    world_free(&w);
}

PN_TEST_MAIN(T(request_goes_through_with_our_headers_and_is_recorded),
             T(account_prefix_is_taken_off_and_put_back),
             T(hostile_requests_do_not_reach_the_cluster), T(end_of_a_session_answers_and_resets),
             T(end_of_a_session_resets_upgrades),
             T(expired_certificate_is_401_and_another_gateways_is_refused),
             T(session_expires_by_itself), T(server_away_keeps_known_sessions_and_their_events),
             T(unknown_session_is_403), T(cluster_faults_are_sentences_without_its_address),
             T(cluster_with_another_ca_is_not_spoken_to),
             T(restart_does_not_enrol_again_and_goes_on_counting),
             T(strict_recording_forwards_what_is_on_disk),
             T(second_gateway_on_the_same_directory_is_refused))
