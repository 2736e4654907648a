/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fixture.h"

static struct fixture f;

static int set_up(void **state)
{
    (void)state;
    f = fixture_path();
    f.config.path = f.path;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_remove(&f);
    return 0;
}

#define WITH(...)                                                       \
    f.config.migrations = (const struct pn_migration[]){ __VA_ARGS__ }; \
    f.config.migration_count = PN_COUNT(((const struct pn_migration[]){ __VA_ARGS__ }))

#define ONE                                                     \
    {                                                           \
        1, "one", "CREATE TABLE a (id ID PRIMARY KEY, b BYTES)" \
    }
#define TWO                                                                       \
    {                                                                             \
        2, "two", "CREATE TABLE c (id ID); INSERT INTO c VALUES (x'01'), (x'02')" \
    }
#define FIVE_WITHOUT_C                                 \
    {                                                  \
        5, "five", "ALTER TABLE a ADD COLUMN d BIGINT" \
    }
#define FIVE                                           \
    {                                                  \
        5, "five", "ALTER TABLE c ADD COLUMN d BIGINT" \
    }

static void check_opens(void)
{
    fixture_start(&f);
    fixture_stop(&f);
}

static void check_refuses(enum pn_code code, const char *says)
{
    struct pn_db *db = NULL;
    struct pn_err err = { 0 };

    CHECK(!pn_db_open(&f.config, &db, &err));
    CHECK_EQ(err.code, code);
    if (strstr(err.message, says) == NULL && strstr(err.trace, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.trace, says);
}

PN_TEST(forward_in_order_and_once)
{
    WITH(ONE);
    check_opens();
    check_opens();
    WITH(ONE, TWO, FIVE);
    check_opens();
    fixture_start(&f);
    CHECK_EQ(ask(f.conn, "SELECT count(*) FROM c"), 2); /* not run a second time */
    CHECK_EQ(ask(f.conn, "SELECT count(*) FROM migrations"), 3);
    CHECK_EQ(ask(f.conn, "SELECT number FROM migrations ORDER BY number DESC"), 5);
    CHECK(ask(f.conn, "SELECT applied_ms FROM migrations") > INT64_C(1600000000000));
    fixture_stop(&f);
}

PN_TEST(types_are_whole_words)
{
    struct pn_query *q;
    struct pn_err err = { 0 };

    WITH({ 1, "words",
           "CREATE TABLE w (ID_A ID, aID ID, BYTES1 BYTES NOT NULL,\"ID\" TEXT,\nz ID)" });
    fixture_start(&f);
    q = pn_query(f.conn, "SELECT sql FROM sqlite_schema WHERE name = 'w'");
    CHECK(pn_query_next(q));
    CHECK_STR(pn_column_str(q, 0, f.arena),
              "CREATE TABLE w (ID_A BLOB, aID BLOB, BYTES1 BLOB NOT NULL,\"BLOB\" TEXT,\nz BLOB)");
    CHECK_OK(pn_query_end(q, &err), err);
    fixture_stop(&f);
}

PN_TEST(an_edited_migration_is_refused)
{
    WITH(ONE, TWO);
    check_opens();
    WITH({ 1, "one", "CREATE TABLE a (id ID PRIMARY KEY, b BYTES )" }, TWO);
    check_refuses(PN_IO, "Migration 1 (one) was edited");
    WITH({ 1, "renamed", "CREATE TABLE a (id ID PRIMARY KEY, b BYTES)" }, TWO);
    check_refuses(PN_IO, "was edited");
    WITH(ONE, TWO);
    check_opens();
}

PN_TEST(a_newer_database_is_refused)
{
    WITH(ONE, TWO, FIVE);
    check_opens();
    WITH(ONE, TWO);
    check_refuses(PN_IO, "newer than this program");
    f.config.migration_count = 0;
    check_refuses(PN_IO, "newer than this program");
    WITH(ONE, TWO, FIVE);
    check_opens();
}

PN_TEST(a_migration_slipped_in_before_an_applied_one_is_refused)
{
    WITH(ONE, FIVE_WITHOUT_C);
    check_opens();
    WITH(ONE, TWO, FIVE_WITHOUT_C);
    check_refuses(PN_IO, "another line of versions");
}

PN_TEST(a_failing_migration_leaves_the_one_before)
{
    WITH(ONE, { 2, "broken", "CREATE TABLE c (id ID); INSERT INTO nowhere VALUES (1)" });
    check_refuses(PN_INTERNAL, "migration 2 (broken)");
    WITH(ONE, TWO);
    fixture_start(&f); /* c was undone with the rest of its migration */
    CHECK_EQ(ask(f.conn, "SELECT count(*) FROM c"), 2);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forward_in_order_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_are_whole_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_edited_migration_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newer_database_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_migration_slipped_in_before_an_applied_one_is_refused,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_migration_leaves_the_one_before, set_up,
                                        tear_down),
    };

    return check_run(tests, PN_COUNT(tests), NULL, NULL);
}
