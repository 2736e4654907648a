/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/applets.h"
#include "cli/call.h"
#include "cli/find.h"
#include "json/writer.h"
#include "sys/sys.h"

#define MAX_CA_BYTES ((size_t)256 * 1024)
#define MAX_BODY_BYTES ((size_t)1024 * 1024)
#define MAX_PATH_BYTES ((size_t)4096)
#define PAGE 100 /* the most the server gives at once */

static const struct pn_option no_options[] = { { 0 } };

static const struct pn_column resource_columns[] = {
    { "NAME", "name" },
    { "URL", "connectionDetails.url" },
    { "TLS CHECKED", "connectionDetails.sslRejectUnauthorized" },
    { "GATEWAY", "gatewayName" },
    { "ID", "id" },
    { 0 },
};
static const struct pn_column account_columns[] = {
    { "NAME", "name" },
    { "RESOURCE", "resourceName" },
    { "METHOD", "credentials.authMethod" },
    { "ID", "id" },
    { 0 },
};

/* ---- finding things by name ---- */

static const struct pn_value *by_name(const struct pn_value *list, struct pn_str name)
{
    for (size_t i = 0; i < pn_value_count(list); i++) {
        if (pn_str_eq(pn_value_str(pn_value_get(pn_value_item(list, i), "name")), name))
            return pn_value_item(list, i);
    }
    return NULL;
}

/* "/v1/pam/resources?projectId=P&search=NAME" */
static bool list_path(struct pn_cli *cli, const char *of, struct pn_str resource_id,
                      struct pn_str search, struct pn_buf *path, struct pn_err *err)
{
    struct pn_str project;

    if (!pn_cli_project(cli, &project, err))
        return false;
    pn_buf_addf(path, "/v1/pam/%s", of);
    pn_rest_query(path, "projectId", project);
    pn_rest_query(path, "resourceId", resource_id);
    pn_rest_query(path, "search", search);
    return !path->is_full || pn_fail(err, PN_USAGE, "the name is too long");
}

/* What is looked for by name is among the first hundred. */
static bool get_list(struct pn_cli *cli, const char *of, struct pn_str resource_id,
                     struct pn_str search, struct pn_value **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_PATH_BYTES);

    if (!list_path(cli, of, resource_id, search, &path, err))
        return false;
    pn_rest_query(&path, "limit", PN_LIT("100"));
    return pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, out, err);
}

/* All of them, page by page. */
static bool print_list(struct pn_cli *cli, const char *of, struct pn_str resource_id,
                       const struct pn_column *columns, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_PATH_BYTES);
    struct pn_cli_pages pages = { .list = of, .page = PAGE };

    if (!list_path(cli, of, resource_id, PN_NONE, &path, err))
        return false;
    pages.path = pn_buf_str(&path);
    return pn_cli_print_pages(cli, &pages, columns, err);
}

static bool find_resource(struct pn_cli *cli, struct pn_str name, struct pn_str *id,
                          struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *resource;

    if (!get_list(cli, "resources", PN_NONE, name, &reply, err))
        return false;
    resource = by_name(pn_value_get(reply, "resources"), name);
    if (resource == NULL)
        return pn_fail(err, PN_NOT_FOUND, "there is no resource \"%.*s\" in this project",
                       PN_ARG(name));
    *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(resource, "id")));
    return true;
}

/* "RESOURCE/ACCOUNT" → the two names. */
static bool split_path(struct pn_str path, struct pn_str *resource, struct pn_str *account,
                       struct pn_err *err)
{
    *account = path;
    if (pn_str_cut(account, '/', resource) && resource->len > 0 && account->len > 0)
        return true;
    return pn_fail(err, PN_USAGE, "an account is named RESOURCE/ACCOUNT, not \"%.*s\"",
                   PN_ARG(path));
}

static bool find_account(struct pn_cli *cli, struct pn_str path, struct pn_str *id,
                         struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str resource, name, resource_id;
    const struct pn_value *account;

    if (!split_path(path, &resource, &name, err) ||
        !find_resource(cli, resource, &resource_id, err) ||
        !get_list(cli, "accounts", resource_id, name, &reply, err))
        return false;
    account = by_name(pn_value_get(reply, "accounts"), name);
    if (account == NULL)
        return pn_fail(err, PN_NOT_FOUND, "there is no account \"%.*s\" of \"%.*s\"", PN_ARG(name),
                       PN_ARG(resource));
    *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(account, "id")));
    return true;
}

/* What is saved has been tried through its gateway; a person reads what came of it, unless all is well. */
static void tell_test(const struct pn_value *test)
{
    struct pn_str status = pn_value_str(pn_value_get(test, "status")),
                  message = pn_value_str(pn_value_get(test, "message"));

    if (status.len > 0 && !pn_str_is(status, "ok"))
        fprintf(stderr, "connection test: %.*s: %.*s\n", PN_ARG(status), PN_ARG(message));
}

static bool save(struct pn_cli *cli, struct pn_str path, const struct pn_buf *body,
                 const char *member, const struct pn_column *columns, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *saved;

    if (!pn_cli_fetch(cli, "POST", path, body, &reply, err))
        return false;
    saved = pn_value_get(reply, member);
    tell_test(pn_value_get(saved, "connectionTest"));
    pn_cli_print(cli, saved, columns);
    return true;
}

static void write_skip(struct pn_cli *cli, struct pn_writer *w)
{
    if (pn_cli_has(cli, "no-test"))
        pn_write_bool(w, "skipConnectionTest", true);
}

/* ---- resources ---- */

/* The gateway by name or id, or the only one. */
static bool choose_gateway(struct pn_cli *cli, struct pn_str *id, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str wanted = pn_cli_option(cli, "gateway");
    const struct pn_value *list, *found = NULL;
    struct pn_rest *rest;

    if (!pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "GET", PN_LIT("/v2/gateways"), PN_NONE, &reply, err))
        return false;
    list = pn_value_is_array(reply) ? reply : pn_value_get(reply, "gateways");
    for (size_t i = 0; i < pn_value_count(list); i++) {
        const struct pn_value *gateway = pn_value_item(list, i);

        if (pn_str_eq(pn_value_str(pn_value_get(gateway, "name")), wanted) ||
            pn_str_eq(pn_value_str(pn_value_get(gateway, "id")), wanted))
            found = gateway;
    }
    if (wanted.len == 0 && pn_value_count(list) == 1)
        found = pn_value_item(list, 0);
    if (found == NULL && wanted.len > 0)
        return pn_fail(err, PN_NOT_FOUND, "there is no gateway \"%.*s\"", PN_ARG(wanted));
    if (found == NULL)
        return pn_fail(err, PN_USAGE,
                       pn_value_count(list) == 0
                           ? "there is no gateway yet: `postern gateway create NAME`"
                           : "there are several gateways: say which with --gateway NAME");
    *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(found, "id")));
    return true;
}

static bool write_connection(struct pn_cli *cli, struct pn_writer *w, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf ca = pn_buf_init(MAX_CA_BYTES);
    const char *file = pn_cli_option_text(cli, "ca-file");

    if (file != NULL && !pn_file_read(file, MAX_CA_BYTES, &ca, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    pn_write_object(w, "connectionDetails");
    pn_write_str(w, "url", pn_cli_option(cli, "url"));
    pn_write_bool(w, "sslRejectUnauthorized", !pn_cli_has(cli, "insecure-skip-tls-verify"));
    if (file != NULL)
        pn_write_str(w, "sslCertificate", pn_buf_str(&ca));
    pn_write_end(w);
    return true;
}

static bool resource_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str project, gateway;

    (void)exit_code;
    if (!pn_cli_has(cli, "url"))
        return pn_fail(
            err, PN_USAGE,
            "--url is needed: the address of the Kubernetes API server as the gateway sees it");
    if (pn_cli_has(cli, "ca-file") && pn_cli_has(cli, "insecure-skip-tls-verify"))
        return pn_fail(err, PN_USAGE,
                       "--ca-file and --insecure-skip-tls-verify exclude each other");
    if (pn_cli_has(cli, "gateway") && pn_cli_has(cli, "pool"))
        return pn_fail(err, PN_USAGE, "--gateway and --pool exclude each other");
    if (!pn_cli_project(cli, &project, err) ||
        !(pn_cli_has(cli, "pool") ? pn_cli_find_pool(cli, pn_cli_option(cli, "pool"), &gateway, err)
                                  : choose_gateway(cli, &gateway, err)))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "projectId", project);
    pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    pn_write_str(&w, pn_cli_has(cli, "pool") ? "gatewayPoolId" : "gatewayId", gateway);
    if (!write_connection(cli, &w, err))
        return false;
    write_skip(cli, &w);
    pn_write_end(&w);
    return save(cli, PN_LIT("/v1/pam/resources/kubernetes"), &body, "resource", resource_columns,
                err);
}

static bool resource_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return print_list(cli, "resources", PN_NONE, resource_columns, err);
}

static struct pn_str resource_path(struct pn_cli *cli, struct pn_str id)
{
    return pn_arena_printf(pn_cli_arena(cli), "/v1/pam/resources/kubernetes/%.*s", PN_ARG(id));
}

static bool resource_show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id;

    (void)exit_code;
    return find_resource(cli, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(cli, "GET", resource_path(cli, id), NULL, "resource", resource_columns, err);
}

static bool resource_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id;

    (void)exit_code;
    return find_resource(cli, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(cli, "DELETE", resource_path(cli, id), NULL, "resource", resource_columns,
                       err);
}

/* ---- accounts ---- */

/* By its token, or as the service account that --impersonate names. */
static bool write_credentials(struct pn_cli *cli, struct pn_writer *w,
                              const struct pn_secret *token, struct pn_err *err)
{
    struct pn_str name = pn_cli_option(cli, "impersonate"), namespace;

    pn_write_object(w, "credentials");
    if (token != NULL) {
        pn_write_text(w, "authMethod", "service-account-token");
        pn_write_str(w, "serviceAccountToken", pn_secret_reveal(token));
    } else if (pn_str_cut(&name, '/', &namespace) && name.len > 0) {
        pn_write_text(w, "authMethod", "gateway-kubernetes-auth");
        pn_write_str(w, "namespace", namespace);
        pn_write_str(w, "serviceAccountName", name);
    } else {
        return pn_fail(err, PN_USAGE, "--impersonate takes NAMESPACE/NAME of a service account");
    }
    pn_write_end(w);
    return true;
}

/* Seconds, of an option that is a duration; absent: nothing is written. */
static bool write_seconds(struct pn_cli *cli, struct pn_writer *w, const char *option,
                          const char *member, struct pn_err *err)
{
    int64_t ms;

    if (!pn_cli_has(cli, option))
        return true;
    if (!pn_clock_parse_duration(pn_cli_option(cli, option), &ms) || ms < 1000)
        return pn_fail(err, PN_USAGE, "--%s takes a time as 30m or 8h, at least one second",
                       option);
    pn_write_int(w, member, ms / 1000);
    return true;
}

static bool account_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(MAX_BODY_BYTES);
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    const char *file = pn_cli_option_text(cli, "token-file");
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str resource, name, resource_id;

    (void)exit_code;
    if ((file == NULL) == !pn_cli_has(cli, "impersonate"))
        return pn_fail(err, PN_USAGE,
                       "either --token-file F, a file with the service account's token (- is "
                       "standard input), or --impersonate NS/NAME, whom the gateway acts as");
    if (!split_path(pn_cli_arg(cli, 0), &resource, &name, err) ||
        !find_resource(cli, resource, &resource_id, err) ||
        (file != NULL && !pn_cli_secret_file(file, &token, err)))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "resourceId", resource_id);
    pn_write_str(&w, "name", name);
    if (pn_cli_has(cli, "description"))
        pn_write_str(&w, "description", pn_cli_option(cli, "description"));
    if (!write_credentials(cli, &w, token, err) ||
        !write_seconds(cli, &w, "max-duration", "maxDurationSeconds", err) ||
        !write_seconds(cli, &w, "idle-timeout", "idleTimeoutSeconds", err))
        return false;
    write_skip(cli, &w);
    pn_write_end(&w);
    return save(cli, PN_LIT("/v1/pam/accounts/kubernetes"), &body, "account", account_columns, err);
}

static bool account_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str resource_id = PN_NONE;

    (void)exit_code;
    return (pn_cli_arg_count(cli) == 0 ||
            find_resource(cli, pn_cli_arg(cli, 0), &resource_id, err)) &&
           print_list(cli, "accounts", resource_id, account_columns, err);
}

static bool account_show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id;

    (void)exit_code;
    return find_account(cli, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(cli, "GET",
                       pn_arena_printf(pn_cli_arena(cli), "/v1/pam/accounts/%.*s", PN_ARG(id)),
                       NULL, "account", account_columns, err);
}

static bool account_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str id;

    (void)exit_code;
    return find_account(cli, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(
               cli, "DELETE",
               pn_arena_printf(pn_cli_arena(cli), "/v1/pam/accounts/kubernetes/%.*s", PN_ARG(id)),
               NULL, "account", account_columns, err);
}

#define NO_TEST                                                           \
    {                                                                     \
        "no-test", NULL, "store it without trying it through the gateway" \
    }

static const struct pn_option resource_options[] = {
    { "url", "URL", "the Kubernetes API server, as the gateway sees it" },
    { "ca-file", "F", "CA of its certificate, PEM (default: the gateway's system's CAs)" },
    { "insecure-skip-tls-verify", NULL, "do not check its certificate" },
    { "gateway", "G", "which gateway reaches it (default: the only one)" },
    { "pool", "P", "which pool of gateways does, instead" },
    NO_TEST,
    { 0 },
};
static const struct pn_option account_options[] = {
    { "token-file", "F", "the service account's token (- is standard input)" },
    { "impersonate", "NS/NAME",
      "no token: the gateway, a pod there, acts as this service account" },
    { "max-duration", "TIME", "no session lasts longer (default: 24h)" },
    { "idle-timeout", "TIME", "sessions end after so long without a request or a byte" },
    { "description", "TEXT", "what the account is for" },
    NO_TEST,
    { 0 },
};

const struct pn_command pn_pam_commands[] = {
    { .words = "pam resource create",
      .arguments =
          "NAME --url URL [--ca-file F | --insecure-skip-tls-verify] [--gateway G | --pool P]",
      .summary = "Register a Kubernetes cluster",
      .options = resource_options,
      .min_args = 1,
      .max_args = 1,
      .examples =
          "  postern pam resource create prod --url https://10.0.0.1:6443 --ca-file ca.crt\n",
      .run = resource_create },
    { .words = "pam resource list",
      .arguments = "",
      .summary = "The clusters of the project",
      .options = no_options,
      .run = resource_list },
    { .words = "pam resource show",
      .arguments = "NAME",
      .summary = "One cluster",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = resource_show },
    { .words = "pam resource delete",
      .arguments = "NAME",
      .summary = "Remove a cluster and its accounts",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = resource_delete },
    { .words = "pam account create",
      .arguments = "RESOURCE/NAME {--token-file F | --impersonate NS/NAME}",
      .options = account_options,
      .min_args = 1,
      .max_args = 1,
      .summary = "Give a cluster an account: a service account's token, or whom to act as",
      .examples =
          "  kubectl create token viewer | postern pam account create prod/viewer --token-file -\n"
          "  postern pam account create prod/deployer --impersonate dev/deployer\n",
      .run = account_create },
    { .words = "pam account list",
      .arguments = "[RESOURCE]",
      .summary = "The accounts",
      .options = no_options,
      .max_args = 1,
      .run = account_list },
    { .words = "pam account show",
      .arguments = "RESOURCE/NAME",
      .summary = "One account; its token is never shown",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = account_show },
    { .words = "pam account delete",
      .arguments = "RESOURCE/NAME",
      .summary = "Remove an account and its token",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = account_delete },
    { 0 },
};
