/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/session.h"

#include "base/log.h"
#include "core/job/job.h"
#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/trail.h"

#define CLOSE_AT_ONCE 500
#define PAGE_MAX 100
#define ARENA_BYTES ((size_t)4 << 20)

static const char *const state_names[PN_PAM_STATES] = {
    [PN_PAM_STARTING] = "starting",
    [PN_PAM_ACTIVE] = "active",
    [PN_PAM_ENDED] = "ended",
    [PN_PAM_TERMINATED] = "terminated",
};

/* [from][to] */
static const bool may[PN_PAM_STATES][PN_PAM_STATES] = {
    [PN_PAM_STARTING] = { [PN_PAM_ACTIVE] = true,
                          [PN_PAM_ENDED] = true,
                          [PN_PAM_TERMINATED] = true },
    [PN_PAM_ACTIVE] = { [PN_PAM_ENDED] = true, [PN_PAM_TERMINATED] = true },
};

static const char *const change_events[PN_PAM_STATES] = {
    [PN_PAM_ACTIVE] = "pam-session-start",
    [PN_PAM_ENDED] = "pam-session-end",
    [PN_PAM_TERMINATED] = "pam-session-terminate",
};

const char *pn_pam_state_name(enum pn_pam_state state)
{
    return state_names[state];
}

bool pn_pam_state_parse(struct pn_str name, enum pn_pam_state *out)
{
    for (int i = 0; i < PN_PAM_STATES; i++) {
        if (!pn_str_is(name, state_names[i]))
            continue;
        *out = (enum pn_pam_state)i;
        return true;
    }
    return false;
}

bool pn_pam_state_may(enum pn_pam_state from, enum pn_pam_state to)
{
    return may[from][to];
}

static bool is_over(enum pn_pam_state state)
{
    return state == PN_PAM_ENDED || state == PN_PAM_TERMINATED;
}

/* ---- rows ---- */

#define COLUMNS                                                                                  \
    "s.id, s.project_id, s.account_id, s.gateway_id, s.user_id, s.identity_id, s.resource_name," \
    " s.account_name, s.gateway_name, s.actor_name, s.actor_ip, s.actor_user_agent, s.status,"   \
    " s.access_method, s.reason, s.end_reason, s.ended_by, s.created_ms, s.started_ms, "         \
    "s.ended_ms,"                                                                                \
    " s.expires_ms, s.updated_ms, s.requests, s.request_bytes, s.response_bytes"
#define COLUMN_COUNT 25

static void read_row(struct pn_query *q, struct pn_arena *arena, struct pn_pam_session *out)
{
    *out = (struct pn_pam_session){
        .id = pn_column_uuid(q, 0),
        .projectId = pn_column_uuid(q, 1),
        .accountId = pn_column_uuid(q, 2),
        .gatewayId = pn_column_uuid(q, 3),
        .userId = pn_column_uuid(q, 4),
        .identityId = pn_column_uuid(q, 5),
        .accountType = PN_LIT("kubernetes"),
        .resourceType = PN_LIT("kubernetes"),
        .resourceName = pn_column_str(q, 6, arena),
        .accountName = pn_column_str(q, 7, arena),
        .gatewayName = pn_column_str(q, 8, arena),
        .actorName = pn_column_str(q, 9, arena),
        .actorIp = pn_column_str(q, 10, arena),
        .actorUserAgent = pn_column_str(q, 11, arena),
        .status = pn_column_str(q, 12, arena),
        .accessMethod = pn_column_str(q, 13, arena),
        .reason = pn_column_str(q, 14, arena),
        .endReason = pn_column_str(q, 15, arena),
        .endedBy = pn_column_str(q, 16, arena),
        .createdAt = pn_column_int(q, 17),
        .startedAt = pn_column_int(q, 18),
        .endedAt = pn_column_int(q, 19),
        .expiresAt = pn_column_int(q, 20),
        .updatedAt = pn_column_int(q, 21),
        .requests = pn_column_int(q, 22),
        .requestBytes = pn_column_int(q, 23),
        .responseBytes = pn_column_int(q, 24),
    };
    out->accountPath =
        pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(out->resourceName), PN_ARG(out->accountName));
    out->actorType = pn_uuid_is_zero(out->identityId) ? PN_LIT("user") : PN_LIT("identity");
    if (pn_str_find(out->actorName, '@') > 0)
        out->actorEmail = out->actorName;
    if (!pn_pam_state_parse(out->status, &out->state))
        out->state = PN_PAM_TERMINATED; /* a state of a newer program: nothing may follow it here */
}

bool pn_pam_session_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                         struct pn_uuid org, struct pn_pam_session *out, bool *is_there,
                         struct pn_err *err)
{
    struct pn_query *q = pn_query(
        conn, "SELECT " COLUMNS " FROM pam_sessions s WHERE s.id = $id AND s.org_id = $org");

    pn_bind_uuid(q, "$id", id);
    pn_bind_uuid(q, "$org", org);
    *is_there = pn_query_next(q);
    if (*is_there)
        read_row(q, arena, out);
    return pn_query_end(q, err);
}

/* ---- the state machine ---- */

/* "user:alice@example.com": who brought the change about, for the row. */
static struct pn_str name_of(const struct pn_call *call)
{
    static const char *const kinds[] = {
        [PN_ACTOR_NONE] = "nobody",       [PN_ACTOR_USER] = "user",
        [PN_ACTOR_IDENTITY] = "identity", [PN_ACTOR_GATEWAY] = "gateway",
        [PN_ACTOR_RELAY] = "relay",       [PN_ACTOR_SERVICE] = "service",
        [PN_ACTOR_PLATFORM] = "platform",
    };

    if (call->actor.name.len == 0 || call->actor.kind == PN_ACTOR_PLATFORM)
        return pn_str_from(kinds[call->actor.kind]);
    return pn_arena_printf(call->arena, "%s:%.*s", kinds[call->actor.kind],
                           PN_ARG(call->actor.name));
}

static bool update_state(struct pn_db_conn *tx, const struct pn_call *call,
                         const struct pn_pam_session *session, enum pn_pam_state to,
                         struct pn_str reason, struct pn_err *err)
{
    struct pn_query *q;
    int64_t changed;

    if (is_over(to)) {
        q = pn_query(tx, "UPDATE pam_sessions SET status = $to, ended_ms = $now, end_reason = "
                         "$reason, ended_by = $by,"
                         " updated_ms = $now WHERE id = $id AND status = $from");
        pn_bind_str(q, "$reason", reason);
        pn_bind_str(q, "$by", name_of(call));
    } else {
        q = pn_query(tx,
                     "UPDATE pam_sessions SET status = $to, started_ms = $now, updated_ms = $now"
                     " WHERE id = $id AND status = $from");
    }
    pn_bind_str(q, "$to", pn_str_from(state_names[to]));
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_uuid(q, "$id", session->id);
    pn_bind_str(q, "$from", pn_str_from(state_names[session->state]));
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed != 1)
        return pn_fail(err, PN_CONFLICT, "The session has just changed: try again");
    return true;
}

bool pn_pam_session_set_state(struct pn_db_conn *tx, const struct pn_call *call,
                              struct pn_pam_session *session, enum pn_pam_state to,
                              struct pn_str reason, struct pn_err *err)
{
    if (!may[session->state][to])
        return pn_fail(err, PN_BAD_REQUEST, "The session is %s: it cannot become %s",
                       state_names[session->state], state_names[to]);
    if (!update_state(tx, call, session, to, reason, err) ||
        (is_over(to) && !pn_job_drop(tx, PN_JOB_SESSION, session->id, err)))
        return false;
    session->state = to;
    session->status = pn_str_from(state_names[to]);
    session->updatedAt = call->now_ms;
    if (is_over(to)) {
        session->endedAt = call->now_ms;
        session->endReason = reason;
        session->endedBy = name_of(call);
    } else {
        session->startedAt = call->now_ms;
    }
    return pn_trail_write(
        tx, call,
        &(struct pn_trail){ .type = change_events[to],
                            .project_id = session->projectId,
                            .fields = { { "sessionId", pn_uuid_str(call->arena, session->id) },
                                        { "resourceName", session->resourceName },
                                        { "accountName", session->accountName },
                                        { "actorName", session->actorName },
                                        { "reason", reason } } },
        err);
}

static void log_change(const struct pn_pam_session *session, enum pn_pam_state from)
{
    const struct pn_uuid_text id = pn_uuid_format(session->id);

    pn_log(PN_INFO, "session-state", PN_F_TEXT("session", id.text),
           PN_F_TEXT("from", state_names[from]), PN_F_TEXT("to", state_names[session->state]),
           PN_F_STR("reason", session->endReason));
}

/* ---- who may see it ---- */

bool pn_pam_session_owns(const struct pn_actor *actor, const struct pn_pam_session *session)
{
    if (actor->kind == PN_ACTOR_USER)
        return pn_uuid_eq(actor->id, session->userId);
    if (actor->kind == PN_ACTOR_IDENTITY)
        return pn_uuid_eq(actor->id, session->identityId);
    return false;
}

static bool may_see(struct pn_call *call, const struct pn_pam_session *session)
{
    struct pn_err refusal = { 0 };

    if (call->actor.kind == PN_ACTOR_GATEWAY)
        return pn_uuid_eq(call->actor.id, session->gatewayId);
    return pn_pam_session_owns(&call->actor, session) ||
           pn_permit_project(call, session->projectId, "pam-sessions", "read", &refusal);
}

bool pn_pam_session_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_session *out,
                        struct pn_err *err)
{
    bool is_there;

    if (!pn_pam_session_find(call->conn, call->arena, id, call->actor.org_id, out, &is_there, err))
        return false;
    if (!is_there || !may_see(call, out))
        return pn_fail(err, PN_NOT_FOUND, "Session %s not found", pn_uuid_format(id).text);
    return true;
}

/* ---- list ---- */

#define LIST_WHERE                                                                                 \
    " FROM pam_sessions s WHERE s.org_id = $org AND ($any_project = 1 OR s.project_id = $project)" \
    " AND ($any_owner = 1 OR s.user_id = $owner OR s.identity_id = $owner)"                        \
    " AND ($status = '' OR s.status = $status)"                                                    \
    " AND (lower(s.resource_name) LIKE $like ESCAPE '\\' OR lower(s.account_name) LIKE $like "     \
    "ESCAPE '\\'"                                                                                  \
    " OR lower(s.actor_name) LIKE $like ESCAPE '\\')"

static void bind_filter(struct pn_query *q, struct pn_call *call,
                        const struct pn_pam_session_filter *filter, struct pn_str like,
                        bool may_see_all)
{
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$any_project", pn_uuid_is_zero(filter->project_id));
    pn_bind_uuid(q, "$project", filter->project_id);
    pn_bind_int(q, "$any_owner", may_see_all);
    pn_bind_uuid(q, "$owner", call->actor.id);
    pn_bind_str(q, "$status", filter->status.ptr != NULL ? filter->status : PN_LIT(""));
    pn_bind_str(q, "$like", like);
}

/* Auditors see everything in a project, its other members their own. */
static bool find_view(struct pn_call *call, struct pn_uuid project, bool *may_see_all,
                      struct pn_err *err)
{
    const struct pn_ability *ability;

    *may_see_all = false;
    if (pn_uuid_is_zero(project))
        return true;
    if (!pn_ability_load(call, project, &ability, err))
        return false;
    *may_see_all = pn_ability_may_all(ability, "pam-sessions", "read");
    return *may_see_all || pn_ability_permit_some(call, ability, "pam-accounts", "read", err);
}

bool pn_pam_session_list(struct pn_call *call, const struct pn_pam_session_filter *filter,
                         struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_pam_session *rows;
    struct pn_str like;
    struct pn_query *q;
    bool may_see_all;

    if (!find_view(call, filter->project_id, &may_see_all, err))
        return false;
    like = pn_pam_like(call->arena, filter->search);
    q = pn_query(call->conn, "SELECT count(*)" LIST_WHERE);
    bind_filter(q, call, filter, like, may_see_all);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    if (!pn_query_end(q, err))
        return false;
    rows = pn_new(call->arena, struct pn_pam_session, PAGE_MAX);
    *out = (struct pn_list){ .items = rows };
    q = pn_query(call->conn, "SELECT " COLUMNS LIST_WHERE
                             " ORDER BY s.created_ms DESC, s.id DESC LIMIT $limit OFFSET $offset");
    bind_filter(q, call, filter, like, may_see_all);
    pn_bind_int(q, "$limit", filter->limit < PAGE_MAX ? filter->limit : PAGE_MAX);
    pn_bind_int(q, "$offset", filter->offset);
    while (out->count < PAGE_MAX && pn_query_next(q))
        read_row(q, call->arena, &rows[out->count++]);
    return pn_query_end(q, err);
}

/* ---- end and terminate ---- */

struct ending {
    struct pn_call *call;
    struct pn_pam_session *session; /* read again in the transaction */
    enum pn_pam_state from, to;
    struct pn_str reason;
    bool is_idempotent;
};

static bool write_ending(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct ending *e = context;
    bool is_there;

    if (!pn_pam_session_find(tx, e->call->arena, e->session->id, e->call->actor.org_id, e->session,
                             &is_there, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_NOT_FOUND, "Session %s not found",
                       pn_uuid_format(e->session->id).text);
    e->from = e->session->state;
    if (e->is_idempotent && is_over(e->from))
        return true;
    return pn_pam_session_set_state(tx, e->call, e->session, e->to, e->reason, err);
}

static bool finish(struct ending *e, struct pn_err *err)
{
    if (!pn_db_write(e->call->db, write_ending, e, err))
        return false;
    if (e->session->state != e->from)
        log_change(e->session, e->from);
    return true;
}

bool pn_pam_session_end(struct pn_call *call, struct pn_uuid id, struct pn_str reason,
                        struct pn_pam_session *out, struct pn_err *err)
{
    struct ending e = { .call = call, .session = out, .to = PN_PAM_ENDED, .is_idempotent = true };

    if (!pn_pam_session_get(call, id, out, err))
        return false;
    e.reason = PN_LIT("Ended by its owner");
    if (call->actor.kind == PN_ACTOR_GATEWAY) {
        e.reason = PN_LIT("Ended by the gateway");
    } else if (!pn_pam_session_owns(&call->actor, out)) {
        e.to = PN_PAM_TERMINATED;
        e.reason = PN_LIT("Terminated by an administrator");
        if (!pn_permit_project(call, out->projectId, "pam-sessions", "terminate", err))
            return false;
    }
    if (reason.len > 0)
        e.reason = reason;
    return finish(&e, err);
}

bool pn_pam_session_terminate(struct pn_call *call, struct pn_uuid id, struct pn_str reason,
                              struct pn_pam_session *out, struct pn_err *err)
{
    struct ending e = { .call = call, .session = out, .to = PN_PAM_TERMINATED };

    if (!pn_pam_session_get(call, id, out, err) ||
        !pn_permit_project(call, out->projectId, "pam-sessions", "terminate", err))
        return false;
    e.reason = reason.len > 0 ? reason : PN_LIT("Terminated by an administrator");
    return finish(&e, err);
}

/* ---- what gateways ask ---- */

bool pn_pam_session_sync(struct pn_call *call, const struct pn_uuid *ids, size_t count,
                         struct pn_list *out, struct pn_err *err)
{
    struct pn_pam_session_verdict *verdicts =
        pn_new(call->arena, struct pn_pam_session_verdict, count);

    *out = (struct pn_list){ .items = verdicts };
    for (size_t i = 0; i < count; i++) {
        struct pn_query *q =
            pn_query(call->conn, "SELECT status, end_reason, expires_ms FROM pam_sessions"
                                 " WHERE id = $id AND gateway_id = $gateway");
        struct pn_pam_session_verdict verdict = { .id = ids[i], .status = PN_LIT("unknown") };
        enum pn_pam_state state = PN_PAM_TERMINATED;

        pn_bind_uuid(q, "$id", ids[i]);
        pn_bind_uuid(q, "$gateway", call->actor.id);
        if (pn_query_next(q)) {
            verdict.status = pn_column_str(q, 0, call->arena);
            verdict.reason = pn_column_str(q, 1, call->arena);
            if (!pn_pam_state_parse(verdict.status, &state))
                state = PN_PAM_TERMINATED;
            if (!is_over(state) && pn_column_int(q, 2) <= call->now_ms) {
                state = PN_PAM_ENDED;
                verdict.status = pn_str_from(state_names[state]);
                verdict.reason = PN_LIT(PN_PAM_EXPIRED);
            }
        }
        if (!pn_query_end(q, err))
            return false;
        if (is_over(state))
            verdicts[out->count++] = verdict;
    }
    return true;
}

/* ---- time, and the end of what sessions stand on ---- */

static size_t read_all(struct pn_query *q, struct pn_arena *arena, struct pn_pam_session *rows,
                       size_t max)
{
    size_t count = 0;

    while (count < max && pn_query_next(q))
        read_row(q, arena, &rows[count++]);
    return count;
}

static bool change_all(struct pn_db_conn *tx, const struct pn_call *call,
                       struct pn_pam_session *rows, size_t count, enum pn_pam_state to,
                       struct pn_str reason, struct pn_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!pn_pam_session_set_state(tx, call, &rows[i], to, reason, err))
            return false;
    return true;
}

struct expiry {
    struct pn_call *call;
    struct pn_uuid id;
};

/* Of whichever organisation: the record goes to its own. */
static bool find_any(struct pn_db_conn *tx, struct pn_call *call, struct pn_uuid id,
                     struct pn_pam_session *out, bool *is_there, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "SELECT " COLUMNS ", s.org_id FROM pam_sessions s WHERE s.id = $id");

    pn_bind_uuid(q, "$id", id);
    *is_there = pn_query_next(q);
    if (*is_there) {
        call->actor.org_id = pn_column_uuid(q, COLUMN_COUNT);
        read_row(q, call->arena, out);
    }
    return pn_query_end(q, err);
}

static bool write_expiry(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct expiry *e = context;
    struct pn_pam_session session;
    bool is_there;

    if (!find_any(tx, e->call, e->id, &session, &is_there, err))
        return false;
    if (!is_there || is_over(session.state)) /* gone with its project */
        return pn_job_drop(tx, PN_JOB_SESSION, e->id, err);
    return pn_pam_session_set_state(tx, e->call, &session, PN_PAM_ENDED, PN_LIT(PN_PAM_EXPIRED),
                                    err);
}

bool pn_pam_session_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim,
                            bool *has_answered, struct pn_err *err)
{
    struct expiry e = { .call = call, .id = id };

    (void)claim; /* whoever ends it: its time has come, and it ends once */
    *has_answered = true;
    if (!pn_db_write(call->db, write_expiry, &e, err))
        return pn_within(err, "ending a session that is due");
    pn_log(PN_INFO, "session-expired", PN_F_TEXT("session", pn_uuid_format(id).text));
    return true;
}

#define CLOSE_SELECT \
    "SELECT " COLUMNS " FROM pam_sessions s WHERE s.status IN ('starting', 'active') AND "

/* `sql` selects live sessions by $id; each turn makes those it found dead, so the next finds others. */
static bool close_all(struct pn_db_conn *tx, const struct pn_call *call, const char *sql,
                      struct pn_uuid id, struct pn_str reason, struct pn_err *err)
{
    struct pn_pam_session *rows = pn_new(call->arena, struct pn_pam_session, CLOSE_AT_ONCE);
    size_t count;

    do {
        struct pn_query *q = pn_query(tx, sql);

        pn_bind_uuid(q, "$id", id);
        pn_bind_int(q, "$limit", CLOSE_AT_ONCE);
        count = read_all(q, call->arena, rows, CLOSE_AT_ONCE);
        if (!pn_query_end(q, err) ||
            !change_all(tx, call, rows, count, PN_PAM_TERMINATED, reason, err))
            return false;
    } while (count == CLOSE_AT_ONCE);
    return true;
}

bool pn_pam_session_close_gateway(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid gateway, struct pn_str reason, struct pn_err *err)
{
    return close_all(tx, call, CLOSE_SELECT "s.gateway_id = $id LIMIT $limit", gateway, reason,
                     err);
}

bool pn_pam_session_close_resource(struct pn_db_conn *tx, const struct pn_call *call,
                                   struct pn_uuid resource, struct pn_str reason,
                                   struct pn_err *err)
{
    return close_all(
        tx, call,
        CLOSE_SELECT
        "s.account_id IN (SELECT id FROM pam_accounts WHERE resource_id = $id) LIMIT $limit",
        resource, reason, err);
}

bool pn_pam_session_close_account(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid account, struct pn_str reason, struct pn_err *err)
{
    return close_all(tx, call, CLOSE_SELECT "s.account_id = $id LIMIT $limit", account, reason,
                     err);
}

bool pn_pam_session_close_template(struct pn_db_conn *tx, const struct pn_call *call,
                                   struct pn_uuid template, struct pn_str reason,
                                   struct pn_err *err)
{
    return close_all(tx, call,
                     CLOSE_SELECT
                     "s.account_id IN (SELECT id FROM pam_accounts WHERE template_id = $id AND"
                     " gateway_id IS NULL AND gateway_pool_id IS NULL) LIMIT $limit",
                     template, reason, err);
}

bool pn_pam_session_close_project(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid project, struct pn_str reason, struct pn_err *err)
{
    return close_all(tx, call, CLOSE_SELECT "s.project_id = $id LIMIT $limit", project, reason,
                     err);
}

bool pn_pam_session_close_org(struct pn_db_conn *tx, const struct pn_call *call, struct pn_uuid org,
                              struct pn_str reason, struct pn_err *err)
{
    return close_all(tx, call, CLOSE_SELECT "s.org_id = $id LIMIT $limit", org, reason, err);
}

#define CARRIED                                                                         \
    "EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = s.project_id AND "    \
    "(m.identity_id = $id OR (m.user_id = $id AND EXISTS (SELECT 1 FROM org_members o " \
    "WHERE o.user_id = $id AND o.org_id = s.org_id AND o.status = 'accepted' AND "      \
    "o.is_active = 1))))"

bool pn_pam_session_close_owner(struct pn_db_conn *tx, const struct pn_call *call,
                                struct pn_uuid owner, struct pn_str reason, struct pn_err *err)
{
    return close_all(tx, call,
                     CLOSE_SELECT "(s.user_id = $id OR s.identity_id = $id) AND NOT " CARRIED
                                  " LIMIT $limit",
                     owner, reason, err);
}

/* Asks the roles that the owner has now, in the transaction. */
static bool find_permission(const struct pn_call *as, const struct pn_pam_session *session,
                            bool *is_allowed, struct pn_err *err)
{
    const struct pn_permit_object account = { .subject = "pam-accounts",
                                              .resourceName = session->resourceName,
                                              .accountName = session->accountName,
                                              .accountPath = session->accountPath };
    struct pn_call owner = *as;
    const struct pn_ability *ability;

    owner.actor = (struct pn_actor){ .kind = PN_ACTOR_USER,
                                     .id = session->userId,
                                     .org_id = as->actor.org_id };
    if (pn_uuid_is_zero(owner.actor.id)) {
        owner.actor.kind = PN_ACTOR_IDENTITY;
        owner.actor.id = session->identityId;
    }
    if (pn_ability_load(&owner, session->projectId, &ability, err)) {
        *is_allowed = pn_ability_may(ability, &account, "access");
        return true;
    }
    *is_allowed = false;
    if (err->code != PN_PERMISSION && err->code != PN_NOT_FOUND)
        return false;
    pn_err_clear(err);
    return true;
}

static size_t read_after(struct pn_db_conn *tx, struct pn_arena *arena, struct pn_uuid project,
                         struct pn_uuid membership, struct pn_uuid after,
                         struct pn_pam_session *rows, bool *is_read, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, CLOSE_SELECT
        "s.project_id = $project AND ($member IS NULL OR EXISTS (SELECT 1 FROM project_members m"
        " WHERE m.id = $member AND (m.user_id = s.user_id OR m.identity_id = s.identity_id)))"
        " AND ($after IS NULL OR s.id > $after) ORDER BY s.id LIMIT $limit");
    size_t count;

    pn_bind_uuid(q, "$project", project);
    pn_bind_uuid(q, "$member", membership);
    pn_bind_uuid(q, "$after", after);
    pn_bind_int(q, "$limit", CLOSE_AT_ONCE);
    count = read_all(q, arena, rows, CLOSE_AT_ONCE);
    *is_read = pn_query_end(q, err);
    return count;
}

bool pn_pam_session_close_forbidden(struct pn_db_conn *tx, const struct pn_call *call,
                                    struct pn_uuid project, struct pn_uuid membership,
                                    struct pn_str reason, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    struct pn_uuid after = { 0 };
    struct pn_call as = pn_call_within(call, tx);
    size_t count;

    as.arena = arena;
    do {
        struct pn_pam_session *rows;
        bool is_read, is_allowed;

        pn_arena_reset(arena);
        rows = pn_new(arena, struct pn_pam_session, CLOSE_AT_ONCE);
        count = read_after(tx, arena, project, membership, after, rows, &is_read, err);
        if (!is_read)
            return false;
        for (size_t i = 0; i < count; i++) {
            after = rows[i].id;
            if (!find_permission(&as, &rows[i], &is_allowed, err) ||
                (!is_allowed &&
                 !pn_pam_session_set_state(tx, call, &rows[i], PN_PAM_TERMINATED, reason, err)))
                return false;
        }
    } while (count == CLOSE_AT_ONCE);
    return true;
}
