/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/call.h"

/* Environments of a project: dev, staging, prod. */

static const struct pn_column columns[] = {
    { "NAME", "name" }, { "SLUG", "slug" }, { "ID", "id" }, { 0 }
};

static const struct pn_cli_field fields[] = { { "name", "name", PN_CLI_TEXT },
                                              { "slug", "slug", PN_CLI_TEXT },
                                              { "position", "position", PN_CLI_NUMBER },
                                              { 0 } };

static bool project_path(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    struct pn_str project;

    if (!pn_cli_project(cli, &project, err))
        return false;
    *out = pn_cli_path(cli, "/v1/projects/%.*s", PN_ARG(pn_cli_segment(cli, project)));
    return true;
}

/* By slug, name or id. */
static bool env_path(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    struct pn_cli_lookup lookup = { .what = "environment",
                                    .list = "project.environments",
                                    .names = { "slug", "id", NULL },
                                    .id = "id" };
    struct pn_str id;

    if (!project_path(cli, &lookup.path, err) ||
        !pn_cli_find(cli, &lookup, pn_cli_arg(cli, 0), &id, err))
        return false;
    *out = pn_cli_path(cli, "%.*s/environments/%.*s", PN_ARG(lookup.path), PN_ARG(id));
    return true;
}

static bool env_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str path;

    (void)exit_code;
    if (!project_path(cli, &path, err) || !pn_cli_fetch(cli, "GET", path, NULL, &reply, err))
        return false;
    pn_cli_print(cli, pn_value_at(reply, "project.environments"), columns);
    return true;
}

static bool env_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str path;

    (void)exit_code;
    if (!project_path(cli, &path, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "slug", pn_cli_arg(cli, 0));
    if (!pn_cli_has(cli, "name"))
        pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    if (!pn_cli_write_fields(cli, fields, &w, err))
        return false;
    pn_write_end(&w);
    return pn_cli_call(cli, "POST", pn_cli_path(cli, "%.*s/environments", PN_ARG(path)), &body,
                       "environment", columns, err);
}

static bool env_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str path;

    (void)exit_code;
    if (!pn_cli_has_any(cli, fields))
        return pn_fail(err, PN_USAGE, "nothing to set: --name, --slug or --position");
    pn_write_object(&w, NULL);
    if (!pn_cli_write_fields(cli, fields, &w, err))
        return false;
    pn_write_end(&w);
    return env_path(cli, &path, err) &&
           pn_cli_call(cli, "PATCH", path, &body, "environment", columns, err);
}

static bool env_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return env_path(cli, &path, err) &&
           pn_cli_call(cli, "DELETE", path, NULL, "environment", columns, err);
}

static const struct pn_option no_options[] = { { 0 } };
static const struct pn_option create_options[] = {
    { "name", "NAME", "how it is shown (default the slug)", NULL },
    { "position", "N", "its place in lists, from 1", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    { "name", "NAME", "how it is shown", NULL },
    { "slug", "SLUG", "what programs call it", NULL },
    { "position", "N", "its place in lists, from 1", NULL },
    { 0 },
};

const struct pn_command pn_env_commands[] = {
    { .words = "env create",
      .arguments = "SLUG [--name NAME] [--position N]",
      .summary = "Make an environment of the project",
      .examples = "  postern env create test --name Testing\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = env_create },
    { .words = "env list",
      .arguments = "",
      .summary = "The environments of the project",
      .options = no_options,
      .run = env_list },
    { .words = "env set",
      .arguments = "SLUG [--name NAME] [--slug SLUG] [--position N]",
      .summary = "Change an environment",
      .options = set_options,
      .min_args = 1,
      .max_args = 1,
      .run = env_set },
    { .words = "env delete",
      .arguments = "SLUG",
      .summary = "Remove an environment and the secrets in it",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = env_delete },
    { 0 },
};
