/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/applets.h"
#include "cli/machine.h"

static const struct pn_machine relay_machine = {
    .kind = "relay",
    .create_path = "/v2/relays",
    .token_path = { "/v2/relays/", "/token-auth/generate-enrollment-token" },
    .list_path = "/v1/relays",
    .list_member = "relays",
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
    { 0 },
};
