/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: for people, and for the gateway they are pinned to. Spec: doc/protocol/gateway-rest.md A2, G4–G7. */
#include "core/pam/batch.h"
#include "core/pam/credentials.h"
#include "core/pam/rules.h"
#include "core/pam/session.h"
#include "server/routes.h"

#define MAX_SYNC 10000

static const struct pn_field pn_pam_session_fields[] = {
    PN_FIELD(pn_pam_session, id, UUID),
    PN_FIELD(pn_pam_session, projectId, UUID),
    PN_FIELD(pn_pam_session, accountId, UUID),
    PN_FIELD(pn_pam_session, accountType, STRING),
    PN_FIELD(pn_pam_session, resourceType, STRING),
    PN_FIELD(pn_pam_session, accountName, STRING),
    PN_FIELD(pn_pam_session, accountPath, STRING),
    PN_FIELD(pn_pam_session, resourceName, STRING),
    PN_FIELD(pn_pam_session, userId, UUID),
    PN_FIELD(pn_pam_session, identityId, UUID),
    PN_FIELD(pn_pam_session, actorType, STRING),
    PN_FIELD(pn_pam_session, actorName, STRING),
    PN_FIELD(pn_pam_session, actorEmail, STRING),
    PN_FIELD(pn_pam_session, actorIp, STRING),
    PN_FIELD(pn_pam_session, actorUserAgent, STRING),
    PN_FIELD(pn_pam_session, status, STRING),
    PN_FIELD(pn_pam_session, expiresAt, TIME),
    PN_FIELD(pn_pam_session, startedAt, TIME),
    PN_FIELD(pn_pam_session, endedAt, TIME),
    PN_FIELD(pn_pam_session, endReason, STRING),
    PN_FIELD(pn_pam_session, endedBy, STRING),
    PN_FIELD(pn_pam_session, createdAt, TIME),
    PN_FIELD(pn_pam_session, updatedAt, TIME),
    PN_FIELD(pn_pam_session, accessMethod, STRING),
    PN_FIELD(pn_pam_session, reason, STRING),
    PN_FIELD(pn_pam_session, gatewayId, UUID),
    PN_FIELD(pn_pam_session, gatewayName, STRING),
    PN_FIELD(pn_pam_session, gatewayIdentityId, UUID),
    PN_FIELD(pn_pam_session, folderId, UUID),
    PN_FIELD(pn_pam_session, folderName, STRING),
    PN_FIELD(pn_pam_session, selectedHost, STRING),
    PN_FIELD(pn_pam_session, requests, INT, .doc = "Those whose records have arrived"),
    PN_FIELD(pn_pam_session, requestBytes, INT),
    PN_FIELD(pn_pam_session, responseBytes, INT),
};
static const struct pn_shape session_shape = PN_SHAPE_OF(pn_pam_session);

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

/* ---- show, list ---- */

struct session_out {
    struct pn_pam_session session;
};
static const struct pn_field session_out_fields[] = {
    PN_FIELD(session_out, session, OBJECT, .shape = &session_shape),
};
static const struct pn_shape out_shape = PN_SHAPE_OF(session_out);

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct session_out *out = out_;

    return pn_pam_session_get(call, in->id, &out->session, err);
}

static const char *const statuses[] = { "starting", "active", "ended", "terminated", NULL };

struct list_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int status;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID,
             .doc = "Without it: the caller's own sessions, of every project"),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, status, ENUM, .names = statuses),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = 100, .fallback = 20, .has_fallback = true),
};
struct list_out {
    struct pn_list sessions;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, sessions, OBJECTS, .shape = &session_shape),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_pam_session_filter filter = {
        .project_id = in->projectId,
        .search = in->search,
        .offset = in->offset,
        .limit = in->limit,
        .status = in->status >= 0 ? pn_str_from(statuses[in->status]) : PN_NONE,
    };

    return pn_pam_session_list(call, &filter, &out->sessions, &out->totalCount, err);
}

struct logs_in {
    struct pn_uuid id;
    int64_t offset, limit;
};
static const struct pn_field logs_in_fields[] = {
    PN_FIELD(logs_in, id, UUID, .required = true),
    PN_FIELD(logs_in, offset, INT, .max = INT32_MAX, .doc = "In batches"),
    PN_FIELD(logs_in, limit, INT, .min = 1, .max = PN_PAM_LOG_PAGE_MAX, .fallback = 20,
             .has_fallback = true, .doc = "In batches; large ones end a page early"),
};
struct logs_out {
    struct pn_str logs;
    bool hasMore;
    int64_t batchCount;
};
static const struct pn_field logs_out_fields[] = {
    PN_FIELD(logs_out, logs, RAW, .doc = "The events as the gateway sent them"),
    PN_FIELD(logs_out, hasMore, BOOL),
    PN_FIELD(logs_out, batchCount, INT,
             .doc = "Batches in this page: the next offset is this one plus it"),
};

static bool logs(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct logs_in *in = in_;
    struct logs_out *out = out_;
    struct pn_pam_log_page page;

    if (!pn_pam_batch_read(call, in->id, in->offset, in->limit, &page, err))
        return false;
    *out = (struct logs_out){ .logs = page.events,
                              .hasMore = page.has_more,
                              .batchCount = page.batch_count };
    return true;
}

/* ---- end (G7), terminate ---- */

struct end_in {
    struct pn_uuid id;
    struct pn_str reason;
};
static const struct pn_field end_in_fields[] = {
    PN_FIELD(end_in, id, UUID, .required = true),
    PN_FIELD(end_in, reason, STRING, .is_nullable = true, .max = PN_PAM_REASON_MAX),
};
struct end_out {
    struct pn_str message;
    struct pn_pam_session session;
};
static const struct pn_field end_out_fields[] = {
    PN_FIELD(end_out, message, STRING),
    PN_FIELD(end_out, session, OBJECT, .shape = &session_shape),
};

static bool end(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct end_in *in = in_;
    struct end_out *out = out_;

    out->message = PN_LIT("Session ended");
    return pn_pam_session_end(call, in->id, in->reason, &out->session, err);
}

static bool terminate(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct end_in *in = in_;
    struct session_out *out = out_;

    return pn_pam_session_terminate(call, in->id, in->reason, &out->session, err);
}

/* ---- as the gateway: credentials (G4) ---- */

struct credentials {
    struct pn_str url, sslCertificate, authMethod, serviceAccountToken, namespace,
        serviceAccountName;
    bool sslRejectUnauthorized;
};
static const struct pn_field credentials_fields[] = {
    PN_FIELD(credentials, url, STRING),
    PN_FIELD(credentials, sslRejectUnauthorized, BOOL),
    PN_FIELD(credentials, sslCertificate, STRING, .omit_empty = true),
    PN_FIELD(credentials, authMethod, STRING),
    PN_FIELD(credentials, serviceAccountToken, STRING, .omit_empty = true),
    PN_FIELD(credentials, namespace, STRING, .omit_empty = true),
    PN_FIELD(credentials, serviceAccountName, STRING, .omit_empty = true),
};
static const struct pn_shape credentials_shape = PN_SHAPE_OF(credentials);

struct brief {
    struct pn_uuid id, accountId, projectId;
    struct pn_str resourceName, accountName, actorName;
    int64_t expiresAt, idleTimeoutSeconds;
};
static const struct pn_field brief_fields[] = {
    PN_FIELD(brief, id, UUID),
    PN_FIELD(brief, accountId, UUID),
    PN_FIELD(brief, projectId, UUID),
    PN_FIELD(brief, resourceName, STRING),
    PN_FIELD(brief, accountName, STRING),
    PN_FIELD(brief, actorName, STRING),
    PN_FIELD(brief, expiresAt, TIME),
    PN_FIELD(brief, idleTimeoutSeconds, INT, .doc = "0: none"),
};
static const struct pn_shape brief_shape = PN_SHAPE_OF(brief);

struct credentials_out {
    struct credentials credentials;
    struct brief session;
};
static const struct pn_field credentials_out_fields[] = {
    PN_FIELD(credentials_out, credentials, OBJECT, .shape = &credentials_shape),
    PN_FIELD(credentials_out, session, OBJECT, .shape = &brief_shape),
};

static bool fetch_credentials(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct credentials_out *out = out_;
    struct pn_pam_credentials found;

    if (!pn_pam_credentials_get(call, in->id, &found, err))
        return false;
    *out = (struct credentials_out){
        .credentials = { .url = found.url,
                         .sslRejectUnauthorized = found.is_verified,
                         .sslCertificate = found.ca_certificate,
                         .authMethod = found.auth_method,
                         .serviceAccountToken = found.token,
                         .namespace = found.namespace,
                         .serviceAccountName = found.service_account_name },
        .session = { .id = found.session.id,
                     .accountId = found.session.accountId,
                     .projectId = found.session.projectId,
                     .resourceName = found.session.resourceName,
                     .accountName = found.session.accountName,
                     .actorName = found.session.actorName,
                     .expiresAt = found.session.expiresAt,
                     .idleTimeoutSeconds = found.idle_timeout_s },
    };
    return true;
}

/* ---- as the gateway: what is over (G5) ---- */

struct sync_in {
    struct pn_strs sessions;
};
static const struct pn_field sync_in_fields[] = {
    PN_FIELD(sync_in, sessions, STRINGS, .required = true, .max = MAX_SYNC, .item_max = 36),
};
static const struct pn_field pn_pam_session_verdict_fields[] = {
    PN_FIELD(pn_pam_session_verdict, id, UUID),
    PN_FIELD(pn_pam_session_verdict, status, STRING),
    PN_FIELD(pn_pam_session_verdict, reason, STRING),
};
static const struct pn_shape verdict_shape = PN_SHAPE_OF(pn_pam_session_verdict);
struct sync_out {
    struct pn_list ended;
};
static const struct pn_field sync_out_fields[] = {
    PN_FIELD(sync_out, ended, OBJECTS, .shape = &verdict_shape),
};

static bool sync_sessions(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct sync_in *in = in_;
    struct sync_out *out = out_;
    struct pn_uuid *ids = pn_new(call->arena, struct pn_uuid, in->sessions.count);

    for (size_t i = 0; i < in->sessions.count; i++)
        if (!pn_uuid_parse(in->sessions.items[i], &ids[i]))
            return pn_pam_invalid(call->arena, "sessions", "Every item must be the id of a session",
                                  err);
    return pn_pam_session_sync(call, ids, in->sessions.count, &out->ended, err);
}

/* ---- as the gateway: the log (G6) ---- */

static bool put_batch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct pn_raw *in = in_;
    struct pn_raw *out = out_;
    struct pn_uuid id;
    int64_t start;

    if (!pn_uuid_parse(pn_raw_param(in, "id"), &id))
        return pn_pam_invalid(call->arena, "id", "Invalid uuid", err);
    if (!pn_str_i64(pn_raw_param(in, "startOffset"), &start))
        return pn_pam_invalid(call->arena, "startOffset", "A number is required", err);
    out->content_type = PN_LIT("application/json; charset=utf-8");
    out->body = PN_LIT("{\"ok\":true}");
    return pn_pam_batch_put(call, id, start, in->body, err);
}

const struct pn_route pn_pam_sessions_routes[] = {
    { PN_GET, "/api/v1/pam/sessions", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-sessions:read, or own",
      .in = PN_SHAPE(list_in), .out = PN_SHAPE(list_out), .handle = list,
      .doc = "Lists sessions, the newest first." },
    { PN_GET, "/api/v1/pam/sessions/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-sessions:read, or own",
      .in = PN_SHAPE(one_in), .out = &out_shape, .handle = get, .doc = "Shows a session." },
    { PN_GET, "/api/v1/pam/sessions/:id/logs", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-sessions:read, or own",
      .audit = "pam-session-get", .in = PN_SHAPE(logs_in), .out = PN_SHAPE(logs_out),
      .handle = logs, .doc = "The events of a session, paged by batch." },
    { PN_POST, "/api/v1/pam/sessions/:id/end", .access = PN_BY_PEOPLE | PN_BY_GATEWAY,
      .rate = PN_RATE_WRITE, .lane = PN_LANE_FAST,
      .permission = "own, or project pam-sessions:terminate", .audit = "pam-session-end",
      .in = PN_SHAPE(end_in), .out = PN_SHAPE(end_out), .handle = end,
      .doc = "Ends a session; fine when it is over already." },
    { PN_POST, "/api/v1/pam/sessions/:id/terminate", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-sessions:terminate",
      .audit = "pam-session-terminate", .in = PN_SHAPE(end_in), .out = &out_shape,
      .handle = terminate, .doc = "Ends somebody else's session." },
    { PN_GET, "/api/v1/pam/sessions/:id/credentials", .access = PN_BY_GATEWAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .audit = "pam-session-credentials-get", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(credentials_out), .handle = fetch_credentials,
      .doc = "What the session's gateway acts with; the first call makes the session active." },
    { PN_POST, "/api/v1/pam/gateways/sync", .access = PN_BY_GATEWAY, .rate = PN_RATE_NONE,
      .lane = PN_LANE_FAST, .in = PN_SHAPE(sync_in), .out = PN_SHAPE(sync_out),
      .handle = sync_sessions, .doc = "Which of the sessions a gateway holds are over." },
    { PN_POST, "/api/v1/pam/sessions/:id/event-batches", .access = PN_BY_GATEWAY,
      .rate = PN_RATE_NONE, .lane = PN_LANE_FAST, .audit = "pam-session-logs-update",
      .is_raw = true, .max_body_bytes = PN_PAM_BATCH_MAX_BYTES, .handle = put_batch,
      .doc = "Stores events of a session at an offset; the same batch again is fine." },
    { 0 },
};
