/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_LIMITER_H
#define PN_SERVER_LIMITER_H

#include "base/str.h"
#include "server/route.h"

/*
 * Requests per client address and class of route, in windows of 60 s (platform.md §17.3). Memory is
 * bounded: a full table forgets windows that are over; when all are live, the oldest ones.
 * Thread-safe.
 */
struct pn_limiter;

#define PN_LIMITER_WINDOW_MS 60000
#define PN_LIMITER_MAX_CLIENTS 16384
#define PN_RATES (PN_RATE_ACCESS + 1)

/* `limits[rate]` requests per window; 0: no limit. */
struct pn_limiter *pn_limiter_new(const int64_t limits[PN_RATES]);
void pn_limiter_free(struct pn_limiter *limiter);

struct pn_limit {
    int64_t limit, remaining; /* limit 0: none */
    int64_t reset_s;          /* until the window ends, rounded up */
};
/* Counts one request; false when it is over the limit. */
bool pn_limiter_take(struct pn_limiter *limiter, struct pn_str client, enum pn_rate rate,
                     struct pn_limit *out);

#endif
