/* SPDX-License-Identifier: Apache-2.0 */
/* Relays: administration, enrolment and what they ask themselves. Spec: doc/protocol/gateway-rest.md L1–L3. */
#include "core/gateway/relays.h"
#include "core/gateway/tunnels.h"
#include "core/org/names.h"
#include "core/pam/rules.h"
#include "server/routes.h"

static const char *const methods[] = { "token", NULL };

struct method {
    int method;
};
static const struct pn_field method_fields[] = {
    PN_FIELD(method, method, ENUM, .required = true, .names = methods),
};
static const struct pn_shape method_shape = PN_SHAPE_OF(method);

static const struct pn_field pn_relays_view_fields[] = {
    PN_FIELD(pn_relays_view, id, UUID),
    PN_FIELD(pn_relays_view, orgId, UUID),
    PN_FIELD(pn_relays_view, identityId, UUID),
    PN_FIELD(pn_relays_view, name, STRING),
    PN_FIELD(pn_relays_view, host, STRING, .doc = "host:port"),
    PN_FIELD(pn_relays_view, createdAt, TIME),
    PN_FIELD(pn_relays_view, updatedAt, TIME),
    PN_FIELD(pn_relays_view, heartbeat, TIME),
    PN_FIELD(pn_relays_view, healthAlertedAt, TIME),
    PN_FIELD(pn_relays_view, isHealthy, BOOL, .doc = "Heard of within 30 seconds"),
    PN_FIELD(pn_relays_view, canRevoke, BOOL),
    PN_FIELD(pn_relays_view, authMethod, RAW),
};
static const struct pn_shape view_shape = PN_SHAPE_OF(pn_relays_view);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

/* ---- administration ---- */

struct create_in {
    struct pn_str name, host;
    struct method authMethod;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 32, PN_NAME_SLUG),
    PN_FIELD(create_in, host, STRING, .required = true, .min = 1, .max = 300),
    PN_FIELD(create_in, authMethod, OBJECT, .required = true, .shape = &method_shape),
};

static bool create(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct create_in *in = in_;

    return pn_relays_create(call, in->name, in->host, out, err);
}

struct list_out {
    struct pn_list relays;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, relays, OBJECTS, .shape = &view_shape),
};

static bool list(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct list_out *out = out_;

    (void)in;
    return pn_relays_list(call, &out->relays, err);
}

static bool get(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_relays_get(call, in->id, out, err);
}

struct patch_in {
    struct pn_uuid id;
    struct pn_str host;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, host, STRING, .min = 1, .max = 300),
};

static bool patch(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct patch_in *in = in_;

    return pn_relays_move(call, in->id, in->host, out, err);
}

static const struct pn_field pn_relays_gateway_fields[] = {
    PN_FIELD(pn_relays_gateway, id, UUID),
    PN_FIELD(pn_relays_gateway, name, STRING),
};
static const struct pn_shape gateway_shape = PN_SHAPE_OF(pn_relays_gateway);

struct gateways_out {
    struct pn_list gateways;
};
static const struct pn_field gateways_out_fields[] = {
    PN_FIELD(gateways_out, gateways, OBJECTS, .shape = &gateway_shape),
};

static bool gateways(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct gateways_out *out = out_;

    return pn_relays_gateways(call, in->id, &out->gateways, err);
}

struct token_out {
    struct pn_str token;
    int64_t expiresAt, ttl;
};
static const struct pn_field token_out_fields[] = {
    PN_FIELD(token_out, token, STRING),
    PN_FIELD(token_out, expiresAt, TIME),
    PN_FIELD(token_out, ttl, INT, .doc = "Seconds"),
};

static bool mint(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct token_out *out = out_;
    struct pn_enrol enrol;

    if (!pn_relays_mint(call, in->id, &enrol, err))
        return false;
    *out = (struct token_out){ .token = enrol.token,
                               .expiresAt = enrol.expires_ms,
                               .ttl = PN_ENROL_TTL_S };
    return true;
}

struct revoke_out {
    struct pn_str method;
};
static const struct pn_field revoke_out_fields[] = {
    PN_FIELD(revoke_out, method, STRING),
};

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct revoke_out *out = out_;

    out->method = PN_LIT("token");
    return pn_relays_revoke(call, in->id, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_relays_delete(call, in->id, out, err);
}

/* ---- enrolment (L1) ---- */

struct login_in {
    int method;
    struct pn_secret *token;
};
static const struct pn_field login_in_fields[] = {
    PN_FIELD(login_in, method, ENUM, .required = true, .names = methods),
    PN_FIELD(login_in, token, SECRET, .required = true, .min = 1, .max = 256),
};
struct login_out {
    struct pn_str accessToken, tokenType;
    struct pn_uuid relayId;
};
static const struct pn_field login_out_fields[] = {
    PN_FIELD(login_out, accessToken, STRING),
    PN_FIELD(login_out, relayId, UUID),
    PN_FIELD(login_out, tokenType, STRING),
};

static bool login(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct login_in *in = in_;
    struct login_out *out = out_;
    struct pn_enrol_grant granted;

    if (!pn_relays_enrol(call, pn_secret_reveal(in->token), &granted, err))
        return false;
    *out = (struct login_out){ .accessToken = granted.access_token,
                               .relayId = granted.id,
                               .tokenType = PN_LIT("Bearer") };
    return true;
}

/* ---- as the relay itself (L2, L3) ---- */

struct pki {
    struct pn_str serverCertificate, serverPrivateKey, serverCertificateChain,
        clientCertificateChain, relayClientCertificateChain;
};
static const struct pn_field pki_fields[] = {
    PN_FIELD(pki, serverCertificate, STRING),
    PN_FIELD(pki, serverPrivateKey, STRING),
    PN_FIELD(pki, serverCertificateChain, STRING),
    PN_FIELD(pki, clientCertificateChain, STRING),
    PN_FIELD(pki, relayClientCertificateChain, STRING),
};
static const struct pn_shape pki_shape = PN_SHAPE_OF(pki);

struct connect_out {
    struct pn_uuid relayId;
    struct pn_str name, host;
    int64_t certificateExpiresAt;
    struct pki pki;
};
static const struct pn_field connect_out_fields[] = {
    PN_FIELD(connect_out, relayId, UUID),
    PN_FIELD(connect_out, name, STRING),
    PN_FIELD(connect_out, host, STRING),
    PN_FIELD(connect_out, certificateExpiresAt, TIME),
    PN_FIELD(connect_out, pki, OBJECT, .shape = &pki_shape),
};

static bool connect(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct connect_out *out = out_;
    struct pn_relays_connection found;

    (void)in;
    if (!pn_relays_connect(call, &found, err))
        return false;
    *out = (struct connect_out){
        .relayId = call->actor.id,
        .name = found.name,
        .host = found.host,
        .certificateExpiresAt = found.certificate_expires_ms,
        .pki = { .serverCertificate = found.certificate,
                 .serverPrivateKey = found.key,
                 .serverCertificateChain = found.issuer,
                 .clientCertificateChain = found.client_chain,
                 .relayClientCertificateChain = found.relay_client_chain },
    };
    return true;
}

struct heartbeat_in {
    struct pn_strs tunnels;
};
static const struct pn_field heartbeat_in_fields[] = {
    PN_FIELD(heartbeat_in, tunnels, STRINGS, .is_nullable = true, .max = PN_TUNNELS_MAX,
             .item_max = 36),
};
struct heartbeat_out {
    struct pn_str message;
    struct pn_strs refused;
};
static const struct pn_field heartbeat_out_fields[] = {
    PN_FIELD(heartbeat_out, message, STRING),
    PN_FIELD(heartbeat_out, refused, STRINGS, .doc = "Gateways whose tunnels are to be closed"),
};

static bool heartbeat(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct heartbeat_in *in = in_;
    struct heartbeat_out *out = out_;
    struct pn_uuid *ids = pn_new(call->arena, struct pn_uuid, in->tunnels.count);

    for (size_t i = 0; i < in->tunnels.count; i++)
        if (!pn_uuid_parse(in->tunnels.items[i], &ids[i]))
            return pn_pam_invalid(call->arena, "tunnels", "Every item must be the id of a gateway",
                                  err);
    out->message = PN_LIT("Successfully triggered heartbeat");
    return pn_relays_heartbeat(call, ids, in->tunnels.count, &out->refused, err);
}

const struct pn_route pn_relays_routes[] = {
    { PN_POST, "/api/v2/relays", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org relay:create-relays", .audit = "relay-create",
      .in = PN_SHAPE(create_in), .out = &view_shape, .handle = create, .doc = "Creates a relay." },
    { PN_GET, "/api/v1/relays", .access = PN_BY_PEOPLE | PN_BY_GATEWAY, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org relay:list-relays", .out = PN_SHAPE(list_out),
      .is_top_array = true, .handle = list, .doc = "Lists the organisation's relays by name." },
    { PN_GET, "/api/v2/relays/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org relay:list-relays", .in = PN_SHAPE(one_in),
      .out = &view_shape, .handle = get, .doc = "Shows a relay." },
    { PN_PATCH, "/api/v2/relays/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org relay:edit-relays", .audit = "relay-update",
      .in = PN_SHAPE(patch_in), .out = &view_shape, .handle = patch,
      .doc = "Says where a relay is found." },
    { PN_GET, "/api/v2/relays/:id/gateways", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org relay:list-relays", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(gateways_out), .is_top_array = true, .handle = gateways,
      .doc = "Lists the gateways with a live tunnel to a relay." },
    { PN_POST, "/api/v2/relays/:id/token-auth/generate-enrollment-token", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "org relay:edit-relays",
      .audit = "relay-token-create", .in = PN_SHAPE(one_in), .out = PN_SHAPE(token_out),
      .handle = mint, .doc = "A new one-time enrolment token; it replaces an unused one." },
    { PN_POST, "/api/v2/relays/:id/revoke", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org relay:edit-relays", .audit = "relay-revoke",
      .in = PN_SHAPE(one_in), .out = PN_SHAPE(revoke_out), .handle = revoke,
      .doc = "Ends every token of a relay." },
    { PN_DELETE, "/api/v1/relays/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org relay:delete-relays", .audit = "relay-delete",
      .in = PN_SHAPE(one_in), .out = &view_shape, .handle = delete, .doc = "Deletes a relay." },
    { PN_DELETE, "/api/v2/relays/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org relay:delete-relays", .audit = "relay-delete",
      .in = PN_SHAPE(one_in), .out = &view_shape, .handle = delete, .doc = "Deletes a relay." },
    { PN_POST, "/api/v2/relays/login", .access = PN_ANYONE, .rate = PN_RATE_ENROL,
      .lane = PN_LANE_FAST, .audit = "relay-enroll", .in = PN_SHAPE(login_in),
      .out = PN_SHAPE(login_out), .handle = login,
      .doc = "Uses a one-time token up and gives the relay its access token." },
    { PN_POST, "/api/v2/relays/connect", .access = PN_BY_RELAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .audit = "relay-connect", .out = PN_SHAPE(connect_out),
      .handle = connect, .doc = "Certificates for 24 hours." },
    { PN_POST, "/api/v2/relays/heartbeat", .access = PN_BY_RELAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .in = PN_SHAPE(heartbeat_in), .out = PN_SHAPE(heartbeat_out),
      .handle = heartbeat, .doc = "The relay is alive, and has tunnels of these gateways." },
    { 0 },
};
