/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine.h"

#include "cli/call.h"
#include "json/writer.h"

static const struct pn_column created_columns[] = {
    { "NAME", "name" }, { "ID", "id" }, { "TOKEN (ONCE)", "token" }, { 0 }
};

static bool create(struct pn_cli *cli, struct pn_rest *rest, const struct pn_machine *machine,
                   struct pn_str host, struct pn_str *id, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(4096);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_writer w = pn_writer_of(&body);
    const struct pn_value *row;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    if (host.len > 0)
        pn_write_str(&w, "host", host);
    pn_write_object(&w, "authMethod");
    pn_write_text(&w, "method", "token");
    pn_write_end(&w);
    pn_write_end(&w);
    if (body.is_full)
        return pn_fail(err, PN_USAGE, "the name is too long");
    if (!pn_rest_call(rest, "POST", pn_str_from(machine->create_path), pn_buf_str(&body), &reply,
                      err))
        return false;
    /* The row stands at the top, or below its kind. */
    row = pn_value_get(reply, machine->kind) != NULL ? pn_value_get(reply, machine->kind) : reply;
    *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(row, "id")));
    return true;
}

/* Without a token a row is of no use, and in the way of the next try. */
static bool mint(struct pn_cli *cli, struct pn_rest *rest, const struct pn_machine *machine,
                 struct pn_str id, struct pn_value **reply, struct pn_err *err)
{
    struct pn_arena *arena = pn_cli_arena(cli);
    struct pn_str path = pn_arena_printf(arena, "%s%.*s%s", machine->token_path[0], PN_ARG(id),
                                         machine->token_path[1]);
    struct pn_err ignored = { 0 };

    if (pn_rest_call(rest, "POST", path, PN_LIT("{}"), reply, err))
        return true;
    path = pn_arena_printf(arena, "%s%.*s", machine->delete_path, PN_ARG(id));
    (void)!pn_rest_call(rest, "DELETE", path, PN_NONE, NULL, &ignored);
    err->details = PN_NONE; /* they were valid until that call */
    return false;
}

bool pn_machine_create(struct pn_cli *cli, const struct pn_machine *machine, struct pn_str host,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(8192);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_writer w = pn_writer_of(&json);
    struct pn_rest *rest;
    struct pn_str id;

    if (!pn_cli_rest_client(cli, &rest, err) || !create(cli, rest, machine, host, &id, err) ||
        !mint(cli, rest, machine, id, &reply, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "id", id);
    pn_write_str(&w, "name", pn_cli_arg(cli, 0));
    pn_write_str(&w, "token", pn_value_str(pn_value_get(reply, "token")));
    pn_write_end(&w);
    return pn_cli_print_json(cli, pn_buf_str(&json), created_columns, err);
}

bool pn_machine_list(struct pn_cli *cli, const struct pn_machine *machine,
                     const struct pn_column *columns, struct pn_err *err)
{
    return pn_cli_call(cli, "GET", pn_str_from(machine->list_path), NULL, NULL, columns, err);
}

bool pn_machine_delete(struct pn_cli *cli, const struct pn_machine *machine,
                       const struct pn_column *columns, struct pn_err *err)
{
    const struct pn_cli_lookup all = { .what = machine->kind,
                                       .path = pn_str_from(machine->list_path),
                                       .names = { "name", "id", NULL },
                                       .id = "id" };
    struct pn_str id;

    return pn_cli_find(cli, &all, pn_cli_arg(cli, 0), &id, err) &&
           pn_cli_call(cli, "DELETE", pn_cli_path(cli, "%s%.*s", machine->delete_path, PN_ARG(id)),
                       NULL, NULL, columns, err);
}
