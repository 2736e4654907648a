/* SPDX-License-Identifier: Apache-2.0 */
/* Imports of folders, in both generations. Contract: platform.md §9.4. */
#include "core/secret/import.h"
#include "core/secret/read.h"
#include "server/api/secrets.h"
#include "server/route.h"

struct source {
    struct pn_uuid id;
    struct pn_str name, slug;
};
static const struct pn_field source_fields[] = {
    PN_FIELD(source, id, UUID),
    PN_FIELD(source, name, STRING),
    PN_FIELD(source, slug, STRING),
};
static const struct pn_shape source_view = PN_SHAPE_OF(source);

/* Core keeps the source's members beside the import's; the wire nests them. Nothing is ever replicated. */
struct shown {
    struct pn_uuid id, folderId, projectId;
    struct pn_str importPath, secretPath, replicationStatus;
    struct source importEnv, environment;
    int64_t position, version, createdAt, updatedAt, lastReplicated;
    bool isReplication, isReplicationSuccess, isReserved;
};
/* clang-format off */
#define SHOWN_FIELDS                                                                               \
    PN_FIELD(shown, id, UUID), PN_FIELD(shown, version, INT),                                      \
    PN_FIELD(shown, importPath, STRING), PN_FIELD(shown, importEnv, OBJECT, .shape = &source_view),\
    PN_FIELD(shown, position, INT), PN_FIELD(shown, createdAt, TIME),                              \
    PN_FIELD(shown, updatedAt, TIME), PN_FIELD(shown, folderId, UUID),                             \
    PN_FIELD(shown, isReplication, BOOL), PN_FIELD(shown, isReplicationSuccess, BOOL),             \
    PN_FIELD(shown, replicationStatus, STRING), PN_FIELD(shown, lastReplicated, TIME),             \
    PN_FIELD(shown, isReserved, BOOL)
/* clang-format on */
static const struct pn_field shown_fields[] = { SHOWN_FIELDS };
static const struct pn_field placed_fields[] = {
    SHOWN_FIELDS,
    PN_FIELD(shown, environment, OBJECT, .shape = &source_view),
    PN_FIELD(shown, projectId, UUID),
    PN_FIELD(shown, secretPath, STRING),
};
static const struct pn_shape view = { "secret_import", sizeof(struct shown), shown_fields,
                                      PN_COUNT(shown_fields) },
                             placed = { "secret_import_placed", sizeof(struct shown), placed_fields,
                                        PN_COUNT(placed_fields) };

static struct shown show(const struct pn_import *import)
{
    return (struct shown){
        .id = import->id,
        .folderId = import->folderId,
        .projectId = import->projectId,
        .importPath = import->importPath,
        .secretPath = import->secretPath,
        .importEnv = { import->fromEnvironmentId, import->fromEnvironmentName,
                       import->fromEnvironment },
        .environment = { import->environmentId, import->environmentName, import->environment },
        .position = import->position,
        .version = import->version,
        .createdAt = import->createdAt,
        .updatedAt = import->updatedAt,
        .isReplication = import->isReplication,
    };
}

struct one_out {
    struct pn_str message;
    struct shown secretImport;
};
static const struct pn_field changed_fields[] = {
    PN_FIELD(one_out, message, STRING),
    PN_FIELD(one_out, secretImport, OBJECT, .shape = &view),
};
static const struct pn_field got_fields[] = {
    PN_FIELD(one_out, secretImport, OBJECT, .shape = &placed),
};
static const struct pn_shape changed = { "changed", sizeof(struct one_out), changed_fields, 2 },
                             got = { "got", sizeof(struct one_out), got_fields, 1 };

struct many_out {
    struct pn_str message;
    struct pn_list secretImports;
};
static const struct pn_field many_out_fields[] = {
    PN_FIELD(many_out, message, STRING),
    PN_FIELD(many_out, secretImports, OBJECTS, .shape = &view),
};
static const struct pn_shape many_out = PN_SHAPE_OF(many_out);

/* ---- what is asked ---- */

struct from {
    struct pn_str environment, path;
    int64_t position;
};
static const struct pn_field create_from_fields[] = {
    PN_FIELD(from, environment, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(from, path, STRING, .required = true),
};
static const struct pn_field change_from_fields[] = {
    PN_FIELD(from, environment, STRING, .min = 1, .max = 64),
    PN_FIELD(from, path, STRING),
    PN_FIELD(from, position, INT, .min = 1, .max = PN_IMPORT_MAX),
};
static const struct pn_shape create_from = { "from", sizeof(struct from), create_from_fields, 2 },
                             change_from = { "from", sizeof(struct from), change_from_fields, 3 };

struct import_in {
    struct pn_uuid projectId, secretImportId;
    struct pn_str environment, path;
    struct from import;
    bool isReplication, has_import;
};
/* clang-format off */
#define PROJECT_V2 PN_FIELD(import_in, projectId, UUID, .required = true)
#define PROJECT_V1 \
    { .name = "workspaceId", .kind = PN_KIND_UUID, .offset = offsetof(struct import_in, projectId), .required = true }
#define PLACE                                                                                      \
    PN_FIELD(import_in, environment, STRING, .required = true, .min = 1, .max = 64),               \
    PN_FIELD(import_in, path, STRING)
#define ID PN_FIELD(import_in, secretImportId, UUID, .required = true)
#define FROM(shape_) \
    PN_FIELD(import_in, import, OBJECT, .required = true, .shape = &shape_, .has_offset = offsetof(struct import_in, has_import))
#define IN(fields) { #fields, sizeof(struct import_in), fields, PN_COUNT(fields) }
/* clang-format on */
static const struct pn_field create_v2[] = { PROJECT_V2, PLACE, FROM(create_from),
                                             PN_FIELD(import_in, isReplication, BOOL) };
static const struct pn_field create_v1[] = { PROJECT_V1, PLACE, FROM(create_from),
                                             PN_FIELD(import_in, isReplication, BOOL) };
static const struct pn_field change_v2[] = { PROJECT_V2, PLACE, ID, FROM(change_from) };
static const struct pn_field change_v1[] = { PROJECT_V1, PLACE, ID, FROM(change_from) };
static const struct pn_field delete_v2[] = { PROJECT_V2, PLACE, ID };
static const struct pn_field delete_v1[] = { PROJECT_V1, PLACE, ID };
static const struct pn_field list_v2[] = { PROJECT_V2, PLACE };
static const struct pn_field list_v1[] = { PROJECT_V1, PLACE };
static const struct pn_field by_id[] = { ID };
static const struct pn_shape create_in_v2 = IN(create_v2), create_in_v1 = IN(create_v1),
                             change_in_v2 = IN(change_v2), change_in_v1 = IN(change_v1),
                             delete_in_v2 = IN(delete_v2), delete_in_v1 = IN(delete_v1),
                             list_in_v2 = IN(list_v2), list_in_v1 = IN(list_v1),
                             by_id_in = IN(by_id);

static struct pn_import_at at(const struct import_in *in)
{
    return (struct pn_import_at){ in->projectId, in->environment, in->path };
}

static struct pn_import_change wanted(const struct import_in *in)
{
    return (struct pn_import_change){ .environment = in->import.environment,
                                      .path = in->import.path,
                                      .position = in->import.position,
                                      .is_replication = in->isReplication };
}

static void say(struct one_out *out, const char *message, const struct pn_import *import)
{
    out->message = pn_str_from(message);
    out->secretImport = show(import);
}

static bool create(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct import_in *in = in_;
    const struct pn_import_at where = at(in);
    const struct pn_import_change want = wanted(in);
    struct pn_import import;

    if (!pn_import_create(call, &where, &want, &import, err))
        return false;
    say(out, "Successfully linked secret", &import);
    return true;
}

static bool change(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct import_in *in = in_;
    const struct pn_import_at where = at(in);
    const struct pn_import_change want = wanted(in);
    struct pn_import import;

    if (!pn_import_update(call, &where, in->secretImportId, &want, &import, err))
        return false;
    say(out, "Successfully updated secret link", &import);
    return true;
}

static bool delete_one(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct import_in *in = in_;
    const struct pn_import_at where = at(in);
    struct pn_import import;

    if (!pn_import_delete(call, &where, in->secretImportId, &import, err))
        return false;
    say(out, "Successfully deleted secret link", &import);
    return true;
}

static bool get(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct import_in *in = in_;
    struct pn_import import;

    if (!pn_import_get(call, in->secretImportId, &import, err))
        return false;
    say(out, "", &import);
    return true;
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct import_in *in = in_;
    const struct pn_import_at where = at(in);
    struct many_out *out = out_;
    const struct pn_import *imports;
    struct pn_list found;
    struct shown *rows;

    if (!pn_import_list(call, &where, &found, err))
        return false;
    imports = found.items;
    rows = pn_new(call->arena, struct shown, found.count);
    for (size_t i = 0; i < found.count; i++)
        rows[i] = show(&imports[i]);
    out->message = PN_LIT("Successfully fetched secret imports");
    out->secretImports = (struct pn_list){ .items = rows, .count = found.count };
    return true;
}

/* ---- through them ---- */

struct seen {
    struct pn_str secretPath, environment;
    struct pn_uuid folderId;
    struct pn_list secrets;
};
static const struct pn_field seen_fields[] = {
    PN_FIELD(seen, secretPath, STRING),
    PN_FIELD(seen, environment, STRING),
    PN_FIELD(seen, folderId, UUID),
    PN_FIELD(seen, secrets, OBJECTS, .shape = &pn_secret_view),
};
static const struct pn_shape seen_view = PN_SHAPE_OF(seen);
struct seen_out {
    struct pn_list secrets;
};
static const struct pn_field seen_out_fields[] = {
    PN_FIELD(seen_out, secrets, OBJECTS, .shape = &seen_view),
};
static const struct pn_shape seen_out = PN_SHAPE_OF(seen_out);

static bool list_secrets(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct import_in *in = in_;
    const struct pn_import_at where = at(in);
    const struct pn_secrets_query query = { .project_id = in->projectId,
                                            .environment = in->environment,
                                            .path = in->path,
                                            .has_values = true,
                                            .has_imports = true };
    const struct pn_secrets_import *imports;
    struct seen_out *out = out_;
    struct pn_secrets_found found;
    struct pn_list allowed;
    struct seen *rows;

    if (!pn_import_list(call, &where, &allowed, err) || !pn_secrets_list(call, &query, &found, err))
        return false;
    imports = found.imports.items;
    rows = pn_new(call->arena, struct seen, found.imports.count);
    for (size_t i = 0; i < found.imports.count; i++)
        rows[i] = (struct seen){ .secretPath = imports[i].secretPath,
                                 .environment = imports[i].environment,
                                 .folderId = imports[i].folderId,
                                 .secrets = imports[i].secrets };
    out->secrets = (struct pn_list){ .items = rows, .count = found.imports.count };
    return true;
}

#define ROUTES(base, v)                                                                            \
    { PN_POST,                                                                                     \
      base,                                                                                        \
      .access = PN_BY_READERS,                                                                     \
      .rate = PN_RATE_WRITE,                                                                       \
      .permission = "project secret-imports:create",                                               \
      .audit = "create-secret-import",                                                             \
      .in = &create_in_##v,                                                                        \
      .out = &changed,                                                                             \
      .handle = create,                                                                            \
      .doc = "Lets a folder see another's secrets" },                                              \
        { PN_GET,                                                                                  \
          base,                                                                                    \
          .access = PN_BY_READERS,                                                                 \
          .rate = PN_RATE_READ,                                                                    \
          .permission = "project secret-imports:read",                                             \
          .in = &list_in_##v,                                                                      \
          .out = &many_out,                                                                        \
          .handle = list,                                                                          \
          .doc = "The imports of a folder, in their order" },                                      \
        { PN_GET,                                                                                  \
          base "/secrets",                                                                         \
          .access = PN_BY_READERS,                                                                 \
          .rate = PN_RATE_READ,                                                                    \
          .permission = "project secret-imports:read",                                             \
          .audit = "get-secrets",                                                                  \
          .in = &list_in_##v,                                                                      \
          .out = &seen_out,                                                                        \
          .handle = list_secrets,                                                                  \
          .doc = "What a folder sees by its imports" },                                            \
        { PN_GET,                                                                                  \
          base "/secrets/raw",                                                                     \
          .access = PN_BY_READERS,                                                                 \
          .rate = PN_RATE_READ,                                                                    \
          .permission = "project secret-imports:read",                                             \
          .audit = "get-secrets",                                                                  \
          .in = &list_in_##v,                                                                      \
          .out = &seen_out,                                                                        \
          .handle = list_secrets,                                                                  \
          .doc = "What a folder sees by its imports" },                                            \
        { PN_GET,                                                                                  \
          base "/:secretImportId",                                                                 \
          .access = PN_BY_PEOPLE,                                                                  \
          .rate = PN_RATE_READ,                                                                    \
          .permission = "project secret-imports:read",                                             \
          .in = &by_id_in,                                                                         \
          .out = &got,                                                                             \
          .handle = get,                                                                           \
          .doc = "One import" },                                                                   \
        { PN_PATCH,                                                                                \
          base "/:secretImportId",                                                                 \
          .access = PN_BY_READERS,                                                                 \
          .rate = PN_RATE_WRITE,                                                                   \
          .permission = "project secret-imports:edit",                                             \
          .audit = "update-secret-import",                                                         \
          .in = &change_in_##v,                                                                    \
          .out = &changed,                                                                         \
          .handle = change,                                                                        \
          .doc = "Changes an import's source or its place among the others" },                     \
    {                                                                                              \
        PN_DELETE, base "/:secretImportId", .access = PN_BY_READERS, .rate = PN_RATE_WRITE,        \
                                            .permission = "project secret-imports:delete",         \
                                            .audit = "delete-secret-import", .in = &delete_in_##v, \
                                            .out = &changed, .handle = delete_one,                 \
                                            .doc = "Takes an import away"                          \
    }

const struct pn_route pn_secret_imports_routes[] = {
    ROUTES("/api/v2/secret-imports", v2),
    ROUTES("/api/v1/secret-imports", v1),
    { 0 },
};
