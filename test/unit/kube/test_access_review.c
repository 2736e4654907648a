/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/access_review.h"

static struct pn_err err;

PN_TEST(the_question)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct pn_kube_right right = { "create",       "",           "serviceaccounts", "token",
                                   PN_LIT("a\"b"), PN_LIT("app") };

    pn_kube_access_review_print(&right, &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
              "\"spec\":{\"resourceAttributes\":{\"namespace\":\"a\\\"b\",\"verb\":\"create\","
              "\"resource\":\"serviceaccounts\",\"subresource\":\"token\",\"name\":\"app\"}}}");
    pn_buf_clear(&out);
    right = (struct pn_kube_right){ "delete", "g", "r", NULL, PN_NONE, PN_NONE };
    pn_kube_access_review_print(&right, &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
              "\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"group\":\"g\",\"resource\":"
              "\"r\"}}}");
}

PN_TEST(answers)
{
    static const char *const bad[] = { "",
                                       "{}",
                                       "[]",
                                       "{\"status\":{}}",
                                       "{\"status\":null}",
                                       "{\"status\":{\"allowed\":null}}",
                                       "{\"status\":{\"allowed\":\"true\"}}",
                                       "{\"status\":{\"allowed\":true}} x" };
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_str username;
    bool may = true;

    CHECK_OK(pn_kube_access_review_parse(
                 arena, PN_LIT("{\"status\":{\"allowed\":false,\"reason\":\"x\"}}"), &may, &err),
             err);
    CHECK(!may);
    CHECK_OK(
        pn_kube_access_review_parse(arena, PN_LIT("{\"status\":{\"allowed\":true}}"), &may, &err),
        err);
    CHECK(may);
    CHECK_OK(
        pn_kube_self_review_parse(
            arena, PN_LIT("{\"status\":{\"userInfo\":{\"username\":\"jane\"}}}"), &username, &err),
        err);
    CHECK_STR(username, "jane");
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK_FAILS(pn_kube_access_review_parse(arena, pn_str_from(bad[i]), &may, &err), err,
                    PROTOCOL);
        CHECK_FAILS(pn_kube_self_review_parse(arena, pn_str_from(bad[i]), &username, &err), err,
                    PROTOCOL);
    }
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(the_question), T(answers))
