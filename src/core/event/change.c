/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event/change.h"

#include "base/map.h"
#include "core/audit/audit.h"
#include "core/rows.h"
#include "core/secret/import.h"

const struct pn_event_kind pn_event_kinds[PN_EVENTS] = {
    [PN_EVENT_CREATE] = { "secret:create", "subscribe-to-creation-events" },
    [PN_EVENT_UPDATE] = { "secret:update", "subscribe-to-update-events" },
    [PN_EVENT_DELETE] = { "secret:delete", "subscribe-to-deletion-events" },
    [PN_EVENT_IMPORT] = { "secret:import-mutation", "subscribe-to-import-mutation-events" },
};

/* As core/secret/record.c and import.c write them; a row of one secret has its members at the top. */
struct named {
    struct pn_uuid secretId;
    struct pn_str secretKey, secretPath, type;
    int64_t secretVersion;
};
struct told {
    struct pn_str environment, secretPath;
    struct pn_uuid secretId;
    struct pn_str secretKey, type;
    int64_t secretVersion;
    struct pn_list secrets;
    struct pn_str sourceEnvironment, sourceSecretPath;
    struct pn_str destinationEnvironment, destinationSecretPath;
    struct pn_strs secretIds;
    struct pn_str importToEnvironment, importToSecretPath;
};
#define MAX_NAMED 5000 /* a row of 256 KiB has room for fewer */
static const struct pn_field named_fields[] = {
    PN_FIELD(named, secretId, UUID),     PN_FIELD(named, secretKey, STRING),
    PN_FIELD(named, secretPath, STRING), PN_FIELD(named, type, STRING),
    PN_FIELD(named, secretVersion, INT),
};
static const struct pn_field told_fields[] = {
    PN_FIELD(told, environment, STRING),
    PN_FIELD(told, secretPath, STRING),
    PN_FIELD(told, secretId, UUID),
    PN_FIELD(told, secretKey, STRING),
    PN_FIELD(told, type, STRING),
    PN_FIELD(told, secretVersion, INT),
    PN_FIELD(told, secrets, OBJECTS, .shape = PN_SHAPE(named), .max = MAX_NAMED),
    PN_FIELD(told, sourceEnvironment, STRING),
    PN_FIELD(told, sourceSecretPath, STRING),
    PN_FIELD(told, destinationEnvironment, STRING),
    PN_FIELD(told, destinationSecretPath, STRING),
    PN_FIELD(told, secretIds, STRINGS, .max = MAX_NAMED),
    PN_FIELD(told, importToEnvironment, STRING),
    PN_FIELD(told, importToSecretPath, STRING),
};

struct reading {
    struct pn_call *call;
    struct pn_uuid project_id;
    struct pn_rows changes;
};

/* ---- of one row ---- */

static bool add(struct reading *r, const struct pn_change *change, struct pn_err *err)
{
    struct pn_change normal = *change;

    if (!pn_place_path(r->call, change->path, &normal.path, err))
        return false;
    *(struct pn_change *)pn_rows_add(&r->changes) = normal;
    return true;
}

/* What a change that may create has created is there for the first time. */
static bool add_named(struct reading *r, enum pn_event event, struct pn_str environment,
                      struct pn_str path, const struct named *n, struct pn_err *err)
{
    if (event == PN_EVENT_UPDATE && n->secretVersion == 1)
        event = PN_EVENT_CREATE;
    return pn_str_is(n->type, "personal") ||
           add(r,
               &(struct pn_change){ .event = event,
                                    .secret_id = n->secretId,
                                    .key = n->secretKey,
                                    .environment = environment,
                                    .path = n->secretPath.ptr != NULL ? n->secretPath : path },
               err);
}

static bool read_secrets(struct reading *r, const struct told *t, enum pn_event event,
                         struct pn_err *err)
{
    const struct named *items = t->secrets.items;
    const struct named one = { .secretId = t->secretId,
                               .secretKey = t->secretKey,
                               .type = t->type,
                               .secretVersion = t->secretVersion };

    if (t->secrets.items == NULL)
        return add_named(r, event, t->environment, t->secretPath, &one, err);
    for (size_t i = 0; i < t->secrets.count; i++) {
        if (!add_named(r, event, t->environment, t->secretPath, &items[i], err))
            return false;
    }
    return true;
}

/* A move's row names ids only; one that is gone since has a row of its own that says so. */
static bool find_name(struct reading *r, struct pn_uuid id, struct named *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        r->call->conn, "SELECT s.name FROM secrets s JOIN folders f ON f.id = s.folder_id"
                       " JOIN environments e ON e.id = f.environment_id"
                       " WHERE s.id = $id AND e.project_id = $project AND s.user_id IS NULL");

    *out = (struct named){ .secretId = id };
    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$project", r->project_id);
    if (pn_query_next(q))
        out->secretKey = pn_column_str(q, 0, r->call->arena);
    return pn_query_end(q, err);
}

static bool read_move(struct reading *r, const struct told *t, enum pn_event event,
                      struct pn_err *err)
{
    struct named *items = pn_new(r->call->arena, struct named, t->secretIds.count);

    for (size_t i = 0; i < t->secretIds.count; i++) {
        struct pn_uuid id;

        if (!pn_uuid_parse(t->secretIds.items[i], &id))
            return pn_fail(err, PN_INTERNAL, "the record of a move names no secret");
        if (!find_name(r, id, &items[i], err))
            return false;
        if (items[i].secretKey.ptr != NULL && !add_named(r, PN_EVENT_DELETE, t->sourceEnvironment,
                                                         t->sourceSecretPath, &items[i], err))
            return false;
    }
    for (size_t i = 0; i < t->secretIds.count; i++) {
        if (items[i].secretKey.ptr != NULL && !add_named(r, event, t->destinationEnvironment,
                                                         t->destinationSecretPath, &items[i], err))
            return false;
    }
    return true;
}

static bool read_import(struct reading *r, const struct told *t, enum pn_event event,
                        struct pn_err *err)
{
    return add(r,
               &(struct pn_change){ .event = event,
                                    .environment = t->importToEnvironment,
                                    .path = t->importToSecretPath },
               err);
}

static const struct kind {
    const char *type;
    enum pn_event event;
    bool (*read)(struct reading *r, const struct told *told, enum pn_event event,
                 struct pn_err *err);
} kinds[] = {
    { "create-secret", PN_EVENT_CREATE, read_secrets },
    { "create-secrets", PN_EVENT_CREATE, read_secrets },
    { "update-secret", PN_EVENT_UPDATE, read_secrets },
    { "update-secrets", PN_EVENT_UPDATE, read_secrets },
    { "delete-secret", PN_EVENT_DELETE, read_secrets },
    { "delete-secrets", PN_EVENT_DELETE, read_secrets },
    { "move-secrets", PN_EVENT_CREATE, read_move },
    { "create-secret-import", PN_EVENT_IMPORT, read_import },
    { "update-secret-import", PN_EVENT_IMPORT, read_import },
    { "delete-secret-import", PN_EVENT_IMPORT, read_import },
};

static bool read_row(struct reading *r, struct pn_str type, struct pn_str metadata,
                     struct pn_err *err)
{
    struct told told;

    for (size_t i = 0; i < PN_COUNT(kinds); i++) {
        if (pn_str_is(type, kinds[i].type))
            return pn_shape_parse(PN_SHAPE(told), r->call->arena, metadata, &told, err) &&
                   kinds[i].read(r, &told, kinds[i].event, err);
    }
    return pn_fail(err, PN_INTERNAL, "a row of the audit log tells of no change");
}

/* ---- whom it reaches by imports ---- */

struct spread {
    struct reading *r;
    struct pn_map *seen; /* by 16 bytes of a folder's id */
    size_t count;
};

static bool is_new(struct spread *s, const struct pn_uuid *folder)
{
    return pn_map_put(s->seen, pn_str_of(folder->bytes, sizeof(folder->bytes)), s) == NULL;
}

static bool list_importers(struct spread *s, struct pn_uuid folder, struct pn_list *out,
                           struct pn_err *err)
{
    struct pn_arena *arena = s->r->call->arena;
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_place));
    struct pn_query *q = pn_query(
        s->r->call->conn,
        "SELECT f.id, e.slug, f.path FROM secret_imports i JOIN folders f ON f.id = i.folder_id"
        " JOIN environments e ON e.id = f.environment_id WHERE i.from_folder_id = $folder"
        " AND e.project_id = $project ORDER BY e.slug, f.path");

    pn_bind_uuid(q, "$folder", folder);
    pn_bind_uuid(q, "$project", s->r->project_id);
    while (pn_query_next(q))
        *(struct pn_place *)pn_rows_add(&rows) =
            (struct pn_place){ .folder_id = pn_column_uuid(q, 0),
                               .environment = pn_column_str(q, 1, arena),
                               .path = pn_column_str(q, 2, arena) };
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool spread_from(struct spread *s, struct pn_uuid folder, size_t depth, struct pn_err *err)
{
    const struct pn_place *places;
    struct pn_list found;

    if (depth >= PN_IMPORT_MAX_DEPTH)
        return true;
    if (!list_importers(s, folder, &found, err))
        return false;
    places = found.items;
    for (size_t i = 0; i < found.count && s->count < PN_IMPORT_MAX_ALL; i++) {
        if (!is_new(s, &places[i].folder_id))
            continue;
        s->count++;
        *(struct pn_change *)pn_rows_add(&s->r->changes) = (struct pn_change){
            .event = PN_EVENT_IMPORT, .environment = places[i].environment, .path = places[i].path
        };
        if (!spread_from(s, places[i].folder_id, depth + 1, err))
            return false;
    }
    return true;
}

/* From the folder of a change, if it is still there. */
static bool spread_change(struct spread *s, const struct pn_change *change, struct pn_err *err)
{
    struct pn_err missing = { 0 };
    struct pn_place place;

    if (!pn_place_find(s->r->call, s->r->call->conn, s->r->project_id, change->environment,
                       change->path, &place, &missing)) {
        if (missing.code != PN_NOT_FOUND)
            *err = missing;
        return missing.code == PN_NOT_FOUND;
    }
    return !is_new(s, &place.folder_id) || spread_from(s, place.folder_id, 0, err);
}

static bool is_same_place(const struct pn_change *a, const struct pn_change *b)
{
    return pn_str_eq(a->environment, b->environment) && pn_str_eq(a->path, b->path);
}

static bool spread(struct reading *r, struct pn_err *err)
{
    struct spread s = { .r = r, .seen = pn_map_new() };
    const size_t count = r->changes.list.count;
    bool is_done = true;

    for (size_t i = 0; i < count && is_done; i++) {
        const struct pn_change *items = r->changes.list.items;
        const struct pn_change change = items[i];

        if (i == 0 || !is_same_place(&items[i - 1], &change))
            is_done = spread_change(&s, &change, err);
    }
    pn_map_free(s.seen);
    return is_done;
}

/* ---- in their order ---- */

static bool find_row(struct reading *r, int64_t sequence, struct pn_changes *out,
                     struct pn_str *type, struct pn_str *metadata, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        r->call->conn, "SELECT sequence, created_ms, event_type, metadata FROM audit_log"
                       " WHERE project_id = $project AND sequence >= $sequence AND node = $node"
                       " AND pruned_by IS NULL"
                       " AND " PN_CHANGE_CONDITION " ORDER BY sequence LIMIT 1");

    pn_bind_uuid(q, "$project", r->project_id);
    pn_bind_int(q, "$sequence", sequence);
    pn_bind_str(q, "$node", PN_LIT(PN_AUDIT_NODE));
    if (pn_query_next(q)) {
        out->sequence = pn_column_int(q, 0);
        out->at_ms = pn_column_int(q, 1);
        *type = pn_column_str(q, 2, r->call->arena);
        *metadata = pn_column_str(q, 3, r->call->arena);
    }
    return pn_query_end(q, err);
}

bool pn_change_next(struct pn_call *call, struct pn_uuid project_id, int64_t sequence,
                    bool has_imports, struct pn_changes *out, struct pn_err *err)
{
    struct reading r = { .call = call,
                         .project_id = project_id,
                         .changes = pn_rows_of(call->arena, sizeof(struct pn_change)) };
    struct pn_str type = PN_NONE, metadata = PN_NONE;

    *out = (struct pn_changes){ .sequence = 0 };
    if (!find_row(&r, sequence, out, &type, &metadata, err))
        return false;
    if (out->sequence == 0)
        return true;
    if (!read_row(&r, type, metadata, err) || (has_imports && !spread(&r, err)))
        return pn_within(err, "audit row %lld", (long long)out->sequence);
    out->list = r.changes.list;
    return true;
}

bool pn_change_end(struct pn_call *call, int64_t *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT max(sequence) FROM audit_log"
                                              " WHERE node = $node");

    pn_bind_str(q, "$node", PN_LIT(PN_AUDIT_NODE));
    *out = pn_query_next(q) ? pn_column_int(q, 0) + 1 : 1;
    return pn_query_end(q, err);
}
