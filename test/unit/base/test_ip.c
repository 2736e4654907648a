/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "base/ip.h"

static bool has(const char *net_text, const char *ip_text)
{
    struct pn_net net;
    struct pn_ip ip;

    CHECK(pn_net_parse(pn_str_from(net_text), &net));
    CHECK(pn_ip_parse(pn_str_from(ip_text), &ip));
    return pn_net_has(&net, &ip);
}

PN_TEST(a_network_has_its_addresses)
{
    CHECK(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
    CHECK(has("10.1.2.3/16", "10.1.9.9")); /* IP-04 */
    CHECK(has("0.0.0.0/0", "::ffff:1.2.3.4") && !has("0.0.0.0/0", "2001:db8::1"));
    CHECK(has("::/0", "1.2.3.4") && has("::1", "::1") && !has("::1", "::2"));
    CHECK(has("fe80::/10", "febf::1") && !has("fe80::/10", "fec0::1"));
    CHECK(!has("::/96", "::ffff:1.2.3.4"));
}

PN_TEST(what_is_no_address_is_none)
{
    static const char *const no_nets[] = { "",          "x/8",       "300.1.1.1",    "10.0.0.0/33",
                                           "::/129",    "10.0.0.0/", "10.0.0.0/24a", "[::1]",
                                           "fe80::1%e", "10.0.0.1 ", "10.0.0.1:80" };
    struct pn_net net;

    for (size_t i = 0; i < PN_COUNT(no_nets); i++)
        CHECK(!pn_net_parse(pn_str_from(no_nets[i]), &net));
    CHECK(!pn_net_parse(PN_LIT("10.0.0.1\0"), &net));
}

PN_TEST(lists_of_networks)
{
    static const char *const bad[] = { ",", "a", "10.0.0.0/8 ::1" };
    pn_auto(pn_buf_drop) struct pn_buf many = pn_buf_init(4096);
    struct pn_err err = { 0 };
    struct pn_net_list nets;
    struct pn_ip ip;

    CHECK_OK(pn_net_list_parse(PN_LIT(""), &nets, &err), err);
    CHECK_EQ(nets.count, 0);
    CHECK_OK(pn_net_list_parse(PN_LIT("10.0.0.0/8, ::1"), &nets, &err), err);
    CHECK(pn_ip_parse(PN_LIT("::1"), &ip) && pn_net_list_has(&nets, &ip));
    CHECK(pn_ip_parse(PN_LIT("::2"), &ip) && !pn_net_list_has(&nets, &ip));
    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_net_list_parse(pn_str_from(bad[i]), &nets, &err), err, USAGE);
    for (int i = 0; i < PN_NET_LIST_MAX; i++)
        pn_buf_addf(&many, "%s10.0.0.%d", i > 0 ? "," : "", i);
    CHECK_OK(pn_net_list_parse(pn_buf_str(&many), &nets, &err), err);
    pn_buf_add_text(&many, ",10.1.0.0");
    CHECK_FAILS(pn_net_list_parse(pn_buf_str(&many), &nets, &err), err, USAGE);
}

PN_TEST_MAIN(T(a_network_has_its_addresses), T(what_is_no_address_is_none), T(lists_of_networks))
