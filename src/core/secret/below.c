/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/below.h"

#include "core/lease/row.h"
#include "core/secret/row.h"

#define ROW_BYTES ((size_t)4 << 20) /* of one secret at a time: metadata, tags, and asking */

/* Folders at $path and below; '0' follows '/'. */
#define WITHIN                                                            \
    " f.environment_id = $environment AND ($path = '/' OR f.path = $path" \
    " OR (f.path > $path || '/' AND f.path < $path || '0'))"

struct asking {
    struct pn_call call;    /* on the write's connection */
    struct pn_call scratch; /* the same, with memory of one row */
    const struct pn_ability *ability;
    const struct pn_place *folder; /* NULL: of a tag */
    struct pn_str to_environment, to_path;
    struct pn_uuid tag;
    struct pn_str to_slug; /* of the tag; PN_NONE: it goes */
    bool deletes;
};

static bool begin(struct asking *a, const struct pn_call *call, struct pn_db_conn *tx,
                  struct pn_uuid project, struct pn_err *err)
{
    a->call = pn_call_within(call, tx);
    a->scratch = a->call;
    return pn_ability_load(&a->call, project, &a->ability, err);
}

/* ---- one secret ---- */

/* "/a/b/c" where "/a/b" becomes `to`. */
static struct pn_str path_after(const struct asking *a, struct pn_str path)
{
    return pn_str_is(a->folder->path, "/")
               ? path
               : pn_arena_printf(a->scratch.arena, "%.*s%.*s", PN_ARG(a->to_path),
                                 PN_ARG(pn_str_slice(path, a->folder->path.len, path.len)));
}

static struct pn_list tags_after(const struct asking *a, struct pn_list tags)
{
    struct pn_secrets_tag *after = pn_new(a->scratch.arena, struct pn_secrets_tag, tags.count);
    const struct pn_secrets_tag *before = tags.items;
    size_t count = 0;

    for (size_t i = 0; i < tags.count; i++) {
        const bool is_it = pn_uuid_eq(before[i].id, a->tag);

        if (is_it && a->to_slug.ptr == NULL)
            continue;
        after[count] = before[i];
        if (is_it)
            after[count].slug = a->to_slug;
        count++;
    }
    return (struct pn_list){ .items = after, .count = count };
}

static bool ask_about(struct asking *a, const struct pn_secret_item *item, struct pn_err *err)
{
    struct pn_secret_item after = *item;

    if (a->deletes)
        return pn_secrets_permit_known(&a->scratch, a->ability, item, "delete", err);
    if (a->folder != NULL) {
        after.environment = a->to_environment;
        after.secretPath = path_after(a, item->secretPath);
    } else {
        after.tags = tags_after(a, item->tags);
    }
    return pn_secrets_permit_change(&a->scratch, a->ability, item, &after, err);
}

/* What a refusal says stays when the row's memory goes. */
static bool refuse_row(const struct asking *a, struct pn_err *err)
{
    if (err->details.ptr != NULL)
        err->details = pn_arena_copy(a->call.arena, err->details);
    return false;
}

/* ---- all of them ---- */

/* Overrides go with their shared secrets, and are not asked about. Values are not needed. */
#define SELECT                                                                                 \
    "SELECT s.id, s.project_id, s.folder_id, s.user_id, s.name, s.version, NULL, NULL, NULL, " \
    "s.sealed_metadata, s.has_tags, s.skip_multiline, s.reminder_days, s.actor_type, "         \
    "s.actor_id, s.actor_name, s.created_ms, s.updated_ms, f.path, e.slug FROM secrets s"      \
    " JOIN folders f ON f.id = s.folder_id JOIN environments e ON e.id = f.environment_id"

static void bind_folder(struct pn_query *q, const struct pn_place *folder)
{
    pn_bind_uuid(q, "$environment", folder->environment_id);
    pn_bind_str(q, "$path", folder->path);
}

static struct pn_query *query_secrets(const struct asking *a)
{
    struct pn_query *q;

    if (a->folder != NULL) {
        q = pn_query(a->call.conn, SELECT " WHERE s.user_id IS NULL AND" WITHIN);
        bind_folder(q, a->folder);
        return q;
    }
    q = pn_query(a->call.conn, SELECT " JOIN secret_tag_links l ON l.secret_id = s.id"
                                      " WHERE s.user_id IS NULL AND l.tag_id = $tag");
    pn_bind_uuid(q, "$tag", a->tag);
    return q;
}

static bool ask_row(struct asking *a, struct pn_query *q, struct pn_err *err)
{
    struct pn_secret_item item;
    struct pn_place place = { .path = PN_NONE };

    pn_arena_reset(a->scratch.arena);
    place.path = pn_column_str(q, 18, a->scratch.arena);
    place.environment = pn_column_str(q, 19, a->scratch.arena);
    pn_secrets_read_row(q, a->scratch.arena, &place, &item);
    return (pn_secrets_fill(&a->scratch, a->call.conn, &item, err) && ask_about(a, &item, err)) ||
           refuse_row(a, err);
}

static bool ask_secrets(struct asking *a, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ROW_BYTES);
    struct pn_query *q = query_secrets(a);
    bool may = true;

    a->scratch.arena = arena;
    for (size_t count = 0; may && pn_query_next(q); count++)
        may = count < PN_BELOW_MAX
                  ? ask_row(a, q, err)
                  : pn_fail(err, PN_BAD_REQUEST,
                            "More than %d secrets are below: it takes rights without conditions",
                            PN_BELOW_MAX);
    return pn_query_end(q, may ? err : &(struct pn_err){ 0 }) && may;
}

static bool has_all(const struct asking *a, const char *action)
{
    return pn_ability_may_all(a->ability, "secrets", action);
}

/* Rights without conditions say the same of every secret, whatever it is called. */
static bool needs_no_look(const struct asking *a)
{
    if (a->deletes)
        return has_all(a, "delete");
    return has_all(a, "edit") &&
           (has_all(a, "readValue") || !pn_ability_may_some(a->ability, "secrets", "readValue"));
}

static bool permit_secrets(struct asking *a, struct pn_err *err)
{
    return needs_no_look(a) || ask_secrets(a, err);
}

/* ---- folders, imports, dynamic secrets ---- */

/* In the place where `object` is now, and in the one that becomes of it. */
static bool permit_at(struct asking *a, struct pn_permit_object object, const char *action,
                      struct pn_err *err)
{
    object.environment = a->folder->environment;
    if (!pn_ability_permit(&a->call, a->ability, &object, action, err))
        return false;
    if (a->deletes)
        return true;
    object.environment = a->to_environment;
    object.secretPath = path_after(a, object.secretPath);
    return pn_ability_permit(&a->call, a->ability, &object, action, err);
}

/* What lies in folders besides secrets: where each lies, and for dynamic secrets what more their conditions may name. */
static const struct thing {
    const char *subject, *edit, *delete;
    bool has_metadata;
    const char *sql;
} things[] = {
    { "secret-folders", "edit", "delete", false,
      "SELECT f.path FROM folders f WHERE" WITHIN
      " AND EXISTS (SELECT 1 FROM folders c WHERE c.parent_id = f.id)" },
    { "secret-imports", "edit", "delete", false,
      "SELECT f.path FROM folders f WHERE" WITHIN
      " AND EXISTS (SELECT 1 FROM secret_imports i WHERE i.folder_id = f.id)" },
    { "dynamic-secrets", "edit-root-credential", "delete-root-credential", true,
      "SELECT f.path, d.metadata FROM dynamic_secrets d JOIN folders f ON f.id = d.folder_id"
      " WHERE" WITHIN },
};

static bool permit_row(struct asking *a, const struct thing *thing, const char *action,
                       struct pn_query *q, struct pn_err *err)
{
    struct pn_permit_object object = { .subject = thing->subject };

    pn_arena_reset(a->scratch.arena);
    object.secretPath = pn_column_str(q, 0, a->scratch.arena);
    return (!thing->has_metadata ||
            pn_dynamic_metadata_read(a->scratch.arena, pn_column_str(q, 1, a->scratch.arena),
                                     &object.metadata, err)) &&
           permit_at(a, object, action, err);
}

static bool permit_things(struct asking *a, const struct thing *thing, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = NULL;
    const char *action = a->deletes ? thing->delete : thing->edit;
    struct pn_query *q;
    bool may = true;

    if (pn_ability_may_all(a->ability, thing->subject, action))
        return true;
    arena = pn_arena_new(ROW_BYTES);
    a->scratch.arena = arena;
    q = pn_query(a->call.conn, thing->sql);
    bind_folder(q, a->folder);
    while (may && pn_query_next(q))
        may = permit_row(a, thing, action, q, err);
    return pn_query_end(q, may ? err : &(struct pn_err){ 0 }) && may;
}

static bool permit_rest(struct asking *a, struct pn_err *err)
{
    for (size_t i = 0; i < PN_COUNT(things); i++) {
        if (!permit_things(a, &things[i], err))
            return false;
    }
    return true;
}

/* ---- what is asked ---- */

bool pn_below_may_move(const struct pn_call *call, struct pn_db_conn *tx,
                       const struct pn_place *folder, struct pn_str to_environment,
                       struct pn_str to_path, struct pn_err *err)
{
    struct asking a = { .folder = folder, .to_environment = to_environment, .to_path = to_path };

    return begin(&a, call, tx, folder->project_id, err) && permit_secrets(&a, err) &&
           permit_rest(&a, err);
}

bool pn_below_may_delete(const struct pn_call *call, struct pn_db_conn *tx,
                         const struct pn_place *folder, struct pn_err *err)
{
    struct asking a = { .folder = folder, .deletes = true };

    return begin(&a, call, tx, folder->project_id, err) && permit_secrets(&a, err) &&
           permit_rest(&a, err);
}

bool pn_below_may_retag(const struct pn_call *call, struct pn_db_conn *tx, struct pn_uuid project,
                        struct pn_uuid tag, struct pn_str slug, struct pn_err *err)
{
    struct asking a = { .tag = tag, .to_slug = slug };

    return begin(&a, call, tx, project, err) && permit_secrets(&a, err);
}
