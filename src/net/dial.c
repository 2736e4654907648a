/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/resolve.h"

struct pn_dial {
    struct pn_loop *loop;
    struct pn_endpoint to;
    pn_dial_fn *done;
    void *owner;
    int64_t due_ms;
    struct pn_timer timer; /* the whole, or this address's share of it */
    struct pn_task soon;
    struct pn_resolve *resolve;
    struct pn_addresses addresses;
    size_t at; /* the address being tried, + 1 */
    struct pn_poll *poll;
    int fd;
    struct pn_err err; /* of the last address */
};

/* Addresses are for the operator: the message names the host only when it is a name. */
static bool fail_connect(const struct pn_endpoint *to, int cause, struct pn_err *err)
{
    struct pn_addresses unused;
    bool is_literal = pn_resolve_literal(to, &unused);
    const char *whom = is_literal ? "the server" : to->host;

    pn_err_clear(err);
    if (cause == ETIMEDOUT)
        (void)pn_fail_cause(err, PN_TIMEOUT, cause, "%s did not answer in time", whom);
    else if (cause == ECONNREFUSED)
        (void)pn_fail_cause(err, PN_UNREACHABLE, cause, "%s refused the connection", whom);
    else
        (void)pn_fail_cause(err, PN_UNREACHABLE, cause, "%s cannot be reached: %s", whom,
                            strerror(cause));
    return pn_within(err, "dial %s port %u", to->host, to->port);
}

/* Starts connecting. 0 done, EINPROGRESS, or what went wrong; *fd is set for the first two. */
static int connect_to(const struct pn_addresses *addresses, size_t at, int *fd)
{
    const struct sockaddr *address = &addresses->list[at].at.any;
    int cause;

    *fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    if (connect(*fd, address, addresses->list[at].len) == 0)
        return 0;
    cause = errno;
    if (cause != EINPROGRESS) {
        close(*fd);
        *fd = -1;
    }
    return cause;
}

static int connect_result(int fd)
{
    int cause = 0;
    socklen_t len = sizeof(cause);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &len) < 0 ? errno : cause;
}

/* What an address may use of the time that is left: the last may use all. */
static int64_t share_ms(int64_t left_ms, size_t addresses_left)
{
    return left_ms <= 0 ? 0 : left_ms / (int64_t)addresses_left + 1;
}

/* ---- on a loop ---- */

static void forget(struct pn_dial *dial)
{
    pn_timer_stop(&dial->timer);
    pn_loop_unsoon(dial->loop, &dial->soon);
    if (dial->resolve != NULL)
        pn_resolve_cancel(dial->resolve);
    if (dial->poll != NULL)
        pn_poll_close(dial->poll, dial->fd);
    else if (dial->fd >= 0)
        close(dial->fd);
    pn_heap_free(dial);
}

static void end(struct pn_dial *dial, struct pn_stream *socket)
{
    pn_dial_fn *done = dial->done;
    void *owner = dial->owner;
    struct pn_err err = dial->err;

    forget(dial);
    done(owner, socket, socket != NULL ? NULL : &err);
}

static void try_next(struct pn_dial *dial);

static void drop_attempt(struct pn_dial *dial)
{
    pn_timer_stop(&dial->timer);
    if (dial->poll != NULL)
        pn_poll_close(pn_take(&dial->poll), dial->fd);
    dial->fd = -1;
}

static void connected(struct pn_dial *dial)
{
    struct pn_stream *socket = NULL;
    int fd = dial->fd;

    pn_poll_close(pn_take(&dial->poll), -1);
    dial->fd = -1;
    pn_err_clear(&dial->err);
    if (!pn_socket_stream(dial->loop, fd, &socket, &dial->err))
        socket = NULL;
    end(dial, socket);
}

static void on_connect(void *dial_, unsigned events)
{
    struct pn_dial *dial = dial_;
    int cause = connect_result(dial->fd);

    (void)events;
    if (cause == 0) {
        connected(dial);
        return;
    }
    (void)fail_connect(&dial->to, cause, &dial->err);
    drop_attempt(dial);
    try_next(dial);
}

static void try_next(struct pn_dial *dial)
{
    while (dial->at < dial->addresses.count) {
        int64_t left_ms = dial->due_ms - pn_loop_now_ms(dial->loop);
        size_t at = dial->at++;
        int cause = left_ms > 0 ? connect_to(&dial->addresses, at, &dial->fd) : ETIMEDOUT;

        if (cause == 0 || cause == EINPROGRESS) {
            pn_err_clear(&dial->err);
            if (!pn_poll_new(dial->loop, dial->fd, on_connect, dial, &dial->poll, &dial->err))
                break;
            pn_poll_want(dial->poll, PN_POLL_WRITE);
            pn_timer_start(dial->loop, &dial->timer, share_ms(left_ms, dial->addresses.count - at));
            return;
        }
        (void)fail_connect(&dial->to, cause, &dial->err);
    }
    end(dial, NULL);
}

static void on_timeout(struct pn_timer *timer)
{
    struct pn_dial *dial = pn_container_of(timer, struct pn_dial, timer);

    (void)fail_connect(&dial->to, ETIMEDOUT, &dial->err);
    if (dial->resolve != NULL) {
        end(dial, NULL);
        return;
    }
    drop_attempt(dial);
    try_next(dial);
}

static void on_resolved(void *dial_, const struct pn_addresses *addresses, const struct pn_err *err)
{
    struct pn_dial *dial = dial_;

    dial->resolve = NULL;
    pn_timer_stop(&dial->timer);
    dial->addresses = *addresses;
    if (err != NULL)
        dial->err = *err;
    if (err != NULL)
        end(dial, NULL);
    else
        try_next(dial);
}

static void on_soon(struct pn_task *task)
{
    try_next(pn_container_of(task, struct pn_dial, soon));
}

struct pn_dial *pn_dial(struct pn_loop *loop, const struct pn_endpoint *to, int64_t deadline_ms,
                        pn_dial_fn *done, void *owner)
{
    struct pn_dial *dial = pn_heap_new(sizeof(*dial));

    pn_on_loop(loop);
    dial->loop = loop;
    dial->to = *to;
    dial->done = done;
    dial->owner = owner;
    dial->due_ms = pn_loop_now_ms(loop) + deadline_ms;
    dial->timer.run = on_timeout;
    dial->soon.run = on_soon;
    dial->fd = -1;
    if (pn_resolve_literal(to, &dial->addresses)) {
        pn_loop_soon(loop, &dial->soon);
    } else {
        dial->resolve = pn_resolve(loop, to, on_resolved, dial);
        pn_timer_start(loop, &dial->timer, deadline_ms);
    }
    return dial;
}

void pn_dial_cancel(struct pn_dial *dial)
{
    if (dial != NULL)
        forget(dial);
}

/* ---- blocking ---- */

static int wait_connected(int fd, int64_t until_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

    for (;;) {
        int64_t left_ms = until_ms - pn_clock_mono_ms();
        int ready = left_ms > 0 ? poll(&poll_fd, 1, left_ms < 60000 ? (int)left_ms : 60000) : 0;

        if (ready > 0)
            return connect_result(fd);
        if (ready < 0 && errno != EINTR)
            return errno;
        if (left_ms <= 0)
            return ETIMEDOUT;
    }
}

int pn_dial_addresses(const struct pn_endpoint *to, const struct pn_addresses *addresses,
                      int64_t deadline_ms, struct pn_err *err)
{
    int cause = ETIMEDOUT, fd = -1;

    pn_on_worker();
    for (size_t at = 0; at < addresses->count; at++) {
        int64_t now_ms = pn_clock_mono_ms();

        if (now_ms >= deadline_ms)
            break;
        cause = connect_to(addresses, at, &fd);
        if (cause == EINPROGRESS)
            cause =
                wait_connected(fd, now_ms + share_ms(deadline_ms - now_ms, addresses->count - at));
        if (cause == 0)
            return fd;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    (void)fail_connect(to, cause, err);
    return -1;
}

int pn_dial_blocking(const struct pn_endpoint *to, int64_t deadline_ms, struct pn_err *err)
{
    struct pn_addresses addresses;

    if (!pn_resolve_blocking(to, deadline_ms, &addresses, err))
        return -1;
    return pn_dial_addresses(to, &addresses, deadline_ms, err);
}
