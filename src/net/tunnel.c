/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tunnel.h"

#include <stdio.h>
#include <string.h>

#include "http/h2.h"
#include "net/bytes.h"

#define MAX_STREAMS 4096
#define SMALL_WINDOW ((uint32_t)64 * 1024)
#define LARGE_WINDOW ((uint32_t)1 << 20)
#define PROVEN_BYTES ((size_t)32 * 1024) /* taken by a reader before its window grows */
#define WINDOW_BUDGET ((size_t)64 << 20) /* of all grown windows together */
#define CONNECTION_WINDOW ((uint32_t)16 << 20)
#define FRAME_BYTES 16375 /* with its header it fills a TLS record */
#define RESETS_PER_SECOND \
    10000 /* clients come and go: no attack (opens are bounded at the relay) */
#define SEND_BYTES ((size_t)64 * 1024)   /* per stream, until the peer's window has room */
#define OUTPUT_BYTES ((size_t)64 * 1024) /* framed and waiting for the socket */
#define READS_PER_WAKE_UP 4
#define LEAVING_PINGS 2 /* that long last words may take, and the client to leave after them */
#define CANCEL 8        /* RFC 9113 §7 */
#define HELLO_TARGET "/hello"

struct tunnel_stream {
    struct pn_stream stream;
    struct pn_tunnel *tunnel; /* NULL once that has gone */
    struct tunnel_stream *next, **at;
    struct pn_task soon; /* readiness, and a new stream's arrival */
    struct pn_bytes in, out;
    struct pn_err *err;
    size_t taken;  /* bytes read so far, up to PROVEN_BYTES */
    bool *is_gone; /* set on close: somebody up the stack looks */
    int32_t id;    /* 0 once HTTP/2 has forgotten it */
    bool has_large_window;
    bool is_told;       /* of its failure */
    bool is_new;        /* not yet given to the gateway side's owner */
    unsigned leaving;   /* its owner has closed it after its end: 1 and PINGs since */
    bool is_in_ended;   /* END_STREAM came */
    bool wants_end;     /* ours goes after `out` */
    bool is_out_ended;  /* … and is framed */
    char client_ip[48]; /* only until the arrival is reported */
};

struct pn_tunnel {
    struct pn_loop *loop;
    struct pn_stream *lower;
    struct pn_h2 *h2;
    struct pn_tunnel_events events;
    void *owner;
    struct tunnel_stream *streams;
    size_t stream_count, held_bytes, grown_bytes;
    struct pn_buf out; /* frames that the lower stream has not taken */
    struct pn_task flush;
    struct pn_task report; /* hello and draining, outside HTTP/2's callbacks */
    struct pn_timer ping;
    bool has_heard; /* a byte, since the last PING */
    unsigned missed;
    int32_t hello_id; /* relay side: the stream of GET /hello */
    unsigned index;
    char process[PN_TUNNEL_PROCESS_BYTES];
    bool is_server;             /* gateway side */
    bool has_hello, has_goaway; /* to be reported */
    bool is_peer_draining, is_draining;
};

static struct tunnel_stream *stream_of(const struct pn_stream *stream)
{
    return pn_container_of(stream, struct tunnel_stream, stream);
}

/* ---- streams ---- */

static unsigned possible(const struct tunnel_stream *s)
{
    unsigned events = 0;

    if (s->err != NULL || s->in.len > 0 || s->is_in_ended)
        events |= PN_WANT_READ;
    if (s->err != NULL || s->is_out_ended || (!s->wants_end && s->out.len < SEND_BYTES))
        events |= PN_WANT_WRITE;
    return events & s->stream.wants;
}

static void schedule(struct tunnel_stream *s)
{
    if (possible(s))
        pn_loop_soon(s->stream.loop, &s->soon);
}

static void schedule_flush(struct pn_tunnel *tunnel)
{
    pn_loop_soon(tunnel->loop, &tunnel->flush);
}

static void link_stream(struct pn_tunnel *tunnel, struct tunnel_stream *s)
{
    s->tunnel = tunnel;
    s->next = tunnel->streams;
    s->at = &tunnel->streams;
    if (s->next != NULL)
        s->next->at = &s->next;
    tunnel->streams = s;
    tunnel->stream_count++;
}

static void unlink_stream(struct tunnel_stream *s)
{
    struct pn_tunnel *tunnel = s->tunnel;

    pn_assert(tunnel != NULL);
    *s->at = s->next;
    if (s->next != NULL)
        s->next->at = s->at;
    tunnel->stream_count--;
    tunnel->held_bytes -= s->in.len;
    if (s->has_large_window)
        tunnel->grown_bytes -= LARGE_WINDOW;
    s->tunnel = NULL;
    if (tunnel->stream_count == 0 && (tunnel->is_draining || tunnel->is_peer_draining))
        schedule_flush(tunnel);
}

static void fail_stream(struct tunnel_stream *s, const struct pn_err *why)
{
    if (s->err != NULL)
        return;
    s->err = pn_heap_new(sizeof(*s->err));
    *s->err = *why;
    pn_loop_soon(s->stream.loop, &s->soon);
}

static void free_stream(struct tunnel_stream *s)
{
    struct pn_loop *loop = s->stream.loop;

    if (s->tunnel != NULL && s->id != 0) {
        pn_h2_set_user(s->tunnel->h2, s->id, NULL);
        if (!s->is_out_ended || !s->is_in_ended)
            pn_h2_reset(s->tunnel->h2, s->id, CANCEL);
        schedule_flush(s->tunnel);
    }
    if (s->tunnel != NULL)
        unlink_stream(s);
    pn_loop_unsoon(loop, &s->soon);
    pn_bytes_drop(&s->in, loop);
    pn_bytes_drop(&s->out, loop);
    pn_heap_free(s->err);
    pn_heap_free(s);
}

/* What waits is still sent, and what comes is thrown away, until the peer ends too: a reset could overtake it. */
static void leave(struct tunnel_stream *s)
{
    s->leaving = 1;
    s->stream.wants = 0;
    pn_loop_unsoon(s->stream.loop, &s->soon);
    if (s->in.len > 0 && !s->is_in_ended)
        pn_h2_consumed(s->tunnel->h2, s->id, s->in.len);
    s->tunnel->held_bytes -= s->in.len;
    pn_bytes_drop(&s->in, s->stream.loop);
    schedule_flush(s->tunnel);
}

/* What is possible and wanted; and once of a failure, wanted or not: nothing else would wake the owner up. */
static void tell(struct tunnel_stream *s)
{
    unsigned events = possible(s);
    bool is_news = s->err != NULL && !s->is_told;
    bool is_gone = false;

    if (s->stream.ready == NULL || (events == 0 && !is_news))
        return;
    s->is_told |= is_news;
    s->is_gone = &is_gone;
    s->stream.ready(s->stream.owner, &s->stream, events != 0 ? events : PN_WANT_READ);
    if (is_gone)
        return;
    s->is_gone = NULL;
    schedule(s); /* level-triggered */
}

static void arrive(struct tunnel_stream *s)
{
    struct pn_tunnel *tunnel = s->tunnel;

    s->is_new = false;
    if (tunnel == NULL) { /* it died before anybody heard of it */
        pn_stream_close(&s->stream);
        return;
    }
    if (s->err != NULL)
        pn_loop_soon(s->stream.loop, &s->soon);
    tunnel->events.incoming(tunnel->owner, tunnel, &s->stream, pn_str_from(s->client_ip));
}

static void on_stream_soon(struct pn_task *task)
{
    struct tunnel_stream *s = pn_container_of(task, struct tunnel_stream, soon);

    if (s->leaving > 0)
        free_stream(s);
    else if (s->is_new)
        arrive(s);
    else
        tell(s);
}

static void grow_window(struct tunnel_stream *s, size_t count)
{
    struct pn_tunnel *tunnel = s->tunnel;

    s->taken += count;
    if (s->taken < PROVEN_BYTES || s->has_large_window ||
        tunnel->grown_bytes + LARGE_WINDOW > WINDOW_BUDGET)
        return;
    s->has_large_window = true;
    tunnel->grown_bytes += LARGE_WINDOW;
    pn_h2_set_window(tunnel->h2, s->id, LARGE_WINDOW);
}

static ssize_t tunnel_read(struct pn_stream *stream, void *out, size_t len)
{
    struct tunnel_stream *s = stream_of(stream);
    size_t count = s->in.len < len ? s->in.len : len;

    pn_on_loop(stream->loop);
    if (s->err != NULL && !s->is_in_ended) /* what is complete is read, whatever came after it */
        return PN_STREAM_FAILED;
    if (count == 0)
        return s->is_in_ended ? 0 : PN_STREAM_AGAIN;
    memcpy(out, pn_bytes_str(&s->in).ptr, count);
    pn_bytes_take(&s->in, stream->loop, count);
    if (s->tunnel != NULL)
        s->tunnel->held_bytes -= count;
    if (s->tunnel != NULL && s->id != 0 && !s->is_in_ended) {
        pn_h2_consumed(s->tunnel->h2, s->id, count);
        grow_window(s, count);
        if (pn_h2_wants_output(s->tunnel->h2))
            schedule_flush(s->tunnel);
    }
    schedule(s);
    return (ssize_t)count;
}

static ssize_t tunnel_write(struct pn_stream *stream, const void *bytes, size_t len)
{
    struct tunnel_stream *s = stream_of(stream);
    size_t room = s->out.len < SEND_BYTES ? SEND_BYTES - s->out.len : 0;
    size_t count = len < room ? len : room;

    pn_on_loop(stream->loop);
    pn_assert(!s->wants_end);
    if (s->err != NULL)
        return PN_STREAM_FAILED;
    if (count == 0)
        return PN_STREAM_AGAIN;
    pn_bytes_add(&s->out, stream->loop, bytes, count);
    pn_h2_resume(s->tunnel->h2, s->id);
    schedule_flush(s->tunnel);
    return (ssize_t)count;
}

static bool tunnel_finish(struct pn_stream *stream)
{
    struct tunnel_stream *s = stream_of(stream);

    pn_on_loop(stream->loop);
    if (s->err == NULL && !s->wants_end) {
        s->wants_end = true;
        pn_h2_resume(s->tunnel->h2, s->id);
        schedule_flush(s->tunnel);
    }
    return s->is_out_ended || s->err != NULL;
}

static void tunnel_want(struct pn_stream *stream, unsigned wants)
{
    (void)wants;
    schedule(stream_of(stream));
}

static void tunnel_close(struct pn_stream *stream)
{
    struct tunnel_stream *s = stream_of(stream);

    pn_on_loop(stream->loop);
    if (s->is_gone != NULL)
        *s->is_gone = true;
    s->is_gone = NULL;
    if (s->err == NULL && s->wants_end && !(s->is_out_ended && s->is_in_ended))
        leave(s);
    else
        free_stream(s);
}

static const struct pn_err *tunnel_error(const struct pn_stream *stream)
{
    return stream_of(stream)->err;
}

static const struct pn_stream_ops tunnel_ops = {
    .name = "tunnel",
    .read = tunnel_read,
    .write = tunnel_write,
    .finish = tunnel_finish,
    .want = tunnel_want,
    .close = tunnel_close,
    .error = tunnel_error,
};

static struct tunnel_stream *stream_new(struct pn_tunnel *tunnel)
{
    struct tunnel_stream *s = pn_heap_new(sizeof(*s));

    s->stream.ops = &tunnel_ops;
    s->stream.loop = tunnel->loop;
    s->soon.run = on_stream_soon;
    link_stream(tunnel, s);
    return s;
}

/* ---- death ---- */

static void drop(struct pn_tunnel *tunnel, const struct pn_err *why)
{
    while (tunnel->streams != NULL) {
        struct tunnel_stream *s = tunnel->streams;

        unlink_stream(s);
        s->id = 0;
        if (s->leaving > 0)
            free_stream(s);
        else
            fail_stream(s, why);
    }
    pn_timer_stop(&tunnel->ping);
    pn_loop_unsoon(tunnel->loop, &tunnel->flush);
    pn_loop_unsoon(tunnel->loop, &tunnel->report);
    pn_stream_close(tunnel->lower);
    pn_h2_free(tunnel->h2);
    pn_buf_drop(&tunnel->out);
    pn_heap_free(tunnel);
}

/* `why` NULL: a drain has come to its end. */
static void end(struct pn_tunnel *tunnel, const struct pn_err *why)
{
    struct pn_tunnel_events events = tunnel->events;
    void *owner = tunnel->owner;
    struct pn_err err = { 0 };

    if (why != NULL)
        err = *why;
    else
        (void)pn_fail(&err, PN_UNREACHABLE, "the tunnel was closed");
    drop(tunnel, &err);
    events.closed(owner, tunnel, why != NULL ? &err : NULL);
}

static void end_broken(struct pn_tunnel *tunnel)
{
    struct pn_err err = *pn_stream_error(tunnel->lower);

    (void)pn_within(&err, "tunnel");
    end(tunnel, &err);
}

static void end_violated(struct pn_tunnel *tunnel)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_PROTOCOL, "the tunnel's protocol was violated");
    end(tunnel, &err);
}

/* ---- HTTP/2 says ---- */

/* RFC 7239 §4, §6: for=192.0.2.1, for="[2001:db8::1]", either with a port. */
static struct pn_str forwarded_for(struct pn_str value)
{
    struct pn_str rest = value, pair;
    ptrdiff_t end_at;

    while (pn_str_cut(&rest, ';', &pair)) {
        pair = pn_str_trim(pair);
        if (!pn_str_istarts(pair, PN_LIT("for=")))
            continue;
        pair = pn_str_slice(pair, 4, pair.len);
        if (pair.len >= 2 && pair.ptr[0] == '"')
            pair = pn_str_slice(pair, 1, pair.len - 1);
        if (pair.len >= 2 && pair.ptr[0] == '[')
            return pn_str_slice(pair, 1,
                                (end_at = pn_str_find(pair, ']')) > 0 ? (size_t)end_at : pair.len);
        end_at = pn_str_find(pair, ':');
        return pn_str_slice(pair, 0, end_at >= 0 ? (size_t)end_at : pair.len);
    }
    return PN_NONE;
}

static bool answer(struct pn_tunnel *tunnel, int32_t id, int status, bool is_last,
                   struct pn_http_field *fields, size_t count)
{
    const struct pn_http_head head = {
        .status = status, .fields = fields, .count = count, .content_length = -1, .is_last = is_last
    };
    struct pn_err err = { 0 };

    return pn_h2_respond(tunnel->h2, id, &head, &err);
}

static bool answer_hello(struct pn_tunnel *tunnel, int32_t id)
{
    char digits[12];
    struct pn_http_field fields[2] = { { PN_LIT("postern-process"),
                                         pn_str_from(tunnel->process) } };

    snprintf(digits, sizeof(digits), "%u", tunnel->index);
    fields[1] = (struct pn_http_field){ PN_LIT("postern-index"), pn_str_from(digits) };
    return answer(tunnel, id, 200, true, fields, 2);
}

/* Gateway side: a request of the relay's. */
static bool on_request(struct pn_tunnel *tunnel, int32_t id, const struct pn_http_head *head)
{
    if (pn_str_is(head->method, "GET") && pn_str_is(head->target, HELLO_TARGET))
        return answer_hello(tunnel, id);
    if (!pn_str_is(head->method, "CONNECT"))
        return answer(tunnel, id, 404, true, NULL, 0);
    if (tunnel->is_draining || head->is_last)
        return false;

    struct tunnel_stream *s = stream_new(tunnel);
    struct pn_str ip = forwarded_for(pn_http_field_get(head, "forwarded"));

    snprintf(s->client_ip, sizeof(s->client_ip), "%.*s", PN_ARG(ip));
    s->id = id;
    s->is_new = true;
    pn_h2_set_user(tunnel->h2, id, s);
    pn_loop_soon(tunnel->loop, &s->soon);
    if (answer(tunnel, id, 200, false, NULL, 0))
        return true;
    unlink_stream(s);
    return false;
}

static bool take_hello(struct pn_tunnel *tunnel, const struct pn_http_head *head)
{
    struct pn_str process = pn_http_field_get(head, "postern-process");
    uint64_t index;

    if (head->status != 200 || process.len == 0 || process.len >= sizeof(tunnel->process) ||
        !pn_str_is_printable(process) ||
        !pn_str_u64(pn_http_field_get(head, "postern-index"), &index) || index > 999)
        return false;
    memcpy(tunnel->process, process.ptr, process.len);
    tunnel->process[process.len] = '\0';
    tunnel->index = (unsigned)index;
    tunnel->has_hello = true;
    pn_loop_soon(tunnel->loop, &tunnel->report);
    return true;
}

static bool on_head(void *tunnel_, int32_t id, void *stream_, const struct pn_http_head *head)
{
    struct pn_tunnel *tunnel = tunnel_;
    struct tunnel_stream *s = stream_;
    struct pn_err err = { 0 };

    if (tunnel->is_server)
        return on_request(tunnel, id, head);
    if (head->status < 200 || (s == NULL && id != tunnel->hello_id))
        return true;
    if (id == tunnel->hello_id)
        return take_hello(tunnel, head);
    if (head->status == 200)
        return true;
    (void)pn_fail(&err, PN_UNREACHABLE, "the gateway refused the connection");
    s->id = 0; /* HTTP/2 forgets it without a further word */
    fail_stream(s, &err);
    return false;
}

static void on_data(void *tunnel_, int32_t id, void *stream_, const char *bytes, size_t len)
{
    struct pn_tunnel *tunnel = tunnel_;
    struct tunnel_stream *s = stream_;

    if (s == NULL || s->err != NULL || s->leaving > 0) { /* keep the accounts right */
        pn_h2_consumed(tunnel->h2, id, len);
        return;
    }
    pn_bytes_add(&s->in, tunnel->loop, bytes, len);
    tunnel->held_bytes += len;
    schedule(s);
}

static void on_end(void *tunnel, int32_t id, void *stream_)
{
    struct tunnel_stream *s = stream_;

    (void)tunnel, (void)id;
    if (s == NULL)
        return;
    s->is_in_ended = true;
    schedule(s);
}

static void on_close(void *tunnel, int32_t id, void *stream_, uint32_t error_code)
{
    struct tunnel_stream *s = stream_;
    struct pn_err err = { 0 };

    (void)tunnel, (void)id;
    if (s == NULL)
        return;
    s->id = 0;
    if (s->leaving > 0) {
        pn_loop_soon(s->stream.loop, &s->soon);
        return;
    }
    if (error_code == 0 && s->is_in_ended && s->is_out_ended)
        return;
    (void)pn_fail_cause(&err, PN_UNREACHABLE, (int)error_code,
                        "the other side of the tunnel reset the connection");
    fail_stream(s, &err);
}

static ptrdiff_t pull(void *tunnel, int32_t id, void *stream_, char *out, size_t max, bool *is_end)
{
    struct tunnel_stream *s = stream_;
    size_t count;

    (void)tunnel, (void)id;
    if (s == NULL) /* closed: its reset is on the way */
        return PN_H2_PULL_AGAIN;
    count = s->out.len < max ? s->out.len : max;
    if (count > 0) {
        memcpy(out, pn_bytes_str(&s->out).ptr, count);
        pn_bytes_take(&s->out, s->stream.loop, count);
    }
    *is_end = s->out.len == 0 && s->wants_end;
    s->is_out_ended = *is_end;
    schedule(s);
    return count > 0 || *is_end ? (ptrdiff_t)count : PN_H2_PULL_AGAIN;
}

static void on_goaway(void *tunnel_, int32_t last_stream, uint32_t error_code)
{
    struct pn_tunnel *tunnel = tunnel_;

    (void)last_stream, (void)error_code;
    tunnel->has_goaway = !tunnel->is_peer_draining;
    tunnel->is_peer_draining = true;
    pn_loop_soon(tunnel->loop, &tunnel->report);
}

static const struct pn_h2_events h2_events = {
    .on_head = on_head,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .pull = pull,
    .on_goaway = on_goaway,
};

/* ---- the connection ---- */

/* The relay side closes when all is over; the gateway side waits for that, else it could cut off an open. */
static bool is_drained(const struct pn_tunnel *tunnel)
{
    return !tunnel->is_server && (tunnel->is_draining || tunnel->is_peer_draining) &&
           tunnel->stream_count == 0 && tunnel->out.len == 0 && !pn_h2_wants_output(tunnel->h2);
}

static void drop_output(struct pn_tunnel *tunnel)
{
    pn_buf_drop(&tunnel->out);
    tunnel->out = pn_buf_init(OUTPUT_BYTES + 2 * FRAME_BYTES);
}

/* Frames what streams have and sends it, until the lower stream has enough. False: the tunnel is gone. */
static bool flush_now(struct pn_tunnel *tunnel)
{
    for (;;) {
        (void)pn_h2_output(tunnel->h2, &tunnel->out, OUTPUT_BYTES);
        if (tunnel->out.len == 0)
            break;

        ssize_t sent = pn_stream_write(tunnel->lower, tunnel->out.ptr, tunnel->out.len);

        if (sent == PN_STREAM_FAILED) {
            end_broken(tunnel);
            return false;
        }
        if (sent == PN_STREAM_AGAIN)
            break;
        pn_buf_consume(&tunnel->out, (size_t)sent);
    }
    pn_stream_want(tunnel->lower, PN_WANT_READ | (tunnel->out.len > 0 ? PN_WANT_WRITE : 0U));
    if (is_drained(tunnel)) {
        (void)pn_stream_finish(tunnel->lower);
        end(tunnel, NULL);
        return false;
    }
    if (pn_h2_is_over(tunnel->h2) && !tunnel->is_draining && !tunnel->is_peer_draining) {
        end_violated(tunnel);
        return false;
    }
    return true;
}

static void on_flush(struct pn_task *task)
{
    (void)flush_now(pn_container_of(task, struct pn_tunnel, flush));
}

/* One event per turn: the owner may free the tunnel in any of them, so what follows is queued before. */
static void on_report(struct pn_task *task)
{
    struct pn_tunnel *tunnel = pn_container_of(task, struct pn_tunnel, report);

    schedule_flush(tunnel);
    if (tunnel->has_hello) {
        tunnel->has_hello = false;
        if (tunnel->has_goaway)
            pn_loop_soon(tunnel->loop, &tunnel->report);
        tunnel->events.hello(tunnel->owner, tunnel, tunnel->process, tunnel->index);
    } else if (tunnel->has_goaway) {
        tunnel->has_goaway = false;
        if (tunnel->events.draining != NULL)
            tunnel->events.draining(tunnel->owner, tunnel);
    }
}

static bool read_once(struct pn_tunnel *tunnel, size_t *got)
{
    char *bytes = pn_loop_scratch(tunnel->loop);
    ssize_t count = pn_stream_read(tunnel->lower, bytes, PN_LOOP_SCRATCH_BYTES);
    struct pn_err err = { 0 };

    *got = count > 0 ? (size_t)count : 0;
    if (count == PN_STREAM_FAILED) {
        end_broken(tunnel);
        return false;
    }
    if (count == 0) {
        bool is_drain =
            tunnel->stream_count == 0 && (tunnel->is_draining || tunnel->is_peer_draining);

        (void)pn_fail(&err, PN_UNREACHABLE, "the other side closed the tunnel");
        if (is_drain)
            (void)pn_stream_finish(tunnel->lower);
        end(tunnel, is_drain ? NULL : &err);
        return false;
    }
    if (count > 0 && !pn_h2_input(tunnel->h2, pn_str_of(bytes, (size_t)count), &err)) {
        (void)pn_h2_output(tunnel->h2, &tunnel->out, OUTPUT_BYTES); /* GOAWAY says why */
        (void)pn_stream_write(tunnel->lower, tunnel->out.ptr, tunnel->out.len);
        end(tunnel, &err);
        return false;
    }
    tunnel->has_heard |= count > 0;
    return true;
}

static void on_lower_ready(void *tunnel_, struct pn_stream *lower, unsigned events)
{
    struct pn_tunnel *tunnel = tunnel_;

    (void)lower;
    if ((events & PN_WANT_WRITE) && !flush_now(tunnel))
        return;
    if ((events & PN_WANT_READ) == 0)
        return;
    for (int i = 0; i < READS_PER_WAKE_UP; i++) {
        size_t got;

        if (!read_once(tunnel, &got))
            return;
        if (got < PN_LOOP_SCRATCH_BYTES)
            break;
    }
    schedule_flush(tunnel); /* after the streams that these bytes have made ready */
}

static void hurry_leavers(struct pn_tunnel *tunnel)
{
    struct tunnel_stream *next;

    for (struct tunnel_stream *s = tunnel->streams; s != NULL; s = next) {
        next = s->next;
        if (s->leaving > 0 && s->leaving++ > LEAVING_PINGS)
            free_stream(s);
    }
}

static void on_ping(struct pn_timer *timer)
{
    struct pn_tunnel *tunnel = pn_container_of(timer, struct pn_tunnel, ping);
    struct pn_err err = { 0 };

    if (!tunnel->has_heard && ++tunnel->missed == PN_TUNNEL_MISSED_MAX) {
        (void)pn_fail(&err, PN_TIMEOUT, "the other side of the tunnel stopped answering");
        end(tunnel, &err);
        return;
    }
    if (tunnel->has_heard)
        tunnel->missed = 0;
    tunnel->has_heard = false;
    hurry_leavers(tunnel);
    if (tunnel->out.len == 0 && tunnel->stream_count == 0)
        drop_output(tunnel);
    pn_h2_ping(tunnel->h2);
    schedule_flush(tunnel);
    pn_timer_start(tunnel->loop, &tunnel->ping, PN_TUNNEL_PING_MS);
}

/* ---- life ---- */

static bool start(struct pn_stream *lower, bool is_server, const struct pn_tunnel_events *events,
                  void *owner, struct pn_tunnel **out, struct pn_err *err)
{
    const struct pn_h2_config config = { .is_server = is_server,
                                         .max_streams = MAX_STREAMS,
                                         .stream_window_bytes = SMALL_WINDOW,
                                         .connection_window_bytes = CONNECTION_WINDOW,
                                         .max_frame_bytes = FRAME_BYTES,
                                         .resets_per_second = RESETS_PER_SECOND };
    struct pn_tunnel *tunnel = pn_heap_new(sizeof(*tunnel));

    pn_on_loop(lower->loop);
    if (!pn_h2_new(&config, &h2_events, tunnel, &tunnel->h2, err)) {
        pn_heap_free(tunnel);
        pn_stream_close(lower);
        return false;
    }
    tunnel->loop = lower->loop;
    tunnel->lower = lower;
    tunnel->is_server = is_server;
    tunnel->events = *events;
    tunnel->owner = owner;
    tunnel->out = pn_buf_init(OUTPUT_BYTES + 2 * FRAME_BYTES);
    tunnel->flush.run = on_flush;
    tunnel->report.run = on_report;
    tunnel->ping.run = on_ping;
    tunnel->has_heard = true;
    pn_stream_set_owner(lower, on_lower_ready, tunnel);
    pn_stream_want(lower, PN_WANT_READ);
    pn_timer_start(tunnel->loop, &tunnel->ping, PN_TUNNEL_PING_MS);
    schedule_flush(tunnel);
    *out = tunnel;
    return true;
}

bool pn_tunnel_relay_side(struct pn_stream *lower, const struct pn_tunnel_events *events,
                          void *owner, struct pn_tunnel **out, struct pn_err *err)
{
    const struct pn_http_head hello = { .method = PN_LIT("GET"),
                                        .target = PN_LIT(HELLO_TARGET),
                                        .scheme = PN_LIT("https"),
                                        .authority = PN_LIT("gateway"),
                                        .content_length = -1,
                                        .is_last = true };

    if (!start(lower, false, events, owner, out, err))
        return false;
    (*out)->hello_id = pn_h2_request((*out)->h2, &hello, NULL, err);
    pn_assert((*out)->hello_id > 0); /* the first stream of a new session */
    return true;
}

bool pn_tunnel_gateway_side(struct pn_stream *lower, const char *process, unsigned index,
                            const struct pn_tunnel_events *events, void *owner,
                            struct pn_tunnel **out, struct pn_err *err)
{
    size_t len = strlen(process);

    pn_assert(len > 0 && len < PN_TUNNEL_PROCESS_BYTES && index <= 999);
    if (!start(lower, true, events, owner, out, err))
        return false;
    memcpy((*out)->process, process, len + 1);
    (*out)->index = index;
    return true;
}

bool pn_tunnel_open(struct pn_tunnel *tunnel, struct pn_str gateway, struct pn_str client_ip,
                    struct pn_stream **out, struct pn_err *err)
{
    char target[300], forwarded[80];
    struct pn_http_field field = { PN_LIT("forwarded"), PN_NONE };
    struct pn_http_head head = {
        .method = PN_LIT("CONNECT"), .fields = &field, .count = 1, .content_length = -1
    };
    struct tunnel_stream *s;

    pn_on_loop(tunnel->loop);
    pn_assert(!tunnel->is_server);
    if (tunnel->is_draining || tunnel->is_peer_draining)
        return pn_fail(err, PN_BUSY, "the tunnel is being closed");
    snprintf(target, sizeof(target), "%.*s.gateway.postern.internal:443", PN_ARG(gateway));
    snprintf(forwarded, sizeof(forwarded),
             pn_str_find(client_ip, ':') >= 0 ? "for=\"[%.*s]\"" : "for=%.*s", PN_ARG(client_ip));
    head.target = head.authority = pn_str_from(target);
    field.value = pn_str_from(forwarded);
    s = stream_new(tunnel);
    s->id = pn_h2_request(tunnel->h2, &head, s, err);
    if (s->id < 0) {
        s->id = 0;
        pn_stream_close(&s->stream);
        return false;
    }
    schedule_flush(tunnel);
    *out = &s->stream;
    return true;
}

void pn_tunnel_drain(struct pn_tunnel *tunnel)
{
    pn_on_loop(tunnel->loop);
    if (tunnel->is_draining)
        return;
    tunnel->is_draining = true;
    pn_h2_goaway(tunnel->h2, 0);
    schedule_flush(tunnel);
}

void pn_tunnel_free(struct pn_tunnel *tunnel)
{
    struct pn_err err = { 0 };

    if (tunnel == NULL)
        return;
    pn_on_loop(tunnel->loop);
    (void)pn_fail(&err, PN_UNREACHABLE, "the tunnel was closed");
    drop(tunnel, &err);
}

size_t pn_tunnel_held_bytes(const struct pn_tunnel *tunnel)
{
    return tunnel->held_bytes;
}
