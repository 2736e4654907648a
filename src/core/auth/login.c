/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/login.h"

#include "core/audit/audit.h"
#include "core/auth/token.h"
#include "core/trail.h"
#include "crypto/keyring.h"
#include "crypto/password.h"
#include "crypto/random.h"

#define SWEEP_AT_ONCE 500
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct attempt {
    const struct pn_call *call;
    uint8_t email_mac[32];
    int64_t locked_until_ms;
    struct pn_uuid user_id; /* zero: nobody of that address can log in */
    struct pn_str email, password_hash;
    struct pn_uuid session_id;
    int64_t expires_ms;
};

static bool find_failures(struct pn_call *call, struct attempt *a, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT locked_until_ms FROM login_failures WHERE email_mac = $mac");

    pn_bind_bytes(q, "$mac", pn_str_of(a->email_mac, sizeof(a->email_mac)));
    if (pn_query_next(q))
        a->locked_until_ms = pn_column_int(q, 0);
    return pn_query_end(q, err);
}

static bool find_user(struct pn_call *call, struct pn_str email, struct attempt *a,
                      struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT id, email, password_hash FROM users WHERE email = $email");

    pn_bind_str(q, "$email", email);
    if (pn_query_next(q)) {
        a->user_id = pn_column_uuid(q, 0);
        a->email = pn_column_str(q, 1, call->arena);
        a->password_hash = pn_column_str(q, 2, call->arena);
    }
    return pn_query_end(q, err);
}

/* A failure after a quiet time begins a new count. */
static bool count_failure(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;
    const struct pn_call *call = a->call;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO login_failures (email_mac, failures, locked_until_ms, expires_ms)"
                     " VALUES ($mac, 1, 0, $expires)"
                     " ON CONFLICT (email_mac) DO UPDATE SET"
                     " failures = CASE WHEN login_failures.expires_ms <= $now THEN 1 ELSE "
                     "login_failures.failures + 1 END,"
                     " locked_until_ms = CASE WHEN login_failures.expires_ms > $now AND "
                     "login_failures.failures + 1 >= $most"
                     " THEN $locked ELSE 0 END, expires_ms = $expires");

    pn_bind_bytes(q, "$mac", pn_str_of(a->email_mac, sizeof(a->email_mac)));
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_int(q, "$most", PN_LOGIN_MAX_FAILURES);
    pn_bind_int(q, "$locked", call->now_ms + PN_LOGIN_LOCK_MS);
    pn_bind_int(q, "$expires", call->now_ms + PN_LOGIN_FORGET_MS);
    if (!pn_query_run(q, NULL, err))
        return false;
    return pn_audit_write(tx, call, &(struct pn_audit_event){ .type = "user-login-failed" }, err);
}

static bool make_session(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;
    struct pn_query *q;

    q = pn_query(tx, "DELETE FROM login_failures WHERE email_mac = $mac");
    pn_bind_bytes(q, "$mac", pn_str_of(a->email_mac, sizeof(a->email_mac)));
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(
        tx,
        "INSERT INTO login_sessions (id, user_id, version, ip, user_agent, created_ms, expires_ms)"
        " VALUES ($id, $user, 1, $ip, $user_agent, $now, $expires)");
    pn_bind_uuid(q, "$id", a->session_id);
    pn_bind_uuid(q, "$user", a->user_id);
    pn_bind_str(q, "$ip", a->call->ip);
    pn_bind_str(q, "$user_agent", pn_str_slice(a->call->user_agent, 0, 512));
    pn_bind_int(q, "$now", a->call->now_ms);
    pn_bind_int(q, "$expires", a->expires_ms);
    if (!pn_query_run(q, NULL, err))
        return false;
    return pn_audit_write(tx, a->call, &(struct pn_audit_event){ .type = "user-login" }, err);
}

/* As many rows as logins are let through: the limit of requests bounds them. */
static bool record_locked(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;

    return pn_trail_write(tx, a->call,
                          &(struct pn_trail){ .type = "user-login-failed",
                                              .fields = { { "reason", PN_LIT("locked") } } },
                          err);
}

static bool refuse_locked(struct attempt *a, struct pn_err *err)
{
    return pn_db_write(a->call->db, record_locked, a, err) &&
           pn_fail(err, PN_FORBIDDEN,
                   "Too many failed logins: this account is locked. Try again in %lld seconds",
                   (long long)((a->locked_until_ms - a->call->now_ms + 999) / 1000));
}

static bool check_password(struct pn_call *call, struct pn_str email,
                           const struct pn_secret *password, struct attempt *a, struct pn_err *err)
{
    a->call = call;
    pn_keyring_mac(call->keyring, "login-failures", email, a->email_mac);
    if (!find_failures(call, a, err) || !find_user(call, email, a, err))
        return false;
    if (a->locked_until_ms > call->now_ms)
        return refuse_locked(a, err);
    if (pn_password_verify(call->arena, password, a->password_hash))
        return true;
    return pn_db_write(call->db, count_failure, a, err) &&
           pn_fail(err, PN_BAD_REQUEST, "Invalid email or password");
}

bool pn_login_check(struct pn_call *call, struct pn_str email, const struct pn_secret *password,
                    struct pn_err *err)
{
    struct attempt a = { 0 };

    return check_password(call, email, password, &a, err);
}

bool pn_login_password(struct pn_call *call, struct pn_str email, const struct pn_secret *password,
                       struct pn_str *token, struct pn_err *err)
{
    struct attempt a = { .session_id = pn_random_uuid(),
                         .expires_ms = call->now_ms + PN_LOGIN_SESSION_MS };

    if (!check_password(call, email, password, &a, err))
        return false;
    call->actor = (struct pn_actor){
        .kind = PN_ACTOR_USER, .id = a.user_id, .token_id = a.session_id, .name = a.email
    };
    if (!pn_db_write(call->db, make_session, &a, err))
        return false;
    return pn_token_for_user(call, a.user_id, a.session_id, 1, (struct pn_uuid){ 0 }, a.expires_ms,
                             token, err);
}

struct selection {
    const struct pn_call *call;
    struct pn_uuid org_id;
    int64_t version, expires_ms;
    bool needs_mfa;
};

static bool find_selection(struct pn_call *call, struct selection *s, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT s.version, s.expires_ms, s.is_mfa_verified, u.is_mfa_enabled, o.enforce_mfa"
        " FROM login_sessions s JOIN users u ON u.id = s.user_id JOIN orgs o ON o.id = $org"
        " JOIN org_members m ON m.user_id = s.user_id AND m.org_id = o.id"
        " AND m.status = 'accepted' AND m.is_active = 1 WHERE s.id = $session");
    bool is_found;

    pn_bind_uuid(q, "$org", s->org_id);
    pn_bind_uuid(q, "$session", call->actor.token_id);
    is_found = pn_query_next(q);
    if (is_found) {
        s->version = pn_column_int(q, 0);
        s->expires_ms = pn_column_int(q, 1);
        s->needs_mfa =
            pn_column_int(q, 2) == 0 && (pn_column_int(q, 3) != 0 || pn_column_int(q, 4) != 0);
    }
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_FORBIDDEN, "You are not a member of this organization");
}

static bool record_selection(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct selection *s = context;

    return pn_audit_write(
        tx, s->call, &(struct pn_audit_event){ .type = "select-organization", .org_id = s->org_id },
        err);
}

bool pn_login_select_org(struct pn_call *call, struct pn_uuid org_id, struct pn_str *token,
                         bool *needs_mfa, struct pn_err *err)
{
    struct selection s = { .call = call, .org_id = org_id };

    if (!find_selection(call, &s, err))
        return false;
    *needs_mfa = s.needs_mfa;
    if (s.needs_mfa)
        return pn_token_for_mfa(call, call->actor.id, call->actor.token_id, s.version, org_id,
                                call->now_ms + PN_LOGIN_MFA_MS, token, err);
    if (!pn_db_write(call->db, record_selection, &s, err))
        return false;
    return pn_token_for_user(call, call->actor.id, call->actor.token_id, s.version, org_id,
                             s.expires_ms, token, err);
}

/* The actor's own session, while it lasts. */
static bool find_session(struct pn_call *call, int64_t *version, int64_t *expires_ms,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT version, expires_ms FROM login_sessions WHERE id = $id AND user_id = "
                    "$user AND is_revoked = 0");
    bool is_found;

    pn_bind_uuid(q, "$id", call->actor.token_id);
    pn_bind_uuid(q, "$user", call->actor.id);
    is_found = pn_query_next(q);
    *version = is_found ? pn_column_int(q, 0) : 0;
    *expires_ms = is_found ? pn_column_int(q, 1) : 0;
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_UNAUTHENTICATED, "This session is over. Please log in again.");
}

bool pn_login_leave_org(struct pn_call *call, struct pn_str *token, struct pn_err *err)
{
    int64_t version, expires_ms;

    return find_session(call, &version, &expires_ms, err) &&
           pn_token_for_user(call, call->actor.id, call->actor.token_id, version,
                             (struct pn_uuid){ 0 }, expires_ms, token, err);
}

bool pn_login_refresh_token(struct pn_call *call, struct pn_uuid org_id, struct pn_str *refresh,
                            int64_t *expires_ms, struct pn_err *err)
{
    int64_t version;

    return find_session(call, &version, expires_ms, err) &&
           pn_token_for_refresh(call, call->actor.id, call->actor.token_id, version, org_id,
                                *expires_ms, refresh, err);
}

bool pn_login_refresh(struct pn_call *call, struct pn_str refresh, struct pn_str *token,
                      struct pn_uuid *org_id, struct pn_err *err)
{
    struct pn_token_claims claims;

    if (!pn_token_read_refresh(call, refresh, &claims, &call->actor, err))
        return false;
    *org_id = claims.org_id;
    return pn_token_for_user(call, claims.id, claims.token_id, claims.version, claims.org_id,
                             claims.expires_ms, token, err);
}

static bool revoke_session(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_call *call = context;
    struct pn_query *q = pn_query(
        tx, "UPDATE login_sessions SET is_revoked = 1, version = version + 1 WHERE id = $id");

    pn_db_touch(tx, call->actor.id);
    pn_bind_uuid(q, "$id", call->actor.token_id);
    if (!pn_query_run(q, NULL, err))
        return false;
    return pn_audit_write(
        tx, call, &(struct pn_audit_event){ .type = "user-logout", .org_id = call->actor.org_id },
        err);
}

bool pn_login_end(struct pn_call *call, struct pn_err *err)
{
    return pn_db_write(call->db, revoke_session, call, err);
}

/* Bounded pieces, so that a long quiet server does not hold the writer when it wakes. */
static const struct {
    int64_t keep_ms; /* after their end */
    const char *sql;
} sweeps[] = {
    { 0, "DELETE FROM login_failures WHERE email_mac IN"
         " (SELECT email_mac FROM login_failures WHERE expires_ms <= $before LIMIT $most)" },
    { 0, "DELETE FROM auth_lockouts WHERE (auth_id, source) IN"
         " (SELECT auth_id, source FROM auth_lockouts WHERE expires_ms <= $before LIMIT $most)" },
    { DAY_MS, "DELETE FROM login_sessions WHERE id IN"
              " (SELECT id FROM login_sessions WHERE expires_ms <= $before LIMIT $most)" },
    { DAY_MS, "DELETE FROM service_tokens WHERE id IN"
              " (SELECT id FROM service_tokens WHERE expires_ms > 0 AND expires_ms <= $before"
              " LIMIT $most)" },
    { DAY_MS, "DELETE FROM identity_tokens WHERE id IN"
              " (SELECT id FROM identity_tokens WHERE expires_ms > 0 AND expires_ms <= $before"
              " LIMIT $most)" },
};

static bool sweep(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_call *call = context;

    pn_db_touch(tx, (struct pn_uuid){ 0 }); /* nobody: what is swept has been over for a day */
    for (size_t i = 0; i < PN_COUNT(sweeps); i++) {
        struct pn_query *q = pn_query(tx, sweeps[i].sql);

        pn_bind_int(q, "$before", call->now_ms - sweeps[i].keep_ms);
        pn_bind_int(q, "$most", SWEEP_AT_ONCE);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

bool pn_login_sweep(struct pn_call *call, struct pn_err *err)
{
    return pn_db_write(call->db, sweep, call, err);
}
