/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/host.h"

#include <string.h>

#define HTTPS_PORT 443
#define HTTP_PORT 80

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool pn_kube_host_is_clean(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.ptr[i]) && (text.ptr[i] == '\0' || !strchr(":.-/[]", text.ptr[i])))
            return false;
    return true;
}

/* What may stand in a path that is sent as it is. */
static bool is_path(struct pn_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || strchr("\\\"<>^`{|}@", path.ptr[i]))
            return false;
    return true;
}

/* What stands before the first of `stops`. */
static struct pn_str before(struct pn_str text, const char *stops)
{
    size_t len = 0;

    while (len < text.len && (text.ptr[len] == '\0' || !strchr(stops, text.ptr[len])))
        len++;
    return pn_str_slice(text, 0, len);
}

static struct pn_str cut_scheme(struct pn_str text, bool *is_tls)
{
    *is_tls = !pn_str_istarts(text, PN_LIT("http://"));
    if (!*is_tls)
        return pn_str_slice(text, 7, text.len);
    return pn_str_slice(text, pn_str_istarts(text, PN_LIT("https://")) ? 8 : 0, text.len);
}

bool pn_kube_host_parse(struct pn_str text, struct pn_kube_host *out, struct pn_err *err)
{
    struct pn_kube_host host = { 0 };
    struct pn_str rest, authority;

    if (text.len == 0 || text.len > PN_KUBE_HOST_MAX_BYTES)
        return pn_fail(err, PN_BAD_REQUEST, "The Kubernetes host is %s",
                       text.len == 0 ? "empty" : "too long");
    rest = before(cut_scheme(text, &host.is_tls), "?#");
    authority = before(rest, "/");
    host.prefix = pn_str_slice(rest, authority.len, rest.len);
    while (host.prefix.len > 0 && host.prefix.ptr[host.prefix.len - 1] == '/')
        host.prefix.len--;
    if (!is_path(host.prefix) ||
        !pn_address_parse(authority, host.is_tls ? HTTPS_PORT : HTTP_PORT, &host.address))
        return pn_fail(err, PN_BAD_REQUEST,
                       "The Kubernetes host is neither a host name nor an IP address (IPv6 in"
                       " brackets), with or without a port");
    *out = host;
    return true;
}
