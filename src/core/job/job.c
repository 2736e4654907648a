/* SPDX-License-Identifier: Apache-2.0 */
#include "core/job/job.h"

#include "base/clock.h"
#include "core/rows.h"

#define MAX_ERROR_BYTES 255
#define MAX_LAG_MS 1000 /* of the clock that is written down */
#define COLUMNS                                                                              \
    "kind, id, org_id, place, due_ms, claim, claimed_until_ms, attempts, failing_since_ms, " \
    "last_error, "                                                                           \
    "created_ms"

/* Of the server's own rows: their organisation and their id, the UUID that is nobody's. NULL would equal nothing. */
static const struct pn_uuid own = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

#define NAME(id, name) [PN_JOB_##id] = name,
static const char *const names[PN_JOB_KIND_COUNT] = { PN_JOB_KINDS(NAME) };

const char *pn_job_kind_name(enum pn_job_kind kind)
{
    return names[kind];
}

bool pn_job_kind_parse(struct pn_str name, enum pn_job_kind *out)
{
    for (*out = 0; *out < PN_JOB_KIND_COUNT; (*out)++)
        if (pn_str_is(name, names[*out]))
            return true;
    return false;
}

static struct pn_uuid read_org(struct pn_query *q, int column)
{
    const struct pn_uuid org = pn_column_uuid(q, column);

    return pn_uuid_eq(org, own) ? (struct pn_uuid){ { 0 } } : org;
}

static void bind_org(struct pn_query *q, struct pn_uuid org)
{
    pn_bind_uuid(q, "$org", pn_uuid_is_zero(org) ? own : org);
}

static struct pn_job_row read_row(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_job_row row = {
        .kind_name = pn_column_str(q, 0, arena),
        .id = pn_column_uuid(q, 1),
        .where = { read_org(q, 2), pn_column_str(q, 3, arena) },
        .due_ms = pn_column_int(q, 4),
        .claim = pn_column_int(q, 5),
        .claimed_until_ms = pn_column_int(q, 6),
        .attempts = pn_column_int(q, 7),
        .failing_since_ms = pn_column_int(q, 8),
        .last_error = pn_column_str(q, 9, arena),
        .created_ms = pn_column_int(q, 10),
    };

    (void)!pn_job_kind_parse(row.kind_name, &row.kind);
    return row;
}

static void bind_key(struct pn_query *q, enum pn_job_kind kind, struct pn_uuid id)
{
    pn_bind_str(q, "$kind", pn_str_from(names[kind]));
    pn_bind_uuid(q, "$id", id);
}

/* ---- writing ---- */

/* What waits and the clock it waits by are one commit: whenever a crash comes, and whatever the wall clock is then. */
static bool note_clock(struct pn_db_conn *tx, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "INSERT INTO lease_clock (id, latest_ms) VALUES (1, $now)"
                                      " ON CONFLICT (id) DO UPDATE SET latest_ms = $now"
                                      " WHERE latest_ms NOT BETWEEN $now - $most AND $now");

    pn_bind_int(q, "$now", pn_clock_lease_ms());
    pn_bind_int(q, "$most", MAX_LAG_MS);
    return pn_query_run(q, NULL, err);
}

bool pn_job_put(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id,
                const struct pn_job_where *where, int64_t due_ms, int64_t now_ms,
                struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO jobs (kind, id, org_id, place, due_ms, claim, claimed_until_ms, attempts,"
            " created_ms) VALUES ($kind, $id, $org, $place, $due, 0, 0, 0, $now)");

    pn_assert(!pn_uuid_is_zero(where->org_id)); /* it would never be looked for */
    bind_key(q, kind, id);
    pn_bind_uuid(q, "$org", where->org_id);
    pn_bind_str(q, "$place", where->place);
    pn_bind_int(q, "$due", due_ms);
    pn_bind_int(q, "$now", now_ms);
    return pn_query_run(q, NULL, err) && note_clock(tx, err);
}

bool pn_job_move(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t due_ms,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE jobs SET due_ms = $due, claim = claim + 1, claimed_until_ms = 0, attempts = 0,"
            " failing_since_ms = NULL, last_error = NULL WHERE kind = $kind AND id = $id");

    bind_key(q, kind, id);
    pn_bind_int(q, "$due", due_ms);
    return pn_query_run(q, NULL, err) && note_clock(tx, err);
}

bool pn_job_drop(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id,
                 struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM jobs WHERE kind = $kind AND id = $id");

    bind_key(q, kind, id);
    return pn_query_run(q, NULL, err);
}

static bool read_claim(struct pn_query *q, int64_t *claim, struct pn_err *err)
{
    *claim = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

bool pn_job_take(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t now_ms,
                 int64_t *claim, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE jobs SET claim = claim + 1, claimed_until_ms = $until, due_ms = $now"
                     " WHERE kind = $kind AND id = $id RETURNING claim");

    bind_key(q, kind, id);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_int(q, "$until", now_ms + PN_JOB_CLAIM_MS);
    return read_claim(q, claim, err);
}

bool pn_job_claim(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t now_ms,
                  int64_t *claim, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE jobs SET claim = claim + 1, claimed_until_ms = $until WHERE kind = $kind"
            " AND id = $id AND due_ms <= $now AND claimed_until_ms <= $now RETURNING claim");

    bind_key(q, kind, id);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_int(q, "$until", now_ms + PN_JOB_CLAIM_MS);
    return read_claim(q, claim, err);
}

bool pn_job_holds(struct pn_db_conn *conn, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                  bool *holds, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT 1 FROM jobs WHERE kind = $kind AND id = $id AND claim = $claim");

    bind_key(q, kind, id);
    pn_bind_int(q, "$claim", claim);
    *holds = pn_query_next(q);
    return pn_query_end(q, err);
}

/* At most so many bytes, without half a character at the end. */
static struct pn_str cut(struct pn_str text)
{
    size_t len = text.len;

    if (len > MAX_ERROR_BYTES) {
        len = MAX_ERROR_BYTES;
        while (len > 0 && ((uint8_t)text.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    return pn_str_slice(text, 0, len);
}

bool pn_job_fail(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                 int64_t due_ms, struct pn_str error, int64_t now_ms, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE jobs SET due_ms = $due, claimed_until_ms = 0, attempts = attempts + 1,"
                     " failing_since_ms = COALESCE(failing_since_ms, $now), last_error = $error"
                     " WHERE kind = $kind AND id = $id AND claim = $claim");

    bind_key(q, kind, id);
    pn_bind_int(q, "$claim", claim);
    pn_bind_int(q, "$due", due_ms);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_str(q, "$error", cut(error));
    return pn_query_run(q, NULL, err);
}

bool pn_job_release_all(struct pn_db_conn *tx, struct pn_err *err)
{
    return pn_query_run(
        pn_query(tx, "UPDATE jobs SET claimed_until_ms = 0 WHERE claimed_until_ms > 0"), NULL, err);
}

bool pn_job_recur(struct pn_db_conn *tx, enum pn_job_kind kind, int64_t now_ms, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO jobs (kind, id, org_id, place, due_ms, claim, claimed_until_ms, attempts,"
            " created_ms) VALUES ($kind, $id, $org, '', $now, 0, 0, 0, $now)"
            " ON CONFLICT (kind, id) DO UPDATE SET due_ms = $now");

    bind_key(q, kind, own);
    bind_org(q, own);
    pn_bind_int(q, "$now", now_ms);
    return pn_query_run(q, NULL, err);
}

bool pn_job_again(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                  int64_t due_ms, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(tx, "UPDATE jobs SET due_ms = $due, claimed_until_ms = 0, attempts = 0,"
                     " failing_since_ms = NULL, last_error = NULL WHERE kind = $kind AND id = $id"
                     " AND claim = $claim");

    bind_key(q, kind, id);
    pn_bind_int(q, "$claim", claim);
    pn_bind_int(q, "$due", due_ms);
    return pn_query_run(q, NULL, err);
}

/* ---- the lease clock over a restart ---- */

static bool is_waited_for(struct pn_db_conn *conn, bool *is, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT 1 FROM jobs WHERE org_id <> $org LIMIT 1");

    bind_org(q, own); /* what recurs waits always */
    *is = pn_query_next(q);
    return pn_query_end(q, err);
}

static bool write_clock(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return note_clock(tx, err);
}

bool pn_job_keep_clock(struct pn_call *call, struct pn_err *err)
{
    bool is;

    return is_waited_for(call->conn, &is, err) &&
           (!is || pn_db_write(call->db, write_clock, NULL, err));
}

bool pn_job_load_clock(struct pn_db_conn *conn, struct pn_err *err)
{
    struct pn_query *q;
    bool is;

    if (!is_waited_for(conn, &is, err))
        return false;
    if (!is)
        return true;
    q = pn_query(conn, "SELECT latest_ms FROM lease_clock WHERE id = 1");
    if (pn_query_next(q))
        pn_clock_lease_floor(pn_column_int(q, 0));
    return pn_query_end(q, err);
}

/* ---- reading ---- */

bool pn_job_find(struct pn_db_conn *conn, struct pn_arena *arena, enum pn_job_kind kind,
                 struct pn_uuid id, struct pn_job_row *out, bool *is_there, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS " FROM jobs WHERE kind = $kind AND id = $id");

    bind_key(q, kind, id);
    *is_there = pn_query_next(q);
    if (*is_there)
        *out = read_row(q, arena);
    return pn_query_end(q, err);
}

bool pn_job_due_where(struct pn_db_conn *conn, struct pn_arena *arena, int64_t now_ms,
                      int64_t limit, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_job_where));
    struct pn_query *q = pn_query(conn, PN_JOB_DUE_WHERE);

    pn_bind_int(q, "$now", now_ms);
    pn_bind_int(q, "$limit", limit);
    while (!pn_arena_is_over(arena) && pn_query_next(q)) {
        struct pn_job_where *where = pn_rows_add(&rows);

        where->org_id = read_org(q, 0);
        where->place = pn_column_str(q, 1, arena);
    }
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool read_list(struct pn_query *q, struct pn_arena *arena, struct pn_list *out,
                      struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_job_row));

    while (!pn_arena_is_over(arena) && pn_query_next(q))
        *(struct pn_job_row *)pn_rows_add(&rows) = read_row(q, arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_job_due(struct pn_db_conn *conn, struct pn_arena *arena, const struct pn_job_where *where,
                int64_t now_ms, int64_t limit, struct pn_list *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS " FROM jobs WHERE org_id = $org AND place = $place"
                       " AND due_ms <= $now AND claimed_until_ms <= $now AND " PN_JOB_KNOWN
                       " ORDER BY due_ms LIMIT $limit");

    bind_org(q, where->org_id);
    pn_bind_str(q, "$place", where->place);
    pn_bind_int(q, "$now", now_ms);
    pn_bind_int(q, "$limit", limit);
    return read_list(q, arena, out, err);
}

bool pn_job_list(struct pn_db_conn *conn, struct pn_arena *arena, bool is_failing_only,
                 int64_t limit, struct pn_list *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT " COLUMNS " FROM jobs WHERE $all = 1 OR failing_since_ms IS NOT NULL"
                       " ORDER BY (failing_since_ms IS NULL), due_ms LIMIT $limit");

    pn_bind_int(q, "$all", !is_failing_only);
    pn_bind_int(q, "$limit", limit);
    return read_list(q, arena, out, err);
}

bool pn_job_stats(struct pn_db_conn *conn, int64_t now_ms, struct pn_job_stats *out,
                  struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT (SELECT count(*) FROM jobs),"
                       " (SELECT count(*) FROM jobs WHERE failing_since_ms IS NOT NULL),"
                       " (SELECT min(due_ms) FROM jobs)");

    *out = (struct pn_job_stats){ 0 };
    if (pn_query_next(q)) {
        int64_t oldest = pn_column_int(q, 2);

        out->waiting = pn_column_int(q, 0);
        out->failing = pn_column_int(q, 1);
        out->lag_ms = oldest > 0 && oldest < now_ms ? now_ms - oldest : 0;
    }
    return pn_query_end(q, err);
}
