/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_READER_H
#define PN_BASE_READER_H

#include "base/str.h"

/* A sticky big-endian reader: read everything, then ask once with pn_read_done. */
struct pn_reader {
    struct pn_str rest;
    bool is_short;
};

struct pn_reader pn_reader_of(struct pn_str bytes);
uint8_t pn_read_u8(struct pn_reader *r);
uint16_t pn_read_u16(struct pn_reader *r);
uint32_t pn_read_u24(struct pn_reader *r);
uint32_t pn_read_u32(struct pn_reader *r);
uint64_t pn_read_u64(struct pn_reader *r);
struct pn_str pn_read_str(struct pn_reader *r, size_t len);
/* True when nothing was short and nothing is left. */
bool pn_read_done(const struct pn_reader *r);

#endif
