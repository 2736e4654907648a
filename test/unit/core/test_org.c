/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/org/administration.h"
#include "core/org/names.h"

HOME_TEST(a_project_has_its_maker_as_admin_and_three_environments)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "My Project!"), found;
    const struct pn_environment *env;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_get(&admin, project.id, &found, &err), err);
    env = found.environments.items;
    CHECK_EQ(found.environments.count, 3);
    CHECK_STR(env[0].slug, "dev");
    CHECK_STR(env[2].name, "Production");
    CHECK(pn_str_starts(found.slug, PN_LIT("my-project-")));
    CHECK_OK(pn_permit_project(&admin, project.id, "anything", "at-all", &err), err);
    CHECK_OK(pn_scope_ready(h->conn, h->keyring, project.id, &err), err);
}

HOME_TEST(slugs_are_taken_once_per_organization)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project_new fresh = { .name = PN_LIT("a"),
                                    .slug = PN_LIT("taken"),
                                    .type = PN_LIT("pam") };
    struct pn_project project;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_create(&admin, &fresh, &project, &err), err);
    CHECK_FAILS(pn_project_create(&admin, &fresh, &project, &err), err, BAD_REQUEST);
    CHECK_EQ(home_events(h, "create-project"), 1);
}

HOME_TEST(a_protected_project_stays)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p"), out;
    struct pn_project_change change = { .has_delete_protection = 1 };
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_change(&admin, project.id, &change, &out, &err), err);
    CHECK_STR(out.name, "p");
    CHECK_FAILS(pn_project_delete(&admin, project.id, &out, &err), err, FORBIDDEN);
    change.has_delete_protection = 0;
    CHECK_OK(pn_project_change(&admin, project.id, &change, &out, &err), err);
    CHECK_OK(pn_project_delete(&admin, project.id, &out, &err), err);
    CHECK_FAILS(pn_project_get(&admin, project.id, &out, &err), err, NOT_FOUND);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM environments"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM project_member_roles"), 0);
}

HOME_TEST(the_last_administrators_stay)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    const struct pn_project_role viewer = { .role = PN_LIT("viewer") };
    struct pn_project_member member;
    struct pn_org_member *members, changed;
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_FAILS(pn_project_member_set_roles(&admin, project.id, PN_MEMBER_USERS, admin.actor.id,
                                            &viewer, 1, &member, &err),
                err, BAD_REQUEST);
    CHECK_FAILS(pn_project_member_remove(&admin, project.id, PN_MEMBER_USERS, admin.actor.id,
                                         &member, &err),
                err, BAD_REQUEST);
    CHECK_OK(pn_org_members(&admin, h->first.org.id, &list, &err), err);
    members = list.items;
    CHECK_EQ(list.count, 1);
    CHECK_FAILS(pn_org_member_change(&admin, h->first.org.id, members[0].id, PN_LIT("member"), -1,
                                     &changed, &err),
                err, BAD_REQUEST);
    CHECK_FAILS(
        pn_org_member_change(&admin, h->first.org.id, members[0].id, PN_NONE, 0, &changed, &err),
        err, BAD_REQUEST);
    CHECK_FAILS(pn_org_member_delete(&admin, h->first.org.id, members[0].id, &changed, &err), err,
                BAD_REQUEST);
    CHECK_OK(pn_permit_project(&admin, project.id, "pam-accounts", "create", &err), err);
}

HOME_TEST(who_leaves_the_organization_leaves_its_projects_at_once)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "member");
    struct pn_project project = home_project(h, &ann, "anns");
    struct pn_str email = PN_LIT("admin@acme.test"), role = PN_LIT("admin"), token;
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_project_member_add_users(&ann, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &role, 1 }, &list,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_OK(home_login(h, "ann@acme.test", HOME_PASSWORD, &token, &err), err);
    ann = home_as(h, token);
    CHECK_OK(pn_login_select_org(&ann, h->first.org.id, &token, &(bool){ false }, &err), err);
    CHECK_OK(pn_org_members(&admin, h->first.org.id, &list, &err), err);
    for (size_t i = 0; i < list.count; i++) {
        const struct pn_org_member *m = (const struct pn_org_member *)list.items + i;
        struct pn_org_member gone;

        if (pn_str_is(m->email, "ann@acme.test"))
            CHECK_OK(pn_org_member_delete(&admin, h->first.org.id, m->id, &gone, &err), err);
    }
    CHECK_FAILS(home_knows(h, token, &err), err, FORBIDDEN);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM project_members"), 1);
}

static struct pn_org_invite invite(struct home *h, struct pn_call *call, const char *email)
{
    struct pn_str address = pn_str_from(email);
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_org_invite(call, h->first.org.id, (struct pn_strs){ &address, 1 }, PN_LIT("member"),
                           false, &list, &err),
             err);
    CHECK_EQ(list.count, 1);
    return *(const struct pn_org_invite *)list.items;
}

static bool accept(struct home *h, const char *email, struct pn_str code, const char *text,
                   struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    pn_auto(pn_secret_freep) struct pn_secret *password = home_secret(text);

    return pn_org_accept(&call, h->first.org.id, pn_str_from(email), code, password, PN_LIT("Bob"),
                         PN_LIT(""), err);
}

HOME_TEST(an_invitation_makes_a_member_once)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org_invite first = invite(h, &admin, "bob@acme.test"),
                         second = invite(h, &admin, "bob@acme.test");
    struct pn_err err = { 0 };

    CHECK_FAILS(accept(h, "bob@acme.test", first.code, HOME_PASSWORD, &err), err,
                BAD_REQUEST); /* replaced */
    CHECK_FAILS(accept(h, "eve@acme.test", second.code, HOME_PASSWORD, &err), err, BAD_REQUEST);
    CHECK_OK(accept(h, "bob@acme.test", second.code, HOME_PASSWORD, &err), err);
    CHECK_FAILS(accept(h, "bob@acme.test", second.code, HOME_PASSWORD, &err), err, BAD_REQUEST);
    CHECK_STR(home_person(h, "bob@acme.test").actor.org_role, "member");
    CHECK(invite(h, &admin, "bob@acme.test").is_member);
}

HOME_TEST(an_invitation_runs_out)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org_invite bob = invite(h, &admin, "bob@acme.test");
    struct pn_err err = { 0 };

    pn_clock_advance(PN_ORG_INVITE_MS);
    CHECK_FAILS(accept(h, "bob@acme.test", bob.code, HOME_PASSWORD, &err), err, BAD_REQUEST);
}

HOME_TEST(who_has_an_account_accepts_with_its_password)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "member");
    struct pn_org other;
    struct pn_err err = { 0 };
    struct pn_org_invite invitation;
    struct pn_list list;
    struct pn_str email = PN_LIT("admin@acme.test"), token;

    CHECK_OK(pn_org_create(&ann, PN_LIT("Anns"), &other, &err), err);
    ann.actor.org_id = other.id;
    ann.actor.org_role = PN_LIT("admin");
    CHECK_OK(pn_org_invite(&ann, other.id, (struct pn_strs){ &email, 1 }, PN_LIT("member"), false,
                           &list, &err),
             err);
    invitation = *(const struct pn_org_invite *)list.items;
    h->first.org.id = other.id;
    for (int i = 0; i < PN_LOGIN_MAX_FAILURES; i++)
        CHECK_FAILS(accept(h, "admin@acme.test", invitation.code, "not the password", &err), err,
                    BAD_REQUEST);
    CHECK_FAILS(accept(h, "admin@acme.test", invitation.code, HOME_PASSWORD, &err), err, FORBIDDEN);
    pn_clock_advance(
        PN_LOGIN_LOCK_MS); /* who invites may not try passwords for longer than others */
    CHECK_OK(accept(h, "admin@acme.test", invitation.code, HOME_PASSWORD, &err), err);
    CHECK_OK(pn_login_select_org(&admin, other.id, &token, &(bool){ false }, &err), err);
}

HOME_TEST(organizations_of_others_are_closed)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org org;
    struct pn_list list;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_org_get(&admin, pn_random_uuid(), &org, &err), err, FORBIDDEN);
    CHECK_FAILS(pn_org_members(&admin, pn_random_uuid(), &list, &err), err, FORBIDDEN);
    CHECK_FAILS(pn_org_change(&admin, pn_random_uuid(), PN_LIT("x"), PN_NONE, -1, &org, &err), err,
                FORBIDDEN);
}

HOME_TEST(two_changes_of_an_organization_at_once_both_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org org;
    struct pn_err err = { 0 };

    home_meanwhile(h, "UPDATE orgs SET slug = 'theirs', enforce_mfa = 1");
    CHECK_OK(pn_org_change(&admin, h->first.org.id, PN_LIT("Ours"), PN_NONE, -1, &org, &err), err);
    CHECK_STR(org.name, "Ours");
    CHECK_STR(org.slug, "theirs");
    CHECK(org.enforceMfa);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM orgs WHERE name = 'Ours' AND slug = 'theirs'"
                           " AND enforce_mfa = 1"),
             1);
    home_meanwhile(h, "UPDATE orgs SET name = 'Theirs', enforce_mfa = 0");
    CHECK_OK(pn_org_change(&admin, h->first.org.id, PN_NONE, PN_LIT("ours"), -1, &org, &err), err);
    CHECK_STR(org.name, "Theirs");
    CHECK(!org.enforceMfa);
}

HOME_TEST(an_organization_that_is_gone_is_not_changed)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org org;
    struct pn_err err = { 0 };

    home_meanwhile(h, "DELETE FROM orgs");
    CHECK_FAILS(pn_org_change(&admin, h->first.org.id, PN_LIT("Ours"), PN_NONE, -1, &org, &err),
                err, NOT_FOUND);
    CHECK_EQ(home_events(h, "update-org"), 0);
}

/* The own factor was taken away while the request was on its way. */
HOME_TEST(nobody_asks_all_for_what_they_have_no_more)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org org;
    struct pn_err err = { 0 };

    home_meanwhile(h, "UPDATE login_sessions SET is_mfa_verified = 1 WHERE is_revoked = 0");
    CHECK_OK(pn_org_change(&admin, h->first.org.id, PN_LIT("x"), PN_NONE, -1, &org, &err), err);
    home_meanwhile(h, "UPDATE login_sessions SET is_mfa_verified = 0 WHERE is_revoked = 0");
    CHECK_FAILS(pn_org_change(&admin, h->first.org.id, PN_NONE, PN_NONE, 1, &org, &err), err,
                BAD_REQUEST);
    CHECK_EQ(home_count(h, "SELECT enforce_mfa FROM orgs"), 0);
}

HOME_TEST(two_changes_of_the_instance_at_once_both_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    const struct pn_instance_change ours = { .page_frame = PN_LIT("ours") },
                                    named = { .default_org = h->first.org.id,
                                              .has_default_org = true },
                                    none = { .consent = PN_LIT("") };
    struct pn_instance now;
    struct pn_err err = { 0 };

    home_meanwhile(h, "UPDATE instance SET consent = 'theirs'");
    CHECK_OK(pn_instance_configure(&admin, &ours, &err), err);
    CHECK_OK(pn_instance_get(&admin, &now, &err), err);
    CHECK_STR(now.consent, "theirs");
    CHECK_STR(now.page_frame, "ours");
    home_meanwhile(h, "UPDATE instance SET page_frame = NULL");
    CHECK_OK(pn_instance_configure(&admin, &named, &err), err);
    CHECK_OK(pn_instance_configure(&admin, &none, &err), err);
    CHECK_OK(pn_instance_get(&admin, &now, &err), err);
    CHECK(now.page_frame.ptr == NULL);
    CHECK(now.consent.ptr == NULL);
    CHECK(pn_uuid_eq(now.default_org, h->first.org.id));
}

HOME_TEST(no_organization_that_is_gone_becomes_the_default)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    const struct pn_instance_change named = { .default_org = h->first.org.id,
                                              .has_default_org = true };
    struct pn_err err = { 0 };

    home_meanwhile(h, "DELETE FROM orgs");
    CHECK_FAILS(pn_instance_configure(&admin, &named, &err), err, BAD_REQUEST);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM instance WHERE default_org_id IS NULL"), 1);
}

static struct pn_org_member member_of(struct home *h, struct pn_call *call, const char *email)
{
    struct pn_org_member found = { 0 };
    struct pn_err err = { 0 };
    struct pn_list list;

    CHECK_OK(pn_org_members(call, h->first.org.id, &list, &err), err);
    for (size_t i = 0; i < list.count; i++) {
        const struct pn_org_member *m = (const struct pn_org_member *)list.items + i;

        if (pn_str_is(m->email, email))
            found = *m;
    }
    CHECK(!pn_uuid_is_zero(found.id));
    return found;
}

#define ANN "user_id IN (SELECT id FROM users WHERE email = 'ann@acme.test')"

/* Who gives a role does not switch on again whom somebody else has just switched off. */
HOME_TEST(two_changes_of_a_membership_at_once_both_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org_member ann, out;
    struct pn_err err = { 0 };

    (void)home_new_person(h, "ann@acme.test", "member");
    ann = member_of(h, &admin, "ann@acme.test");
    home_meanwhile(h, "UPDATE org_members SET is_active = 0 WHERE " ANN);
    CHECK_OK(
        pn_org_member_change(&admin, h->first.org.id, ann.id, PN_LIT("no-access"), -1, &out, &err),
        err);
    CHECK_STR(out.role, "no-access");
    CHECK(!out.isActive);
}

/* The boundary was asked about the role that was read: one that was given since is not touched unasked. */
HOME_TEST(a_membership_that_has_just_got_another_role_is_left_alone)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org_member ann, out;
    struct pn_err err = { 0 };

    (void)home_new_person(h, "ann@acme.test", "member");
    ann = member_of(h, &admin, "ann@acme.test");
    home_meanwhile(h, "UPDATE org_members SET role = 'admin' WHERE " ANN);
    CHECK_FAILS(pn_org_member_change(&admin, h->first.org.id, ann.id, PN_NONE, 0, &out, &err), err,
                CONFLICT);
    home_meanwhile(h, "UPDATE org_members SET role = 'member' WHERE " ANN);
    CHECK_FAILS(pn_org_member_delete(&admin, h->first.org.id, ann.id, &out, &err), err, CONFLICT);
    home_meanwhile(h, "DELETE FROM org_members WHERE " ANN);
    CHECK_FAILS(pn_org_member_delete(&admin, h->first.org.id, ann.id, &out, &err), err, NOT_FOUND);
    CHECK_EQ(home_events(h, "update-org-membership"), 0);
    CHECK_EQ(home_events(h, "delete-org-membership"), 0);
}

HOME_TEST(the_last_administrator_stays_though_they_have_just_become_it)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_org_member ann, out;
    struct pn_err err = { 0 };

    (void)home_new_person(h, "ann@acme.test", "member");
    ann = member_of(h, &admin, "ann@acme.test");
    home_meanwhile(h, "UPDATE org_members SET role = CASE role WHEN 'admin' THEN 'member'"
                      " ELSE 'admin' END");
    CHECK_FAILS(pn_admin_member_delete(&admin, h->first.org.id, ann.id, &out, &err), err, CONFLICT);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM org_members WHERE role = 'admin'"), 1);
}

/* Nobody gives a role back that was just taken from an identity, nor deletes what was just protected. */
HOME_TEST(two_changes_of_an_identity_at_once_both_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    const struct pn_identity_in fresh = { .name = PN_LIT("robot"), .role = PN_LIT("admin") },
                                named = { .name = PN_LIT("ours") };
    struct pn_identity robot, out;
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_make(&admin, &fresh, &robot, &err), err);
    home_meanwhile(h, "UPDATE identities SET role = 'no-access' WHERE name = 'robot'");
    CHECK_FAILS(pn_identity_edit(&admin, robot.id, &named, &out, &err), err, CONFLICT);
    home_meanwhile(h, "UPDATE identities SET has_delete_protection = 1 WHERE name = 'robot'");
    CHECK_OK(pn_identity_edit(&admin, robot.id, &named, &out, &err), err);
    CHECK_STR(out.name, "ours");
    CHECK_EQ(home_count(h, "SELECT count(*) FROM identities WHERE name = 'ours'"
                           " AND role = 'no-access' AND has_delete_protection = 1"),
             1);
}

HOME_TEST(an_identity_that_is_being_protected_is_not_deleted)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    const struct pn_identity_in fresh = { .name = PN_LIT("robot") };
    struct pn_identity robot, out;
    struct pn_err err = { 0 };

    CHECK_OK(pn_identity_make(&admin, &fresh, &robot, &err), err);
    home_meanwhile(h, "UPDATE identities SET has_delete_protection = 1 WHERE name = 'robot'");
    CHECK_FAILS(pn_identity_delete(&admin, robot.id, &out, &err), err, BAD_REQUEST);
    home_meanwhile(h, "UPDATE identities SET has_delete_protection = 0, role = 'admin'"
                      " WHERE name = 'robot'");
    CHECK_FAILS(pn_identity_delete(&admin, robot.id, &out, &err), err, CONFLICT);
    home_meanwhile(h, "DELETE FROM identities WHERE name = 'robot'");
    CHECK_FAILS(pn_identity_delete(&admin, robot.id, &out, &err), err, NOT_FOUND);
    CHECK_EQ(home_events(h, "delete-identity"), 0);
}

HOME_TEST(two_changes_of_a_project_at_once_both_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p"), out;
    const struct pn_project_change named = { .name = PN_LIT("ours"),
                                             .has_delete_protection = -1,
                                             .auto_capitalization = -1 };
    struct pn_err err = { 0 };

    home_meanwhile(h, "UPDATE projects SET has_delete_protection = 1");
    CHECK_OK(pn_project_change(&admin, project.id, &named, &out, &err), err);
    CHECK(out.hasDeleteProtection);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM projects WHERE name = 'ours'"
                           " AND has_delete_protection = 1"),
             1);
}

/* Hashing the password takes its time: the invitation may have been renewed, or run out, since. */
HOME_TEST(a_code_that_was_replaced_meanwhile_opens_nothing)
{
    static const char *const changes[] = {
        "UPDATE org_members SET invite_hash = x'00' WHERE status = 'invited'",
        "UPDATE org_members SET invite_expires_ms = 1 WHERE status = 'invited'",
        "DELETE FROM org_members WHERE status = 'invited'",
    };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(changes); i++) {
        struct pn_org_invite bob = invite(h, &admin, "bob@acme.test");

        home_meanwhile(h, changes[i]);
        CHECK_FAILS(accept(h, "bob@acme.test", bob.code, HOME_PASSWORD, &err), err, BAD_REQUEST);
        CHECK_EQ(home_count(h, "SELECT count(*) FROM users"), 1);
    }
    CHECK_EQ(home_events(h, "accept-org-invitation"), 0);
}

PN_TEST(addresses_and_slugs_have_a_form)
{
    static const char *const emails[] = { "a@b.cd", "first.last+tag@sub.example.com" };
    static const char *const not_emails[] = { "",         "a",        "@b.cd",    "a@",
                                              "a@b",      "a@.cd",    "a@b.",     "a@b..c",
                                              "a b@c.de", "a@b@c.de", "a\"@b.cd", "a@b,c.de" };
    static const char *const slugs[] = { "a", "a-b", "abc-1-x" };
    static const char *const not_slugs[] = { "", "-a", "a-", "a--b", "A", "a_b", "a b" };

    for (size_t i = 0; i < PN_COUNT(emails); i++)
        CHECK(pn_name_is_email(pn_str_from(emails[i])));
    for (size_t i = 0; i < PN_COUNT(not_emails); i++)
        CHECK(!pn_name_is_email(pn_str_from(not_emails[i])));
    for (size_t i = 0; i < PN_COUNT(slugs); i++)
        CHECK(pn_name_is_slug(pn_str_from(slugs[i])));
    for (size_t i = 0; i < PN_COUNT(not_slugs); i++)
        CHECK(!pn_name_is_slug(pn_str_from(not_slugs[i])));
    CHECK(pn_name_is_project_slug(PN_LIT("a_b")));
}

PN_TEST_MAIN(T(a_project_has_its_maker_as_admin_and_three_environments),
             T(slugs_are_taken_once_per_organization), T(a_protected_project_stays),
             T(the_last_administrators_stay),
             T(who_leaves_the_organization_leaves_its_projects_at_once),
             T(an_invitation_makes_a_member_once), T(an_invitation_runs_out),
             T(who_has_an_account_accepts_with_its_password), T(organizations_of_others_are_closed),
             T(two_changes_of_an_organization_at_once_both_hold),
             T(an_organization_that_is_gone_is_not_changed),
             T(nobody_asks_all_for_what_they_have_no_more),
             T(two_changes_of_the_instance_at_once_both_hold),
             T(no_organization_that_is_gone_becomes_the_default),
             T(two_changes_of_a_membership_at_once_both_hold),
             T(a_membership_that_has_just_got_another_role_is_left_alone),
             T(the_last_administrator_stays_though_they_have_just_become_it),
             T(two_changes_of_an_identity_at_once_both_hold),
             T(an_identity_that_is_being_protected_is_not_deleted),
             T(two_changes_of_a_project_at_once_both_hold),
             T(a_code_that_was_replaced_meanwhile_opens_nothing),
             T(addresses_and_slugs_have_a_form))
