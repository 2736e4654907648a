/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/filter.h"

static bool parse_tags(struct pn_str text, struct pn_secrets_filter *out, struct pn_err *err)
{
    struct pn_str piece;

    while (text.len > 0 && pn_str_cut(&text, ',', &piece)) {
        piece = pn_str_trim(piece);
        if (piece.len == 0)
            continue;
        if (out->tag_count == PN_SECRETS_FILTER_TAGS)
            return pn_fail(err, PN_BAD_REQUEST, "A filter takes at most %d tags",
                           PN_SECRETS_FILTER_TAGS);
        out->tags[out->tag_count++] = piece;
    }
    return true;
}

/* "key=a" or "value=b". */
static bool parse_half(struct pn_str half, struct pn_str *key, struct pn_str *value)
{
    struct pn_str name;

    if (!pn_str_cut(&half, '=', &name) || half.ptr == NULL || half.len == 0)
        return false;
    if (pn_str_is(name, "key") && key->ptr == NULL)
        *key = half;
    else if (pn_str_is(name, "value") && value->ptr == NULL)
        *value = half;
    else
        return false;
    return true;
}

static bool parse_pair(struct pn_str text, struct pn_str *key, struct pn_str *value)
{
    struct pn_str half;

    *key = *value = PN_NONE;
    while (pn_str_cut(&text, ',', &half)) {
        if (!parse_half(pn_str_trim(half), key, value))
            return false;
    }
    return key->ptr != NULL || value->ptr != NULL;
}

static bool parse_metadata(struct pn_str text, struct pn_secrets_filter *out, struct pn_err *err)
{
    struct pn_str piece;

    while (text.len > 0 && pn_str_cut(&text, '|', &piece)) {
        if (out->pair_count == PN_SECRETS_FILTER_PAIRS)
            return pn_fail(err, PN_BAD_REQUEST, "A metadata filter takes at most %d pairs",
                           PN_SECRETS_FILTER_PAIRS);
        if (!parse_pair(piece, &out->pairs[out->pair_count].key,
                        &out->pairs[out->pair_count].value))
            return pn_fail(err, PN_BAD_REQUEST,
                           "Invalid metadata filter. Write it as key=a,value=b|key=c,value=d");
        out->pair_count++;
    }
    return true;
}

bool pn_secrets_filter_parse(struct pn_str tags, struct pn_str metadata,
                             struct pn_secrets_filter *out, struct pn_err *err)
{
    out->tag_count = out->pair_count = 0;
    return parse_tags(tags, out, err) && parse_metadata(metadata, out, err);
}

static bool has_one_tag(const struct pn_secrets_filter *filter, const struct pn_list *tags)
{
    const struct pn_secrets_tag *items = tags->items;

    for (size_t i = 0; i < tags->count; i++) {
        for (size_t j = 0; j < filter->tag_count; j++) {
            if (pn_str_eq(items[i].slug, filter->tags[j]))
                return true;
        }
    }
    return filter->tag_count == 0;
}

static bool has_pair(const struct pn_list *metadata, struct pn_str key, struct pn_str value)
{
    const struct pn_secrets_pair *pairs = metadata->items;

    for (size_t i = 0; i < metadata->count; i++) {
        if ((key.ptr == NULL || pn_str_eq(pairs[i].key, key)) &&
            (value.ptr == NULL || pn_str_eq(pairs[i].value, value)))
            return true;
    }
    return false;
}

bool pn_secrets_filter_match(const struct pn_secrets_filter *filter,
                             const struct pn_secret_item *item)
{
    for (size_t i = 0; i < filter->pair_count; i++) {
        if (!has_pair(&item->secretMetadata, filter->pairs[i].key, filter->pairs[i].value))
            return false;
    }
    return has_one_tag(filter, &item->tags);
}
