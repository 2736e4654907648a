/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/remembered.h"

#include "db/cache.h"

#include <string.h>

/*
 * A pattern costs its length times that of what it is matched with, and who made the rules may have meant it to: on
 * the loop, where what is remembered is read, places are short.
 */
#define MAX_KEY_BYTES ((size_t)1 << 10)

/* An entry is the struct and then its texts, in this order. Place and name are the key's. */
static const size_t texts[] = {
    offsetof(struct pn_secret_item, sealed_value),
    offsetof(struct pn_secret_item, sealed_comment),
    offsetof(struct pn_secret_item, sealed_note),
    offsetof(struct pn_secret_item, sealed_metadata),
    offsetof(struct pn_secret_item, actor.actorType),
    offsetof(struct pn_secret_item, actor.name),
};

static struct pn_str *text_at(struct pn_secret_item *item, size_t i)
{
    return (struct pn_str *)(void *)((char *)item + texts[i]);
}

/* A mark that no other kind of entry begins with; neither slugs nor paths hold the byte that parts them. */
static void write_key(const struct pn_secrets_address *at, struct pn_buf *out)
{
    pn_buf_add_text(out, "s:");
    pn_buf_add_bytes(out, at->project_id.bytes, sizeof(at->project_id.bytes));
    pn_buf_add(out, at->environment);
    pn_buf_add_byte(out, '\0');
    pn_buf_add(out, at->path);
    pn_buf_add_byte(out, '\0');
    pn_buf_add(out, at->name);
}

bool pn_secrets_remembered(struct pn_call *call, const struct pn_secrets_address *at,
                           struct pn_secret_item *out)
{
    pn_auto(pn_buf_drop) struct pn_buf key = pn_buf_init(MAX_KEY_BYTES);
    struct pn_str bytes;

    if (call->cache == NULL)
        return false;
    write_key(at, &key);
    if (key.is_full ||
        !pn_cache_get(call->cache, pn_buf_str(&key), call->now_ms, call->arena, &bytes))
        return false;
    memcpy(out, bytes.ptr, sizeof(*out));
    bytes = pn_str_slice(bytes, sizeof(*out), bytes.len);
    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        struct pn_str *text = text_at(out, i);

        if (text->ptr != NULL)
            text->ptr = bytes.ptr;
        bytes = pn_str_slice(bytes, text->len, bytes.len);
    }
    out->environment = at->environment;
    out->secretPath = at->path;
    out->secretKey = at->name;
    return true;
}

void pn_secrets_remember(struct pn_call *call, const struct pn_secrets_address *at,
                         uint64_t version, const struct pn_secret_item *item)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(PN_CACHE_MAX_ENTRY);
    pn_auto(pn_buf_drop) struct pn_buf key = pn_buf_init(MAX_KEY_BYTES);
    struct pn_secret_item kept = *item;

    pn_assert(item->secretValue.ptr == NULL); /* nothing of it is open */
    if (call->cache == NULL || item->has_tags || item->type != PN_SECRETS_SHARED)
        return;
    kept.secretMetadata = kept.tags = (struct pn_list){ .items = NULL };
    pn_buf_add_bytes(&bytes, &kept, sizeof(kept));
    for (size_t i = 0; i < PN_COUNT(texts); i++)
        pn_buf_add(&bytes, *text_at(&kept, i));
    write_key(at, &key);
    if (!bytes.is_full && !key.is_full)
        pn_cache_put(call->cache, pn_buf_str(&key),
                     &(struct pn_cache_entry){ .id = at->project_id,
                                               .version = version,
                                               .from_ms = call->now_ms,
                                               .until_ms = INT64_MAX,
                                               .bytes = pn_buf_str(&bytes) });
}
