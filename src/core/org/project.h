/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_PROJECT_H
#define PN_CORE_ORG_PROJECT_H

#include "base/call.h"
#include "json/shape.h"

/* Projects and their environments (platform.md §7). Members carry the wire's names. */
struct pn_environment {
    struct pn_uuid id;
    struct pn_str name, slug;
};
struct pn_project {
    struct pn_uuid id, orgId;
    struct pn_str name, description, slug, type;
    bool hasDeleteProtection;
    bool autoCapitalization;         /* names of secrets are written in capitals */
    bool has_auditLogsRetentionDays; /* otherwise audit rows are kept for good */
    int64_t auditLogsRetentionDays;
    int64_t createdAt, updatedAt;
    struct pn_list environments; /* of pn_environment */
};

struct pn_project_new {
    struct pn_str name, description, slug, type; /* slug absent: made from the name */
    bool has_default_environments, has_delete_protection;
};
/* The actor, a user or an identity, becomes its admin. Permission org workspace:create. */
bool pn_project_create(struct pn_call *call, const struct pn_project_new *in,
                       struct pn_project *out, struct pn_err *err) PN_CHECKED;
/* Members only: PN_NOT_FOUND outside the actor's organisation, PN_PERMISSION inside it. */
bool pn_project_get(struct pn_call *call, struct pn_uuid id, struct pn_project *out,
                    struct pn_err *err) PN_CHECKED;
bool pn_project_get_by_slug(struct pn_call *call, struct pn_str slug, struct pn_project *out,
                            struct pn_err *err) PN_CHECKED;
/* The actor's own. `type` absent: every type. */
bool pn_project_list(struct pn_call *call, struct pn_str type, struct pn_list *out,
                     struct pn_err *err) PN_CHECKED;
/* All of the organisation whose name has `search` in it; organization-admin-console:access-all-projects. */
bool pn_project_list_all(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                         struct pn_list *out, int64_t *total, struct pn_err *err) PN_CHECKED;

struct pn_project_change {
    struct pn_str name, description, slug;          /* ptr NULL: as it is */
    int has_delete_protection, auto_capitalization; /* < 0: as it is */
};
bool pn_project_change(struct pn_call *call, struct pn_uuid id, const struct pn_project_change *in,
                       struct pn_project *out, struct pn_err *err) PN_CHECKED;
/*
 * For how many days the project's audit rows are kept; 0: for good. What is older is emptied by a job
 * (core/audit/prune.h) and cannot be brought back. Permission workspace:edit.
 */
#define PN_PROJECT_MAX_RETENTION_DAYS 36500
bool pn_project_set_retention(struct pn_call *call, struct pn_uuid id, int64_t days,
                              struct pn_project *out, struct pn_err *err) PN_CHECKED;
/* PN_FORBIDDEN while it is protected. Live sessions end first; everything in it goes. */
bool pn_project_delete(struct pn_call *call, struct pn_uuid id, struct pn_project *out,
                       struct pn_err *err) PN_CHECKED;

#endif
