/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commits DIR SECONDS: how many rows SQLite commits one by one (WAL, synchronous=FULL) and how long
 * fdatasync of 4 KiB takes, as one line of JSON. cc -O2 commits.c -lsqlite3
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SYNCS 300

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "commits: %s\n", what);
    exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail(message);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double sync_us(const char *dir)
{
    static char page[4096];
    static double took[SYNCS];
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/sync", dir);
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (int i = 0; i < SYNCS; i++) {
        double begun = now();

        if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page) || fdatasync(fd) != 0)
            fail("cannot write and sync");
        took[i] = now() - begun;
    }
    close(fd);
    unlink(path);
    qsort(took, SYNCS, sizeof(took[0]), compare);
    return took[SYNCS / 2] * 1e6;
}

static double commits_per_s(const char *dir, double seconds)
{
    static char value[512];
    char path[4096], key[64];
    sqlite3 *db;
    sqlite3_stmt *insert;
    long rows = 0;
    double begun;

    snprintf(path, sizeof(path), "%s/commits.db", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        fail("cannot open the database");
    run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; DROP TABLE IF EXISTS t;"
            "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v BLOB)");
    if (sqlite3_prepare_v2(db, "INSERT INTO t (k, v) VALUES (?, ?)", -1, &insert, NULL) !=
        SQLITE_OK)
        fail("cannot prepare");
    for (begun = now(); now() < begun + seconds; rows++) {
        snprintf(key, sizeof(key), "secret-%ld", rows);
        sqlite3_bind_text(insert, 1, key, -1, SQLITE_TRANSIENT);
        sqlite3_bind_blob(insert, 2, value, sizeof(value), SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail("cannot insert");
        sqlite3_reset(insert);
    }
    begun = now() - begun;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return (double)rows / begun;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: commits DIR SECONDS");
    printf("{\"rps\": %.0f, \"fdatasync_us\": %.0f}\n", commits_per_s(argv[1], atof(argv[2])),
           sync_us(argv[1]));
    return 0;
}
