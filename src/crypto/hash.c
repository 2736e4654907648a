/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include "crypto/engine.h"

#include <openssl/crypto.h>

#include <string.h>

/* The pointer of an empty slice may be NULL, which OpenSSL takes as "the key from before". */
static const unsigned char *bytes_of(struct pn_str s)
{
    return (const unsigned char *)(s.ptr != NULL ? s.ptr : "");
}

void pn_hash_sha256(struct pn_str bytes, uint8_t out[PN_SHA256_BYTES])
{
    struct pn_engine *engine = pn_engine_get();

    if (!EVP_DigestInit_ex2(engine->digest, engine->sha256, NULL) ||
        !EVP_DigestUpdate(engine->digest, bytes_of(bytes), bytes.len) ||
        !EVP_DigestFinal_ex(engine->digest, out, NULL))
        pn_die("SHA-256 failed");
}

void pn_hash_hmac(struct pn_str key, struct pn_str bytes, uint8_t out[PN_SHA256_BYTES])
{
    struct pn_engine *engine = pn_engine_get();

    if (!EVP_MAC_init(engine->mac, bytes_of(key), key.len, NULL) ||
        !EVP_MAC_update(engine->mac, bytes_of(bytes), bytes.len) ||
        !EVP_MAC_final(engine->mac, out, NULL, PN_SHA256_BYTES))
        pn_die("HMAC-SHA-256 failed");
}

/* RFC 5869 §2.3: T(n) = HMAC(PRK, T(n-1) ‖ info ‖ n), their concatenation cut to `len`. */
static void expand(struct pn_str prk, struct pn_str info, uint8_t *out, size_t len)
{
    struct pn_engine *engine = pn_engine_get();
    uint8_t block[PN_SHA256_BYTES];
    uint8_t number = 0;

    for (size_t done = 0; done < len; done += sizeof(block)) {
        size_t take = len - done < sizeof(block) ? len - done : sizeof(block);

        number++;
        if (!EVP_MAC_init(engine->mac, bytes_of(prk), prk.len, NULL) ||
            !EVP_MAC_update(engine->mac, block, number == 1 ? 0 : sizeof(block)) ||
            !EVP_MAC_update(engine->mac, bytes_of(info), info.len) ||
            !EVP_MAC_update(engine->mac, &number, 1) ||
            !EVP_MAC_final(engine->mac, block, NULL, sizeof(block)))
            pn_die("HKDF-SHA-256 failed");
        memcpy(out + done, block, take);
    }
    pn_wipe(block, sizeof(block));
}

void pn_hash_hkdf(struct pn_str key, struct pn_str salt, struct pn_str info, uint8_t *out,
                  size_t len)
{
    uint8_t prk[PN_SHA256_BYTES];

    pn_assert(len <= 255 * PN_SHA256_BYTES); /* RFC 5869 §2.3 */
    pn_hash_hmac(salt, key, prk); /* an absent salt is as many zeros, and so is an empty HMAC key */
    expand(pn_str_of(prk, sizeof(prk)), info, out, len);
    pn_wipe(prk, sizeof(prk));
}

bool pn_hash_equal(struct pn_str a, struct pn_str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
