/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fixture.h"

static struct fixture f;

static bool add_two(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const char *insert =
        "INSERT INTO things (id, number, name, sealed) VALUES ($id, $number, $name, $sealed)";
    struct pn_query *q = pn_query(tx, insert);

    (void)context;
    pn_bind_uuid(q, "$id", id_of(1));
    pn_bind_int(q, "$number", INT64_MIN);
    pn_bind_str(q, "$name", PN_LIT("gr\xc3\xbc\xc3\x9f"));
    pn_bind_bytes(q, "$sealed", PN_LIT("\0\xff\1"));
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, insert);
    pn_bind_uuid(q, "$id", id_of(2));
    pn_bind_null(q, "$number");
    pn_bind_str(q, "$name", PN_LIT(""));
    pn_bind_bytes(q, "$sealed", PN_LIT(""));
    return pn_query_run(q, NULL, err);
}

static int set_up(void **state)
{
    struct pn_err err = { 0 };

    (void)state;
    f = fixture_path();
    fixture_start(&f);
    CHECK_OK(pn_db_write(f.db, add_two, NULL, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&f);
    fixture_remove(&f);
    return 0;
}

PN_TEST(values_come_back_as_they_went_in)
{
    struct pn_query *q =
        pn_query(f.conn, "SELECT id, number, name, sealed FROM things ORDER BY id");
    struct pn_err err = { 0 };

    CHECK(pn_query_next(q));
    CHECK(pn_uuid_eq(pn_column_uuid(q, 0), id_of(1)));
    CHECK_EQ(pn_column_int(q, 1), INT64_MIN);
    CHECK_STR(pn_column_str(q, 2, f.arena), "gr\xc3\xbc\xc3\x9f");
    CHECK(pn_str_eq(pn_column_bytes(q, 3, f.arena), PN_LIT("\0\xff\1")));
    CHECK(!pn_column_is_null(q, 1));
    CHECK(pn_query_next(q));
    CHECK(pn_column_is_null(q, 1));
    CHECK_EQ(pn_column_int(q, 1), 0);
    CHECK(pn_column_str(q, 2, f.arena).ptr != NULL); /* empty is not NULL */
    CHECK(pn_column_bytes(q, 3, f.arena).ptr != NULL);
    CHECK(!pn_query_next(q));
    CHECK(!pn_query_next(q)); /* still at the end */
    CHECK_OK(pn_query_end(q, &err), err);
}

PN_TEST(null_reads_as_nothing)
{
    struct pn_query *q = pn_query(f.conn, "SELECT $id, $text, $bytes");
    struct pn_err err = { 0 };

    pn_bind_uuid(q, "$id", (struct pn_uuid){ { 0 } });
    pn_bind_str(q, "$text", PN_NONE);
    pn_bind_bytes(q, "$bytes", PN_NONE);
    CHECK(pn_query_next(q));
    CHECK(pn_uuid_is_zero(pn_column_uuid(q, 0)));
    CHECK(pn_column_str(q, 1, f.arena).ptr == NULL);
    CHECK(pn_column_bytes(q, 2, f.arena).ptr == NULL);
    CHECK_OK(pn_query_end(q, &err), err);
}

PN_TEST(names_bind_in_any_order_and_more_than_once)
{
    struct pn_query *q = pn_query(f.conn, "SELECT $b, $a, $b");
    struct pn_err err = { 0 };

    pn_bind_int(q, "$a", 1);
    pn_bind_int(q, "$b", 2);
    CHECK(pn_query_next(q));
    CHECK_EQ(pn_column_int(q, 0), 2);
    CHECK_EQ(pn_column_int(q, 1), 1);
    CHECK_EQ(pn_column_int(q, 2), 2);
    CHECK_OK(pn_query_end(q, &err), err);
}

PN_TEST(a_cached_statement_forgets_its_values)
{
    static const char sql[] = "SELECT $a, $b";
    struct pn_query *q = pn_query(f.conn, sql);
    struct pn_err err = { 0 };

    pn_bind_int(q, "$a", 1);
    pn_bind_int(q, "$b", 1);
    CHECK(pn_query_next(q));
    CHECK_OK(pn_query_end(q, &err), err); /* rows were left */
    q = pn_query(f.conn, sql);
    pn_bind_int(q, "$a", 2);
    CHECK(!pn_query_next(q));
    CHECK_FAILS(pn_query_end(q, &err), err, INTERNAL); /* $b is not bound */
    q = pn_query(f.conn, sql);
    pn_bind_int(q, "$a", 3);
    pn_bind_int(q, "$b", 4);
    CHECK(pn_query_next(q));
    CHECK_EQ(pn_column_int(q, 1), 4);
    CHECK_OK(pn_query_end(q, &err), err);
}

/* Not advised, but memory is reused, and then an address alone would run another statement. */
PN_TEST(one_address_with_another_text_is_another_statement)
{
    char sql[32] = "SELECT 1";

    CHECK_EQ(ask(f.conn, sql), 1);
    memcpy(sql, "SELECT 2", 9);
    CHECK_EQ(ask(f.conn, sql), 2);
}

PN_TEST(the_same_statement_nests)
{
    static const char sql[] = "SELECT number FROM things ORDER BY id";
    struct pn_query *outer = pn_query(f.conn, sql), *inner;
    struct pn_err err = { 0 };

    CHECK(pn_query_next(outer));
    inner = pn_query(f.conn, sql);
    CHECK(pn_query_next(inner));
    CHECK(pn_query_next(inner));
    CHECK(!pn_query_next(inner));
    CHECK_OK(pn_query_end(inner, &err), err);
    CHECK_EQ(pn_column_int(outer, 0), INT64_MIN);
    CHECK(pn_query_next(outer));
    CHECK_OK(pn_query_end(outer, &err), err);
}

PN_TEST(more_statements_than_the_cache_holds)
{
    static char texts[300][24];
    static struct pn_query *open[120]; /* more than the cache, all in use */
    struct pn_err err = { 0 };

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(texts[i], sizeof(texts[i]), "SELECT %d", i);
            CHECK_EQ(ask(f.conn, texts[i]), i);
        }
    }
    for (size_t i = 0; i < PN_COUNT(open); i++) {
        open[i] = pn_query(f.conn, texts[i]);
        CHECK(pn_query_next(open[i]));
    }
    for (size_t i = 0; i < PN_COUNT(open); i++) {
        CHECK_EQ(pn_column_int(open[i], 0), (int64_t)i);
        CHECK_OK(pn_query_end(open[i], &err), err);
    }
}

PN_TEST(wrong_queries_fail_at_the_end_and_say_why)
{
    static const struct {
        const char *sql, *says;
    } cases[] = {
        { "SELEKT 1", "SELEKT" },    { "SELECT 1; SELECT 2", "one statement" },
        { "", "one statement" },     { "SELECT $a", "$a is not bound" },
        { "SELECT ?", "not bound" }, { "SELECT * FROM nowhere", "nowhere" },
    };
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_query *q = pn_query(f.conn, cases[i].sql);

        CHECK(!pn_query_next(q));
        CHECK_EQ(pn_column_int(q, 0), 0);
        CHECK(pn_column_is_null(q, 0));
        CHECK(!pn_query_end(q, &err));
        CHECK_EQ(err.code, PN_INTERNAL);
        if (strstr(err.trace, cases[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.trace, cases[i].says);
        pn_err_clear(&err);
    }
}

#define FAILING(sql, code, use)                          \
    do {                                                 \
        struct pn_err err_ = { 0 };                      \
        struct pn_query *q = pn_query(f.conn, sql);      \
        use;                                             \
        CHECK(!pn_query_next(q));                        \
        CHECK_FAILS(pn_query_end(q, &err_), err_, code); \
    } while (0)

PN_TEST(misuse_is_a_failure_not_a_guess)
{
    FAILING("SELECT $a", INTERNAL, pn_bind_int(q, "$b", 1));
    FAILING("SELECT $a", INTERNAL, pn_bind_int(q, "a", 1));
    FAILING("SELECT $a", BAD_REQUEST, pn_bind_str(q, "$a", PN_LIT("a\0b")));
    FAILING("SELECT 'text'", INTERNAL, (pn_query_next(q), pn_column_int(q, 0)));
    FAILING("SELECT 1.5", INTERNAL, (pn_query_next(q), pn_column_int(q, 0)));
    FAILING("SELECT 1", INTERNAL, (pn_query_next(q), pn_column_str(q, 0, f.arena)));
    FAILING("SELECT x'00'", INTERNAL, (pn_query_next(q), pn_column_str(q, 0, f.arena)));
    FAILING("SELECT 'a'", INTERNAL, (pn_query_next(q), pn_column_bytes(q, 0, f.arena)));
    FAILING("SELECT x'0011'", INTERNAL, (pn_query_next(q), pn_column_uuid(q, 0)));
    FAILING("SELECT 1", INTERNAL, (pn_query_next(q), pn_column_int(q, 1)));
    FAILING("SELECT 1", INTERNAL, (pn_query_next(q), pn_column_int(q, -1)));
    FAILING("SELECT 1", INTERNAL, pn_column_int(q, 0)); /* before the first row */
    FAILING("SELECT $a UNION SELECT 2", INTERNAL,
            (pn_bind_int(q, "$a", 1), pn_query_next(q), pn_bind_int(q, "$a", 5)));
}

PN_TEST(the_first_failure_is_the_one_raised)
{
    struct pn_query *q = pn_query(f.conn, "SELECT $a");
    struct pn_err err = { 0 };

    pn_bind_str(q, "$a", PN_LIT("a\0b"));
    pn_bind_int(q, "$nobody", 1);
    CHECK(!pn_query_next(q));
    CHECK_FAILS(pn_query_end(q, &err), err, BAD_REQUEST);
}

PN_TEST(double_quotes_never_make_text)
{
    FAILING("SELECT \"no such column\" FROM things", INTERNAL, (void)q);
}

PN_TEST(readers_cannot_write)
{
    struct pn_query *q = pn_query(f.conn, "DELETE FROM things");
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_query_run(q, NULL, &err), err, IO);
    CHECK_EQ(count_things(f.conn), 2);
}

static bool change(struct pn_db_conn *tx, void *changed, struct pn_err *err)
{
    int64_t *rows = changed;

    return pn_query_run(pn_query(tx, "UPDATE things SET name = 'y'"), &rows[0], err) &&
           pn_query_run(pn_query(tx, "UPDATE things SET name = 'y' WHERE number = 7"), &rows[1],
                        err) &&
           pn_query_run(pn_query(tx, "UPDATE things SET name = 'z' RETURNING id"), &rows[2], err) &&
           pn_query_run(pn_query(tx, "SELECT 1"), &rows[3], err) &&
           pn_query_run(pn_query(tx, "INSERT INTO things (id) SELECT id FROM things LIMIT 1"
                                     " ON CONFLICT DO NOTHING"),
                        &rows[4], err);
}

PN_TEST(run_counts_the_rows_it_changed)
{
    int64_t rows[5] = { -1, -1, -1, -1, -1 };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(f.db, change, rows, &err), err);
    CHECK_EQ(rows[0], 2);
    CHECK_EQ(rows[1], 0);
    CHECK_EQ(rows[2], 2);
    CHECK_EQ(rows[3], 0);
    CHECK_EQ(rows[4], 0);
}

/* Rows come from outside: however many there are, they end the query before they end the program. */
PN_TEST(rows_that_find_no_room_end_the_query)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1000);
    const char *sql =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
        " SELECT hex(zeroblob(50)), zeroblob(100) FROM n";
    struct pn_query *q = pn_query(f.conn, sql);
    struct pn_err err = { 0 };
    size_t rows = 0;

    while (pn_query_next(q)) {
        (void)pn_column_str(q, 0, arena);
        (void)pn_column_bytes(q, 1, arena);
        rows++;
    }
    CHECK_EQ(rows, 5); /* the last of them not whole */
    CHECK(!pn_arena_is_over(arena));
    CHECK_FAILS(pn_query_end(q, &err), err, TOO_LARGE);
    pn_arena_reset(arena);
    q = pn_query(f.conn, sql); /* the statement is as good as before */
    CHECK(pn_query_next(q));
    CHECK_EQ(pn_column_bytes(q, 1, arena).len, 100);
    CHECK_OK(pn_query_end(q, &err), err);
}

PN_TEST(nowhere_nothing_is_found_and_who_asked_is_known)
{
    struct pn_db_conn *nowhere = pn_db_nowhere(f.db);
    struct pn_err err = { 0 };

    CHECK(!pn_db_was_asked(nowhere));
    for (int i = 0; i < 2; i++) {
        struct pn_query *q = pn_query(nowhere, "SELECT name FROM things WHERE number = $number");

        pn_bind_int(q, "$number", 1);
        CHECK(!pn_query_next(q));
        CHECK(pn_column_str(q, 0, f.arena).ptr == NULL);
        CHECK_FAILS(pn_query_end(q, &err), err, INTERNAL);
        CHECK(pn_db_was_asked(nowhere));
        CHECK(!pn_db_was_asked(nowhere));
    }
    CHECK_OK(pn_db_may_wait(f.conn, &err), err);
    CHECK_FAILS(pn_db_may_wait(nowhere, &err), err, INTERNAL);
    CHECK(pn_db_was_asked(nowhere));
    pn_db_disconnect(nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_come_back_as_they_went_in),
        T(null_reads_as_nothing),
        T(names_bind_in_any_order_and_more_than_once),
        T(a_cached_statement_forgets_its_values),
        T(one_address_with_another_text_is_another_statement),
        T(the_same_statement_nests),
        T(more_statements_than_the_cache_holds),
        T(wrong_queries_fail_at_the_end_and_say_why),
        T(misuse_is_a_failure_not_a_guess),
        T(the_first_failure_is_the_one_raised),
        T(double_quotes_never_make_text),
        T(readers_cannot_write),
        T(run_counts_the_rows_it_changed),
        T(rows_that_find_no_room_end_the_query),
        T(nowhere_nothing_is_found_and_who_asked_is_known),
    };

    return check_run(tests, PN_COUNT(tests), set_up, tear_down);
}
