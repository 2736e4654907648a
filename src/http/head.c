/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <string.h>

/* What a byte may be part of. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, AUTHORITY = 8 };

#define ANYWHERE (TOKEN | VALUE | TARGET | AUTHORITY)
#define VT (VALUE | TARGET)
#define TVT (TOKEN | VALUE | TARGET)
#define VTA (VALUE | TARGET | AUTHORITY)

static const uint8_t classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['0' ... '9'] = ANYWHERE,
    ['A' ... 'Z'] = ANYWHERE,
    ['a' ... 'z'] = ANYWHERE,
    ['-'] = ANYWHERE,
    ['.'] = ANYWHERE,
    ['_'] = ANYWHERE,
    ['~'] = ANYWHERE,
    ['!'] = ANYWHERE,
    ['$'] = ANYWHERE,
    ['&'] = ANYWHERE,
    ['\''] = ANYWHERE,
    ['*'] = ANYWHERE,
    ['+'] = ANYWHERE,
    ['%'] = ANYWHERE,
    ['('] = VTA,
    [')'] = VTA,
    [','] = VTA,
    [';'] = VTA,
    ['='] = VTA,
    [':'] = VTA,
    ['['] = VTA,
    [']'] = VTA,
    ['^'] = TVT,
    ['`'] = TVT,
    ['|'] = TVT,
    ['#'] = TOKEN | VALUE,
    ['/'] = VT,
    ['?'] = VT,
    ['@'] = VT,
    ['"'] = VT,
    ['<'] = VT,
    ['>'] = VT,
    ['\\'] = VT,
    ['{'] = VT,
    ['}'] = VT,
    [0x80 ... 0xff] = VALUE, /* obs-text */
};

static bool is_all(struct pn_str s, uint8_t class)
{
    uint8_t all = class;

    for (size_t i = 0; i < s.len; i++)
        all &= classes[(uint8_t)s.ptr[i]];
    return all != 0;
}

bool pn_http_is_token(struct pn_str name)
{
    return name.len > 0 && is_all(name, TOKEN);
}

bool pn_http_is_value(struct pn_str value)
{
    const uint64_t ones = ~(uint64_t)0 / 255, tops = ones * 128;
    size_t i = 0;

    /* Eight at a time: no byte below space and none DEL. What trips on it (a tab may) goes singly. */
    for (; i + 8 <= value.len; i += 8) {
        uint64_t x;

        memcpy(&x, value.ptr + i, 8);
        if (((x - ones * 0x20) & ~x & tops) != 0)
            break;
        x ^= ones * 0x7f;
        if (((x - ones) & ~x & tops) != 0)
            break;
    }
    return is_all(pn_str_of(value.ptr + i, value.len - i), VALUE);
}

bool pn_http_is_target(struct pn_str target)
{
    return target.len > 0 && target.len <= PN_HTTP_MAX_TARGET_BYTES && target.ptr[0] == '/' &&
           is_all(target, TARGET);
}

bool pn_http_is_authority(struct pn_str authority)
{
    return authority.len > 0 && authority.len <= 1024 && is_all(authority, AUTHORITY);
}

struct pn_str pn_http_field_get(const struct pn_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->count; i++)
        if (pn_str_iis(head->fields[i].name, name))
            return head->fields[i].value;
    return PN_NONE;
}

size_t pn_http_field_count(const struct pn_http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->count; i++)
        count += pn_str_iis(head->fields[i].name, name);
    return count;
}

bool pn_http_field_has_token(const struct pn_http_head *head, const char *name, struct pn_str token)
{
    for (size_t i = 0; i < head->count; i++) {
        struct pn_str rest = head->fields[i].value, piece;

        if (!pn_str_iis(head->fields[i].name, name))
            continue;
        while (pn_str_cut(&rest, ',', &piece))
            if (pn_str_ieq(pn_str_trim(piece), token))
                return true;
    }
    return false;
}

bool pn_http_is_hop_by_hop(struct pn_str name)
{
    static const struct pn_str names[] = {
        PN_LIT_INIT("te"),
        PN_LIT_INIT("trailer"),
        PN_LIT_INIT("upgrade"),
        PN_LIT_INIT("connection"),
        PN_LIT_INIT("keep-alive"),
        PN_LIT_INIT("proxy-connection"),
        PN_LIT_INIT("transfer-encoding"),
        PN_LIT_INIT("proxy-authenticate"),
        PN_LIT_INIT("proxy-authorization"),
    };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        if (name.len == names[i].len && pn_str_ieq(name, names[i]))
            return true;
    return false;
}

bool pn_http_is_bodiless(int status, struct pn_str method)
{
    return status / 100 == 1 || status == 204 || status == 304 || pn_str_is(method, "HEAD") ||
           (status / 100 == 2 && pn_str_is(method, "CONNECT"));
}

const char *pn_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 100, "Continue" },
        { 101, "Switching Protocols" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < PN_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

/* Moves a slice into the block at *to. */
static struct pn_str move(char **to, struct pn_str s)
{
    struct pn_str copy = { *to, s.len };

    if (s.ptr == NULL)
        return PN_NONE;
    memcpy(*to, s.ptr, s.len);
    *to += s.len;
    return copy;
}

struct pn_http_head *pn_http_head_copy(struct pn_arena *arena, const struct pn_http_head *head)
{
    struct pn_http_head *copy = pn_new(arena, struct pn_http_head, 1);
    size_t bytes = 1 + head->method.len + head->target.len + head->scheme.len +
                   head->authority.len + head->upgrade.len;
    char *to;

    for (size_t i = 0; i < head->count; i++)
        bytes += head->fields[i].name.len + head->fields[i].value.len;
    to = pn_arena_alloc(arena, bytes, 1);
    *copy = *head;
    copy->method = move(&to, head->method);
    copy->target = move(&to, head->target);
    copy->scheme = move(&to, head->scheme);
    copy->authority = move(&to, head->authority);
    copy->upgrade = move(&to, head->upgrade);
    copy->fields = pn_new(arena, struct pn_http_field, head->count + 1);
    for (size_t i = 0; i < head->count; i++) {
        copy->fields[i].name = move(&to, head->fields[i].name);
        copy->fields[i].value = move(&to, head->fields[i].value);
    }
    return copy;
}
