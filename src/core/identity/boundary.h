/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_IDENTITY_BOUNDARY_H
#define PN_CORE_IDENTITY_BOUNDARY_H

#include "core/identity/identity.h"

/*
 * The privilege boundary around an identity (identity-auth.md §2): nobody reaches through one for what they
 * may not do themselves. One that administers the instance is for others that do. Else who holds `action`
 * on identities by name passes, where the identity belongs (the organisation, its project), or who may do all that the identity may: in the organisation, and in each
 * project by the roles and privileges that hold there now or will. Errors: PN_BOUNDARY.
 */
bool pn_identity_boundary(struct pn_call *call, const struct pn_identity *identity,
                          const char *action, struct pn_err *err) PN_CHECKED;

#endif
