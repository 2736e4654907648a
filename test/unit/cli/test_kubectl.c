/* SPDX-License-Identifier: Apache-2.0 */
/* The program as a plugin of kubectl, and what kubectl's completion hears. */
#include "cli/completion.h"
#include "cli/stage.h"

#define PLUGIN "/usr/local/bin/kubectl-postern"
#define COMPLETION "/usr/local/bin/" PN_COMPLETION_NAME

PN_TEST(every_alias_is_a_command_with_help)
{
    struct pn_row row;
    size_t count = 0;

    for (; pn_program_row(&pn_kubectl_program, count, &row); count++) {
        char words[128];
        const struct ran *r;

        snprintf(words, sizeof words, "%s --help", row.words);
        r = ran_as(PLUGIN, words);
        CHECK_RAN(r, 0);
        snprintf(words, sizeof words, "kubectl postern %s", row.words);
        CHECK_SAYS(r->out, words);
        CHECK_SAYS(r->out, row.command->summary);
        CHECK_SAYS(ran_as(PLUGIN, "help")->out, row.words);
    }
    CHECK(count > 5);
}

PN_TEST(a_plugin_s_words_are_calls)
{
    static const struct scene cases[] = {
        { "sessions --limit 7",
          { { 200, "{\"sessions\":[{\"id\":\"S1\"}]}" } },
          "GET /api/v1/pam/sessions?projectId=project-1&limit=7",
          0,
          "S1",
          "" },
        { "sessions end 0199a3b0-7c1e-7000-8000-000000000001",
          { { 200, "{\"session\":{}}" } },
          "POST /api/v1/pam/sessions/0199a3b0-7c1e-7000-8000-000000000001/end",
          0,
          "ended",
          "" },
        { "access prod/viewer",
          { { 404, "{\"error\":\"NotFound\",\"message\":\"No such account\"}" } },
          "POST /api/v1/pam/accounts/access",
          6,
          "",
          "kubectl postern: No such account" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, PLUGIN, &cases[i]);
    down(&s);
}

PN_TEST(what_is_no_command_of_a_plugin_is_64)
{
    static const char *const wrong[] = {
        "pam access a/b", "server --dev", "sess", "access", "access --no-such", "sessions show a b"
    };

    for (size_t i = 0; i < PN_COUNT(wrong); i++)
        CHECK_RAN(ran_as(PLUGIN, wrong[i]), 64);
    CHECK_SAYS(ran_as(PLUGIN, "access --no-such a/b")->err, "`kubectl postern access --help`");
    CHECK_SAYS(ran_as(PLUGIN, "access")->err, "usage: kubectl postern access RESOURCE/ACCOUNT");
}

/* The words so far, and what the answer begins with; the last word is the one being typed ("\t": nothing yet). */
PN_TEST(completion_knows_words_and_options)
{
    static const struct {
        const char *typed, *has, *has_not;
    } cases[] = {
        { "", "access\t", "show" },
        { "acc", "accounts\t", "shell" },
        { "sessions s", "show\t", "logs" },
        { "sessions show x", ":4\n", "show" },
        { "nonsense s", ":4\n", "shell" },
        { "access --d", "--duration\t", "--reason" },
        { "access --", "--domain\t", "--limit" },
        { "sessions logs --f", "--follow\t", "--limit" },
        { "sessions --l", "--limit\t", "--follow" },
        { "--d", "--domain\t", "--duration" },
        { "access -", "--duration\t", "--limit" },
        { "a b c d e f g h i j k l m n", ":4\n", "access" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r = ran_as(COMPLETION, cases[i].typed);
        size_t len = strlen(r->out);

        CHECK_RAN(r, 0);
        CHECK_SAYS(r->out, cases[i].has);
        CHECK(strstr(r->out, cases[i].has_not) == NULL);
        CHECK(len >= 3 && strcmp(r->out + len - 3, ":4\n") == 0);
        CHECK_EQ(r->err[0], '\0');
    }
}

PN_TEST(each_word_is_said_once)
{
    const struct ran *r = ran_as(COMPLETION, "sess");
    const char *first = strstr(r->out, "sessions\t");

    CHECK(first != NULL && strstr(first + 1, "sessions\t") == NULL);
}

PN_TEST_MAIN(H(every_alias_is_a_command_with_help), H(a_plugin_s_words_are_calls),
             H(what_is_no_command_of_a_plugin_is_64), T(completion_knows_words_and_options),
             T(each_word_is_said_once))
