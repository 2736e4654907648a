/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/auth/universal.h"

HOME_TEST(bootstrap_gives_an_administrator_and_a_token_that_works)
{
    struct pn_call call = home_as(h, h->first.token);

    CHECK_EQ(call.actor.kind, PN_ACTOR_IDENTITY);
    CHECK(call.actor.is_super_admin);
    CHECK_STR(call.actor.org_role, "admin");
    CHECK(pn_uuid_eq(call.actor.org_id, h->first.org.id));
    CHECK(pn_str_starts(h->first.org.slug, PN_LIT("acme-inc-")));
    CHECK_EQ(home_events(h, "bootstrap-instance"), 1);
}

HOME_TEST(bootstrap_works_once)
{
    struct pn_bootstrap second;
    struct pn_err err = { 0 };

    CHECK(!home_bootstrap(h, &second, &err));
    CHECK_EQ(err.code, PN_BAD_REQUEST);
    CHECK_STR(pn_str_from(err.message), "Instance has already been set up");
    CHECK_EQ(home_events(h, "bootstrap-instance"), 1);
}

HOME_TEST(a_password_gives_a_token_without_organization)
{
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call call;

    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_EQ(call.actor.kind, PN_ACTOR_USER);
    CHECK(pn_uuid_is_zero(call.actor.org_id));
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &token, &(bool){ false }, &err), err);
    CHECK(pn_uuid_eq(home_as(h, token).actor.org_id, h->first.org.id));
    CHECK_EQ(home_events(h, "user-login"), 1);
    CHECK_EQ(home_events(h, "select-organization"), 1);
}

HOME_TEST(unknown_people_and_wrong_passwords_look_alike)
{
    struct pn_err wrong = { 0 }, unknown = { 0 };
    struct pn_str token;

    CHECK(!home_login(h, "admin@acme.test", "wrong", &token, &wrong));
    CHECK(!home_login(h, "nobody@acme.test", HOME_PASSWORD, &token, &unknown));
    CHECK_EQ(wrong.code, PN_BAD_REQUEST);
    CHECK_EQ(unknown.code, wrong.code);
    CHECK_STR(pn_str_from(unknown.message), wrong.message);
}

static void fail_logins(struct home *h, const char *email, int times)
{
    struct pn_err err = { 0 };
    struct pn_str token;

    for (int i = 0; i < times; i++)
        CHECK_FAILS(home_login(h, email, "wrong", &token, &err), err, BAD_REQUEST);
}

HOME_TEST(ten_failures_lock_known_and_unknown_alike)
{
    struct pn_err known = { 0 }, unknown = { 0 };
    struct pn_str token;

    fail_logins(h, "admin@acme.test", PN_LOGIN_MAX_FAILURES);
    fail_logins(h, "nobody@acme.test", PN_LOGIN_MAX_FAILURES);
    CHECK(!home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &known));
    CHECK(!home_login(h, "nobody@acme.test", "wrong", &token, &unknown));
    CHECK_EQ(known.code, PN_FORBIDDEN);
    CHECK_STR(pn_str_from(unknown.message), known.message);
    pn_clock_advance(PN_LOGIN_LOCK_MS);
    pn_err_clear(&known);
    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &known), known);
}

HOME_TEST(an_attempt_at_a_locked_account_is_on_record)
{
    struct pn_err err = { 0 };
    struct pn_str token;

    fail_logins(h, "admin@acme.test", PN_LOGIN_MAX_FAILURES);
    CHECK_EQ(home_events(h, "user-login-failed"), PN_LOGIN_MAX_FAILURES);
    CHECK_FAILS(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err, FORBIDDEN);
    CHECK_FAILS(home_login(h, "admin@acme.test", "wrong", &token, &err), err, FORBIDDEN);
    CHECK_EQ(home_events(h, "user-login-failed"), PN_LOGIN_MAX_FAILURES + 2);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type = 'user-login-failed'"
                           " AND metadata LIKE '%locked%'"),
             2);
    pn_clock_advance(PN_LOGIN_LOCK_MS); /* they lengthen no lock */
    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
}

HOME_TEST(nine_failures_do_not_lock_and_a_login_forgets_them)
{
    struct pn_err err = { 0 };
    struct pn_str token;

    for (int round = 0; round < 2; round++) {
        fail_logins(h, "admin@acme.test", PN_LOGIN_MAX_FAILURES - 1);
        CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
    }
}

HOME_TEST(failures_are_forgotten_after_a_quiet_time)
{
    struct pn_err err = { 0 };
    struct pn_str token;

    fail_logins(h, "admin@acme.test", PN_LOGIN_MAX_FAILURES - 1);
    pn_clock_advance(PN_LOGIN_FORGET_MS);
    fail_logins(h, "admin@acme.test", PN_LOGIN_MAX_FAILURES - 1);
    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
}

HOME_TEST(logout_ends_every_token_of_the_session)
{
    struct pn_err err = { 0 };
    struct pn_str token, with_org;
    struct pn_call call;

    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &with_org, &(bool){ false }, &err), err);
    CHECK_OK(pn_login_end(&call, &err), err);
    CHECK_FAILS(home_knows(h, token, &err), err, UNAUTHENTICATED);
    CHECK_FAILS(home_knows(h, with_org, &err), err, UNAUTHENTICATED);
}

HOME_TEST(a_login_ends_after_its_time)
{
    struct pn_err err = { 0 };
    struct pn_str token;

    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &token, &err), err);
    pn_clock_advance(PN_LOGIN_SESSION_MS);
    CHECK_FAILS(home_knows(h, token, &err), err, TOKEN);
}

HOME_TEST(nobody_selects_an_organization_they_are_no_member_of)
{
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };
    struct pn_str token;

    CHECK_FAILS(pn_login_select_org(&call, pn_random_uuid(), &token, &(bool){ false }, &err), err,
                FORBIDDEN);
}

HOME_TEST(hostile_bearers_are_refused)
{
    static const char *const bearers[] = { "x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30." };
    struct pn_err err = { 0 };
    struct pn_str changed;
    char *copy = pn_new(h->arena, char, h->first.token.len);

    CHECK_FAILS(home_knows(h, PN_NONE, &err), err, UNAUTHENTICATED);
    for (size_t i = 0; i < PN_COUNT(bearers); i++)
        CHECK_FAILS(home_knows(h, pn_str_from(bearers[i]), &err), err, TOKEN);
    CHECK_FAILS(home_knows(h, PN_LIT("st.1.2"), &err), err, UNAUTHENTICATED);
    memcpy(copy, h->first.token.ptr, h->first.token.len);
    copy[h->first.token.len / 2] ^= 1;
    changed = pn_str_of(copy, h->first.token.len);
    CHECK(!home_knows(h, changed, &err)); /* of a machine identity: 401, as D4 says */
    CHECK_EQ(err.code, PN_UNAUTHENTICATED);
    CHECK_STR(pn_str_from(err.name), "TokenError");
}

HOME_TEST(the_sweep_removes_what_is_over_and_only_that)
{
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };

    fail_logins(h, "nobody@acme.test", 1);
    call.now_ms = pn_clock_wall_ms();
    CHECK_OK(pn_login_sweep(&call, &err), err);
    CHECK_OK(home_knows(h, h->first.token, &err), err);
    pn_clock_advance(PN_LOGIN_SESSION_MS + INT64_C(2) * 24 * 3600 * 1000);
    call.now_ms = pn_clock_wall_ms();
    CHECK_OK(pn_login_sweep(&call, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM login_sessions"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM login_failures"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM identity_tokens"), 1);
}

/* One wrong secret from each of 300 addresses; one stays locked for a day. */
HOME_TEST(the_sweep_removes_lockouts_that_are_over_and_only_those)
{
    const struct pn_universal_auth_in in = { .lockoutThreshold = 1,
                                             .has_threshold = true,
                                             .lockoutDurationSeconds = 86400,
                                             .has_duration = true },
                                      short_in = { .lockoutDurationSeconds = 30,
                                                   .has_duration = true };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_universal_auth auth;
    struct pn_identity robot;
    struct pn_grant grant;
    struct pn_err err = { 0 };

    CHECK_OK(
        pn_identity_make(&admin, &(struct pn_identity_in){ .name = PN_LIT("robot") }, &robot, &err),
        err);
    CHECK_OK(pn_universal_auth_attach(&admin, robot.id, &in, &auth, &err), err);
    for (int i = 0; i < 300; i++) {
        struct pn_call call = home_call(h, (struct pn_actor){ 0 });
        pn_auto(pn_secret_freep) struct pn_secret *wrong = home_secret("wrong");

        if (i == 1)
            CHECK_OK(pn_universal_auth_change(&admin, robot.id, &short_in, &auth, &err), err);
        call.ip = pn_arena_printf(h->arena, "192.0.%d.%d", i / 250, i % 250);
        CHECK(!pn_universal_auth_login(&call, pn_uuid_str(h->arena, auth.clientId), wrong, PN_NONE,
                                       &grant, &err));
        pn_err_clear(&err);
    }
    CHECK(home_count(h, "SELECT count(*) FROM auth_lockouts") > 20);
    pn_clock_advance(60000);
    admin.now_ms = pn_clock_wall_ms();
    for (int i = 0; i < 3; i++)
        CHECK_OK(pn_login_sweep(&admin, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM auth_lockouts"), 1);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM auth_lockouts WHERE source = '192.0.0.0'"), 1);
}

PN_TEST_MAIN(T(bootstrap_gives_an_administrator_and_a_token_that_works), T(bootstrap_works_once),
             T(a_password_gives_a_token_without_organization),
             T(unknown_people_and_wrong_passwords_look_alike),
             T(ten_failures_lock_known_and_unknown_alike),
             T(an_attempt_at_a_locked_account_is_on_record),
             T(nine_failures_do_not_lock_and_a_login_forgets_them),
             T(failures_are_forgotten_after_a_quiet_time),
             T(logout_ends_every_token_of_the_session), T(a_login_ends_after_its_time),
             T(nobody_selects_an_organization_they_are_no_member_of),
             T(hostile_bearers_are_refused), T(the_sweep_removes_what_is_over_and_only_that),
             T(the_sweep_removes_lockouts_that_are_over_and_only_those))
