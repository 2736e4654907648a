/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session_log.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "client/renewal.h"
#include "json/writer.h"
#include "kube/command.h"

#define MAX_LOG_BYTES ((size_t)256 * 1024 * 1024)
#define MAX_ENTRIES ((size_t)200000)
#define MAX_FOLLOWED ((size_t)20000) /* requests that are held while a log is followed */
#define POLL_MS 1000
#define MAX_WAIT_MS 15000    /* between two tries while the server is away */
#define GROUP_CLOSES_MS 5000 /* a command is over when it was quiet for so long */
#define SETTLE_MS 3000       /* the last events of a session are uploaded a moment after its end */
#define PAGE "100"           /* batches: the most the server gives at once */

/* A request with its response, either of which may be missing: members of the events, by name. */
struct entry {
    struct pn_value *request, *response;
    bool is_shown; /* followed: it was printed, or its command was */
};

struct pn_session_log {
    struct pn_map *by_id;
    struct entry *entries;
    size_t count, capacity;
};

static void entry_drop(struct entry *entry)
{
    pn_value_free(entry->request);
    pn_value_free(entry->response);
}

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
    for (size_t i = 0; i < log->count; i++)
        entry_drop(&log->entries[i]);
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

static void take(struct pn_value **place, const struct pn_value *event)
{
    pn_value_free(*place);
    *place = pn_value_keep(event);
}

static void take_event(struct pn_session_log *log, const struct pn_value *event)
{
    struct pn_str type = text(event, "eventType"), id = text(event, "requestId");

    if (id.len == 0)
        return;
    if (pn_str_is(type, "request"))
        take(&entry_of(log, id)->request, event);
    else if (pn_str_is(type, "response"))
        take(&entry_of(log, id)->response, event);
}

void pn_session_log_take(struct pn_session_log *log, const struct pn_value *page)
{
    const struct pn_value *events = pn_value_get(page, "logs");

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

/* ---- a line per command ---- */

static struct pn_str header(const struct pn_value *request, const char *path)
{
    return pn_value_str(pn_value_at(request, path));
}

/* Milliseconds; 0 for a text that is no time. */
static int64_t time_of(const struct pn_value *event)
{
    int64_t ms;

    return event != NULL && pn_clock_parse_iso(text(event, "timestamp"), &ms) ? ms : 0;
}

static struct pn_kube_call call_of(const struct entry *entry)
{
    const struct pn_value *request = entry->request, *response = entry->response;

    return (struct pn_kube_call){
        .id = text(request != NULL ? request : response, "requestId"),
        .url = text(request, "url"),
        .verb = text(request, "verb"),
        .api_group = text(request, "apiGroup"),
        .resource = text(request, "resource"),
        .subresource = text(request, "subresource"),
        .namespace = text(request, "namespace"),
        .name = text(request, "name"),
        .upgrade = text(request, "upgrade"),
        .session = header(request, "headers.Kubectl-Session.0"),
        .claim = header(request, "headers.Kubectl-Command.0"),
        .agent = header(request, "headers.User-Agent.0"),
        .status = (int)number(response, "statusCode"),
        .started_ms = time_of(request),
        .ended_ms = response != NULL ? time_of(request) + number(response, "durationMs") : 0,
        .request_bytes = (uint64_t)number(response, "requestBytes"),
        .response_bytes = (uint64_t)number(response, "responseBytes"),
    };
}

/* "pods", "pods/exec"; what has no resource is told by its URL. */
static struct pn_str resource_of(struct pn_arena *arena, const struct pn_kube_call *call)
{
    if (call->resource.len == 0)
        return call->url;
    if (call->subresource.len == 0)
        return call->resource;
    return pn_arena_printf(arena, "%.*s/%.*s", PN_ARG(call->resource), PN_ARG(call->subresource));
}

static struct pn_str or_none(struct pn_str value)
{
    return value.len > 0 ? value : PN_NONE;
}

static void write_end(struct pn_writer *w, const struct pn_kube_command *command)
{
    char ms[32];

    if (command->status > 0)
        pn_write_int(w, "status", command->status);
    else
        pn_write_text(w, "status", command->ended_ms == 0 ? "running" : "failed");
    if (command->ended_ms == 0) {
        pn_write_null(w, "duration");
        return;
    }
    snprintf(ms, sizeof ms, "%lld ms", (long long)(command->ended_ms - command->started_ms));
    pn_write_text(w, "duration", ms);
}

static void write_command(struct pn_arena *arena, struct pn_writer *w,
                          const struct pn_kube_command *command)
{
    const struct pn_kube_call *call = command->call;
    char time[PN_CLOCK_ISO_BYTES];

    pn_clock_iso(command->started_ms, time);
    pn_write_object(w, NULL);
    pn_write_text(w, "time", time);
    pn_write_str(w, "command", command->text);
    pn_write_bool(w, "isVerbClaimed", command->is_claimed);
    pn_write_str(w, "verb", or_none(call->verb));
    pn_write_str(w, "resource", or_none(resource_of(arena, call)));
    pn_write_str(w, "name", or_none(call->name));
    pn_write_str(w, "namespace", or_none(call->namespace));
    write_end(w, command);
    pn_write_int(w, "objects", (int64_t)command->objects);
    pn_write_int(w, "requests", (int64_t)command->requests);
    pn_write_int(w, "requestBytes", (int64_t)command->request_bytes);
    pn_write_int(w, "responseBytes", (int64_t)command->response_bytes);
    pn_write_end(w);
}

/* Commands of all that was taken; followed, only those that are over, each once. */
static size_t write_commands(const struct pn_session_log *log, bool is_followed,
                             int64_t quiet_since_ms, struct pn_buf *json)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_LOG_BYTES);
    struct pn_kube_call *calls = pn_new(arena, struct pn_kube_call, log->count);
    struct pn_writer w = pn_writer_of(json);
    struct pn_kube_command *commands;
    size_t count, folded;

    for (size_t i = 0; i < log->count; i++)
        calls[i] = call_of(&log->entries[i]);
    commands = pn_kube_reconstruct(arena, calls, log->count, &count, &folded);
    pn_write_array(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        bool is_over = commands[i].ended_ms > 0 && commands[i].ended_ms <= quiet_since_ms;

        bool *is_shown = &log->entries[commands[i].call - calls].is_shown;

        if (is_followed && (!is_over || *is_shown))
            continue;
        *is_shown = true;
        write_command(arena, &w, &commands[i]);
    }
    pn_write_end(&w);
    return folded;
}

size_t pn_session_log_commands(const struct pn_session_log *log, struct pn_buf *json)
{
    return write_commands(log, false, 0, json);
}

/* ---- what a follower lets go of ---- */

/* Until when an entry was busy; INT64_MAX: it still is. */
static int64_t busy_until(const struct entry *entry)
{
    return entry->request != NULL && entry->response != NULL
               ? time_of(entry->request) + number(entry->response, "durationMs")
               : INT64_MAX;
}

/* The kubectl that it belongs to; without one a command is over as soon as its requests are. */
static struct pn_str group_of(const struct entry *entry)
{
    return header(entry->request, "headers.Kubectl-Session.0");
}

static struct pn_map *busy_groups(const struct pn_session_log *log, int64_t quiet_since_ms)
{
    struct pn_map *busy = pn_map_new();

    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entries[i];

        if (busy_until(entry) > quiet_since_ms && group_of(entry).len > 0)
            pn_map_put(busy, group_of(entry), (void *)(uintptr_t)log);
    }
    return busy;
}

void pn_session_log_forget(struct pn_session_log *log, int64_t quiet_since_ms)
{
    struct pn_map *busy = busy_groups(log, quiet_since_ms);
    bool is_crowded = log->count > MAX_FOLLOWED;
    size_t kept = 0;

    for (size_t i = 0; i < log->count; i++) {
        struct entry entry = log->entries[i];
        bool is_busy = busy_until(&entry) > quiet_since_ms ||
                       (!is_crowded && pn_map_get(busy, group_of(&entry)) != NULL);

        if (is_busy)
            log->entries[kept++] = entry;
        else
            entry_drop(&entry);
    }
    pn_map_free(busy);
    if (kept == log->count)
        return;
    log->count = kept;
    pn_map_free(log->by_id);
    log->by_id = pn_map_new();
    for (size_t i = 0; i < kept; i++) {
        const struct entry *entry = &log->entries[i];

        pn_map_put(log->by_id,
                   text(entry->request != NULL ? entry->request : entry->response, "requestId"),
                   (void *)(uintptr_t)(i + 1));
    }
}

size_t pn_session_log_held(const struct pn_session_log *log)
{
    return log->count;
}

/* ---- from the server to the person ---- */

static bool fetch_page(struct pn_rest *rest, struct pn_session_log *log, struct pn_str session_id,
                       int64_t *offset, bool *has_more, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(1024);
    pn_auto(pn_value_freep) struct pn_value *page = NULL;
    int64_t batches;

    if (log->count > MAX_ENTRIES)
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
static const struct pn_column command_columns[] = {
    { "TIME", "time" },
    { "VERB", "verb" },
    { "RESOURCE", "resource" },
    { "NAMESPACE", "namespace" },
    { "STATUS", "status" },
    { "DURATION", "duration" },
    { "OBJECTS", "objects" },
    { "COMMAND (RECONSTRUCTED)", "command" },
    { 0 },
};

static bool print_json(struct pn_cli *cli, const struct pn_buf *json,
                       const struct pn_column *columns, struct pn_err *err)
{
    if (json->is_full)
        return pn_fail(err, PN_TOO_LARGE, "the session has too many events to print at once");
    return pn_cli_print_json(cli, pn_buf_str(json), columns, err);
}

static bool print(struct pn_cli *cli, const struct pn_session_log *log, bool is_raw,
                  struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LOG_BYTES);
    size_t folded = 0;

    if (is_raw)
        pn_session_log_requests(log, &json);
    else
        folded = pn_session_log_commands(log, &json);
    if (!print_json(cli, &json, is_raw ? request_columns : command_columns, err))
        return false;
    if (folded > 0 && pn_cli_output(cli) == PN_OUTPUT_TABLE)
        printf("(and %zu discovery requests; --requests shows them)\n", folded);
    return true;
}

/* ---- as it happens ---- */

/* What is over and has not been printed: each request or command once, a line as JSON or for people. */
static void write_news(const struct pn_session_log *log, bool is_raw, int64_t quiet_since_ms,
                       struct pn_buf *json)
{
    struct pn_writer w;

    if (!is_raw) {
        write_commands(log, true, quiet_since_ms, json);
        return;
    }
    w = pn_writer_of(json);
    pn_write_array(&w, NULL);
    for (size_t i = 0; i < log->count; i++) {
        struct entry *entry = &log->entries[i];

        if (entry->response != NULL && entry->request != NULL && !entry->is_shown) {
            write_request(&w, entry);
            entry->is_shown = true;
        }
    }
    pn_write_end(&w);
}

static void print_news(struct pn_cli *cli, const struct pn_value *rows, bool is_raw)
{
    for (size_t i = 0; i < pn_value_count(rows); i++) {
        const struct pn_value *row = pn_value_item(rows, i);
        pn_auto(pn_buf_drop) struct pn_buf line = pn_buf_init(MAX_LOG_BYTES);

        if (pn_cli_output(cli) == PN_OUTPUT_TABLE) {
            pn_cli_print_line(row, is_raw ? request_columns : command_columns);
            continue;
        }
        pn_value_print(row, false, &line);
        printf("%.*s\n", PN_ARG(pn_buf_str(&line)));
    }
    fflush(stdout);
}

/* What the server knows of the session's end. */
struct end {
    bool is_over;
    int64_t at_ms; /* 0: unknown */
};

static bool read_end(struct pn_rest *rest, struct pn_str session_id, struct end *out,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(1024);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_str status;

    pn_buf_addf(&path, "/v1/pam/sessions/%.*s", PN_ARG(session_id));
    if (!pn_rest_call(rest, "GET", pn_buf_str(&path), PN_NONE, &reply, err))
        return false;
    status = pn_value_str(pn_value_at(reply, "session.status"));
    out->is_over = !pn_str_is(status, "starting") && !pn_str_is(status, "active");
    if (!pn_clock_parse_iso(pn_value_str(pn_value_at(reply, "session.endedAt")), &out->at_ms))
        out->at_ms = 0;
    return true;
}

/* The log of a session that ended a moment ago would be taken for all of it: its last events are let come. */
static bool let_settle(struct pn_rest *rest, struct pn_str session_id, struct pn_err *err)
{
    struct end end;
    int64_t left_ms;

    if (!read_end(rest, session_id, &end, err))
        return false;
    left_ms = end.at_ms + SETTLE_MS - pn_clock_wall_ms();
    if (!end.is_over || left_ms <= 0)
        return true;
    pn_cli_say("The session has just ended: its last events are on their way …");
    (void)poll(NULL, 0, (int)(left_ms < SETTLE_MS ? left_ms : SETTLE_MS));
    return true;
}

static bool take_all(struct pn_rest *rest, struct pn_session_log *log, struct pn_str session_id,
                     int64_t *offset, struct pn_err *err)
{
    bool has_more = true;

    while (has_more)
        if (!fetch_page(rest, log, session_id, offset, &has_more, err))
            return false;
    return true;
}

struct follower {
    struct pn_cli *cli;
    struct pn_rest *rest;
    struct pn_renewal *renewal;
    struct pn_str session_id;
    bool is_raw;
    struct pn_session_log *log;
    int64_t offset;
    int64_t over_since_ms; /* 0: the session goes on */
    int64_t wait_ms;       /* until the next look */
};

/* A server that is away, or has enough to do, comes back; anything else will not get better. */
static bool is_passing(enum pn_code code)
{
    return code == PN_UNREACHABLE || code == PN_TIMEOUT || code == PN_BUSY || code == PN_UPSTREAM ||
           code == PN_INTERNAL || code == PN_RATE_LIMITED;
}

/* What there is to say about all that came; then what is over is let go of. */
static bool tell(struct follower *f, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_LOG_BYTES);
    pn_auto(pn_value_freep) struct pn_value *rows = NULL;
    int64_t quiet_since_ms =
        pn_clock_wall_ms() - (f->over_since_ms > 0 || f->is_raw ? 0 : GROUP_CLOSES_MS);

    if (pn_session_log_held(f->log) == 0)
        return true;
    write_news(f->log, f->is_raw, quiet_since_ms, &json);
    if (json.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the session has too many events to print at once");
    if (!pn_value_parse(pn_buf_str(&json), &rows, err))
        return false;
    print_news(f->cli, rows, f->is_raw);
    pn_session_log_forget(f->log, quiet_since_ms);
    return true;
}

static bool look(struct follower *f, struct pn_err *err)
{
    int64_t before = f->offset;
    struct end end = { .is_over = f->over_since_ms > 0 };
    bool has_more = true;

    while (has_more) { /* each page is told before the next one comes: memory is bounded */
        if (!fetch_page(f->rest, f->log, f->session_id, &f->offset, &has_more, err) ||
            !tell(f, err))
            return false;
    }
    if (!end.is_over && f->offset == before && !read_end(f->rest, f->session_id, &end, err))
        return false;
    if (end.is_over && f->over_since_ms == 0)
        f->over_since_ms = pn_clock_mono_ms();
    return true;
}

static void take_up(struct follower *f, const struct pn_secret *token)
{
    pn_renewal_freep(&f->renewal);
    f->renewal = pn_renewal_new(token);
}

/* A login that ran out may have been renewed meanwhile, in another terminal. */
static bool has_new_login(struct follower *f)
{
    struct pn_client_config config = { 0 };
    struct pn_err ignored = { 0 };
    bool is_new = pn_client_config_load(pn_cli_arena(f->cli), pn_cli_option(f->cli, "domain"),
                                        &config, &ignored) &&
                  config.token != NULL && !pn_rest_has_token(f->rest, config.token) &&
                  pn_rest_set_token(f->rest, config.token, &ignored);

    if (is_new)
        take_up(f, config.token);
    pn_client_config_drop(&config);
    return is_new;
}

/* True: go on, after f->wait_ms. */
static bool survive(struct follower *f, struct pn_err *err)
{
    if (err->code == PN_UNAUTHENTICATED || err->code == PN_TOKEN)
        return has_new_login(f);
    if (!is_passing(err->code))
        return false;
    if (f->wait_ms == POLL_MS)
        fprintf(stderr, "%s: %s; trying again\n", pn_cli_program(f->cli), err->message);
    f->wait_ms = f->wait_ms * 2 < MAX_WAIT_MS ? f->wait_ms * 2 : MAX_WAIT_MS;
    return true;
}

/* Until the session is over and its last events are here, or Ctrl-C. */
static bool follow_on(struct follower *f, struct pn_err *err)
{
    while (f->over_since_ms == 0 || pn_clock_mono_ms() - f->over_since_ms < SETTLE_MS) {
        pn_renewal_tend(f->renewal, f->rest);
        if (look(f, err)) {
            f->wait_ms = POLL_MS;
        } else {
            if (!survive(f, err))
                return false;
            pn_err_clear(err);
        }
        (void)poll(NULL, 0, (int)f->wait_ms);
    }
    return true;
}

static bool follow(struct follower *f, const struct pn_secret *token, struct pn_err *err)
{
    bool is_done;

    f->wait_ms = POLL_MS;
    take_up(f, token);
    is_done = follow_on(f, err);
    pn_renewal_freep(&f->renewal);
    return is_done;
}

bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          bool is_followed, struct pn_err *err)
{
    pn_auto(pn_session_log_freep) struct pn_session_log *log = pn_session_log_new();
    struct pn_client_config *config;
    struct pn_rest *rest;
    struct pn_uuid id;
    int64_t offset = 0;

    if (!pn_uuid_parse(session_id, &id))
        return pn_fail(err, PN_USAGE, "\"%.*s\" is not the id of a session", PN_ARG(session_id));
    if (!pn_cli_rest_client(cli, &rest, err) || !pn_cli_config(cli, &config, err))
        return false;
    if (is_followed)
        return follow(
            &(struct follower){
                .cli = cli, .rest = rest, .session_id = session_id, .is_raw = is_raw, .log = log },
            config->token, err);
    return let_settle(rest, session_id, err) && take_all(rest, log, session_id, &offset, err) &&
           print(cli, log, is_raw, err);
}
