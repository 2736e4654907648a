/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES ((size_t)256)
#define LARGE_BYTES \
    ((size_t)16384) /* until then it grows fourfold: each time all is copied, and wiped */

struct pn_buf pn_buf_init(size_t max_bytes)
{
    return (struct pn_buf){ .max_bytes = max_bytes };
}

struct pn_buf pn_buf_init_wiped(size_t max_bytes)
{
    return (struct pn_buf){ .max_bytes = max_bytes, .is_wiped = true };
}

static void release(struct pn_buf *buf)
{
    if (buf->is_wiped)
        pn_wipe(buf->ptr, buf->capacity);
    free(buf->ptr);
    buf->ptr = NULL;
}

void pn_buf_drop(struct pn_buf *buf)
{
    if (buf == NULL)
        return;
    release(buf);
    buf->len = buf->capacity = 0;
    buf->is_full = false;
}

/* One byte more than the capacity is there always, for pn_buf_cstr. */
static void grow_to(struct pn_buf *buf, size_t capacity)
{
    char *grown = buf->is_wiped ? malloc(capacity + 1) : realloc(buf->ptr, capacity + 1);

    if (grown == NULL)
        pn_die("out of memory");
    if (buf->is_wiped) {
        if (buf->ptr != NULL)
            memcpy(grown, buf->ptr, buf->len);
        release(buf);
    }
    buf->ptr = grown;
    buf->capacity = capacity;
}

char *pn_buf_room(struct pn_buf *buf, size_t want)
{
    size_t need;
    size_t capacity;

    if (buf->is_full || !pn_add(buf->len, want, &need) || need > buf->max_bytes || need == SIZE_MAX)
        return NULL;
    if (need > buf->capacity || buf->ptr == NULL) {
        capacity = buf->capacity * (buf->capacity < LARGE_BYTES ? 4 : 2);
        if (capacity < FIRST_BYTES)
            capacity = FIRST_BYTES;
        if (capacity < need)
            capacity = need;
        grow_to(buf, capacity < buf->max_bytes ? capacity : buf->max_bytes);
    }
    return buf->ptr + buf->len;
}

void pn_buf_grew(struct pn_buf *buf, size_t by)
{
    pn_assert(by <= buf->capacity - buf->len);
    buf->len += by;
}

bool pn_buf_add_bytes(struct pn_buf *buf, const void *bytes, size_t len)
{
    char *room = pn_buf_room(buf, len);

    if (room == NULL) {
        buf->is_full = true;
        return false;
    }
    if (len > 0)
        memcpy(room, bytes, len);
    buf->len += len;
    return true;
}

bool pn_buf_add(struct pn_buf *buf, struct pn_str bytes)
{
    return pn_buf_add_bytes(buf, bytes.ptr, bytes.len);
}

bool pn_buf_add_text(struct pn_buf *buf, const char *text)
{
    return pn_buf_add_bytes(buf, text, strlen(text));
}

bool pn_buf_add_u64(struct pn_buf *buf, uint64_t decimal)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + decimal % 10);
        decimal /= 10;
    } while (decimal > 0);
    return pn_buf_add_bytes(buf, digits + at, sizeof(digits) - at);
}

bool pn_buf_add_i64(struct pn_buf *buf, int64_t decimal)
{
    size_t mark = buf->len;

    if (decimal >= 0)
        return pn_buf_add_u64(buf, (uint64_t)decimal);
    if (!pn_buf_add_byte(buf, '-') || !pn_buf_add_u64(buf, 0 - (uint64_t)decimal)) {
        buf->len = mark;
        return false;
    }
    return true;
}

bool pn_buf_addv(struct pn_buf *buf, const char *format, va_list args)
{
    va_list again;
    int len;
    char *room;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    pn_assert(len >= 0);
    room = pn_buf_room(buf, (size_t)len);
    if (room == NULL) {
        buf->is_full = true;
        return false;
    }
    vsnprintf(room, (size_t)len + 1, format, args); /* the terminator fits: see grow_to */
    buf->len += (size_t)len;
    return true;
}

bool pn_buf_addf(struct pn_buf *buf, const char *format, ...)
{
    va_list args;
    bool fits;

    va_start(args, format);
    fits = pn_buf_addv(buf, format, args);
    va_end(args);
    return fits;
}

bool pn_buf_add_be(struct pn_buf *buf, uint64_t value, size_t bytes)
{
    uint8_t wire[8];

    pn_assert(bytes <= sizeof(wire));
    for (size_t i = 0; i < bytes; i++)
        wire[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return pn_buf_add_bytes(buf, wire, bytes);
}

void pn_buf_consume(struct pn_buf *buf, size_t count)
{
    pn_assert(count <= buf->len);
    if (count == 0)
        return;
    buf->len -= count;
    memmove(buf->ptr, buf->ptr + count, buf->len);
    if (buf->is_wiped)
        pn_wipe(buf->ptr + buf->len, count);
}

void pn_buf_clear(struct pn_buf *buf)
{
    if (buf->is_wiped && buf->ptr != NULL)
        pn_wipe(buf->ptr, buf->capacity);
    buf->len = 0;
    buf->is_full = false;
}

struct pn_str pn_buf_str(const struct pn_buf *buf)
{
    return pn_str_of(buf->ptr != NULL ? buf->ptr : "", buf->len);
}

const char *pn_buf_cstr(struct pn_buf *buf)
{
    if (buf->ptr == NULL)
        return "";
    buf->ptr[buf->len] = '\0';
    return buf->ptr;
}
