/* SPDX-License-Identifier: Apache-2.0 */
#include "client/home.h"
#include "client/host.h"
#include "client/rest.h"

struct stage {
    struct host host;
    struct pn_rest *rest;
};

static void up(struct stage *s, const char *token, const char *token_name)
{
    struct pn_client_config config = { .token_name = token_name };
    struct pn_err err = { 0 };

    host_up(&s->host, "server", false);
    config.domain = pn_str_from(s->host.url);
    config.ca_pem = s->host.certs.root.pem;
    if (token != NULL)
        config.token = pn_secret_new(pn_str_from(token), &err);
    CHECK_OK(pn_rest_new(&config, &s->rest, &err), err);
    pn_client_config_drop(&config);
}

static void down(struct stage *s)
{
    pn_rest_free(s->rest);
    host_down(&s->host);
}

static bool get(struct stage *s, struct pn_err *err)
{
    return pn_rest_call(s->rest, "GET", PN_LIT("/v1/thing"), PN_NONE, NULL, err);
}

PN_TEST(a_call_and_its_answer)
{
    struct pn_value *reply = NULL;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, "token-1", NULL);
    HOST_SAYS(&s.host, { 200, "{\"id\":\"7\"}" });
    CHECK_OK(pn_rest_call(s.rest, "POST", PN_LIT("/v1/thing"), PN_LIT("{}"), &reply, &err), err);
    CHECK_STR(pn_value_str(pn_value_get(reply, "id")), "7");
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/thing");
    CHECK_STR(pn_str_from(s.host.authorization), "Bearer token-1");
    pn_value_free(reply);
    CHECK_OK(pn_rest_set_token(s.rest, NULL, &err), err);
    CHECK_OK(get(&s, &err), err);
    CHECK_STR(pn_str_from(s.host.authorization), "");
    down(&s);
}

PN_TEST(an_empty_answer_is_no_value)
{
    struct pn_value *reply = (struct pn_value *)(uintptr_t)1;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, NULL, NULL);
    HOST_SAYS(&s.host, { 204, "" });
    CHECK_OK(pn_rest_call(s.rest, "DELETE", PN_LIT("/v1/thing"), PN_NONE, &reply, &err), err);
    CHECK(reply == NULL);
    down(&s);
}

/* Each kind of refusal: its code (which is the exit code) and the server's sentence. */
PN_TEST(refusals_keep_code_name_and_sentence)
{
    static const struct {
        int status;
        const char *body;
        enum pn_code code;
        const char *message, *name;
    } cases[] = {
        { 400, "{\"error\":\"BadRequest\",\"message\":\"No\"}", PN_BAD_REQUEST, "No",
          "BadRequest" },
        { 403, "{\"error\":\"PermissionDenied\",\"message\":\"Not you\"}", PN_FORBIDDEN, "Not you",
          "PermissionDenied" },
        { 403, "{\"error\":\"PAM_REASON_REQUIRED\",\"message\":\"Why?\"}", PN_FORBIDDEN, "Why?",
          "PAM_REASON_REQUIRED" },
        { 404, "{\"message\":\"Gone\"}", PN_NOT_FOUND, "Gone", "" },
        { 409, "{\"message\":\"Twice\"}", PN_CONFLICT, "Twice", "" },
        { 413, "{\"message\":\"Big\"}", PN_TOO_LARGE, "Big", "" },
        { 429, "{\"message\":\"Slow down\"}", PN_RATE_LIMITED, "Slow down", "" },
        { 500, "<html>", PN_INTERNAL, "the server answered 500", "" },
        { 404, "", PN_NOT_FOUND, "the server answered 404", "" },
        { 400, "{\"message\":\"a\\u001b[31mb\\nc\"}", PN_BAD_REQUEST, "a [31mb c", "" },
        { 400, "[1]", PN_BAD_REQUEST, "the server answered 400", "" },
        { 400, "{\"message\":7,\"error\":[]}", PN_BAD_REQUEST, "the server answered 400", "" },
    };
    struct stage s;

    up(&s, "token", NULL);
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_err err = { 0 };

        HOST_SAYS(&s.host, { cases[i].status, cases[i].body });
        CHECK(!get(&s, &err));
        CHECK_STR(pn_str_from(err.message), cases[i].message);
        CHECK_STR(pn_str_from(err.name), cases[i].name);
        CHECK_EQ(err.code, cases[i].code);
    }
    down(&s);
}

PN_TEST(all_issues_of_a_422_are_told)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, "token", NULL);
    HOST_SAYS(&s.host,
              { 422, "{\"error\":\"ValidationFailure\",\"message\":["
                     "{\"code\":\"custom\",\"path\":[\"name\"],\"message\":\"Required\"},"
                     "{\"path\":[\"a\",\"b\"],\"message\":\"Too long\"},{\"message\":\"x\"}]}" });
    CHECK(!get(&s, &err));
    CHECK_EQ(err.code, PN_VALIDATION);
    CHECK_STR(pn_str_from(err.message), "name: Required; a.b: Too long; x");
    CHECK(pn_str_starts(err.details, PN_LIT("[{\"code\":\"custom\"")));
    down(&s);
}

PN_TEST(details_are_kept)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, "token", NULL);
    HOST_SAYS(&s.host, { 403, "{\"message\":\"m\",\"details\":{\"requireReason\":true}}" });
    CHECK(!get(&s, &err));
    CHECK_STR(err.details, "{\"requireReason\":true}");
    down(&s);
}

/* The server's address, which is new in each run, is called SERVER. */
static struct pn_str without_address(struct stage *s, char *message)
{
    char *at = strstr(message, s->host.url);
    size_t len = strlen(s->host.url);

    if (at != NULL) {
        memcpy(at, "SERVER", strlen("SERVER"));
        memmove(at + strlen("SERVER"), at + len, strlen(at + len) + 1);
    }
    return pn_str_from(message);
}

/* What to do depends on where the token came from. */
PN_TEST(a_refused_token_says_what_next)
{
    static const struct {
        const char *token, *name;
        int status;
        const char *body, *message;
    } cases[] = {
        { NULL, NULL, 401, "{\"message\":\"Token missing\"}",
          "not logged in to SERVER: run `postern login`" },
        { "t", NULL, 401, "{\"message\":\"Expired\"}", "Expired: run `postern login`" },
        { "t", NULL, 401, "{\"message\":\"Expired. Again, please.\"}",
          "Expired. Again, please: run `postern login`" },
        { "t", NULL, 403, "{\"error\":\"TokenError\",\"message\":\"Bad\"}",
          "Bad: run `postern login`" },
        { "t", "POSTERN_TOKEN", 401, "{\"message\":\"Expired\"}",
          "the token in POSTERN_TOKEN is not accepted: Expired" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_err err = { 0 };
        struct stage s;

        up(&s, cases[i].token, cases[i].name);
        HOST_SAYS(&s.host, { cases[i].status, cases[i].body });
        CHECK(!get(&s, &err));
        CHECK_STR(without_address(&s, err.message), cases[i].message);
        CHECK_EQ(err.code, PN_UNAUTHENTICATED);
        down(&s);
    }
}

PN_TEST(a_file_that_is_no_ca_is_named)
{
    struct pn_client_config config = { .domain = PN_LIT("https://127.0.0.1:1"),
                                       .ca_pem = PN_LIT("root:x:0:0\n"),
                                       .ca_file = PN_LIT("/etc/passwd") };
    struct pn_rest *rest;
    struct pn_err err = { 0 };

    CHECK(!pn_rest_new(&config, &rest, &err));
    CHECK_EQ(err.code, PN_USAGE);
    CHECK(strstr(err.message, "/etc/passwd") != NULL);
}

PN_TEST(another_server_is_noticed)
{
    static const struct host_answer answers[] = { { 200, "<html>hello</html>" },
                                                  { 302, "" },
                                                  { 200, "{\"a\":1,\"a\":2}" } };
    struct stage s;

    up(&s, "token", NULL);
    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        struct pn_err err = { 0 };

        HOST_SAYS(&s.host, answers[i]);
        CHECK_FAILS(get(&s, &err), err, UPSTREAM);
    }
    down(&s);
}

PN_TEST(a_server_that_is_away_is_named)
{
    struct pn_client_config config = { .domain = PN_LIT("https://127.0.0.1:1") };
    struct pn_rest *rest;
    struct pn_err err = { 0 };

    CHECK_OK(pn_rest_new(&config, &rest, &err), err);
    CHECK(!pn_rest_call(rest, "GET", PN_LIT("/status"), PN_NONE, NULL, &err));
    CHECK_EQ(err.code, PN_UNREACHABLE);
    CHECK(strstr(err.message, "https://127.0.0.1:1") != NULL);
    pn_rest_free(rest);
}

/* A server that accepts and then says nothing. */
static void say_nothing(struct host *host, struct pn_exchange *exchange)
{
    pthread_mutex_lock(&host->lock);
    host->calls++;
    pthread_mutex_unlock(&host->lock);
    host->user = exchange; /* held until the server goes */
}

PN_TEST(no_call_waits_for_ever)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, "token", NULL);
    s.host.handle = say_nothing;
    pn_rest_set_timeout(s.rest, 50);
    CHECK_FAILS(get(&s, &err), err, TIMEOUT);
    pn_rest_free(s.rest);
    pn_loop_stop(s.host.loop);
    pn_loop_join(s.host.loop);
    pn_stream_close(&((struct pn_exchange *)s.host.user)->body);
    pn_listener_close(s.host.listener);
    pn_http_server_free(s.host.http);
    pn_tls_context_free(s.host.tls);
    pn_loop_free(s.host.loop);
    pn_secret_free(s.host.leaf.key);
    certs_free(&s.host.certs);
}

PN_TEST(not_every_url_is_a_server)
{
    static const char *const urls[] = { "",         "example.com",          "ftp://a",
                                        "https:",   "http://example.com",   "https://a b",
                                        "https://", "http://127.0.0.1.evil" };

    for (size_t i = 0; i < PN_COUNT(urls); i++) {
        struct pn_client_config config = { .domain = pn_str_from(urls[i]) };
        struct pn_rest *rest;
        struct pn_err err = { 0 };

        CHECK_FAILS(pn_rest_new(&config, &rest, &err), err, USAGE);
    }
}

PN_TEST(http_is_for_this_machine_only)
{
    struct pn_client_config config = { .domain = PN_LIT("http://127.0.0.1:1") };
    struct pn_rest *rest;
    struct pn_err err = { 0 };

    CHECK_OK(pn_rest_new(&config, &rest, &err), err);
    pn_rest_free(rest);
}

PN_TEST(query_parameters_are_escaped)
{
    struct pn_buf path = pn_buf_init(256);

    pn_buf_add_text(&path, "/v1/x");
    pn_rest_query(&path, "a", PN_LIT("1&b=2 ?/ü"));
    pn_rest_query(&path, "none", PN_NONE);
    pn_rest_query(&path, "c", PN_LIT("3"));
    CHECK_STR(pn_buf_str(&path), "/v1/x?a=1%26b%3D2%20%3F%2F%C3%BC&c=3");
    pn_buf_drop(&path);
}

PN_TEST_MAIN(T(a_call_and_its_answer), T(an_empty_answer_is_no_value),
             T(refusals_keep_code_name_and_sentence), T(all_issues_of_a_422_are_told),
             T(details_are_kept), T(a_refused_token_says_what_next),
             T(a_file_that_is_no_ca_is_named), T(another_server_is_noticed),
             T(a_server_that_is_away_is_named), T(no_call_waits_for_ever),
             T(not_every_url_is_a_server), T(http_is_for_this_machine_only),
             T(query_parameters_are_escaped))
