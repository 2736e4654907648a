/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_KEYRING_H
#define PN_CRYPTO_KEYRING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "crypto/x509.h"

/*
 * The only holder of keys: root key → scope keys (organisation, project) → sealed columns. It wraps
 * and unwraps; keys never leave it. Scope keys are random, stored wrapped by the caller
 * (pn_keyring_new_scope gives the wrapped bytes to store, pn_keyring_load brings them back).
 * Thread-safe.
 */
struct pn_keyring;

/* Root key from its 32 bytes (or 64 hex digits, or base64). */
bool pn_keyring_new(struct pn_str root, struct pn_keyring **out, struct pn_err *err) PN_CHECKED;
void pn_keyring_free(struct pn_keyring *keyring);

/*
 * A fresh random key for `scope`, wrapped by the root key with the scope as associated data. It
 * changes nothing in the keyring: store `wrapped`, then load what is stored. A key that was used
 * but never committed would lose what it sealed.
 */
bool pn_keyring_new_scope(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_buf *wrapped,
                          struct pn_err *err) PN_CHECKED;
/*
 * The same for a scope that is loaded: the next version of its key. Once that is loaded, seal uses
 * it; what older versions sealed opens as long as they are loaded too, and is sealed again at
 * leisure. PN_INTERNAL after 127 versions or when the scope is not loaded.
 */
bool pn_keyring_rotate_scope(struct pn_keyring *keyring, struct pn_uuid scope,
                             struct pn_buf *wrapped, struct pn_err *err) PN_CHECKED;
/*
 * Makes `scope` usable; PN_INTERNAL when `wrapped` was not made for it by this root, or when another
 * key of the same version is loaded. Loading the same key again is fine.
 */
bool pn_keyring_load(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_str wrapped,
                     struct pn_err *err) PN_CHECKED;
bool pn_keyring_has(struct pn_keyring *keyring, struct pn_uuid scope);

/* Where a sealed value lives: becomes the associated data, so that it opens nowhere else. */
struct pn_seal_place {
    const char *table, *column;
    struct pn_uuid row;
};

/* Appends version ‖ nonce ‖ ciphertext ‖ tag: PN_SEAL_OVERHEAD more than `plain`. */
#define PN_SEAL_OVERHEAD 29
bool pn_keyring_seal(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_seal_place place,
                     struct pn_str plain, struct pn_buf *out, struct pn_err *err) PN_CHECKED;
bool pn_keyring_open(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_seal_place place,
                     struct pn_str sealed, struct pn_secret **out, struct pn_err *err) PN_CHECKED;
/*
 * The same for recordings and other large values, appended to `out` (pn_buf_init_wiped): the locked
 * pool is for keys and tokens, a few log readers would fill it.
 */
bool pn_keyring_open_into(struct pn_keyring *keyring, struct pn_uuid scope,
                          struct pn_seal_place place, struct pn_str sealed, struct pn_buf *out,
                          struct pn_err *err) PN_CHECKED;

/* A CA as its row has it. */
struct pn_sealed_ca {
    struct pn_uuid scope;
    struct pn_seal_place place; /* of the key */
    struct pn_str certificate, sealed_key;
};
/*
 * A certificate that `ca` signs. The keyring keeps a few CAs ready to sign (crypto/issuers.h), each for who shows
 * the very row it was opened from, until the scope's key is rotated, others take its place or the keyring goes.
 * Errors: as pn_keyring_open and pn_x509_issue. Threads: worker (about 0.1 ms).
 */
bool pn_keyring_issue(struct pn_keyring *keyring, struct pn_arena *arena,
                      const struct pn_sealed_ca *ca, const struct pn_cert_request *request,
                      struct pn_cert *out, struct pn_err *err) PN_CHECKED;

/* A token over this length is refused unread. */
#define PN_TOKEN_MAX_BYTES 8192

/* HS256 tokens under a key derived from the root (the instance's AUTH_SECRET). */
bool pn_keyring_sign(struct pn_keyring *keyring, struct pn_str claims_json, struct pn_buf *token,
                     struct pn_err *err) PN_CHECKED;
/*
 * Checks form, algorithm (HS256 only) and signature in constant time; appends the claims' JSON.
 * Times are the caller's to check. Errors: PN_TOKEN, with the contract's sentences
 * (identity-auth.md §1.3); `claims_json` is then unchanged.
 */
bool pn_keyring_verify(struct pn_keyring *keyring, struct pn_str token, struct pn_buf *claims_json,
                       struct pn_err *err) PN_CHECKED;
/* HMAC of `bytes` under a key derived for `purpose`: salted lookup hashes. */
void pn_keyring_mac(struct pn_keyring *keyring, const char *purpose, struct pn_str bytes,
                    uint8_t out[32]);

#endif
