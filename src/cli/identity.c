/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/call.h"

/* Machine identities. How they log in: identity_auth.c. */

static const struct pn_column created_columns[] = {
    { "NAME", "name" }, { "ID", "id" }, { "PROTECTED", "hasDeleteProtection" }, { 0 }
};
/* A list and one by id give memberships of the organization, with the identity inside. */
static const struct pn_column member_columns[] = { { "NAME", "identity.name" },
                                                   { "ROLE", "role" },
                                                   { "LOGS IN BY", "identity.authMethods" },
                                                   { "LAST LOGIN", "lastLoginTime" },
                                                   { "ID", "identityId" },
                                                   { 0 } };

static const struct pn_cli_field fields[] = { { "name", "name", PN_CLI_TEXT },
                                              { "role", "role", PN_CLI_TEXT },
                                              { "delete-protection", "hasDeleteProtection",
                                                PN_CLI_BOOL },
                                              { 0 } };

/* "team=payments,stage=test" → [{"key":…,"value":…}] */
static bool write_metadata(struct pn_cli *cli, struct pn_writer *w, struct pn_err *err)
{
    struct pn_str list = pn_cli_option(cli, "metadata"), piece, key;

    if (list.ptr == NULL)
        return true;
    pn_write_array(w, "metadata");
    while (list.len > 0 && pn_str_cut(&list, ',', &piece)) {
        if (!pn_str_cut(&piece, '=', &key) || key.len == 0 || piece.len == 0)
            return pn_fail(err, PN_USAGE, "--metadata is KEY=VALUE[,KEY=VALUE…]");
        pn_write_object(w, NULL);
        pn_write_str(w, "key", key);
        pn_write_str(w, "value", piece);
        pn_write_end(w);
    }
    pn_write_end(w);
    return true;
}

static bool identity_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str organization;

    (void)exit_code;
    if (!pn_cli_organization(cli, &organization, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    pn_write_str(&w, "organizationId", organization);
    if (!pn_cli_write_fields(cli, fields + 1, &w, err) || !write_metadata(cli, &w, err))
        return false;
    pn_write_end(&w);
    return pn_cli_call(cli, "POST", PN_LIT("/v1/identities"), &body, "identity", created_columns,
                       err);
}

static bool identity_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str organization;

    (void)exit_code;
    return pn_cli_organization(cli, &organization, err) &&
           pn_cli_call(cli, "GET",
                       pn_cli_path(cli, "/v1/identities?orgId=%.*s",
                                   PN_ARG(pn_cli_segment(cli, organization))),
                       NULL, "identities", member_columns, err);
}

static bool on_one(struct pn_cli *cli, const char *method, const struct pn_buf *body,
                   const struct pn_column *columns, struct pn_err *err)
{
    struct pn_str id;

    return pn_cli_identity(cli, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(cli, method, pn_cli_path(cli, "/v1/identities/%.*s", PN_ARG(id)), body,
                       "identity", columns, err);
}

static bool identity_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return on_one(cli, "GET", NULL, member_columns, err);
}

static bool identity_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    if (!pn_cli_has_any(cli, fields) && !pn_cli_has(cli, "metadata"))
        return pn_fail(err, PN_USAGE, "nothing to set: see `postern identity set --help`");
    pn_write_object(&w, NULL);
    if (!pn_cli_write_fields(cli, fields, &w, err) || !write_metadata(cli, &w, err))
        return false;
    pn_write_end(&w);
    return on_one(cli, "PATCH", &body, created_columns, err);
}

static bool identity_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return on_one(cli, "DELETE", NULL, created_columns, err);
}

static const struct pn_option create_options[] = {
    { "role", "ROLE", "role in the organization (default no-access)", NULL },
    { "delete-protection", "[=BOOL]", "cannot be deleted until this is off again", NULL },
    { "metadata", "K=V,…", "what it is for, as pairs", NULL },
    { "organization", "ID", "when you are in several", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    { "name", "NAME", "another name", NULL },
    { "role", "ROLE", "role in the organization", NULL },
    { "delete-protection", "[=BOOL]", "cannot be deleted until this is off again", NULL },
    { "metadata", "K=V,…", "instead of the pairs there are; empty for none", NULL },
    { "organization", "ID", "when you are in several", NULL },
    { 0 },
};
static const struct pn_option organization_options[] = {
    { "organization", "ID", "when you are in several", NULL },
    { 0 },
};

const struct pn_command pn_identity_commands[] = {
    { .words = "identity create",
      .arguments = "NAME [--role ROLE]",
      .summary = "Make a machine identity: what a workload or job logs in as",
      .examples = "  postern identity create shop-backend\n"
                  "  postern identity create ci --role member --metadata team=build\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_create },
    { .words = "identity list",
      .arguments = "",
      .summary = "The machine identities of the organization",
      .options = organization_options,
      .run = identity_list },
    { .words = "identity get",
      .arguments = "IDENTITY",
      .summary = "One machine identity, by name or id",
      .options = organization_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_get },
    { .words = "identity set",
      .arguments = "IDENTITY [--name NAME] [--role ROLE] …",
      .summary = "Change a machine identity",
      .examples = "  postern identity set ci --role no-access\n",
      .options = set_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_set },
    { .words = "identity delete",
      .arguments = "IDENTITY",
      .summary = "Remove a machine identity; its tokens end at once",
      .options = organization_options,
      .min_args = 1,
      .max_args = 1,
      .run = identity_delete },
    { 0 },
};
