/* SPDX-License-Identifier: Apache-2.0 */
/* Organizations. Contract: platform.md §6.1. */
#include "core/org/names.h"
#include "core/org/org.h"
#include "core/org/project.h"
#include "core/org/role.h"
#include "server/api/views.h"
#include "server/route.h"

struct list_out {
    struct pn_list organizations;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, organizations, OBJECTS, .shape = &pn_org_view),
};

static bool list(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct list_out *out = out_;

    (void)in;
    return pn_org_list(call, &out->organizations, err);
}

/* The same with the sub-organizations of each: there are none. */
struct with_subs {
    struct pn_uuid id;
    struct pn_str name, slug;
    struct pn_list subOrganizations;
};
static const struct pn_field with_subs_fields[] = {
    PN_FIELD(with_subs, id, UUID),
    PN_FIELD(with_subs, name, STRING),
    PN_FIELD(with_subs, slug, STRING),
    PN_FIELD(with_subs, subOrganizations, OBJECTS, .shape = &pn_org_view),
};
struct subs_out {
    struct pn_list organizations;
};
static const struct pn_field subs_out_fields[] = {
    PN_FIELD(subs_out, organizations, OBJECTS, .shape = PN_SHAPE(with_subs)),
};

static bool list_with_subs(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct subs_out *out = out_;
    struct with_subs *items;
    struct pn_list orgs;

    (void)in;
    if (!pn_org_list(call, &orgs, err))
        return false;
    items = pn_new(call->arena, struct with_subs, orgs.count);
    for (size_t i = 0; i < orgs.count; i++) {
        const struct pn_org *org = (const struct pn_org *)orgs.items + i;

        items[i] = (struct with_subs){ .id = org->id, .name = org->name, .slug = org->slug };
    }
    out->organizations = (struct pn_list){ .items = items, .count = orgs.count };
    return true;
}

struct one_in {
    struct pn_uuid organizationId;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, organizationId, UUID, .required = true),
};
struct one_out {
    struct pn_org organization;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, organization, OBJECT, .shape = &pn_org_view),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;

    return pn_org_get(call, in->organizationId, &out->organization, err);
}

struct own_out {
    struct pn_org_member_shown membership;
    struct pn_str permissions;
};
static const struct pn_field own_out_fields[] = {
    PN_FIELD(own_out, membership, OBJECT, .shape = &pn_org_member_view),
    PN_FIELD(own_out, permissions, RAW, .doc = "The rules of the caller's role"),
};

static bool get_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct own_out *out = out_;
    struct pn_org_member member;
    struct pn_role role;

    if (!pn_uuid_eq(in->organizationId, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    if (!pn_org_member_own(call, &member, err) || !pn_role_own(call, &role, err))
        return false;
    out->membership = pn_org_member_show(&member);
    out->permissions = role.permissions;
    return true;
}

struct slug_in {
    struct pn_str slug;
};
static const struct pn_field slug_in_fields[] = {
    PN_FIELD(slug_in, slug, STRING, .required = true, .min = 1, .max = 64),
};

static bool get_by_slug(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct slug_in *in = in_;

    return pn_org_get_by_slug(call, in->slug, out, err);
}

struct change_in {
    struct pn_uuid organizationId;
    struct pn_str name, slug;
    bool enforceMfa, has_enforce;
};
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, organizationId, UUID, .required = true),
    PN_FIELD(change_in, name, STRING, .min = 1, .max = 64, .trim = true, PN_NAME_RESOURCE),
    PN_FIELD(change_in, slug, STRING, .min = 1, .max = 64, PN_NAME_SLUG),
    PN_FIELD(change_in, enforceMfa, BOOL, .has_offset = offsetof(struct change_in, has_enforce),
             .doc = "Every person shows a second factor; who has none registers one first"),
};
struct change_out {
    struct pn_str message;
    struct pn_org organization;
};
static const struct pn_field change_out_fields[] = {
    PN_FIELD(change_out, message, STRING),
    PN_FIELD(change_out, organization, OBJECT, .shape = &pn_org_view),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct change_out *out = out_;

    out->message = PN_LIT("Successfully changed organization");
    return pn_org_change(call, in->organizationId, in->name, in->slug,
                         in->has_enforce ? in->enforceMfa : -1, &out->organization, err);
}

struct create_in {
    struct pn_str name;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 64, .trim = true,
             PN_NAME_RESOURCE),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct one_out *out = out_;

    return pn_org_create(call, in->name, &out->organization, err);
}

struct delete_out {
    struct pn_org organization;
    struct pn_str accessToken;
};
static const struct pn_field delete_out_fields[] = {
    PN_FIELD(delete_out, organization, OBJECT, .shape = &pn_org_view),
    PN_FIELD(delete_out, accessToken, STRING, .doc = "Of the same login, without an organization"),
};

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct delete_out *out = out_;

    return pn_org_delete(call, in->organizationId, &out->organization, &out->accessToken, err);
}

struct workspaces_out {
    struct pn_list workspaces;
};
static const struct pn_field workspaces_out_fields[] = {
    PN_FIELD(workspaces_out, workspaces, OBJECTS, .shape = &pn_project_view),
};

static bool list_workspaces(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct workspaces_out *out = out_;
    struct pn_org org;

    return pn_org_get(call, in->organizationId, &org, err) &&
           pn_project_list(call, PN_NONE, &out->workspaces, err);
}

#define BY_USER_ANYWHERE (PN_BY_USER | PN_BY_USER_NO_ORG)

const struct pn_route pn_organization_routes[] = {
    { PN_GET, "/api/v1/organization/:organizationId/permissions", .access = PN_BY_USER,
      .permission = "member", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(own_out), .handle = get_own, .doc = "What the caller may do there" },
    { PN_GET, "/api/v1/organization", .access = BY_USER_ANYWHERE, .rate = PN_RATE_READ,
      .out = PN_SHAPE(list_out), .handle = list, .doc = "The person's organizations" },
    { PN_GET, "/api/v1/organization/accessible-with-sub-orgs", .access = BY_USER_ANYWHERE,
      .rate = PN_RATE_READ, .out = PN_SHAPE(subs_out), .handle = list_with_subs,
      .doc = "The same, with sub-organizations" },
    { PN_GET, "/api/v1/organization/:organizationId", .access = PN_BY_PEOPLE,
      .permission = "member", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(one_out), .handle = get, .doc = "One organization" },
    { PN_GET, "/api/v1/organization/slug/:slug", .access = PN_BY_PEOPLE, .permission = "member",
      .rate = PN_RATE_READ, .in = PN_SHAPE(slug_in), .out = &pn_org_view, .handle = get_by_slug,
      .doc = "One of the caller's organizations, by its slug" },
    { PN_PATCH, "/api/v1/organization/:organizationId", .access = PN_BY_PEOPLE,
      .permission = "org settings:edit", .rate = PN_RATE_WRITE, .audit = "update-org",
      .in = PN_SHAPE(change_in), .out = PN_SHAPE(change_out), .handle = change,
      .doc = "Changes an organization: name, slug, whether its people show a second factor" },
    { PN_POST, "/api/v2/organizations", .access = BY_USER_ANYWHERE, .rate = PN_RATE_WRITE,
      .audit = "create-org", .in = PN_SHAPE(create_in), .out = PN_SHAPE(one_out), .handle = create,
      .doc = "Makes an organization; its maker administers it" },
    { PN_DELETE, "/api/v2/organizations/:organizationId", .access = PN_BY_USER,
      .permission = "org admin", .rate = PN_RATE_WRITE, .audit = "delete-org",
      .in = PN_SHAPE(one_in), .out = PN_SHAPE(delete_out), .handle = delete_one,
      .doc = "Deletes an organization with everything in it; live sessions end first" },
    { PN_GET, "/api/v2/organizations/:organizationId/workspaces", .access = PN_BY_PEOPLE,
      .permission = "member", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(workspaces_out), .handle = list_workspaces,
      .doc = "Projects the caller belongs to" },
    { 0 },
};
