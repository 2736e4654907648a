/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_ACCOUNT_H
#define PN_CORE_PAM_ACCOUNT_H

#include "core/org/permission.h"
#include "base/call.h"
#include "base/secret.h"
#include "core/pam/resource.h"

/*
 * Accounts of a resource (contract pam-gateway.md §12.2): whom a session acts as in the cluster. By its
 * method either with a service account's token, sealed with the project's key, which leaves only towards
 * the session's gateway; or as a service account that the gateway, itself a pod there, impersonates.
 * All functions: worker.
 */
#define PN_PAM_BY_TOKEN "service-account-token"
#define PN_PAM_BY_GATEWAY "gateway-kubernetes-auth"
#define PN_PAM_SESSION_DEFAULT_S 3600    /* without a duration in the request */
#define PN_PAM_IDLE_MAX_S (24 * 3600)    /* as an idle limit; over it is none */
#define PN_PAM_SESSION_MAX_S (24 * 3600) /* of any account: design §3, leaves of a day at most */

struct pn_pam_account_credentials {
    struct pn_str authMethod, namespace, serviceAccountName;
};
struct pn_pam_account_resource {
    struct pn_uuid id;
    struct pn_str name, resourceType;
};

/* An account as the API shows it: never its token. */
struct pn_pam_account {
    struct pn_uuid id, projectId, resourceId, folderId;  /* folderId: the same as resourceId */
    struct pn_uuid templateId, gatewayId, gatewayPoolId; /* of its own, or none */
    struct pn_str name, resourceName, accountPath, accountType, description, templateName;
    bool requireMfa, requireReason;
    bool canLaunch;    /* by who asks */
    bool isAccessible; /* no accessibilityIssues */
    struct pn_strs accessibilityIssues;
    int64_t maxDurationSeconds, idleTimeoutSeconds; /* the latter 0: none */
    int64_t createdAt, updatedAt;
    struct pn_pam_account_credentials credentials;
    struct pn_pam_account_resource resource;
    struct pn_pam_connection connectionDetails; /* where sessions go; for who may read resources */
    bool has_connection, has_test;
    struct pn_pam_probe_result connectionTest; /* of a call that saved it */
    struct pn_pam_clusters clusters;
    struct pn_uuid recordingConnectionId; /* these two always none: of clients of the contract */
    struct pn_str settingsOverrides;
};

/* What a caller wants changed; on creation everything is taken as it is. */
struct pn_pam_account_change {
    struct pn_uuid resource_id; /* where it is, or goes; zero: stays */
    struct pn_uuid template_id;
    struct pn_str name, description, namespace, service_account_name;
    const char *auth_method;       /* PN_PAM_BY_…; NULL: keep */
    const struct pn_secret *token; /* PN_PAM_UNCHANGED or NULL: keep; of PN_PAM_BY_TOKEN alone */
    int64_t max_duration_s, idle_timeout_s;
    bool has_idle_timeout, has_template;
    bool has_name, has_description, has_namespace, has_service_account, has_max_duration;
    struct pn_pam_cluster_change cluster; /* of its own; what is not given is the resource's */
    bool drops_connection;                /* from now on the resource's */
    bool skips_test;
};

/*
 * An account is in a resource and goes to its cluster, or to one of its own; through its own gateway, its template's
 * or the resource's. Whom it acts as is tried there before it is saved (probe.h).
 *
 * Permissions: pam-accounts read, create, edit, delete for the account, under its new name too; pam-resources edit
 * to say where its cluster is, how it is reached, or that it has none of its own any more; those of a gateway that is
 * named; lists leave out those that may not be read. Accounts of projects the caller has no part in are PN_NOT_FOUND.
 * Errors: PN_BAD_REQUEST (name taken, test failed), PN_VALIDATION (what the method needs is missing, or is none; no
 * cluster), PN_PERMISSION, PN_NOT_FOUND.
 */
bool pn_pam_account_create(struct pn_call *call, const struct pn_pam_account_change *change,
                           struct pn_pam_account *out, struct pn_err *err) PN_CHECKED;
bool pn_pam_account_get(struct pn_call *call, struct pn_uuid id, struct pn_pam_account *out,
                        struct pn_err *err) PN_CHECKED;
/* A change of whom sessions act as, or how long they may be quiet, terminates the live ones. */
bool pn_pam_account_update(struct pn_call *call, struct pn_uuid id,
                           const struct pn_pam_account_change *change, struct pn_pam_account *out,
                           struct pn_err *err) PN_CHECKED;
/* Its live sessions are terminated. */
bool pn_pam_account_delete(struct pn_call *call, struct pn_uuid id, struct pn_pam_account *out,
                           struct pn_err *err) PN_CHECKED;
/* By resource and name. */
bool pn_pam_account_list(struct pn_call *call, const struct pn_pam_page *page, struct pn_list *out,
                         int64_t *total, struct pn_err *err) PN_CHECKED;

/* ---- for core/pam ---- */

/* What rules with conditions are asked about. */
static inline struct pn_permit_object
pn_pam_account_object(struct pn_str resource, struct pn_str account, struct pn_str path)
{
    return (struct pn_permit_object){ .subject = "pam-accounts",
                                      .resourceName = resource,
                                      .accountName = account,
                                      .accountPath = path };
}

/* Opens the account's token; *out is the caller's to free. No permission is checked. */
bool pn_pam_account_open_token(struct pn_call *call, struct pn_uuid project, struct pn_uuid account,
                               struct pn_str sealed, struct pn_secret **out, struct pn_err *err)
    PN_CHECKED;

#endif
