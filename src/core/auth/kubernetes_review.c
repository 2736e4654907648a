/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/kubernetes_review.h"

#include <stdio.h>
#include <string.h>

#include "kube/host.h"
#include "kube/jwks.h"
#include "kube/scrub.h"

#define MAX_QUESTION_BYTES ((size_t)32 << 10)
#define MAX_TEXT_BYTES 300 /* of a cluster's sentence: room for ours behind it */
#define PROBE_TOKEN "test-token-for-permission-validation"

/* ---- words of §8.1 ---- */

/* By what was asked: the prefix of error names, and how messages call the other side. */
struct context {
    const char *prefix, *service, *service_lower;
};
static const struct context api = { "Kubernetes", "Kubernetes API server",
                                    "kubernetes api server" };
static const struct context gateway = { "Gateway", "gateway proxy", "gateway proxy" };
static const struct context host = { "KubernetesHost", "Kubernetes host", "kubernetes host" };

static const struct context *context_of(const struct pn_kubernetes_auth *auth)
{
    return auth->tokenReviewMode == PN_REVIEW_GATEWAY ? &gateway : &api;
}

/* A fault without an answer: error name behind the prefix, and the message around service and host. */
enum { SAYS_LOWER = 1, SAYS_CAUSE = 2 };
static const struct {
    const char *name, *before, *after;
    unsigned says;
} faults[] = {
    [PN_REACH_BAD_HOST] = { "ConnectionError", "Failed to communicate with", ": ", SAYS_CAUSE },
    [PN_REACH_NO_NAME] = { "HostNotFound", "Failed to resolve", NULL, 0 },
    [PN_REACH_REFUSED] = { "ConnectionRefused", "Failed to connect to",
                           ": Connection refused. Verify the host URL and ensure the ",
                           SAYS_LOWER },
    [PN_REACH_TIMED_OUT] = { "ConnectionTimeout", "Connection to",
                             " timed out. Verify network connectivity and firewall rules.", 0 },
    [PN_REACH_SELF_SIGNED] = { "CertificateError", "SSL certificate verification failed for",
                               ". The server uses a self-signed certificate. Please provide the CA"
                               " certificate in the configuration.",
                               0 },
    [PN_REACH_BAD_CHAIN] = { "CertificateError", "SSL certificate verification failed for",
                             ". Verify the CA certificate is correct and the server certificate is"
                             " valid.",
                             0 },
    [PN_REACH_OTHER] = { "ConnectionError", "Failed to communicate with", ": ", SAYS_CAUSE },
    [PN_REACH_NO_GATEWAY] = { "ConnectionError", "Failed to communicate with", ": ", SAYS_CAUSE },
    [PN_REACH_GATEWAY_FAULT] = { "TokenReviewRequestError", NULL, NULL, SAYS_CAUSE },
};

/* What an answer of the reviewer's endpoint means when the cluster does not say it itself. */
static const char reviewer_401[] =
    "Token reviewer JWT is invalid or expired. Please verify the token"
    " reviewer JWT is correct and has not expired.";
static const char reviewer_403[] = "Token reviewer JWT does not have permission to perform "
                                   "TokenReviews. Ensure the service account"
                                   " has the 'system:auth-delegator' ClusterRole binding.";
static const char gateway_401[] =
    "Gateway service account is not authorized to perform TokenReviews. Verify the gateway has the"
    " 'system:auth-delegator' ClusterRole binding.";
static const char gateway_403[] =
    "Gateway service account does not have permission to perform TokenReviews. Ensure it has the"
    " 'system:auth-delegator' ClusterRole binding.";
static const char client_hint[] =
    ". No token reviewer JWT is set, so the login token reviews itself:"
    " it must be valid for the API server's own audience too";

static bool name_it(struct pn_err *err, const struct context *c, const char *name)
{
    char whole[sizeof(err->name)];

    snprintf(whole, sizeof(whole), "%s%s", c->prefix, name);
    return pn_err_named(err, whole);
}

/* The host as it was configured; strangers are shown names, but no addresses. */
static struct pn_str shown_host(const struct pn_kubernetes_auth *auth,
                                enum pn_review_audience audience)
{
    struct pn_err ignored = { 0 };
    struct pn_kube_host parsed;

    if (auth->verification == PN_VERIFY_IN_CLUSTER || auth->kubernetesHost.len == 0)
        return PN_LIT("the cluster");
    if (audience == PN_REVIEW_FOR_ADMINISTRATORS)
        return auth->kubernetesHost;
    if (!pn_kube_host_parse(auth->kubernetesHost, &parsed, &ignored) || parsed.address.is_ip)
        return PN_LIT("the configured host");
    return auth->kubernetesHost;
}

/* err is what the road said; it becomes what the contract says. */
static bool fail_transport(struct pn_call *call, const struct context *c,
                           const struct pn_kubernetes_auth *auth, enum pn_reach_fault fault,
                           enum pn_review_audience audience, struct pn_err *err)
{
    struct pn_str where = shown_host(auth, audience);
    struct pn_str cause = pn_kube_scrub(call->arena, pn_str_from(err->message), NULL, 0);

    if (fault == PN_REACH_GATEWAY_FAULT)
        (void)pn_recast(err, PN_BAD_REQUEST, "%.*s", PN_ARG(cause));
    else if (fault == PN_REACH_NO_NAME && c == &host) /* §6.3 */
        (void)pn_recast(err, PN_BAD_REQUEST, "Failed to connect to %s at %.*s: %.*s", c->service,
                        PN_ARG(where), PN_ARG(cause));
    else if (fault == PN_REACH_NO_NAME)
        (void)pn_recast(err, PN_BAD_REQUEST,
                        "Failed to resolve %s hostname: %.*s. Verify the hostname is correct.",
                        c->service, PN_ARG(where));
    else
        (void)pn_recast(err, PN_BAD_REQUEST, "%s %s at %.*s%s%.*s%s", faults[fault].before,
                        c->service, PN_ARG(where), faults[fault].after,
                        PN_ARG((faults[fault].says & SAYS_CAUSE) ? cause : PN_LIT("")),
                        (faults[fault].says & SAYS_LOWER) ? c->service_lower : "");
    if (faults[fault].says & SAYS_LOWER) {
        size_t len = strlen(err->message);

        snprintf(err->message + len, sizeof(err->message) - len, " is accessible.");
    }
    return name_it(err, c, faults[fault].name);
}

/* ---- asking ---- */

struct pn_reach_to pn_kubernetes_road(const struct pn_kubernetes_auth *auth)
{
    struct pn_reach_to to = { .host = auth->kubernetesHost,
                              .ca_pem = auth->caCert.len > 0 ? auth->caCert : PN_NONE,
                              .is_insecure = !auth->verifyTlsCertificate,
                              .gateway_id = auth->gatewayId,
                              .pool_id = auth->gatewayPoolId,
                              .org_id = auth->org_id };

    if (auth->tokenReviewMode == PN_REVIEW_GATEWAY)
        to.as = PN_REACH_AS_GATEWAY;
    else if (auth->verification == PN_VERIFY_IN_CLUSTER)
        to.as = PN_REACH_AS_SERVER;
    return to;
}

struct pn_cluster_place pn_kubernetes_place(const struct pn_kubernetes_auth *auth)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(PN_KUBE_HOST_MAX_BYTES + 80);
    struct pn_err ignored = { 0 };
    struct pn_cluster_place place;
    struct pn_kube_host parsed;

    pn_buf_add_bytes(&text, auth->org_id.bytes, sizeof(auth->org_id.bytes));
    pn_buf_add_bytes(&text, auth->gatewayId.bytes, sizeof(auth->gatewayId.bytes));
    pn_buf_add_bytes(&text, auth->gatewayPoolId.bytes, sizeof(auth->gatewayPoolId.bytes));
    if (pn_uuid_is_zero(auth->gatewayId) && pn_uuid_is_zero(auth->gatewayPoolId) &&
        auth->verification != PN_VERIFY_IN_CLUSTER &&
        pn_kube_host_parse(auth->kubernetesHost, &parsed, &ignored)) {
        pn_buf_add_be(&text, parsed.address.port, 2);
        for (size_t i = 0; i < parsed.address.host.len; i++) /* names are of no case */
            pn_buf_add_be(&text, (uint64_t)(parsed.address.host.ptr[i] | 0x20), 1);
    }
    pn_hash_sha256(pn_buf_str(&text), place.bytes);
    return place;
}

static bool ask(struct pn_call *call, const struct context *c,
                const struct pn_kubernetes_auth *auth, const struct pn_reach_request *request,
                enum pn_review_audience audience, struct pn_reach_answer *out, struct pn_err *err)
{
    const struct pn_reach_to to = pn_kubernetes_road(auth);
    enum pn_reach_fault fault;

    return pn_reach(call, &to, request, out, &fault, err) ||
           fail_transport(call, c, auth, fault, audience, err);
}

static bool ask_review(struct pn_call *call, const struct context *c,
                       const struct pn_kubernetes_auth *auth, const struct pn_secret *bearer,
                       const struct pn_secret *token, struct pn_str audience,
                       enum pn_review_audience listener, struct pn_reach_answer *out,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf question = pn_buf_init_wiped(MAX_QUESTION_BYTES);
    struct pn_reach_request request = { .method = "POST",
                                        .path = PN_LIT(PN_KUBE_TOKEN_REVIEW_PATH),
                                        .content_type = "application/json",
                                        .bearer = bearer,
                                        .is_repeatable = true };

    pn_kube_token_review_print(token, audience, &question);
    if (question.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The token is too long to be reviewed");
    request.body = pn_buf_str(&question);
    return ask(call, c, auth, &request, listener, out, err);
}

/* What the cluster says in an answer that is no success, without credentials and short. */
static struct pn_str text_of(struct pn_call *call, const struct pn_reach_answer *answer,
                             const struct pn_secret *first, const struct pn_secret *second)
{
    const struct pn_secret *const secrets[] = { first, second };
    struct pn_str text = pn_kube_answer_text(call->arena, answer->content_type, answer->body);

    if (text.len == 0)
        return PN_NONE;
    return pn_kube_cut(call->arena, pn_kube_scrub(call->arena, text, secrets, PN_COUNT(secrets)),
                       MAX_TEXT_BYTES);
}

static bool is_success(const struct pn_reach_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

static struct pn_str status_text_of(const struct pn_reach_answer *answer)
{
    return answer->status_text.len > 0 ? answer->status_text : PN_LIT("Unknown error");
}

/* HTTP statuses of §8.1. */
static bool fail_status(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                        const struct pn_reach_answer *answer, const struct pn_secret *jwt,
                        struct pn_err *err)
{
    const struct context *c = context_of(auth);
    bool is_gateway = c == &gateway, is_client = auth->reviewer == NULL && !is_gateway &&
                                                 auth->verification != PN_VERIFY_IN_CLUSTER;
    struct pn_str text = text_of(call, answer, auth->reviewer, jwt);

    if (answer->status == 401) {
        if (text.len == 0)
            text = pn_str_from(is_gateway ? gateway_401 : reviewer_401);
        (void)pn_fail(err, PN_UNAUTHENTICATED, "%.*s%s", PN_ARG(text),
                      is_client ? client_hint : "");
        return name_it(err, c, "TokenReviewerUnauthorized");
    }
    if (answer->status == 403) {
        if (text.len == 0)
            text = pn_str_from(is_gateway ? gateway_403 : reviewer_403);
        (void)pn_fail(err, PN_UNAUTHENTICATED, "%.*s", PN_ARG(text));
        return name_it(err, c, "TokenReviewerForbidden");
    }
    if (text.len > 0)
        (void)pn_fail(err, PN_BAD_REQUEST, "%.*s", PN_ARG(text));
    else
        (void)pn_fail(err, PN_BAD_REQUEST, "%s returned HTTP %d: %.*s", c->prefix, answer->status,
                      PN_ARG(status_text_of(answer)));
    return name_it(err, c, "TokenReviewRequestError");
}

/* Whose credential the cluster sees: the reviewer's, the client's own, or that of a pod, which the road adds. */
static const struct pn_secret *bearer_of(const struct pn_kubernetes_auth *auth,
                                         const struct pn_secret *jwt)
{
    if (pn_kubernetes_road(auth).as != PN_REACH_AS_BEARER)
        return NULL;
    return auth->reviewer != NULL ? auth->reviewer : jwt;
}

static bool fail_review(struct pn_err *err, enum pn_code code, const char *message)
{
    if (err->code != PN_OK)
        (void)pn_recast(err, code, "%s", message);
    else
        (void)pn_fail(err, code, "%s", message);
    return pn_err_named(err, "KubernetesTokenReviewError");
}

bool pn_kubernetes_review(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                          const struct pn_secret *jwt, struct pn_kube_review *out,
                          bool *has_answered, struct pn_err *err)
{
    const struct pn_secret *secrets[] = { auth->reviewer, jwt };
    struct pn_reach_answer answer;

    *has_answered = ask_review(call, context_of(auth), auth, bearer_of(auth, jwt), jwt,
                               auth->allowedAudience, PN_REVIEW_FOR_STRANGERS, &answer, err);
    if (!*has_answered)
        return false;
    if (!is_success(&answer))
        return fail_status(call, auth, &answer, jwt, err);
    if (pn_str_trim(answer.body).len == 0) {
        (void)pn_fail(err, PN_BAD_REQUEST, "Failed to review token");
        return pn_err_named(err, "KubernetesTokenReviewError");
    }
    if (!pn_kube_token_review_parse(call->arena, answer.body, out, err))
        return fail_review(err, PN_BAD_REQUEST, "Unexpected TokenReview response");
    if (out->error.len > 0)
        out->error = pn_kube_cut(call->arena,
                                 pn_kube_scrub(call->arena, out->error, secrets, PN_COUNT(secrets)),
                                 MAX_TEXT_BYTES);
    return true;
}

bool pn_kubernetes_fetch_keys(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                              const struct pn_secret *jwt, int64_t timeout_ms, struct pn_list *keys,
                              struct pn_err *err)
{
    const struct context *c = context_of(auth);
    const struct pn_reach_request request = { .method = "GET",
                                              .path = PN_LIT(PN_KUBE_JWKS_PATH),
                                              .bearer = bearer_of(auth, jwt),
                                              .timeout_ms = timeout_ms };
    struct pn_reach_answer answer;

    if (!ask(call, c, auth, &request, PN_REVIEW_FOR_STRANGERS, &answer, err))
        return false;
    if (!is_success(&answer)) {
        (void)pn_fail(
            err, answer.status == 401 || answer.status == 403 ? PN_UNAUTHENTICATED : PN_BAD_REQUEST,
            "%s returned HTTP %d for its public keys: %.*s", c->prefix, answer.status,
            PN_ARG(status_text_of(&answer)));
        return name_it(err, c, "KeysError");
    }
    if (pn_kube_jwks_parse(call->arena, answer.body, keys, err))
        return true;
    (void)pn_recast(err, PN_BAD_REQUEST, "The cluster's public keys cannot be read");
    return name_it(err, c, "KeysError");
}

/* ---- probes ---- */

bool pn_kubernetes_probe_version(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                                 struct pn_err *err)
{
    const struct context *c = context_of(auth) == &gateway ? &gateway : &host;
    const struct pn_reach_request request = { .method = "GET", .path = PN_LIT("/version") };
    struct pn_reach_answer answer;

    if (!ask(call, c, auth, &request, PN_REVIEW_FOR_ADMINISTRATORS, &answer, err))
        return false;
    if (answer.status < 500)
        return true;
    (void)pn_fail(err, PN_BAD_REQUEST, "Kubernetes API returned server error: %d - %.*s",
                  answer.status, PN_ARG(status_text_of(&answer)));
    return name_it(err, c, "ConnectionError");
}

static bool fail_probe(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                       const struct pn_reach_answer *answer, struct pn_err *err)
{
    bool is_gateway = auth->tokenReviewMode == PN_REVIEW_GATEWAY;
    struct pn_str text = text_of(call, answer, auth->reviewer, NULL);

    if (answer->status == 401)
        (void)pn_fail(err, PN_BAD_REQUEST,
                      is_gateway
                          ? "Gateway service account is not authorized. Verify the gateway is"
                            " deployed correctly and has a valid service account."
                          : "The token reviewer JWT is invalid or expired. Please provide a"
                            " valid service account token with TokenReview permissions.");
    else if (answer->status == 403)
        (void)pn_fail(
            err, PN_BAD_REQUEST,
            "%.*s. Ensure the service account has the 'system:auth-delegator' ClusterRole"
            " binding.",
            PN_ARG(text.len > 0 ? text : PN_LIT("The service account may not review tokens")));
    else
        (void)pn_fail(err, PN_BAD_REQUEST, "Unexpected response from Kubernetes API: %d - %.*s",
                      answer->status, PN_ARG(text.len > 0 ? text : status_text_of(answer)));
    return pn_err_named(err, is_gateway ? "GatewayTokenReviewPermissionError"
                                        : "TokenReviewerPermissionError");
}

bool pn_kubernetes_probe_review(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                                struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = pn_secret_new(PN_LIT(PROBE_TOKEN), err);
    struct pn_reach_answer answer;

    if (token == NULL || !ask_review(call, context_of(auth), auth, auth->reviewer, token, PN_NONE,
                                     PN_REVIEW_FOR_ADMINISTRATORS, &answer, err))
        return false;
    return is_success(&answer) || fail_probe(call, auth, &answer, err);
}
