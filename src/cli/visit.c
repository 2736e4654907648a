/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/visit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/hold.h"
#include "client/kubeconfig.h"
#include "client/merge.h"
#include "client/proxy.h"
#include "client/renewal.h"
#include "sys/sys.h"

#define STATE_POLL_MS 15000
#define SHORT_CALL_MS 5000 /* where a person waits for us to go */
#define FAREWELL_MS 3000   /* for streams to hear why they end */
#define FAREWELL_STEP_MS 50
#define MAX_VARIABLES 8
#define NO_SUCH_COMMAND 127 /* as a shell says it */

/* When the person is told how much time is left. */
static const int64_t warnings_ms[] = { 5 * 60 * 1000, 60 * 1000 };

/* One session with what belongs to it. */
struct visit {
    struct tour *tour;
    struct pn_access access; /* .arena NULL: not opened, or left again */
    struct pn_proxy *proxy;
    const char *kubeconfig; /* NULL until written; then absolute */
    int lock;             /* on the account's name for its kubeconfig; -1: another session has it */
    struct pn_str merged; /* our context in the person's own; PN_NONE: not there */
};

/* All that one command opens. */
struct tour {
    struct pn_cli *cli;
    const struct pn_visit_wish *wish;
    struct pn_rest *rest;
    struct pn_renewal *renewal; /* so that the server can be told of the end */
    struct pn_str project_id;   /* PN_NONE: wherever a path is found */
    struct visit visits[PN_VISIT_MAX];
    size_t count;
};

static bool is_interrupted(void)
{
    return pn_hold_pending() != 0;
}

/* ---- the local port ---- */

static const char *port_file(struct pn_arena *arena)
{
    return pn_cstr(arena, pn_arena_printf(arena, "%s/port", pn_dir_config(arena)));
}

/* The port of last time, so that kubectl's discovery cache stays warm; 0 when there is none. */
static uint16_t remembered_port(struct pn_arena *arena)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(64);
    struct pn_err err = { 0 };
    uint64_t port;

    if (!pn_file_read(port_file(arena), 64, &text, &err) ||
        !pn_str_u64(pn_str_trim(pn_buf_str(&text)), &port) || port > UINT16_MAX)
        return 0;
    return (uint16_t)port;
}

static void remember_port(struct pn_arena *arena, uint16_t port)
{
    struct pn_err err = { 0 };

    if (!pn_dir_make(pn_dir_config(arena), 0700, &err) ||
        !pn_file_write(port_file(arena), pn_arena_printf(arena, "%u\n", port), 0600, &err))
        fprintf(stderr, "postern: the port is not remembered: %s\n", err.message);
}

static bool wanted_port(struct pn_cli *cli, bool *is_remembered, uint16_t *port, struct pn_err *err)
{
    struct pn_str text = pn_cli_option(cli, "port");
    uint64_t number;

    *is_remembered = text.ptr == NULL;
    if (*is_remembered) {
        *port = remembered_port(pn_cli_arena(cli));
        return true;
    }
    if (!pn_str_u64(text, &number) || number > UINT16_MAX)
        return pn_fail(err, PN_USAGE, "--port is a number from 0 to 65535");
    *port = (uint16_t)number;
    return true;
}

/* A remembered port that somebody holds gives way to a free one, and says so; a demanded one does not. */
static bool open_proxy(struct visit *visit, bool is_remembered, uint16_t port, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(visit->tour->cli);
    struct pn_proxy_config config = { .access = &visit->access,
                                      .port = port,
                                      .directory = pn_dir_runtime(arena),
                                      .is_cancelled = is_interrupted };

    if (pn_proxy_start(&config, &visit->proxy, err)) {
        if (is_remembered && port == 0)
            remember_port(arena, pn_proxy_port(visit->proxy));
        return true;
    }
    if (err->code != PN_CONFLICT)
        return false;
    if (!is_remembered)
        return pn_recast(err, PN_USAGE, "port %u is taken: choose another, or --port 0", port);
    pn_err_clear(err);
    fprintf(stderr, "postern: port %u is taken by another program: using a free one\n", port);
    config.port = 0;
    return pn_proxy_start(&config, &visit->proxy, err);
}

/* ---- the kubeconfig ---- */

/*
 * Named after the account, so that a terminal that has it in KUBECONFIG goes on with the next session; after the
 * session where another one with that account is open.
 */
static bool kubeconfig_path(struct visit *visit, const char **path, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(visit->tour->cli);
    const char *directory = pn_dir_runtime(arena);
    struct pn_str name = visit->access.account_id;
    struct pn_err is_held = { 0 };

    *path = pn_cli_option_text(visit->tour->cli, "kubeconfig");
    if (*path != NULL)
        return true;
    if (directory == NULL)
        return pn_fail(err, PN_IO,
                       "there is no private directory for the kubeconfig: set XDG_RUNTIME_DIR, or "
                       "name a file with --kubeconfig");
    visit->lock = pn_file_lock(
        pn_cstr(arena, pn_arena_printf(arena, "%s/%.*s.lock", directory, PN_ARG(name))), 0,
        &is_held);
    if (visit->lock < 0)
        name = visit->access.session_id;
    *path = pn_cstr(arena, pn_arena_printf(arena, "%s/%.*s.yaml", directory, PN_ARG(name)));
    return true;
}

static bool merge_kubeconfig(struct visit *visit, const struct pn_kubeconfig *config,
                             struct pn_err *err)
{
    const char *path = pn_merge_target(pn_cli_arena(visit->tour->cli));

    if (path == NULL)
        return pn_fail(err, PN_USAGE, "--merge: neither KUBECONFIG nor HOME is set");
    if (!pn_merge_add(path, config, getpid(), err))
        return false;
    visit->merged = config->name;
    return true;
}

static bool write_kubeconfig(struct visit *visit, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(visit->tour->cli);
    const char *path;
    const struct pn_kubeconfig config = {
        .name = pn_arena_printf(arena, "postern/%.*s", PN_ARG(visit->access.account_path)),
        .server = pn_arena_printf(arena, "https://127.0.0.1:%u/%.*s", pn_proxy_port(visit->proxy),
                                  PN_ARG(visit->access.account_id)),
        .tls_server_name = pn_proxy_server_name(visit->proxy),
        .ca_pem = pn_proxy_ca_pem(visit->proxy),
        .token = pn_proxy_bearer(visit->proxy),
    };

    if (pn_cli_has(visit->tour->cli, "merge"))
        return merge_kubeconfig(visit, &config, err);
    return kubeconfig_path(visit, &path, err) &&
           pn_kubeconfig_write(&config, path, arena, &visit->kubeconfig, err);
}

/* What KUBECONFIG is for all of them, the first one's context being the current one; PN_NONE: they are merged. */
static struct pn_str kubeconfigs(const struct tour *tour)
{
    struct pn_str all = PN_NONE;

    for (size_t i = 0; i < tour->count; i++) {
        if (tour->visits[i].kubeconfig != NULL)
            all = pn_arena_printf(pn_cli_arena(tour->cli), "%.*s%s%s", PN_ARG(all),
                                  all.len > 0 ? ":" : "", tour->visits[i].kubeconfig);
    }
    return all;
}

/* ---- staying ---- */

static void print_time_left(FILE *out, const struct pn_access *access)
{
    int64_t left_s = (access->expires_ms - pn_clock_wall_ms()) / 1000;

    if (left_s < 120)
        fprintf(out, "Time left: %lld s\n", (long long)left_s);
    else if (left_s < 7200)
        fprintf(out, "Time left: %lld min\n", (long long)(left_s / 60));
    else
        fprintf(out, "Time left: %lld h %02lld min\n", (long long)(left_s / 3600),
                (long long)(left_s / 60 % 60));
}

/* Has the session been ended elsewhere? A server that is away says nothing about it. */
static bool is_over(struct visit *visit, struct pn_err *err)
{
    struct pn_session_state state;
    struct pn_err away = { 0 };

    if (pn_clock_wall_ms() >= visit->access.expires_ms)
        return !pn_fail(err, PN_FORBIDDEN,
                        "the session has expired: run `postern pam access` again");
    if (!pn_access_state(visit->tour->rest, visit->access.session_id, &state, &away) ||
        !state.is_over)
        return false;
    return !pn_fail(err, PN_FORBIDDEN, "%.*s",
                    PN_ARG(pn_access_state_text(visit->access.arena, &state)));
}

/* The session among them that ends first; NULL: none is left. */
static const struct pn_access *first_to_end(const struct tour *tour)
{
    const struct pn_access *first = NULL;

    for (size_t i = 0; i < tour->count; i++) {
        const struct pn_access *access = &tour->visits[i].access;

        if (access->arena != NULL && (first == NULL || access->expires_ms < first->expires_ms))
            first = access;
    }
    return first;
}

/* Until the next look at the server, the next warning, or the end. */
static int64_t next_look_ms(const struct pn_access *access, size_t warned)
{
    int64_t left_ms = access->expires_ms - pn_clock_wall_ms();
    int64_t wait_ms = left_ms < STATE_POLL_MS ? left_ms : STATE_POLL_MS;

    if (warned < PN_COUNT(warnings_ms) && left_ms - warnings_ms[warned] < wait_ms)
        wait_ms = left_ms - warnings_ms[warned];
    return wait_ms > 0 ? wait_ms : 0;
}

/* Warnings whose time has come, or had come before we began. */
static size_t due_warnings(const struct pn_access *access)
{
    int64_t left_ms = access->expires_ms - pn_clock_wall_ms();
    size_t due = 0;

    while (due < PN_COUNT(warnings_ms) && left_ms <= warnings_ms[due])
        due++;
    return due;
}

static void leave(struct visit *visit);

/* Leaves those that are over. False when that was the last one, with its reason; others are told as they go. */
static bool look_around(struct tour *tour, struct pn_err *err)
{
    for (size_t i = 0; i < tour->count; i++) {
        struct visit *visit = &tour->visits[i];
        struct pn_str path = visit->access.account_path;

        if (visit->access.arena == NULL || !is_over(visit, err))
            continue;
        path = pn_arena_copy(pn_cli_arena(tour->cli), path);
        leave(visit);
        if (first_to_end(tour) == NULL)
            return false;
        fprintf(stderr, "postern: %.*s: %s\n", PN_ARG(path), err->message);
        pn_err_clear(err);
    }
    return true;
}

/* Until Ctrl-C, or until the last session is over: then with its reason as a failure. */
static bool wait_for_end(struct tour *tour, struct pn_err *err)
{
    const struct pn_access *first = first_to_end(tour), *before = first;
    size_t warned = due_warnings(first);

    for (;;) {
        if (pn_hold_wait(next_look_ms(first, warned)) != 0) {
            pn_cli_say("\nEnding the session%s …", tour->count > 1 ? "s" : "");
            return true;
        }
        pn_renewal_tend(tour->renewal, tour->rest);
        if (!look_around(tour, err))
            return false;
        first = first_to_end(tour);
        if (first == before && due_warnings(first) > warned)
            print_time_left(stderr, first);
        warned = due_warnings(first);
        before = first;
    }
}

static bool stay(struct tour *tour, struct pn_err *err)
{
    struct pn_str all = kubeconfigs(tour);

    printf("\nThe road to ");
    for (size_t i = 0; i < tour->count; i++)
        printf("%s%.*s", i > 0 ? ", " : "", PN_ARG(tour->visits[i].access.account_path));
    printf(" is open. In another terminal:\n\n");
    if (all.len > 0)
        printf("    export KUBECONFIG=%.*s\n", PN_ARG(all));
    printf("    kubectl get pods\n\n");
    for (size_t i = 1; i < tour->count; i++)
        printf("    kubectl --context postern/%.*s get pods\n%s",
               PN_ARG(tour->visits[i].access.account_path), i + 1 == tour->count ? "\n" : "");
    print_time_left(stdout, first_to_end(tour));
    printf("Ctrl-C ends the session%s.\n", tour->count > 1 ? "s" : "");
    fflush(stdout);
    pn_rest_set_timeout(tour->rest, SHORT_CALL_MS);
    signal(SIGTSTP, SIG_IGN); /* stopped, we would hold connections of others at the shared port */
    return wait_for_end(tour, err);
}

/* ---- with a command ---- */

static int run_command(struct tour *tour)
{
    struct pn_arena *arena = pn_cli_arena(tour->cli);
    char *environment[MAX_VARIABLES + 2] = { 0 };
    struct pn_str all = kubeconfigs(tour);
    size_t count = 0;
    int code;

    if (all.len > 0) { /* merged: the person's own kubeconfig it is */
        struct pn_str setting = pn_arena_printf(arena, "KUBECONFIG=%.*s", PN_ARG(all));

        environment[count] = pn_new(arena, char, setting.len + 1);
        memcpy(environment[count++], setting.ptr, setting.len);
    }
    for (char *const *more = tour->wish->environment; more != NULL && *more != NULL; more++) {
        pn_assert(count <= MAX_VARIABLES);
        environment[count++] = *more;
    }
    code = pn_hold_run(tour->wish->command, environment);
    if (pn_clock_wall_ms() >=
        first_to_end(tour)->expires_ms) /* kubectl tells of a certificate only */
        fprintf(stderr, "postern: the session expired before the command ended\n");
    return code;
}

/* The gateway hears of the end within a second, and tells every shell and watch that is open why it ends. */
static void wait_for_farewells(const struct visit *visit)
{
    for (int left_ms = FAREWELL_MS; left_ms > 0 && pn_proxy_open_requests(visit->proxy) > 0;
         left_ms -= FAREWELL_STEP_MS)
        (void)poll(NULL, 0, FAREWELL_STEP_MS);
}

/* The files go first: nobody shall begin anything more. */
static void forget_kubeconfig(struct visit *visit)
{
    struct pn_err err = { 0 };

    if (visit->kubeconfig != NULL && !pn_file_remove(visit->kubeconfig, &err))
        fprintf(stderr, "postern: %s stays behind: %s\n", visit->kubeconfig, err.message);
    visit->kubeconfig = NULL;
    if (visit->lock >= 0)
        pn_file_unlock(visit->lock);
    visit->lock = -1;
    pn_err_clear(&err);
    if (visit->merged.len > 0 && !pn_merge_remove(visit->merged, getpid(), &err))
        fprintf(stderr, "postern: the entries of --merge stay behind: %s\n", err.message);
    visit->merged = PN_NONE;
}

/* What was opened is closed in any case; Ctrl-C while the server is asked must not leave half. */
static void leave(struct visit *visit)
{
    struct pn_rest *rest = visit->tour->rest;
    struct pn_err err = { 0 };
    bool is_told;

    if (visit->access.arena == NULL)
        return;
    if (visit->proxy != NULL)
        pn_proxy_close_door(visit->proxy);
    forget_kubeconfig(visit);
    pn_rest_set_timeout(rest, SHORT_CALL_MS);
    is_told = pn_access_end(rest, visit->access.session_id, &err);
    if (!is_told)
        fprintf(stderr,
                "postern: the server was not told of the end, the session ends by itself: %s\n",
                err.message);
    if (is_told && visit->proxy != NULL)
        wait_for_farewells(visit);
    pn_proxy_stop(visit->proxy);
    visit->proxy = NULL;
    pn_access_drop(&visit->access);
}

static struct pn_access_wish wish_of(const struct tour *tour, size_t number)
{
    return (struct pn_access_wish){ .path = tour->wish->paths[number],
                                    .project_id = tour->project_id,
                                    .duration = pn_cli_option(tour->cli, "duration"),
                                    .reason = pn_cli_option(tour->cli, "reason") };
}

/* A slip in the second name opens no session with the first. Of one account its opening tells. */
static bool check_all(struct tour *tour, struct pn_err *err)
{
    for (size_t i = 0; tour->wish->count > 1 && i < tour->wish->count; i++) {
        const struct pn_access_wish wish = wish_of(tour, i);

        if (!pn_access_check(tour->rest, &wish, err))
            return false;
    }
    return true;
}

static bool prepare(struct tour *tour, struct pn_err *err)
{
    struct pn_client_config *settings;

    if (!pn_cli_rest_client(tour->cli, &tour->rest, err) ||
        !pn_cli_config(tour->cli, &settings, err))
        return false;
    tour->project_id = settings->project_id;
    tour->renewal = pn_renewal_new(settings->token);
    return check_all(tour, err);
}

/* Signals are held from the first session on, before any thread exists: only we take these. */
static bool open_all(struct tour *tour, bool is_remembered, uint16_t port, struct pn_err *err)
{
    for (size_t i = 0; i < tour->wish->count; i++) {
        const struct pn_access_wish wish = wish_of(tour, i);
        struct visit *visit = &tour->visits[tour->count++];

        *visit = (struct visit){ .tour = tour, .lock = -1 };
        pn_cli_say("Opening a session with %.*s …", PN_ARG(wish.path));
        if (!pn_access_open(tour->rest, &wish, &visit->access, err))
            return false;
        pn_hold_signals();
    }
    /* The last one first: of kubeconfigs that are merged, the last to come is the current context. */
    for (size_t i = tour->count; i-- > 0;) {
        pn_cli_say("Connecting to the gateway of %.*s …",
                   PN_ARG(tour->visits[i].access.account_path));
        if (!open_proxy(&tour->visits[i], is_remembered, port, err) ||
            !write_kubeconfig(&tour->visits[i], err))
            return false;
        if (port == 0) /* they share it */
            port = pn_proxy_port(tour->visits[i].proxy);
    }
    return true;
}

bool pn_visit(struct pn_cli *cli, const struct pn_visit_wish *wish, int *exit_code,
              struct pn_err *err)
{
    struct tour tour = { .cli = cli, .wish = wish };
    bool is_remembered, done;
    uint16_t port = 0;

    if (pn_cli_has(cli, "merge") && pn_cli_has(cli, "kubeconfig"))
        return pn_fail(err, PN_USAGE, "--merge and --kubeconfig exclude each other");
    if (wish->count > 1 && pn_cli_has(cli, "kubeconfig"))
        return pn_fail(err, PN_USAGE, "--kubeconfig is for one account, not for %zu", wish->count);
    if (wish->command != NULL && !pn_process_finds(wish->command[0])) { /* a slip of the pen */
        fprintf(stderr, "postern: there is no command %s\n", wish->command[0]);
        *exit_code = NO_SUCH_COMMAND;
        return true;
    }
    pn_process_harden(); /* keys to a cluster from here on */
    if (!wanted_port(cli, &is_remembered, &port, err))
        return false;
    done = prepare(&tour, err) && open_all(&tour, is_remembered, port, err);
    if (is_interrupted() && (!done || wish->command != NULL)) { /* an open road ends as by Ctrl-C */
        *exit_code = 128 + pn_hold_pending();
        done = true;
    } else if (done && wish->command != NULL) {
        *exit_code = run_command(&tour);
    } else if (done) {
        done = stay(&tour, err);
    }
    for (size_t i = 0; i < tour.count; i++)
        leave(&tour.visits[i]);
    pn_renewal_freep(&tour.renewal);
    return done;
}
