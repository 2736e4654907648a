/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_SESSION_H
#define PN_CORE_PAM_SESSION_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * The life of a session (contract pam-gateway.md §15.1): one table of what may follow what, one
 * function that changes the state and writes its record. Everything that ends a session goes through
 * it: owner, gateway, administrator, time, and the end of what it stands on.
 */
enum pn_pam_state {
    PN_PAM_STARTING,   /* opened; its gateway has not asked for credentials */
    PN_PAM_ACTIVE,     /* its gateway holds credentials */
    PN_PAM_ENDED,      /* by owner, gateway or time */
    PN_PAM_TERMINATED, /* by somebody else */
};
#define PN_PAM_STATES 4

/* The reason of a session that time ended. */
#define PN_PAM_EXPIRED "The session has expired"

const char *pn_pam_state_name(enum pn_pam_state state);
bool pn_pam_state_parse(struct pn_str name, enum pn_pam_state *out) PN_CHECKED;
bool pn_pam_state_may(enum pn_pam_state from, enum pn_pam_state to);

/* A session as the API shows it; names are those of when it was opened. */
struct pn_pam_session {
    struct pn_uuid id, projectId, accountId, gatewayId, userId, identityId;
    struct pn_str accountType, resourceType, resourceName, accountName, accountPath, gatewayName;
    struct pn_str actorType, actorName, actorEmail, actorIp, actorUserAgent;
    struct pn_str status, accessMethod, reason, endReason, endedBy;
    int64_t createdAt, startedAt, endedAt, expiresAt, updatedAt;
    int64_t requests, requestBytes, responseBytes; /* as far as its gateway has uploaded them */
    struct pn_uuid gatewayIdentityId, folderId; /* always none: kept for clients of the contract */
    struct pn_str folderName, selectedHost;
    enum pn_pam_state state;
};

bool pn_pam_session_owns(const struct pn_actor *actor, const struct pn_pam_session *session);

/*
 * People: the owner, or who may read sessions of the project (pam-sessions:read); everybody else gets
 * PN_NOT_FOUND. Gateways: the one the session is pinned to. Threads: worker.
 */
bool pn_pam_session_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_session *out,
                        struct pn_err *err) PN_CHECKED;

struct pn_pam_session_filter {
    struct pn_uuid project_id; /* zero: the caller's own sessions, in every project */
    struct pn_str search;      /* in resource, account and actor name */
    struct pn_str status;      /* PN_NONE: any */
    int64_t offset, limit;     /* limit ≤ 100 */
};
/* Newest first. Without pam-sessions:read a member of the project sees his own. */
bool pn_pam_session_list(struct pn_call *call, const struct pn_pam_session_filter *filter,
                         struct pn_list *out, int64_t *total, struct pn_err *err) PN_CHECKED;

/* By owner or gateway; who may terminate it terminates it so. Fine when it is over already. */
bool pn_pam_session_end(struct pn_call *call, struct pn_uuid id, struct pn_str reason,
                        struct pn_pam_session *out, struct pn_err *err) PN_CHECKED;
/* By who may terminate sessions of the project; PN_BAD_REQUEST when it is over already. */
bool pn_pam_session_terminate(struct pn_call *call, struct pn_uuid id, struct pn_str reason,
                              struct pn_pam_session *out, struct pn_err *err) PN_CHECKED;

/*
 * What a gateway asks every second (G5): those of `ids` that are over, or were never its own.
 */
struct pn_pam_session_verdict {
    struct pn_uuid id;
    struct pn_str status, reason; /* "unknown" for sessions of others */
};
bool pn_pam_session_sync(struct pn_call *call, const struct pn_uuid *ids, size_t count,
                         struct pn_list *out, struct pn_err *err) PN_CHECKED;

/* Ends the session of a job that is due: for jobs. */
bool pn_pam_session_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim,
                            bool *has_answered, struct pn_err *err) PN_CHECKED;

/* ---- for write functions (threads: writer) ---- */

bool pn_pam_session_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                         struct pn_uuid org, struct pn_pam_session *out, bool *is_there,
                         struct pn_err *err) PN_CHECKED;
/* The one way a state changes. PN_BAD_REQUEST when the table says no. */
bool pn_pam_session_set_state(struct pn_db_conn *tx, const struct pn_call *call,
                              struct pn_pam_session *session, enum pn_pam_state to,
                              struct pn_str reason, struct pn_err *err) PN_CHECKED;
/* Terminates the live sessions of a gateway, resource or account that goes away. */
bool pn_pam_session_close_gateway(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid gateway, struct pn_str reason, struct pn_err *err)
    PN_CHECKED;
bool pn_pam_session_close_resource(struct pn_db_conn *tx, const struct pn_call *call,
                                   struct pn_uuid resource, struct pn_str reason,
                                   struct pn_err *err) PN_CHECKED;
bool pn_pam_session_close_account(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid account, struct pn_str reason, struct pn_err *err)
    PN_CHECKED;
/* Of the accounts whose gateway a template names. */
bool pn_pam_session_close_template(struct pn_db_conn *tx, const struct pn_call *call,
                                   struct pn_uuid template, struct pn_str reason,
                                   struct pn_err *err) PN_CHECKED;
/* Of a project, or of all projects of an organisation: call it before they are deleted. */
bool pn_pam_session_close_project(struct pn_db_conn *tx, const struct pn_call *call,
                                  struct pn_uuid project, struct pn_str reason, struct pn_err *err)
    PN_CHECKED;
bool pn_pam_session_close_org(struct pn_db_conn *tx, const struct pn_call *call, struct pn_uuid org,
                              struct pn_str reason, struct pn_err *err) PN_CHECKED;
/*
 * Terminates the live sessions of a person or machine identity that no membership carries any more:
 * of the project, and for people an active one of the organisation. Call it after the change.
 */
bool pn_pam_session_close_owner(struct pn_db_conn *tx, const struct pn_call *call,
                                struct pn_uuid owner, struct pn_str reason, struct pn_err *err)
    PN_CHECKED;

/*
 * Terminates the live sessions of a project that their owners' roles allow no more: of one membership, or
 * of all (`membership` zero) when a role has changed. Call it after the change.
 */
bool pn_pam_session_close_forbidden(struct pn_db_conn *tx, const struct pn_call *call,
                                    struct pn_uuid project, struct pn_uuid membership,
                                    struct pn_str reason, struct pn_err *err) PN_CHECKED;

#endif
