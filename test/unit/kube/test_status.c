/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/status.h"

PN_TEST(a_status_is_what_kubectl_prints)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_str body = pn_kube_status(arena, 403, PN_LIT("the session \"x\" has ended"));

    CHECK_STR(
        body,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the session \\\"x\\\" has ended\",\"reason\":\"Forbidden\",\"code\":403}\n");
    pn_arena_free(arena);
}

PN_TEST(head_fits_the_body_and_asks_to_retry_only_when_told)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_http_head head = pn_kube_status_head(arena, 503, 0, PN_LIT("12345"));

    CHECK_EQ(head.status, 503);
    CHECK_EQ(head.content_length, 5);
    CHECK(!head.is_last);
    CHECK_STR(pn_http_field_get(&head, "content-type"), "application/json");
    CHECK_EQ(pn_http_field_count(&head, "retry-after"), 0);
    head = pn_kube_status_head(arena, 503, 7, PN_LIT("12345"));
    CHECK_STR(pn_http_field_get(&head, "retry-after"), "7");
    pn_arena_free(arena);
}

PN_TEST(discovery_gets_the_sentence_as_text)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_http_field accepts[] = {
        { PN_LIT("Accept"),
          PN_LIT("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList") },
        { PN_LIT("Accept"), PN_LIT("application/json") },
    };
    const struct pn_http_head discovery = { .fields = &accepts[0], .count = 1 };
    const struct pn_http_head other = { .fields = &accepts[1], .count = 1 }, none = { 0 };
    struct pn_kube_reply reply = pn_kube_reply(arena, &discovery, 403, 0, PN_LIT("it has ended"));

    CHECK_STR(reply.body, "it has ended");
    CHECK(pn_str_starts(pn_http_field_get(&reply.head, "content-type"), PN_LIT("text/plain")));
    CHECK_EQ(reply.head.content_length, 12);
    reply = pn_kube_reply(arena, &other, 403, 0, PN_LIT("it has ended"));
    CHECK(pn_str_starts(reply.body, PN_LIT("{\"kind\":\"Status\"")));
    CHECK_STR(pn_http_field_get(&reply.head, "content-type"), "application/json");
    CHECK(pn_str_starts(pn_kube_reply(arena, &none, 403, 0, PN_LIT("x")).body, PN_LIT("{")));
    pn_arena_free(arena);
}

PN_TEST(codes_have_the_reasons_of_the_contract)
{
    CHECK_STR(pn_str_from(pn_kube_reason(401)), "Unauthorized");
    CHECK_STR(pn_str_from(pn_kube_reason(413)), "RequestEntityTooLarge");
    CHECK_STR(pn_str_from(pn_kube_reason(502)), "InternalError");
    CHECK_STR(pn_str_from(pn_kube_reason(504)), "Timeout");
    CHECK_STR(pn_str_from(pn_kube_reason(299)), "");
}

PN_TEST(failures_map_to_codes)
{
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_UNREACHABLE }), 502);
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_PROTOCOL }), 502);
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_TIMEOUT }), 504);
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_BUSY }), 503);
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_FORBIDDEN }), 403);
    CHECK_EQ(pn_kube_code(&(struct pn_err){ .code = PN_UNAUTHENTICATED }), 401);
}

PN_TEST_MAIN(T(a_status_is_what_kubectl_prints), T(discovery_gets_the_sentence_as_text),
             T(head_fits_the_body_and_asks_to_retry_only_when_told),
             T(codes_have_the_reasons_of_the_contract), T(failures_map_to_codes))
