/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/call.h"

/* What happens at its time, for who operates the instance. */

#define BASE "/v1/admin/jobs"
#define PAGE 1000 /* what the server gives at most */

static const struct pn_column columns[] = {
    { "KIND", "kind" },
    { "ID", "id" },
    { "PLACE", "place" },
    { "DUE", "dueAt" },
    { "RUNNING", "isRunning" },
    { "FAILED", "attempts" },
    { "FAILING SINCE", "failingSince" },
    { "LAST ERROR", "lastError" },
    { 0 },
};

static bool read_limit(struct pn_cli *cli, struct pn_err *err)
{
    struct pn_str text = pn_cli_option(cli, "limit");
    uint64_t limit = 0;

    if (!pn_cli_has(cli, "limit") || (pn_str_u64(text, &limit) && limit > 0 && limit <= PAGE))
        return true;
    return pn_fail(err, PN_USAGE, "--limit is a number from 1 to %d, not \"%.*s\"", PAGE,
                   PN_ARG(text));
}

static bool list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);

    (void)exit_code;
    if (!read_limit(cli, err))
        return false;
    pn_buf_add_text(&path, BASE);
    pn_rest_query(&path, "failing", pn_cli_has(cli, "failing") ? PN_LIT("true") : PN_NONE);
    pn_rest_query(&path, "limit", pn_cli_option(cli, "limit"));
    return pn_cli_call(cli, "GET", pn_buf_str(&path), NULL, "jobs", columns, err);
}

static bool retry(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str kind = pn_cli_segment(cli, pn_cli_arg(cli, 0)),
                  id = pn_cli_segment(cli, pn_cli_arg(cli, 1));

    (void)exit_code;
    return pn_cli_call(cli, "POST",
                       pn_cli_path(cli, BASE "/%.*s/%.*s/retry", PN_ARG(kind), PN_ARG(id)), NULL,
                       "job", columns, err);
}

static const struct pn_option list_options[] = {
    { "failing", NULL, "only those whose last run failed" },
    { "limit", "N", "at most so many (default 100, up to 1000)" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_job_commands[] = {
    { .words = "job list",
      .arguments = "[--failing] [--limit N]",
      .summary = "What happens at its time, failing jobs first",
      .examples = "  postern job list --failing\n",
      .options = list_options,
      .run = list },
    { .words = "job retry",
      .arguments = "KIND ID",
      .summary = "Have a job that failed tried now",
      .examples = "  postern job retry lease 0b4c2a5e-6f0d-4c7e-9d57-3f1e8f3f7f10\n",
      .options = no_options,
      .min_args = 2,
      .max_args = 2,
      .run = retry },
    { 0 },
};
