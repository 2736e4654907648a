/* SPDX-License-Identifier: Apache-2.0 */
/* Custom roles of organizations (platform.md §6.4) and projects (§7.5), under every generation's paths. */
#include "core/org/role.h"

#include "core/org/names.h"
#include "core/org/project.h"
#include "server/route.h"

/* What a request may say. Where a role belongs is a matter of the path: each path has its own tables. */
struct role_in {
    struct pn_uuid organizationId, projectId, roleId;
    struct pn_str projectSlug, slug, name, description, permissions;
};

#define ROLE_ID PN_FIELD(role_in, roleId, UUID, .required = true)
#define ROLE_SLUG PN_FIELD(role_in, slug, STRING, .required = true, .min = 1, .max = 64)
#define CONTENT(is_needed)                                                                      \
    PN_FIELD(role_in, slug, STRING, .required = is_needed, .min = 1, .max = 64, .trim = true,   \
             PN_NAME_SLUG),                                                                     \
        PN_FIELD(role_in, name, STRING, .required = is_needed, .min = 1, .max = 255,            \
                 .trim = true),                                                                 \
        PN_FIELD(role_in, description, STRING, .max = 1024, .trim = true, .is_nullable = true), \
        PN_FIELD(role_in, permissions, RAW, .required = is_needed)
#define TABLES(place, where)                                                         \
    static const struct pn_field place##_list_fields[] = { where };                  \
    static const struct pn_field place##_one_fields[] = { where, ROLE_ID };          \
    static const struct pn_field place##_slug_fields[] = { where, ROLE_SLUG };       \
    static const struct pn_field place##_create_fields[] = { where, CONTENT(true) }; \
    static const struct pn_field place##_change_fields[] = { where, ROLE_ID, CONTENT(false) }
#define IN(table) \
    (&(const struct pn_shape){ "role_in", sizeof(struct role_in), table, PN_COUNT(table) })

TABLES(of_org, PN_FIELD(role_in, organizationId, UUID));
TABLES(of_project, PN_FIELD(role_in, projectId, UUID, .required = true));
TABLES(of_slug, PN_FIELD(role_in, projectSlug, STRING, .required = true, .min = 1, .max = 64));
static const struct pn_field alone_fields[] = { ROLE_ID };

#define SHOWN                                                                                      \
    PN_FIELD(pn_role, id, UUID), PN_FIELD(pn_role, name, STRING), PN_FIELD(pn_role, slug, STRING), \
        PN_FIELD(pn_role, description, STRING), PN_FIELD(pn_role, createdAt, TIME),                \
        PN_FIELD(pn_role, updatedAt, TIME)
#define PERMISSIONS PN_FIELD(pn_role, permissions, RAW)
static const struct pn_field org_fields[] = { SHOWN, PN_FIELD(pn_role, orgId, UUID), PERMISSIONS };
static const struct pn_field project_fields[] = { SHOWN, PN_FIELD(pn_role, projectId, UUID),
                                                  PN_FIELD(pn_role, version, INT), PERMISSIONS };
static const struct pn_shape org_view = { "org_role", sizeof(struct pn_role), org_fields,
                                          PN_COUNT(org_fields) };
static const struct pn_shape project_view = { "project_role", sizeof(struct pn_role),
                                              project_fields, PN_COUNT(project_fields) };
/* Lists of a project's roles leave out their rules. */
static const struct pn_shape project_item = { "project_role_item", sizeof(struct pn_role),
                                              project_fields, PN_COUNT(project_fields) - 1 };

struct role_out {
    struct pn_role role;
};
static const struct pn_field org_out_fields[] = {
    PN_FIELD(role_out, role, OBJECT, .shape = &org_view),
};
static const struct pn_field project_out_fields[] = {
    PN_FIELD(role_out, role, OBJECT, .shape = &project_view),
};
static const struct pn_shape org_out = { "org_role_out", sizeof(struct role_out), org_out_fields,
                                         1 };
static const struct pn_shape project_out = { "project_role_out", sizeof(struct role_out),
                                             project_out_fields, 1 };
struct roles_out {
    struct pn_list roles;
};
static const struct pn_field org_roles_fields[] = {
    PN_FIELD(roles_out, roles, OBJECTS, .shape = &org_view, .max = PN_ROLE_MAX + 8),
};
static const struct pn_field project_roles_fields[] = {
    PN_FIELD(roles_out, roles, OBJECTS, .shape = &project_item, .max = PN_ROLE_MAX + 8),
};
static const struct pn_shape org_roles = { "org_roles", sizeof(struct roles_out), org_roles_fields,
                                           1 };
static const struct pn_shape project_roles = { "project_roles", sizeof(struct roles_out),
                                               project_roles_fields, 1 };
/* The extra level is real, and only organizations' lists have it. */
struct data_out {
    struct roles_out data;
};
static const struct pn_field data_out_fields[] = {
    PN_FIELD(data_out, data, OBJECT, .shape = &org_roles),
};

/* ---- handlers ---- */

/* The project that the path means; zero: the caller's organization. */
static bool find_place(struct pn_call *call, const struct role_in *in, struct pn_uuid *project,
                       struct pn_err *err)
{
    struct pn_project found;

    if (!pn_uuid_is_zero(in->organizationId) && !pn_uuid_eq(in->organizationId, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    *project = in->projectId;
    if (in->projectSlug.ptr == NULL)
        return true;
    if (!pn_project_get_by_slug(call, in->projectSlug, &found, err))
        return false;
    *project = found.id;
    return true;
}

static struct pn_role_new content(const struct role_in *in)
{
    return (struct pn_role_new){ .slug = in->slug,
                                 .name = in->name,
                                 .description = in->description,
                                 .permissions = in->permissions };
}

static bool list(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct roles_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) && pn_role_list(call, project, &out->roles, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    struct role_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) &&
           pn_role_get(call, project, in->roleId, &out->role, err);
}

static bool get_by_slug(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    struct role_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) &&
           pn_role_get_by_slug(call, project, in->slug, &out->role, err);
}

static bool get_alone(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    struct role_out *out = out_;

    return pn_role_get_alone(call, in->roleId, &out->role, err);
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    const struct pn_role_new wanted = content(in);
    struct role_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) &&
           pn_role_create(call, project, &wanted, &out->role, err);
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    const struct pn_role_new wanted = content(in);
    struct role_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) &&
           pn_role_change(call, project, in->roleId, &wanted, &out->role, err);
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct role_in *in = in_;
    struct role_out *out = out_;
    struct pn_uuid project;

    return find_place(call, in, &project, err) &&
           pn_role_delete(call, project, in->roleId, &out->role, err);
}

/* ---- the rows ---- */

#define READS(at, who, fields, shape, what, says)                                                 \
    {                                                                                             \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = who " role:read", .rate = PN_RATE_READ, \
                    .in = IN(fields), .out = shape, .handle = what, .doc = says                   \
    }
#define WRITES(method, at, who, action, fields, shape, what, says)                       \
    {                                                                                    \
        method, at, .access = PN_BY_PEOPLE, .permission = who " role:" action,           \
                    .rate = PN_RATE_WRITE, .audit = what##_event(who), .in = IN(fields), \
                    .out = shape, .handle = what, .doc = says                            \
    }
#define create_event(who) "create-" who "-role"
#define change_event(who) "update-" who "-role"
#define delete_one_event(who) "delete-" who "-role"
/* The rows of one base path; its list is apart. */
#define ROLES(base, place, who, shape)                                                           \
    WRITES(PN_POST, base, who, "create", place##_create_fields, shape, create,                   \
           "Makes a custom role"),                                                               \
        READS(base "/slug/:slug", who, place##_slug_fields, shape, get_by_slug,                  \
              "One role by its slug"),                                                           \
        WRITES(PN_PATCH, base "/:roleId", who, "edit", place##_change_fields, shape, change,     \
               "Changes a custom role, for all who hold it"),                                    \
        WRITES(PN_DELETE, base "/:roleId", who, "delete", place##_one_fields, shape, delete_one, \
               "Removes a custom role that nobody holds")
#define ORG_ROLES(base)                                              \
    READS(base, "org", of_org_list_fields, PN_SHAPE(data_out), list, \
          "Roles, built-in and custom"),                             \
        ROLES(base, of_org, "org", &org_out),                        \
        READS(base "/:roleId", "org", of_org_one_fields, &org_out, get, "One role")
#define PROJECT_ROLES(base, place)                                    \
    READS(base, "project", place##_list_fields, &project_roles, list, \
          "Roles, built-in and custom, without their rules"),         \
        ROLES(base, place, "project", &project_out)

const struct pn_route pn_roles_routes[] = {
    ORG_ROLES("/api/v1/organization/:organizationId/roles"),
    ORG_ROLES("/api/v1/organization/roles"),
    PROJECT_ROLES("/api/v1/projects/:projectId/roles", of_project),
    PROJECT_ROLES("/api/v2/workspace/:projectId/roles", of_project),
    PROJECT_ROLES("/api/v1/workspace/:projectSlug/roles", of_slug),
    READS("/api/v1/projects/roles/:roleId", "project", alone_fields, &project_out, get_alone,
          "One custom role by its id alone"),
    { 0 },
};
