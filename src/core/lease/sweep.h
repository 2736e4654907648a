/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_SWEEP_H
#define PN_CORE_LEASE_SWEEP_H

#include "core/lease/lease.h"

/*
 * The sweeper: takes away what orphans.h finds, with the credential of a dynamic secret and in its namespaces. Never by
 * itself: somebody who may delete the dynamic secret looks first, and then starts it. It is a job, a page at a time and
 * a second between two, and goes on where it was after a restart. Permission dynamic-secrets:delete-root-credential.
 */
struct pn_sweep {
    struct pn_uuid dynamicSecretId;
    struct pn_str state; /* "running", "done", "failed" */
    int64_t removed, startedAt, endedAt;
    struct pn_str error; /* why it failed, or fails now; PN_NONE */
    /* Not shown: */
    struct pn_uuid config_id, org_id, project_id;
    struct pn_str environment, path, name, requester, next;
    int64_t step, pages;
};

/*
 * What a sweep would take away, without one: a list of struct pn_orphan, as many as fit into the call; *is_complete
 * when that is all. Errors: PN_BAD_REQUEST, the cluster's words; on 403 with the manifest of what is missing.
 */
bool pn_sweep_look(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                   struct pn_list *out, bool *is_complete, struct pn_err *err) PN_CHECKED;
/* Starts one, after the cluster was asked once. Errors: as above; PN_CONFLICT when one is running. */
bool pn_sweep_start(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                    struct pn_sweep *out, struct pn_err *err) PN_CHECKED;
/* The last one. Errors: PN_NOT_FOUND when there was none. */
bool pn_sweep_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                  struct pn_sweep *out, struct pn_err *err) PN_CHECKED;

/* One page of it, for jobs: the id is the dynamic secret's. */
bool pn_sweep_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                      struct pn_err *err) PN_CHECKED;

#endif
