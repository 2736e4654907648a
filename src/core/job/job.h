/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_JOB_JOB_H
#define PN_CORE_JOB_JOB_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * The rows of what is to happen at a time. A row is written in the write that makes it necessary, moved in
 * the one that postpones it, dropped in the one that settles it: nothing is due that is not so, and nothing
 * that is so is forgotten. What recurs has a row for good, which is the server's own. server/jobs claims rows that are
 * due and runs them; a claim that was overtaken by another changes nothing any more. Times are pn_clock_lease_ms().
 */

/* Every kind there is, and what its rows call it. Rows of other kinds are a newer program's: they are passed by. */
#define PN_JOB_KINDS(X)       \
    X(LEASE, "lease")         \
    X(SWEEP, "lease-sweep")   \
    X(SESSION, "pam-session") \
    X(LOGINS, "sweep-logins") \
    X(CLOCK, "keep-clock")    \
    X(AUDIT, "prune-audit-log")
#define PN_JOB_ENUM(id, name) PN_JOB_##id,
enum pn_job_kind { PN_JOB_KINDS(PN_JOB_ENUM) PN_JOB_KIND_COUNT };
const char *pn_job_kind_name(enum pn_job_kind kind);
bool pn_job_kind_parse(struct pn_str name, enum pn_job_kind *out) PN_CHECKED;

/* How long a claim holds: longer than any run. Who crashed in one is overtaken then, or by the next start. */
#define PN_JOB_CLAIM_MS 60000

/* Whose it is, and what it needs: a cluster, gateway or pool; "": nothing but rows. */
struct pn_job_where {
    struct pn_uuid org_id; /* zero: the server's own */
    struct pn_str place;
};

struct pn_job_row {
    enum pn_job_kind kind; /* PN_JOB_KIND_COUNT: a newer program's */
    struct pn_str kind_name;
    struct pn_uuid id;
    struct pn_job_where where;
    int64_t due_ms, claim, claimed_until_ms, attempts, failing_since_ms, created_ms;
    struct pn_str last_error; /* PN_NONE: none */
};

/* ---- for write functions (threads: writer) ---- */

bool pn_job_put(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id,
                const struct pn_job_where *where, int64_t due_ms, int64_t now_ms,
                struct pn_err *err) PN_CHECKED;
/* Another time; failures are forgotten, and a claim with them. */
bool pn_job_move(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t due_ms,
                 struct pn_err *err) PN_CHECKED;
bool pn_job_drop(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id,
                 struct pn_err *err) PN_CHECKED;
/*
 * Claims the row whether it is due or not, and whoever holds it: the run it overtakes loses. It is due from now
 * on: who crashes in it has begun what a job goes on with. *claim is 0 when there is no row.
 */
bool pn_job_take(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t now_ms,
                 int64_t *claim, struct pn_err *err) PN_CHECKED;
/* The same for one that is due and not held: what server/jobs does. *claim is 0 when it is not so any more. */
bool pn_job_claim(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t now_ms,
                  int64_t *claim, struct pn_err *err) PN_CHECKED;
bool pn_job_holds(struct pn_db_conn *conn, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                  bool *holds, struct pn_err *err) PN_CHECKED;
/* A run that holds it has failed, and the next is due then: gives the claim back, counts. */
bool pn_job_fail(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                 int64_t due_ms, struct pn_str error, int64_t now_ms, struct pn_err *err)
    PN_CHECKED;
/* All that were claimed by a process that is gone: at the start, before the first claim. */
bool pn_job_release_all(struct pn_db_conn *tx, struct pn_err *err) PN_CHECKED;

/* What recurs: due now, in the row that it has or gets. */
bool pn_job_recur(struct pn_db_conn *tx, enum pn_job_kind kind, int64_t now_ms, struct pn_err *err)
    PN_CHECKED;
/* A run that holds it went well, and the next is due then: gives the claim back, forgets failures. */
bool pn_job_again(struct pn_db_conn *tx, enum pn_job_kind kind, struct pn_uuid id, int64_t claim,
                  int64_t due_ms, struct pn_err *err) PN_CHECKED;

/* ---- the lease clock over a restart ---- */

/* A job: writes down where it is, when something waits for it. */
bool pn_job_keep_clock(struct pn_call *call, struct pn_err *err) PN_CHECKED;
/* At the start: it goes on at least from there, if something waits. */
bool pn_job_load_clock(struct pn_db_conn *conn, struct pn_err *err) PN_CHECKED;

/* ---- reading ---- */

bool pn_job_find(struct pn_db_conn *conn, struct pn_arena *arena, enum pn_job_kind kind,
                 struct pn_uuid id, struct pn_job_row *out, bool *is_there, struct pn_err *err)
    PN_CHECKED;
/*
 * Where something is due and not held, at most `limit`: first what needs rows alone, which no number of dead clusters
 * pushes out; then of each organisation in turn, its longest waiting place first. A list of struct pn_job_where. What is
 * due is read first: grouped in one step, all that wait would be, in their order.
 */
#define PN_JOB_QUOTED(id, name) ", '" name "'"
#define PN_JOB_KNOWN "kind IN (''" PN_JOB_KINDS(PN_JOB_QUOTED) ")"
#define PN_JOB_DUE_WHERE                                                             \
    "WITH due AS MATERIALIZED (SELECT org_id, place, kind, due_ms FROM jobs WHERE"   \
    " due_ms <= $now AND claimed_until_ms <= $now)"                                  \
    " SELECT org_id, place FROM (SELECT org_id, place, min(due_ms) AS oldest_ms,"    \
    " row_number() OVER (PARTITION BY org_id ORDER BY min(due_ms)) AS turn FROM due" \
    " WHERE " PN_JOB_KNOWN " GROUP BY org_id, place) AS places"                      \
    " ORDER BY place <> '', turn, oldest_ms LIMIT $limit"
bool pn_job_due_where(struct pn_db_conn *conn, struct pn_arena *arena, int64_t now_ms,
                      int64_t limit, struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* At most `limit` rows that are due there and not held, oldest first: a list of struct pn_job_row. */
bool pn_job_due(struct pn_db_conn *conn, struct pn_arena *arena, const struct pn_job_where *where,
                int64_t now_ms, int64_t limit, struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* Failing ones first, then by due time. */
bool pn_job_list(struct pn_db_conn *conn, struct pn_arena *arena, bool is_failing_only,
                 int64_t limit, struct pn_list *out, struct pn_err *err) PN_CHECKED;

struct pn_job_stats {
    int64_t waiting, failing, lag_ms; /* lag: how long the oldest that is due has waited */
};
bool pn_job_stats(struct pn_db_conn *conn, int64_t now_ms, struct pn_job_stats *out,
                  struct pn_err *err) PN_CHECKED;

#endif
