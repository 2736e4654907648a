/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pump.h"

#include <string.h>

#define ROUNDS_PER_WAKE_UP 8

/* One direction. Bytes are held only while the sink cannot take them. */
struct flow {
    struct pn_stream *from, *to;
    char *held; /* leased */
    size_t held_at, held_len;
    uint64_t bytes;
    bool has_ended; /* the source's proper end was read */
    bool is_done;   /* … and passed on */
};

struct pn_pump {
    struct pn_loop *loop;
    struct flow flows[2]; /* a to b, b to a */
    pn_pump_done_fn *done;
    void *owner;
};

enum outcome { GOES_ON, BROKEN };

/* Sends what is held; true when nothing is left. */
static bool send_held(struct pn_pump *pump, struct flow *flow, enum outcome *outcome)
{
    while (flow->held_at < flow->held_len) {
        ssize_t sent =
            pn_stream_write(flow->to, flow->held + flow->held_at, flow->held_len - flow->held_at);

        if (sent == PN_STREAM_FAILED)
            *outcome = BROKEN;
        if (sent < 0)
            return false;
        flow->held_at += (size_t)sent;
        flow->bytes += (uint64_t)sent;
    }
    pn_loop_unlease(pump->loop, flow->held);
    flow->held = NULL;
    flow->held_at = flow->held_len = 0;
    return true;
}

/* Reads once and writes once; what the sink does not take is held. True when more may come at once. */
static bool copy_once(struct pn_pump *pump, struct flow *flow, enum outcome *outcome)
{
    char *bytes = pn_loop_scratch(pump->loop);
    ssize_t got = pn_stream_read(flow->from, bytes, PN_LOOP_SCRATCH_BYTES);

    if (got == PN_STREAM_FAILED)
        *outcome = BROKEN;
    flow->has_ended = got == 0;
    if (got <= 0)
        return false;

    ssize_t sent = pn_stream_write(flow->to, bytes, (size_t)got);

    if (sent == PN_STREAM_FAILED) {
        *outcome = BROKEN;
        return false;
    }

    size_t taken = sent > 0 ? (size_t)sent : 0;

    flow->bytes += taken;
    if (taken < (size_t)got) {
        flow->held = pn_loop_lease(pump->loop);
        flow->held_len = (size_t)got - taken;
        memcpy(flow->held, bytes + taken, flow->held_len);
        if (taken > 0 && send_held(pump, flow, outcome)) /* a stream may take less than it could */
            return true;
        return false;
    }
    return (size_t)got == PN_LOOP_SCRATCH_BYTES;
}

static enum outcome move(struct pn_pump *pump, struct flow *flow)
{
    enum outcome outcome = GOES_ON;

    if (flow->is_done || !send_held(pump, flow, &outcome))
        return outcome;
    for (int round = 0; round < ROUNDS_PER_WAKE_UP && !flow->has_ended; round++)
        if (!copy_once(pump, flow, &outcome))
            break;
    if (flow->has_ended && flow->held == NULL && outcome == GOES_ON)
        flow->is_done = pn_stream_finish(flow->to);
    return outcome;
}

static void update_wants(struct pn_pump *pump)
{
    for (int i = 0; i < 2; i++) {
        const struct flow *out = &pump->flows[i], *in = &pump->flows[1 - i];
        unsigned wants = 0;

        if (!out->has_ended && out->held == NULL)
            wants |= PN_WANT_READ;
        if (in->held != NULL || (in->has_ended && !in->is_done))
            wants |= PN_WANT_WRITE;
        pn_stream_want(out->from, wants);
    }
}

static void drop(struct pn_pump *pump)
{
    for (int i = 0; i < 2; i++) {
        pn_loop_unlease(pump->loop, pump->flows[i].held);
        pn_stream_close(pump->flows[i].from);
    }
    pn_heap_free(pump);
}

static void end(struct pn_pump *pump, bool is_clean)
{
    struct pn_pump_end result = { .is_clean = is_clean,
                                  .a_to_b = pump->flows[0].bytes,
                                  .b_to_a = pump->flows[1].bytes };
    pn_pump_done_fn *done = pump->done;
    void *owner = pump->owner;

    for (int i = 0; i < 2 && !is_clean && result.err.code == PN_OK; i++) {
        const struct pn_err *err = pn_stream_error(pump->flows[i].from);

        if (err != NULL && err->code != PN_OK)
            result.err = *err;
    }
    drop(pump);
    done(owner, &result);
}

/* A stream that gave all it had has failed before all was given to it: no read and no write will say so. */
static bool is_cut_off(const struct flow *into, const struct flow *out)
{
    const struct pn_err *err = pn_stream_error(out->from);

    return out->is_done && !into->is_done && err != NULL && err->code != PN_OK;
}

static void on_ready(void *pump_, struct pn_stream *stream, unsigned events)
{
    struct pn_pump *pump = pump_;
    struct flow *out = &pump->flows[stream != pump->flows[0].from];
    struct flow *in = &pump->flows[stream == pump->flows[0].from];
    enum outcome outcome = GOES_ON;

    if (events & PN_WANT_WRITE)
        outcome = move(pump, in);
    if ((events & PN_WANT_READ) && outcome == GOES_ON)
        outcome = move(pump, out);
    if (outcome == BROKEN || is_cut_off(in, out) || is_cut_off(out, in))
        end(pump, false);
    else if (in->is_done && out->is_done)
        end(pump, true);
    else
        update_wants(pump);
}

struct pn_pump *pn_pump_start(struct pn_stream *a, struct pn_stream *b, pn_pump_done_fn *done,
                              void *owner)
{
    struct pn_pump *pump = pn_heap_new(sizeof(*pump));

    pn_on_loop(a->loop);
    pn_assert(a->loop == b->loop);
    pump->loop = a->loop;
    pump->done = done;
    pump->owner = owner;
    pump->flows[0] = (struct flow){ .from = a, .to = b };
    pump->flows[1] = (struct flow){ .from = b, .to = a };
    pn_stream_set_owner(a, on_ready, pump);
    pn_stream_set_owner(b, on_ready, pump);
    update_wants(pump);
    return pump;
}

void pn_pump_cancel(struct pn_pump *pump)
{
    if (pump != NULL)
        drop(pump);
}

uint64_t pn_pump_bytes(const struct pn_pump *pump, bool a_to_b)
{
    return pump->flows[a_to_b ? 0 : 1].bytes;
}
