/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_CHECK_H
#define PN_CORE_GATEWAY_CHECK_H

#include "base/call.h"
#include "json/shape.h"

/* What a gateway can do right now, step by step, each with a sentence that says what to mend. */
struct pn_gateway_step {
    struct pn_str name;    /* "tunnel", "gateway", "clock", "pod", "api-server", "identity", … */
    struct pn_str status;  /* "ok", "failed"; "no": a right that not every gateway needs */
    struct pn_str message; /* credentials in a cluster's words are hidden */
};

/*
 * Tunnel, answer, clock, the pod's identity and its API server; who the pod is there, whether it may review
 * tokens and, for `service_account` ("NAMESPACE/NAME", PN_NONE for none), act as that one. A list of struct
 * pn_gateway_step. What is wrong is a step that failed, not an error.
 *
 * Permissions: org gateway:attach-gateways. Errors: PN_NOT_FOUND, PN_PERMISSION, PN_BAD_REQUEST (no such name
 * of a service account). Threads: worker, slow lane; about 20 s at most.
 */
bool pn_gateway_check(struct pn_call *call, struct pn_uuid gateway, struct pn_str service_account,
                      struct pn_list *out, struct pn_err *err) PN_CHECKED;

#endif
