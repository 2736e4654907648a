/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/sealed.h"

#define MAX_METADATA_BYTES ((size_t)1 << 20)

static struct pn_seal_place place_of(const struct pn_secret_item *item, const char *column)
{
    return (struct pn_seal_place){ .table = "secrets", .column = column, .row = item->id };
}

bool pn_sealed_open(struct pn_call *call, const struct pn_secret_item *item, const char *column,
                    struct pn_str sealed, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init_wiped(sealed.len + 1);

    if (!pn_arena_require(call->arena, sealed.len, err))
        return false;
    if (!pn_keyring_open_into(call->keyring, item->workspace, place_of(item, column), sealed,
                              &plain, err))
        return pn_within(err, "secret %s", pn_uuid_format(item->id).text);
    *out = pn_arena_copy(call->arena, pn_buf_str(&plain));
    return true;
}

bool pn_sealed_make(struct pn_call *call, const struct pn_secret_item *item, const char *column,
                    struct pn_str plain, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(plain.len + PN_SEAL_OVERHEAD);

    *out = PN_NONE;
    if (plain.ptr == NULL)
        return true;
    if (!pn_arena_require(call->arena, plain.len + PN_SEAL_OVERHEAD, err))
        return false;
    if (!pn_keyring_seal(call->keyring, item->workspace, place_of(item, column), plain, &sealed,
                         err))
        return pn_within(err, "secret %s", pn_uuid_format(item->id).text);
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

/* ---- metadata: JSON inside ---- */

struct metadata {
    struct pn_list pairs;
};
static const struct pn_field pair_fields[] = {
    PN_FIELD(pn_secrets_pair, key, STRING),
    PN_FIELD(pn_secrets_pair, value, STRING),
    PN_FIELD(pn_secrets_pair, isEncrypted, BOOL),
};
static const struct pn_shape pair_shape = { "pair", sizeof(struct pn_secrets_pair), pair_fields,
                                            PN_COUNT(pair_fields) };
static const struct pn_field metadata_fields[] = {
    PN_FIELD(metadata, pairs, OBJECTS, .shape = &pair_shape),
};

bool pn_sealed_open_metadata(struct pn_call *call, const struct pn_secret_item *item,
                             struct pn_list *out, struct pn_err *err)
{
    struct metadata metadata;
    struct pn_str json;

    if (!pn_sealed_open(call, item, PN_SEALED_METADATA, item->sealed_metadata, &json, err))
        return false;
    if (!pn_shape_parse(PN_SHAPE(metadata), call->arena, json, &metadata, err))
        return pn_recast(err, PN_INTERNAL, "metadata of a secret is not ours");
    *out = metadata.pairs;
    return true;
}

bool pn_sealed_make_metadata(struct pn_call *call, const struct pn_secret_item *item,
                             struct pn_list pairs, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_METADATA_BYTES);
    const struct metadata metadata = { pairs };

    *out = PN_NONE;
    if (pairs.count == 0)
        return true;
    pn_shape_print(PN_SHAPE(metadata), &metadata, &json);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "The metadata of a secret is too large");
    return pn_sealed_make(call, item, PN_SEALED_METADATA, pn_buf_str(&json), out, err);
}
