/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_LOOP_LOOP_H
#define PN_LOOP_LOOP_H

#include "base/base.h"
#include "base/err.h"

/*
 * An event loop: one thread that owns sockets, timers and everything attached to them. The only
 * code that knows libuv. A loop thread never blocks.
 */
struct pn_loop;

/*
 * A loop belongs to the thread that made it, until it runs: then to the one that runs it, and after
 * pn_loop_join to the one that joined. What lives on it may be made and freed by its thread only.
 */
bool pn_loop_new(struct pn_loop **out, struct pn_err *err) PN_CHECKED;
/*
 * After it has stopped: runs what was still posted. For owners of several loops that post to each other:
 * drain all, then free what lives on them, then free the loops.
 */
void pn_loop_drain(struct pn_loop *loop);
/* After it has stopped; everything that lived on it has been closed. Drains first. */
void pn_loop_free(struct pn_loop *loop);
/* Runs in the calling thread until pn_loop_stop. */
void pn_loop_run(struct pn_loop *loop);
/* Runs in a thread of its own; pn_loop_join waits for its end after pn_loop_stop. */
bool pn_loop_start(struct pn_loop *loop, const char *name, struct pn_err *err) PN_CHECKED;
void pn_loop_stop(struct pn_loop *loop); /* any thread */
void pn_loop_join(struct pn_loop *loop);

/* Asserts of where we are: first line of whoever minds. */
bool pn_loop_is_current(const struct pn_loop *loop);
#define pn_on_loop(loop) pn_assert(pn_loop_is_current(loop))
#define pn_on_worker() pn_assert(!pn_loop_is_any())
bool pn_loop_is_any(void); /* is this thread some loop's? */
/* Milliseconds of the monotonic clock, read once per iteration. */
int64_t pn_loop_now_ms(const struct pn_loop *loop);
/* Memory shared by everything on the loop for the length of one callback: 64 KiB + one page. */
#define PN_LOOP_SCRATCH_BYTES ((size_t)(64 * 1024))
char *pn_loop_scratch(struct pn_loop *loop);
/*
 * A block for bytes that wait: taken only while they wait, so that idle connections hold none. The
 * loop keeps a few for the next who asks. Room for four full TLS records.
 */
#define PN_LOOP_LEASE_BYTES ((size_t)(68 * 1024))
char *pn_loop_lease(struct pn_loop *loop);
void pn_loop_unlease(struct pn_loop *loop, char *block); /* NULL is fine */
/* The same for a head and a short body. */
#define PN_LOOP_SMALL_BYTES ((size_t)4096)
char *pn_loop_lease_small(struct pn_loop *loop);
void pn_loop_unlease_small(struct pn_loop *loop, char *block);

/*
 * A piece of work on a loop; embedded in its owner, owned by the owner. Posting (any thread) or
 * scheduling (pn_loop_soon: this loop's thread only; runs before the loop polls again) a task that
 * is already queued does nothing.
 */
struct pn_task {
    void (*run)(struct pn_task *task);
    struct pn_task *next;
    bool is_queued;
};
void pn_loop_post(struct pn_loop *loop, struct pn_task *task);
void pn_loop_soon(struct pn_loop *loop, struct pn_task *task);
/* Takes a task out again (this loop's thread; only for tasks given to pn_loop_soon). */
void pn_loop_unsoon(struct pn_loop *loop, struct pn_task *task);

/* A timer; embedded in its owner. Heap of the loop: starting and stopping cost O(log n), no system call. */
struct pn_timer {
    void (*run)(struct pn_timer *timer);
    struct pn_loop *loop; /* NULL until first started */
    int64_t due_ms;
    size_t heap_at; /* position + 1; 0 = not running */
};
void pn_timer_start(struct pn_loop *loop, struct pn_timer *timer, int64_t after_ms);
void pn_timer_stop(struct pn_timer *timer);

/* Readiness of a descriptor. The memory goes back to the loop in pn_poll_close, the descriptor stays. */
struct pn_poll;
enum { PN_POLL_READ = 1, PN_POLL_WRITE = 2 };
typedef void pn_poll_fn(void *owner, unsigned events);
bool pn_poll_new(struct pn_loop *loop, int fd, pn_poll_fn *ready, void *owner, struct pn_poll **out,
                 struct pn_err *err) PN_CHECKED;
void pn_poll_want(struct pn_poll *poll, unsigned events); /* 0 = sleep; cheap when unchanged */
/* Stops at once; closes `fd_to_close` (or -1) when the loop has let go of it. */
void pn_poll_close(struct pn_poll *poll, int fd_to_close);

/* Signals, delivered on the loop; until pn_loop_free. */
bool pn_loop_on_signal(struct pn_loop *loop, int signal_number,
                       void (*run)(void *owner, int signal_number), void *owner, struct pn_err *err)
    PN_CHECKED;

#endif
