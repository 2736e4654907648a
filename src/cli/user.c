/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "json/writer.h"

static const struct pn_column created_columns[] = { { "EMAIL", "user.email" },
                                                    { "ID", "user.id" },
                                                    { 0 } };

/* The project is only asked for when the account shall belong to one. */
static bool write_body(struct pn_cli *cli, const struct pn_secret *password, struct pn_buf *body,
                       struct pn_err *err)
{
    struct pn_str role = pn_cli_option(cli, "project-role"), project = PN_NONE;
    struct pn_writer w = pn_writer_of(body);

    if (role.len > 0 && !pn_cli_project(cli, &project, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "email", pn_cli_arg(cli, 0));
    pn_write_str(&w, "password", pn_secret_reveal(password));
    if (pn_cli_has(cli, "role"))
        pn_write_str(&w, "organizationRole", pn_cli_option(cli, "role"));
    if (role.len > 0) {
        pn_write_str(&w, "projectId", project);
        pn_write_str(&w, "projectRole", role);
    }
    pn_write_end(&w);
    return !body->is_full || pn_fail(err, PN_USAGE, "e-mail or password is too long");
}

static bool user_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(16384);
    pn_auto(pn_secret_freep) struct pn_secret *password = NULL;
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_rest *rest;

    (void)exit_code;
    if (!pn_cli_has(cli, "password-file"))
        return pn_fail(err, PN_USAGE, "--password-file is needed (- is standard input)");
    if (!pn_cli_secret_file(pn_cli_option_text(cli, "password-file"), &password, err) ||
        !write_body(cli, password, &body, err) || !pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "POST", PN_LIT("/v1/admin/user-management/users"), pn_buf_str(&body),
                      &reply, err))
        return false;
    pn_cli_print(cli, reply, created_columns);
    return true;
}

static const struct pn_option create_options[] = {
    { "password-file", "F", "the account's password (- is standard input)" },
    { "role", "ROLE", "role in the organization (default member)" },
    { "project-role", "ROLE", "also a member of the project, with this role" },
    { 0 },
};

const struct pn_command pn_user_commands[] = {
    { .words = "user create",
      .arguments = "EMAIL --password-file F [--project-role member]",
      .summary = "Make an account that can log in at once",
      .examples = "  postern user create ann@example.com --password-file - --project-role member\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = user_create },
    { 0 },
};
