/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts of clusters, and access to them. Spec: pam-gateway §1.3, §12.2, §13; doc/protocol/gateway-rest.md A1. */
#include "core/pam/access.h"
#include "core/pam/account.h"
#include "core/pam/rules.h"
#include "kube/names.h"
#include "server/routes.h"

#define NAME_RULE "Use letters, digits, '.', '_' and '-', beginning with a letter or digit"
#define LABEL_RULE "Use up to 63 lower-case letters, digits and inner hyphens"
#define SUBDOMAIN_RULE "Use lower-case letters, digits, inner hyphens and dots"

static const struct pn_field pn_pam_account_credentials_fields[] = {
    PN_FIELD(pn_pam_account_credentials, authMethod, STRING),
    PN_FIELD(pn_pam_account_credentials, namespace, STRING, .omit_empty = true),
    PN_FIELD(pn_pam_account_credentials, serviceAccountName, STRING, .omit_empty = true),
};
static const struct pn_shape credentials_shape = PN_SHAPE_OF(pn_pam_account_credentials);

static const struct pn_field pn_pam_account_resource_fields[] = {
    PN_FIELD(pn_pam_account_resource, id, UUID),
    PN_FIELD(pn_pam_account_resource, name, STRING),
    PN_FIELD(pn_pam_account_resource, resourceType, STRING),
};
static const struct pn_shape resource_shape = PN_SHAPE_OF(pn_pam_account_resource);

static const struct pn_field pn_pam_account_fields[] = {
    PN_FIELD(pn_pam_account, id, UUID),
    PN_FIELD(pn_pam_account, projectId, UUID),
    PN_FIELD(pn_pam_account, resourceId, UUID),
    PN_FIELD(pn_pam_account, folderId, UUID),
    PN_FIELD(pn_pam_account, name, STRING),
    PN_FIELD(pn_pam_account, resourceName, STRING),
    PN_FIELD(pn_pam_account, accountPath, STRING),
    PN_FIELD(pn_pam_account, accountType, STRING),
    PN_FIELD(pn_pam_account, description, STRING),
    PN_FIELD(pn_pam_account, requireMfa, BOOL),
    PN_FIELD(pn_pam_account, maxDurationSeconds, INT),
    PN_FIELD(pn_pam_account, idleTimeoutSeconds, INT, .doc = "0: none"),
    PN_FIELD(pn_pam_account, credentials, OBJECT, .shape = &credentials_shape),
    PN_FIELD(pn_pam_account, resource, OBJECT, .shape = &resource_shape),
    PN_FIELD(pn_pam_account, createdAt, TIME),
    PN_FIELD(pn_pam_account, updatedAt, TIME),
};
static const struct pn_shape account_shape = PN_SHAPE_OF(pn_pam_account);

struct account_out {
    struct pn_pam_account account;
};
static const struct pn_field account_out_fields[] = {
    PN_FIELD(account_out, account, OBJECT, .shape = &account_shape),
};
static const struct pn_shape out_shape = PN_SHAPE_OF(account_out);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

/* ---- create ---- */

static const char *const auth_methods[] = { PN_PAM_BY_TOKEN, PN_PAM_BY_GATEWAY, NULL };

struct credentials {
    int authMethod;
    struct pn_secret *serviceAccountToken;
    struct pn_str namespace, serviceAccountName;
    bool has_method, has_namespace, has_service_account;
};

#define CREDENTIALS_REST                                                                      \
    PN_FIELD(credentials, serviceAccountToken, SECRET, .min = 1, .max = PN_PAM_TOKEN_MAX,     \
             .doc = "Write-only; " PN_PAM_UNCHANGED " keeps what is stored"),                 \
        PN_FIELD(credentials, namespace, STRING, .is_nullable = true,                         \
                 .has_offset = offsetof(struct credentials, has_namespace), .max = 253,       \
                 .check = pn_kube_is_label, .rule = LABEL_RULE),                              \
        PN_FIELD(credentials, serviceAccountName, STRING, .is_nullable = true,                \
                 .has_offset = offsetof(struct credentials, has_service_account), .max = 253, \
                 .check = pn_kube_is_subdomain, .rule = SUBDOMAIN_RULE)

static const struct pn_field new_credentials_fields[] = {
    PN_FIELD(credentials, authMethod, ENUM, .required = true, .names = auth_methods),
    CREDENTIALS_REST,
};
static const struct pn_shape new_credentials_shape = { "new_credentials",
                                                       sizeof(struct credentials),
                                                       new_credentials_fields,
                                                       PN_COUNT(new_credentials_fields) };

struct create_in {
    struct pn_uuid resourceId;
    struct pn_str name, description;
    int64_t maxDurationSeconds, idleTimeoutSeconds;
    bool requireMfa;
    struct credentials credentials;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, resourceId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = PN_PAM_NAME_MAX,
             .check = pn_pam_is_account_name, .rule = NAME_RULE),
    PN_FIELD(create_in, description, STRING, .is_nullable = true, .max = 512),
    PN_FIELD(create_in, idleTimeoutSeconds, INT, .max = PN_PAM_IDLE_MAX_S),
    PN_FIELD(create_in, maxDurationSeconds, INT, .min = 1, .max = PN_PAM_SESSION_MAX_S,
             .fallback = PN_PAM_SESSION_MAX_S, .has_fallback = true, .doc = "Of one session"),
    PN_FIELD(create_in, requireMfa, BOOL, .doc = "Not available yet: true is refused"),
    PN_FIELD(create_in, credentials, OBJECT, .required = true, .shape = &new_credentials_shape),
};

/* Dropping the wish silently would leave an account less guarded than its owner thinks. */
static bool check_mfa(struct pn_call *call, bool is_required, struct pn_err *err)
{
    return !is_required ||
           pn_pam_invalid(call->arena, "requireMfa", "A second factor is not available yet", err);
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct account_out *out = out_;
    const struct pn_pam_account_change change = {
        .resource_id = in->resourceId,
        .name = in->name,
        .has_name = true,
        .description = in->description,
        .has_description = true,
        .max_duration_s = in->maxDurationSeconds,
        .has_max_duration = true,
        .idle_timeout_s = in->idleTimeoutSeconds,
        .has_idle_timeout = true,
        .auth_method = auth_methods[in->credentials.authMethod],
        .token = in->credentials.serviceAccountToken,
        .namespace = in->credentials.namespace,
        .has_namespace = true,
        .service_account_name = in->credentials.serviceAccountName,
        .has_service_account = true,
    };

    return check_mfa(call, in->requireMfa, err) &&
           pn_pam_account_create(call, &change, &out->account, err);
}

/* ---- show, list ---- */

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct account_out *out = out_;

    return pn_pam_account_get(call, in->id, &out->account, err);
}

struct list_in {
    struct pn_uuid projectId, resourceId;
    struct pn_str search;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .required = true),
    PN_FIELD(list_in, resourceId, UUID),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = 20,
             .has_fallback = true),
};
struct list_out {
    struct pn_list accounts;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, accounts, OBJECTS, .shape = &account_shape),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_pam_page page = { .project_id = in->projectId,
                                      .resource_id = in->resourceId,
                                      .search = in->search,
                                      .offset = in->offset,
                                      .limit = in->limit };

    return pn_pam_account_list(call, &page, &out->accounts, &out->totalCount, err);
}

/* ---- change, delete ---- */

static const struct pn_field credentials_fields[] = {
    PN_FIELD(credentials, authMethod, ENUM, .names = auth_methods,
             .has_offset = offsetof(struct credentials, has_method)),
    CREDENTIALS_REST,
};
static const struct pn_shape change_shape = PN_SHAPE_OF(credentials);

struct patch_in {
    struct pn_uuid id;
    struct pn_str name, description;
    int64_t maxDurationSeconds, idleTimeoutSeconds;
    struct credentials credentials;
    bool requireMfa, has_name, has_description, has_max_duration, has_idle_timeout;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, name, STRING, .has_offset = offsetof(struct patch_in, has_name), .min = 1,
             .max = PN_PAM_NAME_MAX, .check = pn_pam_is_account_name, .rule = NAME_RULE),
    PN_FIELD(patch_in, description, STRING, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_description), .max = 512),
    PN_FIELD(patch_in, idleTimeoutSeconds, INT,
             .has_offset = offsetof(struct patch_in, has_idle_timeout), .max = PN_PAM_IDLE_MAX_S),
    PN_FIELD(patch_in, maxDurationSeconds, INT,
             .has_offset = offsetof(struct patch_in, has_max_duration), .min = 1,
             .max = PN_PAM_SESSION_MAX_S),
    PN_FIELD(patch_in, requireMfa, BOOL),
    PN_FIELD(patch_in, credentials, OBJECT, .shape = &change_shape),
};

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct patch_in *in = in_;
    const struct credentials *c = &in->credentials;
    struct account_out *out = out_;
    const struct pn_pam_account_change change = {
        .name = in->name,
        .has_name = in->has_name,
        .description = in->description,
        .has_description = in->has_description,
        .max_duration_s = in->maxDurationSeconds,
        .has_max_duration = in->has_max_duration,
        .idle_timeout_s = in->idleTimeoutSeconds,
        .has_idle_timeout = in->has_idle_timeout,
        .auth_method = c->has_method ? auth_methods[c->authMethod] : NULL,
        .token = c->serviceAccountToken,
        .namespace = c->namespace,
        .has_namespace = c->has_namespace,
        .service_account_name = c->serviceAccountName,
        .has_service_account = c->has_service_account,
    };

    return check_mfa(call, in->requireMfa, err) &&
           pn_pam_account_update(call, in->id, &change, &out->account, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct account_out *out = out_;

    return pn_pam_account_delete(call, in->id, &out->account, err);
}

/* ---- access (A1) ---- */

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

const struct pn_route pn_pam_accounts_routes[] = {
    { PN_POST, "/api/v1/pam/accounts/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:create",
      .audit = "pam-account-create", .in = PN_SHAPE(create_in), .out = &out_shape, .handle = create,
      .doc = "Creates an account of a resource." },
    { PN_GET, "/api/v1/pam/accounts", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Lists a project's accounts by resource and name." },
    { PN_GET, "/api/v1/pam/accounts/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list,
      .doc = "The same: all accounts are of Kubernetes clusters." },
    { PN_POST, "/api/v1/pam/accounts/search", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list, .doc = "The same, with the query in the body." },
    { PN_POST, "/api/v1/pam/accounts/access", .access = PN_BY_PEOPLE, .rate = PN_RATE_ACCESS,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:access",
      .audit = "pam-account-access", .in = PN_SHAPE(access_in), .out = PN_SHAPE(access_out),
      .handle = access, .doc = "Opens a session of an account." },
    { PN_GET, "/api/v1/pam/accounts/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows an account, never its token." },
    { PN_GET, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows an account, never its token." },
    { PN_PATCH, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-accounts:edit",
      .audit = "pam-account-update", .in = PN_SHAPE(patch_in), .out = &out_shape, .handle = patch,
      .doc = "Changes what is given of an account." },
    { PN_DELETE, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-accounts:delete",
      .audit = "pam-account-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes an account and terminates its live sessions." },
    { 0 },
};
