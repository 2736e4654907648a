/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/universal.h"

#include "core/trail.h"
#include "crypto/keyring.h"

#include <stdio.h>

#define USE_NOTED_MS 10000 /* uses of a secret without a limit are counted no finer */
#define EVERYWHERE "*"
#define MAX_SOURCE_BYTES 64

#define WRONG "Invalid credentials"
#define LOCKED "This identity auth method is temporarily locked, please try again later"

struct attempt {
    struct pn_call *call;
    char source[MAX_SOURCE_BYTES];
    struct pn_uuid auth_id, identity_id, org_id;
    struct pn_str identity_name;
    struct pn_str secret_ips;
    struct pn_token_terms terms;
    bool has_lockout, has_failures, is_locked, is_recorded;
    int64_t threshold, duration_s, reset_s;

    struct pn_uuid secret_id; /* zero: none of that value */
    int64_t secret_limit, secret_uses, secret_ttl_s, secret_created_ms;
    struct pn_token_issue issue;
};

static bool find_auth(struct attempt *a, struct pn_uuid client_id, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        a->call->conn,
        "SELECT a.id, a.identity_id, a.ttl_s, a.max_ttl_s, a.period_s, a.uses_limit, a.trusted_ips,"
        " i.org_id, i.name, u.secret_trusted_ips, u.lockout_enabled, u.lockout_threshold,"
        " u.lockout_duration_s, u.lockout_reset_s FROM universal_auths u"
        " JOIN identity_auths a ON a.id = u.auth_id JOIN identities i ON i.id = a.identity_id"
        " WHERE u.client_id = $client");
    struct pn_arena *arena = a->call->arena;

    pn_bind_uuid(q, "$client", client_id);
    if (pn_query_next(q)) {
        a->auth_id = pn_column_uuid(q, 0);
        a->identity_id = pn_column_uuid(q, 1);
        a->terms = (struct pn_token_terms){ .accessTokenTTL = pn_column_int(q, 2),
                                            .accessTokenMaxTTL = pn_column_int(q, 3),
                                            .accessTokenPeriod = pn_column_int(q, 4),
                                            .accessTokenNumUsesLimit = pn_column_int(q, 5),
                                            .accessTokenTrustedIps = pn_column_str(q, 6, arena) };
        a->org_id = pn_column_uuid(q, 7);
        a->identity_name = pn_column_str(q, 8, arena);
        a->secret_ips = pn_column_str(q, 9, arena);
        a->has_lockout = pn_column_int(q, 10) != 0;
        a->threshold = pn_column_int(q, 11);
        a->duration_s = pn_column_int(q, 12);
        a->reset_s = pn_column_int(q, 13);
    }
    if (!pn_query_end(q, err))
        return false;
    return !pn_uuid_is_zero(a->auth_id) || pn_fail(err, PN_UNAUTHENTICATED, WRONG);
}

/* ---- failures ---- */

/* Whose failures count together: an IPv4 address, or the network an IPv6 host can choose from. */
static void name_source(struct attempt *a)
{
    static const struct pn_net mapped = { .first.bytes = { [10] = 0xff, [11] = 0xff }, .bits = 96 };
    struct pn_str text = pn_str_slice(a->call->ip, 0, MAX_SOURCE_BYTES - 1);
    struct pn_ip ip;

    if (pn_ip_parse(a->call->ip, &ip) && !pn_net_has(&mapped, &ip)) {
        snprintf(a->source, sizeof(a->source), "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64",
                 ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3], ip.bytes[4], ip.bytes[5],
                 ip.bytes[6], ip.bytes[7]);
        return;
    }
    snprintf(a->source, sizeof(a->source), "%.*s", PN_ARG(text));
}

static bool find_failures(struct attempt *a, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(a->call->conn, "SELECT locked_until_ms FROM auth_lockouts WHERE auth_id = $auth"
                                " AND (source = $source OR source = '" EVERYWHERE "')");

    pn_bind_uuid(q, "$auth", a->auth_id);
    pn_bind_str(q, "$source", pn_str_from(a->source));
    while (pn_query_next(q)) {
        a->has_failures = true;
        a->is_locked = a->is_locked || pn_column_int(q, 0) > a->call->now_ms;
    }
    return pn_query_end(q, err);
}

/* A failure begins the window anew; after a quiet window it begins a new count. */
static bool count_one(struct pn_db_conn *tx, const struct attempt *a, const char *source,
                      int64_t threshold, struct pn_err *err)
{
    int64_t now_ms = a->call->now_ms;
    struct pn_query *q = pn_query(
        tx, "INSERT INTO auth_lockouts (auth_id, source, failures, locked_until_ms, expires_ms)"
            " VALUES ($auth, $source, 1, CASE WHEN 1 >= $most THEN $locked ELSE 0 END,"
            " CASE WHEN 1 >= $most THEN $locked ELSE $reset END)"
            " ON CONFLICT (auth_id, source) DO UPDATE SET"
            " failures = CASE WHEN auth_lockouts.expires_ms <= $now THEN 1"
            " ELSE auth_lockouts.failures + 1 END,"
            " locked_until_ms = CASE WHEN auth_lockouts.expires_ms <= $now THEN"
            " excluded.locked_until_ms WHEN auth_lockouts.failures + 1 >= $most THEN $locked"
            " ELSE 0 END,"
            " expires_ms = CASE WHEN auth_lockouts.expires_ms <= $now THEN excluded.expires_ms"
            " WHEN auth_lockouts.failures + 1 >= $most THEN $locked ELSE $reset END");

    pn_bind_uuid(q, "$auth", a->auth_id);
    pn_bind_str(q, "$source", pn_str_from(source));
    pn_bind_int(q, "$most", threshold);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_int(q, "$locked", now_ms + a->duration_s * 1000);
    pn_bind_int(q, "$reset", now_ms + a->reset_s * 1000);
    return pn_query_run(q, NULL, err);
}

static bool count_failure(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;
    const struct pn_uuid_text identity = pn_uuid_format(a->identity_id);

    if (a->has_lockout && (!count_one(tx, a, a->source, a->threshold, err) ||
                           !count_one(tx, a, EVERYWHERE, a->threshold * PN_LOCKOUT_GLOBAL, err)))
        return false;
    return pn_trail_write(
        tx, a->call,
        &(struct pn_trail){ .type = "login-identity-universal-auth-failed",
                            .org_id = a->org_id,
                            .fields = { { "identityId", pn_str_from(identity.text) } } },
        err);
}

static bool refuse_wrong(struct attempt *a, struct pn_err *err)
{
    a->is_recorded = true;
    return pn_db_write(a->call->db, count_failure, a, err) &&
           pn_fail(err, PN_UNAUTHENTICATED, WRONG);
}

/* ---- the secret ---- */

static bool find_secret(struct attempt *a, const struct pn_secret *secret, struct pn_err *err)
{
    uint8_t mac[PN_CLIENT_SECRET_MAC_BYTES];
    struct pn_query *q =
        pn_query(a->call->conn, "SELECT s.id, s.uses_limit, s.ttl_s, s.created_ms, u.uses FROM"
                                " client_secrets s JOIN client_secret_uses u ON u.secret_id = s.id"
                                " WHERE s.auth_id = $auth AND s.hash = $hash AND s.is_revoked = 0");

    pn_client_secret_mac(a->call->keyring, pn_str_trim(pn_secret_reveal(secret)), mac);
    pn_bind_uuid(q, "$auth", a->auth_id);
    pn_bind_bytes(q, "$hash", pn_str_of(mac, sizeof(mac)));
    if (pn_query_next(q)) {
        a->secret_id = pn_column_uuid(q, 0);
        a->secret_limit = pn_column_int(q, 1);
        a->secret_ttl_s = pn_column_int(q, 2);
        a->secret_created_ms = pn_column_int(q, 3);
        a->secret_uses = pn_column_int(q, 4);
    }
    return pn_query_end(q, err);
}

/* A secret that is over is revoked by whoever finds out. The lock is gone: the secret was right. */
static bool retire_secret(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;
    const struct pn_uuid_text identity = pn_uuid_format(a->identity_id),
                              secret = pn_uuid_format(a->secret_id);
    struct pn_query *q =
        pn_query(tx, "UPDATE client_secrets SET is_revoked = 1, updated_ms = $now WHERE id = $id");

    pn_db_touch(tx, a->identity_id);
    pn_bind_int(q, "$now", a->call->now_ms);
    pn_bind_uuid(q, "$id", a->secret_id);
    if (!pn_query_run(q, NULL, err))
        return false;
    return pn_trail_write(
        tx, a->call,
        &(struct pn_trail){ .type = "revoke-identity-universal-auth-client-secret",
                            .org_id = a->org_id,
                            .fields = { { "identityId", pn_str_from(identity.text) },
                                        { "clientSecretId", pn_str_from(secret.text) } } },
        err);
}

static bool refuse_over(struct attempt *a, const char *why, struct pn_err *err)
{
    return pn_db_write(a->call->db, retire_secret, a, err) &&
           pn_fail(err, PN_UNAUTHENTICATED, "Access denied due to %s", why);
}

static bool check_secret(struct attempt *a, struct pn_err *err)
{
    if (pn_uuid_is_zero(a->secret_id))
        return refuse_wrong(a, err);
    if (a->secret_ttl_s > 0 && a->secret_created_ms + a->secret_ttl_s * 1000 <= a->call->now_ms)
        return refuse_over(a, "expired client secret", err);
    if (a->secret_limit > 0 && a->secret_uses >= a->secret_limit)
        return refuse_over(a, "client secret usage limit reached", err);
    return true;
}

/* ---- success ---- */

static bool use_secret(struct pn_db_conn *tx, const struct attempt *a, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE client_secret_uses SET uses = uses + 1, last_used_ms = $now"
                     " WHERE secret_id = $secret AND ($limit = 0 OR uses < $limit)"
                     " AND ($limit > 0 OR last_used_ms IS NULL OR last_used_ms <= $before)");
    int64_t changed;

    pn_bind_int(q, "$now", a->call->now_ms);
    pn_bind_uuid(q, "$secret", a->secret_id);
    pn_bind_int(q, "$limit", a->secret_limit);
    pn_bind_int(q, "$before", a->call->now_ms - USE_NOTED_MS);
    if (!pn_query_run(q, &changed, err))
        return false;
    return changed == 1 || a->secret_limit == 0 ||
           pn_fail(err, PN_UNAUTHENTICATED,
                   "Access denied due to client secret usage limit reached");
}

static bool write_login(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct attempt *a = context;

    if (a->has_failures) {
        struct pn_query *q = pn_query(tx, "DELETE FROM auth_lockouts WHERE auth_id = $auth AND"
                                          " (source = $source OR source = '" EVERYWHERE "')");

        pn_bind_uuid(q, "$auth", a->auth_id);
        pn_bind_str(q, "$source", pn_str_from(a->source));
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return use_secret(tx, a, err) && pn_token_issue_write(tx, &a->issue, err);
}

static void prepare_issue(struct attempt *a)
{
    const struct pn_uuid_text auth = pn_uuid_format(a->auth_id),
                              secret = pn_uuid_format(a->secret_id);

    a->issue = (struct pn_token_issue){
        .call = a->call,
        .who = { .identity_id = a->identity_id,
                 .org_id = a->org_id,
                 .identity_name = a->identity_name,
                 .method = PN_UNIVERSAL_AUTH,
                 .auth_id = a->auth_id,
                 .client_secret_id = a->secret_id },
        .terms = a->terms,
        .event = "login-identity-universal-auth",
        .metadata = pn_arena_printf(
            a->call->arena, "{\"identityUniversalAuthId\":\"%s\",\"clientSecretId\":\"%s\"}",
            auth.text, secret.text),
    };
}

static bool check_address(struct attempt *a, struct pn_err *err)
{
    struct pn_nets nets;

    return pn_trusted_ips_read(a->call->arena, a->secret_ips, &nets, err) &&
           pn_trusted_ips_check(&nets, a->call->ip, err);
}

static bool check_lock(struct attempt *a, struct pn_err *err)
{
    if (!find_failures(a, err))
        return false;
    return !a->has_lockout || !a->is_locked || pn_fail(err, PN_UNAUTHENTICATED, LOCKED);
}

static bool check(struct attempt *a, const struct pn_secret *secret, struct pn_str slug,
                  struct pn_err *err)
{
    return check_address(a, err) && check_lock(a, err) && find_secret(a, secret, err) &&
           check_secret(a, err) && pn_auth_method_check_slug(a->call, a->org_id, slug, err);
}

static bool issue(struct attempt *a, struct pn_err *err)
{
    prepare_issue(a);
    return pn_token_issue_prepare(&a->issue, err) && pn_db_write(a->call->db, write_login, a, err);
}

bool pn_universal_auth_login(struct pn_call *call, struct pn_str client_id,
                             const struct pn_secret *client_secret, struct pn_str slug,
                             struct pn_grant *out, struct pn_err *err)
{
    struct attempt a = { .call = call };
    struct pn_uuid id;

    if (!pn_uuid_parse(client_id, &id))
        return pn_fail(err, PN_UNAUTHENTICATED, WRONG);
    name_source(&a);
    if (!find_auth(&a, id, err))
        return false;
    if (check(&a, client_secret, slug, err) && issue(&a, err)) {
        *out = a.issue.grant;
        return true;
    }
    if (!a.is_recorded)
        pn_auth_method_note_refusal(call, "login-identity-universal-auth-failed", a.org_id,
                                    a.identity_id, err);
    return false;
}
