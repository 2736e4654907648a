/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity/identity.h"

#include "core/audit/audit.h"
#include "core/auth/method.h"
#include "core/org/names.h"
#include "core/org/permission.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "db/db.h"
#include "json/writer.h"

#define COLUMNS "id, org_id, name, role, is_instance_admin, created_ms, updated_ms"
#define MAX_LISTED 1000

static struct pn_identity read_identity(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_identity){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .role = pn_column_str(q, 3, arena),
        .isInstanceAdmin = pn_column_int(q, 4) != 0,
        .createdAt = pn_column_int(q, 5),
        .updatedAt = pn_column_int(q, 6),
    };
}

/* A change of one identity: what the write functions share. */
struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_identity *identity;
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityId", c->identity->id);
    pn_write_str(&w, "name", c->identity->name);
    pn_write_str(&w, "role", c->identity->role);
    pn_write_bool(&w, "hasDeleteProtection", false);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->identity->orgId,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool insert_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO identities (id, org_id, name, role, is_instance_admin, created_ms, updated_ms)"
        " VALUES ($id, $org, $name, $role, 0, $now, $now)");

    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    pn_bind_str(q, "$name", c->identity->name);
    pn_bind_str(q, "$role", c->identity->role);
    pn_bind_int(q, "$now", c->identity->createdAt);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_identity_create(struct pn_call *call, struct pn_str name, struct pn_str role,
                        struct pn_identity *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "create-identity", .identity = out };

    if (!pn_permit_org(call, "identity", "create", err) || !pn_permit_grant_org(call, role, err))
        return false;
    *out = (struct pn_identity){ .id = pn_random_uuid(),
                                 .orgId = call->actor.org_id,
                                 .name = name,
                                 .role = role,
                                 .createdAt = call->now_ms,
                                 .updatedAt = call->now_ms };
    return pn_db_write(call->db, insert_identity, &c, err);
}

bool pn_identity_find(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                      struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT " COLUMNS " FROM identities WHERE id = $id AND org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_identity(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Failed to find identity with ID %s",
                               pn_uuid_format(id).text);
}

static bool update_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE identities SET name = $name, role = $role, updated_ms = $now"
                     " WHERE id = $id AND org_id = $org");

    pn_bind_str(q, "$name", c->identity->name);
    pn_bind_str(q, "$role", c->identity->role);
    pn_bind_int(q, "$now", c->identity->updatedAt);
    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_identity_change(struct pn_call *call, struct pn_uuid id, struct pn_str name,
                        struct pn_str role, struct pn_identity *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "update-identity", .identity = out };

    if (!pn_permit_org(call, "identity", "edit", err) || !pn_identity_find(call, id, out, err))
        return false;
    /* Whoever may not grant its present role may not take it over by a change either. */
    if (!pn_permit_grant_org(call, out->role, err))
        return false;
    if (role.ptr != NULL && !pn_permit_grant_org(call, role, err))
        return false;
    out->name = name.ptr != NULL ? name : out->name;
    out->role = role.ptr != NULL ? role : out->role;
    out->updatedAt = call->now_ms;
    return pn_db_write(call->db, update_identity, &c, err);
}

/* Its sessions end while they can still be told from others: their rows forget a deleted owner. */
static bool leave_projects(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM project_members WHERE identity_id = $id");

    pn_bind_uuid(q, "$id", c->identity->id);
    return pn_query_run(q, NULL, err) &&
           pn_pam_session_close_owner(tx, c->call, c->identity->id,
                                      PN_LIT("The machine identity was deleted"), err);
}

static bool delete_identity(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!leave_projects(tx, c, err))
        return false;
    q = pn_query(tx, "DELETE FROM identities WHERE id = $id AND org_id = $org");
    pn_bind_uuid(q, "$id", c->identity->id);
    pn_bind_uuid(q, "$org", c->identity->orgId);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_identity_delete(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                        struct pn_err *err)
{
    struct change c = { .call = call, .event = "delete-identity", .identity = out };

    if (!pn_permit_org(call, "identity", "delete", err) || !pn_identity_find(call, id, out, err))
        return false;
    if (!pn_permit_grant_org(call, out->role, err))
        return false;
    return pn_db_write(call->db, delete_identity, &c, err);
}

bool pn_identity_get(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                     struct pn_err *err)
{
    return pn_permit_org(call, "identity", "read", err) && pn_identity_find(call, id, out, err);
}

bool pn_identity_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_identity));
    struct pn_query *q;

    if (!pn_permit_org(call, "identity", "read", err))
        return false;
    q = pn_query(call->conn, "SELECT " COLUMNS
                             " FROM identities WHERE org_id = $org ORDER BY name, id LIMIT $most");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$most", MAX_LISTED);
    while (pn_query_next(q))
        *(struct pn_identity *)pn_rows_add(&rows) = read_identity(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

/* ---- access tokens ---- */

#define TOKEN_COLUMNS "id, identity_id, name, auth_method, is_revoked, created_ms, expires_ms"

static struct pn_identity_token read_token(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_identity_token t = {
        .id = pn_column_uuid(q, 0),
        .identityId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .authMethod = pn_column_str(q, 3, arena),
        .isAccessTokenRevoked = pn_column_int(q, 4) != 0,
        .createdAt = pn_column_int(q, 5),
        .expires_ms = pn_column_int(q, 6),
    };

    t.updatedAt = t.createdAt;
    t.accessTokenTTL = t.expires_ms == 0 ? 0 : (t.expires_ms - t.createdAt) / 1000;
    return t;
}

struct token_change {
    const struct pn_call *call;
    const char *event;
    struct pn_identity_token *token;
};

static bool record_token(struct pn_db_conn *tx, const struct token_change *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityId", c->token->identityId);
    pn_write_uuid(&w, "tokenId", c->token->id);
    pn_write_str(&w, "name", c->token->name);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->call->actor.org_id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

struct making {
    struct pn_token_issue issue;
    struct pn_auth_method method;
    bool is_attached;
};

/* Token Auth needs no configuration: the first token attaches it. */
static bool insert_token(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct making *m = context;

    if (!m->is_attached && !pn_auth_method_insert(tx, "token-auth", &m->method, err))
        return false;
    return pn_token_issue_write(tx, &m->issue, err);
}

bool pn_identity_token_create(struct pn_call *call, struct pn_uuid identity, struct pn_str name,
                              int64_t ttl_s, struct pn_identity_token *out, struct pn_str *jwt,
                              struct pn_err *err)
{
    struct making m = { .issue = { .call = call, .event = "create-token-identity-token-auth" } };
    struct pn_identity of;

    /* A token acts as the identity: making one needs all the identity may do. */
    if (!pn_auth_method_subject(call, identity, "create-token", "create-token", &of, err) ||
        !pn_permit_grant_org(call, of.role, err) ||
        !pn_auth_method_find(call->conn, call->arena, identity, "token-auth", &m.method, err))
        return false;
    pn_assert(ttl_s >= 0 && ttl_s <= PN_IDENTITY_MAX_TTL_S);
    m.is_attached = !pn_uuid_is_zero(m.method.id);
    if (!m.is_attached)
        m.method = (struct pn_auth_method){ .id = pn_random_uuid(),
                                            .identityId = identity,
                                            .terms = pn_token_terms_default(),
                                            .createdAt = call->now_ms,
                                            .updatedAt = call->now_ms };
    m.issue.terms = m.method.terms;
    m.issue.terms.accessTokenTTL = m.issue.terms.accessTokenMaxTTL = ttl_s;
    m.issue.who = (struct pn_token_for){ .identity_id = identity,
                                         .org_id = of.orgId,
                                         .identity_name = of.name,
                                         .method = "token-auth",
                                         .auth_id = m.method.id,
                                         .name = name.ptr != NULL ? name : PN_LIT("") };
    if (!pn_token_issue_prepare(&m.issue, err) || !pn_db_write(call->db, insert_token, &m, err))
        return false;
    *out = (struct pn_identity_token){ .id = m.issue.grant.token_id,
                                       .identityId = identity,
                                       .name = name,
                                       .authMethod = PN_LIT("token-auth"),
                                       .createdAt = call->now_ms,
                                       .updatedAt = call->now_ms,
                                       .accessTokenTTL = ttl_s,
                                       .expires_ms = m.issue.expires_ms };
    *jwt = m.issue.grant.accessToken;
    return true;
}

bool pn_identity_token_list(struct pn_call *call, struct pn_uuid identity, struct pn_list *out,
                            struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_identity_token));
    struct pn_identity of;
    struct pn_query *q;

    if (!pn_permit_org(call, "identity", "get-token", err) ||
        !pn_identity_find(call, identity, &of, err))
        return false;
    q = pn_query(call->conn,
                 "SELECT " TOKEN_COLUMNS " FROM identity_tokens WHERE identity_id = $identity"
                 " ORDER BY created_ms, id LIMIT $most");
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_int(q, "$most", MAX_LISTED);
    while (pn_query_next(q))
        *(struct pn_identity_token *)pn_rows_add(&rows) = read_token(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool revoke_token(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct token_change *c = context;
    bool was_alive;

    return pn_access_token_end(tx, c->token->identityId, c->token->id, c->call->now_ms, &was_alive,
                               err) &&
           record_token(tx, c, err);
}

bool pn_identity_token_revoke(struct pn_call *call, struct pn_uuid token, struct pn_err *err)
{
    struct pn_identity_token found;
    struct token_change c = { .call = call,
                              .event = "revoke-token-identity-token-auth",
                              .token = &found };
    struct pn_query *q;
    bool is_found;

    if (!pn_permit_org(call, "identity", "delete-token", err))
        return false;
    q = pn_query(call->conn, "SELECT t.id, t.identity_id, t.name, t.auth_method, t.is_revoked, "
                             "t.created_ms, t.expires_ms"
                             " FROM identity_tokens t JOIN identities i ON i.id = t.identity_id"
                             " WHERE t.id = $id AND i.org_id = $org");
    pn_bind_uuid(q, "$id", token);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        found = read_token(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Token with ID '%s' not found",
                       pn_uuid_format(token).text);
    return pn_db_write(call->db, revoke_token, &c, err);
}
