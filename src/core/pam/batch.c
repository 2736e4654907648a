/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/batch.h"

#include <string.h>

#include "core/pam/session.h"
#include "core/scope.h"
#include "core/trail.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "json/writer.h"

#define MAX_DETAILS_BYTES ((size_t)256)

/* The row a batch is sealed for is made of session and offset: it opens in no other place. */
static struct pn_seal_place place_of(struct pn_uuid session, int64_t start)
{
    struct pn_seal_place place = { .table = "pam_session_batches", .column = "sealed" };
    uint8_t bytes[sizeof(session.bytes) + 8], hash[PN_SHA256_BYTES];

    memcpy(bytes, session.bytes, sizeof(session.bytes));
    for (size_t i = 0; i < 8; i++)
        bytes[sizeof(session.bytes) + i] = (uint8_t)((uint64_t)start >> (8 * (7 - i)));
    pn_hash_sha256(pn_str_of(bytes, sizeof(bytes)), hash);
    memcpy(place.row.bytes, hash, sizeof(place.row.bytes));
    return place;
}

/* ---- storing ---- */

/* What a batch adds to what its session did. */
struct tally {
    int64_t events, requests, request_bytes, response_bytes;
};

/* Of a gateway's event: not negative, and no sum of a batch overflows (those of a session: SUM). */
static int64_t bytes_of(const struct pn_value *event, const char *name)
{
    int64_t bytes = pn_value_int(pn_value_get(event, name), 0);

    return bytes > 0 && bytes < INT64_MAX >> 24 ? bytes : 0;
}

static void tally_event(const struct pn_value *event, struct tally *out)
{
    struct pn_str type = pn_value_str(pn_value_get(event, "eventType"));

    if (pn_str_is(type, "request"))
        out->requests++;
    if (!pn_str_is(type, "response"))
        return;
    out->request_bytes += bytes_of(event, "requestBytes");
    out->response_bytes += bytes_of(event, "responseBytes");
}

static bool tally_events(struct pn_str body, struct tally *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *events = NULL;

    if (!pn_value_parse(body, &events, err))
        return false;
    if (!pn_value_is_array(events))
        return pn_fail(err, PN_BAD_REQUEST, "A batch is a JSON array of events");
    for (size_t i = 0; i < pn_value_count(events); i++) {
        if (!pn_value_is_object(pn_value_item(events, i)))
            return pn_fail(err, PN_BAD_REQUEST, "Event %zu of the batch is not an object", i);
        tally_event(pn_value_item(events, i), out);
    }
    out->events = (int64_t)pn_value_count(events);
    return true;
}

struct put {
    struct pn_call *call;
    struct pn_pam_session session;
    int64_t start, end;
    struct tally tally;
    uint8_t hash[PN_SHA256_BYTES];
    struct pn_str sealed;
};

static bool refuse_overlap(const struct put *p, int64_t start, int64_t end, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_DETAILS_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_int(&w, "startOffset", start);
    pn_write_int(&w, "endOffset", end);
    pn_write_end(&w);
    pn_fail(err, PN_CONFLICT, "Another batch has the events %lld to %lld", (long long)start,
            (long long)end);
    err->details = pn_arena_copy(p->call->arena, pn_buf_str(&json));
    return false;
}

/*
 * *is_stored: this very batch is there already. Another one in its place, or part of it, is refused.
 * Batches never overlap, so only the last one that begins before our end can be in the way.
 */
static bool check_place(struct pn_db_conn *tx, const struct put *p, bool *is_stored,
                        struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "SELECT start_offset, end_offset, sha256 FROM pam_session_batches"
            " WHERE session_id = $id AND start_offset < $end ORDER BY start_offset DESC LIMIT 1");
    int64_t start = 0, end = 0;

    pn_bind_uuid(q, "$id", p->session.id);
    pn_bind_int(q, "$end", p->end);
    *is_stored = false;
    if (pn_query_next(q)) {
        start = pn_column_int(q, 0);
        end = pn_column_int(q, 1);
        *is_stored =
            start == p->start && end == p->end &&
            pn_str_eq(pn_column_bytes(q, 2, p->call->arena), pn_str_of(p->hash, sizeof(p->hash)));
    }
    if (!pn_query_end(q, err))
        return false;
    return end <= p->start || *is_stored || refuse_overlap(p, start, end, err);
}

static bool insert(struct pn_db_conn *tx, const struct put *p, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO pam_session_batches (session_id, start_offset, end_offset, events,"
            " sha256, sealed, created_ms) VALUES ($id, $start, $end, $events, $hash, $sealed,"
            " $now)");

    pn_bind_uuid(q, "$id", p->session.id);
    pn_bind_int(q, "$start", p->start);
    pn_bind_int(q, "$end", p->end);
    pn_bind_int(q, "$events", p->end - p->start);
    pn_bind_bytes(q, "$hash", pn_str_of(p->hash, sizeof(p->hash)));
    pn_bind_bytes(q, "$sealed", p->sealed);
    pn_bind_int(q, "$now", p->call->now_ms);
    return pn_query_run(q, NULL, err);
}

/* A sum that stays at the largest number: past it SQLite would make a fraction of it, which nobody reads. */
#define SUM(column_, more_)                                           \
    column_ " = CASE WHEN " column_ " > $most - " more_ " THEN $most" \
            " ELSE " column_ " + " more_ " END"

static bool count(struct pn_db_conn *tx, const struct put *p, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE pam_sessions SET requests = requests + $requests, " SUM(
                "request_bytes", "$up") ", " SUM("response_bytes", "$down") " WHERE id = $id");

    pn_bind_uuid(q, "$id", p->session.id);
    pn_bind_int(q, "$requests", p->tally.requests);
    pn_bind_int(q, "$up", p->tally.request_bytes);
    pn_bind_int(q, "$down", p->tally.response_bytes);
    pn_bind_int(q, "$most", INT64_MAX);
    return pn_query_run(q, NULL, err);
}

static bool note(struct pn_db_conn *tx, const struct put *p, struct pn_err *err)
{
    struct pn_arena *arena = p->call->arena;

    return pn_trail_write(
        tx, p->call,
        &(struct pn_trail){
            .type = "pam-session-logs-update",
            .project_id = p->session.projectId,
            .fields = { { "sessionId", pn_uuid_str(arena, p->session.id) },
                        { "startOffset", pn_arena_printf(arena, "%lld", (long long)p->start) },
                        { "endOffset", pn_arena_printf(arena, "%lld", (long long)p->end) } } },
        err);
}

static bool write_put(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct put *p = context;
    bool is_stored;

    if (!check_place(tx, p, &is_stored, err))
        return false;
    return is_stored || (insert(tx, p, err) && count(tx, p, err) && note(tx, p, err));
}

bool pn_pam_batch_put(struct pn_call *call, struct pn_uuid session, int64_t start,
                      struct pn_str body, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed =
        pn_buf_init(PN_PAM_BATCH_MAX_BYTES + PN_SEAL_OVERHEAD);
    struct put p = { .call = call, .start = start };

    if (body.len > PN_PAM_BATCH_MAX_BYTES)
        return pn_fail(err, PN_TOO_LARGE, "A batch has at most %zu bytes", PN_PAM_BATCH_MAX_BYTES);
    if (start < 0 || start > PN_PAM_OFFSET_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "startOffset counts events, from 0");
    if (!pn_pam_session_get(call, session, &p.session, err) || !tally_events(body, &p.tally, err))
        return false;
    if (p.tally.events == 0)
        return true;
    p.end = start + p.tally.events;
    pn_hash_sha256(body, p.hash);
    if (!pn_scope_ready(call->conn, call->keyring, p.session.projectId, err) ||
        !pn_keyring_seal(call->keyring, p.session.projectId, place_of(session, start), body,
                         &sealed, err))
        return pn_within(err, "sealing a batch of events");
    p.sealed = pn_buf_str(&sealed);
    return pn_db_write(call->db, write_put, &p, err);
}

/* ---- reading ---- */

/* What stands between the brackets. It was checked to be an array when it came. */
static struct pn_str inside(struct pn_str array)
{
    array = pn_str_trim(array);
    return array.len >= 2 ? pn_str_trim(pn_str_slice(array, 1, array.len - 1)) : PN_LIT("");
}

static bool add_batch(struct pn_call *call, struct pn_uuid project, struct pn_uuid session,
                      int64_t start, struct pn_str sealed, struct pn_buf *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf events = pn_buf_init_wiped(sealed.len + 1);

    if (!pn_keyring_open_into(call->keyring, project, place_of(session, start), sealed, &events,
                              err))
        return pn_within(err, "opening the batch at %lld", (long long)start);
    if (out->len > 1)
        pn_buf_add_byte(out, ',');
    pn_buf_add(out, inside(pn_buf_str(&events)));
    return true;
}

/* The sealed batches of a page, small ones many at a time, large ones few. */
struct row {
    int64_t start;
    struct pn_str sealed;
};

static bool read_rows(struct pn_call *call, struct pn_uuid session, int64_t offset, int64_t limit,
                      struct row *rows, size_t *count, bool *has_more, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        call->conn, "SELECT start_offset, sealed, length(sealed) FROM pam_session_batches"
                    " WHERE session_id = $id ORDER BY start_offset LIMIT $limit OFFSET $offset");
    size_t bytes = 0;

    pn_bind_uuid(q, "$id", session);
    pn_bind_int(q, "$limit", limit + 1);
    pn_bind_int(q, "$offset", offset);
    *count = 0;
    *has_more = false;
    while (!*has_more && pn_query_next(q)) {
        bytes += (size_t)pn_column_int(q, 2);
        *has_more = *count == (size_t)limit || (*count > 0 && bytes > PN_PAM_LOG_PAGE_BYTES);
        if (!*has_more)
            rows[(*count)++] =
                (struct row){ pn_column_int(q, 0), pn_column_bytes(q, 1, call->arena) };
    }
    return pn_query_end(q, err);
}

struct look {
    struct pn_call *call;
    const struct pn_pam_session *session;
    int64_t offset;
};

/* Nobody reads a recording without a record of it: the row is there before the first byte is opened. */
static bool write_look(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct look *l = context;
    struct pn_arena *arena = l->call->arena;

    return pn_trail_write(
        tx, l->call,
        &(struct pn_trail){
            .type = "pam-session-get",
            .project_id = l->session->projectId,
            .fields = { { "sessionId", pn_uuid_str(arena, l->session->id) },
                        { "what", PN_LIT("logs") },
                        { "offset", pn_arena_printf(arena, "%lld", (long long)l->offset) } } },
        err);
}

bool pn_pam_batch_read(struct pn_call *call, struct pn_uuid session, int64_t offset, int64_t limit,
                       struct pn_pam_log_page *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json =
        pn_buf_init(PN_PAM_LOG_PAGE_BYTES + PN_PAM_BATCH_MAX_BYTES);
    struct row *rows = pn_new(call->arena, struct row, PN_PAM_LOG_PAGE_MAX);
    struct pn_pam_session found;
    size_t count;
    bool has_more;

    if (limit > PN_PAM_LOG_PAGE_MAX)
        limit = PN_PAM_LOG_PAGE_MAX;
    if (!pn_pam_session_get(call, session, &found, err) ||
        !read_rows(call, session, offset, limit, rows, &count, &has_more, err) ||
        !pn_db_write(call->db, write_look, &(struct look){ call, &found, offset }, err) ||
        (count > 0 && !pn_scope_ready(call->conn, call->keyring, found.projectId, err)))
        return false;
    pn_buf_add_byte(&json, '[');
    for (size_t i = 0; i < count; i++)
        if (!add_batch(call, found.projectId, session, rows[i].start, rows[i].sealed, &json, err))
            return false;
    pn_buf_add_byte(&json, ']');
    pn_assert(!json.is_full);
    *out = (struct pn_pam_log_page){ .events = pn_arena_copy(call->arena, pn_buf_str(&json)),
                                     .batch_count = (int64_t)count,
                                     .has_more = has_more };
    return true;
}
