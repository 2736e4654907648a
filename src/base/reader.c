/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"

struct pn_reader pn_reader_of(struct pn_str bytes)
{
    return (struct pn_reader){ .rest = bytes };
}

struct pn_str pn_read_str(struct pn_reader *r, size_t len)
{
    struct pn_str taken = pn_str_slice(r->rest, 0, len);

    if (r->is_short || taken.len < len) {
        r->is_short = true;
        return PN_NONE;
    }
    r->rest = pn_str_slice(r->rest, len, r->rest.len);
    return taken;
}

static uint64_t read_be(struct pn_reader *r, size_t bytes)
{
    struct pn_str taken = pn_read_str(r, bytes);
    uint64_t value = 0;

    for (size_t i = 0; i < taken.len; i++)
        value = value << 8 | (uint8_t)taken.ptr[i];
    return value;
}

uint8_t pn_read_u8(struct pn_reader *r)
{
    return (uint8_t)read_be(r, 1);
}

uint16_t pn_read_u16(struct pn_reader *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t pn_read_u24(struct pn_reader *r)
{
    return (uint32_t)read_be(r, 3);
}

uint32_t pn_read_u32(struct pn_reader *r)
{
    return (uint32_t)read_be(r, 4);
}

uint64_t pn_read_u64(struct pn_reader *r)
{
    return read_be(r, 8);
}

bool pn_read_done(const struct pn_reader *r)
{
    return !r->is_short && r->rest.len == 0;
}
