/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/event.h"

#include "base/clock.h"
#include "gateway/spool.h"
#include "json/writer.h"
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

static void write_values(struct pn_writer *w, const struct pn_http_head *head, size_t first,
                         struct pn_arena *arena)
{
    char claim[MAX_CLAIM];

    for (size_t i = first; i < head->count; i++)
        if (i == first || pn_str_ieq(head->fields[i].name, head->fields[first].name))
            pn_write_str(w, NULL, recorded_value(arena, &head->fields[i], claim));
}

/* Name to array of values, as the contract has it. */
static void write_headers(struct pn_writer *w, const struct pn_http_head *head,
                          struct pn_arena *arena)
{
    size_t before = w->buf->len;
    bool is_cut = false;

    pn_write_object(w, "headers");
    for (size_t i = 0; i < head->count && !is_cut; i++) {
        char name[MAX_NAME];
        char member[MAX_NAME + 1] = { 0 };
        struct pn_str shown;

        if (was_seen(head, i))
            continue;
        is_cut = w->buf->len - before > MAX_HEADERS;
        shown = is_cut ? PN_LIT("Postern-Cut") : canonical(head->fields[i].name, name);
        memcpy(member, shown.ptr, shown.len);
        pn_write_array(w, member); /* a token: nothing to escape */
        if (!is_cut)
            write_values(w, head, i, arena);
        pn_write_end(w);
    }
    pn_write_end(w);
}

static struct pn_writer begin(struct pn_buf *out, const char *type, struct pn_str id,
                              bool has_audit_id)
{
    struct pn_writer w;

    pn_spool_begin(out);
    w = pn_writer_of(out);
    pn_write_object(&w, NULL);
    pn_write_time(&w, "timestamp", pn_clock_wall_ms());
    pn_write_text(&w, "eventType", type);
    pn_write_str(&w, "requestId", id);
    pn_write_str(&w, "auditId", has_audit_id ? id : PN_NONE);
    return w;
}

static void write_part(struct pn_writer *w, const char *name, struct pn_str value)
{
    pn_write_str(w, name, value.ptr != NULL ? at_most(value, MAX_PART) : PN_LIT(""));
}

static void write_info(struct pn_writer *w, const struct pn_request_info *info)
{
    static const struct pn_request_info unknown = { 0 };

    if (info == NULL)
        info = &unknown;
    write_part(w, "verb", info->verb);
    write_part(w, "apiGroup", info->api_group);
    write_part(w, "resource", info->resource);
    write_part(w, "subresource", info->subresource);
    write_part(w, "namespace", info->namespace);
    write_part(w, "name", info->name);
}

void pn_event_request(struct pn_buf *out, const struct pn_event_request *event)
{
    struct pn_writer w = begin(out, "request", event->id, event->is_forwarded);

    write_headers(&w, event->head, event->arena);
    write_part(&w, "method", event->head->method);
    pn_write_str(&w, "url", event->url);
    write_info(&w, event->info);
    write_part(&w, "upgrade", event->upgrade);
    pn_write_end(&w);
}

static void write_status(struct pn_writer *w, int status)
{
    const char *reason = pn_http_reason(status);
    size_t len = strlen(reason);
    char line[64];

    pn_write_int(w, "statusCode", status);
    if (status < 100 || status > 999 || len + 4 > sizeof(line)) {
        pn_write_str(w, "status", PN_LIT(""));
        return;
    }
    line[0] = (char)('0' + status / 100);
    line[1] = (char)('0' + status / 10 % 10);
    line[2] = (char)('0' + status % 10);
    line[3] = ' ';
    memcpy(line + 4, reason, len);
    pn_write_str(w, "status", pn_str_of(line, len > 0 ? len + 4 : 3));
}

void pn_event_response(struct pn_buf *out, const struct pn_event_response *event)
{
    struct pn_writer w = begin(out, "response", event->id, event->is_forwarded);

    pn_write_raw(&w, "headers", event->headers.len > 0 ? event->headers : PN_LIT("{}"));
    write_status(&w, event->status);
    pn_write_int(&w, "durationMs", event->duration_ms);
    pn_write_int(&w, "requestBytes", (int64_t)event->request_bytes);
    pn_write_int(&w, "responseBytes", (int64_t)event->response_bytes);
    write_part(&w, "upgrade", event->is_upgraded ? event->upgrade : PN_NONE);
    if (event->error.len > 0)
        write_part(&w, "error", event->error);
    pn_write_end(&w);
}

void pn_event_session_end(struct pn_buf *out, struct pn_str id, struct pn_str reason)
{
    struct pn_writer w = begin(out, "sessionEnd", id, false);

    pn_write_object(&w, "headers");
    pn_write_end(&w);
    write_part(&w, "reason", reason);
    pn_write_end(&w);
}

void pn_event_headers(struct pn_buf *out, const struct pn_http_head *head)
{
    static const char *const worth[] = {
        "content-type",           "content-encoding",         "location", "warning", "retry-after",
        "sec-websocket-protocol", "x-stream-protocol-version"
    };
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    for (size_t i = 0; i < PN_COUNT(worth); i++) {
        struct pn_str value = pn_http_field_get(head, worth[i]);
        char name[MAX_NAME + 1] = { 0 };

        if (value.ptr == NULL)
            continue;
        (void)canonical(pn_str_from(worth[i]), name);
        pn_write_array(&w, name);
        pn_write_str(&w, NULL, at_most(value, 256));
        pn_write_end(&w);
    }
    pn_write_end(&w);
}
