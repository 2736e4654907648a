/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/org.h"

#include "core/audit/audit.h"
#include "core/auth/login.h"
#include "core/auth/mfa.h"
#include "core/lease/lease.h"
#include "core/org/names.h"
#include "core/org/permission.h"
#include "core/pam/session.h"
#include "core/scope.h"
#include "core/rows.h"
#include "crypto/random.h"
#include "json/writer.h"

#define MAX_ORGS 200

bool pn_org_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_org));
    struct pn_query *q = pn_query(
        call->conn,
        "SELECT o.id, o.name, o.slug, o.created_ms, o.updated_ms, m.role, o.enforce_mfa"
        " FROM org_members m"
        " JOIN orgs o ON o.id = m.org_id"
        " WHERE m.user_id = $user AND m.status = 'accepted' AND m.is_active = 1 ORDER BY o.name, "
        "o.id LIMIT $most");

    pn_bind_uuid(q, "$user", call->actor.id);
    pn_bind_int(q, "$most", MAX_ORGS);
    while (pn_query_next(q))
        *(struct pn_org *)pn_rows_add(&rows) = (struct pn_org){
            .id = pn_column_uuid(q, 0),
            .name = pn_column_str(q, 1, call->arena),
            .slug = pn_column_str(q, 2, call->arena),
            .createdAt = pn_column_int(q, 3),
            .updatedAt = pn_column_int(q, 4),
            .userRole = pn_column_str(q, 5, call->arena),
            .enforceMfa = pn_column_int(q, 6) != 0,
        };
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool find_org(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                     struct pn_org *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT name, slug, created_ms, updated_ms, enforce_mfa"
                                        " FROM orgs WHERE id = $id");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_org){ .id = id,
                                .name = pn_column_str(q, 0, call->arena),
                                .slug = pn_column_str(q, 1, call->arena),
                                .createdAt = pn_column_int(q, 2),
                                .updatedAt = pn_column_int(q, 3),
                                .enforceMfa = pn_column_int(q, 4) != 0 };
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Organization with ID '%s' not found",
                               pn_uuid_format(id).text);
}

bool pn_org_get(struct pn_call *call, struct pn_uuid id, struct pn_org *out, struct pn_err *err)
{
    if (!pn_uuid_eq(id, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    return find_org(call->conn, call, id, out, err);
}

bool pn_org_get_by_slug(struct pn_call *call, struct pn_str slug, struct pn_org *out,
                        struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT o.id, o.name, o.created_ms, o.updated_ms, o.enforce_mfa FROM orgs o"
                    " WHERE o.slug = $slug"
                    " AND (o.id = $org OR EXISTS (SELECT 1 FROM org_members m WHERE m.org_id = o.id"
                    " AND m.user_id = $actor AND m.status = 'accepted' AND m.is_active = 1))");
    bool is_found;

    pn_bind_str(q, "$slug", slug);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_uuid(q, "$actor", call->actor.id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_org){ .id = pn_column_uuid(q, 0),
                                .name = pn_column_str(q, 1, call->arena),
                                .slug = slug,
                                .createdAt = pn_column_int(q, 2),
                                .updatedAt = pn_column_int(q, 3),
                                .enforceMfa = pn_column_int(q, 4) != 0 };
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Organization with slug '%.*s' not found",
                               PN_ARG(pn_str_slice(slug, 0, 100)));
}

bool pn_org_insert(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org *org,
                   struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "INSERT INTO orgs (id, name, slug, created_ms, updated_ms)"
                                      " VALUES ($id, $name, $slug, $now, $now)");

    pn_bind_uuid(q, "$id", org->id);
    pn_bind_str(q, "$name", org->name);
    pn_bind_str(q, "$slug", org->slug);
    pn_bind_int(q, "$now", call->now_ms);
    return pn_query_run(q, NULL, err) && pn_scope_create(tx, call->keyring, org->id, err);
}

struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_org *org;
    struct pn_uuid member_id;
};

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "name", c->org->name);
    pn_write_str(&w, "slug", c->org->slug);
    pn_write_bool(&w, "enforceMfa", c->org->enforceMfa);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = c->event,
                                                    .org_id = c->org->id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool insert_org(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_org_join join = { .id = c->member_id,
                                      .org_id = c->org->id,
                                      .user_id = c->call->actor.id,
                                      .role = PN_LIT("admin") };

    return pn_mfa_require(tx, c->call, err) && pn_org_insert(tx, c->call, c->org, err) &&
           pn_org_join(tx, c->call, &join, err) && record(tx, c, err);
}

bool pn_org_create(struct pn_call *call, struct pn_str name, struct pn_org *out, struct pn_err *err)
{
    struct change c = {
        .call = call, .event = "create-org", .org = out, .member_id = pn_random_uuid()
    };

    *out = (struct pn_org){ .id = pn_random_uuid(),
                            .name = name,
                            .slug = pn_name_to_slug(call->arena, name),
                            .createdAt = call->now_ms,
                            .updatedAt = call->now_ms,
                            .userRole = PN_LIT("admin") };
    return pn_db_write(call->db, insert_org, &c, err);
}

struct org_edit {
    struct change change;
    struct pn_str name, slug; /* absent: as it is */
    int enforce_mfa;          /* -1: as it is */
};

/* Who asks everybody for a second factor has shown one, or would be the first to be shut out. */
static bool may_enforce(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q;
    bool is_shown;

    if (call->actor.kind != PN_ACTOR_USER)
        return true;
    q = pn_query(tx, "SELECT 1 FROM login_sessions WHERE id = $id AND is_mfa_verified = 1");
    pn_bind_uuid(q, "$id", call->actor.token_id);
    is_shown = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_shown || pn_fail(err, PN_BAD_REQUEST,
                               "Register an authenticator app yourself before you ask all members"
                               " for one");
}

/* What is not given stays as it is now, not as the caller saw it. */
static bool update_org(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct org_edit *e = context;
    struct pn_org *org = e->change.org;
    struct pn_query *q;

    if (!find_org(tx, e->change.call, org->id, org, err) ||
        (e->enforce_mfa > 0 && !org->enforceMfa && !may_enforce(tx, e->change.call, err)))
        return false;
    org->name = e->name.ptr != NULL ? e->name : org->name;
    org->slug = e->slug.ptr != NULL ? e->slug : org->slug;
    org->enforceMfa = e->enforce_mfa >= 0 ? e->enforce_mfa > 0 : org->enforceMfa;
    org->updatedAt = e->change.call->now_ms;
    q = pn_query(tx, "UPDATE orgs SET name = $name, slug = $slug, enforce_mfa = $enforce,"
                     " updated_ms = $now WHERE id = $id");
    pn_bind_str(q, "$name", org->name);
    pn_bind_str(q, "$slug", org->slug);
    pn_bind_int(q, "$enforce", org->enforceMfa);
    pn_bind_int(q, "$now", org->updatedAt);
    pn_bind_uuid(q, "$id", org->id);
    return pn_query_run(q, NULL, err) && record(tx, &e->change, err);
}

bool pn_org_change(struct pn_call *call, struct pn_uuid id, struct pn_str name, struct pn_str slug,
                   int enforce_mfa, struct pn_org *out, struct pn_err *err)
{
    struct org_edit edit = { .change = { .call = call, .event = "update-org", .org = out },
                             .name = name,
                             .slug = slug,
                             .enforce_mfa = enforce_mfa };

    if (!pn_org_get(call, id, out, err) || !pn_permit_org(call, "settings", "edit", err))
        return false;
    if (pn_db_write(call->db, update_org, &edit, err))
        return true;
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST, "The slug %.*s is taken", PN_ARG(slug));
    return false;
}

/* What belongs to an organisation without a reference that the database follows comes first. */
static const char *const erase_sql[] = {
    ("DELETE FROM scope_keys WHERE scope_id = $org OR scope_id IN (SELECT id FROM projects WHERE "
     "org_id = $org)"),
    "DELETE FROM projects WHERE org_id = $org",
    ("DELETE FROM users WHERE password_hash IS NULL AND id IN (SELECT user_id FROM org_members"
     " WHERE org_id = $org) AND NOT EXISTS (SELECT 1 FROM org_members o WHERE o.user_id = users.id"
     " AND o.org_id <> $org)"), /* whom it alone had invited */
    "DELETE FROM orgs WHERE id = $org",
};

bool pn_org_erase(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org *org,
                  struct pn_err *err)
{
    struct pn_org gone = *org;
    struct pn_call inside = *call; /* whoever deletes it, the records are the organisation's */

    inside.actor.org_id = org->id;
    if (!pn_lease_refuse_org(tx, org->id, err) ||
        !pn_pam_session_close_org(tx, &inside, org->id, PN_LIT("The organization was deleted"),
                                  err))
        return false;
    for (size_t i = 0; i < PN_COUNT(erase_sql); i++) {
        struct pn_query *q = pn_query(tx, erase_sql[i]);

        pn_bind_uuid(q, "$org", org->id);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return record(tx, &(struct change){ .call = call, .event = "delete-org", .org = &gone }, err);
}

static bool delete_org(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    return pn_org_erase(tx, c->call, c->org, err);
}

bool pn_org_delete(struct pn_call *call, struct pn_uuid id, struct pn_org *out,
                   struct pn_str *token, struct pn_err *err)
{
    struct change c = { .call = call, .org = out };

    if (!pn_org_get(call, id, out, err))
        return false;
    if (!pn_str_is(call->actor.org_role, "admin"))
        return pn_fail(err, PN_FORBIDDEN,
                       "Only an administrator of the organization may delete it");
    return pn_db_write(call->db, delete_org, &c, err) && pn_login_leave_org(call, token, err);
}
