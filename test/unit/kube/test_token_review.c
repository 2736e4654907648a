/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/names.h"
#include "kube/token_review.h"

static struct pn_arena *arena;
static struct pn_kube_review review;
static struct pn_err err;

static bool parse(const char *json)
{
    pn_arena_free(arena);
    arena = pn_arena_new(1 << 20);
    return pn_kube_token_review_parse(arena, pn_str_from(json), &review, &err);
}

PN_TEST(the_question)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init_wiped(4096);
    struct pn_secret *token = pn_secret_new(PN_LIT("a\"b"), &err);

    pn_kube_token_review_print(token, PN_LIT("postern"), &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\","
              "\"spec\":{\"token\":\"a\\\"b\",\"audiences\":[\"postern\"]}}");
    pn_buf_clear(&out);
    pn_kube_token_review_print(token, PN_LIT(""), &out); /* KV-15 */
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\","
              "\"spec\":{\"token\":\"a\\\"b\"}}");
    pn_secret_free(token);
}

PN_TEST(a_real_answer)
{
    CHECK_OK(
        parse(
            "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{"
            "\"creationTimestamp\":null},\"spec\":{\"token\":\"x\"},\"status\":{\"authenticated\":"
            "true,\"user\":{\"username\":\"system:serviceaccount:default:app\",\"uid\":\"u-1\","
            "\"groups\":[\"system:serviceaccounts\"],\"extra\":{\"authentication.kubernetes.io/"
            "pod-name\":[\"app-0\"],\"authentication.kubernetes.io/node-name\":[\"n1\"],"
            "\"other\":[\"x\"]}},\"audiences\":[\"postern\",\"b\"]}}"),
        err);
    CHECK(review.is_authenticated);
    CHECK_STR(review.username, "system:serviceaccount:default:app");
    CHECK_STR(review.uid, "u-1");
    CHECK_EQ(review.audiences.count, 2);
    CHECK_STR(review.audiences.items[1], "b");
    CHECK_STR(review.pod_name, "app-0");
    CHECK_STR(review.node_name, "n1");
}

PN_TEST(an_expired_token)
{
    CHECK_OK(
        parse("{\"status\":{\"user\":{},\"error\":\"[invalid bearer token, token has expired]\"}}"),
        err);
    CHECK(!review.is_authenticated);
    CHECK_STR(review.error, "[invalid bearer token, token has expired]");
    CHECK(review.username.len == 0);
}

PN_TEST(kv04_an_empty_status_is_no_verdict_of_yes)
{
    CHECK_OK(parse("{\"status\":{}}"), err);
    CHECK(!review.is_authenticated && review.error.len == 0 && review.audiences.count == 0);
    CHECK_OK(parse("{\"status\":{\"authenticated\":null,\"user\":null,\"audiences\":null}}"), err);
    CHECK(!review.is_authenticated);
}

PN_TEST(kv05_what_is_no_review_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "null",
        "\"x\"",
        "nonsense",
        "",
        "{\"status\":null}",
        "{\"status\":[]}",
        "{\"status\":{\"authenticated\":\"true\"}}",
        "{\"status\":{\"authenticated\":1}}",
        "{\"status\":{\"audiences\":\"a\"}}",
        "{\"status\":{\"user\":\"x\"}}",
        "{\"status\":{\"user\":{\"username\":7}}}",
        "{\"status\":{},\"status\":{}}",
        "{\"status\":{\"authenticated\":false,\"authenticated\":true}}",
        "{\"status\":{}} x",
        "{\"status\":{\"error\":{}}}",
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        bool done = parse(bad[i]);

        CHECK_STR(pn_str_from(err.message), "Unexpected TokenReview response");
        CHECK_FAILS(done, err, PROTOCOL);
    }
}

PN_TEST(kv07_user_names)
{
    static const char *const bad[] = {
        "kubernetes-admin",
        "system:node:n1",
        "system:serviceaccount:a:b:c",
        "",
        "system:serviceaccount::app", /* KV-08 */
        "system:serviceaccount:default:",
        "system:serviceaccount:default",
        "system:serviceaccount",
        "System:serviceaccount:default:app",
        "xsystem:serviceaccount:default:app",
    };
    struct pn_str ns, name;

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK(!pn_kube_service_account_split(pn_str_from(bad[i]), &ns, &name));
    CHECK(!pn_kube_service_account_split(PN_NONE, &ns, &name));
    CHECK(pn_kube_service_account_split(PN_LIT("system:serviceaccount:default:app"), &ns, &name));
    CHECK_STR(ns, "default");
    CHECK_STR(name, "app");
}

PN_TEST(what_an_answer_says)
{
    pn_arena_free(arena);
    arena = pn_arena_new(1 << 20);
#define SAYS(type, body) pn_kube_answer_text(arena, PN_LIT(type), PN_LIT(body))
    CHECK_STR(SAYS("application/json", "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}"),
              "Unauthorized");
    CHECK_STR(SAYS("text/plain; charset=utf-8", " no upstream\n"), "no upstream");
    CHECK(SAYS("text/html", "<h1>no</h1>").len == 0);
    CHECK(SAYS("application/json", "{\"message\":7}").len == 0);
    CHECK(SAYS("application/json", "{}").len == 0);
    CHECK(SAYS("text/plain", "").len == 0);
    CHECK(SAYS("text/plain", "\xff\xfe").len == 0);
    pn_arena_free(arena);
    arena = NULL;
}

PN_TEST_MAIN(T(the_question), T(a_real_answer), T(an_expired_token),
             T(kv04_an_empty_status_is_no_verdict_of_yes), T(kv05_what_is_no_review_is_refused),
             T(kv07_user_names), T(what_an_answer_says))
