/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"
#include "cli/find.h"
#include "json/writer.h"

#define MAX_BODY_BYTES ((size_t)4096)

static const struct pn_column pool_columns[] = {
    { "NAME", "name" },
    { "GATEWAYS", "memberCount" },
    { "HEALTHY", "healthyMemberCount" },
    { "RESOURCES", "connectedResourcesCount" },
    { "ID", "id" },
    { 0 },
};
static const struct pn_column member_columns[] = {
    { "NAME", "name" },
    { "CONNECTED", "isConnected" },
    { "LAST SEEN", "heartbeat" },
    { "ID", "id" },
    { 0 },
};

/* Calls, and prints the pool that the server answers with. */
static bool call_and_print(struct pn_cli *cli, const char *method, struct pn_str path,
                           struct pn_str body, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_rest *rest;

    if (!pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, method, path, body, &reply, err))
        return false;
    pn_cli_print(cli, reply, pool_columns);
    return true;
}

static struct pn_str body_of(struct pn_cli *cli, const char *name, struct pn_str value)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, name, pn_str_slice(value, 0, 1024));
    pn_write_end(&w);
    return pn_arena_copy(pn_cli_arena(cli), pn_buf_str(&json));
}

static bool pool_create(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    (void)exit_code;
    return call_and_print(cli, "POST", PN_LIT("/v1/gateway-pools"),
                          body_of(cli, "name", pn_cli_arg(cli, 0)), err);
}

static bool pool_list(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_rest *rest;

    (void)exit_code;
    if (!pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "GET", PN_LIT("/v1/gateway-pools"), PN_NONE, &reply, err))
        return false;
    pn_cli_print(cli, reply, pool_columns);
    return true;
}

/* The path of the pool that the first argument names, and what follows it. */
static bool pool_path(struct pn_cli *cli, const char *rest, struct pn_str last, struct pn_str *out,
                      struct pn_err *err)
{
    struct pn_str id;

    if (!pn_cli_find_pool(cli, pn_cli_arg(cli, 0), &id, err))
        return false;
    *out = pn_arena_printf(pn_cli_arena(cli), "/v1/gateway-pools/%.*s%s%.*s", PN_ARG(id), rest,
                           PN_ARG(last));
    return true;
}

static bool pool_show(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_rest *rest;
    struct pn_str path;

    (void)exit_code;
    if (!pool_path(cli, "", PN_LIT(""), &path, err) || !pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "GET", path, PN_NONE, &reply, err))
        return false;
    if (pn_cli_output(cli) == PN_OUTPUT_TABLE)
        pn_cli_print(cli, pn_value_get(reply, "gateways"), member_columns);
    else
        pn_cli_print(cli, reply, pool_columns);
    return true;
}

static bool pool_add(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path, gateway;

    (void)exit_code;
    return pn_cli_find_gateway(cli, pn_cli_arg(cli, 1), &gateway, err) &&
           pool_path(cli, "/memberships", PN_LIT(""), &path, err) &&
           call_and_print(cli, "POST", path, body_of(cli, "gatewayId", gateway), err);
}

static bool pool_remove(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path, gateway;

    (void)exit_code;
    return pn_cli_find_gateway(cli, pn_cli_arg(cli, 1), &gateway, err) &&
           pool_path(cli, "/memberships/", gateway, &path, err) &&
           call_and_print(cli, "DELETE", path, PN_NONE, err);
}

static bool pool_delete(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    struct pn_str path;

    (void)exit_code;
    return pool_path(cli, "", PN_LIT(""), &path, err) &&
           call_and_print(cli, "DELETE", path, PN_NONE, err);
}

static const struct pn_option no_options[] = { { 0 } };

const struct pn_command pn_gateway_pool_commands[] = {
    { .words = "gateway pool create",
      .arguments = "NAME",
      .summary = "Make a pool: gateways that stand in for each other",
      .examples = "  postern gateway pool create prod\n"
                  "  postern gateway pool add prod edge-1\n"
                  "  postern gateway pool add prod edge-2\n",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = pool_create },
    { .words = "gateway pool list",
      .arguments = "",
      .summary = "Pools, and how many of their gateways have a tunnel",
      .options = no_options,
      .run = pool_list },
    { .words = "gateway pool show",
      .arguments = "NAME",
      .summary = "The gateways of a pool",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = pool_show },
    { .words = "gateway pool add",
      .arguments = "NAME GATEWAY",
      .summary = "Put a gateway into a pool",
      .options = no_options,
      .min_args = 2,
      .max_args = 2,
      .run = pool_add },
    { .words = "gateway pool remove",
      .arguments = "NAME GATEWAY",
      .summary = "Take a gateway out of a pool",
      .options = no_options,
      .min_args = 2,
      .max_args = 2,
      .run = pool_remove },
    { .words = "gateway pool delete",
      .arguments = "NAME",
      .summary = "Delete a pool that nothing names",
      .options = no_options,
      .min_args = 1,
      .max_args = 1,
      .run = pool_delete },
    { 0 },
};
