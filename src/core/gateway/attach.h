/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_ATTACH_H
#define PN_CORE_GATEWAY_ATTACH_H

#include "base/call.h"

/*
 * Whoever names a gateway or a pool, for a cluster that is reached by it, makes use of it: one rule for all who do.
 * At most one of the two ids is not zero; with neither there is nothing to ask. Permissions: org
 * gateway:attach-gateways, gateway-pool:attach-gateway-pools. All functions: worker.
 */
bool pn_attach_permit(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid pool,
                      struct pn_err *err) PN_CHECKED;
/* It must be one of the organisation, too. Errors: PN_NOT_FOUND ("Gateway with ID G not found"), PN_PERMISSION. */
bool pn_attach_check(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid pool,
                     struct pn_err *err) PN_CHECKED;

#endif
