/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/gateways.h"

#include "base/address.h"
#include "core/gateway/pki.h"
#include "core/gateway/tunnels.h"
#include "core/auth/token.h"
#include "core/org/permission.h"
#include "core/pam/session.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/random.h"

#define TOKEN_PREFIX "gwe_"

#define RELAY_FRESH_MS (INT64_C(3600) * 1000) /* contract §6.2: usable for selection */
#define MAX_SEALED_BYTES ((size_t)256)

/* What every view is read from; $since says what is still fresh. */
#define SELECT_VIEW                                                                                \
    "SELECT g.id, g.org_id, g.name, g.created_ms, g.updated_ms, g.heartbeat_ms, g.direct_address," \
    " g.is_enrolled, (g.is_enrolled = 1 AND COALESCE(g.direct_heartbeat_ms, 0) > $since) OR "      \
    "EXISTS ("                                                                                     \
    "SELECT 1 FROM tunnels t WHERE t.gateway_id = g.id AND t.seen_ms > $since),"                   \
    " (SELECT count(*) FROM pam_resources r WHERE r.gateway_id = g.id)"                            \
    " + (SELECT count(*) FROM pam_accounts a WHERE a.gateway_id = g.id)"                           \
    " + (SELECT count(*) FROM pam_templates t WHERE t.gateway_id = g.id) FROM gateways g "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_gateways_view *out)
{
    *out = (struct pn_gateways_view){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .createdAt = pn_column_int(q, 3),
        .updatedAt = pn_column_int(q, 4),
        .heartbeat = pn_column_int(q, 5),
        .directAddress = pn_column_str(q, 6, arena),
        .canRevoke = pn_column_int(q, 7) != 0,
        .isConnected = pn_column_int(q, 8) != 0,
        .connectedResourcesCount = pn_column_int(q, 9),
        .authMethod = PN_LIT("{\"method\":\"token\"}"),
    };
    if (out->heartbeat != 0)
        out->lastHealthCheckStatus = out->isConnected ? PN_LIT("healthy") : PN_LIT("failed");
}

static bool find(struct pn_call *call, struct pn_uuid id, struct pn_gateways_view *out,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, SELECT_VIEW "WHERE g.id = $id AND g.org_id = $org");
    bool is_there;

    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (is_there)
        read_view(q, call->arena, out);
    if (!pn_query_end(q, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found", pn_uuid_format(id).text);
    return true;
}

static struct pn_seal_place spool_place(struct pn_uuid row)
{
    return (struct pn_seal_place){ .table = "gateways", .column = "sealed_spool_key", .row = row };
}

/* Context of all write functions here: the fields that one does not need stay empty. */
struct change {
    struct pn_call *call;
    struct pn_uuid id;
    struct pn_str name, sealed_key, direct_address;
    const struct pn_enrol *enrol;
    bool had_enrolled;
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = type,
                            .fields = { { "gatewayId", pn_uuid_str(c->call->arena, c->id) },
                                        { "name", c->name } } },
        err);
}

static bool check_count(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM gateways WHERE org_id = $org");
    int64_t count;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    if (count >= PN_GATEWAYS_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "An organisation has at most %d gateways",
                       PN_GATEWAYS_MAX);
    return true;
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!check_count(tx, c->call, err))
        return false;
    q = pn_query(tx, "INSERT INTO gateways (id, org_id, name, token_version, sealed_spool_key, "
                     "created_ms, updated_ms)"
                     " VALUES ($id, $org, $name, 1, $key, $now, $now)");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    pn_bind_str(q, "$name", c->name);
    pn_bind_bytes(q, "$key", c->sealed_key);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) && note(tx, c, "gateway-create", err);
}

static bool seal_spool_key(struct pn_call *call, struct pn_uuid id, struct pn_str *out,
                           struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(MAX_SEALED_BYTES);
    uint8_t key[PN_GATEWAY_SPOOL_KEY_BYTES];
    bool done;

    pn_random_bytes(key, sizeof(key));
    done = pn_scope_ready(call->conn, call->keyring, call->actor.org_id, err) &&
           pn_keyring_seal(call->keyring, call->actor.org_id, spool_place(id),
                           pn_str_of(key, sizeof(key)), &sealed, err);
    pn_wipe(key, sizeof(key));
    if (!done)
        return pn_within(err, "sealing the gateway's spool key");
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

bool pn_gateways_create(struct pn_call *call, struct pn_str name, struct pn_gateways_view *out,
                        struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .name = name };

    if (!pn_permit_org(call, "gateway", "create-gateways", err) ||
        !seal_spool_key(call, c.id, &c.sealed_key, err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return pn_db_is_duplicate(err)
                   ? pn_recast(err, PN_BAD_REQUEST, "A gateway named %.*s already exists",
                               PN_ARG(name))
                   : false;
    return find(call, c.id, out, err);
}

bool pn_gateways_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_gateways_view *views;
    struct pn_query *q;

    if (!pn_permit_org(call, "gateway", "list-gateways", err))
        return false;
    views = pn_new(call->arena, struct pn_gateways_view, PN_GATEWAYS_MAX);
    *out = (struct pn_list){ .items = views };
    q = pn_query(call->conn, SELECT_VIEW "WHERE g.org_id = $org ORDER BY g.name LIMIT $limit");
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$limit", PN_GATEWAYS_MAX);
    while (out->count < PN_GATEWAYS_MAX && pn_query_next(q))
        read_view(q, call->arena, &views[out->count++]);
    return pn_query_end(q, err);
}

bool pn_gateways_get(struct pn_call *call, struct pn_uuid id, struct pn_gateways_view *out,
                     struct pn_err *err)
{
    return pn_permit_org(call, "gateway", "list-gateways", err) && find(call, id, out, err);
}

static bool write_mint(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE gateways SET enroll_hash = $hash, enroll_expires_ms = $expires,"
                     " enroll_used_ms = NULL, updated_ms = $now WHERE id = $id AND org_id = $org");
    int64_t changed;

    pn_bind_bytes(q, "$hash", pn_str_of(c->enrol->hash, sizeof(c->enrol->hash)));
    pn_bind_int(q, "$expires", c->enrol->expires_ms);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found", pn_uuid_format(c->id).text);
    return note(tx, c, "gateway-token-create", err);
}

bool pn_gateways_mint(struct pn_call *call, struct pn_uuid id, struct pn_enrol *out,
                      struct pn_err *err)
{
    struct pn_gateways_view view;
    struct change c = { .call = call, .id = id, .enrol = out };

    if (!pn_permit_org(call, "gateway", "edit-gateways", err) || !find(call, id, &view, err))
        return false;
    *out = pn_enrol_mint(call, TOKEN_PREFIX);
    c.name = view.name;
    return pn_db_write(call->db, write_mint, &c, err);
}

static bool drop_tunnels(struct pn_db_conn *tx, struct pn_uuid gateway, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM tunnels WHERE gateway_id = $id");

    pn_bind_uuid(q, "$id", gateway);
    return pn_query_run(q, NULL, err);
}

static bool write_revoke(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE gateways SET token_version = token_version + 1, is_enrolled = 0,"
                     " enroll_hash = NULL, enroll_expires_ms = NULL, enroll_used_ms = NULL,"
                     " heartbeat_ms = NULL, direct_heartbeat_ms = NULL, updated_ms = $now"
                     " WHERE id = $id AND org_id = $org");
    int64_t changed;

    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found", pn_uuid_format(c->id).text);
    return drop_tunnels(tx, c->id, err) &&
           pn_pam_session_close_gateway(tx, c->call, c->id, PN_LIT("The gateway was revoked"),
                                        err) &&
           note(tx, c, "gateway-revoke", err);
}

bool pn_gateways_revoke(struct pn_call *call, struct pn_uuid id, bool *had, struct pn_err *err)
{
    struct pn_gateways_view view;
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "gateway", "edit-gateways", err) || !find(call, id, &view, err))
        return false;
    c.name = view.name;
    *had = view.canRevoke;
    return pn_db_write(call->db, write_revoke, &c, err);
}

/* What names the gateway: of Kubernetes access, machine identities that log in by its cluster's word, leases. */
static bool check_unused(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "SELECT f.kind, f.name, count(*) OVER () FROM ("
            "SELECT 'resource' AS kind, name FROM pam_resources WHERE gateway_id = $id UNION ALL"
            " SELECT 'account', name FROM pam_accounts WHERE gateway_id = $id UNION ALL"
            " SELECT 'template', name FROM pam_templates WHERE gateway_id = $id UNION ALL"
            " SELECT 'identity', i.name FROM kubernetes_auths k"
            " JOIN identity_auths a ON a.id = k.auth_id JOIN identities i ON i.id = a.identity_id"
            " WHERE k.gateway_id = $id UNION ALL SELECT DISTINCT 'dynamic secret',"
            " COALESCE(d.name, '(deleted)') FROM lease_configs l LEFT JOIN dynamic_secrets d"
            " ON d.id = l.dynamic_secret_id WHERE l.gateway_id = $id) f ORDER BY f.kind DESC, "
            "f.name LIMIT 1");
    struct pn_str kind = PN_NONE, first = PN_NONE;
    int64_t count = 0;

    pn_bind_uuid(q, "$id", c->id);
    if (pn_query_next(q)) {
        kind = pn_column_str(q, 0, c->call->arena);
        first = pn_column_str(q, 1, c->call->arena);
        count = pn_column_int(q, 2);
    }
    if (!pn_query_end(q, err))
        return false;
    if (count == 0)
        return true;
    if (count == 1)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Gateway %.*s is used by the %.*s %.*s: give it another gateway first",
                       PN_ARG(c->name), PN_ARG(kind), PN_ARG(first));
    return pn_fail(err, PN_BAD_REQUEST,
                   "Gateway %.*s is used by %lld others (the %.*s %.*s, …): give them another"
                   " gateway first",
                   PN_ARG(c->name), (long long)count, PN_ARG(kind), PN_ARG(first));
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;
    int64_t changed;

    if (!check_unused(tx, c, err) ||
        !pn_pam_session_close_gateway(tx, c->call, c->id, PN_LIT("The gateway was deleted"), err))
        return false;
    q = pn_query(tx, "DELETE FROM gateways WHERE id = $id AND org_id = $org");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_NOT_FOUND, "Gateway %s not found", pn_uuid_format(c->id).text);
    return note(tx, c, "gateway-delete", err);
}

bool pn_gateways_delete(struct pn_call *call, struct pn_uuid id, struct pn_gateways_view *out,
                        struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "gateway", "delete-gateways", err) || !find(call, id, out, err))
        return false;
    c.name = out->name;
    return pn_db_write(call->db, write_delete, &c, err);
}

/* ---- enrolment ---- */

static const struct pn_enrol_kind enrolling = {
    .prefix = TOKEN_PREFIX,
    .take_sql = "UPDATE gateways SET enroll_used_ms = $now, is_enrolled = 1,"
                " token_version = token_version + 1, updated_ms = $now WHERE enroll_hash = $hash"
                " AND enroll_used_ms IS NULL AND enroll_expires_ms > $now"
                " RETURNING id, org_id, name, token_version",
    .owner_sql = "SELECT id, org_id, name FROM gateways WHERE enroll_hash = $hash",
    .granted = "gateway-enroll",
    .refused = "gateway-enroll-refused",
    .id_name = "gatewayId",
    .actor = PN_ACTOR_GATEWAY,
    .sign = pn_token_for_gateway,
};

bool pn_gateways_enrol(struct pn_call *call, struct pn_str token, struct pn_enrol_grant *out,
                       struct pn_err *err)
{
    return pn_enrol_use(call, &enrolling, token, out, err);
}

/* ---- as the gateway itself ---- */

static bool find_relays(struct pn_call *call, struct pn_str name,
                        struct pn_gateways_connection *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT id, name, host FROM relays WHERE org_id = $org"
                             " AND (name = $name OR ($name = '' AND is_enrolled = 1))"
                             " ORDER BY CASE WHEN heartbeat_ms > $since THEN 0 ELSE 1 END, name"
                             " LIMIT $limit");

    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_str(q, "$name", name.ptr != NULL ? name : PN_LIT(""));
    pn_bind_int(q, "$since", call->now_ms - RELAY_FRESH_MS);
    pn_bind_int(q, "$limit", PN_GATEWAYS_MAX);
    out->relays = pn_new(call->arena, struct pn_gateways_relay, PN_GATEWAYS_MAX);
    while (out->relay_count < PN_GATEWAYS_MAX && pn_query_next(q))
        out->relays[out->relay_count++] =
            (struct pn_gateways_relay){ .id = pn_column_uuid(q, 0),
                                        .name = pn_column_str(q, 1, call->arena),
                                        .host = pn_column_str(q, 2, call->arena) };
    return pn_query_end(q, err);
}

static bool need_relays(struct pn_call *call, struct pn_str name,
                        struct pn_gateways_connection *out, struct pn_err *err)
{
    if (!find_relays(call, name, out, err))
        return false;
    if (name.len > 0 && out->relay_count == 0)
        return pn_fail(err, PN_NOT_FOUND, "Relay %.*s not found", PN_ARG(name));
    return true;
}

static bool issue_leaf(struct pn_call *call, struct pn_gateways_connection *out, struct pn_err *err)
{
    struct pn_str id = pn_uuid_str(call->arena, call->actor.id);
    const struct pn_str dns[] = {
        pn_arena_printf(call->arena, "%.*s.gateway.postern.internal", PN_ARG(id)),
        PN_LIT("localhost"), /* what Infisical's client expects of every gateway: contract §9.1 */
    };
    const struct pn_str uris[] = {
        pn_arena_printf(call->arena, "urn:postern:gateway:%.*s", PN_ARG(id)),
        pn_arena_printf(call->arena, "urn:infisical:gateway:%.*s", PN_ARG(id)),
    };
    const struct pn_cert_request request = { .kind = PN_CERT_GATEWAY,
                                             .common_name = id,
                                             .dns = dns,
                                             .dns_count = PN_COUNT(dns),
                                             .uris = uris,
                                             .uri_count = PN_COUNT(uris) };
    struct pn_pki_leaf leaf;

    if (!pn_pki_issue(call, call->actor.org_id, PN_AUTHORITY_GATEWAY, request, &leaf, err))
        return false;
    out->certificate = leaf.certificate;
    out->key = leaf.key;
    out->issuer = leaf.issuer;
    out->certificate_expires_ms = leaf.not_after_ms;
    return true;
}

bool pn_gateways_spool_key(struct pn_call *call, struct pn_str *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT sealed_spool_key FROM gateways WHERE id = $id");
    pn_auto(pn_secret_freep) struct pn_secret *key = NULL;
    struct pn_str sealed;

    pn_bind_uuid(q, "$id", call->actor.id);
    sealed = pn_query_next(q) ? pn_column_bytes(q, 0, call->arena) : PN_NONE;
    if (!pn_query_end(q, err) ||
        !pn_scope_ready(call->conn, call->keyring, call->actor.org_id, err) ||
        !pn_keyring_open(call->keyring, call->actor.org_id, spool_place(call->actor.id), sealed,
                         &key, err))
        return pn_within(err, "opening the gateway's spool key");
    *out = pn_arena_copy(call->arena, pn_secret_reveal(key));
    return true;
}

static bool normalise(struct pn_call *call, struct pn_str direct, struct pn_str *out,
                      struct pn_err *err)
{
    struct pn_address address;

    *out = PN_NONE;
    if (direct.len == 0)
        return true;
    if (!pn_address_parse(direct, 0, &address))
        return pn_fail(err, PN_BAD_REQUEST, "directAddress must be host:port");
    *out = pn_address_text(call->arena, &address);
    return true;
}

static bool update_direct(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE gateways SET direct_address = $direct WHERE id = $id");

    pn_bind_str(q, "$direct", c->direct_address);
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err);
}

static bool write_connect(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;

    return update_direct(tx, c, err) && note(tx, c, "gateway-connect", err);
}

bool pn_gateways_connect(struct pn_call *call, struct pn_str relay_name,
                         struct pn_str direct_address, struct pn_gateways_connection *out,
                         struct pn_err *err)
{
    struct pn_gateways_connection found = { 0 };
    struct change c = { .call = call, .id = call->actor.id, .name = call->actor.name };

    if (!normalise(call, direct_address, &c.direct_address, err) ||
        !need_relays(call, relay_name, &found, err) || !issue_leaf(call, &found, err) ||
        !pn_gateways_spool_key(call, &found.spool_key, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_CLIENT, &found.client_chain, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_RELAY, &found.relay_chain, err) ||
        !pn_db_write(call->db, write_connect, &c, err))
        return false;
    found.direct_address = c.direct_address;
    *out = found;
    return true;
}

/* A heartbeat is no change that anyone audits: it says again what the last one said. */
static bool write_heartbeat(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE gateways SET heartbeat_ms = $now, direct_address = $direct,"
                     " direct_heartbeat_ms = $direct_now WHERE id = $id AND is_enrolled = 1");

    pn_db_touch(tx, c->id);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_str(q, "$direct", c->direct_address);
    if (c->direct_address.ptr != NULL)
        pn_bind_int(q, "$direct_now", c->call->now_ms);
    else
        pn_bind_null(q, "$direct_now");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err);
}

bool pn_gateways_heartbeat(struct pn_call *call, struct pn_str relay_name,
                           struct pn_str direct_address, struct pn_list *relays, struct pn_err *err)
{
    struct change c = { .call = call, .id = call->actor.id };
    struct pn_gateways_connection found = { 0 };

    if (!normalise(call, direct_address, &c.direct_address, err) ||
        !find_relays(call, relay_name, &found, err) ||
        !pn_db_write(call->db, write_heartbeat, &c, err))
        return false;
    *relays = (struct pn_list){ found.relays, found.relay_count };
    return true;
}
