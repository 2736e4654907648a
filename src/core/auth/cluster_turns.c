/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/cluster_turns.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"

/* On the stack of who waits. */
struct waiter {
    struct waiter *next;
    bool has_turn;
};

/* There is one while somebody is there or waits: never more of them than workers. */
struct place {
    unsigned taken;
    struct waiter *first; /* who came first is first */
    unsigned given;       /* turns that came back, of those who wait */
    bool is_stuck;
};

struct pn_cluster_turns {
    pthread_mutex_t mutex;
    pthread_cond_t given;
    unsigned most;
    struct pn_map *places; /* pn_cluster_place → place */
};

struct pn_cluster_turns *pn_cluster_turns_new(unsigned most)
{
    struct pn_cluster_turns *t = pn_heap_new(sizeof(*t));
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
    t->most = most > 0 ? most : 1;
    t->places = pn_map_new();
    return t;
}

void pn_cluster_turns_free(struct pn_cluster_turns *t)
{
    if (t == NULL)
        return;
    pn_assert(pn_map_count(t->places) == 0);
    pn_map_free(t->places);
    pthread_cond_destroy(&t->given);
    pthread_mutex_destroy(&t->mutex);
    pn_heap_free(t);
}

static struct pn_str text_of(const struct pn_cluster_place *place)
{
    return pn_str_of(place->bytes, sizeof(place->bytes));
}

static struct place *find_or_make(struct pn_cluster_turns *t, struct pn_str key)
{
    struct place *p = pn_map_get(t->places, key);

    if (p == NULL) {
        p = pn_heap_new(sizeof(*p));
        (void)pn_map_put(t->places, key, p);
    }
    return p;
}

static void forget_if_empty(struct pn_cluster_turns *t, struct pn_str key, struct place *p)
{
    if (p->taken > 0 || p->first != NULL)
        return;
    (void)pn_map_remove(t->places, key);
    pn_heap_free(p);
}

static struct waiter **end_of_line(struct place *p)
{
    struct waiter **at = &p->first;

    while (*at != NULL)
        at = &(*at)->next;
    return at;
}

static void leave_line(struct place *p, const struct waiter *who)
{
    struct waiter **at = &p->first;

    while (*at != who)
        at = &(*at)->next;
    *at = who->next;
}

/* Nobody who comes later overtakes. Where no turn at all came back meanwhile, who waited in vain says so to all. */
static bool wait_for_turn(struct pn_cluster_turns *t, struct place *p, int64_t until_ms)
{
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = (until_ms % 1000) * 1000000 };
    const unsigned given = p->given;
    struct waiter me = { 0 };

    *end_of_line(p) = &me;
    while (!me.has_turn && !p->is_stuck &&
           pthread_cond_timedwait(&t->given, &t->mutex, &until) == 0)
        continue;
    if (me.has_turn)
        return true;
    leave_line(p, &me);
    if (!p->is_stuck && p->given == given) {
        p->is_stuck = true;
        pthread_cond_broadcast(&t->given);
    }
    return false;
}

bool pn_cluster_turns_take(struct pn_cluster_turns *t, const struct pn_cluster_place *place,
                           int64_t deadline_ms, struct pn_err *err)
{
    int64_t until_ms = pn_clock_mono_ms() + PN_TURN_PATIENCE_MS;
    struct place *p;
    bool may;

    pthread_mutex_lock(&t->mutex);
    p = find_or_make(t, text_of(place));
    may = p->taken < t->most;
    p->taken += may;
    if (!may && !p->is_stuck)
        may = wait_for_turn(t, p, until_ms < deadline_ms ? until_ms : deadline_ms);
    forget_if_empty(t, text_of(place), p);
    pthread_mutex_unlock(&t->mutex);
    return may ||
           pn_fail(err, PN_BUSY,
                   "The cluster does not answer, and others wait for it already. Try again in"
                   " a moment");
}

/* To who waits longest, or back. */
static void hand_over(struct pn_cluster_turns *t, struct place *p)
{
    struct waiter *first = p->first;

    if (first == NULL) {
        p->taken--;
        return;
    }
    p->first = first->next;
    first->has_turn = true;
    pthread_cond_broadcast(&t->given);
}

void pn_cluster_turns_give(struct pn_cluster_turns *t, const struct pn_cluster_place *place,
                           bool has_answered)
{
    struct place *p;

    pthread_mutex_lock(&t->mutex);
    p = pn_map_get(t->places, text_of(place));
    pn_assert(p != NULL && p->taken > 0);
    p->is_stuck = p->is_stuck && !has_answered;
    p->given++;
    hand_over(t, p);
    forget_if_empty(t, text_of(place), p);
    pthread_mutex_unlock(&t->mutex);
}
