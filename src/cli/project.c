/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/call.h"

static const struct pn_column columns[] = {
    { "NAME", "name" }, { "SLUG", "slug" }, { "ID", "id" }, { 0 }
};
static const struct pn_column identity_columns[] = {
    { "IDENTITY", "identity.name" }, { "ROLE", "roles.0.role" }, { "ID", "identity.id" }, { 0 }
};
static const struct pn_column membership_columns[] = { { "IDENTITY", "identityId" },
                                                       { "PROJECT", "projectId" },
                                                       { 0 } };
static const struct pn_column user_columns[] = {
    { "EMAIL", "user.email" }, { "ROLE", "roles.0.role" }, { "MEMBERSHIP", "id" }, { 0 }
};

static const struct pn_cli_field create_fields[] = {
    { "slug", "slug", PN_CLI_TEXT },
    { "description", "projectDescription", PN_CLI_TEXT },
    { "default-envs", "shouldCreateDefaultEnvs", PN_CLI_BOOL },
    { "delete-protection", "hasDeleteProtection", PN_CLI_BOOL },
    { 0 }
};
static const struct pn_cli_field set_fields[] = {
    { "name", "name", PN_CLI_TEXT },
    { "slug", "slug", PN_CLI_TEXT },
    { "description", "description", PN_CLI_TEXT },
    { "auto-capitalization", "autoCapitalization", PN_CLI_BOOL },
    { "delete-protection", "hasDeleteProtection", PN_CLI_BOOL },
    { 0 }
};

/* ---- projects ---- */

static bool project_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "projectName", pn_cli_arg(cli, 0));
    if (!pn_cli_write_fields(cli, create_fields, &w, err))
        return false;
    pn_write_end(&w);
    return pn_cli_call(cli, "POST", PN_LIT("/v1/projects"), &body, "project", columns, err);
}

static bool project_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_cli_call(cli, "GET", PN_LIT("/v1/projects"), NULL, "projects", columns, err);
}

/* By id, slug or name; without an argument the one that all commands use. */
static bool project_path(struct pn_cli *cli, struct pn_str name, struct pn_str *out,
                         struct pn_err *err)
{
    struct pn_cli_lookup lookup = { .what = "project",
                                    .path = PN_LIT("/v1/projects"),
                                    .list = "projects",
                                    .names = { "id", "slug" },
                                    .id = "id" };
    struct pn_str id;

    if (name.len == 0 ? !pn_cli_project(cli, &id, err) : !pn_cli_find(cli, &lookup, name, &id, err))
        return false;
    *out = pn_cli_path(cli, "/v1/projects/%.*s", PN_ARG(pn_cli_segment(cli, id)));
    return true;
}

static bool project_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return project_path(cli, pn_cli_arg(cli, 0), &path, err) &&
           pn_cli_call(cli, "GET", path, NULL, "project", columns, err);
}

static bool project_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str path;

    (void)exit_code;
    if (!pn_cli_has_any(cli, set_fields))
        return pn_fail(err, PN_USAGE, "nothing to set: see `postern project set --help`");
    pn_write_object(&w, NULL);
    if (!pn_cli_write_fields(cli, set_fields, &w, err))
        return false;
    pn_write_end(&w);
    return project_path(cli, pn_cli_arg(cli, 0), &path, err) &&
           pn_cli_call(cli, "PATCH", path, &body, "project", columns, err);
}

static bool project_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return project_path(cli, pn_cli_arg(cli, 0), &path, err) &&
           pn_cli_call(cli, "DELETE", path, NULL, "project", columns, err);
}

/* ---- who may do what in it ---- */

static bool membership_path(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    struct pn_str project, id;

    if (!project_path(cli, PN_NONE, &project, err) ||
        !pn_cli_identity(cli, pn_cli_arg(cli, 0), &id, err))
        return false;
    *out = pn_cli_path(cli, "%.*s/memberships/identities/%.*s", PN_ARG(project), PN_ARG(id));
    return true;
}

/* METHOD with {roles:[{role}]} and the identity's membership as answer. */
static bool grant(struct pn_cli *cli, const char *method, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str path;

    if (!pn_cli_has(cli, "role"))
        return pn_fail(err, PN_USAGE,
                       "--role is needed: admin, member, viewer, no-access, or one "
                       "of the project's own");
    pn_write_object(&w, NULL);
    pn_write_array(&w, "roles");
    pn_write_object(&w, NULL);
    pn_write_str(&w, "role", pn_cli_option(cli, "role"));
    pn_write_bool(&w, "isTemporary", false);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
    return membership_path(cli, &path, err) &&
           pn_cli_call(cli, method, path, &body, "identityMembership", membership_columns, err);
}

static bool identity_add(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return grant(cli, "POST", err);
}

static bool identity_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return grant(cli, "PATCH", err);
}

static bool identity_remove(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return membership_path(cli, &path, err) &&
           pn_cli_call(cli, "DELETE", path, NULL, "identityMembership", membership_columns, err);
}

static bool identity_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return project_path(cli, PN_NONE, &path, err) &&
           pn_cli_call(cli, "GET", pn_cli_path(cli, "%.*s/memberships/identities", PN_ARG(path)),
                       NULL, "identityMemberships", identity_columns, err);
}

static bool user_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return project_path(cli, PN_NONE, &path, err) &&
           pn_cli_call(cli, "GET", pn_cli_path(cli, "%.*s/memberships", PN_ARG(path)), NULL,
                       "memberships", user_columns, err);
}

static const struct pn_option no_options[] = { { 0 } };
static const struct pn_option create_options[] = {
    { "slug", "SLUG", "what programs call it (default: from the name)", NULL },
    { "description", "TEXT", "what it is for", NULL },
    { "default-envs", "[=BOOL]", "with dev, staging and prod (default true)", NULL },
    { "delete-protection", "[=BOOL]", "cannot be deleted until this is off again", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    { "name", "NAME", "another name", NULL },
    { "slug", "SLUG", "what programs call it", NULL },
    { "description", "TEXT", "what it is for", NULL },
    { "auto-capitalization", "[=BOOL]", "names of secrets in capitals", NULL },
    { "delete-protection", "[=BOOL]", "cannot be deleted until this is off again", NULL },
    { 0 },
};
static const struct pn_option role_options[] = {
    { "role", "ROLE", "admin, member, viewer, no-access, or one of the project's own", NULL },
    { 0 },
};

const struct pn_command pn_project_commands[] = {
    { .words = "project create",
      .arguments = "NAME [--slug SLUG] [--description TEXT]",
      .summary = "Make a project: clusters, secrets, and who may use them",
      .examples = "  postern project create platform\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = project_create },
    { .words = "project list",
      .arguments = "",
      .summary = "The projects you are a member of",
      .options = no_options,
      .run = project_list },
    { .words = "project get",
      .arguments = "[PROJECT]",
      .summary = "One project, by id or slug",
      .options = no_options,
      .max_args = 1,
      .run = project_get },
    { .words = "project set",
      .arguments = "[PROJECT] [--name NAME] …",
      .summary = "Change a project",
      .options = set_options,
      .max_args = 1,
      .run = project_set },
    { .words = "project delete",
      .arguments = "PROJECT",
      .summary = "Remove a project and all that is in it",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = project_delete },
    { .words = "project identity add",
      .arguments = "IDENTITY --role ROLE",
      .summary = "Let a machine identity into the project",
      .examples = "  postern project identity add shop-backend --role viewer\n",
      .options = role_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_add },
    { .words = "project identity list",
      .arguments = "",
      .summary = "The machine identities of the project",
      .options = no_options,
      .run = identity_list },
    { .words = "project identity set",
      .arguments = "IDENTITY --role ROLE",
      .summary = "Give a machine identity another role",
      .options = role_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_set },
    { .words = "project identity remove",
      .arguments = "IDENTITY",
      .summary = "Put a machine identity out of the project",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_remove },
    { .words = "project user list",
      .arguments = "",
      .summary = "The people of the project",
      .options = no_options,
      .run = user_list },
    { 0 },
};
