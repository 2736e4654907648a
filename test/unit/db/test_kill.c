/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* A process is killed in the middle of writing: every write it had an answer for is there. */

#define WRITERS 4
#define ROUNDS 6

static struct fixture f;
static int acknowledged[2]; /* a pipe: numbers of answered writes */

struct writer {
    struct pn_db *db;
    int64_t base;
};

/* The row and its part: half of a write must never be seen. */
static bool add_with_part(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    const int64_t *number = number_;
    struct pn_query *q;

    if (!add_thing(tx, number_, err))
        return false;
    q = pn_query(tx, "INSERT INTO parts (id, thing_id) VALUES ($id, $id)");
    pn_bind_uuid(q, "$id", id_of(*number));
    return pn_query_run(q, NULL, err);
}

static void *write_until_killed(void *writer_)
{
    struct writer *writer = writer_;

    for (int64_t i = 0;; i++) {
        int64_t number = writer->base + i;
        struct pn_err err = { 0 };

        if (!pn_db_write(writer->db, add_with_part, &number, &err))
            _exit(3);
        if (write(acknowledged[1], &number, sizeof(number)) != sizeof(number))
            _exit(4);
    }
}

static void be_the_victim(int round)
{
    struct writer writers[WRITERS];
    pthread_t thread;
    struct pn_db *db;
    struct pn_err err = { 0 };

    f.config.path = f.path;
    if (!pn_db_open(&f.config, &db, &err))
        _exit(2);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ db, ((int64_t)round * WRITERS + i) * 1000000 };
        if (pthread_create(&thread, NULL, write_until_killed, &writers[i]) != 0)
            _exit(5);
    }
    pause();
    _exit(6);
}

/* Reads acknowledgements; after `enough` of them kills the child, and reads what is left. */
static size_t reap(pid_t child, size_t enough, int64_t *numbers, size_t max)
{
    size_t count = 0;
    int status;

    CHECK_EQ(close(acknowledged[1]), 0);
    while (count < max &&
           read(acknowledged[0], &numbers[count], sizeof(*numbers)) == sizeof(*numbers)) {
        if (++count == enough)
            CHECK_EQ(kill(child, SIGKILL), 0);
    }
    CHECK_EQ(close(acknowledged[0]), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(count >= enough);
    return count;
}

static void check_present(const int64_t *numbers, size_t count)
{
    struct pn_err err = { 0 };

    for (size_t i = 0; i < count; i++) {
        struct pn_query *q = pn_query(f.conn, "SELECT number FROM things WHERE id = $id");

        pn_bind_uuid(q, "$id", id_of(numbers[i]));
        CHECK(pn_query_next(q));
        CHECK_EQ(pn_column_int(q, 0), numbers[i]);
        CHECK_OK(pn_query_end(q, &err), err);
    }
}

PN_TEST(kill_loses_no_acknowledged_write)
{
    static int64_t numbers[400000];
    size_t total = 0;

    f = fixture_path();
    for (int round = 0; round < ROUNDS; round++) { /* each one recovers from the kill before */
        pid_t child;
        struct pn_query *q;
        struct pn_err err = { 0 };

        CHECK_EQ(pipe(acknowledged), 0);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            (void)close(acknowledged[0]);
            be_the_victim(round);
        }
        total += reap(child, 20 + (size_t)round * 97, numbers + total, PN_COUNT(numbers) - total);
        fixture_start(&f);
        check_present(numbers, total);
        CHECK(count_things(f.conn) >= (int64_t)total);
        CHECK_EQ(ask(f.conn, "SELECT count(*) FROM things"),
                 ask(f.conn, "SELECT count(*) FROM parts"));
        q = pn_query(f.conn, "PRAGMA integrity_check");
        CHECK(pn_query_next(q));
        CHECK_STR(pn_column_str(q, 0, f.arena), "ok");
        CHECK_OK(pn_query_end(q, &err), err);
        fixture_stop(&f);
    }
    fixture_remove(&f);
}

PN_TEST_MAIN(T(kill_loses_no_acknowledged_write))
