/* SPDX-License-Identifier: Apache-2.0 */
/* Machine identities of an organization, and those of a project. Contract: identity-auth.md §3, platform.md §5.1. */
#include "core/identity/identity.h"

#include "core/org/org.h"
#include "core/org/project_member.h"
#include "core/pam/rules.h"
#include "json/value.h"
#include "server/api/views.h"
#include "server/route.h"

/* ---- views ---- */

static const struct pn_field metadata_fields[] = {
    PN_FIELD(pn_identity_metadata, id, UUID),
    PN_FIELD(pn_identity_metadata, key, STRING),
    PN_FIELD(pn_identity_metadata, value, STRING),
};
static const struct pn_shape metadata_view = { "metadata", sizeof(struct pn_identity_metadata),
                                               metadata_fields, PN_COUNT(metadata_fields) };

/* Answers show the identity itself when it changes, and its membership of the organization when it is read. */
struct plain {
    struct pn_identity identity;
    struct pn_str authMethod; /* of clients from before an identity could have several: null */
};
#define PLAIN(member, what)                                                                        \
    {                                                                                              \
        .name = #member, .kind = PN_KIND_##what, .offset = offsetof(struct plain, identity.member) \
    }
static const struct pn_field plain_fields[] = {
    PLAIN(id, UUID),
    PLAIN(name, STRING),
    PLAIN(orgId, UUID),
    PLAIN(projectId, UUID),
    PN_FIELD(plain, authMethod, STRING),
    PLAIN(authMethods, STRINGS),
    PLAIN(hasDeleteProtection, BOOL),
    PLAIN(role, STRING),
    PLAIN(createdAt, TIME),
    PLAIN(updatedAt, TIME),
    { .name = "metadata",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct plain, identity.metadata),
      .shape = &metadata_view },
};
struct plain_out {
    struct plain identity;
};
static const struct pn_field plain_out_fields[] = {
    PN_FIELD(plain_out, identity, OBJECT, .shape = PN_SHAPE(plain)),
};

struct custom_role {
    struct pn_uuid id;
    struct pn_str name, slug, description, permissions;
};
static const struct pn_field custom_role_fields[] = {
    PN_FIELD(custom_role, id, UUID),         PN_FIELD(custom_role, name, STRING),
    PN_FIELD(custom_role, slug, STRING),     PN_FIELD(custom_role, description, STRING),
    PN_FIELD(custom_role, permissions, RAW),
};
struct inner {
    struct pn_uuid id, orgId, projectId;
    struct pn_str name;
    bool hasDeleteProtection;
    struct pn_strs authMethods, activeLockoutAuthMethods;
};
static const struct pn_field inner_fields[] = {
    PN_FIELD(inner, id, UUID),
    PN_FIELD(inner, name, STRING),
    PN_FIELD(inner, orgId, UUID),
    PN_FIELD(inner, projectId, UUID),
    PN_FIELD(inner, hasDeleteProtection, BOOL),
    PN_FIELD(inner, authMethods, STRINGS),
    PN_FIELD(inner, activeLockoutAuthMethods, STRINGS),
};
struct membership {
    struct pn_uuid id, orgId, identityId, roleId;
    struct pn_str role, lastLoginAuthMethod;
    int64_t createdAt, updatedAt, lastLoginTime;
    bool has_custom_role;
    struct custom_role customRole;
    struct pn_list metadata;
    struct inner identity;
};
static const struct pn_field membership_fields[] = {
    PN_FIELD(membership, id, UUID),
    PN_FIELD(membership, role, STRING),
    PN_FIELD(membership, roleId, UUID),
    PN_FIELD(membership, orgId, UUID),
    PN_FIELD(membership, identityId, UUID),
    PN_FIELD(membership, createdAt, TIME),
    PN_FIELD(membership, updatedAt, TIME),
    PN_FIELD(membership, lastLoginAuthMethod, STRING),
    PN_FIELD(membership, lastLoginTime, TIME),
    PN_FIELD(membership, customRole, OBJECT, .shape = PN_SHAPE(custom_role), .omit_empty = true,
             .has_offset = offsetof(struct membership, has_custom_role)),
    PN_FIELD(membership, metadata, OBJECTS, .shape = &metadata_view),
    PN_FIELD(membership, identity, OBJECT, .shape = PN_SHAPE(inner)),
};
static const struct pn_shape membership_view = PN_SHAPE_OF(membership);

/* A custom role shows as "custom" beside its description (platform.md §6.4). */
static struct membership show(const struct pn_identity *i)
{
    bool is_custom = !pn_uuid_is_zero(i->roleId);

    return (struct membership){
        .id = i->id,
        .orgId = i->orgId,
        .identityId = i->id,
        .role = is_custom ? PN_LIT("custom") : i->role,
        .roleId = i->roleId,
        .createdAt = i->createdAt,
        .updatedAt = i->updatedAt,
        .lastLoginAuthMethod = i->lastLoginAuthMethod,
        .lastLoginTime = i->lastLoginTime,
        .has_custom_role = is_custom,
        .customRole = { .id = i->roleId,
                        .name = i->role_name,
                        .slug = i->role,
                        .description = i->role_description,
                        .permissions = i->role_rules },
        .metadata = i->metadata,
        .identity = { .id = i->id,
                      .orgId = i->orgId,
                      .projectId = i->projectId,
                      .name = i->name,
                      .hasDeleteProtection = i->hasDeleteProtection,
                      .authMethods = i->authMethods,
                      .activeLockoutAuthMethods = i->activeLockoutAuthMethods },
    };
}

static bool check_org(const struct pn_call *call, struct pn_uuid org, struct pn_err *err)
{
    return pn_uuid_eq(org, call->actor.org_id) ||
           pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
}

/* ---- metadata in a request: [{"key","value"}], or an object as one client sends it (§12) ---- */

#define MAX_KEY_BYTES 255
#define MAX_VALUE_BYTES 1020

static bool add_metadata(struct pn_arena *arena, struct pn_str key, const struct pn_value *value,
                         struct pn_identity_metadata *out)
{
    *out = (struct pn_identity_metadata){ .key = pn_arena_copy(arena, key),
                                          .value = pn_arena_copy(arena, pn_value_str(value)) };
    return key.len > 0 && key.len <= MAX_KEY_BYTES && out->value.len > 0 &&
           out->value.len <= MAX_VALUE_BYTES && pn_value_is_string(value);
}

static bool read_items(struct pn_arena *arena, const struct pn_value *json, struct pn_list *out)
{
    struct pn_identity_metadata *items =
        pn_new(arena, struct pn_identity_metadata, pn_value_count(json));
    struct pn_str key = PN_NONE;

    *out = (struct pn_list){ .items = items, .count = pn_value_count(json) };
    for (size_t i = 0; i < out->count; i++) {
        const struct pn_value *value = pn_value_item(json, i);

        if (pn_value_is_array(json)) {
            key = pn_value_str(pn_value_get(value, "key"));
            value = pn_value_get(value, "value");
        } else if (!pn_value_member(json, i, &key, &value)) {
            return false;
        }
        if (!add_metadata(arena, key, value, &items[i]))
            return false;
    }
    return true;
}

static bool read_metadata(struct pn_arena *arena, struct pn_str raw, struct pn_list *out,
                          struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *json = NULL;

    if (raw.ptr == NULL)
        return true;
    if (!pn_value_parse(raw, &json, err))
        return false;
    if (pn_value_count(json) <= PN_IDENTITY_MAX_METADATA &&
        (pn_value_is_array(json) || pn_value_is_object(json)) && read_items(arena, json, out))
        return true;
    return pn_pam_invalid(
        arena, "metadata",
        "Metadata is a list of at most 100 {key, value}, both texts and not empty", err);
}

/* ---- handlers ---- */

struct create_in {
    struct pn_str name, role, metadata;
    struct pn_uuid organizationId;
    bool hasDeleteProtection;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = 255, .trim = true),
    PN_FIELD(create_in, organizationId, UUID, .required = true),
    PN_FIELD(create_in, role, STRING, .max = 64, .trim = true),
    PN_FIELD(create_in, hasDeleteProtection, BOOL),
    PN_FIELD(create_in, metadata, RAW),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct plain_out *out = out_;
    struct pn_identity_in fresh = { .name = in->name,
                                    .hasDeleteProtection = in->hasDeleteProtection,
                                    .has_metadata = in->metadata.ptr != NULL };

    if (in->role.len > 0)
        fresh.role = in->role;
    return check_org(call, in->organizationId, err) &&
           read_metadata(call->arena, in->metadata, &fresh.metadata, err) &&
           pn_identity_make(call, &fresh, &out->identity.identity, err);
}

struct change_in {
    struct pn_uuid identityId;
    struct pn_str name, role, metadata;
    bool hasDeleteProtection, has_protection;
};
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, identityId, UUID, .required = true),
    PN_FIELD(change_in, name, STRING, .min = 1, .max = 255, .trim = true),
    PN_FIELD(change_in, role, STRING, .min = 1, .max = 64, .trim = true),
    PN_FIELD(change_in, hasDeleteProtection, BOOL,
             .has_offset = offsetof(struct change_in, has_protection)),
    PN_FIELD(change_in, metadata, RAW),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct plain_out *out = out_;
    struct pn_identity_in to = { .name = in->name,
                                 .role = in->role,
                                 .hasDeleteProtection = in->hasDeleteProtection,
                                 .has_protection = in->has_protection,
                                 .has_metadata = in->metadata.ptr != NULL };

    return read_metadata(call->arena, in->metadata, &to.metadata, err) &&
           pn_identity_edit(call, in->identityId, &to, &out->identity.identity, err);
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
    struct plain_out *out = out_;

    return pn_identity_delete(call, in->identityId, &out->identity.identity, err);
}

struct projects_out {
    struct pn_list identityMemberships;
};
static const struct pn_field projects_out_fields[] = {
    PN_FIELD(projects_out, identityMemberships, OBJECTS, .shape = &pn_project_member_view),
};

static bool list_projects(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct projects_out *out = out_;
    struct pn_identity identity;
    struct pn_list members;

    if (!pn_identity_get(call, in->identityId, &identity, err) ||
        !pn_project_member_everywhere(call, identity.id, &members, err))
        return false;
    out->identityMemberships = pn_project_members_show(call->arena, members);
    return true;
}

/* ---- lists ---- */

struct list_out {
    struct pn_list identities;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, identities, OBJECTS, .shape = &membership_view),
    PN_FIELD(list_out, totalCount, INT),
};
/* The same under the older name. */
static const struct pn_field memberships_out_fields[] = {
    { .name = "identityMemberships",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct list_out, identities),
      .shape = &membership_view },
    PN_FIELD(list_out, totalCount, INT),
};
static const struct pn_shape memberships_out = { "memberships_out", sizeof(struct list_out),
                                                 memberships_out_fields, 2 };

static bool find_all(struct pn_call *call, const struct pn_identity_search *search,
                     struct list_out *out, struct pn_err *err)
{
    struct membership *items;
    struct pn_list found;

    if (!pn_identity_list(call, search, &found, &out->totalCount, err))
        return false;
    items = pn_new(call->arena, struct membership, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i] = show((const struct pn_identity *)found.items + i);
    out->identities = (struct pn_list){ .items = items, .count = found.count };
    return true;
}

struct list_in {
    struct pn_uuid orgId;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, orgId, UUID, .required = true),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;

    return check_org(call, in->orgId, err) &&
           find_all(call, &(struct pn_identity_search){ .limit = PN_IDENTITY_MAX_LISTED }, out_,
                    err);
}

static const char *const order_names[] = { "name", "role", NULL };
static const char *const direction_names[] = { "asc", "desc", NULL };

static enum pn_identity_order order_of(int by, int direction)
{
    return (enum pn_identity_order)((by > 0 ? PN_IDENTITY_BY_ROLE : PN_IDENTITY_BY_NAME) +
                                    (direction > 0 ? 1 : 0));
}

struct page_in {
    struct pn_uuid organizationId;
    struct pn_str search;
    int orderBy, orderDirection;
    int64_t offset, limit;
};
static const struct pn_field page_in_fields[] = {
    PN_FIELD(page_in, organizationId, UUID, .required = true),
    PN_FIELD(page_in, search, STRING, .max = 255, .trim = true),
    PN_FIELD(page_in, orderBy, ENUM, .names = order_names),
    PN_FIELD(page_in, orderDirection, ENUM, .names = direction_names),
    PN_FIELD(page_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(page_in, limit, INT, .min = 1, .max = PN_IDENTITY_MAX_LISTED, .has_fallback = true,
             .fallback = 100),
};

static bool list_page(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct page_in *in = in_;
    const struct pn_identity_search search = { .contains = in->search,
                                               .order = order_of(in->orderBy, in->orderDirection),
                                               .offset = in->offset,
                                               .limit = in->limit };

    return check_org(call, in->organizationId, err) && find_all(call, &search, out_, err);
}

/* ---- search ---- */

#define MAX_IN 50

struct condition_in {
    struct pn_str eq, contains;
    struct pn_strs in;
};
static const struct pn_field condition_in_fields[] = {
    { .name = "$eq",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct condition_in, eq),
      .max = 255 },
    { .name = "$contains",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct condition_in, contains),
      .max = 255 },
    { .name = "$in",
      .kind = PN_KIND_STRINGS,
      .offset = offsetof(struct condition_in, in),
      .max = MAX_IN,
      .item_max = 255 },
};
struct terms_in {
    struct pn_str name, role; /* a text, or a condition */
};
static const struct pn_field terms_in_fields[] = {
    PN_FIELD(terms_in, name, RAW),
    PN_FIELD(terms_in, role, RAW),
};
struct search_in {
    int orderBy, orderDirection;
    int64_t offset, limit;
    struct terms_in search;
};
static const struct pn_field search_in_fields[] = {
    PN_FIELD(search_in, orderBy, ENUM, .names = order_names),
    PN_FIELD(search_in, orderDirection, ENUM, .names = direction_names),
    PN_FIELD(search_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(search_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 50),
    PN_FIELD(search_in, search, OBJECT, .shape = PN_SHAPE(terms_in)),
};

/* Letters, digits, space, '_', '-' and '/' (§3). */
static bool is_searchable(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == ' ' || c == '_' || c == '-' || c == '/'))
            return false;
    }
    return true;
}

static bool read_condition(struct pn_call *call, const char *name, struct pn_str raw,
                           struct condition_in *out, struct pn_err *err)
{
    struct pn_str text = pn_str_trim(raw);
    bool is_fine;

    *out = (struct condition_in){ 0 };
    if (raw.ptr == NULL)
        return true;
    if (text.ptr[0] == '"')
        text = pn_arena_printf(call->arena, "{\"$eq\":%.*s}", PN_ARG(text));
    if (!pn_shape_parse(PN_SHAPE(condition_in), call->arena, text, out, err))
        return pn_recast(err, PN_BAD_REQUEST,
                         "search.%s is a text, or an object of $eq, $contains, $in", name);
    is_fine = is_searchable(out->eq) && is_searchable(out->contains);
    for (size_t i = 0; i < out->in.count; i++)
        is_fine = is_fine && is_searchable(out->in.items[i]);
    return is_fine ||
           pn_pam_invalid(call->arena, name,
                          "Only letters, digits, spaces, _, - and / can be searched for", err);
}

static bool search(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct search_in *in = in_;
    struct condition_in name, role;
    struct pn_identity_search wanted = { .order = order_of(in->orderBy, in->orderDirection),
                                         .offset = in->offset,
                                         .limit = in->limit };

    if (!read_condition(call, "name", in->search.name, &name, err) ||
        !read_condition(call, "role", in->search.role, &role, err))
        return false;
    wanted.name = name.eq;
    wanted.contains = name.contains;
    wanted.names = name.in;
    wanted.role = role.eq;
    wanted.roles = role.in;
    return find_all(call, &wanted, out_, err);
}

/* ---- those of a project (§5.1): the identity itself, whatever is done ---- */

struct own_create_in {
    struct pn_uuid projectId;
    struct pn_str name, metadata;
    bool hasDeleteProtection;
    struct pn_list roles;
};
static const struct pn_field own_create_in_fields[] = {
    PN_FIELD(own_create_in, projectId, UUID, .required = true),
    PN_FIELD(own_create_in, name, STRING, .required = true, .min = 1, .max = 255, .trim = true),
    PN_FIELD(own_create_in, hasDeleteProtection, BOOL),
    PN_FIELD(own_create_in, metadata, RAW),
    PN_FIELD(own_create_in, roles, OBJECTS, .max = PN_PROJECT_MAX_ROLES,
             .shape = &pn_role_item_view, .doc = "In the project; none: no-access"),
};

static bool create_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct own_create_in *in = in_;
    struct plain_out *out = out_;
    struct pn_identity_in fresh = { .name = in->name,
                                    .hasDeleteProtection = in->hasDeleteProtection,
                                    .has_metadata = in->metadata.ptr != NULL };
    struct pn_project_role *roles;

    return read_metadata(call->arena, in->metadata, &fresh.metadata, err) &&
           pn_role_items_read(call->arena, &in->roles, &roles, err) &&
           pn_identity_make_in(call, in->projectId, &fresh, roles, in->roles.count,
                               &out->identity.identity, err);
}

struct own_in {
    struct pn_uuid projectId, identityId;
};
static const struct pn_field own_in_fields[] = {
    PN_FIELD(own_in, projectId, UUID, .required = true),
    PN_FIELD(own_in, identityId, UUID, .required = true),
};

/* Whose it is is asked before anything is done to it. */
static bool check_own(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                      const char *action, struct pn_err *err)
{
    struct pn_identity identity;

    return pn_identity_permit_in(call, project, id, action, &identity, err);
}

static bool get_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct own_in *in = in_;
    struct plain_out *out = out_;

    return check_own(call, in->projectId, in->identityId, "read", err) &&
           pn_identity_get(call, in->identityId, &out->identity.identity, err);
}

struct own_change_in {
    struct pn_uuid projectId, identityId;
    struct pn_str name, metadata;
    bool hasDeleteProtection, has_protection;
};
static const struct pn_field own_change_in_fields[] = {
    PN_FIELD(own_change_in, projectId, UUID, .required = true),
    PN_FIELD(own_change_in, identityId, UUID, .required = true),
    PN_FIELD(own_change_in, name, STRING, .min = 1, .max = 255, .trim = true),
    PN_FIELD(own_change_in, hasDeleteProtection, BOOL,
             .has_offset = offsetof(struct own_change_in, has_protection)),
    PN_FIELD(own_change_in, metadata, RAW),
};

static bool change_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct own_change_in *in = in_;
    struct plain_out *out = out_;
    struct pn_identity_in to = { .name = in->name,
                                 .hasDeleteProtection = in->hasDeleteProtection,
                                 .has_protection = in->has_protection,
                                 .has_metadata = in->metadata.ptr != NULL };

    return check_own(call, in->projectId, in->identityId, "edit", err) &&
           read_metadata(call->arena, in->metadata, &to.metadata, err) &&
           pn_identity_edit(call, in->identityId, &to, &out->identity.identity, err);
}

static bool delete_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct own_in *in = in_;
    struct plain_out *out = out_;

    return check_own(call, in->projectId, in->identityId, "delete", err) &&
           pn_identity_delete(call, in->identityId, &out->identity.identity, err);
}

struct own_page_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int64_t offset, limit;
};
static const struct pn_field own_page_in_fields[] = {
    PN_FIELD(own_page_in, projectId, UUID, .required = true),
    PN_FIELD(own_page_in, search, STRING, .max = 255, .trim = true),
    PN_FIELD(own_page_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(own_page_in, limit, INT, .min = 1, .max = PN_IDENTITY_MAX_LISTED, .has_fallback = true,
             .fallback = 20),
};
struct own_list_out {
    struct pn_list identities;
    int64_t totalCount;
};
static const struct pn_field own_list_out_fields[] = {
    PN_FIELD(own_list_out, identities, OBJECTS, .shape = PN_SHAPE(plain)),
    PN_FIELD(own_list_out, totalCount, INT),
};

static bool list_own(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct own_page_in *in = in_;
    const struct pn_identity_search search = {
        .project = in->projectId, .contains = in->search, .offset = in->offset, .limit = in->limit
    };
    struct own_list_out *out = out_;
    struct plain *items;
    struct pn_list found;

    if (!pn_identity_list(call, &search, &found, &out->totalCount, err))
        return false;
    items = pn_new(call->arena, struct plain, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i].identity = ((const struct pn_identity *)found.items)[i];
    out->identities = (struct pn_list){ .items = items, .count = found.count };
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

#define OWN "/api/v1/projects/:projectId/identities"

const struct pn_route pn_identity_routes[] = {
    { PN_POST, "/api/v1/identities", .access = PN_BY_PEOPLE, .permission = "org identity:create",
      .rate = PN_RATE_WRITE, .audit = "create-identity", .in = PN_SHAPE(create_in),
      .out = PN_SHAPE(plain_out), .handle = create, .doc = "Makes a machine identity" },
    { PN_PATCH, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:edit", .rate = PN_RATE_WRITE, .audit = "update-identity",
      .in = PN_SHAPE(change_in), .out = PN_SHAPE(plain_out), .handle = change,
      .doc = "Changes an identity; metadata is replaced whole" },
    { PN_GET, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(one_out), .handle = get, .doc = "One identity" },
    { PN_DELETE, "/api/v1/identities/:identityId", .access = PN_BY_PEOPLE,
      .permission = "org identity:delete", .rate = PN_RATE_WRITE, .audit = "delete-identity",
      .in = PN_SHAPE(one_in), .out = PN_SHAPE(plain_out), .handle = delete_identity,
      .doc = "Deletes an identity with its tokens" },
    { PN_GET, "/api/v1/identities", .access = PN_BY_PEOPLE, .permission = "org identity:read",
      .rate = PN_RATE_READ, .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Identities of the organization" },
    { PN_POST, "/api/v1/identities/search", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(search_in),
      .out = PN_SHAPE(list_out), .handle = search, .doc = "Identities by name and role, in pages" },
    { PN_GET, "/api/v1/organizations/:organizationId/identities", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(page_in),
      .out = PN_SHAPE(list_out), .handle = list_page, .doc = "The same as a client asks for it" },
    { PN_GET, "/api/v2/organizations/:organizationId/identity-memberships", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(page_in),
      .out = &memberships_out, .handle = list_page,
      .doc = "Identities of the organization, in pages" },
    { PN_GET, "/api/v1/identities/:identityId/identity-memberships", .access = PN_BY_PEOPLE,
      .permission = "org identity:read", .rate = PN_RATE_READ, .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(projects_out), .handle = list_projects,
      .doc = "The projects that a machine identity belongs to" },
    { PN_POST, OWN, .access = PN_BY_PEOPLE, .permission = "project identity:create",
      .rate = PN_RATE_WRITE, .audit = "create-identity", .in = PN_SHAPE(own_create_in),
      .out = PN_SHAPE(plain_out), .handle = create_own,
      .doc = "Makes a machine identity that belongs to the project and ends with it" },
    { PN_GET, OWN, .access = PN_BY_PEOPLE, .permission = "project identity:read",
      .rate = PN_RATE_READ, .in = PN_SHAPE(own_page_in), .out = PN_SHAPE(own_list_out),
      .handle = list_own, .doc = "Machine identities that belong to the project" },
    { PN_GET, OWN "/:identityId", .access = PN_BY_PEOPLE, .permission = "project identity:read",
      .rate = PN_RATE_READ, .in = PN_SHAPE(own_in), .out = PN_SHAPE(plain_out), .handle = get_own,
      .doc = "One identity of the project" },
    { PN_PATCH, OWN "/:identityId", .access = PN_BY_PEOPLE, .permission = "project identity:edit",
      .rate = PN_RATE_WRITE, .audit = "update-identity", .in = PN_SHAPE(own_change_in),
      .out = PN_SHAPE(plain_out), .handle = change_own,
      .doc = "Changes an identity of the project; metadata is replaced whole" },
    { PN_DELETE, OWN "/:identityId", .access = PN_BY_PEOPLE,
      .permission = "project identity:delete", .rate = PN_RATE_WRITE, .audit = "delete-identity",
      .in = PN_SHAPE(own_in), .out = PN_SHAPE(plain_out), .handle = delete_own,
      .doc = "Deletes an identity of the project with its tokens" },
    { PN_GET, "/api/v1/identities/details", .access = PN_BY_IDENTITY, .permission = "itself",
      .rate = PN_RATE_READ, .out = PN_SHAPE(details_out), .handle = who_am_i,
      .doc = "The organization of the identity that asks" },
    { 0 },
};
