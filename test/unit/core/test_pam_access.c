/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20.4. */
#include "stage.h"

#include "core/org/org.h"
#include "core/org/privilege.h"
#include "core/org/project_member.h"
#include "core/pam/access.h"
#include "core/pam/session.h"
#include "crypto/x509.h"

/* A gateway with a live tunnel, a resource behind it and an account of an hour at most. */
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

static bool open_path(struct stage *s, struct pn_actor actor, const char *path,
                      struct pn_pam_access *out, struct pn_err *err)
{
    struct pn_call call = stage_call(s, actor);

    return pn_pam_access_open(&call, &(struct pn_pam_access_wish){ .path = pn_str_from(path) }, out,
                              err);
}

STAGE_TEST(c59_to_c62_four_ways_to_name_an_account)
{
    struct scene scene = set(s);
    const struct pn_pam_access_wish wishes[] = {
        { .path = PN_LIT("prod/ro") },
        { .path = PN_LIT("/prod/ro") },
        { .resource_name = PN_LIT("prod"), .account_name = PN_LIT("ro"), .project_id = s->project },
        { .account_path = PN_LIT("/prod/ro"), .project_id = s->project },
        { .account_id = scene.account },
    };
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(wishes); i++) {
        CHECK_OK(pn_pam_access_open(&call, &wishes[i], &got, &err), err);
        CHECK(pn_uuid_eq(got.account_id, scene.account));
        CHECK_STR(got.resource_name, "prod");
        CHECK_STR(got.account_name, "ro");
        CHECK_EQ(got.relays.count, 1);
        CHECK_STR(got.relays.items[0], "relay.test:8443");
    }
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions WHERE status = 'starting'"), 5);
    CHECK_EQ(stage_events(s, "pam-account-access"), 5);
    CHECK_FAILS(pn_pam_access_open(&call, &(struct pn_pam_access_wish){ 0 }, &got, &err), err,
                BAD_REQUEST);
}

STAGE_TEST(c63_paths_that_are_none)
{
    static const char *const bad[] = { "prod", "prod/", "/", "" };
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)set(s);
    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(open_path(s, s->member, bad[i], &got, &err), err, BAD_REQUEST);
    CHECK(!open_path(s, s->member, "a/b/c", &got, &err));
    CHECK_STR(pn_str_from(err.message), "Account 'a/b/c' not found");
    CHECK_FAILS(false, err, NOT_FOUND);
}

STAGE_TEST(c64_hidden_accounts_look_like_missing_ones)
{
    struct scene scene = set(s);
    struct pn_actor outsiders[] = { s->stranger, s->foreigner };
    struct pn_pam_access got;
    struct pn_err missing = { 0 }, hidden = { 0 }, err = { 0 };

    for (size_t i = 0; i < PN_COUNT(outsiders); i++) {
        struct pn_call call = stage_call(s, outsiders[i]);

        CHECK(!open_path(s, outsiders[i], "prod/ro", &got, &hidden));
        CHECK(!open_path(s, outsiders[i], "prod/rx", &got, &missing));
        CHECK_EQ(hidden.code, missing.code);
        CHECK_STR(pn_str_from(hidden.message), "Account 'prod/ro' not found");
        CHECK_STR(pn_str_from(missing.message), "Account 'prod/rx' not found");
        pn_err_clear(&hidden);
        pn_err_clear(&missing);
        CHECK_FAILS(pn_pam_access_open(&call,
                                       &(struct pn_pam_access_wish){ .account_id = scene.account },
                                       &got, &err),
                    err, NOT_FOUND);
    }
    /* Who may see it but not enter is told so. */
    CHECK_FAILS(open_path(s, s->viewer, "prod/ro", &got, &err), err, PERMISSION);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions"), 0);
}

static int64_t granted(struct stage *s, const char *duration)
{
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_access got;
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_access_open(&call,
                                &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro"),
                                                              .duration = pn_str_from(duration) },
                                &got, &err),
             err);
    CHECK_OK(
        pn_x509_read(s->arena,
                     pn_str_slice(got.certificate, 0,
                                  (size_t)pn_str_search(got.certificate, PN_LIT("-----END")) + 26),
                     &info, &err),
        err);
    CHECK_EQ(info.not_after_ms, got.expires_ms);
    CHECK_EQ(info.not_before_ms, (call.now_ms - 60000) / 1000 * 1000);
    return got.expires_ms - call.now_ms / 1000 * 1000;
}

STAGE_TEST(c65_durations_in_both_grammars_up_to_the_accounts_maximum)
{
    (void)set(s);
    CHECK_EQ(granted(s, "2h30m"), 3600 * 1000);
    CHECK_EQ(granted(s, "9000000ms"), 3600 * 1000);
    CHECK_EQ(granted(s, NULL), 3600 * 1000);
    CHECK_EQ(granted(s, ""), 3600 * 1000);
    CHECK_EQ(granted(s, "5m"), 300 * 1000);
    CHECK_EQ(granted(s, "1.5m"), 90 * 1000);
    CHECK_EQ(granted(s, "10 min"), 600 * 1000);
    CHECK_EQ(granted(s, "60000"), 60 * 1000);
}

STAGE_TEST(c66_durations_that_are_none)
{
    static const char *const bad[] = { "abc", "1x", "-1h", "1h 30", "h", "0", "999ms" };
    struct pn_call call = stage_call(s, s->member);
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)set(s);
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK(!pn_pam_access_open(&call,
                                  &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro"),
                                                                .duration = pn_str_from(bad[i]) },
                                  &got, &err));
        if (i < 5)
            CHECK_STR(pn_str_from(err.message), "Invalid duration format");
        CHECK_FAILS(false, err, BAD_REQUEST);
    }
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions"), 0);
}

STAGE_TEST(c79_without_a_gateway_or_a_tunnel)
{
    struct scene scene = set(s);
    struct pn_uuid alone = stage_resource(s, s->project, "alone", (struct pn_uuid){ { 0 } });
    struct pn_call relay = stage_call(s, stage_relay_actor(s, scene.relay));
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)stage_account(s, alone, "ro", 3600);
    CHECK(!open_path(s, s->member, "alone/ro", &got, &err));
    CHECK_STR(pn_str_from(err.message), "Gateway not configured for this account");
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_OK(pn_relays_heartbeat(&relay, NULL, 0, &(struct pn_strs){ 0 }, &err), err);
    CHECK(!open_path(s, s->member, "prod/ro", &got, &err));
    CHECK(pn_str_search(pn_str_from(err.message), PN_LIT("gateway 'edge' has no live tunnel")) > 0);
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions"), 0);
}

static bool break_authority(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(
        pn_query(tx, "UPDATE authorities SET sealed_key = zeroblob(64) WHERE kind = 'client'"),
        NULL, err);
}

STAGE_TEST(c80_a_failing_signature_leaves_no_session)
{
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    (void)set(s);
    CHECK_OK(open_path(s, s->member, "prod/ro", &got, &err), err);
    CHECK_OK(pn_db_write(s->db, break_authority, NULL, &err), err);
    CHECK_FAILS(open_path(s, s->member, "prod/ro", &got, &err), err, INTERNAL);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions"), 1);
    CHECK_EQ(stage_events(s, "pam-account-access"), 1);
}

static struct pn_str extension(struct stage *s, struct pn_str leaf, const char *oid)
{
    struct pn_str value;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_extension(s->arena, leaf, oid, &value, &err), err);
    return value;
}

STAGE_TEST(the_certificate_names_actor_session_and_gateway)
{
    struct scene scene = set(s);
    struct pn_pam_access got;
    struct pn_str leaf, want;
    struct pn_cert_info info;
    struct pn_err err = { 0 };
    size_t count;

    CHECK_OK(open_path(s, s->robot, "prod/ro", &got, &err), err);
    CHECK_OK(pn_x509_check_bundle(got.certificate, &count, &err), err);
    CHECK_EQ(count, 2);
    CHECK_OK(pn_x509_check_bundle(got.server_chain, &count, &err), err);
    CHECK_EQ(count, 1);
    leaf = pn_str_slice(got.certificate, 0,
                        (size_t)pn_str_search(got.certificate, PN_LIT("-----END")) + 26);
    CHECK_OK(pn_x509_read(s->arena, leaf, &info, &err), err);
    want = pn_arena_printf(s->arena, "identity:%s", pn_uuid_format(scene.gateway).text);
    CHECK(pn_str_eq(info.common_name, want));
    CHECK(pn_str_eq(info.organization, pn_uuid_str(s->arena, s->org)));
    CHECK_STR(extension(s, leaf, "1.3.6.1.4.1.12345.100.1"),
              "{\"targetHost\":\"10.0.0.1\",\"targetPort\":6443}");
    want = pn_arena_printf(s->arena, "{\"type\":\"identity\",\"id\":\"%s\",\"name\":\"robot\"}",
                           pn_uuid_format(s->robot.id).text);
    CHECK(pn_str_eq(extension(s, leaf, "1.3.6.1.4.1.12345.100.2"), want));
    want = pn_arena_printf(s->arena, "{\"sessionId\":\"%s\",\"resourceType\":\"kubernetes\"}",
                           pn_uuid_format(got.session_id).text);
    CHECK(pn_str_eq(extension(s, leaf, "1.3.6.1.4.1.12345.100.3"), want));
    want = pn_arena_printf(s->arena, "%s.gateway.postern.internal",
                           pn_uuid_format(scene.gateway).text);
    CHECK(pn_str_eq(got.server_name, want));
    CHECK(!stage_leaks(s, pn_str_slice(got.key, 40, 80)));
}

STAGE_TEST(equal_names_in_two_projects_need_the_project)
{
    struct scene scene = set(s);
    struct pn_uuid twin = stage_resource(s, s->other_project, "prod", scene.gateway), account;
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pam_access got;
    struct pn_err err = { 0 };

    account = stage_account(s, twin, "ro", 3600);
    CHECK_FAILS(open_path(s, s->admin, "prod/ro", &got, &err), err, BAD_REQUEST);
    CHECK_OK(pn_pam_access_open(&call,
                                &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro"),
                                                              .project_id = s->other_project },
                                &got, &err),
             err);
    CHECK(pn_uuid_eq(got.account_id, account));
    /* Who is in one of them only is not disturbed by the other. */
    CHECK_OK(open_path(s, s->member, "prod/ro", &got, &err), err);
    CHECK(pn_uuid_eq(got.account_id, scene.account));
}

STAGE_TEST(the_session_says_who_why_and_until_when)
{
    struct scene scene = set(s);
    struct pn_call call = stage_call(s, s->robot);
    struct pn_pam_access got;
    struct pn_pam_session session;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_access_open(&call,
                                &(struct pn_pam_access_wish){ .path = PN_LIT("prod/ro"),
                                                              .reason = PN_LIT("ticket 7") },
                                &got, &err),
             err);
    CHECK_OK(pn_pam_session_get(&call, got.session_id, &session, &err), err);
    CHECK(pn_uuid_eq(session.identityId, s->robot.id) && pn_uuid_is_zero(session.userId));
    CHECK_STR(session.actorType, "identity");
    CHECK_STR(session.actorIp, "192.0.2.7");
    CHECK_STR(session.reason, "ticket 7");
    CHECK_STR(session.status, "starting");
    CHECK_STR(session.gatewayName, "edge");
    CHECK_STR(session.accountPath, "prod/ro");
    CHECK(pn_uuid_eq(session.gatewayId, scene.gateway));
    CHECK_EQ(session.expiresAt, got.expires_ms);
}

static void remove_member(struct stage *s, struct pn_call *admin)
{
    struct pn_project_member gone;
    struct pn_err err = { 0 };

    CHECK_OK(
        pn_project_member_remove(admin, s->project, PN_MEMBER_USERS, s->member.id, &gone, &err),
        err);
}

static void switch_member_off(struct stage *s, struct pn_call *admin)
{
    struct pn_org_member changed;
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_org_members(admin, s->org, &list, &err), err);
    for (size_t i = 0; i < list.count; i++) {
        const struct pn_org_member *m = (const struct pn_org_member *)list.items + i;

        if (pn_uuid_eq(m->userId, s->member.id))
            CHECK_OK(pn_org_member_change(admin, s->org, m->id, PN_NONE, 0, &changed, &err), err);
    }
}

static void demote_member(struct stage *s, struct pn_call *admin)
{
    const struct pn_project_role viewer = { .role = PN_LIT("viewer") };
    struct pn_project_member member;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_set_roles(admin, s->project, PN_MEMBER_USERS, s->member.id, &viewer,
                                         1, &member, &err),
             err);
}

static void forbid_robot(struct stage *s, struct pn_call *admin)
{
    const struct pn_privilege_in in = {
        .permissions =
            PN_LIT("[{\"subject\":\"pam-accounts\",\"action\":\"access\",\"inverted\":true}]")
    };
    struct pn_privilege privilege;
    struct pn_err err = { 0 };

    CHECK_OK(pn_privilege_create(admin, s->project, s->robot.id, &in, &privilege, &err), err);
}

/* The permission is read before the change, which ends the sessions that are there; the session is written after it. */
static void refuse_after(struct stage *s, struct pn_actor who,
                         void (*change)(struct stage *s, struct pn_call *admin), enum pn_code code)
{
    struct pn_call admin = stage_call(s, s->admin);
    struct pn_pam_access got;
    struct pn_err err = { 0 };
    struct pn_query *old;

    CHECK_OK(open_path(s, who, "prod/ro", &got, &err), err); /* makes what is made once */
    old = pn_query(s->conn, "SELECT id FROM users"); /* what s->conn reads stays as it is now */
    CHECK(pn_query_next(old));
    CHECK_OK(pn_db_connect(s->db, &admin.conn, &err), err);
    change(s, &admin);
    pn_db_disconnect(admin.conn);
    CHECK(!open_path(s, who, "prod/ro", &got, &err));
    CHECK_EQ(err.code, code);
    pn_err_clear(&err);
    CHECK_OK(pn_query_end(old, &err), err);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_sessions WHERE status = 'starting'"), 0);
}

STAGE_TEST(who_has_just_left_the_project_gets_no_session)
{
    (void)set(s);
    refuse_after(s, s->member, remove_member, PN_CONFLICT);
}

STAGE_TEST(who_has_just_been_switched_off_gets_no_session)
{
    (void)set(s);
    refuse_after(s, s->member, switch_member_off, PN_CONFLICT);
}

STAGE_TEST(who_has_just_lost_the_right_gets_no_session)
{
    (void)set(s);
    refuse_after(s, s->member, demote_member, PN_PERMISSION);
    refuse_after(s, s->robot, forbid_robot, PN_PERMISSION);
}

PN_TEST_MAIN(T(c59_to_c62_four_ways_to_name_an_account), T(c63_paths_that_are_none),
             T(c64_hidden_accounts_look_like_missing_ones),
             T(c65_durations_in_both_grammars_up_to_the_accounts_maximum),
             T(c66_durations_that_are_none), T(c79_without_a_gateway_or_a_tunnel),
             T(c80_a_failing_signature_leaves_no_session),
             T(the_certificate_names_actor_session_and_gateway),
             T(equal_names_in_two_projects_need_the_project),
             T(the_session_says_who_why_and_until_when),
             T(who_has_just_left_the_project_gets_no_session),
             T(who_has_just_been_switched_off_gets_no_session),
             T(who_has_just_lost_the_right_gets_no_session))
