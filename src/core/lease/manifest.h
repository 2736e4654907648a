/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_MANIFEST_H
#define PN_CORE_LEASE_MANIFEST_H

#include "core/lease/config.h"

/*
 * The rights that leases of a configuration need and no more (M1–M4 of the contract), as YAML for kubectl apply: a
 * Role and its binding in every namespace, and a ClusterRole where bindings reach over the cluster. `username`: who
 * gets them, as the cluster calls it; PN_NONE: a name to be filled in. Roles are called by what they allow and whom, so
 * that what is applied for one dynamic secret takes nothing from another in the same namespace.
 */
struct pn_str pn_lease_manifest(struct pn_arena *arena, const struct pn_lease_config *config,
                                struct pn_str username);

/* A message has no room for it: details {"manifest": YAML}. Always false, as what raises. */
bool pn_lease_attach_manifest(struct pn_call *call, struct pn_str yaml, struct pn_err *err)
    PN_CHECKED;

/* What the sweeper needs on top of it: list, in the same places. */
struct pn_str pn_lease_manifest_sweep(struct pn_arena *arena, const struct pn_lease_config *config,
                                      struct pn_str username);

#endif
