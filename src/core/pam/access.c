/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/access.h"

#include "base/clock.h"
#include "core/gateway/pki.h"
#include "core/gateway/pools.h"
#include "core/gateway/tunnels.h"
#include "core/job/job.h"
#include "core/org/permission.h"
#include "core/pam/account.h"
#include "core/pam/cluster.h"
#include "core/pam/rules.h"
#include "core/trail.h"
#include "crypto/random.h"
#include "json/writer.h"

/* Private extensions of a client's certificate (contract §7.3). */
#define OID_TARGET "1.3.6.1.4.1.12345.100.1"
#define OID_ACTOR "1.3.6.1.4.1.12345.100.2"
#define OID_SESSION "1.3.6.1.4.1.12345.100.3"
#define OID_RELAY_CLIENT OID_SESSION /* of a certificate for relays: another meaning, §7.4 */

#define MAX_CANDIDATES \
    100 /* projects of one organisation with the same resource and account name */
#define MIN_DURATION_MS 1000
#define MAX_EXTENSION_BYTES ((size_t)2048)

/* The account as the decision needs it. */
struct target {
    struct pn_uuid account_id, project_id, gateway_id, pool_id;
    struct pn_str resource_name, account_name, gateway_name, auth_method, url;
    struct pn_str namespace, service_account_name;
    int64_t max_duration_s;
    bool needs_reason;
};

/* ---- which account ---- */

struct reference {
    struct pn_str resource, account; /* or: */
    struct pn_uuid id;
    struct pn_str text; /* as the caller said it, for the 404 */
};

static bool read_reference(struct pn_call *call, const struct pn_pam_access_wish *wish,
                           struct reference *out, struct pn_err *err)
{
    *out = (struct reference){ 0 };
    if (wish->path.ptr != NULL ||
        (wish->account_path.ptr != NULL && wish->resource_name.ptr == NULL)) {
        out->text = wish->path.ptr != NULL ? wish->path : wish->account_path;
        return pn_pam_path_split(out->text, &out->resource, &out->account, err);
    }
    if (wish->resource_name.len > 0 && wish->account_name.len > 0) {
        out->resource = wish->resource_name;
        out->account = wish->account_name;
        out->text =
            pn_arena_printf(call->arena, "%.*s/%.*s", PN_ARG(out->resource), PN_ARG(out->account));
        return true;
    }
    if (pn_uuid_is_zero(wish->account_id))
        return pn_fail(
            err, PN_BAD_REQUEST,
            "Say which account: path, resourceName and accountName, accountPath, or accountId");
    out->id = wish->account_id;
    out->text = pn_uuid_str(call->arena, out->id);
    return true;
}

static bool refuse_missing(const struct reference *ref, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Account '%.*s' not found", PN_ARG(ref->text));
}

#define SELECT_TARGET                                                                              \
    "SELECT a.id, a.project_id, r.name, a.name, a.auth_method, a.max_duration_s, t.max_duration_s" \
    ", t.needs_reason, a.namespace, a.service_account_name, " PN_PAM_CLUSTER_COLUMNS               \
        PN_PAM_CLUSTER_FROM "JOIN projects p ON p.id = a.project_id"                               \
    " WHERE p.org_id = $org AND ($any_project = 1 OR p.id = $project) "
#define CLUSTER_COLUMN 10

static struct target read_target(struct pn_query *q, struct pn_arena *arena)
{
    const struct pn_pam_clusters clusters = pn_pam_cluster_read(q, CLUSTER_COLUMN, arena);
    const struct pn_pam_cluster cluster = pn_pam_cluster_choose(&clusters);
    int64_t of_account = pn_column_int(q, 5), of_template = pn_column_int(q, 6);

    return (struct target){
        .account_id = pn_column_uuid(q, 0),
        .project_id = pn_column_uuid(q, 1),
        .resource_name = pn_column_str(q, 2, arena),
        .account_name = pn_column_str(q, 3, arena),
        .auth_method = pn_column_str(q, 4, arena),
        .max_duration_s = of_template > 0 && of_template < of_account ? of_template : of_account,
        .needs_reason = pn_column_int(q, 7) != 0,
        .namespace = pn_column_str(q, 8, arena),
        .service_account_name = pn_column_str(q, 9, arena),
        .url = cluster.connection.url,
        .gateway_id = cluster.gateway_id,
        .pool_id = cluster.pool_id,
    };
}

static bool find_candidates(struct pn_call *call, const struct pn_pam_access_wish *wish,
                            const struct reference *ref, struct target *out, size_t *count,
                            struct pn_err *err)
{
    struct pn_query *q;

    if (pn_uuid_is_zero(ref->id)) {
        q = pn_query(call->conn,
                     SELECT_TARGET "AND r.name = $resource AND a.name = $account LIMIT $limit");
        pn_bind_str(q, "$resource", ref->resource);
        pn_bind_str(q, "$account", ref->account);
    } else {
        q = pn_query(call->conn, SELECT_TARGET "AND a.id = $id LIMIT $limit");
        pn_bind_uuid(q, "$id", ref->id);
    }
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$any_project", pn_uuid_is_zero(wish->project_id));
    pn_bind_uuid(q, "$project", wish->project_id);
    pn_bind_int(q, "$limit", MAX_CANDIDATES);
    *count = 0;
    while (*count < MAX_CANDIDATES && pn_query_next(q))
        out[(*count)++] = read_target(q, call->arena);
    return pn_query_end(q, err);
}

static bool permit(struct pn_call *call, const struct target *target, const char *action,
                   struct pn_err *err)
{
    const struct pn_permit_object account = pn_pam_account_object(
        target->resource_name, target->account_name,
        pn_arena_printf(call->arena, "%.*s/%.*s", PN_ARG(target->resource_name),
                        PN_ARG(target->account_name)));
    const struct pn_ability *ability;

    return pn_ability_load(call, target->project_id, &ability, err) &&
           pn_ability_permit(call, ability, &account, action, err);
}

/* The one account of that name that the caller may see. */
static bool find_target(struct pn_call *call, const struct pn_pam_access_wish *wish,
                        struct target *out, struct pn_err *err)
{
    struct target *candidates = pn_new(call->arena, struct target, MAX_CANDIDATES);
    struct reference ref;
    size_t count, visible = 0;

    if (!read_reference(call, wish, &ref, err) ||
        !find_candidates(call, wish, &ref, candidates, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pn_err refusal = { 0 };

        if (!permit(call, &candidates[i], "read", &refusal))
            continue;
        *out = candidates[i];
        visible++;
    }
    if (visible == 0)
        return refuse_missing(&ref, err);
    if (visible > 1)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Several of your projects have an account '%.*s': add projectId",
                       PN_ARG(ref.text));
    return true;
}

/* ---- how long ---- */

static bool grant_duration(struct pn_str wanted, int64_t max_duration_s, int64_t *ms,
                           struct pn_err *err)
{
    *ms = INT64_C(1000) * PN_PAM_SESSION_DEFAULT_S;
    if (wanted.len > 0 && !pn_clock_parse_duration(wanted, ms))
        return pn_fail(err, PN_BAD_REQUEST, "Invalid duration format");
    if (*ms < MIN_DURATION_MS)
        return pn_fail(err, PN_BAD_REQUEST, "A session lasts one second at least");
    if (*ms > 1000 * max_duration_s)
        *ms = 1000 * max_duration_s;
    return true;
}

/* ---- the certificate ---- */

static struct pn_str target_extension(struct pn_arena *arena, struct pn_str url)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_EXTENSION_BYTES);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_pam_url parsed = { 0 };

    if (!pn_pam_url_parse(url, &parsed))
        parsed.host = PN_LIT("");
    pn_write_object(&w, NULL);
    pn_write_str(&w, "targetHost", parsed.host);
    pn_write_int(&w, "targetPort", parsed.port);
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static const char *actor_word(const struct pn_actor *actor)
{
    return actor->kind == PN_ACTOR_IDENTITY ? "identity" : "user";
}

static struct pn_str actor_extension(struct pn_arena *arena, const struct pn_actor *actor)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_EXTENSION_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "type", actor_word(actor));
    pn_write_uuid(&w, "id", actor->id);
    pn_write_str(&w, "name", pn_str_slice(actor->name, 0, 256));
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static bool issue(struct pn_call *call, const struct target *target, struct pn_pam_access *out,
                  struct pn_err *err)
{
    struct pn_str session = pn_uuid_str(call->arena, out->session_id);
    struct pn_str gateway = pn_uuid_str(call->arena, target->gateway_id);
    const struct pn_cert_extension extensions[] = {
        { OID_TARGET, target_extension(call->arena, target->url) },
        { OID_ACTOR, actor_extension(call->arena, &call->actor) },
        { OID_SESSION,
          pn_arena_printf(call->arena, "{\"sessionId\":\"%.*s\",\"resourceType\":\"kubernetes\"}",
                          PN_ARG(session)) },
    };
    const struct pn_cert_request request = {
        .kind = PN_CERT_CLIENT,
        .common_name =
            pn_arena_printf(call->arena, "%s:%.*s", actor_word(&call->actor), PN_ARG(gateway)),
        .unit = PN_LIT("gateway-client"),
        .extensions = extensions,
        .extension_count = PN_COUNT(extensions),
        .not_after_ms = out->expires_ms,
    };
    struct pn_pki_leaf leaf;

    if (!pn_pki_issue(call, call->actor.org_id, PN_AUTHORITY_CLIENT, request, &leaf, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_GATEWAY, &out->server_chain, err))
        return pn_recast(err, PN_INTERNAL, "The session's certificate could not be issued");
    out->certificate =
        pn_arena_printf(call->arena, "%.*s%.*s", PN_ARG(leaf.certificate), PN_ARG(leaf.issuer));
    out->key = leaf.key;
    out->server_name =
        pn_arena_printf(call->arena, "%.*s.gateway.postern.internal", PN_ARG(gateway));
    return true;
}

static struct pn_str gateway_extension(struct pn_arena *arena, struct pn_str name)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_EXTENSION_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "name", name);
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

/* What a relay asks of Infisical's own client before it passes anything on (§7.4). */
static bool issue_for_relay(struct pn_call *call, const struct target *target,
                            struct pn_pam_access *out, struct pn_err *err)
{
    const struct pn_cert_extension extension = {
        OID_RELAY_CLIENT, gateway_extension(call->arena, target->gateway_name)
    };
    const struct pn_cert_request request = {
        .kind = PN_CERT_CLIENT,
        .common_name = pn_uuid_str(call->arena, target->gateway_id),
        .unit = PN_LIT("relay-client"),
        .extensions = &extension,
        .extension_count = 1,
        .not_after_ms = out->expires_ms,
    };
    struct pn_pki_leaf leaf;

    if (out->relays.count == 0)
        return true;
    if (!pn_pki_issue(call, call->actor.org_id, PN_AUTHORITY_RELAY_CLIENT, request, &leaf, err) ||
        !pn_pki_chain(call, call->actor.org_id, PN_AUTHORITY_RELAY, &out->relay_chain, err))
        return pn_recast(err, PN_INTERNAL, "The certificate for the relay could not be issued");
    out->relay_certificate = leaf.certificate;
    out->relay_key = leaf.key;
    return true;
}

/* ---- the row ---- */

struct opening {
    struct pn_call *call;
    const struct target *target;
    const struct pn_pam_access *access;
    struct pn_str reason;
};

static bool note(struct pn_db_conn *tx, const struct opening *o, struct pn_err *err)
{
    struct pn_arena *arena = o->call->arena;

    return pn_trail_write(
        tx, o->call,
        &(struct pn_trail){
            .type = "pam-account-access",
            .project_id = o->target->project_id,
            .fields = { { "sessionId", pn_uuid_str(arena, o->access->session_id) },
                        { "accountId", pn_uuid_str(arena, o->target->account_id) },
                        { "resourceName", o->target->resource_name },
                        { "accountName", o->target->account_name },
                        { "duration",
                          pn_arena_printf(arena, "%lldms",
                                          (long long)(o->access->expires_ms - o->call->now_ms)) },
                        { "reason", o->reason } } },
        err);
}

static struct pn_str access_method(struct pn_str user_agent)
{
    return pn_str_search(user_agent, PN_LIT("Mozilla")) >= 0 ? PN_LIT("web") : PN_LIT("cli");
}

/* Since it was read the account may have gone, or moved to another gateway. */
static bool is_still_there(struct pn_db_conn *tx, const struct opening *o, bool *is_same,
                           struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, SELECT_TARGET "AND a.id = $id");
    struct target now = { 0 };

    pn_bind_uuid(q, "$org", o->call->actor.org_id);
    pn_bind_int(q, "$any_project", 1);
    pn_bind_uuid(q, "$project", o->target->project_id);
    pn_bind_uuid(q, "$id", o->target->account_id);
    *is_same = pn_query_next(q);
    if (*is_same)
        now = read_target(q, o->call->arena);
    if (!pn_query_end(q, err))
        return false;
    *is_same = *is_same && pn_str_eq(now.url, o->target->url) &&
               pn_uuid_eq(now.pool_id, o->target->pool_id) &&
               (!pn_uuid_is_zero(now.pool_id) || pn_uuid_eq(now.gateway_id, o->target->gateway_id));
    return true;
}

/* By its length: no step of the clock makes it last longer. */
static bool write_end(struct pn_db_conn *tx, const struct opening *o, struct pn_err *err)
{
    const struct pn_job_where where = { o->call->actor.org_id, PN_LIT("") };
    const int64_t now_ms = pn_clock_lease_ms();

    return pn_job_put(tx, PN_JOB_SESSION, o->access->session_id, &where,
                      now_ms + o->access->expires_ms - o->call->now_ms, now_ms, err);
}

/*
 * Since it was asked the actor may have left the project or the organisation, or lost the right there, whose sessions
 * were ended then, and the gateway its pool: nothing is stored.
 */
static bool write_session(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct opening *o = context;
    const struct pn_actor *actor = &o->call->actor;
    struct pn_call now = pn_call_within(o->call, tx);
    struct pn_query *q;
    int64_t added;
    bool is_same;

    if (!is_still_there(tx, o, &is_same, err))
        return false;
    if (!is_same)
        return pn_fail(err, PN_CONFLICT, "The account has just changed: try again");
    q = pn_query(
        tx, "INSERT INTO pam_sessions (id, org_id, project_id, account_id, gateway_id,"
            " resource_name, account_name, gateway_name, user_id, identity_id, actor_name,"
            " actor_ip, actor_user_agent, access_method, reason, status, created_ms, expires_ms,"
            " updated_ms) SELECT $id, $org, a.project_id, a.id, g.id, r.name, a.name, g.name,"
            " $user, $identity, $actor_name, $ip, $agent, $method, $reason, 'starting', $now,"
            " $expires, $now FROM pam_accounts a JOIN pam_resources r ON r.id = a.resource_id"
            " JOIN gateways g ON g.id = $gateway AND ($pool IS NULL OR EXISTS (SELECT 1 FROM"
            " gateway_pool_members m WHERE m.pool_id = $pool AND m.gateway_id = g.id))"
            " WHERE a.id = $account"
            " AND EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = a.project_id"
            " AND (m.identity_id = $identity OR (m.user_id = $user AND EXISTS (SELECT 1"
            " FROM org_members o WHERE o.user_id = $user AND o.org_id = $org"
            " AND o.status = 'accepted' AND o.is_active = 1))))");
    pn_bind_uuid(q, "$id", o->access->session_id);
    pn_bind_uuid(q, "$org", actor->org_id);
    pn_bind_uuid(q, "$user", actor->kind == PN_ACTOR_USER ? actor->id : (struct pn_uuid){ { 0 } });
    pn_bind_uuid(q, "$identity",
                 actor->kind == PN_ACTOR_IDENTITY ? actor->id : (struct pn_uuid){ { 0 } });
    pn_bind_str(q, "$actor_name", actor->name.ptr != NULL ? actor->name : PN_LIT(""));
    pn_bind_str(q, "$ip", o->call->ip);
    pn_bind_str(q, "$agent", pn_str_slice(o->call->user_agent, 0, 512));
    pn_bind_str(q, "$method", access_method(o->call->user_agent));
    pn_bind_str(q, "$reason", o->reason);
    pn_bind_int(q, "$now", o->call->now_ms);
    pn_bind_int(q, "$expires", o->access->expires_ms);
    pn_bind_uuid(q, "$account", o->target->account_id);
    pn_bind_uuid(q, "$gateway", o->target->gateway_id);
    pn_bind_uuid(q, "$pool", o->target->pool_id);
    if (!pn_query_run(q, &added, err))
        return false;
    if (added != 1)
        return pn_fail(err, PN_CONFLICT, "The account has just changed: try again");
    return permit(&now, o->target, "access", err) && write_end(tx, o, err) && note(tx, o, err);
}

/* ---- the decision, step by step as in §13.3 ---- */

static bool check_reason(const struct target *target, const struct pn_pam_access_wish *wish,
                         struct pn_err *err)
{
    if (!target->needs_reason || pn_str_trim(wish->reason).len > 0)
        return true;
    (void)pn_fail(err, PN_BAD_REQUEST, "Say why: a session of this account needs a reason");
    return pn_err_named(err, "PAM_REASON_REQUIRED");
}

/* Its own gateway, or else one of the pool: the session is pinned to it. */
static bool choose_gateway(struct pn_call *call, struct target *target, struct pn_err *err)
{
    struct pn_list reachable;

    if (!pn_uuid_is_zero(target->gateway_id) || pn_uuid_is_zero(target->pool_id))
        return true;
    if (!pn_pools_reachable(call, call->actor.org_id, target->pool_id, &reachable, err))
        return false;
    if (reachable.count == 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Gateway not configured for this account: no gateway of its pool has a live "
                       "tunnel");
    target->gateway_id = *(struct pn_uuid *)reachable.items;
    return true;
}

static bool name_gateway(struct pn_call *call, struct target *target, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT name FROM gateways WHERE id = $id");

    pn_bind_uuid(q, "$id", target->gateway_id);
    if (pn_query_next(q))
        target->gateway_name = pn_column_str(q, 0, call->arena);
    return pn_query_end(q, err);
}

static bool find_road(struct pn_call *call, struct target *target, struct pn_pam_access *out,
                      struct pn_err *err)
{
    struct pn_tunnels_road road;

    if (!choose_gateway(call, target, err))
        return false;
    if (pn_uuid_is_zero(target->gateway_id))
        return pn_fail(err, PN_BAD_REQUEST, "Gateway not configured for this account");
    if (!name_gateway(call, target, err) || !pn_tunnels_find(call, target->gateway_id, &road, err))
        return false;
    if (!road.is_open)
        return pn_fail(err, PN_BAD_REQUEST,
                       "Gateway not configured for this account: gateway '%.*s' has no live "
                       "tunnel; is it running?",
                       PN_ARG(target->gateway_name));
    out->relays = road.relays;
    out->direct_address = road.direct_address;
    return true;
}

bool pn_pam_access_open(struct pn_call *call, const struct pn_pam_access_wish *wish,
                        struct pn_pam_access *out, struct pn_err *err)
{
    struct pn_pam_access access = { .session_id = pn_random_uuid() };
    struct target target;
    int64_t duration_ms;

    if (!find_target(call, wish, &target, err) || !permit(call, &target, "access", err) ||
        !grant_duration(wish->duration, target.max_duration_s, &duration_ms, err) ||
        !check_reason(&target, wish, err) || !find_road(call, &target, &access, err))
        return false;
    /* Certificates count whole seconds; the session ends with its certificate, not after it. */
    access.expires_ms = (call->now_ms + duration_ms) / 1000 * 1000;
    access.account_id = target.account_id;
    access.project_id = target.project_id;
    access.gateway_id = target.gateway_id;
    access.resource_name = target.resource_name;
    access.account_name = target.account_name;
    access.auth_method = target.auth_method;
    access.namespace = target.namespace;
    access.service_account_name = target.service_account_name;
    if (!issue(call, &target, &access, err) || !issue_for_relay(call, &target, &access, err) ||
        !pn_db_write(call->db, write_session,
                     &(struct opening){ call, &target, &access,
                                        wish->reason.len > 0 ? wish->reason : PN_NONE },
                     err))
        return false;
    *out = access;
    return true;
}
