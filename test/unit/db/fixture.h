/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_DB_FIXTURE_H
#define PN_TEST_UNIT_DB_FIXTURE_H

/* A database in a directory of its own, and the commonest write and read. */
#include <stdio.h>
#include <unistd.h>

#include "check.h"

#include "db/db.h"

static const struct pn_migration fixture_migrations[] = {
    { 1, "first",
      "CREATE TABLE things (id ID PRIMARY KEY, number BIGINT UNIQUE, name TEXT, sealed BYTES);"
      "CREATE TABLE parts (id ID PRIMARY KEY, thing_id ID NOT NULL REFERENCES things (id))" },
};

struct fixture {
    char directory[64], path[96];
    struct pn_db_config config;
    struct pn_db *db;
    struct pn_db_conn *conn;
    struct pn_arena *arena;
};

static inline struct fixture fixture_path(void)
{
    struct fixture f = { .directory = "/tmp/postern-db-XXXXXX" };

    CHECK(mkdtemp(f.directory) != NULL);
    snprintf(f.path, sizeof(f.path), "%s/test.db", f.directory);
    f.config = (struct pn_db_config){ .migrations = fixture_migrations,
                                      .migration_count = PN_COUNT(fixture_migrations),
                                      .busy_timeout_ms = 50 };
    f.arena = pn_arena_new((size_t)16 << 20);
    return f;
}

static inline void fixture_start(struct fixture *f)
{
    struct pn_err err = { 0 };

    f->config.path = f->path;
    CHECK_OK(pn_db_open(&f->config, &f->db, &err), err);
    CHECK_OK(pn_db_connect(f->db, &f->conn, &err), err);
}

static inline void fixture_stop(struct fixture *f)
{
    pn_db_disconnect(f->conn);
    pn_db_close(f->db);
    f->conn = NULL;
    f->db = NULL;
}

static inline void fixture_remove(struct fixture *f)
{
    static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
    char path[128];

    for (size_t i = 0; i < PN_COUNT(endings); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        (void)unlink(path);
    }
    CHECK_EQ(rmdir(f->directory), 0); /* nothing else was left behind */
    pn_arena_free(f->arena);
}

/* Ids that differ by a number. */
static inline struct pn_uuid id_of(int64_t number)
{
    struct pn_uuid id = { { 0x01 } };

    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static inline bool add_thing(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    const int64_t *number = number_;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO things (id, number, name) VALUES ($id, $number, 'x')");

    pn_bind_uuid(q, "$id", id_of(*number));
    pn_bind_int(q, "$number", *number);
    return pn_query_run(q, NULL, err);
}

static inline int64_t ask(struct pn_db_conn *conn, const char *sql)
{
    struct pn_query *q = pn_query(conn, sql);
    struct pn_err err = { 0 };
    int64_t number = pn_query_next(q) ? pn_column_int(q, 0) : -1;

    CHECK_OK(pn_query_end(q, &err), err);
    return number;
}

static inline int64_t count_things(struct pn_db_conn *conn)
{
    return ask(conn, "SELECT count(*) FROM things");
}

#endif
