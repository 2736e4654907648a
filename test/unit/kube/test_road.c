/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/road.h"

static struct pn_arena *arena;
static struct pn_err err;
static struct pn_road_request request;
static struct pn_reach_answer answer;
static enum pn_reach_fault fault;

static int begin(void **state)
{
    (void)state;
    arena = pn_arena_new(1 << 22);
    err = (struct pn_err){ 0 };
    request = (struct pn_road_request){ 0 };
    return 0;
}

static int end(void **state)
{
    (void)state;
    pn_road_drop_request(&request);
    pn_arena_free(arena);
    return pn_secret_pool_used() == 0 ? 0 : -1;
}

static void there_and_back(const struct pn_reach_to *to, const struct pn_reach_request *r)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(PN_ROAD_MAX_BYTES);

    pn_road_print_request(to, r, &wire);
    CHECK_OK(pn_road_parse_request(arena, pn_buf_str(&wire), &request, &err), err);
    CHECK_EQ(request.to.as, to->as);
    CHECK_STR(request.request.path, pn_cstr(arena, r->path));
    CHECK(strcmp(request.request.method, r->method) == 0);
    CHECK_EQ(request.request.timeout_ms, r->timeout_ms);
    CHECK_EQ(request.request.max_body_bytes, r->max_body_bytes);
    CHECK(pn_str_eq(request.request.body, r->body));
}

PN_TEST(a_request_with_a_bearer_comes_back_the_same)
{
    struct pn_secret *bearer = pn_secret_new(PN_LIT("s3cret"), &err);
    struct pn_reach_to to = { .host = PN_LIT("https://[fd00::1]:6443/prefix"),
                              .ca_pem = PN_LIT("-----BEGIN"),
                              .is_insecure = true };
    struct pn_reach_request r = { .method = "POST",
                                  .path = PN_LIT("/apis/a?b=c%2Fd"),
                                  .body = pn_str_of("{\"a\":\"\0\xff\"}", 10),
                                  .content_type = "application/yaml",
                                  .bearer = bearer,
                                  .timeout_ms = 10000,
                                  .max_body_bytes = 65536 };

    there_and_back(&to, &r);
    CHECK_STR(request.to.host, "https://[fd00::1]:6443/prefix");
    CHECK_STR(request.to.ca_pem, "-----BEGIN");
    CHECK(request.to.is_insecure);
    CHECK(pn_secret_eq(request.request.bearer, PN_LIT("s3cret")));
    CHECK(strcmp(request.request.content_type, "application/yaml") == 0);
    pn_secret_free(bearer);
}

PN_TEST(a_request_as_the_gateway_takes_nothing_else_along)
{
    struct pn_secret *bearer = pn_secret_new(PN_LIT("s3cret"), &err);
    struct pn_reach_to to = { .host = PN_LIT("https://elsewhere"), .as = PN_REACH_AS_GATEWAY };
    struct pn_reach_request r = { .method = "GET",
                                  .path = PN_LIT("/version"),
                                  .bearer = bearer,
                                  .impersonate = PN_LIT("system:serviceaccount:dev:ci"),
                                  .timeout_ms = 1,
                                  .max_body_bytes = 1 };

    there_and_back(&to, &r);
    CHECK(request.to.host.len == 0 && request.request.bearer == NULL);
    CHECK_STR(request.request.impersonate, "system:serviceaccount:dev:ci");
    pn_secret_free(bearer);
}

#define AS_BEARER "{\"as\":\"bearer\",\"host\":\"h\",\"timeoutMs\":1,\"maxBodyBytes\":1"
#define AS_GATEWAY "{\"as\":\"gateway\",\"timeoutMs\":1,\"maxBodyBytes\":1"
#define GET ",\"method\":\"GET\",\"path\":\"/\""

PN_TEST(what_is_no_request_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        AS_BEARER "}",
        AS_BEARER ",\"method\":\"CONNECT\",\"path\":\"/\"}",
        AS_BEARER ",\"method\":\"GET\",\"path\":\"http://evil/\"}",
        AS_BEARER ",\"method\":\"GET\",\"path\":\"//evil/\"}",
        AS_BEARER ",\"method\":\"GET\",\"path\":\"x:@evil/\"}",
        AS_BEARER ",\"method\":\"GET\",\"path\":\"/ HTTP/1.1\"}",
        AS_BEARER ",\"method\":\"GET\",\"path\":\"/\\r\\nX: y\"}",
        AS_BEARER GET ",\"bearer\":\"a\\r\\nX: y\"}",
        AS_BEARER GET ",\"bearer\":\"\"}",
        AS_BEARER GET ",\"contentType\":\"a\\nb\"}",
        AS_BEARER GET ",\"body\":\"***\"}",
        AS_BEARER GET ",\"impersonate\":\"system:serviceaccount:a:b\"}",
        AS_GATEWAY GET ",\"host\":\"evil\"}",
        AS_GATEWAY GET ",\"bearer\":\"t\"}",
        AS_GATEWAY GET ",\"ca\":\"x\"}",
        AS_GATEWAY GET ",\"insecure\":true}",
        AS_GATEWAY GET ",\"impersonate\":\"\"}",
        AS_GATEWAY GET ",\"impersonate\":\"system:admin\"}",
        AS_GATEWAY GET ",\"impersonate\":\"system:serviceaccount:a:b:c\"}",
        "{\"as\":\"server\",\"timeoutMs\":1,\"maxBodyBytes\":1" GET "}",
        "{\"as\":\"gateway\",\"timeoutMs\":0,\"maxBodyBytes\":1" GET "}",
        "{\"as\":\"gateway\",\"timeoutMs\":30001,\"maxBodyBytes\":1" GET "}",
        "{\"as\":\"gateway\",\"timeoutMs\":1,\"maxBodyBytes\":99999999" GET "}",
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        if (pn_road_parse_request(arena, pn_str_from(bad[i]), &request, &err))
            print_error("let in: %s\n", bad[i]);
        CHECK(err.code != PN_OK);
        pn_err_clear(&err);
    }
    CHECK_OK(pn_road_parse_request(arena, PN_LIT(AS_GATEWAY GET "}"), &request, &err), err);
}

PN_TEST(an_answer_comes_back_the_same)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(PN_ROAD_MAX_BYTES);
    struct pn_reach_answer said = { .status = 503,
                                    .status_text = PN_LIT("Service Unavailable"),
                                    .content_type = PN_LIT("application/json"),
                                    .body = pn_str_of("\0\xff{", 3),
                                    .retry_after_s = 7,
                                    .warning = PN_LIT("shortened") };

    pn_road_print_answer(&said, &wire);
    CHECK_OK(pn_road_parse_answer(arena, pn_buf_str(&wire), &answer, &fault, &err), err);
    CHECK_EQ(fault, PN_REACH_NO_FAULT);
    CHECK_EQ(answer.status, 503);
    CHECK_EQ(answer.retry_after_s, 7);
    CHECK_STR(answer.warning, "shortened");
    CHECK_STR(answer.status_text, "Service Unavailable");
    CHECK_STR(answer.content_type, "application/json");
    CHECK(pn_str_eq(answer.body, said.body));
}

PN_TEST(an_answer_may_be_a_status_alone)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(4096);
    struct pn_reach_answer said = { .status = 204 };

    pn_road_print_answer(&said, &wire);
    CHECK_OK(pn_road_parse_answer(arena, pn_buf_str(&wire), &answer, &fault, &err), err);
    CHECK_EQ(answer.status, 204);
    CHECK_EQ(answer.body.len, 0);
}

PN_TEST(a_fault_comes_back_with_its_sentence)
{
    static const enum pn_reach_fault all[] = { PN_REACH_BAD_HOST,    PN_REACH_NO_NAME,
                                               PN_REACH_REFUSED,     PN_REACH_TIMED_OUT,
                                               PN_REACH_SELF_SIGNED, PN_REACH_BAD_CHAIN,
                                               PN_REACH_OTHER,       PN_REACH_GATEWAY_FAULT };

    for (size_t i = 0; i < PN_COUNT(all); i++) {
        pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(4096);

        pn_road_print_fault(all[i], PN_LIT("connection refused"), 1700000000123, &wire);
        CHECK(!pn_road_parse_answer(arena, pn_buf_str(&wire), &answer, &fault, &err));
        CHECK_EQ(fault, all[i]);
        CHECK_EQ(answer.gateway_ms, 1700000000123);
        CHECK_STR(pn_str_from(err.message), "connection refused");
        pn_err_clear(&err);
    }
}

/* "it does not run as a pod of the cluster" was once cut before what mattered. */
PN_TEST(a_long_sentence_is_cut_between_characters)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(4096), said = pn_buf_init(512);

    for (int i = 0; i < 255; i++)
        pn_buf_add_byte(&said, 'a');
    pn_buf_add_text(&said, "é and more");
    pn_road_print_fault(PN_REACH_GATEWAY_FAULT, pn_buf_str(&said), 0, &wire);
    CHECK(!pn_road_parse_answer(arena, pn_buf_str(&wire), &answer, &fault, &err));
    CHECK_EQ(fault, PN_REACH_GATEWAY_FAULT);
    CHECK(pn_str_eq(pn_str_from(err.message), pn_str_slice(pn_buf_str(&said), 0, 255)));
    pn_err_clear(&err);
}

PN_TEST(what_is_no_answer_is_a_fault)
{
    static const char *const bad[] = { "",
                                       "{}",
                                       "{\"status\":200}",
                                       "{\"status\":99,\"body\":\"\"}",
                                       "{\"status\":200,\"body\":\"*\"}",
                                       "{\"fault\":\"made-up\",\"message\":\"x\"}",
                                       "{\"fault\":\"no-gateway\",\"message\":\"x\"}" };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK_FAILS(pn_road_parse_answer(arena, pn_str_from(bad[i]), &answer, &fault, &err), err,
                    PROTOCOL);
        CHECK_EQ(fault, PN_REACH_OTHER);
    }
}

#define R(name) cmocka_unit_test_setup_teardown(name, begin, end)

PN_TEST_MAIN(R(a_request_with_a_bearer_comes_back_the_same),
             R(a_request_as_the_gateway_takes_nothing_else_along), R(what_is_no_request_is_refused),
             R(an_answer_comes_back_the_same), R(an_answer_may_be_a_status_alone),
             R(a_fault_comes_back_with_its_sentence), R(a_long_sentence_is_cut_between_characters),
             R(what_is_no_answer_is_a_fault))
