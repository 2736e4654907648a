/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_POD_H
#define PN_GATEWAY_POD_H

#include <stdatomic.h>

#include "sys/pod.h"

/*
 * The gateway's own identity in its cluster, as read a moment ago. Immutable, counted, shared by the
 * loops.
 */
struct pn_own_pod {
    _Atomic unsigned refs;
    struct pn_pod pod;
    struct pn_secret *authorization; /* "Bearer …" */
};

/* Errors: PN_IO with a sentence; also when ca.crt holds no certificates. Threads: not a loop's. */
bool pn_own_pod_read(const char *directory, struct pn_own_pod **out, struct pn_err *err) PN_CHECKED;
struct pn_own_pod *pn_own_pod_ref(struct pn_own_pod *pod);
void pn_own_pod_unref(struct pn_own_pod *pod); /* NULL is fine */
bool pn_own_pod_is_same(const struct pn_own_pod *a, const struct pn_own_pod *b);

#endif
