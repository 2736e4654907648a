/* SPDX-License-Identifier: Apache-2.0 */
/* Many secrets at once: all of them or none. Contract: platform.md §10.3, §10.4. */
#include "core/secret/move.h"
#include "server/api/secrets.h"
#include "server/route.h"

static const char *const modes[] = { "failOnNotFound", "upsert", "ignore", NULL };

struct batch_in {
    struct pn_secret_where where;
    struct pn_list secrets; /* of struct pn_secrets_change */
    int mode;
};
/* clang-format off */
#define ITEM(m, what, ...) SECRET_FIELD(pn_secrets_change, , m, what, __VA_ARGS__)
#define OLD_NAME                                                                                   \
    ITEM(secretKey, STRING, .required = true, .min = 1, .max = PN_SECRETS_MAX_NAME, .trim = true)
/* clang-format on */
static const struct pn_field create_item_fields[] = {
    SECRET_NAME(pn_secrets_change, , secretKey, .required = true),
    ITEM(secretValue, STRING, .required = true, .max = PN_SECRETS_MAX_VALUE),
    SECRET_FIELDS(pn_secrets_change, ),
};
static const struct pn_field change_item_fields[] = {
    SECRET_NAME(pn_secrets_change, , secretKey, .required = true),
    ITEM(secretValue, STRING, .max = PN_SECRETS_MAX_VALUE),
    ITEM(secretPath, STRING),
    SECRET_NAME(pn_secrets_change, , newSecretName),
    SECRET_FIELDS(pn_secrets_change, ),
};
static const struct pn_field delete_item_fields[] = {
    OLD_NAME,
    ITEM(type, ENUM, .names = pn_secret_types, .has_fallback = true),
};
#define ITEM_SHAPE(name)                                                                \
    {                                                                                   \
#        name, sizeof(struct pn_secrets_change), name##_fields, PN_COUNT(name##_fields) \
    }
static const struct pn_shape create_item = ITEM_SHAPE(create_item),
                             change_item = ITEM_SHAPE(change_item),
                             delete_item = ITEM_SHAPE(delete_item);

/* clang-format off */
#define B(m, to, what, ...)                                                                        \
    { .name = m, .kind = PN_KIND_##what, .offset = offsetof(struct batch_in, to), __VA_ARGS__ }
#define BATCH_V4 B("projectId", where.projectId, UUID, .required = true)
#define BATCH_V3                                                                                   \
    B("workspaceId", where.projectId, UUID),                                                       \
    B("projectSlug", where.projectSlug, STRING, .max = 64)
#define BATCH_FIELDS(item)                                                                         \
    B("environment", where.environment, STRING, .required = true, .min = 1, .max = 64),            \
    B("secretPath", where.secretPath, STRING),                                                     \
    PN_FIELD(batch_in, secrets, OBJECTS, .shape = &item, .required = true, .min = 1,               \
             .max = PN_SECRETS_MAX_BATCH)
#define MODE PN_FIELD(batch_in, mode, ENUM, .names = modes, .has_fallback = true)
/* clang-format on */
static const struct pn_field create_v4_fields[] = { BATCH_V4, BATCH_FIELDS(create_item) };
static const struct pn_field create_v3_fields[] = { BATCH_V3, BATCH_FIELDS(create_item) };
static const struct pn_field change_v4_fields[] = { BATCH_V4, BATCH_FIELDS(change_item), MODE };
static const struct pn_field change_v3_fields[] = { BATCH_V3, BATCH_FIELDS(change_item), MODE };
static const struct pn_field delete_v4_fields[] = { BATCH_V4, BATCH_FIELDS(delete_item) };
static const struct pn_field delete_v3_fields[] = { BATCH_V3, BATCH_FIELDS(delete_item) };
#define BATCH_SHAPE(name)                                                      \
    {                                                                          \
#        name, sizeof(struct batch_in), name##_fields, PN_COUNT(name##_fields) \
    }
static const struct pn_shape create_v4 = BATCH_SHAPE(create_v4), create_v3 = BATCH_SHAPE(create_v3),
                             change_v4 = BATCH_SHAPE(change_v4), change_v3 = BATCH_SHAPE(change_v3),
                             delete_v4 = BATCH_SHAPE(delete_v4), delete_v3 = BATCH_SHAPE(delete_v3);

struct batch_out {
    struct pn_list secrets;
};
static const struct pn_field batch_out_fields[] = {
    PN_FIELD(batch_out, secrets, OBJECTS, .shape = &pn_secret_view),
};

typedef bool write_fn(struct pn_call *call, const struct pn_secrets_batch *batch,
                      struct pn_list *out, struct pn_err *err);

static bool write_many(struct pn_call *call, const struct batch_in *in, write_fn *write,
                       struct batch_out *out, struct pn_err *err)
{
    struct pn_secrets_batch batch = { .environment = in->where.environment,
                                      .path = in->where.secretPath,
                                      .changes = in->secrets.items,
                                      .count = in->secrets.count,
                                      .missing = (enum pn_secrets_missing)in->mode };

    return pn_secret_project(call, &in->where, &batch.project_id, err) &&
           write(call, &batch, &out->secrets, err);
}

static bool create(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_many(call, in, pn_secrets_create, out, err);
}

static bool change(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_many(call, in, pn_secrets_change, out, err);
}

static bool delete_secrets(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return write_many(call, in, pn_secrets_delete, out, err);
}

/* ---- move ---- */

struct move_in {
    struct pn_uuid projectId;
    struct pn_str sourceEnvironment, sourceSecretPath, destinationEnvironment,
        destinationSecretPath;
    struct pn_strs secretIds;
    bool shouldOverwrite;
};
static const struct pn_field move_in_fields[] = {
    PN_FIELD(move_in, projectId, UUID, .required = true),
    PN_FIELD(move_in, sourceEnvironment, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(move_in, sourceSecretPath, STRING),
    PN_FIELD(move_in, destinationEnvironment, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(move_in, destinationSecretPath, STRING),
    PN_FIELD(move_in, secretIds, STRINGS, .required = true, .min = 1, .max = PN_SECRETS_MAX_BATCH,
             .item_max = 64, .check = pn_secret_is_uuid, .rule = "Invalid uuid"),
    PN_FIELD(move_in, shouldOverwrite, BOOL),
};
struct move_out {
    bool isSourceUpdated, isDestinationUpdated;
};
static const struct pn_field move_out_fields[] = {
    PN_FIELD(move_out, isSourceUpdated, BOOL),
    PN_FIELD(move_out, isDestinationUpdated, BOOL),
};

static bool move(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct move_in *in = in_;
    struct move_out *out = out_;
    const struct pn_secrets_move move = { .project_id = in->projectId,
                                          .from_environment = in->sourceEnvironment,
                                          .from_path = in->sourceSecretPath,
                                          .to_environment = in->destinationEnvironment,
                                          .to_path = in->destinationSecretPath,
                                          .ids = in->secretIds,
                                          .overwrites = in->shouldOverwrite };

    if (!pn_secrets_move(call, &move, err))
        return false;
    *out = (struct move_out){ .isSourceUpdated = true, .isDestinationUpdated = true };
    return true;
}

#define BATCH(how, at, what, shape, run, may, event)                                             \
    {                                                                                            \
        how, at, .access = PN_BY_READERS, .permission = "project secrets:" may,                  \
                 .rate = PN_RATE_WRITE, .audit = event, .in = shape, .out = PN_SHAPE(batch_out), \
                 .max_body_bytes = SECRETS_MAX_BODY, .handle = run, .doc = what                  \
    }
#define FAMILY(at, g)                                                                          \
    BATCH(PN_POST, at, "Makes secrets", &create_##g, create, "create", "create-secrets"),      \
        BATCH(PN_PATCH, at, "Changes secrets", &change_##g, change, "edit", "update-secrets"), \
        BATCH(PN_DELETE, at, "Deletes secrets", &delete_##g, delete_secrets, "delete",         \
              "delete-secrets")

const struct pn_route pn_secrets_batch_routes[] = {
    FAMILY("/api/v4/secrets/batch", v4),
    FAMILY("/api/v3/secrets/batch/raw", v3),
    { PN_POST, "/api/v4/secrets/move", .access = PN_BY_READERS,
      .permission = "project secrets:delete", .rate = PN_RATE_WRITE, .audit = "move-secrets",
      .in = PN_SHAPE(move_in), .out = PN_SHAPE(move_out), .handle = move,
      .doc = "Moves secrets to another folder, with their versions" },
    { 0 },
};
