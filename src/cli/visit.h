/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_VISIT_H
#define PN_CLI_VISIT_H

#include "cli/command.h"

/*
 * A visit to a cluster: a session, a local proxy with a kubeconfig for it, and a command in the foreground or
 * the wait for Ctrl-C; at the end all of it goes, in any case. --duration, --reason, --port, --kubeconfig and
 * --merge of the command line count. Everything but the session's own end in an error is in *exit_code.
 */
struct pn_visit_wish {
    struct pn_str path;       /* "resource/account" */
    char **command;           /* NULL: until Ctrl-C */
    char *const *environment; /* "NAME=value"… for the command, ends with NULL; may be NULL */
};
bool pn_visit(struct pn_cli *cli, const struct pn_visit_wish *wish, int *exit_code,
              struct pn_err *err) PN_CHECKED;

#endif
