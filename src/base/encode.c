/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <string.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex[] = "0123456789abcdef";

int pn_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Makes room for the whole text form first, so that a full buffer gets nothing of it. */
static char *room_for(struct pn_buf *out, size_t len)
{
    char *room = pn_buf_room(out, len);

    if (room == NULL)
        out->is_full = true;
    return room;
}

static bool add_base64(struct pn_buf *out, struct pn_str bytes, const char *alphabet,
                       bool is_padded)
{
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    size_t tail = bytes.len % 3;
    size_t len;
    char *to;

    if (!pn_mul(bytes.len / 3, 4, &len) ||
        !pn_add(len,
                tail == 0   ? 0
                : is_padded ? 4
                            : tail + 1,
                &len) ||
        (to = room_for(out, len)) == NULL) {
        out->is_full = true;
        return false;
    }
    for (size_t i = 0; i + 3 <= bytes.len; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = alphabet[group >> shift & 63];
    }
    if (tail > 0) {
        uint32_t group = (uint32_t)in[bytes.len - tail] << 16 |
                         (tail == 2 ? (uint32_t)in[bytes.len - 1] << 8 : 0);

        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        if (tail == 2)
            *to++ = alphabet[group >> 6 & 63];
        for (size_t i = tail; is_padded && i < 3; i++)
            *to++ = '=';
    }
    pn_buf_grew(out, len);
    return true;
}

bool pn_base64_add(struct pn_buf *out, struct pn_str bytes)
{
    return add_base64(out, bytes, standard, true);
}

bool pn_base64url_add(struct pn_buf *out, struct pn_str bytes)
{
    return add_base64(out, bytes, url_safe, false);
}

bool pn_base32_add(struct pn_buf *out, struct pn_str bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    uint32_t bits = 0;
    int held = 0;
    size_t len;
    char *to;

    if (!pn_mul(bytes.len, 8, &len) || !pn_add(len, 4, &len) ||
        (to = room_for(out, len / 5)) == NULL) {
        out->is_full = true;
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | in[i];
        for (held += 8; held >= 5; held -= 5)
            *to++ = alphabet[bits >> (held - 5) & 31];
    }
    if (held > 0)
        *to++ = alphabet[bits << (5 - held) & 31];
    pn_buf_grew(out, len / 5);
    return true;
}

static int base64_digit(char digit, const char *alphabet)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == alphabet[62])
        return 62;
    return digit == alphabet[63] ? 63 : -1;
}

/* `text` without padding. On failure the buffer keeps its length. */
static bool decode_base64(struct pn_str text, const char *alphabet, struct pn_buf *out)
{
    uint32_t bits = 0;
    int held = 0;
    size_t len = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    char *to;

    if (text.len % 4 == 1 || (to = room_for(out, len)) == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i], alphabet);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *to++ = (char)(bits >> held);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return false; /* a second spelling of the same bytes */
    pn_buf_grew(out, len);
    return true;
}

bool pn_base64_decode(struct pn_str text, struct pn_buf *out)
{
    if (text.len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.len % 4 != 2 && pn_str_ends(text, PN_LIT("=")); i++)
        text.len--;
    return decode_base64(text, standard, out);
}

bool pn_base64url_decode(struct pn_str text, struct pn_buf *out)
{
    return decode_base64(text, url_safe, out);
}

bool pn_hex_add(struct pn_buf *out, struct pn_str bytes)
{
    size_t len;
    char *to;

    if (!pn_mul(bytes.len, 2, &len) || (to = room_for(out, len)) == NULL) {
        out->is_full = true;
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        *to++ = hex[(uint8_t)bytes.ptr[i] >> 4];
        *to++ = hex[(uint8_t)bytes.ptr[i] & 15];
    }
    pn_buf_grew(out, len);
    return true;
}

bool pn_hex_decode(struct pn_str text, struct pn_buf *out)
{
    char *to;

    if (text.len % 2 != 0 || (to = room_for(out, text.len / 2)) == NULL)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = pn_hex_digit(text.ptr[i]);
        int low = pn_hex_digit(text.ptr[i + 1]);

        if (high < 0 || low < 0)
            return false;
        *to++ = (char)(high << 4 | low);
    }
    pn_buf_grew(out, text.len / 2);
    return true;
}

static bool decode_percent(struct pn_str text, bool plus_is_space, struct pn_buf *out)
{
    size_t mark = out->len;

    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i] == '+' && plus_is_space ? ' ' : text.ptr[i];

        if (byte == '%') {
            int high = text.len - i > 2 ? pn_hex_digit(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? pn_hex_digit(text.ptr[i + 2]) : -1;

            if (high < 0 || low < 0) {
                out->len = mark;
                return false;
            }
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (!pn_buf_add_byte(out, byte)) {
            out->len = mark;
            return false;
        }
    }
    return true;
}

bool pn_percent_decode(struct pn_str text, struct pn_buf *out)
{
    return decode_percent(text, false, out);
}

static bool is_unreserved(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

bool pn_percent_add(struct pn_buf *out, struct pn_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];
        char escape[3] = { '%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15] };

        if (is_unreserved(bytes.ptr[i]))
            pn_buf_add_byte(out, bytes.ptr[i]);
        else
            pn_buf_add_bytes(out, escape, sizeof(escape));
    }
    return !out->is_full;
}

bool pn_query_get(struct pn_arena *arena, struct pn_str query, const char *key,
                  struct pn_str *value)
{
    struct pn_str pair;

    while (pn_str_cut(&query, '&', &pair)) {
        struct pn_str name;
        pn_auto(pn_buf_drop) struct pn_buf decoded = pn_buf_init(pair.len);

        pn_str_cut(&pair, '=', &name);
        if (!decode_percent(name, true, &decoded) || !pn_str_is(pn_buf_str(&decoded), key))
            continue;
        pn_buf_clear(&decoded);
        if (!decode_percent(pair, true, &decoded))
            return false;
        *value = pn_arena_copy(arena, pn_buf_str(&decoded));
        return true;
    }
    return false;
}

/* Escapes of JSON that are shorter than \u00XX; 0 where there is none. */
static char short_escape(char byte)
{
    switch (byte) {
    case '"': return '"';
    case '\\': return '\\';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\b': return 'b';
    case '\f': return 'f';
    }
    return 0;
}

static void add_json_special(struct pn_buf *out, char byte)
{
    char escape[6] = { '\\', 'u', '0', '0', hex[(uint8_t)byte >> 4 & 15], hex[byte & 15] };

    if ((uint8_t)byte >= 0x80)
        pn_buf_add_text(out, "\xef\xbf\xbd"); /* U+FFFD */
    else if (short_escape(byte) != 0)
        pn_buf_add_bytes(out, (char[]){ '\\', short_escape(byte) }, 2);
    else
        pn_buf_add_bytes(out, escape, sizeof(escape));
}

/* Up to eight bytes that stand for themselves: ASCII, no control, no quote, no backslash. */
static bool are_plain(const char *bytes, size_t count)
{
    const uint64_t ones = ~UINT64_C(0) / 255, tops = ones * 128;
    uint64_t x = ones * ' ', quote, backslash;

    memcpy(&x, bytes, count);
    quote = x ^ ones * '"';
    backslash = x ^ ones * '\\';
    return ((x | (x - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops) == 0;
}

size_t pn_json_plain_len(struct pn_str text)
{
    size_t at = 0;

    while (text.len - at >= 8 && are_plain(text.ptr + at, 8))
        at += 8;
    if (at < text.len && text.len - at < 8 && are_plain(text.ptr + at, text.len - at))
        at = text.len;
    return at;
}

bool pn_json_escape_add(struct pn_buf *out, struct pn_str text)
{
    size_t from = 0; /* of the run that needs no escape */
    size_t at = pn_json_plain_len(text);

    while (at < text.len) {
        uint8_t byte = (uint8_t)text.ptr[at];
        size_t step = byte >= 0x80 ? pn_str_utf8_step(pn_str_slice(text, at, text.len))
                                   : byte >= 0x20 && byte != '"' && byte != '\\';

        at += step;
        if (step > 0) {
            at += pn_json_plain_len(pn_str_slice(text, at, text.len));
            continue;
        }
        pn_buf_add_bytes(out, text.ptr + from, at - from);
        add_json_special(out, text.ptr[at]);
        from = ++at;
    }
    if (at > from)
        pn_buf_add_bytes(out, text.ptr + from, at - from);
    return !out->is_full;
}

bool pn_json_quote_add(struct pn_buf *out, struct pn_str text)
{
    char *room = pn_json_plain_len(text) == text.len ? pn_buf_room(out, text.len + 2) : NULL;

    if (room == NULL) { /* or there is none: the first that does not fit says so */
        pn_buf_add_byte(out, '"');
        pn_json_escape_add(out, text);
        return pn_buf_add_byte(out, '"');
    }
    room[0] = '"';
    if (text.len > 0)
        memcpy(room + 1, text.ptr, text.len);
    room[text.len + 1] = '"';
    pn_buf_grew(out, text.len + 2);
    return true;
}
