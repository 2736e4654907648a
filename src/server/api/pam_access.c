/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a session. Spec: pam-gateway §1.3, §13; doc/protocol/gateway-rest.md A1. */
#include "core/pam/access.h"
#include "core/pam/rules.h"
#include "server/routes.h"

struct access_in {
    struct pn_str path, resourceName, accountName, accountPath, duration, reason;
    struct pn_uuid projectId, accountId;
};
static const struct pn_field access_in_fields[] = {
    PN_FIELD(access_in, path, STRING, .max = PN_PAM_PATH_MAX, .doc = "resource/account"),
    PN_FIELD(access_in, resourceName, STRING, .max = 255),
    PN_FIELD(access_in, accountName, STRING, .max = 255),
    PN_FIELD(access_in, accountPath, STRING, .max = PN_PAM_PATH_MAX),
    PN_FIELD(access_in, accountId, UUID),
    PN_FIELD(access_in, projectId, UUID, .doc = "Where the same names stand in several projects"),
    PN_FIELD(access_in, duration, STRING, .max = PN_PAM_DURATION_MAX,
             .doc = "\"4h\", \"2h30m\", \"5400000ms\""),
    PN_FIELD(access_in, reason, STRING, .max = PN_PAM_REASON_MAX),
};

struct metadata {
    struct pn_str authMethod, accountName, accountPath, resourceName, accountId, namespace,
        serviceAccountName;
};
static const struct pn_field metadata_fields[] = {
    PN_FIELD(metadata, authMethod, STRING),
    PN_FIELD(metadata, accountName, STRING),
    PN_FIELD(metadata, accountPath, STRING),
    PN_FIELD(metadata, resourceName, STRING),
    PN_FIELD(metadata, accountId, STRING),
    PN_FIELD(metadata, namespace, STRING, .omit_empty = true),
    PN_FIELD(metadata, serviceAccountName, STRING, .omit_empty = true),
};
static const struct pn_shape metadata_shape = PN_SHAPE_OF(metadata);

struct access_out {
    struct pn_uuid sessionId, gatewayId, accountId, projectId;
    struct pn_str accountType, resourceType, relayHost, directAddress, gatewayServerName,
        gatewayClientCertificate, gatewayClientPrivateKey, gatewayServerCertificateChain,
        relayClientCertificate, relayClientPrivateKey, relayServerCertificateChain;
    struct pn_strs relays;
    struct metadata metadata;
    int64_t expiresAt;
};
static const struct pn_field access_out_fields[] = {
    PN_FIELD(access_out, sessionId, UUID),
    PN_FIELD(access_out, accountType, STRING),
    PN_FIELD(access_out, resourceType, STRING),
    PN_FIELD(access_out, metadata, OBJECT, .shape = &metadata_shape, .doc = "Strings only"),
    PN_FIELD(access_out, gatewayId, UUID),
    PN_FIELD(access_out, relayHost, STRING),
    PN_FIELD(access_out, relays, STRINGS, .doc = "host:port of every relay with a live tunnel"),
    PN_FIELD(access_out, directAddress, STRING),
    PN_FIELD(access_out, gatewayServerName, STRING),
    PN_FIELD(access_out, gatewayClientCertificate, STRING),
    PN_FIELD(access_out, gatewayClientPrivateKey, STRING),
    PN_FIELD(access_out, gatewayServerCertificateChain, STRING),
    PN_FIELD(access_out, relayClientCertificate, STRING,
             .doc = "For a client that does TLS with the relay too, as Infisical's does"),
    PN_FIELD(access_out, relayClientPrivateKey, STRING),
    PN_FIELD(access_out, relayServerCertificateChain, STRING),
    PN_FIELD(access_out, accountId, UUID),
    PN_FIELD(access_out, projectId, UUID),
    PN_FIELD(access_out, expiresAt, TIME),
};

static struct metadata describe(struct pn_arena *arena, const struct pn_pam_access *access)
{
    return (struct metadata){
        .authMethod = access->auth_method,
        .accountName = access->account_name,
        .accountPath = pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(access->resource_name),
                                       PN_ARG(access->account_name)),
        .resourceName = access->resource_name,
        .accountId = pn_uuid_str(arena, access->account_id),
        .namespace = access->namespace,
        .serviceAccountName = access->service_account_name,
    };
}

static bool access(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct access_in *in = in_;
    struct access_out *out = out_;
    const struct pn_pam_access_wish wish = { .path = in->path,
                                             .resource_name = in->resourceName,
                                             .account_name = in->accountName,
                                             .account_path = in->accountPath,
                                             .account_id = in->accountId,
                                             .project_id = in->projectId,
                                             .duration = in->duration,
                                             .reason = in->reason };
    struct pn_pam_access opened;

    if (!pn_pam_access_open(call, &wish, &opened, err))
        return false;
    *out = (struct access_out){
        .sessionId = opened.session_id,
        .accountType = PN_LIT("kubernetes"),
        .resourceType = PN_LIT("kubernetes"),
        .metadata = describe(call->arena, &opened),
        .gatewayId = opened.gateway_id,
        .relayHost = opened.relays.count > 0 ? opened.relays.items[0] : PN_LIT(""),
        .relays = opened.relays,
        .directAddress = opened.direct_address,
        .gatewayServerName = opened.server_name,
        .gatewayClientCertificate = opened.certificate,
        .gatewayClientPrivateKey = opened.key,
        .gatewayServerCertificateChain = opened.server_chain,
        .relayClientCertificate = opened.relay_certificate,
        .relayClientPrivateKey = opened.relay_key,
        .relayServerCertificateChain = opened.relay_chain,
        .accountId = opened.account_id,
        .projectId = opened.project_id,
        .expiresAt = opened.expires_ms,
    };
    return true;
}

const struct pn_route pn_pam_access_routes[] = {
    { PN_POST, "/api/v1/pam/accounts/access", .access = PN_BY_PEOPLE, .rate = PN_RATE_ACCESS,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:access",
      .audit = "pam-account-access", .in = PN_SHAPE(access_in), .out = PN_SHAPE(access_out),
      .handle = access, .doc = "Opens a session of an account." },
    { 0 },
};
