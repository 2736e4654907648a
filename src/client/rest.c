/* SPDX-License-Identifier: Apache-2.0 */
#include "client/rest.h"

#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "net/fetch.h"

#define MAX_ANSWER_BYTES ((size_t)16 * 1024 * 1024)
#define MAX_DOMAIN_BYTES 2048
#define MAX_SENTENCE_BYTES ((size_t)256)
#define MAX_DETAILS_BYTES ((size_t)256 * 1024) /* a manifest of 32 namespaces */

struct pn_rest {
    struct pn_fetcher *fetcher;
    struct pn_secret *token;
    const char *token_name; /* the variable that gave it, or NULL */
    struct pn_arena *arena; /* of the settings */
    struct pn_str domain;
    struct pn_buf details; /* of the last refusal, JSON */
    int64_t timeout_ms;
};

static bool is_this_machine(const char *host)
{
    return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static bool read_domain(struct pn_rest *rest, struct pn_str domain, struct pn_url *url,
                        struct pn_err *err)
{
    if (domain.len == 0)
        return pn_fail(
            err, PN_USAGE,
            "no server is known: run `postern login --domain https://…` or set POSTERN_DOMAIN");
    if (domain.len > MAX_DOMAIN_BYTES)
        return pn_fail(err, PN_USAGE, "the server's URL is too long");
    rest->domain = pn_arena_copy(rest->arena, domain);
    if (!pn_url_parse(rest->domain, url, err))
        return pn_recast(err, PN_USAGE, "%.*s is not the URL of a server: https://HOST[:PORT]",
                         PN_ARG(domain));
    if (!url->is_tls && !is_this_machine(url->endpoint.host))
        return pn_fail(err, PN_USAGE,
                       "%.*s would carry passwords and tokens in the clear: use https://",
                       PN_ARG(domain));
    return true;
}

bool pn_rest_new(const struct pn_client_config *config, struct pn_rest **out, struct pn_err *err)
{
    pn_auto(pn_rest_freep) struct pn_rest *rest = pn_heap_new(sizeof *rest);
    struct pn_fetcher_config fetcher = { .trust_pem = config->ca_pem,
                                         .user_agent = "postern-cli/" PN_VERSION };

    rest->arena = pn_arena_new(2 * MAX_DOMAIN_BYTES);
    rest->details = pn_buf_init(MAX_DETAILS_BYTES);
    rest->timeout_ms = PN_REST_TIMEOUT_MS;
    if (!read_domain(rest, config->domain, &fetcher.url, err))
        return false;
    if (!pn_fetcher_new(&fetcher, &rest->fetcher, err)) {
        if (config->ca_file.len > 0)
            pn_recast(err, PN_USAGE, "the CA file %.*s: %s", PN_ARG(config->ca_file), err->message);
        return false;
    }
    if (!pn_rest_set_token(rest, config->token, err))
        return false;
    rest->token_name = config->token_name;
    *out = pn_take(&rest);
    return true;
}

void pn_rest_free(struct pn_rest *rest)
{
    if (rest == NULL)
        return;
    pn_fetcher_free(rest->fetcher);
    pn_secret_free(rest->token);
    pn_buf_drop(&rest->details);
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
    rest->token_name = NULL;
    return true;
}

bool pn_rest_has_token(const struct pn_rest *rest, const struct pn_secret *token)
{
    return rest->token != NULL && pn_secret_eq(rest->token, pn_secret_reveal(token));
}

void pn_rest_set_timeout(struct pn_rest *rest, int64_t timeout_ms)
{
    rest->timeout_ms = timeout_ms;
}

/* ---- answers that say no ---- */

static void add_text(struct pn_buf *text, const struct pn_value *value)
{
    pn_buf_add(text, pn_str_slice(pn_value_str(value), 0, MAX_SENTENCE_BYTES));
}

/* All of a 422's issues, as one sentence: "name: Required; url: Invalid url". */
static void add_issues(struct pn_buf *text, const struct pn_value *issues)
{
    for (size_t i = 0; i < pn_value_count(issues); i++) {
        const struct pn_value *issue = pn_value_item(issues, i), *path;

        pn_buf_add_text(text, i > 0 ? "; " : "");
        path = pn_value_get(issue, "path");
        for (size_t j = 0; j < pn_value_count(path); j++) {
            pn_buf_add_text(text, j > 0 ? "." : "");
            add_text(text, pn_value_item(path, j));
        }
        pn_buf_add_text(text, pn_value_count(path) > 0 ? ": " : "");
        add_text(text, pn_value_get(issue, "message"));
    }
}

/* The server's sentence; control bytes would speak to the terminal. */
static struct pn_str sentence(const struct pn_value *reply, struct pn_buf *text)
{
    const struct pn_value *message = pn_value_get(reply, "message");

    if (pn_value_is_array(message))
        add_issues(text, message);
    else
        add_text(text, message);
    for (size_t i = 0; i < text->len; i++) {
        if ((unsigned char)text->ptr[i] < 0x20 || text->ptr[i] == 0x7f)
            text->ptr[i] = ' ';
    }
    return pn_buf_str(text);
}

static bool unauthenticated(const struct pn_rest *rest, struct pn_str text, struct pn_err *err)
{
    if (rest->token == NULL && (text.len == 0 || pn_str_is(text, "Token missing")))
        return pn_fail(err, PN_UNAUTHENTICATED, "not logged in to %.*s: run `postern login`",
                       PN_ARG(rest->domain));
    if (rest->token == NULL) /* a login that was refused says why itself */
        return pn_fail(err, PN_UNAUTHENTICATED, "%.*s", PN_ARG(text));
    if (rest->token_name != NULL)
        return pn_fail(err, PN_UNAUTHENTICATED, "the token in %s is not accepted: %.*s",
                       rest->token_name, PN_ARG(text));
    if (pn_str_ends(text, PN_LIT("."))) /* we go on with it */
        text.len--;
    return pn_fail(err, PN_UNAUTHENTICATED, "%.*s: run `postern login`", PN_ARG(text));
}

static void keep_details(struct pn_rest *rest, const struct pn_value *reply, struct pn_err *err)
{
    const struct pn_value *message = pn_value_get(reply, "message");
    const struct pn_value *details =
        pn_value_is_array(message) ? message : pn_value_get(reply, "details");

    if (details == NULL)
        return;
    pn_buf_clear(&rest->details);
    pn_value_print(details, false, &rest->details);
    if (!rest->details.is_full)
        err->details = pn_buf_str(&rest->details);
}

static bool refused(struct pn_rest *rest, int status, const struct pn_value *reply,
                    struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(32 * MAX_SENTENCE_BYTES);
    struct pn_str said = sentence(reply, &text);
    struct pn_str name = pn_value_str(pn_value_get(reply, "error"));
    enum pn_code code = pn_code_of_status(status);

    if (code == PN_UNAUTHENTICATED || pn_str_is(name, "TokenError"))
        unauthenticated(rest, said, err);
    else if (said.len == 0)
        pn_fail(err, code, "the server answered %d", status);
    else
        pn_fail(err, code, "%.*s", PN_ARG(said));
    if (name.len < sizeof err->name && name.len > 0)
        memcpy(err->name, name.ptr, name.len); /* the rest is zero */
    keep_details(rest, reply, err);
    return pn_within(err, "request %.*s", PN_ARG(pn_value_str(pn_value_get(reply, "reqId"))));
}

/* ---- calls ---- */

bool pn_rest_call(struct pn_rest *rest, const char *method, struct pn_str path, struct pn_str body,
                  struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *scratch = pn_arena_new(2 * MAX_ANSWER_BYTES);
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_err parse = { 0 };
    struct pn_fetched answer;
    const struct pn_fetch request = {
        .method = method,
        .path = pn_arena_printf(scratch, "/api%.*s", PN_ARG(path)),
        .bearer = rest->token,
        .body = body,
        .deadline_ms = pn_clock_mono_ms() + rest->timeout_ms,
        .max_body_bytes = MAX_ANSWER_BYTES,
    };

    if (!pn_fetch(rest->fetcher, &request, scratch, &answer, err))
        return pn_recast(err, err->code, "%.*s: %s", PN_ARG(rest->domain), err->message);
    if (answer.body.len > 0 && !pn_value_parse(answer.body, &value, &parse) && answer.status < 400)
        return pn_fail(err, PN_UPSTREAM, "%.*s did not answer with JSON: is it a Postern server?",
                       PN_ARG(rest->domain));
    if (answer.status >= 400)
        return refused(rest, answer.status, value, err);
    if (answer.status < 200 || answer.status >= 300)
        return pn_fail(err, PN_UPSTREAM, "%.*s answered %d: is it a Postern server?",
                       PN_ARG(rest->domain), answer.status);
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
