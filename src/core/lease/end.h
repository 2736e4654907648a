/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_END_H
#define PN_CORE_LEASE_END_H

#include "core/lease/record.h"

/* How a lease goes: by its own plan and configuration, whoever asks (README.md). */

/*
 * Has the cluster take away what the plan names, with the lease's configuration or, where its credential is not
 * good any more, the newest one of the same place (D1). Errors: PN_BAD_REQUEST, the bare cause, with *fault.
 */
bool pn_lease_undo(struct pn_call *call, struct pn_uuid config_id, struct pn_lease_plan *plan,
                   enum pn_provider_fault *fault, struct pn_err *err) PN_CHECKED;

/*
 * After it an intent is nobody's: its cleaning begins, and ends with another one as long after the first that found it
 * clean. An API server works at a request for no longer than this (--request-timeout).
 */
#define PN_LEASE_INTENT_MS 60000

/*
 * The whole of it, under a claim of its job: revoking, undo, gone or failed with the next try. An intent that is
 * younger than PN_LEASE_INTENT_MS is its maker's: its job waits, whoever hastened it. When the claim was
 * overtaken (by another who ends it, by a renewal), nothing is written and is_overtaken says so. `lease` is the row as it was left, or as it was when it went.
 */
struct pn_lease_ending {
    int64_t claim;
    bool is_automatic; /* by a job: details end " - Retrying automatically" */
    bool is_forced;    /* gone whatever the cluster says */
    bool has_scope;    /* the record names `scope`'s place; otherwise the lease's own */
    struct pn_lease_scope scope;
    /* out */
    bool is_gone, is_overtaken;
    bool
        has_answered; /* the cluster did, whatever it said; left as it was where it was not asked */
};
bool pn_lease_end(struct pn_call *call, struct pn_lease *lease, struct pn_lease_ending *ending,
                  struct pn_err *err) PN_CHECKED;

/* When the n-th failure (1, 2, …) since `since_ms` is followed by another try (D22). */
int64_t pn_lease_next_try(int64_t failures, int64_t since_ms, int64_t now_ms);

/* For write functions: the dynamic secret whose deletion waits for its leases goes with the last (D23). */
bool pn_lease_settle(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
    PN_CHECKED;

#endif
