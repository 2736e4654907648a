/* SPDX-License-Identifier: Apache-2.0 */
#include "client/secrets.h"

#include "client/home.h"

static struct pn_client_secrets merged(struct home *home, const char *json, size_t *hidden)
{
    struct pn_client_secrets secrets;
    struct pn_err err = { 0 };
    struct pn_value *reply;

    CHECK_OK(pn_value_parse(pn_str_from(json), &reply, &err), err);
    pn_client_secrets_merge(home->arena, reply, &secrets, hidden);
    for (size_t i = 0; i < secrets.count; i++) { /* they are the answer's */
        secrets.items[i].key = pn_arena_copy(home->arena, secrets.items[i].key);
        secrets.items[i].value = pn_arena_copy(home->arena, secrets.items[i].value);
    }
    pn_value_free(reply);
    return secrets;
}

static struct pn_str printed(struct home *home, struct pn_client_secrets secrets,
                             const char *format)
{
    struct pn_buf out = pn_buf_init(1 << 16);
    struct pn_err err = { 0 };
    struct pn_str text;

    CHECK_OK(pn_client_secrets_print(&secrets, pn_str_from(format), &out, &err), err);
    text = pn_arena_copy(home->arena, pn_buf_str(&out));
    pn_buf_drop(&out);
    return text;
}

/* {"key": value…} as own secrets. */
static struct pn_client_secrets own(struct home *home, const char *key, const char *value)
{
    struct pn_client_secrets secrets = { pn_new(home->arena, struct pn_client_secret, 1), 1 };

    secrets.items[0] = (struct pn_client_secret){ pn_str_from(key), pn_str_from(value) };
    return secrets;
}

PN_TEST(own_secrets_win_and_later_imports_before_earlier_ones)
{
    size_t hidden;
    struct pn_client_secrets secrets = merged(
        *state,
        "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\"},"
        "{\"secretKey\":\"R\",\"secretValue\":\"parent\"},{\"secretKey\":\"R\",\"secretValue\":"
        "\"child\"},"
        "{\"secretKey\":\"H\",\"secretValue\":\"<hidden-by-infisical>\",\"secretValueHidden\":true}"
        "],"
        "\"imports\":[{\"secrets\":[{\"secretKey\":\"A\",\"secretValue\":\"1\"},"
        "{\"secretKey\":\"B\",\"secretValue\":\"1\"},{\"secretKey\":\"C\",\"secretValue\":\"1\"}]},"
        "{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"2\"}]}]}",
        &hidden);

    CHECK_STR(printed(*state, secrets, "dotenv"), "A='1'\nB='own'\nC='2'\nR='child'\n");
    CHECK_EQ(hidden, 1);
}

PN_TEST(nothing_is_a_list_too)
{
    static const char *const answers[] = { "{}", "{\"secrets\":[]}", "{\"secrets\":7}", "[]",
                                           "{\"imports\":[7,{}]}" };
    size_t hidden;

    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        struct pn_client_secrets secrets = merged(*state, answers[i], &hidden);

        CHECK_EQ(secrets.count, 0);
        CHECK_STR(printed(*state, secrets, "dotenv"), "");
        CHECK_STR(printed(*state, secrets, "json"), "{}\n");
        CHECK_STR(printed(*state, secrets, "csv"), "Key,Value\n");
    }
}

/* What the forms say, and what a shell makes of them. */
PN_TEST(values_come_through_as_they_are)
{
    static const char *const values[] = { "plain", "",          "two\nlines\n",
                                          "it's",  "\"$HOME\"", "'$(id)`id`\"\\",
                                          "a,b",   " spaced ",  "\\n",
                                          "é’",    "'\n\\\n'" };

    for (size_t i = 0; i < PN_COUNT(values); i++) {
        struct pn_client_secrets one = own(*state, "V", values[i]);
        struct home *home = *state;
        struct pn_value *document;
        struct pn_err err = { 0 };
        struct pn_str script;
        FILE *file;

        CHECK_OK(pn_value_parse(printed(home, one, "json"), &document, &err), err);
        CHECK_STR(pn_value_str(pn_value_get(document, "V")), values[i]);
        pn_value_free(document);
        CHECK_OK(pn_value_parse_yaml(printed(home, one, "yaml"), &document, &err), err);
        CHECK_STR(pn_value_str(pn_value_get(document, "V")), values[i]);
        pn_value_free(document);

        script =
            pn_arena_printf(home->arena, "%.*s\nprintf %%s \"$V\" >%s\n",
                            PN_ARG(printed(home, one, "dotenv-export")), home_file(home, "value"));
        home_write(home, "script", pn_cstr(home->arena, script), 0600);
        file = fopen(home_file(home, "value"), "w");
        fclose(file);
        CHECK_EQ(pn_process_run((char *[]){ (char *)(uintptr_t) "sh",
                                            (char *)(uintptr_t)home_file(home, "script"), NULL },
                                (char *[]){ NULL }),
                 0);
        CHECK_STR(home_read(home, "value"), values[i]);
    }
}

PN_TEST(csv_is_quoted_where_it_must_be)
{
    CHECK_STR(printed(*state, own(*state, "K", "a,\"b\"\nc"), "csv"),
              "Key,Value\nK,\"a,\"\"b\"\"\nc\"\n");
    CHECK_STR(printed(*state, own(*state, "K", "plain"), "csv"), "Key,Value\nK,plain\n");
}

/* A shell reads what is exported: a name must not be a command. */
PN_TEST(names_that_are_no_variables_are_refused)
{
    static const char *const names[] = {
        "", "1A", "A B", "A;id", "A-B", "A.B", "$(id)", "\xc3\xa9"
    };
    static const char *const formats[] = { "dotenv", "dotenv-export" };
    struct pn_buf out = pn_buf_init(1 << 16);

    for (size_t i = 0; i < PN_COUNT(names) * 2; i++) {
        struct pn_client_secrets one = own(*state, names[i / 2], "v");
        struct pn_err err = { 0 };

        CHECK(!pn_client_secrets_print(&one, pn_str_from(formats[i % 2]), &out, &err));
        CHECK_EQ(err.code, PN_USAGE);
        CHECK(printed(*state, one, "json").len > 0);
    }
    pn_buf_drop(&out);
}

PN_TEST(unknown_forms_and_too_much_are_refused)
{
    struct pn_client_secrets one = own(*state, "K", "0123456789");
    struct pn_buf small = pn_buf_init(8);
    struct pn_err err = { 0 };

    CHECK(!pn_client_secrets_print(&one, PN_LIT("toml"), &small, &err));
    CHECK_EQ(err.code, PN_USAGE);
    pn_err_clear(&err);
    CHECK(!pn_client_secrets_print(&one, PN_LIT("dotenv"), &small, &err));
    CHECK_EQ(err.code, PN_TOO_LARGE);
    pn_buf_drop(&small);
}

static size_t skipped_count;

static void count_skipped(struct pn_str name PN_UNUSED)
{
    skipped_count++;
}

PN_TEST(an_environment_leaves_the_shell_alone)
{
    size_t hidden;
    struct home *home = *state;
    struct pn_client_secrets secrets =
        merged(home,
               "{\"secrets\":[{\"secretKey\":\"PATH\",\"secretValue\":\"/evil\"},"
               "{\"secretKey\":\"LD_PRELOAD\",\"secretValue\":\"/evil\"},"
               "{\"secretKey\":\"XDG_CONFIG_HOME\",\"secretValue\":\"/evil\"},"
               "{\"secretKey\":\"A=B\",\"secretValue\":\"x\"},"
               "{\"secretKey\":\"KEY\",\"secretValue\":\"a=b c\"}]}",
               &hidden);
    char **environment;

    skipped_count = 0;
    environment = pn_client_secrets_environment(home->arena, &secrets, count_skipped);
    CHECK_STR(pn_str_from(environment[0]), "KEY=a=b c");
    CHECK(environment[1] == NULL);
    CHECK_EQ(skipped_count, 4);
}

PN_TEST_MAIN(H(own_secrets_win_and_later_imports_before_earlier_ones), H(nothing_is_a_list_too),
             H(values_come_through_as_they_are), H(csv_is_quoted_where_it_must_be),
             H(names_that_are_no_variables_are_refused), H(unknown_forms_and_too_much_are_refused),
             H(an_environment_leaves_the_shell_alone))
