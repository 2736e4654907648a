/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_SESSION_H
#define PN_GATEWAY_SESSION_H

#include "gateway/worker.h"

/*
 * A session on one loop. From the first connection with its certificate until that certificate has
 * expired: *new* (nobody knows yet), *asking* (credentials are on their way), *live*, *ended* (the
 * credentials are wiped; what is left is a tombstone).
 */
enum pn_session_state { PN_SESSION_NEW, PN_SESSION_ASKING, PN_SESSION_LIVE, PN_SESSION_ENDED };

struct pn_session {
    struct pn_worker *worker;
    struct pn_uuid id;
    enum pn_session_state state;
    unsigned connections;
    int64_t not_after_ms; /* the latest of its certificates */
    bool is_held;         /* control asks about it */
    struct pn_err end;    /* why it ended: 401 or 403 with a sentence */
    struct pn_ask ask;
    struct pn_grant *grant;       /* while live */
    struct pn_upstream *upstream; /* while live: the road to the cluster */
    struct pn_recording *recording;
    struct pn_timer expiry;
    struct pn_timer idle;
    uint64_t idle_bytes;                       /* of what was open at the last look */
    struct pn_passage *passages;               /* forwarded, not over */
    struct pn_passage *waiting, **waiting_end; /* for the credentials */
    size_t waiting_count;
};

/* Joins a connection to its session. PN_BUSY: the session has as many as it may. */
bool pn_session_join(struct pn_worker *worker, struct pn_uuid id, int64_t not_after_ms,
                     struct pn_session **out, struct pn_err *err) PN_CHECKED;
void pn_session_leave(struct pn_session *session);
/* Asks for credentials unless that is under way. State: new or asking. */
void pn_session_ask(struct pn_session *session);
/*
 * Ends it: no request goes out any more; open ones are answered, end with a reason the client shows, or are
 * reset, within three seconds. Idempotent.
 */
void pn_session_end(struct pn_session *session, const struct pn_err *why);
/* Its own client ends it, for good and on every loop; it need not have been heard of here before. */
void pn_session_cancel(struct pn_worker *worker, struct pn_uuid id, int64_t not_after_ms);
/* The gateway's own identity was renewed or lost: sessions that stand on it take the new one, or end. */
void pn_session_pod_changed(struct pn_worker *worker);
/* A passage is over: an ended session's road to the cluster goes with its last one. */
void pn_session_passage_over(struct pn_session *session);
/* Forgets sessions nobody needs any more. */
void pn_session_sweep(struct pn_worker *worker);
/* For the end of the worker: the session lives on elsewhere, what is open here does not. Then, when that is over, free. */
void pn_session_abort_all(struct pn_worker *worker, const struct pn_err *why);
bool pn_session_has_passages(const struct pn_worker *worker);
void pn_session_free_all(struct pn_worker *worker);

#endif
