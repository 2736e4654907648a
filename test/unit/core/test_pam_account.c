/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20.4. */
#include "stage.h"

#include "core/pam/rules.h"

static struct pn_uuid resource(struct stage *s)
{
    return stage_resource(s, s->project, "prod", (struct pn_uuid){ { 0 } });
}

static struct pn_str stored_token(struct stage *s, struct pn_uuid id)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_query *q = pn_query(s->conn, "SELECT sealed_token FROM pam_accounts WHERE id = $id");
    struct pn_secret *token;
    struct pn_str sealed, copy;
    struct pn_err err = { 0 };

    pn_bind_uuid(q, "$id", id);
    sealed = pn_query_next(q) ? pn_column_bytes(q, 0, s->arena) : PN_NONE;
    CHECK_OK(pn_query_end(q, &err), err);
    CHECK_OK(pn_pam_account_open_token(&call, s->project, id, sealed, &token, &err), err);
    copy = pn_arena_copy(s->arena, pn_secret_reveal(token));
    pn_secret_free(token);
    return copy;
}

STAGE_TEST(a_token_lies_sealed)
{
    struct pn_uuid id = stage_account(s, resource(s), "needle-name", 3600);

    CHECK_STR(stored_token(s, id), STAGE_TOKEN);
    CHECK(stage_leaks(s, PN_LIT("needle-name"))); /* the search finds what is not sealed */
    CHECK(!stage_leaks(s, PN_LIT(STAGE_TOKEN)));
    CHECK(!stage_leaks(s, PN_LIT("sa-token")));
}

static bool update_token(struct stage *s, struct pn_uuid id, struct pn_str text, struct pn_err *err)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_secret *token = pn_secret_new(text, err);
    const struct pn_pam_account_change change = { .token = token };
    struct pn_pam_account got;
    bool done = pn_pam_account_update(&call, id, &change, &got, err);

    pn_secret_free(token);
    return done;
}

STAGE_TEST(c83_unchanged_keeps_the_token)
{
    struct pn_uuid id = stage_account(s, resource(s), "ro", 3600);
    struct pn_err err = { 0 };

    CHECK_OK(update_token(s, id, PN_LIT(PN_PAM_UNCHANGED), &err), err);
    CHECK_STR(stored_token(s, id), STAGE_TOKEN);
    CHECK_OK(update_token(s, id, PN_LIT("another"), &err), err);
    CHECK_STR(stored_token(s, id), "another");
    CHECK_FAILS(update_token(s, id, PN_LIT("two words"), &err), err, VALIDATION);
    CHECK_FAILS(update_token(s, id, PN_LIT("line\r\nX-Evil: 1"), &err), err, VALIDATION);
    CHECK_STR(stored_token(s, id), "another");
    CHECK_EQ(stage_events(s, "pam-account-update"), 2);
}

STAGE_TEST(a_new_account_needs_a_token)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_err err = { 0 };
    struct pn_secret *unchanged = pn_secret_new(PN_LIT(PN_PAM_UNCHANGED), &err);
    struct pn_pam_account_change change = { .resource_id = resource(s),
                                            .name = PN_LIT("ro"),
                                            .has_name = true };
    struct pn_pam_account got;

    CHECK_FAILS(pn_pam_account_create(&call, &change, &got, &err), err, VALIDATION);
    change.token = unchanged;
    CHECK_FAILS(pn_pam_account_create(&call, &change, &got, &err), err, VALIDATION);
    pn_secret_free(unchanged);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_accounts"), 0);
}

STAGE_TEST(what_is_not_given_stays)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid id = stage_account(s, resource(s), "ro", 3600);
    const struct pn_pam_account_change describe = { .description = PN_LIT("read only"),
                                                    .has_description = true },
                                       rename = { .name = PN_LIT("rw"), .has_name = true },
                                       clear = { .has_description = true };
    struct pn_pam_account got;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_account_update(&call, id, &describe, &got, &err), err);
    CHECK_OK(pn_pam_account_update(&call, id, &rename, &got, &err), err);
    CHECK_STR(got.name, "rw");
    CHECK_STR(got.accountPath, "prod/rw");
    CHECK_STR(got.description, "read only");
    CHECK_EQ(got.maxDurationSeconds, 3600);
    CHECK_STR(stored_token(s, id), STAGE_TOKEN);
    CHECK_OK(pn_pam_account_update(&call, id, &clear, &got, &err), err);
    CHECK(got.description.ptr == NULL);
}

STAGE_TEST(names_are_unique_in_a_resource)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid one = resource(s),
                   two = stage_resource(s, s->project, "test", (struct pn_uuid){ { 0 } });
    struct pn_uuid other = stage_account(s, one, "rw", 3600);
    const struct pn_pam_account_change rename = { .name = PN_LIT("ro"), .has_name = true };
    struct pn_pam_account got;
    struct pn_err err = { 0 };

    (void)stage_account(s, one, "ro", 3600);
    (void)stage_account(s, two, "ro", 3600);
    CHECK_FAILS(pn_pam_account_update(&call, other, &rename, &got, &err), err, BAD_REQUEST);
}

STAGE_TEST(who_may_not_touch_accounts)
{
    struct pn_uuid in = resource(s), id = stage_account(s, in, "ro", 3600);
    struct pn_call member = stage_call(s, s->member), viewer = stage_call(s, s->viewer),
                   stranger = stage_call(s, s->stranger), foreigner = stage_call(s, s->foreigner);
    struct pn_call *readers[] = { &member, &viewer }, *outsiders[] = { &stranger, &foreigner };
    struct pn_err err = { 0 };
    struct pn_secret *token = pn_secret_new(PN_LIT("t"), &err);
    const struct pn_pam_account_change change = {
        .resource_id = in, .name = PN_LIT("x"), .has_name = true, .token = token
    };
    struct pn_pam_account got;

    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(pn_pam_account_get(readers[i], id, &got, &err), err);
        CHECK_FAILS(pn_pam_account_update(readers[i], id, &change, &got, &err), err, PERMISSION);
        CHECK_FAILS(pn_pam_account_delete(readers[i], id, &got, &err), err, PERMISSION);
        CHECK_FAILS(pn_pam_account_get(outsiders[i], id, &got, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_account_update(outsiders[i], id, &change, &got, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_account_delete(outsiders[i], id, &got, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_account_create(outsiders[i], &change, &got, &err), err, NOT_FOUND);
    }
    CHECK_FAILS(pn_pam_account_create(&member, &change, &got, &err), err, PERMISSION);
    pn_secret_free(token);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_accounts"), 1);
}

STAGE_TEST(lists_by_resource_and_search)
{
    struct pn_call call = stage_call(s, s->viewer);
    struct pn_uuid prod = resource(s),
                   test = stage_resource(s, s->project, "test", (struct pn_uuid){ { 0 } });
    struct pn_pam_page page = { .project_id = s->project, .limit = 10 };
    struct pn_pam_account *rows;
    struct pn_list list;
    int64_t total;
    struct pn_err err = { 0 };

    (void)stage_account(s, test, "ro", 3600);
    (void)stage_account(s, prod, "rw", 3600);
    (void)stage_account(s, prod, "ro", 3600);
    CHECK_OK(pn_pam_account_list(&call, &page, &list, &total, &err), err);
    rows = list.items;
    CHECK_EQ(total, 3);
    CHECK_STR(rows[0].accountPath, "prod/ro");
    CHECK_STR(rows[2].accountPath, "test/ro");
    page.resource_id = prod;
    page.search = PN_LIT("RW");
    CHECK_OK(pn_pam_account_list(&call, &page, &list, &total, &err), err);
    CHECK_EQ(total, 1);
}

static bool add_many(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_uuid *ids = context;

    (void)err;
    stage_sql(tx,
              "INSERT INTO pam_accounts (id, resource_id, project_id, name, description,"
              " auth_method, max_duration_s, created_ms, updated_ms) WITH RECURSIVE n (i) AS"
              " (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1499) SELECT randomblob(16),"
              " $a, $b, 'a' || i, hex(randomblob(256)), 'service-account-token', 3600, 1, 1 FROM n",
              ids, NULL);
    return true;
}

/* Counting them costs no memory: a project of many accounts is listed within the budget of one call. */
STAGE_TEST(what_is_not_on_the_page_takes_no_memory)
{
    struct pn_call call = stage_call(s, s->viewer);
    struct pn_uuid ids[] = { resource(s), s->project };
    struct pn_pam_page page = { .project_id = s->project, .offset = 498, .limit = 10 };
    const struct pn_pam_account *rows;
    struct pn_list list;
    int64_t total;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, add_many, ids, &err), err);
    call.arena = pn_arena_new((size_t)64 << 10);
    CHECK_OK(pn_pam_account_list(&call, &page, &list, &total, &err), err);
    CHECK(!pn_arena_is_over(call.arena));
    rows = list.items;
    CHECK_EQ(total, 500);
    CHECK_EQ(list.count, 2);
    CHECK_STR(rows[1].accountPath, "prod/a1499");
    CHECK_EQ(rows[1].description.len, 512);
    pn_arena_free(call.arena);
}

PN_TEST_MAIN(T(a_token_lies_sealed), T(c83_unchanged_keeps_the_token),
             T(a_new_account_needs_a_token), T(what_is_not_given_stays),
             T(names_are_unique_in_a_resource), T(who_may_not_touch_accounts),
             T(lists_by_resource_and_search), T(what_is_not_on_the_page_takes_no_memory))
