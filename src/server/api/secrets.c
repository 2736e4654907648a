/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets, in both generations that clients speak. Contract: platform.md §10. */
#include "server/api/secrets.h"

#include "core/secret/read.h"
#include "core/secret/reference.h"
#include "core/secret/version.h"
#include "json/writer.h"
#include "server/route.h"

#define MAX_TREE_BYTES ((size_t)8 << 20)

/* ---- reading ---- */

struct read_in {
    struct pn_secret_where where;
    struct pn_str secretName, tagSlugs, metadataFilter;
    bool expandSecretReferences, recursive, viewSecretValue, includePersonalOverrides;
    bool includeImports, has_includeImports, include_imports, has_include_imports;
    int type;
    int64_t version;
};
/* clang-format off */
#define WHERE(m, to, what, ...)                                                                    \
    { .name = m, .kind = PN_KIND_##what, .offset = offsetof(struct read_in, where.to), __VA_ARGS__ }
#define READ_FIELDS                                                                                \
    WHERE("environment", environment, STRING, .max = 64),                                          \
    WHERE("secretPath", secretPath, STRING),                                                       \
    PN_FIELD(read_in, tagSlugs, STRING),                                                           \
    PN_FIELD(read_in, metadataFilter, STRING, .max = 16384),                                       \
    PN_FIELD(read_in, recursive, BOOL),                                                            \
    PN_FIELD(read_in, viewSecretValue, BOOL, .has_fallback = true, .fallback = 1)
#define ONE_FIELDS                                                                                 \
    PN_FIELD(read_in, secretName, STRING, .required = true, .min = 1, .max = PN_SECRETS_MAX_NAME,  \
             .trim = true),                                                                        \
    PN_FIELD(read_in, version, INT, .min = 1, .max = INT32_MAX),                                   \
    PN_FIELD(read_in, type, ENUM, .names = pn_secret_types, .has_fallback = true)
#define V4_FIELDS                                                                                  \
    WHERE("projectId", projectId, UUID),                                                           \
    READ_FIELDS,                                                                                   \
    PN_FIELD(read_in, expandSecretReferences, BOOL, .has_fallback = true, .fallback = 1),          \
    PN_FIELD(read_in, includeImports, BOOL,                                                        \
             .has_offset = offsetof(struct read_in, has_includeImports)),                          \
    PN_FIELD(read_in, include_imports, BOOL,                                                       \
             .has_offset = offsetof(struct read_in, has_include_imports)),                         \
    PN_FIELD(read_in, includePersonalOverrides, BOOL)
#define V3_FIELDS                                                                                  \
    WHERE("workspaceId", projectId, UUID),                                                         \
    WHERE("workspaceSlug", projectSlug, STRING, .max = 64),                                        \
    READ_FIELDS,                                                                                   \
    PN_FIELD(read_in, expandSecretReferences, BOOL),                                               \
    PN_FIELD(read_in, include_imports, BOOL,                                                       \
             .has_offset = offsetof(struct read_in, has_include_imports))
/* clang-format on */
static const struct pn_field list_v4_fields[] = { V4_FIELDS };
static const struct pn_field get_v4_fields[] = { V4_FIELDS, ONE_FIELDS };
static const struct pn_field list_v3_fields[] = { V3_FIELDS };
static const struct pn_field get_v3_fields[] = { V3_FIELDS, ONE_FIELDS };
#define READ_SHAPE(name)                                                      \
    {                                                                         \
#        name, sizeof(struct read_in), name##_fields, PN_COUNT(name##_fields) \
    }
static const struct pn_shape list_v4 = READ_SHAPE(list_v4), get_v4 = READ_SHAPE(get_v4),
                             list_v3 = READ_SHAPE(list_v3), get_v3 = READ_SHAPE(get_v3);

static bool read_query(struct pn_call *call, const struct read_in *in, struct pn_secrets_query *out,
                       struct pn_err *err)
{
    struct pn_secret_where where = in->where;

    if (!pn_secret_assume(call, &where, err))
        return false;
    *out = (struct pn_secrets_query){ .environment = where.environment,
                                      .path = where.secretPath,
                                      .has_values = in->viewSecretValue,
                                      .is_expanded = in->expandSecretReferences,
                                      .has_imports = in->has_include_imports && in->include_imports,
                                      .is_recursive = in->recursive,
                                      .tags = in->tagSlugs,
                                      .metadata = in->metadataFilter,
                                      .version = in->version };
    return pn_secret_project(call, &where, &out->project_id, err);
}

/* What v4 assumes when a client does not say it (§10.2). */
static void assume_v4(const struct read_in *in, struct pn_secrets_query *query)
{
    if (in->has_includeImports)
        query->has_imports = in->includeImports;
    else if (!in->has_include_imports)
        query->has_imports = true;
    query->whose = in->includePersonalOverrides ? PN_SECRETS_OWN_INSTEAD : PN_SECRETS_OF_ALL;
}

static const struct pn_field import_fields[] = {
    PN_FIELD(pn_secrets_import, secretPath, STRING),
    PN_FIELD(pn_secrets_import, environment, STRING),
    PN_FIELD(pn_secrets_import, folderId, UUID),
    PN_FIELD(pn_secrets_import, secrets, OBJECTS, .shape = &pn_secret_view),
};
static const struct pn_shape import_view = { "secrets_import", sizeof(struct pn_secrets_import),
                                             import_fields, PN_COUNT(import_fields) };

struct list_out {
    struct pn_secrets_found found;
    bool has_imports; /* asked for */
};
static const struct pn_field list_out_fields[] = {
    { .name = "secrets",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct list_out, found.secrets),
      .shape = &pn_secret_view },
    { .name = "imports",
      .kind = PN_KIND_OBJECTS,
      .offset = offsetof(struct list_out, found.imports),
      .has_offset = offsetof(struct list_out, has_imports),
      .omit_empty = true,
      .shape = &import_view },
};

static bool list(struct pn_call *call, const struct pn_secrets_query *query, struct list_out *out,
                 struct pn_err *err)
{
    out->has_imports = query->has_imports;
    return pn_secrets_list(call, query, &out->found, err);
}

static bool list_by_v4(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    struct pn_secrets_query query;

    if (!read_query(call, in, &query, err))
        return false;
    assume_v4(in, &query);
    return list(call, &query, out, err);
}

static bool list_by_v3(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    struct pn_secrets_query query;

    if (!read_query(call, in, &query, err))
        return false;
    query.whose = PN_SECRETS_BOTH;
    return list(call, &query, out, err);
}

struct one_out {
    struct pn_secret_item secret;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, secret, OBJECT, .shape = &pn_secret_view),
};

static bool get_by_v4(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct read_in *in = in_;
    struct one_out *out = out_;
    struct pn_secrets_query query;

    if (!read_query(call, in, &query, err))
        return false;
    assume_v4(in, &query);
    if (in->type == PN_SECRETS_PERSONAL)
        query.whose = PN_SECRETS_OWN;
    return pn_secrets_get(call, &query, in->secretName, &out->secret, err);
}

static bool get_by_v3(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct read_in *in = in_;
    struct one_out *out = out_;
    struct pn_secrets_query query;

    if (!read_query(call, in, &query, err))
        return false;
    query.whose = in->type == PN_SECRETS_PERSONAL ? PN_SECRETS_OWN : PN_SECRETS_OF_ALL;
    return pn_secrets_get(call, &query, in->secretName, &out->secret, err);
}

struct by_id {
    struct pn_uuid secretId;
    bool viewSecretValue;
};
static const struct pn_field by_id_fields[] = {
    PN_FIELD(by_id, secretId, UUID, .required = true),
    PN_FIELD(by_id, viewSecretValue, BOOL, .has_fallback = true, .fallback = 1),
};

static bool get_by_id(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct by_id *in = in_;
    struct one_out *out = out_;

    return pn_secrets_get_by_id(call, in->secretId, in->viewSecretValue, &out->secret, err);
}

/* ---- what a value refers to ---- */

struct tree_in {
    struct pn_uuid projectId;
    struct pn_str environment, secretPath, secretName;
};
static const struct pn_field tree_in_fields[] = {
    PN_FIELD(tree_in, projectId, UUID, .required = true),
    PN_FIELD(tree_in, environment, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(tree_in, secretPath, STRING),
    PN_FIELD(tree_in, secretName, STRING, .required = true, .min = 1, .max = PN_SECRETS_MAX_NAME,
             .trim = true),
};
struct tree_out {
    struct pn_str tree, value;
};
static const struct pn_field tree_out_fields[] = {
    PN_FIELD(tree_out, tree, RAW,
             .doc =
                 "{key, value, environment, secretPath, children: [the same of each reference]}"),
    PN_FIELD(tree_out, value, STRING),
};

/* As deep as references go (PN_REFERENCE_MAX_DEPTH). */
static void write_node(struct pn_writer *w, const char *name, const struct pn_reference_node *node)
{
    const struct pn_reference_node *children = node->children.list.items;

    pn_write_object(w, name);
    pn_write_str(w, "key", node->key);
    pn_write_str(w, "value", node->value);
    pn_write_str(w, "environment", node->environment);
    pn_write_str(w, "secretPath", node->secretPath);
    pn_write_array(w, "children");
    for (size_t i = 0; i < node->children.list.count; i++)
        write_node(w, NULL, &children[i]);
    pn_write_end(w);
    pn_write_end(w);
}

static bool reference_tree(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_TREE_BYTES);
    const struct tree_in *in = in_;
    const struct pn_secrets_query query = { .project_id = in->projectId,
                                            .environment = in->environment,
                                            .path = in->secretPath };
    struct pn_writer w = pn_writer_of(&json);
    struct pn_reference_node root;
    struct pn_secret_item item;
    struct tree_out *out = out_;

    if (!pn_secrets_trace(call, &query, in->secretName, &item, &root, err))
        return false;
    root.key = PN_LIT("root"); /* what clients of the contract are told, who know the name */
    write_node(&w, NULL, &root);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE,
                       "The values that this one refers to are too large to be shown");
    *out = (struct tree_out){ pn_arena_copy(call->arena, pn_buf_str(&json)), item.secretValue };
    return true;
}

/* Versions are for the console. */
struct versions_in {
    struct pn_uuid secretId;
    int64_t offset, limit;
};
static const struct pn_field versions_in_fields[] = {
    PN_FIELD(versions_in, secretId, UUID, .required = true),
    PN_FIELD(versions_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(versions_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 20),
};
struct version_shown {
    struct pn_secret_item item; /* its id is the version's */
    struct pn_uuid secretId;
};
static const struct pn_field version_fields[] = {
    PN_FIELD(version_shown, secretId, UUID),
    PN_SECRET_VIEW_FIELDS(version_shown, item.),
};
static const struct pn_shape version_view = { "secret_version", sizeof(struct version_shown),
                                              version_fields, PN_COUNT(version_fields) };
struct versions_out {
    struct pn_list secretVersions;
};
static const struct pn_field versions_out_fields[] = {
    PN_FIELD(versions_out, secretVersions, OBJECTS, .shape = &version_view),
};

static bool list_versions(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct versions_in *in = in_;
    struct versions_out *out = out_;
    const struct pn_secrets_version *versions;
    struct version_shown *shown;
    struct pn_list found;

    if (!pn_secrets_versions(call, in->secretId, in->offset, in->limit, &found, err))
        return false;
    versions = found.items;
    shown = pn_new(call->arena, struct version_shown, found.count);
    for (size_t i = 0; i < found.count; i++) {
        shown[i] = (struct version_shown){ versions[i].item, versions[i].item.id };
        shown[i].item.id = versions[i].id;
    }
    out->secretVersions = (struct pn_list){ .items = shown, .count = found.count };
    return true;
}

/* ---- writing one ---- */

struct write_in {
    struct pn_secret_where where;
    struct pn_secrets_change change;
};
/* clang-format off */
#define W(m, to, what, ...)                                                                        \
    { .name = m, .kind = PN_KIND_##what, .offset = offsetof(struct write_in, to), __VA_ARGS__ }
#define WRITE_V4                                                                                   \
    W("projectId", where.projectId, UUID, .required = true)
#define WRITE_V3                                                                                   \
    W("workspaceId", where.projectId, UUID),                                                       \
    W("projectSlug", where.projectSlug, STRING, .max = 64)
#define WRITE_WHERE                                                                                \
    W("environment", where.environment, STRING, .required = true, .min = 1, .max = 64),            \
    W("secretPath", where.secretPath, STRING)
#define NAME(...)                                                                                  \
    W("secretName", change.secretKey, STRING, .required = true, .min = 1,                          \
      .max = PN_SECRETS_MAX_NAME, .trim = true, __VA_ARGS__)
#define NEW_NAME NAME(.check = pn_secrets_is_name, .rule = SECRET_NAME_RULE)
#define VALUE(...)                                                                                 \
    SECRET_FIELD(write_in, change., secretValue, STRING, .max = PN_SECRETS_MAX_VALUE, __VA_ARGS__)
#define TYPE                                                                                       \
    SECRET_FIELD(write_in, change., type, ENUM, .names = pn_secret_types, .has_fallback = true)
#define CREATE_FIELDS                                                                              \
    WRITE_WHERE, NEW_NAME, VALUE(.required = true), SECRET_FIELDS(write_in, change.)
#define CHANGE_FIELDS                                                                              \
    WRITE_WHERE, NAME(), VALUE(), SECRET_FIELDS(write_in, change.),                                \
    SECRET_NAME(write_in, change., newSecretName)
#define DELETE_FIELDS WRITE_WHERE, NAME(), TYPE
/* clang-format on */
static const struct pn_field create_v4_fields[] = { WRITE_V4, CREATE_FIELDS };
static const struct pn_field create_v3_fields[] = { WRITE_V3, CREATE_FIELDS };
static const struct pn_field change_v4_fields[] = { WRITE_V4, CHANGE_FIELDS };
static const struct pn_field change_v3_fields[] = { WRITE_V3, CHANGE_FIELDS };
static const struct pn_field delete_v4_fields[] = { WRITE_V4, DELETE_FIELDS };
static const struct pn_field delete_v3_fields[] = { WRITE_V3, DELETE_FIELDS };
#define WRITE_SHAPE(name)                                                      \
    {                                                                          \
#        name, sizeof(struct write_in), name##_fields, PN_COUNT(name##_fields) \
    }
static const struct pn_shape create_v4 = WRITE_SHAPE(create_v4), create_v3 = WRITE_SHAPE(create_v3),
                             change_v4 = WRITE_SHAPE(change_v4), change_v3 = WRITE_SHAPE(change_v3),
                             delete_v4 = WRITE_SHAPE(delete_v4), delete_v3 = WRITE_SHAPE(delete_v3);

typedef bool write_fn(struct pn_call *call, const struct pn_secrets_batch *batch,
                      struct pn_list *out, struct pn_err *err);

static bool write_one(struct pn_call *call, const struct write_in *in, write_fn *write,
                      struct one_out *out, struct pn_err *err)
{
    struct pn_secrets_change change = in->change;
    struct pn_secrets_batch batch = { .environment = in->where.environment,
                                      .path = in->where.secretPath,
                                      .changes = &change,
                                      .count = 1,
                                      .is_single = true };
    struct pn_list done;

    if (!pn_secret_project(call, &in->where, &batch.project_id, err) ||
        !write(call, &batch, &done, err))
        return false;
    out->secret = *(const struct pn_secret_item *)done.items;
    return true;
}

static bool create(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_one(call, in, pn_secrets_create, out, err);
}

static bool change(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_one(call, in, pn_secrets_change, out, err);
}

static bool delete_secret(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_one(call, in, pn_secrets_delete, out, err);
}

/* ---- the table ---- */

#define READ(at, what, shape, to, run, event, ...)                                           \
    {                                                                                        \
        PN_GET, at, .access = PN_BY_READERS, .permission = "project secrets:describeSecret", \
                    .rate = PN_RATE_READ, .audit = event, .in = shape, .out = PN_SHAPE(to),  \
                    .handle = run, .doc = what, __VA_ARGS__                                  \
    }
#define WRITE(how, at, what, shape, run, may, event)                                           \
    {                                                                                          \
        how, at, .access = PN_BY_READERS, .permission = "project secrets:" may,                \
                 .rate = PN_RATE_WRITE, .audit = event, .in = shape, .out = PN_SHAPE(one_out), \
                 .max_body_bytes = SECRETS_MAX_BODY, .handle = run, .doc = what                \
    }
#define FAMILY(base, g)                                                                         \
    READ(base, "Secrets of a folder", &list_##g, list_out, list_by_##g, "get-secrets",          \
         .has_etag = true),                                                                     \
        READ(base "/:secretName", "One secret by its name", &get_##g, one_out, get_by_##g,      \
             "get-secret", .has_etag = true, .lane = PN_LANE_MEMORY),                           \
        READ(base "/id/:secretId", "One secret by its id", PN_SHAPE(by_id), one_out, get_by_id, \
             "get-secret", .has_etag = true),                                                   \
        WRITE(PN_POST, base "/:secretName", "Makes a secret", &create_##g, create, "create",    \
              "create-secret"),                                                                 \
        WRITE(PN_PATCH, base "/:secretName", "Changes a secret; what is not said stays",        \
              &change_##g, change, "edit", "update-secret"),                                    \
        WRITE(PN_DELETE, base "/:secretName", "Deletes a secret, with its personal overrides",  \
              &delete_##g, delete_secret, "delete", "delete-secret")

const struct pn_route pn_secrets_routes[] = {
    FAMILY("/api/v4/secrets", v4),
    FAMILY("/api/v3/secrets/raw", v3),
    { PN_GET, "/api/v4/secrets/:secretName/secret-reference-tree", .access = PN_BY_USER,
      .permission = "project secrets:readValue", .rate = PN_RATE_READ, .audit = "get-secret",
      .in = PN_SHAPE(tree_in), .out = PN_SHAPE(tree_out), .handle = reference_tree,
      .doc = "What the value of a secret refers to, and what it becomes" },
    READ("/api/v1/secret/:secretId/secret-versions", "What a secret was before, newest first",
         PN_SHAPE(versions_in), versions_out, list_versions, "get-secret", .has_etag = false),
    { 0 },
};
