/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/daemon.h"
#include "cli/machine.h"
#include "relay/relay.h"

#define DEFAULT_LISTEN "0.0.0.0:8443"

static const struct pn_machine relay_machine = {
    .kind = "relay",
    .create_path = "/v2/relays",
    .token_path = { "/v2/relays/", "/token-auth/generate-enrollment-token" },
    .delete_path = "/v2/relays/",
    .list_path = "/v1/relays",
};

static const struct pn_column list_columns[] = {
    { "NAME", "name" }, { "ID", "id" }, { "HOST", "host" }, { "LAST SEEN", "heartbeat" }, { 0 },
};

static bool relay_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str host = pn_cli_option(cli, "host");

    (void)exit_code;
    if (host.len == 0)
        return pn_fail(
            err, PN_USAGE,
            "--host is needed: where clients and gateways find the relay, as host or host:port");
    return pn_machine_create(cli, &relay_machine, host, err);
}

static bool relay_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_machine_list(cli, &relay_machine, list_columns, err);
}

static bool relay_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_machine_delete(cli, &relay_machine, list_columns, err);
}

static bool relay_start(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_daemon_drop) struct pn_daemon daemon = { 0 };
    struct pn_relay_config config = { 0 };
    struct pn_relay *relay;

    (void)exit_code;
    if (!pn_daemon_prepare(cli, "relay", &daemon, err))
        return false;
    config =
        (struct pn_relay_config){ .server_url = daemon.server_url,
                                  .server_ca_pem = daemon.server_ca_pem,
                                  .name = pn_cli_arg(cli, 0),
                                  .enrol_token = daemon.token,
                                  .state_dir = daemon.state_dir,
                                  .listen = pn_cli_has(cli, "listen") ? pn_cli_option(cli, "listen")
                                                                      : PN_LIT(DEFAULT_LISTEN) };
    if (!pn_relay_start(&config, &relay, err))
        return pn_daemon_taken("listen", err);
    pn_daemon_wait();
    pn_relay_stop(relay);
    return true;
}

static const struct pn_option start_options[] = {
    PN_DAEMON_OPTIONS,
    { "listen", "HOST:PORT", "where clients and gateways come in (default " DEFAULT_LISTEN ")" },
    { 0 },
};
static const struct pn_option create_options[] = {
    { "host", "HOST[:PORT]", "where clients and gateways find it (port 8443 by default)" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_relay_commands[] = {
    { .words = "relay create",
      .arguments = "NAME --host HOST[:PORT]",
      .summary = "Register a relay; prints its one-time token",
      .examples = "  postern relay create eu --host relay.example.com -o json\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = relay_create },
    { .words = "relay list",
      .arguments = "",
      .summary = "The relays",
      .options = no_options,
      .run = relay_list },
    { .words = "relay delete",
      .arguments = "NAME",
      .summary = "Remove a relay: gateways and clients go through it no more",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = relay_delete },
    { .words = "relay start",
      .arguments = "NAME [--token-file F] [--state DIR] [--listen HOST:PORT] [--config F]",
      .summary = "Run a relay: where clients and gateways both can dial",
      .examples = "  postern relay start eu --domain https://postern.example.com --token-file "
                  "token\n",
      .options = start_options,
      .min_args = 1,
      .max_args = 1,
      .run = relay_start },
    { 0 },
};
