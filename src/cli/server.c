/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "cli/applets.h"
#include "cli/daemon.h"
#include "crypto/random.h"
#include "gateway/gateway.h"
#include "json/settings.h"
#include "json/writer.h"
#include "net/egress.h"
#include "net/dial.h"
#include "relay/relay.h"
#include "server/dev.h"
#include "server/openapi.h"
#include "server/routes.h"
#include "server/server.h"
#include "sys/sys.h"

#define SYSTEM_CONFIG "/etc/postern/postern.yaml"
#define MAX_CONFIG_BYTES ((size_t)1 << 20)
#define DEV_LISTEN "127.0.0.1:8200"
#define TUNNEL_WAIT_MS 5000

/* ---- settings: flag over environment over file over default ---- */

static const char *flag_of(void *cli, const char *name)
{
    return pn_cli_option_text(cli, name);
}

static const char *variable(const char *name)
{
    return getenv(name);
}

/* What --dev means for settings that nobody has set: loopback, and a fresh directory. */
static bool settle_dev(struct pn_cli *cli, struct pn_settings *settings, struct pn_err *err)
{
    const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    char *fresh = NULL;
    struct pn_str text;

    if (!settings->dev)
        return true;
    if (pn_settings_origin(settings, "listen") == PN_FROM_DEFAULT &&
        !pn_settings_set(settings, "listen", PN_LIT(DEV_LISTEN), err))
        return false;
    if (pn_settings_origin(settings, "data") != PN_FROM_DEFAULT)
        return true;
    text = pn_arena_printf(pn_cli_arena(cli), "%s/postern-dev-XXXXXX", base);
    fresh = pn_new(pn_cli_arena(cli), char, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        fresh[i] = text.ptr[i];
    if (mkdtemp(fresh) == NULL)
        return pn_fail(err, PN_IO, "cannot make a directory below %s", base);
    return pn_settings_set(settings, "data", pn_str_from(fresh), err);
}

static bool load_settings(struct pn_cli *cli, struct pn_settings **out, struct pn_err *err)
{
    const char *given = pn_cli_option_text(cli, "config"),
               *file = given != NULL ? given : SYSTEM_CONFIG;
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_CONFIG_BYTES);
    struct pn_settings_source source = {
        .file_name = file, .environment = variable, .flag = flag_of, .flag_context = cli
    };

    if (given != NULL || pn_file_exists(file)) {
        if (!pn_file_read(file, MAX_CONFIG_BYTES, &text, err))
            return pn_recast(err, PN_USAGE, "%s", err->message);
        source.file_text = pn_buf_str(&text);
    }
    return pn_settings_load(&source, out, err);
}

/* ---- postern server ---- */

/* Is there somebody at a terminal, whose hint would drown in the log? */
static bool has_log_file(const struct pn_settings *settings)
{
    return settings->dev && pn_terminal_is_tty(STDERR_FILENO);
}

static const char *log_file(struct pn_cli *cli, const struct pn_settings *settings)
{
    return pn_cstr(pn_cli_arena(cli),
                   pn_arena_printf(pn_cli_arena(cli), "%s/server.log", settings->data));
}

static bool begin_log(struct pn_cli *cli, const struct pn_settings *settings, struct pn_err *err)
{
    enum pn_log_level level;
    int fd = STDERR_FILENO;

    if (!pn_log_level_parse(pn_str_from(settings->log_level), &level))
        return pn_fail(err, PN_USAGE, "Setting log-level must be debug, info, warn or error");
    if (has_log_file(settings))
        fd = pn_file_append(log_file(cli, settings), err);
    if (fd < 0)
        return false;
    pn_log_init(level, fd, "server");
    return true;
}

static bool harden(const struct pn_settings *settings, struct pn_err *err)
{
    const struct pn_egress *egress;
    uint8_t seed[16];

    if (strcmp(settings->audit_reads, "queued") != 0 &&
        strcmp(settings->audit_reads, "durable") != 0)
        return pn_fail(err, PN_USAGE, "Setting audit-reads must be queued or durable");
    pn_process_harden();
    pn_process_raise_files();
    pn_random_bytes(seed, sizeof(seed));
    pn_map_seed(seed);
    return pn_egress_of_process(&egress, err); /* a bad setting now, rather than at each dial */
}

/* Written last, and whole: who waits for the file may use all that it names. */
static bool write_ready(const struct pn_settings *settings, const struct pn_server *server,
                        const char *relay, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(8192);
    struct pn_writer w = pn_writer_of(&json);

    if (settings->ready[0] == '\0')
        return true;
    pn_write_object(&w, NULL);
    pn_write_text(&w, "url", pn_server_url(server));
    pn_write_text(&w, "relay", relay);
    pn_write_text(&w, "caFile", pn_server_ca_file(server));
    pn_write_int(&w, "pid", getpid());
    pn_write_text(&w, "version", PN_VERSION);
    pn_write_end(&w);
    pn_buf_add_byte(&json, '\n');
    return pn_file_write(settings->ready, pn_buf_str(&json), 0644, err);
}

/* Of a program that is not where a shell looks. */
static void say_path(struct pn_cli *cli)
{
    const char *path = pn_cstr(pn_cli_arena(cli), pn_process_path(pn_cli_arena(cli)));
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    if (slash != NULL && !pn_process_finds("postern"))
        fprintf(stderr, "  export PATH=\"%.*s:$PATH\"\n", (int)(slash - path), path);
}

static void say_where(struct pn_cli *cli, const struct pn_settings *settings,
                      const struct pn_server *server)
{
    if (!settings->dev) {
        fprintf(stderr, "Postern %s answers at %s\n", PN_VERSION,
                settings->public_url[0] != '\0' ? settings->public_url : pn_server_url(server));
        return;
    }
    fprintf(stderr, "Postern %s answers at %s\n", PN_VERSION, pn_server_url(server));
    fprintf(stderr, "\nIn another terminal:\n");
    say_path(cli);
    fprintf(stderr,
            "  export POSTERN_DOMAIN=%s POSTERN_CA_FILE=%s\n"
            "  postern login --email " PN_DEV_EMAIL " --password-file %s/dev/password\n"
            "\nCtrl-C stops it. Its data stays: `postern server --dev --data %s` takes it up "
            "again.\n",
            pn_server_url(server), pn_server_ca_file(server), settings->data, settings->data);
    if (has_log_file(settings))
        fprintf(stderr, "What happens is in %s\n", log_file(cli, settings));
}

/* ---- what --dev runs beside the server ---- */

/* The three roles in one process: what each holds of the others is what separate ones would. */
struct inside {
    struct pn_server *server;
    struct pn_dev dev;
    struct pn_relay *relay;
    struct pn_gateway *gateway;
    struct pn_str ca_pem;
    char relay_address[300]; /* host:port, for clients and gateways */
};

static bool read_ca(struct pn_cli *cli, struct inside *in, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf pem = pn_buf_init((size_t)64 * 1024);
    const char *file = pn_server_ca_file(in->server);

    if (file[0] == '\0')
        return true; /* given certificates: the system's CAs verify them */
    if (!pn_file_read(file, 64 * 1024, &pem, err))
        return false;
    in->ca_pem = pn_arena_copy(pn_cli_arena(cli), pn_buf_str(&pem));
    return true;
}

static const char *state_dir(struct pn_cli *cli, const struct pn_settings *settings,
                             const char *role)
{
    return pn_arena_printf(pn_cli_arena(cli), "%s/dev/%s", settings->data, role).ptr;
}

/* Clients of a relay that listens everywhere find it on this machine. */
static bool place_relay(struct inside *in, const struct pn_settings *settings, uint16_t port,
                        struct pn_err *err)
{
    struct pn_endpoint at;
    const char *host = at.host;

    if (!pn_endpoint_parse(pn_str_from(settings->relay_listen), 8443, &at, err))
        return pn_within(err, "setting relay-listen");
    if (strcmp(at.host, "0.0.0.0") == 0 || strcmp(at.host, "::") == 0)
        host = "127.0.0.1";
    snprintf(in->relay_address, sizeof(in->relay_address),
             strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
    return pn_dev_place_relay(in->server, &in->dev, host, port, err);
}

/* With what an earlier start left, or else with a new one-time token. */
static bool start_relay(struct pn_cli *cli, struct inside *in, const struct pn_settings *settings,
                        struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_relay_config config = { .server_url = pn_str_from(pn_server_url(in->server)),
                                      .server_ca_pem = in->ca_pem,
                                      .name = PN_LIT("dev"),
                                      .state_dir = state_dir(cli, settings, "relay"),
                                      .listen = pn_str_from(settings->relay_listen) };
    struct pn_err ignored = { 0 };

    if (pn_file_exists(config.state_dir) && pn_relay_start(&config, &in->relay, &ignored))
        return true;
    if (!pn_dev_relay_token(in->server, &in->dev, &token, err))
        return false;
    config.enrol_token = token;
    return pn_relay_start(&config, &in->relay, err) || pn_daemon_taken("relay-listen", err) ||
           pn_within(err, "starting the relay");
}

static bool start_gateway(struct pn_cli *cli, struct inside *in, const struct pn_settings *settings,
                          struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_gateway_config config = { .server_url = pn_str_from(pn_server_url(in->server)),
                                        .server_ca_pem = in->ca_pem,
                                        .name = PN_LIT("dev"),
                                        .state_dir = state_dir(cli, settings, "gateway") };
    struct pn_err ignored = { 0 };

    if (settings->pod_identity[0] != '\0')
        config.pod_directory = settings->pod_identity;
    if (pn_file_exists(config.state_dir) && pn_gateway_start(&config, &in->gateway, &ignored))
        return true;
    if (!pn_dev_gateway_token(in->server, &in->dev, &token, err))
        return false;
    config.enrol_token = token;
    return pn_gateway_start(&config, &in->gateway, err) || pn_within(err, "starting the gateway");
}

/*
 * Ready means that a session can be opened: the server has heard of the tunnel. Gives up after a while
 * (the relay's port may be taken away from us), and at once when the process is asked to end.
 */
static void wait_for_tunnel(struct inside *in)
{
    const struct timespec step = { .tv_nsec = 2000000 };
    int64_t until_ms = pn_clock_mono_ms() + TUNNEL_WAIT_MS;

    /* The row of a former process's tunnel lives on for a while: the gateway must agree. */
    while (pn_gateway_status(in->gateway).tunnels == 0 ||
           !pn_dev_is_connected(in->server, &in->dev)) {
        if (pn_clock_mono_ms() >= until_ms) {
            pn_log(PN_WARN, "no-tunnel", PN_F_TEXT("relay", in->relay_address));
            return;
        }
        if (pn_daemon_is_ending(&step))
            return;
    }
}

static bool start_inside(struct pn_cli *cli, struct inside *in, const struct pn_settings *settings,
                         struct pn_err *err)
{
    if (!pn_dev_setup(in->server, settings, &in->dev, err) || !read_ca(cli, in, err) ||
        !place_relay(in, settings, 0, err) || !start_relay(cli, in, settings, err) ||
        !place_relay(in, settings, pn_relay_port(in->relay), err) ||
        !start_gateway(cli, in, settings, err))
        return false;
    wait_for_tunnel(in);
    return true;
}

static bool serve(struct pn_cli *cli, const struct pn_settings *settings, struct pn_server *server,
                  struct pn_err *err)
{
    struct inside in = { .server = server };
    bool done = !settings->dev || start_inside(cli, &in, settings, err);

    done = done && write_ready(settings, server, settings->dev ? in.relay_address : NULL, err);
    if (done) {
        say_where(cli, settings, server);
        pn_daemon_wait();
    }
    pn_server_hang_up(server);
    pn_gateway_stop(in.gateway);
    pn_relay_stop(in.relay);
    return done;
}

static bool server_run(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_settings_freep) struct pn_settings *settings = NULL;
    struct pn_server_config config;
    struct pn_server *server;
    sigset_t signals;
    bool done;

    (void)exit_code;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals,
                    NULL); /* before any thread exists: pn_daemon_wait takes them */
    if (!load_settings(cli, &settings, err) || !settle_dev(cli, settings, err) ||
        (settings->dev && !pn_dev_prepare(settings, err)) || !begin_log(cli, settings, err) ||
        !harden(settings, err))
        return false;
    config = (struct pn_server_config){ .settings = settings };
    if (!pn_server_start(&config, &server, err))
        return pn_daemon_taken("listen", err);
    done = serve(cli, settings, server, err);
    pn_server_stop(server);
    return done;
}

/* ---- postern routes, postern config show ---- */

static bool routes(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)16 << 20);

    (void)exit_code;
    if (!pn_cli_has(cli, "openapi"))
        pn_routes_print(&text);
    else if (!pn_openapi_print(&text, err))
        return false;
    fwrite(text.ptr, 1, text.len, stdout);
    return true;
}

static bool config_show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)1 << 20);
    pn_auto(pn_settings_freep) struct pn_settings *settings = NULL;

    (void)exit_code;
    if (!load_settings(cli, &settings, err))
        return false;
    pn_settings_print(settings, pn_cli_has(cli, "origin"), &text);
    fwrite(text.ptr, 1, text.len, stdout);
    return true;
}

static bool audit_verify(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_settings_freep) struct pn_settings *settings = NULL;
    int64_t rows;

    (void)exit_code;
    if (!load_settings(cli, &settings, err) || !pn_server_verify_audit(settings, &rows, err))
        return false;
    printf("%lld records, the chain is whole\n", (long long)rows);
    return true;
}

#define OPTION_TEXT(name, value, help) { name, value, help },
#define OPTION_COUNT(name, value, help) { name, value, help },
#define OPTION_SPAN(name, value, help) { name, value, help },
#define OPTION_SWITCH(name, value, help) { name, value, help },
#define OPTION_SECRET(name, value, help) /* never on a command line */
#define SETTING_OPTIONS { "config", "F", "settings file (default " SYSTEM_CONFIG ")" },

static const struct pn_option server_options[] = {
    SETTING_OPTIONS
#define X(member, name, kind, fallback, value, help) OPTION_##kind(name, value, help)
#include "json/settings.def"
#undef X
    { 0 },
};
static const struct pn_option config_options[] = {
    SETTING_OPTIONS{ "origin", NULL, "say where each value comes from" },
#define X(member, name, kind, fallback, value, help) OPTION_##kind(name, value, help)
#include "json/settings.def"
#undef X
    { 0 },
};
static const struct pn_option verify_options[] = {
    { "config", "F", "settings file (default " SYSTEM_CONFIG ")" },
    { "data", "DIR", "directory of the database" },
    { 0 },
};
static const struct pn_option routes_options[] = {
    { "openapi", NULL, "describe them with their input and answers as OpenAPI 3.0 instead" },
    { 0 },
};

const struct pn_command pn_server_commands[] = {
    { .words = "server",
      .arguments = "[--dev] [--data DIR] [--listen HOST:PORT] [--ready FILE] [--config F]",
      .summary = "Run the server; --dev adds a relay and a gateway",
      .examples = "  postern server --dev\n  postern server --config /etc/postern/postern.yaml\n",
      .options = server_options,
      .run = server_run },
    { .words = "routes",
      .arguments = "[--openapi]",
      .summary = "List every REST route with who may call it",
      .examples = "  postern routes --openapi >openapi.json\n",
      .options = routes_options,
      .run = routes },
    { .words = "config show",
      .arguments = "[--origin]",
      .summary = "The settings of a server, and where each comes from",
      .options = config_options,
      .run = config_show },
    { .words = "audit verify",
      .arguments = "[--data DIR]",
      .summary = "Check that nobody has changed the server's record of changes",
      .examples = "  postern audit verify --data /var/lib/postern\n",
      .options = verify_options,
      .run = audit_verify },
    { 0 },
};
