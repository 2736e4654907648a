/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"
#include "client/credential.h"
#include "client/home.h"
#include "client/host.h"

#define FILE_NAME "postern/kube/" ACCOUNT_ID ".json"
#define ACTIVE "{\"session\":{\"status\":\"active\"}}"
#define RUN_OUT                                                                    \
    "{\"session\":{\"status\":\"ended\",\"endedAt\":\"2026-01-01T10:00:00.000Z\"," \
    "\"expiresAt\":\"2026-01-01T10:00:00.000Z\"}}"
#define ENDED                                                                      \
    "{\"session\":{\"status\":\"ended\",\"endedAt\":\"2026-01-01T09:00:00.000Z\"," \
    "\"expiresAt\":\"2026-01-01T10:00:00.000Z\",\"endedBy\":\"ada\"}}"
#define TERMINATED "{\"session\":{\"status\":\"terminated\",\"endedBy\":\"ada\"}}"

struct stage {
    struct home *home;
    struct host host;
    struct pn_rest *rest;
    unsigned rest_count; /* how often somebody needed the server */
};

static void up(struct stage *s, void **state)
{
    struct pn_client_config config = { 0 };
    struct pn_err err = { 0 };

    *s = (struct stage){ .home = *state };
    host_up(&s->host, "server", false);
    config.domain = pn_str_from(s->host.url);
    config.ca_pem = s->host.certs.root.pem;
    CHECK_OK(pn_rest_new(&config, &s->rest, &err), err);
}

static void down(struct stage *s)
{
    pn_rest_free(s->rest);
    host_down(&s->host);
}

static bool rest_of(void *s_, struct pn_rest **out, struct pn_err *err PN_UNUSED)
{
    struct stage *s = s_;

    s->rest_count++;
    *out = s->rest;
    return true;
}

static const char *answer_of(struct stage *s, const char *session_id, const char *account_id,
                             int64_t ttl_ms)
{
    struct answer answer = answer_good();
    struct pn_buf json = pn_buf_init(1 << 16);
    const char *text;

    answer.session_id = session_id;
    answer.account_id = account_id;
    answer.expires_ms = pn_clock_wall_ms() + ttl_ms;
    text = pn_cstr(s->home->arena, pn_arena_copy(s->home->arena, answer_print(&answer, &json)));
    pn_buf_drop(&json);
    return text;
}

static void log_in(struct stage *s, int64_t ttl_ms)
{
    const struct pn_access_wish wish = { .path = PN_LIT("prod/viewer"), .reason = PN_LIT("why") };
    struct pn_access access;
    struct pn_err err = { 0 };

    HOST_SAYS(&s->host, { 200, answer_of(s, SESSION_ID, ACCOUNT_ID, ttl_ms) });
    CHECK_OK(pn_credential_login(s->rest, &wish, &access, &err), err);
    pn_access_drop(&access);
}

static bool get(struct stage *s, struct pn_access *access, struct pn_err *err)
{
    return pn_credential_get(PN_LIT(ACCOUNT_ID), rest_of, s, access, err);
}

PN_TEST(a_fresh_one_needs_no_server)
{
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    log_in(&s, 3600000);
    CHECK_EQ(home_mode(s.home, FILE_NAME), 0600);
    CHECK_EQ(home_mode(s.home, "postern/kube"), 0700);
    CHECK_OK(get(&s, &access, &err), err);
    CHECK_STR(access.session_id, SESSION_ID);
    CHECK_STR(pn_secret_reveal(access.key_pem), "KEY\n");
    CHECK_EQ(s.rest_count, 0);
    pn_access_drop(&access);
    down(&s);
}

PN_TEST(one_that_ran_out_is_renewed)
{
    static const char *const states[] = { RUN_OUT, ACTIVE };

    for (size_t i = 0; i < PN_COUNT(states); i++) {
        struct pn_access access;
        struct pn_err err = { 0 };
        struct stage s;

        up(&s, state);
        log_in(&s, 1000); /* too close to its end to be handed out */
        HOST_SAYS(&s.host, { 200, states[i] },
                  { 200, answer_of(&s, OTHER_ID, ACCOUNT_ID, 3600000) });
        CHECK_OK(get(&s, &access, &err), err);
        CHECK_STR(access.session_id, OTHER_ID);
        CHECK_EQ(host_calls(&s.host), 2);
        pn_access_drop(&access);
        CHECK_OK(get(&s, &access, &err), err); /* the new one was stored */
        CHECK_STR(access.session_id, OTHER_ID);
        CHECK_EQ(s.rest_count, 1);
        pn_access_drop(&access);
        down(&s);
    }
}

PN_TEST(one_that_was_ended_is_not_reopened)
{
    static const char *const states[] = { ENDED, TERMINATED };

    for (size_t i = 0; i < PN_COUNT(states); i++) {
        struct pn_access access;
        struct pn_err err = { 0 };
        struct stage s;

        up(&s, state);
        log_in(&s, 1000);
        HOST_SAYS(&s.host, { 200, states[i] }, { 500, "" });
        CHECK(!get(&s, &access, &err));
        CHECK_EQ(err.code, PN_FORBIDDEN);
        CHECK(strstr(err.message, "by ada") != NULL);
        CHECK(strstr(err.message, "postern kube login prod/viewer") != NULL);
        CHECK_EQ(host_calls(&s.host), 1);
        down(&s);
    }
}

PN_TEST(a_refusal_leaves_everything_as_it_was)
{
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;
    struct pn_str before;

    up(&s, state);
    log_in(&s, 1000);
    before = home_read(s.home, FILE_NAME);
    HOST_SAYS(&s.host, { 200, RUN_OUT }, { 403, "{\"message\":\"No more\"}" });
    CHECK_FAILS(get(&s, &access, &err), err, FORBIDDEN);
    HOST_SAYS(&s.host, { 200, RUN_OUT }, { 200, "{}" });
    CHECK_FAILS(get(&s, &access, &err), err, UPSTREAM);
    CHECK(pn_str_eq(home_read(s.home, FILE_NAME), before));
    down(&s);
}

/* The kubeconfig names the account by its id: a namesake is somebody else. */
PN_TEST(another_account_of_that_name_is_refused)
{
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    log_in(&s, 1000);
    HOST_SAYS(&s.host, { 200, RUN_OUT }, { 200, answer_of(&s, SESSION_ID, OTHER_ID, 3600000) });
    CHECK_FAILS(get(&s, &access, &err), err, FORBIDDEN);
    CHECK(!pn_file_exists(home_file(s.home, "postern/kube/" OTHER_ID ".json")));
    down(&s);
}

PN_TEST(without_a_login_it_says_so)
{
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    CHECK_FAILS(get(&s, &access, &err), err, UNAUTHENTICATED);
    CHECK_FAILS(pn_credential_logout(s.rest, PN_LIT(ACCOUNT_ID), &err), err, UNAUTHENTICATED);
    CHECK_EQ(s.rest_count, 0);
    CHECK(!pn_file_exists(home_file(s.home, "postern")));
    down(&s);
}

PN_TEST(an_id_is_no_path)
{
    static const char *const ids[] = {
        "", ".", "../config", "/etc/passwd", ACCOUNT_ID "/..", ACCOUNT_ID "\n", "x"
    };
    struct stage s;

    up(&s, state);
    home_write(s.home, "postern/config.json", "{}", 0600);
    for (size_t i = 0; i < PN_COUNT(ids); i++) {
        struct pn_access access;
        struct pn_err err = { 0 };

        CHECK_FAILS(pn_credential_get(pn_str_from(ids[i]), rest_of, &s, &access, &err), err, USAGE);
        CHECK_FAILS(pn_credential_logout(s.rest, pn_str_from(ids[i]), &err), err, USAGE);
    }
    CHECK(pn_file_exists(home_file(s.home, "postern/config.json")));
    down(&s);
}

PN_TEST(a_damaged_file_asks_for_a_login)
{
    static const char *const texts[] = { "", "{", "{}", "{\"access\":{}}", "[1]" };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        struct pn_access access;
        struct pn_err err = { 0 };

        home_write(s.home, FILE_NAME, texts[i], 0600);
        CHECK_FAILS(get(&s, &access, &err), err, UNAUTHENTICATED);
    }
    CHECK_EQ(pn_credential_path(s.home->arena, PN_LIT(ACCOUNT_ID)).len, 0);
    down(&s);
}

PN_TEST(logging_out_ends_the_session_and_removes_the_files)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    log_in(&s, 3600000);
    home_write(s.home, "postern/kube/" ACCOUNT_ID ".yaml", "x", 0600);
    CHECK_EQ(pn_credential_list(s.home->arena).count, 1);
    CHECK_STR(pn_credential_path(s.home->arena, PN_LIT(ACCOUNT_ID)), "prod/viewer");
    CHECK_OK(pn_credential_logout(s.rest, PN_LIT(ACCOUNT_ID), &err), err);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/pam/sessions/" SESSION_ID "/end");
    CHECK_EQ(pn_credential_list(s.home->arena).count, 0);
    CHECK(!pn_file_exists(home_file(s.home, "postern/kube/" ACCOUNT_ID ".yaml")));
    CHECK(!pn_file_exists(home_file(s.home, "postern/kube/" ACCOUNT_ID ".lock")));
    down(&s);
}

/* The file knows one session: `kube logout` would leave the other. */
PN_TEST(logging_in_again_ends_the_session_before)
{
    const struct pn_access_wish wish = { .path = PN_LIT("prod/viewer") };
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    log_in(&s, 3600000);
    HOST_SAYS(&s.host, { 200, answer_of(&s, OTHER_ID, ACCOUNT_ID, 3600000) },
              { 503, "{\"message\":\"Away\"}" });
    CHECK_OK(pn_credential_login(s.rest, &wish, &access, &err), err);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/pam/sessions/" SESSION_ID "/end");
    CHECK_EQ(host_calls(&s.host), 2);
    pn_access_drop(&access);
    CHECK_OK(get(&s, &access, &err), err);
    CHECK_STR(access.session_id, OTHER_ID);
    pn_access_drop(&access);
    down(&s);
}

PN_TEST(logging_out_while_the_server_is_away_still_removes_them)
{
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    log_in(&s, 3600000);
    HOST_SAYS(&s.host, { 503, "{\"message\":\"Away\"}" });
    CHECK(!pn_credential_logout(s.rest, PN_LIT(ACCOUNT_ID), &err));
    CHECK_STR(pn_str_from(err.message), "Away");
    CHECK(!pn_file_exists(home_file(s.home, FILE_NAME)));
    down(&s);
}

PN_TEST(other_files_are_not_logins)
{
    struct stage s;

    up(&s, state);
    log_in(&s, 3600000);
    home_write(s.home, "postern/kube/notes.json", "x", 0600);
    home_write(s.home, "postern/kube/" OTHER_ID ".json.Xa31", "x", 0600);
    home_write(s.home, "postern/kube/.json", "x", 0600);
    CHECK_EQ(pn_credential_list(s.home->arena).count, 1);
    down(&s);
}

/* ---- many at once ---- */

#define MANY 16

struct racer {
    struct stage *s;
    pthread_t thread;
    bool is_done;
    char session_id[64];
};

/* Each with a client of its own, as each kubectl's plugin has. */
static bool own_rest(void *s_, struct pn_rest **out, struct pn_err *err)
{
    struct stage *s = s_;
    struct pn_client_config config = { .domain = pn_str_from(s->host.url),
                                       .ca_pem = s->host.certs.root.pem };

    __atomic_add_fetch(&s->rest_count, 1, __ATOMIC_RELAXED);
    pn_rest_free(s->rest); /* under the lock there is one at a time */
    s->rest = NULL;
    if (!pn_rest_new(&config, &s->rest, err))
        return false;
    *out = s->rest;
    return true;
}

static void *race(void *racer_)
{
    struct racer *racer = racer_;
    struct pn_access access;
    struct pn_err err = { 0 };

    racer->is_done = pn_credential_get(PN_LIT(ACCOUNT_ID), own_rest, racer->s, &access, &err);
    if (racer->is_done) {
        snprintf(racer->session_id, sizeof racer->session_id, "%.*s", PN_ARG(access.session_id));
        pn_access_drop(&access);
    }
    return NULL;
}

PN_TEST(many_at_once_open_one_session)
{
    struct racer racers[MANY];
    struct stage s;

    up(&s, state);
    log_in(&s, 1000);
    HOST_SAYS(&s.host, { 200, RUN_OUT }, { 200, answer_of(&s, OTHER_ID, ACCOUNT_ID, 3600000) },
              { 500, "" });
    for (size_t i = 0; i < MANY; i++) {
        racers[i] = (struct racer){ .s = &s };
        CHECK_EQ(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        pthread_join(racers[i].thread, NULL);
        CHECK(racers[i].is_done);
        CHECK_STR(pn_str_from(racers[i].session_id), OTHER_ID);
    }
    CHECK_EQ(s.rest_count, 1);
    CHECK_EQ(host_calls(&s.host), 2);
    down(&s);
}

PN_TEST_MAIN(H(a_fresh_one_needs_no_server), H(one_that_ran_out_is_renewed),
             H(one_that_was_ended_is_not_reopened), H(a_refusal_leaves_everything_as_it_was),
             H(another_account_of_that_name_is_refused), H(without_a_login_it_says_so),
             H(an_id_is_no_path), H(a_damaged_file_asks_for_a_login),
             H(logging_out_ends_the_session_and_removes_the_files),
             H(logging_in_again_ends_the_session_before),
             H(logging_out_while_the_server_is_away_still_removes_them),
             H(other_files_are_not_logins), H(many_at_once_open_one_session))
