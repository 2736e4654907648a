/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_BUF_H
#define PN_BASE_BUF_H

#include <stdarg.h>

#include "base/str.h"

/*
 * An owned byte buffer with a maximum at birth. Appending past the maximum sets `is_full`, appends
 * nothing, and every later append fails too: write everything, then ask once. Growing invalidates
 * slices into it. A wiped buffer (for secrets) wipes what it leaves behind.
 */
struct pn_buf {
    char *ptr;
    size_t len, capacity, max_bytes;
    bool is_full, is_wiped;
};

struct pn_buf pn_buf_init(size_t max_bytes);
struct pn_buf pn_buf_init_wiped(size_t max_bytes);
void pn_buf_drop(struct pn_buf *buf);

/* All return false once the buffer is full. */
bool pn_buf_add(struct pn_buf *buf, struct pn_str bytes);
bool pn_buf_add_bytes(struct pn_buf *buf, const void *bytes, size_t len);
bool pn_buf_add_text(struct pn_buf *buf, const char *text);
static inline bool pn_buf_add_byte(struct pn_buf *buf, char byte)
{
    if (buf->len == buf->capacity || buf->is_full)
        return pn_buf_add_bytes(buf, &byte, 1);
    buf->ptr[buf->len++] = byte;
    return true;
}
bool pn_buf_add_u64(struct pn_buf *buf, uint64_t decimal);
bool pn_buf_add_i64(struct pn_buf *buf, int64_t decimal);
bool pn_buf_addf(struct pn_buf *buf, const char *format, ...) PN_PRINTF(2, 3);
bool pn_buf_addv(struct pn_buf *buf, const char *format, va_list args) PN_PRINTF(2, 0);
/* Big-endian integers, for wire formats. */
bool pn_buf_add_be(struct pn_buf *buf, uint64_t value, size_t bytes);

/* Room for `want` more bytes at ptr + len, or NULL when that passes the maximum; then pn_buf_grew. */
char *pn_buf_room(struct pn_buf *buf, size_t want);
void pn_buf_grew(struct pn_buf *buf, size_t by);

/* Drops `count` bytes from the front. */
void pn_buf_consume(struct pn_buf *buf, size_t count);
void pn_buf_clear(struct pn_buf *buf); /* keeps the memory, clears is_full */

struct pn_str pn_buf_str(const struct pn_buf *buf);
/* Terminated text; valid until the next change. Needs one byte of room below the maximum. */
const char *pn_buf_cstr(struct pn_buf *buf);

#endif
