/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, parsing, help, output and exit codes, with a table of commands of its own. */
#include <fcntl.h>

#include "cli/ran.h"
#include "client/home.h"

static bool show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)err;
    printf("args:");
    for (size_t i = 0; i < pn_cli_arg_count(cli); i++)
        printf(" [%.*s]", PN_ARG(pn_cli_arg(cli, i)));
    if (pn_cli_option_text(cli, "name") != NULL)
        printf(" name=[%s]", pn_cli_option_text(cli, "name"));
    if (pn_cli_has(cli, "flag"))
        printf(" flag");
    for (char **word = pn_cli_rest(cli); word != NULL && *word != NULL; word++)
        printf(" {%s}", *word);
    printf("\n");
    *exit_code = pn_cli_has(cli, "exit") ? 42 : 0;
    return true;
}

static const enum pn_code codes[] = { PN_BAD_REQUEST, PN_UNAUTHENTICATED, PN_FORBIDDEN,
                                      PN_NOT_FOUND,   PN_UNREACHABLE,     PN_USAGE,
                                      PN_INTERNAL,    PN_CONFLICT };

static bool fail_as(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    uint64_t which = 0;

    (void)exit_code;
    if (!pn_str_u64(pn_cli_arg(cli, 0), &which))
        which = 0;
    return pn_fail(err, codes[which], "a \"quoted\\\" sentence\nof two lines");
}

static const struct pn_column columns[] = { { "NAME", "name" }, { "VALUE", "deep.value" }, { 0 } };

static bool print(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_cli_print_json(cli, pn_cli_arg(cli, 0), columns, err);
}

static bool load(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    return pn_cli_load_options(cli, pn_cli_option_text(cli, "config"), err) &&
           show(cli, exit_code, err);
}

static bool secret(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_secret *found;

    (void)exit_code;
    if (!pn_cli_secret_file(pn_cli_option_text(cli, "name"), &found, err))
        return false;
    printf("[%.*s]", PN_ARG(pn_secret_reveal(found)));
    pn_secret_free(found);
    return true;
}

static const struct pn_option options[] = {
    { "name", "NAME", "a value" },
    { "flag", NULL, "no value" },
    { "exit", NULL, "ends with 42" },
    { "config", "F", "options from a file" },
    { 0 },
};
static const struct pn_command table[] = {
    { "try show", "ARG… [-- COMMAND…]", "Shows what it got", "  postern try show a\n", options, 1,
      3, true, show },
    { "try show more", "", "A longer name", NULL, options, 0, 0, false, show },
    { "try fail", "[CODE]", "Fails", NULL, NULL, 0, 1, false, fail_as },
    { "try print", "JSON", "Prints", NULL, options, 1, 1, false, print },
    { "try load", "", "Loads", NULL, options, 0, 3, false, load },
    { "try secret", "", "Reads", NULL, options, 0, 0, false, secret },
    { "alone", "", "One word", NULL, options, 0, 0, false, show },
    { 0 },
};
const struct pn_command *const pn_command_tables[] = { table, NULL };

PN_TEST(words_become_arguments_and_options)
{
    static const struct {
        const char *words, *out;
    } cases[] = {
        { "try show a", "args: [a]\n" },
        { "try show a b c", "args: [a] [b] [c]\n" },
        { "try show a --name x", "args: [a] name=[x]\n" },
        { "try show --name x a", "args: [a] name=[x]\n" },
        { "try show a --name=x", "args: [a] name=[x]\n" },
        { "try show a --name=", "args: [a] name=[]\n" },
        { "try show a --name=x=y", "args: [a] name=[x=y]\n" },
        { "try show a --name --flag", "args: [a] name=[--flag]\n" },
        { "try show a --name -- b", "args: [a] [b] name=[--]\n" },
        { "try show a --name x --name y", "args: [a] name=[y]\n" },
        { "try show a --flag", "args: [a] flag\n" },
        { "try show -", "args: [-]\n" },
        { "try show a\tb", "args: [a b]\n" },
        { "try show a -- ls -la --flag", "args: [a] {ls} {-la} {--flag}\n" },
        { "try show a --flag -- sh -c exit\t1 -- x",
          "args: [a] flag {sh} {-c} {exit 1} {--} {x}\n" },
        { "try show more", "args:\n" },
        { "alone", "args:\n" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r = ran(cases[i].words);

        CHECK_RAN(r, 0);
        CHECK_STR(pn_str_from(r->out), cases[i].out);
        CHECK_STR(pn_str_from(r->err), "");
    }
}

#define TEN "a a a a a a a a a a "

PN_TEST(what_is_wrong_is_64_and_said_on_stderr)
{
    static const struct {
        const char *words, *err;
    } cases[] = {
        { "try show", "usage: postern try show ARG" },
        { "try show a b c d", "write -- before the command: postern try show a -- d …" },
        { "try show more a", "usage: postern try show more" },
        { "try show a --nome x", "unknown option --nome: see `postern try show --help`" },
        { "try show a --nome=x", "unknown option --nome" },
        { "try show a --", "a command must follow --" },
        { "try show a --name", "--name needs a value: --name NAME" },
        { "try show a --flag=yes", "--flag takes no value" },
        { "try show a -x", "unknown option -x" },
        { "try show a -o", "-o needs a value" },
        { "try show a -o xml", "-o is json, yaml or table, not xml" },
        { "try show a -oxml", "-o is json, yaml or table, not xml" },
        { "try show a --output=xml", "-o is json" },
        { "try show more -- ls", "runs no command" },
        { "try show " TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN, "too many arguments" },
        { "nothing", "there is no command \"nothing\"" },
        { "try nothing", "there is no command \"try nothing\"" },
        { "try", "try show more" },
        { "tr show", "there is no command \"tr show\"" },
        { "--flag alone", "options come after the command: postern COMMAND --flag …" },
        { "--version alone", "options come after the command" },
        { "help nothing", "there is no command \"nothing\"" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r = ran(cases[i].words);

        CHECK_RAN(r, 64);
        CHECK_SAYS(r->err, cases[i].err);
        CHECK_STR(pn_str_from(r->out), "");
    }
}

PN_TEST(a_slip_inside_a_group_shows_the_group)
{
    const struct ran *r = ran("try nothing");

    CHECK_SAYS(r->err, "try show more");
    CHECK(strstr(r->err, "alone") == NULL);
}

PN_TEST(its_version_is_said_as_everywhere)
{
    static const char *const words[] = { "--version", "-v" };

    for (size_t i = 0; i < PN_COUNT(words); i++) {
        const struct ran *r = ran(words[i]);

        CHECK_RAN(r, 0);
        CHECK_STR(pn_str_from(r->out), "postern " PN_VERSION "\n");
        CHECK_STR(pn_str_from(r->err), "");
    }
}

PN_TEST(help_is_success_and_on_stdout)
{
    static const struct {
        const char *words, *says;
    } cases[] = {
        { "", "Usage: postern COMMAND" },
        { "help", "try show more" },
        { "--help", "alone" },
        { "-h", "alone" },
        { "help try", "try show more" },
        { "help try show more", "A longer name" },
        { "try --help", "try show more" },
        { "try -h", "try show more" },
        { "help try show", "postern try show ARG" },
        { "try show --help", "  --name NAME                a value" },
        { "try show -h", "Examples:\n  postern try show a\n" },
        { "try show --help --name x", "Shows what it got" },
        { "alone --help", "Everywhere:" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r = ran(cases[i].words);

        CHECK_RAN(r, 0);
        CHECK_SAYS(r->out, cases[i].says);
        CHECK_STR(pn_str_from(r->err), "");
    }
}

PN_TEST(help_of_a_wrapped_command_is_its_own)
{
    const struct ran *r = ran("try show a -- kubectl --help");

    CHECK_RAN(r, 0);
    CHECK_STR(pn_str_from(r->out), "args: [a] {kubectl} {--help}\n");
}

PN_TEST(exit_codes)
{
    static const int exits[] = { 2, 4, 5, 6, 7, 64, 1, 2 };

    for (size_t i = 0; i < PN_COUNT(exits); i++) {
        char words[32];

        snprintf(words, sizeof words, "try fail %zu", i);
        CHECK_RAN(ran(words), exits[i]);
    }
    CHECK_RAN(ran("try show a --exit"), 42);
}

PN_TEST(errors_are_a_sentence_or_json)
{
    struct pn_value *value;
    struct pn_err err = { 0 };
    const struct ran *r = ran("try fail 3");

    CHECK_STR(pn_str_from(r->err), "postern: a \"quoted\\\" sentence\nof two lines\n");
    r = ran("try fail 3 -o json");
    CHECK_OK(pn_value_parse(pn_str_from(r->err), &value, &err), err);
    CHECK_STR(pn_value_str(pn_value_get(value, "error")), "NotFound");
    CHECK_STR(pn_value_str(pn_value_get(value, "message")),
              "a \"quoted\\\" sentence\nof two lines");
    CHECK_STR(pn_str_from(r->out), "");
    pn_value_free(value);
}

PN_TEST(errors_of_usage_are_json_too)
{
    CHECK_SAYS(ran("try print -o json")->err, "{\"error\":\"BadRequest\",\"message\":\"usage: ");
}

PN_TEST(forms_of_output)
{
    static const struct {
        const char *words, *out;
    } cases[] = {
        { "try print [{\"name\":\"a\",\"deep\":{\"value\":1}},{\"name\":\"long\",\"deep\":{}}]",
          "NAME  VALUE\na     1\nlong  -\n" },
        { "try print []", "NAME  VALUE\n" },
        { "try print {\"name\":\"a\",\"deep\":{\"value\":true}}", "NAME  VALUE\na     true\n" },
        { "try print [{\"name\":null,\"deep\":{\"value\":\"\"}}]", "NAME  VALUE\n-     -\n" },
        { "try print [{\"name\":\"grüße\",\"deep\":{\"value\":[1]}}]", "NAME   VALUE\ngrüße  1\n" },
        { "try print {\"name\":[\"a\",\"b\\n\",[1]],\"deep\":{\"value\":[]}}",
          "NAME        VALUE\na, b?, [1]  -\n" },
        { "try print {\"name\":{\"a\":1},\"deep\":null}", "NAME     VALUE\n{\"a\":1}  -\n" },
        { "try print [{\"name\":\"\\u001b[31m\\n\",\"deep\":{\"value\":\"\\u009b2J\\u007f\"}}]",
          "NAME    VALUE\n?[31m?  ?2J?\n" },
        { "try print {\"name\":\"a\"} -o json", "{\n  \"name\": \"a\"\n}\n" },
        { "try print {\"name\":\"a\"} -ojson", "{\n  \"name\": \"a\"\n}\n" },
        { "try print {\"name\":\"a\"} -o=yaml", "name: a\n" },
        { "try print {\"name\":\"a\"} --output yaml", "name: a\n" },
        { "try print {\"name\":\"a\"} -o table", "NAME  VALUE\na     -\n" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r = ran(cases[i].words);

        CHECK_RAN(r, 0);
        CHECK_STR(pn_str_from(r->out), cases[i].out);
    }
}

PN_TEST(options_from_a_file)
{
    struct home *home = *state;
    static const struct {
        const char *file, *flags, *out, *err;
    } cases[] = {
        { "name: x\nflag: true\n", "", "args: name=[x] flag\n", NULL },
        { "name: x\n", "--name y", "args: name=[y]\n", NULL },
        { "name: 12\nflag: false\n", "", "args: name=[12]\n", NULL },
        { "{}", "", "args:\n", NULL },
        { "nome: x\n", "", NULL, "has no option \"nome\"" },
        { "name: [x]\n", "", NULL, "has no option \"name\" of that kind" },
        { "name: \"x", "", NULL, "options.yaml: " },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        char words[256];
        const struct ran *r;

        home_write(home, "options.yaml", cases[i].file, 0600);
        snprintf(words, sizeof words, "try load --config %s%s%s", home_file(home, "options.yaml"),
                 cases[i].flags[0] != '\0' ? " " : "", cases[i].flags);
        r = ran(words);
        CHECK_RAN(r, cases[i].err != NULL ? 64 : 0);
        CHECK_SAYS(cases[i].err != NULL ? r->err : r->out,
                   cases[i].err != NULL ? cases[i].err : cases[i].out);
    }
    CHECK_RAN(ran("try load --config /no/such/file"), 64);
}

PN_TEST(a_secret_ends_before_its_newline)
{
    struct home *home = *state;
    static const struct {
        const char *text, *secret;
    } cases[] = { { "abc", "[abc]" },
                  { "abc\n", "[abc]" },
                  { "abc\r\n", "[abc]" },
                  { " a b ", "[ a b ]" },
                  { "a\nb\n", "[a\nb]" },
                  { "\n", NULL },
                  { "", NULL } };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        char words[256];
        const struct ran *r;

        home_write(home, "secret", cases[i].text, 0600);
        snprintf(words, sizeof words, "try secret --name %s", home_file(home, "secret"));
        r = ran(words);
        CHECK_RAN(r, cases[i].secret != NULL ? 0 : 64);
        if (cases[i].secret != NULL)
            CHECK_STR(pn_str_from(r->out), cases[i].secret);
        else
            CHECK_SAYS(r->err, "is empty");
    }
    CHECK_SAYS(ran("try secret --name /no/such/file")->err, "/no/such/file");
}

/* A full disk must not look like success. */
PN_TEST(output_that_cannot_be_written_is_a_failure)
{
    int before = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    char *argv[] = { "postern", "try", "show", "a", NULL };
    int code;

    fflush(stdout);
    CHECK(full >= 0 && dup2(full, STDOUT_FILENO) == STDOUT_FILENO);
    code = pn_command_main(4, argv);
    CHECK(dup2(before, STDOUT_FILENO) == STDOUT_FILENO);
    clearerr(stdout);
    close(before);
    close(full);
    CHECK_EQ(code, 1);
}

PN_TEST_MAIN(T(words_become_arguments_and_options), T(what_is_wrong_is_64_and_said_on_stderr),
             T(a_slip_inside_a_group_shows_the_group), T(its_version_is_said_as_everywhere),
             T(help_is_success_and_on_stdout), T(help_of_a_wrapped_command_is_its_own),
             T(exit_codes), T(errors_are_a_sentence_or_json), T(errors_of_usage_are_json_too),
             T(forms_of_output), H(options_from_a_file), H(a_secret_ends_before_its_newline),
             T(output_that_cannot_be_written_is_a_failure))
