/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cookie.h"

struct pn_str pn_cookie_get(struct pn_str header, const char *name)
{
    struct pn_str rest = header, pair, key;

    while (pn_str_cut(&rest, ';', &pair)) {
        struct pn_str value = pn_str_trim(pair);

        if (pn_str_search(value, PN_LIT("=")) >= 0 && pn_str_cut(&value, '=', &key) &&
            pn_str_is(key, name))
            return value;
    }
    return PN_NONE;
}

struct pn_str pn_cookie_set(struct pn_arena *arena, struct pn_str value, int64_t max_age_s)
{
    return pn_arena_printf(arena,
                           PN_COOKIE_REFRESH
                           "=%.*s; HttpOnly; Secure; SameSite=Strict; Path=/api; Max-Age=%lld",
                           PN_ARG(value), (long long)(value.len > 0 ? max_age_s : 0));
}
