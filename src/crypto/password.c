/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include <sodium.h>

#include <string.h>

/* OWASP Password Storage Cheat Sheet: argon2id with m = 19 MiB, t = 2, p = 1. */
#define PASSES 2
#define MEMORY_BYTES ((size_t)19 << 20)

/* A hash nobody has the password of, at the same cost: what an unknown user is checked against. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static const char *text_of(struct pn_str s)
{
    return s.ptr != NULL ? s.ptr : "";
}

bool pn_password_hash(struct pn_arena *arena, const struct pn_secret *password, struct pn_str *out,
                      struct pn_err *err)
{
    struct pn_str plain = pn_secret_reveal(password);
    char hash[crypto_pwhash_STRBYTES];

    if (sodium_init() < 0)
        return pn_fail(err, PN_INTERNAL, "libsodium does not start");
    if (crypto_pwhash_str_alg(hash, text_of(plain), plain.len, PASSES, MEMORY_BYTES,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return pn_fail(err, PN_BUSY, "Not enough memory to hash a password; try again");
    *out = pn_arena_copy(arena, pn_str_from(hash));
    return true;
}

bool pn_password_verify(struct pn_arena *arena, const struct pn_secret *password,
                        struct pn_str hash)
{
    struct pn_str plain = pn_secret_reveal(password);
    const char *text = hash.ptr != NULL ? pn_cstr(arena, hash) : nobody;

    if (text == NULL || hash.len >= crypto_pwhash_STRBYTES || sodium_init() < 0)
        return false;
    return crypto_pwhash_str_verify(text, text_of(plain), plain.len) == 0 && text != nobody;
}
