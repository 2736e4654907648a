/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reach.h"

bool pn_reach(struct pn_call *call, const struct pn_reach_to *to,
              const struct pn_reach_request *request, struct pn_reach_answer *out,
              enum pn_reach_fault *fault, struct pn_err *err)
{
    *fault = PN_REACH_OTHER;
    if (call->reach == NULL)
        return pn_fail(err, PN_INTERNAL, "nothing here calls clusters");
    return call->reach->send(call->reach, call, to, request, out, fault, err);
}
