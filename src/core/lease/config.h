/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_CONFIG_H
#define PN_CORE_LEASE_CONFIG_H

#include "base/call.h"
#include "base/secret.h"
#include "json/shape.h"

/*
 * The inputs of a Kubernetes dynamic secret (dynamic-secrets.md §1.1), with the wire's names. Texts live as
 * long as the call; the token is freed by pn_lease_config_drop. Members that a credential type has not are absent.
 */
enum { PN_LEASE_STATIC, PN_LEASE_DYNAMIC };      /* credentialType */
enum { PN_LEASE_CLUSTER_ROLE, PN_LEASE_ROLE };   /* roleType */
enum { PN_LEASE_BY_TOKEN, PN_LEASE_BY_GATEWAY }; /* authMethod: "api", "gateway" */
enum {
    PN_LEASE_BIND_NONE,
    PN_LEASE_BIND_SECRET
}; /* tokenBinding (D7); -1: whatever the test permits */
enum { PN_LEASE_SCOPE_CLUSTER, PN_LEASE_SCOPE_NAMESPACE }; /* bindingScope (D16) */
enum { PN_LEASE_TOKEN_AS_LEASE, PN_LEASE_TOKEN_MAX };      /* tokenLifetime (D6): "lease", "max" */

extern const char *const pn_lease_credential_types[],
    *const pn_lease_role_types[], *const pn_lease_auth_methods[],
                                      *const pn_lease_token_bindings[],
                                          *const pn_lease_binding_scopes[],
                                              *const pn_lease_token_lifetimes[];

#define PN_LEASE_MAX_NAMESPACES 32
#define PN_LEASE_MAX_AUDIENCES 32

struct pn_lease_config {
    int credentialType;
    struct pn_str url, ca;
    struct pn_secret *clusterToken; /* NULL: none */
    bool sslEnabled, sslRejectUnauthorized;
    struct pn_str serviceAccountName; /* static */
    struct pn_str namespace;          /* as it was written: "a" or "a, b" */
    int roleType;                     /* dynamic; -1 otherwise */
    struct pn_str role;
    struct pn_strs audiences;
    int authMethod;
    struct pn_uuid gatewayId, gatewayPoolId;
    int tokenBinding, bindingScope, tokenLifetime;
    /* Not on the wire: */
    struct pn_strs namespaces; /* `namespace`, taken apart */
    struct pn_uuid org_id;     /* whose gateways */
};

void pn_lease_config_drop(struct pn_lease_config *config);

#endif
