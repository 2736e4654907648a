/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "relay/registry.h"

static struct pn_registry_tunnel tunnel(uint8_t gateway, const char *process, unsigned index,
                                        unsigned loop)
{
    struct pn_registry_tunnel t = { .gateway.bytes = { gateway }, .index = index, .loop = loop };

    memcpy(t.process, process, strlen(process) + 1);
    return t;
}

PN_TEST(the_newest_tunnel_is_found_and_one_on_the_same_loop_first)
{
    struct pn_registry *registry = pn_registry_new();
    struct pn_registry_tunnel a = tunnel(1, "p1", 0, 0), b = tunnel(1, "p1", 1, 1),
                              c = tunnel(2, "p9", 0, 0);
    struct pn_registry_tunnel found, replaced;

    CHECK(!pn_registry_find(registry, a.gateway, 0, &found));
    CHECK(!pn_registry_add(registry, &a, &replaced));
    CHECK(!pn_registry_add(registry, &b, &replaced));
    CHECK(!pn_registry_add(registry, &c, &replaced));
    CHECK(pn_registry_find(registry, a.gateway, 0, &found));
    CHECK_EQ(found.id, a.id);
    CHECK(pn_registry_find(registry, a.gateway, 1, &found));
    CHECK_EQ(found.id, b.id);
    CHECK(pn_registry_find(registry, a.gateway, 5, &found));
    CHECK_EQ(found.id, b.id);
    pn_registry_free(registry);
}

PN_TEST(a_new_process_is_preferred_even_on_another_loop)
{
    struct pn_registry *registry = pn_registry_new();
    struct pn_registry_tunnel old = tunnel(1, "old", 0, 0), new = tunnel(1, "new", 0, 1), found,
                              replaced;

    CHECK(!pn_registry_add(registry, &old, &replaced));
    CHECK(!pn_registry_add(registry, &new, &replaced));
    CHECK(pn_registry_find(registry, old.gateway, 0, &found));
    CHECK_EQ(found.id, new.id);
    CHECK(pn_registry_remove(registry, new.gateway, new.id));
    CHECK(pn_registry_find(registry, old.gateway, 0, &found));
    CHECK_EQ(found.id, old.id);
    pn_registry_free(registry);
}

PN_TEST(the_same_key_takes_the_place_of_the_old_one)
{
    struct pn_registry *registry = pn_registry_new();
    struct pn_registry_tunnel old = tunnel(1, "p", 3, 0), new = tunnel(1, "p", 3, 1), found,
                              replaced;

    CHECK(!pn_registry_add(registry, &old, &replaced));
    CHECK(pn_registry_add(registry, &new, &replaced));
    CHECK_EQ(replaced.id, old.id);
    CHECK_EQ(replaced.loop, 0);
    CHECK(!pn_registry_remove(registry, old.gateway,
                              old.id)); /* its end comes later and means nothing */
    CHECK(pn_registry_find(registry, old.gateway, 0, &found));
    CHECK_EQ(found.id, new.id);
    CHECK_EQ(pn_registry_count(registry), 1);
    pn_registry_free(registry);
}

PN_TEST(gateways_are_listed_once_and_only_while_they_have_a_tunnel)
{
    struct pn_registry *registry = pn_registry_new();
    struct pn_registry_tunnel a = tunnel(1, "p", 0, 0), b = tunnel(1, "p", 1, 0),
                              c = tunnel(2, "p", 0, 0), replaced;
    struct pn_uuid ids[4];

    CHECK(!pn_registry_add(registry, &a, &replaced));
    CHECK(!pn_registry_add(registry, &b, &replaced));
    CHECK(!pn_registry_add(registry, &c, &replaced));
    CHECK_EQ(pn_registry_gateways(registry, ids, 4), 2);
    CHECK_EQ(pn_registry_gateways(registry, ids, 1), 1);
    CHECK(pn_registry_remove(registry, a.gateway, a.id));
    CHECK_EQ(pn_registry_count(registry), 2);
    CHECK(pn_registry_remove(registry, b.gateway, b.id));
    CHECK_EQ(pn_registry_gateways(registry, ids, 4), 1);
    CHECK(pn_uuid_eq(ids[0], c.gateway));
    CHECK(!pn_registry_remove(registry, a.gateway, a.id));
    pn_registry_free(registry);
}

PN_TEST_MAIN(T(the_newest_tunnel_is_found_and_one_on_the_same_loop_first),
             T(a_new_process_is_preferred_even_on_another_loop),
             T(the_same_key_takes_the_place_of_the_old_one),
             T(gateways_are_listed_once_and_only_while_they_have_a_tunnel))
