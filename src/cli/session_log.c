/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "json/writer.h"

#define MAX_LOG_BYTES ((size_t)256 * 1024 * 1024)
#define PAGE "100"

/* A request with the response that belongs to it; members of the events, by name. */
struct entry {
    const struct pn_value *request, *response;
};

struct session_log {
    struct pn_arena *arena;
    struct pn_map *by_id;
    struct entry *entries;
    size_t count, capacity;
    struct pn_value *pages[1024]; /* own the events */
    size_t page_count;
};

static void log_free(struct session_log *log)
{
    for (size_t i = 0; i < log->page_count; i++)
        pn_value_free(log->pages[i]);
    pn_map_free(log->by_id);
    pn_heap_free(log->entries);
    pn_arena_free(log->arena);
}

static struct entry *entry_add(struct session_log *log)
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
static struct entry *entry_of(struct session_log *log, struct pn_str id)
{
    size_t at = (size_t)(uintptr_t)pn_map_get(log->by_id, id);
    struct entry *entry;

    if (at != 0)
        return &log->entries[at - 1];
    entry = entry_add(log);
    pn_map_put(log->by_id, id, (void *)(uintptr_t)log->count);
    return entry;
}

static void take_events(struct session_log *log, const struct pn_value *events)
{
    for (size_t i = 0; i < pn_value_count(events); i++) {
        const struct pn_value *event = pn_value_item(events, i);
        struct pn_str type = pn_value_str(pn_value_get(event, "eventType"));
        struct pn_str id = pn_value_str(pn_value_get(event, "requestId"));

        if (id.len == 0)
            continue;
        if (pn_str_is(type, "request"))
            entry_of(log, id)->request = event;
        else if (pn_str_is(type, "response"))
            entry_of(log, id)->response = event;
    }
}

static bool fetch_all(struct pn_cli *cli, struct session_log *log, struct pn_str session_id,
                      struct pn_err *err)
{
    struct pn_rest *rest;
    int64_t offset = 0;
    bool has_more = true;

    if (!pn_cli_rest_client(cli, &rest, err))
        return false;
    while (has_more) {
        struct pn_value *reply;

        if (log->page_count == PN_COUNT(log->pages))
            return pn_fail(err, PN_TOO_LARGE, "the session has too many events to print at once");
        if (!pn_rest_call(rest, log->arena, "GET",
                          pn_arena_printf(log->arena,
                                          "/v1/pam/sessions/%.*s/logs?limit=" PAGE "&offset=%lld",
                                          PN_ARG(session_id), (long long)offset),
                          PN_NONE, &reply, err))
            return false;
        log->pages[log->page_count++] = reply;
        take_events(log, pn_value_get(reply, "logs"));
        has_more = pn_value_bool(pn_value_get(reply, "hasMore"), false);
        offset += pn_value_int(pn_value_get(reply, "batchCount"), 0);
        if (pn_value_int(pn_value_get(reply, "batchCount"), 0) == 0)
            has_more = false;
    }
    return true;
}

static struct pn_str text(const struct pn_value *event, const char *name)
{
    return pn_value_str(pn_value_get(event, name));
}

static int64_t number(const struct pn_value *event, const char *name)
{
    return pn_value_int(pn_value_get(event, name), 0);
}

/* ---- every request ---- */

static void write_entry(struct pn_writer *w, const struct entry *entry)
{
    static const char *const names[] = { "requestId", "auditId",  "method",   "url",
                                         "verb",      "apiGroup", "resource", "subresource",
                                         "namespace", "name",     NULL };

    pn_write_object(w, NULL);
    for (size_t i = 0; names[i] != NULL; i++)
        pn_write_str(w, names[i], text(entry->request, names[i]));
    if (entry->response != NULL && number(entry->response, "statusCode") > 0)
        pn_write_int(w, "status", number(entry->response, "statusCode"));
    else
        pn_write_null(w, "status");
    pn_write_str(w, "startedAt", text(entry->request, "timestamp"));
    if (entry->response != NULL)
        pn_write_int(w, "durationMs", number(entry->response, "durationMs"));
    else
        pn_write_null(w, "durationMs");
    pn_write_int(w, "requestBytes", number(entry->response, "requestBytes"));
    pn_write_int(w, "responseBytes", number(entry->response, "responseBytes"));
    pn_write_str(w, "upgrade", text(entry->request, "upgrade"));
    pn_write_end(w);
}

static const struct pn_column request_columns[] = {
    { "STARTED", "startedAt" },
    { "METHOD", "method" },
    { "URL", "url" },
    { "STATUS", "status" },
    { "MS", "durationMs" },
    { "UPGRADE", "upgrade" },
    { 0 },
};

static bool print_requests(struct pn_cli *cli, const struct session_log *log, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LOG_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < log->count; i++) {
        if (log->entries[i].request != NULL)
            write_entry(&w, &log->entries[i]);
    }
    pn_write_end(&w);
    return pn_cli_print_json(cli, pn_buf_str(&json), request_columns, err);
}

/* ---- a line per request, discovery folded ---- */

static bool is_discovery(const struct pn_value *request)
{
    static const char *const paths[] = { "/api",     "/apis",  "/openapi", "/version",
                                         "/healthz", "/livez", "/readyz",  NULL };
    struct pn_str url = text(request, "url");

    if (text(request, "resource").len > 0)
        return false;
    for (size_t i = 0; paths[i] != NULL; i++) {
        if (pn_str_starts(url, pn_str_from(paths[i])))
            return true;
    }
    return false;
}

static void write_line(struct pn_writer *w, struct pn_arena *arena, const struct entry *entry)
{
    struct pn_str resource = text(entry->request, "resource"),
                  sub = text(entry->request, "subresource");
    struct pn_str name = text(entry->request, "name"),
                  command = text(pn_value_get(entry->request, "headers"), "Kubectl-Command");
    int64_t status = number(entry->response, "statusCode");

    if (command.len == 0)
        command = pn_value_str(pn_value_item(
            pn_value_get(pn_value_get(entry->request, "headers"), "Kubectl-Command"), 0));
    pn_write_object(w, NULL);
    pn_write_str(w, "time", text(entry->request, "timestamp"));
    pn_write_str(w, "verb", text(entry->request, "verb"));
    pn_write_str(w, "resource",
                 sub.len > 0 ? pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(resource), PN_ARG(sub))
                 : resource.len > 0 ? resource
                                    : text(entry->request, "url"));
    pn_write_str(w, "name", name.len > 0 ? name : PN_NONE);
    pn_write_str(w, "namespace",
                 text(entry->request, "namespace").len > 0 ? text(entry->request, "namespace")
                                                           : PN_NONE);
    if (status > 0)
        pn_write_int(w, "status", status);
    else
        pn_write_text(w, "status", entry->response == NULL ? "running" : "failed");
    pn_write_str(
        w, "duration",
        entry->response == NULL
            ? PN_NONE
            : pn_arena_printf(arena, "%lld ms", (long long)number(entry->response, "durationMs")));
    pn_write_str(w, "command", command.len > 0 ? command : PN_NONE);
    pn_write_end(w);
}

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

static bool print_lines(struct pn_cli *cli, const struct session_log *log, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LOG_BYTES);
    struct pn_writer w = pn_writer_of(&json);
    size_t folded = 0;

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entries[i];

        if (entry->request == NULL)
            continue;
        if (is_discovery(entry->request))
            folded++;
        else
            write_line(&w, log->arena, entry);
    }
    pn_write_end(&w);
    if (!pn_cli_print_json(cli, pn_buf_str(&json), line_columns, err))
        return false;
    if (folded > 0 && pn_cli_output(cli) == PN_OUTPUT_TABLE)
        printf("(and %zu discovery requests; --requests shows them)\n", folded);
    return true;
}

bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          struct pn_err *err)
{
    struct session_log log = { .arena = pn_arena_new(2 * MAX_LOG_BYTES), .by_id = pn_map_new() };
    struct pn_uuid id;
    bool done;

    if (!pn_uuid_parse(session_id, &id))
        done = pn_fail(err, PN_USAGE, "\"%.*s\" is not the id of a session", PN_ARG(session_id));
    else
        done = fetch_all(cli, &log, session_id, err) &&
               (is_raw ? print_requests(cli, &log, err) : print_lines(cli, &log, err));
    log_free(&log);
    return done;
}
