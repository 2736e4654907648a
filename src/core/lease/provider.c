/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/provider.h"

#include <string.h>

#include "base/clock.h"
#include "core/lease/ask.h"
#include "core/lease/template.h"
#include "kube/object.h"
#include "kube/token_request.h"
#include "kube/token_review.h"

#define MAX_BODY_BYTES ((size_t)32 * 1024)
#define MAX_TOKEN_S ((INT64_C(1) << 32) - 1) /* more the API server refuses */
#define SECRET_TEMPLATE "postern-lease-{{random 12}}"
#define BINDING_SUFFIX "-role-binding" /* what the contract calls them */

const char *const pn_lease_kinds[] = { "ServiceAccount", "Secret", "RoleBinding",
                                       "ClusterRoleBinding", NULL };

static const enum pn_kube_kind kube_kinds[PN_LEASE_KINDS] = {
    [PN_LEASE_SERVICE_ACCOUNT] = PN_KUBE_SERVICE_ACCOUNT,
    [PN_LEASE_SECRET] = PN_KUBE_SECRET,
    [PN_LEASE_ROLE_BINDING] = PN_KUBE_ROLE_BINDING,
    [PN_LEASE_CLUSTER_ROLE_BINDING] = PN_KUBE_CLUSTER_ROLE_BINDING,
};

enum pn_kube_kind pn_provider_kube_kind(enum pn_lease_kind kind)
{
    return kube_kinds[kind];
}

bool pn_provider_has_answered(enum pn_provider_fault fault)
{
    return fault != PN_PROVIDER_NO_ROAD && fault != PN_PROVIDER_IN_DOUBT;
}

static bool is_static(const struct pn_lease_config *config)
{
    return config->credentialType == PN_LEASE_STATIC;
}

bool pn_provider_is_wide(const struct pn_lease_config *config)
{
    return !is_static(config) && config->roleType == PN_LEASE_CLUSTER_ROLE &&
           config->bindingScope != PN_LEASE_SCOPE_NAMESPACE;
}

bool pn_provider_can_revoke(const struct pn_lease_config *config)
{
    return !is_static(config) || config->tokenBinding == PN_LEASE_BIND_SECRET;
}

/* What a lower layer said, as the cause of ours. */
static bool as_cause(struct pn_call *call, struct pn_err *err)
{
    struct pn_str text = pn_arena_copy(call->arena, pn_str_from(err->message));

    return pn_recast(err, PN_BAD_REQUEST, "%.*s", PN_ARG(text));
}

/* ---- the plan ---- */

static struct pn_str list_of(struct pn_call *call, struct pn_strs names)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(4096);

    for (size_t i = 0; i < names.count; i++)
        pn_buf_addf(&text, "%s%.*s", i > 0 ? ", " : "", PN_ARG(names.items[i]));
    return pn_arena_copy(call->arena, pn_buf_str(&text));
}

static bool plan_namespace(struct pn_call *call, const struct pn_lease_config *config,
                           struct pn_str wanted, struct pn_lease_plan *out, struct pn_err *err)
{
    pn_assert(config->namespaces.count > 0);
    out->namespace = config->namespaces.items[0];
    if (wanted.len == 0)
        return true;
    for (size_t i = 0; i < config->namespaces.count; i++)
        if (pn_str_eq(wanted, config->namespaces.items[i])) {
            out->namespace = config->namespaces.items[i];
            return true;
        }
    wanted = pn_str_slice(wanted, 0, 253);
    if (is_static(config))
        return pn_fail(err, PN_BAD_REQUEST,
                       "Namespace %.*s is not allowed. Allowed namespace: %.*s.", PN_ARG(wanted),
                       PN_ARG(out->namespace));
    return pn_fail(err, PN_BAD_REQUEST, "Namespace %.*s is not allowed. Allowed namespaces: %.*s",
                   PN_ARG(wanted), PN_ARG(list_of(call, config->namespaces)));
}

/* No token is shorter than ten minutes: what must end sooner ends by deletion, if there is what to delete. */
static bool plan_length(const struct pn_lease_config *config, const struct pn_provider_want *want,
                        struct pn_lease_plan *out, struct pn_err *err)
{
    int64_t length_ms = want->ttl_ms;

    if (pn_provider_can_revoke(config) && config->tokenLifetime == PN_LEASE_TOKEN_MAX &&
        want->max_ttl_ms > length_ms)
        length_ms = want->max_ttl_ms;
    out->token_s = length_ms / 1000 + (length_ms % 1000 > 0);
    if (want->ttl_ms < PN_KUBE_TOKEN_MIN_S * 1000 && !pn_provider_can_revoke(config))
        return pn_fail(err, PN_BAD_REQUEST,
                       "Kubernetes issues no token for less than 10 minutes, and one that is not "
                       "bound to a Secret (tokenBinding) cannot be ended sooner: ask for at least "
                       "10m");
    if (out->token_s < PN_KUBE_TOKEN_MIN_S)
        out->token_s = PN_KUBE_TOKEN_MIN_S;
    if (out->token_s > MAX_TOKEN_S)
        out->token_s = MAX_TOKEN_S;
    out->expire_ms = want->now_ms + want->ttl_ms;
    return true;
}

static void plan_object(struct pn_lease_plan *plan, enum pn_lease_kind kind,
                        struct pn_str namespace, struct pn_str name)
{
    pn_assert(plan->object_count < PN_LEASE_MAX_OBJECTS);
    plan->objects[plan->object_count++] =
        (struct pn_lease_object){ .kind = (int)kind, .namespace = namespace, .name = name };
}

static bool plan_static(struct pn_call *call, const struct pn_lease_config *config,
                        struct pn_lease_plan *out, struct pn_err *err)
{
    struct pn_str name;

    out->account = config->serviceAccountName;
    if (!pn_provider_can_revoke(config))
        return true;
    if (!pn_template_expand(call->arena, PN_LIT(SECRET_TEMPLATE),
                            &(const struct pn_template_values){ 0 }, &name, err))
        return false;
    plan_object(out, PN_LEASE_SECRET, out->namespace, name);
    return true;
}

/* An owner comes before what it owns, and is of the cluster or of the same namespace. */
static bool plan_dynamic(struct pn_call *call, const struct pn_lease_config *config,
                         const struct pn_provider_want *want, struct pn_lease_plan *out,
                         struct pn_err *err)
{
    const struct pn_template_values values = { .identity_name = call->actor.name,
                                               .secret_name = want->dynamic_secret_name,
                                               .secret_type = PN_LIT("kubernetes"),
                                               .now_s = want->now_ms / 1000 };
    struct pn_str binding;

    if (!pn_template_expand(call->arena, want->usernameTemplate, &values, &out->account, err))
        return as_cause(call, err);
    binding = pn_arena_printf(call->arena, "%.*s" BINDING_SUFFIX, PN_ARG(out->account));
    if (pn_provider_is_wide(config)) {
        plan_object(out, PN_LEASE_CLUSTER_ROLE_BINDING, PN_LIT(""), binding);
        plan_object(out, PN_LEASE_SERVICE_ACCOUNT, out->namespace, out->account);
    } else {
        plan_object(out, PN_LEASE_SERVICE_ACCOUNT, out->namespace, out->account);
        plan_object(out, PN_LEASE_ROLE_BINDING, out->namespace, binding);
    }
    return true;
}

bool pn_provider_plan(struct pn_call *call, const struct pn_lease_config *config,
                      const struct pn_provider_want *want, struct pn_lease_plan *out,
                      struct pn_err *err)
{
    *out = (struct pn_lease_plan){ .lease_id = want->lease_id,
                                   .dynamic_secret_id = want->dynamic_secret_id,
                                   .instance_id = want->instance_id,
                                   .requester = pn_uuid_is_zero(call->actor.id)
                                                    ? PN_LIT("nobody")
                                                    : pn_uuid_str(call->arena, call->actor.id) };
    return plan_namespace(call, config, want->namespace, out, err) &&
           plan_length(config, want, out, err) &&
           (is_static(config) ? plan_static(call, config, out, err)
                              : plan_dynamic(call, config, want, out, err));
}

/* ---- creation ---- */

/* What is made, and for whom. */
struct making {
    struct pn_call *call;
    const struct pn_lease_config *config;
    struct pn_lease_plan *plan;
    enum pn_provider_fault *fault;
};

static struct pn_kube_object object_of(const struct making *m, size_t index)
{
    const struct pn_lease_plan *plan = m->plan;
    const struct pn_lease_object *planned = &plan->objects[index];
    char expires[PN_CLOCK_ISO_BYTES];
    struct pn_kube_object object = {
        .kind = kube_kinds[planned->kind],
        .namespace = planned->namespace,
        .name = planned->name,
        .lease_id = pn_uuid_str(m->call->arena, plan->lease_id),
        .secret_id = pn_uuid_str(m->call->arena, plan->dynamic_secret_id),
        .instance = pn_uuid_is_zero(plan->instance_id)
                        ? PN_NONE
                        : pn_uuid_str(m->call->arena, plan->instance_id),
        .requester = plan->requester,
    };

    pn_clock_iso(plan->expire_ms, expires);
    object.expires = pn_arena_copy(m->call->arena, pn_str_from(expires));
    object.role.kind = m->config->roleType == PN_LEASE_ROLE ? PN_KUBE_ROLE : PN_KUBE_CLUSTER_ROLE;
    object.role.name = m->config->role;
    object.account.namespace = plan->namespace;
    object.account.name = plan->account;
    if (index > 0) { /* what was made before it, takes it along */
        object.owner.kind = kube_kinds[plan->objects[0].kind];
        object.owner.name = plan->objects[0].name;
        object.owner.uid = plan->objects[0].uid;
    }
    return object;
}

/* The objects from `first` on do not exist: nobody asked for them, or the cluster said no. */
static void forget_from(struct pn_lease_plan *plan, size_t first)
{
    for (size_t i = first; i < plan->object_count; i++)
        plan->objects[i].is_gone = true;
}

static bool send_object(const struct making *m, size_t index, const char *query,
                        struct pn_lease_asked *asked, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_BODY_BYTES);
    struct pn_kube_object object = object_of(m, index);
    struct pn_str path = pn_kube_path(m->call->arena, object.kind, object.namespace, PN_NONE, NULL);
    struct pn_reach_request request = { .method = "POST" };

    request.path = pn_arena_printf(m->call->arena, "%.*s%s", PN_ARG(path), query);
    pn_kube_object_print(&object, &body);
    if (body.is_full) {
        *m->fault = PN_PROVIDER_REFUSED;
        return pn_fail(err, PN_BAD_REQUEST, "What is to be made is too large");
    }
    request.body = pn_buf_str(&body);
    return pn_lease_ask(m->call, m->config, &request, asked, m->fault, err);
}

/* It is made, whatever is wrong with the answer: what cannot be read stays in doubt. */
static bool take_uid(const struct making *m, struct pn_str body, struct pn_lease_object *object,
                     struct pn_err *err)
{
    struct pn_kube_meta meta;

    *m->fault = PN_PROVIDER_IN_DOUBT;
    if (!pn_kube_object_parse(m->call->arena, body, &meta, err))
        return as_cause(m->call, err);
    if (!pn_str_eq(meta.name, object->name))
        return pn_fail(err, PN_BAD_REQUEST, "Unexpected answer of the Kubernetes API server");
    object->uid = meta.uid;
    *m->fault = PN_PROVIDER_NO_FAULT;
    return true;
}

static bool make_object(const struct making *m, size_t index, struct pn_err *err)
{
    struct pn_lease_asked asked = { 0 };
    bool done = send_object(m, index, "", &asked, err);

    if (done && take_uid(m, asked.body, &m->plan->objects[index], err))
        return true;
    if (asked.status == 409) /* never sent twice: it is not ours */
        *m->fault = PN_PROVIDER_TAKEN;
    forget_from(m->plan, *m->fault == PN_PROVIDER_IN_DOUBT ? index + 1 : index);
    return false;
}

static bool make_token(const struct making *m, struct pn_lease_token *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_BODY_BYTES);
    struct pn_kube_token_request question = { .expires_s = m->plan->token_s,
                                              .audiences = m->config->audiences };
    struct pn_reach_request request = {
        .method = "POST",
        .path = pn_kube_path(m->call->arena, PN_KUBE_SERVICE_ACCOUNT, m->plan->namespace,
                             m->plan->account, "token"),
    };
    struct pn_lease_asked asked = { 0 };
    struct pn_kube_token token;

    if (is_static(m->config) && m->plan->object_count > 0) {
        question.secret_name = m->plan->objects[0].name;
        question.secret_uid = m->plan->objects[0].uid;
    }
    pn_kube_token_request_print(&question, &body);
    if (body.is_full) {
        *m->fault = PN_PROVIDER_REFUSED;
        return pn_fail(err, PN_BAD_REQUEST, "There are too many audiences");
    }
    request.body = pn_buf_str(&body);
    if (!pn_lease_ask(m->call, m->config, &request, &asked, m->fault, err))
        return false;
    if (!pn_kube_token_request_parse(m->call->arena, asked.body, &token, err)) {
        *m->fault = PN_PROVIDER_IN_DOUBT;
        return as_cause(m->call, err);
    }
    *out = (struct pn_lease_token){ .token = token.token,
                                    .jti = token.jti,
                                    .lives_ms = (token.expires_s - token.issued_s) * 1000,
                                    .issued_ms = token.issued_s * 1000,
                                    .warning = asked.warning };
    return true;
}

bool pn_provider_create(struct pn_call *call, const struct pn_lease_config *config,
                        struct pn_lease_plan *plan, struct pn_lease_token *out,
                        enum pn_provider_fault *fault, struct pn_err *err)
{
    const struct making m = { call, config, plan, fault };

    *fault = PN_PROVIDER_NO_FAULT;
    for (size_t i = 0; i < plan->object_count; i++)
        if (!make_object(&m, i, err))
            return false;
    return make_token(&m, out, err);
}

bool pn_provider_try(struct pn_call *call, const struct pn_lease_config *config,
                     struct pn_lease_plan *plan, size_t index, int *status, struct pn_err *err)
{
    enum pn_provider_fault fault;
    const struct making m = { call, config, plan, &fault };
    struct pn_lease_asked asked = { 0 };
    bool done = send_object(&m, index, "?dryRun=All", &asked, err);

    *status = asked.status;
    return done;
}

/* ---- revocation ---- */

/* Worse ones are later: what must be tried again soonest does not hide behind what was refused. */
static enum pn_provider_fault worse(enum pn_provider_fault a, enum pn_provider_fault b)
{
    return a > b ? a : b;
}

/*
 * What stands before a cluster, and has lost the way to it, says 404 too, some of it as a Status: what is gone is gone by an
 * API server's word about the object itself.
 */
static bool is_missing(const struct making *m, const struct pn_lease_object *object,
                       const struct pn_lease_asked *asked)
{
    return asked->status == 404 &&
           pn_kube_answer_is_about(m->call->arena, asked->body, object->name);
}

/* False and err when it cannot be said; *uid PN_NONE: it is there, and may not be looked at. */
static bool look(const struct making *m, struct pn_lease_object *object, struct pn_str *uid,
                 struct pn_err *err)
{
    const struct pn_reach_request request = {
        .method = "GET",
        .path = pn_kube_path(m->call->arena, kube_kinds[object->kind], object->namespace,
                             object->name, NULL),
    };
    struct pn_lease_asked asked = { 0 };
    struct pn_kube_meta meta;
    bool may_look = pn_lease_ask(m->call, m->config, &request, &asked, m->fault, err);

    *uid = PN_NONE;
    if (!may_look && (is_missing(m, object, &asked) || asked.status == 403)) {
        object->is_gone = asked.status == 404;
        pn_err_clear(err);
        return true;
    }
    if (!may_look)
        return false;
    if (!pn_kube_object_parse(m->call->arena, asked.body, &meta, err)) {
        *m->fault = PN_PROVIDER_IN_DOUBT;
        return false;
    }
    object->is_gone = /* somebody else's, of the same name */
        !pn_str_eq(meta.lease_id, pn_uuid_str(m->call->arena, m->plan->lease_id));
    *uid = meta.uid;
    return true;
}

/* Another object of that name: ours is gone. Other conflicts are tried again. */
static bool is_other_uid(const struct making *m, const struct pn_lease_object *object,
                         const struct pn_lease_asked *asked, const struct pn_err *err)
{
    return asked->status == 409 &&
           pn_kube_answer_is_about(m->call->arena, asked->body, object->name) &&
           pn_str_search(pn_str_from(err->message), PN_LIT("UID")) >= 0;
}

static bool remove_object(const struct making *m, struct pn_lease_object *object,
                          struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_BODY_BYTES);
    struct pn_reach_request request = {
        .method = "DELETE",
        .path = pn_kube_path(m->call->arena, kube_kinds[object->kind], object->namespace,
                             object->name, NULL),
    };
    struct pn_str uid = object->uid;
    struct pn_lease_asked asked = { 0 };

    if (uid.len == 0 && (!look(m, object, &uid, err) || object->is_gone))
        return err->code == PN_OK;
    pn_kube_delete_print(uid, &body);
    request.body = pn_buf_str(&body);
    if (!pn_lease_ask(m->call, m->config, &request, &asked, m->fault, err)) {
        if (!is_missing(m, object, &asked) && !is_other_uid(m, object, &asked, err))
            return false;
        pn_err_clear(err);
    } else if (!pn_kube_answer_is_object(m->call->arena, asked.body)) {
        *m->fault = PN_PROVIDER_IN_DOUBT;
        return pn_fail(err, PN_BAD_REQUEST, "What answered is no Kubernetes API server");
    }
    object->is_gone = true;
    return true;
}

static bool kills_the_token(const struct pn_lease_object *object)
{
    return object->kind == PN_LEASE_SERVICE_ACCOUNT || object->kind == PN_LEASE_SECRET;
}

/* What became of all deletes: the causes one after another, each once, and the worst of the faults. */
struct tally {
    struct pn_buf causes;
    enum pn_provider_fault worst;
};

static void remove_all(const struct making *m, bool kills, struct tally *tally)
{
    for (size_t i = 0; i < m->plan->object_count; i++) {
        struct pn_lease_object *object = &m->plan->objects[i];
        struct pn_err err = { 0 };

        if (object->is_gone || kills_the_token(object) != kills || remove_object(m, object, &err))
            continue;
        tally->worst = worse(tally->worst, *m->fault);
        if (pn_str_search(pn_buf_str(&tally->causes), pn_str_from(err.message)) < 0)
            pn_buf_addf(&tally->causes, "%s%s", tally->causes.len > 0 ? "; " : "", err.message);
    }
}

bool pn_provider_revoke(struct pn_call *call, const struct pn_lease_config *config,
                        struct pn_lease_plan *plan, enum pn_provider_fault *fault,
                        struct pn_err *err)
{
    enum pn_provider_fault last = PN_PROVIDER_NO_FAULT;
    const struct making m = { call, config, plan, &last };
    struct tally tally = { pn_buf_init((size_t)sizeof(err->message) * PN_LEASE_MAX_OBJECTS),
                           PN_PROVIDER_NO_FAULT };

    remove_all(&m, true, &tally);
    remove_all(&m, false, &tally);
    *fault = tally.worst;
    if (tally.worst != PN_PROVIDER_NO_FAULT)
        (void)pn_fail(err, PN_BAD_REQUEST, "%.*s", PN_ARG(pn_buf_str(&tally.causes)));
    pn_buf_drop(&tally.causes);
    return tally.worst == PN_PROVIDER_NO_FAULT;
}
