/* SPDX-License-Identifier: Apache-2.0 */
#include "reach/guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>

/* IPv4 as the mapped form of IPv6, so that there is one kind of address and one table. */
struct address {
    uint8_t bytes[16];
};

static const struct {
    uint8_t bytes[16];
    unsigned bits;
    const char *what;
} refused[] = {
#define V4(a, b, c, d)                                       \
    {                                                        \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d \
    }
    { V4(0, 0, 0, 0), 96 + 8, "this host" },
    { V4(169, 254, 0, 0), 96 + 16, "link-local or metadata" },
    { V4(100, 100, 100, 200), 96 + 32, "metadata" }, /* Alibaba Cloud */
    { V4(168, 63, 129, 16), 96 + 32, "metadata" },   /* Azure */
    { V4(192, 0, 0, 192), 96 + 32, "metadata" },     /* Oracle Cloud */
    { V4(224, 0, 0, 0), 96 + 4, "multicast" },
    { V4(255, 255, 255, 255), 96 + 32, "broadcast" },
    { { 0 }, 128, "this host" },
    { { 0xfe, 0x80 }, 10, "link-local" },
    { { 0xff }, 8, "multicast" },
    { { 0xfd, 0x00, 0x0e, 0xc2 }, 32, "metadata" },                                    /* Amazon */
    { { 0xfd, 0x20, 0x00, 0xce }, 32, "metadata" },                                    /* Google */
    { { 0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 169, 254 }, 112, "metadata" }, /* NAT64 */
#undef V4
};

static bool address_of(const struct sockaddr *from, struct address *out)
{
    *out = (struct address){ .bytes = { [10] = 0xff, [11] = 0xff } };
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

static bool is_within(const struct address *a, const uint8_t *net, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(a->bytes, net, bytes) == 0 &&
           (rest == 0 || ((a->bytes[bytes] ^ net[bytes]) >> (8 - rest)) == 0);
}

/* Is it an address of this machine? */
static bool is_local(const struct address *a)
{
    static const uint8_t loopback_v4[16] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
    static const uint8_t loopback_v6[16] = { [15] = 1 };
    struct ifaddrs *interfaces = NULL;
    struct address own;
    bool is_ours = is_within(a, loopback_v4, 96 + 8) || is_within(a, loopback_v6, 128);

    if (is_ours || getifaddrs(&interfaces) != 0)
        return is_ours;
    for (const struct ifaddrs *i = interfaces; i != NULL && !is_ours; i = i->ifa_next)
        is_ours = address_of(i->ifa_addr, &own) && is_within(a, own.bytes, 128);
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
                            const struct address *a)
{
    for (size_t i = 0; i < guard->count; i++)
        if (guard->ports[i] == port_of(address) && is_local(a))
            return true;
    return false;
}

bool pn_reach_guard_check(void *guard_, const struct pn_addresses *addresses, struct pn_err *err)
{
    const struct pn_reach_guard *guard = guard_;

    for (size_t i = 0; i < addresses->count; i++) {
        struct address a;

        if (!address_of(&addresses->list[i].at.any, &a))
            return pn_fail(err, PN_BAD_REQUEST, "the host has an address of an unknown kind");
        for (size_t k = 0; k < PN_COUNT(refused); k++)
            if (is_within(&a, refused[k].bytes, refused[k].bits))
                return pn_fail(err, PN_BAD_REQUEST, "the host leads to a %s address",
                               refused[k].what);
        if (is_own_listener(guard, &addresses->list[i].at.any, &a))
            return pn_fail(err, PN_BAD_REQUEST, "the host leads to this server itself");
    }
    return true;
}
