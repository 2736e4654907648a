/* SPDX-License-Identifier: Apache-2.0 */
/* Service tokens of a project. Contract: platform.md §5.5. */
#include "core/auth/project_token.h"
#include "server/route.h"

#define MAX_TTL_S 315360000

/* ---- how one looks ---- */

/* Names of older clients beside the present ones; values are not encrypted by clients any more. */
struct maker {
    struct pn_uuid id;
    struct pn_str email, firstName, lastName;
    int64_t v;
};
struct shown {
    struct pn_project_token token;
    struct pn_str none;
    struct maker user;
    bool has_user;
    int64_t v;
};
/* clang-format off */
#define MEMBER(in_, name_, what, at, ...) \
    { .name = name_, .kind = PN_KIND_##what, .offset = offsetof(struct in_, at), __VA_ARGS__ }
static const struct pn_field maker_fields[] = {
    MEMBER(maker, "id", UUID, id),
    MEMBER(maker, "_id", UUID, id),
    MEMBER(maker, "email", STRING, email),
    MEMBER(maker, "firstName", STRING, firstName),
    MEMBER(maker, "lastName", STRING, lastName),
    MEMBER(maker, "__v", INT, v),
};
#define SHOWN_FIELDS                                                                               \
    MEMBER(shown, "id", UUID, token.id),                                                           \
    MEMBER(shown, "_id", UUID, token.id),                                                          \
    MEMBER(shown, "name", STRING, token.name),                                                     \
    MEMBER(shown, "scopes", RAW, token.scopes),                                                    \
    MEMBER(shown, "permissions", RAW, token.permissions),                                          \
    MEMBER(shown, "lastUsed", TIME, token.lastUsed),                                               \
    MEMBER(shown, "expiresAt", TIME, token.expiresAt),                                             \
    MEMBER(shown, "encryptedKey", STRING, none),                                                   \
    MEMBER(shown, "iv", STRING, none),                                                             \
    MEMBER(shown, "tag", STRING, none),                                                            \
    MEMBER(shown, "createdAt", TIME, token.createdAt),                                             \
    MEMBER(shown, "updatedAt", TIME, token.createdAt),                                             \
    MEMBER(shown, "createdBy", UUID, token.createdBy),                                             \
    MEMBER(shown, "projectId", UUID, token.projectId)
/* clang-format on */
static const struct pn_field shown_fields[] = { SHOWN_FIELDS };
static const struct pn_shape view = { "service_token", sizeof(struct shown), shown_fields,
                                      PN_COUNT(shown_fields) };
static const struct pn_field self_fields[] = {
    SHOWN_FIELDS,
    MEMBER(shown, "workspace", UUID, token.projectId),
    MEMBER(shown, "user", OBJECT, user, .shape = PN_SHAPE(maker),
           .has_offset = offsetof(struct shown, has_user)),
    MEMBER(shown, "__v", INT, v),
};
static const struct pn_shape self_view = { "service_token_self", sizeof(struct shown), self_fields,
                                           PN_COUNT(self_fields) };

static struct shown show(const struct pn_project_token *token)
{
    return (struct shown){ .token = *token,
                           .none = PN_LIT(""),
                           .has_user = !pn_uuid_is_zero(token->createdBy),
                           .user = { .id = token->createdBy,
                                     .email = token->email,
                                     .firstName = token->firstName,
                                     .lastName = token->lastName } };
}

/* ---- making ---- */

static const struct pn_field pn_project_token_scope_fields[] = {
    PN_FIELD(pn_project_token_scope, environment, STRING, .required = true, .min = 1, .max = 64,
             .trim = true),
    PN_FIELD(pn_project_token_scope, secretPath, STRING, .required = true, .min = 1, .max = 512,
             .trim = true),
};
static const struct pn_shape scope_shape = PN_SHAPE_OF(pn_project_token_scope);
struct create_in {
    struct pn_uuid workspaceId;
    struct pn_str name;
    struct pn_list scopes;
    struct pn_strs permissions;
    int64_t expiresIn;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, workspaceId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 255, .trim = true),
    PN_FIELD(create_in, scopes, OBJECTS, .shape = &scope_shape, .required = true, .min = 1,
             .max = PN_PROJECT_TOKEN_MAX_SCOPES),
    PN_FIELD(create_in, permissions, STRINGS, .required = true, .min = 1, .max = 3, .item_max = 16,
             .check = pn_project_token_is_permission, .rule = "Use read, write or readValue"),
    PN_FIELD(create_in, expiresIn, INT, .min = 0, .max = MAX_TTL_S, .is_nullable = true,
             .doc = "Seconds; 0 or null: never"),
};
struct create_out {
    struct pn_str serviceToken;
    struct shown serviceTokenData;
};
static const struct pn_field create_out_fields[] = {
    PN_FIELD(create_out, serviceToken, STRING),
    PN_FIELD(create_out, serviceTokenData, OBJECT, .shape = &view),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct create_out *out = out_;
    const struct pn_project_token_new fresh = { .project_id = in->workspaceId,
                                                .name = in->name,
                                                .scopes = in->scopes,
                                                .permissions = in->permissions,
                                                .ttl_s = in->expiresIn };
    struct pn_project_token token;

    if (!pn_project_token_create(call, &fresh, &token, &out->serviceToken, err))
        return false;
    out->serviceTokenData = show(&token);
    return true;
}

/* ---- looking and ending ---- */

static bool get_self(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    struct pn_project_token token;

    (void)in;
    if (!pn_project_token_self(call, &token, err))
        return false;
    *(struct shown *)out = show(&token);
    return true;
}

struct list_in {
    struct pn_uuid projectId;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .required = true),
};
struct list_out {
    struct pn_list serviceTokenData;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, serviceTokenData, OBJECTS, .shape = &view),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_project_token *tokens;
    struct pn_list found;
    struct shown *items;

    if (!pn_project_token_list(call, in->projectId, &found, err))
        return false;
    tokens = found.items;
    items = pn_new(call->arena, struct shown, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i] = show(&tokens[i]);
    out->serviceTokenData = (struct pn_list){ .items = items, .count = found.count };
    return true;
}

struct delete_in {
    struct pn_uuid serviceTokenId;
};
static const struct pn_field delete_in_fields[] = {
    PN_FIELD(delete_in, serviceTokenId, UUID, .required = true),
};
struct delete_out {
    struct shown serviceTokenData;
};
static const struct pn_field delete_out_fields[] = {
    PN_FIELD(delete_out, serviceTokenData, OBJECT, .shape = &view),
};

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct delete_in *in = in_;
    struct delete_out *out = out_;
    struct pn_project_token token;

    if (!pn_project_token_delete(call, in->serviceTokenId, &token, err))
        return false;
    out->serviceTokenData = show(&token);
    return true;
}

#define LIST(at)                                                                              \
    {                                                                                         \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = "project service-tokens:read",      \
                    .rate = PN_RATE_READ, .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), \
                    .handle = list, .doc = "The service tokens of a project, newest first"    \
    }

const struct pn_route pn_service_token_routes[] = {
    { PN_POST, "/api/v2/service-token", .access = PN_BY_USER,
      .permission = "project service-tokens:create", .rate = PN_RATE_WRITE,
      .audit = "create-service-token", .in = PN_SHAPE(create_in), .out = PN_SHAPE(create_out),
      .handle = create, .doc = "Makes a bearer for some folders of a project; shown once" },
    { PN_GET, "/api/v2/service-token", .access = PN_BY_SERVICE, .permission = "itself",
      .rate = PN_RATE_READ, .out = &self_view, .handle = get_self,
      .doc = "What the service token that asks may do" },
    { PN_DELETE, "/api/v2/service-token/:serviceTokenId", .access = PN_BY_PEOPLE,
      .permission = "project service-tokens:delete", .rate = PN_RATE_WRITE,
      .audit = "delete-service-token", .in = PN_SHAPE(delete_in), .out = PN_SHAPE(delete_out),
      .handle = delete_one, .doc = "Ends a service token at once" },
    LIST("/api/v1/workspace/:projectId/service-token-data"),
    LIST("/api/v1/projects/:projectId/service-token-data"),
    { 0 },
};
