/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_FILTER_H
#define PN_CORE_SECRET_FILTER_H

#include "core/secret/secret.h"

/*
 * What a list of secrets is narrowed to (platform.md §10.2): `tags` is "a,b" (one of them is enough),
 * `metadata` is "key=a,value=b|key=c,value=d" (all of them; a pair may name only one of the two).
 */
#define PN_SECRETS_FILTER_PAIRS 10
#define PN_SECRETS_FILTER_TAGS 50

struct pn_secrets_filter {
    struct pn_str tags[PN_SECRETS_FILTER_TAGS];
    size_t tag_count;
    struct {
        struct pn_str key, value; /* ptr NULL: any */
    } pairs[PN_SECRETS_FILTER_PAIRS];
    size_t pair_count;
};

/* PN_BAD_REQUEST says what of it cannot be read. Texts point into the input. */
bool pn_secrets_filter_parse(struct pn_str tags, struct pn_str metadata,
                             struct pn_secrets_filter *out, struct pn_err *err) PN_CHECKED;
bool pn_secrets_filter_match(const struct pn_secrets_filter *filter,
                             const struct pn_secret_item *item);

#endif
