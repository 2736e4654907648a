/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_ISSUES_H
#define PN_CORE_LEASE_ISSUES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "json/writer.h"

/*
 * What is wrong with an input beyond what its shape can say, all at once, in the form of the contract:
 * PN_VALIDATION with details [{"code":"custom","path":[…],"message"}].
 *
 *     struct pn_issues issues;
 *     pn_issues_begin(&issues);
 *     if (…) pn_issues_add(&issues, "provider.inputs.url", "…");
 *     return pn_issues_end(&issues, arena, err);
 */
struct pn_issues {
    struct pn_buf json;
    struct pn_writer writer;
    size_t count;
    char first[256];
};

void pn_issues_begin(struct pn_issues *issues);
void pn_issues_add(struct pn_issues *issues, const char *path, const char *message);
/* True when there was none. Frees what it holds. */
bool pn_issues_end(struct pn_issues *issues, struct pn_arena *arena, struct pn_err *err) PN_CHECKED;

#endif
