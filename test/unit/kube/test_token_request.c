/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "base/encode.h"
#include "kube/token_request.h"

static struct pn_err err;

PN_TEST(the_question)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct pn_kube_token_request request = { .expires_s = 600 };

    pn_kube_token_request_print(&request, &out);
    CHECK_STR(pn_buf_str(&out), "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":"
                                "\"TokenRequest\",\"spec\":{\"expirationSeconds\":600}}");
    pn_buf_clear(&out);
    request.audiences = (struct pn_strs){ (struct pn_str[]){ PN_LIT("a"), PN_LIT("b\"") }, 2 };
    request.secret_name = PN_LIT("s");
    request.secret_uid = PN_LIT("u");
    pn_kube_token_request_print(&request, &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{"
              "\"expirationSeconds\":600,\"audiences\":[\"a\",\"b\\\"\"],\"boundObjectRef\":{"
              "\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"s\",\"uid\":\"u\"}}}");
}

static bool parse(struct pn_arena *arena, const char *claims, struct pn_kube_token *out)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(8192);

    pn_buf_add_text(&body, "{\"status\":{\"token\":\"");
    pn_base64url_add(&body, PN_LIT("{\"alg\":\"RS256\"}"));
    pn_buf_add_byte(&body, '.');
    pn_base64url_add(&body, pn_str_from(claims));
    pn_buf_add_text(&body, ".c2ln\",\"expirationTimestamp\":\"2026-09-21T15:13:20Z\"}}");
    return pn_kube_token_request_parse(arena, pn_buf_str(&body), out, &err);
}

PN_TEST(answers)
{
    static const char *const bad[] = {
        "{}",
        "{\"iat\":10}",
        "{\"exp\":10}",
        "{\"iat\":10,\"exp\":10}",
        "{\"iat\":11,\"exp\":10}",
        "{\"iat\":0,\"exp\":10}",
        "{\"iat\":\"1\",\"exp\":10}",
        "{\"iat\":1,\"exp\":99999999999999999}",
        "[]",
        "x",
    };
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_kube_token token;

    CHECK_OK(parse(arena, "{\"iat\":10,\"exp\":610,\"jti\":\"j\"}", &token), err);
    CHECK_EQ(token.issued_s, 10);
    CHECK_EQ(token.expires_s, 610);
    CHECK_STR(token.jti, "j");
    CHECK(pn_str_starts(token.token, PN_LIT("eyJ")));
    CHECK_EQ(token.shown_ms, INT64_C(1790003600000));
    CHECK_OK(parse(arena, "{\"iat\":10,\"exp\":610}", &token), err);
    CHECK(token.jti.ptr == NULL);
    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(parse(arena, bad[i], &token), err, PROTOCOL);
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(the_question), T(answers))
