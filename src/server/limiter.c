/* SPDX-License-Identifier: Apache-2.0 */
#include "server/limiter.h"

#include "base/clock.h"
#include "base/map.h"

#include <pthread.h>
#include <string.h>

#define KEY_BYTES 64

/* A client's window for one class; in a ring of slots, so that the oldest is the next one to reuse. */
struct window {
    char key[KEY_BYTES];
    size_t key_len;
    int64_t began_ms, count;
};

struct pn_limiter {
    pthread_mutex_t lock;
    int64_t limits[PN_RATES];
    struct pn_map *windows; /* key → struct window */
    struct window *slots[PN_LIMITER_MAX_CLIENTS];
    size_t next;
};

struct pn_limiter *pn_limiter_new(const int64_t limits[PN_RATES])
{
    struct pn_limiter *limiter = pn_heap_new(sizeof(*limiter));

    pthread_mutex_init(&limiter->lock, NULL);
    memcpy(limiter->limits, limits, sizeof(limiter->limits));
    limiter->windows = pn_map_new();
    return limiter;
}

void pn_limiter_free(struct pn_limiter *limiter)
{
    if (limiter == NULL)
        return;
    for (size_t i = 0; i < PN_LIMITER_MAX_CLIENTS; i++)
        pn_heap_free(limiter->slots[i]);
    pn_map_free(limiter->windows);
    pthread_mutex_destroy(&limiter->lock);
    pn_heap_free(limiter);
}

static struct pn_str make_key(char key[KEY_BYTES], struct pn_str client, enum pn_rate rate)
{
    size_t len = client.len < KEY_BYTES - 1 ? client.len : KEY_BYTES - 1;

    key[0] = (char)('a' + (int)rate);
    if (len > 0)
        memcpy(key + 1, client.ptr, len);
    return pn_str_of(key, len + 1);
}

static struct window *open_window(struct pn_limiter *limiter, struct pn_str key)
{
    struct window *w = limiter->slots[limiter->next];

    if (w == NULL)
        w = limiter->slots[limiter->next] = pn_heap_new(sizeof(*w));
    else
        (void)pn_map_remove(limiter->windows, pn_str_of(w->key, w->key_len));
    limiter->next = (limiter->next + 1) % PN_LIMITER_MAX_CLIENTS;
    memcpy(w->key, key.ptr, key.len);
    w->key_len = key.len;
    (void)pn_map_put(limiter->windows, key, w);
    return w;
}

bool pn_limiter_take(struct pn_limiter *limiter, struct pn_str client, enum pn_rate rate,
                     struct pn_limit *out)
{
    int64_t limit = limiter->limits[rate], now = pn_clock_mono_ms(), left_ms;
    char memory[KEY_BYTES];
    struct pn_str key = make_key(memory, client, rate);
    struct window *w;
    bool is_within;

    *out = (struct pn_limit){ .limit = limit };
    if (limit == 0 || rate == PN_RATE_NONE)
        return true;
    pthread_mutex_lock(&limiter->lock);
    w = pn_map_get(limiter->windows, key);
    if (w == NULL) {
        w = open_window(limiter, key);
        w->began_ms = now;
        w->count = 0;
    } else if (now - w->began_ms >= PN_LIMITER_WINDOW_MS) {
        w->began_ms = now;
        w->count = 0;
    }
    is_within = w->count < limit;
    w->count += is_within;
    left_ms = w->began_ms + PN_LIMITER_WINDOW_MS - now;
    out->remaining = limit - w->count;
    pthread_mutex_unlock(&limiter->lock);
    out->reset_s = (left_ms + 999) / 1000;
    return is_within;
}
