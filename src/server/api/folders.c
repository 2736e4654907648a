/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of environments, in both generations. Contract: platform.md §9.3. */
#include "core/secret/folder.h"
#include "server/route.h"

#define NAME_RULE "A folder's name has letters, digits, '-' and '_' only"

/* clang-format off */
#define VIEW_FIELDS                                                                                \
    PN_FIELD(pn_folder, id, UUID), PN_FIELD(pn_folder, name, STRING),                              \
    PN_FIELD(pn_folder, version, INT), PN_FIELD(pn_folder, createdAt, TIME),                       \
    PN_FIELD(pn_folder, updatedAt, TIME), PN_FIELD(pn_folder, envId, UUID),                        \
    PN_FIELD(pn_folder, parentId, UUID), PN_FIELD(pn_folder, isReserved, BOOL),                    \
    PN_FIELD(pn_folder, description, STRING), PN_FIELD(pn_folder, lastSecretModified, TIME),       \
    PN_FIELD(pn_folder, path, STRING)
/* clang-format on */
static const struct pn_field folder_fields[] = { VIEW_FIELDS };
static const struct pn_field below_fields[] = { VIEW_FIELDS, PN_FIELD(pn_folder, relativePath,
                                                                      STRING, .omit_empty = true) };
static const struct pn_shape view = { "folder", sizeof(struct pn_folder), folder_fields,
                                      PN_COUNT(folder_fields) },
                             below = { "folder_below", sizeof(struct pn_folder), below_fields,
                                       PN_COUNT(below_fields) };

struct one_out {
    struct pn_folder folder;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, folder, OBJECT, .shape = &view),
};
static const struct pn_shape one_out = PN_SHAPE_OF(one_out);

struct many_out {
    struct pn_list folders;
};
static const struct pn_field many_out_fields[] = {
    PN_FIELD(many_out, folders, OBJECTS, .shape = &below),
};
static const struct pn_shape many_out = PN_SHAPE_OF(many_out);

/* With the environment that it is in. */
struct environment {
    struct pn_uuid envId;
    struct pn_str envName, envSlug;
};
static const struct pn_field environment_fields[] = {
    PN_FIELD(environment, envId, UUID),
    PN_FIELD(environment, envName, STRING),
    PN_FIELD(environment, envSlug, STRING),
};
static const struct pn_shape environment_view = PN_SHAPE_OF(environment);
struct placed {
    struct pn_folder folder;
    struct environment environment;
};
#define PLACED(m, what)                                                                       \
    {                                                                                         \
        PN_FIELD_NAME(m), .kind = PN_KIND_##what, .offset = offsetof(struct placed, folder.m) \
    }
static const struct pn_field placed_fields[] = {
    PLACED(id, UUID),
    PLACED(name, STRING),
    PLACED(version, INT),
    PLACED(createdAt, TIME),
    PLACED(updatedAt, TIME),
    PLACED(envId, UUID),
    PLACED(parentId, UUID),
    PLACED(isReserved, BOOL),
    PLACED(description, STRING),
    PLACED(lastSecretModified, TIME),
    PLACED(path, STRING),
    PLACED(projectId, UUID),
    PN_FIELD(placed, environment, OBJECT, .shape = &environment_view),
};
static const struct pn_shape placed_view = PN_SHAPE_OF(placed);
struct placed_out {
    struct placed folder;
};
static const struct pn_field placed_out_fields[] = {
    PN_FIELD(placed_out, folder, OBJECT, .shape = &placed_view),
};
static const struct pn_shape placed_out = PN_SHAPE_OF(placed_out);

/* ---- what is asked ---- */

struct folder_in {
    struct pn_uuid projectId, folderId;
    struct pn_str environment, path, directory, name, description, folderIdOrName;
    bool recursive, forceDelete, has_description;
    int64_t lastSecretModified;
};
/* clang-format off */
#define V2_PROJECT PN_FIELD(folder_in, projectId, UUID, .required = true)
#define V1_PROJECT \
    { .name = "workspaceId", .kind = PN_KIND_UUID, .offset = offsetof(struct folder_in, projectId), .required = true }
#define PLACE                                                                                      \
    PN_FIELD(folder_in, environment, STRING, .required = true, .min = 1, .max = 64),               \
    PN_FIELD(folder_in, path, STRING), PN_FIELD(folder_in, directory, STRING)
#define NAME(...)                                                                                  \
    PN_FIELD(folder_in, name, STRING, .min = 1, .max = PN_FOLDER_MAX_NAME, .trim = true,           \
             .check = pn_folders_is_name, .rule = NAME_RULE, __VA_ARGS__)
#define DESCRIPTION                                                                                \
    PN_FIELD(folder_in, description, STRING, .max = 255, .is_nullable = true,                      \
             .has_offset = offsetof(struct folder_in, has_description))
#define ID PN_FIELD(folder_in, folderId, UUID, .required = true)
#define ID_OR_NAME PN_FIELD(folder_in, folderIdOrName, STRING, .required = true, .min = 1, .max = PN_FOLDER_MAX_NAME)
#define LISTED PN_FIELD(folder_in, recursive, BOOL), PN_FIELD(folder_in, lastSecretModified, TIME)
#define IN(fields) { #fields, sizeof(struct folder_in), fields, PN_COUNT(fields) }
/* clang-format on */
static const struct pn_field create_v2[] = { V2_PROJECT, PLACE, NAME(.required = true),
                                             DESCRIPTION };
static const struct pn_field create_v1[] = { V1_PROJECT, PLACE, NAME(.required = true),
                                             DESCRIPTION };
static const struct pn_field change_v2[] = { V2_PROJECT, PLACE, ID, NAME(.required = true),
                                             DESCRIPTION };
static const struct pn_field change_v1[] = { V1_PROJECT, PLACE, ID, NAME(.required = true),
                                             DESCRIPTION };
static const struct pn_field delete_v2[] = { V2_PROJECT, PLACE, ID_OR_NAME,
                                             PN_FIELD(folder_in, forceDelete, BOOL) };
static const struct pn_field delete_v1[] = { V1_PROJECT, PLACE, ID_OR_NAME,
                                             PN_FIELD(folder_in, forceDelete, BOOL) };
static const struct pn_field list_v2[] = { V2_PROJECT, PLACE, LISTED };
static const struct pn_field list_v1[] = { V1_PROJECT, PLACE, LISTED };
static const struct pn_field by_id[] = { ID };
static const struct pn_field by_path[] = { V2_PROJECT, PLACE };
static const struct pn_shape create_in_v2 = IN(create_v2), create_in_v1 = IN(create_v1),
                             change_in_v2 = IN(change_v2), change_in_v1 = IN(change_v1),
                             delete_in_v2 = IN(delete_v2), delete_in_v1 = IN(delete_v1),
                             list_in_v2 = IN(list_v2), list_in_v1 = IN(list_v1),
                             by_id_in = IN(by_id), by_path_in = IN(by_path);

static struct pn_folder_at at(const struct folder_in *in)
{
    return (struct pn_folder_at){ .project_id = in->projectId,
                                  .environment = in->environment,
                                  .path = in->path.ptr != NULL ? in->path : in->directory };
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct folder_in *in = in_;
    const struct pn_folder_at where = at(in);
    struct one_out *out = out_;

    return pn_folders_create(call, &where, in->name, in->description, &out->folder, err);
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct folder_in *in = in_;
    const struct pn_folder_change want = { .at = at(in),
                                           .id = in->folderId,
                                           .name = in->name,
                                           .description = in->description,
                                           .has_description = in->has_description };
    struct one_out *out = out_;
    struct pn_list changed;

    if (!pn_folders_update(call, &want, 1, &changed, err))
        return false;
    out->folder = *(const struct pn_folder *)changed.items;
    return true;
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct folder_in *in = in_;
    const struct pn_folder_at where = at(in);
    struct one_out *out = out_;

    return pn_folders_delete(call, &where, in->folderIdOrName, &out->folder, err);
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct folder_in *in = in_;
    const struct pn_folder_at where = at(in);
    struct many_out *out = out_;
    struct pn_folder *rows;

    if (!pn_folders_list(call, &where, in->recursive, in->lastSecretModified, &out->folders, err))
        return false;
    rows = out->folders.items;
    for (size_t i = 0; !in->recursive && i < out->folders.count; i++)
        rows[i].relativePath = PN_NONE;
    return true;
}

static void show_placed(const struct pn_folder *folder, struct placed_out *out)
{
    out->folder.folder = *folder;
    out->folder.environment =
        (struct environment){ folder->envId, folder->envName, folder->environment };
}

static bool get(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct folder_in *in = in_;
    struct pn_folder folder;

    if (!pn_folders_get(call, in->folderId, &folder, err))
        return false;
    show_placed(&folder, out);
    return true;
}

static bool get_by_path(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct folder_in *in = in_;
    const struct pn_folder_at where = at(in);
    struct pn_folder folder;

    if (!pn_folders_get_by_path(call, &where, &folder, err))
        return false;
    show_placed(&folder, out);
    return true;
}

/* ---- many at once ---- */

struct item_in {
    struct pn_uuid id;
    struct pn_str environment, path, name, description;
    bool has_description;
};
static const struct pn_field item_in_fields[] = {
    PN_FIELD(item_in, id, UUID, .required = true),
    PN_FIELD(item_in, environment, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(item_in, path, STRING),
    PN_FIELD(item_in, name, STRING, .required = true, .min = 1, .max = PN_FOLDER_MAX_NAME,
             .trim = true, .check = pn_folders_is_name, .rule = NAME_RULE),
    PN_FIELD(item_in, description, STRING, .max = 255, .is_nullable = true,
             .has_offset = offsetof(struct item_in, has_description)),
};
static const struct pn_shape item_in = PN_SHAPE_OF(item_in);
struct batch_in {
    struct pn_uuid projectId;
    struct pn_list folders;
};
#define FOLDERS                                                                                  \
    PN_FIELD(batch_in, folders, OBJECTS, .required = true, .min = 1, .max = PN_FOLDER_MAX_BATCH, \
             .shape = &item_in)
static const struct pn_field batch_v2[] = { PN_FIELD(batch_in, projectId, UUID, .required = true),
                                            FOLDERS };
static const struct pn_field batch_v1[] = { { .name = "workspaceId",
                                              .kind = PN_KIND_UUID,
                                              .offset = offsetof(struct batch_in, projectId),
                                              .required = true },
                                            FOLDERS };
static const struct pn_shape batch_in_v2 = { "batch_v2", sizeof(struct batch_in), batch_v2, 2 },
                             batch_in_v1 = { "batch_v1", sizeof(struct batch_in), batch_v1, 2 };

static bool change_many(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct batch_in *in = in_;
    const struct item_in *items = in->folders.items;
    struct pn_folder_change *wants =
        pn_new(call->arena, struct pn_folder_change, in->folders.count);
    struct many_out *out = out_;

    for (size_t i = 0; i < in->folders.count; i++)
        wants[i] = (struct pn_folder_change){
            .at = { in->projectId, items[i].environment, items[i].path },
            .id = items[i].id,
            .name = items[i].name,
            .description = items[i].description,
            .has_description = items[i].has_description,
        };
    return pn_folders_update(call, wants, in->folders.count, &out->folders, err);
}

/* ---- rows ---- */

#define ROUTES(base, v)                                                                          \
    { PN_POST,                                                                                   \
      base,                                                                                      \
      .access = PN_BY_READERS,                                                                   \
      .rate = PN_RATE_WRITE,                                                                     \
      .permission = "project secret-folders:create",                                             \
      .audit = "create-folder",                                                                  \
      .in = &create_in_##v,                                                                      \
      .out = &one_out,                                                                           \
      .handle = create,                                                                          \
      .doc = "Makes a folder below one that is there" },                                         \
        { PN_GET,                                                                                \
          base,                                                                                  \
          .access = PN_BY_READERS,                                                               \
          .rate = PN_RATE_READ,                                                                  \
          .permission = "project secret-folders:read",                                           \
          .in = &list_in_##v,                                                                    \
          .out = &many_out,                                                                      \
          .handle = list,                                                                        \
          .doc = "The folders below one" },                                                      \
        { PN_PATCH,                                                                              \
          base "/batch",                                                                         \
          .access = PN_BY_READERS,                                                               \
          .rate = PN_RATE_WRITE,                                                                 \
          .permission = "project secret-folders:edit",                                           \
          .audit = "update-folder",                                                              \
          .in = &batch_in_##v,                                                                   \
          .out = &many_out,                                                                      \
          .handle = change_many,                                                                 \
          .doc = "Renames folders, all or none" },                                               \
        { PN_PATCH,                                                                              \
          base "/:folderId",                                                                     \
          .access = PN_BY_READERS,                                                               \
          .rate = PN_RATE_WRITE,                                                                 \
          .permission = "project secret-folders:edit",                                           \
          .audit = "update-folder",                                                              \
          .in = &change_in_##v,                                                                  \
          .out = &one_out,                                                                       \
          .handle = change,                                                                      \
          .doc = "Renames a folder; what is below moves along" },                                \
        { PN_DELETE,                                                                             \
          base "/:folderIdOrName",                                                               \
          .access = PN_BY_READERS,                                                               \
          .rate = PN_RATE_WRITE,                                                                 \
          .permission = "project secret-folders:delete",                                         \
          .audit = "delete-folder",                                                              \
          .in = &delete_in_##v,                                                                  \
          .out = &one_out,                                                                       \
          .handle = delete_one,                                                                  \
          .doc = "Deletes a folder with everything in it" },                                     \
    {                                                                                            \
        PN_GET, base "/:folderId", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,                 \
                                   .permission = "project secret-folders:read", .in = &by_id_in, \
                                   .out = &placed_out, .handle = get,                            \
                                   .doc = "One folder, with its environment"                     \
    }

const struct pn_route pn_folder_routes[] = {
    ROUTES("/api/v2/folders", v2),
    ROUTES("/api/v1/folders", v1),
    { PN_GET, "/api/v1/folders/:projectId/:environment/:path", .access = PN_BY_PEOPLE,
      .rate = PN_RATE_READ, .permission = "project secret-folders:read", .in = &by_path_in,
      .out = &placed_out, .handle = get_by_path, .doc = "One folder by its path" },
    { 0 },
};
