/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic secrets: how credentials of clusters are made. Contract: dynamic-secrets.md §1.1, §1.2. */
#include "server/api/dynamic_secrets.h"

#include "core/org/permission.h"

/* ---- what is shown ---- */

static const struct pn_field pair_fields[] = {
    PN_FIELD(pn_permit_pair, key, STRING, .required = true, .max = 255, .trim = true),
    PN_FIELD(pn_permit_pair, value, STRING, .max = 1020, .trim = true),
};
static const struct pn_shape pair_shape = { "metadata", sizeof(struct pn_permit_pair), pair_fields,
                                            PN_COUNT(pair_fields) };

/* clang-format off */
#define VIEW                                                                                       \
    PN_FIELD(pn_dynamic_secret, id, UUID), PN_FIELD(pn_dynamic_secret, name, STRING),              \
    PN_FIELD(pn_dynamic_secret, version, INT), PN_FIELD(pn_dynamic_secret, type, STRING),          \
    PN_FIELD(pn_dynamic_secret, defaultTTL, STRING), PN_FIELD(pn_dynamic_secret, maxTTL, STRING),  \
    PN_FIELD(pn_dynamic_secret, folderId, UUID), PN_FIELD(pn_dynamic_secret, status, STRING),      \
    PN_FIELD(pn_dynamic_secret, statusDetails, STRING),                                            \
    PN_FIELD(pn_dynamic_secret, createdAt, TIME), PN_FIELD(pn_dynamic_secret, updatedAt, TIME),    \
    PN_FIELD(pn_dynamic_secret, gatewayId, UUID), PN_FIELD(pn_dynamic_secret, gatewayV2Id, UUID),  \
    PN_FIELD(pn_dynamic_secret, usernameTemplate, STRING)
#define INPUTS                                                                                     \
    PN_FIELD(pn_dynamic_secret, inputs, RAW, .omit_empty = true,                                   \
             .doc = "Without the cluster's token, and only for who may edit them")
#define METADATA PN_FIELD(pn_dynamic_secret, metadata, OBJECTS, .shape = &pair_shape)
/* clang-format on */
static const struct pn_field bare_fields[] = { VIEW };
static const struct pn_field created_fields[] = { VIEW, INPUTS };
static const struct pn_field full_fields[] = { VIEW, METADATA, INPUTS };
#define SHAPE(name, fields)                                              \
    {                                                                    \
        name, sizeof(struct pn_dynamic_secret), fields, PN_COUNT(fields) \
    }
const struct pn_shape pn_dynamic_secret_view = SHAPE("dynamic_secret", bare_fields);
static const struct pn_shape created_view = SHAPE("dynamic_secret_created", created_fields),
                             full_view = SHAPE("dynamic_secret_full", full_fields);

struct one_out {
    struct pn_dynamic_secret dynamicSecret;
};
static const struct pn_field bare_out_fields[] = {
    PN_FIELD(one_out, dynamicSecret, OBJECT, .shape = &pn_dynamic_secret_view),
};
static const struct pn_field created_out_fields[] = {
    PN_FIELD(one_out, dynamicSecret, OBJECT, .shape = &created_view),
};
static const struct pn_field full_out_fields[] = {
    PN_FIELD(one_out, dynamicSecret, OBJECT, .shape = &full_view),
};
static const struct pn_shape bare_out = { "changed", sizeof(struct one_out), bare_out_fields, 1 },
                             created_out = { "created", sizeof(struct one_out), created_out_fields,
                                             1 },
                             full_out = { "got", sizeof(struct one_out), full_out_fields, 1 };

struct many_out {
    struct pn_list dynamicSecrets;
};
static const struct pn_field many_out_fields[] = {
    PN_FIELD(many_out, dynamicSecrets, OBJECTS, .shape = &full_view),
};
static const struct pn_shape many_out = PN_SHAPE_OF(many_out);

/* ---- create ---- */

struct provider {
    struct pn_str type;
    struct pn_lease_config_in inputs;
    bool has_inputs;
};
static const struct pn_field provider_fields[] = {
    PN_FIELD(provider, type, STRING, .required = true, .max = 64),
    PN_FIELD(provider, inputs, OBJECT, .required = true, .shape = &pn_lease_config_shape,
             .has_offset = offsetof(struct provider, has_inputs)),
};
static const struct pn_shape provider_shape = PN_SHAPE_OF(provider);

struct create_in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, name, defaultTTL, maxTTL,
        usernameTemplate;
    struct pn_list metadata;
    struct provider provider;
    bool has_provider;
};
/* clang-format off */
#define NAME(type, member, ...) \
    PN_FIELD(type, member, STRING, .max = 255, .trim = true, .lower = true, __VA_ARGS__)
#define TTL(type, member, ...) PN_FIELD(type, member, STRING, .max = 255, __VA_ARGS__)
/* clang-format on */
static const struct pn_field create_in_fields[] = {
    PN_DYNAMIC_PLACE(create_in),
    NAME(create_in, name, .required = true),
    TTL(create_in, defaultTTL, .required = true),
    TTL(create_in, maxTTL, .is_nullable = true),
    PN_FIELD(create_in, usernameTemplate, STRING, .max = 255, .trim = true, .is_nullable = true),
    PN_FIELD(create_in, metadata, OBJECTS, .shape = &pair_shape, .max = PN_DYNAMIC_MAX_METADATA),
    PN_FIELD(create_in, provider, OBJECT, .required = true, .shape = &provider_shape,
             .has_offset = offsetof(struct create_in, has_provider)),
};
static const struct pn_shape create_in = PN_SHAPE_OF(create_in);

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct create_in *in = in_;
    const struct pn_dynamic_secret_in want = {
        .at = { in->projectSlug, in->environmentSlug,
                pn_dynamic_secret_path(in->path, in->secretPath) },
        .name = in->name,
        .defaultTTL = in->defaultTTL,
        .maxTTL = in->maxTTL,
        .usernameTemplate = in->usernameTemplate,
        .type = in->provider.type,
        .metadata = in->metadata,
        .inputs = in->provider.inputs,
    };
    struct one_out *out = out_;

    return pn_dynamic_secret_create(call, &want, &out->dynamicSecret, err);
}

/* ---- update ---- */

struct data {
    struct pn_lease_config_in inputs;
    struct pn_str newName, defaultTTL, maxTTL, usernameTemplate;
    struct pn_list metadata;
    bool has_inputs, has_max, has_template, has_metadata;
};
static const struct pn_field data_fields[] = {
    PN_FIELD(data, inputs, OBJECT, .shape = &pn_lease_config_shape,
             .has_offset = offsetof(struct data, has_inputs)),
    NAME(data, newName, .has_offset = 0),
    TTL(data, defaultTTL, .min = 1),
    TTL(data, maxTTL, .is_nullable = true, .has_offset = offsetof(struct data, has_max)),
    PN_FIELD(data, usernameTemplate, STRING, .max = 255, .trim = true, .is_nullable = true,
             .has_offset = offsetof(struct data, has_template)),
    PN_FIELD(data, metadata, OBJECTS, .shape = &pair_shape, .max = PN_DYNAMIC_MAX_METADATA,
             .has_offset = offsetof(struct data, has_metadata)),
};
static const struct pn_shape data_shape = PN_SHAPE_OF(data);

struct change_in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, name;
    struct data data;
    bool has_data;
};
static const struct pn_field change_in_fields[] = {
    PN_DYNAMIC_PLACE(change_in),
    NAME(change_in, name, .required = true),
    PN_FIELD(change_in, data, OBJECT, .required = true, .shape = &data_shape,
             .has_offset = offsetof(struct change_in, has_data)),
};
static const struct pn_shape change_in = PN_SHAPE_OF(change_in);

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    const struct data *data = &in->data;
    const struct pn_dynamic_secret_in want = {
        .at = { in->projectSlug, in->environmentSlug,
                pn_dynamic_secret_path(in->path, in->secretPath) },
        .name = in->name,
        .defaultTTL = data->defaultTTL,
        .maxTTL = data->maxTTL,
        .usernameTemplate = data->usernameTemplate,
        .metadata = data->metadata,
        .inputs = data->inputs,
        .has_max = data->has_max,
        .has_template = data->has_template,
        .has_metadata = data->has_metadata,
        .has_inputs = data->has_inputs,
    };
    struct one_out *out = out_;

    return pn_dynamic_secret_update(call, &want, data->newName, &out->dynamicSecret, err);
}

/* ---- the rest ---- */

struct named_in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, name;
    bool isForced;
};
static const struct pn_field named_in_fields[] = {
    PN_DYNAMIC_PLACE(named_in),
    NAME(named_in, name, .required = true),
};
static const struct pn_field delete_in_fields[] = {
    PN_DYNAMIC_PLACE(named_in),
    NAME(named_in, name, .required = true),
    PN_FIELD(named_in, isForced, BOOL),
};
static const struct pn_field place_in_fields[] = { PN_DYNAMIC_PLACE(named_in) };
static const struct pn_shape named_in = PN_SHAPE_OF(named_in),
                             delete_in = { "delete_in", sizeof(struct named_in), delete_in_fields,
                                           PN_COUNT(delete_in_fields) },
                             place_in = { "place_in", sizeof(struct named_in), place_in_fields,
                                          PN_COUNT(place_in_fields) };

static struct pn_lease_at at(const struct named_in *in)
{
    return (struct pn_lease_at){ in->projectSlug, in->environmentSlug,
                                 pn_dynamic_secret_path(in->path, in->secretPath) };
}

static bool delete_one(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct named_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct one_out *out = out_;

    return pn_dynamic_secret_delete(call, &where, in->name, in->isForced, &out->dynamicSecret, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct named_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct one_out *out = out_;

    return pn_dynamic_secret_get(call, &where, in->name, &out->dynamicSecret, err);
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct named_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct many_out *out = out_;

    return pn_dynamic_secret_list(call, &where, &out->dynamicSecrets, err);
}

#define BASE "/api/v1/dynamic-secrets"

const struct pn_route pn_dynamic_secrets_routes[] = {
    { PN_POST, BASE, .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .permission = "project dynamic-secrets:create-root-credential",
      .audit = "create-dynamic-secret", .in = &create_in, .out = &created_out, .handle = create,
      .doc = "Makes a dynamic secret, after its cluster was tried" },
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "project dynamic-secrets:read-root-credential", .audit = "list-dynamic-secrets",
      .in = &place_in, .out = &many_out, .handle = list,
      .doc = "The dynamic secrets of a folder that the caller may read" },
    { PN_GET, BASE "/:name", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "project dynamic-secrets:read-root-credential", .audit = "get-dynamic-secret",
      .in = &named_in, .out = &full_out, .handle = get, .doc = "One dynamic secret" },
    { PN_PATCH, BASE "/:name", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .permission = "project dynamic-secrets:edit-root-credential",
      .audit = "update-dynamic-secret", .in = &change_in, .out = &bare_out, .handle = change,
      .doc = "Changes a dynamic secret; its leases keep what they were made with" },
    { PN_DELETE, BASE "/:name", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .permission = "project dynamic-secrets:delete-root-credential",
      .audit = "delete-dynamic-secret", .in = &delete_in, .out = &bare_out, .handle = delete_one,
      .doc = "Ends its leases and deletes a dynamic secret" },
    { 0 },
};
