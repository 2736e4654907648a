/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_CONTROL_H
#define PN_GATEWAY_CONTROL_H

#include "gateway/home.h"
#include "gateway/pod.h"
#include "gateway/state.h"
#include "loop/loop.h"

/*
 * The gateway's one thread for calls to the server: enrol, connect and renew, heartbeat, which
 * sessions have ended, credentials for loops that ask.
 */
struct pn_control;

struct pn_control_config {
    struct pn_str server_url, server_ca_pem, relay_name; /* copied, as is */
    struct pn_str direct_address; /* what clients without a relay shall dial; absent: nothing */
    struct pn_state *state;       /* enrolled; outlives the control */
    /* Fresh certificates; the first time and at two thirds of their life. Borrowed: ref to keep. */
    void (*identity)(void *context, struct pn_identity *identity);
    const char *pod_directory; /* NULL: where Kubernetes puts it. Outlives the control */
    /*
     * The gateway's own identity in its cluster, or why there is none: before the first grant that
     * stands on it, and at every change. Borrowed: ref to keep.
     */
    void (*pod)(void *context, struct pn_own_pod *pod, const struct pn_err *why);
    /* A session is over; for those that were held. */
    void (*ended)(void *context, const struct pn_ended *ended);
    void *context;
};

/* Enrols with `one_time` when the state has not been yet. Blocks. */
bool pn_control_enrol(struct pn_str server_url, struct pn_str server_ca_pem, struct pn_state *state,
                      const struct pn_secret *one_time, struct pn_err *err) PN_CHECKED;
/*
 * Connects once (`identity` is called from here), then goes on in a thread of its own. A server that
 * is away is tried again; one that refuses is the error.
 */
bool pn_control_start(const struct pn_control_config *config, struct pn_control **out,
                      struct pn_err *err) PN_CHECKED;
/* Ends the thread; questions not answered yet, and later ones, fail. Then, when no loop uses it any more, free. */
void pn_control_stop(struct pn_control *control);
void pn_control_free(struct pn_control *control);

/*
 * A loop's question for a session's credentials; embedded in its owner. `done.run` is called on
 * `loop` with either grant (the owner's then) or err set.
 */
struct pn_ask {
    struct pn_uuid session;
    struct pn_loop *loop;
    struct pn_task done;
    struct pn_grant *grant;
    struct pn_err err;
    struct pn_ask *next;
};
void pn_control_ask(struct pn_control *control, struct pn_ask *ask);

/* While held, the server is asked once a second whether the session is still live. Counted; any thread. */
void pn_control_hold(struct pn_control *control, struct pn_uuid session);
void pn_control_release(struct pn_control *control, struct pn_uuid session);

/*
 * The session has ended here, for a reason of the gateway's own: tells the server, again and again while it is
 * away. Any thread.
 */
void pn_control_report_end(struct pn_control *control, struct pn_uuid session,
                           struct pn_str reason);

/* The cluster did not take the pod's token: it may have been renewed. At most once a second. Any thread. */
void pn_control_doubt_pod(struct pn_control *control);

struct pn_control_status {
    bool is_connected;
    unsigned sessions;
    int64_t certificate_expires_ms;
};
struct pn_control_status pn_control_status(struct pn_control *control);

#endif
