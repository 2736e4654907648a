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

/* Does the server take the token, as a person's or as a machine's? */
static bool is_accepted(struct pn_rest *rest, bool is_person, struct pn_err *err)
{
    return is_person
               ? pn_rest_call(rest, "POST", PN_LIT("/v1/auth/checkAuth"), PN_LIT("{}"), NULL, err)
               : pn_rest_call(rest, "GET", PN_LIT("/v1/identities/details"), PN_NONE, NULL, err);
}

/* A stored login is a person's; a token from the environment may be either's. */
static bool write_actor(struct pn_rest *rest, const struct pn_client_config *config,
                        struct pn_writer *w, struct pn_err *err)
{
    bool is_stored = config->token_name == NULL;

    if (config->token == NULL)
        pn_write_null(w, "actor");
    else if (is_accepted(rest, is_stored, err))
        pn_write_str(w, "actor", is_stored ? config->email : PN_LIT("a machine identity"));
    else if (err->code == PN_FORBIDDEN) {
        pn_err_clear(err);
        if (!is_accepted(rest, !is_stored, err))
            return false;
        pn_write_text(w, "actor", is_stored ? "a machine identity" : "a person");
    }
    return err->code == PN_OK;
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
        !pn_rest_call(rest, "GET", PN_LIT("/status"), PN_NONE, &reply, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "domain", config->domain);
    pn_write_str(&w, "server", pn_value_str(pn_value_get(reply, "message")));
    if (!write_actor(rest, config, &w, err))
        return false;
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
