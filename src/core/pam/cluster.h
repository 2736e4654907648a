/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_CLUSTER_H
#define PN_CORE_PAM_CLUSTER_H

#include "base/call.h"
#include "db/db.h"

/*
 * A cluster and the way to it: what a resource names, and what an account (cluster and way) or a template
 * (the way alone) may name in its stead. All functions: worker.
 */
struct pn_pam_connection {
    struct pn_str url, sslCertificate; /* none: no cluster; PEM bundle or none */
    bool sslRejectUnauthorized;
};
struct pn_pam_cluster {
    struct pn_pam_connection connection;
    struct pn_uuid gateway_id, pool_id; /* one of them, or none */
};

/* What a caller wants changed; on creation everything is taken as it is. */
struct pn_pam_cluster_change {
    struct pn_str url, ca_certificate;
    struct pn_uuid gateway_id, pool_id; /* naming one drops the other */
    bool is_verified;
    bool has_url, has_ca, has_verified, has_gateway, has_pool;
};

/*
 * May the caller name this gateway (org gateway:attach-gateways) or pool (gateway-pool:attach-gateway-pools), is
 * it one of both, and the CA readable? Errors: PN_VALIDATION, PN_PERMISSION.
 */
bool pn_pam_cluster_check(struct pn_call *call, const struct pn_pam_cluster_change *change,
                          struct pn_err *err) PN_CHECKED;
void pn_pam_cluster_apply(struct pn_pam_cluster *cluster,
                          const struct pn_pam_cluster_change *change);
/* Are gateway and pool of the actor's organisation? Foreign keys alone do not know that. PN_NOT_FOUND. */
bool pn_pam_cluster_check_way(struct pn_db_conn *tx, const struct pn_call *call,
                              const struct pn_pam_cluster *cluster, struct pn_err *err) PN_CHECKED;
/* Is it still the cluster, and the way to it, that live sessions were opened for? */
bool pn_pam_cluster_eq(const struct pn_pam_cluster *a, const struct pn_pam_cluster *b);

/* What an account, its template and its resource name; the template has a way alone. */
struct pn_pam_clusters {
    struct pn_pam_cluster own, of_template, of_resource;
};
/* Which one holds: of the cluster the account's own or the resource's, of the way also its template's. */
struct pn_pam_cluster pn_pam_cluster_choose(const struct pn_pam_clusters *from);

/* The three from a row: the account `a`, its template `t` (perhaps none), its resource `r`. */
#define PN_PAM_CLUSTER_COLUMNS                                                              \
    "a.url, a.is_verified, a.ca_certificate, a.gateway_id, a.gateway_pool_id, t.gateway_id" \
    ", t.gateway_pool_id, r.url, r.is_verified, r.ca_certificate, r.gateway_id, r.gateway_pool_id"
#define PN_PAM_CLUSTER_FROM                                             \
    " FROM pam_accounts a JOIN pam_resources r ON r.id = a.resource_id" \
    " LEFT JOIN pam_templates t ON t.id = a.template_id "
struct pn_pam_clusters pn_pam_cluster_read(struct pn_query *q, int first, struct pn_arena *arena);

#endif
