/* SPDX-License-Identifier: Apache-2.0 */
/* What people see and change of themselves. Contract: platform.md §18 (/v2/users/me). */
#include "core/org/me.h"

#include "core/org/org.h"
#include "server/api/views.h"
#include "server/route.h"

static const struct pn_field pn_me_fields[] = {
    PN_FIELD(pn_me, id, UUID),
    PN_FIELD(pn_me, email, STRING),
    PN_FIELD(pn_me, username, STRING),
    PN_FIELD(pn_me, firstName, STRING),
    PN_FIELD(pn_me, lastName, STRING),
    PN_FIELD(pn_me, isEmailVerified, BOOL),
    PN_FIELD(pn_me, mfaMethods, STRINGS),
    PN_FIELD(pn_me, isMfaEnabled, BOOL),
    PN_FIELD(pn_me, selectedMfaMethod, STRING),
    PN_FIELD(pn_me, superAdmin, BOOL),
    PN_FIELD(pn_me, authMethods, STRINGS),
    PN_FIELD(pn_me, createdAt, TIME),
    PN_FIELD(pn_me, updatedAt, TIME),
    PN_FIELD(pn_me, encryptionVersion, INT),
};
const struct pn_shape pn_me_view = PN_SHAPE_OF(pn_me);

struct me_out {
    struct pn_me user;
};
static const struct pn_field me_out_fields[] = {
    PN_FIELD(me_out, user, OBJECT, .shape = &pn_me_view),
};

static bool get(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct me_out *out = out_;

    (void)in;
    return pn_me_get(call, &out->user, err);
}

struct organizations_out {
    struct pn_list organizations;
};
static const struct pn_field organizations_out_fields[] = {
    PN_FIELD(organizations_out, organizations, OBJECTS, .shape = &pn_org_view),
};

static bool list_organizations(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct organizations_out *out = out_;

    (void)in;
    return pn_org_list(call, &out->organizations, err);
}

struct name_in {
    struct pn_str firstName, lastName;
};
static const struct pn_field name_in_fields[] = {
    PN_FIELD(name_in, firstName, STRING, .required = true, .min = 1, .max = 128, .trim = true),
    PN_FIELD(name_in, lastName, STRING, .max = 128, .trim = true, .is_nullable = true),
};

static bool rename_me(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct name_in *in = in_;
    struct me_out *out = out_;

    return pn_me_rename(call, in->firstName, in->lastName, &out->user, err);
}

struct methods_in {
    struct pn_strs authMethods;
};
static const struct pn_field methods_in_fields[] = {
    PN_FIELD(methods_in, authMethods, STRINGS, .required = true, .min = 1, .max = 16,
             .item_max = 64),
};

/* There is one way in: it is kept, and others are refused, not taken note of. */
static bool choose_methods(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct methods_in *in = in_;
    struct me_out *out = out_;

    for (size_t i = 0; i < in->authMethods.count; i++) {
        if (!pn_str_is(in->authMethods.items[i], "email"))
            return pn_fail(err, PN_BAD_REQUEST, "People log in by e-mail and password only");
    }
    return pn_me_get(call, &out->user, err);
}

static const struct pn_field pn_me_session_fields[] = {
    PN_FIELD(pn_me_session, id, UUID),
    PN_FIELD(pn_me_session, userId, UUID),
    PN_FIELD(pn_me_session, ip, STRING),
    PN_FIELD(pn_me_session, userAgent, STRING),
    PN_FIELD(pn_me_session, accessVersion, INT),
    PN_FIELD(pn_me_session, createdAt, TIME),
    PN_FIELD(pn_me_session, expiresAt, TIME),
    PN_FIELD(pn_me_session, isCurrent, BOOL, .doc = "The session that asks"),
};
struct sessions_out {
    struct pn_list sessions;
};
static const struct pn_field sessions_out_fields[] = {
    PN_FIELD(sessions_out, sessions, OBJECTS, .shape = PN_SHAPE(pn_me_session)),
};

static bool list_sessions(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct sessions_out *out = out_;

    (void)in;
    return pn_me_sessions(call, &out->sessions, err);
}

struct session_in {
    struct pn_uuid sessionId;
};
static const struct pn_field session_in_fields[] = {
    PN_FIELD(session_in, sessionId, UUID, .required = true),
};
struct message_out {
    struct pn_str message;
};
static const struct pn_field message_out_fields[] = {
    PN_FIELD(message_out, message, STRING),
};

static bool end_session(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct session_in *in = in_;
    struct message_out *out = out_;

    out->message = PN_LIT("Successfully revoked session");
    return pn_me_end_sessions(call, in->sessionId, err);
}

static bool end_all(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct message_out *out = out_;

    (void)in;
    out->message = PN_LIT("Successfully revoked all sessions");
    return pn_me_end_sessions(call, (struct pn_uuid){ 0 }, err);
}

#define BY_USER_ANYWHERE (PN_BY_USER | PN_BY_USER_NO_ORG)

const struct pn_route pn_me_routes[] = {
    { PN_GET, "/api/v2/users/me", .access = BY_USER_ANYWHERE, .rate = PN_RATE_READ,
      .out = PN_SHAPE(me_out), .handle = get, .doc = "The person who asks" },
    { PN_GET, "/api/v2/users/me/organizations", .access = BY_USER_ANYWHERE, .rate = PN_RATE_READ,
      .out = PN_SHAPE(organizations_out), .handle = list_organizations,
      .doc = "The person's organizations" },
    { PN_PATCH, "/api/v2/users/me/name", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .audit = "update-user", .in = PN_SHAPE(name_in), .out = PN_SHAPE(me_out), .handle = rename_me,
      .doc = "Changes the person's name" },
    { PN_PATCH, "/api/v2/users/me/auth-methods", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .in = PN_SHAPE(methods_in), .out = PN_SHAPE(me_out), .handle = choose_methods,
      .doc = "E-mail and password are the way in; anything else is refused" },
    { PN_GET, "/api/v2/users/me/sessions", .access = BY_USER_ANYWHERE, .rate = PN_RATE_READ,
      .out = PN_SHAPE(sessions_out), .is_top_array = true, .handle = list_sessions,
      .doc = "The person's logins that are not over" },
    { PN_DELETE, "/api/v2/users/me/sessions", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .audit = "revoke-user-sessions", .out = PN_SHAPE(message_out), .handle = end_all,
      .doc = "Ends all of the person's logins, this one too" },
    { PN_DELETE, "/api/v2/users/me/sessions/:sessionId", .access = BY_USER_ANYWHERE,
      .rate = PN_RATE_WRITE, .audit = "revoke-user-sessions", .in = PN_SHAPE(session_in),
      .out = PN_SHAPE(message_out), .handle = end_session,
      .doc = "Ends one of the person's logins" },
    { 0 },
};
