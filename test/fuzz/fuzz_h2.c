/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Bytes of a hostile peer, for a server and for a client with an open request. Held to: streams open
 * and close in order, never more data than the window, and no event after a stream's last.
 */
#define WINDOW 65536
#define MAX_OPEN 32 /* the session allows 20 */

struct seen {
    int32_t id;
    bool is_ended;
    uint32_t held; /* received and not given back */
};

struct end {
    struct pn_h2 *h2;
    bool is_server;
    struct seen open[MAX_OPEN];
    size_t count;
};

/* Every event but the first belongs to a stream that is open. */
static struct seen *find(struct end *e, int32_t id)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->open[i].id == id)
            return &e->open[i];
    pn_assert(false);
}

static void open_stream(struct end *e, int32_t id)
{
    pn_assert(e->count < MAX_OPEN);
    e->open[e->count++] = (struct seen){ .id = id };
}

static bool on_head(void *owner, int32_t stream, void *user PN_UNUSED,
                    const struct pn_http_head *head)
{
    struct end *e = owner;
    struct pn_http_head answer = { .status = 200,
                                   .content_length = -1,
                                   .is_last = stream % 4 == 1 };
    struct pn_err err = { 0 };

    pn_assert(head->count <= PN_HTTP_MAX_FIELDS && stream > 0);
    if (!e->is_server)
        return true;
    pn_assert(head->authority.len > 0 && head->target.len > 0);
    if (stream % 8 == 5)
        return false;
    open_stream(e, stream);
    if (stream % 8 == 3) {
        pn_h2_reset(e->h2, stream, 2);
    } else {
        pn_assert(pn_h2_respond(e->h2, stream, &answer, &err));
    }
    return true;
}

static void on_data(void *owner, int32_t stream, void *user PN_UNUSED, const char *bytes PN_UNUSED,
                    size_t len)
{
    struct end *e = owner;
    struct seen *seen = find(e, stream);

    pn_assert(!seen->is_ended);
    seen->held += (uint32_t)len;
    pn_assert(seen->held <= WINDOW);
    if (stream % 16 == 1) {
        pn_h2_consumed(e->h2, stream, len);
        seen->held = 0;
    }
}

static void on_end(void *owner, int32_t stream, void *user PN_UNUSED)
{
    struct seen *seen = find(owner, stream);

    pn_assert(!seen->is_ended);
    seen->is_ended = true;
}

static void on_close(void *owner, int32_t stream, void *user PN_UNUSED, uint32_t code PN_UNUSED)
{
    struct end *e = owner;

    *find(e, stream) = e->open[e->count - 1];
    e->count--;
}

static ptrdiff_t pull(void *owner PN_UNUSED, int32_t stream, void *user PN_UNUSED, char *out,
                      size_t max, bool *is_end)
{
    out[0] = 'x';
    *is_end = stream % 2 == 1;
    return max > 0;
}

static void run(bool is_server, struct pn_str in)
{
    static const struct pn_h2_events events = {
        .on_head = on_head, .on_data = on_data, .on_end = on_end, .on_close = on_close, .pull = pull
    };
    struct pn_h2_config config = { .is_server = is_server,
                                   .max_streams = 20,
                                   .stream_window_bytes = WINDOW,
                                   .connection_window_bytes = WINDOW,
                                   .resets_per_second = 10 };
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1 << 24);
    struct pn_http_head head = { .method = PN_LIT("GET"),
                                 .target = PN_LIT("/"),
                                 .authority = PN_LIT("h"),
                                 .content_length = -1,
                                 .is_last = true };
    struct end *e = pn_heap_new(sizeof(*e));
    struct pn_err err = { 0 };

    e->is_server = is_server;
    pn_assert(pn_h2_new(&config, &events, e, &e->h2, &err));
    if (is_server) {
        if (!pn_h2_input(e->h2, PN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), &err))
            pn_assert(false);
    } else {
        int32_t stream = pn_h2_request(e->h2, &head, NULL, &err);

        open_stream(e, stream);
    }
    for (size_t at = 0, len; at < in.len; at += len) {
        len = 1 + (uint8_t)in.ptr[at] * 4u;
        if (!pn_h2_input(e->h2, pn_str_slice(in, at, at + len), &err))
            break;
        pn_h2_output(e->h2, &out, SIZE_MAX);
        pn_buf_clear(&out);
        if (pn_h2_is_over(e->h2))
            break;
    }
    pn_h2_free(e->h2);
    pn_heap_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(true, pn_str_of(data, size));
    run(false, pn_str_of(data, size));
    return 0;
}
