/* SPDX-License-Identifier: Apache-2.0 */
/* Folding of recorded events; the pages are as a server gave them for `kubectl get pods` and `exec`. */
#include "check.h"
#include "cli/session_log.h"

#define REQUEST(id, url, verb, resource, sub)                                               \
    "{\"seq\":0,\"timestamp\":\"2026-11-22T10:00:00.000Z\",\"eventType\":\"request\","      \
    "\"requestId\":\"" id "\",\"auditId\":\"" id "\",\"headers\":{\"Kubectl-Command\":"     \
    "[\"kubectl get\"],\"Kubectl-Session\":[\"" id "\"]},\"method\":\"GET\",\"url\":\"" url \
    "\",\"verb\":\"" verb "\",\"apiGroup\":\"\",\"resource\":\"" resource                   \
    "\",\"subresource\":\"" sub "\",\"namespace\":\"n\",\"name\":\"p\",\"upgrade\":\"\"}"
#define RESPONSE(id, status)                                                                     \
    "{\"timestamp\":\"2026-11-22T10:00:01.000Z\",\"eventType\":\"response\",\"requestId\":\"" id \
    "\",\"auditId\":\"" id "\",\"headers\":{},\"status\":\"x\",\"statusCode\":" status           \
    ",\"durationMs\":12,\"requestBytes\":3,\"responseBytes\":4567,\"upgrade\":\"\"}"
#define PAGE(events) "{\"logs\":[" events "],\"hasMore\":false,\"batchCount\":1}"

static struct pn_session_log *log_of(const char *const *pages)
{
    struct pn_session_log *log = pn_session_log_new();

    for (; *pages != NULL; pages++) {
        struct pn_value *page;
        struct pn_err err = { 0 };

        CHECK_OK(pn_value_parse(pn_str_from(*pages), &page, &err), err);
        pn_session_log_take(log, page);
        pn_value_free(page);
    }
    return log;
}

struct printed {
    struct pn_value *requests, *lines;
    size_t folded;
};

static struct pn_value *parsed(const struct pn_buf *json)
{
    struct pn_value *value;
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse(pn_buf_str(json), &value, &err), err);
    return value;
}

static struct printed print(const char *const *pages)
{
    struct pn_session_log *log = log_of(pages);
    struct pn_buf requests = pn_buf_init(1 << 22), lines = pn_buf_init(1 << 22);
    struct printed out;

    pn_session_log_requests(log, &requests);
    out.folded = pn_session_log_commands(log, &lines);
    out.requests = parsed(&requests);
    out.lines = parsed(&lines);
    pn_buf_drop(&requests);
    pn_buf_drop(&lines);
    pn_session_log_free(log);
    return out;
}
#define PRINT(...) print((const char *const[]){ __VA_ARGS__, NULL })

static void drop(struct printed *p)
{
    pn_value_free(p->requests);
    pn_value_free(p->lines);
}

static struct pn_str at(const struct pn_value *value, const char *path)
{
    return pn_value_str(pn_value_at(value, path));
}

PN_TEST(a_request_and_its_response_are_one)
{
    struct printed p = PRINT(PAGE(REQUEST("r1", "/api/v1/namespaces/n/pods/p/exec?command=ls",
                                          "create", "pods", "exec") "," RESPONSE("r1", "101")));

    CHECK_EQ(pn_value_count(p.requests), 1);
    CHECK_STR(at(p.requests, "0.requestId"), "r1");
    CHECK_STR(at(p.requests, "0.auditId"), "r1");
    CHECK_STR(at(p.requests, "0.url"), "/api/v1/namespaces/n/pods/p/exec?command=ls");
    CHECK_STR(at(p.requests, "0.startedAt"), "2026-11-22T10:00:00.000Z");
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "0.status"), -1), 101);
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "0.durationMs"), -1), 12);
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "0.requestBytes"), -1), 3);
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "0.responseBytes"), -1), 4567);
    CHECK_EQ(pn_value_count(pn_value_item(p.requests, 0)), 16);
    CHECK_STR(at(p.lines, "0.resource"), "pods/exec");
    CHECK_STR(at(p.lines, "0.duration"), "12 ms");
    CHECK_STR(at(p.lines, "0.command"), "kubectl get p -n n -- ls");
    CHECK(pn_value_bool(pn_value_at(p.lines, "0.isVerbClaimed"), false));
    CHECK_EQ(p.folded, 0);
    drop(&p);
}

/* Pages end anywhere; the response of a watch comes hours later. */
PN_TEST(they_find_each_other_over_pages_and_out_of_turn)
{
    struct printed p = PRINT(PAGE(REQUEST("r1", "/api/v1/pods?watch=1", "watch", "pods", "")),
                             PAGE(REQUEST("r2", "/api/v1/nodes", "list", "nodes", "")),
                             PAGE(RESPONSE("r2", "403") "," RESPONSE("r1", "200")));

    CHECK_EQ(pn_value_count(p.requests), 2);
    CHECK_STR(at(p.requests, "0.verb"), "watch");
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "0.status"), -1), 200);
    CHECK_EQ(pn_value_int(pn_value_at(p.requests, "1.status"), -1), 403);
    drop(&p);
}

PN_TEST(what_has_no_answer_says_so)
{
    struct printed p = PRINT(PAGE(REQUEST("r1", "/api/v1/pods", "list", "pods", "") "," REQUEST(
        "r2", "/api/v1/pods", "list", "pods", "") "," RESPONSE("r2", "0")));

    CHECK(pn_value_is_null(pn_value_at(p.requests, "0.status")));
    CHECK(pn_value_is_null(pn_value_at(p.requests, "0.durationMs")));
    CHECK(pn_value_is_null(pn_value_at(p.requests, "1.status")));
    CHECK_STR(at(p.lines, "0.status"), "running");
    CHECK(pn_value_is_null(pn_value_at(p.lines, "0.duration")));
    CHECK_STR(at(p.lines, "1.status"), "failed");
    drop(&p);
}

PN_TEST(discovery_is_folded_but_nothing_that_was_refused)
{
    struct printed p = PRINT(PAGE(
        REQUEST("d1", "/api?timeout=32s", "get", "", "") "," RESPONSE("d1", "200") "," REQUEST("d2", "/apis", "get", "", "") "," RESPONSE("d2", "304") "," REQUEST(
            "d3", "/openapi/v3/apis/apps/v1?hash=1",
            "get", "",
            "") "," REQUEST("d4", "/apis/apps/v1", "get", "",
                            "") "," RESPONSE("d4",
                                             "403") "," REQUEST("x1", "/apiary", "get", "",
                                                                "") "," RESPONSE("x1",
                                                                                 "200") "," REQUEST("x2",
                                                                                                    "/metrics",
                                                                                                    "get",
                                                                                                    "",
                                                                                                    "") "," RESPONSE("x2",
                                                                                                                     "200") "," REQUEST("x3",
                                                                                                                                        "/api/v1/pods",
                                                                                                                                        "list",
                                                                                                                                        "pods",
                                                                                                                                        "") "," RESPONSE("x3",
                                                                                                                                                         "200")));

    CHECK_EQ(p.folded, 3);
    CHECK_EQ(pn_value_count(p.lines), 4);
    CHECK_STR(at(p.lines, "0.resource"), "/apis/apps/v1");
    CHECK_STR(at(p.lines, "1.resource"), "/apiary");
    CHECK_STR(at(p.lines, "2.resource"), "/metrics");
    CHECK_STR(at(p.lines, "3.resource"), "pods");
    CHECK_EQ(pn_value_count(p.requests), 7);
    drop(&p);
}

PN_TEST(a_response_whose_request_is_missing_is_still_shown)
{
    struct printed p = PRINT(PAGE(RESPONSE("r1", "200")));

    CHECK_EQ(pn_value_count(p.requests), 1);
    CHECK_STR(at(p.requests, "0.requestId"), "r1");
    CHECK(pn_value_is_null(pn_value_at(p.requests, "0.url")));
    CHECK_EQ(pn_value_count(p.lines), 1);
    drop(&p);
}

PN_TEST(strange_events_harm_nobody)
{
    struct printed p =
        PRINT("{}", "[]", "{\"logs\":7}", PAGE("1,null,\"x\",{},[]"),
              PAGE("{\"eventType\":\"request\"}"), PAGE("{\"eventType\":7,\"requestId\":\"a\"}"),
              PAGE("{\"eventType\":\"sessionEnd\",\"requestId\":\"s\",\"reason\":\"x\"}"),
              PAGE("{\"eventType\":\"request\",\"requestId\":\"a\",\"url\":[],\"headers\":[1]}"),
              PAGE("{\"eventType\":\"response\",\"requestId\":\"a\",\"statusCode\":\"200\"}"));

    CHECK_EQ(pn_value_count(p.requests), 1);
    CHECK(pn_value_is_null(pn_value_at(p.requests, "0.url")));
    CHECK(pn_value_is_null(pn_value_at(p.requests, "0.status")));
    drop(&p);
}

PN_TEST(thousands_keep_their_order)
{
    struct pn_session_log *log = pn_session_log_new();
    struct pn_buf text = pn_buf_init(1 << 24), json = pn_buf_init(1 << 24);
    struct pn_value *page, *value;
    struct pn_err err = { 0 };

    pn_buf_add_text(&text, "{\"logs\":[");
    for (int i = 0; i < 5000; i++)
        pn_buf_addf(&text, "%s{\"eventType\":\"request\",\"requestId\":\"r%d\",\"url\":\"/%d\"}",
                    i > 0 ? "," : "", i, i);
    pn_buf_add_text(&text, "]}");
    CHECK_OK(pn_value_parse(pn_buf_str(&text), &page, &err), err);
    pn_session_log_take(log, page);
    pn_value_free(page);
    pn_session_log_requests(log, &json);
    value = parsed(&json);
    CHECK_EQ(pn_value_count(value), 5000);
    CHECK_STR(at(value, "0.url"), "/0");
    CHECK_STR(at(value, "4999.url"), "/4999");
    pn_value_free(value);
    pn_session_log_free(log);
    pn_buf_drop(&text);
    pn_buf_drop(&json);
}

/* The time of all events here, and a while later. */
#define BEGUN_MS 1795341600000
#define LATER_MS (BEGUN_MS + 60000)

PN_TEST(a_follower_lets_go_of_what_is_over)
{
    struct pn_session_log *log = log_of((const char *const[]){
        PAGE(REQUEST("r1", "/api/v1/pods", "list", "pods", "") "," RESPONSE("r1", "200")),
        PAGE(REQUEST("r2", "/api/v1/pods?watch=1", "watch", "pods", "")), NULL });
    struct pn_buf rest = pn_buf_init(1 << 20);
    struct pn_value *page, *left;
    struct pn_err err = { 0 };

    pn_session_log_forget(log, BEGUN_MS - 60000); /* when nothing was over yet */
    CHECK_EQ(pn_session_log_held(log), 2);
    pn_session_log_forget(log, LATER_MS);
    CHECK_EQ(pn_session_log_held(log), 1);
    CHECK_OK(pn_value_parse(PN_LIT(PAGE(RESPONSE("r2", "200"))), &page, &err), err);
    pn_session_log_take(log, page); /* hours later it finds its request */
    pn_value_free(page);
    CHECK_EQ(pn_session_log_held(log), 1);
    pn_session_log_requests(log, &rest);
    left = parsed(&rest);
    CHECK_STR(at(left, "0.requestId"), "r2");
    CHECK_EQ(pn_value_int(pn_value_at(left, "0.status"), -1), 200);
    pn_session_log_forget(log, LATER_MS);
    CHECK_EQ(pn_session_log_held(log), 0);
    pn_value_free(left);
    pn_buf_drop(&rest);
    pn_session_log_free(log);
}

/* One kubectl's requests stay together while one of them runs. */
PN_TEST(a_command_that_goes_on_is_kept_whole)
{
#define OF_ONE(id, more)                                                                        \
    "{\"timestamp\":\"2026-11-22T10:00:00.000Z\",\"eventType\":\"request\",\"requestId\":\"" id \
    "\",\"headers\":{\"Kubectl-Session\":[\"one\"]},\"verb\":\"get\",\"url\":\"/api/v1/x\"}" more
    struct pn_session_log *log = log_of((const char *const[]){
        PAGE(OF_ONE("a", "," RESPONSE("a", "200"))), PAGE(OF_ONE("b", "")), NULL });

    pn_session_log_forget(log, LATER_MS);
    CHECK_EQ(pn_session_log_held(log), 2);
    pn_session_log_free(log);
}

/* Hours: what is held does not grow with what has passed. */
PN_TEST(following_needs_no_more_memory_with_time)
{
    struct pn_session_log *log = pn_session_log_new();

    for (int turn = 0; turn < 3000; turn++) {
        struct pn_buf json = pn_buf_init(1 << 16);
        struct pn_value *page;
        struct pn_err err = { 0 };

        pn_buf_addf(&json,
                    "{\"logs\":[{\"timestamp\":\"2026-11-22T10:00:00.000Z\",\"eventType\":"
                    "\"request\",\"requestId\":\"r%d\"},{\"eventType\":\"response\","
                    "\"requestId\":\"r%d\",\"durationMs\":1}]}",
                    turn, turn);
        CHECK_OK(pn_value_parse(pn_buf_str(&json), &page, &err), err);
        pn_session_log_take(log, page);
        pn_value_free(page);
        pn_session_log_forget(log, LATER_MS);
        CHECK_EQ(pn_session_log_held(log), 0);
        pn_buf_drop(&json);
    }
    pn_session_log_free(log);
}

PN_TEST_MAIN(T(a_follower_lets_go_of_what_is_over), T(a_command_that_goes_on_is_kept_whole),
             T(following_needs_no_more_memory_with_time), T(a_request_and_its_response_are_one),
             T(they_find_each_other_over_pages_and_out_of_turn), T(what_has_no_answer_says_so),
             T(discovery_is_folded_but_nothing_that_was_refused),
             T(a_response_whose_request_is_missing_is_still_shown), T(strange_events_harm_nobody),
             T(thousands_keep_their_order))
