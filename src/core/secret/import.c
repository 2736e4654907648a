/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/import.h"

#include "base/map.h"
#include "core/org/permission.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/random.h"

#define SELECT                                                                                     \
    "SELECT i.id, i.folder_id, i.from_folder_id, i.position, i.version, i.is_replication, "        \
    "i.created_ms, i.updated_ms, sf.path, se.id, se.name, se.slug, f.path, e.slug, e.project_id, " \
    "e.id, e.name "                                                                                \
    "FROM secret_imports i JOIN folders sf ON sf.id = i.from_folder_id"                            \
    " JOIN environments se ON se.id = sf.environment_id JOIN folders f ON f.id = i.folder_id"      \
    " JOIN environments e ON e.id = f.environment_id "

static struct pn_import read_row(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_import){
        .id = pn_column_uuid(q, 0),
        .folderId = pn_column_uuid(q, 1),
        .fromFolderId = pn_column_uuid(q, 2),
        .position = pn_column_int(q, 3),
        .version = pn_column_int(q, 4),
        .isReplication = pn_column_int(q, 5) != 0,
        .createdAt = pn_column_int(q, 6),
        .updatedAt = pn_column_int(q, 7),
        .importPath = pn_column_str(q, 8, arena),
        .fromEnvironmentId = pn_column_uuid(q, 9),
        .fromEnvironmentName = pn_column_str(q, 10, arena),
        .fromEnvironment = pn_column_str(q, 11, arena),
        .secretPath = pn_column_str(q, 12, arena),
        .environment = pn_column_str(q, 13, arena),
        .projectId = pn_column_uuid(q, 14),
        .environmentId = pn_column_uuid(q, 15),
        .environmentName = pn_column_str(q, 16, arena),
    };
}

static bool load(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                 struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_import));
    struct pn_query *q =
        pn_query(conn, SELECT "WHERE i.folder_id = $folder ORDER BY i.position, i.id");

    pn_bind_uuid(q, "$folder", folder);
    while (pn_query_next(q))
        *(struct pn_import *)pn_rows_add(&rows) = read_row(q, arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool refuse_missing(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Secret import with ID '%s' not found",
                   pn_uuid_format(id).text);
}

/* ---- walking ---- */

/* Nearest first; each folder once, where it has the most to say. */
struct walk {
    struct pn_db_conn *conn;
    struct pn_arena *arena;
    struct pn_map *seen; /* by 16 bytes of a folder's id */
    struct pn_rows places;
};

static bool is_new(struct walk *w, const struct pn_uuid *folder)
{
    return pn_map_put(w->seen, pn_str_of(folder->bytes, sizeof(folder->bytes)), w) == NULL;
}

static bool walk_folder(struct walk *w, struct pn_uuid folder, size_t depth, struct pn_err *err)
{
    const struct pn_import *imports;
    struct pn_list found;

    if (depth >= PN_IMPORT_MAX_DEPTH)
        return true;
    if (!load(w->conn, w->arena, folder, &found, err))
        return false;
    imports = found.items;
    for (size_t i = found.count; i > 0 && w->places.list.count < PN_IMPORT_MAX_ALL; i--) {
        const struct pn_import *import = &imports[i - 1];

        if (!is_new(w, &import->fromFolderId))
            continue;
        *(struct pn_place *)pn_rows_add(&w->places) =
            (struct pn_place){ .project_id = import->projectId,
                               .environment_id = import->fromEnvironmentId,
                               .folder_id = import->fromFolderId,
                               .environment = import->fromEnvironment,
                               .path = import->importPath };
        if (!walk_folder(w, import->fromFolderId, depth + 1, err))
            return false;
    }
    return true;
}

static bool walk(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                 struct pn_list *out, struct pn_err *err)
{
    struct walk w = { .conn = conn,
                      .arena = arena,
                      .seen = pn_map_new(),
                      .places = pn_rows_of(arena, sizeof(struct pn_place)) };
    bool is_walked = is_new(&w, &folder) && walk_folder(&w, folder, 0, err);

    pn_map_free(w.seen);
    *out = w.places.list;
    return is_walked;
}

static void reverse(struct pn_list list)
{
    struct pn_place *places = list.items;

    for (size_t i = 0; i < list.count / 2; i++) {
        struct pn_place place = places[i];

        places[i] = places[list.count - 1 - i];
        places[list.count - 1 - i] = place;
    }
}

bool pn_import_places(struct pn_call *call, const struct pn_place *place, struct pn_list *out,
                      struct pn_err *err)
{
    if (!walk(call->conn, call->arena, place->folder_id, out, err))
        return false;
    reverse(*out);
    return true;
}

/* ---- rights ---- */

static bool permit(struct pn_call *call, const struct pn_import_at *at, const char *action,
                   const struct pn_ability **ability, struct pn_err *err)
{
    const struct pn_permit_object imports = { .subject = "secret-imports",
                                              .environment = at->environment,
                                              .secretPath = at->path };

    return pn_ability_load(call, at->project_id, ability, err) &&
           pn_ability_permit(call, *ability, &imports, action, err);
}

/* Nobody sees by an import what they may not see at its source; they may not make others see it either. */
static bool permit_source(struct pn_call *call, const struct pn_ability *ability,
                          const struct pn_place *from, struct pn_err *err)
{
    const struct pn_permit_object secrets = { .subject = "secrets",
                                              .environment = from->environment,
                                              .secretPath = from->path };

    return pn_ability_permit(call, ability, &secrets, "describeSecret", err) &&
           pn_ability_permit(call, ability, &secrets, "readValue", err);
}

/* ---- reading ---- */

bool pn_import_list(struct pn_call *call, const struct pn_import_at *at, struct pn_list *out,
                    struct pn_err *err)
{
    struct pn_import_at where = *at;
    const struct pn_ability *ability;
    struct pn_place place;

    return pn_place_path(call, at->path, &where.path, err) &&
           permit(call, &where, "read", &ability, err) &&
           pn_place_find(call, call->conn, at->project_id, at->environment, where.path, &place,
                         err) &&
           load(call->conn, call->arena, place.folder_id, out, err);
}

static bool find(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                 struct pn_import *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT "JOIN projects p ON p.id = e.project_id"
                                               " WHERE i.id = $id AND p.org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_row(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || refuse_missing(id, err);
}

bool pn_import_get(struct pn_call *call, struct pn_uuid id, struct pn_import *out,
                   struct pn_err *err)
{
    const struct pn_ability *ability;
    struct pn_err refusal = { 0 };

    if (!find(call->conn, call, id, out, err))
        return false;
    return permit(call, &(struct pn_import_at){ out->projectId, out->environment, out->secretPath },
                  "read", &ability, &refusal) ||
           refuse_missing(id, err);
}

/* ---- changing ---- */

struct change {
    struct pn_call *call;
    struct pn_import_at at; /* path normalised */
    struct pn_uuid id;
    const struct pn_import_change *want;
    const struct pn_ability *ability;
    struct pn_str from_path; /* wanted, normalised; ptr NULL: as it is */
    struct pn_place place, from;
    struct pn_import *row;
};

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;

    pn_db_touch(tx, c->at.project_id); /* subscriptions look: no row that is remembered changes */
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = type,
            .project_id = c->at.project_id,
            .fields = { { "secretImportId", pn_uuid_str(arena, c->row->id) },
                        { "folderId", pn_uuid_str(arena, c->row->folderId) },
                        { "importFromEnvironment", c->row->fromEnvironment },
                        { "importFromSecretPath", c->row->importPath },
                        { "importToEnvironment", c->at.environment },
                        { "importToSecretPath", c->at.path },
                        { "position",
                          pn_arena_printf(arena, "%lld", (long long)c->row->position) } } },
        err);
}

/* Would the source come round to the folder? */
static bool check_circle(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_place *places;
    struct pn_list reached;

    if (pn_uuid_eq(c->from.folder_id, c->place.folder_id))
        return pn_fail(err, PN_BAD_REQUEST, "A folder cannot import itself");
    if (!walk(tx, c->call->arena, c->from.folder_id, &reached, err))
        return false;
    places = reached.items;
    for (size_t i = 0; i < reached.count; i++)
        if (pn_uuid_eq(places[i].folder_id, c->place.folder_id))
            return pn_fail(err, PN_BAD_REQUEST,
                           "This would make a circle: %.*s:%.*s imports this folder already",
                           PN_ARG(c->from.environment), PN_ARG(pn_str_slice(c->from.path, 0, 120)));
    return true;
}

static bool refuse_twice(struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "This folder imports that one already")
               : false;
}

static bool set_position(struct pn_db_conn *tx, struct pn_uuid id, int64_t position,
                         struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE secret_imports SET position = $position WHERE id = $id");

    pn_bind_int(q, "$position", position);
    pn_bind_uuid(q, "$id", id);
    return pn_query_run(q, NULL, err);
}

/* Numbers them 1, 2, 3 …, with the changed one where it is wanted; 0: it is gone. */
static bool renumber(struct pn_db_conn *tx, const struct change *c, int64_t wanted,
                     struct pn_err *err)
{
    const struct pn_import *rows;
    struct pn_list all;
    int64_t next = 1;

    if (!load(tx, c->call->arena, c->place.folder_id, &all, err))
        return false;
    if (wanted > (int64_t)all.count)
        wanted = (int64_t)all.count;
    rows = all.items;
    for (size_t i = 0; i < all.count; i++) {
        if (pn_uuid_eq(rows[i].id, c->row->id))
            continue;
        next += next == wanted;
        if (rows[i].position != next && !set_position(tx, rows[i].id, next, err))
            return false;
        next++;
    }
    return wanted == 0 || set_position(tx, c->row->id, wanted, err);
}

static bool find_places(struct pn_db_conn *tx, struct change *c, struct pn_str from_environment,
                        struct pn_str from_path, struct pn_err *err)
{
    return pn_place_find(c->call, tx, c->at.project_id, c->at.environment, c->at.path, &c->place,
                         err) &&
           pn_place_find(c->call, tx, c->at.project_id, from_environment, from_path, &c->from,
                         err) &&
           permit_source(c->call, c->ability, &c->from, err) && check_circle(tx, c, err);
}

static bool insert(struct pn_db_conn *tx, struct change *c, int64_t position, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "INSERT INTO secret_imports (id, folder_id, from_folder_id, position, version,"
                     " is_replication, created_ms, updated_ms)"
                     " VALUES ($id, $folder, $from, $position, 1, $replication, $now, $now)");

    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$folder", c->place.folder_id);
    pn_bind_uuid(q, "$from", c->from.folder_id);
    pn_bind_int(q, "$position", position);
    pn_bind_int(q, "$replication", c->want->is_replication);
    pn_bind_int(q, "$now", c->call->now_ms);
    return pn_query_run(q, NULL, err) || refuse_twice(err);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_list all;
    int64_t last;

    if (!find_places(tx, c, c->want->environment, c->from_path, err) ||
        !load(tx, c->call->arena, c->place.folder_id, &all, err))
        return false;
    if (all.count >= PN_IMPORT_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "A folder has at most %d imports", PN_IMPORT_MAX);
    last = (int64_t)all.count + 1;
    c->row->id = c->id;
    return insert(tx, c, last, err) &&
           renumber(tx, c, c->want->position > 0 ? c->want->position : last, err) &&
           find(tx, c->call, c->id, c->row, err) && note(tx, c, "create-secret-import", err);
}

bool pn_import_create(struct pn_call *call, const struct pn_import_at *at,
                      const struct pn_import_change *want, struct pn_import *out,
                      struct pn_err *err)
{
    struct change c = { .call = call, .at = *at, .id = pn_random_uuid(), .want = want, .row = out };

    return pn_place_path(call, at->path, &c.at.path, err) &&
           pn_place_path(call, want->path, &c.from_path, err) &&
           permit(call, &c.at, "create", &c.ability, err) &&
           pn_db_write(call->db, write_create, &c, err);
}

/* The import of that id, if it is where the client, whose rights were asked for there, says it is. */
static bool find_for_change(struct pn_db_conn *tx, struct change *c, struct pn_err *err)
{
    if (!find(tx, c->call, c->id, c->row, err))
        return false;
    return (pn_uuid_eq(c->row->projectId, c->at.project_id) &&
            pn_str_eq(c->row->environment, c->at.environment) &&
            pn_str_eq(c->row->secretPath, c->at.path)) ||
           refuse_missing(c->id, err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!find_for_change(tx, c, err))
        return false;
    if (!find_places(tx, c,
                     c->want->environment.ptr != NULL ? c->want->environment
                                                      : c->row->fromEnvironment,
                     c->from_path.ptr != NULL ? c->from_path : c->row->importPath, err))
        return false;
    q = pn_query(tx, "UPDATE secret_imports SET from_folder_id = $from, version = version + 1,"
                     " updated_ms = $now WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_uuid(q, "$from", c->from.folder_id);
    pn_bind_int(q, "$now", c->call->now_ms);
    if (!pn_query_run(q, NULL, err))
        return refuse_twice(err);
    return (c->want->position == 0 || renumber(tx, c, c->want->position, err)) &&
           find(tx, c->call, c->id, c->row, err) && note(tx, c, "update-secret-import", err);
}

bool pn_import_update(struct pn_call *call, const struct pn_import_at *at, struct pn_uuid id,
                      const struct pn_import_change *want, struct pn_import *out,
                      struct pn_err *err)
{
    struct change c = { .call = call, .at = *at, .id = id, .want = want, .row = out };

    return pn_place_path(call, at->path, &c.at.path, err) &&
           (want->path.ptr == NULL || pn_place_path(call, want->path, &c.from_path, err)) &&
           permit(call, &c.at, "edit", &c.ability, err) &&
           pn_db_write(call->db, write_update, &c, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!find_for_change(tx, c, err))
        return false;
    q = pn_query(tx, "DELETE FROM secret_imports WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    c->place.folder_id = c->row->folderId;
    return pn_query_run(q, NULL, err) && renumber(tx, c, 0, err) &&
           note(tx, c, "delete-secret-import", err);
}

bool pn_import_delete(struct pn_call *call, const struct pn_import_at *at, struct pn_uuid id,
                      struct pn_import *out, struct pn_err *err)
{
    struct change c = { .call = call, .at = *at, .id = id, .row = out };

    return pn_place_path(call, at->path, &c.at.path, err) &&
           permit(call, &c.at, "delete", &c.ability, err) &&
           pn_db_write(call->db, write_delete, &c, err);
}
