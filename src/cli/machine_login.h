/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_MACHINE_LOGIN_H
#define PN_CLI_MACHINE_LOGIN_H

#include "cli/call.h"

#define PN_POD_TOKEN_FILE "/var/run/secrets/kubernetes.io/serviceaccount/token"

/*
 * Logs a machine in as --method says: universal-auth or kubernetes. What is not an option comes from the
 * environment, by our names and the official client's. Errors: PN_USAGE, and the server's.
 */
bool pn_machine_login(struct pn_cli *cli, struct pn_str method, struct pn_secret **token,
                      struct pn_err *err) PN_CHECKED;

/* One login with a service account token; *reply is the caller's to free. */
bool pn_kubernetes_login(struct pn_cli *cli, struct pn_str identity, const struct pn_secret *jwt,
                         struct pn_value **reply, struct pn_err *err) PN_CHECKED;
/* --token-file, or the file of the pod that we are in. */
bool pn_service_account_token(struct pn_cli *cli, struct pn_secret **out, struct pn_err *err)
    PN_CHECKED;

/* `infisical login`: prints the token; keeps nothing. */
bool pn_infisical_login(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;

#endif
