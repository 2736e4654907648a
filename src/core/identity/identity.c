/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity/identity.h"

#include "core/audit/audit.h"
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
