/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include <stdio.h>

#include "sys/sys.h"

#define PROJECT_FILE ".infisical.json"
#define MAX_PROJECT_FILE_BYTES ((size_t)64 * 1024)

/* The project file of the working directory, when there is one. Whose the directory is, nobody knows. */
static bool read_project_file(struct pn_value **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_PROJECT_FILE_BYTES);

    *out = NULL;
    if (!pn_file_exists(PROJECT_FILE))
        return true;
    if (!pn_file_read_plain(PROJECT_FILE, MAX_PROJECT_FILE_BYTES, &text, err) ||
        !pn_value_parse(pn_buf_str(&text), out, err))
        return pn_recast(err, PN_USAGE, PROJECT_FILE ": %s", err->message);
    return true;
}

static struct pn_str choose(struct pn_cli *cli, const char *option, const struct pn_value *file,
                            const char *member, const char *fallback)
{
    struct pn_str given = pn_cli_option(cli, option);
    struct pn_str stored = member != NULL ? pn_value_str(pn_value_get(file, member)) : PN_NONE;

    if (given.len > 0)
        return given;
    return stored.len > 0 ? pn_arena_copy(pn_cli_arena(cli), stored) : pn_str_from(fallback);
}

bool pn_cli_place(struct pn_cli *cli, struct pn_cli_place *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *file = NULL;
    struct pn_client_config *config;

    if (!pn_cli_config(cli, &config, err) || !read_project_file(&file, err))
        return false;
    if (config->project_id.len == 0)
        config->project_id = choose(cli, "project", file, "workspaceId", NULL);
    out->environment = choose(cli, "env", file, "defaultEnvironment", "dev");
    out->path = choose(cli, "path", NULL, NULL, "/");
    return pn_cli_project(cli, &out->project, err);
}

void pn_cli_write_place(const struct pn_cli_place *place, const char *path_name,
                        struct pn_writer *w)
{
    pn_write_str(w, "projectId", place->project);
    pn_write_str(w, "environment", place->environment);
    pn_write_str(w, path_name, place->path);
}

static bool add_flags(struct pn_cli *cli, bool with_values, struct pn_buf *path, struct pn_err *err)
{
    static const struct {
        const char *option, *name;
        bool fallback;
    } flags[] = {
        { "recursive", "recursive", false },
        { "expand", "expandSecretReferences", true },
        { "include-imports", "includeImports", true },
        { "secret-overriding", "includePersonalOverrides", true },
    };
    bool value;

    for (size_t i = 0; i < PN_COUNT(flags); i++) {
        if (!pn_cli_bool(cli, flags[i].option, flags[i].fallback, &value, err))
            return false;
        pn_rest_query(path, flags[i].name, value ? PN_LIT("true") : PN_LIT("false"));
    }
    pn_rest_query(path, "viewSecretValue", with_values ? PN_NONE : PN_LIT("false"));
    pn_rest_query(path, "tagSlugs", pn_cli_option(cli, "tags"));
    return true;
}

bool pn_cli_read_secrets(struct pn_cli *cli, bool with_values, struct pn_value **reply,
                         struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_place place;

    if (!pn_cli_place(cli, &place, err))
        return false;
    pn_buf_add_text(&path, "/v4/secrets");
    pn_rest_query(&path, "projectId", place.project);
    pn_rest_query(&path, "environment", place.environment);
    pn_rest_query(&path, "secretPath", place.path);
    if (!add_flags(cli, with_values, &path, err))
        return false;
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    return pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, reply, err);
}

bool pn_cli_merged_secrets(struct pn_cli *cli, struct pn_value **reply,
                           struct pn_client_secrets *out, struct pn_err *err)
{
    size_t hidden;

    if (!pn_cli_read_secrets(cli, true, reply, err))
        return false;
    pn_client_secrets_merge(pn_cli_arena(cli), *reply, out, &hidden);
    if (hidden > 0)
        fprintf(stderr, "%s: %zu secrets are left out: you may not read their values\n",
                pn_cli_program(cli), hidden);
    return true;
}
