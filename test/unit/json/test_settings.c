/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "json/settings.h"

struct given {
    const char *name, *value;
};

static const struct given *variables, *flags;

static const char *look_up(const struct given *list, const char *name)
{
    for (; list != NULL && list->name != NULL; list++) {
        if (strcmp(list->name, name) == 0)
            return list->value;
    }
    return NULL;
}

static const char *variable(const char *name)
{
    return look_up(variables, name);
}

static const char *flag(void *context, const char *name)
{
    (void)context;
    return look_up(flags, name);
}

static bool load(const char *file, struct pn_settings **out, struct pn_err *err)
{
    const struct pn_settings_source source = { .file_text = pn_str_from(file),
                                               .file_name = "postern.yaml",
                                               .environment = variable,
                                               .flag = flag };

    return pn_settings_load(&source, out, err);
}

static void forget(void)
{
    variables = flags = NULL;
}

PN_TEST(defaults_stand_without_anything)
{
    pn_auto(pn_settings_freep) struct pn_settings *s = NULL;
    struct pn_err err = { 0 };

    forget();
    CHECK_OK(load(NULL, &s, &err), err);
    CHECK_EQ(strcmp(s->data, "/var/lib/postern"), 0);
    CHECK_EQ(s->request_timeout, 60000);
    CHECK(!s->dev && s->rate_limits);
    CHECK(s->root_key == NULL);
    CHECK_EQ(pn_settings_origin(s, "data"), PN_FROM_DEFAULT);
}

PN_TEST(flag_over_environment_over_file_over_default)
{
    static const struct given env[] = { { "POSTERN_QUEUE", "30" },
                                        { "POSTERN_LISTEN", "env:1" },
                                        { 0 } };
    static const struct given typed[] = { { "listen", "flag:1" }, { 0 } };
    pn_auto(pn_settings_freep) struct pn_settings *s = NULL;
    struct pn_err err = { 0 };

    variables = env;
    flags = typed;
    CHECK_OK(load("data: /file\nqueue: 20\nlisten: file:1\nrequest-timeout: 5m\n", &s, &err), err);
    CHECK_EQ(strcmp(s->data, "/file"), 0);
    CHECK_EQ(s->queue, 30);
    CHECK_EQ(strcmp(s->listen, "flag:1"), 0);
    CHECK_EQ(s->request_timeout, 300000);
    CHECK_EQ(pn_settings_origin(s, "data"), PN_FROM_FILE);
    CHECK_EQ(pn_settings_origin(s, "queue"), PN_FROM_ENVIRONMENT);
    CHECK_EQ(pn_settings_origin(s, "listen"), PN_FROM_FLAG);
}

PN_TEST(json_is_a_file_too_and_a_flag_alone_is_true)
{
    static const struct given typed[] = { { "dev", "" }, { 0 } };
    pn_auto(pn_settings_freep) struct pn_settings *s = NULL;
    struct pn_err err = { 0 };

    forget();
    flags = typed;
    CHECK_OK(load("{\"data\": \"/j\", \"rate-limits\": false, \"queue\": 7}", &s, &err), err);
    CHECK(s->dev && !s->rate_limits);
    CHECK_EQ(s->queue, 7);
}

PN_TEST(unknown_names_are_errors_that_suggest)
{
    struct pn_settings *s;
    struct pn_err err = { 0 };

    forget();
    CHECK(!load("listn: x\n", &s, &err));
    CHECK_EQ(err.code, PN_USAGE);
    CHECK_STR(pn_str_from(err.message),
              "postern.yaml: unknown setting \"listn\"; did you mean \"listen\"?");
    pn_err_clear(&err);
    CHECK(!load("completely-else: x\n", &s, &err));
    CHECK_STR(pn_str_from(err.message), "postern.yaml: unknown setting \"completely-else\"");
}

PN_TEST(wrong_values_are_refused)
{
    static const char *const files[] = { "queue: -1",
                                         "queue: many",
                                         "queue: 1000001",
                                         "request-timeout: soon",
                                         "request-timeout: 48h",
                                         "dev: 2",
                                         "dev: maybe",
                                         "data: [a]",
                                         "data: {a: b}",
                                         "- data",
                                         "data: null",
                                         "data: \"a\\0b\"",
                                         "data: a\ndata: b",
                                         "a: &x 1\nb: *x" };

    forget();
    for (size_t i = 0; i < PN_COUNT(files); i++) {
        struct pn_settings *s;
        struct pn_err err = { 0 };

        CHECK_FAILS(load(files[i], &s, &err), err, USAGE);
    }
}

PN_TEST(secrets_are_never_flags_and_never_shown)
{
    static const struct given env[] = { { "POSTERN_ROOT_KEY", "very-secret" }, { 0 } };
    static const struct given typed[] = { { "root-key", "from-argv" }, { 0 } };
    pn_auto(pn_settings_freep) struct pn_settings *s = NULL;
    pn_auto(pn_buf_drop) struct pn_buf shown = pn_buf_init(16384);
    struct pn_err err = { 0 };

    variables = env;
    flags = typed;
    CHECK_OK(load(NULL, &s, &err), err);
    CHECK(pn_secret_eq(s->root_key, PN_LIT("very-secret")));
    pn_settings_print(s, true, &shown);
    CHECK(pn_str_search(pn_buf_str(&shown), PN_LIT("root-key: (set)  # environment\n")) >= 0);
    CHECK(pn_str_search(pn_buf_str(&shown), PN_LIT("very-secret")) < 0);
}

PN_TEST(what_is_shown_can_be_loaded)
{
    pn_auto(pn_settings_freep) struct pn_settings *s = NULL, *again = NULL;
    pn_auto(pn_buf_drop) struct pn_buf shown = pn_buf_init(16384);
    pn_auto(pn_buf_drop) struct pn_buf second = pn_buf_init(16384);
    struct pn_err err = { 0 };

    forget();
    CHECK_OK(load("listen: 1.2.3.4:5\ndev: true\nrequest-timeout: 90 min\n", &s, &err), err);
    pn_settings_print(s, false, &shown);
    CHECK_OK(load(pn_buf_cstr(&shown), &again, &err), err);
    pn_settings_print(again, false, &second);
    CHECK_EQ(again->request_timeout, 5400000);
    CHECK(again->root_key == NULL);
    CHECK(pn_str_eq(pn_buf_str(&shown), pn_buf_str(&second)));
}

PN_TEST_MAIN(T(defaults_stand_without_anything), T(flag_over_environment_over_file_over_default),
             T(json_is_a_file_too_and_a_flag_alone_is_true),
             T(unknown_names_are_errors_that_suggest), T(wrong_values_are_refused),
             T(secrets_are_never_flags_and_never_shown), T(what_is_shown_can_be_loaded))
