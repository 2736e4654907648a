/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/random.h"
#include "base/map.h"
#include "net/egress.h"
#include "sys/sys.h"

static void ending_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

/* Root's state belongs to the system, anybody else's to them. */
static const char *default_state_dir(struct pn_arena *arena, const char *role, struct pn_str name)
{
    if (geteuid() == 0)
        return pn_cstr(arena,
                       pn_arena_printf(arena, "/var/lib/postern/%s-%.*s", role, PN_ARG(name)));
    return pn_cstr(arena,
                   pn_arena_printf(arena, "%s/%s-%.*s", pn_dir_config(arena), role, PN_ARG(name)));
}

/* The name becomes part of a path. */
static bool check_name(struct pn_str name, struct pn_err *err)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return pn_fail(err, PN_USAGE,
                           "a name is lower-case letters, digits and hyphens, not \"%.*s\"",
                           PN_ARG(name));
    }
    return true;
}

/* A token works once: its file may be gone, though settings still name it, when there is an identity. */
static bool is_used_up(const char *token_file, const char *state_dir)
{
    return strcmp(token_file, "-") != 0 && !pn_file_exists(token_file) && pn_file_exists(state_dir);
}

bool pn_daemon_prepare(struct pn_cli *cli, const char *role, struct pn_daemon *out,
                       struct pn_err *err)
{
    const struct pn_egress *egress;
    struct pn_str ca_file;
    struct pn_client_config *config;
    const char *file;
    uint8_t seed[16];
    sigset_t signals;

    *out = (struct pn_daemon){ 0 };
    if (pn_cli_has(cli, "config") &&
        !pn_cli_load_options(cli, pn_cli_option_text(cli, "config"), err))
        return false;
    ending_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pn_process_harden();
    pn_process_raise_files();
    pn_random_bytes(seed, sizeof seed);
    pn_map_seed(seed);
    pn_log_init(pn_cli_has(cli, "debug") ? PN_DEBUG : PN_INFO, STDERR_FILENO, role);
    if (!check_name(pn_cli_arg(cli, 0), err) || !pn_cli_config(cli, &config, err) ||
        !pn_egress_of_process(&egress, err)) /* now, rather than at each dial */
        return false;
    if (config->domain.len == 0)
        return pn_fail(err, PN_USAGE, "the server is not known: --domain URL or POSTERN_DOMAIN");
    ca_file = pn_cli_option(cli, "ca-file");
    if (ca_file.len > 0 && !pn_client_config_read_ca(pn_cli_arena(cli), config, ca_file, err))
        return false;
    out->server_url = config->domain;
    out->server_ca_pem = config->ca_pem;
    file = pn_cli_option_text(cli, "token-file");
    out->state_dir = pn_cli_option_text(cli, "state");
    if (out->state_dir == NULL)
        out->state_dir = default_state_dir(pn_cli_arena(cli), role, pn_cli_arg(cli, 0));
    return file == NULL || is_used_up(file, out->state_dir) ||
           pn_cli_secret_file(file, &out->token, err);
}

void pn_daemon_drop(struct pn_daemon *daemon)
{
    pn_secret_freep(&daemon->token);
}

bool pn_daemon_taken(const char *option, struct pn_err *err)
{
    if (err->code == PN_CONFLICT && err->cause == EADDRINUSE)
        (void)pn_recast(err, PN_IO, "%s: choose another with --%s", err->message, option);
    return false;
}

void pn_daemon_wait(void)
{
    sigset_t signals;
    int number;

    ending_signals(&signals);
    sigwait(&signals, &number);
    pn_log(PN_INFO, "stopping", PN_F_INT("signal", number));
}

bool pn_daemon_is_ending(const struct timespec *patience)
{
    sigset_t signals;
    int number;

    ending_signals(&signals);
    number = sigtimedwait(&signals, NULL, patience);
    if (number > 0)
        (void)raise(number); /* blocked: it waits for pn_daemon_wait */
    return number > 0;
}
