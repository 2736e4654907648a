/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_EVENT_SUBSCRIPTION_H
#define PN_CORE_EVENT_SUBSCRIPTION_H

#include "base/buf.h"
#include "core/event/change.h"

/*
 * Who is told of changes to a project's secrets (platform.md §13): what was registered, who asked, and where in the audit
 * log they are. What it holds is its own; one thread has it at a time.
 */
struct pn_subscription;

#define PN_SUBSCRIPTION_MAX_EVENTS 10
/* A page ends with the event that passes this; what one event names is cut so that clients' lines of 64 KiB hold it. */
#define PN_SUBSCRIPTION_PAGE_BYTES ((size_t)48 << 10)
#define PN_SUBSCRIPTION_MAX_BYTES ((size_t)128 << 10)

struct pn_subscription_event {
    int event;                 /* enum pn_event */
    struct pn_str environment; /* slug; empty: every one */
    struct pn_str path;        /* a path or a pattern (core/org/glob.h); with has_place */
    bool has_place;
};
/*
 * Begins with what is committed from now on. Each event takes its action on secret-event-subscriptions: where it is registered
 * for or, without a place, somewhere.
 *
 * Errors:  PN_PERMISSION, PN_NOT_FOUND  no right to one of them; no such project
 *          PN_BAD_REQUEST               a path that is no pattern
 * Threads: worker.
 */
bool pn_subscription_open(struct pn_call *call, struct pn_uuid project_id,
                          const struct pn_subscription_event *events, size_t count,
                          struct pn_subscription **out, struct pn_err *err) PN_CHECKED;
void pn_subscription_free(struct pn_subscription *subscription);

/*
 * A page of what came since, as server-sent events: what the subscriber may see of it by the rows of now. `has_more`: look
 * again. `call` has an arena, the time and a connection; its actor is filled in.
 *
 * Errors:  the subscription is over: PN_TOKEN, PN_UNAUTHENTICATED, PN_FORBIDDEN, PN_PERMISSION, PN_NOT_FOUND …
 * Threads: worker.
 */
bool pn_subscription_look(struct pn_subscription *subscription, struct pn_call *call,
                          struct pn_buf *page, bool *has_more, struct pn_err *err) PN_CHECKED;

/* Whether rows that it stands on, or secrets of its project, may have changed since the last look began. Any thread. */
bool pn_subscription_is_stale(const struct pn_subscription *subscription, const struct pn_db *db);
/* When the token ends, in wall time; INT64_MAX: never. */
int64_t pn_subscription_ends_ms(const struct pn_subscription *subscription);
/* Whose it is and where: what limits count. */
bool pn_subscription_is_of(const struct pn_subscription *subscription,
                           const struct pn_subscription *other, bool *has_same_actor);

#endif
