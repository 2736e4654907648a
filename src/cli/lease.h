/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_LEASE_H
#define PN_CLI_LEASE_H

#include "cli/place.h"

/* Where dynamic secrets are: as of secrets, but the project by its slug. */
struct pn_cli_slot {
    struct pn_str project, environment, path;
};
#define PN_CLI_SLOT_OPTIONS                                     \
    PN_CLI_PLACE_OPTIONS,                                       \
    {                                                           \
        "project-slug", "SLUG", "the project by its slug", NULL \
    }
bool pn_cli_slot(struct pn_cli *cli, struct pn_cli_slot *out, struct pn_err *err) PN_CHECKED;
/* The members projectSlug, environmentSlug and path; and the same as a query. */
void pn_cli_write_slot(const struct pn_cli_slot *slot, struct pn_writer *w);
void pn_cli_query_slot(const struct pn_cli_slot *slot, struct pn_buf *path);

/* What `postern` and `infisical` both have: the rows are in dynamic_secrets.c and infisical.c. */
bool pn_dynamic_secrets_list(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_lease_command_create(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_lease_command_list(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_lease_command_renew(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;
bool pn_lease_command_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err) PN_CHECKED;

/* The options of a lease's making, also of `run`. */
#define PN_CLI_LEASE_OPTIONS                                                                  \
    { "ttl", "TTL", "how long, 1h, 90m, … (default: the dynamic secret's)", NULL },           \
        { "kubernetes-namespace", "NS", "one of the dynamic secret's (default: its first)",   \
          NULL },                                                                             \
        { "outputs", "LIST", "beside TOKEN: KUBECONFIG,NAMESPACE,SERVICE_ACCOUNT,EXPIRES_AT", \
          NULL },                                                                             \
        { "server", "URL", "the cluster's address for the kubeconfig, where it is not shown", \
          NULL },                                                                             \
    {                                                                                         \
        "ca-file", "F", "its CA", NULL                                                        \
    }
/*
 * `run --lease NAME`: a lease for the life of one command, with a kubeconfig of its own; revoked at the end in
 * every case.
 */
bool pn_lease_run(struct pn_cli *cli, char **command, int *exit_code, struct pn_err *err)
    PN_CHECKED;

#endif
