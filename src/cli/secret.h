/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_SECRET_H
#define PN_CLI_SECRET_H

#include "cli/place.h"

/* Commands that two tables have: `postern` (secret.c, run.c, machine_login.c) and `infisical` (infisical.c). */
bool pn_secret_list(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_list_merged(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_get(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_set(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_run(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_secret_export(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_folder_list(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;

#endif
