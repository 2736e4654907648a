/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_PROVIDER_H
#define PN_CORE_LEASE_PROVIDER_H

#include "core/lease/config.h"
#include "kube/object.h"

/*
 * What a lease is in a Kubernetes cluster: the objects and the token of it, made, tried and taken away
 * (dynamic-secrets.md §2, §7). Knows clusters by call->reach and no database: what is remembered is in the
 * plan, which the caller commits before pn_provider_create and after every call that changed it.
 *
 * Messages in err are the bare cause: the cluster's own words or the transport's, with tokens scrubbed; the
 * caller puts "Failed to … from provider: " before them.
 */
enum pn_lease_kind {
    PN_LEASE_SERVICE_ACCOUNT,
    PN_LEASE_SECRET, /* that a static token is bound to */
    PN_LEASE_ROLE_BINDING,
    PN_LEASE_CLUSTER_ROLE_BINDING,
};
#define PN_LEASE_KINDS 4
extern const char
    *const pn_lease_kinds[]; /* "ServiceAccount", …: also how rows and audit name them */

struct pn_lease_object {
    int kind;                /* enum pn_lease_kind */
    struct pn_str namespace; /* "" of cluster-scoped ones */
    struct pn_str name;
    struct pn_str uid; /* PN_NONE: not made, or not known whether */
    bool is_gone;      /* a delete was confirmed, or there was nothing */
};

#define PN_LEASE_MAX_OBJECTS 4
struct pn_lease_plan {
    struct pn_uuid lease_id, dynamic_secret_id, instance_id; /* labels (D12) */
    struct pn_str requester;                              /* id of who asked: an annotation (D12) */
    struct pn_str namespace;                              /* of the service account */
    struct pn_str account;                                /* its name: externalEntityId */
    int64_t token_s;                                      /* length that is asked for (D4, D6) */
    int64_t expire_ms;                                    /* wanted end: an annotation */
    struct pn_lease_object objects[PN_LEASE_MAX_OBJECTS]; /* in the order they are made */
    size_t object_count;
};

/* Why a call failed, for what follows. */
enum pn_provider_fault {
    PN_PROVIDER_NO_FAULT,
    PN_PROVIDER_REFUSED, /* the cluster said no: nothing is in doubt */
    PN_PROVIDER_TAKEN, /* create: a chosen name is somebody else's (a definite 409); plan again, once */
    PN_PROVIDER_DENIED,  /* 401: the credential is not good any more */
    PN_PROVIDER_BUSY,    /* 429, 5xx of the API server: it did nothing, and may later */
    PN_PROVIDER_NO_ROAD, /* nothing was sent: refused, no name, no gateway, bad certificate */
    PN_PROVIDER_IN_DOUBT, /* sent, and no answer that says what came of it: it may still come about */
};

/* Whether somebody there spoke, whatever was said: a dead one is not waited for by many. */
bool pn_provider_has_answered(enum pn_provider_fault fault);

/* What the request says of one lease. */
struct pn_provider_want {
    struct pn_uuid lease_id, dynamic_secret_id, instance_id;
    struct pn_str dynamic_secret_name;
    struct pn_str namespace;        /* config.namespace, or PN_NONE: the first */
    struct pn_str usernameTemplate; /* PN_NONE: "{{randomUsername}}" */
    int64_t ttl_ms, max_ttl_ms;     /* max_ttl_ms 0: none */
    int64_t now_ms;                 /* pn_clock_lease_ms() */
};

/*
 * Chooses the namespace, all names (fresh random parts at each call) and the token's length. No call.
 * Errors:  PN_BAD_REQUEST  namespace not allowed ("Namespace X is not allowed. Allowed namespaces: a, b"), a
 *                          static unbound token of less than 10 minutes (D4), a template that gives no name
 */
bool pn_provider_plan(struct pn_call *call, const struct pn_lease_config *config,
                      const struct pn_provider_want *want, struct pn_lease_plan *out,
                      struct pn_err *err) PN_CHECKED;

struct pn_lease_token {
    struct pn_str token;   /* call->arena, which is wiped */
    struct pn_str jti;     /* or PN_NONE */
    int64_t lives_ms;      /* exp - iat */
    int64_t issued_ms;     /* iat, the cluster's clock: for the skew warning */
    struct pn_str warning; /* the cluster's own: a length it shortened (D5); or PN_NONE */
};

/*
 * Makes what the plan names, in its order, then the token; fills UIDs into the plan as objects come into being,
 * also when a later step fails. Never repeats a request whose outcome is in doubt; a 429 with Retry-After is
 * repeated once when there is time. On failure the caller takes away what there is (pn_provider_revoke).
 *
 * Errors:  PN_BAD_REQUEST, with *fault
 * Threads: slow lane or job; at most 3 s a request, never beyond call->deadline_ms.
 */
bool pn_provider_create(struct pn_call *call, const struct pn_lease_config *config,
                        struct pn_lease_plan *plan, struct pn_lease_token *out,
                        enum pn_provider_fault *fault, struct pn_err *err) PN_CHECKED;

/*
 * Takes away every object of the plan that is not gone yet: first what kills the token (service account, bound
 * Secret), then bindings; each is tried whatever became of the others, and is_gone filled in. By UID where it is
 * known; where it is not, only what carries the lease's label if it can be looked at. True when all are gone; a plan
 * without objects is at once.
 *
 * Errors:  PN_BAD_REQUEST: the joined causes, with the *fault of the worst
 * Threads: as pn_provider_create.
 */
bool pn_provider_revoke(struct pn_call *call, const struct pn_lease_config *config,
                        struct pn_lease_plan *plan, enum pn_provider_fault *fault,
                        struct pn_err *err) PN_CHECKED;

/*
 * The connection test at save (§2.2, case 92), without residue: every namespace, the account or the role, and
 * whether each right that a lease needs is there; where one is not, err->details is {"manifest": YAML that mends it}
 * (M1–M4).
 * Fills tokenBinding where it is -1 (D7: "secret" where that is permitted).
 *
 * Errors: PN_BAD_REQUEST, the bare cause.
 */
bool pn_provider_test(struct pn_call *call, struct pn_lease_config *config, struct pn_err *err)
    PN_CHECKED;

/* One object of the plan as a dry run: decided as always, and not stored. *status: the HTTP one; 0: no answer. */
bool pn_provider_try(struct pn_call *call, const struct pn_lease_config *config,
                     struct pn_lease_plan *plan, size_t index, int *status, struct pn_err *err)
    PN_CHECKED;

/* As kube/ calls it. */
enum pn_kube_kind pn_provider_kube_kind(enum pn_lease_kind kind);

/* A ClusterRole that is bound for the whole cluster. */
bool pn_provider_is_wide(const struct pn_lease_config *config);
/* Whether a lease of this configuration has an object whose deletion ends the token. */
bool pn_provider_can_revoke(const struct pn_lease_config *config);

#endif
