/* SPDX-License-Identifier: Apache-2.0 */
#include "reach/idle.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define MAX_IDLE 64
#define TICK_S 1

struct pn_idle_pool {
    pthread_t sweeper;
    bool has_sweeper;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* mutex, as all below */
    bool is_closing;
    bool is_resting;      /* the sweeper: there is nothing to look at every second */
    struct pn_idle *idle; /* newest first */
};

static void free_all(struct pn_idle *idle)
{
    while (idle != NULL) {
        struct pn_idle *next = idle->next;

        pn_idle_free(idle);
        idle = next;
    }
}

void pn_idle_pool_clear(struct pn_idle_pool *pool)
{
    struct pn_idle *all;

    pthread_mutex_lock(&pool->mutex);
    all = pn_take(&pool->idle);
    pthread_mutex_unlock(&pool->mutex);
    free_all(all);
}

/* Keeps the newest; the rest of the list, too old or too many, is returned to be closed unlocked. */
static struct pn_idle *cut_old(struct pn_idle_pool *pool, int64_t now_ms)
{
    size_t kept = 0;
    struct pn_idle **at = &pool->idle, *old;

    while (*at != NULL && kept < MAX_IDLE && now_ms - (*at)->since_ms < PN_FETCH_MAX_IDLE_MS) {
        at = &(*at)->next;
        kept++;
    }
    old = *at;
    *at = NULL;
    return old;
}

/* A relay or gateway that leaves waits for us to hang up too. */
static struct pn_idle *cut_stale(struct pn_idle_pool *pool)
{
    struct pn_idle **at = &pool->idle, *stale = NULL;

    while (*at != NULL) {
        struct pn_idle *idle = *at;

        if (!pn_fetcher_is_stale(idle->fetcher)) {
            at = &idle->next;
            continue;
        }
        *at = idle->next;
        idle->next = stale;
        stale = idle;
    }
    return stale;
}

/* The other side may be gone by then, and a firewall in between forgets without a word. */
static void *sweep(void *pool_)
{
    struct pn_idle_pool *pool = pool_;

    (void)pthread_setname_np(pthread_self(), "idle");
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_closing) {
        struct pn_idle *old = cut_old(pool, pn_clock_mono_ms());
        struct timespec until;

        if (old == NULL)
            old = cut_stale(pool);
        if (old != NULL) {
            pthread_mutex_unlock(&pool->mutex);
            free_all(old);
            pthread_mutex_lock(&pool->mutex);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TICK_S;
        pool->is_resting = pool->idle == NULL;
        if (pool->is_resting)
            (void)pthread_cond_wait(&pool->changed, &pool->mutex);
        else
            (void)pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct pn_idle_pool *pn_idle_pool_new(void)
{
    struct pn_idle_pool *pool = pn_heap_new(sizeof(*pool));
    pthread_condattr_t clock;

    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    /* Without it they are closed when the next one comes, and never used again. */
    pool->has_sweeper = pthread_create(&pool->sweeper, NULL, sweep, pool) == 0;
    return pool;
}

void pn_idle_pool_free(struct pn_idle_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_closing = true;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    if (pool->has_sweeper)
        (void)pthread_join(pool->sweeper, NULL);
    pn_idle_pool_clear(pool);
    (void)pthread_mutex_destroy(&pool->mutex);
    (void)pthread_cond_destroy(&pool->changed);
    pn_heap_free(pool);
}

struct pn_idle *pn_idle_new(const uint8_t key[PN_SHA256_BYTES], struct pn_fetcher *fetcher,
                            int64_t until_ms)
{
    struct pn_idle *idle = pn_heap_new(sizeof(*idle));

    memcpy(idle->key, key, PN_SHA256_BYTES);
    idle->fetcher = fetcher;
    idle->until_ms = until_ms;
    return idle;
}

void pn_idle_free(struct pn_idle *idle)
{
    pn_fetcher_free(idle->fetcher);
    pn_heap_free(idle);
}

struct pn_idle *pn_idle_take(struct pn_idle_pool *pool, const uint8_t key[PN_SHA256_BYTES])
{
    struct pn_idle *found = NULL;
    int64_t now_ms = pn_clock_mono_ms();

    pthread_mutex_lock(&pool->mutex);
    for (struct pn_idle **at = &pool->idle; *at != NULL; at = &(*at)->next) {
        if (memcmp((*at)->key, key, PN_SHA256_BYTES) != 0)
            continue;
        found = *at;
        *at = found->next;
        break;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (found == NULL ||
        (now_ms < found->until_ms && now_ms - found->since_ms < PN_FETCH_MAX_IDLE_MS))
        return found;
    pn_idle_free(found);
    return NULL;
}

void pn_idle_keep(struct pn_idle_pool *pool, struct pn_idle *idle)
{
    struct pn_idle *old;

    idle->since_ms = pn_clock_mono_ms();
    pthread_mutex_lock(&pool->mutex);
    idle->next = pool->idle;
    pool->idle = idle;
    old = cut_old(pool, idle->since_ms);
    if (pool->is_resting)
        pthread_cond_signal(&pool->changed);
    pool->is_resting = false;
    pthread_mutex_unlock(&pool->mutex);
    free_all(old);
}
