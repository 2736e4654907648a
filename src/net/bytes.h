/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_NET_BYTES_H
#define PN_NET_BYTES_H

#include "base/str.h"
#include "loop/loop.h"

/*
 * Bytes that wait on a loop, first in first out. Holds memory only while it holds bytes: one of the
 * loop's leases, small or large, or what a large answer needs. A zeroed one is empty.
 */
struct pn_bytes {
    char *ptr;
    size_t at, len, room;
};

/* Room for `want` more bytes at the end; then pn_bytes_grew. Never NULL. */
char *pn_bytes_room(struct pn_bytes *bytes, struct pn_loop *loop, size_t want);
void pn_bytes_grew(struct pn_bytes *bytes, size_t by);
void pn_bytes_add(struct pn_bytes *bytes, struct pn_loop *loop, const void *from, size_t len);
/* Drops `count` bytes from the front. */
void pn_bytes_take(struct pn_bytes *bytes, struct pn_loop *loop, size_t count);
void pn_bytes_drop(struct pn_bytes *bytes, struct pn_loop *loop);

static inline struct pn_str pn_bytes_str(const struct pn_bytes *bytes)
{
    return bytes->len > 0 ? (struct pn_str){ bytes->ptr + bytes->at, bytes->len } : PN_NONE;
}

#endif
