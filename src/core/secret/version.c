/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rows.h"
#include "core/secret/read.h"
#include "core/secret/sealed.h"
#include "core/secret/version.h"

#define COLUMNS                                                                        \
    "v.id, v.version, v.name, v.sealed_value, v.sealed_comment, v.sealed_note, "       \
    "v.sealed_metadata, v.skip_multiline, v.reminder_days, v.actor_type, v.actor_id, " \
    "v.actor_name, v.created_ms"

/* What a version says instead of the secret's newest one. */
static void read_version(struct pn_query *q, struct pn_arena *arena, struct pn_secret_item *item)
{
    item->version = pn_column_int(q, 1);
    item->secretKey = pn_column_str(q, 2, arena);
    item->sealed_value = pn_column_bytes(q, 3, arena);
    item->sealed_comment = pn_column_bytes(q, 4, arena);
    item->sealed_note = pn_column_bytes(q, 5, arena);
    item->sealed_metadata = pn_column_bytes(q, 6, arena);
    item->has_skipMultilineEncoding = !pn_column_is_null(q, 7);
    item->skipMultilineEncoding = pn_column_int(q, 7) != 0;
    item->has_secretReminderRepeatDays = !pn_column_is_null(q, 8);
    item->secretReminderRepeatDays = pn_column_int(q, 8);
    item->actor = (struct pn_secrets_actor){ .actorType = pn_column_str(q, 9, arena),
                                             .actorId = pn_column_uuid(q, 10),
                                             .name = pn_column_str(q, 11, arena) };
    item->updatedAt = pn_column_int(q, 12);
}

static bool open_metadata(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
{
    item->secretMetadata = (struct pn_list){ .items = NULL };
    return item->sealed_metadata.ptr == NULL ||
           pn_sealed_open_metadata(call, item, &item->secretMetadata, err);
}

bool pn_secrets_take_version(struct pn_call *call, int64_t version, struct pn_secret_item *item,
                             struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT " COLUMNS " FROM secret_versions v"
                                              " WHERE v.secret_id = $id AND v.version = $version");
    bool is_found;

    pn_bind_uuid(q, "$id", item->id);
    pn_bind_int(q, "$version", version);
    is_found = pn_query_next(q);
    if (is_found)
        read_version(q, call->arena, item);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Secret not found: %.*s has no version %lld",
                       PN_ARG(item->secretKey), (long long)version);
    return open_metadata(call, item, err);
}

bool pn_secrets_load_versions(struct pn_call *call, const struct pn_secret_item *item,
                              int64_t offset, int64_t limit, struct pn_list *out,
                              struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_secrets_version));
    struct pn_secrets_version *all;
    struct pn_query *q =
        pn_query(call->conn, "SELECT " COLUMNS " FROM secret_versions v WHERE v.secret_id = $id"
                             " ORDER BY v.version DESC LIMIT $limit OFFSET $offset");

    pn_bind_uuid(q, "$id", item->id);
    pn_bind_int(q, "$limit", limit);
    pn_bind_int(q, "$offset", offset);
    while (pn_query_next(q)) {
        struct pn_secrets_version *version = pn_rows_add(&rows);

        version->id = pn_column_uuid(q, 0);
        version->item = *item;
        read_version(q, call->arena, &version->item);
    }
    *out = rows.list;
    if (!pn_query_end(q, err))
        return false;
    all = rows.list.items;
    for (size_t i = 0; i < rows.list.count; i++) {
        if (!open_metadata(call, &all[i].item, err))
            return false;
    }
    return true;
}
