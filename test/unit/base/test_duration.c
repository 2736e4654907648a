/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clock.h"

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    /* the grammar of ms: https://github.com/vercel/ms */
    { "0", 0 },
    { "100", 100 },
    { "5400000", 5400000 },
    { "5400000ms", 5400000 },
    { "1m", 60000 },
    { "1h", 3600000 },
    { "2d", 172800000 },
    { "3w", 1814400000 },
    { "1s", 1000 },
    { "1y", 31557600000 },
    { "1.5h", 5400000 },
    { "1   s", 1000 },
    { "90 min", 5400000 },
    { ".5ms", 0 },
    { "1.5H", 5400000 },
    { "53 milliseconds", 53 },
    { "17 msecs", 17 },
    { "1 sec", 1000 },
    { "1 minute", 60000 },
    { "1 hr", 3600000 },
    { "2 DAYS", 172800000 },
    { "1 week", 604800000 },
    { "1 year", 31557600000 },
    { "1.5 hours", 5400000 },
    { "0.5", 0 },
    { "1M", 60000 },
    /* Go's time.ParseDuration */
    { "2h30m", 9000000 },
    { "1h0m0.5s", 3600500 },
    { "1m30s", 90000 },
    { "1500us", 1 },
    { "1ns", 0 },
    { "2500000ns", 2 },
    { "1\xc2\xb5s", 0 },
    { "1000\xce\xbcs", 1 },
    { "0.5ms0.5ms", 1 },
    { "1.5h.5h", 7200000 },
    { "9223372036854775ms", 9223372036854775 },
};

PN_TEST(reads_both_grammars)
{
    for (size_t i = 0; i < PN_COUNT(good); i++) {
        int64_t ms = -1;

        if (!pn_clock_parse_duration(pn_str_from(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("%s gave %lld", good[i].text, (long long)ms);
    }
}

static const char *const bad[] = {
    "",
    " ",
    "h",
    ".",
    ".h",
    "-1h",
    "-1",
    "+1h",
    "1h ",
    " 1h",
    "1 ",
    "5.",
    "1.h",
    "1..5h",
    "1.5.5h",
    "1x",
    "1hh",
    "h1",
    "1 h 30 m",
    "1h 30m",
    "1h30",
    "1d12h",
    "1h30min",
    "1H30M",
    "1h-30m",
    "1e3",
    "0x10",
    "1,5h",
    "1_000",
    "NaN",
    "infinity",
    "1000000000000000000",
    "9999999999999999y",
    "1.0000000000000000001h",
    "1h\n",
    "0.0000000000000000000h",
    ".0000000000000000000000000000000000000000000000000000000000000000005",
    "one hour",
    "1\xff",
};

PN_TEST(refuses_everything_else)
{
    char long_text[200];
    int64_t ms = 7;

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        if (pn_clock_parse_duration(pn_str_from(bad[i]), &ms))
            fail_msg("%s gave %lld", bad[i], (long long)ms);
    }
    memset(long_text, '1', sizeof(long_text));
    CHECK(!pn_clock_parse_duration(pn_str_of(long_text, sizeof(long_text)), &ms));
    memset(long_text, ' ', sizeof(long_text));
    long_text[0] = '1';
    CHECK(!pn_clock_parse_duration(pn_str_of(long_text, sizeof(long_text)), &ms));
    CHECK(!pn_clock_parse_duration(PN_LIT("1h\0"), &ms));
    CHECK(!pn_clock_parse_duration(PN_NONE, &ms));
    CHECK_EQ(ms, 7);
}

PN_TEST_MAIN(T(reads_both_grammars), T(refuses_everything_else))
