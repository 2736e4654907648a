/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/token_cache.h"

#include "crypto/hash.h"
#include "crypto/keyring.h"
#include "db/cache.h"

#include <string.h>

/* The key: a mark that no other kind of entry begins with, and the hash. */
struct key {
    char mark[2];
    uint8_t hash[PN_SHA256_BYTES];
};

static struct pn_str make_key(const struct pn_cache *cache, struct pn_str bearer, struct key *out)
{
    *out = (struct key){ .mark = "t:" };
    pn_hash_hmac(pn_cache_salt(cache), bearer, out->hash);
    return pn_str_of(out, sizeof(*out));
}

/* An entry is the struct, its networks, its texts. */
static struct pn_str take(struct pn_str *rest, size_t len)
{
    struct pn_str taken = pn_str_slice(*rest, 0, len);

    *rest = pn_str_slice(*rest, len, rest->len);
    return taken;
}

static void read_entry(struct pn_str bytes, struct pn_token_facts *out)
{
    memcpy(out, take(&bytes, sizeof(*out)).ptr, sizeof(*out));
    out->nets.items = (void *)(uintptr_t)take(&bytes, out->nets.count * sizeof(struct pn_net)).ptr;
    out->actor.name = take(&bytes, out->actor.name.len);
    if (out->actor.org_role.ptr != NULL)
        out->actor.org_role = take(&bytes, out->actor.org_role.len);
}

static void write_entry(const struct pn_token_facts *facts, struct pn_buf *out)
{
    pn_buf_add_bytes(out, facts, sizeof(*facts));
    pn_buf_add_bytes(out, facts->nets.items, facts->nets.count * sizeof(struct pn_net));
    pn_buf_add(out, facts->actor.name);
    pn_buf_add(out, facts->actor.org_role);
}

bool pn_token_cache_get(struct pn_call *call, struct pn_str bearer, struct pn_token_facts *out)
{
    struct pn_str bytes;
    struct key key;

    if (call->cache == NULL || bearer.len > PN_TOKEN_MAX_BYTES ||
        !pn_cache_get(call->cache, make_key(call->cache, bearer, &key), call->now_ms, call->arena,
                      &bytes))
        return false;
    read_entry(bytes, out);
    return true;
}

void pn_token_cache_put(struct pn_call *call, struct pn_str bearer, uint64_t version,
                        const struct pn_token_facts *facts)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(PN_CACHE_MAX_ENTRY);
    struct key key;

    write_entry(facts, &bytes);
    if (!bytes.is_full)
        pn_cache_put(call->cache, make_key(call->cache, bearer, &key),
                     &(struct pn_cache_entry){
                         .id = facts->actor.id,
                         .version = version,
                         .from_ms = call->now_ms,
                         .until_ms = facts->expires_ms != 0 ? facts->expires_ms : INT64_MAX,
                         .bytes = pn_buf_str(&bytes) });
}
