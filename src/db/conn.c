/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include <pthread.h>
#include <string.h>

/*
 * The writer's checkpoints are the checkpoint thread's business. Statement journals of savepoints
 * stay in memory. The caches are small because each worker has one (sqlite.org/pragma.html).
 */
#define PRAGMAS                                                                         \
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;" \
    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0;"  \
    "PRAGMA journal_size_limit = 16777216;"

static const char *const pragmas[] = {
    [PN_CONN_READER] = PRAGMAS "PRAGMA cache_size = -512; PRAGMA query_only = ON",
    [PN_CONN_WRITER] = PRAGMAS "PRAGMA cache_size = -2048",
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* SQLite counts its memory under one lock of the whole process unless told not to. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool pn_conn_exec(struct pn_db_conn *conn, const char *sql, struct pn_err *err)
{
    int result = sqlite3_exec(conn->handle, sql, NULL, NULL, NULL);

    return result == SQLITE_OK || pn_fault_raise(err, conn->handle, result, sql);
}

/* WAL is written in the file: it is asked for once, by the writer, before there are readers. */
static bool use_wal(struct pn_db_conn *conn, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "PRAGMA journal_mode = WAL");
    const unsigned char *mode = pn_query_next(q) ? sqlite3_column_text(q->stmt, 0) : NULL;
    bool is_wal = mode != NULL && strcmp((const char *)mode, "wal") == 0;

    if (!pn_query_end(q, err))
        return false;
    if (!is_wal)
        return pn_fail(
            err, PN_IO,
            "The database's file system cannot share memory between processes; use a local disk");
    return true;
}

static bool set_up(struct pn_db_conn *conn, enum pn_conn_kind kind, struct pn_err *err)
{
    sqlite3 *handle = conn->handle;

    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, conn->db->busy_timeout_ms);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is a name, never a text */
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (kind == PN_CONN_WRITER && !use_wal(conn, err))
        return false;
    return pn_conn_exec(conn, pragmas[kind], err);
}

bool pn_conn_open(struct pn_db *db, enum pn_conn_kind kind, struct pn_db_conn **out,
                  struct pn_err *err)
{
    struct pn_db_conn *conn = pn_heap_new(sizeof(*conn));
    int result;

    pthread_once(&once, configure_library);
    conn->db = db;
    result = sqlite3_open_v2(db->path, &conn->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             db->vfs);
    if (result != SQLITE_OK)
        pn_fault_raise(err, conn->handle, result, "open");
    if (result == SQLITE_OK && set_up(conn, kind, err)) {
        *out = conn;
        return true;
    }
    pn_conn_close(conn);
    return pn_within(err, "%s", db->path);
}

void pn_conn_close(struct pn_db_conn *conn)
{
    if (conn == NULL)
        return;
    pn_assert(conn->open_queries == 0);
    pn_query_forget(conn);
    (void)sqlite3_close(conn->handle);
    pn_heap_free(conn);
}
