/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/change.h"

#include "base/map.h"
#include "core/rows.h"
#include "core/secret/record.h"
#include "core/secret/row.h"
#include "core/secret/sealed.h"
#include "crypto/random.h"

#include <string.h>

/* ---- rules of texts ---- */

static bool is_white(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Byte by byte: what formats text stops at a NUL. */
static struct pn_str with_newline(struct pn_arena *arena, struct pn_str value)
{
    char *bytes = pn_new(arena, char, value.len + 1);

    if (value.len > 0)
        memcpy(bytes, value.ptr, value.len);
    bytes[value.len] = '\n';
    return pn_str_of(bytes, value.len + 1);
}

struct pn_str pn_secrets_normalize(struct pn_arena *arena, struct pn_str value)
{
    const bool has_newline = value.len > 0 && value.ptr[value.len - 1] == '\n';
    size_t from = 0, to = value.len;

    while (from < to && is_white(value.ptr[from]))
        from++;
    while (to > from && is_white(value.ptr[to - 1]))
        to--;
    if (has_newline && to < value.len && value.ptr[to] == '\n')
        return pn_str_slice(value, from, to + 1);
    if (!has_newline)
        return pn_str_slice(value, from, to);
    return with_newline(arena, pn_str_slice(value, from, to));
}

bool pn_secrets_is_name(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char byte = (unsigned char)text.ptr[i];

        if (byte < 0x20 || byte == 0x7f || byte == ':' || byte == '/')
            return false;
    }
    return true;
}

static struct pn_str capitals(struct pn_arena *arena, struct pn_str name)
{
    char *text = pn_new(arena, char, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        text[i] = (char)(name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? name.ptr[i] - 32 : name.ptr[i]);
    return pn_str_of(text, name.len);
}

/* ---- one request under way ---- */

/* Sealed values that one request may touch: all of it, old and new, is in memory at once. */
#define MAX_TOUCHED_BYTES ((size_t)12 << 20)

struct work {
    struct pn_call *call;
    const struct pn_ability *ability;
    const struct pn_secrets_batch *batch;
    const char *event; /* of the audit row */
    struct pn_rows done;
    struct pn_str missing, taken; /* names, with commas */
    struct pn_place place;        /* of the change at hand */
    size_t touched_bytes;
    bool has_capitals; /* the project's names are written so */
};

static struct pn_str add_name(struct work *w, struct pn_str list, struct pn_str name)
{
    if (list.len > 120) /* an error's sentence is short */
        return pn_str_ends(list, PN_LIT("…"))
                   ? list
                   : pn_arena_printf(w->call->arena, "%.*s, …", PN_ARG(list));
    return pn_arena_printf(w->call->arena, "%.*s%s%.*s", PN_ARG(list), list.len > 0 ? ", " : "",
                           PN_ARG(pn_str_slice(name, 0, 100)));
}

/* The folder of a change: the batch's, or its own. A change that fails takes its mark back with it. */
static bool find_place(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       struct pn_err *err)
{
    struct pn_str path = c->secretPath.ptr != NULL ? c->secretPath : w->batch->path;

    if (!pn_place_path(w->call, path, &path, err))
        return false;
    if (!pn_uuid_is_zero(w->place.folder_id) && pn_str_eq(w->place.path, path))
        return true;
    return pn_place_find(w->call, tx, w->batch->project_id, w->batch->environment, path, &w->place,
                         err) &&
           pn_place_touch(tx, &w->place, w->call->now_ms, err);
}

/* Takes what has been done to one secret into the answer. */
static bool add_done(struct work *w, const struct pn_secret_item *item, struct pn_err *err)
{
    w->touched_bytes += item->sealed_value.len;
    if (w->touched_bytes > MAX_TOUCHED_BYTES)
        return pn_fail(err, PN_TOO_LARGE, "The secrets are too large to be changed at once");
    *(struct pn_secret_item *)pn_rows_add(&w->done) = *item;
    return true;
}

static enum pn_secrets_whose whose(int type)
{
    return type == PN_SECRETS_PERSONAL ? PN_SECRETS_OWN : PN_SECRETS_OF_ALL;
}

/* A name as it is written. */
static struct pn_str written(const struct work *w, struct pn_str name)
{
    return w->has_capitals ? capitals(w->call->arena, name) : name;
}

static bool is_there(const struct pn_secret_item *item)
{
    return !pn_uuid_is_zero(item->id);
}

/* The secret of a change: of the name that is given, or as that is written now. */
static bool find_named(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       struct pn_secret_item *out, struct pn_err *err)
{
    if (!pn_secrets_find(w->call, tx, &w->place, c->secretKey, whose(c->type), out, err))
        return false;
    return is_there(out) || !w->has_capitals ||
           pn_secrets_find(w->call, tx, &w->place, written(w, c->secretKey), whose(c->type), out,
                           err);
}

struct pn_secrets_actor pn_secrets_actor_of(const struct pn_call *call)
{
    return (struct pn_secrets_actor){
        .actorId = call->actor.id,
        .actorType = call->actor.kind == PN_ACTOR_USER       ? PN_LIT("user")
                     : call->actor.kind == PN_ACTOR_IDENTITY ? PN_LIT("identity")
                     : call->actor.kind == PN_ACTOR_SERVICE  ? PN_LIT("service")
                                                             : PN_LIT("platform"),
        .name = call->actor.name,
    };
}

/* ---- tags ---- */

static bool find_tag(struct work *w, struct pn_db_conn *tx, struct pn_str text,
                     struct pn_secrets_tag *out, struct pn_err *err)
{
    struct pn_query *q;
    struct pn_uuid id;
    bool is_found;

    if (!pn_uuid_parse(text, &id))
        return pn_fail(err, PN_BAD_REQUEST, "Invalid tag id");
    q = pn_query(tx,
                 "SELECT slug, color FROM secret_tags WHERE id = $id AND project_id = $project");
    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$project", w->batch->project_id);
    is_found = pn_query_next(q);
    if (is_found) {
        *out = (struct pn_secrets_tag){ .id = id,
                                        .slug = pn_column_str(q, 0, w->call->arena),
                                        .color = pn_column_str(q, 1, w->call->arena) };
        out->name = out->slug;
    }
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_BAD_REQUEST, "Tag not found: %s", pn_uuid_format(id).text);
}

static bool has_tag(const struct pn_list *tags, struct pn_uuid id)
{
    const struct pn_secrets_tag *items = tags->items;

    for (size_t i = 0; i < tags->count; i++) {
        if (pn_uuid_eq(items[i].id, id))
            return true;
    }
    return false;
}

static bool apply_tags(struct work *w, struct pn_db_conn *tx, struct pn_strs ids,
                       struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(w->call->arena, sizeof(struct pn_secrets_tag));

    for (size_t i = 0; i < ids.count; i++) {
        struct pn_secrets_tag tag;

        if (!find_tag(w, tx, ids.items[i], &tag, err))
            return false;
        if (!has_tag(&rows.list, tag.id))
            *(struct pn_secrets_tag *)pn_rows_add(&rows) = tag;
    }
    item->tags = rows.list;
    return true;
}

/* ---- content ---- */

/* What is shown for a value is not one: who sends it back wants the value kept. */
static bool has_value(const struct pn_secrets_change *c)
{
    return c->secretValue.ptr != NULL && !pn_str_is(c->secretValue, PN_SECRETS_HIDDEN);
}

static bool apply_texts(struct work *w, const struct pn_secrets_change *c,
                        struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_call *call = w->call;
    const struct pn_str comment = c->secretComment.len > 0 ? c->secretComment : PN_NONE,
                        note = c->secretReminderNote.len > 0 ? c->secretReminderNote : PN_NONE;

    if (has_value(c) && !pn_sealed_make(call, item, PN_SEALED_VALUE,
                                        pn_secrets_normalize(call->arena, c->secretValue),
                                        &item->sealed_value, err))
        return false;
    if (c->secretComment.ptr != NULL &&
        !pn_sealed_make(call, item, PN_SEALED_COMMENT, comment, &item->sealed_comment, err))
        return false;
    return !c->has_secretReminderNote ||
           pn_sealed_make(call, item, PN_SEALED_NOTE, note, &item->sealed_note, err);
}

/* Brings everything but the name into `item`, sealed; `item` has its id. */
static bool apply(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                  struct pn_secret_item *item, struct pn_err *err)
{
    item->actor = pn_secrets_actor_of(w->call);
    item->has_actor = true;
    item->updatedAt = w->call->now_ms;
    if (c->has_skipMultilineEncoding) {
        item->has_skipMultilineEncoding = true;
        item->skipMultilineEncoding = c->skipMultilineEncoding;
    }
    if (c->has_secretReminderRepeatDays) {
        item->has_secretReminderRepeatDays = c->secretReminderRepeatDays > 0;
        item->secretReminderRepeatDays = c->secretReminderRepeatDays;
    }
    if (c->has_secretMetadata) {
        item->secretMetadata = c->secretMetadata;
        if (!pn_sealed_make_metadata(w->call, item, c->secretMetadata, &item->sealed_metadata, err))
            return false;
    }
    return (!c->has_tagIds || apply_tags(w, tx, c->tagIds, item, err)) &&
           apply_texts(w, c, item, err);
}

/* ---- create ---- */

/* A personal secret overrides a shared one, for a person. Who may not create is not told whether there is one. */
static bool may_be_of(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                      struct pn_err *err)
{
    struct pn_secret_item shared;

    if (c->type != PN_SECRETS_PERSONAL)
        return true;
    if (w->call->actor.kind != PN_ACTOR_USER)
        return pn_fail(err, PN_BAD_REQUEST, "Only users have personal secrets");
    if (!pn_secrets_find(w->call, tx, &w->place, written(w, c->secretKey), PN_SECRETS_OF_ALL,
                         &shared, err))
        return false;
    return is_there(&shared) ||
           pn_fail(err, PN_BAD_REQUEST, "A personal secret needs a shared secret named %.*s",
                   PN_ARG(c->secretKey));
}

/* Of a batch, all names that exist are named at once; of one, the row's constraint says it. */
static bool is_taken(struct work *w, struct pn_db_conn *tx, const struct pn_secret_item *item,
                     bool *is_taken, struct pn_err *err)
{
    struct pn_secret_item there;

    *is_taken = false;
    if (w->batch->is_single)
        return true;
    if (!pn_secrets_find(w->call, tx, &w->place, item->secretKey, whose(item->type), &there, err))
        return false;
    *is_taken = is_there(&there);
    if (*is_taken)
        w->taken = add_name(w, w->taken, item->secretKey);
    return true;
}

static bool insert_new(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       struct pn_err *err)
{
    struct pn_secret_item item = {
        .id = pn_random_uuid(),
        .workspace = w->batch->project_id,
        .folderId = w->place.folder_id,
        .environment = w->place.environment,
        .secretPath = w->place.path,
        .secretKey = written(w, c->secretKey),
        .type = c->type,
        .version = 1,
        .createdAt = w->call->now_ms,
    };
    bool is_there_already;

    if (c->type == PN_SECRETS_PERSONAL)
        item.userId = w->call->actor.id;
    if (!pn_sealed_make(w->call, &item, PN_SEALED_VALUE, PN_LIT(""), &item.sealed_value, err) ||
        !apply(w, tx, c, &item, err) ||
        !pn_secrets_permit(w->call, w->ability, &item, "create", err) ||
        !may_be_of(w, tx, c, err) || !is_taken(w, tx, &item, &is_there_already, err))
        return false;
    if (is_there_already)
        return true;
    return pn_secrets_insert(tx, &item, err) && add_done(w, &item, err);
}

static bool begin(struct work *w, struct pn_db_conn *tx, struct pn_err *err)
{
    w->done = pn_rows_of(w->call->arena, sizeof(struct pn_secret_item));
    w->missing = w->taken = PN_NONE;
    w->touched_bytes = 0;
    w->place = (struct pn_place){ .folder_id = { { 0 } } };
    return pn_scope_ready(tx, w->call->keyring, w->batch->project_id, err);
}

static bool record(struct work *w, struct pn_db_conn *tx, struct pn_err *err)
{
    return pn_secrets_record(tx, w->call,
                             &(struct pn_secrets_event){ .type = w->event,
                                                         .project_id = w->batch->project_id,
                                                         .environment = w->batch->environment,
                                                         .path = w->batch->path,
                                                         .items = w->done.list,
                                                         .is_single = w->batch->is_single },
                             err);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct work *w = context;

    if (!begin(w, tx, err))
        return false;
    for (size_t i = 0; i < w->batch->count; i++) {
        if (!find_place(w, tx, &w->batch->changes[i], err) ||
            !insert_new(w, tx, &w->batch->changes[i], err))
            return false;
    }
    if (w->taken.ptr != NULL)
        return pn_fail(err, PN_BAD_REQUEST, "Secret already exists: %.*s", PN_ARG(w->taken));
    return record(w, tx, err);
}

/* ---- change ---- */

static bool take_name(const struct work *w, const struct pn_secrets_change *c,
                      struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_str name;

    if (c->newSecretName.ptr == NULL || pn_str_eq(c->newSecretName, item->secretKey))
        return true;
    name = written(w, c->newSecretName);
    if (item->type == PN_SECRETS_PERSONAL)
        return pn_fail(err, PN_BAD_REQUEST, "A personal secret keeps the name of the shared one");
    item->secretKey = name;
    return true;
}

/* Overrides after their secret: while its new name was free, nobody had one of that name. */
static bool take_overrides(struct pn_db_conn *tx, const struct pn_secret_item *before,
                           const struct pn_secret_item *after, struct pn_err *err)
{
    return pn_str_eq(before->secretKey, after->secretKey) ||
           pn_secrets_move_overrides(tx, before, before->folderId, after->secretKey, err);
}

static bool update_one(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       const struct pn_secret_item *before, struct pn_err *err)
{
    struct pn_secret_item item = *before;

    item.version++;
    if (!pn_secrets_permit(w->call, w->ability, before, "edit", err) ||
        !take_name(w, c, &item, err) || !apply(w, tx, c, &item, err) ||
        !pn_secrets_permit_change(w->call, w->ability, before, &item, err) ||
        !pn_secrets_update(tx, &item, err) || !take_overrides(tx, before, &item, err) ||
        (c->has_tagIds && !pn_secrets_write_tags(tx, &item, err)))
        return false;
    w->touched_bytes += before->sealed_value.len;
    return add_done(w, &item, err);
}

/* Names that are not there are gathered; whether that fails is the batch's to say. */
static bool change_one(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       struct pn_err *err)
{
    struct pn_secret_item there;

    if (!find_place(w, tx, c, err) || !find_named(w, tx, c, &there, err))
        return false;
    if (is_there(&there))
        return update_one(w, tx, c, &there, err);
    if (w->batch->missing == PN_SECRETS_UPSERT)
        return insert_new(w, tx, c, err);
    if (w->batch->missing == PN_SECRETS_FAIL)
        w->missing = add_name(w, w->missing, c->secretKey);
    return true;
}

static bool refuse_missing(struct work *w, struct pn_err *err)
{
    return w->missing.ptr == NULL ||
           pn_fail(err, PN_NOT_FOUND, "Secret not found: %.*s", PN_ARG(w->missing));
}

static bool write_change(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct work *w = context;

    if (!begin(w, tx, err))
        return false;
    for (size_t i = 0; i < w->batch->count; i++) {
        if (!change_one(w, tx, &w->batch->changes[i], err))
            return false;
    }
    return refuse_missing(w, err) && record(w, tx, err);
}

/* ---- delete ---- */

static bool delete_one(struct work *w, struct pn_db_conn *tx, const struct pn_secrets_change *c,
                       struct pn_err *err)
{
    struct pn_secret_item there;

    if (!find_place(w, tx, c, err) || !find_named(w, tx, c, &there, err))
        return false;
    if (!is_there(&there)) {
        w->missing = add_name(w, w->missing, c->secretKey);
        return true;
    }
    if (!pn_secrets_permit(w->call, w->ability, &there, "delete", err) ||
        !pn_secrets_remove(tx, &there, err))
        return false;
    return add_done(w, &there, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct work *w = context;

    if (!begin(w, tx, err))
        return false;
    for (size_t i = 0; i < w->batch->count; i++) {
        if (!delete_one(w, tx, &w->batch->changes[i], err))
            return false;
    }
    return refuse_missing(w, err) && record(w, tx, err);
}

/* ---- all three ---- */

/* Whether the project has autoCapitalization (§10.3). */
static bool read_capitals(struct work *w, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(w->call->conn, "SELECT auto_capitalization FROM projects WHERE id = $id");

    pn_bind_uuid(q, "$id", w->batch->project_id);
    w->has_capitals = pn_query_next(q) && pn_column_int(q, 0) != 0;
    return pn_query_end(q, err);
}

/* One secret is changed once in a request: type, folder and name make it, however they are spelled. */
static bool check_once(const struct work *w, const struct pn_secrets_change *c, struct pn_map *seen,
                       struct pn_err *err)
{
    struct pn_str path = c->secretPath.ptr != NULL ? c->secretPath : w->batch->path, key;

    if (!pn_place_path(w->call, path, &path, err))
        return false;
    key = pn_arena_printf(w->call->arena, "%d:%.*s:%.*s", c->type, PN_ARG(path),
                          PN_ARG(written(w, c->secretKey)));
    return pn_map_put(seen, key, seen) == NULL ||
           pn_fail(err, PN_BAD_REQUEST, "The request names a secret twice: %.*s",
                   PN_ARG(c->secretKey));
}

static bool check_each_once(const struct work *w, struct pn_err *err)
{
    struct pn_map *seen;
    bool is_once = true;

    if (w->batch->count <= 1)
        return true;
    seen = pn_map_new();
    for (size_t i = 0; i < w->batch->count && is_once; i++)
        is_once = check_once(w, &w->batch->changes[i], seen, err);
    pn_map_free(seen);
    return is_once;
}

/* Shows the actor what it may see of what it has written. */
static bool open_done(struct work *w, struct pn_err *err)
{
    struct pn_secret_item *items = w->done.list.items;

    for (size_t i = 0; i < w->done.list.count; i++) {
        if (!(pn_secrets_may(w->call, w->ability, &items[i], "readValue")
                  ? pn_secrets_open(w->call, &items[i], err)
                  : pn_secrets_open_hidden(w->call, &items[i], err)))
            return false;
    }
    return true;
}

static bool run(struct pn_call *call, const struct pn_secrets_batch *batch, const char *action,
                const char *event, pn_write_fn *write, struct pn_list *out, struct pn_err *err)
{
    const struct pn_permit_object any = { .subject = "secrets", .environment = batch->environment };
    struct work w = { .call = call, .batch = batch, .event = event };

    if (!pn_ability_load(call, batch->project_id, &w.ability, err))
        return false;
    if (!pn_ability_may_some(w.ability, "secrets", action))
        return pn_ability_permit(call, w.ability, &any, action, err);
    if (!read_capitals(&w, err) || !check_each_once(&w, err) ||
        !pn_db_write(call->db, write, &w, err) || !open_done(&w, err))
        return false;
    *out = w.done.list;
    return true;
}

bool pn_secrets_create(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err)
{
    return run(call, batch, "create", batch->is_single ? "create-secret" : "create-secrets",
               write_create, out, err);
}

bool pn_secrets_change(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err)
{
    return run(call, batch, "edit", batch->is_single ? "update-secret" : "update-secrets",
               write_change, out, err);
}

bool pn_secrets_delete(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err)
{
    return run(call, batch, "delete", batch->is_single ? "delete-secret" : "delete-secrets",
               write_delete, out, err);
}
