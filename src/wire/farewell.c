/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/farewell.h"

#include "base/encode.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

#define MAX_STREAMS 1000
#define ERROR_CHANNEL 3
#define FIRST_PORT_ERROR_CHANNEL 1
#define CLOSE_NORMAL 1000
#define CLOSE_POLICY 1008
#define MAX_WORDS ((size_t)128 << 10)

enum role { OTHER, ERROR, OUTPUT };

/* A stream to which the server has not said its last word. */
struct stream {
    uint32_t id;
    enum role role;
};

struct pn_farewell {
    enum pn_farewell_kind kind;
    bool is_text;   /* WebSocket: text messages with base64 */
    bool is_status; /* the error channel carries a Status, not plain text */
    bool is_lost;
    char last; /* byte that went down; WATCH */
    struct pn_ws_scan ws_up, ws_down;
    struct pn_spdy_scan *up, *down;
    struct stream *streams;
    size_t count, room;
    unsigned opened, expected;
    uint32_t last_stream;
};

/* ---- which kind ---- */

/* Protocols of exec and attach, by kind of upgrade; the empty one is what a client gets that asks for none. */
static const struct channel_protocol {
    const char *name;
    bool is_text, is_status;
} channel_protocols[] = {
    { "", false, false },
    { "channel.k8s.io", false, false },
    { "base64.channel.k8s.io", true, false },
    { "v2.channel.k8s.io", false, false },
    { "v3.channel.k8s.io", false, false },
    { "v4.channel.k8s.io", false, true },
    { "v4.base64.channel.k8s.io", true, true },
    { "v5.channel.k8s.io", false, true },
};

static const struct channel_protocol *find_protocol(struct pn_str name)
{
    for (size_t i = 0; i < PN_COUNT(channel_protocols); i++)
        if (pn_str_is(name, channel_protocols[i].name))
            return &channel_protocols[i];
    return NULL;
}

static bool is_command(const struct pn_farewell_facts *facts)
{
    return pn_str_is(facts->subresource, "exec") || pn_str_is(facts->subresource, "attach");
}

static bool is_port_forward(const struct pn_farewell_facts *facts)
{
    return pn_str_is(facts->subresource, "portforward");
}

static enum pn_farewell_kind kind_of_websocket(const struct pn_farewell_facts *facts)
{
    if (is_command(facts) && find_protocol(facts->protocol) != NULL)
        return PN_FAREWELL_CHANNELS;
    if (is_port_forward(facts) && pn_str_is(facts->protocol, "SPDY/3.1+portforward.k8s.io"))
        return PN_FAREWELL_TUNNEL;
    if (is_port_forward(facts) && find_protocol(facts->protocol) != NULL)
        return PN_FAREWELL_PORT_CHANNELS;
    return PN_FAREWELL_MESSAGES;
}

static enum pn_farewell_kind kind_of(const struct pn_farewell_facts *facts)
{
    if (facts->status == 101 && pn_str_iis(facts->upgrade, "websocket"))
        return kind_of_websocket(facts);
    if (facts->status == 101 && pn_str_iis(facts->upgrade, "SPDY/3.1") && is_command(facts))
        return PN_FAREWELL_STREAMS;
    if (facts->status == 101 && pn_str_iis(facts->upgrade, "SPDY/3.1") && is_port_forward(facts))
        return PN_FAREWELL_PORTS;
    if (facts->status == 200 && pn_str_is(facts->verb, "watch") &&
        pn_str_istarts(facts->content_type, PN_LIT("application/json")))
        return PN_FAREWELL_WATCH;
    return PN_FAREWELL_NONE;
}

static bool has_websocket(const struct pn_farewell *f)
{
    return f->kind == PN_FAREWELL_CHANNELS || f->kind == PN_FAREWELL_TUNNEL ||
           f->kind == PN_FAREWELL_PORT_CHANNELS || f->kind == PN_FAREWELL_MESSAGES;
}

static bool has_spdy(const struct pn_farewell *f)
{
    return f->kind == PN_FAREWELL_STREAMS || f->kind == PN_FAREWELL_PORTS ||
           f->kind == PN_FAREWELL_TUNNEL;
}

/* ---- streams of SPDY ---- */

static void on_opened(void *f_, uint32_t id, const struct pn_spdy_header *headers, size_t count)
{
    struct pn_farewell *f = f_;
    enum role role = OTHER;

    for (size_t i = 0; i < count; i++) {
        if (!pn_str_is(headers[i].name, "streamtype"))
            continue;
        if (pn_str_is(headers[i].value, "error"))
            role = ERROR;
        else if (!pn_str_is(headers[i].value, "stdin") && !pn_str_is(headers[i].value, "resize"))
            role = OUTPUT;
    }
    f->is_lost = f->is_lost || f->count >= MAX_STREAMS || id <= f->last_stream;
    f->last_stream = id;
    if (f->is_lost)
        return;
    if (f->count == f->room) {
        size_t room = f->room == 0 ? 4 : f->room * 2;

        f->streams =
            pn_heap_grow(f->streams, f->room * sizeof(*f->streams), room * sizeof(*f->streams));
        f->room = room;
    }
    f->streams[f->count++] = (struct stream){ id, role };
    if (++f->opened == f->expected)
        pn_spdy_scan_stop_headers(f->up); /* an idle shell costs no inflater */
}

static void forget(struct pn_farewell *f, uint32_t id)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->streams[i].id == id) {
            f->streams[i] = f->streams[--f->count];
            return;
        }
}

static void on_reset(void *f, uint32_t id)
{
    forget(f, id);
}

static void on_down_data(void *f, uint32_t id, struct pn_str run PN_UNUSED, bool is_end)
{
    if (is_end)
        forget(f, id);
}

static const struct pn_spdy_events up_events = { .opened = on_opened, .reset = on_reset };
static const struct pn_spdy_events down_events = { .data = on_down_data, .reset = on_reset };

/* ---- life ---- */

struct pn_farewell *pn_farewell_new(const struct pn_farewell_facts *facts)
{
    const struct channel_protocol *protocol = find_protocol(facts->protocol);
    enum pn_farewell_kind kind = kind_of(facts);
    struct pn_farewell *f;

    if (kind == PN_FAREWELL_NONE)
        return NULL;
    f = pn_heap_new(sizeof(*f));
    f->kind = kind;
    f->is_text = protocol != NULL && protocol->is_text;
    f->is_status = protocol != NULL && protocol->is_status;
    f->last = '\n';
    f->expected = kind == PN_FAREWELL_STREAMS ? facts->streams : 0;
    f->ws_up.is_from_client = true;
    if (has_spdy(f)) {
        f->up = pn_spdy_scan_new(true, &up_events, f);
        f->down = pn_spdy_scan_new(false, &down_events, f);
    }
    return f;
}

void pn_farewell_free(struct pn_farewell *f)
{
    if (f == NULL)
        return;
    pn_spdy_scan_free(f->up);
    pn_spdy_scan_free(f->down);
    pn_heap_free(f->streams);
    pn_heap_free(f);
}

enum pn_farewell_kind pn_farewell_kind(const struct pn_farewell *farewell)
{
    return farewell != NULL ? farewell->kind : PN_FAREWELL_NONE;
}

/* ---- watching ---- */

static void on_up_message(void *f_, const struct pn_ws_frame *frame, uint64_t at PN_UNUSED,
                          struct pn_str payload)
{
    struct pn_farewell *f = f_;

    if (frame->opcode < PN_WS_CLOSE)
        f->is_lost = !pn_spdy_scan_feed(f->up, payload) || f->is_lost;
}

static void on_down_message(void *f_, const struct pn_ws_frame *frame, uint64_t at PN_UNUSED,
                            struct pn_str payload)
{
    struct pn_farewell *f = f_;

    if (frame->opcode < PN_WS_CLOSE)
        f->is_lost = !pn_spdy_scan_feed(f->down, payload) || f->is_lost;
    else if (frame->opcode == PN_WS_CLOSE)
        f->is_lost = true; /* the server said its own */
}

static void on_down_frame(void *f_, const struct pn_ws_frame *frame, uint64_t at PN_UNUSED,
                          struct pn_str payload PN_UNUSED)
{
    struct pn_farewell *f = f_;

    if (frame->opcode == PN_WS_CLOSE)
        f->is_lost = true;
}

void pn_farewell_up(struct pn_farewell *f, struct pn_str bytes)
{
    if (f == NULL || f->is_lost)
        return;
    if (f->kind == PN_FAREWELL_TUNNEL)
        f->is_lost = !pn_ws_scan_feed(&f->ws_up, bytes, on_up_message, f) || f->is_lost;
    else if (has_spdy(f))
        f->is_lost = !pn_spdy_scan_feed(f->up, bytes) || f->is_lost;
}

void pn_farewell_down(struct pn_farewell *f, struct pn_str bytes)
{
    if (f == NULL || f->is_lost || bytes.len == 0)
        return;
    if (f->kind == PN_FAREWELL_WATCH)
        f->last = bytes.ptr[bytes.len - 1];
    else if (has_websocket(f))
        f->is_lost = !pn_ws_scan_feed(&f->ws_down, bytes,
                                      has_spdy(f) ? on_down_message : on_down_frame, f) ||
                     f->is_lost;
    else
        f->is_lost = !pn_spdy_scan_feed(f->down, bytes) || f->is_lost;
}

bool pn_farewell_is_lost(const struct pn_farewell *f)
{
    return f == NULL || f->is_lost;
}

size_t pn_farewell_down_to_gap(struct pn_farewell *f, struct pn_str bytes)
{
    size_t passed = 0;

    while (passed < bytes.len && !pn_farewell_is_possible(f)) {
        pn_farewell_down(f, pn_str_slice(bytes, passed, passed + 1));
        passed++;
    }
    return passed;
}

static bool has_error_stream(const struct pn_farewell *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->streams[i].role == ERROR)
            return true;
    return false;
}

bool pn_farewell_is_possible(const struct pn_farewell *f)
{
    if (pn_farewell_is_lost(f))
        return false;
    if (f->kind == PN_FAREWELL_WATCH)
        return f->last == '\n';
    if (has_websocket(f) && !pn_ws_scan_is_between(&f->ws_down))
        return false;
    if (has_spdy(f) && !pn_spdy_scan_is_between(f->down))
        return false;
    return f->kind != PN_FAREWELL_STREAMS || has_error_stream(f);
}

/* ---- the words ---- */

static bool add_watch_event(struct pn_str status, struct pn_buf *out)
{
    pn_buf_add_text(out, "{\"type\":\"ERROR\",\"object\":");
    pn_buf_add(out, status);
    return pn_buf_add_text(out, "}\n");
}

/* One message: the channel, then the text; base64 protocols say both in letters. */
static bool add_channel(const struct pn_farewell *f, unsigned channel, struct pn_str text,
                        struct pn_buf *out)
{
    pn_auto(pn_buf_drop) struct pn_buf message = pn_buf_init(MAX_WORDS);

    if (f->is_text) {
        pn_buf_add_byte(&message, (char)('0' + channel));
        pn_base64_add(&message, text);
    } else {
        pn_buf_add_byte(&message, (char)channel);
        pn_buf_add(&message, text);
    }
    return !message.is_full &&
           pn_ws_add(out, f->is_text ? PN_WS_TEXT : PN_WS_BINARY, pn_buf_str(&message));
}

/* The error streams say it; then every stream that the server has not ended is ended. */
static bool add_streams(const struct pn_farewell *f, struct pn_str text, struct pn_buf *out)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->streams[i].role == ERROR)
            pn_spdy_add_data(out, f->streams[i].id, true, text);
    for (size_t i = 0; i < f->count; i++)
        if (f->streams[i].role == OUTPUT)
            pn_spdy_add_data(out, f->streams[i].id, true, PN_NONE);
    return pn_spdy_add_goaway(out, f->last_stream);
}

static bool add_tunnel(const struct pn_farewell *f, struct pn_str sentence, struct pn_buf *out)
{
    pn_auto(pn_buf_drop) struct pn_buf inner = pn_buf_init(out->max_bytes);

    return add_streams(f, sentence, &inner) && pn_ws_add(out, PN_WS_BINARY, pn_buf_str(&inner)) &&
           pn_ws_add_close(out, CLOSE_POLICY, sentence);
}

bool pn_farewell_add(const struct pn_farewell *f, struct pn_str status, struct pn_str sentence,
                     struct pn_buf *out)
{
    struct pn_str text = f->is_status ? status : sentence;

    pn_assert(pn_farewell_is_possible(f));
    switch (f->kind) {
    case PN_FAREWELL_NONE: return false;
    case PN_FAREWELL_WATCH: return add_watch_event(status, out);
    case PN_FAREWELL_CHANNELS:
        return add_channel(f, ERROR_CHANNEL, text, out) &&
               pn_ws_add_close(out, CLOSE_NORMAL, PN_NONE);
    case PN_FAREWELL_STREAMS: return add_streams(f, text, out);
    case PN_FAREWELL_PORTS: return add_streams(f, sentence, out);
    case PN_FAREWELL_TUNNEL: return add_tunnel(f, sentence, out);
    case PN_FAREWELL_PORT_CHANNELS:
        return add_channel(f, FIRST_PORT_ERROR_CHANNEL, sentence, out) &&
               pn_ws_add_close(out, CLOSE_POLICY, sentence);
    case PN_FAREWELL_MESSAGES: return pn_ws_add_close(out, CLOSE_POLICY, sentence);
    }
    return false;
}
