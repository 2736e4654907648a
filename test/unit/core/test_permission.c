/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/auth/token_auth.h"

#include "json/value.h"

static struct pn_call as_role(struct home *h, const char *org_role)
{
    struct pn_call call = home_call(h, (struct pn_actor){ .kind = PN_ACTOR_USER,
                                                          .id = pn_random_uuid(),
                                                          .org_id = h->first.org.id,
                                                          .org_role = pn_str_from(org_role) });

    return call;
}

/* Roles of the organization: what the contract's §8.4 says, and that the rest is refused. */
HOME_TEST(organization_roles_are_the_contracts)
{
    static const struct {
        const char *role, *subject, *action;
        bool may;
    } rows[] = {
        { "admin", "gateway", "delete-gateways", true },
        { "admin", "anything", "at-all", true },
        { "member", "gateway", "list-gateways", true },
        { "member", "gateway", "create-gateways", true },
        { "member", "gateway", "attach-gateways", true },
        { "member", "gateway", "edit-gateways", false },
        { "member", "gateway", "delete-gateways", false },
        { "member", "relay", "list-relays", true },
        { "member", "relay", "edit-relays", true },
        { "member", "relay", "delete-relays", false },
        { "member", "workspace", "create", true },
        { "member", "member", "read", true },
        { "member", "member", "create", false },
        { "member", "settings", "edit", false },
        { "member", "identity", "delete", true },
        { "member", "identity", "create-token", false },
        { "no-access", "workspace", "create", false },
        { "no-access", "gateway", "list-gateways", false },
        { "nonsense", "workspace", "create", false },
        { "", "workspace", "create", false },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        struct pn_call call = as_role(h, rows[i].role);
        struct pn_err err = { 0 };

        if (pn_permit_org(&call, rows[i].subject, rows[i].action, &err) != rows[i].may)
            fail_msg("%s %s:%s", rows[i].role, rows[i].subject, rows[i].action);
    }
}

HOME_TEST(project_roles_are_the_contracts)
{
    static const struct {
        const char *role, *subject, *action;
        bool may;
    } rows[] = {
        { "admin", "pam-sessions", "terminate", true },
        { "member", "pam-accounts", "access", true },
        { "member", "pam-accounts", "read", true },
        { "member", "pam-accounts", "create", false },
        { "member", "pam-accounts", "read-credentials", false },
        { "member", "pam-resources", "read", true },
        { "member", "pam-resources", "create", false },
        { "member", "pam-sessions", "read", false },
        { "member", "dynamic-secrets", "lease", true },
        { "member", "workspace", "delete", false },
        { "viewer", "pam-accounts", "read", true },
        { "viewer", "pam-accounts", "access", false },
        { "viewer", "dynamic-secrets", "lease", false },
        { "no-access", "pam-accounts", "read", false },
    };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_call person = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_str email = PN_LIT("ann@acme.test"), role = PN_LIT("viewer");
    struct pn_err err = { 0 };
    struct pn_list added;

    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &role, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct pn_project_role wanted = { .role = pn_str_from(rows[i].role) };
        struct pn_project_member member;

        CHECK_OK(pn_project_member_set_roles(&admin, project.id, PN_MEMBER_USERS, person.actor.id,
                                             &wanted, 1, &member, &err),
                 err);
        if (pn_permit_project(&person, project.id, rows[i].subject, rows[i].action, &err) !=
            rows[i].may)
            fail_msg("%s %s:%s", rows[i].role, rows[i].subject, rows[i].action);
        pn_err_clear(&err);
    }
}

HOME_TEST(a_refusal_names_action_and_subject)
{
    pn_auto(pn_value_freep) struct pn_value *details = NULL;
    struct pn_call call = as_role(h, "member");
    struct pn_err err = { 0 }, ignored = { 0 };

    CHECK(!pn_permit_org(&call, "relay", "delete-relays", &err));
    CHECK_EQ(err.code, PN_PERMISSION);
    CHECK_STR(pn_str_from(err.message), "You are not allowed to delete-relays on relay");
    CHECK_OK(pn_value_parse(err.details, &details, &ignored), ignored);
    CHECK_STR(pn_value_str(pn_value_at(details, "0.action")), "delete-relays");
    CHECK_STR(pn_value_str(pn_value_at(details, "0.subject")), "relay");
}

HOME_TEST(other_organizations_projects_do_not_exist)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), stranger;
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_err err = { 0 };

    stranger = home_call(h, admin.actor);
    stranger.actor.org_id = pn_random_uuid();
    CHECK_FAILS(pn_permit_project(&stranger, project.id, "pam-accounts", "read", &err), err,
                NOT_FOUND);
    CHECK_FAILS(pn_permit_project(&admin, pn_random_uuid(), "pam-accounts", "read", &err), err,
                NOT_FOUND);
}

HOME_TEST(members_of_the_organization_are_not_members_of_its_projects)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "admin");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_permit_project(&ann, project.id, "pam-accounts", "read", &err), err, PERMISSION);
}

HOME_TEST(a_temporary_role_holds_for_its_time)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_str email = PN_LIT("ann@acme.test"), role = PN_LIT("no-access");
    struct pn_project_role wanted[] = { { .role = PN_LIT("no-access") },
                                        { .role = PN_LIT("member"),
                                          .isTemporary = true,
                                          .temporaryRange = PN_LIT("2h"),
                                          .temporaryAccessStartTime = HOME_WALL_MS + 1000 } };
    struct pn_project_member member;
    struct pn_err err = { 0 };
    struct pn_list added;

    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &role, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_OK(pn_project_member_set_roles(&admin, project.id, PN_MEMBER_USERS, ann.actor.id, wanted,
                                         2, &member, &err),
             err);
    CHECK_FAILS(pn_permit_project(&ann, project.id, "pam-accounts", "access", &err), err,
                PERMISSION);
    ann.now_ms = HOME_WALL_MS + 1000;
    CHECK_OK(pn_permit_project(&ann, project.id, "pam-accounts", "access", &err), err);
    ann.now_ms = HOME_WALL_MS + 1000 + 2 * 3600 * 1000;
    CHECK_FAILS(pn_permit_project(&ann, project.id, "pam-accounts", "access", &err), err,
                PERMISSION);
}

HOME_TEST(nobody_grants_more_than_they_hold)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "member");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_str email = PN_LIT("ann@acme.test"), bob = PN_LIT("bob@acme.test"),
                  member = PN_LIT("member"), top = PN_LIT("admin");
    struct pn_identity identity;
    struct pn_err err = { 0 };
    struct pn_list added;

    (void)home_new_person(h, "bob@acme.test", "member");
    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &member, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_FAILS(pn_project_member_add_users(&ann, project.id, (struct pn_strs){ &bob, 1 },
                                            (struct pn_strs){ &top, 1 }, &added,
                                            &(struct pn_list){ 0 }, &err),
                err, BOUNDARY);
    CHECK_OK(pn_project_member_add_users(&ann, project.id, (struct pn_strs){ &bob, 1 },
                                         (struct pn_strs){ &member, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_FAILS(pn_identity_make(
                    &ann,
                    &(struct pn_identity_in){ .name = PN_LIT("robot"), .role = PN_LIT("admin") },
                    &identity, &err),
                err, BOUNDARY);
    CHECK_OK(pn_identity_make(
                 &ann,
                 &(struct pn_identity_in){ .name = PN_LIT("robot"), .role = PN_LIT("member") },
                 &identity, &err),
             err);
    CHECK_FAILS(
        pn_identity_edit(&ann, h->first.identity_id,
                         &(struct pn_identity_in){ .name = PN_LIT("mine"), .role = PN_NONE },
                         &identity, &err),
        err, BOUNDARY);
    CHECK_FAILS(pn_identity_delete(&ann, h->first.identity_id, &identity, &err), err, BOUNDARY);
}

HOME_TEST(tokens_of_instance_administrators_are_theirs_to_make)
{
    struct pn_call ann = home_new_person(h, "ann@acme.test", "admin");
    struct pn_access_token token;
    struct pn_grant grant;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_token_auth_create(&ann, h->first.identity_id, PN_LIT("x"), PN_NONE, &grant,
                                     &token, &err),
                err, BOUNDARY);
}

/* An identity's rights in projects are not its role's in the organization: they are no way around one's own. */
HOME_TEST(nobody_acts_in_a_project_as_an_identity_that_may_do_more)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "member");
    struct pn_project project = home_project(h, &admin, "p");
    const struct pn_project_role roles[] = { { .role = PN_LIT("admin") },
                                             { .role = PN_LIT("viewer") } };
    const struct pn_token_terms_in terms = { .has_ttl = false };
    struct pn_str email = PN_LIT("ann@acme.test"), member = PN_LIT("member");
    struct pn_project_member in_project;
    struct pn_identity robot;
    struct pn_auth_method method;
    struct pn_list added;
    struct pn_err err = { 0 };

    CHECK_OK(
        pn_identity_make(&admin, &(struct pn_identity_in){ .name = PN_LIT("robot") }, &robot, &err),
        err);
    CHECK_OK(
        pn_project_member_add_identity(&admin, project.id, robot.id, roles, 1, &in_project, &err),
        err);
    CHECK_FAILS(pn_token_auth_attach(&ann, robot.id, &terms, &method, &err), err, BOUNDARY);
    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &email, 1 },
                                         (struct pn_strs){ &member, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK_FAILS(pn_token_auth_attach(&ann, robot.id, &terms, &method, &err), err, BOUNDARY);
    CHECK_OK(pn_project_member_set_roles(&admin, project.id, PN_MEMBER_IDENTITIES, robot.id,
                                         &roles[1], 1, &in_project, &err),
             err);
    CHECK_OK(pn_token_auth_attach(&ann, robot.id, &terms, &method, &err), err);
}

/* Neither are changing and deleting: a robot that others may rename is one they may take the protection from. */
HOME_TEST(nobody_changes_or_deletes_an_identity_that_may_do_more_in_a_project)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "member");
    struct pn_project project = home_project(h, &admin, "p");
    const struct pn_project_role roles[] = { { .role = PN_LIT("no-access") },
                                             { .role = PN_LIT("admin"), /* from tomorrow */
                                               .isTemporary = true,
                                               .temporaryRange = PN_LIT("1h"),
                                               .temporaryAccessStartTime =
                                                   HOME_WALL_MS + 86400000 } };
    const struct pn_identity_in change = { .has_protection = true };
    struct pn_project_member in_project;
    struct pn_identity robot, out;
    struct pn_err err = { 0 };

    CHECK_OK(
        pn_identity_make(&ann, &(struct pn_identity_in){ .name = PN_LIT("robot") }, &robot, &err),
        err);
    CHECK_OK(
        pn_project_member_add_identity(&admin, project.id, robot.id, roles, 2, &in_project, &err),
        err);
    CHECK_FAILS(pn_identity_edit(&ann, robot.id, &change, &out, &err), err, BOUNDARY);
    CHECK_FAILS(pn_identity_delete(&ann, robot.id, &out, &err), err, BOUNDARY);
    CHECK_OK(pn_identity_edit(&admin, robot.id, &change, &out, &err), err);
    CHECK_OK(pn_identity_delete(&admin, robot.id, &out, &err), err);
}

HOME_TEST(identities_that_administer_the_instance_are_changed_by_others_that_do)
{
    struct pn_call first = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "admin");
    const struct pn_identity_in change = { .name = PN_LIT("mine") };
    struct pn_identity out;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_identity_edit(&ann, h->first.identity_id, &change, &out, &err), err, BOUNDARY);
    CHECK_FAILS(pn_identity_delete(&ann, h->first.identity_id, &out, &err), err, BOUNDARY);
    first.actor.is_super_admin = true;
    CHECK_OK(pn_identity_edit(&first, h->first.identity_id, &change, &out, &err), err);
    CHECK_OK(pn_identity_delete(&first, h->first.identity_id, &out, &err), err);
}

PN_TEST_MAIN(T(organization_roles_are_the_contracts), T(project_roles_are_the_contracts),
             T(a_refusal_names_action_and_subject), T(other_organizations_projects_do_not_exist),
             T(members_of_the_organization_are_not_members_of_its_projects),
             T(a_temporary_role_holds_for_its_time), T(nobody_grants_more_than_they_hold),
             T(tokens_of_instance_administrators_are_theirs_to_make),
             T(nobody_acts_in_a_project_as_an_identity_that_may_do_more),
             T(nobody_changes_or_deletes_an_identity_that_may_do_more_in_a_project),
             T(identities_that_administer_the_instance_are_changed_by_others_that_do))
