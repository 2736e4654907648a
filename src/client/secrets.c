/* SPDX-License-Identifier: Apache-2.0 */
#include "client/secrets.h"

#include <stdlib.h>

#include "json/writer.h"

/* ---- merging ---- */

struct candidate {
    struct pn_client_secret secret;
    size_t rank; /* the highest of a name wins */
};

struct merge {
    struct candidate *items;
    size_t count, hidden;
};

static void add(struct merge *merge, const struct pn_value *list)
{
    for (size_t i = 0; i < pn_value_count(list); i++) {
        const struct pn_value *item = pn_value_item(list, i);

        if (pn_value_bool(pn_value_get(item, "secretValueHidden"), false)) {
            merge->hidden++;
            continue;
        }
        merge->items[merge->count] = (struct candidate){
            .secret = { pn_value_str(pn_value_get(item, "secretKey")),
                        pn_value_str(pn_value_get(item, "secretValue")) },
            .rank = merge->count,
        };
        merge->count++;
    }
}

static int by_name_and_rank(const void *a_, const void *b_)
{
    const struct candidate *a = a_, *b = b_;
    int order = pn_str_cmp(a->secret.key, b->secret.key);

    return order != 0 ? order : (a->rank > b->rank) - (a->rank < b->rank);
}

void pn_client_secrets_merge(struct pn_arena *arena, const struct pn_value *reply,
                             struct pn_client_secrets *out, size_t *hidden)
{
    const struct pn_value *imports = pn_value_get(reply, "imports");
    const struct pn_value *own = pn_value_get(reply, "secrets");
    size_t total = pn_value_count(own);
    struct merge merge = { 0 };

    for (size_t i = 0; i < pn_value_count(imports); i++)
        total += pn_value_count(pn_value_get(pn_value_item(imports, i), "secrets"));
    merge.items = pn_new(arena, struct candidate, total + 1);
    for (size_t i = 0; i < pn_value_count(imports); i++)
        add(&merge, pn_value_get(pn_value_item(imports, i), "secrets"));
    add(&merge, own);
    qsort(merge.items, merge.count, sizeof *merge.items, by_name_and_rank);
    *out = (struct pn_client_secrets){ pn_new(arena, struct pn_client_secret, merge.count + 1), 0 };
    for (size_t i = 0; i < merge.count; i++) {
        bool is_last = i + 1 == merge.count ||
                       !pn_str_eq(merge.items[i].secret.key, merge.items[i + 1].secret.key);

        if (is_last)
            out->items[out->count++] = merge.items[i].secret;
    }
    *hidden = merge.hidden;
}

/* ---- forms ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What follows `export` is read by a shell: anything else would be a command there. */
static bool is_variable(struct pn_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (!is_word(key.ptr[i]))
            return false;
    }
    return key.len > 0 && !(key.ptr[0] >= '0' && key.ptr[0] <= '9');
}

/* In single quotes as it is; else in double quotes with what a shell would read escaped. */
static void add_quoted(struct pn_buf *out, struct pn_str value)
{
    bool is_single = pn_str_find(value, '\'') < 0;

    pn_buf_add_byte(out, is_single ? '\'' : '"');
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (!is_single && (c == '"' || c == '\\' || c == '$' || c == '`'))
            pn_buf_add_byte(out, '\\');
        pn_buf_add_byte(out, c);
    }
    pn_buf_add_byte(out, is_single ? '\'' : '"');
}

static bool print_assignments(const struct pn_client_secrets *secrets, const char *prefix,
                              struct pn_buf *out, struct pn_err *err)
{
    for (size_t i = 0; i < secrets->count; i++) {
        const struct pn_client_secret *s = &secrets->items[i];

        if (!is_variable(s->key))
            return pn_fail(err, PN_USAGE,
                           "\"%.*s\" cannot be the name of a variable: choose json, yaml or csv",
                           PN_ARG(s->key));
        pn_buf_add_text(out, prefix);
        pn_buf_add(out, s->key);
        pn_buf_add_byte(out, '=');
        add_quoted(out, s->value);
        pn_buf_add_byte(out, '\n');
    }
    return true;
}

static bool print_dotenv(const struct pn_client_secrets *secrets, struct pn_buf *out,
                         struct pn_err *err)
{
    return print_assignments(secrets, "", out, err);
}

static bool print_export(const struct pn_client_secrets *secrets, struct pn_buf *out,
                         struct pn_err *err)
{
    return print_assignments(secrets, "export ", out, err);
}

static void write_map(const struct pn_client_secrets *secrets, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    for (size_t i = 0; i < secrets->count; i++)
        pn_write_str_at(&w, secrets->items[i].key, secrets->items[i].value);
    pn_write_end(&w);
}

static void write_list(const struct pn_client_secrets *secrets, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < secrets->count; i++) {
        pn_write_object(&w, NULL);
        pn_write_str(&w, "key", secrets->items[i].key);
        pn_write_str(&w, "value", secrets->items[i].value);
        pn_write_end(&w);
    }
    pn_write_end(&w);
}

/* Through a document, which knows how JSON is indented and how YAML quotes. */
static bool print_document(const struct pn_client_secrets *secrets, bool is_list, bool is_yaml,
                           struct pn_buf *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(out->max_bytes);
    pn_auto(pn_value_freep) struct pn_value *document = NULL;

    if (is_list)
        write_list(secrets, &json);
    else
        write_map(secrets, &json);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "these are too many secrets to print");
    if (!pn_value_parse(pn_buf_str(&json), &document, err))
        return false;
    if (is_yaml) {
        pn_value_print_yaml(document, out);
        return true;
    }
    pn_value_print(document, true, out);
    pn_buf_add_byte(out, '\n');
    return true;
}

static bool print_json(const struct pn_client_secrets *secrets, struct pn_buf *out,
                       struct pn_err *err)
{
    return print_document(secrets, false, false, out, err);
}

static bool print_json_list(const struct pn_client_secrets *secrets, struct pn_buf *out,
                            struct pn_err *err)
{
    return print_document(secrets, true, false, out, err);
}

static bool print_yaml(const struct pn_client_secrets *secrets, struct pn_buf *out,
                       struct pn_err *err)
{
    return print_document(secrets, false, true, out, err);
}

/* RFC 4180: quoted where it must be. */
static void add_cell(struct pn_buf *out, struct pn_str text)
{
    bool is_plain = true;

    for (size_t i = 0; i < text.len && is_plain; i++)
        is_plain =
            text.ptr[i] != ',' && text.ptr[i] != '"' && text.ptr[i] != '\n' && text.ptr[i] != '\r';
    if (is_plain) {
        pn_buf_add(out, text);
        return;
    }
    pn_buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            pn_buf_add_byte(out, '"');
        pn_buf_add_byte(out, text.ptr[i]);
    }
    pn_buf_add_byte(out, '"');
}

static bool print_csv(const struct pn_client_secrets *secrets, struct pn_buf *out,
                      struct pn_err *err PN_UNUSED)
{
    pn_buf_add_text(out, "Key,Value\n");
    for (size_t i = 0; i < secrets->count; i++) {
        add_cell(out, secrets->items[i].key);
        pn_buf_add_byte(out, ',');
        add_cell(out, secrets->items[i].value);
        pn_buf_add_byte(out, '\n');
    }
    return true;
}

bool pn_client_secrets_print(const struct pn_client_secrets *secrets, struct pn_str format,
                             struct pn_buf *out, struct pn_err *err)
{
    static const struct {
        const char *name;
        bool (*print)(const struct pn_client_secrets *, struct pn_buf *, struct pn_err *);
    } formats[] = {
        { "dotenv", print_dotenv }, { "dotenv-export", print_export },
        { "json", print_json },     { "json-list", print_json_list },
        { "yaml", print_yaml },     { "csv", print_csv },
    };

    for (size_t i = 0; i < PN_COUNT(formats); i++) {
        if (!pn_str_is(format, formats[i].name))
            continue;
        if (!formats[i].print(secrets, out, err))
            return false;
        return !out->is_full || pn_fail(err, PN_TOO_LARGE, "these are too many secrets to print");
    }
    return pn_fail(err, PN_USAGE,
                   "the format is dotenv, dotenv-export, json, yaml or csv, not %.*s",
                   PN_ARG(format));
}

/* ---- environment ---- */

static bool is_reserved(struct pn_str name)
{
    static const char *const names[] = { "HOME", "PATH",     "PS1",        "PS2",
                                         "PWD",  "EDITOR",   "XAUTHORITY", "USER",
                                         "TERM", "TERMINFO", "SHELL",      "MAIL" };

    for (size_t i = 0; i < PN_COUNT(names); i++) {
        if (pn_str_is(name, names[i]))
            return true;
    }
    return pn_str_starts(name, PN_LIT("XDG_")) || pn_str_starts(name, PN_LIT("LC_")) ||
           pn_str_starts(name, PN_LIT("LD_")) || name.len == 0 || pn_str_find(name, '=') >= 0;
}

char **pn_client_secrets_environment(struct pn_arena *arena,
                                     const struct pn_client_secrets *secrets,
                                     void (*skipped)(struct pn_str name))
{
    char **environment = pn_new(arena, char *, secrets->count + 1);
    size_t count = 0;

    for (size_t i = 0; i < secrets->count; i++) {
        const struct pn_client_secret *s = &secrets->items[i];
        pn_auto(pn_buf_drop) struct pn_buf pair = pn_buf_init_wiped(s->key.len + s->value.len + 2);

        if (is_reserved(s->key)) {
            if (skipped != NULL)
                skipped(s->key);
            continue;
        }
        pn_buf_add(&pair, s->key);
        pn_buf_add_byte(&pair, '=');
        pn_buf_add(&pair, s->value);
        environment[count] = (char *)(uintptr_t)pn_cstr(arena, pn_buf_str(&pair));
        count += environment[count] != NULL;
    }
    return environment;
}
