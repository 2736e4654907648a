/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_HASH_H
#define PN_CRYPTO_HASH_H

#include "base/base.h"
#include "base/str.h"

#define PN_SHA256_BYTES 32

/* SHA-256, HMAC-SHA-256 and HKDF-SHA-256 (RFC 5869). Contexts are fetched once per thread. */
void pn_hash_sha256(struct pn_str bytes, uint8_t out[PN_SHA256_BYTES]);
void pn_hash_hmac(struct pn_str key, struct pn_str bytes, uint8_t out[PN_SHA256_BYTES]);
void pn_hash_hkdf(struct pn_str key, struct pn_str salt, struct pn_str info, uint8_t *out,
                  size_t len);
/* Constant time in the contents; false at once for different lengths. */
bool pn_hash_equal(struct pn_str a, struct pn_str b);

#endif
