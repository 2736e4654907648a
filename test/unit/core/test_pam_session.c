/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20. */
#include "stage.h"

#include "core/job/job.h"
#include "core/org/administration.h"
#include "core/org/privilege.h"
#include "core/org/project_member.h"
#include "core/pam/access.h"
#include "core/pam/credentials.h"
#include "core/pam/session.h"

struct scene {
    struct pn_uuid gateway, relay, resource, account;
};

static struct scene set(struct stage *s)
{
    struct scene scene = { .gateway = stage_gateway(s, "edge"),
                           .relay = stage_relay(s, "eu", "relay.test") };

    scene.resource = stage_resource(s, s->project, "prod", scene.gateway);
    scene.account = stage_account(s, scene.resource, "ro", 3600);
    stage_tunnel(s, scene.relay, scene.gateway);
    return scene;
}

static struct pn_uuid open_as(struct stage *s, struct pn_actor actor)
{
    struct pn_call call = stage_call(s, actor);
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_access_open(&call, &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro") },
                                &got, &err),
             err);
    return got.session_id;
}

static bool fetch(struct stage *s, struct pn_uuid gateway, struct pn_uuid session,
                  struct pn_err *err)
{
    struct pn_call call = stage_call(s, stage_gateway_actor(s, gateway));
    struct pn_pam_credentials got;

    return pn_pam_credentials_get(&call, session, &got, err);
}

static struct pn_pam_session show(struct stage *s, struct pn_uuid id)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_session_get(&call, id, &session, &err), err);
    return session;
}

PN_TEST(the_table_of_states)
{
    static const char *const may[] = {
        "starting active", "starting ended",    "starting terminated",
        "active ended",    "active terminated",
    };

    for (int from = 0; from < PN_PAM_STATES; from++)
        for (int to = 0; to < PN_PAM_STATES; to++) {
            char pair[40];
            bool listed = false;

            snprintf(pair, sizeof(pair), "%s %s", pn_pam_state_name((enum pn_pam_state)from),
                     pn_pam_state_name((enum pn_pam_state)to));
            for (size_t i = 0; i < PN_COUNT(may); i++)
                listed = listed || strcmp(pair, may[i]) == 0;
            CHECK_EQ(pn_pam_state_may((enum pn_pam_state)from, (enum pn_pam_state)to), listed);
        }
}

PN_TEST(names_of_states_round_trip)
{
    enum pn_pam_state parsed;

    for (int i = 0; i < PN_PAM_STATES; i++) {
        CHECK(pn_pam_state_parse(pn_str_from(pn_pam_state_name((enum pn_pam_state)i)), &parsed));
        CHECK_EQ(parsed, i);
    }
    CHECK(!pn_pam_state_parse(PN_LIT("Active"), &parsed));
    CHECK(!pn_pam_state_parse(PN_LIT(""), &parsed));
}

STAGE_TEST(credentials_make_it_active_once)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, stage_gateway_actor(s, scene.gateway));
    struct pn_uuid id = open_as(s, s->member);
    struct pn_pam_credentials got;
    struct pn_err err = { 0 };
    int64_t started;

    CHECK_OK(pn_pam_credentials_get(&call, id, &got, &err), err);
    CHECK_STR(got.token, STAGE_TOKEN);
    CHECK_STR(got.url, "https://10.0.0.1:6443");
    CHECK_STR(got.auth_method, "service-account-token");
    CHECK(got.is_verified);
    CHECK(pn_uuid_eq(got.session.accountId, scene.account));
    started = show(s, id).startedAt;
    CHECK_EQ(started, STAGE_WALL_MS);
    CHECK_STR(show(s, id).status, "active");
    pn_clock_advance(5000);
    CHECK_OK(fetch(s, scene.gateway, id, &err), err);
    CHECK_EQ(show(s, id).startedAt, started);
    CHECK_EQ(stage_events(s, "pam-session-start"), 1);
    CHECK_EQ(stage_events(s, "pam-session-credentials-get"), 2);
}

STAGE_TEST(c107_another_gateway_gets_nothing)
{
    struct pn_uuid id, other;
    struct pn_err err = { 0 };

    (void)set(s);
    other = stage_gateway(s, "other");
    id = open_as(s, s->member);
    CHECK_FAILS(fetch(s, other, id, &err), err, NOT_FOUND);
    CHECK_FAILS(fetch(s, other, pn_random_uuid(), &err), err, NOT_FOUND);
    CHECK_STR(show(s, id).status, "starting");
    CHECK_EQ(stage_events(s, "pam-session-credentials-get"), 0);
}

STAGE_TEST(after_the_end_there_are_no_credentials)
{
    struct scene scene = set(s);
    struct pn_call owner = stage_call(s, s->member);
    struct pn_uuid id = open_as(s, s->member);
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_session_end(&owner, id, PN_NONE, &session, &err), err);
    CHECK(!fetch(s, scene.gateway, id, &err));
    CHECK_STR(pn_str_from(err.message), "Session is not active");
    CHECK_STR(err.details, "{\"status\":\"ended\",\"reason\":\"Ended by its owner\"}");
    CHECK_FAILS(false, err, BAD_REQUEST);
}

STAGE_TEST(past_its_expiry_there_are_no_credentials_even_before_the_job_ran)
{
    struct scene scene = set(s);
    struct pn_uuid id = open_as(s, s->member);
    struct pn_err err = { 0 };

    CHECK_OK(fetch(s, scene.gateway, id, &err), err);
    pn_clock_advance(3600 * 1000);
    CHECK(!fetch(s, scene.gateway, id, &err));
    CHECK_STR(err.details, "{\"status\":\"ended\",\"reason\":\"The session has expired\"}");
    CHECK_FAILS(false, err, BAD_REQUEST);
}

STAGE_TEST(owners_end_their_sessions_twice_without_harm)
{
    const struct pn_actor owners[] = { s->member, s->robot };
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    (void)set(s);
    for (size_t i = 0; i < PN_COUNT(owners); i++) {
        struct pn_call call = stage_call(s, owners[i]);
        struct pn_uuid id = open_as(s, owners[i]);

        CHECK_OK(pn_pam_session_end(&call, id, PN_LIT("done"), &session, &err), err);
        CHECK_STR(session.status, "ended");
        CHECK_OK(pn_pam_session_end(&call, id, PN_LIT("again"), &session, &err), err);
        CHECK_STR(session.endReason, "done");
        CHECK_EQ(session.endedAt, STAGE_WALL_MS);
    }
    CHECK_STR(session.endedBy, "identity:robot");
    CHECK_EQ(stage_events(s, "pam-session-end"), 2);
}

STAGE_TEST(who_may_not_end_a_session)
{
    struct pn_uuid id, other;
    const struct pn_actor outsiders[] = { s->robot, s->viewer, s->stranger, s->foreigner };
    struct pn_pam_session session;
    struct pn_call gateway;
    struct pn_err err = { 0 };

    (void)set(s);
    other = stage_gateway(s, "other");
    id = open_as(s, s->member);
    for (size_t i = 0; i < PN_COUNT(outsiders); i++) {
        struct pn_call call = stage_call(s, outsiders[i]);

        CHECK_FAILS(pn_pam_session_get(&call, id, &session, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_session_end(&call, id, PN_NONE, &session, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_session_terminate(&call, id, PN_NONE, &session, &err), err, NOT_FOUND);
    }
    gateway = stage_call(s, stage_gateway_actor(s, other));
    CHECK_FAILS(pn_pam_session_end(&gateway, id, PN_NONE, &session, &err), err, NOT_FOUND);
    CHECK_STR(show(s, id).status, "starting");
}

static bool empty_names(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(pn_query(tx,
                                 "UPDATE pam_accounts SET auth_method = 'gateway-kubernetes-auth',"
                                 " sealed_token = NULL, namespace = '', service_account_name ="
                                 " 'a:b'"),
                        NULL, err);
}

/* Refused when it is saved; should it stand there all the same, no gateway hears of it. */
STAGE_TEST(c82_an_account_that_names_nobody_is_of_no_use)
{
    struct scene scene = set(s);
    struct pn_uuid id = open_as(s, s->member);
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, empty_names, NULL, &err), err);
    CHECK_FAILS(fetch(s, scene.gateway, id, &err), err, BAD_REQUEST);
    CHECK_STR(show(s, id).status, "starting");
    CHECK_EQ(stage_events(s, "pam-session-credentials-get"), 0);
}

STAGE_TEST(its_gateway_ends_it)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, stage_gateway_actor(s, scene.gateway));
    struct pn_uuid id = open_as(s, s->member);
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(fetch(s, scene.gateway, id, &err), err);
    CHECK_OK(pn_pam_session_end(&call, id, PN_LIT("idle"), &session, &err), err);
    CHECK_STR(session.status, "ended");
    CHECK_STR(session.endReason, "idle");
}

STAGE_TEST(administrators_terminate_and_owners_do_not)
{
    struct pn_call admin = stage_call(s, s->admin), owner = stage_call(s, s->member);
    struct pn_pam_session session;
    struct pn_uuid id;
    struct pn_err err = { 0 };

    (void)set(s);
    id = open_as(s, s->member);
    CHECK_FAILS(pn_pam_session_terminate(&owner, id, PN_NONE, &session, &err), err, PERMISSION);
    CHECK_OK(pn_pam_session_terminate(&admin, id, PN_NONE, &session, &err), err);
    CHECK_STR(session.status, "terminated");
    CHECK_STR(session.endReason, "Terminated by an administrator");
    CHECK_STR(session.endedBy, "user:admin@acme.test");
    CHECK_FAILS(pn_pam_session_terminate(&admin, id, PN_NONE, &session, &err), err, BAD_REQUEST);
    CHECK_OK(pn_pam_session_end(&owner, id, PN_NONE, &session, &err), err);
    CHECK_STR(session.status, "terminated"); /* the first end counts */
    id = open_as(s, s->member);
    CHECK_OK(pn_pam_session_end(&admin, id, PN_NONE, &session, &err), err);
    CHECK_STR(session.status, "terminated");
    CHECK_EQ(stage_events(s, "pam-session-terminate"), 2);
}

/* Runs what is due, as server/jobs does. */
static size_t end_due(struct stage *s)
{
    const struct pn_job_where where = { s->admin.org_id, PN_LIT("") };
    const struct pn_job_row *rows;
    struct pn_err err = { 0 };
    struct pn_list due;

    CHECK_OK(pn_job_due(s->conn, s->arena, &where, pn_clock_lease_ms(), 1000, &due, &err), err);
    rows = due.items;
    for (size_t i = 0; i < due.count; i++) {
        struct pn_call call = stage_call(
            s, (struct pn_actor){ .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") });
        bool has_answered;

        CHECK_EQ(rows[i].kind, PN_JOB_SESSION);
        CHECK_OK(pn_pam_session_run_job(&call, rows[i].id, 1, &has_answered, &err), err);
    }
    return due.count;
}

STAGE_TEST(time_ends_what_is_due_and_nothing_else)
{
    struct scene scene = set(s);
    struct pn_uuid first = open_as(s, s->member), second;
    struct pn_err err = { 0 };

    CHECK_OK(fetch(s, scene.gateway, first, &err), err);
    pn_clock_advance(1800 * 1000);
    stage_tunnel(s, scene.relay, scene.gateway);
    second = open_as(s, s->member);
    CHECK_EQ(end_due(s), 0);
    pn_clock_advance(1800 * 1000);
    CHECK_EQ(end_due(s), 1);
    CHECK_STR(show(s, first).status, "ended");
    CHECK_STR(show(s, first).endReason, "The session has expired");
    CHECK_STR(show(s, first).endedBy, "platform");
    CHECK_STR(show(s, second).status, "starting");
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM audit_log WHERE event_type = 'pam-session-end' "
                            "AND org_id IS NOT NULL"
                            " AND actor_type = 'platform'"),
             1);
    CHECK_EQ(end_due(s), 0);
}

/* It lasts as long as it was to, whatever is done to the wall clock. */
STAGE_TEST(a_clock_that_is_set_back_lengthens_no_session)
{
    struct pn_uuid session;

    (void)set(s);
    session = open_as(s, s->member);
    pn_clock_advance(3599 * 1000);
    pn_clock_freeze(pn_clock_wall_ms() - 3600 * 1000, pn_clock_mono_ms());
    CHECK_EQ(end_due(s), 0);
    pn_clock_advance(1000);
    CHECK_EQ(end_due(s), 1);
    CHECK_STR(show(s, session).status, "ended");
}

STAGE_TEST(many_end_at_once)
{
    (void)set(s);
    for (int i = 0; i < 205; i++)
        (void)open_as(s, s->member);
    pn_clock_advance(3600 * 1000);
    CHECK_EQ(end_due(s), 205);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions WHERE status = 'ended'"), 205);
}

/* Who ends a session takes its job along, and a run that comes too late finds nothing. */
STAGE_TEST(a_session_that_is_over_is_not_due)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pam_session session;
    struct pn_err err = { 0 };
    bool has_answered;
    struct pn_uuid id;

    (void)set(s);
    id = open_as(s, s->member);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM jobs"), 1);
    CHECK_OK(pn_pam_session_terminate(&call, id, PN_LIT("enough"), &session, &err), err);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM jobs"), 0);
    CHECK_OK(pn_pam_session_run_job(&call, id, 1, &has_answered, &err), err);
    CHECK_STR(show(s, id).status, "terminated");
}

STAGE_TEST(sessions_end_with_what_they_stand_on)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid by_account = open_as(s, s->member), by_resource, by_gateway;
    struct pn_pam_account account;
    struct pn_pam_resource resource;
    struct pn_err err = { 0 };
    bool had;

    CHECK_OK(fetch(s, scene.gateway, by_account, &err), err);
    CHECK_OK(pn_pam_account_delete(&call, scene.account, &account, &err), err);
    CHECK_STR(show(s, by_account).status, "terminated");
    CHECK_STR(show(s, by_account).endReason, "The account was deleted");
    CHECK_STR(show(s, by_account).accountPath, "prod/ro"); /* names outlive what they named */
    CHECK(pn_uuid_is_zero(show(s, by_account).accountId));

    (void)stage_account(s, scene.resource, "ro", 3600);
    by_gateway = open_as(s, s->member);
    CHECK_OK(pn_gateways_revoke(&call, scene.gateway, &had, &err), err);
    CHECK_STR(show(s, by_gateway).endReason, "The gateway was revoked");

    scene.gateway = stage_gateway(s, "second");
    stage_tunnel(s, scene.relay, scene.gateway);
    CHECK_OK(pn_pam_resource_update(
                 &call, scene.resource,
                 &(struct pn_pam_resource_change){ .cluster.has_gateway = true,
                                                   .cluster.gateway_id = scene.gateway },
                 &resource, &err),
             err);
    by_resource = open_as(s, s->member);
    CHECK_OK(pn_pam_resource_delete(&call, scene.resource, &resource, &err), err);
    CHECK_STR(show(s, by_resource).status, "terminated");
    CHECK_STR(show(s, by_resource).resourceName, "prod");
    CHECK_FAILS(fetch(s, scene.gateway, by_resource, &err), err, BAD_REQUEST);
}

static void make_role(struct stage *s, struct pn_uuid user, const char *role)
{
    const struct pn_project_role roles[] = { { .role = PN_LIT("no-access") },
                                             { .role = pn_str_from(role) } };
    struct pn_call call = stage_call(s, s->admin);
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_set_roles(&call, s->project, PN_MEMBER_USERS, user, roles, 2,
                                         &member, &err),
             err);
}

STAGE_TEST(sessions_end_with_the_role_that_allowed_them)
{
    struct pn_uuid mine, robots;

    (void)set(s);
    mine = open_as(s, s->member);
    robots = open_as(s, s->robot);
    make_role(s, s->member.id, "admin"); /* still may */
    CHECK_STR(show(s, mine).status, "starting");
    (void)open_as(s, s->member); /* what the member may do is remembered, and about to change */
    make_role(s, s->member.id, "viewer");
    CHECK_STR(show(s, mine).status, "terminated");
    CHECK_STR(show(s, mine).endReason, "No longer allowed to use the project's accounts");
    CHECK_STR(show(s, robots).status, "starting");
}

#define MAY_USE "[{\"subject\":\"pam-accounts\",\"action\":[\"access\",\"read\"]}]"

STAGE_TEST(sessions_end_with_the_privilege_that_allowed_them)
{
    const struct pn_privilege_in in = { .permissions = PN_LIT(MAY_USE) };
    const struct pn_project_role none = { .role = PN_LIT("no-access") };
    struct pn_call call = stage_call(s, s->admin);
    struct pn_privilege first, second, gone;
    struct pn_project_member member;
    struct pn_uuid mine, robots;
    struct pn_err err = { 0 };

    (void)set(s);
    mine = open_as(s, s->member);
    CHECK_OK(pn_project_member_set_roles(&call, s->project, PN_MEMBER_IDENTITIES, s->robot.id,
                                         &none, 1, &member, &err),
             err);
    CHECK_OK(pn_privilege_create(&call, s->project, s->robot.id, &in, &first, &err), err);
    CHECK_OK(pn_privilege_create(&call, s->project, s->robot.id, &in, &second, &err), err);
    robots = open_as(s, s->robot);
    CHECK_OK(pn_privilege_delete(&call, first.id, &gone, &err), err); /* still may */
    CHECK_STR(show(s, robots).status, "starting");
    CHECK_OK(pn_privilege_change(&call, second.id,
                                 &(struct pn_privilege_in){ .permissions = PN_LIT("[]") }, &gone,
                                 &err),
             err);
    CHECK_STR(show(s, robots).status, "terminated");
    CHECK_STR(show(s, robots).endReason, "No longer allowed to use the project's accounts");
    CHECK_STR(show(s, mine).status, "starting");
}

/* The member as the organisation's, too, beside its administrator, who administers the instance. */
static bool raise_admin(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct stage *s = context;

    (void)err;
    stage_sql(tx, "UPDATE users SET is_super_admin = 1 WHERE id = $a", &s->admin.id, NULL);
    return true;
}

STAGE_TEST(sessions_end_with_the_account_of_their_owner)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid mine, robots;
    struct pn_list gone;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, raise_admin, s, &err), err);
    (void)set(s);
    mine = open_as(s, s->member);
    robots = open_as(s, s->robot);
    CHECK_FAILS(pn_admin_users_delete(&call, &s->member.id, 1, &gone, &err), err, FORBIDDEN);
    call.actor.is_super_admin = true;
    CHECK_FAILS(pn_admin_users_delete(&call, &s->admin.id, 1, &gone, &err), err, BAD_REQUEST);
    CHECK_STR(show(s, mine).status, "starting");
    CHECK_OK(pn_admin_users_delete(&call, &s->member.id, 1, &gone, &err), err);
    CHECK_STR(show(s, mine).status, "terminated");
    CHECK_STR(show(s, mine).endReason, "No longer a member of the organization");
    CHECK_STR(show(s, robots).status, "starting");
    CHECK_EQ(stage_events(s, "delete-user"), 1);
    CHECK_EQ(stage_events(s, "delete-org-membership"), 1);
}

STAGE_TEST(sync_names_what_is_over_and_what_is_foreign)
{
    struct scene scene = set(s);
    struct pn_uuid other = stage_gateway(s, "other");
    struct pn_uuid ids[] = { open_as(s, s->member), open_as(s, s->member), open_as(s, s->member),
                             pn_random_uuid() };
    struct pn_call call = stage_call(s, stage_gateway_actor(s, scene.gateway)),
                   admin = stage_call(s, s->admin),
                   stranger = stage_call(s, stage_gateway_actor(s, other));
    struct pn_pam_session_verdict *verdicts;
    struct pn_pam_session session;
    struct pn_list list;
    struct pn_err err = { 0 };

    CHECK_OK(fetch(s, scene.gateway, ids[0], &err), err);
    CHECK_OK(pn_pam_session_terminate(&admin, ids[1], PN_LIT("off"), &session, &err), err);
    CHECK_OK(pn_pam_session_sync(&call, ids, PN_COUNT(ids), &list, &err), err);
    verdicts = list.items;
    CHECK_EQ(list.count, 2);
    CHECK(pn_uuid_eq(verdicts[0].id, ids[1]));
    CHECK_STR(verdicts[0].status, "terminated");
    CHECK_STR(verdicts[0].reason, "off");
    CHECK(pn_uuid_eq(verdicts[1].id, ids[3]));
    CHECK_STR(verdicts[1].status, "unknown");
    CHECK_OK(pn_pam_session_sync(&stranger, ids, 1, &list, &err), err);
    verdicts = list.items;
    CHECK_EQ(list.count, 1);
    CHECK_STR(verdicts[0].status, "unknown");
    CHECK_OK(pn_pam_session_sync(&call, NULL, 0, &list, &err), err);
    CHECK_EQ(list.count, 0);
    call.now_ms += 3600 * 1000;
    CHECK_OK(pn_pam_session_sync(&call, ids, 1, &list, &err), err);
    verdicts = list.items;
    CHECK_EQ(list.count, 1);
    CHECK_STR(verdicts[0].status, "ended");
    CHECK_STR(verdicts[0].reason, "The session has expired");
}

static int64_t list_as(struct stage *s, struct pn_actor actor, struct pn_pam_session_filter filter,
                       struct pn_pam_session **rows, size_t *count)
{
    struct pn_call call = stage_call(s, actor);
    struct pn_list list;
    struct pn_err err = { 0 };
    int64_t total;

    filter.limit = filter.limit > 0 ? filter.limit : 20;
    CHECK_OK(pn_pam_session_list(&call, &filter, &list, &total, &err), err);
    *rows = list.items;
    *count = list.count;
    return total;
}

STAGE_TEST(auditors_list_all_and_members_their_own)
{
    struct pn_uuid mine, robots;
    struct pn_pam_session_filter in_project = { .project_id = s->project },
                                 everywhere = { .limit = 10 };
    struct pn_pam_session *rows;
    struct pn_call stranger = stage_call(s, s->stranger), foreigner = stage_call(s, s->foreigner);
    struct pn_list list;
    struct pn_err err = { 0 };
    int64_t total;
    size_t count;

    (void)set(s);
    mine = open_as(s, s->member);
    pn_clock_advance(10);
    robots = open_as(s, s->robot);
    CHECK_EQ(list_as(s, s->admin, in_project, &rows, &count), 2);
    CHECK(pn_uuid_eq(rows[0].id, robots)); /* the newest first */
    CHECK_EQ(list_as(s, s->member, in_project, &rows, &count), 1);
    CHECK(pn_uuid_eq(rows[0].id, mine));
    CHECK_EQ(list_as(s, s->robot, everywhere, &rows, &count), 1);
    CHECK_EQ(list_as(s, s->admin, everywhere, &rows, &count), 0);
    CHECK_EQ(list_as(s, s->foreigner, everywhere, &rows, &count), 0);
    in_project.limit = 10;
    CHECK_FAILS(pn_pam_session_list(&stranger, &in_project, &list, &total, &err), err, PERMISSION);
    CHECK_FAILS(pn_pam_session_list(&foreigner, &in_project, &list, &total, &err), err, NOT_FOUND);
}

STAGE_TEST(lists_filter_search_and_page)
{
    struct pn_call admin = stage_call(s, s->admin);
    struct pn_pam_session session, *rows;
    struct pn_err err = { 0 };
    size_t count;

    (void)set(s);
    (void)open_as(s, s->member);
    (void)open_as(s, s->robot);
    CHECK_OK(pn_pam_session_terminate(&admin, open_as(s, s->robot), PN_NONE, &session, &err), err);
    CHECK_EQ(list_as(s, s->admin,
                     (struct pn_pam_session_filter){ .project_id = s->project,
                                                     .status = PN_LIT("starting") },
                     &rows, &count),
             2);
    CHECK_EQ(list_as(s, s->admin,
                     (struct pn_pam_session_filter){ .project_id = s->project,
                                                     .search = PN_LIT("ROBOT") },
                     &rows, &count),
             2);
    CHECK_EQ(
        list_as(s, s->admin,
                (struct pn_pam_session_filter){ .project_id = s->project, .search = PN_LIT("_") },
                &rows, &count),
        0);
    CHECK_EQ(
        list_as(s, s->admin,
                (struct pn_pam_session_filter){ .project_id = s->project, .limit = 2, .offset = 2 },
                &rows, &count),
        3);
    CHECK_EQ(count, 1);
}

PN_TEST_MAIN(T(the_table_of_states), T(names_of_states_round_trip),
             T(credentials_make_it_active_once), T(c107_another_gateway_gets_nothing),
             T(after_the_end_there_are_no_credentials),
             T(past_its_expiry_there_are_no_credentials_even_before_the_job_ran),
             T(owners_end_their_sessions_twice_without_harm), T(who_may_not_end_a_session),
             T(its_gateway_ends_it), T(administrators_terminate_and_owners_do_not),
             T(time_ends_what_is_due_and_nothing_else),
             T(a_clock_that_is_set_back_lengthens_no_session), T(many_end_at_once),
             T(a_session_that_is_over_is_not_due), T(sessions_end_with_what_they_stand_on),
             T(sessions_end_with_the_role_that_allowed_them),
             T(sessions_end_with_the_privilege_that_allowed_them),
             T(sessions_end_with_the_account_of_their_owner),
             T(sync_names_what_is_over_and_what_is_foreign),
             T(auditors_list_all_and_members_their_own), T(lists_filter_search_and_page),
             T(c82_an_account_that_names_nobody_is_of_no_use))
