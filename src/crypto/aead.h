/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_AEAD_H
#define PN_CRYPTO_AEAD_H

#include "base/buf.h"
#include "base/err.h"

#define PN_AEAD_KEY_BYTES 32
#define PN_AEAD_NONCE_BYTES 12
#define PN_AEAD_TAG_BYTES 16
#define PN_AEAD_OVERHEAD (PN_AEAD_NONCE_BYTES + PN_AEAD_TAG_BYTES)

/* AES-256-GCM with a random nonce: nonce ‖ ciphertext ‖ tag, appended to `out`. */
bool pn_aead_seal(const uint8_t key[PN_AEAD_KEY_BYTES], struct pn_str aad, struct pn_str plain,
                  struct pn_buf *out, struct pn_err *err) PN_CHECKED;
/* PN_INTERNAL when it was not sealed with this key and `aad`; `out` is then unchanged. */
bool pn_aead_open(const uint8_t key[PN_AEAD_KEY_BYTES], struct pn_str aad, struct pn_str sealed,
                  struct pn_buf *out, struct pn_err *err) PN_CHECKED;
/* The same with the caller's nonce and memory: for records; `out` holds len + tag bytes. */
bool pn_aead_seal_at(const uint8_t key[PN_AEAD_KEY_BYTES], const uint8_t nonce[PN_AEAD_NONCE_BYTES],
                     struct pn_str aad, struct pn_str plain, uint8_t *out) PN_CHECKED;

#endif
