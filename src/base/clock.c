/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define MS_PER_DAY ((int64_t)86400000)

/* The one piece of global state time needs: where tests have stopped it. */
static atomic_bool is_frozen;
static _Atomic int64_t frozen_wall_ms, frozen_mono_ms;
/* What the lease clock is ahead of the monotonic one; only ever rises. */
static _Atomic int64_t lease_lead_ms = INT64_MIN;

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t pn_clock_wall_ms(void)
{
    return atomic_load(&is_frozen) ? atomic_load(&frozen_wall_ms)
                                   : read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t pn_clock_mono_ns(void)
{
    return atomic_load(&is_frozen) ? atomic_load(&frozen_mono_ms) * 1000000
                                   : read_ns(CLOCK_MONOTONIC);
}

int64_t pn_clock_mono_ms(void)
{
    return pn_clock_mono_ns() / 1000000;
}

static int64_t raise_lead(int64_t lead_ms)
{
    int64_t seen = atomic_load(&lease_lead_ms);

    while (seen < lead_ms && !atomic_compare_exchange_weak(&lease_lead_ms, &seen, lead_ms))
        continue;
    return seen < lead_ms ? lead_ms : seen;
}

int64_t pn_clock_lease_ms(void)
{
    int64_t mono_ms = pn_clock_mono_ms();

    return mono_ms + raise_lead(pn_clock_wall_ms() - mono_ms);
}

void pn_clock_lease_floor(int64_t wall_ms)
{
    (void)raise_lead(wall_ms - pn_clock_mono_ms());
}

void pn_clock_freeze(int64_t wall_ms, int64_t mono_ms)
{
    atomic_store(&frozen_wall_ms, wall_ms);
    atomic_store(&frozen_mono_ms, mono_ms);
    atomic_store(&is_frozen, true);
}

void pn_clock_advance(int64_t by_ms)
{
    atomic_fetch_add(&frozen_wall_ms, by_ms);
    atomic_fetch_add(&frozen_mono_ms, by_ms);
}

void pn_clock_pause_ms(int64_t ms)
{
    int64_t left_ms = ms < 0 ? 0 : ms < 3600000 ? ms : 3600000;
    struct timespec left = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };

    if (atomic_load(&is_frozen)) {
        pn_clock_advance(left_ms);
        return;
    }
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void pn_clock_release(void)
{
    atomic_store(&lease_lead_ms, INT64_MIN);
    atomic_store(&is_frozen, false);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar: Hinnant, "chrono-compatible
 * low-level date algorithms"; eras of 400 years that begin on 1 March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted + (shifted < 10 ? 3 : -9);
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static void put_digits(char *to, int64_t value, int width)
{
    while (width-- > 0) {
        to[width] = (char)('0' + value % 10);
        value /= 10;
    }
}

void pn_clock_iso(int64_t wall_ms, char out[PN_CLOCK_ISO_BYTES])
{
    static const char frame[PN_CLOCK_ISO_BYTES] = "0000-00-00T00:00:00.000Z";
    int64_t first = days_of(0, 1, 1) * MS_PER_DAY;
    int64_t last = days_of(10000, 1, 1) * MS_PER_DAY - 1;
    int64_t ms = wall_ms < first  ? first
                 : wall_ms > last ? last
                                  : wall_ms; /* four digits of year */
    int64_t of_day = (ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY;
    int64_t year, month, day;

    date_of((ms - of_day) / MS_PER_DAY, &year, &month, &day);
    for (size_t i = 0; i < sizeof(frame); i++)
        out[i] = frame[i];
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, of_day / 3600000, 2);
    put_digits(out + 14, of_day / 60000 % 60, 2);
    put_digits(out + 17, of_day / 1000 % 60, 2);
    put_digits(out + 20, of_day % 1000, 3);
}

/* Takes exactly `width` digits, of a number in [low, high], off the front. */
static bool take_number(struct pn_str *text, size_t width, int64_t low, int64_t high, int64_t *out)
{
    struct pn_str digits = pn_str_slice(*text, 0, width);
    uint64_t value;

    if (digits.len != width || !pn_str_u64(digits, &value))
        return false;
    *text = pn_str_slice(*text, width, text->len);
    *out = (int64_t)value;
    return *out >= low && *out <= high;
}

static bool take_one_of(struct pn_str *text, const char *bytes)
{
    if (text->len == 0 || pn_str_find(pn_str_from(bytes), text->ptr[0]) < 0)
        return false;
    *text = pn_str_slice(*text, 1, text->len);
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

/* ".678" and any further digits, which are dropped. */
static bool take_fraction(struct pn_str *text, int64_t *ms)
{
    int64_t scale = 100;

    *ms = 0;
    if (!take_one_of(text, "."))
        return true;
    if (text->len == 0 || text->ptr[0] < '0' || text->ptr[0] > '9')
        return false;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        *ms += (text->ptr[0] - '0') * scale;
        scale /= 10;
        *text = pn_str_slice(*text, 1, text->len);
    }
    return true;
}

static bool take_offset(struct pn_str *text, int64_t *minutes)
{
    int64_t sign = 1;
    int64_t hour, minute;

    *minutes = 0;
    if (take_one_of(text, "Zz"))
        return true;
    if (take_one_of(text, "-"))
        sign = -1;
    else if (!take_one_of(text, "+"))
        return false;
    if (!take_number(text, 2, 0, 23, &hour) || !take_one_of(text, ":") ||
        !take_number(text, 2, 0, 59, &minute))
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

bool pn_clock_parse_iso(struct pn_str text, int64_t *wall_ms)
{
    int64_t year, month, day, hour, minute, second, ms, offset;

    if (!take_number(&text, 4, 0, 9999, &year) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, 12, &month) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, days_in_month(year, month), &day) || !take_one_of(&text, "Tt") ||
        !take_number(&text, 2, 0, 23, &hour) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 59, &minute) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 59, &second) || !take_fraction(&text, &ms) ||
        !take_offset(&text, &offset) || text.len != 0)
        return false;
    *wall_ms = days_of(year, month, day) * MS_PER_DAY +
               ((hour * 60 + minute - offset) * 60 + second) * 1000 + ms;
    return true;
}
