/* SPDX-License-Identifier: Apache-2.0 */
#include "net/bytes.h"

#include <string.h>

static char *take(struct pn_loop *loop, size_t room)
{
    if (room == PN_LOOP_SMALL_BYTES)
        return pn_loop_lease_small(loop);
    return room == PN_LOOP_LEASE_BYTES ? pn_loop_lease(loop) : pn_heap_new(room);
}

static void give_back(struct pn_loop *loop, char *ptr, size_t room)
{
    if (room == PN_LOOP_SMALL_BYTES)
        pn_loop_unlease_small(loop, ptr);
    else if (room == PN_LOOP_LEASE_BYTES)
        pn_loop_unlease(loop, ptr);
    else
        pn_heap_free(ptr);
}

static size_t room_for(size_t need)
{
    if (need <= PN_LOOP_SMALL_BYTES)
        return PN_LOOP_SMALL_BYTES;
    return need <= PN_LOOP_LEASE_BYTES ? PN_LOOP_LEASE_BYTES : need + need / 2;
}

char *pn_bytes_room(struct pn_bytes *bytes, struct pn_loop *loop, size_t want)
{
    size_t room = bytes->room;
    char *to = bytes->ptr;

    if (bytes->room - bytes->at - bytes->len >= want && to != NULL)
        return to + bytes->at + bytes->len;
    if (bytes->room < bytes->len + want || to == NULL) {
        room = room_for(bytes->len + want);
        to = take(loop, room);
    }
    if (bytes->ptr != NULL)
        memmove(to, bytes->ptr + bytes->at, bytes->len);
    if (to != bytes->ptr)
        give_back(loop, bytes->ptr, bytes->room);
    *bytes = (struct pn_bytes){ .ptr = to, .len = bytes->len, .room = room };
    return to + bytes->len;
}

void pn_bytes_grew(struct pn_bytes *bytes, size_t by)
{
    bytes->len += by;
    pn_assert(bytes->at + bytes->len <= bytes->room);
}

void pn_bytes_add(struct pn_bytes *bytes, struct pn_loop *loop, const void *from, size_t len)
{
    if (len == 0)
        return;
    memcpy(pn_bytes_room(bytes, loop, len), from, len);
    pn_bytes_grew(bytes, len);
}

void pn_bytes_take(struct pn_bytes *bytes, struct pn_loop *loop, size_t count)
{
    pn_assert(count <= bytes->len);
    bytes->at += count;
    bytes->len -= count;
    if (bytes->len == 0)
        pn_bytes_drop(bytes, loop);
}

void pn_bytes_drop(struct pn_bytes *bytes, struct pn_loop *loop)
{
    give_back(loop, bytes->ptr, bytes->room);
    *bytes = (struct pn_bytes){ 0 };
}
