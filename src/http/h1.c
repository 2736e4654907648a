/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1.h"

#include <string.h>

/* A size line with its extensions, and all trailer lines together, may not be longer. */
#define MAX_CHUNK_LINE_BYTES 1024
#define MAX_TRAILER_BYTES (16 * 1024)

/*
 * The extent of a head: complete lines only, each ended by CRLF, up to and with the empty one. One
 * memchr per line and nothing remembered, so that a head arriving byte by byte stays cheap.
 */
static enum pn_h1_result find_end(struct pn_str bytes, size_t *used, size_t *lines,
                                  struct pn_err *err)
{
    size_t limit = bytes.len < PN_HTTP_MAX_HEAD_BYTES ? bytes.len : PN_HTTP_MAX_HEAD_BYTES;
    size_t at = 0;

    for (*lines = 0; at < limit; (*lines)++) { /* of nothing there is no pointer */
        const char *lf = memchr(bytes.ptr + at, '\n', limit - at);
        size_t end;

        if (lf == NULL)
            break;
        end = (size_t)(lf - bytes.ptr);
        if (end == at || lf[-1] != '\r') {
            pn_fail(err, PN_PROTOCOL, "a header line does not end with CRLF");
            return PN_H1_BAD;
        }
        if (end == at + 1) {
            *used = end + 1;
            return PN_H1_DONE;
        }
        if (*lines > PN_HTTP_MAX_FIELDS) {
            pn_fail(err, PN_TOO_LARGE, "more than %d header fields", PN_HTTP_MAX_FIELDS);
            return PN_H1_BAD;
        }
        at = end + 1;
    }
    if (limit < PN_HTTP_MAX_HEAD_BYTES)
        return PN_H1_MORE;
    pn_fail(err, PN_TOO_LARGE, "the header block exceeds %zu bytes", PN_HTTP_MAX_HEAD_BYTES);
    return PN_H1_BAD;
}

/* Takes the line at the front of *rest, which find_end has seen complete. */
static struct pn_str take_line(struct pn_str *rest)
{
    const char *lf = memchr(rest->ptr, '\n', rest->len);
    size_t len = (size_t)(lf - rest->ptr);
    struct pn_str line = { rest->ptr, len - 1 };

    *rest = pn_str_of(lf + 1, rest->len - len - 1);
    return line;
}

static bool take_version(struct pn_str version, struct pn_http_head *head, struct pn_err *err)
{
    if (!pn_str_is(version, "HTTP/1.1") && !pn_str_is(version, "HTTP/1.0"))
        return pn_fail(err, PN_PROTOCOL, "unknown protocol version");
    head->is_http10 = version.ptr[7] == '0';
    head->wants_close = head->is_http10;
    return true;
}

static bool take_request_line(struct pn_str line, struct pn_http_head *head, struct pn_err *err)
{
    struct pn_str rest = line;

    if (!pn_str_cut(&rest, ' ', &head->method) || !pn_http_is_token(head->method) ||
        head->method.len > 32)
        return pn_fail(err, PN_PROTOCOL, "malformed request method");
    if (!pn_str_cut(&rest, ' ', &head->target) || rest.ptr == NULL)
        return pn_fail(err, PN_PROTOCOL, "malformed request line");
    if (head->target.len > PN_HTTP_MAX_TARGET_BYTES)
        return pn_fail(err, PN_TOO_LARGE, "the request target exceeds %zu bytes",
                       PN_HTTP_MAX_TARGET_BYTES);
    if (!take_version(rest, head, err))
        return false;
    if (pn_str_is(head->method, "CONNECT"))
        return pn_http_is_authority(head->target) ||
               pn_fail(err, PN_PROTOCOL, "malformed request target");
    return pn_http_is_target(head->target) || pn_fail(err, PN_PROTOCOL, "malformed request target");
}

static bool take_status_line(struct pn_str line, struct pn_http_head *head, struct pn_err *err)
{
    struct pn_str digits = pn_str_slice(line, 9, 12);
    uint64_t status;

    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' ') ||
        !pn_str_u64(digits, &status) || status < 100 || status > 599 || !pn_http_is_value(line))
        return pn_fail(err, PN_PROTOCOL, "malformed status line");
    head->status = (int)status;
    return take_version(pn_str_slice(line, 0, 8), head, err);
}

/* What the fields that HTTP itself cares about said so far. */
struct framing {
    struct pn_str upgrade;
    bool has_host, has_length, has_coding, has_upgrade_option;
};

static bool take_host(struct framing *framing, struct pn_str value, struct pn_http_head *head,
                      struct pn_err *err)
{
    if (framing->has_host)
        return pn_fail(err, PN_PROTOCOL, "repeated Host");
    framing->has_host = true;
    if (value.len > 0 && !pn_http_is_authority(value))
        return pn_fail(err, PN_PROTOCOL, "malformed Host");
    head->authority = value;
    return true;
}

static bool take_length(struct framing *framing, struct pn_str value, struct pn_http_head *head,
                        struct pn_err *err)
{
    uint64_t length;

    if (framing->has_length)
        return pn_fail(err, PN_PROTOCOL, "repeated Content-Length");
    framing->has_length = true;
    if (!pn_str_u64(value, &length) || length > INT64_MAX)
        return pn_fail(err, PN_PROTOCOL, "malformed Content-Length");
    head->content_length = (int64_t)length;
    return true;
}

static bool take_coding(struct framing *framing, struct pn_str value, struct pn_http_head *head,
                        struct pn_err *err)
{
    if (framing->has_coding)
        return pn_fail(err, PN_PROTOCOL, "repeated Transfer-Encoding");
    framing->has_coding = true;
    if (head->is_http10)
        return pn_fail(err, PN_PROTOCOL, "Transfer-Encoding in HTTP/1.0");
    if (!pn_str_iis(value, "chunked"))
        return pn_fail(err, PN_PROTOCOL, "unsupported Transfer-Encoding");
    head->is_chunked = true;
    return true;
}

static void take_connection(struct framing *framing, struct pn_str value, struct pn_http_head *head)
{
    struct pn_str piece;

    while (pn_str_cut(&value, ',', &piece)) {
        piece = pn_str_trim(piece);
        head->wants_close |= pn_str_iis(piece, "close");
        framing->has_upgrade_option |= pn_str_iis(piece, "upgrade");
    }
}

/* True in *is_kept when the field belongs into the list. */
static bool take_field(struct framing *framing, struct pn_http_field field,
                       struct pn_http_head *head, bool *is_kept, struct pn_err *err)
{
    bool is_request = head->status == 0;

    *is_kept = true;
    switch (field.name.len) {
    case 4:
        if (!is_request || !pn_str_iis(field.name, "host"))
            return true;
        *is_kept = false;
        return take_host(framing, field.value, head, err);
    case 6:
        if (!is_request || !pn_str_iis(field.name, "expect") ||
            !pn_str_iis(field.value, "100-continue"))
            return true;
        *is_kept = false;
        head->expects_continue = !head->is_http10;
        return true;
    case 7:
        if (!pn_str_iis(field.name, "upgrade"))
            return true;
        if (framing->upgrade.ptr != NULL)
            return pn_fail(err, PN_PROTOCOL, "repeated Upgrade");
        framing->upgrade = field.value;
        return true;
    case 10:
        if (pn_str_iis(field.name, "connection"))
            take_connection(framing, field.value, head);
        return true;
    case 14:
        if (!pn_str_iis(field.name, "content-length"))
            return true;
        *is_kept = false;
        return take_length(framing, field.value, head, err);
    case 17:
        if (!pn_str_iis(field.name, "transfer-encoding"))
            return true;
        *is_kept = false;
        return take_coding(framing, field.value, head, err);
    }
    return true;
}

static struct pn_str trim_blanks(const char *ptr, const char *end)
{
    while (ptr < end && (*ptr == ' ' || *ptr == '\t'))
        ptr++;
    while (ptr < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return pn_str_of(ptr, (size_t)(end - ptr));
}

static bool split_field(struct pn_str line, struct pn_http_field *field, struct pn_err *err)
{
    const char *colon = memchr(line.ptr, ':', line.len);

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return pn_fail(err, PN_PROTOCOL, "a header line is folded");
    if (colon == NULL)
        return pn_fail(err, PN_PROTOCOL, "a header line has no colon");
    field->name = pn_str_of(line.ptr, (size_t)(colon - line.ptr));
    field->value = trim_blanks(colon + 1, line.ptr + line.len);
    if (!pn_http_is_token(field->name))
        return pn_fail(err, PN_PROTOCOL, "malformed header name");
    return pn_http_is_value(field->value) || pn_fail(err, PN_PROTOCOL, "malformed header value");
}

static bool take_fields(struct pn_str rest, struct pn_http_head *head, struct pn_err *err)
{
    struct framing framing = { 0 };

    while (rest.len > 2) {
        struct pn_http_field *field = &head->fields[head->count];
        bool is_kept;

        if (!split_field(take_line(&rest), field, err) ||
            !take_field(&framing, *field, head, &is_kept, err))
            return false;
        head->count += is_kept;
    }
    if (framing.has_length && framing.has_coding)
        return pn_fail(err, PN_PROTOCOL, "both Content-Length and Transfer-Encoding");
    if (head->status == 0 && !framing.has_host && !head->is_http10)
        return pn_fail(err, PN_PROTOCOL, "Host is missing");
    if (framing.has_upgrade_option && framing.upgrade.len > 0 && !head->is_http10)
        head->upgrade = framing.upgrade;
    return true;
}

static enum pn_h1_result parse(struct pn_str bytes, struct pn_arena *arena, bool is_request,
                               struct pn_http_head *head, size_t *used, struct pn_err *err)
{
    struct pn_str rest;
    size_t lines;
    enum pn_h1_result found;

    if (bytes.len > 0 && !pn_http_is_token(pn_str_slice(bytes, 0, 1))) {
        pn_fail(err, PN_PROTOCOL, "this is not HTTP");
        return PN_H1_BAD;
    }
    found = find_end(bytes, used, &lines, err);
    if (found != PN_H1_DONE)
        return found;
    rest = pn_str_slice(bytes, 0, *used);
    *head = (struct pn_http_head){ .content_length = -1,
                                   .fields = pn_new(arena, struct pn_http_field, lines + 1) };
    if (!(is_request ? take_request_line : take_status_line)(take_line(&rest), head, err) ||
        !take_fields(rest, head, err))
        return PN_H1_BAD;
    return PN_H1_DONE;
}

enum pn_h1_result pn_h1_parse_request(struct pn_str bytes, struct pn_arena *arena,
                                      struct pn_http_head *head, size_t *used, struct pn_err *err)
{
    enum pn_h1_result result = parse(bytes, arena, true, head, used, err);

    if (result == PN_H1_DONE)
        head->is_last = !head->is_chunked && head->content_length <= 0;
    return result;
}

enum pn_h1_result pn_h1_parse_response(struct pn_str bytes, struct pn_arena *arena,
                                       struct pn_str method, struct pn_http_head *head,
                                       size_t *used, struct pn_err *err)
{
    enum pn_h1_result result = parse(bytes, arena, false, head, used, err);

    if (result == PN_H1_DONE)
        head->is_last = pn_http_is_bodiless(head->status, method) ||
                        (!head->is_chunked && head->content_length == 0);
    return result;
}

/* ---- bodies ---- */

enum chunk_state {
    SIZE_FIRST, /* the first digit */
    SIZE,       /* more digits, ";" or CR */
    EXTENSION,  /* up to CR */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE_START, /* of a trailer line, or the CR of the end */
    LINE,       /* the rest of it */
    LINE_LF,
    END_LF,
    CHUNK_STATES /* the number of states */
};

struct pn_h1_body pn_h1_body_of(const struct pn_http_head *head)
{
    if (head->is_last || (head->status == 0 && !head->is_chunked && head->content_length < 0))
        return (struct pn_h1_body){ .framing = PN_H1_NO_BODY, .is_done = true };
    if (head->is_chunked)
        return (struct pn_h1_body){ .framing = PN_H1_CHUNKED, .state = SIZE_FIRST };
    if (head->content_length >= 0)
        return (struct pn_h1_body){ .framing = PN_H1_LENGTH,
                                    .left = (uint64_t)head->content_length,
                                    .is_done = head->content_length == 0 };
    return (struct pn_h1_body){ .framing = PN_H1_UNTIL_CLOSE };
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool is_text(char byte)
{
    return pn_http_is_value(pn_str_of(&byte, 1));
}

static bool take_digit(struct pn_h1_body *body, char byte)
{
    int digit = hex_digit(byte);

    if (digit < 0 || body->left > (uint64_t)INT64_MAX >> 4)
        return false;
    body->left = body->left << 4 | (uint64_t)digit;
    body->state = SIZE;
    return true;
}

/* One byte of framing. */
static bool chunk_step(struct pn_h1_body *body, char byte)
{
    enum chunk_state state = body->state;

    switch (state) {
    case SIZE_FIRST: return take_digit(body, byte);
    case SIZE:
        if (byte != ';' && byte != '\r')
            return take_digit(body, byte);
        body->state = byte == ';' ? EXTENSION : SIZE_LF;
        return true;
    case EXTENSION:
        if (byte == '\r')
            body->state = SIZE_LF;
        return byte == '\r' || is_text(byte);
    case SIZE_LF:
        body->state = body->left > 0 ? DATA : LINE_START;
        body->line_bytes = 0;
        return byte == '\n';
    case DATA_CR: body->state = DATA_LF; return byte == '\r';
    case DATA_LF: body->state = SIZE_FIRST; return byte == '\n';
    case LINE_START:
        body->state = byte == '\r' ? END_LF : LINE;
        return byte == '\r' || pn_http_is_token(pn_str_of(&byte, 1));
    case LINE:
        if (byte == '\r')
            body->state = LINE_LF;
        return byte == '\r' || is_text(byte);
    case LINE_LF: body->state = LINE_START; return byte == '\n';
    case END_LF: body->is_done = byte == '\n'; return byte == '\n';
    case DATA:
    case CHUNK_STATES: break;
    }
    return false;
}

static bool is_within(const struct pn_h1_body *body)
{
    return body->line_bytes <
           (body->state >= LINE_START ? MAX_TRAILER_BYTES : MAX_CHUNK_LINE_BYTES);
}

/* A run of at most `left` bytes from *in. */
static struct pn_str take_run(struct pn_h1_body *body, struct pn_str in, size_t *used)
{
    size_t len = in.len < body->left ? in.len : (size_t)body->left;

    body->left -= len;
    *used += len;
    return pn_str_of(in.ptr, len);
}

static enum pn_h1_result read_chunked(struct pn_h1_body *body, struct pn_str in, size_t *used,
                                      struct pn_str *data, struct pn_err *err)
{
    while (!body->is_done && *used < in.len) {
        if (body->state == DATA) {
            *data = take_run(body, pn_str_slice(in, *used, in.len), used);
            if (body->left == 0)
                body->state = DATA_CR;
            return PN_H1_MORE;
        }
        body->line_bytes++;
        if (!is_within(body) || !chunk_step(body, in.ptr[*used])) {
            pn_fail(err, PN_PROTOCOL, "malformed chunked body");
            return PN_H1_BAD;
        }
        (*used)++;
    }
    return body->is_done ? PN_H1_DONE : PN_H1_MORE;
}

enum pn_h1_result pn_h1_body_read(struct pn_h1_body *body, struct pn_str in, size_t *used,
                                  struct pn_str *data, struct pn_err *err)
{
    *used = 0;
    *data = PN_NONE;
    if (body->is_done)
        return PN_H1_DONE;
    switch (body->framing) {
    case PN_H1_NO_BODY: break;
    case PN_H1_LENGTH:
        *data = take_run(body, in, used);
        body->is_done = body->left == 0;
        break;
    case PN_H1_CHUNKED: return read_chunked(body, in, used, data, err);
    case PN_H1_UNTIL_CLOSE:
        *data = in;
        *used = in.len;
        break;
    }
    return body->is_done ? PN_H1_DONE : PN_H1_MORE;
}

bool pn_h1_body_may_end(const struct pn_h1_body *body)
{
    return body->is_done || body->framing == PN_H1_UNTIL_CLOSE;
}

/* ---- printing ---- */

static bool print_field(struct pn_buf *out, struct pn_str name, struct pn_str value)
{
    size_t len = name.len + value.len + 4;
    char *to = pn_buf_room(out, len);

    if (to == NULL) {
        out->is_full = true;
        return false;
    }
    memcpy(to, name.ptr, name.len);
    to += name.len;
    *to++ = ':';
    *to++ = ' ';
    if (value.len > 0)
        memcpy(to, value.ptr, value.len);
    to += value.len;
    *to++ = '\r';
    *to++ = '\n';
    pn_buf_grew(out, len);
    return true;
}

/* Host and framing are printed from the head's own members. */
static bool is_ours(struct pn_str name)
{
    return pn_str_ieq(name, PN_LIT("host")) || pn_str_ieq(name, PN_LIT("content-length")) ||
           pn_str_ieq(name, PN_LIT("expect")) || pn_http_is_hop_by_hop(name);
}

static bool print_fields(const struct pn_http_head *head, struct pn_buf *out)
{
    for (size_t i = 0; i < head->count; i++) {
        struct pn_http_field field = head->fields[i];

        if (is_ours(field.name))
            continue;
        if (!pn_http_is_token(field.name) || !pn_http_is_value(field.value) ||
            !print_field(out, field.name, field.value))
            return false;
    }
    return true;
}

static void print_length(struct pn_buf *out, int64_t length)
{
    pn_buf_add(out, PN_LIT("Content-Length: "));
    pn_buf_add_i64(out, length);
    pn_buf_add(out, PN_LIT("\r\n"));
}

static bool print_connection(const struct pn_http_head *head, struct pn_buf *out)
{
    if (head->upgrade.ptr != NULL) {
        if (!pn_http_is_value(head->upgrade))
            return false;
        pn_buf_add(out, PN_LIT("Connection: Upgrade\r\n"));
        print_field(out, PN_LIT("Upgrade"), head->upgrade);
    } else if (head->wants_close) {
        pn_buf_add(out, PN_LIT("Connection: close\r\n"));
    }
    return pn_buf_add(out, PN_LIT("\r\n"));
}

bool pn_h1_print_request(const struct pn_http_head *head, struct pn_buf *out)
{
    bool is_connect = pn_str_is(head->method, "CONNECT");

    if (!pn_http_is_token(head->method) || !pn_http_is_authority(head->authority) ||
        !(is_connect ? pn_http_is_authority : pn_http_is_target)(head->target))
        return false;
    pn_buf_add(out, head->method);
    pn_buf_add_byte(out, ' ');
    pn_buf_add(out, head->target);
    pn_buf_add(out, PN_LIT(" HTTP/1.1\r\n"));
    print_field(out, PN_LIT("Host"), head->authority);
    if (!print_fields(head, out))
        return false;
    if (head->is_chunked)
        pn_buf_add(out, PN_LIT("Transfer-Encoding: chunked\r\n"));
    else if (head->content_length >= 0)
        print_length(out, head->content_length);
    else if (pn_str_is(head->method, "POST") || pn_str_is(head->method, "PUT") ||
             pn_str_is(head->method, "PATCH"))
        print_length(out, 0);
    if (head->expects_continue)
        pn_buf_add(out, PN_LIT("Expect: 100-continue\r\n"));
    return print_connection(head, out);
}

bool pn_h1_print_response(const struct pn_http_head *head, struct pn_buf *out)
{
    bool has_framing = head->status >= 200 && head->status != 204;

    pn_assert(head->status >= 100 && head->status <= 599);
    pn_buf_add(out, PN_LIT("HTTP/1.1 "));
    pn_buf_add_i64(out, head->status);
    pn_buf_add_byte(out, ' ');
    pn_buf_add_text(out, pn_http_reason(head->status));
    pn_buf_add(out, PN_LIT("\r\n"));
    if (!print_fields(head, out))
        return false;
    if (has_framing && head->is_chunked)
        pn_buf_add(out, PN_LIT("Transfer-Encoding: chunked\r\n"));
    else if (has_framing && head->content_length >= 0)
        print_length(out, head->content_length);
    return print_connection(head, out);
}

size_t pn_h1_chunk_line(size_t len, char out[PN_H1_CHUNK_LINE_BYTES])
{
    unsigned digits = 1;

    while (digits < 16 && len >> (4 * digits) != 0)
        digits++;
    for (unsigned i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[len >> (4 * (digits - 1 - i)) & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
