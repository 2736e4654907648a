/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/token_auth.h"

#include "core/org/permission.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/random.h"

#define ATTACHED "Failed to add Token Auth to already configured identity"

/* ---- the method ---- */

struct method_change {
    const struct pn_call *call;
    const struct pn_auth_method *method;
};

static bool record_method(struct pn_db_conn *tx, const struct method_change *c, const char *event,
                          struct pn_err *err)
{
    const struct pn_uuid_text identity = pn_uuid_format(c->method->identityId);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = event,
            .fields = { { "identityId", pn_str_from(identity.text) },
                        { "accessTokenTrustedIps", c->method->terms.accessTokenTrustedIps } } },
        err);
}

static bool insert_method(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct method_change *c = context;

    if (!pn_auth_method_insert(tx, PN_TOKEN_AUTH, c->method, err))
        return pn_db_is_duplicate(err) ? pn_recast(err, PN_BAD_REQUEST, ATTACHED) : false;
    return record_method(tx, c, "add-identity-token-auth", err);
}

bool pn_token_auth_attach(struct pn_call *call, struct pn_uuid identity,
                          const struct pn_token_terms_in *in, struct pn_auth_method *out,
                          struct pn_err *err)
{
    struct method_change c = { .call = call, .method = out };
    struct pn_identity of;

    if (!pn_auth_method_subject(call, identity, "edit", "edit-auth", &of, err) ||
        !pn_auth_method_find(call->conn, call->arena, identity, PN_TOKEN_AUTH, out, err))
        return false;
    if (!pn_uuid_is_zero(out->id))
        return pn_fail(err, PN_BAD_REQUEST, ATTACHED);
    *out = (struct pn_auth_method){ .id = pn_random_uuid(),
                                    .identityId = identity,
                                    .terms = pn_token_terms_default(),
                                    .createdAt = call->now_ms,
                                    .updatedAt = call->now_ms };
    return pn_token_terms_apply(call->arena, in, true, &out->terms, err) &&
           pn_db_write(call->db, insert_method, &c, err);
}

static bool find_method(struct pn_call *call, struct pn_uuid identity, const char *action,
                        const char *boundary, struct pn_identity *of, struct pn_auth_method *out,
                        struct pn_err *err)
{
    if (!pn_auth_method_subject(call, identity, action, boundary, of, err) ||
        !pn_auth_method_find(call->conn, call->arena, identity, PN_TOKEN_AUTH, out, err))
        return false;
    return !pn_uuid_is_zero(out->id) ||
           pn_fail(err, PN_BAD_REQUEST, "The identity does not have Token Auth");
}

static bool update_method(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct method_change *c = context;

    return pn_auth_method_update(tx, c->method, err) &&
           record_method(tx, c, "update-identity-token-auth", err);
}

bool pn_token_auth_change(struct pn_call *call, struct pn_uuid identity,
                          const struct pn_token_terms_in *in, struct pn_auth_method *out,
                          struct pn_err *err)
{
    struct method_change c = { .call = call, .method = out };
    struct pn_identity of;

    if (!find_method(call, identity, "edit", "edit-auth", &of, out, err) ||
        !pn_token_terms_apply(call->arena, in, false, &out->terms, err))
        return false;
    out->updatedAt = call->now_ms;
    return pn_db_write(call->db, update_method, &c, err);
}

bool pn_token_auth_get(struct pn_call *call, struct pn_uuid identity, struct pn_auth_method *out,
                       struct pn_err *err)
{
    struct pn_identity of;

    return find_method(call, identity, "read", NULL, &of, out, err) &&
           pn_auth_method_note_read(call, "get-identity-token-auth", identity, NULL,
                                    (struct pn_uuid){ { 0 } }, err);
}

static bool delete_method(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct method_change *c = context;

    return pn_auth_method_delete(tx, c->method, err) &&
           record_method(tx, c, "revoke-identity-token-auth", err);
}

bool pn_token_auth_detach(struct pn_call *call, struct pn_uuid identity, struct pn_auth_method *out,
                          struct pn_err *err)
{
    struct method_change c = { .call = call, .method = out };
    struct pn_identity of;

    return find_method(call, identity, "edit", "revoke-auth", &of, out, err) &&
           pn_db_write(call->db, delete_method, &c, err);
}

/* ---- its tokens ---- */

#define COLUMNS                                                                                  \
    "SELECT t.id, t.identity_id, t.name, t.auth_method, t.auth_id, t.client_secret_id, t.ttl_s," \
    " t.max_ttl_s, t.period_s, t.uses_limit, t.is_revoked, t.created_ms, t.expires_ms,"          \
    " t.renewed_ms, u.uses, u.last_used_ms FROM identity_tokens t"                               \
    " LEFT JOIN identity_token_uses u ON u.token_id = t.id"

static struct pn_access_token read_token(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_access_token t = {
        .id = pn_column_uuid(q, 0),
        .identityId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .authMethod = pn_column_str(q, 3, arena),
        .auth_id = pn_column_uuid(q, 4),
        .client_secret_id = pn_column_uuid(q, 5),
        .terms = { .accessTokenTTL = pn_column_int(q, 6),
                   .accessTokenMaxTTL = pn_column_int(q, 7),
                   .accessTokenPeriod = pn_column_int(q, 8),
                   .accessTokenNumUsesLimit = pn_column_int(q, 9) },
        .isAccessTokenRevoked = pn_column_int(q, 10) != 0,
        .createdAt = pn_column_int(q, 11),
        .expires_ms = pn_column_int(q, 12),
        .accessTokenLastRenewedAt = pn_column_int(q, 13),
        .uses = pn_column_int(q, 14),
        .accessTokenLastUsedAt = pn_column_int(q, 15),
    };

    t.updatedAt = t.accessTokenLastRenewedAt > 0 ? t.accessTokenLastRenewedAt : t.createdAt;
    return t;
}

static bool write_token(struct pn_db_conn *tx, void *issue, struct pn_err *err)
{
    return pn_token_issue_write(tx, issue, err);
}

bool pn_token_auth_create(struct pn_call *call, struct pn_uuid identity, struct pn_str name,
                          struct pn_str slug, struct pn_grant *grant, struct pn_access_token *out,
                          struct pn_err *err)
{
    struct pn_token_issue issue = { .call = call, .event = "create-token-identity-token-auth" };
    struct pn_auth_method method;
    struct pn_identity of;

    if (!find_method(call, identity, "create", "create-token", &of, &method, err) ||
        !pn_auth_method_check_slug(call, of.orgId, slug, err))
        return false;
    issue.terms = method.terms;
    issue.who = (struct pn_token_for){ .identity_id = identity,
                                       .org_id = of.orgId,
                                       .identity_name = of.name,
                                       .method = PN_TOKEN_AUTH,
                                       .auth_id = method.id,
                                       .name = name.ptr != NULL ? name : PN_LIT("") };
    if (!pn_token_issue_prepare(&issue, err) || !pn_db_write(call->db, write_token, &issue, err))
        return false;
    *grant = issue.grant;
    *out = (struct pn_access_token){ .id = issue.grant.token_id,
                                     .identityId = identity,
                                     .auth_id = method.id,
                                     .name = issue.who.name,
                                     .authMethod = PN_LIT(PN_TOKEN_AUTH),
                                     .terms = method.terms,
                                     .createdAt = call->now_ms,
                                     .updatedAt = call->now_ms };
    return true;
}

bool pn_token_auth_list(struct pn_call *call, struct pn_uuid identity, int64_t offset,
                        int64_t limit, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_access_token));
    struct pn_auth_method method;
    struct pn_identity of;
    struct pn_query *q;

    if (!find_method(call, identity, "read", "get-token", &of, &method, err))
        return false;
    q = pn_query(call->conn, COLUMNS " WHERE t.identity_id = $identity AND t.auth_id = $auth"
                                     " ORDER BY t.created_ms, t.id LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_uuid(q, "$auth", method.id);
    pn_bind_int(q, "$limit", limit);
    pn_bind_int(q, "$offset", offset);
    while (pn_query_next(q))
        *(struct pn_access_token *)pn_rows_add(&rows) = read_token(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err) &&
           pn_auth_method_note_read(call, "get-tokens-identity-token-auth", identity, NULL,
                                    (struct pn_uuid){ { 0 } }, err);
}

#define MISSING "Failed to find token with ID %s"

/* Tokens of other methods are not this one's to show or end. */
static bool find_token(struct pn_call *call, struct pn_uuid token, const char *action,
                       const char *boundary, struct pn_access_token *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS
                                  " JOIN identities i ON i.id = t.identity_id WHERE t.id = $id"
                                  " AND i.org_id = $org AND t.auth_method = '" PN_TOKEN_AUTH "'");
    struct pn_identity of;
    bool is_found;

    pn_bind_uuid(q, "$id", token);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_token(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, MISSING, pn_uuid_format(token).text);
    if (pn_auth_method_subject(call, out->identityId, action, boundary, &of, err))
        return true;
    if (err->code == PN_NOT_FOUND) /* one of a project that is not the actor's to see */
        return pn_recast(err, PN_NOT_FOUND, MISSING, pn_uuid_format(token).text);
    return !pn_permit_org(call, "identity", "read", &(struct pn_err){ 0 }) &&
           pn_permit_hide(err, MISSING, pn_uuid_format(token).text);
}

bool pn_token_auth_token(struct pn_call *call, struct pn_uuid token, struct pn_access_token *out,
                         struct pn_err *err)
{
    return find_token(call, token, "read", "get-token", out, err) &&
           pn_auth_method_note_read(call, "get-token-identity-token-auth", out->identityId,
                                    "tokenId", token, err);
}

struct token_change {
    const struct pn_call *call;
    const struct pn_access_token *token;
};

static bool record_token(struct pn_db_conn *tx, const struct token_change *c, const char *event,
                         struct pn_err *err)
{
    const struct pn_uuid_text identity = pn_uuid_format(c->token->identityId),
                              token = pn_uuid_format(c->token->id);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = event,
                            .fields = { { "identityId", pn_str_from(identity.text) },
                                        { "tokenId", pn_str_from(token.text) },
                                        { "name", c->token->name } } },
        err);
}

static bool write_name(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct token_change *c = context;
    struct pn_query *q = pn_query(tx, "UPDATE identity_tokens SET name = $name WHERE id = $id");

    pn_db_touch(tx, c->token->identityId);
    pn_bind_str(q, "$name", c->token->name);
    pn_bind_uuid(q, "$id", c->token->id);
    return pn_query_run(q, NULL, err) &&
           record_token(tx, c, "update-token-identity-token-auth", err);
}

bool pn_token_auth_rename(struct pn_call *call, struct pn_uuid token, struct pn_str name,
                          struct pn_access_token *out, struct pn_err *err)
{
    struct token_change c = { .call = call, .token = out };

    if (!find_token(call, token, "edit", "create-token", out, err))
        return false;
    if (name.ptr == NULL)
        return true;
    out->name = name;
    return pn_db_write(call->db, write_name, &c, err);
}

static bool write_end(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct token_change *c = context;
    bool was_alive;

    if (!pn_access_token_end(tx, c->token->identityId, c->token->id, c->call->now_ms, &was_alive,
                             err))
        return false;
    return !was_alive || record_token(tx, c, "revoke-token-identity-token-auth", err);
}

bool pn_token_auth_revoke(struct pn_call *call, struct pn_uuid token, struct pn_access_token *out,
                          struct pn_err *err)
{
    struct token_change c = { .call = call, .token = out };

    if (!find_token(call, token, "delete", "delete-token", out, err) ||
        !pn_db_write(call->db, write_end, &c, err))
        return false;
    out->isAccessTokenRevoked = true;
    return true;
}
