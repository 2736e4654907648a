/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_RESOURCE_H
#define PN_CORE_PAM_RESOURCE_H

#include "base/call.h"
#include "json/shape.h"

/*
 * Kubernetes clusters that accounts stand for (contract pam-gateway.md §12.1): a name, an API server,
 * the gateway that reaches it. All functions: worker.
 */
#define PN_PAM_PAGE_MAX 100

struct pn_pam_connection {
    struct pn_str url, sslCertificate; /* sslCertificate: PEM bundle or none */
    bool sslRejectUnauthorized;
};

/* A resource as the API shows it. */
struct pn_pam_resource {
    struct pn_uuid id, projectId, gatewayId, gatewayPoolId; /* one of the last two, or none */
    struct pn_str name, resourceType, gatewayName, gatewayPoolName;
    struct pn_pam_connection connectionDetails;
    int64_t accountCount, createdAt, updatedAt;
};

/* What a caller wants changed; on creation everything is taken as it is. */
struct pn_pam_resource_change {
    struct pn_uuid project_id; /* creation only */
    struct pn_str name, url, ca_certificate;
    struct pn_uuid gateway_id, pool_id; /* naming one drops the other */
    bool is_verified;
    bool has_name, has_url, has_gateway, has_pool, has_ca, has_verified;
};

/*
 * Permissions: pam-resources read, create, edit, delete in the project; org gateway:attach-gateways for
 * a gateway that is named, gateway-pool:attach-gateway-pools for a pool. Resources of projects the caller has no part in are PN_NOT_FOUND. Errors:
 * PN_BAD_REQUEST (name taken, no such gateway, CA bundle unreadable), PN_PERMISSION, PN_NOT_FOUND.
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

struct pn_pam_page {
    struct pn_uuid project_id;
    struct pn_uuid resource_id; /* accounts only; zero: all */
    struct pn_str search;
    int64_t offset, limit; /* limit ≤ PN_PAM_PAGE_MAX */
};
/* By name. */
bool pn_pam_resource_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                          int64_t *total, struct pn_err *err) PN_CHECKED;

#endif
