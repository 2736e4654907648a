/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/applets.h"
#include "cli/call.h"

/* How machine identities log in: Kubernetes, a client secret, tokens. */

static const struct pn_column kubernetes_columns[] = {
    { "HOST", "kubernetesHost" },          { "REVIEW", "tokenReviewMode" },
    { "NAMESPACES", "allowedNamespaces" }, { "NAMES", "allowedNames" },
    { "AUDIENCE", "allowedAudience" },     { "TOKEN TTL", "accessTokenTTL" },
    { "IDENTITY", "identityId" },          { 0 }
};
static const struct pn_column universal_columns[] = { { "CLIENT ID", "clientId" },
                                                      { "TOKEN TTL", "accessTokenTTL" },
                                                      { "IDENTITY", "identityId" },
                                                      { 0 } };
static const struct pn_column new_secret_columns[] = { { "CLIENT SECRET (ONCE)", "clientSecret" },
                                                       { "ID", "clientSecretData.id" },
                                                       { 0 } };
static const struct pn_column secret_columns[] = { { "ID", "id" },
                                                   { "BEGINS WITH", "clientSecretPrefix" },
                                                   { "DESCRIPTION", "description" },
                                                   { "USES", "clientSecretNumUses" },
                                                   { "OF", "clientSecretNumUsesLimit" },
                                                   { "TTL", "clientSecretTTL" },
                                                   { "MADE", "createdAt" },
                                                   { 0 } };
static const struct pn_column new_token_columns[] = { { "TOKEN (ONCE)", "accessToken" },
                                                      { "EXPIRES IN", "expiresIn" },
                                                      { "ID", "tokenData.id" },
                                                      { 0 } };
static const struct pn_column token_columns[] = { { "NAME", "name" },
                                                  { "ID", "id" },
                                                  { "USES", "accessTokenNumUses" },
                                                  { "REVOKED", "isAccessTokenRevoked" },
                                                  { "MADE", "createdAt" },
                                                  { 0 } };
static const struct pn_column message_columns[] = { { "RESULT", "message" }, { 0 } };

/* Limits of the access tokens that a login gives. */
#define TOKEN_FIELDS                                                          \
    { "access-token-ttl", "accessTokenTTL", PN_CLI_NUMBER },                  \
        { "access-token-max-ttl", "accessTokenMaxTTL", PN_CLI_NUMBER },       \
        { "access-token-uses", "accessTokenNumUsesLimit", PN_CLI_NUMBER },    \
        { "access-token-period", "accessTokenPeriod", PN_CLI_NUMBER },        \
    {                                                                         \
        "access-token-trusted-ips", "accessTokenTrustedIps", PN_CLI_ADDRESSES \
    }
#define TOKEN_OPTIONS                                                                        \
    { "access-token-ttl", "S", "how long an access token lives (2592000; kubernetes: 3600)", \
      NULL },                                                                                \
        { "access-token-max-ttl", "S",                                                       \
          "how long it can be renewed (2592000; kubernetes: for ever)", NULL },              \
        { "access-token-uses", "N", "how often it can be used; 0: any number", NULL },       \
        { "access-token-period", "S", "renewable for ever, by this much at a time", NULL },  \
    {                                                                                        \
        "access-token-trusted-ips", "LIST", "from where it can be used (anywhere)", NULL     \
    }

static const struct pn_cli_field kubernetes_fields[] = {
    { "host", "kubernetesHost", PN_CLI_TEXT },
    { "ca-file", "caCert", PN_CLI_FILE },
    { "verify-tls", "verifyTlsCertificate", PN_CLI_BOOL },
    { "reviewer-token-file", "tokenReviewerJwt", PN_CLI_SECRET },
    { "review-mode", "tokenReviewMode", PN_CLI_TEXT },
    { "gateway", "gatewayId", PN_CLI_GATEWAY },
    { "pool", "gatewayPoolId", PN_CLI_POOL },
    { "namespaces", "allowedNamespaces", PN_CLI_TEXT },
    { "names", "allowedNames", PN_CLI_TEXT },
    { "audience", "allowedAudience", PN_CLI_TEXT },
    TOKEN_FIELDS,
    { 0 }
};
static const struct pn_cli_field universal_fields[] = {
    { "client-secret-trusted-ips", "clientSecretTrustedIps", PN_CLI_ADDRESSES },
    { "lockout", "lockoutEnabled", PN_CLI_BOOL },
    { "lockout-threshold", "lockoutThreshold", PN_CLI_NUMBER },
    { "lockout-duration", "lockoutDurationSeconds", PN_CLI_NUMBER },
    TOKEN_FIELDS,
    { 0 }
};
static const struct pn_cli_field secret_fields[] = { { "description", "description", PN_CLI_TEXT },
                                                     { "uses", "numUsesLimit", PN_CLI_NUMBER },
                                                     { "ttl", "ttl", PN_CLI_NUMBER },
                                                     { 0 } };
static const struct pn_cli_field token_fields[] = { { "name", "name", PN_CLI_TEXT }, { 0 } };

/* ---- what they share ---- */

/* METHOD /v1/auth/AUTH/identities/ID[/TAIL], with the options of `fields` (NULL: no body). */
static bool act(struct pn_cli *cli, const char *method, const char *auth, const char *tail,
                const struct pn_cli_field *fields, const char *member,
                const struct pn_column *columns, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str id;

    if (!pn_cli_identity(cli, pn_cli_arg(cli, 0), &id, err))
        return false;
    pn_write_object(&w, NULL);
    if (fields != NULL && !pn_cli_write_fields(cli, fields, &w, err))
        return false;
    pn_write_end(&w);
    return pn_cli_call(cli, method,
                       pn_cli_path(cli, "/v1/auth/%s/identities/%.*s%s", auth, PN_ARG(id), tail),
                       fields != NULL ? &body : NULL, member, columns, err);
}

static bool need_change(struct pn_cli *cli, const struct pn_cli_field *fields, struct pn_err *err)
{
    return pn_cli_has_any(cli, fields) ||
           pn_fail(err, PN_USAGE, "nothing to update: say what with options");
}

/* ---- Kubernetes ---- */

static bool kubernetes(struct pn_cli *cli, const char *method, const struct pn_cli_field *fields,
                       struct pn_err *err)
{
    return act(cli, method, "kubernetes-auth", "", fields, "identityKubernetesAuth",
               kubernetes_columns, err);
}

static bool kubernetes_attach(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    if (!pn_cli_has(cli, "host") && !pn_cli_has(cli, "review-mode"))
        return pn_fail(err, PN_USAGE,
                       "--host is needed (the cluster's API server), or --review-mode gateway with "
                       "--gateway");
    return kubernetes(cli, "POST", kubernetes_fields, err);
}

static bool kubernetes_update(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return need_change(cli, kubernetes_fields, err) &&
           kubernetes(cli, "PATCH", kubernetes_fields, err);
}

static bool kubernetes_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return kubernetes(cli, "GET", NULL, err);
}

static bool kubernetes_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return kubernetes(cli, "DELETE", NULL, err);
}

/* ---- client secrets ---- */

static bool universal(struct pn_cli *cli, const char *method, const struct pn_cli_field *fields,
                      struct pn_err *err)
{
    return act(cli, method, "universal-auth", "", fields, "identityUniversalAuth",
               universal_columns, err);
}

static bool universal_attach(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return universal(cli, "POST", universal_fields, err);
}

static bool universal_update(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return need_change(cli, universal_fields, err) &&
           universal(cli, "PATCH", universal_fields, err);
}

static bool universal_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return universal(cli, "GET", NULL, err);
}

static bool universal_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return universal(cli, "DELETE", NULL, err);
}

static bool secret_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return act(cli, "POST", "universal-auth", "/client-secrets", secret_fields, NULL,
               new_secret_columns, err);
}

static bool secret_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return act(cli, "GET", "universal-auth", "/client-secrets", NULL, "clientSecretData",
               secret_columns, err);
}

static bool secret_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id = pn_cli_segment(cli, pn_cli_arg(cli, 1));
    const char *tail =
        pn_cstr(pn_cli_arena(cli), pn_cli_path(cli, "/client-secrets/%.*s/revoke", PN_ARG(id)));

    (void)exit_code;
    return act(cli, "POST", "universal-auth", tail, secret_fields, "clientSecretData",
               secret_columns, err);
}

/* ---- tokens ---- */

/* The first token needs the method attached; that it is already is what we want. */
static bool attach_tokens(struct pn_cli *cli, struct pn_str id, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str path = pn_cli_path(cli, "/v1/auth/token-auth/identities/%.*s", PN_ARG(id));
    pn_auto(pn_buf_drop) struct pn_buf empty = pn_buf_init(8);
    struct pn_err absent = { 0 };

    if (pn_cli_fetch(cli, "GET", path, NULL, &reply, &absent))
        return true;
    if (absent.code != PN_NOT_FOUND && absent.code != PN_BAD_REQUEST) {
        *err = absent;
        return false;
    }
    pn_buf_add_text(&empty, "{}");
    return pn_cli_fetch(cli, "POST", path, &empty, NULL, err);
}

static bool token_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id;

    (void)exit_code;
    return pn_cli_identity(cli, pn_cli_arg(cli, 0), &id, err) && attach_tokens(cli, id, err) &&
           act(cli, "POST", "token-auth", "/tokens", token_fields, NULL, new_token_columns, err);
}

static bool token_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_cli_pages pages = { .list = "tokens", .page = 100 };
    struct pn_str id;

    (void)exit_code;
    if (!pn_cli_identity(cli, pn_cli_arg(cli, 0), &id, err))
        return false;
    pages.path = pn_cli_path(cli, "/v1/auth/token-auth/identities/%.*s/tokens", PN_ARG(id));
    return pn_cli_print_pages(cli, &pages, token_columns, err);
}

static bool token_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_cli_call(cli, "POST",
                       pn_cli_path(cli, "/v1/auth/token-auth/tokens/%.*s/revoke",
                                   PN_ARG(pn_cli_segment(cli, pn_cli_arg(cli, 0)))),
                       NULL, NULL, message_columns, err);
}

/* ---- the table ---- */

static const struct pn_option no_options[] = { { 0 } };
static const struct pn_option kubernetes_options[] = {
    { "host", "URL", "the cluster's API server, as the server (or gateway) sees it", NULL },
    { "ca-file", "F", "CA of its certificate, PEM", NULL },
    { "verify-tls", "[=BOOL]", "check its certificate (when there is a CA)", NULL },
    { "reviewer-token-file", "F", "token of a reviewer; without: the workload's own", NULL },
    { "review-mode", "MODE", "api, or gateway: its pod's identity reviews", NULL },
    { "gateway", "G", "the gateway to go through, by name or id; empty: none", NULL },
    { "pool", "P", "or any healthy one of a pool; empty: none", NULL },
    { "namespaces", "LIST", "allowed namespaces, with globs; empty: any", NULL },
    { "names", "LIST", "allowed service accounts, with globs; empty: any", NULL },
    { "audience", "A", "what the token must be for; empty: the API server", NULL },
    TOKEN_OPTIONS,
    { 0 },
};
static const struct pn_option universal_options[] = {
    { "client-secret-trusted-ips", "LIST", "from where it can log in (anywhere)", NULL },
    { "lockout", "[=BOOL]", "lock after wrong secrets (true)", NULL },
    { "lockout-threshold", "N", "so many (3)", NULL },
    { "lockout-duration", "S", "for so long (300)", NULL },
    TOKEN_OPTIONS,
    { 0 },
};
static const struct pn_option secret_options[] = {
    { "description", "TEXT", "who has it", NULL },
    { "uses", "N", "how often it can log in; 0: any number", NULL },
    { "ttl", "S", "how long it lives; 0: for ever", NULL },
    { 0 },
};
static const struct pn_option token_options[] = {
    { "name", "NAME", "who has it", NULL },
    { 0 },
};

#define ONE .min_args = 1, .max_args = 1
#define TWO .min_args = 2, .max_args = 2

const struct pn_command pn_identity_auth_commands[] = {
    { .words = "identity kubernetes attach",
      .arguments = "IDENTITY --host URL [--ca-file F] [--namespaces LIST] [--names LIST] …",
      .summary = "Let pods of a cluster log in with their service account",
      .examples =
          "  kubectl create token reviewer --duration=8760h | postern identity kubernetes attach "
          "shop-backend --host https://10.0.0.1:6443 --ca-file ca.crt --reviewer-token-file - "
          "--namespaces shop --names backend --audience postern\n"
          "  postern identity kubernetes attach shop-backend --review-mode gateway --gateway edge "
          "--namespaces shop\n",
      .options = kubernetes_options,
      ONE,
      .run = kubernetes_attach },
    { .words = "identity kubernetes get",
      .arguments = "IDENTITY",
      .summary = "How its pods log in",
      .options = no_options,
      ONE,
      .run = kubernetes_get },
    { .words = "identity kubernetes update",
      .arguments = "IDENTITY [--namespaces LIST] …",
      .summary = "Change that; what is not given stays",
      .examples = "  postern identity kubernetes update shop-backend --namespaces 'shop,shop-*'\n",
      .options = kubernetes_options,
      ONE,
      .run = kubernetes_update },
    { .words = "identity kubernetes revoke",
      .arguments = "IDENTITY",
      .summary = "No more logins from Kubernetes; tokens from it end",
      .options = no_options,
      ONE,
      .run = kubernetes_revoke },
    { .words = "identity universal-auth attach",
      .arguments = "IDENTITY",
      .summary = "Let it log in with a client id and a client secret",
      .examples = "  postern identity universal-auth attach ci --client-secret-trusted-ips "
                  "10.0.0.0/8 --access-token-ttl 3600\n",
      .options = universal_options,
      ONE,
      .run = universal_attach },
    { .words = "identity universal-auth get",
      .arguments = "IDENTITY",
      .summary = "Its client id and limits",
      .options = no_options,
      ONE,
      .run = universal_get },
    { .words = "identity universal-auth update",
      .arguments = "IDENTITY …",
      .summary = "Change its limits; what is not given stays",
      .options = universal_options,
      ONE,
      .run = universal_update },
    { .words = "identity universal-auth revoke",
      .arguments = "IDENTITY",
      .summary = "No more logins with client secrets; tokens from them end",
      .options = no_options,
      ONE,
      .run = universal_revoke },
    { .words = "identity universal-auth client-secret create",
      .arguments = "IDENTITY [--description TEXT] [--ttl S] [--uses N]",
      .summary = "A new client secret, shown this once",
      .examples = "  postern identity universal-auth client-secret create ci --ttl 7776000\n",
      .options = secret_options,
      ONE,
      .run = secret_create },
    { .words = "identity universal-auth client-secret list",
      .arguments = "IDENTITY",
      .summary = "Its client secrets, without the secrets",
      .options = no_options,
      ONE,
      .run = secret_list },
    { .words = "identity universal-auth client-secret revoke",
      .arguments = "IDENTITY SECRET_ID",
      .summary = "End a client secret and the tokens from it",
      .options = no_options,
      TWO,
      .run = secret_revoke },
    { .words = "identity token create",
      .arguments = "IDENTITY [--name NAME]",
      .summary = "A token for it, shown this once",
      .examples = "  postern identity token create ci --name laptop\n",
      .options = token_options,
      ONE,
      .run = token_create },
    { .words = "identity token list",
      .arguments = "IDENTITY",
      .summary = "Its tokens, without the tokens",
      .options = no_options,
      ONE,
      .run = token_list },
    { .words = "identity token revoke",
      .arguments = "TOKEN_ID",
      .summary = "End a token",
      .options = no_options,
      ONE,
      .run = token_revoke },
    { 0 },
};
