/* SPDX-License-Identifier: Apache-2.0 */
#include "net/h2_pipe.h"

#include <string.h>

#define HOLD_BYTES ((size_t)64 * 1024) /* of one stream, before its owner has to wait */
#define WIRE_BYTES ((size_t)64 * 1024) /* made at once: a few TLS records */
#define MAX_ROUNDS 16                  /* of WIRE_BYTES, then others get a turn */

ssize_t pn_h2_pipe_read(struct pn_h2_pipe *pipe, struct pn_err *err)
{
    char *scratch = pn_loop_scratch(pipe->stream->loop);
    ssize_t got = pn_stream_read(pipe->stream, scratch, PN_LOOP_SCRATCH_BYTES);
    const struct pn_err *why;

    if (got > 0)
        return pn_h2_input(pipe->h2, pn_str_of(scratch, (size_t)got), err) ? got : PN_STREAM_FAILED;
    if (got != PN_STREAM_FAILED)
        return got;
    why = pn_stream_error(pipe->stream);
    if (why != NULL && why->code != PN_OK)
        *err = *why;
    else
        pn_fail(err, PN_UNREACHABLE, "the connection broke");
    return got;
}

/* True when nothing waits. A broken stream swallows everything: its reader will see. */
static bool send_held(struct pn_h2_pipe *pipe)
{
    while (pipe->out.len > 0) {
        struct pn_str out = pn_bytes_str(&pipe->out);
        ssize_t sent = pn_stream_write(pipe->stream, out.ptr, out.len);

        if (sent == PN_STREAM_AGAIN)
            return false;
        pn_bytes_take(&pipe->out, pipe->stream->loop,
                      sent == PN_STREAM_FAILED ? out.len : (size_t)sent);
    }
    return true;
}

bool pn_h2_pipe_flush(struct pn_h2_pipe *pipe, struct pn_buf *wire)
{
    if (!send_held(pipe))
        return false;
    for (int round = 0; round < MAX_ROUNDS && pn_h2_wants_output(pipe->h2); round++) {
        ssize_t sent;

        pn_buf_clear(wire);
        pn_h2_output(pipe->h2, wire, WIRE_BYTES);
        if (wire->len == 0)
            return true;
        sent = pn_stream_write(pipe->stream, wire->ptr, wire->len);
        if (sent == PN_STREAM_FAILED)
            return true;
        if (sent == PN_STREAM_AGAIN)
            sent = 0;
        if ((size_t)sent == wire->len)
            continue;
        pn_bytes_add(&pipe->out, pipe->stream->loop, wire->ptr + sent, wire->len - (size_t)sent);
        if (!send_held(pipe))
            return false;
    }
    return !pn_h2_wants_output(pipe->h2);
}

void pn_h2_pipe_drop(struct pn_h2_pipe *pipe)
{
    pn_bytes_drop(&pipe->out, pipe->stream->loop);
    pn_h2_free(pipe->h2);
    pipe->h2 = NULL;
}

ssize_t pn_h2_body_read(struct pn_h2_body *body, struct pn_loop *loop, struct pn_h2 *h2, void *out,
                        size_t len)
{
    struct pn_str in = pn_str_slice(pn_bytes_str(&body->in), 0, len);

    if (in.len == 0)
        return body->is_in_ended ? 0 : PN_STREAM_AGAIN;
    memcpy(out, in.ptr, in.len);
    pn_bytes_take(&body->in, loop, in.len);
    if (!body->is_closed)
        pn_h2_consumed(h2, body->id, in.len);
    return (ssize_t)in.len;
}

ssize_t pn_h2_body_write(struct pn_h2_body *body, struct pn_loop *loop, struct pn_h2 *h2,
                         const void *bytes, size_t len)
{
    pn_assert(!body->is_out_ended);
    if (body->is_closed)
        return (ssize_t)len; /* the peer has answered and wants no more */
    if (!body->may_write || body->out.len >= HOLD_BYTES)
        return PN_STREAM_AGAIN;
    if (len > HOLD_BYTES - body->out.len)
        len = HOLD_BYTES - body->out.len;
    pn_bytes_add(&body->out, loop, bytes, len);
    pn_h2_resume(h2, body->id);
    return (ssize_t)len;
}

bool pn_h2_body_finish(struct pn_h2_body *body, struct pn_h2 *h2)
{
    if (body->is_closed || body->is_out_ended)
        return true;
    if (!body->may_write)
        return false;
    body->is_out_ended = true;
    pn_h2_resume(h2, body->id);
    return true;
}

bool pn_h2_body_is_readable(const struct pn_h2_body *body)
{
    return body->in.len > 0 || body->is_in_ended;
}

bool pn_h2_body_is_writable(const struct pn_h2_body *body)
{
    return body->is_closed || (body->may_write && body->out.len < HOLD_BYTES);
}

ptrdiff_t pn_h2_body_pull(struct pn_h2_body *body, struct pn_loop *loop, char *out, size_t max,
                          bool *is_end)
{
    struct pn_str bytes = pn_str_slice(pn_bytes_str(&body->out), 0, max);

    if (bytes.len > 0) {
        memcpy(out, bytes.ptr, bytes.len);
        pn_bytes_take(&body->out, loop, bytes.len);
    }
    *is_end = body->is_out_ended && body->out.len == 0;
    return bytes.len > 0 || *is_end ? (ptrdiff_t)bytes.len : PN_H2_PULL_AGAIN;
}
