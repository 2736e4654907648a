/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/daemon.h"
#include "cli/find.h"
#include "cli/machine.h"
#include "cli/manifest.h"
#include "gateway/gateway.h"
#include "json/writer.h"
#include "kube/names.h"
#include "net/dial.h"

#include <stdio.h>

#define MAX_ACCOUNTS 100
#define MAX_MANIFEST_BYTES ((size_t)1 << 20)

/*
 * `gateway create` and `relay create` are the same three steps: make the row, mint its one-time token,
 * print {id, name, token}. What differs is a row of this struct.
 */
static const struct pn_machine gateway_machine = {
    .kind = "gateway",
    .create_path = "/v3/gateways",
    .token_path = { "/v3/gateways/", "/token" },
    .delete_path = "/v3/gateways/",
    .list_path = "/v2/gateways",
};

static const struct pn_column list_columns[] = {
    { "NAME", "name" },           { "ID", "id" }, { "CONNECTED", "isConnected" },
    { "LAST SEEN", "heartbeat" }, { 0 },
};

static bool gateway_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_machine_create(cli, &gateway_machine, PN_NONE, err);
}

static bool gateway_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_machine_list(cli, &gateway_machine, list_columns, err);
}

static bool gateway_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_machine_delete(cli, &gateway_machine, list_columns, err);
}

static const struct pn_column check_columns[] = {
    { "STEP", "name" },
    { "STATUS", "status" },
    { "", "message" },
    { 0 },
};

/* Exit code 1 when a step has failed: for scripts that wait until it works. */
static bool gateway_check(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&body);
    const struct pn_value *steps;
    struct pn_rest *rest;
    struct pn_str id;

    pn_write_object(&w, NULL);
    if (pn_cli_has(cli, "impersonate"))
        pn_write_str(&w, "serviceAccount", pn_cli_option(cli, "impersonate"));
    pn_write_end(&w);
    if (!pn_cli_find_gateway(cli, pn_cli_arg(cli, 0), &id, err) ||
        !pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "POST",
                      pn_arena_printf(pn_cli_arena(cli), "/v3/gateways/%.*s/check", PN_ARG(id)),
                      pn_buf_str(&body), &reply, err))
        return false;
    steps = pn_value_get(reply, "steps");
    for (size_t i = 0; i < pn_value_count(steps); i++)
        if (pn_str_is(pn_value_str(pn_value_get(pn_value_item(steps, i), "status")), "failed"))
            *exit_code = 1;
    pn_cli_print(cli, steps, check_columns);
    return true;
}

static bool gateway_start(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_daemon_drop) struct pn_daemon daemon = { 0 };
    struct pn_gateway_config config = { 0 };
    struct pn_gateway *gateway;

    (void)exit_code;
    if (!pn_daemon_prepare(cli, "gateway", &daemon, err))
        return false;
    config = (struct pn_gateway_config){ .server_url = daemon.server_url,
                                         .server_ca_pem = daemon.server_ca_pem,
                                         .name = pn_cli_arg(cli, 0),
                                         .enrol_token = daemon.token,
                                         .state_dir = daemon.state_dir,
                                         .relay_name = pn_cli_option(cli, "relay"),
                                         .listen = pn_cli_option(cli, "listen"),
                                         .direct_address = pn_cli_option(cli, "direct-address"),
                                         .pod_directory = pn_cli_option_text(cli, "pod-identity"),
                                         .is_recording_strict = pn_cli_has(cli, "strict") };
    if (!pn_gateway_start(&config, &gateway, err))
        return pn_daemon_taken("listen", err);
    pn_daemon_wait();
    pn_gateway_stop(gateway);
    return true;
}

static bool read_accounts(struct pn_cli *cli, struct pn_str accounts[MAX_ACCOUNTS], size_t *count,
                          struct pn_err *err)
{
    struct pn_str path, namespace, name, user;

    for (*count = 0; (path = pn_cli_option_at(cli, "impersonate", *count)).ptr != NULL; ++*count) {
        name = path;
        if (*count == MAX_ACCOUNTS)
            return pn_fail(err, PN_USAGE, "at most %d times --impersonate", MAX_ACCOUNTS);
        if (!pn_str_cut(&name, '/', &namespace) ||
            !pn_kube_service_account(pn_cli_arena(cli), namespace, name, &user, err))
            return pn_recast(
                err, PN_USAGE,
                "--impersonate takes NAMESPACE/NAME of a service account, not \"%.*s\"",
                PN_ARG(path));
        accounts[*count] = path;
    }
    return true;
}

static struct pn_str option_or(const struct pn_cli *cli, const char *name, struct pn_str fallback)
{
    struct pn_str given = pn_cli_option(cli, name);

    return given.len > 0 ? given : fallback;
}

/* What stands in the YAML unquoted must be plain. */
static bool check_manifest(const struct pn_manifest *m, struct pn_err *err)
{
    struct pn_err ignored = { 0 };
    struct pn_url url;

    if (!pn_kube_is_label(m->gateway) || !pn_kube_is_label(m->namespace) ||
        !pn_kube_is_subdomain(m->service_account))
        return pn_fail(err, PN_USAGE,
                       "gateway, --namespace and --service-account are lower-case letters, digits "
                       "and hyphens");
    if (!pn_str_is_printable(m->image) || pn_str_find(m->image, ' ') >= 0 ||
        pn_str_find(m->image, '#') >= 0)
        return pn_fail(err, PN_USAGE, "--image is no image");
    if (m->has_rules_only)
        return true;
    if (m->domain.len == 0)
        return pn_fail(err, PN_USAGE, "the server is not known: --domain URL or POSTERN_DOMAIN");
    return (pn_url_parse(m->domain, &url, &ignored) && url.is_tls) ||
           pn_fail(err, PN_USAGE, "the server's URL is https://HOST[:PORT], not \"%.*s\"",
                   PN_ARG(m->domain));
}

static bool gateway_manifest(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str accounts[MAX_ACCOUNTS];
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init(MAX_MANIFEST_BYTES);
    struct pn_client_config *config;
    struct pn_manifest manifest = { .gateway = pn_cli_arg(cli, 0),
                                    .namespace = option_or(cli, "namespace", PN_LIT("postern")),
                                    .image = option_or(cli, "image", PN_LIT("postern:" PN_VERSION)),
                                    .accounts = accounts,
                                    .is_constrained = pn_cli_has(cli, "constrained"),
                                    .is_reviewer = pn_cli_has(cli, "reviewer"),
                                    .has_rules_only = pn_cli_has(cli, "rules") };

    (void)exit_code;
    if (!read_accounts(cli, accounts, &manifest.account_count, err) ||
        !pn_cli_config(cli, &config, err))
        return false;
    manifest.service_account = option_or(
        cli, "service-account",
        pn_arena_printf(pn_cli_arena(cli), "postern-gateway-%.*s", PN_ARG(manifest.gateway)));
    manifest.domain = config->domain;
    manifest.ca_pem = config->ca_pem;
    if (!check_manifest(&manifest, err))
        return false;
    pn_manifest_print(&manifest, &yaml);
    if (yaml.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the manifest is too long");
    (void)fwrite(yaml.ptr, 1, yaml.len, stdout);
    return true;
}

static const struct pn_option manifest_options[] = {
    { "impersonate", "NS/NAME", "a service account it may act as (again for more)" },
    { "reviewer", NULL, "it may review tokens too (system:auth-delegator)" },
    { "constrained", NULL, "by constrained impersonation (Kubernetes 1.36 and later)" },
    { "rules", NULL, "only who it is and what it may do, not the pod" },
    { "namespace", "NS", "where it runs (default: postern)" },
    { "service-account", "NAME", "as whom it runs (default: postern-gateway-NAME)" },
    { "image", "IMAGE", "what it runs (default: postern:VERSION)" },
    { 0 },
};
static const struct pn_option start_options[] = {
    PN_DAEMON_OPTIONS,
    { "relay", "NAME", "only this relay (default: all there are)" },
    { "listen", "HOST:PORT", "take clients without a relay too" },
    { "direct-address", "HOST:PORT", "what clients are told instead of --listen's" },
    { "pod-identity", "DIR", "token and CA of its own pod (default: where Kubernetes puts them)" },
    { "strict", NULL, "forward a request only when its record is on disk" },
    { 0 },
};
static const struct pn_option check_options[] = {
    { "impersonate", "NS/NAME", "may it act as this service account?" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_gateway_commands[] = {
    { .words = "gateway create",
      .arguments = "NAME",
      .summary = "Register a gateway; prints its one-time token",
      .examples = "  postern gateway create edge -o json\n",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = gateway_create },
    { .words = "gateway list",
      .arguments = "",
      .summary = "Gateways, and whether a tunnel of theirs is up",
      .options = no_options,
      .run = gateway_list },
    { .words = "gateway delete",
      .arguments = "NAME",
      .summary = "Remove a gateway that no resource uses",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = gateway_delete },
    { .words = "gateway check",
      .arguments = "NAME [--impersonate NS/NAME]",
      .summary = "What a gateway can do right now, step by step",
      .options = check_options,
      .min_args = 1,
      .max_args = 1,
      .run = gateway_check },
    { .words = "gateway manifest",
      .arguments = "NAME [--impersonate NS/NAME]… [--reviewer] [--rules]",
      .summary = "What a cluster needs to run a gateway as a pod, for kubectl apply",
      .examples = "  postern gateway create edge -o json > edge.json\n"
                  "  postern gateway manifest edge --impersonate dev/viewer | kubectl apply -f -\n"
                  "  jq -j .token edge.json | kubectl -n postern create secret generic \\\n"
                  "    postern-gateway-edge-token --from-file=token=/dev/stdin\n",
      .options = manifest_options,
      .min_args = 1,
      .max_args = 1,
      .run = gateway_manifest },
    { .words = "gateway start",
      .arguments = "NAME [--token-file F] [--state DIR] [--listen HOST:PORT] [--config F]",
      .summary = "Run a gateway: next to a cluster, dialling out",
      .examples = "  postern gateway start edge --domain https://postern.example.com --token-file "
                  "token\n",
      .options = start_options,
      .min_args = 1,
      .max_args = 1,
      .run = gateway_start },
    { 0 },
};
