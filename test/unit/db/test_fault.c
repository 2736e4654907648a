/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fault_vfs.h"
#include "fixture.h"

#include <pthread.h>
#include <sys/stat.h>

static struct fixture f;

static void start(void)
{
    f = fixture_path();
    f.config.vfs = FAULT_VFS;
    fixture_start(&f);
}

static void stop(void)
{
    fault_disarm();
    fixture_stop(&f);
    fixture_remove(&f);
}

/* Two rows that belong together: half of it must never be seen. */
static bool add_pair(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    int64_t first = *(int64_t *)number_ * 2, second = first + 1;

    return add_thing(tx, &first, err) && add_thing(tx, &second, err);
}

static int64_t count_pair(struct pn_db_conn *conn, int64_t number)
{
    struct pn_query *q = pn_query(conn, "SELECT count(*) FROM things WHERE number IN ($a, $b)");
    struct pn_err err = { 0 };
    int64_t count;

    pn_bind_int(q, "$a", number * 2);
    pn_bind_int(q, "$b", number * 2 + 1);
    count = pn_query_next(q) ? pn_column_int(q, 0) : -1;
    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

PN_TEST(what_is_answered_is_synced)
{
    struct pn_err err = { 0 };

    start();
    for (int64_t i = 0; i < 20; i++) {
        CHECK_OK(pn_db_write(f.db, add_thing, &i, &err), err);
        CHECK_EQ(atomic_load(&fault.unsynced_wal),
                 0); /* synchronous=FULL; NORMAL would fail here */
    }
    stop();
}

/*
 * The n-th write or sync fails, for every n a few writes need: each write is answered truthfully,
 * is there whole or not at all, and the writer goes on, also over a restart.
 */
static void fail_every_nth(enum fault_operation operation, int result, bool stays)
{
    bool has_failed = true;
    int rounds = 0;

    for (int nth = 1; has_failed; nth++) {
        bool was_done[4];
        int64_t number;
        struct pn_err err = { 0 };

        start();
        has_failed = false;
        fault_arm(operation, nth, result, stays);
        for (number = 0; number < 4; number++) {
            was_done[number] = pn_db_write(f.db, add_pair, &number, &err);
            if (!was_done[number]) {
                CHECK_EQ(err.code, PN_IO);
                CHECK(err.message[0] != '\0');
                pn_err_clear(&err);
                has_failed = true;
            }
        }
        fault_disarm();
        for (number = 0; number < 4; number++)
            CHECK_EQ(count_pair(f.conn, number), was_done[number] ? 2 : 0);
        CHECK_OK(pn_db_write(f.db, add_pair, &number, &err), err);
        fixture_stop(&f);
        fixture_start(&f);
        for (number = 0; number < 4; number++)
            CHECK_EQ(count_pair(f.conn, number), was_done[number] ? 2 : 0);
        CHECK_EQ(count_pair(f.conn, 4), 2);
        stop();
        rounds += has_failed;
    }
    CHECK(rounds >= 4); /* one per commit at the least, or the test tests nothing */
}

PN_TEST(a_full_disk_loses_nothing)
{
    fail_every_nth(FAULT_WRITE, SQLITE_FULL, false);
    fail_every_nth(FAULT_WRITE, SQLITE_FULL, true);
}

PN_TEST(a_broken_disk_loses_nothing)
{
    fail_every_nth(FAULT_WRITE, SQLITE_IOERR_WRITE, false);
    fail_every_nth(FAULT_SYNC, SQLITE_IOERR_FSYNC, false);
    fail_every_nth(FAULT_SYNC, SQLITE_IOERR_FSYNC, true);
}

/* More than the writer's cache: pages reach the disk before the commit, and the fault comes there. */
static bool add_much(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    static const char pad[4000] = { 'x' };

    (void)context;
    for (int64_t i = 1000; i < 2500; i++) {
        struct pn_query *q =
            pn_query(tx, "INSERT INTO things (id, number, sealed) VALUES ($id, $n, $pad)");

        pn_bind_uuid(q, "$id", id_of(i));
        pn_bind_int(q, "$n", i);
        pn_bind_bytes(q, "$pad", pn_str_of(pad, sizeof(pad)));
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

static int64_t pair_numbers[6];

/* Leaves in place of the number what became of the write. */
static void note(void *number_, const struct pn_err *err)
{
    int64_t *number = number_;

    *number = err == NULL ? 100 : -(int64_t)err->code;
}

static bool pass(struct pn_db_conn *tx, void *held, struct pn_err *err)
{
    (void)tx, (void)err;
    pthread_mutex_lock(held);
    pthread_mutex_unlock(held);
    return true;
}

/* Five pairs and the big write in one batch; all are answered when it returns. */
static void write_pairs_and_much(void)
{
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    struct pn_err err = { 0 };

    pthread_mutex_lock(&held); /* until all are queued */
    CHECK_OK(pn_db_write_later(f.db, pass, &held, NULL, &err), err);
    for (int64_t i = 0; i < 6; i++) {
        pair_numbers[i] = i;
        CHECK_OK(
            pn_db_write_later(f.db, i == 3 ? add_much : add_pair, &pair_numbers[i], note, &err),
            err);
    }
    pthread_mutex_unlock(&held);
    fixture_stop(&f); /* waits for them */
    fixture_start(&f);
}

PN_TEST(a_write_that_fills_the_disk_fails_alone)
{
    start();
    atomic_store(&fault.wal_max, 3000000); /* room for the pairs, not for the big write */
    write_pairs_and_much();
    for (int64_t i = 0; i < 6; i++) {
        CHECK_EQ(pair_numbers[i], i == 3 ? -PN_IO : 100);
        if (i != 3)
            CHECK_EQ(count_pair(f.conn, i), 2);
    }
    CHECK_EQ(count_things(f.conn), 10); /* nothing of the big one */
    stop();
}

/* The batch dies of it and is done again, write by write; alone, there is no second chance. */
PN_TEST(a_fault_that_passes_hurts_nobody_in_a_batch)
{
    struct pn_err err = { 0 };

    start();
    fault_arm(FAULT_WRITE, 400, SQLITE_FULL, false);
    CHECK_FAILS(pn_db_write(f.db, add_much, NULL, &err), err, IO);
    CHECK_EQ(count_things(f.conn), 0);
    fault_arm(FAULT_WRITE, 400, SQLITE_FULL, false);
    write_pairs_and_much();
    for (int64_t i = 0; i < 6; i++)
        CHECK_EQ(pair_numbers[i], 100);
    CHECK_EQ(count_things(f.conn), 1510);
    stop();
}

PN_TEST(a_lock_of_another_process_is_busy_and_passes)
{
    sqlite3 *other;
    int64_t number = 1;
    struct pn_err err = { 0 };

    start();
    CHECK_EQ(sqlite3_open(f.path, &other), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    CHECK(!pn_db_write(f.db, add_thing, &number, &err));
    CHECK_EQ(err.code, PN_BUSY);
    CHECK(strstr(err.message, "locked by another process") != NULL);
    pn_err_clear(&err);
    CHECK_EQ(count_things(f.conn), 0); /* readers go on meanwhile */
    CHECK_EQ(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    stop();
}

static void overwrite(long from, const char *bytes, size_t len)
{
    FILE *file = fopen(f.path, "r+");

    CHECK(file != NULL);
    CHECK_EQ(fseek(file, from, SEEK_SET), 0);
    CHECK_EQ(fwrite(bytes, 1, len, file), len);
    CHECK_EQ(fclose(file), 0);
}

static void check_refuses(enum pn_code code, const char *says)
{
    struct pn_db *db = NULL;
    struct pn_err err = { 0 };

    CHECK(!pn_db_open(&f.config, &db, &err));
    CHECK_EQ(err.code, code);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    CHECK(strstr(err.message, f.directory) == NULL); /* the path is for the operator's trace */
}

PN_TEST(a_damaged_file_is_refused)
{
    start();
    fixture_stop(&f);
    overwrite(0, "This is a letter to my mother", 29);
    check_refuses(PN_IO, "damaged");
    fixture_remove(&f);
}

PN_TEST(a_damaged_page_is_an_error_and_no_crash)
{
    char junk[4096];
    struct pn_query *q;
    struct pn_err err = { 0 };

    start();
    CHECK_OK(pn_db_write(f.db, add_much, NULL, &err), err);
    fixture_stop(&f);
    memset(junk, 0xa5, sizeof(junk));
    for (long page = 9; page < 100; page++)
        overwrite(page * 4096, junk, sizeof(junk));
    fixture_start(&f);
    q = pn_query(f.conn, "SELECT number, sealed FROM things ORDER BY number");
    while (pn_query_next(q))
        ;
    CHECK(!pn_query_end(q, &err));
    CHECK_EQ(err.code, PN_IO);
    CHECK(strstr(err.message, "restore it from a backup") != NULL);
    stop();
}

PN_TEST(a_missing_directory_is_named_in_the_trace)
{
    struct pn_db *db = NULL;
    struct pn_err err = { 0 };

    f = fixture_path();
    f.config.path = "/nonexistent/postern/test.db";
    CHECK(!pn_db_open(&f.config, &db, &err));
    CHECK_EQ(err.code, PN_IO);
    CHECK(strstr(err.trace, "/nonexistent/postern/test.db") != NULL);
    fixture_remove(&f);
}

PN_TEST(memory_and_nothing_are_no_files)
{
    static const char *const paths[] = { "", ":memory:" };
    struct pn_db *db = NULL;
    struct pn_err err = { 0 };

    f = fixture_path();
    for (size_t i = 0; i < PN_COUNT(paths); i++) {
        f.config.path = paths[i];
        CHECK_FAILS(pn_db_open(&f.config, &db, &err), err, USAGE);
    }
    fixture_remove(&f);
}

static void check_mode(const char *ending)
{
    char path[128];
    struct stat about;

    snprintf(path, sizeof(path), "%s%s", f.path, ending);
    CHECK_EQ(stat(path, &about), 0);
    CHECK_EQ(about.st_mode & 0777, 0600);
}

PN_TEST(files_are_the_owners_alone)
{
    int64_t number = 1;
    struct pn_err err = { 0 };
    mode_t before = umask(0);

    start();
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    check_mode("");
    check_mode("-wal");
    check_mode("-shm");
    stop();
    umask(before);
}

PN_TEST(closing_leaves_one_file)
{
    int64_t number = 1;
    struct pn_err err = { 0 };
    char path[128];

    start();
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    fixture_stop(&f);
    snprintf(path, sizeof(path), "%s-wal", f.path);
    CHECK(access(path, F_OK) != 0);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_answered_is_synced),
        T(a_full_disk_loses_nothing),
        T(a_broken_disk_loses_nothing),
        T(a_write_that_fills_the_disk_fails_alone),
        T(a_fault_that_passes_hurts_nobody_in_a_batch),
        T(a_lock_of_another_process_is_busy_and_passes),
        T(a_damaged_file_is_refused),
        T(a_damaged_page_is_an_error_and_no_crash),
        T(a_missing_directory_is_named_in_the_trace),
        T(memory_and_nothing_are_no_files),
        T(files_are_the_owners_alone),
        T(closing_leaves_one_file),
    };

    fault_register();
    return check_run(tests, PN_COUNT(tests), NULL, NULL);
}
