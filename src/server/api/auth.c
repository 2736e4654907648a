/* SPDX-License-Identifier: Apache-2.0 */
/* How people log in. Contract: platform.md §4.2, §4.5. */
#include "core/auth/login.h"
#include "core/auth/mfa.h"
#include "core/auth/access_token.h"
#include "server/api/terms.h"
#include "server/cookie.h"
#include "server/route.h"

struct message_out {
    struct pn_str message;
};
static const struct pn_field message_out_fields[] = {
    PN_FIELD(message_out, message, STRING),
};

/* ---- password ---- */

struct login_in {
    struct pn_str email;
    struct pn_secret *password;
};
static const struct pn_field login_in_fields[] = {
    PN_FIELD(login_in, email, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true),
    PN_FIELD(login_in, password, SECRET, .required = true, .min = 1, .max = 1024),
};
struct login_out {
    struct pn_str accessToken;
};
static const struct pn_field login_out_fields[] = {
    PN_FIELD(login_out, accessToken, STRING),
};

/* Beside the token a browser gets a cookie: the page forgets the token, the browser keeps the login. */
static bool remember(struct pn_call *call, struct pn_uuid org_id, struct pn_err *err)
{
    struct pn_str refresh;
    int64_t expires_ms;

    if (!pn_login_refresh_token(call, org_id, &refresh, &expires_ms, err))
        return false;
    call->set_cookie = pn_cookie_set(call->arena, refresh, (expires_ms - call->now_ms) / 1000);
    return true;
}

static bool login(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct login_in *in = in_;
    struct login_out *out = out_;

    return pn_login_password(call, in->email, in->password, &out->accessToken, err) &&
           remember(call, (struct pn_uuid){ 0 }, err);
}

/* The official CLI falls back to SRP when a login fails; there is none. */
static bool login_by_srp(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)call;
    (void)in;
    (void)out;
    return pn_fail(err, PN_BAD_REQUEST, "Invalid email or password");
}

/* ---- organization ---- */

struct select_in {
    struct pn_uuid organizationId;
};
static const struct pn_field select_in_fields[] = {
    PN_FIELD(select_in, organizationId, UUID, .required = true),
};
struct select_out {
    struct pn_str token;
    bool isMfaEnabled;
    struct pn_str mfaMethod;
};
static const struct pn_field select_out_fields[] = {
    PN_FIELD(select_out, token, STRING, .doc = "With isMfaEnabled: for /v2/auth/mfa/* only"),
    PN_FIELD(select_out, isMfaEnabled, BOOL, .doc = "A second factor is asked for first"),
    PN_FIELD(select_out, mfaMethod, STRING, .omit_empty = true),
};

static bool select_organization(struct pn_call *call, const void *in_, void *out_,
                                struct pn_err *err)
{
    const struct select_in *in = in_;
    struct select_out *out = out_;

    if (!pn_login_select_org(call, in->organizationId, &out->token, &out->isMfaEnabled, err))
        return false;
    if (!out->isMfaEnabled)
        return remember(call, in->organizationId, err);
    out->mfaMethod = PN_LIT(PN_MFA_METHOD);
    return true;
}

struct refresh_out {
    struct pn_str token;
    struct pn_uuid organizationId;
};
static const struct pn_field refresh_out_fields[] = {
    PN_FIELD(refresh_out, token, STRING),
    PN_FIELD(refresh_out, organizationId, UUID, .omit_empty = true),
};

static bool refresh(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct refresh_out *out = out_;

    (void)in;
    return pn_login_refresh(call, call->refresh_cookie, &out->token, &out->organizationId, err);
}

/* ---- the session ---- */

static bool check(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct message_out *out = out_;

    (void)call;
    (void)in;
    (void)err;
    out->message = PN_LIT("Authenticated");
    return true;
}

static bool logout(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct message_out *out = out_;

    (void)in;
    out->message = PN_LIT("Successfully logged out");
    call->set_cookie = pn_cookie_set(call->arena, PN_NONE, 0);
    return pn_login_end(call, err);
}

/* ---- access tokens of machines ---- */

struct token_in {
    struct pn_str accessToken;
};
static const struct pn_field token_in_fields[] = {
    PN_FIELD(token_in, accessToken, STRING, .required = true, .min = 1, .max = 8192, .trim = true),
};

static bool renew(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct token_in *in = in_;
    struct pn_grant_out *out = out_;
    struct pn_grant grant;

    if (!pn_access_token_renew(call, in->accessToken, &grant, err))
        return false;
    *out = pn_grant_show(&grant);
    return true;
}

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct token_in *in = in_;
    struct message_out *out = out_;

    out->message = PN_LIT("Successfully revoked access token");
    return pn_access_token_revoke(call, in->accessToken, err);
}

const struct pn_route pn_auth_routes[] = {
    { PN_POST, "/api/v3/auth/login", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_SLOW, .audit = "user-login", .in = PN_SHAPE(login_in),
      .out = PN_SHAPE(login_out), .handle = login, .doc = "Logs a person in by password" },
    { PN_POST, "/api/v3/auth/login1", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_INLINE, .handle = login_by_srp,
      .doc = "Always refused: there is no SRP login" },
    { PN_POST, "/api/v3/auth/select-organization", .access = PN_BY_USER | PN_BY_USER_NO_ORG,
      .rate = PN_RATE_LOGIN, .audit = "select-organization", .in = PN_SHAPE(select_in),
      .out = PN_SHAPE(select_out), .handle = select_organization,
      .doc = "A token for one of the person's organizations" },
    { PN_POST, "/api/v1/auth/checkAuth", .access = PN_BY_USER | PN_BY_USER_NO_ORG,
      .rate = PN_RATE_READ, .out = PN_SHAPE(message_out), .handle = check,
      .doc = "Whether the token is still good" },
    { PN_POST, "/api/v1/auth/token", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .out = PN_SHAPE(refresh_out), .handle = refresh,
      .doc = "A new access token for the login that the cookie jid stands for" },
    { PN_POST, "/api/v1/auth/logout", .access = PN_BY_USER | PN_BY_USER_NO_ORG,
      .rate = PN_RATE_WRITE, .audit = "user-logout", .out = PN_SHAPE(message_out), .handle = logout,
      .doc = "Ends the session of the token" },
    { PN_POST, "/api/v1/auth/token/renew", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .audit = "renew-identity-access-token", .in = PN_SHAPE(token_in), .out = &pn_grant_view,
      .handle = renew, .doc = "The access token of a machine identity again, with a later end" },
    { PN_POST, "/api/v1/auth/token/revoke", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .audit = "revoke-identity-access-token", .in = PN_SHAPE(token_in),
      .out = PN_SHAPE(message_out), .handle = revoke,
      .doc = "Ends the access token of a machine identity" },
    { 0 },
};
