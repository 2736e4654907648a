/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/call.h"

#include <stdio.h>

#include "base/encode.h"
#include "base/uuid.h"
#include "cli/find.h"
#include "sys/sys.h"

#define MAX_LIST_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_FILE_BYTES ((size_t)1024 * 1024)

/* ---- bodies ---- */

static bool write_file(struct pn_writer *w, const char *member, const char *path, bool is_secret,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    pn_auto(pn_secret_freep) struct pn_secret *secret = NULL;

    if (path[0] == '\0') {
        pn_write_str(w, member, is_secret ? PN_NONE : PN_LIT(""));
        return true;
    }
    if (is_secret) {
        if (!pn_cli_secret_file(path, &secret, err))
            return false;
        pn_write_str(w, member, pn_secret_reveal(secret));
        return true;
    }
    if (!pn_file_read(path, MAX_FILE_BYTES, &text, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    pn_write_str(w, member, pn_buf_str(&text));
    return true;
}

static void write_addresses(struct pn_writer *w, const char *member, struct pn_str list)
{
    struct pn_str piece;

    pn_write_array(w, member);
    while (pn_str_cut(&list, ',', &piece)) {
        pn_write_object(w, NULL);
        pn_write_str(w, "ipAddress", pn_str_trim(piece));
        pn_write_end(w);
    }
    pn_write_end(w);
}

static void write_list(struct pn_writer *w, const char *member, struct pn_str list)
{
    struct pn_str piece;

    pn_write_array(w, member);
    while (list.len > 0 && pn_str_cut(&list, ',', &piece))
        pn_write_str(w, NULL, pn_str_trim(piece));
    pn_write_end(w);
}

static bool write_gateway(struct pn_cli *cli, const struct pn_cli_field *field, struct pn_writer *w,
                          struct pn_err *err)
{
    struct pn_str name = pn_cli_option(cli, field->option), id = PN_NONE;

    if (name.len > 0 && !(field->kind == PN_CLI_POOL ? pn_cli_find_pool(cli, name, &id, err)
                                                     : pn_cli_find_gateway(cli, name, &id, err)))
        return false;
    pn_write_str(w, field->member, id);
    return true;
}

static bool write_field(struct pn_cli *cli, const struct pn_cli_field *field, struct pn_writer *w,
                        struct pn_err *err)
{
    struct pn_str text = pn_cli_option(cli, field->option);
    uint64_t number;
    bool flag;

    switch (field->kind) {
    case PN_CLI_TEXT: pn_write_str(w, field->member, text); return true;
    case PN_CLI_GATEWAY:
    case PN_CLI_POOL: return write_gateway(cli, field, w, err);
    case PN_CLI_NUMBER:
        if (!pn_str_u64(text, &number) || number > INT64_MAX)
            return pn_fail(err, PN_USAGE, "--%s is a number, not %.*s", field->option,
                           PN_ARG(text));
        pn_write_int(w, field->member, (int64_t)number);
        return true;
    case PN_CLI_BOOL:
        if (!pn_cli_bool(cli, field->option, false, &flag, err))
            return false;
        pn_write_bool(w, field->member, flag);
        return true;
    case PN_CLI_FILE:
    case PN_CLI_SECRET:
        return write_file(w, field->member, pn_cli_option_text(cli, field->option),
                          field->kind == PN_CLI_SECRET, err);
    case PN_CLI_LIST: write_list(w, field->member, text); return true;
    case PN_CLI_ADDRESSES: write_addresses(w, field->member, text); return true;
    }
    return true;
}

bool pn_cli_write_fields(struct pn_cli *cli, const struct pn_cli_field *fields, struct pn_writer *w,
                         struct pn_err *err)
{
    for (; fields->option != NULL; fields++) {
        if (pn_cli_has(cli, fields->option) && !write_field(cli, fields, w, err))
            return false;
    }
    return true;
}

bool pn_cli_has_any(const struct pn_cli *cli, const struct pn_cli_field *fields)
{
    for (; fields->option != NULL; fields++) {
        if (pn_cli_has(cli, fields->option))
            return true;
    }
    return false;
}

/* ---- calls ---- */

bool pn_cli_fetch(struct pn_cli *cli, const char *method, struct pn_str path,
                  const struct pn_buf *body, struct pn_value **reply, struct pn_err *err)
{
    struct pn_rest *rest;

    if (path.len > PN_CLI_PATH_BYTES || (body != NULL && body->is_full))
        return pn_fail(err, PN_USAGE, "what was given is too large");
    return pn_cli_rest_client(cli, &rest, err) &&
           pn_rest_call(rest, method, path, body != NULL ? pn_buf_str(body) : PN_NONE, reply, err);
}

bool pn_cli_call(struct pn_cli *cli, const char *method, struct pn_str path,
                 const struct pn_buf *body, const char *member, const struct pn_column *columns,
                 struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;

    if (!pn_cli_fetch(cli, method, path, body, &reply, err))
        return false;
    pn_cli_print(cli, member != NULL ? pn_value_get(reply, member) : reply, columns);
    return true;
}

static size_t add_items(struct pn_buf *json, const struct pn_value *items)
{
    for (size_t i = 0; i < pn_value_count(items); i++) {
        if (json->len > 1)
            pn_buf_add_byte(json, ',');
        pn_value_print(pn_value_item(items, i), false, json);
    }
    return pn_value_count(items);
}

/* How many were asked for, how many came. */
static bool read_page(struct pn_cli *cli, const struct pn_cli_pages *pages, size_t offset,
                      struct pn_buf *json, size_t *asked, size_t *came, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(PN_CLI_PATH_BYTES);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    char number[32];

    *asked =
        pages->most > 0 && pages->most - offset < pages->page ? pages->most - offset : pages->page;
    pn_buf_add(&path, pages->path);
    snprintf(number, sizeof number, "%zu", *asked);
    pn_rest_query(&path, "limit", pn_str_from(number));
    snprintf(number, sizeof number, "%zu", offset);
    pn_rest_query(&path, "offset", offset > 0 ? pn_str_from(number) : PN_NONE);
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "what was given is too large");
    if (!pn_cli_fetch(cli, "GET", pn_buf_str(&path), NULL, &reply, err))
        return false;
    *came = add_items(json, pn_value_get(reply, pages->list));
    return true;
}

bool pn_cli_print_pages(struct pn_cli *cli, const struct pn_cli_pages *pages,
                        const struct pn_column *columns, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LIST_BYTES);
    size_t offset = 0, asked = 1, came = 1;

    pn_buf_add_byte(&json, '[');
    while (came >= asked && (pages->most == 0 || offset < pages->most)) {
        if (!read_page(cli, pages, offset, &json, &asked, &came, err))
            return false;
        offset += came;
    }
    pn_buf_add_byte(&json, ']');
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the list is too long to print");
    if (came >= asked)
        fprintf(stderr, "%s: these are the first %zu, there may be more: --limit N\n",
                pn_cli_program(cli), offset);
    return pn_cli_print_json(cli, pn_buf_str(&json), columns, err);
}

struct pn_str pn_cli_segment(struct pn_cli *cli, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf escaped = pn_buf_init(3 * text.len + 1);

    pn_percent_add(&escaped, text);
    return pn_arena_copy(pn_cli_arena(cli), pn_buf_str(&escaped));
}

/* ---- names ---- */

static bool has_name(const struct pn_cli_lookup *lookup, const struct pn_value *item,
                     struct pn_str name)
{
    for (const char *const *path = lookup->names; *path != NULL; path++) {
        if (pn_str_eq(pn_value_str(pn_value_at(item, *path)), name))
            return true;
    }
    return false;
}

bool pn_cli_find(struct pn_cli *cli, const struct pn_cli_lookup *lookup, struct pn_str name,
                 struct pn_str *id, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *list, *found = NULL;

    if (!pn_cli_fetch(cli, "GET", lookup->path, NULL, &reply, err))
        return false;
    list = pn_value_is_array(reply) ? reply : pn_value_at(reply, lookup->list);
    for (size_t i = 0; i < pn_value_count(list); i++) {
        if (!has_name(lookup, pn_value_item(list, i), name))
            continue;
        if (found != NULL)
            return pn_fail(err, PN_USAGE, "several have the name \"%.*s\": give the ID",
                           PN_ARG(name));
        found = pn_value_item(list, i);
    }
    if (found == NULL)
        return pn_fail(err, PN_NOT_FOUND, "there is no %s \"%.*s\"", lookup->what, PN_ARG(name));
    *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_at(found, lookup->id)));
    return true;
}

/* A machine's token knows its organization; a person may be in several, and the token is of one. */
bool pn_cli_organization(struct pn_cli *cli, struct pn_str *id, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL, *list = NULL;
    struct pn_err ignored = { 0 };
    struct pn_str found = pn_cli_option(cli, "organization");

    if (found.len == 0 &&
        pn_cli_fetch(cli, "GET", PN_LIT("/v1/identities/details"), NULL, &reply, &ignored))
        found = pn_value_str(pn_value_at(reply, "identityDetails.organization.id"));
    if (found.len == 0) {
        if (!pn_cli_fetch(cli, "GET", PN_LIT("/v1/organization"), NULL, &list, err))
            return false;
        if (pn_value_count(pn_value_get(list, "organizations")) != 1)
            return pn_fail(err, PN_USAGE,
                           "you are in several organizations: say which with --organization ID");
        found = pn_value_str(pn_value_at(list, "organizations.0.id"));
    }
    *id = pn_arena_copy(pn_cli_arena(cli), found);
    return true;
}

bool pn_cli_identity(struct pn_cli *cli, struct pn_str name, struct pn_str *id, struct pn_err *err)
{
    struct pn_cli_lookup lookup = { .what = "identity",
                                    .list = "identities",
                                    .names = { "identity.name", NULL },
                                    .id = "identityId" };
    struct pn_str organization;
    struct pn_uuid uuid;

    *id = name;
    if (pn_uuid_parse(name, &uuid))
        return true;
    if (!pn_cli_organization(cli, &organization, err))
        return false;
    lookup.path =
        pn_cli_path(cli, "/v1/identities?orgId=%.*s", PN_ARG(pn_cli_segment(cli, organization)));
    return pn_cli_find(cli, &lookup, name, id, err);
}
