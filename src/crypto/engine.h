/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_ENGINE_H
#define PN_CRYPTO_ENGINE_H

#include <openssl/decoder.h>
#include <openssl/evp.h>

#include <stdbool.h>
#include <stdint.h>

/*
 * The thread's own algorithms and contexts, fetched once and reused: 3 to 5 times cheaper than
 * fetching per operation, and no lock is shared. Freed when the thread ends. A context keeps its
 * last key until its next use, so nothing here may be written out. Only crypto/ includes this.
 */
struct pn_engine {
    EVP_CIPHER *gcm; /* AES-256-GCM */
    EVP_CIPHER_CTX *cipher;
    uint8_t cipher_key[32]; /* whose schedule the context has, while has_cipher_key */
    bool has_cipher_key;
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;          /* HMAC-SHA-256 */
    OSSL_DECODER_CTX *decoder; /* EC keys as PKCS#8; made at its first use */
    EVP_PKEY *decoded;         /* where it puts them */
};

/* Never NULL: a machine without these algorithms cannot run us, so the process ends. */
struct pn_engine *pn_engine_get(void) __attribute__((returns_nonnull));

/* An EC key from its PKCS#8 DER, or NULL; the caller frees. Choosing a decoder costs 20 times its run. */
EVP_PKEY *pn_engine_decode_key(const unsigned char *der, size_t len);

#endif
