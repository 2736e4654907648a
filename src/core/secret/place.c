/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/place.h"

#include "core/rows.h"
#include "crypto/random.h"

#define MAX_PATH_BYTES ((size_t)4096)

static bool is_good_segment(struct pn_str segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        if ((unsigned char)segment.ptr[i] < 0x20 || segment.ptr[i] == 0x7f)
            return false;
    }
    return !pn_str_is(segment, "..") && !pn_str_is(segment, ".");
}

bool pn_place_path(struct pn_call *call, struct pn_str path, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf normal = pn_buf_init(MAX_PATH_BYTES + 2);
    struct pn_str segment;

    if (path.len > MAX_PATH_BYTES)
        return pn_fail(err, PN_BAD_REQUEST, "The path is longer than %zu bytes", MAX_PATH_BYTES);
    while (pn_str_cut(&path, '/', &segment)) {
        if (!is_good_segment(segment))
            return pn_fail(err, PN_BAD_REQUEST, "Invalid secret path");
        if (segment.len == 0)
            continue;
        pn_buf_add_byte(&normal, '/');
        pn_buf_add(&normal, segment);
    }
    *out = normal.len > 0 ? pn_arena_copy(call->arena, pn_buf_str(&normal)) : PN_LIT("/");
    return true;
}

bool pn_place_find(struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid project_id,
                   struct pn_str environment, struct pn_str path, struct pn_place *out,
                   struct pn_err *err)
{
    struct pn_query *q = pn_query(
        conn, "SELECT e.id, f.id FROM environments e LEFT JOIN folders f ON f.environment_id = e.id"
              " AND f.path = $path WHERE e.project_id = $project AND e.slug = $slug");
    bool is_found;

    *out = (struct pn_place){ .project_id = project_id, .environment = environment, .path = path };
    (void)call;
    pn_bind_uuid(q, "$project", project_id);
    pn_bind_str(q, "$slug", environment);
    pn_bind_str(q, "$path", path);
    is_found = pn_query_next(q);
    if (is_found) {
        out->environment_id = pn_column_uuid(q, 0);
        out->folder_id = pn_column_uuid(q, 1);
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "Environment with slug '%.*s' not found",
                       PN_ARG(pn_str_slice(environment, 0, 64)));
    if (pn_uuid_is_zero(out->folder_id))
        return pn_fail(err, PN_NOT_FOUND, "Folder with path '%.*s' not found in environment '%.*s'",
                       PN_ARG(pn_str_slice(path, 0, 120)), PN_ARG(environment));
    return true;
}

bool pn_place_of_folder(struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid folder_id,
                        struct pn_place *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        conn, "SELECT e.project_id, e.id, f.id, e.slug, f.path FROM folders f"
              " JOIN environments e ON e.id = f.environment_id"
              " JOIN projects p ON p.id = e.project_id WHERE f.id = $folder AND p.org_id = $org");

    *out = (struct pn_place){ .folder_id = { { 0 } } };
    pn_bind_uuid(q, "$folder", folder_id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    if (pn_query_next(q))
        *out = (struct pn_place){ .project_id = pn_column_uuid(q, 0),
                                  .environment_id = pn_column_uuid(q, 1),
                                  .folder_id = pn_column_uuid(q, 2),
                                  .environment = pn_column_str(q, 3, call->arena),
                                  .path = pn_column_str(q, 4, call->arena) };
    return pn_query_end(q, err);
}

static size_t depth_of(struct pn_str path)
{
    size_t depth = 0;

    for (size_t i = 0; i < path.len; i++)
        depth += path.ptr[i] == '/';
    return path.len > 1 ? depth : 0;
}

bool pn_place_below(struct pn_call *call, const struct pn_place *place, struct pn_list *out,
                    struct pn_err *err)
{
    const bool is_root = pn_str_is(place->path, "/");
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_place));
    struct pn_query *q = pn_query(
        call->conn, "SELECT f.id, f.path FROM folders f WHERE f.environment_id = $environment"
                    " AND f.path > $from AND f.path < $to ORDER BY f.path");

    pn_bind_uuid(q, "$environment", place->environment_id);
    pn_bind_str(q, "$from",
                is_root ? place->path : pn_arena_printf(call->arena, "%.*s/", PN_ARG(place->path)));
    pn_bind_str(q, "$to", /* '0' follows '/' */
                is_root ? PN_LIT("0") : pn_arena_printf(call->arena, "%.*s0", PN_ARG(place->path)));
    while (pn_query_next(q)) {
        struct pn_place below = *place;

        below.folder_id = pn_column_uuid(q, 0);
        below.path = pn_column_str(q, 1, call->arena);
        if (depth_of(below.path) <= depth_of(place->path) + PN_PLACE_MAX_DEPTH)
            *(struct pn_place *)pn_rows_add(&rows) = below;
    }
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_place_touch(struct pn_db_conn *tx, const struct pn_place *place, int64_t now_ms,
                    struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE folders SET secrets_changed_ms = $now WHERE id = $id");

    pn_db_touch(tx, place->project_id);
    pn_bind_uuid(q, "$id", place->folder_id);
    pn_bind_int(q, "$now", now_ms);
    return pn_query_run(q, NULL, err);
}

bool pn_place_create_root(struct pn_db_conn *tx, struct pn_uuid environment_id, int64_t now_ms,
                          struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "INSERT INTO folders (id, environment_id, name, path, version, created_ms,"
                     " updated_ms) VALUES ($id, $environment, 'root', '/', 1, $now, $now)");

    pn_bind_uuid(q, "$id", pn_random_uuid());
    pn_bind_uuid(q, "$environment", environment_id);
    pn_bind_int(q, "$now", now_ms);
    return pn_query_run(q, NULL, err);
}
