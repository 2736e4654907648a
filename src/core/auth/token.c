/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/token.h"

#include "base/encode.h"
#include "core/auth/access_token.h"
#include "core/auth/project_token.h"
#include "core/auth/token_cache.h"
#include "crypto/keyring.h"
#include "db/cache.h"
#include "json/shape.h"
#include "json/writer.h"

#include <string.h>

#define MAX_CLAIMS_BYTES ((size_t)4096)

#define USER_TOKEN "accessToken"
#define REFRESH_TOKEN "refreshToken"
#define MFA_TOKEN "mfaToken"
#define IDENTITY_TOKEN "identityAccessToken"
#define GATEWAY_TOKEN "gatewayAccessToken"
#define RELAY_TOKEN "relayAccessToken"

static const char revoked[] = "This token is no longer valid. Please log in again.";
static const char expired[] = "Your token has expired. Please re-authenticate.";

/* Claims of all kinds; a kind reads its own. Signed by us, so their form is ours. */
struct claims {
    struct pn_str authTokenType;
    struct pn_uuid userId, tokenVersionId, organizationId;
    struct pn_uuid identityId, identityAccessTokenId;
    struct pn_uuid gatewayId, relayId, orgId;
    struct pn_str identityName, identityAuth;
    int64_t accessVersion, exp;
};
static const struct pn_field claims_fields[] = {
    PN_FIELD(claims, authTokenType, STRING, .required = true, .max = 64),
    PN_FIELD(claims, userId, UUID),
    PN_FIELD(claims, tokenVersionId, UUID),
    PN_FIELD(claims, organizationId, UUID),
    PN_FIELD(claims, identityId, UUID),
    PN_FIELD(claims, identityAccessTokenId, UUID),
    PN_FIELD(claims, gatewayId, UUID),
    PN_FIELD(claims, relayId, UUID),
    PN_FIELD(claims, orgId, UUID),
    PN_FIELD(claims, identityName, STRING),
    PN_FIELD(claims, identityAuth, RAW),
    PN_FIELD(claims, accessVersion, INT),
    PN_FIELD(claims, exp, INT),
};

/* Of two ends, 0 being none. */
static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* In an organisation, who has a second factor or must have one has shown it in this session. */
static bool find_user(struct pn_call *call, const struct pn_token_claims *c,
                      struct pn_token_facts *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT u.email, u.is_super_admin, m.role, s.expires_ms, s.is_mfa_verified,"
        " u.is_mfa_enabled, o.enforce_mfa FROM login_sessions s JOIN users u ON u.id = s.user_id"
        " LEFT JOIN org_members m ON m.user_id = u.id AND m.org_id = $org AND m.status = 'accepted'"
        " AND m.is_active = 1 LEFT JOIN orgs o ON o.id = m.org_id"
        " WHERE s.id = $session AND s.user_id = $user AND s.version = $version AND s.is_revoked = 0"
        " AND s.expires_ms > $now");
    bool is_found, is_member = false, lacks_mfa = false;

    pn_bind_uuid(q, "$org", c->org_id);
    pn_bind_uuid(q, "$session", c->token_id);
    pn_bind_uuid(q, "$user", c->id);
    pn_bind_int(q, "$version", c->version);
    pn_bind_int(q, "$now", call->now_ms);
    is_found = pn_query_next(q);
    if (is_found) {
        is_member = !pn_column_is_null(q, 2);
        lacks_mfa = is_member && pn_column_int(q, 4) == 0 &&
                    (pn_column_int(q, 5) != 0 || pn_column_int(q, 6) != 0);
        out->actor = (struct pn_actor){ .kind = c->kind,
                                        .id = c->id,
                                        .org_id = c->org_id,
                                        .token_id = c->token_id,
                                        .name = pn_column_str(q, 0, call->arena),
                                        .org_role = pn_column_str(q, 2, call->arena),
                                        .is_super_admin = pn_column_int(q, 1) != 0 };
        out->expires_ms = earlier(c->expires_ms, pn_column_int(q, 3));
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_UNAUTHENTICATED, "%s", revoked);
    if (!pn_uuid_is_zero(c->org_id) && !is_member)
        return pn_fail(err, PN_FORBIDDEN, "You are not a member of this organization");
    if (lacks_mfa && c->kind == PN_ACTOR_USER)
        return pn_fail(err, PN_UNAUTHENTICATED, "A second factor is needed. Please log in again.");
    return true;
}

static bool find_identity(struct pn_call *call, const struct pn_token_claims *c,
                          struct pn_token_facts *out, struct pn_err *err)
{
    struct pn_access_token token;

    if (!pn_access_token_find(call, c->id, c->token_id, "Failed to authorize", &token, err))
        return false;
    out->actor = pn_access_token_actor(&token);
    out->expires_ms = earlier(c->expires_ms, token.expires_ms);
    out->uses_limit = token.terms.accessTokenNumUsesLimit;
    return pn_trusted_ips_read(call->arena, token.terms.accessTokenTrustedIps, &out->nets, err);
}

/* Gateways and relays: the version in the claims must be the row's, so one UPDATE revokes all tokens. */
static bool find_machine(struct pn_call *call, const char *sql, const struct pn_token_claims *c,
                         struct pn_token_facts *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, sql);
    bool is_found;

    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->org_id);
    pn_bind_int(q, "$version", c->version);
    is_found = pn_query_next(q);
    if (is_found)
        out->actor = (struct pn_actor){ .kind = c->kind,
                                        .id = c->id,
                                        .org_id = c->org_id,
                                        .name = pn_column_str(q, 0, call->arena) };
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_UNAUTHENTICATED, "This token has been revoked. Enroll again.");
}

static bool find_gateway(struct pn_call *call, const struct pn_token_claims *c,
                         struct pn_token_facts *out, struct pn_err *err)
{
    return find_machine(
        call,
        "SELECT name FROM gateways WHERE id = $id AND org_id = $org AND token_version = $version",
        c, out, err);
}

static bool find_relay(struct pn_call *call, const struct pn_token_claims *c,
                       struct pn_token_facts *out, struct pn_err *err)
{
    return find_machine(
        call,
        "SELECT name FROM relays WHERE id = $id AND org_id = $org AND token_version = $version", c,
        out, err);
}

static const struct kind {
    const char *type;
    enum pn_actor_kind kind;
    size_t id, org, token; /* which of the claims */
    bool (*find)(struct pn_call *call, const struct pn_token_claims *claims,
                 struct pn_token_facts *out, struct pn_err *err);
} kinds[] = {
#define AT(member) offsetof(struct claims, member)
    { USER_TOKEN, PN_ACTOR_USER, AT(userId), AT(organizationId), AT(tokenVersionId), find_user },
    { MFA_TOKEN, PN_ACTOR_MFA, AT(userId), AT(organizationId), AT(tokenVersionId), find_user },
    { IDENTITY_TOKEN, PN_ACTOR_IDENTITY, AT(identityId), AT(orgId), AT(identityAccessTokenId),
      find_identity },
    { GATEWAY_TOKEN, PN_ACTOR_GATEWAY, AT(gatewayId), AT(orgId), AT(identityAccessTokenId),
      find_gateway },
    { RELAY_TOKEN, PN_ACTOR_RELAY, AT(relayId), AT(orgId), AT(identityAccessTokenId), find_relay },
};

static const struct kind *kind_of(struct pn_str type)
{
    for (size_t i = 0; i < PN_COUNT(kinds); i++) {
        if (pn_str_is(type, kinds[i].type))
            return &kinds[i];
    }
    return NULL;
}

/* Clients of machine identities log in again on 401 only (D4). */
static bool as_identity_token(struct pn_err *err)
{
    char message[sizeof(err->message)];

    memcpy(message, err->message, sizeof(message));
    (void)pn_recast(err, PN_UNAUTHENTICATED, "%s", message);
    return pn_err_named(err, "TokenError");
}

/* Whether what we did not sign says that it is one: decides the status of the refusal, nothing else. */
static bool claims_identity(struct pn_str token)
{
    pn_auto(pn_buf_drop) struct pn_buf payload = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);
    struct pn_str piece = PN_NONE;

    return token.len <= PN_TOKEN_MAX_BYTES && pn_str_cut(&token, '.', &piece) &&
           pn_str_cut(&token, '.', &piece) && pn_base64url_decode(piece, &payload) &&
           pn_str_search(pn_buf_str(&payload), PN_LIT("\"" IDENTITY_TOKEN "\"")) >= 0;
}

static bool verify(struct pn_call *call, struct pn_str token, struct claims *out,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);

    if (!pn_keyring_verify(call->keyring, token, &json, err))
        return claims_identity(token) ? as_identity_token(err) : false;
    if (!pn_shape_parse(PN_SHAPE(claims), call->arena, pn_buf_str(&json), out, err))
        return pn_recast(
            err, PN_TOKEN,
            "The provided access token is malformed. Please use a valid token or generate a"
            " new one and try again.");
    if (out->exp == 0 || out->exp * 1000 > call->now_ms)
        return true;
    (void)pn_fail(err, PN_TOKEN, "%s", expired);
    if (pn_str_is(out->authTokenType, MFA_TOKEN))
        err->reason = "mfa_expired";
    return pn_str_is(out->authTokenType, IDENTITY_TOKEN) ? as_identity_token(err) : false;
}

static struct pn_uuid claim(const struct claims *c, size_t offset)
{
    return *(const struct pn_uuid *)(const void *)((const char *)c + offset);
}

bool pn_token_read(struct pn_call *call, struct pn_str bearer, struct pn_token_claims *out,
                   struct pn_err *err)
{
    const struct kind *kind;
    struct claims c = { .exp = 0 };

    if (bearer.len == 0)
        return pn_fail(err, PN_UNAUTHENTICATED, "Token missing");
    if (!verify(call, bearer, &c, err))
        return false;
    kind = kind_of(c.authTokenType);
    if (kind == NULL)
        return pn_fail(err, PN_TOKEN, "This kind of token is not accepted here");
    *out = (struct pn_token_claims){ .kind = kind->kind,
                                     .id = claim(&c, kind->id),
                                     .org_id = claim(&c, kind->org),
                                     .token_id = claim(&c, kind->token),
                                     .version = c.accessVersion,
                                     .expires_ms = c.exp * 1000,
                                     .identity_name = c.identityName,
                                     .identity_auth = c.identityAuth };
    if (kind->kind == PN_ACTOR_IDENTITY &&
        (pn_uuid_is_zero(out->id) || pn_uuid_is_zero(out->token_id)))
        return pn_fail(err, PN_UNAUTHENTICATED,
                       "Invalid identity access token claims, please re-authenticate");
    return true;
}

bool pn_token_read_refresh(struct pn_call *call, struct pn_str token, struct pn_token_claims *out,
                           struct pn_actor *actor, struct pn_err *err)
{
    struct pn_token_facts facts = { 0 };
    struct claims c = { .exp = 0 };

    if (token.len == 0)
        return pn_fail(err, PN_UNAUTHENTICATED, "Please log in");
    if (!verify(call, token, &c, err))
        return pn_recast(err, PN_UNAUTHENTICATED, "Your login has expired. Please log in again.");
    if (!pn_str_is(c.authTokenType, REFRESH_TOKEN))
        return pn_fail(err, PN_UNAUTHENTICATED, "This kind of token is not accepted here");
    *out = (struct pn_token_claims){ .kind = PN_ACTOR_USER,
                                     .id = c.userId,
                                     .org_id = c.organizationId,
                                     .token_id = c.tokenVersionId,
                                     .version = c.accessVersion,
                                     .expires_ms = c.exp * 1000 };
    if (!find_user(call, out, &facts, err))
        return false;
    *actor = facts.actor;
    return true;
}

static bool find_claimed(struct pn_call *call, const struct pn_token_claims *claims,
                         struct pn_token_facts *out, struct pn_err *err)
{
    for (size_t i = 0; i < PN_COUNT(kinds); i++) {
        if (kinds[i].kind == claims->kind && !kinds[i].find(call, claims, out, err))
            return false;
    }
    out->actor.token_version = claims->version;
    out->actor.token_expires_ms = out->expires_ms;
    return true;
}

static bool look_up(struct pn_call *call, struct pn_str bearer, struct pn_token_facts *out,
                    struct pn_err *err)
{
    bool is_service = pn_project_token_is(bearer);
    struct pn_token_claims claims = { .kind = PN_ACTOR_SERVICE };
    uint64_t version;

    if (is_service ? !pn_project_token_read(bearer, &claims.id, err)
                   : !pn_token_read(call, bearer, &claims, err))
        return false;
    version = call->cache != NULL ? pn_cache_begin(call->cache, call->conn, claims.id) : 0;
    *out = (struct pn_token_facts){ 0 };
    if (is_service ? !pn_project_token_find(call, bearer, out, err)
                   : !find_claimed(call, &claims, out, err))
        return false;
    if (call->cache != NULL)
        pn_token_cache_put(call, bearer, version, out);
    return true;
}

/* In the order of §11.6: alive, uses, address. A request refused for its address has cost its use. */
bool pn_token_authenticate(struct pn_call *call, struct pn_str bearer, struct pn_actor *out,
                           struct pn_err *err)
{
    struct pn_token_facts facts;

    if (!pn_token_cache_get(call, bearer, &facts) && !look_up(call, bearer, &facts, err))
        return false;
    if (facts.uses_limit > 0 &&
        !pn_access_token_use(call, facts.actor.token_id, facts.uses_limit, err))
        return false;
    if (!pn_trusted_ips_check(&facts.nets, call->ip, err))
        return false;
    *out = facts.actor;
    return true;
}

bool pn_token_recheck(struct pn_call *call, const struct pn_actor *as, struct pn_actor *out,
                      struct pn_err *err)
{
    const struct pn_token_claims claims = { .kind = as->kind,
                                            .id = as->id,
                                            .org_id = as->org_id,
                                            .token_id = as->token_id,
                                            .version = as->token_version,
                                            .expires_ms = as->token_expires_ms };
    struct pn_token_facts facts = { 0 };

    if (claims.expires_ms != 0 && claims.expires_ms <= call->now_ms)
        return pn_fail(err, PN_TOKEN, "%s", expired);
    if (!find_claimed(call, &claims, &facts, err) ||
        !pn_trusted_ips_check(&facts.nets, call->ip, err))
        return false;
    *out = facts.actor;
    return true;
}

/* Every token begins alike; the caller adds its claims and calls finish. */
static struct pn_writer begin_claims(struct pn_buf *json, const char *type, struct pn_call *call)
{
    struct pn_writer w;

    *json = pn_buf_init_wiped(MAX_CLAIMS_BYTES);
    w = pn_writer_of(json);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "authTokenType", type);
    pn_write_int(&w, "iat", call->now_ms / 1000);
    return w;
}

static bool finish(struct pn_call *call, struct pn_writer *w, struct pn_str *out,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf token = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);

    pn_write_end(w);
    pn_assert(!w->buf->is_full);
    if (!pn_keyring_sign(call->keyring, pn_buf_str(w->buf), &token, err))
        return false;
    *out = pn_arena_copy(call->arena, pn_buf_str(&token));
    return true;
}

static bool sign_user(struct pn_call *call, const char *type, struct pn_uuid user,
                      struct pn_uuid session, int64_t version, struct pn_uuid org,
                      int64_t expires_ms, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, type, call);

    pn_write_text(&w, "authMethod", "email");
    pn_write_uuid(&w, "userId", user);
    pn_write_uuid(&w, "tokenVersionId", session);
    pn_write_int(&w, "accessVersion", version);
    if (!pn_uuid_is_zero(org))
        pn_write_uuid(&w, "organizationId", org);
    pn_write_int(&w, "exp", expires_ms / 1000);
    return finish(call, &w, out, err);
}

bool pn_token_for_user(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                       int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                       struct pn_err *err)
{
    return sign_user(call, USER_TOKEN, user, session, version, org, expires_ms, out, err);
}

bool pn_token_for_refresh(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                          int64_t version, struct pn_uuid org, int64_t expires_ms,
                          struct pn_str *out, struct pn_err *err)
{
    return sign_user(call, REFRESH_TOKEN, user, session, version, org, expires_ms, out, err);
}

bool pn_token_for_mfa(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                      int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                      struct pn_err *err)
{
    return sign_user(call, MFA_TOKEN, user, session, version, org, expires_ms, out, err);
}

static void write_origin(struct pn_writer *w, const struct pn_identity_claims *c)
{
    const struct pn_uuid_text org = pn_uuid_format(c->org), token = pn_uuid_format(c->token),
                              secret = pn_uuid_format(c->client_secret);

    pn_write_text(w, "jti", token.text);
    pn_write_uuid(w, "identityId", c->identity);
    pn_write_text(w, "identityAccessTokenId", token.text);
    pn_write_str(w, "identityName", c->identity_name);
    pn_write_str(w, "authMethod", c->method);
    pn_write_text(w, "orgId", org.text);
    pn_write_text(w, "rootOrgId", org.text);
    pn_write_text(w, "parentOrgId", org.text);
    pn_write_text(w, "clientSecretId", pn_uuid_is_zero(c->client_secret) ? "" : secret.text);
    pn_write_raw(w, "identityAuth", c->identity_auth.len > 0 ? c->identity_auth : PN_LIT("{}"));
}

bool pn_token_for_identity(struct pn_call *call, const struct pn_identity_claims *c,
                           struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, IDENTITY_TOKEN, call);

    write_origin(&w, c);
    pn_write_bool(&w, "ipRestrictionEnabled", c->has_ip_restriction);
    pn_write_int(&w, "accessTokenTTL", c->ttl_s);
    pn_write_int(&w, "accessTokenMaxTTL", c->max_ttl_s);
    pn_write_int(&w, "accessTokenPeriod", c->period_s);
    pn_write_int(&w, "creationEpoch", c->created_ms / 1000);
    if (c->uses_limit > 0)
        pn_write_int(&w, "numUsesLimit", c->uses_limit);
    if (c->expires_ms != 0)
        pn_write_int(&w, "exp", c->expires_ms / 1000);
    return finish(call, &w, out, err);
}

bool pn_token_for_gateway(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid org,
                          int64_t version, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, GATEWAY_TOKEN, call);

    pn_write_uuid(&w, "gatewayId", gateway);
    pn_write_uuid(&w, "orgId", org);
    pn_write_int(&w, "accessVersion", version);
    return finish(call, &w, out, err);
}

bool pn_token_for_relay(struct pn_call *call, struct pn_uuid relay, struct pn_uuid org,
                        int64_t version, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, RELAY_TOKEN, call);

    pn_write_uuid(&w, "relayId", relay);
    pn_write_uuid(&w, "orgId", org);
    pn_write_int(&w, "accessVersion", version);
    return finish(call, &w, out, err);
}
