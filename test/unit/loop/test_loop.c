/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

struct world {
    struct pn_loop *loop;
    struct pn_err err;
    char order[64];
    size_t count;
};

static struct world world_new(void)
{
    struct world w = { 0 };

    CHECK_OK(pn_loop_new(&w.loop, &w.err), w.err);
    return w;
}

static void note(struct world *w, char what)
{
    CHECK(w->count < sizeof(w->order) - 1);
    w->order[w->count++] = what;
}

struct named_timer {
    struct pn_timer timer;
    struct world *world;
    char name;
    bool is_last;
    bool is_again;
};

static void on_timer(struct pn_timer *timer)
{
    struct named_timer *t = (struct named_timer *)timer;

    note(t->world, t->name);
    if (t->is_again) {
        t->is_again = false;
        pn_timer_start(t->world->loop, timer, 0);
    }
    if (t->is_last)
        pn_loop_stop(t->world->loop);
}

PN_TEST(timers_fire_in_order_of_their_due_time)
{
    struct world w = world_new();
    struct named_timer t[8] = { 0 };
    static const int after_ms[8] = { 7, 3, 1, 5, 2, 8, 4, 6 };

    for (int i = 0; i < 8; i++) {
        t[i] = (struct named_timer){ .timer.run = on_timer,
                                     .world = &w,
                                     .name = (char)('0' + after_ms[i]) };
        t[i].is_last = after_ms[i] == 8;
        pn_timer_start(w.loop, &t[i].timer, after_ms[i]);
    }
    pn_timer_stop(&t[3].timer); /* 5 */
    pn_timer_stop(&t[3].timer); /* stopping twice is fine */
    pn_loop_run(w.loop);
    CHECK_STR(pn_str_from(w.order), "1234678");
    pn_loop_free(w.loop);
}

PN_TEST(a_timer_that_restarts_itself_at_once_does_not_starve_the_loop)
{
    struct world w = world_new();
    struct named_timer a = { .timer.run = on_timer, .world = &w, .name = 'a', .is_again = true };
    struct named_timer b = { .timer.run = on_timer, .world = &w, .name = 'b' };
    struct named_timer z = { .timer.run = on_timer, .world = &w, .name = 'z', .is_last = true };

    pn_timer_start(w.loop, &a.timer, 0);
    pn_timer_start(w.loop, &b.timer, 0);
    pn_timer_start(w.loop, &z.timer, 20);
    pn_loop_run(w.loop);
    CHECK_EQ(w.count, 4);
    CHECK(w.order[3] == 'z');
    pn_loop_free(w.loop);
}

PN_TEST(the_heap_survives_many_starts_and_stops)
{
    struct world w = world_new();
    static struct named_timer t[500];
    unsigned random = 1;
    int left = 0;

    for (int i = 0; i < 500; i++)
        t[i] = (struct named_timer){ .timer.run = on_timer, .world = &w };
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;

        struct pn_timer *timer = &t[(random >> 8) % 500].timer;

        if (random & 0x40000000)
            pn_timer_stop(timer);
        else
            pn_timer_start(w.loop, timer, 1000 + (random >> 4) % 1000);
    }
    for (int i = 0; i < 500; i++) {
        left += t[i].timer.heap_at != 0;
        pn_timer_stop(&t[i].timer);
    }
    CHECK(left > 0);
    pn_loop_free(w.loop); /* asserts that the heap is empty */
}

PN_TEST(a_frozen_clock_moves_timers)
{
    pn_clock_freeze(0, 1000000);

    struct world w = world_new();
    struct named_timer t = { .timer.run = on_timer, .world = &w, .name = 'x', .is_last = true };

    pn_timer_start(w.loop, &t.timer, 3600 * 1000);
    pn_clock_advance(3600 * 1000);
    pn_loop_run(w.loop); /* returns at once: an hour has passed */
    CHECK_EQ(w.count, 1);
    pn_loop_free(w.loop);
    pn_clock_release();
}

struct named_task {
    struct pn_task task;
    struct world *world;
    char name;
    int again;
    struct pn_task *unsoon;
    bool is_last;
};

static void on_task(struct pn_task *task)
{
    struct named_task *t = (struct named_task *)task;

    note(t->world, t->name);
    if (t->unsoon != NULL)
        pn_loop_unsoon(t->world->loop, t->unsoon);
    if (t->again-- > 0)
        pn_loop_soon(t->world->loop, task);
    else if (t->is_last)
        pn_loop_stop(t->world->loop);
}

PN_TEST(soon_runs_once_in_order_and_again_in_the_next_iteration)
{
    struct world w = world_new();
    struct named_task a = {
        .task.run = on_task, .world = &w, .name = 'a', .again = 2, .is_last = true
    };
    struct named_task b = { .task.run = on_task, .world = &w, .name = 'b', .again = 1 };

    pn_loop_soon(w.loop, &a.task);
    pn_loop_soon(w.loop, &b.task);
    pn_loop_soon(w.loop, &a.task); /* queued already: nothing */
    pn_loop_run(w.loop);
    CHECK_STR(pn_str_from(w.order), "ababa");
    pn_loop_free(w.loop);
}

PN_TEST(a_soon_task_can_be_taken_back_also_from_the_batch_that_runs)
{
    struct world w = world_new();
    struct named_task c = { .task.run = on_task, .world = &w, .name = 'c' };
    struct named_task a = { .task.run = on_task, .world = &w, .name = 'a', .unsoon = &c.task };
    struct named_task b = { .task.run = on_task, .world = &w, .name = 'b' };
    struct named_task d = { .task.run = on_task, .world = &w, .name = 'd', .is_last = true };

    pn_loop_soon(w.loop, &a.task);
    pn_loop_soon(w.loop, &b.task);
    pn_loop_unsoon(w.loop, &b.task); /* the last of the list: its end must be mended */
    pn_loop_unsoon(w.loop, &b.task);
    pn_loop_soon(w.loop, &c.task);
    pn_loop_soon(w.loop, &d.task);
    pn_loop_run(w.loop);
    CHECK_STR(pn_str_from(w.order), "ad");
    pn_loop_free(w.loop);
}

#define POSTS 2000
struct counted_task {
    struct pn_task task;
    struct world *world;
};

static void on_counted(struct pn_task *task)
{
    struct counted_task *t = (struct counted_task *)task;

    pn_on_loop(t->world->loop);
    if (++t->world->count == 2 * POSTS)
        pn_loop_stop(t->world->loop);
}

static void *post_all(void *tasks_)
{
    struct counted_task *tasks = tasks_;

    for (int i = 0; i < POSTS; i++)
        pn_loop_post(tasks[i].world->loop, &tasks[i].task);
    return NULL;
}

PN_TEST(posts_from_two_threads_all_arrive_once)
{
    static struct counted_task tasks[2][POSTS];
    struct world w = world_new();
    pthread_t threads[2];

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < POSTS; i++)
            tasks[k][i] = (struct counted_task){ .task.run = on_counted, .world = &w };
    CHECK_OK(pn_loop_start(w.loop, "test", &w.err), w.err);
    for (int k = 0; k < 2; k++)
        CHECK_EQ(pthread_create(&threads[k], NULL, post_all, tasks[k]), 0);
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    pn_loop_join(w.loop);
    CHECK_EQ(w.count, 2 * POSTS);
    CHECK(!pn_loop_is_any());
    pn_loop_free(w.loop);
}

PN_TEST(free_runs_what_was_still_posted)
{
    struct world w = world_new();
    struct named_task a = { .task.run = on_task, .world = &w, .name = 'a' };

    pn_loop_post(w.loop, &a.task);
    pn_loop_free(w.loop);
    CHECK_EQ(w.count, 1);
}

struct watched {
    struct world *world;
    struct pn_poll *poll;
    int fd, peer;
    int calls;
    unsigned last;
    int close_after;
};

static void on_ready(void *owner, unsigned events)
{
    struct watched *x = owner;

    x->last = events;
    if (++x->calls == x->close_after) {
        pn_poll_close(x->poll, x->fd);
        pn_loop_stop(x->world->loop);
    }
}

static void watch_pair(struct watched *x)
{
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    x->fd = fds[0];
    x->peer = fds[1];
    CHECK_OK(pn_poll_new(x->world->loop, x->fd, on_ready, x, &x->poll, &x->world->err),
             x->world->err);
}

PN_TEST(readiness_is_level_triggered_and_closing_inside_the_call_works)
{
    struct world w = world_new();
    struct watched x = { .world = &w, .close_after = 5 };

    watch_pair(&x);
    CHECK_EQ(write(x.peer, "hello", 5), 5);
    pn_poll_want(x.poll, PN_POLL_READ);
    pn_loop_run(w.loop); /* nobody reads: called again and again */
    CHECK_EQ(x.calls, 5);
    CHECK_EQ(x.last, PN_POLL_READ);
    close(x.peer);
    pn_loop_free(w.loop);
}

PN_TEST(unwanted_events_stay_silent_until_wanted_again)
{
    struct world w = world_new();
    struct watched x = { .world = &w, .close_after = 1 };
    struct named_timer t = { .timer.run = on_timer, .world = &w, .name = 't', .is_last = true };

    watch_pair(&x);
    pn_poll_want(x.poll, PN_POLL_READ);
    pn_poll_want(x.poll, 0);
    CHECK_EQ(write(x.peer, "hello", 5), 5);
    pn_timer_start(w.loop, &t.timer, 10);
    pn_loop_run(w.loop);
    CHECK_EQ(x.calls, 0);
    pn_poll_want(x.poll, PN_POLL_READ | PN_POLL_WRITE);
    pn_loop_run(w.loop);
    CHECK_EQ(x.calls, 1);
    CHECK_EQ(x.last, PN_POLL_READ | PN_POLL_WRITE);
    close(x.peer);
    pn_loop_free(w.loop);
}

PN_TEST(a_vanished_peer_wakes_both_directions)
{
    struct world w = world_new();
    struct watched x = { .world = &w, .close_after = 1 };

    watch_pair(&x);
    close(x.peer);
    pn_poll_want(x.poll, PN_POLL_READ);
    pn_loop_run(w.loop);
    CHECK_EQ(x.calls, 1);
    pn_loop_free(w.loop);
}

static void on_signal(void *owner, int signal_number)
{
    struct world *w = owner;

    note(w, signal_number == SIGUSR1 ? 's' : '?');
    pn_loop_stop(w->loop);
}

PN_TEST(signals_arrive_on_the_loop)
{
    struct world w = world_new();

    CHECK_OK(pn_loop_on_signal(w.loop, SIGUSR1, on_signal, &w, &w.err), w.err);
    raise(SIGUSR1);
    pn_loop_run(w.loop);
    CHECK_STR(pn_str_from(w.order), "s");
    pn_loop_free(w.loop);
}

PN_TEST(leases_are_reused)
{
    struct world w = world_new();
    char *first = pn_loop_lease(w.loop);
    char *second = pn_loop_lease(w.loop);

    CHECK(first != second);
    pn_loop_unlease(w.loop, first);
    CHECK(pn_loop_lease(w.loop) == first);
    pn_loop_unlease(w.loop, first);
    pn_loop_unlease(w.loop, second);
    pn_loop_unlease(w.loop, NULL);
    first = pn_loop_lease_small(w.loop);
    pn_loop_unlease_small(w.loop, first);
    CHECK(pn_loop_lease_small(w.loop) == first);
    pn_loop_unlease_small(w.loop, first);
    pn_loop_unlease_small(w.loop, NULL);
    pn_loop_free(w.loop);
}

/* The poll sleeps while time goes on: what wakes the loop must not start timers by the old clock. */
struct sleeper {
    struct world *world;
    struct pn_task task;
    struct pn_poll *poll;
    int fds[2];
    int64_t seen_ms;
};

static void sleep_and_wake(struct pn_task *task)
{
    struct sleeper *x = pn_container_of(task, struct sleeper, task);

    pn_clock_freeze(1000, 61000);
    CHECK_EQ(write(x->fds[1], "!", 1), 1);
}

static void look(void *sleeper, unsigned events)
{
    struct sleeper *x = sleeper;

    (void)events;
    x->seen_ms = pn_loop_now_ms(x->world->loop);
    pn_poll_close(x->poll, x->fds[0]);
    pn_loop_stop(x->world->loop);
}

PN_TEST(the_clock_is_fresh_after_the_poll)
{
    struct world w = world_new();
    struct sleeper x = { .world = &w, .task = { .run = sleep_and_wake } };

    pn_clock_freeze(1000, 1000);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, x.fds), 0);
    CHECK_OK(pn_poll_new(w.loop, x.fds[0], look, &x, &x.poll, &w.err), w.err);
    pn_poll_want(x.poll, PN_POLL_READ);
    pn_loop_soon(w.loop, &x.task);
    pn_loop_run(w.loop);
    CHECK_EQ(x.seen_ms, 61000);
    pn_clock_release();
    close(x.fds[1]);
    pn_loop_free(w.loop);
}

/* Its numbers are soon another thread's, which knows nothing of it: no race, though the library closes them unseen. */
static void *open_some(void *is_gone)
{
    int fds[8];

    while (!__atomic_load_n((bool *)is_gone, __ATOMIC_RELAXED))
        sched_yield();
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        fds[i] =
            (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY); /* unseen too, as mkostemp */
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        close(fds[i]);
    return NULL;
}

PN_TEST(a_loops_descriptors_are_anybodys_when_it_is_gone)
{
    struct world w = world_new();
    struct named_task a = { .task.run = on_task, .world = &w, .name = 'a', .is_last = true };
    bool is_gone = false;
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, open_some, &is_gone), 0);
    pn_loop_post(w.loop, &a.task);
    pn_loop_run(w.loop);
    pn_loop_free(w.loop);
    __atomic_store_n(&is_gone, true, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

PN_TEST_MAIN(T(timers_fire_in_order_of_their_due_time),
             T(a_timer_that_restarts_itself_at_once_does_not_starve_the_loop),
             T(the_heap_survives_many_starts_and_stops), T(a_frozen_clock_moves_timers),
             T(soon_runs_once_in_order_and_again_in_the_next_iteration),
             T(a_soon_task_can_be_taken_back_also_from_the_batch_that_runs),
             T(posts_from_two_threads_all_arrive_once), T(free_runs_what_was_still_posted),
             T(readiness_is_level_triggered_and_closing_inside_the_call_works),
             T(unwanted_events_stay_silent_until_wanted_again),
             T(a_vanished_peer_wakes_both_directions), T(signals_arrive_on_the_loop),
             T(leases_are_reused), T(the_clock_is_fresh_after_the_poll),
             T(a_loops_descriptors_are_anybodys_when_it_is_gone))
