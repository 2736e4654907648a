/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are renewed while a command runs, tokens that are not, and clocks that are wrong. */
#include "base/clock.h"
#include "base/encode.h"
#include "client/home.h"
#include "client/host.h"
#include "client/renewal.h"

#define HOUR_S 3600
#define HALF_MS ((int64_t)1800 * 1000)
#define NEW_MS (HALF_MS - 1000) /* of one that was just made: it says seconds */
#define AGES_MS ((int64_t)365 * 86400 * 1000)
#define MACHINE "\"identityAccessTokenId\":\"01a20591-b4b3-7a63-bac2-af80c2884fb1\""

struct stage {
    struct host host;
    struct pn_rest *rest;
    struct pn_renewal *renewal;
    struct pn_secret *token;
    char fresh[512]; /* what the server answers */
};

/* As the server writes them, but for the signature, which is its own business. */
static struct pn_secret *token_of(struct pn_str claims)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)64 * 1024);
    struct pn_secret *token;
    struct pn_err err = { 0 };

    pn_buf_add_text(&text, "eyJhbGciOiJIUzI1NiJ9.");
    pn_base64url_add(&text, claims);
    pn_buf_add_text(&text, ".c2lnbmVk");
    token = pn_secret_new(pn_buf_str(&text), &err);
    CHECK(token != NULL);
    return token;
}

/* A machine's token, made `ago_s` before what this machine's clock says. */
static struct pn_secret *machine_token(int64_t ago_s, int64_t life_s, int which)
{
    const int64_t begin_s = pn_clock_wall_ms() / 1000 - ago_s;
    char claims[256];

    snprintf(claims, sizeof claims, "{" MACHINE ",\"n\":%d,\"iat\":%lld,\"exp\":%lld}", which,
             (long long)begin_s, (long long)(begin_s + life_s));
    return token_of(pn_str_from(claims));
}

static void up(struct stage *s)
{
    struct pn_client_config config = { 0 };
    struct pn_err err = { 0 };

    *s = (struct stage){ 0 };
    host_up(&s->host, "server", false);
    config.domain = pn_str_from(s->host.url);
    config.ca_pem = s->host.certs.root.pem;
    CHECK_OK(pn_rest_new(&config, &s->rest, &err), err);
    pn_clock_freeze(pn_clock_wall_ms() / 1000 * 1000, pn_clock_mono_ms());
}

/* Takes the token. */
static void begin(struct stage *s, struct pn_secret *token)
{
    struct pn_err err = { 0 };

    s->token = token;
    CHECK_OK(pn_rest_set_token(s->rest, token, &err), err);
    s->renewal = pn_renewal_new(token);
}

static void end(struct stage *s)
{
    pn_renewal_freep(&s->renewal);
    pn_secret_free(s->token);
    s->token = NULL;
}

static void down(struct stage *s)
{
    end(s);
    pn_clock_release();
    pn_rest_free(s->rest);
    host_down(&s->host);
}

/* From now on the server's answer to a renewal. Takes the token. */
static void renews_to(struct stage *s, struct pn_secret *token)
{
    snprintf(s->fresh, sizeof s->fresh, "{\"accessToken\":\"%.*s\"}",
             PN_ARG(pn_secret_reveal(token)));
    pn_secret_free(token);
    HOST_SAYS(&s->host, { 200, s->fresh });
}

/* How many calls come of a look after so long. */
static size_t calls_after(struct stage *s, int64_t ms)
{
    size_t before = host_calls(&s->host);

    pn_clock_advance(ms);
    pn_renewal_tend(s->renewal, s->rest);
    return host_calls(&s->host) - before;
}

PN_TEST(a_token_is_renewed_when_half_of_its_life_is_over)
{
    struct stage s;

    up(&s);
    begin(&s, machine_token(0, HOUR_S, 1));
    renews_to(&s, machine_token(-HOUR_S / 2, HOUR_S, 2));
    CHECK_EQ(calls_after(&s, HALF_MS - 1), 0);
    CHECK(pn_rest_has_token(s.rest, s.token));
    CHECK_EQ(calls_after(&s, 1), 1);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/auth/token/renew");
    CHECK(!pn_rest_has_token(s.rest, s.token));
    renews_to(&s, machine_token(-HOUR_S, HOUR_S, 3));
    CHECK_EQ(calls_after(&s, NEW_MS - 1), 0);
    CHECK_EQ(calls_after(&s, 1), 1);
    down(&s);
}

PN_TEST(a_token_of_which_less_than_half_is_left_is_renewed_at_once)
{
    struct stage s;

    up(&s);
    begin(&s, machine_token(HOUR_S - 60, HOUR_S, 1));
    renews_to(&s, machine_token(0, HOUR_S, 2));
    CHECK_EQ(calls_after(&s, 0), 1);
    CHECK_EQ(calls_after(&s, 0), 0);
    down(&s);
}

/* This machine's clock is a day ahead: every token it is given looks as if it were over long ago. */
PN_TEST(a_clock_that_is_ahead_renews_no_token_twice)
{
    struct stage s;

    up(&s);
    begin(&s, machine_token(24 * HOUR_S, HOUR_S, 1));
    renews_to(&s, machine_token(24 * HOUR_S, HOUR_S, 2));
    CHECK_EQ(calls_after(&s, 0), 1);
    for (int second = 0; second < 10; second++)
        CHECK_EQ(calls_after(&s, 1000), 0);
    CHECK_EQ(calls_after(&s, NEW_MS - 10001), 0);
    CHECK_EQ(calls_after(&s, 1), 1);
    down(&s);
}

/* And here a day behind: a token that looks as if it began tomorrow is over in an hour all the same. */
PN_TEST(a_clock_that_is_behind_renews_in_time)
{
    struct stage s;

    up(&s);
    begin(&s, machine_token(-24 * HOUR_S, HOUR_S, 1));
    renews_to(&s, machine_token(-24 * HOUR_S, HOUR_S, 2));
    CHECK_EQ(calls_after(&s, HALF_MS - 1), 0);
    CHECK_EQ(calls_after(&s, 1), 1);
    CHECK_EQ(calls_after(&s, NEW_MS - 1), 0);
    CHECK_EQ(calls_after(&s, 1), 1);
    down(&s);
}

PN_TEST(a_server_that_is_away_is_asked_again_and_one_that_refuses_is_not)
{
    static const int passes[] = { 429, 502, 503, 504 }, refuses[] = { 400, 401, 403, 404 };
    struct stage s;

    up(&s);
    for (size_t i = 0; i < PN_COUNT(passes); i++) {
        begin(&s, machine_token(HOUR_S - 60, HOUR_S, 1));
        HOST_SAYS(&s.host, { passes[i], "{\"message\":\"later\"}" });
        CHECK_EQ(calls_after(&s, 0), 1);
        CHECK_EQ(calls_after(&s, 4999), 0);
        CHECK_EQ(calls_after(&s, 1), 1);
        CHECK(pn_rest_has_token(s.rest, s.token));
        end(&s);
    }
    for (size_t i = 0; i < PN_COUNT(refuses); i++) {
        begin(&s, machine_token(HOUR_S - 60, HOUR_S, 1));
        HOST_SAYS(&s.host, { refuses[i], "{\"message\":\"no\"}" });
        CHECK_EQ(calls_after(&s, 0), 1);
        CHECK_EQ(calls_after(&s, HALF_MS), 0);
        CHECK(pn_rest_has_token(s.rest, s.token));
        end(&s);
    }
    down(&s);
}

PN_TEST(an_answer_without_a_token_changes_nothing)
{
    static const char *const bodies[] = { "",
                                          "{}",
                                          "[]",
                                          "7",
                                          "{\"accessToken\":null}",
                                          "{\"accessToken\":[\"x\"]}",
                                          "{\"accessToken\":\"\"}" };
    struct stage s;

    up(&s);
    for (size_t i = 0; i < PN_COUNT(bodies); i++) {
        begin(&s, machine_token(HOUR_S - 60, HOUR_S, 1));
        HOST_SAYS(&s.host, { 200, bodies[i] });
        CHECK_EQ(calls_after(&s, 0), 1);
        CHECK(pn_rest_has_token(s.rest, s.token));
        CHECK_EQ(calls_after(&s, 5000), 1);
        end(&s);
    }
    down(&s);
}

/* What says of itself nothing that could be believed is left alone for good. */
PN_TEST(claims_that_make_no_sense_are_not_renewed)
{
    static const char *const claims[] = {
        "",
        "7",
        "null",
        "[]",
        "\"iat\"",
        "{",
        "{}",
        "{\"iat\":1,\"exp\":3600}",
        "{\"userId\":\"u\",\"iat\":1,\"exp\":3600}",
        "{" MACHINE "}",
        "{" MACHINE ",\"iat\":1}",
        "{" MACHINE ",\"exp\":3600}",
        "{" MACHINE ",\"iat\":0,\"exp\":3600}",
        "{" MACHINE ",\"iat\":-9223372036854775808,\"exp\":9223372036854775807}",
        "{" MACHINE ",\"iat\":7,\"exp\":7}",
        "{" MACHINE ",\"iat\":7,\"exp\":6}",
        "{" MACHINE ",\"iat\":7,\"exp\":-9223372036854775808}",
        "{" MACHINE ",\"iat\":1,\"exp\":9223372036854775807}",
        "{" MACHINE ",\"iat\":1,\"exp\":9223372036854776}",
        "{" MACHINE ",\"iat\":1,\"exp\":92233720368547758070}",
        "{" MACHINE ",\"iat\":1,\"exp\":1e300}",
        "{" MACHINE ",\"iat\":\"1\",\"exp\":\"3600\"}",
        "{" MACHINE ",\"iat\":1,\"exp\":3600,\"exp\":7200}",
        "{" MACHINE ",\"iat\":1,\"exp\":3600}x",
        "[{" MACHINE ",\"iat\":1,\"exp\":3600}]",
    };
    struct stage s;

    up(&s);
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"never\"}" });
    for (size_t i = 0; i < PN_COUNT(claims); i++) {
        begin(&s, token_of(pn_str_from(claims[i])));
        if (calls_after(&s, AGES_MS) != 0)
            fail_msg("renewed: %s", claims[i]);
        end(&s);
    }
    down(&s);
}

/* The furthest end there is: as late as it says, and no sum of it goes over. */
PN_TEST(an_end_beyond_all_times_is_waited_for)
{
    struct stage s;

    up(&s);
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"never\"}" });
    begin(&s, token_of(PN_LIT("{" MACHINE ",\"iat\":1,\"exp\":9223372036854775}")));
    CHECK_EQ(calls_after(&s, AGES_MS), 0);
    end(&s);
    begin(&s, token_of(PN_LIT("{" MACHINE ",\"iat\":9223372036854774,\"exp\":9223372036854775}")));
    CHECK_EQ(calls_after(&s, 499), 0);
    CHECK_EQ(calls_after(&s, 1), 1);
    down(&s);
}

PN_TEST(what_is_no_token_of_ours_is_not_renewed)
{
    static const char *const texts[] = {
        ".", "..", "...", "a", "a.b", "a.b.c", "a.!.c", "a.e30.c", "st.0c8f.aa.bb", "a.eyJpYXQiOjF9"
    };
    pn_auto(pn_buf_drop) struct pn_buf large = pn_buf_init((size_t)32 * 1024);
    struct pn_err err = { 0 };
    struct stage s;

    up(&s);
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"never\"}" });
    begin(&s, NULL);
    CHECK_EQ(calls_after(&s, AGES_MS), 0);
    end(&s);
    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        begin(&s, pn_secret_new(pn_str_from(texts[i]), &err));
        if (calls_after(&s, AGES_MS) != 0)
            fail_msg("renewed: %s", texts[i]);
        end(&s);
    }
    pn_buf_add_text(&large, "{" MACHINE ",\"iat\":1,\"exp\":3600,\"pad\":\"");
    while (large.len < (size_t)17 * 1024)
        pn_buf_add_text(&large, "padding-");
    pn_buf_add_text(&large, "\"}");
    begin(&s, token_of(pn_buf_str(&large)));
    CHECK_EQ(calls_after(&s, AGES_MS), 0);
    down(&s);
}

PN_TEST_MAIN(T(a_token_is_renewed_when_half_of_its_life_is_over),
             T(a_token_of_which_less_than_half_is_left_is_renewed_at_once),
             T(a_clock_that_is_ahead_renews_no_token_twice),
             T(a_clock_that_is_behind_renews_in_time),
             T(a_server_that_is_away_is_asked_again_and_one_that_refuses_is_not),
             T(an_answer_without_a_token_changes_nothing),
             T(claims_that_make_no_sense_are_not_renewed), T(an_end_beyond_all_times_is_waited_for),
             T(what_is_no_token_of_ours_is_not_renewed))
