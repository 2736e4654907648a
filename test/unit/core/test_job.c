/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "core/job/job.h"

/* What a write function is to do, and what came of it. */
struct step {
    enum { ADD, ADD_NEWER, MOVE, DROP, TAKE, CLAIM, FAIL, RELEASE, RECUR, AGAIN } what;
    enum pn_job_kind kind;
    struct pn_uuid id;
    struct pn_job_where where;
    int64_t due_ms, claim;
};

static bool write_step(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const int64_t now_ms = pn_clock_lease_ms();
    struct step *s = context;

    switch (s->what) {
    case ADD: return pn_job_put(tx, s->kind, s->id, &s->where, s->due_ms, now_ms, err);
    case ADD_NEWER:
        return pn_job_put(tx, s->kind, s->id, &s->where, s->due_ms, now_ms, err) &&
               pn_query_run(pn_query(tx, "UPDATE jobs SET kind = 'of-tomorrow'"), NULL, err);
    case MOVE: return pn_job_move(tx, s->kind, s->id, s->due_ms, err);
    case DROP: return pn_job_drop(tx, s->kind, s->id, err);
    case TAKE: return pn_job_take(tx, s->kind, s->id, now_ms, &s->claim, err);
    case CLAIM: return pn_job_claim(tx, s->kind, s->id, now_ms, &s->claim, err);
    case FAIL:
        return pn_job_fail(tx, s->kind, s->id, s->claim, s->due_ms, PN_LIT("no"), now_ms, err);
    case RELEASE: return pn_job_release_all(tx, err);
    case RECUR: return pn_job_recur(tx, s->kind, now_ms, err);
    case AGAIN: return pn_job_again(tx, s->kind, s->id, s->claim, s->due_ms, err);
    }
    return false;
}

static struct stage stage;

static struct step done(struct step step)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(stage.db, write_step, &step, &err), err);
    return step;
}

static struct pn_job_where at(uint8_t org, const char *place)
{
    return (struct pn_job_where){ .org_id = { { org } }, .place = pn_str_from(place) };
}

static struct pn_uuid add_of(uint8_t org, const char *place, int64_t due_ms)
{
    struct pn_uuid id = pn_random_uuid();

    (void)done((struct step){ .what = ADD, .id = id, .where = at(org, place), .due_ms = due_ms });
    return id;
}

static struct pn_uuid add(const char *place, int64_t due_ms)
{
    return add_of(1, place, due_ms);
}

static struct pn_job_row row(struct pn_uuid id)
{
    struct pn_job_row out = { .claim = -1 };
    struct pn_err err = { 0 };
    bool is_there;

    CHECK_OK(pn_job_find(stage.conn, stage.arena, PN_JOB_LEASE, id, &out, &is_there, &err), err);
    CHECK_EQ(is_there, out.claim >= 0);
    return out;
}

static size_t due(const char *place, int64_t limit)
{
    const struct pn_job_where where = at(1, place);
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_job_due(stage.conn, stage.arena, &where, pn_clock_lease_ms(), limit, &list, &err),
             err);
    return list.count;
}

static bool holds(struct pn_uuid id, int64_t claim)
{
    struct pn_err err = { 0 };
    bool does;

    CHECK_OK(pn_job_holds(stage.conn, PN_JOB_LEASE, id, claim, &does, &err), err);
    return does;
}

static int64_t claim(struct pn_uuid id)
{
    return done((struct step){ .what = CLAIM, .id = id }).claim;
}

PN_TEST(only_what_is_due_is_claimed_and_once)
{
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_uuid id = add("a", now_ms + 10);

    CHECK_EQ(claim(id), 0);
    CHECK_EQ(due("a", 10), 0);
    pn_clock_advance(10);
    CHECK_EQ(due("a", 10), 1);
    CHECK_EQ(due("b", 10), 0);
    CHECK(claim(id) > 0);
    CHECK_EQ(due("a", 10), 0);
    CHECK_EQ(claim(id), 0);
}

PN_TEST(a_claim_that_is_not_given_back_ends_by_itself)
{
    struct pn_uuid id = add("a", 1);
    int64_t first = claim(id), second;

    pn_clock_advance(PN_JOB_CLAIM_MS);
    second = claim(id);
    CHECK(second > first);
    CHECK(!holds(id, first));
    CHECK(holds(id, second));
}

PN_TEST(a_run_that_was_overtaken_changes_nothing)
{
    struct pn_uuid id = add("a", 1);
    int64_t first = claim(id), second = done((struct step){ .what = TAKE, .id = id }).claim;
    int64_t due_ms = row(id).due_ms;

    CHECK(second > first);
    (void)done((struct step){ .what = FAIL, .id = id, .claim = first, .due_ms = 77 });
    CHECK_EQ(row(id).due_ms, due_ms);
    CHECK_EQ(row(id).attempts, 0);
    (void)done((struct step){ .what = FAIL, .id = id, .claim = second, .due_ms = 78 });
    CHECK_EQ(row(id).due_ms, 78);
    CHECK_EQ(row(id).attempts, 1);
    CHECK_STR(row(id).last_error, "no");
}

PN_TEST(what_was_taken_by_hand_is_due_after_a_crash)
{
    struct pn_uuid id = add("a", pn_clock_lease_ms() + 3600000);

    CHECK(done((struct step){ .what = TAKE, .id = id }).claim > 0);
    CHECK_EQ(due("a", 10), 0);
    (void)done((struct step){ .what = RELEASE });
    CHECK_EQ(due("a", 10), 1);
}

PN_TEST(moving_overtakes_and_forgets_failures)
{
    struct pn_uuid id = add("a", 1);
    int64_t first = claim(id);

    (void)done((struct step){ .what = FAIL, .id = id, .claim = first, .due_ms = 2 });
    first = claim(id);
    (void)done((struct step){ .what = MOVE, .id = id, .due_ms = pn_clock_lease_ms() + 1000 });
    CHECK(!holds(id, first));
    CHECK_EQ(row(id).attempts, 0);
    CHECK_EQ(row(id).failing_since_ms, 0);
    CHECK_EQ(due("a", 10), 0);
}

PN_TEST(the_first_failure_is_remembered)
{
    struct pn_uuid id = add("a", 1);
    int64_t since_ms = pn_clock_lease_ms();

    for (int i = 1; i <= 3; i++) {
        (void)done((struct step){ .what = FAIL, .id = id, .claim = claim(id), .due_ms = i });
        pn_clock_advance(1000);
    }
    CHECK_EQ(row(id).failing_since_ms, since_ms);
    CHECK_EQ(row(id).attempts, 3);
}

/* "1a 2a": organisations and places, as they come. */
static const char *where_due(int64_t limit)
{
    static char text[256];
    const struct pn_job_where *where;
    struct pn_err err = { 0 };
    struct pn_list list;
    size_t len = 0;

    CHECK_OK(pn_job_due_where(stage.conn, stage.arena, pn_clock_lease_ms(), limit, &list, &err),
             err);
    where = list.items;
    text[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d%.*s", i > 0 ? " " : "",
                                where[i].org_id.bytes[0], PN_ARG(where[i].place));
    return text;
}

/* An organisation with many places does not push out the one of another. */
PN_TEST(organisations_come_in_turn)
{
    (void)add_of(1, "c", 3);
    (void)add_of(1, "a", 1);
    (void)add_of(1, "a", 9);
    (void)add_of(1, "b", 2);
    (void)add_of(2, "a", 8);
    (void)add_of(2, "", 7);
    CHECK_STR(pn_str_from(where_due(10)), "2 1a 1b 2a 1c");
    CHECK_STR(pn_str_from(where_due(2)), "2 1a");
    CHECK_EQ(due("a", 1), 1);
    CHECK_EQ(due("a", 10), 2);
}

/* Sessions end on time whatever clusters do, their own organisation's too: what needs rows alone is before them. */
PN_TEST(places_that_are_far_push_out_no_session)
{
    (void)add_of(1, "a", 1);
    (void)add_of(1, "b", 2);
    (void)add_of(2, "c", 3);
    (void)add_of(1, "", 9);
    CHECK_STR(pn_str_from(where_due(1)), "1");
    CHECK_STR(pn_str_from(where_due(2)), "1 1a");
    CHECK_STR(pn_str_from(where_due(10)), "1 1a 2c 1b");
}

/* Also of ten thousand places where something waits, only those are looked at where it is time. */
PN_TEST(what_is_not_due_or_held_is_nowhere)
{
    struct pn_uuid id = add_of(1, "held", 1);

    (void)add_of(1, "later", pn_clock_lease_ms() + 1000);
    CHECK_STR(pn_str_from(where_due(10)), "1held");
    CHECK(claim(id) > 0);
    CHECK_STR(pn_str_from(where_due(10)), "");
    pn_clock_advance(1000);
    CHECK_STR(pn_str_from(where_due(10)), "1later");
}

/* Asked twice a second: a hundred thousand leases that live cost nothing. */
PN_TEST(what_is_not_due_is_not_read)
{
    struct pn_query *q = pn_query(stage.conn, "EXPLAIN QUERY PLAN " PN_JOB_DUE_WHERE);
    struct pn_err err = { 0 };
    int reads = 0;

    pn_bind_int(q, "$now", 1);
    pn_bind_int(q, "$limit", 1);
    while (pn_query_next(q)) {
        struct pn_str step = pn_column_str(q, 3, stage.arena);

        if (pn_str_search(step, PN_LIT(" jobs ")) < 0)
            continue;
        CHECK_STR(step, "SEARCH jobs USING COVERING INDEX jobs_due (due_ms<?)");
        reads++;
    }
    CHECK_OK(pn_query_end(q, &err), err);
    CHECK_EQ(reads, 1);
}

PN_TEST(a_start_releases_what_a_crash_held)
{
    struct pn_uuid id = add("a", 1);
    int64_t first = claim(id);

    CHECK_EQ(claim(id), 0);
    (void)done((struct step){ .what = RELEASE });
    CHECK(claim(id) > first);
}

/* A program that was set back finds rows that it cannot run: they take nobody's place. */
PN_TEST(what_a_newer_program_left_is_passed_by)
{
    struct pn_job_row *rows;
    struct pn_err err = { 0 };
    struct pn_list list;

    for (int i = 0; i < 8; i++)
        (void)done((struct step){
            .what = ADD_NEWER, .id = pn_random_uuid(), .where = at(1, "a"), .due_ms = 1 });
    CHECK_STR(pn_str_from(where_due(10)), "");
    (void)add("a", 2);
    CHECK_STR(pn_str_from(where_due(10)), "1a");
    CHECK_EQ(due("a", 4), 1);
    CHECK_OK(pn_job_list(stage.conn, stage.arena, false, 10, &list, &err), err);
    CHECK_EQ(list.count, 9); /* and are shown */
    rows = list.items;
    CHECK_EQ(rows[0].kind, PN_JOB_KIND_COUNT);
    CHECK_STR(rows[0].kind_name, "of-tomorrow");
}

/* The one row that the server itself has. */
static struct pn_job_row recurring(void)
{
    struct pn_job_row *found = NULL;
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_job_list(stage.conn, stage.arena, false, 10, &list, &err), err);
    for (size_t i = 0; i < list.count; i++)
        if (((struct pn_job_row *)list.items)[i].kind == PN_JOB_AUDIT) {
            CHECK(found == NULL);
            found = (struct pn_job_row *)list.items + i;
        }
    CHECK(found != NULL);
    return *found;
}

PN_TEST(what_recurs_has_one_row_for_good)
{
    struct step run = { .kind = PN_JOB_AUDIT };

    for (int i = 0; i < 2; i++) { /* two starts */
        run.what = RECUR;
        (void)done(run);
    }
    CHECK_STR(pn_str_from(where_due(10)), "0");
    run.id = recurring().id;
    run.what = CLAIM;
    run.claim = done(run).claim;
    CHECK(run.claim > 0);
    CHECK_STR(pn_str_from(where_due(10)), "");
    run.what = FAIL;
    run.due_ms = pn_clock_lease_ms() + 5;
    (void)done(run);
    CHECK_EQ(recurring().attempts, 1);
    CHECK_STR(recurring().last_error, "no");
    pn_clock_advance(5);
    run.what = CLAIM;
    run.claim = done(run).claim;
    run.what = AGAIN;
    run.due_ms = pn_clock_lease_ms() + 7;
    run.claim--; /* overtaken */
    (void)done(run);
    CHECK_EQ(recurring().attempts, 1);
    run.claim++;
    (void)done(run);
    CHECK_EQ(recurring().attempts, 0);
    CHECK(recurring().last_error.ptr == NULL);
    CHECK_EQ(recurring().due_ms, run.due_ms);
    CHECK_EQ(recurring().claimed_until_ms, 0);
}

PN_TEST(an_operator_sees_how_much_waits_and_for_how_long)
{
    struct pn_job_stats stats;
    struct pn_err err = { 0 };

    (void)add("a", INT64_MAX);
    (void)done((struct step){ .what = FAIL, .id = add("a", 5), .due_ms = 6 });
    CHECK_OK(pn_job_stats(stage.conn, 16, &stats, &err), err);
    CHECK_EQ(stats.waiting, 2);
    CHECK_EQ(stats.failing, 1);
    CHECK_EQ(stats.lag_ms, 10);
}

PN_TEST(the_clock_goes_on_after_a_restart_while_something_waits)
{
    struct pn_call call = stage_call(&stage, stage.admin);
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_err err = { 0 };

    (void)add("a", now_ms + 1000);
    CHECK_OK(pn_job_keep_clock(&call, &err), err);
    pn_clock_release(); /* a new process … */
    pn_clock_freeze(now_ms - 3600000, 5);
    CHECK_EQ(pn_clock_lease_ms(), now_ms - 3600000);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    CHECK_EQ(pn_clock_lease_ms(), now_ms);
}

PN_TEST(without_anything_that_waits_the_clock_is_the_walls)
{
    struct pn_call call = stage_call(&stage, stage.admin);
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_err err = { 0 };
    struct pn_uuid id = add("a", now_ms + 1000);

    CHECK_OK(pn_job_keep_clock(&call, &err), err);
    (void)done((struct step){ .what = DROP, .id = id });
    (void)done((struct step){ .what = RECUR, .kind = PN_JOB_CLOCK }); /* always there */
    pn_clock_release();
    pn_clock_freeze(now_ms - 3600000, 5);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    CHECK_EQ(pn_clock_lease_ms(), now_ms - 3600000);
}

/* Killed in the first minute of what waits, and started an hour back: what is due is due no later. */
PN_TEST(what_waits_is_written_with_the_clock_it_waits_by)
{
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_err err = { 0 };
    struct pn_uuid id = add("a", now_ms + 1000);

    pn_clock_release();
    pn_clock_freeze(now_ms - 3600000, 5);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    CHECK_EQ(pn_clock_lease_ms(), now_ms);
    pn_clock_advance(7200000);
    (void)done((struct step){ .what = MOVE, .id = id, .due_ms = now_ms + 7300000 });
    pn_clock_release();
    pn_clock_freeze(now_ms - 3600000, 5);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    CHECK_EQ(pn_clock_lease_ms(), now_ms + 7200000);
}

/* Where the clock had come when it was wrong ends nothing that was begun when it was right. */
PN_TEST(a_clock_that_nobody_waited_for_is_not_taken_up)
{
    struct pn_call call = stage_call(&stage, stage.admin);
    const int64_t now_ms = pn_clock_lease_ms();
    struct pn_err err = { 0 };
    struct pn_uuid id;

    pn_clock_freeze(now_ms + 3600000, 1000);
    id = add("a", pn_clock_lease_ms() + 1000);
    CHECK_OK(pn_job_keep_clock(&call, &err), err);
    (void)done((struct step){ .what = DROP, .id = id });
    pn_clock_release();
    pn_clock_freeze(now_ms, 5);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    (void)add("a", now_ms + 60000);
    pn_clock_release();
    pn_clock_freeze(now_ms + 10, 5);
    CHECK_OK(pn_job_load_clock(stage.conn, &err), err);
    CHECK_EQ(pn_clock_lease_ms(), now_ms + 10);
}

static int set_up(void **state)
{
    (void)state;
    stage_start(&stage);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_stop(&stage);
    return 0;
}

#define S(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(S(only_what_is_due_is_claimed_and_once),
             S(a_claim_that_is_not_given_back_ends_by_itself),
             S(a_run_that_was_overtaken_changes_nothing),
             S(what_was_taken_by_hand_is_due_after_a_crash),
             S(moving_overtakes_and_forgets_failures), S(the_first_failure_is_remembered),
             S(organisations_come_in_turn), S(places_that_are_far_push_out_no_session),
             S(what_is_not_due_or_held_is_nowhere), S(what_is_not_due_is_not_read),
             S(a_start_releases_what_a_crash_held), S(what_a_newer_program_left_is_passed_by),
             S(what_recurs_has_one_row_for_good),
             S(an_operator_sees_how_much_waits_and_for_how_long),
             S(the_clock_goes_on_after_a_restart_while_something_waits),
             S(without_anything_that_waits_the_clock_is_the_walls),
             S(what_waits_is_written_with_the_clock_it_waits_by),
             S(a_clock_that_nobody_waited_for_is_not_taken_up))
