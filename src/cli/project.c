/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "json/writer.h"

static const struct pn_column columns[] = {
    { "NAME", "name" },
    { "ID", "id" },
    { 0 },
};

static bool call(struct pn_cli *cli, const char *method, struct pn_str body, const char *member,
                 struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_rest *rest;

    if (!pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, method, PN_LIT("/v1/projects"), body, &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, member), columns);
    return true;
}

static bool project_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(8192);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "projectName", pn_cli_arg(cli, 0));
    pn_write_end(&w);
    if (body.is_full)
        return pn_fail(err, PN_USAGE, "the name is too long");
    return call(cli, "POST", pn_buf_str(&body), "project", err);
}

static bool project_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return call(cli, "GET", PN_NONE, "projects", err);
}

static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_project_commands[] = {
    { .words = "project create",
      .arguments = "NAME",
      .summary = "Make a project: clusters and the people who may use them",
      .examples = "  postern project create platform\n",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = project_create },
    { .words = "project list",
      .arguments = "",
      .summary = "The projects you are a member of",
      .options = no_options,
      .run = project_list },
    { 0 },
};
