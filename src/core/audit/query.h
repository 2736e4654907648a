/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUDIT_QUERY_H
#define PN_CORE_AUDIT_QUERY_H

#include "base/call.h"
#include "json/shape.h"

/* Reading the record (platform.md §12.1). */
struct pn_audit_entry {
    struct pn_uuid id, orgId, projectId, actorId;
    struct pn_str type, metadata, actorType, actorName, ipAddress, userAgent, userAgentType;
    int64_t createdAt;
};

struct pn_audit_filter {
    struct pn_uuid project_id, actor_id; /* zero: any */
    struct pn_str event_types;           /* "a,b"; PN_NONE: any */
    struct pn_str actor_type;
    struct pn_str user_agent_type;                    /* "cli", "web", … */
    struct pn_str environment, secretPath, secretKey; /* of secret events; need project_id */
    struct pn_str event_metadata;                     /* "key=value,key=value": all must be there */
    int64_t start_ms, end_ms;                         /* [start, end] */
    int64_t offset, limit;
};
#define PN_AUDIT_MAX_WINDOW_MS (INT64_C(93) * 24 * 3600 * 1000)
#define PN_AUDIT_MAX_LISTED 1000
#define PN_AUDIT_MAX_PAIRS 4 /* of event_metadata */
/*
 * Of the actor's organisation, newest first; of pn_audit_entry. Permission audit-logs:read, in the
 * project when one is named. Errors: PN_VALIDATION (a filter of secrets without a project, metadata that
 * are no pairs, or too many).
 */
bool pn_audit_list(struct pn_call *call, const struct pn_audit_filter *filter, struct pn_list *out,
                   struct pn_err *err) PN_CHECKED;

#endif
