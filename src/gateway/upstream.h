/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_UPSTREAM_H
#define PN_GATEWAY_UPSTREAM_H

#include "gateway/worker.h"

/*
 * A session's road to its cluster: a pool of connections to the account's URL, and nowhere else. TLS
 * contexts are shared by roads with the same trust.
 */
struct pn_upstream {
    struct pn_worker *worker;
    struct pn_origin *origin;
    struct pn_url url; /* into `text` */
    char *text;
    char authority[300];  /* Host: without a default port */
    struct pn_str prefix; /* of every path; usually "" */
    struct pn_upstream_trust *trust;
};

/* Where it leads, and what is trusted there. */
struct pn_upstream_target {
    struct pn_str url, ca_pem; /* ca_pem absent: the system's CAs */
    bool is_insecure;
};

/* PN_BAD_REQUEST: an http:// URL that is not of this machine (the token would travel in the clear). */
bool pn_upstream_new(struct pn_worker *worker, const struct pn_upstream_target *target,
                     struct pn_upstream **out, struct pn_err *err) PN_CHECKED;
/* From now on new connections trust these CAs; those that are open stay. */
bool pn_upstream_set_trust(struct pn_upstream *upstream, const struct pn_upstream_target *target,
                           struct pn_err *err) PN_CHECKED;
/* Aborts what is still open on it. NULL is fine. */
void pn_upstream_free(struct pn_upstream *upstream);
/* For the end of the worker: connections that are being opened. */
void pn_upstream_cancel_all(struct pn_worker *worker);

#endif
