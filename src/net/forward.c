/* SPDX-License-Identifier: Apache-2.0 */
#include "net/forward.h"

#include "net/bytes.h"

#include <string.h>

#define MAX_ROUNDS 8   /* of a scratch full, then others get a turn */
#define GAP_MS 1000    /* how long an exchange that is ended waits for a place for its farewell */
#define LINGER_MS 2000 /* how long the client has to read it and close */
#define MAX_WORDS ((size_t)64 << 10)

/* One direction: what was read and could not be written yet is held, and nothing more is read. */
struct flow {
    struct pn_bytes held;
    uint64_t bytes;
    bool is_open;   /* the receiving side can take bytes: reading may begin */
    bool has_ended; /* the source ended cleanly */
    bool is_done;   /* … and the receiving side was told */
};

/*
 * ASKING until the origin's head; ANSWERING while bodies flow; UPGRADED: raw bytes both ways; LEAVING: the
 * origin is gone, the client gets a farewell and closes; OVER: both streams are gone, `done` is due.
 */
enum forward_state { ASKING, ANSWERING, UPGRADED, LEAVING, OVER, FORWARD_STATES };

static const bool may_become[FORWARD_STATES][FORWARD_STATES] = {
    [ASKING] = { [ANSWERING] = true, [UPGRADED] = true, [OVER] = true },
    [ANSWERING] = { [LEAVING] = true, [OVER] = true },
    [UPGRADED] = { [LEAVING] = true, [OVER] = true },
    [LEAVING] = { [OVER] = true },
};

struct pn_forward {
    struct pn_loop *loop;
    struct pn_exchange *exchange; /* the client's side */
    struct pn_request *request;   /* the origin's */
    const struct pn_forward_events *events;
    void *owner;
    struct flow up, down;
    enum forward_state state;
    int status;
    bool wants_upgrade;
    bool is_upgraded;
    bool is_ending; /* a place for the farewell is looked for */
    struct pn_farewell_facts what;
    struct pn_farewell *farewell; /* NULL: none can be said */
    char *reason;                 /* what it says: a Status */
    struct pn_err *err;
    struct pn_timer deadline; /* of the head; then of the end */
    struct pn_task soon;
};

static void set_state(struct pn_forward *f, enum forward_state state)
{
    pn_assert(may_become[f->state][state]);
    f->state = state;
}

/* ---- ends ---- */

static void on_over(struct pn_task *task)
{
    struct pn_forward *f = pn_container_of(task, struct pn_forward, soon);
    struct pn_forward_result result = { .status = f->status,
                                        .request_bytes = f->up.bytes,
                                        .response_bytes = f->down.bytes,
                                        .is_upgraded = f->is_upgraded,
                                        .is_clean = f->err == NULL };

    if (f->err != NULL)
        result.err = *f->err;
    if (f->events->done != NULL)
        f->events->done(f->owner, &result);
    pn_farewell_free(f->farewell);
    pn_heap_free(f->reason);
    pn_heap_free(f->err);
    pn_heap_free(f);
}

static void remember(struct pn_forward *f, const struct pn_err *why)
{
    if (f->err != NULL)
        return;
    f->err = pn_heap_new(sizeof(*f->err));
    *f->err = *why;
}

/* Closes both streams; what is not finished by then is an abort for the peer. */
static void end(struct pn_forward *f, const struct pn_err *why)
{
    struct pn_exchange *exchange = f->exchange;
    struct pn_request *request = f->request;

    if (f->state == OVER)
        return;
    if (why != NULL)
        remember(f, why);
    set_state(f, OVER);
    pn_timer_stop(&f->deadline);
    pn_bytes_drop(&f->up.held, f->loop);
    pn_bytes_drop(&f->down.held, f->loop);
    f->exchange = NULL;
    f->request = NULL;
    if (request != NULL)
        pn_stream_close(&request->body);
    if (exchange != NULL)
        pn_stream_close(&exchange->body);
    pn_loop_soon(f->loop, &f->soon);
}

/* The origin gave nothing that the client may see: the owner answers. */
static void refuse(struct pn_forward *f, const struct pn_err *why)
{
    struct pn_exchange *exchange = f->exchange;
    const struct pn_err *gone = pn_stream_error(&exchange->body);

    if (gone != NULL && gone->code != PN_OK) {
        end(f, gone);
        return;
    }
    f->exchange = NULL;
    end(f, why);
    f->events->refused(f->owner, exchange, f->err);
}

static void end_by(struct pn_forward *f, const struct pn_stream *broken)
{
    const struct pn_err *why = pn_stream_error(broken);
    struct pn_err err = { 0 };

    if (why == NULL || why->code == PN_OK)
        pn_fail(&err, PN_UNREACHABLE, "a stream broke");
    end(f, err.code != PN_OK ? &err : why);
}

/* ---- farewell ---- */

static void on_too_late(struct pn_timer *timer)
{
    end(pn_container_of(timer, struct pn_forward, deadline), NULL);
}

/* Nothing comes from the origin any more; the client gets the farewell and a proper end, and closes. */
static void leave(struct pn_forward *f)
{
    pn_auto(pn_buf_drop) struct pn_buf words = pn_buf_init(MAX_WORDS);
    struct pn_request *request = f->request;

    if (!pn_farewell_add(f->farewell, pn_str_from(f->reason), pn_str_from(f->err->message),
                         &words)) {
        end(f, NULL);
        return;
    }
    set_state(f, LEAVING);
    f->request = NULL;
    pn_stream_close(&request->body);
    pn_bytes_drop(&f->up.held, f->loop);
    pn_bytes_add(&f->down.held, f->loop, words.ptr, words.len);
    f->down.has_ended = true;
    f->deadline.run = on_too_late;
    pn_timer_start(f->loop, &f->deadline, LINGER_MS);
}

static void keep_reason(struct pn_forward *f, struct pn_str status)
{
    f->reason = pn_heap_new(status.len + 1);
    memcpy(f->reason, status.ptr, status.len);
}

static void step_leaving(struct pn_forward *f);

/* Half an answer must not look like a whole one; who waits for the rest reads why it does not come. */
static void lose_origin(struct pn_forward *f)
{
    pn_auto(pn_buf_drop) struct pn_buf status = pn_buf_init(MAX_WORDS);
    const struct pn_err *why = pn_stream_error(&f->request->body);
    bool is_possible = f->events->broken != NULL && f->farewell != NULL && !f->is_ending &&
                       pn_farewell_is_possible(f->farewell) && why != NULL && why->code != PN_OK;

    if (!is_possible || !f->events->broken(f->owner, why, &status)) {
        end_by(f, &f->request->body);
        return;
    }
    f->is_ending = true;
    remember(f, why);
    keep_reason(f, pn_buf_str(&status));
    leave(f);
    if (f->state == LEAVING)
        step_leaving(f);
}

/* ---- moving bytes ---- */

enum outcome { GOES_ON, BROKEN_SOURCE, BROKEN_SINK };

static enum outcome write_out(struct pn_forward *f, struct flow *flow, struct pn_stream *to,
                              const char *bytes, size_t len, size_t *taken)
{
    *taken = 0;
    while (*taken < len) {
        ssize_t sent = pn_stream_write(to, bytes + *taken, len - *taken);

        if (sent == PN_STREAM_FAILED)
            return BROKEN_SINK;
        if (sent == PN_STREAM_AGAIN)
            break;
        *taken += (size_t)sent;
    }
    flow->bytes += *taken;
    (void)f;
    return GOES_ON;
}

static enum outcome move_held(struct pn_forward *f, struct flow *flow, struct pn_stream *to)
{
    struct pn_str held = pn_bytes_str(&flow->held);
    size_t taken;
    enum outcome outcome = write_out(f, flow, to, held.ptr, held.len, &taken);

    pn_bytes_take(&flow->held, f->loop, taken);
    return outcome;
}

/*
 * What has been read, before it passes on. True while ending, when the place for the farewell has been found:
 * `bytes` is then cut there.
 */
static bool show(struct pn_forward *f, const struct flow *flow, struct pn_str *bytes)
{
    if (f->farewell == NULL)
        return false;
    if (flow == &f->up) {
        pn_farewell_up(f->farewell, *bytes);
        return false;
    }
    if (!f->is_ending) {
        pn_farewell_down(f->farewell, *bytes);
        return false;
    }
    *bytes = pn_str_slice(*bytes, 0, pn_farewell_down_to_gap(f->farewell, *bytes));
    return pn_farewell_is_possible(f->farewell);
}

static enum outcome move(struct pn_forward *f, struct flow *flow, struct pn_stream *from,
                         struct pn_stream *to)
{
    char *scratch = pn_loop_scratch(f->loop);

    if (flow->held.len > 0 && move_held(f, flow, to) != GOES_ON)
        return BROKEN_SINK;
    for (int round = 0;
         round < MAX_ROUNDS && flow->held.len == 0 && flow->is_open && !flow->has_ended; round++) {
        ssize_t got = pn_stream_read(from, scratch, PN_LOOP_SCRATCH_BYTES);
        struct pn_str bytes;
        bool is_last;
        size_t taken;

        if (got == PN_STREAM_FAILED)
            return BROKEN_SOURCE;
        if (got == PN_STREAM_AGAIN)
            break;
        flow->has_ended = got == 0;
        bytes = pn_str_of(scratch, (size_t)got);
        is_last = show(f, flow, &bytes);
        if (write_out(f, flow, to, bytes.ptr, bytes.len, &taken) != GOES_ON)
            return BROKEN_SINK;
        if (taken < bytes.len)
            pn_bytes_add(&flow->held, f->loop, bytes.ptr + taken, bytes.len - taken);
        if (is_last) {
            leave(f);
            return GOES_ON;
        }
    }
    if (flow->has_ended && flow->held.len == 0 && !flow->is_done)
        flow->is_done = pn_stream_finish(to);
    return GOES_ON;
}

static void update_wants(struct pn_forward *f)
{
    unsigned client = 0, origin = 0;

    if (f->up.is_open && !f->up.has_ended && f->up.held.len == 0 && !f->is_ending)
        client |= PN_WANT_READ;
    /* Before the answer nothing can be written: then this wish only tells us that the client left. */
    if (f->state == ASKING || f->down.held.len > 0 || (f->down.has_ended && !f->down.is_done))
        client |= PN_WANT_WRITE;
    if (f->down.is_open && !f->down.has_ended && f->down.held.len == 0)
        origin |= PN_WANT_READ;
    if (!f->up.is_done && (!f->up.is_open || f->up.held.len > 0 || f->up.has_ended))
        origin |= PN_WANT_WRITE;
    pn_stream_want(&f->exchange->body, client);
    pn_stream_want(&f->request->body, origin);
}

/* An answer that is complete ends an ordinary exchange, also when the request was not read to its end. */
static bool is_complete(const struct pn_forward *f)
{
    return f->down.is_done && (f->up.is_done || f->state == ANSWERING);
}

static void end_complete(struct pn_forward *f)
{
    struct pn_err err = { 0 };

    if (!f->up.is_done)
        pn_fail(&err, PN_UPSTREAM, "the answer came before the end of the request");
    end(f, err.code != PN_OK ? &err : NULL);
}

/* While leaving: what is held goes out and ends; what still comes is read and dropped, so that no reset overtakes. */
static void step_leaving(struct pn_forward *f)
{
    struct pn_stream *client = &f->exchange->body;
    char *scratch = pn_loop_scratch(f->loop);
    ssize_t got = 1;

    if (f->down.held.len > 0 && move_held(f, &f->down, client) != GOES_ON)
        return end_by(f, client);
    if (f->down.held.len == 0 && !f->down.is_done)
        f->down.is_done = pn_stream_finish(client);
    for (int round = 0; round < MAX_ROUNDS && !f->up.has_ended && got > 0; round++)
        got = pn_stream_read(client, scratch, PN_LOOP_SCRATCH_BYTES);
    if (got == PN_STREAM_FAILED)
        return end_by(f, client);
    f->up.has_ended = f->up.has_ended || got == 0;
    if (f->down.is_done && f->up.has_ended)
        return end(f, NULL);
    pn_stream_want(client, (f->up.has_ended ? 0U : (unsigned)PN_WANT_READ) |
                               (f->down.is_done ? 0U : (unsigned)PN_WANT_WRITE));
}

static void step(struct pn_forward *f, bool is_up, bool is_down)
{
    struct pn_stream *client = &f->exchange->body, *origin = &f->request->body;
    enum outcome outcome = GOES_ON;

    if (is_down) {
        outcome = move(f, &f->down, origin, client);
        if (outcome == BROKEN_SOURCE)
            return lose_origin(f);
        if (outcome == BROKEN_SINK)
            return end_by(f, client);
        if (f->state == LEAVING) {
            step_leaving(f);
            return;
        }
        if (f->state == OVER)
            return;
    }
    if (is_up && !f->is_ending && !is_complete(f)) {
        outcome = move(f, &f->up, client, origin);
        /* A request that the origin would not read to its end may still get its answer. */
        if (outcome == BROKEN_SOURCE)
            return end_by(f, client);
        if (outcome == BROKEN_SINK && f->state != ASKING)
            return lose_origin(f);
        if (outcome == BROKEN_SINK)
            f->up.has_ended = f->up.is_done = true;
    }
    if (is_complete(f))
        end_complete(f);
    else
        update_wants(f);
}

static void on_client_ready(void *f_, struct pn_stream *client, unsigned events)
{
    struct pn_forward *f = f_;
    const struct pn_err *gone = pn_stream_error(client);

    if (gone != NULL && gone->code != PN_OK)
        end(f, gone);
    else if (f->state == LEAVING)
        step_leaving(f);
    else
        step(f, (events & PN_WANT_READ) != 0, (events & PN_WANT_WRITE) != 0 && f->state != ASKING);
}

static void on_origin_ready(void *f_, struct pn_stream *origin PN_UNUSED, unsigned events)
{
    struct pn_forward *f = f_;

    if (events & PN_WANT_WRITE)
        f->up.is_open = true;
    step(f, (events & PN_WANT_WRITE) != 0, (events & PN_WANT_READ) != 0);
}

/* ---- the answer ---- */

static struct pn_http_head *copy_for_client(struct pn_forward *f, const struct pn_http_head *head)
{
    struct pn_http_head *out = pn_http_head_copy(f->exchange->arena, head);
    size_t kept = 0;

    for (size_t i = 0; i < out->count; i++) {
        struct pn_str name = out->fields[i].name;

        if (!pn_http_is_hop_by_hop(name) && !pn_http_field_has_token(head, "connection", name))
            out->fields[kept++] = out->fields[i];
    }
    out->count = kept;
    out->wants_close = out->is_chunked = out->is_http10 = false;
    if (head->status != 101)
        out->upgrade = PN_NONE;
    return out;
}

/* An answer that may be open for long is watched, so that it can be ended with a reason. */
static void watch_for_end(struct pn_forward *f, const struct pn_http_head *head)
{
    struct pn_farewell_facts facts = f->what;

    if (f->what.verb.ptr == NULL || (head->status != 101 && head->content_length >= 0))
        return;
    facts.status = head->status;
    facts.upgrade = head->upgrade;
    facts.content_type = pn_http_field_get(head, "content-type");
    facts.protocol = pn_http_field_get(head, "sec-websocket-protocol");
    if (facts.protocol.ptr == NULL)
        facts.protocol = pn_http_field_get(head, "x-stream-protocol-version");
    f->farewell = pn_farewell_new(&facts);
}

static void on_response(void *f_, struct pn_request *request PN_UNUSED,
                        const struct pn_http_head *head)
{
    struct pn_forward *f = f_;
    struct pn_err err = { 0 };
    struct pn_http_head *out;

    pn_timer_stop(&f->deadline);
    f->status = head->status;
    if (f->wants_upgrade && head->status != 101 && head->status < 400) {
        pn_fail(&err, PN_UPSTREAM, "the server did not switch protocols but answered %d",
                head->status);
        refuse(f, &err);
        return;
    }
    out = copy_for_client(f, head);
    if (f->events->response != NULL)
        f->events->response(f->owner, head, out);
    if (f->state == OVER)
        return;
    if (head->status == 101) {
        set_state(f, UPGRADED);
        f->is_upgraded = true;
        f->up.is_open = true; /* what is held of a body goes first */
        f->up.has_ended = f->up.is_done = false;
    } else {
        set_state(f, ANSWERING);
    }
    watch_for_end(f, head);
    f->down.is_open = true;
    f->down.has_ended = f->down.is_done = out->is_last && head->status != 101;
    pn_exchange_respond(f->exchange, out);
    step(f, false, true);
}

static void on_failed(void *f_, struct pn_request *request PN_UNUSED, const struct pn_err *err)
{
    refuse(f_, err);
}

static const struct pn_request_events request_events = { .response = on_response,
                                                         .failed = on_failed };

/* ---- what the owner calls ---- */

static void on_deadline(struct pn_timer *timer)
{
    struct pn_forward *f = pn_container_of(timer, struct pn_forward, deadline);
    struct pn_err err = { 0 };

    pn_fail(&err, PN_TIMEOUT, "the server did not answer in time");
    pn_forward_end(f, &err, PN_NONE);
}

struct pn_forward *pn_forward_start(struct pn_exchange *exchange, struct pn_origin *origin,
                                    const struct pn_http_head *head,
                                    const struct pn_farewell_facts *what, int64_t deadline_ms,
                                    const struct pn_forward_events *events, void *owner)
{
    struct pn_forward *f = pn_heap_new(sizeof(*f));

    pn_assert(events->refused != NULL);
    f->loop = exchange->body.loop;
    f->exchange = exchange;
    f->events = events;
    f->owner = owner;
    f->wants_upgrade = head->upgrade.ptr != NULL;
    if (what != NULL)
        f->what = *what;
    f->up.has_ended = f->up.is_done = head->is_last;
    f->deadline.run = on_deadline;
    f->soon.run = on_over;
    pn_stream_set_owner(&exchange->body, on_client_ready, f);
    f->request = pn_origin_request(origin, head, &request_events, f);
    pn_stream_set_owner(&f->request->body, on_origin_ready, f);
    if (deadline_ms > 0)
        pn_timer_start(f->loop, &f->deadline, deadline_ms);
    update_wants(f);
    return f;
}

uint64_t pn_forward_bytes(const struct pn_forward *forward)
{
    return forward->up.bytes + forward->down.bytes;
}

void pn_forward_abort(struct pn_forward *forward, const struct pn_err *why)
{
    pn_on_loop(forward->loop);
    end(forward, why);
}

/* Says farewell here, or waits for the place. False: there will be none. */
static bool say_farewell(struct pn_forward *f, struct pn_str status)
{
    if (status.len == 0 || pn_farewell_is_lost(f->farewell))
        return false;
    keep_reason(f, status);
    f->deadline.run = on_too_late;
    pn_timer_start(f->loop, &f->deadline, GAP_MS);
    if (pn_farewell_is_possible(f->farewell))
        leave(f);
    if (f->state == LEAVING)
        step_leaving(f);
    else if (f->state != OVER)
        update_wants(f);
    return true;
}

void pn_forward_end(struct pn_forward *forward, const struct pn_err *why, struct pn_str status)
{
    pn_on_loop(forward->loop);
    if (forward->state == ASKING) {
        refuse(forward, why);
        return;
    }
    if (forward->state == OVER || forward->is_ending)
        return;
    forward->is_ending = true;
    remember(forward, why);
    if (forward->down.has_ended || !say_farewell(forward, status))
        end(forward, why);
}
