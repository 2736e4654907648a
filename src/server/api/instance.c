/* SPDX-License-Identifier: Apache-2.0 */
/* The instance and its administrators. Contract: platform.md §3. */
#include "core/org/instance.h"

#include "core/auth/login.h"
#include "core/org/names.h"
#include "server/api/views.h"
#include "server/cookie.h"
#include "server/route.h"

/* ---- bootstrap ---- */

struct bootstrap_in {
    struct pn_str email, organization;
    struct pn_secret *password;
};
static const struct pn_field bootstrap_in_fields[] = {
    PN_FIELD(bootstrap_in, email, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true, PN_NAME_EMAIL),
    PN_FIELD(bootstrap_in, password, SECRET, .required = true, .min = 1, .max = 1024),
    PN_FIELD(bootstrap_in, organization, STRING, .required = true, .min = 1, .max = 64,
             .trim = true),
};

struct credentials {
    struct pn_str token;
};
static const struct pn_field credentials_fields[] = {
    PN_FIELD(credentials, token, STRING),
};
struct admin_identity {
    struct pn_uuid id;
    struct pn_str name;
    struct credentials credentials;
};
static const struct pn_field admin_identity_fields[] = {
    PN_FIELD(admin_identity, id, UUID),
    PN_FIELD(admin_identity, name, STRING),
    PN_FIELD(admin_identity, credentials, OBJECT, .shape = PN_SHAPE(credentials)),
};
struct bootstrap_out {
    struct pn_str message;
    struct pn_user user;
    struct pn_org organization;
    struct admin_identity identity;
};
static const struct pn_field bootstrap_out_fields[] = {
    PN_FIELD(bootstrap_out, message, STRING),
    PN_FIELD(bootstrap_out, user, OBJECT, .shape = &pn_user_view),
    PN_FIELD(bootstrap_out, organization, OBJECT, .shape = &pn_org_view),
    PN_FIELD(bootstrap_out, identity, OBJECT, .shape = PN_SHAPE(admin_identity)),
};

static bool bootstrap(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct bootstrap_in *in = in_;
    struct bootstrap_out *out = out_;
    struct pn_bootstrap made;

    if (!pn_instance_bootstrap(call,
                               &(struct pn_instance_first){ .email = in->email,
                                                            .first_name = PN_LIT("Admin"),
                                                            .last_name = PN_LIT("User"),
                                                            .organization = in->organization,
                                                            .password = in->password,
                                                            .has_identity = true },
                               &made, err))
        return false;
    *out = (struct bootstrap_out){ .message = PN_LIT("Successfully bootstrapped instance"),
                                   .user = made.user,
                                   .organization = made.org,
                                   .identity = { .id = made.identity_id,
                                                 .name = PN_LIT("Instance Admin Identity"),
                                                 .credentials.token = made.token } };
    return true;
}

/* ---- the first administrator, by a person ---- */

struct signup_in {
    struct pn_str email, firstName, lastName;
    struct pn_secret *password;
};
static const struct pn_field signup_in_fields[] = {
    PN_FIELD(signup_in, email, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true, PN_NAME_EMAIL),
    PN_FIELD(signup_in, password, SECRET, .required = true, .min = 8, .max = 1024),
    PN_FIELD(signup_in, firstName, STRING, .required = true, .min = 1, .max = 128, .trim = true),
    PN_FIELD(signup_in, lastName, STRING, .max = 128, .trim = true, .is_nullable = true),
};
struct signup_out {
    struct pn_str message;
    struct pn_user user;
    struct pn_org organization;
    struct pn_str token, new; /* `new`: what Infisical answers */
};
static const struct pn_field signup_out_fields[] = {
    PN_FIELD(signup_out, message, STRING),
    PN_FIELD(signup_out, user, OBJECT, .shape = &pn_user_view),
    PN_FIELD(signup_out, organization, OBJECT, .shape = &pn_org_view),
    PN_FIELD(signup_out, token, STRING, .doc = "Of the new person, in the new organization"),
    PN_FIELD(signup_out, new, STRING),
};

/* Logs the person in as they would themselves, so that there is one way to make a session. */
static bool log_in(struct pn_call *call, const struct signup_in *in, struct pn_uuid org,
                   struct pn_str *token, struct pn_err *err)
{
    struct pn_str refresh;
    int64_t expires_ms;
    bool needs_mfa;

    if (!pn_login_password(call, in->email, in->password, token, err) ||
        !pn_login_select_org(call, org, token, &needs_mfa, err) ||
        !pn_login_refresh_token(call, org, &refresh, &expires_ms, err))
        return false;
    call->set_cookie = pn_cookie_set(call->arena, refresh, (expires_ms - call->now_ms) / 1000);
    return true;
}

static bool sign_up_first(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct signup_in *in = in_;
    struct signup_out *out = out_;
    struct pn_bootstrap made;

    if (!pn_instance_bootstrap(call,
                               &(struct pn_instance_first){ .email = in->email,
                                                            .first_name = in->firstName,
                                                            .last_name = in->lastName.ptr != NULL
                                                                             ? in->lastName
                                                                             : PN_LIT(""),
                                                            .organization = PN_LIT("Admin Org"),
                                                            .password = in->password },
                               &made, err))
        return false;
    *out = (struct signup_out){ .message = PN_LIT("Successfully set up admin account"),
                                .user = made.user,
                                .organization = made.org,
                                .new = PN_LIT("123") };
    return log_in(call, in, made.org.id, &out->token, err);
}

/* Who is not the first is invited: there is no mail to send a code by. */
static bool sign_up(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)call;
    (void)in;
    (void)out;
    return pn_fail(err, PN_FORBIDDEN, "Signing up is closed here: ask for an invitation");
}

/* ---- configuration ---- */

struct config {
    struct pn_str id;
    bool initialized, allowSignUp;
    struct pn_str allowedSignUpDomain;
    struct pn_uuid instanceId;
    bool trustSamlEmails, trustLdapEmails, trustOidcEmails;
    struct pn_uuid defaultAuthOrgId;
    struct pn_str defaultAuthOrgSlug, authConsentContent, pageFrameContent;
    struct pn_strs enabledLoginMethods, adminIdentityIds;
    bool isMigrationModeOn, isSecretScanningDisabled, fipsEnabled;
    int64_t createdAt, updatedAt;
};
static const struct pn_field config_fields[] = {
    PN_FIELD(config, id, STRING),
    PN_FIELD(config, initialized, BOOL),
    PN_FIELD(config, allowSignUp, BOOL),
    PN_FIELD(config, allowedSignUpDomain, STRING),
    PN_FIELD(config, instanceId, UUID),
    PN_FIELD(config, trustSamlEmails, BOOL),
    PN_FIELD(config, trustLdapEmails, BOOL),
    PN_FIELD(config, trustOidcEmails, BOOL),
    PN_FIELD(config, defaultAuthOrgId, UUID),
    PN_FIELD(config, defaultAuthOrgSlug, STRING),
    PN_FIELD(config, authConsentContent, STRING),
    PN_FIELD(config, pageFrameContent, STRING),
    PN_FIELD(config, enabledLoginMethods, STRINGS),
    PN_FIELD(config, adminIdentityIds, STRINGS),
    PN_FIELD(config, isMigrationModeOn, BOOL),
    PN_FIELD(config, isSecretScanningDisabled, BOOL),
    PN_FIELD(config, fipsEnabled, BOOL),
    PN_FIELD(config, createdAt, TIME),
    PN_FIELD(config, updatedAt, TIME),
};
struct config_out {
    struct config config;
};
static const struct pn_field config_out_fields[] = {
    PN_FIELD(config_out, config, OBJECT, .shape = PN_SHAPE(config)),
};

static bool get_config(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    static struct pn_str email_login[] = { PN_LIT_INIT("email") };
    struct config_out *out = out_;
    struct pn_instance instance;

    (void)in;
    if (!pn_instance_get(call, &instance, err))
        return false;
    out->config = (struct config){ .id = PN_LIT("00000000-0000-0000-0000-000000000000"),
                                   .initialized = instance.is_initialized,
                                   .instanceId = instance.instance_id,
                                   .enabledLoginMethods = { .items = email_login, .count = 1 },
                                   .adminIdentityIds = instance.admin_identities,
                                   .defaultAuthOrgId = instance.default_org,
                                   .defaultAuthOrgSlug = instance.default_org_slug,
                                   .authConsentContent = instance.consent,
                                   .pageFrameContent = instance.page_frame,
                                   .createdAt = instance.created_ms,
                                   .updatedAt = instance.updated_ms };
    return true;
}

#define MAX_CONTENT 16384

struct config_in {
    struct pn_str authConsentContent, pageFrameContent;
    bool has_consent, has_frame;
    struct pn_uuid defaultAuthOrgId;
    bool has_org;
    bool allowSignUp, trustSamlEmails, trustLdapEmails, trustOidcEmails;
    struct pn_str allowedSignUpDomain;
    struct pn_strs enabledLoginMethods;
};
static const struct pn_field config_in_fields[] = {
    PN_FIELD(config_in, authConsentContent, STRING, .max = MAX_CONTENT, .is_nullable = true,
             .has_offset = offsetof(struct config_in, has_consent)),
    PN_FIELD(config_in, pageFrameContent, STRING, .max = MAX_CONTENT, .is_nullable = true,
             .has_offset = offsetof(struct config_in, has_frame)),
    PN_FIELD(config_in, defaultAuthOrgId, UUID, .is_nullable = true,
             .has_offset = offsetof(struct config_in, has_org)),
    PN_FIELD(config_in, allowSignUp, BOOL, .doc = "False: people are invited"),
    PN_FIELD(config_in, allowedSignUpDomain, STRING, .max = 254, .is_nullable = true),
    PN_FIELD(config_in, trustSamlEmails, BOOL, .doc = "False: a password is the only way in"),
    PN_FIELD(config_in, trustLdapEmails, BOOL),
    PN_FIELD(config_in, trustOidcEmails, BOOL),
    PN_FIELD(config_in, enabledLoginMethods, STRINGS, .max = 16, .item_max = 64),
};

/* What cannot be had here is refused, not taken note of. */
static bool check_config(const struct config_in *in, struct pn_err *err)
{
    if (in->allowSignUp || in->allowedSignUpDomain.len > 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Signing up needs mail, which this instance does not send: invite people");
    if (in->trustSamlEmails || in->trustLdapEmails || in->trustOidcEmails)
        return pn_fail(err, PN_BAD_REQUEST, "People log in by e-mail and password only");
    for (size_t i = 0; i < in->enabledLoginMethods.count; i++) {
        if (!pn_str_is(in->enabledLoginMethods.items[i], "email"))
            return pn_fail(err, PN_BAD_REQUEST, "People log in by e-mail and password only");
    }
    return true;
}

static struct pn_str text_of(bool is_given, struct pn_str text)
{
    if (!is_given)
        return PN_NONE;
    return text.ptr != NULL ? text : PN_LIT("");
}

static bool change_config(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct config_in *in = in_;
    const struct pn_instance_change change = {
        .consent = text_of(in->has_consent, in->authConsentContent),
        .page_frame = text_of(in->has_frame, in->pageFrameContent),
        .default_org = in->defaultAuthOrgId,
        .has_default_org = in->has_org,
    };

    return check_config(in, err) && pn_instance_configure(call, &change, err) &&
           get_config(call, NULL, out, err);
}

/* ---- people ---- */

struct users_in {
    struct pn_str searchTerm;
    bool adminsOnly;
    int64_t offset, limit;
};
static const struct pn_field users_in_fields[] = {
    PN_FIELD(users_in, searchTerm, STRING, .max = 254, .lower = true),
    PN_FIELD(users_in, adminsOnly, BOOL),
    PN_FIELD(users_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(users_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 20),
};
struct users_out {
    struct pn_list users;
    int64_t total;
};
static const struct pn_field users_out_fields[] = {
    PN_FIELD(users_out, users, OBJECTS, .shape = &pn_user_view),
    PN_FIELD(users_out, total, INT),
};

static bool list_users(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct users_in *in = in_;
    struct users_out *out = out_;

    return pn_user_list(call, in->searchTerm, in->adminsOnly, in->offset, in->limit, &out->users,
                        &out->total, err);
}

struct user_in {
    struct pn_str email, firstName, lastName, organizationRole, projectRole;
    struct pn_secret *password;
    struct pn_uuid projectId;
};
static const struct pn_field user_in_fields[] = {
    PN_FIELD(user_in, email, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true, PN_NAME_EMAIL),
    PN_FIELD(user_in, password, SECRET, .required = true, .min = 8, .max = 1024),
    PN_FIELD(user_in, firstName, STRING, .max = 128, .trim = true),
    PN_FIELD(user_in, lastName, STRING, .max = 128, .trim = true),
    PN_FIELD(user_in, organizationRole, STRING, .max = 64,
             .doc = "Role in the caller's organization; default member"),
    PN_FIELD(user_in, projectId, UUID, .doc = "Also a member of this project"),
    PN_FIELD(user_in, projectRole, STRING, .max = 64,
             .doc = "Role in that project; default member"),
};
struct user_out {
    struct pn_user user;
};
static const struct pn_field user_out_fields[] = {
    PN_FIELD(user_out, user, OBJECT, .shape = &pn_user_view),
};

static bool create_user(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct user_in *in = in_;
    struct user_out *out = out_;
    const struct pn_str member = PN_LIT("member");
    const struct pn_user_new fresh = {
        .email = in->email,
        .first_name = in->firstName,
        .last_name = in->lastName,
        .password = in->password,
        .org_role = in->organizationRole.len > 0 ? in->organizationRole : member,
        .project_id = in->projectId,
        .project_role = in->projectRole.len > 0 ? in->projectRole : member,
    };

    return pn_user_create(call, &fresh, &out->user, err);
}

const struct pn_route pn_instance_routes[] = {
    { PN_POST, "/api/v1/admin/bootstrap", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_SLOW, .audit = "bootstrap-instance", .in = PN_SHAPE(bootstrap_in),
      .out = PN_SHAPE(bootstrap_out), .handle = bootstrap,
      .doc = "Sets the instance up: first administrator, organization and machine identity" },
    { PN_GET, "/api/v1/admin/config", .access = PN_ANYONE, .rate = PN_RATE_READ,
      .out = PN_SHAPE(config_out), .handle = get_config,
      .doc = "What clients must know before they log in" },
    { PN_PATCH, "/api/v1/admin/config", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_WRITE,
      .audit = "update-instance-config", .in = PN_SHAPE(config_in), .out = PN_SHAPE(config_out),
      .handle = change_config, .doc = "Changes what people are told before they log in" },
    { PN_POST, "/api/v1/admin/signup", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_SLOW, .audit = "bootstrap-instance", .in = PN_SHAPE(signup_in),
      .out = PN_SHAPE(signup_out), .handle = sign_up_first,
      .doc = "Sets the instance up by its first administrator, who is then logged in" },
    { PN_POST, "/api/v3/signup/email/signup", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_INLINE, .handle = sign_up, .doc = "Always refused: people are invited" },
    { PN_GET, "/api/v1/admin/user-management/users", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_READ, .in = PN_SHAPE(users_in),
      .out = PN_SHAPE(users_out), .handle = list_users, .doc = "All people of this instance" },
    { PN_POST, "/api/v1/admin/user-management/users", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .audit = "create-user", .in = PN_SHAPE(user_in), .out = PN_SHAPE(user_out),
      .handle = create_user, .doc = "Ours: an account that can log in at once" },
    { 0 },
};
