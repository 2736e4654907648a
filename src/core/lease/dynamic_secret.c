/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/dynamic_secret.h"

#include "base/clock.h"
#include "core/auth/clusters.h"
#include "core/gateway/attach.h"
#include "core/job/job.h"
#include "core/lease/issues.h"
#include "core/lease/record.h"
#include "core/lease/template.h"
#include "core/lease/ttl.h"
#include "core/org/names.h"
#include "core/rows.h"
#include "crypto/random.h"

#define REVOKING "Revocation in process"
#define MAX_CHANGED 24
#define DROPPED_AT_ONCE 50 /* leases in memory: a plan of some KiB each */
#define DROP_BUDGET ((size_t)4 << 20)

/* ---- the rules of its own members ---- */

static void check_name(struct pn_issues *issues, const char *path, struct pn_str name)
{
    if (name.len == 0)
        pn_issues_add(issues, path, "Name field must be at least 1 character");
    else if (name.len > 64)
        pn_issues_add(issues, path, "Name field must be at most 64 characters");
    else if (!pn_name_is_slug(name))
        pn_issues_add(issues, path, "Name field can only contain letters, numbers, and hyphens");
}

static bool check_ttl(struct pn_issues *issues, const char *path, struct pn_str text, int64_t *ms)
{
    const char *fault = pn_ttl_fault(text, ms);

    if (fault != NULL)
        pn_issues_add(issues, path, fault);
    return fault == NULL;
}

static void check_ttls(struct pn_issues *issues, const struct pn_dynamic_secret *row,
                       const char *default_path, const char *max_path)
{
    int64_t ttl_ms = 0, max_ms = 0;
    bool is_good = check_ttl(issues, default_path, row->defaultTTL, &ttl_ms);

    if (row->maxTTL.len > 0 && check_ttl(issues, max_path, row->maxTTL, &max_ms) && is_good &&
        ttl_ms > max_ms)
        pn_issues_add(issues, default_path, "The default TTL is longer than the max TTL");
}

static void check_template(struct pn_issues *issues, const char *path, struct pn_str text)
{
    struct pn_err fault = { 0 };

    if (text.ptr != NULL && !pn_template_check(text, &fault))
        pn_issues_add(issues, path, fault.message);
}

static void check_metadata(struct pn_issues *issues, const char *path, struct pn_list metadata)
{
    struct pn_permit_pair *pairs = metadata.items;

    for (size_t i = 0; i < metadata.count; i++) {
        if (pairs[i].key.len == 0)
            pn_issues_add(issues, path, "A key must not be empty");
        if (pairs[i].value.ptr == NULL)
            pairs[i].value = PN_LIT("");
    }
}

/* ---- what create and update share ---- */

struct change {
    struct pn_call *call;
    struct pn_lease_scope scope;
    struct pn_dynamic_secret *row;
    struct pn_lease_config config;
    struct pn_config_row stored; /* the inputs' new version; id zero: they stay */
    struct pn_strs changed;
};

/* A dead cluster does not take the lane: core/auth/cluster_turns.h. */
static bool test_in_turn(struct pn_call *call, struct pn_lease_config *config, struct pn_err *err)
{
    const struct pn_cluster_place place = pn_lease_config_turn(call->arena, config);
    bool done;

    if (!pn_clusters_enter(call, &place, err))
        return false;
    done = pn_provider_test(call, config, err);
    pn_clusters_leave(call, &place, done);
    return done;
}

static bool test(struct pn_call *call, struct pn_lease_config *config, struct pn_err *err)
{
    struct pn_str cause, manifest;

    if (test_in_turn(call, config, err))
        return true;
    if (err->code != PN_BAD_REQUEST)
        return false;
    cause = pn_arena_copy(call->arena, pn_str_from(err->message));
    manifest = err->details;
    (void)pn_recast(err, PN_BAD_REQUEST, "Failed to connect with provider: %.*s", PN_ARG(cause));
    err->details = manifest;
    return false;
}

/* Gateway, cluster, and the row of these inputs. */
static bool prepare(struct change *c, struct pn_err *err)
{
    struct pn_call *call = c->call;

    c->config.org_id = call->actor.org_id;
    if (!pn_attach_check(call, c->config.gatewayId, c->config.gatewayPoolId, err) ||
        !test(call, &c->config, err))
        return false;
    c->stored = (struct pn_config_row){ .id = pn_random_uuid(),
                                        .dynamic_secret_id = c->row->id,
                                        .org_id = call->actor.org_id,
                                        .gateway_id = c->config.gatewayId,
                                        .pool_id = c->config.gatewayPoolId,
                                        .inputs = pn_lease_config_print(call->arena, &c->config),
                                        .created_ms = pn_clock_lease_ms() };
    c->row->config_id = c->stored.id;
    c->row->inputs = c->stored.inputs;
    c->row->gatewayV2Id = c->config.gatewayId;
    return pn_config_seal(call, call->actor.org_id, c->stored.id, c->config.clusterToken,
                          &c->stored.sealed_token, err);
}

static bool refuse_duplicate(struct pn_err *err)
{
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST,
                           "Provided dynamic secret already exists under the folder")
               : false;
}

static bool check_free(struct pn_call *call, struct pn_uuid folder, struct pn_str name,
                       struct pn_err *err)
{
    struct pn_dynamic_secret other;
    bool is_there;

    if (!pn_dynamic_row_find(call->conn, call->arena, folder, name, &other, &is_there, err))
        return false;
    return !is_there ||
           pn_fail(err, PN_BAD_REQUEST, "Provided dynamic secret already exists under the folder");
}

/* ---- create ---- */

static bool check_create(struct pn_call *call, const struct pn_dynamic_secret_in *in,
                         struct change *c, struct pn_err *err)
{
    struct pn_issues issues;

    if (in->defaultTTL.len == 0)
        return pn_fail(err, PN_BAD_REQUEST, "Invalid date format string: ");
    pn_issues_begin(&issues);
    if (!pn_str_is(in->type, "kubernetes"))
        pn_issues_add(&issues, "provider.type", "The only type of dynamic secrets is kubernetes");
    if (!in->inputs.has_audiences)
        pn_issues_add(&issues, "provider.inputs.audiences", "Required");
    check_name(&issues, "name", in->name);
    check_ttls(&issues, c->row, "defaultTTL", "maxTTL");
    check_template(&issues, "usernameTemplate", in->usernameTemplate);
    check_metadata(&issues, "metadata", in->metadata);
    pn_lease_config_check(call->arena, &c->config, "provider.inputs", &issues);
    return pn_issues_end(&issues, call->arena, err);
}

static bool count_in_folder(struct pn_db_conn *tx, struct pn_uuid folder, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT count(*) FROM dynamic_secrets WHERE folder_id = $folder");
    int64_t count = 0;

    pn_bind_uuid(q, "$folder", folder);
    if (pn_query_next(q))
        count = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return count < PN_DYNAMIC_MAX ||
           pn_fail(err, PN_BAD_REQUEST, "A folder has at most %d dynamic secrets", PN_DYNAMIC_MAX);
}

static bool write_create(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_lease_event event =
        pn_lease_event_of("create-dynamic-secret", &c->scope, c->row, NULL);

    if (!count_in_folder(tx, c->scope.place.folder_id, err) ||
        !pn_config_insert(tx, &c->stored, err))
        return false;
    return (pn_dynamic_row_insert(tx, c->row, err) || refuse_duplicate(err)) &&
           pn_lease_record(tx, c->call, &event, err);
}

static const struct pn_lease_config blank = { .credentialType = -1,
                                              .roleType = -1,
                                              .authMethod = -1,
                                              .tokenBinding = -1,
                                              .bindingScope = -1,
                                              .tokenLifetime = -1,
                                              .sslRejectUnauthorized = true };

static struct pn_dynamic_secret new_row(const struct pn_dynamic_secret_in *in)
{
    const int64_t now_ms = pn_clock_lease_ms();

    return (struct pn_dynamic_secret){ .id = pn_random_uuid(),
                                       .name = in->name,
                                       .type = PN_LIT("kubernetes"),
                                       .defaultTTL = in->defaultTTL,
                                       .maxTTL = in->maxTTL.len > 0 ? in->maxTTL : PN_NONE,
                                       .usernameTemplate = in->usernameTemplate,
                                       .version = 1,
                                       .metadata = in->metadata,
                                       .createdAt = now_ms,
                                       .updatedAt = now_ms };
}

bool pn_dynamic_secret_create(struct pn_call *call, const struct pn_dynamic_secret_in *in,
                              struct pn_dynamic_secret *out, struct pn_err *err)
{
    struct change c = { .call = call, .row = out, .config = blank };

    *out = new_row(in);
    pn_lease_config_take(&in->inputs, &c.config);
    if (!check_create(call, in, &c, err) ||
        !pn_lease_scope_open(call, &in->at, PN_LEASE_WORDS_CHANGE, &c.scope, err) ||
        !pn_lease_scope_permit(call, &c.scope, in->metadata, "create-root-credential", err) ||
        !pn_lease_scope_folder(call, &c.scope, err))
        return false;
    out->folderId = c.scope.place.folder_id;
    return check_free(call, out->folderId, out->name, err) && prepare(&c, err) &&
           pn_db_write(call->db, write_create, &c, err);
}

/* ---- update ---- */

static void note_changed(struct change *c, const char *name)
{
    if (c->changed.count < MAX_CHANGED)
        c->changed.items[c->changed.count++] = pn_str_from(name);
}

static void take_members(struct change *c, const struct pn_dynamic_secret_in *in,
                         struct pn_str new_name)
{
    struct pn_dynamic_secret *row = c->row;

    if (new_name.ptr != NULL) {
        row->name = new_name;
        note_changed(c, "name");
    }
    if (in->defaultTTL.ptr != NULL) {
        row->defaultTTL = in->defaultTTL;
        note_changed(c, "defaultTTL");
    }
    if (in->has_max) {
        row->maxTTL = in->maxTTL.len > 0 ? in->maxTTL : PN_NONE;
        note_changed(c, "maxTTL");
    }
    if (in->has_template) {
        row->usernameTemplate = in->usernameTemplate;
        note_changed(c, "usernameTemplate");
    }
    if (in->has_metadata) {
        row->metadata = in->metadata;
        note_changed(c, "metadata");
    }
    if (in->has_inputs)
        note_changed(c, "inputs");
    row->version++;
    row->updatedAt = pn_clock_lease_ms();
    row->status = row->statusDetails = PN_NONE;
}

static bool check_update(struct change *c, const struct pn_dynamic_secret_in *in,
                         struct pn_str new_name, struct pn_err *err)
{
    struct pn_issues issues;

    pn_issues_begin(&issues);
    if (new_name.ptr != NULL)
        check_name(&issues, "data.newName", new_name);
    check_ttls(&issues, c->row, "data.defaultTTL", "data.maxTTL");
    if (in->has_template)
        check_template(&issues, "data.usernameTemplate", in->usernameTemplate);
    check_metadata(&issues, "data.metadata", c->row->metadata);
    if (in->has_inputs)
        pn_lease_config_check(c->call->arena, &c->config, "data.inputs", &issues);
    return pn_issues_end(&issues, c->call->arena, err);
}

/* A stored token is shown to nobody, so nobody may have it sent elsewhere either. */
static bool check_pinned(const struct pn_dynamic_secret_in *in, const struct pn_lease_config *was,
                         const struct pn_lease_config *is, struct pn_err *err)
{
    bool is_given =
        in->inputs.c.clusterToken != NULL && pn_secret_len(in->inputs.c.clusterToken) > 0;

    if (is_given || was->clusterToken == NULL || !pn_lease_config_is_moved(was, is))
        return true;
    return pn_fail(err, PN_BAD_REQUEST,
                   "Provide the cluster token again when you change where it is sent or how that is"
                   " verified");
}

static bool write_update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_lease_event event =
        pn_lease_event_of("update-dynamic-secret", &c->scope, c->row, NULL);

    event.changed = &c->changed;
    if (!pn_uuid_is_zero(c->stored.id) && !pn_config_insert(tx, &c->stored, err))
        return false;
    return (pn_dynamic_row_update(tx, c->row, err) || refuse_duplicate(err)) &&
           pn_config_prune(tx, c->row->id, err) && pn_lease_record(tx, c->call, &event, err);
}

static bool update(struct change *c, const struct pn_dynamic_secret_in *in,
                   const struct pn_lease_config *was, struct pn_str new_name, struct pn_err *err)
{
    struct pn_call *call = c->call;
    const struct pn_str old_name = c->row->name;

    c->config = *was;
    c->changed.items = pn_new(call->arena, struct pn_str, MAX_CHANGED);
    take_members(c, in, new_name);
    if (in->has_inputs)
        pn_lease_config_take(&in->inputs, &c->config);
    if (!check_update(c, in, new_name, err) ||
        !pn_lease_scope_permit(call, &c->scope, c->row->metadata, "edit-root-credential", err))
        return false;
    if (!pn_str_eq(old_name, c->row->name) &&
        !check_free(call, c->row->folderId, c->row->name, err))
        return false;
    if (in->has_inputs && (!check_pinned(in, was, &c->config, err) || !prepare(c, err)))
        return false;
    return pn_db_write(call->db, write_update, c, err);
}

bool pn_dynamic_secret_update(struct pn_call *call, const struct pn_dynamic_secret_in *in,
                              struct pn_str new_name, struct pn_dynamic_secret *out,
                              struct pn_err *err)
{
    pn_auto(pn_lease_config_drop) struct pn_lease_config was = { .credentialType = -1 };
    struct change c = { .call = call, .row = out };

    return pn_lease_scope_open(call, &in->at, PN_LEASE_WORDS_CHANGE, &c.scope, err) &&
           pn_lease_scope_secret(call, &c.scope, in->name, out, err) &&
           pn_lease_scope_permit(call, &c.scope, out->metadata, "edit-root-credential", err) &&
           pn_config_open(call, out->config_id, &was, err) && update(&c, in, &was, new_name, err);
}

/* ---- delete ---- */

struct removal {
    struct pn_call *call;
    struct pn_lease_scope scope;
    struct pn_dynamic_secret *row;
    bool is_forced;
};

static bool note_removal(struct pn_db_conn *tx, const struct removal *r, int64_t leases,
                         struct pn_err *err)
{
    struct pn_lease_event event =
        pn_lease_event_of("delete-dynamic-secret", &r->scope, r->row, NULL);

    event.count = leases;
    event.has_forced = true;
    event.is_forced = r->is_forced;
    return pn_lease_record(tx, r->call, &event, err);
}

static bool drop_lease(struct pn_db_conn *tx, const struct removal *r, const struct pn_lease *lease,
                       struct pn_err *err)
{
    struct pn_lease_event event =
        pn_lease_event_of("delete-dynamic-secret-lease", &r->scope, r->row, lease);

    event.has_forced = event.is_forced = true;
    event.has_abandoned = true;
    return pn_lease_row_delete(tx, lease->id, err) &&
           pn_job_drop(tx, PN_JOB_LEASE, lease->id, err) &&
           pn_lease_record(tx, r->call, &event, err);
}

static bool drop_some(struct pn_db_conn *tx, const struct removal *r, struct pn_arena *arena,
                      size_t *count, struct pn_err *err)
{
    const struct pn_lease *lease;
    struct pn_list leases;

    if (!pn_lease_row_list(tx, arena, r->row->id, DROPPED_AT_ONCE, &leases, err))
        return false;
    lease = leases.items;
    for (size_t i = 0; i < leases.count; i++)
        if (!drop_lease(tx, r, &lease[i], err))
            return false;
    *count = leases.count;
    return true;
}

/*
 * What was handed out is forgotten, and on record. An intent is not: its maker is at the cluster, sees that it is not
 * wanted any more, and takes back what it made; or its job does.
 */
static bool drop_leases(struct pn_db_conn *tx, const struct removal *r, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(DROP_BUDGET);
    size_t count = DROPPED_AT_ONCE;

    while (count == DROPPED_AT_ONCE) {
        if (!drop_some(tx, r, arena, &count, err))
            return false;
        pn_arena_reset(arena);
    }
    return true;
}

static bool write_delete(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct removal *r = context;
    int64_t leases;

    if (!pn_lease_row_count(tx, r->row->id, &leases, err) ||
        !(r->is_forced ? drop_leases(tx, r, err) : pn_lease_end_all(tx, r->row->id, err)) ||
        !note_removal(tx, r, leases, err))
        return false;
    if (leases > 0 && !r->is_forced) {
        r->row->status = PN_LIT(REVOKING);
        r->row->statusDetails = PN_NONE;
        return pn_dynamic_row_set_status(tx, r->row->id, REVOKING, PN_NONE, err);
    }
    return pn_dynamic_row_delete(tx, r->row->id, err) && pn_config_prune(tx, r->row->id, err);
}

bool pn_dynamic_secret_delete(struct pn_call *call, const struct pn_lease_at *at,
                              struct pn_str name, bool is_forced, struct pn_dynamic_secret *out,
                              struct pn_err *err)
{
    struct removal r = { .call = call, .row = out, .is_forced = is_forced };

    return pn_lease_scope_open(call, at, PN_LEASE_WORDS_CHANGE, &r.scope, err) &&
           pn_lease_scope_secret(call, &r.scope, name, out, err) &&
           pn_lease_scope_permit(call, &r.scope, out->metadata, "delete-root-credential", err) &&
           pn_db_write(call->db, write_delete, &r, err);
}

/* ---- reading ---- */

/* Who may make leases sees what they are made of by name; the inputs are for who could change them (D9). */
static bool permit_get(struct pn_call *call, const struct pn_lease_scope *scope,
                       struct pn_dynamic_secret *row, struct pn_err *err)
{
    bool may_read = pn_lease_scope_may(scope, row->metadata, "read-root-credential"),
         may_edit = pn_lease_scope_may(scope, row->metadata, "edit-root-credential");

    if (!may_read && !pn_lease_scope_may(scope, row->metadata, "lease"))
        return pn_lease_scope_permit(call, scope, row->metadata, "read-root-credential", err);
    if (!may_read || !may_edit)
        row->inputs = PN_NONE;
    return true;
}

bool pn_dynamic_secret_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                           struct pn_dynamic_secret *out, struct pn_err *err)
{
    struct pn_lease_scope scope;
    struct pn_lease_event event;

    if (!pn_lease_scope_open(call, at, PN_LEASE_WORDS_READ, &scope, err) ||
        !pn_lease_scope_secret(call, &scope, name, out, err) || !permit_get(call, &scope, out, err))
        return false;
    event = pn_lease_event_of("get-dynamic-secret", &scope, out, NULL);
    return pn_lease_record_read(call, &event, err);
}

/* Who could see none, whatever there is, is refused the list. */
static bool permit_list(struct pn_call *call, const struct pn_lease_scope *scope,
                        struct pn_err *err)
{
    const struct pn_list none = { 0 };

    return pn_ability_may_some(scope->ability, "dynamic-secrets", "read-root-credential") ||
           pn_ability_may_some(scope->ability, "dynamic-secrets", "lease") ||
           pn_lease_scope_permit(call, scope, none, "read-root-credential", err);
}

bool pn_dynamic_secret_list(struct pn_call *call, const struct pn_lease_at *at, struct pn_list *out,
                            struct pn_err *err)
{
    struct pn_lease_scope scope;
    struct pn_lease_event event;
    struct pn_dynamic_secret *rows;
    size_t kept = 0;

    if (!pn_lease_scope_open(call, at, PN_LEASE_WORDS_READ, &scope, err) ||
        !permit_list(call, &scope, err) || !pn_lease_scope_folder(call, &scope, err) ||
        !pn_dynamic_row_list(call->conn, call->arena, scope.place.folder_id, out, err))
        return false;
    rows = out->items;
    for (size_t i = 0; i < out->count; i++) {
        if (!pn_lease_scope_may(&scope, rows[i].metadata, "read-root-credential"))
            continue;
        rows[kept] = rows[i];
        rows[kept++].inputs = PN_NONE;
    }
    out->count = kept;
    event = pn_lease_event_of("list-dynamic-secrets", &scope, NULL, NULL);
    event.count = (int64_t)kept;
    return pn_lease_record_read(call, &event, err);
}
