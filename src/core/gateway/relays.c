/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/relays.h"

#include "core/auth/token.h"
#include "base/address.h"
#include "core/gateway/pki.h"
#include "core/gateway/tunnels.h"
#include "core/org/permission.h"
#include "core/trail.h"
#include "crypto/random.h"

#define TOKEN_PREFIX "rle_"

#define SELECT_VIEW                                                                     \
    "SELECT id, org_id, name, host, created_ms, updated_ms, heartbeat_ms, is_enrolled," \
    " COALESCE(heartbeat_ms, 0) > $since FROM relays "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_relays_view *out)
{
    *out = (struct pn_relays_view){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .name = pn_column_str(q, 2, arena),
        .host = pn_column_str(q, 3, arena),
        .createdAt = pn_column_int(q, 4),
        .updatedAt = pn_column_int(q, 5),
        .heartbeat = pn_column_int(q, 6),
        .canRevoke = pn_column_int(q, 7) != 0,
        .isHealthy = pn_column_int(q, 8) != 0,
        .authMethod = PN_LIT("{\"method\":\"token\"}"),
    };
}

static bool find(struct pn_call *call, struct pn_uuid id, struct pn_relays_view *out,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, SELECT_VIEW "WHERE id = $id AND org_id = $org");
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
        return pn_fail(err, PN_NOT_FOUND, "Relay %s not found", pn_uuid_format(id).text);
    return true;
}

struct change {
    struct pn_call *call;
    struct pn_uuid id;
    struct pn_str name, host;
    const struct pn_enrol *enrol;
    const struct pn_uuid *gateways;
    size_t gateway_count;
    struct pn_uuid *refused;
    size_t refused_count;
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = type,
                            .fields = { { "relayId", pn_uuid_str(c->call->arena, c->id) },
                                        { "name", c->name },
                                        { "host", c->host } } },
        err);
}

/* Runs an UPDATE or DELETE of one relay of the organisation, whose $id and $org are bound here. */
static bool run_on_one(struct pn_query *q, const struct change *c, struct pn_err *err)
{
    int64_t changed;

    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_NOT_FOUND, "Relay %s not found", pn_uuid_format(c->id).text);
    return true;
}

static bool normalise(struct pn_call *call, struct pn_str host, struct pn_str *out,
                      struct pn_err *err)
{
    struct pn_address address;

    if (!pn_address_parse(host, PN_RELAYS_PORT, &address))
        return pn_fail(err, PN_BAD_REQUEST,
                       "host must be a host name or an IP address, with or without a port");
    *out = pn_address_text(call->arena, &address);
    return true;
}

static bool check_count(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM relays WHERE org_id = $org");
    int64_t count;

    pn_bind_uuid(q, "$org", call->actor.org_id);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    if (count >= PN_RELAYS_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "An organisation has at most %d relays", PN_RELAYS_MAX);
    return true;
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!check_count(tx, c->call, err))
        return false;
    q = pn_query(
        tx, "INSERT INTO relays (id, org_id, name, host, token_version, created_ms, updated_ms)"
            " VALUES ($id, $org, $name, $host, 1, $now, $now)");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    pn_bind_str(q, "$name", c->name);
    pn_bind_str(q, "$host", c->host);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) && note(tx, c, "relay-create", err);
}

bool pn_relays_create(struct pn_call *call, struct pn_str name, struct pn_str host,
                      struct pn_relays_view *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .name = name };

    if (!pn_permit_org(call, "relay", "create-relays", err) || !normalise(call, host, &c.host, err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return pn_db_is_duplicate(err)
                   ? pn_recast(err, PN_BAD_REQUEST, "A relay named %.*s already exists",
                               PN_ARG(name))
                   : false;
    return find(call, c.id, out, err);
}

bool pn_relays_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_relays_view *views;
    struct pn_query *q;

    if (call->actor.kind != PN_ACTOR_GATEWAY && !pn_permit_org(call, "relay", "list-relays", err))
        return false;
    views = pn_new(call->arena, struct pn_relays_view, PN_RELAYS_MAX);
    *out = (struct pn_list){ .items = views };
    q = pn_query(call->conn, SELECT_VIEW "WHERE org_id = $org ORDER BY name LIMIT $limit");
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$limit", PN_RELAYS_MAX);
    while (out->count < PN_RELAYS_MAX && pn_query_next(q))
        read_view(q, call->arena, &views[out->count++]);
    return pn_query_end(q, err);
}

bool pn_relays_get(struct pn_call *call, struct pn_uuid id, struct pn_relays_view *out,
                   struct pn_err *err)
{
    return pn_permit_org(call, "relay", "list-relays", err) && find(call, id, out, err);
}

static bool write_move(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q = pn_query(
        tx, "UPDATE relays SET host = $host, updated_ms = $now WHERE id = $id AND org_id = $org");

    pn_bind_str(q, "$host", c->host);
    pn_bind_int(q, "$now", c->call->now_ms);
    return run_on_one(q, c, err) && note(tx, c, "relay-update", err);
}

bool pn_relays_move(struct pn_call *call, struct pn_uuid id, struct pn_str host,
                    struct pn_relays_view *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "relay", "edit-relays", err) || !find(call, id, out, err))
        return false;
    c.name = out->name;
    if (host.ptr == NULL)
        return true;
    return normalise(call, host, &c.host, err) && pn_db_write(call->db, write_move, &c, err) &&
           find(call, id, out, err);
}

static bool write_mint(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE relays SET enroll_hash = $hash, enroll_expires_ms = $expires,"
                     " enroll_used_ms = NULL, updated_ms = $now WHERE id = $id AND org_id = $org");

    pn_bind_bytes(q, "$hash", pn_str_of(c->enrol->hash, sizeof(c->enrol->hash)));
    pn_bind_int(q, "$expires", c->enrol->expires_ms);
    pn_bind_int(q, "$now", c->call->now_ms);
    return run_on_one(q, c, err) && note(tx, c, "relay-token-create", err);
}

bool pn_relays_mint(struct pn_call *call, struct pn_uuid id, struct pn_enrol *out,
                    struct pn_err *err)
{
    struct pn_relays_view view;
    struct change c = { .call = call, .id = id, .enrol = out };

    if (!pn_permit_org(call, "relay", "edit-relays", err) || !find(call, id, &view, err))
        return false;
    *out = pn_enrol_mint(call, TOKEN_PREFIX);
    c.name = view.name;
    return pn_db_write(call->db, write_mint, &c, err);
}

static bool drop_tunnels(struct pn_db_conn *tx, struct pn_uuid relay, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM tunnels WHERE relay_id = $id");

    pn_bind_uuid(q, "$id", relay);
    return pn_query_run(q, NULL, err);
}

static bool write_revoke(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE relays SET token_version = token_version + 1, is_enrolled = 0,"
                     " enroll_hash = NULL, enroll_expires_ms = NULL, enroll_used_ms = NULL,"
                     " heartbeat_ms = NULL, updated_ms = $now WHERE id = $id AND org_id = $org");

    pn_bind_int(q, "$now", c->call->now_ms);
    return run_on_one(q, c, err) && drop_tunnels(tx, c->id, err) &&
           note(tx, c, "relay-revoke", err);
}

bool pn_relays_revoke(struct pn_call *call, struct pn_uuid id, struct pn_err *err)
{
    struct pn_relays_view view;
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "relay", "edit-relays", err) || !find(call, id, &view, err))
        return false;
    c.name = view.name;
    return pn_db_write(call->db, write_revoke, &c, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;

    return run_on_one(pn_query(tx, "DELETE FROM relays WHERE id = $id AND org_id = $org"), c,
                      err) &&
           note(tx, c, "relay-delete", err);
}

bool pn_relays_delete(struct pn_call *call, struct pn_uuid id, struct pn_relays_view *out,
                      struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    if (!pn_permit_org(call, "relay", "delete-relays", err) || !find(call, id, out, err))
        return false;
    c.name = out->name;
    return pn_db_write(call->db, write_delete, &c, err);
}

bool pn_relays_gateways(struct pn_call *call, struct pn_uuid id, struct pn_list *out,
                        struct pn_err *err)
{
    struct pn_relays_view view;
    struct pn_relays_gateway *gateways;
    struct pn_query *q;

    if (!pn_relays_get(call, id, &view, err))
        return false;
    gateways = pn_new(call->arena, struct pn_relays_gateway, PN_TUNNELS_MAX);
    *out = (struct pn_list){ .items = gateways };
    q = pn_query(call->conn,
                 "SELECT g.id, g.name FROM tunnels t JOIN gateways g ON g.id = t.gateway_id"
                 " WHERE t.relay_id = $id AND t.seen_ms > $since ORDER BY g.name LIMIT $limit");
    pn_bind_uuid(q, "$id", id);
    pn_bind_int(q, "$since", call->now_ms - PN_TUNNELS_FRESH_MS);
    pn_bind_int(q, "$limit", PN_TUNNELS_MAX);
    while (out->count < PN_TUNNELS_MAX && pn_query_next(q))
        gateways[out->count++] =
            (struct pn_relays_gateway){ pn_column_uuid(q, 0), pn_column_str(q, 1, call->arena) };
    return pn_query_end(q, err);
}

/* ---- enrolment ---- */

static const struct pn_enrol_kind enrolling = {
    .prefix = TOKEN_PREFIX,
    .take_sql = "UPDATE relays SET enroll_used_ms = $now, is_enrolled = 1,"
                " token_version = token_version + 1, updated_ms = $now WHERE enroll_hash = $hash"
                " AND enroll_used_ms IS NULL AND enroll_expires_ms > $now"
                " RETURNING id, org_id, name, token_version",
    .owner_sql = "SELECT id, org_id, name FROM relays WHERE enroll_hash = $hash",
    .granted = "relay-enroll",
    .refused = "relay-enroll-refused",
    .id_name = "relayId",
    .actor = PN_ACTOR_RELAY,
    .sign = pn_token_for_relay,
};

bool pn_relays_enrol(struct pn_call *call, struct pn_str token, struct pn_enrol_grant *out,
                     struct pn_err *err)
{
    return pn_enrol_use(call, &enrolling, token, out, err);
}

/* ---- as the relay itself ---- */

static bool issue_leaf(struct pn_call *call, struct pn_relays_connection *out, struct pn_err *err)
{
    struct pn_cert_request request = { .kind = PN_CERT_SERVER, .unit = PN_LIT("Relay") };
    struct pn_pki_leaf leaf;
    struct pn_address address;

    if (!pn_address_parse(out->host, 0, &address))
        return pn_fail(err, PN_INTERNAL, "The relay's host is unusable");
    request.common_name = address.host;
    if (address.is_ip) {
        request.ips = &address.host;
        request.ip_count = 1;
    } else {
        request.dns = &address.host;
        request.dns_count = 1;
    }
    if (!pn_pki_issue(call, call->actor.org_id, PN_AUTHORITY_RELAY, request, &leaf, err))
        return false;
    out->certificate = leaf.certificate;
    out->key = leaf.key;
    out->issuer = leaf.issuer;
    out->certificate_expires_ms = leaf.not_after_ms;
    return true;
}

static bool write_connect(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    return note(tx, context, "relay-connect", err);
}

bool pn_relays_connect(struct pn_call *call, struct pn_relays_connection *out, struct pn_err *err)
{
    struct pn_relays_view view;
    struct pn_relays_connection found = { 0 };
    struct change c = { .call = call, .id = call->actor.id };

    if (!find(call, call->actor.id, &view, err))
        return false;
    found.name = c.name = view.name;
    found.host = view.host;
    if (!issue_leaf(call, &found, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_GATEWAY, &found.client_chain, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_RELAY_CLIENT,
                      &found.relay_client_chain, err) ||
        !pn_db_write(call->db, write_connect, &c, err))
        return false;
    *out = found;
    return true;
}

/* A heartbeat is no change that anyone audits: it says again what the last one said. */
static bool write_heartbeat(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE relays SET heartbeat_ms = $now WHERE id = $id AND is_enrolled = 1");

    pn_db_touch(tx, c->id);
    pn_bind_int(q, "$now", c->call->now_ms);
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) &&
           pn_tunnels_report(tx, c->call, c->gateways, c->gateway_count, c->refused,
                             &c->refused_count, err);
}

bool pn_relays_heartbeat(struct pn_call *call, const struct pn_uuid *gateways, size_t count,
                         struct pn_strs *refused, struct pn_err *err)
{
    struct change c = { .call = call,
                        .id = call->actor.id,
                        .gateways = gateways,
                        .gateway_count = count,
                        .refused = pn_new(call->arena, struct pn_uuid, count) };

    if (!pn_db_write(call->db, write_heartbeat, &c, err))
        return false;
    *refused = (struct pn_strs){ .items = pn_new(call->arena, struct pn_str, c.refused_count),
                                 .count = c.refused_count };
    for (size_t i = 0; i < c.refused_count; i++)
        refused->items[i] = pn_uuid_str(call->arena, c.refused[i]);
    return true;
}
