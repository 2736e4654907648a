/* SPDX-License-Identifier: Apache-2.0 */
#include "net/h1_pipe.h"

#include <string.h>

#define GATHER_BYTES \
    ((size_t)16 * 1024) /* one TLS record: with this much there is no use in waiting */
#define HOLD_BYTES ((size_t)48 * 1024) /* above it the owner has to wait */
#define PIECE_BYTES ((size_t)64 * 1024)

void pn_h1_pipe_drop(struct pn_h1_pipe *pipe)
{
    pn_bytes_drop(&pipe->in, pipe->stream->loop);
    pn_bytes_drop(&pipe->out, pipe->stream->loop);
    pn_heap_free(pipe->err);
    pipe->err = NULL;
}

void pn_h1_pipe_break(struct pn_h1_pipe *pipe, const struct pn_err *err)
{
    if (pipe->err != NULL)
        return;
    pipe->err = pn_heap_new(sizeof(*pipe->err));
    *pipe->err = *err;
}

bool pn_h1_pipe_fail(struct pn_h1_pipe *pipe, enum pn_code code, const char *message)
{
    struct pn_err err = { 0 };

    pn_fail(&err, code, "%s", message);
    pn_h1_pipe_break(pipe, &err);
    return false;
}

static void break_by_stream(struct pn_h1_pipe *pipe)
{
    const struct pn_err *err = pn_stream_error(pipe->stream);

    if (err != NULL && err->code != PN_OK)
        pn_h1_pipe_break(pipe, err);
    else
        pn_h1_pipe_fail(pipe, PN_UNREACHABLE, "the connection broke");
}

/* One read of the stream, with its end and its failure remembered. */
static ssize_t read_stream(struct pn_h1_pipe *pipe, void *out, size_t len)
{
    ssize_t got;

    if (pipe->err != NULL)
        return PN_STREAM_FAILED;
    if (pipe->is_ended)
        return 0;
    got = pn_stream_read(pipe->stream, out, len);
    if (got == 0)
        pipe->is_ended = true;
    if (got == PN_STREAM_FAILED)
        break_by_stream(pipe);
    return got;
}

/* ---- heads ---- */

ssize_t pn_h1_pipe_peek(struct pn_h1_pipe *pipe, bool may_read, struct pn_str *bytes)
{
    struct pn_loop *loop = pipe->stream->loop;
    char *scratch = pn_loop_scratch(loop);
    ssize_t got = may_read ? read_stream(pipe, scratch, PN_LOOP_SCRATCH_BYTES) : PN_STREAM_AGAIN;

    if (got > 0 && pipe->in.len == 0) {
        *bytes = pn_str_of(scratch, (size_t)got);
        return got;
    }
    if (got > 0)
        pn_bytes_add(&pipe->in, loop, scratch, (size_t)got);
    *bytes = pn_bytes_str(&pipe->in);
    return bytes->len > 0 && got != PN_STREAM_FAILED ? (ssize_t)bytes->len : got;
}

void pn_h1_pipe_used(struct pn_h1_pipe *pipe, struct pn_str bytes, size_t used)
{
    struct pn_loop *loop = pipe->stream->loop;

    if (pipe->in.len > 0)
        pn_bytes_take(&pipe->in, loop, used);
    else
        pn_bytes_add(&pipe->in, loop, bytes.ptr + used, bytes.len - used);
}

static void shift(struct pn_str *s, const char *from, const char *to)
{
    if (s->ptr != NULL)
        s->ptr = to + (s->ptr - from);
}

void pn_h1_head_keep(struct pn_http_head *head, struct pn_str bytes, size_t used,
                     struct pn_arena *arena)
{
    struct pn_str copy = pn_arena_copy(arena, pn_str_of(bytes.ptr, used));

    shift(&head->method, bytes.ptr, copy.ptr);
    shift(&head->target, bytes.ptr, copy.ptr);
    shift(&head->authority, bytes.ptr, copy.ptr);
    shift(&head->upgrade, bytes.ptr, copy.ptr);
    for (size_t i = 0; i < head->count; i++) {
        shift(&head->fields[i].name, bytes.ptr, copy.ptr);
        shift(&head->fields[i].value, bytes.ptr, copy.ptr);
    }
}

/* ---- the body that arrives ---- */

/*
 * Takes framing off `from`, gathering the data at `to` (which may be the front of `from`). *used is
 * what was taken. False when malformed.
 */
static bool decode(struct pn_h1_pipe *pipe, struct pn_str from, char *to, size_t *used, size_t *len)
{
    struct pn_err err = { 0 };

    *used = *len = 0;
    while (*used < from.len && !pipe->body.is_done) {
        struct pn_str data;
        size_t step;

        if (pn_h1_body_read(&pipe->body, pn_str_slice(from, *used, from.len), &step, &data, &err) ==
            PN_H1_BAD) {
            pn_h1_pipe_break(pipe, &err);
            return false;
        }
        if (data.len > 0 && data.ptr != to + *len)
            memmove(to + *len, data.ptr, data.len);
        *len += data.len;
        *used += step;
    }
    return true;
}

static ssize_t read_held(struct pn_h1_pipe *pipe, char *out, size_t len)
{
    size_t used, got;

    if (!decode(pipe, pn_str_slice(pn_bytes_str(&pipe->in), 0, len), out, &used, &got))
        return PN_STREAM_FAILED;
    pn_bytes_take(&pipe->in, pipe->stream->loop, used);
    return (ssize_t)got;
}

/* From the stream into the reader's memory, framing taken off in place. */
static ssize_t read_through(struct pn_h1_pipe *pipe, char *out, size_t len)
{
    ssize_t count = read_stream(pipe, out, len);
    size_t used, got;

    if (count < 0)
        return count;
    if (count == 0) {
        if (!pn_h1_body_may_end(&pipe->body)) {
            pn_h1_pipe_fail(pipe, PN_UNREACHABLE, "the connection ended in the middle of a body");
            return PN_STREAM_FAILED;
        }
        pipe->body.is_done = true;
        return 0;
    }
    if (!decode(pipe, pn_str_of(out, (size_t)count), out, &used, &got))
        return PN_STREAM_FAILED;
    pn_bytes_add(&pipe->in, pipe->stream->loop, out + used, (size_t)count - used);
    return (ssize_t)got;
}

ssize_t pn_h1_pipe_read(struct pn_h1_pipe *pipe, void *out, size_t len)
{
    while (!pipe->body.is_done) {
        ssize_t got;

        if (pipe->err != NULL)
            return PN_STREAM_FAILED;
        got = pipe->in.len > 0 ? read_held(pipe, out, len) : read_through(pipe, out, len);
        if (got != 0)
            return got;
    }
    return 0;
}

/* ---- the body that goes ---- */

bool pn_h1_pipe_flush(struct pn_h1_pipe *pipe)
{
    while (pipe->out.len > 0 && pipe->err == NULL) {
        struct pn_str out = pn_bytes_str(&pipe->out);
        ssize_t sent = pn_stream_write(pipe->stream, out.ptr, out.len);

        pipe->is_blocked = sent == PN_STREAM_AGAIN;
        if (pipe->is_blocked)
            return false;
        if (sent == PN_STREAM_FAILED)
            break_by_stream(pipe);
        else
            pn_bytes_take(&pipe->out, pipe->stream->loop, (size_t)sent);
    }
    return true;
}

bool pn_h1_pipe_is_writable(const struct pn_h1_pipe *pipe)
{
    return pipe->err != NULL ||
           (pipe->writing >= PN_H1_WRITE_LENGTH && pipe->out.len < HOLD_BYTES && !pipe->is_blocked);
}

static void add_framed(struct pn_h1_pipe *pipe, const void *bytes, size_t len)
{
    struct pn_loop *loop = pipe->stream->loop;
    char line[PN_H1_CHUNK_LINE_BYTES];
    size_t line_len = pipe->writing == PN_H1_WRITE_CHUNKS ? pn_h1_chunk_line(len, line) : 0;
    char *to = pn_bytes_room(&pipe->out, loop, line_len + len + 2);

    memcpy(to, line, line_len);
    memcpy(to + line_len, bytes, len);
    pn_bytes_grew(&pipe->out, line_len + len);
    if (line_len > 0)
        pn_bytes_add(&pipe->out, loop, "\r\n", 2);
}

static void count_written(struct pn_h1_pipe *pipe, size_t len)
{
    if (pipe->writing != PN_H1_WRITE_LENGTH)
        return;
    pipe->left -= len;
    if (pipe->left == 0)
        pipe->writing = PN_H1_WRITE_DONE;
}

static ssize_t write_through(struct pn_h1_pipe *pipe, const void *bytes, size_t len)
{
    ssize_t sent = pn_stream_write(pipe->stream, bytes, len);

    pipe->is_blocked = sent == PN_STREAM_AGAIN;
    if (sent == PN_STREAM_FAILED)
        break_by_stream(pipe);
    if (sent > 0)
        count_written(pipe, (size_t)sent);
    return sent;
}

ssize_t pn_h1_pipe_write(struct pn_h1_pipe *pipe, const void *bytes, size_t len)
{
    if (pipe->err != NULL)
        return PN_STREAM_FAILED;
    pn_assert(pipe->writing >= PN_H1_WRITE_LENGTH && pipe->writing <= PN_H1_WRITE_RAW);
    pn_assert(pipe->writing != PN_H1_WRITE_LENGTH || len <= pipe->left);
    if (len == 0)
        return 0;
    if (pipe->out.len >= HOLD_BYTES) {
        pn_h1_pipe_flush(pipe);
        if (pipe->err != NULL)
            return PN_STREAM_FAILED;
        if (pipe->out.len >= HOLD_BYTES)
            return PN_STREAM_AGAIN;
    }
    if (pipe->out.len == 0 && len >= GATHER_BYTES && pipe->writing != PN_H1_WRITE_CHUNKS)
        return write_through(pipe, bytes, len);
    if (len > PIECE_BYTES - pipe->out.len)
        len = PIECE_BYTES - pipe->out.len;
    add_framed(pipe, bytes, len);
    count_written(pipe, len);
    if (pipe->out.len >= GATHER_BYTES)
        pn_h1_pipe_flush(pipe);
    return (ssize_t)len;
}

void pn_h1_pipe_write_all(struct pn_h1_pipe *pipe, struct pn_str bytes)
{
    if (pipe->err != NULL)
        return;
    pn_assert(pipe->writing == PN_H1_WRITE_LENGTH && bytes.len == pipe->left);
    add_framed(pipe, bytes.ptr, bytes.len);
    count_written(pipe, bytes.len);
}

/* Without its full length a body is not done: closing the connection then shows it to the peer. */
bool pn_h1_pipe_finish(struct pn_h1_pipe *pipe)
{
    if (pipe->err != NULL)
        return true;
    switch (pipe->writing) {
    case PN_H1_WRITE_NOTHING: return false;
    case PN_H1_WRITE_LENGTH:
    case PN_H1_WRITE_DONE: return true;
    case PN_H1_WRITE_CHUNKS:
        pn_bytes_add(&pipe->out, pipe->stream->loop, "0\r\n\r\n", 5);
        pipe->writing = PN_H1_WRITE_DONE;
        return true;
    case PN_H1_WRITE_RAW:
        if (!pn_h1_pipe_flush(pipe))
            return false;
        if (pipe->err == NULL && !pn_stream_finish(pipe->stream))
            return false;
        pipe->writing = PN_H1_WRITE_DONE;
        return true;
    }
    return true;
}
