/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include "crypto/engine.h"
#include "crypto/random.h"

#include <openssl/crypto.h>

#include <limits.h>
#include <string.h>

/* OpenSSL counts in int, and the last block may not make it overflow. */
#define MAX_BYTES ((size_t)INT_MAX - 64)

static const unsigned char *bytes_of(struct pn_str s)
{
    return (const unsigned char *)(s.ptr != NULL ? s.ptr : "");
}

/* Most keys come many times in a row, as for the rows of a list: the schedule is made for the first only. */
static bool set_key_and_nonce(struct pn_engine *engine, const uint8_t *key, const uint8_t *nonce,
                              int is_sealing)
{
    bool is_same = engine->has_cipher_key &&
                   CRYPTO_memcmp(engine->cipher_key, key, sizeof(engine->cipher_key)) == 0;

    engine->has_cipher_key =
        EVP_CipherInit_ex2(engine->cipher, NULL, is_same ? NULL : key, nonce, is_sealing, NULL);
    memcpy(engine->cipher_key, key, sizeof(engine->cipher_key));
    return engine->has_cipher_key;
}

static bool begin(const uint8_t *key, const uint8_t *nonce, struct pn_str aad, int is_sealing)
{
    struct pn_engine *engine = pn_engine_get();
    int len;

    return set_key_and_nonce(engine, key, nonce, is_sealing) &&
           EVP_CipherUpdate(engine->cipher, NULL, &len, bytes_of(aad), (int)aad.len);
}

bool pn_aead_seal_at(const uint8_t key[PN_AEAD_KEY_BYTES], const uint8_t nonce[PN_AEAD_NONCE_BYTES],
                     struct pn_str aad, struct pn_str plain, uint8_t *out)
{
    EVP_CIPHER_CTX *cipher = pn_engine_get()->cipher;
    int len = 0, rest = 0;

    if (plain.len > MAX_BYTES || aad.len > MAX_BYTES)
        return false;
    return begin(key, nonce, aad, 1) &&
           EVP_CipherUpdate(cipher, out, &len, bytes_of(plain), (int)plain.len) &&
           EVP_CipherFinal_ex(cipher, out + len, &rest) &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, PN_AEAD_TAG_BYTES, out + plain.len) >
               0;
}

bool pn_aead_seal(const uint8_t key[PN_AEAD_KEY_BYTES], struct pn_str aad, struct pn_str plain,
                  struct pn_buf *out, struct pn_err *err)
{
    uint8_t *room;

    if (plain.len > MAX_BYTES)
        return pn_fail(err, PN_TOO_LARGE, "The value is too large to seal");
    room = (uint8_t *)pn_buf_room(out, plain.len + PN_AEAD_OVERHEAD);
    if (room == NULL)
        return pn_fail(err, PN_TOO_LARGE, "The value is too large to seal");
    pn_random_bytes(room, PN_AEAD_NONCE_BYTES);
    if (!pn_aead_seal_at(key, room, aad, plain, room + PN_AEAD_NONCE_BYTES))
        return pn_fail(err, PN_INTERNAL, "AES-256-GCM could not seal");
    pn_buf_grew(out, plain.len + PN_AEAD_OVERHEAD);
    return true;
}

/* nonce ‖ ciphertext ‖ tag → `out`, which holds sealed.len - PN_AEAD_OVERHEAD bytes. */
static bool open_at(const uint8_t *key, struct pn_str aad, struct pn_str sealed, uint8_t *out)
{
    EVP_CIPHER_CTX *cipher = pn_engine_get()->cipher;
    const uint8_t *nonce = bytes_of(sealed);
    const uint8_t *coded = nonce + PN_AEAD_NONCE_BYTES;
    size_t coded_len = sealed.len - PN_AEAD_OVERHEAD;
    uint8_t tag[PN_AEAD_TAG_BYTES];
    int len = 0, rest = 0;

    memcpy(tag, coded + coded_len, sizeof(tag));
    return begin(key, nonce, aad, 0) &&
           EVP_CipherUpdate(cipher, out, &len, coded, (int)coded_len) &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) > 0 &&
           EVP_CipherFinal_ex(cipher, out + len, &rest);
}

bool pn_aead_open(const uint8_t key[PN_AEAD_KEY_BYTES], struct pn_str aad, struct pn_str sealed,
                  struct pn_buf *out, struct pn_err *err)
{
    size_t plain_len;
    uint8_t *room;

    if (sealed.len < PN_AEAD_OVERHEAD || sealed.len > MAX_BYTES || aad.len > MAX_BYTES)
        return pn_fail(err, PN_INTERNAL, "sealed bytes of impossible length");
    plain_len = sealed.len - PN_AEAD_OVERHEAD;
    room = (uint8_t *)pn_buf_room(out, plain_len);
    if (room == NULL)
        return pn_fail(err, PN_TOO_LARGE, "The sealed value is too large");
    if (!open_at(key, aad, sealed, room)) {
        pn_wipe(room, plain_len); /* deciphered before the tag said no */
        return pn_fail(err, PN_INTERNAL,
                       "sealed bytes do not open: another key, another place, or altered");
    }
    pn_buf_grew(out, plain_len);
    return true;
}
