/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/project_token.h"

#include "base/encode.h"
#include "base/log.h"
#include "core/org/glob.h"
#include "core/org/permission.h"
#include "core/org/rules.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/hash.h"
#include "crypto/keyring.h"
#include "crypto/random.h"
#include "json/writer.h"

#define PREFIX "st."
#define SECRET_BYTES 32
#define ID_CHARS 36
#define TOKEN_CHARS (sizeof(PREFIX) - 1 + ID_CHARS + 1 + (size_t)SECRET_BYTES * 2)
#define MAX_JSON_BYTES \
    ((size_t)256 << 10) /* of scopes, which are 50 of a KiB; less than what rules may have */
#define LOOKED_UP_AGAIN_MS 60000 /* so that uses are noted to the minute */

/* What each permission is, on secrets and on the two that lie beside them (folders, imports). */
static const struct {
    const char *name, *of_secrets, *of_places;
} permissions[] = {
    { "read", "describeSecret readValue", "read" },
    { "readValue", "describeSecret readValue", "" },
    { "write", "create edit delete", "create edit delete" },
};

bool pn_project_token_is_permission(struct pn_str text)
{
    for (size_t i = 0; i < PN_COUNT(permissions); i++)
        if (pn_str_is(text, permissions[i].name))
            return true;
    return false;
}

/* ---- from scopes to rules ---- */

static bool has(struct pn_strs texts, const char *text)
{
    for (size_t i = 0; i < texts.count; i++)
        if (pn_str_is(texts.items[i], text))
            return true;
    return false;
}

/* "/a/" is "/a"; the root stays. */
static struct pn_str path_of(const struct pn_project_token_scope *scope)
{
    struct pn_str path = pn_str_trim(scope->secretPath);

    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static void write_rule(struct pn_writer *w, const struct pn_project_token_scope *scope,
                       const char *subject, struct pn_strs wanted, bool is_secrets)
{
    pn_write_object(w, NULL);
    pn_write_text(w, "subject", subject);
    pn_write_array(w, "action");
    for (size_t i = 0; i < PN_COUNT(permissions); i++) {
        struct pn_str actions =
            pn_str_from(is_secrets ? permissions[i].of_secrets : permissions[i].of_places);
        struct pn_str action;

        while (has(wanted, permissions[i].name) && actions.len > 0 &&
               pn_str_cut(&actions, ' ', &action))
            pn_write_str(w, NULL, action);
    }
    pn_write_end(w);
    pn_write_object(w, "conditions");
    pn_write_str(w, "environment", scope->environment);
    pn_write_object(w, "secretPath");
    pn_write_str(w, "$glob", path_of(scope));
    pn_write_end(w);
    pn_write_end(w);
    pn_write_end(w);
}

static bool refuse_scopes(struct pn_err *err)
{
    static const char message[] = "A scope's secretPath begins with / and may be a glob";

    if (err->code != PN_OK)
        (void)pn_recast(err, PN_VALIDATION, "%s", message);
    else
        (void)pn_fail(err, PN_VALIDATION, "%s", message);
    err->details = PN_LIT("[{\"code\":\"custom\",\"path\":[\"scopes\"],\"message\":\"A scope's"
                          " secretPath begins with / and may be a glob\"}]");
    return false;
}

static bool make_rules(struct pn_call *call, const struct pn_project_token_new *in,
                       struct pn_str *json, struct pn_rules *rules, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_JSON_BYTES);
    const struct pn_project_token_scope *scopes = in->scopes.items;
    bool has_places = has(in->permissions, "read") || has(in->permissions, "write");
    struct pn_writer w = pn_writer_of(&text);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < in->scopes.count; i++) {
        if (!pn_str_starts(path_of(&scopes[i]), PN_LIT("/")))
            return refuse_scopes(err);
        write_rule(&w, &scopes[i], "secrets", in->permissions, true);
        if (has_places) {
            write_rule(&w, &scopes[i], "secret-folders", in->permissions, false);
            write_rule(&w, &scopes[i], "secret-imports", in->permissions, false);
        }
    }
    pn_write_end(&w);
    if (text.is_full)
        return refuse_scopes(err);
    *json = pn_arena_copy(call->arena, pn_buf_str(&text));
    return pn_rules_parse(call->arena, "project", *json, rules, err) || refuse_scopes(err);
}

/* ---- making ---- */

struct change {
    const struct pn_call *call;
    const char *event;
    struct pn_project_token *token;
    const struct pn_project_token_new *in; /* making */
    struct pn_str rules, packed;
    uint8_t mac[PN_SHA256_BYTES];
};

static void mac_of(struct pn_keyring *keyring, struct pn_str plain, uint8_t out[PN_SHA256_BYTES])
{
    pn_keyring_mac(keyring, "service-token", plain, out);
}

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_uuid_text id = pn_uuid_format(c->token->id);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = c->event,
                            .project_id = c->token->projectId,
                            .fields = { { "serviceTokenId", pn_str_from(id.text) },
                                        { "name", c->token->name },
                                        { "scopes", c->token->scopes },
                                        { "permissions", c->token->permissions } } },
        err);
}

static bool check_environments(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_project_token_scope *scopes = c->in->scopes.items;

    for (size_t i = 0; i < c->in->scopes.count; i++) {
        struct pn_query *q =
            pn_query(tx, "SELECT 1 FROM environments WHERE project_id = $project AND slug = $slug");
        bool is_there;

        pn_bind_uuid(q, "$project", c->token->projectId);
        pn_bind_str(q, "$slug", scopes[i].environment);
        is_there = pn_query_next(q);
        if (!pn_query_end(q, err))
            return false;
        if (!is_there)
            return pn_fail(err, PN_NOT_FOUND, "Environment '%.*s' not found",
                           PN_ARG(pn_str_slice(scopes[i].environment, 0, 64)));
    }
    return true;
}

static bool check_count(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT count(*) FROM service_tokens WHERE project_id = $project");
    int64_t count;

    pn_bind_uuid(q, "$project", c->token->projectId);
    count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    return count < PN_PROJECT_TOKEN_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "There are %d service tokens already, delete some first",
                   PN_PROJECT_TOKEN_MAX);
}

static bool insert_token(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!check_environments(tx, c, err) || !check_count(tx, c, err))
        return false;
    q = pn_query(tx, "INSERT INTO service_tokens (id, project_id, created_by, name, hash, scopes,"
                     " permissions, rules, packed, expires_ms, created_ms) VALUES ($id, $project,"
                     " $user, $name, $hash, $scopes, $permissions, $rules, $packed, $expires,"
                     " $now)");
    pn_bind_uuid(q, "$id", c->token->id);
    pn_bind_uuid(q, "$project", c->token->projectId);
    pn_bind_uuid(q, "$user", c->token->createdBy);
    pn_bind_str(q, "$name", c->token->name);
    pn_bind_bytes(q, "$hash", pn_str_of(c->mac, sizeof(c->mac)));
    pn_bind_str(q, "$scopes", c->token->scopes);
    pn_bind_str(q, "$permissions", c->token->permissions);
    pn_bind_str(q, "$rules", c->rules);
    pn_bind_bytes(q, "$packed", c->packed);
    pn_bind_int(q, "$expires", c->token->expiresAt);
    pn_bind_int(q, "$now", c->token->createdAt);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

static struct pn_str show_scopes(struct pn_arena *arena, struct pn_list list)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_JSON_BYTES);
    const struct pn_project_token_scope *scopes = list.items;
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < list.count; i++) {
        pn_write_object(&w, NULL);
        pn_write_str(&w, "environment", scopes[i].environment);
        pn_write_str(&w, "secretPath", path_of(&scopes[i]));
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_assert(!json.is_full); /* it is shorter than the rules made of it */
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct pn_str show_permissions(struct pn_arena *arena, struct pn_strs wanted)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(256);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < PN_COUNT(permissions); i++)
        if (has(wanted, permissions[i].name))
            pn_write_text(&w, NULL, permissions[i].name);
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct pn_str new_bearer(struct pn_arena *arena, struct pn_uuid id)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(TOKEN_CHARS + 1);
    uint8_t secret[SECRET_BYTES];

    pn_random_bytes(secret, sizeof(secret));
    pn_buf_addf(&text, PREFIX "%s.", pn_uuid_format(id).text);
    pn_hex_add(&text, pn_str_of(secret, sizeof(secret)));
    pn_assert(text.len == TOKEN_CHARS);
    return pn_arena_copy(arena, pn_buf_str(&text));
}

static bool permit_rules(struct pn_call *call, struct pn_uuid project, const struct pn_rules *rules,
                         struct pn_err *err)
{
    struct pn_str missing;

    if (pn_permit_rules(call, project, rules, "create the token", PN_LIT("service-token"), err))
        return true;
    if (err->code != PN_BOUNDARY)
        return false;
    missing = err->details;
    (void)pn_recast(err, PN_BOUNDARY, "The service token would allow more than you may do");
    err->details = missing;
    return false;
}

bool pn_project_token_create(struct pn_call *call, const struct pn_project_token_new *in,
                             struct pn_project_token *out, struct pn_str *plain, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    struct change c = { .call = call, .event = "create-service-token", .token = out, .in = in };
    struct pn_rules rules;

    if (!pn_permit_project(call, in->project_id, "service-tokens", "create", err) ||
        !make_rules(call, in, &c.rules, &rules, err) ||
        !permit_rules(call, in->project_id, &rules, err))
        return false;
    pn_rules_pack(&rules, &packed);
    if (packed.is_full)
        return refuse_scopes(err);
    c.packed = pn_arena_copy(call->arena, pn_buf_str(&packed));
    *out =
        (struct pn_project_token){ .id = pn_random_uuid(),
                                   .projectId = in->project_id,
                                   .createdBy = call->actor.id,
                                   .email = call->actor.name,
                                   .name = in->name,
                                   .scopes = show_scopes(call->arena, in->scopes),
                                   .permissions = show_permissions(call->arena, in->permissions),
                                   .expiresAt = in->ttl_s > 0 ? call->now_ms + in->ttl_s * 1000 : 0,
                                   .createdAt = call->now_ms };
    *plain = new_bearer(call->arena, out->id);
    mac_of(call->keyring, *plain, c.mac);
    return pn_db_write(call->db, insert_token, &c, err);
}

/* ---- reading ---- */

#define COLUMNS                                                                               \
    "SELECT t.id, t.project_id, t.created_by, t.name, t.scopes, t.permissions, t.expires_ms," \
    " t.created_ms, u.last_used_ms, w.email, w.first_name, w.last_name FROM service_tokens t" \
    " JOIN projects p ON p.id = t.project_id"                                                 \
    " LEFT JOIN service_token_uses u ON u.token_id = t.id LEFT JOIN users w ON w.id = "       \
    "t.created_by"

static struct pn_project_token read_token(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_project_token){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .createdBy = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .scopes = pn_column_str(q, 4, arena),
        .permissions = pn_column_str(q, 5, arena),
        .expiresAt = pn_column_int(q, 6),
        .createdAt = pn_column_int(q, 7),
        .lastUsed = pn_column_int(q, 8),
        .email = pn_column_str(q, 9, arena),
        .firstName = pn_column_str(q, 10, arena),
        .lastName = pn_column_str(q, 11, arena),
    };
}

#define MISSING "Service token with ID '%s' not found"

static bool find_one(struct pn_call *call, struct pn_uuid id, struct pn_project_token *out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS " WHERE t.id = $id AND p.org_id = $org");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_token(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, MISSING, pn_uuid_format(id).text);
}

bool pn_project_token_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                           struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_project_token));
    struct pn_query *q;

    if (!pn_permit_project(call, project, "service-tokens", "read", err))
        return false;
    q = pn_query(call->conn, COLUMNS " WHERE t.project_id = $project"
                                     " ORDER BY t.created_ms DESC, t.id LIMIT $most");
    pn_bind_uuid(q, "$project", project);
    pn_bind_int(q, "$most", PN_PROJECT_TOKEN_MAX);
    while (pn_query_next(q))
        *(struct pn_project_token *)pn_rows_add(&rows) = read_token(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool delete_token(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(tx, "DELETE FROM service_tokens WHERE id = $id");

    pn_db_touch(tx, c->token->id);
    pn_bind_uuid(q, "$id", c->token->id);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

bool pn_project_token_delete(struct pn_call *call, struct pn_uuid id, struct pn_project_token *out,
                             struct pn_err *err)
{
    struct change c = { .call = call, .event = "delete-service-token", .token = out };

    if (!find_one(call, id, out, err))
        return false;
    if (pn_permit_project(call, out->projectId, "service-tokens", "delete", err))
        return pn_db_write(call->db, delete_token, &c, err);
    return !pn_permit_project(call, out->projectId, "service-tokens", "read",
                              &(struct pn_err){ 0 }) &&
           pn_permit_hide(err, MISSING, pn_uuid_format(id).text);
}

bool pn_project_token_self(struct pn_call *call, struct pn_project_token *out, struct pn_err *err)
{
    return find_one(call, call->actor.id, out, err);
}

/* ---- the bearer ---- */

bool pn_project_token_is(struct pn_str bearer)
{
    return pn_str_starts(bearer, PN_LIT(PREFIX));
}

static bool refuse_bearer(struct pn_err *err)
{
    return pn_fail(err, PN_UNAUTHENTICATED, "The service token is not valid, or no longer");
}

bool pn_project_token_read(struct pn_str bearer, struct pn_uuid *id, struct pn_err *err)
{
    const size_t at = sizeof(PREFIX) - 1;

    if (bearer.len != TOKEN_CHARS || !pn_project_token_is(bearer) ||
        bearer.ptr[at + ID_CHARS] != '.' ||
        !pn_uuid_parse(pn_str_slice(bearer, at, at + ID_CHARS), id))
        return refuse_bearer(err);
    return true;
}

struct use {
    struct pn_uuid id;
    int64_t now_ms;
};

static bool write_use(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct use *use = context;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO service_token_uses (token_id, last_used_ms)"
                     " SELECT id, $now FROM service_tokens WHERE id = $id"
                     " ON CONFLICT (token_id) DO UPDATE SET last_used_ms = excluded.last_used_ms");

    pn_bind_int(q, "$now", use->now_ms);
    pn_bind_uuid(q, "$id", use->id);
    return pn_query_run(q, NULL, err);
}

static void use_written(void *context, const struct pn_err *err)
{
    if (err != NULL)
        pn_log(PN_WARN, "service-token-use-not-noted", PN_F_ERR(err));
    pn_heap_free(context);
}

/* Nobody waits for it; when the writer is busy the next look-up notes it. */
static void note_use(struct pn_call *call, struct pn_uuid id)
{
    struct use *use = pn_heap_new(sizeof(*use));
    struct pn_err ignored = { 0 };

    *use = (struct use){ id, call->now_ms };
    if (!pn_db_write_later(call->db, write_use, use, use_written, &ignored))
        pn_heap_free(use);
}

bool pn_project_token_find(struct pn_call *call, struct pn_str bearer, struct pn_token_facts *out,
                           struct pn_err *err)
{
    int64_t soon_ms = call->now_ms + LOOKED_UP_AGAIN_MS, expires_ms = 0;
    uint8_t mac[PN_SHA256_BYTES];
    struct pn_query *q;
    struct pn_uuid id;
    bool is_found;

    if (!pn_project_token_read(bearer, &id, err))
        return false;
    mac_of(call->keyring, bearer, mac);
    q = pn_query(call->conn, "SELECT p.org_id, t.name, t.expires_ms FROM service_tokens t"
                             " JOIN projects p ON p.id = t.project_id WHERE t.id = $id"
                             " AND t.hash = $hash AND (t.expires_ms = 0 OR t.expires_ms > $now)");
    pn_bind_uuid(q, "$id", id);
    pn_bind_bytes(q, "$hash", pn_str_of(mac, sizeof(mac)));
    pn_bind_int(q, "$now", call->now_ms);
    is_found = pn_query_next(q);
    if (is_found) {
        out->actor = (struct pn_actor){ .kind = PN_ACTOR_SERVICE,
                                        .id = id,
                                        .org_id = pn_column_uuid(q, 0),
                                        .token_id = id,
                                        .name = pn_column_str(q, 1, call->arena) };
        expires_ms = pn_column_int(q, 2);
        out->expires_ms = expires_ms != 0 && expires_ms < soon_ms ? expires_ms : soon_ms;
    }
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return refuse_bearer(err);
    note_use(call, id);
    return true;
}

/* ---- what it stands for ---- */

static const struct pn_field pn_project_token_scope_fields[] = {
    PN_FIELD(pn_project_token_scope, environment, STRING, .required = true),
    PN_FIELD(pn_project_token_scope, secretPath, STRING, .required = true),
};
static const struct pn_shape scope_shape = PN_SHAPE_OF(pn_project_token_scope);
struct scope_list {
    struct pn_list scopes;
};
static const struct pn_field scope_list_fields[] = {
    PN_FIELD(scope_list, scopes, OBJECTS, .shape = &scope_shape,
             .max = PN_PROJECT_TOKEN_MAX_SCOPES),
};

bool pn_project_token_place(struct pn_call *call, struct pn_uuid *project,
                            struct pn_project_token_scope *scope, bool *is_one, struct pn_err *err)
{
    struct pn_project_token token;
    struct scope_list list;

    if (!pn_project_token_self(call, &token, err) ||
        !pn_shape_parse(PN_SHAPE(scope_list), call->arena,
                        pn_arena_printf(call->arena, "{\"scopes\":%.*s}", PN_ARG(token.scopes)),
                        &list, err))
        return false;
    *project = token.projectId;
    *scope = (struct pn_project_token_scope){ PN_NONE, PN_NONE };
    *is_one = list.scopes.count == 1;
    if (*is_one)
        *scope = *(const struct pn_project_token_scope *)list.scopes.items;
    *is_one = *is_one && pn_glob_literal(scope->secretPath) == scope->secretPath.len;
    return true;
}
