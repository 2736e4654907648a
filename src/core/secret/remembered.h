/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_REMEMBERED_H
#define PN_CORE_SECRET_REMEMBERED_H

#include "core/secret/secret.h"

/*
 * Shared secrets that were read, in call->cache, under where they are: sealed as in their rows, so that memory
 * holds no value that the database's own pages would not. About the project; not those with tags, whose
 * names are rows of others.
 */
struct pn_secrets_address {
    struct pn_uuid project_id;
    struct pn_str environment, path, name; /* path: normalised */
};
/* Fills all but what pn_secrets_fill does. False: read the rows. */
bool pn_secrets_remembered(struct pn_call *call, const struct pn_secrets_address *at,
                           struct pn_secret_item *out);
/* `version`: of the project, from before the rows were read (pn_cache_begin). */
void pn_secrets_remember(struct pn_call *call, const struct pn_secrets_address *at,
                         uint64_t version, const struct pn_secret_item *item);

#endif
