/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/account.h"

#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "core/pam/template.h"
#include "core/rows.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/random.h"

#define MAX_SEALED_BYTES ((size_t)PN_PAM_TOKEN_MAX + PN_SEAL_OVERHEAD)
#define MAX_NAMES_BYTES 4096 /* of one account: two names and its path */

#define SELECT_VIEW                                                                            \
    "SELECT a.id, a.project_id, a.resource_id, a.name, r.name, a.description, a.auth_method, " \
    "a.namespace, a.service_account_name, a.max_duration_s, a.created_ms, a.updated_ms,"       \
    " a.idle_timeout_s, a.template_id, t.name, t.needs_reason, " PN_PAM_CLUSTER_COLUMNS        \
        PN_PAM_CLUSTER_FROM
#define NAME_COLUMN 3
#define RESOURCE_NAME_COLUMN 4
#define CLUSTER_COLUMN 16

static void find_issues(struct pn_arena *arena, struct pn_pam_account *account)
{
    const struct pn_pam_cluster cluster = pn_pam_cluster_choose(&account->clusters);

    account->isAccessible =
        !pn_uuid_is_zero(cluster.gateway_id) || !pn_uuid_is_zero(cluster.pool_id);
    account->accessibilityIssues.items = pn_new(arena, struct pn_str, 1);
    if (!account->isAccessible)
        account->accessibilityIssues.items[account->accessibilityIssues.count++] =
            PN_LIT("no-gateway");
    account->connectionDetails = cluster.connection;
}

static void read_view(struct pn_query *q, struct pn_arena *arena, struct pn_pam_account *out)
{
    *out = (struct pn_pam_account){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .resourceId = pn_column_uuid(q, 2),
        .folderId = pn_column_uuid(q, 2),
        .name = pn_column_str(q, NAME_COLUMN, arena),
        .resourceName = pn_column_str(q, RESOURCE_NAME_COLUMN, arena),
        .description = pn_column_str(q, 5, arena),
        .accountType = PN_LIT("kubernetes"),
        .credentials = { .authMethod = pn_column_str(q, 6, arena),
                         .namespace = pn_column_str(q, 7, arena),
                         .serviceAccountName = pn_column_str(q, 8, arena) },
        .maxDurationSeconds = pn_column_int(q, 9),
        .createdAt = pn_column_int(q, 10),
        .updatedAt = pn_column_int(q, 11),
        .idleTimeoutSeconds = pn_column_int(q, 12),
        .templateId = pn_column_uuid(q, 13),
        .templateName = pn_column_str(q, 14, arena),
        .requireReason = pn_column_int(q, 15) != 0,
        .clusters = pn_pam_cluster_read(q, CLUSTER_COLUMN, arena),
    };
    out->gatewayId = out->clusters.own.gateway_id;
    out->gatewayPoolId = out->clusters.own.pool_id;
    out->resource = (struct pn_pam_account_resource){ out->resourceId, out->resourceName,
                                                      PN_LIT("kubernetes") };
    out->accountPath =
        pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(out->resourceName), PN_ARG(out->name));
    find_issues(arena, out);
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

/* Whoever says where a cluster is (also: again the resource's), or how it is reached, sends the gateway there. */
static bool permit_cluster(struct pn_call *call, struct pn_uuid project,
                           const struct pn_pam_account_change *want, struct pn_err *err)
{
    const struct pn_pam_cluster_change *change = &want->cluster;

    if (!want->drops_connection && !change->has_url && !change->has_ca && !change->has_verified &&
        !change->has_gateway && !change->has_pool)
        return true;
    return pn_permit_project(call, project, "pam-resources", "edit", err) &&
           pn_pam_cluster_check(call, change, err);
}

/* What of it depends on who asks. */
static void show_to(const struct pn_ability *ability, struct pn_pam_account *account)
{
    const struct pn_permit_object asked = object(account);

    account->canLaunch = pn_ability_may(ability, &asked, "access");
    account->has_connection = pn_ability_may_all(ability, "pam-resources", "read");
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
    show_to(ability, out);
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
    struct pn_pam_probe_result test;
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

static struct pn_str id_or_none(struct pn_arena *arena, struct pn_uuid id)
{
    return pn_uuid_is_zero(id) ? PN_NONE : pn_uuid_str(arena, id);
}

static bool note(struct pn_db_conn *tx, const struct change *c, const char *type,
                 struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;
    const struct pn_pam_cluster *own = &c->row.clusters.own;

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
                        { "token", c->sealed_token.ptr != NULL ? PN_LIT("set") : PN_NONE },
                        { "templateId", id_or_none(arena, c->row.templateId) },
                        { "url", own->connection.url },
                        { "gatewayId", id_or_none(arena, own->gateway_id) },
                        { "gatewayPoolId", id_or_none(arena, own->pool_id) },
                        { "connectionTest", c->test.status } } },
        err);
}

static struct pn_str or_none(struct pn_str text)
{
    return text.len > 0 ? text : PN_NONE;
}

/* A cluster of its own begins as the one that it leaves. */
static void apply_cluster(struct pn_pam_clusters *clusters,
                          const struct pn_pam_account_change *want)
{
    const struct pn_pam_cluster_change *change = &want->cluster;
    struct pn_pam_cluster *own = &clusters->own;

    if (want->drops_connection)
        own->connection = (struct pn_pam_connection){ PN_NONE, PN_NONE, false };
    if (own->connection.url.len == 0 && (change->has_url || change->has_verified || change->has_ca))
        own->connection = clusters->of_resource.connection;
    pn_pam_cluster_apply(own, change);
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
    apply_cluster(&row->clusters, want);
}

static bool is_same_actor(const struct pn_pam_account *a, const struct pn_pam_account *b)
{
    return pn_str_eq(a->credentials.authMethod, b->credentials.authMethod) &&
           pn_str_eq(a->credentials.namespace, b->credentials.namespace) &&
           pn_str_eq(a->credentials.serviceAccountName, b->credentials.serviceAccountName);
}

/* Is it still what live sessions were opened for? */
static bool is_same_access(const struct pn_pam_account *a, const struct pn_pam_account *b)
{
    const struct pn_pam_cluster one = pn_pam_cluster_choose(&a->clusters),
                                other = pn_pam_cluster_choose(&b->clusters);

    return pn_pam_cluster_eq(&one, &other) && is_same_actor(a, b) &&
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

static bool check_cluster(const struct change *c, struct pn_err *err)
{
    const struct pn_pam_cluster cluster = pn_pam_cluster_choose(&c->row.clusters);

    return cluster.connection.url.len > 0 ||
           pn_pam_invalid(c->call->arena, "connectionDetails",
                          "Say where the cluster is: the account's folder has none", err);
}

/* Where it will be: the resource of its project, and the template. */
static bool settle(struct pn_db_conn *conn, struct change *c, struct pn_err *err)
{
    const struct pn_pam_account_change *want = c->want;
    struct pn_pam_account *row = &c->row;
    struct pn_pam_template template = { 0 };
    struct pn_pam_resource resource;

    if (!pn_uuid_is_zero(want->resource_id)) {
        if (!pn_pam_resource_find(conn, c->call, want->resource_id, row->projectId, &resource, err))
            return false;
        row->resourceId = row->folderId = resource.id;
        row->resourceName = resource.name;
        row->clusters.of_resource =
            (struct pn_pam_cluster){ resource.connectionDetails, resource.gatewayId,
                                     resource.gatewayPoolId };
    }
    if (!want->has_template)
        return true;
    if (!pn_uuid_is_zero(want->template_id) &&
        !pn_pam_template_find(conn, c->call, want->template_id, row->projectId, &template, err))
        return false;
    row->templateId = template.id;
    row->clusters.of_template = (struct pn_pam_cluster){ .gateway_id = template.gatewayId,
                                                         .pool_id = template.gatewayPoolId };
    return true;
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    const struct pn_pam_cluster *own = &c->row.clusters.own;

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
    pn_bind_uuid(q, "$resource", c->row.resourceId);
    pn_bind_uuid(q, "$template", c->row.templateId);
    pn_bind_str(q, "$url", or_none(own->connection.url));
    pn_bind_int(q, "$verified", own->connection.sslRejectUnauthorized);
    pn_bind_str(q, "$ca", or_none(own->connection.sslCertificate));
    pn_bind_uuid(q, "$gateway", own->gateway_id);
    pn_bind_uuid(q, "$pool", own->pool_id);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q;
    int64_t added;

    if (!settle(tx, c, err) || !pn_pam_cluster_check_way(tx, c->call, &c->row.clusters.own, err))
        return false;
    q = pn_query(tx, "INSERT INTO pam_accounts (id, resource_id, project_id, name, description,"
                     " auth_method, sealed_token, namespace, service_account_name, max_duration_s,"
                     " idle_timeout_s, template_id, url, is_verified, ca_certificate, gateway_id,"
                     " gateway_pool_id, created_ms, updated_ms) SELECT $id, r.id, r.project_id,"
                     " $name, $description, $method, $token, $namespace, $account, $duration,"
                     " $idle, $template, $url, $verified, $ca, $gateway, $pool, $now, $now"
                     " FROM pam_resources r WHERE r.id = $resource");
    bind_row(q, c);
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

/* ---- the test before the save ---- */

/* The token that is stored, for a test with what else changes. */
static bool open_stored(struct change *c, struct pn_secret **out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(c->call->conn, "SELECT sealed_token FROM pam_accounts WHERE id = $id");
    struct pn_str sealed = PN_NONE;

    pn_bind_uuid(q, "$id", c->id);
    if (pn_query_next(q))
        sealed = pn_column_bytes(q, 0, c->call->arena);
    if (!pn_query_end(q, err))
        return false;
    return sealed.ptr == NULL ||
           pn_pam_account_open_token(c->call, c->row.projectId, c->id, sealed, out, err);
}

static bool try_access(struct change *c, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *stored = NULL;
    const struct pn_pam_cluster cluster = pn_pam_cluster_choose(&c->row.clusters);
    struct pn_pam_probe probe = {
        .cluster = &cluster,
        .auth_method = is_by_gateway(&c->row) ? PN_PAM_BY_GATEWAY : PN_PAM_BY_TOKEN,
        .token = c->want->token,
        .namespace = c->row.credentials.namespace,
        .service_account_name = c->row.credentials.serviceAccountName,
        .is_skipped = c->want->skips_test,
    };

    if (!is_by_gateway(&c->row) && keeps_token(c->want->token)) {
        if (!open_stored(c, &stored, err))
            return false;
        probe.token = stored;
    }
    return pn_pam_probe(c->call, &probe, &c->test, err);
}

static bool read_saved(struct change *c, const struct pn_ability *ability,
                       struct pn_pam_account *out, struct pn_err *err)
{
    if (!read_one(c->call->conn, c->call, c->id, out, err))
        return false;
    show_to(ability, out);
    out->connectionTest = c->test;
    out->has_test = c->test.status.ptr != NULL;
    return true;
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
        !pn_ability_permit(call, ability, &account, "create", err) ||
        !permit_cluster(call, resource.projectId, change, err))
        return false;
    c.row.projectId = resource.projectId;
    c.row.maxDurationSeconds = PN_PAM_SESSION_MAX_S;
    c.row.credentials.authMethod = PN_LIT(PN_PAM_BY_TOKEN);
    if (!settle(call->conn, &c, err))
        return false;
    apply(&c.row, change);
    if (!check_method(&c, !keeps_token(change->token), err) || !check_cluster(&c, err))
        return false;
    if (!keeps_token(change->token) &&
        !seal_token(call, resource.projectId, c.id, change->token, &c.sealed_token, err))
        return false;
    if (!try_access(&c, err))
        return false;
    if (!pn_db_write(call->db, write_create, &c, err))
        return is_taken(c.row.name, err);
    return read_saved(&c, ability, out, err);
}

bool pn_pam_account_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_account *out,
                        struct pn_err *err)
{
    return find(call, id, "read", out, err);
}

/* Under its new name too: nobody moves an account out of, or into, what he may change. */
static bool permit_rename(struct pn_call *call, const struct pn_ability *ability,
                          const struct pn_pam_account *account, struct pn_err *err)
{
    const struct pn_permit_object renamed = pn_pam_account_object(
        account->resourceName, account->name,
        pn_arena_printf(call->arena, "%.*s/%.*s", PN_ARG(account->resourceName),
                        PN_ARG(account->name)));

    return pn_ability_permit(call, ability, &renamed, "edit", err);
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
    if (!settle(tx, c, err))
        return false;
    apply(&c->row, c->want);
    if (!check_method(c, has_token, err) || !check_cluster(c, err) ||
        !pn_pam_cluster_check_way(tx, c->call, &c->row.clusters.own, err))
        return false;
    q = pn_query(
        tx,
        "UPDATE pam_accounts SET name = $name, description = $description, namespace = $namespace,"
        " service_account_name = $account, max_duration_s = $duration, idle_timeout_s = $idle, "
        "auth_method = $method, resource_id = $resource, template_id = $template, url = $url,"
        " is_verified = $verified, ca_certificate = $ca, gateway_id = $gateway, gateway_pool_id ="
        " $pool, sealed_token = CASE WHEN $method = '" PN_PAM_BY_GATEWAY "' THEN NULL"
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
    const struct pn_ability *ability;
    bool had_token;

    if (!find(call, id, "edit", out, err) || !permit_cluster(call, out->projectId, change, err))
        return false;
    c.row = *out;
    had_token = !is_by_gateway(out);
    if (!settle(call->conn, &c, err))
        return false;
    apply(&c.row, change);
    if (!pn_ability_load(call, out->projectId, &ability, err) ||
        !permit_rename(call, ability, &c.row, err) ||
        !check_method(&c, had_token || !keeps_token(change->token), err) || !check_cluster(&c, err))
        return false;
    if (!keeps_token(change->token) &&
        !seal_token(call, out->projectId, id, change->token, &c.sealed_token, err))
        return false;
    if ((c.sealed_token.ptr != NULL || !is_same_access(out, &c.row)) && !try_access(&c, err))
        return false;
    if (!pn_db_write(call->db, write_update, &c, err))
        return is_taken(c.row.name, err);
    return read_saved(&c, ability, out, err);
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
    " AND ($any_template = 1 OR a.template_id = $template)"                              \
    " AND (lower(a.name) LIKE $like ESCAPE '\\' OR lower(r.name) LIKE $like ESCAPE '\\')"

static void bind_page(struct pn_query *q, const struct pn_pam_page *page, struct pn_str like)
{
    pn_bind_uuid(q, "$project", page->project_id);
    pn_bind_int(q, "$any_resource", pn_uuid_is_zero(page->resource_id));
    pn_bind_uuid(q, "$resource", page->resource_id);
    pn_bind_int(q, "$any_template", pn_uuid_is_zero(page->template_id));
    pn_bind_uuid(q, "$template", page->template_id);
    pn_bind_str(q, "$like", like);
}

/* What its rules are asked about, and no more of it. */
static struct pn_permit_object read_object(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_str name = pn_column_str(q, NAME_COLUMN, arena),
                  resource = pn_column_str(q, RESOURCE_NAME_COLUMN, arena);

    return pn_pam_account_object(
        resource, name, pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(resource), PN_ARG(name)));
}

/* All that match are counted, for only rules know who may read which; what is off the page takes no memory. */
bool pn_pam_account_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                         int64_t *total, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *passing = pn_arena_new(MAX_NAMES_BYTES);
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_pam_account));
    struct pn_str like = pn_pam_like(call->arena, page->search);
    int64_t most = page->limit < PN_PAM_PAGE_MAX ? page->limit : PN_PAM_PAGE_MAX;
    const struct pn_ability *ability;
    struct pn_query *q;

    if (!pn_ability_load(call, page->project_id, &ability, err) ||
        !pn_ability_permit_some(call, ability, "pam-accounts", "read", err))
        return false;
    q = pn_query(call->conn, page->is_descending
                                 ? SELECT_VIEW LIST_WHERE " ORDER BY r.name DESC, a.name DESC"
                                 : SELECT_VIEW LIST_WHERE " ORDER BY r.name, a.name");
    bind_page(q, page, like);
    *total = 0;
    for (; pn_query_next(q); pn_arena_reset(passing)) {
        const struct pn_permit_object asked = read_object(q, passing);

        if (!pn_ability_may(ability, &asked, "read"))
            continue;
        if (*total >= page->offset && *total - page->offset < most) {
            struct pn_pam_account *account = pn_rows_add(&rows);

            read_view(q, call->arena, account);
            show_to(ability, account);
        }
        (*total)++;
    }
    *out = rows.list;
    return pn_query_end(q, err);
}
