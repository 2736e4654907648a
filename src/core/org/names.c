/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/names.h"

#include "base/buf.h"
#include "crypto/random.h"

#define MAX_EMAIL_BYTES 254
#define MAX_SLUG_BYTES 24

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A label of a domain, or the whole local part: nothing a mail system would quote. */
static bool is_email_char(char c)
{
    return c > ' ' && c < 0x7f && pn_str_find(PN_LIT("\"(),:;<>@[]\\"), c) < 0;
}

bool pn_name_is_email(struct pn_str text)
{
    ptrdiff_t at = pn_str_find(text, '@');
    struct pn_str domain;

    if (at <= 0 || at > 64 || text.len > MAX_EMAIL_BYTES)
        return false;
    domain = pn_str_slice(text, (size_t)at + 1, text.len);
    if (domain.len == 0 || domain.ptr[0] == '.' || domain.ptr[domain.len - 1] == '.' ||
        pn_str_find(domain, '.') < 0 || pn_str_search(domain, PN_LIT("..")) >= 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (i != (size_t)at && !is_email_char(text.ptr[i]))
            return false;
    }
    return true;
}

static bool is_slug(struct pn_str text, const char *separators)
{
    bool was_separator = true;

    for (size_t i = 0; i < text.len; i++) {
        bool is_separator = pn_str_find(pn_str_from(separators), text.ptr[i]) >= 0;

        if ((is_separator && was_separator) || (!is_separator && !is_lower_or_digit(text.ptr[i])))
            return false;
        was_separator = is_separator;
    }
    return !was_separator;
}

bool pn_name_is_slug(struct pn_str text)
{
    return is_slug(text, "-");
}

bool pn_name_is_project_slug(struct pn_str text)
{
    return is_slug(text, "-_");
}

bool pn_name_is_resource(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_' && c != ' ')
            return false;
    }
    return text.len >= 1 && text.len <= 64;
}

struct pn_str pn_name_to_slug(struct pn_arena *arena, struct pn_str name)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char slug[MAX_SLUG_BYTES + 6];
    size_t len = 0;

    for (size_t i = 0; i < name.len && len < MAX_SLUG_BYTES; i++) {
        char c = name.ptr[i];

        c = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (is_lower_or_digit(c))
            slug[len++] = c;
        else if (len > 0 && slug[len - 1] != '-')
            slug[len++] = '-';
    }
    if (len > 0 && slug[len - 1] != '-')
        slug[len++] = '-';
    for (int i = 0; i < 4; i++)
        slug[len++] = alphabet[pn_random_below(sizeof(alphabet) - 1)];
    return pn_arena_copy(arena, pn_str_of(slug, len));
}
