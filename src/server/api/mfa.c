/* SPDX-License-Identifier: Apache-2.0 */
/* The second factor of people: to have one, to show it. Contract: platform.md §4.3, §18 (/v2/users/me/mfa). */
#include "core/auth/mfa.h"

#include "core/auth/login.h"
#include "core/org/me.h"
#include "server/api/views.h"
#include "server/cookie.h"
#include "server/route.h"

/* ---- to show it ---- */

/* Beside the token a client of before expects what its keys were wrapped in; it uses none of it. */
struct shown_out {
    struct pn_str token;
    int64_t encryptionVersion;
    struct pn_str publicKey, encryptedPrivateKey, iv, tag, protectedKey, protectedKeyIV,
        protectedKeyTag;
};
static const struct pn_field shown_out_fields[] = {
    PN_FIELD(shown_out, token, STRING, .doc = "For the organization that was selected"),
    PN_FIELD(shown_out, encryptionVersion, INT),
    PN_FIELD(shown_out, publicKey, STRING),
    PN_FIELD(shown_out, encryptedPrivateKey, STRING),
    PN_FIELD(shown_out, iv, STRING),
    PN_FIELD(shown_out, tag, STRING),
    PN_FIELD(shown_out, protectedKey, STRING),
    PN_FIELD(shown_out, protectedKeyIV, STRING),
    PN_FIELD(shown_out, protectedKeyTag, STRING),
};

static bool remember(struct pn_call *call, struct pn_err *err)
{
    struct pn_str refresh;
    int64_t expires_ms;

    if (!pn_login_refresh_token(call, call->actor.org_id, &refresh, &expires_ms, err))
        return false;
    call->set_cookie = pn_cookie_set(call->arena, refresh, (expires_ms - call->now_ms) / 1000);
    return true;
}

struct verify_in {
    struct pn_str mfaToken, mfaMethod;
};
static const struct pn_field verify_in_fields[] = {
    PN_FIELD(verify_in, mfaToken, STRING, .required = true, .min = 1, .max = 64, .trim = true,
             .doc = "The code that the app shows now"),
    PN_FIELD(verify_in, mfaMethod, STRING, .max = 64),
};

/* Clients that name no method, or the mail that older ones think of, mean the one there is. */
static bool verify(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct verify_in *in = in_;
    struct shown_out *out = out_;

    out->encryptionVersion = 2;
    return pn_mfa_verify(call, in->mfaToken, &out->token, err) && remember(call, err);
}

struct recover_in {
    struct pn_str recoveryCode;
};
static const struct pn_field recover_in_fields[] = {
    PN_FIELD(recover_in, recoveryCode, STRING, .required = true, .min = PN_MFA_RECOVERY_CODE_CHARS,
             .max = PN_MFA_RECOVERY_CODE_CHARS, .trim = true, .lower = true),
};

static bool recover(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct recover_in *in = in_;
    struct shown_out *out = out_;

    out->encryptionVersion = 2;
    return pn_mfa_recover(call, in->recoveryCode, &out->token, err) && remember(call, err);
}

/* Nothing is sent: the codes come from the app. */
static bool send_code(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)call;
    (void)in;
    (void)out;
    return pn_fail(err, PN_BAD_REQUEST, "Codes come from your authenticator app: none are sent");
}

struct check_out {
    bool isVerified;
};
static const struct pn_field check_out_fields[] = {
    PN_FIELD(check_out, isVerified, BOOL),
};

/* Who has none is told to register one, not that there is none. */
static bool check_totp(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct check_out *out = out_;
    struct pn_me me;

    (void)in;
    if (!pn_me_get(call, &me, err))
        return false;
    out->isVerified = me.mfaMethods.count > 0;
    return true;
}

struct passkeys_out {
    bool hasPasskeys;
};
static const struct pn_field passkeys_out_fields[] = {
    PN_FIELD(passkeys_out, hasPasskeys, BOOL, .doc = "False: there are none here"),
};

static bool check_passkeys(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)call;
    (void)in;
    (void)out;
    (void)err;
    return true;
}

/* ---- to have one ---- */

static const struct pn_field pn_mfa_fields[] = {
    PN_FIELD(pn_mfa, isVerified, BOOL),
    PN_FIELD(pn_mfa, recoveryCodesLeft, INT),
};

static bool get(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)in;
    return pn_mfa_get(call, out, err);
}

static const struct pn_field pn_mfa_new_fields[] = {
    PN_FIELD(pn_mfa_new, otpUrl, STRING, .doc = "For the app, as a QR code; shown once"),
    PN_FIELD(pn_mfa_new, recoveryCodes, STRINGS,
             .doc = "Each good once instead of a code of the app; shown once"),
};

static bool enrol(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)in;
    return pn_mfa_register(call, out, err);
}

struct confirm_in {
    struct pn_str totp;
};
static const struct pn_field confirm_in_fields[] = {
    PN_FIELD(confirm_in, totp, STRING, .required = true, .min = 1, .max = 64, .trim = true),
};

static bool confirm(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct confirm_in *in = in_;

    (void)out;
    return pn_mfa_confirm(call, in->totp, err);
}

static bool remove_one(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)in;
    (void)out;
    return pn_mfa_remove(call, err);
}

struct codes_out {
    struct pn_strs recoveryCodes;
};
static const struct pn_field codes_out_fields[] = {
    PN_FIELD(codes_out, recoveryCodes, STRINGS,
             .doc = "Shown once; those of before are worth nothing"),
};

static bool renew_codes(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct codes_out *out = out_;

    (void)in;
    return pn_mfa_renew_codes(call, &out->recoveryCodes, err);
}

struct switch_in {
    bool isMfaEnabled, has_enabled;
    struct pn_str selectedMfaMethod;
};
static const struct pn_field switch_in_fields[] = {
    PN_FIELD(switch_in, isMfaEnabled, BOOL, .has_offset = offsetof(struct switch_in, has_enabled)),
    PN_FIELD(switch_in, selectedMfaMethod, STRING, .max = 64, .is_nullable = true),
};
struct me_out {
    struct pn_me user;
};
static const struct pn_field me_out_fields[] = {
    PN_FIELD(me_out, user, OBJECT, .shape = &pn_me_view),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct switch_in *in = in_;
    struct me_out *out = out_;

    if (in->selectedMfaMethod.len > 0 && !pn_str_is(in->selectedMfaMethod, PN_MFA_METHOD))
        return pn_fail(err, PN_BAD_REQUEST,
                       "The second factor here is an authenticator app: the method is totp");
    return (!in->has_enabled || pn_mfa_switch(call, in->isMfaEnabled, err)) &&
           pn_me_get(call, &out->user, err);
}

/* ---- who has lost it ---- */

struct reset_in {
    struct pn_uuid userId;
};
static const struct pn_field reset_in_fields[] = {
    PN_FIELD(reset_in, userId, UUID, .required = true),
};

static bool reset(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct reset_in *in = in_;

    (void)out;
    return pn_mfa_reset(call, in->userId, err);
}

#define BY_USER_ANYWHERE (PN_BY_USER | PN_BY_USER_NO_ORG)

const struct pn_route pn_mfa_routes[] = {
    { PN_POST, "/api/v2/auth/mfa/send", .access = PN_BY_MFA, .rate = PN_RATE_LOGIN,
      .handle = send_code, .doc = "Always refused: codes come from an app" },
    { PN_GET, "/api/v2/auth/mfa/check/totp", .access = PN_BY_MFA, .rate = PN_RATE_LOGIN,
      .out = PN_SHAPE(check_out), .handle = check_totp,
      .doc = "Whether the person has registered an authenticator app" },
    { PN_GET, "/api/v2/auth/mfa/check/webauthn", .access = PN_BY_MFA, .rate = PN_RATE_LOGIN,
      .out = PN_SHAPE(passkeys_out), .handle = check_passkeys,
      .doc = "Whether the person has passkeys" },
    { PN_POST, "/api/v2/auth/mfa/verify", .access = PN_BY_MFA, .rate = PN_RATE_LOGIN,
      .audit = "user-mfa-verified", .in = PN_SHAPE(verify_in), .out = PN_SHAPE(shown_out),
      .handle = verify, .doc = "Goes on with a login by a code of the app" },
    { PN_POST, "/api/v2/auth/mfa/verify/recovery-code", .access = PN_BY_MFA, .rate = PN_RATE_LOGIN,
      .audit = "user-mfa-verified", .in = PN_SHAPE(recover_in), .out = PN_SHAPE(shown_out),
      .handle = recover, .doc = "Goes on with a login by a recovery code" },
    { PN_GET, "/api/v1/user/me/totp", .access = PN_BY_USER, .rate = PN_RATE_READ,
      .out = PN_SHAPE(pn_mfa), .handle = get, .doc = "The person's authenticator app" },
    { PN_DELETE, "/api/v1/user/me/totp", .access = PN_BY_USER, .rate = PN_RATE_WRITE,
      .audit = "remove-user-mfa", .handle = remove_one,
      .doc = "Forgets the app; by a session that has shown a code" },
    { PN_POST, "/api/v1/user/me/totp/register", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .audit = "register-user-mfa", .out = PN_SHAPE(pn_mfa_new), .handle = enrol,
      .doc = "A secret for an authenticator app, and recovery codes" },
    { PN_POST, "/api/v1/user/me/totp/verify", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .audit = "enable-user-mfa", .in = PN_SHAPE(confirm_in), .handle = confirm,
      .doc = "The app shows this code: from now on logins ask for one" },
    { PN_POST, "/api/v1/user/me/totp/recovery-codes", .access = PN_BY_USER, .rate = PN_RATE_WRITE,
      .audit = "renew-user-mfa-codes", .out = PN_SHAPE(codes_out), .handle = renew_codes,
      .doc = "New recovery codes; by a session that has shown a code" },
    { PN_PATCH, "/api/v2/users/me/mfa", .access = PN_BY_USER, .rate = PN_RATE_WRITE,
      .audit = "enable-user-mfa", .in = PN_SHAPE(switch_in), .out = PN_SHAPE(me_out),
      .handle = change,
      .doc = "Switches the second factor on, or off by a session that has shown it" },
    { PN_DELETE, "/api/v1/admin/user-management/users/:userId/mfa", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_WRITE, .audit = "reset-user-mfa",
      .in = PN_SHAPE(reset_in), .handle = reset,
      .doc = "Ours: takes away the second factor of a person who has lost it" },
    { 0 },
};
