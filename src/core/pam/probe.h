/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_PROBE_H
#define PN_CORE_PAM_PROBE_H

#include "base/secret.h"
#include "core/pam/cluster.h"

/*
 * The connection test of a save (contract pam-gateway.md §9.4, §11.3, §12.1): through the gateway, as a session
 * will go. What cannot work is refused before anything is written, in the cluster's own words. Nothing is tried,
 * and the save goes on, while there is no cluster or no gateway to try, or the gateway does not answer.
 */
#define PN_PAM_PROBE_MS 10000 /* of one question; at most two are asked */

struct pn_pam_probe {
    const struct pn_pam_cluster *cluster;
    const char *auth_method; /* PN_PAM_BY_…; NULL: the cluster alone, as nobody */
    const struct pn_secret *token;
    struct pn_str namespace, service_account_name;
    bool is_skipped; /* the caller wants it stored untried */
};
struct pn_pam_probe_result {
    struct pn_str status; /* "ok", "warning", "skipped"; PN_NONE: there was nothing to try */
    struct pn_str message;
};

/*
 * Errors:  PN_BAD_REQUEST  the cluster is not to be reached, refuses the token, or does not let the gateway act
 *                          as the account: with the rule that lets it
 * Threads: worker, slow lane.
 */
bool pn_pam_probe(struct pn_call *call, const struct pn_pam_probe *probe,
                  struct pn_pam_probe_result *out, struct pn_err *err) PN_CHECKED;

#endif
