/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/event.h"

#include "base/clock.h"
#include "base/encode.h"
#include "gateway/spool.h"
#include "kube/headers.h"

#include <string.h>

#define MAX_NAME 128
#define MAX_VALUE ((size_t)1024)
#define MAX_CLAIM ((size_t)256) /* Kubectl-Command and Kubectl-Session: claims of the client */
#define MAX_HEADERS ((size_t)32 * 1024)
#define MAX_PART ((size_t)1024)
#define REDACTED PN_LIT("[redacted]")

static struct pn_str at_most(struct pn_str text, size_t max)
{
    return pn_str_slice(text, 0, max);
}

static bool is_claim(struct pn_str name)
{
    return pn_str_iis(name, "kubectl-command") || pn_str_iis(name, "kubectl-session");
}

/* Only what can be shown safely. */
static struct pn_str printable(struct pn_str value, char out[MAX_CLAIM])
{
    size_t len = value.len < MAX_CLAIM ? value.len : MAX_CLAIM;

    for (size_t i = 0; i < len; i++)
        out[i] = (char)(value.ptr[i] >= ' ' && value.ptr[i] < 0x7f ? value.ptr[i] : '?');
    return pn_str_of(out, len);
}

/* "kubectl-command" and "KUBECTL-COMMAND" are Kubectl-Command. */
static struct pn_str canonical(struct pn_str name, char out[MAX_NAME])
{
    size_t len = name.len < MAX_NAME ? name.len : MAX_NAME;

    for (size_t i = 0; i < len; i++) {
        bool is_first = i == 0 || name.ptr[i - 1] == '-';
        char c = name.ptr[i];

        if (is_first && c >= 'a' && c <= 'z')
            c = (char)(c - 32);
        else if (!is_first && c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        out[i] = c;
    }
    return pn_str_of(out, len);
}

static struct pn_str recorded_value(struct pn_arena *arena, const struct pn_http_field *field,
                                    char claim[MAX_CLAIM])
{
    struct pn_str value = field->value;

    if (pn_kube_is_sensitive(field->name))
        return REDACTED;
    if (is_claim(field->name))
        return printable(value, claim);
    if (pn_str_iis(field->name, "sec-websocket-protocol")) {
        value = pn_kube_subprotocols(arena, value);
        if (value.ptr == NULL)
            return REDACTED;
    }
    return at_most(value, MAX_VALUE);
}

static bool was_seen(const struct pn_http_head *head, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (pn_str_ieq(head->fields[i].name, head->fields[at].name))
            return true;
    return false;
}

/*
 * Two events are built per request, so they are put together from literals: each adds what stands
 * between two values, quotes included. A fifth of the cost of naming members one by one.
 */
static void add(struct pn_buf *out, struct pn_str literal, struct pn_str value)
{
    pn_buf_add(out, literal);
    pn_json_escape_add(out, value);
}

static void add_part(struct pn_buf *out, struct pn_str literal, struct pn_str value)
{
    add(out, literal, at_most(value, MAX_PART));
}

static void add_number(struct pn_buf *out, struct pn_str literal, int64_t value)
{
    pn_buf_add(out, literal);
    pn_buf_add_i64(out, value);
}

static void add_values(struct pn_buf *out, const struct pn_http_head *head, size_t first,
                       struct pn_arena *arena)
{
    char claim[MAX_CLAIM];
    struct pn_str open = PN_LIT("\"");

    for (size_t i = first; i < head->count; i++)
        if (i == first || pn_str_ieq(head->fields[i].name, head->fields[first].name)) {
            add(out, open, recorded_value(arena, &head->fields[i], claim));
            open = PN_LIT("\",\"");
        }
    pn_buf_add_byte(out, '"');
}

/* Name to array of values, as the contract has it. */
static void add_headers(struct pn_buf *out, const struct pn_http_head *head, struct pn_arena *arena)
{
    size_t before = out->len;
    struct pn_str open = PN_LIT("\"");

    for (size_t i = 0; i < head->count; i++) {
        char name[MAX_NAME];

        if (was_seen(head, i))
            continue;
        if (out->len - before > MAX_HEADERS) {
            add(out, open, PN_LIT("Postern-Cut"));
            pn_buf_add(out, PN_LIT("\":[]"));
            return;
        }
        add(out, open, canonical(head->fields[i].name, name));
        pn_buf_add(out, PN_LIT("\":["));
        add_values(out, head, i, arena);
        open = PN_LIT("],\"");
    }
    if (head->count > 0)
        pn_buf_add_byte(out, ']');
}

/* Up to the headers. */
static void begin(struct pn_buf *out, struct pn_str type, struct pn_str id, bool has_audit_id)
{
    char now[PN_CLOCK_ISO_BYTES];

    pn_spool_begin(out);
    pn_clock_iso(pn_clock_wall_ms(), now);
    pn_buf_add(out, PN_LIT("{\"timestamp\":\""));
    pn_buf_add_bytes(out, now, sizeof(now) - 1);
    add(out, PN_LIT("\",\"eventType\":\""), type);
    add(out, PN_LIT("\",\"requestId\":\""), id);
    if (has_audit_id) {
        add(out, PN_LIT("\",\"auditId\":\""), id);
        pn_buf_add_byte(out, '"');
    } else {
        pn_buf_add(out, PN_LIT("\",\"auditId\":null"));
    }
}

void pn_event_request(struct pn_buf *out, const struct pn_event_request *event)
{
    static const struct pn_request_info unknown = { 0 };
    const struct pn_request_info *info = event->info != NULL ? event->info : &unknown;

    begin(out, PN_LIT("request"), event->id, event->is_forwarded);
    pn_buf_add(out, PN_LIT(",\"headers\":{"));
    add_headers(out, event->head, event->arena);
    add_part(out, PN_LIT("},\"method\":\""), event->head->method);
    add(out, PN_LIT("\",\"url\":\""), event->url);
    add_part(out, PN_LIT("\",\"verb\":\""), info->verb);
    add_part(out, PN_LIT("\",\"apiGroup\":\""), info->api_group);
    add_part(out, PN_LIT("\",\"resource\":\""), info->resource);
    add_part(out, PN_LIT("\",\"subresource\":\""), info->subresource);
    add_part(out, PN_LIT("\",\"namespace\":\""), info->namespace);
    add_part(out, PN_LIT("\",\"name\":\""), info->name);
    add_part(out, PN_LIT("\",\"upgrade\":\""), event->upgrade);
    pn_buf_add(out, PN_LIT("\"}"));
}

/* "200 OK" */
static void add_status(struct pn_buf *out, int status)
{
    const char *reason = pn_http_reason(status);

    add_number(out, PN_LIT(",\"statusCode\":"), status);
    pn_buf_add(out, PN_LIT(",\"status\":\""));
    if (status == 0)
        return;
    pn_buf_add_i64(out, status);
    if (reason[0] != '\0')
        pn_buf_add_byte(out, ' ');
    pn_buf_add_text(out, reason);
}

void pn_event_response(struct pn_buf *out, const struct pn_event_response *event)
{
    begin(out, PN_LIT("response"), event->id, event->is_forwarded);
    pn_buf_add(out, PN_LIT(",\"headers\":"));
    pn_buf_add(out, event->headers.len > 0 ? event->headers : PN_LIT("{}"));
    add_status(out, event->status);
    add_number(out, PN_LIT("\",\"durationMs\":"), event->duration_ms);
    add_number(out, PN_LIT(",\"requestBytes\":"), (int64_t)event->request_bytes);
    add_number(out, PN_LIT(",\"responseBytes\":"), (int64_t)event->response_bytes);
    add_part(out, PN_LIT(",\"upgrade\":\""), event->is_upgraded ? event->upgrade : PN_NONE);
    if (event->error.len > 0)
        add_part(out, PN_LIT("\",\"error\":\""), event->error);
    pn_buf_add(out, PN_LIT("\"}"));
}

void pn_event_session_end(struct pn_buf *out, struct pn_str id, struct pn_str reason)
{
    begin(out, PN_LIT("sessionEnd"), id, false);
    add_part(out, PN_LIT(",\"headers\":{},\"reason\":\""), reason);
    pn_buf_add(out, PN_LIT("\"}"));
}

void pn_event_headers(struct pn_buf *out, const struct pn_http_head *head)
{
    static const struct {
        const char *name;
        struct pn_str member;
    } worth[] = {
        { "content-type", PN_LIT_INIT("\"Content-Type\":[\"") },
        { "content-encoding", PN_LIT_INIT("\"Content-Encoding\":[\"") },
        { "location", PN_LIT_INIT("\"Location\":[\"") },
        { "warning", PN_LIT_INIT("\"Warning\":[\"") },
        { "retry-after", PN_LIT_INIT("\"Retry-After\":[\"") },
        { "sec-websocket-protocol", PN_LIT_INIT("\"Sec-Websocket-Protocol\":[\"") },
        { "x-stream-protocol-version", PN_LIT_INIT("\"X-Stream-Protocol-Version\":[\"") },
    };
    char separator = '{';

    for (size_t i = 0; i < PN_COUNT(worth); i++) {
        struct pn_str value = pn_http_field_get(head, worth[i].name);

        if (value.ptr == NULL)
            continue;
        pn_buf_add_byte(out, separator);
        add(out, worth[i].member, at_most(value, 256));
        pn_buf_add(out, PN_LIT("\"]"));
        separator = ',';
    }
    if (separator == '{')
        pn_buf_add_byte(out, '{');
    pn_buf_add_byte(out, '}');
}
