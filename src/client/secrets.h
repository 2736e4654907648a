/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_SECRETS_H
#define PN_CLIENT_SECRETS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "json/value.h"

/*
 * A folder's secrets as a program sees them: one value per name, and the forms they are written in.
 * Keys and values are slices of the answer that they came from, which is wiped when it is freed.
 */
struct pn_client_secret {
    struct pn_str key, value;
};

struct pn_client_secrets {
    struct pn_client_secret *items;
    size_t count;
};

/*
 * Merges an answer of GET /v4/secrets, ordered by name: a folder's own secrets go before imported ones, a later
 * import before an earlier one, and of a recursive list what comes later (deeper) before what comes earlier.
 * A value that the caller may not read is left out; *hidden counts those.
 */
void pn_client_secrets_merge(struct pn_arena *arena, const struct pn_value *reply,
                             struct pn_client_secrets *out, size_t *hidden);

/*
 * Appends them as `format` has it: dotenv, dotenv-export (both also valid input of a POSIX shell), json, json-list
 * (as the official client has it), yaml, csv.
 * Errors: PN_USAGE (no such format, or a name that cannot be a variable there), PN_TOO_LARGE.
 */
bool pn_client_secrets_print(const struct pn_client_secrets *secrets, struct pn_str format,
                             struct pn_buf *out, struct pn_err *err) PN_CHECKED;

/*
 * NAME=VALUE… for a program's environment, NULL-terminated, in the arena. What steers the shell or the terminal of
 * who runs it (HOME, PATH, TERM, …) stays theirs; `skipped` (may be NULL) is told.
 */
char **pn_client_secrets_environment(struct pn_arena *arena,
                                     const struct pn_client_secrets *secrets,
                                     void (*skipped)(struct pn_str name));

#endif
