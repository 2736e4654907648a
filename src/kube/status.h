/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_STATUS_H
#define PN_KUBE_STATUS_H

#include "base/arena.h"
#include "base/err.h"
#include "http/head.h"

/* The sentence an error of our own is: a metav1.Status, which kubectl prints as "Error from server (reason)". */
struct pn_str pn_kube_status(struct pn_arena *arena, int code, struct pn_str message);
/* The reason that belongs to a code; "" for one that has none. */
const char *pn_kube_reason(int code);

/*
 * A whole answer: head (Content-Type, Cache-Control, content length; Retry-After when
 * retry_after_s > 0, only where trying again can help) in the arena, and the body.
 */
struct pn_http_head pn_kube_status_head(struct pn_arena *arena, int code, int retry_after_s,
                                        struct pn_str body);

/*
 * The same as an answer to `request`. kubectl prints the message of a Status everywhere but in discovery,
 * its first request, where it shows "unknown" unless the answer is plain text: there it is plain text.
 */
struct pn_kube_reply {
    struct pn_http_head head;
    struct pn_str body;
};
struct pn_kube_reply pn_kube_reply(struct pn_arena *arena, const struct pn_http_head *request,
                                   int code, int retry_after_s, struct pn_str message);

/* The HTTP status an error of the gateway is answered with. */
int pn_kube_code(const struct pn_err *err);

#endif
