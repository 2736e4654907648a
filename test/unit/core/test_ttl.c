/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "core/lease/ttl.h"

static void check_is(const char *text, int64_t want_ms)
{
    int64_t ms = 0;
    const char *fault = pn_ttl_fault(pn_str_from(text), &ms);

    if (fault != NULL)
        fail_msg("\"%s\": %s", text, fault);
    CHECK_EQ(ms, want_ms);
}

static void check_is_not(const char *text, const char *want)
{
    int64_t ms = -7;
    const char *fault = pn_ttl_fault(pn_str_from(text), &ms);

    if (fault == NULL)
        fail_msg("\"%s\" is %lld ms", text, (long long)ms);
    assert_string_equal(fault, want);
    CHECK_EQ(ms, -7);
}

/* DS-12 */
PN_TEST(the_spellings_that_clients_use)
{
    check_is("1.5h", 5400000);
    check_is("90 min", 5400000);
    check_is("1 Day", 86400000);
    check_is("2W", 1209600000);
    check_is("60s", 60000);
    check_is("60000", 60000);
    check_is("60000 ", 60000);
    check_is("60000   ms", 60000);
    check_is(".5h", 1800000);
    check_is("10y", PN_TTL_MAX_MS);
    check_is("1 YEAR", 31557600000);
}

PN_TEST(every_word_there_is)
{
    static const struct {
        const char *words[6];
        int64_t ms;
    } units[] = {
        { { "milliseconds", "millisecond", "msecs", "msec", "ms" }, 1 },
        { { "seconds", "second", "secs", "sec", "s" }, 1000 },
        { { "minutes", "minute", "mins", "min", "m" }, 60000 },
        { { "hours", "hour", "hrs", "hr", "h" }, 3600000 },
        { { "days", "day", "d" }, 86400000 },
        { { "weeks", "week", "w" }, 604800000 },
        { { "years", "year", "yrs", "yr", "y" }, 31557600000 },
    };
    char text[64];

    for (size_t u = 0; u < PN_COUNT(units); u++)
        for (size_t w = 0; units[u].words[w] != NULL; w++) {
            long long count = units[u].ms < PN_TTL_MIN_MS ? PN_TTL_MIN_MS / units[u].ms : 2;

            snprintf(text, sizeof(text), "%lld%s", count, units[u].words[w]);
            check_is(text, (int64_t)count * units[u].ms);
            snprintf(text, sizeof(text), "%lld   %s", count, units[u].words[w]);
            check_is(text, (int64_t)count * units[u].ms);
        }
}

/* DS-07…09 */
PN_TEST(too_short_and_too_long)
{
    static const char *const shorter[] = { "59s",  "3600",  "0",    "-1h",
                                           "-.5h", "59999", "-10y", "59999.9" };
    static const char *const longer[] = { "11y", "10.0001y", "522w", "999999999999999999" };

    for (size_t i = 0; i < PN_COUNT(shorter); i++)
        check_is_not(shorter[i], "TTL must be a greater than 1min");
    for (size_t i = 0; i < PN_COUNT(longer); i++)
        check_is_not(longer[i], "TTL must be less than 10 years");
}

/* DS-10 */
PN_TEST(what_is_no_ttl)
{
    static const char *const bad[] = {
        "",      " ",      "banana", "h",      "-",     "--1h",  "+1h",     " 1h", "1h ",
        "1h30m", "2h 30m", "1.5.5h", "5.h",    ".",     "1e3h",  "1 month", "1mo", "1ns",
        "90us",  "1,5h",   "0x10h",  "1\thrs", "1hh",   "1 h 1", "1h\n",    "∞",   "1µs",
        "\xff",  "1_000s", "1h-1h",  "-1-h",   "1 - h", "- 1h",
    };
    char digits[128];

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        check_is_not(bad[i], "Invalid TTL");
    memset(digits, '1', sizeof(digits));
    digits[101] = '\0';
    check_is_not(digits, "Invalid TTL");
    {
        int64_t ms;

        CHECK(pn_ttl_fault(PN_LIT("1h\0h"), &ms) != NULL);
        CHECK(pn_ttl_fault(PN_NONE, &ms) != NULL);
    }
}

PN_TEST_MAIN(T(the_spellings_that_clients_use), T(every_word_there_is), T(too_short_and_too_long),
             T(what_is_no_ttl))
