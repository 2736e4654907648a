/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TOKEN_CACHE_H
#define PN_CORE_AUTH_TOKEN_CACHE_H

#include "base/call.h"
#include "core/auth/trusted_ip.h"

/*
 * What bearers were found to be, in call->cache, so that the next request of the same one needs no SQL. Keyed
 * by a salted hash, so that it holds no token; about the actor's id.
 */

/* What stands in the rows of a token; uses and addresses are still to be checked. */
struct pn_token_facts {
    struct pn_actor actor;
    int64_t expires_ms; /* 0: never */
    int64_t uses_limit; /* 0: none */
    struct pn_nets nets;
};
/* Lives in call->arena. False: look it up. */
bool pn_token_cache_get(struct pn_call *call, struct pn_str bearer, struct pn_token_facts *out);
/* `version`: of the actor's id, from before its rows were read (pn_cache_begin). */
void pn_token_cache_put(struct pn_call *call, struct pn_str bearer, uint64_t version,
                        const struct pn_token_facts *facts);

#endif
