/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_BATCH_H
#define PN_CORE_PAM_BATCH_H

#include "base/buf.h"
#include "base/call.h"

/*
 * The log of a session as its gateway sends it (doc/protocol/gateway-rest.md G6): arrays of events at
 * offsets that count events, sealed with the project's key and bound to their place. Threads: worker.
 */
#define PN_PAM_BATCH_MAX_BYTES ((size_t)1 << 20)
#define PN_PAM_LOG_PAGE_MAX 100                 /* batches */
#define PN_PAM_LOG_PAGE_BYTES ((size_t)1 << 20) /* a page of several ends before it passes this */
#define PN_PAM_OFFSET_MAX (INT64_C(1) << 52)

/*
 * Stores `body`, a JSON array of objects, at `start`. The same batch again changes nothing; an empty
 * one stores nothing. Allowed after the session has ended.
 *
 * Errors:  PN_NOT_FOUND    not a session of this gateway
 *          PN_BAD_REQUEST  not an array of objects
 *          PN_TOO_LARGE    over PN_PAM_BATCH_MAX_BYTES
 *          PN_CONFLICT     another batch has this place, or part of it: details {startOffset, endOffset}
 */
bool pn_pam_batch_put(struct pn_call *call, struct pn_uuid session, int64_t start,
                      struct pn_str body, struct pn_err *err) PN_CHECKED;

struct pn_pam_log_page {
    struct pn_str events; /* JSON array, the events as they came; call->arena */
    int64_t batch_count;  /* in this page: the next one begins that much further */
    bool has_more;
};
/* `offset` and `limit` count batches. Whoever may see the session. */
bool pn_pam_batch_read(struct pn_call *call, struct pn_uuid session, int64_t offset, int64_t limit,
                       struct pn_pam_log_page *out, struct pn_err *err) PN_CHECKED;

#endif
