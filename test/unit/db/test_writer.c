/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include <sqlite3.h>

static struct fixture f;

static void start(bool run_twice)
{
    f = fixture_path();
    f.config.run_twice = run_twice;
    fixture_start(&f);
}

static void stop(void)
{
    fixture_stop(&f);
    fixture_remove(&f);
}

/* A write that holds the writer until the test opens the gate, so that a batch gathers behind it. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_reached, is_open;
};

#define GATE                                                              \
    {                                                                     \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false \
    }

static void gate_set(struct gate *gate, bool *what)
{
    pthread_mutex_lock(&gate->lock);
    *what = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, const bool *what)
{
    pthread_mutex_lock(&gate->lock);
    while (!*what)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static bool pass_gate(struct pn_db_conn *tx, void *gate_, struct pn_err *err)
{
    struct gate *gate = gate_;

    (void)tx, (void)err;
    gate_set(gate, &gate->is_reached);
    gate_await(gate, &gate->is_open);
    return true;
}

static void hold_writer(struct gate *gate)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write_later(f.db, pass_gate, gate, NULL, &err), err);
    gate_await(gate, &gate->is_reached);
}

/* What became of a write nobody waits for. */
struct outcome {
    int64_t number;
    enum pn_code code;
    int order;
    struct gate *all_done;
};

static atomic_int outcomes, outcomes_wanted;

static bool add_outcome(struct pn_db_conn *tx, void *outcome_, struct pn_err *err)
{
    struct outcome *outcome = outcome_;

    return add_thing(tx, &outcome->number, err);
}

static void note_outcome(void *outcome_, const struct pn_err *err)
{
    struct outcome *outcome = outcome_;

    outcome->code = err != NULL ? err->code : PN_OK;
    outcome->order = atomic_fetch_add(&outcomes, 1);
    if (outcome->order + 1 == atomic_load(&outcomes_wanted))
        gate_set(outcome->all_done, &outcome->all_done->is_open);
}

PN_TEST(a_write_is_there_when_it_is_answered)
{
    int64_t number = 1;
    struct pn_err err = { 0 };

    start(false);
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    CHECK_EQ(count_things(f.conn), 1);
    stop();
}

static bool add_then_fail(struct pn_db_conn *tx, void *number, struct pn_err *err)
{
    if (!add_thing(tx, number, err))
        return false;
    return pn_fail(err, PN_FORBIDDEN, "No");
}

PN_TEST(a_failed_write_undoes_itself_and_says_why)
{
    int64_t number = 1;
    struct pn_err err = { 0 };

    start(false);
    CHECK(!pn_db_write(f.db, add_then_fail, &number, &err));
    CHECK_EQ(err.code, PN_FORBIDDEN);
    CHECK_STR(pn_str_from(err.message), "No");
    CHECK_EQ(count_things(f.conn), 0);
    CHECK_EQ(pn_db_stats(f.db).failures, 1);
    stop();
}

static bool fail_silently(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)tx, (void)context, (void)err;
    return false;
}

PN_TEST(a_write_that_fails_without_a_reason_still_fails)
{
    struct pn_err err = { 0 };

    start(false);
    CHECK_FAILS(pn_db_write(f.db, fail_silently, NULL, &err), err, INTERNAL);
    stop();
}

PN_TEST(a_duplicate_is_told_apart)
{
    int64_t number = 1;
    struct pn_err err = { 0 };

    start(false);
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    CHECK(!pn_db_write(f.db, add_thing, &number, &err));
    CHECK_EQ(err.code, PN_CONFLICT);
    CHECK(pn_db_is_duplicate(&err));
    stop();
}

static bool add_orphan(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "INSERT INTO parts (id, thing_id) VALUES ($id, $thing)");

    (void)context;
    pn_bind_uuid(q, "$id", id_of(1));
    pn_bind_uuid(q, "$thing", id_of(404));
    return pn_query_run(q, NULL, err);
}

PN_TEST(a_reference_to_nothing_is_a_conflict_but_no_duplicate)
{
    struct pn_err err = { 0 };

    start(false);
    CHECK(!pn_db_write(f.db, add_orphan, NULL, &err));
    CHECK_EQ(err.code, PN_CONFLICT);
    CHECK(!pn_db_is_duplicate(&err));
    stop();
}

/* A write may foresee a failure and go on; what it did besides stays. */
static bool add_or_find(struct pn_db_conn *tx, void *number, struct pn_err *err)
{
    int64_t other = 99;

    if (!add_thing(tx, &other, err))
        return false;
    return add_thing(tx, number, err) || pn_db_is_duplicate(err);
}

PN_TEST(a_foreseen_failure_is_not_one)
{
    int64_t number = 1;
    struct pn_err err = { 0 };

    start(true);
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err);
    CHECK_OK(pn_db_write(f.db, add_or_find, &number, &err), err);
    CHECK_EQ(err.code, PN_OK);
    CHECK_EQ(count_things(f.conn), 2);
    stop();
}

PN_TEST(what_gathers_is_one_batch_and_each_failure_its_own)
{
    static struct outcome all[500];
    struct gate hold = GATE, done = GATE;
    struct pn_err err = { 0 };
    struct pn_db_stats before;

    start(false);
    hold_writer(&hold);
    before = pn_db_stats(f.db);
    atomic_store(&outcomes, 0);
    atomic_store(&outcomes_wanted, (int)PN_COUNT(all));
    for (size_t i = 0; i < PN_COUNT(all); i++) { /* every tenth repeats the one before it */
        all[i] =
            (struct outcome){ .number = (int64_t)(i % 10 == 9 ? i - 1 : i), .all_done = &done };
        CHECK_OK(pn_db_write_later(f.db, add_outcome, &all[i], note_outcome, &err), err);
    }
    CHECK_EQ(pn_db_stats(f.db).queue_now, PN_COUNT(all));
    gate_set(&hold, &hold.is_open);
    gate_await(&done, &done.is_open);
    for (size_t i = 0; i < PN_COUNT(all); i++) {
        CHECK_EQ(all[i].code, i % 10 == 9 ? PN_CONFLICT : PN_OK);
        CHECK_EQ(all[i].order, i); /* answered in the order they were queued */
    }
    CHECK_EQ(count_things(f.conn), 450);
    CHECK_EQ(pn_db_stats(f.db).batches, before.batches + 2); /* the held one, and all the others */
    CHECK_EQ(pn_db_stats(f.db).failures, 50);
    CHECK_EQ(pn_db_stats(f.db).writes, 451);
    CHECK_EQ(pn_db_stats(f.db).queue_now, 0);
    stop();
}

PN_TEST(a_full_queue_says_so_at_once)
{
    static struct outcome all[4];
    struct gate hold = GATE, done = GATE;
    int64_t number = 77;
    struct pn_err err = { 0 };

    f = fixture_path();
    f.config.queue_max = 3;
    fixture_start(&f);
    hold_writer(&hold);
    atomic_store(&outcomes, 0);
    atomic_store(&outcomes_wanted, 3);
    for (size_t i = 0; i < 3; i++) {
        all[i] = (struct outcome){ .number = (int64_t)i, .all_done = &done };
        CHECK_OK(pn_db_write_later(f.db, add_outcome, &all[i], note_outcome, &err), err);
    }
    CHECK_FAILS(pn_db_write_later(f.db, add_outcome, &all[3], note_outcome, &err), err, BUSY);
    CHECK_FAILS(pn_db_write(f.db, add_thing, &number, &err), err, BUSY);
    gate_set(&hold, &hold.is_open);
    gate_await(&done, &done.is_open);
    CHECK_EQ(count_things(f.conn), 3);
    CHECK_OK(pn_db_write(f.db, add_thing, &number, &err), err); /* room again */
    stop();
}

PN_TEST(closing_finishes_what_is_queued)
{
    static struct outcome all[50];
    struct gate done = GATE;
    struct pn_err err = { 0 };

    start(false);
    atomic_store(&outcomes, 0);
    atomic_store(&outcomes_wanted, (int)PN_COUNT(all));
    for (size_t i = 0; i < PN_COUNT(all); i++) {
        all[i] = (struct outcome){ .number = (int64_t)i, .all_done = &done };
        CHECK_OK(pn_db_write_later(f.db, add_outcome, &all[i], note_outcome, &err), err);
    }
    fixture_stop(&f);
    CHECK_EQ(atomic_load(&outcomes), PN_COUNT(all));
    CHECK(access(f.path, F_OK) == 0);
    fixture_start(&f);
    CHECK_EQ(count_things(f.conn), PN_COUNT(all));
    stop();
}

struct counted {
    int64_t number;
    int runs;
};

static bool add_counted(struct pn_db_conn *tx, void *counted_, struct pn_err *err)
{
    struct counted *counted = counted_;

    counted->runs++;
    return add_thing(tx, &counted->number, err);
}

PN_TEST(debug_builds_run_each_write_twice_and_keep_one)
{
    struct counted counted = { .number = 1 };
    struct pn_err err = { 0 };

    start(true);
    CHECK_OK(pn_db_write(f.db, add_counted, &counted, &err), err);
    CHECK_EQ(counted.runs, 2);
    CHECK_EQ(count_things(f.conn), 1);
    CHECK(!pn_db_write(f.db, add_counted, &counted,
                       &err)); /* fails both times, once for the caller */
    CHECK(pn_db_is_duplicate(&err));
    CHECK_EQ(counted.runs, 4);
    stop();
    counted.runs = 0;
    pn_err_clear(&err);
    start(false);
    CHECK_OK(pn_db_write(f.db, add_counted, &counted, &err), err);
    CHECK_EQ(counted.runs, 1);
    stop();
}

/* ---- together ---- */

struct together {
    int calls;
    size_t most;
};
static struct together seen;

/* Outcomes as add_outcome does them, all at once. */
static bool add_together(struct pn_db_conn *tx, void *const *outcomes_, size_t count,
                         struct pn_err *err)
{
    seen.calls++;
    seen.most = count > seen.most ? count : seen.most;
    for (size_t i = 0; i < count; i++) {
        struct outcome *o = outcomes_[i];

        if (!add_thing(tx, &o->number, err))
            return false;
    }
    return true;
}

static void write_together(struct outcome *all, size_t count, struct gate *done)
{
    struct gate hold = GATE;
    struct pn_err err = { 0 };

    seen = (struct together){ 0 };
    hold_writer(&hold);
    atomic_store(&outcomes, 0);
    atomic_store(&outcomes_wanted, (int)count);
    for (size_t i = 0; i < count; i++) {
        all[i].all_done = done;
        CHECK_OK(pn_db_write_together(f.db, add_together, &all[i], note_outcome, &err), err);
    }
    gate_set(&hold, &hold.is_open);
    gate_await(done, &done->is_open);
}

PN_TEST(writes_of_one_kind_are_written_together)
{
    static struct outcome all[20];
    struct gate done = GATE;

    start(false);
    for (size_t i = 0; i < PN_COUNT(all); i++)
        all[i] = (struct outcome){ .number = (int64_t)i };
    write_together(all, PN_COUNT(all), &done);
    CHECK_EQ(seen.calls, 1);
    CHECK_EQ(seen.most, 20);
    for (size_t i = 0; i < PN_COUNT(all); i++)
        CHECK_EQ(all[i].code, PN_OK);
    CHECK_EQ(count_things(f.conn), 20);
    stop();
}

PN_TEST(of_those_written_together_only_the_guilty_one_fails)
{
    static struct outcome all[20];
    struct gate done = GATE;

    start(true);
    for (size_t i = 0; i < PN_COUNT(all); i++)
        all[i] = (struct outcome){ .number = i == 7 ? 3 : (int64_t)i }; /* 3 is there already */
    write_together(all, PN_COUNT(all), &done);
    for (size_t i = 0; i < PN_COUNT(all); i++)
        CHECK_EQ(all[i].code == PN_OK, i != 7);
    CHECK_EQ(count_things(f.conn), 19);
    stop();
}

/* Threads write and read at once; TSan watches. Each one finds its own row after each answer. */
struct worker {
    int64_t base;
    bool is_fine;
};

static void *work(void *worker_)
{
    struct worker *worker = worker_;
    struct pn_db_conn *conn;
    struct pn_err err = { 0 };

    if (!pn_db_connect(f.db, &conn, &err))
        return NULL;
    worker->is_fine = true;
    for (int64_t i = 0; i < 60 && worker->is_fine; i++) {
        int64_t number = worker->base + i;
        struct pn_query *q;

        worker->is_fine = pn_db_write(f.db, add_thing, &number, &err);
        q = pn_query(conn, "SELECT number FROM things WHERE id = $id");
        pn_bind_uuid(q, "$id", id_of(number));
        worker->is_fine = worker->is_fine && pn_query_next(q) && pn_column_int(q, 0) == number;
        worker->is_fine = pn_query_end(q, &err) && worker->is_fine;
    }
    pn_db_disconnect(conn);
    return NULL;
}

PN_TEST(threads_write_and_read_at_once)
{
    struct worker workers[8] = { { 0 } };
    pthread_t threads[PN_COUNT(workers)];

    start(true);
    for (size_t i = 0; i < PN_COUNT(workers); i++) {
        workers[i].base = (int64_t)i * 1000;
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < PN_COUNT(workers); i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(workers[i].is_fine);
    }
    CHECK_EQ(count_things(f.conn), 60 * PN_COUNT(workers));
    CHECK(pn_db_stats(f.db).batches <= pn_db_stats(f.db).writes);
    stop();
}

static bool add_much(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    static const char pad[8192] = { 'x' };
    int64_t *number = number_;

    for (int i = 0; i < 100; i++) {
        struct pn_query *q =
            pn_query(tx, "INSERT INTO things (id, number, sealed) VALUES ($id, $n, $pad)");

        pn_bind_uuid(q, "$id", id_of(*number + i));
        pn_bind_int(q, "$n", *number + i);
        pn_bind_bytes(q, "$pad", pn_str_of(pad, sizeof(pad)));
        if (!pn_query_run(q, NULL, err))
            return false;
    }
    return true;
}

static long long file_bytes(const char *ending)
{
    char path[128];
    FILE *file;
    long size;

    snprintf(path, sizeof(path), "%s%s", f.path, ending);
    file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK_EQ(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    fclose(file);
    return size;
}

/* 240 MB go through; without checkpoints under load the WAL would hold all of it. */
PN_TEST(the_wal_stays_bounded_under_load)
{
    struct pn_err err = { 0 };

    start(false);
    for (int64_t i = 0; i < 300; i++) {
        int64_t number = i * 100;

        CHECK_OK(pn_db_write(f.db, add_much, &number, &err), err);
        CHECK(file_bytes("-wal") < 100 * 1024 * 1024);
    }
    CHECK_EQ(count_things(f.conn), 30000);
    CHECK(file_bytes("") > 100 * 1024 * 1024);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_write_is_there_when_it_is_answered),
        T(a_failed_write_undoes_itself_and_says_why),
        T(a_write_that_fails_without_a_reason_still_fails),
        T(a_duplicate_is_told_apart),
        T(a_reference_to_nothing_is_a_conflict_but_no_duplicate),
        T(a_foreseen_failure_is_not_one),
        T(what_gathers_is_one_batch_and_each_failure_its_own),
        T(a_full_queue_says_so_at_once),
        T(closing_finishes_what_is_queued),
        T(debug_builds_run_each_write_twice_and_keep_one),
        T(writes_of_one_kind_are_written_together),
        T(of_those_written_together_only_the_guilty_one_fails),
        T(threads_write_and_read_at_once),
        T(the_wal_stays_bounded_under_load),
    };

    return check_run(tests, PN_COUNT(tests), NULL, NULL);
}
