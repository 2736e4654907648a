/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_REFERENCE_H
#define PN_CORE_SECRET_REFERENCE_H

#include "core/rows.h"
#include "core/secret/secret.h"

/*
 * References in values (platform.md §10.6): "${KEY}" is the secret of that name in the same folder, "${env.a.b.KEY}"
 * the one of /a/b in `env`. Their values may have references of their own, which are relative to where they are.
 */
#define PN_REFERENCE_MAX_DEPTH 10      /* deeper ones stay as they are written */
#define PN_REFERENCE_MAX_LOOKUPS 10000 /* of one call, over all values */

/* What "${…}" names. Slices point into the text or the arena. */
struct pn_reference {
    struct pn_str environment, path; /* ptr NULL: those of the value it stands in */
    struct pn_str key;
};
/*
 * The first reference in `text`: *from and *to are the place of "${…}" in it. False when there is none. One that is
 * no name of a secret (empty parts, "@" of another project) has key.ptr NULL: it stays as it is written.
 */
bool pn_reference_find(struct pn_arena *arena, struct pn_str text, size_t *from, size_t *to,
                       struct pn_reference *out);

/* One for all values of a call: what it has looked up once serves the others. */
struct pn_expansion;
struct pn_expansion *pn_expansion_new(struct pn_call *call, const struct pn_ability *ability,
                                      struct pn_uuid project_id, enum pn_secrets_whose whose);
void pn_expansion_free(struct pn_expansion *expansion);
void pn_expansion_freep(struct pn_expansion **expansion);

/*
 * Replaces what is referred to in item->secretValue, which has been opened. What is not there is empty; a reference
 * that comes round to itself stays as it is written.
 * Errors: PN_PERMISSION  the actor may not read a value that is referred to; both secrets are named
 *         PN_TOO_LARGE   the value, or the number of look-ups, passes its limit
 */
bool pn_expansion_run(struct pn_expansion *expansion, struct pn_secret_item *item,
                      struct pn_err *err) PN_CHECKED;
/*
 * The same, and what was found on the way: a node for each reference as it is written, with the value before its own
 * references are replaced. Those of a circle end in a node without children; what is not there has an empty value.
 */
struct pn_reference_node {
    struct pn_str key, value, environment, secretPath;
    struct pn_rows children; /* of struct pn_reference_node */
};
bool pn_expansion_trace(struct pn_expansion *expansion, struct pn_secret_item *item,
                        struct pn_reference_node *root, struct pn_err *err) PN_CHECKED;
/* Puts on record what has been read for it, once, when all is done. NULL: nothing was. */
bool pn_expansion_record(struct pn_expansion *expansion, struct pn_err *err) PN_CHECKED;

#endif
