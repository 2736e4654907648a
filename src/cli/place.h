/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_PLACE_H
#define PN_CLI_PLACE_H

#include "cli/call.h"
#include "client/secrets.h"

/* Where secrets are: a project, an environment of it, a folder. */
struct pn_cli_place {
    struct pn_str project, environment, path;
};

#define PN_CLI_PLACE_OPTIONS                                                       \
    { "env", "ENV", "the environment (default dev, or .infisical.json's)", NULL }, \
    {                                                                              \
        "path", "PATH", "the folder (default /)", NULL                             \
    }
/* What may be said about reading. */
#define PN_CLI_READ_OPTIONS                                                                  \
    { "recursive", "[=BOOL]", "the folders below, too", NULL },                              \
        { "expand", "[=BOOL]", "resolve references (default true)", NULL },                  \
        { "include-imports", "[=BOOL]", "with what is imported (default true)", NULL },      \
        { "secret-overriding", "[=BOOL]", "my personal values first (default true)", NULL }, \
    {                                                                                        \
        "tags", "LIST", "only those with one of these tags", NULL                            \
    }

/*
 * --project, --env and --path; what is not given comes from the environment variables, from .infisical.json in the
 * working directory (workspaceId, defaultEnvironment), or is the only project, "dev" and "/".
 */
bool pn_cli_place(struct pn_cli *cli, struct pn_cli_place *out, struct pn_err *err) PN_CHECKED;
/* The members projectId, environment and `path_name`. */
void pn_cli_write_place(const struct pn_cli_place *place, const char *path_name,
                        struct pn_writer *w);
/* Lists as the options say, values included if `with_values`; *reply is the caller's to free. */
bool pn_cli_read_secrets(struct pn_cli *cli, bool with_values, struct pn_value **reply,
                         struct pn_err *err) PN_CHECKED;
/* The same, merged; a warning on stderr for what the caller may not read. */
bool pn_cli_merged_secrets(struct pn_cli *cli, struct pn_value **reply,
                           struct pn_client_secrets *out, struct pn_err *err) PN_CHECKED;

#endif
