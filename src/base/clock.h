/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_CLOCK_H
#define PN_BASE_CLOCK_H

#include "base/str.h"

/*
 * Time, injected: tests set it, everything else asks here. Wall time is Unix time in milliseconds
 * (for the wire and the database), monotonic time is for deadlines and durations.
 */
int64_t pn_clock_wall_ms(void);
int64_t pn_clock_mono_ms(void);
int64_t pn_clock_mono_ns(void);
/*
 * Wall time for what must not be lengthened: it never goes back and never runs slower than the
 * monotonic clock, whatever is done to the wall clock. A step forward takes it along for good.
 */
int64_t pn_clock_lease_ms(void);
/* From now on at least this: where it had come before the process began. */
void pn_clock_lease_floor(int64_t wall_ms);

/*
 * Waits: for a worker that was told when to come again. Where the clock is frozen it moves on instead, and nobody
 * waits. At most an hour.
 */
void pn_clock_pause_ms(int64_t ms);

/* Tests: both clocks stand still at these values until moved again or released. */
void pn_clock_freeze(int64_t wall_ms, int64_t mono_ms);
void pn_clock_advance(int64_t by_ms);
void pn_clock_release(void);

/* "2026-01-02T03:04:05.678Z"; 25 bytes with the terminator. */
#define PN_CLOCK_ISO_BYTES 25
void pn_clock_iso(int64_t wall_ms, char out[PN_CLOCK_ISO_BYTES]);
/* RFC 3339 with or without fraction and with Z or an offset; false for anything else. */
bool pn_clock_parse_iso(struct pn_str text, int64_t *wall_ms) PN_CHECKED;

/*
 * Durations as clients write them, in milliseconds: the JavaScript `ms` grammar ("1h", "90 min",
 * "5400000", "5400000ms") and Go's compounds ("2h30m", "1.5h"). A bare number is milliseconds.
 * False for anything else, negative values and overflow.
 */
bool pn_clock_parse_duration(struct pn_str text, int64_t *ms) PN_CHECKED;

#endif
