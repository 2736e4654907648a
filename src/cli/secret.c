/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/secret.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/applets.h"
#include "sys/sys.h"

#define MAX_VALUE_BYTES ((size_t)8 * 1024 * 1024)

static const struct pn_column list_columns[] = {
    { "NAME", "secretKey" },  { "PATH", "secretPath" },   { "TYPE", "type" },
    { "VERSION", "version" }, { "UPDATED", "updatedAt" }, { 0 }
};
static const struct pn_column value_columns[] = { { "NAME", "secretKey" },
                                                  { "VALUE", "secretValue" },
                                                  { "PATH", "secretPath" },
                                                  { "TYPE", "type" },
                                                  { 0 } };
static const struct pn_column written_columns[] = {
    { "NAME", "secretKey" }, { "VERSION", "version" }, { "TYPE", "type" }, { 0 }
};

/* ---- list ---- */

bool pn_secret_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    bool with_values;

    (void)exit_code;
    if (!pn_cli_bool(cli, "show-values", false, &with_values, err) ||
        !pn_cli_read_secrets(cli, with_values, &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, "secrets"), with_values ? value_columns : list_columns);
    return true;
}

/* As the official client lists: merged, names and values; --plain: the values alone. */
bool pn_secret_list_merged(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    static const struct pn_column columns[] = { { "SECRET NAME", "key" },
                                                { "SECRET VALUE", "value" },
                                                { 0 } };
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_CLI_BODY_BYTES * 4);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_client_secrets secrets;

    (void)exit_code;
    if (!pn_cli_merged_secrets(cli, &reply, &secrets, err))
        return false;
    if (pn_cli_is_on(cli, "plain")) {
        for (size_t i = 0; i < secrets.count; i++)
            printf("%.*s\n", PN_ARG(secrets.items[i].value));
        return true;
    }
    return pn_client_secrets_print(&secrets, PN_LIT("json-list"), &json, err) &&
           pn_cli_print_json(cli, pn_buf_str(&json), columns, err);
}

/* ---- get ---- */

static bool fetch_one(struct pn_cli *cli, const struct pn_cli_place *place, struct pn_str name,
                      struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    bool expands, imports;

    if (!pn_cli_bool(cli, "expand", true, &expands, err) ||
        !pn_cli_bool(cli, "include-imports", true, &imports, err))
        return false;
    pn_buf_addf(&path, "/v4/secrets/%.*s", PN_ARG(pn_cli_segment(cli, name)));
    pn_rest_query(&path, "projectId", place->project);
    pn_rest_query(&path, "environment", place->environment);
    pn_rest_query(&path, "secretPath", place->path);
    pn_rest_query(&path, "expandSecretReferences", expands ? PN_LIT("true") : PN_LIT("false"));
    pn_rest_query(&path, "includeImports", imports ? PN_LIT("true") : PN_LIT("false"));
    pn_rest_query(&path, "type", pn_cli_option(cli, "type"));
    pn_rest_query(&path, "version", pn_cli_option(cli, "version"));
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    return pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, reply, err);
}

/* A name that a URL would read as a step up is another call. */
static bool check_name(struct pn_str name, struct pn_err *err)
{
    return (name.len > 0 && !pn_str_is(name, ".") && !pn_str_is(name, "..")) ||
           pn_fail(err, PN_USAGE, "\"%.*s\" is not the name of a secret", PN_ARG(name));
}

bool pn_secret_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_CLI_BODY_BYTES * 4);
    bool is_plain = pn_cli_is_on(cli, "plain");
    struct pn_cli_place place;

    (void)exit_code;
    if (!pn_cli_place(cli, &place, err))
        return false;
    pn_buf_add_byte(&json, '[');
    for (size_t i = 0; i < pn_cli_arg_count(cli); i++) {
        pn_auto(pn_value_freep) struct pn_value *reply = NULL;
        struct pn_str value;

        if (!check_name(pn_cli_arg(cli, i), err) ||
            !fetch_one(cli, &place, pn_cli_arg(cli, i), &reply, err))
            return false;
        value = pn_value_str(pn_value_at(reply, "secret.secretValue"));
        if (is_plain)
            printf("%.*s\n", PN_ARG(value));
        pn_buf_add_text(&json, i > 0 ? "," : "");
        pn_value_print(pn_value_get(reply, "secret"), false, &json);
    }
    pn_buf_add_byte(&json, ']');
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "these are too many secrets to print");
    return is_plain || pn_cli_print_json(cli, pn_buf_str(&json), value_columns, err);
}

/* ---- set ---- */

/* Of NAME alone: --value-file, else the terminal, else standard input. */
static bool read_value(struct pn_cli *cli, struct pn_str name, struct pn_buf *value,
                       struct pn_err *err)
{
    const char *file = pn_cli_option_text(cli, "value-file");
    pn_auto(pn_secret_freep) struct pn_secret *secret = NULL;

    if (file == NULL && pn_terminal_is_tty(STDIN_FILENO))
        return pn_terminal_password(
            pn_cstr(pn_cli_arena(cli), pn_cli_path(cli, "%.*s: ", PN_ARG(name))), value, err);
    if (!pn_cli_secret_file(file != NULL ? file : "-", &secret, err))
        return false;
    pn_buf_add(value, pn_secret_reveal(secret));
    return true;
}

/* NAME, NAME=@FILE, NAME=VALUE (\@ stands for a value that begins with @). */
static bool take_word(struct pn_cli *cli, struct pn_str word, struct pn_str *name,
                      struct pn_buf *value, struct pn_err *err)
{
    ptrdiff_t equals = pn_str_find(word, '=');
    struct pn_str given = equals < 0 ? PN_NONE : pn_str_slice(word, (size_t)equals + 1, word.len);

    *name = equals < 0 ? word : pn_str_slice(word, 0, (size_t)equals);
    if (!check_name(*name, err))
        return false;
    if (equals < 0) {
        if (pn_cli_arg_count(cli) > 1)
            return pn_fail(err, PN_USAGE, "for several secrets give NAME=@FILE each");
        return read_value(cli, *name, value, err);
    }
    if (pn_str_starts(given, PN_LIT("@"))) {
        const char *file = pn_cstr(pn_cli_arena(cli), pn_str_slice(given, 1, given.len));

        return pn_file_read(file, MAX_VALUE_BYTES, value, err) ||
               pn_recast(err, PN_USAGE, "%s", err->message);
    }
    if (pn_str_starts(given, PN_LIT("\\@")))
        given = pn_str_slice(given, 1, given.len);
    pn_buf_add(value, given);
    return true;
}

static bool write_words(struct pn_cli *cli, struct pn_writer *w, struct pn_err *err)
{
    for (size_t i = 0; i < pn_cli_arg_count(cli); i++) {
        pn_auto(pn_buf_drop) struct pn_buf value = pn_buf_init_wiped(MAX_VALUE_BYTES);
        struct pn_str name;

        if (!take_word(cli, pn_cli_arg(cli, i), &name, &value, err))
            return false;
        pn_write_object(w, NULL);
        pn_write_str(w, "secretKey", name);
        pn_write_str(w, "secretValue", value.len > 0 ? pn_buf_str(&value) : PN_LIT(""));
        if (pn_cli_has(cli, "comment"))
            pn_write_str(w, "secretComment", pn_cli_option(cli, "comment"));
        pn_write_end(w);
    }
    return true;
}

/* All of them or none. */
static bool set_shared(struct pn_cli *cli, const struct pn_cli_place *place, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    pn_write_object(&w, NULL);
    pn_cli_write_place(place, "secretPath", &w);
    pn_write_text(&w, "mode", "upsert");
    pn_write_array(&w, "secrets");
    if (!write_words(cli, &w, err))
        return false;
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_cli_call(cli, "PATCH", PN_LIT("/v4/secrets/batch"), &body, "secrets", written_columns,
                       err);
}

/* A value of one's own in front of the shared one: changed, or made. */
static bool set_personal(struct pn_cli *cli, const struct pn_cli_place *place, struct pn_err *err)
{
    for (size_t i = 0; i < pn_cli_arg_count(cli); i++) {
        pn_auto(pn_buf_drop) struct pn_buf value = pn_buf_init_wiped(MAX_VALUE_BYTES);
        pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
        struct pn_writer w = pn_writer_of(&body);
        struct pn_str name, path;

        if (!take_word(cli, pn_cli_arg(cli, i), &name, &value, err))
            return false;
        pn_write_object(&w, NULL);
        pn_cli_write_place(place, "secretPath", &w);
        pn_write_text(&w, "type", "personal");
        pn_write_str(&w, "secretValue", value.len > 0 ? pn_buf_str(&value) : PN_LIT(""));
        pn_write_end(&w);
        path = pn_cli_path(cli, "/v4/secrets/%.*s", PN_ARG(pn_cli_segment(cli, name)));
        if (pn_cli_call(cli, "PATCH", path, &body, "secret", written_columns, err))
            continue;
        if (err->code != PN_NOT_FOUND)
            return false;
        pn_err_clear(err);
        if (!pn_cli_call(cli, "POST", path, &body, "secret", written_columns, err))
            return false;
    }
    return true;
}

bool pn_secret_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str type = pn_cli_option(cli, "type");
    struct pn_cli_place place;

    (void)exit_code;
    if (type.len > 0 && !pn_str_is(type, "shared") && !pn_str_is(type, "personal"))
        return pn_fail(err, PN_USAGE, "--type is shared or personal");
    if (pn_str_is(type, "personal") && pn_cli_has(cli, "comment"))
        return pn_fail(err, PN_USAGE, "--comment is of the shared secret: a personal one has none");
    if (!pn_cli_place(cli, &place, err))
        return false;
    return pn_str_is(type, "personal") ? set_personal(cli, &place, err)
                                       : set_shared(cli, &place, err);
}

/* ---- delete ---- */

bool pn_secret_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str type = pn_cli_option(cli, "type");
    struct pn_cli_place place;

    (void)exit_code;
    if (!pn_cli_place(cli, &place, err))
        return false;
    pn_write_object(&w, NULL);
    pn_cli_write_place(&place, "secretPath", &w);
    pn_write_array(&w, "secrets");
    for (size_t i = 0; i < pn_cli_arg_count(cli); i++) {
        pn_write_object(&w, NULL);
        pn_write_str(&w, "secretKey", pn_cli_arg(cli, i));
        pn_write_str(&w, "type", type.len > 0 ? type : PN_LIT("shared"));
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_cli_call(cli, "DELETE", PN_LIT("/v4/secrets/batch"), &body, "secrets",
                       written_columns, err);
}

/* ---- the table ---- */

static const struct pn_option list_options[] = {
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { "show-values", "[=BOOL]", "with the values", NULL },
    { 0 },
};
static const struct pn_option get_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "plain", NULL, "the value and nothing else", NULL },
    { "version", "N", "an earlier value", NULL },
    { "type", "TYPE", "shared or personal", NULL },
    { "expand", "[=BOOL]", "resolve references (default true)", NULL },
    { "include-imports", "[=BOOL]", "also if it is imported (default true)", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "value-file", "F", "the value of the one NAME (- is standard input, the default)", NULL },
    { "comment", "TEXT", "what it is", NULL },
    { "type", "TYPE", "shared, or personal: only you see it", NULL },
    { 0 },
};
static const struct pn_option delete_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "type", "TYPE", "shared or personal", NULL },
    { 0 },
};

const struct pn_command pn_secret_commands[] = {
    { .words = "secret list",
      .arguments = "[--env ENV] [--path PATH] [--recursive] [--show-values]",
      .summary = "The secrets of a folder",
      .examples = "  postern secret list --env prod --path /shop --recursive\n",
      .options = list_options,
      .run = pn_secret_list },
    { .words = "secret get",
      .arguments = "NAME… [--env ENV] [--path PATH] [--plain]",
      .summary = "Secrets by name",
      .examples = "  postern secret get DATABASE_URL --env prod --plain\n",
      .options = get_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_get },
    { .words = "secret set",
      .arguments = "NAME | NAME=@FILE… | NAME=VALUE… [--env ENV] [--path PATH]",
      .summary = "Make or change secrets, all or none; NAME=VALUE shows in the list of processes",
      .examples = "  pwgen 32 1 | postern secret set DATABASE_PASSWORD --env prod\n"
                  "  postern secret set TLS_KEY=@key.pem TLS_CERT=@cert.pem --env prod\n",
      .options = set_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_set },
    { .words = "secret delete",
      .arguments = "NAME… [--env ENV] [--path PATH]",
      .summary = "Remove secrets",
      .examples = "  postern secret delete OLD_KEY --env prod\n",
      .options = delete_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_delete },
    { 0 },
};
