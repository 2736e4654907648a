/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session_log.h"

#include <stdio.h>

#include "base/map.h"
#include "json/writer.h"

#define MAX_LOG_BYTES ((size_t)256 * 1024 * 1024)
#define MAX_PAGES 1024
#define PAGE "100" /* batches: the most the server gives at once */

/* A request with its response, either of which may be missing: members of the events, by name. */
struct entry {
    const struct pn_value *request, *response;
};

struct pn_session_log {
    struct pn_map *by_id;
    struct entry *entries;
    size_t count, capacity;
    struct pn_value *pages[MAX_PAGES];
    size_t page_count;
};

struct pn_session_log *pn_session_log_new(void)
{
    struct pn_session_log *log = pn_heap_new(sizeof *log);

    log->by_id = pn_map_new();
    return log;
}

void pn_session_log_free(struct pn_session_log *log)
{
    if (log == NULL)
        return;
    for (size_t i = 0; i < log->page_count; i++)
        pn_value_free(log->pages[i]);
    pn_map_free(log->by_id);
    pn_heap_free(log->entries);
    pn_heap_free(log);
}

void pn_session_log_freep(struct pn_session_log **log)
{
    pn_session_log_free(*log);
    *log = NULL;
}

/* ---- taking events in ---- */

static struct pn_str text(const struct pn_value *event, const char *name)
{
    return pn_value_str(pn_value_get(event, name));
}

static int64_t number(const struct pn_value *event, const char *name)
{
    return pn_value_int(pn_value_get(event, name), 0);
}

static struct entry *add_entry(struct pn_session_log *log)
{
    if (log->count == log->capacity) {
        size_t bigger = log->capacity == 0 ? 256 : 2 * log->capacity;

        log->entries = pn_heap_grow(log->entries, log->capacity * sizeof *log->entries,
                                    bigger * sizeof *log->entries);
        log->capacity = bigger;
    }
    log->entries[log->count] = (struct entry){ 0 };
    return &log->entries[log->count++];
}

/* The map holds positions + 1: entries move when the array grows. */
static struct entry *entry_of(struct pn_session_log *log, struct pn_str id)
{
    size_t at = (size_t)(uintptr_t)pn_map_get(log->by_id, id);
    struct entry *entry;

    if (at != 0)
        return &log->entries[at - 1];
    entry = add_entry(log);
    pn_map_put(log->by_id, id, (void *)(uintptr_t)log->count);
    return entry;
}

static void take_event(struct pn_session_log *log, const struct pn_value *event)
{
    struct pn_str type = text(event, "eventType"), id = text(event, "requestId");

    if (id.len == 0)
        return;
    if (pn_str_is(type, "request"))
        entry_of(log, id)->request = event;
    else if (pn_str_is(type, "response"))
        entry_of(log, id)->response = event;
}

void pn_session_log_take(struct pn_session_log *log, struct pn_value *page)
{
    const struct pn_value *events = pn_value_get(page, "logs");

    pn_assert(log->page_count < MAX_PAGES);
    log->pages[log->page_count++] = page;
    for (size_t i = 0; i < pn_value_count(events); i++)
        take_event(log, pn_value_item(events, i));
}

/* ---- every request ---- */

static void write_number(struct pn_writer *w, const char *name, const struct pn_value *response)
{
    if (response != NULL)
        pn_write_int(w, name, number(response, name));
    else
        pn_write_null(w, name);
}

/* Null while the request runs, and when the cluster gave no answer. */
static void write_status(struct pn_writer *w, const struct entry *entry)
{
    int64_t status = number(entry->response, "statusCode");

    if (status > 0)
        pn_write_int(w, "status", status);
    else
        pn_write_null(w, "status");
}

static void write_request(struct pn_writer *w, const struct entry *entry)
{
    static const char *const names[] = { "requestId", "auditId",  "method",   "url",
                                         "verb",      "apiGroup", "resource", "subresource",
                                         "namespace", "name",     NULL };
    const struct pn_value *event = entry->request != NULL ? entry->request : entry->response;

    pn_write_object(w, NULL);
    for (size_t i = 0; names[i] != NULL; i++)
        pn_write_str(w, names[i], text(event, names[i]));
    write_status(w, entry);
    pn_write_str(w, "startedAt", text(entry->request, "timestamp"));
    write_number(w, "durationMs", entry->response);
    write_number(w, "requestBytes", entry->response);
    write_number(w, "responseBytes", entry->response);
    pn_write_str(w, "upgrade", text(event, "upgrade"));
    pn_write_end(w);
}

void pn_session_log_requests(const struct pn_session_log *log, struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < log->count; i++)
        write_request(&w, &log->entries[i]);
    pn_write_end(&w);
}

/* ---- a line per request, discovery folded ---- */

static bool is_below(struct pn_str url, const char *path)
{
    struct pn_str prefix = pn_str_from(path);

    return pn_str_starts(url, prefix) &&
           (url.len == prefix.len || url.ptr[prefix.len] == '/' || url.ptr[prefix.len] == '?');
}

/* What kubectl asks to find its way; never what was refused. */
static bool is_discovery(const struct entry *entry)
{
    static const char *const paths[] = { "/api",     "/apis",  "/openapi", "/version",
                                         "/healthz", "/livez", "/readyz",  NULL };

    if (entry->request == NULL || text(entry->request, "resource").len > 0 ||
        number(entry->response, "statusCode") >= 400)
        return false;
    for (size_t i = 0; paths[i] != NULL; i++) {
        if (is_below(text(entry->request, "url"), paths[i]))
            return true;
    }
    return false;
}

static struct pn_str or_none(struct pn_str value)
{
    return value.len > 0 ? value : PN_NONE;
}

/* "pods", "pods/exec"; what has no resource is told by its URL. */
static void write_resource(struct pn_writer *w, const struct pn_value *request)
{
    struct pn_str resource = text(request, "resource"), sub = text(request, "subresource");
    pn_auto(pn_buf_drop) struct pn_buf both = pn_buf_init(2048);

    if (resource.len == 0) {
        pn_write_str(w, "resource", or_none(text(request, "url")));
        return;
    }
    pn_buf_add(&both, pn_str_slice(resource, 0, 1000));
    pn_buf_add_text(&both, sub.len > 0 ? "/" : "");
    pn_buf_add(&both, pn_str_slice(sub, 0, 1000));
    pn_write_str(w, "resource", pn_buf_str(&both));
}

static void write_duration(struct pn_writer *w, const struct pn_value *response)
{
    char ms[32];

    if (response == NULL) {
        pn_write_null(w, "duration");
        return;
    }
    snprintf(ms, sizeof ms, "%lld ms", (long long)number(response, "durationMs"));
    pn_write_text(w, "duration", ms);
}

static void write_line(struct pn_writer *w, const struct entry *entry)
{
    const struct pn_value *request = entry->request;
    int64_t status = number(entry->response, "statusCode");

    pn_write_object(w, NULL);
    pn_write_str(w, "time", or_none(text(request, "timestamp")));
    pn_write_str(w, "verb", or_none(text(request, "verb")));
    write_resource(w, request);
    pn_write_str(w, "name", or_none(text(request, "name")));
    pn_write_str(w, "namespace", or_none(text(request, "namespace")));
    if (status > 0)
        pn_write_int(w, "status", status);
    else
        pn_write_text(w, "status", entry->response == NULL ? "running" : "failed");
    write_duration(w, entry->response);
    pn_write_str(w, "command",
                 or_none(pn_value_str(pn_value_at(request, "headers.Kubectl-Command.0"))));
    pn_write_end(w);
}

size_t pn_session_log_lines(const struct pn_session_log *log, struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);
    size_t folded = 0;

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < log->count; i++) {
        if (is_discovery(&log->entries[i]))
            folded++;
        else
            write_line(&w, &log->entries[i]);
    }
    pn_write_end(&w);
    return folded;
}

/* ---- from the server to the person ---- */

static bool fetch_page(struct pn_rest *rest, struct pn_session_log *log, struct pn_str session_id,
                       int64_t *offset, bool *has_more, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(1024);
    struct pn_value *page = NULL;
    int64_t batches;

    if (log->page_count == MAX_PAGES)
        return pn_fail(err, PN_TOO_LARGE, "the session has too many events to print at once");
    pn_buf_addf(&path, "/v1/pam/sessions/%.*s/logs?limit=" PAGE "&offset=%lld", PN_ARG(session_id),
                (long long)*offset);
    if (!pn_rest_call(rest, "GET", pn_buf_str(&path), PN_NONE, &page, err))
        return false;
    batches = pn_value_int(pn_value_get(page, "batchCount"), 0);
    *offset += batches;
    *has_more = batches > 0 && pn_value_bool(pn_value_get(page, "hasMore"), false);
    pn_session_log_take(log, page);
    return true;
}

static const struct pn_column request_columns[] = {
    { "STARTED", "startedAt" },
    { "METHOD", "method" },
    { "STATUS", "status" },
    { "MS", "durationMs" },
    { "UPGRADE", "upgrade" },
    { "URL", "url" },
    { 0 },
};
static const struct pn_column line_columns[] = {
    { "TIME", "time" },
    { "VERB", "verb" },
    { "RESOURCE", "resource" },
    { "NAME", "name" },
    { "NAMESPACE", "namespace" },
    { "STATUS", "status" },
    { "DURATION", "duration" },
    { "COMMAND (CLAIMED)", "command" },
    { 0 },
};

static bool print(struct pn_cli *cli, const struct pn_session_log *log, bool is_raw,
                  struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LOG_BYTES);
    size_t folded = 0;

    if (is_raw)
        pn_session_log_requests(log, &json);
    else
        folded = pn_session_log_lines(log, &json);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the session has too many events to print at once");
    if (!pn_cli_print_json(cli, pn_buf_str(&json), is_raw ? request_columns : line_columns, err))
        return false;
    if (folded > 0 && pn_cli_output(cli) == PN_OUTPUT_TABLE)
        printf("(and %zu discovery requests; --requests shows them)\n", folded);
    return true;
}

bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          struct pn_err *err)
{
    pn_auto(pn_session_log_freep) struct pn_session_log *log = pn_session_log_new();
    struct pn_rest *rest;
    struct pn_uuid id;
    int64_t offset = 0;
    bool has_more = true;

    if (!pn_uuid_parse(session_id, &id))
        return pn_fail(err, PN_USAGE, "\"%.*s\" is not the id of a session", PN_ARG(session_id));
    if (!pn_cli_rest_client(cli, &rest, err))
        return false;
    while (has_more) {
        if (!fetch_page(rest, log, session_id, &offset, &has_more, err))
            return false;
    }
    return print(cli, log, is_raw, err);
}
