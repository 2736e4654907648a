/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/token.h"

#include "crypto/keyring.h"
#include "json/shape.h"
#include "json/writer.h"

#define MAX_CLAIMS_BYTES ((size_t)4096)

#define USER_TOKEN "accessToken"
#define IDENTITY_TOKEN "identityAccessToken"
#define GATEWAY_TOKEN "gatewayAccessToken"
#define RELAY_TOKEN "relayAccessToken"

static const char revoked[] = "This token is no longer valid. Please log in again.";

/* Claims of all kinds; a kind reads its own. Signed by us, so their form is ours. */
struct claims {
    struct pn_str authTokenType;
    struct pn_uuid userId, tokenVersionId, organizationId;
    struct pn_uuid identityId, identityAccessTokenId;
    struct pn_uuid gatewayId, relayId, orgId;
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
    PN_FIELD(claims, accessVersion, INT),
    PN_FIELD(claims, exp, INT),
};

static bool find_user(struct pn_call *call, const struct claims *c, struct pn_actor *out,
                      struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT u.email, u.is_super_admin, m.role FROM login_sessions s JOIN users u ON u.id = "
        "s.user_id"
        " LEFT JOIN org_members m ON m.user_id = u.id AND m.org_id = $org AND m.status = 'accepted'"
        " AND m.is_active = 1"
        " WHERE s.id = $session AND s.user_id = $user AND s.version = $version AND s.is_revoked = 0"
        " AND s.expires_ms > $now");
    bool is_found, is_member = false;

    pn_bind_uuid(q, "$org", c->organizationId);
    pn_bind_uuid(q, "$session", c->tokenVersionId);
    pn_bind_uuid(q, "$user", c->userId);
    pn_bind_int(q, "$version", c->accessVersion);
    pn_bind_int(q, "$now", call->now_ms);
    is_found = pn_query_next(q);
    if (is_found) {
        is_member = !pn_column_is_null(q, 2);
        *out = (struct pn_actor){ .kind = PN_ACTOR_USER,
                                  .id = c->userId,
                                  .org_id = c->organizationId,
                                  .token_id = c->tokenVersionId,
                                  .name = pn_column_str(q, 0, call->arena),
                                  .org_role = pn_column_str(q, 2, call->arena),
                                  .is_super_admin = pn_column_int(q, 1) != 0 };
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_UNAUTHENTICATED, "%s", revoked);
    if (!pn_uuid_is_zero(c->organizationId) && !is_member)
        return pn_fail(err, PN_FORBIDDEN, "You are not a member of this organization");
    return true;
}

static bool find_identity(struct pn_call *call, const struct claims *c, struct pn_actor *out,
                          struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT i.name, i.org_id, i.role, i.is_instance_admin FROM identity_tokens t"
                    " JOIN identities i ON i.id = t.identity_id"
                    " WHERE t.id = $token AND t.identity_id = $identity AND t.is_revoked = 0"
                    " AND (t.expires_ms = 0 OR t.expires_ms > $now)");
    bool is_found;

    pn_bind_uuid(q, "$token", c->identityAccessTokenId);
    pn_bind_uuid(q, "$identity", c->identityId);
    pn_bind_int(q, "$now", call->now_ms);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                                  .id = c->identityId,
                                  .org_id = pn_column_uuid(q, 1),
                                  .token_id = c->identityAccessTokenId,
                                  .name = pn_column_str(q, 0, call->arena),
                                  .org_role = pn_column_str(q, 2, call->arena),
                                  .is_super_admin = pn_column_int(q, 3) != 0 };
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_UNAUTHENTICATED, "%s", revoked);
}

/* Gateways and relays: the version in the claims must be the row's, so one UPDATE revokes all tokens. */
static bool find_machine(struct pn_call *call, const char *sql, enum pn_actor_kind kind,
                         struct pn_uuid id, const struct claims *c, struct pn_actor *out,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, sql);
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", c->orgId);
    pn_bind_int(q, "$version", c->accessVersion);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_actor){
            .kind = kind, .id = id, .org_id = c->orgId, .name = pn_column_str(q, 0, call->arena)
        };
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_UNAUTHENTICATED, "This token has been revoked. Enroll again.");
}

static bool find_gateway(struct pn_call *call, const struct claims *c, struct pn_actor *out,
                         struct pn_err *err)
{
    return find_machine(
        call,
        "SELECT name FROM gateways WHERE id = $id AND org_id = $org AND token_version = $version",
        PN_ACTOR_GATEWAY, c->gatewayId, c, out, err);
}

static bool find_relay(struct pn_call *call, const struct claims *c, struct pn_actor *out,
                       struct pn_err *err)
{
    return find_machine(
        call,
        "SELECT name FROM relays WHERE id = $id AND org_id = $org AND token_version = $version",
        PN_ACTOR_RELAY, c->relayId, c, out, err);
}

static const struct {
    const char *type;
    bool (*find)(struct pn_call *call, const struct claims *claims, struct pn_actor *out,
                 struct pn_err *err);
} kinds[] = {
    { USER_TOKEN, find_user },
    { IDENTITY_TOKEN, find_identity },
    { GATEWAY_TOKEN, find_gateway },
    { RELAY_TOKEN, find_relay },
};

bool pn_token_authenticate(struct pn_call *call, struct pn_str bearer, struct pn_actor *out,
                           struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);
    struct claims c;

    if (bearer.len == 0)
        return pn_fail(err, PN_UNAUTHENTICATED, "Token missing");
    if (!pn_keyring_verify(call->keyring, bearer, &json, err))
        return false;
    if (!pn_shape_parse(PN_SHAPE(claims), call->arena, pn_buf_str(&json), &c, err))
        return pn_recast(
            err, PN_TOKEN,
            "The provided access token is malformed. Please use a valid token or generate a"
            " new one and try again.");
    if (c.exp != 0 && c.exp * 1000 <= call->now_ms)
        return pn_fail(err, PN_TOKEN, "Your token has expired. Please re-authenticate.");
    for (size_t i = 0; i < PN_COUNT(kinds); i++) {
        if (pn_str_is(c.authTokenType, kinds[i].type))
            return kinds[i].find(call, &c, out, err);
    }
    return pn_fail(err, PN_TOKEN, "This kind of token is not accepted here");
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

bool pn_token_for_user(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                       int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, USER_TOKEN, call);

    pn_write_text(&w, "authMethod", "email");
    pn_write_uuid(&w, "userId", user);
    pn_write_uuid(&w, "tokenVersionId", session);
    pn_write_int(&w, "accessVersion", version);
    if (!pn_uuid_is_zero(org))
        pn_write_uuid(&w, "organizationId", org);
    pn_write_int(&w, "exp", expires_ms / 1000);
    return finish(call, &w, out, err);
}

bool pn_token_for_identity(struct pn_call *call, struct pn_uuid identity,
                           struct pn_str identity_name, struct pn_uuid org,
                           struct pn_uuid access_token, int64_t expires_ms, struct pn_str *out,
                           struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json;
    struct pn_writer w = begin_claims(&json, IDENTITY_TOKEN, call);

    pn_write_uuid(&w, "identityId", identity);
    pn_write_uuid(&w, "identityAccessTokenId", access_token);
    pn_write_str(&w, "identityName", identity_name);
    pn_write_text(&w, "authMethod", "token-auth");
    pn_write_uuid(&w, "orgId", org);
    if (expires_ms != 0)
        pn_write_int(&w, "exp", expires_ms / 1000);
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
