/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/org/role.h"

/* What is remembered of rights (core/org/ability.c): a warm check asks no database, and no change is missed. */

#define MAY_READ "[{\"subject\":\"secrets\",\"action\":\"readValue\"}]"
#define MAY_NOT_READ "[{\"subject\":\"secrets\",\"action\":\"readValue\",\"inverted\":true}]"

static const struct pn_permit_object secret = { .subject = "secrets",
                                                .environment = PN_LIT("dev"),
                                                .secretPath = PN_LIT("/") };

struct scene {
    struct home *h;
    struct pn_call admin, ann, bob;
    struct pn_project project;
    struct pn_role reader;
    struct pn_db_conn *nowhere;
};

static void add(struct scene *s, struct pn_call *person, const char *role)
{
    struct pn_str slug = pn_str_from(role);
    struct pn_err err = { 0 };
    struct pn_list added;

    CHECK_OK(pn_project_member_add_users(
                 &s->admin, s->project.id, (struct pn_strs){ &person->actor.name, 1 },
                 (struct pn_strs){ &slug, 1 }, &added, &(struct pn_list){ 0 }, &err),
             err);
}

static struct scene scene_of(struct home *h)
{
    struct scene s = { .h = h, .nowhere = pn_db_nowhere(h->db) };
    const struct pn_role_new reader = { .slug = PN_LIT("reader"),
                                        .name = PN_LIT("Reader"),
                                        .permissions = PN_LIT(MAY_READ) };
    struct pn_err err = { 0 };

    s.admin = home_person(h, "admin@acme.test");
    s.ann = home_new_person(h, "ann@acme.test", "no-access");
    s.bob = home_new_person(h, "bob@acme.test", "no-access");
    s.project = home_project(h, &s.admin, "p");
    CHECK_OK(pn_role_create(&s.admin, s.project.id, &reader, &s.reader, &err), err);
    add(&s, &s.ann, "reader");
    add(&s, &s.bob, "reader");
    return s;
}

/* Whether they may read, as the rows say. */
static bool may(struct scene *s, struct pn_call *call)
{
    const struct pn_ability *ability;
    struct pn_err err = { 0 };

    if (pn_ability_load(call, s->project.id, &ability, &err))
        return pn_ability_may(ability, &secret, "readValue");
    CHECK(err.code == PN_PERMISSION || err.code == PN_NOT_FOUND);
    return false;
}

/* The same without a database; false also when it is not known. */
static bool is_known_to(struct scene *s, const struct pn_call *as)
{
    const struct pn_ability *ability;
    struct pn_call call = *as;
    struct pn_err err = { 0 };
    bool is_loaded;

    call.conn = s->nowhere;
    is_loaded = pn_ability_load(&call, s->project.id, &ability, &err);
    CHECK_EQ(pn_db_was_asked(s->nowhere), !is_loaded);
    return is_loaded && pn_ability_may(ability, &secret, "readValue");
}

static void set_roles(struct scene *s, const struct pn_project_role *roles, size_t count)
{
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_set_roles(&s->admin, s->project.id, PN_MEMBER_USERS, s->ann.actor.id,
                                         roles, count, &member, &err),
             err);
}

static void lose_the_role(struct scene *s)
{
    set_roles(s, &(struct pn_project_role){ .role = PN_LIT("no-access") }, 1);
}

static void get_one_that_forbids(struct scene *s)
{
    const struct pn_role_new blind = { .slug = PN_LIT("blind"),
                                       .name = PN_LIT("Blind"),
                                       .permissions = PN_LIT(MAY_NOT_READ) };
    const struct pn_project_role roles[] = { { .role = PN_LIT("reader") },
                                             { .role = PN_LIT("blind") } };
    struct pn_role role;
    struct pn_err err = { 0 };

    CHECK_OK(pn_role_create(&s->admin, s->project.id, &blind, &role, &err), err);
    set_roles(s, roles, 2);
}

static void change_the_role(struct scene *s)
{
    const struct pn_role_new change = { .permissions = PN_LIT(MAY_NOT_READ) };
    struct pn_err err = { 0 };

    CHECK_OK(pn_role_change(&s->admin, s->project.id, s->reader.id, &change, &s->reader, &err),
             err);
}

static void leave_the_project(struct scene *s)
{
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_remove(&s->admin, s->project.id, PN_MEMBER_USERS, s->ann.actor.id,
                                      &member, &err),
             err);
}

static void end_the_project(struct scene *s)
{
    struct pn_project project;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_delete(&s->admin, s->project.id, &project, &err), err);
}

static bool delete_user(struct pn_db_conn *tx, void *id, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM users WHERE id = $id");

    pn_bind_uuid(q, "$id", *(const struct pn_uuid *)id);
    return pn_query_run(q, NULL, err);
}

/* Nobody says whom it concerns: a cascade that is everybody's. */
static void be_deleted(struct scene *s)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->h->db, delete_user, &s->ann.actor.id, &err), err);
}

static const struct {
    const char *what;
    void (*happens)(struct scene *s);
    bool is_anns_alone; /* others stay known */
} changes[] = {
    { "another role", lose_the_role, true },
    { "one role more, that forbids", get_one_that_forbids, false },
    { "other rules of the role", change_the_role, false },
    { "no member any more", leave_the_project, true },
    { "no project any more", end_the_project, false },
    { "no account any more", be_deleted, false },
};

HOME_TEST(a_known_member_needs_no_sql_until_something_changes)
{
    (void)h;
    for (size_t i = 0; i < PN_COUNT(changes); i++) {
        struct home own;
        struct scene s;

        home_start(&own);
        s = scene_of(&own);
        CHECK(!is_known_to(&s, &s.ann));
        CHECK(may(&s, &s.ann) && may(&s, &s.bob));
        if (!is_known_to(&s, &s.ann) || !is_known_to(&s, &s.bob))
            fail_msg("%s: not known before", changes[i].what);
        changes[i].happens(&s);
        if (is_known_to(&s, &s.ann) || may(&s, &s.ann))
            fail_msg("%s: is still allowed to", changes[i].what);
        if (is_known_to(&s, &s.bob) != changes[i].is_anns_alone)
            fail_msg("%s: of whom it concerns", changes[i].what);
        pn_db_disconnect(s.nowhere);
        home_stop(&own);
    }
}

HOME_TEST(who_is_no_member_is_asked_for_each_time)
{
    struct scene s = scene_of(h);
    struct pn_call eve = home_new_person(h, "eve@acme.test", "no-access");

    CHECK(!may(&s, &eve));
    add(&s, &eve, "reader");
    CHECK(may(&s, &eve));
    pn_db_disconnect(s.nowhere);
}

/* Known from before its beginning, during it, and from before its end. */
HOME_TEST(a_temporary_role_comes_and_goes_though_it_is_known)
{
    static const struct {
        int64_t after_ms;
        bool may;
    } times[] = {
        { 0, false }, { 999, false }, { 1000, true }, { 3600999, true }, { 3601000, false }
    };
    struct scene s = scene_of(h);
    const struct pn_project_role roles[] = { { .role = PN_LIT("no-access") },
                                             { .role = PN_LIT("reader"),
                                               .isTemporary = true,
                                               .temporaryRange = PN_LIT("1h"),
                                               .temporaryAccessStartTime = HOME_WALL_MS + 1000 } };
    const int64_t now_ms = HOME_WALL_MS;

    set_roles(&s, roles, 2);
    for (size_t i = 0; i < 2 * PN_COUNT(times); i++) { /* and back: clocks are set */
        size_t at = i < PN_COUNT(times) ? i : 2 * PN_COUNT(times) - 1 - i;

        s.ann.now_ms = now_ms + times[at].after_ms;
        CHECK_EQ(may(&s, &s.ann), times[at].may);
        CHECK_EQ(is_known_to(&s, &s.ann), times[at].may); /* and needs no row for it */
    }
    pn_db_disconnect(s.nowhere);
}

/* ---- races ---- */

struct race {
    struct scene *s;
    atomic_bool is_revoked, is_over;
    atomic_int passed, late;
};

static void *ask_until_over(void *race_)
{
    struct race *race = race_;
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_db_conn *conn;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_connect(race->s->h->db, &conn, &err), err);
    while (!atomic_load(&race->is_over)) {
        struct pn_call call = race->s->ann;
        bool was_revoked = atomic_load(&race->is_revoked);

        call.conn = conn;
        call.arena = arena;
        if (may(race->s, &call)) {
            atomic_fetch_add(&race->passed, 1);
            if (was_revoked)
                atomic_fetch_add(&race->late, 1);
        }
        pn_arena_reset(arena);
    }
    pn_db_disconnect(conn);
    pn_arena_free(arena);
    return NULL;
}

/* From the moment the change has answered nobody passes, however many ask meanwhile. */
HOME_TEST(no_right_is_left_after_its_revocation_has_answered)
{
    struct scene s = scene_of(h);
    pthread_t threads[4];

    for (int round = 0; round < 8; round++) {
        struct race race = { .s = &s };

        set_roles(&s, &(struct pn_project_role){ .role = PN_LIT("reader") }, 1);
        for (size_t i = 0; i < PN_COUNT(threads); i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, ask_until_over, &race), 0);
        while (atomic_load(&race.passed) < 50)
            sched_yield();
        lose_the_role(&s);
        atomic_store(&race.is_revoked, true);
        for (int i = 0; i < 200; i++)
            CHECK(!may(&s, &s.ann));
        atomic_store(&race.is_over, true);
        for (size_t i = 0; i < PN_COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&race.late), 0);
    }
    pn_db_disconnect(s.nowhere);
}

PN_TEST_MAIN(T(a_known_member_needs_no_sql_until_something_changes),
             T(who_is_no_member_is_asked_for_each_time),
             T(a_temporary_role_comes_and_goes_though_it_is_known),
             T(no_right_is_left_after_its_revocation_has_answered))
