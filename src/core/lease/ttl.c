/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/ttl.h"

#include "base/clock.h"

/* Longer texts the library does not look at. */
#define MAX_BYTES 100

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static struct pn_str skip(struct pn_str text, bool (*is_it)(char))
{
    size_t len = 0;

    while (len < text.len && is_it(text.ptr[len]))
        len++;
    return pn_str_slice(text, len, text.len);
}

static bool is_of_number(char c)
{
    return is_digit(c) || c == '.';
}

static bool is_space(char c)
{
    return c == ' ';
}

/*
 * The clock's durations are this grammar and Go's together: what only Go writes (compounds, nanoseconds) is refused
 * here, and blanks behind a bare number taken off.
 */
static bool parse(struct pn_str text, int64_t *ms)
{
    struct pn_str blank = skip(text, is_of_number), unit = skip(blank, is_space);

    if (skip(unit, is_letter).len > 0 || pn_str_iis(unit, "ns") || pn_str_iis(unit, "us"))
        return false;
    return pn_clock_parse_duration(
        unit.len > 0 ? text : pn_str_slice(text, 0, text.len - blank.len), ms);
}

const char *pn_ttl_fault(struct pn_str text, int64_t *ms)
{
    bool is_negative = pn_str_starts(text, PN_LIT("-"));
    int64_t parsed;

    if (text.len > MAX_BYTES || !parse(pn_str_slice(text, is_negative, text.len), &parsed))
        return "Invalid TTL";
    if (is_negative || parsed < PN_TTL_MIN_MS)
        return "TTL must be a greater than 1min"; /* the contract's words */
    if (parsed > PN_TTL_MAX_MS)
        return "TTL must be less than 10 years";
    *ms = parsed;
    return NULL;
}
