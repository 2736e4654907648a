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

/*
 * One step of the schema, in a transaction of its own. `sql` is several statements; in it the whole
 * words ID and BYTES (capitals, also inside literals) become the engine's types: BLOB in SQLite.
 * Numbers rise; a step that has been applied somewhere is never edited, renamed or taken out.
 */
struct pn_migration {
    int number;
    const char *name, *sql;
};

/* A table whose changes caches hear of (below). */
struct pn_watch {
    const char *table;
    bool has_news; /* new rows matter too: what others said may mean something else beside them */
};

struct pn_db_config {
    const char *path; /* file; ":memory:" is refused: readers need the same database */
    const struct pn_migration *migrations;
    size_t migration_count;
    size_t queue_max;               /* writes waiting; 0 = 4096; over it: PN_BUSY */
    const struct pn_watch *watched; /* ends with a row without a table; NULL: none */
    bool run_twice;      /* debug builds: each write first runs in a savepoint rolled back */
    int busy_timeout_ms; /* patience with other processes' locks; 0 = 5000 */
    const char *vfs;     /* tests: SQLite's VFS of that name; NULL = the default */
};

/*
 * Opens (a new file is 0600), migrates forward, starts the writer's threads.
 *
 * Errors:  PN_IO    the file cannot be opened, is damaged, is not on a disk that can share memory, is
 *                   of a newer program, or an applied migration was edited
 *          PN_BUSY  another process holds it locked
 */
bool pn_db_open(const struct pn_db_config *config, struct pn_db **out, struct pn_err *err)
    PN_CHECKED;
/* Finishes what is queued, checkpoints, closes. All connections must be closed first. */
void pn_db_close(struct pn_db *db);

bool pn_db_connect(struct pn_db *db, struct pn_db_conn **out, struct pn_err *err) PN_CHECKED;
void pn_db_disconnect(struct pn_db_conn *conn);
/*
 * A connection to nowhere, for who may not wait for a disk: each query on it fails. What was done with one
 * stands if it was not asked; otherwise it is done again with a connection. Used by one thread.
 */
struct pn_db_conn *pn_db_nowhere(struct pn_db *db);
/* Whether it was asked since the last call. */
bool pn_db_was_asked(struct pn_db_conn *nowhere);
/* Before a pn_db_write: false for who may not wait for its commit either, and counts as asking. */
bool pn_db_may_wait(struct pn_db_conn *conn, struct pn_err *err) PN_CHECKED;

typedef bool pn_write_fn(struct pn_db_conn *tx, void *context, struct pn_err *err);

/*
 * Runs `write` in the next batch and waits for its commit. There is no deadline: the queue is
 * bounded and each lock waited for has its timeout, so an answer always comes, and `context` may be
 * the caller's own stack.
 *
 * Errors:  what `write` raised: nothing of it is in the database
 *          PN_BUSY  queue full, closing, or database locked by another process
 *          PN_IO    disk full, broken or damaged; after a failed sync a crash may still show the row
 * Threads: worker; never from within a write function.
 */
bool pn_db_write(struct pn_db *db, pn_write_fn *write, void *context, struct pn_err *err)
    PN_CHECKED;
/*
 * Queues without waiting; `done` (may be NULL) runs on the writer thread after the commit, with err
 * NULL, or after the failure. It must not block. Errors: PN_BUSY, and `done` is then not called.
 */
bool pn_db_write_later(struct pn_db *db, pn_write_fn *write, void *context,
                       void (*done)(void *context, const struct pn_err *err), struct pn_err *err)
    PN_CHECKED;

/*
 * The same for small writes of one kind that come in numbers: those of a batch that have the same function are
 * given to it at once, which saves each a savepoint and lets it look up once what all need. Should it
 * fail for several, each is tried alone, so that only the guilty one fails.
 */
typedef bool pn_write_all_fn(struct pn_db_conn *tx, void *const *contexts, size_t count,
                             struct pn_err *err);
bool pn_db_write_together(struct pn_db *db, pn_write_all_fn *write, void *context,
                          void (*done)(void *context, const struct pn_err *err), struct pn_err *err)
    PN_CHECKED;

/*
 * A statement in use, from the connection's cache (keyed by the address of the constant text):
 *
 *     struct pn_query *q = pn_query(conn, "SELECT name FROM projects WHERE id = $id");
 *     pn_bind_uuid(q, "$id", id);
 *     while (pn_query_next(q)) name = pn_column_str(q, 0, arena);
 *     return pn_query_end(q, err);
 *
 * Errors are sticky: binding never fails visibly, pn_query_next then says false and pn_query_end
 * raises. Every pn_query is ended exactly once. Values are copied by the bind. A parameter that was
 * not bound is an error, and so is a column of another type than the one asked for: SQLite would
 * convert, PostgreSQL would not. Text with a NUL byte is refused (PN_BAD_REQUEST) for the same reason.
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

struct pn_uuid pn_column_uuid(struct pn_query *q, int column); /* NULL: zero */
/*
 * Copies, NULL as ptr NULL. What finds no room in the arena's budget fails the query (PN_TOO_LARGE), so that a loop
 * over rows that each have a text takes no more memory than the call may have.
 */
struct pn_str pn_column_str(struct pn_query *q, int column, struct pn_arena *arena);
struct pn_str pn_column_bytes(struct pn_query *q, int column, struct pn_arena *arena);
int64_t pn_column_int(struct pn_query *q, int column); /* NULL: 0 */
bool pn_column_is_null(struct pn_query *q, int column);

/* True when err says that a UNIQUE or PRIMARY KEY constraint refused the row. */
bool pn_db_is_duplicate(const struct pn_err *err);

/*
 * Whether what was read from watched tables still holds, without asking them: the version of an id rises
 * after each commit, and before its answers, that changed or deleted such rows for that id. A write says
 * whom it concerns with pn_db_touch; one that changes watched rows and does not say concerns
 * everybody. New rows raise it where the table's row in the list of the watched says so; of other tables
 * remember what rows say, never that there was none. cache.h remembers.
 *
 *     version = pn_db_version(db, id);       before reading
 *     … read and remember with `version` …
 *     if (pn_db_version(db, id) == version)  what is remembered holds now
 *
 * Ids share slots, so a version may rise for another's sake. Watched tables have a rowid, and no
 * statement empties one whole (DELETE without WHERE): SQLite would not tell.
 */
void pn_db_touch(struct pn_db_conn *tx, struct pn_uuid id); /* from a write function */
void pn_db_touch_all(struct pn_db_conn *tx); /* the same of everybody, whatever the write changes */
uint64_t pn_db_version(const struct pn_db *db, struct pn_uuid id); /* any thread */

/*
 * Whom to tell when versions have risen: after each such commit and before its answers, on the writer's thread, so it must not
 * block. One at a time; NULL: nobody. Once this returns, whoever was there before is not being told and will not be.
 */
void pn_db_on_change(struct pn_db *db, void (*changed)(void *context), void *context);

/* Counters for /metrics. */
struct pn_db_stats {
    int64_t writes, batches, failures, queue_now;
};
struct pn_db_stats pn_db_stats(struct pn_db *db);

#endif
