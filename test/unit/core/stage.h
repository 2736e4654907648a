/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CORE_STAGE_H
#define PN_TEST_UNIT_CORE_STAGE_H

/* A database on disk with two organisations and their people: where core's rules are tried out. */
#include "check.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/gateway/gateways.h"
#include "core/gateway/relays.h"
#include "core/pam/account.h"
#include "core/pam/resource.h"
#include "core/scope.h"
#include "core/watched.h"
#include "crypto/random.h"
#include "db/cache.h"

#define STAGE_WALL_MS INT64_C(1790000000123)
#define STAGE_TOKEN "sa-token-that-must-never-be-seen"

struct stage {
    char path[64];
    struct pn_db *db;
    struct pn_keyring *keyring;
    struct pn_db_conn *conn;
    struct pn_cache *cache; /* so that all that holds for rows holds for it */
    struct pn_arena *arena;
    struct pn_uuid org, other_org, project, other_project, foreign_project;
    /* admin, member and robot (an identity) are members of `project`; viewer may read; stranger is in
     * the organisation only; foreigner is administrator of the other one. */
    struct pn_actor admin, member, robot, viewer, stranger, foreigner;
};

static inline void stage_sql(struct pn_db_conn *tx, const char *sql, const struct pn_uuid *ids,
                             const char *text)
{
    static const char *const names[] = { "$a", "$b", "$c" };
    struct pn_err err = { 0 };
    struct pn_query *q = pn_query(tx, sql);

    for (size_t i = 0; ids != NULL && i < PN_COUNT(names) && strstr(sql, names[i]) != NULL; i++)
        pn_bind_uuid(q, names[i], ids[i]);
    if (strstr(sql, "$text") != NULL)
        pn_bind_str(q, "$text", pn_str_from(text));
    CHECK_OK(pn_query_run(q, NULL, &err), err);
}

static inline void stage_org(struct stage *s, struct pn_db_conn *tx, struct pn_uuid org,
                             const char *slug)
{
    struct pn_err err = { 0 };

    stage_sql(
        tx,
        "INSERT INTO orgs (id, name, slug, created_ms, updated_ms) VALUES ($a, $text, $text, 1, 1)",
        &org, slug);
    CHECK_OK(pn_scope_create(tx, s->keyring, org, &err), err);
}

static inline void stage_project(struct stage *s, struct pn_db_conn *tx, struct pn_uuid project,
                                 struct pn_uuid org, const char *slug)
{
    const struct pn_uuid ids[] = { project, org };
    struct pn_err err = { 0 };

    stage_sql(tx,
              "INSERT INTO projects (id, org_id, name, slug, type, has_delete_protection, "
              "created_ms, updated_ms)"
              " VALUES ($a, $b, $text, $text, 'pam', 0, 1, 1)",
              ids, slug);
    CHECK_OK(pn_scope_create(tx, s->keyring, project, &err), err);
}

static inline void stage_user(struct pn_db_conn *tx, const struct pn_actor *user)
{
    const struct pn_uuid member[] = { pn_random_uuid(), user->org_id, user->id };

    stage_sql(tx,
              "INSERT INTO users (id, email, first_name, last_name, is_super_admin, "
              "is_email_verified, created_ms,"
              " updated_ms) VALUES ($a, $text, '', '', 0, 1, 1, 1)",
              &user->id, user->name.ptr);
    stage_sql(tx,
              "INSERT INTO org_members (id, org_id, user_id, role, status, is_active, created_ms,"
              " updated_ms) VALUES ($a, $b, $c, $text, 'accepted', 1, 1, 1)",
              member, user->org_role.ptr);
}

static inline void stage_member(struct pn_db_conn *tx, struct pn_uuid project,
                                const struct pn_actor *actor, const char *role)
{
    const struct pn_uuid ids[] = { pn_random_uuid(), project, actor->id },
                         roles[] = { pn_random_uuid(), ids[0] };

    stage_sql(
        tx,
        actor->kind == PN_ACTOR_USER
            ? "INSERT INTO project_members (id, project_id, user_id, created_ms, updated_ms) "
              "VALUES ($a, $b, $c, 1, 1)"
            : "INSERT INTO project_members (id, project_id, identity_id, created_ms, updated_ms)"
              " VALUES ($a, $b, $c, 1, 1)",
        ids, NULL);
    stage_sql(tx, "INSERT INTO project_member_roles (id, member_id, role) VALUES ($a, $b, $text)",
              roles, role);
}

static inline bool stage_write(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct stage *s = context;
    const struct pn_uuid robot[] = { s->robot.id, s->org };

    (void)err;
    stage_org(s, tx, s->org, "acme");
    stage_org(s, tx, s->other_org, "other");
    stage_project(s, tx, s->project, s->org, "prod");
    stage_project(s, tx, s->other_project, s->org, "second");
    stage_project(s, tx, s->foreign_project, s->other_org, "foreign");
    stage_user(tx, &s->admin);
    stage_user(tx, &s->member);
    stage_user(tx, &s->viewer);
    stage_user(tx, &s->stranger);
    stage_user(tx, &s->foreigner);
    stage_sql(tx,
              "INSERT INTO identities (id, org_id, name, role, created_ms, updated_ms) VALUES ($a, "
              "$b, $text, 'no-access', 1, 1)",
              robot, "robot");
    stage_member(tx, s->project, &s->admin, "admin");
    stage_member(tx, s->other_project, &s->admin, "admin");
    stage_member(tx, s->project, &s->member, "member");
    stage_member(tx, s->project, &s->robot, "member");
    stage_member(tx, s->project, &s->viewer, "viewer");
    stage_member(tx, s->foreign_project, &s->foreigner, "admin");
    return true;
}

static inline struct pn_actor stage_actor(enum pn_actor_kind kind, struct pn_uuid org,
                                          const char *name, const char *role)
{
    return (struct pn_actor){ .kind = kind,
                              .id = pn_random_uuid(),
                              .org_id = org,
                              .name = pn_str_from(name),
                              .org_role = pn_str_from(role) };
}

/* `run_twice` is off: the people are inserted with fixed ids. It is on for everything after. */
static inline void stage_open(struct stage *s, bool run_twice)
{
    const struct pn_db_config config = { .path = s->path,
                                         .migrations = pn_core_migrations,
                                         .migration_count = pn_core_migration_count,
                                         .watched = pn_core_watched,
                                         .run_twice = run_twice };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_open(&config, &s->db, &err), err);
    CHECK_OK(pn_db_connect(s->db, &s->conn, &err), err);
    s->cache = pn_cache_new(s->db, 64, PN_CACHE_BYTES, (const uint8_t[PN_CACHE_SALT_BYTES]){ 7 });
}

static inline void stage_close(struct stage *s)
{
    pn_db_disconnect(s->conn);
    pn_cache_free(s->cache);
    pn_db_close(s->db);
}

/* People with their ids, and where the database is to be. */
static inline void stage_begin(struct stage *s)
{
    struct pn_err err = { 0 };
    char dir[] = "/tmp/pn-core-XXXXXX";

    *s = (struct stage){ .org = pn_random_uuid(),
                         .other_org = pn_random_uuid(),
                         .project = pn_random_uuid(),
                         .other_project = pn_random_uuid(),
                         .foreign_project = pn_random_uuid() };
    s->admin = stage_actor(PN_ACTOR_USER, s->org, "admin@acme.test", "admin");
    s->member = stage_actor(PN_ACTOR_USER, s->org, "member@acme.test", "member");
    s->robot = stage_actor(PN_ACTOR_IDENTITY, s->org, "robot", "no-access");
    s->viewer = stage_actor(PN_ACTOR_USER, s->org, "viewer@acme.test", "no-access");
    s->stranger = stage_actor(PN_ACTOR_USER, s->org, "stranger@acme.test", "no-access");
    s->foreigner = stage_actor(PN_ACTOR_USER, s->other_org, "boss@other.test", "admin");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(s->path, sizeof(s->path), "%s/db", dir);
    pn_clock_freeze(STAGE_WALL_MS, 1000);
    s->arena = pn_arena_new((size_t)64 << 20);
    CHECK_OK(pn_keyring_new(PN_LIT("0123456789abcdef0123456789abcdef"), &s->keyring, &err), err);
}

static inline void stage_start(struct stage *s)
{
    struct pn_err err = { 0 };

    stage_begin(s);
    stage_open(s, false);
    CHECK_OK(pn_db_write(s->db, stage_write, s, &err), err);
    stage_close(s);
    stage_open(s, true);
}

static inline void stage_stop(struct stage *s)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char name[80];

    stage_close(s);
    pn_keyring_free(s->keyring);
    pn_arena_free(s->arena);
    pn_clock_release();
    for (size_t i = 0; i < PN_COUNT(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", s->path, suffixes[i]);
        (void)unlink(name);
    }
    *strrchr(s->path, '/') = '\0';
    CHECK_EQ(rmdir(s->path), 0);
}

static inline struct pn_call stage_call(struct stage *s, struct pn_actor actor)
{
    return (struct pn_call){ .arena = s->arena,
                             .now_ms = pn_clock_wall_ms(),
                             .actor = actor,
                             .db = s->db,
                             .conn = s->conn,
                             .keyring = s->keyring,
                             .cache = s->cache,
                             .request_id = PN_LIT("req-1"),
                             .ip = PN_LIT("192.0.2.7"),
                             .user_agent = PN_LIT("cli") };
}

static inline struct pn_actor stage_gateway_actor(struct stage *s, struct pn_uuid id)
{
    return (struct pn_actor){
        .kind = PN_ACTOR_GATEWAY, .id = id, .org_id = s->org, .name = PN_LIT("gw")
    };
}

static inline struct pn_actor stage_relay_actor(struct stage *s, struct pn_uuid id)
{
    return (struct pn_actor){
        .kind = PN_ACTOR_RELAY, .id = id, .org_id = s->org, .name = PN_LIT("eu")
    };
}

static inline int64_t stage_count(struct stage *s, const char *sql)
{
    struct pn_query *q = pn_query(s->conn, sql);
    struct pn_err err = { 0 };
    int64_t count = pn_query_next(q) ? pn_column_int(q, 0) : -1;

    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

static inline int64_t stage_events(struct stage *s, const char *type)
{
    struct pn_query *q =
        pn_query(s->conn, "SELECT count(*) FROM audit_log WHERE event_type = $type");
    struct pn_err err = { 0 };
    int64_t count;

    pn_bind_str(q, "$type", pn_str_from(type));
    count = pn_query_next(q) ? pn_column_int(q, 0) : -1;
    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

/* Do these bytes stand anywhere in the database's files? */
static inline bool stage_leaks(struct stage *s, struct pn_str needle)
{
    static const char *const suffixes[] = { "", "-wal" };
    bool found = false;

    for (size_t i = 0; i < PN_COUNT(suffixes); i++) {
        pn_auto(pn_buf_drop) struct pn_buf all = pn_buf_init((size_t)64 << 20);
        char name[80];
        FILE *file;

        snprintf(name, sizeof(name), "%s%s", s->path, suffixes[i]);
        file = fopen(name, "rb");
        while (file != NULL) {
            char *room = pn_buf_room(&all, 65536);
            size_t got = fread(room, 1, 65536, file);

            pn_buf_grew(&all, got);
            if (got == 0)
                break;
        }
        if (file != NULL)
            fclose(file);
        found = found || pn_str_search(pn_buf_str(&all), needle) >= 0;
    }
    return found;
}

/* ---- what most cases need ---- */

static inline struct pn_uuid stage_gateway(struct stage *s, const char *name)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_gateways_view view;
    struct pn_enrol enrol;
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_create(&call, pn_str_from(name), &view, &err), err);
    CHECK_OK(pn_gateways_mint(&call, view.id, &enrol, &err), err);
    CHECK_OK(pn_gateways_enrol(&call, enrol.token, &grant, &err), err);
    return view.id;
}

static inline struct pn_uuid stage_relay(struct stage *s, const char *name, const char *host)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_relays_view view;
    struct pn_enrol enrol;
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    CHECK_OK(pn_relays_create(&call, pn_str_from(name), pn_str_from(host), &view, &err), err);
    CHECK_OK(pn_relays_mint(&call, view.id, &enrol, &err), err);
    CHECK_OK(pn_relays_enrol(&call, enrol.token, &grant, &err), err);
    return view.id;
}

static inline void stage_tunnel(struct stage *s, struct pn_uuid relay, struct pn_uuid gateway)
{
    struct pn_call call = stage_call(s, stage_relay_actor(s, relay));
    struct pn_err err = { 0 };

    CHECK_OK(pn_relays_heartbeat(&call, &gateway, 1, &(struct pn_strs){ 0 }, &err), err);
}

static inline struct pn_uuid stage_resource(struct stage *s, struct pn_uuid project,
                                            const char *name, struct pn_uuid gateway)
{
    struct pn_call call = stage_call(s, s->admin);
    const struct pn_pam_resource_change change = {
        .project_id = project,
        .name = pn_str_from(name),
        .has_name = true,
        .cluster.url = PN_LIT("https://10.0.0.1:6443"),
        .cluster.has_url = true,
        .cluster.is_verified = true,
        .cluster.has_verified = true,
        .cluster.gateway_id = gateway,
        .cluster.has_gateway = true,
    };
    struct pn_pam_resource resource;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_resource_create(&call, &change, &resource, &err), err);
    return resource.id;
}

static inline struct pn_uuid stage_account(struct stage *s, struct pn_uuid resource,
                                           const char *name, int64_t max_s)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_err err = { 0 };
    struct pn_secret *token = pn_secret_new(PN_LIT(STAGE_TOKEN), &err);
    const struct pn_pam_account_change change = { .resource_id = resource,
                                                  .name = pn_str_from(name),
                                                  .has_name = true,
                                                  .token = token,
                                                  .max_duration_s = max_s,
                                                  .has_max_duration = true };
    struct pn_pam_account account;

    CHECK_OK(pn_pam_account_create(&call, &change, &account, &err), err);
    pn_secret_free(token);
    return account.id;
}

/* A case: a stage of its own, torn down also when nothing was left behind. */
#define STAGE_TEST(name)                          \
    static void name##_on(struct stage *s);       \
    PN_TEST(name)                                 \
    {                                             \
        struct stage s;                           \
        size_t secrets = pn_secret_pool_used();   \
                                                  \
        stage_start(&s);                          \
        name##_on(&s);                            \
        stage_stop(&s);                           \
        CHECK_EQ(pn_secret_pool_used(), secrets); \
    }                                             \
    static void name##_on(struct stage *s)

#endif
