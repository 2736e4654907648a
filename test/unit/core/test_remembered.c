/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/org/environment.h"
#include "core/secret/folder.h"
#include "json/settings.h"

/* What is remembered of secrets (core/secret/remembered.h): a warm read asks no database, and no change is missed. */

struct scene {
    struct home *h;
    struct pn_call admin;
    struct pn_project project, other;
    struct pn_secret_item secret;
    struct pn_db_conn *nowhere;
};

static struct scene scene_of(struct home *h)
{
    struct scene s = { .h = h, .nowhere = pn_db_nowhere(h->db) };

    s.admin = home_person(h, "admin@acme.test");
    s.project = home_project(h, &s.admin, "p");
    s.other = home_project(h, &s.admin, "other");
    (void)vault_folder(h, s.project.id, "dev", "/apps");
    (void)vault_folder(h, s.project.id, "dev", "/elsewhere");
    s.secret = vault_put(&s.admin, s.project.id, "/apps", "KEY", "as it was");
    (void)vault_put(&s.admin, s.other.id, "/", "KEY", "another");
    return s;
}

/* The value, "" when there is none. */
static struct pn_str read_value(struct pn_call *call, struct pn_uuid project, const char *path)
{
    const struct pn_secrets_query query = vault_query(project, path);
    struct pn_secret_item item;
    struct pn_err err = { 0 };

    if (pn_secrets_get(call, &query, PN_LIT("KEY"), &item, &err))
        return item.secretValue;
    CHECK(err.code == PN_NOT_FOUND || err.code == PN_INTERNAL);
    return PN_LIT("");
}

/* The same from memory; "" also when it is not known. */
static struct pn_str remembered(struct scene *s, struct pn_uuid project, const char *path)
{
    struct pn_call call = s->admin;
    struct pn_str value;

    call.conn = s->nowhere;
    value = read_value(&call, project, path);
    CHECK_EQ(pn_db_was_asked(s->nowhere), value.len == 0);
    return value;
}

static void change(struct scene *s, struct pn_secrets_change c)
{
    const struct pn_secrets_batch batch = vault_batch(s->project.id, "dev", "/apps", &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    c.secretKey = PN_LIT("KEY");
    CHECK_OK(pn_secrets_change(&s->admin, &batch, &out, &err), err);
}

static void get_another_value(struct scene *s)
{
    change(s, (struct pn_secrets_change){ .secretValue = PN_LIT("new") });
}

static void get_another_name(struct scene *s)
{
    change(s, (struct pn_secrets_change){ .newSecretName = PN_LIT("OTHER") });
}

static void be_deleted(struct scene *s)
{
    struct pn_secrets_change c = { .secretKey = PN_LIT("KEY") };
    const struct pn_secrets_batch batch = vault_batch(s->project.id, "dev", "/apps", &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_OK(pn_secrets_delete(&s->admin, &batch, &out, &err), err);
}

static void be_moved(struct scene *s)
{
    struct pn_uuid_text text = pn_uuid_format(s->secret.id);
    struct pn_str id = pn_str_from(text.text);
    const struct pn_secrets_move move = { .project_id = s->project.id,
                                          .from_environment = PN_LIT("dev"),
                                          .from_path = PN_LIT("/apps"),
                                          .to_environment = PN_LIT("dev"),
                                          .to_path = PN_LIT("/elsewhere"),
                                          .ids = { &id, 1 } };
    struct pn_err err = { 0 };

    CHECK_OK(pn_secrets_move(&s->admin, &move, &err), err);
}

static void lose_the_folder(struct scene *s)
{
    const struct pn_folder_at at = { s->project.id, PN_LIT("dev"), PN_LIT("/") };
    struct pn_folder folder;
    struct pn_err err = { 0 };

    CHECK_OK(pn_folders_delete(&s->admin, &at, PN_LIT("apps"), &folder, &err), err);
}

static void lose_the_environment(struct scene *s)
{
    struct pn_environment_row row;
    struct pn_err err = { 0 };

    CHECK_OK(pn_environment_get_by_slug(&s->admin, s->project.id, PN_LIT("dev"), &row, &err), err);
    CHECK_OK(pn_environment_update(&s->admin, s->project.id, row.id,
                                   &(struct pn_environment_change){ .slug = PN_LIT("development") },
                                   &row, &err),
             err);
}

static bool change_sealed(struct pn_db_conn *tx, void *id, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE secrets SET sealed_value = x'00' WHERE id = $id");

    pn_bind_uuid(q, "$id", *(const struct pn_uuid *)id);
    return pn_query_run(q, NULL, err);
}

/* By a write that says nothing of whom it concerns. */
static void change_behind_the_back(struct scene *s)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->h->db, change_sealed, &s->secret.id, &err), err);
}

static const struct {
    const char *what;
    void (*happens)(struct scene *s);
    const char *value; /* that is found then */
    bool is_projects;  /* another project's stay known */
} changes[] = {
    { "another value", get_another_value, "new", true },
    { "another name", get_another_name, "", true },
    { "no secret any more", be_deleted, "", true },
    { "another folder", be_moved, "", true },
    { "no folder any more", lose_the_folder, "", false },
    { "another environment", lose_the_environment, "", false },
    { "a row nobody spoke of", change_behind_the_back, "", false },
};

HOME_TEST(a_known_secret_needs_no_sql_until_something_changes)
{
    (void)h;
    for (size_t i = 0; i < PN_COUNT(changes); i++) {
        struct home own;
        struct scene s;

        home_start(&own);
        s = scene_of(&own);
        CHECK_STR(remembered(&s, s.project.id, "/apps"), "");
        CHECK_STR(read_value(&s.admin, s.project.id, "/apps"), "as it was");
        CHECK_STR(read_value(&s.admin, s.other.id, "/"), "another");
        CHECK_STR(remembered(&s, s.project.id, "/apps"), "as it was");
        CHECK_STR(remembered(&s, s.project.id, "apps/"), "as it was");
        CHECK_STR(remembered(&s, s.project.id, "/"), "");
        changes[i].happens(&s);
        if (remembered(&s, s.project.id, "/apps").len > 0)
            fail_msg("%s: is still known", changes[i].what);
        CHECK_STR(read_value(&s.admin, s.project.id, "/apps"), changes[i].value);
        if ((remembered(&s, s.other.id, "/").len > 0) != changes[i].is_projects)
            fail_msg("%s: of whose secrets", changes[i].what);
        pn_db_disconnect(s.nowhere);
        home_stop(&own);
    }
}

/* Rules are matched with the place, on the loop: what lies in a long one is left to a worker. */
HOME_TEST(what_lies_deep_is_not_remembered)
{
    struct scene s = scene_of(h);
    char path[6 * 201 + 1];
    size_t len = 0;

    while (len + 201 < sizeof(path)) {
        path[len] = '/';
        memset(path + len + 1, 'x', 200);
        len += 201;
        path[len] = '\0';
        (void)vault_folder(h, s.project.id, "dev", path);
    }
    (void)vault_put(&s.admin, s.project.id, path, "KEY", "deep");
    CHECK_STR(read_value(&s.admin, s.project.id, path), "deep");
    CHECK_STR(remembered(&s, s.project.id, path), "");
    pn_db_disconnect(s.nowhere);
}

/* So is what many rules have to be asked about: whoever made them may have meant it to take its time. */
HOME_TEST(many_rules_are_not_asked_on_the_loop)
{
    struct scene s = scene_of(h);

    for (size_t count = 1; count <= 7; count += 6) {
        struct pn_call member;
        char rules[2048], email[32];
        int len = snprintf(rules, sizeof(rules),
                           "[{'subject':'secrets','action':['describeSecret','readValue'],"
                           "'conditions':{'secretPath':{'$in':['/apps'");

        for (size_t i = 0; i < count; i++)
            len += snprintf(rules + len, sizeof(rules) - (size_t)len, ",'/%0200zu'", i);
        snprintf(rules + len, sizeof(rules) - (size_t)len, "]}}}]");
        snprintf(email, sizeof(email), "m%zu@acme.test", count);
        member = vault_person(h, s.project.id, email, rules);
        CHECK_STR(read_value(&member, s.project.id, "/apps"), "as it was");
        member.conn = s.nowhere;
        CHECK_STR(read_value(&member, s.project.id, "/apps"), count == 1 ? "as it was" : "");
        CHECK_EQ(pn_db_was_asked(s.nowhere), count != 1);
    }
    pn_db_disconnect(s.nowhere);
}

/* Who may not read it is told so from memory too; an own secret instead of it is not confused with it. */
HOME_TEST(what_is_known_is_shown_to_who_may_see_it)
{
    struct scene s = scene_of(h);
    struct pn_call blind = vault_person(h, s.project.id, "blind@acme.test",
                                        "[{'subject':'secrets','action':'describeSecret'}]");
    struct pn_secrets_query query = vault_query(s.project.id, "/apps");
    struct pn_secret_item item;
    struct pn_err err = { 0 };

    CHECK_STR(read_value(&s.admin, s.project.id, "/apps"), "as it was");
    CHECK_STR(read_value(&blind, s.project.id, "/apps"), PN_SECRETS_HIDDEN);
    blind.conn = s.nowhere;
    CHECK_STR(read_value(&blind, s.project.id, "/apps"), PN_SECRETS_HIDDEN);
    CHECK(!pn_db_was_asked(s.nowhere));
    query.whose = PN_SECRETS_OWN_INSTEAD; /* there may be one: that is for the rows to say */
    CHECK(!pn_secrets_get(&blind, &query, PN_LIT("KEY"), &item, &err));
    CHECK(pn_db_was_asked(s.nowhere));
    pn_db_disconnect(s.nowhere);
}

static struct pn_secret_item read_item(struct pn_call *call, struct pn_uuid project)
{
    const struct pn_secrets_query query = vault_query(project, "/apps");
    struct pn_secret_item item;
    struct pn_err err = { 0 };

    CHECK_OK(pn_secrets_get(call, &query, PN_LIT("KEY"), &item, &err), err);
    return item;
}

static void check_same_text(struct pn_str a, struct pn_str b)
{
    CHECK_EQ(a.ptr == NULL, b.ptr == NULL);
    CHECK(pn_str_eq(a, b));
}

static void check_same(const struct pn_secret_item *a, const struct pn_secret_item *b)
{
    const struct pn_secrets_pair *pairs[] = { a->secretMetadata.items, b->secretMetadata.items };

    CHECK(pn_uuid_eq(a->id, b->id) && pn_uuid_eq(a->workspace, b->workspace));
    CHECK(pn_uuid_eq(a->folderId, b->folderId) && pn_uuid_eq(a->userId, b->userId));
    CHECK(pn_uuid_eq(a->actor.actorId, b->actor.actorId));
    check_same_text(a->environment, b->environment);
    check_same_text(a->secretPath, b->secretPath);
    check_same_text(a->secretKey, b->secretKey);
    check_same_text(a->secretValue, b->secretValue);
    check_same_text(a->secretComment, b->secretComment);
    check_same_text(a->secretReminderNote, b->secretReminderNote);
    check_same_text(a->actor.actorType, b->actor.actorType);
    check_same_text(a->actor.name, b->actor.name);
    CHECK_EQ(a->version, b->version);
    CHECK_EQ(a->createdAt, b->createdAt);
    CHECK_EQ(a->updatedAt, b->updatedAt);
    CHECK_EQ(a->type, b->type);
    CHECK_EQ(a->has_actor, b->has_actor);
    CHECK_EQ(a->has_skipMultilineEncoding, b->has_skipMultilineEncoding);
    CHECK_EQ(a->skipMultilineEncoding, b->skipMultilineEncoding);
    CHECK_EQ(a->has_secretReminderRepeatDays, b->has_secretReminderRepeatDays);
    CHECK_EQ(a->secretReminderRepeatDays, b->secretReminderRepeatDays);
    CHECK_EQ(a->secretMetadata.count, b->secretMetadata.count);
    for (size_t i = 0; i < a->secretMetadata.count; i++)
        check_same_text(pairs[0][i].value, pairs[1][i].value);
}

/* All that a client is shown, with everything that a secret may have, and with nothing of it. */
HOME_TEST(what_is_known_is_all_that_its_row_says)
{
    struct scene s = scene_of(h);
    struct pn_secrets_pair pair = { .key = PN_LIT("owner"), .value = PN_LIT("payments") };

    for (int has_all = 0; has_all < 2; has_all++) {
        struct pn_secret_item row, known;
        struct pn_call loop = s.admin;

        if (has_all)
            change(&s, (struct pn_secrets_change){ .secretValue = PN_LIT("v"),
                                                   .secretComment = PN_LIT("why"),
                                                   .secretReminderNote = PN_LIT("turn it"),
                                                   .has_secretReminderNote = true,
                                                   .secretReminderRepeatDays = 30,
                                                   .has_secretReminderRepeatDays = true,
                                                   .skipMultilineEncoding = true,
                                                   .has_skipMultilineEncoding = true,
                                                   .secretMetadata = { &pair, 1 },
                                                   .has_secretMetadata = true });
        row = read_item(&s.admin, s.project.id);
        loop.conn = s.nowhere;
        known = read_item(&loop, s.project.id);
        CHECK(!pn_db_was_asked(s.nowhere));
        check_same(&row, &known);
        CHECK_EQ(known.secretMetadata.count, has_all);
    }
    pn_db_disconnect(s.nowhere);
}

/* A read from memory is on record as any other. */
HOME_TEST(what_is_known_is_recorded_when_it_is_read)
{
    struct scene s = scene_of(h);
    struct pn_err err = { 0 };
    int64_t rows;

    for (int i = 0; i < 5; i++)
        (void)read_value(&s.admin, s.project.id, "/apps");
    for (int i = 0; i < 5; i++)
        CHECK_STR(remembered(&s, s.project.id, "/apps"), "as it was");
    change_behind_the_back(&s); /* answered after what was queued before it */
    CHECK_EQ(home_events(h, "get-secret"), 10);
    CHECK_OK(pn_audit_verify(h->conn, &rows, &err), err);
    pn_db_disconnect(s.nowhere);
}

/* What waits for a commit is not done on a loop, and leaves nothing behind. */
HOME_TEST(a_durable_read_is_left_to_who_may_wait)
{
    const struct pn_settings durable = { .audit_reads = "durable" };
    struct scene s = scene_of(h);

    s.admin.settings = &durable;
    CHECK_STR(read_value(&s.admin, s.project.id, "/apps"), "as it was");
    CHECK_STR(remembered(&s, s.project.id, "/apps"), "");
    CHECK_EQ(home_events(h, "get-secret"), 1);
    pn_db_disconnect(s.nowhere);
}

/* ---- races ---- */

struct race {
    struct scene *s;
    atomic_int written; /* number of the newest value that has been answered */
    atomic_bool is_over;
    atomic_int reads, late;
};

static void *read_until_over(void *race_)
{
    struct race *race = race_;
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_db_conn *conn;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_connect(race->s->h->db, &conn, &err), err);
    while (!atomic_load(&race->is_over)) {
        struct pn_call call = race->s->admin;
        int64_t least = atomic_load(&race->written), seen = -1;

        call.conn = conn;
        call.arena = arena;
        atomic_fetch_add(&race->reads, 1);
        if (!pn_str_i64(read_value(&call, race->s->project.id, "/apps"), &seen) || seen < least)
            atomic_fetch_add(&race->late, 1);
        pn_arena_reset(arena);
    }
    pn_db_disconnect(conn);
    pn_arena_free(arena);
    return NULL;
}

/* A read that begins after a write has answered shows that write, or a later one. */
HOME_TEST(no_read_shows_what_was_before_an_answered_write)
{
    struct scene s = scene_of(h);
    struct race race = { .s = &s };
    pthread_t threads[3];

    change(&s, (struct pn_secrets_change){ .secretValue = PN_LIT("0") });
    for (size_t t = 0; t < PN_COUNT(threads); t++)
        CHECK_EQ(pthread_create(&threads[t], NULL, read_until_over, &race), 0);
    for (int i = 1; i <= 60; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        change(&s, (struct pn_secrets_change){ .secretValue = pn_str_from(text) });
        atomic_store(&race.written, i);
        for (int seen = atomic_load(&race.reads); atomic_load(&race.reads) < seen + 10;)
            sched_yield();
    }
    atomic_store(&race.is_over, true);
    for (size_t t = 0; t < PN_COUNT(threads); t++)
        pthread_join(threads[t], NULL);
    CHECK_EQ(atomic_load(&race.late), 0);
    pn_db_disconnect(s.nowhere);
}

PN_TEST_MAIN(T(a_known_secret_needs_no_sql_until_something_changes),
             T(what_lies_deep_is_not_remembered), T(many_rules_are_not_asked_on_the_loop),
             T(what_is_known_is_shown_to_who_may_see_it), T(what_is_known_is_all_that_its_row_says),
             T(what_is_known_is_recorded_when_it_is_read),
             T(a_durable_read_is_left_to_who_may_wait),
             T(no_read_shows_what_was_before_an_answered_write))
