/* SPDX-License-Identifier: Apache-2.0 */
/* The instance and its administrators. Contract: platform.md §3. */
#include "core/org/instance.h"

#include "core/org/names.h"
#include "server/api/views.h"
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

    if (!pn_instance_bootstrap(call, in->email, in->password, in->organization, &made, err))
        return false;
    *out = (struct bootstrap_out){ .message = PN_LIT("Successfully bootstrapped instance"),
                                   .user = made.user,
                                   .organization = made.org,
                                   .identity = { .id = made.identity_id,
                                                 .name = PN_LIT("Instance Admin Identity"),
                                                 .credentials.token = made.token } };
    return true;
}

/* ---- configuration ---- */

struct config {
    struct pn_str id;
    bool initialized, allowSignUp;
    struct pn_str allowedSignUpDomain;
    struct pn_uuid instanceId;
    bool trustSamlEmails, trustLdapEmails, trustOidcEmails;
    struct pn_str defaultAuthOrgId;
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
    PN_FIELD(config, defaultAuthOrgId, STRING),
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
                                   .createdAt = instance.created_ms,
                                   .updatedAt = instance.created_ms };
    return true;
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
    { PN_GET, "/api/v1/admin/user-management/users", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_READ, .in = PN_SHAPE(users_in),
      .out = PN_SHAPE(users_out), .handle = list_users, .doc = "All people of this instance" },
    { PN_POST, "/api/v1/admin/user-management/users", .access = PN_BY_PEOPLE,
      .permission = "instance administrator", .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .audit = "create-user", .in = PN_SHAPE(user_in), .out = PN_SHAPE(user_out),
      .handle = create_user, .doc = "Ours: an account that can log in at once" },
    { 0 },
};
