/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/row.h"

#include "core/rows.h"
#include "crypto/random.h"

/* ---- reading ---- */

void pn_secrets_read_row(struct pn_query *q, struct pn_arena *arena, const struct pn_place *place,
                         struct pn_secret_item *out)
{
    *out = (struct pn_secret_item){
        .id = pn_column_uuid(q, 0),
        .workspace = pn_column_uuid(q, 1),
        .folderId = pn_column_uuid(q, 2),
        .userId = pn_column_uuid(q, 3),
        .environment = place->environment,
        .secretPath = place->path,
        .secretKey = pn_column_str(q, 4, arena),
        .version = pn_column_int(q, 5),
        .sealed_value = pn_column_bytes(q, 6, arena),
        .sealed_comment = pn_column_bytes(q, 7, arena),
        .sealed_note = pn_column_bytes(q, 8, arena),
        .sealed_metadata = pn_column_bytes(q, 9, arena),
        .has_tags = pn_column_int(q, 10) != 0,
        .has_skipMultilineEncoding = !pn_column_is_null(q, 11),
        .skipMultilineEncoding = pn_column_int(q, 11) != 0,
        .has_secretReminderRepeatDays = !pn_column_is_null(q, 12),
        .secretReminderRepeatDays = pn_column_int(q, 12),
        .has_actor = true,
        .actor = { .actorType = pn_column_str(q, 13, arena),
                   .actorId = pn_column_uuid(q, 14),
                   .name = pn_column_str(q, 15, arena) },
        .createdAt = pn_column_int(q, 16),
        .updatedAt = pn_column_int(q, 17),
    };
    out->type = pn_uuid_is_zero(out->userId) ? PN_SECRETS_SHARED : PN_SECRETS_PERSONAL;
}

static bool load_tags(struct pn_call *call, struct pn_db_conn *conn, struct pn_secret_item *item,
                      struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_secrets_tag));
    struct pn_query *q =
        pn_query(conn, "SELECT t.id, t.slug, t.color FROM secret_tag_links l JOIN secret_tags t"
                       " ON t.id = l.tag_id WHERE l.secret_id = $secret ORDER BY t.slug");

    pn_bind_uuid(q, "$secret", item->id);
    while (pn_query_next(q)) {
        struct pn_secrets_tag *tag = pn_rows_add(&rows);

        *tag = (struct pn_secrets_tag){ .id = pn_column_uuid(q, 0),
                                        .slug = pn_column_str(q, 1, call->arena),
                                        .color = pn_column_str(q, 2, call->arena) };
        tag->name = tag->slug;
    }
    item->tags = rows.list;
    return pn_query_end(q, err);
}

bool pn_secrets_load_tags(struct pn_call *call, struct pn_db_conn *conn, struct pn_list items,
                          struct pn_err *err)
{
    struct pn_secret_item *all = items.items;

    for (size_t i = 0; i < items.count; i++) {
        if (all[i].has_tags && !load_tags(call, conn, &all[i], err))
            return false;
    }
    return true;
}

/* ---- writing ---- */

static void bind_flag(struct pn_query *q, const char *name, bool has, int64_t value)
{
    if (has)
        pn_bind_int(q, name, value);
    else
        pn_bind_null(q, name);
}

static void bind_content(struct pn_query *q, const struct pn_secret_item *item)
{
    pn_bind_uuid(q, "$id", item->id);
    pn_bind_str(q, "$name", item->secretKey);
    pn_bind_int(q, "$version", item->version);
    pn_bind_bytes(q, "$value", item->sealed_value);
    pn_bind_bytes(q, "$comment", item->sealed_comment);
    pn_bind_bytes(q, "$note", item->sealed_note);
    pn_bind_bytes(q, "$metadata", item->sealed_metadata);
    bind_flag(q, "$skip", item->has_skipMultilineEncoding, item->skipMultilineEncoding);
    bind_flag(q, "$days", item->has_secretReminderRepeatDays, item->secretReminderRepeatDays);
    pn_bind_str(q, "$actor_type", item->actor.actorType);
    pn_bind_uuid(q, "$actor", item->actor.actorId);
    pn_bind_str(q, "$actor_name", item->actor.name);
    pn_bind_int(q, "$now", item->updatedAt);
}

/* The version the secret has now, as history keeps it. */
static bool insert_version(struct pn_db_conn *tx, const struct pn_secret_item *item,
                           struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO secret_versions (id, secret_id, version, name, sealed_value,"
            " sealed_comment, sealed_note, sealed_metadata, skip_multiline, reminder_days,"
            " actor_type, actor_id, actor_name, created_ms) VALUES ($row, $id, $version, $name,"
            " $value, $comment, $note, $metadata, $skip, $days, $actor_type, $actor, $actor_name,"
            " $now)");

    bind_content(q, item);
    pn_bind_uuid(q, "$row", pn_random_uuid());
    return pn_query_run(q, NULL, err);
}

static bool refuse_taken(const struct pn_secret_item *item, struct pn_err *err)
{
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST, "Secret already exists: %.*s",
                         PN_ARG(item->secretKey));
    return false;
}

bool pn_secrets_insert(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO secrets (id, project_id, folder_id, user_id, name, version, sealed_value,"
            " sealed_comment, sealed_note, sealed_metadata, has_tags, skip_multiline,"
            " reminder_days, actor_type, actor_id, actor_name, created_ms, updated_ms)"
            " VALUES ($id, $project, $folder, $user, $name, $version, $value, $comment, $note,"
            " $metadata, $has_tags, $skip, $days, $actor_type, $actor, $actor_name, $now, $now)");

    bind_content(q, item);
    pn_bind_uuid(q, "$project", item->workspace);
    pn_bind_uuid(q, "$folder", item->folderId);
    pn_bind_uuid(q, "$user", item->userId);
    pn_bind_int(q, "$has_tags", item->tags.count > 0);
    if (!pn_query_run(q, NULL, err))
        return refuse_taken(item, err);
    return insert_version(tx, item, err) &&
           (item->tags.count == 0 || pn_secrets_write_tags(tx, item, err));
}

bool pn_secrets_update(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE secrets SET name = $name, version = $version, sealed_value = $value,"
                     " sealed_comment = $comment, sealed_note = $note, sealed_metadata = $metadata,"
                     " has_tags = $has_tags, skip_multiline = $skip, reminder_days = $days,"
                     " actor_type = $actor_type, actor_id = $actor, actor_name = $actor_name,"
                     " updated_ms = $now WHERE id = $id");

    bind_content(q, item);
    pn_bind_int(q, "$has_tags", item->tags.count > 0);
    if (!pn_query_run(q, NULL, err))
        return refuse_taken(item, err);
    return insert_version(tx, item, err);
}

bool pn_secrets_write_tags(struct pn_db_conn *tx, const struct pn_secret_item *item,
                           struct pn_err *err)
{
    const struct pn_secrets_tag *tags = item->tags.items;
    struct pn_query *q = pn_query(tx, "DELETE FROM secret_tag_links WHERE secret_id = $id");

    pn_bind_uuid(q, "$id", item->id);
    if (!pn_query_run(q, NULL, err))
        return false;
    for (size_t i = 0; i < item->tags.count; i++) {
        q = pn_query(tx, "INSERT INTO secret_tag_links (secret_id, tag_id) VALUES ($id, $tag)");
        pn_bind_uuid(q, "$id", item->id);
        pn_bind_uuid(q, "$tag", tags[i].id);
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

bool pn_secrets_remove(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_query *q =
        item->type == PN_SECRETS_SHARED
            ? pn_query(tx, "DELETE FROM secrets WHERE folder_id = $folder AND name = $name")
            : pn_query(tx, "DELETE FROM secrets WHERE folder_id = $folder AND name = $name"
                           " AND user_id = $user");

    pn_bind_uuid(q, "$folder", item->folderId);
    pn_bind_str(q, "$name", item->secretKey);
    if (item->type == PN_SECRETS_PERSONAL)
        pn_bind_uuid(q, "$user", item->userId);
    return pn_query_run(q, NULL, err);
}

bool pn_secrets_move_overrides(struct pn_db_conn *tx, const struct pn_secret_item *from,
                               struct pn_uuid folder_id, struct pn_str name, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE secrets SET folder_id = $to_folder, name = $to_name"
                     " WHERE folder_id = $folder AND name = $name AND user_id IS NOT NULL");

    pn_bind_uuid(q, "$to_folder", folder_id);
    pn_bind_str(q, "$to_name", name);
    pn_bind_uuid(q, "$folder", from->folderId);
    pn_bind_str(q, "$name", from->secretKey);
    return pn_query_run(q, NULL, err);
}
