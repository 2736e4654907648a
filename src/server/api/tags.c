/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of projects, in the wrappers of both generations. Contract: platform.md §9.2. */
#include "core/org/names.h"
#include "core/secret/tag.h"
#include "server/route.h"

static const struct pn_field pn_tag_fields[] = {
    PN_FIELD(pn_tag, id, UUID),
    PN_FIELD(pn_tag, slug, STRING),
    PN_FIELD(pn_tag, color, STRING),
    PN_FIELD(pn_tag, name, STRING),
    PN_FIELD(pn_tag, projectId, UUID),
    PN_FIELD(pn_tag, createdAt, TIME),
    PN_FIELD(pn_tag, updatedAt, TIME),
    PN_FIELD(pn_tag, createdBy, UUID),
    PN_FIELD(pn_tag, createdByActorType, STRING),
};
static const struct pn_shape view = PN_SHAPE_OF(pn_tag);

struct one_out {
    struct pn_tag tag;
};
struct list_out {
    struct pn_list tags;
};
/* clang-format off */
#define ONE(name_) \
    { .name = name_, .kind = PN_KIND_OBJECT, .offset = offsetof(struct one_out, tag), .shape = &view }
#define MANY(name_) \
    { .name = name_, .kind = PN_KIND_OBJECTS, .offset = offsetof(struct list_out, tags), .shape = &view }
/* clang-format on */
static const struct pn_field tag_fields[] = { ONE("tag") };
static const struct pn_field workspace_tag_fields[] = { ONE("workspaceTag") };
static const struct pn_field tags_fields[] = { MANY("tags") };
static const struct pn_field workspace_tags_fields[] = { MANY("workspaceTags") };
static const struct pn_shape tag = { "tag", sizeof(struct one_out), tag_fields, 1 },
                             workspace_tag = { "workspace_tag", sizeof(struct one_out),
                                               workspace_tag_fields, 1 },
                             tags = { "tags", sizeof(struct list_out), tags_fields, 1 },
                             workspace_tags = { "workspace_tags", sizeof(struct list_out),
                                                workspace_tags_fields, 1 };

struct tag_in {
    struct pn_uuid projectId, tagId;
    struct pn_str slug, color;
};
#define PROJECT PN_FIELD(tag_in, projectId, UUID, .required = true)
#define ID PN_FIELD(tag_in, tagId, UUID, .required = true)
#define SLUG(...) \
    PN_FIELD(tag_in, slug, STRING, .min = 1, .max = 64, .trim = true, PN_NAME_SLUG, __VA_ARGS__)
#define COLOR(...) PN_FIELD(tag_in, color, STRING, .max = 64, .trim = true, __VA_ARGS__)
static const struct pn_field create_fields[] = { PROJECT, SLUG(.required = true),
                                                 COLOR(.required = true) };
static const struct pn_field change_fields[] = { PROJECT, ID, SLUG(), COLOR() };
static const struct pn_field in_project_fields[] = { PROJECT };
static const struct pn_field by_id_fields[] = { PROJECT, ID };
static const struct pn_field by_slug_fields[] = { PROJECT, SLUG(.required = true) };
#define IN(fields)                                               \
    {                                                            \
#        fields, sizeof(struct tag_in), fields, PN_COUNT(fields) \
    }
static const struct pn_shape create_in = IN(create_fields), change_in = IN(change_fields),
                             in_project = IN(in_project_fields), by_id = IN(by_id_fields),
                             by_slug = IN(by_slug_fields);

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct one_out *out = out_;

    return pn_tag_create(call, in->projectId, in->slug, in->color, &out->tag, err);
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct one_out *out = out_;

    return pn_tag_update(call, in->projectId, in->tagId, in->slug, in->color, &out->tag, err);
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct one_out *out = out_;

    return pn_tag_delete(call, in->projectId, in->tagId, &out->tag, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct one_out *out = out_;

    return pn_tag_get(call, in->projectId, in->tagId, &out->tag, err);
}

static bool get_by_slug(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct one_out *out = out_;

    return pn_tag_get_by_slug(call, in->projectId, in->slug, &out->tag, err);
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct tag_in *in = in_;
    struct list_out *out = out_;

    return pn_tag_list(call, in->projectId, &out->tags, err);
}

#define ROUTES(at, one, many)                                                                   \
    { PN_GET,                                                                                   \
      at "/:projectId/tags",                                                                    \
      .access = PN_BY_PEOPLE,                                                                   \
      .rate = PN_RATE_READ,                                                                     \
      .permission = "project tags:read",                                                        \
      .in = &in_project,                                                                        \
      .out = many,                                                                              \
      .handle = list,                                                                           \
      .doc = "The tags of a project" },                                                         \
        { PN_GET,                                                                               \
          at "/:projectId/tags/:tagId",                                                         \
          .access = PN_BY_PEOPLE,                                                               \
          .rate = PN_RATE_READ,                                                                 \
          .permission = "project tags:read",                                                    \
          .in = &by_id,                                                                         \
          .out = one,                                                                           \
          .handle = get,                                                                        \
          .doc = "One tag" },                                                                   \
        { PN_GET,                                                                               \
          at "/:projectId/tags/slug/:slug",                                                     \
          .access = PN_BY_PEOPLE,                                                               \
          .rate = PN_RATE_READ,                                                                 \
          .permission = "project tags:read",                                                    \
          .in = &by_slug,                                                                       \
          .out = one,                                                                           \
          .handle = get_by_slug,                                                                \
          .doc = "One tag by its slug" },                                                       \
        { PN_POST,                                                                              \
          at "/:projectId/tags",                                                                \
          .access = PN_BY_PEOPLE,                                                               \
          .rate = PN_RATE_WRITE,                                                                \
          .permission = "project tags:create",                                                  \
          .audit = "create-tag",                                                                \
          .in = &create_in,                                                                     \
          .out = one,                                                                           \
          .handle = create,                                                                     \
          .doc = "Makes a tag" },                                                               \
        { PN_PATCH,                                                                             \
          at "/:projectId/tags/:tagId",                                                         \
          .access = PN_BY_PEOPLE,                                                               \
          .rate = PN_RATE_WRITE,                                                                \
          .permission = "project tags:edit",                                                    \
          .audit = "update-tag",                                                                \
          .in = &change_in,                                                                     \
          .out = one,                                                                           \
          .handle = change,                                                                     \
          .doc = "Changes a tag" },                                                             \
    {                                                                                           \
        PN_DELETE, at "/:projectId/tags/:tagId",                                                \
            .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .permission = "project tags:delete", \
            .audit = "delete-tag", .in = &by_id, .out = one, .handle = delete_one,              \
            .doc = "Deletes a tag; secrets lose it"                                             \
    }

const struct pn_route pn_tag_routes[] = {
    ROUTES("/api/v1/projects", &tag, &tags),
    ROUTES("/api/v1/workspace", &workspace_tag, &workspace_tags),
    { 0 },
};
