/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>

PN_TEST(bytes_and_half_close_go_both_ways)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];
    int pending = 2;
    struct end a = { .to_send = 3000000, .seed = 1, .peer_seed = 2, .pending = &pending };
    struct end b = { .to_send = 10, .seed = 2, .peer_seed = 1, .pending = &pending };

    stream_pair(loop, pair);
    end_start(&a, pair[0]);
    end_start(&b, pair[1]);
    pn_loop_run(loop);
    /* b finished its direction long before a: a went on writing, and both saw a proper end. */
    CHECK(a.is_ended && b.is_ended && !a.is_wrong && !b.is_wrong);
    CHECK_EQ(a.received, 10);
    CHECK_EQ(b.received, 3000000);
    pn_stream_close(pair[0]);
    pn_stream_close(pair[1]);
    pn_loop_free(loop);
}

PN_TEST(close_without_finish_is_a_failure_for_the_peer)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];
    int pending = 1;
    struct end b = { .is_finished = true, .pending = &pending };

    stream_pair(loop, pair);
    CHECK_EQ(pn_stream_write(pair[0], "half a mess", 11), 11);
    pn_stream_close(pair[0]);
    end_start(&b, pair[1]);
    pn_loop_run(loop);
    CHECK(b.is_failed && !b.is_ended);
    CHECK_EQ(b.err.code, PN_UNREACHABLE);
    CHECK_EQ(b.err.cause, ECONNRESET);
    pn_loop_free(loop);
}

PN_TEST(close_after_finish_is_a_proper_end_for_the_peer)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];
    int pending = 1;
    struct end b = { .is_finished = true, .peer_seed = 'x', .pending = &pending };

    stream_pair(loop, pair);
    CHECK_EQ(pn_stream_write(pair[0], "x", 1), 1);
    CHECK(pn_stream_finish(pair[0]));
    CHECK(pn_stream_finish(pair[0])); /* twice is fine */
    pn_stream_close(pair[0]);
    end_start(&b, pair[1]);
    pn_loop_run(loop);
    CHECK(b.is_ended && !b.is_failed && !b.is_wrong);
    CHECK_EQ(b.received, 1);
    pn_stream_close(pair[1]);
    pn_loop_free(loop);
}

struct reader {
    int calls, stop_after;
};

static void count_calls(void *reader_, struct pn_stream *stream, unsigned events)
{
    struct reader *r = reader_;

    CHECK_EQ(events, PN_WANT_READ);
    if (++r->calls == r->stop_after)
        pn_loop_stop(stream->loop);
}

PN_TEST(readiness_is_level_triggered_also_after_a_short_read)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];
    struct reader r = { .stop_after = 3 };
    char byte;

    stream_pair(loop, pair);
    CHECK_EQ(pn_stream_write(pair[0], "hello", 5), 5);
    pn_stream_set_owner(pair[1], count_calls, &r);
    pn_stream_want(pair[1], PN_WANT_READ);
    pn_loop_run(loop); /* nobody reads: called again */
    CHECK_EQ(r.calls, 3);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pn_stream_read(pair[1], &byte, 1), 1);
    CHECK_EQ(pn_stream_read(pair[1], &byte, 1), PN_STREAM_AGAIN);
    CHECK_EQ(pn_stream_write(pair[0], "again", 5), 5);
    r.stop_after = 4;
    pn_loop_run(loop);
    CHECK_EQ(pn_stream_read(pair[1], &byte, 1), 1);
    pn_stream_close(pair[0]);
    pn_stream_close(pair[1]);
    pn_loop_free(loop);
}

PN_TEST(a_full_socket_says_again_and_wakes_when_there_is_room)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];
    int pending = 2;
    static char bytes[65536];
    uint64_t total = 0;
    ssize_t count;

    stream_pair(loop, pair);
    while ((count = pn_stream_write(pair[0], bytes, sizeof(bytes))) > 0)
        total += (uint64_t)count;
    CHECK_EQ(count, PN_STREAM_AGAIN);

    struct end a = { .is_ended = false, .pending = &pending };
    struct end b = { .pending = &pending };

    end_start(&a, pair[0]); /* only finishes: after the queued bytes have gone */
    end_start(&b, pair[1]);
    pn_loop_run(loop);
    CHECK_EQ(b.received, total);
    CHECK(b.is_ended);
    pn_stream_close(pair[0]);
    pn_stream_close(pair[1]);
    pn_loop_free(loop);
}

static void close_it(void *ignored, struct pn_stream *stream, unsigned events)
{
    struct pn_loop *loop = stream->loop;

    (void)ignored, (void)events;
    pn_stream_close(stream);
    pn_loop_stop(loop);
}

PN_TEST(closing_inside_ready_is_fine)
{
    struct pn_loop *loop = loop_new();
    struct pn_stream *pair[2];

    stream_pair(loop, pair);
    pn_stream_set_owner(pair[0], close_it, NULL);
    pn_stream_want(pair[0], PN_WANT_READ | PN_WANT_WRITE);
    pn_loop_run(loop);
    pn_stream_close(pair[1]);
    pn_loop_free(loop);
}

PN_TEST(no_descriptor_is_left_open)
{
    struct pn_loop *loop = loop_new();
    int before = dup(0);

    close(before);
    for (int i = 0; i < 50; i++) {
        struct pn_stream *pair[2];

        stream_pair(loop, pair);
        pn_stream_close(pair[0]);
        pn_stream_close(pair[1]);
    }

    int after = dup(0);

    close(after);
    CHECK_EQ(before, after);
    pn_loop_free(loop);
}

PN_TEST_MAIN(T(bytes_and_half_close_go_both_ways),
             T(close_without_finish_is_a_failure_for_the_peer),
             T(close_after_finish_is_a_proper_end_for_the_peer),
             T(readiness_is_level_triggered_also_after_a_short_read),
             T(a_full_socket_says_again_and_wakes_when_there_is_room),
             T(closing_inside_ready_is_fine), T(no_descriptor_is_left_open))
