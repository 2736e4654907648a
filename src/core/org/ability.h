/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ABILITY_H
#define PN_CORE_ORG_ABILITY_H

#include "core/org/rules.h"

/* What pn_ability_load finds; permission.c asks it. */
struct pn_ability {
    const struct pn_rules **roles; /* in the order they were given */
    size_t count;
    bool is_platform;
};

/* The rules of a custom role as its row has them packed; when another version of this program did that, parsed anew. */
bool pn_ability_rules(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                      struct pn_str slug, struct pn_str packed, struct pn_rules *out,
                      struct pn_err *err) PN_CHECKED;

#endif
