/* SPDX-License-Identifier: Apache-2.0 */
/* A whole server on loopback, asked over TLS. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/value.h"
#include "net/fetch.h"
#include "server/server.h"
#include "sys/sys.h"

struct site {
    char data[64];
    struct pn_settings *settings;
    struct pn_server *server;
    struct pn_arena *arena;
    struct pn_fetcher *fetcher;
    struct pn_str ca;
    struct pn_secret *token;
};

static void set(struct site *s, const char *name, const char *value)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_settings_set(s->settings, name, pn_str_from(value), &err), err);
}

static void site_prepare(struct site *s)
{
    const struct pn_settings_source source = { .file_name = "none" };
    struct pn_err err = { 0 };

    *s = (struct site){ .arena = pn_arena_new((size_t)64 << 20) };
    snprintf(s->data, sizeof(s->data), "/tmp/pn-server-XXXXXX");
    CHECK(mkdtemp(s->data) != NULL);
    CHECK_OK(pn_settings_load(&source, &s->settings, &err), err);
    set(s, "data", s->data);
    set(s, "listen", "127.0.0.1:0");
    set(s, "rate-limits", "false");
}

static void connect_to(struct site *s)
{
    pn_auto(pn_buf_drop) struct pn_buf pem = pn_buf_init(65536);
    struct pn_fetcher_config config = { .user_agent = "cli" };
    struct pn_err err = { 0 };

    CHECK_OK(pn_file_read(pn_server_ca_file(s->server), 65536, &pem, &err), err);
    config.trust_pem = pn_arena_copy(s->arena, pn_buf_str(&pem));
    CHECK_OK(pn_url_parse(pn_str_from(pn_server_url(s->server)), &config.url, &err), err);
    CHECK_OK(pn_fetcher_new(&config, &s->fetcher, &err), err);
}

static void site_start(struct site *s)
{
    const struct pn_server_config config = { .settings = s->settings };
    struct pn_err err = { 0 };

    CHECK_OK(pn_server_start(&config, &s->server, &err), err);
    connect_to(s);
}

static void site_halt(struct site *s)
{
    pn_fetcher_free(s->fetcher);
    pn_server_stop(s->server);
    s->fetcher = NULL;
    s->server = NULL;
}

static void site_stop(struct site *s)
{
    char *const argv[] = { "rm", "-rf", s->data, NULL }, *const none[] = { NULL };

    if (s->server != NULL)
        site_halt(s);
    pn_settings_free(s->settings);
    pn_secret_free(s->token);
    pn_arena_free(s->arena);
    CHECK_EQ(pn_process_run(argv, none), 0);
}

static struct pn_fetched ask(struct site *s, const char *method, const char *path,
                             struct pn_str body)
{
    const struct pn_fetch request = { .method = method,
                                      .path = pn_str_from(path),
                                      .bearer = s->token,
                                      .body = body,
                                      .deadline_ms = pn_clock_mono_ms() + 20000 };
    struct pn_fetched out = { 0 };
    struct pn_err err = { 0 };

    CHECK_OK(pn_fetch(s->fetcher, &request, s->arena, &out, &err), err);
    return out;
}

static struct pn_str text_at(struct site *s, const struct pn_fetched *answer, const char *path)
{
    pn_auto(pn_value_freep) struct pn_value *root = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse(answer->body, &root, &err), err);
    return pn_arena_copy(s->arena, pn_value_str(pn_value_at(root, path)));
}

#define BOOTSTRAP \
    PN_LIT("{\"email\":\"a@b.cd\",\"password\":\"secret password\",\"organization\":\"Acme\"}")

static void bootstrap(struct site *s)
{
    struct pn_fetched answer = ask(s, "POST", "/api/v1/admin/bootstrap", BOOTSTRAP);
    struct pn_err err = { 0 };

    CHECK_EQ(answer.status, 200);
    s->token = pn_secret_new(text_at(s, &answer, "identity.credentials.token"), &err);
    CHECK(s->token != NULL);
}

#define SITE_TEST(name)                           \
    static void name##_at(struct site *s);        \
    PN_TEST(name)                                 \
    {                                             \
        struct site s;                            \
        size_t secrets = pn_secret_pool_used();   \
                                                  \
        site_prepare(&s);                         \
        name##_at(&s);                            \
        site_stop(&s);                            \
        CHECK_EQ(pn_secret_pool_used(), secrets); \
    }                                             \
    static void name##_at(struct site *s)

SITE_TEST(answers_from_the_first_second)
{
    struct pn_fetched answer;

    site_start(s);
    answer = ask(s, "GET", "/api/status", PN_NONE);
    CHECK_EQ(answer.status, 200);
    CHECK_STR(text_at(s, &answer, "message"), "Ok");
    CHECK_EQ(pn_http_field_get(&answer.head, "x-request-id").len, 18);
    CHECK_EQ(ask(s, "GET", "/livez", PN_NONE).status, 200);
    CHECK_EQ(ask(s, "GET", "/readyz", PN_NONE).status, 200);
    answer = ask(s, "GET", "/metrics", PN_NONE);
    CHECK(pn_str_search(answer.body, PN_LIT("postern_http_requests_total{status=\"2xx\"} 3\n")) >=
          0);
}

SITE_TEST(every_error_has_the_envelope_and_the_request_id)
{
    static const struct {
        const char *method, *path, *name;
        int status;
    } rows[] = {
        { "GET", "/nothing", "NotFound", 404 },
        { "DELETE", "/api/status", "MethodNotAllowed", 405 },
        { "GET", "/api/v1/projects", "UnauthorizedError", 401 },
        { "GET", "/api/v1/projects/slug/%zz", "BadRequest", 400 },
        { "GET", "/api/v1/admin/user-management/users?limit=x", "UnauthorizedError", 401 },
    };

    site_start(s);
    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        struct pn_fetched answer = ask(s, rows[i].method, rows[i].path, PN_NONE);
        struct pn_str id = text_at(s, &answer, "reqId");

        CHECK_EQ(answer.status, rows[i].status);
        CHECK_STR(text_at(s, &answer, "error"), rows[i].name);
        CHECK(pn_str_eq(id, pn_http_field_get(&answer.head, "x-request-id")));
    }
}

SITE_TEST(bodies_are_limited_and_must_be_json)
{
    char *big = pn_heap_new(((size_t)1 << 20) + 2);

    site_start(s);
    CHECK_EQ(ask(s, "POST", "/api/v3/auth/login", PN_LIT("{\"email\":")).status, 400);
    CHECK_EQ(ask(s, "POST", "/api/v3/auth/login", PN_LIT("7")).status, 400);
    CHECK_EQ(ask(s, "POST", "/api/v3/auth/login", PN_LIT("{}")).status, 422);
    memset(big, ' ', ((size_t)1 << 20) + 1);
    CHECK_EQ(ask(s, "POST", "/api/v3/auth/login", pn_str_of(big, (size_t)1 << 20)).status, 422);
    CHECK_EQ(ask(s, "POST", "/api/v3/auth/login", pn_str_of(big, ((size_t)1 << 20) + 1)).status,
             413);
    CHECK_EQ(ask(s, "GET", "/api/status", PN_NONE).status, 200);
    pn_heap_free(big);
}

SITE_TEST(tokens_survive_a_restart)
{
    site_start(s);
    bootstrap(s);
    CHECK_EQ(ask(s, "GET", "/api/v1/projects", PN_NONE).status, 200);
    CHECK_EQ(ask(s, "POST", "/api/v1/admin/bootstrap", BOOTSTRAP).status, 400);
    site_halt(s);
    site_start(s);
    CHECK_EQ(ask(s, "GET", "/api/v1/projects", PN_NONE).status, 200);
    CHECK_EQ(ask(s, "POST", "/api/v1/admin/bootstrap", BOOTSTRAP).status, 400);
}

static void check_private(struct site *s, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", s->data, name);
    CHECK(pn_file_exists(path));
    CHECK(pn_file_is_private(path));
}

SITE_TEST(keys_and_database_are_private)
{
    site_start(s);
    check_private(s, "root.key");
    check_private(s, "ca.key");
    check_private(s, "server.key");
    check_private(s, "postern.db");
}

SITE_TEST(a_root_key_that_others_can_read_is_refused)
{
    const struct pn_server_config config = { .settings = s->settings };
    struct pn_server *server;
    struct pn_err err = { 0 };
    char path[128];

    snprintf(path, sizeof(path), "%s/root.key", s->data);
    CHECK_OK(pn_file_write(
                 path, PN_LIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
                 0644, &err),
             err);
    CHECK_FAILS(pn_server_start(&config, &server, &err), err, USAGE);
}

/* A second server with the first one's certificate as an operator's own. */
SITE_TEST(given_certificates_are_used)
{
    struct pn_fetcher_config config = { .user_agent = "cli" };
    pn_auto(pn_buf_drop) struct pn_buf pem = pn_buf_init(65536);
    char certificate[128], key[128], data[128], ca[128];
    struct pn_err err = { 0 };

    site_start(s);
    site_halt(s);
    snprintf(certificate, sizeof(certificate), "%s/server.pem", s->data);
    snprintf(key, sizeof(key), "%s/server.key", s->data);
    snprintf(ca, sizeof(ca), "%s/ca.pem", s->data);
    snprintf(data, sizeof(data), "%s/second", s->data);
    set(s, "data", data);
    set(s, "certificate", certificate);
    CHECK_FAILS(
        pn_server_start(&(struct pn_server_config){ .settings = s->settings }, &s->server, &err),
        err, USAGE);
    set(s, "certificate-key", key);
    CHECK_OK(
        pn_server_start(&(struct pn_server_config){ .settings = s->settings }, &s->server, &err),
        err);
    CHECK_STR(pn_str_from(pn_server_ca_file(s->server)), "");
    CHECK_OK(pn_file_read(ca, 65536, &pem, &err), err);
    config.trust_pem = pn_buf_str(&pem);
    CHECK_OK(pn_url_parse(pn_str_from(pn_server_url(s->server)), &config.url, &err), err);
    CHECK_OK(pn_fetcher_new(&config, &s->fetcher, &err), err);
    CHECK_EQ(ask(s, "GET", "/api/status", PN_NONE).status, 200);
}

SITE_TEST(one_directory_serves_one_server)
{
    const struct pn_server_config config = { .settings = s->settings };
    struct pn_server *server;
    struct pn_err err = { 0 };

    site_start(s);
    CHECK(!pn_server_start(&config, &server, &err));
    CHECK(pn_str_search(pn_str_from(err.message), PN_LIT("in use")) >= 0);
    CHECK_EQ(ask(s, "GET", "/readyz", PN_NONE).status, 200);
}

SITE_TEST(limits_count_per_class_and_say_when_to_return)
{
    struct pn_fetched answer;

    set(s, "rate-limits", "true");
    set(s, "rate-login", "2");
    site_start(s);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ask(s, "POST", "/api/v3/auth/login1", PN_LIT("{}")).status, 400);
    answer = ask(s, "POST", "/api/v3/auth/login1", PN_LIT("{}"));
    CHECK_EQ(answer.status, 429);
    CHECK_STR(text_at(s, &answer, "error"), "RateLimitExceeded");
    CHECK(pn_http_field_get(&answer.head, "retry-after").len > 0);
    CHECK_STR(pn_http_field_get(&answer.head, "x-ratelimit-limit"), "2");
    CHECK_STR(pn_http_field_get(&answer.head, "x-ratelimit-remaining"), "0");
    CHECK_EQ(ask(s, "GET", "/api/v1/admin/config", PN_NONE).status, 200);
    CHECK_EQ(ask(s, "GET", "/api/status", PN_NONE).status, 200);
}

SITE_TEST(a_full_server_says_so_at_once)
{
    struct pn_fetched answer;

    set(s, "max-requests", "0");
    site_start(s);
    answer = ask(s, "GET", "/api/v1/admin/config", PN_NONE);
    CHECK_EQ(answer.status, 503);
    CHECK_STR(pn_http_field_get(&answer.head, "retry-after"), "1");
}

/* Asks until the server is gone; counts what was not a whole, good answer. */
struct asker {
    struct site *site;
    struct pn_arena *arena;
    atomic_int answered, wrong;
};

static void *ask_on(void *asker_)
{
    struct asker *a = asker_;
    const struct pn_fetch request = { .method = "GET",
                                      .path = PN_LIT("/api/v1/admin/config"),
                                      .deadline_ms = pn_clock_mono_ms() + 30000 };

    for (;;) {
        struct pn_fetched out = { 0 };
        struct pn_err err = { 0 };

        if (!pn_fetch(a->site->fetcher, &request, a->arena, &out, &err))
            return NULL;
        a->wrong += out.status != 200 || out.body.len == 0 || out.body.ptr[out.body.len - 1] != '}';
        a->answered++;
        pn_arena_reset(a->arena);
    }
}

SITE_TEST(a_stop_finishes_what_runs)
{
    struct asker asker = { .site = s, .arena = pn_arena_new((size_t)16 << 20) };
    pthread_t thread;

    site_start(s);
    CHECK_EQ(ask(s, "GET", "/api/status", PN_NONE).status, 200);
    CHECK_EQ(pthread_create(&thread, NULL, ask_on, &asker), 0);
    while (atomic_load(&asker.answered) == 0)
        sched_yield();
    pn_server_stop(s->server);
    s->server = NULL;
    pthread_join(thread, NULL);
    CHECK(asker.answered > 0);
    CHECK_EQ(asker.wrong, 0);
    pn_fetcher_free(s->fetcher);
    pn_arena_free(asker.arena);
}

PN_TEST_MAIN(T(answers_from_the_first_second), T(every_error_has_the_envelope_and_the_request_id),
             T(bodies_are_limited_and_must_be_json), T(tokens_survive_a_restart),
             T(keys_and_database_are_private), T(a_root_key_that_others_can_read_is_refused),
             T(given_certificates_are_used), T(one_directory_serves_one_server),
             T(limits_count_per_class_and_say_when_to_return), T(a_full_server_says_so_at_once),
             T(a_stop_finishes_what_runs))
