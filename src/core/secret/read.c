/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/read.h"

#include "base/map.h"
#include "core/org/permission.h"
#include "core/rows.h"
#include "core/scope.h"
#include "core/secret/filter.h"
#include "core/secret/import.h"
#include "core/secret/record.h"
#include "core/secret/reference.h"
#include "core/secret/remembered.h"
#include "core/secret/row.h"
#include "core/secret/version.h"
#include "db/cache.h"

/* ---- what the actor is shown ---- */

static bool show(struct pn_call *call, const struct pn_ability *ability, bool has_values,
                 struct pn_secret_item *item, struct pn_err *err)
{
    return has_values && pn_secrets_may(call, ability, item, "readValue")
               ? pn_secrets_open(call, item, err)
               : pn_secrets_open_hidden(call, item, err);
}

/* *expansion is made for the first value that needs it: most need none. */
static bool expand(struct pn_call *call, const struct pn_ability *ability,
                   const struct pn_secrets_query *query, struct pn_expansion **expansion,
                   struct pn_secret_item *item, struct pn_err *err)
{
    if (!query->is_expanded || item->secretValueHidden ||
        pn_str_search(item->secretValue, PN_LIT("${")) < 0)
        return true;
    if (*expansion == NULL)
        *expansion = pn_expansion_new(call, ability, query->project_id, query->whose);
    return pn_expansion_run(*expansion, item, err);
}

static bool refuse_missing(struct pn_str name, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Secret not found: %.*s",
                   PN_ARG(pn_str_slice(name, 0, PN_SECRETS_MAX_NAME)));
}

/* One secret, where it lies: an import may have brought it from elsewhere. */
static bool record_one(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
{
    return pn_secrets_record_read(
        call,
        &(struct pn_secrets_event){ .type = "get-secret",
                                    .project_id = item->workspace,
                                    .environment = item->environment,
                                    .path = item->secretPath,
                                    .items = { .items = item, .count = 1 },
                                    .is_single = true },
        err);
}

/* How many were shown, those of imports with them. */
static bool record_list(struct pn_call *call, const struct pn_secrets_query *query,
                        struct pn_str path, const struct pn_secrets_found *found,
                        struct pn_err *err)
{
    struct pn_secrets_event event = { .type = "get-secrets",
                                      .project_id = query->project_id,
                                      .environment = query->environment,
                                      .path = path,
                                      .items = found->secrets };
    const struct pn_secrets_import *imports = found->imports.items;

    for (size_t i = 0; i < found->imports.count; i++)
        event.items.count += imports[i].secrets.count; /* a list is recorded by its length */
    return pn_secrets_record_read(call, &event, err);
}

/* Who may describe no secret at all is told so, before anything is looked for. */
static bool load_ability(struct pn_call *call, struct pn_uuid project_id, struct pn_str environment,
                         const struct pn_ability **out, struct pn_err *err)
{
    const struct pn_permit_object any = { .subject = "secrets", .environment = environment };

    if (!pn_ability_load(call, project_id, out, err))
        return false;
    return pn_ability_may_some(*out, "secrets", "describeSecret") ||
           pn_ability_permit(call, *out, &any, "describeSecret", err);
}

/* ---- list ---- */

struct listing {
    struct pn_call *call;
    const struct pn_ability *ability;
    const struct pn_secrets_query *query;
    struct pn_secrets_filter filter;
    struct pn_expansion *expansion; /* NULL until a value refers to another */
    struct pn_map *names;           /* of what hides imports; NULL when none are asked for */
    struct pn_rows rows;
};

/* Whether it is asked for and the actor may know of it: then it is opened as far as they may see it. */
static bool list_item(struct listing *l, struct pn_secret_item *item, bool needs_value,
                      bool *is_listed, struct pn_err *err)
{
    *is_listed = false;
    if (!pn_arena_require(l->call->arena, 0, err)) /* asking, with tags, takes some too */
        return false;
    if (!pn_secrets_filter_match(&l->filter, item) ||
        !pn_secrets_may(l->call, l->ability, item, "describeSecret"))
        return true;
    *is_listed = true;
    if (!show(l->call, l->ability, l->query->has_values, item, err) ||
        !expand(l->call, l->ability, l->query, &l->expansion, item, err))
        return false;
    *is_listed = !needs_value || !l->query->has_values || !item->secretValueHidden;
    return true;
}

/* A name hides those of imports by being there, shown or not: clients would take another value for it. */
static void remember(struct listing *l, struct pn_list items)
{
    const struct pn_secret_item *rows = items.items;

    for (size_t i = 0; l->names != NULL && i < items.count; i++)
        (void)pn_map_put(l->names, rows[i].secretKey, l);
}

/* Adds the rows of one folder that are asked for and may be shown: those that are move to its front. */
static bool list_folder(struct listing *l, const struct pn_place *place, bool is_below,
                        struct pn_err *err)
{
    struct pn_secret_item *items;
    struct pn_list found;
    size_t listed = 0;

    if (!pn_secrets_load(l->call, l->call->conn, place, l->query->whose, &found, err))
        return false;
    if (!is_below)
        remember(l, found);
    items = found.items;
    for (size_t i = 0; i < found.count; i++) {
        bool is_listed;

        if (!list_item(l, &items[i], is_below, &is_listed, err))
            return false;
        if (is_listed && listed++ < i)
            items[listed - 1] = items[i];
    }
    pn_rows_add_all(&l->rows, (struct pn_list){ .items = items, .count = listed });
    return true;
}

static bool list_below(struct listing *l, const struct pn_place *place, struct pn_err *err)
{
    const struct pn_place *folders;
    struct pn_list below;

    if (!l->query->is_recursive)
        return true;
    if (!pn_place_below(l->call, place, &below, err))
        return false;
    folders = below.items;
    for (size_t i = 0; i < below.count; i++) {
        if (!list_folder(l, &folders[i], true, err))
            return false;
    }
    return true;
}

/* ---- by imports ---- */

/* What one imported folder brings that nobody nearer has. */
static bool list_import(struct listing *l, const struct pn_place *place,
                        struct pn_secrets_import *out, struct pn_err *err)
{
    struct pn_secret_item *items;
    struct pn_list found;

    l->rows = pn_rows_of(l->call->arena, sizeof(struct pn_secret_item));
    if (!pn_secrets_load(l->call, l->call->conn, place, PN_SECRETS_OF_ALL, &found, err))
        return false;
    items = found.items;
    for (size_t i = 0; i < found.count; i++) {
        bool is_listed = false;

        if (pn_map_get(l->names, items[i].secretKey) == NULL &&
            !list_item(l, &items[i], false, &is_listed, err))
            return false;
        if (is_listed)
            *(struct pn_secret_item *)pn_rows_add(&l->rows) = items[i];
    }
    *out = (struct pn_secrets_import){ .secretPath = place->path,
                                       .environment = place->environment,
                                       .folderId = place->folder_id,
                                       .secrets = l->rows.list };
    remember(l, found);
    return true;
}

/*
 * Each as an element of its own, in order of rising precedence. Clients merge them by rules that differ (§10.9):
 * each name is in one element only, so that all of them end with the same value.
 */
static bool list_imports(struct listing *l, const struct pn_place *place, struct pn_list *out,
                         struct pn_err *err)
{
    const struct pn_place *places;
    struct pn_secrets_import *imports;
    struct pn_list found;
    bool is_fine = true;

    if (!l->query->has_imports)
        return true;
    if (!pn_import_places(l->call, place, &found, err))
        return false;
    places = found.items;
    imports = pn_new(l->call->arena, struct pn_secrets_import, found.count);
    for (size_t i = found.count; is_fine && i > 0; i--)
        is_fine = list_import(l, &places[i - 1], &imports[i - 1], err);
    *out = (struct pn_list){ .items = imports, .count = found.count };
    return is_fine;
}

/* The folder; `is_there` false when the environment has none of that path. */
static bool find_folder(struct pn_call *call, const struct pn_secrets_query *query,
                        struct pn_str path, struct pn_place *out, bool *is_there,
                        struct pn_err *err)
{
    struct pn_err missing = { 0 };
    struct pn_place root;

    *is_there = true;
    if (pn_place_find(call, call->conn, query->project_id, query->environment, path, out, &missing))
        return true;
    *is_there = false;
    if (missing.code != PN_NOT_FOUND) {
        *err = missing;
        return false;
    }
    return pn_place_find(call, call->conn, query->project_id, query->environment, PN_LIT("/"),
                         &root, err);
}

static bool list_all(struct listing *l, struct pn_str path, struct pn_secrets_found *out,
                     struct pn_err *err)
{
    struct pn_place place;
    bool is_there;

    if (!find_folder(l->call, l->query, path, &place, &is_there, err))
        return false;
    if (!is_there)
        return true;
    if (!list_folder(l, &place, false, err) || !list_below(l, &place, err))
        return false;
    out->secrets = l->rows.list;
    return list_imports(l, &place, &out->imports, err);
}

bool pn_secrets_list(struct pn_call *call, const struct pn_secrets_query *query,
                     struct pn_secrets_found *out, struct pn_err *err)
{
    struct listing l = { .call = call,
                         .query = query,
                         .rows = pn_rows_of(call->arena, sizeof(struct pn_secret_item)) };
    struct pn_str path;
    bool is_listed;

    *out = (struct pn_secrets_found){ .secrets = { .items = NULL } };
    if (!pn_secrets_filter_parse(query->tags, query->metadata, &l.filter, err) ||
        !load_ability(call, query->project_id, query->environment, &l.ability, err) ||
        !pn_place_path(call, query->path, &path, err))
        return false;
    l.names = query->has_imports ? pn_map_new() : NULL;
    is_listed = list_all(&l, path, out, err) && pn_expansion_record(l.expansion, err);
    pn_map_free(l.names);
    pn_expansion_free(l.expansion);
    return is_listed && record_list(call, query, path, out, err);
}

/* ---- get ---- */

/* Of what the folder imports: the last that brings it goes before the others. */
static bool find_imported(struct pn_call *call, const struct pn_place *place, struct pn_str name,
                          struct pn_secret_item *out, struct pn_err *err)
{
    const struct pn_place *places;
    struct pn_list found;

    if (!pn_import_places(call, place, &found, err))
        return false;
    places = found.items;
    for (size_t i = found.count; i > 0 && pn_uuid_is_zero(out->id); i--)
        if (!pn_secrets_find(call, call->conn, &places[i - 1], name, PN_SECRETS_OF_ALL, out, err))
            return false;
    return true;
}

static bool find_by_rows(struct pn_call *call, const struct pn_secrets_query *query,
                         const struct pn_secrets_address *at, struct pn_secret_item *out,
                         struct pn_err *err)
{
    uint64_t version = PN_CACHE_NEVER;
    struct pn_place place;

    if (call->cache != NULL)
        version = pn_cache_begin(call->cache, call->conn, at->project_id);
    if (!pn_place_find(call, call->conn, at->project_id, at->environment, at->path, &place, err) ||
        !pn_secrets_find(call, call->conn, &place, at->name, query->whose, out, err))
        return false;
    if (!pn_uuid_is_zero(out->id)) {
        pn_secrets_remember(call, at, version, out);
        return true;
    }
    return (!query->has_imports || find_imported(call, &place, at->name, out, err)) &&
           (!pn_uuid_is_zero(out->id) || refuse_missing(at->name, err));
}

static bool find_one(struct pn_call *call, const struct pn_secrets_query *query, struct pn_str name,
                     struct pn_secret_item *out, struct pn_err *err)
{
    struct pn_secrets_address at = { .project_id = query->project_id,
                                     .environment = query->environment,
                                     .name = name };

    if (!pn_place_path(call, query->path, &at.path, err))
        return false;
    if (query->whose == PN_SECRETS_OF_ALL && pn_secrets_remembered(call, &at, out))
        return pn_secrets_fill(call, call->conn, out, err);
    return find_by_rows(call, query, &at, out, err);
}

bool pn_secrets_get(struct pn_call *call, const struct pn_secrets_query *query, struct pn_str name,
                    struct pn_secret_item *out, struct pn_err *err)
{
    pn_auto(pn_expansion_freep) struct pn_expansion *expansion = NULL;
    const struct pn_ability *ability;

    if (!load_ability(call, query->project_id, query->environment, &ability, err) ||
        !find_one(call, query, name, out, err) ||
        !pn_secrets_permit(call, ability, out, "describeSecret", err))
        return false;
    if (query->version > 0 && !pn_secrets_take_version(call, query->version, out, err))
        return false;
    return show(call, ability, query->has_values, out, err) &&
           expand(call, ability, query, &expansion, out, err) &&
           pn_expansion_record(expansion, err) && record_one(call, out, err);
}

bool pn_secrets_trace(struct pn_call *call, const struct pn_secrets_query *query,
                      struct pn_str name, struct pn_secret_item *out,
                      struct pn_reference_node *root, struct pn_err *err)
{
    pn_auto(pn_expansion_freep) struct pn_expansion *expansion = NULL;
    const struct pn_ability *ability;

    if (!load_ability(call, query->project_id, query->environment, &ability, err) ||
        !find_one(call, query, name, out, err) ||
        !pn_secrets_permit(call, ability, out, "describeSecret", err) ||
        !pn_secrets_permit(call, ability, out, "readValue", err) ||
        !pn_secrets_open(call, out, err))
        return false;
    expansion = pn_expansion_new(call, ability, query->project_id, query->whose);
    return pn_expansion_trace(expansion, out, root, err) && pn_expansion_record(expansion, err) &&
           record_one(call, out, err);
}

/* ---- by id ---- */

#define MISSING_ID "Secret not found: %s"

/* One that the caller may not see, whoever's it is, looks like one that is not there. */
static bool refuse_id(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, MISSING_ID, pn_uuid_format(id).text);
}

static bool load_by_id(struct pn_call *call, struct pn_uuid id, struct pn_secret_item *out,
                       struct pn_place *place, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT " PN_SECRETS_COLUMNS " FROM secrets s WHERE s.id = $id"
                             " AND (s.user_id IS NULL OR s.user_id = $user)");
    const struct pn_place nowhere = { .environment = PN_NONE };

    *out = (struct pn_secret_item){ .id = { { 0 } } };
    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$user", call->actor.id);
    if (pn_query_next(q))
        pn_secrets_read_row(q, call->arena, &nowhere, out);
    if (!pn_query_end(q, err))
        return false;
    if (pn_uuid_is_zero(out->id))
        return refuse_id(id, err);
    if (!pn_place_of_folder(call, call->conn, out->folderId, place, err))
        return false;
    if (pn_uuid_is_zero(place->folder_id))
        return refuse_id(id, err); /* of another organisation */
    out->environment = place->environment;
    out->secretPath = place->path;
    return true;
}

static bool find_by_id(struct pn_call *call, struct pn_uuid id, struct pn_secret_item *out,
                       const struct pn_ability **ability, struct pn_err *err)
{
    struct pn_place place;

    if (!load_by_id(call, id, out, &place, err))
        return false;
    if (!pn_ability_load(call, place.project_id, ability, err))
        return pn_permit_hide(err, MISSING_ID, pn_uuid_format(id).text);
    if (!pn_secrets_fill(call, call->conn, out, err))
        return false;
    return pn_secrets_may(call, *ability, out, "describeSecret") || refuse_id(id, err);
}

bool pn_secrets_get_by_id(struct pn_call *call, struct pn_uuid id, bool has_values,
                          struct pn_secret_item *out, struct pn_err *err)
{
    const struct pn_ability *ability;

    return find_by_id(call, id, out, &ability, err) && show(call, ability, has_values, out, err) &&
           record_one(call, out, err);
}

bool pn_secrets_versions(struct pn_call *call, struct pn_uuid id, int64_t offset, int64_t limit,
                         struct pn_list *out, struct pn_err *err)
{
    const struct pn_ability *ability;
    struct pn_secrets_version *versions;
    struct pn_secret_item newest;

    if (!find_by_id(call, id, &newest, &ability, err) ||
        !pn_secrets_load_versions(call, &newest, offset, limit, out, err))
        return false;
    versions = out->items;
    for (size_t i = 0; i < out->count; i++)
        if (!pn_arena_require(call->arena, 0, err) ||
            !show(call, ability, true, &versions[i].item, err))
            return false;
    return record_one(call, &newest, err);
}
