/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/probe.h"

#include "core/pam/account.h"
#include "json/value.h"
#include "json/writer.h"
#include "kube/names.h"
#include "kube/reach.h"
#include "kube/scrub.h"
#include "kube/token_review.h"

#define MAX_WORDS_BYTES 300
#define RULES_REVIEW "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

struct trial {
    struct pn_call *call;
    const struct pn_pam_probe *probe;
    struct pn_reach_answer answer;
    enum pn_reach_fault fault;
    struct pn_err why; /* there is no answer */
};

/* ---- asking ---- */

static bool ask(struct trial *t, enum pn_reach_as as, struct pn_reach_request request)
{
    const struct pn_pam_cluster *cluster = t->probe->cluster;
    const struct pn_reach_to to = {
        .host = cluster->connection.url,
        .ca_pem = cluster->connection.sslCertificate.len > 0 ? cluster->connection.sslCertificate
                                                             : PN_NONE,
        .is_insecure = !cluster->connection.sslRejectUnauthorized,
        .gateway_id = cluster->gateway_id,
        .pool_id = cluster->pool_id,
        .as = as,
    };

    request.timeout_ms = PN_PAM_PROBE_MS;
    request.is_repeatable = true; /* nothing that is asked here changes anything */
    t->answer = (struct pn_reach_answer){ 0 };
    t->why = (struct pn_err){ 0 };
    return pn_reach(t->call, &to, &request, &t->answer, &t->fault, &t->why);
}

/* No gateway has said why: it is away, or no relay leads to it. */
static bool is_gateway_away(const struct trial *t)
{
    return t->answer.gateway_ms == 0;
}

static struct pn_str words(struct trial *t)
{
    struct pn_arena *arena = t->call->arena;
    struct pn_str text = pn_kube_answer_text(arena, t->answer.content_type, t->answer.body);

    text = pn_kube_scrub(arena, text.ptr != NULL ? text : PN_LIT("without a word"),
                         &t->probe->token, 1);
    return pn_kube_cut(arena, text, MAX_WORDS_BYTES);
}

/* ---- what came of it ---- */

static bool is_settled(struct pn_pam_probe_result *out, const char *status, struct pn_str message)
{
    *out = (struct pn_pam_probe_result){ pn_str_from(status), message };
    return true;
}

static bool skip(struct pn_pam_probe_result *out, struct pn_str why)
{
    return is_settled(out, "skipped", why);
}

static bool is_away(struct trial *t, struct pn_pam_probe_result *out)
{
    return skip(out,
                pn_arena_printf(t->call->arena, "The gateway did not answer: %s", t->why.message));
}

static struct pn_str version_of(struct trial *t)
{
    pn_auto(pn_value_freep) struct pn_value *version = NULL;
    struct pn_err ignored = { 0 };

    if (t->answer.status != 200 || !pn_value_parse(t->answer.body, &version, &ignored))
        return PN_LIT("The API server answers");
    return pn_arena_printf(t->call->arena, "The API server is Kubernetes %.*s",
                           PN_ARG(pn_value_str(pn_value_get(version, "gitVersion"))));
}

static bool is_reached(int status)
{
    return (status >= 200 && status < 300) || status == 401 || status == 403;
}

/* ---- the cluster alone ---- */

/* What the gateway cannot reach by its URL may yet be its own cluster, where its accounts need no URL. */
static bool try_in_cluster(struct trial *t, struct pn_pam_probe_result *out, struct pn_err *err)
{
    struct pn_str why = pn_arena_copy(t->call->arena, pn_str_from(t->why.message));

    if (ask(t, PN_REACH_AS_GATEWAY,
            (struct pn_reach_request){ .method = "GET", .path = PN_LIT("/version") }))
        return is_settled(
            out, "warning",
            pn_arena_printf(t->call->arena,
                            "Only accounts by the gateway's own identity will work: it "
                            "reaches its own cluster, but not the URL: %.*s",
                            PN_ARG(why)));
    return pn_fail(err, PN_BAD_REQUEST, "The gateway cannot reach the cluster: %.*s", PN_ARG(why));
}

static bool try_cluster(struct trial *t, struct pn_pam_probe_result *out, struct pn_err *err)
{
    if (!ask(t, PN_REACH_AS_BEARER,
             (struct pn_reach_request){ .method = "GET", .path = PN_LIT("/version") }))
        return is_gateway_away(t) ? is_away(t, out) : try_in_cluster(t, out, err);
    if (!is_reached(t->answer.status))
        return pn_fail(err, PN_BAD_REQUEST,
                       "What is at the URL is no API server: it answers %d: %.*s", t->answer.status,
                       PN_ARG(words(t)));
    return is_settled(out, "ok", version_of(t));
}

/* ---- an account with a token ---- */

static bool try_token(struct trial *t, struct pn_pam_probe_result *out, struct pn_err *err)
{
    if (!ask(t, PN_REACH_AS_BEARER,
             (struct pn_reach_request){
                 .method = "GET", .path = PN_LIT("/api"), .bearer = t->probe->token }))
        return is_gateway_away(t)
                   ? is_away(t, out)
                   : pn_fail(err, PN_BAD_REQUEST, "The gateway cannot reach the cluster: %s",
                             t->why.message);
    if (t->answer.status == 401)
        return pn_fail(err, PN_BAD_REQUEST, "The cluster does not accept the token: %.*s",
                       PN_ARG(words(t)));
    if (t->answer.status == 403)
        return is_settled(out, "warning",
                          pn_arena_printf(t->call->arena,
                                          "The cluster accepts the token, but it may not even read "
                                          "/api: bind system:discovery to it. It says: %.*s",
                                          PN_ARG(words(t))));
    if (!is_reached(t->answer.status))
        return pn_fail(err, PN_BAD_REQUEST, "The cluster answers %d: %.*s", t->answer.status,
                       PN_ARG(words(t)));
    return is_settled(out, "ok", PN_LIT("The cluster accepts the token"));
}

/* ---- an account that the gateway acts as ---- */

static struct pn_str rules_review(struct pn_arena *arena, struct pn_str namespace)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(1024);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", "authorization.k8s.io/v1");
    pn_write_text(&w, "kind", "SelfSubjectRulesReview");
    pn_write_object(&w, "spec");
    pn_write_str(&w, "namespace", namespace);
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

/* The cluster's 403, and the rule that mends it. */
static bool refuse_acting(struct trial *t, struct pn_err *err)
{
    struct pn_str account =
        pn_arena_printf(t->call->arena, "%.*s/%.*s", PN_ARG(t->probe->namespace),
                        PN_ARG(t->probe->service_account_name));

    return pn_fail(
        err, PN_BAD_REQUEST,
        "The gateway may not act as the service account %.*s: apply what 'postern gateway "
        "manifest GATEWAY --rules --impersonate %.*s' prints. The cluster says: %.*s",
        PN_ARG(account), PN_ARG(account), PN_ARG(pn_str_slice(words(t), 0, 200)));
}

static bool try_acting(struct trial *t, struct pn_pam_probe_result *out, struct pn_err *err)
{
    struct pn_reach_request request = { .method = "POST", .path = PN_LIT(RULES_REVIEW) };

    if (!pn_kube_service_account(t->call->arena, t->probe->namespace,
                                 t->probe->service_account_name, &request.impersonate, err))
        return false;
    request.body = rules_review(t->call->arena, t->probe->namespace);
    if (!ask(t, PN_REACH_AS_GATEWAY, request))
        return is_gateway_away(t)
                   ? is_away(t, out)
                   : pn_fail(err, PN_BAD_REQUEST, "The gateway cannot act for the account: %s",
                             t->why.message);
    if (t->answer.status == 403)
        return refuse_acting(t, err);
    if (t->answer.status == 401)
        return pn_fail(err, PN_BAD_REQUEST,
                       "The cluster does not accept the gateway's own token: %.*s",
                       PN_ARG(words(t)));
    if (!is_reached(t->answer.status))
        return pn_fail(err, PN_BAD_REQUEST, "The cluster answers %d: %.*s", t->answer.status,
                       PN_ARG(words(t)));
    return is_settled(out, "ok", PN_LIT("The gateway may act as the service account"));
}

static bool try_it(struct trial *t, struct pn_pam_probe_result *out, struct pn_err *err)
{
    if (t->probe->auth_method == NULL)
        return try_cluster(t, out, err);
    return pn_str_is(pn_str_from(t->probe->auth_method), PN_PAM_BY_GATEWAY)
               ? try_acting(t, out, err)
               : try_token(t, out, err);
}

bool pn_pam_probe(struct pn_call *call, const struct pn_pam_probe *probe,
                  struct pn_pam_probe_result *out, struct pn_err *err)
{
    struct trial t = { .call = call, .probe = probe };
    const struct pn_pam_cluster *cluster = probe->cluster;

    *out = (struct pn_pam_probe_result){ PN_NONE, PN_NONE };
    if (cluster->connection.url.len == 0)
        return true;
    if (probe->is_skipped)
        return skip(out, PN_LIT("As asked for"));
    if (pn_uuid_is_zero(cluster->gateway_id) && pn_uuid_is_zero(cluster->pool_id))
        return skip(out, PN_LIT("No gateway is named yet"));
    if (call->reach == NULL)
        return skip(out, PN_LIT("This server calls no clusters"));
    if (try_it(&t, out, err))
        return true;
    if (err->code == PN_BAD_REQUEST)
        return pn_recast(err, PN_BAD_REQUEST,
                         "%s (skipConnectionTest, or --no-test, stores it untried)",
                         pn_arena_copy(call->arena, pn_str_from(err->message)).ptr);
    return false;
}
