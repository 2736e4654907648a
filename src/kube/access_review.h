/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_ACCESS_REVIEW_H
#define PN_KUBE_ACCESS_REVIEW_H

#include "base/buf.h"
#include "base/err.h"
#include "json/shape.h"

/* authorization.k8s.io/v1 SelfSubjectAccessReview: may I? Everyone who is authenticated may ask. */
#define PN_KUBE_ACCESS_REVIEW_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

struct pn_kube_right {
    const char *verb, *group, *resource, *subresource; /* subresource NULL: none */
    struct pn_str namespace, name;                     /* empty: of no namespace; of any name */
};
void pn_kube_access_review_print(const struct pn_kube_right *right, struct pn_buf *out);

/* Errors: PN_PROTOCOL when it is no review with a status. */
bool pn_kube_access_review_parse(struct pn_arena *arena, struct pn_str body, bool *is_allowed,
                                 struct pn_err *err) PN_CHECKED;

/* authentication.k8s.io/v1 SelfSubjectReview (Kubernetes 1.28): who am I? */
#define PN_KUBE_SELF_REVIEW_PATH "/apis/authentication.k8s.io/v1/selfsubjectreviews"
void pn_kube_self_review_print(struct pn_buf *out);
bool pn_kube_self_review_parse(struct pn_arena *arena, struct pn_str body, struct pn_str *username,
                               struct pn_err *err) PN_CHECKED;

#endif
