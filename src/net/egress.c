/* SPDX-License-Identifier: Apache-2.0 */
#include "net/egress.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/ip.h"
#include "base/secret.h"
#include "http/h1.h"

#define MAX_PROXY_BYTES ((size_t)4096)
#define MAX_NO_PROXY_BYTES ((size_t)64 * 1024)
#define MAX_RULES 1024
#define MAX_INTERIM_HEADS 8
#define PROXY_PORT 80 /* as Go takes it; curl's 1080 is of another age */

/* One entry of NO_PROXY. */
struct rule {
    struct pn_str domain; /* lower case, without a dot before or after; PN_NONE: a network */
    bool has_apex;        /* the domain itself too, not only what is below it */
    struct pn_net net;
    uint16_t port; /* 0: any */
};

struct pn_egress {
    struct pn_arena *arena;
    bool has_proxy, is_none; /* is_none: NO_PROXY=* */
    struct pn_endpoint proxy;
    struct pn_secret *credentials; /* base64 of "user:password"; NULL: none */
    struct rule *rules;
    size_t rule_count;
};

/* ---- HTTPS_PROXY ---- */

static bool fail_proxy(struct pn_err *err, const char *what)
{
    return pn_fail(err, PN_USAGE, "HTTPS_PROXY %s: it is http://[user:password@]host[:port]", what);
}

static bool take_credentials(struct pn_egress *egress, struct pn_str user_info, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init_wiped(MAX_PROXY_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf base64 = pn_buf_init_wiped(2 * MAX_PROXY_BYTES);
    struct pn_str password = user_info, user;
    size_t user_len;

    (void)pn_str_cut(&password, ':', &user);
    if (!pn_percent_decode(user, &plain))
        return fail_proxy(err, "has a broken user");
    user_len = plain.len;
    if (pn_str_find(pn_buf_str(&plain), ':') >= 0) /* RFC 7617: the first colon ends it */
        return fail_proxy(err, "has a colon in its user");
    pn_buf_add_byte(&plain, ':');
    if (!pn_percent_decode(password, &plain))
        return fail_proxy(err, "has a broken password");
    if (user_len == 0 && plain.len == 1)
        return true;
    pn_base64_add(&base64, pn_buf_str(&plain));
    egress->credentials = pn_secret_new(pn_buf_str(&base64), err);
    return egress->credentials != NULL;
}

static bool take_proxy(struct pn_egress *egress, struct pn_str text, struct pn_err *err)
{
    struct pn_str authority = text;
    struct pn_err ignored = { 0 };
    ptrdiff_t at = -1;

    if (text.len > MAX_PROXY_BYTES)
        return fail_proxy(err, "is too long");
    if (pn_str_istarts(text, PN_LIT("http://")))
        authority = pn_str_slice(text, 7, text.len);
    else if (pn_str_search(text, PN_LIT("://")) >= 0)
        return fail_proxy(err, "has a scheme that is not supported");
    if (authority.len > 0 && authority.ptr[authority.len - 1] == '/')
        authority.len--;
    for (size_t i = 0; i < authority.len; i++) {
        if (authority.ptr[i] == '@')
            at = (ptrdiff_t)i;
    }
    if (at >= 0 && !take_credentials(egress, pn_str_slice(authority, 0, (size_t)at), err))
        return false;
    authority = pn_str_slice(authority, (size_t)(at + 1), authority.len);
    if (!pn_endpoint_parse(authority, PROXY_PORT, &egress->proxy, &ignored) ||
        egress->proxy.port == 0)
        return fail_proxy(err, "names no host");
    egress->has_proxy = true;
    return true;
}

/* ---- NO_PROXY ---- */

static struct pn_str lower_case(struct pn_arena *arena, struct pn_str text)
{
    char *copy = pn_new(arena, char, text.len + 1);

    for (size_t i = 0; i < text.len; i++)
        copy[i] =
            (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] | 0x20 : text.ptr[i]);
    return pn_str_of(copy, text.len);
}

static struct pn_str without_last_dot(struct pn_str name)
{
    return pn_str_slice(name, 0,
                        name.len - (name.len > 1 && name.ptr[name.len - 1] == '.' ? 1 : 0));
}

/* "host:port", "[v6]:port" → host and port; without a port the whole. False: the port is none. */
static bool split_port(struct pn_str entry, struct pn_str *host, uint16_t *port)
{
    bool is_bracketed = entry.len > 0 && entry.ptr[0] == '[';
    ptrdiff_t end = pn_str_find(entry, is_bracketed ? ']' : ':');
    struct pn_str rest;
    uint64_t number;

    *host = entry;
    *port = 0;
    if (end < 0)
        return !is_bracketed;
    rest = pn_str_slice(entry, (size_t)end + is_bracketed, entry.len);
    if (!is_bracketed && pn_str_find(pn_str_slice(rest, 1, rest.len), ':') >= 0)
        return true; /* a bare IPv6 address */
    *host = pn_str_slice(entry, is_bracketed, (size_t)end);
    if (rest.len == 0)
        return true;
    if (rest.ptr[0] != ':' || !pn_str_u64(pn_str_slice(rest, 1, rest.len), &number) ||
        number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

/* False: it is nothing, and matches nothing. */
static bool read_rule(struct pn_arena *arena, struct pn_str entry, struct rule *out)
{
    struct pn_str host;

    *out = (struct rule){ .has_apex = true };
    if (pn_net_parse(entry, &out->net))
        return true;
    if (!split_port(entry, &host, &out->port))
        return false;
    if (pn_str_find(host, '/') < 0 && pn_net_parse(host, &out->net))
        return true;
    if (pn_str_starts(host, PN_LIT("*.")))
        host = pn_str_slice(host, 1, host.len);
    if (pn_str_starts(host, PN_LIT("."))) {
        out->has_apex = false;
        host = pn_str_slice(host, 1, host.len);
    }
    out->domain = lower_case(arena, without_last_dot(host));
    return out->domain.len > 0;
}

static bool take_rules(struct pn_egress *egress, struct pn_str list, struct pn_err *err)
{
    struct pn_str entry;
    size_t count = 1;

    for (size_t i = 0; i < list.len; i++)
        count += list.ptr[i] == ',';
    if (list.len > MAX_NO_PROXY_BYTES || count > MAX_RULES)
        return pn_fail(err, PN_USAGE, "NO_PROXY is too long: at most %d entries", MAX_RULES);
    egress->rules = pn_new(egress->arena, struct rule, count);
    while (pn_str_cut(&list, ',', &entry)) {
        entry = pn_str_trim(entry);
        if (pn_str_is(entry, "*"))
            egress->is_none = true;
        else if (read_rule(egress->arena, entry, &egress->rules[egress->rule_count]))
            egress->rule_count++;
    }
    return true;
}

/* ---- life ---- */

bool pn_egress_parse(struct pn_str proxy, struct pn_str no_proxy, struct pn_egress **out,
                     struct pn_err *err)
{
    pn_auto(pn_egress_freep) struct pn_egress *egress = pn_heap_new(sizeof(*egress));

    egress->arena = pn_arena_new(2 * MAX_NO_PROXY_BYTES + MAX_RULES * sizeof(struct rule));
    proxy = pn_str_trim(proxy);
    if (proxy.len > 0 && (!take_proxy(egress, proxy, err) || !take_rules(egress, no_proxy, err)))
        return false;
    *out = pn_take(&egress);
    return true;
}

void pn_egress_free(struct pn_egress *egress)
{
    if (egress == NULL)
        return;
    pn_secret_free(egress->credentials);
    pn_arena_freep(&egress->arena);
    pn_heap_free(egress);
}

void pn_egress_freep(struct pn_egress **egress)
{
    pn_egress_free(*egress);
    *egress = NULL;
}

static struct pn_egress *of_process;
static struct pn_err fault_of_process;
static pthread_once_t read_once = PTHREAD_ONCE_INIT;

static struct pn_str variable(const char *capital, const char *small)
{
    struct pn_str value = pn_str_from(getenv(capital));

    return value.len > 0 ? value : pn_str_from(getenv(small));
}

static void read_environment(void)
{
    if (!pn_egress_parse(variable("HTTPS_PROXY", "https_proxy"), variable("NO_PROXY", "no_proxy"),
                         &of_process, &fault_of_process))
        of_process = NULL;
}

bool pn_egress_of_process(const struct pn_egress **out, struct pn_err *err)
{
    pthread_once(&read_once, read_environment);
    *out = of_process;
    if (of_process == NULL)
        *err = fault_of_process;
    return of_process != NULL;
}

/* ---- the way ---- */

static bool is_below(struct pn_str name, struct pn_str domain)
{
    return name.len > domain.len && pn_str_ends(name, domain) &&
           name.ptr[name.len - domain.len - 1] == '.';
}

static bool is_loopback(struct pn_str name, const struct pn_ip *ip)
{
    const struct pn_net v4 = { .first = { { [10] = 0xff, [11] = 0xff, [12] = 127 } }, .bits = 104 };
    const struct pn_net v6 = { .first = { { [15] = 1 } }, .bits = 128 };

    return ip != NULL ? pn_net_has(&v4, ip) || pn_net_has(&v6, ip)
                      : pn_str_is(name, "localhost") || is_below(name, PN_LIT("localhost"));
}

static bool matches(const struct rule *rule, struct pn_str name, const struct pn_ip *ip,
                    uint16_t port)
{
    if (rule->port != 0 && rule->port != port)
        return false;
    if (rule->domain.len == 0)
        return ip != NULL && pn_net_has(&rule->net, ip);
    return is_below(name, rule->domain) || (rule->has_apex && pn_str_eq(name, rule->domain));
}

const struct pn_endpoint *pn_egress_proxy(const struct pn_egress *egress,
                                          const struct pn_endpoint *to)
{
    char text[sizeof(to->host)];
    struct pn_str name = without_last_dot(pn_str_from(to->host));
    struct pn_ip parsed, *ip = pn_ip_parse(name, &parsed) ? &parsed : NULL;

    for (size_t i = 0; i < name.len; i++)
        text[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    name.ptr = text;
    if (!egress->has_proxy || egress->is_none || is_loopback(name, ip))
        return NULL;
    for (size_t i = 0; i < egress->rule_count; i++) {
        if (matches(&egress->rules[i], name, ip, to->port))
            return NULL;
    }
    return &egress->proxy;
}

/* ---- the protocol ---- */

void pn_egress_ask(const struct pn_egress *egress, const struct pn_endpoint *to, struct pn_buf *out)
{
    const char *format = strchr(to->host, ':') != NULL ? "[%s]:%u" : "%s:%u";

    pn_buf_add_text(out, "CONNECT ");
    pn_buf_addf(out, format, to->host, to->port);
    pn_buf_add_text(out, " HTTP/1.1\r\nHost: ");
    pn_buf_addf(out, format, to->host, to->port);
    pn_buf_add_text(out, "\r\nUser-Agent: postern/" PN_VERSION "\r\n");
    if (egress->credentials != NULL) {
        pn_buf_add_text(out, "Proxy-Authorization: Basic ");
        pn_buf_add(out, pn_secret_reveal(egress->credentials));
        pn_buf_add_text(out, "\r\n");
    }
    pn_buf_add_text(out, "\r\n");
}

static enum pn_egress_verdict refuse(int status, const struct pn_endpoint *to, struct pn_err *err)
{
    if (status == 407)
        (void)pn_fail(err, PN_UNREACHABLE,
                      "the proxy of HTTPS_PROXY wants a user and a password, or others (407)");
    else if (status == 502 || status == 503 || status == 504)
        (void)pn_fail(err, PN_UNREACHABLE, "the proxy of HTTPS_PROXY cannot reach %s (%d)",
                      to->host, status);
    else
        (void)pn_fail(err, PN_UNREACHABLE, "the proxy of HTTPS_PROXY refuses the way to %s (%d)",
                      to->host, status);
    return PN_EGRESS_REFUSED;
}

static enum pn_egress_verdict refuse_nonsense(const char *what, struct pn_err *err)
{
    pn_err_clear(err);
    (void)pn_fail(err, PN_PROTOCOL, "what HTTPS_PROXY names is no HTTP proxy: %s", what);
    return PN_EGRESS_REFUSED;
}

enum pn_egress_verdict pn_egress_answer(struct pn_str bytes, const struct pn_endpoint *to,
                                        struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(4 * PN_EGRESS_MAX_BYTES);

    for (int heads = 0; heads <= MAX_INTERIM_HEADS; heads++) {
        struct pn_http_head head;
        size_t used;

        switch (pn_h1_parse_response(bytes, arena, PN_LIT("CONNECT"), &head, &used, err)) {
        case PN_H1_MORE:
            return bytes.len < PN_EGRESS_MAX_BYTES ? PN_EGRESS_MORE
                                                   : refuse_nonsense("its answer is too long", err);
        case PN_H1_BAD: return refuse_nonsense("its answer is not HTTP", err);
        case PN_H1_DONE: break;
        }
        bytes = pn_str_slice(bytes, used, bytes.len);
        if (head.status == 101)
            return refuse_nonsense("it switches protocols", err);
        if (head.status / 100 == 2)
            return bytes.len == 0 ? PN_EGRESS_OPEN
                                  : refuse_nonsense("it speaks before it is spoken to", err);
        if (head.status / 100 != 1)
            return refuse(head.status, to, err);
    }
    return refuse_nonsense("it never comes to the point", err);
}
