/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "core/auth/token.h"
#include "core/event/subscription.h"
#include "server/cookie.h"
#include "server/dispatch.h"
#include "server/envelope.h"
#include "server/input.h"

#include <string.h>

/* The part of the dispatcher that knows no transport: one call, from its facts to its answer. */

#define MAX_REPLY_BYTES ((size_t)64 << 20)

/* What stands around the call that a handler is given. */
struct running {
    struct pn_call call;
    struct pn_answer *answer;
    const struct pn_dispatch_parts *parts;
};

void pn_dispatch_metrics(struct pn_call *call, struct pn_buf *out)
{
    const struct running *r = pn_container_of(call, struct running, call);

    pn_metrics_print(r->parts->metrics, call->db, out);
}

struct pn_str pn_raw_param(const struct pn_raw *raw, const char *name)
{
    for (size_t i = 0; i < raw->param_count; i++) {
        if (pn_str_is(raw->params[i].name, name))
            return raw->params[i].value;
    }
    return PN_NONE;
}

/* Which kinds of caller the actor is, as bits of pn_route.access. */
static unsigned access_of(const struct pn_actor *actor)
{
    switch (actor->kind) {
    case PN_ACTOR_USER:
        return PN_BY_USER_NO_ORG | (pn_uuid_is_zero(actor->org_id) ? 0U : (unsigned)PN_BY_USER);
    case PN_ACTOR_MFA: return PN_BY_MFA;
    case PN_ACTOR_IDENTITY: return PN_BY_IDENTITY;
    case PN_ACTOR_GATEWAY: return PN_BY_GATEWAY;
    case PN_ACTOR_RELAY: return PN_BY_RELAY;
    case PN_ACTOR_SERVICE: return PN_BY_SERVICE;
    case PN_ACTOR_NONE:
    case PN_ACTOR_PLATFORM: return 0; /* never by a token */
    }
    return 0;
}

static bool authenticate(struct pn_call *call, const struct pn_route *route,
                         const struct pn_request_facts *facts, struct pn_err *err)
{
    const struct pn_str scheme = PN_LIT("Bearer ");
    unsigned kinds;

    if ((route->access & PN_ANYONE) != 0)
        return true;
    if (facts->has_api_key && facts->authorization.len == 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "API key authentication is not supported anymore. Please switch to identity"
                       " authentication.");
    if (!pn_str_istarts(facts->authorization, scheme))
        return pn_fail(err, PN_UNAUTHENTICATED, "Token missing");
    if (!pn_token_authenticate(
            call,
            pn_str_trim(pn_str_slice(facts->authorization, scheme.len, facts->authorization.len)),
            &call->actor, err))
        return false;
    kinds = access_of(&call->actor);
    if ((kinds & route->access) != 0)
        return true;
    if (kinds == PN_BY_USER_NO_ORG && (route->access & PN_BY_USER) != 0)
        return pn_fail(err, PN_FORBIDDEN, "Select an organization first");
    return pn_fail(err, PN_FORBIDDEN, "This kind of token may not be used here");
}

static void print_top_array(const struct pn_shape *shape, const void *out, struct pn_buf *body)
{
    const struct pn_list *list = (const void *)((const char *)out + shape->fields[0].offset);
    const struct pn_shape *item = shape->fields[0].shape;

    pn_buf_add_byte(body, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            pn_buf_add_byte(body, ',');
        pn_shape_print(item, (const char *)list->items + i * item->size, body);
    }
    pn_buf_add_byte(body, ']');
}

static void *new_struct(struct pn_arena *arena, size_t bytes)
{
    void *memory = pn_arena_alloc(arena, bytes, _Alignof(max_align_t));

    memset(memory, 0, bytes);
    return memory;
}

static bool run_raw(struct running *r, const struct pn_match *m,
                    const struct pn_request_facts *facts, struct pn_err *err)
{
    const struct pn_raw in = { .params = m->params,
                               .param_count = m->param_count,
                               .body = facts->body,
                               .content_type = facts->content_type };
    struct pn_raw out = { 0 };

    if (!m->route->handle(&r->call, &in, &out, err))
        return false;
    r->answer->status = out.status != 0 ? out.status : 200;
    r->answer->content_type = "application/octet-stream";
    if (out.content_type.len > 0 && pn_cstr(r->call.arena, out.content_type) != NULL)
        r->answer->content_type = pn_cstr(r->call.arena, out.content_type);
    pn_buf_add(&r->answer->body, out.body);
    return true;
}

static bool run_shaped(struct running *r, const struct pn_match *m,
                       const struct pn_request_facts *facts, struct pn_err *err)
{
    const struct pn_route *route = m->route;
    struct pn_arena *arena = r->call.arena;
    void *in = route->in != NULL ? new_struct(arena, route->in->size) : NULL;
    void *out = route->out != NULL ? new_struct(arena, route->out->size) : NULL;
    /* A body on GET is ignored: a shipping client repeats its query there. */
    struct pn_str body = route->method == PN_GET ? PN_NONE : pn_str_trim(facts->body);
    bool done;

    if (route->in != NULL && !pn_input_parse(route->in, m, body, arena, in, err))
        return false;
    done = route->handle(&r->call, in, out, err);
    if (route->in != NULL)
        pn_shape_drop(route->in, in);
    if (!done || route->is_stream)
        return done;
    if (route->out == NULL)
        pn_buf_add_text(&r->answer->body, "{}");
    else if (route->is_top_array)
        print_top_array(route->out, out, &r->answer->body);
    else
        pn_shape_print(route->out, out, &r->answer->body);
    return true;
}

/* A client that has this body already is sent none. */
static void answer_conditionally(struct running *r, const struct pn_request_facts *facts)
{
    struct pn_answer *a = r->answer;

    pn_etag_make(r->parts->keyring, pn_buf_str(&a->body), a->etag);
    if (!pn_etag_matches(facts->if_none_match, a->etag))
        return;
    a->status = 304;
    pn_buf_clear(&a->body);
}

static bool run(struct running *r, const struct pn_match *m, const struct pn_request_facts *facts,
                struct pn_err *err)
{
    if (!authenticate(&r->call, m->route, facts, err))
        return false;
    if (!(m->route->is_raw ? run_raw(r, m, facts, err) : run_shaped(r, m, facts, err)))
        return false;
    if (!pn_arena_require(r->call.arena, 0, err))
        return false;
    if (r->answer->body.is_full)
        return pn_fail(err, PN_TOO_LARGE, "The answer is too large: ask for less at once");
    if (m->route->has_etag)
        answer_conditionally(r, facts);
    return true;
}

void pn_dispatch_run(const struct pn_dispatch_parts *parts, struct pn_db_conn *conn,
                     struct pn_arena *arena, const struct pn_match *match,
                     const struct pn_request_facts *facts, struct pn_answer *out)
{
    struct running r = {
        .call = { .arena = arena,
                  .deadline_ms = pn_clock_mono_ms() + parts->settings->request_timeout,
                  .now_ms = pn_clock_wall_ms(),
                  .request_id = facts->request_id,
                  .ip = facts->ip,
                  .user_agent = facts->user_agent,
                  .refresh_cookie = pn_cookie_get(facts->cookie, PN_COOKIE_REFRESH),
                  .db = parts->db,
                  .conn = conn,
                  .keyring = parts->keyring,
                  .cache = parts->cache,
                  .settings = parts->settings,
                  .reach = parts->reach,
                  .clusters = parts->clusters },
        .answer = out,
        .parts = parts,
    };

    *out = (struct pn_answer){ .status = 200,
                               .content_type = "application/json; charset=utf-8",
                               .body = pn_buf_init_wiped(MAX_REPLY_BYTES) };
    if (!run(&r, match, facts, &out->err)) {
        pn_subscription_free(r.call.subscription);
        pn_buf_clear(&out->body);
        out->content_type = "application/json; charset=utf-8";
        out->status = pn_code_status(out->err.code);
        pn_envelope_print(&out->err, facts->request_id, &out->body);
    } else {
        out->set_cookie = r.call.set_cookie;
        out->if_lost = r.call.if_lost;
        out->subscription = r.call.subscription;
        if (match->route->is_stream)
            out->content_type = "text/event-stream";
    }
    out->actor = r.call.actor;
}
