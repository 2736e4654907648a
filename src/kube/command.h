/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_COMMAND_H
#define PN_KUBE_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"

/*
 * From recorded requests to the command that a person typed (kube-proxying.md §5). kubectl does not transmit its
 * arguments, so the line is reconstructed: from what the requests did, and for its verb and for which requests
 * belong together from what the client claims of itself (Kubectl-Command, Kubectl-Session). For display
 * only; nothing is decided by it.
 */
struct pn_kube_call {
    struct pn_str id, url, verb, api_group, resource, subresource, namespace, name, upgrade;
    struct pn_str session, claim, agent; /* headers of the client: untrusted text, "" when absent */
    int status;                          /* HTTP; 0: none (yet) */
    int64_t started_ms, ended_ms;        /* ended 0: still running */
    uint64_t request_bytes, response_bytes;
};

struct pn_kube_command {
    struct pn_str text;              /* "kubectl logs web-1 -n shop -f" */
    bool is_claimed;                 /* its verb is the client's word for it */
    const struct pn_kube_call *call; /* the one that matters: the command's verb, resource, … */
    int status;                      /* the worst of those that matter; 0: none (yet) */
    int64_t started_ms, ended_ms;    /* of all its requests; ended 0: still running */
    size_t requests, folded,
        objects; /* folded: of them, to find its way; objects: that it wrote or read by name */
    uint64_t request_bytes, response_bytes;
};

/*
 * Commands in the order in which they began; what is only discovery makes none, its requests are counted in
 * `*folded`. `calls` in the order of their start; the result refers to them and to the arena.
 */
struct pn_kube_command *pn_kube_reconstruct(struct pn_arena *arena,
                                            const struct pn_kube_call *calls, size_t count,
                                            size_t *commands, size_t *folded);

/* What kubectl asks to find its way, and was given. */
bool pn_kube_is_discovery(const struct pn_kube_call *call);

/* Appends a word as a shell would have to be given it; control characters as $'\x1b'. */
bool pn_kube_add_quoted(struct pn_buf *out, struct pn_str word);

#endif
