/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_MACHINE_H
#define PN_CLI_MACHINE_H

#include "cli/command.h"

/* What gateways and relays have in common for an administrator: a row at the server and a one-time token. */
struct pn_machine {
    const char *kind;          /* "gateway" */
    const char *create_path;   /* POST {name, authMethod, host?} */
    const char *token_path[2]; /* POST: before and after the id → {token} */
    const char *delete_path;   /* DELETE: before the id */
    const char *list_path;     /* GET: an array */
};

/* Prints {id, name, token}. `host` PN_NONE leaves it out. */
bool pn_machine_create(struct pn_cli *cli, const struct pn_machine *machine, struct pn_str host,
                       struct pn_err *err) PN_CHECKED;
bool pn_machine_list(struct pn_cli *cli, const struct pn_machine *machine,
                     const struct pn_column *columns, struct pn_err *err) PN_CHECKED;
/* The one that the first argument names, by name or id; prints what it was. Errors: PN_NOT_FOUND. */
bool pn_machine_delete(struct pn_cli *cli, const struct pn_machine *machine,
                       const struct pn_column *columns, struct pn_err *err) PN_CHECKED;

#endif
