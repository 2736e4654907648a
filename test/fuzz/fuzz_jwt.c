/* SPDX-License-Identifier: Apache-2.0 */
/* pn_keyring_verify: what it accepts is exactly what pn_keyring_sign writes, and nothing else. */
#include "crypto/keyring.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static struct pn_keyring *keyring_of_zeros(void)
{
    static const char zeros[32];
    struct pn_keyring *keyring = NULL;
    struct pn_err err = { 0 };

    must(pn_keyring_new(pn_str_of(zeros, sizeof(zeros)), &keyring, &err));
    return keyring;
}

static void sign(struct pn_keyring *keyring, struct pn_str claims, struct pn_buf *token)
{
    struct pn_err err = { 0 };

    must(pn_keyring_sign(keyring, claims, token, &err));
}

/* The input as a token from outside. */
static void verify(struct pn_keyring *keyring, struct pn_str input)
{
    pn_auto(pn_buf_drop) struct pn_buf claims = pn_buf_init(PN_TOKEN_MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf again = pn_buf_init(PN_TOKEN_MAX_BYTES);
    struct pn_err err = { 0 };

    if (!pn_keyring_verify(keyring, input, &claims, &err)) {
        must(err.code == PN_TOKEN && claims.len == 0);
        return;
    }
    sign(keyring, pn_buf_str(&claims), &again);
    must(pn_str_eq(pn_buf_str(&again), input));
}

/* The input as claims: signed, they verify; with a bit turned over, they do not. */
static void round_trip(struct pn_keyring *keyring, struct pn_str input)
{
    pn_auto(pn_buf_drop) struct pn_buf token = pn_buf_init(PN_TOKEN_MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf claims = pn_buf_init(PN_TOKEN_MAX_BYTES);
    struct pn_err err = { 0 };
    size_t place;

    if (input.len > 4096)
        return;
    sign(keyring, input, &token);
    must(pn_keyring_verify(keyring, pn_buf_str(&token), &claims, &err));
    must(pn_str_eq(pn_buf_str(&claims), input));
    place = (input.len > 0 ? (uint8_t)input.ptr[0] * (size_t)7 : 0) % token.len;
    token.ptr[place] ^= 1;
    must(!pn_keyring_verify(keyring, pn_buf_str(&token), &claims, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pn_keyring *keyring;

    if (keyring == NULL)
        keyring = keyring_of_zeros();
    verify(keyring, pn_str_of(data, size));
    round_trip(keyring, pn_str_of(data, size));
    return 0;
}
