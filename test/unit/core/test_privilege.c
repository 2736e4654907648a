/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/identity/boundary.h"
#include "core/org/privilege.h"
#include "core/org/role.h"
#include "db/sqlite.h"

/* Additional privileges (core/org/privilege.h): they count, they fall away, and nobody hands out more than they hold. */

#define RULE(action) "[{\"subject\":\"secrets\",\"action\":\"" action "\"}]"
#define MAY_NOT(action) "[{\"subject\":\"secrets\",\"action\":\"" action "\",\"inverted\":true}]"
#define ALL                                                                                \
    "[{\"subject\":\"member\",\"action\":\"delete\"},{\"subject\":\"secrets\",\"action\":" \
    "\"edit\"}]"

struct scene {
    struct pn_call admin, robot;
    struct pn_project project;
    struct pn_db_conn *nowhere;
};

static struct pn_identity new_identity(struct pn_call *admin, const char *name)
{
    const struct pn_identity_in fresh = { .name = pn_str_from(name) };
    struct pn_identity identity;
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_make(admin, &fresh, &identity, &err), err);
    return identity;
}

static void join(struct pn_call *admin, struct pn_uuid project, struct pn_uuid identity,
                 const char *slug)
{
    const struct pn_project_role role = { .role = pn_str_from(slug) };
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_add_identity(admin, project, identity, &role, 1, &member, &err),
             err);
}

static struct pn_call as_identity(struct home *h, struct pn_uuid org, struct pn_uuid id)
{
    return home_call(h, (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                                           .id = id,
                                           .org_id = org,
                                           .name = PN_LIT("robot"),
                                           .org_role = PN_LIT("no-access") });
}

static struct scene scene_of(struct home *h)
{
    struct scene s = { .nowhere = pn_db_nowhere(h->db) };
    struct pn_identity robot;

    s.admin = home_person(h, "admin@acme.test");
    s.project = home_project(h, &s.admin, "p");
    robot = new_identity(&s.admin, "robot");
    join(&s.admin, s.project.id, robot.id, "no-access");
    s.robot = as_identity(h, s.admin.actor.org_id, robot.id);
    return s;
}

static struct pn_privilege give(struct scene *s, struct pn_call *by,
                                const struct pn_privilege_in *in)
{
    struct pn_privilege privilege;
    struct pn_err err = { 0 };

    CHECK_OK(pn_privilege_create(by, s->project.id, s->robot.actor.id, in, &privilege, &err), err);
    return privilege;
}

static bool ask(struct scene *s, struct pn_call *call, const char *action, struct pn_err *err)
{
    const struct pn_permit_object secret = { .subject = "secrets",
                                             .environment = PN_LIT("dev"),
                                             .secretPath = PN_LIT("/") };
    const struct pn_ability *ability;

    call->now_ms = pn_clock_wall_ms();
    return pn_ability_load(call, s->project.id, &ability, err) &&
           pn_ability_may(ability, &secret, action);
}

/* As the rows say, and as what is remembered of them does when they are asked again. */
static bool may(struct scene *s, const char *action)
{
    struct pn_call known = s->robot;
    struct pn_err err = { 0 }, unknown = { 0 };
    bool is_allowed = ask(s, &s->robot, action, &err);

    CHECK(err.code == PN_OK || err.code == PN_PERMISSION || err.code == PN_NOT_FOUND);
    known.conn = s->nowhere;
    CHECK_EQ(ask(s, &known, action, &unknown), is_allowed);
    return is_allowed;
}

HOME_TEST(a_privilege_counts_beside_the_roles)
{
    struct scene s = scene_of(h);
    struct pn_privilege p;
    struct pn_err err = { 0 };

    CHECK(!may(&s, "readValue"));
    p = give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(RULE("readValue")) });
    CHECK(may(&s, "readValue") && !may(&s, "edit"));
    CHECK_OK(pn_privilege_change(&s.admin, p.id,
                                 &(struct pn_privilege_in){ .permissions = PN_LIT(RULE("edit")) },
                                 &p, &err),
             err);
    CHECK(!may(&s, "readValue") && may(&s, "edit"));
    CHECK_OK(pn_privilege_delete(&s.admin, p.id, &p, &err), err);
    CHECK(!may(&s, "readValue") && !may(&s, "edit"));
    CHECK_EQ(home_events(h, "create-identity-project-additional-privilege"), 1);
    CHECK_EQ(home_events(h, "update-identity-project-additional-privilege"), 1);
    CHECK_EQ(home_events(h, "delete-identity-project-additional-privilege"), 1);
    pn_db_disconnect(s.nowhere);
}

HOME_TEST(one_that_forbids_is_asked_after_all_roles)
{
    struct scene s = scene_of(h);
    const struct pn_project_role roles[] = { { .role = PN_LIT("member") } };
    struct pn_project_member member;
    struct pn_err err = { 0 };

    give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(MAY_NOT("edit")) });
    CHECK_OK(pn_project_member_set_roles(&s.admin, s.project.id, PN_MEMBER_IDENTITIES,
                                         s.robot.actor.id, roles, 1, &member, &err),
             err);
    CHECK(may(&s, "create") && !may(&s, "edit"));
    pn_db_disconnect(s.nowhere);
}

/* Before its time, in it, and after it; and back, since clocks are set. */
HOME_TEST(a_temporary_one_comes_and_goes_though_it_is_known)
{
    static const struct {
        int64_t after_ms;
        bool may;
    } times[] = {
        { 0, false }, { 999, false }, { 1000, true }, { 3600999, true }, { 3601000, false }
    };
    struct scene s = scene_of(h);
    const struct pn_privilege p =
        give(&s, &s.admin,
             &(struct pn_privilege_in){ .permissions = PN_LIT(RULE("readValue")),
                                        .has_term = true,
                                        .isTemporary = true,
                                        .temporaryRange = PN_LIT("1h"),
                                        .temporaryAccessStartTime = HOME_WALL_MS + 1000 });

    CHECK_EQ(p.temporaryAccessEndTime, HOME_WALL_MS + 3601000);
    for (size_t i = 0; i < 2 * PN_COUNT(times); i++) {
        size_t at = i < PN_COUNT(times) ? i : 2 * PN_COUNT(times) - 1 - i;

        pn_clock_freeze(HOME_WALL_MS + times[at].after_ms, 1000);
        if (may(&s, "readValue") != times[at].may)
            fail_msg("after %ld ms", (long)times[at].after_ms);
    }
    pn_db_disconnect(s.nowhere);
}

/* The older form may name the range alone: it makes shorter what has a term, from its beginning on, and nothing else. */
HOME_TEST(a_range_alone_is_taken_where_there_is_a_term)
{
    struct scene s = scene_of(h);
    const int64_t starts_ms = HOME_WALL_MS - 1000;
    const struct pn_privilege_in hour = { .permissions = PN_LIT(RULE("readValue")),
                                          .has_term = true,
                                          .isTemporary = true,
                                          .temporaryRange = PN_LIT("1h"),
                                          .temporaryAccessStartTime = starts_ms },
                                 shorter = { .temporaryRange = PN_LIT("30m") },
                                 later = { .temporaryAccessStartTime = starts_ms + 5000 },
                                 lasting = { .has_term = true };
    struct pn_privilege p = give(&s, &s.admin, &hour);
    struct pn_err err = { 0 };

    CHECK_OK(pn_privilege_change(&s.admin, p.id, &shorter, &p, &err), err);
    CHECK_EQ(p.temporaryAccessStartTime, starts_ms);
    CHECK_EQ(p.temporaryAccessEndTime, starts_ms + 1800000);
    CHECK_OK(pn_privilege_change(&s.admin, p.id, &later, &p, &err), err);
    CHECK_STR(p.temporaryRange, "30m");
    CHECK_EQ(p.temporaryAccessEndTime, starts_ms + 1805000);
    CHECK_OK(pn_privilege_change(&s.admin, p.id, &lasting, &p, &err), err);
    CHECK_OK(pn_privilege_change(&s.admin, p.id, &shorter, &p, &err), err);
    CHECK(!p.isTemporary && p.temporaryRange.ptr == NULL);
    pn_db_disconnect(s.nowhere);
}

static void leave(struct scene *s)
{
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_remove(&s->admin, s->project.id, PN_MEMBER_IDENTITIES,
                                      s->robot.actor.id, &member, &err),
             err);
}

static void end_identity(struct scene *s)
{
    struct pn_identity identity;
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_delete(&s->admin, s->robot.actor.id, &identity, &err), err);
}

static void end_project(struct scene *s)
{
    struct pn_project project;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_delete(&s->admin, s->project.id, &project, &err), err);
}

HOME_TEST(it_ends_with_what_it_stands_on)
{
    static void (*const ends[])(struct scene *) = { leave, end_identity, end_project };

    (void)h;
    for (size_t i = 0; i < PN_COUNT(ends); i++) {
        struct home own;
        struct scene s;

        home_start(&own);
        s = scene_of(&own);
        give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(RULE("readValue")) });
        CHECK(may(&s, "readValue"));
        ends[i](&s);
        CHECK(!may(&s, "readValue"));
        CHECK_EQ(home_count(&own, "SELECT count(*) FROM project_privileges"), 0);
        if (i == 0) { /* who comes again comes without it */
            join(&s.admin, s.project.id, s.robot.actor.id, "no-access");
            CHECK(!may(&s, "readValue"));
        }
        pn_db_disconnect(s.nowhere);
        home_stop(&own);
    }
}

static bool spoil(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE project_privileges SET packed = $bytes");

    pn_bind_bytes(q, "$bytes", *(struct pn_str *)context);
    return pn_query_run(q, NULL, err);
}

HOME_TEST(packed_rules_of_another_format_are_parsed)
{
    struct scene s = scene_of(h);
    struct pn_str bytes = PN_LIT("\xff not ours");
    struct pn_err err = { 0 };

    give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(RULE("readValue")) });
    CHECK_OK(pn_db_write(h->db, spoil, &bytes, &err), err);
    CHECK(ask(&s, &s.robot, "readValue", &err) && !ask(&s, &s.robot, "edit", &err));
    pn_db_disconnect(s.nowhere);
}

/* ---- at the same moment ---- */

struct tearing {
    struct scene *scene;
    struct pn_privilege privilege;
    bool is_done;
};

/* Just before privileges are looked at, the role goes that they took from, and then they go. */
static int take_both(unsigned what, void *tearing, void *statement, void *text)
{
    struct tearing *t = tearing;
    const struct pn_project_role none = { .role = PN_LIT("no-access") };
    struct pn_project_member member;
    struct pn_err err = { 0 };

    (void)what, (void)statement;
    if (t->is_done || strstr(text, "project_privileges") == NULL)
        return 0;
    t->is_done = true;
    CHECK_OK(pn_project_member_set_roles(&t->scene->admin, t->scene->project.id,
                                         PN_MEMBER_IDENTITIES, t->scene->robot.actor.id, &none, 1,
                                         &member, &err),
             err);
    CHECK_OK(pn_privilege_delete(&t->scene->admin, t->privilege.id, &t->privilege, &err), err);
    return 0;
}

/* The role alone was never all that the identity had: rights are of one moment, not roles of one and privileges of another. */
HOME_TEST(roles_and_privileges_are_of_one_moment)
{
    struct scene s = scene_of(h);
    const struct pn_project_role roles[] = { { .role = PN_LIT("member") } };
    struct tearing t = { .scene = &s };
    struct pn_project_member member;
    struct pn_err err = { 0 };

    t.privilege =
        give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(MAY_NOT("edit")) });
    CHECK_OK(pn_project_member_set_roles(&s.admin, s.project.id, PN_MEMBER_IDENTITIES,
                                         s.robot.actor.id, roles, 1, &member, &err),
             err);
    CHECK_OK(pn_db_connect(h->db, &s.robot.conn, &err), err);
    CHECK_EQ(sqlite3_trace_v2(s.robot.conn->handle, SQLITE_TRACE_STMT, take_both, &t), SQLITE_OK);
    CHECK(!ask(&s, &s.robot, "edit", &err));
    CHECK(t.is_done);
    pn_db_disconnect(s.robot.conn);
    pn_db_disconnect(s.nowhere);
}

/* ---- the boundary ---- */

/* May see and change identities and read secrets, and no more. */
static struct pn_call new_clerk(struct home *h, struct scene *s)
{
    const struct pn_role_new clerk = {
        .slug = PN_LIT("clerk"),
        .name = PN_LIT("Clerk"),
        .permissions =
            PN_LIT("[{\"subject\":\"identity\",\"action\":[\"read\",\"edit\",\"delete\"]},"
                   "{\"subject\":\"secrets\",\"action\":\"readValue\"}]")
    };
    struct pn_identity identity = new_identity(&s->admin, "clerk");
    struct pn_role role;
    struct pn_err err = { 0 };

    CHECK_OK(pn_role_create(&s->admin, s->project.id, &clerk, &role, &err), err);
    join(&s->admin, s->project.id, identity.id, "clerk");
    return as_identity(h, s->admin.actor.org_id, identity.id);
}

HOME_TEST(nobody_gives_or_takes_more_than_they_hold)
{
    struct scene s = scene_of(h);
    struct pn_call clerk = new_clerk(h, &s);
    const struct pn_privilege_in reads = { .permissions = PN_LIT(RULE("readValue")) },
                                 writes = { .permissions = PN_LIT(RULE("edit")) };
    struct pn_privilege own = give(&s, &clerk, &reads), p;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_privilege_create(&clerk, s.project.id, s.robot.actor.id, &writes, &p, &err), err,
                BOUNDARY);
    CHECK_FAILS(pn_privilege_create(&clerk, s.project.id, clerk.actor.id, &writes, &p, &err), err,
                BOUNDARY);
    CHECK_FAILS(pn_privilege_create(
                    &clerk, s.project.id, s.robot.actor.id,
                    &(struct pn_privilege_in){ .permissions = PN_LIT(MAY_NOT("edit")) }, &p, &err),
                err, BOUNDARY);
    CHECK_FAILS(pn_privilege_change(&clerk, own.id, &writes, &p, &err), err, BOUNDARY);
    CHECK(!may(&s, "edit"));

    give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(ALL) });
    CHECK_FAILS(pn_privilege_delete(&clerk, own.id, &p, &err), err, BOUNDARY);
    CHECK_FAILS(pn_privilege_create(&clerk, s.project.id, s.robot.actor.id, &reads, &p, &err), err,
                BOUNDARY);
    CHECK(may(&s, "edit") && may(&s, "readValue"));
    pn_db_disconnect(s.nowhere);
}

HOME_TEST(what_is_forbidden_is_not_let_go_by_who_may_not_do_it)
{
    struct scene s = scene_of(h);
    struct pn_call clerk = new_clerk(h, &s);
    const struct pn_privilege p =
        give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(MAY_NOT("edit")) });
    struct pn_privilege out;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_privilege_delete(&clerk, p.id, &out, &err), err, BOUNDARY);
    CHECK_FAILS(pn_privilege_change(&clerk, p.id,
                                    &(struct pn_privilege_in){ .permissions = PN_LIT("[]") }, &out,
                                    &err),
                err, BOUNDARY);
    CHECK_OK(pn_privilege_delete(&s.admin, p.id, &out, &err), err);
    pn_db_disconnect(s.nowhere);
}

/* Who makes tokens of an identity, or takes its membership away, could do what its privileges allow. */
HOME_TEST(who_has_a_privilege_is_touched_by_who_may_do_what_it_allows)
{
    struct scene s = scene_of(h);
    struct pn_call clerk = new_clerk(h, &s);
    const struct pn_project_role none = { .role = PN_LIT("no-access") };
    struct pn_project_member member;
    struct pn_identity identity;
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_find(&clerk, s.robot.actor.id, &identity, &err), err);
    CHECK_OK(pn_identity_boundary(&clerk, &identity, "create-token", &err), err);
    give(&s, &s.admin, &(struct pn_privilege_in){ .permissions = PN_LIT(ALL) });
    CHECK_FAILS(pn_identity_boundary(&clerk, &identity, "create-token", &err), err, BOUNDARY);
    CHECK_FAILS(pn_project_member_remove(&clerk, s.project.id, PN_MEMBER_IDENTITIES,
                                         s.robot.actor.id, &member, &err),
                err, BOUNDARY);
    CHECK_FAILS(pn_project_member_set_roles(&clerk, s.project.id, PN_MEMBER_IDENTITIES,
                                            s.robot.actor.id, &none, 1, &member, &err),
                err, BOUNDARY);
    CHECK_OK(pn_identity_boundary(&s.admin, &identity, "create-token", &err), err);
    pn_db_disconnect(s.nowhere);
}

HOME_TEST(another_organisation_and_strangers_see_none)
{
    struct scene s = scene_of(h);
    struct pn_call stranger = home_new_person(h, "eve@acme.test", "no-access");
    const struct pn_privilege_in in = { .permissions = PN_LIT(RULE("readValue")) };
    struct pn_privilege p = give(&s, &s.admin, &in), out;
    struct pn_list list;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_privilege_get(&stranger, p.id, &out, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_privilege_delete(&stranger, p.id, &out, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_privilege_list(&stranger, s.project.id, s.robot.actor.id, &list, &err), err,
                PERMISSION);
    CHECK_FAILS(pn_privilege_list(&s.robot, s.project.id, s.robot.actor.id, &list, &err), err,
                PERMISSION);
    stranger = s.admin;
    stranger.actor.org_id = pn_random_uuid();
    CHECK_FAILS(pn_privilege_get(&stranger, p.id, &out, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_privilege_create(&stranger, s.project.id, s.robot.actor.id, &in, &out, &err),
                err, NOT_FOUND);
    pn_db_disconnect(s.nowhere);
}

HOME_TEST(slugs_terms_and_their_number_are_bounded)
{
    struct scene s = scene_of(h);
    struct pn_privilege_in in = { .slug = PN_LIT("deploy"), .permissions = PN_LIT("[]") };
    struct pn_privilege p;
    struct pn_err err = { 0 };

    give(&s, &s.admin, &in);
    CHECK_FAILS(pn_privilege_create(&s.admin, s.project.id, s.robot.actor.id, &in, &p, &err), err,
                BAD_REQUEST);
    in = (struct pn_privilege_in){ .permissions =
                                       PN_LIT("[{\"subject\":\"moon\",\"action\":\"read\"}]") };
    CHECK_FAILS(pn_privilege_create(&s.admin, s.project.id, s.robot.actor.id, &in, &p, &err), err,
                VALIDATION);
    in = (struct pn_privilege_in){ .permissions = PN_LIT("[]"),
                                   .has_term = true,
                                   .isTemporary = true,
                                   .temporaryRange = PN_LIT("soon") };
    CHECK_FAILS(pn_privilege_create(&s.admin, s.project.id, s.robot.actor.id, &in, &p, &err), err,
                BAD_REQUEST);
    in = (struct pn_privilege_in){ .permissions = PN_LIT("[]") };
    for (int i = 1; i < PN_PRIVILEGE_MAX; i++)
        give(&s, &s.admin, &in);
    CHECK_FAILS(pn_privilege_create(&s.admin, s.project.id, s.robot.actor.id, &in, &p, &err), err,
                BAD_REQUEST);
    pn_db_disconnect(s.nowhere);
}

PN_TEST_MAIN(T(a_privilege_counts_beside_the_roles), T(one_that_forbids_is_asked_after_all_roles),
             T(a_temporary_one_comes_and_goes_though_it_is_known),
             T(a_range_alone_is_taken_where_there_is_a_term), T(it_ends_with_what_it_stands_on),
             T(packed_rules_of_another_format_are_parsed),
             T(roles_and_privileges_are_of_one_moment),
             T(nobody_gives_or_takes_more_than_they_hold),
             T(what_is_forbidden_is_not_let_go_by_who_may_not_do_it),
             T(who_has_a_privilege_is_touched_by_who_may_do_what_it_allows),
             T(another_organisation_and_strangers_see_none),
             T(slugs_terms_and_their_number_are_bounded))
