/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_DAEMON_H
#define PN_CLI_DAEMON_H

#include "cli/command.h"

/*
 * What `relay start` and `gateway start` share: the server and its CA from the client's configuration,
 * the one-time token from a file, a state directory, hardening, and waiting for SIGTERM or SIGINT.
 */
struct pn_daemon {
    struct pn_str server_url, server_ca_pem;
    struct pn_secret *token; /* NULL: none was given */
    const char *state_dir;
};

/* The options of every daemon, for its table. */
#define PN_DAEMON_OPTIONS                                                                   \
    { "token-file", "F", "its one-time token, for the first start (- is standard input)" }, \
        { "state", "DIR", "where its identity lives" },                                     \
        { "ca-file", "F", "CA of the server's certificate (POSTERN_CA_FILE)" },             \
        { "config", "F", "these options as a YAML file" },                                  \
    {                                                                                       \
        "debug", NULL, "log more"                                                           \
    }

/* Hardens the process and blocks the ending signals: before any thread exists. Drop with pn_daemon_drop. */
bool pn_daemon_prepare(struct pn_cli *cli, const char *role, struct pn_daemon *out,
                       struct pn_err *err) PN_CHECKED;
void pn_daemon_drop(struct pn_daemon *daemon);
/* Always false: an address that somebody holds has a way out, which the error then names. */
bool pn_daemon_taken(const char *option, struct pn_err *err) PN_CHECKED;
/* Blocks until the process is asked to end. */
void pn_daemon_wait(void);
/* The same for at most `patience`: was it asked to end? pn_daemon_wait then returns at once. */
struct timespec;
bool pn_daemon_is_ending(const struct timespec *patience);

#endif
