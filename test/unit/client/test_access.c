/* SPDX-License-Identifier: Apache-2.0 */
#include "client/access.h"
#include "client/answer.h"
#include "client/host.h"

static bool read_text(struct pn_str json, struct pn_access *out, struct pn_err *err)
{
    struct pn_value *value;
    bool done;

    CHECK_OK(pn_value_parse(json, &value, err), *err);
    done = pn_access_read(value, out, err);
    pn_value_free(value);
    return done;
}

static bool read_answer(const struct answer *answer, struct pn_access *out, struct pn_err *err)
{
    struct pn_buf json = pn_buf_init(1 << 20);
    bool done = read_text(answer_print(answer, &json), out, err);

    pn_buf_drop(&json);
    return done;
}

PN_TEST(a_good_answer)
{
    struct answer answer = answer_good();
    struct pn_access access;
    struct pn_err err = { 0 };

    CHECK_OK(read_answer(&answer, &access, &err), err);
    CHECK_STR(access.session_id, SESSION_ID);
    CHECK_STR(access.account_id, ACCOUNT_ID);
    CHECK_STR(access.account_path, "prod/viewer");
    CHECK_STR(access.server_name, "g.gateway.postern.internal");
    CHECK_EQ(access.relays.count, 1);
    CHECK_STR(access.relays.items[0], "relay.example:8443");
    CHECK_EQ(access.direct_address.len, 0);
    CHECK_STR(access.certificate_pem, "CERTIFICATE\n");
    CHECK_STR(pn_secret_reveal(access.key_pem), "KEY\n");
    CHECK_EQ(access.expires_ms, answer.expires_ms);
    pn_access_drop(&access);
    pn_access_drop(&access);
}

PN_TEST(what_is_printed_is_read)
{
    struct answer answer = answer_good();
    struct pn_buf json = pn_buf_init(1 << 16), again = pn_buf_init(1 << 16);
    struct pn_access first, second;
    struct pn_err err = { 0 };

    answer.direct = "10.0.0.1:9443";
    CHECK_OK(read_answer(&answer, &first, &err), err);
    pn_access_print(&first, &json);
    CHECK_OK(read_text(pn_buf_str(&json), &second, &err), err);
    pn_access_print(&second, &again);
    CHECK(pn_str_eq(pn_buf_str(&json), pn_buf_str(&again)));
    CHECK_STR(second.direct_address, "10.0.0.1:9443");
    pn_access_drop(&first);
    pn_access_drop(&second);
    pn_buf_drop(&json);
    pn_buf_drop(&again);
}

/* What becomes a path, a file name, a line on a terminal or memory is checked before. */
PN_TEST(hostile_answers_are_refused)
{
    static char long_text[40000];
    const struct pn_str big = pn_str_of(long_text, sizeof long_text - 1);
    struct answer cases[20];
    size_t count = 0;

    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        cases[i] = answer_good();
    cases[count++].session_id = NULL;
    cases[count++].session_id = "../../etc/passwd";
    cases[count++].account_id = NULL;
    cases[count++].account_id = "../../.bashrc";
    cases[count++].account_id = ACCOUNT_ID "/x";
    cases[count++].account_id = "";
    cases[count++].path = NULL;
    cases[count++].path = "prod/\x1b[2J";
    cases[count++].path = long_text;
    cases[count++].server_name = NULL;
    cases[count++].server_name = long_text;
    cases[count++].relay = NULL;
    cases[count++].relay = "not an address";
    cases[count++].relay = long_text;
    cases[count++].certificate = PN_NONE;
    cases[count++].certificate = big;
    cases[count++].key = PN_LIT("");
    cases[count++].key = big;
    cases[count++].trust = big;
    cases[count++].expires_ms = 0;
    CHECK_EQ(count, PN_COUNT(cases));
    for (size_t i = 0; i < count; i++) {
        size_t used = pn_secret_pool_used();
        struct pn_access access;
        struct pn_err err = { 0 };

        CHECK_FAILS(read_answer(&cases[i], &access, &err), err, UPSTREAM);
        CHECK_EQ(pn_secret_pool_used(), used);
    }
}

PN_TEST(answers_of_other_shapes_are_refused)
{
    static const char *const answers[] = { "{}",   "[]",
                                           "7",    "\"text\"",
                                           "null", "{\"sessionId\":{},\"relays\":{\"a\":1}}" };

    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        struct pn_access access;
        struct pn_err err = { 0 };

        CHECK_FAILS(read_text(pn_str_from(answers[i]), &access, &err), err, UPSTREAM);
    }
}

PN_TEST(many_relays_are_enough)
{
    struct answer answer = answer_good();
    struct pn_buf json = pn_buf_init(1 << 20), more = pn_buf_init(1 << 20);
    struct pn_str text = answer_print(&answer, &json);
    ptrdiff_t at = pn_str_search(text, PN_LIT("\"relays\":[")) + 10;
    struct pn_access access;
    struct pn_err err = { 0 };

    pn_buf_add(&more, pn_str_slice(text, 0, (size_t)at));
    for (int i = 0; i < 10000; i++)
        pn_buf_addf(&more, "\"r%d:1\",", i);
    pn_buf_add(&more, pn_str_slice(text, (size_t)at, text.len));
    CHECK_OK(read_text(pn_buf_str(&more), &access, &err), err);
    CHECK_EQ(access.relays.count, PN_ACCESS_RELAYS_MAX);
    pn_access_drop(&access);
    pn_buf_drop(&json);
    pn_buf_drop(&more);
}

/* ---- calls ---- */

struct stage {
    struct host host;
    struct pn_rest *rest;
};

static void up(struct stage *s)
{
    struct pn_client_config config = { 0 };
    struct pn_err err = { 0 };

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

PN_TEST(a_wish_must_name_an_account)
{
    static const char *const paths[] = { "", "prod", "prod/", "/viewer", "/" };
    struct stage s;

    up(&s);
    for (size_t i = 0; i < PN_COUNT(paths); i++) {
        struct pn_access_wish wish = { .path = pn_str_from(paths[i]) };
        struct pn_access access;
        struct pn_err err = { 0 };

        CHECK_FAILS(pn_access_open(s.rest, &wish, &access, &err), err, USAGE);
    }
    CHECK_EQ(host_calls(&s.host), 0);
    down(&s);
}

PN_TEST(a_session_is_opened_and_ended)
{
    struct pn_access_wish wish = { .path = PN_LIT("prod/viewer"), .duration = PN_LIT("1h") };
    struct answer answer = answer_good();
    struct pn_buf json = pn_buf_init(1 << 16);
    struct pn_access access;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    answer_print(&answer, &json);
    HOST_SAYS(&s.host, { 200, pn_buf_cstr(&json) }, { 200, "{\"message\":\"Session ended\"}" });
    CHECK_OK(pn_access_open(s.rest, &wish, &access, &err), err);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/pam/accounts/access");
    CHECK_OK(pn_access_end(s.rest, access.session_id, &err), err);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/pam/sessions/" SESSION_ID "/end");
    pn_access_drop(&access);
    pn_buf_drop(&json);
    down(&s);
}

/* Only time may end a session without anybody having wanted it. */
PN_TEST(states_of_a_session)
{
    static const struct {
        const char *body;
        bool is_over, has_run_out;
        const char *text;
    } cases[] = {
        { "{\"session\":{\"status\":\"active\",\"endReason\":null}}", false, false, NULL },
        { "{\"session\":{\"status\":\"starting\"}}", false, false, NULL },
        { "{\"session\":{\"status\":\"ended\",\"endedAt\":\"2026-01-01T10:00:00.000Z\","
          "\"expiresAt\":\"2026-01-01T10:00:00.000Z\",\"endReason\":\"expired\"}}",
          true, true, "the session has expired" },
        { "{\"session\":{\"status\":\"ended\",\"endedAt\":\"2026-01-01T09:59:59.999Z\","
          "\"expiresAt\":\"2026-01-01T10:00:00.000Z\",\"endReason\":\"Done\",\"endedBy\":\"ada\"}}",
          true, false, "the session was ended by ada: Done" },
        { "{\"session\":{\"status\":\"terminated\",\"endedAt\":\"2026-01-01T10:00:01.000Z\","
          "\"expiresAt\":\"2026-01-01T10:00:00.000Z\",\"endedBy\":\"bob\\u001b\"}}",
          true, false, "the session was terminated by bob " },
        { "{\"session\":{\"status\":\"ended\"}}", true, false, "the session was ended" },
        { "{}", false, false, NULL },
    };
    struct stage s;

    up(&s);
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_arena *arena = pn_arena_new(1 << 16);
        struct pn_session_state found;
        struct pn_err err = { 0 };

        HOST_SAYS(&s.host, { 200, cases[i].body });
        CHECK_OK(pn_access_state(s.rest, PN_LIT(SESSION_ID), &found, &err), err);
        CHECK_EQ(found.is_over, cases[i].is_over);
        CHECK_EQ(found.has_run_out, cases[i].has_run_out);
        if (cases[i].text != NULL)
            CHECK_STR(pn_access_state_text(arena, &found), cases[i].text);
        pn_arena_free(arena);
    }
    down(&s);
}

PN_TEST_MAIN(T(a_good_answer), T(what_is_printed_is_read), T(hostile_answers_are_refused),
             T(answers_of_other_shapes_are_refused), T(many_relays_are_enough),
             T(a_wish_must_name_an_account), T(a_session_is_opened_and_ended),
             T(states_of_a_session))
