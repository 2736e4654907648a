/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "base/encode.h"
#include "kube/jwks.h"
#include "kube/service_token.h"

static struct pn_arena *arena;
static struct pn_service_token token;
static struct pn_err err;

static bool parse_text(struct pn_str text)
{
    pn_arena_free(arena);
    arena = pn_arena_new(1 << 20);
    return pn_service_token_parse(arena, pn_arena_copy(arena, text), &token, &err);
}

static bool parse(const char *header, const char *claims)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(16384);

    pn_base64url_add(&text, pn_str_from(header));
    pn_buf_add_byte(&text, '.');
    pn_base64url_add(&text, pn_str_from(claims));
    pn_buf_add_text(&text, ".c2ln");
    return parse_text(pn_buf_str(&text));
}

#define HEADER "{\"alg\":\"RS256\",\"kid\":\"k1\"}"

PN_TEST(a_projected_token)
{
    CHECK_OK(
        parse(HEADER,
              "{\"aud\":[\"a\",\"b\"],\"exp\":2000,\"iat\":1000,\"nbf\":1001,\"iss\":\"https://"
              "k\",\"kubernetes.io\":{\"namespace\":\"default\",\"pod\":{\"name\":\"app-0\","
              "\"uid\":\"p\"},\"serviceaccount\":{\"name\":\"app\",\"uid\":\"u\"}},\"sub\":"
              "\"system:serviceaccount:default:app\"}"),
        err);
    CHECK_STR(token.alg, "RS256");
    CHECK_STR(token.kid, "k1");
    CHECK_STR(token.issuer, "https://k");
    CHECK_STR(token.subject, "system:serviceaccount:default:app");
    CHECK_EQ(token.audiences.count, 2);
    CHECK_STR(token.audiences.items[1], "b");
    CHECK_STR(token.namespace, "default");
    CHECK_STR(token.name, "app");
    CHECK_STR(token.uid, "u");
    CHECK_STR(token.pod_name, "app-0");
    CHECK_EQ(token.expires_s, 2000);
    CHECK_EQ(token.issued_s, 1000);
    CHECK_EQ(token.not_before_s, 1001);
    CHECK_STR(token.signature, "sig");
    CHECK(pn_str_search(token.signed_text, PN_LIT(".")) > 0);
}

PN_TEST(a_flat_token)
{
    CHECK_OK(parse(HEADER, "{\"iss\":\"kubernetes/serviceaccount\",\"kubernetes.io/serviceaccount/"
                           "namespace\":\"default\",\"kubernetes.io/serviceaccount/"
                           "service-account.name\":\"app\"}"),
             err);
    CHECK_STR(token.namespace, "default");
    CHECK_STR(token.name, "app");
    CHECK_EQ(token.expires_s, 0);
    CHECK_EQ(token.audiences.count, 0);
}

PN_TEST(one_audience_is_a_list_of_one)
{
    CHECK_OK(parse(HEADER, "{\"aud\":\"only\"}"), err);
    CHECK_EQ(token.audiences.count, 1);
    CHECK_STR(token.audiences.items[0], "only");
}

PN_TEST(the_nested_claims_win)
{
    CHECK_OK(parse(HEADER,
                   "{\"kubernetes.io/serviceaccount/namespace\":\"flat\",\"kubernetes.io\":{"
                   "\"namespace\":\"nested\"}}"),
             err);
    CHECK_STR(token.namespace, "nested");
}

PN_TEST(malformed_ones)
{
    static const char *const texts[] = { "",
                                         "a",
                                         "a.b",
                                         "a.b.c",
                                         "a.b.c.d",
                                         "..",
                                         "eyJ9.e30.x",
                                         "eyJhbGciOiJub25lIn0.e30.",
                                         "eyJhbGciOiJub25lIn0 .e30.eA" };
    static const char *const claims[] = { "[]",
                                          "x",
                                          "{\"exp\":\"1\"}",
                                          "{\"exp\":1.5}",
                                          "{\"exp\":-1}",
                                          "{\"aud\":[1]}",
                                          "{\"aud\":{}}",
                                          "{\"iss\":1}",
                                          "{\"exp\":1,\"exp\":2}",
                                          "{\"kubernetes.io\":[]}",
                                          "{\"sub\":\"a\\u0000b\"}" };
    static const char *const headers[] = { "{}", "[]", "{\"alg\":1}",
                                           "{\"alg\":\"a\",\"alg\":\"b\"}" };

    for (size_t i = 0; i < PN_COUNT(texts); i++)
        CHECK_FAILS(parse_text(pn_str_from(texts[i])), err, UNAUTHENTICATED);
    for (size_t i = 0; i < PN_COUNT(claims); i++)
        CHECK_FAILS(parse(HEADER, claims[i]), err, UNAUTHENTICATED);
    for (size_t i = 0; i < PN_COUNT(headers); i++)
        CHECK_FAILS(parse(headers[i], "{}"), err, UNAUTHENTICATED);
}

PN_TEST(keys)
{
    const struct pn_kube_jwk *keys;
    struct pn_list list;

    CHECK_OK(
        pn_kube_jwks_parse(
            arena,
            PN_LIT("{\"keys\":[{\"use\":\"sig\",\"kty\":\"RSA\",\"kid\":\"k1\",\"alg\":"
                   "\"RS256\",\"n\":\"AQID\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\","
                   "\"x\":\"AQ\",\"y\":\"Ag\"},{\"kty\":\"oct\",\"k\":\"AQ\"},{\"kty\":\"RSA\","
                   "\"use\":\"enc\",\"n\":\"AQ\",\"e\":\"AQ\"},{\"kty\":\"RSA\",\"n\":\"!\","
                   "\"e\":\"AQ\"}]}"),
            &list, &err),
        err);
    keys = list.items;
    CHECK_EQ(list.count, 2);
    CHECK_STR(keys[0].kid, "k1");
    CHECK_STR(keys[0].n, "\x01\x02\x03");
    CHECK_STR(keys[1].crv, "P-256");
    CHECK_FAILS(pn_kube_jwks_parse(arena, PN_LIT("{}"), &list, &err), err, PROTOCOL);
    CHECK_FAILS(pn_kube_jwks_parse(arena, PN_LIT("{\"keys\":{}}"), &list, &err), err, PROTOCOL);
}

PN_TEST(the_issuer)
{
    struct pn_str issuer;

    CHECK_OK(pn_kube_discovery_parse(arena, PN_LIT("{\"issuer\":\"https://k\",\"jwks_uri\":\"x\"}"),
                                     &issuer, &err),
             err);
    CHECK_STR(issuer, "https://k");
    CHECK_FAILS(pn_kube_discovery_parse(arena, PN_LIT("{\"issuer\":\"\"}"), &issuer, &err), err,
                PROTOCOL);
    pn_arena_free(arena);
    arena = NULL;
}

PN_TEST_MAIN(T(a_projected_token), T(a_flat_token), T(one_audience_is_a_list_of_one),
             T(the_nested_claims_win), T(malformed_ones), T(keys), T(the_issuer))
