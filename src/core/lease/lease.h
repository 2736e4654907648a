/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_LEASE_H
#define PN_CORE_LEASE_LEASE_H

#include "core/lease/provider.h"
#include "core/lease/state.h"
#include "db/db.h"

/* Leases of dynamic secrets (dynamic-secrets.md §1.3, §1.4, §4, §7). Members carry the wire's names. */

struct pn_dynamic_secret {
    struct pn_uuid id, folderId, gatewayId,
        gatewayV2Id; /* gatewayId: of older servers, never set */
    struct pn_str name, type, defaultTTL, maxTTL, usernameTemplate, status, statusDetails;
    int64_t version, createdAt, updatedAt;
    struct pn_list metadata; /* of struct pn_permit_pair */
    struct pn_str inputs;    /* JSON without the token; PN_NONE: not shown */
    struct pn_uuid config_id;
};

struct pn_lease {
    struct pn_uuid id, dynamicSecretId;
    int64_t version, expireAt, createdAt, updatedAt;
    struct pn_str externalEntityId, status, statusDetails;
    struct pn_str config; /* JSON {"namespace"}, or PN_NONE */
    /* Not shown: */
    enum pn_lease_state state;
    struct pn_uuid config_id, org_id, project_id;
    struct pn_str environment, path, name; /* where its dynamic secret was */
    struct pn_lease_plan plan;
    struct pn_str jti;
    int64_t token_end_ms;
};

/* Where a dynamic secret is, as requests say it. */
struct pn_lease_at {
    struct pn_str projectSlug, environmentSlug, path;
};

struct pn_lease_data; /* outputs.h */

struct pn_lease_want {
    struct pn_lease_at at;
    struct pn_str dynamicSecretName, ttl; /* ttl "" or PN_NONE: the default */
    struct pn_str namespace;              /* of config, or PN_NONE */
    struct pn_strs outputs; /* of config: names, instead of the dynamic secret's … */
    bool has_outputs;       /* … if there were any */
};

/*
 * Makes one: intent, objects, token (README.md). Permission dynamic-secrets:lease; for where the cluster is (KUBECONFIG),
 * where the dynamic secret does not give it to everybody, also what its inputs take.
 *
 * Errors:  PN_NOT_FOUND, PN_PERMISSION, PN_BAD_REQUEST (§1.7; nothing is left, or what is left is being
 *          taken away), PN_VALIDATION (ttl, config.outputs)
 * Threads: worker, slow lane: up to 8 s, and 5 s more to take back what failed.
 */
bool pn_lease_create(struct pn_call *call, const struct pn_lease_want *want, struct pn_lease *lease,
                     struct pn_dynamic_secret *secret, struct pn_lease_data *data,
                     struct pn_err *err) PN_CHECKED;

bool pn_lease_list(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                   struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_lease_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                  struct pn_lease *lease, struct pn_dynamic_secret *secret, struct pn_err *err)
    PN_CHECKED;
/* Its old end + ttl; never past the token's own end, nor past maxTTL since its creation (D6). */
bool pn_lease_renew(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                    struct pn_str ttl, struct pn_lease *out, struct pn_err *err) PN_CHECKED;
/*
 * Ends it now. A cluster that refuses is no error: `out` then says "Failed to delete", and it is tried
 * again until it is done. Forced, the row goes whatever the cluster says; what may be left is on record.
 */
bool pn_lease_revoke(struct pn_call *call, const struct pn_lease_at *at, struct pn_str id,
                     bool is_forced, struct pn_lease *out, struct pn_err *err) PN_CHECKED;

/* ---- what time does: for jobs ---- */

/* Ends the lease of a job that was claimed. *has_answered: its cluster did, whatever it said. */
bool pn_lease_run_job(struct pn_call *call, struct pn_uuid id, int64_t claim, bool *has_answered,
                      struct pn_err *err) PN_CHECKED;

/* ---- for write functions (threads: writer) ---- */

/*
 * Makes due at once every lease of a folder and of all below it, of an environment, of a project, of a dynamic secret:
 * called by the write that deletes it, before it does. The leases outlive it until they are gone from their clusters
 * (D20). One that is being made never becomes one.
 */
bool pn_lease_end_below(struct pn_db_conn *tx, struct pn_arena *arena, struct pn_uuid environment,
                        struct pn_str path, struct pn_err *err) PN_CHECKED;
bool pn_lease_end_project(struct pn_db_conn *tx, struct pn_uuid project, struct pn_err *err)
    PN_CHECKED;
bool pn_lease_end_all(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
    PN_CHECKED;
/* PN_BAD_REQUEST while there are leases: their credentials would go with the organisation's key. */
bool pn_lease_refuse_org(struct pn_db_conn *tx, struct pn_uuid org, struct pn_err *err) PN_CHECKED;
/* A pn_undo: the answer with the token of the lease `id` (struct pn_uuid *) reached nobody: it is due (D21). */
bool pn_lease_write_lost(struct pn_db_conn *tx, void *id, struct pn_err *err) PN_CHECKED;

#endif
