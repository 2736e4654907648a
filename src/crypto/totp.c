/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/totp.h"

#include "crypto/hash.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

#define SHA1_BYTES 20
#define WINDOW 1 /* steps to either side, RFC 6238 §5.2 */

static uint8_t byte_of(uint64_t number, int place)
{
    return (uint8_t)(number >> (8 * place) & 0xff);
}

/* RFC 4226 §5.3: four bytes from where the last one points, without the sign bit. */
static uint32_t truncate(const uint8_t mac[SHA1_BYTES])
{
    const uint8_t *at = mac + (mac[SHA1_BYTES - 1] & 15);

    return (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

struct pn_totp_code pn_totp_at(struct pn_str secret, int64_t step)
{
    uint8_t counter[8], mac[SHA1_BYTES];
    struct pn_totp_code code;
    size_t len = 0;

    for (int i = 0; i < 8; i++)
        counter[i] = byte_of((uint64_t)step, 7 - i);
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, secret.ptr, secret.len, counter,
                  sizeof(counter), mac, sizeof(mac), &len) == NULL ||
        len != sizeof(mac))
        pn_die("HMAC-SHA-1 failed");
    (void)snprintf(code.text, sizeof(code.text), "%06u", (unsigned)(truncate(mac) % 1000000));
    pn_wipe(mac, sizeof(mac));
    return code;
}

int64_t pn_totp_find(struct pn_str secret, int64_t now_step, struct pn_str code)
{
    int64_t found = -1;

    for (int64_t step = now_step - WINDOW; step <= now_step + WINDOW; step++) {
        const struct pn_totp_code right = pn_totp_at(secret, step);

        if (pn_hash_equal(code, pn_str_of(right.text, PN_TOTP_DIGITS)))
            found = step;
    }
    return found;
}
