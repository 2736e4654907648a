/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/folder.h"

#include "core/lease/lease.h"
#include "core/org/permission.h"
#include "core/rows.h"
#include "core/secret/below.h"
#include "core/trail.h"
#include "crypto/random.h"

#define MAX_PATH_BYTES ((size_t)4096)
#define COLUMNS                                                                       \
    "f.id, f.environment_id, f.parent_id, f.name, f.path, f.description, f.version, " \
    "f.created_ms, f.updated_ms, f.secrets_changed_ms, e.project_id, e.slug, e.name"
#define FROM " FROM folders f JOIN environments e ON e.id = f.environment_id "

bool pn_folders_is_name(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return text.len > 0;
}

static struct pn_folder read_row(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_folder){
        .id = pn_column_uuid(q, 0),
        .envId = pn_column_uuid(q, 1),
        .parentId = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .path = pn_column_str(q, 4, arena),
        .description = pn_column_str(q, 5, arena),
        .version = pn_column_int(q, 6),
        .createdAt = pn_column_int(q, 7),
        .updatedAt = pn_column_int(q, 8),
        .lastSecretModified = pn_column_int(q, 9),
        .projectId = pn_column_uuid(q, 10),
        .environment = pn_column_str(q, 11, arena),
        .envName = pn_column_str(q, 12, arena),
    };
}

static struct pn_str parent_path(struct pn_str path)
{
    size_t slash = path.len;

    while (slash > 0 && path.ptr[slash - 1] != '/')
        slash--;
    return slash <= 1 ? PN_LIT("/") : pn_str_slice(path, 0, slash - 1);
}

static struct pn_str path_below(struct pn_arena *arena, struct pn_str parent, struct pn_str name)
{
    return pn_str_is(parent, "/")
               ? pn_arena_printf(arena, "/%.*s", PN_ARG(name))
               : pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(parent), PN_ARG(name));
}

static struct pn_permit_object object(struct pn_str environment, struct pn_str parent)
{
    return (struct pn_permit_object){ .subject = "secret-folders",
                                      .environment = environment,
                                      .secretPath = parent };
}

static bool permit(struct pn_call *call, struct pn_uuid project, struct pn_str environment,
                   struct pn_str parent, const char *action, struct pn_err *err)
{
    const struct pn_permit_object folders = object(environment, parent);
    const struct pn_ability *ability;

    return pn_ability_load(call, project, &ability, err) &&
           pn_ability_permit(call, ability, &folders, action, err);
}

#define MISSING "Folder '%.*s' not found"

static bool refuse_missing(struct pn_str what, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, MISSING, PN_ARG(pn_str_slice(what, 0, 120)));
}

/* One row of a query; *is_found tells whether there was one. */
static bool read_one(struct pn_query *q, struct pn_arena *arena, struct pn_folder *out,
                     bool *is_found, struct pn_err *err)
{
    *is_found = pn_query_next(q);
    if (*is_found)
        *out = read_row(q, arena);
    return pn_query_end(q, err);
}

static bool find_by_id(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                       struct pn_folder *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS FROM "JOIN projects p ON p.id = e.project_id"
                       " WHERE f.id = $id AND p.org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    return read_one(q, call->arena, out, &is_found, err) &&
           (is_found || refuse_missing(pn_uuid_str(call->arena, id), err));
}

static bool find_by_path(struct pn_db_conn *conn, const struct pn_call *call,
                         struct pn_uuid project, struct pn_str environment, struct pn_str path,
                         struct pn_folder *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS FROM
                       "WHERE e.project_id = $project AND e.slug = $slug AND f.path = $path");
    bool is_found;

    pn_bind_uuid(q, "$project", project);
    pn_bind_str(q, "$slug", environment);
    pn_bind_str(q, "$path", path);
    return read_one(q, call->arena, out, &is_found, err) && (is_found || refuse_missing(path, err));
}

/* ---- reading ---- */

bool pn_folders_get(struct pn_call *call, struct pn_uuid id, struct pn_folder *out,
                    struct pn_err *err)
{
    if (!find_by_id(call->conn, call, id, out, err))
        return false;
    return permit(call, out->projectId, out->environment, parent_path(out->path), "read", err) ||
           pn_permit_hide(err, MISSING, PN_ARG(pn_uuid_str(call->arena, id)));
}

bool pn_folders_get_by_path(struct pn_call *call, const struct pn_folder_at *at,
                            struct pn_folder *out, struct pn_err *err)
{
    struct pn_str path;

    return pn_place_path(call, at->path, &path, err) &&
           permit(call, at->project_id, at->environment, parent_path(path), "read", err) &&
           find_by_path(call->conn, call, at->project_id, at->environment, path, out, err);
}

static struct pn_query *query_below(struct pn_call *call, const struct pn_place *place,
                                    bool is_recursive, int64_t since_ms)
{
    const bool is_root = pn_str_is(place->path, "/");
    struct pn_query *q =
        pn_query(call->conn,
                 "SELECT " COLUMNS FROM "WHERE f.environment_id = $environment AND f.path > $from"
                 " AND f.path < $to AND ($all = 1 OR f.parent_id = $parent)"
                 " AND COALESCE(f.secrets_changed_ms, 0) >= $since ORDER BY f.path");

    pn_bind_uuid(q, "$environment", place->environment_id);
    pn_bind_str(q, "$from",
                is_root ? place->path : pn_arena_printf(call->arena, "%.*s/", PN_ARG(place->path)));
    pn_bind_str(q, "$to", /* '0' follows '/' */
                is_root ? PN_LIT("0") : pn_arena_printf(call->arena, "%.*s0", PN_ARG(place->path)));
    pn_bind_int(q, "$all", is_recursive);
    pn_bind_uuid(q, "$parent", place->folder_id);
    pn_bind_int(q, "$since", since_ms);
    return q;
}

bool pn_folders_list(struct pn_call *call, const struct pn_folder_at *at, bool is_recursive,
                     int64_t modified_since_ms, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_folder));
    const struct pn_ability *ability;
    struct pn_place place;
    struct pn_query *q;
    struct pn_str path;

    if (!pn_ability_load(call, at->project_id, &ability, err))
        return false;
    if (!pn_ability_may_some(ability, "secret-folders", "read")) {
        const struct pn_permit_object any = object(at->environment, at->path);

        return pn_ability_permit(call, ability, &any, "read", err);
    }
    if (!pn_place_path(call, at->path, &path, err) ||
        !pn_place_find(call, call->conn, at->project_id, at->environment, path, &place, err))
        return false;
    q = query_below(call, &place, is_recursive, modified_since_ms);
    while (pn_query_next(q)) {
        struct pn_folder folder = read_row(q, call->arena);
        const struct pn_permit_object asked = object(at->environment, parent_path(folder.path));

        if (!pn_ability_may(ability, &asked, "read"))
            continue;
        folder.relativePath =
            pn_str_slice(folder.path, path.len > 1 ? path.len : 0, folder.path.len);
        *(struct pn_folder *)pn_rows_add(&rows) = folder;
    }
    *out = rows.list;
    return pn_query_end(q, err);
}

/* ---- changing ---- */

static bool note(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_folder *folder,
                 const char *type, struct pn_err *err)
{
    return pn_trail_write(
        tx, call,
        &(struct pn_trail){ .type = type,
                            .project_id = folder->projectId,
                            .fields = { { "environment", folder->environment },
                                        { "folderId", pn_uuid_str(call->arena, folder->id) },
                                        { "folderName", folder->name },
                                        { "folderPath", folder->path },
                                        { "description", folder->description } } },
        err);
}

static bool check_path(struct pn_str path, struct pn_err *err)
{
    size_t depth = 0;

    for (size_t i = 0; i < path.len; i++)
        depth += path.ptr[i] == '/';
    return (depth <= PN_PLACE_MAX_DEPTH && path.len <= MAX_PATH_BYTES) ||
           pn_fail(err, PN_BAD_REQUEST, "Folders are at most %d levels deep", PN_PLACE_MAX_DEPTH);
}

static bool refuse_taken(struct pn_str name, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST, "Folder with name '%.*s' already exists",
                           PN_ARG(name))
               : false;
}

struct creation {
    struct pn_call *call;
    struct pn_place parent;
    struct pn_folder *row;
};

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct creation *c = context;
    struct pn_query *q;

    if (!pn_place_find(c->call, tx, c->parent.project_id, c->parent.environment, c->parent.path,
                       &c->parent, err))
        return false;
    c->row->envId = c->parent.environment_id;
    c->row->parentId = c->parent.folder_id;
    q = pn_query(tx, "INSERT INTO folders (id, environment_id, parent_id, name, path, description,"
                     " version, created_ms, updated_ms) VALUES ($id, $environment, $parent, $name,"
                     " $path, $description, 1, $now, $now)");
    pn_bind_uuid(q, "$id", c->row->id);
    pn_bind_uuid(q, "$environment", c->row->envId);
    pn_bind_uuid(q, "$parent", c->row->parentId);
    pn_bind_str(q, "$name", c->row->name);
    pn_bind_str(q, "$path", c->row->path);
    pn_bind_str(q, "$description", c->row->description);
    pn_bind_int(q, "$now", c->call->now_ms);
    return (pn_query_run(q, NULL, err) || refuse_taken(c->row->name, err)) &&
           note(tx, c->call, c->row, "create-folder", err);
}

bool pn_folders_create(struct pn_call *call, const struct pn_folder_at *at, struct pn_str name,
                       struct pn_str description, struct pn_folder *out, struct pn_err *err)
{
    struct creation c = {
        .call = call,
        .parent = { .project_id = at->project_id, .environment = at->environment },
        .row = out,
    };

    if (!pn_place_path(call, at->path, &c.parent.path, err) ||
        !permit(call, at->project_id, at->environment, c.parent.path, "create", err))
        return false;
    *out = (struct pn_folder){ .id = pn_random_uuid(),
                               .projectId = at->project_id,
                               .environment = at->environment,
                               .name = name,
                               .path = path_below(call->arena, c.parent.path, name),
                               .description = description,
                               .version = 1,
                               .createdAt = call->now_ms,
                               .updatedAt = call->now_ms };
    return check_path(out->path, err) && pn_db_write(call->db, write_create, &c, err);
}

static struct pn_place place_of(const struct pn_folder *folder, struct pn_str path)
{
    return (struct pn_place){ .project_id = folder->projectId,
                              .environment_id = folder->envId,
                              .folder_id = folder->id,
                              .environment = folder->environment,
                              .path = path };
}

/* ---- rename ---- */

struct update {
    struct pn_call *call;
    const struct pn_folder_change *changes;
    size_t count;
    struct pn_folder *rows;
};

/* The whole subtree moves: its paths begin with the new one. */
static bool move_paths(struct pn_db_conn *tx, const struct pn_folder *folder, struct pn_str from,
                       struct pn_arena *arena, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE folders SET path = $to || substr(path, $after)"
                                      " WHERE environment_id = $environment AND (path = $from OR "
                                      "(path > $low AND path < $high))");

    pn_bind_str(q, "$to", folder->path);
    pn_bind_int(q, "$after", (int64_t)from.len + 1); /* names are ASCII */
    pn_bind_uuid(q, "$environment", folder->envId);
    pn_bind_str(q, "$from", from);
    pn_bind_str(q, "$low", pn_arena_printf(arena, "%.*s/", PN_ARG(from)));
    pn_bind_str(q, "$high", pn_arena_printf(arena, "%.*s0", PN_ARG(from)));
    return pn_query_run(q, NULL, err) || refuse_taken(folder->name, err);
}

/* What is below has moved along: none of it may have got a path that nobody can ask for. */
static bool check_below(struct pn_db_conn *tx, const struct pn_folder *folder,
                        struct pn_arena *arena, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT count(*) FROM folders WHERE environment_id = $environment"
                     " AND path > $low AND path < $high AND length(path) > $most");
    int64_t count;

    pn_bind_uuid(q, "$environment", folder->envId);
    pn_bind_str(q, "$low", pn_arena_printf(arena, "%.*s/", PN_ARG(folder->path)));
    pn_bind_str(q, "$high", pn_arena_printf(arena, "%.*s0", PN_ARG(folder->path)));
    pn_bind_int(q, "$most", (int64_t)MAX_PATH_BYTES);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    return count == 0 ||
           pn_fail(err, PN_BAD_REQUEST, "Paths below this folder would be longer than %zu bytes",
                   MAX_PATH_BYTES);
}

/* Renaming is changing all that is below, and asked as that. */
static bool rename(struct pn_db_conn *tx, const struct update *u, const struct pn_folder *folder,
                   struct pn_str from, struct pn_err *err)
{
    const struct pn_place place = place_of(folder, from);

    if (pn_str_eq(from, folder->path))
        return true;
    return pn_below_may_move(u->call, tx, &place, folder->environment, folder->path, err) &&
           move_paths(tx, folder, from, u->call->arena, err) &&
           check_below(tx, folder, u->call->arena, err);
}

static bool save(struct pn_db_conn *tx, const struct update *u, const struct pn_folder *folder,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE folders SET name = $name, description = $description,"
                                      " version = $version, updated_ms = $now WHERE id = $id");

    pn_bind_uuid(q, "$id", folder->id);
    pn_bind_str(q, "$name", folder->name);
    pn_bind_str(q, "$description", folder->description);
    pn_bind_int(q, "$version", folder->version);
    pn_bind_int(q, "$now", u->call->now_ms);
    return pn_query_run(q, NULL, err);
}

static bool refuse_root(struct pn_err *err)
{
    return pn_fail(err, PN_BAD_REQUEST, "The root folder can neither be renamed nor deleted");
}

/* The folder of a change: it must be where the client, whose rights were asked for there, says it is. */
static bool find_for_change(struct pn_db_conn *tx, struct pn_call *call,
                            const struct pn_folder_at *at, struct pn_uuid id, struct pn_folder *out,
                            struct pn_err *err)
{
    struct pn_str parent;

    if (!pn_place_path(call, at->path, &parent, err) || !find_by_id(tx, call, id, out, err))
        return false;
    if (pn_uuid_is_zero(out->parentId))
        return refuse_root(err);
    return (pn_uuid_eq(out->projectId, at->project_id) &&
            pn_str_eq(out->environment, at->environment) &&
            pn_str_eq(parent_path(out->path), parent)) ||
           refuse_missing(pn_uuid_str(call->arena, id), err);
}

static bool update_one(struct pn_db_conn *tx, const struct update *u,
                       const struct pn_folder_change *want, struct pn_folder *row,
                       struct pn_err *err)
{
    struct pn_str from;

    if (!find_for_change(tx, u->call, &want->at, want->id, row, err))
        return false;
    from = row->path;
    if (want->name.ptr != NULL)
        row->name = want->name;
    if (want->has_description)
        row->description = want->description;
    row->path = path_below(u->call->arena, parent_path(from), row->name);
    row->version++;
    row->updatedAt = u->call->now_ms;
    return check_path(row->path, err) && rename(tx, u, row, from, err) && save(tx, u, row, err) &&
           note(tx, u->call, row, "update-folder", err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct update *u = context;

    for (size_t i = 0; i < u->count; i++)
        if (!update_one(tx, u, &u->changes[i], &u->rows[i], err))
            return false;
    return true;
}

bool pn_folders_update(struct pn_call *call, const struct pn_folder_change *changes, size_t count,
                       struct pn_list *out, struct pn_err *err)
{
    struct update u = { .call = call,
                        .changes = changes,
                        .count = count,
                        .rows = pn_new(call->arena, struct pn_folder, count) };

    for (size_t i = 0; i < count; i++) {
        struct pn_str parent;

        if (!pn_place_path(call, changes[i].at.path, &parent, err) ||
            !permit(call, changes[i].at.project_id, changes[i].at.environment, parent, "edit", err))
            return false;
    }
    *out = (struct pn_list){ .items = u.rows, .count = count };
    return pn_db_write(call->db, write_update, &u, err);
}

/* ---- delete ---- */

struct removal {
    struct pn_call *call;
    struct pn_folder_at at; /* path normalised */
    struct pn_str id_or_name;
    struct pn_folder *row;
};

static bool find_for_removal(struct pn_db_conn *tx, struct removal *r, struct pn_err *err)
{
    struct pn_uuid id;

    if (pn_uuid_parse(r->id_or_name, &id))
        return find_for_change(tx, r->call, &r->at, id, r->row, err);
    if (!pn_folders_is_name(
            r->id_or_name)) /* "a%2Fb": rights were asked for one folder, not for a path */
        return refuse_missing(r->id_or_name, err);
    if (!find_by_path(tx, r->call, r->at.project_id, r->at.environment,
                      path_below(r->call->arena, r->at.path, r->id_or_name), r->row, err))
        return false;
    return !pn_uuid_is_zero(r->row->parentId) || refuse_root(err);
}

/* How much goes with it, for the record: folders, secrets, and imports of others that lose their source. */
static bool count_below(struct pn_db_conn *tx, const struct removal *r, int64_t counts[3],
                        struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "WITH gone AS (SELECT id FROM folders WHERE environment_id = $environment"
            " AND (path = $path OR (path > $low AND path < $high)))"
            " SELECT (SELECT count(*) FROM gone) - 1,"
            " (SELECT count(*) FROM secrets WHERE folder_id IN (SELECT id FROM gone)),"
            " (SELECT count(*) FROM secret_imports WHERE from_folder_id IN (SELECT id FROM gone)"
            " AND folder_id NOT IN (SELECT id FROM gone))");

    pn_bind_uuid(q, "$environment", r->row->envId);
    pn_bind_str(q, "$path", r->row->path);
    pn_bind_str(q, "$low", pn_arena_printf(r->call->arena, "%.*s/", PN_ARG(r->row->path)));
    pn_bind_str(q, "$high", pn_arena_printf(r->call->arena, "%.*s0", PN_ARG(r->row->path)));
    if (pn_query_next(q))
        for (int i = 0; i < 3; i++)
            counts[i] = pn_column_int(q, i);
    return pn_query_end(q, err);
}

static bool note_removal(struct pn_db_conn *tx, const struct removal *r, const int64_t counts[3],
                         struct pn_err *err)
{
    struct pn_arena *arena = r->call->arena;

    return pn_trail_write(
        tx, r->call,
        &(struct pn_trail){
            .type = "delete-folder",
            .project_id = r->row->projectId,
            .fields = { { "environment", r->row->environment },
                        { "folderId", pn_uuid_str(arena, r->row->id) },
                        { "folderName", r->row->name },
                        { "folderPath", r->row->path },
                        { "folders", pn_arena_printf(arena, "%lld", (long long)counts[0]) },
                        { "secrets", pn_arena_printf(arena, "%lld", (long long)counts[1]) },
                        { "imports", pn_arena_printf(arena, "%lld", (long long)counts[2]) } } },
        err);
}

/* What is below goes by its foreign keys: folders, secrets, imports; leases when they have ended. */
static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct removal *r = context;
    int64_t counts[3] = { 0, 0, 0 };
    struct pn_place place;
    struct pn_query *q;

    if (!find_for_removal(tx, r, err))
        return false;
    place = place_of(r->row, r->row->path);
    if (!pn_below_may_delete(r->call, tx, &place, err) || !count_below(tx, r, counts, err) ||
        !pn_lease_end_below(tx, r->call->arena, r->row->envId, r->row->path, err))
        return false;
    q = pn_query(tx, "DELETE FROM folders WHERE id = $id");
    pn_bind_uuid(q, "$id", r->row->id);
    return pn_query_run(q, NULL, err) && note_removal(tx, r, counts, err);
}

bool pn_folders_delete(struct pn_call *call, const struct pn_folder_at *at,
                       struct pn_str id_or_name, struct pn_folder *out, struct pn_err *err)
{
    struct removal r = { .call = call, .at = *at, .id_or_name = id_or_name, .row = out };

    return pn_place_path(call, at->path, &r.at.path, err) &&
           permit(call, at->project_id, at->environment, r.at.path, "delete", err) &&
           pn_db_write(call->db, write_delete, &r, err);
}
