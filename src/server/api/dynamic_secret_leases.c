/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of dynamic secrets. Contract: dynamic-secrets.md §1.3, §1.4. */
#include "core/lease/outputs.h"
#include "json/value.h"
#include "server/api/dynamic_secrets.h"

/* ---- what is shown ---- */

/* clang-format off */
#define LEASE                                                                                      \
    PN_FIELD(pn_lease, id, UUID), PN_FIELD(pn_lease, version, INT),                                \
    PN_FIELD(pn_lease, externalEntityId, STRING), PN_FIELD(pn_lease, expireAt, TIME),              \
    PN_FIELD(pn_lease, status, STRING), PN_FIELD(pn_lease, statusDetails, STRING),                 \
    PN_FIELD(pn_lease, dynamicSecretId, UUID), PN_FIELD(pn_lease, createdAt, TIME),                \
    PN_FIELD(pn_lease, updatedAt, TIME), PN_FIELD(pn_lease, config, RAW)
/* clang-format on */
static const struct pn_field lease_fields[] = { LEASE };
static const struct pn_shape lease_view = { "lease", sizeof(struct pn_lease), lease_fields,
                                            PN_COUNT(lease_fields) };

struct one_out {
    struct pn_lease lease;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, lease, OBJECT, .shape = &lease_view),
};
static const struct pn_shape one_out = PN_SHAPE_OF(one_out);

struct many_out {
    struct pn_list leases;
};
static const struct pn_field many_out_fields[] = {
    PN_FIELD(many_out, leases, OBJECTS, .shape = &lease_view),
};
static const struct pn_shape many_out = PN_SHAPE_OF(many_out);

/* The lease's members, and its dynamic secret inside. */
struct nested {
    struct pn_lease l;
    struct pn_dynamic_secret dynamicSecret;
};
/* clang-format off */
#define INNER(member, what) \
    { PN_FIELD_NAME(member), .kind = PN_KIND_##what, .offset = offsetof(struct nested, l.member) }
/* clang-format on */
static const struct pn_field nested_fields[] = {
    INNER(id, UUID),
    INNER(version, INT),
    INNER(externalEntityId, STRING),
    INNER(expireAt, TIME),
    INNER(status, STRING),
    INNER(statusDetails, STRING),
    INNER(dynamicSecretId, UUID),
    INNER(createdAt, TIME),
    INNER(updatedAt, TIME),
    INNER(config, RAW),
    PN_FIELD(nested, dynamicSecret, OBJECT, .shape = &pn_dynamic_secret_view),
};
static const struct pn_shape nested_view = { "lease_of", sizeof(struct nested), nested_fields,
                                             PN_COUNT(nested_fields) };
struct get_out {
    struct nested lease;
};
static const struct pn_field get_out_fields[] = {
    PN_FIELD(get_out, lease, OBJECT, .shape = &nested_view),
};
static const struct pn_shape get_out = PN_SHAPE_OF(get_out);

static const struct pn_field data_fields[] = {
    PN_FIELD(pn_lease_data, TOKEN, STRING),
    PN_FIELD(pn_lease_data, KUBECONFIG, STRING, .omit_empty = true),
    PN_FIELD(pn_lease_data, NAMESPACE, STRING, .omit_empty = true),
    PN_FIELD(pn_lease_data, SERVICE_ACCOUNT, STRING, .omit_empty = true),
    PN_FIELD(pn_lease_data, EXPIRES_AT, STRING, .omit_empty = true),
};
static const struct pn_shape data_view = { "data", sizeof(struct pn_lease_data), data_fields,
                                           PN_COUNT(data_fields) };
struct create_out {
    struct pn_lease lease;
    struct pn_dynamic_secret dynamicSecret;
    struct pn_lease_data data;
};
static const struct pn_field create_out_fields[] = {
    PN_FIELD(create_out, lease, OBJECT, .shape = &lease_view),
    PN_FIELD(create_out, dynamicSecret, OBJECT, .shape = &pn_dynamic_secret_view),
    PN_FIELD(create_out, data, OBJECT, .shape = &data_view),
};
static const struct pn_shape create_out = PN_SHAPE_OF(create_out);

/* ---- create ---- */

#define OUTPUTS                                                                                \
    "What data has beside TOKEN (default: what the dynamic secret says): KUBECONFIG, for who " \
    "may see its inputs, NAMESPACE, SERVICE_ACCOUNT, EXPIRES_AT"

struct config {
    struct pn_str namespace;
    struct pn_strs outputs;
    bool has_outputs;
};
static const struct pn_field config_fields[] = {
    PN_FIELD(config, namespace, STRING, .min = 1, .max = 253),
    PN_FIELD(config, outputs, STRINGS, .max = PN_LEASE_MAX_OUTPUTS, .item_max = 32,
             .has_offset = offsetof(struct config, has_outputs), .doc = OUTPUTS),
};
static const struct pn_shape config_shape = PN_SHAPE_OF(config);

struct create_in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, dynamicSecretName, ttl, any;
    struct config config;
    bool has_config;
};
/* clang-format off */
#define CREATE                                                                                     \
    PN_DYNAMIC_PLACE(create_in),                                                                   \
    PN_FIELD(create_in, dynamicSecretName, STRING, .required = true, .min = 1, .max = 255,         \
             .trim = true, .lower = true),                                                         \
    PN_FIELD(create_in, ttl, STRING, .max = 255, .is_nullable = true)
/* clang-format on */
static const struct pn_field create_any_fields[] = {
    CREATE,
    { .name = "config",
      .kind = PN_KIND_RAW,
      .offset = offsetof(struct create_in, any),
      .doc = "{\"namespace\": one of the dynamic secret's, \"outputs\": [names]}. " OUTPUTS },
};
static const struct pn_field create_kubernetes_fields[] = {
    CREATE,
    PN_FIELD(create_in, config, OBJECT, .shape = &config_shape, .is_nullable = true,
             .has_offset = offsetof(struct create_in, has_config)),
};
static const struct pn_shape create_any = { "create_any", sizeof(struct create_in),
                                            create_any_fields, PN_COUNT(create_any_fields) },
                             create_kubernetes = { "create_kubernetes", sizeof(struct create_in),
                                                   create_kubernetes_fields,
                                                   PN_COUNT(create_kubernetes_fields) };

/* Anything but a list of names is a name that there is not. */
static struct pn_strs names_of(struct pn_arena *arena, const struct pn_value *list)
{
    const size_t count = pn_value_is_array(list) ? pn_value_count(list) : PN_LEASE_MAX_OUTPUTS + 1;
    const bool is_list = count <= PN_LEASE_MAX_OUTPUTS;
    struct pn_strs names = { .count = is_list ? count : 1 };

    names.items = pn_new(arena, struct pn_str, names.count);
    for (size_t i = 0; i < names.count; i++)
        names.items[i] =
            is_list ? pn_arena_copy(arena, pn_value_str(pn_value_item(list, i))) : PN_LIT("");
    return names;
}

/* Of whatever JSON the client put there: what we know of it, if it has that. */
static struct config config_of(struct pn_call *call, struct pn_str json)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    const struct pn_value *outputs;
    struct pn_err ignored = { 0 };
    struct config config = { 0 };
    struct pn_str namespace;

    if (json.len == 0 || json.ptr[0] != '{' || !pn_value_parse(json, &value, &ignored))
        return config;
    namespace = pn_value_str(pn_value_get(value, "namespace"));
    if (namespace.len > 0)
        config.namespace = pn_arena_copy(call->arena, namespace);
    outputs = pn_value_get(value, "outputs");
    config.has_outputs = outputs != NULL;
    if (config.has_outputs)
        config.outputs = names_of(call->arena, outputs);
    return config;
}

static bool create(struct pn_call *call, const struct create_in *in, const struct config *config,
                   struct create_out *out, struct pn_err *err)
{
    const struct pn_lease_want want = {
        .at = { in->projectSlug, in->environmentSlug,
                pn_dynamic_secret_path(in->path, in->secretPath) },
        .dynamicSecretName = in->dynamicSecretName,
        .ttl = in->ttl,
        .namespace = config->namespace,
        .outputs = config->outputs,
        .has_outputs = config->has_outputs,
    };

    return pn_lease_create(call, &want, &out->lease, &out->dynamicSecret, &out->data, err);
}

static bool create_of_any(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct create_in *in = in_;
    const struct config config = config_of(call, in->any);

    return create(call, in, &config, out, err);
}

static bool create_of_kubernetes(struct pn_call *call, const void *in_, void *out,
                                 struct pn_err *err)
{
    const struct create_in *in = in_;

    return create(call, in, &in->config, out, err);
}

/* ---- the rest ---- */

struct lease_in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, name, leaseId, ttl;
    bool isForced;
};
/* clang-format off */
#define LEASE_ID PN_FIELD(lease_in, leaseId, STRING, .required = true, .min = 1, .max = 255)
#define IN(name_, fields) { name_, sizeof(struct lease_in), fields, PN_COUNT(fields) }
/* clang-format on */
static const struct pn_field list_fields[] = {
    PN_DYNAMIC_PLACE(lease_in),
    PN_FIELD(lease_in, name, STRING, .required = true, .max = 255, .trim = true, .lower = true),
};
static const struct pn_field get_fields[] = { PN_DYNAMIC_PLACE(lease_in), LEASE_ID };
static const struct pn_field renew_fields[] = {
    PN_DYNAMIC_PLACE(lease_in),
    LEASE_ID,
    PN_FIELD(lease_in, ttl, STRING, .max = 255, .is_nullable = true),
};
static const struct pn_field revoke_fields[] = {
    PN_DYNAMIC_PLACE(lease_in),
    LEASE_ID,
    PN_FIELD(lease_in, isForced, BOOL),
};
static const struct pn_shape list_in = IN("list_leases", list_fields),
                             get_in = IN("get_lease", get_fields),
                             renew_in = IN("renew_lease", renew_fields),
                             revoke_in = IN("revoke_lease", revoke_fields);

static struct pn_lease_at at(const struct lease_in *in)
{
    return (struct pn_lease_at){ in->projectSlug, in->environmentSlug,
                                 pn_dynamic_secret_path(in->path, in->secretPath) };
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct lease_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct many_out *out = out_;

    return pn_lease_list(call, &where, in->name, &out->leases, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct lease_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct get_out *out = out_;

    return pn_lease_get(call, &where, in->leaseId, &out->lease.l, &out->lease.dynamicSecret, err);
}

static bool renew(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct lease_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct one_out *out = out_;

    return pn_lease_renew(call, &where, in->leaseId, in->ttl, &out->lease, err);
}

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct lease_in *in = in_;
    const struct pn_lease_at where = at(in);
    struct one_out *out = out_;

    return pn_lease_revoke(call, &where, in->leaseId, in->isForced, &out->lease, err);
}

#define BASE "/api/v1/dynamic-secrets"

const struct pn_route pn_dynamic_secret_leases_routes[] = {
    { PN_POST, BASE "/leases", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .permission = "project dynamic-secrets:lease", .audit = "create-dynamic-secret-lease",
      .in = &create_any, .out = &create_out, .handle = create_of_any,
      .doc = "Makes a credential; its token is in this answer alone" },
    { PN_POST, BASE "/leases/kubernetes", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_SLOW, .permission = "project dynamic-secrets:lease",
      .audit = "create-dynamic-secret-lease", .in = &create_kubernetes, .out = &create_out,
      .handle = create_of_kubernetes,
      .doc = "The same, with a configuration that is checked for Kubernetes" },
    { PN_GET, BASE "/leases/:leaseId", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "project dynamic-secrets:lease", .audit = "get-dynamic-secret-lease",
      .in = &get_in, .out = &get_out, .handle = get, .doc = "One lease, without its token" },
    { PN_POST, BASE "/leases/:leaseId/renew", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .permission = "project dynamic-secrets:lease", .audit = "renew-dynamic-secret-lease",
      .in = &renew_in, .out = &one_out, .handle = renew,
      .doc = "Adds to a lease's end, not past that of its token" },
    { PN_DELETE, BASE "/leases/:leaseId", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_SLOW, .permission = "project dynamic-secrets:lease",
      .audit = "delete-dynamic-secret-lease", .in = &revoke_in, .out = &one_out, .handle = revoke,
      .doc =
          "Ends a lease now; where the cluster refuses, its status says so and it is tried again" },
    { PN_GET, BASE "/:name/leases", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .permission = "project dynamic-secrets:lease", .audit = "list-dynamic-secret-leases",
      .in = &list_in, .out = &many_out, .handle = list, .doc = "The leases of a dynamic secret" },
    { 0 },
};
