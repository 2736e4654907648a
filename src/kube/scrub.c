/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/scrub.h"

#include "base/buf.h"

#define MIN_JWT_CHARS 8
#define MIN_SECRET_BYTES 4 /* shorter ones are no credentials, and would eat the text */
#define REDACTED "[REDACTED]"

static bool is_base64url(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static size_t span(struct pn_str text, size_t from)
{
    size_t at = from;

    while (at < text.len && is_base64url(text.ptr[at]))
        at++;
    return at - from;
}

/* How many bytes at the front look like a JWT, or 0. */
static size_t jwt_at(struct pn_str text)
{
    size_t len, parts = 0;

    if (!pn_str_starts(text, PN_LIT("eyJ")) || span(text, 3) < MIN_JWT_CHARS)
        return 0;
    for (len = 3 + span(text, 3); parts < 2 && len < text.len && text.ptr[len] == '.'; parts++)
        len += 1 + span(text, len + 1);
    return len;
}

static size_t secret_at(struct pn_str text, const struct pn_secret *const *secrets, size_t count)
{
    size_t longest = 0;

    for (size_t i = 0; i < count; i++) {
        struct pn_str bytes = pn_secret_reveal(secrets[i]);

        if (bytes.len >= MIN_SECRET_BYTES && bytes.len > longest && pn_str_starts(text, bytes))
            longest = bytes.len;
    }
    return longest;
}

/* How many bytes at the front are one control character (C0, DEL, C1 in UTF-8), or 0. */
static size_t control_at(struct pn_str text)
{
    uint8_t first = (uint8_t)text.ptr[0], second = text.len > 1 ? (uint8_t)text.ptr[1] : 0;

    if (first < 0x20 || first == 0x7f)
        return 1;
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

struct pn_str pn_kube_scrub(struct pn_arena *arena, struct pn_str text,
                            const struct pn_secret *const *secrets, size_t count)
{
    pn_auto(pn_buf_drop) struct pn_buf out =
        pn_buf_init_wiped(text.len * (sizeof(REDACTED) - 1) + 1);

    while (text.len > 0) {
        size_t jwt = jwt_at(text), secret = secret_at(text, secrets, count);
        size_t hidden = jwt > secret ? jwt : secret, control = control_at(text);

        if (hidden > 0)
            pn_buf_add_text(&out, REDACTED);
        else
            pn_buf_add_byte(&out, control > 0 ? ' ' : text.ptr[0]);
        text = pn_str_slice(text, hidden > 0 ? hidden : control > 0 ? control : 1, text.len);
    }
    return pn_arena_copy(arena, pn_buf_str(&out));
}

struct pn_str pn_kube_cut(struct pn_arena *arena, struct pn_str text, size_t max_bytes)
{
    while (max_bytes > 0 && text.len > max_bytes && ((uint8_t)text.ptr[max_bytes] & 0xc0) == 0x80)
        max_bytes--; /* not within a character */
    if (text.len <= max_bytes)
        return text;
    return pn_arena_printf(arena, "%.*s...[truncated]", (int)max_bytes, text.ptr);
}
