/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_DB_DB_H
#define PN_DB_DB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"

/*
 * One database behind one header: SQLite now, PostgreSQL later; the SQL stays on common ground
 * (named parameters, RETURNING, ON CONFLICT; ids are BLOB/bytea of 16, times BIGINT ms).
 *
 * Reads: each worker has a connection of its own (WAL: readers never wait for the writer).
 * Writes: a function run in the writer's batch. pn_db_write queues it and blocks until the batch
 * has been committed and synced, so an answer never precedes its commit. The function touches only
 * rows and its own `context`, and may run more than once: debug builds run each one twice and roll
 * the first back. Each runs in a savepoint: its failure undoes only itself.
 */
struct pn_db;
struct pn_db_conn;
struct pn_query;

struct pn_migration {
    int number;
    const char *name, *sql; /* several statements; macros ID, BYTES for the engine's types */
};

struct pn_db_config {
    const char *path;               /* file; ":memory:" is refused: readers need the same database */
    const struct pn_migration *migrations;
    size_t migration_count;
    size_t queue_max;               /* writes waiting; 0 = 4096; over it: PN_BUSY */
    /* Called by the writer over the committed rows of a batch, before the commit (the audit chain). */
    bool (*before_commit)(struct pn_db_conn *tx, void *context, struct pn_err *err);
    void *before_commit_context;
};

/* Opens, migrates forward (each migration in a transaction), starts the writer thread. */
bool pn_db_open(const struct pn_db_config *config, struct pn_db **out, struct pn_err *err) PN_CHECKED;
/* Finishes what is queued, checkpoints, closes. All connections must be closed first. */
void pn_db_close(struct pn_db *db);

bool pn_db_connect(struct pn_db *db, struct pn_db_conn **out, struct pn_err *err) PN_CHECKED;
void pn_db_disconnect(struct pn_db_conn *conn);

typedef bool pn_write_fn(struct pn_db_conn *tx, void *context, struct pn_err *err);

/*
 * Runs `write` in the next batch and waits for its commit, at most until deadline_ms (monotonic).
 * Errors: what `write` raised; PN_BUSY (queue full or database locked), PN_TIMEOUT (it may still
 * happen: `context` must then outlive the call, so callers pass an arena's memory only for writes
 * that are waited for without deadline), PN_IO (disk full or broken).
 * Threads: worker.
 */
bool pn_db_write(struct pn_db *db, pn_write_fn *write, void *context, struct pn_err *err) PN_CHECKED;
/* Queues without waiting; `done` runs on the writer thread after the commit (or failure). */
bool pn_db_write_later(struct pn_db *db, pn_write_fn *write, void *context,
                       void (*done)(void *context, const struct pn_err *err), struct pn_err *err) PN_CHECKED;

/*
 * A statement in use, from the connection's cache (keyed by the address of the constant text):
 *
 *     struct pn_query *q = pn_query(conn, "SELECT name FROM projects WHERE id = $id");
 *     pn_bind_uuid(q, "$id", id);
 *     while (pn_query_next(q)) name = pn_column_str(q, 0, arena);
 *     return pn_query_end(q, err);
 *
 * Errors are sticky: binding never fails visibly, pn_query_next then says false and pn_query_end
 * raises. Every pn_query is ended exactly once.
 */
struct pn_query *pn_query(struct pn_db_conn *conn, const char *sql);
void pn_bind_uuid(struct pn_query *q, const char *name, struct pn_uuid id); /* zero id: NULL */
void pn_bind_str(struct pn_query *q, const char *name, struct pn_str text); /* ptr NULL: NULL */
void pn_bind_bytes(struct pn_query *q, const char *name, struct pn_str bytes);
void pn_bind_int(struct pn_query *q, const char *name, int64_t number);
void pn_bind_null(struct pn_query *q, const char *name);
bool pn_query_next(struct pn_query *q);
bool pn_query_end(struct pn_query *q, struct pn_err *err) PN_CHECKED;
/* For statements without rows: steps to the end and ends; *changed may be NULL. */
bool pn_query_run(struct pn_query *q, int64_t *changed, struct pn_err *err) PN_CHECKED;

struct pn_uuid pn_column_uuid(struct pn_query *q, int column);  /* NULL: zero */
struct pn_str pn_column_str(struct pn_query *q, int column, struct pn_arena *arena); /* NULL: ptr NULL */
struct pn_str pn_column_bytes(struct pn_query *q, int column, struct pn_arena *arena);
int64_t pn_column_int(struct pn_query *q, int column); /* NULL: 0 */
bool pn_column_is_null(struct pn_query *q, int column);

/* True when err says that a UNIQUE or PRIMARY KEY constraint refused the row. */
bool pn_db_is_duplicate(const struct pn_err *err);

/* Counters for /metrics. */
struct pn_db_stats {
    int64_t writes, batches, failures, queue_now;
};
struct pn_db_stats pn_db_stats(struct pn_db *db);

#endif
