/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/kubernetes_auth.h"

#include "core/auth/clusters.h"
#include "core/auth/kubernetes_review.h"
#include "core/gateway/attach.h"
#include "core/org/permission.h"
#include "core/pam/rules.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "json/settings.h"
#include "kube/allow.h"
#include "kube/host.h"

#define MAX_SEALED_BYTES ((size_t)64 << 10)
#define MAX_WARNINGS 6
#define DEFAULT_TTL_S 3600

const char *const pn_kubernetes_review_modes[] = { "api", "gateway", NULL };
const char *const pn_kubernetes_verifications[] = { "token-review", "in-cluster", "jwks", NULL };

/* ---- rows ---- */

static struct pn_seal_place place_of(struct pn_uuid auth, const char *column)
{
    return (struct pn_seal_place){ .table = "kubernetes_auths", .column = column, .row = auth };
}

static bool seal(struct pn_call *call, struct pn_uuid org, struct pn_uuid auth, const char *column,
                 struct pn_str plain, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(MAX_SEALED_BYTES);

    *out = PN_NONE;
    if (plain.len == 0)
        return true;
    if (!pn_scope_ready(call->conn, call->keyring, org, err) ||
        !pn_keyring_seal(call->keyring, org, place_of(auth, column), plain, &sealed, err))
        return pn_within(err, "sealing %s of Kubernetes Auth", column);
    *out = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

static bool open_ca(struct pn_call *call, struct pn_kubernetes_auth *auth, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init(MAX_SEALED_BYTES);

    if (auth->sealed_ca.len == 0 || auth->caCert.len > 0)
        return true;
    if (!pn_scope_ready(call->conn, call->keyring, auth->org_id, err) ||
        !pn_keyring_open_into(call->keyring, auth->org_id, place_of(auth->id, "sealed_ca"),
                              auth->sealed_ca, &plain, err))
        return pn_within(err, "opening the CA of Kubernetes Auth");
    auth->caCert = pn_arena_copy(call->arena, pn_buf_str(&plain));
    return true;
}

bool pn_kubernetes_auth_open(struct pn_call *call, struct pn_kubernetes_auth *auth,
                             struct pn_err *err)
{
    if (!open_ca(call, auth, err))
        return false;
    if (auth->sealed_reviewer.len == 0 || auth->reviewer != NULL)
        return true;
    return (pn_scope_ready(call->conn, call->keyring, auth->org_id, err) &&
            pn_keyring_open(call->keyring, auth->org_id, place_of(auth->id, "sealed_reviewer"),
                            auth->sealed_reviewer, &auth->reviewer, err)) ||
           pn_within(err, "opening the reviewer's token of Kubernetes Auth");
}

/* Its place in a list of names; unknown ones (KH-09) are -1. */
static int index_of(const char *const *names, struct pn_str name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (pn_str_is(name, names[i]))
            return i;
    return -1;
}

static const char find_sql[] =
    "SELECT k.auth_id, k.version, k.host, k.sealed_ca, k.sealed_reviewer, k.is_verified,"
    " k.review_mode, k.verification, k.issuer, k.is_reviewed_too, k.allowed_namespaces,"
    " k.allowed_names, k.allowed_audience, k.gateway_id, k.pool_id, i.org_id, i.name, o.slug,"
    " a.ttl_s, a.max_ttl_s, a.period_s, a.uses_limit, a.trusted_ips, a.created_ms, a.updated_ms"
    " FROM identity_auths a JOIN kubernetes_auths k ON k.auth_id = a.id"
    " JOIN identities i ON i.id = a.identity_id JOIN orgs o ON o.id = i.org_id"
    " WHERE a.identity_id = $identity AND a.method = $method";

static void read_row(struct pn_query *q, struct pn_arena *arena, struct pn_kubernetes_auth *out)
{
    *out = (struct pn_kubernetes_auth){
        .id = pn_column_uuid(q, 0),
        .version = pn_column_int(q, 1),
        .kubernetesHost = pn_column_str(q, 2, arena),
        .caCert = PN_LIT(""),
        .sealed_ca = pn_column_bytes(q, 3, arena),
        .sealed_reviewer = pn_column_bytes(q, 4, arena),
        .verifyTlsCertificate = pn_column_int(q, 5) != 0,
        .tokenReviewMode = index_of(pn_kubernetes_review_modes, pn_column_str(q, 6, arena)),
        .verification = index_of(pn_kubernetes_verifications, pn_column_str(q, 7, arena)),
        .issuer = pn_column_str(q, 8, arena),
        .jwksTokenReview = pn_column_int(q, 9) != 0,
        .allowedNamespaces = pn_column_str(q, 10, arena),
        .allowedNames = pn_column_str(q, 11, arena),
        .allowedAudience = pn_column_str(q, 12, arena),
        .gatewayId = pn_column_uuid(q, 13),
        .gatewayPoolId = pn_column_uuid(q, 14),
        .org_id = pn_column_uuid(q, 15),
        .identity_name = pn_column_str(q, 16, arena),
        .org_slug = pn_column_str(q, 17, arena),
        .terms = { .accessTokenTTL = pn_column_int(q, 18),
                   .accessTokenMaxTTL = pn_column_int(q, 19),
                   .accessTokenPeriod = pn_column_int(q, 20),
                   .accessTokenNumUsesLimit = pn_column_int(q, 21),
                   .accessTokenTrustedIps = pn_column_str(q, 22, arena) },
        .createdAt = pn_column_int(q, 23),
        .updatedAt = pn_column_int(q, 24),
    };
    out->tokenReviewerJwtSet = out->sealed_reviewer.len > 0;
}

bool pn_kubernetes_auth_find(struct pn_call *call, struct pn_uuid identity,
                             struct pn_kubernetes_auth *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, find_sql);

    *out = (struct pn_kubernetes_auth){ 0 };
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_str(q, "$method", PN_LIT(PN_KUBERNETES_AUTH));
    if (pn_query_next(q))
        read_row(q, call->arena, out);
    out->identityId = identity;
    return pn_query_end(q, err);
}

/* ---- what a request makes of it ---- */

static void take_gateway(const struct pn_kubernetes_auth_in *in, struct pn_kubernetes_auth *auth)
{
    if (!in->has_gateway && !in->has_pool) /* giving either resets the other (§6.1) */
        return;
    auth->gatewayId = in->gatewayId;
    auth->gatewayPoolId = in->gatewayPoolId;
}

static struct pn_str given(struct pn_str value, struct pn_str stored)
{
    return value.ptr != NULL ? value : stored;
}

static void take_fields(const struct pn_kubernetes_auth_in *in, struct pn_kubernetes_auth *auth)
{
    if (in->has_host)
        auth->kubernetesHost = in->kubernetesHost;
    auth->caCert = given(in->caCert, auth->caCert);
    if (in->has_verify)
        auth->verifyTlsCertificate = in->verifyTlsCertificate;
    else if (in->caCert.ptr != NULL) /* Terraform clears a CA without a word about verifying */
        auth->verifyTlsCertificate = in->caCert.len > 0;
    auth->tokenReviewMode = in->tokenReviewMode >= 0 ? in->tokenReviewMode : auth->tokenReviewMode;
    auth->allowedNamespaces = given(in->allowedNamespaces, auth->allowedNamespaces);
    auth->allowedNames = given(in->allowedNames, auth->allowedNames);
    auth->allowedAudience = given(in->allowedAudience, auth->allowedAudience);
    if (in->has_verification)
        auth->verification = in->verification >= 0 ? in->verification : PN_VERIFY_REVIEW;
    auth->issuer = given(in->issuer, auth->issuer);
    if (in->has_jwks_review)
        auth->jwksTokenReview = in->jwksTokenReview;
    take_gateway(in, auth);
}

/* At an attach a rule is about the request's members (422), later about the outcome (400). */
static bool refuse(struct pn_call *call, bool is_new, const char *path, const char *message,
                   struct pn_err *err)
{
    return is_new ? pn_pam_invalid(call->arena, path, message, err)
                  : pn_fail(err, PN_BAD_REQUEST, "%s", message);
}

static bool check_host(struct pn_call *call, struct pn_str host, struct pn_err *err)
{
    struct pn_err why = { 0 };
    struct pn_kube_host parsed;

    if (!pn_kube_host_is_clean(host))
        return pn_pam_invalid(call->arena, "kubernetesHost",
                              "Kubernetes host must only contain alphabets, numbers, colons,"
                              " periods, hyphen, and forward slashes.",
                              err);
    if (pn_kube_host_parse(host, &parsed, &why))
        return true;
    if (pn_str_iis(host, "https://") || pn_str_iis(host, "http://"))
        return pn_fail(err, PN_BAD_REQUEST, "%s", why.message);
    return pn_pam_invalid(call->arena, "kubernetesHost", why.message, err);
}

static bool check_list(struct pn_call *call, const char *path, struct pn_str list,
                       struct pn_err *err)
{
    struct pn_err why = { 0 };

    return pn_allow_check(list, &why) || pn_pam_invalid(call->arena, path, why.message, err);
}

static bool check_ca(struct pn_call *call, struct pn_str pem, struct pn_err *err)
{
    struct pn_err why = { 0 };
    size_t count;

    return pem.len == 0 || pn_x509_check_bundle(pem, &count, &why) ||
           pn_pam_invalid(call->arena, "caCert", why.message, err);
}

static bool check_reviewer(struct pn_call *call, const struct pn_secret *jwt, struct pn_err *err)
{
    return pn_secret_len(jwt) == 0 || pn_pam_is_bearer(pn_secret_reveal(jwt)) ||
           pn_pam_invalid(call->arena, "tokenReviewerJwt",
                          "Not a token: it must be one word without spaces or line breaks", err);
}

/* What the request names, each by itself. */
static bool check_members(struct pn_call *call, const struct pn_kubernetes_auth_in *in,
                          struct pn_err *err)
{
    return (in->kubernetesHost.ptr == NULL || check_host(call, in->kubernetesHost, err)) &&
           check_list(call, "allowedNamespaces", in->allowedNamespaces, err) &&
           check_list(call, "allowedNames", in->allowedNames, err) &&
           check_ca(call, in->caCert, err) && check_reviewer(call, in->tokenReviewerJwt, err);
}

static bool check_jwks(struct pn_call *call, const struct pn_kubernetes_auth *auth, bool is_new,
                       struct pn_err *err)
{
    if (auth->issuer.len == 0)
        return refuse(call, is_new, "issuer",
                      "When tokens are verified by keys (jwks), the issuer must be provided", err);
    if (auth->allowedAudience.len == 0)
        return refuse(
            call, is_new, "allowedAudience",
            "When tokens are verified by keys (jwks), an allowed audience must be provided", err);
    return true;
}

/* How the members fit together (§6.2). */
static bool check_whole(struct pn_call *call, const struct pn_kubernetes_auth_in *in,
                        const struct pn_kubernetes_auth *auth, bool is_new, struct pn_err *err)
{
    bool has_gateway = !pn_uuid_is_zero(auth->gatewayId), has_ca = auth->caCert.len > 0,
         has_pool = !pn_uuid_is_zero(auth->gatewayPoolId),
         is_api = auth->tokenReviewMode == PN_REVIEW_API;

    if (is_api && auth->kubernetesHost.len == 0 && auth->verification != PN_VERIFY_IN_CLUSTER)
        return refuse(call, is_new, "kubernetesHost",
                      "When token review mode is set to API, a Kubernetes host must be provided",
                      err);
    if (!is_api && !has_gateway && !has_pool)
        return refuse(call, is_new, "gatewayId",
                      "When token review mode is set to Gateway, a gateway or gateway pool must be"
                      " selected",
                      err);
    if (has_gateway && has_pool)
        return refuse(call, is_new, "gatewayPoolId",
                      "Cannot specify both a gateway and a gateway pool", err);
    if (auth->verification == PN_VERIFY_IN_CLUSTER && (!is_api || has_gateway || has_pool))
        return refuse(call, is_new, "verification",
                      "The server's own cluster is not reviewed through a gateway", err);
    if (auth->verification == PN_VERIFY_JWKS && !check_jwks(call, auth, is_new, err))
        return false;
    if (is_api && auth->verifyTlsCertificate && !has_ca &&
        auth->verification != PN_VERIFY_IN_CLUSTER)
        return refuse(call, is_new, "caCert",
                      "A CA certificate is required when TLS certificate verification is enabled."
                      " Either paste the Kubernetes API server's CA certificate or disable"
                      " verification.",
                      err);
    if (is_api && !auth->verifyTlsCertificate && has_ca)
        return refuse(call, is_new && in->has_verify, "verifyTlsCertificate",
                      "TLS certificate verification cannot be disabled when a CA certificate is"
                      " provided. Either remove the CA certificate or enable verification.",
                      err);
    return true;
}

/* ---- writing ---- */

struct change {
    struct pn_call *call;
    const char *event;
    struct pn_kubernetes_auth *auth;
    struct pn_str sealed_ca; /* as the whole row will have it */
};

/* All of them in one text: whoever looks for doors that stand open finds them in the records (D17). */
static struct pn_str warnings_of(struct pn_arena *arena, const struct pn_kubernetes_auth *auth)
{
    const struct pn_strs warnings = pn_kubernetes_auth_warnings(arena, auth);
    struct pn_str text = PN_NONE;

    for (size_t i = 0; i < warnings.count; i++)
        text = i == 0
                   ? warnings.items[0]
                   : pn_arena_printf(arena, "%.*s %.*s", PN_ARG(text), PN_ARG(warnings.items[i]));
    return text;
}

static bool record(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    const struct pn_kubernetes_auth *a = c->auth;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = c->event,
            .fields = { { "identityId", pn_uuid_str(c->call->arena, a->identityId) },
                        { "kubernetesHost", a->kubernetesHost },
                        { "allowedNamespaces", a->allowedNamespaces },
                        { "allowedNames", a->allowedNames },
                        { "accessTokenTrustedIps", a->terms.accessTokenTrustedIps },
                        { "tlsVerification",
                          a->verifyTlsCertificate ? PN_LIT("on") : PN_LIT("off") },
                        { "warnings", warnings_of(c->call->arena, a) } } },
        err);
}

static bool record_id(struct pn_db_conn *tx, const struct change *c, struct pn_err *err)
{
    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = c->event,
            .fields = { { "identityId", pn_uuid_str(c->call->arena, c->auth->identityId) } } },
        err);
}

static void bind_row(struct pn_query *q, const struct change *c)
{
    const struct pn_kubernetes_auth *a = c->auth;

    pn_bind_uuid(q, "$auth", a->id);
    pn_bind_int(q, "$version", a->version);
    pn_bind_str(q, "$host", a->kubernetesHost);
    pn_bind_bytes(q, "$ca", c->sealed_ca);
    pn_bind_bytes(q, "$reviewer", a->sealed_reviewer);
    pn_bind_int(q, "$verified", a->verifyTlsCertificate);
    pn_bind_str(q, "$mode", pn_str_from(pn_kubernetes_review_modes[a->tokenReviewMode]));
    pn_bind_str(q, "$verification", pn_str_from(pn_kubernetes_verifications[a->verification]));
    pn_bind_str(q, "$issuer", a->issuer);
    pn_bind_int(q, "$too", a->jwksTokenReview);
    pn_bind_str(q, "$namespaces", a->allowedNamespaces);
    pn_bind_str(q, "$names", a->allowedNames);
    pn_bind_str(q, "$audience", a->allowedAudience);
    pn_bind_uuid(q, "$gateway", a->gatewayId);
    pn_bind_uuid(q, "$pool", a->gatewayPoolId);
}

static struct pn_auth_method method_of(const struct pn_kubernetes_auth *a)
{
    return (struct pn_auth_method){ .id = a->id,
                                    .identityId = a->identityId,
                                    .terms = a->terms,
                                    .createdAt = a->createdAt,
                                    .updatedAt = a->updatedAt };
}

static bool insert_auth(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_auth_method method = method_of(c->auth);
    struct pn_query *q;

    if (!pn_auth_method_insert(tx, PN_KUBERNETES_AUTH, &method, err))
        return false;
    q = pn_query(
        tx, "INSERT INTO kubernetes_auths (auth_id, version, host, sealed_ca, sealed_reviewer,"
            " is_verified, review_mode, verification, issuer, is_reviewed_too, allowed_namespaces,"
            " allowed_names, allowed_audience, gateway_id, pool_id) VALUES ($auth, $version, $host,"
            " $ca, $reviewer, $verified, $mode, $verification, $issuer, $too, $namespaces, $names,"
            " $audience, $gateway, $pool)");
    bind_row(q, c);
    return pn_query_run(q, NULL, err) && record(tx, c, err);
}

static bool update_auth(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_auth_method method = method_of(c->auth);
    struct pn_query *q;
    int64_t changed;

    q = pn_query(tx,
                 "UPDATE kubernetes_auths SET version = $version, host = $host, sealed_ca = $ca,"
                 " sealed_reviewer = $reviewer, is_verified = $verified, review_mode = $mode,"
                 " verification = $verification, issuer = $issuer, is_reviewed_too = $too,"
                 " allowed_namespaces = $namespaces, allowed_names = $names,"
                 " allowed_audience = $audience, gateway_id = $gateway, pool_id = $pool"
                 " WHERE auth_id = $auth AND version = $version - 1");
    bind_row(q, c);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_CONFLICT, "Kubernetes Auth was changed at the same time. Try again");
    return pn_auth_method_update(tx, &method, err) && record(tx, c, err);
}

static bool delete_auth(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    const struct pn_auth_method method = method_of(c->auth);

    return pn_auth_method_delete(tx, &method, err) && record_id(tx, c, err);
}

/* ---- the four operations ---- */

/* Seals what is new; "" keeps the reviewer, null removes it. */
static bool seal_secrets(struct pn_call *call, const struct pn_kubernetes_auth_in *in,
                         struct change *c, struct pn_err *err)
{
    struct pn_kubernetes_auth *a = c->auth;

    if (!seal(call, a->org_id, a->id, "sealed_ca", a->caCert, &c->sealed_ca, err))
        return false;
    if (in->tokenReviewerJwt != NULL && pn_secret_len(in->tokenReviewerJwt) > 0 &&
        !seal(call, a->org_id, a->id, "sealed_reviewer", pn_secret_reveal(in->tokenReviewerJwt),
              &a->sealed_reviewer, err))
        return false;
    if (in->has_reviewer && in->tokenReviewerJwt == NULL)
        a->sealed_reviewer = PN_NONE;
    a->tokenReviewerJwtSet = a->sealed_reviewer.len > 0;
    return true;
}

/* Tries the cluster with what will be stored. `reviewer` is the request's, whom the probe is about. */
static bool probe(struct pn_call *call, const struct pn_kubernetes_auth_in *in,
                  const struct pn_kubernetes_auth *auth, bool has_new_host, struct pn_err *err)
{
    struct pn_kubernetes_auth trial = *auth;
    bool is_by_gateway = !pn_uuid_is_zero(auth->gatewayId) || !pn_uuid_is_zero(auth->gatewayPoolId);
    bool is_by_pod =
        auth->tokenReviewMode == PN_REVIEW_GATEWAY || auth->verification == PN_VERIFY_IN_CLUSTER;

    trial.reviewer = in->tokenReviewerJwt;
    if ((has_new_host || is_by_gateway || is_by_pod) &&
        !pn_kubernetes_probe_version(call, &trial, err))
        return false;
    if (auth->verification == PN_VERIFY_JWKS && !auth->jwksTokenReview)
        return true;
    return !(is_by_pod || pn_secret_len(in->tokenReviewerJwt) > 0) ||
           pn_kubernetes_probe_review(call, &trial, err);
}

static bool probe_in_turn(struct pn_call *call, const struct pn_kubernetes_auth_in *in,
                          const struct pn_kubernetes_auth *auth, bool has_new_host,
                          struct pn_err *err)
{
    const struct pn_cluster_place place = pn_kubernetes_place(auth);
    bool done;

    if (!pn_clusters_enter(call, &place, err))
        return false;
    done = probe(call, in, auth, has_new_host, err);
    pn_clusters_leave(call, &place, done);
    return done;
}

static bool prepare(struct pn_call *call, const struct pn_kubernetes_auth_in *in, bool is_new,
                    struct change *c, struct pn_err *err)
{
    struct pn_kubernetes_auth *a = c->auth;

    take_fields(in, a);
    return check_members(call, in, err) && check_whole(call, in, a, is_new, err) &&
           pn_token_terms_apply(call->arena, &in->terms, is_new, &a->terms, err) &&
           pn_attach_check(call, a->gatewayId, a->gatewayPoolId, err) &&
           probe_in_turn(call, in, a, is_new || in->has_host, err) &&
           seal_secrets(call, in, c, err);
}

/*
 * Who says nothing of its tokens' life gets tokens of an hour that can be renewed while identity and method are there
 * (D3): a pod renews, and a stolen token ends soon. Clients that state one part mean Infisical's other part.
 */
static struct pn_token_terms terms_of_new(const struct pn_call *call,
                                          const struct pn_token_terms_in *in)
{
    struct pn_token_terms terms = pn_token_terms_default();
    bool is_strict = call->settings != NULL && call->settings->strict_compat;

    if (is_strict || in->has_ttl || in->has_max_ttl || in->has_period)
        return terms;
    terms.accessTokenTTL = DEFAULT_TTL_S;
    terms.accessTokenMaxTTL = 0;
    return terms;
}

bool pn_kubernetes_auth_attach(struct pn_call *call, struct pn_uuid identity,
                               const struct pn_kubernetes_auth_in *in,
                               struct pn_kubernetes_auth *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "add-identity-kubernetes-auth", .auth = out };
    struct pn_auth_method there;
    struct pn_identity subject;

    if (!pn_auth_method_subject(call, identity, "edit-auth", "edit-auth", &subject, err) ||
        !pn_auth_method_find(call->conn, call->arena, identity, PN_KUBERNETES_AUTH, &there, err))
        return false;
    if (!pn_uuid_is_zero(there.id))
        return pn_fail(err, PN_BAD_REQUEST,
                       "Failed to add Kubernetes Auth to already configured identity");
    *out = (struct pn_kubernetes_auth){ .id = pn_random_uuid(),
                                        .identityId = identity,
                                        .org_id = subject.orgId,
                                        .identity_name = subject.name,
                                        .caCert = PN_LIT(""),
                                        .allowedNamespaces = PN_LIT(""),
                                        .allowedNames = PN_LIT(""),
                                        .allowedAudience = PN_LIT(""),
                                        .issuer = PN_LIT(""),
                                        .terms = terms_of_new(call, &in->terms),
                                        .version = 1,
                                        .createdAt = call->now_ms,
                                        .updatedAt = call->now_ms };
    if (!prepare(call, in, true, &c, err))
        return false;
    if (pn_db_write(call->db, insert_auth, &c, err))
        return true;
    return pn_db_is_duplicate(err)
               ? pn_recast(err, PN_BAD_REQUEST,
                           "Failed to add Kubernetes Auth to already configured identity")
               : false;
}

/* The one that is attached, or `missing` as 400. */
static bool find_attached(struct pn_call *call, struct pn_uuid identity, const char *missing,
                          struct pn_kubernetes_auth *out, struct pn_err *err)
{
    if (!pn_kubernetes_auth_find(call, identity, out, err))
        return false;
    if (pn_uuid_is_zero(out->id))
        return pn_fail(err, PN_BAD_REQUEST, "%s", missing);
    return open_ca(call, out, err);
}

/*
 * A reviewer's token that is stored is shown to nobody, so nobody may send it elsewhere either: who points the method to
 * another place, or lets somebody else vouch for that place, gives the token again, or removes it.
 */
static bool check_pinned(const struct pn_kubernetes_auth *before,
                         const struct pn_kubernetes_auth_in *in,
                         const struct pn_kubernetes_auth *after, struct pn_err *err)
{
    bool is_kept = before->tokenReviewerJwtSet &&
                   (!in->has_reviewer ||
                    (in->tokenReviewerJwt != NULL && pn_secret_len(in->tokenReviewerJwt) == 0));
    bool is_moved = !pn_str_eq(before->kubernetesHost, after->kubernetesHost) ||
                    !pn_uuid_eq(before->gatewayId, after->gatewayId) ||
                    !pn_uuid_eq(before->gatewayPoolId, after->gatewayPoolId) ||
                    !pn_str_eq(before->caCert, after->caCert) ||
                    (before->verifyTlsCertificate && !after->verifyTlsCertificate);

    if (!is_kept || !is_moved)
        return true;
    return pn_fail(err, PN_BAD_REQUEST,
                   "Provide the token reviewer JWT again, or null, when you change where it is sent"
                   " or its CA, or turn off verification");
}

bool pn_kubernetes_auth_update(struct pn_call *call, struct pn_uuid identity,
                               const struct pn_kubernetes_auth_in *in,
                               struct pn_kubernetes_auth *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "update-identity-kubernetes-auth", .auth = out };
    struct pn_kubernetes_auth before;
    struct pn_identity subject;

    if (!pn_auth_method_subject(call, identity, "edit-auth", "edit-auth", &subject, err) ||
        !find_attached(call, identity, "Failed to update Kubernetes Auth", out, err))
        return false;
    before = *out;
    out->version++;
    out->updatedAt = call->now_ms;
    out->tokenReviewMode = out->tokenReviewMode < 0 ? PN_REVIEW_API : out->tokenReviewMode;
    out->verification = out->verification < 0 ? PN_VERIFY_REVIEW : out->verification;
    return prepare(call, in, false, &c, err) && check_pinned(&before, in, out, err) &&
           pn_db_write(call->db, update_auth, &c, err);
}

bool pn_kubernetes_auth_get(struct pn_call *call, struct pn_uuid identity,
                            struct pn_kubernetes_auth *out, struct pn_err *err)
{
    struct pn_identity subject;

    if (!pn_auth_method_subject(call, identity, "read", NULL, &subject, err) ||
        !pn_kubernetes_auth_find(call, identity, out, err))
        return false;
    if (pn_uuid_is_zero(out->id))
        return pn_fail(err, PN_NOT_FOUND, "Failed to find Kubernetes Auth for identity with ID %s",
                       pn_uuid_format(identity).text);
    return open_ca(call, out, err) &&
           pn_auth_method_note_read(call, "get-identity-kubernetes-auth", identity, NULL,
                                    (struct pn_uuid){ { 0 } }, err);
}

bool pn_kubernetes_auth_detach(struct pn_call *call, struct pn_uuid identity,
                               struct pn_kubernetes_auth *out, struct pn_err *err)
{
    struct change c = { .call = call, .event = "revoke-identity-kubernetes-auth", .auth = out };
    struct pn_identity subject;

    return pn_auth_method_subject(call, identity, "edit", "revoke-auth", &subject, err) &&
           find_attached(call, identity, "The identity does not have kubernetes auth", out, err) &&
           pn_db_write(call->db, delete_auth, &c, err);
}

/* ---- warnings ---- */

struct pn_strs pn_kubernetes_auth_warnings(struct pn_arena *arena,
                                           const struct pn_kubernetes_auth *auth)
{
    struct pn_strs w = { .items = pn_new(arena, struct pn_str, MAX_WARNINGS) };

    if (auth->allowedNamespaces.len == 0 && auth->allowedNames.len == 0)
        w.items[w.count++] = PN_LIT("No allowed namespaces and no allowed names: every service"
                                    " account of the cluster can log in as this identity.");
    if (pn_allow_is_negative(auth->allowedNamespaces))
        w.items[w.count++] = PN_LIT("The allowed namespaces only say which are not allowed: every"
                                    " other namespace is, also one made later.");
    if (pn_allow_is_negative(auth->allowedNames))
        w.items[w.count++] = PN_LIT("The allowed names only say which are not allowed: every other"
                                    " service account is, also one made later.");
    if (!auth->verifyTlsCertificate && auth->tokenReviewMode == PN_REVIEW_API &&
        auth->verification != PN_VERIFY_IN_CLUSTER)
        w.items[w.count++] = PN_LIT("The cluster's certificate is not verified: whoever can answer"
                                    " in its place can log in as this identity and read the"
                                    " reviewer's token.");
    if (pn_trusted_ips_forget_ipv6(auth->terms.accessTokenTrustedIps))
        w.items[w.count++] = PN_LIT(PN_TRUSTED_IPS_FORGET_IPV6);
    return w;
}
