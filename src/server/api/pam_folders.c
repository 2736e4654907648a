/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of accounts, in the words of the API's current form: the same rows as resources. Spec: pam-gateway §11.1. */
#include "core/pam/resource.h"
#include "core/pam/rules.h"
#include "server/api/pam.h"
#include "server/routes.h"

#define MAX_DESCRIPTION 256

static const struct pn_field folder_fields[] = {
    PN_FIELD(pn_pam_resource, id, UUID),          PN_FIELD(pn_pam_resource, projectId, UUID),
    PN_FIELD(pn_pam_resource, name, STRING),      PN_FIELD(pn_pam_resource, description, STRING),
    PN_FIELD(pn_pam_resource, accountCount, INT), PN_FIELD(pn_pam_resource, createdAt, TIME),
    PN_FIELD(pn_pam_resource, updatedAt, TIME),
};
static const struct pn_shape folder_shape = { "pn_pam_folder", sizeof(struct pn_pam_resource),
                                              folder_fields, PN_COUNT(folder_fields) };

struct folder_out {
    struct pn_pam_resource folder;
};
static const struct pn_field folder_out_fields[] = {
    PN_FIELD(folder_out, folder, OBJECT, .shape = &folder_shape),
};
static const struct pn_shape out_shape = PN_SHAPE_OF(folder_out);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

struct list_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .doc = "Without it: the caller's one project for access"),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = PN_PAM_PAGE_MAX,
             .has_fallback = true),
};
struct list_out {
    struct pn_list folders;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, folders, OBJECTS, .shape = &folder_shape),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    struct pn_pam_page page = { .search = in->search, .offset = in->offset, .limit = in->limit };

    return pn_pam_project_of(call, in->projectId, &page.project_id, err) &&
           pn_pam_resource_list(call, &page, &out->folders, &out->totalCount, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct folder_out *out = out_;

    return pn_pam_resource_get(call, in->id, &out->folder, err);
}

struct create_in {
    struct pn_uuid projectId;
    struct pn_str name, description;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, projectId, UUID, .is_nullable = true,
             .doc = "Without it: the caller's one project for access"),
    PN_FIELD(create_in, name, STRING, .required = true, .trim = true, .min = 1,
             .max = PN_PAM_NAME_MAX, .check = pn_pam_is_account_name, .rule = PN_PAM_NAME_RULE),
    PN_FIELD(create_in, description, STRING, .is_nullable = true, .trim = true,
             .max = MAX_DESCRIPTION),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct folder_out *out = out_;
    struct pn_pam_resource_change change = { .name = in->name,
                                             .has_name = true,
                                             .description = in->description,
                                             .has_description = true,
                                             .is_folder = true };

    return pn_pam_project_of(call, in->projectId, &change.project_id, err) &&
           pn_pam_resource_create(call, &change, &out->folder, err);
}

struct patch_in {
    struct pn_uuid id;
    struct pn_str name, description;
    bool has_name, has_description;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, name, STRING, .trim = true, .min = 1, .max = PN_PAM_NAME_MAX,
             .has_offset = offsetof(struct patch_in, has_name), .check = pn_pam_is_account_name,
             .rule = PN_PAM_NAME_RULE),
    PN_FIELD(patch_in, description, STRING, .is_nullable = true, .trim = true,
             .has_offset = offsetof(struct patch_in, has_description), .max = MAX_DESCRIPTION),
};

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct patch_in *in = in_;
    struct folder_out *out = out_;
    const struct pn_pam_resource_change change = { .name = in->name,
                                                   .has_name = in->has_name,
                                                   .description = in->description,
                                                   .has_description = in->has_description,
                                                   .is_folder = true };

    return pn_pam_resource_update(call, in->id, &change, &out->folder, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct folder_out *out = out_;

    return pn_pam_folder_delete(call, in->id, &out->folder, err);
}

const struct pn_route pn_pam_folders_routes[] = {
    { PN_GET, "/api/v1/pam/folders", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Lists folders by name: a resource is one, too." },
    { PN_POST, "/api/v1/pam/folders", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:create",
      .audit = "pam-folder-create", .in = PN_SHAPE(create_in), .out = &out_shape, .handle = create,
      .doc = "Creates a folder, whose accounts say where their cluster is." },
    { PN_GET, "/api/v1/pam/folders/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows a folder." },
    { PN_PATCH, "/api/v1/pam/folders/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:edit",
      .audit = "pam-folder-update", .in = PN_SHAPE(patch_in), .out = &out_shape, .handle = patch,
      .doc = "Changes a folder's name or description." },
    { PN_DELETE, "/api/v1/pam/folders/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:delete",
      .audit = "pam-folder-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes a folder that no account is in." },
    { 0 },
};
