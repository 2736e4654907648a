/* SPDX-License-Identifier: Apache-2.0 */
/* What the instance's administrators do across organizations. Contract: platform.md §3.4. */
#include "core/org/administration.h"

#include "core/org/names.h"
#include "server/api/invitation.h"
#include "server/api/views.h"
#include "server/route.h"

struct page_in {
    struct pn_str searchTerm;
    int64_t offset, limit;
};
static const struct pn_field page_in_fields[] = {
    PN_FIELD(page_in, searchTerm, STRING, .max = 254, .lower = true),
    PN_FIELD(page_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(page_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 20),
};

/* ---- organizations ---- */

struct user {
    struct pn_uuid id;
    struct pn_str email, username, firstName, lastName;
};
static const struct pn_field user_fields[] = {
    PN_FIELD(user, id, UUID),         PN_FIELD(user, email, STRING),
    PN_FIELD(user, username, STRING), PN_FIELD(user, firstName, STRING),
    PN_FIELD(user, lastName, STRING),
};
struct member {
    struct user user;
    struct pn_uuid membershipId;
    struct pn_str role, status;
};
static const struct pn_field member_fields[] = {
    PN_FIELD(member, user, OBJECT, .shape = PN_SHAPE(user)),
    PN_FIELD(member, membershipId, UUID),
    PN_FIELD(member, role, STRING),
    PN_FIELD(member, status, STRING),
};
static const struct pn_field pn_admin_project_fields[] = {
    PN_FIELD(pn_admin_project, id, UUID),
    PN_FIELD(pn_admin_project, name, STRING),
    PN_FIELD(pn_admin_project, slug, STRING),
    PN_FIELD(pn_admin_project, createdAt, TIME),
};
struct organization {
    struct pn_uuid id;
    struct pn_str name, slug;
    int64_t createdAt, updatedAt;
    struct pn_list members, projects;
};
static const struct pn_field organization_fields[] = {
    PN_FIELD(organization, id, UUID),
    PN_FIELD(organization, name, STRING),
    PN_FIELD(organization, slug, STRING),
    PN_FIELD(organization, createdAt, TIME),
    PN_FIELD(organization, updatedAt, TIME),
    PN_FIELD(organization, members, OBJECTS, .shape = PN_SHAPE(member)),
    PN_FIELD(organization, projects, OBJECTS, .shape = PN_SHAPE(pn_admin_project)),
};
struct organizations_out {
    struct pn_list organizations;
    int64_t total;
};
static const struct pn_field organizations_out_fields[] = {
    PN_FIELD(organizations_out, organizations, OBJECTS, .shape = PN_SHAPE(organization)),
    PN_FIELD(organizations_out, total, INT),
};

static struct pn_list show_members(struct pn_arena *arena, const struct pn_list *from)
{
    struct member *shown = pn_new(arena, struct member, from->count);

    for (size_t i = 0; i < from->count; i++) {
        const struct pn_admin_member *m = (const struct pn_admin_member *)from->items + i;

        shown[i] = (struct member){ .user = { .id = m->user_id,
                                              .email = m->email,
                                              .username = m->email,
                                              .firstName = m->firstName,
                                              .lastName = m->lastName },
                                    .membershipId = m->membershipId,
                                    .role = m->role,
                                    .status = m->status };
    }
    return (struct pn_list){ .items = shown, .count = from->count };
}

static bool list_organizations(struct pn_call *call, const void *in_, void *out_,
                               struct pn_err *err)
{
    const struct page_in *in = in_;
    struct organizations_out *out = out_;
    struct organization *shown;
    struct pn_list orgs;

    if (!pn_admin_orgs(call, in->searchTerm, in->offset, in->limit, &orgs, &out->total, err))
        return false;
    shown = pn_new(call->arena, struct organization, orgs.count);
    for (size_t i = 0; i < orgs.count; i++) {
        const struct pn_admin_org *o = (const struct pn_admin_org *)orgs.items + i;

        shown[i] = (struct organization){ .id = o->org.id,
                                          .name = o->org.name,
                                          .slug = o->org.slug,
                                          .createdAt = o->org.createdAt,
                                          .updatedAt = o->org.updatedAt,
                                          .members = show_members(call->arena, &o->members),
                                          .projects = o->projects };
    }
    out->organizations = (struct pn_list){ .items = shown, .count = orgs.count };
    return true;
}

struct create_in {
    struct pn_str name;
    struct pn_strs inviteAdminEmails;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 64, .trim = true,
             PN_NAME_RESOURCE),
    PN_FIELD(create_in, inviteAdminEmails, STRINGS, .required = true, .min = 1,
             .max = PN_ORG_MAX_INVITES, .item_max = 254, .lower = true, .trim = true,
             .check = pn_name_is_email, .rule = "Invalid email"),
};
struct create_out {
    struct pn_org organization;
    struct pn_list completeInviteLinks;
};
static const struct pn_field create_out_fields[] = {
    PN_FIELD(create_out, organization, OBJECT, .shape = &pn_org_view),
    PN_FIELD(create_out, completeInviteLinks, OBJECTS, .shape = &pn_invite_link_view,
             .omit_empty = true, .doc = "Of those who have no account yet"),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct create_out *out = out_;
    struct pn_list invites;

    if (!pn_admin_org_create(call, in->name, in->inviteAdminEmails, &out->organization, &invites,
                             err))
        return false;
    out->completeInviteLinks = pn_invite_links(call, out->organization.id, &invites);
    return true;
}

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};
struct organization_out {
    struct pn_org organization;
};
static const struct pn_field organization_out_fields[] = {
    PN_FIELD(organization_out, organization, OBJECT, .shape = &pn_org_view),
};

static bool delete_organization(struct pn_call *call, const void *in_, void *out_,
                                struct pn_err *err)
{
    const struct one_in *in = in_;
    struct organization_out *out = out_;

    return pn_admin_org_delete(call, in->id, &out->organization, err);
}

/* ---- machine identities and people ---- */

static const struct pn_field pn_admin_identity_fields[] = {
    PN_FIELD(pn_admin_identity, id, UUID),
    PN_FIELD(pn_admin_identity, name, STRING),
    PN_FIELD(pn_admin_identity, isInstanceAdmin, BOOL),
};
static const struct pn_shape identity_view = PN_SHAPE_OF(pn_admin_identity);
struct identities_out {
    struct pn_list identities;
    int64_t total;
};
static const struct pn_field identities_out_fields[] = {
    PN_FIELD(identities_out, identities, OBJECTS, .shape = &identity_view),
    PN_FIELD(identities_out, total, INT),
};

static bool list_identities(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct page_in *in = in_;
    struct identities_out *out = out_;

    return pn_admin_identities(call, in->searchTerm, in->offset, in->limit, &out->identities,
                               &out->total, err);
}

struct identity_out {
    struct pn_admin_identity identity;
};
static const struct pn_field identity_out_fields[] = {
    PN_FIELD(identity_out, identity, OBJECT, .shape = &identity_view),
};

static bool drop_identity(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct identity_out *out = out_;

    return pn_admin_identity_drop_right(call, in->id, &out->identity, err);
}

struct user_in {
    struct pn_uuid userId;
};
static const struct pn_field user_in_fields[] = {
    PN_FIELD(user_in, userId, UUID, .required = true),
};
struct user_out {
    struct pn_user user;
};
static const struct pn_field user_out_fields[] = {
    PN_FIELD(user_out, user, OBJECT, .shape = &pn_user_view),
};

static bool give_right(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct user_in *in = in_;
    struct user_out *out = out_;

    return pn_admin_user_right(call, in->userId, true, &out->user, err);
}

static bool take_right(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct user_in *in = in_;
    struct user_out *out = out_;

    return pn_admin_user_right(call, in->userId, false, &out->user, err);
}

struct users_in {
    struct pn_strs userIds;
};
static const struct pn_field users_in_fields[] = {
    PN_FIELD(users_in, userIds, STRINGS, .required = true, .min = 1, .max = 100, .item_max = 36),
};
struct users_out {
    struct pn_list users;
};
static const struct pn_field users_out_fields[] = {
    PN_FIELD(users_out, users, OBJECTS, .shape = &pn_user_view),
};

static bool delete_users(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct users_in *in = in_;
    struct users_out *out = out_;
    struct pn_uuid *ids = pn_new(call->arena, struct pn_uuid, in->userIds.count);

    for (size_t i = 0; i < in->userIds.count; i++)
        if (!pn_uuid_parse(in->userIds.items[i], &ids[i]))
            return pn_fail(err, PN_BAD_REQUEST, "userIds are UUIDs");
    return pn_admin_users_delete(call, ids, in->userIds.count, &out->users, err);
}

static bool delete_user(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct user_in *in = in_;
    struct user_out *out = out_;
    struct pn_list one;

    if (!pn_admin_users_delete(call, &in->userId, 1, &one, err))
        return false;
    out->user = *(const struct pn_user *)one.items;
    return true;
}

struct membership_in {
    struct pn_uuid id, membershipId;
};
static const struct pn_field membership_in_fields[] = {
    PN_FIELD(membership_in, id, UUID, .required = true),
    PN_FIELD(membership_in, membershipId, UUID, .required = true),
};
struct membership_out {
    struct pn_org_member_shown organizationMembership;
};
static const struct pn_field membership_out_fields[] = {
    PN_FIELD(membership_out, organizationMembership, OBJECT, .shape = &pn_org_member_view),
};

static bool delete_membership(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct membership_in *in = in_;
    struct membership_out *out = out_;
    struct pn_org_member member;

    if (!pn_admin_member_delete(call, in->id, in->membershipId, &member, err))
        return false;
    out->organizationMembership = pn_org_member_show(&member);
    return true;
}

static bool access_organization(struct pn_call *call, const void *in_, void *out_,
                                struct pn_err *err)
{
    const struct one_in *in = in_;
    struct membership_out *out = out_;
    struct pn_org_member member;

    if (!pn_admin_org_access(call, in->id, &member, err))
        return false;
    out->organizationMembership = pn_org_member_show(&member);
    return true;
}

/* ---- what the instance is made of ---- */

struct strategy {
    struct pn_str strategy;
    bool enabled;
};
static const struct pn_field strategy_fields[] = {
    PN_FIELD(strategy, strategy, STRING),
    PN_FIELD(strategy, enabled, BOOL),
};
struct strategies_out {
    struct pn_list strategies;
};
static const struct pn_field strategies_out_fields[] = {
    PN_FIELD(strategies_out, strategies, OBJECTS, .shape = PN_SHAPE(strategy)),
};

/* The root key is a file or a setting: no hardware keeps it. */
static bool list_strategies(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    static struct strategy known[] = { { PN_LIT_INIT("SOFTWARE"), true },
                                       { PN_LIT_INIT("HSM"), false } };
    struct strategies_out *out = out_;

    (void)in;
    out->strategies = (struct pn_list){ .items = known, .count = PN_COUNT(known) };
    return pn_user_require_super(call, err);
}

static const char *const strategy_names[] = { "SOFTWARE", "HSM", NULL };
struct strategy_in {
    int strategy;
};
static const struct pn_field strategy_in_fields[] = {
    PN_FIELD(strategy_in, strategy, ENUM, .names = strategy_names, .required = true),
};

/* What cannot be had here is refused, not taken note of; what is so stays. */
static bool choose_strategy(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct strategy_in *in = in_;

    if (!list_strategies(call, NULL, out, err))
        return false;
    return in->strategy == 0 ||
           pn_fail(err, PN_BAD_REQUEST, "No hardware keeps the root key of this instance");
}

static const char *const cache_names[] = { "all", "secrets", NULL };
struct forget_in {
    int type;
};
static const struct pn_field forget_in_fields[] = {
    PN_FIELD(forget_in, type, ENUM, .names = cache_names, .required = true),
};
struct message_out {
    struct pn_str message;
};
static const struct pn_field message_out_fields[] = {
    PN_FIELD(message_out, message, STRING),
};

static bool forget(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct forget_in *in = in_;
    struct message_out *out = out_;

    out->message = PN_LIT("The cache is invalidated");
    return pn_admin_forget(call, pn_str_from(cache_names[in->type]), err);
}

struct invalidating_out {
    bool invalidating;
};
static const struct pn_field invalidating_out_fields[] = {
    PN_FIELD(invalidating_out, invalidating, BOOL),
};

/* What is invalidated is so before the answer, so nothing is ever being invalidated. */
static bool is_invalidating(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)in;
    (void)out;
    return pn_user_require_super(call, err);
}

#define SUPER .access = PN_BY_PEOPLE, .permission = "instance administrator"

const struct pn_route pn_administration_routes[] = {
    { PN_GET, "/api/v1/admin/organization-management/organizations", SUPER, .rate = PN_RATE_READ,
      .in = PN_SHAPE(page_in), .out = PN_SHAPE(organizations_out), .handle = list_organizations,
      .doc = "All organizations of this instance" },
    { PN_POST, "/api/v1/admin/organization-management/organizations", SUPER, .rate = PN_RATE_WRITE,
      .audit = "create-org", .in = PN_SHAPE(create_in), .out = PN_SHAPE(create_out),
      .handle = create, .doc = "Makes an organization for others" },
    { PN_DELETE, "/api/v1/admin/organization-management/organizations/:id", SUPER,
      .rate = PN_RATE_WRITE, .audit = "delete-org", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(organization_out), .handle = delete_organization,
      .doc = "Deletes an organization with everything in it" },
    { PN_GET, "/api/v1/admin/identity-management/identities", SUPER, .rate = PN_RATE_READ,
      .in = PN_SHAPE(page_in), .out = PN_SHAPE(identities_out), .handle = list_identities,
      .doc = "All machine identities of this instance" },
    { PN_DELETE, "/api/v1/admin/identity-management/identities/:id/super-admin-access", SUPER,
      .rate = PN_RATE_WRITE, .audit = "revoke-instance-admin", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(identity_out), .handle = drop_identity,
      .doc = "A machine identity no longer administers the instance" },
    { PN_PATCH, "/api/v1/admin/user-management/users/:userId/admin-access", SUPER,
      .rate = PN_RATE_WRITE, .audit = "grant-instance-admin", .in = PN_SHAPE(user_in),
      .out = PN_SHAPE(user_out), .handle = give_right, .doc = "A person administers the instance" },
    { PN_DELETE, "/api/v1/admin/user-management/users/:userId/admin-access", SUPER,
      .rate = PN_RATE_WRITE, .audit = "revoke-instance-admin", .in = PN_SHAPE(user_in),
      .out = PN_SHAPE(user_out), .handle = take_right,
      .doc = "A person no longer administers the instance" },
    { PN_DELETE, "/api/v1/admin/user-management/users/:userId", SUPER, .rate = PN_RATE_WRITE,
      .audit = "delete-user", .in = PN_SHAPE(user_in), .out = PN_SHAPE(user_out),
      .handle = delete_user, .doc = "Deletes a person's account with all memberships" },
    { PN_DELETE, "/api/v1/admin/user-management/users", SUPER, .rate = PN_RATE_WRITE,
      .audit = "delete-user", .in = PN_SHAPE(users_in), .out = PN_SHAPE(users_out),
      .handle = delete_users, .doc = "Deletes several accounts: all or none" },
    { PN_DELETE,
      "/api/v1/admin/organization-management/organizations/:id/memberships/:membershipId", SUPER,
      .rate = PN_RATE_WRITE, .audit = "delete-org-membership", .in = PN_SHAPE(membership_in),
      .out = PN_SHAPE(membership_out), .handle = delete_membership,
      .doc = "Takes a person out of an organization" },
    { PN_POST, "/api/v1/admin/organization-management/organizations/:id/access",
      .access = PN_BY_USER, .permission = "instance administrator", .rate = PN_RATE_WRITE,
      .audit = "instance-admin-accessed-org", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(membership_out), .handle = access_organization,
      .doc = "Who administers the instance administers this organization too" },
    { PN_PATCH, "/api/v1/admin/encryption-strategies", SUPER, .rate = PN_RATE_WRITE,
      .in = PN_SHAPE(strategy_in), .out = PN_SHAPE(strategies_out), .handle = choose_strategy,
      .doc = "Software keeps the root key; anything else is refused" },
    { PN_POST, "/api/v1/admin/invalidate-cache", SUPER, .rate = PN_RATE_WRITE,
      .audit = "invalidate-cache", .in = PN_SHAPE(forget_in), .out = PN_SHAPE(message_out),
      .handle = forget, .doc = "All that is remembered of rows is read anew, whatever the type" },
    { PN_GET, "/api/v1/admin/encryption-strategies", SUPER, .rate = PN_RATE_READ,
      .out = PN_SHAPE(strategies_out), .handle = list_strategies,
      .doc = "What keeps the root key" },
    { PN_GET, "/api/v1/admin/invalidating-cache-status", SUPER, .rate = PN_RATE_READ,
      .out = PN_SHAPE(invalidating_out), .handle = is_invalidating,
      .doc = "Whether a cache is being invalidated" },
    { 0 },
};
