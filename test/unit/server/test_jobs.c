/* SPDX-License-Identifier: Apache-2.0 */
/* The engine with its own threads on a database of its own. Leases, which need a cluster: test/integ. */
#include "core/stage.h"

#include <sched.h>
#include <time.h>

#include "core/pam/access.h"
#include "json/settings.h"
#include "server/jobs/jobs.h"
#include "server/metrics.h"

struct scene {
    struct stage stage;
    struct pn_settings *settings;
    struct pn_metrics metrics;
    struct pn_jobs *jobs;
};

static void start(struct scene *s)
{
    const struct pn_jobs_config config = { .db = s->stage.db,
                                           .keyring = s->stage.keyring,
                                           .settings = s->settings,
                                           .metrics = &s->metrics };
    struct pn_err err = { 0 };

    CHECK_OK(pn_jobs_start(&config, &s->jobs, &err), err);
}

static void stop(struct scene *s)
{
    pn_jobs_stop(s->jobs);
    s->jobs = NULL;
}

static int64_t real_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The stage's clock goes on as long as somebody waits, and as fast as it is. */
static void await(struct scene *s, const char *sql)
{
    int64_t last_ms = real_ms();

    while (stage_count(&s->stage, sql) != 1) {
        const int64_t now_ms = real_ms();

        pn_clock_advance(now_ms - last_ms);
        last_ms = now_ms;
        sched_yield();
    }
}

static bool write_sql(struct pn_db_conn *tx, void *sql, struct pn_err *err)
{
    return pn_query_run(pn_query(tx, *(const char **)sql), NULL, err);
}

static void change(struct scene *s, const char *sql)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->stage.db, write_sql, &sql, &err), err);
}

#define LOGINS "SELECT count(*) FROM jobs WHERE kind = 'sweep-logins' AND claimed_until_ms = 0"

PN_TEST(what_recurs_says_what_it_fails_with_and_recovers)
{
    struct scene *s = *state;

    change(s, "ALTER TABLE login_failures RENAME TO elsewhere");
    start(s);
    await(s, LOGINS " AND attempts = 1 AND last_error IS NOT NULL AND failing_since_ms > 0");
    await(s, "SELECT count(*) FROM jobs WHERE kind = 'prune-audit-log' AND claimed_until_ms = 0"
             " AND attempts = 0 AND due_ms >= created_ms + 600000");
    CHECK(atomic_load(&s->metrics.job_failures) == 1);
    change(s, "ALTER TABLE elsewhere RENAME TO login_failures");
    change(s, "UPDATE jobs SET due_ms = 0 WHERE kind = 'sweep-logins'"); /* job retry */
    await(s, LOGINS " AND attempts = 0 AND last_error IS NULL AND due_ms > 0");
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs"), 3);
}

PN_TEST(what_recurs_is_due_at_a_start_whatever_the_clock_was)
{
    struct scene *s = *state;

    start(s);
    await(s, LOGINS " AND due_ms > created_ms");
    stop(s);
    change(s, "UPDATE jobs SET due_ms = 9000000000000, claimed_until_ms = 9000000000000");
    start(s);
    await(s, LOGINS " AND due_ms > created_ms AND due_ms < 9000000000000");
}

PN_TEST(a_session_ends_on_its_time)
{
    struct scene *s = *state;
    struct stage *stage = &s->stage;
    const struct pn_uuid gateway = stage_gateway(stage, "edge"),
                         relay = stage_relay(stage, "eu", "relay.test"),
                         resource = stage_resource(stage, stage->project, "prod", gateway);
    const struct pn_pam_access_wish wish = { .path = PN_LIT("prod/ro"), .duration = PN_LIT("1s") };
    struct pn_call call;
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)stage_account(stage, resource, "ro", 3600);
    stage_tunnel(stage, relay, gateway);
    start(s);
    call = stage_call(stage, stage->member);
    CHECK_OK(pn_pam_access_open(&call, &wish, &got, &err), err);
    CHECK_EQ(stage_count(stage, "SELECT count(*) FROM jobs WHERE kind = 'pam-session'"), 1);
    await(s, "SELECT count(*) FROM pam_sessions WHERE status = 'ended'");
    CHECK_EQ(stage_count(stage, "SELECT count(*) FROM jobs WHERE kind = 'pam-session'"), 0);
}

/* A program that was set back: what it does not know waits, and nothing waits for it. */
PN_TEST(rows_of_a_newer_program_hold_nothing_up)
{
    struct scene *s = *state;

    change(s, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
              " INSERT INTO jobs (kind, id, org_id, place, due_ms, claim, claimed_until_ms,"
              " attempts, created_ms) SELECT 'of-tomorrow', randomblob(16),"
              " x'ffffffffffffffffffffffffffffffff', '', 1, 0, 0, 0, 1 FROM n");
    start(s);
    await(s, LOGINS " AND due_ms > created_ms");
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs WHERE kind = 'of-tomorrow'"
                                    " AND claim = 0"),
             300);
}

/* ---- a database of before ---- */

#define BEFORE_JOB_KINDS 25 /* migrations of a program that looked for sessions itself */

/* A session of each state that ends an hour from now, what a chore failed with, a lease and a sweep that wait. */
static const char *const rows_of_before[] = {
    "INSERT INTO orgs (id, name, slug, created_ms, updated_ms)"
    " VALUES (x'aa000000000000000000000000000000', 'old', 'old', 1, 1)",
    "INSERT INTO projects (id, org_id, name, slug, type, has_delete_protection, created_ms,"
    " updated_ms) VALUES (x'bb000000000000000000000000000000',"
    " x'aa000000000000000000000000000000', 'old', 'old', 'pam', 0, 1, 1)",
    "INSERT INTO pam_sessions (id, org_id, project_id, resource_name, account_name, gateway_name,"
    " actor_name, access_method, status, created_ms, expires_ms, updated_ms)"
    " SELECT randomblob(16), x'aa000000000000000000000000000000',"
    " x'bb000000000000000000000000000000', 'prod', 'ro', 'edge', 'jane', 'cli', column1, 1,"
    " 1790003600123, 1 FROM (VALUES ('starting'), ('active'), ('ended'), ('terminated'))",
    "INSERT INTO jobs (kind, id, org_id, place, due_ms, claim, claimed_until_ms, attempts,"
    " failing_since_ms, last_error, created_ms) VALUES"
    " ('sweep-logins', x'01000000000000000000000000000000', NULL, '', 1, 0, 0, 7, 1, 'no', 1),"
    " ('lease', x'02000000000000000000000000000000', x'aa000000000000000000000000000000', 'far',"
    " 9000000000000, 3, 9000000000000, 2, 1, 'no', 1),"
    " ('lease-sweep', x'03000000000000000000000000000000', x'aa000000000000000000000000000000',"
    " 'far', 9000000000000, 1, 0, 0, NULL, NULL, 1)",
};

static void be_of_before(struct scene *s)
{
    const struct pn_db_config config = { .path = s->stage.path,
                                         .migrations = pn_core_migrations,
                                         .migration_count = BEFORE_JOB_KINDS };
    struct pn_err err = { 0 };

    stage_close(&s->stage);
    CHECK_EQ(unlink(s->stage.path), 0);
    CHECK_OK(pn_db_open(&config, &s->stage.db, &err), err);
    for (size_t i = 0; i < PN_COUNT(rows_of_before); i++)
        change(s, rows_of_before[i]);
    pn_db_close(s->stage.db);
    stage_open(&s->stage, false);
}

#define SESSIONS "SELECT count(*) FROM pam_sessions WHERE status = "

/* Killed while it served, and started as today's program. */
PN_TEST(what_a_program_of_before_left_ends_on_its_time)
{
    struct scene *s = *state;

    be_of_before(s);
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs"), 4);
    start(s);
    await(s, LOGINS " AND attempts = 0 AND last_error IS NULL AND due_ms > created_ms");
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs WHERE kind = 'sweep-logins'"), 1);
    CHECK_EQ(stage_count(&s->stage, SESSIONS "'starting' OR status = 'active'"), 2);
    pn_clock_advance(3600000);
    await(s, "SELECT count(*) = 3 FROM pam_sessions WHERE status = 'ended'");
    CHECK_EQ(stage_count(&s->stage, SESSIONS "'terminated'"), 1);
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM pam_sessions WHERE end_reason IS NOT NULL"
                                    " AND ended_ms IS NOT NULL"),
             2);
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs WHERE kind = 'pam-session'"), 0);
    CHECK_EQ(stage_count(&s->stage, "SELECT count(*) FROM jobs WHERE place = 'far'"), 2);
    CHECK_EQ(stage_count(&s->stage, "SELECT claim FROM jobs WHERE kind = 'lease' AND attempts = 2"
                                    " AND claimed_until_ms = 0"),
             3);
}

static int set_up(void **state)
{
    const struct pn_settings_source source = { .file_name = "none" };
    struct scene *s = pn_heap_new(sizeof(*s));
    struct pn_err err = { 0 };

    stage_start(&s->stage);
    CHECK_OK(pn_settings_load(&source, &s->settings, &err), err);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    stop(s);
    pn_settings_free(s->settings);
    stage_stop(&s->stage);
    pn_heap_free(s);
    return 0;
}

#define S(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(S(what_recurs_says_what_it_fails_with_and_recovers),
             S(what_recurs_is_due_at_a_start_whatever_the_clock_was), S(a_session_ends_on_its_time),
             S(rows_of_a_newer_program_hold_nothing_up),
             S(what_a_program_of_before_left_ends_on_its_time))
