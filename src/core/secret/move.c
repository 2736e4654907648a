/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/move.h"

#include "core/rows.h"
#include "core/scope.h"
#include "core/secret/record.h"
#include "core/secret/row.h"
#include "core/secret/sealed.h"

struct moving {
    struct pn_call *call;
    const struct pn_secrets_move *move;
    const struct pn_ability *ability;
    struct pn_place from, to;
    struct pn_rows moved;
    struct pn_str taken; /* names, with commas */
};

static bool find_places(struct moving *m, struct pn_db_conn *tx, struct pn_err *err)
{
    const struct pn_secrets_move *move = m->move;
    struct pn_str from, to;

    if (!pn_place_path(m->call, move->from_path, &from, err) ||
        !pn_place_path(m->call, move->to_path, &to, err) ||
        !pn_place_find(m->call, tx, move->project_id, move->from_environment, from, &m->from,
                       err) ||
        !pn_place_find(m->call, tx, move->project_id, move->to_environment, to, &m->to, err))
        return false;
    return !pn_uuid_eq(m->from.folder_id, m->to.folder_id) ||
           pn_fail(err, PN_BAD_REQUEST, "The secrets are in that folder already");
}

static bool find_secret(struct moving *m, struct pn_db_conn *tx, struct pn_str text,
                        struct pn_secret_item *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT " PN_SECRETS_COLUMNS " FROM secrets s WHERE s.id = $id"
                     " AND s.folder_id = $folder AND s.user_id IS NULL");
    struct pn_uuid id;
    bool is_found;

    *out = (struct pn_secret_item){ .id = { { 0 } } };
    pn_bind_uuid(q, "$id", pn_uuid_parse(text, &id) ? id : (struct pn_uuid){ { 0 } });
    pn_bind_uuid(q, "$folder", m->from.folder_id);
    is_found = pn_query_next(q);
    if (is_found)
        pn_secrets_read_row(q, m->call->arena, &m->from, out);
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Secret not found: %.*s",
                       PN_ARG(pn_str_slice(text, 0, 36)));
    return pn_secrets_fill(m->call, tx, out, err);
}

/* ---- to a free name ---- */

static bool move_row(struct moving *m, struct pn_db_conn *tx, const struct pn_secret_item *item,
                     struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE secrets SET folder_id = $folder, updated_ms = $now WHERE id = $id");

    pn_bind_uuid(q, "$folder", m->to.folder_id);
    pn_bind_int(q, "$now", m->call->now_ms);
    pn_bind_uuid(q, "$id", item->id);
    return pn_query_run(q, NULL, err) &&
           pn_secrets_move_overrides(tx, item, m->to.folder_id, item->secretKey, err);
}

/* ---- over another ---- */

/* Seals for `to` what `from` holds. */
static bool take_text(struct pn_call *call, const char *column, const struct pn_secret_item *from,
                      struct pn_str sealed, const struct pn_secret_item *to, struct pn_str *out,
                      struct pn_err *err)
{
    struct pn_str plain;

    *out = PN_NONE;
    return sealed.ptr == NULL || (pn_sealed_open(call, from, column, sealed, &plain, err) &&
                                  pn_sealed_make(call, to, column, plain, out, err));
}

static bool take_over(struct moving *m, struct pn_db_conn *tx, const struct pn_secret_item *from,
                      struct pn_secret_item *to, struct pn_err *err)
{
    struct pn_call *call = m->call;

    to->version++;
    to->updatedAt = call->now_ms;
    to->actor = pn_secrets_actor_of(call);
    to->tags = from->tags;
    to->has_skipMultilineEncoding = from->has_skipMultilineEncoding;
    to->skipMultilineEncoding = from->skipMultilineEncoding;
    to->has_secretReminderRepeatDays = from->has_secretReminderRepeatDays;
    to->secretReminderRepeatDays = from->secretReminderRepeatDays;
    return take_text(call, PN_SEALED_VALUE, from, from->sealed_value, to, &to->sealed_value, err) &&
           take_text(call, PN_SEALED_COMMENT, from, from->sealed_comment, to, &to->sealed_comment,
                     err) &&
           take_text(call, PN_SEALED_NOTE, from, from->sealed_note, to, &to->sealed_note, err) &&
           take_text(call, PN_SEALED_METADATA, from, from->sealed_metadata, to,
                     &to->sealed_metadata, err) &&
           pn_secrets_update(tx, to, err) && pn_secrets_write_tags(tx, to, err) &&
           pn_secrets_remove(tx, from, err);
}

/* ---- one of them ---- */

static bool may_leave(struct moving *m, const struct pn_secret_item *item, struct pn_err *err)
{
    if (!pn_secrets_may(m->call, m->ability, item, "describeSecret"))
        return pn_fail(err, PN_PERMISSION, /* no details: who asks by id may not know the name */
                       "You are not allowed to describeSecret on secrets");
    return pn_secrets_permit(m->call, m->ability, item, "delete", err) &&
           pn_secrets_permit(m->call, m->ability, item, "readValue", err);
}

static bool may_arrive(struct moving *m, const struct pn_secret_item *item, const char *action,
                       struct pn_err *err)
{
    struct pn_secret_item there = *item;

    there.environment = m->to.environment;
    there.secretPath = m->to.path;
    return pn_secrets_permit(m->call, m->ability, &there, action, err);
}

static bool move_one(struct moving *m, struct pn_db_conn *tx, struct pn_str id, struct pn_err *err)
{
    struct pn_secret_item item, there;

    if (!pn_arena_require(m->call->arena, 0, err) || !find_secret(m, tx, id, &item, err) ||
        !may_leave(m, &item, err) || !may_arrive(m, &item, "create", err) ||
        !pn_secrets_find(m->call, tx, &m->to, item.secretKey, PN_SECRETS_OF_ALL, &there, err))
        return false;
    *(struct pn_secret_item *)pn_rows_add(&m->moved) = item;
    if (pn_uuid_is_zero(there.id))
        return move_row(m, tx, &item, err);
    if (!m->move->overwrites) {
        m->taken = pn_arena_printf(m->call->arena, "%.*s%s%.*s", PN_ARG(m->taken),
                                   m->taken.len > 0 ? ", " : "", PN_ARG(item.secretKey));
        return true;
    }
    return pn_secrets_permit(m->call, m->ability, &there, "edit", err) &&
           may_arrive(m, &item, "edit", err) && take_over(m, tx, &item, &there, err);
}

static bool write_move(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct moving *m = context;

    m->moved = pn_rows_of(m->call->arena, sizeof(struct pn_secret_item));
    m->taken = PN_NONE;
    if (!pn_scope_ready(tx, m->call->keyring, m->move->project_id, err) || !find_places(m, tx, err))
        return false;
    for (size_t i = 0; i < m->move->ids.count && m->taken.len < 200; i++) {
        if (!move_one(m, tx, m->move->ids.items[i], err))
            return false;
    }
    if (!pn_place_touch(tx, &m->from, m->call->now_ms, err) ||
        !pn_place_touch(tx, &m->to, m->call->now_ms, err))
        return false;
    if (m->taken.ptr != NULL)
        return pn_fail(err, PN_BAD_REQUEST, "Secret already exists: %.*s",
                       PN_ARG(pn_str_slice(m->taken, 0, 200)));
    return pn_secrets_record_move(tx, m->call, m->move->project_id, &m->from, &m->to, m->moved.list,
                                  err);
}

bool pn_secrets_move(struct pn_call *call, const struct pn_secrets_move *move, struct pn_err *err)
{
    const struct pn_permit_object any = { .subject = "secrets",
                                          .environment = move->from_environment };
    struct moving m = { .call = call, .move = move };

    if (!pn_ability_load(call, move->project_id, &m.ability, err))
        return false;
    if (!pn_ability_may_some(m.ability, "secrets", "delete"))
        return pn_ability_permit(call, m.ability, &any, "delete", err);
    return pn_db_write(call->db, write_move, &m, err);
}
