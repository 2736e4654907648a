/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_VERSION_H
#define PN_CORE_SECRET_VERSION_H

#include "core/secret/secret.h"

/* Versions of a secret (platform.md §10.7): each write leaves one, sealed as its row was then. */
struct pn_secrets_version {
    struct pn_uuid id; /* the version's own */
    struct pn_secret_item item;
};

/* Turns `item`, loaded, into what it was at `version`. PN_NOT_FOUND. */
bool pn_secrets_take_version(struct pn_call *call, int64_t version, struct pn_secret_item *item,
                             struct pn_err *err) PN_CHECKED;
/* Of struct pn_secrets_version, newest first, sealed. */
bool pn_secrets_load_versions(struct pn_call *call, const struct pn_secret_item *item,
                              int64_t offset, int64_t limit, struct pn_list *out,
                              struct pn_err *err) PN_CHECKED;

#endif
