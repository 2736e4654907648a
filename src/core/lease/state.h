/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_STATE_H
#define PN_CORE_LEASE_STATE_H

#include "base/str.h"

/* The life of a lease (dynamic-secrets.md §7): one table of what may follow what. */
enum pn_lease_state {
    PN_LEASE_PENDING,  /* the intent: its objects may come into being */
    PN_LEASE_CLEANING, /* it came to nothing; objects may be left. Not shown, like PENDING */
    PN_LEASE_ACTIVE,   /* the token was handed out */
    PN_LEASE_REVOKING, /* its end has begun: it is not renewed any more */
    PN_LEASE_FAILED,   /* objects are left, and are tried again: "Failed to delete" */
    PN_LEASE_GONE,     /* no row */
};
#define PN_LEASE_STATES 6

const char *pn_lease_state_name(enum pn_lease_state state);
/* A name of a newer program is none: nothing may follow it here. */
bool pn_lease_state_parse(struct pn_str name, enum pn_lease_state *out) PN_CHECKED;
bool pn_lease_state_may(enum pn_lease_state from, enum pn_lease_state to);
bool pn_lease_state_is_shown(enum pn_lease_state state);
/* What the API calls it: NULL, or "Failed to delete". */
const char *pn_lease_state_status(enum pn_lease_state state);

#endif
