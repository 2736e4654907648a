/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "fixture.h"

static const struct pn_watch watched[] = {
    { "parents", false }, { "children", false }, { "grants", true }, { 0 }
};

static const struct pn_migration tables[] = {
    { 1, "tables",
      "CREATE TABLE parents (id ID PRIMARY KEY, n BIGINT NOT NULL);"
      "CREATE TABLE children (id ID PRIMARY KEY, parent ID NOT NULL REFERENCES parents (id) ON"
      " DELETE CASCADE);"
      "CREATE TABLE grants (id ID PRIMARY KEY);"
      "CREATE TABLE others (id ID PRIMARY KEY, parent ID REFERENCES parents (id) ON DELETE"
      " CASCADE);" },
};

static const struct pn_uuid one = { { 1, [15] = 1 } }, two = { { 2, [15] = 2 } };

struct step {
    const char *sql;
    bool says_one, fails;
};

static bool run_step(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct step *step = context;

    if (step->says_one)
        pn_db_touch(tx, one);
    if (!pn_query_run(pn_query(tx, step->sql), NULL, err))
        return false;
    return !step->fails || pn_fail(err, PN_BAD_REQUEST, "changed my mind");
}

#define ONE "x'01000000000000000000000000000001'"

/* In order: each finds what those before it left. */
static const struct {
    const char *says;
    struct step step;
    int one, two; /* by how much the versions rise */
} cases[] = {
    { "a new row", { "INSERT INTO parents (id, n) VALUES (" ONE ", 1)" }, 0, 0 },
    { "a new child", { "INSERT INTO children (id, parent) VALUES (" ONE ", " ONE ")" }, 0, 0 },
    { "a new row that matters to others", { "INSERT INTO grants (id) VALUES (" ONE ")" }, 1, 1 },
    { "one that matters to one", { "INSERT INTO grants (id) VALUES (x'02')", true }, 1, 0 },
    { "a table nobody watches",
      { "INSERT INTO others (id, parent) VALUES (" ONE ", " ONE ")" },
      0,
      0 },
    { "its change", { "UPDATE others SET parent = NULL WHERE id = " ONE }, 0, 0 },
    { "a change of everybody's", { "UPDATE parents SET n = 2 WHERE id = " ONE }, 1, 1 },
    { "a change of one's", { "UPDATE parents SET n = 3 WHERE id = " ONE, true }, 1, 0 },
    { "a change of no row", { "UPDATE parents SET n = 3 WHERE n = 99" }, 0, 0 },
    { "an insert that turns out a change",
      { "INSERT INTO parents (id, n) VALUES (" ONE ", 5) ON CONFLICT (id) DO UPDATE SET n = 6" },
      1,
      1 },
    { "what went by a cascade", { "DELETE FROM parents WHERE id = " ONE }, 1, 1 },
};

PN_TEST(versions_rise_for_those_whom_a_change_concerns)
{
    struct fixture f = fixture_path();
    struct pn_err err = { 0 };

    f.config.migrations = tables;
    f.config.migration_count = PN_COUNT(tables);
    f.config.watched = watched;
    fixture_start(&f);
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct step step = cases[i].step;
        uint64_t before_one = pn_db_version(f.db, one), before_two = pn_db_version(f.db, two);

        CHECK_OK(pn_db_write(f.db, run_step, &step, &err), err);
        if (pn_db_version(f.db, one) - before_one != (uint64_t)cases[i].one ||
            pn_db_version(f.db, two) - before_two != (uint64_t)cases[i].two)
            fail_msg("%s", cases[i].says);
    }
    fixture_stop(&f);
    fixture_remove(&f);
}

PN_TEST(a_cascade_alone_is_heard)
{
    static const struct pn_watch children[] = { { "children", false }, { 0 } };
    struct step steps[] = { { "INSERT INTO parents (id, n) VALUES (" ONE ", 1)" },
                            { "INSERT INTO children (id, parent) VALUES (" ONE ", " ONE ")" },
                            { "DELETE FROM parents WHERE id = " ONE } };
    struct fixture f = fixture_path();
    struct pn_err err = { 0 };

    f.config.migrations = tables;
    f.config.migration_count = PN_COUNT(tables);
    f.config.watched = children;
    fixture_start(&f);
    for (size_t i = 0; i < PN_COUNT(steps); i++)
        CHECK_OK(pn_db_write(f.db, run_step, &steps[i], &err), err);
    CHECK_EQ(pn_db_version(f.db, two), 1);
    fixture_stop(&f);
    fixture_remove(&f);
}

PN_TEST_MAIN(T(versions_rise_for_those_whom_a_change_concerns), T(a_cascade_alone_is_heard))
