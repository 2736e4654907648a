/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_UUID_H
#define PN_BASE_UUID_H

#include "base/str.h"

/* An id: 16 bytes in the database, 36 lower-case characters on the wire (RFC 9562, version 7). */
struct pn_uuid {
    uint8_t bytes[16];
};

struct pn_uuid_text {
    char text[37];
};

bool pn_uuid_parse(struct pn_str text, struct pn_uuid *out) PN_CHECKED; /* any version, any case */
struct pn_uuid_text pn_uuid_format(struct pn_uuid id);
struct pn_uuid pn_uuid_v7(int64_t wall_ms, const uint8_t random[10]);
bool pn_uuid_eq(struct pn_uuid a, struct pn_uuid b);
bool pn_uuid_is_zero(struct pn_uuid id);
struct pn_str pn_uuid_str(struct pn_arena *arena, struct pn_uuid id);

#endif
