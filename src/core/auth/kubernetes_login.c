/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/kubernetes_login.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "core/auth/clusters.h"
#include "core/auth/kubernetes_review.h"
#include "json/writer.h"
#include "kube/allow.h"
#include "kube/names.h"
#include "kube/scrub.h"
#include "kube/service_token.h"

#define EXPIRY_LEEWAY_S 60 /* API servers give as much (go-jose's default) */
#define CLOCK_LEEWAY_S 60
#define KEYS_TIMEOUT_MS 2000 /* keys are fetched beside a login, which waits */
#define FINGERPRINT_BYTES 6
#define MAX_SHOWN_BYTES 200 /* of a user that is no service account */
#define MAX_ATTEMPTS 3      /* when the configuration changes under a login */

struct login {
    struct pn_call *call;
    const struct pn_secret *jwt;
    struct pn_kubernetes_auth auth;
    struct pn_cluster_id cluster;
    struct pn_verdict_key proof;   /* of the token alone */
    struct pn_service_token token; /* unverified; zero when it is no JWS */
    bool is_jws, has_answered;     /* the cluster, whatever it said */
};

/* ---- refusing ---- */

static bool refuse_as(struct pn_err *err, enum pn_code code, const char *name,
                      struct pn_str message)
{
    (void)pn_fail(err, code, "%.*s", PN_ARG(message));
    return pn_err_named(err, name);
}

static bool refuse_token(struct pn_err *err, const char *message)
{
    return refuse_as(err, PN_UNAUTHENTICATED, "KubernetesTokenReviewError", pn_str_from(message));
}

/* ---- from a review to a verdict (§7.7, first failure wins) ---- */

static bool has_audience(struct pn_strs audiences, struct pn_str wanted)
{
    for (size_t i = 0; i < audiences.count; i++)
        if (pn_str_eq(audiences.items[i], wanted))
            return true;
    return false;
}

static bool check_allowed(const struct pn_kubernetes_auth *auth, struct pn_str ns,
                          struct pn_str name, struct pn_strs audiences, struct pn_err *err)
{
    if (!pn_allow_matches(auth->allowedNamespaces, ns))
        return refuse_as(err, PN_FORBIDDEN, "ForbiddenError",
                         PN_LIT("Access denied: K8s namespace not allowed."));
    if (!pn_allow_matches(auth->allowedNames, name))
        return refuse_as(err, PN_FORBIDDEN, "ForbiddenError",
                         PN_LIT("Access denied: K8s name not allowed."));
    if (auth->allowedAudience.len > 0 && !has_audience(audiences, auth->allowedAudience))
        return pn_fail(err, PN_UNAUTHENTICATED, "Access denied: K8s audience not allowed.");
    return true;
}

static bool refuse_username(const struct login *l, struct pn_str username, struct pn_err *err)
{
    const struct pn_secret *secrets[] = { l->auth.reviewer, l->jwt };
    struct pn_str shown = pn_kube_cut(
        l->call->arena, pn_kube_scrub(l->call->arena, username, secrets, PN_COUNT(secrets)),
        MAX_SHOWN_BYTES);

    (void)pn_fail(err, PN_BAD_REQUEST,
                  "Invalid Kubernetes service account username format: \"%.*s\". Expected format:"
                  " system:serviceaccount:<namespace>:<name>",
                  PN_ARG(shown));
    return pn_err_named(err, "KubernetesUsernameParseError");
}

/* What passes is of Kubernetes' names, and fits where it goes: a verdict, a claim, a record. */
static bool check_review(const struct login *l, const struct pn_kube_review *review,
                         struct pn_verdict *out, struct pn_err *err)
{
    struct pn_str ns, name;

    if (review->error.len > 0)
        return refuse_as(err, PN_UNAUTHENTICATED, "KubernetesTokenReviewError", review->error);
    if (!review->is_authenticated)
        return refuse_token(err, "Kubernetes token not authenticated");
    if (!pn_kube_service_account_split(review->username, &ns, &name))
        return refuse_username(l, review->username, err);
    if ((review->uid.len > 0 && !pn_kube_is_uid(review->uid)) ||
        (review->pod_name.len > 0 && !pn_kube_is_subdomain(review->pod_name)))
        return refuse_as(err, PN_BAD_REQUEST, "KubernetesTokenReviewError",
                         PN_LIT("Unexpected TokenReview response"));
    snprintf(out->namespace, sizeof(out->namespace), "%.*s", PN_ARG(ns));
    snprintf(out->name, sizeof(out->name), "%.*s", PN_ARG(name));
    snprintf(out->uid, sizeof(out->uid), "%.*s", PN_ARG(review->uid));
    snprintf(out->pod, sizeof(out->pod), "%.*s", PN_ARG(review->pod_name));
    return check_allowed(&l->auth, ns, name, review->audiences, err);
}

/* ---- by the cluster's keys ---- */

static bool fetch_keys(struct login *l, int64_t timeout_ms, struct pn_err *err)
{
    struct pn_list keys = { 0 };
    bool done = pn_kubernetes_fetch_keys(l->call, &l->auth, l->jwt, timeout_ms, &keys, err);

    l->has_answered = l->has_answered || done;
    pn_clusters_learn(l->call->clusters, &l->cluster, done ? keys : (struct pn_list){ 0 });
    return done;
}

/* What the keys say of the token, after fetching them when that could change it. */
static enum pn_keys_say judge(struct login *l, bool must_be_proven, struct pn_err *why)
{
    struct pn_clusters *clusters = l->call->clusters;
    enum pn_keys_say says = pn_clusters_judge(clusters, &l->cluster, &l->token, must_be_proven);
    bool is_wanted = says == PN_KEYS_STALE || (says == PN_KEYS_NOTHING && !must_be_proven);

    if (!is_wanted || !pn_clusters_claim_fetch(clusters, &l->cluster, true))
        return says;
    if (!fetch_keys(l, must_be_proven ? KEYS_TIMEOUT_MS : 0, why))
        return says;
    return pn_clusters_judge(clusters, &l->cluster, &l->token, must_be_proven);
}

static bool has_expired(const struct login *l, int64_t leeway_s)
{
    return l->is_jws && l->token.expires_s != 0 &&
           l->token.expires_s + leeway_s <= l->call->now_ms / 1000;
}

static bool check_times(const struct login *l, struct pn_err *err)
{
    int64_t now_s = l->call->now_ms / 1000;

    if (l->token.expires_s == 0)
        return refuse_token(err, "The service account token never expires");
    if (has_expired(l, 0))
        return refuse_token(err, "The service account token has expired");
    if (l->token.not_before_s > now_s + CLOCK_LEEWAY_S ||
        l->token.issued_s > now_s + CLOCK_LEEWAY_S)
        return refuse_token(err, "The service account token is not valid yet");
    return true;
}

/* Subject and nested claims are signed alike; where they differ something is very wrong. */
static bool is_consistent(const struct pn_service_token *t)
{
    struct pn_str ns, name;

    return pn_kube_service_account_split(t->subject, &ns, &name) &&
           (t->namespace.len == 0 || pn_str_eq(t->namespace, ns)) &&
           (t->name.len == 0 || pn_str_eq(t->name, name));
}

static bool refuse_without_keys(struct pn_err *why, struct pn_err *err)
{
    if (why->code != PN_OK) {
        *err = *why;
        return false;
    }
    return refuse_as(err, PN_BAD_REQUEST, "KubernetesKeysError",
                     PN_LIT("The cluster's public keys are not known. Try again in a moment."));
}

/* Signature, issuer, audience, times (D11). */
static bool verify_by_keys(struct login *l, struct pn_verdict *out, struct pn_err *err)
{
    struct pn_clusters *clusters = l->call->clusters;
    struct pn_err why = { 0 }, ignored = { 0 };
    enum pn_keys_say says;
    struct pn_kube_review review;

    if (!l->is_jws)
        return refuse_token(err, "The service account token is malformed");
    if (!pn_str_eq(l->token.issuer, l->auth.issuer))
        return refuse_token(err, "The service account token is of another issuer");
    if (!check_times(l, err))
        return false;
    says = judge(l, false, &why);
    if (says == PN_KEYS_GOOD && pn_clusters_claim_fetch(clusters, &l->cluster, false) &&
        fetch_keys(l, KEYS_TIMEOUT_MS, &ignored)) /* is the key still there? */
        says = pn_clusters_judge(clusters, &l->cluster, &l->token, false);
    if (says == PN_KEYS_NOTHING)
        return refuse_without_keys(&why, err);
    if (says != PN_KEYS_GOOD || !is_consistent(&l->token))
        return refuse_token(err, "The service account token's signature is not of this cluster");
    out->is_genuine = true;
    review = (struct pn_kube_review){ .is_authenticated = true,
                                      .username = l->token.subject,
                                      .uid = l->token.uid,
                                      .audiences = l->token.audiences,
                                      .pod_name = l->token.pod_name };
    return check_review(l, &review, out, err);
}

/* ---- by a TokenReview ---- */

/* The cluster has just accepted the token: a good moment to fetch its keys, and to see that they agree. */
static void learn_keys(struct login *l)
{
    struct pn_err ignored = { 0 };

    if (!l->is_jws)
        return;
    if (pn_clusters_claim_fetch(l->call->clusters, &l->cluster, false))
        (void)!fetch_keys(l, KEYS_TIMEOUT_MS, &ignored);
    pn_clusters_prove(l->call->clusters, &l->cluster, &l->token);
}

static bool ask_cluster(struct login *l, struct pn_verdict *out, struct pn_err *err)
{
    struct pn_kube_review review;

    if (!pn_kubernetes_review(l->call, &l->auth, l->jwt, &review, &l->has_answered, err))
        return false;
    out->is_genuine = review.is_authenticated && review.error.len == 0;
    return check_review(l, &review, out, err);
}

static enum pn_cluster_said what_it_said(const struct login *l, const struct pn_verdict *v)
{
    if (v->is_genuine)
        return PN_CLUSTER_ACCEPTED;
    return l->has_answered ? PN_CLUSTER_REJECTED : PN_CLUSTER_SILENT;
}

static bool review(struct login *l, struct pn_verdict *out, struct pn_err *err)
{
    struct pn_clusters *clusters = l->call->clusters;
    struct pn_err ignored = { 0 };
    enum pn_keys_say says;
    bool done;

    out->is_genuine = false; /* whatever the keys said: it is the cluster's turn */
    if (clusters == NULL)
        return ask_cluster(l, out, err);
    says = judge(l, true, &ignored);
    if (says == PN_KEYS_BAD)
        return refuse_token(err, "Kubernetes token not authenticated");
    if (says != PN_KEYS_GOOD &&
        !pn_clusters_may_ask(clusters, &l->cluster, l->call->ip, &l->proof, err))
        return false;
    done = ask_cluster(l, out, err);
    if (says != PN_KEYS_GOOD)
        pn_clusters_asked(clusters, &l->cluster, l->call->ip, &l->proof, what_it_said(l, out));
    if (done && says != PN_KEYS_GOOD)
        learn_keys(l);
    return done;
}

/* ---- the verdict ---- */

/* KH-07 to KH-09: what cannot be, but may stand in the store. */
static bool check_mode(const struct pn_kubernetes_auth *a, struct pn_err *err)
{
    bool has_gateway = !pn_uuid_is_zero(a->gatewayId) || !pn_uuid_is_zero(a->gatewayPoolId);

    if (a->tokenReviewMode < 0 || a->verification < 0)
        return pn_fail(err, PN_BAD_REQUEST, "Invalid token review mode");
    if (a->tokenReviewMode == PN_REVIEW_GATEWAY)
        return has_gateway ||
               pn_fail(err, PN_BAD_REQUEST,
                       "Gateway or Gateway Pool is required when token review mode is set to"
                       " Gateway");
    return a->kubernetesHost.len > 0 || a->verification == PN_VERIFY_IN_CLUSTER ||
           pn_fail(err, PN_BAD_REQUEST,
                   "Kubernetes host is required when token review mode is set to API");
}

static struct pn_cluster_id cluster_of(struct pn_call *call, const struct pn_kubernetes_auth *a)
{
    struct pn_str text =
        pn_arena_printf(call->arena, "%d|%d|%d|%s|%s|%zu:%.*s|%.*s", a->tokenReviewMode,
                        a->verification, a->verifyTlsCertificate, pn_uuid_format(a->gatewayId).text,
                        pn_uuid_format(a->gatewayPoolId).text, a->kubernetesHost.len,
                        PN_ARG(a->kubernetesHost), PN_ARG(a->caCert));
    struct pn_cluster_id id = { .org = a->org_id };

    pn_hash_sha256(text, id.bytes);
    return id;
}

static bool decide(struct login *l, struct pn_verdict *out, struct pn_err *err)
{
    if (!check_mode(&l->auth, err) || !pn_kubernetes_auth_open(l->call, &l->auth, err))
        return false;
    l->cluster = cluster_of(l->call, &l->auth);
    if (has_expired(l, EXPIRY_LEEWAY_S)) /* that needs no cluster to see */
        return refuse_token(err, "The service account token has expired");
    if (l->auth.verification != PN_VERIFY_JWKS)
        return review(l, out, err);
    if (l->call->clusters == NULL)
        return pn_fail(err, PN_INTERNAL, "no keys can be remembered here");
    return verify_by_keys(l, out, err) && (!l->auth.jwksTokenReview || review(l, out, err));
}

static void decide_into(struct login *l, struct pn_verdict *out)
{
    *out = (struct pn_verdict){ .until_ms = l->is_jws ? l->token.expires_s * 1000 : 0 };
    (void)!decide(l, out, &out->err);
    pn_secret_freep(&l->auth.reviewer);
}

static struct pn_verdict_key hash_of(const struct pn_kubernetes_auth *auth, struct pn_str token)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(PN_SHAPE_SECRET_BYTES + 64);
    struct pn_verdict_key key;

    if (auth != NULL) {
        pn_buf_add_bytes(&text, auth->id.bytes, sizeof(auth->id.bytes));
        pn_buf_add_be(&text, (uint64_t)auth->version, 8);
    }
    pn_buf_add(&text, token);
    pn_hash_sha256(pn_buf_str(&text), key.bytes);
    return key;
}

/* Somebody's who is asking just now, or our own: either way a worker waits for the cluster, and takes a turn. */
static bool ask_in_turn(struct login *l, const struct pn_verdict_key *key, struct pn_verdict *out,
                        struct pn_err *err)
{
    const struct pn_cluster_place place = pn_kubernetes_place(&l->auth);
    struct pn_clusters *clusters = l->call->clusters;
    bool leads, done;

    if (!pn_clusters_enter(l->call, &place, err))
        return false;
    done = pn_clusters_join(clusters, key, l->call->deadline_ms, &leads, out, err);
    if (done && leads) {
        decide_into(l, out);
        pn_clusters_settle(clusters, key, out, l->call->now_ms);
    }
    pn_clusters_leave(l->call, &place, l->has_answered);
    return done;
}

static bool find_verdict(struct login *l, struct pn_verdict *out, struct pn_err *err)
{
    const struct pn_verdict_key key = hash_of(&l->auth, pn_secret_reveal(l->jwt));
    struct pn_clusters *clusters = l->call->clusters;

    if (clusters == NULL)
        decide_into(l, out);
    else if (!pn_clusters_know(clusters, &key, out) && !ask_in_turn(l, &key, out, err))
        return false;
    if (out->err.code == PN_OK)
        return true;
    *err = out->err;
    return false;
}

/* ---- the token ---- */

static bool check_slug(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                       struct pn_str slug, struct pn_err *err)
{
    struct pn_query *q;
    bool is_there;

    if (slug.len == 0 || pn_str_eq(slug, auth->org_slug))
        return true;
    q = pn_query(call->conn, "SELECT 1 FROM orgs WHERE slug = $slug");
    pn_bind_str(q, "$slug", slug);
    is_there = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    if (is_there)
        return pn_fail(err, PN_UNAUTHENTICATED,
                       "Identity not authorized to access sub organization %.*s", PN_ARG(slug));
    return pn_fail(err, PN_NOT_FOUND, "Sub organization with slug %.*s not found", PN_ARG(slug));
}

struct issue {
    struct pn_token_issue token;
    int64_t version;
};

/* The token belongs to the configuration that let it in: one that changed meanwhile is asked again. */
static bool write_token(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct issue *i = context;
    struct pn_query *q = pn_query(tx, "SELECT version FROM kubernetes_auths WHERE auth_id = $auth");
    int64_t version = 0;

    pn_bind_uuid(q, "$auth", i->token.who.auth_id);
    if (pn_query_next(q))
        version = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    if (version != i->version)
        return pn_fail(err, PN_CONFLICT, "Kubernetes Auth was changed at the same time. Try again");
    return pn_token_issue_write(tx, &i->token, err);
}

static struct pn_str claim_of(struct pn_call *call, const struct pn_verdict *v)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_object(&w, "kubernetes");
    pn_write_text(&w, "namespace", v->namespace);
    pn_write_text(&w, "name", v->name);
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_arena_copy(call->arena, pn_buf_str(&json));
}

static struct pn_str metadata_of(struct pn_call *call, const struct pn_kubernetes_auth *auth,
                                 const struct pn_verdict *v)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityKubernetesAuthId", auth->id);
    pn_write_text(&w, "namespace", v->namespace);
    pn_write_text(&w, "serviceAccount", v->name);
    pn_write_text(&w, "uid", v->uid);
    pn_write_text(&w, "pod", v->pod);
    pn_write_end(&w);
    return pn_arena_copy(call->arena, pn_buf_str(&json));
}

static bool issue(struct login *l, const struct pn_verdict *v, struct pn_grant *out,
                  struct pn_err *err)
{
    struct issue i = {
        .version = l->auth.version,
        .token = { .call = l->call,
                   .who = { .identity_id = l->auth.identityId,
                            .org_id = l->auth.org_id,
                            .identity_name = l->auth.identity_name,
                            .method = PN_KUBERNETES_AUTH,
                            .auth_id = l->auth.id,
                            .identity_auth = claim_of(l->call, v) },
                   .terms = l->auth.terms,
                   .event = "login-identity-kubernetes-auth",
                   .metadata = metadata_of(l->call, &l->auth, v) },
    };

    if (!pn_token_issue_prepare(&i.token, err) || !pn_db_write(l->call->db, write_token, &i, err))
        return false;
    *out = i.token.grant;
    return true;
}

static void note_refusal(const struct login *l, const struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf fingerprint = pn_buf_init(64);

    pn_hex_add(&fingerprint, pn_str_of(l->proof.bytes, FINGERPRINT_BYTES));
    pn_log(PN_INFO, "kubernetes-login-refused",
           PN_F_STR("identity", pn_uuid_str(l->call->arena, l->auth.identityId)),
           PN_F_STR("token", pn_buf_str(&fingerprint)), PN_F_ERR(err));
    pn_auth_method_note_refusal(l->call, "login-identity-kubernetes-auth-failed", l->auth.org_id,
                                l->auth.identityId, err);
}

static bool attempt(struct login *l, struct pn_uuid identity, struct pn_str slug,
                    struct pn_grant *out, struct pn_err *err)
{
    struct pn_verdict verdict;

    if (!pn_kubernetes_auth_find(l->call, identity, &l->auth, err))
        return false;
    if (pn_uuid_is_zero(l->auth.id))
        return pn_fail(err, PN_NOT_FOUND,
                       "Kubernetes auth method not found for identity, did you configure Kubernetes"
                       " auth?");
    if (find_verdict(l, &verdict, err) && check_slug(l->call, &l->auth, slug, err))
        return issue(l, &verdict, out, err);
    note_refusal(l, err);
    return false;
}

bool pn_kubernetes_login_grant(struct pn_call *call, struct pn_str identity_text,
                               const struct pn_secret *jwt, struct pn_str slug,
                               struct pn_grant *out, struct pn_err *err)
{
    struct login l = { .call = call, .jwt = jwt };
    struct pn_uuid identity = { { 0 } };
    struct pn_err ignored = { 0 };

    (void)!pn_uuid_parse(identity_text, &identity);
    l.proof = hash_of(NULL, pn_secret_reveal(jwt));
    l.is_jws = pn_service_token_parse(call->arena, pn_secret_reveal(jwt), &l.token, &ignored);
    for (int n = 1;; n++) {
        if (attempt(&l, identity, slug, out, err))
            return true;
        if (err->code != PN_CONFLICT || n == MAX_ATTEMPTS)
            return false;
        pn_err_clear(err);
    }
}
