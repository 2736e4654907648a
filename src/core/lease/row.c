/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/row.h"

#include "core/org/permission.h"
#include "core/rows.h"
#include "core/scope.h"
#include "json/writer.h"

#define MAX_SEALED ((size_t)16 << 10)
#define MAX_PLAN ((size_t)16 << 10)
#define MAX_METADATA ((size_t)1 << 20)

/* ---- configurations ---- */

static struct pn_seal_place place_of(struct pn_uuid id)
{
    return (struct pn_seal_place){ .table = "lease_configs", .column = "sealed_token", .row = id };
}

bool pn_config_seal(struct pn_call *call, struct pn_uuid org, struct pn_uuid id,
                    const struct pn_secret *token, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(MAX_SEALED);

    *out = PN_NONE;
    if (token == NULL)
        return true;
    if (!pn_scope_ready(call->conn, call->keyring, org, err) ||
        !pn_keyring_seal(call->keyring, org, place_of(id), pn_secret_reveal(token), &sealed, err))
        return pn_within(err, "sealing a cluster token");
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

bool pn_config_insert(struct pn_db_conn *tx, const struct pn_config_row *row, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO lease_configs (id, dynamic_secret_id, org_id, gateway_id, pool_id, inputs,"
        " sealed_token, created_ms) VALUES ($id, $secret, $org, $gateway, $pool, $inputs, $token,"
        " $now)");

    pn_bind_uuid(q, "$id", row->id);
    pn_bind_uuid(q, "$secret", row->dynamic_secret_id);
    pn_bind_uuid(q, "$org", row->org_id);
    pn_bind_uuid(q, "$gateway", row->gateway_id);
    pn_bind_uuid(q, "$pool", row->pool_id);
    pn_bind_str(q, "$inputs", row->inputs);
    pn_bind_bytes(q, "$token", row->sealed_token);
    pn_bind_int(q, "$now", row->created_ms);
    return pn_query_run(q, NULL, err);
}

static bool open_token(struct pn_call *call, const struct pn_config_row *row,
                       struct pn_lease_config *out, struct pn_err *err)
{
    if (row->sealed_token.len == 0)
        return true;
    return (pn_scope_ready(call->conn, call->keyring, row->org_id, err) &&
            pn_keyring_open(call->keyring, row->org_id, place_of(row->id), row->sealed_token,
                            &out->clusterToken, err)) ||
           pn_within(err, "opening a cluster token");
}

bool pn_config_open(struct pn_call *call, struct pn_uuid id, struct pn_lease_config *out,
                    struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT org_id, inputs, sealed_token FROM lease_configs WHERE id = $id");
    struct pn_config_row row = { .id = id };
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    is_there = pn_query_next(q);
    if (is_there) {
        row.org_id = pn_column_uuid(q, 0);
        row.inputs = pn_column_str(q, 1, call->arena);
        row.sealed_token = pn_column_bytes(q, 2, call->arena);
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_INTERNAL, "Something went wrong") ||
               pn_within(err, "a configuration of a lease is missing");
    if (!pn_lease_config_read(call->arena, row.inputs, out, err))
        return pn_within(err, "a configuration of a lease is not ours");
    out->org_id = row.org_id;
    return open_token(call, &row, out, err);
}

bool pn_config_newest(struct pn_db_conn *conn, struct pn_uuid dynamic_secret, struct pn_uuid *out,
                      struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT id FROM lease_configs WHERE dynamic_secret_id = $secret"
                       " ORDER BY created_ms DESC, id DESC LIMIT 1");

    pn_bind_uuid(q, "$secret", dynamic_secret);
    *out = pn_query_next(q) ? pn_column_uuid(q, 0) : (struct pn_uuid){ { 0 } };
    return pn_query_end(q, err);
}

bool pn_config_prune(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "DELETE FROM lease_configs WHERE dynamic_secret_id = $secret"
                     " AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.config_id = lease_configs.id)"
                     " AND NOT EXISTS (SELECT 1 FROM dynamic_secrets d WHERE d.id = $secret"
                     " AND d.config_id = lease_configs.id)");

    pn_bind_uuid(q, "$secret", dynamic_secret);
    return pn_query_run(q, NULL, err);
}

/* ---- dynamic secrets ---- */

struct metadata {
    struct pn_list pairs;
};
static const struct pn_field pair_fields[] = {
    PN_FIELD(pn_permit_pair, key, STRING),
    PN_FIELD(pn_permit_pair, value, STRING),
};
static const struct pn_shape pair_shape = { "pair", sizeof(struct pn_permit_pair), pair_fields, 2 };
static const struct pn_field metadata_fields[] = {
    PN_FIELD(metadata, pairs, OBJECTS, .shape = &pair_shape),
};

#define DYNAMIC                                                                                 \
    "SELECT d.id, d.folder_id, d.config_id, d.name, d.version, d.default_ttl, d.max_ttl,"       \
    " d.username_template, d.metadata, d.status, d.status_details, d.created_ms, d.updated_ms," \
    " c.inputs, c.gateway_id FROM dynamic_secrets d JOIN lease_configs c ON c.id = d.config_id "

bool pn_dynamic_metadata_read(struct pn_arena *arena, struct pn_str column, struct pn_list *out,
                              struct pn_err *err)
{
    struct metadata metadata;

    if (!pn_shape_parse(PN_SHAPE(metadata), arena, column, &metadata, err))
        return pn_recast(err, PN_INTERNAL, "Something went wrong");
    *out = metadata.pairs;
    return true;
}

static bool read_dynamic(struct pn_query *q, struct pn_arena *arena, struct pn_dynamic_secret *out,
                         struct pn_err *err)
{
    *out = (struct pn_dynamic_secret){
        .id = pn_column_uuid(q, 0),
        .folderId = pn_column_uuid(q, 1),
        .config_id = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .type = PN_LIT("kubernetes"),
        .version = pn_column_int(q, 4),
        .defaultTTL = pn_column_str(q, 5, arena),
        .maxTTL = pn_column_str(q, 6, arena),
        .usernameTemplate = pn_column_str(q, 7, arena),
        .status = pn_column_str(q, 9, arena),
        .statusDetails = pn_column_str(q, 10, arena),
        .createdAt = pn_column_int(q, 11),
        .updatedAt = pn_column_int(q, 12),
        .inputs = pn_column_str(q, 13, arena),
        .gatewayV2Id = pn_column_uuid(q, 14),
    };
    return pn_dynamic_metadata_read(arena, pn_column_str(q, 8, arena), &out->metadata, err);
}

static bool read_one(struct pn_query *q, struct pn_arena *arena, struct pn_dynamic_secret *out,
                     bool *is_there, struct pn_err *err)
{
    struct pn_err bad = { 0 };
    bool is_read = true;

    *is_there = pn_query_next(q);
    if (*is_there)
        is_read = read_dynamic(q, arena, out, &bad);
    if (!pn_query_end(q, err))
        return false;
    if (!is_read)
        *err = bad;
    return is_read;
}

bool pn_dynamic_row_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                         struct pn_str name, struct pn_dynamic_secret *out, bool *is_there,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, DYNAMIC "WHERE d.folder_id = $folder AND d.name = $name");

    pn_bind_uuid(q, "$folder", folder);
    pn_bind_str(q, "$name", name);
    return read_one(q, arena, out, is_there, err);
}

bool pn_dynamic_row_get(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                        struct pn_dynamic_secret *out, bool *is_there, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, DYNAMIC "WHERE d.id = $id");

    pn_bind_uuid(q, "$id", id);
    return read_one(q, arena, out, is_there, err);
}

bool pn_dynamic_row_list(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                         struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_dynamic_secret));
    struct pn_query *q = pn_query(conn, DYNAMIC "WHERE d.folder_id = $folder ORDER BY d.name");
    struct pn_err bad = { 0 };

    pn_bind_uuid(q, "$folder", folder);
    while (!pn_arena_is_over(arena) && bad.code == PN_OK && pn_query_next(q))
        (void)!read_dynamic(q, arena, pn_rows_add(&rows), &bad);
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    if (bad.code != PN_OK)
        *err = bad;
    return bad.code == PN_OK;
}

static struct pn_str print_metadata(struct pn_buf *json, struct pn_list pairs)
{
    const struct metadata metadata = { pairs };

    pn_shape_print(PN_SHAPE(metadata), &metadata, json);
    pn_assert(!json->is_full);
    return pn_buf_str(json);
}

static void bind_dynamic(struct pn_query *q, const struct pn_dynamic_secret *row,
                         struct pn_buf *json)
{
    pn_bind_uuid(q, "$id", row->id);
    pn_bind_uuid(q, "$config", row->config_id);
    pn_bind_str(q, "$name", row->name);
    pn_bind_int(q, "$version", row->version);
    pn_bind_str(q, "$ttl", row->defaultTTL);
    pn_bind_str(q, "$max", row->maxTTL);
    pn_bind_str(q, "$template", row->usernameTemplate);
    pn_bind_str(q, "$metadata", print_metadata(json, row->metadata));
    pn_bind_int(q, "$updated", row->updatedAt);
}

bool pn_dynamic_row_insert(struct pn_db_conn *tx, const struct pn_dynamic_secret *row,
                           struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_METADATA);
    struct pn_query *q = pn_query(
        tx, "INSERT INTO dynamic_secrets (id, folder_id, config_id, name, version, default_ttl,"
            " max_ttl, username_template, metadata, created_ms, updated_ms) VALUES ($id, $folder,"
            " $config, $name, $version, $ttl, $max, $template, $metadata, $updated, $updated)");

    bind_dynamic(q, row, &json);
    pn_bind_uuid(q, "$folder", row->folderId);
    return pn_query_run(q, NULL, err);
}

bool pn_dynamic_row_update(struct pn_db_conn *tx, const struct pn_dynamic_secret *row,
                           struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_METADATA);
    struct pn_query *q = pn_query(
        tx, "UPDATE dynamic_secrets SET config_id = $config, name = $name, version = $version,"
            " default_ttl = $ttl, max_ttl = $max, username_template = $template,"
            " metadata = $metadata, status = NULL, status_details = NULL, updated_ms = $updated"
            " WHERE id = $id AND version = $version - 1");
    int64_t changed;

    bind_dynamic(q, row, &json);
    if (!pn_query_run(q, &changed, err))
        return false;
    return changed == 1 ||
           pn_fail(err, PN_CONFLICT, "The dynamic secret was changed at the same time. Try again");
}

bool pn_dynamic_row_set_status(struct pn_db_conn *tx, struct pn_uuid id, const char *status,
                               struct pn_str details, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE dynamic_secrets SET status = $status,"
                                      " status_details = $details WHERE id = $id");

    pn_bind_uuid(q, "$id", id);
    pn_bind_str(q, "$status", pn_str_from(status));
    pn_bind_str(q, "$details", details);
    return pn_query_run(q, NULL, err);
}

bool pn_dynamic_row_delete(struct pn_db_conn *tx, struct pn_uuid id, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM dynamic_secrets WHERE id = $id");

    pn_bind_uuid(q, "$id", id);
    return pn_query_run(q, NULL, err);
}

/* ---- plans ---- */

static const struct pn_field object_fields[] = {
    PN_FIELD(pn_lease_object, kind, ENUM, .names = pn_lease_kinds, .required = true),
    PN_FIELD(pn_lease_object, namespace, STRING),
    PN_FIELD(pn_lease_object, name, STRING, .required = true),
    PN_FIELD(pn_lease_object, uid, STRING, .is_nullable = true),
    PN_FIELD(pn_lease_object, is_gone, BOOL),
};
static const struct pn_shape object_shape = { "object", sizeof(struct pn_lease_object),
                                              object_fields, PN_COUNT(object_fields) };

struct plan {
    struct pn_str requester, namespace, account;
    int64_t token_s, expire_ms;
    struct pn_list objects;
};
static const struct pn_field plan_fields[] = {
    PN_FIELD(plan, requester, STRING),
    PN_FIELD(plan, namespace, STRING),
    PN_FIELD(plan, account, STRING),
    PN_FIELD(plan, token_s, INT),
    PN_FIELD(plan, expire_ms, INT),
    PN_FIELD(plan, objects, OBJECTS, .max = PN_LEASE_MAX_OBJECTS, .shape = &object_shape),
};

static void print_object(struct pn_writer *w, const struct pn_lease_object *object)
{
    pn_write_object(w, NULL);
    pn_write_text(w, "kind", pn_lease_kinds[object->kind]);
    pn_write_str(w, "namespace", object->namespace.ptr != NULL ? object->namespace : PN_LIT(""));
    pn_write_str(w, "name", object->name);
    pn_write_str(w, "uid", object->uid);
    pn_write_bool(w, "is_gone", object->is_gone);
    pn_write_end(w);
}

struct pn_str pn_lease_plan_print(struct pn_arena *arena, const struct pn_lease_plan *plan)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_PLAN);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "requester", plan->requester.ptr != NULL ? plan->requester : PN_LIT(""));
    pn_write_str(&w, "namespace", plan->namespace);
    pn_write_str(&w, "account", plan->account);
    pn_write_int(&w, "token_s", plan->token_s);
    pn_write_int(&w, "expire_ms", plan->expire_ms);
    pn_write_array(&w, "objects");
    for (size_t i = 0; i < plan->object_count; i++)
        print_object(&w, &plan->objects[i]);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_assert(!json.is_full);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

bool pn_lease_plan_read(struct pn_arena *arena, struct pn_str json, struct pn_lease_plan *out,
                        struct pn_err *err)
{
    const struct pn_lease_object *objects;
    struct plan plan;

    if (!pn_shape_parse(PN_SHAPE(plan), arena, json, &plan, err))
        return pn_recast(err, PN_INTERNAL, "Something went wrong");
    *out = (struct pn_lease_plan){ .requester = plan.requester,
                                   .namespace = plan.namespace,
                                   .account = plan.account,
                                   .token_s = plan.token_s,
                                   .expire_ms = plan.expire_ms,
                                   .object_count = plan.objects.count };
    objects = plan.objects.items;
    for (size_t i = 0; i < plan.objects.count; i++)
        out->objects[i] = objects[i];
    return true;
}

/* ---- leases ---- */

#define LEASE                                                                               \
    "SELECT l.id, l.dynamic_secret_id, l.config_id, l.org_id, l.project_id, l.environment," \
    " l.path, l.name, l.state, l.version, l.external_entity_id, l.config, l.plan, l.jti,"   \
    " l.token_end_ms, l.expire_ms, l.status_details, l.created_ms, l.updated_ms FROM leases l "

static bool read_lease(struct pn_query *q, struct pn_arena *arena, struct pn_lease *out,
                       struct pn_err *err)
{
    *out = (struct pn_lease){
        .id = pn_column_uuid(q, 0),
        .dynamicSecretId = pn_column_uuid(q, 1),
        .config_id = pn_column_uuid(q, 2),
        .org_id = pn_column_uuid(q, 3),
        .project_id = pn_column_uuid(q, 4),
        .environment = pn_column_str(q, 5, arena),
        .path = pn_column_str(q, 6, arena),
        .name = pn_column_str(q, 7, arena),
        .version = pn_column_int(q, 9),
        .externalEntityId = pn_column_str(q, 10, arena),
        .config = pn_column_str(q, 11, arena),
        .jti = pn_column_str(q, 13, arena),
        .token_end_ms = pn_column_int(q, 14),
        .expireAt = pn_column_int(q, 15),
        .statusDetails = pn_column_str(q, 16, arena),
        .createdAt = pn_column_int(q, 17),
        .updatedAt = pn_column_int(q, 18),
    };
    if (!pn_lease_state_parse(pn_column_str(q, 8, arena), &out->state))
        return pn_fail(err, PN_INTERNAL, "Something went wrong") ||
               pn_within(err, "a lease is in a state of a newer program");
    out->status = pn_str_from(pn_lease_state_status(out->state));
    if (!pn_lease_plan_read(arena, pn_column_str(q, 12, arena), &out->plan, err))
        return pn_within(err, "the plan of a lease is not ours");
    out->plan.lease_id = out->id;
    out->plan.dynamic_secret_id = out->dynamicSecretId;
    return true;
}

bool pn_lease_row_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                       struct pn_lease *out, bool *is_there, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, LEASE "WHERE l.id = $id");
    struct pn_err bad = { 0 };
    bool is_read = true;

    pn_bind_uuid(q, "$id", id);
    *is_there = pn_query_next(q);
    if (*is_there)
        is_read = read_lease(q, arena, out, &bad);
    if (!pn_query_end(q, err))
        return false;
    if (!is_read)
        *err = bad;
    return is_read;
}

bool pn_lease_row_list(struct pn_db_conn *conn, struct pn_arena *arena,
                       struct pn_uuid dynamic_secret, int64_t limit, struct pn_list *out,
                       struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_lease));
    struct pn_query *q =
        pn_query(conn, LEASE "WHERE l.dynamic_secret_id = $secret AND"
                             " l.state NOT IN ('pending', 'cleaning') ORDER BY l.created_ms,"
                             " l.id LIMIT $limit");
    struct pn_err bad = { 0 };

    pn_bind_uuid(q, "$secret", dynamic_secret);
    pn_bind_int(q, "$limit", limit);
    while (!pn_arena_is_over(arena) && bad.code == PN_OK && pn_query_next(q))
        (void)!read_lease(q, arena, pn_rows_add(&rows), &bad);
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    if (bad.code != PN_OK)
        *err = bad;
    return bad.code == PN_OK;
}

bool pn_lease_row_count(struct pn_db_conn *conn, struct pn_uuid dynamic_secret, int64_t *out,
                        struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT count(*) FROM leases WHERE dynamic_secret_id = $secret");

    pn_bind_uuid(q, "$secret", dynamic_secret);
    *out = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

/* What changes in a lease's life. `arena` is the printed plan's. */
static void bind_life(struct pn_query *q, struct pn_arena *arena, const struct pn_lease *row)
{
    pn_bind_uuid(q, "$id", row->id);
    pn_bind_str(q, "$state", pn_str_from(pn_lease_state_name(row->state)));
    pn_bind_int(q, "$version", row->version);
    pn_bind_str(q, "$plan", pn_lease_plan_print(arena, &row->plan));
    pn_bind_str(q, "$entity", row->externalEntityId);
    pn_bind_str(q, "$jti", row->jti);
    pn_bind_int(q, "$token_end", row->token_end_ms);
    pn_bind_int(q, "$expire", row->expireAt);
    pn_bind_str(q, "$details", row->statusDetails);
    pn_bind_int(q, "$updated", row->updatedAt);
}

bool pn_lease_row_insert(struct pn_db_conn *tx, const struct pn_lease *row, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_PLAN * 2);
    struct pn_query *q = pn_query(
        tx, "INSERT INTO leases (id, dynamic_secret_id, config_id, org_id, project_id, environment,"
            " path, name, state, version, external_entity_id, config, plan, jti, token_end_ms,"
            " expire_ms, status_details, created_ms, updated_ms) VALUES ($id, $secret, $config_id,"
            " $org, $project, $environment, $path, $name, $state, $version, $entity, $config,"
            " $plan, $jti, $token_end, $expire, $details, $created, $updated)");

    bind_life(q, arena, row);
    pn_bind_uuid(q, "$secret", row->dynamicSecretId);
    pn_bind_uuid(q, "$config_id", row->config_id);
    pn_bind_uuid(q, "$org", row->org_id);
    pn_bind_uuid(q, "$project", row->project_id);
    pn_bind_str(q, "$environment", row->environment);
    pn_bind_str(q, "$path", row->path);
    pn_bind_str(q, "$name", row->name);
    pn_bind_str(q, "$config", row->config);
    pn_bind_int(q, "$created", row->createdAt);
    return pn_query_run(q, NULL, err);
}

bool pn_lease_row_update(struct pn_db_conn *tx, const struct pn_lease *row, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_PLAN * 2);
    struct pn_query *q = pn_query(
        tx,
        "UPDATE leases SET state = $state, version = $version, plan = $plan,"
        " external_entity_id = $entity, jti = $jti, token_end_ms = $token_end,"
        " expire_ms = $expire, status_details = $details, updated_ms = $updated WHERE id = $id");

    bind_life(q, arena, row);
    return pn_query_run(q, NULL, err);
}

bool pn_lease_row_delete(struct pn_db_conn *tx, struct pn_uuid id, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM leases WHERE id = $id");

    pn_bind_uuid(q, "$id", id);
    return pn_query_run(q, NULL, err);
}
