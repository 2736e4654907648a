/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_SWEEP_H
#define PN_CORE_LEASE_SWEEP_H

#include "core/lease/provider.h"

/*
 * The sweeper: what a cluster holds of a dynamic secret by our labels, whatever our rows say: after a database was
 * restored from an older backup, or leases were forgotten by force. It needs the right to list (pn_lease_manifest_sweep),
 * which leases do not. Only objects that name this dynamic secret are looked at, so several installations may share a
 * cluster.
 */
#define PN_LEASE_SWEEP_GRACE_MS \
    INT64_C(600000) /* younger ones may be of a lease that is being made */
#define PN_LEASE_SWEEP_MAX 10000

struct pn_lease_found {
    int kind; /* enum pn_lease_kind */
    struct pn_str namespace, name, uid;
    struct pn_uuid lease_id; /* zero: its label is no id of ours */
    int64_t created_ms;
};

/*
 * Everything of this dynamic secret in the namespaces of `config`, at most PN_LEASE_SWEEP_MAX. Kinds that leases of this
 * configuration do not have are left out where they may not be listed.
 *
 * Errors: PN_BAD_REQUEST, the cluster's words; on 403 err->details is {"manifest": YAML that mends it}.
 */
bool pn_lease_sweep_list(struct pn_call *call, const struct pn_lease_config *config,
                         struct pn_uuid dynamic_secret_id, struct pn_list *out, struct pn_err *err)
    PN_CHECKED; /* of pn_lease_found */

/* Deletes that very object (by its UID); what is gone already is fine. Errors: PN_BAD_REQUEST. */
bool pn_lease_sweep_remove(struct pn_call *call, const struct pn_lease_config *config,
                           const struct pn_lease_found *found, struct pn_err *err) PN_CHECKED;

#endif
