/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20.6. */
#include "stage.h"

#include "core/pam/access.h"
#include "core/pam/batch.h"
#include "core/pam/session.h"

struct scene {
    struct pn_uuid gateway, session;
};

static struct scene set(struct stage *s)
{
    struct scene scene = { .gateway = stage_gateway(s, "edge") };
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)stage_account(s, stage_resource(s, s->project, "prod", scene.gateway), "ro", 3600);
    stage_tunnel(s, stage_relay(s, "eu", "relay.test"), scene.gateway);
    CHECK_OK(pn_pam_access_open(&call, &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro") },
                                &got, &err),
             err);
    scene.session = got.session_id;
    return scene;
}

static bool put(struct stage *s, struct scene scene, int64_t start, const char *body,
                struct pn_err *err)
{
    struct pn_call call = stage_call(s, stage_gateway_actor(s, scene.gateway));

    return pn_pam_batch_put(&call, scene.session, start, pn_str_from(body), err);
}

static struct pn_pam_log_page read_page(struct stage *s, struct scene scene, int64_t offset,
                                        int64_t limit)
{
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_log_page page;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_batch_read(&call, scene.session, offset, limit, &page, &err), err);
    return page;
}

STAGE_TEST(events_come_back_as_they_came)
{
    struct scene scene = set(s);
    struct pn_err err = { 0 };
    struct pn_pam_log_page page;

    CHECK_STR(read_page(s, scene, 0, 20).events, "[]");
    CHECK_OK(put(s, scene, 0, " [ {\"b\":1, \"a\" : \"needle \\u00e9\"} ,{} ]\n", &err), err);
    CHECK_OK(put(s, scene, 2, "[{\"seq\":2}]", &err), err);
    page = read_page(s, scene, 0, 20);
    CHECK_STR(page.events, "[{\"b\":1, \"a\" : \"needle \\u00e9\"} ,{},{\"seq\":2}]");
    CHECK_EQ(page.batch_count, 2);
    CHECK(!page.has_more);
    CHECK(!stage_leaks(s, PN_LIT("needle")));
}

STAGE_TEST(c113_the_same_batch_again_is_fine)
{
    struct scene scene = set(s);
    struct pn_err err = { 0 };

    for (int i = 0; i < 3; i++)
        CHECK_OK(put(s, scene, 0, "[{\"seq\":0},{\"seq\":1}]", &err), err);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_session_batches"), 1);
    CHECK_EQ(stage_count(s, "SELECT end_offset FROM pam_session_batches"), 2);
    CHECK_EQ(stage_events(s, "pam-session-logs-update"), 1);
}

STAGE_TEST(another_body_in_the_same_place_is_refused)
{
    static const struct {
        int64_t start;
        const char *body;
    } bad[] = {
        { 10, "[{\"seq\":9},{\"seq\":9}]" }, /* the same place, another body */
        { 10, "[{\"seq\":10}]" },            /* shorter */
        { 9, "[{},{}]" },                    /* reaches in */
        { 11, "[{},{}]" },                   /* begins inside */
        { 8, "[{},{},{},{},{},{}]" },        /* around it */
    };
    struct scene scene = set(s);
    struct pn_err err = { 0 };

    CHECK_OK(put(s, scene, 10, "[{\"seq\":10},{\"seq\":11}]", &err), err);
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK(!put(s, scene, bad[i].start, bad[i].body, &err));
        CHECK_STR(err.details, "{\"startOffset\":10,\"endOffset\":12}");
        CHECK_FAILS(false, err, CONFLICT);
    }
    CHECK_OK(put(s, scene, 12, "[{}]", &err), err); /* beside it, on either side */
    CHECK_OK(put(s, scene, 8, "[{},{}]", &err), err);
    CHECK_STR(read_page(s, scene, 0, 20).events, "[{},{},{\"seq\":10},{\"seq\":11},{}]");
}

STAGE_TEST(what_is_no_batch)
{
    static const char *const bad[] = { "",
                                       "{}",
                                       "[1]",
                                       "[{}",
                                       "[{}] x",
                                       "null",
                                       "[[{}]]",
                                       "[{},null]",
                                       "[\"a\"]",
                                       "[{\"a\":1,\"a\":2}]",
                                       "[{\"a\":\"\xff\"}]" };
    struct scene scene = set(s);
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(put(s, scene, 0, bad[i], &err), err, BAD_REQUEST);
    CHECK_FAILS(put(s, scene, -1, "[{}]", &err), err, BAD_REQUEST);
    CHECK_FAILS(put(s, scene, INT64_MAX, "[{}]", &err), err, BAD_REQUEST);
    CHECK_OK(put(s, scene, 0, "[]", &err), err);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_session_batches"), 0);
}

/* "[{"x":"aaa…"}]" of exactly `bytes`. */
static struct pn_str big_batch(struct stage *s, size_t bytes)
{
    char *text = pn_new(s->arena, char, bytes);

    memset(text, 'a', bytes);
    memcpy(text, "[{\"x\":\"", 7);
    memcpy(text + bytes - 3, "\"}]", 3);
    return pn_str_of(text, bytes);
}

STAGE_TEST(a_batch_has_a_mebibyte_and_a_page_about_one)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, stage_gateway_actor(s, scene.gateway));
    struct pn_pam_log_page page;
    struct pn_err err = { 0 };

    CHECK_FAILS(
        pn_pam_batch_put(&call, scene.session, 0, big_batch(s, PN_PAM_BATCH_MAX_BYTES + 1), &err),
        err, TOO_LARGE);
    CHECK_OK(pn_pam_batch_put(&call, scene.session, 0, big_batch(s, PN_PAM_BATCH_MAX_BYTES), &err),
             err);
    CHECK_OK(put(s, scene, 1, "[{}]", &err), err);
    page = read_page(s, scene, 0, 20);
    CHECK_EQ(page.batch_count, 1);
    CHECK(page.has_more);
    CHECK_EQ(page.events.len, PN_PAM_BATCH_MAX_BYTES);
    page = read_page(s, scene, 1, 20);
    CHECK_EQ(page.batch_count, 1);
    CHECK(!page.has_more);
    CHECK_STR(page.events, "[{}]");
}

STAGE_TEST(pages_follow_each_other)
{
    struct scene scene = set(s);
    struct pn_pam_log_page page;
    struct pn_err err = { 0 };
    int64_t offset = 0;
    char body[32];

    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof(body), "[{\"seq\":%d}]", i);
        CHECK_OK(put(s, scene, i, body, &err), err);
    }
    page = read_page(s, scene, offset, 2);
    CHECK_STR(page.events, "[{\"seq\":0},{\"seq\":1}]");
    CHECK(page.has_more);
    page = read_page(s, scene, offset += page.batch_count, 2);
    CHECK(page.has_more);
    page = read_page(s, scene, offset += page.batch_count, 2);
    CHECK_STR(page.events, "[{\"seq\":4}]");
    CHECK(!page.has_more);
    page = read_page(s, scene, 5, 2);
    CHECK_STR(page.events, "[]");
}

STAGE_TEST(c112_events_may_follow_the_end)
{
    struct scene scene = set(s);
    struct pn_call owner = stage_call(s, s->member);
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_session_end(&owner, scene.session, PN_NONE, &session, &err), err);
    CHECK_OK(put(s, scene, 0, "[{\"eventType\":\"sessionEnd\"}]", &err), err);
    CHECK_EQ(read_page(s, scene, 0, 1).batch_count, 1);
}

STAGE_TEST(who_may_not_write_or_read)
{
    struct scene scene = set(s),
                 other = { .gateway = stage_gateway(s, "other"), .session = scene.session };
    struct pn_actor outsiders[] = { s->robot, s->viewer, s->stranger, s->foreigner };
    struct pn_pam_log_page page;
    struct pn_call admin = stage_call(s, s->admin);
    struct pn_err err = { 0 };

    CHECK_FAILS(put(s, other, 0, "[{}]", &err), err, NOT_FOUND);
    other.session = pn_random_uuid();
    CHECK_FAILS(put(s, other, 0, "[{}]", &err), err, NOT_FOUND);
    CHECK_OK(put(s, scene, 0, "[{}]", &err), err);
    for (size_t i = 0; i < PN_COUNT(outsiders); i++) {
        struct pn_call call = stage_call(s, outsiders[i]);

        CHECK_FAILS(pn_pam_batch_read(&call, scene.session, 0, 1, &page, &err), err, NOT_FOUND);
    }
    CHECK_EQ(stage_events(s, "pam-session-get"), 0);
    CHECK_OK(pn_pam_batch_read(&admin, scene.session, 0, 1, &page, &err), err);
    CHECK_EQ(stage_events(s, "pam-session-get"), 1); /* nobody reads a recording unseen */
}

static bool swap(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(
        pn_query(tx,
                 "UPDATE pam_session_batches SET sealed = (SELECT sealed FROM pam_session_batches"
                 " WHERE start_offset = 1) WHERE start_offset = 0"),
        NULL, err);
}

static bool nearly_full(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE pam_sessions SET request_bytes = $most - 10");

    (void)context;
    pn_bind_int(q, "$most", INT64_MAX);
    return pn_query_run(q, NULL, err);
}

/* A gateway may say what it likes: its sums stay numbers, and the session can be read. */
STAGE_TEST(sums_of_bytes_end_at_the_largest)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, nearly_full, NULL, &err), err);
    for (int64_t i = 0; i < 2; i++)
        CHECK_OK(put(s, scene, i,
                     "[{\"eventType\":\"response\",\"requestBytes\":20,\"responseBytes\":7}]",
                     &err),
                 err);
    CHECK_OK(pn_pam_session_get(&call, scene.session, &session, &err), err);
    CHECK_EQ(session.requestBytes, INT64_MAX);
    CHECK_EQ(session.responseBytes, 14);
}

STAGE_TEST(a_batch_opens_in_its_own_place_only)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_log_page page;
    struct pn_err err = { 0 };

    CHECK_OK(put(s, scene, 0, "[{\"seq\":0}]", &err), err);
    CHECK_OK(put(s, scene, 1, "[{\"seq\":1}]", &err), err);
    CHECK_OK(pn_db_write(s->db, swap, NULL, &err), err);
    CHECK_FAILS(pn_pam_batch_read(&call, scene.session, 0, 2, &page, &err), err, INTERNAL);
}

PN_TEST_MAIN(T(events_come_back_as_they_came), T(c113_the_same_batch_again_is_fine),
             T(another_body_in_the_same_place_is_refused), T(what_is_no_batch),
             T(a_batch_has_a_mebibyte_and_a_page_about_one), T(pages_follow_each_other),
             T(c112_events_may_follow_the_end), T(who_may_not_write_or_read),
             T(a_batch_opens_in_its_own_place_only), T(sums_of_bytes_end_at_the_largest))
