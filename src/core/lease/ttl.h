/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_TTL_H
#define PN_CORE_LEASE_TTL_H

#include "base/str.h"

/*
 * How long a lease lasts, as people write it: the grammar of npm's `ms` ("1h", "90 min", "1.5 Days"; without a unit
 * milliseconds), one number and one unit, and the contract's limits.
 */
#define PN_TTL_MIN_MS INT64_C(60000)
#define PN_TTL_MAX_MS (INT64_C(10) * 31557600000) /* ten years of 365.25 days */

/* What is wrong with it, as the contract says it (422 on the field); NULL: nothing, and *ms is set. */
const char *pn_ttl_fault(struct pn_str text, int64_t *ms);

#endif
