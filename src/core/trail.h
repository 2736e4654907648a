/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_TRAIL_H
#define PN_CORE_TRAIL_H

#include "core/audit/audit.h"

/* An audit row said as a table of names and texts: what most changes have to tell. */
struct pn_trail {
    const char *type;          /* "gateway-create" */
    struct pn_uuid org_id;     /* zero: the actor's */
    struct pn_uuid project_id; /* zero: none */
    struct pn_trail_field {
        const char *name;    /* NULL ends the list */
        struct pn_str value; /* absent texts are left out */
    } fields[12];
};

/* Called from the write function that makes the change. Threads: writer. */
bool pn_trail_write(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_trail *trail,
                    struct pn_err *err) PN_CHECKED;

#endif
