/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_BUILTIN_H
#define PN_CORE_ORG_BUILTIN_H

#include "base/uuid.h"
#include "core/org/rules.h"

/* The roles that every organisation and project has (platform.md §8.3, §8.4): one table. */
struct pn_builtin {
    const char *scope, *slug; /* scope "org" or "project" */
    const char *name, *description;
    struct pn_rules rules;
};

extern const struct pn_builtin pn_builtins[];
extern const size_t pn_builtin_count;

/* NULL when there is none of that name. */
const struct pn_builtin *pn_builtin_find(const char *scope, struct pn_str slug);
/* Names that no custom role may have: those of built-in roles, here and elsewhere. */
bool pn_builtin_is_reserved(const char *scope, struct pn_str slug);

#endif
