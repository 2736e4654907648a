/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include "base/clock.h"
#include "net/pump.h"
#include "net/tunnel.h"

#define MAX_CLIENTS 1000
#define FILLED ((size_t)40 * 30000) /* 40 small windows, nearly full */

/* Both sides of one tunnel over a plain socket; clients are ends on either side. */
struct world {
    struct pn_loop *loop;
    struct pn_tunnel *relay, *gateway;
    struct end clients[MAX_CLIENTS], servers[MAX_CLIENTS];
    size_t opened, arrived;
    struct end server;      /* what each arriving one starts as */
    const char *last_words; /* … or it says this, ends, and is closed at once */
    char last_ip[64];
    char process[PN_TUNNEL_PROCESS_BYTES];
    unsigned index;
    int hellos, drains;
    int closed[2]; /* relay, gateway */
    struct pn_err why[2];
    int pending;
};

static void on_hello(void *world_, struct pn_tunnel *tunnel, const char *process, unsigned index)
{
    struct world *w = world_;

    CHECK(tunnel == w->relay);
    w->hellos++;
    w->index = index;
    memcpy(w->process, process, strlen(process) + 1);
    pn_loop_stop(w->loop);
}

static void on_incoming(void *world_, struct pn_tunnel *tunnel, struct pn_stream *stream,
                        struct pn_str ip)
{
    struct world *w = world_;
    struct end *e = &w->servers[w->arrived++];

    CHECK(tunnel == w->gateway);
    *e = w->server;
    e->pending = &w->pending;
    memcpy(w->last_ip, ip.ptr, ip.len);
    w->last_ip[ip.len] = '\0';
    if (w->last_words != NULL) {
        CHECK_EQ(pn_stream_write(stream, w->last_words, strlen(w->last_words)),
                 (ssize_t)strlen(w->last_words));
        (void)pn_stream_finish(stream);
        pn_stream_close(stream);
        return;
    }
    end_start(e, stream);
}

static void on_draining(void *world_, struct pn_tunnel *tunnel)
{
    (void)tunnel;
    ((struct world *)world_)->drains++;
}

static void on_closed(void *world_, struct pn_tunnel *tunnel, const struct pn_err *why)
{
    struct world *w = world_;
    int side = tunnel == w->gateway;

    CHECK(side == 1 || tunnel == w->relay);
    w->closed[side]++;
    if (why != NULL)
        w->why[side] = *why;
    *(side == 1 ? &w->gateway : &w->relay) = NULL;
    pn_loop_stop(w->loop);
}

static const struct pn_tunnel_events events = {
    .hello = on_hello, .incoming = on_incoming, .draining = on_draining, .closed = on_closed
};

static struct world *world_new(void)
{
    struct world *w = pn_heap_new(sizeof(*w));
    struct pn_stream *pair[2];
    struct pn_err err = { 0 };

    w->loop = loop_new();
    stream_pair(w->loop, pair);
    CHECK_OK(pn_tunnel_relay_side(pair[0], &events, w, &w->relay, &err), err);
    CHECK_OK(pn_tunnel_gateway_side(pair[1], "process-1", 7, &events, w, &w->gateway, &err), err);
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(w->hellos, 1);
    w->server = (struct end){ .seed = 2, .peer_seed = 1 };
    return w;
}

static struct end *open_client(struct world *w, struct end how)
{
    struct end *e = &w->clients[w->opened++];
    struct pn_stream *stream = NULL;
    struct pn_err err = { 0 };

    *e = how;
    e->seed = 1;
    e->peer_seed = 2;
    e->pending = &w->pending;
    CHECK_OK(pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("192.0.2.7"), &stream, &err), err);
    end_start(e, stream);
    return e;
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->opened; i++)
        pn_stream_close(w->clients[i].stream);
    for (size_t i = 0; i < w->arrived; i++)
        pn_stream_close(w->servers[i].stream);
    pn_tunnel_free(w->relay);
    pn_tunnel_free(w->gateway);
    pn_loop_free(w->loop);
    pn_heap_free(w);
}

PN_TEST(hello_tells_process_and_index)
{
    struct world *w = world_new();

    CHECK_STR(pn_str_from(w->process), "process-1");
    CHECK_EQ(w->index, 7);
    world_free(w);
}

PN_TEST(bytes_and_half_close_go_both_ways)
{
    struct world *w = world_new();
    struct end *c;

    w->server.to_send = 10;
    w->pending = 2;
    c = open_client(w, (struct end){ .to_send = 9000000 });
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(c->received, 10);
    CHECK_EQ(w->servers[0].received, 9000000);
    CHECK(c->is_ended && w->servers[0].is_ended && !c->is_wrong && !w->servers[0].is_wrong);
    CHECK_STR(pn_str_from(w->last_ip), "192.0.2.7");
    CHECK_EQ(pn_tunnel_held_bytes(w->gateway), 0);
    world_free(w);
}

PN_TEST(an_ipv6_client_is_named_without_brackets)
{
    struct world *w = world_new();
    struct pn_stream *stream = NULL;
    struct pn_err err = { 0 };

    w->server.is_finished = true; /* reads only */
    w->pending = 1;
    CHECK_OK(pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("2001:db8::1"), &stream, &err), err);
    CHECK(!pn_stream_finish(stream)); /* not framed yet */
    CHECK(loop_run_for(w->loop, 20000));
    CHECK(pn_stream_finish(stream));
    CHECK_EQ(w->arrived, 1);
    CHECK(w->servers[0].is_ended);
    CHECK_STR(pn_str_from(w->last_ip), "2001:db8::1");
    pn_stream_close(stream);
    world_free(w);
}

PN_TEST(a_thousand_connections)
{
    struct world *w = world_new();

    w->server.to_send = 15000;
    w->pending = 2 * MAX_CLIENTS;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        open_client(w, (struct end){ .to_send = 5000 + i });
    CHECK(loop_run_for(w->loop, 50000));
    CHECK_EQ(w->arrived, MAX_CLIENTS);
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        CHECK(!w->clients[i].is_wrong && !w->servers[i].is_wrong);
        CHECK_EQ(w->clients[i].received, 15000);
        CHECK(w->servers[i].is_ended && !w->servers[i].is_failed);
    }
    CHECK_EQ(pn_tunnel_held_bytes(w->relay), 0);
    world_free(w);
}

PN_TEST(an_abort_in_the_middle_never_looks_like_an_end)
{
    for (int by_gateway = 0; by_gateway < 2; by_gateway++) {
        struct world *w = world_new();
        struct end *sender, *reader;

        w->pending = 1;
        w->server.is_finished = w->server.may_not_read = true;
        if (by_gateway)
            w->server = (struct end){ .seed = 2, .peer_seed = 1, .to_send = 50000000 };
        reader = open_client(w, (struct end){ .is_finished = by_gateway,
                                              .may_not_read = by_gateway,
                                              .to_send = 50000000 });
        LOOP_UNTIL(w->loop, w->arrived == 1);
        sender = by_gateway ? &w->servers[0] : reader;
        reader = by_gateway ? reader : &w->servers[0];
        loop_until_stalled(w->loop, sender);
        CHECK(sender->sent < sender->to_send);
        pn_stream_close(sender->stream);
        sender->stream = NULL;
        reader->may_not_read = false;
        end_wants(reader);
        CHECK(loop_run_for(w->loop, 20000));
        CHECK(reader->is_failed && !reader->is_ended);
        CHECK_EQ(reader->err.code, PN_UNREACHABLE);
        CHECK(w->relay != NULL && w->gateway != NULL); /* the tunnel itself goes on */
        world_free(w);
    }
}

/* As a refused TLS handshake does with its alert. What the client sends meanwhile goes nowhere. */
PN_TEST(what_was_said_before_a_close_arrives)
{
    const char words[] = { (char)pattern(2, 0), (char)pattern(2, 1), (char)pattern(2, 2), 0 };

    for (int sends = 0; sends < 2; sends++) {
        struct world *w = world_new();
        struct end *c;

        w->last_words = words;
        w->pending = 1;
        c = open_client(w, (struct end){ .to_send = sends ? 3000000 : 0 });
        CHECK(loop_run_for(w->loop, 20000));
        CHECK(c->is_ended && !c->is_failed && !c->is_wrong);
        CHECK_EQ(c->received, 3);
        CHECK_EQ(c->sent, c->to_send);
        CHECK_EQ(pn_tunnel_held_bytes(w->gateway), 0);
        world_free(w);
    }
}

PN_TEST(stalled_readers_do_not_stall_the_others_and_hold_little)
{
    struct world *w = world_new();

    w->server =
        (struct end){ .seed = 2, .peer_seed = 1, .may_not_read = true, .is_finished = true };
    for (int i = 0; i < 40; i++)
        open_client(w, (struct end){ .to_send = 10000000, .may_not_read = true });
    for (int turn = 0; turn < 500 && (w->arrived < 40 || pn_tunnel_held_bytes(w->gateway) < FILLED);
         turn++)
        CHECK(!loop_run_for(w->loop, 20));
    CHECK(!loop_run_for(w->loop, 100)); /* time for more than may come */
    CHECK_EQ(w->arrived, 40);
    CHECK(pn_tunnel_held_bytes(w->gateway) >= FILLED);     /* each filled its small window … */
    CHECK(pn_tunnel_held_bytes(w->gateway) <= 40 * 65536); /* … and no more */
    for (int i = 0; i < 40; i++)
        CHECK(w->clients[i].sent <= 2 * 65536);
    w->server = (struct end){ .seed = 2, .peer_seed = 1, .to_send = 20000000 };
    w->pending = 2;
    open_client(w, (struct end){ .to_send = 20000000 });
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(w->clients[40].received, 20000000);
    CHECK_EQ(w->servers[40].received, 20000000);
    world_free(w);
}

PN_TEST(a_lost_tunnel_fails_its_streams_and_says_why)
{
    struct world *w = world_new();
    struct end *client;

    w->server.may_not_read = true;
    w->server.is_finished = true;
    w->pending = 100;
    client = open_client(w, (struct end){ .is_finished = true });
    LOOP_UNTIL(w->loop, w->arrived == 1);
    pn_tunnel_free(w->gateway);
    w->gateway = NULL;
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(w->closed[0], 1);
    CHECK_EQ(w->closed[1], 0); /* who frees is not told */
    CHECK_EQ(w->why[0].code, PN_UNREACHABLE);
    LOOP_UNTIL(w->loop, client->is_failed);
    LOOP_UNTIL(w->loop, w->servers[0].is_failed); /* though it wanted nothing */
    world_free(w);
}

PN_TEST(a_drain_lets_running_streams_finish)
{
    for (int by_gateway = 0; by_gateway < 2; by_gateway++) {
        struct world *w = world_new();
        struct pn_stream *refused = NULL;
        struct pn_err err = { 0 };
        struct end *client;

        w->server.to_send = 3000000;
        w->pending = 2;
        client = open_client(w, (struct end){ .to_send = 3000000 });
        LOOP_UNTIL(w->loop, w->arrived == 1);
        pn_tunnel_drain(by_gateway ? w->gateway : w->relay);
        client->closes_at_end = true;
        w->servers[0].closes_at_end = true;
        while (w->relay != NULL || w->gateway != NULL) {
            CHECK(loop_run_for(w->loop, 20000));
            if (w->drains > 0 && by_gateway && w->relay != NULL)
                CHECK_FAILS(
                    pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("192.0.2.7"), &refused, &err),
                    err, BUSY);
        }
        CHECK_EQ(w->drains, 1);
        CHECK_EQ(client->received, 3000000);
        CHECK_EQ(w->servers[0].received, 3000000);
        CHECK_EQ(w->closed[0] + w->closed[1], 2);
        CHECK_EQ(w->why[0].code, PN_OK);
        CHECK_EQ(w->why[1].code, PN_OK);
        world_free(w);
    }
}

PN_TEST(garbage_ends_the_tunnel)
{
    struct world *w = pn_heap_new(sizeof(*w));
    struct pn_stream *pair[2];
    struct pn_err err = { 0 };

    w->loop = loop_new();
    stream_pair(w->loop, pair);
    CHECK_OK(pn_tunnel_gateway_side(pair[1], "p", 0, &events, w, &w->gateway, &err), err);
    CHECK_EQ(pn_stream_write(pair[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 27);
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(w->closed[1], 1);
    CHECK_EQ(w->why[1].code, PN_PROTOCOL);
    pn_stream_close(pair[0]);
    world_free(w);
}

static void stop_loop(struct pn_task *task)
{
    pn_loop_stop(((struct world *)(void *)task[1].next)->loop);
}

/* Lets the loop go round a few times while the clock stands still. */
static void turn(struct world *w)
{
    struct pn_task task[2] = { { .run = stop_loop }, { .next = (struct pn_task *)(void *)w } };

    for (int i = 0; i < 4; i++) {
        pn_loop_soon(w->loop, &task[0]);
        pn_loop_run(w->loop);
    }
}

PN_TEST(a_vanished_peer_is_noticed_within_six_seconds)
{
    struct world *w = world_new();
    struct pn_stream *pair[2], *stream = NULL;
    struct pn_err err = { 0 };
    int64_t waited_ms = 0;

    pn_tunnel_free(w->relay);
    pn_tunnel_free(w->gateway);
    w->gateway = NULL;
    pn_clock_freeze(0, pn_clock_mono_ms());
    stream_pair(w->loop, pair);
    CHECK_OK(pn_tunnel_relay_side(pair[0], &events, w, &w->relay, &err),
             err); /* pair[1] never answers */
    CHECK_OK(pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("192.0.2.7"), &stream, &err), err);
    turn(w);
    while (w->relay != NULL && waited_ms < 10000) {
        pn_clock_advance(500);
        waited_ms += 500;
        turn(w);
    }
    CHECK(waited_ms >= 4000 && waited_ms <= 6000);
    CHECK_EQ(w->why[0].code, PN_TIMEOUT);
    CHECK_EQ(pn_stream_read(stream, (char[1]){ 0 }, 1), PN_STREAM_FAILED);
    pn_stream_close(stream);
    pn_stream_close(pair[1]);
    world_free(w);
    pn_clock_release();
}

/* A client is given time to hear last words and leave, but not for ever. */
PN_TEST(a_closed_stream_is_reset_when_the_client_stays)
{
    struct world *w = world_new();
    int64_t waited_ms = 0;
    struct end *c;

    w->last_words = "x";
    c = open_client(w, (struct end){ .is_finished = true, .may_not_read = true });
    LOOP_UNTIL(w->loop, w->arrived == 1);
    pn_clock_freeze(0, pn_clock_mono_ms());
    turn(w);
    CHECK_EQ(pn_stream_write(c->stream, "y", 1), 1);
    while (pn_stream_write(c->stream, "y", 1) == 1 && waited_ms < 10000) {
        pn_clock_advance(500);
        waited_ms += 500;
        turn(w);
    }
    CHECK(waited_ms >= 2000 && waited_ms <= 6000);
    CHECK(w->relay != NULL && w->gateway != NULL);
    pn_clock_release();
    world_free(w);
}

struct told {
    unsigned events;
    int times;
};

static void on_told(void *told_, struct pn_stream *stream, unsigned events_)
{
    struct told *told = told_;

    CHECK(pn_stream_error(stream) != NULL);
    told->events = events_;
    told->times++;
}

/* Else it never learns of it: nothing else will wake it up. */
PN_TEST(who_wants_nothing_is_told_once_of_a_failure)
{
    struct world *w = world_new();
    struct pn_stream *stream = NULL;
    struct told told = { 0 };
    struct pn_err err = { 0 };

    w->server.is_finished = w->server.may_not_read = true;
    CHECK_OK(pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("192.0.2.7"), &stream, &err), err);
    pn_stream_set_owner(stream, on_told, &told);
    LOOP_UNTIL(w->loop, w->arrived == 1);
    CHECK_EQ(told.times, 0);
    pn_stream_close(w->servers[0].stream);
    w->servers[0].stream = NULL;
    LOOP_UNTIL(w->loop, told.times > 0);
    turn(w);
    CHECK_EQ(told.times, 1);
    CHECK_EQ(told.events, PN_WANT_READ);
    CHECK_EQ(pn_stream_read(stream, (char[1]){ 0 }, 1), PN_STREAM_FAILED);
    CHECK_EQ(pn_stream_write(stream, "x", 1), PN_STREAM_FAILED);
    CHECK(pn_stream_finish(stream));
    pn_stream_close(stream);
    world_free(w);
}

static void end_ready_to_read(void *end_, struct pn_stream *stream, unsigned events_)
{
    struct end *e = end_;

    (void)events_;
    end_receive(e);
    pn_stream_want(stream, e->is_ended || e->is_failed ? 0 : PN_WANT_READ);
}

static void on_pump_done(void *end, const struct pn_pump_end *result)
{
    *(struct pn_pump_end *)end = *result;
}

/* As in a relay: the client has read last words and an end, and stays; the gateway's reset is for it too. */
PN_TEST(a_reset_reaches_a_half_closed_client)
{
    const char words[] = { (char)pattern(2, 0), 0 };
    struct world *w = world_new();
    struct pn_stream *pair[2], *stream = NULL;
    struct pn_pump_end done = { .is_clean = true };
    struct pn_err err = { 0 };
    struct end client = { .peer_seed = 2 };
    int64_t waited_ms = 0;

    w->last_words = words;
    stream_pair(w->loop, pair);
    CHECK_OK(pn_tunnel_open(w->relay, PN_LIT("gw"), PN_LIT("192.0.2.7"), &stream, &err), err);
    (void)pn_pump_start(pair[1], stream, on_pump_done, &done);
    client.stream = pair[0]; /* reads, says nothing, and does not end */
    pn_stream_set_owner(pair[0], end_ready_to_read, &client);
    pn_stream_want(pair[0], PN_WANT_READ);
    LOOP_UNTIL(w->loop, client.is_ended);
    CHECK(!client.is_failed && !client.is_wrong);
    CHECK_EQ(client.received, 1);
    pn_clock_freeze(0, pn_clock_mono_ms());
    while (done.is_clean && waited_ms < 10000) {
        pn_clock_advance(500);
        waited_ms += 500;
        turn(w);
    }
    pn_clock_release();
    CHECK(!done.is_clean);
    CHECK_EQ(done.err.code, PN_UNREACHABLE);
    CHECK(waited_ms >= 2000 && waited_ms <= 6000);
    CHECK(w->relay != NULL && w->gateway != NULL);
    LOOP_UNTIL(w->loop, pn_stream_write(client.stream, "y", 1) == PN_STREAM_FAILED);
    pn_stream_close(client.stream);
    world_free(w);
}

PN_TEST(an_idle_tunnel_lives_on)
{
    pn_clock_freeze(0, 1000000);

    struct world *w = pn_heap_new(sizeof(*w));
    struct pn_stream *pair[2];
    struct pn_err err = { 0 };

    w->loop = loop_new();
    stream_pair(w->loop, pair);
    CHECK_OK(pn_tunnel_relay_side(pair[0], &events, w, &w->relay, &err), err);
    CHECK_OK(pn_tunnel_gateway_side(pair[1], "process-1", 7, &events, w, &w->gateway, &err), err);
    for (int i = 0; i < 100; i++) {
        pn_clock_advance(2000);
        turn(w);
    }
    CHECK_EQ(w->hellos, 1);
    CHECK(w->relay != NULL && w->gateway != NULL);
    world_free(w);
    pn_clock_release();
}

PN_TEST_MAIN(T(what_was_said_before_a_close_arrives),
             T(a_closed_stream_is_reset_when_the_client_stays),
             T(who_wants_nothing_is_told_once_of_a_failure),
             T(a_reset_reaches_a_half_closed_client), T(hello_tells_process_and_index),
             T(bytes_and_half_close_go_both_ways), T(an_ipv6_client_is_named_without_brackets),
             T(a_thousand_connections), T(an_abort_in_the_middle_never_looks_like_an_end),
             T(stalled_readers_do_not_stall_the_others_and_hold_little),
             T(a_lost_tunnel_fails_its_streams_and_says_why),
             T(a_drain_lets_running_streams_finish), T(garbage_ends_the_tunnel),
             T(a_vanished_peer_is_noticed_within_six_seconds), T(an_idle_tunnel_lives_on))
