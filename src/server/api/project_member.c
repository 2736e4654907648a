/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to a project: people (platform.md §7.3) and machine identities (§7.4), under old and new paths. */
#include "base/clock.h"
#include "core/org/project_member.h"
#include "server/api/invitation.h"
#include "server/api/views.h"
#include "server/route.h"

/* ---- people ---- */

struct project_in {
    struct pn_uuid projectId;
};
static const struct pn_field project_in_fields[] = {
    PN_FIELD(project_in, projectId, UUID, .required = true),
};
struct member_in {
    struct pn_uuid projectId, membershipId;
};
static const struct pn_field member_in_fields[] = {
    PN_FIELD(member_in, projectId, UUID, .required = true),
    PN_FIELD(member_in, membershipId, UUID, .required = true),
};
struct members_out {
    struct pn_list memberships;
};
static const struct pn_field members_out_fields[] = {
    PN_FIELD(members_out, memberships, OBJECTS, .shape = &pn_project_member_view),
};
static const struct pn_field users_out_fields[] = {
    { .name = "users",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct members_out, memberships),
      .shape = &pn_project_member_view },
};
static const struct pn_shape users_out = { "users_out", sizeof(struct members_out),
                                           users_out_fields, 1 };
struct member_out {
    struct pn_project_member_shown membership;
};
static const struct pn_field member_out_fields[] = {
    PN_FIELD(member_out, membership, OBJECT, .shape = &pn_project_member_view),
};
static const struct pn_field identity_out_fields[] = {
    { .name = "identityMembership",
      .kind = PN_KIND_OBJECT,
      .offset = offsetof(struct member_out, membership),
      .shape = &pn_project_member_view },
};
static const struct pn_shape identity_out = { "identity_out", sizeof(struct member_out),
                                              identity_out_fields, 1 };

/* The older path answers a change of roles with the roles; who wants the membership finds it too. */
static const struct pn_field identity_roles_out_fields[] = {
    { .name = "roles",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct member_out, membership.roles),
      .shape = &pn_project_role_view },
    { .name = "identityMembership",
      .kind = PN_KIND_OBJECT,
      .offset = offsetof(struct member_out, membership),
      .shape = &pn_project_member_view },
};
static const struct pn_shape identity_roles_out = { "identity_roles_out", sizeof(struct member_out),
                                                    identity_roles_out_fields, 2 };

static bool list_users(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct project_in *in = in_;
    struct members_out *out = out_;
    struct pn_list members;

    if (!pn_project_member_list(call, in->projectId, PN_MEMBER_USERS, &members, err))
        return false;
    out->memberships = pn_project_members_show(call->arena, members);
    return true;
}

static bool get_user(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct member_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_get(call, in->projectId, PN_MEMBER_USERS, in->membershipId, &member,
                               err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct add_in {
    struct pn_uuid projectId;
    struct pn_strs emails, usernames, roleSlugs;
};
static const struct pn_field add_in_fields[] = {
    PN_FIELD(add_in, projectId, UUID, .required = true),
    PN_FIELD(add_in, emails, STRINGS, .max = 100, .item_max = 254, .lower = true),
    PN_FIELD(add_in, usernames, STRINGS, .max = 100, .item_max = 254, .lower = true),
    PN_FIELD(add_in, roleSlugs, STRINGS, .max = PN_PROJECT_MAX_ROLES, .item_max = 64),
};

static bool has_text(const struct pn_strs *list, struct pn_str text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (pn_str_eq(list->items[i], text))
            return true;
    }
    return false;
}

/* Of both lists each address once. */
static struct pn_strs join(struct pn_arena *arena, const struct pn_strs *a, const struct pn_strs *b)
{
    struct pn_strs all = { .items = pn_new(arena, struct pn_str, a->count + b->count) };

    for (size_t i = 0; i < a->count + b->count; i++) {
        struct pn_str text = i < a->count ? a->items[i] : b->items[i - a->count];

        if (!has_text(&all, text))
            all.items[all.count++] = text;
    }
    return all;
}

struct added_out {
    struct pn_list memberships, completeInviteLinks;
};
static const struct pn_field added_out_fields[] = {
    PN_FIELD(added_out, memberships, OBJECTS, .shape = &pn_project_member_view),
    PN_FIELD(added_out, completeInviteLinks, OBJECTS, .shape = &pn_invite_link_view,
             .doc = "Of those who were invited to the organization by this"),
};

static bool add_users(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    static struct pn_str member_role[] = { PN_LIT_INIT("member") };
    const struct add_in *in = in_;
    struct added_out *out = out_;
    struct pn_strs emails = join(call->arena, &in->emails, &in->usernames);
    struct pn_strs roles = in->roleSlugs.count > 0
                               ? in->roleSlugs
                               : (struct pn_strs){ .items = member_role, .count = 1 };
    struct pn_list members, invites;

    if (emails.count == 0)
        return pn_fail(err, PN_BAD_REQUEST, "Name at least one e-mail address");
    if (!pn_project_member_add_users(call, in->projectId, emails, roles, &members, &invites, err))
        return false;
    out->memberships = pn_project_members_show(call->arena, members);
    out->completeInviteLinks = pn_invite_links(call, call->actor.org_id, &invites);
    return true;
}

/*
 * A role as clients send it. Terraform sends all members, empty and with a zero time, when the role
 * is not temporary: then they are not looked at.
 */
struct role_item {
    struct pn_str role, temporaryMode, temporaryRange, temporaryAccessStartTime;
    bool isTemporary;
};
static const struct pn_field role_item_fields[] = {
    PN_FIELD(role_item, role, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(role_item, isTemporary, BOOL),
    PN_FIELD(role_item, temporaryMode, STRING, .max = 32, .is_nullable = true),
    PN_FIELD(role_item, temporaryRange, STRING, .max = 32, .is_nullable = true),
    PN_FIELD(role_item, temporaryAccessStartTime, STRING, .max = 40, .is_nullable = true),
};
const struct pn_shape pn_role_item_view = PN_SHAPE_OF(role_item);

bool pn_role_items_read(struct pn_arena *arena, const struct pn_list *from,
                        struct pn_project_role **out, struct pn_err *err)
{
    struct pn_project_role *roles = pn_new(arena, struct pn_project_role, from->count);

    for (size_t i = 0; i < from->count; i++) {
        const struct role_item *item = (const struct role_item *)from->items + i;

        roles[i] = (struct pn_project_role){ .role = item->role, .isTemporary = item->isTemporary };
        if (!item->isTemporary)
            continue;
        roles[i].temporaryRange = item->temporaryRange;
        if (item->temporaryAccessStartTime.len > 0 &&
            !pn_clock_parse_iso(item->temporaryAccessStartTime, &roles[i].temporaryAccessStartTime))
            return pn_fail(err, PN_BAD_REQUEST,
                           "temporaryAccessStartTime must be an ISO 8601 time");
    }
    *out = roles;
    return true;
}

struct roles_in {
    struct pn_uuid projectId, membershipId;
    struct pn_list roles;
};
static const struct pn_field roles_in_fields[] = {
    PN_FIELD(roles_in, projectId, UUID, .required = true),
    PN_FIELD(roles_in, membershipId, UUID, .required = true),
    PN_FIELD(roles_in, roles, OBJECTS, .required = true, .min = 1, .max = PN_PROJECT_MAX_ROLES,
             .shape = &pn_role_item_view),
};
struct roles_out {
    struct pn_list roles;
};
static const struct pn_field roles_out_fields[] = {
    PN_FIELD(roles_out, roles, OBJECTS, .shape = &pn_project_role_view),
};

static bool set_user_roles(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct roles_in *in = in_;
    struct roles_out *out = out_;
    struct pn_project_member member;
    struct pn_project_role *roles;

    if (!pn_role_items_read(call->arena, &in->roles, &roles, err) ||
        !pn_project_member_set_roles(call, in->projectId, PN_MEMBER_USERS, in->membershipId, roles,
                                     in->roles.count, &member, err))
        return false;
    out->roles = member.roles;
    return true;
}

static bool remove_user(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct member_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_remove(call, in->projectId, PN_MEMBER_USERS, in->membershipId, &member,
                                  err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct remove_in {
    struct pn_uuid projectId;
    struct pn_strs emails, usernames;
};
static const struct pn_field remove_in_fields[] = {
    PN_FIELD(remove_in, projectId, UUID, .required = true),
    PN_FIELD(remove_in, emails, STRINGS, .max = 100, .item_max = 254, .lower = true),
    PN_FIELD(remove_in, usernames, STRINGS, .max = 100, .item_max = 254, .lower = true),
};

static bool remove_users(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct remove_in *in = in_;
    struct members_out *out = out_;
    struct pn_strs emails = join(call->arena, &in->emails, &in->usernames);
    struct pn_list members;

    if (emails.count == 0)
        return pn_fail(err, PN_BAD_REQUEST, "Name at least one e-mail address");
    if (!pn_project_member_remove_users(call, in->projectId, emails, &members, err))
        return false;
    out->memberships = pn_project_members_show(call->arena, members);
    return true;
}

struct details_in {
    struct pn_uuid projectId;
    struct pn_str username;
};
static const struct pn_field details_in_fields[] = {
    PN_FIELD(details_in, projectId, UUID, .required = true),
    PN_FIELD(details_in, username, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true),
};

static bool get_by_email(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct details_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_get_by_email(call, in->projectId, in->username, &member, err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

static bool take(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct project_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_take(call, in->projectId, &member, err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct by_user_in {
    struct pn_uuid projectId, userId;
};
static const struct pn_field by_user_in_fields[] = {
    PN_FIELD(by_user_in, projectId, UUID, .required = true),
    PN_FIELD(by_user_in, userId, UUID, .required = true),
};

static bool get_by_user(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct by_user_in *in = in_;

    return get_user(call, &(struct member_in){ in->projectId, in->userId }, out, err);
}

/* ---- machine identities ---- */

struct identity_in {
    struct pn_uuid projectId, identityId;
};
static const struct pn_field identity_in_fields[] = {
    PN_FIELD(identity_in, projectId, UUID, .required = true),
    PN_FIELD(identity_in, identityId, UUID, .required = true),
};
struct identities_out {
    struct pn_list identityMemberships;
    int64_t totalCount;
};
static const struct pn_field identities_out_fields[] = {
    PN_FIELD(identities_out, identityMemberships, OBJECTS, .shape = &pn_project_member_view),
    PN_FIELD(identities_out, totalCount, INT),
};

static bool list_identities(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct project_in *in = in_;
    struct identities_out *out = out_;
    struct pn_list members;

    if (!pn_project_member_list(call, in->projectId, PN_MEMBER_IDENTITIES, &members, err))
        return false;
    out->identityMemberships = pn_project_members_show(call->arena, members);
    out->totalCount = (int64_t)members.count;
    return true;
}

static bool get_identity(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_get(call, in->projectId, PN_MEMBER_IDENTITIES, in->identityId, &member,
                               err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct identity_roles_in {
    struct pn_uuid projectId, identityId;
    struct pn_str role; /* older clients: one slug instead of the list */
    struct pn_list roles;
};
static const struct pn_field identity_roles_in_fields[] = {
    PN_FIELD(identity_roles_in, projectId, UUID, .required = true),
    PN_FIELD(identity_roles_in, identityId, UUID, .required = true),
    PN_FIELD(identity_roles_in, role, STRING, .max = 64),
    PN_FIELD(identity_roles_in, roles, OBJECTS, .max = PN_PROJECT_MAX_ROLES,
             .shape = &pn_role_item_view),
};

static bool read_identity_roles(struct pn_call *call, const struct identity_roles_in *in,
                                struct pn_project_role **roles, size_t *count, struct pn_err *err)
{
    *count = in->roles.count;
    if (in->roles.count > 0)
        return pn_role_items_read(call->arena, &in->roles, roles, err);
    *count = 1;
    *roles = pn_new(call->arena, struct pn_project_role, 1);
    (*roles)->role = in->role.len > 0 ? in->role : PN_LIT("no-access");
    return true;
}

static bool add_identity(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_roles_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;
    struct pn_project_role *roles;
    size_t count;

    if (!read_identity_roles(call, in, &roles, &count, err) ||
        !pn_project_member_add_identity(call, in->projectId, in->identityId, roles, count, &member,
                                        err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

static bool set_identity_roles(struct pn_call *call, const void *in_, void *out_,
                               struct pn_err *err)
{
    const struct identity_roles_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;
    struct pn_project_role *roles;
    size_t count;

    if (!read_identity_roles(call, in, &roles, &count, err) ||
        !pn_project_member_set_roles(call, in->projectId, PN_MEMBER_IDENTITIES, in->identityId,
                                     roles, count, &member, err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

static bool remove_identity(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct identity_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_remove(call, in->projectId, PN_MEMBER_IDENTITIES, in->identityId,
                                  &member, err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct by_id_in {
    struct pn_uuid membershipId;
};
static const struct pn_field by_id_in_fields[] = {
    PN_FIELD(by_id_in, membershipId, UUID, .required = true),
};

static bool get_identity_by_id(struct pn_call *call, const void *in_, void *out_,
                               struct pn_err *err)
{
    const struct by_id_in *in = in_;
    struct member_out *out = out_;
    struct pn_project_member member;

    if (!pn_project_member_by_id(call, PN_MEMBER_IDENTITIES, in->membershipId, &member, err))
        return false;
    out->membership = pn_project_member_show(&member);
    return true;
}

struct available_in {
    struct pn_uuid projectId;
    struct pn_str identityName;
    int64_t offset, limit;
};
static const struct pn_field available_in_fields[] = {
    PN_FIELD(available_in, projectId, UUID, .required = true),
    PN_FIELD(available_in, identityName, STRING, .max = 255, .lower = true, .trim = true),
    PN_FIELD(available_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(available_in, limit, INT, .min = 1, .max = 1000, .has_fallback = true, .fallback = 20),
};
static const struct pn_field pn_available_fields[] = {
    PN_FIELD(pn_available, id, UUID),
    PN_FIELD(pn_available, name, STRING),
};
struct available_out {
    struct pn_list identities;
};
static const struct pn_field available_out_fields[] = {
    PN_FIELD(available_out, identities, OBJECTS, .shape = PN_SHAPE(pn_available)),
};

static bool list_available(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct available_in *in = in_;
    const struct pn_available_page page = { .contains = in->identityName,
                                            .offset = in->offset,
                                            .limit = in->limit };
    struct available_out *out = out_;

    return pn_project_member_available(call, in->projectId, &page, &out->identities, err);
}

/* ---- the rows: the same under each generation's path ---- */

#define PEOPLE(base)                                                                              \
    { PN_GET,                                                                                     \
      base,                                                                                       \
      .access = PN_BY_PEOPLE,                                                                     \
      .permission = "project member:read",                                                        \
      .rate = PN_RATE_READ,                                                                       \
      .in = PN_SHAPE(project_in),                                                                 \
      .out = PN_SHAPE(members_out),                                                               \
      .handle = list_users,                                                                       \
      .doc = "People of a project" },                                                             \
        { PN_GET,                                                                                 \
          base "/:membershipId",                                                                  \
          .access = PN_BY_PEOPLE,                                                                 \
          .permission = "project member:read",                                                    \
          .rate = PN_RATE_READ,                                                                   \
          .in = PN_SHAPE(member_in),                                                              \
          .out = PN_SHAPE(member_out),                                                            \
          .handle = get_user,                                                                     \
          .doc = "One person's membership" },                                                     \
        { PN_POST,                                                                                \
          base,                                                                                   \
          .access = PN_BY_PEOPLE,                                                                 \
          .permission = "project member:create",                                                  \
          .rate = PN_RATE_WRITE,                                                                  \
          .audit = "add-project-member",                                                          \
          .in = PN_SHAPE(add_in),                                                                 \
          .out = PN_SHAPE(added_out),                                                             \
          .handle = add_users,                                                                    \
          .doc = "Adds people to a project; who is not in the organization is invited to it" },   \
        { PN_PATCH,                                                                               \
          base "/:membershipId",                                                                  \
          .access = PN_BY_PEOPLE,                                                                 \
          .permission = "project member:edit",                                                    \
          .rate = PN_RATE_WRITE,                                                                  \
          .audit = "update-user-project-role",                                                    \
          .in = PN_SHAPE(roles_in),                                                               \
          .out = PN_SHAPE(roles_out),                                                             \
          .handle = set_user_roles,                                                               \
          .doc = "Replaces a person's roles" },                                                   \
        { PN_POST,                                                                                \
          base "/details",                                                                        \
          .access = PN_BY_PEOPLE,                                                                 \
          .permission = "project member:read",                                                    \
          .rate = PN_RATE_READ,                                                                   \
          .in = PN_SHAPE(details_in),                                                             \
          .out = PN_SHAPE(member_out),                                                            \
          .handle = get_by_email,                                                                 \
          .doc = "One person's membership, by address" },                                         \
        { PN_DELETE,                                                                              \
          base,                                                                                   \
          .access = PN_BY_PEOPLE,                                                                 \
          .permission = "project member:delete",                                                  \
          .rate = PN_RATE_WRITE,                                                                  \
          .audit = "remove-project-member",                                                       \
          .in = PN_SHAPE(remove_in),                                                              \
          .out = PN_SHAPE(members_out),                                                           \
          .handle = remove_users,                                                                 \
          .doc = "Removes people from a project, by address: all or none" },                      \
    {                                                                                             \
        PN_DELETE, base "/:membershipId",                                                         \
            .access = PN_BY_PEOPLE, .permission = "project member:delete", .rate = PN_RATE_WRITE, \
            .audit = "remove-project-member", .in = PN_SHAPE(member_in),                          \
            .out = PN_SHAPE(member_out), .handle = remove_user,                                   \
            .doc = "Removes a person from a project"                                              \
    }

#define IDENTITIES(base, changed)                                                         \
    { PN_GET,                                                                             \
      base,                                                                               \
      .access = PN_BY_PEOPLE,                                                             \
      .permission = "project identity:read",                                              \
      .rate = PN_RATE_READ,                                                               \
      .in = PN_SHAPE(project_in),                                                         \
      .out = PN_SHAPE(identities_out),                                                    \
      .handle = list_identities,                                                          \
      .doc = "Machine identities of a project" },                                         \
        { PN_GET,                                                                         \
          base "/:identityId",                                                            \
          .access = PN_BY_PEOPLE,                                                         \
          .permission = "project identity:read",                                          \
          .rate = PN_RATE_READ,                                                           \
          .in = PN_SHAPE(identity_in),                                                    \
          .out = &identity_out,                                                           \
          .handle = get_identity,                                                         \
          .doc = "One identity's membership" },                                           \
        { PN_POST,                                                                        \
          base "/:identityId",                                                            \
          .access = PN_BY_PEOPLE,                                                         \
          .permission = "project identity:create",                                        \
          .rate = PN_RATE_WRITE,                                                          \
          .audit = "create-identity-project-membership",                                  \
          .in = PN_SHAPE(identity_roles_in),                                              \
          .out = &identity_out,                                                           \
          .handle = add_identity,                                                         \
          .doc = "Adds an identity to a project" },                                       \
        { PN_PATCH,                                                                       \
          base "/:identityId",                                                            \
          .access = PN_BY_PEOPLE,                                                         \
          .permission = "project identity:edit",                                          \
          .rate = PN_RATE_WRITE,                                                          \
          .audit = "update-identity-project-membership",                                  \
          .in = PN_SHAPE(identity_roles_in),                                              \
          .out = changed,                                                                 \
          .handle = set_identity_roles,                                                   \
          .doc = "Replaces an identity's roles" },                                        \
    {                                                                                     \
        PN_DELETE, base "/:identityId",                                                   \
            .access = PN_BY_PEOPLE, .permission = "project identity:delete",              \
            .rate = PN_RATE_WRITE, .audit = "delete-identity-project-membership",         \
            .in = PN_SHAPE(identity_in), .out = &identity_out, .handle = remove_identity, \
            .doc = "Removes an identity from a project"                                   \
    }

const struct pn_route pn_project_member_routes[] = {
    PEOPLE("/api/v1/projects/:projectId/memberships"),
    PEOPLE("/api/v1/workspace/:projectId/memberships"),
    PEOPLE("/api/v2/workspace/:projectId/memberships"),
    { PN_GET, "/api/v1/projects/:projectId/users", .access = PN_BY_PEOPLE,
      .permission = "project member:read", .rate = PN_RATE_READ, .in = PN_SHAPE(project_in),
      .out = &users_out, .handle = list_users, .doc = "People of a project" },
    { PN_GET, "/api/v1/projects/:projectId/user/:userId/membership", .access = PN_BY_PEOPLE,
      .permission = "project member:read", .rate = PN_RATE_READ, .in = PN_SHAPE(by_user_in),
      .out = PN_SHAPE(member_out), .handle = get_by_user,
      .doc = "One person's membership, by the person's ID" },
    { PN_POST, "/api/v1/org-admin/projects/:projectId/grant-admin-access", .access = PN_BY_USER,
      .permission = "org organization-admin-console:access-all-projects", .rate = PN_RATE_WRITE,
      .audit = "org-admin-accessed-project", .in = PN_SHAPE(project_in),
      .out = PN_SHAPE(member_out), .handle = take,
      .doc = "Who administers the organization administers this project too" },
    { PN_GET, "/api/v1/projects/:projectId/memberships/available-identities",
      .access = PN_BY_PEOPLE, .permission = "project identity:create", .rate = PN_RATE_READ,
      .in = PN_SHAPE(available_in), .out = PN_SHAPE(available_out), .handle = list_available,
      .doc = "Identities of the organization that are not in the project yet" },
    IDENTITIES("/api/v1/projects/:projectId/memberships/identities", &identity_out),
    IDENTITIES("/api/v2/workspace/:projectId/identity-memberships", &identity_roles_out),
    IDENTITIES("/api/v1/projects/:projectId/identity-memberships", &identity_out),
    { PN_GET, "/api/v2/workspace/identity-memberships/:membershipId", .access = PN_BY_PEOPLE,
      .permission = "project identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(by_id_in),
      .out = &identity_out, .handle = get_identity_by_id,
      .doc = "One identity's membership, by its own id" },
    { 0 },
};
