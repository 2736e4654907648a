/* SPDX-License-Identifier: Apache-2.0 */
#include "reach/guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>

static const struct {
    const char *net, *what;
    bool is_ours; /* reaches this machine, on whatever interface it is said */
} rules[] = {
    { "0.0.0.0/8", "this host's", false },
    { "127.0.0.0/8", "a loopback", true },
    { "169.254.0.0/16", "a link-local or metadata", false },
    { "100.100.100.200", "a metadata", false }, /* Alibaba Cloud */
    { "168.63.129.16", "a metadata", false },   /* Azure */
    { "192.0.0.192", "a metadata", false },     /* Oracle Cloud */
    { "192.88.99.0/24", "a 6to4", false },      /* its relays */
    { "224.0.0.0/4", "a multicast", false },
    { "255.255.255.255", "a broadcast", false },
    { "::1", "a loopback", true },
    { "::/96", "this host's", false },            /* and IPv4-compatible ones, RFC 4291 */
    { "::ffff:0:0:0/96", "a translated", false }, /* RFC 2765 */
    { "fe80::/10", "a link-local", false },
    { "ff00::/8", "a multicast", false },
    { "fd00:ec2::/32", "a metadata", false },    /* Amazon */
    { "fd20:ce::/32", "a metadata", false },     /* Google */
    { "64:ff9b:1::/48", "a translated", false }, /* RFC 8215: each site lays it out as it likes */
    { "2002::/16", "a 6to4", false },
    { "2001::/32", "a Teredo", false },
};
_Static_assert(PN_COUNT(rules) <= PN_REACH_GUARD_RULES, "they all have a place");

void pn_reach_guard_init(struct pn_reach_guard *guard, const struct pn_net_list *allowed)
{
    *guard = (struct pn_reach_guard){ .port_count = 0 };
    if (allowed != NULL)
        guard->allowed = *allowed;
    for (size_t i = 0; i < PN_COUNT(rules); i++) {
        bool is_net = pn_net_parse(pn_str_from(rules[i].net), &guard->refused[i]);

        pn_assert(is_net);
    }
}

static bool ip_of(const struct sockaddr *from, struct pn_ip *out)
{
    *out = (struct pn_ip){ .bytes = { [10] = 0xff, [11] = 0xff } }; /* where IPv4 is mapped */
    if (from == NULL)
        return false;
    if (from->sa_family == AF_INET)
        memcpy(out->bytes + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    else if (from->sa_family == AF_INET6)
        memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    else
        return false;
    return true;
}

/*
 * Behind NAT64's own prefix is the IPv4 address that will be called (RFC 6052): DNS64 answers so for clusters of
 * IPv4, and it is the address to judge.
 */
static struct pn_ip called(const struct pn_ip *ip)
{
    static const struct pn_net nat64 = { .first.bytes = { 0x00, 0x64, 0xff, 0x9b }, .bits = 96 };
    struct pn_ip v4 = { .bytes = { [10] = 0xff, [11] = 0xff } };

    if (!pn_net_has(&nat64, ip))
        return *ip;
    memcpy(v4.bytes + 12, ip->bytes + 12, 4);
    return v4;
}

/* Is it an address of this machine? */
static bool is_local(const struct pn_reach_guard *guard, const struct pn_ip *ip)
{
    struct ifaddrs *interfaces = NULL;
    struct pn_ip own;
    bool is_ours = false;

    for (size_t i = 0; i < PN_COUNT(rules) && !is_ours; i++)
        is_ours = rules[i].is_ours && pn_net_has(&guard->refused[i], ip);
    if (is_ours || getifaddrs(&interfaces) != 0)
        return is_ours;
    for (const struct ifaddrs *i = interfaces; i != NULL && !is_ours; i = i->ifa_next)
        is_ours = ip_of(i->ifa_addr, &own) && memcmp(own.bytes, ip->bytes, sizeof(own.bytes)) == 0;
    freeifaddrs(interfaces);
    return is_ours;
}

static uint16_t port_of(const struct sockaddr *address)
{
    return ntohs(address->sa_family == AF_INET
                     ? ((const struct sockaddr_in *)(const void *)address)->sin_port
                     : ((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
}

static bool is_own_listener(const struct pn_reach_guard *guard, const struct sockaddr *address,
                            const struct pn_ip *ip)
{
    for (size_t i = 0; i < guard->port_count; i++)
        if (guard->ports[i] == port_of(address) && is_local(guard, ip))
            return true;
    return false;
}

static bool check(const struct pn_reach_guard *guard, const struct sockaddr *address,
                  struct pn_err *err)
{
    struct pn_ip ip;

    if (!ip_of(address, &ip))
        return pn_fail(err, PN_BAD_REQUEST, "the host has an address of an unknown kind");
    ip = called(&ip);
    if (is_own_listener(guard, address, &ip))
        return pn_fail(err, PN_BAD_REQUEST, "the host leads to this server itself");
    if (pn_net_list_has(&guard->allowed, &ip))
        return true;
    for (size_t i = 0; i < PN_COUNT(rules); i++)
        if (pn_net_has(&guard->refused[i], &ip))
            return pn_fail(err, PN_BAD_REQUEST, "the host leads to %s address", rules[i].what);
    return true;
}

bool pn_reach_guard_check(void *guard, const struct pn_addresses *addresses, struct pn_err *err)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (!check(guard, &addresses->list[i].at.any, err))
            return false;
    return true;
}
