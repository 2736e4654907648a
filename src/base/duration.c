/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

/* Durations as clients write them: vercel/ms and Go's time.ParseDuration in one reader. */

#define MAX_TEXT_BYTES 100 /* as in ms */
/* Bounds of a number, so that the sum of the products with the largest unit fits 128 bits by far. */
#define MAX_DIGITS_VALUE UINT64_C(999999999999999999)
#define MAX_SCALE UINT64_C(1000000000000000000)

__extension__ typedef unsigned __int128 wide;

#define NS_PER_MS ((int64_t)1000000)
#define SECOND (1000 * NS_PER_MS)
#define DAY (86400 * SECOND)

static const struct unit {
    const char *name;
    int64_t ns;
    bool is_go; /* may stand in a compound, exactly as written here */
} units[] = {
    { "ns", 1, true },
    { "us", 1000, true },
    { "\xc2\xb5s", 1000, true }, /* U+00B5 micro sign */
    { "\xce\xbcs", 1000, true }, /* U+03BC Greek mu */
    { "ms", NS_PER_MS, true },
    { "s", SECOND, true },
    { "m", 60 * SECOND, true },
    { "h", 3600 * SECOND, true },
    { "", NS_PER_MS, false },
    { "msec", NS_PER_MS, false },
    { "msecs", NS_PER_MS, false },
    { "millisecond", NS_PER_MS, false },
    { "milliseconds", NS_PER_MS, false },
    { "sec", SECOND, false },
    { "secs", SECOND, false },
    { "second", SECOND, false },
    { "seconds", SECOND, false },
    { "min", 60 * SECOND, false },
    { "mins", 60 * SECOND, false },
    { "minute", 60 * SECOND, false },
    { "minutes", 60 * SECOND, false },
    { "hr", 3600 * SECOND, false },
    { "hrs", 3600 * SECOND, false },
    { "hour", 3600 * SECOND, false },
    { "hours", 3600 * SECOND, false },
    { "d", DAY, false },
    { "day", DAY, false },
    { "days", DAY, false },
    { "w", 7 * DAY, false },
    { "week", 7 * DAY, false },
    { "weeks", 7 * DAY, false },
    { "y", 31557600 * SECOND, false }, /* 365.25 days, as in ms */
    { "yr", 31557600 * SECOND, false },
    { "yrs", 31557600 * SECOND, false },
    { "year", 31557600 * SECOND, false },
    { "years", 31557600 * SECOND, false },
};

/* digits / scale, the scale being a power of ten */
struct decimal {
    uint64_t digits, scale;
};

static bool is_digit(struct pn_str text)
{
    return text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9';
}

/* Takes digits while they fit; `scale` is what each does to the number's. */
static size_t take_digits(struct pn_str *text, struct decimal *number, uint64_t scale)
{
    size_t count = 0;

    while (is_digit(*text) && number->digits <= MAX_DIGITS_VALUE / 10 &&
           number->scale <= MAX_SCALE / scale) {
        number->digits = number->digits * 10 + (uint64_t)(text->ptr[0] - '0');
        number->scale *= scale;
        *text = pn_str_slice(*text, 1, text->len);
        count++;
    }
    return count;
}

/* "12", "1.5" or ".5"; not "5.", and not more digits than fit. */
static bool take_decimal(struct pn_str *text, struct decimal *number)
{
    size_t whole;

    *number = (struct decimal){ 0, 1 };
    whole = take_digits(text, number, 1);
    if (text->len == 0 || text->ptr[0] != '.')
        return whole > 0 && !is_digit(*text);
    *text = pn_str_slice(*text, 1, text->len);
    return take_digits(text, number, 10) > 0 && !is_digit(*text);
}

static const struct unit *find_unit(struct pn_str name, bool is_compound)
{
    for (size_t i = 0; i < PN_COUNT(units); i++) {
        if (is_compound ? units[i].is_go && pn_str_is(name, units[i].name)
                        : pn_str_iis(name, units[i].name))
            return &units[i];
    }
    return NULL;
}

/* Takes what stands before the next number: a unit. */
static struct pn_str take_unit(struct pn_str *text)
{
    size_t len = 0;

    while (len < text->len && text->ptr[len] != '.' && !is_digit(pn_str_slice(*text, len, len + 1)))
        len++;
    *text = pn_str_slice(*text, len, text->len);
    return pn_str_of(text->ptr - len, len);
}

bool pn_clock_parse_duration(struct pn_str text, int64_t *ms)
{
    wide total_ns = 0;
    bool is_compound = false;

    if (text.len == 0 || text.len > MAX_TEXT_BYTES)
        return false;
    while (text.len > 0) {
        struct decimal number;
        struct pn_str name;
        const struct unit *unit;

        if (!take_decimal(&text, &number))
            return false;
        name = take_unit(&text);
        is_compound = is_compound || text.len > 0;
        while (!is_compound && name.len > 1 && name.ptr[0] == ' ')
            name = pn_str_slice(name, 1, name.len);
        unit = find_unit(name, is_compound);
        if (unit == NULL)
            return false;
        total_ns += (wide)number.digits * (wide)unit->ns / number.scale;
    }
    if (total_ns / NS_PER_MS > INT64_MAX)
        return false;
    *ms = (int64_t)(total_ns / NS_PER_MS);
    return true;
}
