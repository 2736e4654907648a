/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_RECORD_H
#define PN_CORE_LEASE_RECORD_H

#include "core/lease/find.h"
#include "core/lease/orphans.h"

/* The audit rows of dynamic secrets and leases. Members that are absent are left out. */
struct pn_lease_event {
    const char *type;
    struct pn_uuid org_id, project_id; /* org_id zero: the actor's */
    struct pn_str environment, path;
    struct pn_str name; /* of the dynamic secret */
    struct pn_uuid secret_id;
    const struct pn_lease *lease;  /* NULL: about the dynamic secret alone */
    const struct pn_strs *changed; /* names of members */
    struct pn_str warning, reason;
    struct pn_str requester;         /* of a job: who started it */
    const struct pn_orphan *orphans; /* that were taken away */
    size_t orphan_count;
    int64_t count; /* of a list; < 0: none */
    bool has_forced, is_forced;
    bool has_abandoned; /* with the objects of the lease that are left in the cluster */
};

struct pn_lease_event pn_lease_event_of(const char *type, const struct pn_lease_scope *scope,
                                        const struct pn_dynamic_secret *secret,
                                        const struct pn_lease *lease);
/* From the lease's own row: without the request's scope. */
struct pn_lease_event pn_lease_event_alone(const char *type, const struct pn_lease *lease);

bool pn_lease_record(struct pn_db_conn *tx, const struct pn_call *call,
                     const struct pn_lease_event *event, struct pn_err *err) PN_CHECKED;
bool pn_lease_record_read(struct pn_call *call, const struct pn_lease_event *event,
                          struct pn_err *err) PN_CHECKED;

#endif
