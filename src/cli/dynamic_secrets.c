/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/applets.h"
#include "cli/lease.h"

/* Dynamic secrets: how credentials of clusters are made; and their leases (lease.c). */

#define BASE "/v1/dynamic-secrets"
#define SWEEP_POLL_MS 1000

static const struct pn_column columns[] = {
    { "NAME", "name" },
    { "TYPE", "type" },
    { "DEFAULT TTL", "defaultTTL" },
    { "MAX TTL", "maxTTL" },
    { "STATUS", "status" },
    { "DETAILS", "statusDetails" },
    { "UPDATED", "updatedAt" },
    { 0 },
};

/* ---- bodies ---- */

static const struct pn_cli_field inputs[] = {
    { "service-account", "serviceAccountName", PN_CLI_TEXT },
    { "namespace", "namespace", PN_CLI_TEXT },
    { "role", "role", PN_CLI_TEXT },
    { "role-type", "roleType", PN_CLI_TEXT },
    { "binding-scope", "bindingScope", PN_CLI_TEXT },
    { "audiences", "audiences", PN_CLI_LIST },
    { "url", "url", PN_CLI_TEXT },
    { "ca-file", "ca", PN_CLI_FILE },
    { "token-file", "clusterToken", PN_CLI_SECRET },
    { "auth-method", "authMethod", PN_CLI_TEXT },
    { "gateway", "gatewayId", PN_CLI_GATEWAY },
    { "gateway-pool", "gatewayPoolId", PN_CLI_POOL },
    { "token-binding", "tokenBinding", PN_CLI_TEXT },
    { "token-lifetime", "tokenLifetime", PN_CLI_TEXT },
    { "outputs", "outputs", PN_CLI_LIST },
    { 0 },
};

/* A CA is what verification goes by, when there is one. */
static bool write_inputs(struct pn_cli *cli, struct pn_writer *w, struct pn_err *err)
{
    if (!pn_cli_write_fields(cli, inputs, w, err))
        return false;
    if (pn_cli_has(cli, "ca-file"))
        pn_write_bool(w, "sslEnabled", pn_cli_option(cli, "ca-file").len > 0);
    return true;
}

/* What goes without saying when one is made. */
static void write_defaults(struct pn_cli *cli, struct pn_writer *w)
{
    bool is_static = pn_cli_has(cli, "service-account");
    bool has_gateway = pn_cli_has(cli, "gateway") || pn_cli_has(cli, "gateway-pool");

    pn_write_text(w, "credentialType", is_static ? "static" : "dynamic");
    if (!pn_cli_has(cli, "audiences")) {
        pn_write_array(w, "audiences");
        pn_write_end(w);
    }
    if (!is_static && !pn_cli_has(cli, "role-type"))
        pn_write_text(w, "roleType", "role");
    if (!pn_cli_has(cli, "auth-method"))
        pn_write_text(w, "authMethod",
                      has_gateway && !pn_cli_has(cli, "token-file") ? "gateway" : "api");
}

/* As the official Kubernetes operator reads it: digits and one letter. */
static void warn_of_spelling(struct pn_cli *cli)
{
    struct pn_str text = pn_cli_option(cli, "max-ttl");
    size_t digits = 0;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (text.len > 0 && (digits == 0 || digits + 1 != text.len ||
                         pn_str_find(PN_LIT("smhdw"), text.ptr[digits]) < 0))
        fprintf(stderr,
                "postern: Infisical's Kubernetes operator reads a --max-ttl only as a whole "
                "number and one of s, m, h, d, w\n");
}

static void write_terms(struct pn_cli *cli, struct pn_writer *w)
{
    static const struct {
        const char *option, *member;
        bool is_nullable;
    } terms[] = { { "default-ttl", "defaultTTL", false },
                  { "max-ttl", "maxTTL", true },
                  { "username-template", "usernameTemplate", true } };

    for (size_t i = 0; i < PN_COUNT(terms); i++) {
        struct pn_str text = pn_cli_option(cli, terms[i].option);

        if (pn_cli_has(cli, terms[i].option))
            pn_write_str(w, terms[i].member,
                         text.len == 0 && terms[i].is_nullable ? PN_NONE : text);
    }
    warn_of_spelling(cli);
}

/* ---- commands ---- */

/* A denial comes with the rights that are missing, as a manifest. Always false. */
static bool show_manifest(const struct pn_cli *cli, const struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *details = NULL;
    struct pn_err ignored = { 0 };

    if (pn_cli_output(cli) != PN_OUTPUT_JSON && err->details.len > 0 &&
        pn_value_parse(err->details, &details, &ignored) &&
        pn_value_is_string(pn_value_get(details, "manifest")))
        fprintf(stderr, "# What is missing; apply it with kubectl apply -f:\n%.*s",
                PN_ARG(pn_value_str(pn_value_get(details, "manifest"))));
    return false;
}

static bool send(struct pn_cli *cli, const char *method, struct pn_str path,
                 const struct pn_buf *body, struct pn_err *err)
{
    return pn_cli_call(cli, method, path, body, "dynamicSecret", columns, err) ||
           show_manifest(cli, err);
}

/* Begins a body with where the secret is; its object stays open. */
static bool begin_body(struct pn_cli *cli, struct pn_writer *w, struct pn_err *err)
{
    struct pn_cli_slot slot;

    if (!pn_cli_slot(cli, &slot, err))
        return false;
    pn_write_object(w, NULL);
    pn_cli_write_slot(&slot, w);
    return true;
}

/* What is there, where the secret is. */
static bool fetch(struct pn_cli *cli, struct pn_str base, struct pn_value **reply,
                  struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    struct pn_cli_slot slot;

    if (!pn_cli_slot(cli, &slot, err))
        return false;
    pn_buf_add(&path, base);
    pn_cli_query_slot(&slot, &path);
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "the path is too long");
    return pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, reply, err);
}

/* Prints that member of it. */
static bool show(struct pn_cli *cli, struct pn_str base, const char *member, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    if (!fetch(cli, base, &reply, err))
        return false;
    pn_cli_print(cli, pn_value_get(reply, member), columns);
    return true;
}

static bool secret_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    if (pn_cli_has(cli, "service-account") == pn_cli_has(cli, "role"))
        return pn_fail(err, PN_USAGE,
                       "--service-account for an account there is, or --role for one "
                       "made for each lease");
    if (!pn_cli_has(cli, "namespace") || !pn_cli_has(cli, "default-ttl"))
        return pn_fail(err, PN_USAGE, "--namespace and --default-ttl are needed");
    if (!begin_body(cli, &w, err))
        return false;
    pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    write_terms(cli, &w);
    pn_write_object(&w, "provider");
    pn_write_text(&w, "type", "kubernetes");
    pn_write_object(&w, "inputs");
    write_defaults(cli, &w);
    if (!write_inputs(cli, &w, err))
        return false;
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
    return send(cli, "POST", PN_LIT(BASE), &body, err);
}

static struct pn_str path_of(struct pn_cli *cli)
{
    return pn_cli_path(cli, BASE "/%.*s", PN_ARG(pn_cli_segment(cli, pn_cli_arg(cli, 0))));
}

static bool secret_set(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    if (!begin_body(cli, &w, err))
        return false;
    pn_write_object(&w, "data");
    if (pn_cli_has(cli, "name"))
        pn_write_str(&w, "newName", pn_cli_option(cli, "name"));
    write_terms(cli, &w);
    if (pn_cli_has_any(cli, inputs)) {
        pn_write_object(&w, "inputs");
        if (!write_inputs(cli, &w, err))
            return false;
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
    return send(cli, "PATCH", path_of(cli), &body, err);
}

bool pn_dynamic_secrets_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return show(cli, PN_LIT(BASE), "dynamicSecrets", err);
}

static bool secret_get(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return show(cli, path_of(cli), "dynamicSecret", err);
}

static bool secret_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);

    (void)exit_code;
    if (!begin_body(cli, &w, err))
        return false;
    pn_write_bool(&w, "isForced", pn_cli_has(cli, "force"));
    pn_write_end(&w);
    return pn_cli_call(cli, "DELETE", path_of(cli), &body, "dynamicSecret", columns, err);
}

/* ---- sweeping ---- */

static const struct pn_column orphan_columns[] = {
    { "KIND", "kind" },
    { "NAMESPACE", "namespace" },
    { "NAME", "name" },
    { "LEASE", "leaseId" },
    { 0 },
};
static const struct pn_column sweep_columns[] = {
    { "STATE", "state" },       { "REMOVED", "removed" }, { "ERROR", "error" },
    { "STARTED", "startedAt" }, { "ENDED", "endedAt" },   { 0 },
};

static struct pn_str below(struct pn_cli *cli, const char *what)
{
    return pn_cli_path(cli, "%.*s/%s", PN_ARG(path_of(cli)), what);
}

static bool show_orphans(struct pn_cli *cli, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    if (!fetch(cli, below(cli, "orphans"), &reply, err))
        return show_manifest(cli, err);
    pn_cli_print(cli, pn_value_get(reply, "orphans"), orphan_columns);
    if (!pn_value_bool(pn_value_get(reply, "isComplete"), true))
        fprintf(stderr, "%s: there may be more\n", pn_cli_program(cli));
    return true;
}

/* It goes on without us; while we are here we say how far it is. */
static bool await_sweep(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    for (;;) {
        pn_auto(pn_value_freep) struct pn_value *reply = NULL;
        const struct pn_value *sweep;

        if (!fetch(cli, below(cli, "sweep"), &reply, err))
            return false;
        sweep = pn_value_get(reply, "sweep");
        if (!pn_str_is(pn_value_str(pn_value_get(sweep, "state")), "running")) {
            *exit_code = !pn_str_is(pn_value_str(pn_value_get(sweep, "state")), "done");
            pn_cli_print(cli, sweep, sweep_columns);
            return true;
        }
        pn_cli_say("%lld removed …", (long long)pn_value_int(pn_value_get(sweep, "removed"), 0));
        pn_clock_pause_ms(SWEEP_POLL_MS);
    }
}

static bool secret_sweep(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(PN_CLI_BODY_BYTES);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_writer w = pn_writer_of(&body);

    if (pn_cli_has(cli, "dry-run"))
        return show_orphans(cli, err);
    if (!begin_body(cli, &w, err))
        return false;
    pn_write_end(&w);
    if (!pn_cli_fetch(cli, "POST", below(cli, "sweep"), &body, &reply, err))
        return show_manifest(cli, err);
    return await_sweep(cli, exit_code, err);
}

/* ---- the table ---- */

#define TERM_OPTIONS                                                                \
    { "default-ttl", "TTL", "how long a lease lasts that does not say it", NULL },  \
        { "max-ttl", "TTL", "how long at most; \"\" for no limit", NULL },          \
    {                                                                               \
        "username-template", "T", "what accounts made for a lease are called", NULL \
    }
#define INPUT_OPTIONS                                                                            \
    { "service-account", "NAME", "leases are tokens of this account", NULL },                    \
        { "role", "NAME", "leases are accounts of their own, with this role", NULL },            \
        { "role-type", "TYPE", "role (default) or cluster-role", NULL },                         \
        { "binding-scope", "SCOPE", "of a cluster-role: cluster (default) or namespace", NULL }, \
        { "namespace", "NS", "where; for --role also a list: a,b", NULL },                       \
        { "audiences", "LIST", "of the tokens (default: the cluster's own)", NULL },             \
        { "url", "URL", "the API server", NULL },                                                \
        { "ca-file", "F", "its CA (default: the system's)", NULL },                              \
        { "token-file", "F", "the token that makes leases (- is standard input)", NULL },        \
        { "auth-method", "METHOD", "api: by that token; gateway: as the gateway's own pod",      \
          NULL },                                                                                \
        { "gateway", "NAME", "the way to the cluster", NULL },                                   \
        { "gateway-pool", "NAME", "or any gateway of a pool", NULL },                            \
        { "token-binding", "B", "secret: tokens can be revoked; none", NULL },                   \
        { "token-lifetime", "L", "lease (default), or max: renewals to max-ttl", NULL },         \
    {                                                                                            \
        "outputs", "LIST", "what leases give beside TOKEN: KUBECONFIG,NAMESPACE,…", NULL         \
    }

static const struct pn_option create_options[] = {
    TERM_OPTIONS, INPUT_OPTIONS, PN_CLI_SLOT_OPTIONS, { 0 }
};
static const struct pn_option set_options[] = {
    { "name", "NAME", "another name", NULL },
    TERM_OPTIONS,
    INPUT_OPTIONS,
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};
static const struct pn_option slot_options[] = { PN_CLI_SLOT_OPTIONS, { 0 } };
static const struct pn_option delete_options[] = {
    { "force", NULL, "forget its leases, whatever is left in the cluster", NULL },
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};
static const struct pn_option sweep_options[] = {
    { "dry-run", NULL, "only show what it would take away", NULL },
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};
static const struct pn_option lease_options[] = {
    PN_CLI_LEASE_OPTIONS,
    { "plain", "[=BOOL]", "NAME=VALUE and nothing else", NULL },
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};
static const struct pn_option renew_options[] = {
    { "ttl", "TTL", "how much longer (default: the dynamic secret's)", NULL },
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};
static const struct pn_option revoke_options[] = {
    { "force", NULL, "forget it, whatever is left in the cluster", NULL },
    PN_CLI_SLOT_OPTIONS,
    { 0 },
};

const struct pn_command pn_dynamic_secret_commands[] = {
    { .words = "dynamic-secrets",
      .arguments = "[--env ENV] [--path PATH]",
      .summary = "The dynamic secrets of a folder",
      .options = slot_options,
      .run = pn_dynamic_secrets_list },
    { .words = "dynamic-secrets create",
      .arguments =
          "NAME --namespace NS --service-account SA | --role R --default-ttl TTL --url URL "
          "--token-file F | --gateway NAME …",
      .summary = "Let people lease service account tokens of a cluster",
      .examples =
          "  postern dynamic-secrets create deployer --service-account deployer --namespace "
          "shop \\\n      --default-ttl 1h --max-ttl 8h --url https://cluster:6443 --ca-file "
          "ca.crt --token-file token\n"
          "  postern dynamic-secrets create viewer --role view --role-type cluster-role "
          "--binding-scope namespace \\\n      --namespace shop,shop-test --default-ttl 1h "
          "--gateway prod\n",
      .options = create_options,
      .min_args = 1,
      .max_args = 1,
      .run = secret_create },
    { .words = "dynamic-secrets get",
      .arguments = "NAME [--env ENV] [--path PATH]",
      .summary = "One dynamic secret; -o yaml shows all but the token",
      .options = slot_options,
      .min_args = 1,
      .max_args = 1,
      .run = secret_get },
    { .words = "dynamic-secrets set",
      .arguments = "NAME [--name NAME] [--max-ttl TTL] [--token-file F] …",
      .summary = "Change a dynamic secret; leases there are end as they were made",
      .options = set_options,
      .min_args = 1,
      .max_args = 1,
      .run = secret_set },
    { .words = "dynamic-secrets delete",
      .arguments = "NAME [--force]",
      .summary = "Revoke all leases of a dynamic secret and remove it",
      .options = delete_options,
      .min_args = 1,
      .max_args = 1,
      .run = secret_delete },
    { .words = "dynamic-secrets sweep",
      .arguments = "NAME [--dry-run]",
      .summary = "Take away what leases that nobody knows any more left in its cluster",
      .examples = "  postern dynamic-secrets sweep deployer --dry-run\n",
      .options = sweep_options,
      .min_args = 1,
      .max_args = 1,
      .run = secret_sweep },
    { .words = "dynamic-secrets lease create",
      .arguments = "NAME [--ttl TTL] [--kubernetes-namespace NS]",
      .summary = "A token of a cluster that ends; -o kubeconfig for kubectl",
      .examples = "  postern dynamic-secrets lease create deployer --ttl 20m -o kubeconfig >lease\n"
                  "  postern dynamic-secrets lease create viewer --kubernetes-namespace shop "
                  "--plain\n",
      .options = lease_options,
      .formats = "kubeconfig",
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_create },
    { .words = "dynamic-secrets lease list",
      .arguments = "NAME [--env ENV] [--path PATH]",
      .summary = "The leases of a dynamic secret",
      .options = slot_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_list },
    { .words = "dynamic-secrets lease renew",
      .arguments = "ID [--ttl TTL]",
      .summary = "Let a lease last longer, where its token does (--token-lifetime max)",
      .options = renew_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_renew },
    { .words = "dynamic-secrets lease revoke",
      .arguments = "ID [--force]",
      .summary = "End a lease now",
      .options = revoke_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_revoke },
    { .words = "dynamic-secrets lease delete",
      .arguments = "ID [--force]",
      .summary = "The same",
      .options = revoke_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_revoke },
    { 0 },
};
