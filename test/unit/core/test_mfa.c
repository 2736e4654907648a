/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/auth/mfa.h"
#include "core/org/me.h"
#include "core/org/org.h"
#include "crypto/totp.h"

/* A person with an app: what the app knows, and a session that waits for a code. */
struct person {
    struct pn_call inside;  /* has confirmed */
    struct pn_call waiting; /* logged in again, asked for the second factor */
    struct pn_mfa_new app;
    struct pn_str secret;
};

/* RFC 4648 §6, as an app reads it. */
static struct pn_str read_secret(struct home *h, struct pn_str url)
{
    int64_t at = pn_str_search(url, PN_LIT("?secret="));
    struct pn_str text = pn_str_slice(url, (size_t)at + 8, url.len);
    uint8_t *secret = pn_new(h->arena, uint8_t, PN_TOTP_SECRET_BYTES);
    uint64_t bits = 0;
    size_t len = 0;
    int held = 0;

    for (size_t i = 0; i < text.len && text.ptr[i] != '&'; i++) {
        char c = text.ptr[i];

        bits = bits << 5 | (uint64_t)(c >= 'A' ? c - 'A' : c - '2' + 26);
        for (held += 5; held >= 8; held -= 8)
            secret[len++] = (uint8_t)(bits >> (held - 8) & 0xff);
    }
    CHECK_EQ(len, PN_TOTP_SECRET_BYTES);
    return pn_str_of(secret, len);
}

static struct pn_str code_at(struct home *h, const struct person *p, int64_t steps)
{
    const struct pn_totp_code code =
        pn_totp_at(p->secret, pn_clock_wall_ms() / PN_TOTP_STEP_MS + steps);

    return pn_arena_copy(h->arena, pn_str_from(code.text));
}

static struct pn_call log_in_again(struct home *h)
{
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call call;
    bool needs_mfa = false;

    CHECK_OK(home_login(h, "ann@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &token, &needs_mfa, &err), err);
    CHECK(needs_mfa);
    return home_as(h, token);
}

static struct person make_person(struct home *h)
{
    struct person p = { .inside = home_new_person(h, "ann@acme.test", "member") };
    struct pn_err err = { 0 };

    CHECK_OK(pn_mfa_register(&p.inside, &p.app, &err), err);
    p.secret = read_secret(h, p.app.otpUrl);
    CHECK_OK(pn_mfa_confirm(&p.inside, code_at(h, &p, 0), &err), err);
    pn_clock_advance(10 * PN_TOTP_STEP_MS);
    p.waiting = log_in_again(h);
    return p;
}

static bool show(struct home *h, struct person *p, struct pn_str code, struct pn_err *err)
{
    struct pn_str token;

    pn_err_clear(err);
    p->waiting.now_ms = pn_clock_wall_ms();
    p->waiting.actor.kind = PN_ACTOR_MFA;
    return pn_mfa_verify(&p->waiting, code, &token, err) && home_knows(h, token, err);
}

static void check_wrong(struct home *h, struct person *p, struct pn_str code)
{
    struct pn_err err = { 0 };

    CHECK(!show(h, p, code, &err));
    CHECK_EQ(err.code, PN_FORBIDDEN);
    CHECK_STR(pn_str_from(err.reason), "mfa_invalid");
}

HOME_TEST(who_waits_is_a_person_of_another_kind)
{
    struct person p = make_person(h);

    CHECK_EQ(p.waiting.actor.kind, PN_ACTOR_MFA);
    CHECK(pn_uuid_eq(p.waiting.actor.id, p.inside.actor.id));
    CHECK(pn_uuid_eq(p.waiting.actor.org_id, h->first.org.id));
}

HOME_TEST(a_code_is_good_in_its_step_and_beside_it)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };

    check_wrong(h, &p, code_at(h, &p, -2));
    check_wrong(h, &p, code_at(h, &p, 2));
    CHECK_OK(show(h, &p, code_at(h, &p, -1), &err), err);
    CHECK_OK(show(h, &p, code_at(h, &p, 0), &err), err);
    CHECK_OK(show(h, &p, code_at(h, &p, 1), &err), err);
}

HOME_TEST(no_code_is_good_after_a_later_one_or_itself)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };

    CHECK_OK(show(h, &p, code_at(h, &p, 0), &err), err);
    check_wrong(h, &p, code_at(h, &p, 0));
    check_wrong(h, &p, code_at(h, &p, -1));
    pn_clock_advance(PN_TOTP_STEP_MS);
    check_wrong(h, &p, code_at(h, &p, -1));
    CHECK_OK(show(h, &p, code_at(h, &p, 0), &err), err);
}

HOME_TEST(five_wrong_codes_lock_for_longer_each_time)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };
    int64_t lock_ms = PN_MFA_LOCK_MS;

    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < PN_MFA_MAX_FAILURES; i++)
            check_wrong(h, &p, PN_LIT("nothing"));
        pn_clock_advance(lock_ms - 1000);
        CHECK(!show(h, &p, code_at(h, &p, 0), &err));
        CHECK_EQ(err.code, PN_FORBIDDEN);
        CHECK_STR(pn_str_from(err.reason), "mfa_expired");
        pn_clock_advance(1000);
        lock_ms = lock_ms * 2 < PN_MFA_LONGEST_LOCK_MS ? lock_ms * 2 : PN_MFA_LONGEST_LOCK_MS;
    }
    CHECK_OK(show(h, &p, code_at(h, &p, 0), &err), err);
    for (int i = 0; i < PN_MFA_MAX_FAILURES - 1; i++)
        check_wrong(h, &p, PN_LIT("nothing"));
    CHECK_OK(show(h, &p, code_at(h, &p, 1), &err), err);
}

HOME_TEST(a_token_that_waits_is_over_in_five_minutes)
{
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call call;
    bool needs_mfa;

    (void)make_person(h);
    CHECK_OK(home_login(h, "ann@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &token, &needs_mfa, &err), err);
    pn_clock_advance(PN_LOGIN_MFA_MS - 1000);
    CHECK_OK(home_knows(h, token, &err), err);
    pn_clock_advance(2000);
    CHECK(!home_knows(h, token, &err));
    CHECK_EQ(err.code, PN_TOKEN);
    CHECK_STR(pn_str_from(err.reason), "mfa_expired");
}

HOME_TEST(a_session_of_before_is_out_of_the_organization_at_once)
{
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call before = home_new_person(h, "ann@acme.test", "member"), call;
    struct person p = { .inside = before };

    CHECK_OK(home_login(h, "ann@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &token, &(bool){ false }, &err), err);
    CHECK_OK(home_knows(h, token, &err), err); /* remembered */
    CHECK_OK(pn_mfa_register(&p.inside, &p.app, &err), err);
    p.secret = read_secret(h, p.app.otpUrl);
    CHECK_OK(home_knows(h, token, &err), err); /* registered is not confirmed */
    CHECK_OK(pn_mfa_confirm(&p.inside, code_at(h, &p, 0), &err), err);
    CHECK_FAILS(home_knows(h, token, &err), err, UNAUTHENTICATED);
}

HOME_TEST(a_session_that_is_over_shows_nothing)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };
    struct pn_call ending = p.waiting;

    CHECK_OK(pn_login_end(&ending, &err), err);
    CHECK_FAILS(show(h, &p, code_at(h, &p, 0), &err), err, UNAUTHENTICATED);
    p.waiting = log_in_again(h);
    CHECK_OK(show(h, &p, code_at(h, &p, 0), &err), err); /* and the code was not used up */
}

HOME_TEST(an_administrator_who_has_not_shown_it_does_not_reset_their_own)
{
    struct person p = make_person(h);
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call call;

    CHECK_OK(pn_mfa_switch(&p.inside, false, &err), err);
    CHECK_OK(home_login(h, "ann@acme.test", HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    call.actor.is_super_admin = p.inside.actor.is_super_admin = true;
    CHECK_FAILS(pn_mfa_reset(&call, call.actor.id, &err), err, FORBIDDEN);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM user_totps"), 1);
    CHECK_OK(pn_mfa_reset(&p.inside, call.actor.id, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM user_totps"), 0);
}

static bool rename_me(struct pn_call *call, struct pn_err *err)
{
    struct pn_me me;

    pn_err_clear(err);
    return pn_me_rename(call, PN_LIT("Eve"), PN_LIT(""), &me, err);
}

static bool found_org(struct pn_call *call, struct pn_err *err)
{
    struct pn_org org;

    pn_err_clear(err);
    return pn_org_create(call, PN_LIT("Eves"), &org, err);
}

/* Logged in, no organization selected: all that a thief of the password has. */
static struct pn_call log_in(struct home *h, const char *email)
{
    struct pn_str token;
    struct pn_err err = { 0 };

    CHECK_OK(home_login(h, email, HOME_PASSWORD, &token, &err), err);
    return home_as(h, token);
}

static void check_password_alone(struct home *h, struct pn_call *call, bool is_enough)
{
    struct pn_err err = { 0 };
    int64_t orgs = home_count(h, "SELECT count(*) FROM orgs");

    CHECK_EQ(rename_me(call, &err), is_enough);
    CHECK(is_enough || err.code == PN_FORBIDDEN);
    CHECK_EQ(found_org(call, &err), is_enough);
    CHECK(is_enough || err.code == PN_FORBIDDEN);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM orgs"), orgs + (is_enough ? 1 : 0));
    CHECK_EQ(home_count(h, "SELECT count(*) FROM users WHERE first_name = 'Eve'"), is_enough);
}

HOME_TEST(a_password_alone_names_nobody_who_has_a_second_factor)
{
    struct person p = make_person(h);
    struct pn_call thief = log_in(h, "ann@acme.test");
    struct pn_err err = { 0 };

    check_password_alone(h, &thief, false);
    CHECK_OK(rename_me(&p.inside, &err), err);
    CHECK_OK(found_org(&p.inside, &err), err);
}

HOME_TEST(a_password_alone_is_enough_where_no_second_factor_is_asked_for)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };
    struct pn_call call;

    CHECK_OK(pn_mfa_switch(&p.inside, false, &err), err);
    call = log_in(h, "ann@acme.test");
    check_password_alone(h, &call, true);
}

HOME_TEST(a_password_alone_names_nobody_whose_organization_asks_for_more)
{
    struct pn_call ann = home_new_person(h, "ann@acme.test", "member"), call;

    (void)ann;
    call = log_in(h, "ann@acme.test");
    home_meanwhile(h, "UPDATE orgs SET enforce_mfa = 1");
    check_password_alone(h, &call, false);
    home_meanwhile(h, "UPDATE org_members SET is_active = 0");
    check_password_alone(h, &call, true);
}

HOME_TEST(a_code_shown_to_a_locked_factor_is_on_record)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };

    for (int i = 0; i < PN_MFA_MAX_FAILURES; i++)
        check_wrong(h, &p, PN_LIT("nothing"));
    CHECK(!show(h, &p, code_at(h, &p, 0), &err));
    CHECK_STR(pn_str_from(err.reason), "mfa_expired");
    CHECK_EQ(home_events(h, "user-mfa-failed"), PN_MFA_MAX_FAILURES + 1);
}

HOME_TEST(what_is_stored_is_sealed_and_opens_for_its_owner_only)
{
    struct person p = make_person(h);
    struct pn_err err = { 0 };
    struct pn_query *q = pn_query(h->conn, "SELECT sealed_secret FROM user_totps");
    struct pn_str sealed = pn_query_next(q) ? pn_column_bytes(q, 0, h->arena) : PN_NONE;

    CHECK_OK(pn_query_end(q, &err), err);
    CHECK_EQ(sealed.len, PN_TOTP_SECRET_BYTES + PN_SEAL_OVERHEAD);
    CHECK(pn_str_search(sealed, pn_str_slice(p.secret, 0, 8)) < 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM user_recovery_codes WHERE length(mac) = 32"),
             PN_MFA_RECOVERY_CODES);
}

HOME_TEST(the_key_of_the_instance_is_made_once)
{
    struct pn_call call = home_as(h, h->first.token);
    struct pn_uuid one, two;
    struct pn_err err = { 0 };

    CHECK_OK(pn_instance_scope(&call, &one, &err), err);
    CHECK_OK(pn_instance_scope(&call, &two, &err), err);
    CHECK(pn_uuid_eq(one, two));
    CHECK_EQ(home_count(h, "SELECT count(*) FROM scope_keys k JOIN instance i ON i.instance_id ="
                           " k.scope_id"),
             1);
}

PN_TEST_MAIN(T(who_waits_is_a_person_of_another_kind), T(a_code_is_good_in_its_step_and_beside_it),
             T(no_code_is_good_after_a_later_one_or_itself),
             T(five_wrong_codes_lock_for_longer_each_time),
             T(a_token_that_waits_is_over_in_five_minutes),
             T(a_session_of_before_is_out_of_the_organization_at_once),
             T(a_session_that_is_over_shows_nothing),
             T(an_administrator_who_has_not_shown_it_does_not_reset_their_own),
             T(a_password_alone_names_nobody_who_has_a_second_factor),
             T(a_password_alone_is_enough_where_no_second_factor_is_asked_for),
             T(a_password_alone_names_nobody_whose_organization_asks_for_more),
             T(a_code_shown_to_a_locked_factor_is_on_record),
             T(what_is_stored_is_sealed_and_opens_for_its_owner_only),
             T(the_key_of_the_instance_is_made_once))
