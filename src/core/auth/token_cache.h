/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TOKEN_CACHE_H
#define PN_CORE_AUTH_TOKEN_CACHE_H

#include "base/call.h"
#include "core/auth/trusted_ip.h"

/*
 * What bearers were found to be, so that the next request of the same one needs no SQL. Bounded, for
 * all threads of the process; keyed by a salted hash, so that it holds no token. An entry holds as long
 * as the version of its actor (pn_db_version) is what it was before the lookup: see README.md.
 */
struct pn_token_cache;
#define PN_TOKEN_CACHE_ENTRIES 8192

/* For pn_db_config.watched: all that an entry is made of. */
extern const char *const pn_token_cache_tables[];

struct pn_token_cache *pn_token_cache_new(struct pn_db *db, size_t entries);
void pn_token_cache_free(struct pn_token_cache *cache);

/* What stands in the rows of a token; uses and addresses are still to be checked. */
struct pn_token_facts {
    struct pn_actor actor;
    int64_t expires_ms; /* 0: never */
    int64_t uses_limit; /* 0: none */
    struct pn_nets nets;
};
/* Copies into call->arena. False: look it up. */
bool pn_token_cache_get(struct pn_token_cache *cache, struct pn_call *call, struct pn_str bearer,
                        struct pn_token_facts *out);
/* `version`: of the actor's id, read before its rows were. */
void pn_token_cache_put(struct pn_token_cache *cache, struct pn_str bearer, uint64_t version,
                        const struct pn_token_facts *facts);

#endif
