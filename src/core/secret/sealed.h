/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_SEALED_H
#define PN_CORE_SECRET_SEALED_H

#include "core/scope.h"
#include "core/secret/secret.h"

/*
 * What of a secret is sealed, under its project's key: bound to the secret's id, so that no row's bytes
 * open in another's. Opened text is the arena's, which is wiped when the call ends. The key must be
 * loaded (pn_scope_ready).
 */
#define PN_SEALED_VALUE "value"
#define PN_SEALED_COMMENT "comment"
#define PN_SEALED_NOTE "note"
#define PN_SEALED_METADATA "metadata"

bool pn_sealed_open(struct pn_call *call, const struct pn_secret_item *item, const char *column,
                    struct pn_str sealed, struct pn_str *out, struct pn_err *err) PN_CHECKED;
/* Absent text gives PN_NONE. */
bool pn_sealed_make(struct pn_call *call, const struct pn_secret_item *item, const char *column,
                    struct pn_str plain, struct pn_str *out, struct pn_err *err) PN_CHECKED;

/* item->sealed_metadata as a list of pairs, and the other way; an empty list is PN_NONE. */
bool pn_sealed_open_metadata(struct pn_call *call, const struct pn_secret_item *item,
                             struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_sealed_make_metadata(struct pn_call *call, const struct pn_secret_item *item,
                             struct pn_list pairs, struct pn_str *out, struct pn_err *err)
    PN_CHECKED;

#endif
