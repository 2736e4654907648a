/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/access_token.h"

#include "core/audit/audit.h"
#include "core/auth/token.h"
#include "core/trail.h"
#include "crypto/random.h"
#include "json/writer.h"

#define MAX_METADATA_BYTES ((size_t)16 << 10)
#define LOGIN_NOTED_MS 10000 /* the last login is no finer than this */
#define FAR INT64_MAX

/* ---- terms ---- */

struct pn_token_terms pn_token_terms_default(void)
{
    return (struct pn_token_terms){ .accessTokenTTL = PN_TOKEN_DEFAULT_TTL_S,
                                    .accessTokenMaxTTL = PN_TOKEN_DEFAULT_TTL_S,
                                    .accessTokenTrustedIps = PN_LIT(PN_TRUSTED_IPS_ANY) };
}

static bool refuse_ttl(const struct pn_token_terms_in *in, bool is_new, struct pn_err *err)
{
    if (!is_new && !(in->has_ttl && in->has_max_ttl))
        return pn_fail(err, PN_BAD_REQUEST, "Access token TTL cannot be greater than max TTL");
    (void)pn_fail(err, PN_VALIDATION,
                  "Access Token TTL cannot be greater than Access Token Max TTL.");
    err->details = PN_LIT("[{\"code\":\"custom\",\"path\":[\"accessTokenTTL\"],\"message\":"
                          "\"Access Token TTL cannot be greater than Access Token Max TTL.\"}]");
    return false;
}

bool pn_token_terms_apply(struct pn_arena *arena, const struct pn_token_terms_in *in, bool is_new,
                          struct pn_token_terms *terms, struct pn_err *err)
{
    if (in->has_ttl)
        terms->accessTokenTTL = in->accessTokenTTL;
    if (in->has_max_ttl)
        terms->accessTokenMaxTTL = in->accessTokenMaxTTL;
    if (in->has_period)
        terms->accessTokenPeriod = in->accessTokenPeriod;
    if (in->has_uses)
        terms->accessTokenNumUsesLimit = in->accessTokenNumUsesLimit;
    if (terms->accessTokenMaxTTL > 0 && terms->accessTokenTTL > terms->accessTokenMaxTTL)
        return refuse_ttl(in, is_new, err);
    return !in->has_ips || pn_trusted_ips_normalize(arena, in->accessTokenTrustedIps,
                                                    &terms->accessTokenTrustedIps, err);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t pn_token_ttl(const struct pn_token_terms *terms, int64_t elapsed_s)
{
    bool is_periodic = terms->accessTokenPeriod > 0;
    int64_t requested = is_periodic ? terms->accessTokenPeriod : terms->accessTokenTTL;
    int64_t max = is_periodic ? 0 : terms->accessTokenMaxTTL;

    return least(least(requested > 0 ? requested : FAR, max > 0 ? max - elapsed_s : FAR),
                 PN_TOKEN_MAX_AGE_S);
}

static int64_t shown_max_ttl(const struct pn_token_terms *terms)
{
    return terms->accessTokenPeriod > 0 || terms->accessTokenMaxTTL == 0 ? PN_TOKEN_NO_MAX_TTL
                                                                         : terms->accessTokenMaxTTL;
}

/* ---- issuing ---- */

static bool sign(struct pn_call *call, const struct pn_token_for *who,
                 const struct pn_token_terms *terms, int64_t created_ms, int64_t expires_ms,
                 struct pn_grant *grant, struct pn_err *err)
{
    const struct pn_identity_claims claims = {
        .identity = who->identity_id,
        .org = who->org_id,
        .token = grant->token_id,
        .client_secret = who->client_secret_id,
        .identity_name = who->identity_name,
        .identity_auth = who->identity_auth,
        .method = pn_str_from(who->method),
        .ttl_s = terms->accessTokenTTL,
        .max_ttl_s = terms->accessTokenMaxTTL,
        .period_s = terms->accessTokenPeriod,
        .uses_limit = terms->accessTokenNumUsesLimit,
        .has_ip_restriction = !pn_str_is(terms->accessTokenTrustedIps, PN_TRUSTED_IPS_ANY),
        .created_ms = created_ms,
        .expires_ms = expires_ms,
    };

    return pn_token_for_identity(call, &claims, &grant->accessToken, err);
}

bool pn_token_issue_prepare(struct pn_token_issue *issue, struct pn_err *err)
{
    struct pn_call *call = issue->call;
    int64_t ttl_s = pn_token_ttl(&issue->terms, 0);

    if (ttl_s <= 0)
        return pn_fail(err, PN_UNAUTHENTICATED, "The access token would have no time to live");
    issue->expires_ms = call->now_ms + ttl_s * 1000;
    issue->grant = (struct pn_grant){ .token_id = pn_random_uuid(),
                                      .expiresIn = ttl_s,
                                      .accessTokenMaxTTL = shown_max_ttl(&issue->terms) };
    return sign(call, &issue->who, &issue->terms, call->now_ms, issue->expires_ms, &issue->grant,
                err);
}

static bool insert_token(struct pn_db_conn *tx, const struct pn_token_issue *issue,
                         struct pn_err *err)
{
    const struct pn_token_for *who = &issue->who;
    struct pn_query *q = pn_query(
        tx, "INSERT INTO identity_tokens (id, identity_id, name, auth_method, auth_id,"
            " client_secret_id, ttl_s, max_ttl_s, period_s, uses_limit, created_ms, expires_ms)"
            " VALUES ($id, $identity, $name, $method, $auth, $secret, $ttl, $max_ttl, $period,"
            " $limit, $now, $expires)");

    pn_bind_uuid(q, "$id", issue->grant.token_id);
    pn_bind_uuid(q, "$identity", who->identity_id);
    pn_bind_str(q, "$name", who->name);
    pn_bind_str(q, "$method", pn_str_from(who->method));
    pn_bind_uuid(q, "$auth", who->auth_id);
    pn_bind_uuid(q, "$secret", who->client_secret_id);
    pn_bind_int(q, "$ttl", issue->terms.accessTokenTTL);
    pn_bind_int(q, "$max_ttl", issue->terms.accessTokenMaxTTL);
    pn_bind_int(q, "$period", issue->terms.accessTokenPeriod);
    pn_bind_int(q, "$limit", issue->terms.accessTokenNumUsesLimit);
    pn_bind_int(q, "$now", issue->call->now_ms);
    pn_bind_int(q, "$expires", issue->expires_ms);
    if (!pn_query_run(q, NULL, err))
        return false;
    if (issue->terms.accessTokenNumUsesLimit == 0)
        return true;
    q = pn_query(tx, "INSERT INTO identity_token_uses (token_id, uses) VALUES ($token, 0)");
    pn_bind_uuid(q, "$token", issue->grant.token_id);
    return pn_query_run(q, NULL, err);
}

/* What an administrator makes is no login. */
static bool note_login(struct pn_db_conn *tx, const struct pn_token_issue *issue,
                       struct pn_err *err)
{
    struct pn_query *q;

    if (issue->who.name.ptr != NULL)
        return true;
    q = pn_query(tx, "INSERT INTO identity_logins (identity_id, method, last_ms)"
                     " VALUES ($identity, $method, $now) ON CONFLICT (identity_id) DO UPDATE SET"
                     " method = $method, last_ms = $now WHERE identity_logins.last_ms <= $before"
                     " OR identity_logins.method <> $method");
    pn_bind_uuid(q, "$identity", issue->who.identity_id);
    pn_bind_str(q, "$method", pn_str_from(issue->who.method));
    pn_bind_int(q, "$now", issue->call->now_ms);
    pn_bind_int(q, "$before", issue->call->now_ms - LOGIN_NOTED_MS);
    return pn_query_run(q, NULL, err);
}

static bool record_issue(struct pn_db_conn *tx, const struct pn_token_issue *issue,
                         struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_METADATA_BYTES);
    struct pn_str more = pn_str_trim(issue->metadata);
    struct pn_call as = *issue->call;

    if (as.actor.kind == PN_ACTOR_NONE) /* a login: the identity is who acts */
        as.actor = (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                                      .id = issue->who.identity_id,
                                      .org_id = issue->who.org_id,
                                      .name = issue->who.identity_name };
    pn_buf_addf(&json, "{\"identityId\":\"%s\",\"identityAccessTokenId\":\"%s\"",
                pn_uuid_format(issue->who.identity_id).text,
                pn_uuid_format(issue->grant.token_id).text);
    if (more.len > 2) {
        pn_assert(more.ptr[0] == '{');
        pn_buf_add_byte(&json, ',');
        pn_buf_add(&json, pn_str_slice(more, 1, more.len));
    } else {
        pn_buf_add_byte(&json, '}');
    }
    pn_assert(!json.is_full);
    return pn_audit_write(tx, &as,
                          &(struct pn_audit_event){ .type = issue->event,
                                                    .org_id = issue->who.org_id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

bool pn_token_issue_write(struct pn_db_conn *tx, const struct pn_token_issue *issue,
                          struct pn_err *err)
{
    return insert_token(tx, issue, err) && note_login(tx, issue, err) &&
           record_issue(tx, issue, err);
}

static bool write_issue(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    return pn_token_issue_write(tx, context, err);
}

bool pn_access_token_issue(struct pn_call *call, const struct pn_token_for *who,
                           const struct pn_token_terms *terms, const char *event,
                           struct pn_str metadata, struct pn_grant *out, struct pn_err *err)
{
    struct pn_token_issue issue = {
        .call = call, .who = *who, .terms = *terms, .event = event, .metadata = metadata
    };

    if (!pn_token_issue_prepare(&issue, err) || !pn_db_write(call->db, write_issue, &issue, err))
        return false;
    *out = issue.grant;
    return true;
}

/* ---- the row behind a token ---- */

static const char find_sql[] =
    "SELECT i.name, i.org_id, i.role, i.is_instance_admin, t.id, t.name, t.auth_method, t.auth_id,"
    " t.client_secret_id, t.is_revoked, t.ttl_s, t.max_ttl_s, t.period_s, t.uses_limit,"
    " t.created_ms, t.expires_ms, t.renewed_ms, a.trusted_ips, s.is_revoked"
    " FROM identities i LEFT JOIN identity_tokens t ON t.id = $token AND t.identity_id = i.id"
    " LEFT JOIN identity_auths a ON a.id = t.auth_id"
    " LEFT JOIN client_secrets s ON s.id = t.client_secret_id WHERE i.id = $identity";

/* NULL while it lives: else what ended it, in the order of §11.6. */
static const char *death_of(struct pn_query *q, int64_t now_ms)
{
    if (pn_column_is_null(q, 4) || pn_column_int(q, 9) != 0)
        return "token has been revoked";
    if (pn_column_is_null(q, 17))
        return "auth method has been revoked";
    if (!pn_column_is_null(q, 8) && (pn_column_is_null(q, 18) || pn_column_int(q, 18) != 0))
        return "client secret has been revoked";
    if (pn_column_int(q, 15) != 0 && pn_column_int(q, 15) <= now_ms)
        return "token has expired";
    return NULL;
}

static struct pn_access_token read_token(struct pn_query *q, struct pn_uuid identity,
                                         struct pn_arena *arena)
{
    return (struct pn_access_token){
        .identity_name = pn_column_str(q, 0, arena),
        .org_id = pn_column_uuid(q, 1),
        .org_role = pn_column_str(q, 2, arena),
        .is_instance_admin = pn_column_int(q, 3) != 0,
        .id = pn_column_uuid(q, 4),
        .identityId = identity,
        .name = pn_column_str(q, 5, arena),
        .authMethod = pn_column_str(q, 6, arena),
        .auth_id = pn_column_uuid(q, 7),
        .client_secret_id = pn_column_uuid(q, 8),
        .terms = { .accessTokenTTL = pn_column_int(q, 10),
                   .accessTokenMaxTTL = pn_column_int(q, 11),
                   .accessTokenPeriod = pn_column_int(q, 12),
                   .accessTokenNumUsesLimit = pn_column_int(q, 13),
                   .accessTokenTrustedIps = pn_column_str(q, 17, arena) },
        .createdAt = pn_column_int(q, 14),
        .expires_ms = pn_column_int(q, 15),
        .accessTokenLastRenewedAt = pn_column_int(q, 16),
    };
}

bool pn_access_token_find(struct pn_call *call, struct pn_uuid identity, struct pn_uuid token,
                          const char *verb, struct pn_access_token *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, find_sql);
    const char *death = "identity tokens have been revoked";

    pn_bind_uuid(q, "$token", token);
    pn_bind_uuid(q, "$identity", identity);
    if (pn_query_next(q)) {
        death = death_of(q, call->now_ms);
        if (death == NULL)
            *out = read_token(q, identity, call->arena);
    }
    if (!pn_query_end(q, err))
        return false;
    return death == NULL || pn_fail(err, PN_UNAUTHENTICATED, "%s: %s", verb, death);
}

struct pn_actor pn_access_token_actor(const struct pn_access_token *token)
{
    return (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                              .id = token->identityId,
                              .org_id = token->org_id,
                              .token_id = token->id,
                              .name = token->identity_name,
                              .org_role = token->org_role,
                              .is_super_admin = token->is_instance_admin };
}

/* ---- uses ---- */

struct use {
    struct pn_uuid token;
    int64_t limit, now_ms;
};

static bool count_use(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct use *use = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE identity_token_uses SET uses = uses + 1, last_used_ms = $now"
                     " WHERE token_id = $token AND uses < $limit");
    int64_t changed;

    pn_bind_int(q, "$now", use->now_ms);
    pn_bind_uuid(q, "$token", use->token);
    pn_bind_int(q, "$limit", use->limit);
    if (!pn_query_run(q, &changed, err))
        return false;
    return changed == 1 ||
           pn_fail(err, PN_UNAUTHENTICATED, "Failed to authorize: token usage limit reached");
}

bool pn_access_token_use(struct pn_call *call, struct pn_uuid token, int64_t limit,
                         struct pn_err *err)
{
    struct use use = { .token = token, .limit = limit, .now_ms = call->now_ms };

    return pn_db_may_wait(call->conn, err) && pn_db_write(call->db, count_use, &use, err);
}

/* ---- renewing and revoking ---- */

/* Who presents a token in a body: its signature and kind are checked like a bearer's. */
static bool read_presented(struct pn_call *call, struct pn_str jwt, struct pn_token_claims *out,
                           struct pn_err *err)
{
    if (!pn_token_read(call, jwt, out, err)) {
        if (err->code != PN_TOKEN)
            return false;
        (void)pn_recast(err, PN_UNAUTHENTICATED, "%s",
                        pn_arena_printf(call->arena, "%s", err->message).ptr);
        return pn_err_named(err, "TokenError");
    }
    return out->kind == PN_ACTOR_IDENTITY ||
           pn_fail(err, PN_BAD_REQUEST, "Token is not an identity access token");
}

static bool has_uses_left(struct pn_call *call, const struct pn_access_token *token,
                          struct pn_err *err)
{
    struct pn_query *q;
    int64_t uses = 0;

    if (token->terms.accessTokenNumUsesLimit == 0)
        return true;
    q = pn_query(call->conn, "SELECT uses FROM identity_token_uses WHERE token_id = $token");
    pn_bind_uuid(q, "$token", token->id);
    if (pn_query_next(q))
        uses = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return uses < token->terms.accessTokenNumUsesLimit ||
           pn_fail(err, PN_UNAUTHENTICATED, "Cannot renew exhausted access token");
}

struct change {
    const struct pn_call *call; /* its actor is the token's identity */
    int64_t expires_ms;
};

static bool record(struct pn_db_conn *tx, const struct change *c, const char *event,
                   struct pn_err *err)
{
    const struct pn_actor *actor = &c->call->actor;
    const struct pn_uuid_text identity = pn_uuid_format(actor->id),
                              token = pn_uuid_format(actor->token_id);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = event,
                            .fields = { { "identityId", pn_str_from(identity.text) },
                                        { "identityAccessTokenId", pn_str_from(token.text) } } },
        err);
}

/* The row keeps the latest end; each signed copy carries its own. */
static bool write_renewal(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(
        tx, "UPDATE identity_tokens SET renewed_ms = $now, expires_ms = CASE WHEN expires_ms > 0"
            " AND expires_ms < $expires THEN $expires ELSE expires_ms END"
            " WHERE id = $id AND is_revoked = 0");
    int64_t changed;

    pn_db_touch(tx, c->call->actor.id);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_int(q, "$expires", c->expires_ms);
    pn_bind_uuid(q, "$id", c->call->actor.token_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0) /* between the check and now */
        return pn_fail(err, PN_UNAUTHENTICATED, "Cannot renew: token has been revoked");
    return record(tx, c, "renew-identity-access-token", err);
}

bool pn_access_token_renew(struct pn_call *call, struct pn_str jwt, struct pn_grant *out,
                           struct pn_err *err)
{
    struct change c = { .call = call };
    struct pn_token_claims claims;
    struct pn_access_token token;
    int64_t ttl_s;

    if (!read_presented(call, jwt, &claims, err) ||
        !pn_access_token_find(call, claims.id, claims.token_id, "Cannot renew", &token, err) ||
        !has_uses_left(call, &token, err))
        return false;
    ttl_s = pn_token_ttl(&token.terms, (call->now_ms - token.createdAt + 999) / 1000);
    if (ttl_s <= 0)
        return pn_fail(err, PN_UNAUTHENTICATED,
                       "Cannot renew: identity access token has reached its max TTL");
    c.expires_ms = call->now_ms + ttl_s * 1000;
    call->actor = pn_access_token_actor(&token);
    *out = (struct pn_grant){ .token_id = token.id,
                              .expiresIn = ttl_s,
                              .accessTokenMaxTTL = shown_max_ttl(&token.terms) };
    if (!pn_db_write(call->db, write_renewal, &c, err))
        return false;
    return sign(call,
                &(struct pn_token_for){ .identity_id = token.identityId,
                                        .org_id = token.org_id,
                                        .identity_name = token.identity_name,
                                        .identity_auth = claims.identity_auth,
                                        .method = pn_cstr(call->arena, token.authMethod),
                                        .client_secret_id = token.client_secret_id },
                &token.terms, token.createdAt, c.expires_ms, out, err);
}

bool pn_access_token_end(struct pn_db_conn *tx, struct pn_uuid identity, struct pn_uuid token,
                         int64_t now_ms, bool *was_alive, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE identity_tokens SET is_revoked = 1, expires_ms = CASE WHEN expires_ms = 0"
            " OR expires_ms > $now THEN $now ELSE expires_ms END"
            " WHERE id = $id AND identity_id = $identity AND is_revoked = 0");
    int64_t changed;

    pn_db_touch(tx, identity);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_uuid(q, "$id", token);
    pn_bind_uuid(q, "$identity", identity);
    if (!pn_query_run(q, &changed, err))
        return false;
    *was_alive = changed > 0;
    return true;
}

static bool write_end(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_actor *actor = &c->call->actor;
    bool was_alive;

    if (!pn_access_token_end(tx, actor->id, actor->token_id, c->call->now_ms, &was_alive, err))
        return false;
    return !was_alive || record(tx, c, "revoke-identity-access-token", err);
}

bool pn_access_token_revoke(struct pn_call *call, struct pn_str jwt, struct pn_err *err)
{
    struct change c = { .call = call };
    struct pn_token_claims claims;

    if (!read_presented(call, jwt, &claims, err))
        return false;
    call->actor = (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                                     .id = claims.id,
                                     .org_id = claims.org_id,
                                     .token_id = claims.token_id,
                                     .name = claims.identity_name };
    return pn_db_write(call->db, write_end, &c, err);
}
