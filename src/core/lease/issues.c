/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/issues.h"

#include <stdio.h>

#define MAX_BYTES ((size_t)64 << 10)
#define MAX_ISSUES 32

void pn_issues_begin(struct pn_issues *issues)
{
    *issues = (struct pn_issues){ .json = pn_buf_init(MAX_BYTES) };
    issues->writer = pn_writer_of(&issues->json);
    pn_write_array(&issues->writer, NULL);
}

void pn_issues_add(struct pn_issues *issues, const char *path, const char *message)
{
    struct pn_str rest = pn_str_from(path), piece;
    struct pn_writer *w = &issues->writer;

    if (issues->count++ >= MAX_ISSUES)
        return;
    if (issues->count == 1)
        snprintf(issues->first, sizeof(issues->first), "%s: %s", path, message);
    pn_write_object(w, NULL);
    pn_write_text(w, "code", "custom");
    pn_write_array(w, "path");
    while (pn_str_cut(&rest, '.', &piece))
        pn_write_str(w, NULL, piece);
    pn_write_end(w);
    pn_write_text(w, "message", message);
    pn_write_end(w);
}

bool pn_issues_end(struct pn_issues *issues, struct pn_arena *arena, struct pn_err *err)
{
    pn_write_end(&issues->writer);
    if (issues->count > 0) {
        (void)pn_fail(err, PN_VALIDATION, "%s", issues->first);
        err->details = pn_arena_copy(arena, pn_buf_str(&issues->json));
    }
    pn_buf_drop(&issues->json);
    return issues->count == 0;
}
