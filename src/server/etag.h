/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_ETAG_H
#define PN_SERVER_ETAG_H

#include "crypto/keyring.h"

/*
 * Conditional reads (platform.md §10.5, RFC 9110 §8.8): a strong validator over the whole body. It is a
 * keyed hash, because the body may be a short secret and the tag goes where bodies do not, into logs.
 */
#define PN_ETAG_BYTES 25 /* quotes, 22 characters, the end */
void pn_etag_make(struct pn_keyring *keyring, struct pn_str body, char out[PN_ETAG_BYTES]);
/* Does If-None-Match name it? "*" does; a list does when one does; a weak tag counts like a strong one. */
bool pn_etag_matches(struct pn_str if_none_match, const char *etag);

#endif
