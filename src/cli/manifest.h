/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_MANIFEST_H
#define PN_CLI_MANIFEST_H

#include "base/buf.h"

/*
 * What a cluster needs so that a gateway can be a pod of it: who it is, what it may do there (act as
 * some service accounts, review tokens, nothing else), and the pod. YAML for `kubectl apply`.
 */
struct pn_manifest {
    struct pn_str gateway, namespace, service_account, image, domain;
    struct pn_str ca_pem;          /* of the server; PN_NONE: the system's */
    const struct pn_str *accounts; /* "NAMESPACE/NAME", each checked */
    size_t account_count;
    bool is_constrained; /* by KEP-5284 (Kubernetes 1.36 and later), without the verb impersonate */
    bool is_reviewer;
    bool has_rules_only;
};
void pn_manifest_print(const struct pn_manifest *manifest, struct pn_buf *out);

#endif
