/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/mfa.h"

#include "base/encode.h"
#include "core/auth/login.h"
#include "core/org/instance.h"
#include "core/org/user.h"
#include "core/trail.h"
#include "crypto/keyring.h"
#include "crypto/random.h"
#include "crypto/totp.h"

#define MAX_URL_BYTES ((size_t)2048)

/* ---- what is stored ---- */

struct stored {
    bool is_there, is_verified;
    struct pn_str sealed;
};

static bool find(struct pn_call *call, struct pn_uuid user, struct stored *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT sealed_secret, is_verified FROM user_totps WHERE user_id = $user");

    *out = (struct stored){ 0 };
    pn_bind_uuid(q, "$user", user);
    if (pn_query_next(q))
        *out = (struct stored){ .is_there = true,
                                .sealed = pn_column_bytes(q, 0, call->arena),
                                .is_verified = pn_column_int(q, 1) != 0 };
    return pn_query_end(q, err);
}

static struct pn_seal_place place_of(struct pn_uuid user)
{
    return (struct pn_seal_place){ .table = "user_totps", .column = "sealed_secret", .row = user };
}

static bool seal(struct pn_call *call, struct pn_uuid user, struct pn_str secret,
                 struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed =
        pn_buf_init(PN_TOTP_SECRET_BYTES + PN_SEAL_OVERHEAD);
    struct pn_uuid scope;

    if (!pn_instance_scope(call, &scope, err) ||
        !pn_keyring_seal(call->keyring, scope, place_of(user), secret, &sealed, err))
        return false;
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

/* The time step whose code this is, or -1. */
static bool find_step(struct pn_call *call, const struct stored *stored, struct pn_str code,
                      int64_t *step, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *secret = NULL;
    struct pn_uuid scope;

    if (!pn_instance_scope(call, &scope, err) ||
        !pn_keyring_open(call->keyring, scope, place_of(call->actor.id), stored->sealed, &secret,
                         err))
        return false;
    *step = pn_totp_find(pn_secret_reveal(secret), call->now_ms / PN_TOTP_STEP_MS, code);
    return true;
}

bool pn_mfa_get(struct pn_call *call, struct pn_mfa *out, struct pn_err *err)
{
    struct stored stored;
    struct pn_query *q;

    if (!find(call, call->actor.id, &stored, err))
        return false;
    if (!stored.is_there)
        return pn_fail(err, PN_NOT_FOUND, "TOTP configuration not found");
    if (!stored.is_verified)
        return pn_fail(err, PN_BAD_REQUEST, "TOTP configuration has not been verified");
    q = pn_query(call->conn, "SELECT count(*) FROM user_recovery_codes WHERE user_id = $user");
    pn_bind_uuid(q, "$user", call->actor.id);
    *out = (struct pn_mfa){ .isVerified = true,
                            .recoveryCodesLeft = pn_query_next(q) ? pn_column_int(q, 0) : 0 };
    return pn_query_end(q, err);
}

/* ---- recovery codes ---- */

struct pn_recovery_mac {
    uint8_t bytes[32];
};

static struct pn_recovery_mac mac_of(struct pn_call *call, struct pn_uuid user, struct pn_str code)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(128);
    struct pn_recovery_mac mac;

    pn_buf_add_bytes(&text, user.bytes, sizeof(user.bytes));
    pn_buf_add(&text, code);
    pn_keyring_mac(call->keyring, "recovery-codes", pn_buf_str(&text), mac.bytes);
    return mac;
}

static struct pn_str make_code(struct pn_arena *arena)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* no l, o, 0, 1 */
    char *code = pn_new(arena, char, PN_MFA_RECOVERY_CODE_CHARS);

    for (size_t i = 0; i < PN_MFA_RECOVERY_CODE_CHARS; i++)
        code[i] = alphabet[pn_random_below(sizeof(alphabet) - 1)];
    return pn_str_of(code, PN_MFA_RECOVERY_CODE_CHARS);
}

struct codes {
    struct pn_strs plain;
    struct pn_recovery_mac macs[PN_MFA_RECOVERY_CODES];
};

static void make_codes(struct pn_call *call, struct codes *out)
{
    out->plain =
        (struct pn_strs){ .items = pn_new(call->arena, struct pn_str, PN_MFA_RECOVERY_CODES),
                          .count = PN_MFA_RECOVERY_CODES };
    for (size_t i = 0; i < PN_MFA_RECOVERY_CODES; i++) {
        out->plain.items[i] = make_code(call->arena);
        out->macs[i] = mac_of(call, call->actor.id, out->plain.items[i]);
    }
}

static bool replace_codes(struct pn_db_conn *tx, struct pn_uuid user, const struct codes *codes,
                          struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM user_recovery_codes WHERE user_id = $user");

    pn_bind_uuid(q, "$user", user);
    if (!pn_query_run(q, NULL, err))
        return false;
    for (size_t i = 0; i < PN_MFA_RECOVERY_CODES; i++) {
        q = pn_query(tx, "INSERT INTO user_recovery_codes (user_id, mac) VALUES ($user, $mac)");
        pn_bind_uuid(q, "$user", user);
        pn_bind_bytes(q, "$mac", pn_str_of(codes->macs[i].bytes, sizeof(codes->macs[i].bytes)));
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

/* ---- to have one ---- */

struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_uuid user;
    struct pn_str sealed;
    struct codes codes;
    int64_t step;
    bool is_on;
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = c->event,
                            .fields = { { "userId", pn_uuid_str(c->call->arena, c->user) },
                                        { "method", PN_LIT(PN_MFA_METHOD) } } },
        err);
}

static bool insert_secret(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "DELETE FROM user_totps WHERE user_id = $user AND is_verified = 0");

    pn_bind_uuid(q, "$user", c->user);
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, "INSERT INTO user_totps (user_id, sealed_secret, created_ms)"
                     " VALUES ($user, $sealed, $now)");
    pn_bind_uuid(q, "$user", c->user);
    pn_bind_bytes(q, "$sealed", c->sealed);
    pn_bind_int(q, "$now", c->call->now_ms);
    if (!pn_query_run(q, NULL, err))
        return pn_db_is_duplicate(err) &&
               pn_recast(err, PN_BAD_REQUEST, "TOTP configuration for user already exists");
    return replace_codes(tx, c->user, &c->codes, err) && record(tx, c, err);
}

/* The form that authenticator apps read from a QR code. */
static struct pn_str make_url(struct pn_call *call, struct pn_str secret)
{
    pn_auto(pn_buf_drop) struct pn_buf url = pn_buf_init_wiped(MAX_URL_BYTES);

    pn_buf_add_text(&url, "otpauth://totp/Postern:");
    pn_percent_add(&url, call->actor.name);
    pn_buf_add_text(&url, "?secret=");
    pn_base32_add(&url, secret);
    pn_buf_add_text(&url, "&period=30&digits=6&algorithm=SHA1&issuer=Postern");
    pn_assert(!url.is_full);
    return pn_arena_copy(call->arena, pn_buf_str(&url));
}

bool pn_mfa_register(struct pn_call *call, struct pn_mfa_new *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "register-user-mfa", .user = call->actor.id };
    uint8_t *secret = pn_new(call->arena, uint8_t, PN_TOTP_SECRET_BYTES);

    pn_random_bytes(secret, PN_TOTP_SECRET_BYTES);
    make_codes(call, &c.codes);
    if (!seal(call, c.user, pn_str_of(secret, PN_TOTP_SECRET_BYTES), &c.sealed, err) ||
        !pn_db_write(call->db, insert_secret, &c, err))
        return false;
    *out = (struct pn_mfa_new){ .otpUrl = make_url(call, pn_str_of(secret, PN_TOTP_SECRET_BYTES)),
                                .recoveryCodes = c.codes.plain };
    return true;
}

/* The session of the call has shown the second factor. */
static bool mark_session(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE login_sessions SET is_mfa_verified = 1"
                     " WHERE id = $session AND user_id = $user AND is_revoked = 0");
    int64_t changed;

    pn_bind_uuid(q, "$session", call->actor.token_id);
    pn_bind_uuid(q, "$user", call->actor.id);
    if (!pn_query_run(q, &changed, err))
        return false;
    return changed == 1 ||
           pn_fail(err, PN_UNAUTHENTICATED, "This session is over. Please log in again.");
}

static bool set_enabled(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE users SET is_mfa_enabled = $on, updated_ms = $now WHERE id = $user");

    pn_bind_int(q, "$on", c->is_on);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$user", c->user);
    return pn_query_run(q, NULL, err);
}

static bool confirm_secret(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(tx, "UPDATE user_totps SET is_verified = 1, last_step = $step"
                                      " WHERE user_id = $user AND is_verified = 0"
                                      " AND sealed_secret = $sealed");
    int64_t changed;

    pn_db_touch(tx, c->user);
    pn_bind_int(q, "$step", c->step);
    pn_bind_uuid(q, "$user", c->user);
    pn_bind_bytes(q, "$sealed", c->sealed);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_BAD_REQUEST, "TOTP configuration has changed: register again");
    return set_enabled(tx, c, err) && mark_session(tx, c->call, err) && record(tx, c, err);
}

bool pn_mfa_confirm(struct pn_call *call, struct pn_str code, struct pn_err *err)
{
    struct change c = {
        .call = call, .event = "enable-user-mfa", .user = call->actor.id, .is_on = true
    };
    struct stored stored;

    if (!find(call, c.user, &stored, err))
        return false;
    if (!stored.is_there)
        return pn_fail(err, PN_NOT_FOUND, "TOTP configuration not found");
    if (stored.is_verified)
        return pn_fail(err, PN_BAD_REQUEST, "TOTP configuration has already been verified");
    if (!find_step(call, &stored, code, &c.step, err))
        return false;
    c.sealed = stored.sealed;
    return c.step >= 0 ? pn_db_write(call->db, confirm_secret, &c, err)
                       : pn_fail(err, PN_BAD_REQUEST, "Invalid TOTP token");
}

/* ---- to change it ---- */

/* Who came with the password alone may not take away what was to keep them out. */
static bool require_shown(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT t.is_verified, s.is_mfa_verified FROM login_sessions s"
                     " LEFT JOIN user_totps t ON t.user_id = s.user_id"
                     " WHERE s.id = $session AND s.user_id = $user");
    bool is_set = false, is_shown = false;

    pn_bind_uuid(q, "$session", call->actor.token_id);
    pn_bind_uuid(q, "$user", call->actor.id);
    if (pn_query_next(q)) {
        is_set = pn_column_int(q, 0) != 0;
        is_shown = pn_column_int(q, 1) != 0;
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_set)
        return pn_fail(err, PN_NOT_FOUND, "TOTP configuration not found");
    return is_shown || pn_fail(err, PN_FORBIDDEN,
                               "Log in with your second factor to change it: switch it on first"
                               " where it is off");
}

bool pn_mfa_require(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "SELECT CASE WHEN s.is_mfa_verified = 0 AND (u.is_mfa_enabled = 1 OR EXISTS (SELECT 1"
            " FROM org_members m JOIN orgs o ON o.id = m.org_id WHERE m.user_id = u.id"
            " AND m.status = 'accepted' AND m.is_active = 1 AND o.enforce_mfa = 1))"
            " THEN 1 ELSE 0 END FROM login_sessions s JOIN users u ON u.id = s.user_id"
            " WHERE s.id = $session AND s.user_id = $user");
    bool lacks_it;

    pn_bind_uuid(q, "$session", call->actor.token_id);
    pn_bind_uuid(q, "$user", call->actor.id);
    lacks_it = !pn_query_next(q) || pn_column_int(q, 0) != 0;
    if (!pn_query_end(q, err))
        return false;
    return !lacks_it || pn_fail(err, PN_FORBIDDEN,
                                "Your second factor is needed for this: select an organization"
                                " that asks for it, and show it");
}

static bool write_codes(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    return require_shown(tx, c->call, err) && replace_codes(tx, c->user, &c->codes, err) &&
           record(tx, c, err);
}

bool pn_mfa_renew_codes(struct pn_call *call, struct pn_strs *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "renew-user-mfa-codes", .user = call->actor.id };

    make_codes(call, &c.codes);
    *out = c.codes.plain;
    return pn_db_write(call->db, write_codes, &c, err);
}

/* What sessions have shown goes with it: none has shown the next one. */
static bool delete_secret(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM user_totps WHERE user_id = $user");

    pn_db_touch(tx, c->user);
    pn_bind_uuid(q, "$user", c->user);
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, "UPDATE login_sessions SET is_mfa_verified = 0"
                     " WHERE user_id = $user AND is_mfa_verified = 1");
    pn_bind_uuid(q, "$user", c->user);
    return pn_query_run(q, NULL, err) && set_enabled(tx, c, err) && record(tx, c, err);
}

static bool remove_own(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    return require_shown(tx, c->call, err) && delete_secret(tx, c, err);
}

bool pn_mfa_remove(struct pn_call *call, struct pn_err *err)
{
    struct change c = { .call = call, .event = "remove-user-mfa", .user = call->actor.id };

    return pn_db_write(call->db, remove_own, &c, err);
}

static bool write_switch(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    pn_db_touch(tx, c->user);
    return (c->is_on || require_shown(tx, c->call, err)) && set_enabled(tx, c, err) &&
           record(tx, c, err);
}

bool pn_mfa_switch(struct pn_call *call, bool is_on, struct pn_err *err)
{
    struct change c = { .call = call,
                        .event = is_on ? "enable-user-mfa" : "disable-user-mfa",
                        .user = call->actor.id,
                        .is_on = is_on };
    struct stored stored;

    if (!find(call, c.user, &stored, err))
        return false;
    if (!stored.is_verified)
        return !is_on || pn_fail(err, PN_BAD_REQUEST, "Register an authenticator app first");
    return pn_db_write(call->db, write_switch, &c, err);
}

static bool reset(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    return delete_secret(tx, context, err);
}

bool pn_mfa_reset(struct pn_call *call, struct pn_uuid user, struct pn_err *err)
{
    struct change c = { .call = call, .event = "reset-user-mfa", .user = user };
    const bool is_own = pn_uuid_eq(user, call->actor.id);
    struct pn_user there;

    return pn_user_require_super(call, err) && pn_user_find(call, user, &there, err) &&
           pn_db_write(call->db, is_own ? remove_own : reset, &c, err);
}

/* ---- to show it ---- */

enum outcome { SHOWN, WRONG, LOCKED };

struct attempt {
    const struct pn_call *call;
    struct pn_str sealed;       /* of the row the code was compared with */
    int64_t step;               /* of the code, or -1 */
    struct pn_recovery_mac mac; /* of the recovery code, when there is one */
    bool is_recovery;
    enum outcome outcome;
    int64_t locked_until_ms;
};

struct counters {
    int64_t last_step, failures, locked_until_ms;
};

static bool read_counters(struct pn_db_conn *tx, const struct attempt *a, struct counters *out,
                          struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT last_step, failures, locked_until_ms FROM user_totps"
                     " WHERE user_id = $user AND is_verified = 1 AND sealed_secret = $sealed");
    bool is_found;

    pn_bind_uuid(q, "$user", a->call->actor.id);
    pn_bind_bytes(q, "$sealed", a->sealed);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct counters){ .last_step = pn_column_int(q, 0),
                                  .failures = pn_column_int(q, 1),
                                  .locked_until_ms = pn_column_int(q, 2) };
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_BAD_REQUEST, "The second factor has changed: log in again");
}

/* A recovery code is deleted by its use, a code's step is used with all before it. */
static bool is_good(struct pn_db_conn *tx, const struct attempt *a, const struct counters *now,
                    bool *out, struct pn_err *err)
{
    struct pn_query *q;
    int64_t changed;

    *out = a->step > now->last_step;
    if (!a->is_recovery)
        return true;
    q = pn_query(tx, "DELETE FROM user_recovery_codes WHERE user_id = $user AND mac = $mac");
    pn_bind_uuid(q, "$user", a->call->actor.id);
    pn_bind_bytes(q, "$mac", pn_str_of(a->mac.bytes, sizeof(a->mac.bytes)));
    if (!pn_query_run(q, &changed, err))
        return false;
    *out = changed == 1;
    return true;
}

static int64_t lock_ms(int64_t failures)
{
    int64_t ms = PN_MFA_LOCK_MS;

    for (int64_t i = PN_MFA_MAX_FAILURES; i < failures && ms < PN_MFA_LONGEST_LOCK_MS;
         i += PN_MFA_MAX_FAILURES)
        ms *= 2;
    return ms < PN_MFA_LONGEST_LOCK_MS ? ms : PN_MFA_LONGEST_LOCK_MS;
}

static bool write_counters(struct pn_db_conn *tx, const struct attempt *a,
                           const struct counters *now, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE user_totps SET last_step = $step, failures = $failures,"
                     " locked_until_ms = $locked WHERE user_id = $user");

    pn_bind_int(q, "$step", now->last_step);
    pn_bind_int(q, "$failures", now->failures);
    pn_bind_int(q, "$locked", now->locked_until_ms);
    pn_bind_uuid(q, "$user", a->call->actor.id);
    return pn_query_run(q, NULL, err);
}

static bool note(struct pn_db_conn *tx, const struct attempt *a, const char *event,
                 struct pn_err *err)
{
    return pn_trail_write(
        tx, a->call,
        &(struct pn_trail){ .type = event,
                            .fields = { { "method", a->is_recovery ? PN_LIT("recovery-code")
                                                                   : PN_LIT(PN_MFA_METHOD) } } },
        err);
}

static bool count_failure(struct pn_db_conn *tx, struct attempt *a, struct counters now,
                          struct pn_err *err)
{
    a->outcome = WRONG;
    now.failures++;
    if (now.failures % PN_MFA_MAX_FAILURES == 0)
        now.locked_until_ms = a->call->now_ms + lock_ms(now.failures);
    return write_counters(tx, a, &now, err) && note(tx, a, "user-mfa-failed", err);
}

/* Commits whatever comes of it: a failure counts. In the writer, so that of two at once one is the second. */
static bool try_code(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct attempt *a = context;
    struct counters now;
    bool good;

    pn_db_touch(tx, a->call->actor.id);
    if (!read_counters(tx, a, &now, err))
        return false;
    a->locked_until_ms = now.locked_until_ms;
    a->outcome = LOCKED;
    if (now.locked_until_ms > a->call->now_ms)
        return note(tx, a, "user-mfa-failed", err);
    if (!is_good(tx, a, &now, &good, err))
        return false;
    if (!good)
        return count_failure(tx, a, now, err);
    a->outcome = SHOWN;
    return write_counters(
               tx, a, &(struct counters){ .last_step = a->is_recovery ? now.last_step : a->step },
               err) &&
           mark_session(tx, a->call, err) && note(tx, a, "user-mfa-verified", err);
}

static bool answer(struct pn_call *call, const struct attempt *a, struct pn_str *token,
                   struct pn_err *err)
{
    bool needs_mfa;

    switch (a->outcome) {
    case WRONG:
        (void)pn_fail(err, PN_FORBIDDEN, "Invalid code");
        err->reason = "mfa_invalid";
        return false;
    case LOCKED:
        (void)pn_fail(
            err, PN_FORBIDDEN,
            "Too many wrong codes: the second factor is locked. Try again in %lld seconds",
            (long long)((a->locked_until_ms - call->now_ms + 999) / 1000));
        err->reason = "mfa_expired";
        return false;
    case SHOWN: break;
    }
    call->actor.kind = PN_ACTOR_USER;
    return pn_login_select_org(call, call->actor.org_id, token, &needs_mfa, err);
}

static bool show(struct pn_call *call, struct attempt *a, struct pn_str code, struct pn_str *token,
                 struct pn_err *err)
{
    struct stored stored;

    if (!find(call, call->actor.id, &stored, err))
        return false;
    if (!stored.is_verified)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Your organization asks for a second factor: register an authenticator app"
                       " first");
    a->call = call;
    a->sealed = stored.sealed;
    a->step = -1;
    if (!a->is_recovery && !find_step(call, &stored, code, &a->step, err))
        return false;
    if (a->is_recovery)
        a->mac = mac_of(call, call->actor.id, code);
    return pn_db_write(call->db, try_code, a, err) && answer(call, a, token, err);
}

bool pn_mfa_verify(struct pn_call *call, struct pn_str code, struct pn_str *token,
                   struct pn_err *err)
{
    struct attempt a = { 0 };

    return show(call, &a, code, token, err);
}

bool pn_mfa_recover(struct pn_call *call, struct pn_str code, struct pn_str *token,
                    struct pn_err *err)
{
    struct attempt a = { .is_recovery = true };

    return show(call, &a, code, token, err);
}
