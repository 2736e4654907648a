/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/address.h"

PN_TEST(addresses)
{
    static const char *const good[][2] = {
        { "relay.test", "relay.test:8443" },
        { "relay.test:1", "relay.test:1" },
        { "192.0.2.1", "192.0.2.1:8443" },
        { "[2001:db8::1]:99", "[2001:db8::1]:99" },
        { "[::1]", "[::1]:8443" },
        { "a_b-c", "a_b-c:8443" },
        { "relay.test:65535", "relay.test:65535" },
    };
    static const char *const bad[] = { "",          ":1",    "a:",         "a:0",   "a:65536",
                                       "a:b",       "a b",   "user@a",     "a/b",   "256.1.1.1",
                                       "1.2.3",     "::1",   "[::1",       "[a]:1", "[::1]x",
                                       "[::1]:",    "-a",    "a-.b",       "a..b",  "a.",
                                       "https://a", "a:1:2", "[192.0.2.1]" };
    struct pn_arena *arena = pn_arena_new(65536);
    struct pn_address address;

    for (size_t i = 0; i < PN_COUNT(good); i++) {
        CHECK(pn_address_parse(pn_str_from(good[i][0]), 8443, &address));
        CHECK_STR(pn_address_text(arena, &address), good[i][1]);
    }
    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK(!pn_address_parse(pn_str_from(bad[i]), 8443, &address));
    CHECK(!pn_address_parse(PN_LIT("relay.test"), 0, &address)); /* a port is wanted */
    CHECK(!pn_address_parse(pn_str_of("a\0b", 3), 1, &address));
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(addresses))
