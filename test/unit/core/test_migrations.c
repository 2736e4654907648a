/* SPDX-License-Identifier: Apache-2.0 */
/* A database that an older program has written is the newer one's after it was opened: rows, rights and what is due. */
#include "stage.h"

#include "core/org/permission.h"
#include "core/org/role.h"

#define BEFORE_PRIVILEGES 24 /* of migrations: what the day before had */
#define LISTENS "[{\"subject\":\"secret-events\",\"action\":\"subscribe-to-update-events\"}]"
#define LIVES INT64_C(1790000003123)

static void open_with(struct stage *s, size_t migrations)
{
    const struct pn_db_config config = { .path = s->path,
                                         .migrations = pn_core_migrations,
                                         .migration_count = migrations,
                                         .watched = pn_core_watched };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_open(&config, &s->db, &err), err);
    CHECK_OK(pn_db_connect(s->db, &s->conn, &err), err);
    s->cache = pn_cache_new(s->db, 64, PN_CACHE_BYTES, (const uint8_t[PN_CACHE_SALT_BYTES]){ 7 });
}

static void add_session(struct stage *s, struct pn_db_conn *tx, const char *status)
{
    const struct pn_uuid ids[] = { pn_random_uuid(), s->org, s->project };

    stage_sql(
        tx,
        "INSERT INTO pam_sessions (id, org_id, project_id, resource_name, account_name,"
        " gateway_name, actor_name, access_method, status, created_ms, expires_ms, updated_ms)"
        " VALUES ($a, $b, $c, '', '', '', '', 'cli', $text, 1, 1790000003123, 1)",
        ids, status);
}

static bool write_old(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct stage *s = context;
    const struct pn_uuid role[] = { pn_random_uuid(), s->project, s->org };

    if (!stage_write(tx, context, err))
        return false;
    add_session(s, tx, "active");
    add_session(s, tx, "starting");
    add_session(s, tx, "ended");
    stage_sql(tx,
              "INSERT INTO roles (id, scope_id, org_id, project_id, slug, name, rules, packed,"
              " version, created_ms, updated_ms)"
              " VALUES ($a, $b, $c, $b, 'listens', 'Listens', $text, CAST('old' AS BLOB), 1, 1, 1)",
              role, LISTENS);
    stage_sql(tx,
              "UPDATE project_member_roles SET role = 'listens' WHERE member_id IN"
              " (SELECT id FROM project_members WHERE identity_id = $a)",
              &s->robot.id, NULL);
    stage_sql(tx,
              "INSERT INTO jobs (kind, id, place, due_ms, claim, claimed_until_ms, attempts,"
              " created_ms) VALUES ('sweep', $a, '', 1, 0, 0, 0, 1)",
              role, NULL);
    return true;
}

/* Reading what a role says now is the first step of every change of it. */
static void check_role(struct stage *s)
{
    struct pn_call call =
        stage_call(s, (struct pn_actor){ .kind = PN_ACTOR_PLATFORM, .org_id = s->org });
    const struct pn_role_new empty = { .permissions = PN_LIT("[]") };
    struct pn_err err = { 0 };
    struct pn_role role;

    CHECK_OK(pn_role_get_by_slug(&call, s->project, PN_LIT("listens"), &role, &err), err);
    CHECK_OK(pn_role_change(&call, s->project, role.id, &empty, &role, &err), err);
}

PN_TEST(a_database_from_before_is_whole_afterwards)
{
    struct stage s;
    struct pn_call robot;
    struct pn_err err = { 0 };

    stage_begin(&s);
    open_with(&s, BEFORE_PRIVILEGES);
    CHECK_OK(pn_db_write(s.db, write_old, &s, &err), err);
    stage_close(&s);
    open_with(&s, pn_core_migration_count);
    CHECK_EQ(stage_count(&s, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    CHECK_EQ(stage_count(&s, "SELECT count(*) FROM identities WHERE project_id IS NULL"), 1);
    CHECK_EQ(stage_count(&s, "SELECT count(*) FROM jobs WHERE kind = 'pam-session'"), 2);
    CHECK_EQ(stage_count(&s, "SELECT min(due_ms) FROM jobs WHERE kind = 'pam-session'"), LIVES);
    CHECK_EQ(stage_count(&s, "SELECT count(*) FROM jobs WHERE kind = 'sweep'"), 0);
    robot = stage_call(&s, s.robot);
    CHECK_OK(pn_permit_project(&robot, s.project, "secret-event-subscriptions",
                               "subscribe-to-update-events", &err),
             err);
    CHECK_FAILS(pn_permit_project(&robot, s.project, "secrets", "create", &err), err, PERMISSION);
    check_role(&s);
    stage_stop(&s);
}

PN_TEST_MAIN(T(a_database_from_before_is_whole_afterwards))
