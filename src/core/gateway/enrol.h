/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_ENROL_H
#define PN_CORE_GATEWAY_ENROL_H

#include "base/call.h"
#include "crypto/hash.h"

/*
 * One-time enrolment tokens of gateways ("gwe_") and relays ("rle_"): 32 random bytes, of which the
 * database keeps the SHA-256. A newer token replaces an unused one.
 */
#define PN_ENROL_TTL_S 3600

struct pn_enrol {
    struct pn_str token;
    uint8_t hash[PN_SHA256_BYTES];
    int64_t expires_ms;
};

struct pn_enrol pn_enrol_mint(struct pn_call *call, const char *prefix);
void pn_enrol_hash(struct pn_str token, uint8_t hash[PN_SHA256_BYTES]);
/* The one refusal strangers get: unknown, used, replaced and expired tokens look alike. */
bool pn_enrol_refuse(struct pn_err *err);

/* What an enrolment gives. */
struct pn_enrol_grant {
    struct pn_uuid id, org_id;
    struct pn_str name, access_token;
};

#endif
