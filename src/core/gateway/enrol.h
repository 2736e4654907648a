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

/* What an enrolment gives. */
struct pn_enrol_grant {
    struct pn_uuid id, org_id;
    struct pn_str name, access_token;
};

/* What differs between gateways and relays. */
struct pn_enrol_kind {
    const char *prefix;            /* of the token */
    const char *take_sql;          /* $hash, $now: uses it up → id, org_id, name, token_version */
    const char *owner_sql;         /* $hash: whose it is or was → id, org_id, name */
    const char *granted, *refused; /* audit events … */
    const char *id_name;           /* … and the name of the id in them */
    enum pn_actor_kind actor;
    bool (*sign)(struct pn_call *call, struct pn_uuid id, struct pn_uuid org, int64_t version,
                 struct pn_str *out, struct pn_err *err);
};

/*
 * Uses a token up, once, and signs the access token of what it belongs to. Strangers get one refusal:
 * unknown, used, replaced and expired tokens look alike. Both ends are in the audit log.
 *
 * Errors: PN_UNAUTHENTICATED. Threads: worker.
 */
bool pn_enrol_use(struct pn_call *call, const struct pn_enrol_kind *kind, struct pn_str token,
                  struct pn_enrol_grant *out, struct pn_err *err) PN_CHECKED;

#endif
