/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SYS_POD_H
#define PN_SYS_POD_H

#include "base/arena.h"
#include "base/secret.h"

/*
 * What Kubernetes gives a pod: the address of its API server (KUBERNETES_SERVICE_HOST and
 * KUBERNETES_SERVICE_PORT_HTTPS), the CA of that, and a token that the kubelet renews.
 */
#define PN_POD_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"

struct pn_pod {
    struct pn_arena *arena;
    struct pn_str url;       /* "https://HOST:PORT", an IPv6 address in brackets */
    struct pn_str ca_pem;    /* never empty; not parsed here */
    struct pn_str namespace; /* the pod's own; PN_NONE where the file is missing */
    struct pn_secret *token; /* one word, without the newline that some tools leave */
};

/*
 * Reads all of it, as it is now. NULL is PN_POD_DIRECTORY. There is no such thing as a half: what is
 * missing or empty is the error.
 *
 * Errors:  PN_IO  with a sentence that says which part, and what to do
 * Threads: any that may read files (not a loop's).
 */
bool pn_pod_read(const char *directory, struct pn_pod *out, struct pn_err *err) PN_CHECKED;
void pn_pod_drop(struct pn_pod *pod); /* a zeroed one is fine */

#endif
