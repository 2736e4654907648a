/* SPDX-License-Identifier: Apache-2.0 */
#include "json/settings.h"

#include "base/clock.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>

#define MAX_COUNT 1000000
#define MAX_SPAN_MS (INT64_C(24) * 3600 * 1000)
#define MAX_NAME 32
#define MAX_TYPO 3 /* edits between a wrong name and the one we suggest */

const struct pn_setting pn_setting_table[] = {
#define X(member, name, kind, fallback, value, help) \
    { name, fallback, value, help, PN_SETTING_##kind, offsetof(struct pn_settings, member) },
#include "json/settings.def"
#undef X
};
const size_t pn_setting_count = PN_COUNT(pn_setting_table);
_Static_assert(PN_COUNT(pn_setting_table) <=
                   sizeof(((struct pn_settings *)0)->origins) / sizeof(enum pn_setting_origin),
               "room for the origin of each setting");

static const char *const origin_names[] = {
    [PN_FROM_DEFAULT] = "default",
    [PN_FROM_FILE] = "file",
    [PN_FROM_ENVIRONMENT] = "environment",
    [PN_FROM_FLAG] = "flag",
};

static void *member(struct pn_settings *settings, const struct pn_setting *setting)
{
    return (char *)settings + setting->offset;
}

static bool set_text(char **to, struct pn_str text)
{
    char *copy;

    if (pn_str_find(text, '\0') >= 0)
        return false;
    copy = pn_heap_new(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    pn_heap_free(*to);
    *to = copy;
    return true;
}

static bool set_secret(struct pn_secret **to, struct pn_str text, struct pn_err *err)
{
    pn_secret_freep(to);
    if (text.len == 0)
        return true;
    *to = pn_secret_new(text, err);
    return *to != NULL;
}

static bool set_count(int64_t *to, struct pn_str text)
{
    return pn_str_i64(text, to) && *to >= 0 && *to <= MAX_COUNT;
}

static bool set_span(int64_t *to, struct pn_str text)
{
    return pn_clock_parse_duration(text, to) && *to <= MAX_SPAN_MS;
}

static bool set_switch(bool *to, struct pn_str text)
{
    *to = pn_str_is(text, "true");
    return *to || pn_str_is(text, "false");
}

static bool set_value(struct pn_settings *settings, const struct pn_setting *setting,
                      struct pn_str text, enum pn_setting_origin origin, struct pn_err *err)
{
    void *to = member(settings, setting);
    const char *wanted = NULL;

    switch (setting->kind) {
    case PN_SETTING_TEXT: wanted = set_text(to, text) ? NULL : "a text"; break;
    case PN_SETTING_COUNT:
        wanted = set_count(to, text) ? NULL : "a number from 0 to 1000000";
        break;
    case PN_SETTING_SPAN:
        wanted = set_span(to, text) ? NULL : "a duration such as 10s, at most 24h";
        break;
    case PN_SETTING_SWITCH: wanted = set_switch(to, text) ? NULL : "true or false"; break;
    case PN_SETTING_SECRET:
        if (!set_secret(to, text, err))
            return false;
        break;
    }
    if (wanted != NULL)
        return pn_fail(err, PN_USAGE, "Setting %s (%s) must be %s, not \"%.*s\"", setting->name,
                       origin_names[origin], wanted, PN_ARG(pn_str_slice(text, 0, 60)));
    settings->origins[setting - pn_setting_table] = origin;
    return true;
}

/* Edits (insert, delete, replace) that turn one name into the other. */
static size_t distance(struct pn_str a, const char *b)
{
    size_t row[MAX_NAME + 1], b_len = strlen(b);

    if (a.len > MAX_NAME || b_len > MAX_NAME)
        return MAX_NAME;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = replaced < best ? replaced : best;
        }
    }
    return row[b_len];
}

static bool refuse_name(struct pn_str name, const char *file, struct pn_err *err)
{
    const char *nearest = NULL;
    size_t least = MAX_TYPO + 1;

    for (size_t i = 0; i < pn_setting_count; i++) {
        size_t edits = distance(name, pn_setting_table[i].name);

        if (edits < least) {
            least = edits;
            nearest = pn_setting_table[i].name;
        }
    }
    return pn_fail(err, PN_USAGE, "%s: unknown setting \"%.*s\"%s%s%s", file,
                   PN_ARG(pn_str_slice(name, 0, 60)), nearest != NULL ? "; did you mean \"" : "",
                   nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static const struct pn_setting *find(struct pn_str name)
{
    for (size_t i = 0; i < pn_setting_count; i++) {
        if (pn_str_is(name, pn_setting_table[i].name))
            return &pn_setting_table[i];
    }
    return NULL;
}

/* A scalar as text, so that `queue: 10` and `queue: "10"` say the same. */
static bool scalar_text(const struct pn_value *value, struct pn_buf *out)
{
    if (pn_value_is_object(value) || pn_value_is_array(value) || pn_value_is_null(value))
        return false;
    if (pn_value_is_string(value))
        return pn_buf_add(out, pn_value_str(value));
    pn_value_print(value, false, out);
    return !out->is_full;
}

static bool load_file(struct pn_settings *settings, const struct pn_settings_source *source,
                      struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *root = NULL;
    const struct pn_value *value;
    struct pn_str name;

    if (pn_str_trim(source->file_text).len == 0)
        return true;
    if (!pn_value_parse_yaml(source->file_text, &root, err))
        return pn_recast(err, PN_USAGE, "%s is not valid YAML", source->file_name);
    if (pn_value_is_null(root))
        return true;
    if (!pn_value_is_object(root))
        return pn_fail(err, PN_USAGE, "%s: expected lines of the form name: value",
                       source->file_name);
    for (size_t i = 0; pn_value_member(root, i, &name, &value); i++) {
        pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(8192);
        const struct pn_setting *setting = find(name);

        if (setting == NULL)
            return refuse_name(name, source->file_name, err);
        if (!scalar_text(value, &text))
            return pn_fail(err, PN_USAGE, "%s: %s must be a single value", source->file_name,
                           setting->name);
        if (!set_value(settings, setting, pn_buf_str(&text), PN_FROM_FILE, err))
            return false;
    }
    return true;
}

static void variable_name(const struct pn_setting *setting, char out[64])
{
    int len = snprintf(out, 64, "POSTERN_%s", setting->name);

    for (int i = 0; i < len; i++)
        out[i] = (char)(out[i] == '-'                    ? '_'
                        : out[i] >= 'a' && out[i] <= 'z' ? out[i] - 32
                                                         : out[i]);
}

static bool load_environment(struct pn_settings *settings, const struct pn_settings_source *source,
                             struct pn_err *err)
{
    for (size_t i = 0; i < pn_setting_count && source->environment != NULL; i++) {
        char variable[64];
        const char *text;

        variable_name(&pn_setting_table[i], variable);
        text = source->environment(variable);
        if (text != NULL &&
            !set_value(settings, &pn_setting_table[i], pn_str_from(text), PN_FROM_ENVIRONMENT, err))
            return false;
    }
    return true;
}

static bool load_flags(struct pn_settings *settings, const struct pn_settings_source *source,
                       struct pn_err *err)
{
    for (size_t i = 0; i < pn_setting_count && source->flag != NULL; i++) {
        const struct pn_setting *setting = &pn_setting_table[i];
        const char *text = setting->kind == PN_SETTING_SECRET
                               ? NULL
                               : source->flag(source->flag_context, setting->name);

        if (text != NULL && setting->kind == PN_SETTING_SWITCH && text[0] == '\0')
            text = "true"; /* the flag alone */
        if (text != NULL && !set_value(settings, setting, pn_str_from(text), PN_FROM_FLAG, err))
            return false;
    }
    return true;
}

bool pn_settings_load(const struct pn_settings_source *source, struct pn_settings **out,
                      struct pn_err *err)
{
    pn_auto(pn_settings_freep) struct pn_settings *settings = pn_heap_new(sizeof(*settings));

    for (size_t i = 0; i < pn_setting_count; i++) {
        if (!set_value(settings, &pn_setting_table[i], pn_str_from(pn_setting_table[i].fallback),
                       PN_FROM_DEFAULT, err))
            return false;
    }
    if (!load_file(settings, source, err) || !load_environment(settings, source, err) ||
        !load_flags(settings, source, err))
        return false;
    *out = pn_take(&settings);
    return true;
}

enum pn_setting_origin pn_settings_origin(const struct pn_settings *settings, const char *name)
{
    const struct pn_setting *setting = find(pn_str_from(name));

    pn_assert(setting != NULL);
    return settings->origins[setting - pn_setting_table];
}

bool pn_settings_set(struct pn_settings *settings, const char *name, struct pn_str text,
                     struct pn_err *err)
{
    const struct pn_setting *setting = find(pn_str_from(name));

    pn_assert(setting != NULL);
    return set_value(settings, setting, text, PN_FROM_DEFAULT, err);
}

void pn_settings_free(struct pn_settings *settings)
{
    for (size_t i = 0; settings != NULL && i < pn_setting_count; i++) {
        void *at = member(settings, &pn_setting_table[i]);

        if (pn_setting_table[i].kind == PN_SETTING_TEXT)
            pn_heap_free(*(char **)at);
        else if (pn_setting_table[i].kind == PN_SETTING_SECRET)
            pn_secret_free(*(struct pn_secret **)at);
    }
    pn_heap_free(settings);
}

void pn_settings_freep(struct pn_settings **settings)
{
    pn_settings_free(*settings);
}

void pn_settings_print(const struct pn_settings *settings, bool has_origins, struct pn_buf *out)
{
    for (size_t i = 0; i < pn_setting_count; i++) {
        const struct pn_setting *setting = &pn_setting_table[i];
        const void *at = (const char *)settings + setting->offset;

        /* A secret's line is a comment: what is shown can be used as a file. */
        pn_buf_addf(out, "%s%s: ", setting->kind == PN_SETTING_SECRET ? "# " : "", setting->name);
        switch (setting->kind) {
        case PN_SETTING_TEXT: pn_buf_addf(out, "\"%s\"", *(char *const *)at); break;
        case PN_SETTING_SECRET:
            pn_buf_add_text(out, *(struct pn_secret *const *)at != NULL ? "(set)" : "(not set)");
            break;
        case PN_SETTING_COUNT: pn_buf_addf(out, "%lld", (long long)*(const int64_t *)at); break;
        case PN_SETTING_SPAN: pn_buf_addf(out, "%lldms", (long long)*(const int64_t *)at); break;
        case PN_SETTING_SWITCH: pn_buf_add_text(out, *(const bool *)at ? "true" : "false"); break;
        }
        if (has_origins)
            pn_buf_addf(out, "  # %s", origin_names[settings->origins[i]]);
        pn_buf_add_byte(out, '\n');
    }
}
