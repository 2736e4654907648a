/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/instance.h"

#include "base/clock.h"
#include "core/audit/audit.h"
#include "core/auth/method.h"
#include "core/auth/token.h"
#include "core/org/names.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/password.h"
#include "crypto/random.h"

#define MAX_ADMIN_IDENTITIES 100

static bool insert_instance(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_uuid *id = context;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO instance (id, instance_id, is_initialized, created_ms)"
                     " VALUES (1, $id, 0, $now) ON CONFLICT (id) DO NOTHING");

    pn_bind_uuid(q, "$id", *id);
    pn_bind_int(q, "$now", pn_clock_wall_ms());
    return pn_query_run(q, NULL, err);
}

bool pn_instance_ensure(struct pn_db *db, struct pn_db_conn *conn, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT 1 FROM instance WHERE id = 1");
    bool is_there = pn_query_next(q);
    struct pn_uuid id = pn_random_uuid();

    if (!pn_query_end(q, err))
        return false;
    return is_there || pn_db_write(db, insert_instance, &id, err);
}

struct scope {
    struct pn_keyring *keyring;
    struct pn_uuid id;
};

static bool has_scope(struct pn_db_conn *conn, struct pn_uuid id, bool *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT 1 FROM scope_keys WHERE scope_id = $id");

    pn_bind_uuid(q, "$id", id);
    *out = pn_query_next(q);
    return pn_query_end(q, err);
}

static bool create_scope(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct scope *s = context;
    bool is_there;

    if (!has_scope(tx, s->id, &is_there, err))
        return false;
    return is_there || pn_scope_create(tx, s->keyring, s->id, err);
}

bool pn_instance_scope(struct pn_call *call, struct pn_uuid *out, struct pn_err *err)
{
    struct scope s = { .keyring = call->keyring };
    struct pn_instance instance;
    bool is_there;

    if (!pn_instance_get(call, &instance, err))
        return false;
    s.id = *out = instance.instance_id;
    if (pn_keyring_has(call->keyring, s.id))
        return true;
    if (!has_scope(call->conn, s.id, &is_there, err) ||
        (!is_there && !pn_db_write(call->db, create_scope, &s, err)))
        return false;
    return pn_scope_ready(call->conn, call->keyring, s.id, err);
}

bool pn_instance_id(struct pn_db_conn *conn, struct pn_uuid *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT instance_id FROM instance WHERE id = 1");

    *out = pn_query_next(q) ? pn_column_uuid(q, 0) : (struct pn_uuid){ { 0 } };
    return pn_query_end(q, err);
}

static bool list_admins(struct pn_call *call, struct pn_strs *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT id FROM identities WHERE is_instance_admin = 1 ORDER BY created_ms LIMIT $most");

    *out = (struct pn_strs){ .items = pn_new(call->arena, struct pn_str, MAX_ADMIN_IDENTITIES) };
    pn_bind_int(q, "$most", MAX_ADMIN_IDENTITIES);
    while (pn_query_next(q))
        out->items[out->count++] = pn_uuid_str(call->arena, pn_column_uuid(q, 0));
    return pn_query_end(q, err);
}

bool pn_instance_get(struct pn_call *call, struct pn_instance *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT i.instance_id, i.is_initialized, i.created_ms, i.updated_ms, i.consent,"
                    " i.page_frame, o.id, o.slug FROM instance i"
                    " LEFT JOIN orgs o ON o.id = i.default_org_id WHERE i.id = 1");
    bool is_found = pn_query_next(q);

    if (is_found) {
        out->instance_id = pn_column_uuid(q, 0);
        out->is_initialized = pn_column_int(q, 1) != 0;
        out->created_ms = pn_column_int(q, 2);
        out->updated_ms = pn_column_int(q, 3) != 0 ? pn_column_int(q, 3) : out->created_ms;
        out->consent = pn_column_str(q, 4, call->arena);
        out->page_frame = pn_column_str(q, 5, call->arena);
        out->default_org = pn_column_uuid(q, 6);
        out->default_org_slug = pn_column_str(q, 7, call->arena);
    }
    if (!pn_query_end(q, err))
        return false;
    pn_assert(is_found); /* pn_instance_ensure ran at start-up */
    return list_admins(call, &out->admin_identities, err);
}

struct setup {
    const struct pn_call *call;
    const struct pn_bootstrap *out;
    struct pn_str password_hash;
    struct pn_uuid member_id, token_id, auth_id;
};

static bool mark_initialized(struct pn_db_conn *tx, struct pn_err *err)
{
    int64_t changed;

    if (!pn_query_run(
            pn_query(tx,
                     "UPDATE instance SET is_initialized = 1 WHERE id = 1 AND is_initialized = 0"),
            &changed, err))
        return false;
    return changed == 1 || pn_fail(err, PN_BAD_REQUEST, "Instance has already been set up");
}

/* Token Auth without an end: what automation starts from must not stop by itself. */
static bool insert_admin_token(struct pn_db_conn *tx, const struct setup *s, struct pn_err *err)
{
    const struct pn_auth_method method = { .id = s->auth_id,
                                           .identityId = s->out->identity_id,
                                           .terms = pn_token_terms_default(),
                                           .createdAt = s->call->now_ms };
    struct pn_query *q;

    if (!pn_auth_method_insert(tx, "token-auth", &method, err))
        return false;
    q = pn_query(tx, "INSERT INTO identity_tokens (id, identity_id, name, auth_method, auth_id,"
                     " created_ms, expires_ms) VALUES ($id, $identity, 'Instance Admin Token',"
                     " 'token-auth', $auth, $now, 0)");
    pn_bind_uuid(q, "$id", s->token_id);
    pn_bind_uuid(q, "$identity", s->out->identity_id);
    pn_bind_uuid(q, "$auth", s->auth_id);
    pn_bind_int(q, "$now", s->call->now_ms);
    return pn_query_run(q, NULL, err);
}

static bool insert_admin_identity(struct pn_db_conn *tx, const struct setup *s, struct pn_err *err)
{
    struct pn_query *q;

    q = pn_query(
        tx,
        "INSERT INTO identities (id, org_id, name, role, is_instance_admin, created_ms, updated_ms)"
        " VALUES ($id, $org, 'Instance Admin Identity', 'admin', 1, $now, $now)");
    pn_bind_uuid(q, "$id", s->out->identity_id);
    pn_bind_uuid(q, "$org", s->out->org.id);
    pn_bind_int(q, "$now", s->call->now_ms);
    if (!pn_query_run(q, NULL, err))
        return false;
    return insert_admin_token(tx, s, err);
}

static bool insert_first(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct setup *s = context;
    const struct pn_bootstrap *b = s->out;
    const struct pn_org_join join = {
        .id = s->member_id, .org_id = b->org.id, .user_id = b->user.id, .role = PN_LIT("admin")
    };

    return mark_initialized(tx, err) &&
           pn_user_insert(tx, s->call, &b->user, s->password_hash, err) &&
           pn_org_insert(tx, s->call, &b->org, err) && pn_org_join(tx, s->call, &join, err) &&
           (pn_uuid_is_zero(b->identity_id) || insert_admin_identity(tx, s, err)) &&
           pn_audit_write(
               tx, s->call,
               &(struct pn_audit_event){ .type = "bootstrap-instance", .org_id = b->org.id }, err);
}

bool pn_instance_bootstrap(struct pn_call *call, const struct pn_instance_first *first,
                           struct pn_bootstrap *out, struct pn_err *err)
{
    struct setup s = { .call = call,
                       .out = out,
                       .member_id = pn_random_uuid(),
                       .token_id = pn_random_uuid(),
                       .auth_id = pn_random_uuid() };
    struct pn_instance instance;

    if (!pn_instance_get(call, &instance, err))
        return false;
    if (instance.is_initialized) /* before the costly hash; mark_initialized decides */
        return pn_fail(err, PN_BAD_REQUEST, "Instance has already been set up");
    if (!pn_password_hash(call->arena, first->password, &s.password_hash, err))
        return false;
    *out = (struct pn_bootstrap){
        .user = { .id = pn_random_uuid(),
                  .email = first->email,
                  .username = first->email,
                  .firstName = first->first_name,
                  .lastName = first->last_name,
                  .superAdmin = true,
                  .createdAt = call->now_ms },
        .org = { .id = pn_random_uuid(),
                 .name = first->organization,
                 .slug = pn_name_to_slug(call->arena, first->organization),
                 .createdAt = call->now_ms,
                 .updatedAt = call->now_ms },
        .identity_id = first->has_identity ? pn_random_uuid() : (struct pn_uuid){ { 0 } },
    };
    if (!pn_db_write(call->db, insert_first, &s, err))
        return false;
    if (!first->has_identity)
        return true;
    return pn_token_for_identity(
        call,
        &(struct pn_identity_claims){ .identity = out->identity_id,
                                      .org = out->org.id,
                                      .token = s.token_id,
                                      .identity_name = PN_LIT("Instance Admin Identity"),
                                      .method = PN_LIT("token-auth"),
                                      .created_ms = call->now_ms },
        &out->token, err);
}

/* ---- what is said at the door ---- */

struct configuring {
    const struct pn_call *call;
    const struct pn_instance_change *change;
};

static bool check_org(struct pn_db_conn *tx, struct pn_uuid id, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT 1 FROM orgs WHERE id = $id");
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_there || pn_fail(err, PN_BAD_REQUEST, "Organization with ID '%s' not found",
                               pn_uuid_format(id).text);
}

/* What is not given stays as it is now; what is given empty is taken away. */
static bool update_config(struct pn_db_conn *tx, const struct configuring *c, struct pn_err *err)
{
    const struct pn_instance_change *new = c->change;
    struct pn_query *q =
        pn_query(tx, "UPDATE instance SET updated_ms = $now,"
                     " consent = CASE WHEN $has_consent = 1 THEN $consent ELSE consent END,"
                     " page_frame = CASE WHEN $has_frame = 1 THEN $frame ELSE page_frame END,"
                     " default_org_id = CASE WHEN $has_org = 1 THEN $org ELSE default_org_id END"
                     " WHERE id = 1");

    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_int(q, "$has_consent", new->consent.ptr != NULL);
    pn_bind_str(q, "$consent", new->consent.len > 0 ? new->consent : PN_NONE);
    pn_bind_int(q, "$has_frame", new->page_frame.ptr != NULL);
    pn_bind_str(q, "$frame", new->page_frame.len > 0 ? new->page_frame : PN_NONE);
    pn_bind_int(q, "$has_org", new->has_default_org);
    pn_bind_uuid(q, "$org", new->default_org);
    return pn_query_run(q, NULL, err);
}

static bool find_default_org(struct pn_db_conn *tx, struct pn_uuid *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT default_org_id FROM instance WHERE id = 1");

    *out = pn_query_next(q) ? pn_column_uuid(q, 0) : (struct pn_uuid){ { 0 } };
    return pn_query_end(q, err);
}

static bool write_config(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct configuring *c = context;
    struct pn_uuid org;

    if (c->change->has_default_org && !pn_uuid_is_zero(c->change->default_org) &&
        !check_org(tx, c->change->default_org, err))
        return false;
    if (!update_config(tx, c, err) || !find_default_org(tx, &org, err))
        return false;
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = "update-instance-config",
            .fields = { { "defaultAuthOrgId",
                          pn_uuid_is_zero(org) ? PN_NONE : pn_uuid_str(c->call->arena, org) } } },
        err);
}

bool pn_instance_configure(struct pn_call *call, const struct pn_instance_change *change,
                           struct pn_err *err)
{
    struct configuring c = { .call = call, .change = change };

    return pn_user_require_super(call, err) && pn_db_write(call->db, write_config, &c, err);
}
