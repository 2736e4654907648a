/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes clusters that sessions lead to. Spec: pam-gateway §12.1, seed form. */
#include "core/org/names.h"
#include "core/pam/resource.h"
#include "core/pam/rules.h"
#include "server/api/pam.h"
#include "server/routes.h"

static const struct pn_field pn_pam_resource_fields[] = {
    PN_FIELD(pn_pam_resource, id, UUID),
    PN_FIELD(pn_pam_resource, projectId, UUID),
    PN_FIELD(pn_pam_resource, name, STRING),
    PN_FIELD(pn_pam_resource, description, STRING),
    PN_FIELD(pn_pam_resource, resourceType, STRING),
    PN_FIELD(pn_pam_resource, gatewayId, UUID),
    PN_FIELD(pn_pam_resource, gatewayName, STRING),
    PN_FIELD(pn_pam_resource, gatewayPoolId, UUID),
    PN_FIELD(pn_pam_resource, gatewayPoolName, STRING),
    PN_FIELD(pn_pam_resource, connectionDetails, OBJECT, .shape = &pn_pam_connection_view),
    PN_FIELD(pn_pam_resource, accountCount, INT),
    PN_FIELD(pn_pam_resource, createdAt, TIME),
    PN_FIELD(pn_pam_resource, updatedAt, TIME),
    PN_FIELD(pn_pam_resource, connectionTest, OBJECT, .shape = &pn_pam_test_view,
             .omit_empty = true, .has_offset = offsetof(struct pn_pam_resource, has_test),
             .doc = "Of a call that saved a cluster"),
};
static const struct pn_shape resource_shape = PN_SHAPE_OF(pn_pam_resource);

struct resource_out {
    struct pn_pam_resource resource;
};
static const struct pn_field resource_out_fields[] = {
    PN_FIELD(resource_out, resource, OBJECT, .shape = &resource_shape),
};
static const struct pn_shape out_shape = PN_SHAPE_OF(resource_out);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

/* ---- create ---- */

struct create_in {
    struct pn_uuid projectId, gatewayId, gatewayPoolId;
    struct pn_str name, description;
    struct pn_pam_details connectionDetails;
    bool skipConnectionTest;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, projectId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = PN_PAM_NAME_MAX,
             PN_NAME_SLUG),
    PN_FIELD(create_in, gatewayId, UUID, .is_nullable = true),
    PN_FIELD(create_in, gatewayPoolId, UUID, .is_nullable = true),
    PN_FIELD(create_in, description, STRING, .is_nullable = true, .max = 256),
    PN_FIELD(create_in, connectionDetails, OBJECT, .required = true,
             .shape = &pn_pam_new_details_shape),
    PN_PAM_SKIP_TEST(create_in),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct resource_out *out = out_;
    struct pn_pam_resource_change change = {
        .project_id = in->projectId,
        .name = in->name,
        .has_name = true,
        .description = in->description,
        .has_description = true,
        .cluster = pn_pam_details_change(&in->connectionDetails, true),
        .skips_test = in->skipConnectionTest,
    };

    change.cluster.gateway_id = in->gatewayId;
    change.cluster.has_gateway = true;
    change.cluster.pool_id = in->gatewayPoolId;
    change.cluster.has_pool = true;
    return pn_pam_resource_create(call, &change, &out->resource, err);
}

/* ---- show, list ---- */

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct resource_out *out = out_;

    return pn_pam_resource_get(call, in->id, &out->resource, err);
}

static const char *const by_name[] = { "name", NULL };
static const char *const directions[] = { "asc", "desc", NULL };

struct list_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int orderBy, orderDirection;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .required = true),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = PN_PAM_PAGE_MAX,
             .has_fallback = true),
    PN_FIELD(list_in, orderBy, ENUM, .names = by_name),
    PN_FIELD(list_in, orderDirection, ENUM, .names = directions),
};
struct list_out {
    struct pn_list resources;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, resources, OBJECTS, .shape = &resource_shape),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_pam_page page = { .project_id = in->projectId,
                                      .search = in->search,
                                      .is_descending = in->orderDirection == 1,
                                      .offset = in->offset,
                                      .limit = in->limit };

    return pn_pam_resource_list(call, &page, &out->resources, &out->totalCount, err);
}

/* ---- change, delete ---- */

struct patch_in {
    struct pn_uuid id, gatewayId, gatewayPoolId;
    struct pn_str name, description;
    struct pn_pam_details connectionDetails;
    bool has_name, has_description, has_gateway, has_pool, skipConnectionTest;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, name, STRING, .has_offset = offsetof(struct patch_in, has_name), .min = 1,
             .max = PN_PAM_NAME_MAX, PN_NAME_SLUG),
    PN_FIELD(patch_in, gatewayId, UUID, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_gateway)),
    PN_FIELD(patch_in, gatewayPoolId, UUID, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_pool)),
    PN_FIELD(patch_in, description, STRING, .is_nullable = true, .max = 256,
             .has_offset = offsetof(struct patch_in, has_description)),
    PN_FIELD(patch_in, connectionDetails, OBJECT, .shape = &pn_pam_details_shape),
    PN_PAM_SKIP_TEST(patch_in),
};

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct patch_in *in = in_;
    struct resource_out *out = out_;
    struct pn_pam_resource_change change = {
        .name = in->name,
        .has_name = in->has_name,
        .description = in->description,
        .has_description = in->has_description,
        .cluster = pn_pam_details_change(&in->connectionDetails, false),
        .skips_test = in->skipConnectionTest,
    };

    change.cluster.gateway_id = in->gatewayId;
    change.cluster.has_gateway = in->has_gateway;
    change.cluster.pool_id = in->gatewayPoolId;
    change.cluster.has_pool = in->has_pool;
    return pn_pam_resource_update(call, in->id, &change, &out->resource, err);
}

static bool delete (struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct resource_out *out = out_;

    return pn_pam_resource_delete(call, in->id, &out->resource, err);
}

const struct pn_route pn_pam_resources_routes[] = {
    { PN_POST, "/api/v1/pam/resources/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_SLOW, .permission = "project pam-resources:create",
      .audit = "pam-resource-create", .in = PN_SHAPE(create_in), .out = &out_shape,
      .handle = create,
      .doc = "Creates a Kubernetes resource; its cluster is tried through the gateway first." },
    { PN_GET, "/api/v1/pam/resources", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list, .doc = "Lists a project's resources by name." },
    { PN_GET, "/api/v1/pam/resources/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list,
      .doc = "The same: all resources are Kubernetes clusters." },
    { PN_GET, "/api/v1/pam/resources/kubernetes/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows a resource." },
    { PN_PATCH, "/api/v1/pam/resources/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW, .permission = "project pam-resources:edit",
      .audit = "pam-resource-update", .in = PN_SHAPE(patch_in), .out = &out_shape, .handle = patch,
      .doc = "Changes what is given of a resource; another cluster is tried first." },
    { PN_DELETE, "/api/v1/pam/resources/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-resources:delete",
      .audit = "pam-resource-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes a resource with its accounts and terminates their live sessions." },
    { 0 },
};
