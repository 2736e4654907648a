/* SPDX-License-Identifier: Apache-2.0 */
/* Environments of projects, under the paths of both generations. Contract: platform.md §9.1. */
#include "core/org/environment.h"
#include "core/org/names.h"
#include "server/route.h"

static const struct pn_field pn_environment_row_fields[] = {
    PN_FIELD(pn_environment_row, id, UUID),        PN_FIELD(pn_environment_row, name, STRING),
    PN_FIELD(pn_environment_row, slug, STRING),    PN_FIELD(pn_environment_row, position, INT),
    PN_FIELD(pn_environment_row, projectId, UUID), PN_FIELD(pn_environment_row, createdAt, TIME),
    PN_FIELD(pn_environment_row, updatedAt, TIME),
};
static const struct pn_shape view = PN_SHAPE_OF(pn_environment_row);

struct changed_out {
    struct pn_str message;
    struct pn_uuid workspace;
    struct pn_environment_row environment;
};
static const struct pn_field changed_out_fields[] = {
    PN_FIELD(changed_out, message, STRING),
    PN_FIELD(changed_out, workspace, UUID),
    PN_FIELD(changed_out, environment, OBJECT, .shape = &view),
};
static const struct pn_shape changed_out = PN_SHAPE_OF(changed_out);

struct one_out {
    struct pn_environment_row environment;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, environment, OBJECT, .shape = &view),
};
static const struct pn_shape one_out = PN_SHAPE_OF(one_out);

struct list_out {
    struct pn_list environments;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, environments, OBJECTS, .shape = &view),
};
static const struct pn_shape list_out = PN_SHAPE_OF(list_out);

struct env_in {
    struct pn_uuid projectId, envId;
    struct pn_str name, slug;
    int64_t position;
};
#define PROJECT PN_FIELD(env_in, projectId, UUID, .required = true)
#define ID PN_FIELD(env_in, envId, UUID, .required = true)
#define NAME(...) PN_FIELD(env_in, name, STRING, .min = 1, .max = 64, .trim = true, __VA_ARGS__)
#define SLUG(...) \
    PN_FIELD(env_in, slug, STRING, .min = 1, .max = 64, .trim = true, PN_NAME_SLUG, __VA_ARGS__)
#define POSITION PN_FIELD(env_in, position, INT, .min = 1, .max = PN_ENVIRONMENT_MAX)
static const struct pn_field create_fields[] = { PROJECT, NAME(.required = true),
                                                 SLUG(.required = true), POSITION };
static const struct pn_field change_fields[] = { PROJECT, ID, NAME(), SLUG(), POSITION };
static const struct pn_field in_project_fields[] = { PROJECT };
static const struct pn_field by_id_fields[] = { PROJECT, ID };
static const struct pn_field by_id_alone_fields[] = { ID };
static const struct pn_field by_slug_fields[] = { PROJECT, SLUG(.required = true) };
#define IN(fields)                                               \
    {                                                            \
#        fields, sizeof(struct env_in), fields, PN_COUNT(fields) \
    }
static const struct pn_shape create_in = IN(create_fields), change_in = IN(change_fields),
                             in_project = IN(in_project_fields), by_id = IN(by_id_fields),
                             by_id_alone = IN(by_id_alone_fields), by_slug = IN(by_slug_fields);

static struct pn_environment_change wanted(const struct env_in *in)
{
    return (struct pn_environment_change){ .name = in->name,
                                           .slug = in->slug,
                                           .position = in->position };
}

static void say(struct changed_out *out, const struct env_in *in, const char *message)
{
    out->message = pn_str_from(message);
    out->workspace = in->projectId;
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct env_in *in = in_;
    struct pn_environment_change want = wanted(in);
    struct changed_out *out = out_;

    say(out, in, "Successfully created environment");
    return pn_environment_create(call, in->projectId, &want, &out->environment, err);
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct env_in *in = in_;
    struct pn_environment_change want = wanted(in);
    struct changed_out *out = out_;

    say(out, in, "Successfully updated environment");
    return pn_environment_update(call, in->projectId, in->envId, &want, &out->environment, err);
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct env_in *in = in_;
    struct changed_out *out = out_;

    say(out, in, "Successfully deleted environment");
    return pn_environment_delete(call, in->projectId, in->envId, &out->environment, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct env_in *in = in_;
    struct one_out *out = out_;

    return pn_environment_get(call, in->projectId, in->envId, &out->environment, err);
}

static bool get_by_slug(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct env_in *in = in_;

    return pn_environment_get_by_slug(call, in->projectId, in->slug, out, err);
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct env_in *in = in_;
    struct list_out *out = out_;

    return pn_environment_list(call, in->projectId, &out->environments, err);
}

/* The same service below `at`, once for each generation of clients. */
#define ROUTES(at)                                                                      \
    { PN_POST,                                                                          \
      at "/:projectId/environments",                                                    \
      .access = PN_BY_PEOPLE,                                                           \
      .rate = PN_RATE_WRITE,                                                            \
      .permission = "project environments:create",                                      \
      .audit = "create-environment",                                                    \
      .in = &create_in,                                                                 \
      .out = &changed_out,                                                              \
      .handle = create,                                                                 \
      .doc = "Makes an environment" },                                                  \
        { PN_GET,                                                                       \
          at "/:projectId/environments",                                                \
          .access = PN_BY_PEOPLE,                                                       \
          .rate = PN_RATE_READ,                                                         \
          .permission = "project environments:read",                                    \
          .in = &in_project,                                                            \
          .out = &list_out,                                                             \
          .handle = list,                                                               \
          .doc = "The environments of a project, in their order" },                     \
        { PN_GET,                                                                       \
          at "/:projectId/environments/:envId",                                         \
          .access = PN_BY_PEOPLE,                                                       \
          .rate = PN_RATE_READ,                                                         \
          .permission = "project environments:read",                                    \
          .in = &by_id,                                                                 \
          .out = &one_out,                                                              \
          .handle = get,                                                                \
          .doc = "One environment" },                                                   \
        { PN_GET,                                                                       \
          at "/:projectId/environments/slug/:slug",                                     \
          .access = PN_BY_PEOPLE,                                                       \
          .rate = PN_RATE_READ,                                                         \
          .permission = "project environments:read",                                    \
          .in = &by_slug,                                                               \
          .out = &view,                                                                 \
          .handle = get_by_slug,                                                        \
          .doc = "One environment by its slug, at the top level of the answer" },       \
        { PN_PATCH,                                                                     \
          at "/:projectId/environments/:envId",                                         \
          .access = PN_BY_PEOPLE,                                                       \
          .rate = PN_RATE_WRITE,                                                        \
          .permission = "project environments:edit",                                    \
          .audit = "update-environment",                                                \
          .in = &change_in,                                                             \
          .out = &changed_out,                                                          \
          .handle = change,                                                             \
          .doc = "Changes an environment, or its place among the others" },             \
    {                                                                                   \
        PN_DELETE, at "/:projectId/environments/:envId",                                \
            .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,                              \
            .permission = "project environments:delete", .audit = "delete-environment", \
            .in = &by_id, .out = &changed_out, .handle = delete_one,                    \
            .doc = "Deletes an environment with everything in it"                       \
    }

const struct pn_route pn_environment_routes[] = {
    ROUTES("/api/v1/projects"),
    ROUTES("/api/v1/workspace"),
    { PN_GET, "/api/v1/workspace/environments/:envId", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "project environments:read", .in = &by_id_alone, .out = &one_out, .handle = get,
      .doc = "One environment, of whatever project" },
    { 0 },
};
