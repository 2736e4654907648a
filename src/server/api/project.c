/* SPDX-License-Identifier: Apache-2.0 */
/* Projects, with the older paths that shipping clients call. Contract: platform.md §7.1, §7.2. */
#include "core/org/names.h"
#include "core/org/project.h"
#include "server/api/views.h"
#include "server/route.h"

/* One object under the name each generation of clients looks for it. */
struct project_out {
    struct pn_project project;
};
static const struct pn_field project_out_fields[] = {
    PN_FIELD(project_out, project, OBJECT, .shape = &pn_project_view),
};
static const struct pn_field workspace_out_fields[] = {
    { .name = "workspace",
      .kind = PN_KIND_OBJECT,
      .offset = offsetof(struct project_out, project),
      .shape = &pn_project_view },
};
static const struct pn_shape project_out = PN_SHAPE_OF(project_out);
static const struct pn_shape workspace_out = { "workspace_out", sizeof(struct project_out),
                                               workspace_out_fields, 1 };

struct list_out {
    struct pn_list projects;
    int64_t count;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, projects, OBJECTS, .shape = &pn_project_view),
};
static const struct pn_field workspaces_fields[] = {
    { .name = "workspaces",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct list_out, projects),
      .shape = &pn_project_view },
};
static const struct pn_field counted_fields[] = {
    PN_FIELD(list_out, projects, OBJECTS, .shape = &pn_project_view),
    PN_FIELD(list_out, count, INT),
};
static const struct pn_shape list_out = PN_SHAPE_OF(list_out);
static const struct pn_shape workspaces_out = { "workspaces_out", sizeof(struct list_out),
                                                workspaces_fields, 1 };
static const struct pn_shape counted_out = { "counted_out", sizeof(struct list_out), counted_fields,
                                             2 };

/* ---- reading ---- */

struct by_id {
    struct pn_uuid projectId;
};
static const struct pn_field by_id_fields[] = {
    PN_FIELD(by_id, projectId, UUID, .required = true),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct by_id *in = in_;
    struct project_out *out = out_;

    return pn_project_get(call, in->projectId, &out->project, err);
}

struct by_slug {
    struct pn_str slug;
};
static const struct pn_field by_slug_fields[] = {
    PN_FIELD(by_slug, slug, STRING, .required = true, .min = 1, .max = 64),
};

static bool get_by_slug(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct by_slug *in = in_;

    return pn_project_get_by_slug(call, in->slug, out, err);
}

static const char *const types[] = { "secret-manager",  "cert-manager", "kms", "ssh",
                                     "secret-scanning", "pam",          "ai",  NULL };

struct list_in {
    int type;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, type, ENUM, .names = types),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;

    return pn_project_list(call, in->type >= 0 ? pn_str_from(types[in->type]) : PN_NONE,
                           &out->projects, err);
}

struct all_in {
    struct pn_str search;
    int64_t offset, limit;
};
static const struct pn_field all_in_fields[] = {
    PN_FIELD(all_in, search, STRING, .max = 64, .lower = true),
    PN_FIELD(all_in, offset, INT, .min = 0, .max = 1000000),
    PN_FIELD(all_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 50),
};

static bool list_all(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct all_in *in = in_;
    struct list_out *out = out_;

    return pn_project_list_all(call, in->search, in->offset, in->limit, &out->projects, &out->count,
                               err);
}

/* ---- changing ---- */

struct create_in {
    struct pn_str projectName, projectDescription, slug;
    int type;
    bool shouldCreateDefaultEnvs, hasDeleteProtection;
};
static const struct pn_field create_in_fields[] = {
    PN_FIELD(create_in, projectName, STRING, .required = true, .min = 1, .max = 64, .trim = true),
    PN_FIELD(create_in, projectDescription, STRING, .max = 256, .trim = true, .is_nullable = true),
    PN_FIELD(create_in, slug, STRING, .min = 5, .max = 36, PN_NAME_SLUG),
    PN_FIELD(create_in, type, ENUM, .names = types, .has_fallback = true, .fallback = 0),
    PN_FIELD(create_in, shouldCreateDefaultEnvs, BOOL, .has_fallback = true, .fallback = 1),
    PN_FIELD(create_in, hasDeleteProtection, BOOL),
};

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    struct project_out *out = out_;
    const struct pn_project_new fresh = { .name = in->projectName,
                                          .description = in->projectDescription,
                                          .slug = in->slug,
                                          .type = pn_str_from(types[in->type]),
                                          .has_default_environments = in->shouldCreateDefaultEnvs,
                                          .has_delete_protection = in->hasDeleteProtection };

    return pn_project_create(call, &fresh, &out->project, err);
}

struct change_in {
    struct pn_uuid projectId;
    struct pn_str name, description, slug;
    bool hasDeleteProtection, has_hasDeleteProtection;
    bool autoCapitalization, has_autoCapitalization;
};
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, projectId, UUID, .required = true),
    PN_FIELD(change_in, name, STRING, .min = 1, .max = 64, .trim = true),
    PN_FIELD(change_in, description, STRING, .max = 256, .trim = true, .is_nullable = true),
    PN_FIELD(change_in, slug, STRING, .min = 1, .max = 64, PN_NAME_PROJECT_SLUG),
    PN_FIELD(change_in, hasDeleteProtection, BOOL,
             .has_offset = offsetof(struct change_in, has_hasDeleteProtection)),
    PN_FIELD(change_in, autoCapitalization, BOOL,
             .has_offset = offsetof(struct change_in, has_autoCapitalization)),
};

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct project_out *out = out_;
    const struct pn_project_change wanted = {
        .name = in->name,
        .description = in->description,
        .slug = in->slug,
        .has_delete_protection = in->has_hasDeleteProtection ? in->hasDeleteProtection : -1,
        .auto_capitalization = in->has_autoCapitalization ? in->autoCapitalization : -1,
    };

    return pn_project_change(call, in->projectId, &wanted, &out->project, err);
}

static bool delete_project(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct by_id *in = in_;
    struct project_out *out = out_;

    return pn_project_delete(call, in->projectId, &out->project, err);
}

static bool delete_by_slug(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct by_slug *in = in_;
    struct pn_project found;

    return pn_project_get_by_slug(call, in->slug, &found, err) &&
           pn_project_delete(call, found.id, out, err);
}

struct retention_in {
    struct pn_str slug;
    int64_t auditLogsRetentionDays;
};
static const struct pn_field retention_in_fields[] = {
    PN_FIELD(retention_in, slug, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(retention_in, auditLogsRetentionDays, INT, .required = true, .min = 0,
             .max = PN_PROJECT_MAX_RETENTION_DAYS, .doc = "0: for good"),
};

static bool set_retention(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct retention_in *in = in_;
    struct project_out *out = out_;
    struct pn_project found;

    return pn_project_get_by_slug(call, in->slug, &found, err) &&
           pn_project_set_retention(call, found.id, in->auditLogsRetentionDays, &out->project, err);
}

/* The same service under its paths: method, path, and the shape of its answer. */
#define CREATE(at)                                                                                \
    {                                                                                             \
        PN_POST, at, .access = PN_BY_PEOPLE, .permission = "org workspace:create",                \
                     .rate = PN_RATE_WRITE, .audit = "create-project", .in = PN_SHAPE(create_in), \
                     .out = &project_out, .handle = create,                                       \
                     .doc = "Makes a project; its maker administers it"                           \
    }
#define LIST(at, shape)                                                                   \
    {                                                                                     \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = "member", .rate = PN_RATE_READ, \
                    .in = PN_SHAPE(list_in), .out = shape, .handle = list,                \
                    .doc = "Projects the caller belongs to"                               \
    }
#define GET(at, shape)                                                                       \
    {                                                                                        \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = "member", .rate = PN_RATE_READ,    \
                    .in = PN_SHAPE(by_id), .out = shape, .handle = get, .doc = "One project" \
    }
#define GET_BY_SLUG(at)                                                                      \
    {                                                                                        \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = "member", .rate = PN_RATE_READ,    \
                    .in = PN_SHAPE(by_slug), .out = &pn_project_view, .handle = get_by_slug, \
                    .doc = "One project by its slug, at the top level of the answer"         \
    }
#define CHANGE(at, shape)                                                                          \
    {                                                                                              \
        PN_PATCH, at, .access = PN_BY_PEOPLE, .permission = "project settings:edit",               \
                      .rate = PN_RATE_WRITE, .audit = "update-project", .in = PN_SHAPE(change_in), \
                      .out = shape, .handle = change, .doc = "Changes a project"                   \
    }
#define DELETE(at, shape)                                                                       \
    {                                                                                           \
        PN_DELETE, at, .access = PN_BY_PEOPLE, .permission = "project workspace:delete",        \
                       .rate = PN_RATE_WRITE, .audit = "delete-project", .in = PN_SHAPE(by_id), \
                       .out = shape, .handle = delete_project,                                  \
                       .doc = "Deletes a project with everything in it"                         \
    }

const struct pn_route pn_project_routes[] = {
    CREATE("/api/v1/projects"),
    LIST("/api/v1/projects", &list_out),
    GET("/api/v1/projects/:projectId", &project_out),
    GET_BY_SLUG("/api/v1/projects/slug/:slug"),
    CHANGE("/api/v1/projects/:projectId", &project_out),
    DELETE("/api/v1/projects/:projectId", &project_out),

    CREATE("/api/v2/workspace"),
    LIST("/api/v1/workspace", &workspaces_out),
    GET("/api/v1/workspace/:projectId", &workspace_out),
    GET_BY_SLUG("/api/v1/workspace/slug/:slug"),
    GET_BY_SLUG("/api/v2/workspace/:slug"),
    CHANGE("/api/v1/workspace/:projectId", &workspace_out),
    DELETE("/api/v1/workspace/:projectId", &workspace_out),
    { PN_DELETE, "/api/v2/workspace/:slug", .access = PN_BY_PEOPLE,
      .permission = "project workspace:delete", .rate = PN_RATE_WRITE, .audit = "delete-project",
      .in = PN_SHAPE(by_slug), .out = &pn_project_view, .handle = delete_by_slug,
      .doc = "Deletes a project by its slug" },

    { PN_PUT, "/api/v1/workspace/:slug/audit-logs-retention", .access = PN_BY_PEOPLE,
      .permission = "project workspace:edit", .rate = PN_RATE_WRITE, .audit = "update-project",
      .in = PN_SHAPE(retention_in), .out = &workspace_out, .handle = set_retention,
      .doc = "For how many days the project's audit rows are kept" },

    { PN_GET, "/api/v1/org-admin/projects", .access = PN_BY_PEOPLE,
      .permission = "org organization-admin-console:access-all-projects", .rate = PN_RATE_READ,
      .in = PN_SHAPE(all_in), .out = &counted_out, .handle = list_all,
      .doc = "All projects of the organization" },
    { 0 },
};
