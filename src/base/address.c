/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_NAME_BYTES 253
#define MAX_LABEL_BYTES 63

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_digits(struct pn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static bool is_ip(int family, struct pn_str text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, &address) == 1;
}

/* Letters, digits, '-' and '_' between dots. A last label of digits would be read as an address. */
static bool is_name(struct pn_str name)
{
    struct pn_str label = PN_NONE;

    if (name.len == 0 || name.len > MAX_NAME_BYTES)
        return false;
    while (pn_str_cut(&name, '.', &label)) {
        if (label.len == 0 || label.len > MAX_LABEL_BYTES || !is_alnum(label.ptr[0]) ||
            !is_alnum(label.ptr[label.len - 1]))
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
                return false;
    }
    return !is_digits(label);
}

static bool parse_port(struct pn_str text, uint16_t default_port, uint16_t *out)
{
    uint64_t port = default_port;

    if (text.ptr != NULL && !pn_str_u64(text, &port))
        return false;
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* Cuts "[host]:port" or "host:port"; `port` is absent without a colon. */
static bool split(struct pn_str text, struct pn_str *host, struct pn_str *port, bool *has_brackets)
{
    ptrdiff_t end;

    *has_brackets = pn_str_starts(text, PN_LIT("["));
    if (!*has_brackets) {
        *port = text;
        if (!pn_str_cut(port, ':', host))
            return false;
        return true;
    }
    end = pn_str_find(text, ']');
    if (end < 0)
        return false;
    *host = pn_str_slice(text, 1, (size_t)end);
    *port = pn_str_slice(text, (size_t)end + 1, text.len);
    if (port->len == 0)
        *port = PN_NONE;
    else if (port->ptr[0] != ':')
        return false;
    else
        *port = pn_str_slice(*port, 1, port->len);
    return true;
}

bool pn_address_parse(struct pn_str text, uint16_t default_port, struct pn_address *out)
{
    struct pn_address address = { 0 };
    struct pn_str port;

    if (text.len == 0 || text.len > PN_ADDRESS_MAX_BYTES ||
        !split(text, &address.host, &port, &address.is_ip6) ||
        !parse_port(port, default_port, &address.port))
        return false;
    address.is_ip = address.is_ip6 || is_ip(AF_INET, address.host);
    if (address.is_ip6 ? !is_ip(AF_INET6, address.host) : !address.is_ip && !is_name(address.host))
        return false;
    *out = address;
    return true;
}

struct pn_str pn_address_text(struct pn_arena *arena, const struct pn_address *address)
{
    return pn_arena_printf(arena, address->is_ip6 ? "[%.*s]:%u" : "%.*s:%u", PN_ARG(address->host),
                           (unsigned)address->port);
}
