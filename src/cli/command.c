/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/completion.h"
#include "cli/manual.h"
#include "json/writer.h"
#include "sys/sys.h"

#define MAX_OPTIONS 32
#define MAX_ARGS 128
#define MAX_RUN_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_MANUAL_BYTES ((size_t)256 * 1024)
#define MAX_OPTION_BYTES ((size_t)4096)
#define MAX_OPTION_FILE_BYTES ((size_t)64 * 1024)
#define MAX_SECRET_BYTES ((size_t)64 * 1024)

const struct pn_option pn_command_options[] = {
    { "output", "FORMAT", "json, yaml or table (-o; default table)" },
    { "domain", "URL", "the server (POSTERN_DOMAIN)" },
    { "project", "ID", "the project (POSTERN_PROJECT_ID)" },
    { "help", NULL, "this text (-h)" },
    { 0 },
};

static const struct pn_program postern_program = { .name = "postern",
                                                   .called = "postern",
                                                   .tables = pn_command_tables,
                                                   .options = pn_command_options };

struct given {
    const struct pn_option *option;
    const char *value;
};

struct pn_cli {
    struct pn_arena *arena;
    const struct pn_program *program;
    const struct pn_command *command;
    const char *words; /* the command's, as this program has them */
    const char *args[MAX_ARGS];
    size_t arg_count;
    struct given options[MAX_OPTIONS];
    size_t option_count;
    char **rest;
    enum pn_output output;
    bool has_config;
    struct pn_client_config config;
    struct pn_rest *client;
};

/* ---- finding ---- */

/* Of the tables, the index-th. */
static const struct pn_command *command_at(const struct pn_program *program, size_t index)
{
    for (size_t t = 0; program->tables[t] != NULL; t++) {
        for (const struct pn_command *c = program->tables[t]; c->words != NULL; c++) {
            if (index-- == 0)
                return c;
        }
    }
    return NULL;
}

static const struct pn_command *command_named(const struct pn_program *program, const char *words)
{
    const struct pn_command *command;

    for (size_t i = 0; (command = command_at(program, i)) != NULL; i++) {
        if (strcmp(command->words, words) == 0)
            return command;
    }
    return NULL;
}

bool pn_program_row(const struct pn_program *program, size_t index, struct pn_row *out)
{
    const struct pn_alias *alias = program->aliases;

    out->command = alias == NULL ? command_at(program, index) : NULL;
    out->words = out->command != NULL ? out->command->words : NULL;
    if (alias == NULL || alias[index].words == NULL)
        return out->command != NULL;
    out->words = alias[index].words;
    out->command = command_named(program, alias[index].means);
    pn_assert(out->command != NULL);
    return true;
}

/* How many of argv's words are the command's, 0 when it is another. */
static int words_matched(const char *words, int argc, char **argv)
{
    struct pn_str rest = pn_str_from(words), word;
    int count = 0;

    while (pn_str_cut(&rest, ' ', &word)) {
        if (count >= argc || !pn_str_is(word, argv[count]))
            return 0;
        count++;
    }
    return count;
}

/* The row that takes most of argv's words; .command NULL: there is none. */
static struct pn_row find(const struct pn_program *program, int argc, char **argv, int *words)
{
    struct pn_row row, best = { 0 };

    *words = 0;
    for (size_t i = 0; pn_program_row(program, i, &row); i++) {
        int count = words_matched(row.words, argc, argv);

        if (count > *words) {
            *words = count;
            best = row;
        }
    }
    return best;
}

static const struct pn_option *find_option(const struct pn_option *options, struct pn_str name)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (pn_str_is(name, options->name))
            return options;
    }
    return NULL;
}

/* ---- help ---- */

static void print_options(FILE *out, const struct pn_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char left[40];

        snprintf(left, sizeof left, "--%s%s%s", options->name, options->value != NULL ? " " : "",
                 options->value != NULL ? options->value : "");
        fprintf(out, "  %-26s %s\n", left, options->help);
    }
}

static void print_help(FILE *out, const struct pn_program *program, const struct pn_row *row)
{
    const struct pn_command *command = row->command;

    fprintf(out, "%s %s%s%s\n\n%s\n", program->name, row->words,
            command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    if (command->options != NULL && command->options->name != NULL) {
        fprintf(out, "\nOptions:\n");
        print_options(out, command->options);
    }
    fprintf(out, "\nEverywhere:\n");
    print_options(out, program->options);
    if (command->examples != NULL)
        fprintf(out, "\nExamples:\n%s", command->examples);
}

static bool begins_with(const char *line, int count, char **words)
{
    struct pn_str rest = pn_str_from(line), word;

    for (int i = 0; i < count; i++) {
        if (!pn_str_cut(&rest, ' ', &word) || !pn_str_is(word, words[i]))
            return false;
    }
    return true;
}

/* Commands that begin with these words; all of them when there is none. */
static int print_overview(FILE *out, const struct pn_program *program, int count, char **words)
{
    int shown = 0;
    struct pn_row row;

    for (size_t i = 0; pn_program_row(program, i, &row); i++) {
        if (!begins_with(row.words, count, words))
            continue;
        if (shown++ == 0 && count == 0)
            fprintf(out, "%s: Kubernetes access and secrets\n\nUsage: %s COMMAND [OPTIONS]\n\n",
                    program->name, program->name);
        fprintf(out, "  %-26s %s\n", row.words, row.command->summary);
    }
    if (shown > 0)
        fprintf(out, "\n`%s COMMAND --help` tells more.\n", program->name);
    return shown;
}

/* ---- parsing ---- */

static bool add_option(struct pn_cli *cli, const struct pn_option *option, const char *value,
                       struct pn_err *err)
{
    if (cli->option_count == MAX_OPTIONS)
        return pn_fail(err, PN_USAGE, "too many options");
    cli->options[cli->option_count++] = (struct given){ option, value };
    return true;
}

static bool parse_long(struct pn_cli *cli, const char *word, const char *next, bool *took_next,
                       struct pn_err *err)
{
    struct pn_str rest = pn_str_from(word + 2), name;
    const char *equals = strchr(word, '=');
    const struct pn_option *option;

    if (!pn_str_cut(&rest, '=', &name))
        return pn_fail(err, PN_USAGE, "unknown option %s", word);
    option = find_option(cli->command->options, name);
    if (option == NULL)
        option = find_option(cli->program->options, name);
    if (option == NULL)
        return pn_fail(err, PN_USAGE, "unknown option --%.*s: see `%s %s --help`", PN_ARG(name),
                       cli->program->name, cli->words);
    if (option->value != NULL && option->value[0] == '[')
        return add_option(cli, option, equals != NULL ? equals + 1 : "true", err);
    if (option->value == NULL) {
        if (equals != NULL)
            return pn_fail(err, PN_USAGE, "--%s takes no value", option->name);
        return add_option(cli, option, "", err);
    }
    if (equals == NULL && next == NULL)
        return pn_fail(err, PN_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
                       option->value);
    *took_next = equals == NULL;
    return add_option(cli, option, equals != NULL ? equals + 1 : next, err);
}

/* "-o json", "-ojson", "-o=json": as kubectl takes them. */
static bool parse_format(struct pn_cli *cli, const char *word, const char *next, bool *took_next,
                         struct pn_err *err)
{
    const char *value = word + (word[2] == '=' ? 3 : 2);

    *took_next = word[2] == '\0';
    if (*took_next && next == NULL)
        return pn_fail(err, PN_USAGE, "-o needs a value: json, yaml or table");
    return add_option(cli, &cli->program->options[0], *took_next ? next : value, err);
}

static bool parse_words(struct pn_cli *cli, int argc, char **argv, struct pn_err *err)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        bool took_next = false;

        if (strcmp(word, "--") == 0) {
            if (!cli->command->takes_command)
                return pn_fail(err, PN_USAGE, "`%s %s` runs no command", cli->program->name,
                               cli->words);
            cli->rest = argv + i + 1;
            if (cli->rest[0] == NULL)
                return pn_fail(err, PN_USAGE, "a command must follow --");
            return true;
        }
        if (strcmp(word, "-h") == 0)
            word = "--help";
        if (word[0] == '-' && word[1] == 'o') {
            if (!parse_format(cli, word, argv[i + 1], &took_next, err))
                return false;
            i += took_next;
            continue;
        }
        if (strncmp(word, "--", 2) == 0) {
            if (!parse_long(cli, word, argv[i + 1], &took_next, err))
                return false;
            i += took_next;
            continue;
        }
        if (word[0] == '-' && word[1] != '\0')
            return pn_fail(err, PN_USAGE, "unknown option %s: see `%s %s --help`", word,
                           cli->program->name, cli->words);
        if (cli->arg_count == MAX_ARGS)
            return pn_fail(err, PN_USAGE, "too many arguments");
        cli->args[cli->arg_count++] = word;
    }
    return true;
}

static bool read_format(struct pn_cli *cli, struct pn_err *err)
{
    struct pn_str format = pn_cli_option(cli, "output");

    if (format.ptr == NULL || pn_str_is(format, "table") ||
        (cli->command->formats != NULL && pn_str_is(format, cli->command->formats)))
        return true;
    if (!pn_str_is(format, "json") && !pn_str_is(format, "yaml"))
        return pn_fail(err, PN_USAGE, "-o is json, yaml%s%s or table, not %.*s",
                       cli->command->formats != NULL ? ", " : "",
                       cli->command->formats != NULL ? cli->command->formats : "", PN_ARG(format));
    cli->output = pn_str_is(format, "json") ? PN_OUTPUT_JSON : PN_OUTPUT_YAML;
    return true;
}

static bool check_args(const struct pn_cli *cli, struct pn_err *err)
{
    const struct pn_command *command = cli->command;

    if (cli->arg_count >= (size_t)command->min_args && cli->arg_count <= (size_t)command->max_args)
        return true;
    if (command->takes_command && cli->arg_count > (size_t)command->max_args)
        return pn_fail(err, PN_USAGE, "write -- before the command: %s %s%s%s -- %s …",
                       cli->program->name, cli->words, command->max_args > 0 ? " " : "",
                       command->max_args > 0 ? cli->args[0] : "", cli->args[command->max_args]);
    return pn_fail(err, PN_USAGE, "usage: %s %s%s%s", cli->program->name, cli->words,
                   command->arguments[0] != '\0' ? " " : "", command->arguments);
}

/* ---- running ---- */

static void print_json_error(const struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)64 * 1024);
    struct pn_writer w = pn_writer_of(&text);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "error", err->name[0] != '\0' ? err->name : pn_code_name(err->code));
    pn_write_text(&w, "message", err->message);
    if (err->details.len > 0)
        pn_write_raw(&w, "details", err->details);
    pn_write_end(&w);
    fprintf(stderr, "%.*s\n", PN_ARG(pn_buf_str(&text)));
}

static int fail(const struct pn_cli *cli, const struct pn_err *err)
{
    if (cli->output == PN_OUTPUT_JSON)
        print_json_error(err);
    else
        fprintf(stderr, "%s: %s\n", cli->program->name, err->message);
    if (getenv("POSTERN_DEBUG") != NULL)
        fprintf(stderr, "  at %s: %s\n", err->at != NULL ? err->at : "?", err->trace);
    return pn_code_exit(err->code);
}

static int run(struct pn_cli *cli, int argc, char **argv)
{
    struct pn_err err = { 0 };
    int exit_code = 0;
    bool done = parse_words(cli, argc, argv, &err);

    if (done && pn_cli_has(cli, "help")) {
        print_help(stdout, cli->program,
                   &(struct pn_row){ .words = cli->words, .command = cli->command });
        return 0;
    }
    done = done && read_format(cli, &err) && check_args(cli, &err) &&
           cli->command->run(cli, &exit_code, &err);
    return done ? exit_code : fail(cli, &err);
}

static bool wants_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Says what there is instead: the commands that share its first word. */
static int no_such_command(const struct pn_program *program, int argc, char **argv)
{
    if (argv[0][0] == '-') {
        fprintf(stderr, "%s: options come after the command: %s COMMAND %s …\n", program->name,
                program->name, argv[0]);
        return pn_code_exit(PN_USAGE);
    }
    fprintf(stderr, "%s: there is no command \"%s%s%s\": see `%s help`\n", program->name, argv[0],
            argc > 1 ? " " : "", argc > 1 ? argv[1] : "", program->name);
    print_overview(stderr, program, 1, argv);
    return pn_code_exit(PN_USAGE);
}

static int print_manual(void)
{
    pn_auto(pn_buf_drop) struct pn_buf page = pn_buf_init(MAX_MANUAL_BYTES);

    pn_manual_print(&page);
    fwrite(page.ptr, 1, page.len, stdout);
    return 0;
}

/* "postern", "postern help", "postern help pam", "postern pam --help": an overview. */
static int help(const struct pn_program *program, int argc, char **argv)
{
    int words;
    struct pn_row row = find(program, argc, argv, &words);

    if (argc == 1 && strcmp(argv[0], "--man") == 0)
        return print_manual();
    if (row.command != NULL) {
        print_help(stdout, program, &row);
        return 0;
    }
    return print_overview(stdout, program, argc, argv) > 0 ? 0
                                                           : no_such_command(program, argc, argv);
}

static int not_found(const struct pn_program *program, int argc, char **argv)
{
    if (argc == 0 || wants_help(argv[0]))
        return help(program, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv);
    if (wants_help(argv[argc - 1]))
        return help(program, argc - 1, argv);
    if (argc == 1 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-v") == 0)) {
        printf("postern " PN_VERSION "\n"); /* whatever the program is called */
        return 0;
    }
    if (print_overview(stderr, program, argc, argv) > 0)
        return pn_code_exit(PN_USAGE); /* the beginning of several */
    return no_such_command(program, argc, argv);
}

/* What stdout would not take must not look like success; a reader that left needs no words. */
static int flush_output(int exit_code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    if (errno != EPIPE)
        fprintf(stderr, "postern: the output cannot be written: %s\n", strerror(errno));
    return exit_code != 0 ? exit_code : pn_code_exit(PN_IO);
}

/* A link to the program has the language of its name. */
static const struct pn_program *program_called(const char *name)
{
    static const struct pn_program *const others[] = { &pn_infisical_program, &pn_kubectl_program };

    for (size_t i = 0; i < PN_COUNT(others); i++) {
        if (strcmp(name, others[i]->called) == 0)
            return others[i];
    }
    return &postern_program;
}

int pn_command_main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash != NULL ? slash + 1 : argv[0];
    struct pn_cli cli = { .program = program_called(name) };
    struct pn_row row;
    int words, exit_code;

    if (strcmp(name, PN_COMPLETION_NAME) == 0)
        return flush_output(pn_completion_print(&pn_kubectl_program, argc - 1, argv + 1));
    row = find(cli.program, argc - 1, argv + 1, &words);
    cli.command = row.command;
    cli.words = row.words;
    if (cli.command == NULL)
        return flush_output(not_found(cli.program, argc - 1, argv + 1));
    cli.arena = pn_arena_new(MAX_RUN_BYTES);
    exit_code = run(&cli, argc - 1 - words, argv + 1 + words);
    pn_rest_free(cli.client);
    pn_client_config_drop(&cli.config);
    pn_arena_free(cli.arena);
    return flush_output(exit_code);
}

/* ---- for commands ---- */

struct pn_arena *pn_cli_arena(struct pn_cli *cli)
{
    return cli->arena;
}

struct pn_str pn_cli_arg(const struct pn_cli *cli, size_t index)
{
    return index < cli->arg_count ? pn_str_from(cli->args[index]) : PN_NONE;
}

size_t pn_cli_arg_count(const struct pn_cli *cli)
{
    return cli->arg_count;
}

const char *pn_cli_option_text(const struct pn_cli *cli, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < cli->option_count; i++) {
        const struct pn_option *option = cli->options[i].option;

        if (strcmp(option->means != NULL ? option->means : option->name, name) == 0)
            value = cli->options[i].value;
    }
    return value;
}

struct pn_str pn_cli_option(const struct pn_cli *cli, const char *name)
{
    return pn_str_from(pn_cli_option_text(cli, name));
}

struct pn_str pn_cli_option_at(const struct pn_cli *cli, const char *name, size_t index)
{
    for (size_t i = 0; i < cli->option_count; i++)
        if (strcmp(cli->options[i].option->name, name) == 0 && index-- == 0)
            return pn_str_from(cli->options[i].value);
    return PN_NONE;
}

bool pn_cli_has(const struct pn_cli *cli, const char *flag)
{
    return pn_cli_option_text(cli, flag) != NULL;
}

bool pn_cli_bool(const struct pn_cli *cli, const char *flag, bool fallback, bool *out,
                 struct pn_err *err)
{
    struct pn_str text = pn_cli_option(cli, flag);

    *out = text.ptr == NULL ? fallback : text.len == 0 || pn_str_is(text, "true");
    if (text.len > 0 && !*out && !pn_str_is(text, "false"))
        return pn_fail(err, PN_USAGE, "--%s is true or false, not %.*s", flag, PN_ARG(text));
    return true;
}

bool pn_cli_is_on(const struct pn_cli *cli, const char *flag)
{
    const char *text = pn_cli_option_text(cli, flag);

    return text != NULL && strcmp(text, "false") != 0;
}

const char *pn_cli_program(const struct pn_cli *cli)
{
    return cli->program->name;
}

/* A scalar as it would stand on the command line. */
static const char *scalar_text(struct pn_cli *cli, const struct pn_value *value)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_OPTION_BYTES);

    if (pn_value_is_string(value))
        return pn_cstr(cli->arena, pn_arena_copy(cli->arena, pn_value_str(value)));
    if (value == NULL || pn_value_is_object(value) || pn_value_is_array(value))
        return NULL;
    pn_value_print(value, false, &text);
    return pn_cstr(cli->arena, pn_arena_copy(cli->arena, pn_buf_str(&text)));
}

static bool load_option(struct pn_cli *cli, struct pn_str name, const struct pn_value *value,
                        const char *path, struct pn_err *err)
{
    const struct pn_option *option = find_option(cli->command->options, name);
    const char *text = scalar_text(cli, value);

    if (option == NULL)
        option = find_option(cli->program->options, name);
    if (option == NULL || text == NULL)
        return pn_fail(err, PN_USAGE, "%s: `postern %s` has no option \"%.*s\" of that kind", path,
                       cli->command->words, PN_ARG(name));
    if (pn_cli_has(cli, option->name) || (option->value == NULL && strcmp(text, "false") == 0))
        return true;
    return add_option(cli, option, text, err);
}

bool pn_cli_load_options(struct pn_cli *cli, const char *path, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_OPTION_FILE_BYTES);
    pn_auto(pn_value_freep) struct pn_value *file = NULL;
    const struct pn_value *value;
    struct pn_str name;

    if (!pn_file_read(path, MAX_OPTION_FILE_BYTES, &text, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    if (!pn_value_parse_yaml(pn_buf_str(&text), &file, err))
        return pn_recast(err, PN_USAGE, "%s: %s", path, err->message);
    for (size_t i = 0; pn_value_member(file, i, &name, &value); i++) {
        if (!load_option(cli, name, value, path, err))
            return false;
    }
    return true;
}

char **pn_cli_rest(const struct pn_cli *cli)
{
    return cli->rest;
}

struct pn_str pn_cli_format(const struct pn_cli *cli)
{
    return pn_cli_option(cli, "output");
}

enum pn_output pn_cli_output(const struct pn_cli *cli)
{
    return cli->output;
}

void pn_cli_say(const char *format, ...)
{
    va_list args;

    if (!pn_terminal_is_tty(STDERR_FILENO))
        return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* What the official client takes in argv; `postern` has no such option. */
static bool take_token(struct pn_cli *cli, struct pn_err *err)
{
    struct pn_str token = pn_cli_option(cli, "token");

    if (token.len == 0)
        return true;
    pn_secret_freep(&cli->config.token);
    cli->config.token_name = "--token";
    cli->config.token = pn_secret_new(token, err);
    return cli->config.token != NULL;
}

bool pn_cli_config(struct pn_cli *cli, struct pn_client_config **out, struct pn_err *err)
{
    struct pn_str project = pn_cli_option(cli, "project");

    *out = &cli->config;
    if (cli->has_config)
        return true;
    if (!pn_client_config_load(cli->arena, pn_cli_option(cli, "domain"), &cli->config, err))
        return false;
    if (project.len > 0)
        cli->config.project_id = project;
    cli->has_config = true;
    return take_token(cli, err);
}

bool pn_cli_rest_client(struct pn_cli *cli, struct pn_rest **out, struct pn_err *err)
{
    struct pn_client_config *config;

    if (cli->client == NULL &&
        (!pn_cli_config(cli, &config, err) || !pn_rest_new(config, &cli->client, err)))
        return false;
    *out = cli->client;
    return true;
}

bool pn_cli_project(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_client_config *config;
    struct pn_rest *rest;
    const struct pn_value *projects;

    if (!pn_cli_rest_client(cli, &rest, err) || !pn_cli_config(cli, &config, err))
        return false;
    *out = config->project_id;
    if (out->len > 0)
        return true;
    if (!pn_rest_call(rest, "GET", PN_LIT("/v1/projects"), PN_NONE, &reply, err))
        return false;
    projects = pn_value_get(reply, "projects");
    if (pn_value_count(projects) != 1)
        return pn_fail(
            err, PN_USAGE,
            pn_value_count(projects) == 0
                ? "you are not a member of a project yet: ask for one, or `postern project create`"
                : "you are a member of several projects: say which with --project ID "
                  "or POSTERN_PROJECT_ID");
    config->project_id = pn_arena_copy(cli->arena, pn_value_str(pn_value_at(projects, "0.id")));
    *out = config->project_id;
    return true;
}

bool pn_cli_secret_file(const char *path, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_SECRET_BYTES);
    struct pn_str secret;

    if (!pn_file_read(path, MAX_SECRET_BYTES, &text, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    secret = pn_buf_str(&text);
    while (secret.len > 0 &&
           (secret.ptr[secret.len - 1] == '\n' || secret.ptr[secret.len - 1] == '\r'))
        secret.len--;
    if (secret.len == 0)
        return pn_fail(err, PN_USAGE, "%s is empty",
                       strcmp(path, "-") == 0 ? "the standard input" : path);
    *out = pn_secret_new(secret, err);
    return *out != NULL;
}
