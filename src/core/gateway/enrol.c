/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/enrol.h"

#include "crypto/random.h"

#define TOKEN_BYTES 32

void pn_enrol_hash(struct pn_str token, uint8_t hash[PN_SHA256_BYTES])
{
    pn_hash_sha256(token, hash);
}

struct pn_enrol pn_enrol_mint(struct pn_call *call, const char *prefix)
{
    struct pn_enrol enrol = { .token = pn_random_token(call->arena, prefix, TOKEN_BYTES),
                              .expires_ms = call->now_ms + INT64_C(1000) * PN_ENROL_TTL_S };

    pn_enrol_hash(enrol.token, enrol.hash);
    return enrol;
}

bool pn_enrol_refuse(struct pn_err *err)
{
    return pn_fail(err, PN_UNAUTHENTICATED,
                   "Invalid, used or expired enrollment token: create a new one");
}
