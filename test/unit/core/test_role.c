/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/org/role.h"

#define RULE(subject, action) "[{\"subject\":\"" subject "\",\"action\":\"" action "\"}]"
#define IN_DEV                                                                            \
    "[{\"subject\":\"secrets\",\"action\":\"readValue\",\"conditions\":{\"environment\":" \
    "\"dev\",\"secretPath\":{\"$glob\":\"/apps/**\"}}}]"

static const struct pn_uuid nowhere = { 0 };

static struct pn_role new_role(struct pn_call *call, struct pn_uuid project, const char *slug,
                               const char *permissions)
{
    const struct pn_role_new fresh = { .slug = pn_str_from(slug),
                                       .name = PN_LIT("A role"),
                                       .permissions = pn_str_from(permissions) };
    struct pn_role role;
    struct pn_err err = { 0 };

    CHECK_OK(pn_role_create(call, project, &fresh, &role, &err), err);
    return role;
}

static void add_person(struct pn_call *admin, struct pn_uuid project, const char *email,
                       const char *role)
{
    struct pn_str address = pn_str_from(email), slug = pn_str_from(role);
    struct pn_list added;
    struct pn_err err = { 0 };

    CHECK_OK(pn_project_member_add_users(admin, project, (struct pn_strs){ &address, 1 },
                                         (struct pn_strs){ &slug, 1 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
}

static bool may(struct pn_call *call, struct pn_uuid project, const char *environment,
                const char *path, const char *action)
{
    const struct pn_permit_object secret = { .subject = "secrets",
                                             .environment = pn_str_from(environment),
                                             .secretPath = pn_str_from(path) };
    const struct pn_ability *ability;
    struct pn_err err = { 0 };
    bool is_allowed;

    CHECK_OK(pn_ability_load(call, project, &ability, &err), err);
    is_allowed = pn_ability_may(ability, &secret, action);
    CHECK_EQ(pn_ability_permit(call, ability, &secret, action, &err), is_allowed);
    return is_allowed;
}

HOME_TEST(a_custom_role_is_asked_per_object)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    const struct pn_ability *ability;
    struct pn_err err = { 0 };

    (void)new_role(&admin, project.id, "reader", IN_DEV);
    add_person(&admin, project.id, "ann@acme.test", "reader");
    CHECK(may(&ann, project.id, "dev", "/apps/web", "readValue"));
    CHECK(!may(&ann, project.id, "dev", "/apps/web", "edit"));
    CHECK(!may(&ann, project.id, "dev", "/other", "readValue"));
    CHECK(!may(&ann, project.id, "prod", "/apps/web", "readValue"));
    CHECK_OK(pn_ability_load(&ann, project.id, &ability, &err), err);
    CHECK(pn_ability_may_some(ability, "secrets", "readValue"));
    CHECK(!pn_ability_may_some(ability, "secrets", "edit"));
    CHECK_FAILS(pn_permit_project(&ann, project.id, "secrets", "readValue", &err), err, PERMISSION);
    CHECK_OK(pn_ability_load(&admin, project.id, &ability, &err), err);
    CHECK(pn_ability_may_some(ability, "anything", "at-all"));
}

HOME_TEST(a_change_of_a_role_holds_for_all_who_hold_it)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_role role = new_role(&admin, project.id, "reader", IN_DEV);
    const struct pn_role_new change = { .slug = PN_LIT("tagger"),
                                        .permissions = PN_LIT(RULE("tags", "edit")) };
    struct pn_err err = { 0 };

    add_person(&admin, project.id, "ann@acme.test", "reader");
    CHECK_OK(pn_role_change(&admin, project.id, role.id, &change, &role, &err), err);
    CHECK_EQ(role.version, 2);
    CHECK_STR(role.name, "A role");
    CHECK(!may(&ann, project.id, "dev", "/apps/web", "readValue"));
    CHECK_OK(pn_permit_project(&ann, project.id, "tags", "edit", &err), err);
    CHECK_FAILS(pn_role_delete(&admin, project.id, role.id, &role, &err), err, BAD_REQUEST);
    CHECK_EQ(home_events(h, "update-project-role"), 1);
    CHECK_EQ(home_events(h, "delete-project-role"), 0);
}

/* What another version of the program has packed is read from what the client sent. */
static bool spoil(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE roles SET packed = $bytes");

    pn_bind_bytes(q, "$bytes", *(struct pn_str *)context);
    return pn_query_run(q, NULL, err);
}

HOME_TEST(packed_rules_of_another_format_are_parsed)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_str bytes = PN_LIT("\xff not ours");
    struct pn_err err = { 0 };

    (void)new_role(&admin, project.id, "reader", IN_DEV);
    add_person(&admin, project.id, "ann@acme.test", "reader");
    CHECK_OK(pn_db_write(h->db, spoil, &bytes, &err), err);
    CHECK(may(&ann, project.id, "dev", "/apps/web", "readValue"));
    CHECK(!may(&ann, project.id, "prod", "/apps/web", "readValue"));
}

/* What a check holds is the packed form: not what the client sent, up to 64 KiB for each role. */
HOME_TEST(a_check_does_not_copy_what_was_sent)
{
    static char json[60000];
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_err err = { 0 };
    size_t before;

    snprintf(json, sizeof(json), "%-59999s", IN_DEV);
    (void)new_role(&admin, project.id, "reader", json);
    add_person(&admin, project.id, "ann@acme.test", "reader");
    before = pn_arena_used(ann.arena);
    CHECK_FAILS(pn_permit_project(&ann, project.id, "tags", "edit", &err), err, PERMISSION);
    CHECK(pn_arena_used(ann.arena) - before < 8192);
}

HOME_TEST(custom_roles_of_the_organization)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), ann;
    struct pn_role role = new_role(&admin, nowhere, "ops", RULE("relay", "list-relays")), found;
    const struct pn_role_new change = { .slug = PN_LIT("ops2"),
                                        .permissions = PN_LIT(RULE("gateway", "list-gateways")) };
    struct pn_err err = { 0 };

    ann = home_new_person(h, "ann@acme.test", "ops");
    CHECK_OK(pn_permit_org(&ann, "relay", "list-relays", &err), err);
    CHECK_FAILS(pn_permit_org(&ann, "gateway", "list-gateways", &err), err, PERMISSION);
    CHECK_OK(pn_role_change(&admin, nowhere, role.id, &change, &role, &err), err);
    ann = home_person(h, "ann@acme.test");
    CHECK_STR(ann.actor.org_role, "ops2");
    CHECK_OK(pn_permit_org(&ann, "gateway", "list-gateways", &err), err);
    CHECK_FAILS(pn_permit_org(&ann, "relay", "list-relays", &err), err, PERMISSION);
    CHECK_FAILS(pn_role_get(&ann, nowhere, role.id, &found, &err), err, PERMISSION);
    CHECK_FAILS(pn_role_delete(&admin, nowhere, role.id, &found, &err), err, BAD_REQUEST);
}

HOME_TEST(a_role_of_one_place_is_none_elsewhere)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), stranger;
    struct pn_project one = home_project(h, &admin, "one"), two = home_project(h, &admin, "two");
    struct pn_role role = new_role(&admin, one.id, "reader", IN_DEV), found;
    struct pn_str address = PN_LIT("admin@acme.test"), slug = PN_LIT("reader");
    struct pn_list added;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_role_get(&admin, two.id, role.id, &found, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_role_get(&admin, nowhere, role.id, &found, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_role_delete(&admin, two.id, role.id, &found, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_project_member_add_users(&admin, two.id, (struct pn_strs){ &address, 1 },
                                            (struct pn_strs){ &slug, 1 }, &added,
                                            &(struct pn_list){ 0 }, &err),
                err, BAD_REQUEST);
    CHECK_OK(pn_role_get_alone(&admin, role.id, &found, &err), err);
    CHECK(pn_uuid_eq(found.id, role.id));
    stranger = home_call(h, admin.actor);
    stranger.actor.org_id = pn_random_uuid();
    CHECK_FAILS(pn_role_get_alone(&stranger, role.id, &found, &err), err, NOT_FOUND);
    (void)new_role(&admin, two.id, "reader", "[]"); /* the same slug, elsewhere */
    (void)new_role(&admin, nowhere, "reader", "[]");
}

/* A role that goes away between the check and the write takes nobody with it. */
static bool require(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    return pn_role_require(tx, "project", *(struct pn_uuid *)context, PN_LIT("reader"), err);
}

HOME_TEST(a_role_must_be_there_when_it_is_written)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_role role = new_role(&admin, project.id, "reader", IN_DEV);
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, require, &project.id, &err), err);
    CHECK_OK(pn_role_delete(&admin, project.id, role.id, &role, &err), err);
    CHECK_FAILS(pn_db_write(h->db, require, &project.id, &err), err, BAD_REQUEST);
}

HOME_TEST(roles_go_with_their_project)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_err err = { 0 };

    (void)new_role(&admin, project.id, "reader", IN_DEV);
    CHECK_OK(pn_project_delete(&admin, project.id, &project, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM roles"), 0);
}

#define NOT_IN_PROD                                                                         \
    "[{\"subject\":\"secrets\",\"action\":\"readValue\",\"inverted\":true,\"conditions\":{" \
    "\"environment\":\"prod\"}}]"
#define EDITS_ROLES                                                             \
    "[{\"subject\":\"secrets\",\"action\":[\"describeSecret\",\"readValue\"]}," \
    "{\"subject\":\"role\",\"action\":[\"read\",\"edit\",\"delete\"]}]"

/* Who may edit roles does not thereby get rid of what a role forbids them. */
HOME_TEST(what_a_role_forbids_is_let_go_by_who_may_do_it)
{
    struct pn_call admin = home_person(h, "admin@acme.test"),
                   ann = home_new_person(h, "ann@acme.test", "no-access");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_role fence = new_role(&admin, project.id, "not-in-prod", NOT_IN_PROD);
    const struct pn_role_new nothing = { .permissions = PN_LIT("[]") };
    struct pn_str address = PN_LIT("ann@acme.test"),
                  slugs[] = { PN_LIT("editor"), PN_LIT("not-in-prod") };
    struct pn_list added;
    struct pn_err err = { 0 };

    (void)new_role(&admin, project.id, "editor", EDITS_ROLES);
    CHECK_OK(pn_project_member_add_users(&admin, project.id, (struct pn_strs){ &address, 1 },
                                         (struct pn_strs){ slugs, 2 }, &added,
                                         &(struct pn_list){ 0 }, &err),
             err);
    CHECK(may(&ann, project.id, "dev", "/", "readValue"));
    CHECK(!may(&ann, project.id, "prod", "/", "readValue"));
    CHECK_FAILS(pn_role_change(&ann, project.id, fence.id, &nothing, &fence, &err), err, BOUNDARY);
    CHECK(!may(&ann, project.id, "prod", "/", "readValue"));
    CHECK_EQ(home_events(h, "update-project-role"), 0);
    CHECK_OK(pn_role_change(&admin, project.id, fence.id, &nothing, &fence, &err), err);
    CHECK(may(&ann, project.id, "prod", "/", "readValue"));
}

PN_TEST_MAIN(T(a_custom_role_is_asked_per_object), T(a_change_of_a_role_holds_for_all_who_hold_it),
             T(packed_rules_of_another_format_are_parsed), T(custom_roles_of_the_organization),
             T(a_role_of_one_place_is_none_elsewhere), T(a_role_must_be_there_when_it_is_written),
             T(roles_go_with_their_project), T(what_a_role_forbids_is_let_go_by_who_may_do_it),
             T(a_check_does_not_copy_what_was_sent))
