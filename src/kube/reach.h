/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_REACH_H
#define PN_KUBE_REACH_H

#include "base/call.h"
#include "base/secret.h"

/*
 * The port by which core/ speaks with a cluster: one HTTPS request to its API server, directly or
 * through a gateway. core/ and kube/ say what; reach/reach.c, behind call->reach, says how.
 */

/* Whose credential the API server sees. */
enum pn_reach_as {
    PN_REACH_AS_BEARER,  /* the request's `bearer`, or nobody's */
    PN_REACH_AS_GATEWAY, /* the gateway's own pod token, at its own in-cluster address with its CA */
    PN_REACH_AS_SERVER,  /* this server's own pod token, likewise (no gateway) */
};

/* Where a cluster is. Texts live as long as the call. */
struct pn_reach_to {
    struct pn_str
        host; /* "host", "host:port" or URL, IPv6 in brackets, prefix kept; unused when AS_GATEWAY */
    struct pn_str ca_pem;               /* absent: the system's CAs; given: the only trust */
    bool is_insecure;                   /* certificate not verified */
    struct pn_uuid gateway_id, pool_id; /* both zero: directly; of a pool, a healthy member */
    struct pn_uuid org_id; /* whose gateway or pool: who logs in is nobody yet; zero: the actor's */
    enum pn_reach_as as;
};

struct pn_reach_request {
    const char *method;
    struct pn_str path; /* with query, below the host's prefix */
    struct pn_str body; /* ptr NULL: none; JSON unless content_type says otherwise */
    const char *content_type;
    const struct pn_secret *bearer;
    struct pn_str
        impersonate;       /* "system:serviceaccount:NS:NAME", whom the bearer acts as; PN_NONE */
    int64_t timeout_ms;    /* 0 = 10,000; never beyond call->deadline_ms */
    size_t max_body_bytes; /* of the answer; 0 = 64 KiB */
    bool is_repeatable;    /* although its method does not say so: TokenReviews */
};

struct pn_reach_answer {
    int status; /* any: a status is not a failure. A redirect is an answer and is not followed */
    struct pn_str status_text, content_type, body; /* call->arena */
    int64_t retry_after_s;                         /* of Retry-After; 0 = none */
    struct pn_str warning; /* the text of a Warning header (RFC 7234 §5.5); PN_NONE */
    int64_t gateway_ms; /* the gateway's clock, also with a fault of its own; 0: no gateway spoke */
};

/* Why there was no answer: what the failure tables of identity-auth.md §8.1 tell apart. */
enum pn_reach_fault {
    PN_REACH_NO_FAULT,
    PN_REACH_BAD_HOST,      /* not a host, or one that may not be called (metadata, ourselves) */
    PN_REACH_NO_NAME,       /* does not resolve */
    PN_REACH_REFUSED,       /* connection refused */
    PN_REACH_TIMED_OUT,     /* anywhere, until timeout_ms */
    PN_REACH_SELF_SIGNED,   /* leaf or root of the chain is self-signed and not trusted */
    PN_REACH_BAD_CHAIN,     /* leaf cannot be verified, or expired */
    PN_REACH_OTHER,         /* name mismatch, unknown issuer, reset, answer too large, not HTTP */
    PN_REACH_NO_GATEWAY,    /* no such gateway or pool, or no healthy member */
    PN_REACH_GATEWAY_FAULT, /* the gateway says why it could not: pod token, CA, API server */
};

/* What stands behind call->reach; tests put their own cluster here. */
struct pn_reach_port {
    bool (*send)(const struct pn_reach_port *port, struct pn_call *call,
                 const struct pn_reach_to *to, const struct pn_reach_request *request,
                 struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *err);
};

/*
 * One request and its answer. Names are resolved once and the connection is made to what was
 * checked. With a pool the call moves on to the next healthy member as long as nothing was answered and
 * the request may be repeated (TokenReviews may).
 *
 * Errors:  PN_UNREACHABLE, PN_TIMEOUT, PN_PROTOCOL, PN_TOO_LARGE, PN_BAD_REQUEST, with *fault set; the
 *          message names the host as configured and the cause in one clause ("connection refused"), no
 *          resolved address and no secret.
 * Threads: worker, slow lane. Blocks until the timeout.
 */
bool pn_reach(struct pn_call *call, const struct pn_reach_to *to,
              const struct pn_reach_request *request, struct pn_reach_answer *out,
              enum pn_reach_fault *fault, struct pn_err *err) PN_CHECKED;

#endif
