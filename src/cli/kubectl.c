/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

/*
 * The program as a plugin of kubectl: a link called `kubectl-postern` in PATH makes it `kubectl postern …`, with
 * what somebody who uses clusters does. The commands are those of `postern`; only their words are shorter.
 */
static const struct pn_alias aliases[] = {
    { "access", "pam access" },
    { "shell", "kube shell" },
    { "login", "kube login" },
    { "logout", "kube logout" },
    { "accounts", "pam account list" },
    { "sessions", "pam session list" },
    { "sessions show", "pam session show" },
    { "sessions logs", "pam session logs" },
    { "sessions end", "pam session end" },
    { "status", "status" },
    { "version", "version" },
    { 0 },
};

const struct pn_program pn_kubectl_program = { .name = "kubectl postern",
                                               .called = "kubectl-postern",
                                               .tables = pn_command_tables,
                                               .options = pn_command_options,
                                               .aliases = aliases };
