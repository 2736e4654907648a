/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_FEEDS_H
#define PN_SERVER_FEEDS_H

#include "core/event/subscription.h"
#include "net/exchange.h"
#include "server/dispatch.h"

/*
 * Answers that do not end: each subscription with its exchange. Between two looks a feed is memory and a descriptor; looks
 * are a worker's, a few at a time, when rows may have changed and every PN_FEED_PING_MS. One per dispatcher, on its loop.
 */
struct pn_feeds;

#define PN_FEEDS_PER_ACTOR 5 /* of a project: platform.md §13 */
#define PN_FEEDS_PER_PROJECT 100
#define PN_FEEDS_MAX 2000
#define PN_FEED_PING_MS 15000
#define PN_FEED_STALL_MS 30000 /* a page that is not out by then was its reader's last */

struct pn_feeds *pn_feeds_new(const struct pn_dispatch_parts *parts);
/* No looks any more, all exchanges aborted; before the lanes and the HTTP server go. */
void pn_feeds_stop(struct pn_feeds *feeds);
/* After the loop, which may still have had their tasks. */
void pn_feeds_free(struct pn_feeds *feeds);

/* Whether there is room for one more. Errors: PN_RATE_LIMITED, PN_BUSY. */
bool pn_feeds_admit(const struct pn_feeds *feeds, const struct pn_subscription *subscription,
                    struct pn_err *err) PN_CHECKED;
/* Goes on from a head that has been sent; takes both. */
void pn_feeds_add(struct pn_feeds *feeds, struct pn_subscription *subscription,
                  struct pn_exchange *exchange, struct pn_str request_id);
/* Ends each cleanly as soon as what it is saying is said. */
void pn_feeds_drain(struct pn_feeds *feeds);
size_t pn_feeds_count(const struct pn_feeds *feeds);

#endif
