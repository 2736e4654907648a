/* SPDX-License-Identifier: Apache-2.0 */
/* Universal Auth of machine identities. Contract: identity-auth.md §5. */
#include "core/auth/universal.h"

#include "server/api/terms.h"
#include "server/route.h"

/* ---- the method ---- */

struct auth_in {
    struct pn_uuid identityId;
    struct pn_universal_auth_in auth;
};
static const struct pn_field auth_in_fields[] = {
    PN_FIELD(auth_in, identityId, UUID, .required = true),
    PN_TERMS_IN_FIELDS(auth_in, auth.terms),
    PN_TERMS_AT(auth_in, auth, clientSecretTrustedIps, OBJECTS, .min = 1, .max = PN_TRUSTED_IPS_MAX,
                .shape = &pn_trusted_ip_shape,
                .has_offset = offsetof(struct auth_in, auth.has_secret_ips)),
    PN_TERMS_AT(auth_in, auth, lockoutEnabled, BOOL,
                .has_offset = offsetof(struct auth_in, auth.has_lockout)),
    PN_TERMS_AT(auth_in, auth, lockoutThreshold, INT, .min = 1, .max = 30,
                .has_offset = offsetof(struct auth_in, auth.has_threshold)),
    PN_TERMS_AT(auth_in, auth, lockoutDurationSeconds, INT, .min = 30, .max = 86400,
                .has_offset = offsetof(struct auth_in, auth.has_duration)),
    PN_TERMS_AT(auth_in, auth, lockoutCounterResetSeconds, INT, .min = 5, .max = 3600,
                .has_offset = offsetof(struct auth_in, auth.has_reset)),
};

static const struct pn_field auth_fields[] = {
    PN_TERMS_AT(pn_universal_auth, common, id, UUID),
    PN_TERMS_AT(pn_universal_auth, common, identityId, UUID),
    PN_FIELD(pn_universal_auth, clientId, UUID),
    PN_FIELD(pn_universal_auth, clientSecretTrustedIps, RAW),
    PN_TERMS_OUT_FIELDS(pn_universal_auth, common.terms),
    PN_TERMS_AT(pn_universal_auth, common, warnings, STRINGS),
    PN_FIELD(pn_universal_auth, lockoutEnabled, BOOL),
    PN_FIELD(pn_universal_auth, lockoutThreshold, INT),
    PN_FIELD(pn_universal_auth, lockoutDurationSeconds, INT),
    PN_FIELD(pn_universal_auth, lockoutCounterResetSeconds, INT),
    PN_TERMS_AT(pn_universal_auth, common, createdAt, TIME),
    PN_TERMS_AT(pn_universal_auth, common, updatedAt, TIME),
};
static const struct pn_shape auth_view = { "identityUniversalAuth",
                                           sizeof(struct pn_universal_auth), auth_fields,
                                           PN_COUNT(auth_fields) };
struct auth_out {
    struct pn_universal_auth identityUniversalAuth;
};
static const struct pn_field auth_out_fields[] = {
    PN_FIELD(auth_out, identityUniversalAuth, OBJECT, .shape = &auth_view),
};

static bool show(struct pn_call *call, struct auth_out *out, bool done)
{
    struct pn_universal_auth *auth = &out->identityUniversalAuth;

    if (done)
        auth->common.warnings =
            pn_auth_method_warnings(call->arena, &auth->common.terms, auth->clientSecretTrustedIps);
    return done;
}

static bool attach(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct auth_in *in = in_;
    struct auth_out *out = out_;

    return show(call, out,
                pn_universal_auth_attach(call, in->identityId, &in->auth,
                                         &out->identityUniversalAuth, err));
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct auth_in *in = in_;
    struct auth_out *out = out_;

    return show(call, out,
                pn_universal_auth_change(call, in->identityId, &in->auth,
                                         &out->identityUniversalAuth, err));
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

    return show(call, out,
                pn_universal_auth_get(call, in->identityId, &out->identityUniversalAuth, err));
}

static bool detach(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct auth_out *out = out_;

    return show(call, out,
                pn_universal_auth_detach(call, in->identityId, &out->identityUniversalAuth, err));
}

struct deleted_out {
    int64_t deleted;
};
static const struct pn_field deleted_out_fields[] = {
    PN_FIELD(deleted_out, deleted, INT),
};

static bool clear_lockouts(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct deleted_out *out = out_;

    return pn_universal_auth_clear_lockouts(call, in->identityId, &out->deleted, err);
}

/* ---- client secrets ---- */

static const struct pn_field secret_fields[] = {
    PN_FIELD(pn_client_secret, id, UUID),
    PN_FIELD(pn_client_secret, identityUAId, UUID),
    { .name = "identityUniversalAuthId", /* what a shipping client calls it (§12) */
      .kind = PN_KIND_UUID,
      .offset = offsetof(struct pn_client_secret, identityUAId) },
    PN_FIELD(pn_client_secret, description, STRING),
    PN_FIELD(pn_client_secret, clientSecretPrefix, STRING),
    PN_FIELD(pn_client_secret, clientSecretNumUses, INT),
    PN_FIELD(pn_client_secret, clientSecretNumUsesLimit, INT),
    PN_FIELD(pn_client_secret, clientSecretTTL, INT),
    PN_FIELD(pn_client_secret, isClientSecretRevoked, BOOL),
    PN_FIELD(pn_client_secret, createdAt, TIME),
    PN_FIELD(pn_client_secret, updatedAt, TIME),
};
static const struct pn_shape secret_view = { "clientSecretData", sizeof(struct pn_client_secret),
                                             secret_fields, PN_COUNT(secret_fields) };

struct create_in {
    struct pn_uuid identityId;
    struct pn_str description;
    int64_t numUsesLimit, ttl;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, identityId, UUID, .required = true),
    PN_FIELD(create_in, description, STRING, .max = 1024, .trim = true),
    PN_FIELD(create_in, numUsesLimit, INT, .min = 0, .max = PN_TOKEN_MAX_USES),
    PN_FIELD(create_in, ttl, INT, .min = 0, .max = PN_TOKEN_MAX_TTL_S),
};
struct create_out {
    struct pn_str clientSecret;
    struct pn_client_secret clientSecretData;
};
static const struct pn_field create_out_fields[] = {
    PN_FIELD(create_out, clientSecret, STRING),
    PN_FIELD(create_out, clientSecretData, OBJECT, .shape = &secret_view),
};

static bool create_secret(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct create_out *out = out_;
    const struct pn_client_secret_new fresh = { .description = in->description,
                                                .ttl_s = in->ttl,
                                                .uses_limit = in->numUsesLimit };

    return pn_client_secret_create(call, in->identityId, &fresh, &out->clientSecretData,
                                   &out->clientSecret, err);
}

struct list_out {
    struct pn_list clientSecretData;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, clientSecretData, OBJECTS, .shape = &secret_view),
};

static bool list_secrets(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct list_out *out = out_;

    return pn_client_secret_list(call, in->identityId, &out->clientSecretData, err);
}

struct secret_in {
    struct pn_uuid identityId, clientSecretId;
};
static const struct pn_field secret_in_fields[] = {
    PN_FIELD(secret_in, identityId, UUID, .required = true),
    PN_FIELD(secret_in, clientSecretId, UUID, .required = true),
};
struct secret_out {
    struct pn_client_secret clientSecretData;
};
static const struct pn_field secret_out_fields[] = {
    PN_FIELD(secret_out, clientSecretData, OBJECT, .shape = &secret_view),
};

static bool get_secret(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct secret_in *in = in_;
    struct secret_out *out = out_;

    return pn_client_secret_get(call, in->identityId, in->clientSecretId, &out->clientSecretData,
                                err);
}

static bool revoke_secret(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct secret_in *in = in_;
    struct secret_out *out = out_;

    return pn_client_secret_revoke(call, in->identityId, in->clientSecretId, &out->clientSecretData,
                                   err);
}

/* ---- login ---- */

struct login_in {
    struct pn_str clientId, organizationSlug, subOrganizationName;
    struct pn_secret *clientSecret;
};
static const struct pn_field login_in_fields[] = {
    PN_FIELD(login_in, clientId, STRING, .required = true, .max = 128, .trim = true),
    PN_FIELD(login_in, clientSecret, SECRET, .required = true, .min = 1, .max = 1024),
    PN_FIELD(login_in, organizationSlug, STRING, .max = 64, .trim = true),
    PN_FIELD(login_in, subOrganizationName, STRING, .max = 64, .trim = true,
             .doc = "Older name of organizationSlug"),
};

static bool login(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct login_in *in = in_;
    struct pn_grant_out *out = out_;
    struct pn_grant grant;

    if (!pn_universal_auth_login(call, in->clientId, in->clientSecret,
                                 in->organizationSlug.len > 0 ? in->organizationSlug
                                                              : in->subOrganizationName,
                                 &grant, err))
        return false;
    *out = pn_grant_show(&grant);
    return true;
}

#define BASE "/api/v1/auth/universal-auth/identities/:identityId"
#define ONE_SECRET BASE "/client-secrets/:clientSecretId"

const struct pn_route pn_universal_auth_routes[] = {
    { PN_POST, "/api/v1/auth/universal-auth/login", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .audit = "login-identity-universal-auth", .in = PN_SHAPE(login_in), .out = &pn_grant_view,
      .handle = login, .doc = "Logs a machine identity in by client id and secret" },
    { PN_POST, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "add-identity-universal-auth", .in = PN_SHAPE(auth_in),
      .out = PN_SHAPE(auth_out), .handle = attach, .doc = "Attaches Universal Auth" },
    { PN_PATCH, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "update-identity-universal-auth", .in = PN_SHAPE(auth_in),
      .out = PN_SHAPE(auth_out), .handle = change, .doc = "Changes Universal Auth" },
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:read", .rate = PN_RATE_READ,
      .audit = "get-identity-universal-auth", .in = PN_SHAPE(identity_in),
      .out = PN_SHAPE(auth_out), .handle = get, .doc = "Universal Auth of an identity" },
    { PN_DELETE, BASE, .access = PN_BY_PEOPLE,
      .permission = "org identity:edit, boundary revoke-auth", .rate = PN_RATE_WRITE,
      .audit = "revoke-identity-universal-auth", .in = PN_SHAPE(identity_in),
      .out = PN_SHAPE(auth_out), .handle = detach,
      .doc = "Detaches Universal Auth; its secrets and tokens end" },
    { PN_POST, BASE "/clear-lockouts", .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "clear-identity-universal-auth-lockouts",
      .in = PN_SHAPE(identity_in), .out = PN_SHAPE(deleted_out), .handle = clear_lockouts,
      .doc = "Forgets failed logins and their locks" },
    { PN_POST, BASE "/client-secrets", .access = PN_BY_PEOPLE,
      .permission = "org identity:create, boundary create-token", .rate = PN_RATE_WRITE,
      .audit = "create-identity-universal-auth-client-secret", .in = PN_SHAPE(create_in),
      .out = PN_SHAPE(create_out), .handle = create_secret,
      .doc = "Makes a client secret; it is shown once" },
    { PN_GET, BASE "/client-secrets", .access = PN_BY_PEOPLE,
      .permission = "org identity:read, boundary get-token", .rate = PN_RATE_READ,
      .audit = "get-identity-universal-auth-client-secret", .in = PN_SHAPE(identity_in),
      .out = PN_SHAPE(list_out), .handle = list_secrets,
      .doc = "Client secrets that are not revoked, without the secrets" },
    { PN_GET, ONE_SECRET, .access = PN_BY_PEOPLE,
      .permission = "org identity:read, boundary get-token", .rate = PN_RATE_READ,
      .audit = "get-identity-universal-auth-client-secret-by-id", .in = PN_SHAPE(secret_in),
      .out = PN_SHAPE(secret_out), .handle = get_secret,
      .doc = "One client secret, without the secret" },
    { PN_POST, ONE_SECRET "/revoke", .access = PN_BY_PEOPLE,
      .permission = "org identity:delete, boundary delete-token", .rate = PN_RATE_WRITE,
      .audit = "revoke-identity-universal-auth-client-secret", .in = PN_SHAPE(secret_in),
      .out = PN_SHAPE(secret_out), .handle = revoke_secret,
      .doc = "Ends a client secret and the tokens it got" },
    { PN_DELETE, ONE_SECRET, .access = PN_BY_PEOPLE,
      .permission = "org identity:delete, boundary delete-token", .rate = PN_RATE_WRITE,
      .audit = "revoke-identity-universal-auth-client-secret", .in = PN_SHAPE(secret_in),
      .out = PN_SHAPE(secret_out), .handle = revoke_secret,
      .doc = "The same under the name that a client uses" },
    { 0 },
};
