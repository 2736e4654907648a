/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes Auth: workloads log in with their service account. Contract: identity-auth.md §6, §7. */
#include "core/auth/kubernetes_auth.h"
#include "core/auth/kubernetes_login.h"
#include "kube/host.h"
#include "kube/service_token.h"
#include "server/api/terms.h"
#include "server/route.h"

#define MAX_CA_BYTES 10240
#define MAX_REVIEWER_BYTES 8192
#define MAX_LIST_BYTES 4096
#define MAX_AUDIENCE_BYTES 1024

/* ---- what is shown ---- */

struct view {
    struct pn_uuid id, identityId, gatewayId, gatewayPoolId, templateId;
    struct pn_str kubernetesHost, caCert, tokenReviewerJwt, allowedNamespaces, allowedNames,
        allowedAudience, verification, issuer;
    int tokenReviewMode;
    bool verifyTlsCertificate, tokenReviewerJwtSet, jwksTokenReview, has_jwks;
    struct pn_strs warnings;
    struct pn_token_terms terms;
    int64_t createdAt, updatedAt;
};
static const struct pn_field view_fields[] = {
    PN_FIELD(view, id, UUID),
    PN_FIELD(view, identityId, UUID),
    PN_FIELD(view, kubernetesHost, STRING),
    PN_FIELD(view, caCert, STRING, .omit_empty = true),
    PN_FIELD(view, verifyTlsCertificate, BOOL),
    PN_FIELD(view, tokenReviewerJwt, STRING, .omit_empty = true,
             .doc = "Always empty: it is written, never read (tokenReviewerJwtSet)"),
    PN_FIELD(view, tokenReviewerJwtSet, BOOL),
    PN_FIELD(view, tokenReviewMode, ENUM, .names = pn_kubernetes_review_modes),
    PN_FIELD(view, allowedNamespaces, STRING),
    PN_FIELD(view, allowedNames, STRING),
    PN_FIELD(view, allowedAudience, STRING),
    PN_FIELD(view, gatewayId, UUID),
    PN_FIELD(view, gatewayPoolId, UUID),
    PN_FIELD(view, templateId, UUID),
    PN_FIELD(view, verification, STRING, .omit_empty = true),
    PN_FIELD(view, issuer, STRING, .omit_empty = true),
    PN_FIELD(view, warnings, STRINGS),
    PN_TERMS_OUT_FIELDS(view, terms),
    PN_FIELD(view, createdAt, TIME),
    PN_FIELD(view, updatedAt, TIME),
};

static struct view show(struct pn_call *call, const struct pn_kubernetes_auth *a)
{
    bool is_ours = a->verification > PN_VERIFY_REVIEW;

    return (struct view){
        .id = a->id,
        .identityId = a->identityId,
        .gatewayId = a->gatewayId,
        .gatewayPoolId = a->gatewayPoolId,
        .kubernetesHost = a->kubernetesHost,
        .caCert = a->caCert,
        .tokenReviewerJwt = PN_LIT(""),
        .tokenReviewerJwtSet = a->tokenReviewerJwtSet,
        .tokenReviewMode = a->tokenReviewMode,
        .verifyTlsCertificate = a->verifyTlsCertificate,
        .allowedNamespaces = a->allowedNamespaces,
        .allowedNames = a->allowedNames,
        .allowedAudience = a->allowedAudience,
        .verification =
            is_ours ? pn_str_from(pn_kubernetes_verifications[a->verification]) : PN_NONE,
        .issuer = a->verification == PN_VERIFY_JWKS ? a->issuer : PN_NONE,
        .warnings = pn_kubernetes_auth_warnings(call->arena, a),
        .terms = a->terms,
        .createdAt = a->createdAt,
        .updatedAt = a->updatedAt,
    };
}

struct view_out {
    struct view identityKubernetesAuth;
};
static const struct pn_field view_out_fields[] = {
    PN_FIELD(view_out, identityKubernetesAuth, OBJECT, .shape = PN_SHAPE(view)),
};

/* ---- attach and update ---- */

struct change_in {
    struct pn_uuid identityId;
    struct pn_kubernetes_auth_in a;
};
/* clang-format off */
#define IN(member, kind_, ...)                                                                     \
    { .name = #member, .kind = PN_KIND_##kind_, .offset = offsetof(struct change_in, a.member),    \
      __VA_ARGS__ }
#define HAS(flag) .has_offset = offsetof(struct change_in, a.flag)
/* clang-format on */
static const struct pn_field change_in_fields[] = {
    PN_FIELD(change_in, identityId, UUID, .required = true),
    IN(kubernetesHost, STRING, .min = 1, .max = PN_KUBE_HOST_MAX_BYTES, .trim = true,
       .is_nullable = true, HAS(has_host)),
    IN(caCert, STRING, .max = MAX_CA_BYTES, .trim = true),
    IN(verifyTlsCertificate, BOOL, HAS(has_verify)),
    IN(tokenReviewerJwt, SECRET, .max = MAX_REVIEWER_BYTES, .trim = true, .is_nullable = true,
       HAS(has_reviewer)),
    IN(tokenReviewMode, ENUM, .names = pn_kubernetes_review_modes),
    IN(allowedNamespaces, STRING, .max = MAX_LIST_BYTES),
    IN(allowedNames, STRING, .max = MAX_LIST_BYTES),
    IN(allowedAudience, STRING, .max = MAX_AUDIENCE_BYTES, .trim = true),
    IN(gatewayId, UUID, HAS(has_gateway)),
    IN(gatewayPoolId, UUID, HAS(has_pool)),
    IN(verification, ENUM, .names = pn_kubernetes_verifications, .is_nullable = true,
       HAS(has_verification),
       .doc = "Ours: in-cluster reviews as the server's own pod; jwks checks signature, issuer,"
              " audience and times by the cluster's public keys"),
    IN(issuer, STRING, .max = MAX_AUDIENCE_BYTES, .trim = true,
       .doc = "Ours: the issuer of tokens that are verified by keys"),
    IN(jwksTokenReview, BOOL, HAS(has_jwks_review),
       .doc = "Ours: besides its keys, ask the cluster too"),
    PN_TERMS_IN_FIELDS(change_in, a.terms),
};

static bool attach(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct view_out *out = out_;
    struct pn_kubernetes_auth auth;

    if (!pn_kubernetes_auth_attach(call, in->identityId, &in->a, &auth, err))
        return false;
    out->identityKubernetesAuth = show(call, &auth);
    return true;
}

static bool update(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct change_in *in = in_;
    struct view_out *out = out_;
    struct pn_kubernetes_auth auth;

    if (!pn_kubernetes_auth_update(call, in->identityId, &in->a, &auth, err))
        return false;
    out->identityKubernetesAuth = show(call, &auth);
    return true;
}

/* ---- get and revoke ---- */

struct one_in {
    struct pn_uuid identityId;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, identityId, UUID, .required = true),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct view_out *out = out_;
    struct pn_kubernetes_auth auth;

    if (!pn_kubernetes_auth_get(call, in->identityId, &auth, err))
        return false;
    out->identityKubernetesAuth = show(call, &auth);
    return true;
}

static bool revoke(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct view_out *out = out_;
    struct pn_kubernetes_auth auth;

    if (!pn_kubernetes_auth_detach(call, in->identityId, &auth, err))
        return false;
    out->identityKubernetesAuth = show(call, &auth);
    out->identityKubernetesAuth.caCert = PN_NONE; /* not shown any more (§6) */
    out->identityKubernetesAuth.tokenReviewerJwt = PN_NONE;
    return true;
}

/* ---- login ---- */

struct login_in {
    struct pn_str identityId, organizationSlug, subOrganizationName;
    struct pn_secret *jwt;
};
static const struct pn_field login_in_fields[] = {
    PN_FIELD(login_in, identityId, STRING, .required = true, .min = 1, .max = 64, .trim = true),
    PN_FIELD(login_in, jwt, SECRET, .required = true, .min = 1, .max = PN_SERVICE_TOKEN_MAX_BYTES,
             .trim = true),
    PN_FIELD(login_in, organizationSlug, STRING, .max = 64, .trim = true),
    PN_FIELD(login_in, subOrganizationName, STRING, .max = 64, .trim = true,
             .doc = "Older name of organizationSlug"),
};

static bool login(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct login_in *in = in_;
    struct pn_grant_out *out = out_;
    struct pn_grant grant;

    if (!pn_kubernetes_login_grant(call, in->identityId, in->jwt,
                                   in->organizationSlug.len > 0 ? in->organizationSlug
                                                                : in->subOrganizationName,
                                   &grant, err))
        return false;
    *out = pn_grant_show(&grant);
    return true;
}

#define BASE "/api/v1/auth/kubernetes-auth/identities/:identityId"

const struct pn_route pn_kubernetes_auth_routes[] = {
    { PN_POST, "/api/v1/auth/kubernetes-auth/login", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_SLOW, .audit = "login-identity-kubernetes-auth", .in = PN_SHAPE(login_in),
      .out = &pn_grant_view, .handle = login,
      .doc = "Logs a workload in with its service account token" },
    { PN_POST, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit-auth",
      .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW, .audit = "add-identity-kubernetes-auth",
      .in = PN_SHAPE(change_in), .out = PN_SHAPE(view_out), .handle = attach,
      .doc = "Attaches Kubernetes Auth to an identity, after trying the cluster" },
    { PN_PATCH, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit-auth",
      .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW, .audit = "update-identity-kubernetes-auth",
      .in = PN_SHAPE(change_in), .out = PN_SHAPE(view_out), .handle = update,
      .doc = "Changes the Kubernetes Auth of an identity; what is absent stays" },
    { PN_GET, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:read", .rate = PN_RATE_READ,
      .audit = "get-identity-kubernetes-auth", .in = PN_SHAPE(one_in), .out = PN_SHAPE(view_out),
      .handle = get, .doc = "Kubernetes Auth of an identity" },
    { PN_DELETE, BASE, .access = PN_BY_PEOPLE, .permission = "org identity:edit",
      .rate = PN_RATE_WRITE, .audit = "revoke-identity-kubernetes-auth", .in = PN_SHAPE(one_in),
      .out = PN_SHAPE(view_out), .handle = revoke,
      .doc = "Takes Kubernetes Auth from an identity; tokens issued by it end" },
    { 0 },
};
