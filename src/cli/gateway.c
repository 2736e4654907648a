/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/applets.h"
#include "cli/machine.h"
#include "json/writer.h"

/*
 * `gateway create` and `relay create` are the same three steps: make the row, mint its one-time token,
 * print {id, name, token}. What differs is a row of this struct.
 */
static const struct pn_machine gateway_machine = {
    .kind = "gateway",
    .create_path = "/v3/gateways",
    .token_path = { "/v3/gateways/", "/token" },
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
    { 0 },
};
