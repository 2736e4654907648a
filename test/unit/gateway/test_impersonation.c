/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#define GET(w, path, ...) \
    call_run((w), (struct ask){ .method = "GET", .target = (path), __VA_ARGS__ })
#define MAX_TRIES 20000

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

static void pod_write(const struct world *w, const char *name, struct pn_str text)
{
    char path[128];
    struct pn_err err = { 0 };

    (void)snprintf(path, sizeof(path), "%s/pod/%s", w->directory, name);
    CHECK_OK(pn_file_write(path, text, 0600, &err), err);
}

static void pod_make(const struct world *w, struct pn_str ca_pem)
{
    char path[128];
    struct pn_err err = { 0 };

    (void)snprintf(path, sizeof(path), "%s/pod", w->directory);
    CHECK_OK(pn_dir_make(path, 0700, &err), err);
    pod_write(w, "token", PN_LIT("first-pod-token\n"));
    pod_write(w, "ca.crt", ca_pem);
}

static void pod_remove(const struct world *w, const char *name)
{
    char path[128];
    struct pn_err err = { 0 };

    (void)snprintf(path, sizeof(path), "%s/pod/%s", w->directory, name);
    CHECK_OK(pn_file_remove(path, &err), err);
}

/* The gateway is a pod of the fake cluster; the resource's URL leads nowhere. */
static void begin(struct world *w, bool has_pod)
{
    char port[8];

    world_new(w);
    world_lock(w);
    w->namespace = "dev";
    w->service_account = "viewer";
    w->is_insecure = true; /* what the resource says of TLS does not count either */
    (void)snprintf(w->cluster_url, sizeof(w->cluster_url), "https://192.0.2.1:6443");
    world_unlock(w);
    (void)snprintf(port, sizeof(port), "%u", w->cluster.port);
    setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1",
           1); /* nobody reads it before the first request */
    setenv("KUBERNETES_SERVICE_PORT_HTTPS", port, 1);
    if (has_pod)
        pod_make(w, w->root.pem);
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        found++;
    return found;
}

PN_TEST(c86_acts_as_the_service_account_by_its_name_alone)
{
    struct world w;
    struct call *call;

    begin(&w, true);
    call = GET(&w, "/api/v1/namespaces/dev/pods");
    CHECK_EQ(call->status, 200);
    CHECK(has(w.seen, "authorization: Bearer first-pod-token\n"));
    CHECK(has(w.seen, "impersonate-user: system:serviceaccount:dev:viewer\n"));
    CHECK_EQ(count(w.seen, "impersonate-"), 1);
    CHECK_EQ(call->warning[0], '\0');
    call_end(call);
    call = call_start(&w, (struct ask){ .method = "GET",
                                        .target = "/api/v1/namespaces/dev/pods/a/exec?command=b",
                                        .upgrade = "websocket",
                                        .wanted = 1 });
    call->first_bytes = "x";
    pn_loop_run(w.loop);
    CHECK_EQ(call->status, 101);
    CHECK(has(w.seen, "authorization: Bearer first-pod-token\n"));
    CHECK_EQ(count(w.seen, "impersonate-user: system:serviceaccount:dev:viewer\n"), 1);
    call_end(call);
    world_free(&w);
}

static const struct pn_http_field attacks[] = {
    { PN_LIT_INIT("impersonate-user"), PN_LIT_INIT("system:admin") },
    { PN_LIT_INIT("Impersonate-Group"), PN_LIT_INIT("system:masters") },
    { PN_LIT_INIT("impersonate_user"), PN_LIT_INIT("system:admin") },
    { PN_LIT_INIT("impersonate-uid"), PN_LIT_INIT("1") },
    { PN_LIT_INIT("impersonate-extra-scopes"), PN_LIT_INIT("all") },
};

PN_TEST(nobody_else_can_be_acted_as)
{
    struct world w;
    struct call *call;

    begin(&w, true);
    for (size_t i = 0; i < PN_COUNT(attacks); i++) {
        call = GET(&w, "/api/v1/pods", .is_h1 = true, .fields = { attacks[i] });
        CHECK_EQ(call->status, 403);
        call_end(call);
    }
    CHECK_EQ(w.cluster_requests, 0);
    /* Naming our header in Connection does not take it away (Kyma PR#12316). */
    call = GET(&w, "/api/v1/pods", .is_h1 = true,
               .fields = { { PN_LIT("connection"), PN_LIT("impersonate-user, authorization") } });
    CHECK_EQ(call->status, 200);
    CHECK_EQ(count(w.seen, "impersonate-user: system:serviceaccount:dev:viewer\n"), 1);
    call_end(call);
    world_free(&w);
}

PN_TEST(a_403_passes_unchanged_with_a_hint)
{
    struct world w;
    struct call *call;
    struct pn_value *events;

    begin(&w, true);
    call = GET(&w, "/api/v1/forbidden");
    CHECK_EQ(call->status, 403);
    CHECK_STR(pn_buf_str(&call->body), "{\"kind\":\"Status\",\"code\":403}");
    CHECK(has(call->warning, "299 - \""));
    CHECK(has(call->warning, "postern gateway manifest test --rules --impersonate dev/viewer"));
    call_end(call);
    world_await_events(&w, 1);
    world_stop_gateway(&w);
    events = world_events(&w);
    CHECK(pn_str_search(pn_value_str(pn_value_at(events, "1.error")),
                        PN_LIT("may not impersonate")) > 0);
    for (size_t i = 0; i < w.batch_count; i++)
        CHECK(pn_str_search(pn_buf_str(&w.batches[i].body), PN_LIT("first-pod-token")) < 0);
    pn_value_free(events);
    world_free(&w);
}

PN_TEST(a_renewed_token_is_used_when_the_old_one_is_refused)
{
    struct world w;
    struct call *call;
    bool is_new = false;

    begin(&w, true);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    pod_write(&w, "token", PN_LIT("second-pod-token"));
    for (int i = 0; i < MAX_TRIES && !is_new; i++) {
        call = GET(&w, "/api/v1/unauthorized");
        CHECK_EQ(call->status, 401);
        world_lock(&w);
        is_new = has(w.seen, "authorization: Bearer second-pod-token\n");
        world_unlock(&w);
        call_end(call);
    }
    CHECK(is_new);
    world_free(&w);
}

PN_TEST(c87_without_an_identity_nothing_is_sent_until_there_is_one)
{
    struct world w;
    struct call *call;

    begin(&w, false);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 503);
    CHECK(says(call, "no identity of its own in the cluster"));
    CHECK(says(call, "ca.crt cannot be read"));
    CHECK(!says(call, w.directory));
    call_end(call);
    CHECK_EQ(w.cluster_requests, 0);
    pod_make(&w, PN_LIT("not a certificate"));
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 503);
    CHECK(says(call, "ca.crt is unusable"));
    call_end(call);
    pod_write(&w, "ca.crt", PN_LIT(""));
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 503);
    CHECK(says(call, "ca.crt is empty"));
    call_end(call);
    CHECK_EQ(w.cluster_requests, 0);
    pod_make(&w, w.root.pem);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    world_free(&w);
}

PN_TEST(the_cluster_is_verified_with_the_pods_ca_whatever_the_resource_says)
{
    struct world w;
    struct call *call;

    begin(&w, false);
    pod_make(&w, w.other_root.pem);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 502);
    CHECK_EQ(w.cluster_requests, 0);
    call_end(call);
    world_free(&w);
}

PN_TEST(an_identity_that_is_lost_ends_the_session)
{
    struct world w;
    struct call *call;
    int status = 200;

    begin(&w, true);
    call = GET(&w, "/api/v1/pods");
    CHECK_EQ(call->status, 200);
    call_end(call);
    pod_remove(&w, "token");
    for (int i = 0; i < MAX_TRIES && status != 503; i++) {
        call = GET(&w, "/api/v1/unauthorized");
        status = call->status;
        CHECK(status == 401 || says(call, "token cannot be read"));
        call_end(call);
    }
    CHECK_EQ(status, 503);
    world_free(&w);
}

PN_TEST(an_account_without_a_name_acts_as_nobody)
{
    static const struct {
        const char *namespace, *name;
    } bad[] = { { "", "" }, { "dev", "" }, { "dev", "a:b" }, { "kube-system:x", "a" } };
    struct world w;
    struct call *call;

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        begin(&w, true);
        world_lock(&w);
        w.namespace = bad[i].namespace;
        w.service_account = bad[i].name;
        world_unlock(&w);
        call = GET(&w, "/api/v1/pods");
        CHECK_EQ(call->status, 403);
        CHECK_EQ(w.cluster_requests, 0);
        call_end(call);
        world_free(&w);
    }
}

PN_TEST_MAIN(T(c86_acts_as_the_service_account_by_its_name_alone), T(nobody_else_can_be_acted_as),
             T(a_403_passes_unchanged_with_a_hint),
             T(a_renewed_token_is_used_when_the_old_one_is_refused),
             T(c87_without_an_identity_nothing_is_sent_until_there_is_one),
             T(the_cluster_is_verified_with_the_pods_ca_whatever_the_resource_says),
             T(an_identity_that_is_lost_ends_the_session),
             T(an_account_without_a_name_acts_as_nobody))
