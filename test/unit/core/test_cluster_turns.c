/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/auth/cluster_turns.h"

#define MOST 4

static const struct pn_cluster_place here = { { 1 } }, elsewhere = { { 2 } };
static struct pn_cluster_turns *turns;
static struct pn_err err;

/* The real clock is past this one: who has to wait has waited long enough at once. */
static int set_up(void **state)
{
    (void)state;
    pn_clock_freeze(1, 1);
    turns = pn_cluster_turns_new(MOST);
    err = (struct pn_err){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pn_cluster_turns_free(turns); /* asserts that nothing is left */
    pn_clock_release();
    return 0;
}

static bool take(const struct pn_cluster_place *place)
{
    return pn_cluster_turns_take(turns, place, INT64_MAX, &err);
}

static void take_all(void)
{
    for (int i = 0; i < MOST; i++)
        CHECK_OK(take(&here), err);
}

static void give_all(void)
{
    for (int i = 0; i < MOST; i++)
        pn_cluster_turns_give(turns, &here, false);
}

PN_TEST(a_cluster_takes_its_share_and_no_more)
{
    take_all();
    CHECK_FAILS(take(&here), err, BUSY);
    CHECK_OK(take(&elsewhere), err);
    pn_cluster_turns_give(turns, &elsewhere, true);
    give_all();
    CHECK_OK(take(&here), err);
    pn_cluster_turns_give(turns, &here, true);
}

PN_TEST(a_stuck_cluster_refuses_at_once_until_it_answers)
{
    take_all();
    CHECK_FAILS(take(&here), err, BUSY);
    pn_clock_freeze(1, INT64_C(1) << 40); /* a wait would not end */
    CHECK_FAILS(take(&here), err, BUSY);
    pn_cluster_turns_give(turns, &here,
                          false); /* timed out: its turn is free, and the next tries */
    CHECK_OK(take(&here), err);
    CHECK_FAILS(take(&here), err, BUSY);
    pn_cluster_turns_give(turns, &here, true);
    CHECK_OK(take(&here), err);
    pn_clock_freeze(1, 1); /* it has answered: patience again, in vain */
    CHECK_FAILS(take(&here), err, BUSY);
    give_all();
}

PN_TEST(the_deadline_of_the_call_ends_the_wait)
{
    pn_clock_freeze(1, INT64_C(1) << 40);
    take_all();
    CHECK_FAILS(pn_cluster_turns_take(turns, &here, 1, &err), err, BUSY);
    give_all();
}

PN_TEST(there_is_always_one_turn)
{
    struct pn_cluster_turns *one = pn_cluster_turns_new(0);

    CHECK_OK(pn_cluster_turns_take(one, &here, INT64_MAX, &err), err);
    CHECK_FAILS(pn_cluster_turns_take(one, &here, INT64_MAX, &err), err, BUSY);
    pn_cluster_turns_give(one, &here, false);
    pn_cluster_turns_free(one);
}

static void *take_one(void *failed)
{
    struct pn_err why = { 0 };

    if (!pn_cluster_turns_take(turns, &here, INT64_MAX, &why))
        __atomic_add_fetch((int *)failed, 1, __ATOMIC_SEQ_CST);
    else
        pn_cluster_turns_give(turns, &here, true);
    return NULL;
}

PN_TEST(while_it_answers_nobody_is_refused)
{
    pthread_t threads[16];
    int failed = 0;

    pn_clock_freeze(1, INT64_C(1) << 40); /* patience without end: only a turn ends a wait */
    take_all();
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, take_one, &failed), 0);
    for (int i = 0; i < MOST; i++)
        pn_cluster_turns_give(turns, &here, true);
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(failed, 0);
}

/* ---- the line of those who wait ---- */

struct waiting {
    pthread_t thread;
    int64_t until_ms;
    _Atomic int tid;
    bool has_turn;
    atomic_bool is_over;
};

static void *wait_in_line(void *waiting_)
{
    struct waiting *w = waiting_;
    struct pn_err why = { 0 };

    atomic_store(&w->tid, gettid());
    w->has_turn = pn_cluster_turns_take(turns, &here, w->until_ms, &why);
    atomic_store(&w->is_over, true);
    return NULL;
}

static char state_of(int tid)
{
    char path[64], line[256] = "";
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    if ((stat = fopen(path, "r")) == NULL)
        return 'X';
    (void)!fgets(line, sizeof(line), stat);
    fclose(stat);
    return strrchr(line, ')') != NULL ? strrchr(line, ')')[2] : 'X';
}

/* Comes back when it sleeps, for nothing but the line makes it; or when it has done so for long enough. */
static void begin_to_wait_until(struct waiting *w, int64_t until_ms)
{
    *w = (struct waiting){ .until_ms = until_ms };
    CHECK_EQ(pthread_create(&w->thread, NULL, wait_in_line, w), 0);
    while (!atomic_load(&w->is_over) && (atomic_load(&w->tid) == 0 || state_of(w->tid) != 'S'))
        sched_yield();
}

static void begin_to_wait(struct waiting *w)
{
    begin_to_wait_until(w, INT64_MAX);
}

PN_TEST(who_comes_later_does_not_overtake)
{
    struct waiting first, second;

    pn_clock_freeze(1, INT64_C(1) << 40);
    take_all();
    begin_to_wait(&first);
    begin_to_wait(&second);
    pn_cluster_turns_give(turns, &here, true);
    pn_clock_freeze(1, 1); /* who comes now does not wait */
    CHECK_FAILS(take(&here), err, BUSY);
    CHECK_EQ(pthread_join(first.thread, NULL), 0);
    CHECK(first.has_turn);
    CHECK_EQ(pthread_join(second.thread, NULL),
             0); /* nothing came back while the last one was there */
    CHECK(!second.has_turn);
    give_all();
}

static int64_t real_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A turn comes back to the first of two while the other waits so long, in vain. False: it came back too late for both. */
static bool comes_back_to_one_of_two(int64_t patience_ms)
{
    struct waiting first, unlucky;

    take_all();
    begin_to_wait(&first);
    begin_to_wait_until(&unlucky, real_ms() + patience_ms);
    pn_cluster_turns_give(turns, &here, true);
    CHECK_EQ(pthread_join(first.thread, NULL), 0);
    CHECK_EQ(pthread_join(unlucky.thread, NULL), 0);
    CHECK(!unlucky.has_turn);
    for (int i = 1; i < MOST && !first.has_turn; i++)
        pn_cluster_turns_give(turns, &here, false);
    return first.has_turn;
}

PN_TEST(a_cluster_that_is_only_busy_is_not_stuck)
{
    struct waiting last;
    int64_t patience_ms = 250;

    pn_clock_freeze(1, INT64_C(1) << 40);
    while (!comes_back_to_one_of_two(patience_ms)) {
        patience_ms *= 2; /* what a busy machine takes to come here */
        CHECK(patience_ms < 20000);
    }
    begin_to_wait(&last); /* would come back at once if it were stuck */
    pn_cluster_turns_give(turns, &here, true);
    CHECK_EQ(pthread_join(last.thread, NULL), 0);
    CHECK(last.has_turn);
    give_all();
}

#define TURNS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(TURNS_TEST(a_cluster_takes_its_share_and_no_more),
             TURNS_TEST(a_stuck_cluster_refuses_at_once_until_it_answers),
             TURNS_TEST(the_deadline_of_the_call_ends_the_wait),
             TURNS_TEST(there_is_always_one_turn), TURNS_TEST(while_it_answers_nobody_is_refused),
             TURNS_TEST(who_comes_later_does_not_overtake),
             TURNS_TEST(a_cluster_that_is_only_busy_is_not_stuck))
