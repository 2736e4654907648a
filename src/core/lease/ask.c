/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/ask.h"

#include "base/clock.h"
#include "kube/access_review.h"
#include "kube/scrub.h"
#include "kube/token_review.h"

#define MAX_TEXT_BYTES 400 /* of a cluster's sentence: room for ours before it */
#define MAX_WARNING_BYTES 256
#define MAX_QUESTION_BYTES 1024

/* ---- where to ---- */

static struct pn_reach_to road_of(const struct pn_lease_config *config)
{
    bool has_ca = config->sslEnabled && config->ca.len > 0;

    return (struct pn_reach_to){
        .host = config->url,
        .ca_pem = has_ca ? config->ca : PN_NONE,
        .is_insecure = has_ca && !config->sslRejectUnauthorized,
        .gateway_id = config->gatewayId,
        .pool_id = config->gatewayPoolId,
        .org_id = config->org_id,
        .as = config->authMethod == PN_LEASE_BY_GATEWAY ? PN_REACH_AS_GATEWAY : PN_REACH_AS_BEARER,
    };
}

/* ---- what came of it ---- */

/* Without an answer: was anything sent? */
static enum pn_provider_fault fault_of_road(enum pn_reach_fault fault)
{
    switch (fault) {
    case PN_REACH_BAD_HOST:
    case PN_REACH_NO_NAME:
    case PN_REACH_REFUSED:
    case PN_REACH_SELF_SIGNED:
    case PN_REACH_BAD_CHAIN:
    case PN_REACH_NO_GATEWAY:
    case PN_REACH_GATEWAY_FAULT: return PN_PROVIDER_NO_ROAD;
    case PN_REACH_NO_FAULT:
    case PN_REACH_TIMED_OUT:
    case PN_REACH_OTHER: return PN_PROVIDER_IN_DOUBT;
    }
    return PN_PROVIDER_IN_DOUBT;
}

/*
 * A 5xx says that something broke on the way, not that nothing came about: a request that timed out in etcd may
 * have been carried out.
 */
static enum pn_provider_fault fault_of_status(int status)
{
    if (status == 401)
        return PN_PROVIDER_DENIED;
    if (status == 429)
        return PN_PROVIDER_BUSY;
    return status >= 500 ? PN_PROVIDER_IN_DOUBT : PN_PROVIDER_REFUSED;
}

static struct pn_str clean(struct pn_call *call, const struct pn_lease_config *config,
                           struct pn_str text, size_t max_bytes)
{
    const struct pn_secret *const secrets[] = { config->clusterToken };

    return pn_kube_cut(call->arena, pn_kube_scrub(call->arena, text, secrets, PN_COUNT(secrets)),
                       max_bytes);
}

static bool fail_status(struct pn_call *call, const struct pn_lease_config *config,
                        const struct pn_reach_answer *answer, enum pn_provider_fault *fault,
                        struct pn_err *err)
{
    struct pn_str text = pn_kube_answer_text(call->arena, answer->content_type, answer->body);

    *fault = fault_of_status(answer->status);
    if (text.len == 0)
        return pn_fail(
            err, PN_BAD_REQUEST, "The Kubernetes API server answered HTTP %d: %.*s", answer->status,
            PN_ARG(answer->status_text.len > 0 ? answer->status_text : PN_LIT("unknown")));
    return pn_fail(err, PN_BAD_REQUEST, "%.*s", PN_ARG(clean(call, config, text, MAX_TEXT_BYTES)));
}

static bool fail_road(struct pn_call *call, const struct pn_lease_config *config,
                      enum pn_provider_fault *fault, enum pn_reach_fault why, struct pn_err *err)
{
    struct pn_str text = pn_arena_copy(call->arena, pn_str_from(err->message));

    *fault = fault_of_road(why);
    return pn_recast(err, PN_BAD_REQUEST, "%.*s",
                     PN_ARG(clean(call, config, text, MAX_TEXT_BYTES)));
}

/* ---- asking ---- */

/* The API server has not looked at the request (priority and fairness, etcd's limits). */
static bool may_come_again(struct pn_call *call, const struct pn_reach_answer *answer)
{
    return answer->status == 429 && answer->retry_after_s > 0 &&
           answer->retry_after_s < INT32_MAX &&
           pn_clock_mono_ms() + answer->retry_after_s * 1000 + PN_LEASE_ASK_MS / 2 <
               call->deadline_ms;
}

bool pn_lease_ask(struct pn_call *call, const struct pn_lease_config *config,
                  const struct pn_reach_request *request, struct pn_lease_asked *out,
                  enum pn_provider_fault *fault, struct pn_err *err)
{
    const struct pn_reach_to to = road_of(config);
    struct pn_reach_request what = *request;
    struct pn_reach_answer answer;
    enum pn_reach_fault why;

    *out = (struct pn_lease_asked){ 0 };
    what.timeout_ms = PN_LEASE_ASK_MS;
    what.content_type = "application/json";
    what.bearer = to.as == PN_REACH_AS_BEARER ? config->clusterToken : NULL;
    if (!pn_reach(call, &to, &what, &answer, &why, err))
        return fail_road(call, config, fault, why, err);
    if (may_come_again(call, &answer)) {
        pn_clock_pause_ms(answer.retry_after_s * 1000);
        if (!pn_reach(call, &to, &what, &answer, &why, err))
            return fail_road(call, config, fault, why, err);
    }
    *out = (struct pn_lease_asked){ .status = answer.status,
                                    .body = answer.body,
                                    .warning =
                                        clean(call, config, answer.warning, MAX_WARNING_BYTES) };
    if (answer.status < 200 || answer.status > 299)
        return fail_status(call, config, &answer, fault, err);
    *fault = PN_PROVIDER_NO_FAULT;
    return true;
}

struct pn_str pn_lease_ask_who(struct pn_call *call, const struct pn_lease_config *config)
{
    pn_auto(pn_buf_drop) struct pn_buf question = pn_buf_init(MAX_QUESTION_BYTES);
    struct pn_reach_request request = { .method = "POST",
                                        .path = PN_LIT(PN_KUBE_SELF_REVIEW_PATH),
                                        .is_repeatable = true };
    enum pn_provider_fault ignored_fault;
    struct pn_lease_asked asked = { 0 };
    struct pn_err ignored = { 0 };
    struct pn_str username;

    pn_kube_self_review_print(&question);
    request.body = pn_buf_str(&question);
    return pn_lease_ask(call, config, &request, &asked, &ignored_fault, &ignored) &&
                   pn_kube_self_review_parse(call->arena, asked.body, &username, &ignored)
               ? username
               : PN_NONE;
}
