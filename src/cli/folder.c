/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/secret.h"

/* Folders of secrets, by path: "/shop/db" is the folder "db" in "/shop". */

static const struct pn_column columns[] = { { "NAME", "name" },
                                            { "PATH", "relativePath" },
                                            { "DESCRIPTION", "description" },
                                            { "ID", "id" },
                                            { 0 } };

/* The folder that holds it, and its name there. */
static bool split(struct pn_cli *cli, struct pn_cli_place *place, struct pn_str *name,
                  struct pn_err *err)
{
    struct pn_str path = pn_cli_arg(cli, 0);
    size_t slash;

    if (!pn_cli_place(cli, place, err))
        return false;
    while (path.len > 1 && pn_str_ends(path, PN_LIT("/")))
        path.len--;
    for (slash = path.len; slash > 0 && path.ptr[slash - 1] != '/';)
        slash--;
    *name = pn_str_slice(path, slash, path.len);
    if (slash > 1)
        place->path = pn_str_slice(path, 0, slash - 1);
    else if (slash == 1)
        place->path = PN_LIT("/");
    return name->len > 0 || pn_fail(err, PN_USAGE, "a folder is a path with a name: /shop/db");
}

bool pn_folder_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_place place;
    bool is_recursive;

    (void)exit_code;
    if (!pn_cli_place(cli, &place, err) ||
        !pn_cli_bool(cli, "recursive", false, &is_recursive, err))
        return false;
    if (pn_cli_arg_count(cli) > 0)
        place.path = pn_cli_arg(cli, 0);
    pn_buf_add_text(&path, "/v2/folders");
    pn_rest_query(&path, "projectId", place.project);
    pn_rest_query(&path, "environment", place.environment);
    pn_rest_query(&path, "path", place.path);
    pn_rest_query(&path, "recursive", is_recursive ? PN_LIT("true") : PN_NONE);
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "the path is too long");
    return pn_cli_call(cli, "GET", pn_buf_str(&path), NULL, "folders", columns, err);
}

static bool folder_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_cli_place place;
    struct pn_str name;

    (void)exit_code;
    if (!split(cli, &place, &name, err))
        return false;
    pn_write_object(&w, NULL);
    pn_cli_write_place(&place, "path", &w);
    pn_write_str(&w, "name", name);
    if (pn_cli_has(cli, "description"))
        pn_write_str(&w, "description", pn_cli_option(cli, "description"));
    pn_write_end(&w);
    return pn_cli_call(cli, "POST", PN_LIT("/v2/folders"), &body, "folder", columns, err);
}

/* /v2/folders/ID of the folder at `place` with that name. */
static bool folder_path(struct pn_cli *cli, const struct pn_cli_place *place, struct pn_str name,
                        struct pn_str *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_lookup lookup = {
        .what = "folder", .list = "folders", .names = { "name", NULL }, .id = "id"
    };
    struct pn_str id;

    pn_buf_add_text(&path, "/v2/folders");
    pn_rest_query(&path, "projectId", place->project);
    pn_rest_query(&path, "environment", place->environment);
    pn_rest_query(&path, "path", place->path);
    lookup.path = pn_buf_str(&path);
    if (path.is_full || !pn_cli_find(cli, &lookup, name, &id, err))
        return path.is_full ? pn_fail(err, PN_USAGE, "the path is too long") : false;
    *out = pn_cli_path(cli, "/v2/folders/%.*s", PN_ARG(id));
    return true;
}

static bool folder_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_cli_place place;
    struct pn_str name, path;

    (void)exit_code;
    if (!pn_cli_has(cli, "name") && !pn_cli_has(cli, "description"))
        return pn_fail(err, PN_USAGE, "nothing to set: --name or --description");
    if (!split(cli, &place, &name, err) || !folder_path(cli, &place, name, &path, err))
        return false;
    pn_write_object(&w, NULL);
    pn_cli_write_place(&place, "path", &w);
    pn_write_str(&w, "name", pn_cli_has(cli, "name") ? pn_cli_option(cli, "name") : name);
    if (pn_cli_has(cli, "description"))
        pn_write_str(&w, "description", pn_cli_option(cli, "description"));
    pn_write_end(&w);
    return pn_cli_call(cli, "PATCH", path, &body, "folder", columns, err);
}

static bool folder_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_cli_place place;
    struct pn_str name;

    (void)exit_code;
    if (!split(cli, &place, &name, err))
        return false;
    if (pn_str_is(name, ".") || pn_str_is(name, ".."))
        return pn_fail(err, PN_USAGE, "\"%.*s\" is not the name of a folder", PN_ARG(name));
    pn_write_object(&w, NULL);
    pn_cli_write_place(&place, "path", &w);
    pn_write_end(&w);
    return pn_cli_call(cli, "DELETE",
                       pn_cli_path(cli, "/v2/folders/%.*s", PN_ARG(pn_cli_segment(cli, name))),
                       &body, "folder", columns, err);
}

static const struct pn_option list_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "recursive", "[=BOOL]", "all below, too", NULL },
    { 0 },
};
static const struct pn_option create_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "description", "TEXT", "what it holds", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "name", "NAME", "another name", NULL },
    { "description", "TEXT", "what it holds", NULL },
    { 0 },
};
static const struct pn_option delete_options[] = { PN_CLI_PLACE_OPTIONS, { 0 } };

const struct pn_command pn_folder_commands[] = {
    { .words = "folder create",
      .arguments = "PATH [--env ENV] [--description TEXT]",
      .summary = "Make a folder of secrets; the folder around it must exist",
      .examples = "  postern folder create /shop --env prod\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = folder_create },
    { .words = "folder list",
      .arguments = "[PATH] [--env ENV] [--recursive]",
      .summary = "The folders in a folder",
      .options = list_options,
      .max_args = 1,
      .run = pn_folder_list },
    { .words = "folder set",
      .arguments = "PATH [--name NAME] [--description TEXT]",
      .summary = "Rename or describe a folder",
      .options = set_options,
      .min_args = 1,
      .max_args = 1,
      .run = folder_set },
    { .words = "folder delete",
      .arguments = "PATH [--env ENV]",
      .summary = "Remove a folder and all below it",
      .options = delete_options,
      .min_args = 1,
      .max_args = 1,
      .run = folder_delete },
    { 0 },
};
