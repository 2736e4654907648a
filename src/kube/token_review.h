/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_TOKEN_REVIEW_H
#define PN_KUBE_TOKEN_REVIEW_H

#include "base/buf.h"
#include "base/secret.h"
#include "json/shape.h"

/* authentication.k8s.io/v1 TokenReview: the question, and what an API server answers. */
#define PN_KUBE_TOKEN_REVIEW_PATH "/apis/authentication.k8s.io/v1/tokenreviews"

/* Appends the question to `out` (wiped: it carries the token). Without audiences the key is left out. */
void pn_kube_token_review_print(const struct pn_secret *token, struct pn_str audience,
                                struct pn_buf *out);

struct pn_kube_review {
    bool is_authenticated;
    struct pn_str error;      /* of the verdict; PN_NONE or "" without one */
    struct pn_str username;   /* "system:serviceaccount:NAMESPACE:NAME" */
    struct pn_str uid;        /* of the service account */
    struct pn_strs audiences; /* of the token that the API server has confirmed */
    struct pn_str pod_name, node_name;
};

/*
 * Strict: what is there must have the type that Kubernetes gives it. Its texts are still anybody's: names
 * are checked by who takes them for names (kube/names.h). Everything in `out` lives in the arena. Errors: PN_PROTOCOL when it is no TokenReview with a status.
 */
bool pn_kube_token_review_parse(struct pn_arena *arena, struct pn_str body,
                                struct pn_kube_review *out, struct pn_err *err) PN_CHECKED;

/*
 * What an answer that is no success has to say: the message of a metav1.Status, or the body when that
 * is text; PN_NONE when there is nothing a person could read.
 */
struct pn_str pn_kube_answer_text(struct pn_arena *arena, struct pn_str content_type,
                                  struct pn_str body);

/* An answer is an object of Kubernetes: otherwise no API server said it. */
bool pn_kube_answer_is_object(struct pn_arena *arena, struct pn_str body) PN_CHECKED;
/*
 * It is a metav1.Status about the object of that name, as API servers say it of what they looked for. What stands before
 * them may speak in Statuses too: of a cluster, a path or a session that it does not know.
 */
bool pn_kube_answer_is_about(struct pn_arena *arena, struct pn_str body, struct pn_str name)
    PN_CHECKED;

#endif
