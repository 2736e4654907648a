/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lease.h"
#include "cli/machine_login.h"
#include "cli/secret.h"

/*
 * The program under the official client's name: its verbs and flags, where scripts use them. What a
 * flag means in our words is in the last member of its row.
 */
static const struct pn_option options[] = {
    { "output", "FORMAT", "json, yaml or table", NULL },
    { "domain", "URL", "the server (INFISICAL_DOMAIN, INFISICAL_API_URL)", NULL },
    { "projectId", "ID", "the project (INFISICAL_PROJECT_ID, or .infisical.json)", "project" },
    { "token", "TOKEN", "an access token; INFISICAL_TOKEN does not show in lists of processes",
      NULL },
    { "silent", "[=BOOL]", "answers only", NULL },
    { "log-level", "LEVEL", "is taken and has no effect", NULL },
    { "telemetry", "[=BOOL]", "is taken and has no effect: there is none", NULL },
    { "help", NULL, "this text (-h)", NULL },
    { 0 },
};

static const struct pn_option login_options[] = {
    { "method", "METHOD", "universal-auth or kubernetes (INFISICAL_AUTH_METHOD)", NULL },
    { "client-id", "ID", "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", NULL },
    { "client-secret", "S", "better INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET", NULL },
    { "machine-identity-id", "ID", "INFISICAL_MACHINE_IDENTITY_ID", "identity-id" },
    { "service-account-token-path", "F", "the pod's token", "token-file" },
    { "organization-slug", "SLUG", "another organization than the identity's", NULL },
    { "plain", "[=BOOL]", "the token and nothing else", NULL },
    { 0 },
};
static const struct pn_option list_options[] = {
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { "plain", "[=BOOL]", "the values and nothing else", NULL },
    { 0 },
};
static const struct pn_option get_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "plain", "[=BOOL]", "the value and nothing else", NULL },
    { "type", "TYPE", "shared or personal", NULL },
    { "expand", "[=BOOL]", "resolve references (default true)", NULL },
    { "include-imports", "[=BOOL]", "also if it is imported (default true)", NULL },
    { "recursive", "[=BOOL]", "is taken and has no effect: names are of one folder", NULL },
    { 0 },
};
static const struct pn_option set_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "type", "TYPE", "shared or personal", NULL },
    { 0 },
};
static const struct pn_option run_options[] = {
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { "command", "TEXT", "what a shell runs, instead of the words after --", NULL },
    { 0 },
};
static const struct pn_option export_options[] = {
    { "format", "FORMAT", "dotenv (default), dotenv-export, json, yaml, csv", NULL },
    { "output-file", "F", "a file that only you can read, instead of standard output", NULL },
    PN_CLI_PLACE_OPTIONS,
    PN_CLI_READ_OPTIONS,
    { 0 },
};
static const struct pn_option folder_options[] = {
    PN_CLI_PLACE_OPTIONS,
    { "recursive", "[=BOOL]", "all below, too", NULL },
    { 0 },
};

static const struct pn_option slot_options[] = { PN_CLI_SLOT_OPTIONS, { 0 } };
static const struct pn_option lease_options[] = {
    PN_CLI_SLOT_OPTIONS,
    { "ttl", "TTL", "how long", NULL },
    { "kubernetes-namespace", "NS", "one of the dynamic secret's", NULL },
    { "principals", "LIST", "is taken and has no effect: for certificates", NULL },
    { "plain", "[=BOOL]", "NAME=VALUE and nothing else", NULL },
    { 0 },
};
static const struct pn_option renew_options[] = {
    PN_CLI_SLOT_OPTIONS,
    { "ttl", "TTL", "how much longer", NULL },
    { 0 },
};

static const struct pn_command commands[] = {
    { .words = "login",
      .arguments = "--method METHOD [--plain]",
      .summary = "Print an access token of a machine identity",
      .options = login_options,
      .run = pn_infisical_login },
    { .words = "secrets",
      .arguments = "[--env ENV] [--path PATH]",
      .summary = "The secrets of a folder, with values",
      .options = list_options,
      .run = pn_secret_list_merged },
    { .words = "secrets get",
      .arguments = "NAME… [--env ENV] [--path PATH] [--plain]",
      .summary = "Secrets by name",
      .options = get_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_get },
    { .words = "secrets set",
      .arguments = "NAME=VALUE | NAME=@FILE … [--env ENV] [--path PATH]",
      .summary = "Make or change secrets, all or none",
      .options = set_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_set },
    { .words = "secrets delete",
      .arguments = "NAME… [--env ENV] [--path PATH]",
      .summary = "Remove secrets",
      .options = set_options,
      .min_args = 1,
      .max_args = 100,
      .run = pn_secret_delete },
    { .words = "secrets folders get",
      .arguments = "[--env ENV] [--path PATH]",
      .summary = "The folders in a folder",
      .options = folder_options,
      .run = pn_folder_list },
    { .words = "run",
      .arguments = "[--env ENV] [--path PATH] -- COMMAND …",
      .summary = "Run a command with a folder's secrets as environment variables",
      .options = run_options,
      .takes_command = true,
      .run = pn_secret_run },
    { .words = "export",
      .arguments = "[--format FORMAT] [--env ENV] [--path PATH]",
      .summary = "Print a folder's secrets for other programs",
      .options = export_options,
      .run = pn_secret_export },
    { .words = "dynamic-secrets",
      .arguments = "[--env ENV] [--path PATH]",
      .summary = "The dynamic secrets of a folder",
      .options = slot_options,
      .run = pn_dynamic_secrets_list },
    { .words = "dynamic-secrets lease create",
      .arguments = "NAME [--ttl TTL] [--kubernetes-namespace NS] [--plain]",
      .summary = "A credential that ends",
      .options = lease_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_create },
    { .words = "dynamic-secrets lease list",
      .arguments = "NAME",
      .summary = "The leases of a dynamic secret",
      .options = slot_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_list },
    { .words = "dynamic-secrets lease renew",
      .arguments = "ID [--ttl TTL]",
      .summary = "Let a lease last longer",
      .options = renew_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_renew },
    { .words = "dynamic-secrets lease delete",
      .arguments = "ID",
      .summary = "End a lease now",
      .options = slot_options,
      .min_args = 1,
      .max_args = 1,
      .run = pn_lease_command_revoke },
    { 0 },
};

static const struct pn_command *const tables[] = { commands, NULL };
const struct pn_program pn_infisical_program = {
    .name = "infisical", .called = "infisical", .tables = tables, .options = options
};
