/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_DYNAMIC_SECRET_H
#define PN_CORE_LEASE_DYNAMIC_SECRET_H

#include "core/lease/lease.h"

/* Dynamic secrets: how leases are made (dynamic-secrets.md §1.1, §1.2). */
#define PN_DYNAMIC_MAX 1000 /* of a folder */
#define PN_DYNAMIC_MAX_METADATA 100

/* What a request says of one. Texts with ptr NULL: absent. `inputs` and its token stay the caller's. */
struct pn_dynamic_secret_in {
    struct pn_lease_at at;
    struct pn_str name, defaultTTL, maxTTL, usernameTemplate, type;
    struct pn_list metadata; /* of struct pn_permit_pair */
    struct pn_lease_config_in inputs;
    bool has_max, has_template, has_metadata, has_inputs;
};

/*
 * Permissions create-root-credential, edit-root-credential (of the old metadata and of the new),
 * delete-root-credential; attach-gateways where a gateway is named. Create and update try the cluster before anything
 * is stored.
 *
 * Errors:  PN_VALIDATION (all at once), PN_NOT_FOUND, PN_PERMISSION, PN_BAD_REQUEST (§1.7)
 * Threads: worker, slow lane.
 */
bool pn_dynamic_secret_create(struct pn_call *call, const struct pn_dynamic_secret_in *in,
                              struct pn_dynamic_secret *out, struct pn_err *err) PN_CHECKED;
/* `in->name` is the one it has, `new_name` PN_NONE or another. */
bool pn_dynamic_secret_update(struct pn_call *call, const struct pn_dynamic_secret_in *in,
                              struct pn_str new_name, struct pn_dynamic_secret *out,
                              struct pn_err *err) PN_CHECKED;
/*
 * At once when it has no leases; otherwise they are ended first, and it is shown until the last is gone.
 * Forced: rows go at once, the cluster is not touched, what is left there is on record.
 */
bool pn_dynamic_secret_delete(struct pn_call *call, const struct pn_lease_at *at,
                              struct pn_str name, bool is_forced, struct pn_dynamic_secret *out,
                              struct pn_err *err) PN_CHECKED;
/* Inputs are shown to who may both read and edit it (D9). */
bool pn_dynamic_secret_get(struct pn_call *call, const struct pn_lease_at *at, struct pn_str name,
                           struct pn_dynamic_secret *out, struct pn_err *err) PN_CHECKED;
/* Those that the actor may read, by name, without inputs. */
bool pn_dynamic_secret_list(struct pn_call *call, const struct pn_lease_at *at, struct pn_list *out,
                            struct pn_err *err) PN_CHECKED;

#endif
