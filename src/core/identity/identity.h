/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_IDENTITY_IDENTITY_H
#define PN_CORE_IDENTITY_IDENTITY_H

#include "base/call.h"
#include "json/shape.h"

/* Machine identities (identity-auth.md §3, platform.md §5.1). Members carry the wire's names. */
struct pn_identity {
    struct pn_uuid id, orgId;
    struct pn_str name, role;
    bool isInstanceAdmin;
    int64_t createdAt, updatedAt;
};

#define PN_IDENTITY_MAX_TTL_S INT64_C(315360000)

/* Role slugs are org roles; nobody creates an identity with more rights than their own (PN_BOUNDARY). */
bool pn_identity_create(struct pn_call *call, struct pn_str name, struct pn_str role,
                        struct pn_identity *out, struct pn_err *err) PN_CHECKED;
/* Name or role with ptr NULL stay as they are. */
bool pn_identity_change(struct pn_call *call, struct pn_uuid id, struct pn_str name,
                        struct pn_str role, struct pn_identity *out, struct pn_err *err) PN_CHECKED;
bool pn_identity_delete(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                        struct pn_err *err) PN_CHECKED;
/* In the actor's organisation, for callers that have checked their permission. PN_NOT_FOUND. */
bool pn_identity_find(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                      struct pn_err *err) PN_CHECKED;
/* The same with the permission identity:read. */
bool pn_identity_get(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                     struct pn_err *err) PN_CHECKED;
bool pn_identity_list(struct pn_call *call, struct pn_list *out, struct pn_err *err)
    PN_CHECKED; /* of pn_identity */

#endif
