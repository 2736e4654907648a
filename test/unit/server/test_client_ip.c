/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "server/client_ip.h"

#define PROXIES "10.0.0.0/8, 2001:db8::1"

static const struct {
    const char *says, *proxies, *peer, *first, *second, *client;
} cases[] = {
    { "nobody is believed by default", "", "10.0.0.1", "1.1.1.1", NULL, "10.0.0.1" },
    { "a peer that is no proxy", PROXIES, "192.0.2.1", "1.1.1.1", NULL, "192.0.2.1" },
    { "one proxy", PROXIES, "10.0.0.1", "192.0.2.1", NULL, "192.0.2.1" },
    { "a mapped proxy", PROXIES, "::ffff:10.0.0.1", "192.0.2.1", NULL, "192.0.2.1" },
    { "an IPv6 proxy", PROXIES, "2001:db8::1", "2001:db8::9", NULL, "2001:db8::9" },
    { "what the client made up stands left", PROXIES, "10.0.0.1", "1.1.1.1, 192.0.2.1", NULL,
      "192.0.2.1" },
    { "several proxies", PROXIES, "10.0.0.1", "1.1.1.1,192.0.2.1, 10.2.2.2,10.3.3.3", NULL,
      "192.0.2.1" },
    { "the proxy's own field comes last", PROXIES, "10.0.0.1", "1.1.1.1", "192.0.2.1",
      "192.0.2.1" },
    { "on into the field before", PROXIES, "10.0.0.1", "192.0.2.1", "10.2.2.2", "192.0.2.1" },
    { "all are proxies", PROXIES, "10.0.0.1", "10.9.9.9", NULL, "10.9.9.9" },
    { "IP-08: a port", PROXIES, "10.0.0.1", "192.0.2.1:4711", NULL, "10.0.0.1" },
    { "IP-08: garbage", PROXIES, "10.0.0.1", "unknown", NULL, "10.0.0.1" },
    { "IP-08: garbage behind a proxy", PROXIES, "10.0.0.1", "x, 10.2.2.2", NULL, "10.0.0.1" },
    { "an empty piece", PROXIES, "10.0.0.1", "192.0.2.1,", NULL, "10.0.0.1" },
    { "nothing", PROXIES, "10.0.0.1", "", NULL, "10.0.0.1" },
};

PN_TEST(the_client_is_the_last_hop_that_no_named_proxy_is)
{
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_http_field fields[] = {
            { PN_LIT("X-Forwarded-For"), pn_str_from(cases[i].first) },
            { PN_LIT("x-forwarded-for"), pn_str_from(cases[i].second) },
            { PN_LIT("x-real-ip"), PN_LIT("203.0.113.1") },
            { PN_LIT("cf-connecting-ip"), PN_LIT("203.0.113.2") },
        };
        const struct pn_http_head head = { .fields = fields, .count = PN_COUNT(fields) };
        struct pn_net_list proxies;
        struct pn_err err = { 0 };

        CHECK_OK(pn_net_list_parse(pn_str_from(cases[i].proxies), &proxies, &err), err);
        if (!pn_str_is(pn_client_ip(&proxies, pn_str_from(cases[i].peer), &head), cases[i].client))
            fail_msg("%s", cases[i].says);
    }
}

PN_TEST(what_is_no_network_stops_the_start)
{
    static const char *const wrong[] = { "x", "10.0.0.0/33", "10.0.0.1,,10.0.0.2", "10.0.0.1:80" };
    struct pn_net_list proxies;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(wrong); i++)
        CHECK_FAILS(pn_net_list_parse(pn_str_from(wrong[i]), &proxies, &err), err, USAGE);
}

PN_TEST_MAIN(T(the_client_is_the_last_hop_that_no_named_proxy_is),
             T(what_is_no_network_stops_the_start))
