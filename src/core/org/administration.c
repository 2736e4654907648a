/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/administration.h"

#include "core/org/names.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define CODE_BYTES 24

/* ---- lists ---- */

static bool count_matches(struct pn_call *call, const char *sql, struct pn_str like, int64_t *total,
                          struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, sql);

    pn_bind_str(q, "$like", like);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

static void bind_page(struct pn_query *q, struct pn_str like, int64_t offset, int64_t limit)
{
    pn_bind_str(q, "$like", like);
    pn_bind_int(q, "$offset", offset);
    pn_bind_int(q, "$limit", limit);
}

static bool read_members(struct pn_call *call, struct pn_admin_org *o, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_admin_member));
    struct pn_query *q =
        pn_query(call->conn, "SELECT m.id, m.role, m.status, u.id, COALESCE(u.email,"
                             " m.invite_email), u.first_name, u.last_name FROM org_members m"
                             " LEFT JOIN users u ON u.id = m.user_id WHERE m.org_id = $org"
                             " ORDER BY m.created_ms, m.id LIMIT $most");

    pn_bind_uuid(q, "$org", o->org.id);
    pn_bind_int(q, "$most", PN_ADMIN_MAX_LISTED);
    while (pn_query_next(q))
        *(struct pn_admin_member *)pn_rows_add(&rows) = (struct pn_admin_member){
            .membershipId = pn_column_uuid(q, 0),
            .role = pn_column_str(q, 1, call->arena),
            .status = pn_column_str(q, 2, call->arena),
            .user_id = pn_column_uuid(q, 3),
            .email = pn_column_str(q, 4, call->arena),
            .firstName = pn_column_str(q, 5, call->arena),
            .lastName = pn_column_str(q, 6, call->arena),
        };
    o->members = rows.list;
    return pn_query_end(q, err);
}

static bool read_projects(struct pn_call *call, struct pn_admin_org *o, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_admin_project));
    struct pn_query *q = pn_query(call->conn, "SELECT id, name, slug, created_ms FROM projects"
                                              " WHERE org_id = $org ORDER BY name, id LIMIT $most");

    pn_bind_uuid(q, "$org", o->org.id);
    pn_bind_int(q, "$most", PN_ADMIN_MAX_LISTED);
    while (pn_query_next(q))
        *(struct pn_admin_project *)pn_rows_add(&rows) = (struct pn_admin_project){
            .id = pn_column_uuid(q, 0),
            .name = pn_column_str(q, 1, call->arena),
            .slug = pn_column_str(q, 2, call->arena),
            .createdAt = pn_column_int(q, 3),
        };
    o->projects = rows.list;
    return pn_query_end(q, err);
}

#define ORG_COLUMNS "SELECT id, name, slug, created_ms, updated_ms, enforce_mfa FROM orgs "
#define ORG_FILTER "WHERE lower(name) LIKE $like ESCAPE '\\'"

static struct pn_org read_org(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_org){ .id = pn_column_uuid(q, 0),
                            .name = pn_column_str(q, 1, arena),
                            .slug = pn_column_str(q, 2, arena),
                            .createdAt = pn_column_int(q, 3),
                            .updatedAt = pn_column_int(q, 4),
                            .enforceMfa = pn_column_int(q, 5) != 0 };
}

bool pn_admin_orgs(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                   struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_admin_org));
    struct pn_str like = pn_rows_like(call->arena, search);
    struct pn_query *q;

    if (!pn_user_require_super(call, err) ||
        !count_matches(call, "SELECT count(*) FROM orgs " ORG_FILTER, like, total, err))
        return false;
    q = pn_query(call->conn,
                 ORG_COLUMNS ORG_FILTER " ORDER BY name, id LIMIT $limit OFFSET $offset");
    bind_page(q, like, offset, limit);
    while (pn_query_next(q))
        ((struct pn_admin_org *)pn_rows_add(&rows))->org = read_org(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    for (size_t i = 0; i < rows.list.count; i++) {
        struct pn_admin_org *o = (struct pn_admin_org *)rows.list.items + i;

        if (!read_members(call, o, err) || !read_projects(call, o, err))
            return false;
    }
    *out = rows.list;
    return true;
}

#define IDENTITY_FILTER "WHERE lower(name) LIKE $like ESCAPE '\\'"

bool pn_admin_identities(struct pn_call *call, struct pn_str search, int64_t offset, int64_t limit,
                         struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_admin_identity));
    struct pn_str like = pn_rows_like(call->arena, search);
    struct pn_query *q;

    if (!pn_user_require_super(call, err) ||
        !count_matches(call, "SELECT count(*) FROM identities " IDENTITY_FILTER, like, total, err))
        return false;
    q = pn_query(call->conn, "SELECT id, name, is_instance_admin FROM identities " IDENTITY_FILTER
                             " ORDER BY name, id LIMIT $limit OFFSET $offset");
    bind_page(q, like, offset, limit);
    while (pn_query_next(q))
        *(struct pn_admin_identity *)pn_rows_add(&rows) =
            (struct pn_admin_identity){ .id = pn_column_uuid(q, 0),
                                        .name = pn_column_str(q, 1, call->arena),
                                        .isInstanceAdmin = pn_column_int(q, 2) != 0 };
    *out = rows.list;
    return pn_query_end(q, err);
}

/* ---- organisations ---- */

struct founding {
    const struct pn_call *call;
    const struct pn_org *org;
    struct pn_org_invite *people;
    size_t count;
};

/* An account that an invitation made is nobody's yet: whoever has that invitation's code would be who claims it. */
static bool find_user(struct pn_db_conn *tx, struct pn_str email, struct pn_uuid *out,
                      bool *is_claimed, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT id, CASE WHEN password_hash IS NULL THEN 0 ELSE 1 END"
                                      " FROM users WHERE email = $email");
    bool is_found;

    pn_bind_str(q, "$email", email);
    is_found = pn_query_next(q);
    *out = is_found ? pn_column_uuid(q, 0) : (struct pn_uuid){ 0 };
    *is_claimed = is_found && pn_column_int(q, 1) != 0;
    return pn_query_end(q, err);
}

static bool join_admin(struct pn_db_conn *tx, const struct founding *f, struct pn_org_invite *who,
                       struct pn_err *err)
{
    uint8_t hash[PN_SHA256_BYTES];
    struct pn_org_join join = { .id = pn_random_uuid(),
                                .org_id = f->org->id,
                                .role = PN_LIT("admin") };

    if (!find_user(tx, who->email, &join.user_id, &who->is_member, err))
        return false;
    if (!who->is_member) {
        pn_hash_sha256(who->code, hash);
        join.invite_email = who->email;
        join.invite_hash = pn_str_of(hash, sizeof(hash));
        join.invite_expires_ms = f->call->now_ms + PN_ORG_INVITE_MS;
    }
    return pn_org_join(tx, f->call, &join, err);
}

static bool found_org(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct founding *f = context;

    if (!pn_org_insert(tx, f->call, f->org, err))
        return false;
    for (size_t i = 0; i < f->count; i++)
        if (!join_admin(tx, f, &f->people[i], err) ||
            !pn_trail_write(tx, f->call,
                            &(struct pn_trail){ .type = "invite-org-member",
                                                .org_id = f->org->id,
                                                .fields = { { "email", f->people[i].email },
                                                            { "role", PN_LIT("admin") } } },
                            err))
            return false;
    return pn_trail_write(
        tx, f->call,
        &(struct pn_trail){ .type = "create-org",
                            .org_id = f->org->id,
                            .fields = { { "name", f->org->name }, { "slug", f->org->slug } } },
        err);
}

bool pn_admin_org_create(struct pn_call *call, struct pn_str name, struct pn_strs emails,
                         struct pn_org *out, struct pn_list *invites, struct pn_err *err)
{
    struct founding f = { .call = call, .org = out };

    if (!pn_user_require_super(call, err))
        return false;
    f.people = pn_new(call->arena, struct pn_org_invite, emails.count);
    for (size_t i = 0; i < emails.count; i++) {
        bool is_known = false;

        for (size_t j = 0; j < f.count; j++)
            is_known = is_known || pn_str_eq(f.people[j].email, emails.items[i]);
        if (!is_known)
            f.people[f.count++] =
                (struct pn_org_invite){ .email = emails.items[i],
                                        .code = pn_random_token(call->arena, "", CODE_BYTES) };
    }
    *out = (struct pn_org){ .id = pn_random_uuid(),
                            .name = name,
                            .slug = pn_name_to_slug(call->arena, name),
                            .createdAt = call->now_ms,
                            .updatedAt = call->now_ms };
    *invites = (struct pn_list){ .items = f.people, .count = f.count };
    return pn_db_write(call->db, found_org, &f, err);
}

struct deletion {
    const struct pn_call *call;
    const struct pn_org *org;
};

static bool erase(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct deletion *d = context;

    return pn_org_erase(tx, d->call, d->org, err);
}

static bool find_org(struct pn_call *call, struct pn_uuid id, struct pn_org *out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, ORG_COLUMNS "WHERE id = $id");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_org(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Organization with ID '%s' not found",
                               pn_uuid_format(id).text);
}

bool pn_admin_org_delete(struct pn_call *call, struct pn_uuid id, struct pn_org *out,
                         struct pn_err *err)
{
    struct deletion d = { .call = call, .org = out };

    return pn_user_require_super(call, err) && find_org(call, id, out, err) &&
           pn_db_write(call->db, erase, &d, err);
}

/* ---- people of any organisation ---- */

struct expulsion {
    struct pn_call *call;
    const struct pn_user *users;
    size_t count;
};

static bool list_memberships(struct pn_db_conn *tx, struct pn_arena *arena, struct pn_uuid user,
                             struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_org_member));
    struct pn_query *q = pn_query(tx, "SELECT m.id, m.org_id, m.user_id, m.role, m.status,"
                                      " m.is_active, u.email FROM org_members m"
                                      " JOIN users u ON u.id = m.user_id WHERE m.user_id = $user");

    pn_bind_uuid(q, "$user", user);
    while (pn_query_next(q))
        *(struct pn_org_member *)pn_rows_add(&rows) =
            (struct pn_org_member){ .id = pn_column_uuid(q, 0),
                                    .orgId = pn_column_uuid(q, 1),
                                    .userId = pn_column_uuid(q, 2),
                                    .role = pn_column_str(q, 3, arena),
                                    .status = pn_column_str(q, 4, arena),
                                    .isActive = pn_column_int(q, 5) != 0,
                                    .email = pn_column_str(q, 6, arena) };
    *out = rows.list;
    return pn_query_end(q, err);
}

static bool check_super_is_left(struct pn_db_conn *tx, const char *message, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT 1 FROM users WHERE is_super_admin = 1 LIMIT 1");
    bool is_left = pn_query_next(q);

    return pn_query_end(q, err) && (is_left || pn_fail(err, PN_BAD_REQUEST, "%s", message));
}

/* Their memberships first, one by one: each ends sessions and is on record where it was. */
static bool expel(struct pn_db_conn *tx, const struct expulsion *e, const struct pn_user *user,
                  struct pn_err *err)
{
    struct pn_list memberships;
    struct pn_query *q;

    if (!list_memberships(tx, e->call->arena, user->id, &memberships, err))
        return false;
    for (size_t i = 0; i < memberships.count; i++)
        if (!pn_org_member_erase(tx, e->call, (const struct pn_org_member *)memberships.items + i,
                                 err))
            return false;
    q = pn_query(tx, "DELETE FROM users WHERE id = $id");
    pn_bind_uuid(q, "$id", user->id);
    return pn_query_run(q, NULL, err) &&
           pn_trail_write(
               tx, e->call,
               &(struct pn_trail){ .type = "delete-user",
                                   .fields = { { "userId", pn_uuid_str(e->call->arena, user->id) },
                                               { "email", user->email } } },
               err);
}

static bool expel_all(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct expulsion *e = context;

    for (size_t i = 0; i < e->count; i++)
        if (!expel(tx, e, &e->users[i], err))
            return false;
    return check_super_is_left(tx, "The last administrator of the instance stays", err);
}

bool pn_admin_users_delete(struct pn_call *call, const struct pn_uuid *ids, size_t count,
                           struct pn_list *out, struct pn_err *err)
{
    struct pn_user *users = pn_new(call->arena, struct pn_user, count);
    struct expulsion e = { .call = call, .users = users, .count = count };

    if (!pn_user_require_super(call, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (pn_uuid_eq(ids[i], call->actor.id))
            return pn_fail(err, PN_BAD_REQUEST, "Nobody deletes their own account");
        if (!pn_user_find(call, ids[i], &users[i], err))
            return false;
    }
    *out = (struct pn_list){ .items = users, .count = count };
    return pn_db_write(call->db, expel_all, &e, err);
}

struct membership {
    struct pn_call *call;
    struct pn_org_member *member;
};

static bool erase_member(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct membership *m = context;

    return pn_org_member_erase(tx, m->call, m->member, err);
}

bool pn_admin_member_delete(struct pn_call *call, struct pn_uuid org, struct pn_uuid membership,
                            struct pn_org_member *out, struct pn_err *err)
{
    struct membership m = { .call = call, .member = out };

    return pn_user_require_super(call, err) &&
           pn_org_member_find(call, org, membership, out, err) &&
           pn_db_write(call->db, erase_member, &m, err);
}

/* A membership that is there, of whatever kind, becomes an administrator's. */
static bool write_access(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct membership *m = context;
    const struct pn_trail trail = { .type = "instance-admin-accessed-org",
                                    .org_id = m->member->orgId,
                                    .fields = { { "email", m->call->actor.name } } };
    struct pn_query *q =
        pn_query(tx, "UPDATE org_members SET role = 'admin', status = 'accepted', is_active = 1,"
                     " invite_hash = NULL, updated_ms = $now WHERE org_id = $org"
                     " AND user_id = $user");
    const struct pn_org_join join = { .id = m->member->id,
                                      .org_id = m->member->orgId,
                                      .user_id = m->call->actor.id,
                                      .role = PN_LIT("admin") };
    int64_t changed;

    pn_bind_int(q, "$now", m->call->now_ms);
    pn_bind_uuid(q, "$org", m->member->orgId);
    pn_bind_uuid(q, "$user", m->call->actor.id);
    return pn_query_run(q, &changed, err) &&
           (changed > 0 || pn_org_join(tx, m->call, &join, err)) &&
           pn_trail_write(tx, m->call, &trail, err);
}

bool pn_admin_org_access(struct pn_call *call, struct pn_uuid org, struct pn_org_member *out,
                         struct pn_err *err)
{
    struct membership m = { .call = call, .member = out };
    struct pn_call inside = *call;
    struct pn_org found;

    if (!pn_user_require_super(call, err) || !find_org(call, org, &found, err))
        return false;
    *out = (struct pn_org_member){ .id = pn_random_uuid(), .orgId = org };
    inside.actor.org_id = org;
    return pn_db_write(call->db, write_access, &m, err) && pn_org_member_own(&inside, out, err);
}

/* ---- what is remembered ---- */

struct forgetting {
    struct pn_call *call;
    struct pn_str what;
};

static bool forget(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct forgetting *f = context;

    pn_db_touch_all(tx);
    return pn_trail_write(
        tx, f->call,
        &(struct pn_trail){ .type = "invalidate-cache", .fields = { { "type", f->what } } }, err);
}

bool pn_admin_forget(struct pn_call *call, struct pn_str what, struct pn_err *err)
{
    struct forgetting f = { .call = call, .what = what };

    return pn_user_require_super(call, err) && pn_db_write(call->db, forget, &f, err);
}

/* ---- the right itself ---- */

struct right {
    const struct pn_call *call;
    struct pn_uuid id;
    bool is_admin;
    struct pn_str name;
};

static bool write_user_right(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct right *r = context;
    struct pn_query *q = pn_query(tx, "UPDATE users SET is_super_admin = $admin, updated_ms = $now"
                                      " WHERE id = $id AND password_hash IS NOT NULL");
    int64_t changed;

    pn_bind_int(q, "$admin", r->is_admin);
    pn_bind_int(q, "$now", r->call->now_ms);
    pn_bind_uuid(q, "$id", r->id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_BAD_REQUEST,
                       "This account was made by an invitation, and nobody has come to it yet");
    if (!check_super_is_left(tx, "The last administrator of the instance keeps this right", err))
        return false;
    return pn_trail_write(
        tx, r->call,
        &(struct pn_trail){ .type = r->is_admin ? "grant-instance-admin" : "revoke-instance-admin",
                            .fields = { { "email", r->name } } },
        err);
}

bool pn_admin_user_right(struct pn_call *call, struct pn_uuid id, bool is_admin,
                         struct pn_user *out, struct pn_err *err)
{
    struct right r = { .call = call, .id = id, .is_admin = is_admin };

    if (!pn_user_require_super(call, err) || !pn_user_find(call, id, out, err))
        return false;
    r.name = out->email;
    out->superAdmin = is_admin;
    return pn_db_write(call->db, write_user_right, &r, err);
}

static bool drop_identity_right(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct right *r = context;
    struct pn_query *q = pn_query(
        tx, "UPDATE identities SET is_instance_admin = 0, updated_ms = $now WHERE id = $id");

    pn_bind_int(q, "$now", r->call->now_ms);
    pn_bind_uuid(q, "$id", r->id);
    return pn_query_run(q, NULL, err) &&
           pn_trail_write(tx, r->call,
                          &(struct pn_trail){ .type = "revoke-instance-admin",
                                              .fields = { { "name", r->name } } },
                          err);
}

bool pn_admin_identity_drop_right(struct pn_call *call, struct pn_uuid id,
                                  struct pn_admin_identity *out, struct pn_err *err)
{
    struct right r = { .call = call, .id = id };
    struct pn_query *q;
    bool is_found;

    if (!pn_user_require_super(call, err))
        return false;
    q = pn_query(call->conn,
                 "SELECT name FROM identities WHERE id = $id AND is_instance_admin = 1");
    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_admin_identity){ .id = id, .name = pn_column_str(q, 0, call->arena) };
    if (!pn_query_end(q, err))
        return false;
    if (!is_found)
        return pn_fail(err, PN_NOT_FOUND, "No identity that administers the instance has this ID");
    r.name = out->name;
    return pn_db_write(call->db, drop_identity_right, &r, err);
}
