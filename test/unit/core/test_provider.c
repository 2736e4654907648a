/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cluster.h"
#include "core/lease/manifest.h"
#include "core/lease/provider.h"

/* {"alg":"RS256"}.{"iat":1790000000,"exp":1790003600,"jti":"j-1"}.signature */
#define TOKEN                                                          \
    "eyJhbGciOiJSUzI1NiJ9."                                            \
    "eyJpYXQiOjE3OTAwMDAwMDAsImV4cCI6MTc5MDAwMzYwMCwianRpIjoiai0xIn0." \
    "c2lnbmF0dXJl"
#define TOKEN_ANSWER \
    "{\"status\":{\"token\":\"" TOKEN "\",\"expirationTimestamp\":\"2026-09-21T15:13:20Z\"}}"
#define SAYS(text) "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" text "\"}"
#define DONE "{\"kind\":\"Status\",\"status\":\"Success\"}"
#define SA_PATH "/api/v1/namespaces/a/serviceaccounts"
#define RB_PATH "/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings"
#define CRB_PATH "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
#define SECRETS_PATH "/api/v1/namespaces/a/secrets"
#define REVIEW_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define WHO_PATH "/apis/authentication.k8s.io/v1/selfsubjectreviews"

static struct pn_err err;
static struct pn_call call;
static struct cluster cluster;
static struct pn_lease_config config;
static struct pn_lease_plan plan;
static struct pn_lease_token token;
static enum pn_provider_fault fault;
static struct pn_str two[2];

static int start(void **state)
{
    (void)state;
    pn_clock_freeze(INT64_C(1790000000000), 1000);
    err = (struct pn_err){ 0 };
    cluster = (struct cluster){ .port = { cluster_send } };
    call = (struct pn_call){ .arena = pn_arena_new((size_t)4 << 20),
                             .deadline_ms = 9000,
                             .now_ms = INT64_C(1790000000000),
                             .reach = &cluster.port,
                             .actor = { .kind = PN_ACTOR_IDENTITY, .name = PN_LIT("CI_Runner") } };
    memset(call.actor.id.bytes, 7, sizeof(call.actor.id.bytes));
    two[0] = PN_LIT("a");
    two[1] = PN_LIT("b");
    config = (struct pn_lease_config){ .credentialType = PN_LEASE_DYNAMIC,
                                       .url = PN_LIT("https://cluster.test"),
                                       .clusterToken = pn_secret_new(PN_LIT("cluster-token"), &err),
                                       .roleType = PN_LEASE_ROLE,
                                       .role = PN_LIT("viewer"),
                                       .tokenBinding = -1,
                                       .bindingScope = PN_LEASE_SCOPE_CLUSTER,
                                       .namespaces = { two, 2 } };
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pn_secret_free(config.clusterToken);
    pn_arena_free(call.arena);
    pn_clock_release();
    return 0;
}

static void be_static(int binding)
{
    config.credentialType = PN_LEASE_STATIC;
    config.serviceAccountName = PN_LIT("deployer");
    config.tokenBinding = binding;
    config.namespaces.count = 1;
}

static bool try_plan(struct pn_str namespace, int64_t ttl_ms)
{
    struct pn_provider_want want = { .namespace = namespace,
                                     .ttl_ms = ttl_ms,
                                     .max_ttl_ms = INT64_C(86400000),
                                     .now_ms = call.now_ms };

    memset(want.lease_id.bytes, 1, sizeof(want.lease_id.bytes));
    return pn_provider_plan(&call, &config, &want, &plan, &err);
}

static void plan_for(int64_t ttl_ms)
{
    CHECK_OK(try_plan(PN_NONE, ttl_ms), err);
}

/* "Created": the answer has the name that was planned. */
static void says_made(const char *path, struct pn_str name, const char *uid)
{
    struct pn_str body = pn_arena_printf(
        call.arena, "{\"metadata\":{\"name\":\"%.*s\",\"uid\":\"%s\"}}", PN_ARG(name), uid);

    cluster_says(&cluster, (struct cluster_answer){
                               "POST", path, 201, .body = pn_cstr(call.arena, body), .times = 1 });
}

static void says(const char *method, const char *path, int status, const char *body)
{
    cluster_says(&cluster, (struct cluster_answer){ method, path, status, .body = body });
}

/* An API server's word about the object itself. */
static void says_of(const char *method, const char *path, int status,
                    const struct pn_lease_object *object, const char *text)
{
    struct pn_str body = pn_arena_printf(call.arena,
                                         "{\"kind\":\"Status\",\"message\":\"%s\","
                                         "\"details\":{\"name\":\"%.*s\",\"uid\":\"u\"}}",
                                         text, PN_ARG(object->name));

    says(method, path, status, pn_cstr(call.arena, body));
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---- plans ---- */

PN_TEST(a_plan_for_each_kind_of_credential) /* DS-38, 42, 43 */
{
    plan_for(3600000);
    CHECK_EQ(plan.object_count, 2);
    CHECK_EQ(plan.objects[0].kind, PN_LEASE_SERVICE_ACCOUNT);
    CHECK_EQ(plan.objects[1].kind, PN_LEASE_ROLE_BINDING);
    CHECK_STR(plan.namespace, "a");
    CHECK(pn_str_starts(plan.objects[1].name, plan.account));
    CHECK(pn_str_ends(plan.objects[1].name, PN_LIT("-role-binding")));
    CHECK_EQ(plan.token_s, 3600);
    CHECK_EQ(plan.expire_ms, call.now_ms + 3600000);

    config.roleType = PN_LEASE_CLUSTER_ROLE;
    plan_for(3600000);
    CHECK_EQ(plan.objects[0].kind, PN_LEASE_CLUSTER_ROLE_BINDING);
    CHECK(plan.objects[0].namespace.len == 0);
    CHECK_EQ(plan.objects[1].kind, PN_LEASE_SERVICE_ACCOUNT);

    config.bindingScope = PN_LEASE_SCOPE_NAMESPACE;
    plan_for(3600000);
    CHECK_EQ(plan.objects[1].kind, PN_LEASE_ROLE_BINDING);

    be_static(PN_LEASE_BIND_SECRET);
    plan_for(3600000);
    CHECK_EQ(plan.object_count, 1);
    CHECK_EQ(plan.objects[0].kind, PN_LEASE_SECRET);
    CHECK(pn_str_starts(plan.objects[0].name, PN_LIT("postern-lease-")));
    CHECK_STR(plan.account, "deployer");

    be_static(PN_LEASE_BIND_NONE);
    plan_for(3600000);
    CHECK_EQ(plan.object_count, 0);
    CHECK(!pn_provider_can_revoke(&config));
}

PN_TEST(namespaces_that_are_allowed) /* DS-39…41 */
{
    CHECK_OK(try_plan(PN_LIT("b"), 3600000), err);
    CHECK_STR(plan.namespace, "b");
    CHECK_STR(plan.objects[1].namespace, "b");
    CHECK(!try_plan(PN_LIT("c"), 3600000));
    assert_string_equal(err.message, "Namespace c is not allowed. Allowed namespaces: a, b");
    CHECK_FAILS(false, err, BAD_REQUEST);
    be_static(PN_LEASE_BIND_NONE);
    CHECK(!try_plan(PN_LIT("b"), 3600000));
    assert_string_equal(err.message, "Namespace b is not allowed. Allowed namespace: a.");
    CHECK_EQ(cluster.asked_count, 0);
}

PN_TEST(lengths_of_tokens) /* DS-33…36, 59 */
{
    plan_for(120000);
    CHECK_EQ(plan.token_s, 600);
    CHECK_EQ(plan.expire_ms, call.now_ms + 120000);
    plan_for(600001);
    CHECK_EQ(plan.token_s, 601);
    config.tokenLifetime = PN_LEASE_TOKEN_MAX;
    plan_for(120000);
    CHECK_EQ(plan.token_s, 86400);
    be_static(PN_LEASE_BIND_SECRET);
    plan_for(120000);
    CHECK_EQ(plan.token_s, 86400);
    be_static(PN_LEASE_BIND_NONE);
    plan_for(600000);
    CHECK_EQ(plan.token_s, 600);
    CHECK(!try_plan(PN_NONE, 599999));
    CHECK(has(err.message, "10 minutes"));
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_EQ(cluster.asked_count, 0);
}

/* ---- creation ---- */

PN_TEST(a_dynamic_lease) /* DS-44 */
{
    plan_for(3600000);
    says_made(SA_PATH, plan.account, "u-1");
    says_made(RB_PATH, plan.objects[1].name, "u-2");
    cluster_says(&cluster, (struct cluster_answer){ "POST", SA_PATH "/", 201, .body = TOKEN_ANSWER,
                                                    .warning = "shortened" });
    CHECK_OK(pn_provider_create(&call, &config, &plan, &token, &fault, &err), err);
    CHECK_STR(plan.objects[0].uid, "u-1");
    CHECK_STR(plan.objects[1].uid, "u-2");
    CHECK_STR(token.token, TOKEN);
    CHECK_STR(token.jti, "j-1");
    CHECK_EQ(token.lives_ms, 3600000);
    CHECK_STR(token.warning, "shortened");
    CHECK_EQ(cluster.asked_count, 3);
    assert_string_equal(cluster.asked[0].bearer, "cluster-token");
    for (size_t i = 0; i < 2; i++) {
        CHECK(has(cluster.asked[i].body, "\"app.kubernetes.io/managed-by\":\"postern\""));
        CHECK(has(cluster.asked[i].body,
                  "\"postern/lease-id\":\"01010101-0101-0101-0101-010101010101\""));
        CHECK(has(cluster.asked[i].body,
                  "\"postern/requester\":\"07070707-0707-0707-0707-070707070707\""));
        CHECK(has(cluster.asked[i].body, "\"postern/expires-at\":\"2026-09-21T15:13:20.000Z\""));
    }
    CHECK(has(cluster.asked[1].body, "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                                     "\"ServiceAccount\""));
    CHECK(has(cluster.asked[1].body, "\"uid\":\"u-1\"}]"));
    CHECK(has(cluster.asked[1].body,
              "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Role\",\"name\":"
              "\"viewer\"}"));
    CHECK(has(cluster.asked[2].body, "\"expirationSeconds\":3600}"));
}

PN_TEST(a_bound_token)
{
    be_static(PN_LEASE_BIND_SECRET);
    config.audiences = (struct pn_strs){ (struct pn_str[]){ PN_LIT("x") }, 1 };
    plan_for(3600000);
    says_made(SECRETS_PATH, plan.objects[0].name, "u-9");
    says("POST", SA_PATH "/deployer/token", 201, TOKEN_ANSWER);
    CHECK_OK(pn_provider_create(&call, &config, &plan, &token, &fault, &err), err);
    CHECK(has(cluster.asked[1].body, "\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":"
                                     "\"Secret\",\"name\":\"postern-lease-"));
    CHECK(has(cluster.asked[1].body, "\"uid\":\"u-9\"}"));
    CHECK(has(cluster.asked[1].body, "\"audiences\":[\"x\"]"));
}

PN_TEST(as_the_gateway_nobody_sends_a_token)
{
    be_static(PN_LEASE_BIND_NONE);
    config.authMethod = PN_LEASE_BY_GATEWAY;
    plan_for(3600000);
    says("POST", NULL, 201, TOKEN_ANSWER);
    CHECK_OK(pn_provider_create(&call, &config, &plan, &token, &fault, &err), err);
    CHECK_EQ(cluster.asked[0].as, PN_REACH_AS_GATEWAY);
    CHECK_EQ(cluster.asked[0].bearer[0], '\0');
}

/* What the first request came to, by what the cluster did: the fault, and whether the object is in doubt. */
PN_TEST(what_a_cluster_may_answer) /* DS-89, 94, 95, 99…106 */
{
    static const struct {
        int status;
        enum pn_reach_fault road;
        const char *body, *says;
        enum pn_provider_fault fault;
        bool in_doubt;
    } rows[] = {
        { 401, 0, SAYS("Unauthorized"), "Unauthorized", PN_PROVIDER_DENIED, false },
        { 403, 0, SAYS("serviceaccounts is forbidden"), "serviceaccounts is forbidden",
          PN_PROVIDER_REFUSED, false },
        { 404, 0, SAYS("namespaces not found"), "namespaces not found", PN_PROVIDER_REFUSED,
          false },
        { 409, 0, SAYS("already exists"), "already exists", PN_PROVIDER_TAKEN, false },
        { 422, 0, SAYS("is invalid"), "is invalid", PN_PROVIDER_REFUSED, false },
        { 429, 0, SAYS("too many requests"), "too many requests", PN_PROVIDER_BUSY, false },
        { 302, 0, "", "HTTP 302", PN_PROVIDER_REFUSED, false },
        { 500, 0, SAYS("etcdserver: request timed out"), "timed out", PN_PROVIDER_IN_DOUBT, true },
        { 503, 0, "", "HTTP 503", PN_PROVIDER_IN_DOUBT, true },
        { 201, 0, "not JSON", "Unexpected answer", PN_PROVIDER_IN_DOUBT, true },
        { 201, 0, "{\"metadata\":{\"name\":\"other\",\"uid\":\"u\"}}", "Unexpected answer",
          PN_PROVIDER_IN_DOUBT, true },
        { 201, 0, "{\"metadata\":{\"name\":\"other\"}}", "Unexpected answer", PN_PROVIDER_IN_DOUBT,
          true },
        { 0, PN_REACH_REFUSED, NULL, "the road is out", PN_PROVIDER_NO_ROAD, false },
        { 0, PN_REACH_BAD_CHAIN, NULL, "the road is out", PN_PROVIDER_NO_ROAD, false },
        { 0, PN_REACH_NO_GATEWAY, NULL, "the road is out", PN_PROVIDER_NO_ROAD, false },
        { 0, PN_REACH_TIMED_OUT, NULL, "the road is out", PN_PROVIDER_IN_DOUBT, true },
        { 0, PN_REACH_OTHER, NULL, "the road is out", PN_PROVIDER_IN_DOUBT, true },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        cluster.answer_count = cluster.asked_count = 0;
        plan_for(3600000);
        cluster_says(&cluster, (struct cluster_answer){ .status = rows[i].status,
                                                        .fault = rows[i].road,
                                                        .body = rows[i].body });
        CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
        if (!has(err.message, rows[i].says) || fault != rows[i].fault)
            fail_msg("row %zu: fault %d, %s", i, (int)fault, err.message);
        CHECK_FAILS(false, err, BAD_REQUEST);
        CHECK_EQ(cluster.asked_count, 1);
        CHECK_EQ(plan.objects[0].is_gone, !rows[i].in_doubt);
        CHECK(plan.objects[1].is_gone && plan.objects[0].uid.len == 0);
    }
}

PN_TEST(a_second_step_that_fails_leaves_the_first_to_be_taken_away) /* DS-90, 91 */
{
    plan_for(3600000);
    says_made(SA_PATH, plan.account, "u-1");
    says("POST", RB_PATH, 403, SAYS("rolebindings is forbidden"));
    CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
    pn_err_clear(&err);
    CHECK(!plan.objects[0].is_gone && plan.objects[1].is_gone);
    says("DELETE", SA_PATH "/", 200, DONE);
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 3);
    CHECK(has(cluster.asked[2].body, "\"preconditions\":{\"uid\":\"u-1\"}"));
}

PN_TEST(a_token_that_is_refused_leaves_all_to_be_taken_away) /* DS-93 */
{
    plan_for(3600000);
    says_made(SA_PATH, plan.account, "u-1");
    says_made(RB_PATH, plan.objects[1].name, "u-2");
    says("POST", SA_PATH "/", 422, SAYS("may not specify a duration less than 10 minutes"));
    CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
    CHECK_EQ(fault, PN_PROVIDER_REFUSED);
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
}

PN_TEST(a_token_nobody_can_read)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"status\":{}}",
        "{\"status\":{\"token\":\"\"}}",
        "{\"status\":{\"token\":\"opaque\",\"expirationTimestamp\":\"2026-09-21T15:13:20Z\"}}",
        "{\"status\":{\"token\":\"" TOKEN "\"}}",
        "{\"status\":{\"token\":\"" TOKEN "\",\"expirationTimestamp\":\"soon\"}}",
    };

    be_static(PN_LEASE_BIND_NONE);
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        cluster.answer_count = cluster.asked_count = 0;
        plan_for(3600000);
        says("POST", NULL, 201, bad[i]);
        CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
        CHECK_EQ(fault, PN_PROVIDER_IN_DOUBT);
        CHECK_FAILS(false, err, BAD_REQUEST);
    }
}

PN_TEST(who_is_told_when_to_come_again_comes_once) /* DS-101 */
{
    int64_t before_ms = pn_clock_mono_ms();

    be_static(PN_LEASE_BIND_NONE);
    plan_for(3600000);
    cluster_says(&cluster,
                 (struct cluster_answer){
                     .status = 429, .body = SAYS("wait"), .retry_after_s = 1, .times = 1 });
    says("POST", NULL, 201, TOKEN_ANSWER);
    CHECK_OK(pn_provider_create(&call, &config, &plan, &token, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 2);
    CHECK_EQ(pn_clock_mono_ms() - before_ms, 1000);

    cluster.answer_count = cluster.asked_count = 0;
    cluster_says(&cluster, (struct cluster_answer){
                               .status = 429, .body = SAYS("wait"), .retry_after_s = 1 });
    CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
    CHECK_EQ(cluster.asked_count, 2);
    CHECK_FAILS(false, err, BAD_REQUEST);

    cluster.answer_count = cluster.asked_count = 0;
    cluster_says(&cluster, (struct cluster_answer){
                               .status = 429, .body = SAYS("wait"), .retry_after_s = 3600 });
    CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
    CHECK_EQ(cluster.asked_count, 1);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(what_a_cluster_repeats_of_a_credential_is_not_passed_on)
{
    plan_for(3600000);
    says("POST", NULL, 403, SAYS("no cluster-token and no " TOKEN));
    CHECK(!pn_provider_create(&call, &config, &plan, &token, &fault, &err));
    CHECK(!has(err.message, "cluster-token") && !has(err.message, "eyJ"));
    CHECK(has(err.message, "[REDACTED]"));
    CHECK_FAILS(false, err, BAD_REQUEST);
}

/* ---- revocation ---- */

static void plan_made(void)
{
    plan_for(3600000);
    plan.objects[0].uid = PN_LIT("u-1");
    plan.objects[1].uid = PN_LIT("u-2");
}

PN_TEST(what_kills_the_token_goes_first)
{
    config.roleType = PN_LEASE_CLUSTER_ROLE; /* whose binding is made first */
    plan_made();
    says("DELETE", NULL, 200, DONE);
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    cluster_was_asked(&cluster, 0, "DELETE", SA_PATH "/");
    cluster_was_asked(&cluster, 1, "DELETE", CRB_PATH "/");
    CHECK(plan.objects[0].is_gone && plan.objects[1].is_gone);
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 2);
}

PN_TEST(what_is_not_there_is_gone) /* DS-69, 70, 79 */
{
    plan_made();
    says_of("DELETE", SA_PATH, 404, &plan.objects[0], "not found");
    says_of("DELETE", RB_PATH, 409, &plan.objects[1],
            "the UID in the precondition (u-2) does not match the UID in record (u-3)");
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 2);
}

/* What stands before a cluster, and has lost the way to it, says the same with other words. */
PN_TEST(what_somebody_else_says_ends_nothing)
{
    plan_made();
    says("DELETE", SA_PATH, 404, "<html>404 Not Found</html>");
    says("DELETE", RB_PATH, 404, "{\"message\":\"no Route matched\"}");
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
    CHECK_FAILS(false, err, BAD_REQUEST);

    cluster.answer_count = 0;
    says("DELETE", SA_PATH, 200, "<html>Welcome</html>");
    says("DELETE", RB_PATH, 200, "{}");
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK_EQ(fault, PN_PROVIDER_IN_DOUBT);
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
    CHECK_FAILS(false, err, BAD_REQUEST);

    cluster.answer_count = 0; /* proxies of many clusters speak as API servers do */
    says("DELETE", SA_PATH, 404, SAYS("kubernetes cluster \\\"prod\\\" not found"));
    says("DELETE", RB_PATH, 409,
         "{\"kind\":\"Status\",\"message\":\"the UID of clusters.proxy \\\"prod\\\"\",\"details\":"
         "{\"name\":\"prod\"}}");
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
    CHECK_FAILS(false, err, BAD_REQUEST);

    cluster.answer_count = 0;
    plan_for(3600000); /* without UIDs they are looked at first */
    says("GET", SA_PATH, 404, SAYS("the server could not find the requested resource"));
    says("GET", RB_PATH, 404, "404 page not found");
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(every_delete_is_tried_whatever_became_of_the_others) /* DS-71 */
{
    plan_made();
    says("DELETE", SA_PATH, 403, SAYS("serviceaccounts is forbidden"));
    says("DELETE", RB_PATH, 200, DONE);
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    assert_string_equal(err.message, "serviceaccounts is forbidden");
    CHECK_EQ(fault, PN_PROVIDER_REFUSED);
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK(!plan.objects[0].is_gone && plan.objects[1].is_gone);

    plan_made();
    cluster.answer_count = 0;
    says("DELETE", SA_PATH, 403, SAYS("no accounts"));
    cluster_says(&cluster, (struct cluster_answer){ "DELETE", RB_PATH, 0, PN_REACH_TIMED_OUT });
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    assert_string_equal(err.message, "no accounts; the road is out");
    CHECK_EQ(fault, PN_PROVIDER_IN_DOUBT);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(a_conflict_of_another_kind_is_tried_again)
{
    plan_made();
    says("DELETE", NULL, 409, SAYS("the object has been modified"));
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK(!plan.objects[0].is_gone && !plan.objects[1].is_gone);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

/* An object whose making is in doubt: only ours is taken away. */
PN_TEST(without_a_uid_the_label_decides)
{
    static const char ours[] = "{\"metadata\":{\"name\":\"n\",\"uid\":\"u-5\",\"labels\":{"
                               "\"postern/lease-id\":\"01010101-0101-0101-0101-010101010101\"}}}";
    static const char theirs[] = "{\"metadata\":{\"name\":\"n\",\"uid\":\"u-6\",\"labels\":null}}";

    plan_for(3600000);
    says("GET", SA_PATH, 200, ours);
    says("GET", RB_PATH, 200, theirs);
    says("DELETE", SA_PATH, 200, DONE);
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 3);
    CHECK(has(cluster.asked[1].body, "\"uid\":\"u-5\""));
    CHECK(plan.objects[1].is_gone);

    cluster.answer_count = cluster.asked_count = 0;
    plan_for(3600000);
    says("GET", SA_PATH, 403, SAYS("may not look"));
    says_of("GET", RB_PATH, 404, &plan.objects[1], "not found");
    says("DELETE", SA_PATH, 200, DONE);
    CHECK_OK(pn_provider_revoke(&call, &config, &plan, &fault, &err), err);
    CHECK_EQ(cluster.asked_count, 3);
    CHECK(!has(cluster.asked[1].body, "preconditions"));

    cluster.answer_count = cluster.asked_count = 0;
    plan_for(3600000);
    says("GET", NULL, 200, "junk");
    CHECK(!pn_provider_revoke(&call, &config, &plan, &fault, &err));
    CHECK_EQ(fault, PN_PROVIDER_IN_DOUBT);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

/* ---- the connection test ---- */

#define MAY "{\"status\":{\"allowed\":true}}"
#define MAY_NOT "{\"status\":{\"allowed\":false}}"
#define WHO "{\"status\":{\"userInfo\":{\"username\":\"system:serviceaccount:ops:postern\"}}}"
#define AN_OBJECT "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"}}"

PN_TEST(a_static_account_is_looked_at_and_bound_where_that_is_allowed)
{
    be_static(-1);
    says("GET", SA_PATH "/deployer", 200, AN_OBJECT);
    says("POST", REVIEW_PATH, 201, MAY);
    CHECK_OK(pn_provider_test(&call, &config, &err), err);
    CHECK_EQ(config.tokenBinding, PN_LEASE_BIND_SECRET);

    cluster.answer_count = cluster.asked_count = 0;
    config.tokenBinding = -1;
    says("GET", SA_PATH "/deployer", 200, AN_OBJECT);
    cluster_says(&cluster,
                 (struct cluster_answer){ "POST", REVIEW_PATH, 201, .body = MAY, .times = 1 });
    says("POST", REVIEW_PATH, 201, MAY_NOT);
    CHECK_OK(pn_provider_test(&call, &config, &err), err);
    CHECK_EQ(config.tokenBinding, PN_LEASE_BIND_NONE);
}

PN_TEST(what_is_missing_is_told_with_what_mends_it)
{
    be_static(PN_LEASE_BIND_SECRET);
    says("GET", SA_PATH "/deployer", 200, AN_OBJECT);
    cluster_says(&cluster,
                 (struct cluster_answer){ "POST", REVIEW_PATH, 201, .body = MAY, .times = 1 });
    says("POST", REVIEW_PATH, 201, MAY_NOT);
    says("POST", WHO_PATH, 201, WHO);
    CHECK(!pn_provider_test(&call, &config, &err));
    assert_string_equal(
        err.message, "forbidden: User \"system:serviceaccount:ops:postern\" cannot create resource "
                     "\"secrets\" in API group \"\" in the namespace a");
    CHECK(pn_str_search(err.details, PN_LIT("resources: [\\\"secrets\\\"], verbs: [create, "
                                            "delete]}")) > 0);
    CHECK(pn_str_search(err.details, PN_LIT("{kind: ServiceAccount, name: \\\"postern\\\", "
                                            "namespace: \\\"ops\\\"}")) > 0);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(an_account_that_is_not_there)
{
    be_static(-1);
    says("GET", SA_PATH "/deployer", 404, SAYS("serviceaccounts \\\"deployer\\\" not found"));
    CHECK(!pn_provider_test(&call, &config, &err));
    assert_string_equal(err.message, "serviceaccounts \"deployer\" not found");
    CHECK(err.details.len == 0);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(a_dynamic_test_leaves_nothing) /* DS-02, 03, 92 */
{
    says("GET", NULL, 200, AN_OBJECT);
    says("POST", REVIEW_PATH, 201, MAY);
    says("POST", NULL, 201, AN_OBJECT);
    CHECK_OK(pn_provider_test(&call, &config, &err), err);
    for (size_t i = 0; i < cluster.asked_count; i++)
        CHECK(strcmp(cluster.asked[i].method, "GET") == 0 ||
              has(cluster.asked[i].path, "reviews") || has(cluster.asked[i].path, "?dryRun=All"));

    cluster.answer_count = cluster.asked_count = 0;
    says("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/b/roles/viewer", 404,
         SAYS("roles not found"));
    says("GET", NULL, 200, AN_OBJECT);
    says("POST", REVIEW_PATH, 201, MAY);
    says("POST", NULL, 201, AN_OBJECT);
    CHECK(!pn_provider_test(&call, &config, &err));
    assert_string_equal(err.message, "roles not found");
    CHECK_FAILS(false, err, BAD_REQUEST);
}

PN_TEST(a_binding_that_would_give_away_too_much)
{
    says("GET", NULL, 403, SAYS("may not look at roles"));
    says("POST", WHO_PATH, 404, SAYS("an old cluster"));
    says("POST", RB_PATH, 403, SAYS("user is attempting to grant RBAC permissions not held"));
    says("POST", NULL, 201, AN_OBJECT);
    CHECK(!pn_provider_test(&call, &config, &err));
    assert_string_equal(err.message, "user is attempting to grant RBAC permissions not held");
    CHECK(pn_str_search(err.details, PN_LIT("verbs: [get, bind]")) > 0);
    CHECK_FAILS(false, err, BAD_REQUEST);

    cluster.answer_count = 0;
    says("GET", NULL, 200, AN_OBJECT);
    says("POST", REVIEW_PATH, 201, MAY);
    says("POST", NULL, 400, SAYS("admission webhook \\\"w\\\" does not support dry run"));
    CHECK_OK(pn_provider_test(&call, &config, &err), err);
}

/* The name of the first role of a manifest. */
static struct pn_str role_of(struct pn_str yaml)
{
    const ptrdiff_t at = pn_str_search(yaml, PN_LIT("  name: "));
    struct pn_str rest = pn_str_slice(yaml, (size_t)at + 8, yaml.len), name = PN_NONE;

    CHECK(at > 0);
    CHECK(pn_str_cut(&rest, '\n', &name));
    return name;
}

/* Two in one namespace: who applies both has both. */
PN_TEST(manifests_take_nothing_from_each_other)
{
    struct pn_str first = pn_lease_manifest(call.arena, &config, PN_LIT("jane"));

    CHECK(pn_str_starts(role_of(first), PN_LIT("postern-leases-")));
    CHECK_STR(pn_lease_manifest(call.arena, &config, PN_LIT("jane")), first.ptr);
    CHECK(
        !pn_str_eq(role_of(first), role_of(pn_lease_manifest(call.arena, &config, PN_LIT("joe")))));
    config.role = PN_LIT("another");
    CHECK(!pn_str_eq(role_of(first),
                     role_of(pn_lease_manifest(call.arena, &config, PN_LIT("jane")))));
    CHECK(!pn_str_eq(role_of(pn_lease_manifest(call.arena, &config, PN_NONE)),
                     role_of(pn_lease_manifest_sweep(call.arena, &config, PN_NONE))));
}

/* Names that YAML reads as something else: kubectl would take the first for none, and bind in the caller's namespace. */
PN_TEST(names_in_manifests_are_texts)
{
    static const char *const names[] = { "null", "1234", "true", "1e3", "0x1f" };

    for (size_t i = 0; i < PN_COUNT(names); i++) {
        struct pn_str name = pn_str_from(names[i]), yaml;
        const struct pn_str user = pn_arena_printf(call.arena, "system:serviceaccount:%s:%s",
                                                   names[i], names[i]),
                            head = pn_arena_printf(call.arena, "\n  namespace: \"%s\"\n", names[i]),
                            subject = pn_arena_printf(
                                call.arena,
                                "{kind: ServiceAccount, name: \"%s\", namespace: \"%s\"}", names[i],
                                names[i]);

        config.namespaces = (struct pn_strs){ &name, 1 };
        yaml = pn_lease_manifest_sweep(call.arena, &config, user);
        CHECK(pn_str_search(yaml, head) > 0);
        CHECK(pn_str_search(yaml, subject) > 0);
    }
}

PN_TEST(manifests)
{
    struct pn_str yaml;

    config.roleType = PN_LEASE_CLUSTER_ROLE;
    config.role = PN_LIT("odd: \"role\"");
    yaml = pn_lease_manifest(call.arena, &config, PN_LIT("jane"));
    CHECK(pn_str_search(yaml, PN_LIT("kind: ClusterRoleBinding\n")) > 0);
    CHECK(pn_str_search(yaml, PN_LIT("resourceNames: [\"odd: \\\"role\\\"\"]")) > 0);
    CHECK(pn_str_search(yaml, PN_LIT("{kind: User, apiGroup: rbac.authorization.k8s.io, name: "
                                     "\"jane\"}")) > 0);
    CHECK(pn_str_search(yaml, PN_LIT("\"rolebindings\"")) < 0);
    CHECK(pn_str_search(yaml, PN_LIT("  namespace: \"b\"\n")) > 0);
    config.bindingScope = PN_LEASE_SCOPE_NAMESPACE;
    yaml = pn_lease_manifest(call.arena, &config, PN_NONE);
    CHECK(pn_str_search(yaml, PN_LIT("ClusterRoleBinding")) < 0);
    CHECK(pn_str_search(yaml, PN_LIT("\"rolebindings\"")) > 0);
}

#define P(name) cmocka_unit_test_setup_teardown(name, start, stop)
PN_TEST_MAIN(P(a_plan_for_each_kind_of_credential), P(namespaces_that_are_allowed),
             P(lengths_of_tokens), P(a_dynamic_lease), P(a_bound_token),
             P(as_the_gateway_nobody_sends_a_token), P(what_a_cluster_may_answer),
             P(a_second_step_that_fails_leaves_the_first_to_be_taken_away),
             P(a_token_that_is_refused_leaves_all_to_be_taken_away), P(a_token_nobody_can_read),
             P(who_is_told_when_to_come_again_comes_once),
             P(what_a_cluster_repeats_of_a_credential_is_not_passed_on),
             P(what_kills_the_token_goes_first), P(what_is_not_there_is_gone),
             P(what_somebody_else_says_ends_nothing),
             P(every_delete_is_tried_whatever_became_of_the_others),
             P(a_conflict_of_another_kind_is_tried_again), P(without_a_uid_the_label_decides),
             P(a_static_account_is_looked_at_and_bound_where_that_is_allowed),
             P(what_is_missing_is_told_with_what_mends_it), P(an_account_that_is_not_there),
             P(a_dynamic_test_leaves_nothing), P(a_binding_that_would_give_away_too_much),
             P(names_in_manifests_are_texts), P(manifests),
             P(manifests_take_nothing_from_each_other))
