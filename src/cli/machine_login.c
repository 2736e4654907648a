/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine_login.h"

#include <stdio.h>
#include <stdlib.h>

static struct pn_str option_or_variable(struct pn_cli *cli, const char *option, const char *ours,
                                        const char *official)
{
    struct pn_str text = pn_cli_option(cli, option);

    if (text.len == 0)
        text = pn_str_from(getenv(ours));
    return text.len > 0 ? text : pn_str_from(getenv(official));
}

/* As nobody: a token at hand has no part in a login. */
static bool post_login(struct pn_cli *cli, const char *method, const struct pn_buf *body,
                       struct pn_value **reply, struct pn_err *err)
{
    struct pn_rest *rest;

    if (body->is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    return pn_cli_rest_client(cli, &rest, err) && pn_rest_set_token(rest, NULL, err) &&
           pn_rest_call(rest, "POST", pn_cli_path(cli, "/v1/auth/%s/login", method),
                        pn_buf_str(body), reply, err);
}

static void write_slug(struct pn_cli *cli, struct pn_writer *w)
{
    struct pn_str slug = pn_cli_option(cli, "organization-slug");

    if (slug.len > 0)
        pn_write_str(w, "organizationSlug", slug);
}

/* ---- a client secret ---- */

static bool client_secret(struct pn_cli *cli, struct pn_secret **out, struct pn_err *err)
{
    const char *file = pn_cli_option_text(cli, "client-secret-file");
    struct pn_str text = option_or_variable(cli, "client-secret", "POSTERN_CLIENT_SECRET",
                                            "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET");

    if (file != NULL)
        return pn_cli_secret_file(file, out, err);
    if (text.len == 0)
        return pn_fail(err, PN_USAGE,
                       "the client secret is needed: --client-secret-file F (- is standard "
                       "input), or POSTERN_CLIENT_SECRET");
    *out = pn_secret_new(text, err);
    return *out != NULL;
}

static bool universal_login(struct pn_cli *cli, struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    pn_auto(pn_secret_freep) struct pn_secret *secret = NULL;
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str id = option_or_variable(cli, "client-id", "POSTERN_CLIENT_ID",
                                          "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID");

    if (id.len == 0)
        return pn_fail(err, PN_USAGE, "--client-id is needed, or POSTERN_CLIENT_ID");
    if (!client_secret(cli, &secret, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "clientId", id);
    pn_write_str(&w, "clientSecret", pn_secret_reveal(secret));
    write_slug(cli, &w);
    pn_write_end(&w);
    return post_login(cli, "universal-auth", &body, reply, err);
}

/* ---- a pod ---- */

bool pn_service_account_token(struct pn_cli *cli, struct pn_secret **out, struct pn_err *err)
{
    struct pn_str path = option_or_variable(cli, "token-file", "POSTERN_KUBERNETES_TOKEN_FILE",
                                            "INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH");

    if (path.len == 0)
        path = PN_LIT(PN_POD_TOKEN_FILE);
    return pn_cli_secret_file(pn_cstr(pn_cli_arena(cli), path), out, err) ||
           pn_recast(err, PN_USAGE, "the service account's token: %s", err->message);
}

bool pn_kubernetes_login(struct pn_cli *cli, struct pn_str identity, const struct pn_secret *jwt,
                         struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "identityId", identity);
    pn_write_str(&w, "jwt", pn_secret_reveal(jwt));
    write_slug(cli, &w);
    pn_write_end(&w);
    return post_login(cli, "kubernetes-auth", &body, reply, err);
}

static bool pod_login(struct pn_cli *cli, struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *jwt = NULL;
    struct pn_str id = option_or_variable(cli, "identity-id", "POSTERN_IDENTITY_ID",
                                          "INFISICAL_MACHINE_IDENTITY_ID");

    if (id.len == 0)
        return pn_fail(err, PN_USAGE, "--%s is needed, or POSTERN_IDENTITY_ID",
                       pn_str_is(pn_str_from(pn_cli_program(cli)), "postern")
                           ? "identity-id"
                           : "machine-identity-id");
    return pn_service_account_token(cli, &jwt, err) &&
           pn_kubernetes_login(cli, id, jwt, reply, err);
}

/* ---- either ---- */

static const struct {
    const char *name;
    bool (*login)(struct pn_cli *, struct pn_value **, struct pn_err *);
} methods[] = { { "universal-auth", universal_login }, { "kubernetes", pod_login } };

bool pn_machine_login(struct pn_cli *cli, struct pn_str method, struct pn_secret **token,
                      struct pn_err *err)
{
    for (size_t i = 0; i < PN_COUNT(methods); i++) {
        pn_auto(pn_value_freep) struct pn_value *reply = NULL;
        struct pn_str text;

        if (!pn_str_is(method, methods[i].name))
            continue;
        if (!methods[i].login(cli, &reply, err))
            return false;
        text = pn_value_str(pn_value_get(reply, "accessToken"));
        if (text.len == 0)
            return pn_fail(err, PN_UPSTREAM, "the server's answer has no token");
        *token = pn_secret_new(text, err);
        return *token != NULL;
    }
    return pn_fail(err, PN_USAGE, "--method is user, universal-auth or kubernetes, not %.*s",
                   PN_ARG(method));
}

bool pn_infisical_login(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_str method =
        option_or_variable(cli, "method", "POSTERN_AUTH_METHOD", "INFISICAL_AUTH_METHOD");

    (void)exit_code;
    if (method.len == 0 || pn_str_is(method, "user"))
        return pn_fail(err, PN_USAGE,
                       "people log in with `postern login`; here --method is universal-auth or "
                       "kubernetes");
    if (!pn_machine_login(cli, method, &token, err))
        return false;
    if (pn_cli_is_on(cli, "plain") || pn_cli_is_on(cli, "silent"))
        printf("%.*s\n", PN_ARG(pn_secret_reveal(token)));
    else
        printf("Logged in. The access token, for INFISICAL_TOKEN:\n\n%.*s\n",
               PN_ARG(pn_secret_reveal(token)));
    return true;
}
