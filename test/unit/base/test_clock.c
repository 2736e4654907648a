/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clock.h"

#include <pthread.h>

static void check_iso(int64_t wall_ms, const char *text)
{
    char out[PN_CLOCK_ISO_BYTES];
    int64_t back = -1;

    pn_clock_iso(wall_ms, out);
    CHECK_STR(pn_str_from(out), text);
    CHECK(pn_clock_parse_iso(pn_str_from(out), &back));
    CHECK_EQ(back, wall_ms);
}

PN_TEST(prints_and_reads_back)
{
    check_iso(0, "1970-01-01T00:00:00.000Z");
    check_iso(-1, "1969-12-31T23:59:59.999Z");
    check_iso(1767323045678, "2026-01-02T03:04:05.678Z");
    check_iso(951782400000, "2000-02-29T00:00:00.000Z");
    check_iso(253402300799999, "9999-12-31T23:59:59.999Z");
    check_iso(-62167219200000, "0000-01-01T00:00:00.000Z");
    for (int64_t day = -800000; day < 2900000; day += 997) {
        char out[PN_CLOCK_ISO_BYTES];
        int64_t back = 1;

        if (day * 86400000 < -62167219200000 || day * 86400000 > 253402300799999)
            continue;
        pn_clock_iso(day * 86400000 + 12345, out);
        CHECK(pn_clock_parse_iso(pn_str_from(out), &back) && back == day * 86400000 + 12345);
    }
}

PN_TEST(years_have_four_digits_whatever_comes)
{
    char out[PN_CLOCK_ISO_BYTES];

    pn_clock_iso(INT64_MAX, out);
    CHECK_STR(pn_str_from(out), "9999-12-31T23:59:59.999Z");
    pn_clock_iso(INT64_MIN, out);
    CHECK_STR(pn_str_from(out), "0000-01-01T00:00:00.000Z");
}

PN_TEST(reads_every_form_of_rfc_3339)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } good[] = {
        { "1970-01-01T00:00:01Z", 1000 },   { "1970-01-01t00:00:01z", 1000 },
        { "1970-01-01T00:00:01.5Z", 1500 }, { "1970-01-01T00:00:01.123456789Z", 1123 },
        { "1970-01-01T01:00:00+01:00", 0 }, { "1969-12-31T18:30:00-05:30", 0 },
        { "1970-01-01T00:00:00-00:00", 0 },
    };

    for (size_t i = 0; i < PN_COUNT(good); i++) {
        int64_t wall_ms = -1;

        CHECK(pn_clock_parse_iso(pn_str_from(good[i].text), &wall_ms));
        CHECK_EQ(wall_ms, good[i].wall_ms);
    }
}

PN_TEST(refuses_what_is_no_time)
{
    static const char *const bad[] = {
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-01-01 00:00:00Z",
        "1970-1-01T00:00:00Z",
        "70-01-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.-1Z",
        "-1970-01-01T00:00:00Z",
        "19700-01-01T00:00:00Z",
    };
    int64_t wall_ms = 7;

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK(!pn_clock_parse_iso(pn_str_from(bad[i]), &wall_ms));
    CHECK_EQ(wall_ms, 7);
}

PN_TEST(stands_still_and_moves_when_told)
{
    pn_clock_freeze(1000, 50);
    CHECK_EQ(pn_clock_wall_ms(), 1000);
    CHECK_EQ(pn_clock_mono_ms(), 50);
    CHECK_EQ(pn_clock_mono_ns(), 50000000);
    pn_clock_advance(5);
    CHECK_EQ(pn_clock_wall_ms(), 1005);
    CHECK_EQ(pn_clock_mono_ms(), 55);
    pn_clock_release();
    CHECK(pn_clock_wall_ms() > 1005);
}

PN_TEST(real_clocks_run_forward)
{
    int64_t before = pn_clock_mono_ns();
    int64_t after = pn_clock_mono_ns();

    CHECK(before > 0 && after >= before);
    CHECK(pn_clock_wall_ms() > 1700000000000); /* after 2023 */
}

static void *advance_often(void *unused)
{
    for (int i = 0; i < 1000; i++)
        pn_clock_advance(1);
    return unused;
}

PN_TEST(threads_may_move_it_together)
{
    pthread_t threads[4];

    pn_clock_freeze(0, 0);
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, advance_often, NULL), 0);
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(pn_clock_wall_ms(), 4000);
    CHECK_EQ(pn_clock_mono_ms(), 4000);
    pn_clock_release();
}

PN_TEST(no_step_lengthens_what_the_lease_clock_measures)
{
    pn_clock_freeze(1000000, 500);
    CHECK_EQ(pn_clock_lease_ms(), 1000000);
    pn_clock_freeze(1000000 - 3600000, 1500); /* an hour back: a second has passed */
    CHECK_EQ(pn_clock_lease_ms(), 1001000);
    pn_clock_freeze(1000000 + 3600000, 2500); /* an hour forward: taken along */
    CHECK_EQ(pn_clock_lease_ms(), 4600000);
    pn_clock_freeze(1003000, 3500); /* and right again: what was promised in that hour ends then */
    CHECK_EQ(pn_clock_lease_ms(), 4601000);
    pn_clock_release();
}

PN_TEST(the_lease_clock_goes_on_from_where_it_was)
{
    pn_clock_freeze(1000, 0);
    pn_clock_lease_floor(5000);
    CHECK_EQ(pn_clock_lease_ms(), 5000);
    pn_clock_lease_floor(4000);
    pn_clock_advance(1);
    CHECK_EQ(pn_clock_lease_ms(), 5001);
    pn_clock_release();
}

PN_TEST_MAIN(T(prints_and_reads_back), T(years_have_four_digits_whatever_comes),
             T(reads_every_form_of_rfc_3339), T(refuses_what_is_no_time),
             T(stands_still_and_moves_when_told), T(real_clocks_run_forward),
             T(threads_may_move_it_together), T(no_step_lengthens_what_the_lease_clock_measures),
             T(the_lease_clock_goes_on_from_where_it_was))
