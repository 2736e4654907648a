/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <pthread.h>

#include "core/audit/prune.h"
#include "core/audit/query.h"
#include "core/audit/reads.h"
#include "json/settings.h"

static bool run_sql(struct pn_db_conn *tx, void *sql, struct pn_err *err)
{
    return pn_query_run(pn_query(tx, sql), NULL, err);
}

static void tamper(struct home *h, const char *sql)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, run_sql, (void *)(uintptr_t)sql, &err), err);
}

static bool verify(struct home *h, int64_t *rows, struct pn_err *err)
{
    return pn_audit_verify(h->conn, rows, err);
}

/* A few changes by two actors. */
static void do_things(struct home *h)
{
    struct pn_call admin = home_person(h, "admin@acme.test");

    home_project(h, &admin, "one");
    home_project(h, &admin, "two");
}

HOME_TEST(every_change_is_in_an_unbroken_chain)
{
    struct pn_err err = { 0 };
    int64_t rows;

    do_things(h);
    CHECK_OK(verify(h, &rows, &err), err);
    CHECK_EQ(rows, home_count(h, "SELECT count(*) FROM audit_log"));
    CHECK_EQ(home_events(h, "create-project"), 2);
}

HOME_TEST(a_row_tells_who_from_where)
{
    do_things(h);
    CHECK_EQ(
        home_count(h,
                   "SELECT count(*) FROM audit_log WHERE event_type = 'create-project' AND "
                   "actor_type = 'user'"
                   " AND actor_name = 'admin@acme.test' AND ip = '192.0.2.7' AND user_agent = 'cli'"
                   " AND request_id = 'req-1' AND org_id IS NOT NULL AND project_id IS NOT NULL"),
        2);
}

HOME_TEST(an_empty_log_verifies)
{
    struct pn_err err = { 0 };
    int64_t rows;

    tamper(h, "DELETE FROM audit_log");
    CHECK_OK(verify(h, &rows, &err), err);
    CHECK_EQ(rows, 0);
}

/* Each way to change the past is noticed. */
static void check_noticed(struct home *h, const char *sql)
{
    struct pn_err err = { 0 };
    int64_t rows;

    do_things(h);
    CHECK_OK(verify(h, &rows, &err), err);
    tamper(h, sql);
    CHECK_FAILS(verify(h, &rows, &err), err, INTERNAL);
}

HOME_TEST(an_edited_row_is_noticed)
{
    check_noticed(h, "UPDATE audit_log SET metadata = '{}' WHERE sequence = 4");
}

HOME_TEST(another_actor_is_noticed)
{
    check_noticed(h, "UPDATE audit_log SET actor_name = 'somebody' WHERE sequence = 4");
}

HOME_TEST(a_removed_row_is_noticed)
{
    check_noticed(h, "DELETE FROM audit_log WHERE sequence = 2");
}

HOME_TEST(a_removed_beginning_is_noticed)
{
    check_noticed(h, "DELETE FROM audit_log WHERE sequence = 1");
}

HOME_TEST(an_invented_hash_is_noticed)
{
    check_noticed(h, "UPDATE audit_log SET hash = zeroblob(32) WHERE sequence = 3");
}

static bool fail_after_change(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct pn_call *call = context;

    if (!pn_audit_write(tx, call, &(struct pn_audit_event){ .type = "never" }, err))
        return false;
    return pn_fail(err, PN_CONFLICT, "changed my mind");
}

HOME_TEST(what_did_not_happen_is_not_recorded)
{
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };
    int64_t rows;

    CHECK_FAILS(pn_db_write(h->db, fail_after_change, &call, &err), err, CONFLICT);
    CHECK_EQ(home_events(h, "never"), 0);
    CHECK_OK(verify(h, &rows, &err), err);
}

/* Two projects, one of which keeps its rows for ten days; eleven days later. */
static struct pn_project forget(struct home *h)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project kept = home_project(h, &admin, "kept"),
                      brief = home_project(h, &admin, "brief");
    struct pn_err err = { 0 };

    (void)kept;
    CHECK_OK(pn_project_set_retention(&admin, brief.id, 10, &brief, &err), err);
    admin.now_ms += INT64_C(11) * 24 * 3600 * 1000;
    admin.actor = (struct pn_actor){ .kind = PN_ACTOR_PLATFORM };
    CHECK_OK(pn_audit_prune(&admin, &err), err);
    return brief;
}

HOME_TEST(a_row_past_its_retention_is_emptied_and_the_chain_holds)
{
    struct pn_err err = { 0 };
    int64_t rows;

    (void)forget(h);
    CHECK_EQ(home_count(h,
                        "SELECT count(*) FROM audit_log WHERE pruned_by IS NOT NULL AND "
                        "metadata = '' AND event_type = '' AND actor_name IS NULL AND ip IS NULL"),
             2);                                   /* made, and the retention set */
    CHECK_EQ(home_events(h, "create-project"), 1); /* the other project's */
    CHECK_EQ(home_events(h, PN_AUDIT_PRUNED), 1);
    CHECK_OK(verify(h, &rows, &err), err);
    CHECK_EQ(rows, home_count(h, "SELECT count(*) FROM audit_log"));
}

HOME_TEST(nothing_due_is_nothing_written)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "brief");
    struct pn_err err = { 0 };
    int64_t before;

    CHECK_OK(pn_project_set_retention(&admin, project.id, 10, &project, &err), err);
    before = home_count(h, "SELECT count(*) FROM audit_log");
    admin.now_ms += INT64_C(10) * 24 * 3600 * 1000 - 1;
    CHECK_OK(pn_audit_prune(&admin, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log"), before);
    CHECK_OK(pn_project_set_retention(&admin, project.id, 0, &project, &err), err);
    admin.now_ms *= 2;
    CHECK_OK(pn_audit_prune(&admin, &err), err);
    CHECK_EQ(home_events(h, PN_AUDIT_PRUNED), 0);
}

static void check_forgery(struct home *h, const char *sql)
{
    struct pn_err err = { 0 };
    int64_t rows;

    (void)forget(h);
    CHECK_OK(verify(h, &rows, &err), err);
    tamper(h, sql);
    CHECK_FAILS(verify(h, &rows, &err), err, INTERNAL);
}

HOME_TEST(a_row_emptied_without_record_is_noticed)
{
    check_forgery(h, "UPDATE audit_log SET metadata = '', pruned_by = id WHERE sequence = 2");
}

HOME_TEST(a_row_added_to_those_on_record_is_noticed)
{
    check_forgery(h, "UPDATE audit_log SET metadata = '', pruned_by = (SELECT pruned_by FROM "
                     "audit_log WHERE pruned_by IS NOT NULL LIMIT 1) WHERE sequence = 2");
}

HOME_TEST(an_emptied_row_with_another_hash_is_noticed)
{
    check_forgery(h, "UPDATE audit_log SET hash = zeroblob(32) WHERE pruned_by IS NOT NULL");
}

HOME_TEST(an_emptied_row_that_is_gone_is_noticed)
{
    check_forgery(h, "DELETE FROM audit_log WHERE pruned_by IS NOT NULL");
}

HOME_TEST(only_who_administers_the_project_sets_its_retention)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_call other = home_new_person(h, "member@acme.test", "member");
    struct pn_project project = home_project(h, &admin, "brief");
    struct pn_err err = { 0 };
    struct pn_list added;
    struct pn_str email = PN_LIT("member@acme.test"), role = PN_LIT("member");

    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &role, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_FAILS(pn_project_set_retention(&other, project.id, 1, &project, &err), err, PERMISSION);
}

/* ---- reads ---- */

/* Holds the writer up while the test holds the lock. */
static bool wait_for_test(struct pn_db_conn *tx, void *lock, struct pn_err *err)
{
    (void)tx, (void)err;
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return true;
}

static bool do_nothing(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)tx, (void)context, (void)err;
    return true;
}

static bool read_something(struct pn_call *call, struct pn_err *err)
{
    return pn_audit_read(call,
                         &(struct pn_audit_event){ .type = "get-secret",
                                                   .org_id = call->actor.org_id,
                                                   .metadata = PN_LIT("{\"n\":1}") },
                         err);
}

HOME_TEST(a_read_does_not_wait_for_its_record)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };
    int64_t rows;

    pthread_mutex_lock(&lock);
    CHECK_OK(pn_db_write_later(h->db, wait_for_test, &lock, NULL, &err), err);
    for (int i = 0; i < 100; i++)
        CHECK_OK(read_something(&call, &err), err);
    CHECK_EQ(home_events(h, "get-secret"), 0);
    pthread_mutex_unlock(&lock);
    CHECK_OK(pn_db_write(h->db, do_nothing, NULL, &err), err);
    CHECK_EQ(home_events(h, "get-secret"), 100);
    CHECK_OK(verify(h, &rows, &err), err);
}

HOME_TEST(a_read_that_finds_no_room_for_its_record_is_refused)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };

    pthread_mutex_lock(&lock);
    CHECK_OK(pn_db_write_later(h->db, wait_for_test, &lock, NULL, &err), err);
    while (pn_db_write_later(h->db, do_nothing, NULL, NULL, &err))
        ;
    CHECK_EQ(err.code, PN_BUSY);
    pn_err_clear(&err);
    CHECK_FAILS(read_something(&call, &err), err, BUSY);
    pthread_mutex_unlock(&lock);
    while (!pn_db_write(h->db, do_nothing, NULL, &err))
        pn_err_clear(&err);
    CHECK_EQ(home_events(h, "get-secret"), 0);
}

HOME_TEST(a_durable_read_is_on_record_when_it_returns)
{
    const struct pn_settings settings = { .audit_reads = "durable" };
    struct pn_call call = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };

    call.settings = &settings;
    CHECK_OK(read_something(&call, &err), err);
    CHECK_EQ(home_events(h, "get-secret"), 1);
}

HOME_TEST(who_may_not_read_the_record_is_told_so_first)
{
    struct pn_call stranger = home_new_person(h, "ann@acme.test", "no-access");
    const struct pn_audit_filter wrong = { .environment = PN_LIT("dev"), .limit = 10 };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };
    struct pn_list found;

    CHECK_FAILS(pn_audit_list(&stranger, &wrong, &found, &err), err, PERMISSION);
    CHECK_FAILS(pn_audit_list(&admin, &wrong, &found, &err), err, VALIDATION);
}

PN_TEST_MAIN(
    T(a_row_past_its_retention_is_emptied_and_the_chain_holds), T(nothing_due_is_nothing_written),
    T(a_row_emptied_without_record_is_noticed), T(a_row_added_to_those_on_record_is_noticed),
    T(an_emptied_row_with_another_hash_is_noticed), T(an_emptied_row_that_is_gone_is_noticed),
    T(only_who_administers_the_project_sets_its_retention), T(every_change_is_in_an_unbroken_chain),
    T(a_row_tells_who_from_where), T(an_empty_log_verifies), T(an_edited_row_is_noticed),
    T(another_actor_is_noticed), T(a_removed_row_is_noticed), T(a_removed_beginning_is_noticed),
    T(an_invented_hash_is_noticed), T(what_did_not_happen_is_not_recorded),
    T(a_read_does_not_wait_for_its_record), T(a_read_that_finds_no_room_for_its_record_is_refused),
    T(a_durable_read_is_on_record_when_it_returns), T(who_may_not_read_the_record_is_told_so_first))
