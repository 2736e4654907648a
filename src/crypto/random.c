/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/random.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_MAX_BYTES 64

void pn_random_bytes(void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            pn_die("the kernel's random generator failed");
        at += got;
        len -= (size_t)got;
    }
}

uint32_t pn_random_below(uint32_t bound)
{
    uint32_t number;
    uint32_t uneven; /* the first numbers, which would make small results likelier */

    pn_assert(bound > 0);
    uneven = -bound % bound;
    do
        pn_random_bytes(&number, sizeof(number));
    while (number < uneven);
    return number % bound;
}

/* Counts in the 12 bits behind the time (RFC 9562 §6.2, method 1), from somewhere in their lower half. */
struct pn_uuid pn_random_uuid(void)
{
    static _Thread_local int64_t last_ms;
    static _Thread_local unsigned count;
    int64_t now_ms = pn_clock_wall_ms();
    uint8_t random[10]; /* its first two: where the count begins */

    pn_random_bytes(random, sizeof(random));
    count = now_ms == last_ms && count < 0xfff ? count + 1
                                               : ((unsigned)random[0] << 8 | random[1]) & 0x7ff;
    last_ms = now_ms;
    random[0] = (uint8_t)(count >> 8);
    random[1] = (uint8_t)count;
    return pn_uuid_v7(now_ms, random);
}

struct pn_str pn_random_token(struct pn_arena *arena, const char *prefix, size_t len)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(512);
    uint8_t random[TOKEN_MAX_BYTES];
    struct pn_str token;

    pn_assert(len <= sizeof(random));
    pn_random_bytes(random, len);
    pn_buf_add_text(&text, prefix);
    pn_base64url_add(&text, pn_str_of(random, len));
    pn_assert(!text.is_full);
    token = pn_arena_copy(arena, pn_buf_str(&text));
    pn_wipe(random, sizeof(random));
    return token;
}
