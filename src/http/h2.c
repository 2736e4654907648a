/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include <nghttp2/nghttp2.h>

#include <string.h>

/* One stream that the owner knows of. */
struct stream {
    struct stream *next, **at; /* in `unsent` or `active` */
    int32_t id;
    void *user;
    bool is_end_sent;
    bool resets_after_end; /* pn_h2_reset with NO_ERROR came before our END_STREAM went */
};

/* The header block that is arriving. nghttp2 counts references to names and values; so do we. */
struct gather {
    struct pn_http_head head;
    nghttp2_rcbuf **held;
    size_t held_count, held_room, field_room, bytes;
    bool is_trailer;
};

struct pn_h2 {
    nghttp2_session *session;
    struct pn_h2_config config;
    struct pn_h2_events events;
    void *owner;
    struct stream *unsent, *active, *spare;
    size_t stream_count;
    struct gather gather;
    char complaint[160]; /* what nghttp2 said last */
};

/* ---- streams ---- */

static void link_stream(struct stream **list, struct stream *s)
{
    s->next = *list;
    s->at = list;
    if (s->next != NULL)
        s->next->at = &s->next;
    *list = s;
}

static void unlink_stream(struct stream *s)
{
    *s->at = s->next;
    if (s->next != NULL)
        s->next->at = s->at;
}

static struct stream *new_stream(struct pn_h2 *h2, struct stream **list, int32_t id)
{
    struct stream *s = h2->spare;

    if (s != NULL)
        h2->spare = s->next;
    else
        s = pn_heap_new(sizeof(*s));
    *s = (struct stream){ .id = id };
    link_stream(list, s);
    h2->stream_count++;
    return s;
}

/* One spare is kept: most connections serve one request after another. */
static void free_stream(struct pn_h2 *h2, struct stream *s)
{
    unlink_stream(s);
    h2->stream_count--;
    if (h2->spare != NULL) {
        pn_heap_free(s);
        return;
    }
    s->next = NULL;
    h2->spare = s;
}

static struct stream *find_stream(struct pn_h2 *h2, int32_t id)
{
    struct stream *s = nghttp2_session_get_stream_user_data(h2->session, id);

    if (s != NULL)
        return s;
    for (s = h2->unsent; s != NULL && s->id != id;)
        s = s->next;
    return s;
}

static void end_stream(struct pn_h2 *h2, struct stream *s, uint32_t error_code)
{
    int32_t id = s->id;
    void *user = s->user;

    free_stream(h2, s);
    h2->events.on_close(h2->owner, id, user, error_code);
}

/* ---- header blocks in ---- */

static void drop_gathered(struct gather *g)
{
    while (g->held_count > 0)
        nghttp2_rcbuf_decref(g->held[--g->held_count]);
    g->bytes = 0;
    g->head = (struct pn_http_head){ .content_length = -1, .fields = g->head.fields };
}

static struct pn_str hold(struct gather *g, nghttp2_rcbuf *rcbuf)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(rcbuf);

    if (g->held_count == g->held_room) {
        size_t room = g->held_room > 0 ? g->held_room * 2 : 32;

        g->held = pn_heap_grow(g->held, g->held_room * sizeof(*g->held), room * sizeof(*g->held));
        g->held_room = room;
    }
    nghttp2_rcbuf_incref(rcbuf);
    g->held[g->held_count++] = rcbuf;
    return pn_str_of(vec.base, vec.len);
}

static bool take_pseudo(struct pn_http_head *head, struct pn_str name, struct pn_str value)
{
    static const struct {
        struct pn_str name;
        size_t member;
    } pseudos[] = {
        { PN_LIT_INIT(":method"), offsetof(struct pn_http_head, method) },
        { PN_LIT_INIT(":path"), offsetof(struct pn_http_head, target) },
        { PN_LIT_INIT(":scheme"), offsetof(struct pn_http_head, scheme) },
        { PN_LIT_INIT(":authority"), offsetof(struct pn_http_head, authority) },
    };
    uint64_t status;

    for (size_t i = 0; i < PN_COUNT(pseudos); i++)
        if (pn_str_eq(name, pseudos[i].name)) {
            *(struct pn_str *)(void *)((char *)head + pseudos[i].member) = value;
            return true;
        }
    if (!pn_str_is(name, ":status") || !pn_str_u64(value, &status) || status < 100 || status > 599)
        return false;
    head->status = (int)status;
    return true;
}

/* Fields that stand in the head's own members; true when `name` was one. *is_good: its value was fine. */
static bool take_special(struct pn_http_head *head, struct pn_str name, struct pn_str value,
                         bool *is_good)
{
    *is_good = true;
    if (pn_str_eq(name, PN_LIT("content-length"))) {
        *is_good = head->content_length < 0 && pn_str_i64(value, &head->content_length);
        return true;
    }
    if (pn_str_eq(name, PN_LIT("host"))) {
        *is_good = head->authority.len == 0 || pn_str_ieq(head->authority, value);
        head->authority = value;
        return true;
    }
    head->expects_continue |=
        pn_str_eq(name, PN_LIT("expect")) && pn_str_iis(value, "100-continue");
    return pn_str_eq(name, PN_LIT("expect"));
}

static bool take_field(struct gather *g, struct pn_str name, struct pn_str value)
{
    bool is_good;

    if (name.len > 0 && name.ptr[0] == ':')
        return take_pseudo(&g->head, name, value);
    if (take_special(&g->head, name, value, &is_good))
        return is_good;
    if (g->head.count == PN_HTTP_MAX_FIELDS)
        return false;
    if (g->head.count == g->field_room) {
        size_t room = g->field_room > 0 ? g->field_room * 2 : 16;

        g->head.fields = pn_heap_grow(g->head.fields, g->field_room * sizeof(*g->head.fields),
                                      room * sizeof(*g->head.fields));
        g->field_room = room;
    }
    g->head.fields[g->head.count++] = (struct pn_http_field){ name, value };
    return true;
}

static int on_begin_headers(nghttp2_session *session PN_UNUSED, const nghttp2_frame *frame,
                            void *user)
{
    struct pn_h2 *h2 = user;

    drop_gathered(&h2->gather);
    h2->gather.is_trailer = frame->headers.cat == NGHTTP2_HCAT_HEADERS && h2->config.is_server;
    return 0;
}

static int on_header(nghttp2_session *session PN_UNUSED, const nghttp2_frame *frame PN_UNUSED,
                     nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags PN_UNUSED, void *user)
{
    struct pn_h2 *h2 = user;
    struct gather *g = &h2->gather;

    g->bytes += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len;
    if (g->bytes > PN_HTTP_MAX_HEAD_BYTES)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (g->is_trailer)
        return 0;
    return take_field(g, hold(g, name), hold(g, value)) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static bool is_request_sound(const struct pn_http_head *head)
{
    if (!pn_http_is_token(head->method) || !pn_http_is_authority(head->authority))
        return false;
    return pn_str_is(head->method, "CONNECT") || pn_http_is_target(head->target);
}

static void refuse(struct pn_h2 *h2, int32_t id, uint32_t error_code)
{
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, error_code);
}

static void head_came(struct pn_h2 *h2, const nghttp2_frame *frame)
{
    struct pn_http_head *head = &h2->gather.head;
    int32_t id = frame->hd.stream_id;
    struct stream *s = nghttp2_session_get_stream_user_data(h2->session, id);

    head->is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (h2->config.is_server) {
        if (!is_request_sound(head)) {
            refuse(h2, id, NGHTTP2_PROTOCOL_ERROR);
            return;
        }
        if (pn_str_is(head->method, "CONNECT"))
            head->target = head->authority;
        s = new_stream(h2, &h2->active, id);
        nghttp2_session_set_stream_user_data(h2->session, id, s);
    }
    if (s == NULL)
        return;
    if (!h2->events.on_head(h2->owner, id, s->user, head)) {
        nghttp2_session_set_stream_user_data(h2->session, id, NULL);
        free_stream(h2, s);
        refuse(h2, id, h2->config.is_server ? NGHTTP2_REFUSED_STREAM : NGHTTP2_CANCEL);
    }
}

static void headers_came(struct pn_h2 *h2, const nghttp2_frame *frame)
{
    struct stream *s;

    if (!h2->gather.is_trailer && (h2->config.is_server || h2->gather.head.status != 0))
        head_came(h2, frame);
    drop_gathered(&h2->gather);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return;
    s = nghttp2_session_get_stream_user_data(h2->session, frame->hd.stream_id);
    if (s != NULL)
        h2->events.on_end(h2->owner, s->id, s->user);
}

/* ---- other frames in ---- */

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct pn_h2 *h2 = user;
    struct stream *s;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: headers_came(h2, frame); break;
    case NGHTTP2_DATA:
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (s != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            h2->events.on_end(h2->owner, s->id, s->user);
        break;
    case NGHTTP2_GOAWAY:
        if (h2->events.on_goaway != NULL)
            h2->events.on_goaway(h2->owner, frame->goaway.last_stream_id, frame->goaway.error_code);
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && h2->events.on_pong != NULL)
            h2->events.on_pong(h2->owner);
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags PN_UNUSED, int32_t id,
                   const uint8_t *bytes, size_t len, void *user)
{
    struct pn_h2 *h2 = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    nghttp2_session_consume_connection(session, len);
    if (s != NULL)
        h2->events.on_data(h2->owner, id, s->user, (const char *)bytes, len);
    else
        nghttp2_session_consume_stream(session, id, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    if (s != NULL)
        end_stream(user, s, error_code);
    return 0;
}

static int on_error(nghttp2_session *session PN_UNUSED, int code PN_UNUSED, const char *text,
                    size_t len, void *user)
{
    struct pn_h2 *h2 = user;

    if (len >= sizeof(h2->complaint))
        len = sizeof(h2->complaint) - 1;
    memcpy(h2->complaint, text, len);
    h2->complaint[len] = '\0';
    return 0;
}

/* ---- frames out ---- */

static bool ends_stream(const nghttp2_frame *frame)
{
    return (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
           (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct pn_h2 *h2 = user;
    struct stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        unlink_stream(s);
        link_stream(&h2->active, s);
    }
    if (!ends_stream(frame))
        return 0;
    s->is_end_sent = true;
    if (s->resets_after_end && nghttp2_session_get_stream_remote_close(session, s->id) == 0)
        refuse(h2, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* A request that never went: reset before its turn (cancelled), or the peer said GOAWAY (refused). */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user)
{
    struct pn_h2 *h2 = user;
    int32_t id = frame->hd.stream_id;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST ||
        nghttp2_session_get_stream_user_data(session, id) != NULL)
        return 0;
    for (struct stream *s = h2->unsent; s != NULL; s = s->next)
        if (s->id == id) {
            end_stream(h2, s,
                       error == NGHTTP2_ERR_STREAM_CLOSING ? NGHTTP2_CANCEL
                                                           : NGHTTP2_REFUSED_STREAM);
            break;
        }
    return 0;
}

static ssize_t read_data(nghttp2_session *session PN_UNUSED, int32_t id, uint8_t *out, size_t max,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct pn_h2 *h2 = user;
    struct stream *s = source->ptr;
    bool is_end = false;
    ptrdiff_t got = h2->events.pull(h2->owner, id, s->user, (char *)out, max, &is_end);

    if (got == PN_H2_PULL_FAILED)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is_end)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (got <= 0 && !is_end)
        return NGHTTP2_ERR_DEFERRED;
    return got > 0 ? got : 0;
}

static ssize_t frame_bytes(nghttp2_session *session PN_UNUSED, uint8_t type PN_UNUSED,
                           int32_t id PN_UNUSED, int32_t connection_window, int32_t stream_window,
                           uint32_t peer_max, void *user)
{
    const struct pn_h2 *h2 = user;
    int64_t most = h2->config.max_frame_bytes > 0 ? h2->config.max_frame_bytes : 16384;

    if (most > connection_window)
        most = connection_window;
    if (most > stream_window)
        most = stream_window;
    return most > peer_max ? (ssize_t)peer_max : (ssize_t)most;
}

/* ---- birth and death ---- */

static void set_callbacks(nghttp2_session_callbacks *c)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_frame_not_send);
    nghttp2_session_callbacks_set_data_source_read_length_callback(c, frame_bytes);
    nghttp2_session_callbacks_set_error_callback2(c, on_error);
}

static void set_options(nghttp2_option *o, const struct pn_h2_config *config)
{
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    if (config->resets_per_second > 0)
        nghttp2_option_set_stream_reset_rate_limit(o, (uint64_t)config->resets_per_second * 4,
                                                   config->resets_per_second);
}

static void drop_callbacks(nghttp2_session_callbacks **callbacks)
{
    nghttp2_session_callbacks_del(*callbacks);
}

static void drop_option(nghttp2_option **option)
{
    nghttp2_option_del(*option);
}

static bool make_session(struct pn_h2 *h2)
{
    pn_auto(drop_callbacks) nghttp2_session_callbacks *callbacks = NULL;
    pn_auto(drop_option) nghttp2_option *option = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        return false;
    set_callbacks(callbacks);
    set_options(option, &h2->config);
    return (h2->config.is_server ? nghttp2_session_server_new2 : nghttp2_session_client_new2)(
               &h2->session, callbacks, h2, option) == 0;
}

static bool greet(struct pn_h2 *h2)
{
    const struct pn_h2_config *config = &h2->config;
    nghttp2_settings_entry settings[6] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config->stream_window_bytes },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)PN_HTTP_MAX_HEAD_BYTES },
    };
    size_t count = 2;

    if (config->is_server) {
        settings[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                      config->max_streams };
        settings[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 };
    } else {
        settings[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 };
    }
    if (config->max_frame_bytes > 16384)
        settings[count++] =
            (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, config->max_frame_bytes };
    return nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count) == 0 &&
           nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)config->connection_window_bytes) == 0;
}

bool pn_h2_new(const struct pn_h2_config *config, const struct pn_h2_events *events, void *owner,
               struct pn_h2 **out, struct pn_err *err)
{
    struct pn_h2 *h2 = pn_heap_new(sizeof(*h2));

    pn_assert(config->stream_window_bytes <= INT32_MAX &&
              config->connection_window_bytes >= 65535 &&
              config->connection_window_bytes <= INT32_MAX);
    h2->config = *config;
    h2->events = *events;
    h2->owner = owner;
    h2->gather.head.content_length = -1;
    if (!make_session(h2) || !greet(h2)) {
        pn_h2_free(h2);
        return pn_fail(err, PN_INTERNAL, "no HTTP/2 session");
    }
    *out = h2;
    return true;
}

static void free_list(struct stream *s)
{
    while (s != NULL) {
        struct stream *next = s->next;

        pn_heap_free(s);
        s = next;
    }
}

void pn_h2_free(struct pn_h2 *h2)
{
    if (h2 == NULL)
        return;
    nghttp2_session_del(h2->session);
    drop_gathered(&h2->gather);
    pn_heap_free(h2->gather.held);
    pn_heap_free(h2->gather.head.fields);
    free_list(h2->unsent);
    free_list(h2->active);
    free_list(h2->spare);
    pn_heap_free(h2);
}

/* ---- bytes ---- */

bool pn_h2_input(struct pn_h2 *h2, struct pn_str bytes, struct pn_err *err)
{
    ssize_t taken = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);

    if (taken < 0)
        return pn_fail_cause(err, PN_PROTOCOL, (int)taken, "HTTP/2: %s%s%s",
                             nghttp2_strerror((int)taken), h2->complaint[0] != '\0' ? ": " : "",
                             h2->complaint);
    return true;
}

bool pn_h2_output(struct pn_h2 *h2, struct pn_buf *out, size_t soft_max)
{
    while (out->len < soft_max) {
        const uint8_t *frame;
        ssize_t len = nghttp2_session_mem_send(h2->session, &frame);

        if (len <= 0)
            return false;
        if (!pn_buf_add_bytes(out, frame, (size_t)len))
            return false; /* is_full tells */
    }
    return nghttp2_session_want_write(h2->session) != 0;
}

bool pn_h2_wants_output(struct pn_h2 *h2)
{
    return nghttp2_session_want_write(h2->session) != 0;
}

bool pn_h2_is_over(struct pn_h2 *h2)
{
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

/* ---- header blocks out ---- */

#define MAX_PSEUDOS 4
#define MAX_PRINTED (PN_HTTP_MAX_FIELDS + MAX_PSEUDOS + 2)

struct block {
    nghttp2_nv nva[MAX_PRINTED];
    size_t count;
    char length[24];
};

static void print_nv(struct block *block, struct pn_str name, struct pn_str value)
{
    block->nva[block->count++] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name.ptr,
                                               .namelen = name.len,
                                               .value = (uint8_t *)(uintptr_t)value.ptr,
                                               .valuelen = value.len };
}

/* Decimal digits at the end of `digits`. */
static struct pn_str decimal(uint64_t value, char digits[24])
{
    size_t at = 24;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return pn_str_of(digits + at, 24 - at);
}

static bool print_block(struct block *block, const struct pn_http_head *head, struct pn_err *err)
{
    if (head->count > PN_HTTP_MAX_FIELDS)
        return pn_fail(err, PN_TOO_LARGE, "more than %d header fields", PN_HTTP_MAX_FIELDS);
    for (size_t i = 0; i < head->count; i++) {
        struct pn_http_field field = head->fields[i];

        if (pn_http_is_hop_by_hop(field.name) || pn_str_ieq(field.name, PN_LIT("host")) ||
            pn_str_ieq(field.name, PN_LIT("content-length")))
            continue;
        if (!pn_http_is_token(field.name) || !pn_http_is_value(field.value))
            return pn_fail(err, PN_INTERNAL, "malformed header field %.*s", PN_ARG(field.name));
        print_nv(block, field.name, field.value);
    }
    if (head->content_length >= 0)
        print_nv(block, PN_LIT("content-length"),
                 decimal((uint64_t)head->content_length, block->length));
    return true;
}

static bool print_request(struct block *block, const struct pn_http_head *head, struct pn_err *err)
{
    bool is_connect = pn_str_is(head->method, "CONNECT");
    struct pn_str authority = is_connect ? head->target : head->authority;

    block->count = 0;
    if (!pn_http_is_token(head->method) || !pn_http_is_authority(authority) ||
        (!is_connect && !pn_http_is_target(head->target)))
        return pn_fail(err, PN_INTERNAL, "malformed request");
    print_nv(block, PN_LIT(":method"), head->method);
    print_nv(block, PN_LIT(":authority"), authority);
    if (!is_connect) {
        print_nv(block, PN_LIT(":scheme"), head->scheme.len > 0 ? head->scheme : PN_LIT("https"));
        print_nv(block, PN_LIT(":path"), head->target);
    }
    if (head->expects_continue)
        print_nv(block, PN_LIT("expect"), PN_LIT("100-continue"));
    return print_block(block, head, err);
}

int32_t pn_h2_request(struct pn_h2 *h2, const struct pn_http_head *head, void *stream_user,
                      struct pn_err *err)
{
    struct block block;
    struct stream *s;

    if (!print_request(&block, head, err))
        return -1;
    if (nghttp2_session_check_request_allowed(h2->session) == 0 ||
        h2->stream_count >= pn_h2_peer_max_streams(h2)) {
        pn_fail(err, PN_BUSY, "no stream left on this connection");
        return -1;
    }
    s = new_stream(h2, &h2->unsent, 0);
    s->user = stream_user;
    s->id = nghttp2_submit_request(
        h2->session, NULL, block.nva, block.count,
        head->is_last ? NULL : &(nghttp2_data_provider){ { .ptr = s }, read_data }, s);
    if (s->id > 0)
        return s->id;
    pn_fail_cause(err, PN_BUSY, s->id, "HTTP/2: %s", nghttp2_strerror(s->id));
    free_stream(h2, s);
    return -1;
}

bool pn_h2_respond(struct pn_h2 *h2, int32_t stream, const struct pn_http_head *head,
                   struct pn_err *err)
{
    struct stream *s = find_stream(h2, stream);
    char digits[24];
    struct block block;
    nghttp2_data_provider provider = { { .ptr = s }, read_data };
    int rc;

    pn_assert(head->status >= 100 && head->status <= 599);
    block.count = 0;
    if (s == NULL)
        return pn_fail(err, PN_UNREACHABLE, "the stream is closed");
    print_nv(&block, PN_LIT(":status"), decimal((uint64_t)head->status, digits));
    if (!print_block(&block, head, err))
        return false;
    if (head->status < 200)
        rc = nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, stream, NULL, block.nva,
                                    block.count, NULL);
    else
        rc = nghttp2_submit_response(h2->session, stream, block.nva, block.count,
                                     head->is_last ? NULL : &provider);
    return rc == 0 || pn_fail_cause(err, PN_INTERNAL, rc, "HTTP/2: %s", nghttp2_strerror(rc));
}

/* ---- one stream ---- */

void pn_h2_set_user(struct pn_h2 *h2, int32_t stream, void *stream_user)
{
    struct stream *s = find_stream(h2, stream);

    if (s != NULL)
        s->user = stream_user;
}

void pn_h2_resume(struct pn_h2 *h2, int32_t stream)
{
    nghttp2_session_resume_data(h2->session, stream);
}

void pn_h2_consumed(struct pn_h2 *h2, int32_t stream, size_t bytes)
{
    nghttp2_session_consume_stream(h2->session, stream, bytes);
}

void pn_h2_set_window(struct pn_h2 *h2, int32_t stream, uint32_t window_bytes)
{
    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, stream,
                                          (int32_t)window_bytes);
}

void pn_h2_reset(struct pn_h2 *h2, int32_t stream, uint32_t error_code)
{
    struct stream *s = find_stream(h2, stream);

    if (s == NULL)
        return;
    if (error_code == NGHTTP2_NO_ERROR && !s->is_end_sent)
        s->resets_after_end = true;
    else
        refuse(h2, stream, error_code);
}

/* ---- the connection ---- */

void pn_h2_ping(struct pn_h2 *h2)
{
    nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
}

void pn_h2_goaway(struct pn_h2 *h2, uint32_t error_code)
{
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h2->session), error_code, NULL,
                          0);
}

uint32_t pn_h2_peer_max_streams(struct pn_h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

size_t pn_h2_open_streams(struct pn_h2 *h2)
{
    return h2->stream_count;
}
