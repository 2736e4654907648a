/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/auth/access_token.h"
#include "core/auth/method.h"
#include "core/auth/token_cache.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)

/* ---- arithmetic (§11.2) ---- */

static const struct {
    const char *id;
    int64_t ttl, max, elapsed, period, left;
} ttl_cases[] = {
    { "TT-01", 0, 0, 0, 0, PN_TOKEN_MAX_AGE_S },
    { "TT-02", PN_TOKEN_MAX_AGE_S + 10000, 0, 0, 0, PN_TOKEN_MAX_AGE_S },
    { "TT-03", 0, PN_TOKEN_MAX_AGE_S + 50000, 0, 0, PN_TOKEN_MAX_AGE_S },
    { "TT-04", 600, 3600, 0, 0, 600 },
    { "TT-05", 3600, 600, 0, 0, 600 },
    { "TT-06", 5 * HOUR, 24 * HOUR, HOUR, 0, 5 * HOUR },
    { "TT-07", 5 * HOUR, 24 * HOUR, 23 * HOUR, 0, HOUR },
    { "TT-08", 3600, 86400, 86400, 0, 0 },
    { "TT-09", 3600, 86400, 86460, 0, -60 },
    { "TT-10", 0, 180 * DAY, 30 * DAY, 0, 90 * DAY },
    { "TT-11", 600, 0, 1000000, 0, 600 },
    { "periodic: no maximum", 600, 700, 1000000, 900, 900 },
    { "periodic: at most the ceiling", 0, 0, 0, 100 * DAY, PN_TOKEN_MAX_AGE_S },
};

PN_TEST(a_token_lasts_as_long_as_the_contracts_cases_say)
{
    for (size_t i = 0; i < PN_COUNT(ttl_cases); i++) {
        const struct pn_token_terms terms = { .accessTokenTTL = ttl_cases[i].ttl,
                                              .accessTokenMaxTTL = ttl_cases[i].max,
                                              .accessTokenPeriod = ttl_cases[i].period };
        int64_t left = pn_token_ttl(&terms, ttl_cases[i].elapsed);

        if (left != ttl_cases[i].left)
            fail_msg("%s: %lld", ttl_cases[i].id, (long long)left);
    }
}

/* ---- trusted addresses (§11.7) ---- */

static const struct {
    const char *id, *first, *second, *client;
    bool is_allowed;
} ip_cases[] = {
    { "IP-01", "0.0.0.0/0", NULL, "1.2.3.4", true },
    { "IP-01", "0.0.0.0/0", NULL, "::ffff:1.2.3.4", true },
    { "IP-02", "0.0.0.0/0", NULL, "2001:db8::1", false },
    { "IP-03", "::/0", NULL, "1.2.3.4", true },
    { "IP-04", "10.1.2.3/16", NULL, "10.1.9.9", true },
    { "IP-04", "10.1.2.3/16", NULL, "10.2.0.1", false },
    { "IP-05", "10.0.0.1", NULL, "::ffff:10.0.0.1", true },
    { "IP-05", "10.0.0.1", NULL, "10.0.0.2", false },
    { "IP-09", "0.0.0.0/0", "::/0", "192.0.2.1", true },
    { "IP-09", "0.0.0.0/0", "::/0", "2001:db8::1", true },
    { "the last bit counts", "10.0.0.0/31", NULL, "10.0.0.1", true },
    { "the last bit counts", "10.0.0.0/31", NULL, "10.0.0.2", false },
    { "any of several", "10.0.0.1", "2001:db8::/32", "2001:db8:9::1", true },
    { "no address", "10.0.0.1", NULL, "", false },
    { "no address", "10.0.0.1", NULL, "10.0.0.1:80", false },
};

static bool ips_of(struct pn_arena *arena, const char *first, const char *second,
                   struct pn_str *json, struct pn_err *err)
{
    struct pn_trusted_ip items[] = { { pn_str_from(first) }, { pn_str_from(second) } };

    return pn_trusted_ips_normalize(
        arena, (struct pn_list){ .items = items, .count = second == NULL ? 1 : 2 }, json, err);
}

PN_TEST(an_address_is_trusted_as_the_contracts_cases_say)
{
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(ip_cases); i++) {
        struct pn_nets nets;
        struct pn_str json;

        CHECK_OK(ips_of(arena, ip_cases[i].first, ip_cases[i].second, &json, &err), err);
        CHECK_OK(pn_trusted_ips_read(arena, json, &nets, &err), err);
        if (pn_trusted_ips_check(&nets, pn_str_from(ip_cases[i].client), &err) !=
            ip_cases[i].is_allowed)
            fail_msg("%s: %s from %s", ip_cases[i].id, ip_cases[i].first, ip_cases[i].client);
        pn_err_clear(&err);
    }
    pn_arena_free(arena);
}

PN_TEST(ip_06_and_07_what_is_no_address_is_refused)
{
    static const char *const wrong[] = {
        "10.0.0.0/33",    "::/129", "10.0.0.0/",   "x/8",          "300.1.1.1",
        "10.0.0.0/24abc", "",       "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0",
        "fe80::1%eth0"
    };
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_err err = { 0 };
    struct pn_str json;

    for (size_t i = 0; i < PN_COUNT(wrong); i++)
        CHECK_FAILS(ips_of(arena, "10.0.0.1", wrong[i], &json, &err), err, BAD_REQUEST);
    CHECK_OK(ips_of(arena, "10.0.0.0/8", "::1", &json, &err), err);
    CHECK_STR(json, "[{\"ipAddress\":\"10.0.0.0\",\"type\":\"ipv4\",\"prefix\":8},"
                    "{\"ipAddress\":\"::1\",\"type\":\"ipv6\"}]");
    pn_arena_free(arena);
}

/* ---- terms ---- */

PN_TEST(a_ttl_above_the_maximum_is_refused_on_effective_values)
{
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_token_terms terms = pn_token_terms_default();
    struct pn_err err = { 0 };
    struct pn_token_terms_in in = { .accessTokenTTL = 7200, .has_ttl = true };

    in.accessTokenMaxTTL = 3600;
    in.has_max_ttl = true;
    CHECK_FAILS(pn_token_terms_apply(arena, &in, true, &terms, &err), err, VALIDATION);
    CHECK_FAILS(pn_token_terms_apply(arena, &in, false, &terms, &err), err, VALIDATION);
    terms = (struct pn_token_terms){ .accessTokenTTL = 3600, .accessTokenMaxTTL = 7200 };
    in = (struct pn_token_terms_in){ .accessTokenMaxTTL = 1800, .has_max_ttl = true };
    CHECK_FAILS(pn_token_terms_apply(arena, &in, false, &terms, &err), err, BAD_REQUEST);
    terms = (struct pn_token_terms){ .accessTokenTTL = 600, .accessTokenMaxTTL = 7200 };
    CHECK_OK(pn_token_terms_apply(arena, &in, false, &terms, &err), err); /* #7516 */
    CHECK_EQ(terms.accessTokenMaxTTL, 1800);
    in.accessTokenMaxTTL = 0; /* no maximum */
    CHECK_OK(pn_token_terms_apply(arena, &in, false, &terms, &err), err);
    pn_arena_free(arena);
}

/* ---- life of a token ---- */

struct robot {
    struct pn_identity identity;
    struct pn_auth_method method;
};

struct attaching {
    const struct pn_auth_method *method;
    bool is_detach;
};

static bool write_method(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attaching *a = context;

    return a->is_detach ? pn_auth_method_delete(tx, a->method, err)
                        : pn_auth_method_insert(tx, "kubernetes-auth", a->method, err);
}

static void attach(struct home *h, struct robot *r)
{
    struct attaching a = { .method = &r->method };
    struct pn_err err = { 0 };

    r->method.id = pn_random_uuid();
    r->method.identityId = r->identity.id;
    r->method.createdAt = pn_clock_wall_ms();
    CHECK_OK(pn_db_write(h->db, write_method, &a, &err), err);
}

static struct robot robot_with(struct home *h, struct pn_token_terms terms)
{
    struct pn_call admin = home_as(h, h->first.token);
    struct robot r = { .method.terms = terms };
    struct pn_err err = { 0 };

    if (terms.accessTokenTrustedIps.ptr == NULL)
        r.method.terms.accessTokenTrustedIps = PN_LIT(PN_TRUSTED_IPS_ANY);
    CHECK_OK(pn_identity_make(
                 &admin,
                 &(struct pn_identity_in){ .name = PN_LIT("robot"), .role = PN_LIT("member") },
                 &r.identity, &err),
             err);
    attach(h, &r);
    return r;
}

static struct pn_grant issue(struct home *h, const struct robot *r)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    const struct pn_token_for who = { .identity_id = r->identity.id,
                                      .org_id = r->identity.orgId,
                                      .identity_name = r->identity.name,
                                      .method = "kubernetes-auth",
                                      .auth_id = r->method.id,
                                      .identity_auth =
                                          PN_LIT("{\"kubernetes\":{\"name\":\"app\"}}") };
    struct pn_err err = { 0 };
    struct pn_grant grant;

    CHECK_OK(pn_access_token_issue(&call, &who, &r->method.terms, "login-identity-kubernetes-auth",
                                   PN_LIT("{\"name\":\"app\"}"), &grant, &err),
             err);
    return grant;
}

static bool renew(struct home *h, struct pn_str jwt, struct pn_grant *out, struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });

    return pn_access_token_renew(&call, jwt, out, err);
}

static bool end(struct home *h, struct pn_str jwt, struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });

    return pn_access_token_revoke(&call, jwt, err);
}

HOME_TEST(a_token_acts_as_its_identity_until_it_is_revoked)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    struct pn_grant grant = issue(h, &r);
    struct pn_call as = home_as(h, grant.accessToken);
    struct pn_err err = { 0 };

    CHECK_EQ(grant.expiresIn, PN_TOKEN_DEFAULT_TTL_S);
    CHECK_EQ(grant.accessTokenMaxTTL, PN_TOKEN_DEFAULT_TTL_S);
    CHECK_EQ(as.actor.kind, PN_ACTOR_IDENTITY);
    CHECK(pn_uuid_eq(as.actor.id, r.identity.id));
    CHECK_STR(as.actor.org_role, "member");
    CHECK_EQ(home_events(h, "login-identity-kubernetes-auth"), 1);
    CHECK_OK(end(h, grant.accessToken, &err), err);
    CHECK(!home_knows(h, grant.accessToken, &err));
    CHECK_EQ(err.code, PN_UNAUTHENTICATED);
    CHECK_STR(pn_str_from(err.message), "Failed to authorize: token has been revoked");
    pn_err_clear(&err);
    CHECK_OK(end(h, grant.accessToken, &err), err); /* again is fine, and leaves no record */
    CHECK_EQ(home_events(h, "revoke-identity-access-token"), 1);
}

HOME_TEST(no_maximum_is_a_large_number_on_the_wire)
{
    struct robot r = robot_with(h, (struct pn_token_terms){ .accessTokenTTL = 600 });
    struct pn_grant grant = issue(h, &r);

    CHECK_EQ(grant.expiresIn, 600);
    CHECK_EQ(grant.accessTokenMaxTTL, PN_TOKEN_NO_MAX_TTL);
}

HOME_TEST(a_renewal_is_the_same_token_with_a_later_end)
{
    struct robot r =
        robot_with(h, (struct pn_token_terms){ .accessTokenTTL = 600, .accessTokenMaxTTL = 1000 });
    struct pn_grant grant = issue(h, &r), second, third;
    struct pn_err err = { 0 };

    pn_clock_advance(500 * 1000);
    CHECK_OK(renew(h, grant.accessToken, &second, &err), err);
    CHECK(pn_uuid_eq(second.token_id, grant.token_id));
    CHECK(!pn_str_eq(second.accessToken, grant.accessToken)); /* #3236 */
    CHECK_EQ(second.expiresIn, 500);                          /* the budget's end */
    CHECK_OK(home_knows(h, grant.accessToken, &err), err);    /* until its own end */
    pn_clock_advance(101 * 1000);
    CHECK(!home_knows(h, grant.accessToken, &err));
    CHECK_EQ(err.code, PN_UNAUTHENTICATED);
    CHECK_STR(pn_str_from(err.name), "TokenError");
    pn_err_clear(&err);
    CHECK_FAILS(renew(h, grant.accessToken, &third, &err), err, UNAUTHENTICATED);
    CHECK_OK(home_knows(h, second.accessToken, &err), err);
    pn_clock_advance(398 * 1000);
    CHECK_OK(renew(h, second.accessToken, &third, &err), err);
    CHECK_EQ(third.expiresIn, 1);
    CHECK_OK(end(h, third.accessToken, &err), err);
    CHECK_FAILS(home_knows(h, second.accessToken, &err), err, UNAUTHENTICATED);
    CHECK(!renew(h, second.accessToken, &third, &err));
    CHECK_STR(pn_str_from(err.message), "Cannot renew: token has been revoked");
}

HOME_TEST(the_budget_of_renewals_ends)
{
    struct robot r =
        robot_with(h, (struct pn_token_terms){ .accessTokenTTL = 1000, .accessTokenMaxTTL = 1000 });
    struct pn_grant grant = issue(h, &r), second;
    struct pn_err err = { 0 };

    pn_clock_advance(999 * 1000);
    CHECK_OK(renew(h, grant.accessToken, &second, &err), err);
    CHECK_EQ(second.expiresIn, 1);
    pn_clock_advance(600);
    CHECK(!renew(h, second.accessToken, &second, &err));
    CHECK_EQ(err.code, PN_UNAUTHENTICATED);
}

HOME_TEST(a_limit_of_three_lets_three_through)
{
    struct robot r = robot_with(
        h, (struct pn_token_terms){ .accessTokenTTL = 600, .accessTokenNumUsesLimit = 3 });
    struct pn_grant grant = issue(h, &r), second;
    struct pn_err err = { 0 };

    CHECK_OK(home_knows(h, grant.accessToken, &err), err);
    CHECK_OK(renew(h, grant.accessToken, &second, &err), err); /* costs nothing */
    CHECK_OK(home_knows(h, second.accessToken, &err), err);
    CHECK_OK(home_knows(h, grant.accessToken, &err), err);
    CHECK(!home_knows(h, second.accessToken, &err));
    CHECK_STR(pn_str_from(err.message), "Failed to authorize: token usage limit reached");
    pn_err_clear(&err);
    CHECK(!renew(h, grant.accessToken, &second, &err));
    CHECK_STR(pn_str_from(err.message), "Cannot renew exhausted access token");
}

HOME_TEST(a_request_from_elsewhere_is_refused_and_costs_its_use)
{
    struct robot r = robot_with(
        h, (struct pn_token_terms){ .accessTokenTTL = 600,
                                    .accessTokenNumUsesLimit = 1,
                                    .accessTokenTrustedIps =
                                        PN_LIT("[{\"ipAddress\":\"10.0.0.0\",\"prefix\":8}]") });
    struct pn_grant grant = issue(h, &r);
    struct pn_err err = { 0 };

    CHECK(!home_knows(h, grant.accessToken, &err));
    CHECK_EQ(err.code, PN_FORBIDDEN);
    CHECK_STR(pn_str_from(err.name), "ForbiddenError");
    pn_err_clear(&err);
    CHECK_FAILS(home_knows(h, grant.accessToken, &err), err, UNAUTHENTICATED);
}

HOME_TEST(tokens_die_with_their_method_and_stay_dead_when_it_comes_back)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    struct pn_grant grant = issue(h, &r), fresh;
    struct attaching detach = { .method = &r.method, .is_detach = true };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, write_method, &detach, &err), err);
    CHECK(!home_knows(h, grant.accessToken, &err));
    CHECK_STR(pn_str_from(err.message), "Failed to authorize: auth method has been revoked");
    pn_err_clear(&err);
    attach(h, &r); /* in the same millisecond */
    fresh = issue(h, &r);
    CHECK_OK(home_knows(h, fresh.accessToken, &err), err);
    CHECK_FAILS(home_knows(h, grant.accessToken, &err), err, UNAUTHENTICATED);
}

HOME_TEST(tokens_die_with_their_identity)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    struct pn_grant grant = issue(h, &r);
    struct pn_call admin = home_as(h, h->first.token);
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_delete(&admin, r.identity.id, &r.identity, &err), err);
    CHECK(!home_knows(h, grant.accessToken, &err));
    CHECK_STR(pn_str_from(err.message), "Failed to authorize: identity tokens have been revoked");
    pn_err_clear(&err);
    CHECK_OK(end(h, grant.accessToken, &err), err);
}

HOME_TEST(a_token_of_a_person_is_no_access_token_of_a_machine)
{
    struct pn_err err = { 0 };
    struct pn_grant out;
    struct pn_str token;

    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
    CHECK_FAILS(renew(h, token, &out, &err), err, BAD_REQUEST);
    CHECK_FAILS(end(h, token, &err), err, BAD_REQUEST);
    CHECK_FAILS(renew(h, PN_LIT("nonsense"), &out, &err), err, UNAUTHENTICATED);
}

/* ---- many at once ---- */

#define CLIENTS 16
#define LIMIT 100

struct client {
    struct home *h;
    struct pn_str jwt;
    int passed, refused;
    pthread_t thread;
};

static void *ask_often(void *client_)
{
    struct client *c = client_;
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_db_conn *conn;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_connect(c->h->db, &conn, &err), err);
    for (int i = 0; i < LIMIT; i++) {
        struct pn_call call = home_call(c->h, (struct pn_actor){ 0 });

        call.conn = conn;
        call.arena = arena;
        if (pn_token_authenticate(&call, c->jwt, &call.actor, &err))
            c->passed++;
        else if (err.code == PN_UNAUTHENTICATED)
            c->refused++;
        pn_err_clear(&err);
        pn_arena_reset(arena);
    }
    pn_db_disconnect(conn);
    pn_arena_free(arena);
    return NULL;
}

HOME_TEST(sixteen_clients_and_a_limit_of_a_hundred_are_a_hundred_uses)
{
    struct robot r = robot_with(
        h, (struct pn_token_terms){ .accessTokenTTL = 600, .accessTokenNumUsesLimit = LIMIT });
    struct pn_grant grant = issue(h, &r);
    struct client clients[CLIENTS];
    int passed = 0, refused = 0;

    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .h = h, .jwt = grant.accessToken };
        CHECK_EQ(pthread_create(&clients[i].thread, NULL, ask_often, &clients[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        passed += clients[i].passed;
        refused += clients[i].refused;
    }
    CHECK_EQ(passed, LIMIT);
    CHECK_EQ(refused, CLIENTS * LIMIT - LIMIT);
}

/* ---- what is remembered (token_cache.h) ---- */

/* A warm check reads no row: there is no connection to read one from. */
static bool knows_without_sql(struct home *h, struct pn_str jwt)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    struct pn_token_facts facts;

    call.conn = NULL;
    return pn_token_cache_get(&call, jwt, &facts);
}

HOME_TEST(a_known_token_needs_no_sql_until_something_changes)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    struct pn_grant grant = issue(h, &r), other = issue(h, &r);
    struct pn_call admin = home_as(h, h->first.token), call;
    struct pn_err err = { 0 };

    CHECK(!knows_without_sql(h, grant.accessToken));
    CHECK_OK(home_knows(h, grant.accessToken, &err), err);
    CHECK(knows_without_sql(h, grant.accessToken));
    (void)issue(h, &r); /* a login changes nothing that is known */
    CHECK(knows_without_sql(h, grant.accessToken));
    CHECK_OK(
        pn_identity_edit(&admin, r.identity.id,
                         &(struct pn_identity_in){ .name = PN_NONE, .role = PN_LIT("no-access") },
                         &r.identity, &err),
        err);
    CHECK(!knows_without_sql(h, grant.accessToken));
    call = home_as(h, grant.accessToken);
    CHECK_STR(call.actor.org_role, "no-access");
    CHECK_OK(end(h, other.accessToken, &err), err); /* another one of the same identity */
    CHECK(!knows_without_sql(h, grant.accessToken));
    CHECK_OK(home_knows(h, grant.accessToken, &err), err);
    pn_clock_advance(PN_TOKEN_DEFAULT_TTL_S * 1000);
    CHECK(!knows_without_sql(h, grant.accessToken));
}

/* Each that is remembered sweeps a place: what holds now stays, whatever it is of. */
HOME_TEST(tokens_that_become_known_push_nothing_out_that_holds)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    const struct pn_uuid somebody = { { [15] = 9 } };
    struct pn_err err = { 0 };
    struct pn_str bytes;

    pn_cache_put(h->cache, PN_LIT("x:key"),
                 &(struct pn_cache_entry){ .id = somebody,
                                           .version = pn_cache_begin(h->cache, h->conn, somebody),
                                           .from_ms = pn_clock_wall_ms(),
                                           .until_ms = INT64_MAX,
                                           .bytes = PN_LIT("what rows said") });
    for (int i = 0; i < 32; i++) {
        CHECK_OK(home_knows(h, issue(h, &r).accessToken, &err), err);
        CHECK(pn_cache_get(h->cache, PN_LIT("x:key"), pn_clock_wall_ms(), h->arena, &bytes));
    }
}

struct race {
    struct home *h;
    struct pn_str jwt;
    atomic_bool is_revoked, is_over;
    atomic_int passed, late;
};

static void *ask_until_over(void *race_)
{
    struct race *race = race_;
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_db_conn *conn;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_connect(race->h->db, &conn, &err), err);
    while (!atomic_load(&race->is_over)) {
        struct pn_call call = home_call(race->h, (struct pn_actor){ 0 });
        bool was_revoked = atomic_load(&race->is_revoked);

        call.conn = conn;
        call.arena = arena;
        if (pn_token_authenticate(&call, race->jwt, &call.actor, &err)) {
            atomic_fetch_add(&race->passed, 1);
            if (was_revoked)
                atomic_fetch_add(&race->late, 1);
        }
        pn_err_clear(&err);
        pn_arena_reset(arena);
    }
    pn_db_disconnect(conn);
    pn_arena_free(arena);
    return NULL;
}

/* From the moment a revocation has answered, nobody passes, however many ask meanwhile. */
HOME_TEST(no_token_passes_after_its_revocation_has_answered)
{
    struct robot r = robot_with(h, pn_token_terms_default());
    pthread_t threads[4];

    for (int round = 0; round < 25; round++) {
        struct race race = { .h = h, .jwt = issue(h, &r).accessToken };
        struct pn_err err = { 0 };

        for (size_t i = 0; i < PN_COUNT(threads); i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, ask_until_over, &race), 0);
        while (atomic_load(&race.passed) < 50)
            sched_yield();
        CHECK_OK(end(h, race.jwt, &err), err);
        atomic_store(&race.is_revoked, true);
        for (int i = 0; i < 200; i++)
            CHECK_FAILS(home_knows(h, race.jwt, &err), err, UNAUTHENTICATED);
        atomic_store(&race.is_over, true);
        for (size_t i = 0; i < PN_COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&race.late), 0);
    }
}

PN_TEST_MAIN(T(a_known_token_needs_no_sql_until_something_changes),
             T(tokens_that_become_known_push_nothing_out_that_holds),
             T(no_token_passes_after_its_revocation_has_answered),
             T(a_token_lasts_as_long_as_the_contracts_cases_say),
             T(an_address_is_trusted_as_the_contracts_cases_say),
             T(ip_06_and_07_what_is_no_address_is_refused),
             T(a_ttl_above_the_maximum_is_refused_on_effective_values),
             T(a_token_acts_as_its_identity_until_it_is_revoked),
             T(no_maximum_is_a_large_number_on_the_wire),
             T(a_renewal_is_the_same_token_with_a_later_end), T(the_budget_of_renewals_ends),
             T(a_limit_of_three_lets_three_through),
             T(a_request_from_elsewhere_is_refused_and_costs_its_use),
             T(tokens_die_with_their_method_and_stay_dead_when_it_comes_back),
             T(tokens_die_with_their_identity),
             T(a_token_of_a_person_is_no_access_token_of_a_machine),
             T(sixteen_clients_and_a_limit_of_a_hundred_are_a_hundred_uses))
