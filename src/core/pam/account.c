/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/account.h"

#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/rows.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/random.h"

#define MAX_SEALED_BYTES ((size_t)PN_PAM_TOKEN_MAX + PN_SEAL_OVERHEAD)

#define SELECT_VIEW                                                                            \
    "SELECT a.id, a.project_id, a.resource_id, a.name, r.name, a.description, a.auth_method, " \
    "a.namespace,"                                                                             \
    " a.service_account_name, a.max_duration_s, a.created_ms, a.updated_ms, a.idle_timeout_s " \
    "FROM pam_accounts a"                                                                      \
    " JOIN pam_resources r ON r.id = a.resource_id "

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_pam_account *out)
{
    *out = (struct pn_pam_account){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .resourceId = pn_column_uuid(q, 2),
        .name = pn_column_str(q, 3, arena),
        .resourceName = pn_column_str(q, 4, arena),
        .description = pn_column_str(q, 5, arena),
        .accountType = PN_LIT("kubernetes"),
        .credentials = { .authMethod = pn_column_str(q, 6, arena),
                         .namespace = pn_column_str(q, 7, arena),
                         .serviceAccountName = pn_column_str(q, 8, arena) },
        .maxDurationSeconds = pn_column_int(q, 9),
        .createdAt = pn_column_int(q, 10),
        .updatedAt = pn_column_int(q, 11),
        .idleTimeoutSeconds = pn_column_int(q, 12),
    };
    out->resource = (struct pn_pam_account_resource){ out->resourceId, out->resourceName,
                                                      PN_LIT("kubernetes") };
    out->accountPath =
        pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(out->resourceName), PN_ARG(out->name));
}

static bool refuse_missing(struct pn_uuid id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Account %s not found", pn_uuid_format(id).text);
}

static bool read_one(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                     struct pn_pam_account *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, SELECT_VIEW "JOIN projects p ON p.id = a.project_id"
                                                    " WHERE a.id = $id AND p.org_id = $org");
    bool is_there;

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (is_there)
        read_view(q, call->arena, out);
    if (!pn_query_end(q, err))
        return false;
    return is_there || refuse_missing(id, err);
}

static struct pn_permit_object object(const struct pn_pam_account *account)
{
    return pn_pam_account_object(account->resourceName, account->name, account->accountPath);
}

/* Finds it, for an actor who may read it; others are told that it does not exist. */
static bool find(struct pn_call *call, struct pn_uuid id, const char *action,
                 struct pn_pam_account *out, struct pn_err *err)
{
    struct pn_err refusal = { 0 };
    const struct pn_ability *ability;
    struct pn_permit_object account;

    if (!read_one(call->conn, call, id, out, err))
        return false;
    account = object(out);
    if (!pn_ability_load(call, out->projectId, &ability, &refusal) ||
        !pn_ability_may(ability, &account, "read"))
        return refuse_missing(id, err);
    return pn_ability_permit(call, ability, &account, action, err);
}

/* ---- the token ---- */

static struct pn_seal_place token_place(struct pn_uuid account)
{
    return (
        struct pn_seal_place){ .table = "pam_accounts", .column = "sealed_token", .row = account };
}

static bool keeps_token(const struct pn_secret *token)
{
    return token == NULL || pn_secret_eq(token, PN_LIT(PN_PAM_UNCHANGED));
}

/* It will stand in a header line: one word of printable ASCII, or it could smuggle in another header. */
static bool check_token(struct pn_call *call, const struct pn_secret *token, struct pn_err *err)
{
    if (pn_secret_len(token) > PN_PAM_TOKEN_MAX || !pn_pam_is_bearer(pn_secret_reveal(token)))
        return pn_pam_invalid(call->arena, "credentials.serviceAccountToken",
                              "Not a token: it must be one word without spaces or line breaks",
                              err);
    return true;
}

static bool seal_token(struct pn_call *call, struct pn_uuid project, struct pn_uuid account,
                       const struct pn_secret *token, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(MAX_SEALED_BYTES);

    if (!check_token(call, token, err))
        return false;
    if (!pn_scope_ready(call->conn, call->keyring, project, err) ||
        !pn_keyring_seal(call->keyring, project, token_place(account), pn_secret_reveal(token),
                         &sealed, err))
        return pn_within(err, "sealing the token of an account");
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

bool pn_pam_account_open_token(struct pn_call *call, struct pn_uuid project, struct pn_uuid account,
                               struct pn_str sealed, struct pn_secret **out, struct pn_err *err)
{
    return (pn_scope_ready(call->conn, call->keyring, project, err) &&
            pn_keyring_open(call->keyring, project, token_place(account), sealed, out, err)) ||
           pn_within(err, "opening the token of an account");
}

/* ---- changes ---- */

struct change {
    struct pn_call *call;
    struct pn_uuid id;
    const struct pn_pam_account_change *want;
    struct pn_pam_account row;
    struct pn_str sealed_token; /* PN_NONE: keep */
};

static bool is_by_gateway(const struct pn_pam_account *row)
{
    return pn_str_is(row->credentials.authMethod, PN_PAM_BY_GATEWAY);
}

/* For the record: whom it stands for, as far as that was said. */
static struct pn_str service_account(struct pn_arena *arena,
                                     const struct pn_pam_account_credentials *credentials)
{
    if (credentials->serviceAccountName.len == 0)
        return PN_NONE;
    return pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(credentials->namespace),
                           PN_ARG(credentials->serviceAccountName));
}

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = type,
            .project_id = c->row.projectId,
            .fields = { { "accountId", pn_uuid_str(arena, c->id) },
                        { "resourceId", pn_uuid_str(arena, c->row.resourceId) },
                        { "resourceName", c->row.resourceName },
                        { "name", c->row.name },
                        { "authMethod", c->row.credentials.authMethod },
                        { "serviceAccount", service_account(arena, &c->row.credentials) },
                        { "token", c->sealed_token.ptr != NULL ? PN_LIT("set") : PN_NONE } } },
        err);
}

static struct pn_str or_none(struct pn_str text)
{
    return text.len > 0 ? text : PN_NONE;
}

static void apply(struct pn_pam_account *row, const struct pn_pam_account_change *want)
{
    if (want->auth_method != NULL)
        row->credentials.authMethod = pn_str_from(want->auth_method);
    if (want->has_name)
        row->name = want->name;
    if (want->has_description)
        row->description = or_none(want->description);
    if (want->has_namespace)
        row->credentials.namespace = or_none(want->namespace);
    if (want->has_service_account)
        row->credentials.serviceAccountName = or_none(want->service_account_name);
    if (want->has_max_duration)
        row->maxDurationSeconds = want->max_duration_s;
    if (want->has_idle_timeout)
        row->idleTimeoutSeconds = want->idle_timeout_s;
}

/* Is it still what live sessions were opened for? */
static bool is_same_access(const struct pn_pam_account *a, const struct pn_pam_account *b)
{
    return pn_str_eq(a->credentials.authMethod, b->credentials.authMethod) &&
           pn_str_eq(a->credentials.namespace, b->credentials.namespace) &&
           pn_str_eq(a->credentials.serviceAccountName, b->credentials.serviceAccountName) &&
           a->idleTimeoutSeconds == b->idleTimeoutSeconds;
}

/* Has it what its method needs? What it does not need would only mislead its reader. */
static bool check_method(const struct change *c, bool has_token, struct pn_err *err)
{
    const struct pn_pam_account_credentials *credentials = &c->row.credentials;
    struct pn_arena *arena = c->call->arena;

    if (!is_by_gateway(&c->row))
        return has_token || pn_pam_invalid(arena, "credentials.serviceAccountToken",
                                           "An account of this method needs a token", err);
    if (!keeps_token(c->want->token))
        return pn_pam_invalid(arena, "credentials.serviceAccountToken",
                              "The gateway acts with its own token: none is stored", err);
    if (credentials->namespace.len == 0)
        return pn_pam_invalid(arena, "credentials.namespace",
                              "Say in which namespace the service account is", err);
    return credentials->serviceAccountName.len > 0 ||
           pn_pam_invalid(arena, "credentials.serviceAccountName",
                          "Say which service account the gateway is to act as", err);
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    pn_bind_uuid(q, "$id", c->id);
    pn_bind_str(q, "$name", c->row.name);
    pn_bind_str(q, "$description", c->row.description);
    pn_bind_str(q, "$method", c->row.credentials.authMethod);
    pn_bind_str(q, "$namespace", c->row.credentials.namespace);
    pn_bind_str(q, "$account", c->row.credentials.serviceAccountName);
    pn_bind_int(q, "$duration", c->row.maxDurationSeconds);
    pn_bind_int(q, "$idle", c->row.idleTimeoutSeconds);
    pn_bind_bytes(q, "$token", c->sealed_token);
    pn_bind_int(q, "$now", c->call->now_ms);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO pam_accounts (id, resource_id, project_id, name, description,"
                     " auth_method, sealed_token, namespace, service_account_name, max_duration_s,"
                     " idle_timeout_s, created_ms, updated_ms) SELECT $id, r.id, r.project_id, "
                     "$name, $description,"
                     " $method, $token, $namespace, $account, $duration, $idle, $now, $now"
                     " FROM pam_resources r WHERE r.id = $resource");
    int64_t added;

    bind_row(q, c);
    pn_bind_uuid(q, "$resource", c->row.resourceId);
    if (!pn_query_run(q, &added, err))
        return false;
    if (added == 0)
        return pn_fail(err, PN_NOT_FOUND, "Resource %s not found",
                       pn_uuid_format(c->row.resourceId).text);
    return note(tx, c, "pam-account-create", err);
}

static bool is_taken(struct pn_str name, struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST,
                           "An account named %.*s already exists in this resource", PN_ARG(name))
               : false;
}

bool pn_pam_account_create(struct pn_call *call, const struct pn_pam_account_change *change,
                           struct pn_pam_account *out, struct pn_err *err)
{
    struct change c = { .call = call, .id = pn_random_uuid(), .want = change };
    const struct pn_ability *ability;
    struct pn_permit_object account;
    struct pn_pam_resource resource;

    if (!pn_pam_resource_get(call, change->resource_id, &resource, err))
        return false;
    account = pn_pam_account_object(
        resource.name, change->name,
        pn_arena_printf(call->arena, "%.*s/%.*s", PN_ARG(resource.name), PN_ARG(change->name)));
    if (!pn_ability_load(call, resource.projectId, &ability, err) ||
        !pn_ability_permit(call, ability, &account, "create", err))
        return false;
    c.row.projectId = resource.projectId;
    c.row.resourceId = resource.id;
    c.row.resourceName = resource.name;
    c.row.maxDurationSeconds = PN_PAM_SESSION_MAX_S;
    c.row.credentials.authMethod = PN_LIT(PN_PAM_BY_TOKEN);
    apply(&c.row, change);
    if (!check_method(&c, !keeps_token(change->token), err))
        return false;
    if (!keeps_token(change->token) &&
        !seal_token(call, resource.projectId, c.id, change->token, &c.sealed_token, err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(c.row.name, err);
    return read_one(call->conn, call, c.id, out, err);
}

bool pn_pam_account_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_account *out,
                        struct pn_err *err)
{
    return find(call, id, "read", out, err);
}

/* Under its new name too: nobody moves an account out of, or into, what he may change. */
static bool permit_rename(struct pn_call *call, const struct pn_pam_account *account,
                          struct pn_str name, struct pn_err *err)
{
    const struct pn_permit_object renamed = pn_pam_account_object(
        account->resourceName, name,
        pn_arena_printf(call->arena, "%.*s/%.*s", PN_ARG(account->resourceName), PN_ARG(name)));
    const struct pn_ability *ability;

    return pn_ability_load(call, account->projectId, &ability, err) &&
           pn_ability_permit(call, ability, &renamed, "edit", err);
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_pam_account before;
    struct pn_query *q;
    bool has_token;

    if (!read_one(tx, c->call, c->id, &c->row, err))
        return false;
    before = c->row;
    has_token = c->sealed_token.ptr != NULL || !is_by_gateway(&c->row);
    apply(&c->row, c->want);
    if (!check_method(c, has_token, err))
        return false;
    q = pn_query(
        tx,
        "UPDATE pam_accounts SET name = $name, description = $description, namespace = $namespace,"
        " service_account_name = $account, max_duration_s = $duration, idle_timeout_s = $idle, "
        "auth_method = $method,"
        " sealed_token = CASE WHEN $method = '" PN_PAM_BY_GATEWAY "' THEN NULL"
        " ELSE COALESCE($token, sealed_token) END, updated_ms = $now WHERE id = $id");
    bind_row(q, c);
    if (!pn_query_run(q, NULL, err) || !note(tx, c, "pam-account-update", err))
        return false;
    return (is_same_access(&before, &c->row) && c->sealed_token.ptr == NULL) ||
           pn_pam_session_close_account(tx, c->call, c->id, PN_LIT("The account was changed"), err);
}

bool pn_pam_account_update(struct pn_call *call, struct pn_uuid id,
                           const struct pn_pam_account_change *change, struct pn_pam_account *out,
                           struct pn_err *err)
{
    struct change c = { .call = call, .id = id, .want = change };

    if (!find(call, id, "edit", out, err) ||
        (change->has_name && !permit_rename(call, out, change->name, err)))
        return false;
    if (!keeps_token(change->token) &&
        !seal_token(call, out->projectId, id, change->token, &c.sealed_token, err))
        return false;
    if (!pn_db_write(call->db, write_update, &c, err))
        return is_taken(c.row.name, err);
    return read_one(call->conn, call, id, out, err);
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;

    if (!read_one(tx, c->call, c->id, &c->row, err) ||
        !pn_pam_session_close_account(tx, c->call, c->id, PN_LIT("The account was deleted"), err))
        return false;
    q = pn_query(tx, "DELETE FROM pam_accounts WHERE id = $id");
    pn_bind_uuid(q, "$id", c->id);
    return pn_query_run(q, NULL, err) && note(tx, c, "pam-account-delete", err);
}

bool pn_pam_account_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_account *out,
                           struct pn_err *err)
{
    struct change c = { .call = call, .id = id };

    return find(call, id, "delete", out, err) && pn_db_write(call->db, write_delete, &c, err);
}

/* ---- list ---- */

#define LIST_WHERE                                                                       \
    "WHERE a.project_id = $project AND ($any_resource = 1 OR a.resource_id = $resource)" \
    " AND (lower(a.name) LIKE $like ESCAPE '\\' OR lower(r.name) LIKE $like ESCAPE '\\')"

static void bind_page(struct pn_query *q, const struct pn_pam_page *page, struct pn_str like)
{
    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_int(q, "$any_resource", pn_uuid_is_zero(page->resource_id));
    pn_bind_uuid(q, "$resource", page->resource_id);
    pn_bind_str(q, "$like", like);
}

bool pn_pam_account_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                         int64_t *total, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_pam_account));
    struct pn_str like = pn_pam_like(call->arena, page->search);
    int64_t most = page->limit < PN_PAM_PAGE_MAX ? page->limit : PN_PAM_PAGE_MAX;
    const struct pn_ability *ability;
    struct pn_query *q;

    if (!pn_ability_load(call, page->project_id, &ability, err) ||
        !pn_ability_permit_some(call, ability, "pam-accounts", "read", err))
        return false;
    q = pn_query(call->conn, SELECT_VIEW LIST_WHERE " ORDER BY r.name, a.name");
    bind_page(q, page, like);
    *total = 0;
    while (pn_query_next(q)) {
        struct pn_pam_account account;
        struct pn_permit_object asked;

        read_view(q, call->arena, &account);
        asked = object(&account);
        if (!pn_ability_may(ability, &asked, "read"))
            continue;
        if (*total >= page->offset && *total - page->offset < most)
            *(struct pn_pam_account *)pn_rows_add(&rows) = account;
        (*total)++;
    }
    *out = rows.list;
    return pn_query_end(q, err);
}
