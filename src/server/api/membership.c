/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to an organization. Contract: platform.md §6.2. */
#include "core/org/org.h"
#include "core/org/project_member.h"
#include "server/api/views.h"
#include "server/route.h"

struct list_in {
    struct pn_uuid organizationId;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, organizationId, UUID, .required = true),
};
struct list_out {
    struct pn_list users;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, users, OBJECTS, .shape = &pn_org_member_view),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    struct pn_list members;

    if (!pn_org_members(call, in->organizationId, &members, err))
        return false;
    out->users = pn_org_members_show(call->arena, members);
    return true;
}

struct one_in {
    struct pn_uuid organizationId, membershipId;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, organizationId, UUID, .required = true),
    PN_FIELD(one_in, membershipId, UUID, .required = true),
};
struct one_out {
    struct pn_org_member_shown membership;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, membership, OBJECT, .shape = &pn_org_member_view),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;
    struct pn_org_member member;

    if (!pn_org_member_get(call, in->organizationId, in->membershipId, &member, err))
        return false;
    out->membership = pn_org_member_show(&member);
    return true;
}

struct change_in {
    struct pn_uuid organizationId, membershipId;
    struct pn_str role;
    bool isActive, has_isActive;
};
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, organizationId, UUID, .required = true),
    PN_FIELD(change_in, membershipId, UUID, .required = true),
    PN_FIELD(change_in, role, STRING, .min = 1, .max = 64),
    PN_FIELD(change_in, isActive, BOOL, .has_offset = offsetof(struct change_in, has_isActive)),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct one_out *out = out_;
    struct pn_org_member member;

    if (!pn_org_member_change(call, in->organizationId, in->membershipId, in->role,
                              in->has_isActive ? in->isActive : -1, &member, err))
        return false;
    out->membership = pn_org_member_show(&member);
    return true;
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;
    struct pn_org_member member;

    if (!pn_org_member_delete(call, in->organizationId, in->membershipId, &member, err))
        return false;
    out->membership = pn_org_member_show(&member);
    return true;
}

struct many_in {
    struct pn_uuid organizationId;
    struct pn_strs membershipIds;
};
static const struct pn_field many_in_fields[] = {
    PN_FIELD(many_in, organizationId, UUID, .required = true),
    PN_FIELD(many_in, membershipIds, STRINGS, .required = true, .min = 1, .max = 100,
             .item_max = 36),
};
struct many_out {
    struct pn_list memberships;
};
static const struct pn_field many_out_fields[] = {
    PN_FIELD(many_out, memberships, OBJECTS, .shape = &pn_org_member_view),
};

static bool delete_many(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct many_in *in = in_;
    struct many_out *out = out_;
    struct pn_uuid *ids = pn_new(call->arena, struct pn_uuid, in->membershipIds.count);
    struct pn_list members;

    size_t count = 0;

    for (size_t i = 0; i < in->membershipIds.count; i++, count++) {
        if (!pn_uuid_parse(in->membershipIds.items[i], &ids[count]))
            return pn_fail(err, PN_BAD_REQUEST, "Every item of membershipIds must be an ID");
        for (size_t j = 0; j < count; j++)
            if (pn_uuid_eq(ids[j], ids[count]))
                return pn_fail(err, PN_BAD_REQUEST, "membershipIds names one member twice");
    }
    if (!pn_org_members_delete(call, in->organizationId, ids, count, &members, err))
        return false;
    out->memberships = pn_org_members_show(call->arena, members);
    return true;
}

struct projects_out {
    struct pn_list memberships;
};
static const struct pn_field projects_out_fields[] = {
    PN_FIELD(projects_out, memberships, OBJECTS, .shape = &pn_project_member_view),
};

/* An invitation has no person yet, and so no projects. */
static bool list_projects(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct projects_out *out = out_;
    struct pn_org_member member;
    struct pn_list members = { 0 };

    if (!pn_org_member_get(call, in->organizationId, in->membershipId, &member, err))
        return false;
    if (!pn_uuid_is_zero(member.userId) &&
        !pn_project_member_everywhere(call, member.userId, &members, err))
        return false;
    out->memberships = pn_project_members_show(call->arena, members);
    return true;
}

#define BASE "/api/v2/organizations/:organizationId/memberships"

const struct pn_route pn_membership_routes[] = {
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .permission = "org member:read", .rate = PN_RATE_READ,
      .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Members and open invitations" },
    { PN_GET, "/api/v1/organization/:organizationId/users", .access = PN_BY_PEOPLE,
      .permission = "org member:read", .rate = PN_RATE_READ, .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list, .doc = "The same, older path" },
    { PN_GET, BASE "/:membershipId", .access = PN_BY_PEOPLE, .permission = "org member:read",
      .rate = PN_RATE_READ, .in = PN_SHAPE(one_in), .out = PN_SHAPE(one_out), .handle = get,
      .doc = "One membership" },
    { PN_GET, BASE "/:membershipId/project-memberships", .access = PN_BY_PEOPLE,
      .permission = "org member:read", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(projects_out), .handle = list_projects,
      .doc = "The projects that a member belongs to" },
    { PN_PATCH, BASE "/:membershipId", .access = PN_BY_PEOPLE, .permission = "org member:edit",
      .rate = PN_RATE_WRITE, .audit = "update-org-membership", .in = PN_SHAPE(change_in),
      .out = PN_SHAPE(one_out), .handle = change, .doc = "Changes role or state of a member" },
    { PN_DELETE, BASE "/:membershipId", .access = PN_BY_PEOPLE, .permission = "org member:delete",
      .rate = PN_RATE_WRITE, .audit = "delete-org-membership", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(one_out), .handle = delete_one,
      .doc = "Removes a member from the organization and its projects" },
    { PN_DELETE, BASE, .access = PN_BY_PEOPLE, .permission = "org member:delete",
      .rate = PN_RATE_WRITE, .audit = "delete-org-membership", .in = PN_SHAPE(many_in),
      .out = PN_SHAPE(many_out), .handle = delete_many,
      .doc = "The same for several: all or none" },
    { 0 },
};
