/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_SETTINGS_H
#define PN_JSON_SETTINGS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * Settings of the daemons, from one table (settings.def): flag over environment over file over
 * default. An unknown name in the file is an error that names the nearest one.
 */
enum pn_setting_kind {
    PN_SETTING_TEXT,
    PN_SETTING_SECRET,
    PN_SETTING_COUNT,
    PN_SETTING_SPAN,
    PN_SETTING_SWITCH
};
enum pn_setting_origin { PN_FROM_DEFAULT, PN_FROM_FILE, PN_FROM_ENVIRONMENT, PN_FROM_FLAG };

#define PN_SETTING_TYPE_TEXT const char * /* "" when not set */
#define PN_SETTING_TYPE_SECRET struct pn_secret *
#define PN_SETTING_TYPE_COUNT int64_t
#define PN_SETTING_TYPE_SPAN int64_t /* milliseconds */
#define PN_SETTING_TYPE_SWITCH bool

struct pn_settings {
#define X(member, name, kind, fallback, value, help) PN_SETTING_TYPE_##kind member;
#include "json/settings.def"
#undef X
    enum pn_setting_origin origins[32]; /* in the table's order */
};

struct pn_setting {
    const char *name, *fallback, *value, *help;
    enum pn_setting_kind kind;
    size_t offset;
};
extern const struct pn_setting pn_setting_table[];
extern const size_t pn_setting_count;

struct pn_settings_source {
    struct pn_str file_text; /* YAML; PN_NONE: no file */
    const char *file_name;   /* for messages */
    /* The value of POSTERN_NAME (getenv) and of --name ("true" for a switch), or NULL; each may be NULL. */
    const char *(*environment)(const char *name);
    const char *(*flag)(void *context, const char *name);
    void *flag_context;
};
/* Errors: PN_USAGE, naming the setting, its origin and what is wrong. */
bool pn_settings_load(const struct pn_settings_source *source, struct pn_settings **out,
                      struct pn_err *err) PN_CHECKED;
/* Where the value came from; and another value for it (PN_USAGE), as if it were the default. */
enum pn_setting_origin pn_settings_origin(const struct pn_settings *settings, const char *name);
bool pn_settings_set(struct pn_settings *settings, const char *name, struct pn_str text,
                     struct pn_err *err) PN_CHECKED;
void pn_settings_free(struct pn_settings *settings);
void pn_settings_freep(struct pn_settings **settings);

/* One line each, as a file would say it; secrets as "(set)". With origins: "  # flag". */
void pn_settings_print(const struct pn_settings *settings, bool has_origins, struct pn_buf *out);

#endif
