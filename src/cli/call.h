/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_CALL_H
#define PN_CLI_CALL_H

#include "base/buf.h"
#include "cli/command.h"
#include "json/writer.h"

/* What most commands are: options become the members of a body, names become ids, the answer is printed. */

#define PN_CLI_BODY_BYTES ((size_t)16 * 1024 * 1024)
#define PN_CLI_PATH_BYTES ((size_t)8192)

enum pn_cli_field_kind {
    PN_CLI_TEXT,
    PN_CLI_GATEWAY,  /* name or id → id; "" is null */
    PN_CLI_POOL,     /* the same of gateway pools */
    PN_CLI_NUMBER,   /* 0 and more */
    PN_CLI_BOOL,     /* "[=BOOL]" */
    PN_CLI_FILE,     /* what the file holds; "" is "" */
    PN_CLI_SECRET,   /* the same without newlines at its end; "" is null */
    PN_CLI_LIST,     /* "a,b" → ["a","b"]; "" is [] */
    PN_CLI_ADDRESSES /* "10.0.0.0/8,::1" → [{"ipAddress":…}] */
};

struct pn_cli_field {
    const char *option, *member;
    enum pn_cli_field_kind kind;
};

/* Members for the options that were given; `fields` ends with { 0 }. Errors: PN_USAGE, naming the option. */
bool pn_cli_write_fields(struct pn_cli *cli, const struct pn_cli_field *fields, struct pn_writer *w,
                         struct pn_err *err) PN_CHECKED;
bool pn_cli_has_any(const struct pn_cli *cli, const struct pn_cli_field *fields);

/* Calls, and prints the member of the answer (NULL: all of it). `body` NULL: none. */
bool pn_cli_call(struct pn_cli *cli, const char *method, struct pn_str path,
                 const struct pn_buf *body, const char *member, const struct pn_column *columns,
                 struct pn_err *err) PN_CHECKED;
/* The same without printing; *reply is the caller's to free. */
bool pn_cli_fetch(struct pn_cli *cli, const char *method, struct pn_str path,
                  const struct pn_buf *body, struct pn_value **reply, struct pn_err *err)
    PN_CHECKED;

/*
 * A list, of which the server gives `page` at most at once: read page by page into an array, which is printed.
 * `path` has its query. `most` 0: all; else a list that was cut says so on stderr.
 */
struct pn_cli_pages {
    struct pn_str path;
    const char *list; /* of the answer */
    size_t page, most;
};
bool pn_cli_print_pages(struct pn_cli *cli, const struct pn_cli_pages *pages,
                        const struct pn_column *columns, struct pn_err *err) PN_CHECKED;

/* Where something is found by the name a person gives it. */
struct pn_cli_lookup {
    const char *what;     /* "identity", for the message */
    struct pn_str path;   /* GET */
    const char *list;     /* of the answer */
    const char *names[3]; /* of an item, any of which may be the name; NULL-ended */
    const char *id;       /* of an item: what is wanted */
};
/* Errors: PN_NOT_FOUND; PN_USAGE when several have that name. */
bool pn_cli_find(struct pn_cli *cli, const struct pn_cli_lookup *lookup, struct pn_str name,
                 struct pn_str *id, struct pn_err *err) PN_CHECKED;

/* --organization, or the one of the token. */
bool pn_cli_organization(struct pn_cli *cli, struct pn_str *id, struct pn_err *err) PN_CHECKED;
/* An identity by id or by name. */
bool pn_cli_identity(struct pn_cli *cli, struct pn_str name, struct pn_str *id, struct pn_err *err)
    PN_CHECKED;

/* A path from a format whose pieces need no escaping, into the arena of the run. */
#define pn_cli_path(cli, ...) pn_arena_printf(pn_cli_arena(cli), __VA_ARGS__)
/* `text` as one segment of a path; what is too long for one is refused by the call. */
struct pn_str pn_cli_segment(struct pn_cli *cli, struct pn_str text);

#endif
