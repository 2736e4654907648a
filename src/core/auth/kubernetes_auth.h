/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_KUBERNETES_AUTH_H
#define PN_CORE_AUTH_KUBERNETES_AUTH_H

#include "base/secret.h"
#include "core/auth/method.h"
#include "kube/reach.h"

/*
 * Kubernetes Auth of a machine identity: which cluster vouches for its workloads, and which of them may
 * log in (identity-auth.md §6). Members carry the wire's names.
 */
#define PN_KUBERNETES_AUTH "kubernetes-auth"

/* tokenReviewMode, as Infisical has it. */
enum { PN_REVIEW_API, PN_REVIEW_GATEWAY };
extern const char *const pn_kubernetes_review_modes[];

/* verification: our own field, which old clients do not see (D11). */
enum {
    PN_VERIFY_REVIEW,     /* as tokenReviewMode says; not shown */
    PN_VERIFY_IN_CLUSTER, /* TokenReview as this server's own pod */
    PN_VERIFY_JWKS, /* signature, issuer, audience and times, by the cluster's published keys */
};
extern const char *const pn_kubernetes_verifications[];

struct pn_kubernetes_auth {
    struct pn_uuid id, identityId, gatewayId, gatewayPoolId;
    struct pn_str kubernetesHost, caCert, allowedNamespaces, allowedNames, allowedAudience;
    int tokenReviewMode, verification;
    struct pn_str issuer; /* PN_VERIFY_JWKS: what `iss` must be */
    bool jwksTokenReview; /* … and ask the cluster besides */
    bool verifyTlsCertificate;
    bool tokenReviewerJwtSet;
    struct pn_token_terms terms;
    int64_t createdAt, updatedAt;
    /* Not shown: */
    int64_t version; /* of all of this; a verdict belongs to one */
    struct pn_uuid org_id;
    struct pn_str identity_name, org_slug;
    struct pn_str sealed_ca, sealed_reviewer;
    struct pn_secret *reviewer; /* opened by pn_kubernetes_auth_open; the caller frees */
};

struct pn_kubernetes_auth_in {
    struct pn_str kubernetesHost, caCert, allowedNamespaces, allowedNames, allowedAudience, issuer;
    struct pn_secret *tokenReviewerJwt;
    int tokenReviewMode, verification; /* -1: absent */
    bool verifyTlsCertificate, jwksTokenReview;
    struct pn_uuid gatewayId, gatewayPoolId;
    struct pn_token_terms_in terms;
    bool has_host, has_verify, has_reviewer, has_gateway, has_pool, has_verification,
        has_jwks_review;
};

/*
 * Permissions: identity:read, edit-auth, revoke-auth and the privilege boundary (method.h). Attach and
 * update try the cluster before anything is stored (§6.3).
 *
 * Errors:  PN_VALIDATION, PN_BAD_REQUEST (named, when the probe fails), PN_NOT_FOUND, PN_CONFLICT when it
 *          was changed meanwhile
 * Threads: worker, slow lane.
 */
bool pn_kubernetes_auth_attach(struct pn_call *call, struct pn_uuid identity,
                               const struct pn_kubernetes_auth_in *in,
                               struct pn_kubernetes_auth *out, struct pn_err *err) PN_CHECKED;
bool pn_kubernetes_auth_update(struct pn_call *call, struct pn_uuid identity,
                               const struct pn_kubernetes_auth_in *in,
                               struct pn_kubernetes_auth *out, struct pn_err *err) PN_CHECKED;
bool pn_kubernetes_auth_get(struct pn_call *call, struct pn_uuid identity,
                            struct pn_kubernetes_auth *out, struct pn_err *err) PN_CHECKED;
bool pn_kubernetes_auth_detach(struct pn_call *call, struct pn_uuid identity,
                               struct pn_kubernetes_auth *out, struct pn_err *err) PN_CHECKED;

/* What an administrator should look at (D17, D14): sentences, in the arena. */
struct pn_strs pn_kubernetes_auth_warnings(struct pn_arena *arena,
                                           const struct pn_kubernetes_auth *auth);

/* For logins: without permission checks; `out->id` is zero when there is none. */
bool pn_kubernetes_auth_find(struct pn_call *call, struct pn_uuid identity,
                             struct pn_kubernetes_auth *out, struct pn_err *err) PN_CHECKED;
/* Unseals the CA into auth->caCert ("" before) and the reviewer's token into auth->reviewer, where there are such. */
bool pn_kubernetes_auth_open(struct pn_call *call, struct pn_kubernetes_auth *auth,
                             struct pn_err *err) PN_CHECKED;

#endif
