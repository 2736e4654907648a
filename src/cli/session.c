/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/applets.h"
#include "cli/call.h"
#include "cli/session_log.h"
#include "cli/visit.h"
#include "json/writer.h"

#define PAGE 100 /* the most the server gives at once */
#define MAX_SESSIONS 100000

/* ---- pam access ---- */

static bool pam_access(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str paths[PN_VISIT_MAX];
    const struct pn_visit_wish wish = { .paths = paths,
                                        .count = pn_cli_arg_count(cli),
                                        .command = pn_cli_rest(cli) };

    for (size_t i = 0; i < wish.count; i++) {
        paths[i] = pn_cli_arg(cli, i);
        if (i > 0 && pn_str_find(paths[i], '/') < 0)
            return pn_fail(err, PN_USAGE,
                           "write -- before the command: %s pam access %.*s -- %.*s …",
                           pn_cli_program(cli), PN_ARG(paths[i - 1]), PN_ARG(paths[i]));
    }
    return pn_visit(cli, &wish, exit_code, err);
}

/* ---- pam session … ---- */

static const struct pn_column session_columns[] = {
    { "ID", "id" },
    { "ACCOUNT", "accountPath" },
    { "WHO", "actorName" },
    { "STATUS", "status" },
    { "STARTED", "startedAt" },
    { "ENDED", "endedAt" },
    { "BY", "endedBy" },
    { "WHY", "endReason" },
    { "REQUESTS", "requests" },
    { "BYTES", "responseBytes" },
    { 0 },
};

static bool session_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_pages pages = { .list = "sessions", .page = PAGE };
    struct pn_str project, limit = pn_cli_option(cli, "limit");
    uint64_t most = PAGE;

    (void)exit_code;
    if (limit.ptr != NULL && (!pn_str_u64(limit, &most) || most == 0 || most > MAX_SESSIONS))
        return pn_fail(err, PN_USAGE, "--limit is a number from 1 to %d", MAX_SESSIONS);
    if (!pn_cli_project(cli, &project, err))
        return false;
    pages.most = most;
    pn_buf_add_text(&path, "/v1/pam/sessions");
    pn_rest_query(&path, "projectId", project);
    pn_rest_query(&path, "status", pn_cli_option(cli, "status"));
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    pages.path = pn_buf_str(&path);
    return pn_cli_print_pages(cli, &pages, session_columns, err);
}

/* POST carries --reason, where the command has that option. */
static bool session_call(struct pn_cli *cli, const char *method, const char *after,
                         struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(8192);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_arena *arena = pn_cli_arena(cli);
    struct pn_rest *rest;
    struct pn_uuid id;

    if (!pn_uuid_parse(pn_cli_arg(cli, 0), &id))
        return pn_fail(err, PN_USAGE, "\"%.*s\" is not the id of a session",
                       PN_ARG(pn_cli_arg(cli, 0)));
    pn_write_object(&w, NULL);
    if (pn_cli_has(cli, "reason"))
        pn_write_str(&w, "reason", pn_cli_option(cli, "reason"));
    pn_write_end(&w);
    return pn_cli_rest_client(cli, &rest, err) &&
           pn_rest_call(
               rest, method,
               pn_arena_printf(arena, "/v1/pam/sessions/%.*s%s", PN_ARG(pn_cli_arg(cli, 0)), after),
               strcmp(method, "POST") == 0 ? pn_buf_str(&body) : PN_NONE, reply, err);
}

static bool session_show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    (void)exit_code;
    if (!session_call(cli, "GET", "", &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, "session"), session_columns);
    return true;
}

static bool session_end(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    (void)exit_code;
    if (!session_call(cli, "POST", "/end", &reply, err))
        return false;
    if (pn_cli_output(cli) == PN_OUTPUT_TABLE)
        printf("The session has ended.\n");
    else
        pn_cli_print(cli, pn_value_get(reply, "session"), session_columns);
    return true;
}

static bool session_terminate(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    (void)exit_code;
    if (!session_call(cli, "POST", "/terminate", &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, "session"), session_columns);
    return true;
}

static bool session_logs(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return pn_session_log_print(cli, pn_cli_arg(cli, 0), pn_cli_has(cli, "requests"),
                                pn_cli_has(cli, "follow"), err);
}

static const struct pn_option access_options[] = {
    { "duration", "TIME", "how long, as 30m or 2h (default: the account's)" },
    { "reason", "TEXT", "why; on record with the session" },
    { "port", "N", "local port; 0 picks a free one (default: the remembered one)" },
    { "kubeconfig", "FILE", "write the session's kubeconfig there" },
    { "merge", NULL, "add it to your own kubeconfig and switch to it, until the end" },
    { 0 },
};
static const struct pn_option list_options[] = {
    { "status", "STATE", "only starting, active, ended or terminated ones" },
    { "limit", "N", "at most so many (default 100)" },
    { 0 },
};
static const struct pn_option logs_options[] = {
    { "requests", NULL, "every request as it was, nothing folded" },
    { "follow", NULL, "as it happens, until the session is over" },
    { 0 },
};
static const struct pn_option terminate_options[] = {
    { "reason", "TEXT", "why; the person reads it, and it is on record" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_session_commands[] = {
    { .words = "pam access",
      .arguments = "RESOURCE/ACCOUNT… [--duration 1h] [--reason TEXT] [--port N] [--kubeconfig "
                   "FILE | --merge] [-- COMMAND…]",
      .summary = "Open sessions with clusters: for one command, or until Ctrl-C",
      .examples = "  postern pam access prod/viewer -- kubectl get pods\n"
                  "  postern pam access prod/admin --duration 30m --reason 'ticket 4711'\n"
                  "  postern pam access prod/viewer test/admin\n",
      .options = access_options,
      .min_args = 1,
      .max_args = PN_VISIT_MAX,
      .takes_command = true,
      .run = pam_access },
    { .words = "pam session list",
      .arguments = "[--status STATE]",
      .summary = "Sessions, newest first",
      .options = list_options,
      .run = session_list },
    { .words = "pam session show",
      .arguments = "ID",
      .summary = "One session",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = session_show },
    { .words = "pam session logs",
      .arguments = "ID [--requests] [--follow]",
      .summary = "What was done in a session: its commands, reconstructed from their requests",
      .options = logs_options,
      .min_args = 1,
      .max_args = 1,
      .run = session_logs,
      .examples = "  postern pam session logs 0199…\n"
                  "  postern pam session logs 0199… --follow\n"
                  "  postern pam session logs 0199… --requests -o json\n" },
    { .words = "pam session end",
      .arguments = "ID",
      .summary = "End a session of yours now",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = session_end },
    { .words = "pam session terminate",
      .arguments = "ID [--reason TEXT]",
      .summary = "End somebody else's session now, as an administrator",
      .options = terminate_options,
      .min_args = 1,
      .max_args = 1,
      .run = session_terminate },
    { 0 },
};
