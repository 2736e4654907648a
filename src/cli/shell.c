/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/applets.h"
#include "cli/visit.h"
#include "sys/sys.h"

/*
 * `kube shell`: the person's shell inside a session. The prompt says where one is; how, depends on the shell:
 * bash reads its rc file after the environment, so that PS1 would be lost, but obeys PROMPT_COMMAND before its
 * first prompt; a plain sh takes PS1 as it is. Others find POSTERN_ACCOUNT, for prompts of their own.
 */

#define DEFAULT_SHELL "/bin/sh"
#define VARIABLES 3 /* at most, with the last NULL */

/* What the account is called, without anything that a shell would expand in a prompt. */
static struct pn_str harmless(struct pn_arena *arena, struct pn_str name)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    char *copy = pn_new(arena, char, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        copy[i] = name.ptr[i] != '\0' && strchr(fine, name.ptr[i]) != NULL ? name.ptr[i] : '_';
    return pn_str_of(copy, name.len);
}

static char *variable(struct pn_arena *arena, const char *format, struct pn_str value)
{
    char *text = pn_new(arena, char, strlen(format) + value.len + 1);

    snprintf(text, strlen(format) + value.len + 1, "%s%.*s", format, PN_ARG(value));
    return text;
}

static char *prompt(struct pn_arena *arena, const char *shell, struct pn_str account)
{
    const char *name = strrchr(shell, '/') != NULL ? strrchr(shell, '/') + 1 : shell;

    if (strcmp(name, "bash") == 0)
        return variable(
            arena, "PROMPT_COMMAND=",
            pn_arena_printf(arena, "PS1=\"(%.*s) $PS1\"; unset PROMPT_COMMAND", PN_ARG(account)));
    if (strcmp(name, "sh") == 0 || strcmp(name, "dash") == 0 || strcmp(name, "ash") == 0)
        return variable(arena, "PS1=", pn_arena_printf(arena, "(%.*s) $ ", PN_ARG(account)));
    return NULL;
}

static const char *own_shell(void)
{
    const char *shell = getenv("SHELL");

    return shell != NULL && shell[0] == '/' && pn_file_exists(shell) ? shell : DEFAULT_SHELL;
}

static bool kube_shell(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(cli);
    struct pn_str account = harmless(arena, pn_cli_arg(cli, 0));
    char *shell = variable(arena, "", pn_str_from(own_shell()));
    char *command[] = { shell, NULL };
    char *environment[VARIABLES] = { variable(arena, "POSTERN_ACCOUNT=", account),
                                     prompt(arena, shell, account) };
    const struct pn_str path = pn_cli_arg(cli, 0);
    const struct pn_visit_wish wish = {
        .paths = &path, .count = 1, .command = command, .environment = environment
    };

    if (pn_terminal_is_tty(STDIN_FILENO))
        fprintf(stderr, "A shell with kubectl in a session with %.*s; `exit` ends the session.\n",
                PN_ARG(account));
    return pn_visit(cli, &wish, exit_code, err);
}

static const struct pn_option shell_options[] = {
    { "duration", "TIME", "how long, as 30m or 2h (default: the account's)" },
    { "reason", "TEXT", "why; on record with the session" },
    { "port", "N", "local port; 0 picks a free one (default: the remembered one)" },
    { 0 },
};

const struct pn_command pn_shell_commands[] = {
    { .words = "kube shell",
      .arguments = "RESOURCE/ACCOUNT [--duration 1h] [--reason TEXT]",
      .summary = "Your shell with KUBECONFIG set, for as long as the session is to be",
      .examples = "  postern kube shell prod/viewer\n"
                  "  postern kube shell prod/admin --reason 'ticket 4711' < script.sh\n",
      .options = shell_options,
      .min_args = 1,
      .max_args = 1,
      .run = kube_shell },
    { 0 },
};
