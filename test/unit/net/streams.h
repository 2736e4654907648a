/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_NET_STREAMS_H
#define PN_TEST_UNIT_NET_STREAMS_H

/* Streams for tests: real sockets on loopback and an end that sends, receives and notes what happened. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "net/stream.h"

static inline struct pn_loop *loop_new(void)
{
    struct pn_loop *loop = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_loop_new(&loop, &err), err);
    return loop;
}

/* Two connected TCP sockets. */
static inline void tcp_pair(int fds[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_EQ(listen(listening, 1), 0);
    CHECK_EQ(getsockname(listening, (struct sockaddr *)&at, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(fds[0], (struct sockaddr *)&at, sizeof(at)), 0);
    fds[1] = accept(listening, NULL, NULL);
    CHECK(fds[1] >= 0);
    close(listening);
}

static inline struct pn_stream *stream_of(struct pn_loop *loop, int fd)
{
    struct pn_stream *stream = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_socket_stream(loop, fd, &stream, &err), err);
    return stream;
}

static inline void stream_pair(struct pn_loop *loop, struct pn_stream *out[2])
{
    int fds[2];

    tcp_pair(fds);
    out[0] = stream_of(loop, fds[0]);
    out[1] = stream_of(loop, fds[1]);
}

/*
 * An end: sends `to_send` bytes of a pattern that `seed` starts, then finishes; checks what comes
 * against the pattern of `peer_seed`. Stops the loop when it has seen the end or a failure.
 */
struct end {
    struct pn_stream *stream;
    uint64_t to_send, sent, received;
    uint8_t seed, peer_seed;
    bool is_finished, is_ended, is_failed, is_wrong;
    bool may_not_read;  /* a stalled reader */
    bool closes_at_end; /* closes the stream when both directions have ended */
    int *pending;       /* when this reaches 0 the loop stops */
    struct pn_err err;
};

static inline uint8_t pattern(uint8_t seed, uint64_t at)
{
    return (uint8_t)(seed + at * 7 + (at >> 8) * 13);
}

static inline void end_wants(struct end *e)
{
    unsigned wants = 0;

    if (!e->is_ended && !e->may_not_read)
        wants |= PN_WANT_READ;
    if (!e->is_finished)
        wants |= PN_WANT_WRITE;
    pn_stream_want(e->stream, wants);
}

static inline void end_over(struct end *e)
{
    struct pn_loop *loop = e->stream->loop;

    pn_stream_want(e->stream, 0);
    if (e->is_failed || e->closes_at_end) {
        pn_stream_close(e->stream);
        e->stream = NULL;
    }
    if (e->pending != NULL && --*e->pending == 0)
        pn_loop_stop(loop);
}

static inline void end_send(struct end *e)
{
    char bytes[16384];

    while (!e->is_failed && e->sent < e->to_send) {
        uint64_t left = e->to_send - e->sent;
        size_t len = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)pattern(e->seed, e->sent + i);

        ssize_t count = pn_stream_write(e->stream, bytes, len);

        if (count == PN_STREAM_AGAIN)
            return;
        e->is_failed = count < 0;
        e->sent += count > 0 ? (uint64_t)count : 0;
    }
    if (!e->is_failed && !e->is_finished)
        e->is_finished = pn_stream_finish(e->stream);
}

static inline void end_receive(struct end *e)
{
    uint8_t bytes[10000];
    ssize_t count = pn_stream_read(e->stream, bytes, sizeof(bytes));

    for (ssize_t i = 0; i < count; i++)
        e->is_wrong |= bytes[i] != pattern(e->peer_seed, e->received + (uint64_t)i);
    if (count > 0)
        e->received += (uint64_t)count;
    e->is_ended = count == 0;
    e->is_failed = count == PN_STREAM_FAILED;
}

static inline void end_ready(void *end_, struct pn_stream *stream, unsigned events)
{
    struct end *e = end_;

    CHECK(stream == e->stream);
    if (events & PN_WANT_WRITE)
        end_send(e);
    if ((events & PN_WANT_READ) && !e->is_failed)
        end_receive(e);
    if (e->is_failed)
        e->err = *pn_stream_error(stream);
    if (e->is_failed || (e->is_ended && e->is_finished))
        end_over(e);
    else
        end_wants(e);
}

static inline void end_start(struct end *e, struct pn_stream *stream)
{
    e->stream = stream;
    pn_stream_set_owner(stream, end_ready, e);
    end_wants(e);
}

/* Runs the loop until `ms` have passed or somebody stopped it. */
struct end_timer {
    struct pn_timer timer;
    bool has_fired;
};

static inline void end_timer_fired(struct pn_timer *timer)
{
    ((struct end_timer *)timer)->has_fired = true;
    pn_loop_stop(timer->loop);
}

static inline bool loop_run_for(struct pn_loop *loop, int64_t ms)
{
    struct end_timer timer = { .timer.run = end_timer_fired };

    pn_timer_start(loop, &timer.timer, ms);
    pn_loop_run(loop);
    pn_timer_stop(&timer.timer);
    return !timer.has_fired;
}

/* Lets the loop go on until the condition holds, however busy the machine is: for 30 s at most. */
#define LOOP_UNTIL(loop, truth)              \
    do {                                     \
        int turns_ = 0;                      \
        while (!(truth) && turns_++ < 30000) \
            (void)loop_run_for((loop), 1);   \
        CHECK(truth);                        \
    } while (0)

/* … until nothing more has been sent for five turns; what fits the buffers in between has gone. */
static inline void loop_until_stalled(struct pn_loop *loop, const struct end *sender)
{
    uint64_t before = 0;

    for (int turns = 0, quiet = 0; quiet < 5; turns++) {
        CHECK(turns < 1000);
        CHECK(!loop_run_for(loop, 20));
        quiet = sender->sent == before && before > 0 ? quiet + 1 : 0;
        before = sender->sent;
    }
}

#endif
