/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways: administration, enrolment and what they ask themselves. Spec: doc/protocol/gateway-rest.md G1–G3. */
#include "base/encode.h"
#include "core/gateway/check.h"
#include "core/gateway/gateways.h"
#include "core/org/names.h"
#include "server/routes.h"

static const char *const methods[] = { "token", NULL };

struct method {
    int method;
};
static const struct pn_field method_fields[] = {
    PN_FIELD(method, method, ENUM, .required = true, .names = methods),
};
static const struct pn_shape method_shape = PN_SHAPE_OF(method);

static const struct pn_field pn_gateways_view_fields[] = {
    PN_FIELD(pn_gateways_view, id, UUID),
    PN_FIELD(pn_gateways_view, orgId, UUID),
    PN_FIELD(pn_gateways_view, identityId, UUID),
    PN_FIELD(pn_gateways_view, name, STRING),
    PN_FIELD(pn_gateways_view, createdAt, TIME),
    PN_FIELD(pn_gateways_view, updatedAt, TIME),
    PN_FIELD(pn_gateways_view, heartbeat, TIME),
    PN_FIELD(pn_gateways_view, lastHealthCheckStatus, STRING),
    PN_FIELD(pn_gateways_view, isConnected, BOOL,
             .doc = "Reachable through a relay or directly right now"),
    PN_FIELD(pn_gateways_view, canRevoke, BOOL),
    PN_FIELD(pn_gateways_view, directAddress, STRING),
    PN_FIELD(pn_gateways_view, connectedResourcesCount, INT),
    PN_FIELD(pn_gateways_view, authMethod, RAW),
};
static const struct pn_shape view_shape = PN_SHAPE_OF(pn_gateways_view);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

/* ---- administration ---- */

struct create_in {
    struct pn_str name;
    struct method authMethod;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 64, PN_NAME_SLUG),
    PN_FIELD(create_in, authMethod, OBJECT, .required = true, .shape = &method_shape),
};

static bool create(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct create_in *in = in_;

    return pn_gateways_create(call, in->name, out, err);
}

struct list_out {
    struct pn_list gateways;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, gateways, OBJECTS, .shape = &view_shape),
};

static bool list(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct list_out *out = out_;

    (void)in;
    return pn_gateways_list(call, &out->gateways, err);
}

static bool get(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_gateways_get(call, in->id, out, err);
}

struct check_in {
    struct pn_uuid id;
    struct pn_str serviceAccount;
};
static const struct pn_field check_in_fields[] = {
    PN_FIELD(check_in, id, UUID, .required = true),
    PN_FIELD(check_in, serviceAccount, STRING, .is_nullable = true, .max = 320,
             .doc = "NAMESPACE/NAME: may the gateway act as it?"),
};
static const struct pn_field pn_gateway_step_fields[] = {
    PN_FIELD(pn_gateway_step, name, STRING),
    PN_FIELD(pn_gateway_step, status, STRING, .doc = "ok, failed, or no: a right it need not have"),
    PN_FIELD(pn_gateway_step, message, STRING),
};
static const struct pn_shape step_shape = PN_SHAPE_OF(pn_gateway_step);
struct check_out {
    struct pn_list steps;
};
static const struct pn_field check_out_fields[] = {
    PN_FIELD(check_out, steps, OBJECTS, .shape = &step_shape),
};

static bool check(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct check_in *in = in_;
    struct check_out *out = out_;

    return pn_gateway_check(call, in->id, in->serviceAccount, &out->steps, err);
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

    if (!pn_gateways_mint(call, in->id, &enrol, err))
        return false;
    *out = (struct token_out){ .token = enrol.token,
                               .expiresAt = enrol.expires_ms,
                               .ttl = PN_ENROL_TTL_S };
    return true;
}

struct revoke_out {
    struct pn_str method;
    int64_t deletedTokenCount;
};
static const struct pn_field revoke_out_fields[] = {
    PN_FIELD(revoke_out, method, STRING),
    PN_FIELD(revoke_out, deletedTokenCount, INT),
};

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct revoke_out *out = out_;
    bool had;

    if (!pn_gateways_revoke(call, in->id, &had, err))
        return false;
    *out = (struct revoke_out){ .method = PN_LIT("token"), .deletedTokenCount = had };
    return true;
}

static bool delete (struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct one_in *in = in_;

    return pn_gateways_delete(call, in->id, out, err);
}

/* ---- enrolment (G1) ---- */

struct enrol_in {
    struct pn_secret *token;
};
static const struct pn_field enrol_in_fields[] = {
    PN_FIELD(enrol_in, token, SECRET, .required = true, .min = 1, .max = 256),
};
struct enrol_out {
    struct pn_str accessToken, tokenType;
    struct pn_uuid gatewayId;
};
static const struct pn_field enrol_out_fields[] = {
    PN_FIELD(enrol_out, accessToken, STRING),
    PN_FIELD(enrol_out, gatewayId, UUID),
    PN_FIELD(enrol_out, tokenType, STRING, .omit_empty = true),
};

static bool grant(struct pn_call *call, const struct pn_secret *token, struct enrol_out *out,
                  struct pn_err *err)
{
    struct pn_enrol_grant granted;

    if (!pn_gateways_enrol(call, pn_secret_reveal(token), &granted, err))
        return false;
    *out = (struct enrol_out){ .accessToken = granted.access_token, .gatewayId = granted.id };
    return true;
}

static bool enrol(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct enrol_in *in = in_;

    return grant(call, in->token, out, err);
}

struct login_in {
    int method;
    struct pn_secret *token;
};
static const struct pn_field login_in_fields[] = {
    PN_FIELD(login_in, method, ENUM, .required = true, .names = methods),
    PN_FIELD(login_in, token, SECRET, .required = true, .min = 1, .max = 256),
};

static bool login(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct login_in *in = in_;
    struct enrol_out *out = out_;

    if (!grant(call, in->token, out, err))
        return false;
    out->tokenType = PN_LIT("Bearer");
    return true;
}

/* ---- as the gateway itself (G2, G3) ---- */

struct connect_in {
    struct pn_str relayName, directAddress;
};
static const struct pn_field connect_in_fields[] = {
    PN_FIELD(connect_in, relayName, STRING, .is_nullable = true, .max = 32),
    PN_FIELD(connect_in, directAddress, STRING, .is_nullable = true, .max = 300),
};

static const struct pn_field pn_gateways_relay_fields[] = {
    PN_FIELD(pn_gateways_relay, id, UUID),
    PN_FIELD(pn_gateways_relay, name, STRING),
    PN_FIELD(pn_gateways_relay, host, STRING, .doc = "host:port"),
};
static const struct pn_shape relay_shape = PN_SHAPE_OF(pn_gateways_relay);

struct pki {
    struct pn_str serverCertificate, serverPrivateKey, serverCertificateChain,
        clientCertificateChain, relayCertificateChain;
};
static const struct pn_field pki_fields[] = {
    PN_FIELD(pki, serverCertificate, STRING),      PN_FIELD(pki, serverPrivateKey, STRING),
    PN_FIELD(pki, serverCertificateChain, STRING), PN_FIELD(pki, clientCertificateChain, STRING),
    PN_FIELD(pki, relayCertificateChain, STRING),
};
static const struct pn_shape pki_shape = PN_SHAPE_OF(pki);

struct connect_out {
    struct pn_uuid gatewayId;
    struct pn_str gatewayName, relayHost, directAddress, spoolKey;
    struct pn_list relays;
    int64_t certificateExpiresAt;
    struct pki pki;
};
static const struct pn_field connect_out_fields[] = {
    PN_FIELD(connect_out, gatewayId, UUID),
    PN_FIELD(connect_out, gatewayName, STRING),
    PN_FIELD(connect_out, relayHost, STRING),
    PN_FIELD(connect_out, relays, OBJECTS, .shape = &relay_shape),
    PN_FIELD(connect_out, directAddress, STRING),
    PN_FIELD(connect_out, certificateExpiresAt, TIME),
    PN_FIELD(connect_out, pki, OBJECT, .shape = &pki_shape),
    PN_FIELD(connect_out, spoolKey, STRING,
             .doc = "base64 of 32 bytes; the same for the gateway's life"),
};

static struct pn_str base64(struct pn_arena *arena, struct pn_str bytes)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(256);

    pn_base64_add(&text, bytes);
    return pn_arena_copy(arena, pn_buf_str(&text));
}

static bool connect(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct connect_in *in = in_;
    struct connect_out *out = out_;
    struct pn_gateways_connection found;

    if (!pn_gateways_connect(call, in->relayName, in->directAddress, &found, err))
        return false;
    *out = (struct connect_out){
        .gatewayId = call->actor.id,
        .gatewayName = call->actor.name,
        .relayHost = found.relay_count > 0 ? found.relays[0].host : PN_LIT(""),
        .relays = { found.relays, found.relay_count },
        .directAddress = found.direct_address,
        .certificateExpiresAt = found.certificate_expires_ms,
        .pki = { .serverCertificate = found.certificate,
                 .serverPrivateKey = found.key,
                 .serverCertificateChain = found.issuer,
                 .clientCertificateChain = found.client_chain,
                 .relayCertificateChain = found.relay_chain },
        .spoolKey = base64(call->arena, found.spool_key),
    };
    return true;
}

struct heartbeat_in {
    struct pn_str relayName, directAddress;
};
static const struct pn_field heartbeat_in_fields[] = {
    PN_FIELD(heartbeat_in, relayName, STRING, .is_nullable = true, .max = 32),
    PN_FIELD(heartbeat_in, directAddress, STRING, .is_nullable = true, .max = 300),
};
struct heartbeat_out {
    struct pn_str message;
    struct pn_list relays;
};
static const struct pn_field heartbeat_out_fields[] = {
    PN_FIELD(heartbeat_out, message, STRING),
    PN_FIELD(heartbeat_out, relays, OBJECTS, .shape = &relay_shape,
             .doc = "As connect would give them now"),
};

static bool heartbeat(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct heartbeat_in *in = in_;
    struct heartbeat_out *out = out_;

    out->message = PN_LIT("Successfully triggered heartbeat");
    return pn_gateways_heartbeat(call, in->relayName, in->directAddress, &out->relays, err);
}

static bool spool_key(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct pn_raw *out = out_;

    (void)in;
    out->content_type = PN_LIT("application/octet-stream");
    return pn_gateways_spool_key(call, &out->body, err);
}

const struct pn_route pn_gateways_routes[] = {
    { PN_POST, "/api/v3/gateways", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway:create-gateways", .audit = "gateway-create",
      .in = PN_SHAPE(create_in), .out = &view_shape, .handle = create,
      .doc = "Creates a gateway." },
    { PN_GET, "/api/v2/gateways", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org gateway:list-gateways", .out = PN_SHAPE(list_out),
      .is_top_array = true, .handle = list, .doc = "Lists the organisation's gateways by name." },
    { PN_GET, "/api/v2/gateways/pam-session-key", .access = PN_BY_GATEWAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .is_raw = true, .handle = spool_key,
      .doc = "The 32 bytes that seal the gateway's local records." },
    { PN_GET, "/api/v3/gateways/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "org gateway:list-gateways", .in = PN_SHAPE(one_in),
      .out = &view_shape, .handle = get, .doc = "Shows a gateway." },
    { PN_POST, "/api/v3/gateways/:id/token", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway:edit-gateways",
      .audit = "gateway-token-create", .in = PN_SHAPE(one_in), .out = PN_SHAPE(token_out),
      .handle = mint, .doc = "A new one-time enrolment token; it replaces an unused one." },
    { PN_POST, "/api/v3/gateways/:id/check", .access = PN_BY_PEOPLE, .rate = PN_RATE_ACCESS,
      .lane = PN_LANE_SLOW, .permission = "org gateway:attach-gateways", .audit = "gateway-check",
      .in = PN_SHAPE(check_in), .out = PN_SHAPE(check_out), .handle = check,
      .doc = "What the gateway can do right now, step by step." },
    { PN_POST, "/api/v3/gateways/:id/revoke", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway:edit-gateways", .audit = "gateway-revoke",
      .in = PN_SHAPE(one_in), .out = PN_SHAPE(revoke_out), .handle = revoke,
      .doc = "Ends every token and every live session of a gateway." },
    { PN_DELETE, "/api/v2/gateways/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway:delete-gateways", .audit = "gateway-delete",
      .in = PN_SHAPE(one_in), .out = &view_shape, .handle = delete,
      .doc = "Deletes a gateway that no resource uses." },
    { PN_DELETE, "/api/v3/gateways/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "org gateway:delete-gateways", .audit = "gateway-delete",
      .in = PN_SHAPE(one_in), .out = &view_shape, .handle = delete,
      .doc = "Deletes a gateway that no resource uses." },
    { PN_POST, "/api/v3/gateways/token-auth/enroll", .access = PN_ANYONE, .rate = PN_RATE_ENROL,
      .lane = PN_LANE_FAST, .audit = "gateway-enroll", .in = PN_SHAPE(enrol_in),
      .out = PN_SHAPE(enrol_out), .handle = enrol,
      .doc = "Uses a one-time token up and gives the gateway its access token." },
    { PN_POST, "/api/v3/gateways/login", .access = PN_ANYONE, .rate = PN_RATE_ENROL,
      .lane = PN_LANE_FAST, .audit = "gateway-enroll", .in = PN_SHAPE(login_in),
      .out = PN_SHAPE(enrol_out), .handle = login, .doc = "The same, as a login." },
    { PN_POST, "/api/v3/gateways/connect", .access = PN_BY_GATEWAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .audit = "gateway-connect", .in = PN_SHAPE(connect_in),
      .out = PN_SHAPE(connect_out), .handle = connect,
      .doc = "Certificates for 24 hours, and the relays to dial." },
    { PN_POST, "/api/v2/gateways/heartbeat", .access = PN_BY_GATEWAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .in = PN_SHAPE(heartbeat_in), .out = PN_SHAPE(heartbeat_out),
      .handle = heartbeat, .doc = "The gateway is alive." },
    { 0 },
};
