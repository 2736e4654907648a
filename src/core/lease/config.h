/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_CONFIG_H
#define PN_CORE_LEASE_CONFIG_H

#include "base/call.h"
#include "base/secret.h"
#include "core/auth/cluster_turns.h"
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
    struct pn_strs outputs; /* of its leases, beside the token (outputs.h) */
    int authMethod;
    struct pn_uuid gatewayId, gatewayPoolId;
    int tokenBinding, bindingScope, tokenLifetime;
    /* Not on the wire: */
    struct pn_strs namespaces; /* `namespace`, taken apart */
    struct pn_uuid org_id;     /* whose gateways */
};

/*
 * The same as a request has it: what is absent is as it was. The shape says types and lengths; the rules
 * of how members fit together are pn_lease_config_check.
 */
struct pn_lease_config_in {
    struct pn_lease_config c;
    bool has_ssl, has_reject, has_audiences, has_gateway, has_pool, has_ca, has_outputs;
};
extern const struct pn_shape pn_lease_config_shape; /* of struct pn_lease_config_in */

void pn_lease_config_drop(struct pn_lease_config *config);

/* A new one from a request, or `onto` with what the request changes. The token stays the request's. */
struct pn_issues;
void pn_lease_config_take(const struct pn_lease_config_in *in, struct pn_lease_config *onto);
/* Notes what is wrong under `path` ("provider.inputs"); fills in defaults and `namespaces`. */
void pn_lease_config_check(struct pn_arena *arena, struct pn_lease_config *config, const char *path,
                           struct pn_issues *issues);
/* Whether a token that was stored with `before` would be sent elsewhere, or unseen, with `after`. */
bool pn_lease_config_is_moved(const struct pn_lease_config *before,
                              const struct pn_lease_config *after);
/* Where it is: "pool:ID", "gateway:ID" or "host:port": what can be dead, for jobs. */
struct pn_str pn_lease_config_place(struct pn_arena *arena, const struct pn_lease_config *config);

/* The same as its organisation's: for core/auth/cluster_turns.h. */
struct pn_cluster_place pn_lease_config_turn(struct pn_arena *arena,
                                             const struct pn_lease_config *config);

/* As a row keeps it and the API shows it: JSON with all defaults, without the token. */
struct pn_str pn_lease_config_print(struct pn_arena *arena, const struct pn_lease_config *config);
bool pn_lease_config_read(struct pn_arena *arena, struct pn_str json, struct pn_lease_config *out,
                          struct pn_err *err) PN_CHECKED;

#endif
