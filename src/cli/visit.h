/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_VISIT_H
#define PN_CLI_VISIT_H

#include "cli/command.h"

/*
 * A visit to clusters: a session with each account, a local proxy and a kubeconfig for each, all at one port, and
 * a command in the foreground or the wait for Ctrl-C; at the end all of it goes, in any case. --duration, --reason, --port, --kubeconfig and
 * --merge of the command line count. Everything but the session's own end in an error is in *exit_code.
 */
#define PN_VISIT_MAX 16

struct pn_visit_wish {
    const struct pn_str *paths; /* "resource/account" */
    size_t count;               /* at most PN_VISIT_MAX */
    char **command;             /* NULL: until Ctrl-C */
    char *const *environment;   /* "NAME=value"… for the command, ends with NULL; may be NULL */
};
bool pn_visit(struct pn_cli *cli, const struct pn_visit_wish *wish, int *exit_code,
              struct pn_err *err) PN_CHECKED;

#endif
