/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts of clusters, in both forms of the API. Spec: pam-gateway §11.3, §12.2; doc/protocol/gateway-rest.md A3. */
#include "core/pam/account.h"
#include "core/pam/rules.h"
#include "kube/names.h"
#include "server/api/pam.h"
#include "server/routes.h"

#define LABEL_RULE "Use up to 63 lower-case letters, digits and inner hyphens"
#define SUBDOMAIN_RULE "Use lower-case letters, digits, inner hyphens and dots"

/* A member under another name than the struct's. */
#define AS(type, member, what, as, ...)                                                          \
    {                                                                                            \
        .name = as, .kind = PN_KIND_##what, .offset = offsetof(struct type, member), __VA_ARGS__ \
    }

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
    PN_FIELD(pn_pam_account, folderId, UUID, .doc = "The same: a resource is a folder"),
    AS(pn_pam_account, resourceName, STRING, "folderName"),
    PN_FIELD(pn_pam_account, templateId, UUID),
    PN_FIELD(pn_pam_account, templateName, STRING),
    PN_FIELD(pn_pam_account, gatewayId, UUID, .doc = "Of its own"),
    PN_FIELD(pn_pam_account, gatewayPoolId, UUID, .doc = "Of its own"),
    PN_FIELD(pn_pam_account, recordingConnectionId, UUID, .doc = "Always none"),
    PN_FIELD(pn_pam_account, settingsOverrides, RAW, .doc = "Always none"),
    PN_FIELD(pn_pam_account, name, STRING),
    PN_FIELD(pn_pam_account, resourceName, STRING),
    PN_FIELD(pn_pam_account, accountPath, STRING),
    PN_FIELD(pn_pam_account, accountType, STRING),
    PN_FIELD(pn_pam_account, description, STRING),
    PN_FIELD(pn_pam_account, requireMfa, BOOL),
    PN_FIELD(pn_pam_account, requireReason, BOOL),
    PN_FIELD(pn_pam_account, maxDurationSeconds, INT),
    PN_FIELD(pn_pam_account, idleTimeoutSeconds, INT, .doc = "0: none"),
    PN_FIELD(pn_pam_account, credentials, OBJECT, .shape = &credentials_shape),
    PN_FIELD(pn_pam_account, connectionDetails, OBJECT, .shape = &pn_pam_connection_view,
             .omit_empty = true, .has_offset = offsetof(struct pn_pam_account, has_connection),
             .doc = "Where sessions go; for who may read resources"),
    PN_FIELD(pn_pam_account, resource, OBJECT, .shape = &resource_shape),
    PN_FIELD(pn_pam_account, isAccessible, BOOL),
    PN_FIELD(pn_pam_account, accessibilityIssues, STRINGS, .doc = "no-gateway"),
    PN_FIELD(pn_pam_account, createdAt, TIME),
    PN_FIELD(pn_pam_account, updatedAt, TIME),
    PN_FIELD(pn_pam_account, connectionTest, OBJECT, .shape = &pn_pam_test_view, .omit_empty = true,
             .has_offset = offsetof(struct pn_pam_account, has_test),
             .doc = "Of a call that saved it"),
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

/* What the current form says of an account beside what both say. */
struct placement {
    struct pn_uuid folderId, templateId, gatewayId, gatewayPoolId, recordingConnectionId;
    struct pn_str settingsOverrides;
    bool has_template, has_gateway, has_pool;
};
#define PLACED(type, member, what, ...) AS(type, place.member, what, #member, __VA_ARGS__)
#define PLACEMENT(type)                                                                \
    PLACED(type, folderId, UUID, .is_nullable = true, .doc = "The folder it is in"),   \
        PLACED(type, templateId, UUID, .is_nullable = true,                            \
               .has_offset = offsetof(struct type, place.has_template)),               \
        PLACED(type, gatewayId, UUID, .is_nullable = true,                             \
               .has_offset = offsetof(struct type, place.has_gateway),                 \
               .doc = "Its own; without one the template's, or else the resource's"),  \
        PLACED(type, gatewayPoolId, UUID, .is_nullable = true,                         \
               .has_offset = offsetof(struct type, place.has_pool)),                   \
        PLACED(type, recordingConnectionId, UUID, .is_nullable = true, .doc = "None"), \
        PLACED(type, settingsOverrides, RAW, .doc = "None")

/* `cluster` is what the connection's details have said. */
static bool place(struct pn_call *call, const struct placement *in,
                  struct pn_pam_account_change *change, struct pn_err *err)
{
    change->template_id = in->templateId;
    change->has_template = in->has_template;
    change->cluster.gateway_id = in->gatewayId;
    change->cluster.has_gateway = in->has_gateway;
    change->cluster.pool_id = in->gatewayPoolId;
    change->cluster.has_pool = in->has_pool;
    if (in->settingsOverrides.ptr != NULL && !pn_str_is(in->settingsOverrides, "null") &&
        !pn_str_is(in->settingsOverrides, "{}"))
        return pn_pam_invalid(call->arena, "settingsOverrides",
                              "Recordings are kept in the database, and nowhere else", err);
    return pn_pam_check_recording(call->arena, in->recordingConnectionId, err);
}

struct create_in {
    struct pn_uuid resourceId;
    struct placement place;
    struct pn_str name, description;
    int64_t maxDurationSeconds, idleTimeoutSeconds;
    bool requireMfa;
    struct credentials credentials;
    struct pn_pam_details connectionDetails;
    bool has_connection, skipConnectionTest;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, resourceId, UUID, .doc = "Where it is: this or folderId"),
    PLACEMENT(create_in),
    PN_FIELD(create_in, connectionDetails, OBJECT, .shape = &pn_pam_new_details_shape,
             .has_offset = offsetof(struct create_in, has_connection),
             .doc = "A cluster of its own; without it the resource's"),
    PN_PAM_SKIP_TEST(create_in),
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = PN_PAM_NAME_MAX,
             .check = pn_pam_is_account_name, .rule = PN_PAM_NAME_RULE),
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

/* The forms share the path: the seed form says resourceId, the current one folderId. */
static bool check_where(struct pn_call *call, const struct create_in *in, struct pn_err *err)
{
    if (pn_uuid_is_zero(in->resourceId))
        return !pn_uuid_is_zero(in->place.folderId) ||
               pn_pam_invalid(call->arena, "resourceId", "Say where it is: resourceId or folderId",
                              err);
    return pn_uuid_is_zero(in->place.folderId) || pn_uuid_eq(in->place.folderId, in->resourceId) ||
           pn_pam_invalid(call->arena, "folderId", "The folder of an account is its resource", err);
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct account_out *out = out_;
    struct pn_pam_account_change change = {
        .resource_id = pn_uuid_is_zero(in->resourceId) ? in->place.folderId : in->resourceId,
        .skips_test = in->skipConnectionTest,
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

    if (in->has_connection)
        change.cluster = pn_pam_details_change(&in->connectionDetails, true);
    return check_where(call, in, err) && check_mfa(call, in->requireMfa, err) &&
           place(call, &in->place, &change, err) &&
           pn_pam_account_create(call, &change, &out->account, err);
}

/* ---- show, list ---- */

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct account_out *out = out_;

    return pn_pam_account_get(call, in->id, &out->account, err);
}

static const char *const views[] = { "flat", "nested", NULL };
static const char *const by_name[] = { "name", NULL };
static const char *const directions[] = { "asc", "desc", NULL };
static const char *const types[] = { "kubernetes", NULL };

struct list_in {
    struct pn_uuid projectId, resourceId, folderId, templateId;
    struct pn_str search;
    int accountView, orderBy, orderDirection, accountType;
    int64_t offset, limit;
};
#define LIST_FILTER                                                                               \
    PN_FIELD(list_in, projectId, UUID, .doc = "Without it: the caller's one project for access"), \
        PN_FIELD(list_in, resourceId, UUID), PN_FIELD(list_in, folderId, UUID),                   \
        PN_FIELD(list_in, templateId, UUID), PN_FIELD(list_in, search, STRING, .max = 256),       \
        PN_FIELD(list_in, accountView, ENUM, .names = views, .doc = "Folders are flat"),          \
        PN_FIELD(list_in, accountType, ENUM, .names = types),                                     \
        PN_FIELD(list_in, orderBy, ENUM, .names = by_name),                                       \
        PN_FIELD(list_in, orderDirection, ENUM, .names = directions),                             \
        PN_FIELD(list_in, offset, INT, .max = INT32_MAX)

static const struct pn_field list_in_fields[] = {
    LIST_FILTER,
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = PN_PAM_PAGE_MAX,
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
    struct pn_pam_page page = {
        .resource_id = pn_uuid_is_zero(in->resourceId) ? in->folderId : in->resourceId,
        .template_id = in->templateId,
        .search = in->search,
        .is_descending = in->orderDirection == 1,
        .offset = in->offset,
        .limit = in->limit,
    };

    return pn_pam_project_of(call, in->projectId, &page.project_id, err) &&
           pn_pam_account_list(call, &page, &out->accounts, &out->totalCount, err);
}

/* ---- what a caller can open ---- */

static const struct pn_field accessible_in_fields[] = {
    LIST_FILTER,
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = 20,
             .has_fallback = true),
};
static const struct pn_shape accessible_in_shape = { "accessible_in", sizeof(struct list_in),
                                                     accessible_in_fields,
                                                     PN_COUNT(accessible_in_fields) };

struct accessible {
    struct pn_uuid id, folderId, templateId;
    struct pn_str name, description, folderName, templateName, accountType, accessStatus,
        disabledReason;
    bool canLaunch, requiresApproval, requireReason, requireMfa;
    int64_t grantExpiresAt, createdAt, updatedAt;
};
static const struct pn_field accessible_fields[] = {
    PN_FIELD(accessible, id, UUID),
    PN_FIELD(accessible, name, STRING),
    PN_FIELD(accessible, description, STRING),
    PN_FIELD(accessible, folderId, UUID),
    PN_FIELD(accessible, folderName, STRING),
    PN_FIELD(accessible, templateId, UUID),
    PN_FIELD(accessible, templateName, STRING),
    PN_FIELD(accessible, accountType, STRING),
    PN_FIELD(accessible, canLaunch, BOOL),
    PN_FIELD(accessible, requiresApproval, BOOL),
    PN_FIELD(accessible, requireReason, BOOL),
    PN_FIELD(accessible, requireMfa, BOOL),
    PN_FIELD(accessible, accessStatus, STRING),
    PN_FIELD(accessible, grantExpiresAt, TIME),
    PN_FIELD(accessible, disabledReason, STRING),
    PN_FIELD(accessible, createdAt, TIME),
    PN_FIELD(accessible, updatedAt, TIME),
};
static const struct pn_shape accessible_shape = PN_SHAPE_OF(accessible);

struct accessible_out {
    struct pn_list accounts;
    int64_t totalCount;
};
static const struct pn_field accessible_out_fields[] = {
    PN_FIELD(accessible_out, accounts, OBJECTS, .shape = &accessible_shape),
    PN_FIELD(accessible_out, totalCount, INT),
};

static struct accessible show_accessible(const struct pn_pam_account *account)
{
    return (struct accessible){
        .id = account->id,
        .name = account->name,
        .description = account->description,
        .folderId = account->folderId,
        .folderName = account->resourceName,
        .templateId = account->templateId,
        .templateName = account->templateName,
        .accountType = account->accountType,
        .canLaunch = account->canLaunch && account->isAccessible,
        .requireReason = account->requireReason,
        .accessStatus = PN_LIT("none"), /* there are no grants */
        .disabledReason = account->isAccessible ? PN_NONE : account->accessibilityIssues.items[0],
        .createdAt = account->createdAt,
        .updatedAt = account->updatedAt,
    };
}

static bool list_accessible(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct accessible_out *out = out_;
    struct list_out found = { 0 };
    const struct pn_pam_account *accounts;
    struct accessible *shown;

    if (!list(call, in, &found, err))
        return false;
    accounts = found.accounts.items;
    shown = pn_new(call->arena, struct accessible, found.accounts.count);
    for (size_t i = 0; i < found.accounts.count; i++)
        shown[i] = show_accessible(&accounts[i]);
    *out = (struct accessible_out){ { shown, found.accounts.count }, found.totalCount };
    return true;
}

/* ---- how a form asks for an account ---- */

struct types_out {
    struct pn_str accountTypes;
};
static const struct pn_field types_out_fields[] = {
    PN_FIELD(types_out, accountTypes, RAW, .doc = "Fields of the forms of each type"),
};

#define FORM_FIELD(key, label, widget, required, secret, rest)          \
    "{\"key\":\"" key "\",\"label\":\"" label "\",\"widget\":\"" widget \
    "\",\"required\":" required ",\"secret\":" secret rest "}"
#define FORM_SHOW(method) ",\"showWhen\":{\"field\":\"authMethod\",\"equals\":\"" method "\"}"
#define FORM_OPTION(label, value) "{\"label\":\"" label "\",\"value\":\"" value "\"}"

/* clang-format off */
static const char type_metadata[] =
    "[{\"type\":\"kubernetes\",\"name\":\"Kubernetes\",\"icon\":\"Kubernetes.png\",\"connectionFields\":["
    FORM_FIELD("url", "URL", "text", "true", "false", "") ","
    FORM_FIELD("sslRejectUnauthorized", "Verify TLS Certificate", "boolean", "false", "false", ",\"defaultValue\":true") ","
    FORM_FIELD("sslCertificate", "CA Certificate", "textarea", "false", "false", "")
    "],\"credentialFields\":["
    FORM_FIELD("authMethod", "Auth Method", "select", "true", "false", ",\"options\":["
        FORM_OPTION("Service Account Token", PN_PAM_BY_TOKEN) "," FORM_OPTION("Gateway", PN_PAM_BY_GATEWAY) "]") ","
    FORM_FIELD("serviceAccountToken", "Service Account Token", "textarea", "true", "true", FORM_SHOW(PN_PAM_BY_TOKEN)) ","
    FORM_FIELD("namespace", "Namespace", "text", "true", "false", FORM_SHOW(PN_PAM_BY_GATEWAY)) ","
    FORM_FIELD("serviceAccountName", "Service Account Name", "text", "true", "false", FORM_SHOW(PN_PAM_BY_GATEWAY))
    "]}]";
/* clang-format on */

static bool list_types(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct types_out *out = out_;

    (void)call;
    (void)in;
    (void)err;
    out->accountTypes = pn_str_from(type_metadata);
    return true;
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
    struct placement place;
    struct pn_pam_details connectionDetails;
    bool has_connection, skipConnectionTest;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, name, STRING, .has_offset = offsetof(struct patch_in, has_name), .min = 1,
             .max = PN_PAM_NAME_MAX, .check = pn_pam_is_account_name, .rule = PN_PAM_NAME_RULE),
    PN_FIELD(patch_in, description, STRING, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_description), .max = 512),
    PN_FIELD(patch_in, idleTimeoutSeconds, INT,
             .has_offset = offsetof(struct patch_in, has_idle_timeout), .max = PN_PAM_IDLE_MAX_S),
    PN_FIELD(patch_in, maxDurationSeconds, INT,
             .has_offset = offsetof(struct patch_in, has_max_duration), .min = 1,
             .max = PN_PAM_SESSION_MAX_S),
    PN_FIELD(patch_in, requireMfa, BOOL),
    PN_FIELD(patch_in, credentials, OBJECT, .shape = &change_shape),
    PLACEMENT(patch_in),
    PN_FIELD(patch_in, connectionDetails, OBJECT, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_connection),
             .shape = &pn_pam_details_shape, .doc = "null: from now on the resource's"),
    PN_PAM_SKIP_TEST(patch_in),
};

static bool is_empty(const struct pn_pam_details *details)
{
    return !details->has_url && !details->has_certificate && !details->has_reject;
}

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct patch_in *in = in_;
    const struct credentials *c = &in->credentials;
    struct account_out *out = out_;
    struct pn_pam_account_change change = {
        .resource_id = in->place.folderId,
        .cluster = pn_pam_details_change(&in->connectionDetails, false),
        .drops_connection = in->has_connection && is_empty(&in->connectionDetails),
        .skips_test = in->skipConnectionTest,
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

    return check_mfa(call, in->requireMfa, err) && place(call, &in->place, &change, err) &&
           pn_pam_account_update(call, in->id, &change, &out->account, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct account_out *out = out_;

    return pn_pam_account_delete(call, in->id, &out->account, err);
}

const struct pn_route pn_pam_accounts_routes[] = {
    { PN_POST, "/api/v1/pam/accounts/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_SLOW, .permission = "project pam-accounts:create",
      .audit = "pam-account-create", .in = PN_SHAPE(create_in), .out = &out_shape, .handle = create,
      .doc = "Creates an account; whom it acts as is tried through the gateway first." },
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
    { PN_GET, "/api/v1/pam/accounts/accessible", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = &accessible_in_shape,
      .out = PN_SHAPE(accessible_out), .handle = list_accessible,
      .doc = "Lists accounts, and which of them the caller can open." },
    { PN_GET, "/api/v1/pam/accounts/types", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "-", .out = PN_SHAPE(types_out), .handle = list_types,
      .doc = "What a form asks for when an account is made." },
    { PN_GET, "/api/v1/pam/accounts/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows an account, never its token." },
    { PN_GET, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-accounts:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows an account, never its token." },
    { PN_PATCH, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW, .permission = "project pam-accounts:edit",
      .audit = "pam-account-update", .in = PN_SHAPE(patch_in), .out = &out_shape, .handle = patch,
      .doc = "Changes what is given of an account; another access is tried first." },
    { PN_DELETE, "/api/v1/pam/accounts/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-accounts:delete",
      .audit = "pam-account-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes an account and terminates its live sessions." },
    { 0 },
};
