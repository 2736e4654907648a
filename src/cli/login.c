/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "cli/applets.h"
#include "cli/machine_login.h"
#include "json/writer.h"
#include "sys/sys.h"

#define MAX_PASSWORD_BYTES 1024

static bool ask_password(struct pn_cli *cli, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_PASSWORD_BYTES);
    const char *file = pn_cli_option_text(cli, "password-file");

    if (file != NULL)
        return pn_cli_secret_file(file, out, err);
    if (!pn_terminal_password("Password: ", &text, err))
        return pn_recast(err, PN_USAGE,
                         "there is no terminal to ask for the password: use --password-file F (- "
                         "is standard input)");
    *out = pn_secret_new(pn_buf_str(&text), err);
    return *out != NULL;
}

static bool ask_email(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    char line[256];

    *out = pn_cli_option(cli, "email");
    if (out->len > 0)
        return true;
    if (!pn_terminal_is_tty(STDIN_FILENO))
        return pn_fail(err, PN_USAGE, "--email is needed");
    fprintf(stderr, "E-mail: ");
    if (fgets(line, sizeof line, stdin) == NULL || pn_str_trim(pn_str_from(line)).len == 0)
        return pn_fail(err, PN_USAGE, "--email is needed");
    *out = pn_arena_copy(pn_cli_arena(cli), pn_str_trim(pn_str_from(line)));
    return true;
}

/* Posts `body` (wiped afterwards by its owner) and makes the token of the reply the client's. `needs_mfa` may be NULL. */
static bool take_token(struct pn_rest *rest, const char *path, const struct pn_buf *body,
                       const char *member, struct pn_secret **out, bool *needs_mfa,
                       struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str token;

    if (body->is_full)
        return pn_fail(err, PN_USAGE, "e-mail or password is too long");
    if (!pn_rest_call(rest, "POST", pn_str_from(path), pn_buf_str(body), &reply, err))
        return false;
    token = pn_value_str(pn_value_get(reply, member));
    if (token.len == 0)
        return pn_fail(err, PN_UPSTREAM, "the server's answer has no token");
    if (needs_mfa != NULL)
        *needs_mfa = pn_value_bool(pn_value_get(reply, "isMfaEnabled"), false);
    pn_secret_freep(out);
    *out = pn_secret_new(token, err);
    return *out != NULL && pn_rest_set_token(rest, *out, err);
}

static bool log_in(struct pn_cli *cli, struct pn_rest *rest, struct pn_str email,
                   struct pn_secret **token, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *password = NULL;
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(4096);
    struct pn_writer w = pn_writer_of(&body);

    if (!ask_password(cli, &password, err) || !pn_rest_set_token(rest, NULL, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "email", email);
    pn_write_str(&w, "password", pn_secret_reveal(password));
    pn_write_end(&w);
    return take_token(rest, "/v3/auth/login", &body, "accessToken", token, NULL, err);
}

static bool choose_organization(struct pn_cli *cli, struct pn_rest *rest, struct pn_str *out,
                                struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *list;

    *out = pn_cli_option(cli, "organization");
    if (out->len > 0)
        return true;
    if (!pn_rest_call(rest, "GET", PN_LIT("/v1/organization"), PN_NONE, &reply, err))
        return false;
    list = pn_value_get(reply, "organizations");
    if (pn_value_count(list) == 0)
        return pn_fail(err, PN_FORBIDDEN,
                       "you are not a member of an organisation yet: ask for an invitation");
    if (pn_value_count(list) > 1)
        return pn_fail(err, PN_USAGE,
                       "you are in %zu organisations: say which with --organization ID",
                       pn_value_count(list));
    *out = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_at(list, "0.id")));
    return true;
}

static bool ask_code(struct pn_cli *cli, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(64);
    const char *file = pn_cli_option_text(cli, "code-file");

    if (file != NULL)
        return pn_cli_secret_file(file, out, err);
    if (!pn_terminal_password("Code of your authenticator app: ", &text, err))
        return pn_recast(err, PN_USAGE,
                         "there is no terminal to ask for the code of your authenticator app: use "
                         "--code-file F (- is standard input)");
    *out = pn_secret_new(pn_buf_str(&text), err);
    return *out != NULL;
}

/* A code of the app has digits only and is shorter than a recovery code. */
static bool is_app_code(struct pn_str code)
{
    for (size_t i = 0; i < code.len; i++) {
        if (code.ptr[i] < '0' || code.ptr[i] > '9')
            return false;
    }
    return code.len == 6;
}

static bool show_second_factor(struct pn_cli *cli, struct pn_rest *rest, struct pn_secret **token,
                               struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *code = NULL;
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(1024);
    struct pn_writer w = pn_writer_of(&body);
    bool is_app;

    if (!ask_code(cli, &code, err))
        return false;
    is_app = is_app_code(pn_str_trim(pn_secret_reveal(code)));
    pn_write_object(&w, NULL);
    pn_write_str(&w, is_app ? "mfaToken" : "recoveryCode", pn_str_trim(pn_secret_reveal(code)));
    pn_write_end(&w);
    return take_token(rest, is_app ? "/v2/auth/mfa/verify" : "/v2/auth/mfa/verify/recovery-code",
                      &body, "token", token, NULL, err);
}

static bool select_organization(struct pn_cli *cli, struct pn_rest *rest, struct pn_secret **token,
                                struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(1024);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str organization;
    bool needs_mfa = false;

    if (!choose_organization(cli, rest, &organization, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "organizationId", organization);
    pn_write_text(&w, "userAgent", "cli");
    pn_write_end(&w);
    return take_token(rest, "/v3/auth/select-organization", &body, "token", token, &needs_mfa,
                      err) &&
           (!needs_mfa || show_second_factor(cli, rest, token, err));
}

/* What is left behind for later commands; with --plain nothing but the token on stdout. */
static bool keep(struct pn_cli *cli, const struct pn_client_config *config, struct pn_str email,
                 struct pn_secret *token, struct pn_err *err)
{
    struct pn_client_config stored = *config;

    if (pn_cli_is_on(cli, "plain")) {
        printf("%.*s\n", PN_ARG(pn_secret_reveal(token)));
        return true;
    }
    stored.email = email;
    stored.token = token;
    if (!pn_client_config_store(pn_cli_arena(cli), &stored, err))
        return false;
    printf("Logged in to %.*s as %.*s\n", PN_ARG(config->domain),
           PN_ARG(email.len > 0 ? email : PN_LIT("a machine identity")));
    return true;
}

static bool login(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_client_config *config;
    struct pn_str email = PN_NONE, ca_file = pn_cli_option(cli, "ca-file");
    struct pn_str method = pn_cli_option(cli, "method");
    struct pn_rest *rest;

    (void)exit_code;
    if (!pn_cli_config(cli, &config, err) ||
        (ca_file.len > 0 && !pn_client_config_read_ca(pn_cli_arena(cli), config, ca_file, err)) ||
        !pn_cli_rest_client(cli, &rest, err))
        return false;
    if (method.len > 0 && !pn_str_is(method, "user"))
        return pn_machine_login(cli, method, &token, err) && keep(cli, config, email, token, err);
    return ask_email(cli, &email, err) && log_in(cli, rest, email, &token, err) &&
           select_organization(cli, rest, &token, err) && keep(cli, config, email, token, err);
}

static bool logout(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_client_config *config;
    struct pn_err remote = { 0 };
    struct pn_rest *rest;

    (void)exit_code;
    if (!pn_cli_config(cli, &config, err))
        return false;
    if (config->token_name != NULL)
        return pn_fail(err, PN_USAGE, "the token comes from %s: unset it", config->token_name);
    /* The local token goes in any case; the server may be away. */
    if (config->token != NULL && pn_cli_rest_client(cli, &rest, &remote) &&
        !pn_rest_call(rest, "POST", PN_LIT("/v1/auth/logout"), PN_LIT("{}"), NULL, &remote))
        fprintf(stderr, "postern: the server was not told: %s\n", remote.message);
    if (!pn_client_config_forget(pn_cli_arena(cli), err))
        return false;
    printf("Logged out\n");
    return true;
}

static const struct pn_option login_options[] = {
    { "method", "METHOD", "user (default), universal-auth or kubernetes" },
    { "email", "EMAIL", "who you are" },
    { "password-file", "F", "the password, for scripts (- is standard input)" },
    { "code-file", "F",
      "a code of your authenticator app, or a recovery code, where one is asked for" },
    { "ca-file", "F", "CA of the server's certificate; kept for later commands" },
    { "organization", "ID", "when you are in several" },
    { "client-id", "ID", "universal-auth: who it is (POSTERN_CLIENT_ID)" },
    { "client-secret-file", "F", "its secret (POSTERN_CLIENT_SECRET; - is standard input)" },
    { "identity-id", "ID", "kubernetes: who it is (POSTERN_IDENTITY_ID)" },
    { "token-file", "F", "the service account's token (default: the pod's)" },
    { "organization-slug", "SLUG", "another organization than the identity's" },
    { "plain", NULL, "print the token and keep nothing" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_login_commands[] = {
    { .words = "login",
      .arguments = "[--domain URL] [--method METHOD] [--email EMAIL] …",
      .summary = "Log in; the token is kept in a private file below XDG_CONFIG_HOME",
      .examples = "  postern login --domain https://postern.example.com --email ada@example.com\n"
                  "  postern login --domain https://localhost:8200 --ca-file ca.pem --email "
                  "ada@example.com --password-file -\n"
                  "  postern login --method kubernetes --identity-id ID\n"
                  "  export POSTERN_TOKEN=$(postern login --method universal-auth --client-id ID "
                  "--client-secret-file secret --plain)\n",
      .options = login_options,
      .run = login },
    { .words = "logout",
      .arguments = "",
      .summary = "Forget the token, here and at the server",
      .options = no_options,
      .run = logout },
    { 0 },
};
