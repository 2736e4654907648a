/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/applets.h"
#include "json/writer.h"

static const struct pn_option no_options[] = { { 0 } };

static const struct pn_column status_columns[] = {
    { "SERVER", "domain" },
    { "STATE", "server" },
    { "LOGGED IN AS", "actor" },
    { "PROJECT", "projectId" },
    { 0 },
};

/* Who the token says we are, as far as the server agrees. */
static void write_actor(struct pn_cli *cli, struct pn_rest *rest,
                        const struct pn_client_config *config, struct pn_writer *w)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_err err = { 0 };

    if (config->token == NULL)
        pn_write_null(w, "actor");
    else if (pn_rest_call(rest, pn_cli_arena(cli), "GET", PN_LIT("/v1/identities/details"), PN_NONE,
                          &reply, &err))
        pn_write_text(w, "actor", "a machine identity");
    else {
        pn_err_clear(&err);
        if (pn_rest_call(rest, pn_cli_arena(cli), "POST", PN_LIT("/v1/auth/checkAuth"),
                         PN_LIT("{}"), NULL, &err))
            pn_write_str(w, "actor", config->email.len > 0 ? config->email : PN_LIT("a person"));
        else
            pn_write_text(w, "actor", err.message);
    }
}

static bool status(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(16384);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_writer w = pn_writer_of(&json);
    struct pn_client_config *config;
    struct pn_rest *rest;

    (void)exit_code;
    if (!pn_cli_config(cli, &config, err) || !pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, pn_cli_arena(cli), "GET", PN_LIT("/status"), PN_NONE, &reply, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "domain", config->domain);
    pn_write_str(&w, "server", pn_value_str(pn_value_get(reply, "message")));
    write_actor(cli, rest, config, &w);
    pn_write_str(&w, "projectId", config->project_id);
    pn_write_end(&w);
    return pn_cli_print_json(cli, pn_buf_str(&json), status_columns, err);
}

static bool version(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    static const struct pn_column columns[] = { { "VERSION", "version" }, { 0 } };

    (void)exit_code;
    if (pn_cli_output(cli) != PN_OUTPUT_TABLE)
        return pn_cli_print_json(cli, PN_LIT("{\"version\":\"" PN_VERSION "\"}"), columns, err);
    printf("postern " PN_VERSION "\n");
    return true;
}

const struct pn_command pn_status_commands[] = {
    { .words = "status",
      .arguments = "",
      .summary = "Is the server there, and who am I?",
      .options = no_options,
      .run = status },
    { .words = "version",
      .arguments = "",
      .summary = "The version of this program",
      .options = no_options,
      .run = version },
    { 0 },
};
