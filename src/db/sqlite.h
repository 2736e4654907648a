/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_DB_SQLITE_H
#define PN_DB_SQLITE_H

#include "db/db.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* What the files of db/ share. Nobody else includes this. */

#define PN_STATEMENTS_MAX 96 /* cached per connection; the least recently used one goes */

#define PN_VERSION_SLOTS 1024

struct pn_writer;
struct pn_checkpoint;

/* What the writes of a batch have changed; the writer's connection has it (versions.c). */
struct pn_touched {
    const struct pn_watch *watched;
    bool has_changed, has_said; /* of the write that runs: a watched row; whom it concerns */
    bool is_everybody;
    uint64_t slots[PN_VERSION_SLOTS / 64];
};

struct pn_query {
    struct pn_db_conn *conn;
    const char *sql;       /* the constant text; its address is the cache's key */
    sqlite3_stmt *stmt;    /* NULL when it could not be prepared */
    struct pn_err *failed; /* the first failure, raised by the end; NULL so far */
    uint64_t bound;        /* bit i: parameter i + 1 has its value */
    const char **names;    /* of its parameters, in one piece; NULL: not prepared */
    int parameters, next;  /* how many; where the next name to be bound is looked for first */
    uint64_t used_at;
    bool is_open, is_cached, is_started, is_done;
};

/* Used by one thread at a time. */
struct pn_db_conn {
    struct pn_db *db;
    sqlite3 *handle; /* NULL: to nowhere */
    struct pn_query *cache[PN_STATEMENTS_MAX];
    size_t cached, open_queries;
    uint64_t uses;
    struct pn_touched *touched; /* NULL: a reader */
    bool was_asked;             /* nowhere */
};

struct pn_db {
    char *path, *vfs;
    int busy_timeout_ms;
    struct pn_writer *writer;
    int readers; /* atomic; 0 at the close */
    _Atomic uint64_t everybody, versions[PN_VERSION_SLOTS];
    pthread_mutex_t telling; /* over what follows, and while it is told */
    void (*changed)(void *context);
    void *changed_context;
};

/* conn.c */
enum pn_conn_kind { PN_CONN_READER, PN_CONN_WRITER };
bool pn_conn_open(struct pn_db *db, enum pn_conn_kind kind, struct pn_db_conn **out,
                  struct pn_err *err) PN_CHECKED;
void pn_conn_close(struct pn_db_conn *conn);
/* Several statements without parameters or rows. */
bool pn_conn_exec(struct pn_db_conn *conn, const char *sql, struct pn_err *err) PN_CHECKED;

/* fault.c: what SQLite's result code means to us; `handle` may be NULL. */
bool pn_fault_raise(struct pn_err *err, sqlite3 *handle, int result, const char *sql);

/* query.c: finalizes what the connection has cached. */
void pn_query_forget(struct pn_db_conn *conn);

/* migrate.c */
bool pn_migrate_run(struct pn_db_conn *conn, const struct pn_migration *migrations, size_t count,
                    struct pn_err *err) PN_CHECKED;

/* checkpoint.c: moves the WAL's pages into the database file, on a thread of its own. */
bool pn_checkpoint_new(struct pn_db *db, struct pn_checkpoint **out, struct pn_err *err) PN_CHECKED;
void pn_checkpoint_free(struct pn_checkpoint *checkpoint);
void pn_checkpoint_wish(struct pn_checkpoint *checkpoint);

/* versions.c: around each write, and after each batch. */
void pn_touched_watch(struct pn_db_conn *conn, struct pn_touched *touched,
                      const struct pn_watch *watched);
void pn_touched_begin(struct pn_touched *touched);
void pn_touched_end(struct pn_touched *touched);
void pn_touched_publish(struct pn_touched *touched, struct pn_db *db);

/* writer.c. Takes `conn`; the free drains the queue first. */
bool pn_writer_new(const struct pn_db_config *config, struct pn_db *db, struct pn_db_conn *conn,
                   struct pn_writer **out, struct pn_err *err) PN_CHECKED;
void pn_writer_free(struct pn_writer *writer);

#endif
