/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_RESOURCE_H
#define PN_CORE_PAM_RESOURCE_H

#include "base/call.h"
#include "core/pam/cluster.h"
#include "core/pam/probe.h"
#include "json/shape.h"

/*
 * What accounts are in: a name and, for the seed form of the API, a cluster with the gateway that reaches it
 * (contract pam-gateway.md §12.1). The current form (§11.1) calls the same row a folder; made there, it has no
 * cluster, and its accounts bring their own. All functions: worker.
 */
#define PN_PAM_PAGE_MAX 100

/* A resource as the API shows it. */
struct pn_pam_resource {
    struct pn_uuid id, projectId, gatewayId, gatewayPoolId; /* one of the last two, or none */
    struct pn_str name, description, resourceType, gatewayName, gatewayPoolName;
    struct pn_pam_connection connectionDetails;
    int64_t accountCount, createdAt, updatedAt;
    struct pn_pam_probe_result connectionTest; /* of a call that saved it */
    bool has_test;
};

/* What a caller wants changed; on creation everything is taken as it is. */
struct pn_pam_resource_change {
    struct pn_uuid project_id; /* creation only */
    struct pn_str name, description;
    bool has_name, has_description;
    struct pn_pam_cluster_change cluster;
    bool is_folder;  /* in the words of the current form, also on record */
    bool skips_test; /* of the connection: what is saved may not be reachable yet */
};

/*
 * The project that calls of the current form are about, which name none: `wanted`, or else the caller's one
 * project for Kubernetes access. PN_BAD_REQUEST: it has none, or several.
 */
bool pn_pam_project_of(struct pn_call *call, struct pn_uuid wanted, struct pn_uuid *out,
                       struct pn_err *err) PN_CHECKED;

/*
 * A cluster that is named is tried before it is saved (probe.h).
 *
 * Permissions: pam-resources read, create, edit, delete in the project; org gateway:attach-gateways for
 * a gateway that is named, gateway-pool:attach-gateway-pools for a pool. Resources of projects the caller has
 * no part in are PN_NOT_FOUND. Errors: PN_BAD_REQUEST (name taken, cluster not to be reached), PN_VALIDATION
 * (CA bundle unreadable), PN_PERMISSION, PN_NOT_FOUND.
 */
bool pn_pam_resource_create(struct pn_call *call, const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err) PN_CHECKED;
bool pn_pam_resource_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                         struct pn_err *err) PN_CHECKED;
bool pn_pam_resource_update(struct pn_call *call, struct pn_uuid id,
                            const struct pn_pam_resource_change *change,
                            struct pn_pam_resource *out, struct pn_err *err) PN_CHECKED;
/* With its accounts; their live sessions are terminated. */
bool pn_pam_resource_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                            struct pn_err *err) PN_CHECKED;

/* The current form's: refused while accounts are in it. */
bool pn_pam_folder_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_resource *out,
                          struct pn_err *err) PN_CHECKED;

struct pn_pam_page {
    struct pn_uuid project_id;
    struct pn_uuid resource_id, template_id; /* accounts only; zero: all */
    struct pn_str search;
    bool is_descending;
    int64_t offset, limit; /* limit ≤ PN_PAM_PAGE_MAX */
};
/* By name. */
bool pn_pam_resource_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                          int64_t *total, struct pn_err *err) PN_CHECKED;

/* ---- for core/pam ---- */

/* One of the project, whoever asks. PN_NOT_FOUND. For write functions too. */
bool pn_pam_resource_find(struct pn_db_conn *conn, const struct pn_call *call, struct pn_uuid id,
                          struct pn_uuid project, struct pn_pam_resource *out, struct pn_err *err)
    PN_CHECKED;

#endif
