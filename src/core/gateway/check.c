/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/check.h"

#include "core/gateway/platform.h"
#include "core/org/permission.h"
#include "core/trail.h"
#include "json/value.h"
#include "kube/names.h"
#include "kube/reach.h"
#include "kube/scrub.h"
#include "kube/token_review.h"

#define MAX_STEPS 16
#define STEP_MS 5000
#define CLOCK_MS 5000 /* certificates begin a minute early; beyond this somebody's clock is wrong */
#define MAX_MESSAGE_BYTES 400
#define AUTHENTICATION "/apis/authentication.k8s.io/v1/"
#define AUTHORIZATION "/apis/authorization.k8s.io/v1/"

struct check {
    struct pn_call *call;
    struct pn_platform_gateway gateway;
    struct pn_str as, user; /* "NAMESPACE/NAME", and what it is called as a user */
    struct pn_gateway_step *steps;
    size_t count;
};

static void add(struct check *c, const char *name, const char *status, struct pn_str message)
{
    pn_assert(c->count < MAX_STEPS);
    message = pn_kube_scrub(c->call->arena, message, NULL, 0);
    c->steps[c->count++] =
        (struct pn_gateway_step){ pn_str_from(name), pn_str_from(status),
                                  pn_kube_cut(c->call->arena, message, MAX_MESSAGE_BYTES) };
}

/* ---- one question to the gateway's own cluster ---- */

struct question {
    const char *method, *path, *body;
    struct pn_str impersonate;
};

static bool ask(struct check *c, const struct question *question, struct pn_reach_answer *out,
                enum pn_reach_fault *fault, struct pn_err *err)
{
    const struct pn_reach_to to = { .gateway_id = c->gateway.id, .as = PN_REACH_AS_GATEWAY };
    const struct pn_reach_request request = {
        .method = question->method,
        .path = pn_str_from(question->path),
        .body = question->body != NULL ? pn_str_from(question->body) : PN_NONE,
        .impersonate = question->impersonate,
        .timeout_ms = STEP_MS,
        .is_repeatable = true, /* nothing that is asked here changes anything */
    };

    *out = (struct pn_reach_answer){ 0 };
    return pn_reach(c->call, &to, &request, out, fault, err);
}

/* What the cluster says to a question about rights: its words when it refuses. */
static struct pn_value *review(struct check *c, const char *step, const struct question *question)
{
    struct pn_reach_answer answer;
    struct pn_value *reply = NULL;
    enum pn_reach_fault fault;
    struct pn_err err = { 0 };
    struct pn_str text;

    if (!ask(c, question, &answer, &fault, &err)) {
        add(c, step, "failed", pn_str_from(err.message));
        return NULL;
    }
    if (answer.status >= 200 && answer.status < 300 && pn_value_parse(answer.body, &reply, &err))
        return reply;
    text = pn_kube_answer_text(c->call->arena, answer.content_type, answer.body);
    add(c, step, "failed", pn_arena_printf(c->call->arena, "%d %.*s", answer.status, PN_ARG(text)));
    return NULL;
}

/* ---- the steps ---- */

static bool check_tunnel(struct check *c, struct pn_uuid gateway, struct pn_err *err)
{
    struct pn_arena *arena = c->call->arena;
    const struct pn_tunnels_road *road = &c->gateway.road;

    if (!pn_platform_find(c->call, c->call->actor.org_id, gateway, &c->gateway, err)) {
        if (err->code != PN_UNREACHABLE)
            return false;
        add(c, "tunnel", "failed", PN_LIT("no relay holds a tunnel of it: is it running?"));
        pn_err_clear(err);
        return true;
    }
    for (size_t i = 0; i < road->relays.count && i < 4; i++)
        add(c, "tunnel", "ok",
            pn_arena_printf(arena, "through the relay %.*s", PN_ARG(road->relays.items[i])));
    if (road->direct_address.len > 0)
        add(c, "tunnel", "ok",
            pn_arena_printf(arena, "directly at %.*s", PN_ARG(road->direct_address)));
    return true;
}

static void check_clock(struct check *c, int64_t gateway_ms)
{
    int64_t off_ms = gateway_ms - c->call->now_ms;

    add(c, "clock", off_ms > -CLOCK_MS && off_ms < CLOCK_MS + STEP_MS ? "ok" : "failed",
        pn_arena_printf(c->call->arena, "%lld ms from the server's, on the way included",
                        (long long)off_ms));
}

static void check_version(struct check *c, const struct pn_reach_answer *answer)
{
    pn_auto(pn_value_freep) struct pn_value *version = NULL;
    struct pn_err ignored = { 0 };

    if (answer->status == 200 && pn_value_parse(answer->body, &version, &ignored))
        add(c, "api-server", "ok",
            pn_arena_printf(c->call->arena, "Kubernetes %.*s",
                            PN_ARG(pn_value_str(pn_value_get(version, "gitVersion")))));
    else
        add(c, "api-server", answer->status == 401 || answer->status == 403 ? "ok" : "failed",
            pn_arena_printf(c->call->arena, "it answers %d", answer->status));
}

/* The first question: who is there to answer it? False: nobody, so that the others need not be asked. */
static bool check_cluster(struct check *c)
{
    const struct question question = { .method = "GET", .path = "/version" };
    struct pn_reach_answer answer;
    enum pn_reach_fault fault;
    struct pn_err err = { 0 };
    bool done = ask(c, &question, &answer, &fault, &err), has_spoken = answer.gateway_ms != 0;

    add(c, "gateway", has_spoken ? "ok" : "failed",
        has_spoken ? PN_LIT("it answers the server") : pn_str_from(err.message));
    if (!has_spoken)
        return false;
    check_clock(c, answer.gateway_ms);
    add(c, "pod", fault == PN_REACH_GATEWAY_FAULT ? "failed" : "ok",
        fault == PN_REACH_GATEWAY_FAULT ? pn_str_from(err.message)
                                        : PN_LIT("it has a token and a CA of its cluster"));
    if (done)
        check_version(c, &answer);
    else if (fault != PN_REACH_GATEWAY_FAULT)
        add(c, "api-server", "failed", pn_str_from(err.message));
    return done;
}

#define WHO_AM_I "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}"

/* As whom does the cluster take it, by itself or acting as somebody? */
static void check_identity(struct check *c, const char *step, struct pn_str impersonate)
{
    const struct question question = { .method = "POST",
                                       .path = AUTHENTICATION "selfsubjectreviews",
                                       .body = WHO_AM_I,
                                       .impersonate = impersonate };
    pn_auto(pn_value_freep) struct pn_value *reply = review(c, step, &question);
    struct pn_str name = pn_value_str(pn_value_at(reply, "status.userInfo.username"));

    if (reply == NULL)
        return;
    if (impersonate.len > 0 && !pn_str_eq(name, impersonate))
        add(c, step, "failed",
            pn_arena_printf(c->call->arena, "the cluster takes it for %.*s", PN_ARG(name)));
    else
        add(c, step, "ok", pn_arena_copy(c->call->arena, name));
}

static void check_reviewer(struct check *c)
{
    const struct question question = {
        .method = "POST",
        .path = AUTHORIZATION "selfsubjectaccessreviews",
        .body = "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
                "\"spec\":{\"resourceAttributes\":{\"group\":\"authentication.k8s.io\","
                "\"resource\":\"tokenreviews\",\"verb\":\"create\"}}}",
    };
    pn_auto(pn_value_freep) struct pn_value *reply = review(c, "token-reviews", &question);

    if (reply == NULL)
        return;
    if (pn_value_bool(pn_value_at(reply, "status.allowed"), false))
        add(c, "token-reviews", "ok", PN_LIT("it may review tokens"));
    else
        add(c, "token-reviews", "no",
            pn_arena_printf(c->call->arena,
                            "it may not; 'postern gateway manifest %.*s --rules --reviewer' prints "
                            "the binding",
                            PN_ARG(c->gateway.name)));
}

/* ---- all of it ---- */

static bool read_account(struct check *c, struct pn_err *err)
{
    struct pn_str name = c->as, namespace = PN_NONE;

    return c->as.len == 0 ||
           (pn_str_cut(&name, '/', &namespace) &&
            pn_kube_service_account(c->call->arena, namespace, name, &c->user, err)) ||
           pn_recast(err, PN_BAD_REQUEST, "A service account is named NAMESPACE/NAME");
}

static bool write_note(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct check *c = context;

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = "gateway-check",
                            .fields = { { "gatewayId", pn_uuid_str(c->call->arena, c->gateway.id) },
                                        { "serviceAccount", c->as.len > 0 ? c->as : PN_NONE } } },
        err);
}

bool pn_gateway_check(struct pn_call *call, struct pn_uuid gateway, struct pn_str service_account,
                      struct pn_list *out, struct pn_err *err)
{
    struct check c = { .call = call,
                       .gateway = { .id = gateway },
                       .as = service_account,
                       .steps = pn_new(call->arena, struct pn_gateway_step, MAX_STEPS) };

    if (!pn_permit_org(call, "gateway", "attach-gateways", err) || !read_account(&c, err) ||
        !check_tunnel(&c, gateway, err) || !pn_db_write(call->db, write_note, &c, err))
        return false;
    if (pn_str_is(c.steps[0].status, "ok") && check_cluster(&c)) {
        check_identity(&c, "identity", PN_NONE);
        check_reviewer(&c);
        if (c.user.len > 0)
            check_identity(&c, "impersonation", c.user);
    }
    *out = (struct pn_list){ c.steps, c.count };
    return true;
}
