/* SPDX-License-Identifier: Apache-2.0 */
/* Machine identities of an organization. Contract: platform.md §5.1. */
#include "core/identity/identity.h"

#include "core/org/org.h"
#include "server/api/views.h"
#include "server/route.h"

/* Answers show the identity itself when it changes, and its membership of the organization when it is read. */
struct identity_out {
    struct pn_identity identity;
};
static const struct pn_field plain_fields[] = {
    PN_FIELD(pn_identity, id, UUID),        PN_FIELD(pn_identity, orgId, UUID),
    PN_FIELD(pn_identity, name, STRING),    PN_FIELD(pn_identity, role, STRING),
    PN_FIELD(pn_identity, createdAt, TIME), PN_FIELD(pn_identity, updatedAt, TIME),
};
static const struct pn_shape plain_view = { "identity", sizeof(struct pn_identity), plain_fields,
                                            PN_COUNT(plain_fields) };
static const struct pn_field identity_out_fields[] = {
    PN_FIELD(identity_out, identity, OBJECT, .shape = &plain_view),
};

struct inner {
    struct pn_uuid id, orgId;
    struct pn_str name;
    bool hasDeleteProtection;
    struct pn_strs authMethods;
};
static const struct pn_field inner_fields[] = {
    PN_FIELD(inner, id, UUID),
    PN_FIELD(inner, orgId, UUID),
    PN_FIELD(inner, name, STRING),
    PN_FIELD(inner, hasDeleteProtection, BOOL),
    PN_FIELD(inner, authMethods, STRINGS),
};
struct membership {
    struct pn_uuid id, orgId, identityId;
    struct pn_str role;
    int64_t createdAt, updatedAt;
    struct inner identity;
};
static const struct pn_field membership_fields[] = {
    PN_FIELD(membership, id, UUID),
    PN_FIELD(membership, orgId, UUID),
    PN_FIELD(membership, identityId, UUID),
    PN_FIELD(membership, role, STRING),
    PN_FIELD(membership, createdAt, TIME),
    PN_FIELD(membership, updatedAt, TIME),
    PN_FIELD(membership, identity, OBJECT, .shape = PN_SHAPE(inner)),
};
static const struct pn_shape membership_view = PN_SHAPE_OF(membership);

static struct membership show(const struct pn_identity *i)
{
    static struct pn_str token_auth[] = { PN_LIT_INIT("token-auth") };

    return (struct membership){
        .id = i->id,
        .orgId = i->orgId,
        .identityId = i->id,
        .role = i->role,
        .createdAt = i->createdAt,
        .updatedAt = i->updatedAt,
        .identity = { .id = i->id,
                      .orgId = i->orgId,
                      .name = i->name,
                      .authMethods = { .items = token_auth, .count = 1 } },
    };
}

/* ---- handlers ---- */

struct create_in {
    struct pn_str name, role;
    struct pn_uuid organizationId;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 255, .trim = true),
    PN_FIELD(create_in, organizationId, UUID, .required = true),
    PN_FIELD(create_in, role, STRING, .max = 64, .trim = true),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct identity_out *out = out_;

    if (!pn_uuid_eq(in->organizationId, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    return pn_identity_create(call, in->name, in->role.len > 0 ? in->role : PN_LIT("no-access"),
                              &out->identity, err);
}

struct change_in {
    struct pn_uuid identityId;
    struct pn_str name, role;
};
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, identityId, UUID, .required = true),
    PN_FIELD(change_in, name, STRING, .min = 1, .max = 255, .trim = true),
    PN_FIELD(change_in, role, STRING, .min = 1, .max = 64, .trim = true),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct identity_out *out = out_;

    return pn_identity_change(call, in->identityId, in->name, in->role, &out->identity, err);
}

struct one_in {
    struct pn_uuid identityId;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, identityId, UUID, .required = true),
};
struct one_out {
    struct membership identity;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, identity, OBJECT, .shape = &membership_view),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;
    struct pn_identity identity;

    if (!pn_identity_get(call, in->identityId, &identity, err))
        return false;
    out->identity = show(&identity);
    return true;
}

static bool delete_identity(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct identity_out *out = out_;

    return pn_identity_delete(call, in->identityId, &out->identity, err);
}

struct list_in {
    struct pn_uuid orgId;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, orgId, UUID, .required = true),
};
struct list_out {
    struct pn_list identities;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, identities, OBJECTS, .shape = &membership_view),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    struct membership *items;
    struct pn_list found;

    if (!pn_uuid_eq(in->orgId, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    if (!pn_identity_list(call, &found, err))
        return false;
    items = pn_new(call->arena, struct membership, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i] = show((const struct pn_identity *)found.items + i);
    out->identities = (struct pn_list){ .items = items, .count = found.count };
    out->totalCount = (int64_t)found.count;
    return true;
}

struct details {
    struct pn_org organization;
};
static const struct pn_field details_fields[] = {
    PN_FIELD(details, organization, OBJECT, .shape = &pn_org_view),
};
struct details_out {
    struct details identityDetails;
};
static const struct pn_field details_out_fields[] = {
    PN_FIELD(details_out, identityDetails, OBJECT, .shape = PN_SHAPE(details)),
};

static bool who_am_i(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct details_out *out = out_;

    (void)in;
    return pn_org_get(call, call->actor.org_id, &out->identityDetails.organization, err);
}

const struct pn_route pn_identity_routes[] = {
    { PN_POST, "/api/v1/identities", .access = PN_BY_PEOPLE, .permission = "org identity:create",
      .rate = PN_RATE_WRITE, .audit = "create-identity", .in = PN_SHAPE(create_in),
      .out = PN_SHAPE(identity_out), .handle = create, .doc = "Makes a machine identity" },
    { PN_PATCH, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:edit", .rate = PN_RATE_WRITE, .audit = "update-identity",
      .in = PN_SHAPE(change_in), .out = PN_SHAPE(identity_out), .handle = change,
      .doc = "Changes name or role of an identity" },
    { PN_GET, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(one_out), .handle = get, .doc = "One identity" },
    { PN_DELETE, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:delete", .rate = PN_RATE_WRITE, .audit = "delete-identity",
      .in = PN_SHAPE(one_in), .out = PN_SHAPE(identity_out), .handle = delete_identity,
      .doc = "Deletes an identity with its tokens" },
    { PN_GET, "/api/v1/identities", .access = PN_BY_PEOPLE, .permission = "org identity:read",
      .rate = PN_RATE_READ, .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Identities of the organization" },
    { PN_GET, "/api/v1/identities/details", .access = PN_BY_IDENTITY, .permission = "itself",
      .rate = PN_RATE_READ, .out = PN_SHAPE(details_out), .handle = who_am_i,
      .doc = "The organization of the identity that asks" },
    { 0 },
};
