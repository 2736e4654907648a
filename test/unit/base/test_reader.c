/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/reader.h"

PN_TEST(reads_big_endian)
{
    struct pn_reader r = pn_reader_of(
        BYTES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 'a', 'b'));

    CHECK_EQ(pn_read_u8(&r), 1);
    CHECK_EQ(pn_read_u16(&r), 0x0203);
    CHECK_EQ(pn_read_u24(&r), 0x040506);
    CHECK_EQ(pn_read_u32(&r), 0x0708090a);
    CHECK(pn_read_u64(&r) == 0x0b0c0d0e0f101112);
    CHECK_STR(pn_read_str(&r, 2), "ab");
    CHECK(pn_read_done(&r));
}

PN_TEST(a_short_read_sticks)
{
    struct pn_reader r = pn_reader_of(BYTES(1, 2, 3));

    CHECK_EQ(pn_read_u32(&r), 0);
    CHECK_EQ(pn_read_u8(&r), 0); /* though a byte is there */
    CHECK(pn_read_str(&r, 0).ptr == NULL);
    CHECK(!pn_read_done(&r));
}

PN_TEST(trailing_bytes_are_not_done)
{
    struct pn_reader r = pn_reader_of(BYTES(1, 2));

    CHECK_EQ(pn_read_u8(&r), 1);
    CHECK(!pn_read_done(&r));
}

PN_TEST(a_length_larger_than_the_rest_is_short)
{
    struct pn_reader r = pn_reader_of(BYTES(0xff, 0xff, 'a'));
    struct pn_str body = pn_read_str(&r, pn_read_u16(&r));

    CHECK_EQ(body.len, 0);
    CHECK(!pn_read_done(&r));
    r = pn_reader_of(BYTES(1));
    CHECK_EQ(pn_read_str(&r, SIZE_MAX).len, 0);
    CHECK(!pn_read_done(&r));
}

PN_TEST(nothing_reads_as_done)
{
    struct pn_reader r = pn_reader_of(PN_NONE);

    CHECK(pn_read_done(&r));
    CHECK_EQ(pn_read_str(&r, 0).len, 0);
    CHECK(pn_read_done(&r));
    CHECK_EQ(pn_read_u8(&r), 0);
    CHECK(!pn_read_done(&r));
}

PN_TEST_MAIN(T(reads_big_endian), T(a_short_read_sticks), T(trailing_bytes_are_not_done),
             T(a_length_larger_than_the_rest_is_short), T(nothing_reads_as_done))
