/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/applets.h"
#include "client/credential.h"
#include "client/kubeconfig.h"
#include "client/merge.h"
#include "json/writer.h"
#include "net/dial.h"
#include "sys/sys.h"

#define MAX_OUTPUT_BYTES ((size_t)256 * 1024)
/* kubectl asks again this long before the certificate ends. */
#define EARLY_MS 5000
#define RELAY_PORT 8443
/* Which way the kubeconfig leads, and where it is; "": the person's own. For the plugin, in its environment. */
#define ROAD_VARIABLE "POSTERN_KUBE_ROAD"
#define FILE_VARIABLE "POSTERN_KUBE_FILE"

#define MAX_VARIABLES 5
#define MAX_ROADS (PN_ACCESS_RELAYS_MAX + 1)
#define ANSWER_MS 1000 /* for a relay to take a connection, while another could be asked */

/* ---- the road that a kubeconfig names: it can name one only, so the plugin looks whether it is there ---- */

static size_t roads_of(const struct pn_access *access, struct pn_str roads[MAX_ROADS])
{
    size_t count = 0;

    for (size_t i = 0; i < access->relays.count && i < PN_ACCESS_RELAYS_MAX; i++)
        roads[count++] = access->relays.items[i];
    if (access->direct_address.len > 0)
        roads[count++] = access->direct_address;
    return count;
}

static bool answers(struct pn_str road)
{
    struct pn_endpoint endpoint;
    struct pn_err ignored = { 0 };
    int fd = pn_endpoint_parse(road, RELAY_PORT, &endpoint, &ignored)
                 ? pn_dial_blocking(&endpoint, pn_clock_mono_ms() + ANSWER_MS, NULL, NULL, &ignored)
                 : -1;

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The first that answers; the first of all when there is no choice, or none does. */
static struct pn_str choose_road(const struct pn_access *access)
{
    struct pn_str roads[MAX_ROADS];
    size_t count = roads_of(access, roads);

    for (size_t i = 0; count > 1 && i < count; i++) {
        if (answers(roads[i]))
            return roads[i];
    }
    return roads[0];
}

/* ---- the kubeconfig ---- */

/*
 * kubectl may run where our variables are not set, in an editor for instance: the plugin is told where
 * its files are and which server is meant. Tokens are never written here.
 */
static struct pn_strs plugin_environment(struct pn_arena *arena,
                                         const struct pn_client_config *settings,
                                         struct pn_str road, const char *path)
{
    struct pn_strs list = { .items = pn_new(arena, struct pn_str, 2 * MAX_VARIABLES) };
    struct pn_str config = pn_str_from(pn_dir_config(arena));

    list.items[list.count++] = PN_LIT("XDG_CONFIG_HOME");
    list.items[list.count++] = pn_str_slice(config, 0, config.len - strlen("/postern"));
    list.items[list.count++] = PN_LIT("POSTERN_DOMAIN");
    list.items[list.count++] = settings->domain;
    list.items[list.count++] = PN_LIT(ROAD_VARIABLE);
    list.items[list.count++] = road;
    list.items[list.count++] = PN_LIT(FILE_VARIABLE);
    list.items[list.count++] = path != NULL ? pn_str_from(path) : PN_LIT("");
    if (settings->ca_file.len > 0) {
        list.items[list.count++] = PN_LIT("POSTERN_CA_FILE");
        list.items[list.count++] = settings->ca_file;
    }
    return list;
}

/* `path` NULL: into the person's own. */
static bool write_kubeconfig(struct pn_cli *cli, const struct pn_client_config *settings,
                             const struct pn_access *access, struct pn_str road, const char *path,
                             const char **absolute, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(cli);
    struct pn_str args[] = { PN_LIT("kube"), PN_LIT("credential"), access->account_id };
    const struct pn_kubeconfig config = {
        .name = pn_arena_printf(arena, "postern/%.*s", PN_ARG(access->account_path)),
        .server =
            pn_arena_printf(arena, "https://%.*s/%.*s", PN_ARG(road), PN_ARG(access->account_id)),
        .tls_server_name = access->server_name,
        .ca_pem = access->trust_pem,
        .command = pn_process_path(arena),
        .args = { args, PN_COUNT(args) },
        .environment = plugin_environment(arena, settings, road, path),
    };

    if (path != NULL)
        return pn_kubeconfig_write(&config, path, arena, absolute, err);
    *absolute = pn_merge_target(arena);
    return *absolute == NULL ? pn_fail(err, PN_USAGE, "--merge: neither KUBECONFIG nor HOME is set")
                             : pn_merge_add(*absolute, &config, 0, err);
}

static void print_login(struct pn_cli *cli, const struct pn_access *access, const char *kubeconfig)
{
    if (pn_cli_has(cli, "merge"))
        printf("Logged in to %.*s; it is the current context of %s.\n\n    kubectl get pods\n\n",
               PN_ARG(access->account_path), kubeconfig);
    else
        printf("Logged in to %.*s.\n\n    export KUBECONFIG=%s\n    kubectl get pods\n\n",
               PN_ARG(access->account_path), kubeconfig);
    printf("`postern kube logout %.*s` ends the session.\n", PN_ARG(pn_cli_arg(cli, 0)));
}

/* kubectl may run anywhere. */
static const char *absolute_path(struct pn_arena *arena, const char *path)
{
    char here[PATH_MAX];

    if (path == NULL || path[0] == '/' || getcwd(here, sizeof here) == NULL)
        return path;
    return pn_cstr(arena, pn_arena_printf(arena, "%s/%s", here, path));
}

static bool kube_login(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_client_config *settings;
    struct pn_access_wish wish = { .path = pn_cli_arg(cli, 0),
                                   .duration = pn_cli_option(cli, "duration"),
                                   .reason = pn_cli_option(cli, "reason") };
    const char *path = pn_cli_option_text(cli, "kubeconfig"), *absolute;
    struct pn_access access;
    struct pn_rest *rest;
    bool done;

    (void)exit_code;
    if (path != NULL && pn_cli_has(cli, "merge"))
        return pn_fail(err, PN_USAGE, "--merge and --kubeconfig exclude each other");
    if (!pn_cli_rest_client(cli, &rest, err) || !pn_cli_config(cli, &settings, err))
        return false;
    wish.project_id = settings->project_id;
    pn_cli_say("Opening a session with %.*s …", PN_ARG(wish.path));
    if (!pn_credential_login(rest, &wish, &access, err))
        return false;
    if (path == NULL && !pn_cli_has(cli, "merge"))
        path = pn_credential_kubeconfig(pn_cli_arena(cli), access.account_id);
    path = absolute_path(pn_cli_arena(cli), path);
    done = write_kubeconfig(cli, settings, &access, choose_road(&access), path, &absolute, err);
    if (done)
        print_login(cli, &access, absolute);
    pn_access_drop(&access);
    return done;
}

static bool rest_of(void *context, struct pn_rest **out, struct pn_err *err)
{
    return pn_cli_rest_client(context, out, err);
}

#define EXEC_GROUP "client.authentication.k8s.io/"

/* The form kubectl asks for in KUBERNETES_EXEC_INFO; the answer must be of the same one. */
static const char *exec_version(void)
{
    const char *info = getenv("KUBERNETES_EXEC_INFO");
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_err ignored = { 0 };

    if (info != NULL && pn_value_parse(pn_str_from(info), &value, &ignored) &&
        pn_str_is(pn_value_str(pn_value_get(value, "apiVersion")), EXEC_GROUP "v1"))
        return EXEC_GROUP "v1";
    return EXEC_GROUP "v1beta1"; /* as our kubeconfigs say */
}

/* An ExecCredential on stdout and nothing else. */
static void print_credential(const struct pn_access *access)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_OUTPUT_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", exec_version());
    pn_write_text(&w, "kind", "ExecCredential");
    pn_write_object(&w, "status");
    pn_write_time(&w, "expirationTimestamp", access->expires_ms - EARLY_MS);
    pn_write_str(&w, "clientCertificateData", access->certificate_pem);
    pn_write_str(&w, "clientKeyData", pn_secret_reveal(access->key_pem));
    pn_write_end(&w);
    pn_write_end(&w);
    pn_buf_add_byte(&json, '\n');
    fwrite(json.ptr, 1, json.len, stdout);
}

/*
 * kubectl has read its kubeconfig already: when the relay in it is gone, this command cannot be saved, but the
 * next one goes another way, and this one says so at once.
 */
static bool check_road(struct pn_cli *cli, const struct pn_access *access, struct pn_err *err)
{
    struct pn_str road = pn_str_from(getenv(ROAD_VARIABLE)), other;
    const char *path = getenv(FILE_VARIABLE);
    struct pn_client_config *settings;
    struct pn_str roads[MAX_ROADS];

    if (road.len == 0 || path == NULL || roads_of(access, roads) < 2 || answers(road))
        return true;
    other = choose_road(access);
    if (pn_str_eq(other, road)) /* none answers: kubectl tells of it in its own words */
        return true;
    return pn_cli_config(cli, &settings, err) &&
           write_kubeconfig(cli, settings, access, other, path[0] != '\0' ? path : NULL, &path,
                            err) &&
           pn_fail(err, PN_UNREACHABLE,
                   "the relay %.*s does not answer: the kubeconfig leads through %.*s from now on, "
                   "run the command again",
                   PN_ARG(road), PN_ARG(other));
}

static bool kube_credential(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_access access;
    bool done;

    (void)exit_code;
    if (!pn_credential_get(pn_cli_arg(cli, 0), rest_of, cli, &access, err))
        return false;
    done = check_road(cli, &access, err);
    if (done)
        print_credential(&access);
    pn_access_drop(&access);
    return done;
}

/* " prod/viewer, test/admin" */
static const char *login_names(struct pn_arena *arena, const struct pn_strs *ids)
{
    struct pn_str names = PN_LIT("");

    for (size_t i = 0; i < ids->count; i++)
        names = pn_arena_printf(arena, "%.*s%s %.*s", PN_ARG(names), i > 0 ? "," : "",
                                PN_ARG(pn_credential_path(arena, ids->items[i])));
    return pn_cstr(arena, names);
}

/* The account whose login has that path; the only one when no path was given. */
static bool find_login(struct pn_cli *cli, struct pn_str *account_id, struct pn_err *err)
{
    struct pn_str wanted = pn_cli_arg(cli, 0);
    struct pn_strs ids = pn_credential_list(pn_cli_arena(cli));

    if (wanted.len == 0 && ids.count > 1)
        return pn_fail(err, PN_USAGE, "you are logged in to several: say which of%s",
                       login_names(pn_cli_arena(cli), &ids));
    for (size_t i = 0; i < ids.count; i++) {
        if (wanted.len == 0 || pn_str_eq(ids.items[i], wanted) ||
            pn_str_eq(pn_credential_path(pn_cli_arena(cli), ids.items[i]), wanted)) {
            *account_id = ids.items[i];
            return true;
        }
    }
    return pn_fail(err, PN_NOT_FOUND, "not logged in to %.*s",
                   PN_ARG(wanted.len > 0 ? wanted : PN_LIT("any cluster")));
}

/* The session ends, whatever the person's kubeconfig is like by now. */
static bool kube_logout(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str account_id, context;
    struct pn_rest *rest;
    struct pn_err stays = { 0 };
    bool is_taken_out;

    (void)exit_code;
    if (!find_login(cli, &account_id, err) || !pn_cli_rest_client(cli, &rest, err))
        return false;
    context = pn_credential_context(pn_cli_arena(cli), account_id);
    is_taken_out = context.len == 0 || pn_merge_remove(context, 0, &stays);
    if (!pn_credential_logout(rest, account_id, err))
        return false;
    if (!is_taken_out) {
        *err = stays;
        return pn_within(err, "the session has ended, the entries of --merge stay");
    }
    printf("Logged out; the session has ended.\n");
    return true;
}

static const struct pn_option login_options[] = {
    { "duration", "TIME", "how long each session is (default: the account's)" },
    { "reason", "TEXT", "why; on record with the session" },
    { "kubeconfig", "FILE", "write the kubeconfig there (default: below XDG_CONFIG_HOME)" },
    { "merge", NULL, "add it to your own kubeconfig and switch to it, until `kube logout`" },
    { 0 },
};
static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_kube_commands[] = {
    { .words = "kube login",
      .arguments = "RESOURCE/ACCOUNT [--duration 8h] [--kubeconfig FILE | --merge]",
      .summary =
          "A kubeconfig that needs no local process: kubectl asks this program for certificates",
      .examples =
          "  postern kube login prod/viewer && export KUBECONFIG=~/.config/postern/kube/….yaml\n",
      .options = login_options,
      .min_args = 1,
      .max_args = 1,
      .run = kube_login },
    { .words = "kube logout",
      .arguments = "[RESOURCE/ACCOUNT]",
      .summary = "End that session and remove its files",
      .options = no_options,
      .max_args = 1,
      .run = kube_logout },
    { .words = "kube credential",
      .arguments = "ACCOUNT_ID",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .summary = "For kubectl: the exec plugin that its kubeconfig names",
      .run = kube_credential },
    { 0 },
};
