/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_COMMAND_H
#define PN_CLI_COMMAND_H

#include "base/arena.h"
#include "base/err.h"
#include "client/config.h"
#include "client/rest.h"
#include "json/value.h"

/*
 * A command is a row: words, options, help and a function. The parser, the help texts and the exit
 * codes (base/codes.def) come from the rows.
 */
struct pn_cli;

struct pn_option {
    const char *name;  /* without dashes */
    const char *value; /* "URL": takes one; "[=BOOL]": only with "=", else true; NULL: a flag */
    const char *help;
    const char *means; /* the name by which commands ask for it; NULL: its own */
};

struct pn_command {
    const char *words;     /* "pam resource create" */
    const char *arguments; /* "NAME --url URL [--ca-file F]" */
    const char *summary;
    const char *examples;            /* indented lines, or NULL */
    const struct pn_option *options; /* ends with { 0 } */
    int min_args, max_args;
    bool takes_command; /* "-- COMMAND …" may follow */
    /* True: exit with *exit_code (0 unless set). False: err is printed and decides the code. */
    bool (*run)(struct pn_cli *cli, int *exit_code, struct pn_err *err);
    const char *formats; /* one that -o takes beside the three; NULL: none */
};

/* Every table of commands, NULL-terminated: cli/applets.c. */
extern const struct pn_command *const pn_command_tables[];

/* What every command takes. */
extern const struct pn_option pn_command_options[];

/* What the program is when it is called by another name: cli/infisical.c, cli/kubectl.c. */
struct pn_alias {
    const char *words, *means; /* "sessions", "pam session list" */
};
struct pn_program {
    const char *name;   /* as people type it */
    const char *called; /* as its file is called */
    const struct pn_command *const *tables;
    const struct pn_option *options;
    const struct pn_alias
        *aliases; /* NULL: all of the tables, by their own words; ends with { 0 } */
};
extern const struct pn_program pn_infisical_program;
extern const struct pn_program pn_kubectl_program;

/* Its commands, by index, with the words that they have there; false after the last. */
struct pn_row {
    const char *words;
    const struct pn_command *command;
};
bool pn_program_row(const struct pn_program *program, size_t index, struct pn_row *out);

/* Finds the command, parses, runs; prints help or the error. The exit code of the process. */
int pn_command_main(int argc, char **argv);

/* ---- for commands ---- */

struct pn_arena *pn_cli_arena(struct pn_cli *cli);                /* of the whole run */
struct pn_str pn_cli_arg(const struct pn_cli *cli, size_t index); /* PN_NONE when absent */
size_t pn_cli_arg_count(const struct pn_cli *cli);
struct pn_str pn_cli_option(const struct pn_cli *cli, const char *name); /* PN_NONE when absent */
const char *pn_cli_option_text(const struct pn_cli *cli, const char *name); /* NULL when absent */
/* Of one that is given several times, each in turn; PN_NONE after the last. */
struct pn_str pn_cli_option_at(const struct pn_cli *cli, const char *name, size_t index);
bool pn_cli_has(const struct pn_cli *cli, const char *flag);
/* A flag that may be "--flag=false". Errors: PN_USAGE. */
bool pn_cli_bool(const struct pn_cli *cli, const char *flag, bool fallback, bool *out,
                 struct pn_err *err) PN_CHECKED;
bool pn_cli_is_on(const struct pn_cli *cli, const char *flag); /* given, and not as "=false" */
/* "postern", or the name of another program that this one is called by. */
const char *pn_cli_program(const struct pn_cli *cli);
char **
pn_cli_rest(const struct pn_cli *cli); /* words after "--", NULL-terminated; NULL when none */

/*
 * Options from a YAML file: its members are options of the command, by name; what was given on the
 * command line stays. Errors: PN_USAGE, naming what is wrong.
 */
bool pn_cli_load_options(struct pn_cli *cli, const char *path, struct pn_err *err) PN_CHECKED;

/* Global options: -o json|yaml|table, --domain URL, --project ID. */
enum pn_output { PN_OUTPUT_TABLE, PN_OUTPUT_JSON, PN_OUTPUT_YAML };
enum pn_output pn_cli_output(const struct pn_cli *cli);
/* As it was given, for a format that is a command's own; PN_NONE: none was. */
struct pn_str pn_cli_format(const struct pn_cli *cli);

/* What takes a moment, while it does: a line on stderr, when that is a terminal. */
void pn_cli_say(const char *format, ...) PN_PRINTF(1, 2);

/* The settings of the client and a REST client with them; made once, freed with the cli. */
bool pn_cli_config(struct pn_cli *cli, struct pn_client_config **out, struct pn_err *err)
    PN_CHECKED;
bool pn_cli_rest_client(struct pn_cli *cli, struct pn_rest **out, struct pn_err *err) PN_CHECKED;
/* The project: --project, environment, stored, or the only one there is; PN_USAGE otherwise. */
bool pn_cli_project(struct pn_cli *cli, struct pn_str *out, struct pn_err *err) PN_CHECKED;

/* A column of a table: its title, and where the value is in each row ("user.email"). */
struct pn_column {
    const char *title, *path;
};
/* Prints `rows` (an array) or one object, as -o says. For json and yaml the value itself is printed. */
void pn_cli_print(const struct pn_cli *cli, const struct pn_value *value,
                  const struct pn_column *columns);
/* One row as a line for people, for what is printed as it happens: no columns to line up. */
void pn_cli_print_line(const struct pn_value *row, const struct pn_column *columns);
/* The same as pn_cli_print for JSON text that the command composed. */
bool pn_cli_print_json(const struct pn_cli *cli, struct pn_str json,
                       const struct pn_column *columns, struct pn_err *err) PN_CHECKED;

/* A secret from a file, "-" is standard input; newlines at its end are not part of it. */
bool pn_cli_secret_file(const char *path, struct pn_secret **out, struct pn_err *err) PN_CHECKED;

#endif
