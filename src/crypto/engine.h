/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_ENGINE_H
#define PN_CRYPTO_ENGINE_H

#include <openssl/evp.h>

/*
 * The thread's own algorithms and contexts, fetched once and reused: 3 to 5 times cheaper than
 * fetching per operation, and no lock is shared. Freed when the thread ends. A context keeps its
 * last key until its next use, so nothing here may be written out. Only crypto/ includes this.
 */
struct pn_engine {
    EVP_CIPHER *gcm; /* AES-256-GCM */
    EVP_CIPHER_CTX *cipher;
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac; /* HMAC-SHA-256 */
};

/* Never NULL: a machine without these algorithms cannot run us, so the process ends. */
struct pn_engine *pn_engine_get(void) __attribute__((returns_nonnull));

#endif
