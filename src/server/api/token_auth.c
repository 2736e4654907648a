/* SPDX-License-Identifier: Apache-2.0 */
/* Token Auth: access tokens that an administrator makes. Contract: identity-auth.md §10. */
#include "core/auth/token_auth.h"

#include "server/api/terms.h"
#include "server/route.h"

/* ---- the method ---- */

struct auth_in {
    struct pn_uuid identityId;
    struct pn_token_terms_in terms;
};
static const struct pn_field auth_in_fields[] = {
    PN_FIELD(auth_in, identityId, UUID, .required = true),
    PN_TERMS_IN_FIELDS(auth_in, terms),
};
static const struct pn_field auth_fields[] = {
    PN_FIELD(pn_auth_method, id, UUID),         PN_FIELD(pn_auth_method, identityId, UUID),
    PN_TERMS_OUT_FIELDS(pn_auth_method, terms), PN_FIELD(pn_auth_method, warnings, STRINGS),
    PN_FIELD(pn_auth_method, createdAt, TIME),  PN_FIELD(pn_auth_method, updatedAt, TIME),
};
static const struct pn_shape auth_view = { "identityTokenAuth", sizeof(struct pn_auth_method),
                                           auth_fields, PN_COUNT(auth_fields) };
struct auth_out {
    struct pn_auth_method identityTokenAuth;
};
static const struct pn_field auth_out_fields[] = {
    PN_FIELD(auth_out, identityTokenAuth, OBJECT, .shape = &auth_view),
};

static bool show(struct pn_call *call, struct auth_out *out, bool done)
{
    if (done)
        out->identityTokenAuth.warnings =
            pn_auth_method_warnings(call->arena, &out->identityTokenAuth.terms, PN_NONE);
    return done;
}

static bool attach(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct auth_in *in = in_;
    struct auth_out *out = out_;

    return show(
        call, out,
        pn_token_auth_attach(call, in->identityId, &in->terms, &out->identityTokenAuth, err));
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct auth_in *in = in_;
    struct auth_out *out = out_;

    return show(
        call, out,
        pn_token_auth_change(call, in->identityId, &in->terms, &out->identityTokenAuth, err));
}

struct identity_in {
    struct pn_uuid identityId;
};
static const struct pn_field identity_in_fields[] = {
    PN_FIELD(identity_in, identityId, UUID, .required = true),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct auth_out *out = out_;

    return show(call, out, pn_token_auth_get(call, in->identityId, &out->identityTokenAuth, err));
}

static bool detach(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct auth_out *out = out_;

    return show(call, out,
                pn_token_auth_detach(call, in->identityId, &out->identityTokenAuth, err));
}

/* ---- tokens ---- */

#define AS(member, what, as)                                                                   \
    {                                                                                          \
        .name = as, .kind = PN_KIND_##what, .offset = offsetof(struct pn_access_token, member) \
    }

static const struct pn_field token_fields[] = {
    PN_FIELD(pn_access_token, id, UUID),
    PN_FIELD(pn_access_token, identityId, UUID),
    AS(auth_id, UUID, "identityTokenAuthId"), /* what a shipping client reads (§12) */
    PN_FIELD(pn_access_token, name, STRING),
    PN_FIELD(pn_access_token, authMethod, STRING),
    PN_TERMS_AT(pn_access_token, terms, accessTokenTTL, INT),
    PN_TERMS_AT(pn_access_token, terms, accessTokenMaxTTL, INT),
    PN_TERMS_AT(pn_access_token, terms, accessTokenPeriod, INT),
    PN_TERMS_AT(pn_access_token, terms, accessTokenNumUsesLimit, INT),
    AS(uses, INT, "accessTokenNumUses"),
    PN_FIELD(pn_access_token, accessTokenLastUsedAt, TIME),
    PN_FIELD(pn_access_token, accessTokenLastRenewedAt, TIME),
    PN_FIELD(pn_access_token, isAccessTokenRevoked, BOOL),
    AS(isAccessTokenRevoked, BOOL, "isTokenRevoked"), /* the same client */
    AS(client_secret_id, UUID, "identityUAClientSecretId"),
    PN_FIELD(pn_access_token, createdAt, TIME),
    PN_FIELD(pn_access_token, updatedAt, TIME),
};
static const struct pn_shape token_view = { "tokenData", sizeof(struct pn_access_token),
                                            token_fields, PN_COUNT(token_fields) };

struct create_in {
    struct pn_uuid identityId;
    struct pn_str name, organizationSlug, subOrganizationName;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, identityId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .max = 255, .trim = true),
    PN_FIELD(create_in, organizationSlug, STRING, .max = 64, .trim = true),
    PN_FIELD(create_in, subOrganizationName, STRING, .max = 64, .trim = true),
};
struct create_out {
    struct pn_grant_out grant;
    struct pn_access_token tokenData;
};
static const struct pn_field create_out_fields[] = {
    PN_TERMS_AT(create_out, grant, accessToken, STRING),
    PN_TERMS_AT(create_out, grant, expiresIn, INT),
    PN_TERMS_AT(create_out, grant, accessTokenMaxTTL, INT),
    PN_TERMS_AT(create_out, grant, tokenType, STRING),
    PN_FIELD(create_out, tokenData, OBJECT, .shape = &token_view),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct create_out *out = out_;
    struct pn_grant grant;

    if (!pn_token_auth_create(call, in->identityId, in->name,
                              in->organizationSlug.len > 0 ? in->organizationSlug
                                                           : in->subOrganizationName,
                              &grant, &out->tokenData, err))
        return false;
    out->grant = pn_grant_show(&grant);
    return true;
}

struct list_in {
    struct pn_uuid identityId;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, identityId, UUID, .required = true),
    PN_FIELD(list_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 20),
};
struct list_out {
    struct pn_list tokens;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, tokens, OBJECTS, .shape = &token_view),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;

    return pn_token_auth_list(call, in->identityId, in->offset, in->limit, &out->tokens, err);
}

struct token_in {
    struct pn_uuid tokenId;
    struct pn_str name;
};
static const struct pn_field token_in_fields[] = {
    PN_FIELD(token_in, tokenId, UUID, .required = true),
    PN_FIELD(token_in, name, STRING, .max = 255, .trim = true),
};
struct token_out {
    struct pn_access_token token;
    struct pn_str message;
};
static const struct pn_field token_out_fields[] = {
    PN_FIELD(token_out, token, OBJECT, .shape = &token_view),
    PN_FIELD(token_out, message, STRING, .omit_empty = true),
};

static bool get_token(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct token_in *in = in_;
    struct token_out *out = out_;

    return pn_token_auth_token(call, in->tokenId, &out->token, err);
}

static bool rename_token(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct token_in *in = in_;
    struct token_out *out = out_;

    return pn_token_auth_rename(call, in->tokenId, in->name, &out->token, err);
}

static bool revoke_token(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct token_in *in = in_;
    struct token_out *out = out_;

    out->message = PN_LIT("Successfully revoked access token");
    return pn_token_auth_revoke(call, in->tokenId, &out->token, err);
}

#define BASE "/api/v1/auth/token-auth/identities/:identityId"
#define ONE "/api/v1/auth/token-auth/tokens/:tokenId"
#define ALIAS BASE "/tokens/:tokenId" /* what a shipping client calls (§12) */

#define ROUTES_OF_ONE(path_)                                                                  \
    { PN_GET,                                                                                 \
      path_,                                                                                  \
      .access = PN_BY_PEOPLE,                                                                 \
      .permission = "org identity:read, boundary get-token",                                  \
      .rate = PN_RATE_READ,                                                                   \
      .audit = "get-token-identity-token-auth",                                               \
      .in = PN_SHAPE(token_in),                                                               \
      .out = PN_SHAPE(token_out),                                                             \
      .handle = get_token,                                                                    \
      .doc = "One access token, without the token" },                                         \
    {                                                                                         \
        PN_PATCH, path_,                                                                      \
            .access = PN_BY_PEOPLE, .permission = "org identity:edit, boundary create-token", \
            .rate = PN_RATE_WRITE, .audit = "update-token-identity-token-auth",               \
            .in = PN_SHAPE(token_in), .out = PN_SHAPE(token_out), .handle = rename_token,     \
            .doc = "Renames an access token"                                                  \
    }
#define REVOKE(method_, path_)                                                                  \
    {                                                                                           \
        method_, path_,                                                                         \
            .access = PN_BY_PEOPLE, .permission = "org identity:delete, boundary delete-token", \
            .rate = PN_RATE_WRITE, .audit = "revoke-token-identity-token-auth",                 \
            .in = PN_SHAPE(token_in), .out = PN_SHAPE(token_out), .handle = revoke_token,       \
            .doc = "Ends an access token"                                                       \
    }

const struct pn_route pn_token_auth_routes[] = {
    { PN_POST, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "add-identity-token-auth", .in = PN_SHAPE(auth_in),
      .out = PN_SHAPE(auth_out), .handle = attach, .doc = "Attaches Token Auth" },
    { PN_PATCH, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "update-identity-token-auth", .in = PN_SHAPE(auth_in),
      .out = PN_SHAPE(auth_out), .handle = change, .doc = "Changes Token Auth" },
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:read", .rate = PN_RATE_READ,
      .audit = "get-identity-token-auth", .in = PN_SHAPE(identity_in), .out = PN_SHAPE(auth_out),
      .handle = get, .doc = "Token Auth of an identity" },
    { PN_DELETE, BASE, .access = PN_BY_PEOPLE,
      .permission = "org identity:edit, boundary revoke-auth", .rate = PN_RATE_WRITE,
      .audit = "revoke-identity-token-auth", .in = PN_SHAPE(identity_in), .out = PN_SHAPE(auth_out),
      .handle = detach, .doc = "Detaches Token Auth; its tokens end" },
    { PN_POST, BASE "/tokens", .access = PN_BY_PEOPLE,
      .permission = "org identity:create, boundary create-token", .rate = PN_RATE_WRITE,
      .audit = "create-token-identity-token-auth", .in = PN_SHAPE(create_in),
      .out = PN_SHAPE(create_out), .handle = create,
      .doc = "Makes an access token; it is shown once" },
    { PN_GET, BASE "/tokens", .access = PN_BY_PEOPLE,
      .permission = "org identity:read, boundary get-token", .rate = PN_RATE_READ,
      .audit = "get-tokens-identity-token-auth", .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out),
      .handle = list, .doc = "Access tokens of an identity, without the tokens" },
    ROUTES_OF_ONE(ONE),
    ROUTES_OF_ONE(ALIAS),
    REVOKE(PN_POST, ONE "/revoke"),
    REVOKE(PN_DELETE, ALIAS),
    { 0 },
};
