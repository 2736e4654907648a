/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CRYPTO_VECTORS_H
#define PN_TEST_UNIT_CRYPTO_VECTORS_H

#include "check.h"

#include "base/buf.h"
#include "base/encode.h"

/* Test vectors as specifications print them: in hex. */
static inline struct pn_buf from_hex(const char *hex)
{
    struct pn_buf bytes = pn_buf_init(4096);

    CHECK(pn_hex_decode(pn_str_from(hex), &bytes));
    return bytes;
}

static inline void check_hex(struct pn_str bytes, const char *hex)
{
    struct pn_buf text = pn_buf_init(8192);

    CHECK(pn_hex_add(&text, bytes));
    CHECK_STR(pn_buf_str(&text), hex);
    pn_buf_drop(&text);
}

#endif
