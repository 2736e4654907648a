/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"

/* Times and durations: what parses prints in the canonical form, and that parses to the same value. */

static void check_duration(struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf canonical = pn_buf_init(64);
    int64_t ms = -1;
    int64_t again = -1;

    if (!pn_clock_parse_duration(text, &ms)) {
        pn_assert(ms == -1);
        return;
    }
    pn_assert(ms >= 0);
    pn_buf_add_i64(&canonical, ms);
    if (ms > 999999999999999999)
        return; /* a bare number has at most 18 digits */
    pn_assert(pn_clock_parse_duration(pn_buf_str(&canonical), &again) && again == ms);
    pn_buf_add_text(&canonical, "ms");
    pn_assert(pn_clock_parse_duration(pn_buf_str(&canonical), &again) && again == ms);
}

static void check_time(struct pn_str text)
{
    char canonical[PN_CLOCK_ISO_BYTES];
    int64_t wall_ms = -1;
    int64_t again = -1;

    if (!pn_clock_parse_iso(text, &wall_ms))
        return;
    pn_clock_iso(wall_ms, canonical);
    pn_assert(pn_clock_parse_iso(pn_str_from(canonical), &again));
    /* an offset can move the first and the last day out of the four digits */
    pn_assert(again == wall_ms || wall_ms < -62167219200000 || wall_ms > 253402300799999);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_duration(pn_str_of(data, size));
    check_time(pn_str_of(data, size));
    return 0;
}
