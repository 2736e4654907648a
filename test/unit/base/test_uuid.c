/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/arena.h"
#include "base/uuid.h"

PN_TEST(round_trips_in_lower_case)
{
    struct pn_uuid id;

    CHECK(pn_uuid_parse(PN_LIT("0190A1B2-C3D4-7eF5-8a9b-0C1d2E3f4A5b"), &id));
    CHECK_STR(pn_str_from(pn_uuid_format(id).text), "0190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5b");
    CHECK(pn_uuid_parse(PN_LIT("00000000-0000-0000-0000-000000000000"), &id));
    CHECK(pn_uuid_is_zero(id));
}

PN_TEST(version_7_sorts_by_time)
{
    const uint8_t ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    struct pn_uuid early = pn_uuid_v7(0x0190a1b2c3d4, ones);
    struct pn_uuid late = pn_uuid_v7(0x0190a1b2c3d5, (const uint8_t[10]){ 0 });
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(4096);

    CHECK_STR(pn_uuid_str(arena, early), "0190a1b2-c3d4-7fff-bfff-ffffffffffff");
    CHECK_STR(pn_uuid_str(arena, late), "0190a1b2-c3d5-7000-8000-000000000000");
    CHECK(memcmp(early.bytes, late.bytes, 16) < 0);
    CHECK(!pn_uuid_eq(early, late));
    CHECK(pn_uuid_eq(early, early));
    CHECK(!pn_uuid_is_zero(late));
}

PN_TEST(refuses_what_is_no_uuid)
{
    static const char *const bad[] = {
        "",
        "0190a1b2",
        "0190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5",
        "0190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5bb",
        "0190a1b2c3d47ef58a9b0c1d2e3f4a5b",
        "0190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5g",
        "0190a1b2-c3d4-7ef5-8a9b0-c1d2e3f4a5b",
        "0190a1b2_c3d4_7ef5_8a9b_0c1d2e3f4a5b",
        "{190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5}",
        " 190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5b",
    };
    struct pn_uuid id = { { 7 } };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK(!pn_uuid_parse(pn_str_from(bad[i]), &id));
    CHECK(!pn_uuid_parse(PN_LIT("0190a1b2-c3d4-7ef5-8a9b-0c1d2e3f4a5\0"), &id));
    CHECK(!pn_uuid_parse(PN_NONE, &id));
    CHECK_EQ(id.bytes[0], 7); /* nothing is set */
}

PN_TEST_MAIN(T(round_trips_in_lower_case), T(version_7_sorts_by_time), T(refuses_what_is_no_uuid))
