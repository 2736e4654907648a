/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <uv.h>

#include "base/clock.h"
#include "sys/sys.h"

#define LEASES_KEPT 16

struct signal_watch {
    uv_signal_t handle;
    void (*run)(void *owner, int signal_number);
    void *owner;
    struct signal_watch *next;
};

/* Blocks of one size that were given back. */
struct pool {
    char *blocks[LEASES_KEPT];
    size_t count;
};

struct pn_loop {
    uv_loop_t uv;
    uv_async_t wake;      /* somebody posted, or wants us to stop */
    uv_prepare_t prepare; /* before each poll: due timers, then soon tasks */
    uv_idle_t idle;       /* active while soon tasks remain: the poll must not sleep */
    uv_timer_t alarm;     /* the earliest timer of the heap */
    int64_t alarm_due_ms; /* what `alarm` is set to; 0 = not set */
    int64_t now_ms;
    bool has_polled;  /* since now_ms was read: the poll may have slept long */
    pthread_t thread; /* whose we are */
    pthread_t worker; /* of pn_loop_start */
    char name[16];
    struct pn_task *posted; /* atomic stack, newest first */
    bool is_stopping;       /* atomic */
    struct pn_task *soon, **soon_end;
    struct pn_task *batch; /* soon tasks of this iteration that have not run yet */
    struct pn_timer **heap;
    size_t heap_count, heap_room;
    struct signal_watch *signals;
    char *scratch;
    struct pool large, small;
};

struct pn_poll {
    uv_poll_t handle;
    pn_poll_fn *ready;
    void *owner;
    unsigned wanted; /* by the owner */
    unsigned armed;  /* in the kernel: a superset, until something unwanted fires */
    bool is_closed;
};

static __thread struct pn_loop *running; /* the loop this thread is running */

/* ---- timers: a binary heap, earliest first ---- */

static void heap_place(struct pn_loop *loop, struct pn_timer *timer, size_t at)
{
    loop->heap[at] = timer;
    timer->heap_at = at + 1;
}

static void heap_up(struct pn_loop *loop, struct pn_timer *timer, size_t at)
{
    while (at > 0) {
        struct pn_timer *parent = loop->heap[(at - 1) / 2];

        if (parent->due_ms <= timer->due_ms)
            break;
        heap_place(loop, parent, at);
        at = (at - 1) / 2;
    }
    heap_place(loop, timer, at);
}

static void heap_down(struct pn_loop *loop, struct pn_timer *timer, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= loop->heap_count)
            break;
        if (child + 1 < loop->heap_count &&
            loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms)
            child++;
        if (timer->due_ms <= loop->heap[child]->due_ms)
            break;
        heap_place(loop, loop->heap[child], at);
        at = child;
    }
    heap_place(loop, timer, at);
}

void pn_timer_start(struct pn_loop *loop, struct pn_timer *timer, int64_t after_ms)
{
    pn_on_loop(loop);
    pn_timer_stop(timer);
    if (loop->heap_count == loop->heap_room) {
        size_t room = loop->heap_room == 0 ? 16 : loop->heap_room * 2;

        loop->heap = pn_heap_grow(loop->heap, loop->heap_room * sizeof(*loop->heap),
                                  room * sizeof(*loop->heap));
        loop->heap_room = room;
    }
    timer->loop = loop;
    timer->due_ms = loop->now_ms + (after_ms > 0 ? after_ms : 0);
    heap_up(loop, timer, loop->heap_count++);
}

void pn_timer_stop(struct pn_timer *timer)
{
    if (timer->heap_at == 0)
        return;

    struct pn_loop *loop = timer->loop;
    size_t at = timer->heap_at - 1;
    struct pn_timer *last = loop->heap[--loop->heap_count];

    pn_on_loop(loop);
    timer->heap_at = 0;
    if (last == timer)
        return;
    if (at > 0 && last->due_ms < loop->heap[(at - 1) / 2]->due_ms)
        heap_up(loop, last, at);
    else
        heap_down(loop, last, at);
}

/* A timer that starts itself again with 0 ms waits for the next iteration: `due` is fixed here. */
static void run_due_timers(struct pn_loop *loop)
{
    size_t budget = loop->heap_count;

    while (budget-- > 0 && loop->heap_count > 0 && loop->heap[0]->due_ms <= loop->now_ms) {
        struct pn_timer *timer = loop->heap[0];

        pn_timer_stop(timer);
        timer->run(timer);
    }
}

static void on_alarm(uv_timer_t *alarm)
{
    ((struct pn_loop *)alarm->data)->alarm_due_ms = 0; /* it only wakes us: prepare does the work */
}

static void set_alarm(struct pn_loop *loop)
{
    if (loop->heap_count == 0) {
        if (loop->alarm_due_ms != 0)
            uv_timer_stop(&loop->alarm);
        loop->alarm_due_ms = 0;
        return;
    }

    int64_t due_ms = loop->heap[0]->due_ms;
    int64_t after_ms = due_ms - loop->now_ms;

    /* An alarm that rings too early is harmless and cheaper than setting it anew each time. */
    if (loop->alarm_due_ms != 0 && loop->alarm_due_ms <= due_ms)
        return;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, after_ms > 0 ? (uint64_t)after_ms : 0, 0);
    loop->alarm_due_ms = due_ms;
}

/* ---- tasks ---- */

void pn_loop_post(struct pn_loop *loop, struct pn_task *task)
{
    if (__atomic_exchange_n(&task->is_queued, true, __ATOMIC_ACQ_REL))
        return;

    struct pn_task *head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);

    do
        task->next = head;
    while (!__atomic_compare_exchange_n(&loop->posted, &head, task, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    if (head == NULL)
        uv_async_send(&loop->wake);
}

static void run_posted(struct pn_loop *loop)
{
    struct pn_task *newest = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    struct pn_task *oldest = NULL;

    while (newest != NULL) {
        struct pn_task *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct pn_task *task = oldest;

        oldest = task->next;
        __atomic_store_n(&task->is_queued, false, __ATOMIC_RELEASE);
        task->run(task);
    }
}

/* First line of what the poll calls. A timer started from an old clock would be due at once. */
static void look_at_clock(struct pn_loop *loop)
{
    if (!loop->has_polled)
        return;
    loop->has_polled = false;
    loop->now_ms = pn_clock_mono_ms();
}

static void on_wake(uv_async_t *wake)
{
    struct pn_loop *loop = wake->data;

    look_at_clock(loop);
    run_posted(loop);
    if (__atomic_load_n(&loop->is_stopping, __ATOMIC_ACQUIRE))
        uv_stop(&loop->uv);
}

void pn_loop_soon(struct pn_loop *loop, struct pn_task *task)
{
    pn_on_loop(loop);
    if (task->is_queued)
        return;
    task->is_queued = true;
    task->next = NULL;
    *loop->soon_end = task;
    loop->soon_end = &task->next;
}

static bool unlink_task(struct pn_task **at, struct pn_task *task)
{
    while (*at != NULL && *at != task)
        at = &(*at)->next;
    if (*at == NULL)
        return false;
    *at = task->next;
    return true;
}

void pn_loop_unsoon(struct pn_loop *loop, struct pn_task *task)
{
    if (!task->is_queued)
        return;
    pn_on_loop(loop);
    task->is_queued = false;
    if (unlink_task(&loop->batch, task))
        return;
    pn_assert(unlink_task(&loop->soon, task));
    if (loop->soon_end == &task->next) {
        loop->soon_end = &loop->soon;
        while (*loop->soon_end != NULL)
            loop->soon_end = &(*loop->soon_end)->next;
    }
}

static void run_soon(struct pn_loop *loop)
{
    loop->batch = loop->soon;
    loop->soon = NULL;
    loop->soon_end = &loop->soon;
    while (loop->batch != NULL) {
        struct pn_task *task = loop->batch;

        loop->batch = task->next;
        task->is_queued = false;
        task->run(task);
    }
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active makes the poll return at once */
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct pn_loop *loop = prepare->data;

    loop->now_ms = pn_clock_mono_ms();
    loop->has_polled = false;
    run_due_timers(loop);
    run_soon(loop);
    if (loop->soon != NULL)
        uv_idle_start(&loop->idle, on_idle);
    else
        uv_idle_stop(&loop->idle);
    set_alarm(loop);
    loop->has_polled = true;
}

/* ---- life ---- */

bool pn_loop_new(struct pn_loop **out, struct pn_err *err)
{
    struct pn_loop *loop = pn_heap_new(sizeof(*loop));
    int code = uv_loop_init(&loop->uv);

    if (code < 0) {
        pn_heap_free(loop);
        return pn_fail_cause(err, PN_IO, -code, "no event loop: %s", uv_strerror(code));
    }
    code = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (code < 0) {
        uv_loop_close(&loop->uv);
        pn_heap_free(loop);
        return pn_fail_cause(err, PN_IO, -code, "no event loop: %s", uv_strerror(code));
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->wake.data = loop->prepare.data = loop->idle.data = loop->alarm.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    loop->uv.data = loop;
    loop->soon_end = &loop->soon;
    loop->now_ms = pn_clock_mono_ms();
    loop->thread = pthread_self();
    loop->scratch = pn_heap_new(PN_LOOP_SCRATCH_BYTES + 4096);
    *out = loop;
    return true;
}

void pn_loop_run(struct pn_loop *loop)
{
    struct pn_loop *outer = running;

    __atomic_store_n(&loop->thread, pthread_self(), __ATOMIC_RELEASE);
    running = loop;
    loop->now_ms = pn_clock_mono_ms();
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    __atomic_store_n(&loop->is_stopping, false, __ATOMIC_RELEASE);
    running = outer;
}

static void *run_thread(void *loop_)
{
    struct pn_loop *loop = loop_;

    pthread_setname_np(pthread_self(), loop->name);
    pn_loop_run(loop);
    return NULL;
}

bool pn_loop_start(struct pn_loop *loop, const char *name, struct pn_err *err)
{
    sigset_t all, before;

    for (size_t i = 0; i < sizeof(loop->name) - 1 && name[i] != '\0'; i++)
        loop->name[i] = name[i];
    sigfillset(&all); /* signals go to the loop that watches them, through libuv's pipe */
    pthread_sigmask(SIG_SETMASK, &all, &before);

    int code = pthread_create(&loop->worker, NULL, run_thread, loop);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return pn_fail_cause(err, PN_IO, code, "no thread for an event loop");
    return true;
}

void pn_loop_stop(struct pn_loop *loop)
{
    if (running == loop) {
        uv_stop(&loop->uv);
        return;
    }
    __atomic_store_n(&loop->is_stopping, true, __ATOMIC_RELEASE);
    uv_async_send(&loop->wake);
}

void pn_loop_join(struct pn_loop *loop)
{
    pthread_join(loop->worker, NULL);
    loop->thread = pthread_self();
}

static void close_own(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Once round without waiting; a pending stop would only skip one. */
static void turn(struct pn_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void pn_loop_drain(struct pn_loop *loop)
{
    struct pn_loop *outer = running;

    pn_on_loop(loop);
    running = loop;
    /* Each round may cause another. */
    for (int round = 0; round < 100; round++) {
        run_posted(loop);
        turn(loop);
        if (loop->soon == NULL && __atomic_load_n(&loop->posted, __ATOMIC_ACQUIRE) == NULL)
            break;
    }
    running = outer;
}

static void empty(struct pool *pool)
{
    while (pool->count > 0)
        pn_heap_free(pool->blocks[--pool->count]);
}

/* libuv's own, which it closes with the loop. */
static void forget_descriptors(const uv_loop_t *uv)
{
    const int fds[] = { uv_backend_fd(uv), uv->async_io_watcher.fd, uv->signal_pipefd[0],
                        uv->signal_pipefd[1] };

    for (size_t i = 0; i < PN_COUNT(fds); i++)
        pn_fd_closes_unseen(fds[i]);
}

void pn_loop_free(struct pn_loop *loop)
{
    if (loop == NULL)
        return;
    pn_on_loop(loop);

    struct pn_loop *outer = running;

    pn_loop_drain(loop);
    running = loop;
    pn_assert(loop->heap_count == 0); /* somebody forgot a timer */
    for (struct signal_watch *watch = loop->signals; watch != NULL; watch = watch->next)
        close_own((uv_handle_t *)&watch->handle);
    close_own((uv_handle_t *)&loop->wake);
    close_own((uv_handle_t *)&loop->prepare);
    close_own((uv_handle_t *)&loop->idle);
    close_own((uv_handle_t *)&loop->alarm);
    turn(loop);
    running = outer;
    forget_descriptors(&loop->uv);
    pn_assert(uv_loop_close(&loop->uv) == 0); /* somebody forgot a descriptor */

    for (struct signal_watch *watch = loop->signals; watch != NULL;) {
        struct signal_watch *next = watch->next;

        pn_heap_free(watch);
        watch = next;
    }
    empty(&loop->large);
    empty(&loop->small);
    pn_heap_free(loop->heap);
    pn_heap_free(loop->scratch);
    pn_heap_free(loop);
}

bool pn_loop_is_current(const struct pn_loop *loop)
{
    return pthread_equal(__atomic_load_n(&loop->thread, __ATOMIC_ACQUIRE), pthread_self());
}

bool pn_loop_is_any(void)
{
    return running != NULL;
}

int64_t pn_loop_now_ms(const struct pn_loop *loop)
{
    return loop->now_ms;
}

char *pn_loop_scratch(struct pn_loop *loop)
{
    return loop->scratch;
}

static char *take(struct pool *pool, size_t size)
{
    return pool->count > 0 ? pool->blocks[--pool->count] : pn_heap_new(size);
}

static void give_back(struct pool *pool, char *block)
{
    if (block != NULL && pool->count < LEASES_KEPT)
        pool->blocks[pool->count++] = block;
    else
        pn_heap_free(block);
}

char *pn_loop_lease(struct pn_loop *loop)
{
    pn_on_loop(loop);
    return take(&loop->large, PN_LOOP_LEASE_BYTES);
}

void pn_loop_unlease(struct pn_loop *loop, char *block)
{
    give_back(&loop->large, block);
}

char *pn_loop_lease_small(struct pn_loop *loop)
{
    pn_on_loop(loop);
    return take(&loop->small, PN_LOOP_SMALL_BYTES);
}

void pn_loop_unlease_small(struct pn_loop *loop, char *block)
{
    give_back(&loop->small, block);
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

/*
 * Tells the kernel. Interest is given up lazily (see on_poll): switching reading off and on again
 * around each request would cost two system calls a time and usually nothing arrives in between.
 */
static void arm(struct pn_poll *poll, unsigned events)
{
    int wanted =
        ((events & PN_POLL_READ) ? UV_READABLE : 0) | ((events & PN_POLL_WRITE) ? UV_WRITABLE : 0);

    poll->armed = events;
    if (events == 0)
        uv_poll_stop(&poll->handle);
    else
        pn_assert(uv_poll_start(&poll->handle, wanted, on_poll) == 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct pn_poll *poll = handle->data;
    unsigned fired = ((events & UV_READABLE) ? PN_POLL_READ : 0U) |
                     ((events & UV_WRITABLE) ? PN_POLL_WRITE : 0U);

    look_at_clock(handle->loop->data);
    if (status < 0) { /* the descriptor has an error and libuv has stopped: the next call tells */
        fired = poll->armed;
        poll->armed = 0;
    }
    if (fired & poll->wanted)
        poll->ready(poll->owner, fired & poll->wanted);
    if (poll->is_closed)
        return;
    if ((fired & ~poll->wanted) || (poll->wanted & ~poll->armed))
        arm(poll, poll->wanted);
}

bool pn_poll_new(struct pn_loop *loop, int fd, pn_poll_fn *ready, void *owner, struct pn_poll **out,
                 struct pn_err *err)
{
    struct pn_poll *poll = pn_heap_new(sizeof(*poll));
    int code;

    pn_on_loop(loop);
    code = uv_poll_init(&loop->uv, &poll->handle, fd);
    if (code < 0) {
        pn_heap_free(poll);
        return pn_fail_cause(err, PN_IO, -code, "cannot watch a descriptor: %s", uv_strerror(code));
    }
    poll->handle.data = poll;
    poll->ready = ready;
    poll->owner = owner;
    *out = poll;
    return true;
}

void pn_poll_want(struct pn_poll *poll, unsigned events)
{
    poll->wanted = events;
    if (events & ~poll->armed)
        arm(poll, events);
}

static void on_poll_closed(uv_handle_t *handle)
{
    pn_heap_free(handle->data);
}

void pn_poll_close(struct pn_poll *poll, int fd_to_close)
{
    if (poll == NULL)
        return;
    pn_assert(!poll->is_closed);
    poll->is_closed = true;
    poll->wanted = 0;
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed); /* takes fd out of epoll right here */
    if (fd_to_close >= 0)
        close(fd_to_close);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct signal_watch *watch = handle->data;

    look_at_clock(handle->loop->data);
    watch->run(watch->owner, signal_number);
}

bool pn_loop_on_signal(struct pn_loop *loop, int signal_number,
                       void (*run)(void *owner, int signal_number), void *owner, struct pn_err *err)
{
    struct signal_watch *watch = pn_heap_new(sizeof(*watch));
    int code;

    pn_on_loop(loop);
    uv_signal_init(&loop->uv, &watch->handle);
    watch->handle.data = watch;
    watch->run = run;
    watch->owner = owner;
    watch->next = loop->signals;
    loop->signals = watch;
    code = uv_signal_start(&watch->handle, on_signal, signal_number);
    if (code < 0)
        return pn_fail_cause(err, PN_IO, -code, "cannot watch signal %d: %s", signal_number,
                             uv_strerror(code));
    return true;
}
