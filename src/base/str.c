/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>
#include <strings.h>

struct pn_str pn_str_of(const void *bytes, size_t len)
{
    return (struct pn_str){ bytes, len };
}

struct pn_str pn_str_from(const char *text)
{
    return text != NULL ? pn_str_of(text, strlen(text)) : PN_NONE;
}

bool pn_str_eq(struct pn_str a, struct pn_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool pn_str_is(struct pn_str a, const char *text)
{
    return pn_str_eq(a, pn_str_from(text));
}

static unsigned char fold(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

bool pn_str_ieq(struct pn_str a, struct pn_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    }
    return true;
}

bool pn_str_iis(struct pn_str a, const char *text)
{
    return pn_str_ieq(a, pn_str_from(text));
}

int pn_str_cmp(struct pn_str a, struct pn_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool pn_str_starts(struct pn_str s, struct pn_str prefix)
{
    return s.len >= prefix.len && pn_str_eq(pn_str_slice(s, 0, prefix.len), prefix);
}

bool pn_str_istarts(struct pn_str s, struct pn_str prefix)
{
    return s.len >= prefix.len && pn_str_ieq(pn_str_slice(s, 0, prefix.len), prefix);
}

bool pn_str_ends(struct pn_str s, struct pn_str suffix)
{
    return s.len >= suffix.len && pn_str_eq(pn_str_slice(s, s.len - suffix.len, s.len), suffix);
}

ptrdiff_t pn_str_find(struct pn_str s, char byte)
{
    const char *found = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;

    return found != NULL ? found - s.ptr : -1;
}

ptrdiff_t pn_str_search(struct pn_str s, struct pn_str needle)
{
    const char *found;

    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return -1;
    found = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return found != NULL ? found - s.ptr : -1;
}

struct pn_str pn_str_slice(struct pn_str s, size_t from, size_t to)
{
    if (s.ptr == NULL)
        return s;
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return pn_str_of(s.ptr + from, to - from);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct pn_str pn_str_trim(struct pn_str s)
{
    size_t from = 0;
    size_t to = s.len;

    while (from < to && is_space(s.ptr[from]))
        from++;
    while (to > from && is_space(s.ptr[to - 1]))
        to--;
    return pn_str_slice(s, from, to);
}

bool pn_str_cut(struct pn_str *rest, char separator, struct pn_str *piece)
{
    ptrdiff_t at;

    if (rest->ptr == NULL)
        return false;
    at = pn_str_find(*rest, separator);
    if (at < 0) {
        *piece = *rest;
        *rest = PN_NONE;
        return true;
    }
    *piece = pn_str_slice(*rest, 0, (size_t)at);
    *rest = pn_str_slice(*rest, (size_t)at + 1, rest->len);
    return true;
}

bool pn_str_u64(struct pn_str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool pn_str_i64(struct pn_str s, int64_t *out)
{
    bool has_sign = s.len > 0 && s.ptr[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (has_sign ? 1 : 0);
    uint64_t value;

    if (!pn_str_u64(has_sign ? pn_str_slice(s, 1, s.len) : s, &value) || value > limit)
        return false;
    *out = has_sign ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/*
 * Well-formed UTF-8 by its first byte (Unicode 15, table 3-7): the sequence's length and the range
 * of the second byte, which rules out overlong forms, surrogates and values over U+10FFFF.
 */
static const struct {
    uint8_t first, last, len, low, high;
} utf8_forms[] = {
    { 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

size_t pn_str_utf8_step(struct pn_str s)
{
    const uint8_t *bytes = (const uint8_t *)s.ptr;
    size_t form = 0;

    if (s.len == 0)
        return 0;
    while (form < PN_COUNT(utf8_forms) && bytes[0] > utf8_forms[form].last)
        form++;
    if (form == PN_COUNT(utf8_forms) || bytes[0] < utf8_forms[form].first ||
        s.len < utf8_forms[form].len)
        return 0;
    if (utf8_forms[form].len > 1 &&
        (bytes[1] < utf8_forms[form].low || bytes[1] > utf8_forms[form].high))
        return 0;
    for (size_t i = 2; i < utf8_forms[form].len; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return utf8_forms[form].len;
}

bool pn_str_is_utf8(struct pn_str s)
{
    size_t at = 0;

    while (at < s.len) {
        size_t step = (uint8_t)s.ptr[at] < 0x80 ? 1 : pn_str_utf8_step(pn_str_slice(s, at, s.len));

        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool pn_str_is_printable(struct pn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
            return false;
    }
    return true;
}
