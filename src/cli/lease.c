/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lease.h"

#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/hold.h"
#include "client/kubeconfig.h"
#include "sys/sys.h"

#define BASE "/v1/dynamic-secrets"
#define LEASES BASE "/leases"
#define MAX_KUBECONFIG_BYTES ((size_t)512 * 1024)
#define MAX_CA_BYTES ((size_t)256 * 1024)
#define NO_SUCH_COMMAND 127 /* as a shell says it */

static const struct pn_column columns[] = { { "ID", "id" },
                                            { "ACCOUNT", "externalEntityId" },
                                            { "NAMESPACE", "config.namespace" },
                                            { "EXPIRES", "expireAt" },
                                            { "STATUS", "status" },
                                            { "DETAILS", "statusDetails" },
                                            { 0 } };

/* ---- places ---- */

static bool find_slug(struct pn_cli *cli, struct pn_str project, struct pn_str *slug,
                      struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    if (!pn_cli_fetch(cli, "GET",
                      pn_cli_path(cli, "/v1/workspace/%.*s", PN_ARG(pn_cli_segment(cli, project))),
                      NULL, &reply, err))
        return false;
    *slug = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_at(reply, "workspace.slug")));
    return true;
}

/* With --project-slug nobody need be able to read the project, nor the list of them. */
bool pn_cli_slot(struct pn_cli *cli, struct pn_cli_slot *out, struct pn_err *err)
{
    struct pn_str slug = pn_cli_option(cli, "project-slug");
    struct pn_client_config *config;
    struct pn_cli_place place;

    if (!pn_cli_config(cli, &config, err))
        return false;
    if (slug.len > 0 && config->project_id.len == 0)
        config->project_id = slug; /* so that place asks nobody */
    if (!pn_cli_place(cli, &place, err))
        return false;
    *out = (struct pn_cli_slot){ slug, place.environment, place.path };
    return slug.len > 0 || find_slug(cli, place.project, &out->project, err);
}

void pn_cli_write_slot(const struct pn_cli_slot *slot, struct pn_writer *w)
{
    pn_write_str(w, "projectSlug", slot->project);
    pn_write_str(w, "environmentSlug", slot->environment);
    pn_write_str(w, "path", slot->path);
}

void pn_cli_query_slot(const struct pn_cli_slot *slot, struct pn_buf *path)
{
    pn_rest_query(path, "projectSlug", slot->project);
    pn_rest_query(path, "environmentSlug", slot->environment);
    pn_rest_query(path, "path", slot->path);
}

/* ---- the cluster of a dynamic secret, for kubeconfigs ---- */

struct cluster {
    struct pn_str url, ca_pem; /* url empty: not known */
    struct pn_str namespace;   /* of leases that name none; empty: not known */
};

static bool read_ca(struct pn_cli *cli, struct pn_str *out, struct pn_err *err)
{
    const char *file = pn_cli_option_text(cli, "ca-file");
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_CA_BYTES);

    if (file == NULL)
        return true;
    if (!pn_file_read(file, MAX_CA_BYTES, &text, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    *out = pn_arena_copy(pn_cli_arena(cli), pn_buf_str(&text));
    return true;
}

/* Who may only lease is not shown where the cluster is. */
static bool find_cluster(struct pn_cli *cli, const struct pn_cli_slot *slot, struct cluster *out,
                         struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str name =
        pn_cli_has(cli, "lease") ? pn_cli_option(cli, "lease") : pn_cli_arg(cli, 0);
    struct pn_str namespaces;
    const struct pn_value *inputs;

    *out = (struct cluster){ .url = pn_cli_option(cli, "server") };
    if (out->url.len > 0)
        return read_ca(cli, &out->ca_pem, err);
    pn_buf_addf(&path, BASE "/%.*s", PN_ARG(pn_cli_segment(cli, name)));
    pn_cli_query_slot(slot, &path);
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    if (!pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, &reply, err))
        return false;
    inputs = pn_value_at(reply, "dynamicSecret.inputs");
    out->url = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(inputs, "url")));
    namespaces = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(inputs, "namespace")));
    if (pn_str_cut(&namespaces, ',', &out->namespace))
        out->namespace = pn_str_trim(out->namespace);
    if (pn_value_bool(pn_value_get(inputs, "sslEnabled"), false))
        out->ca_pem = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(inputs, "ca")));
    return read_ca(cli, &out->ca_pem, err);
}

static bool make_kubeconfig(struct pn_cli *cli, const struct cluster *cluster,
                            const struct pn_value *reply, struct pn_kubeconfig *out,
                            struct pn_secret **token, struct pn_err *err)
{
    struct pn_str account = pn_value_str(pn_value_at(reply, "lease.externalEntityId"));
    struct pn_str namespace = pn_value_str(pn_value_at(reply, "lease.config.namespace"));

    *token = pn_secret_new(pn_value_str(pn_value_at(reply, "data.TOKEN")), err);
    if (*token == NULL)
        return false;
    *out = (struct pn_kubeconfig){
        .name = pn_arena_printf(pn_cli_arena(cli), "postern/%.*s/%.*s",
                                PN_ARG(pn_value_str(pn_value_at(reply, "dynamicSecret.name"))),
                                PN_ARG(account)),
        .server = cluster->url,
        .ca_pem = cluster->ca_pem,
        .token = *token,
        .namespace = namespace.len > 0 ? namespace : cluster->namespace,
    };
    return true;
}

/* ---- create ---- */

static bool write_config(struct pn_cli *cli, bool asks_kubeconfig, struct pn_writer *w,
                         struct pn_err *err)
{
    static const struct pn_cli_field fields[] = {
        { "kubernetes-namespace", "namespace", PN_CLI_TEXT },
        { "outputs", "outputs", PN_CLI_LIST },
        { 0 },
    };

    pn_write_object(w, "config");
    if (!pn_cli_write_fields(cli, fields, w, err))
        return false;
    if (asks_kubeconfig) {
        pn_write_array(w, "outputs");
        pn_write_text(w, NULL, "KUBECONFIG");
        pn_write_end(w);
    }
    pn_write_end(w);
    return true;
}

/* Its id becomes a file's name, and a path of the server's. */
static bool check_made(struct pn_value **reply, struct pn_err *err)
{
    struct pn_uuid id;

    if (pn_uuid_parse(pn_value_str(pn_value_at(*reply, "lease.id")), &id))
        return true;
    pn_value_freep(reply);
    return pn_fail(err, PN_PROTOCOL, "the server's answer names no lease");
}

static bool create(struct pn_cli *cli, const struct pn_cli_slot *slot, struct pn_str name,
                   bool asks_kubeconfig, struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    pn_write_object(&w, NULL);
    pn_cli_write_slot(slot, &w);
    pn_write_str(&w, "dynamicSecretName", name);
    if (pn_cli_has(cli, "ttl"))
        pn_write_str(&w, "ttl", pn_cli_option(cli, "ttl"));
    if (!write_config(cli, asks_kubeconfig, &w, err))
        return false;
    pn_write_end(&w);
    return pn_cli_fetch(cli, "POST", PN_LIT(LEASES), &body, reply, err) && check_made(reply, err);
}

static void say_lease(const struct pn_value *reply)
{
    static const struct {
        const char *title, *path;
    } lines[] = { { "Name", "dynamicSecret.name" },
                  { "Provider", "dynamicSecret.type" },
                  { "Lease ID", "lease.id" },
                  { "Account", "lease.externalEntityId" },
                  { "Expires at", "lease.expireAt" } };

    for (size_t i = 0; i < PN_COUNT(lines); i++)
        fprintf(stderr, "%s: %.*s\n", lines[i].title,
                PN_ARG(pn_value_str(pn_value_at(reply, lines[i].path))));
}

static bool add_row(const struct pn_value *data, size_t index, struct pn_writer *w)
{
    const struct pn_value *value;
    struct pn_str key;

    if (!pn_value_member(data, index, &key, &value))
        return false;
    pn_write_object(w, NULL);
    pn_write_str(w, "key", key);
    pn_write_str(w, "value", pn_value_str(value));
    pn_write_end(w);
    return true;
}

/* The lease on stderr, what it gives on stdout: as the official client has it. */
static bool print_table(struct pn_cli *cli, const struct pn_value *reply, struct pn_err *err)
{
    static const struct pn_column data_columns[] = { { "KEY", "key" },
                                                     { "VALUE", "value" },
                                                     { 0 } };
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    const struct pn_value *data = pn_value_get(reply, "data"), *value;
    struct pn_writer w = pn_writer_of(&json);
    struct pn_str key;

    if (pn_cli_is_on(cli, "plain")) {
        for (size_t i = 0; pn_value_member(data, i, &key, &value); i++)
            printf("%.*s=%.*s\n", PN_ARG(key), PN_ARG(pn_value_str(value)));
        return true;
    }
    say_lease(reply);
    pn_write_array(&w, NULL);
    for (size_t i = 0; add_row(data, i, &w); i++)
        continue;
    pn_write_end(&w);
    return pn_cli_print_json(cli, pn_buf_str(&json), data_columns, err);
}

static bool is_official(const struct pn_cli *cli)
{
    return pn_str_is(pn_str_from(pn_cli_program(cli)), "infisical");
}

/* What the server wrote itself, where it was asked to; PN_NONE: nothing. */
static struct pn_str given_kubeconfig(const struct pn_value *reply)
{
    return pn_value_str(pn_value_at(reply, "data.KUBECONFIG"));
}

static bool print_kubeconfig(struct pn_cli *cli, const struct cluster *cluster,
                             const struct pn_value *reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init_wiped(MAX_KUBECONFIG_BYTES);
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    struct pn_kubeconfig config;

    if (given_kubeconfig(reply).len > 0) {
        printf("%.*s\n", PN_ARG(given_kubeconfig(reply)));
        return true;
    }
    if (!make_kubeconfig(cli, cluster, reply, &config, &token, err))
        return false;
    pn_kubeconfig_print(&config, &yaml);
    fwrite(yaml.ptr, 1, yaml.len, stdout);
    return true;
}

/* Who is not shown where the cluster is asks for a kubeconfig, and is refused before there is a lease nobody can use. */
static bool create_for_kubeconfig(struct pn_cli *cli, const struct pn_cli_slot *slot,
                                  struct cluster *cluster, struct pn_value **reply,
                                  struct pn_err *err)
{
    if (pn_cli_has(cli, "outputs"))
        return pn_fail(err, PN_USAGE, "--outputs is for other formats: -o kubeconfig is all of it");
    if (!find_cluster(cli, slot, cluster, err))
        return false;
    if (create(cli, slot, pn_cli_arg(cli, 0), cluster->url.len == 0, reply, err))
        return true;
    return cluster->url.len == 0 && strcmp(err->name, "PermissionDenied") == 0
               ? pn_recast(err, PN_USAGE,
                           "where the cluster is, you are not shown: give --server URL "
                           "and --ca-file F")
               : false;
}

bool pn_lease_command_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    bool wants_kubeconfig = pn_str_is(pn_cli_format(cli), "kubeconfig");
    struct cluster cluster = { 0 };
    struct pn_cli_slot slot;

    (void)exit_code;
    if (!pn_cli_slot(cli, &slot, err))
        return false;
    if (wants_kubeconfig)
        return create_for_kubeconfig(cli, &slot, &cluster, &reply, err) &&
               print_kubeconfig(cli, &cluster, reply, err);
    if (!create(cli, &slot, pn_cli_arg(cli, 0), false, &reply, err))
        return false;
    if (pn_cli_output(cli) == PN_OUTPUT_TABLE)
        return print_table(cli, reply, err);
    pn_cli_print(cli, is_official(cli) ? pn_value_get(reply, "data") : reply, columns);
    return true;
}

/* ---- list, renew, revoke ---- */

bool pn_lease_command_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_slot slot;

    (void)exit_code;
    if (!pn_cli_slot(cli, &slot, err))
        return false;
    pn_buf_addf(&path, BASE "/%.*s/leases", PN_ARG(pn_cli_segment(cli, pn_cli_arg(cli, 0))));
    pn_cli_query_slot(&slot, &path);
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    return pn_cli_call(cli, "GET", pn_buf_str(&path), NULL, "leases", columns, err);
}

static bool check_id(struct pn_cli *cli, struct pn_str id, struct pn_err *err)
{
    struct pn_uuid uuid;

    return pn_uuid_parse(id, &uuid) ||
           pn_fail(err, PN_USAGE,
                   "\"%.*s\" is not the ID of a lease: see `%s dynamic-secrets lease "
                   "list NAME`",
                   PN_ARG(id), pn_cli_program(cli));
}

bool pn_lease_command_renew(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str id = pn_cli_arg(cli, 0);
    struct pn_cli_slot slot;

    (void)exit_code;
    if (!check_id(cli, id, err) || !pn_cli_slot(cli, &slot, err))
        return false;
    pn_write_object(&w, NULL);
    pn_cli_write_slot(&slot, &w);
    if (pn_cli_has(cli, "ttl"))
        pn_write_str(&w, "ttl", pn_cli_option(cli, "ttl"));
    pn_write_end(&w);
    return pn_cli_call(cli, "POST", pn_cli_path(cli, LEASES "/%.*s/renew", PN_ARG(id)), &body,
                       "lease", columns, err);
}

static bool end_lease(struct pn_cli *cli, const struct pn_cli_slot *slot, struct pn_str id,
                      bool is_forced, struct pn_value **reply, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    pn_write_object(&w, NULL);
    pn_cli_write_slot(slot, &w);
    pn_write_bool(&w, "isForced", is_forced);
    pn_write_end(&w);
    return pn_cli_fetch(cli, "DELETE", pn_cli_path(cli, LEASES "/%.*s", PN_ARG(id)), &body, reply,
                        err);
}

/* The server answers 200 also when the cluster did not let it: then it goes on trying. */
static bool check_revoked(const struct pn_value *reply, struct pn_err *err)
{
    struct pn_str status = pn_value_str(pn_value_at(reply, "lease.status"));

    if (status.len == 0)
        return true;
    return pn_fail(err, PN_UPSTREAM,
                   "the lease is not gone from its cluster yet, and is tried again: %.*s",
                   PN_ARG(pn_value_str(pn_value_at(reply, "lease.statusDetails"))));
}

bool pn_lease_command_revoke(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_cli_slot slot;

    (void)exit_code;
    if (!check_id(cli, pn_cli_arg(cli, 0), err) || !pn_cli_slot(cli, &slot, err) ||
        !end_lease(cli, &slot, pn_cli_arg(cli, 0), pn_cli_has(cli, "force"), &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, "lease"), columns);
    return is_official(cli) || check_revoked(reply, err);
}

/* ---- run --lease ---- */

struct stay {
    struct pn_cli *cli;
    struct pn_cli_slot slot;
    struct cluster cluster;
    struct pn_value *reply; /* of the lease's making; NULL: there is none */
    const char *kubeconfig; /* NULL until written */
};

static bool write_kubeconfig(struct stay *stay, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(stay->cli);
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;
    const char *directory = pn_dir_runtime(arena);
    struct pn_kubeconfig config;
    const char *path;

    if (directory == NULL)
        return pn_fail(err, PN_IO, "there is no directory that only you can read for a kubeconfig");
    path =
        pn_cstr(arena, pn_arena_printf(arena, "%s/lease-%.*s.kubeconfig", directory,
                                       PN_ARG(pn_value_str(pn_value_at(stay->reply, "lease.id")))));
    if (path != NULL && given_kubeconfig(stay->reply).len > 0) {
        stay->kubeconfig = path;
        return pn_file_write(path, given_kubeconfig(stay->reply), 0600, err);
    }
    return path != NULL &&
           make_kubeconfig(stay->cli, &stay->cluster, stay->reply, &config, &token, err) &&
           pn_kubeconfig_write(&config, path, arena, &stay->kubeconfig, err);
}

static char *setting(struct pn_arena *arena, struct pn_str name, struct pn_str value)
{
    char *text = pn_new(arena, char, name.len + value.len + 2);

    memcpy(text, name.ptr, name.len);
    text[name.len] = '=';
    if (value.len > 0)
        memcpy(text + name.len + 1, value.ptr, value.len);
    return text;
}

/* What the lease gives, by its names; and where kubectl finds it. */
static char **environment_of(const struct stay *stay)
{
    struct pn_arena *arena = pn_cli_arena(stay->cli);
    const struct pn_value *data = pn_value_get(stay->reply, "data"), *value;
    char **environment = pn_new(arena, char *, pn_value_count(data) + 2);
    struct pn_str key;
    size_t count = 0;

    for (size_t i = 0; pn_value_member(data, i, &key, &value); i++)
        if (!pn_str_is(key, "KUBECONFIG")) /* to a command that is a file's name */
            environment[count++] = setting(arena, key, pn_value_str(value));
    if (stay->kubeconfig != NULL)
        environment[count] = setting(arena, PN_LIT("KUBECONFIG"), pn_str_from(stay->kubeconfig));
    return environment;
}

/* In every case; what the server cannot be told now, it does by itself when the lease expires. */
static void leave(struct stay *stay)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_err err = { 0 };

    if (stay->kubeconfig != NULL && !pn_file_remove(stay->kubeconfig, &err)) {
        fprintf(stderr, "postern: %s: %s\n", stay->kubeconfig, err.message);
        pn_err_clear(&err);
    }
    if (stay->reply == NULL)
        return;
    if (!end_lease(stay->cli, &stay->slot, pn_value_str(pn_value_at(stay->reply, "lease.id")),
                   false, &reply, &err) ||
        !check_revoked(reply, &err))
        fprintf(stderr, "postern: the lease was not revoked, it ends by itself at %.*s: %s\n",
                PN_ARG(pn_value_str(pn_value_at(stay->reply, "lease.expireAt"))), err.message);
    pn_value_freep(&stay->reply);
}

static bool arrive(struct stay *stay, struct pn_err *err)
{
    struct pn_str name = pn_cli_option(stay->cli, "lease");

    if (!pn_cli_slot(stay->cli, &stay->slot, err) ||
        !find_cluster(stay->cli, &stay->slot, &stay->cluster, err) ||
        !create(stay->cli, &stay->slot, name, false, &stay->reply, err))
        return false;
    if (stay->cluster.url.len > 0 || given_kubeconfig(stay->reply).len > 0)
        return write_kubeconfig(stay, err);
    fprintf(stderr, "postern: where the cluster is, you are not shown: there is $TOKEN and no "
                    "kubeconfig, but with --server URL\n");
    return true;
}

bool pn_lease_run(struct pn_cli *cli, char **command, int *exit_code, struct pn_err *err)
{
    struct stay stay = { .cli = cli };
    bool done;

    if (!pn_process_finds(command[0])) { /* no lease for what cannot begin */
        fprintf(stderr, "%s: %s: no such command\n", pn_cli_program(cli), command[0]);
        *exit_code = NO_SUCH_COMMAND;
        return true;
    }
    pn_process_harden();
    pn_hold_signals();
    done = arrive(&stay, err);
    if (pn_hold_pending() != 0) {
        *exit_code = 128 + pn_hold_pending();
        done = true;
    } else if (done) {
        *exit_code = pn_hold_run(command, environment_of(&stay));
    }
    leave(&stay);
    return done;
}
