/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/remembered.h"

#include "db/cache.h"

#include <string.h>

/*
 * A pattern costs its length times that of what it is matched with, and who made the rules may have meant it to: on
 * the loop, where what is remembered is read, places are short.
 */
#define MAX_KEY_BYTES ((size_t)512)

/* An entry is this and then its texts, in this order. Project, place and name are the key's. */
static const size_t texts[] = {
    offsetof(struct pn_secret_item, sealed_value),
    offsetof(struct pn_secret_item, sealed_comment),
    offsetof(struct pn_secret_item, sealed_note),
    offsetof(struct pn_secret_item, sealed_metadata),
    offsetof(struct pn_secret_item, actor.actorType),
    offsetof(struct pn_secret_item, actor.name),
};
#define ABSENT UINT32_MAX
struct facts {
    struct pn_uuid id, folder, actor;
    int64_t version, created_ms, updated_ms, reminder_days;
    uint32_t lens[PN_COUNT(texts)]; /* or ABSENT */
    bool has_actor, has_reminder, has_skip, skip;
};

static struct pn_str *text_at(struct pn_secret_item *item, size_t i)
{
    return (struct pn_str *)(void *)((char *)item + texts[i]);
}

static void write_entry(struct pn_secret_item *item, struct pn_buf *out)
{
    struct facts facts = { .id = item->id,
                           .folder = item->folderId,
                           .actor = item->actor.actorId,
                           .version = item->version,
                           .created_ms = item->createdAt,
                           .updated_ms = item->updatedAt,
                           .reminder_days = item->secretReminderRepeatDays,
                           .has_actor = item->has_actor,
                           .has_reminder = item->has_secretReminderRepeatDays,
                           .has_skip = item->has_skipMultilineEncoding,
                           .skip = item->skipMultilineEncoding };

    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        const struct pn_str *text = text_at(item, i);

        facts.lens[i] = text->ptr == NULL ? ABSENT : (uint32_t)text->len;
    }
    pn_buf_add_bytes(out, &facts, sizeof(facts));
    for (size_t i = 0; i < PN_COUNT(texts); i++)
        pn_buf_add(out, *text_at(item, i));
}

static void read_entry(struct pn_str bytes, const struct pn_secrets_address *at,
                       struct pn_secret_item *out)
{
    struct facts facts;

    memcpy(&facts, bytes.ptr, sizeof(facts));
    bytes = pn_str_slice(bytes, sizeof(facts), bytes.len);
    *out = (struct pn_secret_item){ .id = facts.id,
                                    .workspace = at->project_id,
                                    .folderId = facts.folder,
                                    .environment = at->environment,
                                    .secretPath = at->path,
                                    .secretKey = at->name,
                                    .type = PN_SECRETS_SHARED,
                                    .version = facts.version,
                                    .createdAt = facts.created_ms,
                                    .updatedAt = facts.updated_ms,
                                    .has_skipMultilineEncoding = facts.has_skip,
                                    .skipMultilineEncoding = facts.skip,
                                    .has_secretReminderRepeatDays = facts.has_reminder,
                                    .secretReminderRepeatDays = facts.reminder_days,
                                    .has_actor = facts.has_actor,
                                    .actor.actorId = facts.actor };
    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        if (facts.lens[i] == ABSENT)
            continue;
        *text_at(out, i) = pn_str_slice(bytes, 0, facts.lens[i]);
        bytes = pn_str_slice(bytes, facts.lens[i], bytes.len);
    }
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
    read_entry(bytes, at, out);
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
    write_entry(&kept, &bytes);
    write_key(at, &key);
    if (!bytes.is_full && !key.is_full)
        pn_cache_put(call->cache, pn_buf_str(&key),
                     &(struct pn_cache_entry){ .id = at->project_id,
                                               .version = version,
                                               .from_ms = call->now_ms,
                                               .until_ms = INT64_MAX,
                                               .bytes = pn_buf_str(&bytes) });
}
