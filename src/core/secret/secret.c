/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/secret.h"

#include <string.h>

#include "core/rows.h"
#include "core/secret/row.h"
#include "core/secret/sealed.h"

/* ---- reading ---- */

/* Whose rows `whose` means, as the two halves of the condition: the shared ones, the caller's own. */
static void bind_whose(struct pn_query *q, const struct pn_call *call, enum pn_secrets_whose whose)
{
    const bool has_own = whose != PN_SECRETS_OF_ALL && call->actor.kind == PN_ACTOR_USER;

    pn_bind_int(q, "$shared", whose != PN_SECRETS_OWN);
    pn_bind_uuid(q, "$user", has_own ? call->actor.id : (struct pn_uuid){ 0 });
}

#define SELECT_OF_FOLDER                                                       \
    "SELECT " PN_SECRETS_COLUMNS " FROM secrets s WHERE s.folder_id = $folder" \
    " AND ((s.user_id IS NULL AND $shared = 1) OR s.user_id = $user)"

static bool is_same_name(const struct pn_secret_item *a, const struct pn_secret_item *b)
{
    return pn_str_eq(a->secretKey, b->secretKey);
}

/* Of a shared row and an own one, in whatever order they came. */
static void keep_own(struct pn_secret_item *kept, const struct pn_secret_item *other)
{
    if (other->type == PN_SECRETS_PERSONAL)
        *kept = *other;
}

static void put_shared_first(struct pn_secret_item *first, struct pn_secret_item *second)
{
    struct pn_secret_item own = *first;

    if (own.type == PN_SECRETS_SHARED)
        return;
    *first = *second;
    *second = own;
}

static void add_row(struct pn_rows *rows, const struct pn_secret_item *item,
                    enum pn_secrets_whose whose)
{
    struct pn_secret_item *last = rows->list.items, *added;

    last = rows->list.count > 0 ? last + rows->list.count - 1 : NULL;
    if (last != NULL && whose == PN_SECRETS_OWN_INSTEAD && is_same_name(last, item)) {
        keep_own(last, item);
        return;
    }
    *(struct pn_secret_item *)pn_rows_add(rows) = *item;
    added = (struct pn_secret_item *)rows->list.items + rows->list.count - 1;
    if (rows->list.count > 1 && is_same_name(added - 1, added))
        put_shared_first(added - 1, added);
}

/* Opens the metadata of rows that have some. */
static bool open_metadata(struct pn_call *call, struct pn_list items, struct pn_err *err)
{
    struct pn_secret_item *all = items.items;

    for (size_t i = 0; i < items.count; i++) {
        if (all[i].sealed_metadata.ptr != NULL &&
            !pn_sealed_open_metadata(call, &all[i], &all[i].secretMetadata, err))
            return false;
    }
    return true;
}

static bool fill_rest(struct pn_call *call, struct pn_db_conn *conn, struct pn_list items,
                      struct pn_err *err)
{
    struct pn_secret_item *all = items.items;

    if (items.count == 0)
        return true;
    return pn_scope_ready(conn, call->keyring, all[0].workspace, err) &&
           open_metadata(call, items, err) && pn_secrets_load_tags(call, conn, items, err);
}

bool pn_secrets_fill(struct pn_call *call, struct pn_db_conn *conn, struct pn_secret_item *item,
                     struct pn_err *err)
{
    return fill_rest(call, conn, (struct pn_list){ .items = item, .count = 1 }, err);
}

bool pn_secrets_load(struct pn_call *call, struct pn_db_conn *conn, const struct pn_place *place,
                     enum pn_secrets_whose whose, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_secret_item));
    struct pn_query *q = pn_query(conn, SELECT_OF_FOLDER " ORDER BY s.name");

    pn_bind_uuid(q, "$folder", place->folder_id);
    bind_whose(q, call, whose);
    while (pn_query_next(q)) {
        struct pn_secret_item item;

        pn_secrets_read_row(q, call->arena, place, &item);
        add_row(&rows, &item, whose);
    }
    *out = rows.list;
    return pn_query_end(q, err) && fill_rest(call, conn, rows.list, err);
}

bool pn_secrets_find(struct pn_call *call, struct pn_db_conn *conn, const struct pn_place *place,
                     struct pn_str name, enum pn_secrets_whose whose, struct pn_secret_item *out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT_OF_FOLDER " AND s.name = $name");

    pn_assert(whose != PN_SECRETS_BOTH);
    *out = (struct pn_secret_item){ .id = { { 0 } } };
    pn_bind_uuid(q, "$folder", place->folder_id);
    pn_bind_str(q, "$name", name);
    bind_whose(q, call, whose);
    while (pn_query_next(q)) {
        struct pn_secret_item item;

        pn_secrets_read_row(q, call->arena, place, &item);
        if (pn_uuid_is_zero(out->id) || item.type == PN_SECRETS_PERSONAL)
            *out = item;
    }
    if (!pn_query_end(q, err))
        return false;
    return pn_uuid_is_zero(out->id) || pn_secrets_fill(call, conn, out, err);
}

/* ---- permissions ---- */

struct pn_permit_object pn_secrets_object(struct pn_arena *arena, const struct pn_secret_item *item)
{
    struct pn_permit_object object = { .subject = "secrets",
                                       .environment = item->environment,
                                       .secretPath = item->secretPath,
                                       .secretName = item->secretKey };
    const struct pn_secrets_tag *tags = item->tags.items;
    const struct pn_secrets_pair *pairs = item->secretMetadata.items;

    if (item->tags.count > 0) {
        object.secretTags.items = pn_new(arena, struct pn_str, item->tags.count);
        object.secretTags.count = item->tags.count;
        for (size_t i = 0; i < item->tags.count; i++)
            object.secretTags.items[i] = tags[i].slug;
    }
    if (item->secretMetadata.count > 0) {
        struct pn_permit_pair *to =
            pn_new(arena, struct pn_permit_pair, item->secretMetadata.count);

        for (size_t i = 0; i < item->secretMetadata.count; i++)
            to[i] = (struct pn_permit_pair){ pairs[i].key, pairs[i].value };
        object.metadata = (struct pn_list){ .items = to, .count = item->secretMetadata.count };
    }
    return object;
}

bool pn_secrets_may(struct pn_call *call, const struct pn_ability *ability,
                    const struct pn_secret_item *item, const char *action)
{
    const struct pn_permit_object object = pn_secrets_object(call->arena, item);

    return pn_ability_may(ability, &object, action);
}

bool pn_secrets_permit(struct pn_call *call, const struct pn_ability *ability,
                       const struct pn_secret_item *item, const char *action, struct pn_err *err)
{
    const struct pn_permit_object object = pn_secrets_object(call->arena, item);

    return pn_ability_permit(call, ability, &object, action, err);
}

bool pn_secrets_permit_known(struct pn_call *call, const struct pn_ability *ability,
                             const struct pn_secret_item *item, const char *action,
                             struct pn_err *err)
{
    if (pn_secrets_may(call, ability, item, action))
        return true;
    return pn_secrets_may(call, ability, item, "describeSecret")
               ? pn_secrets_permit(call, ability, item, action, err)
               : pn_fail(err, PN_PERMISSION, "You are not allowed to %s on secrets", action);
}

bool pn_secrets_permit_change(struct pn_call *call, const struct pn_ability *ability,
                              const struct pn_secret_item *before,
                              const struct pn_secret_item *after, struct pn_err *err)
{
    if (!pn_secrets_permit_known(call, ability, before, "edit", err))
        return false;
    if (!pn_secrets_may(call, ability, after, "edit")) /* its name is known to who may edit it */
        return pn_secrets_permit(call, ability, after, "edit", err);
    return !pn_secrets_may(call, ability, after, "readValue") ||
           pn_secrets_permit(call, ability, before, "readValue", err);
}

/* ---- opening ---- */

static bool open_texts(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
{
    item->secretComment = PN_LIT("");
    if (item->sealed_comment.ptr != NULL &&
        !pn_sealed_open(call, item, PN_SEALED_COMMENT, item->sealed_comment, &item->secretComment,
                        err))
        return false;
    return item->sealed_note.ptr == NULL ||
           pn_sealed_open(call, item, PN_SEALED_NOTE, item->sealed_note, &item->secretReminderNote,
                          err);
}

bool pn_secrets_open(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
{
    item->secretValueHidden = false;
    return pn_sealed_open(call, item, PN_SEALED_VALUE, item->sealed_value, &item->secretValue,
                          err) &&
           open_texts(call, item, err);
}

bool pn_secrets_open_hidden(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
{
    item->secretValueHidden = true;
    item->secretValue = PN_LIT(PN_SECRETS_HIDDEN);
    return open_texts(call, item, err);
}
