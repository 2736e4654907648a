/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#define MAX_WORDS 8
#define NO_FILES ":4\n" /* cobra's ShellCompDirectiveNoFileComp */

/* What was typed, up to the word that is being typed. */
struct typed {
    const char *words[MAX_WORDS]; /* that are no options */
    size_t count;
    const char *last;
};

static struct typed read_typed(int argc, char **argv)
{
    struct typed typed = { .last = argc > 0 ? argv[argc - 1] : "" };

    for (int i = 0; i + 1 < argc && typed.count < MAX_WORDS; i++) {
        if (argv[i][0] != '-')
            typed.words[typed.count++] = argv[i];
    }
    return typed;
}

/* How many of the typed words are the row's first; *next is the row's word after them, PN_NONE when all are. */
static size_t matched(const struct typed *typed, const char *words, struct pn_str *next)
{
    struct pn_str rest = pn_str_from(words);
    size_t count = 0;

    while (pn_str_cut(&rest, ' ', next)) {
        if (count == typed->count || !pn_str_is(*next, typed->words[count]))
            return count;
        count++;
    }
    *next = PN_NONE;
    return count;
}

static void print_options(const struct pn_option *options, struct pn_str typed)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (pn_str_starts(pn_str_from(options->name), pn_str_slice(typed, 2, typed.len)))
            printf("--%s\t%s\n", options->name, options->help);
    }
}

/* Of the command whose words were all typed; the longest of several. */
static void complete_option(const struct pn_program *program, const struct typed *typed)
{
    const struct pn_command *command = NULL;
    struct pn_row row;
    size_t best = 0;

    for (size_t i = 0; pn_program_row(program, i, &row); i++) {
        struct pn_str next;
        size_t count = matched(typed, row.words, &next);

        if (next.ptr == NULL && count > best) {
            best = count;
            command = row.command;
        }
    }
    if (command != NULL)
        print_options(command->options, pn_str_from(typed->last));
    print_options(program->options, pn_str_from(typed->last));
}

/* The next word of every command that begins as it was typed, each once. */
static void complete_word(const struct pn_program *program, const struct typed *typed)
{
    struct pn_str before = PN_NONE;
    struct pn_row row;

    for (size_t i = 0; pn_program_row(program, i, &row); i++) {
        struct pn_str next;

        if (matched(typed, row.words, &next) != typed->count || next.ptr == NULL ||
            pn_str_eq(next, before) || !pn_str_starts(next, pn_str_from(typed->last)))
            continue;
        printf("%.*s\t%s\n", PN_ARG(next), row.command->summary);
        before = next; /* rows that share a word stand together */
    }
}

int pn_completion_print(const struct pn_program *program, int argc, char **argv)
{
    struct typed typed = read_typed(argc, argv);

    if (strncmp(typed.last, "-", 1) == 0)
        complete_option(program, &typed);
    else
        complete_word(program, &typed);
    fputs(NO_FILES, stdout);
    return 0;
}
