/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_ORPHANS_H
#define PN_CORE_LEASE_ORPHANS_H

#include "core/lease/provider.h"
#include "db/db.h"

/*
 * What a cluster holds by our labels that no lease of ours owns (D15): of leases that a restored database does not know,
 * or that were forgotten by force. The cluster is asked first and the rows afterwards: an intent is committed before its first
 * object is made, so who is in the list has a row by then if it is, or is becoming, anybody's. No clock decides.
 * What carries the label of another instance, or none, is not ours.
 */
#define PN_ORPHANS_PAGE 50 /* objects: some KiB each, of the half MiB that an answer may have */

/* How far a walk has come: through the kinds in each namespace, and the pages of one. */
struct pn_orphans_at {
    int64_t step;
    struct pn_str next; /* the cluster's own word for its next page; PN_NONE: the first */
};

struct pn_orphan {
    struct pn_uuid lease_id;
    struct pn_lease_object object;
};

/* What is looked through: a configuration's namespaces, for one instance. */
struct pn_orphans_in {
    const struct pn_lease_config *config;
    struct pn_uuid instance_id;
};

bool pn_orphans_is_end(const struct pn_orphans_in *in, const struct pn_orphans_at *at);

/*
 * One page: a list of struct pn_orphan, and *at moved to what comes next. Kinds that leases of this configuration do not
 * have are left out where they may not be listed. A page that the cluster has forgotten is begun again at its first.
 *
 * Errors:  PN_BAD_REQUEST, the bare cause, with *fault; on 403 err->details is {"manifest": YAML that mends it}
 * Threads: as pn_provider_create.
 */
bool pn_orphans_page(struct pn_call *call, const struct pn_orphans_in *in, struct pn_orphans_at *at,
                     struct pn_list *out, enum pn_provider_fault *fault, struct pn_err *err)
    PN_CHECKED;

/* Deletes that very object, by its UID; what is gone already is fine. Errors: PN_BAD_REQUEST, with *fault. */
bool pn_orphan_remove(struct pn_call *call, const struct pn_lease_config *config,
                      const struct pn_orphan *orphan, enum pn_provider_fault *fault,
                      struct pn_err *err) PN_CHECKED;

#endif
