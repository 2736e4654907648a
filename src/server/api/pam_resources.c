/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes clusters that sessions lead to. Spec: pam-gateway §12.1, seed form. */
#include "core/org/names.h"
#include "core/pam/resource.h"
#include "core/pam/rules.h"
#include "server/routes.h"

#define URL_RULE "Use https://host[:port][/path] without user, query or fragment"

static const struct pn_field pn_pam_connection_fields[] = {
    PN_FIELD(pn_pam_connection, url, STRING),
    PN_FIELD(pn_pam_connection, sslRejectUnauthorized, BOOL),
    PN_FIELD(pn_pam_connection, sslCertificate, STRING),
};
static const struct pn_shape connection_shape = PN_SHAPE_OF(pn_pam_connection);

static const struct pn_field pn_pam_resource_fields[] = {
    PN_FIELD(pn_pam_resource, id, UUID),
    PN_FIELD(pn_pam_resource, projectId, UUID),
    PN_FIELD(pn_pam_resource, name, STRING),
    PN_FIELD(pn_pam_resource, resourceType, STRING),
    PN_FIELD(pn_pam_resource, gatewayId, UUID),
    PN_FIELD(pn_pam_resource, gatewayName, STRING),
    PN_FIELD(pn_pam_resource, gatewayPoolId, UUID),
    PN_FIELD(pn_pam_resource, gatewayPoolName, STRING),
    PN_FIELD(pn_pam_resource, connectionDetails, OBJECT, .shape = &connection_shape),
    PN_FIELD(pn_pam_resource, accountCount, INT),
    PN_FIELD(pn_pam_resource, createdAt, TIME),
    PN_FIELD(pn_pam_resource, updatedAt, TIME),
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

struct details {
    struct pn_str url, sslCertificate;
    bool sslRejectUnauthorized, has_url, has_certificate, has_reject;
};

#define DETAILS_CERTIFICATE                                                              \
    PN_FIELD(details, sslCertificate, STRING, .is_nullable = true, .max = PN_PAM_CA_MAX, \
             .has_offset = offsetof(struct details, has_certificate), .doc = "PEM bundle")
#define DETAILS_REJECT                                                             \
    PN_FIELD(details, sslRejectUnauthorized, BOOL,                                 \
             .has_offset = offsetof(struct details, has_reject), .fallback = true, \
             .has_fallback = true)

static const struct pn_field new_details_fields[] = {
    PN_FIELD(details, url, STRING, .required = true, .min = 1, .max = PN_PAM_URL_MAX,
             .check = pn_pam_is_url, .rule = URL_RULE),
    DETAILS_REJECT,
    DETAILS_CERTIFICATE,
};
static const struct pn_shape new_details_shape = { "new_details", sizeof(struct details),
                                                   new_details_fields,
                                                   PN_COUNT(new_details_fields) };

struct create_in {
    struct pn_uuid projectId, gatewayId, gatewayPoolId;
    struct pn_str name;
    struct details connectionDetails;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, projectId, UUID, .required = true),
    PN_FIELD(create_in, name, STRING, .required = true, .min = 1, .max = PN_PAM_NAME_MAX,
             PN_NAME_SLUG),
    PN_FIELD(create_in, gatewayId, UUID, .is_nullable = true),
    PN_FIELD(create_in, gatewayPoolId, UUID, .is_nullable = true),
    PN_FIELD(create_in, connectionDetails, OBJECT, .required = true, .shape = &new_details_shape),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct resource_out *out = out_;
    const struct pn_pam_resource_change change = {
        .project_id = in->projectId,
        .name = in->name,
        .has_name = true,
        .url = in->connectionDetails.url,
        .has_url = true,
        .is_verified = in->connectionDetails.sslRejectUnauthorized,
        .has_verified = true,
        .ca_certificate = in->connectionDetails.sslCertificate,
        .has_ca = true,
        .gateway_id = in->gatewayId,
        .has_gateway = true,
        .pool_id = in->gatewayPoolId,
        .has_pool = true,
    };

    return pn_pam_resource_create(call, &change, &out->resource, err);
}

/* ---- show, list ---- */

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct resource_out *out = out_;

    return pn_pam_resource_get(call, in->id, &out->resource, err);
}

struct list_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .required = true),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = 20,
             .has_fallback = true),
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
    const struct pn_pam_page page = {
        .project_id = in->projectId, .search = in->search, .offset = in->offset, .limit = in->limit
    };

    return pn_pam_resource_list(call, &page, &out->resources, &out->totalCount, err);
}

/* ---- change, delete ---- */

static const struct pn_field details_fields[] = {
    PN_FIELD(details, url, STRING, .has_offset = offsetof(struct details, has_url), .min = 1,
             .max = PN_PAM_URL_MAX, .check = pn_pam_is_url, .rule = URL_RULE),
    DETAILS_REJECT,
    DETAILS_CERTIFICATE,
};
static const struct pn_shape details_shape = PN_SHAPE_OF(details);

struct patch_in {
    struct pn_uuid id, gatewayId, gatewayPoolId;
    struct pn_str name;
    struct details connectionDetails;
    bool has_name, has_gateway, has_pool;
};
static const struct pn_field patch_in_fields[] = {
    PN_FIELD(patch_in, id, UUID, .required = true),
    PN_FIELD(patch_in, name, STRING, .has_offset = offsetof(struct patch_in, has_name), .min = 1,
             .max = PN_PAM_NAME_MAX, PN_NAME_SLUG),
    PN_FIELD(patch_in, gatewayId, UUID, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_gateway)),
    PN_FIELD(patch_in, gatewayPoolId, UUID, .is_nullable = true,
             .has_offset = offsetof(struct patch_in, has_pool)),
    PN_FIELD(patch_in, connectionDetails, OBJECT, .shape = &details_shape),
};

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct patch_in *in = in_;
    const struct details *d = &in->connectionDetails;
    struct resource_out *out = out_;
    const struct pn_pam_resource_change change = {
        .name = in->name,
        .has_name = in->has_name,
        .url = d->url,
        .has_url = d->has_url,
        .is_verified = d->sslRejectUnauthorized,
        .has_verified = d->has_reject,
        .ca_certificate = d->sslCertificate,
        .has_ca = d->has_certificate,
        .gateway_id = in->gatewayId,
        .has_gateway = in->has_gateway,
        .pool_id = in->gatewayPoolId,
        .has_pool = in->has_pool,
    };

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
      .lane = PN_LANE_FAST, .permission = "project pam-resources:create",
      .audit = "pam-resource-create", .in = PN_SHAPE(create_in), .out = &out_shape,
      .handle = create, .doc = "Creates a Kubernetes resource." },
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
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-resources:edit",
      .audit = "pam-resource-update", .in = PN_SHAPE(patch_in), .out = &out_shape, .handle = patch,
      .doc = "Changes what is given of a resource." },
    { PN_DELETE, "/api/v1/pam/resources/kubernetes/:id", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST, .permission = "project pam-resources:delete",
      .audit = "pam-resource-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes a resource with its accounts and terminates their live sessions." },
    { 0 },
};
