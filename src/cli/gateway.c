/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/daemon.h"
#include "cli/machine.h"
#include "gateway/gateway.h"

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
    .list_member = "gateways",
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
                                         .is_recording_strict = pn_cli_has(cli, "strict") };
    if (!pn_gateway_start(&config, &gateway, err))
        return false;
    pn_daemon_wait();
    pn_gateway_stop(gateway);
    return true;
}

static const struct pn_option start_options[] = {
    PN_DAEMON_OPTIONS,
    { "relay", "NAME", "only this relay (default: all there are)" },
    { "listen", "HOST:PORT", "take clients without a relay too" },
    { "direct-address", "HOST:PORT", "what clients are told instead of --listen's" },
    { "strict", NULL, "forward a request only when its record is on disk" },
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
