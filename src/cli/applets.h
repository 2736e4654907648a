/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_APPLETS_H
#define PN_CLI_APPLETS_H

#include "cli/command.h"

/* One table per file of this folder; each ends with { 0 }. */
extern const struct pn_command pn_login_commands[];   /* login.c: login, logout */
extern const struct pn_command pn_status_commands[];  /* status.c: status, version */
extern const struct pn_command pn_project_commands[]; /* project.c */
extern const struct pn_command pn_identity_commands[];
extern const struct pn_command pn_identity_auth_commands[];  /* how they log in */
extern const struct pn_command pn_identity_check_commands[]; /* identity kubernetes check */
extern const struct pn_command pn_env_commands[];
extern const struct pn_command pn_folder_commands[];
extern const struct pn_command pn_secret_commands[];
extern const struct pn_command pn_run_commands[];            /* run, export */
extern const struct pn_command pn_dynamic_secret_commands[]; /* dynamic_secrets.c, and leases */
extern const struct pn_command pn_pam_commands[];            /* pam.c: resources and accounts */
extern const struct pn_command pn_session_commands[]; /* session.c: pam access, pam session … */
extern const struct pn_command pn_kube_commands[];    /* kube.c: kube login, logout, credential */
extern const struct pn_command pn_shell_commands[];   /* shell.c: kube shell */
extern const struct pn_command pn_gateway_commands[]; /* gateway.c */
extern const struct pn_command pn_gateway_pool_commands[]; /* gateway_pool.c */
extern const struct pn_command pn_relay_commands[];        /* relay.c */
extern const struct pn_command pn_server_commands[];       /* server.c: server, routes, config */
extern const struct pn_command pn_job_commands[];          /* job.c */
extern const struct pn_command pn_user_commands[];         /* user.c */

#endif
