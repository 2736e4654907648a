/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_FIND_H
#define PN_CLI_FIND_H

#include "cli/command.h"

/* The id of what is named by its name or id. PN_NOT_FOUND. */
bool pn_cli_find_gateway(struct pn_cli *cli, struct pn_str name, struct pn_str *id,
                         struct pn_err *err) PN_CHECKED;
bool pn_cli_find_pool(struct pn_cli *cli, struct pn_str name, struct pn_str *id, struct pn_err *err)
    PN_CHECKED;

#endif
