/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/provider.h"

#include "core/lease/ask.h"
#include "core/lease/manifest.h"
#include "kube/access_review.h"
#include "kube/object.h"

/*
 * The connection test: what a lease would do, asked for without doing it. Objects are made with dryRun, where
 * the API server decides as always, escalation of rights included, and stores nothing; for the rest it is asked
 * whether we may.
 */
#define RBAC "rbac.authorization.k8s.io"
#define MAX_QUESTION_BYTES 4096

struct trial {
    struct pn_call *call;
    struct pn_lease_config *config;
};

/* ---- denials, with what mends them ---- */

static bool attach(struct trial *t, struct pn_str username, struct pn_err *err)
{
    return pn_lease_attach_manifest(t->call, pn_lease_manifest(t->call->arena, t->config, username),
                                    err);
}

static bool deny(struct trial *t, const struct pn_kube_right *right, struct pn_err *err)
{
    struct pn_str user = pn_lease_ask_who(t->call, t->config),
                  shown = user.len > 0 ? user : PN_LIT("the cluster token");
    const char *slash = right->subresource != NULL ? "/" : "";

    shown = pn_str_slice(shown, 0, 128);
    (void)pn_fail(
        err, PN_BAD_REQUEST,
        "forbidden: User \"%.*s\" cannot %s resource \"%s%s%s\" in API group \"%s\"%s%.*s",
        PN_ARG(shown), right->verb, right->resource, slash,
        right->subresource != NULL ? right->subresource : "", right->group,
        right->namespace.len > 0 ? " in the namespace " : "", PN_ARG(right->namespace));
    return attach(t, user, err);
}

static bool fail_asked(struct trial *t, const struct pn_lease_asked *asked, struct pn_err *err)
{
    return asked->status == 403 ? attach(t, pn_lease_ask_who(t->call, t->config), err) : false;
}

/* ---- questions ---- */

/* Where nobody may ask whether they may, it is left to the first lease to find out. */
static bool ask_right(struct trial *t, const struct pn_kube_right *right, bool *may,
                      struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf question = pn_buf_init(MAX_QUESTION_BYTES);
    struct pn_reach_request request = { .method = "POST",
                                        .path = PN_LIT(PN_KUBE_ACCESS_REVIEW_PATH),
                                        .is_repeatable = true };
    enum pn_provider_fault fault;
    struct pn_lease_asked asked = { 0 };

    pn_kube_access_review_print(right, &question);
    request.body = pn_buf_str(&question);
    if (!pn_lease_ask(t->call, t->config, &request, &asked, &fault, err)) {
        if (asked.status != 403 && asked.status != 404)
            return false;
        pn_err_clear(err);
        *may = true;
        return true;
    }
    return pn_kube_access_review_parse(t->call->arena, asked.body, may, err) ||
           pn_recast(err, PN_BAD_REQUEST, "Unexpected SelfSubjectAccessReview response");
}

static bool need_right(struct trial *t, const struct pn_kube_right *right, struct pn_err *err)
{
    bool may;

    return ask_right(t, right, &may, err) && (may || deny(t, right, err));
}

static bool get(struct trial *t, enum pn_kube_kind kind, struct pn_str namespace,
                struct pn_str name, struct pn_lease_asked *asked, struct pn_err *err)
{
    const struct pn_reach_request request = {
        .method = "GET",
        .path = pn_kube_path(t->call->arena, kind, namespace, name, NULL),
    };
    enum pn_provider_fault fault;

    return pn_lease_ask(t->call, t->config, &request, asked, &fault, err);
}

/* ---- static ---- */

static bool may_bind(struct trial *t, struct pn_str namespace, bool is_needed, bool *may,
                     struct pn_err *err)
{
    struct pn_kube_right right = { "create", "", "secrets", NULL, namespace, PN_NONE };

    if (!ask_right(t, &right, may, err))
        return false;
    if (*may) {
        right.verb = "delete";
        if (!ask_right(t, &right, may, err))
            return false;
    }
    return *may || !is_needed || deny(t, &right, err);
}

static bool test_static(struct trial *t, struct pn_err *err)
{
    struct pn_lease_config *config = t->config;
    struct pn_str namespace = config->namespaces.items[0];
    const struct pn_kube_right token = { "create", "",        "serviceaccounts",
                                         "token",  namespace, config->serviceAccountName };
    struct pn_lease_asked asked = { 0 };
    bool may = false;

    if (!get(t, PN_KUBE_SERVICE_ACCOUNT, namespace, config->serviceAccountName, &asked, err))
        return fail_asked(t, &asked, err);
    if (!need_right(t, &token, err))
        return false;
    if (config->tokenBinding != PN_LEASE_BIND_NONE &&
        !may_bind(t, namespace, config->tokenBinding == PN_LEASE_BIND_SECRET, &may, err))
        return false;
    if (config->tokenBinding < 0)
        config->tokenBinding = may ? PN_LEASE_BIND_SECRET : PN_LEASE_BIND_NONE;
    return true;
}

/* ---- dynamic ---- */

/*
 * With the right to bind a role a binding to one that does not exist is made all the same, and gives nothing. Who
 * may not read it is told by the first lease.
 */
static bool test_role(struct trial *t, struct pn_str namespace, struct pn_err *err)
{
    enum pn_kube_kind kind =
        t->config->roleType == PN_LEASE_ROLE ? PN_KUBE_ROLE : PN_KUBE_CLUSTER_ROLE;
    struct pn_lease_asked asked = { 0 };

    if (get(t, kind, namespace, t->config->role, &asked, err))
        return true;
    if (asked.status != 403)
        return false;
    pn_err_clear(err);
    return true;
}

/* Some admission webhooks refuse every dry run (400): then nothing can be said before the first lease. */
static bool try_objects(struct trial *t, struct pn_str namespace, struct pn_err *err)
{
    const struct pn_provider_want want = { .namespace = namespace,
                                           .ttl_ms = INT64_C(3600000),
                                           .now_ms = t->call->now_ms };
    struct pn_lease_plan plan;

    if (!pn_provider_plan(t->call, t->config, &want, &plan, err))
        return false;
    for (size_t i = 0; i < plan.object_count; i++) {
        int status;

        if (pn_provider_try(t->call, t->config, &plan, i, &status, err))
            continue;
        if (status == 403)
            return attach(t, pn_lease_ask_who(t->call, t->config), err);
        if (status != 400 || pn_str_search(pn_str_from(err->message), PN_LIT("dry run")) < 0)
            return false;
        pn_err_clear(err);
    }
    return true;
}

static bool test_rights(struct trial *t, struct pn_str namespace, struct pn_err *err)
{
    bool is_wide = pn_provider_is_wide(t->config);
    const struct pn_kube_right rights[] = {
        { "create", "", "serviceaccounts", "token", namespace, PN_NONE },
        { "delete", "", "serviceaccounts", NULL, namespace, PN_NONE },
        { "delete", RBAC, is_wide ? "clusterrolebindings" : "rolebindings", NULL,
          is_wide ? PN_NONE : namespace, PN_NONE },
    };

    for (size_t i = 0; i < PN_COUNT(rights); i++)
        if (!need_right(t, &rights[i], err))
            return false;
    return true;
}

static bool test_dynamic(struct trial *t, struct pn_err *err)
{
    struct pn_strs namespaces = t->config->namespaces;

    for (size_t i = 0; i < namespaces.count; i++)
        if (!test_role(t, namespaces.items[i], err) || !try_objects(t, namespaces.items[i], err) ||
            !test_rights(t, namespaces.items[i], err))
            return false;
    return true;
}

bool pn_provider_test(struct pn_call *call, struct pn_lease_config *config, struct pn_err *err)
{
    struct trial t = { call, config };

    return config->credentialType == PN_LEASE_STATIC ? test_static(&t, err) : test_dynamic(&t, err);
}
