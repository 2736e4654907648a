/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_TEMPLATE_H
#define PN_CORE_PAM_TEMPLATE_H

#include "core/pam/resource.h"

/*
 * What several accounts have in common (contract pam-gateway.md §11.2): how long a session lasts at most, whether
 * its reason must be given, through which gateway it goes. All functions: worker.
 */
#define PN_PAM_TEMPLATE_MIN_S 60 /* the shortest "max-session-duration" */

struct pn_pam_template {
    struct pn_uuid id, projectId, gatewayId, gatewayPoolId;
    struct pn_str name, description;
    int64_t max_duration_s; /* 0: the account's alone counts */
    bool needs_reason;
    int64_t accountCount, createdAt, updatedAt;
};

/* What a caller wants changed; on creation everything is taken as it is. */
struct pn_pam_template_change {
    struct pn_uuid project_id; /* creation only */
    struct pn_str name, description;
    bool has_name, has_description;
    int64_t max_duration_s;
    bool needs_reason, has_policies;
    struct pn_pam_cluster_change way; /* gateway and pool alone */
};

/*
 * Permissions: pam-resources read, create, edit, delete in the project, and those of a gateway that is named.
 * Errors: PN_BAD_REQUEST (name taken, in use), PN_PERMISSION, PN_NOT_FOUND also for who may not read it.
 */
bool pn_pam_template_create(struct pn_call *call, const struct pn_pam_template_change *change,
                            struct pn_pam_template *out, struct pn_err *err) PN_CHECKED;
bool pn_pam_template_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_template *out,
                         struct pn_err *err) PN_CHECKED;
/* Another gateway terminates the live sessions that go by it. */
bool pn_pam_template_update(struct pn_call *call, struct pn_uuid id,
                            const struct pn_pam_template_change *change,
                            struct pn_pam_template *out, struct pn_err *err) PN_CHECKED;
/* Refused while accounts use it. */
bool pn_pam_template_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_template *out,
                            struct pn_err *err) PN_CHECKED;
/* By name. */
bool pn_pam_template_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                          int64_t *total, struct pn_err *err) PN_CHECKED;

/* One of the project, whoever asks: for accounts that name it. PN_NOT_FOUND. For write functions too. */
bool pn_pam_template_find(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                          struct pn_uuid project, struct pn_pam_template *out, struct pn_err *err)
    PN_CHECKED;

#endif
