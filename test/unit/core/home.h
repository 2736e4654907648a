/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CORE_HOME_H
#define PN_TEST_UNIT_CORE_HOME_H

/* A fresh database on disk, set up as a person would: bootstrap, log in, select the organization. */
#include "check.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/audit/audit.h"
#include "core/auth/login.h"
#include "core/auth/token.h"
#include "core/identity/identity.h"
#include "core/org/instance.h"
#include "core/org/permission.h"
#include "core/org/project.h"
#include "core/org/project_member.h"
#include "core/scope.h"
#include "core/watched.h"
#include "crypto/random.h"
#include "db/cache.h"

#define HOME_WALL_MS INT64_C(1790000000123)
#define HOME_PASSWORD "correct horse battery"

struct home {
    char path[64];
    struct pn_db *db;
    struct pn_keyring *keyring;
    struct pn_cache *cache; /* so that all that holds for rows holds for it */
    struct pn_db_conn *conn;
    struct pn_arena *arena;
    struct pn_bootstrap first; /* user, organization, identity with its token */
};

static inline struct pn_call home_call(struct home *h, struct pn_actor actor)
{
    return (struct pn_call){ .arena = h->arena,
                             .now_ms = pn_clock_wall_ms(),
                             .actor = actor,
                             .db = h->db,
                             .conn = h->conn,
                             .keyring = h->keyring,
                             .cache = h->cache,
                             .request_id = PN_LIT("req-1"),
                             .ip = PN_LIT("192.0.2.7"),
                             .user_agent = PN_LIT("cli") };
}

static inline struct pn_secret *home_secret(const char *text)
{
    struct pn_err err = { 0 };
    struct pn_secret *secret = pn_secret_new(pn_str_from(text), &err);

    CHECK_OK(secret != NULL, err);
    return secret;
}

static inline bool home_bootstrap(struct home *h, struct pn_bootstrap *out, struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    pn_auto(pn_secret_freep) struct pn_secret *password = home_secret(HOME_PASSWORD);

    return pn_instance_bootstrap(&call,
                                 &(struct pn_instance_first){ .email = PN_LIT("admin@acme.test"),
                                                              .first_name = PN_LIT("Admin"),
                                                              .last_name = PN_LIT("User"),
                                                              .organization = PN_LIT("Acme Inc"),
                                                              .password = password,
                                                              .has_identity = true },
                                 out, err);
}

static inline void home_start(struct home *h)
{
    char dir[] = "/tmp/pn-home-XXXXXX";
    struct pn_err err = { 0 };
    struct pn_db_config config = { .migrations = pn_core_migrations,
                                   .migration_count = pn_core_migration_count,
                                   .watched = pn_core_watched,
                                   .run_twice = true };

    *h = (struct home){ .arena = pn_arena_new((size_t)64 << 20) };
    CHECK(mkdtemp(dir) != NULL);
    snprintf(h->path, sizeof(h->path), "%s/db", dir);
    config.path = h->path;
    pn_clock_freeze(HOME_WALL_MS, 1000);
    CHECK_OK(pn_keyring_new(PN_LIT("0123456789abcdef0123456789abcdef"), &h->keyring, &err), err);
    CHECK_OK(pn_db_open(&config, &h->db, &err), err);
    CHECK_OK(pn_db_connect(h->db, &h->conn, &err), err);
    h->cache = pn_cache_new(h->db, 64, PN_CACHE_BYTES, (const uint8_t[PN_CACHE_SALT_BYTES]){ 7 });
    CHECK_OK(pn_instance_ensure(h->db, h->conn, &err), err);
    CHECK_OK(home_bootstrap(h, &h->first, &err), err);
}

static inline void home_stop(struct home *h)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char name[80];

    pn_db_disconnect(h->conn);
    pn_cache_free(h->cache);
    pn_db_close(h->db);
    pn_keyring_free(h->keyring);
    pn_arena_free(h->arena);
    pn_clock_release();
    for (size_t i = 0; i < PN_COUNT(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", h->path, suffixes[i]);
        (void)unlink(name);
    }
    *strrchr(h->path, '/') = '\0';
    CHECK_EQ(rmdir(h->path), 0);
}

/* Who this bearer is, as a call: fails the test when it is nobody. */
static inline struct pn_call home_as(struct home *h, struct pn_str bearer)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    struct pn_err err = { 0 };

    CHECK_OK(pn_token_authenticate(&call, bearer, &call.actor, &err), err);
    return call;
}

static inline bool home_knows(struct home *h, struct pn_str bearer, struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });

    return pn_token_authenticate(&call, bearer, &call.actor, err);
}

static inline bool home_login(struct home *h, const char *email, const char *text,
                              struct pn_str *token, struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });
    pn_auto(pn_secret_freep) struct pn_secret *password = home_secret(text);

    return pn_login_password(&call, pn_str_from(email), password, token, err);
}

/* Logged in and in the first organization. */
static inline struct pn_call home_person(struct home *h, const char *email)
{
    struct pn_str token;
    struct pn_err err = { 0 };
    struct pn_call call;

    CHECK_OK(home_login(h, email, HOME_PASSWORD, &token, &err), err);
    call = home_as(h, token);
    CHECK_OK(pn_login_select_org(&call, h->first.org.id, &token, &(bool){ false }, &err), err);
    return home_as(h, token);
}

/* A new account in the first organization. */
static inline struct pn_call home_new_person(struct home *h, const char *email, const char *role)
{
    struct pn_call call = home_as(h, h->first.token);
    pn_auto(pn_secret_freep) struct pn_secret *password = home_secret(HOME_PASSWORD);
    const struct pn_user_new fresh = { .email = pn_str_from(email),
                                       .org_role = pn_str_from(role),
                                       .password = password };
    struct pn_user user;
    struct pn_err err = { 0 };

    CHECK_OK(pn_user_create(&call, &fresh, &user, &err), err);
    return home_person(h, email);
}

static inline struct pn_project home_project(struct home *h, struct pn_call *call, const char *name)
{
    const struct pn_project_new fresh = { .name = pn_str_from(name),
                                          .type = PN_LIT("pam"),
                                          .has_default_environments = true };
    struct pn_project project;
    struct pn_err err = { 0 };

    (void)h;
    CHECK_OK(pn_project_create(call, &fresh, &project, &err), err);
    return project;
}

static inline int64_t home_count(struct home *h, const char *sql)
{
    struct pn_query *q = pn_query(h->conn, sql);
    struct pn_err err = { 0 };
    int64_t count = pn_query_next(q) ? pn_column_int(q, 0) : -1;

    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

static inline int64_t home_events(struct home *h, const char *type)
{
    struct pn_query *q =
        pn_query(h->conn, "SELECT count(*) FROM audit_log WHERE event_type = $type");
    struct pn_err err = { 0 };
    int64_t count;

    pn_bind_str(q, "$type", pn_str_from(type));
    count = pn_query_next(q) ? pn_column_int(q, 0) : -1;
    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

/* ---- somebody else at the same moment ---- */

struct home_other {
    struct pn_db *db;
    const char *sql;
    atomic_bool has_writer;
};

/* Holds the writer until the other change and one more wait: that one has read by then. */
static inline bool home_hold(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct home_other *other = context;

    (void)tx;
    (void)err;
    atomic_store(&other->has_writer, true);
    while (pn_db_stats(other->db).queue_now < 2)
        sched_yield();
    return true;
}

static inline bool home_change(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct home_other *other = context;

    return pn_query_run(pn_query(tx, other->sql), NULL, err);
}

/* The next write that this thread waits for comes after this change, and what it read before it does not. */
static inline void home_meanwhile(struct home *h, const char *sql)
{
    struct home_other *other = pn_new(h->arena, struct home_other, 1);
    struct pn_err err = { 0 };

    other->db = h->db;
    other->sql = sql;
    CHECK_OK(pn_db_write_later(h->db, home_hold, other, NULL, &err), err);
    while (!atomic_load(&other->has_writer))
        sched_yield();
    CHECK_OK(pn_db_write_later(h->db, home_change, other, NULL, &err), err);
}

#define HOME_TEST(name)                           \
    static void name##_at(struct home *h);        \
    PN_TEST(name)                                 \
    {                                             \
        struct home h;                            \
        size_t secrets = pn_secret_pool_used();   \
                                                  \
        home_start(&h);                           \
        name##_at(&h);                            \
        home_stop(&h);                            \
        CHECK_EQ(pn_secret_pool_used(), secrets); \
    }                                             \
    static void name##_at(struct home *h)

#endif
