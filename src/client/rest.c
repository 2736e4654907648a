/* SPDX-License-Identifier: Apache-2.0 */
#include "client/rest.h"

#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "net/fetch.h"

#define CALL_TIMEOUT_MS 30000

struct pn_rest {
    struct pn_fetcher *fetcher;
    struct pn_secret *token;
    struct pn_arena *arena; /* of the settings below */
    struct pn_str domain;
};

bool pn_rest_new(const struct pn_client_config *config, struct pn_rest **out, struct pn_err *err)
{
    pn_auto(pn_rest_freep) struct pn_rest *rest = pn_heap_new(sizeof *rest);
    struct pn_fetcher_config fetcher = { .trust_pem = config->ca_pem,
                                         .user_agent = "postern-cli/" PN_VERSION };

    if (config->domain.len == 0)
        return pn_fail(
            err, PN_USAGE,
            "no server is known: run `postern login --domain https://…` or set POSTERN_DOMAIN");
    rest->arena = pn_arena_new(4096);
    rest->domain = pn_arena_copy(rest->arena, config->domain);
    if (!pn_url_parse(rest->domain, &fetcher.url, err))
        return pn_recast(err, PN_USAGE, "%.*s is not the URL of a server", PN_ARG(config->domain));
    if (!pn_fetcher_new(&fetcher, &rest->fetcher, err))
        return false;
    if (config->token != NULL && !pn_rest_set_token(rest, config->token, err))
        return false;
    *out = pn_take(&rest);
    return true;
}

void pn_rest_free(struct pn_rest *rest)
{
    if (rest == NULL)
        return;
    pn_fetcher_free(rest->fetcher);
    pn_secret_free(rest->token);
    pn_arena_free(rest->arena);
    pn_heap_free(rest);
}

void pn_rest_freep(struct pn_rest **rest)
{
    pn_rest_free(*rest);
    *rest = NULL;
}

bool pn_rest_set_token(struct pn_rest *rest, const struct pn_secret *token, struct pn_err *err)
{
    struct pn_secret *copy = NULL;

    if (token != NULL && (copy = pn_secret_copy(token, err)) == NULL)
        return false;
    pn_secret_free(rest->token);
    rest->token = copy;
    return true;
}

/* The first issue of a 422's list, as one sentence. */
static struct pn_str first_issue(struct pn_arena *arena, const struct pn_value *issues)
{
    const struct pn_value *issue = pn_value_item(issues, 0);

    return pn_arena_printf(arena, "%.*s: %.*s",
                           PN_ARG(pn_value_str(pn_value_item(pn_value_get(issue, "path"), 0))),
                           PN_ARG(pn_value_str(pn_value_get(issue, "message"))));
}

static bool refused(const struct pn_rest *rest, struct pn_arena *arena, int status,
                    const struct pn_value *reply, struct pn_err *err)
{
    const struct pn_value *message = pn_value_get(reply, "message");
    struct pn_str text =
        pn_value_is_array(message) ? first_issue(arena, message) : pn_value_str(message);
    struct pn_str name = pn_value_str(pn_value_get(reply, "error"));
    enum pn_code code = pn_code_of_status(status);
    const struct pn_value *details = pn_value_get(reply, "details");

    if (pn_str_is(name, "TokenError") || pn_str_is(name, "UnauthorizedError"))
        code = PN_UNAUTHENTICATED;
    if (code == PN_UNAUTHENTICATED && rest->token != NULL)
        pn_fail(err, code, "%.*s: run `postern login`", PN_ARG(text));
    else if (text.len == 0)
        pn_fail(err, code, "the server answered %d", status);
    else
        pn_fail(err, code, "%.*s", PN_ARG(text));
    if (name.len > 0 && name.len < sizeof err->name)
        pn_err_named(err, pn_cstr(arena, name));
    if (details != NULL) {
        pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init((size_t)64 * 1024);

        pn_value_print(details, false, &json);
        err->details = pn_arena_copy(arena, pn_buf_str(&json));
    }
    return pn_within(err, "request %.*s", PN_ARG(pn_value_str(pn_value_get(reply, "reqId"))));
}

bool pn_rest_call(struct pn_rest *rest, struct pn_arena *arena, const char *method,
                  struct pn_str path, struct pn_str body, struct pn_value **reply,
                  struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_err parse = { 0 };
    struct pn_fetched answer;
    const struct pn_fetch request = {
        .method = method,
        .path = pn_arena_printf(arena, "/api%.*s", PN_ARG(path)),
        .bearer = rest->token,
        .body = body,
        .deadline_ms = pn_clock_mono_ms() + CALL_TIMEOUT_MS,
    };

    if (!pn_fetch(rest->fetcher, &request, arena, &answer, err))
        return pn_within(err, "%s %.*s%.*s", method, PN_ARG(rest->domain), PN_ARG(request.path));
    if (!pn_value_parse(answer.body, &value, &parse) && answer.status < 400)
        return pn_fail(err, PN_UPSTREAM, "%.*s did not answer with JSON: is it a Postern server?",
                       PN_ARG(rest->domain));
    if (answer.status >= 400)
        return refused(rest, arena, answer.status, value, err);
    if (reply != NULL)
        *reply = pn_take(&value);
    return true;
}

void pn_rest_query(struct pn_buf *path, const char *name, struct pn_str value)
{
    if (value.len == 0)
        return;
    pn_buf_add_byte(path, pn_str_find(pn_buf_str(path), '?') < 0 ? '?' : '&');
    pn_buf_add_text(path, name);
    pn_buf_add_byte(path, '=');
    pn_percent_add(path, value);
}
