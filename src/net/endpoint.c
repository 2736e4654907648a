/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "net/dial.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* RFC 1123 names (with the underscores that clusters use) and IPv4 literals; one final dot is fine. */
static bool is_host_name(struct pn_str host)
{
    struct pn_str rest = host, label;

    if (host.len == 0 || host.len > 253)
        return false;
    while (pn_str_cut(&rest, '.', &label)) {
        bool is_root = label.len == 0 && rest.ptr == NULL && host.len > 1;

        if ((label.len == 0 && !is_root) || label.len > 63)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_name_char(label.ptr[i]))
                return false;
        if (label.len > 0 && (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-'))
            return false;
    }
    return true;
}

static void copy_host(struct pn_endpoint *out, struct pn_str host)
{
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
}

/* "1.2.3", "1.2.3.4.5", "0x7f.1": getaddrinfo would read an address into them; we do not. */
static bool is_number_like(struct pn_str host)
{
    struct pn_str rest = host, label, last = PN_NONE;
    uint64_t number;

    while (pn_str_cut(&rest, '.', &label))
        if (label.len > 0)
            last = label;
    return pn_str_u64(last, &number) || pn_str_istarts(last, PN_LIT("0x"));
}

static bool take_host(struct pn_str host, bool is_bracketed, struct pn_endpoint *out)
{
    uint8_t address[16];

    if (is_bracketed ? host.len > 45 || host.len == 0 : !is_host_name(host))
        return false;
    copy_host(out, host);
    if (is_bracketed)
        return inet_pton(AF_INET6, out->host, address) == 1;
    return !is_number_like(host) || inet_pton(AF_INET, out->host, address) == 1;
}

bool pn_endpoint_parse(struct pn_str text, uint16_t default_port, struct pn_endpoint *out,
                       struct pn_err *err)
{
    bool is_bracketed = text.len > 0 && text.ptr[0] == '[';
    ptrdiff_t host_end = pn_str_find(text, is_bracketed ? ']' : ':');
    struct pn_str host, port;
    uint64_t number = default_port;

    if (is_bracketed && host_end < 0)
        return pn_fail(err, PN_BAD_REQUEST, "\"%.*s\" has no closing bracket", PN_ARG(text));
    if (host_end < 0)
        host_end = (ptrdiff_t)text.len;
    host = pn_str_slice(text, is_bracketed, (size_t)host_end);
    port = pn_str_slice(text, (size_t)host_end + is_bracketed, text.len);
    if (!take_host(host, is_bracketed, out))
        return pn_fail(err, PN_BAD_REQUEST,
                       "\"%.*s\" is neither a host name nor an IP address (IPv6 in brackets)",
                       PN_ARG(host));
    if (port.len > 0 && (port.ptr[0] != ':' ||
                         !pn_str_u64(pn_str_slice(port, 1, port.len), &number) || number > 65535))
        return pn_fail(err, PN_BAD_REQUEST, "\"%.*s\" has no port from 0 to 65535", PN_ARG(text));
    out->port = (uint16_t)number;
    return true;
}

bool pn_url_parse(struct pn_str text, struct pn_url *out, struct pn_err *err)
{
    struct pn_str rest, authority;
    ptrdiff_t slash;

    out->is_tls = pn_str_istarts(text, PN_LIT("https://"));
    if (!out->is_tls && !pn_str_istarts(text, PN_LIT("http://")))
        return pn_fail(err, PN_BAD_REQUEST, "\"%.*s\" does not begin with https://", PN_ARG(text));
    rest = pn_str_slice(text, out->is_tls ? 8 : 7, text.len);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] <= ' ' || rest.ptr[i] >= 0x7f ||
            strchr("?#@\\\"<>^`{|}", rest.ptr[i]) != NULL)
            return pn_fail(err, PN_BAD_REQUEST,
                           "a URL here has no user, query, fragment or spaces");
    slash = pn_str_find(rest, '/');
    authority = pn_str_slice(rest, 0, slash < 0 ? rest.len : (size_t)slash);
    out->prefix = slash < 0 ? PN_LIT("") : pn_str_slice(rest, (size_t)slash, rest.len);
    while (out->prefix.len > 0 && out->prefix.ptr[out->prefix.len - 1] == '/')
        out->prefix.len--;
    if (!pn_endpoint_parse(authority, out->is_tls ? 443 : 80, &out->endpoint, err))
        return false;
    if (out->endpoint.port == 0)
        return pn_fail(err, PN_BAD_REQUEST, "port 0 cannot be reached");
    return true;
}
