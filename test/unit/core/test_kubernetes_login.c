/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "core/auth/clusters.h"
#include "core/auth/kubernetes_login.h"
#include "core/auth/kubernetes_review.h"
#include "core/auth/method.h"

/* Kubernetes Auth's login over rows that no request can store, and beside a cluster that does not answer. */

#define JWT "jwt-that-must-never-be-seen"

/* A key, and a token of default:app that it has signed: issuer https://issuer, until the year 2036. */
#define KEYS                                                       \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\"," \
    "\"x\":\"QYjie2HC6lvpiV_2pucDpACLKbHd1wmoWaU-t15noKQ\","       \
    "\"y\":\"COOXENPkhAbqmBF_UajIvynAeEHJ1rzaQGXbpWMFyN0\"}]}"
#define SIGNED                                                                           \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lzc3VlciIsInN1YiI6InN5c3" \
    "RlbTpzZXJ2aWNlYWNjb3VudDpkZWZhdWx0OmFwcCIsImV4cCI6MjEwMDAwMDAwMCwiaWF0IjoxNzgwMDAw" \
    "MDAwfQ.TTuo6KuSzo72hyCUIowXsMKUPkFOJAFA1RSyTN6FUT9u5YKEqOXwGkxPkZtH3DYx9Ysa-a2VMZP" \
    "slC_wLI53jA"

/* A cluster that says what it is told to; status 0: nothing at all. */
static struct port {
    struct pn_reach_port port;
    const char *says;
    int status, asked;
} cluster;

static struct stage stage;
static struct pn_clusters *clusters;
static struct pn_uuid auth, foreign_auth, foreigner;
static struct pn_err err;

static bool send_it(const struct pn_reach_port *port, struct pn_call *call,
                    const struct pn_reach_to *to, const struct pn_reach_request *request,
                    struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *why)
{
    bool is_review = strcmp(request->method, "POST") == 0;

    (void)port, (void)call, (void)to;
    cluster.asked += is_review;
    *fault = is_review && cluster.status == 0 ? PN_REACH_REFUSED : PN_REACH_NO_FAULT;
    *out = (struct pn_reach_answer){ .status = is_review ? cluster.status : 200,
                                     .content_type = PN_LIT("application/json"),
                                     .body = pn_str_from(is_review ? cluster.says : KEYS) };
    return *fault == PN_REACH_NO_FAULT || pn_fail(why, PN_UNREACHABLE, "connection refused");
}

static void attach(struct pn_db_conn *tx, struct pn_uuid id, struct pn_uuid identity)
{
    const struct pn_uuid ids[] = { id, identity };

    stage_sql(tx,
              "INSERT INTO identity_auths (id, identity_id, method, ttl_s, max_ttl_s, period_s,"
              " uses_limit, trusted_ips, created_ms, updated_ms)"
              " VALUES ($a, $b, $text, 60, 60, 0, 0, '[]', 1, 1)",
              ids, PN_KUBERNETES_AUTH);
    stage_sql(
        tx,
        "INSERT INTO kubernetes_auths (auth_id, version, host, is_verified, review_mode,"
        " verification, issuer, is_reviewed_too, allowed_namespaces, allowed_names,"
        " allowed_audience) VALUES ($a, 1, $text, 0, 'api', 'token-review', '', 0, '', '', '')",
        ids, "https://k8s.example.org");
}

/* The same cluster, for an identity of each organisation. */
static bool insert_auths(struct pn_db_conn *tx, void *context, struct pn_err *why)
{
    const struct pn_uuid ids[] = { foreigner, stage.other_org };

    (void)context, (void)why;
    stage_sql(tx,
              "INSERT INTO identities (id, org_id, name, role, created_ms, updated_ms)"
              " VALUES ($a, $b, $text, 'no-access', 1, 1)",
              ids, "foreign-robot");
    attach(tx, auth, stage.robot.id);
    attach(tx, foreign_auth, foreigner);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    stage_start(&stage);
    cluster = (struct port){ .port.send = send_it,
                             .status = 201,
                             .says = "{\"kind\":\"TokenReview\",\"status\":{}}" };
    clusters = pn_clusters_new(0, 1);
    auth = pn_random_uuid();
    foreign_auth = pn_random_uuid();
    foreigner = pn_random_uuid();
    err = (struct pn_err){ 0 };
    CHECK_OK(pn_db_write(stage.db, insert_auths, NULL, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pn_clusters_free(clusters);
    stage_stop(&stage);
    return 0;
}

static bool log_in_as(struct pn_uuid identity, const char *token)
{
    pn_auto(pn_secret_freep) struct pn_secret *jwt = pn_secret_new(pn_str_from(token), &err);
    struct pn_call call = stage_call(&stage, (struct pn_actor){ 0 });
    struct pn_grant grant;

    call.reach = &cluster.port;
    call.clusters = clusters;
    call.deadline_ms = INT64_MAX;
    return pn_kubernetes_login_grant(&call, pn_uuid_str(stage.arena, identity), jwt, PN_NONE,
                                     &grant, &err);
}

static bool log_in(void)
{
    return log_in_as(stage.robot.id, JWT);
}

static bool set_mode(struct pn_db_conn *tx, void *mode, struct pn_err *why)
{
    (void)why;
    stage_sql(tx, "UPDATE kubernetes_auths SET review_mode = $text, host = NULL WHERE auth_id = $a",
              &auth, mode);
    return true;
}

PN_TEST(kh_07_to_09_what_cannot_be_reviewed_is_not_sent)
{
    /* KH-07, KH-08, KH-09 */
    static const struct {
        char mode[16];
        const char *message;
    } cases[] = {
        { "api", "Kubernetes host is required when token review mode is set to API" },
        { "gateway",
          "Gateway or Gateway Pool is required when token review mode is set to Gateway" },
        { "carrier-pigeon", "Invalid token review mode" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        char mode[16];

        memcpy(mode, cases[i].mode, sizeof(mode));
        CHECK_OK(pn_db_write(stage.db, set_mode, mode, &err), err);
        CHECK(!log_in());
        CHECK_STR(pn_str_from(err.message), cases[i].message);
        CHECK_FAILS(false, err, BAD_REQUEST);
    }
    CHECK_EQ(cluster.asked, 0);
}

PN_TEST(a_refusal_is_recorded_without_the_token)
{
    CHECK_FAILS(log_in(), err, UNAUTHENTICATED);
    CHECK_EQ(cluster.asked, 1);
    cluster.says = "{\"kind\":\"TokenReview\",\"status\":{\"error\":\"" JWT " is bad\"}}";
    CHECK(!log_in());
    CHECK_STR(pn_str_from(err.message), "[REDACTED] is bad");
    CHECK_FAILS(false, err, UNAUTHENTICATED);
    stage_close(&stage); /* what is queued is written */
    stage_open(&stage, true);
    CHECK_EQ(stage_events(&stage, "login-identity-kubernetes-auth-failed"), 2);
    CHECK(!stage_leaks(&stage, PN_LIT(JWT)));
}

PN_TEST(while_others_wait_for_it_a_dead_cluster_is_busy_and_leaves_no_record)
{
    const struct pn_kubernetes_auth same = { .kubernetesHost = PN_LIT("K8S.example.org:443"),
                                             .org_id = stage.org };
    const struct pn_cluster_place place = pn_kubernetes_place(&same);
    struct pn_call other = { .clusters = clusters, .deadline_ms = INT64_MAX };

    CHECK_OK(pn_clusters_enter(&other, &place, &err), err);
    CHECK_FAILS(log_in(), err, BUSY);
    CHECK_EQ(cluster.asked, 0);
    CHECK_FAILS(log_in_as(foreigner, JWT), err,
                UNAUTHENTICATED); /* others have turns of their own */
    CHECK_EQ(cluster.asked, 1);
    pn_clusters_leave(&other, &place, false);
    CHECK_FAILS(log_in(), err, UNAUTHENTICATED);
    CHECK_EQ(cluster.asked, 2);
    stage_close(&stage);
    stage_open(&stage, true);
    CHECK_EQ(stage_events(&stage, "login-identity-kubernetes-auth-failed"), 2);
}

PN_TEST(junk_of_one_organization_does_not_use_up_anothers_questions)
{
    char token[32];

    for (int i = 0; i < PN_REJECTS_PER_SOURCE; i++) {
        snprintf(token, sizeof(token), "junk-%d", i);
        CHECK_FAILS(log_in_as(foreigner, token), err, UNAUTHENTICATED);
    }
    CHECK_FAILS(log_in_as(foreigner, "one-more"), err, RATE_LIMITED);
    CHECK_FAILS(log_in(), err, UNAUTHENTICATED);
}

/* Without a reviewer's token each junk is its own reviewer, and what the cluster says is 401 about the request. */
PN_TEST(junk_that_reviews_itself_counts_as_rejected)
{
    char token[32];

    cluster.status = 401;
    cluster.says = "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}";
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PN_REJECTS_PER_SOURCE; i++) {
            snprintf(token, sizeof(token), "junk-%d", i); /* the same again is no better for it */
            CHECK(!log_in_as(stage.robot.id, token));
            CHECK_STR(pn_str_from(err.name), "KubernetesTokenReviewerUnauthorized");
            CHECK_FAILS(false, err, UNAUTHENTICATED);
        }
        CHECK_FAILS(log_in_as(stage.robot.id, "junk-0"), err, RATE_LIMITED);
        CHECK_EQ(cluster.asked, (round + 1) * PN_REJECTS_PER_SOURCE);
        pn_clock_advance(1000);
    }
    cluster.status = 0; /* who cannot be reached has rejected nobody */
    for (int i = 0; i < 2 * PN_REJECTS_PER_SOURCE; i++)
        CHECK_FAILS(log_in_as(stage.robot.id, "junk-0"), err, BAD_REQUEST);
}

static bool verify_by_keys_too(struct pn_db_conn *tx, void *context, struct pn_err *why)
{
    (void)context, (void)why;
    stage_sql(tx,
              "UPDATE kubernetes_auths SET verification = 'jwks', is_reviewed_too = 1,"
              " issuer = $text WHERE auth_id = $a",
              &auth, "https://issuer");
    return true;
}

PN_TEST(a_review_that_failed_is_no_verdict_whatever_the_keys_said)
{
    pn_clusters_free(clusters);
    clusters = pn_clusters_new(10000, 1);
    CHECK_OK(pn_db_write(stage.db, verify_by_keys_too, NULL, &err), err);
    cluster.status = 0;
    CHECK_FAILS(log_in_as(stage.robot.id, SIGNED), err, BAD_REQUEST);
    cluster.status = 201;
    cluster.says = "{\"status\":{\"authenticated\":true,\"user\":{\"username\":"
                   "\"system:serviceaccount:default:app\"}}}";
    CHECK_OK(log_in_as(stage.robot.id, SIGNED), err);
    CHECK_EQ(cluster.asked, 2);
    CHECK_OK(log_in_as(stage.robot.id, SIGNED), err); /* that one is remembered */
    CHECK_EQ(cluster.asked, 2);
}

/* An answer whose user is as given: escapes of JSON, so that any byte can be said. */
static const char *user_is(const char *username, const char *uid, const char *pod)
{
    return pn_arena_printf(stage.arena,
                           "{\"status\":{\"authenticated\":true,\"user\":{\"username\":\"%s\","
                           "\"uid\":\"%s\",\"extra\":{\"authentication.kubernetes.io/pod-name\":"
                           "[\"%s\"]}}}}",
                           username, uid, pod)
        .ptr;
}

static const char *times(const char *text, size_t count)
{
    struct pn_str all = PN_LIT("");

    while (count-- > 0)
        all = pn_arena_printf(stage.arena, "%.*s%s", PN_ARG(all), text);
    return all.ptr;
}

PN_TEST(what_a_cluster_says_is_no_name_until_it_is_one_of_kubernetes)
{
    static const char *const bad[] = { "\\u0001", "\\n", "\\\"", "A", "/", "\\u202e" };
    static const size_t lengths[] = { 1, 64, 255 };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        for (size_t n = 0; n < PN_COUNT(lengths); n++) {
            const char *evil = times(bad[i], lengths[n]);

            cluster.says =
                user_is(pn_arena_printf(stage.arena, "system:serviceaccount:%s:%s", evil, evil).ptr,
                        "", "");
            CHECK(!log_in());
            CHECK_STR(pn_str_from(err.name), "KubernetesUsernameParseError");
            CHECK_FAILS(false, err, BAD_REQUEST);
            cluster.says = user_is("system:serviceaccount:default:app", evil, "app-0");
            CHECK(strcmp(evil, "A") == 0 || !log_in());
            pn_err_clear(&err);
            cluster.says = user_is("system:serviceaccount:default:app", "u-1", evil);
            CHECK_FAILS(log_in(), err, BAD_REQUEST);
        }
    }
}

PN_TEST(the_longest_names_of_kubernetes_are_let_in)
{
    const char *name = pn_arena_printf(stage.arena, "%s.%s", times("a", 63), times("b.", 94))
                           .ptr; /* 252 bytes, then one more */

    cluster.says = user_is(
        pn_arena_printf(stage.arena, "system:serviceaccount:%s:%sc", times("n", 63), name).ptr,
        "0e2a4b0c-0d2b-4b5e-9a5e-000000000001", pn_arena_printf(stage.arena, "%sc", name).ptr);
    CHECK_OK(log_in(), err);
    cluster.says = "{\"status\":{\"authenticated\":true,\"user\":{\"username\":"
                   "\"system:serviceaccount:default:app\"}}}";
    CHECK_OK(log_in(), err);
}

PN_TEST(words_of_a_cluster_are_shown_without_control_characters)
{
    cluster.says = "{\"status\":{\"error\":\"a\\u0007b\\r\\nc\\u001b[31md\\u007fe\\u009bf\"}}";
    CHECK(!log_in());
    CHECK_STR(pn_str_from(err.message), "a b  c [31md e f");
    CHECK_FAILS(false, err, UNAUTHENTICATED);
    cluster.says = user_is("\\u001b[2J", "", "");
    CHECK(!log_in());
    CHECK(strchr(err.message, 0x1b) == NULL);
    CHECK_FAILS(false, err, BAD_REQUEST);
}

#define LOGIN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(LOGIN_TEST(kh_07_to_09_what_cannot_be_reviewed_is_not_sent),
             LOGIN_TEST(a_refusal_is_recorded_without_the_token),
             LOGIN_TEST(while_others_wait_for_it_a_dead_cluster_is_busy_and_leaves_no_record),
             LOGIN_TEST(junk_that_reviews_itself_counts_as_rejected),
             LOGIN_TEST(a_review_that_failed_is_no_verdict_whatever_the_keys_said),
             LOGIN_TEST(junk_of_one_organization_does_not_use_up_anothers_questions),
             LOGIN_TEST(what_a_cluster_says_is_no_name_until_it_is_one_of_kubernetes),
             LOGIN_TEST(the_longest_names_of_kubernetes_are_let_in),
             LOGIN_TEST(words_of_a_cluster_are_shown_without_control_characters))
