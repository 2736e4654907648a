/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/applets.h"
#include "cli/lease.h"
#include "cli/secret.h"
#include "sys/sys.h"

#define MAX_EXPORT_BYTES ((size_t)64 * 1024 * 1024)

/* ---- run ---- */

static void warn_skipped(struct pn_str name)
{
    fprintf(stderr, "postern: the secret \"%.*s\" is not passed on: that variable is yours\n",
            PN_ARG(name));
}

/* The words after --, or what --command gives a shell. */
static bool command_of(struct pn_cli *cli, char ***words, struct pn_err *err)
{
    const char *text = pn_cli_option_text(cli, "command");

    *words = pn_cli_rest(cli);
    if (text != NULL && *words == NULL) {
        *words = pn_new(pn_cli_arena(cli), char *, 4);
        (*words)[0] = (char *)(uintptr_t) "/bin/sh";
        (*words)[1] = (char *)(uintptr_t) "-c";
        (*words)[2] = (char *)(uintptr_t)text;
    }
    return *words != NULL ||
           pn_fail(err, PN_USAGE, "a command is needed: %s run -- COMMAND", pn_cli_program(cli));
}

bool pn_secret_run(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_client_secrets secrets;
    char **words, **environment;

    if (!command_of(cli, &words, err))
        return false;
    if (pn_cli_has(cli, "lease"))
        return pn_lease_run(cli, words, exit_code, err);
    if (!pn_cli_merged_secrets(cli, &reply, &secrets, err))
        return false;
    environment = pn_client_secrets_environment(pn_cli_arena(cli), &secrets, warn_skipped);
    *exit_code = pn_process_run(words, environment);
    if (*exit_code == 127 && !pn_process_finds(words[0])) /* else it is the command's own code */
        fprintf(stderr, "%s: %s: no such command\n", pn_cli_program(cli), words[0]);
    return true;
}

/* ---- export ---- */

bool pn_secret_export(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_EXPORT_BYTES);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str format = pn_cli_option(cli, "format");
    const char *file = pn_cli_option_text(cli, "output-file");
    struct pn_client_secrets secrets;

    (void)exit_code;
    if (format.len == 0)
        format = PN_LIT("dotenv");
    if (pn_str_is(format, "json") && pn_str_is(pn_str_from(pn_cli_program(cli)), "infisical"))
        format = PN_LIT("json-list");
    if (!pn_cli_merged_secrets(cli, &reply, &secrets, err) ||
        !pn_client_secrets_print(&secrets, format, &text, err))
        return false;
    if (file != NULL)
        return pn_file_write(file, pn_buf_str(&text), 0600, err);
    fwrite(text.ptr, 1, text.len, stdout);
    return true;
}

/* ---- the table ---- */

static const struct pn_option run_options[] = {
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { "lease", "NAME", "with a lease of this dynamic secret instead, until it ends", NULL },
    PN_CLI_LEASE_OPTIONS,
    { "project-slug", "SLUG", "the project by its slug, with --lease", NULL },
    { 0 },
};
static const struct pn_option export_options[] = {
    { "format", "FORMAT", "dotenv (default), dotenv-export, json, yaml, csv", NULL },
    { "output-file", "F", "a file that only you can read, instead of standard output", NULL },
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { 0 },
};

const struct pn_command pn_run_commands[] = {
    { .words = "run",
      .arguments = "[--env ENV] [--path PATH] [--recursive | --lease NAME] -- COMMAND …",
      .summary = "Run a command with a folder's secrets as environment variables, or with a lease "
                 "of its own",
      .examples =
          "  postern run --env prod --path /shop -- node server.js\n"
          "  postern run --lease deployer --ttl 15m -- kubectl rollout restart deploy/shop\n",
      .options = run_options,
      .takes_command = true,
      .run = pn_secret_run },
    { .words = "export",
      .arguments = "[--format FORMAT] [--env ENV] [--path PATH]",
      .summary = "Print a folder's secrets for other programs",
      .examples = "  postern export --env prod --format json\n"
                  "  eval \"$(postern export --format dotenv-export)\"\n",
      .options = export_options,
      .run = pn_secret_export },
    { 0 },
};
