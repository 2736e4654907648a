/* SPDX-License-Identifier: Apache-2.0 */
/* Token Auth: access tokens that an administrator makes for a machine identity. Contract: platform.md §5.3. */
#include "core/identity/identity.h"
#include "server/route.h"

struct token_view {
    struct pn_uuid id, identityId;
    struct pn_str name, authMethod;
    bool isAccessTokenRevoked;
    int64_t accessTokenTTL, accessTokenMaxTTL, accessTokenNumUses, accessTokenNumUsesLimit;
    int64_t createdAt, updatedAt;
};
static const struct pn_field token_view_fields[] = {
    PN_FIELD(token_view, id, UUID),
    PN_FIELD(token_view, identityId, UUID),
    PN_FIELD(token_view, name, STRING),
    PN_FIELD(token_view, authMethod, STRING),
    PN_FIELD(token_view, isAccessTokenRevoked, BOOL),
    PN_FIELD(token_view, accessTokenTTL, INT),
    PN_FIELD(token_view, accessTokenMaxTTL, INT),
    PN_FIELD(token_view, accessTokenNumUses, INT),
    PN_FIELD(token_view, accessTokenNumUsesLimit, INT),
    PN_FIELD(token_view, createdAt, TIME),
    PN_FIELD(token_view, updatedAt, TIME),
};
static const struct pn_shape token_view_shape = PN_SHAPE_OF(token_view);

static struct token_view show(const struct pn_identity_token *t)
{
    return (struct token_view){ .id = t->id,
                                .identityId = t->identityId,
                                .name = t->name,
                                .authMethod = t->authMethod,
                                .isAccessTokenRevoked = t->isAccessTokenRevoked,
                                .accessTokenTTL = t->accessTokenTTL,
                                .accessTokenMaxTTL = t->accessTokenTTL,
                                .createdAt = t->createdAt,
                                .updatedAt = t->updatedAt };
}

struct create_in {
    struct pn_uuid identityId;
    struct pn_str name;
    int64_t accessTokenTTL;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, identityId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .max = 255, .trim = true),
    PN_FIELD(create_in, accessTokenTTL, INT, .min = 0, .max = PN_IDENTITY_MAX_TTL_S,
             .doc = "Ours: seconds until the token expires; 0 (the default) means never"),
};
struct create_out {
    struct pn_str accessToken, tokenType;
    int64_t expiresIn, accessTokenMaxTTL;
    struct token_view tokenData;
};
static const struct pn_field create_out_fields[] = {
    PN_FIELD(create_out, accessToken, STRING),
    PN_FIELD(create_out, expiresIn, INT),
    PN_FIELD(create_out, accessTokenMaxTTL, INT),
    PN_FIELD(create_out, tokenType, STRING),
    PN_FIELD(create_out, tokenData, OBJECT, .shape = &token_view_shape),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct create_out *out = out_;
    struct pn_identity_token made;

    if (!pn_identity_token_create(call, in->identityId, in->name, in->accessTokenTTL, &made,
                                  &out->accessToken, err))
        return false;
    out->tokenType = PN_LIT("Bearer");
    out->expiresIn = out->accessTokenMaxTTL = in->accessTokenTTL;
    out->tokenData = show(&made);
    return true;
}

struct list_in {
    struct pn_uuid identityId;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, identityId, UUID, .required = true),
};
struct list_out {
    struct pn_list tokens;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, tokens, OBJECTS, .shape = &token_view_shape),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    struct token_view *items;
    struct pn_list found;

    if (!pn_identity_token_list(call, in->identityId, &found, err))
        return false;
    items = pn_new(call->arena, struct token_view, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i] = show((const struct pn_identity_token *)found.items + i);
    out->tokens = (struct pn_list){ .items = items, .count = found.count };
    return true;
}

struct revoke_in {
    struct pn_uuid tokenId;
};
static const struct pn_field revoke_in_fields[] = {
    PN_FIELD(revoke_in, tokenId, UUID, .required = true),
};
struct revoke_out {
    struct pn_str message;
};
static const struct pn_field revoke_out_fields[] = {
    PN_FIELD(revoke_out, message, STRING),
};

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct revoke_in *in = in_;
    struct revoke_out *out = out_;

    out->message = PN_LIT("Successfully revoked access token");
    return pn_identity_token_revoke(call, in->tokenId, err);
}

/*
 * The method itself: every identity has it, with tokens that last until they are revoked or as long
 * as their maker said; there is nothing to configure yet.
 */
struct method {
    struct pn_uuid identityId;
    int64_t accessTokenTTL, accessTokenMaxTTL, accessTokenNumUsesLimit;
};
static const struct pn_field method_fields[] = {
    PN_FIELD(method, identityId, UUID),
    PN_FIELD(method, accessTokenTTL, INT),
    PN_FIELD(method, accessTokenMaxTTL, INT),
    PN_FIELD(method, accessTokenNumUsesLimit, INT),
};
struct method_out {
    struct method identityTokenAuth;
};
static const struct pn_field method_out_fields[] = {
    PN_FIELD(method_out, identityTokenAuth, OBJECT, .shape = PN_SHAPE(method)),
};

static bool get_method(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct method_out *out = out_;
    struct pn_identity identity;

    out->identityTokenAuth.identityId = in->identityId;
    return pn_identity_get(call, in->identityId, &identity, err);
}

#define BASE "/api/v1/auth/token-auth/identities/:identityId"

const struct pn_route pn_token_auth_routes[] = {
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:read", .rate = PN_RATE_READ,
      .in = PN_SHAPE(list_in), .out = PN_SHAPE(method_out), .handle = get_method,
      .doc = "Token Auth of an identity" },
    { PN_POST, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:read",
      .rate = PN_RATE_WRITE, .in = PN_SHAPE(list_in), .out = PN_SHAPE(method_out),
      .handle = get_method, .doc = "Attaches Token Auth: every identity has it, nothing changes" },
    { PN_POST, BASE "/tokens", .access = PN_BY_PEOPLE, .permission = "org identity:create-token",
      .rate = PN_RATE_WRITE, .audit = "create-token-identity-token-auth", .in = PN_SHAPE(create_in),
      .out = PN_SHAPE(create_out), .handle = create,
      .doc = "Makes an access token; it is shown once" },
    { PN_GET, BASE "/tokens", .access = PN_BY_PEOPLE, .permission = "org identity:get-token",
      .rate = PN_RATE_READ, .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Access tokens of an identity, without the tokens" },
    { PN_POST, "/api/v1/auth/token-auth/tokens/:tokenId/revoke", .access = PN_BY_PEOPLE,
      .permission = "org identity:delete-token", .rate = PN_RATE_WRITE,
      .audit = "revoke-token-identity-token-auth", .in = PN_SHAPE(revoke_in),
      .out = PN_SHAPE(revoke_out), .handle = revoke, .doc = "Ends an access token" },
    { 0 },
};
