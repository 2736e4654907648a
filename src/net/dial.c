/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/egress.h"
#include "net/resolve.h"

#define READ_BYTES ((size_t)2048)

/* Where a connection is led: to `to` itself, or to a proxy that is then asked for it. */
struct way {
    const struct pn_egress *egress;
    struct pn_endpoint to;
    const struct pn_endpoint *proxy; /* NULL: none */
};

enum phase { RESOLVING, CONNECTING, ASKING, AWAITING }; /* the last two: of a proxy */

struct pn_dial {
    struct pn_loop *loop;
    struct way way;
    enum phase phase;
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
    struct pn_buf talk; /* what is still to be sent to the proxy; then what came of its answer */
    struct pn_err err;  /* of the last address */
};

static bool choose_way(const struct pn_endpoint *to, struct way *out, struct pn_err *err)
{
    *out = (struct way){ .to = *to };
    if (!pn_egress_of_process(&out->egress, err))
        return false;
    out->proxy = pn_egress_proxy(out->egress, to);
    return true;
}

/* What is resolved and connected to. */
static const struct pn_endpoint *first_hop(const struct way *way)
{
    return way->proxy != NULL ? way->proxy : &way->to;
}

/* Addresses are for the operator: the message names the host only when it is a name. */
static bool fail_connect(const struct way *way, int cause, struct pn_err *err)
{
    const struct pn_endpoint *to = first_hop(way);
    struct pn_addresses unused;
    bool is_literal = pn_resolve_literal(to, &unused);
    const char *whom = way->proxy != NULL ? "the proxy of HTTPS_PROXY"
                       : is_literal       ? "the server"
                                          : to->host;

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
    /* A body that follows its head must not wait until the other side acknowledges the head. */
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
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

/* Into what there is of an answer: bytes, 0 at its end (a full buffer is one), -1 not yet. */
static ssize_t read_some(int fd, struct pn_buf *answer)
{
    size_t want =
        answer->max_bytes - answer->len < READ_BYTES ? answer->max_bytes - answer->len : READ_BYTES;
    char *room = want > 0 ? pn_buf_room(answer, want) : NULL;
    ssize_t got = room != NULL ? recv(fd, room, want, 0) : 0;

    if (got > 0)
        pn_buf_grew(answer, (size_t)got);
    return got >= 0 ? got : errno == EAGAIN || errno == EINTR ? -1 : 0;
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
    pn_buf_drop(&dial->talk);
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

/* ---- … and through a proxy ---- */

static void fail_talk(struct pn_dial *dial, const char *what)
{
    pn_err_clear(&dial->err);
    (void)pn_fail(&dial->err, PN_UNREACHABLE, "the proxy of HTTPS_PROXY %s", what);
    (void)pn_within(&dial->err, "dial %s port %u", dial->way.to.host, dial->way.to.port);
    drop_attempt(dial);
    end(dial, NULL);
}

static void send_question(struct pn_dial *dial)
{
    ssize_t sent = send(dial->fd, dial->talk.ptr, dial->talk.len, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fail_talk(dial, "broke the connection");
        return;
    }
    pn_buf_consume(&dial->talk, sent > 0 ? (size_t)sent : 0);
    if (dial->talk.len > 0)
        return;
    dial->phase = AWAITING;
    pn_poll_want(dial->poll, PN_POLL_READ);
}

static void read_answer(struct pn_dial *dial)
{
    enum pn_egress_verdict verdict = PN_EGRESS_MORE;
    ssize_t got = read_some(dial->fd, &dial->talk);

    if (got < 0)
        return;
    pn_err_clear(&dial->err);
    if (got > 0)
        verdict = pn_egress_answer(pn_buf_str(&dial->talk), &dial->way.to, &dial->err);
    if (verdict == PN_EGRESS_OPEN) {
        connected(dial);
    } else if (verdict == PN_EGRESS_REFUSED) {
        drop_attempt(dial);
        end(dial, NULL);
    } else if (got == 0) {
        fail_talk(dial, "hung up without an answer");
    }
}

static void ask_proxy(struct pn_dial *dial)
{
    int64_t left_ms = dial->due_ms - pn_loop_now_ms(dial->loop);

    dial->phase = ASKING;
    pn_egress_ask(dial->way.egress, &dial->way.to, &dial->talk);
    pn_timer_start(dial->loop, &dial->timer, left_ms > 0 ? left_ms : 0);
    send_question(dial);
}

static void on_connect(struct pn_dial *dial)
{
    int cause = connect_result(dial->fd);

    if (cause != 0) {
        (void)fail_connect(&dial->way, cause, &dial->err);
        drop_attempt(dial);
        try_next(dial);
    } else if (dial->way.proxy != NULL) {
        ask_proxy(dial);
    } else {
        connected(dial);
    }
}

static void on_event(void *dial_, unsigned events PN_UNUSED)
{
    struct pn_dial *dial = dial_;

    switch (dial->phase) {
    case RESOLVING: break;
    case CONNECTING: on_connect(dial); break;
    case ASKING: send_question(dial); break;
    case AWAITING: read_answer(dial); break;
    }
}

static void try_next(struct pn_dial *dial)
{
    while (dial->at < dial->addresses.count) {
        int64_t left_ms = dial->due_ms - pn_loop_now_ms(dial->loop);
        size_t at = dial->at++;
        int cause = left_ms > 0 ? connect_to(&dial->addresses, at, &dial->fd) : ETIMEDOUT;

        if (cause == 0 || cause == EINPROGRESS) {
            pn_err_clear(&dial->err);
            dial->phase = CONNECTING;
            if (!pn_poll_new(dial->loop, dial->fd, on_event, dial, &dial->poll, &dial->err))
                break;
            pn_poll_want(dial->poll, PN_POLL_WRITE);
            pn_timer_start(dial->loop, &dial->timer, share_ms(left_ms, dial->addresses.count - at));
            return;
        }
        (void)fail_connect(&dial->way, cause, &dial->err);
    }
    end(dial, NULL);
}

static void on_timeout(struct pn_timer *timer)
{
    struct pn_dial *dial = pn_container_of(timer, struct pn_dial, timer);

    (void)fail_connect(&dial->way, ETIMEDOUT, &dial->err);
    if (dial->phase == CONNECTING) {
        drop_attempt(dial);
        try_next(dial);
        return;
    }
    drop_attempt(dial);
    end(dial, NULL);
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
    dial->done = done;
    dial->owner = owner;
    dial->due_ms = pn_loop_now_ms(loop) + deadline_ms;
    dial->timer.run = on_timeout;
    dial->soon.run = on_soon;
    dial->fd = -1;
    dial->talk = pn_buf_init_wiped(PN_EGRESS_MAX_BYTES);
    /* Of a bad setting there are no addresses: the first step ends it. */
    if (!choose_way(to, &dial->way, &dial->err) ||
        pn_resolve_literal(first_hop(&dial->way), &dial->addresses)) {
        pn_loop_soon(loop, &dial->soon);
    } else {
        dial->resolve = pn_resolve(loop, first_hop(&dial->way), on_resolved, dial);
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

/* 0: ready; else why not. */
static int wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };

    for (;;) {
        int64_t left_ms = until_ms - pn_clock_mono_ms();
        int ready = left_ms > 0 ? poll(&poll_fd, 1, left_ms < 60000 ? (int)left_ms : 60000) : 0;

        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return errno;
        if (left_ms <= 0)
            return ETIMEDOUT;
    }
}

static int wait_connected(int fd, int64_t until_ms)
{
    int cause = wait_for(fd, POLLOUT, until_ms);

    return cause != 0 ? cause : connect_result(fd);
}

static int connect_blocking(const struct way *way, const struct pn_addresses *addresses,
                            int64_t deadline_ms, struct pn_err *err)
{
    int cause = ETIMEDOUT, fd = -1;

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
    (void)fail_connect(way, cause, err);
    return -1;
}

static bool send_all(int fd, struct pn_buf *bytes, int64_t deadline_ms)
{
    while (bytes->len > 0) {
        ssize_t sent = send(fd, bytes->ptr, bytes->len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        pn_buf_consume(bytes, sent > 0 ? (size_t)sent : 0);
        if (bytes->len > 0 && wait_for(fd, POLLOUT, deadline_ms) != 0)
            return false;
    }
    return true;
}

/* The conversation with a proxy that is connected to. */
static bool ask_blocking(const struct way *way, int fd, int64_t deadline_ms, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf talk = pn_buf_init_wiped(PN_EGRESS_MAX_BYTES);
    enum pn_egress_verdict verdict = PN_EGRESS_MORE;

    pn_egress_ask(way->egress, &way->to, &talk);
    if (!send_all(fd, &talk, deadline_ms))
        return pn_fail(err, PN_UNREACHABLE, "the proxy of HTTPS_PROXY broke the connection");
    while (verdict == PN_EGRESS_MORE) {
        ssize_t got = read_some(fd, &talk);

        if (got > 0)
            verdict = pn_egress_answer(pn_buf_str(&talk), &way->to, err);
        else if (got == 0)
            return pn_fail(err, PN_UNREACHABLE,
                           "the proxy of HTTPS_PROXY hung up without an answer");
        else if (wait_for(fd, POLLIN, deadline_ms) != 0)
            return fail_connect(way, ETIMEDOUT, err);
    }
    return verdict == PN_EGRESS_OPEN;
}

static bool check(const struct way *way, const struct pn_dial_guard *guard,
                  const struct pn_addresses *first_addresses, struct pn_err *err)
{
    struct pn_addresses literal;

    if (guard == NULL || guard->check == NULL)
        return true;
    if (way->proxy == NULL)
        return guard->check(guard->context, first_addresses, err);
    return !pn_resolve_literal(&way->to, &literal) || guard->check(guard->context, &literal, err);
}

int pn_dial_blocking(const struct pn_endpoint *to, int64_t deadline_ms,
                     const struct pn_dial_guard *guard, bool *is_resolved, struct pn_err *err)
{
    struct pn_addresses addresses;
    struct way way;
    int fd;

    pn_on_worker();
    if (is_resolved != NULL)
        *is_resolved = false;
    if (!choose_way(to, &way, err) ||
        !pn_resolve_blocking(first_hop(&way), deadline_ms, &addresses, err) ||
        !check(&way, guard, &addresses, err))
        return -1;
    if (is_resolved != NULL)
        *is_resolved = true;
    fd = connect_blocking(&way, &addresses, deadline_ms, err);
    if (fd < 0 || way.proxy == NULL || ask_blocking(&way, fd, deadline_ms, err))
        return fd;
    close(fd);
    return -1;
}
