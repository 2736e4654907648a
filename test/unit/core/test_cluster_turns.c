/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
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
    _Atomic int tid;
    bool has_turn;
};

static void *wait_in_line(void *waiting_)
{
    struct waiting *w = waiting_;
    struct pn_err why = { 0 };

    atomic_store(&w->tid, gettid());
    w->has_turn = pn_cluster_turns_take(turns, &here, INT64_MAX, &why);
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

/* Comes back when it sleeps: nothing but the line makes it. */
static void begin_to_wait(struct waiting *w)
{
    *w = (struct waiting){ 0 };
    CHECK_EQ(pthread_create(&w->thread, NULL, wait_in_line, w), 0);
    while (atomic_load(&w->tid) == 0 || state_of(w->tid) != 'S')
        sched_yield();
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

/* A quarter of a second is waited for. */
PN_TEST(a_cluster_that_is_only_busy_is_not_stuck)
{
    struct waiting first, unlucky, last;

    pn_clock_freeze(1, INT64_C(1) << 40);
    take_all();
    begin_to_wait(&first);
    pn_clock_release();
    begin_to_wait(&unlucky);
    pn_cluster_turns_give(turns, &here, true);
    CHECK_EQ(pthread_join(first.thread, NULL), 0);
    CHECK_EQ(pthread_join(unlucky.thread, NULL), 0);
    CHECK(first.has_turn && !unlucky.has_turn);
    pn_clock_freeze(1, INT64_C(1) << 40);
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
