/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include "base/arena.h"
#include "base/encode.h"

#include <string.h>

/* Where the hyphens stand in the text form. */
static bool is_hyphen_at(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool pn_uuid_parse(struct pn_str text, struct pn_uuid *out)
{
    struct pn_uuid id = { { 0 } };
    size_t nibble = 0;

    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = pn_hex_digit(text.ptr[i]);

        if (is_hyphen_at(i) ? text.ptr[i] != '-' : digit < 0)
            return false;
        if (is_hyphen_at(i))
            continue;
        id.bytes[nibble / 2] = (uint8_t)(id.bytes[nibble / 2] << 4 | digit);
        nibble++;
    }
    *out = id;
    return true;
}

struct pn_uuid_text pn_uuid_format(struct pn_uuid id)
{
    static const char digits[] = "0123456789abcdef";
    struct pn_uuid_text out;
    char *at = out.text;

    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        *at++ = digits[id.bytes[i] >> 4];
        *at++ = digits[id.bytes[i] & 0xf];
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *at++ = '-';
    }
    *at = '\0';
    return out;
}

struct pn_uuid pn_uuid_v7(int64_t wall_ms, const uint8_t random[10])
{
    struct pn_uuid id;

    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)wall_ms >> (8 * (5 - i)));
    memcpy(id.bytes + 6, random, 10);
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

bool pn_uuid_eq(struct pn_uuid a, struct pn_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool pn_uuid_is_zero(struct pn_uuid id)
{
    return pn_uuid_eq(id, (struct pn_uuid){ { 0 } });
}

struct pn_str pn_uuid_str(struct pn_arena *arena, struct pn_uuid id)
{
    return pn_arena_copy(arena, pn_str_from(pn_uuid_format(id).text));
}
