/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/headers.h"

#include "kube/names.h"

#include <string.h>

#define BEARER_SUBPROTOCOL "base64url.bearer.authorization.k8s.io."
/* Host, length and connection fields are the codec's; these are what we add. */
#define ADDED_FIELDS 4

/* `end` is '*' for every name that begins so. */
static const char *const allowed[] = {
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "content-encoding",
    "if-*",
    "user-agent",
    "range",
    "kubectl-command",
    "kubectl-session",
    "x-stream-protocol-version",
    "warning",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
};

static const char *const denied[] = {
    "authorization", "impersonate-*", "x-remote-*",     "x-forwarded-*", "forwarded",
    "x-real-ip",     "audit-id",      "cookie",         "origin",        "sec-websocket-extensions",
    "expect",        "host",          "content-length",
};

static const char *const sensitive[] = {
    "authorization",       "cookie",     "set-cookie",
    "proxy-authorization", "x-remote-*", "x-gateway-upload-token",
};

static char fold(char c)
{
    if (c == '_')
        return '-';
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Case folded; `_` counts as `-` when is_loose, since servers behind CGI-like layers read it so. */
static bool matches(struct pn_str name, const char *pattern, bool is_loose)
{
    size_t i = 0;

    for (; i < name.len && pattern[i] != '\0' && pattern[i] != '*'; i++)
        if (fold(name.ptr[i]) != pattern[i] || (name.ptr[i] == '_' && !is_loose))
            return false;
    return pattern[i] == '*' || (i == name.len && pattern[i] == '\0');
}

static bool is_listed(struct pn_str name, const char *const *patterns, size_t count, bool is_loose)
{
    for (size_t i = 0; i < count; i++)
        if (matches(name, patterns[i], is_loose))
            return true;
    return false;
}

bool pn_kube_is_sensitive(struct pn_str name)
{
    return is_listed(name, sensitive, PN_COUNT(sensitive), true);
}

static bool is_bearer(struct pn_str entry)
{
    return pn_str_istarts(pn_str_trim(entry), PN_LIT(BEARER_SUBPROTOCOL));
}

static bool has_bearer(struct pn_str list)
{
    struct pn_str entry;

    while (pn_str_cut(&list, ',', &entry))
        if (is_bearer(entry))
            return true;
    return false;
}

struct pn_str pn_kube_subprotocols(struct pn_arena *arena, struct pn_str value)
{
    struct pn_str rest = value, entry;
    char *kept;
    size_t len = 0;

    if (!has_bearer(value))
        return value;
    kept = pn_arena_alloc(arena, value.len, 1);
    while (pn_str_cut(&rest, ',', &entry)) {
        entry = pn_str_trim(entry);
        if (entry.len == 0 || is_bearer(entry))
            continue;
        if (len > 0)
            kept[len++] = ',';
        memcpy(kept + len, entry.ptr, entry.len);
        len += entry.len;
    }
    return len > 0 ? pn_str_of(kept, len) : PN_NONE;
}

static bool check_fields(const struct pn_http_head *client, struct pn_err *err)
{
    for (size_t i = 0; i < client->count; i++) {
        struct pn_str name = client->fields[i].name;

        if (!pn_http_is_token(name) || !pn_http_is_value(client->fields[i].value))
            return pn_fail(err, PN_BAD_REQUEST, "a request header is malformed");
        if (matches(name, "impersonate-*", true))
            return pn_fail(
                err, PN_FORBIDDEN,
                "impersonation (--as, --as-group, --as-uid) is not available through Postern: "
                "the session's account decides who acts");
    }
    return true;
}

/* Named in a Connection value: the client wants it dropped by the next hop, so it never starts out. */
static bool is_named_by_connection(const struct pn_http_head *client, bool has_connection,
                                   struct pn_str name)
{
    return has_connection && pn_http_field_has_token(client, "connection", name);
}

static bool may_pass(struct pn_str name, bool is_opaque)
{
    if (pn_http_is_hop_by_hop(name))
        return false;
    if (is_opaque)
        return !is_listed(name, denied, PN_COUNT(denied), true);
    return is_listed(name, allowed, PN_COUNT(allowed), false);
}

static void add_field(struct pn_http_head *out, struct pn_str name, struct pn_str value)
{
    out->fields[out->count++] = (struct pn_http_field){ name, value };
}

static void copy_fields(struct pn_arena *arena, const struct pn_http_head *client, bool is_opaque,
                        struct pn_http_head *out)
{
    bool has_connection = pn_http_field_get(client, "connection").ptr != NULL;

    for (size_t i = 0; i < client->count; i++) {
        struct pn_str name = client->fields[i].name, value = client->fields[i].value;

        if (!may_pass(name, is_opaque) || is_named_by_connection(client, has_connection, name))
            continue;
        if (matches(name, "sec-websocket-protocol", false))
            value = pn_kube_subprotocols(arena, value);
        if (value.ptr != NULL)
            add_field(out, name, value);
    }
}

/* h2c and what else may be asked for would open a road beside this one. */
static bool is_known_upgrade(struct pn_str upgrade)
{
    return pn_str_iis(upgrade, "websocket") || pn_str_iis(upgrade, "SPDY/3.1");
}

/* Impersonation fails open: without the header the request would run as the gateway itself. */
static bool check_impersonation(const struct pn_kube_upstream *upstream, struct pn_err *err)
{
    struct pn_str namespace, name;

    if (!upstream->must_impersonate)
        return true;
    return pn_kube_service_account_split(upstream->impersonate, &namespace, &name) ||
           pn_fail(err, PN_INTERNAL, "the account names nobody to act as");
}

bool pn_kube_upstream_head(struct pn_arena *arena, const struct pn_http_head *client,
                           const struct pn_kube_upstream *upstream, struct pn_http_head *out,
                           struct pn_err *err)
{
    if (!check_fields(client, err) || !check_impersonation(upstream, err))
        return false;
    *out = (struct pn_http_head){
        .method = client->method,
        .target = upstream->target,
        .scheme = upstream->scheme,
        .authority = upstream->authority,
        .content_length = client->content_length,
        .is_chunked = !client->is_last && client->content_length < 0,
        .is_last = client->is_last,
        .expects_continue = client->expects_continue,
        .upgrade = is_known_upgrade(client->upgrade) ? client->upgrade : PN_NONE,
    };
    if (out->upgrade.ptr != NULL)
        out->is_chunked = false;
    out->fields = pn_new(arena, struct pn_http_field, client->count + ADDED_FIELDS);
    copy_fields(arena, client, upstream->is_opaque, out);
    add_field(out, PN_LIT("audit-id"), upstream->audit_id);
    add_field(out, PN_LIT("x-forwarded-for"), upstream->client_ip);
    pn_assert(upstream->authorization.len > 0);
    add_field(out, PN_LIT("authorization"), upstream->authorization);
    if (upstream->must_impersonate)
        add_field(out, PN_LIT("impersonate-user"), upstream->impersonate);
    return true;
}
